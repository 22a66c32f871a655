"""Instrument: readers, events, the density of the protocol, playable values, the live voice, pictures and commands."""

import dataclasses
import json
import re

import keras
import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp
from scipy.stats import norm
from typer.testing import CliRunner

import mdn
import mdn_cli
from mdn import exporting
from mdn.applications.instrument import Instrument, Voice, data, load, write_lanes
from mdn.applications.instrument import chapter as instrument_chapter
from mdn.applications.instrument.evaluate import likeness, likeness_of_going_on, likeness_of_halves, nll
from mdn.applications.instrument.events import FINEST, as_events, as_moved, as_performance, grid
from mdn.applications.instrument.live.mapping import Entry
from mdn.applications.instrument.midi import read_midi, write_midi
from mdn.applications.instrument.model import save
from mdn.applications.instrument.train import train
from mdn.sequences.sampler import Noise, Sampler

pytestmark = pytest.mark.jax


def performance(seed=0, rows=30, size=3, steps=128):
    """Values that jump or stay, on a grid."""
    rng = np.random.default_rng(seed)
    values = rng.integers(0, steps + 1, size)
    found = []
    for _ in range(rows):
        values = np.where(rng.random(size) < 0.5, rng.integers(0, steps + 1, size), values)
        found.append([rng.uniform(0.001, 0.3), *(values / steps)])
    return np.array(found)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    played = [performance(i) for i in range(4)]
    found = Instrument(grid(played), units=(8,), components=3)
    return found.adapt(found.events(played, 0))


# ---- events ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 6])
def test_events_lead_back_to_the_performance_spread_or_not(size):
    one = performance(1, 40, size, 127)
    assert grid([one]) == [127] * size
    for rng in (None, np.random.default_rng(0)):
        events = as_events(one, [127] * size, rng)
        np.testing.assert_allclose(as_performance(events, [127] * size), one, atol=1e-6)
        moved = np.diff(one[:, 1:], axis=0, prepend=-1.0) != 0.0
        np.testing.assert_array_equal(as_moved(events, size), moved)
        np.testing.assert_array_equal(np.isnan(events[:, -1 - size : -1]), ~moved)
    off = (
        as_events(one, [127] * size, np.random.default_rng(0))[:, -1 - size : -1]
        - as_events(one, [127] * size)[:, -1 - size : -1]
    )
    assert np.nanmax(np.abs(off)) <= 0.5 / 127 + 1e-6 and np.nanstd(off) == pytest.approx(
        1 / 127 / np.sqrt(12), rel=0.15
    )


def test_each_value_has_the_steps_that_its_recordings_show():
    rng = np.random.default_rng(0)
    columns = [
        np.round(rng.random(50), 2),
        rng.integers(0, 128, 50) / 127,
        rng.integers(0, 128, 50) / 128,
        rng.random(50),
    ]
    assert grid([np.stack([np.ones(50), *columns], axis=1).astype("float32")]) == [100, 127, 128, FINEST]


# ---- the density -------------------------------------------------------------------------------------------------------


