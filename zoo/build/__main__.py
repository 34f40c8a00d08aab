"""`python -m zoo.build NAME --precision P --source FILE --into FOLDER`: one build, in a process of its own.

TensorFlow's memory and noise stay in it. For fp32, FILE holds the weights; for int8 it is the fp32
trunk. Written are `trunk.onnx` and `report.json`. `zoo.build.child` starts it; people use `zoo pull`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from zoo.backbone import Backbone, Pixels, Precision, get
from zoo.build.child import status_of
from zoo.errors import GraftError
from zoo.trunk_cache import TOKENIZER


def main() -> int:
    """Build one trunk and return the exit status; what went wrong is the last line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m zoo.build", description="Build one trunk.")
    parser.add_argument("name")
    parser.add_argument("--precision", type=Precision, choices=list(Precision), required=True)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--into", type=Path, required=True)
    wish = parser.parse_args()
    try:
        data, report = _build(get(wish.name), wish.precision, wish.source, wish.into)
    except GraftError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the parent reads it
        return status_of(error)
    (wish.into / "trunk.onnx").write_bytes(data)
    (wish.into / "report.json").write_text(json.dumps(report))
    return 0


def _build(backbone: Backbone, precision: Precision, source: Path, into: Path) -> tuple[bytes, dict[str, Any]]:
    """Choose the builder: image or text, fp32 or int8. A text's tokenizer.json is written into `into`."""
    if isinstance(backbone.takes, Pixels):
        if precision == Precision.FP32:
            from zoo.build.fp32 import build

            return build(backbone, source)
        from zoo.quantize import quantize

        return quantize(source, _size_of(source), backbone.float_convs)
    if precision == Precision.FP32:
        from zoo.build.text import build_text

        data, report, tokenizer = build_text(backbone, source)
        (into / TOKENIZER).write_bytes(tokenizer)
        return data, report
    from zoo.build.int8_rows import quantize_text

    return quantize_text(source)


def _size_of(trunk: Path) -> int:
    """Return the side of the pictures that a cached trunk takes, in pixels."""
    return int(json.loads(trunk.with_name("trunk.json").read_bytes())["input"]["size"])


if __name__ == "__main__":
    sys.exit(main())
