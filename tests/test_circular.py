"""Targets on a circle: the distribution `Circular`, and `MDNRegressor(period=...)`."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from keras import ops
from scipy import integrate, stats

import mdn
from commands import run_here
from gradients import value_and_gradients
from mdn.numerics import GRADIENT_BOUND, bound_gradient
from mdn.tabular.circular import DirectionSpec

WEIGHTS, LOC, KAPPA = np.array([0.5, 0.3, 0.2]), np.array([3.0, -2.9, 0.4]), np.array([20.0, 3.0, 400.0])
DEGREE = np.pi / 180.0


def three(low=0.0):
    angles = mdn.VonMises(LOC[:, None].astype("float32"), KAPPA[:, None].astype("float32"))
    return mdn.Circular(mdn.Mixture(np.log(WEIGHTS).astype("float32"), angles), period=360, low=low)


def density(y):
    return DEGREE * stats.vonmises(KAPPA, LOC).pdf(DEGREE * np.asarray(y)[..., None]) @ WEIGHTS


def probability(low, high):
    return integrate.quad(density, low, high, limit=500)[0]


def array(tensor):
    return np.asarray(ops.convert_to_numpy(tensor), "float64")


def apart(a, b):
    return np.abs((a - b + 180.0) % 360.0 - 180.0)


# ---- the distribution --------------------------------------------------------------------------------------------------


def test_a_circular_agrees_with_scipy_at_any_turn_and_counts_from_the_point_opposite_its_mean():
    ours, y = three(), np.array([[0.0], [90.0], [359.0], [23.0 - 720.0]])
    np.testing.assert_allclose(array(ours.prob(y)), density(y[:, 0]), rtol=1e-4, atol=1e-7)
    turns = np.linspace(0.0, 2 * np.pi, 20_001)[:-1]
    center = np.angle(np.mean(density(turns / DEGREE) * np.exp(1j * turns))) / DEGREE
    np.testing.assert_allclose(array(ours.mean()), [center % 360], rtol=1e-5)
    square = np.mean(density(turns / DEGREE) * apart(turns / DEGREE, center) ** 2) * 360
    np.testing.assert_allclose(array(ours.variance()), [square], rtol=1e-4)
    opposite = center - 180.0
    expected = [probability(opposite, opposite + (at - opposite) % 360) for at in y[:, 0]]
    np.testing.assert_allclose(array(ours.cdf(y)), expected, atol=1e-5)
    levels = np.array([0.01, 0.3, 0.5, 0.99])
    quantiles = array(ours.quantile(levels.astype("float32")))[:, 0]
    np.testing.assert_allclose([probability(opposite, each) for each in quantiles], levels, atol=1e-5)
    bounds = mdn.Interval([[350.0], [20.0], [-np.inf], [300.0], [-10.0]], [[370.0], [21.0], [90.0], [np.inf], [np.inf]])
    arcs = [(350, 370), (20, 21), (0, 90), (300, 360), (0, 360)]
    np.testing.assert_allclose(array(ours.prob(bounds)), [probability(*arc) for arc in arcs], atol=1e-5)
    draws = array(three(low=-180.0).sample(2000, seed=0))[:, 0]
    assert draws.min() >= -180.0 and draws.max() < 180.0
    assert stats.kstest(array(ours.cdf(draws[:, None])), "uniform").pvalue > 0.01


def test_the_crps_of_a_circular_is_that_of_distances_the_short_way_round():
    grid = (np.arange(2000) + 0.5) * 360 / 2000
    mass = density(grid) / density(grid).sum()
    pairs = mass @ apart(grid[:, None], grid) @ mass
    y = np.array([0.0, 90.0, 170.0, 359.0])
    expected = apart(y[:, None], grid) @ mass - 0.5 * pairs
    np.testing.assert_allclose(array(three().crps(y[:, None])), expected, rtol=1e-4)
    np.testing.assert_allclose(array(three().energy_score(y[:, None])), expected, rtol=1e-4)
    scale = np.array([[1e-2], [1e-3], [1e-5]], "float32")  # where the circle is a line
    sharp = mdn.Circular(mdn.VonMises(np.full((3, 1), 3.14, "float32"), 1 / scale**2), period=2 * np.pi)
    line = mdn.Normal(np.zeros((3, 1)), scale)
    np.testing.assert_allclose(array(sharp.crps(3.14 - scale)), array(line.crps(scale)), rtol=0.03)


def test_a_region_of_highest_density_is_arcs_and_one_that_passes_the_end_of_the_range_is_one_arc():
    found = mdn.highest_density_region(three(), 0.9)
    assert len(found) == 2
    np.testing.assert_allclose(density(found) / density(found).mean(), 1.0, rtol=1e-3)
    assert abs(sum(probability(*arc) for arc in found) - 0.9) < 1e-5
    opposite = mdn.Circular(
        mdn.Mixture(np.log([0.6, 0.4]), mdn.VonMises([[3.0], [0.0]], [[30.0], [30.0]])), 24.0, -12.0
    )
    found = mdn.highest_density_region(opposite, 0.99)  # of two peaks, the lower one lies opposite the mean
    assert found.shape == (2, 2) and (found[:, 0] >= -12.0).all() and (found[:, 0] < 12.0).all()
    assert ((found[:, 1] - found[:, 0] > 2.0) & (found[:, 1] - found[:, 0] < 8.0)).all()


def test_the_loss_of_directions_has_a_bounded_gradient_at_any_concentration():
    spec = mdn.MixtureSpec(DirectionSpec(1), 1)
    y = np.array([[0.0], [1e-6], [0.5], [3.1415925]] * 3, "float32")
    raw = np.tile(np.array([[1.0, 0.0, 0.0, 0.0]], "float32"), (12, 1))
    raw[:, 2] = np.repeat([-13.8, -6.9, 0.0], 4)  # concentrations of 1e12, 1e6 and 1

    def loss(tensors):
        blocks = [tensors[0][:, block] for block in spec.slices.values()]
        params = ops.concatenate(spec.constrain([bound_gradient(block) for block in blocks], None, None), axis=-1)
        return ops.sum(spec.nll(params, ops.convert_to_tensor(y), ops.convert_to_tensor(y == y)))

    value, (gradient,) = value_and_gradients(loss, [raw])
    assert np.isfinite(value) and np.isfinite(gradient).all() and np.abs(gradient).max() <= GRADIENT_BOUND
    kappa = 1.0 / np.exp(np.float32(raw[:, 2])) ** 2
    expected = np.clip(
        -kappa * np.sin(y[:, 0]), -GRADIENT_BOUND, GRADIENT_BOUND
    )  # by the second entry of the vector, at (1, 0)
    np.testing.assert_allclose(gradient[:, 1] / kappa, expected / kappa, rtol=1e-4, atol=2e-7)


def test_a_layer_learns_degrees_as_they_are_whatever_turns_they_have():
    rng = np.random.default_rng(0)
    spec = mdn.CircularSpec(mdn.MixtureSpec(mdn.VonMisesSpec(1), 2), period=360, low=-180)
    degrees = np.concatenate([rng.normal(178.0, 8.0, 300), rng.normal(40.0, 15.0, 200)])[:, None]
    exact = 0.6 * stats.vonmises(1 / (8.0 * DEGREE) ** 2, 178.0 * DEGREE).pdf(degrees * DEGREE)
    exact += 0.4 * stats.vonmises(1 / (15.0 * DEGREE) ** 2, 40.0 * DEGREE).pdf(degrees * DEGREE)
    for turns in (0.0, 3600.0):
        layer = mdn.MDN(spec)
        layer.adapt(degrees + turns)
        params = layer(np.zeros((500, 1), "float32"))
        nll = float(array(mdn.NegativeLogLikelihood(spec)((degrees + turns).astype("float32"), params)))
        assert nll < -np.log(DEGREE * exact).mean() + 0.1  # before any step of training
        assert np.abs(array(spec(params).sample(seed=0))).max() <= 180.0


def test_a_layer_of_angles_starts_as_well_wherever_on_the_circle_they_lie():
    rng = np.random.default_rng(0)
    angles = np.concatenate([rng.normal(3.1, 0.14, 300), rng.normal(0.7, 0.26, 200)])[:, None]
    for size in (1, 2):
        spec, found = mdn.MixtureSpec(mdn.VonMisesSpec(size), 2), []
        for turn in (0.0, 1.0, 3.14):
            y = np.concatenate([angles + turn, 0.3 - angles - turn], axis=1)[:, :size]
            params = mdn.MDN(spec).adapt(y)(np.zeros((500, 1), "float32"))
            found.append(float(array(mdn.NegativeLogLikelihood(spec)(y.astype("float32"), params))))
        np.testing.assert_allclose(found, found[0], atol=1e-4)


def test_a_layer_of_angles_starts_about_the_known_ones_if_a_coordinate_is_missing_throughout():
    y = np.stack([np.random.default_rng(0).normal(3.1, 0.1, 50), np.full(50, np.nan)], axis=1)
    params = array(mdn.MDN(mdn.MixtureSpec(mdn.VonMisesSpec(2), 2)).adapt(y)(np.zeros((1, 1), "float32")))
    # spread about it as a mixture of scale 1 that knows nothing
    about_the_mean = apart(params[0, [0, 2]] / DEGREE, 3.1 / DEGREE)
    assert np.isfinite(params).all() and about_the_mean.max() < 45.0


@pytest.mark.parametrize(
    ("made", "error", "words"),
    [
        (lambda: mdn.CircularSpec(mdn.VonMisesSpec(1), 360), TypeError, "MixtureSpec"),
        (lambda: mdn.CircularSpec(mdn.MixtureSpec(mdn.NormalSpec(1), 2), 360), TypeError, "mixture of angles"),
        (lambda: mdn.CircularSpec("VonMises", 360), TypeError, "'VonMises' came"),
        (lambda: mdn.CircularSpec(mdn.MixtureSpec(mdn.VonMisesSpec(2), 2), 360), ValueError, "one angle"),
        (lambda: mdn.CircularSpec(mdn.MixtureSpec(mdn.VonMisesSpec(1), 2), 0), ValueError, "positive"),
    ],
)
def test_a_spec_of_no_circle_is_refused_with_a_sentence(made, error, words):
    with pytest.raises(error, match=words):
        made()


# ---- a regressor -------------------------------------------------------------------------------------------------------


def wind(count, seed):
    """Directions that turn all the way round with the features, with a second peak 120 degrees further in a third of the rows."""
    rng = np.random.default_rng(seed)
    turn = rng.uniform(-np.pi, np.pi, count)
    y = turn + np.where(rng.uniform(size=count) < 0.3, 120 * DEGREE, 0.0) + rng.vonmises(0.0, 30.0, count)
    return np.column_stack([np.cos(turn), np.sin(turn)]), y / DEGREE % 360.0


def truth(X, y):
    """(the log density of each row, its mean direction)."""
    turn = np.arctan2(X[:, 1], X[:, 0])
    peaks = np.exp([stats.vonmises(30.0).logpdf(DEGREE * y - turn - each) for each in (0.0, 120 * DEGREE)])
    return np.log(DEGREE * (np.array([0.7, 0.3]) @ peaks)), turn / DEGREE + np.angle(
        0.7 + 0.3 * np.exp(120j * DEGREE)
    ) / DEGREE


@pytest.fixture(scope="module", name="fitted")
def _fitted():
    return mdn.MDNRegressor(num_components=3, feature_bins=0, epochs=40, period=360, random_state=0).fit(*wind(1500, 0))


@pytest.mark.jax
def test_directions_that_turn_all_the_way_round_are_learnt_and_a_line_does_not_learn_them(fitted):
    X, y = wind(2000, 1)
    log_prob, center = truth(X, y)
    scores = fitted.evaluate(X, y)
    assert scores.nll < -log_prob.mean() + 0.05
    assert scores.skill > 0.5 and scores.mixture_nll == pytest.approx(np.log(360), abs=0.05)
    assert all(abs(scores.coverage(share) - share) < 0.03 for share in (0.5, 0.9))
    mean = fitted.predict(X)
    assert mean.min() >= 0.0 and mean.max() < 360.0
    assert np.sqrt(np.mean(apart(mean, center) ** 2)) < 5.0
    np.testing.assert_allclose(scores.rmse, [np.sqrt(np.mean(apart(mean, y) ** 2))], rtol=1e-4)
    line = mdn.MDNRegressor(num_components=3, epochs=20, random_state=0).fit(*wind(1500, 0))
    assert np.sqrt(np.mean(apart(line.predict(X), center) ** 2)) > 20.0
    assert line.evaluate(X, y).nll > scores.nll + 0.05
    best = 1 - np.mean(1 - np.cos(DEGREE * (mean - y))) / (1 - abs(np.mean(np.exp(1j * DEGREE * y))))
    assert fitted.score(X, y) == pytest.approx(best, abs=1e-6)


@pytest.mark.jax
def test_arcs_hold_what_they_promise_modulo_the_period_after_a_file_and_a_calibration(fitted, tmp_path):
    X, y = wind(1000, 2)
    fitted.save(tmp_path / "wind.mdn")
    loaded = mdn.load(tmp_path / "wind.mdn")
    np.testing.assert_array_equal(
        loaded.predict_quantile(X[:9], [0.1, 0.9]), fitted.predict_quantile(X[:9], [0.1, 0.9])
    )
    with zipfile.ZipFile(tmp_path / "wind.mdn") as archive:
        assert json.loads(archive.read("mdn.json"))["format"] == 6
    loaded.calibrate(*wind(199, 3))
    arc = loaded.predict_interval(X, 0.9)
    assert (arc[:, 0] >= 0.0).all() and (arc[:, 0] < 360.0).all() and (arc[:, 1] > arc[:, 0]).all()
    assert (arc[:, 1] > 360.0).any()
    for inside in (
        (y - arc[:, 0]) % 360.0 <= arc[:, 1] - arc[:, 0],
        [
            np.any((one - each[:, 0]) % 360.0 <= each[:, 1] - each[:, 0])
            for one, each in zip(y[:200], loaded.predict_hdi(X[:200], 0.9), strict=True)
        ],
    ):
        assert 0.84 < np.mean(inside) < 0.97
    loaded.report(X[:12], y[:12], tmp_path / "wind.html")
    assert "lies on a circle of 360, from 0 to 360" in (tmp_path / "wind.html").read_text(encoding="utf-8")


def tiny(**settings):
    return mdn.MDNRegressor(**{"num_components": 2, "epochs": 3, "period": 24, "random_state": 0, **settings})


@pytest.mark.jax
def test_whole_turns_of_targets_change_nothing_and_negative_targets_move_the_range():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (120, 1)), rng.normal(0.0, 2.0, 120)
    answers = {}
    for name, targets in {
        "about 0": y,
        "in the range": y % 24.0,
        "turned": y + 24.0 * rng.integers(-1000, 1000, 120),
    }.items():
        fitted = tiny().fit(x, targets)
        answers[name] = fitted.predict(x), fitted.log_prob(x, targets), fitted.sample(x, 3, seed=0)
    for name, (mean, log_prob, draws) in answers.items():
        low = -12.0 if name == "about 0" else 0.0
        for found, expected in zip((mean, draws), (answers["about 0"][0], answers["about 0"][2]), strict=True):
            assert found.min() >= low and found.max() < low + 24.0
            np.testing.assert_allclose(np.abs((found - expected + 12.0) % 24.0 - 12.0), 0.0, atol=1e-4)
        np.testing.assert_allclose(log_prob, answers["about 0"][1], atol=1e-5)


@pytest.mark.jax
def test_rounded_directions_are_arcs_of_the_circle_whose_probabilities_sum_to_1():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (150, 1))
    y = np.round((20.0 * x[:, 0] + rng.normal(0.0, 40.0, 150)) / 10.0) * 10.0 % 360.0
    fitted = tiny(period=360).fit(x, y)
    np.testing.assert_array_equal(fitted.target_grid_, [10.0])
    cells = np.stack([10.0 * np.exp(fitted.log_prob(x[:8], np.full(8, each))) for each in np.arange(0.0, 360.0, 10.0)])
    np.testing.assert_allclose(cells.sum(axis=0), 1.0, atol=1e-5)
    above, below = (
        fitted.predict_probability(x[:8], above=[95.0, 355.0]),
        fitted.predict_probability(x[:8], below=[95.0, 355.0]),
    )
    np.testing.assert_allclose(above[:, 0] - above[:, 1], cells[10:].sum(axis=0), atol=1e-5)
    np.testing.assert_allclose(above + below, 1.0, atol=1e-5)
    assert stats.kstest(fitted.evaluate(x, y).pit[:, 0], "uniform").pvalue > 1e-3


@pytest.mark.parametrize(
    ("settings", "columns", "message"),
    [
        ({"period": 0}, 1, "`period` must be a positive number, such as 360 for degrees, or None, but 0 came"),
        ({"family": "auto"}, 1, "`family` must be 'normal' with `period`, but 'auto' came"),
        ({"bounds": (0, 24)}, 1, "`bounds` must be None with `period`"),
        ({"censoring": "right"}, 1, "`censoring` must be None with `period`"),
        ({"loss": "crps"}, 1, "`loss` must be 'nll' with `period`"),
        ({"target_noise": 0.1}, 1, "`target_noise` must be 0.0 with `period`"),
        ({}, 2, "`period` needs one target, but y has 2"),
    ],
)
def test_what_does_not_fit_a_circle_is_refused_in_one_sentence(settings, columns, message):
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=message):
        tiny(**settings).fit(rng.normal(size=(20, 1)), rng.normal(size=(20, columns)))


@pytest.mark.jax
@pytest.mark.project
def test_the_command_learns_hours_of_a_day(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 200)
    pd.DataFrame({"x": x.round(3), "hour": (x + rng.normal(0.0, 1.0, 200)) % 24, "other": x}).to_csv(
        tmp_path / "t.csv", index=False
    )
    fit = ("fit", "t.csv", "--period", "24", "--epochs", "2", "--components", "1", "--ignore", "other")
    ran = run_here(tmp_path, *fit, "--target", "hour", "--out", "hour.mdn")
    said = " ".join((ran.stdout + ran.stderr).split())
    assert ran.exit_code == 0 and "hour lies on a circle of 24, from 0 to 24, which are one and the same" in said, said
    assert "one von Mises, no features" in said and "one Gaussian" not in said
    ran = run_here(tmp_path, "predict", "hour.mdn", "t.csv", "--interval", ".9", "--mean", "--out", "p.csv")
    assert ran.exit_code == 0, ran.stderr
    found = pd.read_csv(tmp_path / "p.csv")
    assert found.hour_mean.between(0.0, 24.0).all() and (found.hour_low_90 < found.hour_high_90).all()
    ran = run_here(tmp_path, *fit[:-2], "--target", "hour", "--target", "other")
    assert ran.exit_code == 2 and "--period needs one --target, but 2 came" in " ".join(ran.stderr.split())
