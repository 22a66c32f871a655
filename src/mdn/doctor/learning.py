"""Rules about what was learnt: nothing of the features, rows by heart, too few rows, or the rounding of targets."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import special, stats

from mdn.doctor.diagnosis import Finding
from mdn.doctor.evidence import Evidence
from mdn.doctor.significance import ENOUGH_ROWS, difference_p, explained, holm, mean_p, significant
from mdn.tabular import targets
from mdn.tabular.wording import plain, share
from mdn.wording import agreed, counted

_PAIRS = 32  # with features of so many other rows each row is answered
_UNSURE = 0.05  # the p-value above which a note says that rows show no sign that features help
_USED = 0.1  # of what one column tells
_WORSE = 0.05  # nats a row
_GAP = 0.2  # nats a row
_COST = 0.1  # nats a row that it costs to estimate the simplest model
_STOPPING = 0.2  # nats: the standard error of the mean NLL of the rows that stop the training
_NLL_DEVIATION = math.sqrt(0.5)  # the standard deviation of the NLL of one normal target
_SPIKES = 0.05  # nats a row
_ASIDE = 0.1  # of the spread of the targets: no needle of a repeated value reaches so far
_COARSE = 0.1  # of the predicted standard deviation


def ignored_features(
    evidence: Evidence, left_out: np.ndarray, narrow: bool = False
) -> tuple[list[Finding], list[Finding]]:
    """(findings, notes) about the gain over answers with the features of other rows, whose mixture is the model without them.

    The gain is the mean of log p(y | x) - log of the mean over other rows of p(y | x'), with its standard error. It is a
    finding if a column explains the PIT significantly (von Neumann's ratio; of a normal this is worth -log(1 - R²) / 2) and the
    gain is less than a tenth of that, or if the gain is below 0 significantly and by 0.05 nats. If it is only not above 0 at
    the level of 5 %, this is a note: features that tell nothing are no fault of a model.

    Args:
        evidence: The evidence.
        left_out: Rows that are outliers, booleans `(N,)`.
        narrow: Whether scales are too narrow. The model without features is wider, and so has a gain that features do not lose:
            if targets follow the predicted means, they mislead nobody.
    """
    if len(evidence.few) < ENOUGH_ROWS:
        return [], []
    rng = np.random.default_rng(1)
    own = evidence.nll[evidence.few]
    others = -np.stack([evidence.exchanged(rng.permutation(len(own)), None) for _ in range(_PAIRS)])
    gain = (special.logsumexp(others, axis=0) - math.log(_PAIRS)) + own
    gain = -gain[~left_out[evidence.few] & np.isfinite(gain)]
    if len(gain) < ENOUGH_ROWS:
        return [], []
    mean, error = float(np.mean(gain)), float(np.std(gain, ddof=1)) / math.sqrt(len(gain))
    what = "the events before" if any(column.past for column in evidence.columns) else "the features"
    figures = {"gain": mean, "standard error": error}
    said = f"{mean:.3f} ± {error:.3f} nats a row"
    if significant(mean_p(-gain)) and mean <= -_WORSE:
        if narrow and _followed(evidence):
            return [], []
        misled = Finding(
            "misled by the features",
            f"With {what} the outcomes are less likely than with those of other rows: the gain is {said}.",
            figures,
            "The model learnt its rows of training by heart, or these rows are of another kind. Stop by held-out rows, use "
            "fewer units or more rows, and compare the sources.",
            weight=-mean,
        )
        return [misled], []
    name, part = _told_by(evidence)
    untold = -0.5 * math.log1p(-part)
    if name and mean < _USED * untold:
        ignored = Finding(
            f"ignores {what}",
            f"The mixture does not use {what} to any effect: the gain over answers with those of other rows is {said}. Yet "
            f"{name} tells of the targets: it explains {part:.0%} of what the model leaves open.",
            {**figures, "explained": part},
            "Train for longer or with a higher rate; scale the features (Normalization().adapt(x)); see that x and y are of "
            "the same rows, in the same order.",
            weight=untold,
        )
        return [ignored], []
    if mean_p(gain) <= _UNSURE:
        return [], []
    unseen = Finding(
        f"no gain from {what}",
        f"It is not seen that {what} make outcomes likelier: the gain over answers with those of other rows is {said}. A right "
        "model of features that tell little looks the same.",
        figures,
        f"If {what} should tell of the target, see that x and y are of the same rows, in the same order.",
    )
    return [], [unseen]


def _followed(evidence: Evidence) -> bool:
    """Whether a target rises with its predicted mean, by a rank correlation."""
    for y, center in zip(evidence.targets[evidence.few].T, evidence.center.T, strict=True):
        known = np.isfinite(y) & np.isfinite(center)
        if np.sum(known) < ENOUGH_ROWS or len(np.unique(center[known])) < 2:
            continue
        if significant(float(stats.spearmanr(y[known], center[known], alternative="greater").pvalue)):
            return True
    return False


def _told_by(evidence: Evidence) -> tuple[str, float]:
    """(the column that explains most of the PIT, the share that it explains); "" if none does."""
    pairs = [(column, d) for column in evidence.columns for d in range(evidence.z.shape[1])]
    found = [explained(evidence.z[:, d], column.values) for column, d in pairs]
    sure = holm([p for _, p in found])
    best = [(part, column.name) for (column, _), (part, _), one in zip(pairs, found, sure, strict=True) if one]
    part, name = max(best, default=(0.0, ""))
    return (f"{name!r}" if name else ""), part


def no_prediction(evidence: Evidence) -> Iterator[Finding]:
    """Rows for which the model predicts no distribution: an output is NaN or infinite. One such row is a finding."""
    count = len(evidence.unanswered)
    if count:
        total, (what, names) = len(evidence.targets), evidence.row_names
        yield Finding(
            "no prediction",
            f"For {count} of {counted(total, 'row')} the model predicts no distribution: its output is NaN or infinite, first "
            f"for {what}: {names[evidence.unanswered[0]]}. Nothing else that is said here is about "
            f"{agreed(count, 'this row', 'these rows')}.",
            {"rows": count, "share": count / total, "first": int(evidence.unanswered[0])},
            "Weights are NaN after a training that diverged: look at the loss of each epoch, lower the learning rate, clip the "
            "gradient and train again."
            if count == total
            else "Look whether a feature is missing (NaN) or infinite in these rows: fill it before the model, or begin the "
            "model with mdn.layers.FeatureScaling, which takes a missing value for the median.",
            weight=math.inf,
        )


def overfitting(evidence: Evidence, left_out: np.ndarray) -> Iterator[Finding]:
    """The mean NLL is higher than that of rows of training, by Welch's test and by 0.2 nats."""
    if evidence.training is None or len(evidence.training.nll) < ENOUGH_ROWS:
        return
    here = evidence.nll[~left_out & np.isfinite(evidence.nll)]
    there = evidence.training.nll
    gap = float(np.mean(here) - np.mean(there)) if len(here) else 0.0
    if len(here) >= 2 and significant(difference_p(here, there)) and gap >= _GAP:
        yield Finding(
            "overfitting",
            f"The NLL is {plain(np.mean(here))} here and {plain(np.mean(there))} in rows of training: {gap:.2f} nats a row "
            "were learnt by heart.",
            {"NLL here": float(np.mean(here)), "NLL in training": float(np.mean(there)), "gap": gap},
            "Stop by held-out rows, use fewer units or components, weight decay, noise on features or targets, several "
            "networks (ensemble_size=5), or more rows.",
            weight=gap,
        )


def too_few_rows(evidence: Evidence) -> Iterator[Finding]:
    """Too few rows to judge by (36), or to have learnt from.

    The simplest model, a normal with one slope of mean and of deviation for each column, has p numbers, and to estimate them
    from n rows costs p / (2 n) nats a row (Wilks 1938): 0.1 is too much. The rows that stop the training must tell their mean
    NLL to 0.2.
    """
    if evidence.rows + len(evidence.unanswered) < ENOUGH_ROWS:
        error = math.sqrt(0.09 / max(evidence.rows, 1))
        yield Finding(
            "too few rows",
            f"{counted(evidence.rows, 'row')} {agreed(evidence.rows, 'is', 'are')} too few to judge a model: the share that a "
            f"90 % interval holds is known to ± {error:.0%} (one standard error), and most of what this doctor looks for "
            f"needs {ENOUGH_ROWS} rows at least.",
            {"rows": evidence.rows, "standard error": error},
            "Give it more rows.",
            weight=_COST,
        )
    if evidence.training is None:
        return
    size, count = evidence.targets.shape[1], evidence.training.rows
    numbers = 2 * size * (1 + max(evidence.width, 1))
    cost = numbers / (2.0 * count)
    stopping = _NLL_DEVIATION / math.sqrt(evidence.training.held_out) if evidence.training.held_out else 0.0
    columns = f"with {counted(evidence.width, 'column')} " if evidence.width else ""
    if cost >= _COST or stopping >= _STOPPING:
        held = (
            f" The mean NLL of {counted(evidence.training.held_out, 'held-out row')}, by which the training stops, is known to "
            f"± {stopping:.2f}."
            if evidence.training.held_out
            else ""
        )
        yield Finding(
            "too few rows",
            f"The model learnt from about {counted(count, 'row')}: {columns}even the simplest model has {numbers} numbers, "
            f"which costs {cost:.2f} nats a row to estimate.{held}",
            {"rows of training": count, "cost": cost, "error of the held-out NLL": stopping},
            "Collect more rows. Until then use few columns, one or two components, and several networks (ensemble_size=5), and "
            "expect other rows to be worse.",
            weight=max(cost, 0.5 * stopping),
        )


def repeated_values(evidence: Evidence) -> tuple[list[Finding], list[Finding]]:
    """(findings, notes) about targets on a grid, and values that many rows have, where the model predicts a density.

    Under a density no two targets are equal. The rules for grids and atoms are those of `MDNRegressor`: half of the values are
    ties on one grid, or 3 % of the rows have one value. What the density gains from spikes is the mean of log p at the values
    less that half a step aside, with its standard error.
    """
    findings, notes = [], []
    for d, name in enumerate(evidence.names):
        values = evidence.targets[:, d]
        values = values[~np.isnan(values)]
        if len(values) < ENOUGH_ROWS or values.min() == values.max():
            continue
        step = float(targets.grid(values[:, None])[0])
        spikes = [(value, part) for value, part in targets.atoms(values) if value not in evidence.knows_atoms[d]]
        if step and evidence.knows_grid[d]:
            notes.append(
                Finding(
                    "rounded targets",
                    f"{name} lies on a grid of {plain(step)}, which the model knows: each value stands for its cell.",
                    {"step": step},
                    "",
                )
            )
        elif step:
            findings += _rounded(evidence, d, step, 1.0 - len(np.unique(values)) / len(values))
        elif spikes and not evidence.knows_grid[d]:
            findings += [_spiked(evidence, d, spikes)]
    return findings, notes


def _rounded(evidence: Evidence, d: int, step: float, ties: float) -> list[Finding]:
    gain, sure = _gain_of_spikes(evidence, d, step)
    deviation = float(np.nanmedian(evidence.spread[:, d])) if not np.isnan(evidence.spread[:, d]).all() else math.inf
    if not sure and step < _COARSE * deviation:
        return []
    spikes = f" Its spikes on these values are worth {gain:.2f} nats a row, and mean nothing." if sure else ""
    return [
        Finding(
            "rounded targets",
            f"{evidence.names[d]} lies on a grid of {plain(step)} ({share(ties)} of the values are ties), but the model "
            f"predicts a density, which can grow without bound on each value.{spikes}",
            {"step": step, "ties": ties, "gain of spikes": gain},
            "Use a model that knows the grid: MDNRegressor finds it by itself, and RoundedSpec(spec, step) does it in a "
            "network. Or spread each value over its cell before training.",
            weight=max(gain, 0.0) + min(1.0, (step / deviation) ** 2 / 24.0),
        )
    ]


def _spiked(evidence: Evidence, d: int, spikes: list[tuple[float, float]]) -> Finding:
    gain, sure = _gain_of_spikes(evidence, d, _ASIDE * float(evidence.scale_of_targets[d]))
    listed = ", ".join(f"{plain(value)} ({share(part)} of the rows)" for value, part in spikes)
    return Finding(
        "spikes on repeated values",
        f"{evidence.names[d]} is often exactly {listed}, but the model predicts a density, which can grow without bound there."
        + (f" Its spikes are worth {gain:.2f} nats a row, and mean nothing." if sure else ""),
        {"share": sum(part for _, part in spikes), "gain of spikes": gain},
        'Give these values a probability of their own: MDNRegressor(family="auto"), or SpikedSpec(spec, atoms) in a network.',
        weight=sum(part for _, part in spikes),
    )


def _gain_of_spikes(evidence: Evidence, d: int, step: float) -> tuple[float, bool]:
    """(the mean gain in nats, whether it is above 0 significantly and large enough).

    Two trapezoid rules estimate the same probability about each target, with knots at the target and a step aside, and with
    knots between them. For a smooth density they agree; a spike is seen by the first one only.
    """

    def density(aside: float) -> np.ndarray:
        moved = evidence.targets[evidence.few].copy()
        moved[:, d] += aside * step
        return -evidence.nll_at(moved)

    at = [density(0.0) + math.log(2.0), density(-1.0), density(1.0)]
    between = [density(-0.5) + math.log(2.0), density(0.5) + math.log(2.0)]
    gain = np.logaddexp.reduce(at) - np.logaddexp.reduce(between)
    gain = gain[np.isfinite(gain)]
    mean = float(np.mean(gain)) if len(gain) else 0.0
    return mean, significant(mean_p(gain)) and mean >= _SPIKES
