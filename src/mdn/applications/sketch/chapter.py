"""Sketches as a `Chapter`."""

from __future__ import annotations

from mdn.applications.chapter import Chapter
from mdn.applications.sketch import data
from mdn.applications.sketch.files import load
from mdn.applications.sketch.generate import draw
from mdn.applications.sketch.train import FLOORS, judge, train_on_parts
from mdn.drawing.sheets import write_sheet
from mdn.models import save_plain

CHAPTER = Chapter(
    read=data.read,
    split=data.split,
    train=train_on_parts,
    figures=lambda model, parts, seed: judge(model, parts["train"], parts["test"], seed),
    load=load,
    save=save_plain,
    generate=lambda model, count, seed: draw(model, count, seed=seed)[0],
    draw=write_sheet,
    floors=FLOORS,
)
