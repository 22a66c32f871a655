"""`mdn play`: each wire from a musician's side, whose turn it is, hours of it, the loop and its log."""

import collections
import contextlib
import datetime
import itertools
import math
import os
import random
import re
import runpy
import struct
import sys
import threading
import tracemalloc
import types
from pathlib import Path

import numpy as np
import pytest

from mdn.applications.instrument.live import channel, config
from mdn.applications.instrument.live.mapping import Bytes, Entry, Playing, message, updates
from mdn.applications.instrument.live.play import Play
from mdn.applications.instrument.live.session import Session
from mdn.applications.live import packets, turns
from mdn.applications.live.log import Log
from wires import (
    FIRST,
    MAPPING,
    SECOND,
    WIRES,
    Ear,
    Mouth,
    OverMidi,
    OverOsc,
    OverSerial,
    OverSerialMidi,
    OverWebSocket,
    PseudoTerminal,
    Stage,
    Voice,
    hear,
    midi,
    mido,
    polled,
    websocket,
)

pytestmark = [pytest.mark.jax, pytest.mark.project]
PLAY_HOURS = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "play_hours.py"))


@pytest.fixture
def ports(monkeypatch):
    """A backend of mido with two ports, and the ports that were opened."""
    backend, made = types.ModuleType("ports_of_play"), {}
    backend.names = ["Keys 25:Keys 25 MIDI 1", "Synth A"]

    def of(kind):
        return lambda name, **settings: (
            made.setdefault((kind, name), []).append(kind(name, **settings)) or made[kind, name][-1]
        )

    backend.Input, backend.Output = of(Ear), of(Mouth)
    backend.get_devices = lambda **_: [{"name": name, "is_input": True, "is_output": True} for name in backend.names]
    monkeypatch.setitem(sys.modules, "ports_of_play", backend)
    return types.SimpleNamespace(made=made, names=backend.names, backend=mido.Backend("ports_of_play"))


@pytest.fixture
def wire(request, ports, tmp_path):
    if issubclass(request.param, PseudoTerminal) and not hasattr(os, "openpty"):
        pytest.skip("this system has no pseudo-terminals")
    stage = Stage()
    made = request.param(stage, ports, tmp_path)
    made.stage = stage
    made.channel.open()
    yield made
    made.channel.close()
    getattr(made, "end", lambda: None)()


def got(wire, expected):
    """What came out of a wire, once it is as `expected`, or at last: a pseudo-terminal delivers when the system has time."""
    for _ in range(400):
        found = wire.got()
        if expected(*found):
            break
        threading.Event().wait(0.002)
    return found


@pytest.mark.parametrize("wire", WIRES, indirect=True)
def test_a_channel_hears_what_is_played_survives_garbage_and_plays_what_it_is_sent(wire):
    each = 3 if wire.sparse else 1
    wire.play(FIRST)
    hear(wire, each)
    np.testing.assert_allclose(wire.stage.session.values, FIRST, atol=wire.exact)
    wire.garbage()
    wire.play(SECOND)
    bad = 1 if isinstance(wire, OverOsc | OverSerial) else 0  # not a number: it came to the stage, which refused it
    hear(wire, 2 * each + bad)
    np.testing.assert_allclose(wire.stage.session.values, SECOND, atol=wire.exact)
    assert len(wire.stage.came) == 2 * each + bad
    assert wire.stage.remarks.left_out >= 1 and 1 <= len(wire.stage.said) < 10
    assert all(line.startswith("left out: ") and len(line) < 400 for line in wire.stage.said), wire.stage.said
    for values in (FIRST, SECOND):
        wire.channel.send(values)
        found, sounding = got(wire, lambda found, _, to=values: np.allclose(found, to, atol=wire.exact))
        np.testing.assert_allclose(found, values, atol=wire.exact)
        assert len(sounding) <= 1  # the note before has ended
    wire.channel.silence()
    wire.channel.send(FIRST)
    wire.channel.close()
    assert not got(wire, lambda _, sounding: not sounding)[1]
    wire.channel.open()  # a channel that was closed may be opened again
    wire.channel.poll()


