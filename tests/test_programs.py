"""Programs on JAX: a model's step as one kernel, where XLA can make one, and as it always is, where it cannot."""

from typing import NamedTuple

import jax
import keras
import numpy as np
import pytest
from jax.extend.core import jaxprs_in_params
from keras import ops

import mdn
from mdn.kernels.inline import inline_device
from mdn.kernels.one_kernel import OneKernel
from mdn.sequences.program import _tensor, alone
from test_layer import SPECS, targets_of

pytestmark = pytest.mark.jax


@pytest.fixture(autouse=True)
def _kernels_are_on(monkeypatch):
    """These tests are about one kernel, whatever the environment of the suite says."""
    monkeypatch.delenv("MDN_KERNELS", raising=False)


def small(spec, **settings):
    keras.utils.set_random_seed(0)
    return mdn.MDNRNN(spec, units=(8, 6), **settings).adapt([targets_of(spec, 40).astype("float32")])


def chosen(model):
    """The program for one row of the rollout made last: whether it is one kernel."""
    kernel = list(model._rollouts.values())[-1]._run_one._run
    return kernel.run is not kernel._plain


@pytest.mark.parametrize("name", ["full", "low rank", "student", "angles", "mixed", "joint"])
def test_one_kernel_draws_what_many_draw(name, monkeypatch):
    model = small(SPECS[name])
    found = model.generate(20, prime=model.generate(3, seed=1), seed=2)
    assert chosen(model)
    assert "xla_cpu_small_call" in OneKernel(lambda x: x + 1.0).run.lower(1.0).as_text()
    model._rollouts.clear()
    monkeypatch.setattr(OneKernel, "__call__", lambda self, *arguments: self._plain(*arguments))
    many = model.generate(20, prime=model.generate(3, seed=1), seed=2)
    np.testing.assert_allclose(found, many, rtol=1e-5, atol=1e-5)


def test_what_no_kernel_holds_is_run_all_the_same():
    model = small(SPECS["plain normal"])

    def beyond(event, place):
        """Of NumPy, which XLA calls back."""
        return jax.pure_callback(lambda x: np.clip(x, -0.1, 0.1), jax.ShapeDtypeStruct(event.shape, event.dtype), event)

    found = model.generate(9, constrain=beyond, seed=0)
    assert not chosen(model)
    np.testing.assert_allclose(found, model.generate(9, constrain=lambda e, place: ops.clip(e, -0.1, 0.1), seed=0))
    assert chosen(model)
    stream = model.stream(constrain=beyond, seed=0)
    np.testing.assert_allclose(np.stack([stream.step() for _ in range(9)]), found[0], atol=1e-6)


def test_a_mistake_in_a_hook_is_said_as_it_is():
    with pytest.raises(ZeroDivisionError):
        small(SPECS["plain normal"]).generate(3, constrain=lambda event, place: event / (1 // 0))


def test_arguments_of_programs_may_be_named_tuples():
    class Pair(NamedTuple):
        first: object
        second: object

    found = _tensor(Pair(np.arange(2.0), [None, 3.0]))
    assert isinstance(found, Pair) and found.second[0] is None
    np.testing.assert_array_equal(ops.convert_to_numpy(found.first), [0.0, 1.0])
    assert float(found.second[1]) == 3.0


def test_programs_of_one_row_have_a_thread_to_themselves():
    """Not promised by XLA; if this fails after an update, rollouts and streams are slower, and still right."""
    assert inline_device() is not None
    assert alone() is not None


def in_loops(jaxpr, within=False):
    """How many operations of a program stand in loops."""
    found = 0
    for equation in jaxpr.eqns:
        found += within
        for inner in jaxprs_in_params(equation.params):
            found += in_loops(inner, within or equation.primitive.name == "while")
    return found


SEARCHED = [(mdn.StudentT, 3), (mdn.VonMises, 2), (mdn.Gamma, 2), (mdn.Beta, 2)]


@pytest.mark.parametrize(
    ("family", "parameters", "method", "argument"),
    [
        (mdn.TruncatedNormal, 4, "quantile", 0.3),
        *((*each, "quantile", 0.3) for each in SEARCHED),
        *((*each, "crps", [0.4]) for each in SEARCHED),
    ],
)
def test_no_derivative_is_taken_of_a_search(family, parameters, method, argument):
    """A search ends at a point that is held fixed: its derivatives would only be traced, computed and dropped."""

    def ours(arrays):
        return ops.sum(getattr(mdn.Mixture(arrays[0], family(*arrays[1:])), method)(argument))

    arrays = [np.zeros(2, "float32"), *(np.full((2, 1), 0.5 * (i + 1), "float32") for i in range(parameters))]
    value, gradient = (jax.make_jaxpr(function)(arrays).jaxpr for function in (ours, jax.grad(ours)))
    assert 0 < in_loops(gradient) <= in_loops(value)
