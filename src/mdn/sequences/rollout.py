"""Rollouts: each event drawn from the distribution that the ones before it give, in one compiled loop."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np
from keras import ops

from mdn.sequences.program import compiled, read
from mdn.sequences.sampler import Guided, Noise, Sampler

# Sequences in a loop, and which part of them may be left before it goes on with these alone
_THINNED_FROM, _THINNED = 128, 4


def _power_of_two(count: int) -> int:
    """The least that is no less."""
    return 1 << max(count - 1, 0).bit_length()


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
        self._run = compiled(model, self._loop, inline=True)

    def __call__(self, primes, steps, condition, temperatures, seed):
        rows, size = len(primes), self._model.spec.target_size
        lengths = np.array([len(one) for one in primes], "int32")
        longest = max(lengths.tolist())
        most = longest + steps
        # primes are read and new events written: an array that is both would be copied at each step
        prime = np.full((_power_of_two(longest), rows, size), np.nan, "float32")
        for row, one in enumerate(primes):
            prime[: len(one), row] = one
        noise = Noise(seed, rows, self.sampler).steps(most, _power_of_two(max(most, 16)))
        temperatures = np.array(temperatures, "float32")
        filled = np.empty((most, rows, size), "float32")
        begin, event, ended, state = 0, None, np.full(rows, most, "int32"), None
        going: Any = slice(None)  # all rows, and later those that are left
        while True:
            given = prime[:, going], lengths[going], noise[:, going]
            beside = tuple(part[going] for part in condition or ())
            # where sequences end by themselves, most are short: once few are left, only these go on
            now = len(given[1])
            fewest = 0 if self._stop is None or now < _THINNED_FROM else now // _THINNED
            limits = np.array([begin, most, fewest], "int32")
            events, event, reached, state = self._run(limits, event, state, *given, temperatures, beside)
            events, reached = read(events), read(reached)
            since, begin, ends = begin, int(reached[0]), reached[1:]
            filled[since:begin, going], ended[going] = events[since:begin], ends
            left = np.flatnonzero(ends > begin) if begin < most else ()
            if not len(left):
                break
            left = np.resize(left, fewest)  # one twice writes the same events twice
            going, event = np.arange(rows)[going][left], read(event)[left]
            state = tuple(read(part)[left] for part in state)
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

    def _loop(self, limits, event, state, prime, lengths, noise, temperatures, condition):
        """A loop over steps, primes taken as they are.

        `limits`: the step it begins at, the one it ends at, and how few sequences may go on before it ends as well.
        Returns (events `(steps, B, D)`, the last event, the step it came to and where each sequence ends, the state); without
        `stop` nobody goes on from the last event and the state, and there are none.
        """
        last, rows, size = prime.shape[0] - 1, prime.shape[1], prime.shape[2]
        begin, most, fewest = (limits[i] for i in range(3))

        def going(t, events, previous, ended, *state):
            more = t < most
            if self._stop is None:
                return more
            return ops.logical_and(more, ops.sum(ops.cast(t < ended, "int32")) > fewest)

        def body(t, events, previous, ended, *state):
            uniforms, normals = self.sampler.parted(noise[t])
            drawn, state = self.step(previous, list(state), uniforms, normals, temperatures, condition)
            primed = t < lengths
            event = ops.where(primed[:, None], prime[ops.minimum(t, last)], drawn)
            events = ops.slice_update(events, (t, 0, 0), event[None])
            if self._stop is not None:
                shown = self._shown(state, condition)
                ends = ops.logical_and(ops.logical_and(self._stop(event, *shown), ops.logical_not(primed)), t < ended)
                ended = ops.where(ends, t + 1, ended)
            return (t + 1, events, event, ended, *state)

        events = ops.zeros((noise.shape[0], rows, size), "float32")
        event = ops.full((rows, size), float("nan"), dtype="float32") if event is None else event
        state = self.first_state(rows, condition) if state is None else state
        ended = ops.zeros((rows,), "int32") + most
        begin, events, event, ended, *state = ops.while_loop(going, body, (begin, events, event, ended, *state))
        reached = ops.concatenate([begin[None], ended])
        return (events, None, reached, None) if self._stop is None else (events, event, reached, tuple(state))
