"""RoboJam: readers, events, answers, pictures, MIDI files and the shipped weights; for playing live see test_live.py."""

import dataclasses
import json
import os
import pickle
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import mdn
import mdn_cli
from jamming import performance
from mdn.applications.jam import Jam, data, midi, write_sheet
from mdn.applications.jam import chapter as jam_chapter
from mdn.applications.jam import train as jam_train
from mdn.applications.jam.model import inside, network
from mdn.data import read_object_arrays
from mdn.sequences.plan import batching
from mdn.sequences.ragged import Batches, Windows

pytestmark = pytest.mark.jax


@pytest.fixture(scope="module")
def jam():
    keras.utils.set_random_seed(0)
    return Jam(network(units=(8,), components=3).adapt([data.events(performance(i)) for i in range(6)]))


def test_touches_and_events_are_each_others_inverse():
    touches = data.clipped(performance())
    np.testing.assert_allclose(data.touches(data.events(touches)), touches, atol=1e-5)
    spread = data.events(touches, np.random.default_rng(0))
    assert 1e-5 < np.abs(spread - data.events(touches))[:, 2].max() <= 0.0201


def test_the_file_of_performances_is_read_without_running_anything(tmp_path):
    arrays = np.empty(2, object)
    arrays[:] = [performance(0).astype("float32"), performance(1, 9).astype("float32")]
    np.savez(tmp_path / "p.npz", arrays)
    found = data.read_performances(tmp_path / "p.npz")
    assert [len(one) for one in found] == [40, 9]
    np.testing.assert_allclose(found[1], data.clipped(arrays[1]))


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


def test_a_pickle_that_carries_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    header = np.lib.format.magic(1, 0)
    description = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    description += b" " * (-(len(header) + 2 + len(description) + 1) % 64) + b"\n"
    with zipfile.ZipFile("evil.npz", "w") as archive:
        content = header + len(description).to_bytes(2, "little") + description + pickle.dumps([Evil()])
        archive.writestr("arr_0.npy", content)
    with pytest.raises(ValueError, match=r"it names .*system, which is no part of an array"):
        read_object_arrays("evil.npz")
    assert not Path("evil").exists()
    Path("cut.npz").write_bytes(Path("evil.npz").read_bytes()[:50])
    with pytest.raises(ValueError, match="no file of arrays"):
        read_object_arrays("cut.npz")


def test_micro_jam_and_impsy_files_are_read(tmp_path):
    touches = performance()
    times = np.cumsum(touches[:, 2])
    rows = [f"{t},{x},{y},0" for t, (x, y, _) in zip(times, touches, strict=True)]
    (tmp_path / "one.csv").write_text("time,x,y,moving\n" + "\n".join(rows))
    (found,) = data.read_performances(tmp_path / "one.csv")
    np.testing.assert_allclose(found[1:], data.clipped(touches)[1:], atol=1e-9)
    lines = ["2026-01-31T12:00:00.5,interface,0.2,0.3", "2026-01-31T12:00:00.75,interface,0.4,0.3"]
    later = [
        "2026-01-31T12:10:00,interface,0.5,0.5",
        "2026-01-31T12:10:01,rnn,0,0",
        "2026-01-31T12:10:02,interface,0.5,0.6",
    ]
    (tmp_path / "jam.log").write_text("\n".join([*lines, *later]))
    first, second = data.read_performances(tmp_path / "jam.log")
    np.testing.assert_allclose(first, [[0.2, 0.3, 0.001], [0.4, 0.3, 0.25]], atol=1e-6)
    np.testing.assert_allclose(second[1], [0.5, 0.6, 2.0], atol=1e-6)


