"""Turns a JAX function into a list of plain operations that other formats have too.

JAX traces the function that streams and rollouts run. This file reads the resulting jaxpr once, for all formats: it inlines
calls, folds constants, and translates the few dozen remaining primitives into a smaller vocabulary.
"""

from __future__ import annotations

import math

import jax
import numpy as np
from jax import numpy as jnp

from mdn.exporting.program import (
    COMPARISONS,
    Builder,
    Operation,
    Program,
    Value,
    constant,
    dtype_of,
    number,
    without_idle,
)


def trace(function, shapes, exact_log: bool = True) -> Program:
    """The program of `function`, which takes float32 arrays of `shapes` and returns a tuple of arrays.

    Args:
        function: Takes arrays.
        shapes: The shapes of these arrays.
        exact_log: Whether the runtime computes logarithms of numbers near 1, which are small, with a small error too.

    Raises:
        ValueError: if the function needs an operation that cannot be exported.
    """
    examples = [jax.ShapeDtypeStruct(shape, "float32") for shape in shapes]
    closed = jax.make_jaxpr(function)(*examples)
    reader = _Reader(exact_log)
    inputs = [Value(tuple(shape), "float32") for shape in shapes]
    outputs = reader.read_in_full(closed.jaxpr, [constant(c) for c in closed.consts], inputs)
    return without_idle(Program(inputs, outputs, reader.operations))


