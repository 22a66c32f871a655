"""Losses and the NLL metric: values against formulas of SciPy, weights, masks, missing targets, reductions."""

import keras
import numpy as np
import pytest
from scipy import special, stats

import mdn
from mdn import kernels
from mdn.random import Draws, key_from
from test_layer import SPECS, targets_of


def parameters(spec, count=50, seed=0):
    rng = np.random.default_rng(seed)
    layer = mdn.MDN(spec)
    layer.build((None, 3))
    for head in layer.heads:
        head.kernel.assign(rng.normal(size=head.kernel.shape))
    return keras.ops.convert_to_numpy(layer(rng.normal(size=(count, 3)).astype("float32")))


def number(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


@pytest.mark.parametrize("name", SPECS)
def test_the_nll_is_minus_log_prob_for_every_spec(name):
    spec = SPECS[name]
    params, y = parameters(spec), targets_of(spec, 50)
    expected = -number(spec(params).log_prob(y))
    ours = number(mdn.NegativeLogLikelihood(spec, reduction="none")(y, params))
    assert ours.shape == (50,)
    np.testing.assert_allclose(ours, expected, rtol=2e-5, atol=2e-5)
    np.testing.assert_allclose(
        number(mdn.NegativeLogLikelihood(spec)(y, params)), expected.mean(), rtol=2e-5, atol=2e-5
    )


@pytest.mark.parametrize("covariance", ["diagonal", "isotropic"])
def test_the_fast_nll_is_that_of_scipy(covariance):
    spec = mdn.MixtureSpec(mdn.NormalSpec(3, covariance=covariance), 4)
    params, y = parameters(spec).astype("float64"), np.random.default_rng(5).normal(size=(50, 3))
    loc, rest = params[:, :12].reshape(50, 4, 3), params[:, 12:]
    width = 12 if covariance == "diagonal" else 4
    scale, logits = rest[:, :width].reshape(50, 4, -1), rest[:, width:]
    log_joint = special.log_softmax(logits, axis=-1) + stats.norm.logpdf(y[:, None], loc, scale).sum(-1)
    expected = -special.logsumexp(log_joint, axis=-1)
    np.testing.assert_allclose(
        number(mdn.NegativeLogLikelihood(spec, reduction="none")(y, params)), expected, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("covariance", ["diagonal", "isotropic", "full", 1])
def test_a_missing_coordinate_is_integrated_out(covariance):
    spec = mdn.MixtureSpec(mdn.NormalSpec(3, covariance=covariance), 4)
    params, y = parameters(spec), np.random.default_rng(5).normal(size=(50, 3)).astype("float32")
    missing = np.random.default_rng(6).random(y.shape) < 0.4
    holed = np.where(missing, np.nan, y)
    ours = number(mdn.NegativeLogLikelihood(spec, reduction="none")(holed, params))
    parts = spec(params)
    loc, weights = (number(part).astype("float64") for part in (parts.components.mean(), parts.weights))
    if covariance == "full":  # from the factor: rounded to float32, its square need not be definite
        factor = number(parts.components.scale_tril).astype("float64")
        cov = factor @ np.swapaxes(factor, -1, -2)
    else:
        cov = number(parts.components.covariance()).astype("float64")
    for row in range(50):
        seen = np.flatnonzero(~missing[row])
        if not len(seen):
            assert ours[row] == 0.0
            continue
        densities = [
            stats.multivariate_normal.logpdf(y[row, seen], m[seen], c[np.ix_(seen, seen)], allow_singular=True)
            for m, c in zip(loc[row], cov[row], strict=True)
        ]
        expected = -special.logsumexp(densities, b=weights[row])
        np.testing.assert_allclose(ours[row], expected, rtol=1e-3, atol=1e-3)


def test_wholly_missing_targets_weigh_nothing():
    spec = SPECS["diagonal"]
    params, y = parameters(spec, 4), np.ones((4, 2), "float32")
    y[1] = np.nan
    each = number(mdn.NegativeLogLikelihood(spec, reduction="none")(y, params))
    assert each[1] == 0.0
    np.testing.assert_allclose(number(mdn.NegativeLogLikelihood(spec)(y, params)), each.sum() / 3, rtol=1e-6)
    np.testing.assert_array_equal(number(mdn.NegativeLogLikelihood(spec)(np.full((4, 2), np.nan), params)), 0.0)


def test_missing_parts_of_a_joint_leave_the_other_part():
    spec = SPECS["joint"]
    params = parameters(spec, 3)
    y = targets_of(spec, 3).astype("float32")
    parts = spec(params).parts
    offset, pen = number(parts["offset"].log_prob(y[:, :2])), number(parts["pen"].log_prob(y[:, 2:]))
    y[0, 2], y[1, :2] = np.nan, np.nan
    ours = number(mdn.NegativeLogLikelihood(spec, reduction="none")(y, params))
    np.testing.assert_allclose(ours, -np.array([offset[0], pen[1], offset[2] + pen[2]]), rtol=1e-5, atol=1e-6)


def test_weights_count_for_all_steps_of_their_sequence():
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 2)
    params = parameters(spec, 12).reshape(3, 4, -1)
    y = np.random.default_rng(0).normal(size=(3, 4, 1)).astype("float32")
    each = number(mdn.NegativeLogLikelihood(spec, reduction="none")(y, params))
    weights = np.array([0.0, 1.0, 3.0], "float32")
    for shaped in (weights, np.repeat(weights[:, None], 4, 1), np.repeat(weights[:, None], 4, 1)[..., None]):
        total = number(mdn.NegativeLogLikelihood(spec, reduction="sum")(y, params, shaped))
        np.testing.assert_allclose(total, (each * weights[:, None]).sum(), rtol=1e-5)
        mean = number(mdn.NegativeLogLikelihood(spec, reduction="mean_with_sample_weight")(y, params, shaped))
        np.testing.assert_allclose(mean, (each * weights[:, None]).sum() / 16, rtol=1e-5)


def masked_model(spec, unroll=False):
    keras.utils.set_random_seed(3)
    inputs = keras.Input((5, 2))
    hidden = keras.layers.LSTM(4, return_sequences=True)(keras.layers.Masking(mask_value=-9.0)(inputs))
    return keras.Model(inputs, mdn.MDN(spec)(hidden))


def ragged(count=7):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(count, 5, 2)).astype("float32"), rng.normal(size=(count, 5, 1)).astype("float32")
    lengths = np.arange(count) % 5 + 1
    seen = np.arange(5) < lengths[:, None]
    x[~seen] = -9.0
    return x, y, seen


