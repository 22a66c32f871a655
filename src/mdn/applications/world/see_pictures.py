"""Pictures of V: real frames above, their reconstructions below."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mdn.applications.world.storage import Experiment
from mdn.applications.world.vision import Vision
from mdn.data import replacing

_LARGE, _GAP = 96, 4  # pixels of a frame's side, and between two
_PAPER = 252


def some_frames(experiment: Experiment, count: int = 10) -> np.ndarray:
    """Frames `(count, H, W, C)`, evenly spread over the first held-out chunk."""
    _, held_out = experiment.split()
    found = np.concatenate([one.observations for one in experiment.read(held_out[0])])
    return found[np.linspace(0, len(found) - 1, count).astype(int)]


def write_reconstructions(path, vision: Vision, frames: np.ndarray) -> None:
    """Writes frames, and below each the frame decoded from the mean of its z, as PNG.

    Raises:
        ValueError: if the name ends otherwise.
    """
    from PIL import Image

    path = Path(path)
    if path.suffix != ".png":
        raise ValueError(f"pictures of frames end in .png, but {path.name!r} came.")
    rows = frames, vision.decode(vision.encode(frames)[0])
    side = _LARGE + _GAP
    page = np.full((2 * side + _GAP, len(frames) * side + _GAP, 3), _PAPER, np.uint8)
    for i, row in enumerate(rows):
        for j, frame in enumerate(row):
            colours = np.broadcast_to(frame, (*frame.shape[:2], 3)) if frame.shape[2] == 1 else frame[..., :3]
            large = Image.fromarray(colours).resize((_LARGE, _LARGE), Image.Resampling.NEAREST)
            page[_GAP + i * side :, _GAP + j * side :][:_LARGE, :_LARGE] = np.asarray(large)
    with replacing(path) as temporary:
        Image.fromarray(page).save(temporary, format="PNG")
