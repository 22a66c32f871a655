"""What frames and lists call missing is missing: in features of every kind, in targets, and at prediction."""

import decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mdn
from mdn.tabular.columns import Columns
from mdn.tabular.inputs import target_numbers

pytestmark = pytest.mark.project

PLAIN = {
    "whole": [1, None, 3, 4],
    "real": [0.5, None, 1.5, 2.5],
    "flag": [True, None, False, True],
    "word": ["red", None, "blue", "red"],
}
NUMBERS = np.array(
    [
        [1, 0.5, 1, 1, 0, 0],
        [np.nan, np.nan, np.nan, 0, 0, 0],
        [3, 1.5, 0, 0, 1, 0],
        [4, 2.5, 1, 1, 0, 0],
    ]
)
FRAMES = {
    "pandas": lambda: pd.DataFrame(PLAIN),
    "pandas, objects": lambda: pd.DataFrame(PLAIN, dtype=object),
    "pandas, NA among objects": lambda: pd.DataFrame(PLAIN, dtype=object).where(lambda frame: frame.notna(), pd.NA),
    "pandas, nullable": lambda: pd.DataFrame(PLAIN).convert_dtypes(),
    "pandas, Arrow": lambda: pd.DataFrame(PLAIN).convert_dtypes(dtype_backend="pyarrow"),
    "pandas, categories": lambda: pd.DataFrame(PLAIN).astype({"word": "category"}),
    "polars": lambda: pl.DataFrame(PLAIN),
    "polars, categories": lambda: pl.DataFrame(PLAIN).with_columns(pl.col("word").cast(pl.Categorical)),
}


@pytest.mark.parametrize("kind", FRAMES)
def test_missing_cells_of_every_frame_are_nan_or_no_category(kind):
    """Fault 13 of issue 18: NA of pandas in columns of text and of booleans ended in a TypeError."""
    frame = FRAMES[kind]()
    columns = Columns.learn(frame)
    assert columns.text_names == ["word"]
    np.testing.assert_array_equal(columns.numbers(frame), NUMBERS)
    for library in (frame, FRAMES["pandas, nullable"](), FRAMES["polars"]()):  # another frame at prediction
        np.testing.assert_array_equal(columns.numbers(library), NUMBERS)


@pytest.mark.parametrize("kind", FRAMES)
def test_missing_targets_of_every_frame_and_series_are_nan(kind):
    """Fault 13 of issue 18."""
    frame = FRAMES[kind]()
    for name, column in zip(["whole", "real", "flag"], NUMBERS.T[:3], strict=True):
        regressor = mdn.MDNRegressor()
        _, y = regressor._learn_table(np.zeros((4, 1)), frame[name])
        np.testing.assert_array_equal(y[:, 0], column)
        regressor.n_targets_ = None
        np.testing.assert_array_equal(regressor._checked_targets(frame[name])[:, 0], column)
    numbers = frame[["whole", "real", "flag"]]
    np.testing.assert_array_equal(target_numbers(numbers), NUMBERS[:, :3])
    with pytest.raises(ValueError, match="the target 'word' must hold numbers, but holds text"):
        target_numbers(frame[["word"]])


def test_missing_values_in_lists_and_decimals_are_numbers():
    """Fault 13 of issue 18."""
    regressor = mdn.MDNRegressor(missing="median")
    x, y = regressor._learn_table([[1.0, None], [2.0, pd.NA]], [decimal.Decimal("1.5"), None])
    np.testing.assert_array_equal(x, [[1, np.nan], [2, np.nan]])
    np.testing.assert_array_equal(y, [[1.5], [np.nan]])
    x, _ = regressor._learn_table(pd.DataFrame({"d": [decimal.Decimal("1.5"), None]}), [1, 2])
    np.testing.assert_array_equal(x, [[1.5], [np.nan]])


def test_missing_features_are_refused_with_their_column_or_filled():
    """Fault 13 of issue 18."""
    frame = FRAMES["pandas, nullable"]()
    with pytest.raises(ValueError, match=r"NaN: 1 of 4 rows in column 'whole', and 2 more columns"):
        mdn.MDNRegressor(missing="error")._learn_table(frame, [1, 2, 3, 4])
    regressor = mdn.MDNRegressor(missing="median")
    x, _ = regressor._learn_table(frame, [1, 2, 3, 4])
    np.testing.assert_array_equal(x, NUMBERS)
    assert list(regressor.feature_names_in_) == ["whole", "real", "flag", "word"]
    with pytest.raises(ValueError, match="X must be a frame with the columns of training"):
        regressor._features(np.zeros((2, 4)))
    with pytest.raises(ValueError, match=r"feature names should match"):
        regressor._features(frame[["whole", "real", "flag"]])


def test_numbers_as_words_in_a_frame_stop_unless_they_are_declared_categories():
    """Fault 8 of issue 18: decimal commas in a frame became categories without a word."""
    for library in (pd, pl):
        with pytest.raises(ValueError, match=r"column 'price' holds numbers in a notation .* '2,6' in row 1"):
            Columns.learn(library.DataFrame({"price": ["2", "2,6", None, "3,1"]}))
    declared = (
        pd.DataFrame({"price": pd.Categorical(["2,6", "3,1"])}),
        pl.DataFrame({"price": pl.Series(["2,6", "3,1"], dtype=pl.Categorical)}),
    )
    for frame in declared:
        assert Columns.learn(frame).levels == {"price": ["2,6", "3,1"]}
    words = pd.DataFrame({"code": ["A-12", "1,2-dichloro"], "zip": ["01234", "98765"], "size": ["10-20", "20-30"]})
    assert Columns.learn(words).text_names == ["code", "zip", "size"]
