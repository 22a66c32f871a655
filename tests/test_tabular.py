"""Models of tables: hostile data, the figures beside their baselines, files."""

import json
import zipfile

import numpy as np
import pytest
from scipy import stats

import mdn
from mdn import metrics, tabular
from mdn.data import read_table


def wave(seed, count=1500):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, count)
    return x, np.sin(2 * x) + 0.3 * (1 + np.abs(x)) * rng.normal(size=count), rng


def hostile(case, seed):
    x, y, rng = wave(seed)
    match case:
        case "large":
            y = y * 1e4 + 1e5
        case "small":
            y = y * 1e-6
        case "outliers":
            y = np.where(rng.random(len(y)) < 0.02, y * 1e6, y)
        case "integers":
            y = np.round(5 * y)
        case "cauchy":
            y = y + rng.standard_cauchy(len(y))
        case "exponential":
            y = np.exp(5 * x)
        case "x all equal":
            x = np.ones_like(x)
        case "x large":
            x = x * 1e5
    return x[:, None], y


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "case", ["large", "small", "outliers", "integers", "cauchy", "exponential", "x all equal", "x large"]
)
def test_hostile_data_is_never_worse_than_a_gaussian_that_knows_nothing(case, seed):
    x, y = hostile(case, seed)
    train, test = tabular.split_rows(len(y), 0.3, seed)
    model, _ = tabular.TableModel.fit(x[train], y[train], seed=seed, epochs=60)
    nll = -float(np.mean(np.asarray(model.predict_distribution(x[test]).log_prob(y[test][:, None]))))
    assert np.isfinite(nll)
    assert nll <= metrics.gaussian_baseline(y[train], y[test]) + 0.05
    if case in ("outliers", "cauchy"):
        t = -np.mean(stats.t.logpdf(y[test], *stats.t.fit(y[train])))
        assert nll <= max(t, metrics.mixture_baseline(y[train], y[test])) + 0.3


@pytest.fixture(scope="module", name="fitted")
def _fitted():
    x, y, _ = wave(0, 3000)
    model, history = tabular.TableModel.fit(x[:2000, None], y[:2000], ["place"], "height", epochs=60)
    return model, history, x[2000:, None], y[2000:], y[:2000]


def test_scores_stand_beside_their_baselines(fitted):
    model, _, x, y, y_train = fitted
    scores = model.evaluate(x, y, y_train)
    truth = -np.mean(stats.norm.logpdf(y, np.sin(2 * x[:, 0]), 0.3 * (1 + np.abs(x[:, 0]))))
    assert truth - 0.05 < scores.nll < truth + 0.1
    assert scores.nll < scores.mixture_nll < scores.gaussian_nll + 0.05
    gaussian = -np.mean(stats.norm.logpdf(y, y_train.mean(), y_train.std()))
    np.testing.assert_allclose(scores.gaussian_nll, gaussian, rtol=1e-6)
    assert abs(scores.coverage(0.5) - 0.5) < 0.08 and abs(scores.coverage(0.9) - 0.9) < 0.05
    lower, upper = model.predict_quantiles(x, [0.05, 0.95]).T
    np.testing.assert_allclose(scores.coverage(0.9), np.mean((lower <= y) & (y <= upper)), atol=2e-3)
    distribution = model.predict_distribution(x)
    np.testing.assert_allclose(scores.crps, np.mean(np.asarray(distribution.crps(y[:, None]))), rtol=1e-4)


def test_quantiles_of_many_rows_are_those_of_each(fitted):
    model, _, x, *_ = fitted
    many = np.tile(x, (3, 1))
    q = model.predict_quantiles(many, [0.1, 0.5])
    assert q.shape == (3000, 2)
    np.testing.assert_allclose(q[:1000], q[2000:], rtol=1e-5, atol=1e-5)
    assert (q[:, 0] < q[:, 1]).all()


def test_a_file_gives_the_same_model_and_says_what_it_takes(fitted, tmp_path):
    model, _, x, *_ = fitted
    model.save(tmp_path / "m.keras")
    again = mdn.load(tmp_path / "m.keras")
    assert (again.features, again.target) == (("place",), "height")
    np.testing.assert_array_equal(again.predict_quantiles(x, [0.3]), model.predict_quantiles(x, [0.3]))
    with zipfile.ZipFile(tmp_path / "m.keras") as archive:
        assert json.loads(archive.read("mdn.json"))["format"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["m.keras"]


def test_the_best_weights_are_kept(fitted):
    _, history, *_ = fitted
    assert min(history.val_loss) == history.val_loss[history.best_epoch]
    assert not history.interrupted


def test_missing_features_and_targets_are_borne():
    x, y, rng = wave(1)
    x = np.stack([x, rng.normal(size=len(x))], axis=-1)
    x[rng.random(x.shape) < 0.1] = np.nan
    y[:50] = np.nan
    model, _ = tabular.TableModel.fit(x, y, epochs=5)
    assert np.isfinite(model.predict_quantiles(x[:20], [0.5])).all()


def test_an_interruption_keeps_the_best_weights_so_far():
    x, y, _ = wave(0, 400)

    def stop(epoch, history):
        if epoch == 4:
            raise KeyboardInterrupt

    model, history = tabular.TableModel.fit(x[:, None], y, epochs=50, on_epoch=stop)
    assert history.interrupted and len(history.loss) == 4
    kept = min(history.val_loss)
    _, valid = tabular.split_rows(400, 0.15, 0)
    nll = -np.mean(np.asarray(model.predict_distribution(x[valid, None]).log_prob(y[valid, None])))
    np.testing.assert_allclose(nll, kept, rtol=1e-4)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ones(50), "is 1 in every row"),
        (np.arange(3.0), "at least 10 rows"),
        (np.full(50, np.nan), "at least 10 rows"),
    ],
)
def test_targets_that_nothing_can_be_learned_from(y, message):
    with pytest.raises(ValueError, match=message):
        tabular.TableModel.fit(np.zeros((len(y), 1)), y)


@pytest.mark.data
def test_redshifts_are_predicted_with_honest_intervals(data_folder):
    table = read_table(data_folder / "photoz" / "SDSS_MGS.train")
    y, x = table.column("zs"), table.drop("zs").values
    train, test = tabular.split_rows(len(y), 0.2, 0)
    model, _ = tabular.TableModel.fit(x[train], y[train])
    scores = model.evaluate(x[test], y[test], y[train])
    assert scores.nll < scores.mixture_nll - 0.8
    assert abs(scores.coverage(0.9) - 0.9) < 0.05
