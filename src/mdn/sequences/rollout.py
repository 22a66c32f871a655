"""Rollouts: each event drawn from the distribution that the ones before it give, in one compiled loop."""

from __future__ import annotations

import math
import weakref

import keras
import numpy as np
from keras import ops

from mdn import backend
from mdn.sequences.sampler import Guided, Noise, Sampler

_THINNED_FROM, _THINNED = (
    128,
    4,
)  # sequences in a loop, and which part of them may be left before it goes on with these alone


class Rollout:
    """The loop for one model and its hooks; compiled once for a batch size and a power of two of steps.

    Args:
        model: An MDNRNN.
        stop: See `MDNRNN.generate`.
        constrain: See `MDNRNN.generate`.
        guided: Whether events are drawn with guidance; then a state is that of the network with its context and, beside it, that
            of the network without one, both of which take the same events.
    """

    def __init__(self, model, stop=None, constrain=None, guided: bool = False):
        self._model = weakref.proxy(model)
        self.sampler = Guided(model.spec) if guided else Sampler(model.spec)
        self.state_widths = model.state_widths * (1 + guided)
        self._stop, self._constrain, self._guided = stop, constrain, guided
        self._run = compiled(model, self._loop)

    def __call__(self, primes, steps, condition, temperatures, seed):
        rows, size = len(primes), self._model.spec.target_size
        lengths = np.array([len(one) for one in primes], "int32")
        most = int(lengths.max()) + steps
        room = 2 ** math.ceil(math.log2(max(most, 16)))
        # primes are read and new events written: an array that is both would be copied at each step
        prime = np.full((2 ** math.ceil(math.log2(max(int(lengths.max()), 1))), rows, size), np.nan, "float32")
        for row, one in enumerate(primes):
            prime[: len(one), row] = one
        uniforms, normals = (
            np.concatenate([part, np.full((room - most, *part.shape[1:]), 0.5, "float32")])
            for part in Noise(seed, rows, self.sampler).steps(most)
        )
        temperatures = np.array(temperatures, "float32")
        filled = np.empty((most, rows, size), "float32")
        begin, event, ended, state, going = 0, None, np.full(rows, most, "int32"), None, np.arange(rows)
        while len(going):
            # where sequences end by themselves, most are short: once few are left, only these go on
            fewest = 0 if self._stop is None or len(going) < _THINNED_FROM else len(going) // _THINNED
            given = prime[:, going], lengths[going], uniforms[:, going], normals[:, going]
            beside = tuple(part[going] for part in condition or ())
            begin_at = np.int32(begin)
            begin, events, event, ends, state = self._run(
                begin_at, event, state, most, fewest, *given, temperatures, beside
            )
            begin, events, ends = int(begin), ops.convert_to_numpy(events), ops.convert_to_numpy(ends)
            filled[begin_at:begin, going], ended[going] = events[begin_at:begin], ends
            left = np.flatnonzero(ends > begin)
            if begin >= most or not len(left):
                break
            left = np.resize(left, fewest)  # one twice writes the same events twice
            going, event = going[left], ops.convert_to_numpy(event)[left]
            state = tuple(ops.convert_to_numpy(part)[left] for part in state)
        new = [filled[length : length + steps, row] for row, length in enumerate(lengths)]
        if self._stop is None:
            return np.stack(new)
        return [one[: max(0, int(end) - int(length))] for one, end, length in zip(new, ended, lengths, strict=True)]

    def first_state(self, rows: int, condition=()) -> list:
        """The state before the first event: arrays `(rows, width)` for the widths of `state_widths`."""
        return self._model.first_state(rows, condition) * (1 + self._guided)

    def step(self, event, state, uniforms, normals, temperatures, condition):
        """(the next event, the state then) after `event` (B, D).

        `temperatures` are those of components and of variances, and behind them guidance, where it is guided.
        """
        if not self._guided:
            params, state = self._model.step(event, state, condition)
            return self.drawn(params, state, uniforms, normals, temperatures, condition), state
        half = len(state) // 2
        both = [ops.concatenate(pair) for pair in zip(state[:half], state[half:], strict=True)]
        *beside, context = (ops.convert_to_tensor(part) for part in condition)
        conditions = (
            *(ops.concatenate([part, part]) for part in beside),
            ops.concatenate([context, ops.zeros_like(context)]),
        )
        params, both = self._model.step(ops.concatenate([event, event]), both, conditions)
        state = [part for side in zip(*(ops.split(part, 2) for part in both), strict=True) for part in side]
        return self.drawn(params, state, uniforms, normals, temperatures, condition), state

    def drawn(self, params, state, uniforms, normals, temperatures, condition=()):
        """The event (B, D) that the noise picks from packed parameters; `state` is that after the event before it."""
        drawn = self.sampler(params, uniforms, normals, *(temperatures[i] for i in range(2 + self._guided)))
        if self._constrain is None:
            return drawn
        place = state[0] if self._model.positions else None
        return self._constrain(drawn, place, *self._shown(state, condition))

    def _shown(self, state, condition) -> tuple:
        return self._model.shown(state[: len(self._model.state_widths)], condition)

    def _loop(self, begin, event, state, most, fewest, prime, lengths, uniforms, normals, temperatures, condition):
        """A loop over steps from `begin` on, primes taken as they are, while more than `fewest` sequences go on.

        Returns (the step it came to, events `(steps, B, D)`, the last event, where each sequence ends, the state).
        """
        last, rows, size = prime.shape[0] - 1, prime.shape[1], prime.shape[2]

        def going(t, events, previous, ended, *state):
            more = t < most
            if self._stop is None:
                return more
            return ops.logical_and(more, ops.sum(ops.cast(t < ended, "int32")) > fewest)

        def body(t, events, previous, ended, *state):
            drawn, state = self.step(previous, list(state), uniforms[t], normals[t], temperatures, condition)
            primed = t < lengths
            event = ops.where(primed[:, None], prime[ops.minimum(t, last)], drawn)
            events = ops.slice_update(events, (t, 0, 0), event[None])
            if self._stop is not None:
                shown = self._shown(state, condition)
                ends = ops.logical_and(ops.logical_and(self._stop(event, *shown), ops.logical_not(primed)), t < ended)
                ended = ops.where(ends, t + 1, ended)
            return (t + 1, events, event, ended, *state)

        events = ops.zeros((uniforms.shape[0], rows, size), "float32")
        event = ops.full((rows, size), float("nan"), dtype="float32") if event is None else event
        state = self.first_state(rows, condition) if state is None else state
        ended = ops.zeros((rows,), "int32") + most
        begin = ops.cast(ops.convert_to_tensor(begin), "int32")
        begin, events, event, ended, *state = ops.while_loop(going, body, (begin, events, event, ended, *state))
        return begin, events, event, ended, tuple(state)


def compiled(model, function):
    """`function` of arrays and of `model`'s weights as they are at each call, as one program where the backend has such.

    `model` must outlive it.
    """
    variables = model.variables
    if backend.NAME == "jax":
        import jax

        @jax.jit
        def run(weights, *arguments):
            with keras.StatelessScope(state_mapping=list(zip(variables, weights, strict=True))):
                return function(*arguments)

        # past Keras' property, which asks for scopes that nobody is in here, and takes a tenth of a short rollout to do it
        return lambda *arguments: run([v._value for v in variables], *arguments)
    if backend.NAME == "torch":
        import torch

        def infer(*arguments):
            with torch.inference_mode():
                return function(*(_tensor(each) for each in arguments))

        return infer
    import tensorflow

    graph = tensorflow.function(function)
    return lambda *arguments: graph(*(_tensor(each) for each in arguments))


def _tensor(value):
    if value is None or isinstance(value, tuple):
        return value and tuple(map(_tensor, value))
    return ops.convert_to_tensor(value)