class _Reader(Builder):
    """Reads jaxprs and writes operations."""

    def __init__(self, exact_log: bool) -> None:
        super().__init__()
        self._exact_log = exact_log

    def read(self, jaxpr, constants, arguments) -> list[Value]:
        """The values of the outputs."""
        known = dict(zip([*jaxpr.constvars, *jaxpr.invars], [*constants, *arguments], strict=True))

        def value(atom):
            return constant(np.asarray(atom.val, atom.aval.dtype)) if hasattr(atom, "val") else known[atom]

        for equation in jaxpr.eqns:
            found = self._equation(equation, [value(atom) for atom in equation.invars])
            known.update(zip(equation.outvars, found, strict=True))
        return [value(atom) for atom in jaxpr.outvars]

    def read_in_full(self, jaxpr, constants, arguments) -> list[Value]:
        """The values of the outputs, each expanded to the shape of its variable."""
        found = self.read(jaxpr, constants, arguments)
        return [self.full(value, atom.aval.shape) for value, atom in zip(found, jaxpr.outvars, strict=True)]

    def _equation(self, equation, inputs) -> list[Value]:
        inner = next((p for n, p in equation.params.items() if n in ("jaxpr", "call_jaxpr", "fun_jaxpr")), None)
        name = equation.primitive.name
        if inner is not None and name not in ("scan", "while", "cond"):
            inner, constants = (inner.jaxpr, inner.consts) if hasattr(inner, "jaxpr") else (inner, ())
            return self.read(inner, [constant(c) for c in constants], inputs)
        if name != "while" and all(each.data is not None for each in inputs):
            return self._folded(equation, inputs)
        return self._translated(equation, inputs)

    def _folded(self, equation, inputs) -> list[Value]:
        arrays = [np.broadcast_to(each.data, a.aval.shape) for each, a in zip(inputs, equation.invars, strict=True)]
        with jax.ensure_compile_time_eval():
            found = equation.primitive.bind(*map(jnp.asarray, arrays), **equation.params)
        return [constant(each) for each in (found if equation.primitive.multiple_results else [found])]

    def _translated(self, equation, inputs) -> list[Value]:
        name, out = equation.primitive.name, equation.outvars[0].aval
        if name in _SAME:
            return [inputs[0]]
        if name in ELEMENTWISE:
            dtype = "bool" if name in COMPARISONS else inputs[0].dtype
            if name == "ne" and inputs[0] is inputs[1]:  # JAX tests for NaN by x != x
                return [self.emit("isnan", [inputs[0]], inputs[0].shape, "bool")]
            shape = np.broadcast_shapes(*(each.shape for each in inputs))
            return [self.emit(name, inputs, shape, dtype)]
        method = getattr(self, "_" + name, None)
        if method is None:
            raise ValueError(f"the network needs an operation that cannot be exported: {name}.")
        found = method(inputs, equation, out)
        return found if isinstance(found, list) else [found]

    # ---- primitives: (values, equation, shape and dtype of the output) -> a value ----------------------------------------

    def _select_n(self, inputs, equation, out):
        if len(inputs) != 3 or inputs[0].dtype != "bool":
            raise ValueError("the network needs an operation that cannot be exported: select_n of more than two.")
        return self.arithmetic("select", inputs[0], inputs[2], inputs[1])

    def _clamp(self, inputs, equation, out):
        low, x, high = inputs
        return self.arithmetic("min", self.arithmetic("max", x, low), high)

    def _convert_element_type(self, inputs, equation, out):
        dtype = dtype_of(out.dtype)
        return inputs[0] if inputs[0].dtype == dtype else self.emit("cast", inputs, inputs[0].shape, dtype)

    def _reshape(self, inputs, equation, out):
        return self.shaped(self.full(inputs[0], equation.invars[0].aval.shape), out.shape)

    _squeeze = _expand_dims = _reshape

    def _broadcast_in_dim(self, inputs, equation, out):
        shape = [1] * len(out.shape)
        for axis, size in zip(equation.params["broadcast_dimensions"], inputs[0].shape, strict=True):
            shape[axis] = size
        return self.shaped(inputs[0], shape)

    def _transpose(self, inputs, equation, out):
        return self.turned(inputs[0], equation.params["permutation"])

    def _concatenate(self, inputs, equation, out):
        full = [self.full(each, atom.aval.shape) for each, atom in zip(inputs, equation.invars, strict=True)]
        return self.emit("concat", full, out.shape, out.dtype, axis=equation.params["dimension"])

    def _stack(self, inputs, equation, out):
        axis = equation.params["axis"]
        one = (*out.shape[:axis], 1, *out.shape[axis + 1 :])
        full = [self.full(each, atom.aval.shape) for each, atom in zip(inputs, equation.invars, strict=True)]
        return self.emit("concat", [self.shaped(each, one) for each in full], out.shape, out.dtype, axis=axis)

    def _slice(self, inputs, equation, out):
        value = self.full(inputs[0], equation.invars[0].aval.shape)
        given = equation.params
        return self.part(value, given["start_indices"], given["limit_indices"], given["strides"])

    def _split(self, inputs, equation, out):
        value, axis = self.full(inputs[0], equation.invars[0].aval.shape), equation.params["axis"]
        parts, first = [], 0
        for size in map(int, equation.params["sizes"]):
            starts, limits = [0] * len(value.shape), list(value.shape)
            starts[axis], limits[axis] = first, first + size
            parts.append(self.part(value, starts, limits))
            first += size
        return parts

    def _reduce(self, kind, inputs, equation, out):
        value = self.full(inputs[0], equation.invars[0].aval.shape)
        return self.emit(kind, [value], out.shape, value.dtype, axes=tuple(equation.params["axes"]))

    def _reduce_sum(self, inputs, equation, out):
        return self._reduce("sum", inputs, equation, out)

    def _reduce_prod(self, inputs, equation, out):
        return self._reduce("prod", inputs, equation, out)

    def _reduce_max(self, inputs, equation, out):
        return self._reduce("reduce_max", inputs, equation, out)

    def _reduce_min(self, inputs, equation, out):
        return self._reduce("reduce_min", inputs, equation, out)

    def _reduce_of_bits(self, kind, inputs, equation, out):
        counted = self.emit("cast", inputs, inputs[0].shape, "int32")
        return self.emit("cast", [self._reduce(kind, [counted], equation, out)], out.shape, "bool")

    def _reduce_and(self, inputs, equation, out):
        return self._reduce_of_bits("reduce_min", inputs, equation, out)

    def _reduce_or(self, inputs, equation, out):
        return self._reduce_of_bits("reduce_max", inputs, equation, out)

    def _cumsum(self, inputs, equation, out):
        if equation.params["reverse"]:
            raise ValueError("the network needs an operation that cannot be exported: a reversed cumulated sum.")
        value = self.full(inputs[0], out.shape)
        return self.emit("cumsum", [value], out.shape, out.dtype, axis=equation.params["axis"])

    def _dot_general(self, inputs, equation, out):
        (over_a, over_b), (batch_a, batch_b) = equation.params["dimension_numbers"]
        a, b = (self.full(each, atom.aval.shape) for each, atom in zip(inputs, equation.invars, strict=True))
        free_a = [axis for axis in range(len(a.shape)) if axis not in (*over_a, *batch_a)]
        free_b = [axis for axis in range(len(b.shape)) if axis not in (*over_b, *batch_b)]
        batch = [a.shape[axis] for axis in batch_a]
        rows, columns = [a.shape[axis] for axis in free_a], [b.shape[axis] for axis in free_b]
        inner = math.prod(a.shape[axis] for axis in over_a)
        a = self.shaped(self.turned(a, [*batch_a, *free_a, *over_a]), (*batch, math.prod(rows), inner))
        b = self.shaped(self.turned(b, [*batch_b, *over_b, *free_b]), (*batch, inner, math.prod(columns)))
        product = self.emit("matmul", [a, b], (*batch, math.prod(rows), math.prod(columns)), out.dtype)
        return self.shaped(product, (*batch, *rows, *columns))

    def _gather(self, inputs, equation, out):
        """Whole slices at indices along one axis, like `take`; networks and samplers need no other gather."""
        value, index = (self.full(each, atom.aval.shape) for each, atom in zip(inputs, equation.invars, strict=True))
        numbers, sizes = equation.params["dimension_numbers"], equation.params["slice_sizes"]
        axes, places = numbers.collapsed_slice_dims, index.shape[:-1]
        axis = axes[0] if axes else 0
        whole = [1 if other == axis else size for other, size in enumerate(value.shape)]
        kept = [i for i in range(len(out.shape)) if not axis <= i < axis + len(places)]
        if (
            len(axes) != 1
            or tuple(numbers.start_index_map) != tuple(axes)
            or list(sizes) != whole
            or list(numbers.offset_dims) != kept
        ):
            raise ValueError("the network needs an operation that cannot be exported: a gather along several axes.")
        return self.emit("take", [value, self.shaped(index, places)], out.shape, out.dtype, axis=axis)

    def _round(self, inputs, equation, out):
        (x,) = inputs
        if equation.params["rounding_method"] == jax.lax.RoundingMethod.TO_NEAREST_EVEN:
            return self.arithmetic("round", x)
        size = self.arithmetic("abs", x)  # halves away from 0, as `//` has it, which neither format knows
        whole = self.arithmetic("floor", size)
        up = self.arithmetic("ge", self.arithmetic("sub", size, whole), number(0.5))
        nearest = self.arithmetic("select", up, self.arithmetic("add", whole, number(1.0)), whole)
        return self.arithmetic("mul", self.arithmetic("sign", x), nearest)

    def _integer_pow(self, inputs, equation, out):
        x, power = inputs[0], equation.params["y"]
        found = x
        for _ in range(abs(power) - 1):
            found = self.arithmetic("mul", found, x)
        return found if power > 0 else self.arithmetic("div", number(1.0), found)

    def _square(self, inputs, equation, out):
        return self.arithmetic("mul", inputs[0], inputs[0])

    def _rsqrt(self, inputs, equation, out):
        return self.arithmetic("div", number(1.0), self.arithmetic("sqrt", inputs[0]))

    def _exp2(self, inputs, equation, out):
        return self.arithmetic("exp", self.arithmetic("mul", inputs[0], number(math.log(2.0))))

    def _is_finite(self, inputs, equation, out):
        return self.arithmetic("lt", self.arithmetic("abs", inputs[0]), number(math.inf))

    def _log(self, inputs, equation, out):
        """The logarithm; by log1p between 1/2 and 3/2 if the runtime is not exact there."""
        x, one = inputs[0], number(1.0)
        if self._exact_log:
            return self.arithmetic("log", x)
        near = self.arithmetic("lt", self.arithmetic("abs", self.arithmetic("sub", x, one)), number(0.5))
        shifted = self.arithmetic("sub", self.arithmetic("select", near, x, one), one)
        return self.arithmetic("select", near, self.log1p_of_small(shifted), self.arithmetic("log", x))

    def _log1p(self, inputs, equation, out):
        x = inputs[0]
        small = self.arithmetic("lt", self.arithmetic("abs", x), number(0.5))
        near = self.log1p_of_small(self.arithmetic("select", small, x, number(0.0)))
        return self.arithmetic("select", small, near, self.arithmetic("log", self.arithmetic("add", number(1.0), x)))

    def _expm1(self, inputs, equation, out):
        x = inputs[0]
        small = self.arithmetic("lt", self.arithmetic("abs", x), number(0.5))
        held = self.arithmetic("select", small, x, number(0.0))
        series = self.polynomial(held, [1.0 / math.factorial(k + 1) for k in range(9)])
        far = self.arithmetic("sub", self.arithmetic("exp", x), number(1.0))
        return self.arithmetic("select", small, self.arithmetic("mul", held, series), far)

    def _while(self, inputs, equation, out):
        """A loop; it carries the arrays that it reads from outside along, unchanged."""
        given, counts = equation.params, (equation.params["cond_nconsts"], equation.params["body_nconsts"])
        full = [self.full(each, atom.aval.shape) for each, atom in zip(inputs, equation.invars, strict=True)]
        for_test, for_body = full[: counts[0]], full[counts[0] : sum(counts)]
        outside = [each for each in for_test + for_body if each.data is None]
        carried = full[sum(counts) :]
        names = [Value(each.shape, each.dtype) for each in (*outside, *carried)]
        inside = dict(zip(map(id, outside), names, strict=False))

        def program(closed, constants, also):
            reader = _Reader(self._exact_log)
            constants = [inside.get(id(each), each) for each in constants]
            held = [constant(c) for c in closed.consts]
            outputs = reader.read_in_full(closed.jaxpr, held, [*constants, *names[len(outside) :]])
            return without_idle(Program(names, [*also, *outputs], reader.operations))

        outputs = [Value(each.shape, each.dtype) for each in names]
        programs = {
            "test": program(given["cond_jaxpr"], for_test, []),
            "body": program(given["body_jaxpr"], for_body, names[: len(outside)]),
        }
        self.operations.append(Operation("while", [*outside, *carried], outputs, programs))
        return outputs[len(outside) :]


_SAME = frozenset(("copy", "copy_p", "stop_gradient", "device_put", "sharding_constraint", "optimization_barrier"))
# fmt: off
ELEMENTWISE = frozenset((
    "neg", "abs", "sign", "exp", "sqrt", "tanh", "logistic", "sin", "cos", "asin", "floor", "not", "erf",
    "add", "sub", "mul", "div", "rem", "max", "min", "pow", "lt", "le", "gt", "ge", "eq", "ne", "and", "or",
))
# fmt: on
