"""Turns the X of a user into the numbers that a network gets: checked, centred, with an indicator of each missing value.

Dense rows are ready at once. Those of a sparse matrix become dense some at a time, when they are asked for.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Mapping

import numpy as np
from scipy.sparse import issparse
from sklearn.utils.validation import check_array, validate_data

from mdn import initializers, numerics
from mdn.data.notation import plain_number
from mdn.data.tables import Table
from mdn.tabular.codes import MissingCodes, sentences
from mdn.tabular.columns import Columns, check_rows, named
from mdn.tabular.frames import in_memory, is_date, with_nan
from mdn.tabular.kinds import Counted
from mdn.tabular.lookalikes import LookAlike
from mdn.tabular.trunk import Trunk
from mdn.wording import agreed, counted

MISSING = ("indicator", "median", "error")
"""What may be done about features that are NaN."""
_SHOWN = 60  # characters of a cell in a message
_MOST_DENSE = 10**9  # bytes of a sparse matrix once it is dense; training needs a few times as many


class NewlyMissing(UserWarning):
    """Columns lack values that they always had in training, so that the model has not learnt what a missing one means."""


def learn_features(regressor, X, counted: Mapping[str, Counted] | None = None) -> np.ndarray:
    """Features for training; from now on `features` returns those of other rows.

    Sets `trunk_`, `columns_`, `feature_origin_`, `indicators_` and what scikit-learn knows of names.

    Args:
        regressor: An `MDNRegressor`.
        X: The training table, or some of its rows.
        counted: As in `Columns.learn`.

    Raises:
        ValueError: as `features` does, or if a sparse X is too large to be dense.
    """
    regressor.feature_origin_, regressor.indicators_ = np.zeros(1), []
    regressor.trunk_ = None if regressor.trunk is None else Trunk.of(regressor.trunk, X)
    if regressor.trunk_ is not None:
        regressor.columns_, regressor.n_features_in_ = Columns({}), regressor.trunk_.size
        vars(regressor).pop("feature_names_in_", None)
        return regressor.trunk_.rows(X)
    X = in_memory(X)
    regressor.columns_ = Columns.learn(X, counted)
    if regressor.columns_.warning:
        warnings.warn(regressor.columns_.warning, UserWarning, stacklevel=4)
    for sentence in regressor.columns_.looks:
        warnings.warn(sentence, LookAlike, stacklevel=4)
    for sentence in sentences(regressor.columns_.codes):
        warnings.warn(sentence, MissingCodes, stacklevel=4)
    x = np.asarray(_numbers(regressor, X, reset=True))
    _name_features(regressor)
    regressor.feature_origin_ = initializers.far_origin(numerics.as_features(x))
    if regressor.missing == "indicator":
        gone = _counts(x, np.isnan) > 0
        regressor.indicators_ = [int(place[0]) for place in places_of(regressor).values() if gone[place[0]]]
    return _inputs(regressor, x)


def names_kept(regressor) -> list[str]:
    """What a file keeps of `feature_names_in_`: nothing where `columns_` knows these names."""
    from_file = regressor.columns_.from_file
    return [] if from_file else [str(name) for name in getattr(regressor, "feature_names_in_", [])]


def restore_names(regressor, kept: list[str]) -> None:
    """Sets `feature_names_in_` by what `names_kept` returned."""
    if kept:
        regressor.feature_names_in_ = np.array(kept, dtype=object)
    _name_features(regressor)


def _name_features(regressor) -> None:
    """Sets `feature_names_in_` of a model of a `Table`, of which scikit-learn knows no names."""
    if regressor.columns_.from_file and regressor.columns_.levels:
        regressor.feature_names_in_ = np.array(regressor.columns_.table_names, dtype=object)


def features(regressor, X):
    """`X` as the inputs of a network, float64 `(N, F)`, by what `learn_features` learnt; `SparseRows` if it is sparse.

    Args:
        regressor: A fitted `MDNRegressor`.
        X: Features.

    Raises:
        ValueError: if X has no rows, other columns than in training, text instead of numbers, or numbers that are infinite or,
            with `missing="error"`, missing; or if it is a `ReadOnce` of another regressor.
    """
    if isinstance(X, ReadOnce):
        return X.inputs_of(regressor)
    if regressor.trunk_ is not None:
        return regressor.trunk_.rows(X)
    x = _numbers(regressor, X, reset=False)
    return _inputs(regressor, x) if isinstance(x, np.ndarray) else x


def places_of(regressor) -> dict[str, np.ndarray]:
    """The places of each column among the inputs of the network, that of its indicator last.

    Columns without a name are "x0", "x1", ...; with a trunk each array of X is one column.
    """
    if regressor.trunk_ is not None:
        return regressor.trunk_.places
    if regressor.columns_.levels:
        found = {name: np.arange(place.start, place.stop) for name, place in regressor.columns_.places.items()}
    else:
        count = regressor.n_features_in_
        names = [str(name) for name in getattr(regressor, "feature_names_in_", range(0))]
        if len(set(names)) < count:
            names = [f"x{place}" for place in range(count)]
        found = {name: np.array([place]) for place, name in enumerate(names)}
    width = sum(map(len, found.values()))
    indicators = {first: width + at for at, first in enumerate(regressor.indicators_)}
    return {
        name: np.append(places, indicators[places[0]]) if places[0] in indicators else places
        for name, places in found.items()
    }


class ReadOnce:
    """Rows of a table whose cells were read once; methods that predict take it in place of X, so that many need read none again.

    Args:
        regressor: A fitted `MDNRegressor` that learnt from columns with names.
        X: A frame.

    Attributes:
        table: X.
        numbers: Its columns as `Columns.numbers` makes them, `(N, F)`.
        inputs: The inputs of a network, as `features` makes them.

    Raises:
        ValueError: as `features` does.
    """

    def __init__(self, regressor, X):
        self.table = X
        self._regressor = regressor
        self.numbers = np.asarray(_numbers(regressor, X, reset=False))
        self.inputs = _inputs(regressor, self.numbers)

    def inputs_of(self, regressor) -> np.ndarray:
        """`inputs`, for the regressor that they were made for.

        Raises:
            ValueError: if it is another one.
        """
        if regressor is not self._regressor:
            raise ValueError(
                "X was read once for another model, whose inputs are no inputs of this one: pass the table itself, or read it by "
                "ReadOnce(this model, table)."
            )
        return self.inputs

    def __len__(self) -> int:
        return len(self.numbers)


class SparseRows:
    """Rows of a sparse matrix, which become the inputs of a network some at a time: `rows[indices]` is dense."""

    def __init__(self, matrix, dense: Callable[[np.ndarray], np.ndarray]):
        self._matrix, self._dense = matrix, dense

    def __len__(self) -> int:
        return self._matrix.shape[0]

    @property
    def shape(self) -> tuple[int, int]:
        """The numbers of rows and columns of the matrix, without indicators."""
        return self._matrix.shape

    def __getitem__(self, rows) -> np.ndarray:
        return self._dense(self._matrix[rows].toarray())

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        count, width = self.shape
        if 8 * count * width > _MOST_DENSE:
            raise ValueError(
                f"a sparse X must be dense to learn from, with at most {_MOST_DENSE / 1e9:g} GB, but {count} rows of {width} "
                f"columns are {8e-9 * count * width:.3g} GB: make fewer columns of it first, with "
                "sklearn.decomposition.TruncatedSVD or a selection of features."
            )
        return np.asarray(self[:], dtype)


def _inputs(regressor, x: np.ndarray) -> np.ndarray:
    """Dense numbers as inputs: in reach of float32, minus the origin, with 1 or 0 for each indicator behind them."""
    indicators = np.isnan(x[:, regressor.indicators_]) if regressor.indicators_ else None
    x = numerics.as_features(x) - regressor.feature_origin_
    return x if indicators is None else np.concatenate([x, indicators], axis=1)


def _numbers(regressor, X, reset: bool):
    """`X` as dense numbers `(N, F)`, float64, or as `SparseRows`; checked, as they are in the table.

    Args:
        regressor: An `MDNRegressor` that knows its columns.
        X: Features.
        reset: Whether this is the training table, whose names and number of features are kept.
    """
    columns = regressor.columns_
    X = columns.kept(in_memory(X))
    # scikit-learn knows no names of a Table: it would warn of them, or refuse those of a frame that comes after one
    by_table = isinstance(X, Table) or columns.from_file or not hasattr(regressor, "feature_names_in_")
    unseen = not reset and by_table and bool(columns.levels)
    if hasattr(X, "columns") and not unseen:
        validate_data(regressor, X, reset=reset, skip_check_array=True)  # names
    if hasattr(X, "columns"):
        check_rows(X)
    x = columns.numbers(X)
    if x is X:
        if columns.has_text:
            raise ValueError(
                f"X must be a frame with the columns of training, {columns.table_names}, since some hold text or dates, but "
                f"{type(X).__name__} came."
            )
        settings = {"dtype": "float64", "ensure_all_finite": False, "accept_sparse": "csr"}
        with warnings.catch_warnings() if columns.from_file else contextlib.nullcontext():
            if columns.from_file:  # whoever has a model of a file and an array has no names to give
                warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
            x = validate_data(regressor, _without_text(with_nan(X)), reset=reset, **settings)
    else:
        x = check_array(x, dtype="float64", ensure_all_finite=False, estimator=regressor)
    names = columns.names if columns.names else getattr(regressor, "feature_names_in_", None)
    missing = _counts(x, np.isnan)
    if regressor.missing == "error":
        _refuse("NaN", missing, x, names, 'Pass missing="indicator", so that the model learns from missing values')
    _refuse("infinity", _counts(x, np.isinf), x, names, "Make these values NaN, which means missing")
    if not reset:
        _warn_of_missing(regressor, missing)
        if issparse(x):
            return SparseRows(x, functools.partial(_inputs, regressor))
    return SparseRows(x, np.asarray) if issparse(x) else x


def _without_text(array):
    """An array of objects, once it is sure that they are numbers; any other value as it is."""
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind not in "OMU":
        return array
    for row, values in enumerate(array):
        for place, value in enumerate(values):
            if is_date(value) or (isinstance(value, str) and plain_number(value) is None):
                what = "text" if isinstance(value, str) else "a date"
                raise ValueError(
                    f"X must hold numbers, but holds {what}: {str(value)[:_SHOWN]!r} in row {row}, column {place}. Give a frame "
                    "of pandas or polars, whose columns of text become categories, and those of dates numbers."
                )
    return array


def _counts(x, bad: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """How many cells of each column are `bad`, of an array or a CSR matrix `(N, F)`: shape `(F,)`."""
    return np.bincount(x.indices[bad(x.data)], minlength=x.shape[1]) if issparse(x) else bad(x).sum(axis=0)


def _refuse(what: str, counts: np.ndarray, x, names, remedy: str) -> None:
    """Raises a ValueError if a column holds cells of this kind; it names the column and counts the rows."""
    if not counts.any():
        return
    place = int(np.argmax(counts > 0))
    name = repr(str(names[place])) if names is not None else str(place)
    others = int((counts > 0).sum()) - 1
    also = f", and {counted(others, 'more column')} {agreed(others, 'holds', 'hold')} some" if others else ""
    raise ValueError(
        f"Input X contains {what}: {counts[place]} of {counted(x.shape[0], 'row')} in column {name}{also}. "
        f"{remedy}, leave those rows out, or fill them first (sklearn.impute.SimpleImputer)."
    )


def _warn_of_missing(regressor, counts: np.ndarray) -> None:
    if regressor.missing != "indicator" or not counts.any():
        return
    known = set(regressor.indicators_)
    new = [name for name, place in places_of(regressor).items() if counts[place[0]] and place[0] not in known]
    if new:
        warnings.warn(
            f"{named(new)}: some values are missing here, but training had no missing value there, so that each counts as the "
            "median of training.",
            NewlyMissing,
            stacklevel=2,
        )
