"""A spec owns its layout: blocks by name, likelihoods, what a network reads of a target, and moved distributions."""

import importlib
import pickle

import keras
import numpy as np
import pytest

import mdn
from mdn import backend
from mdn.distributions.spec import ComponentSpec
from mdn.sequences.sampler import Noise, Sampler
from test_layer import SPECS, targets_of

MOVED = (
    "diagonal",
    "isotropic",
    "full",
    "low rank",
    "plain normal",
    "laplace",
    "logistic",
    "student",
    "mixed",
    "factorised",
)
RNG = np.random.default_rng(5)


def numbers(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def params_of(spec, count=6):
    return numbers(mdn.MDN(spec)(RNG.normal(size=(count, 3)).astype("float32")))


@pytest.mark.parametrize("name", SPECS)
def test_slices_tile_the_packed_vector_in_the_order_of_the_heads(name):
    spec = SPECS[name]
    places = np.arange(spec.params_size)
    np.testing.assert_array_equal(np.concatenate([places[block] for block in spec.slices.values()]), places)
    assert [(key, block.stop - block.start) for key, block in spec.slices.items()] == list(spec.heads)


@pytest.mark.parametrize("name", SPECS)
def test_draws_are_nan_where_a_parameter_is(name):
    spec = SPECS[name]
    params, sampler = params_of(spec, 3), Sampler(spec)
    draw = backend.compiled(sampler.__call__)
    noise = [keras.ops.convert_to_tensor(each) for each in sampler.parted(Noise(0, 3, sampler).steps(1)[0])]

    def lost(drawn):
        return np.stack([np.isnan(numbers(part)).any(axis=-1) for part in keras.tree.flatten(drawn)])

    for place in {0, spec.params_size // 2, spec.params_size - 1}:
        broken = params.copy()
        broken[1, place] = np.nan
        for drawn in (spec.sample(broken, seed=0), draw(keras.ops.convert_to_tensor(broken), *noise)):
            assert all((rows == [False, True, False]).all() for rows in lost(drawn)), f"parameter {place}"


def test_each_nan_among_many_parameters_is_noticed():
    """A maximum over 200 numbers, as XLA computes it, loses a NaN."""
    spec = mdn.MixtureSpec(mdn.NormalSpec(2), 40)
    params = np.tile(params_of(spec, 1), (spec.params_size + 1, 1))
    params[np.arange(spec.params_size), np.arange(spec.params_size)] = np.nan
    drawn = numbers(spec.sample(params, seed=0))
    assert np.isnan(drawn[:-1]).all() and np.isfinite(drawn[-1]).all()


def test_a_spec_is_hashed_once_and_equal_ones_alike(monkeypatch):
    spec, other = (mdn.MixtureSpec([mdn.NormalSpec(1), mdn.LaplaceSpec(1)], [2, 1]) for _ in range(2))
    asked, config = [], mdn.MixtureSpec.get_config
    monkeypatch.setattr(mdn.MixtureSpec, "get_config", lambda self: [asked.append(self), config(self)][1])
    assert hash(spec) == hash(spec) == hash(spec) and spec == spec and len(asked) == 1
    assert hash(other) == hash(spec) and other == spec and hash(mdn.NormalSpec(1)) != hash(spec)
    assert vars(pickle.loads(pickle.dumps(other))).keys() == vars(mdn.MixtureSpec(mdn.NormalSpec(1), 2)).keys()


@pytest.mark.parametrize("name", SPECS)
def test_the_likelihood_of_a_spec_is_that_of_its_distribution(name):
    spec = SPECS[name]
    params, y = params_of(spec), targets_of(spec, 6).astype("float32")
    exact = -numbers(spec(params).log_prob(y))

    compiled = backend.compiled(spec.nll)

    def nll(*arrays):
        return numbers(compiled(*map(keras.ops.convert_to_tensor, arrays)))

    np.testing.assert_allclose(nll(params, y, np.ones(y.shape, bool)), exact, rtol=2e-5, atol=2e-5)
    nothing = nll(params, np.zeros_like(y), np.zeros(y.shape, bool))
    np.testing.assert_allclose(nothing, np.zeros(6), atol=1e-5)
    for wrong in (params[:, 1:], np.concatenate([params, params], axis=1)):
        with pytest.raises(mdn.ShapeError, match=f"params_size={spec.params_size}"):
            nll(wrong, y, np.ones(y.shape, bool))


@pytest.mark.parametrize("name", SPECS)
def test_moved_parameters_are_those_of_the_moved_distribution_or_an_error(name):
    spec = SPECS[name]
    if name not in MOVED:
        with pytest.raises(ValueError, match="cannot be moved"):
            spec.shift_matrix()
        return
    params, by = params_of(spec), RNG.normal(size=(6, spec.target_size)).astype("float32")
    y = targets_of(spec, 6).astype("float32")
    moved = spec(params + by @ spec.shift_matrix())
    np.testing.assert_allclose(numbers(moved.log_prob(y + by)), numbers(spec(params).log_prob(y)), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", SPECS)
def test_what_a_network_reads_has_the_width_that_the_spec_says(name):
    spec = SPECS[name]
    scaled = {part: lambda y: 10.0 * y for part, one in spec.named_parts.items() if one.kind == "number"}
    y = targets_of(spec, 6).astype("float32")
    read = numbers(spec.encode(keras.ops.convert_to_tensor(y), scaled))
    assert read.shape == (6, spec.encoded_size)
    assert len(spec.column_kinds) == spec.target_size
    if name == "joint":
        np.testing.assert_allclose(read[:, :2], 10.0 * y[:, :2], rtol=1e-6)
        np.testing.assert_array_equal(read[:, 2:].argmax(axis=1), y[:, 2])
        assert spec.column_kinds == ("number", "number", "class")


@pytest.mark.parametrize("count", [0, 2.5, True, "3"])
def test_a_count_that_is_no_whole_number_from_1_is_named(count):
    for make in (lambda: mdn.NormalSpec(count), lambda: mdn.CategoricalSpec(count)):
        with pytest.raises(ValueError, match=f"must be an int of at least 1, but {count!r} came"):
            make()
    assert mdn.MixtureSpec(mdn.NormalSpec(np.int64(2)), np.int64(3)).counts == [3]


@pytest.mark.parametrize("where", ["test_extremes", "test_layer"])
def test_no_family_is_missing_in_the_lists_of_other_tests(where):
    module = importlib.import_module(where)
    listed = [spec for spec, _ in module.specs(1, 5)] if where == "test_extremes" else module.SPECS.values()
    names = "".join(str(keras.saving.serialize_keras_object(spec)) for spec in listed)
    specs = {name: getattr(mdn, name) for name in mdn.__all__ if name.endswith("Spec")}
    families = {name for name, spec in specs.items() if issubclass(spec, ComponentSpec)}
    assert {"NormalSpec", "LaplaceSpec", "WeibullSpec"} <= families
    families -= {"BernoulliSpec", "CategoricalSpec"} if where == "test_extremes" else set()  # they take no numbers
    assert not {name for name in families if f"'{name}'" not in names and f">{name}'" not in names}
