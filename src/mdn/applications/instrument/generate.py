"""Makes new performances, and writes them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mdn.applications.instrument.live.mapping import Mapping
from mdn.applications.instrument.midi import write_midi
from mdn.applications.instrument.model import Instrument
from mdn.applications.instrument.pictures import write_lanes
from mdn.data import replacing

ENDINGS = (".svg", ".png", ".npz", ".mid")


def generate(model: Instrument, count: int = 4, seed: int = 0, events: int = 500, **settings) -> list[np.ndarray]:
    """New performances `(events, 1 + N)`.

    Args:
        model: An instrument.
        count: How many.
        seed: Same seed, same performances.
        events: How many events each has.
        **settings: Of `Instrument.play`.
    """
    return model.play(events, count, seed=seed, **settings)


def write(path, performances: Sequence[np.ndarray], labels: Sequence[str] = (), mapping: Mapping | None = None) -> None:
    """Writes performances: a picture, a .npz as IMPSY reads it, or the first of them as a MIDI file, by the ending of `path`.

    Args:
        path: The path of the file, .svg, .png, .npz or .mid.
        performances: Arrays `(T, 1 + N)`.
        labels: The labels of a picture.
        mapping: The mapping of a MIDI file, see `write_midi`.

    Raises:
        ImportError: if a .mid is asked for, and mido is missing.
        ValueError: if the name ends otherwise.
    """
    ending = Path(path).suffix
    if ending == ".mid":
        write_midi(path, performances[0], mapping)
    elif ending == ".npz":
        arrays = np.empty(len(performances), object)
        arrays[:] = [one.astype("float32") for one in performances]
        with replacing(path) as temporary:
            np.savez_compressed(temporary, perfs=arrays)
    else:
        write_lanes(path, performances, labels)
