"""Zip archives of plain arrays and of text from outside: bounded in size, and nothing in them that could run."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Container
from typing import Any

import numpy as np

MOST_UNPACKED = 2**30
"""Bytes to which an archive may unpack; or four times what it has on disk, if that is more."""
_PLAIN = "biufcUS"  # kinds of numbers and text
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def check_unpacked(archive: zipfile.ZipFile) -> None:
    """Raises a ValueError if the members of an archive would unpack to more than is allowed."""
    there, most = sum(one.file_size for one in archive.infolist()), MOST_UNPACKED
    most = max(most, 4 * sum(one.compress_size for one in archive.infolist()))
    if there > most:
        raise ValueError(f"it would unpack to {there:,} bytes, but {most:,} are the most that is read.")


def plain_arrays(source, without: Container[str] = ()) -> dict[str, np.ndarray]:
    """The arrays of numbers and text of a .npz file, by name.

    Args:
        source: A path, or a file that is open for reading.
        without: Names of arrays that are not wanted, and not read.

    Raises:
        ValueError: if a member is no such array, or its shape does not fit its size; for the rest see `reading`.
    """
    arrays = {}
    with zipfile.ZipFile(source) as archive:
        check_unpacked(archive)
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if name in without:
                continue
            with archive.open(member) as file:
                arrays[name] = _array(name, file, member.file_size)
    return arrays


def _array(name: str, file: Any, size: int) -> np.ndarray:
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"its array {name!r} is of the unknown version {version}.")
    shape, fortran, dtype = _HEADERS[version](file)
    if dtype.kind not in _PLAIN or dtype.names is not None:
        raise ValueError(f"its array {name!r} must hold numbers or text, but holds {dtype}.")
    if min(shape, default=0) < 0 or math.prod(shape) * dtype.itemsize != size - file.tell():
        raise ValueError(f"its array {name!r} says that its shape is {shape}, but has {size - file.tell()} bytes.")
    content = bytearray(file.read())
    return np.ndarray(shape, dtype, content, order="F" if fortran else "C")
