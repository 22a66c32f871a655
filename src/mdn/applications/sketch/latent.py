"""A map of latents: drawings laid out so that those whose latents are near each other lie side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

from mdn.applications.sketch.model import SketchRNN
from mdn.drawing.sheets import write_sheet


def plane(z) -> np.ndarray:
    """Latents `(N, size)` on the plane of their two largest principal axes, `(N, 2)`."""
    centred = np.asarray(z, "float64") - np.mean(z, axis=0)
    return centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T


def on_grid(points, columns: int) -> np.ndarray:
    """A cell of a grid of `columns` for each point `(N, 2)`, `(N,)`: the sum of squared moves is the least possible."""
    points = np.asarray(points, "float64")
    rows = -(-len(points) // columns)
    ranks = np.argsort(np.argsort(points, axis=0), axis=0) / max(1, len(points) - 1)
    cells = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    centres = (cells + 0.5) / (columns, rows)
    return linear_sum_assignment(np.sum((ranks[:, None] - centres[None]) ** 2, axis=-1))[1]


def latent_map(path, model: SketchRNN, drawings, count: int = 400, seed: int = 0) -> None:
    """Writes a sheet of `count` of `drawings`, each where its latent lies on the plane of the two principal axes.

    Args:
        path: The path of the picture, .png or .svg.
        model: With a latent.
        drawings: `count` of them are chosen at random.
        count: At most.
        seed: The seed for the choice.
    """
    drawings = list(drawings)
    chosen = np.random.default_rng(seed).permutation(len(drawings))[:count]
    shown = [drawings[i] for i in chosen]
    columns = max(1, round(np.sqrt(len(shown))))
    places = on_grid(plane(model.encode(shown)[0]), columns)
    sheet = [np.empty((0, 3))] * (int(places.max()) + 1)
    for one, place in zip(shown, places, strict=True):
        sheet[place] = one
    write_sheet(Path(path), sheet, columns=columns)
