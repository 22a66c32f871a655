"""What the mask of a masked array hides is missing, wherever rows, targets and sequences come in."""

import keras
import numpy as np
import pytest

import mdn
from mdn.doctor.networks import of_network
from mdn.masks import unmasked
from mdn.sequences.conditions import as_conditions

MASK = np.random.default_rng(0).uniform(size=(60, 2)) > 0.7
SHOWN = np.random.default_rng(1).normal(size=(60, 2)).astype("float32")
HIDDEN = np.ma.masked_array(np.where(MASK, -9999.0, SHOWN), mask=MASK)
GONE = np.where(MASK, np.nan, SHOWN)


def test_masked_words_are_none_and_whole_arrays_keep_their_type():
    assert unmasked(np.ma.masked_array(["a", "b"], mask=[True, False])).tolist() == [None, "b"]
    assert unmasked(np.ma.masked_array([1, 2])).dtype.kind == "i"
    assert unmasked(SHOWN) is SHOWN


def test_baselines_leave_out_what_is_masked():
    features = np.ma.masked_array(np.where(MASK, 1e6, SHOWN), mask=MASK)
    one = mdn.metrics.Baseline(HIDDEN, 2, x=features)
    other = mdn.metrics.Baseline(GONE, 2, x=GONE)
    for name, answers in {"gaussian_nlls": (), "mixture_nlls": (), "line_nlls": (SHOWN,)}.items():
        np.testing.assert_array_equal(getattr(one, name)(*answers, HIDDEN), getattr(other, name)(*answers, GONE))


def test_layers_adapt_to_what_is_not_masked():
    spec = mdn.MixtureSpec(mdn.NormalSpec(2), 2)
    for make in (lambda: mdn.MDN(spec), mdn.layers.FeatureScaling):
        one, other = make(), make()
        for layer, rows in ((one, HIDDEN), (other, GONE)):
            layer.adapt(rows)
            if not layer.built:
                layer.build((None, 3))
        for found, expected in zip(one.non_trainable_variables, other.non_trainable_variables, strict=True):
            np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (found, expected)))


def test_a_network_learns_masked_targets_as_missing_ones():
    spec = mdn.MixtureSpec(mdn.NormalSpec(2), 1)
    found = []
    for y in (HIDDEN, GONE):
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((2,)), mdn.MDN(spec).adapt(y)])
        loss = mdn.NegativeLogLikelihood(spec)
        found.append(mdn.training.fit(model, SHOWN, y, loss, validation=(SHOWN, y), epochs=2).val_loss)
    np.testing.assert_array_equal(*found)
    assert np.isfinite(found).all()


def test_a_diagnosis_reads_masked_targets_as_missing_ones():
    spec = mdn.MixtureSpec(mdn.NormalSpec(2), 1)
    model = keras.Sequential([keras.Input((2,)), mdn.MDN(spec).adapt(GONE)])
    one, other = (of_network(model, SHOWN, y, (SHOWN, y), None, None) for y in (HIDDEN, GONE))
    np.testing.assert_array_equal(one.nll, other.nll)
    np.testing.assert_array_equal(one.training.nll, other.training.nll)


@pytest.mark.parametrize("form", [list, np.ma.stack], ids=["a list", "an array"])
def test_sequences_are_read_without_what_their_masks_hide(form):
    padded = HIDDEN.copy()
    padded[40:] = np.ma.masked  # as rows that fill up an array
    gone = np.where(np.ma.getmaskarray(padded), np.nan, SHOWN)
    known = ~np.isnan(gone).all(axis=1)
    known[40:] = False
    if form is list:
        masked, plain = [padded[known]], [gone[known]]
    else:
        padded[:40][~known[:40]] = gone[:40][~known[:40]] = 0.5
        masked, plain = form([padded, padded]), np.stack([gone, gone])
    for one, other in zip(mdn.sequences.as_sequences(masked, 2), mdn.sequences.as_sequences(plain, 2), strict=True):
        assert one.dtype == np.float32 and not isinstance(one, np.ma.MaskedArray)
        np.testing.assert_array_equal(one, other)


def test_what_a_mask_hides_is_missing_wherever_numbers_become_tensors():
    dist = mdn.Normal(np.zeros((60, 2), "float32"), np.ones((60, 2), "float32"))
    both = (keras.ops.convert_to_numpy(dist.log_prob_observed(rows)) for rows in (HIDDEN, GONE))
    np.testing.assert_array_equal(*both)
    spec, params = mdn.NormalSpec(2), np.tile(np.float32([0.0, 0.0, 1.0, 1.0]), (60, 1))
    assert float(mdn.NegativeLogLikelihood(spec)(HIDDEN, params)) == float(
        mdn.NegativeLogLikelihood(spec)(GONE, params)
    )
    values = np.ma.masked_array([0.5, 0.5, 0.99, 0.99], mask=[False, False, True, True])
    assert mdn.metrics.coverage(values, 0.9) == 1.0


def test_bins_and_least_squares_read_what_is_not_masked():
    bins = [mdn.layers.FeatureBins(4).adapt(rows) for rows in (HIDDEN, GONE)]
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(one.edges) for one in bins))
    baseline = mdn.metrics.Baseline(SHOWN, 1, x=SHOWN)
    np.testing.assert_array_equal(baseline.line(HIDDEN), baseline.line(GONE))


@pytest.mark.parametrize("lost", [np.ma.masked, np.nan, np.inf, -1.0])
def test_weights_that_are_none_are_refused(lost):
    spec = mdn.NormalSpec(2)
    model = keras.Sequential([keras.Input((2,)), mdn.MDN(spec)])
    weights = np.ma.ones(60)
    weights[3] = lost
    for given in ({"sample_weight": weights}, {"validation": (SHOWN, SHOWN, weights)}):
        with pytest.raises(ValueError, match="`sample_weight` must be finite numbers of at least 0"):
            mdn.training.fit(model, SHOWN, SHOWN, mdn.NegativeLogLikelihood(spec), epochs=1, **given)


def test_conditions_contexts_and_events_of_a_stream_have_no_hidden_numbers():
    hidden = np.ma.masked_array([[1.0], [7.0]], mask=[[False], [True]])
    with pytest.raises(ValueError, match="`condition` must hold finite numbers"):
        as_conditions(hidden, None, 2, 1, 0)
    with pytest.raises(ValueError, match="`context` must hold finite numbers"):
        as_conditions(None, [hidden, np.ones((3, 1))], 2, 0, 1)
    stream = mdn.MDNRNN(mdn.NormalSpec(1), units=(2,), lags=0).stream(seed=0)
    for feed in (lambda: stream.feed(hidden), lambda: stream.step(hidden[1])):
        with pytest.raises(ValueError, match="finite number"):
            feed()


def test_an_interval_reads_no_number_behind_a_mask():
    mask = [[False], [True]]
    lower, upper = np.ma.masked_array([[1.0], [9.0]], mask=mask), np.ma.masked_array([[2.0], [3.0]], mask=mask)
    found = np.asarray(mdn.Interval(lower, upper))
    assert found[0].tolist() == [1.0, 2.0] and np.isnan(found[1]).all()
    with pytest.raises(ValueError, match="one of two bounds of an Interval is NaN"):
        mdn.Interval(lower, upper.data)
