"""What the mask of a masked array hides is missing, wherever rows, targets and sequences come in."""

import keras
import numpy as np
import pytest

import mdn
from mdn.doctor.networks import of_network
from mdn.masks import unmasked

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
