"""A regressor after a training that failed, and targets in every form in which they come."""

import datetime

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse

import mdn
from mdn.masks import unmasked
from mdn.tabular import inputs

pytestmark = pytest.mark.project
RNG = np.random.default_rng(0)
X = pd.DataFrame({"x": RNG.normal(size=80), "c": np.where(RNG.uniform(size=80) < 0.7, "a", "b")})
Y = X["x"].to_numpy() + 10.0 * (X["c"] == "b").to_numpy() + 0.1 * RNG.normal(size=80)


def quick(**settings) -> mdn.MDNRegressor:
    """A regressor whose training takes a moment."""
    return mdn.MDNRegressor(1, (4,), epochs=3, refit=False, feature_bins=0, random_state=0, **settings)


def pressed(*_):
    raise KeyboardInterrupt


class Pressed(keras.callbacks.Callback):
    on_train_begin = pressed


def _refit(regressor, **how):
    regressor.fit(X[::-1].replace({"c": {"a": "b", "b": "a"}}), Y + 1e6, **how)


@pytest.mark.parametrize("how", [{"validation_data": (X,)}, {"callbacks": [Pressed()]}], ids=["refused", "interrupted"])
def test_a_training_that_fails_leaves_the_regressor_as_it_was(how):
    regressor = quick().fit(X, Y).calibrate(X, Y + 1.0)
    before, attributes = regressor.predict_interval(X, 0.9), dict(vars(regressor))
    with pytest.raises((ValueError, KeyboardInterrupt)):
        _refit(regressor, **how)
    assert vars(regressor) == attributes
    np.testing.assert_array_equal(regressor.predict_interval(X, 0.9), before)


@pytest.mark.jax
def test_a_batch_that_fails_leaves_the_regressor_as_it_was(monkeypatch):
    regressor, other = quick().partial_fit(X, Y), quick().partial_fit(X, Y)
    with monkeypatch.context() as patch:
        patch.setattr("mdn.tabular.partial.Member", pressed)
        with pytest.raises(KeyboardInterrupt):
            regressor.partial_fit(X, Y)
    np.testing.assert_array_equal(*(each.partial_fit(X, Y).predict(X) for each in (regressor, other)))


def test_networks_that_are_done_outlive_a_calibration_that_is_not(monkeypatch):
    regressor = quick(calibration="conformal")
    with monkeypatch.context() as patch:
        patch.setattr(type(regressor), "_calibrate", pressed)
        with pytest.raises(KeyboardInterrupt):
            regressor.fit(X, Y)
    assert np.isfinite(regressor.predict(X)).all() and regressor.calibration_ is None


def test_a_score_of_directions_needs_a_target_for_each_row():
    regressor = quick(period=360).fit(X, np.mod(Y, 360.0))
    with pytest.raises(ValueError, match="`y` must have"):
        regressor.score(X, [3.0])


def test_a_first_training_that_fails_leaves_a_regressor_that_is_not_fitted():
    regressor = quick()
    with pytest.raises(ValueError, match="validation_data"):
        _refit(regressor, validation_data=(X,))
    assert vars(regressor) == vars(quick())


TWO = pd.DataFrame({"a": Y, "b": 100.0 - 10.0 * Y})


@pytest.mark.parametrize("frame", [lambda y: y, pl.from_pandas], ids=["pandas", "polars"])
def test_targets_in_another_order_are_known_by_their_names(frame):
    turned = frame(TWO[["b", "a"]])
    one, other = (quick().fit(X, frame(TWO), validation_data=(X, y)) for y in (TWO, turned))
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    assert one.score(X, turned) == one.score(X, TWO)
    np.testing.assert_array_equal(one.log_prob(X, turned), one.log_prob(X, TWO))
    found = [one.calibrate(X, y + 1.0 if y is TWO else turned + 1.0).predict_interval(X) for y in (TWO, turned)]
    np.testing.assert_array_equal(*found)
    np.testing.assert_array_equal(one.log_prob(X, TWO.rename(columns={"a": "c"})), one.log_prob(X, TWO.to_numpy()))


