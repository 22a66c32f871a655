"""Playing live: sessions, OSC from another process, MIDI on ports of our own, and what goes wrong there."""

import subprocess
import sys
import threading
import types
from pathlib import Path

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import mdn_cli
from jamming import performance
from mdn.applications.jam import Jam, data, live_midi, midi
from mdn.applications.jam.model import network
from mdn.applications.jam.session import Session
from mdn.applications.live.log import Log
from mdn.applications.live.osc import open_sockets
from mdn.applications.live.turns import MODES

pytestmark = pytest.mark.jax


@pytest.fixture(scope="module")
def jam():
    keras.utils.set_random_seed(0)
    return Jam(network(units=(8,), components=3).adapt([data.events(performance(i)) for i in range(6)]))


# ---- sessions: time is told ----------------------------------------------------------------------------------------------


def play(session, touches, start=0.0):
    now = start
    for x, y, dt in touches:
        now += dt
        session.heard(x, y, now)
    return now


def test_in_call_and_response_the_model_waits_for_silence_and_stops_when_the_player_goes_on(jam):
    log = []
    session = Session(jam, silence=1.0, seed=0, on_event=lambda *event: log.append(event))
    assert session.due(0.0) == []
    now = play(session, performance())
    assert session.due(now + 0.99) == []
    first = session.due(now + 1.0)
    assert len(first) >= 1
    answered = [touch for t in np.arange(1.0, 4.0, 0.01) for touch in session.due(now + t)]
    assert len(answered) > 2 and all(0 <= x <= 1 and 0 <= y <= 1 for x, y in answered)
    session.heard(0.5, 0.5, now + 4.0)
    assert session.due(now + 4.5) == []
    assert {source for _, source, *_ in log} == {"interface", "rnn"}
    session.reset()
    assert session.due(now + 100.0) == []


def test_in_polyphony_each_touch_has_an_answer(jam):
    session = Session(jam, "polyphony", seed=0)
    now = play(session, performance())
    assert len(session.due(now + 5.1)) == 40
    assert session.due(now + 10.0) == []


@pytest.mark.parametrize("mode", MODES)
def test_a_session_says_when_the_model_plays_next(jam, mode):
    session = Session(jam, mode, silence=1.0, seed=0)
    session.due(0.0)
    if mode != "battle":
        assert session.next == np.inf
        play(session, [(0.5, 0.5, 0.1), (0.6, 0.5, 0.02)])
    played = 0
    for now in np.arange(0.2, 8.0, 0.05):
        expected = session.next
        found = session.due(now)
        assert bool(found) == (expected <= now)
        played += len(found)
    assert (played > 1) == (mode != "useronly")


def test_in_a_battle_the_model_plays_from_the_start(jam):
    session = Session(jam, "battle", seed=0)
    session.due(0.0)
    assert len([touch for t in np.arange(0, 20, 0.02) for touch in session.due(t)]) > 3


def test_with_the_user_only_the_model_is_silent(jam):
    log = []
    session = Session(jam, "useronly", on_event=lambda *event: log.append(event))
    now = play(session, performance())
    assert session.due(now + 30.0) == [] and len(log) == 40


def test_bad_settings_of_a_session_are_named(jam):
    session = Session(jam)
    with pytest.raises(ValueError, match="`mode` must be one of callresponse, polyphony"):
        session.mode = "solo"
    with pytest.raises(ValueError, match="`component_temperature` must be a number above 0"):
        session.set_temperature("component_temperature", -1.0)
    with pytest.raises(ValueError, match="x and y must be finite"):
        session.heard(float("nan"), 0.0, 1.0)


# ---- OSC over loopback, the player in another process --------------------------------------------------------------------

