"""Where targets and features are counted from must not matter: seconds since 1970 are learnt like seconds since noon."""

import warnings

import keras
import numpy as np
import pytest

import mdn
from mdn import initializers, metrics

FAR = 1.7e9
AWAY = np.array([0.0, FAR])  # of the features


@pytest.fixture(scope="module")
def fits():
    """A table, and the same network fitted to it, as it is and far from 0: (x, y, near, far)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2)) * [1.0, 1e-3]
    y = np.sin(3.0 * x[:, 0]) + 1e3 * x[:, 1] + 0.1 * rng.normal(size=200)
    settings = {"num_components": 2, "hidden_sizes": (8,), "epochs": 20, "feature_bins": 0, "random_state": 0}
    near = mdn.MDNRegressor(**settings).fit(x, y)
    far = mdn.MDNRegressor(**settings).fit(x + AWAY, y + FAR)
    return x, y, near, far


def test_a_table_far_from_0_is_learnt_as_the_same_table_near_0(fits):
    """Fault 11 of issue 18: targets and features became float32 before they were centred, and 1.7e9 has steps of 128."""
    x, y, near, far = fits
    there = x + AWAY
    assert near.target_origin_.tolist() == [0.0] and near.feature_origin_.tolist() == [0.0, 0.0]
    assert np.all(np.abs(far.target_origin_ - FAR) < 5.0)
    np.testing.assert_allclose(far.history_.loss, near.history_.loss, atol=2e-3)
    np.testing.assert_allclose(far.predict(there) - FAR, near.predict(x), atol=0.02)
    levels = [0.1, 0.5, 0.9]
    np.testing.assert_allclose(far.predict_quantile(there, levels) - FAR, near.predict_quantile(x, levels), atol=0.02)
    np.testing.assert_allclose(far.sample(there, 3, seed=0) - FAR, near.sample(x, 3, seed=0), atol=0.05)
    np.testing.assert_allclose(far.log_prob(there, y + FAR), near.log_prob(x, y), atol=0.1)
    # the network is what is compared, and not luck: it knows far more than the marginal
    assert near.score(x, y) > 0.5 and abs(far.score(there, y + FAR) - near.score(x, y)) < 0.01


def test_scores_and_baselines_do_not_hang_on_the_origin(fits):
    """Fault 11 of issue 18: the baselines beside a score were blurred too."""
    x, y, near, far = fits
    here, there = near.evaluate(x, y), far.evaluate(x + AWAY, y + FAR)
    np.testing.assert_allclose(
        [there.nll, there.gaussian_nll, there.mixture_nll], [here.nll, here.gaussian_nll, here.mixture_nll], atol=0.02
    )
    np.testing.assert_allclose(there.crps, here.crps, atol=0.01)
    np.testing.assert_allclose(there.rmse, here.rmse, atol=0.01)


def test_a_file_keeps_the_origin_and_one_without_an_origin_is_read_by_every_version(fits, tmp_path):
    """Fault 11 of issue 18: an older version, which knows no origin, must refuse the file instead of answering near 0."""
    x, _, near, far = fits
    far.save(tmp_path / "far.mdn")
    near.save(tmp_path / "near.mdn")
    np.testing.assert_array_equal(mdn.load(tmp_path / "far.mdn").predict(x + AWAY), far.predict(x + AWAY))
    np.testing.assert_array_equal(mdn.load(tmp_path / "near.mdn").predict(x), near.predict(x))
    formats = [mdn.models.read_description(tmp_path / name)["format"] for name in ("near.mdn", "far.mdn")]
    assert formats == [1, 2]


def test_an_origin_is_taken_off_only_where_float32_would_lose_digits():
    rng = np.random.default_rng(0)
    columns = [rng.normal(size=99), 2000.0 + 15.0 * rng.normal(size=99), FAR + rng.normal(size=99), np.full(99, FAR)]
    origin = initializers.far_origin(np.stack(columns, axis=1))
    assert origin[[0, 1, 3]].tolist() == [0.0, 0.0, 0.0] and abs(origin[2] - FAR) < 1.0
    assert initializers.far_origin(np.full((3, 1), np.nan)).tolist() == [0.0]


def test_baselines_far_from_0_are_those_near_0():
    y = np.random.default_rng(0).normal(size=(500, 2)) * [1.0, 30.0]
    near, far = metrics.Baseline(y), metrics.Baseline(y + FAR)
    np.testing.assert_allclose(far.gaussian_nll(y + FAR), near.gaussian_nll(y), atol=1e-5)
    np.testing.assert_allclose(far.mixture_nll(y + FAR), near.mixture_nll(y), atol=1e-3)


def test_a_layer_adapts_to_unix_times_that_float32_can_tell_apart():
    """Fault 11 of issue 18: a layer's output is float32 in the units of the data; its scaling and loss are as good as that."""
    y = 86_400.0 * np.random.default_rng(0).normal(size=(500, 1))
    losses = []
    for origin in (0.0, FAR):
        layer = mdn.MDN(1, 2)
        layer.build((None, 1))
        layer.heads[0].kernel.assign(np.zeros(layer.heads[0].kernel.shape))
        layer.adapt(y + origin)
        loss = mdn.NegativeLogLikelihood(layer.spec)(y + origin, layer(np.zeros((500, 1))))
        losses.append(float(keras.ops.convert_to_numpy(loss)))
        np.testing.assert_allclose(layer.target_scale, np.std(y), rtol=0.1)
    assert abs(losses[0] - losses[1]) < 2e-3


def test_a_layer_says_that_float32_does_not_hold_its_targets():
    """Fault 11 of issue 18: a scale of 1,700 was learnt for targets that differ by 1, without a word."""
    y = FAR + np.random.default_rng(0).normal(size=(50, 1))
    with pytest.warns(UserWarning, match=r"around 1.7e\+09 with a spread of .*apart by 128 only: subtract 1.7e\+09"):
        mdn.MDN(1, 2).adapt(y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mdn.MDN(1, 2).adapt(y - FAR)
        mdn.MDN(1, 2).adapt(np.full((50, 1), FAR))
