"""A jam session over MIDI: notes, pitch wheel and brightness come in as touches, the model's touches go out as notes."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from mdn.applications.jam.data import TAP
from mdn.applications.jam.midi import BEND, BRIGHTNESS, Voice, height, place
from mdn.applications.jam.session import Live, Session
from mdn.applications.live import midi_ports
from mdn.applications.live.turns import MODES

COMPONENT_TEMPERATURE, VARIANCE_TEMPERATURE, MODE, RESET = 20, 21, 22, 23  # controllers that MIDI leaves undefined
_AT_ONCE = 256  # messages that are heard in one tick at most; then the touches that are due are played
NAME = "mdn"  # of virtual ports
_SILENCE = (120, 123)  # controllers: all sound off, all notes off
_QUIET = ("clock", "start", "continue", "stop", "songpos", "song_select", "active_sensing", "quarter_frame")
_MOVES = 0.01  # seconds between touches while a wheel turns: about the rate of a touchscreen


class MidiPlayer(Live):
    """Hears MIDI and plays MIDI, until `stop`; both directions map notes as `midi.Voice` does.

    A note is a touch: its pitch is x, and y comes from the brightness (controller 74) if one came since the last note ended,
    else from the velocity. While it lasts, the pitch wheel moves x and controller 74 moves y. Controllers 20 and 21 set the
    component and the variance temperature (`temperature`), 22 the mode (a quarter of its range each, in the order of
    `turns.MODES`), 23 from 64 on resets.

    Args:
        session: The player and the model.
        ear, mouth: Open ports of mido, an input and an output; they stay open.
        say: Called with each sentence for the player.
    """

    def __init__(self, session: Session, ear, mouth, say: Callable[[str], None] = print):
        super().__init__(session, say)
        self._ear, self._mouth, self._voice = ear, mouth, Voice()
        self._played = 0.0  # when the model's last touch was
        self._note: int | None = None  # the note that the player holds
        self._bend, self._y, self._bright = 0.0, 0.5, False
        self._moved, self._touched = False, 0.0

    def _tick(self, now: float) -> None:
        try:
            for message in itertools.islice(self._ear.iter_pending(), _AT_ONCE):
                self._try_to_hear(message, now)
        except OSError as error:
            self.say_once("MIDI cannot be heard", f": {error.strerror or error}")
        if self._moved and now - self._touched >= _MOVES:
            self._touch(now)
        super()._tick(now)
        if self._voice.sounds and now - self._played > TAP:
            self._send(self._voice.end())

    # ---- the player -------------------------------------------------------------------------------------------------

    def _try_to_hear(self, message, now: float) -> None:
        try:
            self._hear(message, now)
        except Exception as error:  # whatever this message did, the next one is heard
            self.refused(error)

    def _hear(self, message, now: float) -> None:
        if message.type == "note_on" and message.velocity > 0:
            self._note = message.note
            self._y = self._y if self._bright else height(message.velocity)
            self._touch(now)
        elif message.type in ("note_on", "note_off"):
            if message.note == self._note:
                self._release(now)
        elif message.type == "pitchwheel":
            self._bend, self._moved = message.pitch / BEND, self._note is not None
        elif message.type == "control_change":
            self._control(message.control, message.value, now)
        elif message.type not in _QUIET:
            self.leave_out(f"MIDI's {message.type}, which means nothing here")

    def _control(self, control: int, value: int, now: float) -> None:
        if control == BRIGHTNESS:
            self._y, self._bright, self._moved = 1.0 - value / 127, True, self._note is not None
        elif control == COMPONENT_TEMPERATURE:
            self.session.set_temperature("component_temperature", temperature(value))
        elif control == VARIANCE_TEMPERATURE:
            self.session.set_temperature("variance_temperature", temperature(value))
        elif control == MODE:
            self.session.mode = list(MODES)[value * len(MODES) // 128]
        elif control == RESET:
            if value >= 64:
                self.session.reset()
        elif control in _SILENCE:
            self._release(now)
            self._send(self._voice.end())
        else:
            self.leave_out(f"MIDI's controller {control}, which means nothing here")

    def _release(self, now: float) -> None:
        if self._moved:
            self._touch(now)
        self._note, self._bright = None, False

    def _touch(self, now: float) -> None:
        self._moved, self._touched = False, now
        if self._note is not None:
            self.heard(place(self._note) + self._bend, self._y, now)

    # ---- the model --------------------------------------------------------------------------------------------------

    def _play(self, x: float, y: float, now: float) -> None:
        self._send(self._voice.move(x, y) if self._voice.sounds else self._voice.begin(x, y))
        self._played = now

    def _send(self, messages) -> None:
        for message in messages:
            self.send(self._mouth.send, message)

    def _close(self) -> None:
        self._send(self._voice.end())


def temperature(value: int) -> float:
    """The temperature that a controller's value sets: 0.01 at 0, 1 at 64, ten times as much every 32."""
    return 10.0 ** ((value - 64) / 32)


def open_ports(ear: str | None = None, mouth: str | None = None, backend=None):
    """(an input, an output) of mido; without names, virtual ports called "mdn", to which other programs can connect.

    Args:
        ear, mouth: Names of ports, or parts of names that fit only one port.
        backend: The backend of mido; by default the one that mido chooses (python-rtmidi).

    Raises:
        OSError: if no port or several fit, or there is no MIDI at all; the message lists the ports.
    """
    backend = midi_ports.mido("jam") if backend is None else backend
    inputs, outputs = midi_ports.port_names(backend, "jam")
    heard = _open(backend.open_input, ear, inputs, "--midi-in")
    try:
        return heard, _open(backend.open_output, mouth, outputs, "--midi-out")
    except OSError:
        heard.close()
        raise


def _open(opening, name: str | None, names: list[str], option: str):
    if name is None:
        return midi_ports.open_virtual(opening, NAME, names, option)
    fitting = midi_ports.fitting(name, names)
    if len(fitting) != 1:
        found = "several ports" if fitting else "no port"
        raise OSError(f"{option} {name!r} names {found}; {midi_ports.there(names)}.")
    return opening(fitting[0])
