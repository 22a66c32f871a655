"""Checks of settings, targets and held-out rows; those of features stand in `features`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.utils.validation import _check_sample_weight, check_array

from mdn.distributions import Interval
from mdn.masks import unmasked
from mdn.numerics import is_whole
from mdn.tabular.frames import as_numbers, is_frame, selected, with_nan
from mdn.tabular.network import MOST_BINS
from mdn.wording import agreed, counted


def held_out(regressor, validation_data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(features, targets, weights of mean 1) of `(X, y)` or `(X, y, sample_weight)`, without rows of weight 0.

    Raises:
        ValueError: if it is something else, or no row has a target and a weight.
    """
    if not isinstance(validation_data, tuple | list) or len(validation_data) not in (2, 3):
        what = (
            counted(len(validation_data), "value")
            if hasattr(validation_data, "__len__")
            else type(validation_data).__name__
        )
        raise ValueError(f"`validation_data` must be (X, y) or (X, y, sample_weight), but {what} came.")
    x = np.asarray(regressor._features(validation_data[0]))
    y = regressor._checked_targets(validation_data[1])
    y = np.tile(y, 2) if regressor.censoring and y.shape[1] == 1 else y
    check_rows_of_targets(y, len(x))
    weight = validation_data[2] if len(validation_data) == 3 else None
    weight = weights(weight, x)
    known = ~np.isnan(y).all(axis=1) & (weight > 0.0)
    if not known.any():
        raise ValueError("`validation_data` must have a row with a target and a weight above 0, but has none.")
    return x[known], y[known], weight[known] / np.mean(weight[known])


def weights(sample_weight, x) -> np.ndarray:
    """The weight of each row of `x`, at least 0, float64 `(N,)`; 1 where none came.

    Raises:
        ValueError: if they do not fit the rows, or are masked, NaN or below 0.
    """
    return _check_sample_weight(unmasked(sample_weight), x, dtype="float64", ensure_non_negative=True)


def learn_targets(regressor, y, names: Sequence[str] = ()) -> np.ndarray:
    """Targets for training, checked, `(N, D)` float64, or bounds `(N, 2)` of censored ones.

    Sets `n_targets_` and `target_names_`.

    Args:
        regressor: An `MDNRegressor`.
        y: Targets, as in `fit`.
        names: Their names, if `y` has none.

    Raises:
        ValueError: if there is none, if it has another shape, or holds infinite numbers, text or dates.
    """
    if y is None:
        raise ValueError(
            f"{type(regressor).__name__} requires y to be passed, but the target y is None: fit(X, y) learns y from X."
        )
    censoring, names = regressor.censoring, list(names) or target_names(y)
    if isinstance(y, Interval):
        if censoring != "interval":
            raise ValueError(f'an Interval as `y` needs censoring="interval", but {censoring!r} came.')
        y = np.concatenate([np.asarray(unmasked(end), "float64") for end in (y.lower, y.upper)], axis=-1)
    y = check_array(
        target_numbers(y),
        dtype="float64",
        ensure_2d=False,
        ensure_all_finite=False if censoring == "interval" else "allow-nan",
        input_name="y",
        estimator=regressor,
    )
    if censoring:
        regressor.n_targets_, regressor.target_names_ = None, names[:1] or ["y"]
        return bounds(y, censoring)
    if y.ndim > 2:
        raise ValueError(f"`y` must have shape (N,) or (N, D), but {y.shape} came.")
    regressor.n_targets_ = None if y.ndim == 1 else y.shape[1]
    regressor.target_names_ = names or (["y"] if y.ndim == 1 else [f"y{d}" for d in range(y.shape[1])])
    return y.reshape(len(y), -1)


def in_order(y, names: Sequence[str]):
    """A frame with the columns `names`, in this order; targets with other names, or without any, as they are.

    Args:
        y: Targets.
        names: Those of training.
    """
    if not is_frame(y) or sorted(target_names(y)) != sorted(names):
        return y
    found = {str(name): name for name in y.columns}
    return selected(y, [found[name] for name in names])


def targets(y, event_size: int, censoring: str | None = None) -> np.ndarray:
    """Checks targets to be scored: `(N, D)` float64, NaN where missing, or lower and upper bounds `(N, 2)` of censored ones.

    Args:
        y: Targets, `(N,)` or `(N, D)`; censored ones as in `fit`, or `(N,)` if all are known.
        event_size: D, how many targets training had.
        censoring: As in `MDNRegressor`.

    Raises:
        ValueError: if y has another shape, or holds text or dates.
    """
    finite = False if censoring == "interval" else "allow-nan"
    y = check_array(target_numbers(y), dtype="float64", ensure_2d=False, ensure_all_finite=finite, input_name="y")
    y = y.reshape(len(y), -1)
    if censoring and y.shape[1] == 2:
        return bounds(y, censoring)
    if y.shape[1] != event_size:
        raise ValueError(f"`y` must have {counted(event_size, 'target')}, as in training, but its shape is {y.shape}.")
    return y


def target_numbers(y):
    """Targets with NaN where one is missing in the notation of a frame, a series or a list, such as None or NA.

    Raises:
        ValueError: if a target is text, or a date.
    """
    y = unmasked(y)
    found = {str(name): y[name] for name in y.columns} if is_frame(y) else {}
    if not found or len(found) < len(y.columns):
        _check_target(y)
        return with_nan(y)
    return np.stack([_target(f"the target {name!r}", np.asarray(values)) for name, values in found.items()], axis=-1)


