"""The data of the story: several right answers for one question."""

from __future__ import annotations

import numpy as np

SPAN = 10.5  # y ~ U(-SPAN, SPAN)
ARM = (0.8, 0.5)  # lengths of the upper arm and the forearm


def bimodal(count: int, seed: int) -> np.ndarray:
    """Draws of ½ N(-5, 2) + ½ N(5, 3), the second number a standard deviation; shape `(count, 1)`."""
    rng = np.random.default_rng(seed)
    first = rng.random(count) < 0.5
    return np.where(first, rng.normal(-5.0, 2.0, count), rng.normal(5.0, 3.0, count))[:, None]


def curve(y: np.ndarray) -> np.ndarray:
    """x without noise, for each y."""
    return 7.0 * np.sin(0.75 * y) + 0.5 * y


def inverse_sine(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """x = 7 sin(0.75 y) + 0.5 y + N(0, 1), y ~ U(-10.5, 10.5): predict y from x; two arrays `(count, 1)`.

    From y to x this is a function with noise, from x to y it is not: one x has up to five answers.
    """
    rng = np.random.default_rng(seed)
    y = rng.uniform(-SPAN, SPAN, (count, 1))
    return curve(y) + rng.normal(size=y.shape), y


def best_possible_nll() -> float:
    """The mean NLL of the true p(y | x), in nats, by quadrature: 1.2880. No model can be better on average.

    It is the entropy H(y | x) = H(y) + H(x | y) - H(x).
    """
    y = np.linspace(-SPAN, SPAN, 4001)
    x = np.linspace(-22.0, 22.0, 2201)
    given = np.exp(-0.5 * (x[:, None] - curve(y)) ** 2) / np.sqrt(2.0 * np.pi)
    density = np.trapezoid(given, y, axis=1) / (2.0 * SPAN)
    entropy_of_x = -np.trapezoid(density * np.log(density), x)
    return float(np.log(2.0 * SPAN) + 0.5 * np.log(2.0 * np.pi * np.e) - entropy_of_x)


def reach(angles: np.ndarray) -> np.ndarray:
    """The place of the hand of a two-jointed arm, `(..., 2)`, at angles `(..., 2)` of shoulder and elbow in radians."""
    shoulder, elbow = angles[..., 0], angles[..., 0] + angles[..., 1]
    return np.stack(
        [
            ARM[0] * np.cos(shoulder) + ARM[1] * np.cos(elbow),
            ARM[0] * np.sin(shoulder) + ARM[1] * np.sin(elbow),
        ],
        axis=-1,
    )


def arm(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noisy places of the hand, and the angles that led there: `(count, 2)` each. Most places can be reached with the elbow
    bent either way, and the average of both answers misses.
    """
    rng = np.random.default_rng(seed)
    angles = np.stack([rng.uniform(0.0, np.pi, count), rng.uniform(-2.4, 2.4, count)], axis=-1)
    return reach(angles) + rng.normal(0.0, 0.02, (count, 2)), angles
