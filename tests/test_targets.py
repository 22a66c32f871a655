"""A regressor after a training that failed, and targets in every form in which they come."""

import keras
import numpy as np
import pandas as pd
import pytest

import mdn

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
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("mdn.tabular.partial.Member", pressed)
        regressor.partial_fit(X, Y)
    np.testing.assert_array_equal(*(each.partial_fit(X, Y).predict(X) for each in (regressor, other)))


def test_a_first_training_that_fails_leaves_a_regressor_that_is_not_fitted():
    regressor = quick()
    with pytest.raises(ValueError, match="validation_data"):
        _refit(regressor, validation_data=(X,))
    assert vars(regressor) == vars(quick())