@pytest.mark.parametrize("wire", [one for one in WIRES if one is not OverOsc], indirect=True)
def test_a_flood_leaves_the_others_their_turn_and_loses_nothing(wire, monkeypatch):
    """A channel is heard for `AT_ONCE`, here for one message; the rest waits for the next turn.

    tests/test_live_faults.py floods the ear that OSC shares with `mdn jam`.
    """
    wire.play(FIRST)
    hear(wire, 3 if wire.sparse else 1)
    wire.stage.came.clear()
    monkeypatch.setattr(channel, "AT_ONCE", 0.0)
    for _ in range(20):
        wire.play(SECOND)
    before = 0
    for _ in range(400):
        wire.channel.poll()
        assert len(wire.stage.came) - before <= 1
        before = len(wire.stage.came)
        threading.Event().wait(0.0005)
        if before == (60 if wire.sparse else 20):
            return
    raise AssertionError(before)


@pytest.mark.parametrize("wire", [OverMidi, OverSerial, OverSerialMidi], indirect=True)
def test_a_device_that_is_pulled_out_is_opened_again_when_it_is_back(wire):
    said = wire.stage.said
    if isinstance(wire, OverMidi):
        ports = [*wire.ports.names]
        wire.ports.names.clear()
        wire.channel.open()
        wire.channel.send(FIRST)
        wire.ports.names += ports
    else:
        wire.pull_out()
        for _ in range(5):
            wire.channel.send(FIRST)
            wire.channel.poll()
        wire.channel.open()
        wire.plug_in()
    assert any("is lost: " in line for line in said) and any("is not there yet" in line for line in said), said
    wire.channel.open()
    assert any(re.search(r" is there(:| \()", line) for line in said), said
    wire.play(SECOND)
    hear(wire, 3 if wire.sparse else 1)
    np.testing.assert_allclose(wire.stage.session.values, SECOND, atol=wire.exact)
    wire.channel.send(FIRST)
    found, _ = got(wire, lambda found, _: np.allclose(found, FIRST, atol=wire.exact))
    np.testing.assert_allclose(found, FIRST, atol=wire.exact)  # controllers that did not change, too


# ---- MIDI ----------------------------------------------------------------------------------------------------------------


def test_values_and_messages_are_each_others_inverse():
    mapping = (
        Entry("note_on", 3),
        Entry("note_velocity", 3),
        Entry("pitch_bend", 16),
        Entry("control_change", 1, 7, 90, 10),
    )
    for numbers in np.random.default_rng(0).random((50, 4)):
        values = np.round(numbers * [127, 127, 16383, 80]) / [127, 127, 16383, 80]
        values[1] = max(values[1], 1 / 127)  # a velocity of 0 would end the note
        found = {}
        for one in Playing(mapping).messages(values):
            parsed = mido.Message.from_bytes(one.data)
            assert message(parsed.bytes()) == one
            found |= updates(mapping, one)
        np.testing.assert_allclose([found[i] for i in range(4)], values, atol=1e-12)


def test_a_note_ends_when_its_value_plays_the_next_unless_another_value_holds_it():
    """A fixed velocity, and two values on one channel: as a small synthesizer hears it."""
    playing, sounding = Playing((Entry("note_on", 1, velocity=40), Entry("note_on", 1))), set()
    strengths = []
    for values in ((0.5, 0.5), (0.25, 0.5), (0.25, 1.0), (0.0, 0.0)):
        for one in map(lambda made: mido.Message.from_bytes(made.data), playing.messages(values)):
            (sounding.add if one.type == "note_on" else sounding.discard)(one.note)
            strengths += [one.velocity] if one.type == "note_on" else []
        assert sounding == {math.floor(127 * value + 0.5) for value in values}
    assert strengths == [40, 127] * 4
    ends = [mido.Message.from_bytes(made.data) for made in playing.end()]
    assert [(one.type, getattr(one, "note", None)) for one in ends] == [("note_off", 0), ("control_change", None)]


