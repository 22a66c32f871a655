"""The files that a path, a folder or a pattern stands for."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from mdn.data.endings import PACKED, PARQUET
from mdn.data.tables import TableError

_TEXT = (".csv", ".tsv", ".tab", ".txt", ".dat", ".xlsx")


def files_of(several: Sequence[str | os.PathLike]) -> list[Path]:
    """The files of some paths, folders and patterns, each where it is named first.

    Raises:
        TableError: if nothing fits a pattern, a folder holds no tables, or folders hold the value of a column in their names.
    """
    paths = _once([path for each in several for path in _paths(each)])
    _check_folders(paths)
    return paths


def _paths(thing) -> list[Path]:
    """The files of a path, a folder or a pattern, in the order of their names."""
    path = Path(thing)
    if path.is_dir():
        return _in_folder(path)
    if path.exists() or not glob.has_magic(str(thing)):
        return [path]
    found = [Path(name) for name in sorted(glob.glob(str(thing), recursive=True))]
    files = [name for name in found if name.is_file()]
    if not files:
        raise TableError(f"no file fits the pattern {str(thing)!r}. Correct it, or name the folder.")
    return files


def _once(paths: Sequence[Path]) -> list[Path]:
    """Each file where it is named first."""
    known: dict[Path, Path] = {}
    for path in paths:
        known.setdefault(path.resolve(), path)
    return list(known.values())


def _check_folders(paths: Sequence[Path]) -> None:
    """Raises a TableError if the names of folders, such as year=2024, hold a column that the files lack."""
    values = [{part for part in path.absolute().parent.parts if "=" in part} for path in paths]
    differing = set().union(*values) - values[0].intersection(*values)
    if differing:
        raise _by_value(os.path.commonpath([path.absolute().parent for path in paths]), min(differing))


def _by_value(folder, name: str) -> TableError:
    return TableError(
        f"{folder}: the folder {name!r} holds the value of a column in its name: pass "
        'pyarrow.dataset.dataset(folder, partitioning="hive").'
    )


def _in_folder(folder: Path) -> list[Path]:
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
    ]
    by_value = [path for path in files if any("=" in part for part in path.relative_to(folder).parent.parts)]
    if by_value:
        raise _by_value(folder, by_value[0].parent.name)
    parquet = [path for path in files if path.suffix.lower() in PARQUET]
    other = [path for path in files if _is_text(path)]
    if parquet and other:
        raise TableError(
            f"{folder} holds tables of two kinds, {parquet[0].name!r} and {other[0].name!r}: name a pattern."
        )
    if not parquet and not other:
        raise TableError(f"{str(folder)!r} is a folder without tables (.parquet, .csv, ...): name another one.")
    return parquet or other


def _is_text(path: Path) -> bool:
    ending = path.suffix.lower()
    return ending in _TEXT or (ending in PACKED and Path(path.stem).suffix.lower() in _TEXT)
