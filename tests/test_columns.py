"""What each column of a table is taken for, in Python and by the commands; and what the report says of rows and figures."""

import datetime
import html
import json
import re
import warnings
import zipfile

import numpy as np
import pandas as pd
import polars as pl
import pytest

import mdn
from commands import run_here
from mdn.data import Table, TableError, read_table
from mdn.data.dates import DateError, days_of, local, read_dates, share_of_dates
from mdn.data.declared import declare
from mdn.models import read_description
from mdn.tabular import curves, promised, seen, split_rows, targets, wording
from mdn.tabular.columns import Columns, UnknownLevels
from mdn.tabular.frames import column, features_shown, row_names

pytestmark = pytest.mark.project

LIBRARIES = pytest.mark.parametrize("library", [pd, pl], ids=["pandas", "polars"])
MIDNIGHT = 19787.0  # 2024-03-05, in days since 1970


def tiny(**settings):
    return mdn.MDNRegressor(**{"num_components": 1, "hidden_sizes": (4,), "epochs": 3, "random_state": 0, **settings})


def constant(x, **settings):
    """A regressor that learnt a constant, so that nothing is trained."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return tiny(**settings).fit(x, np.full(len(x), 2.0))


def words_of(path):
    """The text of a page."""
    page = re.sub(r"<img[^>]*>|<style.*?</style>", " ", path.read_text(), flags=re.DOTALL)
    return " ".join(html.unescape(re.sub("<[^>]+>", " ", page)).split())


def said(ran):
    return " ".join((ran.stdout + ran.stderr).split())


# ---- declared types --------------------------------------------------------------------------------------------------


def test_categories_of_whole_numbers_are_categories_whatever_frame_comes_later():
    """Fault 4 of issue 21: categories of pandas that hold whole numbers were taken for numbers."""
    frame = pd.DataFrame({"shop": pd.Categorical([5, 7, None, 5]), "size": pd.array([1, 2, None, 4], dtype="Int64")})
    columns = Columns.learn(frame)
    assert columns.levels == {"shop": ["5", "7"], "size": None}
    expected = [[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 0, 0]]
    np.testing.assert_array_equal(columns.numbers(frame)[:, :3], expected)
    later = pd.DataFrame({"shop": [5.0, 7.0, np.nan, 8.0], "size": 1})
    np.testing.assert_array_equal(columns.numbers(later)[:, :3], [[1, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 1]])


def test_enums_and_categories_of_polars_and_codes_in_text_are_categories():
    """Fault 4 of issue 21: the type that a frame declares is obeyed, and 01001 is no number."""
    frame = pl.DataFrame(
        {
            "enum": pl.Series(["1", "2", "1"], dtype=pl.Enum(["1", "2"])),
            "category": pl.Series(["2024-01-01", "2024-01-02", None], dtype=pl.Categorical),
            "zip": ["01001", "90210", "01001"],
        }
    )
    assert Columns.learn(frame).levels == {
        "enum": ["1", "2"], "category": ["2024-01-01", "2024-01-02"], "zip": ["01001", "90210"],
    }  # fmt: skip
    assert Columns.learn(frame.to_pandas()).levels["zip"] == ["01001", "90210"]


def test_what_is_declared_of_a_table_counts_more_than_its_cells(tmp_path):
    """Fault 4 of issue 21."""
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\n" + "1,20240305,1\n2,20240306,2\n" * 6)
    table = declare(read_table(path, text=["a", "b"]), category=["a"], number=["c"], date=["b"])
    kinds = {each.name: each.kind for each in Columns.learn(table.take(np.arange(8))).about}
    assert kinds == {"a": "category", "b": "date", "c": "number"}
    with pytest.raises(TableError, match="declared a category and a date"):
        declare(table, category=["a"], date=["a"])
    with pytest.raises(TableError, match="has no column 'x'"):
        declare(table, number=["x"])
    path.write_text("a\n1\noops\n" + "2\n" * 9)
    with pytest.raises(ValueError, match="column 'a' is declared a column of numbers, but has 'oops' in line 3"):
        Columns.learn(declare(read_table(path), number=["a"]))


@pytest.fixture(scope="module", name="shops")
def _shops(tmp_path_factory):
    """A folder with a file of many kinds of columns, and a model of it by `mdn fit`: (folder, what the command printed)."""
    folder = tmp_path_factory.mktemp("shops")
    rng = np.random.default_rng(0)
    first = datetime.datetime(2022, 1, 1)
    rows = [",when,zip,name,none,code,count,day,note,price"]
    for i in range(60):
        then = first + datetime.timedelta(hours=37 * i)
        rows.append(
            f"{i},{then:%d.%m.%Y %H:%M},{('01001', '90210')[i % 2]},person {i},,{i % 3},{i % 7},{then:%Y%m%d},{i},"
            f"{20_000.5 + 100 * rng.normal():.1f}"
        )
    (folder / "shops.csv").write_text("\n".join(rows) + "\n")
    ran = run_here(
        folder, "fit", "shops.csv", "--target", "price", "--epochs", "2", "--components", "1",
        "--category", "code", "--date", "day", "--ignore", "note",
    )  # fmt: skip
    assert ran.exit_code == 0, said(ran)
    return folder, said(ran)


def test_fit_shows_what_each_column_was_taken_for_before_it_trains(shops):
    """Fault 6 of issue 21: nobody was told what a column was taken for, and rows' names and indices became features."""
    folder, printed = shops
    table, _, later = printed.partition("48 rows to learn from, 12 set aside; features: 5.")
    for row in (
        "0 │ index", "when │ date", "zip │ category", "name │ identifier", "none │ empty", "code │ category",
        "count │ number │ 0 to 6", "day │ date", "note │ ignored",
    ):  # fmt: skip
        assert row in table, row
    assert "days, day of week, time of day" in table and "Model:" in later
    assert "only numbers the rows, so it is left out; --number 0 keeps it" in printed
    assert "column 'name' holds text that differs in nearly every row" in printed
    assert "cells of 'zip' begin with 0 or +, so they are taken for categories" in printed
    page = words_of(folder / "model.html")
    assert "What it learned from" in page and "name identifier 48 levels of text in 48 rows" in page


def test_a_model_reads_new_files_as_it_read_the_first(shops):
    """Fault 4 of issue 21: what was declared is kept in the model, for `mdn predict` and `mdn report`."""
    folder, _ = shops
    model = mdn.load(folder / "model.mdn")
    assert model.columns_.table_names == ["when", "zip", "code", "count", "day"]
    assert set(model.columns_.text_names) == {"when", "zip", "code", "day"}
    assert read_description(folder / "model.mdn")["format"] == 3
    new = [*"code,zip,count,day,when\n", "0,01001,3,20240305,05.03.2024 10:00\n", "0,1001,3,20240305,05.03.2024\n"]
    (folder / "new.csv").write_text("".join(new))
    ran = run_here(folder, "predict", "model.mdn", "new.csv", "--out", "q.csv")
    assert ran.exit_code == 0, said(ran)
    frame = pd.DataFrame({
        "when": pd.to_datetime(["2024-03-05 10:00", "2024-03-05 00:00"]), "zip": ["01001", "1001"], "code": [0, 0],
        "count": [3, 3], "day": ["20240305", "2024-03-05"],
    })  # fmt: skip
    np.testing.assert_allclose(
        read_table(folder / "q.csv").values, model.predict_quantile(frame, [0.05, 0.5, 0.95]), rtol=1e-5
    )
    ran = run_here(folder, "report", "model.mdn", "shops.csv", "--out", "r.html")
    assert ran.exit_code == 0 and "60 rows handed to the report, but about 80 % of them are equal" in said(ran)
    (folder / "wrong.csv").write_text("code,zip,count,day,when\n0,1,3,20240305,soon\n")
    ran = run_here(folder, "predict", "model.mdn", "wrong.csv", "--out", "q.csv")
    assert ran.exit_code == 2 and "column 'when' holds dates, but in line 2 'soon' is no date that" in said(ran)


