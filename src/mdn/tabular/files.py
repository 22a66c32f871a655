"""A fitted regressor in one file: a zip of mdn.json and weights.npz, with nothing in it that could run code."""

from __future__ import annotations

import dataclasses
import io
import itertools
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from mdn import keras_files, models
from mdn.data import reading, replacing
from mdn.data.archives import plain_arrays, read_member
from mdn.data.dates import ORDERS, local
from mdn.data.schema import (
    Rule,
    anything,
    array,
    either,
    figure,
    flag,
    listed,
    mapping,
    maybe,
    number,
    one_of,
    record,
    text,
    whole,
)
from mdn.tabular import baselines, circular, outcome, trunk_files
from mdn.tabular.columns import About, Columns
from mdn.tabular.conformal import Calibration
from mdn.tabular.dates import CYCLES, DateCode
from mdn.tabular.features import MISSING, names_kept, restore_names
from mdn.tabular.member import Member
from mdn.tabular.network import MOST_BINS, Architecture, shared
from mdn.tabular.recorded import IN_FILES, Recorded
from mdn.tabular.regions import ranked
from mdn.tabular.trunk import Trunk
from mdn.training import History
from mdn.wording import agreed, counted

KIND = "regressor"
_WEIGHTS = "weights.npz"
_WITHOUT: dict[str, tuple] = {  # values for which nothing is written: older versions do not know the setting, and do the same
    **dict.fromkeys(("calibration", "bounds", "censoring", "period", "trunk"), (None,)),
    "family": ("normal",), "missing": ("indicator",), "feature_bins": ("auto", 0),
}  # fmt: skip


def save(regressor, path) -> None:
    """Writes a fitted regressor; an earlier file at `path` stays until the new one is complete."""
    calibration = ranked(regressor)
    parameters = {**regressor.get_params(), "random_state": None, "trunk": None}
    parameters = {name: value for name, value in parameters.items() if value not in _WITHOUT.get(name, ())}
    description = {
        "parameters": parameters,
        "features": regressor.n_features_in_,
        "feature_names": names_kept(regressor),
        "columns": regressor.columns_.levels,
        "from_file": regressor.columns_.from_file,
        "targets": regressor.n_targets_,
        "target_names": regressor.target_names_,
        "grid": regressor.target_grid_,
        "recorded": regressor.recorded_,
        **baselines.described(regressor.baseline_),
        "members": [_of_member(member) for member in regressor.members_],
        "left_out": regressor.columns_.left_out,
        "about_columns": regressor.columns_.about,
        "seen": regressor.seen_,
        "rows_seen": regressor.n_samples_seen_,
    }
    # What older versions do without: how numbers were written in the training file, how many cells were (other), and roles
    columns = regressor.columns_
    kept = {"decimals": columns.decimals, "other_shares": columns.others, "ids": columns.ids, "bounds": columns.bounds}
    kept |= {"no_bins": regressor.feature_bins == 0, "money": columns.money}
    description |= {name: value for name, value in kept.items() if value}
    if regressor.columns_.units is not None:
        description["units"] = regressor.columns_.units
    if np.any(regressor.target_origin_) or np.any(regressor.feature_origin_):  # older versions of mdn know no origin
        origin = {"targets": regressor.target_origin_, "features": regressor.feature_origin_}
        description |= {"format": 2, "origin": origin}
    if regressor.columns_.dates:  # older versions would take days for what they are not
        description |= {"format": 3, "dates": regressor.columns_.dates}
    if calibration is not None:  # older versions would answer with intervals that are not calibrated
        description |= {"format": 4, "calibrated": True}
        if calibration.groups is not None:  # and these with the intervals of all rows
            description |= {"format": 5, "calibration_groups": calibration.description}
    if isinstance(regressor.outcome_, circular.Circle):  # older versions know no circle
        circle = dataclasses.asdict(regressor.outcome_)
        description |= {"format": 6, "circle": {name: circle[name] for name in ("period", "low", "turn")}}
    elif regressor._stand_for_sets:  # older versions would take sets for points
        description |= {"format": 5, "outcome": outcome.description(regressor.outcome_)}
    if len(regressor.indicators_) or regressor.trunk_ is not None:  # older versions make networks without either
        description["format"] = 6
    if any(member.architecture.bins for member in regressor.members_):  # nor networks with bins
        description["format"] = 7
    if len(regressor.indicators_):
        description["indicators"] = regressor.indicators_
    if regressor.trunk_ is not None:
        description["trunk"] = regressor.trunk_.description
    weights = {f"{i}/{j}": w for i, member in enumerate(regressor.members_) for j, w in enumerate(member.weights)}
    weights |= {} if calibration is None else calibration.arrays()
    weights |= {} if regressor.trunk_ is None else {f"trunk/{i}": w for i, w in enumerate(regressor.trunk_.fixed)}
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **weights)
    with replacing(path) as temporary:
        with zipfile.ZipFile(temporary, "w") as archive:
            archive.writestr(_WEIGHTS, buffer.getvalue())
        models.write_description(temporary, KIND, _plain(description))


