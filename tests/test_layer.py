"""The contract of the MDN layer: shapes, dtypes, packing, starts, and what a training step leaves."""

import itertools

import keras
import numpy as np
import pytest
from scipy import stats

import mdn

SPECS = {
    "diagonal": mdn.MixtureSpec(mdn.NormalSpec(2), 3),
    "isotropic": mdn.MixtureSpec(mdn.NormalSpec(2, covariance="isotropic"), 3),
    "full": mdn.MixtureSpec(mdn.NormalSpec(2, covariance="full"), 3),
    "low rank": mdn.MixtureSpec(mdn.NormalSpec(3, covariance=1), 2),
    "plain normal": mdn.NormalSpec(2),
    "laplace": mdn.MixtureSpec(mdn.LaplaceSpec(1), 2),
    "logistic": mdn.MixtureSpec(mdn.LogisticSpec(1), 2),
    "student": mdn.MixtureSpec(mdn.StudentTSpec(1), 2),
    "log-normal": mdn.MixtureSpec(mdn.LogNormalSpec(1), 2),
    "gamma": mdn.MixtureSpec(mdn.GammaSpec(1), 2),
    "weibull": mdn.MixtureSpec(mdn.WeibullSpec(1), 2),
    "beta": mdn.MixtureSpec(mdn.BetaSpec(1), 2),
    "truncated": mdn.MixtureSpec(mdn.TruncatedNormalSpec(1, -float("inf"), 2.0), 2),
    "angles": mdn.MixtureSpec(mdn.VonMisesSpec(1), 2),
    "degrees": mdn.CircularSpec(mdn.MixtureSpec(mdn.VonMisesSpec(1), 2), period=360.0),
    "categorical": mdn.CategoricalSpec(4),
    "bernoulli": mdn.BernoulliSpec(2),
    "mixed": mdn.MixtureSpec([mdn.NormalSpec(1), mdn.LaplaceSpec(1)], num_components=[3, 2]),
    "poisson": mdn.MixtureSpec(mdn.PoissonSpec(1), 2),
    "negative binomial": mdn.MixtureSpec([mdn.PoissonSpec(1), mdn.NegativeBinomialSpec(1)], [1, 2]),
    "rounded": mdn.RoundedSpec(mdn.MixtureSpec(mdn.NormalSpec(1), 2), lowest=0),
    "factorised": mdn.FactorisedSpec(2, 3),
    "spiked": mdn.SpikedSpec(
        mdn.TransformedSpec(mdn.MixtureSpec(mdn.NormalSpec(1), 2), mdn.bijections.Softplus()), [0.0]
    ),
    "joint": mdn.JointSpec(offset=mdn.MixtureSpec(mdn.NormalSpec(2), 3), pen=mdn.CategoricalSpec(3)),
}


def targets_of(spec, count=64, seed=0):
    """Plausible targets: from the distribution that a fresh layer predicts."""
    rng = np.random.default_rng(seed)
    params = np.asarray(keras.ops.convert_to_numpy(mdn.MDN(spec)(rng.normal(size=(count, 3)).astype("float32"))))
    y = np.asarray(keras.ops.convert_to_numpy(spec.join(spec(params).sample(seed=seed))))
    positive = isinstance(getattr(spec, "specs", [spec])[0], mdn.GammaSpec | mdn.WeibullSpec)
    return np.maximum(y, 1e-30) if positive else y  # draws of a small concentration may leave float32


@pytest.fixture(params=SPECS, name="spec")
def _spec(request):
    return SPECS[request.param]


@pytest.mark.parametrize("leading", [(5,), (2, 3), (2, 3, 4)])
def test_any_leading_axes_give_packed_parameters(leading):
    layer = mdn.MDN(SPECS["diagonal"])
    params = layer(np.ones((*leading, 6), "float32"))
    assert tuple(params.shape) == (*leading, 15)
    assert layer.compute_output_shape((*leading, 6)) == (*leading, 15)


