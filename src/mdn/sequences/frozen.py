"""Frozen: a model's step as a program that holds the weights as constants, with hardly any cost beside its arithmetic."""

from __future__ import annotations

import functools
import math

import numpy as np
from keras import ops

from mdn import backend
from mdn.kernels.in_place import aligned, memory_of
from mdn.kernels.inline import inline_device
from mdn.kernels.one_kernel import OneKernel
from mdn.sequences.program import alone, jitted, program_of, stateless


class Frozen:
    """Runs `function(inputs, state)`, which returns the next state, with the weights that `model` has now.

    On a CPU, a small model's step takes about ten microseconds, less than passing arrays to JAX and back. There `inputs` is
    memory that JAX uses as an array of its own, and each new state overwrites the one before it, so that NumPy can read it
    in place.

    Args:
        model: Its weights become constants of the program: as arguments they would cost as much as their arithmetic.
        function: Takes `inputs` and a state `(B, S)`.
        shape: The shape of `inputs`.
        one_row: See `jitted`.

    Attributes:
        step: `step(state)` overwrites `state` and returns the next one. Fetch it again after `place`.
        inputs: Float32, for the caller to write before each step.
        view: The memory of the present state, `(B, S)`, while `shows` is true; None where states are not in place.
    """

    def __init__(self, model, function, shape: tuple[int, ...], one_row: bool = False):
        self.inputs = inputs = aligned(math.prod(shape)).reshape(shape)
        self.view: np.ndarray | None = None
        self._in_place: bool | None = None  # whether states are; found out at the first `place`
        self._address = 0  # the address of the memory that `view` shows
        self._device = None
        if backend.NAME != "jax":
            self.step = functools.partial(program_of(model, function), inputs)
            return
        import jax

        weights = [ops.convert_to_numpy(v.value) for v in model.variables]
        self._device = inline_device()  # the program runs on the device of its state
        over = () if self._device is None else 1  # the argument to overwrite: the old state

        constant = functools.partial(stateless(model, function), weights)
        self._program = jitted(constant, one_row, compiler_options=alone(), donate_argnums=over)
        if self._device is not None:
            seen = jax.device_put(inputs, self._device, may_alias=True)
            # On this device a step has ended when its call returns, so memory is never written or read too early
            inputs = seen if seen.unsafe_buffer_pointer() == inputs.ctypes.data else inputs
        self.step = functools.partial(self._program, inputs)

    def place(self, state: np.ndarray):
        """Puts a state to begin from where the program needs it, and returns it; the state placed before is dropped."""
        if backend.NAME != "jax":
            return state
        import jax

        if self._device is None:
            return jax.device_put(state)

        def copied():  # XLA overwrites only arrays that it made itself
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
        """Whether `view` shows `state`. XLA does not promise to reuse memory; once it does not, `view` becomes None."""
        if self.view is not None and state.unsafe_buffer_pointer() != self._address:
            self.view = None
        return self.view is not None

    def read(self, state) -> np.ndarray:
        """A state's numbers. Copy them before the next step, which overwrites them."""
        if self.view is not None and self.shows(state):
            return self.view
        if self._device is None:
            return ops.convert_to_numpy(state)
        return memory_of(state)
