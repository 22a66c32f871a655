"""Writes programs as ONNX files."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from mdn.exporting.program import Program, Value

_OPSETS, _IR_VERSION = {"": 17, "ai.onnx.ml": 3}, 8  # of 2022, so that runtimes of some years ago read the files too
_TYPES = {"float32": TensorProto.FLOAT, "int32": TensorProto.INT32, "bool": TensorProto.BOOL}
_MOST_STEPS = np.iinfo("int64").max  # the bound of a loop, which its test ends earlier
_PLAIN = {
    "neg": "Neg",
    "abs": "Abs",
    "sign": "Sign",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "tanh": "Tanh",
    "logistic": "Sigmoid",
    "sin": "Sin",
    "cos": "Cos",
    "asin": "Asin",
    "floor": "Floor",
    "round": "Round",
    "not": "Not",
    "isnan": "IsNaN",
    "erf": "Erf",
    "add": "Add",
    "sub": "Sub",
    "mul": "Mul",
    "div": "Div",
    "max": "Max",
    "min": "Min",
    "pow": "Pow",
    "lt": "Less",
    "le": "LessOrEqual",
    "gt": "Greater",
    "ge": "GreaterOrEqual",
    "eq": "Equal",
    "and": "And",
    "or": "Or",
    "select": "Where",
    "matmul": "MatMul",
}

EXACT_LOG = True


def encode(program: Program, inputs: list[str], outputs: list[str], description: dict[str, Any]) -> bytes:
    """The content of an .onnx file; `description` becomes its metadata "mdn"."""
    graph = _Graph()
    made = graph.of(program, "step", inputs, outputs)
    return content(made, description)


def content(graph, description: dict[str, Any]) -> bytes:
    """The content of an .onnx file of one graph; `description` becomes its metadata "mdn"."""
    opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="mdn")
    helper.set_model_props(model, {"mdn": json.dumps(description)})
    onnx.checker.check_model(model)
    return model.SerializeToString()


def description_in(content: bytes) -> str | None:
    """The metadata "mdn" of an .onnx file."""
    found = {prop.key: prop.value for prop in onnx.load_model_from_string(content).metadata_props}
    return found.get("mdn")


class _Graph:
    """Names and nodes; all graphs of a file share constants, because in ONNX inner graphs see outer names."""

    def __init__(self):
        self._names: dict[int, str] = {}
        self._kept: list[Value] = []  # keep the references, so that their ids are not reused
        self._constants: dict[bytes, str] = {}
        self._initializers: list = []
        self._count = 0

    def of(self, program: Program, name: str, inputs: list[str], outputs: list[str], inner: bool = False):
        for value, given in zip(program.inputs, inputs, strict=True):
            self._names[id(value)] = given
            self._kept.append(value)
        nodes = self._nodes(program)
        for value, given in zip(program.outputs, outputs, strict=True):
            nodes.append(helper.make_node("Identity", [self._name(value)], [given]))
        return helper.make_graph(
            nodes,
            name,
            [_info(given, value) for given, value in zip(inputs, program.inputs, strict=True)],
            [_info(given, value) for given, value in zip(outputs, program.outputs, strict=True)],
            [] if inner else self._initializers,
        )

    def _nodes(self, program: Program) -> list:
        return [node for operation in program.operations for node in self._node(operation)]

    def _fresh(self, word: str) -> str:
        self._count += 1
        return f"{word}_{self._count}"

    def _name(self, value: Value) -> str:
        if value.data is not None:
            return self._constant(value.data)
        if id(value) not in self._names:
            self._names[id(value)] = self._fresh("v")
            self._kept.append(value)
        return self._names[id(value)]

    def _constant(self, array) -> str:
        array = np.asarray(array)
        key = repr((array.shape, array.dtype.name)).encode() + array.tobytes()
        if key not in self._constants:
            self._constants[key] = self._fresh("c")
            self._initializers.append(numpy_helper.from_array(array, self._constants[key]))
        return self._constants[key]

    def _integers(self, *numbers) -> str:
        return self._constant(np.array(numbers, "int64"))

    def _node(self, operation) -> list:
        kind, given = operation.kind, operation.attributes
        if kind == "while":
            return self._loop(operation)
        inputs, (output,) = [self._name(value) for value in operation.inputs], operation.outputs
        outputs = [self._name(output)]
        if kind in _PLAIN:
            return [helper.make_node(_PLAIN[kind], inputs, outputs)]
        if kind == "ne":
            same = self._fresh("v")
            return [helper.make_node("Equal", inputs, [same]), helper.make_node("Not", [same], outputs)]
        if kind == "rem":
            return [helper.make_node("Mod", inputs, outputs, fmod=1)]
        if kind == "cast":
            return [helper.make_node("Cast", inputs, outputs, to=_TYPES[output.dtype])]
        if kind in ("reshape", "expand"):
            shape = self._integers(*output.shape)
            return [helper.make_node("Reshape" if kind == "reshape" else "Expand", [*inputs, shape], outputs)]
        if kind == "concat":
            return [helper.make_node("Concat", inputs, outputs, axis=given["axis"])]
        if kind == "transpose":
            return [helper.make_node("Transpose", inputs, outputs, perm=given["order"])]
        if kind == "slice":
            ranges = (given["starts"], given["limits"], range(len(output.shape)), given["strides"])
            return [helper.make_node("Slice", [*inputs, *(self._integers(*each) for each in ranges)], outputs)]
        if kind == "sum":
            return [helper.make_node("ReduceSum", [*inputs, self._integers(*given["axes"])], outputs, keepdims=0)]
        if kind in ("reduce_max", "reduce_min", "prod"):
            name = {"reduce_max": "ReduceMax", "reduce_min": "ReduceMin", "prod": "ReduceProd"}[kind]
            return [helper.make_node(name, inputs, outputs, axes=given["axes"], keepdims=0)]
        if kind == "cumsum":
            axis = self._constant(np.array(given["axis"], "int64"))
            return [helper.make_node("CumSum", [*inputs, axis], outputs)]
        if kind == "take":
            return [helper.make_node("Gather", inputs, outputs, axis=given["axis"])]
        raise ValueError(f"ONNX has no {kind}.")

    def _loop(self, operation) -> list:
        """A loop; ONNX needs the test before the first round and at the end of each, so it is written twice."""
        test, body = operation.attributes["test"], operation.attributes["body"]
        start = [self._name(value) for value in operation.inputs]
        nodes, first = self._tested(test, start)
        carried = [self._fresh("v") for _ in start]
        going = self._fresh("v")
        rounds = [_info(self._fresh("v"), Value((), "int64")), _info(going, Value((), "bool"))]
        for value, name in zip(body.inputs, carried, strict=True):
            self._names[id(value)] = name
            self._kept.append(value)
        inner = self._nodes(body)
        after = [self._fresh("v") for _ in start]
        inner += [
            helper.make_node("Identity", [self._name(value)], [name])
            for value, name in zip(body.outputs, after, strict=True)
        ]
        again, last = self._tested(test, after)
        graph = helper.make_graph(
            inner + again,
            self._fresh("round"),
            [*rounds, *(_info(name, value) for name, value in zip(carried, body.inputs, strict=True))],
            [_info(last, Value((), "bool")), *(_info(n, v) for n, v in zip(after, body.outputs, strict=True))],
        )
        most = self._constant(np.array(_MOST_STEPS, "int64"))
        outputs = [self._name(value) for value in operation.outputs]
        return [*nodes, helper.make_node("Loop", [most, first, *start], outputs, body=graph)]

    def _tested(self, test: Program, names: list[str]) -> tuple[list, str]:
        """Nodes that compute `test` from the values called `names`, and the name of the result."""
        for value, name in zip(test.inputs, names, strict=True):
            self._names[id(value)] = name
        for operation in test.operations:
            for value in operation.outputs:
                self._names[id(value)] = self._fresh("v")
                self._kept.append(value)
        nodes, answer = self._nodes(test), self._fresh("v")
        return [*nodes, helper.make_node("Identity", [self._name(test.outputs[0])], [answer])], answer


def _info(name: str, value: Value):
    types = {**_TYPES, "int64": TensorProto.INT64}
    return helper.make_tensor_value_info(name, types[value.dtype], value.shape)
