"""Writes programs as LiteRT (TensorFlow Lite) files."""

from __future__ import annotations

import json
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from mdn.exporting.program import Operation, Program, Value

_TYPES = {
    "float32": schema.TensorType.FLOAT32,
    "int32": schema.TensorType.INT32,
    "bool": schema.TensorType.BOOL,
}
# kind: (operator, its table of options, or None if the format has none)
_PLAIN = {
    "neg": ("NEG", "NegOptions"),
    "abs": ("ABS", "AbsOptions"),
    "sign": ("SIGN", "SignOptions"),
    "exp": ("EXP", "ExpOptions"),
    "log": ("LOG", None),
    "sqrt": ("SQRT", None),
    "tanh": ("TANH", None),
    "logistic": ("LOGISTIC", None),
    "sin": ("SIN", None),
    "cos": ("COS", "CosOptions"),
    "floor": ("FLOOR", None),
    "round": ("ROUND", None),
    "not": ("LOGICAL_NOT", "LogicalNotOptions"),
    "add": ("ADD", "AddOptions"),
    "sub": ("SUB", "SubOptions"),
    "mul": ("MUL", "MulOptions"),
    "div": ("DIV", "DivOptions"),
    "max": ("MAXIMUM", "MaximumMinimumOptions"),
    "min": ("MINIMUM", "MaximumMinimumOptions"),
    "pow": ("POW", "PowOptions"),
    "lt": ("LESS", "LessOptions"),
    "le": ("LESS_EQUAL", "LessEqualOptions"),
    "gt": ("GREATER", "GreaterOptions"),
    "ge": ("GREATER_EQUAL", "GreaterEqualOptions"),
    "eq": ("EQUAL", "EqualOptions"),
    "ne": ("NOT_EQUAL", "NotEqualOptions"),
    "and": ("LOGICAL_AND", "LogicalAndOptions"),
    "or": ("LOGICAL_OR", "LogicalOrOptions"),
    "select": ("SELECT_V2", "SelectV2Options"),
    "cast": ("CAST", None),
}
_REDUCTIONS = {"sum": "SUM", "reduce_max": "REDUCE_MAX", "reduce_min": "REDUCE_MIN", "prod": "REDUCE_PROD"}
_VERSIONS = {"BROADCAST_TO": 2}  # operators whose version 1 runtimes do not know
_IDENTIFIER = b"TFL3"

EXACT_LOG = False  # logarithms of numbers near 1, which are small, have an error of 1e-7


def encode(program: Program, inputs: list[str], outputs: list[str], description: dict[str, Any]) -> bytes:
    """The content of a .tflite file; `description` becomes its metadata "mdn"."""
    file = _File()
    graph = file.graph(program, "main", inputs, outputs)
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    signature.inputs = [_named(n, i) for n, i in zip(inputs, graph.inputs, strict=True)]
    signature.outputs = [_named(n, i) for n, i in zip(outputs, graph.outputs, strict=True)]
    metadata = schema.MetadataT()
    metadata.name, metadata.buffer = "mdn", file.buffer(json.dumps(description).encode())
    model = schema.ModelT()
    model.version, model.description = 3, "exported by mdn"
    model.operatorCodes, model.subgraphs, model.buffers = file.codes, file.graphs, file.buffers
    model.signatureDefs, model.metadata = [signature], [metadata]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), _IDENTIFIER)
    return bytes(builder.Output())


