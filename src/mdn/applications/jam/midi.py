"""Performances as MIDI: x is the pitch, y the brightness, a swipe one long note."""

from __future__ import annotations

import functools

import numpy as np

from mdn.applications.jam.data import TAP, swipes
from mdn.applications.live.midi_ports import mido
from mdn.data import replacing

SCALE = (0, 2, 4, 7, 9)  # major pentatonic: any of its notes sound well together
BRIGHTNESS = 74  # the controller of that name
BEND = 8191  # value of the pitch wheel for a move over the whole screen
_LOWEST, _OCTAVES, _TICKS = 48, 3, 480
_STEPS = _OCTAVES * len(SCALE)
_MICROSECONDS = 500_000  # a beat
_SOFTEST = 0.4  # share of the full velocity


def pitch(x: float) -> int:
    """The note of a place from left (0) to right (1)."""
    octave, degree = divmod(min(int(x * _STEPS), _STEPS - 1), len(SCALE))
    return _LOWEST + 12 * octave + SCALE[degree]


def place(note: int) -> float:
    """The x of a note: the middle of the places where `pitch` returns it; notes off the scale lie between."""
    centers = (np.arange(_STEPS) + 0.5) / _STEPS
    return float(np.interp(note, [pitch(center) for center in centers], centers))


def velocity(y: float) -> int:
    """The velocity of a note at a height from the top (0) to the bottom (1) of the screen: lower is louder."""
    return max(1, _seven_bits(_SOFTEST + (1.0 - _SOFTEST) * y))


def height(velocity: int) -> float:
    """The inverse of `velocity`: a height in [0, 1]."""
    return float(np.clip((velocity / 127 - _SOFTEST) / (1.0 - _SOFTEST), 0.0, 1.0))


class Voice:
    """The MIDI messages of one finger; needs the extra `mdn[jam]`.

    A swipe is one note. The place where it begins sets the pitch and the loudness (lower on the screen is louder); then the
    brightness (controller 74) follows y, and the pitch bends with x.

    Args:
        channel: From 0 to 15.
    """

    def __init__(self, channel: int = 0):
        self._message = functools.partial(mido("jam").Message, channel=channel)
        self._note: int | None = None
        self._first = 0.0

    @property
    def sounds(self) -> bool:
        """Whether a note is on."""
        return self._note is not None

    def begin(self, x: float, y: float) -> list:
        """The messages when a swipe begins at (x, y)."""
        before = self.end()
        self._note, self._first = pitch(x), x
        on = self._message("note_on", note=self._note, velocity=velocity(y))
        return [*before, self._bright(y), self._message("pitchwheel", pitch=0), on]

    def move(self, x: float, y: float) -> list:
        """The messages when the swipe moves to (x, y)."""
        bend = int(np.clip(round((x - self._first) * BEND), -BEND, BEND))
        return [self._bright(y), self._message("pitchwheel", pitch=bend)]

    def end(self) -> list:
        """The messages when the finger is lifted."""
        note, self._note = self._note, None
        return [] if note is None else [self._message("note_off", note=note)]

    def _bright(self, y: float):
        return self._message("control_change", control=BRIGHTNESS, value=_seven_bits(1.0 - y))


def write_midi(path, *performances) -> None:
    """Writes performances, as a `Voice` plays them, to a Standard MIDI File; needs the extra `mdn[jam]`.

    A note ends 0.1 s after its last touch, or when the next begins.

    Args:
        path: The path of the file.
        *performances: Touches `(T, 3)` each, 16 at most. All begin at once, each in a track and a channel of its own.
    """
    library = mido("jam")
    tempo = library.MetaMessage("set_tempo", tempo=_MICROSECONDS)
    tracks = [library.MidiTrack([] if i else [tempo]) for i in range(len(performances))]
    for channel, (track, touches) in enumerate(zip(tracks, performances, strict=True)):
        _play(track, Voice(channel), touches)
    file = library.MidiFile(type=int(len(tracks) > 1), ticks_per_beat=_TICKS, tracks=tracks)
    with replacing(path) as temporary:
        file.save(temporary)


def _play(track, voice: Voice, touches) -> None:
    now, written = 0.0, 0

    def add(at, messages):
        nonlocal written
        ticks = round(at * 1e6 / _MICROSECONDS * _TICKS)
        for message in messages:
            track.append(message.copy(time=ticks - written))
            written = ticks

    found = swipes(touches)
    for i, swipe in enumerate(found):
        for j, (x, y, dt) in enumerate(swipe):
            now += dt
            add(now, voice.move(x, y) if j else voice.begin(x, y))
        pause = found[i + 1][0, 2] if i + 1 < len(found) else TAP
        add(now + min(TAP, pause), voice.end())


def _seven_bits(share: float) -> int:
    return int(np.clip(round(127 * share), 0, 127))
