"""Tables: the distribution of some columns, given the others."""

from mdn.tabular.regressor import MDNRegressor
from mdn.tabular.scores import Scores
from mdn.tabular.targets import split_rows

__all__ = ["MDNRegressor", "Scores", "split_rows"]
