"""Instrument as a `Chapter`."""

from __future__ import annotations

from mdn.applications.chapter import Chapter
from mdn.applications.instrument import data
from mdn.applications.instrument.evaluate import FLOORS, figures
from mdn.applications.instrument.generate import generate
from mdn.applications.instrument.model import load, save
from mdn.applications.instrument.pictures import write_lanes
from mdn.applications.instrument.train import train

CHAPTER = Chapter(
    read=data.read,
    split=data.split,
    train=lambda parts, **settings: train(parts["train"], parts["valid"], **settings),
    figures=figures,
    load=load,
    save=save,
    generate=generate,
    draw=write_lanes,
    floors=FLOORS,
)
