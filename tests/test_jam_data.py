"""The performances that jam reads: those of IMPSY, empty ones, and what no player recorded; more in test_jam.py."""

import dataclasses
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mdn_cli
from jamming import performance
from mdn.applications.jam import chapter as jam_chapter
from mdn.applications.jam import data
from mdn.data import limits

pytestmark = pytest.mark.jax


def test_performances_of_impsy_are_known_by_their_name_and_come_as_x_y_dt(tmp_path):
    """Fault 14a of issue 18: dt, x and y were read as x, y and dt without a word."""
    touches = [data.clipped(performance(seed, rows)) for seed, rows in ((0, 40), (1, 9), (2, 40))]
    theirs = [one[:, [2, 0, 1]].astype("float32") for one in touches]
    arrays = np.empty(3, object)
    arrays[:] = theirs
    np.savez(tmp_path / "training-dataset-3d.npz", perfs=arrays)
    np.savez(tmp_path / "one-block.npz", perfs=np.array([theirs[0], theirs[2]]))  # all of one length
    np.savez(tmp_path / "block-of-objects.npz", perfs=np.array([theirs[0], theirs[2]]).astype(object))
    for name, expected in (
        ("training-dataset-3d.npz", touches),
        ("one-block.npz", touches[::2]),
        ("block-of-objects.npz", touches[::2]),
    ):
        found = data.read_performances(tmp_path / name)
        assert found.left_out == 0
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("dimension", [2, 4, 9])
def test_performances_of_impsy_with_another_number_of_values_say_so(dimension, tmp_path):
    """Fault 14a of issue 18: they "cannot be trusted", or "must have shape (T, 3)"."""
    arrays = np.empty(2, object)
    arrays[:] = [np.zeros((0, dimension), "float32"), np.ones((7, dimension), "float32")]
    with open(tmp_path / "perfs.npy", "wb") as file:  # as Python 2 and NumPy's protocol of old wrote the empty one
        np.lib.format.write_array_header_1_0(file, {"descr": "|O", "fortran_order": False, "shape": (2,)})
        pickle.dump(arrays, file, protocol=2)
    with zipfile.ZipFile(tmp_path / "impsy.npz", "w") as archive:
        archive.write(tmp_path / "perfs.npy", "perfs.npy")
    values = "1 value and a dt" if dimension == 2 else f"{dimension - 1} values and a dt"
    with pytest.raises(ValueError, match=rf"impsy\.npz' is a file of IMPSY's for {values}, but"):
        data.read_performances(tmp_path / "impsy.npz")


def test_empty_performances_are_left_out_and_keep_the_places_of_the_others(tmp_path):
    """Fault 14a of issue 18."""
    arrays = np.empty(4, object)
    arrays[:] = [np.zeros((0, 3)), performance(0), np.zeros(0), performance(1)]
    np.savez(tmp_path / "p.npz", arrays)
    found = data.read_performances(tmp_path / "p.npz")
    assert (
        len(found) == 2 and found.left_out == 2 and [one is None for one in found.placed] == [True, False, True, False]
    )
    np.testing.assert_allclose(found[1], data.clipped(performance(1)))
    arrays[:] = [np.zeros((0, 3))] * 4
    np.savez(tmp_path / "none.npz", arrays)
    with pytest.raises(ValueError, match=r"none\.npz' holds no performance that is not empty"):
        data.read_performances(tmp_path / "none.npz")


def test_a_table_of_performances_is_held_to_what_is_there(tmp_path, monkeypatch):
    """Faults 3 and 14 of issue 18: a text without an end, times that no clock shows, numbers that are none."""
    for text, message in (
        ("time,x,y\n0,0.1,0.2\ninf,0.3,0.2\n", "touch 1 holds a number that is not finite"),
        ("0001-01-01T00:00:00,interface,0.1,0.2\n", "line 1 is of the year 1, which no clock shows"),
        ('time,x,y\n"' + "0" * 200_000 + '",0,0\n', "field larger than field limit"),
    ):
        (tmp_path / "a.log").write_text(text)
        with pytest.raises(ValueError, match=rf"a\.log.*{message}"):
            data.read_performances(tmp_path / "a.log")
    monkeypatch.setattr(limits, "TEXT", 20)
    with pytest.raises(ValueError, match=r"a\.log' is larger than .* MiB, the most that is read at once"):
        data.read_performances(tmp_path / "a.log")