def _check_target(y) -> None:
    """Raises a ValueError if an array, a series or a list of targets holds dates or text."""
    if not isinstance(y, list | tuple | np.ndarray) and not hasattr(y, "to_numpy"):
        return
    try:
        array = np.asarray(y)
    except ValueError:  # lists of different lengths, of which scikit-learn speaks
        return
    if array.ndim in (1, 2) and (array.dtype.kind in "MUm" or array.dtype == object):
        name = getattr(y, "name", None)
        for values in array.reshape(len(array), -1).T:
            _target("the target" if name in (None, "") else f"the target {str(name)!r}", values)


def _target(name: str, values: np.ndarray) -> np.ndarray:
    try:
        return as_numbers(name, values)
    except ValueError as error:
        remedy = (
            "Make it a number first, such as the days since some day."
            if "holds dates" in str(error)
            else "Choose a numeric column, or encode its words as numbers; for classes take a classifier."
        )
        raise ValueError(f"{str(error).rstrip('.')}. {remedy}") from None


def check_features(settings) -> None:
    """Raises a ValueError if a regressor's settings of features do not fit each other."""
    bins = settings.feature_bins
    if bins != "auto" and not (is_whole(bins) and 0 <= bins <= MOST_BINS):
        raise ValueError(f'`feature_bins` must be a whole number from 0 to {MOST_BINS}, or "auto", but {bins!r} came.')
    if settings.trunk is not None and settings.feature_noise:
        raise ValueError(
            f"`feature_noise` must be 0 with a `trunk`, but {settings.feature_noise!r} came: give it a GaussianNoise layer."
        )
    if settings.trunk is not None and bins not in ("auto", 0):
        raise ValueError(f"`feature_bins` must be 0 with a `trunk`, but {bins!r} came: give it a FeatureBins layer.")


def check_bounds(bounds) -> None:
    """Raises a ValueError if `bounds` are not None, "auto" or two ascending numbers."""
    if bounds is None or (isinstance(bounds, str) and bounds == "auto"):
        return
    numbers = (
        isinstance(bounds, tuple | list) and len(bounds) == 2 and all(isinstance(end, int | float) for end in bounds)
    )
    ends = np.asarray(bounds, "float64") if numbers else np.zeros(2)
    if not ends[0] < ends[1]:
        raise ValueError(f'`bounds` must be None, "auto" or (low, high) with low < high, but {bounds!r} came.')


def thresholds(above, below) -> tuple[np.ndarray, bool]:
    """(the thresholds of probabilities, float64; whether they are those of `above`).

    Raises:
        ValueError: if not exactly one of the two is named, or a threshold is not finite.
    """
    if (above is None) == (below is None):
        raise ValueError(f"name one of `above` and `below`, but {'none' if above is None else 'both'} came.")
    name, value = ("below", below) if above is None else ("above", above)
    found = np.asarray(value)
    if found.dtype.kind not in "iuf" or found.ndim > 1 or not np.isfinite(found).all():
        raise ValueError(f"`{name}` must be a finite number, or several, but {value!r} came.")
    return found.astype("float64"), above is not None


def check_rows_of_targets(y, rows: int) -> None:
    """Raises a ValueError if targets have another number of rows than X."""
    if len(y) != rows:
        raise ValueError(f"`y` must have {counted(rows, 'row')}, as X has, but has {len(y)}.")


def check_no_missing(y: np.ndarray) -> None:
    """Raises a ValueError if some targets `(N, D)` are missing."""
    gone = np.isnan(y).any(axis=1)
    if gone.any():
        raise ValueError(
            f"`y` must have no missing target (NaN, or hidden by a mask) to be scored, but {counted(int(gone.sum()), 'row')} of "
            f"{len(y)} {agreed(int(gone.sum()), 'lacks', 'lack')} one: leave these rows out, or take `evaluate`, which does so."
        )


def bounds(y: np.ndarray, censoring: str) -> np.ndarray:
    """Lower and upper bounds `(N, 2)` of censored targets; NaN in both where the target is missing.

    Args:
        y: Two columns: bounds, or for "right" a time and whether the event was observed then.
        censoring: "interval" or "right".

    Raises:
        ValueError: if there are not two columns, or they are no such bounds.
    """
    if y.ndim != 2 or y.shape[1] != 2:
        columns = (
            "a lower and an upper bound" if censoring == "interval" else "a time, and 1 where the event was observed"
        )
        raise ValueError(f'`y` must have shape (N, 2) with censoring="{censoring}": {columns}; but {y.shape} came.')
    first, second = y.T
    if censoring == "right":
        odd = ~np.isnan(second) & (second != 0.0) & (second != 1.0)
        if odd.any():
            raise ValueError(f"whether the event was observed must be 1 or 0, but {second[odd][0]:g} came.")
        missing = np.isnan(first) | np.isnan(second)
        return np.where(missing[:, None], np.nan, np.stack([first, np.where(second == 1.0, first, np.inf)], axis=1))
    missing = np.isnan(first) & np.isnan(second) | (np.isneginf(first) & np.isposinf(second))
    wrong = ~missing & ~((first <= second) & (first < np.inf) & (second > -np.inf))
    if wrong.any():
        row = int(np.flatnonzero(wrong)[0])
        raise ValueError(
            f"the lower bound of a target must not exceed the upper one, but row {row} has {first[row]:g} and {second[row]:g}; "
            "an open end is -inf or inf."
        )
    return np.where(missing[:, None], np.nan, y)


def target_names(y) -> list[str]:
    """The names of the targets, if `y` is a series or a frame with names."""
    if hasattr(y, "columns"):
        return [str(name) for name in y.columns]
    name = getattr(y, "name", None)
    return [str(name)] if name not in (None, "") else []
