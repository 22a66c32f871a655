"""Handwriting as a `Chapter`."""

from __future__ import annotations

from mdn.applications.chapter import Chapter
from mdn.applications.handwriting import evaluate, lines
from mdn.applications.handwriting.generate import write
from mdn.applications.handwriting.model import load
from mdn.applications.handwriting.pictures import write_page
from mdn.applications.handwriting.train import train_on_parts
from mdn.models import save_plain

_TEXT = "hello"


def _written(model, count: int, seed: int):
    """`count` lines that say "hello"; a model that lacks one of its letters writes ten letters that it knows."""
    known = [letter for letter in model.alphabet.characters if letter.isalnum()]
    text = "".join(known[:10]) if model.alphabet.unknown(_TEXT) else _TEXT
    return write(model, [text] * count, seed=seed).lines


CHAPTER = Chapter(
    read=lines.read,
    split=lines.split,
    train=train_on_parts,
    figures=lambda model, parts, seed: evaluate.figures(model, parts["test"], seed=seed, learnt=parts["train"]),
    load=load,
    save=save_plain,
    generate=_written,
    draw=write_page,
    floors=evaluate.FLOORS,
)
