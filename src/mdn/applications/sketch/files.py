"""Files of trained networks: those that come with this package, and others."""

from __future__ import annotations

from pathlib import Path

import mdn
from mdn.applications.sketch.model import SketchRNN

SHIPPED = {name: Path(__file__).parent / f"{name}.keras" for name in ("kanji", "quickdraw")}


def load(name="kanji") -> SketchRNN:
    """A trained network.

    Args:
        name: "kanji" or "quickdraw", which come with this package, or the path of a file of `mdn train`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds no network that draws.
    """
    path = SHIPPED.get(str(name), name)
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"there is no file {str(path)!r}. Name a file of `mdn train`, or {' or '.join(SHIPPED)}."
        )
    model = mdn.load(path)
    if not isinstance(model, SketchRNN):
        raise ValueError(f"{str(path)!r} holds no network that draws. Files of `mdn train sketch` do.")
    return model
