"""Wires for the tests of `mdn play`: each channel beside what a musician has at its other end; a model and a stage."""

import collections
import contextlib
import itertools
import math
import os
import socket
import threading

import numpy as np
import pytest

from mdn.applications.instrument.live import config
from mdn.applications.instrument.live.mapping import Entry
from mdn.applications.instrument.live.osc import Osc
from mdn.applications.instrument.live.play import Play
from mdn.applications.instrument.live.session import Session
from mdn.applications.live import packets

mido = pytest.importorskip("mido")
pytest.importorskip("serial")
client = pytest.importorskip("websockets.sync.client")
ConnectionClosed = pytest.importorskip("websockets.exceptions").ConnectionClosed
from mdn.applications.instrument.live import midi, websocket  # noqa: E402 - these need the extra `play`
from mdn.applications.instrument.live import serial as lines  # noqa: E402

ENTRIES = [["note_on", 1], ["control_change", 2, 42], ["control_change", 1, 43, 100, 20]]
MAPPING = (Entry("note_on", 1), Entry("control_change", 2, 42), Entry("control_change", 1, 43, 100, 20))
FIRST, SECOND = np.array([60 / 127, 1.0, 0.25]), np.array([0.0, 64 / 127, 0.75])  # exact in seven bits


class Voice:
    """A model that answers `wait` seconds later with what it heard last, turned round."""

    def __init__(self, size=3, waits=(0.25,)):
        self.size, self.component_temperature, self.variance_temperature = size, 1.0, 1.0
        self._waits, self.heard, self.taken = itertools.cycle(waits), [], collections.deque(maxlen=1000)
        self._values = np.zeros(size)

    def reset(self):
        self.heard.clear()
        self.taken.clear()

    def hear(self, dt, values):
        self.heard.append((dt, *values))
        self._values = np.asarray(values)

    def foresee(self):
        return next(self._waits), 1.0 - self._values

    def take(self):
        self._values = 1.0 - self._values
        self.taken.append(self._values)


class Stage:
    """What channels bring, with a real session behind the commands."""

    def __init__(self):
        self.said, self.came = [], []
        self.remarks = Play(config.Config(3), say=self.said.append)
        self.session = Session(Voice())

    def heard(self, found):
        self.came.append(dict(found))
        return self.session.heard(found, 0.0)

    def command(self, name, value=None):
        self.session.command(name, value)


# ---- the wires, from the side of a musician --------------------------------------------------------------------------------


class Ear(mido.ports.BaseInput):
    def say(self, *messages):
        self._messages.extend(messages)


class Mouth(mido.ports.BaseOutput):
    def _open(self, **_):
        self.sent, self.broken = [], False

    def _send(self, message):
        if self.broken:
            raise OSError("the cable is out")
        self.sent.append(message)


def as_messages(values):
    """MIDI that means `values`, by the definition of the mapping."""
    note, control, ranged = round(values[0] * 127), round(values[1] * 127), round(100 - 80 * values[2])
    return [
        mido.Message("note_on", channel=0, note=note, velocity=90),
        mido.Message("control_change", channel=1, control=42, value=control),
        mido.Message("control_change", channel=0, control=43, value=ranged),
    ]


def from_messages(messages):
    """(the values that MIDI means, the notes that still sound)"""
    values, sounding = np.full(3, np.nan), set()
    for one in messages:
        if one.type == "note_on":
            sounding.add(one.note)
            values[0] = one.note / 127
        elif one.type == "note_off":
            sounding.discard(one.note)
        elif one.control in (42, 43):
            values[one.control - 41] = one.value / 127 if one.control == 42 else (100 - one.value) / 80
    return values, sounding


class OverMidi:
    sparse, exact = True, 0.5 / 80

    def __init__(self, stage, ports, _):
        self.ports = ports
        keys, synth = {"keys 25": MAPPING}, {"Synth": MAPPING}
        self.channel = midi.Midi(stage, config.Midi(keys, synth), backend=ports.backend)

    def play(self, values):
        self.ports.made[Ear, "Keys 25:Keys 25 MIDI 1"][-1].say(*as_messages(values))

    def garbage(self):
        ear = self.ports.made[Ear, "Keys 25:Keys 25 MIDI 1"][-1]
        ear.say(mido.Message("control_change", control=1), mido.Message("clock"), mido.Message("sysex", data=[1] * 99))

    def got(self):
        return from_messages(self.ports.made[Mouth, "Synth A"][-1].sent)


class OverOsc:
    sparse, exact = False, 1e-7

    def __init__(self, stage, _, __):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.channel = Osc(stage, config.Osc(("127.0.0.1", 0), self.socket.getsockname()), 3)

    def _send(self, packet):
        self.socket.sendto(packet, ("127.0.0.1", self.channel.port))

    def play(self, values):
        self._send(packets.write("/interface", *values))

    def garbage(self):
        for packet in (b"\0\xffnonsense", packets.write("/interface", 0.5), packets.write("/mdn/mode", 1.0)):
            self._send(packet)
        self._send(packets.write("/interface", math.nan, 0.0, 0.0))

    def got(self):
        found = [packets.read(self.socket.recv(1000))[0][0] for _ in range(3)]
        assert [address for address, _ in found] == ["/impsy", "/prediction", "/mdn"]
        return np.array(found[0][1]), set()

    def end(self):
        self.socket.close()


