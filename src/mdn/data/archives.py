"""Zip archives of plain arrays and of text from outside: bounded in size, and nothing in them is run."""

from __future__ import annotations

import copy
import io
import math
import zipfile
from collections.abc import Callable, Container
from typing import Any

import numpy as np

from mdn.data import limits
from mdn.wording import counted

_PLAIN = "biufcUS"  # kinds of numbers and text
_LAST_CHARACTER = 0x10FFFF
_HEADERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


def check_unpacked(archive: zipfile.ZipFile, most: int | None = None) -> None:
    """Raises a ValueError if the members of an archive would unpack to more than `most` bytes; by default see `limits`."""
    there = sum(one.file_size for one in archive.infolist())
    if most is None:
        most = max(limits.ARCHIVE, limits.ARCHIVE_TIMES * sum(one.compress_size for one in archive.infolist()))
    if there > most:
        raise ValueError(
            f"it would unpack to {counted(there, 'byte', form=',')}, but {most:,} are the most that is read."
        )


def read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo | str) -> bytes:
    """A member of an archive whose sizes were checked. It never unpacks more bytes than the archive says the member has."""
    info = archive.getinfo(member) if isinstance(member, str) else member
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):  # others unpack all at once
        raise ValueError(f"its member {info.filename!r} is packed in a way that is not read.")
    # Asks for one byte more than the archive says: that shows whether there are more bytes, without unpacking them. (Without
    # a size, zipfile unpacks all bytes before it cuts; so does Keras, when it reads the same member.)
    longer = copy.copy(info)
    longer.file_size += 1
    with archive.open(longer) as file:
        content = file.read(info.file_size + 1)
    if len(content) != info.file_size:
        raise ValueError(
            f"its member {info.filename!r} is not {counted(info.file_size, 'byte', form=',')} long, as the "
            "archive says."
        )
    return content


def plain_arrays(source, without: Container[str] = ()) -> dict[str, np.ndarray]:
    """The arrays of numbers and text of a .npz file, by name.

    Args:
        source: A path, or a file that is open for reading.
        without: Names of arrays that are not read.

    Raises:
        ValueError: if a member is no such array, or its shape does not fit its size; for other errors see `reading`.
    """
    with zipfile.ZipFile(source) as archive:
        check_unpacked(archive)
        members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}
        return {
            name: read_array(name, read_member(archive, member))
            for name, member in members.items()
            if name not in without
        }


def read_array(
    name: str, content: bytes, objects: Callable[[bytes, tuple[int, ...]], np.ndarray] | None = None
) -> np.ndarray:
    """The array of numbers or text in a .npy file; for an object array, the result of `objects(pickle, shape)`.

    Raises:
        ValueError: if it holds anything else, or its shape does not fit its size.
    """
    file = io.BytesIO(content)
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError(f"its array {name!r} is of the unknown version {version}.")
    shape, fortran, dtype = _HEADERS[version](file)
    if dtype.kind == "O" and objects is not None:
        return objects(file.read(), shape)
    if dtype.kind not in _PLAIN or dtype.names is not None:
        raise ValueError(f"its array {name!r} must hold numbers or text, but holds {str(dtype)[:60]}.")
    array = array_of(bytearray(file.read()), shape, dtype, fortran, f"its array {name!r}")
    if dtype.kind == "U" and np.any(
        array.ravel("K").view(np.dtype("u4").newbyteorder(dtype.byteorder)) > _LAST_CHARACTER
    ):
        raise ValueError(f"its array {name!r} holds text of numbers that are no characters.")
    return array


def array_of(
    content: bytes | bytearray, shape: Any, dtype: np.dtype, fortran: bool, name: str = "an array"
) -> np.ndarray:
    """An array on the memory of `content`, whose length must fit the shape and the type.

    Raises:
        ValueError: if it does not.
    """
    sizes = isinstance(shape, tuple) and all(type(length) is int and length >= 0 for length in shape)
    if not sizes or math.prod(shape) * dtype.itemsize != len(content):
        raise ValueError(
            f"{name} says that its shape is {str(shape)[:80]}, of {dtype.str}, but has {counted(len(content), 'byte')}."
        )
    return np.ndarray(shape, dtype, content, order="F" if fortran else "C")
