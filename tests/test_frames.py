"""Tables as they come in Python: masked arrays, columns whose cells are no single values, names that come twice."""

import pickle
import warnings

import keras
import numpy as np
import pandas as pd
import polars as pl
import pytest

import mdn
from commands import run_here
from mdn.data import TableError, read_table, source_of
from mdn.data.names import said_again
from mdn.data.tables import unique
from mdn.tabular import wording
from mdn.tabular.columns import About, Columns
from mdn.tabular.features import features

pytestmark = pytest.mark.project


def tiny(**settings):
    return mdn.MDNRegressor(**{"num_components": 1, "hidden_sizes": (4,), "epochs": 3, "random_state": 0, **settings})


@pytest.mark.parametrize("calibration", [None, "conformal"])
def test_what_a_mask_hides_is_missing(calibration):
    """The numbers under the mask of a masked array were learnt from: -9999, say."""
    x = np.random.default_rng(0).uniform(size=(200, 1))
    mask = x > 0.5
    settings = {"calibration": calibration, "feature_bins": 0}
    hidden, gone = np.ma.masked_array(np.where(mask, -9999.0, x), mask=mask), np.where(mask, np.nan, x)
    for given, targets in ((x, [hidden[:, 0], gone[:, 0]]), (None, [x[:, 0], x[:, 0]])):
        found = []
        for learnt, y in zip([hidden, gone], targets, strict=True):
            reg = tiny(**settings).fit(learnt if given is None else given, y)
            new = learnt if given is None else given
            found.append([reg.predict(new), reg.log_prob(new, y), reg.evaluate(new, y).crps])
        for one, other in zip(*found, strict=True):
            np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="sample_weight contains NaN"):
        tiny(**settings).fit(x, x[:, 0], sample_weight=hidden[:, 0])


def test_a_trunk_refuses_masked_features():
    x = np.ma.masked_array(np.ones((20, 2)), mask=np.eye(20, 2))
    with pytest.raises(ValueError, match="X must be finite"):
        tiny(trunk=keras.layers.Dense(4)).fit(x, np.arange(20.0))


def said(ran):
    return " ".join((ran.stdout + ran.stderr).split())


# ---- two columns of one name -----------------------------------------------------------------------------------------


def rows_of(*columns):
    random = np.random.default_rng(0)
    return "".join(",".join(f"{value:.3f}" for value in random.uniform(size=len(columns))) + "\n" for _ in range(40))


def test_a_second_column_with_the_name_of_the_target_is_no_feature(tmp_path):
    """The file "x,y,y" taught the network to copy y.1, which is y."""
    path = tmp_path / "dup.csv"
    path.write_text("x,y,y\n" + "".join(f"{k},{k % 7},{k % 7}\n" for k in range(40)))
    assert "two columns are called 'y'; the second is 'y.1'." in read_table(path).note
    sentence = "two columns are called 'y', so that nobody knows which of them is meant. Rename one of them"
    for more in ([], ["--memory", "1"]):
        ran = run_here(tmp_path, "fit", path, "--target", "y", "--out", tmp_path / "m.mdn", *more)
        assert ran.exit_code == 2 and sentence in said(ran) and "--ignore y.1" in said(ran)
    with pytest.raises(TableError, match=sentence):
        tiny().fit(path, target="y")
    checked = run_here(tmp_path, "check", path, "--target", "y", "--ignore", "y.1")
    assert checked.exit_code == 0 and "the second is 'y.1'" in said(checked)


def test_two_columns_with_the_name_of_a_feature_are_refused_where_one_was_learnt(tmp_path):
    learnt, new = tmp_path / "learnt.csv", tmp_path / "new.csv"
    learnt.write_text("price,y\n" + rows_of(1, 2))
    new.write_text("price,price,y\n1,1000,2\n2,2000,3\n")
    reg = tiny().fit(learnt, target="y")
    reg.save(tmp_path / "m.mdn")
    sentence = "two columns are called 'price', so that nobody knows which of them is meant"
    for command, out in (("predict", "out.csv"), ("report", "out.html")):
        ran = run_here(tmp_path, command, tmp_path / "m.mdn", new, "--out", tmp_path / out)
        assert ran.exit_code == 2 and sentence in said(ran)
    for call in (lambda: reg.predict(new), lambda: reg.predict(read_table(new)), lambda: reg.log_prob(new)):
        with pytest.raises(TableError, match=sentence):
            call()
    twice = tiny().fit(read_table(new).drop("y"), [1.0, 2.0])  # both were learnt
    assert twice.columns_.table_names == ["price", "price.1"] and twice.predict(new).shape == (2,)


