"""In place: NumPy and a JAX array on a CPU share memory, so that a step copies neither its arguments nor its results."""

from __future__ import annotations

import ctypes
import math

import numpy as np

_ALIGNED = 16  # float32 numbers in 64 bytes; JAX's arrays begin at multiples of 64 bytes


def memory_of(array) -> np.ndarray:
    """A JAX array's own memory, as a writable NumPy array; `np.asarray` gives a read-only one."""
    numbers = (ctypes.c_float * math.prod(array.shape)).from_address(array.unsafe_buffer_pointer())
    return np.frombuffer(numbers, "float32").reshape(array.shape)


def aligned(size: int) -> np.ndarray:
    """Zeros, float32, at an address aligned like that of JAX's own arrays."""
    memory = np.zeros(size + _ALIGNED, "float32")
    first = -memory.ctypes.data % (4 * _ALIGNED) // 4
    return memory[first : first + size]