WRONG = {
    "a declared target": (("--date", "y"), "--date y: this is the target"),
    "one column twice": (("--ignore", "a", "--number", "a"), "column 'a' stands in --ignore and in --number"),
    "a column that is not there": (("--number", "aa"), "no column 'aa'. Did you mean 'a'?"),
    "a separator that the reader gets": (("--separator", "?"), "separator"),
}


@pytest.mark.parametrize("case", WRONG)
def test_options_that_contradict_each_other_are_refused(case, tmp_path):
    """Fault 4 of issue 21."""
    options, message = WRONG[case]
    (tmp_path / "t.csv").write_text("a,b,y\n" + "1,2,3\n" * 12)
    ran = run_here(tmp_path, "fit", "t.csv", "--target", "y", *options)
    assert ran.exit_code != 0 and message in said(ran) + str(ran.exception)


# ---- columns that are left out ---------------------------------------------------------------------------------------


@LIBRARIES
def test_columns_that_tell_rows_apart_or_are_empty_are_left_out_and_not_needed(library):
    """Fault 6 of issue 21: a name in a frame was refused, one column after the other."""
    frame = library.DataFrame({"name": [f"row {i}" for i in range(30)], "x": np.arange(30.0), "none": [None] * 30})
    with pytest.warns(UserWarning, match=r"column 'name' holds text .*column 'none' holds nothing .* left out"):
        reg = tiny(epochs=2).fit(frame, np.arange(30.0) ** 2)
    assert reg.n_features_in_ == 1 and list(reg.feature_names_in_) == ["x"]
    np.testing.assert_array_equal(reg.predict(frame), reg.predict(frame[["x"]]))
    with pytest.raises(
        ValueError, match="no column to learn from: column 'name' holds text that differs in nearly every"
    ):
        Columns.learn(frame[["name"]])
    numbers = library.DataFrame({"x": np.arange(30.0), "cost": [f"{i + 100}" for i in range(30)]})
    assert "make column 'cost' numbers first" in Columns.learn(numbers).warning


def test_as_many_levels_are_kept_as_have_rows():
    """Fault 6 of issue 21: 32 levels were kept, however many rows there were, and nobody was told."""
    towns = np.repeat([f"town {i:03}" for i in range(200)], 10)
    common = np.concatenate([towns, [f"village {i}" for i in range(100)]])
    (about,) = Columns.learn(pd.DataFrame({"place": common})).about
    assert about.detail == "128 of 300 levels kept, 39 % of the rows are (other)"
    few = np.concatenate([np.repeat([f"town {i}" for i in range(40)], 6), [f"village {i}" for i in range(60)]])
    assert len(Columns.learn(pd.DataFrame({"place": few})).levels["place"]) == 40
    rare = pd.DataFrame({"place": [f"town {i % 12}" for i in range(24)]})
    assert len(Columns.learn(rare).levels["place"]) == 8


def test_several_bad_columns_are_named_together(tmp_path):
    """Fault 15 of issue 21: bad columns were named one a run."""
    (tmp_path / "t.csv").write_text("a,b,y\n" + "1,2,3\n" * 4 + "oops,2,3\n1,what,4\n" + "1,2,3\n" * 9)
    ran = run_here(tmp_path, "fit", "t.csv", "--target", "y", "--test-share", "0.01")
    assert ran.exit_code == 2
    assert "2 columns cannot be used as they are: 'a' ('oops' in line 6); 'b' ('what' in line 7)." in said(ran)
    assert "leave them out with --ignore a --ignore b" in said(ran)
    frame = pd.DataFrame({"a": ["2,6", "3,1"], "b": ["5/3/2024", "6/7/2024"]})
    with pytest.raises(ValueError, match=r"2 columns cannot be used .*'2,6' in row 0.*5 March 2024 or 3 May 2024"):
        Columns.learn(frame)


def test_a_target_of_text_is_told_to_choose_a_number(tmp_path):
    """Fault 15 of issue 21: the advice was to leave the target out."""
    (tmp_path / "t.csv").write_text("a,kind,b\n" + "1,red,3\n2,blue,4\n" * 6)
    ran = run_here(tmp_path, "fit", "t.csv", "--target", "kind")
    assert ran.exit_code == 2 and "--ignore" not in said(ran)
    assert "the target 'kind' must hold numbers, but holds text: 'red' in line 2, and 11 more such cells." in said(ran)
    assert "Choose a numeric column with --target ('a', 'b')" in said(ran)
    with pytest.raises(
        ValueError, match=r"the target must hold numbers, but holds text: 'red' in row 0\. Choose a numeric"
    ):
        tiny().fit(np.zeros((2, 1)), np.array(["red", "blue"]))


# ---- levels, decimal marks and units meet again ----------------------------------------------------------------------


