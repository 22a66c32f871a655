"""Members, candidates and folds on a cluster of two worker processes: the same results, even if a worker dies."""

import os
import signal
import threading
import time

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score

import mdn

pytestmark = [pytest.mark.jax, pytest.mark.filterwarnings("default")]  # other people's processes warn of their own
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 2))
Y = X[:, 0] + 0.3 * RNG.normal(size=120)
QUICK = mdn.MDNRegressor(num_components=2, epochs=5, ensemble_size=4, random_state=0)


def on_the_cluster():
    return joblib.parallel_config(backend="dask")


@pytest.mark.parametrize("num_components", [2, "auto"])
def test_members_and_candidates_trained_on_a_cluster_are_the_same(client, num_components):
    regressor = clone(QUICK).set_params(num_components=num_components)
    here = clone(regressor).fit(X, Y)
    with on_the_cluster():
        there = clone(regressor).fit(X, Y)
    assert here.num_components_ == there.num_components_
    np.testing.assert_array_equal(here.predict(X), there.predict(X))


def test_folds_on_a_cluster_are_the_same(client):
    one = clone(QUICK).set_params(ensemble_size=1)
    here = cross_val_score(one, X, Y, cv=3, scoring=mdn.metrics.nll_scorer)
    with on_the_cluster():
        there = cross_val_score(one, X, Y, cv=3, scoring=mdn.metrics.nll_scorer)
    np.testing.assert_array_equal(here, there)


def test_a_worker_killed_midway_costs_time_and_not_the_result(client):
    long = clone(QUICK).set_params(epochs=200, patience=200)  # a worker that is busy begins by compiling
    here = clone(long).fit(X, Y).predict(X)
    pids, killed = client.run(os.getpid), []

    def kill():
        while not killed:
            busy = [worker for worker, tasks in client.processing().items() if tasks]
            if busy:
                os.kill(pids[busy[0]], signal.SIGKILL)
                killed.append(busy[0])
            time.sleep(0.01)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    with on_the_cluster():
        there = clone(long).fit(X, Y).predict(X)
    killer.join(timeout=10)
    assert killed
    np.testing.assert_array_equal(here, there)
