"""Beside keras-mdn-layer 1.0 itself, in one process: same arguments, same packing, same results, and its files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from scipy import stats

import mdn

SRC = Path(mdn.__file__).resolve().parent.parent
D, K = 2, 4
PARAMS = np.concatenate(
    [
        np.random.default_rng(0).normal(size=(50, D * K)),
        np.exp(np.random.default_rng(1).normal(size=(50, D * K))),
        np.random.default_rng(2).normal(size=(50, K)),
    ],
    axis=-1,
).astype("float32")


@pytest.fixture(scope="module", name="original")
def _original():
    import keras_mdn_layer

    return keras_mdn_layer


def number(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def test_the_loss_gives_the_same_figure(original):
    y = np.random.default_rng(3).normal(size=(50, D)).astype("float32")
    ours = number(mdn.get_mixture_loss_func(D, K)(y, PARAMS))
    theirs = number(
        original.get_mixture_loss_func(D, K)(keras.ops.convert_to_tensor(y), keras.ops.convert_to_tensor(PARAMS))
    )
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


def test_the_layer_with_the_same_weights_gives_the_same_parameters(original):
    x = np.random.default_rng(4).normal(size=(20, 3)).astype("float32")
    theirs, ours = original.MDN(D, K), mdn.MDN(D, K)
    theirs(x), ours(x)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(number(ours(x)), number(theirs(x)), rtol=1e-5, atol=1e-6)


def test_parameters_are_split_alike_and_wrong_sizes_raise_both_kinds_of_error(original):
    for ours, theirs in zip(
        mdn.split_mixture_params(PARAMS[0], D, K), original.split_mixture_params(PARAMS[0], D, K), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)
    for kind in (AssertionError, ValueError):
        with pytest.raises(kind, match="must end in an axis of 20"):
            mdn.split_mixture_params(PARAMS[0, :-1], D, K)


def test_softmax_and_the_activation_agree(original):
    w = np.random.default_rng(5).normal(size=7)
    for t in (1.0, 0.3, 2.0):
        np.testing.assert_allclose(mdn.softmax(w, t), original.softmax(w, t), rtol=1e-6)
    x = np.linspace(-5, 5, 11).astype("float32")
    np.testing.assert_allclose(
        number(mdn.elu_plus_one_plus_epsilon(x)), number(original.elu_plus_one_plus_epsilon(x)), rtol=1e-5
    )


def test_draws_have_the_right_distribution_for_one_row_and_for_a_batch():
    np.random.seed(0)  # noqa: NPY002 - the original's generator
    row = PARAMS[0]
    batch = mdn.sample_from_output(np.tile(row, (4000, 1)), D, K, temp=0.7, sigma_temp=0.5)
    assert batch.shape == (4000, D)
    assert mdn.sample_from_output(row, D, K).shape == (D,)
    mus, sigmas, logits = mdn.split_mixture_params(row.astype("float64"), D, K)
    weights = mdn.softmax(logits, 0.7)
    for d in range(D):

        def cdf(x, d=d):
            parts = zip(weights, mus[d::D], sigmas[d::D], strict=True)
            return sum(w * stats.norm.cdf(x, m, s * np.sqrt(0.5)) for w, m, s in parts)

        assert stats.kstest(batch[:, d], cdf).pvalue > 1e-4
    draws = number(mdn.get_mixture_sampling_fun(D, K)(np.tile(row, (4000, 1))))
    assert draws.shape == (4000, D)


def test_a_component_is_never_out_of_range():
    # the original returns -1 where rounding leaves the sum of the weights below the uniform number
    dist = np.float32([0.1] * 10) * (1 - 1e-6)
    draws = [mdn.sample_from_categorical(dist) for _ in range(200)]
    assert min(draws) >= 0 and max(draws) <= 9
    assert mdn.sample_from_categorical([0.0, 1.0, 0.0]) == 1


def test_the_accuracy_metric_is_the_squared_distance_of_a_draw():
    narrow = PARAMS.copy()
    narrow[:, D * K : 2 * D * K], narrow[:, 2 * D * K :] = 1e-6, [100.0, 0.0, 0.0, 0.0]
    y = np.zeros((50, D), "float32")
    expected = np.mean(narrow[:, :D] ** 2, axis=-1)
    np.testing.assert_allclose(number(mdn.get_mixture_mse_accuracy(D, K)(y, narrow)), expected, rtol=1e-3, atol=1e-6)


WRITE = """
import sys, json, os
import keras, numpy as np
import keras_mdn_layer as original
keras.utils.set_random_seed(0)
x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
y = np.random.default_rng(1).normal(size=(64, 2)).astype("float32")
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8, activation="relu"), original.MDN(2, 4)])
model.compile(optimizer="adam", loss=original.get_mixture_loss_func(2, 4))
model.fit(x, y, epochs=1, verbose=0)
model.save(sys.argv[1])
print(json.dumps([model.predict(x, verbose=0).tolist(), float(model.evaluate(x, y, verbose=0, batch_size=64))]))
"""


@pytest.mark.parametrize("how", [mdn.load, keras.saving.load_model])
def test_a_file_of_the_original_opens_without_custom_objects(how, tmp_path):
    path = tmp_path / "old.keras"
    environment = os.environ | {"PYTHONPATH": str(SRC), "KERAS_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", WRITE, str(path)], env=environment, capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    params, loss = json.loads(ran.stdout.splitlines()[-1])
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    y = np.random.default_rng(1).normal(size=(64, 2)).astype("float32")
    model = how(path)
    np.testing.assert_allclose(model.predict(x, verbose=0), params, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0, batch_size=64), loss, rtol=1e-5)
    assert mdn.predict(model, x).batch_shape == (64,)
    model.fit(x, y, epochs=1, verbose=0)
    model.save(tmp_path / "new.keras")
    np.testing.assert_allclose(
        how(tmp_path / "new.keras").predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-6
    )


def test_a_users_own_custom_objects_go_first():
    objects = keras.saving.get_custom_objects()
    before = objects["MDN"]
    try:
        objects["MDN"] = "mine"
        from mdn import compat

        compat.register()
        assert objects["MDN"] == "mine"
    finally:
        objects["MDN"] = before