def test_masking_lstm_mdn_gives_exactly_the_hand_masked_mean():
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 3)
    model, (x, y, seen) = masked_model(spec), ragged()
    model.compile(loss=mdn.NegativeLogLikelihood(spec))
    each = -number(spec(model.predict(x, verbose=0)).log_prob(y))
    for weights in (None, np.arange(7.0)):
        w = np.ones(7) if weights is None else weights
        expected = (each * seen * w[:, None]).sum() / seen.sum()
        np.testing.assert_allclose(
            model.evaluate(x, y, sample_weight=weights, batch_size=7, verbose=0), expected, rtol=1e-5
        )
        np.testing.assert_allclose(model.train_on_batch(x, y, sample_weight=weights), expected, rtol=1e-5)
        model = masked_model(spec)  # the step has moved it
        model.compile(loss=mdn.NegativeLogLikelihood(spec))


def test_the_nll_metric_is_the_same_at_every_batch_size_where_keras_loss_is_not():
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 3)
    model, (x, y, seen) = masked_model(spec), ragged()
    y[2, 0] = np.nan
    weights = np.linspace(0.5, 2.0, 7)
    model.compile(loss=mdn.NegativeLogLikelihood(spec), weighted_metrics=[mdn.metrics.NLL(spec)])
    each = -number(spec(model.predict(x, verbose=0)).log_prob(np.nan_to_num(y)))
    counted = seen * weights[:, None] * ~np.isnan(y[..., 0])
    expected = (each * counted).sum() / counted.sum()
    results = [
        model.evaluate(x, y, sample_weight=weights, batch_size=b, verbose=0, return_dict=True) for b in (1, 2, 4, 7)
    ]
    np.testing.assert_allclose([result["nll"] for result in results], expected, rtol=1e-5)
    assert np.ptp([result["loss"] for result in results]) > 1e-3, "the trouble that the metric is for"


def test_crps_and_energy_score_are_those_of_the_distribution():
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 3)
    params, y = parameters(spec), np.random.default_rng(1).normal(size=(50, 1)).astype("float32")
    expected = number(spec(params).crps(y))
    np.testing.assert_allclose(number(mdn.CRPS(spec)(y, params)), expected.mean(), rtol=1e-5)
    energies = [number(mdn.EnergyScore(spec, num_samples=64)(y + s * 1e-7, params)) for s in range(3)]
    np.testing.assert_allclose(energies, expected.mean(), rtol=0.1)
    with pytest.raises(ValueError, match="EnergyScore"):
        mdn.CRPS(SPECS["diagonal"])


def test_the_energy_score_draws_anew_at_each_step_of_a_training():
    spec = SPECS["diagonal"]
    model = keras.Sequential([keras.Input((3,)), mdn.MDN(spec)])
    model.compile(optimizer=keras.optimizers.SGD(0.01), loss=mdn.EnergyScore(spec, num_samples=4))
    x, y = np.ones((16, 3), "float32"), np.ones((16, 2), "float32")
    losses = [model.train_on_batch(x, y) for _ in range(4)]
    assert len({float(value) for value in losses}) == 4


