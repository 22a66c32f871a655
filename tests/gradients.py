"""Gradients on whichever backend Keras runs, as NumPy arrays."""

from __future__ import annotations

import keras
import numpy as np


def value_and_gradients(function, arrays):
    """The value and the gradients of `function(tensors) -> scalar tensor` at a list of float32 arrays.

    Returns:
        A float and a list of arrays of the shapes of `arrays`; a tensor that plays no part has gradient 0.
    """
    arrays = [np.asarray(array, np.float32) for array in arrays]
    value, gradients = {"jax": _jax, "torch": _torch, "tensorflow": _tensorflow}[keras.backend.backend()](
        function, arrays
    )
    return float(value), [
        np.zeros_like(a) if g is None else np.asarray(g) for a, g in zip(arrays, gradients, strict=True)
    ]


def _jax(function, arrays):
    import jax

    # One compiled function instead of hundreds of small ones: operation by operation, JAX compiles each by itself.
    return jax.jit(jax.value_and_grad(function))([jax.numpy.asarray(a) for a in arrays])


def _torch(function, arrays):
    import torch

    tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
    value = function(tensors)
    gradients = torch.autograd.grad(value, tensors, allow_unused=True) if value.requires_grad else [None] * len(tensors)
    return value.detach(), [None if g is None else g.numpy() for g in gradients]


def _tensorflow(function, arrays):
    import tensorflow as tf

    tensors = [tf.constant(a) for a in arrays]
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        value = function(tensors)
    return value, tape.gradient(value, tensors)


def finite_differences(function, arrays, steps, batch_rank=2):
    """Central differences in float64 of an elementwise `function(arrays) -> array`, for a whole batch at once.

    Args:
        function: From a list of float64 arrays to an array (*lead, *batch).
        arrays: Each (*batch, *rest): what is in `rest` is moved one number at a time.
        steps: One for each array, broadcast against it.
    Returns:
        For each array the derivatives (*lead, *batch, *rest).
    """
    arrays = [np.asarray(array, np.float64) for array in arrays]
    results = []
    for position, (array, step) in enumerate(zip(arrays, steps, strict=True)):
        step = np.broadcast_to(step, array.shape)
        rest = array.shape[batch_rank:]
        parts = []
        for index in np.ndindex(*rest):
            where = (..., *index)
            up, down = array.copy(), array.copy()
            up[where] += step[where]
            down[where] -= step[where]
            high, low = (function([*arrays[:position], moved, *arrays[position + 1 :]]) for moved in (up, down))
            parts.append((high - low) / (up[where] - down[where]))
        results.append(np.stack(parts, axis=-1).reshape(*parts[0].shape, *rest))
    return results