def _of_member(member: Member) -> dict[str, Any]:
    architecture = vars(member.architecture).copy()
    del architecture["trunk"]  # stored once, for all members
    for name in ("atoms", "circular", "bins"):  # older versions do not know them
        if not architecture[name]:
            del architecture[name]
    kept = {name: value for name, value in vars(member).items() if name not in ("start", "judged")}
    return {**kept, "weights": None, "architecture": architecture}


def load(cls, path, made: Callable | None = None):
    """The regressor, of class `cls`, that `save` wrote.

    Args:
        cls: `MDNRegressor`, or a class derived from it.
        path: Path of the file.
        made: The function that was the `trunk` in training, if one was.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file is truncated, not written by `save`, or from a newer version, or if `made` does not belong to it.
    """
    path = Path(path)
    description = models.read_description(path)
    if description is None or description["kind"] != KIND:
        raise ValueError(f"{str(path)!r} holds no MDNRegressor. Files of MDNRegressor.save and `mdn fit` do.")
    trunk_files.check_made(description, path, made)
    try:
        with reading(path, "a model of MDNRegressor.save"):
            description = _checked(description)
            arrays = _arrays(path)
            trunk, layer = trunk_files.of(description, arrays, made)
            members = _members(arrays, description["members"], trunk)
            calibrated, groups = description.get("calibrated", False), description.get("calibration_groups")
            calibration = Calibration.of(arrays, description["target_names"], groups) if calibrated else None
            parameters = description["parameters"]
            for name in ("bounds", "hidden_sizes"):
                if isinstance(parameters.get(name), list):
                    parameters[name] = tuple(parameters[name])
            bins = {"feature_bins": 0} if description.get("no_bins") else {}
            regressor = cls(**parameters, **bins, **({} if trunk is None else {"trunk": layer}))
    except ValueError as error:
        if made is not None:
            raise ValueError(f"`trunk` makes other layers than those that {str(path)!r} holds: {error}") from error
        raise ValueError(f"{str(path)!r} is damaged: {error} Save it again.") from error
    regressor.n_features_in_ = description["features"]
    if "circle" in description:
        regressor.outcome_ = circular.Circle(**description["circle"])
    else:
        regressor.outcome_ = outcome.of(description.get("outcome", {"cells": False}))
    regressor.columns_, regressor.trunk_ = _columns(description), trunk
    restore_names(regressor, description["feature_names"])
    regressor.indicators_ = description.get("indicators", [])
    regressor.seen_, regressor.n_samples_seen_ = description.get("seen", []), description.get("rows_seen", 0)
    regressor.n_targets_, regressor.target_names_ = description["targets"], description["target_names"]
    nowhere = {"targets": [0.0] * len(regressor.target_names_), "features": [0.0]}
    origin = description.get("origin", nowhere)
    regressor.target_origin_, regressor.feature_origin_ = (np.array(origin[side]) for side in ("targets", "features"))
    regressor.target_grid_ = np.array(description["grid"])
    targets = len(regressor.target_names_)
    regressor.recorded_ = [one and Recorded(**one) for one in description.get("recorded", [None] * targets)]
    regressor.baseline_ = baselines.of(description)
    regressor.members_, regressor.calibration_ = members, calibration
    regressor.num_components_ = len(members[0].alive)
    regressor.history_ = members[0].history
    return regressor


# ---- checks of a file's description ----------------------------------------------------------------------------------