PLAYER = """
import random, socket, sys, time
from pythonosc.udp_client import SimpleUDPClient
port, count = int(sys.argv[1]), int(sys.argv[2])
client, raw = SimpleUDPClient("127.0.0.1", port), socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
rng = random.Random(0)
client.send_message("/mdn/mode", "polyphony")
client.send_message("/mdn/component_temperature", 1.5)
bad = 0
for i in range(count):
    if i % 100 == 7:
        bad += 1
        kind = (i // 100) % 5
        if kind == 0: raw.sendto(b"\\x00\\xffnonsense", ("127.0.0.1", port))
        elif kind == 1: client.send_message("/interface", ["a", "b"])
        elif kind == 2: client.send_message("/interface", [0.5])
        elif kind == 3: client.send_message("/interface", [float("nan"), 0.1])
        else: client.send_message("/nowhere", 1.0)
    else:
        client.send_message("/interface", [rng.random(), rng.random()])
    time.sleep(0.0008)
print(bad)
"""


def test_ten_thousand_osc_messages_with_some_malformed_lose_nothing(jam, tmp_path, capsys):
    osc = pytest.importorskip("mdn.applications.jam.osc")
    pytest.importorskip("pythonosc")
    from pythonosc import dispatcher, osc_server

    heard, said = [], []
    routes = dispatcher.Dispatcher()
    routes.map("/prediction", lambda _, x, y: heard.append((x, y)))
    ear = osc_server.BlockingOSCUDPServer(("127.0.0.1", 0), routes)
    threading.Thread(target=ear.serve_forever, daemon=True).start()
    log = Log(tmp_path / "jam.log")
    session = Session(jam, "useronly", on_event=log, seed=0)
    sockets = open_sockets(("127.0.0.1", 0), ear.server_address)
    server = osc.OscServer(session, *sockets, say=said.append)
    with pytest.raises(OSError, match=r"cannot listen at 127\.0\.0\.1:.*Is it in use\? Take another --port"):
        open_sockets(("127.0.0.1", server.port), ear.server_address)
    running = threading.Thread(target=server.run)
    running.start()
    ran = subprocess.run(
        [sys.executable, "-c", PLAYER, str(server.port), "10000"], capture_output=True, text=True, timeout=120
    )
    assert ran.returncode == 0, ran.stderr
    for _ in range(100):
        if server.touches + server.left_out >= 10_000:
            break
        threading.Event().wait(0.05)
    server.stop()
    running.join(timeout=10)
    for one in sockets:
        one.close()
    log.close()
    ear.shutdown()
    ear.server_close()
    assert session.mode == "polyphony" and session.component_temperature == 1.5
    assert server.left_out == int(ran.stdout) == 100
    assert server.touches == 9900
    assert len(said) == len(set(said)) <= 5
    assert len(heard) > 1000  # of touches this fast many answers come too late to be played
    assert sum(len(one) for one in data.read_performances(tmp_path / "jam.log")) == 9900
    with capsys.disabled():
        print(f"\nOSC: 10,000 messages, p99 from touch to answer {1e3 * server.latency(0.99):.2f} ms")


# ---- MIDI ----------------------------------------------------------------------------------------------------------------

mido = pytest.importorskip("mido")


class Ear(mido.ports.BaseInput):
    """An input of mido that hears what `say` is given."""

    def say(self, *messages):
        self._messages.extend(messages)


class Mouth(mido.ports.BaseOutput):
    """An output of mido that remembers."""

    def _open(self, **_):
        self.sent = []

    def _send(self, message):
        self.sent.append(message)


def player(jam, mode="useronly", **settings):
    """(the player, its ports, the touches heard and played, what was said)"""
    touches, said, ear, mouth = [], [], Ear("ear"), Mouth("mouth")
    session = Session(jam, mode, on_event=lambda *event: touches.append(event), seed=0, **settings)
    return live_midi.MidiPlayer(session, ear, mouth, said.append), ear, mouth, touches, said


