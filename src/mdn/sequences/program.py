"""Programs: functions of arrays and of a model's weights, compiled where the backend compiles, and where they run."""

from __future__ import annotations

import functools
from typing import Any

import keras
import numpy as np
from keras import ops

from mdn import backend, kernels
from mdn.kernels.inline import Placed, inline_device
from mdn.kernels.one_kernel import OneKernel


def program_of(model, function, inline: bool = False, one_row: bool = False, one_thread: bool = False):
    """Makes `function` one program where the backend compiles; each call uses the weights that `model` has then.

    Args:
        model: Must outlive the program.
        function: Takes and returns arrays.
        inline: Whether to compute in the calling thread, where that is possible. The outputs then live on a private device:
            read them, or pass them back to this program only.
        one_row: Whether all matrix products are of one row; see `OneKernel`.
        one_thread: Whether matrix products on a CPU use one thread only, as several processes at once should.
    """
    if backend.NAME == "jax":
        options = {"compiler_options": alone()} if one_thread else {}
        run, variables = jitted(stateless(model, function), one_row, **options), model.variables

        # not `v.value`: it looks for Keras scopes, of which none is active here, and takes a tenth of a short rollout
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
    """Returns `run(weights, *arguments)`: `function(*arguments)` with `weights` in place of `model`'s own."""
    variables = model.variables

    def run(weights, *arguments):
        with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))):
            return function(*arguments)

    return run


def jitted(function, one_row: bool, **options):
    """On JAX: `jax.jit(function, **options)`; with `one_row`, on a CPU, one kernel instead."""
    import jax

    return (OneKernel if one_row and backend.on_cpu() and kernels.on() else jax.jit)(function, **options)


def _tensor(value):
    # as JAX reads tuples, named or not, lists and dicts: each entry is an array of its own
    return keras.tree.map_structure(lambda each: None if each is None else ops.convert_to_tensor(each), value)


def read(array) -> np.ndarray:
    """An output of a program as a NumPy array. Do not write to it."""
    # NumPy reads JAX's arrays on a CPU in place; Keras copies them, and its call alone takes longer than a short copy
    return np.asarray(array) if backend.NAME == "jax" else ops.convert_to_numpy(array)


@functools.cache
def alone() -> dict[str, Any] | None:
    """XLA's options for matrix products in one CPU thread (a second one wakes up too late); None if XLA has no such option."""
    if not backend.on_cpu():
        return None
    import jax

    options = {"xla_cpu_multi_thread_eigen": False}
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
    except (RuntimeError, ValueError):  # a later XLA may not know the option
        return None
    return options