def test_the_density_of_an_event_is_that_of_what_moved_how_far_and_when(model):
    """The protocol, computed from the network's numbers by SciPy alone: a value that did not move has P(it stays) x 128."""
    one = performance(9, 6)
    (events,) = model.events([one], seed=3)
    before = np.concatenate([np.full((1, events.shape[1]), np.nan, "float32"), events[:-1]])
    params = np.asarray(model(before[None]))[0].astype("float64")
    pattern, means, scales, weights, time = np.split(params, np.cumsum([8, 9, 9, 3]), axis=1)
    expected, stayed = [], 0.0
    moves = np.diff(one[:, 1:], axis=0, prepend=0.0) + np.random.default_rng(3).uniform(-0.5, 0.5, (6, 3)) / 128
    for t in range(6):
        moved = [t == 0 or one[t, 1 + j] != one[t - 1, 1 + j] for j in range(3)]
        terms = log_softmax(weights[t])
        for j in range(3):
            if moved[j]:
                terms = terms + norm.logpdf(moves[t, j], means[t].reshape(3, 3)[:, j], scales[t].reshape(3, 3)[:, j])
        clock = log_softmax(time[t, 6:]) + norm.logpdf(np.log(one[t, 0]), time[t, :3], time[t, 3:6])
        which = log_softmax(pattern[t])[moved[0] + 2 * moved[1] + 4 * moved[2]]
        expected.append(which + logsumexp(terms) + logsumexp(clock))
        stayed += (3 - sum(moved)) * np.log(128.0)
    np.testing.assert_allclose(model.log_prob([events])[0], expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(nll(model, [one], seed=3), -(sum(expected[1:]) + stayed) / 5, rtol=1e-4)


def test_the_network_reads_whole_steps_whatever_noise_spread_them(model):
    plain, spread = (model.events([performance(5)], seed)[0] for seed in (None, 1))
    params = [np.asarray(model(each[None])) for each in (plain, spread)]
    np.testing.assert_allclose(params[0], params[1], rtol=1e-4, atol=1e-5)


# ---- playing -----------------------------------------------------------------------------------------------------------


def test_drawn_events_are_held_to_the_grid_and_fold_back_at_the_edges(model):
    rng = np.random.default_rng(0)
    place = rng.integers(0, 129, (5000, 3)) / 128
    drawn = np.concatenate(
        [rng.integers(0, 8, (5000, 1)), rng.normal(0, 0.4, (5000, 3)), rng.normal(-3, 9, (5000, 1))], 1
    )
    found = np.asarray(model.playable(drawn.astype("float32"), place.astype("float32")), "float64")
    moved, there = as_moved(found, 3), place + found[:, 1:4]
    assert there.min() > -1e-6 and there.max() < 1 + 1e-6
    np.testing.assert_allclose(there * 128, np.round(there * 128), atol=1e-4)
    assert np.all(found[:, 1:4][~moved] == 0.0) and np.all(np.abs(found[:, 1:4][moved]) > 0.99 / 128)
    np.testing.assert_allclose([found[:, 4].min(), found[:, 4].max()], np.log([0.0004, 60.0]), rtol=1e-6)
    inside = moved & (np.abs(place + drawn[:, 1:4] - 0.5) < 0.5) & (np.abs(drawn[:, 1:4]) > 1 / 128)
    assert np.abs(found[:, 1:4] - drawn[:, 1:4])[inside].max() <= 0.5 / 128 + 1e-6


def test_a_voice_plays_what_the_model_would_and_leaves_unmoved_values_exactly_where_they_were(model):
    """Alone it draws what `play` draws; after a player it goes on from the player's values, to the bit where they stay."""
    voice = Voice(model, seed=4)
    alone = [voice.answer() for _ in range(12)]
    (same,) = model.play(12, seed=4)
    np.testing.assert_allclose([[dt, *values] for dt, values in alone], same, rtol=1e-4, atol=1e-6)
    voice.reset()
    heard = np.array([0.1234567, 0.7654321, 0.5])
    voice.hear(0.1, heard)
    stayed = 0
    for _ in range(20):
        dt, values = voice.answer()
        assert 0.0004 * 0.999 <= dt <= 60.001 and values.min() >= 0.0 and values.max() <= 1.0
        changed = values != heard
        np.testing.assert_allclose(values[changed] * 128, np.round(values[changed] * 128), atol=1e-6)
        stayed, heard = stayed + int(np.sum(~changed)), values
    assert stayed > 0
    with pytest.raises(
        ValueError, match=r"an event must be a finite time and 3 finite values, but 0\.1 and \[0\.5, nan\]"
    ):
        voice.hear(0.1, [0.5, np.nan])


def test_a_voice_remembers_what_it_answered_before_a_player_goes_on(model):
    """The state after hear, answer, hear is that of the three events in a row."""
    voice = Voice(model, seed=0)
    voice.hear(0.1, [0.5, 0.25, 0.75])
    dt, values = voice.answer()
    voice.hear(0.2, [0.5, 0.5, 0.5])
    played = np.array([[0.1, 0.5, 0.25, 0.75], [dt, *values], [0.2, 0.5, 0.5, 0.5]])
    stream = model.stream(constrain=model.playable, seed=0)
    stream.feed(np.nan_to_num(model.events([played])[0]))
    np.testing.assert_allclose(voice._stream.state[:, 5:], stream.state[:, 5:], atol=1e-5)


def test_what_a_voice_foresees_happens_only_if_it_takes_it(model):
    """In a polyphony the model answered, and then read its own answers as if the player had played them."""
    voice = Voice(model, seed=0)
    heard = [[0.1, 0.5, 0.25, 0.75], [0.2, 0.5, 0.5, 0.5], [0.3, 0.75, 0.5, 0.25]]
    for dt, *values in heard:
        voice.hear(dt, values)
        first, again = voice.foresee(), voice.foresee()
        assert first[0] == again[0] and np.array_equal(first[1], again[1])
        first[1][:] = 9.0  # what the caller does with them changes nothing
    stream = model.stream(constrain=model.playable, seed=0)
    stream.feed(np.nan_to_num(model.events([np.array(heard)])[0]))
    np.testing.assert_allclose(voice._stream.state[:, 5:], stream.state[:, 5:], atol=1e-5)
    foreseen = voice.foresee()
    voice.take()
    dt, values = foreseen
    stream.feed(np.nan_to_num(model.events([np.array([*heard, [dt, *values]])])[0])[-1:])
    voice.foresee()  # it reads what it took
    np.testing.assert_allclose(voice._stream.state[:, 5:], stream.state[:, 5:], atol=1e-5)


def test_after_a_prime_the_network_reads_it_again_before_every_25_events(model):
    """So that it keeps to the manner of the prime; what it reads after it are its own last five events."""
    primes = [performance(1, 40), performance(2, 60)]
    made = model.play(30, 2, primes, seed=3, variance_temperature=0.5)
    first, second = np.random.SeedSequence(3).generate_state(2).tolist()
    begun = model.play(25, 2, primes, recall=False, seed=first, variance_temperature=0.5)
    read = [np.concatenate([one, own[-5:]]) for one, own in zip(primes, begun, strict=True)]
    onward = model.play(5, 2, read, recall=False, seed=second, variance_temperature=0.5)
    for one, own, more in zip(made, begun, onward, strict=True):
        np.testing.assert_array_equal(one, np.concatenate([own, more]))
    for count, primes in ((3, [performance(1)]), (1, performance(1)[:0])):
        with pytest.raises(
            ValueError, match=rf"`prime` must be .* a list of `count`={count} of them, but performances of"
        ):
            model.play(5, count, primes)
    with pytest.raises(ValueError, match="`steps` must be at least 1, but 0 came"):
        model.play(0, 1, performance(1))


# ---- one step in a file ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "suffix"), [(3, ".onnx"), (3, ".tflite"), (5, ".onnx")])
def test_an_exported_step_plays_to_the_step_what_a_voice_plays(size, suffix, tmp_path):
    """dt and values in and out, with a player between; what events are is inside. Five values have bits, three a pattern."""
    keras.utils.set_random_seed(1)
    played = [performance(i, size=size) for i in range(4)]
    model = Instrument(grid(played), units=(8,), components=3)
    model.adapt(model.events(played, 0))
    said = mdn.export(model, tmp_path / f"step{suffix}")
    beside = json.loads((tmp_path / f"step{suffix}.json").read_text())
    assert beside["columns"][1]["steps"] == 128 and beside["columns"][1]["midi"] == ["control_change", 1, 20]
    step, voice = exporting.player(tmp_path / f"step{suffix}"), Voice(model, seed=4)
    sampler = Sampler(model.spec)
    uniforms, normals = sampler.parted(Noise(4, 1, sampler).steps(24))
    heard = {1: [0.1, *[0.7654321] * size], 9: [0.25, 0.5, *[0.25] * (size - 1)], 17: [70.0, 0.0, *[1.2] * (size - 1)]}
    last, state = np.full(1 + size, np.nan), np.full([1, *said["inputs"][1]["shape"][1:]], np.nan)
    for t in range(24):
        if t in heard:
            last = np.array(heard[t])
            voice.hear(last[0], last[1:])
        found = step(
            event=last[None], state=state, uniforms=uniforms[t], normals=normals[t],
            component_temperature=1.0, variance_temperature=1.0,
        )  # fmt: skip
        state = found["next_state"]
        if t and t + 1 not in heard:  # else the player comes first, and the answer is never played
            dt, values = voice.answer()
            np.testing.assert_allclose(found["next_event"][0], [dt, *np.clip(values, 0, 1)], rtol=1e-4, atol=1e-6)
            last = np.array([dt, *values])


def test_a_step_that_would_answer_otherwise_is_not_written(model, tmp_path, monkeypatch):
    (tmp_path / "step.onnx").write_bytes(b"old")
    monkeypatch.setattr("mdn.exporting.comparison._HELD", -1.0)
    with pytest.raises(ValueError, match=r"the file would not answer as the model does .* so it is not written"):
        mdn.export(model, tmp_path / "step.onnx")
    assert (tmp_path / "step.onnx").read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ValueError, match="`constrain` must be left out here"):
        mdn.export(model, tmp_path / "step.onnx", constrain=model.playable)


