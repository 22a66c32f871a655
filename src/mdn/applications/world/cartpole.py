"""The cart with a pole as plain functions of arrays: its physics, its starts, and what a small camera sees of it.

With `xp=jax.numpy` they run inside `jit`, so that thousands of episodes, cameras included, are one program.
"""

from __future__ import annotations

import math

import numpy as np

SIDE = 32
"""Pixels of a frame's side."""
FURTHEST, STEEPEST = 2.4, 12.0 * 2.0 * math.pi / 360.0
"""Where an episode ends: metres from the middle, radians from upright."""
MOST_STEPS = 500
START = (1.0, 0.5, 0.1, 0.5)
"""Episodes start uniformly within plus or minus this: x (m), its velocity, angle (rad), its velocity. CartPole-v1 starts within
0.05 of all four; here the cart starts anywhere in the middle, so that its place differs between episodes."""

_PIXELS_A_METRE = 5.0
_CART, _CART_HALF = 28.0, (3.0, 1.5)  # its row; half its width and height
_HINGE, _POLE, _POLE_HALF = 26.5, 20.0, 1.0  # row, length, half its width
_CART_GREY = 0.5


def initial_states(rng: np.random.Generator, count: int) -> np.ndarray:
    """`count` states (x, velocity, angle, angular velocity) to start from, `(count, 4)`."""
    return rng.uniform(-1.0, 1.0, (count, 4)) * START


def step(states, actions, xp=np):
    """One step of 0.02 s, as CartPole-v1 of Gymnasium takes it.

    Args:
        states: x (m), its velocity, angle (rad), its velocity: `(N, 4)`.
        actions: 0 pushes to the left, 1 to the right: `(N,)`.
        xp: NumPy, or `jax.numpy`.

    Returns:
        (states `(N, 4)`, which have ended `(N,)`).

    Reference:
        Barto, Sutton and Anderson (1983), Neuronlike adaptive elements that can solve difficult learning control problems.
    """
    x, velocity, angle, spin = (states[:, i] for i in range(4))
    force = xp.where(actions == 1, 10.0, -10.0)
    cosine, sine = xp.cos(angle), xp.sin(angle)
    push = (force + 0.05 * spin**2 * sine) / 1.1
    spin_gain = (9.8 * sine - cosine * push) / (0.5 * (4.0 / 3.0 - 0.1 * cosine**2 / 1.1))
    gain = push - 0.05 * spin_gain * cosine / 1.1
    after = (x + 0.02 * velocity, velocity + 0.02 * gain, angle + 0.02 * spin, spin + 0.02 * spin_gain)
    states = xp.stack(after, axis=1)
    return states, (xp.abs(states[:, 0]) > FURTHEST) | (xp.abs(states[:, 2]) > STEEPEST)


def paint(states, xp=np):
    """The image of the camera: grey levels from 0 to 255, `(N, SIDE, SIDE, 1)` float32.

    A pixel is as bright as the share of it that the cart (half as bright) or the pole covers, so that a move of a hundredth
    of a pixel shows. The pole is painted four times too long for the scale of the track: else its angle would hide within a
    pixel. A frame does not show velocities.

    Args:
        states: As in `step`, `(N, 4)`.
        xp: NumPy, or `jax.numpy`.
    """
    states = xp.asarray(states, dtype="float32")
    middle = (xp.arange(SIDE, dtype="float32") + 0.5)[None]
    cart = SIDE / 2 + _PIXELS_A_METRE * states[:, :1]
    across = _covered(xp.abs(middle - cart) - _CART_HALF[0], xp)
    down = _covered(xp.abs(middle - _CART) - _CART_HALF[1], xp)
    grey = _CART_GREY * down[:, :, None] * across[:, None, :]
    # along the pole and across it, from the hinge
    right, up = (middle - cart)[:, None, :], (_HINGE - middle)[:, :, None]
    cosine, sine = xp.cos(states[:, 2])[:, None, None], xp.sin(states[:, 2])[:, None, None]
    along, beside = right * sine + up * cosine, right * cosine - up * sine
    pole = _covered(xp.abs(beside) - _POLE_HALF, xp) * _covered(xp.abs(along - _POLE / 2) - _POLE / 2, xp)
    return (255.0 * (grey * (1.0 - pole) + pole))[..., None]


def _covered(outside, xp):
    """The covered share of a pixel whose middle lies `outside` pixels beyond an edge."""
    return xp.minimum(xp.maximum(0.5 - outside, 0.0), 1.0)


def lean(frames) -> np.ndarray:
    """How far the pole's upper half stands to the right of the cart, in pixels, read off frames `(N, SIDE, SIDE, 1)`."""
    grey = np.asarray(frames, "float32")[..., 0]
    columns = np.arange(SIDE, dtype="float32")

    def middle(rows):
        bright = grey[:, rows].sum(axis=1)
        total = bright.sum(axis=1)
        return np.where(total > 0.0, bright @ columns / np.where(total > 0.0, total, 1.0), SIDE / 2)

    return middle(slice(6, 16)) - middle(slice(27, 30))