_OPTIONAL = (
    "recorded", "indicators", "trunk", "origin", "seen", "calibrated", "calibration_groups", "outcome", "circle", "decimals",
    "units", "other_shares", "ids", "bounds", "rows_seen", "from_file", "line", "no_bins", "money",
)  # fmt: skip
_MOST_UNITS = 2**20  # the most units of a layer, components of a mixture, targets
_size, _figures = whole(1, _MOST_UNITS), listed(figure)
_covariance: Rule = either(whole(1, _MOST_UNITS), one_of("diagonal", "isotropic", "full"))
_loss = one_of("nll", "crps")
_PARAMETERS: dict[str, Any] = {
    "num_components": either(_size, one_of("auto")), "hidden_sizes": listed(_size), "covariance": _covariance,
    "ensemble_size": _size, "loss": _loss, "activation": text, "epochs": whole(1), "batch_size": whole(1),
    "learning_rate": number(), "weight_decay": number(), "feature_noise": number(0.0), "target_noise": number(0.0),
    "feature_bins": either(whole(0, MOST_BINS), one_of("auto")),
    "averaging": number(), "validation_fraction": number(), "patience": maybe(number()), "restarts": whole(1),
    "refit": flag, "missing": one_of(*MISSING), "n_jobs": maybe(whole(-(2**31))),
    "calibration": one_of(None, "conformal"), "family": one_of(*outcome.FAMILIES), "random_state": one_of(None),
    "censoring": one_of(None, "interval", "right"), "bounds": maybe(either(one_of("auto"), listed(figure, count=2))),
    "verbose": either(flag, whole()), "period": maybe(number(above=0.0)),
}  # fmt: skip


def _activation(value, name: str) -> str:
    text(value, name)
    try:
        keras.activations.get(value)
    except ValueError:
        raise ValueError(f"`{name}` must be the name of an activation of Keras, but {value!r} stands there.") from None
    return value


def _checked(description: dict) -> dict[str, Any]:
    """Checks the description of a regressor: each part, and that the parts fit each other.

    Raises:
        ValueError: naming the first part that does not.
    """
    # First the sizes that the rules for other parts need
    about = record(targets=maybe(_size), columns=mapping(maybe(listed(text, least=1))), features=_size, others=True)
    about = about(description, "")
    targets, columns, features = about["targets"] or 1, about["columns"], about["features"]
    if columns and len(columns) != features:
        raise ValueError(
            f"`columns` must be {features}, as `features` says, but there {agreed(len(columns), 'is', 'are')} {len(columns)}."
        )
    known = record(dates=mapping(_date), left_out=listed(text), about_columns=listed(listed(text, count=3)),
                   optional=("dates", "left_out", "about_columns"), others=True)(description, "")  # fmt: skip
    if any(columns.get(name, "") is not None for name in known.get("dates", {})):
        raise ValueError("`dates` must be columns without levels, but some are not.")
    inputs = len(_columns(known).names or range(features))
    indicators = listed(whole(0, inputs - 1))
    known = record(indicators=indicators, optional=("indicators",), others=True)(description, "")
    width = inputs + len(known.get("indicators", []))
    names = listed(text, count=features) if description.get("feature_names") else listed(text)
    checked = record(
        parameters=record(optional=_PARAMETERS, others=True, **_PARAMETERS),
        features=_size,
        feature_names=names,
        columns=anything,
        targets=anything,
        target_names=listed(text, count=targets),
        grid=listed(number(0.0), count=targets),
        recorded=listed(maybe(IN_FILES), count=targets),
        baseline=maybe(baselines.rule(targets)),
        line=baselines.rule_of_line(width, targets),
        members=listed(_member(width, targets), least=1),
        origin=record(targets=listed(number(), count=targets), features=listed(number(), count=inputs)),
        seen=listed(whole(0, 2**32)),
        rows_seen=whole(),
        calibrated=flag,
        calibration_groups=record(column=maybe(text), labels=listed(text)),
        outcome=_outcome,
        circle=circular.IN_FILES,
        decimals=mapping(one_of(",", ".")),
        units=mapping(one_of("%", "‰")),
        money=mapping(text),
        from_file=flag,
        other_shares=mapping(number(0.0)),
        ids=listed(text),
        bounds=listed(text),
        no_bins=flag,
        indicators=indicators,
        trunk=trunk_files.rule(features),
        optional=_OPTIONAL,
        others=True,
    )(description, "")
    if columns and checked["feature_names"] and checked["feature_names"] != list(columns):
        raise ValueError("`feature_names` and the names of `columns` must be the same, but they differ.")
    circles = {each["architecture"].get("circular", False) for each in checked["members"]}
    if circles != {checked["parameters"].get("period") is not None} or circles != {"circle" in checked}:
        raise ValueError(
            "`period`, `circle` and `circular` of all members must stand there, or none of them, but some do."
        )
    kinds = {(each["architecture"]["covariance"]) for each in checked["members"]}
    if len(kinds) > 1:
        raise ValueError(f"`covariance` must be the same for all members, but {kinds} stand there.")
    return checked


def _outcome(value, name: str):
    outcome.of(value)
    return value


