"""Tables: the distribution of some columns, given the others."""

from mdn.tabular.dependence import Dependence
from mdn.tabular.importances import Importances
from mdn.tabular.regressor import MDNRegressor
from mdn.tabular.scores import Scores
from mdn.tabular.targets import split_rows

__all__ = ["Dependence", "Importances", "MDNRegressor", "Scores", "split_rows"]