def test_bytes_are_parsed_as_mido_parses_them_and_with_running_status_too():
    rng = random.Random(0)
    for _ in range(200):
        data = b"".join(
            bytes([rng.choice([0x80, 0x90, 0xB0, 0xE0]) | rng.randrange(16), rng.randrange(128), rng.randrange(128)])
            + rng.choice([b"", b"\xf8", bytes([0xF0, 1, 2, 3, 0xF7]), bytes([0xC3, 5])])
            for _ in range(5)
        )
        parser, ours = mido.Parser(), Bytes()
        parser.feed(data)
        expected = [bytes(one.bytes()) for one in parser if one.type not in ("clock", "sysex", "program_change")]
        assert [one.data for byte in data for one in ours.messages(bytes([byte]))] == expected
    running = Bytes().messages(bytes([0x90, 60, 100, 0xF8, 62, 0xFE, 100, 64, 0]))
    assert [(one.first, one.second) for one in running] == [(60, 100), (62, 100), (64, 0)]


def test_what_an_instrument_returns_is_not_believed_and_thru_plays_at_the_other_port(ports):
    stage, now = Stage(), [10.0]
    both = {"Keys": MAPPING, "Synth": MAPPING}
    settings = config.Midi(both, both, {"Keys": ("Synth",)}, feedback=0.02)
    one = midi.Midi(stage, settings, backend=ports.backend, clock=lambda: now[0])
    one.open()
    ear, synth = ports.made[Ear, "Synth A"][0], ports.made[Mouth, "Synth A"][0]
    one.send(FIRST)
    for late, heard in ((0.01, 0), (0.05, 3)):
        now[0] = 10.0 + late
        ear.say(*[sent.copy() for sent in synth.sent])
        polled(one)
        assert len(stage.came) == heard
    ear.say(mido.Message("note_on", note=61))
    now[0] = 10.01
    polled(one)
    assert stage.came[-1] == {0: 61 / 127}  # another note than was sent
    synth.sent.clear()
    ports.made[Ear, "Keys 25:Keys 25 MIDI 1"][0].say(mido.Message("note_on", note=30))
    polled(one)
    assert [sent.note for sent in synth.sent if sent.type == "note_on"] == [30]
    synth.broken = True
    one.send(SECOND)
    one.close()
    assert sum("is lost" in line for line in stage.said) == 1


def test_two_names_that_mean_one_port_are_said_and_the_port_is_heard_once(ports):
    stage = Stage()
    one = midi.Midi(stage, config.Midi({"Keys": MAPPING, "keys 25": MAPPING}, {}), backend=ports.backend)
    one.open()
    (said,) = stage.said
    assert said.startswith(
        "[midi] in_device 'keys 25' is the port 'Keys 25:Keys 25 MIDI 1' of another name; name both more"
    )
    assert [kind for kind, _ in ports.made] == [Ear]
    one.close()


# ---- whose turn it is: the time is told ------------------------------------------------------------------------------------


def thinking(session):
    while session.think() is not None:
        pass


def test_the_modes_are_those_of_impsy():
    voice, log, silences = Voice(waits=(0.25,)), [], []
    session = Session(
        voice, on_event=lambda *event: log.append(event), on_turn=lambda: silences.append(1), threshold=1.0
    )
    assert session.due(5.0) == [] and session.next == math.inf
    session.heard({0: 0.25, 2: 7.0}, 10.0)
    session.heard({1: 0.75}, 10.5)
    assert voice.heard == [] and session.next == -math.inf
    assert session.think() == 10.0 and session.think() == 10.5 and session.think() is None
    assert [event[0] for event in voice.heard] == [0.001, 0.5]
    np.testing.assert_allclose(voice.heard[-1][1:], [0.25, 0.75, 1.0])
    assert session.due(11.4) == [] and session.next == 11.5
    assert [*session.due(11.5)[0]] == [0.75, 0.25, 0.0]  # an answer begins at once
    assert session.due(11.7) == [] and len(session.due(12.25)) == 3
    session.command("timescale", 4.0)
    assert len(session.due(12.5)) == 1 and session.due(13.49) == [] and len(session.due(13.5)) == 1
    session.heard({0: 0.5}, 13.6)
    thinking(session)
    assert silences == [1] and session.due(14.5) == []
    assert voice.heard[-1][0] == pytest.approx(0.1)  # since the model's last event
    session.command("mode", "polyphony")
    session.command("timescale", 1.0)
    for now in (20.0, 20.1):
        session.heard({0: now - 20.0}, now)
    thinking(session)
    assert [len(session.due(now)) for now in (20.2, 20.25, 20.34, 20.36, 99.0)] == [0, 1, 0, 1, 0]
    session.command("mode", "battle")
    heard = len(voice.heard)
    assert session.due(100.0) == [] and len(session.due(100.25)) == 1
    session.heard({0: 0.5}, 100.3)
    assert len(voice.heard) == heard and len(session.due(100.5)) == 1
    session.command("pause", 1)
    assert session.due(101.0) == [] and session.next == math.inf
    session.command("pause", 0)
    assert len(session.due(200.0)) == 1  # it does not catch up
    session.command("mode", "useronly")
    assert session.due(300.0) == [] and session.next == math.inf
    session.command("sigmatemp", 0.5)
    session.command("pitemp", 2)
    assert (voice.variance_temperature, voice.component_temperature) == (0.5, 2.0)
    session.command("reset")
    assert voice.heard == [] and {source for _, source, *_ in log} == {"interface", "rnn"}


