"""Calibrated intervals: what they promise holds for any model, in files and commands, and too few rows are refused."""

import io
import json
import warnings
import zipfile

import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone

import mdn
from commands import run_here
from mdn.tabular import conformal, promised, scores

pytestmark = pytest.mark.project

ROWS = 160


def wave(seed, count):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (count, 1))
    return x, np.sin(2 * x[:, 0]) + 0.3 * rng.normal(size=count)


@pytest.fixture(scope="module", name="model")
def _model():
    """A regressor that learnt next to nothing, with two targets, the second rounded and missing in some rows."""
    x, y = wave(0, 4 * ROWS)
    both = np.stack([y, np.round(2 * y)], axis=1)
    both[::5, 1] = np.nan
    reg = mdn.MDNRegressor(1, hidden_sizes=(4,), feature_bins=0, epochs=3, calibration="conformal", random_state=0)
    return reg.fit(x, both)


def new_rows(seed, count):
    x, y = wave(seed, count)
    return x, np.stack([y, np.round(2 * y)], axis=1)


# ---- the guarantee, on PITs without a model --------------------------------------------------------------------------

SHAPES = {
    "an honest model": lambda rng, size: rng.logistic(size=size),
    "scales too small": lambda rng, size: 4.0 * rng.logistic(size=size),
    "a bias": lambda rng, size: rng.logistic(size=size) + 3.0,
    "far beyond floats": lambda rng, size: 1e4 * rng.standard_cauchy(size=size),
}


@pytest.mark.parametrize("rows", [39, 50, 101])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_interval_holds_what_it_promises_whatever_the_model(shape, rows):
    coverage, splits = np.array([0.5, 0.8, 0.9, 0.95]), 3000  # each split is a target of its own
    *known, new = SHAPES[shape](np.random.default_rng(rows), (rows + 1, splits))
    calibration = conformal.Calibration.learn(np.array(known), [""] * splits)
    low, high = np.split(calibration.levels(np.r_[0.5 - 0.5 * coverage, 0.5 + 0.5 * coverage]), 2, axis=1)
    below, above = np.mean(new[:, None] < low, axis=0), np.mean(new[:, None] > high, axis=0)
    held, error = 1 - below - above, np.sqrt(coverage * (1 - coverage) / splits)
    # 3 errors, not 2: of 48 comparisons one would fail by chance; `test_ranks_are_those_of_the_theory` has no chance in it
    assert (held >= coverage - 3 * error).all() and (held <= coverage + 2 / (rows + 1) + 3 * error).all()
    assert (np.maximum(below, above) <= (1 - coverage) / 2 + 3 * error).all()


@pytest.mark.parametrize("rows", [19, 20, 57])
def test_ranks_are_those_of_the_theory(rows):
    """By exact count: with ranks 1 ... n for PITs, a new rank is uniform over n + 1 gaps."""
    calibration = conformal.Calibration.learn(np.arange(1.0, rows + 1)[:, None], ["y"])
    gaps = np.arange(rows + 1) + 0.5
    for coverage in np.arange(1, 91) / 100:
        low, high = calibration.levels([0.5 - 0.5 * coverage, 0.5 + 0.5 * coverage])[0]
        assert coverage - 1e-4 <= np.mean((low <= gaps) & (gaps <= high)) < coverage + 2 / (rows + 1)
    np.testing.assert_array_equal(calibration.levels([0.5]), [[(rows + 1) / 2]])


def test_a_probability_rounded_to_float32_costs_no_rank():
    calibration = conformal.Calibration.learn(np.arange(1.0, 40.0)[:, None], ["y"])
    np.testing.assert_array_equal(calibration.levels(np.array([0.025, 0.975], "float32")), [[1.0, 39.0]])


@pytest.mark.parametrize("rows", [19, 20, 1001])
def test_levels_never_fall(rows):
    odds = np.random.default_rng(rows).normal(size=(rows, 2))
    levels = conformal.Calibration.learn(odds, ["a", "b"]).levels(np.linspace(0.05, 0.95, 5001))
    assert levels.shape == (2, 5001) and (np.diff(levels) >= 0.0).all()


def test_ranks_of_new_targets_are_uniform_where_pits_are_not():
    rng = np.random.default_rng(0)
    calibration = conformal.Calibration.learn(np.round(rng.normal(size=(4000, 1)), 1), ["y"])
    ranks = calibration.pit(np.round(rng.normal(size=(4000, 1)), 1))
    assert stats.kstest(ranks[:, 0], "uniform").pvalue > 1e-3
    assert np.isnan(calibration.pit(np.array([[np.nan]])))


