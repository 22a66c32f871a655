"""Voice: one player, live; it hears events and answers, one at a time."""

from __future__ import annotations

import numpy as np

from mdn.applications.instrument.events import as_events, as_performance
from mdn.applications.instrument.model import Instrument
from mdn.wording import counted


class Voice:
    """One player: hears events and answers, one at a time.

    Args:
        model: An instrument, from `load` or `train`.
        component_temperature: Above 1 bolder choices, below 1 safer ones. IMPSY calls it pitemp.
        variance_temperature: Below 1 neater, above 1 wilder. IMPSY calls it sigmatemp, and plays at 0.01.
        seed: Same seed, same answers; None for fresh ones.

    Attributes:
        size: N, how many values an event has.
        component_temperature, variance_temperature: The arguments; they may be set at any time.
    """

    def __init__(
        self,
        model: Instrument,
        *,
        component_temperature: float = 1.0,
        variance_temperature: float = 1.0,
        seed: int | None = None,
    ):
        self.size, self._steps = model.size, np.array(model.steps)
        self.component_temperature, self.variance_temperature = component_temperature, variance_temperature
        self._stream = model.stream(constrain=model.playable, seed=seed)
        self._step()  # compiles: a first answer must not wait for it
        self.reset()

    def reset(self) -> None:
        """Forgets all that was played; the values go back to 0."""
        self._stream.reset()
        self._values, self._begun = np.zeros(self.size), False
        self._next: np.ndarray | None = None  # the event after all that happened, if it was drawn already
        self._foreseen: tuple[float, np.ndarray] | None = None  # the same as dt and values

    def hear(self, dt: float, values) -> None:
        """Takes an event as having happened.

        Args:
            dt: Seconds since the last event, heard or answered.
            values: N numbers; they are held to [0, 1].

        Raises:
            ValueError: if there are not N finite values.
        """
        values = np.asarray(values, "float64")
        if values.shape != (self.size,) or not np.isfinite(values).all() or not np.isfinite(dt):
            raise ValueError(
                f"an event must be a finite time and {counted(self.size, 'finite value')}, but {dt} and {values.tolist()} came."
            )
        if self._begun and self._next is None:
            self._step()  # the event that it took was not read yet
        values = np.minimum(np.maximum(values, 0.0), 1.0)
        (event,) = as_events([[dt, *values]], self._steps, before=self._values if self._begun else None)
        event[np.isnan(event)] = 0.0
        self._next, self._foreseen, self._values, self._begun = self._step(event), None, values, True

    def foresee(self) -> tuple[float, np.ndarray]:
        """The event that follows, as (seconds after the last event, the N values); it happens only if `take` says so."""
        if self._foreseen is None:
            if self._next is None:
                self._next = self._step()
            ((dt, *values),) = as_performance(self._next[None], self._steps, self._values)
            stays = self._next[-1 - self.size : -1] == 0.0
            self._foreseen = float(dt), np.where(stays, self._values, values)
        dt, values = self._foreseen
        return dt, values.copy()

    def take(self) -> None:
        """Takes the event of `foresee` as having happened."""
        _, self._values = self.foresee()
        self._next, self._foreseen, self._begun = None, None, True

    def answer(self) -> tuple[float, np.ndarray]:
        """The next event, which counts as having happened: `foresee` and `take` in one."""
        found = self.foresee()
        self.take()
        return found

    def _step(self, event=None) -> np.ndarray:
        return self._stream.step(
            event, component_temperature=self.component_temperature, variance_temperature=self.variance_temperature
        )