BAD = {
    "no numbers": ("a.csv", "time,x,y\n0,0.1,0.2\nnow,0.1,0.2\n", "line 3 has no time, x and y"),
    "backwards": ("a.csv", "time,x,y\n1,0.1,0.2\n0.5,0.1,0.2\n", "time goes back at event 2"),
    "empty": ("a.csv", "", "is empty"),
    "an unknown name": ("a.log", "2026-01-31T12:00:00,guitar,0.1,0.2\n", "line 1 names the source 'guitar'"),
    "a cut line": ("a.log", "2026-01-31T12:00:00,interface,0.1,0.2\n2026-01-31T12:0", "line 2 is no timestamp"),
    "infinite": ("a.csv", "time,x,y\n0,0.1,0.2\n1,inf,0.2\n", "holds a number that is not finite"),
    "only a header": ("a.csv", "time,x,y\n", "has no touch below its header"),
    "another instrument": (
        "a.log",
        "2026-01-31T12:00:00,interface,0.1,0.2,0.3\n",
        "line 1 has 3 values, but 2 are expected, as in all lines",
    ),
    "nobody played": ("a.log", "2026-01-31T12:00:00,rnn,0.1,0.2\n", "holds no event of a player"),
    "no text": ("a.log", b"\xff\xfe\x00", "is no text. Performances are a .npz, a .csv of MicroJam or a .log of IMPSY"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_named_with_its_line(case, tmp_path):
    name, text, message = BAD[case]
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=f"{name}.*{message}"):
        data.read_performances(tmp_path / name)
    with pytest.raises(FileNotFoundError, match=r"there is no file .*b\.csv"):
        data.read_performances(tmp_path / "b.csv")


def test_a_bad_performance_of_many_is_named(tmp_path):
    for bad, message in (
        (np.zeros((4, 2)), r"have shape \(T, 3\)"),
        (np.full((4, 3), np.nan), "touch 0 holds a number"),
    ):
        arrays = np.empty(2, object)
        arrays[:] = [performance(), bad]
        np.savez(tmp_path / "p.npz", arrays)
        with pytest.raises(ValueError, match=f"p.npz': performance 1: .*{message}"):
            data.read_performances(tmp_path / "p.npz")


def test_giant_pauses_negative_ones_and_clocks_that_were_set_back_lose_no_touch(tmp_path):
    (tmp_path / "slow.csv").write_text("time,x,y\n0,0.1,2\n\n1e9,-1,0.2\n")
    (slow,) = data.read_performances(tmp_path / "slow.csv")
    np.testing.assert_allclose(slow, [[0.1, 1.0, 0.001], [0.0, 0.2, 5.0]])
    arrays = np.empty(1, object)
    arrays[0] = np.array([[0.1, 0.2, -3.0], [0.1, 0.2, 1e30]])
    np.savez(tmp_path / "p.npz", arrays)
    np.testing.assert_allclose(data.read_performances(tmp_path / "p.npz")[0][:, 2], [0.001, 5.0])
    times = ["02:59:59.5", "02:59:59.9", "02:00:00.1", "02:00:00.3"]  # the end of summer time
    (tmp_path / "j.log").write_text("".join(f"2026-10-25T{time},interface,0.1,0.2\n" for time in times))
    found = data.read_performances(tmp_path / "j.log")
    np.testing.assert_allclose([one[:, 2] for one in found], [[0.001, 0.4], [0.001, 0.2]], atol=1e-6)


def test_performances_of_one_touch_are_read_and_answered(jam):
    one = data.clipped([[0.5, 0.5, 0.0]])
    assert len(jam.respond(one, 1.0, seed=0)) >= 1
    assert np.isfinite(jam_train.nll(jam, [one, data.clipped(performance())]))
    with pytest.raises(ValueError, match="at least two performances of 20 touches are needed, but there are 0"):
        jam_train.own_half_share(jam, [one])


BAD_SPLITS = ("nothing", "[1]", '{"train": [0], "valid": [1]}', '{"train": [0], "valid": [1], "test": []}',
              '{"train": [0], "valid": [1], "test": [3]}', '{"train": [0], "valid": [1], "test": "2"}')  # fmt: skip


def test_a_split_that_is_none_is_refused(tmp_path):
    for text in BAD_SPLITS:
        (tmp_path / "s.json").write_text(text)
        with pytest.raises(
            ValueError, match=r"s\.json' must be JSON with the lists train, valid and test of places from 0 to 2"
        ):
            data.read_split(tmp_path / "s.json", 3)
    (tmp_path / "s.json").write_text('{"train": [0], "valid": [1], "test": [2], "note": "mine"}')
    assert {name: rows.tolist() for name, rows in data.read_split(tmp_path / "s.json", 3).items()} == {
        "train": [0], "valid": [1], "test": [2]}  # fmt: skip


def test_answers_stay_on_the_screen_and_last_as_long_as_asked(jam, tmp_path):
    answer = jam.respond(performance(), seconds=3.0, seed=1)
    assert answer[:, :2].min() >= 0 and answer[:, :2].max() <= 1 and answer[:, 2].min() >= 0.001
    assert answer[:, 2].sum() <= 3.0 + 1e-4
    np.testing.assert_array_equal(jam.respond(performance(), seconds=3.0, seed=1), answer)
    longer = jam.respond(performance(), seconds=6.0, seed=1)
    np.testing.assert_allclose(longer[: len(answer) - 1], answer[:-1], atol=1e-6)
    assert jam.play(2.0, seed=0)[:, 2].sum() <= 2.0 + 1e-4
    jam.save(tmp_path / "j.keras")
    np.testing.assert_allclose(Jam.load(tmp_path / "j.keras").respond(performance(), 3.0, seed=1), answer, atol=1e-5)
    mdn.MDNRNN(mdn.NormalSpec(1), units=4).save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="holds no model of touches"):
        Jam.load(tmp_path / "other.keras")