def test_too_few_rows_are_refused_with_the_number_that_is_needed():
    with pytest.raises(ValueError, match=r"at least 19 rows with a value of 'y' are needed .* there are 18"):
        conformal.Calibration.learn(np.zeros((18, 1)), ["y"])
    calibration = conformal.Calibration.learn(np.zeros((38, 1)), ["y"])
    with pytest.raises(ValueError, match=r"at least 39 rows .* 95 % interval .* 38 have .* ask for 94\.8 % at most"):
        calibration.levels([0.025, 0.975])
    with pytest.raises(ValueError, match="`q` must lie between 0 and 1"):
        calibration.levels([0.0])
    with pytest.raises(ValueError, match="at least 76 rows with a target and a weight are needed"):
        mdn.MDNRegressor(calibration="conformal").fit(*wave(0, 75))
    with pytest.raises(ValueError, match='`calibration` must be None or "conformal", but True came'):
        mdn.MDNRegressor(calibration=True).fit(*wave(0, 75))


def test_rows_set_aside_have_targets_and_weights_and_keep_their_kind():
    import pandas as pd
    import polars as pl

    x, y = wave(0, 200)
    y[:20] = np.nan
    weight = np.r_[np.ones(180), np.zeros(20)]
    tables = [
        (pd.DataFrame({"x": x[:, 0]}), pd.Series(y, name="height")),
        (pl.DataFrame({"x": x[:, 0]}), pl.Series("height", y)),
        (x, y),
        (x.tolist(), y.tolist()),
    ]
    for table, targets in tables:
        rest, aside = conformal.set_aside(table, targets, weight, 0)
        assert [len(each) for each in (*rest, *aside)] == [160, 160, 160, 40, 40]
        assert np.isfinite(np.asarray(aside[1])).all()
        assert getattr(rest[1], "name", "height") == getattr(aside[1], "name", "height") == "height"
        together = np.sort(np.concatenate([np.asarray(rest[0]), np.asarray(aside[0])]).ravel())
        np.testing.assert_array_equal(together, np.sort(x.ravel()))
    assert [len(part) for part in conformal.split_rows(76, 0)] == [57, 19]
    assert [len(part) for part in conformal.split_rows(1000, 0)] == [800, 200]


# ---- with a model ----------------------------------------------------------------------------------------------------


def test_intervals_of_a_bad_model_hold_what_they_promise(model):
    assert model.calibration_.rows[0] > model.calibration_.rows[1] >= 80  # a fifth of the second target is missing
    x, y = new_rows(1, 2000)
    room = 3 * np.sqrt(0.16 / model.calibration_.rows[1])  # of one calibration, which is drawn too
    for coverage in (0.5, 0.8, 0.95):
        low, high = np.moveaxis(model.predict_interval(x, coverage), -1, 0)
        assert (np.round([low[:, 1], high[:, 1]]) == [low[:, 1], high[:, 1]]).all()
        held = np.mean((low <= y) & (y <= high), axis=0)
        assert (held > coverage - room).all() and held[0] < coverage + room
    scores = model.evaluate(x, y)
    assert abs(scores.coverage(0.8) - 0.8) < room
    low, high = np.moveaxis(model.predict_interval(x, 0.9), -1, 0)
    np.testing.assert_allclose(scores.sharpness, np.mean(high - low, axis=0), rtol=1e-5)


def test_the_density_is_not_changed_and_quantiles_never_cross(model):
    x, y = new_rows(2, 40)
    plain = clone(model).set_params(calibration=None)
    plain.__dict__.update({**vars(model), "calibration": None, "calibration_": None})
    for answer in ("predict", "log_prob", "sample"):
        arguments = {"log_prob": (y,), "sample": (2, 0)}.get(answer, ())
        np.testing.assert_array_equal(getattr(model, answer)(x, *arguments), getattr(plain, answer)(x, *arguments))
    levels = np.linspace(0.02, 0.98, 97)
    assert (np.diff(model.predict_quantile(x, levels)) >= 0.0).all()
    assert not np.allclose(model.predict_quantile(x, 0.9), plain.predict_quantile(x, 0.9))
    np.testing.assert_array_equal(model.predict_interval(x, 0.8), model.predict_quantile(x, [0.1, 0.9]))