def places(columns, values, **settings):
    """The level of each cell of a column of categories: None where missing, "(other)" where training did not show it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = columns.numbers(pd.DataFrame({"c": values}, **settings))
    names = [*columns.levels["c"], "(other)"]
    return [names[int(np.argmax(row))] if row.any() else None for row in x]


def test_a_level_is_the_same_whether_a_file_or_a_frame_writes_it():
    """Issue 21: "1.0" and "1", and True and "true", were different levels, so that cells fell into (other)."""
    whole = Columns.learn(pd.DataFrame({"c": ["1.0", "2", "1", "2.0", "x"]}))
    assert whole.levels["c"] == ["1", "2", "x"]
    assert places(whole, [1.0, 2, 3]) == places(whole, ["1.0", "2", "3"]) == ["1", "2", "(other)"]
    truth = Columns.learn(pd.DataFrame({"c": ["true", "False", "TRUE", "maybe"]}))
    assert truth.levels["c"] == ["True", "False", "maybe"]
    assert places(truth, [True, False]) == places(truth, np.array([True, "false"], object)) == ["True", "False"]
    old = Columns({"c": ["1.0", "true", "1"]})  # of an older version
    assert places(old, ["1.0", "True", "1", "1.00"]) == ["1.0", "true", "1", "1.0"]


def test_codes_that_lost_their_zeros_in_a_column_of_numbers_are_found():
    """Issue 21: 1001 was not the level 01001."""
    columns = Columns.learn(pd.DataFrame({"c": ["01001", "90210", "00007"] * 3}))
    assert places(columns, [1001, 7, 90210, 8]) == ["01001", "00007", "90210", "(other)"]
    assert places(columns, [1001.0, np.nan, 7.0]) == ["01001", None, "00007"]
    assert places(columns, pd.Categorical([1001, 7])) == ["01001", "00007"]
    assert places(columns, ["1001"]) == ["(other)"]
    mixed = Columns.learn(pd.DataFrame({"c": ["01", "2", "10"] * 3}))
    assert places(mixed, [1, 2]) == ["(other)", "2"]


@pytest.mark.parametrize("ending", ["parquet", "xlsx"])
@pytest.mark.parametrize("cells", [[1001, 7], ["01001", "00007"]], ids=["numbers", "text"])
def test_codes_are_found_in_typed_files_whether_they_are_numbers_or_text(cells, ending, tmp_path):
    """Issue 21: 1001 was not the level 01001."""
    pytest.importorskip("pyarrow" if ending == "parquet" else "openpyxl")
    rng = np.random.default_rng(0)
    rows = [f"{('01001', '00007')[i % 2]},{i % 2 * 10 + rng.normal():.3f}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["zip,y", *rows]))
    table = read_table(tmp_path / "t.csv", text=["zip"]).select(["zip"])
    reg = tiny(epochs=2).fit(table, np.arange(40) % 2 + rng.normal(size=40))
    reg.target_names_ = ["y"]
    reg.save(tmp_path / "m.mdn")
    frame = pd.DataFrame({"zip": cells * 5})
    if ending == "parquet":
        frame.to_parquet(tmp_path / "new.parquet")
    else:
        frame.to_excel(tmp_path / "new.xlsx", index=False)
    ran = run_here(tmp_path, "predict", "m.mdn", f"new.{ending}")
    assert ran.exit_code == 0 and "(other)" not in said(ran), said(ran)
    expected = reg.predict_quantile(table.take(np.arange(2)), [0.05, 0.5, 0.95])
    found = read_table(tmp_path / "predictions.csv").values
    np.testing.assert_allclose(found[:2], expected, rtol=1e-5)


@LIBRARIES
def test_words_for_missing_cells_are_missing_in_frames_as_in_files(library):
    """Issue 21: "NA" and "None" in a frame were levels, and text among numbers."""
    frame = library.DataFrame({"c": ["a", "NA", "b", "None", "a", "-"]})
    columns = Columns.learn(frame)
    assert columns.levels["c"] == ["a", "b"] and "50 % missing" in columns.about[0].detail
    assert columns.numbers(frame).sum() == 3.0
    declared = Columns.learn(pd.DataFrame({"c": pd.Categorical(["NA", "b", "NA", None])}))
    assert declared.levels["c"] == ["NA", "b"]
    assert places(declared, ["NA", "b", "None"]) == ["NA", "b", None]
    numbers = pd.DataFrame({"x": np.array([1, 2.5, "NA", None], dtype=object)})
    assert Columns.learn(numbers).levels == {"x": None}
    np.testing.assert_array_equal(Columns.learn(numbers).numbers(numbers)[:, 0], [1, 2.5, np.nan, np.nan])
    dates = np.array([datetime.date(2024, 3, 5), "NA", datetime.date(2024, 3, 6)], dtype=object)
    assert Columns.learn(pd.DataFrame({"d": dates})).about[0].kind == "date"


def test_a_column_whose_levels_are_mostly_unknown_is_told(tmp_path):
    """Issue 21: every cell fell into (other), and nobody was told."""
    columns = Columns.learn(pd.DataFrame({"c": ["north", "south"] * 20}))
    new = pd.DataFrame({"c": ["north", *["NORTH"] * 6]})
    words = (
        r"column 'c': 86 % of the rows, but 0 % in training, hold .* such as 'NORTH' in row 1, and count as \(other\)"
    )
    with pytest.warns(UnknownLevels, match=words):
        columns.numbers(new)
    columns.numbers(new[:5])  # four are too few
    columns.numbers(pd.DataFrame({"c": ["north", "NORTH"] * 6}))  # a half
    rare = Columns.learn(pd.DataFrame({"c": [f"town {i % 40}" for i in range(80)]}))
    assert rare.others["c"] == 0.8
    rare.numbers(pd.DataFrame({"c": ["elsewhere"] * 9}))
    reg = constant(pd.DataFrame({"c": [f"town {i % 12}" for i in range(24)]}))
    reg.save(tmp_path / "m.mdn")
    assert mdn.load(tmp_path / "m.mdn").columns_.others == reg.columns_.others == {"c": pytest.approx(1 / 3)}


def test_mdn_predict_says_once_that_levels_are_unknown(tmp_path):
    """Issue 21: every cell fell into (other), and nobody was told."""
    frame = pd.DataFrame({"c": ["north", "south"] * 20, "x": np.arange(40.0)})
    frame.to_csv(tmp_path / "t.csv", index=False)
    reg = constant(read_table(tmp_path / "t.csv"))
    reg.target_names_ = ["y"]
    reg.save(tmp_path / "m.mdn")
    frame.assign(c="North").to_csv(tmp_path / "new.csv", index=False)
    ran = run_here(tmp_path, "predict", "m.mdn", "new.csv")
    assert ran.exit_code == 0, said(ran)
    assert said(ran).count("mdn: column 'c': 100 % of the rows, but 0 % in training,") == 1
    assert "such as 'North' in line 2" in said(ran)


class Marked(Table):
    """A table that says how its numbers were written."""

    written, behind = {"area": ",", "y": ","}, {"part": "%"}

    def decimals(self):
        return {name: mark for name, mark in self.written.items() if name in self.columns}

    def units(self):
        return {name: unit for name, unit in self.behind.items() if name in self.columns}


def marked(names=("area", "part"), rows=12, **said_of_it):
    cells = tuple(np.arange(float(rows)) + i for i in range(len(names)))
    kind = type("Other", (Marked,), said_of_it)
    return kind(tuple(names), cells, np.arange(rows) + 2, "t.csv")


def test_the_decimal_marks_and_units_of_training_are_kept_in_the_model(tmp_path):
    """Issue 21: a file whose cells are open, such as 1.100, was read 1000 times too small."""
    reg = constant(marked())
    assert reg.columns_.decimals == {"area": ","} and reg.columns_.units == {"part": "%"}
    reg.columns_.remember(marked(("area", "part", "y")), ["area", "y"])
    assert reg.columns_.decimals == {"area": ",", "y": ","} and reg.columns_.units == {}
    reg.columns_.remember(marked(), ["area", "part"])
    reg.save(tmp_path / "m.mdn")
    again = mdn.load(tmp_path / "m.mdn").columns_
    assert (again.decimals, again.units) == ({"area": ","}, {"part": "%"})
    constant(pd.DataFrame({"x": np.arange(12.0)})).save(tmp_path / "frame.mdn")
    again = mdn.load(tmp_path / "frame.mdn").columns_
    assert (again.decimals, again.units) == ({}, None)


def test_mdn_predict_and_report_read_a_file_with_the_decimal_marks_of_training(tmp_path, monkeypatch):
    """Issue 21: a file whose cells are open, such as 1.100, was read 1000 times too small."""
    reg = constant(Table(("area",), (np.arange(12.0),), np.arange(12), "t.csv"))
    reg.target_names_ = ["y"]
    (tmp_path / "new.csv").write_text("area,y\n" + "1.5,2\n2.5,3\n" * 8)
    asked = []

    def spy(name):
        real = getattr(mdn.data, name)

        def read(path, *, learnt=None, **options):
            asked.append(learnt)
            return real(path, **options)

        monkeypatch.setattr(mdn.data, name, read)

    spy("read_table")
    spy("read_chunks")
    for decimals in ({}, {"area": ","}):
        reg.columns_.decimals = decimals
        reg.save(tmp_path / "m.mdn")
        for command in ("predict", "report"):
            ran = run_here(tmp_path, command, "m.mdn", "new.csv")
            assert ran.exit_code == 0, said(ran)
    assert asked == [None, None, {"area": ","}, {"area": ","}]
    run_here(tmp_path, "predict", "m.mdn", "new.csv", "--decimal", ".")
    assert asked[-1] is None


def test_a_column_that_gains_or_loses_its_unit_is_refused():
    """Issue 21: 12% in training and 0.12 later were numbers of one column."""
    columns = Columns({"area": None, "part": None}, units={"part": "%"})
    columns.numbers(marked())
    with pytest.raises(
        ValueError, match=r"t\.csv: column 'part' had '%' behind its numbers in training, but has no unit here"
    ):
        columns.numbers(marked(behind={}))
    with pytest.raises(
        ValueError, match=r"column 'area' had no unit .* but has '%' here\. Write its numbers without '%'"
    ):
        columns.numbers(marked(behind={"area": "%", "part": "%"}))
    Columns({"area": None, "part": None}).numbers(marked(behind={"area": "%"}))  # an older model does not know


def test_a_column_in_another_currency_than_in_training_is_refused(tmp_path):
    """A model of prices in dollars answered prices in euros as if nothing had changed."""
    for name, sign in (("usd", "$"), ("eur", "€"), ("plain", "")):
        rows = "".join(f"{sign}{20 + i},{i % 7}\n" for i in range(40))
        (tmp_path / f"{name}.csv").write_text("price,y\n" + rows, encoding="utf-8")
    read = {name: read_table(tmp_path / f"{name}.csv").select(["price"]) for name in ("usd", "eur", "plain")}
    model = constant(read["usd"])
    model.save(tmp_path / "m.mdn")
    loaded = mdn.MDNRegressor.load(tmp_path / "m.mdn")
    assert loaded.columns_.money == {"price": "USD"}
    for one in (model, loaded):
        one.predict(read["plain"])
        with pytest.raises(
            ValueError, match=r"eur\.csv: column 'price' had amounts in USD in training, but has them in EUR"
        ):
            one.predict(read["eur"])


def test_targets_with_underscores_are_no_numbers():
    """Python reads 1_5 as 15, and so did `fit`."""
    for y in (["1_5", "2"], pd.Series(["1_5", "2"], dtype=object)):
        with pytest.raises(ValueError, match="must hold numbers, but holds text: '1_5' in row 0"):
            tiny().fit(np.zeros((2, 1)), y)


# ---- text that looks like something else -------------------------------------------------------------------------------

LOOKS = {
    "numbers": (["18", "unknown", "25", "31", "40"], "'c' holds numbers and 'unknown', so it is taken for a category: clear"),
    "censored": (["<5", "6", "7", ">9", "10", "n/d", "8", "8"], "'c' holds numbers and '<5', '>9' and 1 more words, so it is"),
    "unit": (["50 kg", "51 kg", "52 kg"], "'c' holds numbers with 'kg' behind, so it is taken for a category: write the unit"),
    "degrees": (["36.6 °C", "37,1 °C", "38.0 °C"], "'c' holds numbers with '°C' behind"),
    "kronor": (["12 kr", "13 kr", "1 200 kr"], "'c' holds numbers with 'kr' behind"),
    "short years": (["3/5/24", "4/5/24", "28/5/24"], "'c' holds dates such as '3/5/24', so it is taken for a category: --date c"),
    "months": (["2024-03", "2024-04"], "'c' holds dates such as '2024-03'"),
    "names of months": (["Jan-23", "Feb-23", "Mar-24"], "'c' holds dates such as 'Jan-23'"),
    "clock": (["10:35", "9:00", "23:59"], "'c' holds times such as '10:35', so it is taken for a category: write them as"),
    "words": (["red", "blue", "green"], ""),
    "ranges": (["10-20", "20-30", "30+"], ""),
    "names": (["5a", "6b", "7c"], ""),
    "some numbers": (["1", "x", "y"], ""),
}  # fmt: skip


@pytest.mark.parametrize("case", LOOKS)
def test_text_that_looks_like_something_else_is_said(case, tmp_path):
    """Columns of numbers with a word or a unit among them became categories without a word."""
    cells, expected = LOOKS[case]
    rows = [f"{cells[i % len(cells)]};{i % 7}.5" for i in range(60)]
    (tmp_path / "t.csv").write_text("c;y\n" + "\n".join(rows) + "\n", encoding="utf-8")
    columns = Columns.learn(read_table(tmp_path / "t.csv").select(["c"]))
    assert columns.about[0].kind == "category"
    assert columns.looks[0].startswith(expected) if expected else columns.looks == ()
    declared = declare(read_table(tmp_path / "t.csv", text=["c"]).select(["c"]), category=["c"])
    assert Columns.learn(declared).looks == ()
    frame = pd.DataFrame({"c": [cells[i % len(cells)] for i in range(60)]})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tiny().fit(frame, np.full(60, 2.0))
    found = [str(each.message) for each in caught if str(each.message).startswith("'c' holds")]
    assert len(found) == bool(expected) and all("--" not in each for each in found)
    if case == "numbers":
        ran = run_here(tmp_path, "check", "t.csv", "--target", "y")
        assert ran.exit_code == 0 and expected in said(ran)


def test_many_rare_levels_are_said():
    cells = [*("a" * 40), *(f"w{i} x" for i in range(40))]
    columns = Columns.learn(pd.DataFrame({"c": cells}))
    assert columns.looks == ("41 % of the rows of 'c' hold one of its rare levels, which all count as one: (other).",)


def test_objects_of_a_frame_that_are_numbers_are_numbers():
    """Text such as "1.5" beside "10" was a category in a frame, and so was a "2" between numbers."""
    for cells, numbers in (
        (["1.5", "2.5", "10", None], [1.5, 2.5, 10, np.nan]),
        ([1, "2", 3.0, "NA"], [1, 2, 3, np.nan]),
    ):
        frame = pd.DataFrame({"c": np.array(cells, dtype=object)})
        columns = Columns.learn(frame)
        assert columns.levels == {"c": None}
        np.testing.assert_array_equal(columns.numbers(frame)[:, 0], numbers)
    for cells in (
        ["01", "2", "1.5"],
        ["001.1", "2.5"],
        ["1_2.5", "3"],
        ["7", "8"],
        ["1.5", "x"],
        ["+49171234567", "1.5"],
        ["3.9", "3.10", "3.11"],
    ):
        assert Columns.learn(pd.DataFrame({"c": np.array(cells, dtype=object)})).levels["c"] is not None, cells


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["3.9", "3.11"], "text such as '3.9', which is taken for a number: make it of type category if it is none."),
        ([1, "2.50"], "text such as '2.50', which is taken for a number: make it of type category if it is none."),
        (
            ["3.9", "3.10"],
            "text such as '3.10', so it is taken for a category: make it numbers first (pandas.to_numeric) if it is a quantity.",
        ),
        (
            ["03.2020", "12.2020"],
            "dates such as '03.2020', so it is taken for a category: make it dates first (pandas.to_datetime).",
        ),
    ],
)
def test_text_of_a_frame_that_may_be_numbers_is_said(cells, expected):
    """Versions such as 3.9, 3.10 and 3.11 silently became 3.9, 3.1 and 3.11."""
    assert Columns.learn(pd.DataFrame({"c": np.array(cells, dtype=object)})).looks == (f"'c' holds {expected}",)
    assert Columns.learn(pd.DataFrame({"c": [1.5, 2.5]})).looks == ()


@pytest.mark.parametrize(
    "cells", [["18", "unknown", "25"], ["3/5/24", "28/5/24", "4/5/24"], ["10:35", "9:00"], ["5 kg", "6 kg"]]
)
def test_a_name_in_braces_is_no_field_of_a_format(cells):
    """A column that was called `w {kg}` ended in a KeyError."""
    columns = Columns.learn(pd.DataFrame({"w {kg} {}": cells}))
    assert columns.looks[0].startswith("'w {kg} {}' holds ")


FIXED = {
    "decimals of a fixed width": (["005.2", "123.4", "067.0"], False),
    "longitudes": (["007.1300", "123.4000", "090.0000"], False),
    "whole numbers of a fixed width": (["007.0", "120.0"], False),
    "four digits": (["0120.0", "0012.0", "1234.5"], False),
    "beside whole numbers": (["001.1", "250", "401.9"], True),
    "other decimals": (["001.1", "250.00"], True),
    "whole codes": (["01001", "90210"], True),
    "codes as floats": (["01001.0", "90210.0"], True),
}


@pytest.mark.parametrize("case", FIXED)
def test_decimals_of_a_fixed_width_are_numbers(case, tmp_path):
    """005.2 beside 123.4 was taken for a code, although only its width is fixed."""
    cells, padded = FIXED[case]
    (tmp_path / "t.csv").write_text("c,y\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells * 9)))
    assert read_table(tmp_path / "t.csv").padded == ({"c"} if padded else set())


def test_codes_with_points_and_telephones_are_categories_unless_they_are_declared_numbers(tmp_path):
    """001.1 became 1.1, and +49171234567 a quantity."""
    rows = [
        f"{('001.1', '250', '401.9')[i % 3]},+49171234{i % 4}67,{i % 5}.25,+{i % 3},0{i % 9}.5,0100{i % 9}.0,{i % 7}"
        for i in range(60)
    ]
    (tmp_path / "t.csv").write_text("icd,phone,x,change,fixed,fips,y\n" + "\n".join(rows) + "\n")
    ran = run_here(tmp_path, "check", "t.csv", "--target", "y")
    assert "cells of 'icd', 'phone', 'fips' begin with 0 or +, so they are taken for categories" in said(ran)
    assert read_table(tmp_path / "t.csv").padded == {"icd", "phone", "fips"}


def test_months_that_are_numbers_are_said(tmp_path):
    (tmp_path / "t.csv").write_text("m,y\n" + "\n".join(f"{i % 12 + 1:02}.202{i % 4},{i}" for i in range(40)) + "\n")
    table = read_table(tmp_path / "t.csv")
    assert (
        "column 'm' may hold months, but '01.2020' is read as the number 1.202: --date m takes it for dates "
        "(in Python mdn.data.source_of(..., date=['m']))."
    ) in table.note
    (tmp_path / "one.csv").write_text("m,y\n1.2034,1\n1.2034,2\n")
    assert "months" not in read_table(tmp_path / "one.csv").note  # a number that is like a month by chance
    dates = read_dates(["03.2024", "3/2024", "Mar-24", "March 2024", "2024-03"], declared=True).days
    np.testing.assert_array_equal(dates, [MIDNIGHT - 4] * 5)


def test_an_infinite_number_of_a_file_is_named_before_training(tmp_path):
    """`mdn check` was content with 1e999, and `mdn fit` ended in a sentence about arrays."""
    for cell in ("inf", "1e999", "-Infinity"):
        (tmp_path / "t.csv").write_text("p,y\n" + "".join(f"{i}.5,{i % 7}\n" for i in range(40)) + f"{cell},3\n")
        ran = run_here(tmp_path, "check", "t.csv", "--target", "y")
        assert ran.exit_code == 2 and "t.csv: column 'p' holds infinity in line 42. Clear the cell" in said(ran)


# ---- codes, and options for columns ----------------------------------------------------------------------------------


def test_codes_are_found_wherever_they_stand_in_a_file(tmp_path):
    """Issue 21: codes with leading zeros were found in the first 10,000 rows only."""
    rows = [f"{10000 + i % 7},{i % 11},{i % 13 + i % 3}" for i in range(10_500)]
    (tmp_path / "t.csv").write_text("\n".join(["zip,n,y", *rows, *["01001,3,4"] * 9, ",,5"]))
    ran = run_here(tmp_path, "check", "t.csv", "--target", "y")
    assert ran.exit_code == 0, said(ran)
    assert "cells of 'zip' begin with 0" in said(ran) and "zip │ category" in said(ran) and "n │ number" in said(ran)
    ran = run_here(tmp_path, "check", "t.csv", "--target", "y", "--number", "zip")
    assert "begin with 0" not in said(ran) and "zip │ number" in said(ran)


def test_padded_quantities_that_are_left_out_name_the_option_that_keeps_them(tmp_path):
    """Issue 21: the remedy for 0000 to 0299 was one of Python, and names with spaces were not quoted."""
    rows = [f"{i:04d},{i % 7},{i % 5}" for i in range(300)]
    (tmp_path / "t.csv").write_text("\n".join(["how much,n,y", *rows]))
    ran = run_here(tmp_path, "check", "t.csv", "--target", "y")
    assert "take column 'how much' for numbers with --number 'how much' if they are quantities" in said(ran)
    ran = run_here(tmp_path, "check", "t.csv", "--target", "y", "--number", "how much")
    assert "how much │ number │ 0 to 299" in said(ran)


def test_names_with_spaces_are_quoted_in_remedies(tmp_path):
    """Issue 21: `--ignore a b` leaves out nothing."""
    (tmp_path / "t.csv").write_text("a b,c d,y\n" + "1,2024-03-05,3\n" * 20 + "oops,2024-03-06,3\n")
    with pytest.raises(ValueError, match="leave the column out with --ignore 'a b'"):
        Columns.learn(read_table(tmp_path / "t.csv").select(["a b"]))
    (tmp_path / "t.csv").write_text("c d;y\n" + "2024-03-05;1\n" * 20 + "soon;2\n")
    with pytest.raises(ValueError, match=r"but in line 22 'soon' is no date .* --ignore 'c d', .* --category 'c d'\."):
        Columns.learn(read_table(tmp_path / "t.csv"))


def test_a_bad_cell_among_the_rows_set_aside_ends_fit_before_it_trains(tmp_path, monkeypatch):
    """Issue 21: such a cell ended `mdn fit` after the training."""
    _, test = split_rows(60, 0.2, 0)
    cells = [[f"{i % 7}", f"{i % 5}", f"{i}"] for i in range(60)]
    cells[test[0]][0], cells[test[1]][1] = "oops", "what"
    (tmp_path / "t.csv").write_text("a,b c,y\n" + "\n".join(map(",".join, cells)))
    monkeypatch.setattr(mdn.MDNRegressor, "fit", lambda *_, **__: pytest.fail("it trained"))
    ran = run_here(tmp_path, "fit", "t.csv", "--target", "y")
    assert ran.exit_code == 2, said(ran)
    assert f"'a' ('oops' in line {test[0] + 2}); 'b c' ('what' in line {test[1] + 2})" in said(ran)
    assert "leave them out with --ignore a --ignore 'b c'" in said(ran)


def test_periods_of_pandas_are_dates():
    """Issue 21: periods were taken for text that differs in every row."""
    months = pd.period_range("2022-01", periods=30, freq="M")
    columns = Columns.learn(pd.DataFrame({"month": months}))
    assert columns.about[0].kind == "date" and "2022-01-01 to 2024-06-01" in columns.about[0].detail
    expected = columns.numbers(pd.DataFrame({"month": months.to_timestamp()}))
    np.testing.assert_array_equal(columns.numbers(pd.DataFrame({"month": months})), expected)


def test_the_words_of_a_column_are_made_once():
    """Issue 21: the words of a column were made five times."""
    one = column(pd.DataFrame({"c": ["a", "NA"]}), "c")
    assert one.words is one.words and one.missing is one.missing and one.words == ["a", ""]


# ---- dates -----------------------------------------------------------------------------------------------------------

NOTATIONS = {
    "2024-03-05": 0.0,
    "2024-03-05T10:30": 10.5,
    "2024-03-05 10:30:18": 10.505,
    "2024-03-05T10:30:18.0Z": 10.505,
    "2024-03-05T10:30+02:00": 8.5,
    "05.03.2024": 0.0,
    "5. 3. 2024 10:30": 10.5,
    "5 Mar 2024": 0.0,
    "Tue, 5 Mar 2024 10:30:00 GMT": 10.5,
    "March 5, 2024": 0.0,
    "Mar 5th 2024, 1:30 PM": 13.5,
    "2024/03/05": 0.0,
    "05MAR2024": 0.0,
    "5mar2024:10:30:18": 10.505,
}


@pytest.mark.parametrize("cell", NOTATIONS)
def test_dates_are_read_in_many_notations(cell):
    """Fault 5 of issue 21: dates were categories."""
    dates = read_dates([cell, "", "NA"])
    np.testing.assert_allclose(dates.days, [MIDNIGHT + NOTATIONS[cell] / 24, np.nan, np.nan], atol=1e-9)
    assert share_of_dates([cell, ""]) == 1.0


def test_the_whole_column_decides_the_order_of_day_and_month():
    """Fault 5 of issue 21."""
    np.testing.assert_array_equal(read_dates(["5/3/2024", "25/3/2024"]).days, [MIDNIGHT, MIDNIGHT + 20])
    np.testing.assert_array_equal(read_dates(["3/5/2024", "3/25/2024"]).days, [MIDNIGHT, MIDNIGHT + 20])
    np.testing.assert_array_equal(read_dates(["3/5/2024"], order="month first").days, [MIDNIGHT])
    for cells, message in (
        (
            ["3/3/2024", "5/3/2024"],
            r"'5/3/2024' is 5 March 2024 or 3 May 2024, and no row of the column decides \(row 1\)",
        ),
        (["25/3/2024", "3/25/2024"], "'3/25/2024' contradicts '25/3/2024'"),
        (["2024-03-05", "2024-03-05T10:00Z"], "'2024-03-05' has no time zone, but other rows have one"),
        (["2024-02-30"], "is no date that is read"),
        (["20240305"], "is no date that is read"),
    ):
        with pytest.raises(DateError, match=message):
            read_dates(cells)
    assert read_dates(["20240305", "5/13/24"], declared=True).days.tolist() == [MIDNIGHT, MIDNIGHT + 69]
    assert share_of_dates(["1.2.3", "12:30", "10-20", "90210", "2024-13-01", "+49 30 1234"]) == 0.0


def test_each_mark_between_day_and_month_decides_for_itself():
    """Trained on 05.03.2023, a model read 3/5/2023 as 3 May; and 7/26/2024 made 05.03.2024 the 3rd of May in one column."""
    dates = read_dates(["05.03.2024", "25.03.2024"])
    assert (dates.order, dates.marks) == ("day first", ".")
    known = {"order": dates.order, "marks": dates.marks}
    np.testing.assert_array_equal(read_dates(["05.03.2024"], **known).days, [MIDNIGHT])
    np.testing.assert_array_equal(read_dates(["2024-03-05"], **known).days, [MIDNIGHT])
    with pytest.raises(DateError, match="'3/5/2024' is 3 May 2024 or 5 March 2024, and no row of the column decides"):
        read_dates(["3/5/2024"], **known)
    np.testing.assert_array_equal(read_dates(["3/5/2024", "3/25/2024"], **known).days, [MIDNIGHT, MIDNIGHT + 20])
    np.testing.assert_array_equal(read_dates(["3/5/2024"], order="month first").days, [MIDNIGHT])  # an older model
    with pytest.raises(DateError, match=r"'7/26/2024' is month first, but '05\.03\.2024' further up day first"):
        read_dates(["05.03.2024", "7/26/2024"])
    with pytest.raises(DateError, match="'7/26/2024' is month first"):
        read_dates(["05.03.2024", "7/26/2024"], **known)
    dates = read_dates(["05.03.2024", "25/03/2024", "5/4/2024"])
    assert (dates.order, dates.marks) == ("day first", "./")


def test_dates_that_excel_has_taken_apart_are_refused():
    """An Excel of the United States makes 2024-05-03 of 5/3/2024, day first, and leaves 26/7/2024 as text."""
    swapped = ["2024-05-03", "26/7/2024", "2024-01-12", "2024-11-02", "13/2/2024"]
    for known in ({}, {"order": "day first", "marks": "/"}):
        with pytest.raises(
            DateError, match="'26/7/2024' stayed text, and none of the other dates has a day after the 12th: Excel"
        ):
            read_dates(swapped, **known)
    with pytest.raises(DateError, match="Export the file again, with dates such as 2024-07-26"):
        read_dates(swapped)
    firsts = ["2024-01-01", "2024-02-01", "2024-03-01"]  # of months, which no Excel has taken apart
    for fine in (
        *([*swapped, "2024-05-13"], [*swapped, "1/7/2024"], ["2024-05-03", "26/7/2024"]),
        *([*firsts, "31.12.2024"], [*firsts, "31/12/2024"], ["2024-01-01", "2024-02-02", "2024-03-03", "31.12.2024"]),
    ):
        assert np.isfinite(read_dates(fine).days).all()


def test_a_model_keeps_the_mark_beside_the_order_of_its_dates(tmp_path):
    days = pd.date_range("2023-01-02", periods=60)
    model = constant(pd.DataFrame({"day": days.strftime("%d.%m.%Y")}))
    model.save(tmp_path / "m.mdn")
    loaded = mdn.MDNRegressor.load(tmp_path / "m.mdn")
    assert loaded.columns_.dates["day"].marks == "."
    for one in (model, loaded):
        with pytest.raises(ValueError, match="'3/5/2023' is 3 May 2023 or 5 March 2023"):
            one.predict(pd.DataFrame({"day": ["3/5/2023"]}))


def test_a_zone_by_name_has_the_clock_of_summer_and_winter():
    """Fault 5 of issue 21."""
    noon = days_of(np.array(["2024-01-01T12", "2024-07-01T12", "NaT"], "datetime64[s]"))
    np.testing.assert_allclose(24 * (local(noon, "Europe/Berlin") % 1), [13, 14, np.nan])
    np.testing.assert_allclose(24 * (local(noon, "-03:30") % 1), [8.5, 8.5, np.nan])
    with pytest.raises(ValueError, match="time zone 'Mars/Base' is not known here"):
        local(noon, "Mars/Base")


HOURS = pd.date_range("2022-01-01", periods=400, freq="37h")
SERIES = {
    "datetime64": HOURS,
    "text": HOURS.strftime("%d/%m/%Y %H:%M").to_numpy(),
    "objects": np.array(HOURS.to_pydatetime(), dtype=object),
    "Arrow": pd.Series(HOURS).astype("timestamp[us][pyarrow]"),
    "with a zone": HOURS.tz_localize("Asia/Tokyo"),
    "with an offset": HOURS.tz_localize("+09:00"),
}


@LIBRARIES
@pytest.mark.parametrize("kind", SERIES)
def test_dates_of_every_type_become_the_same_numbers(kind, library):
    """Fault 5 of issue 21."""
    frame = pd.DataFrame({"when": SERIES[kind]})
    frame = pl.from_pandas(frame) if library is pl else frame
    columns = Columns.learn(frame)
    assert columns.about[0].kind == "date" and "days, time of year, day of week, time of day" in columns.about[0].detail
    x = columns.numbers(frame)
    assert x.dtype == np.float64 and x.shape == (400, 7) == (400, len(columns.names))
    np.testing.assert_allclose(np.diff(x[:, 0]), 37 / 24, atol=1e-9)
    assert abs(x[0, 0] + x[-1, 0]) <= 3.0  # days since the middle
    np.testing.assert_allclose(
        x[:2, 5:], [[0, 1], [-np.sin(np.pi / 12), -np.cos(np.pi / 12)]], atol=1e-6
    )  # 0 h and 13 h there


def test_later_dates_are_larger_numbers_and_missing_ones_are_missing():
    """Fault 5 of issue 21: each date after the training was "(other)"."""
    columns = Columns.learn(pd.DataFrame({"day": ["2024-03-01", "2024-03-03", None, "2024-03-05"]}))
    assert columns.names == ["day"] and columns.about[0].detail == "2024-03-01 to 2024-03-05; days; 25 % missing"
    later = pd.DataFrame({"day": ["2024-03-05", None, "2030-01-01", "1/13/2024"]})
    days = columns.numbers(later)[:, 0]
    assert days[0] == 2.0 and np.isnan(days[1]) and days[2] == 2.0 + 2128.0 and days[3] < 0.0
    np.testing.assert_array_equal(columns.numbers(later[:3].astype("datetime64[ns]"))[:, 0], days[:3])
    with pytest.raises(ValueError, match=r"column 'day': its dates had no time zone in training, but one here"):
        columns.numbers(pd.DataFrame({"day": ["2024-03-05T10:00Z"]}))
    with pytest.raises(ValueError, match=r"column 'day' holds dates, but in row 20 'soon' is no date that is read"):
        Columns.learn(pd.DataFrame({"day": ["2024-03-05"] * 20 + ["soon"]}))


def test_dates_are_kept_in_the_file_which_older_versions_refuse(tmp_path):
    """Fault 5 of issue 21."""
    frame = pd.DataFrame({"when": HOURS[:40].tz_localize("Asia/Tokyo"), "x": np.arange(40.0)})
    reg = constant(frame)
    reg.save(tmp_path / "dates.mdn")
    constant(frame[["x"]]).save(tmp_path / "plain.mdn")
    again = mdn.load(tmp_path / "dates.mdn")
    np.testing.assert_array_equal(again._features(frame), reg._features(frame))
    assert again.columns_.about == reg.columns_.about and again.seen_ == reg.seen_ != []
    assert [read_description(tmp_path / name)["format"] for name in ("plain.mdn", "dates.mdn")] == [1, 3]


DAMAGE = {
    "a column that has levels": (lambda about: about["columns"].update(when=["x"]), "must be columns without levels"),
    "a column that is not there": (lambda about: about["dates"].update(z=about["dates"].pop("when")), "must be columns without"),
    "a zone of another world": (lambda about: about["dates"]["when"].update(zone="Mars/Base"), "zone 'Mars/Base' is not known"),
    "a zone that is a path": (lambda about: about["dates"]["when"].update(zone="../../etc/passwd"), "is not known here"),
    "no origin": (lambda about: about["dates"]["when"].update(origin=float("nan")), r"dates\.when\.origin` must be a finite"),
    "an unknown cycle": (lambda about: about["dates"]["when"].update(cycles=["x"]), r"cycles\[0\]` must be one of"),
    "a table of columns of another shape": (lambda about: about.update(about_columns=[["x"]]), "must be a list of 3 values"),
    "a decimal mark of another world": (lambda about: about.update(decimals={"x": ";"}), r"`decimals\.x` must be one of"),
    "a unit that is none": (lambda about: about.update(units={"x": "kg"}), r"`units\.x` must be one of"),
    "a share that is text": (lambda about: about.update(other_shares={"x": "y"}), r"`other_shares\.x` must be a"),
    "checksums that are text": (lambda about: about.update(seen=["x"]), r"`seen\[0\]` must be a whole number"),
}  # fmt: skip


@pytest.fixture(scope="module", name="dated")
def _dated(tmp_path_factory):
    path = tmp_path_factory.mktemp("dated") / "m.mdn"
    constant(pd.DataFrame({"when": HOURS[:40], "x": np.arange(40.0)})).save(path)
    return path


@pytest.mark.parametrize("name", DAMAGE)
def test_a_file_whose_columns_fit_nothing_is_refused(name, dated, tmp_path):
    """Faults 5 and 17 of issue 21: what is new in a file is checked like the rest."""
    change, message = DAMAGE[name]
    with zipfile.ZipFile(dated) as archive, zipfile.ZipFile(tmp_path / "m.mdn", "w") as other:
        about = json.loads(archive.read("mdn.json"))
        change(about)
        other.writestr("mdn.json", json.dumps(about))
        other.writestr("weights.npz", archive.read("weights.npz"))
    with pytest.raises(ValueError, match=rf"m\.mdn' is damaged: .*{message}"):
        mdn.load(tmp_path / "m.mdn")


# ---- raw errors ------------------------------------------------------------------------------------------------------


def test_held_out_rows_may_have_weights():
    """Fault 16 of issue 21: `validation_data` of three values ended in a TypeError."""
    x, y = np.arange(20.0)[:, None], np.arange(20.0) ** 2
    weights = np.where(np.arange(20) < 10, 1.0, 0.0)
    plain = tiny().fit(x, y, validation_data=(x[:10], y[:10]))
    weighted = tiny().fit(x, y, validation_data=(x, y, weights))
    np.testing.assert_allclose(weighted.history_.val_loss, plain.history_.val_loss, rtol=1e-5)
    for wrong, what in (((x, y, y, y), "4 values"), ((x,), "1 value"), (0.2, "float")):
        with pytest.raises(ValueError, match=rf"`validation_data` must be \(X, y\) or .*, but {what} came"):
            tiny().fit(x, y, validation_data=wrong)


def test_several_intervals_come_at_once():
    """Fault 16 of issue 21: `predict_interval(X, [.5, .9])` ended in a TypeError."""
    reg = constant(np.zeros((12, 1)))
    both = reg.predict_interval(np.zeros((3, 1)), [0.5, 0.9])
    assert both.shape == (3, 2, 2)
    for place, coverage in enumerate((0.5, 0.9)):
        np.testing.assert_array_equal(both[:, place], reg.predict_interval(np.zeros((3, 1)), coverage))
    reg.n_targets_ = 1
    assert reg.predict_interval(np.zeros((3, 1)), [0.5, 0.9]).shape == (3, 1, 2, 2)
    for wrong in ([0.5, 90], "a", True, None):
        with pytest.raises(ValueError, match="`coverage` must lie between 0 and 1"):
            reg.predict_interval(np.zeros((3, 1)), wrong)


@LIBRARIES
def test_bad_tables_and_targets_end_in_a_sentence(library):
    """Fault 16 of issue 21."""
    frame = library.DataFrame({"x": [1.0, 2.0] * 6, "town": ["north", "south"] * 6})
    reg, numeric = constant(frame), constant(frame[["x"]])
    for call in (lambda: reg.predict(frame.head(0)), lambda: Columns.learn(frame.head(0))):
        with pytest.raises(ValueError, match="X has no rows: it has 0, and a minimum of 1 is required"):
            call()
    for wrong, what in (("a", "text: 'a'"), (datetime.date(2024, 3, 5), "a date: '2024-03-05'")):
        with pytest.raises(ValueError, match=rf"X must hold numbers, but holds {what} in row 1, column 0"):
            numeric.predict(np.array([[1.0], [wrong]], dtype=object))
    dates = pd.date_range("2024-03-05", periods=12)
    for y in (dates, pd.Series(dates), pl.Series(dates), list(dates), pd.DataFrame({"t": dates})):
        with pytest.raises(
            ValueError, match=r"the target.* must hold numbers, but holds dates\. Make it a number first"
        ):
            tiny().fit(frame, y)


# ---- scores and the report -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", ["counts", "zeros and ones"])
def test_intervals_of_rounded_targets_hold_what_they_promise(case):
    """Fault 8 of issue 21: intervals of counts and of 0 and 1 were said to be wider than they need be."""
    rng = np.random.default_rng(0)
    y = rng.poisson(2.0, 400) if case == "counts" else rng.integers(0, 2, 400)
    reg = constant(np.zeros((12, 1)))
    values, counts = np.unique(y, return_counts=True)
    edges = np.cumsum(counts) / len(y)
    reg.target_grid_ = np.ones(1)

    class Cells:
        """The exact distribution of the spread targets, as `evaluate` asks for it."""

        event_size = 1

        def cdf(self, at):
            return np.interp(np.asarray(at)[:, 0], [values[0] - 0.5, *(values + 0.5)], [0.0, *edges])

        def crps(self, at):
            return np.zeros(len(at))

        def mean(self):
            return np.zeros((len(y), 1))

    reg.log_prob = lambda X, y: np.zeros(len(y))
    reg._quantiles = lambda X, levels: np.zeros((len(y), 1, 2))
    reg._ask = lambda X, question, y=None: np.asarray(question(Cells(), np.asarray(y, "float32")))
    scores = reg.evaluate(np.zeros((len(y), 1)), y)
    assert all(abs(scores.coverage(nominal) - nominal) < 0.04 for nominal in (0.5, 0.8, 0.9))
    assert promised.verdict(promised.held_of(scores)[0]) == "which is what was promised"
    assert scores.tail.min() > 0.0 and targets.grid(y[:, None].astype(float))[0] == 1.0


def test_the_worst_rows_are_named_so_that_they_are_found(tmp_path):
    """Fault 11 of issue 21: rows were counted from 0 in an order that nobody has."""
    (tmp_path / "t.csv").write_text("# a remark\nx,town\n1.5,north\n\n,south\n3,\n")
    table = read_table(tmp_path / "t.csv").take(np.array([2, 0]))
    assert row_names(table, np.array([0, 1])) == (f"line of {tmp_path / 't.csv'}", ["6", "3"])
    assert features_shown(table, 0) == "x=3, town=missing" and features_shown(table, 1) == "x=1.5, town=north"
    frame = pd.DataFrame({"x": [1, 2], "b": ["p", None]}, index=["first", "second"])
    assert row_names(frame, np.array([1])) == ("index", ["second"])
    assert features_shown(frame, 1) == features_shown(pl.from_pandas(frame), 1) == "x=2, b=missing"
    assert features_shown(frame, 0, ["b"]) == "b=p"
    assert row_names(np.zeros((3, 2)), np.array([2])) == ("row, from 0", ["2"])
    assert features_shown(np.arange(10.0).reshape(2, 5), 1) == "x0=5, x1=6, x2=7, x3=8"
    parquet = Table(("x",), (np.zeros(1),), np.array([7]), "T.parquet")
    assert row_names(parquet, np.array([0])) == ("row of T.parquet", ["7"])


def test_a_report_says_what_it_knows_of_its_rows_and_figures(tmp_path):
    """Faults 11 and 17 of issue 21."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"size": rng.normal(size=60), "town": ["north", "south"] * 30}, index=[f"r{i}" for i in range(60)]
    )
    price = pd.Series(22_510.3 + 40.0 * rng.normal(size=60), name="price")
    reg = tiny(epochs=2).fit(frame[:40], price[:40])
    assert reg.report(frame[40:], price[40:], tmp_path / "new.html").skill_error > 0.0
    page = words_of(tmp_path / "new.html")
    assert "20 rows that training has not seen." in page and "These rows show no difference between" in page
    assert re.search(
        r"index some of its features predicted: 5 %, median, 95 % observed r\d+ size=.{3,9}, town=(nor|sou)th", page
    )
    assert "CRPS of price that of price" in page and "NLL of this model nats a row" in page
    assert re.search(r"22[45]\d\d, 22\d{3}, 22[56]\d\d", page) and "e+0" not in page
    assert "size number" in page and "town category 2 levels" in page
    reg.report(frame[:40], price[:40], tmp_path / "old.html")
    assert "40 rows handed to the report, but all of them are equal to rows of training" in words_of(
        tmp_path / "old.html"
    )
    reg.seen_ = []
    reg.report(frame[:40], price[:40], tmp_path / "unknown.html")
    assert "40 rows handed to the report." in words_of(tmp_path / "unknown.html")