def description_in(content: bytes) -> str | None:
    """The metadata "mdn" of a .tflite file."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    for each in model.metadata or ():
        if each.name in ("mdn", b"mdn"):
            return bytes(model.buffers[each.buffer].data).decode()
    return None


def _named(name: str, index: int):
    found = schema.TensorMapT()
    found.name, found.tensorIndex = name, index
    return found


class _File:
    """The buffers and operator codes that all graphs of a file share."""

    def __init__(self):
        self.buffers: list = []
        self.codes: list = []
        self.graphs: list = []
        self._known: dict[str, int] = {}
        self.buffer(b"")  # the format requires an empty first buffer, to which computed tensors point

    def buffer(self, content: bytes) -> int:
        made = schema.BufferT()
        made.data = np.frombuffer(content, "uint8") if content else None
        self.buffers.append(made)
        return len(self.buffers) - 1

    def code(self, name: str) -> int:
        if name not in self._known:
            made = schema.OperatorCodeT()
            made.builtinCode = getattr(schema.BuiltinOperator, name)
            made.deprecatedBuiltinCode = min(made.builtinCode, 127)
            made.version = _VERSIONS.get(name, 1)
            self.codes.append(made)
            self._known[name] = len(self.codes) - 1
        return self._known[name]

    def graph(self, program: Program, name: str, inputs: list[str], outputs: list[str]):
        made = schema.SubGraphT()
        self.graphs.append(made)  # appended before its inner graphs, because the first graph is the main one
        writer = _Graph(self)
        made.name = name
        made.inputs = [writer.tensor(value, given) for value, given in zip(program.inputs, inputs, strict=True)]
        for operation in program.operations:
            writer.write(operation)
        made.outputs = [writer.passed_on(value, given) for value, given in zip(program.outputs, outputs, strict=True)]
        made.tensors, made.operators = writer.tensors, writer.operators
        return made


class _Graph:
    """Tensors and operators of one graph."""

    def __init__(self, file: _File):
        self.tensors: list = []
        self.operators: list = []
        self._file = file
        self._places: dict[int, int] = {}
        self._kept: list[Value] = []  # keep the references, so that their ids are not reused
        self._constants: dict[bytes, int] = {}

    def tensor(self, value: Value, name: str | None = None) -> int:
        if value.data is not None:
            return self._constant(value.data)
        if id(value) not in self._places:
            self._kept.append(value)
            self._places[id(value)] = self._new(value.shape, value.dtype, 0, name)
        return self._places[id(value)]

    def _new(self, shape, dtype: str, buffer: int, name: str | None = None) -> int:
        made = schema.TensorT()
        made.name, made.shape, made.type = name or f"t{len(self.tensors)}", list(shape), _TYPES[dtype]
        made.buffer, made.hasRank = buffer, True
        self.tensors.append(made)
        return len(self.tensors) - 1

    def _constant(self, array) -> int:
        array = np.ascontiguousarray(array)
        key = repr((np.shape(array), array.dtype.name)).encode() + array.tobytes()
        if key not in self._constants:
            shape = np.shape(array)
            self._constants[key] = self._new(shape, array.dtype.name, self._file.buffer(array.tobytes()))
        return self._constants[key]

    def _integers(self, *numbers) -> int:
        return self._constant(np.array(numbers, "int32"))

    def _operator(self, name: str, inputs: list[int], outputs: list[int], options: str | None = None, **fields) -> None:
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = self._file.code(name), inputs, outputs
        if options is not None:
            made.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            made.builtinOptions = getattr(schema, options + "T")()
            for field, given in fields.items():
                setattr(made.builtinOptions, field, given)
        self.operators.append(made)

    def passed_on(self, value: Value, name: str) -> int:
        """Copies `value` into a new tensor called `name`, because an input or a constant cannot be an output."""
        output = self._new(value.shape, value.dtype, 0, name)
        self._reshape(self.tensor(value), output, value.shape)
        return output

    def _reshape(self, source: int, target: int, shape) -> None:
        self._operator("RESHAPE", [source, self._integers(*shape)], [target], "ReshapeOptions", newShape=list(shape))

    def write(self, operation: Operation) -> None:
        kind, given = operation.kind, operation.attributes
        inputs, outputs = ([self.tensor(value) for value in each] for each in (operation.inputs, operation.outputs))
        output = operation.outputs[0]
        if kind in _PLAIN:
            name, options = _PLAIN[kind]
            self._operator(name, inputs, outputs, options)
        elif kind == "isnan":
            self._operator("NOT_EQUAL", inputs * 2, outputs, "NotEqualOptions")
        elif kind == "asin":
            self._arcsine(operation.inputs[0], outputs)
        elif kind == "rem":
            self._remainder(operation.inputs[0], operation.inputs[1], outputs)
        elif kind == "reshape":
            self._reshape(inputs[0], outputs[0], output.shape)
        elif kind == "expand":
            self._operator("BROADCAST_TO", [*inputs, self._integers(*output.shape)], outputs, "BroadcastToOptions")
        elif kind == "concat":
            self._operator("CONCATENATION", inputs, outputs, "ConcatenationOptions", axis=given["axis"])
        elif kind == "transpose":
            self._operator("TRANSPOSE", [*inputs, self._integers(*given["order"])], outputs, "TransposeOptions")
        elif kind == "slice":
            ranges = (self._integers(*given[each]) for each in ("starts", "limits", "strides"))
            self._operator("STRIDED_SLICE", [*inputs, *ranges], outputs, "StridedSliceOptions")
        elif kind in _REDUCTIONS:
            axes = self._integers(*given["axes"])
            self._operator(_REDUCTIONS[kind], [*inputs, axes], outputs, "ReducerOptions", keepDims=False)
        elif kind == "cumsum":
            axis = self._constant(np.array(given["axis"], "int32"))
            self._operator("CUMSUM", [*inputs, axis], outputs, "CumsumOptions")
        elif kind == "take":
            self._operator("GATHER", inputs, outputs, "GatherOptions", axis=given["axis"])
        elif kind == "matmul":
            self._product(operation, inputs, outputs)
        elif kind == "while":
            names = [f"c{i}" for i in range(len(inputs))]
            places = []
            for each in ("test", "body"):
                places.append(len(self._file.graphs))
                program = given[each]
                ends = [f"{each}{i}" for i in range(len(program.outputs))]
                self._file.graph(program, each, names, ends)
            self._operator(
                "WHILE", inputs, outputs, "WhileOptions", condSubgraphIndex=places[0], bodySubgraphIndex=places[1]
            )
        else:
            raise ValueError(f"LiteRT has no {kind}, which this network needs: export it to .onnx.")

    def _product(self, operation: Operation, inputs, outputs) -> None:
        weights = operation.inputs[1].data
        if weights is not None and weights.ndim == 2 and len(operation.inputs[0].shape) == 2:
            turned = self._constant(np.ascontiguousarray(weights.T))
            self._operator("FULLY_CONNECTED", [inputs[0], turned, -1], outputs, "FullyConnectedOptions")
        else:
            self._operator("BATCH_MATMUL", inputs, outputs, "BatchMatMulOptions")

    def _remainder(self, x: Value, y: Value, outputs) -> None:
        """The remainder with the sign of x, as in JAX; FLOOR_MOD gives it the sign of y."""
        place, divisor = self.tensor(x), self.tensor(y)
        size, other, rest, sign = (self._new(v.shape, v.dtype, 0) for v in (x, y, x, x))
        if x.dtype != "float32" or self.tensors[outputs[0]].shape != list(x.shape):
            raise ValueError("LiteRT has no such remainder, which this network needs: export it to .onnx.")
        self._operator("ABS", [place], [size], "AbsOptions")
        self._operator("ABS", [divisor], [other], "AbsOptions")
        self._operator("FLOOR_MOD", [size, other], [rest], "FloorModOptions")
        self._operator("SIGN", [place], [sign], "SignOptions")
        self._operator("MUL", [rest, sign], outputs, "MulOptions")

    def _arcsine(self, x: Value, outputs) -> None:
        """asin x = atan2(x, sqrt((1 - x)(1 + x))): LiteRT has no other inverse of sine."""
        one, place = self._constant(np.float32(1.0)), self.tensor(x)
        below, above, square, cosine = (self._new(x.shape, "float32", 0) for _ in range(4))
        self._operator("SUB", [one, place], [below], "SubOptions")
        self._operator("ADD", [one, place], [above], "AddOptions")
        self._operator("MUL", [below, above], [square], "MulOptions")
        self._operator("SQRT", [square], [cosine])
        self._operator("ATAN2", [place, cosine], outputs)
