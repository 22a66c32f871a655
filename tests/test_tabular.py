"""MDNRegressor: hostile data, the figures beside their baselines, missing and rounded values, files, and bad input."""

import json
import pickle
import zipfile

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import special, stats

import mdn
from mdn import initializers, metrics, tabular, training
from mdn.data import read_table
from mdn.tabular import learning, member, network, wording


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


def quick(**settings):
    return mdn.MDNRegressor(**{"num_components": 4, "epochs": 40, "random_state": 0, **settings})


@pytest.mark.jax
@pytest.mark.usefixtures("fast_epochs")
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize(
    "case", ["large", "small", "outliers", "integers", "cauchy", "exponential", "x all equal", "x large"]
)
def test_hostile_data_is_never_worse_than_a_gaussian_that_knows_nothing(case, seed):
    x, y = hostile(case, seed)
    train, test = tabular.split_rows(len(y), 0.3, seed)
    reg = mdn.MDNRegressor(random_state=seed, epochs=100).fit(x[train], y[train])
    seen = y[test]
    if case == "integers":
        assert reg.target_grid_[0] == 1.0
        seen = seen + np.random.default_rng(9).uniform(-0.5, 0.5, seen.shape)
    nll = -float(np.mean(reg.log_prob(x[test], seen)))
    assert np.isfinite(nll)
    baseline = metrics.Baseline(y[train, None])
    assert nll <= baseline.gaussian_nll(seen[:, None]) + 0.05
    if case in ("outliers", "cauchy"):
        t = -np.mean(stats.t.logpdf(y[test], *stats.t.fit(y[train])))
        assert nll <= max(t, baseline.mixture_nll(seen[:, None])) + 0.3


@pytest.fixture(scope="module", name="fitted")
def _fitted():
    x, y, _ = wave(0, 3000)
    reg = quick(epochs=60 if keras.backend.backend() == "jax" else 15)
    reg.fit(pd.DataFrame({"place": x[:2000]}), pd.Series(y[:2000], name="height"))
    return reg, pd.DataFrame({"place": x[2000:]}), y[2000:], y[:2000]


def test_scores_stand_beside_their_baselines(fitted):
    reg, x, y, y_train = fitted
    scores = reg.evaluate(x, y)
    place = x["place"].to_numpy()
    truth = -np.mean(stats.norm.logpdf(y, np.sin(2 * place), 0.3 * (1 + np.abs(place))))
    assert truth - 0.05 < scores.nll < truth + 0.1
    assert scores.nll < scores.mixture_nll < scores.gaussian_nll + 0.05
    gaussian = -np.mean(stats.norm.logpdf(y, y_train.mean(), y_train.std()))
    np.testing.assert_allclose(scores.gaussian_nll, gaussian, rtol=1e-5)
    np.testing.assert_allclose(scores.skill, min(scores.mixture_nll, scores.gaussian_nll) - scores.nll)
    assert abs(scores.coverage(0.5) - 0.5) < 0.08 and abs(scores.coverage(0.9) - 0.9) < 0.05
    lower, upper = reg.predict_interval(x, 0.9).T
    np.testing.assert_allclose(scores.coverage(0.9), np.mean((lower <= y) & (y <= upper)), atol=2e-3)
    np.testing.assert_allclose(scores.sharpness, np.mean(upper - lower), rtol=1e-4)
    distribution = reg.predict_distribution(x)
    np.testing.assert_allclose(
        scores.crps[0], np.mean(keras.ops.convert_to_numpy(distribution.crps(y[:, None].astype("float32")))), rtol=1e-4
    )
    np.testing.assert_allclose(scores.rmse[0], np.sqrt(np.mean((reg.predict(x) - y) ** 2)), rtol=1e-5)


def test_the_probability_of_a_threshold_is_that_of_the_mixture_far_out_as_well(fitted):
    reg, x, *_ = fitted
    x, thresholds = x[:40], [-30.0, 0.4, 6.0]
    mixture = reg.predict_distribution(x)
    logits, loc, scale = (
        np.asarray(keras.ops.convert_to_numpy(each), "float64")
        for each in (mixture.logits, mixture.components.loc[..., 0], mixture.components.scale[..., 0])
    )
    weight = special.softmax(logits, axis=-1)
    above = [np.sum(weight * stats.norm.sf(t, loc, scale), axis=-1) for t in thresholds]
    below = [np.sum(weight * stats.norm.cdf(t, loc, scale), axis=-1) for t in thresholds]
    found = reg.predict_probability(x, above=thresholds)
    np.testing.assert_allclose(found, np.stack(above, axis=-1), rtol=2e-3, atol=1e-36)
    np.testing.assert_allclose(reg.predict_probability(x, below=0.4), below[1], rtol=1e-4)
    assert found.shape == (40, 3) and found[:, 2].max() < 1e-3
    for wrong in ({}, {"above": 1.0, "below": 2.0}, {"above": np.inf}, {"below": "1"}):
        with pytest.raises(ValueError, match=r"`above`|`below`"):
            reg.predict_probability(x, **wrong)


