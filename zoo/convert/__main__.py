"""Entry point of the child process that builds one trunk.

python -m zoo.convert NAME --precision PRECISION --source FILE --into FOLDER

For fp32, FILE holds the weights; without it an image network gets random ones (`zoo bench --random`). For int8, FILE is
the fp32 trunk. Writes FOLDER/trunk.onnx and FOLDER/report.json, for texts FOLDER/tokenizer.json too. Started by
`zoo.convert.process.child_process`; users run `zoo pull`.
"""

from __future__ import annotations

import argparse
import json
import socket
import sys
from pathlib import Path
from typing import Any

from graft.errors import GraftError, TrunkError
from zoo.catalog.backbone import Backbone, ImageSpec, Precision
from zoo.catalog.find import get_backbone
from zoo.convert.process.child_process import TOKENIZER_FILE, exit_status_for
from zoo.weights.mirror import is_offline


def main() -> int:
    """Build one trunk and return the exit status; an error message is the last line on standard error."""
    parser = argparse.ArgumentParser(prog="python -m zoo.convert", description="Build one trunk.")
    parser.add_argument("name")
    parser.add_argument("--precision", type=Precision, choices=list(Precision), required=True)
    parser.add_argument("--source", type=Path)
    parser.add_argument("--into", type=Path, required=True)
    options = parser.parse_args()
    if is_offline():
        sys.addaudithook(_block_sockets)
    try:
        data, report = _build_trunk(get_backbone(options.name), options.precision, options.source, options.into)
    except GraftError as error:
        print(error, file=sys.stderr)  # noqa: T201 - the parent reads it
        return exit_status_for(error)
    (options.into / "trunk.onnx").write_bytes(data)
    (options.into / "report.json").write_text(json.dumps(report))
    return 0


def _block_sockets(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse internet sockets under GRAFT_OFFLINE, which libraries ignore: one of them tries IPv6 when imported."""
    if event == "socket.__new__" and arguments[1] in (-1, socket.AF_INET, socket.AF_INET6):
        raise PermissionError("GRAFT_OFFLINE is set: no socket may be opened")


def _build_trunk(
    backbone: Backbone, precision: Precision, source: Path | None, into: Path
) -> tuple[bytes, dict[str, Any]]:
    """Run the builder for image or text, fp32 or int8; write a text trunk's tokenizer.json into `into`."""
    if isinstance(backbone.takes, ImageSpec) and precision == Precision.FP32:
        from zoo.convert.image_trunk import build_image_trunk

        return build_image_trunk(backbone, source)
    if source is None:
        raise TrunkError(
            f"{backbone.name} in {precision} needs --source. Only an image network in fp32 can have random weights; "
            "the layers of a text encoder come from its preset."
        )
    if isinstance(backbone.takes, ImageSpec):
        from zoo.convert.int8_image import quantize

        return quantize(source, _trunk_image_size(source), backbone.float_convs)
    if precision == Precision.FP32:
        from zoo.convert.text_trunk import build_text_trunk

        data, report, tokenizer = build_text_trunk(backbone, source)
        (into / TOKENIZER_FILE).write_bytes(tokenizer)
        return data, report
    from zoo.convert.int8_text import quantize_text_trunk

    return quantize_text_trunk(source)


def _trunk_image_size(trunk: Path) -> int:
    """Return the input size of a cached image trunk, in pixels."""
    return int(json.loads(trunk.with_name("trunk.json").read_bytes())["input"]["size"])


if __name__ == "__main__":
    sys.exit(main())
