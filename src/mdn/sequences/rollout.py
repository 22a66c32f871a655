"""Rollouts: each event is drawn from the distribution that the events before it predict, in one compiled loop."""

from __future__ import annotations

import weakref

import numpy as np
from keras import ops

from mdn.sequences.program import program_of, read
from mdn.sequences.sampler import Guided, Noise, Sampler

# From 128 sequences on, the loop ends once only a quarter of them goes on, and a new one continues with these alone
_THINNED_FROM, _THINNED = 128, 4


def _power_of_two(count: int) -> int:
    """The least power of two that is at least `count`."""
    return 1 << max(count - 1, 0).bit_length()


class Rollout:
    """The loop for one model and its hooks; compiled once for each batch size and each power of two of steps.

    Args:
        model: An MDNRNN.
        stop: See `MDNRNN.generate`.
        constrain: See `MDNRNN.generate`.
        guided: Whether events are drawn with guidance. Then a state has two halves: that of the network with its context and
            that of the network with an empty one; both read the same events.
    """

    def __init__(self, model, stop=None, constrain=None, guided: bool = False):
        self._model = weakref.proxy(model)
        self.sampler = Guided(model.spec) if guided else Sampler(model.spec)
        self.state_widths = model.state_widths * (1 + guided)
        self._stop, self._constrain, self._guided = stop, constrain, guided
        self._run = program_of(model, self._loop, inline=True)
        self._run_one = program_of(model, self._loop, inline=True, one_row=True)

    def __call__(self, primes, steps, condition, temperatures, seed):
        rows, size = len(primes), self._model.spec.target_size
        lengths = [len(one) for one in primes]
        longest = max(lengths)
        most, prime = longest + steps, None
        if longest:
            # The loop reads primes and writes events; one array for both would be copied at each step
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
        if min(lengths) == longest:  # the slice saves np.stack, which takes as long as a few steps
            return events[:, longest:most].copy()
        return np.stack([one[length : length + steps] for one, length in zip(events, lengths, strict=True)])

    def _until_ended(self, run, steps, lengths, prime, noise, temperatures, condition) -> list[np.ndarray]:
        """The new events of each sequence up to its end, at most `steps`."""
        rows, most = len(lengths), max(lengths) + steps
        lengths = np.array(lengths, "int32")
        filled = np.empty((rows, most, self._model.spec.target_size), "float32")
        begin, event, ended, state = 0, None, np.full(rows, most, "int32"), None
        going = np.arange(rows)  # all sequences at first, later those that have not ended
        while True:
            # Most sequences are short: once few are left, the next loop runs these only
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
            left = np.resize(left, fewest)  # fills up with copies, which write the same events
            going, event = going[left], read(event)[left]
            state = tuple(read(part)[left] for part in state)
        news = np.clip(ended - lengths, 0, steps)
        return [one[length : length + new] for one, length, new in zip(filled, lengths, news, strict=True)]

    def is_one_row(self, rows: int) -> bool:
        """Whether the network sees one row at a time."""
        return rows == 1 and not self._guided

    def first_state(self, rows: int, condition=()) -> list:
        """The state before the first event: an array `(rows, width)` for each width of `state_widths`."""
        return self._model.first_state(rows, condition) * (1 + self._guided)

    def step(self, event, state, uniforms, normals, temperatures, condition):
        """(the next event, the next state), from `event` (B, D) and the state before it.

        `temperatures`: component temperature, variance temperature and, in a guided rollout, guidance.
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
        """The event (B, D) that the noise picks from packed params; `state` is the state after the event before it."""
        drawn = self.sampler(params, uniforms, normals, *(temperatures[i] for i in range(2 + self._guided)))
        if self._constrain is None:
            return drawn
        place = state[0] if self._model.positions else None
        # What is lost stays so. XLA's program of one row also needs each event to depend on its draw: else it ends the process.
        return ops.where(ops.isnan(drawn), drawn, self._constrain(drawn, place, *self._shown(state, condition)))

    def _shown(self, state, condition) -> tuple:
        return self._model.shown(state[: len(self._model.state_widths)], condition)

    def _loop(self, counts, event, state, prime, noise, temperatures, condition):
        """Loops over steps; where a sequence has a prime, the prime's event replaces the drawn one.

        `counts`: the step to begin at, the step to end at, the number of unended sequences at which the loop ends early, and
        then the length of each prime. `prime` is None if all are empty.
        Returns (events `(steps, B, D)`, the last event, [the step reached, then the end of each sequence], the state). Without
        `stop` the last event and the state are None, since no loop continues from them.
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
            # With float64 enabled in JAX a step may widen dtypes, but a loop must keep those of its start
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