def test_a_performance_played_as_midi_is_heard_as_the_same_touches(jam):
    playing, ear, _, heard, said = player(jam)
    one, voice, now, last = data.clipped(performance()), midi.Voice(), 100.0, 0.0
    one[:, 2] = np.maximum(one[:, 2], 0.015)  # a wheel is heard a hundred times a second at most
    for i, (x, y, dt) in enumerate(one):
        now += dt
        if dt > data.TAP and i:
            ear.say(*voice.end())
            playing._tick(last + 0.09)
        ear.say(*(voice.begin(x, y) if dt > data.TAP or i == 0 else voice.move(x, y)))
        playing._tick(now)
        last = now
    assert len(heard) == len(one) and not said
    found = np.array([(x, y, when) for when, _, x, y in heard])
    np.testing.assert_allclose(found[:, 1], one[:, 1], atol=0.5 / 127 + 1e-9)
    np.testing.assert_allclose(np.diff(found[:, 2]), one[1:, 2], atol=1e-6)
    begins = np.flatnonzero((one[:, 2] > data.TAP) | (np.arange(len(one)) == 0))
    assert np.abs(found[:, 0] - one[:, 0]).max() <= 0.5 / 15 + 1e-3  # half a step of the scale
    for first, end in zip(begins, [*begins[1:], len(one)], strict=True):  # within a swipe the moves are exact
        inside = (found[first:end, 0] > 0.0) & (found[first:end, 0] < 1.0)
        moves = found[first:end, 0] - found[first, 0], one[first:end, 0] - one[first, 0]
        np.testing.assert_allclose(moves[0][inside], moves[1][inside], atol=1.5 / 8191)


def test_notes_and_places_are_each_others_inverse():
    scale = [48 + 12 * octave + degree for octave in range(3) for degree in midi.SCALE]
    assert [midi.pitch(midi.place(note)) for note in scale] == scale
    places = [midi.place(note) for note in range(128)]
    assert np.all(np.diff(places) >= 0) and 0 < min(places) < 0.04 and 0.96 < max(places) < 1
    heights = np.linspace(0, 1, 50)
    np.testing.assert_allclose([midi.height(midi.velocity(y)) for y in heights], heights, atol=0.5 / 127 / 0.6 + 1e-9)


def test_without_brightness_a_note_is_as_low_on_the_screen_as_it_is_loud(jam):
    playing, ear, _, heard, _ = player(jam)
    for note, strength in ((60, 127), (60, 51), (60, 0), (84, 1)):
        ear.say(mido.Message("note_on", note=note, velocity=strength))
        playing._tick(float(note))
    assert [(round(x, 3), round(y, 2)) for _, _, x, y in heard] == [(0.367, 1.0), (0.367, 0.0), (0.967, 0.0)]


def test_what_the_model_plays_is_what_a_midi_file_of_it_holds(jam, tmp_path):
    playing, _, mouth, _, _ = player(jam)
    one, now = data.clipped(performance()), 5.0
    due = {}
    for x, y, dt in one:
        now += dt
        due[now] = [(x, y)]
    playing.session.due = lambda at: due.pop(at, [])
    for at in np.sort([*due, *np.arange(5.0, now + 0.5, 0.01)]):
        playing._tick(float(at))
    midi.write_midi(tmp_path / "one.mid", one)
    written = [message.copy(time=0) for message in mido.MidiFile(tmp_path / "one.mid").tracks[0] if not message.is_meta]
    assert mouth.sent == written
    assert not playing._voice.sounds


def test_controllers_set_temperatures_and_modes_and_the_rest_is_said_once(jam):
    playing, ear, _, heard, said = player(jam)

    def turn(control, value):
        ear.say(mido.Message("control_change", control=control, value=value))
        playing._tick(1.0)

    turn(20, 96)
    turn(21, 0)
    assert playing.session.component_temperature == pytest.approx(10.0)
    assert playing.session.variance_temperature == pytest.approx(0.01)
    turn(20, 64)
    assert playing.session.component_temperature == 1.0
    for i, mode in enumerate(MODES):
        for value in (32 * i, 32 * i + 31):
            turn(22, value)
            assert playing.session.mode == mode
    turn(23, 127)
    assert not said and not heard
    for control in (1, 7, 1):
        turn(control, 5)
    ear.say(*[mido.Message("clock"), mido.Message("aftertouch", value=3)] * 50)
    playing._tick(2.0)
    assert playing.left_out == 53
    assert [line.split(",")[0] for line in said] == [
        "left out: MIDI's controller 1",
        "left out: MIDI's controller 7",
        "left out: MIDI's aftertouch",
    ]