def test_rows_of_training_are_known_by_checksums():
    """Fault 17 of issue 21: rows of training were called "rows that training has not seen"."""
    x, y = np.random.default_rng(0).normal(size=(2, 5000, 1))
    kept = seen.smallest(seen.checksums(x, y))
    assert len(kept) == 1024
    assert seen.share_seen(kept, seen.checksums(x[:2000], y[:2000])) == 1.0
    assert seen.share_seen(kept, seen.checksums(x[:2000], -y[:2000])) == 0.0
    half = seen.checksums(x[:2000], np.where(np.arange(2000) % 2, y[:2000, 0], 7.0)[:, None])
    assert abs(seen.share_seen(kept, half) - 0.5) < 0.1
    assert seen.share_seen([], half) is None and seen.share_seen(kept, half[half > kept[-1]]) is None
    gone = np.array([[np.nan, -0.0]])
    np.testing.assert_array_equal(seen.checksums(gone), seen.checksums(np.array([[-np.nan, 0.0]])))


def test_figures_have_no_exponent_where_people_read_them():
    """Fault 17 of issue 21: money of 22510.3 stood there as 2.251e+04."""
    values = (22510.3, 1234567.8, 0.00012345, 0.5, 12.3456, -3.14159, 0.0, 20240305, 1e-7, 2.5e8, float("nan"))
    written = ["22510", "1234568", "0.0001234", "0.5", "12.35", "-3.142", "0", "20240305", "1e-07", "250000000", "nan"]
    assert [wording.plain(value) for value in values] == written
    assert [wording.share(value) for value in (0.0, 0.004, 0.12, 1.0)] == ["0 %", "0.4 %", "12 %", "100 %"]