def test_quantiles_of_many_rows_are_those_of_each(fitted):
    reg, x, *_ = fitted
    many = pd.concat([x] * 5)
    q = reg.predict_quantile(many, [0.1, 0.5])
    assert q.shape == (5000, 2)
    np.testing.assert_allclose(q[:1000], q[4000:], rtol=1e-5, atol=1e-5)
    assert (q[:, 0] < q[:, 1]).all()
    np.testing.assert_allclose(reg.predict_quantile(x, 0.5), q[:1000, 1], rtol=1e-5, atol=1e-5)


def test_draws_follow_the_distribution_and_the_seed(fitted):
    reg, x, *_ = fitted
    draws = reg.sample(x[:50], 400, seed=3)
    assert draws.shape == (400, 50)
    np.testing.assert_array_equal(draws, reg.sample(x[:50], 400, seed=3))
    standard = np.sqrt(reg.predict_variance(x[:50])["total"])
    assert np.max(np.abs(draws.mean(axis=0) - reg.predict(x[:50])) / standard) < 5 / np.sqrt(400)


def test_a_file_gives_the_same_regressor(fitted, tmp_path):
    reg, x, y, _ = fitted
    reg.save(tmp_path / "m.mdn")
    again = mdn.load(tmp_path / "m.mdn")
    assert list(again.feature_names_in_) == ["place"] and again.target_names_ == ["height"]
    np.testing.assert_array_equal(again.predict_quantile(x, [0.3]), reg.predict_quantile(x, [0.3]))
    assert again.evaluate(x, y).mixture_nll == reg.evaluate(x, y).mixture_nll
    assert again.get_params() | {"random_state": 0} == reg.get_params()
    with zipfile.ZipFile(tmp_path / "m.mdn") as archive:
        assert json.loads(archive.read("mdn.json"))["format"] == (7 if reg.feature_bins_ else 1)
    assert [path.name for path in tmp_path.iterdir()] == ["m.mdn"]
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(reg)).predict(x), reg.predict(x))


def test_a_file_that_is_no_regressor_says_so(fitted, tmp_path):
    fitted[0].save(tmp_path / "m.mdn")
    whole = (tmp_path / "m.mdn").read_bytes()
    (tmp_path / "half.mdn").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"is not a \.keras file"):
        mdn.load(tmp_path / "half.mdn")
    with zipfile.ZipFile(tmp_path / "m.mdn") as archive, zipfile.ZipFile(tmp_path / "empty.mdn", "w") as other:
        other.writestr("mdn.json", archive.read("mdn.json"))
    with pytest.raises(ValueError, match="is damaged"):
        mdn.load(tmp_path / "empty.mdn")


def test_the_report_is_one_page_that_names_what_matters(fitted, tmp_path):
    reg, x, y, _ = fitted
    scores = reg.report(x, y, tmp_path / "r.html")
    text = (tmp_path / "r.html").read_text()
    assert text.count("<img") == 6
    for words in ("height", f"{scores.nll:.4f}", "below 0", "PIT", "most wrong", "the 90 % interval holds"):
        assert words in text
    assert not any(outside in text for outside in ('src="http', "<link", "<script"))


