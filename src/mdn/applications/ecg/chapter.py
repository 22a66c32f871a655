"""ECG as a `Chapter`."""

from __future__ import annotations

from mdn.applications.chapter import Chapter
from mdn.applications.ecg import data, evaluate
from mdn.applications.ecg.generate import generate, write_strips
from mdn.applications.ecg.model import load
from mdn.applications.ecg.train import train
from mdn.models import save_plain

CHAPTER = Chapter(
    read=data.read,
    split=data.split,
    train=lambda parts, **settings: train(parts["train"], **settings),  # the last epoch is kept
    figures=evaluate.figures,
    load=load,
    save=save_plain,
    generate=lambda model, count, seed: generate(model, 10.0, count, seed=seed),
    draw=lambda path, made: write_strips(path, {f"made {i + 1}": one for i, one in enumerate(made)}),
    floors=evaluate.FLOORS,
)
