"""Which Keras backend, decided once before Keras is imported; and what of it leaks into the rest of the house."""

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
    "tensorflow"  # Keras writes this into a fresh keras.json by itself: it says nothing of the user's will
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

    The order: Keras already imported; KERAS_BACKEND; a keras.json that names an installed backend other than the one
    that Keras writes unasked; JAX; and where JAX is missing, PyTorch or TensorFlow.

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


_in_use = _left_behind = False


def _forked() -> None:
    global _left_behind
    _left_behind = _in_use


if NAME == "jax" and hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)


def use() -> None:
    """To be called before JAX computes: refuses to in a process that was forked from one in which it had.

    A forked process has the memory of JAX's threads and none of the threads, and waits for them for ever.

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
    return getattr(getattr(tensor, "device", None), "type", None) != "meta"


def mask_of(tensor):
    """The mask that Keras sent along with `tensor`, or None."""
    from keras.src.backend.common.masking import get_keras_mask  # Keras has no public name for it

    return get_keras_mask(tensor)


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


def register_pytree(cls: type, names: tuple[str, ...]) -> None:
    """Makes a frozen value class a JAX pytree whose leaves are its fields.

    Unflattening restores fields as they are, with no check: JAX puts tracers, shapes and sentinels there. Of a dict the
    values are leaves and the keys are not: JAX would sort them, and the order of a Joint's parts says what its columns are.
    """
    if NAME != "jax":
        return
    import jax

    def fields_of(value):
        fields = [getattr(value, name) for name in names]
        keys = tuple(tuple(field) if isinstance(field, dict) else None for field in fields)
        return [tuple(field.values()) if isinstance(field, dict) else field for field in fields], keys

    def flatten(value):
        fields, keys = fields_of(value)
        return tuple(fields), keys

    def flatten_with_keys(value):
        fields, keys = fields_of(value)
        return tuple((jax.tree_util.GetAttrKey(name), field) for name, field in zip(names, fields, strict=True)), keys

    def unflatten(keys, fields):
        value: Any = object.__new__(cls)
        for name, mine, field in zip(names, keys, fields, strict=True):
            whole = mine is not None and isinstance(field, tuple) and len(field) == len(mine)
            object.__setattr__(value, name, dict(zip(mine, field, strict=True)) if whole else field)
        return value

    jax.tree_util.register_pytree_with_keys(cls, flatten_with_keys, unflatten, flatten)


def compiled(function=None, *, static: tuple[str, ...] = ()):
    """Compiles a function of distributions and tensors where op-by-op execution is slow, which is on JAX.

    JAX compiles every operation of an eager program for every shape; as one program it compiles once, and runs faster.
    TensorFlow and PyTorch run it as it is.

    Args:
        function: Of pytrees and tensors.
        static: Names of its keyword arguments that are plain values.
    """
    if function is None:
        return functools.partial(compiled, static=static)
    if NAME != "jax":
        return function
    import jax

    return jax.jit(function, static_argnames=static)


def graph(function):
    """On TensorFlow `function` of tensors becomes a graph, traced anew here and run once; elsewhere it stays what it is.

    For a loop within a loop: TensorFlow runs thousands of small operations in a tenth of the time if they are a graph, and
    tracing takes as long as a few hundred.
    """
    if NAME != "tensorflow":
        return function
    import tensorflow

    return tensorflow.function(function, autograph=False)


def repeated(count: int, step, carry):
    """What is left of `carry`, and all `out` in one array, after `carry, out = step(i, carry)` for each i below `count`.

    It can be differentiated. On JAX it is one small program, however many steps there are; `out` may be None.
    """
    if NAME == "jax":
        import jax

        return jax.lax.scan(lambda carry, i: step(i, carry), carry, jax.numpy.arange(count))
    found = []
    for i in range(count):
        carry, out = step(i, carry)
        found.append(out)
    return carry, None if found[0] is None else keras.ops.stack(found)


def with_tangent(function, tangent):
    """`function` of arrays whose derivative JAX takes from `tangent(arguments, changes, values)`, linear in the changes.

    Other backends, and `tangent` itself, differentiate what they compute. For a loop: JAX would keep every step of it.
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
    """The x with `multiply(x) == right`, by `solve(right)`; JAX takes its derivative from solving once more.

    Other backends differentiate what `solve` computes.
    """
    if NAME != "jax":
        return solve(right)
    import jax

    return jax.lax.custom_linear_solve(
        multiply, right, lambda _, b: solve(b), transpose_solve=lambda _, b: solve_transposed(b)
    )


_BLOCK = 8192  # rows


def by_blocks(function, *arrays):
    """`function(*arrays)` for a function of rows, in blocks of rows where there are many of them.

    What lies between input and output then stays small. One large program on JAX's CPU backend asks the system for tens
    of megabytes of fresh memory a call, and fetching their pages can take as long as the arithmetic.

    Args:
        function: Of arrays `(*batch, any)` to an array `(*batch, any)`, each row by itself.
        arrays: All with the same leading axes.
    """
    batch = arrays[0].shape[:-1]
    aligned = all(array.shape[:-1] == batch for array in arrays)
    if NAME != "jax" or not on_cpu() or not aligned or math.prod(batch) <= _BLOCK:
        return function(*arrays)
    import jax

    rows = [array.reshape(-1, array.shape[-1]) for array in arrays]
    out = jax.lax.map(lambda row: function(*row), rows, batch_size=_BLOCK)
    return out.reshape(*batch, out.shape[-1])
