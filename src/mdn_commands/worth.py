"""What a training was worth, in sentences: its best epoch, its figures beside their floors, and what to do next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

_EARLY, _LATE = (
    0.5,
    0.95,
)  # shares of the epochs: before the first the network learnt by heart, after the other it was not done
_ENOUGH = 10  # epochs, without which a rise says little
_RISE = 0.02  # nats by which the last quarter of the epochs must be worse than the best one


def of_epochs(scores: Sequence[float]) -> list[str]:
    """What the held-out NLL of each epoch says of the training; nothing if there are fewer than two.

    Args:
        scores: The NLL of what chooses the epoch, after each epoch; what is not finite chooses nothing.
    """
    best, count = _best(scores), len(scores)
    if count < 2 or not best:
        return []
    after = ""
    if _by_heart(scores):
        after = (
            f" After it the network learnt its data by heart, and the NLL rose to {scores[-1]:.3f}: more data help, or a smaller "
            "network; more epochs do not."
        )
    elif best > _LATE * count:
        after = " It was among the last, so a longer training may do better: --epochs takes a larger number."
    return [
        f"Epoch {best} of {count} was the best on what chooses the epoch, with an NLL of {scores[best - 1]:.3f}.{after}"
    ]


def _best(scores: Sequence[float]) -> int:
    """The number of the best epoch, from 1; 0 if no score is finite."""
    return min((i for i in range(len(scores)) if math.isfinite(scores[i])), key=scores.__getitem__, default=-1) + 1


def _by_heart(scores: Sequence[float]) -> bool:
    """Whether the NLL was best early, rose by more than its noise, and stayed there."""
    best, count = _best(scores), len(scores)
    if count < _ENOUGH or not 0 < best <= _EARLY * count:
        return False
    return min(scores[-(count // 4) :]) > scores[best - 1] + _RISE


def beaten(figures: Mapping[str, float], floors: Mapping[str, Sequence[str]], higher_is_better: bool) -> list[str]:
    """A sentence for each figure that beats all of its floors, about the nearest one of these."""
    choose, side = (max, "higher") if higher_is_better else (min, "lower")
    found = []
    for name, known in _compared(figures, floors):
        nearest = choose(known, key=figures.__getitem__)
        if _beats(figures[name], figures[nearest], higher_is_better):
            found.append(
                f"The model beats its floor, a model that knows far less: {name!r} is {figures[name]:.3f}, {nearest!r} is "
                f"{figures[nearest]:.3f}, and {side} is better."
            )
    return found


def lost(
    figures: Mapping[str, float],
    floors: Mapping[str, Sequence[str]],
    higher_is_better: bool,
    scores: Sequence[float] = (),
) -> list[str]:
    """A warning for each floor that was not beaten; NaN beats nothing.

    Args:
        figures: By name.
        floors: For each figure, the names of those that it must beat.
        higher_is_better: Whether a higher figure beats a lower one.
        scores: As in `of_epochs`.
    """
    side = "higher" if higher_is_better else "lower"
    then = "Train on more data, or a smaller network." if _by_heart(scores) else "Train it longer, or on more data."
    return [
        f"this model does not beat a floor, so it has learnt too little to be of use: {name!r} is {figures[name]:.3f}, "
        f"{floor!r} is {figures[floor]:.3f}, and {side} is better. {then}"
        for name, known in _compared(figures, floors)
        for floor in known
        if not _beats(figures[name], figures[floor], higher_is_better)
    ]


def _beats(figure: float, floor: float, higher_is_better: bool) -> bool:
    return figure > floor if higher_is_better else figure < floor


def _compared(figures: Mapping[str, float], floors: Mapping[str, Sequence[str]]) -> list[tuple[str, list[str]]]:
    """Figures and their floors, those that were measured."""
    pairs = [
        (name, [floor for floor in known if floor in figures]) for name, known in floors.items() if name in figures
    ]
    return [(name, known) for name, known in pairs if known]
