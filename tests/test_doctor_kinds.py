"""The doctor with regressors of every kind: healthy ones get no finding, and faults that are planted in new rows are named."""

import functools

import keras
import numpy as np
import pandas as pd
import pytest

import mdn
from commands import run_here
from mdn.doctor import evidence
from programs import optimise_methods

pytestmark = pytest.mark.project
ROWS, LEARNT = 600, 2000


@pytest.fixture(autouse=True)
def densities_of_angles_are_optimised(request, monkeypatch):
    """A diagnosis takes the densities of dozens of draws for each row; those of angles take the longest."""
    if "[circular]" in request.node.name:
        optimise_methods(monkeypatch)


def noise(rows, seed, shift=0.0, factor=1.0, heavy=False):
    """(a generator, two features, the standard normal noise of the target, or what was planted in its place)."""
    rng = np.random.default_rng(seed)
    x, e = rng.normal(size=(rows, 2)), rng.normal(size=rows)
    if heavy:  # as wide in the middle
        e = 0.826 * rng.standard_t(2.0, rows)
    return rng, x, factor * e + shift


def number(rows, seed, **fault):
    _, x, e = noise(rows, seed, **fault)
    return x, 2.0 * x[:, 0] - x[:, 1] + 0.5 * e


def of_two_peaks(rows, seed, **fault):
    rng, x, e = noise(rows, seed, **fault)
    return x, 2.0 * x[:, 0] + rng.choice([-2.0, 2.0], rows) + 0.4 * e


def without_some_features(rows, seed, **fault):
    x, y = number(rows, seed, **fault)
    x[np.random.default_rng(seed + 9).uniform(size=rows) < 0.2, 0] = np.nan
    return x, y


def rounded(rows, seed, **fault):
    x, y = number(rows, seed, **fault)
    return x, np.round(y, 1)


def censored(rows, seed, **fault):
    rng, x, e = noise(rows, seed, **fault)
    time, end = 10.0 + 2.0 * x[:, 0] - x[:, 1] + 0.5 * e, 11.0 + 2.5 * rng.normal(size=rows)
    return x, np.stack([np.minimum(time, end), 1.0 * (time <= end)], axis=1)


def within_bounds(rows, seed, **fault):
    _, y = number(rows, seed, **fault)
    low = np.floor(2.0 * y) / 2.0
    return noise(rows, seed)[1], np.stack(
        [np.where(y < -4.0, -np.inf, low), np.where(y > 4.0, np.inf, low + 0.5)], axis=1
    )


def angle(rows, seed, **fault):
    _, x, e = noise(rows, seed, **fault)
    return x, (100.0 + 60.0 * x[:, 0] + 20.0 * e) % 360.0


def often_zero(rows, seed, **fault):
    rng, x, e = noise(rows, seed, **fault)
    zero = rng.uniform(size=rows) < 1.0 / (1.0 + np.exp(1.0 - x[:, 1]))
    return x, np.where(zero, 0.0, np.exp(0.8 * x[:, 0] + 0.4 * e))


def between_bounds(rows, seed, **fault):
    _, x, e = noise(rows, seed, **fault)
    return x, 1.0 / (1.0 + np.exp(-x[:, 0] - 0.5 * e))


def count(rows, seed, shift=0.0, factor=1.0):
    rng, x, _ = noise(rows, seed)
    mean = np.exp(1.5 + 0.5 * x[:, 0] + 0.4 * shift)
    return x, 1.0 * (rng.poisson(mean) if factor == 1.0 else rng.negative_binomial(1.0, 1.0 / (1.0 + mean)))


def several(rows, seed, **fault):
    rng, x, e = noise(rows, seed, **fault)
    other = 0.8 * e + 0.6 * fault.get("factor", 1.0) * rng.normal(size=rows)
    return x, np.stack([2.0 * x[:, 0] + 0.5 * e, 0.5 * other - x[:, 1]], axis=1)


