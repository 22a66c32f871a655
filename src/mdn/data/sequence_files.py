"""Sequences in files: .npz archives and Parquet tables, read one sequence after the other."""

from __future__ import annotations

import itertools
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from mdn.data.archives import check_unpacked, read_array, read_member
from mdn.data.endings import PARQUET
from mdn.data.text_lines import check_packed
from mdn.files import reading

NPZ = ".npz"
_ROWS, _BYTES = 65_536, 1 << 24  # of a Parquet file that are read at a time, at most


def read_sequences(
    path, by: str | None = "sequence", columns: Sequence[str] | None = None
) -> Iterator[tuple[int, np.ndarray]]:
    """The sequences of a file, in its order; no more of them is in memory than one, or one part of a Parquet file.

    A .npz file holds one array `(T_i, D)` a sequence, as `numpy.savez(path, *sequences)` writes them, or the two arrays
    `points` `(sum of T_i, D)` and `offsets`, N + 1 places in them. A Parquet file holds one row an event. Rows of one sequence
    lie together and have the same value in the column `by`; all other columns are numbers of an event.

    Args:
        path: The path of the file.
        by: The column of a Parquet file that tells its sequences apart; None: the file is one sequence.
        columns: The columns of a Parquet file that make an event; by default all of them but `by`, in the order of the file.

    Yields:
        (the place of the sequence in the file, its array as it is there); types and shapes are not checked.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is damaged, of another kind, or too large; if columns are missing, too many or no numbers, or if rows of
            a sequence do not lie together.

    Example:
        >>> import mdn.data, numpy as np, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/walks.npz", np.zeros((5, 2)), np.ones((3, 2)))
        ...     [walk.shape for _, walk in mdn.data.read_sequences(f"{folder}/walks.npz")]
        [(5, 2), (3, 2)]
    """
    with reading(path, "a file of sequences"):
        suffix = Path(path).suffix.lower()
        if suffix == NPZ:
            found = _npz(path)
        elif suffix in PARQUET:
            found = _parquet(path, by, columns)
        else:
            raise ValueError(f"{path} must be a .npz or a .parquet file.")
        yield from enumerate(found)


def event_columns(path, by: str | None = "sequence") -> list[str]:
    """The columns of a Parquet file that make an event: all of them but `by`.

    Args:
        path: The path of the file.
        by: As in `read_sequences`.

    Raises:
        ValueError: if the file is damaged.
    """
    with reading(path, "a Parquet file"), _opened(path) as file:
        return [name for name in file.schema_arrow.names if name != by]


def _npz(path) -> Iterator[np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        check_unpacked(archive)
        members = {one.filename.removesuffix(".npy"): one for one in archive.infolist()}

        def array(name: str) -> np.ndarray:
            return read_array(name, read_member(archive, members[name]))

        if members.keys() != {"points", "offsets"}:
            yield from map(array, members)
            return
        points, offsets = array("points"), array("offsets")
        ends = offsets.tolist() if offsets.ndim == 1 and offsets.dtype.kind in "iu" else []
        if not ends or ends[0] != 0 or ends[-1] != len(points) or any(np.diff(offsets.astype("int64")) < 0):
            raise ValueError(f"its offsets must rise from 0 to the number of points, {len(points)}.")
        for first, end in itertools.pairwise(ends):
            yield points[first:end].copy()  # else each sequence would keep all points in memory


def _parquet(path, by: str | None, columns: Sequence[str] | None) -> Iterator[np.ndarray]:
    with _opened(path) as file:
        names = file.schema_arrow.names
        if by is not None and by not in names:
            raise ValueError(
                f"it has no column {by!r} that tells its sequences apart: name another one with Shards(..., by=...), or "
                "by=None if each file is one sequence."
            )
        there = [name for name in names if name != by]
        columns = there if columns is None else list(columns)
        if sorted(columns) != sorted(there):
            raise ValueError(f"its events have the columns {there}, but those of the first file have {columns}.")
        groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
        size, total = max(1, sum(group.total_byte_size for group in groups)), max(1, file.metadata.num_rows)
        check_packed(path, size, Path(path).stat().st_size)
        rows = max(1, min(_ROWS, _BYTES * total // size))
        seen: set = set()
        running = None
        parts: list[np.ndarray] = []  # of the sequence that is being read
        for batch in file.iter_batches(batch_size=rows, columns=names):
            events = np.stack([_numbers(batch.column(name), name) for name in columns], axis=1)
            for key, part in _runs(events, None if by is None else batch.column(by)):
                if parts and key != running:
                    yield np.concatenate(parts)
                    parts = []
                if not parts:
                    if key in seen:
                        raise ValueError(f"its rows of the sequence {key!r} do not lie together: sort them by {by!r}.")
                    seen.add(key)
                running = key
                parts.append(part)
        if parts:
            yield np.concatenate(parts)


def _runs(events: np.ndarray, keys) -> Iterator[tuple]:
    """(key, events) of each run of rows that belong together."""
    if keys is None or not len(events):
        yield from [(None, events)] if len(events) else []
        return
    codes = keys.dictionary_encode()
    firsts = np.flatnonzero(np.diff(codes.indices.fill_null(-1).to_numpy(), prepend=-2))
    for first, end in zip(firsts, [*firsts[1:], len(events)], strict=True):
        yield keys[int(first)].as_py(), events[first:end]


def _numbers(column, name: str) -> np.ndarray:
    import pyarrow

    kind = column.type
    if not (pyarrow.types.is_floating(kind) or pyarrow.types.is_integer(kind) or pyarrow.types.is_boolean(kind)):
        raise ValueError(f"its column {name!r} holds {kind}, but events are numbers: leave it out.")
    return column.cast(pyarrow.float32(), safe=False).to_numpy(zero_copy_only=False)


def _opened(path):
    try:
        import pyarrow.parquet
    except ImportError:
        raise ImportError("Parquet needs pyarrow: pip install 'mdn[parquet]', or save the sequences as .npz.") from None
    with open(path, "rb"):
        pass  # here an OSError comes from the system; below, pyarrow raises one for anything that it cannot parse
    try:
        return pyarrow.parquet.ParquetFile(path)
    except OSError as error:
        raise ValueError(f"it is no Parquet file, or is damaged: {error}") from None