def test_the_output_is_what_the_spec_takes_and_gives_back_to_the_bit(spec):
    layer = mdn.MDN(spec)
    params = keras.ops.convert_to_numpy(layer(np.random.default_rng(1).normal(size=(7, 4)).astype("float32")))
    assert params.shape == (7, spec.params_size)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(spec.pack(spec(params))), params)


def test_draws_from_packed_parameters_are_those_of_the_distribution(spec):
    params = mdn.MDN(spec)(np.random.default_rng(2).normal(size=(5, 4)).astype("float32"))
    straight, around = spec.sample(params, 3, seed=7), spec(params).sample(3, seed=7)
    for ours, theirs in zip(
        *(list(d.values()) if isinstance(d, dict) else [d] for d in (straight, around)), strict=True
    ):
        np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (ours, theirs)), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "policy"),
    [*((n, "mixed_float16") for n in SPECS), ("diagonal", "mixed_bfloat16"), ("diagonal", "float16")],
)
def test_parameters_are_float32_under_any_policy_and_a_step_leaves_finite_weights(name, policy):
    spec = SPECS[name]
    y = targets_of(spec)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        hidden = keras.layers.Dense(8, activation="relu")
        model = keras.Sequential([keras.Input((3,)), hidden, mdn.MDN(spec)])
        model.compile(optimizer=keras.optimizers.Adam(0.01), loss=mdn.NegativeLogLikelihood(spec))
        x = np.random.default_rng(0).normal(size=(len(y), 3)).astype("float32")
        loss = model.train_on_batch(x, y)
        assert hidden.compute_dtype in ("float16", "bfloat16")
        assert keras.backend.standardize_dtype(model(x).dtype) == "float32"
        assert np.isfinite(loss)
        assert all(np.isfinite(keras.ops.convert_to_numpy(w)).all() for w in model.weights)
    finally:
        keras.config.set_dtype_policy(before)


def test_a_training_step_lowers_the_loss(spec):
    y = targets_of(spec)
    x = np.random.default_rng(0).normal(size=(len(y), 3)).astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(8, activation="relu"), mdn.MDN(spec)])
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=mdn.NegativeLogLikelihood(spec))
    losses = [float(model.train_on_batch(x, y)) for _ in range(6)]
    assert losses[-1] < losses[0]


def test_the_config_gives_the_same_layer(spec):
    layer = mdn.MDN(spec, name="head")
    again = mdn.MDN.from_config(layer.get_config())
    assert again.name == "head"
    assert again.spec.get_config() == spec.get_config()
    assert type(again.spec) is type(spec)


def test_two_numbers_stand_for_a_mixture_of_diagonal_normals():
    for layer in (mdn.MDN(2, 5), mdn.MDN(output_dimension=2, num_mixtures=5)):
        assert layer.spec.params_size == (2 + 2 + 1) * 5
        assert [head.name for head in layer.heads] == ["mdn_mus", "mdn_sigmas", "mdn_pi"]


@pytest.mark.parametrize(
    ("arguments", "options"),
    [((), {}), ((2,), {}), ((mdn.NormalSpec(1), 5), {}), ((mdn.NormalSpec(1),), {"output_dimension": 2})],
)
def test_wrong_arguments_say_what_to_write(arguments, options):
    with pytest.raises(TypeError, match="MDN takes a spec"):
        mdn.MDN(*arguments, **options)


def test_components_start_apart():
    layer = mdn.MDN(1, 10)
    layer.build((None, 4))
    loc = np.sort(keras.ops.convert_to_numpy(layer.mdn_mus.bias))
    assert (np.diff(loc) > 0.1).all()
    assert -2.5 < loc[0] < -1.0 and 1.0 < loc[-1] < 2.5