@pytest.mark.parametrize("rows", [8, 1024])
def test_the_noise_of_an_energy_score_changes_with_parameters_of_any_number(rows):
    """Of more than some 1,300 numbers every step had the same noise."""
    rng = np.random.default_rng(0)
    params = rng.normal(size=(rows, 15)).astype("float32")
    moved = [
        keras.ops.convert_to_tensor(params + 1e-3 * rng.normal(size=params.shape).astype("float32")) for _ in range(30)
    ]
    keys = [key_from(tensor) for tensor in moved]
    assert len({number(Draws(key).normal((4,))).tobytes() for key in keys}) > 25


def gradient(loss, y, params):
    """d Σ loss / d params on any backend, through a layer whose weights are the parameters."""
    from gradients import value_and_gradients

    return value_and_gradients(lambda p: keras.ops.sum(loss.call(keras.ops.convert_to_tensor(y), p[0])), [params])[1][0]


@pytest.mark.parametrize("covariance", ["diagonal", "isotropic"])
def test_the_natural_gradient_is_that_of_the_paper(covariance):
    spec = mdn.MixtureSpec(mdn.NormalSpec(2, covariance=covariance), 3)
    params = parameters(spec, 20)
    y = np.random.default_rng(2).normal(size=(20, 2)).astype("float32")
    mixture = spec(params)
    rho = number(mixture.responsibilities(y)).astype("float64")
    pi = number(mixture.weights).astype("float64")
    loc, scale = (number(part).astype("float64") for part in (mixture.components.loc, mixture.components.scale))
    z = (y[:, None] - loc) / scale
    ratio = (rho / pi)[..., None]
    by_loc = scale**2 * (-ratio * z / scale)
    slope = -ratio * (z**2 - 1.0) / scale
    by_scale = scale**2 / 2.0 * slope
    if covariance == "isotropic":
        by_scale = (scale[..., :1] ** 2 / 2.0) * slope.sum(-1, keepdims=True) / 2.0
    by_logits = -(rho / pi) + pi * (rho / pi).sum(-1, keepdims=True)
    expected = np.concatenate([by_loc.reshape(20, -1), by_scale.reshape(20, -1), by_logits], axis=-1)
    ours = number(gradient(mdn.NaturalGradientEM(spec), y, params))
    np.testing.assert_allclose(ours, expected, rtol=2e-3, atol=2e-4)
    value = number(mdn.NaturalGradientEM(spec, reduction="none")(y, params))
    np.testing.assert_allclose(value, -number(mixture.log_prob(y)), rtol=1e-4, atol=1e-5)


def test_steps_of_the_natural_gradient_are_in_units_of_the_target_scale():
    spec = mdn.MixtureSpec(mdn.NormalSpec(2), 3)
    params, y = parameters(spec, 20), np.random.default_rng(2).normal(size=(20, 2)).astype("float32")
    units = np.append(np.tile([0.25, 4.0], 6), np.ones(3))  # of locations, scales and logits
    plain = number(gradient(mdn.NaturalGradientEM(spec), y, params))
    scaled = number(gradient(mdn.NaturalGradientEM(spec, target_scale=[2.0, 0.5]), y, params))
    np.testing.assert_allclose(scaled, units * plain, rtol=1e-5, atol=1e-37)  # below it floats lose digits


@pytest.mark.jax
def test_the_natural_gradient_is_one_program_for_all_target_scales():
    from mdn import losses

    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 3)
    params, y = parameters(spec, 7), np.zeros((7, 1), "float32")
    mdn.NaturalGradientEM(spec)(y, params)
    programs = losses._natural_gradient._cache_size()
    for scale in (0.5, 2.0, 3.0):
        mdn.NaturalGradientEM(spec, target_scale=[scale])(y, params)
    assert losses._natural_gradient._cache_size() == programs


@pytest.mark.jax
@pytest.mark.parametrize("loss", [mdn.NegativeLogLikelihood, mdn.NaturalGradientEM, mdn.CRPS, mdn.EnergyScore])
def test_the_gradient_of_a_compiled_loss_is_that_of_the_loss(loss):
    """JAX could not differentiate a compiled likelihood of a mixture of normals, which closed over the targets."""
    import jax

    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 3)
    params, y = parameters(spec, 8), np.random.default_rng(2).normal(size=(8, 1)).astype("float32")
    settings = {"target_scale": [2.0]} if loss is mdn.NaturalGradientEM else {}

    def value(params, y):
        keras.utils.set_random_seed(0)
        return keras.ops.sum(loss(spec, **settings).call(y, params))

    expected = (
        gradient(loss(spec, **settings), y, params) if loss is not mdn.EnergyScore else jax.grad(value)(params, y)
    )
    np.testing.assert_allclose(jax.grad(jax.jit(value))(params, y), expected, rtol=1e-5, atol=1e-6)
    # The kernels of these losses know no gradient by the targets; the plain likelihood has one
    if loss is mdn.NaturalGradientEM or (loss is mdn.NegativeLogLikelihood and kernels.on()):
        with pytest.raises(TypeError, match="a gradient by the targets was asked for"):
            jax.grad(value, argnums=1)(params, y)