def test_mdn_train_jam_says_how_many_performances_are_empty(tmp_path, monkeypatch):
    """Fault 14a of issue 18: they are left out, and a split keeps to the places of the file."""
    seen = []

    def train(parts, **_):
        seen.append([[len(one) for one in parts[name]] for name in ("train", "valid")])

    stands_for = {
        "train": train,
        "save": lambda model, path: Path(path).write_bytes(b""),
        "figures": lambda *_: {"test NLL": 0.0},
    }
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(jam_chapter, "CHAPTER", dataclasses.replace(jam_chapter.CHAPTER, **stands_for))
    arrays = np.empty(12, object)
    arrays[:] = [np.zeros((0, 3)) if i == 2 else performance(i, 20 + i)[:, [2, 0, 1]] for i in range(12)]
    np.savez("p.npz", perfs=arrays)
    Path("split.json").write_text('{"train": [5, 3, 2], "valid": [0], "test": [1]}')
    for options in ([], ["--split", "split.json"]):
        result = CliRunner().invoke(mdn_cli.app, ["train", "jam", "p.npz", "--out", "a.keras", *options])
        assert result.exit_code == 0, result.output
        assert "p.npz: 1 of 12 performances is empty and left out." in result.output
    assert sum(map(len, seen[0])) == 10 and seen[1] == [[25, 23], [20]]


def _table(header, rows, separator=","):
    return "\n".join([header, *(separator.join(map(str, row)) for row in rows)]) + "\n"


def test_pixels_milliseconds_and_running_times_are_refused_and_not_clipped(tmp_path):
    """Pixels became the corner [1, 1], and milliseconds pauses of five seconds, without a word."""
    touches = performance(0, 40)
    times = np.cumsum(touches[:, 2])
    pixels = touches * [800, 600, 1]
    lines = [f"2026-01-31T12:00:{at:09.6f},interface,{x},{y}" for at, (x, y, _) in zip(times, pixels, strict=True)]
    (tmp_path / "pixels.log").write_text("\n".join(lines))
    (tmp_path / "pixels.csv").write_text(_table("time,x,y", np.column_stack([times, pixels[:, :2]])))
    (tmp_path / "ms.csv").write_text(_table("time,x,y", np.column_stack([times * 1e5, touches[:, :2]])))
    named = {
        "pixels": pixels,
        "ms": touches * [1, 1, 1e3],
        "running": np.column_stack([touches[:, :2], 1.8e9 + times]),
        "rising": np.column_stack([touches[:, :2], times / 10]),
    }
    for name, each in named.items():
        np.savez(tmp_path / f"{name}.npz", each)
    for name, message in (
        ("pixels.log", "x and y lie in .* divide them by the size of the screen"),
        ("pixels.csv", "x and y lie in .* divide them by the size of the screen"),
        ("pixels.npz", "x and y lie in .* divide them by the size of the screen"),
        ("ms.csv", "Are these milliseconds"),
        ("ms.npz", "Are these milliseconds"),
        ("running.npz", "its dt rise throughout"),
        ("rising.npz", "its dt rise throughout"),
    ):
        with pytest.raises(ValueError, match=rf"{name}.*{message}"):
            data.read_performances(tmp_path / name)


def test_headers_of_tables_are_read_in_any_case_and_with_semicolons(tmp_path):
    touches = performance(1, 20)
    rows = np.column_stack([np.cumsum(touches[:, 2]), touches[:, :2]])
    for header, factor, separator in (
        ("Time,X,Y", 1, ","), (" timestamp , x, y", 1, ","), ("time;x;y", 1, ";"), ("time_ms,x,y", 1000, ","),
    ):  # fmt: skip
        (tmp_path / "a.csv").write_text(_table(header, rows * [factor, 1, 1], separator))
        (found,) = data.read_performances(tmp_path / "a.csv")
        np.testing.assert_allclose(found[1:], data.clipped(touches)[1:], atol=1e-9)
    for header in ("timestamp,xpos,ypos", "x,y", "0.1,0.2,0.3"):
        (tmp_path / "a.csv").write_text(_table(header, rows))
        with pytest.raises(ValueError, match="needs a header with the columns time, x and y"):
            data.read_performances(tmp_path / "a.csv")
    (tmp_path / "a.csv").write_text("2026-01-31T12:00:00,interface,0.1,0.2\n2026-01-31T12:00:01,interface,0.1,0.2\n")
    assert len(data.read_performances(tmp_path / "a.csv")[0]) == 2
