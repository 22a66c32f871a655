"""Answers for a table that lies in parts: asked block by block, so that only the answers are held whole."""

from __future__ import annotations

import functools
import inspect
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from mdn.data.sources import ROWS, is_source, source_of
from mdn.random import Draws


def by_blocks(method: Callable | None = None, *, axis: int = 0, targets: bool = False) -> Callable:
    """A method of a regressor that takes a source in place of X, too.

    Args:
        method: The method; its first argument is X.
        axis: The axis of its answer along which rows lie.
        targets: Whether its second argument, `y`, are targets; those of a source are its columns.
    """
    if method is None:
        return functools.partial(by_blocks, axis=axis, targets=targets)
    arguments = inspect.signature(method)

    @functools.wraps(method)
    def answer(self, X, *args, **options):
        if not is_source(X):
            return method(self, X, *args, **options)
        check_is_fitted(self)
        said = arguments.bind_partial(self, X, *args, **options).arguments
        if targets and "y" in said:
            raise ValueError("`y` must be left out with a source, whose columns are the targets.")
        if said.get("groups") is not None:
            raise ValueError(
                "`groups` must be None with a source, of whose rows nobody knows the labels: ask block by block."
            )
        if said.get("seed") is not None:
            said["seed"] = Draws(said["seed"]).generator  # an int would give every block the same draws
        return _joined([method(**{**said, **block}) for block in _blocks(self, X, targets)], axis)

    return answer


def _blocks(regressor, X, targets: bool) -> Iterator[dict[str, Any]]:
    """The features X, and the targets y if they are wanted, of each block of a source."""
    columns = regressor.columns_
    if not columns.table_names or (targets and regressor.censoring):
        what = "targets that are known" if columns.table_names else "a regressor that learnt from columns with names"
        raise ValueError(f"a source needs {what}: pass arrays.")
    source = source_of(X, text=columns.text_names, learnt=columns.decimals)
    for block in source.blocks(ROWS):
        columns.check_names(block, regressor.target_names_ if targets else ())
        found: dict[str, Any] = {"X": block.select(columns.table_names)}
        if targets:
            for name in regressor.target_names_:
                if name in columns.decimals or name in (columns.units or {}):  # training saw how it was written
                    columns.check_unit(block, name)
            found["y"] = np.stack([block.column(name) for name in regressor.target_names_], axis=1)
        yield found


def _joined(found: list, axis: int):
    if isinstance(found[0], dict):
        return {name: _joined([each[name] for each in found], axis) for name in found[0]}
    return [*itertools.chain(*found)] if isinstance(found[0], list) else np.concatenate(found, axis=axis)
