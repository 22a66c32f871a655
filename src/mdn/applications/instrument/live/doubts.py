"""What a configuration says that can be read, but would play nothing, or the wrong thing."""

from __future__ import annotations

from collections import Counter

from mdn.applications.instrument.live.config import Config

SILENT = "the configuration has none of [midi], [osc], [websocket], [serial] and [serialmidi]: add a channel."


def doubts(config: Config) -> list[str]:
    """What a file says that would play nothing, or the wrong thing, a sentence each.

    Args:
        config: The file.
    """
    if not any((config.midi, config.osc, config.websocket, config.serial, config.serialmidi)):
        return [SILENT]
    outputs = [(f'[midi] output."{port}"', one) for port, one in config.midi.outputs.items()] if config.midi else []
    outputs += [("[websocket] output", config.websocket.output)] if config.websocket else []
    outputs += [("[serialmidi] output", config.serialmidi.output)] if config.serialmidi else []
    found = []
    for place, mapping in outputs:
        sent = Counter(
            each[:3] if each.kind == "control_change" else each[:2] for each in mapping if each.kind != "note_on"
        )
        found += [
            f"{place} has {list(one)} more than once: both values would move it." for one in sent if sent[one] > 1
        ]
        notes = {each.channel for each in mapping if each.kind == "note_on"}
        found += [
            f"{place} has {list(each[:2])}, but no note_on of channel {each.channel} that it could give a velocity."
            for each in mapping
            if each.kind == "note_velocity" and each.channel not in notes
        ]
    return list(dict.fromkeys(found))
