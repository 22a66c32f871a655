"""Instrument: a network that plays N values over time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from keras import ops

import mdn
from mdn.applications.instrument.events import (
    LONGEST,
    MOST,
    PATTERNS_UP_TO,
    PIECE,
    SHORTEST,
    as_code,
    as_events,
    as_moved,
    as_performance,
)
from mdn.applications.instrument.midi import CONTROLLERS
from mdn.distributions.spec import serializable
from mdn.models import load_as, save_plain
from mdn.sequences import MDNRNN

SHIPPED = Path(__file__).parent / "instrument.keras"
RECALLED_EVERY, RECALLED_OWN = 25, 5
"""After a prime: how many events are drawn until it is read again, and how many of them the network reads after it."""
_LOG_SHORTEST, _LOG_LONGEST = float(np.log(SHORTEST)), float(np.log(LONGEST))


@serializable
class Instrument(MDNRNN):
    r"""Events of N values in [0, 1]: which of them moved, how far, and when.

    Most values stay where they are at most events, and a mixture of normals has no such spike. So the density of an event is

    .. math:: P(m)\, p(\Delta_m)\, p(\log dt),

    with m the set of values that moved, :math:`\Delta_m` how far these moved, the exact marginal of a mixture over all N, and dt
    the seconds since the event before. `as_events` turns a performance into events.

    Args:
        steps: How many steps each value has from 0 to 1, such as 127; see `grid`.
        units: The units of each recurrent layer.
        components: K, of each of the two mixtures.
        dropout: Share of each layer's outputs left out in training.
        **settings: Of `MDNRNN`, except `positions`: the network always reads where the values are.

    Raises:
        ValueError: if `steps` are not 1 to 16 whole numbers of at least 1.
    """

    def __init__(
        self,
        steps: Sequence[int],
        units: Sequence[int] = (128, 128),
        components: int = 16,
        dropout: float = 0.1,
        **settings,
    ):
        self.steps, self.components = [int(each) for each in steps], components
        self.size = len(self.steps)
        if not 1 <= self.size <= MOST or min(self.steps) < 1:
            raise ValueError(f"`steps` must be 1 to {MOST} whole numbers of at least 1, one a value, but {steps} came.")
        moved = mdn.CategoricalSpec(2**self.size) if self.size <= PATTERNS_UP_TO else mdn.BernoulliSpec(self.size)
        spec = mdn.JointSpec(
            moved=moved,
            value=mdn.MixtureSpec(mdn.NormalSpec(self.size), components),
            dt=mdn.MixtureSpec(mdn.NormalSpec(1), components),
        )
        first = moved.target_size
        positions = range(first, first + self.size)
        super().__init__(
            spec, units, dropout=dropout, positions=positions, **{"name": "instrument", "lags": 0, **settings}
        )

    # ---- how events are read and drawn --------------------------------------------------------------------------------

    def unroll(self, events, state, conditions=(), training=None):
        """As `Network.unroll`, of events as `read` returns them.

        Args:
            events: The events before each step, `(B, T, moved + N + 1)`, NaN where there is none.
            state, conditions, training: As there.
        """
        return super().unroll(self.read(events), state, conditions, training)

    def step(self, event, state, conditions=()):
        """As `Network.step`, of an event as `read` returns it.

        Args:
            event: `(B, moved + N + 1)`, NaN where there is none.
            state, conditions: As there.
        """
        return super().step(self.read(event), state, conditions)

    def read(self, events):
        """Events as the layers see them: moves in whole steps, NaN where a value did not move.

        Without it, the noise that spreads values over their steps would add up in the places that the network reads.
        """
        events = ops.convert_to_tensor(events)
        moved = as_moved(events, self.size, ops.concatenate)
        moves = ops.round(events[..., -1 - self.size : -1] * self._scale) / self._scale
        parts = [events[..., : -1 - self.size], ops.where(moved, moves, np.nan), events[..., -1:]]
        return ops.concatenate(parts, axis=-1)

    def playable(self, event, place):
        """A drawn event, as an instrument can play it: values on their grid and within [0, 1], times within their bounds.

        A value that moved moves by one step at least, one that did not by 0. A move over an edge is folded back, as a ball
        bounces: clipping would heap values at the edges.

        Args:
            event: `(B, moved + N + 1)`.
            place: The values before it, `(B, N)`.
        """
        moves, scale = event[..., -1 - self.size : -1], self._scale
        there = ops.mod(place + moves, 2.0)
        before, after = ops.round(place * scale), ops.round(ops.minimum(there, 2.0 - there) * scale)
        onward = ops.where(moves < 0.0, before - 1.0, before + 1.0)
        onward = ops.where(ops.logical_or(onward < 0.0, onward > scale), 2.0 * before - onward, onward)
        after = ops.where(after == before, onward, after)
        moves = ops.where(as_moved(event, self.size, ops.concatenate), (after - before) / scale, 0.0)
        time = ops.clip(event[..., -1:], _LOG_SHORTEST, _LOG_LONGEST)
        return ops.concatenate([event[..., : -1 - self.size], moves, time], axis=-1)

    # ---- one step in a file of its own: see `mdn.exporting.step.Played` ------------------------------------------------

    def played_columns(self) -> list[dict]:
        """What is played: dt and N values, between which numbers each lies, and as what `write_midi` writes it."""
        values = [
            {
                "part": "value",
                "index": i,
                "low": 0.0,
                "high": 1.0,
                "steps": steps,
                "midi": ["control_change", 1, controller],
            }
            for i, (steps, controller) in enumerate(zip(self.steps, CONTROLLERS, strict=False))
        ]
        return [{"part": "dt", "unit": "seconds", "low": SHORTEST, "high": LONGEST}, *values]

    def heard(self, played, place, first):
        """The event that dt and values are, as `as_events` makes it.

        Args:
            played: `(B, 1 + N)`: dt, and the values.
            place: The values before, `(B, N)`.
            first: Where nothing was played before, `(B, 1)`: there all values have moved.
        """
        values = ops.clip(played[:, 1:], 0.0, 1.0)
        moves = ops.round(values * self._scale) - ops.round(place * self._scale)
        moved = ops.logical_or(first, ops.not_equal(moves, 0.0))
        time = ops.log(ops.clip(played[:, :1], SHORTEST, LONGEST))
        return ops.concatenate([as_code(ops.cast(moved, "float32"), ops.matmul), moves / self._scale, time], axis=-1)

    def sounded(self, event, place, values):
        """dt and values `(B, 1 + N)` of a drawn event, as `as_performance` makes them.

        Args:
            event: `(B, moved + N + 1)`, from `playable`.
            place: The values before it on their grid, `(B, N)`.
            values: The values before it as they were played, which stay where the event does not move them.
        """
        moves = event[:, -1 - self.size : -1]
        there = (ops.round(place * self._scale) + ops.round(moves * self._scale)) / self._scale
        return ops.concatenate(
            [ops.exp(event[:, -1:]), ops.where(moves == 0.0, ops.clip(values, 0.0, 1.0), there)], axis=-1
        )

    @property
    def _scale(self):
        return ops.convert_to_tensor(np.array(self.steps, "float32"))

    # ---- performances ------------------------------------------------------------------------------------------------

    def events(self, performances, seed: int | None = None) -> list[np.ndarray]:
        """The events of performances, as `as_events` makes them, on the grid of this model.

        Args:
            performances: Arrays `(T, 1 + N)`.
            seed: Spreads values over their steps; None leaves them on the grid.
        """
        rng = None if seed is None else np.random.default_rng(seed)
        return [as_events(one, self.steps, rng) for one in performances]

    def play(self, steps: int = 500, count: int = 1, prime=None, recall: bool = True, **settings) -> list[np.ndarray]:
        """Performances `(steps, 1 + N)`, from nothing or after others.

        Left to itself, the network leaves the manner of a prime within some 50 events, because it reads what it drew, and goes
        over to that of the average recording. So it reads the prime again every `RECALLED_EVERY` events, and after it the last
        `RECALLED_OWN` of its own.

        Args:
            steps: How many events each has.
            count: How many performances.
            prime: A performance that came before, or a list of `count` of them.
            recall: Whether the network reads the prime (its last `PIECE` events) again and again, or only once.
            **settings: `component_temperature`, `variance_temperature`, `seed`, as in `MDNRNN.generate`.

        Raises:
            ValueError: if `prime` holds another number of performances, or an empty one; and as `MDNRNN.generate`.
        """
        primes = [prime] * count if isinstance(prime, np.ndarray) else prime
        if primes is None:
            made = self.generate(steps, count, constrain=self.playable, **settings)
            return [as_performance(one, self.steps) for one in made]
        if len(primes) != count or not all(map(len, primes)):
            raise ValueError(
                f"`prime` must be a performance of at least one event, or a list of `count`={count} of them, but performances of "
                f"{', '.join(str(len(one)) for one in primes) or 'no'} events came."
            )
        if not recall:
            return self._after(primes, steps, **settings)
        primes = [np.asarray(one)[-PIECE:] for one in primes]
        chunks = range(0, max(steps, 1), RECALLED_EVERY)  # at least one, so that `generate` refuses 0 steps
        made = [one[:0] for one in primes]
        for begin, seed in zip(chunks, _seeds(settings.pop("seed", None), len(chunks)), strict=True):
            read = [np.concatenate([one, own[-RECALLED_OWN:]]) for one, own in zip(primes, made, strict=True)]
            new = self._after(read, min(RECALLED_EVERY, steps - begin), seed=seed, **settings)
            made = [np.concatenate(both) for both in zip(made, new, strict=True)]
        return made

    def _after(self, primes, steps: int, **settings) -> list[np.ndarray]:
        made = self.generate(steps, len(primes), self.events(primes), constrain=self.playable, **settings)
        return [as_performance(one, self.steps, prime[-1, 1:]) for one, prime in zip(made, primes, strict=True)]

    # ---- files -------------------------------------------------------------------------------------------------------

    def get_config(self):
        """What `from_config` needs."""
        base = super().get_config()
        kept = ("units", "cell", "dropout", "skip", "recurrent_dropout", "lags", "adapted", "name")
        return {name: base[name] for name in kept} | {"steps": self.steps, "components": self.components}


def _seeds(seed: int | None, count: int) -> list[int | None]:
    """Seeds of `count` draws; those of a longer play begin with those of a shorter one."""
    return [None] * count if seed is None else np.random.SeedSequence(seed).generate_state(count).tolist()


def load(path=SHIPPED) -> Instrument:
    """Opens a file of `mdn train instrument`; by default the weights that come with this package.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds another model.
    """
    return load_as(path, lambda model: isinstance(model, Instrument), "model of an instrument", "mdn train instrument")


def save(model: Instrument, path) -> None:
    """Writes a model without the state of training; an older file at `path` stays until the new one is complete.

    Args:
        model: The model.
        path: The path of the file.
    """
    save_plain(model, path)