def test_a_needle_does_not_flatten_the_rest_of_a_density():
    """Fault 17 of issue 21: where one value had a needle, all others looked impossible."""
    hill = np.exp(-0.5 * np.linspace(-3, 3, 400) ** 2)
    assert curves.top_of(hill, hill) == hill.max()
    with_needle = hill.copy()
    with_needle[200:204] = 100.0
    assert 1.0 < curves.top_of(with_needle, with_needle) < 4.0
    assert curves.top_of(np.array([0.0, 5.0]), np.zeros(10)) == 5.0 == curves.top_of(np.array([5.0]), np.zeros(0))


# ---- a look without training -----------------------------------------------------------------------------------------


def test_a_value_that_comes_again_and_again_is_an_atom_and_a_count_is_none():
    """Fault 9 of issue 21: half of the amounts were exactly 0, and nothing was said of the spike."""
    rng = np.random.default_rng(0)
    amounts = np.where(rng.uniform(size=400) < 0.48, 0.0, rng.lognormal(2.0, 1.0, 400))
    assert targets.atoms(amounts) == [(0.0, np.mean(amounts == 0.0))]
    prices = np.minimum(rng.lognormal(12.3, 0.5, 5000), 500_001.0)  # cut off, as those of houses are
    assert [value for value, _ in targets.atoms(prices)] == [500_001.0]
    assert targets.atoms(rng.poisson(20.0, 1000)) == targets.atoms(rng.integers(0, 2, 1000)) == []
    assert targets.atoms(np.round(rng.normal(size=1000), 1)) == targets.atoms(rng.normal(size=1000)) == []


