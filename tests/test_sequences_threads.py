"""A model that several threads use, and JAX where it computes in float64 too."""

import os
import select
import threading
import warnings

import numpy as np
import pytest

import mdn

WALKS = [np.random.default_rng(i).normal(size=(12, 2)).cumsum(axis=0) for i in range(8)]


@pytest.fixture(scope="module", name="model")
def _model():
    model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(2), 2), units=(4,))
    model.fit(WALKS, epochs=1, batch_size=4, verbose=0)
    return model


def test_other_threads_generate_and_judge_while_one_trains(model):
    """Fault 9 of issue 18: 183 of 187 calls failed, and some ended the training."""
    failed, used = [], []
    done = threading.Event()

    def train():
        try:
            while len(used) < 6 and not failed:
                model.fit(WALKS, epochs=2, batch_size=4, verbose=0)
        except Exception as error:
            failed.append(error)
        finally:
            done.set()

    def use():
        try:
            while not done.is_set():
                assert np.isfinite(model.generate(2, seed=0)).all()
                assert np.isfinite(model.log_prob(WALKS[:1])[0]).all()
                used.append(model.stream(seed=0))
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=target, daemon=True) for target in (train, use, use)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert not failed
    assert done.is_set()
    assert len(used) >= 6


def test_a_program_may_run_a_program_and_neither_waits_for_the_other(model):
    """A turn within a turn of the same thread waited for ever."""
    inner = model.program("events", lambda events: model.encoding(events))
    events, found = np.zeros((2, 3, 2), "float32"), []

    def use():
        with model._turns.turn():
            found.append(np.asarray(inner(events)).shape)
        found.append(np.asarray(inner(events)).shape)

    thread = threading.Thread(target=use, daemon=True)
    thread.start()
    thread.join(timeout=60)
    assert found == [(2, 3, model.encoding.size)] * 2


@pytest.mark.jax
def test_a_rollout_runs_where_jax_computes_in_float64(model):
    """Fault 9 of issue 18: mixed integers, and mixed floats."""
    import jax

    with jax.enable_x64(True):
        again = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(2), 2), units=(4,))
        again.fit(WALKS, epochs=1, verbose=0)
        assert np.isfinite(again.generate(3, prime=WALKS[0], seed=0)).all()
        assert again.generate(2, stop=lambda event: event[:, 0] > 1e9, seed=0)[0].shape == (2, 2)
        assert np.isfinite(again.log_prob(WALKS[:1])[0]).all()
        assert np.isfinite(again.stream(seed=0).step(WALKS[0][0])).all()


@pytest.mark.jax
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs a system that forks")
def test_a_process_that_was_forked_after_jax_had_computed_gets_an_error_instead_of_hanging(model):
    """Fault 9 of issue 18: fork after use hangs."""
    model.generate(2, seed=0)
    ends, begins = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of JAX and Python, which see several threads
        child = os.fork()
    if not child:
        try:
            model.generate(2, seed=0)
        except RuntimeError as error:
            os.write(begins, str(error).encode())
        finally:
            os._exit(0)
    os.close(begins)
    assert select.select([ends], [], [], 20)[0], "the child hangs"
    told = os.read(ends, 10_000).decode()
    os.waitpid(child, 0)
    assert "was forked" in told and 'multiprocessing.get_context("spawn")' in told
