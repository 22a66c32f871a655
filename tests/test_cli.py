"""The command line: what it prints, what it writes, and how it refuses; in a process of its own where that is the point."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer

import mdn
import mdn_cli
from commands import run_here
from mdn.data import read_table
from mdn_commands.drawings import placed
from mdn_commands.shared import messages
from pages import ENTRY

pytestmark = pytest.mark.project

SRC = Path(mdn.__file__).resolve().parent.parent


@pytest.fixture(scope="module", name="home")
def _home(tmp_path_factory):
    """One cache of compiled programs for all commands here."""
    return tmp_path_factory.mktemp("home")


def environment(home):
    return os.environ | {"PYTHONPATH": str(SRC), "XDG_CACHE_HOME": str(home), "COLUMNS": "120", "NO_COLOR": "1"}


def run(home, folder, *arguments):
    return subprocess.run(
        [sys.executable, "-c", ENTRY, *map(str, arguments)],
        cwd=folder, env=environment(home), capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip


@pytest.fixture(name="wave")
def _wave(tmp_path):
    rng = np.random.default_rng(0)
    y = rng.uniform(-5, 5, 600)
    x = 3 * np.sin(y) + 0.5 * y + rng.normal(size=600)
    np.savetxt(tmp_path / "wave.csv", np.stack([x, y, -x], axis=-1), delimiter=",", header="x,y,z", comments="")
    return tmp_path


def test_the_version_is_printed_with_those_that_a_report_of_an_error_needs(home, tmp_path):
    ran = run(home, tmp_path, "--version")
    python = "{}.{}.{}".format(*sys.version_info)
    expected = f"mdn {version('mdn')}, Keras {version('keras')}, JAX {version('jax')}, Python {python}\n"
    assert (ran.returncode, ran.stdout) == (0, expected)


@pytest.mark.parametrize("notebook", [False, True])
def test_a_bar_moves_in_a_terminal_but_not_in_a_cell_of_a_notebook(notebook, home, wave):
    ours, its = os.openpty()
    settings = environment(home) | {"TERM": "xterm", "FORCE_COLOR": "1"} | ({"JPY_PARENT_PID": "1"} if notebook else {})
    settings.pop("NO_COLOR")
    code = [sys.executable, "-c", ENTRY, "check", "wave.csv", "--target", "y"]
    with subprocess.Popen(code, cwd=wave, env=settings, stdin=subprocess.DEVNULL, stdout=its, stderr=its) as running:
        os.close(its)
        shown = b""
        with suppress(OSError):  # what Linux says where the terminal is closed
            while piece := os.read(ours, 65536):
                shown += piece
    os.close(ours)
    assert running.returncode == 0 and b"600 rows; features: 2" in re.sub(rb"\x1b\[[0-9;]*m", b"", shown)
    assert (b"\x1b[?25l" in shown) is not notebook  # hides the cursor, then draws the bar again and again


def test_fit_prints_its_figures_and_predict_uses_its_file(home, wave):
    ran = run(home, wave, "fit", "wave.csv", "--target", "y", "--out", "w.mdn", "--epochs", "20", "--components", "3")
    assert ran.returncode == 0, ran.stderr
    for words in (
        "480 rows to learn from, 120 set aside; features: 2",
        "one mixture, no features",
        "one Gaussian",
        "CRPS",
        "the 90 % interval holds",
    ):
        assert words in " ".join(ran.stdout.split())
    assert sorted(path.name for path in wave.iterdir()) == ["w.html", "w.mdn", "wave.csv"]
    np.savetxt(wave / "new.txt", np.random.default_rng(1).normal(size=(7, 2)), header="z x")  # another order, no target
    ran = run(home, wave, "predict", "w.mdn", "new.txt", "--quantiles", ".1,.5,.9", "--out", "q.csv")
    assert ran.returncode == 0, ran.stderr
    table = read_table(wave / "q.csv")
    assert table.columns == ("y_0.1", "y_0.5", "y_0.9")
    new = read_table(wave / "new.txt")
    expected = mdn.load(wave / "w.mdn").predict_quantile(new.select(["x", "z"]), [0.1, 0.5, 0.9])
    np.testing.assert_allclose(table.values, expected, rtol=1e-4, atol=1e-4)
    ran = run(home, wave, "report", "w.mdn", "wave.csv", "--out", "page.html")
    assert ran.returncode == 0, ran.stderr
    words = " ".join(ran.stdout.split())
    assert "600 rows handed to the report, but about 80 % of them are equal to rows of training" in words
    assert "PIT" in (wave / "page.html").read_text()


def test_parquet_and_categories_go_through_fit_and_predict(tmp_path):
    frame = pd.DataFrame({"size": np.arange(120.0) % 7, "shop": ["1", "2", "north"] * 40})
    frame["price"] = frame["size"] + 5.0 * (frame["shop"] == "1") + 0.1 * np.arange(120)
    frame.to_parquet(tmp_path / "shops.parquet")
    ran = run_here(tmp_path, "fit", "shops.parquet", "--target", "price", "--epochs", "3", "--components", "1")
    assert ran.exit_code == 0, ran.stderr
    # all of these shops look like numbers, and the last was never seen
    (tmp_path / "new.tsv").write_text("shop\tsize\n1\t3\n2\t3\n3\t3\n")
    ran = run_here(tmp_path, "predict", "model.mdn", "new.tsv", "--out", "q.parquet")
    assert ran.exit_code == 0, ran.stderr
    values = read_table(tmp_path / "q.parquet").values
    new = pd.DataFrame({"size": [3.0] * 3, "shop": ["1", "2", "3"]})
    expected = mdn.load(tmp_path / "model.mdn").predict_quantile(new, [0.05, 0.5, 0.95])
    np.testing.assert_allclose(values, expected, rtol=1e-5)
    assert len(np.unique(values[:, 1])) == 3


BAD = {
    "a missing file": (("fit", "nothing.csv", "--target", "y"), "there is no file 'nothing.csv'"),
    "a missing column": (("fit", "wave.csv", "--target", "Y2"), "no column 'Y2'. Did you mean 'y'?"),
    "text in a number column": (
        ("fit", "text.csv", "--target", "y"),
        "column 'x' must hold numbers, but has 'oops' in line 3",
    ),
    "one row": (("fit", "one.csv", "--target", "y"), "at least 10 rows with a target are needed, but there is 1"),
    "a constant target": (("fit", "constant.csv", "--target", "y"), "the target 'y' is 3 in every row"),
    "no features": (("fit", "alone.csv", "--target", "y"), "no column beside 'y'"),
    "no folder": (("fit", "wave.csv", "--target", "y", "--out", "no/m.keras"), "there is no folder 'no'"),
    "the page's suffix": (("fit", "wave.csv", "--target", "y", "--out", "m.html"), "must not end in .html"),
    "a missing model": (("predict", "m.keras", "wave.csv"), "there is no file 'm.keras'"),
    "no model": (("predict", "wave.csv", "wave.csv"), "is not a .keras file"),
    "quantiles in percent": (("predict", "m.keras", "wave.csv", "--quantiles", "5,95"), "must lie between 0 and 1"),
    "no quantiles": (("predict", "m.keras", "wave.csv", "--quantiles", "a"), "must be numbers"),
    "no folder for the demo": (("demo", "--out", "no/demo.html"), "there is no folder 'no'"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_ends_in_one_sentence_and_code_2_and_leaves_nothing(wave, case):
    (wave / "text.csv").write_text("x,y\n1,2\noops,3\n" + "4,5\n" * 20)
    (wave / "one.csv").write_text("x,y\n1,2\n")
    (wave / "constant.csv").write_text("x,y\n" + "".join(f"{i},3\n" for i in range(30)))
    (wave / "alone.csv").write_text("y\n" + "1\n2\n" * 20)
    before = sorted(wave.iterdir())
    arguments, message = BAD[case]
    ran = run_here(wave, *arguments)
    assert ran.exit_code == 2, ran.stderr
    assert message in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stderr
    assert sorted(wave.iterdir()) == before


def test_the_process_itself_ends_with_code_2(home, wave):
    ran = run(home, wave, "fit", "nothing.csv", "--target", "y")
    assert ran.returncode == 2
    assert ran.stderr.strip() == "mdn: there is no file 'nothing.csv'."
    assert not ran.stdout.strip()


def test_ctrl_c_keeps_the_best_weights_so_far(home, wave):
    rng = np.random.default_rng(0)
    np.savetxt(wave / "big.csv", rng.normal(size=(20_000, 4)), delimiter=",", header="a,b,c,y", comments="")
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", ENTRY, "fit", "big.csv", "--target", "y", "--out", "b.mdn", "--epochs", "100000"],
        cwd=wave, env=environment(home) | {"FORCE_COLOR": "1"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    seen = b""
    end = time.monotonic() + 120
    while b"held-out NLL" not in seen and time.monotonic() < end:
        seen += os.read(process.stdout.fileno(), 4096)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=120)[0].decode()
    assert process.returncode == 130, rest
    assert "the best weights so far" in rest
    assert mdn.load(wave / "b.mdn").target_names_ == ["y"]


def test_help_names_the_commands(home, tmp_path):
    ran = run(home, tmp_path, "--help")
    assert ran.returncode == 0
    for command in ("demo", "fit", "predict", "report"):
        assert command in ran.stdout


OPTIONS = {
    "more steps than memory": ("generate series m.keras --steps 100000000000", "Invalid value for '--steps':"),
    "more pieces than memory": ("generate series m.keras --count 1000000000000", "Invalid value for '--count':"),
    "more draws than memory": ("forecast m.keras a.csv --draws 100000000000", "Invalid value for '--draws':"),
    "a seed below 0": ("generate series m.keras --seed -1", "Invalid value for '--seed':"),
    "a seed that no generator takes": ("train robot --seed 4294967296", "Invalid value for '--seed':"),
    "a live seed below 0": ("jam --osc --seed -1", "Invalid value for '--seed':"),
    "a variance that overflows": ("generate kanji --variance-temperature 1e300", "Invalid value for '--variance-temperature':"),
    "a negative temperature": ("generate ecg --component-temperature -1", "Invalid value for '--component-temperature':"),
    "a folder as a text": ("write --file folder", "'folder' is a folder; name a file."),
    "a folder as a model of series": ("generate series folder", "'folder'"),
    "markup as a colour": (["write", "a", "--ink", '"><script>'], "`ink` must be the name of a colour, such as navy, or #rrggbb"),
    "a colour of no name": ("write a --ink blu", "`ink` must be the name of a colour"),
}  # fmt: skip


@pytest.mark.parametrize("case", OPTIONS)
def test_an_option_that_asks_for_too_much_is_refused_by_its_name(case, tmp_path):
    (tmp_path / "folder").mkdir()
    asked, message = OPTIONS[case]
    ran = run_here(tmp_path, *(asked.split() if isinstance(asked, str) else asked))
    said = re.sub(r"[\s\u2500-\u257f]+", " ", ran.stderr)
    assert ran.exit_code == 2 and message in said, said
    assert "Errno" not in said and "Traceback" not in said and [one.name for one in tmp_path.iterdir()] == ["folder"]


def test_what_memory_cannot_hold_is_one_sentence(capsys):
    with pytest.raises(typer.Exit) as ended, messages():
        np.empty(2**62, "int8")
    assert ended.value.exit_code == 2
    assert capsys.readouterr().err == "mdn: there is not enough memory for what was asked for: ask for less.\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("quickdraw:3", ("quickdraw", 3)), ("mine.json:-1", ("mine.json", -1)), ("C:a.svg", ("C:a.svg", 0)), ("a", ("a", 0)),
        ("a:b:12", ("a:b", 12)), (":3", (":3", 0)), ("a:\u00b2", ("a:\u00b2", 0)),
    ],
)  # fmt: skip
def test_a_place_in_a_file_may_be_counted_from_its_end(text, found):
    """`:-1` was taken for a part of the name of the file."""
    assert placed(text) == found


def _commands(command, name="mdn"):
    """(its name, the names of its parameters) of every command, in the order of its help."""
    for each, sub in getattr(command, "commands", {}).items():
        yield from _commands(sub, f"{name} {each}")
    if not hasattr(command, "commands"):
        yield name, [parameter.name for parameter in command.params]


def test_every_command_has_its_options_in_the_order_that_contributing_names():
    """What is read, --out, what is special to the command, --processes, --epochs, temperatures, --seed, --resume."""
    last = ("processes", "epochs", "component_temperature", "variance_temperature", "seed", "resume")
    for name, parameters in _commands(typer.main.get_command(mdn_cli.app)):
        shared = [each for each in parameters if each in last]
        assert shared == [each for each in last if each in shared], name
        assert parameters[len(parameters) - len(shared) :] == shared or "stage" in parameters, name
        if "out" in parameters:
            read = {"model", "data", "files", "split", "start", "new", "file"} & {*parameters}
            assert all(parameters.index(each) < parameters.index("out") for each in read), name
