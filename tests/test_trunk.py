"""Layers of the user's own in place of the hidden ones: images, sequences, several inputs."""

import keras
import numpy as np
import pytest
from keras import layers, ops
from sklearn.base import clone

import mdn

RNG = np.random.default_rng(0)
NOISE = 0.3


def images(count):
    """8 x 8 images, of which one column is bright, and targets that are the number of this column and some noise."""
    column = RNG.integers(8, size=count)
    pictures = RNG.random((count, 8, 8, 1))
    pictures[np.arange(count), :, column] += 1.0
    return pictures, column + NOISE * RNG.normal(size=count)


def quick(trunk, **settings):
    return mdn.MDNRegressor(
        **{"num_components": 1, "epochs": 3, "random_state": 0, "refit": False, "trunk": trunk, **settings}
    )


def pooled():
    """A small trunk with layers that have a state: statistics of batches, and noise."""
    return keras.Sequential(
        [
            layers.Conv2D(8, (8, 1), activation="relu"),
            layers.BatchNormalization(),
            layers.Flatten(),
            layers.Dropout(0.05),
            layers.Dense(16, "relu"),
        ]
    )


@pytest.fixture(scope="module")
def seeing():
    return quick(pooled(), epochs=60, ensemble_size=2, refit=True).fit(*images(300))


@pytest.mark.project
def test_a_column_of_an_image_is_seen(seeing):
    scores = seeing.evaluate(*images(200))
    assert scores.nll < min(scores.gaussian_nll, scores.mixture_nll) - 1.0
    assert abs(scores.coverage(0.9) - 0.9) < 0.1


@pytest.mark.project
def test_members_start_apart_and_do_not_share_weights(seeing):
    first, second = (member.weights for member in seeing.members_)
    assert any(not np.array_equal(*pair) for pair in zip(first, second, strict=True))
    again = clone(seeing).set_params(epochs=1, ensemble_size=1)
    once, twice = again.fit(*images(60)), clone(again)
    x, y = images(60)
    np.testing.assert_array_equal(once.fit(x, y).predict(x), twice.fit(x, y).predict(x))


@pytest.mark.project
def test_a_file_holds_a_keras_model_as_trunk(seeing, tmp_path):
    x, y = images(20)
    seeing.save(tmp_path / "m.keras")
    again = mdn.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.log_prob(x, y), seeing.log_prob(x, y))
    np.testing.assert_array_equal(again.sample(x, 2, seed=0), seeing.sample(x, 2, seed=0))
    assert clone(again).set_params(epochs=1).fit(x, y).predict(x).shape == (20,)


@pytest.mark.project
def test_the_report_and_the_importances_take_an_image_for_one_column(seeing, tmp_path):
    x, y = images(40)
    assert seeing.importances(x, y, repeats=1).nll[0] > 1.0
    seeing.report(x, y, tmp_path / "r.html")
    assert "What matters" in (tmp_path / "r.html").read_text()
    with pytest.raises(ValueError, match="partial dependence needs a table with columns"):
        seeing.partial_dependence(x, "X")


def text_and_table(inputs):
    words = layers.GlobalAveragePooling1D()(layers.Embedding(5, 4)(inputs["words"]))
    return layers.Dense(16, "tanh")(layers.Concatenate()([words, inputs["table"]]))


def mixed(count):
    words, table = RNG.integers(0, 5, (count, 6)), RNG.normal(size=(count, 2))
    return {"words": words, "table": table}, (words == 2).sum(1) + table[:, 0] + NOISE * RNG.normal(size=count)


@pytest.mark.project
def test_a_function_takes_a_dict_of_texts_and_numbers(tmp_path):
    x, y = mixed(300)
    model = quick(text_and_table, epochs=60, calibration="conformal").fit(x, y)
    new, seen = mixed(100)
    scores = model.evaluate(new, seen)
    assert scores.nll < min(scores.gaussian_nll, scores.mixture_nll) - 0.7
    both = model.importances(new, seen, repeats=1)
    assert both.names == ("words", "table") and (both.nll > 0.5).all()
    model.save(tmp_path / "m.keras")
    with pytest.raises(ValueError, match="learnt with a function as `trunk`, which no file can hold"):
        mdn.load(tmp_path / "m.keras")
    again = mdn.load(tmp_path / "m.keras", trunk=text_and_table)
    np.testing.assert_array_equal(again.predict_interval(new), model.predict_interval(new))
    with pytest.raises(ValueError, match="`trunk` makes other layers than those that"):
        mdn.load(tmp_path / "m.keras", trunk=lambda inputs: layers.Dense(3)(inputs["table"]))


