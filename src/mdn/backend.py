"""Decides the Keras backend once, before Keras is imported, and holds all code that depends on the backend."""

import functools
import importlib.util
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

_PACKAGE = {"jax": "jax", "torch": "torch", "tensorflow": "tensorflow"}
_WRITTEN_BY_KERAS = (
    "tensorflow"  # Keras writes this into a fresh keras.json by itself, so it is not a choice of the user
)


def _installed(name: str) -> bool:
    return importlib.util.find_spec(_PACKAGE.get(name, name)) is not None


def _configured() -> str | None:
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    try:
        name = json.loads((home / "keras.json").read_text()).get("backend")
    except (OSError, ValueError, AttributeError):
        return None
    return name if isinstance(name, str) else None


def choose() -> None:
    """Sets KERAS_BACKEND, unless Keras is imported already or the user has set it.

    The first that applies wins: the backend of a Keras already imported; KERAS_BACKEND; a keras.json that names an
    installed backend other than the one that Keras writes by itself; JAX; PyTorch; TensorFlow.

    Raises:
        ImportError: if none of the three backends is installed.
    """
    if "keras" in sys.modules or os.environ.get("KERAS_BACKEND"):
        return
    configured = _configured()
    if configured and configured != _WRITTEN_BY_KERAS and _installed(configured):
        return
    for name in ("jax", "torch", "tensorflow"):
        if _installed(name):
            os.environ["KERAS_BACKEND"] = name
            return
    raise ImportError("mdn needs a Keras backend, and none is installed. Install one: pip install jax (the default).")


choose()

import keras  # noqa: E402

NAME: str = keras.backend.backend()

FIXES_EQUAL_AXES: bool = NAME == "tensorflow"
"""Whether Keras takes an axis for fixed on which the first two batches of a dataset agree, and refuses any other size of it."""


_in_use = _left_behind = False


def _forked() -> None:
    global _left_behind
    _left_behind = _in_use


if NAME == "jax" and hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def use() -> None:
    """Call this before JAX computes: it raises an error in a process forked from one that had computed with JAX.

    A forked process has a copy of JAX's memory but none of its threads, so a computation would wait for them for ever.

    Raises:
        RuntimeError: in such a process.
    """
    global _in_use
    if _left_behind:
        raise RuntimeError(
            "this process was forked from one that had computed with JAX, whose threads are not here, so that every computation "
            'would hang. Start processes by multiprocessing.get_context("spawn") or by joblib, or fork before JAX is used.'
        )
    _in_use = True


def is_concrete(*tensors) -> bool:
    """Whether every value can be read now: false while a graph or a jaxpr is being traced."""
    return all(_is_concrete(tensor) for tensor in tensors)


def _is_concrete(tensor) -> bool:
    if isinstance(tensor, keras.KerasTensor):
        return False
    if NAME == "jax":
        import jax

        return not isinstance(tensor, jax.core.Tracer)
    if NAME == "tensorflow":
        return not hasattr(tensor, "graph") or hasattr(tensor, "numpy")
    if getattr(getattr(tensor, "device", None), "type", None) == "meta":
        return False
    try:
        getattr(tensor, "data_ptr", int)()
    except RuntimeError:  # a tensor that torch.func or torch.compile follows has no values of its own
        return False
    return True


def mask_of(tensor):
    """The mask that Keras sent along with `tensor`, or None."""
    from keras.src.backend.common.masking import get_keras_mask  # Keras has no public name for it

    return get_keras_mask(tensor)


def leave_mask(tensor, mask) -> None:
    """Leaves the mask of predictions with their targets while JAX traces, for the metrics, which are asked after the loss.

    Keras' training step on JAX takes a gradient in between, from which predictions come back without their mask, so that the
    metrics of `fit` would count padded steps. Targets are the same object before and after. With `run_eagerly=True` nothing is
    traced, and no mask is left.
    """
    from keras.src.backend.common.masking import set_keras_mask

    if NAME == "jax" and mask is not None and keras.ops.is_tensor(tensor) and not is_concrete(tensor):
        set_keras_mask(tensor, mask)


@functools.cache
def on_cpu() -> bool:
    """Whether tensors live on the CPU unless a user moves them."""
    if NAME == "jax":
        import jax

        return jax.default_backend() == "cpu"
    if NAME == "torch":
        import torch

        return not (torch.cuda.is_available() or torch.backends.mps.is_available())
    import tensorflow

    return not tensorflow.config.list_physical_devices("GPU")