COMMANDS = {
    "solo": ("mode", "solo", "`mode` must be one of callresponse, polyphony"),
    "cold": ("sigmatemp", 0.0, "`sigmatemp` must be a number above 0 and at most 100, but 0.0 came"),
    "not a number": ("timescale", math.nan, "`timescale` must be a number above 0"),
    "a word": ("pitemp", "hot", "`pitemp` must be a number above 0"),
    "unknown": ("volume", 1.0, "`name` must be one of sigmatemp, pitemp"),
}


@pytest.mark.parametrize("case", COMMANDS)
def test_a_command_that_means_nothing_is_refused_in_a_sentence(case):
    name, value, sentence = COMMANDS[case]
    with pytest.raises(ValueError, match=re.escape(sentence)):
        Session(Voice()).command(name, value)


def test_commands_over_osc_are_those_of_impsy_and_ours():
    stage = Stage()
    one = OverOsc(stage, None, None)
    one.channel.open()
    word = b"/impsy/mode\0,s\0\0polyphony\0\0\0"
    reset = b"/impsy/reset\0\0\0\0,i\0\0" + struct.pack(">i", 1)
    numbers = [("/mdn/pitemp", 2.0), ("/impsy/sigmatemp", 0.5), ("/mdn/timescale", 3.0), ("/impsy/pause", 1.0)]
    for packet in (word, reset, *itertools.starmap(packets.write, numbers)):
        one._send(packet)
    for _ in range(100):
        one.channel.poll()
        threading.Event().wait(0.002)
        if stage.session.paused:
            break
    session = stage.session
    assert (session.mode, session.timescale, session.paused) == ("polyphony", 3.0, True)
    assert (session.voice.component_temperature, session.voice.variance_temperature) == (2.0, 0.5)
    assert not stage.said
    one.channel.close()
    one.end()


def test_answers_that_nobody_can_wait_for_are_counted(monkeypatch):
    monkeypatch.setattr(turns, "MOST_WAITING", 10)
    session = Session(Voice(), "polyphony")
    for _ in range(13):
        session.heard({0: 0.5}, 0.0)
        thinking(session)
    assert session.unanswered == 3 and len(session.due(1.0)) == 10
    for _ in range(14):
        session.heard({0: 0.5}, 2.0)
    assert session.skipped == 4


def test_in_a_polyphony_the_model_reads_the_player_alone_whatever_an_instrument_returns(ports):
    """Its answers go out, and so do the player's events; what the instrument returns of them is not played by anybody."""
    now, voice = [10.0], Voice(waits=(0.02,))
    both = {"Synth": MAPPING}
    settings = config.Config(
        3, mode="polyphony", input_thru=True, midi=config.Midi({"Keys": MAPPING, **both}, both, feedback=0.05)
    )
    live = Play(settings, say=pytest.fail, clock=lambda: now[0])
    live.add(midi.Midi(live, settings.midi, backend=ports.backend, clock=lambda: now[0]))
    live.join(voice)
    keys, returning = (ports.made[Ear, name][0] for name in ("Keys 25:Keys 25 MIDI 1", "Synth A"))
    synth, notes = ports.made[Mouth, "Synth A"][0], [30, 60, 90]
    for note in notes:
        keys.say(mido.Message("note_on", note=note))
        for _ in range(8):
            live._wait(0.0)
            live._tick(now[0])
            returning.say(*[sent.copy() for sent in synth.sent])
            synth.sent.clear()
            now[0] += 0.01
        now[0] += 1.0
    np.testing.assert_allclose([event[1] for event in voice.heard], np.array(notes) / 127)
    np.testing.assert_allclose([event[0] for event in voice.heard], [0.001, 1.08, 1.08])
    assert live.events == 3 and not voice.taken


