"""A performance for the tests of jam."""

import numpy as np


def performance(seed=0, count=40):
    """Touches `(count, 3)`: a walk over the screen, a fifth of its touches after a pause."""
    rng = np.random.default_rng(seed)
    place = np.clip(np.cumsum(rng.normal(0, 0.05, (count, 2)), axis=0) + 0.5, 0, 1)
    dt = np.where(rng.random(count) < 0.2, rng.uniform(0.15, 0.6, count), rng.uniform(0.01, 0.05, count))
    return np.concatenate([place, dt[:, None]], axis=1)
