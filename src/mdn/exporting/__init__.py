"""Exports a regressor, or one step of a network with its state and its sampler, to a file for other languages and devices."""

from mdn.exporting.comparison import Comparison, compare
from mdn.exporting.files import describe, export
from mdn.exporting.player import player

__all__ = ["Comparison", "compare", "describe", "export", "player"]
