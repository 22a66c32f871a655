"""A fitted regressor in one file: a zip of mdn.json and weights.npz, with nothing in it that could run."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from pathlib import Path

import numpy as np

from mdn import models
from mdn.data import replacing

KIND = "regressor"
_WEIGHTS = "weights.npz"


def write(path, description: dict, weights: list[list[np.ndarray]]) -> None:
    """Writes a description (JSON) and arrays; what stood at `path` before stays until the new file is complete."""
    buffer = io.BytesIO()
    arrays = {f"{i}/{j}": array for i, member in enumerate(weights) for j, array in enumerate(member)}
    np.savez(buffer, allow_pickle=False, **arrays)
    with replacing(path) as temporary:
        with zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr(_WEIGHTS, buffer.getvalue())
        models.write_description(temporary, KIND, plain(description))


def read(path) -> tuple[dict, list[list[np.ndarray]]]:
    """What `write` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is truncated, from elsewhere, or of a newer version.
    """
    path = Path(path)
    description = models.read_description(path)
    if description is None or description["kind"] != KIND:
        raise ValueError(f"{str(path)!r} holds no MDNRegressor. Files of MDNRegressor.save and `mdn fit` do.")
    try:
        with zipfile.ZipFile(path) as archive:
            arrays = np.load(io.BytesIO(archive.read(_WEIGHTS)), allow_pickle=False)
            members = range(len(description["members"]))
            names = [[name for name in arrays.files if name.startswith(f"{i}/")] for i in members]
            return description, [[arrays[f"{i}/{j}"] for j in range(len(names[i]))] for i in members]
    except (KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{str(path)!r} is damaged: {error}. Save it again.") from error


def plain(value):
    """A value as JSON can hold it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value
