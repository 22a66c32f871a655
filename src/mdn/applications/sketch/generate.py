"""Drawing with a trained network: new drawings, unfinished ones completed, and steps from one to another."""

from __future__ import annotations

import numpy as np

from mdn.applications.sketch import data
from mdn.applications.sketch.model import SketchRNN

MOST_POINTS = 250
COMPONENT_TEMPERATURE, VARIANCE_TEMPERATURE = 0.8, 0.7
"""The default temperatures. At 1 each step follows the network's density, but small errors add up: kanji then have 9 % more
points than real ones (KS distance of their number 0.12; at the defaults 0.08, by seeds that no figure uses)."""


def ends(event):
    """Which events `(B, 3)` are the end of their drawing."""
    return event[:, 2] == data.END


def draw(
    model: SketchRNN,
    count: int = 1,
    *,
    z=None,
    label: str | None = None,
    component_temperature: float = COMPONENT_TEMPERATURE,
    variance_temperature: float = VARIANCE_TEMPERATURE,
    most: int = MOST_POINTS,
    seed: int | None = None,
) -> tuple[list[np.ndarray], np.ndarray]:
    """(drawings, which of them ended by themselves): stroke-3 `(T, 3)`, and `(count,)`.

    Args:
        model: Trained.
        count: How many.
        z: Latents `(count, latent_size)`; None: drawn from N(0, 1). Only for a model with a latent.
        label: The class, for a model with classes.
        component_temperature, variance_temperature: See `MDNRNN.generate`.
        most: A drawing is broken off after so many events.
        seed: An int for the same drawings each time.

    Raises:
        ValueError: as `SketchRNN.condition_of` does.
    """
    if z is None and model.latent_size:
        z = np.random.default_rng(None if seed is None else [seed, 1]).standard_normal((count, model.latent_size))
    return _go_on(model, count, None, z, label, component_temperature, variance_temperature, most, seed)


def complete(
    model: SketchRNN,
    drawing,
    count: int = 1,
    *,
    label: str | None = None,
    freedom: float = 0.0,
    component_temperature: float = COMPONENT_TEMPERATURE,
    variance_temperature: float = VARIANCE_TEMPERATURE,
    most: int = MOST_POINTS,
    seed: int | None = None,
) -> tuple[list[np.ndarray], np.ndarray]:
    """(`count` drawings that all begin with `drawing` and go on in their own ways, which of them ended by themselves).

    For a model with a latent, z lies between the mean latent of the unfinished drawing and a draw from N(0, 1). The mean alone
    stands for a drawing that is finished as it is, so that most of the drawings end at once.

    Args:
        model: Trained.
        drawing: The unfinished drawing, stroke-3 `(T, 3)`, in the unit that the network learnt from.
        count: How many.
        label: The class, for a model with classes.
        freedom: From 0, the mean latent of the drawing, to 1, any latent; 0 for a model without a latent.
        component_temperature, variance_temperature: See `MDNRNN.generate`.
        most: A drawing is broken off after so many events beyond those of `drawing`.
        seed: An int for the same drawings each time.

    Raises:
        ValueError: if `drawing` is in another unit, `freedom` is not from 0 to 1, or is not 0 for a model without a latent; or
            as `SketchRNN.condition_of` does.
    """
    if not 0.0 <= freedom <= 1.0:
        raise ValueError(f"`freedom` must be a number from 0 to 1, but {freedom} came.")
    if freedom and not model.latent_size:
        raise ValueError(
            f"this model has no latent that could stray from the drawing, but a freedom of {freedom:g} came: leave it out; a "
            "higher component temperature makes such a model bolder."
        )
    drawing = np.asarray(drawing, "float64")
    data.check_scale(drawing, model.scale)
    z = _wandered(model.encode([drawing])[0], freedom, count, seed) if model.latent_size else None
    prime = data.events(drawing, model.scale)[:-1]
    made, ended = _go_on(model, count, prime, z, label, component_temperature, variance_temperature, most, seed)
    return [np.concatenate([drawing, one]) for one in made], ended


def _wandered(mean, freedom: float, count: int, seed: int | None) -> np.ndarray:
    """`count` latents between one, `(1, size)`, and draws from N(0, 1); the squares of the two shares sum to 1."""
    if not freedom:  # as without noise, to the bit
        return np.repeat(mean, count, axis=0)
    noise = np.random.default_rng(None if seed is None else [seed, 1]).standard_normal((count, mean.shape[1]))
    return np.sqrt(1.0 - freedom**2) * mean + freedom * noise


def interpolate(model: SketchRNN, first, last, count: int = 9, *, seed: int | None = 0, **settings) -> list[np.ndarray]:
    """`count` drawings on the way from one latent to another, both ends included, as the network draws them.

    Args:
        model: With a latent.
        first, last: Drawings.
        count: At least 2.
        seed: The seed of all of them: with one seed the hand is the same.
        **settings: As in `draw`.
    """
    start, end = model.encode([first, last])[0]
    return draw(model, count, z=between(start, end, count), seed=seed, **settings)[0]


def between(first, last, count: int) -> np.ndarray:
    """`count` points on the great circle from one vector to another, `(count, size)`, their lengths changing evenly.

    On a straight line, the middle would be shorter than any latent and be drawn as an average (White 2016, arXiv 1609.04468).

    Args:
        first, last: The two vectors, `(size,)` each.
        count: At least 2; both ends are among the points.
    """
    first, last = np.asarray(first, "float64"), np.asarray(last, "float64")
    share = np.linspace(0.0, 1.0, count)[:, None]
    lengths = np.linalg.norm(first), np.linalg.norm(last)
    if not min(lengths):
        return first + share * (last - first)
    a, b = first / lengths[0], last / lengths[1]
    angle = np.arccos(np.clip(a @ b, -1.0, 1.0))
    if np.sin(angle) < 1e-6:  # one direction, or two opposite ones: no great circle, or no single one
        return first + share * (last - first)
    direction = (np.sin((1.0 - share) * angle) * a + np.sin(share * angle) * b) / np.sin(angle)
    return direction * ((1.0 - share) * lengths[0] + share * lengths[1])


def _go_on(model, count, prime, z, label, component_temperature, variance_temperature, most, seed):
    events = model.generate(
        most,
        count,
        prime,
        condition=model.condition_of(z, label, count),
        component_temperature=component_temperature,
        variance_temperature=variance_temperature,
        stop=ends,
        seed=seed,
    )
    ended = np.array([len(one) > 0 and one[-1, 2] == data.END for one in events])
    return [data.drawing(one, model.scale) for one in events], ended
