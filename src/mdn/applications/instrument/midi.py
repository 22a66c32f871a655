"""Performances from and to MIDI files; needs the extra `mdn[jam]`."""

from __future__ import annotations

import io

import numpy as np

from mdn.applications.instrument.events import MOST
from mdn.applications.instrument.live.mapping import Entry, Mapping, Playing
from mdn.data import replacing
from mdn.data.limits import read_whole

_TICKS, _MICROSECONDS = 480, 500_000  # of a beat
_NOTE, _LAST = -1, 119  # in place of a controller's number; higher ones are commands such as "all notes off"
CONTROLLERS = (*range(20, 32), *range(102, 120))
"""Controllers of the values in turn, on channel 1: those that have no meaning of their own."""


def read_midi(path) -> np.ndarray:
    """Rows of seconds and values, see `read_named_midi`.

    Args:
        path: A MIDI file.

    Raises:
        As `read_named_midi`.
    """
    return read_named_midi(path)[1]


def read_named_midi(path) -> tuple[tuple[str, ...], np.ndarray]:
    """(names, rows of seconds and values): one value for each channel that plays notes (the pitch) and each controller.

    Args:
        path: A MIDI file. Messages of one moment are one event, as long as they move different values.

    Raises:
        ImportError: if mido is missing.
        ValueError: if the file has no note and no controller, or more than 16 values; if it is cut off, holds songs of their own
            (type 2), or counts time in frames of film (SMPTE) or not at all.
    """
    now = 0.0
    moments: list[tuple[float, dict[tuple[int, int], float]]] = []
    for message in _file(path):
        now += message.time
        if message.type == "note_on" and message.velocity:
            name, value = (message.channel, _NOTE), message.note / 127
        elif message.type == "control_change" and message.control <= _LAST:
            name, value = (message.channel, message.control), message.value / 127
        else:
            continue
        if not moments or moments[-1][0] != now or name in moments[-1][1]:
            moments.append((now, {}))
        moments[-1][1][name] = value
    if not moments:
        raise ValueError(f"{str(path)!r} holds no note and no controller.")
    places = {name: i for i, name in enumerate(sorted({name for _, moved in moments for name in moved}))}
    if len(places) > MOST:
        raise ValueError(
            f"{str(path)!r} has {len(places)} values, channels that play notes and controllers, but {MOST} are the most: "
            "leave some out."
        )
    found = np.zeros((len(moments), 1 + len(places)))
    values = np.zeros(len(places))
    for row, (at, moved) in zip(found, moments, strict=True):
        for name, value in moved.items():
            values[places[name]] = value
        row[:] = at, *values
    return tuple(
        f"notes of channel {channel + 1}" if number == _NOTE else f"controller {number} of channel {channel + 1}"
        for channel, number in places
    ), found


def _file(path):
    """A MIDI file whose messages can be played one after the other."""
    try:
        file = _mido().MidiFile(file=io.BytesIO(read_whole(path)))
    except EOFError:
        raise ValueError(f"{str(path)!r} cannot be read as performances: it is cut off.") from None
    if file.ticks_per_beat <= 0:
        raise ValueError(
            f"{str(path)!r} counts time in frames of film (SMPTE), or its division is 0: save it with ticks a beat, such as 480."
        )
    if file.type == 2:
        raise ValueError(f"{str(path)!r} holds songs of their own (type 2): save each as a file of type 0 or 1.")
    return file


def write_midi(path, performance, mapping: Mapping | None = None) -> None:
    """Writes a performance `(T, 1 + N)`: with a mapping as `mdn play` would send it, so that a synthesizer can sound it.

    Args:
        path: The path of the .mid file.
        performance: dt and values.
        mapping: An entry for each value; without it values are controllers 20 to 31 and 102 to 105 of channel 1.
    """
    mido = _mido()
    plain = [Entry("control_change", 1, controller) for controller in CONTROLLERS[: performance.shape[1] - 1]]
    playing = Playing(mapping or plain)
    track = mido.MidiTrack([mido.MetaMessage("set_tempo", tempo=_MICROSECONDS)])
    file = mido.MidiFile(ticks_per_beat=_TICKS, tracks=[track])
    written = 0
    ticks = np.round(np.cumsum(performance[:, 0]) * 1e6 / _MICROSECONDS * _TICKS).astype(int)
    played = [(at, playing.messages(values)) for at, values in zip(ticks.tolist(), performance[:, 1:], strict=True)]
    for at, messages in [*played, (int(ticks[-1]) + _TICKS, playing.silence())]:
        for message in messages:
            track.append(mido.Message.from_bytes(message.data, time=at - written))
            written = at
    with replacing(path) as temporary:
        file.save(temporary)


def _mido():
    try:
        import mido
    except ImportError:
        raise ImportError("MIDI needs mido: pip install 'mdn[jam]'.") from None
    return mido
