"""Files of trained networks: those that come with this package, and others."""

from __future__ import annotations

from pathlib import Path

from mdn.applications.sketch.model import SketchRNN
from mdn.models import load_as

SHIPPED = {name: Path(__file__).parent / f"{name}.keras" for name in ("kanji", "quickdraw", "quickdraw34")}


def load(name="kanji") -> SketchRNN:
    """Opens a trained network.

    Args:
        name: "kanji", "quickdraw" or "quickdraw34", which come with this package, or the path of a file of `mdn train`.

    Raises:
        As `mdn.models.load_as`.
    """
    path = SHIPPED.get(str(name), name)
    return load_as(path, lambda model: isinstance(model, SketchRNN), "network that draws", "mdn train sketch", SHIPPED)
