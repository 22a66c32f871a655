"""Tables whose files say what is a number and what is text: a column means the same from each of them."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset
import pytest

import mdn
from commands import run_here
from mdn.data import read_table
from mdn.data.declared import declare
from mdn.data.sources import arrow_tables, source_of
from mdn.tabular.columns import Columns

pytestmark = pytest.mark.project
RNG = np.random.default_rng(0)
ROWS = 80


def quick(**settings) -> mdn.MDNRegressor:
    """A regressor whose training takes a moment."""
    return mdn.MDNRegressor(1, (4,), epochs=3, refit=False, feature_bins=0, random_state=0, **settings)


def _workbook(folder, frame: pd.DataFrame, name="t.xlsx"):
    frame.to_excel(folder / name, index=False)
    return folder / name


SIZES = ["S", "M", "L", 38, 40]
MIXED = pd.DataFrame({"size": [SIZES[place] for place in np.arange(ROWS) % 5], "x": RNG.normal(size=ROWS)})


@pytest.mark.parametrize("several", [False, True])
def test_numbers_of_a_workbook_are_levels_beside_words(tmp_path, several):
    path = _workbook(tmp_path, MIXED.assign(y=np.arange(ROWS) % 5))
    source = [path, _workbook(tmp_path, MIXED.assign(y=np.arange(ROWS) % 5), "u.xlsx")] if several else path
    regressor = quick().fit(source, target="y")
    assert sorted(regressor.columns_.levels["size"]) == ["38", "40", "L", "M", "S"]
    found = regressor.predict(path)
    words = MIXED.assign(size=MIXED["size"].astype(str))
    np.testing.assert_array_equal(found, regressor.predict(words))
    np.testing.assert_array_equal(found, regressor.predict(read_table(path).drop("y")))
    places = regressor.columns_.numbers(next(source_of(path).blocks()).drop("y"))[:, :6]
    assert places.sum(axis=0).tolist() == [16, 16, 16, 16, 16, 0]


def test_numbers_of_a_workbook_beside_words_are_counted_as_they_are_shown(tmp_path):
    survey = mdn.tabular.survey.survey_of(
        source_of(_workbook(tmp_path, MIXED.assign(y=1.0))), mdn.tabular.survey.Wanted(("y",)), memory=1.0
    )
    assert set(survey.counted["size"].words) == {"S", "M", "L", "38", "40"}


CODES = np.array(["01001", "10115", "60601", "90210"])
NEW = pd.DataFrame({"zip": CODES[np.arange(12) % 4].astype(int), "x": np.arange(12.0)})


def _parts(how: str, folder):
    """The rows of NEW, whose codes are numbers, as blocks of a source."""
    path = folder / "new.parquet"
    NEW.to_parquet(path)
    table = pa.Table.from_pandas(NEW, preserve_index=False)
    return {
        "workbook": lambda: _workbook(folder, NEW),
        "workbooks": lambda: [_workbook(folder, NEW[:6]), _workbook(folder, NEW[6:], "u.xlsx")],
        "parquet": lambda: path,
        "dataset": lambda: pa.dataset.dataset(path),
        "in memory": lambda: pa.dataset.dataset(table),
    }[how]()


@pytest.mark.parametrize("how", ["workbook", "workbooks", "parquet", "dataset", "in memory"])
@pytest.mark.filterwarnings("error::mdn.tabular.columns.UnknownLevels")
def test_codes_that_a_typed_file_holds_as_numbers_are_levels_of_training(tmp_path, how):
    rows = pd.DataFrame({"zip": CODES[np.arange(ROWS) % 4], "x": RNG.normal(size=ROWS)})
    regressor = quick().fit(rows, np.arange(ROWS) % 4)
    new = NEW.assign(zip=CODES[np.arange(12) % 4])
    np.testing.assert_array_equal(regressor.predict(_parts(how, tmp_path)), regressor.predict(new))


def test_codes_that_a_partition_holds_as_numbers_are_levels_of_training():
    columns = Columns.learn(pd.DataFrame({"zip": CODES[np.arange(ROWS) % 4], "x": np.arange(float(ROWS))}))
    batches = pa.Table.from_pandas(NEW, preserve_index=False).to_batches()
    table = next(arrow_tables(batches, "a partition", text=frozenset(columns.text_names)))
    np.testing.assert_array_equal(columns.numbers(table), columns.numbers(NEW))
    assert columns.numbers(table)[:, 4].sum() == 0


@pytest.mark.filterwarnings("ignore:.*decimal commas:UserWarning")
@pytest.mark.parametrize("memory", [1.0, 1e-9], ids=["whole", "in blocks"])
def test_the_targets_of_a_source_are_read_as_in_training(tmp_path, memory):
    x = RNG.integers(-3, 3, 2100)
    _tabs(tmp_path / "t.tsv", x, [f"{1 + place % 4}.23{place % 10},5" for place in range(len(x))])
    regressor = quick().fit(tmp_path / "t.tsv", target="y", memory=memory)
    _tabs(tmp_path / "new.tsv", [0, 1], ["1.234", "2.345"])  # points between thousands, as training had decimal commas
    expected = regressor.log_prob(pd.DataFrame({"x": [0.0, 1.0]}), [1234.0, 2345.0])
    np.testing.assert_array_equal(regressor.log_prob(tmp_path / "new.tsv"), expected)
    _tabs(tmp_path / "new.tsv", [0, 1], ["1.234,5%", "2.345%"])
    with pytest.raises(ValueError, match="column 'y' had no unit behind its numbers in training, but has '%' here"):
        regressor.log_prob(tmp_path / "new.tsv")


def _tabs(path, x, y) -> None:
    path.write_text("x\ty\n" + "".join(f"{a}\t{b}\n" for a, b in zip(x, y, strict=True)))


def test_a_table_whose_codes_have_become_numbers_is_refused(tmp_path):
    rows = pd.DataFrame({"zip": CODES[np.arange(ROWS) % 4], "x": RNG.normal(size=ROWS), "y": np.arange(ROWS) % 4})
    rows.to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv")
    with pytest.raises(ValueError, match=r"column 'zip' holds numbers, but some .* read_table\(path, text=\['zip'\]\)"):
        quick().fit(table.drop("y"), table["y"])
    assert Columns.learn(declare(table, number=["zip"]).drop("y")).levels["zip"] is None
    text = read_table(tmp_path / "t.csv", text=["zip"]).drop("y")
    assert sorted(Columns.learn(text).levels["zip"]) == sorted(CODES)
    quick().fit(text, table["y"]).predict(table)  # as numbers their zeros are known


def test_a_command_takes_the_categories_that_parquet_declares(tmp_path):
    rows = pd.DataFrame({"c": pd.Categorical((np.arange(ROWS) % 3).astype(str)), "y": np.arange(ROWS) % 3})
    rows.assign(n=rows["c"], y=rows["y"] + RNG.normal(size=ROWS)).to_parquet(tmp_path / "t.parquet")
    options = ("--number", "n", "--epochs", "2", "--components", "1")
    ran = run_here(tmp_path, "fit", "t.parquet", "--target", "y", *options)
    assert ran.exit_code == 0, ran.stderr
    levels = mdn.load(tmp_path / "model.mdn").columns_.levels
    assert levels["n"] is None and sorted(levels["c"]) == ["0", "1", "2"]


@pytest.mark.filterwarnings("ignore:.*decimal commas:UserWarning")
def test_a_source_answers_as_its_path(tmp_path):
    rows = pd.DataFrame({"tel": np.array(["007", "0815", "12", "7"])[np.arange(ROWS) % 4], "x": RNG.normal(size=ROWS)})
    rows.assign(y=np.arange(ROWS) % 4).to_csv(tmp_path / "t.tsv", index=False, sep="\t", decimal=",")
    source = source_of(tmp_path / "t.tsv", category=["tel"])
    regressor = quick().fit(source, target="y")
    assert regressor.columns_.decimals == {"x": ","} and sorted(regressor.columns_.levels["tel"])[0] == "007"
    (tmp_path / "new.tsv").write_text("tel\tx\n007\t1.234\n0815\t2.345\n12\t3.456\n7\t4.567\n")
    found = regressor.predict(source_of(tmp_path / "new.tsv"))
    np.testing.assert_array_equal(found, regressor.predict(tmp_path / "new.tsv"))
    new = pd.DataFrame({"tel": ["007", "0815", "12", "7"], "x": [1234.0, 2345.0, 3456.0, 4567.0]})
    np.testing.assert_array_equal(found, regressor.predict(new))
    (tmp_path / "new.tsv").write_text("tel\tx\n007\t1.234\n")
    declared = source_of(tmp_path / "new.tsv", decimal=".")  # what a user says of a file counts more than training
    np.testing.assert_array_equal(regressor.predict(declared), regressor.predict(new[:1].assign(x=1.234)))


def test_a_source_holds_the_files_that_it_was_made_of(tmp_path):
    rows = pd.DataFrame({"tel": np.array(["007", "12"])[np.arange(ROWS) % 2], "x": RNG.normal(size=ROWS)})
    (tmp_path / "fold").mkdir()
    rows.assign(y=rows["x"]).to_csv(tmp_path / "fold" / "a.csv", index=False)
    source = source_of(tmp_path / "fold")
    regressor = quick().fit(source_of(tmp_path / "fold", category=["tel"]), target="y")
    rows.assign(y=rows["x"]).to_csv(tmp_path / "fold" / "b.csv", index=False)
    assert len(regressor.predict(source)) == ROWS


@pytest.mark.parametrize("kind", ["float32", "decimal128(9, 2)"])
def test_levels_that_are_fractions_are_levels_in_a_dataset_too(kind):
    kind = pa.float32() if kind == "float32" else pa.decimal128(9, 2)
    cells = pa.array(["0.10", "0.25"] * 30).cast(kind)
    data = pa.dataset.dataset(pa.table({"c": cells, "y": pa.array(np.arange(60.0) % 2)}))
    regressor = quick().fit(source_of(data, category=["c"]), target="y")
    one, other = regressor.predict(data)[:2]
    assert one != other  # both were "(other)"


@pytest.mark.parametrize("more", [(), ("--id", "x")])
def test_predictions_far_from_0_are_written_with_all_their_digits(tmp_path, more):
    rows = pd.DataFrame({"x": RNG.normal(size=ROWS).round(3), "y": 1_700_000_123.4 + 5.0 * RNG.normal(size=ROWS)})
    rows.to_csv(tmp_path / "t.csv", index=False)
    quick().fit(tmp_path / "t.csv", target="y").save(tmp_path / "m.mdn")
    ran = run_here(tmp_path, "predict", "m.mdn", "t.csv", "--mean", "--above", "1700000123.4", *more)
    assert ran.exit_code == 0, ran.stderr
    found = pd.read_csv(tmp_path / "predictions.csv", dtype=str)
    model = mdn.load(tmp_path / "m.mdn")
    np.testing.assert_allclose(found["y_mean"].astype(float), model.predict(rows[["x"]]), rtol=0.0, atol=1e-5)
    assert found["y_above_1700000123.4"].str.len().max() <= len("0.123456789")