def test_what_the_model_was_about_to_play_when_the_player_went_on_did_not_happen():
    voice = Voice(waits=(0.5,))
    session = Session(voice, threshold=1.0)
    session.heard({0: 0.25}, 10.0)
    assert len(session.due(11.0)) == 1 and len(session.due(11.5)) == 1
    session.heard({0: 0.75}, 11.7)
    thinking(session)
    assert len(voice.taken) == 2  # the third was due at 12.0
    assert voice.heard[-1][0] == pytest.approx(0.2)


def test_a_model_without_patience_answers_at_once():
    session = Session(Voice(waits=(0.5,)), threshold=0.0)
    session.heard({0: 0.25}, 10.0)
    assert len(session.due(10.0)) == 1 and not session.due(10.1) and len(session.due(10.5)) == 1


def test_a_range_of_one_number_is_always_sent_and_never_heard():
    socket = {"server_ip": "0.0.0.0", "server_port": 5001, "output": [["control_change", 1, 7, 5, 5]]}
    file = {"model": {"dimension": 2}, "websocket": socket | {"input": socket["output"]}}
    level = config.parse(file).websocket.input
    assert updates(level, message((0xB0, 7, 90))) == {}
    assert [one.second for one in Playing(level).messages([0.9])] == [5]


@pytest.mark.parametrize("mode", turns.MODES)
def test_hours_neither_drift_nor_grow_nor_leave_a_note(mode):
    """A share of what benchmarks/play_hours.py plays: notes and controllers come in and go out, each tick comes late."""
    voice = Voice(waits=np.random.default_rng(1).exponential(0.5, 997) + 0.001)
    voice.heard = voice.taken = collections.deque(maxlen=1)
    tracemalloc.start()
    playing = PLAY_HOURS["perform"](mode, 1500.0, voice, every=500.0)
    seen = [(got, tracemalloc.get_traced_memory()[0]) for got in playing]
    tracemalloc.stop()
    got = seen[-1][0]
    assert got["drift ms"] < 1.0 and not got["said"]
    assert got["note on"] == got["note off"] > 500 and got["sounding"] == 0
    answers = {"callresponse": 600, "polyphony": got["heard"] - 5, "battle": 1200, "useronly": 0}[mode]
    assert answers <= got["answers"] <= 3 * answers and got["heard"] > 1200
    assert seen[2][1] - seen[1][1] < 50_000


def test_a_client_that_floods_waits_and_the_model_plays_on():
    """A million messages a second are more than any loop hears: they wait in the network, and the end does not wait for them."""
    played, said = [], []
    settings = config.Config(3, mode="battle")
    live = Play(settings, say=said.append)
    over = OverWebSocket(live, None, None)
    live.add(over.channel)
    over._connected()
    live.join(Voice(waits=(0.002,)))
    live._send = lambda values: played.append(len(played))
    running = threading.Thread(target=live.run)
    running.start()
    flood = over.peer.socket
    flood.settimeout(0.05)
    frame = b"\x81\x99" + bytes(4) + b"/channel/1/noteon/100/100"  # text of 25 letters, masked with zeros
    before, sent = len(played), 0
    for _ in range(40):
        with contextlib.suppress(TimeoutError):
            sent += flood.send((frame * 5000)[sent % len(frame) :])
    live.stop()
    running.join(timeout=5)
    assert not running.is_alive()
    assert live.events > 100 and len(played) - before > 20 and not said
    over.end()


