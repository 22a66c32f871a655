"""Tables: from columns to a distribution of one of them."""

from mdn.tabular.report import draw_report
from mdn.tabular.table_model import Scores, TableModel, check_rows, split_rows

__all__ = ["Scores", "TableModel", "check_rows", "draw_report", "split_rows"]
