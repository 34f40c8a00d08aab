"""Write zoo/catalog/applications.json: weights URL, hash, input size, width and parameters of keras.applications.

python -m tools.catalog.applications_table

Each network is built as for ImageNet weights without a classifier, without allocating weights; the library's helpers
are patched to record which file it would fetch and which input size is its default.
"""

from __future__ import annotations

import inspect
import json
import math
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

import keras
from keras.src.applications import imagenet_utils
from keras.src.utils import file_utils

APPLICATIONS_FILE: Final = Path(__file__).parents[2] / "zoo" / "catalog" / "applications.json"
_SHA256_DIGITS: Final = 64  # digits; an MD5 has 32


def list_factories() -> list[str]:
    """Return the names of all network functions of keras.applications, sorted."""
    return sorted(name for name, _ in inspect.getmembers(keras.applications, inspect.isfunction))


def application_facts(factory: str) -> dict[str, Any]:
    """Return a network's `url`, `md5` or `sha256` (None: not given), `size` in pixels, `width` and `params`."""
    request: dict[str, Any] = {}
    with _capture_requests(request):
        model = getattr(keras.applications, factory)(include_top=False)
    return {
        "url": request["origin"],
        **hash_fields(request["file_hash"]),
        "size": request.get("default_size") or _size_from_url(request["origin"]),
        "width": model.output_shape[-1],
        "params": sum(math.prod(weight.shape) for weight in model.weights),
    }


def hash_fields(file_hash: str | None) -> dict[str, str | None]:
    """Return a file's hash from the library as `md5` or `sha256`, by its length; the other is None."""
    is_sha256 = file_hash is not None and len(file_hash) == _SHA256_DIGITS
    return {"md5": None if is_sha256 else file_hash or None, "sha256": file_hash if is_sha256 else None}


def render_applications() -> str:
    """Return the text of the file."""
    return json.dumps({factory: application_facts(factory) for factory in list_factories()}, indent=2) + "\n"


@contextmanager
def _capture_requests(captured_facts: dict[str, Any]) -> Iterator[None]:
    """Record the library's calls of its helpers in `captured_facts`; nothing is downloaded, loaded or allocated."""

    def shape(*_: object, default_size: int, **__: object) -> tuple[int, int, int]:
        captured_facts["default_size"] = default_size
        return (default_size, default_size, 3)

    def file(_: str, origin: str, file_hash: str | None = None, **__: object) -> str:
        captured_facts.update(origin=origin, file_hash=file_hash)
        return "weights.h5"

    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")  # MobileNetV3 warns that it uses its default size
        stack.enter_context(patch.object(imagenet_utils, "obtain_input_shape", shape))
        stack.enter_context(patch.object(file_utils, "get_file", file))
        stack.enter_context(patch.object(keras.Model, "load_weights", lambda *_: None))
        stack.enter_context(keras.StatelessScope(initialize_variables=False))
        yield


def _size_from_url(url: str) -> int:
    """Return the input size in MobileNetV3's weights URL, the only place where the library has it."""
    match = re.search(r"_(\d{3})_1\.0_", url)
    if match is None:
        raise ValueError(f"{url} contains no input size")
    return int(match[1])


if __name__ == "__main__":
    APPLICATIONS_FILE.write_text(render_applications())
    sys.stderr.write(f"wrote {APPLICATIONS_FILE}\n")