def several_some_missing(rows, seed, **fault):
    x, y = several(rows, seed, **fault)
    y[np.random.default_rng(seed + 9).uniform(size=y.shape) < 0.2] = np.nan
    return x, y


def layers_of_ones_own(tensor):
    return keras.layers.Dense(16, "silu")(tensor)


KINDS = {
    "ensemble": (number, {"ensemble_size": 2}),
    "two peaks": (of_two_peaks, {}),
    "missing features": (without_some_features, {}),
    "rounded": (rounded, {}),
    "right": (censored, {"censoring": "right"}),
    "interval": (within_bounds, {"censoring": "interval"}),
    "circular": (angle, {"period": 360.0}),
    "atoms": (often_zero, {"family": "auto"}),
    "bounded": (between_bounds, {"family": "bounded", "bounds": (0.0, 1.0)}),
    "counts": (count, {"family": "counts"}),
    "several, some missing": (several_some_missing, {"covariance": "full"}),
    "trunk": (number, {"trunk": layers_of_ones_own}),
    "conformal": (number, {"calibration": "conformal"}),
    "weights": (number, {}),
    "crps": (number, {"loss": "crps"}),
}


@functools.cache
def fitted(kind):
    data, options = KINDS[kind]
    x, y = data(LEARNT, 0)
    weights = np.random.default_rng(0).uniform(0.5, 1.5, LEARNT) if kind == "weights" else None
    model = mdn.MDNRegressor(2, hidden_sizes=(16,), epochs=20, random_state=0, **options)
    return model.fit(x, y, weights)


def names(kind, **fault):
    return mdn.diagnose(fitted(kind), *KINDS[kind][0](ROWS, 100, **fault)).names


@pytest.mark.parametrize("kind", KINDS)
def test_a_healthy_regressor_has_no_finding(kind):
    for seed in (100, 101, 102):
        found = mdn.diagnose(fitted(kind), *KINDS[kind][0](ROWS, seed))
        assert found.healthy, str(found)


@pytest.mark.parametrize("kind", KINDS)
def test_targets_aside_scales_that_are_wrong_and_rows_mixed_up_are_named(kind):
    # two peaks that move by less than their own distance are taken for wider ones
    assert names(kind, shift=4.0 if kind == "two peaks" else 1.0)[0] == "shifted targets"
    found = mdn.diagnose(fitted(kind), *KINDS[kind][0](ROWS, 100, factor=2.0))
    factor = next(each for each in found if each.name == "scales too narrow").figures["factor"]
    assert kind == "counts" or "heavy tails" not in found.names  # the planted counts have heavy tails indeed
    assert kind in ("counts", "missing features") or 1.6 < factor < 2.6
    x, y = KINDS[kind][0](ROWS, 100)
    found = mdn.diagnose(fitted(kind), np.random.default_rng(0).permutation(x), y).names
    assert "misled by the features" in found
    assert mdn.diagnose(fitted(kind), x[:20], y[:20]).names[0] == "too few rows"


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("counts", "missing features")])
def test_scales_that_are_too_wide_are_not_taken_for_heavy_tails(kind):
    (finding,) = mdn.diagnose(fitted(kind), *KINDS[kind][0](ROWS, 100, factor=0.4))
    assert finding.name == "scales too wide" and 0.3 < finding.figures["factor"] < 0.7


@pytest.mark.parametrize("kind", ["ensemble", "rounded", "right", "interval", "atoms", "bounded", "trunk"])
def test_heavy_tails_are_named_and_an_outlier_is_shown(kind):
    assert "heavy tails" in names(kind, heavy=True)
    x, y = KINDS[kind][0](ROWS, 100)
    if kind != "bounded":
        y[5] = {"right": (1e6, 1.0), "interval": (1e6, np.inf)}.get(kind, 1e6)
        found = mdn.diagnose(fitted(kind), x, y)
        shown = "5 (1000000 or more)" if kind == "interval" else "5 (1000000)"
        assert found.names[0] == "outliers" and shown in found[0].sentence


