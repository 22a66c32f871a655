"""Programs, which are lists of plain operations that every format has, and the `Builder` that writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

COMPARISONS = ("lt", "le", "gt", "ge", "eq", "ne")
_DTYPES = ("float32", "int32", "bool")
_IDLE = {"mul": 1, "div": 1, "add": 0, "sub": 0}  # such operations change nothing; `bound_gradient` is one


@dataclass(eq=False)
class Value:
    """An array in a program: an input, a constant (with `data`), or the result of an operation."""

    shape: tuple[int, ...]
    dtype: str
    data: np.ndarray | None = None


@dataclass(eq=False)
class Operation:
    """An operation `kind` on `inputs`; only a "while" has several `outputs`.

    Kinds are the names in `tracing.ELEMENTWISE` (operands broadcast as NumPy's do), "log", "round" (to even), "isnan", "select"
    (condition, then, else), "cast", "reshape", "expand", "concat", "slice", "transpose", "sum", "reduce_max", "reduce_min",
    "prod", "cumsum", "matmul", "take" (whole slices at indices along one axis) and "while" (programs "test" and "body").
    """

    kind: str
    inputs: list[Value]
    outputs: list[Value]
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(eq=False)
class Program:
    """Operations, in an order in which they can run, that compute `outputs` from `inputs`."""

    inputs: list[Value]
    outputs: list[Value]
    operations: list[Operation]


def without_idle(program: Program) -> Program:
    """The program without operations whose results are not used."""
    needed, kept = set(map(id, program.outputs)), []
    for operation in reversed(program.operations):
        if any(id(each) in needed for each in operation.outputs):
            needed.update(map(id, operation.inputs))
            kept.append(operation)
    return Program(program.inputs, program.outputs, kept[::-1])


def constant(array) -> Value:
    """A `Value` with the known numbers of `array`."""
    array = np.asarray(array)
    return Value(tuple(array.shape), dtype_of(array.dtype), array)


def dtype_of(dtype) -> str:
    """The name of a dtype.

    Raises:
        ValueError: if exported files cannot have this dtype.
    """
    name = np.dtype(dtype).name
    if name not in _DTYPES:
        raise ValueError(
            f"only float32 networks can be exported, but this one computes in {name}. Set keras.config.set_floatx and the "
            "dtype policy to float32, and load it anew."
        )
    return name


class Builder:
    """Writes operations and collects them in `operations`.

    A value may be smaller than the array that it represents: an axis along which the array repeats itself may have length 1,
    because arithmetic, which follows most broadcasts, broadcasts by itself. Elsewhere `full` expands it.
    """

    def __init__(self) -> None:
        self.operations: list[Operation] = []
        self._source: dict[int, Operation] = {}  # the operation that computes a value, by the id of the value
        self._known: dict[tuple, Value] = {}

    def emit(self, kind, inputs, shape, dtype, **attributes) -> Value:
        """The result of an operation; writes it unless the same one exists already or it would change nothing."""
        shape = tuple(int(n) for n in shape)
        for one, other in (inputs, inputs[::-1]) if kind in _IDLE and len(inputs) == 2 else ():
            idle = other.shape == () and other.data is not None and other.data == _IDLE[kind]
            if idle and (kind in ("mul", "add") or other is inputs[1]):
                return one
        key = (kind, shape, dtype, *map(_key, inputs), repr(attributes))
        if key not in self._known:
            output = Value(shape, dtype_of(dtype))
            self.operations.append(Operation(kind, list(inputs), [output], attributes))
            self._known[key], self._source[id(output)] = output, self.operations[-1]
        return self._known[key]

    def arithmetic(self, kind, *inputs) -> Value:
        """The result of an elementwise operation, whose operands broadcast."""
        dtype = "bool" if kind in COMPARISONS else inputs[-1].dtype
        return self.emit(kind, inputs, np.broadcast_shapes(*(each.shape for each in inputs)), dtype)

    def full(self, value, shape) -> Value:
        """`value` expanded to `shape`."""
        shape = tuple(shape)
        if value.shape == shape:
            return value
        if value.data is not None:
            return constant(np.ascontiguousarray(np.broadcast_to(value.data, shape)))
        return self.emit("expand", [value], shape, value.dtype)

    def shaped(self, value, shape) -> Value:
        """`value` reshaped to `shape`."""
        shape = tuple(int(n) for n in shape)
        if value.shape == shape:
            return value
        if value.data is not None:
            return constant(value.data.reshape(shape))
        made = self._source.get(id(value))
        if made is not None and made.kind == "reshape":
            return self.shaped(made.inputs[0], shape)
        return self.emit("reshape", [value], shape, value.dtype)

    def turned(self, value, order) -> Value:
        """`value` with its axes in another order."""
        if list(order) == sorted(order):
            return value
        if value.data is not None:
            return constant(np.ascontiguousarray(value.data.transpose(order)))
        shape = [value.shape[axis] for axis in order]
        return self.emit("transpose", [value], shape, value.dtype, order=tuple(order))

    def part(self, value, starts, limits, strides=None) -> Value:
        """A slice of `value`."""
        strides = strides or (1,) * len(starts)
        shape = [-(-(b - a) // s) for a, b, s in zip(starts, limits, strides, strict=True)]
        if tuple(shape) == value.shape:
            return value
        made = self._source.get(id(value))
        # a layer concatenates params and a spec slices them again
        if made is not None and made.kind == "concat" and set(strides) == {1}:
            axis, first = made.attributes["axis"], 0
            for piece in made.inputs:
                if starts[axis] == first and piece.shape == tuple(shape):
                    return piece
                first += piece.shape[axis]
        ranges = {"starts": tuple(starts), "limits": tuple(limits), "strides": tuple(strides)}
        return self.emit("slice", [value], shape, value.dtype, **ranges)

    def polynomial(self, x, coefficients) -> Value:
        """The polynomial in x with these coefficients, the constant one first."""
        *others, value = map(number, coefficients)
        for each in reversed(others):
            value = self.arithmetic("add", self.arithmetic("mul", value, x), each)
        return value

    def log1p_of_small(self, x) -> Value:
        """log(1 + x) = 2 artanh(x / (2 + x)), by its series, to float precision for |x| <= 1/2."""
        z = self.arithmetic("div", x, self.arithmetic("add", x, number(2.0)))
        series = self.polynomial(self.arithmetic("mul", z, z), [2.0 / (2 * k + 1) for k in range(8)])
        return self.arithmetic("mul", z, series)


def _key(value: Value):
    """A key that two values share if they are the same."""
    if value.data is None or value.data.size > 64:
        return id(value)
    return value.shape, value.dtype, value.data.tobytes()


def number(x: float) -> Value:
    """A scalar constant."""
    return constant(np.float32(x))
