"""How figures are written, and what is said of scores, on the page and on the screen alike."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from mdn.tabular.circular import Circle
from mdn.tabular.scores import Scores
from mdn.wording import counted

if TYPE_CHECKING:
    from mdn.tabular.conformal import Calibration
    from mdn.tabular.outcome import Outcome

_DIGITS = 4
_SMALL, _LARGE, _WHOLE = 1e-4, 1e7, 1e15
_MOST_NAMED = 10  # columns that a sentence names
_MOST_NOTES = 5  # files whose notes are shown
_MOSTLY = 0.5  # a smaller share of equal rows comes about by chance, in tables of few categories


INDICATED = "The median of training stands for each missing value, and a further input says that it is missing."


def plain(value: float) -> str:
    """A number with four digits or more, and without an exponent between 0.0001 and 10,000,000: 22510.3 is 22510.

    Whole numbers have all their digits up to 15.
    """
    value = float(value)
    size = abs(value)
    if size < _WHOLE and value.is_integer():
        return str(int(value))
    if not math.isfinite(size) or size == 0.0 or not _SMALL <= size < _LARGE:
        return f"{value:.{_DIGITS}g}"
    places = max(0, _DIGITS - 1 - math.floor(math.log10(size)))
    written = f"{value:.{places}f}"
    return written.rstrip("0").rstrip(".") if places else written


def rounding(written: str) -> float:
    """By how much a number may differ from what `plain` has written of it."""
    size = abs(float(written))
    exponent = not _SMALL <= size < _LARGE
    if size == 0.0 or not math.isfinite(size) or (size >= _LARGE and "e" not in written):
        return 0.0  # written in full
    places = _DIGITS - 1 - math.floor(math.log10(size))
    return 0.5 * 10.0 ** -(places if exponent else max(0, places))


def share(value: float) -> str:
    """A share in per cent: "12 %", or "0.3 %" where it is small."""
    return f"{100.0 * value:.0f} %" if value >= 0.0995 or value == 0.0 else f"{100.0 * value:.1f} %"


def codes(names: Sequence[str], keep: str) -> str:
    """What becomes of columns of numbers that may be codes; `keep` says how they are kept as numbers."""
    return f"cells of {', '.join(map(repr, names))} begin with 0 or +, so they are taken for categories; {keep}"


def notes(of_files: Mapping[str, str]) -> list[str]:
    """What the reader had to guess of several files, by their names: a few sentences."""
    shown = list(of_files.values())
    more = len(shown) - _MOST_NOTES
    return shown if more <= 0 else [*shown[:_MOST_NOTES], f"Such notes on {counted(more, 'more file')} are not shown."]


def numbering(keep: str) -> str:
    """What becomes of a first column that only numbers the rows; `keep` says how it is kept."""
    return f"the first column has no name and only numbers the rows, so it is left out; {keep}"


def missing(counts: dict[str, int], rows: int) -> str:
    """How many values of numbers and dates are missing, and what is done about it; "" if none is.

    Args:
        counts: How many of each column are missing.
        rows: How many rows there are.
    """
    lacking = {name: count for name, count in counts.items() if count}
    if not lacking:
        return ""
    shown = [f"{count} of {name!r} ({share(count / rows)})" for name, count in [*lacking.items()][:_MOST_NAMED]]
    more = f" and of {counted(len(lacking) - _MOST_NAMED, 'more column')}" if len(lacking) > _MOST_NAMED else ""
    return f"Missing: {', '.join(shown)}{more}. {INDICATED}"


def calibrated(calibration: Calibration) -> str:
    """What the calibration of a model promises."""
    rows = calibration.rows
    counts = counted(rows[0], "row")
    if len(set(rows)) > 1:
        counts = f"{', '.join(f'{count} ({name})' for name, count in zip(calibration.names, rows, strict=True))} rows"
    if calibration.groups:
        of = "" if calibration.column is None else f" of {calibration.column!r}"
        counts += f", each of {counted(len(calibration.groups), 'group')}{of} by itself"
    miss = 2.0 * math.sqrt(0.09 / (min(rows) + 2))
    return (
        f"Intervals are calibrated on {counts}: on average over such calibrations each holds a new target at least as "
        "often as it says, if new rows come from the same source as these; by chance, the 90 % interval of one calibration may "
        f"hold {100.0 * miss:.0f} points less. Densities, probabilities of thresholds, NLL and CRPS are those of the network, "
        "which the calibration does not change."
    )


def taken_for(name: str, outcome: Outcome) -> str:
    """What a target was taken for, where it is not any number.

    Args:
        name: The name of the target.
        outcome: What it was taken for.
    """
    if isinstance(outcome, Circle):
        first, last = plain(outcome.low), plain(outcome.low + outcome.period)
        return (
            f"{name} lies on a circle of {plain(outcome.period)}, from {first} to {last}, which are one and the same: errors are "
            "measured the short way round, an interval may pass the end of the range, and models without features are von Mises "
            "in place of Gaussians."
        )
    low, high = outcome.bijection.support
    if outcome.counted:
        what, ends = ("count", "from 0")
        if math.isfinite(high):
            what, ends = "mark", f"from {low + 0.5:g} to {high - 0.5:g}"
        return (
            f"{name} is a {what}: each whole number {ends} has a probability, quantiles are whole numbers, and the NLL is minus "
            f"the log of the probability of the {what}."
        )
    text = ""
    if math.isfinite(high):
        text = f"{name} lies between {plain(low)} and {plain(high)}: no interval leaves these bounds. "
    elif math.isfinite(low):
        text = f"{name} is never below {plain(low)}, and no interval goes below. "
    spikes = [
        f"{plain(atom)} ({share(part)} of the rows)" for atom, part in zip(outcome.atoms, outcome.shares, strict=True)
    ]
    if spikes:
        text += (
            f"{name} is often exactly {' or '.join(spikes)}: this has a probability of its own, and all other values a density. "
            "The NLL adds both parts: whether it is such a value, and which density the others had."
        )
    return text.strip()


def rounded(name: str, step: float) -> str:
    """What becomes of a rounded target."""
    return (
        f"{name} lies on a grid of {step:g}: each value stands for its cell, the NLL is that of the mean density there, and "
        "quantiles and intervals end on the grid."
    )


def nlls(scores: Scores) -> list[tuple[str, float]]:
    """The NLL of a model, its two parts if it has them, and those of models without features, each with its name."""
    found = [
        ("this model", scores.nll),
        ("of it: whether it is one of the frequent values", scores.which_nll),
        ("of it: the density of all others", scores.density_nll),
        ("least squares, normal errors", scores.line_nll),
        ("one mixture, no features", scores.mixture_nll),
        (f"one {scores.without_features}, no features", scores.gaussian_nll),
    ]
    return [(name, nll) for name, nll in found if math.isfinite(nll)]


def skill(scores: Scores) -> str:
    """What the features tell, and whether so few rows can show it; "" for a single row, and without a baseline."""
    if not math.isfinite(scores.skill + scores.skill_error):
        return ""
    if abs(scores.skill) < 2.0 * scores.skill_error:
        return (
            f"These rows show no difference between this model and one without features: {scores.skill:.2f} nats a row, with a "
            f"standard error of {scores.skill_error:.2f}."
        )
    if scores.skill < 0.0:
        return (
            f"The features do not help: a model without them is better by {-scores.skill:.2f} ± {scores.skill_error:.2f} nats "
            "a row."
        )
    return (
        f"With the features a row's outcome is {scores.skill:.2f} ± {scores.skill_error:.2f} nats more likely than without them "
        f"({math.exp(min(scores.skill, 50.0)):.3g} times, on the geometric mean)."
    )


def beyond_line(scores: Scores) -> str:
    """Whether a model is better than least squares on the same columns; "" for a single row, and without this baseline."""
    better = scores.line_nll - scores.nll
    if not math.isfinite(better + scores.line_error):
        return ""
    line = "least squares with normal errors on the same columns"
    if abs(better) < 2.0 * scores.line_error:
        return (
            f"These rows show no difference between this model and {line}: {better:.2f} nats a row, with a standard error of "
            f"{scores.line_error:.2f}."
        )
    by = f"by {abs(better):.2f} ± {scores.line_error:.2f} nats a row"
    if better < 0.0:
        return f"This model is worse than {line} {by}: a straight line says more of these rows."
    return f"This model is better than {line} {by}."


def rows_judged(rows: int, seen: float | None) -> str:
    """What is known of the rows of a report.

    Args:
        rows: How many.
        seen: The share of them that are equal to rows of training; None if it is not known.
    """
    if seen is None:
        return f"{counted(rows, 'row')} handed to the report."
    if seen == 0.0:
        return f"{counted(rows, 'row')} that training has not seen."
    equal = "all of them are" if seen > 0.995 else f"about {share(seen)} of them are"
    if seen < _MOSTLY:
        return f"{counted(rows, 'row')}; {equal} equal to rows of training."
    return (
        f"{counted(rows, 'row')} handed to the report, but {equal} equal to rows of training: the figures flatter the model. "
        "Judge it by rows that it has not seen."
    )
