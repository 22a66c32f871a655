"""ECG: one lead of a heart, 120 integer samples a second, and the frames that the network sees.

A record is an array `(T,)` of integers, 200 a mV. Its level wanders with breath and skin and says little of the heart, so a
high-pass takes it away. The filter sees the past only and adds each sample as it is, so what is a density of filtered samples
is one of samples: the log-Jacobian is 0. The network sees frames of FRAME samples: how far each of them lies from the last
sample before the frame. The last column of a frame is therefore how far the level moved, and the log density of a frame is
that of its samples given all before.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from mdn.data import read_object_arrays

RATE = 120  # samples a second
PER_MILLIVOLT = 200
FRAME = 4
PIECE = 30 * RATE  # samples
_KEPT = 1.0 - 1.0 / RATE  # of the level, from sample to sample: a second until it is forgotten


def read_records(path) -> dict[str, np.ndarray]:
    """Records `(T,)` of integers by name, from an .npz that unpacks as `mdn.data.read_object_arrays` says.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file holds something else.
    """
    records = read_object_arrays(path)
    for name, record in records.items():
        if record.ndim != 1 or len(record) < PIECE or record.dtype.kind not in "iu":
            raise ValueError(
                f"{str(path)!r}: a record must be integers (T,), {PIECE} at least, but {name!r} is {record.dtype} of shape "
                f"{record.shape}."
            )
    return records


def split(records: dict[str, np.ndarray], seed: int = 0) -> dict[str, dict[str, np.ndarray]]:
    """Parts "train", "valid" and "test": a sixth of the records, at least one, to choose the epoch by, as many to judge by.

    Raises:
        ValueError: if there are fewer than three records.
    """
    if len(records) < 3:
        raise ValueError(
            f"at least 3 records are needed, to learn, to choose and to judge by, but {len(records)} came."
        )
    names = list(np.random.default_rng(seed).permutation(sorted(records)))
    few = max(1, len(names) // 6)
    parts = {"train": names[2 * few :], "valid": names[few : 2 * few], "test": names[:few]}
    return {part: {str(name): records[name] for name in sorted(chosen)} for part, chosen in parts.items()}


def filtered(samples) -> np.ndarray:
    """Samples `(T,)` without the level that they wander about; the first is 0."""
    samples = np.asarray(samples, "float64")
    return lfilter([1.0, -1.0], [1.0, -_KEPT], samples - samples[0])


def unfiltered(filtered, before: float = 0.0, start: float = 0.0) -> np.ndarray:
    """The samples that `filtered` makes of these.

    Args:
        filtered: Shape `(T,)`.
        before: The filtered sample before the first.
        start: The sample before the first.
    """
    filtered = np.asarray(filtered, "float64")
    return start + np.cumsum(filtered - _KEPT * np.concatenate([[before], filtered[:-1]]))


def pieces(records: dict[str, np.ndarray], seed: int | None = 0) -> list[np.ndarray]:
    """Filtered pieces `(PIECE,)` of records, integers spread over their cells by `seed`; without a seed as they are."""
    rng = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    for record in records.values():
        whole = filtered(record if seed is None else spread(record, rng))
        found += np.split(whole[: len(whole) // PIECE * PIECE], len(whole) // PIECE)
    return found


def spread(samples, rng: np.random.Generator) -> np.ndarray:
    """Integers moved by U(±½), each within its cell: a density could grow a spike on integers, and buy likelihood with it."""
    return samples + rng.uniform(-0.5, 0.5, np.shape(samples))


def frames(samples) -> np.ndarray:
    """Frames `(N, FRAME)` of samples `(N·FRAME,)`; before the first it is as if there was a sample 0."""
    samples = np.asarray(samples, "float64").reshape(-1, FRAME)
    before = np.concatenate([[0.0], samples[:-1, -1]])
    return (samples - before[:, None]).astype("float32")


def samples(frames, start: float = 0.0) -> np.ndarray:
    """The samples `(N·FRAME,)` that frames lead to from the sample `start` before them."""
    frames = np.asarray(frames, "float64")
    before = start + np.cumsum(frames[:, -1]) - frames[:, -1]
    return (before[:, None] + frames).reshape(-1)