class OverWebSocket:
    sparse, exact = True, 0.5 / 80

    def __init__(self, stage, _, __):
        self.channel = websocket.WebSocket(stage, config.WebSocket(("127.0.0.1", 0), MAPPING, MAPPING))
        self.sent, self.peer, self.opened = [], None, contextlib.ExitStack()

    def _connected(self):
        if self.peer is None:
            made = []

            def join():
                connecting = client.connect(f"ws://127.0.0.1:{self.channel.port}", close_timeout=0.01)
                made.append(self.opened.enter_context(connecting))

            joining = threading.Thread(target=join)
            joining.start()
            while joining.is_alive():
                self.channel.poll()
            self.peer = made[0]
        return self.peer

    def play(self, values):
        for one in as_messages(values):
            number = (one.note, one.velocity) if one.type == "note_on" else (one.control, one.value)
            kind = "noteon" if one.type == "note_on" else "cc"
            self._connected().send(f"/channel/{one.channel + 1}/{kind}/{number[0]}/{number[1]}")

    def garbage(self):
        texts = [
            "",
            "/channel/1/cc/42",
            "/channel/17/cc/1/1",
            "/channel/1/cc/1/128",
            "/channel/1/noteon/x/1",
            "/channel/1/volume/1/1",
            b"\x90<Z",
        ]
        for text in [*texts, ["/channel/1/cc", "/42/64"], "/channel/1/cc/99/1", "/channel/²/cc/1/1"]:
            self._connected().send(text)
        self._connected().send(b"\xff\xfe", text=True)

    def got(self):
        kinds = {"noteon": ("note_on", "note", "velocity"), "cc": ("control_change", "control", "value")}
        kinds["noteoff"] = ("note_off", "note", "velocity")
        for text in iter(lambda: self._received(), None):
            _, _, number, kind, first, second = text.split("/")
            name, *fields = kinds[kind]
            numbers = dict(zip(fields, (int(first), int(second)), strict=True))
            self.sent.append(mido.Message(name, channel=int(number) - 1, **numbers))
        return from_messages(self.sent)

    def _received(self):
        try:
            return self._connected().recv(timeout=0.05)
        except (TimeoutError, ConnectionClosed):
            return None

    def end(self):
        self.opened.close()


class PseudoTerminal:
    def __init__(self, tmp_path):
        self.path, self.data = tmp_path / "tty", b""
        self.plug_in()

    def plug_in(self):
        self.far, self.near = os.openpty()
        os.set_blocking(self.far, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self.near))

    def pull_out(self):
        os.close(self.near)
        os.close(self.far)
        self.path.unlink()

    def read(self):
        with contextlib.suppress(OSError):
            self.data += os.read(self.far, 10_000)
        return self.data

    def end(self):
        self.pull_out()


class OverSerial(PseudoTerminal):
    sparse, exact = False, 1e-4

    def __init__(self, stage, _, tmp_path):
        super().__init__(tmp_path)
        self.channel = lines.Lines(stage, config.Serial(str(self.path)), 3)

    def play(self, values):
        os.write(self.far, ",".join(map(str, values)).encode() + b"\r\n")

    def garbage(self):
        os.write(self.far, b"\xff\xfe\0,\n1,2\n\na,b,c\n1,2,3,4\nnan,0,0\n" + b"9" * 3000)
        self.channel.poll()
        os.write(self.far, b"9" * 3000 + b"\n")

    def got(self):
        last = self.read().decode().split("\n")[-2]
        return np.array([float(part) for part in last.split(",")]), set()


class OverSerialMidi(PseudoTerminal):
    sparse, exact = True, 0.5 / 80

    def __init__(self, stage, _, tmp_path):
        super().__init__(tmp_path)
        self.channel = lines.SerialMidi(stage, config.SerialMidi(str(self.path), MAPPING, MAPPING))

    def play(self, values):
        os.write(self.far, b"".join(bytes(one.bytes()) for one in as_messages(values)))

    def garbage(self):
        os.write(self.far, bytes([0xB0, 99, 1, 5, 0xF0, *range(100), 0xC0, 3, 0xFF, 0x90]))

    def got(self):
        parser = mido.Parser()
        parser.feed(self.read())
        return from_messages(parser)


WIRES = [OverMidi, OverOsc, OverWebSocket, OverSerial, OverSerialMidi]


def polled(channel):
    """Polls until all that has come is heard; on a busy machine the time of one poll may be over after one message."""
    for _ in range(20):
        channel.poll()


def hear(wire, count):
    """Polls until `count` messages were heard, or nothing more comes."""
    for _ in range(400):
        if len(wire.stage.came) >= count:
            return
        wire.channel.poll()
        threading.Event().wait(0.002)
