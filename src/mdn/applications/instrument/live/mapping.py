"""Mappings of IMPSY: which MIDI message means which value. MIDI ports, serial MIDI and WebSocket share them.

An entry a value: `["note_on", channel]`, `["note_on", channel, velocity]`, `["note_velocity", channel]`,
`["control_change", channel, controller]`, `["control_change", channel, controller, low, high]`, `["pitch_bend", channel]`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

NOTE_OFF, NOTE_ON, CONTROL, BEND = 0x80, 0x90, 0xB0, 0xE0  # kinds of messages that carry two bytes
ALL_NOTES_OFF = 123  # a controller
_SEVEN, _FOURTEEN = 127, 16383
_TWO_BYTES = (NOTE_OFF, NOTE_ON, 0xA0, CONTROL, BEND)
NAMES = {NOTE_OFF: "note_off", NOTE_ON: "note_on", CONTROL: "control_change", BEND: "pitch_bend"}


class Message(NamedTuple):
    """A MIDI message of two data bytes; channels are counted from 1, as musicians do."""

    kind: int
    channel: int
    first: int
    second: int

    @property
    def data(self) -> bytes:
        """The three bytes on the wire."""
        return bytes((self.kind | (self.channel - 1), self.first, self.second))

    @property
    def ends_a_note(self) -> bool:
        """Whether it is a note off, or a note on of no velocity, which the MIDI standard has for one."""
        return self.kind == NOTE_OFF or (self.kind == NOTE_ON and self.second == 0)

    def __str__(self) -> str:
        return f"{NAMES.get(self.kind, hex(self.kind))} {self.first} {self.second} on channel {self.channel}"


class Entry(NamedTuple):
    """What one value is in MIDI.

    Args:
        kind: "note_on", "note_velocity", "control_change" or "pitch_bend".
        channel: From 1 to 16.
        controller: The controller of a control change.
        low, high: The range of a control change; they may fall. Where they are equal, that number is always sent, and what is
            heard moves nothing.
        velocity: The velocity of a note that no other value gives one.
    """

    kind: str
    channel: int
    controller: int = 0
    low: int = 0
    high: int = _SEVEN
    velocity: int = _SEVEN

    @property
    def written(self) -> tuple:
        """The entry as a file of IMPSY has it, with a range or a velocity only if it is not the usual one."""
        if self.kind == "control_change":
            ends = (self.low, self.high)
            return (self.kind, self.channel, self.controller, *(() if ends == (0, _SEVEN) else ends))
        return (self.kind, self.channel, *(() if self.velocity == _SEVEN else (self.velocity,)))


Mapping = Sequence[Entry]


def message(data: Sequence[int]) -> Message | None:
    """The message of three bytes; None if it is of another length or of a kind that no value can be mapped to."""
    if len(data) != 3 or data[0] & 0xF0 not in _TWO_BYTES:
        return None
    return Message(data[0] & 0xF0, (data[0] & 0x0F) + 1, data[1], data[2])


def updates(mapping: Mapping, heard: Message) -> dict[int, float]:
    """Which values a message moves, and where to; empty if the message means none of them.

    Args:
        mapping: An entry for each value.
        heard: The message.
    """
    if heard.ends_a_note:
        return {}
    found = {}
    for index, entry in enumerate(mapping):
        if entry.channel != heard.channel:
            continue
        if heard.kind == NOTE_ON and entry.kind == "note_on":
            found[index] = heard.first / _SEVEN
        elif heard.kind == NOTE_ON and entry.kind == "note_velocity":
            found[index] = heard.second / _SEVEN
        elif heard.kind == CONTROL and entry.kind == "control_change" and entry.controller == heard.first:
            if entry.low == entry.high:
                continue
            low, high = sorted((entry.low, entry.high))
            inside = min(max(heard.second, low), high)
            found[index] = (inside - entry.low) / (entry.high - entry.low)
        elif heard.kind == BEND and entry.kind == "pitch_bend":
            found[index] = (heard.first + 128 * heard.second) / _FOURTEEN
    return found


class Playing:
    """The messages that play values, and the notes that they leave sounding.

    A note ends when the same value plays its next one, unless another value holds the same note. A controller or a pitch
    bend is sent only when it changes.

    Args:
        mapping: An entry for each value.
    """

    def __init__(self, mapping: Mapping):
        self._mapping = mapping
        self._velocities: dict[int, int] = {}  # from a channel to the value that gives its velocity
        for index, entry in enumerate(mapping):
            if entry.kind == "note_velocity":
                self._velocities.setdefault(entry.channel, index)
        self._sounding: dict[int, tuple[int, int]] = {}  # from a value to its (channel, note)
        self._sent: dict[tuple[int, ...], Message] = {}

    def messages(self, values) -> list[Message]:
        """The messages that play `values`, each in [0, 1]."""
        found: list[Message] = []
        for index, entry in enumerate(self._mapping):
            value = float(values[index])
            if entry.kind == "note_on":
                found += self._end(index)
                note = (entry.channel, _nearest(value * _SEVEN))
                self._sounding[index] = note
                found.append(Message(NOTE_ON, *note, self._velocity(entry, values)))
            elif entry.kind == "control_change":
                number = _nearest(entry.low + value * (entry.high - entry.low))
                found += self._changed((entry.channel, entry.controller), CONTROL, entry.controller, number)
            elif entry.kind == "pitch_bend":
                high, low = divmod(_nearest(value * _FOURTEEN), 128)
                found += self._changed((entry.channel,), BEND, low, high)
        return found

    def silence(self) -> list[Message]:
        """The messages that end the notes that sound."""
        return [message for index in [*self._sounding] for message in self._end(index)]

    def end(self) -> list[Message]:
        """As `silence`, and on each channel of notes "all notes off", for an instrument that missed one."""
        channels = sorted({entry.channel for entry in self._mapping if entry.kind == "note_on"})
        return [*self.silence(), *(Message(CONTROL, channel, ALL_NOTES_OFF, 0) for channel in channels)]

    def forget(self) -> None:
        """Lets the next values be sent in full: to an instrument that was plugged in, or a client that joined."""
        self._sent.clear()

    def _end(self, index: int) -> list[Message]:
        note = self._sounding.pop(index, None)
        if note is None or note in self._sounding.values():
            return []
        return [Message(NOTE_OFF, *note, 0)]

    def _velocity(self, entry: Entry, values) -> int:
        index = self._velocities.get(entry.channel)
        return entry.velocity if index is None else max(1, _nearest(float(values[index]) * _SEVEN))

    def _changed(self, key: tuple[int, ...], kind: int, first: int, second: int) -> list[Message]:
        one = Message(kind, key[0], first, second)
        if self._sent.get(key) == one:
            return []
        self._sent[key] = one
        return [one]


class Bytes:
    """Finds messages in a stream of bytes, with running status; what belongs to no message of two bytes is dropped."""

    def __init__(self) -> None:
        self._status, self._data = 0, bytearray()

    def messages(self, data: bytes) -> Iterator[Message]:
        """The messages that `data` completes."""
        for byte in data:
            if byte >= 0xF8:  # real time: may stand within another message
                continue
            if byte >= 0x80:
                self._status = byte
                self._data.clear()
                continue
            if self._status & 0xF0 not in _TWO_BYTES:
                continue
            self._data.append(byte)
            if len(self._data) == 2:
                found = message((self._status, *self._data))
                self._data.clear()
                if found is not None:
                    yield found


def _nearest(number: float) -> int:
    return math.floor(number + 0.5)  # a half goes up, as in IMPSY; round() goes to the even number
