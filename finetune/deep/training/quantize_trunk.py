"""A trained fp32 trunk in int8, as the zoo makes them."""

from __future__ import annotations

from graft.storage.atomic_file import file_sha256, write_atomic
from zoo.catalog.backbone import Backbone, ImageSpec, Precision
from zoo.convert.int8_image import quantize
from zoo.convert.int8_text import quantize_text_trunk
from zoo.trunks.trunk import Trunk


def quantize_trained_trunk(trunk: Trunk, backbone: Backbone) -> Trunk:
    """Return `trunk` in int8, its file beside the fp32 one."""
    if isinstance(backbone.takes, ImageSpec):
        data, report = quantize(trunk.path, trunk.signature.inputs[0].shape[1], backbone.float_convs)
    else:
        data, report = quantize_text_trunk(trunk.path)
    path = trunk.path.with_name("trunk-int8.onnx")
    write_atomic(path, data)
    digest = file_sha256(path)
    facts = trunk.facts | report | {"precision": Precision.INT8.value, "sha256": digest, "bytes": len(data)}
    return Trunk(path, digest, trunk.signature, trunk.inputs, facts)
