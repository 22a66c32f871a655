"""Rollouts: each event drawn from the distribution that the ones before it give, in one compiled loop."""

from __future__ import annotations

import weakref

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
        self._run_one = compiled(model, self._loop, inline=True, one_row=True)

    def __call__(self, primes, steps, condition, temperatures, seed):
        rows, size = len(primes), self._model.spec.target_size
        lengths = [len(one) for one in primes]
        longest = max(lengths)
        most, prime = longest + steps, None
        if longest:
            # primes are read and new events written: an array that is both would be copied at each step
            prime = np.full((_power_of_two(longest), rows, size), np.nan, "float32")
            for row, one in enumerate(primes):
                prime[: len(one), row] = one
        noise = Noise(seed, rows, self.sampler).steps(most, _power_of_two(max(most, 16)))
        beside = np.array(temperatures, "float32"), tuple(condition or ())
        run = self._run_one if self.is_one_row(rows) else self._run
        if self._stop is not None:
            return self._until_ended(run, steps, lengths, prime, noise, *beside)
        counts = np.array([0, most, 0, *lengths], "int32")
        events = read(run(counts, None, None, prime, noise, *beside)[0]).swapaxes(0, 1)
        if min(lengths) == longest:  # np.stack takes as long as some steps
            return events[:, longest:most].copy()
        return np.stack([one[length : length + steps] for one, length in zip(events, lengths, strict=True)])

    def _until_ended(self, run, steps, lengths, prime, noise, temperatures, condition) -> list[np.ndarray]:
        """The new events of each sequence up to its end, at most `steps`."""
        rows, most = len(lengths), max(lengths) + steps
        lengths = np.array(lengths, "int32")
        filled = np.empty((rows, most, self._model.spec.target_size), "float32")
        begin, event, ended, state = 0, None, np.full(rows, most, "int32"), None
        going = np.arange(rows)  # all, and later those that are left
        while True:
            # most sequences are short: once few are left, only these go on
            fewest = 0 if len(going) < _THINNED_FROM else len(going) // _THINNED
            counts = np.array([begin, most, fewest, *lengths[going]], "int32")
            given = None if prime is None else prime[:, going], noise[:, going]
            beside = temperatures, tuple(part[going] for part in condition)
            events, event, reached, state = run(counts, event, state, *given, *beside)
            events, reached = read(events).swapaxes(0, 1), read(reached)
            since, begin, ends = begin, int(reached[0]), reached[1:]
            filled[going, since:begin], ended[going] = events[:, since:begin], ends
            left = np.flatnonzero(ends > begin) if begin < most else ()
            if not len(left):
                break
            left = np.resize(left, fewest)  # one twice writes the same events twice
            going, event = going[left], read(event)[left]
            state = tuple(read(part)[left] for part in state)
        news = np.clip(ended - lengths, 0, steps)
        return [one[length : length + new] for one, length, new in zip(filled, lengths, news, strict=True)]

    def is_one_row(self, rows: int) -> bool:
        """Whether the network sees one row at a time."""
        return rows == 1 and not self._guided

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

    def _loop(self, counts, event, state, prime, noise, temperatures, condition):
        """A loop over steps, primes taken as they are.

        `counts`: the step it begins at, the one it ends at, how few sequences may go on before it ends as well, and how many
        events each prime has; `prime` is None if they have none.
        Returns (events `(steps, B, D)`, the last event, the step it came to and where each sequence ends, the state); without
        `stop` nobody goes on from the last event and the state, and there are none.
        """
        rows, size = noise.shape[1], self._model.spec.target_size
        (begin, most, fewest), lengths = (counts[i] for i in range(3)), counts[3:]

        def going(t, events, previous, ended, *state):
            more = t < most
            if self._stop is None:
                return more
            return ops.logical_and(more, ops.sum(ops.cast(t < ended, "int32")) > fewest)

        def body(t, events, previous, ended, *state):
            uniforms, normals = self.sampler.parted(noise[t])
            event, after = self.step(previous, list(state), uniforms, normals, temperatures, condition)
            # where JAX computes in float64 too, a loop must still hand on what it was given
            event = ops.cast(event, "float32")
            state = tuple(ops.cast(new, old.dtype) for new, old in zip(after, state, strict=True))
            primed = t < lengths
            if prime is not None:
                event = ops.where(primed[:, None], prime[ops.minimum(t, prime.shape[0] - 1)], event)
            events = ops.slice_update(events, (t, 0 * t, 0 * t), event[None])
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
