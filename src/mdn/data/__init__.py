"""Readers and writers of real files; NumPy in, NumPy out, never Keras."""

from mdn.data.files import replacing
from mdn.data.tables import Table, TableError, read_table, write_table

__all__ = ["Table", "TableError", "read_table", "replacing", "write_table"]
