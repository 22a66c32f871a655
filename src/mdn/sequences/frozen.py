"""Frozen: a model's step as a program with the weights in it, called with as little beside the arithmetic as can be."""

from __future__ import annotations

import functools
import math

import numpy as np
from keras import ops

from mdn import backend
from mdn.kernels.in_place import aligned, memory_of
from mdn.kernels.inline import inline_device
from mdn.kernels.one_kernel import OneKernel
from mdn.sequences.program import alone, compiled, jitted, stateless


class Frozen:
    """`function(given, state)`, which gives the next state, with the weights of `model` as they are now.

    A small model's step takes some ten microseconds on a CPU, less than handing arrays to JAX and back: there `given` is
    memory that JAX sees as an array of its own, and each new state is written over the one before it, so that it can be read
    where it lies.

    Args:
        model: Whose weights are constants of the program: as arguments they would cost as much as their arithmetic.
        function: Of `given` and of a state `(B, S)`.
        shape: Of `given`.
        one_row: See `compiled`.

    Attributes:
        step: `step(state)` overwrites `state` and returns the next one. Fetch it again after `place`.
        given: Float32, for the caller to write before each step.
        view: The memory of the present state, `(B, S)`, as long as it `shows` it; None where states are not in place.
    """

    def __init__(self, model, function, shape: tuple[int, ...], one_row: bool = False):
        self.given = given = aligned(math.prod(shape)).reshape(shape)
        self.view: np.ndarray | None = None
        self._in_place: bool | None = None  # whether there is: seen at the first state
        self._address = 0  # of `view`
        self._device = None
        if backend.NAME != "jax":
            self.step = functools.partial(compiled(model, function), given)
            return
        import jax

        weights = [ops.convert_to_numpy(v.value) for v in model.variables]
        self._device = inline_device()  # where a program runs follows from where its state is
        over = () if self._device is None else 1  # what the new state may be written over: the old one

        constant = functools.partial(stateless(model, function), weights)
        self._program = jitted(constant, one_row, compiler_options=alone(), donate_argnums=over)
        if self._device is not None:
            seen = jax.device_put(given, self._device, may_alias=True)
            # a step is over when its call is, so that nothing is overwritten, and no state looked at, too early
            given = seen if seen.unsafe_buffer_pointer() == given.ctypes.data else given
        self.step = functools.partial(self._program, given)

    def place(self, state: np.ndarray):
        """A state to begin from, where the program wants it; what was placed before is no longer read."""
        if backend.NAME != "jax":
            return state
        import jax

        if self._device is None:
            return jax.device_put(state)

        def copied():  # of XLA's own making: it writes over nothing else
            return jax.numpy.array(jax.device_put(state, self._device), copy=True)

        if self._in_place is None:
            trial = copied()
            place = trial.unsafe_buffer_pointer()
            self._in_place = self.step(trial).unsafe_buffer_pointer() == place
            if isinstance(self._program, OneKernel):
                self.step = functools.partial(self._program.run, *self.step.args)
        placed = copied()
        self.view, self._address = (memory_of(placed) if self._in_place else None), placed.unsafe_buffer_pointer()
        return placed

    def shows(self, state) -> bool:
        """Whether `state` is what `view` shows; XLA promises it for no step, and where it is not, there is no `view` any more."""
        if self.view is not None and state.unsafe_buffer_pointer() != self._address:
            self.view = None
        return self.view is not None

    def read(self, state) -> np.ndarray:
        """A state's numbers, to be copied before the next step."""
        if self.view is not None and self.shows(state):
            return self.view
        if self._device is None:
            return ops.convert_to_numpy(state)
        return memory_of(state)
