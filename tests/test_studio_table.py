"""The page of tables: what it says of a file, what a model answers, and the whole way in a browser."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
from contextlib import chdir
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import mdn
from browser import open_studio, tab, wait
from commands import run_here
from mdn.tabular import split_rows
from mdn_commands.shared import listening, stop, tell
from mdn_studio import limits
from mdn_studio.folder import Folder
from mdn_studio.messages import handlers, text
from mdn_studio.pages import table_code, table_example, table_file, table_whatif
from mdn_studio.pages.table import _curves
from mdn_studio.studio import Studio
from tabs import run

pytestmark = [pytest.mark.jax, pytest.mark.project]

LEVELS = [0.05, 0.25, 0.5, 0.75, 0.95]
PREDICT = {"y": "target"}


def made(rows: int = 120) -> pd.DataFrame:
    """A table with a number, a category, dates, missing values, a name of the row and an empty column."""
    rng = np.random.default_rng(0)
    x, kind = rng.uniform(-2.0, 2.0, rows), rng.choice(["a", "b", "c"], rows)
    return pd.DataFrame({
        "name": [f"row {i:03d}!" for i in range(rows)],
        "x": x.round(3),
        "kind": kind,
        "when": (pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 200, rows), "D")).strftime("%Y-%m-%d"),
        "z": np.where(rng.uniform(size=rows) < 0.1, np.nan, rng.integers(0, 9, rows)),
        "nothing": "",
        "y": (50.0 + 10.0 * x * (kind == "a") + rng.normal(size=rows)).round(2),
    })  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def _tiny():
    """What the page calls a first look is a training of two epochs here."""
    before = dict(table_code.EFFORTS), dict(table_code._ARGUMENTS)
    table_code.EFFORTS["quick"] = ("--epochs", "2", "--components", "1")
    table_code._ARGUMENTS["quick"] = {"num_components": 1, "epochs": 2}
    yield
    table_code.EFFORTS.update(before[0])
    table_code._ARGUMENTS.update(before[1])


@pytest.fixture(scope="module", name="studio")
def _studio(tmp_path_factory):
    """A studio whose folder holds t.csv among the uploads and t.mdn, which learnt from it."""
    folder = tmp_path_factory.mktemp("tables")
    (folder / "uploads").mkdir()
    made().to_csv(folder / "uploads" / "t.csv", index=False)
    made(7).drop(columns="y").to_csv(folder / "uploads" / "new.csv", index=False)
    studio = Studio(Folder(folder), ["table"])
    answer = ask(studio, "fit", file="t.csv", roles=PREDICT, effort="quick", calibrate=False, out="t.mdn")
    job = studio.jobs.jobs[answer["job"]]
    ran = run_here(folder, *job.about["command"])
    assert ran.exit_code == 0, ran.stderr
    del studio.jobs.jobs[job.id]
    return studio


def ask(studio, kind: str, **fields):
    """The answer of the page, as a tab would get it."""
    method = handlers(studio.pages["table"])[f"table.{kind}"]
    answer = run(method(None, **method.rule(json.loads(json.dumps(fields)), "")))
    return json.loads(text(kind, 1, answer))


def refused(studio, kind: str, **fields) -> str:
    """The sentence with which the page refuses a message, and that nothing else happened."""
    before = sorted(os.walk(studio.folder.path / "uploads")), len(studio.jobs.jobs), studio.folder.names(".mdn")
    with pytest.raises((ValueError, OSError)) as caught:
        ask(studio, kind, **fields)
    after = sorted(os.walk(studio.folder.path / "uploads")), len(studio.jobs.jobs), studio.folder.names(".mdn")
    assert before == after and str(studio.folder.path) not in str(caught.value)
    return str(caught.value)


# ---- what is in a file ---------------------------------------------------------------------------------------------


def test_the_page_says_of_a_table_what_mdn_check_says(studio):
    found = ask(studio, "look", file="t.csv", roles=PREDICT)
    printed = run_here(studio.folder.path, "check", "uploads/t.csv", "--target", "y")
    said = " ".join((printed.stdout + printed.stderr).split())
    assert found["sentences"] and all(sentence in said for sentence in found["sentences"])
    kinds = {one["name"]: one["kind"] for one in found["columns"]}
    assert kinds == {
        "name": "identifier", "x": "number", "kind": "category", "when": "date", "z": "number", "nothing": "empty", "y": "target",
    }  # fmt: skip
    assert found["rows"] == 120 and found["numeric"] == ["y", "z", "x"] and found["out"] == "t 2.mdn"
    histogram = found["histograms"][0]
    assert sum(histogram["counts"]) + histogram["beyond"] == 120 and histogram["name"] == "y"
    category = ask(studio, "look", file="t.csv", roles={**PREDICT, "z": "category", "x": "ignore"})
    kinds = {one["name"]: one["kind"] for one in category["columns"]}
    assert kinds["z"] == "category" and kinds["x"] == "ignored"
    assert category["options"] == ["--target", "y", "--ignore", "x", "--category", "z"]


def _bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", b"a,b\n" + b"0,0\n" * (20 << 20))
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "roles", "sentence"),
    [
        ("noise.csv", bytes(range(256)) * 40, {}, "noise.csv"),
        ("none.csv", b"", {}, "none.csv"),
        ("bomb.zip", _bomb, {}, "times its size"),
        ("one.csv", b"a,y\n1,2\n", PREDICT, "at least 10 rows with a target are needed, but there is 1 with 'y'"),
        ("words.csv", b"a,y\n" + b"1,north\n2,south\n" * 9, PREDICT, "the target 'y' must hold numbers, but holds text: 'north'"),
        ("gone.csv", b"a,b,y\n" + b"1,2,\n3,4,\n" * 9, PREDICT, "there are 0 with 'y'"),
        ("same.csv", b"a,y\n" + b"1,5\n2,5\n" * 9, PREDICT, "there is nothing to predict"),
        ("alone.csv", b"y\n" + b"1\n2\n3\n" * 9, PREDICT, "no column beside 'y' to predict from"),
        ("long.csv", b"a,y\n" + b"1,2\n" * 60, {}, "more than 50 rows of 2 columns, the most that this page takes"),
        ("large.csv", b"a,b,c,d\n" + b"1,2,3,4\n" * 251, {}, "more than 250 rows of 4 columns"),
        ("wide.csv", ",".join(f"c{i}" for i in range(9)).encode() + b"\n" + b"1,2,3,4,5,6,7,8,9\n" * 3, {}, "has 9 columns"),
        ("t.csv", None, {"x": "weight", "z": "weight"}, "one column can be the weight"),
        ("t.csv", None, {"nobody": "target"}, "no column 'nobody'"),
        ("t.csv", None, {"x": "king"}, "`roles.x` must be one of"),
        ("../t.csv", None, {}, "no name for a file"),
        ("away.csv", None, {}, "there is no file 'away.csv'"),
        ("model.exe", b"MZ", {}, "'model.exe' is no table"),
    ],
    ids=lambda value: value if isinstance(value, str) and len(value) < 12 else "",
)  # fmt: skip
def test_a_table_that_cannot_be_used_gets_one_sentence(studio, monkeypatch, name, content, roles, sentence):
    monkeypatch.setattr(limits, "TABLE_ROWS", 50 if name == "long.csv" else 200_000)
    monkeypatch.setattr(limits, "TABLE_COLUMNS", 8)
    monkeypatch.setattr(limits, "TABLE_CELLS", 1000)
    path = None if content is None else studio.folder.path / "uploads" / name
    if path is not None:
        path.write_bytes(content() if callable(content) else content)
    try:
        assert sentence in refused(studio, "look", file=name, roles=roles)
    finally:
        if path is not None:
            path.unlink()


def test_sentences_of_commands_reach_the_one_who_listens_and_else_the_terminal(capsys):
    with listening() as kept:
        tell("one.")
        with pytest.raises(ValueError, match=r"two\."):
            stop("two.")
    assert kept == ["one."] and capsys.readouterr().err == ""
    tell("three.")
    assert capsys.readouterr().err == "mdn: three.\n"


def test_the_table_of_the_example_has_two_answers_for_old_flats():
    frame = pd.read_csv(io.StringIO(table_example.text()))
    assert len(frame) == 900 and frame["rent"].gt(0).all() and frame["floor"].isna().any()
    metre = (frame["rent"] / frame["area"] - 5.0 * (frame["district"] == "harbour") * 1.0).where(
        frame["district"] == "north"
    )
    spread = [np.std(np.log(metre[old].dropna())) for old in (frame["built"] < 1975, frame["built"] >= 1975)]
    assert spread[0] > 1.5 * spread[1]


# ---- training ------------------------------------------------------------------------------------------------------


def test_a_table_that_is_too_large_is_not_read_whatever_one_asks_of_it(studio, monkeypatch):
    path = studio.folder.path / "uploads" / "large.csv"
    made(30).to_csv(path, index=False)
    monkeypatch.setattr(limits, "TABLE_ROWS", 20)
    fields = {"file": "large.csv", "roles": PREDICT, "effort": "quick", "calibrate": False, "out": "large.mdn"}
    for kind in ("fit", "code"):
        assert "has more than 20 rows" in refused(studio, kind, **fields)
    path.unlink()


def test_a_training_begins_only_if_it_can_end(studio):
    fields = {"file": "t.csv", "roles": PREDICT, "effort": "quick", "calibrate": False}
    assert "there is a model 't.mdn' already" in refused(studio, "fit", **fields, out="t.mdn")
    assert "ends in .mdn" in refused(studio, "fit", **fields, out="t.txt")
    assert "no name for a file" in refused(studio, "fit", **fields, out="../t.mdn")
    assert "choose the column to predict" in refused(studio, "fit", **{**fields, "roles": {}}, out="new.mdn")
    few = studio.folder.path / "uploads" / "few.csv"
    made(30).to_csv(few, index=False)
    said = refused(studio, "fit", **{**fields, "file": "few.csv", "calibrate": True}, out="few.mdn")
    assert "rows" in said and studio.folder.names(".mdn") == ["t.mdn"]
    few.unlink()
    first = ask(studio, "fit", **fields, out="two.mdn")  # it waits, since nobody watches the jobs here
    assert "is making 'two.mdn' already, perhaps in another tab" in refused(studio, "fit", **fields, out="two.mdn")
    command = studio.jobs.jobs[first["job"]].shown()["command"]
    assert command == "mdn fit uploads/t.csv --target y --out two.mdn --epochs 2 --components 1"
    studio.jobs.jobs[first["job"]].stop()
    del studio.jobs.jobs[first["job"]]


def test_the_python_beside_the_button_learns_the_same_model(studio, tmp_path):
    fields = {"file": "t.csv", "roles": PREDICT, "effort": "quick"}
    said = ask(studio, "code", **fields, calibrate=False, out="again.mdn")
    assert said["command"] == "mdn fit t.csv --target y --out again.mdn --epochs 2 --components 1"
    code = (
        said["python"].replace("model.report", "model.evaluate").replace(", 'again.html'", "")
    )  # pictures take a second
    made().to_csv(tmp_path / "t.csv", index=False)
    with chdir(tmp_path):
        with pytest.warns(UserWarning, match="left out"):
            exec(compile(code, "python", "exec"), {})
        again = mdn.load("again.mdn")
    by_command, frame = mdn.load(studio.folder.path / "t.mdn"), made()
    np.testing.assert_allclose(
        again.predict_quantile(frame, LEVELS), by_command.predict_quantile(frame, LEVELS), rtol=1e-4
    )
    for roles, promise, lines in (
        ({"y": "target", "x": "target", "z": "weight"}, False, ("np.stack", "weight[learn]")),
        (
            {"y": "target", "z": "category", "when": "date"},
            True,
            ("declare(table, category=['z'], date=['when'])", "calibrate("),
        ),
    ):
        python = ask(studio, "code", **{**fields, "roles": roles}, calibrate=promise, out="a.mdn")["python"]
        compile(python, "python", "exec")
        assert all(line in python for line in lines)


def test_the_python_keeps_codes_that_begin_with_zeros(studio, tmp_path):
    path = studio.folder.path / "uploads" / "codes.csv"
    path.write_text("code,y\n" + "".join(f"{i % 4 + 1:05d},{i % 7}\n" for i in range(40)))
    fields = {"file": "codes.csv", "roles": PREDICT}
    assert any("cells of 'code' begin with 0" in one for one in ask(studio, "look", **fields)["sentences"])
    said = ask(studio, "code", **fields, effort="usual", calibrate=False, out="codes.mdn")
    assert "read_table('codes.csv', text=['code'])" in said["python"]
    path.unlink()


def test_the_curve_holds_every_epoch_of_every_network(tmp_path, monkeypatch):
    from rich.console import Console

    from mdn_commands.bars import Bar

    monkeypatch.setenv("MDN_PROGRESS", str(tmp_path / "progress.jsonl"))
    with Bar(console=Console(quiet=True)) as bar:
        task = bar.add_task("reading", total=5)
        for share in range(5):
            bar.update(task, completed=share)  # within a fifth of a second: one line
        for network in range(2):
            for epoch in range(5):
                bar.update(task, completed=epoch + 1, figure=10.0 * network + epoch)
    assert _curves(tmp_path / "progress.jsonl") == [[0.0, 1.0, 2.0, 3.0, 4.0], [10.0, 11.0, 12.0, 13.0, 14.0]]
    assert len((tmp_path / "progress.jsonl").read_text().splitlines()) == 11
    assert _curves(tmp_path / "none.jsonl") == []


# ---- what if -------------------------------------------------------------------------------------------------------


def test_what_if_answers_as_the_model_does_in_python(studio):
    found = ask(studio, "open", model="t.mdn")
    assert found["targets"] == ["y"] and found["report"] == "t.html" and found["aside"] == 24
    features = {one["name"]: one for one in found["features"]}
    assert list(features) == ["x", "kind", "when", "z"] and features["z"]["missing"] and not features["x"]["missing"]
    frame = made()
    assert (
        frame["x"].min() <= features["x"]["min"] < features["x"]["max"] <= frame["x"].max() and features["z"]["whole"]
    )
    day = (pd.Timestamp("2024-03-05") - pd.Timestamp(0)).days
    values = {"x": 1.25, "kind": "b", "when": day, "z": None}
    answer = ask(studio, "ask", model="t.mdn", values=values, target=0, line=52.0, coverage=0.9)
    model = mdn.load(studio.folder.path / "t.mdn")
    row = pd.DataFrame([{"x": 1.25, "kind": "b", "when": "2024-03-05", "z": np.nan}])
    truth = model.predict_quantile(row, LEVELS)[0]
    np.testing.assert_allclose(
        [answer["ends"][0][0], *answer["ends"][1], answer["ends"][0][1]], truth[[0, 1, 3, 4]], rtol=1e-6
    )
    np.testing.assert_allclose(answer["above"], model.predict_probability(row, above=52.0)[0], rtol=1e-6)
    assert abs(answer["above"] + answer["below"] - 1.0) < 1e-6
    grid, height = np.array(answer["grid"]), np.array(answer["height"])
    low, high = answer["axis"]
    inside = model.predict_probability(row, below=[low, high])[0]
    assert abs(np.trapezoid(height, grid) - (inside[1] - inside[0])) < 2e-3  # the curve is a density
    other = ask(studio, "ask", model="t.mdn", values={**values, "x": -1.5}, target=0, line=None, coverage=0.5)
    assert other["median"] != answer["median"] and abs(other["above"] - 0.5) < 1e-4 and other["line"] == other["median"]
    code = found["python"].replace("ROW", repr({**values, "when": "2024-03-05"})).replace("LINE", "52.0")
    with chdir(studio.folder.path):
        exec(compile(code, "python", "exec"), {})


def test_a_row_to_begin_from_was_set_aside_and_shows_what_happened(studio):
    frame = made()
    judge = split_rows(120, 0.2, 0)[1]
    for number in (0, 7, 24 + 7):
        found = ask(studio, "row", model="t.mdn", number=number)
        row = frame.iloc[judge[number % 24]]
        assert found["line"] == judge[number % 24] + 2 and found["observed"] == [row["y"]]
        assert found["values"]["x"] == row["x"] and found["values"]["kind"] == row["kind"]
        assert found["values"]["when"] == (pd.Timestamp(row["when"]) - pd.Timestamp(0)).days
        assert found["values"]["z"] == (None if np.isnan(row["z"]) else row["z"])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"x": "five"}, "column 'x' needs a number, but 'five' came"),
        ({"kind": 3}, "column 'kind' needs a level as text"),
        ({"x": 1e300}, "column 'x' takes numbers of up to"),
        ({"x": [1]}, "`values.x` must be a finite number"),
    ],
)
def test_values_that_no_row_has_get_one_sentence(studio, changes, sentence):
    values = {"x": 0.0, "kind": "a", "when": 19_800, "z": 1.0}
    assert sentence in refused(
        studio, "ask", model="t.mdn", values={**values, **changes}, target=0, line=1.0, coverage=0.9
    )
    del values["x"]
    assert "'nothing' came" in refused(studio, "ask", model="t.mdn", values=values, target=0, line=1.0, coverage=0.9)
    values["x"] = 1e9  # far away, but a number
    assert ask(studio, "ask", model="t.mdn", values=values, target=0, line=1e38, coverage=0.9)["above"] == 0.0
    assert "no target number 5" in refused(
        studio, "ask", model="t.mdn", values=values, target=5, line=1.0, coverage=0.9
    )
    assert "`coverage` must be" in refused(
        studio, "ask", model="t.mdn", values=values, target=0, line=1.0, coverage=1.0
    )


def test_a_model_whose_table_is_gone_answers_all_the_same(studio):
    model = table_whatif.Model(studio.folder.path / "t.mdn")
    frame = made()
    x, _, when, z = model.features
    assert (
        frame["x"].min() - 1e-3 <= x["min"] < x["value"] < x["max"] <= frame["x"].max() + 1e-3
        and 0 <= z["min"] < z["max"] <= 8
    )
    assert 19_723 <= when["min"] < when["max"] <= 19_723 + 3 * 200
    answer = model.answer({one["name"]: one["value"] for one in model.features}, 0, None, 0.9)
    assert model.axes[0][0] < answer["median"] < model.axes[0][1]
    with pytest.raises(ValueError, match="is not in the studio"):
        model.seen(0)


def test_counts_are_bars_and_arcs_on_a_circle_are_cut_at_the_end_of_the_axis(tmp_path):
    frame = made()
    counts = mdn.MDNRegressor(num_components=1, epochs=1, family="counts", random_state=0)
    counts.fit(frame[["x"]], np.random.default_rng(0).poisson(3.0, 120)).save(tmp_path / "counts.mdn")
    model = table_whatif.Model(tmp_path / "counts.mdn")
    answer = model.answer({"x": 0.5}, 0, 2.0, 0.9)
    reg = mdn.load(tmp_path / "counts.mdn")
    row = pd.DataFrame([{"x": 0.5}])
    truth = np.exp([reg.log_prob(row, [value])[0] for value in answer["grid"]])
    np.testing.assert_allclose(answer["height"], truth, rtol=1e-4)
    above = sum(share for value, share in zip(answer["grid"], truth, strict=True) if value > 2.0)
    assert answer["counted"] and abs(answer["above"] - above) < 5e-3  # the axis ends where a thousandth is left
    assert table_whatif._pieces((350.0, 370.0), (0.0, 360.0)) == [(350.0, 360.0), (0.0, 10.0)]
    assert table_whatif._pieces((10.0, 30.0), (0.0, 360.0)) == [(10.0, 30.0)]


def test_predictions_of_another_table_are_those_of_the_model(studio):
    found = ask(studio, "predict", model="t.mdn", file="new.csv", line=50.0)
    written = pd.read_csv(studio.folder.path / found["name"])
    model, new = mdn.load(studio.folder.path / "t.mdn"), made(7).drop(columns="y")
    np.testing.assert_allclose(written.iloc[:, :5], model.predict_quantile(new, LEVELS), rtol=1e-5)
    np.testing.assert_allclose(written["y_above_50"], model.predict_probability(new, above=50.0), rtol=1e-5, atol=1e-9)
    assert found["rows"] == 7 and found["command"].startswith("mdn predict t.mdn new.csv --quantiles 0.05,0.25")
    ask(studio, "discard", file="new.csv")
    assert "learnt from 't.csv'" in refused(studio, "discard", file="t.csv")
    assert studio.folder.names(".csv", within="uploads") == ["t.csv"]
    missing = studio.folder.path / "uploads" / "less.csv"
    new.drop(columns="kind").to_csv(missing, index=False)
    assert "no column 'kind'" in refused(studio, "predict", model="t.mdn", file="less.csv", line=None)
    (studio.folder.path / "drawing.mdn").write_bytes(b"nothing of the kind")
    assert "drawing.mdn" in refused(studio, "open", model="drawing.mdn")
    (studio.folder.path / "drawing.mdn").unlink()


# ---- in a browser ----------------------------------------------------------------------------------------------------


def test_a_person_drops_a_table_trains_asks_what_if_and_takes_predictions_home(chromium, tmp_path):
    made().to_csv(tmp_path / "sales.csv", index=False)
    made(7).drop(columns="y").to_csv(tmp_path / "new.csv", index=False)
    (tmp_path / "noise.csv").write_bytes(bytes(range(256)) * 40)
    with open_studio(tmp_path / "studio", pages=("table",)) as address, tab(chromium) as visitor:
        page = visitor.go(address, "table")
        drop = page.locator("input[type=file]").first
        drop.set_input_files(tmp_path / "noise.csv")
        page.wait_for_selector(".note.error")
        assert "Noise.csv is not a text file" in page.inner_text(".note.error")
        wait(lambda: not list((tmp_path / "studio" / "uploads").iterdir()))  # nothing of it is kept
        drop.set_input_files(tmp_path / "sales.csv")
        page.wait_for_selector("section[aria-label='What is in the table']")
        assert "120 rows, 7 columns" in page.inner_text(".table")
        train = page.get_by_role("button", name="Train", exact=True)
        assert train.is_disabled()
        page.get_by_label("Predict", exact=True).select_option("y")
        page.wait_for_selector("figure canvas")
        assert "holds text that differs in nearly every row" in page.inner_text(".troubles")
        page.get_by_label("Effort").select_option("quick")
        train.click()
        page.wait_for_selector(".training progress")
        page.wait_for_selector(".density", timeout=240_000)
        visitor.until("document.querySelectorAll('.model .figures dd').length === 5", 60)

        def figures():
            return page.locator(".model .figures dd").all_inner_texts()

        def picture():
            return page.evaluate("document.querySelector('.density').toDataURL()")

        before, drawn = figures(), picture()
        page.get_by_label("x", exact=True).focus()
        page.keyboard.press("Home")
        wait(lambda: figures()[0] != before[0])
        assert picture() != drawn
        level = page.get_by_label("kind", exact=True)
        before = figures()
        level.select_option(next(one for one in ("a", "b", "c") if one != level.input_value()))
        wait(lambda: figures() != before)
        before = figures()
        page.locator(".density").hover(position={"x": 300, "y": 80})  # waits until the page stands still
        box = page.locator(".density").bounding_box()
        page.mouse.down()
        page.mouse.move(box["x"] + 0.25 * box["width"], box["y"] + 80, steps=5)
        page.mouse.up()
        wait(lambda: figures()[3] != before[3])
        share = float(figures()[3].strip("<> %"))
        page.locator(".density").focus()
        for _ in range(8):
            page.keyboard.press("PageUp")
        wait(lambda: float(figures()[3].strip("<> %")) < share)
        page.get_by_role("button", name="Another row").click()
        wait(lambda: "In this row y was" in page.inner_text(".said"))
        line = float(page.get_by_label("The line stands at").input_value())
        again = page.locator("input[type=file]").last
        assert again.get_attribute("accept") == drop.get_attribute("accept") == ",".join(table_file.ENDINGS)
        again.set_input_files(tmp_path / "new.csv")
        link = page.get_by_role("link", name="Download new predicted.csv")
        link.wait_for()
        with page.expect_download() as kept:
            link.click()
        written = pd.read_csv(kept.value.path())
        with page.expect_download() as kept:
            page.get_by_role("link", name="Download the model").click()
        model = mdn.load(kept.value.path().rename(tmp_path / "home.mdn"))
        new = pd.read_csv(tmp_path / "new.csv")
        np.testing.assert_allclose(written.iloc[:, :5], model.predict_quantile(new, LEVELS), rtol=1e-5)
        np.testing.assert_allclose(written.iloc[:, 5], model.predict_probability(new, above=line), rtol=1e-3, atol=1e-6)
        frame = page.frame_locator("iframe")
        assert "How sure is the model of y?" in frame.locator("h1").inner_text()
        for kept in (tmp_path / "studio" / ".studio" / "jobs").glob(
            "*/process.json"
        ):  # it says that it is done before it ends
            pid = json.loads(kept.read_text())["pid"]
            wait(lambda pid=pid: not Path(f"/proc/{pid}").exists(), 60)
        page.set_viewport_size({"width": 360, "height": 740})
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth")
        page.reload()
        page.get_by_role("button", name="sales.mdn").click()  # it can be opened again
        page.wait_for_selector(".density")
        visitor.until("document.querySelectorAll('.model .figures dd').length === 5", 60)


def test_a_newcomer_takes_the_example_and_sees_it_learn(chromium, tmp_path):
    with open_studio(tmp_path / "studio", pages=("table",)) as address, tab(chromium) as visitor:
        page = visitor.go(address, "table")
        page.get_by_role("button", name="Take the rents of 900 made-up flats").click()
        page.wait_for_selector("figure canvas")
        assert page.get_by_label("Predict", exact=True).input_value() == "rent"  # nothing is left to choose
        page.get_by_label("Effort").select_option("quick")
        page.get_by_role("button", name="Train", exact=True).click()
        page.wait_for_selector(".density", timeout=300_000)
        assert re.search(
            r"Network \d+ has gone through the table \d+ times", page.inner_text(".training")
        )  # its curve was drawn
        visitor.until("document.querySelectorAll('.model .figures dd').length === 5", 60)
        page.locator(".density").evaluate("one => { one.scrollIntoView(); scrollBy(0, -90); }")
        visitor.keep("table")