def test_targets_of_a_file_are_known_by_their_names_too(tmp_path):
    X.join(TWO).to_csv(tmp_path / "t.csv", index=False)
    one, other = (
        quick().fit(tmp_path / "t.csv", target=["a", "b"], validation_data=(X, y)) for y in (TWO, TWO[["b", "a"]])
    )
    np.testing.assert_array_equal(one.predict(X), other.predict(X))


MASK = np.arange(len(X)) < 20


@pytest.mark.parametrize(
    "settings", [{}, {"period": 50.0}, {"censoring": "interval"}], ids=["line", "circle", "bounds"]
)
def test_a_score_counts_nothing_that_a_mask_hides(settings):
    regressor = quick(**settings).fit(X, np.stack([Y, Y], axis=1) if "censoring" in settings else Y)
    hidden = np.where(MASK, -999.0, Y)
    with pytest.raises(ValueError, match="20 rows of 80 lack one: leave these rows out"):
        regressor.score(X, np.ma.array(hidden, mask=MASK))
    weight = np.ma.array(np.where(MASK, 1e6, 1.0), mask=MASK)
    with pytest.raises(ValueError, match="sample_weight"):
        regressor.score(X, Y, weight)
    assert regressor.score(X, Y, np.ma.array(weight.data)) == regressor.score(X, Y, weight.data)


SPANS = pd.Series(pd.to_timedelta([36, None, 12], unit="h"))
SPANS_AS = {
    "series": SPANS,
    "seconds": SPANS.to_numpy().astype("m8[s]"),
    "polars": pl.Series([datetime.timedelta(hours=36), None, datetime.timedelta(hours=12)]),
    "objects": [datetime.timedelta(hours=36), None, np.timedelta64(720, "m")],
    "masked": np.ma.array(SPANS.fillna(pd.Timedelta(0)).to_numpy(), mask=[False, True, False]),
    "frame": SPANS.to_frame("y"),
}


@pytest.mark.parametrize("form", SPANS_AS)
def test_spans_of_time_are_days_in_every_form(form):
    regressor = quick()
    found = inputs.learn_targets(regressor, SPANS_AS[form])
    np.testing.assert_array_equal(found, [[1.5], [np.nan], [0.5]])
    np.testing.assert_array_equal(inputs.targets(SPANS_AS[form], 1), found)
    array = np.asarray(unmasked(SPANS_AS[form])).reshape(-1, 1)
    features = regressor._learn_table(array, np.arange(3.0))[0]
    np.testing.assert_array_equal(features, np.concatenate([found, np.isnan(found)], axis=1))


def _lists(frame: pd.DataFrame) -> list:
    return frame[["x"]].to_numpy().tolist()


def _sparse(frame: pd.DataFrame):
    return sparse.csr_array(np.nan_to_num(frame[["x"]].to_numpy()))


@pytest.mark.parametrize(
    "form", [pd.DataFrame, pl.from_pandas, _lists, _sparse], ids=["pandas", "polars", "lists", "sparse"]
)
@pytest.mark.parametrize("learn", ["fit", pytest.param("partial_fit", marks=pytest.mark.jax)])
def test_rows_without_a_target_or_a_weight_shape_no_input(form, learn):
    rows = X.copy()
    rows.loc[:9, "x"], rows.loc[10:19, "x"], rows.loc[:19, "c"] = np.nan, 1e9, "d"
    y, weight = Y.copy(), np.ones(len(X))
    y[:10], weight[10:20] = np.nan, 0.0
    one = getattr(quick(), learn)(form(rows), y, weight)
    other = getattr(quick(), learn)(form(rows[20:]), y[20:], weight[20:])
    assert one.indicators_ == [] and one.columns_.levels == other.columns_.levels
    np.testing.assert_array_equal(one.feature_origin_, other.feature_origin_)
    np.testing.assert_array_equal(one.predict(form(X)), other.predict(form(X)))
