"""Readers and writers of real files, and the registry of where data sets come from; NumPy in and out, never Keras."""

from mdn.data.drawing_files import read_drawings, write_drawings
from mdn.data.files import reading, replacing
from mdn.data.handwriting import Handwriting, read_handwriting, write_handwriting
from mdn.data.objects import read_object_arrays
from mdn.data.registry import find, where
from mdn.data.shapes import augmented, nearest, resample, shape_distances, simplify
from mdn.data.strokes import Drawings, from_lines, from_stroke5, offset_scale, to_lines, to_stroke5
from mdn.data.table_files import read_chunks, read_table, write_table, writing_table
from mdn.data.tables import Table, TableError

__all__ = [
    "Drawings",
    "Handwriting",
    "Table",
    "TableError",
    "augmented",
    "find",
    "from_lines",
    "from_stroke5",
    "nearest",
    "offset_scale",
    "read_chunks",
    "read_drawings",
    "read_handwriting",
    "read_object_arrays",
    "read_table",
    "reading",
    "replacing",
    "resample",
    "shape_distances",
    "simplify",
    "to_lines",
    "to_stroke5",
    "where",
    "write_drawings",
    "write_handwriting",
    "write_table",
    "writing_table",
]
