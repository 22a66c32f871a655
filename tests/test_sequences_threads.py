"""A model that several threads use, and JAX where it computes in float64 too."""

import os
import select
import threading
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

import mdn
from mdn.random import seeded

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


def _network(seed):
    """Two layers from a seed; between them another thread gets time to do what it wants."""
    with seeded(seed):
        first = keras.layers.Dense(3)
        first.build((None, 2))
        yield
        second = keras.layers.Dense(3)
        second.build((None, 3))
    yield np.concatenate([keras.ops.convert_to_numpy(one.kernel).ravel() for one in (first, second)])


@pytest.mark.parametrize("other", ["seeds", "fits", "loads"])
def test_weights_come_from_their_own_seed_whatever_another_thread_does_meanwhile(model, tmp_path, other):
    """Keras has one generator for all threads: a network built beside another training had its seed, or some of each."""
    alone = list(_network(3))[1]
    model.save(tmp_path / "one.keras")

    def meanwhile():
        if other == "seeds":
            list(_network(4))
        elif other == "fits":
            model.fit(WALKS, epochs=1, batch_size=4, verbose=0, seed=4)
        else:
            mdn.load(tmp_path / "one.keras")

    building, thread = _network(3), threading.Thread(target=meanwhile, daemon=True)
    next(building)
    thread.start()
    thread.join(1.0)  # it waits for its turn; without one it would be through
    np.testing.assert_array_equal(next(building), alone)
    thread.join(60)
    assert not thread.is_alive()


def test_nothing_seeds_keras_but_in_its_turn():
    found = [
        path.name for path in Path(mdn.__file__).parents[1].rglob("*.py") if "set_random_seed(" in path.read_text()
    ]
    assert sorted(found) == ["lecture_code.py", "random.py"]  # the first is code to copy
