"""Files of recordings: tables, arrays, sound and EDF, each as arrays `(T, D)` of float64 with named channels.

A file says more than its values: how much time passes from step to step, and how finely its values are rounded. Both are kept,
since a model of one sampling rate is wrong at another, and a density grows a spike at each rounded value.
"""

from __future__ import annotations

import dataclasses
import io
import math
import re
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mdn.applications.series.clocks import ROW, Clock, clock, may_tell, same_time
from mdn.data import Table, read_object_arrays, read_table, reading
from mdn.data.archives import read_array
from mdn.data.dates import DateError, read_dates, share_of_dates
from mdn.data.tables import TableError, unique
from mdn.files import sentence
from mdn.wording import counted

_ARRAYS, _SOUND, _EDF = (".npy", ".npz"), (".wav",), (".edf", ".bdf")
_CHANNELS = "channels"  # the array of a .npz that names the channels
_RATES = {"fs", "sr", "rate", "sfreq", "freq", "sampling_rate", "sample_rate", "samplerate", "sampling_frequency"}
_DAY = 86_400.0
FULL_SCALE = "of full scale"  # the unit of sound: the loudest sample is 1
_STREAMED = 0x7FFF0000  # larger sizes are those of programs that did not know how long the sound would become
_WAYS = (
    "write columns by np.savez(file, t=t, x=x), and recordings by np.savez(file, first, second), each of shape (T, D)."
)


@dataclasses.dataclass(frozen=True)
class File:
    """What one file holds.

    Attributes:
        arrays: Recordings `(T, D)`, float64, NaN where a value is missing.
        channels: Their names, D of them.
        step: How much time passes from row to row, in `unit`.
        unit: "s", the name of a column of times, or "row" if the file says nothing about time.
        cells: For each channel the distance of neighbouring values if the file says it, else NaN.
        notes: What was left out or guessed, a sentence each.
        value_units: For each channel the unit of its values if the file says it, else "".
    """

    arrays: list[np.ndarray]
    channels: tuple[str, ...]
    step: float = 1.0
    unit: str = ROW
    cells: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    value_units: tuple[str, ...] = ()


def read_file(path, columns: Sequence[str] | None = None, raw: bool = False) -> File:
    """Reads one file: .npy, .npz, .wav, .edf, .bdf, and any other as a table.

    Args:
        path: The path of the file.
        columns: Which channels, in this order; None takes all, but in a table neither a column of times nor one of text.
        raw: Whether samples of sound stay the integers of the file; else they are divided by the largest.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no recording, or has no such channels.
        ImportError: if it is EDF and `edfio` is not installed.
    """
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in (*_ARRAYS, *_SOUND, *_EDF):
        return _table(path, columns)
    with reading(path, f"a recording ({kind})"):
        file = _wav(path, raw) if kind in _SOUND else _numpy(path, columns or ()) if kind in _ARRAYS else _edf(path)
    return file if columns is None else _select(path, file, columns)


def _select(path: Path, file: File, columns: Sequence[str]) -> File:
    if unknown := [name for name in columns if name not in file.channels]:
        raise ValueError(f"{path} has no channel {unknown[0]!r}; its channels are {', '.join(file.channels)}.")
    at = [file.channels.index(name) for name in columns]
    cells = None if file.cells is None else file.cells[at]
    units = tuple(file.value_units[i] for i in at) if file.value_units else ()
    return File([one[:, at] for one in file.arrays], tuple(columns), file.step, file.unit, cells, file.notes, units)


# ---- tables ------------------------------------------------------------------------------------------------------------