@pytest.mark.parametrize("loss", [mdn.NegativeLogLikelihood, mdn.NaturalGradientEM, mdn.CRPS, mdn.EnergyScore])
def test_a_loss_survives_its_config(loss):
    made = loss(mdn.MixtureSpec(mdn.NormalSpec(1), 3), name="mine")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(made))
    assert type(again) is loss
    assert again.name == "mine"
    assert again.get_config() == made.get_config()


def test_targets_of_the_wrong_size_say_so():
    spec = SPECS["diagonal"]
    with pytest.raises(ValueError, match="must end in an axis of 2"):
        mdn.NegativeLogLikelihood(spec)(np.ones((4, 3)), parameters(spec, 4))
    with pytest.raises(TypeError, match="must be a spec"):
        mdn.NegativeLogLikelihood(3)


@pytest.mark.parametrize("size", [1, 2])
def test_targets_of_other_axes_than_the_parameters_are_refused(size):
    """They were scored under the distribution of every row: a net that sees nothing has the smallest such loss."""
    spec = mdn.MixtureSpec(mdn.NormalSpec(size), 2)
    flat, y = parameters(spec, 4), np.ones((4, size), "float32")
    wrong = [(y[:, None], flat), (y[:, None], np.repeat(flat[:, None], 3, axis=1)), (y[:3], flat)]
    wrong += [(y, flat[:, None])] if size > 1 else []
    for target, params in wrong:
        for score in (mdn.NegativeLogLikelihood(spec), mdn.metrics.NLL(spec).update_state):
            with pytest.raises(ValueError, match="one row for each distribution"):
                score(target, params)
    if size == 1:  # the axis of the target is left out
        found = mdn.NegativeLogLikelihood(spec)(y, flat[:, None])
        np.testing.assert_allclose(float(found), float(mdn.NegativeLogLikelihood(spec)(y, flat)), rtol=1e-6)


@pytest.mark.parametrize("shape", [(1,), (3,), (4, 1, 1, 1)])
def test_weights_of_other_rows_than_the_targets_are_refused(shape):
    spec = mdn.NormalSpec(1)
    for score in (mdn.NegativeLogLikelihood(spec), mdn.metrics.NLL(spec).update_state):
        with pytest.raises(ValueError, match="one number for each row or step"):
            score(np.ones((4, 1)), parameters(spec, 4), sample_weight=np.ones(shape))


def test_an_interval_of_which_one_end_is_missing_has_no_loss():
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 2)
    loss, params = mdn.NegativeLogLikelihood(spec, reduction="none"), parameters(spec, 4)
    bounds = np.array([[-1.0, np.nan], [np.nan, 1.0], [np.nan, np.nan], [-1.0, 1.0]], "float32")
    found = keras.ops.convert_to_numpy(loss(bounds, params))
    assert np.isnan(found[:2]).all() and found[2] == 0.0 and found[3] > 0.0


def test_the_metric_adds_up_many_rows_whatever_the_dtype_of_keras():
    spec = mdn.NormalSpec(1)
    before = keras.config.floatx()
    try:
        keras.config.set_floatx("bfloat16")
        metric = mdn.metrics.NLL(spec)
        for _ in range(400):
            metric.update_state(np.zeros((1, 1), "float32"), np.array([[0.0, 1.0]], "float32"))
    finally:
        keras.config.set_floatx(before)
    np.testing.assert_allclose(float(metric.result()), 0.5 * np.log(2.0 * np.pi), rtol=1e-4)


def test_the_metric_of_a_training_counts_no_padded_step_and_callbacks_know_its_direction():
    """On JAX, Keras' training step asks metrics with predictions that have lost their mask."""
    spec, (x, y, seen) = mdn.MixtureSpec(mdn.NormalSpec(1), 2), ragged()
    y[~seen] = 1e4  # nonsense
    model = masked_model(spec)
    model.compile(keras.optimizers.SGD(0.0), mdn.NegativeLogLikelihood(spec), metrics=[mdn.metrics.NLL(spec)])
    stops = keras.callbacks.EarlyStopping("val_nll", patience=5)
    history = model.fit(x, y, epochs=1, batch_size=7, verbose=0, validation_data=(x, y), callbacks=[stops]).history
    np.testing.assert_allclose(history["nll"], history["val_nll"], rtol=1e-4)
    np.testing.assert_allclose(history["nll"], history["loss"], rtol=1e-4)  # one batch