CONFIG = """
[model]
dimension = 4
[midi]
in_device = ["pad"]
out_device = ["synth"]
input."pad" = [["note_on", 1], ["control_change", 1, 7], ["control_change", 1, 8, 10, 20]]
output."synth" = [["note_on", 2, 90], ["note_velocity", 2], ["pitch_bend", 3]]
"""
TWO_VALUES = CONFIG.replace("4", "3").replace(', ["pitch_bend", 3]', "").replace('["note_on", 1], ', "")


def test_the_command_writes_the_step_and_the_mapping_beside_it(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(model, "m.keras")
    (tmp_path / "play.toml").write_text(CONFIG)
    (tmp_path / "other.toml").write_text(TWO_VALUES)

    def command(*arguments):
        return CliRunner().invoke(mdn_cli.app, ["export", "m.keras", *arguments], env={"COLUMNS": "200"})

    (tmp_path / "cat.toml").write_text(CONFIG.split("[midi]")[0])
    ran = command("--out", "pi.onnx", "--config", "play.toml")
    assert ran.exit_code == 0 and "event, state, uniforms" in ran.output, ran.output
    written = json.loads((tmp_path / "pi.onnx.json").read_text())
    assert written["midi"]["input"] == {
        "pad": [["note_on", 1], ["control_change", 1, 7], ["control_change", 1, 8, 10, 20]]
    }
    assert written["midi"]["output"] == {"synth": [["note_on", 2, 90], ["note_velocity", 2], ["pitch_bend", 3]]}
    for arguments, message in (
        (("--out", "pi.txt"), "--out ends in .onnx or .tflite"),
        (("--out", "b.onnx", "--config", "other.toml"), "maps 2 values, but the model plays 3"),
        (("--out", "b.onnx", "--config", "cat.toml"), "has no section [midi]"),
        (("--out", "b.onnx", "--quantiles", ".1,.9"), "`quantiles` has a meaning for an MDNRegressor only"),
    ):
        ran = command(*arguments)
        assert ran.exit_code == 2 and message in ran.output, ran.output
    assert not (tmp_path / "b.onnx").exists()


# ---- files -------------------------------------------------------------------------------------------------------------

LOG = """2026-01-31T12:00:00.5,interface,0.2,0.3
2026-01-31T12:00:00.6,rnn,0.9,0.9
2026-01-31T12:00:00.75,interface,0.4,0.3

2026-01-31T12:10:00,interface,0.5,0.5
2026-01-31T12:10:02,interface,0.5,0.6
"""


def test_logs_tables_and_arrays_are_read_alike(tmp_path):
    """A silence of ten minutes begins a new performance; what the machine played is left out."""
    (tmp_path / "a.log").write_text(LOG)
    first, second = data.read_performances(tmp_path / "a.log")
    np.testing.assert_allclose(first, [[0.0004, 0.2, 0.3], [0.25, 0.4, 0.3]], atol=1e-6)
    np.testing.assert_allclose(second, [[60.0, 0.5, 0.5], [2.0, 0.5, 0.6]], atol=1e-6)
    (tmp_path / "a.csv").write_text("x,Time,y\n0.2,0.5,0.3\n0.4,0.75,0.3\n0.5,600.5,0.5\n0.5,602.5,0.6\n")
    for one, other in zip(data.read_performances(tmp_path / "a.csv"), (first, second), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    (tmp_path / "b.csv").write_text("dt,a,b\n0,0.2,0.3\n0.25,0.4,0.3\n")
    np.testing.assert_allclose(data.read_performances(tmp_path / "b.csv")[0], first, atol=1e-6)
    arrays = np.empty(3, object)
    arrays[:] = [first.astype("float32"), np.zeros((0, 3)), second]
    np.savez(tmp_path / "a.npz", perfs=arrays)
    found = data.read(tmp_path / "a.npz")
    assert [one is None for one in found.placed] == [False, True, False] and "1 of 3" in found.skipped[0]
    np.testing.assert_allclose(found[0], first, atol=1e-6)


def test_midi_notes_and_controllers_become_values_and_a_performance_becomes_controllers(tmp_path):
    mido = pytest.importorskip("mido")
    track = mido.MidiTrack(
        [
            mido.Message("control_change", channel=2, control=7, value=127, time=0),
            mido.Message("note_on", channel=0, note=60, velocity=9, time=0),
            mido.Message("note_off", channel=0, note=60, time=480),
            mido.Message("note_on", channel=0, note=64, velocity=9, time=480),
            mido.Message("control_change", channel=2, control=123, value=0, time=0),
        ]
    )
    mido.MidiFile(ticks_per_beat=480, tracks=[track]).save(tmp_path / "a.mid")  # a beat is half a second
    np.testing.assert_allclose(read_midi(tmp_path / "a.mid"), [[0.0, 60 / 127, 1.0], [1.0, 64 / 127, 1.0]])
    one = performance(3, 20, 2, 127)
    write_midi(tmp_path / "b.mid", one)
    rows = read_midi(tmp_path / "b.mid")
    at = np.searchsorted(rows[:, 0], np.cumsum(one[:, 0]) + 2e-3) - 1
    np.testing.assert_allclose(rows[at, 1:], one[:, 1:], atol=1e-6)
    write_midi(tmp_path / "c.mid", one, [Entry("note_on", 2), Entry("note_velocity", 2)])  # as a synthesizer sounds it
    notes = [each for each in mido.MidiFile(tmp_path / "c.mid") if not each.is_meta]
    starts = [each for each in notes if each.type == "note_on"]
    np.testing.assert_allclose(
        [[each.note, each.velocity] for each in starts], np.maximum(127 * one[:, 1:], [0, 1]), atol=1e-6
    )
    ends = [each for each in notes if each.type == "note_off"]
    assert (
        len(starts) == len(ends) == 20
        and notes[-1].type == "note_off"
        and notes[-1].time == pytest.approx(0.5, abs=2e-3)
    )


def midi_file(path, channel, controller, division=480, kind=1):
    mido = pytest.importorskip("mido")
    rng = np.random.default_rng(controller)
    track = mido.MidiTrack(
        mido.Message("control_change", channel=channel, control=controller, value=int(value), time=int(time))
        for value, time in zip(rng.integers(0, 128, 60), rng.integers(20, 200, 60), strict=True)
    )
    mido.MidiFile(type=kind, ticks_per_beat=division, tracks=[track]).save(path)


def test_midi_files_of_other_channels_or_controllers_are_left_out_by_name(tmp_path):
    """They were matched by order alone: controller 7 of one file became controller 1 of the other."""
    for name, channel, controller in (("a.mid", 0, 7), ("b.mid", 3, 1), ("c.mid", 0, 7), ("d.mid", 0, 7)):
        midi_file(tmp_path / name, channel, controller)
    midi_file(tmp_path / "c.mid", 0, 7, division=96)  # else it would be a.mid again
    found = data.read(tmp_path)
    assert len(found) == 2 and len(found.skipped) == 2
    said = "b.mid plays controller 1 of channel 4, not controller 7 of channel 1, and is left out."
    assert said in found.skipped[0] and "d.mid: 1 of 1 performance is in a file before it" in found.skipped[1]


def test_midi_files_without_a_beat_and_of_songs_of_their_own_say_so(tmp_path):
    midi_file(tmp_path / "a.mid", 0, 7)
    content = (tmp_path / "a.mid").read_bytes()
    for changed, message in (
        (content[:12] + b"\xe7\x28" + content[14:], "counts time in frames of film"),
        (content[:12] + b"\x00\x00" + content[14:], "its division is 0"),
        (content[:9] + b"\x02" + content[10:], "holds songs of their own"),
        (content[:60], "cannot be read as performances: it is cut off"),
    ):
        (tmp_path / "a.mid").write_bytes(changed)
        with pytest.raises(ValueError, match=rf"a\.mid' {message}|a\.mid' .*{message}"):
            data.read_performances(tmp_path / "a.mid")


def test_a_folder_of_impsy_with_logs_and_the_data_set_of_them_holds_each_performance_once(tmp_path):
    """Both were read, so that the model was judged by performances that it had learnt from."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "datasets").mkdir()
    arrays = np.empty(12, object)
    for i in range(12):
        one = performance(i, 40, 2)
        clock = 1.8e9 + 1000 * i + np.cumsum(one[:, 0])
        stamps = [str(np.datetime64(round(at * 1e6), "us")) for at in clock]
        lines = [f"{at},interface,{x:.6f},{y:.6f}" for at, (_, x, y) in zip(stamps, one, strict=True)]
        (tmp_path / "logs" / f"{i}.log").write_text("\n".join(lines))
        arrays[i] = one[1:].astype("float32")  # IMPSY leaves the first event out, whose dt nobody knows
    (alone,) = data.read_performances(tmp_path / "logs" / "3.log")
    arrays[4] = np.concatenate([arrays[4], arrays[4] * [1, 1, 0]]).astype("float32")
    np.savez(tmp_path / "datasets" / "training-dataset-3d.npz", perfs=arrays)
    found = data.read(tmp_path)
    assert len(found) == 12 and len(found.skipped) == 12
    assert "0.log: 1 of 1 performance is in a file before it, and left out" in found.skipped[0]
    assert len(data.read(tmp_path / "logs")) == 12 and len(data.read(tmp_path / "datasets")) == 12
    np.testing.assert_allclose(alone[1:], arrays[3], atol=1e-5)


def test_a_dt_that_never_changes_is_no_clock(tmp_path):
    np.savez(tmp_path / "a.npz", np.column_stack([[0.0, *np.ones(29)], performance(0, 30)[:, 1:]]))
    assert len(data.read_performances(tmp_path / "a.npz")) == 1


BAD = {
    "an unknown name": ("a.log", "2026-01-31T12:00:00,guitar,0.1\n", "line 1 names the source 'guitar'"),
    "a cut line": ("a.log", "2026-01-31T12:00:00,interface,0.1\n2026-01-31T12:0", "line 2 is no timestamp"),
    "a change of N": (
        "a.log",
        LOG + "2026-01-31T13:00:00,interface,0.1\n",
        "line 7 has 1 value, but 2 are expected, as in all lines",
    ),
    "nobody played": ("a.log", "2026-01-31T12:00:00,rnn,0.1,0.2\n", "holds no event of a player"),
    "empty": ("a.log", "\n", "is empty"),
    "no text": ("a.log", b"\xff\xfe\x00", "is no text"),
    "no clock": ("a.csv", "x,y\n0,1\n", "needs a header with a column time or dt"),
    "no numbers": ("a.csv", "time,x\n0,1\nnow,1\n", "line 3 is not 2 numbers"),
    "another range": (
        "a.csv",
        "time,x\n0,0.5\n1,64\n",
        r"event 1 is \[1.0, 64.0\], but values lie in \[0, 1\]: divide",
    ),
    "only a header": ("a.csv", "time,x\n", "has no event below its header"),
    "too many values": ("a.csv", f"time{',x' * 17}\n0{',0' * 17}\n", "1 to 16, but"),
    "no arrays": ("a.npz", "PK", "no file of arrays"),
    "no MIDI": ("a.mid", "MThd", "cannot be read as performances"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_recording_is_refused_in_one_sentence_that_names_it(case, tmp_path):
    name, text, message = BAD[case]
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=f"{re.escape(name)}.*{message}"):
        data.read_performances(tmp_path / name)


CLOCKS = {
    "dt that goes back": ("a.csv", "dt,x\n0,0.5\n-1,0.6\n", r"the dt of event 1 is -1, but dt"),
    "time in milliseconds": (
        "a.csv",
        "Time,x\n" + "".join(f"{i * 20_000},0.5\n" for i in range(20)),
        "Are these milliseconds",
    ),
    "dt in milliseconds": (
        "a.csv",
        "dt,x\n" + "".join(f"{20 + i % 3},0.5\n" for i in range(20)),
        "Are these milliseconds",
    ),
    "dt that is a time": ("a.csv", "dt,x\n" + "".join(f"{i / 9},0.5\n" for i in range(20)), "its dt rise throughout"),
    "reversed time": ("a.csv", "time,x\n" + "".join(f"{9 - i / 9},0.5\n" for i in range(20)), "sort them by time"),
    "a clock and no value": ("a.csv", "time,dt\n0,1\n", "and one for each value"),
    "no number": ("a.csv", "time,x\n0,0.5\n1,nan\n", "event 1 holds a number that is not finite"),
}


@pytest.mark.parametrize("case", CLOCKS)
def test_times_that_no_player_has_are_refused(case, tmp_path):
    """Milliseconds became steps of 20 s, a negative dt 0.0004, and a reversed table one performance an event."""
    name, text, message = CLOCKS[case]
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=f"{re.escape(name)}.*{message}"):
        data.read_performances(tmp_path / name)


def test_arrays_whose_first_column_is_no_dt_are_refused(tmp_path):
    one = performance(0, 30)
    clock = np.cumsum(one[:, 0])
    for times, message in (
        (clock, "its dt rise throughout"),
        (1.8e9 + clock, "its dt rise throughout"),
        (1e3 * one[:, 0], "Are these milliseconds"),
        (-one[:, 0], "the dt of event 0 is"),
    ):
        np.savez(tmp_path / "a.npz", np.column_stack([times, one[:, 1:]]))
        with pytest.raises(ValueError, match=rf"a\.npz'.*{message}"):
            data.read_performances(tmp_path / "a.npz")


def test_a_clock_that_was_set_back_begins_a_performance_and_is_said(tmp_path):
    """One dt below 0 refused all performances of a file."""
    ones = np.stack([performance(i, 60) for i in range(4)])
    ones[2, 20, 0] = -3600.0
    np.savez(tmp_path / "a.npz", ones)
    np.savetxt(tmp_path / "b.csv", np.concatenate(ones), delimiter=",", header="dt,x,y,z", comments="")
    for name, lengths in (("a.npz", [60, 60, 20, 40, 60]), ("b.csv", [140, 100])):
        found = data.read(tmp_path / name)
        assert [len(one) for one in found] == lengths
        assert f"{name}: dt goes back at 1 event, where another performance begins." in found.skipped[0]
    ones[2, 20:23, 0] = -3600.0
    np.savez(tmp_path / "a.npz", ones)
    with pytest.raises(ValueError, match=r"a\.npz': performance 2: the dt of event 20 is -3600"):
        data.read(tmp_path / "a.npz")


def test_a_time_that_goes_back_in_more_than_half_of_the_rows_is_said_so(tmp_path):
    (tmp_path / "a.csv").write_text("time,x\n" + "".join(f"{9 - i / 9},0.5\n" for i in range(20)))
    with pytest.raises(ValueError, match="in more than half of its rows time goes back: sort them by time"):
        data.read_performances(tmp_path / "a.csv")


def test_a_loop_that_two_files_share_is_no_performance_that_came_before(tmp_path):
    """Each round of the loop counted, so that a longer one in a file hid what was new in it."""
    loop, other = np.tile(np.round(performance(0, 4), 2), (30, 1)), performance(1, 60)
    np.savez(tmp_path / "a.npz", loop)
    np.savez(tmp_path / "b.npz", np.concatenate([loop, other]))
    np.savez(tmp_path / "c.npz", loop[:60])
    np.savez(tmp_path / "d.npz", other)
    found = data.read([tmp_path / f"{name}.npz" for name in "abcd"])
    assert [len(one) for one in found] == [120, 180, 60] and "d.npz: 1 of 1" in found.skipped[0]


def test_columns_of_time_are_never_values_and_are_read_in_their_unit(tmp_path):
    one = performance(0, 30, 1)
    times = np.cumsum(one[:, 0])
    stamps = [np.datetime64(int(1.8e15 + 1e6 * at), "us") for at in times]
    for header, columns in (
        ("x,Time_ms", (one[:, 1], 1e3 * times)),
        ("timestamp,x", (1.8e9 + times, one[:, 1])),
        ("timestamp,x", (stamps, one[:, 1])),
        ("time,dt,x", (times, one[:, 0], one[:, 1])),
        ("dt_ms,x", (1e3 * one[:, 0], one[:, 1])),
    ):
        rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
        (tmp_path / "a.csv").write_text("\n".join([header, *rows]))
        (found,) = data.read_performances(tmp_path / "a.csv")
        np.testing.assert_allclose(found[1:], one[1:], atol=1e-5)


def test_the_data_set_of_impsy_is_read_as_before(data_folder):
    found = data.read_performances(data_folder / "impsy" / "training-dataset-4d.npz")
    assert (len(found), sum(len(one) for one in found if one is not None)) == (40, 103_250)


def test_a_folder_gives_the_dimension_that_most_events_have_and_names_what_it_leaves_out(tmp_path):
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "a.log").write_text(LOG)
    (tmp_path / "b.csv").write_text("dt,a\n0,0.2\n0.25,0.4\n")
    (tmp_path / "notes.txt").write_text("no recording")
    found = data.read([tmp_path, tmp_path / "b.csv"])
    assert [one.shape for one in found] == [(2, 3), (2, 3)]
    assert len(found.skipped) == 1 and "b.csv is of dimension 2, not 3, and left out" in found.skipped[0]
    assert [one.shape for one in data.read(tmp_path, dimension=2)] == [(2, 2)]
    with pytest.raises(ValueError, match=r"`dimension` is 5, but the recordings have 2, 3"):
        data.read(tmp_path, dimension=5)
    with pytest.raises(ValueError, match="at least 10 performances, or pieces of 20 events"):
        data.split(found)
    parts = data.split(data.Performances([performance(0, 400)]))
    assert (
        sum(len(piece) for part in parts.values() for piece in part) == 400
        and len(parts["valid"]) == len(parts["test"]) == 2
    )


# ---- figures, commands ---------------------------------------------------------------------------------------------------


def test_likeness_is_of_patterns_times_and_moves(model):
    real = performance(0, 200)
    still = np.concatenate([real[:, :1] * 10, np.repeat(real[:1, 1:], 200, axis=0)], axis=1)
    assert set(likeness(model, [real], [real]).values()) == {0.0}
    found = likeness(model, [real], [still])
    moved = np.diff(real[:, 1:], axis=0) != 0.0
    assert found["pattern gap"] == pytest.approx(1 - np.mean(~moved.any(axis=1)))
    assert found["KS distance of dt"] > 0.8 and "KS distance of moves" not in found


def test_real_performances_are_measured_against_each_other_beside_the_model(model):
    """Halves of one manner are near, of two manners far; what goes on in the same manner is nearer than the model."""
    jumping = [performance(i, 100) for i in range(4)]
    still = [np.concatenate([one[:, :1] * 100, np.repeat(one[:1, 1:], 100, axis=0)], axis=1) for one in jumping]
    same, mixed = likeness_of_halves(model, jumping), likeness_of_halves(model, [*jumping[:2], *still[:1]])
    assert same["pattern gap"] < 0.1 and same["KS distance of dt"] < 0.1
    assert mixed["pattern gap"] > 0.3 and mixed["KS distance of dt"] > 0.3
    twice = [np.concatenate([one, one]) for one in still]
    found = likeness_of_going_on(model, twice)
    assert found["pattern gap, after a prime, real"] == found["KS distance of dt, after a prime, real"] == 0.0
    assert found["pattern gap, after a prime"] > 0.3
    assert likeness_of_going_on(model, [performance(0, 30)]) == {}


def test_a_model_of_another_size_is_not_gone_on_from(model, tmp_path):
    with pytest.raises(ValueError, match="plays 3 values, but these recordings have 2: train a new one"):
        train([performance(size=2)], [performance(size=2)], start=model)
    with pytest.raises(
        ValueError, match=r"`steps` must be 1 to 16 whole numbers of at least 1, one a value, but \[127, 0\]"
    ):
        Instrument([127, 0])
    save(model, tmp_path / "m.keras")
    assert load(tmp_path / "m.keras").steps == [128, 128, 128]


def test_commands_learn_from_logs_go_on_and_generate(tmp_path, monkeypatch):
    mido = pytest.importorskip("mido")
    monkeypatch.chdir(tmp_path)
    for i in range(3):
        clock = 1.8e9 + np.cumsum(performance(i, 160, 2)[:, 0])
        lines = [
            f"{np.datetime64(int(at * 1e6), 'us')},interface,{x:.4f},{y:.4f}"
            for at, (_, x, y) in zip(clock, performance(i, 160, 2), strict=True)
        ]
        (tmp_path / f"{i}.log").write_text("\n".join(lines))

    def command(*arguments):
        ran = CliRunner().invoke(mdn_cli.app, arguments, env={"COLUMNS": "120", "NO_COLOR": "1"})
        assert ran.exit_code == 0, ran.output
        return ran.stdout

    said = command("train", "instrument", ".", "--epochs", "1", "--out", "a.keras")
    assert "3 performances of 2 values, 480 events" in said and "test NLL, order 2" in said
    stands_for = {"figures": lambda *_: {"test NLL": 0.0}}  # the second training need not be measured
    monkeypatch.setattr(instrument_chapter, "CHAPTER", dataclasses.replace(instrument_chapter.CHAPTER, **stands_for))
    command("train", "instrument", "0.log", "1.log", "--from", "a.keras", "--epochs", "1", "--out", "b.keras")
    written = json.loads((tmp_path / "b.json").read_text())
    page = (tmp_path / "a.html").read_text()
    assert (
        page.count("<img") == 1 and "test NLL, order 2" in page and "real ones" in page and "KS distance of dt" in page
    )
    assert "test NLL" in (tmp_path / "b.html").read_text() and "warnings" not in written
    assert written["from"] == "a.keras" and written["data"] == ["0.log", "1.log"]
    command("generate", "instrument", "--model", "b.keras", "--count", "2", "--events", "30", "--out", "c.npz")
    made = data.read("c.npz")
    (tmp_path / "play.toml").write_text(TWO_VALUES)
    sounds = ("generate", "instrument", "--model", "b.keras", "--events", "30", "--config", "play.toml", "--out")
    command(*sounds, "d.mid")
    assert [each.type for each in mido.MidiFile("d.mid").tracks[0]].count("note_on") == 30
    assert CliRunner().invoke(mdn_cli.app, [*sounds, "d.svg"]).exit_code == 2
    assert [one.shape for one in made] == [(30, 3)] * 2
    write_lanes(tmp_path / "lanes.svg", list(made), ["a < b", ""])
    assert (tmp_path / "lanes.svg").read_text().count("<svg") == 1
