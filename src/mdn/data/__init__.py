"""Readers and writers of real files, and the registry of where data sets come from; NumPy in and out, never Keras.

Each name is imported at its first use, so that `import mdn` loads no reader.
"""

from importlib import import_module as _import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mdn.data.drawing_files import read_drawings, write_drawings
    from mdn.data.handwriting import Handwriting, read_handwriting, write_handwriting
    from mdn.data.objects import read_object_arrays
    from mdn.data.registry import find, where
    from mdn.data.sequence_files import read_sequences
    from mdn.data.shapes import augmented, nearest, resample, shape_distances, simplify
    from mdn.data.sources import Source, source_of
    from mdn.data.strokes import Drawings, from_lines, from_stroke5, offset_scale, to_lines, to_stroke5
    from mdn.data.table_files import read_chunks, read_table
    from mdn.data.table_writing import write_table, writing_table
    from mdn.data.tables import Table, TableError
    from mdn.files import reading, replacing

_ROOM_OF = {
    "read_drawings": "mdn.data.drawing_files",
    "write_drawings": "mdn.data.drawing_files",
    "reading": "mdn.files",
    "replacing": "mdn.files",
    "Handwriting": "mdn.data.handwriting",
    "read_handwriting": "mdn.data.handwriting",
    "write_handwriting": "mdn.data.handwriting",
    "read_object_arrays": "mdn.data.objects",
    "find": "mdn.data.registry",
    "where": "mdn.data.registry",
    "read_sequences": "mdn.data.sequence_files",
    "augmented": "mdn.data.shapes",
    "nearest": "mdn.data.shapes",
    "resample": "mdn.data.shapes",
    "shape_distances": "mdn.data.shapes",
    "simplify": "mdn.data.shapes",
    "Source": "mdn.data.sources",
    "source_of": "mdn.data.sources",
    "Drawings": "mdn.data.strokes",
    "from_lines": "mdn.data.strokes",
    "from_stroke5": "mdn.data.strokes",
    "offset_scale": "mdn.data.strokes",
    "to_lines": "mdn.data.strokes",
    "to_stroke5": "mdn.data.strokes",
    "read_chunks": "mdn.data.table_files",
    "read_table": "mdn.data.table_files",
    "write_table": "mdn.data.table_writing",
    "writing_table": "mdn.data.table_writing",
    "Table": "mdn.data.tables",
    "TableError": "mdn.data.tables",
}
__all__ = [
    "Drawings",
    "Handwriting",
    "Source",
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
    "read_sequences",
    "read_table",
    "reading",
    "replacing",
    "resample",
    "shape_distances",
    "simplify",
    "source_of",
    "to_lines",
    "to_stroke5",
    "where",
    "write_drawings",
    "write_handwriting",
    "write_table",
    "writing_table",
]


def __getattr__(name: str):
    if name in _ROOM_OF:
        return getattr(_import_module(_ROOM_OF[name]), name)
    if f"mdn.data.{name}" in _ROOM_OF.values():  # the modules themselves
        return _import_module(f"mdn.data.{name}")
    raise AttributeError(f"module 'mdn.data' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