def test_silence_ends_the_players_and_the_models_notes(jam):
    playing, ear, mouth, heard, _ = player(jam)
    playing._play(0.5, 0.5, 1.0)
    ear.say(mido.Message("note_on", note=60), mido.Message("control_change", control=123))
    playing._tick(1.0)
    assert mouth.sent[-1].type == "note_off"
    ear.say(mido.Message("pitchwheel", pitch=4000))  # no finger: no touch
    playing._tick(2.0)
    assert len(heard) == 1


def test_a_session_over_midi_answers_each_note_and_leaves_none_sounding(jam):
    playing, ear, mouth, touches, _ = player(jam, "polyphony")
    running = threading.Thread(target=playing.run)
    running.start()
    for note in range(48, 84, 2):
        ear.say(mido.Message("note_on", note=note, velocity=90), mido.Message("note_off", note=note))
        threading.Event().wait(0.02)
    for _ in range(300):
        if sum(source == "rnn" for _, source, *_ in touches) == 18:
            break
        threading.Event().wait(0.02)
    playing.stop()
    running.join(timeout=10)
    assert playing.touches == 18 == sum(source == "rnn" for _, source, *_ in touches)
    assert playing.latency(0.5) > 0.0
    kinds = [message.type for message in mouth.sent]
    assert kinds.count("note_on") == kinds.count("note_off") >= 1


def test_an_answer_that_cannot_be_sent_ends_nothing(jam):
    playing, _, mouth, _, said = player(jam)
    playing.session.due = lambda at: [(0.1, 0.1)]

    def unplugged(message):
        raise OSError("the cable is out")

    mouth._send = unplugged
    playing._tick(1.0)
    playing._tick(1.01)
    assert said == ["an answer could not be sent: the cable is out (said once)"]


@pytest.fixture(name="ports")
def _ports(monkeypatch):
    """A backend of mido with ports of our own."""
    backend = types.ModuleType("ports_of_our_own")
    backend.Input, backend.Output = Ear, Mouth
    names = {"Keys 25:Keys 25 MIDI 1 20:0": (True, True), "Synth A": (False, True), "Synth B": (False, True)}
    backend.get_devices = lambda **_: [
        {"name": name, "is_input": heard, "is_output": plays} for name, (heard, plays) in names.items()
    ]
    monkeypatch.setitem(sys.modules, "ports_of_our_own", backend)
    return mido.Backend("ports_of_our_own")


def test_ports_are_found_by_a_part_of_their_name_or_made(ports, monkeypatch):
    ear, mouth = live_midi.open_ports("keys", "Synth B", ports)
    assert (ear.name, mouth.name) == ("Keys 25:Keys 25 MIDI 1 20:0", "Synth B")
    assert [port.name for port in live_midi.open_ports(backend=ports)] == ["mdn", "mdn"]
    with pytest.raises(OSError, match=r"--midi-in 'Synth' names no port; there are 'Keys 25:Keys 25 MIDI 1 20:0'\."):
        live_midi.open_ports("Synth", None, ports)
    with pytest.raises(OSError, match=r"--midi-out 'synth' names several ports; there are .*'Synth A', 'Synth B'"):
        live_midi.open_ports("keys", "synth", ports)
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(OSError, match="Windows has no virtual MIDI ports: name one with --midi-in; there are 'Keys"):
        live_midi.open_ports(backend=ports)


def _midi_here() -> bool:
    try:
        mido.get_input_names()
    except (OSError, ImportError):
        return False
    return True