def test_where_events_queue_the_model_takes_many_in_one_turn_but_not_for_long():
    now, voice = [10.0], Voice()
    live = Play(config.Config(3, mode="polyphony"), say=pytest.fail, clock=lambda: now[0])
    live.join(voice)

    def queued(count):
        for _ in range(count):
            live.heard({0: 0.5})
        live._wait(0.0)

    queued(50)
    assert len(voice.heard) == 50 and live.latency(1.0) == 0.0
    hear = voice.hear
    voice.hear = lambda *event: (hear(*event), now.__setitem__(0, now[0] + 0.0009))  # a slow model
    queued(50)
    assert len(voice.heard) == 53  # two milliseconds are over
    live._tick(now[0] + 1.0)
    live._wait(0.0)
    assert len(voice.heard) == 56


def test_what_a_websocket_hears_at_once_goes_out_in_one_piece(monkeypatch):
    live = Play(config.Config(3, mode="useronly", input_thru=True), say=pytest.fail)
    over, writes, polls = OverWebSocket(live, None, None), [], []
    live.add(over.channel)
    over._connected()
    live.join(Voice())
    write, poll = websocket._Client.write, over.channel.poll
    monkeypatch.setattr(websocket._Client, "write", lambda self: (writes.append(1), write(self)))
    monkeypatch.setattr(over.channel, "poll", lambda: (polls.append(1), poll()))
    for values in (FIRST, SECOND):
        over.play(values)
    for _ in range(400):
        over.channel.poll()
        if live.events == 6:
            break
        threading.Event().wait(0.002)
    np.testing.assert_allclose(over.got()[0], SECOND, atol=over.exact)
    assert live.events == 6 and len(writes) <= len(polls)
    over.channel.close()
    over.end()


# ---- the loop and its log ---------------------------------------------------------------------------------------------------


def test_a_session_over_two_wires_is_logged_as_impsy_logs_it(tmp_path):
    """OSC and a pseudo-terminal at once; what is played at one comes out at both, and the file holds it before the end."""
    if not hasattr(os, "openpty"):
        pytest.skip("this system has no pseudo-terminals")
    settings = config.Config(3, mode="polyphony", input_thru=True, log_predictions=True)
    said, shown = [], []
    live = Play(settings, say=said.append, show=shown.append)
    over_osc, over_serial = OverOsc(live, None, None), OverSerial(live, None, tmp_path)
    logs = [Log.new(tmp_path / "logs", 3) for _ in range(2)]
    for one in (over_osc, over_serial):
        live.add(one.channel)
    over_osc.play(SECOND)  # came while the model was loaded
    polled(over_osc.channel)
    live.join(Voice(waits=(0.02,)), logs[0])
    with pytest.raises(ValueError, match=r"the model is of 4 values, but \[model\] dimension is 4: 3 values and one"):
        live.join(Voice(4))
    running = threading.Thread(target=live.run)
    running.start()
    over_osc.play(FIRST)
    for _ in range(2000):
        if len(logs[0].path.read_text().splitlines()) == 2:
            break
        threading.Event().wait(0.005)
    live.stop()
    running.join(timeout=10)
    rows = [line.split(",") for line in logs[0].path.read_text().splitlines()]
    stamps = [datetime.datetime.fromisoformat(row[0]) for row in rows]
    assert [row[1] for row in rows] == ["interface", "rnn"] and (stamps[1] - stamps[0]).total_seconds() > 0.019
    np.testing.assert_allclose([list(map(float, row[2:])) for row in rows], [FIRST, 1 - FIRST], atol=1e-5)
    np.testing.assert_allclose(over_osc.got()[0], FIRST, atol=1e-7)
    np.testing.assert_allclose(over_osc.got()[0], 1 - FIRST, atol=1e-7)
    for _ in range(400):  # a pseudo-terminal delivers when the system has time
        written = over_serial.read().decode().split()
        if len(written) == 2:
            break
        threading.Event().wait(0.002)
    np.testing.assert_allclose([list(map(float, line.split(","))) for line in written], [FIRST, 1 - FIRST], atol=1e-4)
    assert live.events == 1 and live.latency(0.5) > 0.0 and not said
    for log in logs:
        log.close()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d(\.2)?-4d-mdrnn\.log", logs[0].path.name)
    assert [*(tmp_path / "logs").iterdir()] == [logs[0].path]  # the other had nothing to keep
    over_osc.end()
    over_serial.end()
