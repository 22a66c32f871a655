"""What matters: permutation importances and partial dependence, of whole columns, in every kind of table, and on the page."""

import html
import re
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib.figure import Figure
from sklearn import inspection

import mdn
from mdn import plots
from mdn.data import read_table
from mdn.page import Page
from mdn.tabular import importances, matters
from mdn.tabular.importances import mean_and_error

pytestmark = pytest.mark.project
DAYS = np.datetime64("2022-01-01") + np.arange(730)


def shops(seed, count):
    """(a frame, its target): `where` moves the median, `risk` the spread only, `noise` nothing, `day` adds a slow rise."""
    rng = np.random.default_rng(seed)
    where = rng.choice(["north", "south", "west"], count, p=[0.5, 0.3, 0.2])
    risk, noise, day = rng.uniform(-1.0, 1.0, count), rng.normal(size=count), rng.choice(730, count)
    center = 100.0 + np.select([where == "north", where == "south"], [0.0, 4.0], -4.0) + day / 365.0
    frame = pd.DataFrame({"noise": noise, "risk": risk, "where": where, "day": DAYS[day]})
    return frame, pd.Series(center + np.exp(1.2 * risk) * rng.normal(size=count), name="price")


@pytest.fixture(scope="module", name="reg")
def _reg():
    settings = dict(hidden_sizes=(16,), num_components=2, epochs=60, random_state=0)
    return mdn.MDNRegressor(**settings).fit(*shops(0, 300))


@pytest.fixture(scope="module", name="found")
def _found(reg):
    return reg.importances(*shops(1, 400))


# ---- importances -----------------------------------------------------------------------------------------------------


def test_each_measure_finds_the_column_that_matters_to_it(found):
    at = {name: place for place, name in enumerate(found.names)}
    assert found.nll.shape == found.median.shape == found.spread_error.shape == (4,)
    assert found.names[found.order[0]] == "where" and found.names[found.order[-1]] == "noise"
    assert found.nll[at["where"]] > 10 * found.nll_error[at["where"]] and found.median[at["where"]] > 1.0
    assert abs(found.nll[at["noise"]]) < 0.1 and abs(found.median[at["noise"]]) < 0.1


def test_a_column_of_the_spread_alone_is_found_by_the_spread_and_the_nll_but_not_by_the_median(found):
    noise, risk = found.names.index("noise"), found.names.index("risk")
    assert np.argmax(found.spread) == risk and found.spread[risk] > 3 * found.spread[noise]
    assert found.nll[risk] > 3 * found.nll_error[risk] and found.nll[risk] > 0.1
    assert abs(found.median[risk]) < max(0.05, 3 * found.median_error[risk])


