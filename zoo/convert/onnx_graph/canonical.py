"""Canonical form of an ONNX graph: converting the same weights twice gives the same bytes.

tf2onnx numbers its nodes by a counter and iterates over sets, so names and order differ between runs. Here each
constant is named by a hash of its bytes and each value by a hash of everything it is computed from; nodes are sorted by
depth, then by that hash; duplicate constants and nodes are merged.
"""

from __future__ import annotations

import hashlib
from typing import Final

import onnx
from onnx import numpy_helper

_IR_VERSION: Final = 10  # read by every ONNX Runtime since 1.18


def canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a new model: the same graph in canonical order, with canonical names.

    The names of the graph's inputs and outputs stay; the batch axis is named "n".
    """
    graph = model.graph
    names = {value.name: value.name for value in graph.input} | {"": ""}
    constants = _rename_constants(graph, names)
    nodes = _sort_and_rename_nodes(graph, names)
    names_in_use = {name for node in nodes for name in node.input}
    new_graph = onnx.helper.make_graph(
        nodes,
        "trunk",
        [_with_batch_axis(value) for value in graph.input],
        [_with_batch_axis(value) for value in graph.output],
        [constants[name] for name in sorted(constants) if name in names_in_use],
    )
    opsets = [onnx.helper.make_opsetid("", o.version) for o in model.opset_import if o.domain in ("", "ai.onnx")]
    result = onnx.helper.make_model(new_graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="graft")
    onnx.checker.check_model(result, full_check=True)
    return result


def serialize_onnx(model: onnx.ModelProto) -> bytes:
    """Serialize a model deterministically."""
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _rename_constants(graph: onnx.GraphProto, names: dict[str, str]) -> dict[str, onnx.TensorProto]:
    """Return the constants by new name, a hash of dtype, shape and bytes; add old -> new to `names`."""
    constants = {}
    for tensor in graph.initializer:
        array = numpy_helper.to_array(tensor)
        name = "c_" + _short_hash(f"{array.dtype.str}{array.shape}".encode() + array.tobytes())
        names[tensor.name] = name
        constants[name] = numpy_helper.from_array(array, name)
    return constants


def _sort_and_rename_nodes(graph: onnx.GraphProto, names: dict[str, str]) -> list[onnx.NodeProto]:
    """Return the nodes in canonical order, renamed; add old -> new of their outputs to `names`."""
    graph_outputs = {value.name for value in graph.output}
    depths: dict[str, int] = {}  # by new name; inputs and constants have depth 0
    nodes_by_order: dict[tuple[int, str, str], onnx.NodeProto] = {}
    for node in graph.node:  # ONNX requires topological order
        inputs = [names[name] for name in node.input]
        attributes = sorted(node.attribute, key=lambda attribute: attribute.name)
        attribute_bytes = [a.SerializeToString(deterministic=True).hex() for a in attributes]
        digest = _short_hash("\n".join([node.domain, node.op_type, *attribute_bytes, *inputs]).encode())
        depth = 1 + max((depths.get(name, 0) for name in inputs), default=0)
        for index, name in enumerate(node.output):
            names[name] = name if name in graph_outputs or not name else f"v_{digest}_{index}"
            depths[names[name]] = depth
        outputs = [names[name] for name in node.output]
        new_node = onnx.helper.make_node(node.op_type, inputs, outputs, name=f"n_{digest}", domain=node.domain or None)
        new_node.attribute.extend(attributes)
        nodes_by_order[depth, digest, ",".join(outputs)] = new_node
    return [nodes_by_order[key] for key in sorted(nodes_by_order)]


def _short_hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _with_batch_axis(value: onnx.ValueInfoProto) -> onnx.ValueInfoProto:
    tensor = value.type.tensor_type
    shape = ["n", *(dim.dim_value or None for dim in tensor.shape.dim[1:])]
    return onnx.helper.make_tensor_value_info(value.name, tensor.elem_type, shape)
