"""Files of recordings: tables, arrays, sound and EDF, each as arrays `(T, D)` of float64 with named channels.

A file says more than its values: how much time passes from step to step, and how finely its values are rounded. Both are kept,
since a model of one sampling rate is wrong at another, and a density grows a spike at each rounded value.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mdn.data import Table, read_object_arrays, read_table, reading
from mdn.data.archives import read_array
from mdn.data.dates import DateError, read_dates, share_of_dates
from mdn.data.tables import TableError, unique
from mdn.wording import counted

ROW = "row"
_CHANNELS = "channels"  # the array of a .npz that names the channels
_TIMES = {
    "time",
    "times",
    "t",
    "date",
    "datetime",
    "timestamp",
    "second",
    "seconds",
    "sec",
    "ms",
    "hour",
    "day",
    "month",
    "year",
}
_DAY = 86_400.0
_UNEVEN = 1.5  # times the median step


@dataclass(frozen=True)
class File:
    """What one file holds.

    Attributes:
        arrays: Recordings `(T, D)`, float64, NaN where a value is missing.
        channels: Their names, D of them.
        step: How much time passes from row to row, in `unit`.
        unit: "s", the name of a column of times, or "row" if the file says nothing about time.
        cells: For each channel the distance of neighbouring values if the file says it, else NaN.
        notes: What was left out or guessed, a sentence each.
    """

    arrays: list[np.ndarray]
    channels: tuple[str, ...]
    step: float = 1.0
    unit: str = ROW
    cells: np.ndarray | None = None
    notes: tuple[str, ...] = ()


def read_file(path, columns: Sequence[str] | None = None) -> File:
    """Reads one file: .npy, .npz, .wav, .edf, .bdf, and any other as a table.

    Args:
        path: The path of the file.
        columns: Which channels, in this order; None takes all, but in a table neither a column of times nor one of text.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no recording, or has no such channels.
        ImportError: if it is EDF and `edfio` is not installed.
    """
    path = Path(path)
    readers = {".npy": _numpy, ".npz": _numpy, ".wav": _wav, ".edf": _edf, ".bdf": _edf}
    kind = path.suffix.lower()
    if kind not in readers:
        return _table(path, columns)
    with reading(path, f"a recording ({kind})"):
        file = readers[kind](path)
    return file if columns is None else _select(path, file, columns)


def _select(path: Path, file: File, columns: Sequence[str]) -> File:
    if unknown := [name for name in columns if name not in file.channels]:
        raise ValueError(f"{path} has no channel {unknown[0]!r}; its channels are {', '.join(file.channels)}.")
    at = [file.channels.index(name) for name in columns]
    cells = None if file.cells is None else file.cells[at]
    return File([one[:, at] for one in file.arrays], tuple(columns), file.step, file.unit, cells, file.notes)


# ---- tables ------------------------------------------------------------------------------------------------------------


def _table(path: Path, columns: Sequence[str] | None) -> File:
    table = read_table(path)
    notes = [f"{path}: {table.note}"] if table.note else []
    words = table.text_columns()
    time, at, unit = _times(table)
    if columns is None:
        columns = [name for name in table.columns if name not in words and name != time]
        if time is not None:
            notes.append(f"{path}: column {time!r} rises from row to row, so it is taken for the time and left out.")
        if left := [name for name in table.columns if name in words and name != time]:
            notes.append(f"{path}: {', '.join(map(repr, left))} left out, since {_holds(left)} text.")
        if not columns:
            raise TableError(f"{path} has no column of numbers that could be a channel.")
    elif text := [name for name in columns if name in words]:
        raise TableError(f"{path}: column {text[0]!r} holds text, but a channel is a column of numbers: choose others.")
    values = table.select(columns).values
    step = 1.0
    if time is not None and len(at) > 1:
        steps = np.diff(at)
        step = float(np.median(steps))
        if steps.max() > _UNEVEN * step:
            notes.append(f"{path}: the steps of {time!r} are uneven, but a model counts rows, not time.")
    return File([values], tuple(columns), step, unit, None, tuple(notes))


def _holds(names: Sequence[str]) -> str:
    return "it holds" if len(names) == 1 else "they hold"


def _times(table: Table) -> tuple[str | None, np.ndarray, str]:
    """(the column that tells the time, its values, their unit); (None, nothing, "row") if there is none.

    A column tells the time if it rises in each row, and holds dates, stands first, or has a name such as "time". The only
    column of numbers is a channel.
    """
    words = table.text_columns()
    numbers = [name for name in table.columns if name not in words]
    for place, name in enumerate(table.columns):
        at: np.ndarray | None = None
        if name in words:
            at = _dates(table[name].tolist())
        elif (place == 0 or name.strip().lower() in _TIMES) and len(numbers) > 1:
            at = table.column(name)
        if at is not None and len(at) > 1 and np.all(np.diff(at) > 0.0):
            return name, at, "s" if name in words else name
    return None, np.zeros(0), ROW


def _dates(cells: list[str]) -> np.ndarray | None:
    """Dates as seconds; None if the cells are no dates."""
    if share_of_dates(cells) < 1.0:
        return None
    try:
        return _DAY * read_dates(cells).days
    except DateError:
        return None


# ---- arrays, sound, EDF ------------------------------------------------------------------------------------------------


def _numpy(path: Path) -> File:
    if path.suffix.lower() == ".npz":
        arrays = read_object_arrays(path)
    else:
        arrays = {path.stem: read_array(path.stem, path.read_bytes())}
    named = arrays.pop(_CHANNELS) if arrays.get(_CHANNELS, np.zeros(0)).dtype.kind == "U" else None
    found = [_rows(one, name) for name, array in arrays.items() for one in _each(array, name)]
    if not found:
        raise ValueError("it holds no array.")
    sizes = {one.shape[1] for one in found}
    if len(sizes) > 1:
        raise ValueError(f"its arrays have {' and '.join(map(str, sorted(sizes)))} columns, but all need the same.")
    channels = _numbered(sizes.pop()) if named is None else tuple(map(str, named.ravel()))
    if len(channels) != found[0].shape[1]:
        raise ValueError(
            f"it names {counted(len(channels), 'channel')}, but its arrays have {counted(found[0].shape[1], 'column')}."
        )
    return File(found, channels)


def _each(array: np.ndarray, name: str) -> Iterable:
    """The recordings of an array: one, or as many as an array `(N, T, D)` or an array of arrays has."""
    if array.dtype.kind not in "biufO":
        raise ValueError(f"its array {name!r} must hold numbers, but holds {array.dtype}.")
    if array.ndim == 3:
        return array.astype("float64")
    return array.flat if array.dtype == object else [array]


def _rows(array, name: str) -> np.ndarray:
    array = np.asarray(array, "float64")
    if array.ndim not in (1, 2) or not array.size:
        raise ValueError(f"its array {name!r} must have shape (T,) or (T, D), but has {array.shape}.")
    rows = array.reshape(len(array), -1)
    if 1 < len(rows) < rows.shape[1]:
        raise ValueError(
            f"its array {name!r} has {len(rows)} rows and {rows.shape[1]} columns, but time must run down the rows: "
            "transpose it."
        )
    return rows


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"x{i + 1}" for i in range(count))


def _wav(path: Path) -> File:
    from scipy.io import wavfile

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of parts that are no sound
        # from memory: of an open file SciPy reserves as much as its header claims
        rate, samples = wavfile.read(io.BytesIO(path.read_bytes()))
    if not samples.size:
        raise ValueError("it holds no sample.")
    found = _rows(samples, "sound")
    return File([found], _numbered(found.shape[1]), 1.0 / rate, "s")


def _edf(path: Path) -> File:
    try:
        import edfio
    except ImportError:
        raise ImportError("EDF needs edfio: pip install 'mdn[series]'.") from None
    read = edfio.read_bdf if path.suffix.lower() == ".bdf" else edfio.read_edf
    file = read(path, lazy_load_data=False)
    if not file.signals:
        raise ValueError("it holds no signal.")
    rates = {signal.sampling_frequency for signal in file.signals}
    if len(rates) > 1:
        shown = ", ".join(f"{signal.label} {signal.sampling_frequency:g} Hz" for signal in file.signals)
        raise ValueError(f"its signals have several sampling rates ({shown}): export those of one rate.")
    channels = unique([signal.label for signal in file.signals])
    cells = [(one.physical_max - one.physical_min) / (one.digital_max - one.digital_min) for one in file.signals]
    samples = np.stack([signal.data for signal in file.signals], axis=-1)
    return File([samples], channels, 1.0 / rates.pop(), "s", np.abs(cells))
