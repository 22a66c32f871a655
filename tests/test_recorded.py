"""Rounded targets: quantiles, intervals and regions are those of the values as they are recorded."""

import numpy as np
import pytest

import mdn
from mdn import exporting
from mdn.tabular.recorded import Recorded, recorded_as

pytestmark = pytest.mark.project

RANDOM = np.random.default_rng(0)


def held(interval, y):
    return np.mean((interval[:, 0] <= y) & (y <= interval[:, 1]))


@pytest.fixture(scope="module", name="made")
def _made():
    """(a regressor of targets in steps that are coarse for it, features and targets that it has not seen)."""
    x = RANDOM.uniform(-1, 1, (900, 1))
    y = np.round(0.95 + 0.01 * x[:, 0] + 2e-4 * RANDOM.normal(size=900), 3)
    return mdn.MDNRegressor(1, (8,), epochs=40, random_state=0).fit(x[:300], y[:300]), x[300:], y[300:]


def test_values_are_found_bit_by_bit_whatever_they_were_written_as():
    for values, step, dtype in (
        (np.arange(930, 990) / 1000, 0.001, "float64"),
        (np.arange(930, 990) / 1000, 0.001, "float32"),
        (np.arange(-3.0, 8.0), 1.0, "float64"),
        (5.5 + 2.5 * np.arange(9), 2.5, "float64"),
        (1200.0 + 100.0 * np.arange(9), 100.0, "float64"),
    ):
        values = values.astype(dtype).astype("float64")
        recorded = Recorded.of(np.append(values, np.nan), float(np.diff(values).min()))
        moved = values + 0.49 * step * RANDOM.uniform(-1, 1, len(values))
        np.testing.assert_array_equal(recorded.nearest(moved[:, None], np.array([0.3]))[:, 0], values)
        assert recorded.single == (dtype == "float32")


def test_values_that_are_no_decimals_are_held_by_ends_a_little_outside():
    thirds = np.arange(1, 50) / 3.0
    recorded = Recorded.of(thirds, float(np.diff(thirds).min()))
    ends = recorded.nearest(np.stack([thirds + 0.1, thirds - 0.1], axis=1), np.array([0.05, 0.95]))
    assert recorded.decimals is None and (np.abs(ends - thirds[:, None]) < 1e-3).all()
    assert (ends[:, 0] <= thirds).all() and (thirds <= ends[:, 1]).all()


def test_a_grid_on_a_circle_must_meet_itself():
    y = np.arange(0.0, 24.0)[:, None]
    assert recorded_as(y, np.ones(1), 24.0)[0].step == 1.0
    assert recorded_as(y, np.ones(1), 24.5) == [None] == recorded_as(y, np.zeros(1), None)


def test_quantiles_are_those_of_the_rounded_distribution():
    mixture = mdn.Mixture([0.3, -0.2], mdn.Normal([[0.3], [2.1]], [[0.4], [0.1]]))
    levels = np.linspace(0.01, 0.99, 99).astype("float32")
    expected = np.asarray(mdn.Rounded(mixture, 0.5).quantile(levels))[:, 0]
    found = Recorded(0.5, 0.0, 1).nearest(np.asarray(mixture.quantile(levels))[:, 0], levels)
    np.testing.assert_array_equal(found, expected)


def test_regions_of_recorded_values_without_a_value_between_become_one():
    recorded = Recorded(1.0, 0.0, 0)
    ends = np.array([[0.2, 0.4], [0.8, 1.3], [3.4, 3.6], [7.7, 9.1]])
    np.testing.assert_array_equal(recorded.regions(ends), [[0.0, 1.0], [3.0, 4.0], [8.0, 9.0]])


@pytest.mark.jax
def test_intervals_and_regions_hold_the_values_as_they_are_recorded(made):
    reg, x, y = made
    for coverage in (0.5, 0.9):
        interval = reg.predict_interval(x, coverage)
        np.testing.assert_array_equal(interval, np.round(interval, 3))
        assert held(interval, y) > coverage - 3 * np.sqrt(coverage * (1 - coverage) / len(y))
        unrounded = reg._unrounded_quantiles(x, np.array([0.5 - coverage / 2, 0.5 + coverage / 2]))[:, 0]
        assert held(unrounded, y) < coverage - 0.05  # why ends are rounded
    regions = reg.predict_hdi(x[:100], 0.9)
    assert np.mean([np.any((one[:, 0] <= v) & (v <= one[:, 1])) for one, v in zip(regions, y, strict=False)]) > 0.81
    assert abs(reg.evaluate(x, y).coverage(0.9) - 0.9) < 0.06


@pytest.mark.jax
def test_a_saved_and_an_exported_model_round_as_the_model_does(made, tmp_path):
    reg, x, _ = made
    reg.save(tmp_path / "model.mdn")
    np.testing.assert_array_equal(
        mdn.load(tmp_path / "model.mdn").predict_interval(x[:50]), reg.predict_interval(x[:50])
    )
    mdn.export(reg, tmp_path / "model.onnx", quantiles=(0.05, 0.95))
    found = exporting.player(tmp_path / "model.onnx")(X=x[:50])["quantiles"]
    assert np.mean(found == reg.predict_interval(x[:50])) > 0.97  # float32 may decide otherwise at the edge of a cell


@pytest.mark.jax
def test_quantiles_of_counts_keep_the_numbers_between_those_of_training():
    x = RANDOM.uniform(-1, 1, (200, 1))
    reg = mdn.MDNRegressor(1, (4,), epochs=1, family="counts", random_state=0).fit(x, 2.0 * RANDOM.poisson(3.0, 200))
    assert reg.recorded_ == [None] and np.any(reg.predict_quantile(x, np.arange(1, 10) / 10) % 2 == 1)


@pytest.mark.data
@pytest.mark.jax
def test_intervals_of_turbine_decay_hold_the_values_as_they_are_recorded(data_folder):
    with np.load(data_folder / "uci" / "naval.npz") as data:
        x, y, test = data["X"], data["y"], data["test_mask"][0]
    rows = np.random.default_rng(0).permutation(np.flatnonzero(~test))[:3000]
    reg = mdn.MDNRegressor(3, (32,), epochs=60, random_state=0).fit(x[rows], y[rows])
    assert reg.recorded_ == [Recorded(0.001, 0.95, 3)]
    assert held(reg.predict_interval(x[test], 0.9), y[test]) > 0.88