def test_a_list_of_inputs_is_that_of_its_matrices_side_by_side():
    x, y = RNG.normal(size=(60, 4)), RNG.normal(size=60)
    halves = quick(lambda inputs: layers.Dense(8, "tanh")(ops.concatenate(inputs, axis=-1)))
    whole = quick(lambda inputs: layers.Dense(8, "tanh")(inputs))
    apart = [x[:, :1], x[:, 1:]]
    np.testing.assert_allclose(halves.fit(apart, y).predict(apart), whole.fit(x, y).predict(x), rtol=1e-5, atol=1e-6)


def test_weights_that_are_not_trainable_stay(tmp_path):
    x, y = 10.0 + 3.0 * RNG.normal(size=(60, 3)), RNG.normal(size=60)
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    scaling, frozen = layers.Normalization(), layers.Dense(4)
    scaling.adapt(x)
    frozen.trainable = False
    model = quick(keras.Sequential([keras.Input((3,)), scaling, frozen])).fit(x, y)
    by_hand = quick(keras.Sequential([keras.Input((3,)), frozen])).fit(scaled, y)
    kernel = ops.convert_to_numpy(frozen.kernel)
    assert any(np.array_equal(kernel, weight) for weight in model.members_[0].weights)
    np.testing.assert_allclose(model.predict(x), by_hand.predict(scaled), rtol=1e-3, atol=1e-3)
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(mdn.load(tmp_path / "m.keras").predict(x), model.predict(x))


WRONG = {
    "rank": (lambda x: x, {}, r"`trunk` must return features of the shape \(batch, units\), but \(None, 2, 2\) came"),
    "no trunk": (3, {}, "`trunk` must be a Keras model or layer, or a function .* but int came"),
    "missing": (layers.Flatten(), {"x": np.full((9, 2, 2), np.nan)}, "X must be finite, since a trunk gets numbers as they"),
    "text": (layers.Flatten(), {"x": np.full((9, 2), "a")}, "X must hold numbers, but its dtype is"),
    "one axis": (layers.Flatten(), {"x": {"a": np.zeros(9)}}, r"'a' must have the shape \(N, ...\), but \(9,\) came\. A number"),
    "rows": (layers.Flatten(), {"x": [np.zeros((9, 1)), np.zeros((8, 1))]}, r"the same number of rows, .* they have \[9, 8\]"),
    "a shared layer": ((lambda made: lambda x: made(layers.Flatten()(x)))(layers.Dense(2)), {}, "must make its layers each time"),
    "noise": (layers.Flatten(), {"feature_noise": 0.1}, "`feature_noise` must be 0 with a `trunk`"),
    "bins": (layers.Flatten(), {"feature_bins": 4}, "`feature_bins` must be 0 with a `trunk`"),
    "a checkpoint": (lambda x: layers.Flatten()(x), {"checkpoint": "."}, "`checkpoint` needs a Keras model as `trunk`"),
}  # fmt: skip


@pytest.mark.project
@pytest.mark.parametrize("wrong", WRONG)
def test_what_no_trunk_can_take_is_refused_in_a_sentence(wrong):
    trunk, settings, said = WRONG[wrong]
    settings = dict(settings)
    x, checkpoint = settings.pop("x", RNG.normal(size=(9, 2, 2))), settings.pop("checkpoint", None)
    with pytest.raises(ValueError, match=said):
        quick(trunk, **settings).fit(x, RNG.normal(size=9), checkpoint=checkpoint)


@pytest.mark.project
def test_other_arrays_than_in_training_are_refused(seeing):
    with pytest.raises(ValueError, match=r"X must have the shape \(N, 8, 8, 1\), but \(2, 8, 8\) came"):
        seeing.predict(np.zeros((2, 8, 8)))
    with pytest.raises(ValueError, match="X must be one array, as in training, but dict came"):
        seeing.predict({"a": np.zeros((2, 8, 8, 1))})