def test_moves_over_an_edge_are_folded_back_and_leave_no_heap_there():
    rng = np.random.default_rng(0)
    place = rng.uniform(0, 1, (20_000, 2))
    wild = np.concatenate([rng.normal(0, 0.7, (20_000, 2)), rng.normal(0, 9, (20_000, 1))], axis=1)
    found = np.asarray(inside(wild.astype("float32"), place.astype("float32")))
    there = place + found[:, :2]
    assert there.min() >= -1e-6 and there.max() <= 1 + 1e-6
    assert np.mean((there < 0.005) | (there > 0.995)) < 0.02  # of a uniform place: 0.01
    np.testing.assert_allclose([found[:, 2].min(), found[:, 2].max()], np.log([0.001, 5.0]), rtol=1e-6)
    small = wild.astype("float32") * 1e-3
    np.testing.assert_allclose(inside(small, place.astype("float32") * 0.5 + 0.25)[:, :2], small[:, :2], atol=1e-6)


@pytest.mark.parametrize("total", [8_000, 16_000, 200_000])
def test_the_number_of_steps_does_not_hang_on_how_recordings_were_cut(total, monkeypatch):
    """Fault 14d of issue 18: 50 long performances made a handful of steps an epoch, and as many touches in short ones dozens."""
    asked = {}
    monkeypatch.setattr(mdn.MDNRNN, "fit", lambda self, pieces, **settings: asked.update(settings, pieces=pieces))
    monkeypatch.setattr(mdn.MDNRNN, "adapt", lambda self, pieces: self)
    touches = np.tile([0.5, 0.5, 0.1], (total, 1))
    steps = {}
    for count in (1, 7, 50, 100, 150, 400, 1000):
        jam_train.train(np.array_split(touches, count), [touches[:5]], units=(2,))
        sizes = {"batch_size": asked["batch_size"]}
        if asked["window"]:
            steps[count] = len(Windows(asked["pieces"], window=asked["window"], **sizes))
        else:
            steps[count] = len(Batches(asked["pieces"], buckets=asked["buckets"], **sizes))
        assert (asked["window"] is None) == (total / count <= 200)
    assert max(steps.values()) <= 1.25 * min(steps.values()) + 2, steps
    assert min(steps.values()) >= 0.8 * min(total // 1000, 40), steps


@pytest.mark.data
def test_robojam_is_learnt_from_as_ever(data_folder):
    """Fault 14d of issue 18: what the shipped figures were found with stays, whole performances, 32 a step."""
    folder = data_folder / "robojam"
    found = data.read_performances(folder / "TinyPerformanceArrays.npz")
    pieces = [
        piece
        for i in data.read_split(folder / "split.json", len(found))["train"]
        for piece in np.array_split(found[i], -(-len(found[i]) // 400))
    ]
    assert batching(list(map(len, pieces))) == (32, None)


def test_figures_are_those_of_the_protocol(jam):
    test = [data.clipped(performance(i)) for i in range(6)]
    scores = [
        one[1:] for one in jam.model.log_prob([data.events(p, rng) for rng in [np.random.default_rng(0)] for p in test])
    ]
    np.testing.assert_allclose(jam_train.nll(jam, test), -np.mean(np.concatenate(scores)), rtol=1e-6)
    _, real, made = jam_train.answers(jam, test)
    assert len(real) == len(made) == 6
    assert jam_train.distances(real, real) == {"dt": 0.0, "x": 0.0, "y": 0.0, "tap ratio": 0.0}
    assert 0.0 <= jam_train.own_half_share(jam, test) <= 1.0
    swipes = [[0.5, 0.5, 0.1], [1.0, 0.5, 0.01], [0.2, 0.001, 0.3], [0.2, 0.2, 0.2], [0.999, 0.3, 5.0]]
    assert jam_train.from_edge([np.array(swipes), np.array(swipes[:1])]) == 2 / 5


# ---- pictures, MIDI, commands --------------------------------------------------------------------------------------------


def test_a_sheet_shows_each_swipe_in_a_colour(tmp_path):
    one = performance()
    write_sheet(tmp_path / "s.svg", [one, performance(1)], ["a < b", ""])
    tree = ElementTree.parse(tmp_path / "s.svg").getroot()
    circles = [node for node in tree.iter() if node.tag.endswith("circle")]
    assert len(circles) == len(data.swipes(one)) + len(data.swipes(performance(1)))
    write_sheet(tmp_path / "s.png", [one])
    assert (tmp_path / "s.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"ends in \.svg or \.png"):
        write_sheet(tmp_path / "s.gif", [one])


def test_midi_has_a_note_for_each_swipe_and_lasts_as_long(tmp_path):
    mido = pytest.importorskip("mido")
    one = performance()
    midi.write_midi(tmp_path / "s.mid", one)
    file = mido.MidiFile(tmp_path / "s.mid")
    notes = [message for message in file.tracks[0] if message.type == "note_on"]
    assert len(notes) == len(data.swipes(one)) == sum(message.type == "note_off" for message in file.tracks[0])
    assert abs(file.length - (one[:, 2].sum() + 0.1)) < 0.05
    assert {note.note % 12 for note in notes} <= set(midi.SCALE)


def command(*arguments):
    ran = CliRunner().invoke(mdn_cli.app, arguments, env={"COLUMNS": "120", "NO_COLOR": "1"})
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def test_training_on_ones_own_log_and_making_a_sheet(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = []
    for i in range(12):
        now = 1000.0 * i
        for x, y, dt in performance(i, 30):
            now += dt
            lines.append(f"{np.datetime64(int(now * 1e6), 'us')},interface,{x:.4f},{y:.4f}")
    Path("mine.log").write_text("\n".join(lines))
    said = command("train", "jam", "mine.log", "--epochs", "1", "--out", "mine.keras")
    assert "10 performances to learn from, 1 to choose" in said and "test NLL, memoryless" in said
    assert json.loads(Path("mine.json").read_text())["data"] == ["mine.log"]
    command("generate", "jam", "--model", "mine.keras", "--count", "3", "--seconds", "1", "--call", "mine.log")
    assert Path("jam.svg").read_text().startswith("<svg")


def test_without_data_the_registrys_performances_and_their_split_are_taken(jam, tmp_path, monkeypatch):
    folder = tmp_path / "robojam"
    folder.mkdir()
    arrays = np.empty(12, object)
    arrays[:] = [performance(i, 20 + i) for i in range(12)]
    np.savez(folder / "TinyPerformanceArrays.npz", arrays)
    monkeypatch.setenv("MDN_DATA", str(tmp_path))
    seen = []

    def train(parts, **_):
        seen.append([[len(one) for one in parts[name]] for name in ("train", "valid")])
        return jam

    stands_for = {"train": train, "figures": lambda *_: {"test NLL": 0.0}}
    monkeypatch.setattr(jam_chapter, "CHAPTER", dataclasses.replace(jam_chapter.CHAPTER, **stands_for))
    command("train", "jam", "--out", str(tmp_path / "a.keras"))
    (folder / "split.json").write_text('{"train": [5, 3], "valid": [0], "test": [1]}')
    command("train", "jam", "--out", str(tmp_path / "a.keras"))
    assert [len(part) for part in seen[0]] == [10, 1]
    assert seen[1] == [[25, 23], [20]]
    assert Jam.load(tmp_path / "a.keras").model.units == jam.model.units


@pytest.mark.data
def test_the_shipped_weights_are_as_good_as_their_paper_says(data_folder):
    folder = data_folder / "robojam"
    found = data.read_performances(folder / "TinyPerformanceArrays.npz")
    test = [found[i] for i in data.read_split(folder / "split.json", len(found))["test"]]
    jam = Jam.load()
    paper = json.loads((Path(jam_train.__file__).parent / "jam.json").read_text())["figures"]
    assert (Path(jam_train.__file__).parent / "jam.keras").stat().st_size <= 3_000_000
    value = jam_train.nll(jam, test)
    assert value <= -8.9
    np.testing.assert_allclose(value, paper["test NLL"], atol=2e-3)