def _table(path: Path, columns: Sequence[str] | None) -> File:
    table = read_table(path)
    words = table.text_columns()
    dates = {name: at for name in table.columns if name in words and (at := _dates(table[name].tolist())) is not None}
    timing = _clock_of(path, table, words, dates, columns or ())
    notes = [table.note if str(path) in table.note else f"{path}: {table.note}"] if table.note else []
    notes += timing.sentences(path, columns)
    if columns is None:
        columns = [name for name in table.columns if name not in words and name not in timing.left]
        for left, what in (
            ([name for name in table.columns if name in words - set(dates)], "text"),
            ([name for name in dates if name not in timing.left], "dates that are not the time of its rows"),
        ):
            if left:
                notes.append(f"{path}: {', '.join(map(repr, left))} left out, since {_holds(left)} {what}.")
        if not columns:
            raise TableError(f"{path} has no column of numbers that could be a channel.")
    elif text := [name for name in columns if name in words]:
        raise TableError(f"{path}: column {text[0]!r} holds text, but a channel is a column of numbers: choose others.")
    arrays = np.split(table.select(columns).values, timing.begins)
    return File(arrays, tuple(columns), timing.step, timing.unit, None, tuple(notes))


def _clock_of(
    path: Path, table: Table, words: Collection[str], dates: Mapping[str, np.ndarray], channels: Sequence[str]
) -> Clock:
    """The clock of a table; a column that is asked for as a channel, or is the only one of numbers, tells no time."""
    numbers = [name for name in table.columns if name not in words]
    may = [name for name in table.columns if name in dates or (name not in words and len(numbers) > 1)]
    found = {
        name: dates[name] if name in dates else table.column(name)
        for name in may
        if name not in channels and (name in dates or name in (table.columns[0], table.unnamed) or may_tell(name))
    }
    try:
        return clock(found, dates, table.unnamed, table.columns[:2])
    except ValueError as error:
        raise TableError(f"{path} cannot be read as a recording: {error}") from None


def _holds(names: Sequence[str]) -> str:
    return "it holds" if len(names) == 1 else "they hold"


def _dates(cells: list[str]) -> np.ndarray | None:
    """Dates as seconds; None if the cells are no dates."""
    if share_of_dates(cells) < 1.0:
        return None
    try:
        return _DAY * read_dates(cells).days
    except DateError:
        return None


# ---- arrays, sound, EDF ------------------------------------------------------------------------------------------------


def _numpy(path: Path, asked: Sequence[str]) -> File:
    arrays, step = _arrays_of(path), None
    notes: list[str] = []
    names: tuple[str, ...] | None = None
    for name in [
        name for name, one in arrays.items() if name.lower() in _RATES and one.size == 1 and one.dtype != object
    ]:
        rate = float(arrays.pop(name).item())
        step = 1.0 / rate if rate else math.inf
    named = arrays.pop(_CHANNELS) if arrays.get(_CHANNELS, np.zeros(0)).dtype.kind in "US" else None
    if named is None and _are_columns(arrays):
        columns = [_rows(one, name) for name, array in arrays.items() for one in _each(array, name)]
        found, names = [np.concatenate(columns, axis=1)], tuple(arrays)
        notes.append(f"{path}: its arrays are the columns of one recording; arrays (T, 1) would be recordings.")
    else:
        found = [_rows(one, name) for name, array in arrays.items() for one in _each(array, name)]
        names = None if named is None else tuple(map(str, named.astype("U").ravel()))
    if not found:
        raise ValueError("it holds no array.")
    sizes = {one.shape[1] for one in found}
    if len(sizes) > 1:
        raise ValueError(
            f"its arrays have {' and '.join(map(str, sorted(sizes)))} columns, but all need the same: {_WAYS}"
        )
    channels = _numbered(sizes.pop()) if names is None else names
    if len(channels) != found[0].shape[1]:
        raise ValueError(
            f"it names {counted(len(channels), 'channel')}, but its arrays have {counted(found[0].shape[1], 'column')}."
        )
    file = File(found, channels, step, "s") if step is not None else _timed(path, found, channels, asked)
    return dataclasses.replace(file, notes=(*notes, *file.notes))


