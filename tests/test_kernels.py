"""Each kernel computes what its plain code does, values and gradients; MDN_KERNELS=plain turns all of them off."""

import keras
import numpy as np
import pytest
from keras import ops

import mdn
from gradients import value_and_gradients
from mdn import kernels
from mdn.sequences.recurrent import Recurrent
from mdn.sequences.window import Window
from test_layer import SPECS, targets_of

RNG = np.random.default_rng(7)
CLOSE = {"rtol": 2e-5, "atol": 2e-5}


@pytest.fixture(name="both")
def _both(monkeypatch):
    """A function's results with kernels, and without."""

    def both(function):
        monkeypatch.delenv("MDN_KERNELS", raising=False)
        assert kernels.on()
        fast = function()
        monkeypatch.setenv("MDN_KERNELS", "plain")
        assert not kernels.on()
        return fast, function()

    return both


def assert_same(fast, plain):
    for one, other in zip(keras.tree.flatten(fast), keras.tree.flatten(plain), strict=True):
        np.testing.assert_allclose(ops.convert_to_numpy(one), ops.convert_to_numpy(other), **CLOSE)


def test_the_switch_takes_one_word(monkeypatch):
    monkeypatch.setenv("MDN_KERNELS", "off")
    with pytest.raises(ValueError, match=r"MDN_KERNELS may be 'plain'.*'off' came"):
        kernels.on()


@pytest.mark.parametrize("name", ["diagonal", "isotropic", "joint"])
def test_the_flat_mixture_is_the_likelihood_of_the_spec(name, both):
    spec = SPECS[name]
    params = ops.convert_to_numpy(mdn.MDN(spec)(RNG.normal(size=(12, 3)).astype("float32")))
    y = np.array(targets_of(spec, 12), "float32")
    y[::3, 0] = np.nan
    y[4] = np.nan
    loss = mdn.NegativeLogLikelihood(spec)
    target = ops.convert_to_tensor(y)
    assert_same(*both(lambda: value_and_gradients(lambda tensors: loss(target, tensors[0]), [params])))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_recurrent_layer_is_the_scan_of_its_steps(cell, both):
    layer = Recurrent(5, cell)
    layer.build((None, None, 3))
    x = RNG.normal(size=(4, 7, 3)).astype("float32")
    state = [RNG.normal(size=(4, 5)).astype("float32") for _ in range(layer.state_size)]

    def found():
        def total(tensors):
            outputs, last = layer(tensors[0], tensors[1:])
            return ops.sum(ops.sin(outputs)) + sum(ops.sum(part) for part in last)

        return value_and_gradients(total, [x, *state])

    assert_same(*both(found))


def test_a_window_is_the_scan_of_its_steps(both):
    layer = Window(5, context_size=3, components=2)
    layer.build((None, None, 2))
    x, context = RNG.normal(size=(2, 6, 2)).astype("float32"), RNG.normal(size=(2, 4, 3)).astype("float32")

    def found():
        def total(tensors):
            states = layer.states(
                tensors[0], [np.zeros((2, width), "float32") for width in layer.state_widths], tensors[1]
            )
            return sum(ops.sum(ops.sin(part)) for part in states)

        return value_and_gradients(total, [x, context])

    assert_same(*both(found))


@pytest.mark.parametrize("rows", [1, 3])
def test_a_stream_and_a_rollout_are_those_of_plain_programs(rows, both):
    def found():
        keras.utils.set_random_seed(0)
        model = mdn.MDNRNN(SPECS["joint"], units=(6, 5)).adapt([targets_of(SPECS["joint"], 40).astype("float32")])
        stream = model.stream(rows, seed=3)
        steps = [stream.step(np.full(3, 0.1, "float32")), *(stream.step() for _ in range(5))]
        stream.state = 0.5 * stream.state
        return [*steps, stream.step(), stream.state, model.generate(6, rows, seed=3)]

    assert_same(*both(found))


@pytest.mark.jax
def test_a_stream_notices_at_any_step_that_its_state_lies_elsewhere(monkeypatch):
    model = mdn.MDNRNN(SPECS["joint"], units=(6,)).adapt([targets_of(SPECS["joint"], 40).astype("float32")])
    plain, moved = model.stream(seed=1), model.stream(seed=1)
    for number in range(6):
        if number == 3:  # XLA gives the next state another place than the one before
            step = moved._step
            moved._step = lambda state, step=step: step(state) + 0.0
        np.testing.assert_allclose(moved.step(), plain.step(), rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(moved.state, plain.state, rtol=1e-6, atol=1e-6)
