"""MDNRegressor keeps scikit-learn's contract, and works in its tools."""

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import mdn

pytestmark = pytest.mark.jax
RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 2))
Y = X[:, 0] + 0.3 * RNG.normal(size=120)
WHY = "training is stochastic: scikit-learn exempts its own such estimators"


def exempt(_):
    return {
        "check_sample_weight_equivalence_on_dense_data": WHY,
        "check_sample_weight_equivalence_on_sparse_data": WHY,
    }


# (with the defaults it passes too, and takes several times as long; how K is chosen has tests of its own in test_tabular.py)
@pytest.mark.filterwarnings("default")
@parametrize_with_checks(
    [mdn.MDNRegressor(num_components=2, epochs=30)], expected_failed_checks=exempt, xfail_strict=False
)
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def test_it_works_in_a_pipeline_a_search_and_a_cross_validation():
    quick = mdn.MDNRegressor(num_components=2, epochs=5, random_state=0)
    scores = cross_val_score(make_pipeline(StandardScaler(), quick), X, Y, cv=3, scoring=mdn.metrics.nll_scorer)
    assert scores.shape == (3,) and np.isfinite(scores).all()
    search = GridSearchCV(quick, {"num_components": [1, 2]}, cv=2, scoring=mdn.metrics.nll_scorer).fit(X, Y)
    assert search.best_estimator_.num_components_ in (1, 2)
    assert clone(quick).get_params() == quick.get_params()


def test_members_trained_in_other_processes_are_the_same():
    quick = mdn.MDNRegressor(num_components=2, epochs=5, ensemble_size=2, random_state=0)
    here = clone(quick).fit(X, Y).predict(X)
    with joblib.parallel_config(backend="loky", n_jobs=2):
        there = clone(quick).fit(X, Y).predict(X)
    np.testing.assert_allclose(here, there, rtol=1e-6, atol=1e-6)
