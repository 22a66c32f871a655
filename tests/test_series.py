"""Series: files of recordings, forecasts and surprise against the exact ones of an autoregression, pictures, commands."""

import importlib
import re
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.io import wavfile
from typer.testing import CliRunner

import mdn_cli
from mdn.applications import series
from mdn.applications.series import data, evaluate
from mdn.applications.series.model import network
from mdn.sequences import baselines

pytestmark = pytest.mark.jax

SLOPES, NOISE, CENTERS = np.array([0.9, -0.5]), np.array([1.0, 0.2]), np.array([1e6, 3.0])
RNG = np.random.default_rng(0)


def autoregressions(steps, seed):
    """Two independent autoregressions of order 1; float32 would round the first to sixteenths."""
    rng = np.random.default_rng(seed)
    found = np.zeros((steps, 2))
    for t in range(1, steps):
        found[t] = SLOPES * found[t - 1] + NOISE * rng.normal(size=2)
    return CENTERS + found


def run(*given):
    return CliRunner().invoke(mdn_cli.app, [*map(str, given)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with run.csv, and series.keras, which the command trained on it."""
    folder = tmp_path_factory.mktemp("series")
    rows = autoregressions(4000, 1)
    seconds = pd.date_range("2026-01-31T12:00:00", periods=len(rows), freq="500ms").strftime("%Y-%m-%dT%H:%M:%S.%f")
    table = pd.DataFrame({"when": seconds, "a": rows[:, 0], "b": rows[:, 1], "who": "me", "still": 7.0})
    table.to_csv(folder / "run.csv", index=False)
    train = importlib.import_module("mdn.applications.series.train")
    network = train.network
    nats = {"MDNRNN": 2.0, "mixture": 3.0, "order 2": 2.5, "linear": 1.9}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "network", lambda recordings: network(recordings, 2, units=(4,), lags=1))
        patch.setattr(baselines, "beside", lambda *_: nats)
        ran = run("train", "series", folder / "run.csv", "--epochs", 2, "--out", folder / "series.keras")
    assert ran.exit_code == 0, ran.output
    said = " ".join(ran.output.split())
    for sentence in (
        "column 'when' rises from row to row, so it is taken for the time",
        "'who' left out, since it holds text",
        "never change: still",
        "2 channels; 2800 steps to learn from, 400 to choose the epoch by, 800 to judge by",
        "'test NLL a value' is 1.000, 'of a linear autoregression' is 0.950",
    ):
        assert sentence in said, said
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return series.load(folder / "series.keras")


# ---- what a model says, against the exact autoregression -----------------------------------------------------------------


def test_a_forecast_has_the_median_and_the_interval_of_the_exact_autoregression(model):
    begun = autoregressions(300, 5)
    begun[-1] = CENTERS + np.array([4.0, 0.5])  # far from the middle, so that the way back is seen
    found = series.forecast(model, begun, 20, draws=2000, seed=0)
    after = np.arange(1, 21)[:, None]
    mean = CENTERS + SLOPES**after * (begun[-1] - CENTERS)
    spread = NOISE * np.sqrt((1.0 - SLOPES ** (2 * after)) / (1.0 - SLOPES**2))
    exact = mean[..., None] + spread[..., None] * stats.norm.ppf([0.05, 0.5, 0.95])
    # Of 2,000 draws the quantile at 0.05 is off by 0.05 spreads, one standard error; the slopes, learnt from 2,800 steps, by 0.01
    assert np.max(np.abs(found - exact) / spread[..., None]) < 0.35
    assert np.mean(np.abs(found - exact) / spread[..., None]) < 0.1
    np.testing.assert_array_equal(found, series.forecast(model, begun, 20, draws=2000, seed=0))


def test_surprise_is_that_of_the_exact_autoregression_and_finds_a_spike(model):
    rows = autoregressions(400, 6)
    rows[200, 1] += 12.0 * NOISE[1]
    rows[300] = np.nan
    rows[350, 0] = np.nan
    nats = series.surprise(model, rows)
    exact = -stats.norm.logpdf((rows[1:] - CENTERS - SLOPES * (rows[:-1] - CENTERS)) / NOISE) + np.log(NOISE)
    usual = np.setdiff1d(np.arange(10, 400), [200, 201, 300, 301, 350, 351])
    assert abs(np.mean(nats[usual] - exact.sum(axis=1)[usual - 1])) < 0.05
    assert np.corrcoef(nats[usual], exact.sum(axis=1)[usual - 1])[0, 1] > 0.98
    assert series.most_unusual(nats, 1).tolist() == [200]
    assert np.isnan(nats[300]) and np.isnan(nats).sum() == 1 and 300 not in series.most_unusual(nats)


def test_the_probability_below_a_value_is_that_of_the_exact_autoregression(model):
    rows = autoregressions(500, 7)
    exact = stats.norm.cdf((rows[1:] - CENTERS - SLOPES * (rows[:-1] - CENTERS)) / NOISE)
    found = evaluate.below(model, model.events([rows]))
    assert found.shape == (500, 2) and np.mean(np.abs(found[1:] - exact)) < 0.03


def test_figures_are_of_a_value_and_leave_out_floors_where_values_are_missing(model, monkeypatch):
    rows = autoregressions(60, 8)
    whole = series.Recordings([rows], ["a", "b"])
    rows = rows.copy()
    rows[5, 0] = np.nan
    gaps = whole.of([rows])
    monkeypatch.setattr(baselines, "beside", lambda *_: {"MDNRNN": 2.0, "mixture": 3.0, "order 2": 2.5, "linear": 1.9})
    found = evaluate.figures(model, {"train": whole, "test": whole})
    assert [found[name] for name in ("test NLL a value", *evaluate.FLOORS["test NLL a value"])] == [
        1.0,
        1.5,
        1.25,
        0.95,
    ]
    found = evaluate.figures(model, {"train": whole, "test": gaps})
    assert not set(found) & set(evaluate.FLOORS["test NLL a value"])
    np.testing.assert_allclose(found["test NLL a value"], series.surprise(model, rows).sum() / 119, rtol=1e-5)


# ---- commands ------------------------------------------------------------------------------------------------------------


def test_commands_write_tables_and_pictures_that_say_what_the_functions_return(folder, model, monkeypatch):
    monkeypatch.chdir(folder)
    pd.DataFrame(autoregressions(300, 9)[:, ::-1], columns=["b", "a"]).to_csv("new.csv", index=False)
    rows = series.read("new.csv", ["a", "b"])[0]
    for given in (
        ("generate", "series", "series.keras", "--steps", 30, "--out", "made.csv"),
        ("generate", "series", "series.keras", "--steps", 30, "--count", 2, "--out", "made.npz"),
        ("generate", "series", "series.keras", "--steps", 30, "--count", 2, "--out", "made.png"),
        ("forecast", "series.keras", "new.csv", "--steps", 9, "--out", "f.csv", "--quantiles", ".9,.1"),
        ("surprise", "series.keras", "new.csv", "--out", "s.csv"),
    ):
        ran = run(*given)
        assert ran.exit_code == 0, ran.output
    assert "most unusual of 300 steps" in ran.output
    made = series.read("made.npz")
    assert made.channels == ("a", "b") and [one.shape for one in made] == [(30, 2)] * 2
    np.testing.assert_allclose(pd.read_csv("made.csv")[["a", "b"]], series.generate(model, 30)[0], rtol=1e-8)
    table = pd.read_csv("f.csv")
    assert table.columns.tolist() == ["step", "a_0.1", "a_0.9", "b_0.1", "b_0.9"]
    expected = series.forecast(model, rows, 9, levels=(0.1, 0.9)).reshape(9, 4)
    np.testing.assert_allclose(table.iloc[:, 1:], expected, rtol=1e-8)
    table, nats = pd.read_csv("s.csv"), series.surprise(model, rows)
    np.testing.assert_allclose(table["nats"], nats, rtol=1e-5)
    np.testing.assert_array_equal(table["rank"], stats.rankdata(-nats, method="ordinal"))
    for picture in ("f.svg", "s.svg"):
        ElementTree.parse(picture)
    assert (folder / "made.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("train", "series", "none.csv"), "none.csv"),
        (("train", "series", "run.csv", "--columns", "a,c"), "run.csv has no column 'c'"),
        (
            ("train", "series", "run.csv", "--columns", "who"),
            "column 'who' holds text, but a channel is a column of numbers",
        ),
        (("generate", "series", "none.keras"), "`mdn train series --out none.keras` makes one"),
        (("generate", "series", "series.keras", "--out", "x.gif"), "--out ends in .svg, .png, .npz or .csv"),
        (("generate", "series", "series.keras", "--out", "x.csv", "--count", 2), "a .csv holds one recording"),
        (
            ("generate", "series", "series.keras", "--out", "x.npz", "--count", 50, "--steps", 100_001),
            "--count and --steps ask for 10,000,100 numbers, but 10,000,000 are the most that are made",
        ),
        (("forecast", "series.keras", "other.csv"), "other.csv has no column 'b'"),
        (("forecast", "series.keras", "slow.csv"), "steps of 1 s, but the model learnt steps of 0.5 s"),
        (("forecast", "series.keras", "run.csv", "--quantiles", "2"), "--quantiles must lie between 0 and 1"),
        (("surprise", "series.keras", "run.csv", "--out", "x.npz"), "--out ends in .csv, .svg or .png"),
    ],
)
def test_a_bad_command_ends_with_one_sentence(folder, monkeypatch, given, said):
    monkeypatch.chdir(folder)
    (folder / "other.csv").write_text("a,c\n1,2\n3,4\n")
    (folder / "slow.csv").write_text("when,a,b\n2026-01-01T00:00:01,1,2\n2026-01-01T00:00:02,3,4\n")
    ran = run(*given)
    assert ran.exit_code == 2 and said in " ".join(ran.output.split()), ran.output


# ---- files ---------------------------------------------------------------------------------------------------------------


def test_tables_are_read_as_pandas_reads_them(tmp_path):
    table = pd.DataFrame({"t": np.arange(9) / 4, "x": RNG.normal(size=9), "n": [3, 5, 9, 5, 3, 7, 3, 5, 11]})
    table.loc[4, "x"] = np.nan
    table.to_csv(tmp_path / "a.csv", index=False)
    table.to_csv(tmp_path / "a.tsv", index=False, sep="\t")
    table.assign(t=pd.to_datetime(table["t"], unit="s")).to_parquet(tmp_path / "a.parquet")
    for name, unit in (("a.csv", "t"), ("a.tsv", "t"), ("a.parquet", "s")):
        found = series.read(tmp_path / name)
        np.testing.assert_allclose(found[0], table[["x", "n"]])
        assert (found.channels, found.step, found.unit, found.has_gaps) == (("x", "n"), 0.25, unit, True)
        np.testing.assert_array_equal(found.cells, [0.0, 2.0])
    found = series.read(tmp_path / "a.csv", ["n", "x"], every=2)
    expected = table.groupby(np.arange(9) // 2)[["n", "x"]].mean()[:4]
    np.testing.assert_allclose(found[0], expected)
    assert (found.step, found.cells.tolist()) == (0.5, [1.0, 0.0])
    spread = found.spread(0)[0] - found[0]
    assert 0.0 < np.abs(spread[:, 0]).max() <= 0.5 and np.all(spread[~np.isnan(found[0][:, 1]), 1] == 0.0)
    assert series.read(tmp_path / "a.csv", ["t"]).channels == ("t",), "asked for by name, the time is a channel"


def test_arrays_and_sound_are_read_as_numpy_and_scipy_wrote_them(tmp_path):
    rows, sound = RNG.normal(size=(20, 2)), RNG.integers(-900, 900, (50, 2)).astype("int16") * 4
    np.save(tmp_path / "one.npy", rows[:, 0])
    np.savez(tmp_path / "two.npz", rows, rows[:7])
    np.savez(tmp_path / "three.npz", np.stack([rows] * 3))
    wavfile.write(tmp_path / "w.wav", 8000, sound)
    np.testing.assert_array_equal(series.read(tmp_path / "one.npy")[0], rows[:, :1])
    found = series.read([tmp_path / "two.npz", tmp_path / "three.npz"])
    assert [len(one) for one in found] == [20, 7, 20, 20, 20] and found.channels == ("x1", "x2")
    np.testing.assert_array_equal(found[1], rows[:7])
    found = series.read(tmp_path / "w.wav")
    np.testing.assert_array_equal(found[0], sound / 32768)
    assert (found.step, found.unit, found.cells.tolist()) == (1 / 8000, "s", [4 / 32768, 4 / 32768])
    found = series.read(tmp_path / "w.wav", raw=True)
    np.testing.assert_array_equal(found[0], sound)
    assert found.cells.tolist() == [4.0, 4.0]


# ---- time ----------------------------------------------------------------------------------------------------------------

COUNT = 120
X, Y, MS = RNG.normal(size=COUNT), RNG.normal(size=COUNT), 10.0 * np.arange(COUNT)
RISING = np.cumsum(0.5 + np.abs(X))
DAYS = pd.date_range("2026-01-01", periods=COUNT).strftime("%Y-%m-%d").to_numpy()


def _with(values, row, value):
    values = values.copy()
    values[row] = value
    return values


@pytest.mark.parametrize(
    ("columns", "channels", "lengths", "time", "note"),
    [
        ({"time": _with(MS, 50, MS[49])}, "x y", [COUNT], (10, "time"), "'time' .* though it repeats in 1 row"),
        ({"time": _with(MS, 50, np.nan)}, "x y", [COUNT], (10, "time"), "'time' .* though it is empty in 1 row"),
        ({"time": np.where(MS % 100, np.nan, MS)}, "x y", [COUNT], (10, "time"), "though it is empty in 108 rows"),
        ({"time": np.tile(MS[:60], 2)}, "x y", [60, 60], (10, "time"), "goes back in 1 row, where another recording"),
        ({"": np.arange(COUNT), "time": MS}, "x y", [COUNT], (10, "time"), "'0' left out, since the time is in 'time'"),
        ({"Unnamed: 0": np.arange(COUNT), "t": MS}, "x y", [COUNT], (10, "t"), "'Unnamed: 0' left out, since the time"),
        ({"": np.arange(COUNT)}, "x y", [COUNT], (1, "0"), "'0' rises from row to row"),
        ({"label": ["walk"] * COUNT, "time_ms": MS}, "x y", [COUNT], (0.01, "s"), "'time_ms' rises"),
        ({"subject": [1] * COUNT, "frame": np.arange(COUNT)}, "x y", [COUNT], (1, "frame"), "'frame' rises"),
        ({"x": X, "y": Y, "Time (s)": MS}, "x y", [COUNT], (10, "s"), "'Time (s)' rises"),
        ({"timestamp": 1.7e12 + MS}, "x y", [COUNT], (10, "timestamp"), "'timestamp' rises"),
        ({"elapsedTime[min]": MS}, "x y", [COUNT], (600, "s"), "rises"),
        ({"seconds": np.arange(COUNT) // 10}, "x y", [COUNT], (0.1, "s"), "'seconds' .* though it repeats in 108 rows"),
        ({"ms": np.arange(COUNT) * 2 // 3}, "x y", [COUNT], (2e-3 / 3, "s"), "'ms' .* though it repeats in 40 rows"),
        ({"day": np.repeat(DAYS[:5], 24)}, "x y", [COUNT], (3600, "s"), "'day' .* though it repeats in 115 rows"),
        ({"n": np.arange(COUNT)}, "x y", [COUNT], (1, "n"), "'n' rises from row to row"),
        ({"height": np.cumsum(np.abs(X))}, "height x y", [COUNT], (1, "row"), "'height' rises, but in uneven steps"),
        ({"T": np.repeat(np.round(X[:60]), 2)}, "T x y", [COUNT], (1, "row"), "'T' goes back in many rows"),
        ({"hour": np.arange(COUNT) % 24}, "hour x y", [COUNT], (1, "row"), ""),
        ({"reaction time": np.abs(X)}, "reaction time,x,y", [COUNT], (1, "row"), ""),
        ({"seen": DAYS[::-1], "date": DAYS}, "x y", [COUNT], (86400, "s"), "'seen' left out, since it holds dates"),
        ({"time": MS, "T": RISING}, "T x y", [COUNT], (10, "time"), "'time' rises"),
        ({"time": MS, "h": RISING}, "h x y", [COUNT], (10, "time"), "'time' rises"),
        ({"t": MS, "s": RISING}, "s x y", [COUNT], (10, "t"), "'t' rises"),
        ({"n": np.arange(COUNT), "t": MS, "s": RISING}, "s x y", [COUNT], (1, "n"), "'t' left out, since the time"),
        ({"": np.arange(COUNT), "t": MS, "s": RISING}, "s x y", [COUNT], (10, "t"), "'0' left out, since the time"),
        ({"frame": np.arange(COUNT), "T": RISING}, "T x y", [COUNT], (1, "frame"), "'frame' rises"),
        ({"angle": 3 * np.arange(COUNT), "time": MS}, "angle x y", [COUNT], (10, "time"), "'time' rises"),
        ({"date": DAYS, "index": RISING}, "index x y", [COUNT], (86400, "s"), "'date' rises"),
        ({"date": DAYS, "index": np.arange(COUNT)}, "x y", [COUNT], (86400, "s"), "'index' left out, since the time"),
        ({"time": MS, "ms": 1e9 + np.round(MS / 3)}, "x y", [COUNT], (10, "time"), "'ms' left out, since the time"),
        ({"time": MS, "sample": np.round(RISING)}, "sample x y", [COUNT], (10, "time"), "'time' rises"),
        ({"age": np.arange(COUNT) / 4, "hour": RISING}, "hour x y", [COUNT], (0.25, "age"), "'age' rises"),
        ({"T": -RISING, "power": X}, "T power x y", [COUNT], (1, "row"), "'T' goes back in many rows"),
        ({"power": X, "t": -RISING}, "power t x y", [COUNT], (1, "row"), ""),
    ],
)
def test_a_column_of_time_is_known_by_its_name_and_what_is_odd_in_it_is_said(
    tmp_path, columns, channels, lengths, time, note
):
    path = tmp_path / "a.csv"
    pd.DataFrame({"x": X, "y": Y, **columns})[[*(c for c in columns if c not in "xy" or not c), "x", "y"]].to_csv(
        path, index=False
    )
    found = series.read(path)
    assert found.channels == tuple(channels.split("," if "," in channels else " "))
    assert [len(one) for one in found] == lengths and found.unit == time[1]
    np.testing.assert_allclose(found.step, time[0])
    np.testing.assert_allclose(np.concatenate(found)[:, -2:], np.stack([X, Y], axis=-1))
    notes = " ".join(found.notes)
    assert re.search(note.replace("(", r"\(").replace(")", r"\)"), notes), notes
    assert all(one.count(str(path)) <= 1 for one in found.notes), notes
    assert series.read(path, ["y"]).step == found.step, "also if channels are named"


@pytest.mark.parametrize(("name", "time"), [("time", MS[::-1]), ("when", DAYS[::-1])])
def test_rows_that_begin_with_the_newest_are_refused(tmp_path, name, time):
    for columns in ({name: time}, {"": np.arange(COUNT), name: time}):
        pd.DataFrame({**columns, "x": X, "y": Y}).to_csv(tmp_path / "a.csv", index=False)
        for asked in (None, ["x"]):
            with pytest.raises(
                ValueError, match=rf"a\.csv .* '{name}' falls from row to row, the newest row first: sort"
            ):
                series.read(tmp_path / "a.csv", asked)


def test_a_table_of_a_time_and_one_rising_channel_is_read(tmp_path):
    for header, values in (("time,T", RISING), ("time,h", RISING), ("t,s", RISING), ("t,power", -RISING)):
        lines = [f"{at},{value}" for at, value in zip(MS, values, strict=True)]
        (tmp_path / "a.csv").write_text("\n".join([header, *lines]))
        assert series.read(tmp_path / "a.csv").channels == (header.split(",")[1],)
    lines = [f"{value},{at}" for at, value in zip(X, 90.0 - MS, strict=True)]
    (tmp_path / "b.csv").write_text("\n".join(["power,t", *lines]))
    assert series.read(tmp_path / "b.csv").channels == ("power", "t"), "a temperature falls"
    lines = [f"{90.0 - at},{value}" for at, value in zip(MS, X, strict=True)]
    (tmp_path / "b.csv").write_text("\n".join(["t,power", *lines]))
    assert series.read(tmp_path / "b.csv").channels == ("t", "power"), "also in the first column"


def test_a_first_column_of_times_in_arrays_is_no_channel(tmp_path):
    rows = np.stack([MS, X, Y], axis=-1)
    np.save(tmp_path / "a.npy", rows)
    np.savez(tmp_path / "b.npz", rows, rows[:60])
    np.savez(tmp_path / "c.npz", data=rows, channels=np.array(["time (ms)", "x", "y"]))
    for name, lengths, unit in (("a.npy", [120], "x1"), ("b.npz", [120, 60], "x1"), ("c.npz", [120], "s")):
        found = series.read(tmp_path / name)
        assert [one.shape for one in found] == [(length, 2) for length in lengths] and found.unit == unit
        np.testing.assert_array_equal(found[0], rows[:, 1:])
        assert "is taken for the time and left out" in found.notes[0]
    assert series.read(tmp_path / "a.npy", ["x1", "x2"]).channels == ("x1", "x2"), "asked for, the time is a channel"


def test_arrays_of_one_axis_are_the_columns_of_one_recording(tmp_path):
    np.savez(tmp_path / "a.npz", t=MS, x=X, y=Y)
    found = series.read(tmp_path / "a.npz")
    assert found.channels == ("x", "y") and (found.step, found.unit) == (10.0, "t")
    np.testing.assert_array_equal(found[0], np.stack([X, Y], axis=-1))
    assert "its arrays are the columns of one recording" in found.notes[0]
    np.savez(tmp_path / "c.npz", X, Y)
    np.savez(tmp_path / "d.npz", X, Y[:100])
    np.savez(tmp_path / "e.npz", walk=X, run=Y[:100])
    for name, length in (("c.npz", 120), ("d.npz", 100), ("e.npz", 100)):
        found = series.read(tmp_path / name)
        assert found.channels == ("x1",) and not found.notes, "without names, or of two lengths: recordings"
        np.testing.assert_array_equal(np.concatenate(found)[:, 0], np.concatenate([X, Y[:length]]))
    np.savez(tmp_path / "b.npz", data=X, fs=100)
    found = series.read(tmp_path / "b.npz")
    assert (found.channels, found.step, found.unit) == (("x1",), 0.01, "s")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"ms": MS}, None),
        ({"seconds": MS / 1000}, None),
        ({"seconds": MS}, "steps of 10 s"),
        ({"Time (min)": MS}, "steps of 600 s"),
    ],
)
def test_known_units_of_time_are_compared_though_their_names_differ(tmp_path, columns, said):
    pd.DataFrame({"ms": MS, "x": X}).to_csv(tmp_path / "a.csv", index=False)
    pd.DataFrame({**columns, "x": X}).to_csv(tmp_path / "b.csv", index=False)
    model = series.Series(["x"], [0.0], 10.0, "ms", units=(2,))  # as earlier versions wrote it
    if said is None:
        assert len(series.read([tmp_path / "a.csv", tmp_path / "b.csv"])) == 2 and len(model.read(tmp_path / "b.csv"))
        return
    with pytest.raises(ValueError, match=rf"b\.csv has {said}, but .*a\.csv has steps of 0\.01 s"):
        series.read([tmp_path / "a.csv", tmp_path / "b.csv"])
    with pytest.raises(ValueError, match=rf"the recording has {said}, but the model learnt steps of 10 ms"):
        model.read(tmp_path / "b.csv")


def test_a_forecast_begins_behind_the_last_row_though_that_holds_no_value(model):
    begun = autoregressions(120, 5)
    found = series.forecast(model, np.concatenate([begun, np.full((2, 2), np.nan)]), 3)
    np.testing.assert_array_equal(found, series.forecast(model, begun, 5)[2:])


# ---- scales ----------------------------------------------------------------------------------------------------------------


def test_the_same_sound_is_the_same_recording_in_every_kind_of_wav(tmp_path):
    sound = RNG.integers(-128, 128, 400)
    kinds = {
        "u1": (sound + 128).astype("u1"),
        "i2": (sound * 2**8).astype("i2"),
        "i4": (sound * 2**24).astype("i4"),
        "f4": (sound / 128).astype("f4"),
    }
    for name, samples in kinds.items():
        wavfile.write(tmp_path / f"{name}.wav", 8000, samples)
    found = series.read([tmp_path / f"{name}.wav" for name in kinds])
    for one in found:
        np.testing.assert_array_equal(one[:, 0], sound / 128)
    assert found.cells.tolist() == [1 / 128]
    trained = series.Series(["x1"], [0.0], 1 / 8000, "s", value_units=found.value_units, units=(2,))
    np.testing.assert_array_equal(trained.read(tmp_path / "u1.wav")[0][:, 0], sound / 128)
    old = {name: value for name, value in trained.get_config().items() if name != "value_units"}
    np.testing.assert_array_equal(series.Series.from_config(old).read(tmp_path / "i2.wav")[0][:, 0], sound * 2**8)
    np.testing.assert_array_equal(
        series.Series.from_config(trained.get_config()).read(tmp_path / "i2.wav")[0], found[1]
    )


def test_a_sound_that_is_cut_short_is_said(tmp_path):
    wavfile.write(tmp_path / "a.wav", 8000, np.arange(400, dtype="i2"))
    content = (tmp_path / "a.wav").read_bytes()
    (tmp_path / "cut.wav").write_bytes(content[:444])
    (tmp_path / "streamed.wav").write_bytes(content[:4] + b"\xff" * 4 + content[8:40] + b"\xff" * 4 + content[44:])
    found = series.read(tmp_path / "cut.wav")
    assert len(found[0]) == 200 and found.notes == (
        f"{tmp_path}/cut.wav: the file is cut short: it has 444 of 844 bytes.",
    )
    for name in ("a.wav", "streamed.wav"):
        assert not series.read(tmp_path / name).notes


def _edf(path, unit="mV", times=1.0, **settings):
    edfio = pytest.importorskip("edfio")
    signal = edfio.EdfSignal(times * np.sin(np.arange(1000.0)), 100, label="ECG", physical_dimension=unit)
    edfio.Edf([signal], **settings).write(path)


def test_units_of_edf_are_compared_with_other_files_and_with_the_model(tmp_path):
    _edf(tmp_path / "a.edf")
    _edf(tmp_path / "b.edf", "uV", 1000.0)
    found = series.read([tmp_path / "a.edf", tmp_path / "a.edf"])
    assert found.value_units == ("mV",)
    with pytest.raises(ValueError, match=r"b\.edf has ECG in uV, but .*a\.edf in mV: convert one of them"):
        series.read([tmp_path / "a.edf", tmp_path / "b.edf"])
    trained = network(found, units=(2,))
    assert len(trained.read(tmp_path / "a.edf")[0]) == 1000
    with pytest.raises(ValueError, match="has ECG in uV, but the model learnt it in mV: convert the recording"):
        trained.read(tmp_path / "b.edf")


@pytest.mark.filterwarnings("error")
def test_gaps_of_edf_divide_it_and_a_cut_file_is_said(tmp_path):
    path = tmp_path / "a.edf"
    _edf(path, annotations=[])
    content = path.read_bytes()
    whole = series.read(path)
    assert [len(one) for one in whole] == [1000] and not whole.notes
    later = content.replace(b"EDF+C", b"EDF+D")
    for second in range(9, 4, -1):  # the sixth record and those after it begin two seconds later
        old, new = f"+{second}".encode() + b"\x14\x14", f"+{second + 2}".encode() + b"\x14\x14"
        assert later.count(old) == 1
        later = later.replace(old + b"\0" * (len(new) - len(old)), new)
    path.write_bytes(later)
    found = series.read(path)
    assert [len(one) for one in found] == [500, 500] and "its time has 1 gap, after which" in found.notes[0]
    np.testing.assert_array_equal(np.concatenate(found), whole[0])
    path.write_bytes(content[: len(content) // 2])
    found = series.read(path)
    assert len(found[0]) < 600 and "data records, but file contains" in " ".join(found.notes)
    assert all(note.startswith(str(path)) for note in found.notes)


def test_edf_is_read_in_its_units(tmp_path):
    edfio = pytest.importorskip("edfio")
    volts = RNG.uniform(-1.0, 1.0, (2, 200))
    signals = [
        edfio.EdfSignal(one, 100, label=name, physical_dimension="mV", physical_range=(-2.0, 2.0))
        for one, name in zip(volts, ("EEG Fz", "EEG Cz"), strict=True)
    ]
    edfio.Edf(signals).write(tmp_path / "e.edf")
    found = series.read(tmp_path / "e.edf")
    assert (found.channels, found.step, found.unit) == (("EEG Fz", "EEG Cz"), 0.01, "s")
    np.testing.assert_allclose(found.cells, 4.0 / 65535)
    assert np.max(np.abs(found[0] - volts.T)) <= 0.5 * found.cells[0] * (1.0 + 1e-6), "rounded to the nearest cell"


def test_recordings_are_cut_in_time_or_dealt_whole_and_gaps_divide_them():
    few = series.Recordings([np.arange(100.0)[:, None], np.arange(50.0)[:, None]], ["a"])
    parts = series.split(few)
    assert [[len(one) for one in part] for part in parts.values()] == [[70, 35], [10, 5], [20, 10]]
    np.testing.assert_array_equal(np.concatenate([part[0] for part in parts.values()]), few[0])
    many = few.of([np.full((3, 1), i) for i in range(20)])
    dealt = series.split(many, 1)
    assert [len(part) for part in dealt.values()] == [16, 2, 2]
    assert sorted(one[0, 0] for part in dealt.values() for one in part) == list(range(20))
    rows = np.array([[np.nan, np.nan], [1, np.nan], [2, 3], [np.nan, np.nan], [np.nan, 4]])
    assert data.pieces(rows) == [slice(1, 3), slice(4, 5)]


def _named(name, content):
    def into(folder):
        path = folder / name
        if isinstance(content, str | bytes):
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        elif isinstance(content, dict):
            np.savez(path, **content)
        else:
            np.save(path, content)
        return path

    return into


_SOUND = b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x07\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\0\0\0"


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (_named("x.csv", ""), "is empty"),
        (_named("x.csv", "a,b\n1,2\n"), "must have 2 steps at least, but a recording in it has 1"),
        (_named("x.csv", "a,b\n1,2\n2,3\n"), "must have 50 steps at least, .* but one has 2"),
        (_named("x.csv", "a,b\n3,2\n1,inf\n2,3\n"), "row 2 of 'b' is inf, but a value must be smaller"),
        (_named("x.csv", "a,b\nu,v\nw,x\n"), "no column of numbers"),
        (_named("x.csv", "a\n5\n5\n5\n"), "no channel that changes, of a, so"),
        (_named("x.npy", np.zeros((3, 9))), "3 rows and 9 columns, but time must run down the rows: transpose it"),
        (_named("x.npy", np.zeros((1, 60))), "1 row and 60 columns, but time must run down the rows: transpose it"),
        (_named("x.npy", np.array([np.zeros(60), np.zeros(70)], object)), r"holds object: write .*np\.savez"),
        (_named("x.npy", np.zeros(60, [("t", "f8"), ("x", "f8")])), r"holds .*'x'.*: write .*np\.savez"),
        (
            _named("x.npz", {"fs": np.array(0), "x": np.arange(60)}),
            "says that inf s pass from row to row: mend its samp",
        ),
        (_named("x.npz", {"t": np.zeros(60), "x": np.zeros(70)}), r"several lengths \(t 60, x 70\).* np\.savez"),
        (_named("x.npz", {"t": np.zeros(60), "x": np.zeros((60, 3))}), r"1 and 3 columns, .* np\.savez"),
        (_named("x.npy", np.zeros((2, 3, 4, 5))), r"must have shape \(T,\) or \(T, D\), but has \(2, 3, 4, 5\)"),
        (_named("x.npy", np.array(["a", "b"])), "must hold numbers, but holds <U1"),
        (_named("x.npy", np.full(60, np.nan)), "without any value"),
        (_named("x.npy", b"no array"), "cannot be read as a recording"),
        (_named("x.npz", b"no archive"), "no file of arrays that can be trusted"),
        (_named("x.wav", _SOUND), "cannot be read as a recording .*MULAW"),
        (_named("x.wav", b"RIFF"), "cannot be read as a recording"),
        (_named("x.edf", b"no edf"), "cannot be read as a recording|pip install"),
    ],
)
def test_a_bad_file_is_refused_with_one_sentence_that_names_it(tmp_path, file, said):
    path = file(tmp_path)
    with pytest.raises((ValueError, ImportError), match=said) as raised:
        series.split(series.read(path))
    message = str(raised.value)
    assert "\n" not in message and (path.name in message or re.search("50 steps|pip", message))


def test_files_that_do_not_fit_each_other_are_named(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n0,3\n")
    (tmp_path / "b.csv").write_text("a,c\n1,2\n0,3\n")
    with pytest.raises(ValueError, match=r"b\.csv has the channels a, c, but .*a\.csv has a, b"):
        series.read([tmp_path / "a.csv", tmp_path / "b.csv"])
    for rate in (8000, 16000):
        wavfile.write(tmp_path / f"{rate}.wav", rate, np.arange(9, dtype="int16"))
    with pytest.raises(
        ValueError, match=r"16000\.wav has steps of 6\.25e-05 s, but .*8000\.wav has steps of 0\.000125 s"
    ):
        series.read([tmp_path / "8000.wav", tmp_path / "16000.wav"])
    with pytest.raises(ValueError, match="name files of your own"):
        series.read()
    with pytest.raises(ValueError, match="no model of series comes with mdn"):
        series.load()
