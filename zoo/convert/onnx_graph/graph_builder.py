"""Build an ONNX graph node by node; the same calls give the same bytes.

Values are named in the order of their creation, constants by a hash of their bytes: equal ones are stored once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

TEXT_OPSET: Final = 20  # the first with GELU; LayerNormalization is older
_IR_VERSION: Final = 10  # read by every ONNX Runtime since 1.18


class GraphBuilder:
    """An ONNX graph under construction; its values are referred to by name.

    >>> graph = GraphBuilder()
    >>> total = graph.node("Add", "token_ids", graph.float32(1))
    >>> graph.node("Add", "token_ids", graph.float32(1)) == total  # an equal node is added once
    True
    """

    def __init__(self) -> None:
        self._nodes: dict[bytes, onnx.NodeProto] = {}
        self._constants: dict[str, NDArray[Any]] = {}

    def constant(self, array: NDArray[Any]) -> str:
        """Add a constant of any dtype and shape; return its name."""
        content = f"{array.dtype.str}{array.shape}".encode() + array.tobytes()
        name = "c_" + hashlib.sha256(content).hexdigest()[:32]
        self._constants[name] = array
        return name

    def int64(self, *numbers: int) -> str:
        """Add a constant int64 [k], for shapes, axes and bounds; return its name."""
        return self.constant(np.array(numbers, np.int64))

    def float32(self, number: float) -> str:
        """Add a constant float32 []; return its name."""
        return self.constant(np.array(number, np.float32))

    def constant_array(self, name: str) -> NDArray[Any]:
        """Return the array of a constant."""
        return self._constants[name]

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:  # noqa: ANN401 - ONNX's attributes are of any kind
        """Add a node with one output, unless an equal one exists; return the name of the output."""
        node = onnx.helper.make_node(op, inputs, [], **dict(sorted(attributes.items())))
        node_bytes = node.SerializeToString(deterministic=True)
        if node_bytes not in self._nodes:
            node.name, output = f"n{len(self._nodes)}", f"v{len(self._nodes)}"
            node.output.append(output)
            self._nodes[node_bytes] = node
        return str(self._nodes[node_bytes].output[0])

    def to_model(self, inputs: Mapping[str, int], output: str, width: int) -> onnx.ModelProto:
        """Return the graph as a model, without constants that no node reads.

        `inputs` maps names to ONNX types, all of shape [n,t]; `output` becomes `features`, float32 [n,width].
        """
        nodes = [*self._nodes.values(), onnx.helper.make_node("Identity", [output], ["features"], "last")]
        names_in_use = {name for node in nodes for name in node.input}
        graph = onnx.helper.make_graph(
            nodes,
            "trunk",
            [onnx.helper.make_tensor_value_info(name, kind, ["n", "t"]) for name, kind in inputs.items()],
            [onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, ["n", width])],
            [
                numpy_helper.from_array(self._constants[name], name)
                for name in sorted(self._constants)
                if name in names_in_use
            ],
        )
        opsets = [onnx.helper.make_opsetid("", TEXT_OPSET)]
        model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="graft")
        onnx.checker.check_model(model, full_check=True)
        return model
