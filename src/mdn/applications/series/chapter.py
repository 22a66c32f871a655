"""Series as a `Chapter`."""

from __future__ import annotations

from mdn.applications.chapter import Chapter
from mdn.applications.series import data, evaluate
from mdn.applications.series.generate import generate
from mdn.applications.series.model import load
from mdn.applications.series.pictures import write_lanes
from mdn.applications.series.train import train
from mdn.models import save_plain

CHAPTER = Chapter(
    read=data.read,
    split=data.split,
    train=lambda parts, **settings: train(parts["train"], parts["valid"], **settings),
    figures=evaluate.figures,
    load=load,
    save=save_plain,
    generate=lambda model, count, seed: generate(model, count=count, seed=seed),
    draw=write_lanes,
    floors=evaluate.FLOORS,
)