def test_the_ends_of_an_interval_are_targets_of_the_calibration(model):
    """Rows of one kind, a model far off: the quantile is then an order statistic of the targets, far in the tail of the model."""
    reg = clone(model)
    reg.__dict__.update({**vars(model), "calibration": None})
    y = 300.0 + np.random.default_rng(0).normal(size=(99, 2))
    reg.target_grid_, reg.recorded_ = np.zeros(2), [None, None]
    assert reg.calibrate(np.zeros((99, 1)), y) is reg
    found = reg.predict_quantile(np.zeros((1, 1)), [0.05, 0.5, 0.95])[0]
    np.testing.assert_allclose(found, np.sort(y, axis=0)[[4, 49, 94]].T, rtol=1e-5)
    assert all((pit == 1.0).all() for pit in reg.calibration_.pits)


@pytest.mark.parametrize("scale", [1.0, 1e-4, 1e3])
def test_targets_of_few_values_are_held_at_the_ends_of_an_interval(model, scale):
    """Whole shares of the rows lie exactly at an end: rounded inward it would lose them."""
    reg = clone(model)
    reg.__dict__.update({**vars(model), "target_grid_": np.zeros(2), "recorded_": [None, None]})
    y = scale * np.random.default_rng(0).choice([0.0, 1.5, -7.3, 20.1], size=(300, 2), p=[0.4, 0.3, 0.2, 0.1])
    reg.calibrate(np.ones((300, 1)), y)
    for coverage in (0.3, 0.5, 0.8, 0.95):
        low, high = np.moveaxis(reg.predict_interval(np.ones((300, 1)), coverage), -1, 0)
        assert (np.mean((low <= y) & (y <= high), axis=0) >= coverage - 2 / 300).all()


def test_targets_beyond_all_that_is_predicted_are_refused_when_an_interval_is_asked_for(model):
    reg = clone(model)
    reg.__dict__.update({**vars(model)})
    y = new_rows(0, 99)[1]
    reg.calibrate(np.zeros((99, 1)), 1e9 * y)
    with pytest.raises(
        ValueError, match="the values of 'y0' in the rows of calibration are more than 450,000 standard"
    ):
        reg.predict_interval(np.zeros((1, 1)), 0.9)


def test_rows_of_training_are_warned_of():
    table, y = np.arange(30.0)[:, None], np.full(30, 2.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reg = mdn.MDNRegressor(1, hidden_sizes=(3,)).fit(table, y)
    assert reg.calibration_ is None
    with pytest.warns(UserWarning, match="100% of the rows of calibration are equal to rows of training"):
        reg.calibrate(table, y)


def test_a_file_keeps_the_calibration_and_an_older_version_refuses_it(model, tmp_path):
    x, _ = new_rows(3, 20)
    model.save(tmp_path / "m.mdn")
    again = mdn.load(tmp_path / "m.mdn")
    np.testing.assert_array_equal(again.predict_interval(x, 0.9), model.predict_interval(x, 0.9))
    assert again.calibration == "conformal" and again.calibration_.names == ("y0", "y1")
    assert mdn.models.read_description(tmp_path / "m.mdn")["format"] == 5  # its targets are rounded, too
    plain = clone(model).set_params(calibration=None)
    plain.__dict__.update({**vars(model), "calibration": None, "calibration_": None})
    plain.save(tmp_path / "plain.mdn")
    about = mdn.models.read_description(tmp_path / "plain.mdn")
    assert about["format"] == 5 and "calibration" not in about["parameters"]
    assert mdn.load(tmp_path / "plain.mdn").calibration_ is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found.pop("calibration/1"), "'calibration/1' is missing"),
        (lambda found: found.update({"calibration/0": found["calibration/0"][::-1]}), "must be 19 ascending values or more"),
        (lambda found: found.update({"calibration/0": found["calibration/0"][:18]}), "must be 19 ascending values or more"),
        (lambda found: found["calibration/0"].fill(np.nan), "holds NaN"),
    ],
)  # fmt: skip
def test_a_calibration_that_was_changed_is_refused(model, tmp_path, change, message):
    model.save(tmp_path / "m.mdn")
    with zipfile.ZipFile(tmp_path / "m.mdn") as archive:
        about, arrays = json.loads(archive.read("mdn.json")), dict(np.load(io.BytesIO(archive.read("weights.npz"))))
    change(arrays)
    written = io.BytesIO()
    np.savez(written, **arrays)
    with zipfile.ZipFile(tmp_path / "m.mdn", "w") as archive:
        archive.writestr("weights.npz", written.getvalue())
        archive.writestr("mdn.json", json.dumps(about))
    with pytest.raises(ValueError, match=message):
        mdn.load(tmp_path / "m.mdn")


