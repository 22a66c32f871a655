"""What a command must not overwrite: the files that it reads, and files of others beside its own."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterable
from pathlib import Path

# Endings of what commands write and readers of folders read: such a file in a folder of data is data, too
_DATA = (".csv", ".mid", ".ndjson", ".npz", ".parquet", ".svg", ".tsv")
_LARGEST = 2**24  # bytes of a provenance; it has some hundreds
_MARKS = {".html": b'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>', ".svg": b"Matplotlib"}


def check_inputs(written: Iterable[Path], reads: Iterable[str | Path | None]) -> None:
    """Refuses to write where something lies that is read.

    Args:
        written: The paths of what will be written, files and folders.
        reads: Paths of files and folders, patterns of paths, and names of data sets and models, which no file need have.

    Raises:
        ValueError: if one is written over another.
    """
    there = [path for path in written if path.exists()]
    if not there:
        return  # a pattern of paths may take long
    for read in (Path(each) for one in reads if one for each in (one, *glob.glob(str(one), recursive=True))):
        for path in there if read.exists() else ():
            if path.samefile(read) or (path.is_dir() and read.resolve().is_relative_to(path.resolve())):
                raise ValueError(f"{str(path)!r} would be overwritten, but the command reads it: name another --out.")
            if read.is_dir() and path.suffix in _DATA and path.resolve().is_relative_to(read.resolve()):
                raise ValueError(
                    f"{str(path)!r} would be overwritten, but it lies in {str(read)!r}, which the command reads: name "
                    "another --out."
                )


def check_ours(path: Path) -> None:
    """Refuses to replace a file beside `--out` that mdn has not written: a .json, .html or .svg that nobody named.

    Raises:
        ValueError: if it is there and is anything but a provenance, a page or a picture of mdn.
    """
    if path.is_file() and not (_is_provenance(path) if path.suffix == ".json" else _has_mark(path)):
        raise ValueError(f"{str(path)!r} would be overwritten, but mdn has not written it: name another --out.")


def _is_provenance(path: Path) -> bool:
    """Whether this is the .json beside a model, of this version of mdn or an earlier one."""
    if path.stat().st_size > _LARGEST:
        return False
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and isinstance(found.get("mdn"), str) and "seed" in found


def _has_mark(path: Path) -> bool:
    with open(path, "rb") as file:
        return _MARKS.get(path.suffix, b"") in file.read(4096).replace(b"\r\n", b"\n")
