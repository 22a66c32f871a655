"""In place: NumPy and a JAX array on a CPU share memory, so that a step neither copies what it is given nor what it gives."""

from __future__ import annotations

import ctypes
import math

import numpy as np

_ALIGNED = 16  # numbers in 64 bytes, at multiples of which JAX's arrays begin


def memory_of(array) -> np.ndarray:
    """A JAX array's own memory. `np.asarray` gives it too, but keeps it from being written over."""
    numbers = (ctypes.c_float * math.prod(array.shape)).from_address(array.unsafe_buffer_pointer())
    return np.frombuffer(numbers, "float32").reshape(array.shape)


def aligned(size: int) -> np.ndarray:
    """Zeros, float32, that begin where JAX's own arrays do."""
    room = np.zeros(size + _ALIGNED, "float32")
    first = -room.ctypes.data % (4 * _ALIGNED) // 4
    return room[first : first + size]