def test_the_file_of_a_regressor_with_atoms_says_the_same(tmp_path):
    x, y = often_zero(ROWS, 100, factor=2.0)
    fitted("atoms").save(tmp_path / "model.mdn")
    assert (
        mdn.diagnose(mdn.load(tmp_path / "model.mdn"), x, y).as_json() == mdn.diagnose(fitted("atoms"), x, y).as_json()
    )


def test_too_narrow_scales_do_not_mean_that_features_mislead():
    assert "misled by the features" not in names("bounded", factor=2.0)


def test_a_trained_network_of_keras_and_its_faults():
    spec = mdn.SpikedSpec(mdn.MixtureSpec(mdn.NormalSpec(1), 2), [0.1])
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(16, "silu"), mdn.MDN(spec)])
    model.compile(keras.optimizers.Adam(0.01), mdn.NegativeLogLikelihood(spec))

    def rows(seed, **fault):
        rng, x, e = noise(ROWS, seed, **fault)
        return x.astype("float32"), np.where(rng.uniform(size=ROWS) < 0.3, 0.1, x[:, 0] + 0.5 * e)[:, None]

    (x, y), (more, of_more) = rows(0), rows(1)
    model.fit(np.concatenate([x, more]), np.concatenate([y, of_more]), epochs=40, verbose=0)
    for seed in (100, 101, 102):
        assert mdn.diagnose(model, *rows(seed)).healthy
    found = mdn.diagnose(model, *rows(100, factor=2.0))
    assert found.names[0] == "scales too narrow" and 1.6 < found[0].figures["factor"] < 2.3
    assert mdn.diagnose(model, *rows(100, factor=0.4)).names == ["scales too wide"]
    assert mdn.diagnose(model, *rows(100, shift=1.5)).names[0] == "shifted targets"


def test_sequences_that_end_early_are_judged_without_their_padding():
    rng = np.random.default_rng(0)
    model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(1), 1), units=(4,), lags=0)
    rows = [rng.normal(size=(length, 1)).astype("float32") for length in (40, 300, 160)]
    model.adapt(rows)
    padded = np.full((3, 300, 1), np.nan, "float32")
    for place, row in enumerate(rows):
        padded[place, : len(row)] = row
    one, other = mdn.diagnose(model, rows), mdn.diagnose(model, padded)
    assert one.as_json() == other.as_json() and one.rows == "500 steps of 3 sequences."
    assert "scales too narrow" in mdn.diagnose(model, np.where(np.isnan(padded), np.nan, 3.0 * padded)).names


# ---- long tables -----------------------------------------------------------------------------------------------------


@pytest.fixture
def few_rows_stand_for_all(monkeypatch):
    monkeypatch.setattr(evidence, "MOST_ROWS", 400)


@pytest.mark.usefixtures("few_rows_stand_for_all")
def test_a_long_table_is_judged_by_rows_drawn_at_random_which_is_said():
    x, y = number(ROWS, 100)
    found = mdn.diagnose(fitted("ensemble"), x, y)
    assert found.healthy and len(found.pit) == 400
    assert found.rows.startswith("400 rows that training has not seen. They were drawn at random from 600 rows")
    y[:3] += 1000.0  # some of them are drawn, and are called by their places in the whole table
    model = keras.Sequential([keras.Input((2,)), mdn.MDN(1, 1)])
    model.layers[-1].adapt(y[3:, None])
    for judged in (fitted("ensemble"), model):
        found = mdn.diagnose(judged, x, y)
        shown = next(each.sentence for each in found if each.name == "outliers").split("(row, from 0): ")[1]
        assert {int(part.split(" (")[0]) for part in shown.rstrip(".").split("), ")} <= set(range(3))


@pytest.mark.usefixtures("few_rows_stand_for_all")
def test_a_single_value_far_from_all_others_is_seen_though_its_row_was_not_drawn():
    taken = evidence.drawn_rows(ROWS)
    x, y = number(ROWS, 100)
    y[np.setdiff1d(np.arange(ROWS), taken)[0]] = 1e6
    found = mdn.diagnose(fitted("ensemble"), x, y)
    assert found.names == ["outliers"] and "1000000 among the values of y" in found[0].sentence