def test_check_says_what_fit_would_do_and_writes_nothing(tmp_path):
    """Issue 21: `mdn check FILE`, and faults 6 and 9."""
    rng = np.random.default_rng(0)
    lines = ["id;height;town;when;area"]
    for i in range(120):
        area = 0 if i % 2 else round(rng.lognormal(2.0, 1.0), 3)
        cells = (f"row{i}", 1 + i / 7, rng.choice(["Oslo", "Bergen"]), f"{1 + i % 28:02d}.03.2024", area)
        lines.append(";".join(str(cell).replace(".", ",") if isinstance(cell, float) else str(cell) for cell in cells))
    (tmp_path / "t.csv").write_text("\n".join(lines))
    ran = run_here(tmp_path, "check", "t.csv", "--target", "area", "--ignore", "town")
    assert ran.exit_code == 0, said(ran)
    for words in (
        "id │ identifier",
        "height │ number │ 1 to 18",
        "town │ ignored",
        "when │ date │ 2024-03-01 to 2024-03-28",
        "120 rows; features: 2",
        "area: from 0 to",
        "area is often exactly 0 (50 % of the rows)",
        "decimal commas",
        "Next: mdn fit t.csv --target area",
    ):
        assert words in said(ran), words
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    assert "name the column to predict" in said(run_here(tmp_path, "check", "t.csv"))
    ran = run_here(tmp_path, "check", "t.csv", "--target", "town")
    assert ran.exit_code == 2 and "the target 'town' must hold numbers" in said(ran)


