"""mdn.predict: which output of which model, and what comes back."""

import keras
import numpy as np
import pytest

import mdn

MIXTURE = mdn.MixtureSpec(mdn.NormalSpec(2), 3)
X = np.ones((6, 3), "float32")


def heads(names=("a", "b"), as_dict=False):
    inputs = keras.Input((3,))
    outputs = [
        mdn.MDN(MIXTURE, name=names[0])(inputs),
        keras.layers.Dense(1, name="plain")(inputs),
        mdn.MDN(mdn.NormalSpec(1), name=names[1])(inputs),
    ]
    return keras.Model(inputs, dict(zip((names[0], "plain", names[1]), outputs, strict=True)) if as_dict else outputs)


def test_batches_give_the_same_as_the_whole():
    model = keras.Sequential([keras.Input((3,)), mdn.MDN(MIXTURE)])
    x = np.random.default_rng(0).normal(size=(11, 3)).astype("float32")
    whole, parts = (keras.ops.convert_to_numpy(mdn.predict(model, x, batch_size=b).mean()) for b in (11, 4))
    np.testing.assert_allclose(whole, parts, rtol=1e-5, atol=1e-6)


def test_sequences_keep_their_time_axis():
    model = keras.Sequential([keras.Input((4, 3)), keras.layers.LSTM(5, return_sequences=True), mdn.MDN(MIXTURE)])
    assert mdn.predict(model, np.ones((2, 4, 3), "float32")).batch_shape == (2, 4)


def test_a_joint_spec_gives_a_joint():
    spec = mdn.JointSpec(offset=MIXTURE, pen=mdn.CategoricalSpec(3))
    model = keras.Sequential([keras.Input((3,)), mdn.MDN(spec)])
    assert isinstance(mdn.predict(model, X), mdn.Joint)


@pytest.mark.parametrize("as_dict", [False, True])
def test_one_of_several_outputs_is_named(as_dict):
    model = heads(as_dict=as_dict)
    assert isinstance(mdn.predict(model, X, output="a"), mdn.Mixture)
    assert isinstance(mdn.predict(model, X, output="b"), mdn.Normal)
    with pytest.raises(ValueError, match=r"say output= one of \['a', 'b'\]"):
        mdn.predict(model, X)
    with pytest.raises(ValueError, match="must be one of"):
        mdn.predict(model, X, output="plain")


def test_a_model_without_an_mdn_layer_says_so():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    with pytest.raises(ValueError, match="does not end in an MDN layer"):
        mdn.predict(model, X)


def test_a_subclassed_model_is_predicted():
    class Mine(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.head = keras.layers.Dense(4), mdn.MDN(MIXTURE)

        def call(self, inputs):
            return self.head(self.hidden(inputs))

    model = Mine()
    assert mdn.predict(model, X).batch_shape == (6,)


def test_a_subclassed_model_of_several_arrays_must_say_which_is_whose():
    class Mine(keras.Model):
        def __init__(self, named):
            super().__init__()
            self.named = named
            self.a, self.b = (
                mdn.MDN(mdn.NormalSpec(1), name=name).adapt(middle + np.linspace(-1.0, 1.0, 50)[:, None])
                for name, middle in (("a", 100.0), ("b", -100.0))
            )

        def call(self, inputs):
            found = self.b(inputs), self.a(inputs)
            return dict(zip("ba", found, strict=True)) if self.named else found

        def build(self, input_shape):
            self.built = True

    class One(Mine):
        def call(self, inputs):
            return [self.a(inputs)] if self.named else {"mine": self.a(inputs)}

    assert mdn.predict(One(named=True), X, output="a").batch_shape == (6,)
    with pytest.raises(ValueError, match=r"a dict with \['mine'\], but the MDN layer is called 'a'"):
        mdn.predict(One(named=False), X, output="a")
    with pytest.raises(ValueError, match="let its `call` return a dict"):
        mdn.predict(Mine(named=False), X, output="a")
    model = Mine(named=True)
    a, b = (keras.ops.convert_to_numpy(mdn.predict(model, X, output=name).mean()) for name in "ab")
    assert (a > b).all()


@pytest.mark.parametrize("names", [("h", "o"), ("h", "h_1")])
def test_a_layer_that_makes_two_outputs_gives_each_a_name(names):
    """Keras' own names, mdn and mdn_1, look like those of a second output."""
    inputs = keras.Input((3,))
    twice, other = (mdn.MDN(mdn.NormalSpec(1), name=name) for name in names)
    hidden = keras.layers.Dense(3)(inputs)
    model = keras.Model(inputs, [twice(inputs), twice(hidden), other(inputs)])
    params = model.predict(X, verbose=0)
    second = "h_1" if names[1] == "o" else "h_2"
    for place, name in enumerate((names[0], second, names[1])):
        found = mdn.predict(model, X, output=name)
        right = mdn.NormalSpec(1)(params[place])
        np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(one.mean()) for one in (found, right)))