@pytest.mark.project
def test_the_same_seed_gives_the_same_answers_and_another_gives_others():
    x, y, _ = wave(0, 200)
    one, two, other = (quick(epochs=3, random_state=seed).fit(x[:, None], y).predict(x[:9, None]) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.max(np.abs(one - other)) > 1e-4


def test_missing_targets_are_missing_and_missing_features_are_refused_or_the_median():
    x, y, rng = wave(1, 300)
    x = np.stack([x, rng.normal(size=len(x))], axis=-1)
    y[:50] = np.nan
    whole = quick(epochs=3, missing="median").fit(x, y)
    gone = x[:20].copy()
    gone[:, 1] = np.nan
    median = np.where(np.arange(2) == 1, np.median(x[50:, 1]), x[:20])
    np.testing.assert_allclose(whole.predict(gone), whole.predict(median), atol=0.05)
    frame = pd.DataFrame(gone, columns=["a", "b"])
    frame.loc[0, "b"] = 1.0  # a column that is empty is left out instead
    with pytest.raises(ValueError, match=r"NaN: 19 of 20 rows in column 'b'"):
        quick(missing="error").fit(frame, y[50:70])
    np.testing.assert_allclose(whole.log_prob(x[:50], y[:50]), 0.0, atol=1e-6)


@pytest.mark.project
def test_two_targets_with_full_covariance_know_their_correlation():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (600, 1))
    noise = rng.normal(size=(600, 2)) @ np.array([[1.0, 0.9], [0.0, 0.436]])
    y = np.concatenate([x, -x], axis=1) + 0.3 * noise
    y[::7, 1] = np.nan
    reg = quick(num_components=2, covariance="full", epochs=30).fit(x, y)
    assert reg.predict(x).shape == (600, 2)
    assert reg.predict_interval(x[:5]).shape == (5, 2, 2) and reg.predict_quantile(x[:5], 0.5).shape == (5, 2)
    assert reg.sample(x[:5], 3, seed=0).shape == (3, 5, 2)
    covariance = keras.ops.convert_to_numpy(reg.predict_distribution(x[:200]).covariance()).mean(axis=0)
    correlation = covariance[0, 1] / np.sqrt(covariance[0, 0] * covariance[1, 1])
    assert abs(correlation - 0.9) < 0.1
    assert reg.evaluate(x, y).coverage(0.9) > 0.8


@pytest.mark.project
@pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
def test_text_is_a_category_and_an_unseen_one_is_other(library):
    rng = np.random.default_rng(0)
    kind = rng.choice(["low", "high"], 300)
    y = np.where(kind == "high", 5.0, -5.0) + rng.normal(size=300)
    frame = library.DataFrame({"kind": kind, "x": rng.normal(size=300)})
    reg = quick(epochs=20).fit(frame, y)
    assert reg.n_features_in_ == 2 and list(reg.feature_names_in_) == ["kind", "x"]
    new = library.DataFrame({"kind": ["low", "high", "never seen"], "x": [0.0, 0.0, 0.0]})
    low, high, other = reg.predict(new)
    assert low < -3 and high > 3 and np.isfinite(other)
    with pytest.raises(ValueError, match="differs in nearly every row"):
        quick().fit(library.DataFrame({"id": [f"row {i}" for i in range(300)]}), y)