def register_pytree(cls: type, names: tuple[str, ...], static: tuple[str, ...] = ()) -> None:
    """Makes a frozen value class a JAX pytree whose leaves are its fields.

    Unflattening checks nothing, because JAX puts tracers, shapes and sentinels into the fields. The values of a dict are
    leaves; its keys are static data, because JAX would sort them, and the order of a Joint's parts is that of its columns.

    Args:
        cls: The class.
        names: Its fields, in order.
        static: Those of them that hold no tensors, but plain values with a hash; a program is compiled for each such value.
    """
    if NAME != "jax":
        return
    import jax

    tensors = [name for name in names if name not in static]

    def fields_of(value):
        fields = [getattr(value, name) for name in tensors]
        keys = tuple(tuple(field) if isinstance(field, dict) else None for field in fields)
        plain = tuple(getattr(value, name) for name in static)
        return [tuple(field.values()) if isinstance(field, dict) else field for field in fields], (keys, plain)

    def flatten(value):
        fields, rest = fields_of(value)
        return tuple(fields), rest

    def flatten_with_keys(value):
        fields, rest = fields_of(value)
        return tuple((jax.tree_util.GetAttrKey(name), field) for name, field in zip(tensors, fields, strict=True)), rest

    def unflatten(rest, fields):
        value: Any = object.__new__(cls)
        for name, mine, field in zip(tensors, rest[0], fields, strict=True):
            whole = mine is not None and isinstance(field, tuple) and len(field) == len(mine)
            object.__setattr__(value, name, dict(zip(mine, field, strict=True)) if whole else field)
        for name, plain in zip(static, rest[1], strict=True):
            object.__setattr__(value, name, plain)
        return value

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)


def compiled(function=None, *, static: tuple[str, ...] = (), inline: bool = False):
    """On JAX, compiles a function of distributions and tensors; TensorFlow and PyTorch run it as it is.

    JAX compiles every operation of an eager program for every shape. A compiled function is one program, which JAX
    compiles once for each shape and runs faster.

    Args:
        function: Takes pytrees and tensors.
        static: Names of its keyword arguments that are plain values.
        inline: Whether programs that call it contain its operations instead of a call: needed by what a `kernels.OneKernel`
            runs, where a call within a call ends the process in XLA.
    """
    if function is None:
        return functools.partial(compiled, static=static, inline=inline)
    if NAME != "jax":
        return function
    import jax

    return jax.jit(function, static_argnames=static, inline=inline)


def graph(function=None, *, any_length: bool = False):
    """On TensorFlow, makes a graph of a `function` of tensors, traced once; other backends get `function` itself.

    Use it for a search of many steps, or one that runs several times: TensorFlow runs thousands of small operations in a tenth
    of the time if they are a graph, and tracing takes as long as a few hundred of them.

    Args:
        function: It gets tensors of the same shapes, or numbers, at each call.
        any_length: Whether the length of their first axis may differ between calls; `function` may not take it from `shape`.
    """
    if function is None:
        return functools.partial(graph, any_length=any_length)
    if NAME != "tensorflow":
        return function
    import tensorflow as tf

    program = None

    def run(*tensors):
        nonlocal program
        tensors = tuple(map(tf.convert_to_tensor, tensors))
        if program is None:
            shapes = [(None, *tensor.shape[1:]) if any_length else tensor.shape for tensor in tensors]
            kinds = [tf.TensorSpec(shape, tensor.dtype) for shape, tensor in zip(shapes, tensors, strict=True)]
            program = tf.function(function, autograph=False).get_concrete_function(*kinds)
        return program(*tensors)

    return run


def repeated(count: int, step, carry, again: bool = False):
    """Runs `carry, out = step(i, carry)` for each i below `count`; returns the last `carry`, and every `out` in one array.

    The loop can be differentiated. On JAX it is one small program for any number of steps; `out` may be None.

    Args:
        count: The number of steps.
        step: From an index and what is carried to (what is carried, what comes out).
        carry: What the first step gets.
        again: Whether JAX computes a step again for its gradient, rather than keep in memory all that it needs.
    """
    if NAME == "jax":
        import jax

        step = jax.checkpoint(step) if again else step
        return jax.lax.scan(lambda carry, i: step(i, carry), carry, jax.numpy.arange(count))
    found = []
    for i in range(count):
        carry, out = step(i, carry)
        found.append(out)
    return carry, None if found[0] is None else keras.ops.stack(found)