def _arrays_of(path: Path) -> dict[str, np.ndarray]:
    if path.suffix.lower() == ".npz":
        return read_object_arrays(path)
    try:
        return {path.stem: read_array(path.stem, path.read_bytes())}
    except ValueError as error:
        raise ValueError(f"{sentence(error)[:-1]}: {_WAYS}" if "but holds" in str(error) else str(error)) from None


def _are_columns(arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether arrays are the columns of one recording: several `(T,)` of one length, with names."""
    named = not any(re.fullmatch(r"arr_\d+", name) for name in arrays)  # else NumPy named them
    if not named or len(arrays) < 2 or any(one.ndim != 1 or one.dtype == object for one in arrays.values()):
        return False
    same = len({len(one) for one in arrays.values()}) == 1
    if not same and any(map(may_tell, arrays)):
        shown = ", ".join(f"{name} {len(one)}" for name, one in arrays.items())
        raise ValueError(f"its arrays of one axis have several lengths ({shown}), so they are no columns: {_WAYS}")
    return same


def _timed(path: Path, arrays: list[np.ndarray], channels: tuple[str, ...], asked: Sequence[str]) -> File:
    """The file without the column that tells the time in all of its arrays, if there is one; `asked` are channels."""
    clocks = [
        clock({name: one[:, i] for i, name in enumerate(channels) if name not in asked}, heads=channels[:2])
        for one in arrays
        if len(channels) > 1
    ]
    if not clocks or clocks[0].name is None or any(one.left != clocks[0].left for one in clocks):
        return File(arrays, channels)
    first = clocks[0]
    if other := [one for one in clocks if not same_time(one.step, one.unit, first.step, first.unit)]:
        raise ValueError(
            f"its recordings have steps of {first.step:g} and {other[0].step:g} {first.unit}: resample one of them."
        )
    kept = [i for i, name in enumerate(channels) if name not in first.left]
    parts = [part for one, at in zip(arrays, clocks, strict=True) for part in np.split(one[:, kept], at.begins)]
    if not kept:
        raise ValueError("it holds a time, but no channel.")
    said = dict.fromkeys(note for one in clocks for note in one.sentences(path, asked or None))
    return File(parts, tuple(channels[i] for i in kept), first.step, first.unit, None, tuple(said))


def _each(array: np.ndarray, name: str) -> Iterable:
    """The recordings of an array: one, or as many as an array `(N, T, D)` or an array of arrays has."""
    if array.dtype.kind not in "biufO":
        raise ValueError(f"its array {name!r} must hold numbers, but holds {array.dtype}: only `channels` is text.")
    if array.ndim == 3:
        return array.astype("float64")
    return array.flat if array.dtype == object else [array]


def _rows(array, name: str) -> np.ndarray:
    array = np.asarray(array, "float64")
    if array.ndim not in (1, 2) or not array.size:
        raise ValueError(f"its array {name!r} must have shape (T,) or (T, D), but has {array.shape}.")
    rows = array.reshape(len(array), -1)
    if len(rows) < rows.shape[1]:
        raise ValueError(
            f"its array {name!r} has {counted(len(rows), 'row')} and {rows.shape[1]} columns, but time must run down the rows: "
            "transpose it."
        )
    return rows


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"x{i + 1}" for i in range(count))


def _wav(path: Path, raw: bool) -> File:
    from scipy.io import wavfile

    content = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # of parts that are no sound; of the end see below
        # from memory: of an open file SciPy reserves as much as its header claims
        rate, samples = wavfile.read(io.BytesIO(content))
    if not samples.size:
        raise ValueError("it holds no sample.")
    claimed, notes = 8 + int.from_bytes(content[4:8], "little"), []
    if content[:4] == b"RIFF" and len(content) + 1 < claimed < _STREAMED:
        notes.append(f"{path}: the file is cut short: it has {len(content):,} of {claimed:,} bytes.")
    found = samples.reshape(len(samples), -1)
    channels, cells = _numbered(found.shape[1]), None
    if not raw and found.dtype.kind in "iu":
        zero, full = (128, 128.0) if found.dtype == np.uint8 else (0, float(np.iinfo(found.dtype).max) + 1.0)
        cells = np.array([whole(column.astype("float64")) for column in found.T]) / full
        found = (found.astype("float64") - zero) / full
    units = ("",) * len(channels) if raw else (FULL_SCALE,) * len(channels)
    return File([found.astype("float64")], channels, 1.0 / rate, "s", cells, tuple(notes), units)


def whole(column: np.ndarray) -> float:
    """The largest whole number by which the differences of whole numbers can be divided; 0 if they are not whole."""
    known = column[~np.isnan(column)]
    if not len(known) or np.any(known != np.rint(known)) or np.abs(known).max() > 2**52:
        return 0.0
    return float(np.gcd.reduce(np.unique(known - known[0]).astype("int64")))


def _edf(path: Path) -> File:
    try:
        import edfio
    except ImportError:
        raise ImportError("EDF needs edfio: pip install 'mdn[series]'.") from None
    content = path.read_bytes()
    read = edfio.read_bdf if path.suffix.lower() == ".bdf" else edfio.read_edf
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        file = read(io.BytesIO(content), lazy_load_data=False)
        if not file.signals:
            raise ValueError("it holds no signal.")
        rates = {signal.sampling_frequency for signal in file.signals}
        if len(rates) > 1:
            shown = ", ".join(f"{signal.label} {signal.sampling_frequency:g} Hz" for signal in file.signals)
            raise ValueError(f"its signals have several sampling rates ({shown}): export those of one rate.")
        samples = np.stack([signal.data for signal in file.signals], axis=-1)
    notes = list(
        dict.fromkeys(
            f"{path}: {' '.join(str(one.message).split()).removesuffix(' Updating header.')}" for one in caught
        )
    )
    channels, rate = unique([signal.label for signal in file.signals]), rates.pop()
    cells = [(one.physical_max - one.physical_min) / (one.digital_max - one.digital_min) for one in file.signals]
    units = tuple(re.sub("[µμ]", "u", one.physical_dimension.strip()) for one in file.signals)
    onsets = _onsets(content, 3 if path.suffix.lower() == ".bdf" else 2)
    gaps = 1 + np.flatnonzero(np.abs(np.diff(onsets) - file.data_record_duration) > 0.5 / rate)
    if len(gaps):
        notes.append(f"{path}: its time has {counted(len(gaps), 'gap')}, after which another recording begins.")
    arrays = np.split(samples, gaps * file.signals[0].samples_per_data_record)
    return File(arrays, channels, 1.0 / rate, "s", np.abs(cells), tuple(notes), units)


def _onsets(content: bytes, width: int) -> np.ndarray:
    """When the data records of a file of EDF+ or BDF+ begin, in seconds; nothing if it does not say so of each.

    The first signal of annotations begins, in each record, with its onset: +12.5 and the byte 20.

    Args:
        content: The file.
        width: How many bytes a sample has.

    Reference:
        Kemp & Olivan (2003), European data format 'plus' (EDF+), an EDF alike standard format for the exchange of
        physiological data.
    """
    header, count = int(content[184:192]), int(content[252:256])
    labels = [content[256 + 16 * i : 272 + 16 * i].strip() for i in range(count)]
    sizes = [width * int(content[256 + 216 * count + 8 * i :][:8]) for i in range(count)]
    place = next((i for i, label in enumerate(labels) if label in (b"EDF Annotations", b"BDF Annotations")), None)
    if place is None:
        return np.zeros(0)
    begun = header + sum(sizes[:place])
    starts = range(begun, begun + (len(content) - header) // sum(sizes) * sum(sizes), sum(sizes))  # of whole records
    said = [re.match(rb"[+-]\d+(?:\.\d*)?(?=[\x14\x15])", content[start : start + sizes[place]]) for start in starts]
    return np.array([float(one[0]) for one in said if one]) if all(said) else np.zeros(0)
