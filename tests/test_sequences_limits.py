"""MDN-RNNs at the edges of what they may be given: one event, very many, and arguments that mean nothing."""

import time
import tracemalloc

import keras
import numpy as np
import pytest
from keras import ops

import mdn
from mdn.sequences import ragged, scores
from programs import program

SPEC = mdn.MixtureSpec(mdn.NormalSpec(2), 3)
PEN = mdn.JointSpec(offset=mdn.MixtureSpec(mdn.NormalSpec(2), 2), pen=mdn.CategoricalSpec(3))
RNG = np.random.default_rng(0)


def small(spec=SPEC, **settings):
    keras.utils.set_random_seed(0)
    events = RNG.normal(size=(50, 2))
    if spec is PEN:
        events = np.concatenate([events, RNG.integers(0, 3, (50, 1))], axis=1)
    return mdn.MDNRNN(spec, units=(8,), **settings).adapt([events])


def test_sequences_of_one_event_are_learned_scored_and_gone_on_from():
    model, ones = small(), [RNG.normal(size=(1, 2)) for _ in range(5)]
    model.fit(ones, ones[:2], epochs=1, verbose=0)
    first = model.spec(model(np.full((1, 1, 2), np.nan, "float32")))
    for found, one in zip(model.log_prob(ones), ones, strict=True):
        expected = ops.convert_to_numpy(first.log_prob(one[None].astype("float32")))[0]
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert model.generate(steps=3, prime=ones[0], seed=0).shape == (1, 3, 2)
    small().fit(ones, epochs=1, window=4, batch_size=2, verbose=0)


@pytest.mark.jax
def test_a_prime_of_a_hundred_thousand_events_is_read_whole_in_bounded_time_and_memory():
    """The state after it is that of reading it in pieces; what is kept meanwhile is about the prime and its noise."""
    model = small(positions=(0, 1))
    prime = RNG.normal(0, 0.1, size=(100_000, 2)).astype("float32")
    model.generate(steps=1, prime=prime[:10], seed=0)
    tracemalloc.start()
    start = time.process_time()
    found = model.generate(steps=1, prime=prime, variance_temperature=0.0, seed=1)[0, 0]
    assert time.process_time() - start < 30.0
    assert tracemalloc.get_traced_memory()[1] < 20 * prime.nbytes
    tracemalloc.stop()
    state, before = model.first_state(1), ragged.shifted(np.concatenate([prime, prime[:1]])[None])
    unroll = program(model, "unroll", model.unroll)
    for first in range(0, before.shape[1], 20_000):
        params, state = unroll(before[:, first : first + 20_000], state)
    means = ops.convert_to_numpy(model.spec(params[:, -1]).components.loc)[0]
    assert np.min(np.abs(means - found).max(axis=-1)) < 1e-3  # without variance the next event is one of the means


def test_densities_of_sequences_of_many_lengths_are_found_by_few_programs(monkeypatch):
    """Fault 17 of issue 18: each length of batches had a program of its own for the densities, minutes of compiling in all."""
    model, sizes, really = small(), [], scores._log_prob_observed
    params = np.asarray(ops.convert_to_numpy(model(np.full((1, 1, 2), np.nan, "float32"))))[0]

    def counted(params, y, spec):
        assert len(params) == len(y) and not np.isnan(y).all(axis=-1).any(), "what lies behind an end is no step"
        sizes.append(len(y))
        return really(params, y, spec=spec)

    monkeypatch.setattr(scores, "_log_prob_observed", counted)
    monkeypatch.setattr(model, "predict_on_batch", lambda before: np.tile(params, (len(before), before.shape[1], 1)))
    lengths = np.clip(np.exp(RNG.normal(3.0, 1.2, 400)), 1, 250).astype(int)
    sequences = [RNG.normal(size=(length, 2)) for length in [*lengths, 250, 1]]
    sequences[0][0, 0] = np.nan
    found = model.log_prob(sequences)
    assert len(set(ragged.bucket_lengths(list(map(len, sequences)), 8))) == 8 and len(set(sizes)) <= 2
    assert list(map(len, found)) == list(map(len, sequences))
    events = np.concatenate(sequences).astype("float32")
    expected = ops.convert_to_numpy(model.spec(params).log_prob_observed(events))
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=1e-5, atol=1e-5)


