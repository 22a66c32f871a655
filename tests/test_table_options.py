"""`mdn fit | predict | report | check`: several targets, weights, ids, splits by a column, and what is written of each row."""

import gzip
import html
import io
import zipfile
from contextlib import chdir
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats

import mdn
import mdn.data
from commands import run_here
from mdn.data import read_table
from mdn.models import read_description
from mdn.tabular import splits
from mdn_commands import columns as table_columns
from mdn_commands import rows as table_rows
from mdn_commands import shared

pytestmark = [pytest.mark.jax, pytest.mark.project]

ROLES = ("--target", "a", "--target", "b", "--id", "code", "--weight", "w")
TINY = ("--epochs", "2", "--components", "1")
QUIET = Console(quiet=True)


def said(ran):
    return " ".join((ran.stdout + ran.stderr).split())


def made() -> pd.DataFrame:
    """120 rows of 30 days and 10 shops, in an order of neither; some lack a target, both, a weight, or have none."""
    rng = np.random.default_rng(0)
    i, x = np.arange(120), rng.normal(size=120)
    frame = pd.DataFrame({
        "code": [f"{n:04d}" for n in i],
        "shop": [f"{n % 10:02d}" for n in i],
        "when": (pd.Timestamp("2024-01-01") + pd.to_timedelta(i // 4, "D")).strftime("%Y-%m-%d"),
        "x": x.round(4),
        "w": np.array([1.0, 2.0, 0.0, np.nan, 0.5])[i % 5],
        "a": np.where(i % 7 == 0, np.nan, x + 0.3 * rng.normal(size=120)).round(4),
        "b": np.where(i % 3 == 0, np.nan, 100.0 - x + rng.normal(size=120)).round(4),
    })  # fmt: skip
    return frame.sample(frac=1.0, random_state=1).reset_index(drop=True)


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("options")
    made().to_csv(folder / "t.csv", index=False)
    return folder


@pytest.fixture(scope="module", name="fitted")
def _fitted(folder):
    """(the folder with model.mdn of two targets, split by a date; what `mdn fit` printed)."""
    ran = run_here(folder, "fit", "t.csv", *ROLES, "--split-by", "when", *TINY)
    assert ran.exit_code == 0, said(ran)
    return folder, said(ran)


@pytest.mark.parametrize(
    "options",
    [
        ("--target", "a", "--id", "code", "--weight", "w", "--split-by", "when", "--ignore", "shop"),
        ("--target", "a", "--category", "shop", "--calibrate", "--seed", "3", "--test-share", ".15"),
        ("--target", "a", "--split-by", "shop", "--calibrate", "--family", "normal"),
    ],
)
def test_the_python_on_the_page_learns_the_model_of_the_command(folder, options):
    ran = run_here(folder, "fit", "t.csv", *options, *TINY, "--out", "page.mdn")
    assert ran.exit_code == 0, said(ran)
    page = (folder / "page.html").read_text()
    code = html.unescape(page[page.index("<pre><code>") + 11 : page.index("</code></pre>")])
    by_command = mdn.load(folder / "page.mdn")
    (folder / "page.mdn").unlink()
    scored = []
    with (
        chdir(folder),
        mock.patch("mdn.MDNRegressor.report", lambda self, x, y, path: scored.append(self.evaluate(x, y))),
    ):
        exec(compile(code, "page", "exec"), {})
    by_python, table = mdn.load(folder / "page.mdn"), made()
    np.testing.assert_allclose(
        by_python.predict_interval(table, 0.8), by_command.predict_interval(table, 0.8), rtol=1e-5
    )
    assert by_python.columns_.table_names == by_command.columns_.table_names
    assert f"{scored[0].nll:.4f}" in said(ran), "other rows are judged by"


@pytest.mark.parametrize("data", ["parts", "parts/*.csv"])
def test_a_folder_and_a_pattern_have_no_python_that_would_read_them_as_a_file(tmp_path, data):
    (tmp_path / "parts").mkdir()
    made().to_csv(tmp_path / "parts" / "t.csv", index=False)
    ran = run_here(tmp_path, "fit", data, "--target", "a", "--ignore", "b", *TINY)
    assert ran.exit_code == 0, said(ran)
    assert "The same in Python" not in (tmp_path / "model.html").read_text()


def test_probabilities_of_thresholds_are_said_to_be_those_of_the_network_after_a_calibration(fitted, tmp_path):
    folder, _ = fitted
    model, frame = mdn.load(folder / "model.mdn"), made()
    for calibrated in (False, True):
        if calibrated:
            known = frame[["a", "b"]].notna().all(axis=1)
            model.calibrate(frame[known], frame.loc[known, ["a", "b"]])
        model.save(tmp_path / "m.mdn")
        frame.to_csv(tmp_path / "t.csv", index=False)
        for option in ("--above", "--below", "--interval"):
            ran = run_here(tmp_path, "predict", "m.mdn", "t.csv", option, ".5", "--out", "p.csv")
            assert ran.exit_code == 0, said(ran)
            assert ("are those of the network" in said(ran)) == (calibrated and option != "--interval")


def test_a_command_shows_a_sign_while_keras_is_imported(monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr("rich.console.Console", lambda: Console(file=screen, force_terminal=True))
    console = shared.started()
    assert "starting" in screen.getvalue() and console.file is screen


def asked_of(folder, **options):
    """The table as `mdn fit` asks for it."""
    names = ("target", "ignore", "category", "number", "date", "id_", "weight", "split_by")
    roles = table_columns.Roles.of(**dict.fromkeys(names) | options)
    return table_columns.asked(folder / "t.csv", roles, QUIET, None, None)


def parts_in_time(frame):
    """(rows to learn from, to stop by, to judge by) of the rows that count: the latest days last, none on two sides."""
    count = frame[(frame["w"] > 0.0) & ~(frame["a"].isna() & frame["b"].isna())]

    def later(rows, share):
        shares = {day: np.mean(rows["when"] >= day) for day in sorted(set(rows["when"]))[1:]}
        first = min(shares, key=lambda day: abs(shares[day] - share))
        return rows[rows["when"] < first], rows[rows["when"] >= first]

    rest, judge = later(count, 0.2)
    return *later(rest, 0.15), judge


# ---- what is learnt, and from which rows -----------------------------------------------------------------------------


def test_the_model_is_the_one_that_python_fits_to_the_same_rows_with_the_same_weights(fitted):
    folder, printed = fitted
    frame = pd.read_csv(folder / "t.csv", dtype={"code": str, "shop": str})
    learn, stop, judge = parts_in_time(frame)
    features, targets = ["shop", "when", "x"], ["a", "b"]
    reg = mdn.MDNRegressor(num_components=1, epochs=2, random_state=0)
    held = (stop[features], stop[targets], stop["w"])
    reg.fit(learn[features], learn[targets], learn["w"], validation_data=held)
    model = mdn.load(folder / "model.mdn")
    np.testing.assert_allclose(model.predict(frame[features]), reg.predict(frame[features]), rtol=1e-4, atol=1e-4)
    assert (
        f"{len(learn)} rows to learn from, {len(stop)} to stop the training by, {len(judge)} set aside; features: 3."
        in printed
    )
    assert f"The latest rows are set aside, those from {judge['when'].min()} on, by 'when'." in printed
    nll = -np.mean(model.log_prob(judge[features], judge[targets]))
    assert f"this model │ {nll:.4f}" in printed  # each row alike, whatever its weight


def test_fit_says_what_became_of_columns_and_rows_and_how_good_each_target_is(fitted):
    folder, printed = fitted
    frame = pd.read_csv(folder / "t.csv")
    none = frame["a"].isna() & frame["b"].isna()
    light = ~none & ~(frame["w"] > 0.0)
    for words in (
        f"{none.sum()} rows without a target are left out",
        f"{light.sum()} rows without a weight, or of weight 0, are left out",
        "code │ id", "w │ weight", "when │ date", "Weights of 'w' count in training only",
        "in the unit of a", "in the unit of b", "values of b the 50 % interval holds",
    ):  # fmt: skip
        assert words in printed, words
    ran = run_here(folder, "report", "model.mdn", "t.csv", "--out", "r.html")
    assert ran.exit_code == 0 and f"{len(frame) - none.sum()} rows" in said(ran) and "values of b the 50 %" in said(ran)
    ran = run_here(folder, "check", "t.csv", *ROLES, "--split-by", "when")
    assert "Next: mdn fit t.csv --target a --target b --id code --weight w --split-by when" in said(ran)
    assert "a: from" in said(ran) and "b: from" in said(ran)


def test_groups_are_dealt_whole_to_every_part_and_are_no_feature(folder, capsys):
    asked = asked_of(folder, target=["a"], split_by="shop")
    assert "shop" not in asked.x.columns and "'shop' holds groups" in capsys.readouterr().err
    rows = table_rows.known_rows(asked, QUIET)
    parts = table_rows.deal(asked, rows, 0.2, 0.15, True, seed=3)
    shops = pd.read_csv(folder / "t.csv", dtype=str)["shop"].to_numpy()
    dealt = [set(shops[part]) for part in parts]
    assert all(dealt) and sum(map(len, dealt)) == len(set.union(*dealt)) == 10
    np.testing.assert_array_equal(np.sort(np.concatenate(parts)), rows)
    again = table_rows.deal(asked, rows, 0.2, 0.15, True, seed=3)
    other = table_rows.deal(asked, rows, 0.2, 0.15, True, seed=4)
    assert all(map(np.array_equal, parts, again)) and not all(map(np.array_equal, parts, other))
    kept = asked_of(folder, target=["a"], split_by="shop", category=["shop"])
    assert "shop" in kept.x.columns and kept.columns(kept.x).levels["shop"] is not None


def test_rows_set_aside_that_are_copies_of_rows_learnt_from_are_spoken_of(table_of):
    x = np.random.default_rng(0).normal(size=60)
    rows = [f"{a:.4f},{'even' if n % 2 else 'odd'}" for n, a in enumerate(x)]
    once, thrice = (table_of("\n".join(["x,side", *rows * times])) for times in (1, 3))
    parts = table_rows.Parts(np.arange(50), np.zeros(0, int), np.zeros(0, int), np.arange(50, 60))
    assert table_rows.said_of_copies(once, x[:, None], parts) is None
    parts = parts._replace(judge=np.arange(55, 65))  # rows 60 to 64 are copies of the first ones
    said = table_rows.said_of_copies(thrice, np.tile(x, 3)[:, None], parts)
    assert said.startswith("5 of the 10 rows set aside are equal to rows that are learnt from.")
    assert table_rows.said_of_copies(thrice, np.arange(180.0)[:, None], parts) is None  # their targets differ


def test_a_last_line_of_totals_is_named(table_of):
    rows = ["k,a,b", *(f"shop {n},{n + 1},{0.5 * n:.1f}" for n in range(9))]
    said = table_rows.said_of_total(table_of("\n".join([*rows, "Total,45,18.0"])))
    assert said.startswith("line 11: 'a', 'b' are the sum of the rows above.")
    for last in ("shop 9,45,7.0", "shop 9,10,4.5", "Total,,", "shop 9,0,0"):  # one of two is a sum by chance
        assert table_rows.said_of_total(table_of("\n".join([*rows, last]))) is None
    flags = ["k,a", *(f"{n},{int(n in (3, 8))}" for n in range(9))]
    assert table_rows.said_of_total(table_of("\n".join(flags))) is None


def test_rows_that_sum_up_are_named_by_their_words_and_above_a_source(table_of):
    """A total above a line for its source, and rows of means, were learnt from without a word."""
    rows = ["k,a,b", *(f"shop {n},{n + 1},{0.5 * n:.1f}" for n in range(9))]
    said = table_rows.said_of_total(table_of("\n".join([*rows, "Subtotal,45,18.0", ",,", "Source: us,,"])))
    assert said.startswith("line 11: 'a', 'b' are the sum of the rows above.")
    for word in ("Mean", "Grand total", "Total 2024", "Summe:"):
        said = table_rows.said_of_total(table_of("\n".join([*rows, f"{word},5,2.0", "SD,1,0.3", "N,9,9"])))
        assert said.startswith(f"line 11: column 'k' has {word!r} there, and in no row above.")
    often = [row.replace("shop 3", "Mean") for row in rows]
    for last in (["Mean,5,2.0"], ["Mean,,"], ["mean street,5,2.0"]):
        lines = often if last == ["Mean,5,2.0"] else rows
        assert table_rows.said_of_total(table_of("\n".join([*lines, *["shop,3,4.5"] * 20, *last]))) is None


def test_shares_of_times_and_groups_are_as_near_as_ties_allow():
    times = np.array([5.0, 1, 1, 2, 2, 2, 5, 3, 3, 4])
    early, late = splits.latest(times, 0.3)
    assert set(times[early]) == {1.0, 2.0, 3.0} and set(times[late]) == {4.0, 5.0}
    assert [len(splits.latest(np.array([1.0, 1, 1, 2]), share)[1]) for share in (0.01, 0.9)] == [1, 1]
    groups = np.repeat(np.arange(12), [60, *[4] * 10, 1])
    for seed in range(5):
        rest, aside = splits.whole_groups(groups, 0.2, np.random.default_rng(seed))
        assert 18 <= len(aside) <= 22 and not set(groups[rest]) & set(groups[aside]) and 0 not in groups[aside]
    rest, aside = splits.whole_groups(np.array([7, 7, 7, 8, 8]), 0.01, np.random.default_rng(0))
    assert rest.tolist() == [0, 1, 2] and aside.tolist() == [3, 4]


# ---- what is written of each row -------------------------------------------------------------------------------------


def test_predictions_are_named_by_target_and_equal_those_of_a_normal(fitted):
    folder, _ = fitted
    ran = run_here(
        folder, "predict", "model.mdn", "t.csv", "--out", "p.csv", "--quantiles", ".3", "--mean", "--interval", ".9",
        "--interval", ".57", "--above", "101", "--above", "-1.5", "--below", "99.5",
    )  # fmt: skip
    assert ran.exit_code == 0, said(ran)
    found = pd.read_csv(folder / "p.csv", dtype={"code": str})
    frame = pd.read_csv(folder / "t.csv", dtype={"code": str, "shop": str})
    suffixes = ["0.3", "mean", "low_90", "high_90", "low_57", "high_57", "above_101", "above_-1.5", "below_99.5"]
    assert list(found) == ["code", *(f"{target}_{suffix}" for target in "ab" for suffix in suffixes)]
    assert found["code"].tolist() == frame["code"].tolist()
    model = mdn.load(folder / "model.mdn")
    mean, variance = model.predict(frame[["shop", "when", "x"]]), model.predict_variance(frame[["shop", "when", "x"]])
    for d, target in enumerate("ab"):  # one component: the prediction is a normal
        normal = stats.norm(mean[:, d], np.sqrt(variance["total"][:, d]))
        expected = [normal.ppf(0.3), normal.mean(), *normal.interval(0.9), *normal.interval(0.57)]
        expected += [normal.sf(101.0), normal.sf(-1.5), normal.cdf(99.5)]
        for suffix, values in zip(suffixes, expected, strict=True):
            np.testing.assert_allclose(found[f"{target}_{suffix}"], values, rtol=2e-3, atol=1e-30, err_msg=suffix)


def test_ids_stay_as_they_are_written_and_are_kept_in_the_model(fitted):
    pytest.importorskip("pyarrow")
    folder, _ = fitted
    assert mdn.load(folder / "model.mdn").columns_.ids == ("code",)
    assert read_description(folder / "model.mdn")["format"] == 3  # that of dates: older versions do without ids
    new = 'code,when,x,shop\n007,2024-02-01,"1,5",00\n"7, b",2024-02-02,"0,5",01\nNA,2024-02-03,"-1,25",02\n'
    (folder / "new.csv").write_text(new)
    assert run_here(folder, "predict", "model.mdn", "new.csv", "--mean", "--out", "i.csv").exit_code == 0
    assert run_here(folder, "predict", "model.mdn", "new.csv", "--mean", "--out", "i.parquet").exit_code == 0
    text = pd.read_csv(folder / "i.csv", dtype={"code": str}, keep_default_na=False)
    assert text["code"].tolist() == pd.read_parquet(folder / "i.parquet")["code"].tolist() == ["007", "7, b", "NA"]
    # Another id, which is a feature with decimal commas: it is carried as it is written, and read as it is meant
    ran = run_here(folder, "predict", "model.mdn", "new.csv", "--id", "x", "--mean", "--out", "x.csv")
    assert ran.exit_code == 0, said(ran)
    other = pd.read_csv(folder / "x.csv", dtype={"x": str})
    assert other["x"].tolist() == ["1,5", "0,5", "-1,25"] and "code" not in other
    np.testing.assert_array_equal(other["b_mean"], text["b_mean"])
    (folder / "without.csv").write_text("when,x,shop\n2024-02-01,1.5,00\n")
    ran = run_here(folder, "predict", "model.mdn", "without.csv", "--out", "w.csv")
    assert ran.exit_code == 0 and "has no column 'code', so it is not among the predictions" in said(ran)


def test_packed_files_and_excel_are_learnt_from_and_predicted_as_text_is(tmp_path):
    pytest.importorskip("openpyxl")
    frame = made()[["x", "a"]].dropna()
    text = frame.to_csv(index=False)
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("t.csv", text)
    found = []
    for name in ("t.xlsx", "t.csv.gz", "t.zip"):
        ran = run_here(tmp_path, "fit", name, "--target", "a", *TINY)
        assert ran.exit_code == 0, said(ran)
        assert run_here(tmp_path, "predict", "model.mdn", name).exit_code == 0
        found.append(read_table(tmp_path / "predictions.csv").values)
    expected = mdn.load(tmp_path / "model.mdn").predict_quantile(frame[["x"]], [0.05, 0.5, 0.95])
    for values in found:
        np.testing.assert_allclose(values, expected, rtol=1e-5)


# ---- what the reader notes -------------------------------------------------------------------------------------------


def test_the_reader_notes_codes_and_a_column_without_a_name(tmp_path):
    pytest.importorskip("openpyxl")
    (tmp_path / "t.csv").write_text(",zip,n,part,y\n" + "0,01001,1,0.5,3\n1,90210,20,-07,4\n2,,3,1,5\n")
    table = read_table(tmp_path / "t.csv")
    assert table.padded == {"zip"} and table.unnamed == "0"
    assert read_table(tmp_path / "t.csv", text=["zip"]).padded == frozenset()
    (tmp_path / "r.csv").write_text('"x","y"\n"1",2,3\n"2",4,5\n')
    assert read_table(tmp_path / "r.csv").unnamed == "row names"
    (tmp_path / "none.csv").write_text("0,1\n1,2\n2,3\n")
    assert read_table(tmp_path / "none.csv").unnamed == ""
    pd.DataFrame({"x": [1.5, 2.5]}).to_excel(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx").unnamed == "0"


def test_a_file_is_read_a_second_time_only_for_codes(tmp_path, monkeypatch):
    """A second pass over each text file looked for cells such as 01001."""
    reads = []

    def spy(name):
        real = getattr(mdn.data, name)
        monkeypatch.setattr(mdn.data, name, lambda *where, **how: reads.append(name) or real(*where, **how))

    spy("read_table")
    spy("read_chunks")
    rows = "".join(f"{1000 + i},{i}\n" for i in range(30))
    (tmp_path / "plain.csv").write_text("zip,y\n" + rows)
    (tmp_path / "codes.csv").write_text("zip,y\n" + rows + "01001,3\n")
    assert "zip │ number" in said(run_here(tmp_path, "check", "plain.csv", "--target", "y")) and reads == ["read_table"]
    ran = run_here(tmp_path, "check", "codes.csv", "--target", "y")
    assert "cells of 'zip' begin with 0" in said(ran) and reads == ["read_table"] * 3


# ---- sentences -------------------------------------------------------------------------------------------------------

FIT_ERRORS = {
    "a role that is not there": (("--id", "Code"), "no column 'Code'. Did you mean 'code'?"),
    "a weight that is no number": (("--weight", "word"), "the weight 'word' must hold numbers, but holds text: 'x' in line 2"),
    "a weight below 0": (("--weight", "x"), "the weight 'x' must be a number of at least 0, but is -1 in line 3"),
    "a target with a role": (("--weight", "y"), "--weight y: this is the target"),
    "two roles": (("--id", "code", "--ignore", "code"), "column 'code' stands in --ignore and in --id: say one of them"),
    "one group": (("--split-by", "one"), "--split-by one: it has 1 group, too few to learn from some"),
    "one date": (("--split-by", "day"), "--split-by day: it has 1 date, too few to learn from some"),
    "a target with too few values": (("--target", "rare"), "rows with a target are needed, but there are 3 with 'rare'"),
    "too few to calibrate on": (
        ("--calibrate", "--target", "half"), "the target 'half' has 4 values among the rows to calibrate on, but needs 19",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", FIT_ERRORS)
def test_roles_that_cannot_be_are_refused_before_the_training(case, tmp_path, monkeypatch):
    monkeypatch.setattr(mdn.MDNRegressor, "fit", lambda *_, **__: pytest.fail("it trained"))
    rows = [
        f"{i:03d},{(-1) ** i},{i % 11},x,1,2024-03-05,{i if i < 3 else ''},{i if i % 4 == 1 else ''}"
        for i in range(120)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["code,x,y,word,one,day,rare,half", *rows]))
    options, sentence = FIT_ERRORS[case]
    ran = run_here(tmp_path, "fit", "t.csv", "--target", "y", *options)
    assert ran.exit_code == 2 and sentence in said(ran), said(ran)


PREDICT_ERRORS = {
    "nothing to write": (("--quantiles", ""), "there is nothing to write"),
    "an interval in per cent": (("--interval", "90"), "--interval must lie between 0 and 1, such as .9, but 90 came"),
    "a threshold that is none": (("--above", "nan"), "--above must be a finite number"),
    "a name twice": (("--quantiles", ".5,.50"), "two columns of the predictions would be called 'a_0.5'"),
    "an id that is not there": (("--id", "cod"), "no column 'cod'. Did you mean 'code'?"),
}


@pytest.mark.parametrize("case", PREDICT_ERRORS)
def test_predictions_that_cannot_be_are_refused(case, fitted):
    folder, _ = fitted
    options, sentence = PREDICT_ERRORS[case]
    ran = run_here(folder, "predict", "model.mdn", "t.csv", *options, "--out", "none.csv")
    assert ran.exit_code == 2 and sentence in said(ran), said(ran)
    assert not (folder / "none.csv").exists()


# ---- a table of a German Excel: semicolons, decimal commas, and a first column without a name that numbers the rows --------


@pytest.fixture(scope="module", name="excel")
def _excel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("excel")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"age": rng.integers(19, 80, 90), "sex": ["m", "w"] * 45, "bmi": rng.normal(25, 3, 90).round(1)}
    )
    frame["day"] = (pd.Timestamp("2024-01-01 05:00") + pd.to_timedelta(np.arange(90), "D")).strftime("%Y-%m-%d %H:%M")
    frame["y"] = (frame["age"] + rng.normal(size=90)).round(2)
    frame.to_csv(folder / "t.csv", sep=";", decimal=",")
    new = frame.drop(columns="y").iloc[:4].assign(age=[30, 95, 18, 40], sex=["w", "x", "m", "w"])
    new["day"] = ["2024-01-03 05:00", "2024-02-01", "2025-01-01", "2024-02-03"]
    new.to_csv(folder / "new.csv", sep=";", decimal=",")
    new.to_csv(folder / "plain.csv")
    frame[:40].to_csv(folder / "a.csv", sep=";", decimal=",")
    frame[40:].reset_index(drop=True).to_csv(folder / "b.csv", sep=";", decimal=",")
    ran = run_here(folder, "fit", "t.csv", "--target", "y", *TINY)
    assert ran.exit_code == 0, said(ran)
    return folder, said(ran)


def test_answers_are_written_in_the_notation_of_the_table_and_plain_csv_stays_plain(excel):
    folder, _ = excel
    ran = run_here(folder, "predict", "model.mdn", "new.csv", "--out", "o.csv", "--id", "sex")
    assert ran.exit_code == 0 and "o.csv is written as new.csv is, with ';' between cells and decimal commas." in said(
        ran
    )
    assert (folder / "o.csv").read_text().splitlines()[0] == "sex;y_0.05;y_0.5;y_0.95"
    ran = run_here(folder, "predict", "model.mdn", "plain.csv", "--out", "p.csv", "--id", "sex")
    assert ran.exit_code == 0 and "is written as" not in said(ran)
    assert (folder / "o.csv").read_text().replace(",", ".").replace(";", ",") == (folder / "p.csv").read_text()
    ran = run_here(folder, "predict", "model.mdn", "new.csv", "--out", "o.tsv", "--id", "sex")
    assert ran.exit_code == 0 and "is written as" not in said(ran)
    assert (folder / "o.tsv").read_text().replace("\t", ",") == (folder / "p.csv").read_text()


def test_predictions_are_refused_under_the_name_of_another_format_before_a_model_is_read(excel):
    folder, _ = excel
    ran = run_here(folder, "predict", "none.mdn", "none.csv", "--out", "o.xlsx")
    assert ran.exit_code == 2 and "a table is written as .csv, .tsv or .parquet" in said(ran)
    assert not (folder / "o.xlsx").exists()


def test_rows_outside_of_training_are_counted_for_each_column(excel):
    folder, _ = excel
    for command in (("predict", "--out", "o.csv"), ("report", "--out", "r.html")):
        new = pd.read_csv(folder / "new.csv", sep=";", decimal=",", index_col=0).assign(y=[1.5, 2.5, 3.5, 4.5])
        new.to_csv(folder / "new_y.csv", sep=";", decimal=",")
        printed = said(run_here(folder, command[0], "model.mdn", "new_y.csv", *command[1:]))
        assert "age: 2 of 4 rows lie outside of" in printed and "the answers there are extrapolated" in printed
        assert "sex: 1 of 4 rows holds a category that training did not show, so that" in printed
        assert "day: 1 of 4 rows lies outside of" in printed and "bmi:" not in printed
    ran = run_here(folder, "predict", "model.mdn", "t.csv", "--out", "o.csv")
    assert "sex:" not in said(ran)


def test_the_cells_of_a_table_are_read_once_for_all_that_is_predicted(excel, monkeypatch):
    from mdn.tabular.columns import Columns

    folder, _ = excel
    read, numbers = [], Columns.numbers
    monkeypatch.setattr(Columns, "numbers", lambda *args: read.append(args) or numbers(*args))
    asked = "--mean", "--interval", ".8", "--above", "3", "--below", "2"
    printed = said(run_here(folder, "predict", "model.mdn", "new.csv", "--out", "all.csv", *asked))
    assert len(read) == 1 and "age: 2 of 4 rows lie outside of" in printed
    written, reg = pd.read_csv(folder / "all.csv", sep=";", decimal=","), mdn.load(folder / "model.mdn")
    new = read_table(folder / "new.csv", text=["sex", "day"])
    np.testing.assert_allclose(written["y_mean"], reg.predict(new), rtol=1e-5)
    np.testing.assert_allclose(written[["y_low_80", "y_high_80"]], reg.predict_interval(new, 0.8), rtol=1e-5)
    np.testing.assert_allclose(written["y_above_3"], reg.predict_probability(new, above=3), rtol=1e-5)


def test_rows_that_were_read_once_are_for_one_model_only(excel):
    from sklearn.base import clone

    from mdn.tabular.features import ReadOnce

    folder, _ = excel
    reg, new = mdn.load(folder / "model.mdn"), read_table(folder / "new.csv", text=["sex", "day"])
    read, other = ReadOnce(reg, new), clone(reg)
    vars(other).update(vars(reg))
    np.testing.assert_array_equal(reg.predict(read), reg.predict(new))
    with pytest.raises(ValueError, match=r"X was read once for another model, .* pass the table itself"):
        other.predict(read)


def test_one_row_is_no_rows(tmp_path):
    (tmp_path / "one.csv").write_text("a,b,c\n1,2,3\n")
    assert "1 row; features: 3." in said(run_here(tmp_path, "check", "one.csv"))
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n3\n")
    assert "line 3 has 1 cell, but there are 2 columns." in said(run_here(tmp_path, "check", "bad.csv"))


def test_a_value_is_outside_only_beyond_the_digits_that_the_file_keeps():
    from mdn.tabular.columns import Columns
    from mdn.tabular.outside import Outside

    numbers = np.array([22510.3, -0.000123456, 1.0, 0.0])
    columns = Columns.learn(pd.DataFrame({"x": numbers, "y": 1e9 + np.arange(4)}))
    outside = Outside(columns)
    outside.look(columns.numbers(pd.DataFrame({"x": numbers, "y": 1e9 + np.arange(4)})))
    assert outside.sentences() == {}
    outside.look(columns.numbers(pd.DataFrame({"x": [22511.0, -0.0002], "y": [1e9 + 4, 2e9]})))
    assert [*outside.sentences()] == ["x", "y"] and "x: 2 of 6 rows lie" in outside.sentences()["x"]


@pytest.mark.parametrize("memory", [1.0, 1e-9])
def test_python_and_the_command_leave_out_a_column_that_only_numbers_the_rows(excel, memory, monkeypatch):
    folder, printed = excel
    assert "only numbers the rows, so it is left out" in printed
    monkeypatch.setattr("mdn.tabular.survey._FEWEST", 10)
    reg = mdn.MDNRegressor(1, epochs=1, random_state=0)
    names = ["age", "sex", "bmi", "day"]
    with (
        pytest.warns(UserWarning, match="has no name and only numbers the rows, so it is left out"),
        pytest.warns(UserWarning, match="t.csv: its first column has no name and is called '0'"),  # as the command says
    ):
        reg.fit(str(folder / "t.csv"), target="y", memory=memory)
    command = mdn.load(folder / "model.mdn")
    assert reg.columns_.table_names == command.columns_.table_names == names
    assert reg.columns_.left_out == command.columns_.left_out == ("0",)
    assert reg.columns_.about[0] == command.columns_.about[0] == ("0", "index", "counts the rows")
    assert reg.predict(read_table(folder / "new.csv")).shape == reg.predict(str(folder / "new.csv")).shape == (4,)
    for one in (reg, command):
        assert list(one.feature_names_in_) == names and one.n_features_in_ == 4


def test_files_of_one_table_that_each_number_their_rows_are_learnt_without_the_numbers(excel):
    folder, _ = excel
    ran = run_here(folder, "fit", "a.csv", "b.csv", "--target", "y", "--out", "two.mdn", *TINY)
    assert ran.exit_code == 0 and said(ran).count("only numbers the rows, so it is left out") == 1, said(ran)
    assert mdn.load(folder / "two.mdn").columns_.table_names == ["age", "sex", "bmi", "day"]
    kept = mdn.data.source_of(str(folder / "t.csv"), number=["0"])
    with pytest.warns(UserWarning, match="t.csv: its first column has no name and is called '0'"):
        reg = mdn.MDNRegressor(1, epochs=1, random_state=0).fit(kept, target="y")
    assert reg.columns_.table_names[0] == "0"


def test_every_attribute_that_is_documented_is_there_after_a_fit_of_a_path_and_in_its_file(excel):
    import re

    folder, _ = excel
    documented = re.findall(r"^ {8}((?:\w+_, )*\w+_):", mdn.MDNRegressor.__doc__.split("Attributes:")[1], re.MULTILINE)
    names = {name for line in documented for name in line.split(", ")}
    assert {"feature_names_in_", "members_"} <= names
    command = mdn.load(folder / "model.mdn")
    assert [name for name in sorted(names) if not hasattr(command, name)] == []
    command.save(folder / "again.mdn")
    assert read_description(folder / "again.mdn") == read_description(folder / "model.mdn")
    numbers = read_table(folder / "t.csv").select(["age", "bmi", "y"])
    one = mdn.MDNRegressor(1, epochs=1, random_state=0).fit(numbers.select(["age", "bmi"]), numbers["y"])
    one.save(folder / "numbers.mdn")
    again = mdn.load(folder / "numbers.mdn")
    array = numbers.select(["age", "bmi"]).values
    np.testing.assert_allclose(again.predict(array), one.predict(array), rtol=1e-5)  # without a warning of names
    frame = pd.DataFrame(array[:, ::-1], columns=["bmi", "age"]).assign(more=1.0)
    np.testing.assert_allclose(again.predict(frame), one.predict(array), rtol=1e-5)
