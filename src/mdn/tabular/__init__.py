"""Tables: from columns to a distribution of one of them."""

from mdn.tabular.table_model import Scores, TableModel

__all__ = ["Scores", "TableModel"]
