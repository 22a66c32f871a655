"""Robot motion as a `Chapter`."""

from __future__ import annotations

from mdn.applications.chapter import Chapter
from mdn.applications.robot import data
from mdn.applications.robot.model import load, rollouts
from mdn.applications.robot.pictures import write_picture
from mdn.applications.robot.train import FLOORS, train, worth
from mdn.models import save_plain
from mdn.wording import counted

CHAPTER = Chapter(
    read=data.read,
    # rollouts are judged by whether they stay near a demonstration, so every part holds all demonstrations
    split=lambda demonstrations, seed: {part: demonstrations for part in ("train", "valid", "test")},
    train=lambda parts, **settings: train(parts["train"], **settings),
    figures=lambda model, parts, seed: worth(model, parts["test"], seed=seed),
    load=load,
    save=save_plain,
    generate=rollouts,
    draw=lambda path, made: write_picture(path, rollouts={counted(len(made), "rollout"): made}),
    floors=FLOORS,
    higher_is_better=True,
)
