"""The trunk of a regressor in its file: the config of a Keras layer, or the shapes alone where a function made the layers."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mdn import keras_files
from mdn.data.schema import Rule, anything, listed, one_of, record, text, whole
from mdn.tabular.trunk import KINDS, Trunk
from mdn.wording import counted

_MOST = 2**31  # numbers in a row of one array


def check_made(description: dict, path: Path, made: Callable | None) -> None:
    """Checks a description of a regressor before anything is made of it.

    Args:
        description: As a file holds it.
        path: The file.
        made: The function that a user passes for the trunk.

    Raises:
        ValueError: if the file needs a function and none came, or the other way round; or if the trunk has a class that is not
            known.
    """
    about = description.get("trunk")
    config = about.get("config") if isinstance(about, dict) else None
    needs = isinstance(about, dict) and config is None
    if needs and made is None:
        raise ValueError(
            f"{str(path)!r} was learnt with a function as `trunk`, which no file can hold: pass the same function, "
            "mdn.load(path, trunk=...)."
        )
    if made is not None and not needs:
        raise ValueError(f"{str(path)!r} needs no `trunk`, but one came: load it without.")
    keras_files.check_classes(config, path)


def rule(features: int) -> Rule:
    """The rule for the description of a trunk whose rows have `features` numbers."""
    shapes = listed(listed(whole(1, _MOST), least=1), least=1)
    parts = record(config=anything, kind=one_of(*KINDS), names=listed(text, least=1), shapes=shapes)

    def checked(value, name):
        value = parts(value, name)
        if len(value["names"]) != len(value["shapes"]) or sum(map(math.prod, value["shapes"])) != features:
            raise ValueError(
                f"`{name}.shapes` must be one for each of `names`, {counted(features, 'number')} in all, but is not."
            )
        return value

    return checked


def of(description: dict, arrays: dict[str, np.ndarray], made: Callable | None) -> tuple[Trunk | None, Any]:
    """(the trunk of a file, the parameter `trunk` of its regressor), each None without one.

    Args:
        description: As `rule` checked it.
        arrays: Those of the file.
        made: The function that a user passes for the trunk.

    Raises:
        ValueError: if the layers need more weights than the file holds.
    """
    about = description.get("trunk")
    if about is None:
        return None, None
    if made is not None:
        return Trunk(made, about["kind"], tuple(about["names"]), tuple(map(tuple, about["shapes"]))), made
    fixed = [arrays[f"trunk/{i}"] for i in range(sum(name.startswith("trunk/") for name in arrays))]
    trunk = Trunk.stored(**about, fixed=fixed)
    with keras_files.building(about["config"], sum(one.size for one in arrays.values())):
        return trunk, trunk.layer()
