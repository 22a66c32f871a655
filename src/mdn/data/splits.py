"""Random splits of items into "train" to learn from, "valid" to choose the epoch and "test" to score."""

from __future__ import annotations

import numpy as np


def dealt(
    count: int, seed: int, what: str, *, fewest: int, share: int = 10, order: tuple[str, str] = ("valid", "test")
) -> dict[str, np.ndarray]:
    """Deals the indices from 0 to `count` - 1 at random to the parts "train", "valid" and "test".

    Args:
        count: How many items there are.
        seed: The same seed gives the same parts.
        what: What the items are, for the message.
        fewest: How many items are needed at least.
        share: One item in `share`, and at least one, goes to "valid", as many to "test"; the others are "train".
        order: The order in which these two parts are dealt.

    Raises:
        ValueError: if there are fewer than `fewest`.
    """
    if count < fewest:
        raise ValueError(
            f"at least {fewest} {what} are needed, to learn from some and judge by others, but there are {count}."
        )
    places, few = np.random.default_rng(seed).permutation(count), max(1, count // share)
    return {order[0]: places[:few], order[1]: places[few : 2 * few], "train": places[2 * few :]}
