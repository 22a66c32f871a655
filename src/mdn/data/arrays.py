"""Files of named plain arrays with a description: never half-written, read without pickle, refused when damaged."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mdn.data.archives import plain_arrays
from mdn.data.schema import Rule, record, whole
from mdn.files import reading, replacing

FORMAT = 1
_ABOUT = "about"  # the member that holds the description, as JSON


class Damaged(ValueError):
    """A file that has changed since it was written, or that `write_arrays` did not write."""


def write_arrays(path, arrays: Mapping[str, np.ndarray], about: Mapping[str, Any], compressed: bool = False) -> None:
    """Writes a `.npz`, whole or not at all; the same arrays and description give the same bytes."""
    written = io.BytesIO()
    save = np.savez_compressed if compressed else np.savez
    save(written, **{_ABOUT: np.array(json.dumps({"format": FORMAT, **about}))}, **arrays)  # type: ignore[arg-type]
    with replacing(path) as temporary:
        temporary.write_bytes(written.getbuffer())


def read_arrays(
    path, about: Rule, check: Callable[[dict, dict], None] | None = None, without: tuple[str, ...] = ()
) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(arrays by name, their description) from a file that `write_arrays` wrote.

    Args:
        path: The path of the file.
        about: The rule for the description; see `mdn.data.schema`.
        check: Takes both; raises a ValueError, or a KeyError for a missing array, if they do not fit each other.
        without: Names of arrays that are not read.

    Raises:
        FileNotFoundError: if there is no such file.
        Damaged: if it was cut off, changed or written by something else.
        ValueError: if it is from a newer version.
    """
    try:
        with reading(path, "a file of arrays"):
            arrays = plain_arrays(path, without)
            found = json.loads(str(arrays.pop(_ABOUT)))
            found = record(format=whole(), others=True)(found, "")
            newer = found.pop("format") > FORMAT
            if not newer:
                found = about(found, "")
                if check is not None:
                    check(arrays, found)
    except ValueError as error:
        raise Damaged(f"{str(path)!r} is damaged ({error})") from error
    if newer:
        raise ValueError(f"{str(path)!r} was written by a newer version of mdn: upgrade mdn to read it.")
    return arrays, found
