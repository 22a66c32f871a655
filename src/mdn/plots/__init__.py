"""Draws distributions, and checks of their calibration, on Matplotlib axes.

Every function draws on `ax` (by default the current axes of pyplot) and returns it, so that plots combine like any of
Matplotlib's. The distributions are those that `mdn.predict` returns.
"""

from mdn.plots.canvas import BLUE, HEAT, INK, ORANGE
from mdn.plots.checks import loss, pit, reliability, surprise, surprising_path
from mdn.plots.columns import importances, partial_dependence
from mdn.plots.densities import component_means, conditional, density, density_2d, ellipses, samples

__all__ = [
    "BLUE",
    "HEAT",
    "INK",
    "ORANGE",
    "component_means",
    "conditional",
    "density",
    "density_2d",
    "ellipses",
    "importances",
    "loss",
    "partial_dependence",
    "pit",
    "reliability",
    "samples",
    "surprise",
    "surprising_path",
]
