"""Densities that a person shapes by hand, and the two hills that one normal misses."""

from __future__ import annotations

import functools

import numpy as np

import mdn
from mdn import backend, metrics, training
from mdn.applications.slides import data, nets
from mdn.plots.canvas import as_numpy
from mdn.random import seeded
from mdn_studio.pages.lecture_nets import rounded

COMPONENTS = 8  # of a mixture that a person shapes, at most
REACH = 10.0  # the pictures show y from -REACH to REACH
ALONG = np.linspace(-REACH, REACH, 321, dtype="float32")
HILLS = np.linspace(-14.0, 17.0, 311, dtype="float32")
_BINS = 62
_SHARES = np.array([0.025, 0.5, 0.975], "float32")
_HILLS_EPOCHS = 200


@backend.compiled
def _curves(mixture, along):
    parts = mixture.weights * mixture.components.prob(along[:, None, None])
    return mixture.prob(along[:, None]), parts


@backend.compiled
def _bounds(mixture):
    return mixture.quantile(_SHARES)[:, 0], mixture.mean()[0]


def normal(loc: float, scale: float) -> dict:
    """The density of a normal on `ALONG`, and the interval that holds 95 % of its draws."""
    bell = mdn.Normal(np.array([loc], "float32"), np.array([scale], "float32"))
    low, high = as_numpy(bell.interval(0.95))[..., 0]
    return {
        "density": rounded(_density(bell), 5),
        "interval": [float(low), float(high)],
        "peak": float(as_numpy(bell.prob(bell.loc))),
    }


@backend.compiled
def _density(bell):
    return bell.prob(ALONG[:, None])


def mixture_of(weights, locs, scales) -> mdn.Mixture:
    """A mixture of normals for one number; the weights need not add up to 1.

    Raises:
        ValueError: in a sentence for the page, if the three groups are not of one size, or if there are too many components.
    """
    count = len(weights)
    if not count == len(locs) == len(scales) or count > COMPONENTS:
        raise ValueError(
            f"a mixture here has 1 to {COMPONENTS} components, each with a weight, a mean and a scale, but {count}, {len(locs)} "
            f"and {len(scales)} came."
        )
    weights = np.asarray(weights, "float32")
    column = lambda values: np.asarray(values, "float32")[:, None]  # noqa: E731
    return mdn.Mixture(np.log(weights / weights.sum()), mdn.Normal(column(locs), column(scales)))


def mixture(weights, locs, scales) -> dict:
    """The density of a mixture on `ALONG`, with its components, its numbers as a network says them, and its 95 %."""
    made = mixture_of(weights, locs, scales)
    density, parts = _curves(made, ALONG)
    bounds, mean = _bounds(made)
    return {
        "density": rounded(density, 5),
        "parts": rounded(np.transpose(as_numpy(parts)), 5),
        "quantiles": rounded(bounds),
        "mean": float(as_numpy(mean)),
        "weights": rounded(made.weights),
        "params": rounded(mdn.MixtureSpec(mdn.NormalSpec(1), len(locs)).pack(made), 2),
    }


def draws(weights, locs, scales, count: int, seed: int) -> list:
    """Draws of a mixture."""
    return rounded(as_numpy(mixture_of(weights, locs, scales).sample((count,), seed=seed))[:, 0], 2)


@functools.cache
def hills(components: int) -> dict:
    """Data with two hills, and a mixture of so many normals that was fitted to them; its NLL on data that it has not seen."""
    y, test = data.bimodal(3000, 0), data.bimodal(10_000, 1)
    if components == 1:
        fitted = mixture_of([1.0], [y.mean()], [y.std()])
    else:
        spec = mdn.MixtureSpec(mdn.NormalSpec(1), components)
        with seeded(0):
            model = nets.unconditional(y, spec)
        blind = np.zeros_like(y)
        training.fit(model, blind, y, mdn.NegativeLogLikelihood(spec), epochs=_HILLS_EPOCHS)
        fitted = mdn.predict(model, np.zeros((1, 1)))[0]
    density, parts = _curves(fitted, HILLS)
    bars, _ = np.histogram(y[:, 0], bins=_BINS, range=(HILLS[0], HILLS[-1]), density=True)
    order = np.argsort(as_numpy(fitted.components.loc)[:, 0])
    return {
        "bars": rounded(bars, 5),
        "density": rounded(density, 5),
        "parts": rounded(np.transpose(as_numpy(parts))[order], 5),
        "weights": rounded(as_numpy(fitted.weights)[order], 2),
        "means": rounded(as_numpy(fitted.components.loc)[order, 0], 2),
        "scales": rounded(as_numpy(fitted.components.scale)[order, 0], 2),
        "nll": -float(np.mean(as_numpy(fitted.log_prob(test)))),
        "blind": metrics.Baseline(y).gaussian_nll(test),
    }