def test_a_model_of_dates_with_whole_years_does_not_read_years_of_two_digits():
    """Issue 21: a model that learnt from 2024-03-05 read 24-03-05 as the 24th of March 2005."""
    days = [f"2024-03-{day:02d}" for day in range(1, 29)]
    columns = Columns.learn(pd.DataFrame({"when": days}))
    with pytest.raises(ValueError, match=r"row 0 '24-03-05'"):
        columns.numbers(pd.DataFrame({"when": ["24-03-05"]}))
    assert columns.numbers(pd.DataFrame({"when": ["2024-03-05"]}))[0, 0] == -9.0


def test_a_file_of_new_rows_is_read_as_the_training_file_was(tmp_path):
    """Issue 21: only the target showed decimal commas, and 1.100 was 1100 in training, but 1.1 in a file without the target."""
    (tmp_path / "fit.csv").write_text("area;price\n" + "".join(f"1.{100 + i};{i},5\n" for i in range(20)))
    (tmp_path / "new.csv").write_text("area\n1.100\n")
    table = read_table(tmp_path / "fit.csv")
    columns = Columns.learn(table.drop("price"))
    assert table.column("area")[0] == 1100.0 and columns.decimals == {"area": ","}
    new = read_table(tmp_path / "new.csv", learnt=columns.decimals)
    assert columns.numbers(new).tolist() == [[1100.0]] and "as in training" in new.note


def test_a_file_is_read_by_a_model_of_a_frame_without_a_warning(tmp_path):
    """Issue 21: scikit-learn warned of names that a table of a file has all the same."""
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0] * 5, "b": ["x", "y"] * 10})
    reg = constant(frame)
    frame.to_csv(tmp_path / "t.csv", index=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(reg.predict(read_table(tmp_path / "t.csv")), reg.predict(frame))


def test_a_target_that_can_be_read_in_two_ways_is_not_called_text(tmp_path):
    """Fault 2 of issue 21: `mdn fit` said that such a target holds text, and advised another column instead of `--decimal`."""
    (tmp_path / "t.csv").write_text("a;y\n" + "".join(f"{i};1,{100 + i}\n" for i in range(12)))
    for command in ("fit", "check"):
        ran = run_here(tmp_path, command, "t.csv", "--target", "y")
        assert ran.exit_code == 2 and "'y' can be read in two ways" in said(ran) and "--decimal" in said(ran)
    ran = run_here(tmp_path, "check", "t.csv", "--target", "y", "--decimal", ",")
    assert ran.exit_code == 0 and "y: from 1.1 to 1.111" in said(ran)
