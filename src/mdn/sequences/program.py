"""Programs: functions of arrays and of a model's weights, compiled where the backend can, and the thread they run in."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from mdn import backend


def compiled(model, function, inline: bool = False, one_row: bool = False, one_thread: bool = False):
    """`function` of arrays and of `model`'s weights as they are at each call, as one program where the backend has such.

    `model` must outlive it. With `inline` it computes in the thread that calls, where that can be, and what it gives is of
    another device than other arrays: to be read, or for this program again. `one_row` says that all products are of one row,
    see `OneKernel`. With `one_thread` products on a CPU keep to one thread, as suits one of several processes that work at once.
    """
    if backend.NAME == "jax":
        options = {"compiler_options": alone()} if one_thread else {}
        run, variables = jitted(stateless(model, function), one_row, **options), model.variables

        # past Keras' property, which asks for scopes that nobody is in here, and takes a tenth of a short rollout to do it
        def now():
            return [v._value for v in variables]

        device = inline_device() if inline else None
        if device is None:
            return lambda *arguments: run(now(), *arguments)
        return _Placed(run, now, device)
    if backend.NAME == "torch":
        import torch

        def infer(*arguments):
            with torch.inference_mode():
                return function(*(_tensor(each) for each in arguments))

        return infer
    import tensorflow

    graph = tensorflow.function(function)
    return lambda *arguments: graph(*(_tensor(each) for each in arguments))


def stateless(model, function):
    """`function` of weights, which take the place of `model`'s own, and of its own arguments."""
    variables = model.variables

    def run(weights, *arguments):
        with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))):
            return function(*arguments)

    return run


def jitted(function, one_row: bool, **options):
    """On JAX: `jax.jit(function, **options)`, for products of one row on a CPU as one kernel."""
    import jax

    return (OneKernel if one_row and backend.on_cpu() else jax.jit)(function, **options)


def _tensor(value):
    if value is None or isinstance(value, tuple):
        return value and tuple(map(_tensor, value))
    return ops.convert_to_tensor(value)


def read(array) -> np.ndarray:
    """What a program gave, for NumPy and not to be written to."""
    # JAX's arrays on a CPU lie where NumPy can read them; Keras copies, and takes longer to begin than a short copy lasts
    return np.asarray(array) if backend.NAME == "jax" else ops.convert_to_numpy(array)


class _Placed:
    """`run(weights, ...)` on a device of its own; weights are brought there when there are new ones."""

    def __init__(self, run, now, device):
        self._run, self._now, self._device = run, now, device
        self._seen: list = []
        self._names: list[int] = []

    def __call__(self, *arguments):
        weights = self._now()
        names = list(map(id, weights))
        if names != self._names:
            import jax

            # those seen are held, so that no other array comes to have their name
            self._placed, self._seen, self._names = jax.device_put(weights, self._device), weights, names
        return self._run(self._placed, *arguments)


class OneKernel:
    """`jax.jit(function)` for a CPU, the whole function as one kernel where XLA can make one.

    XLA makes a kernel of every few operations, and going from one to the next takes it about as long as the arithmetic of a
    small model's step. That is worth it for products of one row only: those of more are calls of a library, which no kernel
    holds, or slow.

    Args:
        function: Of arrays.
        options: For `jax.jit`.

    Attributes:
        run: The jitted function. After a first call it may be called in place of this object, to save a microsecond.
    """

    def __init__(self, function, **options):
        import jax

        inner = jax.jit(function)
        self._plain = jax.jit(function, **options)

        def whole(*arguments):
            from jax.experimental.xla_metadata import set_xla_metadata

            # the names by which XLA's own pass for small loops asks for it
            return set_xla_metadata(inner(*arguments), xla_cpu_small_call="true", inlineable="false")

        self.run = jax.jit(whole, **options)

    def __call__(self, *arguments):
        # Whatever is wrong, the plain function is asked: there may be something in it that no kernel holds, or JAX may know no
        # such names; and a mistake of the caller's is best said by what he knows.
        with contextlib.suppress(Exception):
            return self.run(*arguments)
        found = self._plain(*arguments)
        self.run = self._plain
        return found


@functools.cache
def alone() -> dict[str, Any] | None:
    """What tells XLA to keep products on a CPU in one thread, where it knows that: a second one wakes up when they are done."""
    if not backend.on_cpu():
        return None
    import jax

    options = {"xla_cpu_multi_thread_eigen": False}
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
    except (RuntimeError, ValueError):  # a later XLA may not
        return None
    return options


@functools.cache
def inline_device():
    """A JAX CPU device that computes in the thread that calls; None, the usual device, where it cannot be had.

    JAX's own CPU client hands every program of 1,000 or more operations to another thread. That thread's waking up, and
    the caller's after it, take several times as long as a step of a small model.
    """
    if not backend.on_cpu():
        return None
    try:
        from jaxlib import xla_client

        client: Any = xla_client.make_cpu_client(asynchronous=False)
        return client.devices()[0]
    except (ImportError, AttributeError, TypeError):  # not a part of JAX that is promised to stay
        return None
