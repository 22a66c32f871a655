"""Calibration of groups, and of regions of highest density: what is promised holds in each group, and in files and commands."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone

import mdn
from commands import run_here
from mdn.tabular import conformal
from mdn.tabular.columns import UnknownLevels

pytestmark = pytest.mark.project

SCALES = {"calm": 0.2, "rough": 2.0}


def table(seed, count, groups=("calm", "calm", "rough")):
    """Two peaks, whose width the features do not say: it depends on the group, which the network has not learnt."""
    rng = np.random.default_rng(seed)
    group = rng.choice(groups, count)
    x = rng.uniform(-1, 1, count)
    noise = np.array([SCALES.get(one, 1.0) for one in group]) * rng.normal(size=count)
    return pd.DataFrame({"x": x, "site": group}), x + rng.choice([-4.0, 4.0], count) + noise


@pytest.fixture(scope="module", name="model")
def _model():
    """A regressor that learnt from wrong sites, and so cannot tell them apart."""
    X, y = table(0, 400)
    X["site"] = np.random.default_rng(0).permutation(X["site"])
    return mdn.MDNRegressor(2, hidden_sizes=(8,), epochs=25, random_state=0).fit(X, y)


def calibrated(model, *arguments, **options):
    reg = clone(model)
    reg.__dict__.update(vars(model))
    return reg.calibrate(*arguments, **options)


def held(reg, X, y, coverage=0.9, **options):
    """The share of targets in the interval, for each site."""
    low, high = reg.predict_interval(X, coverage, **options).T
    return {site: float(np.mean(((low <= y) & (y <= high))[X["site"] == site])) for site in SCALES}


def in_regions(reg, X, y, coverage, **options):
    regions = reg.predict_hdi(X, coverage, **options)
    inside = np.array([np.any((one[:, 0] <= t) & (t <= one[:, 1])) for one, t in zip(regions, y, strict=True)])
    return {site: float(np.mean(inside[X["site"] == site])) for site in SCALES}, regions


def test_intervals_and_regions_hold_what_they_promise_in_each_group(model):
    known, new = table(1, 1000), table(2, 1500)
    pooled, grouped = calibrated(model, *known), calibrated(model, *known, groups="site")
    together, apart = held(pooled, *new), held(grouped, *new)
    assert together["calm"] > 0.98 and together["rough"] < 0.78, together
    assert all(abs(share - 0.9) < 0.04 for share in apart.values()), apart
    together, apart = in_regions(pooled, *new, 0.8)[0], in_regions(grouped, *new, 0.8)[0]
    assert together["calm"] > 0.85 and together["rough"] < 0.6, together
    assert all(abs(share - 0.8) < 0.05 for share in apart.values()), apart
    scores = grouped.evaluate(*new)
    assert abs(scores.coverage(0.9) - 0.9) < 0.03


def test_the_calibration_of_a_group_is_that_of_its_rows_alone(model):
    X, y = table(3, 300)
    labels = np.where(X["site"] == "rough", 2.0, 1.0)  # numbers, whose labels are those of whole numbers
    grouped = calibrated(model, X, y, groups=labels)
    rough = labels == 2.0
    alone = calibrated(model, X[rough], y[rough])
    np.testing.assert_allclose(grouped.calibration_.groups["2"].odds[0], alone.calibration_.odds[0], rtol=1e-4)
    np.testing.assert_allclose(
        grouped.predict_interval(X, 0.8, groups=labels)[rough], alone.predict_interval(X[rough], 0.8), rtol=1e-5
    )
    everyone = calibrated(model, X, y)
    np.testing.assert_array_equal(grouped.predict_interval(X, 0.8), everyone.predict_interval(X, 0.8))
    with pytest.raises(
        ValueError, match=r"`groups` must be .* one label for each of its 300 rows, but its shape is \(7,\)"
    ):
        grouped.predict_quantile(X, 0.5, groups=np.ones(7))
    with pytest.raises(ValueError, match=r"or one label for its only row, but its shape is \(7,\)"):
        grouped.predict_quantile(X[:1], 0.5, groups=np.ones(7))
    with pytest.raises(ValueError, match="`groups` needs a model that is calibrated by groups, but this one is not"):
        everyone.predict_interval(X, 0.8, groups=labels)
    with pytest.raises(ValueError, match="`groups` needs a model that is calibrated by groups, but this one is not"):
        model.predict_interval(X, 0.8, groups=labels)


def test_small_and_new_groups_use_the_calibration_of_all_rows_and_one_sentence_says_so(model):
    X, y = table(4, 120)
    labels = np.array(["big"] * 100 + ["small"] * 18 + [None, ""], dtype=object)
    with pytest.warns(UnknownLevels, match="1 of the groups has fewer than 19 rows .* such as 'small' with 18"):
        grouped = calibrated(model, X, y, groups=labels)
    assert list(grouped.calibration_.groups) == ["big"]
    everyone = calibrated(model, X, y).predict_interval(X, 0.8)
    new = np.array(["new", "small", None, "big"] * 30, dtype=object)
    with pytest.warns(UnknownLevels, match="60 of 120 rows are of groups that were not calibrated .* such as 'new'"):
        found = grouped.predict_interval(X, 0.8, groups=new)
    np.testing.assert_array_equal(found[new != "big"], everyone[new != "big"])
    assert not np.allclose(found[new == "big"], everyone[new == "big"])
    with pytest.raises(ValueError, match=r"the column 'city' names the group of each row, .* but X has no such column"):
        calibrated(model, X, y, groups="city")
    few = calibrated(model, X, y, groups=np.repeat(["a", "b"], [95, 25]))
    with pytest.raises(ValueError, match=r"at least 39 rows .* 25 have a value of 'y \(group b\)'"):
        few.predict_interval(X, 0.95, groups=np.repeat(["a", "b"], 60))


def test_a_file_keeps_the_groups(model, tmp_path):
    X, y = table(5, 200)
    reg = calibrated(model, X, y, groups="site")
    reg.save(tmp_path / "m.mdn")
    again = mdn.load(tmp_path / "m.mdn")
    for answer in ("predict_interval", "predict_hdi"):
        ours, theirs = getattr(again, answer)(X[:40], 0.8), getattr(reg, answer)(X[:40], 0.8)
        np.testing.assert_array_equal(np.concatenate(ours), np.concatenate(theirs))
    about = mdn.models.read_description(tmp_path / "m.mdn")
    assert about["format"] == 5
    assert about["calibration_groups"] == {"column": "site", "labels": ["calm", "rough"]}
    assert json.dumps(again.calibration_.description) == json.dumps(about["calibration_groups"])


def test_regions_are_disjoint_and_smaller_than_intervals(model):
    X, _ = table(6, 60)
    found = model.predict_hdi(X, 0.6)
    assert all((np.diff(one.ravel()) > 0.0).all() for one in found) and {len(one) for one in found} == {2}
    sizes = [np.sum(one[:, 1] - one[:, 0]) for one in found]
    mixture = model.predict_distribution(X)
    lower, upper = (np.asarray(end).ravel() for end in mixture.hdi(0.6))
    assert (sizes <= upper - lower + 1e-3).all() and np.mean(sizes) < 0.7 * np.mean(upper - lower)
    for row in (0, 17):
        cdf = np.asarray(mixture[row].cdf(found[row].astype("float32").reshape(-1, 1)))
        assert abs(np.sum(np.diff(cdf)[::2]) - 0.6) < 1e-5
    with pytest.raises(ValueError, match=r"`coverage` must lie between 0 and 1, such as 0\.9, but 90 came"):
        model.predict_hdi(X, 90)


def test_the_command_line_calibrates_by_a_column_and_says_so(tmp_path):
    X, y = table(7, 400)
    X.assign(y=y).to_csv(tmp_path / "t.csv", index=False)
    fit = ("fit", "t.csv", "--target", "y", "--epochs", "2", "--components", "1", "--no-resume")
    ran = run_here(tmp_path, *fit, "--calibrate-by", "site")
    assert ran.exit_code == 0, ran.stderr
    said = "Intervals are calibrated on 64 rows, each of 2 groups of 'site' by itself"
    assert said in " ".join(ran.stdout.split()) and said in (tmp_path / "model.html").read_text().replace("&#x27;", "'")
    assert list(mdn.load(tmp_path / "model.mdn").calibration_.groups) == ["calm", "rough"]
    assert run_here(tmp_path, "predict", "model.mdn", "t.csv").exit_code == 0
    ran = run_here(tmp_path, *fit, "--calibrate-by", "y")
    assert ran.exit_code and "--calibrate-by y: it must be a feature" in " ".join(ran.stderr.split())


@pytest.mark.parametrize("rows", [19, 40])
def test_a_region_holds_what_it_promises_whatever_the_model(rows):
    """With ranks 1 ... n, a new rank is uniform over n + 1 gaps."""
    ranks = np.arange(1.0, rows + 1)[:, None] / (rows + 1)
    calibration = dataclasses.replace(conformal.Calibration.learn(ranks, ["y"]), ranks=(ranks[:, 0],))
    gaps = (np.arange(rows + 1) + 0.5) / (rows + 1)
    for coverage in np.arange(1, 95) / 100:
        assert coverage - 1e-4 <= np.mean(gaps <= calibration.coverages(coverage)) < coverage + 1 / (rows + 1)
    with pytest.raises(ValueError, match=r"at least 99 rows .* for a 99 % region, but .* ask for (95|97\.5) % at most"):
        calibration.coverages(0.99)
    with pytest.raises(ValueError, match="lie where the model has less than a millionth"):
        dataclasses.replace(calibration, ranks=(np.ones(rows),)).coverages(0.5)
    with pytest.raises(ValueError, match="holds no density ranks"):
        conformal.Calibration.learn(ranks, ["y"]).coverages(0.5)
