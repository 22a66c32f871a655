"""A fitted regressor in one file: a zip of mdn.json and weights.npz, with nothing in it that could run."""

from __future__ import annotations

import dataclasses
import io
import zipfile
from pathlib import Path

import numpy as np

from mdn import models
from mdn.data import replacing
from mdn.metrics import Baseline
from mdn.tabular.columns import Columns
from mdn.tabular.member import Member
from mdn.tabular.network import Architecture
from mdn.training import History

KIND = "regressor"
_WEIGHTS = "weights.npz"


def save(regressor, path) -> None:
    """Writes a fitted regressor; what stood at `path` before stays until the new file is complete."""
    baseline = regressor.baseline_
    description = {
        "parameters": {**regressor.get_params(), "random_state": None},
        "features": regressor.n_features_in_,
        "feature_names": [str(name) for name in getattr(regressor, "feature_names_in_", [])],
        "columns": regressor.columns_.levels,
        "targets": regressor.n_targets_,
        "target_names": regressor.target_names_,
        "grid": regressor.target_grid_,
        "baseline": None if baseline is None else vars(baseline),
        "members": [{**vars(member), "weights": None} for member in regressor.members_],
    }
    weights = {f"{i}/{j}": w for i, member in enumerate(regressor.members_) for j, w in enumerate(member.weights)}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **weights)
    with replacing(path) as temporary:
        with zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr(_WEIGHTS, buffer.getvalue())
        models.write_description(temporary, KIND, _plain(description))


def load(cls, path):
    """The regressor, of class `cls`, that `save` wrote.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is truncated, from elsewhere, or of a newer version.
    """
    path = Path(path)
    description = models.read_description(path)
    if description is None or description["kind"] != KIND:
        raise ValueError(f"{str(path)!r} holds no MDNRegressor. Files of MDNRegressor.save and `mdn fit` do.")
    try:
        members = _members(path, description["members"])
    except (KeyError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{str(path)!r} is damaged: {error}. Save it again.") from error
    parameters = description["parameters"]
    regressor = cls(**{**parameters, "hidden_sizes": tuple(parameters["hidden_sizes"])})
    regressor.n_features_in_ = description["features"]
    if description["feature_names"]:
        regressor.feature_names_in_ = np.array(description["feature_names"], dtype=object)
    regressor.columns_ = Columns(description["columns"])
    regressor.n_targets_, regressor.target_names_ = description["targets"], description["target_names"]
    regressor.target_grid_ = np.array(description["grid"])
    regressor.baseline_ = None if description["baseline"] is None else Baseline.of(description["baseline"])
    regressor.members_ = members
    regressor.num_components_ = len(members[0].alive)
    regressor.history_ = members[0].history
    return regressor


def _members(path: Path, descriptions: list[dict]) -> list[Member]:
    with zipfile.ZipFile(path) as archive:
        arrays = np.load(io.BytesIO(archive.read(_WEIGHTS)), allow_pickle=False)
    members = []
    for i, one in enumerate(descriptions):
        count = sum(name.startswith(f"{i}/") for name in arrays.files)
        one["weights"] = [arrays[f"{i}/{j}"] for j in range(count)]
        one["architecture"] = Architecture.of(one["architecture"])
        one["history"] = History(**one["history"])
        members.append(Member(**one))
    return members


def _plain(value):
    """A value as JSON can hold it."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value
