"""Groups of rows that are calibrated by themselves: their labels, and the sentences about those that are not.

Reference:
    Vovk et al. (2003), Mondrian confidence machine; Vovk, Gammerman and Shafer (2005), Algorithmic learning in a random world.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection

import numpy as np
from sklearn.utils.validation import _num_samples

from mdn.data.declared import CATEGORY
from mdn.masks import unmasked
from mdn.tabular.columns import UnknownLevels
from mdn.tabular.features import ReadOnce
from mdn.tabular.frames import Column, arrays_of, column, is_frame
from mdn.wording import agreed, counted


def labels_of(X, groups) -> list[str]:
    """The label of the group of each row as text, "" where it is missing; 5.0 is "5", as in a column of categories.

    Args:
        X: Features.
        groups: The name of a column of the frame X, or one label a row: text or numbers.

    Raises:
        ValueError: if X has no such column, or there is not one label for each row.
    """
    if not isinstance(groups, str):
        values, rows = np.asarray(unmasked(groups)), _num_samples(arrays_of(X)[0])
        if values.shape != (rows,):
            raise ValueError(
                "`groups` must be the name of a column of X or one label for "
                f"{agreed(rows, 'its only row', f'each of its {rows} rows')}, but its shape is {values.shape}."
            )
        return Column("groups", values).words
    X = X.table if isinstance(X, ReadOnce) else X
    found = {str(name): name for name in X.columns} if is_frame(X) else {}
    if groups not in found:
        what = "has no such column" if is_frame(X) else f"is {type(X).__name__} without names"
        raise ValueError(
            f"the column {groups!r} names the group of each row, as in calibration, but X {what}. Pass a frame with this "
            "column, or `groups` with one label a row."
        )
    return column(X, found[groups], CATEGORY).words


def warn_of_small(groups, small: dict[str, int], fewest: int) -> None:
    """Warns of groups with too few rows to be calibrated.

    Args:
        groups: As in `labels_of`.
        small: The number of rows of each such group.
        fewest: The number of rows that they need.
    """
    if small:
        label, count = next(iter(small.items()))
        have, they = agreed(len(small), "has", "have"), agreed(len(small), "It uses", "They use")
        _warn(
            f"{_name(groups)}: {len(small)} of the groups {have} fewer than {fewest} rows of calibration, such as {label!r} with "
            f"{count}. {they} the calibration of all rows, which promises nothing about one group."
        )


def warn_of_unknown(groups, labels: list[str], known: Collection[str]) -> None:
    """Warns of rows to be predicted whose group has no calibration of its own; a missing label is no group.

    Args:
        groups: As in `labels_of`.
        labels: The labels of these rows.
        known: The labels of the groups that are calibrated by themselves.
    """
    unknown = [label for label in labels if label and label not in known]
    if unknown:
        are, themselves = (
            agreed(len(unknown), "is of a group that was", "are of groups that were"),
            agreed(len(unknown), "itself", "themselves"),
        )
        they = agreed(len(unknown), "It uses", "They use")
        _warn(
            f"{_name(groups)}: {len(unknown)} of {counted(len(labels), 'row')} {are} not calibrated by {themselves}, such "
            f"as {unknown[0]!r}. {they} the calibration of all rows, which promises nothing about one group."
        )


def _name(groups) -> str:
    return f"column {groups!r}" if isinstance(groups, str) else "`groups`"


def _warn(sentence: str) -> None:
    warnings.warn(sentence, UnknownLevels, stacklevel=6)