def test_the_command_line_sets_rows_aside_and_says_so(tmp_path):
    x, y = wave(0, 300)
    np.savetxt(tmp_path / "t.csv", np.c_[x, y], delimiter=",", header="x,y", comments="")
    ran = run_here(
        tmp_path, "fit", "t.csv", "--target", "y", "--epochs", "2", "--components", "1", "--calibrate", "--no-resume"
    )
    assert ran.exit_code == 0, ran.stderr
    said = "Intervals are calibrated on 50 rows"
    assert "190 rows to learn from, 50 to calibrate intervals, 60 set aside" in ran.stdout and said in ran.stdout
    assert said in (tmp_path / "model.html").read_text()
    held = (
        "on average over such calibrations each holds",
        "the 80 % interval",
        "chance alone makes with so many rows here and in",
    )
    page = " ".join((tmp_path / "model.html").read_text().split())
    for words in held:
        assert words in " ".join(ran.stdout.split()) and words in page
    assert mdn.load(tmp_path / "model.mdn").calibration_.rows == (50,)


def test_density_ranks_are_computed_when_a_region_or_a_file_needs_them(model, tmp_path):
    import pickle

    reg = clone(model)
    reg.__dict__.update(vars(model))
    x, y = new_rows(5, 60)
    reg.calibrate(x, y)
    assert reg.calibration_.ranks == () and reg.calibration_.unranked is not None
    with pytest.raises(ValueError, match="holds no density ranks"):
        reg.calibration_.coverages(0.9)
    again = pickle.loads(pickle.dumps(reg))
    x[:] = 0.0  # the table may change meanwhile
    found = reg.predict_hdi(x[:2], 0.8)
    assert reg.calibration_.unranked is None and [len(each) for each in reg.calibration_.ranks] == [60, 60]
    again.save(tmp_path / "model.mdn")
    loaded = mdn.load(tmp_path / "model.mdn")
    for one, other in zip(reg.calibration_.ranks, loaded.calibration_.ranks, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)
    for one, other in zip(found, loaded.predict_hdi(x[:2], 0.8), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5)


# ---- whether intervals hold what they promise: one judgement for pages and commands ------------------------------------


def scores_with(pit):
    nothing = np.zeros(1)
    return scores.Scores(0.0, 0.0, 0.0, nothing, nothing, np.reshape(pit, (-1, 1)), nothing, nothing, 0.0)


def test_chance_alone_seldom_makes_a_calibrated_model_too_narrow_or_too_wide():
    rng, sides, inside = np.random.default_rng(0), [], []
    for _ in range(400):
        odds = rng.logistic(size=(88 + 71, 1))
        calibration = conformal.Calibration.learn(odds[88:], ["y"])
        held = promised.held_of(scores_with(calibration.pit(odds[:88])), calibration)[0]
        sides.append(any(one.side for one in held))
        inside.append([abs(one.share - one.nominal) <= one.margin for one in held])
    assert np.mean(sides) < 0.12  # three levels of two standard errors each
    np.testing.assert_allclose(np.mean(inside, axis=0), 0.95, atol=0.03)  # the margins of 71 rows and of 88 together
    alone = promised.held_of(scores_with(calibration.pit(odds[:88])))[0]
    assert all(one.margin > other.margin for one, other in zip(held, alone, strict=True))


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ((0.50, 0.80, 0.90), "which is what was promised"),
        ((0.49, 0.705, 0.784), "so they are too narrow at 80 % and 90 %: trust them less than they say"),
        ((0.80, 0.80, 0.90), "so they are wider than they need be at 50 %"),
        ((0.70, 0.72, 0.72), "so they are too narrow at 90 % and too wide at 50 %: trust neither as it stands"),
    ],
)
def test_a_verdict_looks_at_all_levels(shares, said):
    rows = 88
    held = [
        promised.Held(c, share, rows, 2.0 * np.sqrt(c * (1.0 - c) / rows))
        for c, share in zip(promised.LEVELS, shares, strict=True)
    ]
    assert promised.verdict(held) == said


def test_a_sentence_says_what_chance_makes_of_each_target():
    pit = np.linspace(0.0, 1.0, 101)
    (sentence,) = promised.said_of_held(scores_with(pit), None, ["y"])
    assert sentence.startswith(
        "Of these 101 targets the 50 % interval holds 50.5% (± 10), the 80 % interval holds 80.2% (± 8), and the 90 % interval "
        "holds 89.1% (± 6), which is what was promised."
    )
    assert promised.said_of_held(scores_with(np.full(3, np.nan)), None, ["y"]) == []
