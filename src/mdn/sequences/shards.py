"""Shards: sequences that need not fit into memory, in files or from a function."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from mdn.data.endings import PARQUET
from mdn.data.sequence_files import NPZ, event_columns, read_sequences
from mdn.sequences.inputs import as_sequence
from mdn.training.checkpoints import digest

MEMORY = 2**29  # bytes
_COMPARED = 8  # sequences of a function that are read twice, to see whether they stay the same


class Shards:
    """Sequences that need not fit into memory. `MDNRNN.fit` takes them, or the `source` itself, in place of a list.

    Each epoch reads the shards in another random order, and the sequences pass through a shuffle buffer of at most `memory`
    bytes, in which batches of similar lengths are dealt. Sequences that fit into the buffer are read once, and `fit` learns from
    them as from a list. A shard and the longest sequence must fit into memory; of a .npz file with one array a sequence, and of a
    Parquet file, only a part is in memory at a time.

    Args:
        source: A folder with .npz or Parquet files; the path of one, or a pattern such as "walks/*.npz"; a list of paths; or a
            function without arguments that returns an iterator of arrays `(T_i, D)`. The function is called for each epoch, and
            must yield as many sequences of the same lengths each time, in the same order; their numbers may change, such as by
            noise, but not with `checkpoint`. Its sequences are shuffled in the buffer only.
        memory: How many bytes of sequences `fit` holds at a time, as float32. Another eighth of it, at most, goes to the events
            that `fit` holds out by itself.
        by: The column of Parquet files that tells sequences apart, whose other columns are numbers of an event; None: each file
            is one sequence. See `mdn.data.read_sequences`.

    Raises:
        FileNotFoundError: if there is no such file or folder.
        TypeError: if `source` is none of these, such as a generator, which can be read only once.
        ValueError: if no file is found, or `memory` is not positive.

    Example:
        >>> import numpy as np, mdn
        >>> for shard in range(3):
        ...     rng = np.random.default_rng(shard)
        ...     walks = [np.cumsum(rng.normal(size=(20 + i, 1)), axis=0) for i in range(8)]
        ...     np.savez(f"walks-{shard}.npz", *walks)
        >>> shards = mdn.sequences.Shards("walks-*.npz", memory=2000)
        >>> len(shards), sum(1 for _ in shards)
        (3, 24)
        >>> model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(1), 2), units=(4,), lags=2)
        >>> history = model.fit(shards, epochs=1, verbose=0)
    """

    def __init__(self, source, *, memory: int = MEMORY, by: str | None = "sequence"):
        if memory < 1:
            raise ValueError(f"`memory` must be a positive number of bytes, but {memory} came.")
        self.memory, self._by = int(memory), by
        self._function: Callable[[], Iterable] | None = None
        self.names: tuple[str, ...]
        """What messages call each shard: its path."""
        if callable(source):
            self._function = source
            self.names = (f"{getattr(source, '__name__', 'source')}()",)
        else:
            self.names = _paths(source)
        self._columns: list[str] | None = None

    def __len__(self) -> int:
        """How many shards there are; a function is one."""
        return len(self.names)

    def __iter__(self) -> Iterator[np.ndarray]:
        """All sequences, shard by shard."""
        for shard in range(len(self)):
            yield from (one for _, one in self.read(shard))

    def read(self, shard: int, size: int | None = None) -> Iterator[tuple[int, np.ndarray]]:
        """The sequences of a shard, one after the other; those without a step are left out.

        Args:
            shard: Its number.
            size: The width of an event; None: whatever it is.

        Yields:
            (the place of the sequence in the shard, a float32 array `(T, size)`).

        Raises:
            FileNotFoundError, ValueError: if the shard cannot be read, or a sequence is not finite or of another width; the
                message names the shard.
        """
        name = self.names[shard]
        for place, one in self._raw(shard):
            array = np.asarray(one)
            if array.ndim == 2 and not len(array):
                continue
            if array.dtype.kind not in "fiub":
                raise ValueError(f"`{name}`: sequence {place} must hold numbers, but holds {array.dtype}.")
            width = size if size is not None else array.shape[-1] if array.ndim else 1
            yield place, as_sequence(array, width, place, name)

    def _raw(self, shard: int) -> Iterator[tuple[int, np.ndarray]]:
        if self._function is None:
            path = self.names[shard]
            if Path(path).suffix.lower() != NPZ and self._columns is None:
                first = next(one for one in self.names if Path(one).suffix.lower() != NPZ)
                self._columns = event_columns(first, self._by)
            return read_sequences(path, self._by, self._columns)
        found = self._function()
        if not isinstance(found, Iterable):
            raise TypeError(f"`{self.names[0]}` must return an iterator of arrays (T, D), but {found!r} came.")
        return (
            (place, np.array(one)) for place, one in enumerate(found)
        )  # copies: it may fill one array again and again

    def whole(self, size: int, name: str) -> list[np.ndarray]:
        """All sequences in a list.

        Args:
            size: The width of an event.
            name: The name of the argument, for messages.

        Raises:
            FileNotFoundError, ValueError: as `read`, or if they do not fit into `memory`.
        """
        found, held = [], 0
        for shard in range(len(self)):
            for _, one in self.read(shard, size):
                found.append(one)
                held += one.nbytes
                if held > self.memory:
                    raise ValueError(
                        f"`{name}` must fit into memory={self.memory:,} bytes, but holds more: pass fewer sequences, or "
                        "Shards(..., memory=...)."
                    )
        return found

    def check_again(self, same: bool = False) -> None:
        """Checks that a function makes a new iterator at each call, since each epoch reads it again.

        Args:
            same: Whether it must also yield the same numbers, which is seen by its first sequences.

        Raises:
            ValueError: if it returns an iterator that it has returned before, or other numbers.
        """
        if self._function is None:
            return
        if isinstance(one := self._function(), Iterator) and one is self._function():
            raise ValueError(
                f"`{self.names[0]}` returns the same iterator at each call, but each epoch reads all sequences again: let it "
                "make a new one."
            )
        if same:
            first, again = ([digest(one) for _, one in itertools.islice(self._raw(0), _COMPARED)] for _ in range(2))
            if first != again:
                raise ValueError(
                    f"`{self.names[0]}` yields other numbers at each call, so that a training with `checkpoint` could not go on "
                    "after a kill: draw its noise from a generator that the function seeds, or leave out `checkpoint`."
                )


def is_source(sequences) -> bool:
    """Whether `sequences` is a source for `Shards` rather than a list of arrays."""
    if isinstance(sequences, Shards | str | os.PathLike) or callable(sequences):
        return True
    return (
        isinstance(sequences, list | tuple)
        and len(sequences) > 0
        and all(isinstance(one, str | os.PathLike) for one in sequences)
    )


def as_shards(source) -> Shards:
    """`source` itself if it is `Shards`, else the `Shards` of it."""
    return source if isinstance(source, Shards) else Shards(source)


def _paths(source) -> tuple[str, ...]:
    if isinstance(source, Iterator):
        raise TypeError(
            f"`sequences` is a {type(source).__name__}, which can be read only once, but each epoch reads all sequences "
            "again: pass the function that makes it."
        )
    if isinstance(source, list | tuple) and all(isinstance(one, str | os.PathLike) for one in source):
        found = [os.fspath(one) for one in source]
        if missing := [one for one in found if not Path(one).is_file()]:
            raise FileNotFoundError(f"there is no file {missing[0]!r}.")
    elif isinstance(source, str | os.PathLike):
        path = Path(source)
        if path.is_dir():
            found = [str(one) for one in sorted(path.iterdir()) if _is_shard(one)]
        else:
            found = [str(path)] if path.is_file() else sorted(glob.glob(os.fspath(source), recursive=True))
            if not found:
                raise FileNotFoundError(f"there is no file {os.fspath(source)!r}.")
    else:
        raise TypeError(
            f"a source of sequences is a folder, a path or a pattern, a list of paths, or a function, but {source!r} came."
        )
    if other := [one for one in found if not _is_shard(Path(one))]:
        raise ValueError(f"a shard must be a .npz or a .parquet file, but {other[0]!r} came.")
    if not found:
        raise ValueError(f"{os.fspath(source)!r} holds no .npz and no .parquet file." if source else "no shard came.")
    return tuple(found)


def _is_shard(path: Path) -> bool:
    return path.suffix.lower() in (NPZ, *PARQUET) and not path.name.startswith(".")
