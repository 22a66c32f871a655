"""Frozen: a model's step as a program with the weights in it, called with as little beside the arithmetic as can be."""

from __future__ import annotations

import ctypes
import functools
import math
from typing import Any

import keras
import numpy as np
from keras import ops

from mdn import backend
from mdn.sequences.rollout import compiled

_ALIGNED = 16  # numbers in 64 bytes, at multiples of which JAX's arrays begin


class Frozen:
    """`function(state, given)`, which gives the next state, with the weights of `model` as they are now.

    A small model's step takes some ten microseconds on a CPU, less than handing arrays to JAX and back: there `given` is
    memory that JAX sees as arrays of its own, written in place, and the new state is read where it lies.

    Args:
        model: Whose weights are constants of the program: as arguments they would cost as much as their arithmetic.
        function: Of a state `(B, S)` and a row of `memory`.
        shape: Of a row.
        rows: How many there are.

    Attributes:
        memory: `(rows, *shape)` float32, for the caller to write.
    """

    def __init__(self, model, function, shape: tuple[int, ...], rows: int):
        size = math.prod(shape)
        room = _aligned(rows, size)
        self.memory = room[:, :size].reshape(rows, *shape)
        self._given: list = list(self.memory)
        self._views: dict[int, np.ndarray] | None = None  # of states by address, where they may be looked at
        self._device = None
        if backend.NAME != "jax":
            self._program = compiled(model, function)
            return
        import jax

        weights = [ops.convert_to_numpy(v.value) for v in model.variables]

        @functools.partial(jax.jit, compiler_options=_alone())
        def program(state, given):
            with keras.StatelessScope(state_mapping=list(zip(model.variables, weights, strict=True))):
                return function(state, given)

        self._program, self._device = program, _inline_device()  # where a program runs follows from where its state is
        if self._device is None:
            return
        seen = [jax.device_put(row, self._device, may_alias=True) for row in self.memory]
        # a step is over when its call is, so that no row is overwritten, and no state looked at, too early
        if all(own.unsafe_buffer_pointer() == row.ctypes.data for own, row in zip(seen, self.memory, strict=True)):
            self._given, self._views = seen, {}

    def place(self, state: np.ndarray):
        """A state to begin from, where the program wants it."""
        if backend.NAME != "jax":
            return state
        import jax

        return jax.device_put(state, self._device)

    def __call__(self, state, row: int):
        """The state after `state`, given what `memory[row]` holds."""
        return self._program(state, self._given[row])

    def read(self, state) -> np.ndarray:
        """A state's numbers, to be copied before the next step."""
        if self._views is None:
            return np.asarray(state) if backend.NAME == "jax" else ops.convert_to_numpy(state)
        place = state.unsafe_buffer_pointer()
        view = self._views.get(place)
        if view is None:
            numbers = (ctypes.c_float * math.prod(state.shape)).from_address(place)
            view = self._views[place] = np.frombuffer(numbers, "float32").reshape(state.shape)
        return view


def _aligned(rows: int, size: int) -> np.ndarray:
    """Zeros, float32, `(rows, size or a little more)`, whose rows begin where JAX's own arrays do."""
    width = _ALIGNED * math.ceil(size / _ALIGNED)
    room = np.zeros(rows * width + _ALIGNED, "float32")
    first = -room.ctypes.data % (4 * _ALIGNED) // 4
    return room[first : first + rows * width].reshape(rows, width)


@functools.cache
def _alone() -> dict[str, Any] | None:
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
def _inline_device():
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
