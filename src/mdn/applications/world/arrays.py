"""Files of plain arrays by name and what describes them: never half-written, read without pickle, refused when damaged."""

from __future__ import annotations

import io
import json
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mdn.data import replacing

FORMAT = 1
_ABOUT = "about"  # the member with what is no array, as JSON


class Damaged(ValueError):
    """A file that is not what it was written as."""


def write_arrays(path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any], compressed: bool = False) -> None:
    """Writes a `.npz`, whole or not at all; the same arrays give the same bytes."""
    written = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(written, **{_ABOUT: np.array(json.dumps({"format": FORMAT, **about}))}, **arrays)  # type: ignore[arg-type]
    with replacing(path) as temporary:
        temporary.write_bytes(written.getbuffer())


def read_arrays(path, without: tuple[str, ...] = ()) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays by name, what describes them) of a file by `write_arrays`.

    Args:
        path: Of the file.
        without: Arrays that are not wanted, and not read.

    Raises:
        FileNotFoundError: if there is no such file.
        Damaged: if it was cut off, changed or written by something else.
        ValueError: if it is of a newer version.
    """
    try:
        with open(path, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files if name not in without}
        about = json.loads(str(arrays.pop(_ABOUT)))
        version = about.pop("format")
    except FileNotFoundError:
        raise
    except (OSError, EOFError, ValueError, KeyError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        raise Damaged(f"{str(path)!r} is damaged ({error})") from error
    if version > FORMAT:
        raise ValueError(f"{str(path)!r} was written by a newer version of mdn: upgrade mdn to read it.")
    return arrays, about


def forget_unfinished(folder: Path) -> None:
    """Removes what a killed process left while it wrote."""
    for left in folder.glob(".*.npz"):
        left.unlink(missing_ok=True)
