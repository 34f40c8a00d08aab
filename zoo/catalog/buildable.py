"""Whether a trunk can be made of a backbone at all: asked before anything is fetched, and again of the real network."""

from __future__ import annotations

from typing import Final

from graft.errors import TrunkError
from zoo.catalog.backbone import Backbone

# Of one protobuf, which an ONNX file is: https://protobuf.dev/programming-guides/proto-limits
MAX_ONNX_BYTES: Final = 2 << 30


def unsupported_reason(backbone: Backbone) -> str | None:
    """Return why no trunk can be made of `backbone`; None: nothing is known against it."""
    return backbone.cannot or (too_large_reason(backbone.params) if backbone.params else None)


def require_buildable(backbone: Backbone) -> None:
    """Pass if nothing is known against a trunk of `backbone`.

    Raises:
        TrunkError: something is; the message says what.
    """
    if reason := unsupported_reason(backbone):
        raise TrunkError(
            f"no trunk can be made of {backbone.name}: {reason}. Nothing was fetched; choose another of `zoo list`."
        )


def too_large_reason(params: int) -> str | None:
    """Return why a trunk of `params` parameters in fp32 is too large; None: it is not."""
    if 4 * params <= MAX_ONNX_BYTES:
        return None
    return f"its {params / 1e6:,.0f} million parameters are {4 * params / 2**30:.1f} GiB in fp32; an ONNX file holds 2"