ARGUMENTS = {
    "no steps": (dict(steps=0), "`steps` must be at least 1, but 0 came"),
    "negative": (
        dict(steps=2, component_temperature=-1.0),
        "`component_temperature` must be a finite number, 0 or above",
    ),
    "no number": (
        dict(steps=2, variance_temperature=np.nan),
        "`variance_temperature` must be a finite number, 0 or above",
    ),
    "infinite": (
        dict(steps=2, variance_temperature=np.inf),
        "`variance_temperature` must be a finite number, 0 or above",
    ),
    "empty prime": (
        dict(steps=2, prime=np.empty((0, 2))),
        r"`prime`: each must have shape \(steps, 2\) with at least one",
    ),
    "wide prime": (dict(steps=2, prime=np.ones((4, 3))), r"`prime`: each must have shape \(steps, 2\).*has \(4, 3\)"),
    "infinite prime": (dict(steps=2, prime=np.full((4, 2), np.inf)), "`prime`: step 0 of sequence 0 is"),
    "primes": (
        dict(steps=2, batch_size=3, prime=[np.ones((4, 2))]),
        "must be one sequence or batch_size=3 of them, but 1",
    ),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_generate_refuses_what_means_nothing(case):
    settings, message = ARGUMENTS[case]
    with pytest.raises(ValueError, match=message):
        small().generate(**settings)


TRAINING = {
    "batch": (dict(batch_size=0), "`batch_size` must be at least 1, but 0 came"),
    "window": (dict(window=0), "`window` must be at least 1, but 0 came"),
    "epochs": (dict(epochs=0), "`epochs` must be at least 1, but 0 came"),
    "given": (dict(given=6), "`given` must be from 0 to 5.*the longest of `sequences` has 6 events. 6 came"),
    "negative": (dict(given=-1), "`given` must be from 0 to 5"),
    "held out": (dict(given=2, validation_data=[np.ones((2, 2))]), "the longest of `validation_data` has 2 events"),
}


@pytest.mark.parametrize("case", TRAINING)
def test_fit_refuses_what_means_nothing_before_it_begins(case):
    settings, message = TRAINING[case]
    with pytest.raises(ValueError, match=message):
        small().fit([RNG.normal(size=(6, 2))], **{"epochs": 1, "verbose": 0, **settings})


def test_a_class_that_there_is_not_is_refused_or_impossible():
    events = np.array([[0.1, 0.2, 1.0], [0.1, 0.2, 7.0]])
    with pytest.raises(ValueError, match=r"targets of CategoricalSpec\(3\) must be integers from 0 to 2"):
        mdn.MDNRNN(PEN, units=4).fit([events], epochs=1, verbose=0)
    (scores,) = small(PEN).log_prob([events])
    assert np.isfinite(scores[0]) and scores[1] == -np.inf


def test_a_stream_refuses_what_means_nothing_and_stays_as_it_was():
    stream = small().stream(seed=0)
    state = stream.state
    with pytest.raises(ValueError, match="`component_temperature` must be a finite number"):
        stream.step([0.0, 0.0], component_temperature=-0.5)
    with pytest.raises(ValueError, match=r"`events` must have shape \(T, D\) or \(B, T, D\), but \(2,\) came"):
        stream.feed([0.0, 1.0])
    with pytest.raises(ValueError, match="`event` must be 2 finite numbers"):
        stream.feed([[np.inf, 1.0]])
    np.testing.assert_array_equal(stream.state, state)


def test_nll_of_nothing_is_refused():
    with pytest.raises(ValueError, match="`given` must be from 0 to 2"):
        small().nll([np.ones((3, 2))], given=3)
