"""Chapter: the shape of every application that learns from files, so that commands and tests know it once."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Parts = dict[str, Any]
"""Data in the parts "train" (learnt from), "valid" (chooses the epoch) and "test" (judges)."""


@dataclass(frozen=True)
class Chapter:
    """The functions of one application, from its data to its model and pictures.

    Attributes:
        read: `read(source=None, ...)` returns the data of a file, or of the chapter's own data set.
        split: `split(data, seed)` deals the data to `Parts`.
        train: `train(parts, epochs=, seed=, callbacks=, checkpoint=, ...)` returns a model.
        figures: `figures(model, parts, seed)` scores the model on the part "test": figures by name, floors included.
        load: `load(path)` opens a file that `save` wrote; `load()` opens the model that comes with this package, if one does.
        save: `save(model, path)` writes the model, whole or not at all.
        generate: `generate(model, count, seed)` returns `count` new items.
        draw: `draw(path, items)` writes a picture of items, .svg or .png.
        floors: For each figure, the names of the floors that it must beat.
        higher_is_better: Whether a higher figure beats a lower one.
    """

    read: Callable[..., Any]
    split: Callable[[Any, int], Parts]
    train: Callable[..., Any]
    figures: Callable[..., dict[str, float]]
    load: Callable[..., Any]
    save: Callable[[Any, Any], None]
    generate: Callable[..., Any]
    draw: Callable[[Any, Sequence[Any]], Any]
    floors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    higher_is_better: bool = False


CHAPTERS = ("ecg", "handwriting", "instrument", "jam", "robot", "series", "sketch")
"""The chapters of this shape. `slides` tells a story, and `world` makes its own data by acting: its stages are in its README."""


def chapter(name: str) -> Chapter:
    """The chapter called `name`, one of `CHAPTERS`."""
    return importlib.import_module(f"mdn.applications.{name}.chapter").CHAPTER