def test_on_a_system_without_midi_a_sentence_says_so():
    pytest.importorskip("rtmidi")
    if _midi_here():
        pytest.skip("this system has MIDI")
    ran = CliRunner().invoke(mdn_cli.app, ["jam", "--midi"])
    assert ran.exit_code == 2 and "mdn: this system has no MIDI that can be used: " in ran.output


def test_virtual_ports_can_be_connected_to(jam):
    pytest.importorskip("rtmidi")
    if not _midi_here():
        pytest.skip("this system has no MIDI")
    ear, mouth = live_midi.open_ports()
    with ear, mouth:
        finger = mido.open_output(next(name for name in mido.get_output_names() if "mdn" in name))
        finger.send(mido.Message("note_on", note=60))
        threading.Event().wait(0.2)
        assert [message.note for message in ear.iter_pending()] == [60]


# ---- what goes wrong -----------------------------------------------------------------------------------------------------


def test_time_that_goes_back_or_leaps_is_held_to_what_the_model_knows(jam):
    """Of the clock of a computer that was set back, or slept."""
    session = Session(jam, "polyphony", seed=0)
    fed = []
    step = session._stream.step
    session._stream.step = lambda event, **settings: (fed.append(event), step(event, **settings))[1]
    for now in (1000.0, 1000.5, 400.0, 1e9, 1e9 + 0.25):
        session.heard(0.5, 0.5, now)
    np.testing.assert_allclose(np.exp([event[2] for event in fed]), [0.001, 0.5, 0.001, 5.0, 0.25], rtol=1e-5)


def test_after_a_sleep_the_model_goes_on_and_does_not_catch_up(jam):
    session = Session(jam, "battle", seed=0)
    session.due(0.0)
    before = sum(len(session.due(t)) for t in np.arange(0.0, 10.0, 0.002))
    assert len(session.due(36_000.0)) <= 1 + 64 and sum(len(session.due(36_000.0)) for _ in range(20)) == 0
    after = sum(len(session.due(36_000.0 + t)) for t in np.arange(0.0, 10.0, 0.002))
    assert 0 < after < 10 * before + 50


BAD = {
    "silence": (dict(silence=0.0), "`silence` must be a positive number of seconds, but 0.0 came"),
    "not a time": (dict(silence=float("nan")), "`silence` must be a positive number of seconds"),
    "cold": (dict(component_temperature=0.0), "`component_temperature` must be a number above 0"),
    "hot": (dict(variance_temperature=float("inf")), "`variance_temperature` must be a number above 0"),
    "mode": (dict(mode="solo"), "`mode` must be one of callresponse, polyphony"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_session_refuses_settings_that_mean_nothing(case, jam):
    settings, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        Session(jam, **settings)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full disk here")
def test_a_full_disk_is_said_once_and_the_music_goes_on(jam, tmp_path):
    said = []
    log = Log(tmp_path / "jam.log", said.append)
    log.close()
    with open("/dev/full", "w", buffering=1) as log._file:
        session = Session(jam, "polyphony", on_event=log, seed=0)
        now = play(session, performance())
        assert len(session.due(now + 5.1)) == 40
        log.close()
    assert said == [f"touches are missing in {tmp_path / 'jam.log'}: No space left on device (said once)"]


REFUSED = {
    "neither": (["jam"], "either mdn jam --osc or mdn jam --midi"),
    "both": (["jam", "--osc", "--midi"], "either mdn jam --osc or mdn jam --midi"),
    "no port": (["jam", "--osc", "--to", "nowhere"], "--to must be HOST:PORT"),
    "a port that is none": (["jam", "--osc", "--to", "127.0.0.1:70000"], "--to must be HOST:PORT"),
    "no folder": (["jam", "--osc", "--log", "no/jam.log"], "there is no folder 'no'"),
    "no model": (["jam", "--osc", "--model", "no.keras"], "there is no file 'no.keras'"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_command_that_cannot_play_says_why(case, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    arguments, message = REFUSED[case]
    ran = CliRunner().invoke(mdn_cli.app, arguments)
    assert ran.exit_code == 2 and message in " ".join(ran.output.split()), ran.output