def test_a_column_is_shuffled_as_one_although_it_has_several_inputs(reg):
    frame, price = shops(2, 50)
    found = reg.importances(frame, price, repeats=2, seed=7)
    rng = np.random.default_rng(7)
    lost, wider = {}, {}
    width = np.log(np.diff(reg.predict_interval(frame, 0.9))[:, 0])
    for name in frame:
        lost[name], wider[name] = [], []
        for _ in range(2):
            other = frame.assign(**{name: frame[name].to_numpy()[rng.permutation(50)]})
            lost[name].append(np.mean(reg.log_prob(frame, price) - reg.log_prob(other, price)))
            wider[name].append(np.mean(np.abs(np.log(np.diff(reg.predict_interval(other, 0.9))[:, 0]) - width)))
    np.testing.assert_allclose(found.nll, [np.mean(lost[name]) for name in found.names], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(found.spread, [np.mean(wider[name]) for name in found.names], rtol=1e-3, atol=1e-4)


def test_every_kind_of_frame_has_the_same_answers(reg, tmp_path):
    frame, price = shops(3, 40)
    frame.assign(day=frame["day"].dt.strftime("%Y-%m-%d")).to_csv(tmp_path / "t.csv", index=False)
    tables = [frame, pl.from_pandas(frame), read_table(tmp_path / "t.csv")]
    found = [reg.importances(table, price, repeats=1) for table in tables]
    for other in found[1:]:
        np.testing.assert_allclose(other.nll, found[0].nll, atol=1e-5)
    for column in ("where", "day", "risk"):
        moved = [reg.partial_dependence(table, column, grid=4) for table in tables]
        for other in moved[1:]:
            np.testing.assert_array_equal(other.grid, moved[0].grid)
            np.testing.assert_allclose(other.quantiles, moved[0].quantiles, rtol=1e-5)


def test_standard_errors_cover_the_truth():
    """Of a model that answers x for y = x + noise: the squared error grows by E(x - x')² = 2 if x is shuffled."""
    off = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        x, noise = rng.normal(size=200), 0.5 * rng.normal(size=200)
        donors = np.stack([rng.permutation(200) for _ in range(5)])
        changes = (x + noise - x[donors]) ** 2 - noise**2
        mean, error = mean_and_error(changes[..., None], donors)
        off.append((mean[0] - 2.0) / error[0])
    assert 0.85 < np.std(off) < 1.15 and abs(np.mean(off)) < 0.2
    assert 0.91 < np.mean(np.abs(off) < 2.0) < 0.99


def test_targets_that_are_missing_do_not_count():
    rng = np.random.default_rng(0)
    donors = np.stack([rng.permutation(30) for _ in range(3)])
    changes = rng.normal(size=(3, 30, 2))
    changes[:, ::3, 1] = np.nan
    mean, error = mean_and_error(changes, donors)
    np.testing.assert_allclose(mean, np.nanmean(changes, axis=(0, 1)))
    assert np.isfinite(error).all() and error[1] > error[0]


def test_rows_are_drawn_by_the_seed_and_those_without_a_target_are_not(reg):
    frame, price = shops(4, 60)
    price = price.where(np.arange(60) % 3 > 0)
    one, two, other = (reg.importances(frame, price, repeats=1, seed=seed, rows=20) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.nll, two.nll)
    assert one.rows == 20 and not np.array_equal(one.nll, other.nll)
    assert reg.importances(frame, price, repeats=1).rows == 40
    with pytest.raises(ValueError, match="at least 2 rows with a target, but 1 of 60 rows"):
        reg.importances(frame, price.where(np.arange(60) == 1))
    with pytest.raises(ValueError, match="`repeats` must be at least 1, but 0 came"):
        reg.importances(frame, price, repeats=0)


def test_importances_are_a_table_to_read(found):
    text = str(found)
    lines = text.splitlines()
    assert lines[0].split()[:3] == ["column", "NLL,", "nats"] and lines[1].startswith("where")
    assert len({len(line) for line in lines[:5]}) == 1
    assert lines[-1] == "(± standard error; 400 rows, each column shuffled 5 times)"
    with pytest.raises(ValueError, match='`measure` must be "nll", "median" or "spread"'):
        found.of_target("mean")


# ---- partial dependence ----------------------------------------------------------------------------------------------


def test_the_answers_move_as_the_data_do(reg):
    frame, _ = shops(1, 200)
    where = reg.partial_dependence(frame, "where")
    assert list(where.grid) == ["north", "south", "west"] and where.quantiles.shape == (3, 3)
    np.testing.assert_allclose(np.diff(where.quantiles[:, 1]), [4.0, -8.0], atol=1.0)
    risk = reg.partial_dependence(frame, "risk", (0.05, 0.95), grid=9)
    width = np.diff(risk.quantiles)[:, 0]
    assert len(risk.grid) == 9 and width[-1] > 3.0 * width[0] and set(risk.grid) <= set(frame["risk"])
    day = reg.partial_dependence(frame, "day", grid=12)
    assert day.grid.dtype == "datetime64[s]" and 1.0 < day.quantiles[-1, 1] - day.quantiles[0, 1] < 3.0
    assert str(where).splitlines()[1].startswith("north") and "(means over 200 rows)" in str(day)


def test_partial_dependence_is_the_mean_over_rows_that_have_the_value(reg):
    frame, _ = shops(2, 30)
    for column, grid in (("where", 3), ("risk", 5)):
        found = reg.partial_dependence(frame, column, grid=grid)
        for value, quantiles in zip(found.grid, found.quantiles, strict=True):
            alike = reg.predict_quantile(frame.assign(**{column: value}), [0.05, 0.5, 0.95])
            np.testing.assert_allclose(quantiles, alike.mean(axis=0), rtol=1e-5)
    frame.loc[0, "where"] = "never seen"
    assert list(reg.partial_dependence(frame, "where").grid)[-1] == "(other)"


def test_dates_move_without_the_cycles_that_their_grid_is_too_coarse_for(reg):
    frame, _ = shops(2, 30)
    assert reg.columns_.dates["day"].cycles == ("time of year", "day of week")
    found = reg.partial_dependence(frame, "day", grid=10)
    x = reg._features(frame)
    place = reg.columns_.places["day"]
    late = reg._features(frame.assign(day=found.grid[-1]))
    late[:, place][:, 3:] = x[:, place][:, 3:]  # day of week
    alike = reg._ask_inputs(late, lambda mixture, _: mixture.quantile([0.5])[0], np.zeros((30, 1)))
    np.testing.assert_allclose(found.quantiles[-1, 1], np.mean(alike) + reg.target_origin_[0], rtol=1e-5)


def test_columns_and_levels_that_do_not_fit_say_so(reg):
    frame, _ = shops(2, 30)
    with pytest.raises(ValueError, match=r"the model has no column 'colour'. It uses columns 'noise', 'risk'"):
        reg.partial_dependence(frame, "colour")
    with pytest.raises(ValueError, match="`levels` must lie between 0 and 1"):
        reg.partial_dependence(frame, "risk", levels=(5, 95))
    with pytest.raises(ValueError, match="`grid` must be at least 1"):
        reg.partial_dependence(frame, "risk", grid=0)


# ---- arrays, several targets, other explainers -----------------------------------------------------------------------


@pytest.fixture(scope="module", name="two")
def _two():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 3))
    y = np.stack([1000.0 + 5.0 * x[:, 0], x[:, 2]], axis=-1) + 0.3 * rng.normal(size=(240, 2))
    y[::5, 1] = np.nan
    settings = dict(hidden_sizes=(16,), num_components=1, epochs=40, refit=False, random_state=0)
    return mdn.MDNRegressor(**settings).fit(x[:200], y[:200]), x[200:], y[200:]