@pytest.mark.usefixtures("few_rows_stand_for_all")
def test_of_many_sequences_some_are_drawn_whole():
    rng = np.random.default_rng(0)
    model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(1), 1), units=(4,), lags=0)
    rows = [rng.normal(size=(10, 1)).astype("float32") for _ in range(80)]
    model.adapt(rows)
    found = mdn.diagnose(model, rows)
    assert found.rows.startswith("400 steps of 40 sequences. They were drawn at random from 80 sequences")


# ---- what cannot be judged -------------------------------------------------------------------------------------------


def test_rows_that_do_not_fit_are_refused_in_one_sentence():
    x, y = number(ROWS, 100)
    model = fitted("ensemble")
    with pytest.raises(ValueError, match="X has 1 features, but MDNRegressor is expecting 2 features"):
        mdn.diagnose(model, x[:, :1], y)
    with pytest.raises(ValueError, match="`y` must have 600 rows, as X has, but has 40"):
        mdn.diagnose(model, x, y[:40])
    with pytest.raises(ValueError, match="all are missing"):
        mdn.diagnose(model, x, np.full(ROWS, np.nan))
    with pytest.raises(ValueError, match="sample"):
        mdn.diagnose(model, x[:0], y[:0])
    network = keras.Sequential([keras.Input((2,)), mdn.MDN(1, 1)])
    with pytest.raises(ValueError, match="`x` must have 2 columns, as the model takes, but 1 came"):
        mdn.diagnose(network, x[:, :1], y)
    with pytest.raises(ValueError, match="no rows"):
        mdn.diagnose(network, x[:0], y[:0])
    for judged in (model, network):
        assert mdn.diagnose(judged, x[:1], y[:1]).names == ["too few rows"]
    some = np.where(np.arange(ROWS) % 3 == 0, np.nan, y)
    assert mdn.diagnose(model, x, some).healthy
    plain = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match="MDN"):
        mdn.diagnose(plain, x, y)
    with pytest.raises(Exception, match="fitted"):
        mdn.diagnose(mdn.MDNRegressor(), x, y)


def test_the_command_refuses_files_that_do_not_fit_in_one_sentence(tmp_path):
    x, y = number(200, 0)
    frame = pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": y})
    mdn.MDNRegressor(2, hidden_sizes=(16,), epochs=2, random_state=0).fit(frame[["a", "b"]], frame["y"]).save(
        tmp_path / "model.mdn"
    )
    frame.rename(columns={"b": "beta"}).to_csv(tmp_path / "renamed.csv", index=False)
    frame.rename(columns={"y": "z"}).to_csv(tmp_path / "target.csv", index=False)
    frame[:0].to_csv(tmp_path / "none.csv", index=False)
    frame[:1].to_csv(tmp_path / "one.csv", index=False)
    (tmp_path / "text.mdn").write_text("no model")
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(tmp_path / "dense.keras")
    for model, data, said in [
        ("model.mdn", "renamed.csv", "'b'"),
        ("model.mdn", "target.csv", "'y'"),
        ("model.mdn", "none.csv", "none.csv"),
        ("model.mdn", "nowhere.csv", "nowhere.csv"),
        ("text.mdn", "one.csv", "text.mdn"),
        ("nowhere.mdn", "one.csv", "nowhere.mdn"),
        ("dense.keras", "one.csv", "MDN"),
        ("one.csv", "one.csv", "one.csv"),
    ]:
        ran = run_here(tmp_path, "doctor", model, data)
        assert ran.exit_code == 2 and said in ran.stderr and ran.stderr.startswith("mdn: "), ran.output
        assert "Traceback" not in ran.output and len(ran.stderr.splitlines()) == 1
    assert "1. too few rows" in run_here(tmp_path, "doctor", "model.mdn", "one.csv").stdout