@pytest.mark.parametrize("built_first", [False, True])
@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1e4, 1e5), (1e-6, 0.0)])
def test_adapt_starts_at_a_mixture_that_fits_the_targets_in_their_own_units(built_first, scale, shift):
    rng = np.random.default_rng(0)
    y = scale * np.concatenate([rng.normal(-5, 2, 1000), rng.normal(5, 3, 1000)])[:, None] + shift
    truth = -np.mean(
        np.log(
            0.5 * stats.norm.pdf(y, shift - 5 * scale, 2 * scale)
            + 0.5 * stats.norm.pdf(y, shift + 5 * scale, 3 * scale)
        )
    )
    layer = mdn.MDN(1, 5)
    x = np.zeros((len(y), 3), "float32")
    if built_first:
        layer(x)
    layer.adapt(y)
    nll = -np.mean(keras.ops.convert_to_numpy(layer.spec(layer(x)).log_prob(y)))
    assert abs(nll - truth) < 0.05
    shares = keras.ops.convert_to_numpy(layer.spec(layer(x[:1])).weights)[0]
    assert shares.min() > 0.01, "no component starts dead"


def test_adapt_takes_targets_with_missing_parts_and_of_every_family(spec):
    y = targets_of(spec, 256).astype("float64")
    y[::7, 0] = np.nan
    layer = mdn.MDN(spec).adapt(y)
    params = keras.ops.convert_to_numpy(layer(np.zeros((4, 3), "float32")))
    assert np.isfinite(params).all()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.zeros((5, 3)), r"shape \(\.\.\., 2\)"),
        (np.zeros((0, 2)), "at least one row"),
        (np.full((3, 2), np.nan), "NaN throughout"),
    ],
)
def test_adapt_refuses_what_it_cannot_learn_from(y, message):
    with pytest.raises(ValueError, match=message):
        mdn.MDN(2, 3).adapt(y)


def test_adapt_refuses_intervals_of_which_one_end_is_missing():
    with pytest.raises(ValueError, match="one of two bounds in `y` is NaN"):
        mdn.MDN(1, 2).adapt(np.array([[1.0, np.nan], [0.0, 1.0]]))


def test_adapt_refuses_bits_that_are_none():
    with pytest.raises(ValueError, match=r"BernoulliSpec\(1\) must be 0 or 1"):
        mdn.MDN(mdn.BernoulliSpec(1)).adapt(np.array([[1.0], [2.0]]))


def test_a_mask_passes_through():
    inputs = keras.Input((4, 2))
    outputs = mdn.MDN(1, 2)(keras.layers.Masking()(inputs))
    assert outputs._keras_mask is not None


def test_the_layer_works_inside_time_distributed_and_a_nested_model():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), mdn.MDN(2, 3)])
    model = keras.Sequential([keras.Input((5, 3)), keras.layers.TimeDistributed(inner)])
    assert mdn.predict(model, np.zeros((2, 5, 3), "float32")).batch_shape == (2, 5)


def test_the_place_of_targets_keeps_its_digits_in_half_precision():
    """bfloat16 knows 1000 and 1004, and nothing between."""
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        layer = mdn.MDN(mdn.NormalSpec(1)).adapt(1002.0 + np.linspace(-1.0, 1.0, 51)[:, None])
        model = keras.Sequential([keras.Input((1,)), layer])
        found = keras.ops.convert_to_numpy(mdn.predict(model, np.zeros((1, 1))).mean())
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_allclose(found, 1002.0, atol=0.01)


def test_a_layer_of_two_numbers_names_them_in_its_config():
    """Fault 12 of issue 18: keras-mdn-layer's own test asks for them; a layer of a spec names that."""
    config = mdn.MDN(2, 5).get_config()
    assert (config["output_dimension"], config["num_mixtures"]) == (2, 5)
    again = mdn.MDN.from_config(config)
    assert again.spec == mdn.MDN(SPECS["diagonal"].__class__(mdn.NormalSpec(2), 5)).spec
    assert again.get_config() == config
    assert "spec" in mdn.MDN(SPECS["diagonal"]).get_config()