def running_max(x, axis: int):
    """The largest number up to each place of an axis, without a gradient.

    Each backend runs one operation or one small loop: Keras' `associative_scan` is dozens of operations on JAX, and on
    TensorFlow, where a length may be unknown, a graph of nested conditions that takes minutes to build.
    """
    if NAME == "jax":
        import jax

        return jax.lax.cummax(jax.lax.stop_gradient(x), axis=axis)
    if NAME == "torch":
        import torch

        return torch.cummax(x.detach(), dim=axis).values
    import tensorflow as tf

    x = tf.stop_gradient(x)
    size = tf.shape(x)[axis]
    along = [1] * len(x.shape)
    along[axis] = -1
    place = tf.reshape(tf.range(size), along)

    def doubled(shift, most):  # `most` covers the last `shift` places, and then twice as many
        return 2 * shift, tf.where(place >= shift, tf.maximum(most, tf.roll(most, shift, axis)), most)

    return tf.while_loop(
        lambda shift, _: shift < size, doubled, [tf.constant(1), x], shape_invariants=[tf.TensorShape([]), x.shape]
    )[1]


def with_vjp(function, backward):
    """`values` of `function(x, *others) -> (values, saved)`, with `backward(x, saved, upstream)` as the gradient by `x`.

    The `others` have no gradient: JAX raises a TypeError if one is asked for.
    """
    if NAME == "jax":
        import jax

        run = jax.custom_vjp(lambda *given: function(*given)[0])

        def forward(x, *others):
            if any(other.perturbed for other in others):
                raise TypeError(
                    "a gradient by the targets was asked for, but this likelihood has one by its parameters only: "
                    "differentiate `spec(params).log_prob(y)` instead."
                )
            values, saved = function(x.value, *(other.value for other in others))
            return values, (x.value, saved, (None,) * len(others))

        def back(kept, upstream):
            if isinstance(
                upstream, jax.custom_derivatives.SymbolicZero
            ):  # nobody asked for the gradient by these values
                upstream = jax.numpy.zeros(upstream.shape, upstream.dtype)
            return backward(*kept[:2], upstream), *kept[2]

        run.defvjp(forward, back, symbolic_zeros=True)
        return run

    def closed(x, *others):
        @keras.ops.custom_gradient
        def run(x):
            values, saved = function(x, *others)

            def gradient(*args, upstream=None):
                return backward(x, saved, upstream if upstream is not None else args[0])

            return values, gradient

        return run(x)

    return closed


def with_tangent(function, tangent):
    """`function` of arrays, with a derivative that JAX takes from `tangent(arguments, changes, values)`, linear in `changes`.

    Other backends differentiate `function` itself. Use it for a loop: to differentiate one, JAX would keep every step.
    """
    if NAME != "jax":
        return function
    import jax

    run = jax.custom_jvp(function)

    @run.defjvp
    def both(arguments, changes):
        values = run(*arguments)
        return values, tangent(arguments, changes, values)

    return run


def linear_solve(multiply, right, solve, solve_transposed):
    """The x with `multiply(x) == right`, computed by `solve(right)`; JAX gets the derivative by solving once more.

    Other backends differentiate `solve` itself.
    """
    if NAME != "jax":
        return solve(right)
    import jax

    return jax.lax.custom_linear_solve(
        multiply, right, lambda _, b: solve(b), transpose_solve=lambda _, b: solve_transposed(b)
    )


_BLOCK = 8192  # rows


def by_blocks(function, *arrays):
    """`function(*arrays)` for a function of rows; on JAX's CPU backend, many rows are computed block by block.

    Blocks keep the intermediate arrays small. Without them each call asks the system for tens of megabytes of fresh
    memory, and fetching those pages can take as long as the arithmetic.

    Args:
        function: Maps arrays `(*batch, any)` to an array `(*batch, any)`, each row independently of the others.
        arrays: They share their leading axes; if not, no blocks are made.
    """
    batch = arrays[0].shape[:-1]
    aligned = all(array.shape[:-1] == batch for array in arrays)
    if NAME != "jax" or not on_cpu() or not aligned or math.prod(batch) <= _BLOCK:
        return function(*arrays)
    import jax

    rows = [array.reshape(-1, array.shape[-1]) for array in arrays]
    out = jax.lax.map(lambda row: function(*row), rows, batch_size=_BLOCK)
    return out.reshape(*batch, out.shape[-1])
