"""RoboJam as a `Chapter`."""

from __future__ import annotations

from mdn.applications.chapter import Chapter
from mdn.applications.jam import data
from mdn.applications.jam.model import Jam
from mdn.applications.jam.pictures import write_sheet
from mdn.applications.jam.train import FLOORS, figures, train

CHAPTER = Chapter(
    read=data.read,
    split=data.split,
    train=lambda parts, **settings: train(parts["train"], parts["valid"], **settings),
    figures=lambda jam, parts, seed: figures(jam, parts["train"], parts["test"], seed),
    load=Jam.load,
    save=Jam.save,
    generate=lambda jam, count, seed: [jam.play(seed=each) for each in range(seed, seed + count)],
    draw=write_sheet,
    floors=FLOORS,
)