@pytest.mark.parametrize("adapted", [(True, False), (False, True), (True, True)])
def test_weights_load_whether_or_not_either_head_was_adapted(adapted, tmp_path):
    """Fault 12 of issue 18: a head that was never adapted refused the file of one that was."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(6, 3)).astype("float32"), 100.0 + 20.0 * rng.normal(size=(40, 2))
    models = []
    for is_adapted in adapted:
        layer = mdn.MDN(2, 3)
        model = keras.Sequential([keras.Input((3,)), layer])
        models.append(model)
        if is_adapted:
            layer.adapt(y * len(models))
    saved, other = models
    saved.save_weights(tmp_path / "w.weights.h5")
    other.load_weights(tmp_path / "w.weights.h5")
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(model(x)) for model in models))
    other.layers[-1].adapt(y)
    np.testing.assert_allclose(other.layers[-1].target_scale, np.std(y, axis=0), rtol=0.3)


@pytest.mark.parametrize("name", ["diagonal", "laplace", "degrees", "categorical", "joint", "low rank"])
def test_what_comes_from_nan_is_nan_and_rows_beside_it_keep_their_answers(name):
    """A NaN among the features of a Keras model ended in a mean of 0, a variance of 0 and a quantile of 2e37."""
    spec = SPECS[name]
    params = np.random.default_rng(0).normal(size=(3, spec.params_size)).astype("float32")
    holed = np.where(np.arange(3)[:, None] == 1, np.nan, params).astype("float32")
    questions = {"mean": (), "variance": (), "covariance": (), "mode": (), "quantile": (0.3,), "interval": (0.8,)}
    asked = []
    for method, arguments in {**questions, "sample": ((), 0), "crps": (targets_of(spec, 3)[..., :1],)}.items():
        try:
            whole = keras.tree.flatten(getattr(spec(params), method)(*arguments))
        except ValueError:
            continue  # there is no such answer
        asked.append(method)
        for ours, right in zip(keras.tree.flatten(getattr(spec(holed), method)(*arguments)), whole, strict=True):
            ours, right = (keras.ops.convert_to_numpy(each) for each in (ours, right))
            assert np.isnan(ours[1]).all(), method
            np.testing.assert_allclose(ours[[0, 2]], right[[0, 2]], rtol=1e-6, err_msg=method)
    assert "sample" in asked and len(asked) > 1


def test_a_batch_is_indexed_as_an_array_is():
    loc = np.arange(24.0, dtype="float32").reshape(4, 3, 2, 1)
    batch = mdn.Mixture(np.zeros((4, 3, 2), "float32"), mdn.Normal(loc, np.ones_like(loc)))
    mean = keras.ops.convert_to_numpy(batch.mean())[..., 0]
    mask = np.arange(12).reshape(4, 3) % 3 == 0
    places = (mask, mask[:, 0], np.nonzero(mask), [1, 3], np.array([[2], [0]]), (slice(None), mask[0]))
    for index in (*places, (..., 0), (None, 1), -1, keras.ops.convert_to_tensor(mask)):
        right = mean[keras.ops.convert_to_numpy(index) if keras.ops.is_tensor(index) else index]
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(batch[index].mean())[..., 0], right)
    for index, said in (
        (np.ones((3, 3), bool), "boolean"),
        ((0, 0, 0), "2 axes"),
        ([7], "out of bounds"),
        (4, "no place 4"),
        (np.array(4), "no place 4"),
        (keras.ops.convert_to_tensor(-5), "no place -5"),
        ((..., -4), "no place -4"),
        ((None, 4), "no place 4"),
    ):
        with pytest.raises(IndexError, match=said):
            batch[index]


def encoded(x, edges):
    """The encoding of each feature in `x`, from lists of edges, by interpolation with NumPy; empty bins give 0."""
    columns = []
    for column, own in zip(x.T, edges, strict=True):
        for low, high in itertools.pairwise(own):
            columns.append(np.interp(column, [low, high], [0.0, 1.0]) if high > low else np.zeros(len(column)))
    return np.stack(columns, axis=1)


def test_bins_encode_features_as_interpolation_between_quantiles_does():
    rng = np.random.default_rng(0)
    x = np.stack([rng.exponential(size=400), rng.integers(3, size=400), np.full(400, 7.0)], axis=1).astype("float32")
    layer = mdn.layers.FeatureBins(4).adapt(x)
    edges = np.asarray(keras.ops.convert_to_numpy(layer.edges))
    np.testing.assert_allclose(edges[0], np.quantile(x[:, 0], np.linspace(0, 1, 5)), rtol=0.05)
    np.testing.assert_array_equal(edges[1], [0.0, 1.0, 2.0, 2.0, 2.0])
    at = np.concatenate([x, [[-1.0, 0.5, 8.0], [99.0, 1.25, 6.0]]]).astype("float32")
    found = keras.ops.convert_to_numpy(layer(at))
    truth = encoded(at.astype("float64"), edges)
    np.testing.assert_array_equal(found[:, :3], at)
    np.testing.assert_allclose(found[:, 3:], truth - truth[:400].mean(axis=0), atol=1e-5)


def test_bins_before_adapt_and_emptied_ones_say_nothing():
    layer = mdn.layers.FeatureBins(3)
    x = np.arange(8, dtype="float32").reshape(4, 2)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x))[:, 2:], 0.0)
    layer.adapt(x)
    assert np.ptp(keras.ops.convert_to_numpy(layer(x))[:, 2:]) > 0.5
    layer.empty()
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(x))[:, 2:], 0.0)


def test_bins_leave_missing_values_out_and_columns_without_values_empty():
    x = np.array([[0.0, np.nan], [np.nan, np.nan], [2.0, np.nan], [4.0, np.nan]], "float32")
    layer = mdn.layers.FeatureBins(2).adapt(x)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer.edges), [[0.0, 2.0, 4.0], [0.0, 0.0, 0.0]])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(layer.means), [[2 / 3, 1 / 3], [0.0, 0.0]], rtol=1e-6)


def test_a_model_with_bins_is_loaded_from_its_file(tmp_path):
    x = np.random.default_rng(0).normal(size=(50, 2)).astype("float32")
    scaling = mdn.layers.FeatureScaling().adapt(x)
    bins = mdn.layers.FeatureBins(3).adapt(keras.ops.convert_to_numpy(scaling(x)))
    assert np.ptp(keras.ops.convert_to_numpy(bins(scaling(x)))[:, 2:], axis=0).min() > 0.9
    model = keras.Sequential([keras.Input((2,)), scaling, bins, mdn.MDN(1, 2)])
    model.save(tmp_path / "bins.keras")
    np.testing.assert_array_equal(mdn.load(tmp_path / "bins.keras").predict(x, verbose=0), model.predict(x, verbose=0))


@pytest.mark.parametrize("bins", [0, -1, 2.5, True, "4"])
def test_bins_must_be_a_whole_number(bins):
    with pytest.raises(ValueError, match=f"`bins` must be an int of at least 1, but {bins!r} came"):
        mdn.layers.FeatureBins(bins)


def test_bins_of_sequences_are_refused():
    with pytest.raises(ValueError, match=r"shape \(batch, features\), but \(2, 3, 4\) came"):
        mdn.layers.FeatureBins(2)(np.zeros((2, 3, 4), "float32"))


def test_bins_keep_their_digits_under_any_dtype_policy():
    x = np.linspace(3.0, 3.001, 50, dtype="float32")[:, None]
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        found = keras.ops.convert_to_numpy(mdn.layers.FeatureBins(8).adapt(x)(x))
    finally:
        keras.config.set_dtype_policy(policy)
    assert found.dtype == np.float32 and len(np.unique(found[:, 1:], axis=0)) == 50
