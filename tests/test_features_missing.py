"""Missing features by their indicators, and sparse features: what they say is learnt, and nothing else changes."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import mdn
from commands import run_here
from mdn.tabular import features

pytestmark = pytest.mark.project
RNG = np.random.default_rng(0)


def quick(**settings):
    return mdn.MDNRegressor(**{"num_components": 1, "epochs": 3, "random_state": 0, **settings})


def told_by_missing_values(count=400):
    """Whether `b` is missing says where y lies; where it is known it says nothing, and the median is a value like any other."""
    gone = RNG.random(count) < 0.5
    frame = pd.DataFrame({"a": RNG.normal(size=count), "b": RNG.integers(-1, 2, count).astype("float64")})
    frame.loc[gone, "b"] = np.nan
    return frame, np.where(gone, 3.0, -3.0) + 0.1 * RNG.normal(size=count)


@pytest.fixture(scope="module")
def told():
    frame, y = told_by_missing_values()
    return quick(epochs=60).fit(frame, y), frame, y


def test_that_a_value_is_missing_is_learnt(told):
    model, _, _ = told
    train, new = told_by_missing_values(), told_by_missing_values()
    by_median = quick(num_components=2, epochs=60, missing="median").fit(*train)
    best = 0.5 * np.log(2.0 * np.pi * np.e * 0.01)  # the entropy of the noise
    assert best - 0.1 < model.evaluate(*new).nll < best + 0.2
    assert by_median.evaluate(*new).nll > model.evaluate(*new).nll + 0.3


def test_a_column_moves_with_its_indicator(told):
    model, frame, y = told
    found = model.importances(frame, y, repeats=2)
    assert found.names == ("a", "b") and found.nll[1] > 10.0 > found.nll[0]
    moved = model.partial_dependence(frame, "b", grid=3)
    np.testing.assert_allclose(moved.quantiles[:, 1], -3.0, atol=0.3)  # each value of the grid is known in every row


def test_a_file_keeps_the_indicators(told, tmp_path):
    model, frame, y = told
    model.save(tmp_path / "m.keras")
    again = mdn.load(tmp_path / "m.keras")
    assert again.missing == "indicator" and again.indicators_ == [1]
    np.testing.assert_array_equal(again.log_prob(frame, y), model.log_prob(frame, y))


def test_values_that_are_missing_only_in_new_rows_are_medians_with_a_warning(told):
    model, frame, _ = told
    new = frame.fillna({"b": 0.0}).head(3)
    with pytest.warns(features.NewlyMissing, match="column 'a': some values are missing here, but training"):
        found = model.predict(new.assign(a=[np.nan, *new["a"][1:]]))
    np.testing.assert_allclose(found, model.predict(new.assign(a=[frame["a"].median(), *new["a"][1:]])), rtol=1e-5)


def test_a_table_without_missing_values_is_learnt_as_before_to_the_bit():
    x = RNG.normal(size=(60, 3))
    y = x[:, 0] + RNG.normal(size=60)
    with_indicators, refusing = quick().fit(x, y), quick(missing="error").fit(x, y)
    assert with_indicators.indicators_ == []
    for one, other in zip(with_indicators.members_[0].weights, refusing.members_[0].weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_check_says_how_many_values_are_missing_and_what_stands_for_them(tmp_path):
    frame = pd.DataFrame({"a": np.arange(20.0), "b": np.arange(20.0), "y": np.arange(20.0) ** 2})
    frame.loc[:2, "b"] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    said = " ".join(run_here(tmp_path, "check", "t.csv", "--target", "y").stdout.split())
    assert (
        "Missing: 3 of 'b' (15 %). The median of training stands for each missing value, and a further input says"
        in said
    )


def test_a_missing_date_has_one_indicator():
    days = pd.date_range("2024-01-01", periods=60).to_series(index=range(60))
    days[3] = pd.NaT
    model = quick().fit(pd.DataFrame({"day": days, "x": np.arange(60.0)}), RNG.normal(size=60))
    places = features.places_of(model)
    assert model.indicators_ == [0] and places["x"].tolist() == [3] and places["day"].tolist() == [0, 1, 2, 4]
    row = model._features(pd.DataFrame({"day": [pd.NaT], "x": [1.0]}))[0]
    np.testing.assert_array_equal(row, [np.nan, np.nan, np.nan, row[3], 1.0])


@pytest.mark.parametrize("of", [sparse.csr_matrix, sparse.csc_array, sparse.coo_array])
def test_a_sparse_matrix_is_learnt_as_a_dense_one_to_the_bit(of):
    x = np.where(RNG.random((60, 4)) < 0.7, 0.0, RNG.normal(size=(60, 4)))
    x[:, 3] += 1e6  # far from 0: centred before it becomes float32
    x[5, 2] = np.nan
    y = np.nansum(x[:, :3], axis=1) + RNG.normal(size=60)
    dense, thin = quick().fit(x, y), quick().fit(of(x), y)
    assert thin.indicators_ == [2]
    np.testing.assert_array_equal(thin.log_prob(of(x), y), dense.log_prob(x, y))
    np.testing.assert_array_equal(thin.predict(of(x)), dense.predict(of(x)))
    assert thin.evaluate(of(x), y).nll == dense.evaluate(x, y).nll


def test_a_sparse_matrix_is_never_dense_all_at_once(monkeypatch):
    x = sparse.random_array((60, 4), density=0.5, rng=RNG, format="csr")
    model = quick(calibration=None).fit(x, RNG.normal(size=60))
    monkeypatch.setattr(features, "_MOST_DENSE", 1000)
    large = sparse.vstack([x, x]).tocsr()
    assert model.predict(large).shape == (120,) and len(model.predict_hdi(large)) == 120
    model.calibrate(large, RNG.normal(size=120))
    with pytest.raises(ValueError, match=r"a sparse X must be dense to learn from, with at most .*TruncatedSVD"):
        quick().fit(large, RNG.normal(size=120))