@pytest.mark.parametrize(
    ("header", "more", "commands"),
    [
        ("x,x,w,y", "--target y", ["predict"]),  # the second x is empty, and left out by itself
        ("y,y,w,x", "--target y --ignore y.1", ["doctor"]),
        ("x,w,w,y", "--target y --weight w.1", []),
    ],
)
def test_the_file_that_was_learnt_is_predicted_whatever_training_left_out(tmp_path, header, more, commands):
    """Each command refused it: "nobody knows which of them is meant"."""
    path, model = tmp_path / "learnt.csv", tmp_path / "m.mdn"
    second = "" if header == "x,x,w,y" else "{}"
    path.write_text(header + "\n" + "".join(f"{i},{second.format(i + 1)},{i % 5 + 1},{i % 7}\n" for i in range(40)))
    fast = ["--epochs", "2", "--ensemble", "1", "--components", "1"]
    ran = run_here(tmp_path, "fit", path, *more.split(), "--out", model, *fast)
    assert ran.exit_code == 0, said(ran)
    for command in commands:
        ran = run_here(
            tmp_path, command, model, path, "--out", tmp_path / f"out.{'csv' if command == 'predict' else 'html'}"
        )
        assert ran.exit_code == 0, said(ran)
    reg = mdn.MDNRegressor.load(model)
    assert reg.predict(path).shape == reg.log_prob(path).shape == (40,)
    path.write_text(f"{header},y\n" + "1,1,1,1,1\n" * 9)  # a twin that training did not see
    with pytest.raises(TableError, match="two columns are called 'y'"):
        reg.log_prob(path)


def test_a_model_of_an_old_file_does_not_say_which_twin_of_its_target_was_left_out(table_of):
    table = table_of("x,y,y\n1,2,3\n")
    Columns({"x": None}).check_names(table, ["y"])
    with pytest.raises(TableError, match="two columns are called 'y'"):
        Columns({"x": None}, about=(About("x", "number", "1 to 2"),)).check_names(table, ["y"])
    with pytest.raises(TableError, match="two columns are called 'x'"):
        Columns({"x": None}).check_names(table_of("x,x\n1,2\n"))


def test_names_that_come_again_know_their_own_name():
    name = pickle.loads(pickle.dumps(unique(["x", "x"])))[1]
    assert name == "x.1" and name.own == "x"
    assert (
        said_again(unique(["x"] * 9))
        == "9 columns are called 'x'; the others are 'x.1', 'x.2', 'x.3', 'x.4', 'x.5' and 3 more."
    )
    pairs = said_again(unique([name for name in "abcdefg" for _ in range(2)]))
    assert pairs.endswith("two columns are called 'e'; the second is 'e.1'; and 2 more.")
    assert said_again(unique(["x", "y"])) == ""


# ---- what the reader guessed -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="guessed")
def guessed_files(tmp_path_factory):
    """Two files of which the reader must guess something: decimal commas, and codes such as 01001."""
    folder = tmp_path_factory.mktemp("guessed")
    codes = ["01001", "01003", "12001"]
    for part in range(2):
        rows = "".join(f"{codes[k % 3]};{k % 5},25;{k % 7},5\n" for k in range(part, 40))
        (folder / f"{part}.csv").write_text("# a remark\nfips;price;y\n" + rows)
    return folder


