"""Programs: functions of arrays and of a model's weights, compiled where the backend can, and the thread they run in."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from mdn import backend, kernels
from mdn.kernels.inline import Placed, inline_device
from mdn.kernels.one_kernel import OneKernel


def compiled(model, function, inline: bool = False, one_row: bool = False, one_thread: bool = False):
    """`function` of arrays and of `model`'s weights as they are at each call, as one program where the backend has such.

    Args:
        model: Must outlive the program.
        function: Of arrays.
        inline: Whether it computes in the thread that calls, where that is possible. Its outputs then live on a private device:
            read them, or pass them back to this program only.
        one_row: Whether all products are of one row; see `OneKernel`.
        one_thread: Whether products on a CPU keep to one thread, as suits one of several processes that work at once.
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
        return Placed(run, now, device)
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

    return (OneKernel if one_row and backend.on_cpu() and kernels.on() else jax.jit)(function, **options)


def _tensor(value):
    if value is None or isinstance(value, tuple):
        return value and tuple(map(_tensor, value))
    return ops.convert_to_tensor(value)


def read(array) -> np.ndarray:
    """What a program gave, for NumPy and not to be written to."""
    # JAX's arrays on a CPU lie where NumPy can read them; Keras copies, and takes longer to begin than a short copy lasts
    return np.asarray(array) if backend.NAME == "jax" else ops.convert_to_numpy(array)


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
