"""Graphs of ONNX, written as arithmetic: the operators of a `Node` add nodes to its `Graph`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from mdn.exporting.onnx_file import content

_TYPES = {
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
}


class Node:
    """A tensor in a graph. A number or an array in arithmetic with it becomes a constant of its dtype.

    Attributes:
        graph: The graph.
        name: Its name there.
        dtype: One of float32, float64, int64, bool, string.
    """

    __array_ufunc__ = None  # so that NumPy leaves arithmetic of an array and a node to the node

    def __init__(self, graph: Graph, name: str, dtype: str):
        self.graph, self.name, self.dtype = graph, name, dtype

    def __add__(self, other) -> Node:
        return self.op("Add", other)

    def __sub__(self, other) -> Node:
        return self.op("Sub", other)

    def __rsub__(self, other) -> Node:
        return self.graph.constant(other, self.dtype) - self

    def __mul__(self, other) -> Node:
        return self.op("Mul", other)

    def __truediv__(self, other) -> Node:
        return self.op("Div", other)

    def __rtruediv__(self, other) -> Node:
        return self.graph.constant(other, self.dtype) / self

    def __matmul__(self, other) -> Node:
        return self.op("MatMul", other)

    def __neg__(self) -> Node:
        return self.op("Neg")

    def __abs__(self) -> Node:
        return self.op("Abs")

    def __gt__(self, other) -> Node:
        return self.op("Greater", other, dtype="bool")

    __radd__, __rmul__ = __add__, __mul__

    def op(self, kind: str, *others, dtype: str | None = None, **attributes) -> Node:
        """The operator `kind` of ONNX, with this tensor as its first input.

        Args:
            kind: Its name.
            others: Its other inputs.
            dtype: The dtype of the result, if it is not that of this tensor.
            attributes: The attributes of the operator.
        """
        return self.graph.op(kind, self, *others, dtype=dtype or self.dtype, **attributes)

    def cast(self, dtype: str) -> Node:
        """This tensor in another dtype."""
        return self.op("Cast", dtype=dtype, to=_TYPES[dtype])

    def where(self, then, otherwise: Node) -> Node:
        """`then` where this tensor is true, else `otherwise`."""
        return self.graph.op(
            "Where", self, self.graph.constant(then, otherwise.dtype), otherwise, dtype=otherwise.dtype
        )

    def sum(self, axis: int, keepdims: bool = False) -> Node:
        """The sum along one axis."""
        return self.op("ReduceSum", np.array([axis]), keepdims=int(keepdims))

    def reshape(self, *shape: int) -> Node:
        """This tensor in another shape; 0 keeps an axis."""
        return self.op("Reshape", np.array(shape))

    def part(self, first: int, last: int) -> Node:
        """The entries from `first` up to `last`, which is left out, of the last axis."""
        return self.op("Slice", *(np.array([place]) for place in (first, last, -1)))


class Graph:
    """Collects nodes, constants, inputs and outputs.

    Args:
        reserved: Names of inputs and outputs, which no other tensor gets.
    """

    def __init__(self, reserved: Sequence[str]):
        self._reserved, self._count = set(reserved), 0
        self._nodes: list = []
        self._constants: list = []
        self._inputs: list = []
        self._outputs: list = []

    def input(self, name: str, dtype: str, columns: int) -> Node:
        """An input `(N, columns)`, for any N."""
        self._inputs.append(helper.make_tensor_value_info(name, _TYPES[dtype], ["N", columns]))
        return Node(self, name, dtype)

    def output(self, name: str, value: Node, shape: Sequence[int]) -> None:
        """Makes `value` an output, `(N, *shape)`."""
        self._nodes.append(helper.make_node("Identity", [value.name], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, _TYPES[value.dtype], ["N", *shape]))

    def constant(self, value, dtype: str) -> Node:
        """A constant; a `Node` as it is."""
        if isinstance(value, Node):
            return value
        name = self._fresh()
        self._constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return Node(self, name, dtype)

    def op(self, kind: str, *inputs, dtype: str, domain: str = "", **attributes) -> Node:
        """The operator `kind` of ONNX; arrays of whole numbers are int64, other numbers have the dtype of the first input."""
        first, name = inputs[0], self._fresh()
        names = [self._named(each, first.dtype) for each in inputs]
        self._nodes.append(helper.make_node(kind, names, [name], domain=domain, **attributes))
        return Node(self, name, dtype)

    def concatenated(self, values: Sequence[Node], axis: int) -> Node:
        """All `values` side by side."""
        if len(values) == 1:
            return values[0]
        return self.op("Concat", *values, dtype=values[0].dtype, axis=axis)

    def repeated(self, count: int, step: Callable[..., tuple[Node, ...]], *start: Node) -> list[Node]:
        """What `count` rounds of `step` make of `start`; `step` maps nodes to as many nodes of the same dtypes."""
        outside, self._nodes = self._nodes, []
        number, going, still = (self._fresh() for _ in range(3))
        before = [Node(self, self._fresh(), one.dtype) for one in start]
        after = step(*before)
        nodes, self._nodes = [*self._nodes, helper.make_node("Identity", [going], [still])], outside

        def info(name, dtype, shape=None):
            return helper.make_tensor_value_info(name, _TYPES[dtype], shape)

        body = helper.make_graph(
            nodes,
            self._fresh(),
            [info(number, "int64", ()), info(going, "bool", ()), *(info(one.name, one.dtype) for one in before)],
            [info(still, "bool", ()), *(info(one.name, one.dtype) for one in after)],
        )
        found = [Node(self, self._fresh(), one.dtype) for one in start]
        inputs = [self.constant(count, "int64").name, "", *(one.name for one in start)]
        self._nodes.append(helper.make_node("Loop", inputs, [one.name for one in found], body=body))
        return found

    def file(self, description: dict[str, Any]) -> bytes:
        """The content of an .onnx file; `description` becomes its metadata "mdn"."""
        made = helper.make_graph(self._nodes, "mdn", self._inputs, self._outputs, self._constants)
        return content(made, description)

    def _named(self, value, dtype: str) -> str:
        if isinstance(value, Node):
            return value.name
        whole = isinstance(value, np.ndarray) and value.dtype.kind == "i"
        return self.constant(value, "int64" if whole else dtype).name

    def _fresh(self) -> str:
        self._count += 1
        name = f"v{self._count}"
        return self._fresh() if name in self._reserved else name