def test_several_targets_have_a_median_and_a_spread_each(two):
    reg, x, y = two
    found = reg.importances(x, y, repeats=2)
    assert found.names == ("x0", "x1", "x2") and found.nll.shape == (3,) and found.median.shape == (3, 2)
    assert found.names[found.order[-1]] == "x1" and list(np.argmax(found.median, axis=0)) == [0, 2]
    assert np.isfinite(found.median_error).all() and "median of y1" in str(found)
    moved = reg.partial_dependence(x, 0, grid=4)
    assert moved.column == "x0" and moved.quantiles.shape == (4, 2, 3)
    assert np.ptp(moved.of_target(0)[:, 1]) > 5.0 > np.ptp(moved.of_target(1)[:, 1])
    page = Page("two")
    matters._what_matters(page, found, 1, "y1")
    matters._how_it_answers(page, [moved], 1, "y1")
    assert "that of all targets together" in page.sections[0] and "only column" in page.sections[1]


def test_explainers_of_functions_take_the_regressor(two):
    """What SHAP's model-agnostic ones do: many rows, each partly the explained one, partly one of the background."""
    reg, x, _ = two
    asked = np.where(np.random.default_rng(0).random((39, 3)) < 0.5, x[:1], x[1:])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert reg.predict(asked).shape == (39, 2)


