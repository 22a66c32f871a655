"""`mdn check | fit | predict | report` of targets that are sets: what is said, and what is written."""

import numpy as np
import pandas as pd
import pytest

import mdn
from commands import run_here

pytestmark = [pytest.mark.jax, pytest.mark.project]

TINY = ("--epochs", "2", "--components", "1")


def said(ran):
    return " ".join((ran.stdout + ran.stderr).split())


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outcomes")
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, 200)
    times, ends = np.exp(x) * rng.weibull(1.5, 200), rng.exponential(1.5, 200)
    entered = rng.uniform(0, 2, 200)
    pd.DataFrame({
        "x": x.round(3),
        "area": np.where(rng.uniform(size=200) < 0.5, 0.0, np.exp(x + rng.normal(size=200))).round(2),
        "visits": rng.poisson(np.exp(1 + x)),
        "share": rng.beta(0.5, 0.5, 200).clip(0.001, 0.999).round(4),
        "months": np.minimum(times, ends).round(3),
        "died": (times <= ends).astype(int),
        "low": entered.round(2),
        "high": np.where(x > 0.5, np.nan, (entered + 1.0).round(2)),
    }).to_csv(folder / "t.csv", index=False)  # fmt: skip
    return folder


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("area", ["area is never below 0", "often exactly 0", "a probability of its own"]),
        ("visits", ["visits is a count", "quantiles are whole numbers"]),
        ("share", ["share lies between 0 and 1"]),
    ],
)
def test_check_says_what_a_target_is_taken_for(folder, target, words):
    ran = run_here(folder, "check", "t.csv", "--target", target)
    assert ran.exit_code == 0 and all(each in said(ran) for each in words), said(ran)


@pytest.mark.parametrize(
    ("target", "options", "words"),
    [
        ("visits", ["--family", "normal"], "visits lies on a grid of 1"),
        ("share", ["--family", "normal", "--bounds", "0,2"], "share lies between 0 and 2"),
        ("months", ["--period", "12"], "months lies on a circle of 12"),
    ],
)
def test_check_takes_the_options_of_fit_that_say_what_a_target_is(folder, target, options, words):
    ran = run_here(folder, "check", "t.csv", "--target", target, *options)
    assert ran.exit_code == 0 and words in said(ran), said(ran)
    assert f"Next: mdn fit t.csv --target {target} {' '.join(options)}" in said(ran)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--family", "circle"], "`family` must be one of"),
        (["--period", "12", "--family", "counts"], "with `period`"),
        (["--family", "counts", "--target", "share"], "--family and --bounds need one --target"),
    ],
)
def test_check_refuses_options_that_do_not_fit(folder, options, words):
    ran = run_here(folder, "check", "t.csv", "--target", "visits", *options)
    assert ran.exit_code == 2 and words in said(ran) and "Traceback" not in said(ran), said(ran)


def test_fit_gives_a_frequent_value_a_probability_of_its_own(folder):
    ran = run_here(folder, "fit", "t.csv", "--target", "area", *TINY, "--out", "area.mdn")
    assert ran.exit_code == 0, said(ran)
    for words in ("often exactly 0", "whether it is one of the frequent values", "the density of all others"):
        assert words in said(ran)
    assert "area exactly 0" not in said(ran) and "judge by the CRPS" not in said(ran)
    assert mdn.load(folder / "area.mdn").outcome_.atoms == (0.0,)
    assert "of it: whether it is one of the frequent values" in (folder / "area.html").read_text()
    ran = run_here(folder, "predict", "area.mdn", "t.csv", "--above", 0, "--mean", "--out", "area.csv")
    assert ran.exit_code == 0, said(ran)
    found = pd.read_csv(folder / "area.csv")
    assert found["area_0.05"].eq(0.0).any() and found.min().min() >= 0.0
    assert found["area_above_0"].between(0.2, 0.8).mean() > 0.5


def test_fit_learns_a_time_whose_end_was_not_always_seen(folder):
    ran = run_here(folder, "fit", "t.csv", "--target", "months", "--event", "died", *TINY, "--out", "months.mdn")
    assert ran.exit_code == 0, said(ran)
    assert "nan" not in said(ran) and "died │ bound" in said(ran)
    model = mdn.load(folder / "months.mdn")
    assert model.censoring == "right" and "died" not in model.columns_.table_names
    frame = pd.read_csv(folder / "t.csv")
    features = frame[model.columns_.table_names]
    late = (frame["died"] == 0).to_numpy()
    beyond = model.predict_probability(features, above=list(frame["months"]))[np.arange(200), np.arange(200)]
    scores = model.log_prob(features, frame[["months", "died"]].to_numpy())
    np.testing.assert_allclose(scores[late], np.log(beyond[late]), rtol=1e-3, atol=1e-4)
    ran = run_here(folder, "report", "months.mdn", "t.csv")
    assert ran.exit_code == 0 and "equal to rows of training" in said(ran), said(ran)


def test_fit_learns_a_target_between_two_columns_of_which_one_may_be_empty(folder):
    ran = run_here(
        folder, "fit", "t.csv", "--lower", "low", "--upper", "high", *TINY, "--family", "positive", "--out", "b.mdn"
    )
    assert ran.exit_code == 0, said(ran)
    model = mdn.load(folder / "b.mdn")
    assert model.target_names_ == ["low-high"] and model.columns_.bounds == ("low", "high")
    frame = pd.read_csv(folder / "t.csv")
    bounds = np.column_stack([frame["low"], frame["high"].fillna(np.inf)])
    assert np.isfinite(model.log_prob(frame[model.columns_.table_names], bounds)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--target", "months", "--event", "visits"], "the event 'visits' must be 1 or 0, but is"),
        (["--lower", "low"], "--lower and --upper belong together"),
        (["--lower", "high", "--upper", "low"], "'high' must not exceed 'low'"),
        (["--target", "x", "--lower", "low", "--upper", "high"], "take the place of --target"),
        (["--target", "months", "--event", "died", "--calibrate"], "--calibrate needs targets that are known"),
        (
            ["--target", "months", "--event", "died", "--calibrate-by", "visits"],
            "--calibrate needs targets that are known",
        ),
        (["--event", "died"], "--event belongs to one --target"),
        ([], "name the column to predict"),
        (["--target", "x", "--family", "positive"], "needs targets from 0, but -"),
        (["--target", "x", "--family", "gauss"], "`family` must be one of"),
        (["--target", "x", "--bounds", "0"], "two numbers with a comma between"),
        (["--target", "x", "--bounds", "0,1"], "within `bounds` = (0, 1)"),
    ],
)
def test_a_wrong_role_or_family_is_one_sentence(folder, options, message):
    ran = run_here(folder, "fit", "t.csv", *options, *TINY, "--out", "none.mdn")
    assert ran.exit_code != 0 and message in said(ran), said(ran)
    assert not (folder / "none.mdn").exists()
