"""Checks of the sequences, items and primes that users pass; `conditions` checks what comes beside them."""

from __future__ import annotations

import numpy as np

from mdn.masks import unmasked
from mdn.wording import counted


def as_sequences(sequences, size: int, name: str = "sequences") -> list[np.ndarray]:
    """A list of float32 arrays `(T_i, size)`.

    Args:
        sequences: A list of arrays `(T_i, size)`; one array `(N, T, size)`, a sequence ending where its rows are NaN
            throughout; or `(points, offsets)`, flat points `(sum of T_i, size)` and N + 1 offsets into them.
        size: The width of an event.
        name: The name of the argument, for messages.

    Raises:
        ValueError: if there are none, if one is empty or of another width, or if a step is infinite or wholly NaN.

    Example:
        >>> import numpy as np
        >>> from mdn.sequences import as_sequences
        >>> [one.shape for one in as_sequences([np.zeros((3, 2)), np.zeros((5, 2))], size=2)]
        [(3, 2), (5, 2)]
    """
    if _is_flat(sequences):
        points, offsets = np.asarray(unmasked(sequences[0])), np.asarray(sequences[1])
        if offsets[0] != 0 or offsets[-1] != len(points) or np.any(np.diff(offsets) < 0):
            raise ValueError(f"`{name}`: offsets must rise from 0 to the number of points, {len(points)}.")
        sequences = np.split(points, offsets[1:-1])
    elif isinstance(sequences, np.ndarray) and sequences.ndim == 3:
        sequences = [one[: _length(one)] for one in unmasked(sequences)]
    elif hasattr(sequences, "ndim"):
        raise ValueError(
            f"`{name}` must be a list of arrays (T, {size}), an array (N, T, {size}) or (points, offsets), but an array of "
            f"shape {tuple(sequences.shape)} came. For one sequence: [array]."
        )
    found = list(sequences)
    if not found:
        raise ValueError(f"`{name}` must hold at least one sequence, but it is empty.")
    return [as_sequence(one, size, i, name) for i, one in enumerate(found)]


def as_sequence(one, size: int, place: int, name: str) -> np.ndarray:
    """A float32 array `(T, size)` of finite steps.

    Args:
        one: Shape `(T, size)`.
        size: The width of an event.
        place: Which sequence this is, for messages.
        name: What it belongs to, for messages.

    Raises:
        ValueError: if it is empty or of another width, or if a step is infinite or wholly NaN.
    """
    one = np.asarray(unmasked(one), "float32")
    if one.ndim != 2 or one.shape[-1] != size or not len(one):
        raise ValueError(
            f"`{name}`: each must have shape (steps, {size}) with at least one step, but sequence {place} has {one.shape}."
        )
    bad = np.isinf(one).any(axis=-1) | np.isnan(one).all(axis=-1)
    if bad.any():
        step = int(np.argmax(bad))
        raise ValueError(
            f"`{name}`: step {step} of sequence {place} is {one[step].tolist()}: a step needs finite numbers (NaN for some "
            "of them means missing). Leave it out or mend it."
        )
    return one


def as_items(items, size: int) -> list:
    """A list of items that `encode` takes; the forms of `as_sequences` that are no list become lists of sequences."""
    found = as_sequences(items, size) if isinstance(items, np.ndarray) or _is_flat(items) else list(items)
    if not found:
        raise ValueError("`sequences` must hold at least one item, but it is empty.")
    return found


def as_primes(prime, count: int, size: int) -> list[np.ndarray]:
    """The primes of `count` sequences, arrays `(T_i, size)`; `prime` is one array for all, a list of `count`, or None."""
    if prime is None:
        return [np.empty((0, size), "float32")] * count
    if hasattr(prime, "ndim") and prime.ndim == 2:
        prime = [prime] * count
    found = as_sequences(prime, size, "prime")
    if len(found) != count:
        raise ValueError(f"`prime` must be one sequence or batch_size={count} of them, but {len(found)} came.")
    return found


def _is_flat(sequences) -> bool:
    """Whether sequences come as (points, offsets): flat points, and where each sequence begins."""
    return (
        isinstance(sequences, tuple)
        and len(sequences) == 2
        and np.ndim(sequences[1]) == 1
        and np.ndim(sequences[0]) == 2
    )


def _length(one: np.ndarray) -> int:
    known = np.flatnonzero(~np.isnan(one).all(axis=-1))
    return int(known[-1]) + 1 if len(known) else 0


def check_given(lengths, given: int, name: str = "sequences") -> None:
    """Raises a ValueError if nothing is left of sequences of these lengths behind the first `given` events of each."""
    longest = int(np.max(lengths))
    if not 0 <= given < longest:
        raise ValueError(
            f"`given` must be from 0 to {longest - 1}, so that something is left to learn or to score: the longest of `{name}` "
            f"has {counted(longest, 'event')}. {given} came."
        )