def test_scikit_learns_inspection_takes_the_regressor(reg):
    frame, price = shops(1, 60)
    score = inspection.permutation_importance(reg, frame, price, n_repeats=2, random_state=0)["importances_mean"]
    assert frame.columns[np.argmax(score)] == "where" and score.max() > 0.5
    theirs = inspection.partial_dependence(reg, frame, ["risk"], grid_resolution=3, kind="average")
    (at,) = theirs["grid_values"]
    np.testing.assert_allclose(
        theirs["average"][0], [reg.predict(frame.assign(risk=each)).mean() for each in at], rtol=1e-5
    )


# ---- pictures and the page -------------------------------------------------------------------------------------------


def test_the_bars_are_the_importances_and_their_errors(found):
    ax = Figure().subplots()
    assert plots.importances(found, ax, measure="median", most=3) is ax
    bars, (line, *_) = ax.patches, [each for each in ax.collections]
    np.testing.assert_allclose([bar.get_width() for bar in bars], found.median[found.order[:3]])
    ends = np.array([segment[:, 0] for segment in line.get_segments()])
    np.testing.assert_allclose(np.diff(ends)[:, 0], 2.0 * found.median_error[found.order[:3]])
    assert [label.get_text() for label in ax.get_yticklabels()] == [found.names[at] for at in found.order[:3]]


def test_each_bar_has_its_number_beside_it(found):
    for measure in ("nll", "median", "spread"):
        ax, (values, errors) = Figure().subplots(), found.of_target(measure, 0)
        plots.importances(found, ax, measure=measure, most=3)
        for text, at in zip(ax.texts, found.order[:3], strict=True):
            assert float(text.get_text()) == pytest.approx(values[at], rel=5e-3) and "e" not in text.get_text()
            assert text.xy[0] >= values[at] + errors[at] - 1e-12 and ax.get_xlim()[1] > text.xy[0]


def test_the_lines_are_the_quantiles(reg):
    frame, _ = shops(2, 30)
    moved = reg.partial_dependence(frame, "risk", (0.95, 0.5, 0.05), grid=5)
    ax = plots.partial_dependence(moved, Figure().subplots())
    np.testing.assert_allclose(ax.lines[0].get_xydata(), np.c_[moved.grid, moved.quantiles[:, 1]])
    assert [text.get_text() for text in ax.legend().get_texts()] == ["5 % to 95 %", "median"]
    ax = plots.partial_dependence(reg.partial_dependence(frame, "where"), Figure().subplots())
    assert [label.get_text() for label in ax.get_xticklabels()] == ["north", "south", "west"]


def test_the_page_says_what_matters_and_how_it_answers(reg, tmp_path):
    frame, price = shops(1, 400)
    reg.report(frame, price, tmp_path / "r.html")
    words = html.unescape(re.sub("<[^>]*>", " ", (tmp_path / "r.html").read_text()))
    for said in (
        "What matters for price",
        "How it answers for price",
        "three most important columns",
        "shuffled among 400 rows",
    ):
        assert said in words


def test_a_page_does_without_importances_of_very_many_columns(reg, monkeypatch):
    frame, price = shops(2, 30)
    monkeypatch.setattr(matters, "_MOST_COLUMNS", 3)
    page = Page("wide")
    matters.add_what_matters(page, reg, frame, price.to_numpy()[:, None])
    assert "Not computed: the model uses 4 columns, more than the 3" in page.sections[0] and len(page.sections) == 1


def test_many_shuffled_tables_are_asked_in_parts(reg, monkeypatch):
    frame, price = shops(2, 30)
    whole = reg.importances(frame, price, repeats=2)
    monkeypatch.setattr(importances, "_ROWS_A_CALL", 70)
    np.testing.assert_allclose(reg.importances(frame, price, repeats=2).nll, whole.nll, atol=1e-5)