def _date(value, name: str):
    parts: dict[str, Any] = {"origin": number(), "zone": text, "marks": text, "order": one_of(*ORDERS)}
    value = record(optional=("marks",), cycles=listed(one_of(*CYCLES)), short_years=flag, **parts)(value, name)
    try:
        local(np.zeros(1), value["zone"])
    except ValueError as error:
        raise ValueError(f"`{name}.zone`: {error}") from None
    return value


def _columns(description: dict) -> Columns:
    dates = description.get("dates", {})
    return Columns(
        description["columns"],
        {name: DateCode(**{**one, "cycles": tuple(one["cycles"])}) for name, one in dates.items()},
        tuple(description.get("left_out", ())),
        tuple(About(*row) for row in description.get("about_columns", ())),
        description.get("decimals"),
        description.get("units"),
        description.get("other_shares"),
        # older versions kept no names of a table from a file
        from_file=description.get("from_file", not description["feature_names"] and bool(description["columns"])),
        ids=tuple(description.get("ids", ())),
        bounds=tuple(description.get("bounds", ())),
        money=description.get("money"),
    )


def _member(inputs: int, targets: int) -> Rule:
    parts: dict[str, Any] = {
        "width": whole(inputs, _MOST_UNITS), "hidden_sizes": listed(_size), "activation": _activation,
        "event_size": whole(targets, targets), "num_components": _size, "covariance": _covariance,
        "feature_noise": number(0.0), "loss": _loss, "atoms": whole(0, _MOST_UNITS), "circular": flag,
        "bins": whole(0, MOST_BINS),
    }  # fmt: skip
    history = record(loss=_figures, val_loss=_figures, best_epoch=whole(), interrupted=flag, others=True)

    def rule(value, name):
        network = record(optional=("atoms", "circular", "bins"), **parts)
        value = record(
            architecture=network, weights=one_of(None), val_loss=figure, history=history, widening=number(above=0.0),
            alive=listed(whole(), least=1),
        )(value, name)  # fmt: skip
        alive, count = value["alive"], value["architecture"]["num_components"]
        if sorted(set(alive)) != alive or alive[-1] >= count:
            raise ValueError(
                f"`{name}.alive` must be places from 0 to {count - 1}, ascending, but {alive} stand there."
            )
        return value

    return rule


def _arrays(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        return plain_arrays(io.BytesIO(read_member(archive, _WEIGHTS)))


def _members(arrays: dict[str, np.ndarray], descriptions: list[dict], trunk: Trunk | None) -> list[Member]:
    known = {field.name for field in dataclasses.fields(History)}
    members = []
    for i, one in enumerate(descriptions):
        weights = [arrays[f"{i}/{j}"] for j in range(sum(name.startswith(f"{i}/") for name in arrays))]
        architecture = Architecture.of(one["architecture"], trunk)
        _check_weights(architecture, weights, f"members[{i}].weights")
        history = History(**{name: value for name, value in one["history"].items() if name in known})
        members.append(
            Member(**{**one, "weights": weights, "architecture": architecture, "history": history}),
        )
    return members


def _check_weights(architecture: Architecture, weights: list[np.ndarray], name: str) -> None:
    """Raises a ValueError if the weights do not fit this network. Matrices are checked before it is built: it may be huge."""
    trunk = architecture.trunk
    if trunk is None:  # means of bins, like kernels, are matrices
        width, bins = architecture.width, architecture.bins
        sizes = [width * (1 + bins), *architecture.hidden_sizes]
        kernels = [(width, bins + 1), (width, bins)] if bins else []
        kernels += itertools.pairwise(sizes)
        kernels += [(sizes[-1], size) for _, size in architecture.spec.heads]
        found = [one.shape for one in weights if one.ndim == 2]
        if found != kernels:
            raise ValueError(f"`{name}` must have matrices of the shapes {kernels}, but they are {found}.")
    with keras_files.building(trunk and trunk.description["config"], sum(one.size for one in weights)):
        variables = shared(architecture).model.variables
    if len(variables) != len(weights):
        raise ValueError(
            f"`{name}` must be {counted(len(variables), 'array')}, but {counted(len(weights), 'array')} came."
        )
    for variable, one in zip(variables, weights, strict=True):
        array(*variable.shape, kinds=np.dtype(variable.dtype).kind)(one, f"{name}: {variable.name}")
        if variable.name == "spread" and not (one > 0.0).all():
            raise ValueError(f"`{name}: spread` must be above 0.")


def _plain(value):
    """A value in types that JSON can hold."""
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
