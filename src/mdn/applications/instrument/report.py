"""A page of what an instrument learnt, in one HTML file that needs no other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

import mdn
from mdn.applications.instrument.model import Instrument
from mdn.applications.instrument.pictures import lanes
from mdn.page import Page
from mdn.wording import counted

_PLAYED = 1000  # events at most
_SHOWN = 20.0  # seconds of them


def write_report(path, model: Instrument, parts, figures: Mapping[str, float], seed: int = 0) -> None:
    """Writes the page: a new performance and how the model goes on from what came before; NLL beside floors; likeness.

    Args:
        path: The path of the .html file.
        model: An instrument.
        parts: Performances by part; the longest of "test" is shown, none of which the model has learnt.
        figures: From `evaluate.figures`; what is missing is left out.
        seed: The seed of what the model plays.
    """
    page = Page("What the instrument learnt")
    longest = max(parts["test"], key=len)
    begin = _begin(longest)
    prime, went_on = longest[:begin], longest[begin : begin + _PLAYED]
    after, alone = model.play(len(went_on), 1, prime, seed=seed), model.play(len(went_on), 1, seed=seed)
    page.add(
        "A performance beside generated ones",
        "A line is a value over time: it holds its height until the value moves, and a dot marks each move. The first is from a "
        "recording that the model has never seen, at a place where it is as busy as it usually is; the second is how the model "
        "goes on from what came before that place; and the third is what it plays from nothing.\n\nIf it has learnt, you see the "
        "same kinds of moves, rests and speeds, and not the same moves.",
        lanes(
            [went_on, *after, *alone],
            ["recorded", "generated, after what came before", "generated, from nothing"],
            _SHOWN,
        ),
        "lanes of values over time",
    )
    nlls = [(name, f"{value:.3f}") for name, value in figures.items() if name.startswith("test NLL")]
    page.add(
        "How well it predicts",
        "The negative log-likelihood (NLL) of an event of new performances, given those before it, in nats: lower is better. The "
        "others are floors, models that know far less: one remembers nothing, and one the last two events. A model that does not "
        "beat both has learnt too little: record more, or train longer.",
        table=nlls,
    )
    rows = likeness(figures)
    if rows:
        page.add(
            "How much what it plays is like what was recorded",
            "0 is alike. The pattern gap is the largest difference between the shares of events in which just these values move; "
            "KS distances compare the times between events, and the sizes of moves. Performances differ among each other too, so "
            "beside each figure stands what real ones score: one half of the recordings against the other, and the first half of "
            "a new recording against its second.",
            table=[("", "generated", "real ones"), *rows],
        )
    events = sum(map(len, parts["train"]))
    learnt = f"{counted(len(parts['train']), 'performance')}, {counted(events, 'event', form=',')}"
    page.write(path, f"Written by `mdn train instrument`, mdn {mdn.__version__}, seed {seed}; learnt from {learnt}.")


def _begin(performance: np.ndarray) -> int:
    """The place within the middle half of a performance after which as many events as usual are shown."""
    time, quarter = np.cumsum(performance[:, 0]), len(performance) // 4
    first = min(max(1, quarter), len(performance) - 1)
    places = np.arange(first, max(first + 1, len(performance) - quarter))
    counts = np.searchsorted(time, time[places] + _SHOWN) - places
    return int(places[np.argsort(counts, kind="stable")[len(places) // 2]])


def likeness(figures: Mapping[str, float]) -> list[tuple[str, str, str]]:
    """Rows of (name, generated, real), for each figure of likeness.

    Args:
        figures: From `evaluate.figures`.
    """
    rows = []
    for name, value in figures.items():
        beside = name + (", real" if name.endswith(", after a prime") else ", real halves")
        if beside in figures:
            rows.append((name, f"{value:.3f}", f"{figures[beside]:.3f}"))
    return rows