def regression_table(rows):
    """A frame with missing numbers and a category, what depends on it by least squares, and the matrix of its columns."""
    rng = np.random.default_rng(0)
    a, kind = rng.normal(size=rows), rng.choice(["u", "v", "w"], rows, p=[0.5, 0.3, 0.2])
    b = np.where(rng.random(rows) < 0.2, np.nan, rng.exponential(size=rows))
    y = 1000.0 + 2.0 * a + (kind == "v") + np.where(np.isnan(b), 3.0, b) + 0.5 * rng.normal(size=rows)
    filled = np.where(np.isnan(b), np.nanmedian(b[: rows // 2]), b)
    design = [np.ones(rows), a, *(kind == one for one in "uv"), filled, np.isnan(b)]
    return pd.DataFrame({"a": a, "kind": kind, "b": b}), y, np.stack(design, axis=1).astype(float)


@pytest.mark.project
@pytest.mark.parametrize("family", ["normal", "positive"])
def test_scores_stand_beside_least_squares_on_what_the_network_sees(tmp_path, family):
    X, y, design = regression_table(400)
    y = y if family == "normal" else np.exp(y / 200.0)
    reg = quick(family=family, epochs=3).fit(X[:200], y[:200])
    learnt, slope = y, 1.0
    if family == "positive":  # least squares is that of what the network learns, such as the logarithm
        inverse = reg.outcome_.bijection.inverse
        learnt, slope = inverse(y), (inverse(y + 1e-4) - inverse(y - 1e-4)) / 2e-4
    slopes, *_ = np.linalg.lstsq(design[:200], learnt[:200])
    scale = np.sqrt(np.sum((learnt[:200] - design[:200] @ slopes) ** 2) / (200 - design.shape[1]))
    nlls = -stats.norm(design @ slopes, scale).logpdf(learnt) - np.log(slope)
    reg.save(tmp_path / "m.mdn")
    for one in (reg, mdn.load(tmp_path / "m.mdn")):
        scores = one.evaluate(X[200:], y[200:])
        assert scores.line_nll == pytest.approx(np.mean(nlls[200:]), abs=2e-4)
        better = nlls[200:] + one.log_prob(X[200:], y[200:])
        assert scores.line_error == pytest.approx(np.std(better, ddof=1) / np.sqrt(200), rel=1e-3)
    assert wording.beyond_line(scores).startswith("This model is worse than least squares")


def test_least_squares_needs_more_rows_than_columns_and_takes_several_targets():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(500, 2)), rng.multivariate_normal([0.0, 0.0], [[1.0, 0.8], [0.8, 1.0]], 500)
    y = x @ [[1.0, 0.0], [2.0, -1.0]] + noise
    baseline = metrics.Baseline(y, x=np.column_stack([x, x[:, 0], np.full(500, 7.0)]))  # columns that say nothing new
    new = np.column_stack([x, x[:, 0], np.full(500, 7.0)])
    truth = -stats.multivariate_normal([0.0, 0.0], [[1.0, 0.8], [0.8, 1.0]]).logpdf(noise)
    assert np.mean(baseline.line_nlls(new, y)) == pytest.approx(np.mean(truth), abs=0.02)
    one = np.where(np.arange(2) == 0, y, np.nan)
    alone = -stats.norm(baseline.line(new)[:, 0], baseline.residual_tril[0, 0]).logpdf(y[:, 0])
    np.testing.assert_allclose(baseline.line_nlls(new, one), alone, rtol=1e-4, atol=1e-5)
    assert not metrics.Baseline(y[:3], 1, x=x[:3]).has_line and not metrics.Baseline(y).has_line
    assert metrics.Baseline(y, x=x).line(x[:0]).shape == (0, y.shape[1])
    for wrong, said in [
        (x[:, 0], "shape is"),
        (x[1:], "rows of features, one for each target"),
        (np.where(x > 1, np.inf, x), "infinite"),
    ]:
        with pytest.raises(ValueError, match=said):
            metrics.Baseline(y, x=wrong)
    with pytest.raises(ValueError, match="there is no least squares"):
        metrics.Baseline(y).line(x)
    wide = rng.normal(size=(12, 20))
    scores = quick(num_components=1, epochs=1).fit(wide, y[:12, 0]).evaluate(wide, y[:12, 0])
    assert np.isnan(scores.line_nll) and wording.beyond_line(scores) == ""


@pytest.mark.parametrize("family", ["normal", "positive"])
def test_the_best_candidate_is_not_trained_a_second_time_before_its_refit(family, monkeypatch, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.uniform(-1.0, 1.0, (120, 1))
    y = np.exp(x[:, 0] + 0.3 * rng.normal(size=120))
    trainings, train = [], member.training.fit
    monkeypatch.setattr(member.training, "fit", lambda *a, **k: [trainings.append(k["validation"]), train(*a, **k)][1])

    def fitted(**settings):
        trainings.clear()
        options = {"family": family, "epochs": 3, "hidden_sizes": (8,), "ensemble_size": 2, "random_state": 0}
        reg = mdn.MDNRegressor(**options).fit(x, y, **settings)
        return reg, [each is not None for each in trainings]

    reg, first = fitted(checkpoint=tmp_path)
    candidates = first[: first.index(False)]
    refit = [False] * 3  # two for the widening, one on all rows
    assert first == [*candidates, *refit, True, *refit]  # the second member learns from the start
    again, nothing = fitted(checkpoint=tmp_path)
    assert nothing == []
    alone = member.fit_member
    monkeypatch.setattr(member, "fit_member", lambda *task, **heard: alone(*task[:4], **heard))
    twice, all_trainings = fitted()
    assert len(all_trainings) == len(first) + 1
    for one in (again, twice):
        np.testing.assert_array_equal(one.predict_quantile(x, [0.1, 0.9]), reg.predict_quantile(x, [0.1, 0.9]))


@pytest.mark.project
def test_the_file_says_whether_a_model_learnt_from_a_file(tmp_path):
    rng = np.random.default_rng(0)
    numbered = pd.DataFrame(rng.normal(size=(40, 2)))  # scikit-learn knows no names of columns that are numbers
    y = rng.normal(size=40)
    pd.DataFrame(numbered.to_numpy(), columns=["a", "b"]).to_csv(tmp_path / "t.csv", index=False)
    for X, from_file, names in ((numbered, False, None), (read_table(tmp_path / "t.csv"), True, ["a", "b"])):
        reg = quick(epochs=1).fit(X, y)
        reg.save(tmp_path / "m.mdn")
        for one in (reg, mdn.load(tmp_path / "m.mdn")):
            assert one.columns_.from_file is from_file
            assert (list(one.feature_names_in_) if names else getattr(one, "feature_names_in_", None)) == names


def test_weights_count_and_rows_of_weight_0_do_not():
    x, y, _ = wave(0, 300)
    y[::2] += 100.0
    weight = np.tile([0.0, 1.0], 150)
    reg = quick(epochs=5).fit(x[:, None], y, sample_weight=weight)
    assert np.abs(reg.predict(x[:, None])).max() < 5.0


@pytest.mark.jax
def test_an_ensemble_is_one_exact_mixture_and_says_where_its_members_differ():
    x, y, _ = wave(0, 400)
    reg = quick(epochs=20, ensemble_size=3).fit(x[:, None], y)
    assert len(reg.members_) == 3
    at = np.array([[0.0], [8.0]])
    mixture = reg.predict_distribution(at)
    assert mixture.num_components == sum(len(member.alive) for member in reg.members_) <= 12
    split = reg.predict_variance(at)
    np.testing.assert_allclose(split["total"], keras.ops.convert_to_numpy(mixture.variance())[:, 0], rtol=1e-3)
    np.testing.assert_allclose(split["total"], split["aleatoric"] + split["epistemic"])
    assert split["epistemic"][1] > 10 * split["epistemic"][0]


@pytest.mark.project
def test_restarts_keep_the_best_start():
    x, y, _ = wave(0, 300)
    one = quick(epochs=10).fit(x[:, None], y)
    four = quick(epochs=10, restarts=4).fit(x[:, None], y)
    assert min(four.history_.val_loss) <= min(one.history_.val_loss)


@pytest.mark.jax
def test_candidates_of_a_small_table_share_one_program_and_learn_what_each_learns_alone(monkeypatch):
    x, y, _ = wave(0, 300)
    sizes, found = [], []
    start, train = network.Shared.start, member.fit_member

    def started(self, *settings):
        sizes.append(self.architecture.num_components)
        start(self, *settings)

    def trained(*task, **heard_by):
        found.append(train(*task, **heard_by))
        return found[-1]

    monkeypatch.setattr(network.Shared, "start", started)
    monkeypatch.setattr(member, "fit_member", trained)
    monkeypatch.setattr(learning, "CANDIDATES", (1, 3))
    for few in (300, 0):
        monkeypatch.setattr(learning, "FEW_ROWS", few)
        quick(num_components="auto", feature_bins=0, epochs=3, refit=False).fit(x[:, None], y)
    assert sizes == [3, 3, 1, 3]
    for together, alone in zip(found[:2], found[2:], strict=True):
        assert together.architecture == alone.architecture and together.alive == alone.alive
        for one, other in zip(together.weights, alone.weights, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("settings", [{"event_size": 2, "covariance": "full"}, {"atoms": 2}], ids=["full", "atoms"])
def test_a_network_with_dead_components_answers_as_the_smaller_one(settings):
    settings = {"event_size": 1, "covariance": "diagonal", **settings}
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 8)).astype("float32")
    y = np.concatenate([rng.normal(size=(40, settings["event_size"])), rng.integers(3, size=(40, 1))], axis=1)
    y = (y if "atoms" in settings else y[:, :-1]).astype("float32")
    small, wide = (
        network.shared(
            network.Architecture(8, (5,), "relu", num_components=count, feature_noise=0.0, loss="nll", **settings)
        )
        for count in (2, 4)
    )
    small.start(x, y, 1)
    wide.start(x, y, 1, small.architecture)
    expected, found = small.blocks(small.predict(small.weights(), x)), wide.blocks(wide.predict(wide.weights(), x))
    np.testing.assert_array_equal(special.softmax(found[2], axis=1)[:, 2:], 0.0)
    for one, other in zip(expected[:3], found[:3], strict=True):
        np.testing.assert_allclose(other[:, :2], one, rtol=1e-5, atol=1e-6)
    for one, other in zip(small.weights(), wide.narrowed(wide.weights(), small.architecture), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("hidden", [(5,), ()], ids=["hidden layer", "heads alone"])
def test_a_network_with_empty_bins_answers_and_learns_as_the_one_without(hidden):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 8)).astype("float32"), rng.normal(size=(60, 1)).astype("float32")
    plain, binned = (
        network.shared(network.Architecture(8, hidden, "relu", 1, 2, "diagonal", 0.0, "nll", bins=bins))
        for bins in (0, 3)
    )
    plain.start(x, y, 1)
    binned.start(x, y, 1, plain.architecture)
    for one in (plain, binned):
        training.fit(one.model, x, y, one.loss, epochs=3, batch_size=16, learning_rate=1e-2, seed=0)
    np.testing.assert_allclose(
        binned.predict(binned.weights(), x), plain.predict(plain.weights(), x), rtol=1e-4, atol=1e-6
    )
    for one, other in zip(plain.weights(), binned.narrowed(binned.weights(), plain.architecture), strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-5)


def stairs(seed, count=600):
    """Targets whose mean jumps several times over one feature; the other feature says nothing."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (count, 2))
    return x, np.array([0.0, 3.0, -2.0, 2.0, -3.0, 1.0])[(3 * (x[:, 0] + 1)).astype(int)] + 0.1 * rng.normal(size=count)


@pytest.mark.project
def test_bins_are_taken_where_a_feature_has_steps_and_left_where_it_is_smooth():
    x, y = stairs(0)
    x_new, y_new = stairs(1)
    auto, none = (quick(epochs=40, feature_bins=bins).fit(x, y) for bins in ("auto", 0))
    assert (auto.feature_bins_, none.feature_bins_) == (8, 0)
    assert auto.evaluate(x_new, y_new).nll < none.evaluate(x_new, y_new).nll - 0.2
    rng = np.random.default_rng(2)
    x = rng.normal(size=(600, 4))
    assert quick(epochs=40).fit(x, x @ [1.0, 2.0, -1.0, 0.5] + 0.01 * rng.normal(size=600)).feature_bins_ == 0


def test_verbose_says_something_before_the_first_epoch_and_nothing_is_said_without(capsys):
    x, y = stairs(0, 60)
    quick(epochs=20, verbose=1, feature_bins=0).fit(x, y)
    first, *others = capsys.readouterr().out.splitlines()
    assert "programs are compiled" in first and others and others[0].startswith("epoch 20: ")
    quick(epochs=20, feature_bins=0).fit(x, y)
    assert capsys.readouterr().out == ""


@pytest.mark.project
def test_bins_come_back_from_a_file_and_from_parts(tmp_path):
    x, y = stairs(0, 200)
    reg = quick(epochs=5, feature_bins=6).fit(x, y)
    reg.save(tmp_path / "stairs.mdn")
    again = mdn.load(tmp_path / "stairs.mdn")
    assert again.feature_bins_ == 6 and again.get_params()["feature_bins"] == 6
    np.testing.assert_array_equal(again.predict(x), reg.predict(x))
    quick(epochs=1, feature_bins=0).fit(x, y).save(tmp_path / "plain.mdn")
    assert mdn.load(tmp_path / "plain.mdn").get_params()["feature_bins"] == 0
    with zipfile.ZipFile(tmp_path / "plain.mdn") as archive:  # older versions would answer the setting with a TypeError
        assert "feature_bins" not in json.loads(archive.read("mdn.json"))["parameters"]
    in_parts = quick(feature_bins=6).partial_fit(x[:100], y[:100]).partial_fit(x[100:], y[100:])
    assert in_parts.feature_bins_ == 6 and np.isfinite(in_parts.predict(x)).all()


@pytest.mark.parametrize(
    ("settings", "features", "rows", "expected"),
    [
        ({}, 128, 100, [8, 0]),
        ({}, 129, 100, [0]),
        ({}, 128, 99, [0]),
        ({"feature_bins": 20}, 500, 10, [20]),
        ({"trunk": keras.layers.Dense(3)}, 3, 500, [0]),
    ],
    ids=["many", "too wide", "too few", "asked", "trunk"],
)
def test_which_numbers_of_bins_are_tried(settings, features, rows, expected):
    reg = quick(**settings)
    reg.trunk_ = reg.trunk
    assert learning._bins(reg, features, rows) == expected


@pytest.mark.parametrize("bins", [-1, 2.5, True, "many", 257])
def test_bins_of_a_regressor_are_checked(bins):
    with pytest.raises(ValueError, match='`feature_bins` must be a whole number from 0 to 256, or "auto", but'):
        quick(feature_bins=bins).fit(np.zeros((9, 1)), np.arange(9.0))


def test_bins_of_many_rows_do_not_depend_on_their_order():
    """Every k-th row was taken, and found one hour of the day in a table of hours."""
    hours = np.tile(np.arange(24.0), 50_000)[:, None]
    edges, _ = initializers.quantile_bins(hours, 8)
    assert (np.diff(edges[0]) > 0.0).all() and (edges[0, 0], edges[0, -1]) == (0.0, 23.0)


@pytest.mark.project
@pytest.mark.parametrize(
    ("settings", "held_out", "few", "trainings"),
    [
        ({}, False, 400, 4),
        ({"loss": "crps"}, False, 400, 2),
        ({"refit": False}, False, 400, 1),
        ({}, True, 400, 1),
        ({}, False, 399, 2),
    ],
    ids=["few rows", "crps", "no refit", "rows of the caller's own", "many rows"],
)
def test_scales_are_widened_by_rows_that_chose_nothing(settings, held_out, few, trainings, monkeypatch):
    rng = np.random.default_rng(0)
    x = rng.permutation(np.arange(400.0))[:, None]  # each row has its number
    y = 0.01 * x[:, 0] + 0.3 * rng.normal(size=400)
    learnt, train = [], training.fit

    def recorded(network, features, *others, **options):
        learnt.append((features[:, 0], options["validation"]))
        return train(network, features, *others, **options)

    monkeypatch.setattr(member.training, "fit", recorded)
    monkeypatch.setattr(member, "FEW_ROWS", few)
    kept = {"validation_data": (x[:60], y[:60])} if held_out else {}
    reg = quick(num_components=2, feature_bins=0, epochs=8, **settings).fit(x, y, **kept)
    assert len(learnt) == trainings
    if trainings < 4:
        return
    (first, _), *parts, (every, _) = learnt
    judges = [set(every) - set(part) for part, _ in parts]
    assert set(every) == set(x[:, 0]) and all(len(judge) == 60 for judge in judges)
    assert not judges[0] & judges[1] and all(judge <= set(first) for judge in judges), "none that said when to stop"
    assert reg.members_[0].widening != 1.0


@pytest.mark.project
def test_a_candidate_that_ctrl_c_left_out_is_not_taken_for_another(monkeypatch):
    """Fault: of two candidates side by side only the second was done, and answered as the first."""
    x, y, _ = wave(0, 200)
    y = np.exp(y)
    reg = quick(num_components=1, feature_bins=0, family="positive", n_jobs=2, epochs=2)
    outcomes = learning.possible_outcomes(reg, y[:, None], 1, np.zeros(1))
    assert len(outcomes) == 2

    def second_only(tasks, n_jobs, folder):
        done = member.fit_member(*tasks[1])
        done.history.interrupted = True
        return {1: done}

    monkeypatch.setattr(learning, "side_by_side", second_only)
    assert type(reg.fit(x[:, None], y).outcome_.bijection) is type(outcomes[1].bijection)


@pytest.mark.project
def test_files_say_nothing_of_bins_where_there_are_none(tmp_path):
    """Versions that know no bins read such files."""
    x, y = stairs(0, 150)
    for bins, has_bins in ((0, False), (3, True)):
        quick(epochs=2, feature_bins=bins).fit(x, y).save(tmp_path / "m.mdn")
        with zipfile.ZipFile(tmp_path / "m.mdn") as archive:
            name = next(one for one in archive.namelist() if one.endswith(".json"))
            said = json.loads(archive.read(name))
        assert (said.get("format") == 7) is has_bins
        assert ("bins" in said["members"][0]["architecture"]) is has_bins


@pytest.mark.project
@pytest.mark.parametrize("case", ["several targets", "censored", "atoms", "checkpoint", "parallel"])
def test_bins_go_with_everything_else(case, tmp_path):
    x, y = stairs(0, 240)
    settings, options = {"epochs": 4, "num_components": 2, "feature_bins": 5}, {}
    match case:
        case "several targets":
            y = np.stack([y, -y], axis=1)
        case "censored":
            settings["censoring"], y = "right", np.stack([np.exp(y), np.arange(240) % 2], axis=1)
        case "atoms":
            settings["family"], y = "auto", np.where(x[:, 0] > 0.3, 0.0, np.exp(y))
        case "checkpoint":
            options["checkpoint"] = tmp_path
        case "parallel":
            settings |= {"n_jobs": 2, "ensemble_size": 2}
    reg = quick(**settings).fit(x, y, **options)
    assert reg.feature_bins_ == 5 and np.isfinite(reg.predict_quantile(x, [0.1, 0.9])).all()
    if case == "checkpoint":
        np.testing.assert_array_equal(quick(**settings).fit(x, y, **options).predict(x), reg.predict(x))


def test_more_bins_than_memory_are_refused():
    reg = quick(feature_bins=256)
    reg.trunk_ = None
    with pytest.raises(ValueError, match="256 bins of 300 inputs came"):
        learning._bins(reg, 300, 1000)


def test_a_ctrl_c_keeps_the_best_weights_so_far():
    x, y, _ = wave(0, 400)

    class Stop:
        def on_epoch_end(self, epoch, logs):
            assert set(logs) == {"loss", "val_loss"}
            if epoch == 3:
                raise KeyboardInterrupt

    reg = quick(epochs=50, ensemble_size=3).fit(x[:, None], y, callbacks=[Stop()])
    assert reg.history_.interrupted and len(reg.history_.loss) == 4 and len(reg.members_) == 1
    assert np.isfinite(reg.predict(x[:, None])).all()


@pytest.mark.jax
@pytest.mark.parametrize("at", [2, 25], ids=["a candidate", "the second training"])
def test_a_ctrl_c_ends_the_whole_fit(at):
    x, y, _ = wave(0, 400)
    told = []

    class Stop:
        def on_epoch_end(self, epoch, logs):
            told.append(epoch)
            if len(told) == at:
                raise KeyboardInterrupt

    settings = dict(num_components="auto", ensemble_size=2) if at == 2 else dict(patience=100)
    reg = quick(epochs=20, **settings).fit(x[:, None], y, callbacks=[Stop()])
    assert reg.history_.interrupted and len(told) == at and len(reg.members_) == 1
    assert -np.mean(reg.log_prob(x[:, None], y)) < metrics.Baseline(y[:, None]).gaussian_nll(y[:, None])


def test_a_constant_target_is_predicted_with_a_warning():
    with pytest.warns(UserWarning, match="every target is the same"):
        reg = quick().fit(np.zeros((20, 1)), np.full(20, 7.0))
    np.testing.assert_allclose(reg.predict(np.ones((3, 1))), 7.0, rtol=1e-6)
    np.testing.assert_allclose(np.sqrt(reg.predict_variance(np.ones((3, 1)))["total"]), 7e-3, rtol=1e-3)
    assert np.isnan(reg.evaluate(np.zeros((3, 1)), np.full(3, 7.0)).skill)


BAD = {
    "a loss": (dict(loss="mse"), "`loss` must be"),
    "components": (dict(num_components=0), "`num_components` must be an int of at least 1"),
    "an ensemble of none": (dict(ensemble_size=0), "`ensemble_size` must be"),
    "a fraction": (dict(validation_fraction=1.5), "`validation_fraction` must lie"),
    "missing": (dict(missing="mean"), "`missing` must be"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_parameter_is_named(case):
    settings, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        quick(**settings).fit(np.zeros((20, 1)), np.arange(20.0))


@pytest.mark.project
def test_too_few_rows_for_the_components_are_said_and_used():
    with pytest.warns(UserWarning, match="20 rows are too few for 50 components: 5 are used"):
        reg = quick(num_components=50, epochs=2).fit(np.arange(20.0)[:, None], np.arange(20.0) ** 2)
    assert reg.num_components_ == 5


def test_targets_of_another_shape_are_refused(fitted):
    reg, x, *_ = fitted
    with pytest.raises(ValueError, match="must have 1 target, as in training"):
        reg.log_prob(x, np.zeros((1000, 2)))
    with pytest.raises(ValueError, match="`coverage` must lie"):
        reg.predict_interval(x, 90)


@pytest.mark.data
@pytest.mark.jax
@pytest.mark.usefixtures("fast_epochs")
def test_redshifts_are_predicted_with_honest_intervals(data_folder):
    table = read_table(data_folder / "photoz" / "SDSS_MGS.train")
    y, x = table.column("zs"), table.drop("zs")
    train, test = tabular.split_rows(len(y), 0.2, 0)
    scores = mdn.MDNRegressor(random_state=0).fit(x.take(train), y[train]).evaluate(x.take(test), y[test])
    assert scores.nll < scores.mixture_nll - 0.9
    assert 0.86 < scores.coverage(0.9) < 0.94
