"""ECG: one lead of a heart, 120 integer samples a second, and the frames that the network sees.

A record is an array `(T,)` of integers, 200 a mV. Its level wanders with breath and skin and says little of the heart, so a
high-pass filter removes it. The filter sees only the past and adds each sample with weight 1, so the log-Jacobian is 0: a
density of filtered samples is a density of samples. The network sees frames of FRAME samples, each as its distance from the
last sample before the frame. The last column of a frame is therefore how far the level moved, and the log density of a frame
is that of its samples, conditional on all earlier ones.
"""

from __future__ import annotations

import numpy as np
from scipy.signal import lfilter

from mdn.data import find, read_object_arrays
from mdn.data.splits import dealt

RATE = 120  # samples a second
PER_MILLIVOLT = 200
FRAME = 4
PIECE = 30 * RATE  # samples
_KEPT = 1.0 - 1.0 / RATE  # share of the level that stays from one sample to the next: the time constant is 1 s


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


def read(source=None) -> dict[str, np.ndarray]:
    """The records of the file `source`, see `read_records`; by default those of the data set "ecg"."""
    return read_records(find("ecg", "mitbih12_120hz_int16.npz") if source is None else source)


def split(records: dict[str, np.ndarray], seed: int = 0) -> dict[str, dict[str, np.ndarray]]:
    """Deals records to "train", "valid" (chooses the epoch) and "test" (judges); the last two get a sixth each, at least one.

    Args:
        records: Integers `(T,)` by name, as `read` returns them.
        seed: The same seed gives the same parts.

    Raises:
        ValueError: if there are fewer than three records.
    """
    names = sorted(records)
    rows = dealt(len(names), seed, "records", fewest=3, share=6, order=("test", "valid"))
    return {
        part: {names[i]: records[names[i]] for i in np.sort(rows[part]).tolist()} for part in ("train", "valid", "test")
    }


def filtered(samples) -> np.ndarray:
    """Samples `(T,)` without their wandering level; the first is 0."""
    samples = np.asarray(samples, "float64")
    return lfilter([1.0, -1.0], [1.0, -_KEPT], samples - samples[0])


def unfiltered(filtered, before: float = 0.0, start: float = 0.0) -> np.ndarray:
    """The inverse of the function `filtered`: samples `(T,)`.

    Args:
        filtered: Shape `(T,)`.
        before: The filtered sample before the first.
        start: The sample before the first.
    """
    filtered = np.asarray(filtered, "float64")
    return start + np.cumsum(filtered - _KEPT * np.concatenate([[before], filtered[:-1]]))


def pieces(records: dict[str, np.ndarray], seed: int | None = 0) -> list[np.ndarray]:
    """Filtered pieces `(PIECE,)` of records. `seed` spreads integers over their cells; with None they stay as they are."""
    rng = np.random.default_rng(seed)
    found: list[np.ndarray] = []
    for record in records.values():
        whole = filtered(record if seed is None else spread(record, rng))
        found += np.split(whole[: len(whole) // PIECE * PIECE], len(whole) // PIECE)
    return found


def spread(samples, rng: np.random.Generator) -> np.ndarray:
    """Integers moved by U(±½), each within its cell: else a density could gain likelihood by a spike on each integer."""
    return samples + rng.uniform(-0.5, 0.5, np.shape(samples))


def frames(samples) -> np.ndarray:
    """Frames `(N, FRAME)` of samples `(N·FRAME,)`; the sample before the first frame counts as 0."""
    samples = np.asarray(samples, "float64").reshape(-1, FRAME)
    before = np.concatenate([[0.0], samples[:-1, -1]])
    return (samples - before[:, None]).astype("float32")


def samples(frames, start: float = 0.0) -> np.ndarray:
    """The inverse of `frames`: samples `(N·FRAME,)`; `start` is the sample before the first frame."""
    frames = np.asarray(frames, "float64")
    before = start + np.cumsum(frames[:, -1]) - frames[:, -1]
    return (before[:, None] + frames).reshape(-1)
