"""The times of recordings in seconds: columns that tell them, and checks, since no other number of an event can show it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

TIMES = {"time": 1.0, "timestamp": 1.0, "time_ms": 1e-3}  # columns of tables, and how many seconds 1 is there
STEPS = {"dt": 1.0, "dt_ms": 1e-3}  # the same of the time since the event before
_WORTH_JUDGING = 8  # events: so many dt rise throughout by chance once in 40,000 performances


def check_seconds(whose: str, steps: Sequence[np.ndarray], longest: float) -> None:
    """Raises a ValueError if half of many seconds between events are longer than anybody plays.

    Args:
        whose: The file, for the message.
        steps: The dt of each performance, of which the first counts for nothing.
        longest: The largest median that a recording may have.
    """
    between = np.concatenate([np.empty(0), *(one[1:] for one in steps)])
    if len(between) >= _WORTH_JUDGING and (middle := float(np.median(between))) > longest:
        raise ValueError(
            f"{whose}: half of its events come {middle:g} seconds or more after the one before. Are these milliseconds? "
            "Divide times by 1000."
        )


def check_differences(whose: str, steps: Sequence[np.ndarray]) -> None:
    """Raises a ValueError if `dt` rises throughout every long performance, as a clock does.

    Args:
        whose: The file, for the message.
        steps: The dt of each performance.
    """
    long = [one for one in steps if len(one) >= _WORTH_JUDGING]
    if long and all(_rises(one) for one in long):
        raise ValueError(
            f"{whose}: its dt rise throughout, so they are times, but dt is the seconds since the event before: take "
            "differences, such as numpy.diff(time, prepend=time[0])."
        )


def _rises(times: np.ndarray) -> bool:
    """Whether times never fall, and rise at half of the events: several may be of one moment, but dt may be even."""
    return bool(np.all(np.diff(times) >= 0.0) and np.mean(np.diff(times) > 0.0) >= 0.5)
