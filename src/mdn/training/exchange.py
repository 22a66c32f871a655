"""What the processes of a training tell each other, on JAX; each of these functions must be called by all of them."""

from __future__ import annotations

from typing import Any

import numpy as np

_CARRIED = {"f": "float32", "i": "int32", "u": "uint32"}  # kinds of numbers, and what JAX carries of them by default


def of_all(array) -> np.ndarray:
    """The arrays of all processes, in their order along a new first axis.

    Args:
        array: The array of this process; it has the same shape in all.
    """
    from jax.experimental import multihost_utils

    array = np.asarray(array)
    return np.asarray(multihost_utils.process_allgather(array)).reshape(-1, *array.shape)


def of_first(values) -> np.ndarray:
    """The numbers of process 0, in the type of `values`; they travel in 32 bits.

    Args:
        values: The numbers of this process; they have the same shape in all.
    """
    values = np.asarray(values)
    return np.asarray(of_one(values.astype(_CARRIED[values.dtype.kind]), first=None)).astype(values.dtype)


def of_one(tree: Any, first: bool | None) -> Any:
    """The arrays of one process.

    Args:
        tree: Arrays of this process; they have the same shapes in all.
        first: Whether this is the process whose arrays count; None: process 0.
    """
    from jax.experimental import multihost_utils

    return multihost_utils.broadcast_one_to_all(tree, is_source=first)


def bytes_of_one(content: bytes, source: bool) -> bytes:
    """The bytes of one process, whose number the others need not know.

    Args:
        content: The bytes of this process; only those of the source count.
        source: Whether this is the source, which exactly one process is.
    """
    size = int(of_all(np.int32(len(content) if source else 0)).max())
    padded = np.zeros(size, "uint8")
    if source:
        padded[:] = np.frombuffer(content, "uint8")
    return np.asarray(of_one(padded, source)).tobytes()