def test_fit_from_files_says_what_the_reader_guessed_and_takes_codes_for_categories(guessed):
    """`fit(path, target=...)` said nothing, and learnt 01001 as the number 1001, although the command made it a category."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        reg = tiny(feature_bins=0).fit(guessed, target="y")
    found = " ".join(str(warning.message) for warning in caught)
    assert "cells of 'fips' begin with 0 or +, so they are taken for categories; to keep numbers, declare them" in found
    assert "0.csv: " in found and "1.csv: " in found
    assert reg.columns_.levels == {"fips": ["01001", "01003", "12001"], "price": None}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        numbers = tiny(feature_bins=0).fit(source_of(guessed, number=["fips"]), target="y")
    assert numbers.columns_.levels == {"fips": None, "price": None}


def test_commands_say_what_the_reader_guessed_of_several_files(guessed, tmp_path):
    several = [guessed / "0.csv", guessed / "1.csv"]
    notes = [read_table(path, text=["fips"]).note for path in several]
    assert all("decimal commas" in note for note in notes)
    settings = ["--target", "y", "--epochs", "2", "--components", "1", "--out", "m.mdn"]
    for files, options in ((several, []), (several[:1], ["--memory", "1"])):
        ran = run_here(tmp_path, "fit", *files, *settings, *options)
        assert ran.exit_code == 0 and "cells of 'fips' begin with 0" in said(ran)
        assert all(note in said(ran) for note in notes[: len(files)])
    ran = run_here(tmp_path, "predict", "m.mdn", *several)
    assert ran.exit_code == 0 and all(note in said(ran) for note in notes)
    assert len(wording.notes({str(k): "a note" for k in range(9)})) == 6


# ---- columns and tables that cannot be used --------------------------------------------------------------------------

NOT_SINGLE = {
    "lists": pd.DataFrame({"a": [[1, 2]] * 12}),
    "arrays": pd.DataFrame({"a": [np.ones(2)] * 12}),
    "dicts": pd.DataFrame({"a": [{"z": k} for k in range(12)]}),
    "complex numbers": pd.DataFrame({"a": np.arange(12) * 1j}),
    "lists of polars": pl.DataFrame({"a": [[1, 2]] * 12}),
    "arrays of polars": pl.DataFrame({"a": [[1, 2]] * 12}, schema={"a": pl.Array(pl.Int64, 2)}),
    "structs of polars": pl.DataFrame({"a": [{"z": 1}] * 12}),
    "objects of polars": pl.DataFrame({"a": pl.Series([object()] * 12, dtype=pl.Object)}),
}


@pytest.mark.parametrize("case", NOT_SINGLE)
def test_a_column_whose_cells_are_no_single_values_is_named(case):
    """These ended in "The truth value of an array is ambiguous", or became categories."""
    with pytest.raises(ValueError, match=r"column 'a' holds .*but each cell must be one number, word or date"):
        tiny().fit(NOT_SINGLE[case], np.arange(12.0))


NO_TABLES = {
    "a LazyFrame": (pl.LazyFrame({"a": [1.0] * 60}), r"collect\(\) it first"),
    "a record array": (np.rec.fromarrays([np.ones(60), np.ones(60)], names="u,v"), r"pass pandas.DataFrame\(X\)"),
    "a dict": ({"a": np.ones(60)}, r"pass pandas.DataFrame\(X\)"),
    "a list of dicts": ([{"a": 1.0}] * 60, r"pass pandas.DataFrame\(X\)"),
}


@pytest.mark.parametrize("case", NO_TABLES)
@pytest.mark.parametrize("calibration", [None, "conformal"])
def test_what_is_no_table_is_refused_with_what_to_do(case, calibration):
    table, remedy = NO_TABLES[case]
    with pytest.raises(ValueError, match=f"but {case} came: {remedy}"):
        tiny(calibration=calibration).fit(table, np.arange(60.0))
    with pytest.raises(ValueError, match=f"but {case} came: {remedy}"):
        features(fitted(), table)


def fitted():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the target is a constant, so that nothing is trained
        return tiny().fit(pd.DataFrame({"a": np.arange(12.0)}), np.ones(12))


def test_columns_of_one_name_and_whole_numbers_beyond_numpy_are_refused_in_a_sentence():
    twice = pd.DataFrame(np.ones((12, 2)), columns=["a", "a"])
    for call in (lambda: tiny().fit(twice, np.arange(12.0)), lambda: fitted().predict(twice)):
        with pytest.raises(ValueError, match="two columns of X are called 'a': give each a name of its own"):
            call()
    with pytest.raises(
        ValueError, match="column 'a' holds Int128, which NumPy does not have: cast it to Int64 or Float64"
    ):
        tiny().fit(pl.DataFrame({"a": pl.Series([1, 2] * 6, dtype=pl.Int128)}), np.arange(12.0))


# ---- sentences about files -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="model")
def model_of_a_file(tmp_path_factory):
    """A folder with `m.mdn`, which learnt a column of numbers and one of dates."""
    folder = tmp_path_factory.mktemp("model")
    rows = "".join(f"{k % 9}.5,{k % 28 + 1:02}.{k % 12 + 1:02}.2023,{k % 7}\n" for k in range(40))
    (folder / "t.csv").write_text("price,day,y\n" + rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tiny(feature_bins=0).fit(folder / "t.csv", target="y").save(folder / "m.mdn")
    return folder


BAD_ROWS = {
    "date": ("1.5,13.13.2023", "bad.csv: column 'day' holds dates, but in line 3 '13.13.2023'"),
    "text": ("cheap,01.02.2023", "bad.csv: column 'price' held numbers in training, but has 'cheap' in line 3"),
    "infinity": ("inf,01.02.2023", "bad.csv: column 'price' holds inf in line 3, and 2 more such cells, but must"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_predict_names_the_file_and_no_option_that_it_lacks(case, model):
    """It advised --ignore and --category, which only `mdn fit` has, and named no file."""
    row, sentence = BAD_ROWS[case]
    (model / "bad.csv").write_text(f"price,day\n2.5,01.02.2023\n{row}\n{row}\n{row}\n")
    ran = run_here(model, "predict", "m.mdn", "bad.csv")
    assert ran.exit_code == 2 and sentence in said(ran)
    assert not any(option in said(ran) for option in ("--ignore", "--category", "SimpleImputer"))


def test_fit_names_the_file_the_column_and_the_line_before_it_trains(tmp_path):
    """ "Input X contains infinity ... sklearn.impute.SimpleImputer" said nothing of the file."""
    path = tmp_path / "inf.csv"
    path.write_text("x,z,y\n" + "".join(f"{'inf' if k in (7, 9) else k},{k % 5},{k % 7}\n" for k in range(40)))
    ran = run_here(tmp_path, "fit", path.name, "--target", "y")
    assert ran.exit_code == 2
    assert "inf.csv: column 'x' holds infinity in line 9" in said(
        ran
    ) and "leave the column out with --ignore x" in said(ran)
    with pytest.raises(TableError, match=r"inf\.csv: column 'x' holds infinity in line 9. Clear the cell"):
        tiny().fit(path, target="y")
    path.write_text("x,y\n" + "".join(f"name{k},{k}\n" for k in range(40)))
    ran = run_here(tmp_path, "fit", path.name, "--target", "y")
    assert ran.exit_code == 2 and "inf.csv has no column to learn from: column 'x' holds text" in said(ran)


def test_a_column_of_lists_or_bytes_in_parquet_can_be_ignored(tmp_path):
    """--ignore did not help: the file was refused before anything was known of its columns."""
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"x": np.arange(40.0), "l": [[1, 2]] * 40, "b": [b"x"] * 40, "y": np.arange(40.0) % 7})
    frame.to_parquet(tmp_path / "nest.parquet")
    ran = run_here(tmp_path, "check", "nest.parquet", "--target", "y", "--ignore", "l", "--ignore", "b")
    assert ran.exit_code == 0 and "features: 1" in said(ran)
    ran = run_here(tmp_path, "check", "nest.parquet", "--target", "y", "--ignore", "b")
    sentence = "nest.parquet: column 'l' holds list<element: int64>, but numbers or text are needed."
    assert ran.exit_code == 2 and sentence in said(ran) and "leave the column out with --ignore l" in said(ran)
    with pytest.raises(TableError, match="column 'l' holds list"):
        read_table(tmp_path / "nest.parquet")["l"]
    tiny().fit(frame[["x"]], frame["y"]).save(tmp_path / "m.mdn")
    assert run_here(tmp_path, "predict", "m.mdn", "nest.parquet").exit_code == 0
    carried = run_here(tmp_path, "predict", "m.mdn", "nest.parquet", "--id", "b")
    assert carried.exit_code == 2 and "column 'b' holds binary, but numbers or text are needed" in said(carried)
