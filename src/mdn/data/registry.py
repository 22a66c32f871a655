"""The registry of data sets: where each comes from, under which licence, and where its files lie.

A file is looked for in the folder that `MDN_DATA` names (as NAME/FILE), then in the cache (`MDN_CACHE`, or the system's own
place for caches), and is fetched from its public origin into the cache if it lies in neither. A fetched file must have the
checksum in this registry; a file of MDN_DATA is not checked.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from mdn.data.download import downloaded

_WORD = re.compile(r"[A-Za-z][A-Za-z \-']*")  # as Google names its classes: "cat", "t-shirt", "The Eiffel Tower"


@dataclass(frozen=True)
class Origin:
    """Where a file is published, and the SHA-256 of its bytes; None where the publisher may change the file."""

    url: str
    sha256: str | None = None


@dataclass(frozen=True)
class DataSet:
    """A data set.

    Args:
        name: The name of the set and of its folder.
        what: What is in it.
        licence: The licence of the data.
        source: Who published it.
        files: The files that can be fetched.
        local: The files that a user must put into MDN_DATA, since they are not published in this form.
        words: For files that are named by a word: their endings, and for each the address, with {} for the file's name.
        note: Other things that a user should know.
    """

    name: str
    what: str
    licence: str
    source: str
    files: Mapping[str, Origin] = field(default_factory=dict)
    local: tuple[str, ...] = ()
    words: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def main(self) -> tuple[str, ...]:
        """The files that make up the set: those that can be fetched; if there are none, those that must lie in MDN_DATA."""
        return tuple(self.files) or self.local

    def origin(self, file: str) -> Origin | None:
        """The origin of a file; None if it is not published.

        Raises:
            ValueError: if the set has no such file.
        """
        if file in self.files:
            return self.files[file]
        if file in self.local:
            return None
        for ending, address in self.words.items():
            if file.endswith(ending) and _WORD.fullmatch(file.removesuffix(ending)):
                return Origin(address.format(quote(file)))
        known = [*self.files, *self.local, *(f"WORD{ending}" for ending in self.words)]
        raise ValueError(f"the data set {self.name!r} has no file {file!r}; it has {', '.join(known)}.")


def _github(repository: str, commit: str, path: str, sha256: str) -> Origin:
    return Origin(f"https://raw.githubusercontent.com/{repository}/{commit}/{path}", sha256)


_MLZ = "mgckind/MLZ", "c3d6d0031592eee26e0c965b302e56964bd4fd35"
_QUICK_DRAW = "https://storage.googleapis.com/quickdraw_dataset"

DATA_SETS: tuple[DataSet, ...] = (
    DataSet(
        "robojam",
        "1,626 performances on a touchscreen: x, y, dt",
        "CC0 1.0",
        "C. P. Martin: github cpmpercussion/creative-prediction-datasets",
        {
            "TinyPerformanceArrays.npz": _github(
                "cpmpercussion/creative-prediction-datasets",
                "517367758b990032790dd567bb051a96d2e72115",
                "datasets/TinyPerformanceArrays.npz",
                "1297c4288d054c50b6f6179b7f687429211502776a10a2b5e3f7da6a0929c2c1",
            )
        },
        local=("split.json",),
    ),
    DataSet(
        "impsy",
        "40 performances on three knobs, 103,250 events: dt and values",
        "MIT",
        "C. P. Martin, IMPSY: github cpmpercussion/impsy",
        {
            "training-dataset-4d.npz": _github(
                "cpmpercussion/impsy",
                "2fa5804023356419ec07f0cd366279605cff509e",
                "datasets/training-dataset-4d.npz",
                "0c1a0cb03a35990b572836fec4c8bd01cc3697c7efe0d6f303183848ae9c5401",
            )
        },
        local=("split.json",),
    ),
    DataSet(
        "kanji",
        "11,100 kanji as stroke-3",
        "CC BY-SA 3.0",
        "KanjiVG, (c) Ulrich Apel; github hardmaru/sketch-rnn-datasets",
        {
            "short_kanji.npz": _github(
                "hardmaru/sketch-rnn-datasets",
                "7c854dee76090aa18c321c7af2cede815bbd475e",
                "kanji/short_kanji.npz",
                "f6855ba03d58f44830499dd98e7cb99f46c970651f4f16f2d886398f34709914",
            )
        },
        local=("split.json",),
        note="The vectors themselves: pip install kanjivg.",
    ),
    DataSet(
        "quickdraw",
        "drawings of 345 words",
        "CC BY 4.0",
        "Google, Quick, Draw!",
        {
            "monkey.ndjson": _github(
                "codybenlewis/quick-draw-for-processing",
                "9347fcce1343c7d8a1e66b9a7c8449c62a93cd87",
                "examples/Create/data/monkey.ndjson",
                "53cf78c9a5d6718bd4cb8ad41b95f5ae9ae487538484bbe0321b0fc592793091",
            )
        },
        local=("quickdraw_9570_stroke3.npz", "split.json"),
        words={".ndjson": f"{_QUICK_DRAW}/full/simplified/{{}}", ".npz": f"{_QUICK_DRAW}/sketchrnn/{{}}"},
        note=(
            "monkey.ndjson holds 1,000 drawings. Any other word, such as cat.ndjson or cat.npz, comes from Google, who publish "
            "no checksum: that of the first download is kept, and later ones are held to it."
        ),
    ),
    DataSet(
        "quickdraw34",
        "34,378 drawings of 34 words",
        "CC BY 4.0",
        "Google, Quick, Draw!; github khartstein/quickdraw_stimulus_generation, sYeaLumin/SketchGNN, JulienDuranleau/class-intro",
        local=("quickdraw34_stroke3.npz", "split.json"),
    ),
    DataSet(
        "photoz",
        "10,000 SDSS galaxies: magnitudes, colours, redshift",
        "NCSA",
        "M. Carrasco Kind: github mgckind/MLZ",
        {
            "SDSS_MGS.train": _github(
                *_MLZ, "mlz/test/SDSS_MGS.train", "f16579e52e5bdafcb7afda2e98353d671cc446216b73068a16d7558ab0e09c04"
            ),
            "SDSS_MGS.test": _github(
                *_MLZ, "mlz/test/SDSS_MGS.test", "037f4fa18d298c4d3077bea5665161e2006240413e52e51a7aa7a18509274103"
            ),
        },
    ),
    DataSet(
        "letters",
        "340 demonstrations of 26 letters for robots",
        "MIT",
        "S. Calinon, pbdlib: github itohdak/pbdlib-python, pbdlib/data/2Dletters",
        local=("letters.npz",),
        note="letters.npz: position float32 (340, 200, 2), letter; put together from the .mat files there.",
    ),
    DataSet(
        "handwriting",
        "5,286 lines of text by 94 writers",
        "CC BY 4.0",
        "UNIPEN train_r01_v07, doi 10.5281/zenodo.1195803",
        local=("unipen_lines.npz", "split.json"),
        note="unipen_lines.npz: stroke3 int16 (N, 3), offsets, text, writer, source; put together from the .dat files there.",
    ),
    DataSet(
        "ecg",
        "12 half-hour ECG records at 120 Hz",
        "ODC-By 1.0",
        "MIT-BIH Arrhythmia Database, PhysioNet",
        local=("mitbih12_120hz_int16.npz",),
        note="mitbih12_120hz_int16.npz: r100 to r200, int16, 200 units a mV; means of 3 samples less 1024.",
    ),
    DataSet(
        "uci",
        "yacht, concrete, energy, wine-quality-red, 20 splits each",
        "UCI; for benchmarks only",
        "UCI Machine Learning Repository; splits of Hernández-Lobato and Adams (2015)",
        local=("yacht.npz", "concrete.npz", "energy.npz", "wine-quality-red.npz"),
        note="Each: X, y, test_mask.",
    ),
)


def data_set(name: str) -> DataSet:
    """The data set of this name.

    Raises:
        ValueError: if there is none.
    """
    for one in DATA_SETS:
        if one.name == name:
            return one
    raise ValueError(f"there is no data set {name!r}; there are {', '.join(one.name for one in DATA_SETS)}.")


# ---- where files lie -----------------------------------------------------------------------------------------------------


def local_folder() -> Path | None:
    """The folder that the environment variable MDN_DATA names; None if it is not set.

    Raises:
        FileNotFoundError: if that folder does not exist.
    """
    named = os.environ.get("MDN_DATA", "")
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise FileNotFoundError(f"MDN_DATA names {named!r}, but there is no such folder. Mend it or unset it.")
    return folder


def cache_folder() -> Path:
    """The folder that the environment variable MDN_CACHE names, or the system's own for caches; it may not exist yet."""
    named = os.environ.get("MDN_CACHE", "")
    if named:
        return Path(named).expanduser()
    import pooch

    return Path(pooch.os_cache("mdn")) / "data"


def where(name: str, file: str) -> Path | None:
    """Where a file of a data set lies now: in MDN_DATA, else in the cache; None if in neither. Nothing is fetched.

    Args:
        name: The name of the data set.
        file: The name of the file, such as "short_kanji.npz".

    Raises:
        ValueError: if there is no such data set, or no such file in it.
        FileNotFoundError: if MDN_DATA names a folder that does not exist.

    Example:
        >>> from mdn.data import where
        >>> try:
        ...     where('no-such-set', 'x.npz')
        ... except (ValueError, OSError):
        ...     print('`mdn data list` names the sets')
        `mdn data list` names the sets
    """
    chosen = data_set(name)
    chosen.origin(file)
    folders = [folder for folder in (local_folder(), cache_folder()) if folder is not None]
    return next((path for folder in folders if (path := folder / name / file).is_file()), None)


def find(name: str, file: str, on_share: Callable[[float], None] | None = None) -> Path:
    """Where a file of a data set lies; it is fetched into the cache if it lies nowhere yet.

    Args:
        name: The name of the data set.
        file: The name of the file.
        on_share: Called now and then with the share of the file that has been fetched.

    Raises:
        ValueError: if there is no such data set, or no such file in it, or if the fetched file has another checksum.
        FileNotFoundError: if the file is not published and not in MDN_DATA, or MDN_DATA names a folder that does not exist.
        OSError: if the origin can't be reached, does not have the file or breaks off; no part of the file is kept.

    Example:
        >>> from mdn.data import find
        >>> try:
        ...     find('no-such-set', 'x.npz')
        ... except (ValueError, OSError):
        ...     print('`mdn data list` names the sets')
        `mdn data list` names the sets
    """
    chosen = data_set(name)
    origin, local = chosen.origin(file), local_folder()
    if local is not None and (path := local / name / file).is_file():
        return path
    if origin is None:
        raise FileNotFoundError(
            f"{name}/{file} is not published as it is (source: {chosen.source}), so it can't be fetched. Put it into a folder "
            f"as {name}/{file} and name that folder in MDN_DATA."
        )
    return downloaded(cache_folder() / name / file, origin.url, origin.sha256, on_share)


def find_with_split(name: str, file: str, split=None) -> tuple[Path, Path | None]:
    """(where a file of a data set lies, the .json that says which of its items are of which part).

    Args:
        name, file: As in `find`.
        split: The .json that the user names; by default split.json beside the file, if there is one.
    """
    path = find(name, file)
    beside = path.with_name("split.json")
    return path, beside if split is None and beside.is_file() else split


def rows() -> Iterator[tuple[DataSet, str]]:
    """Yields (data set, where it lies): FOLDER, "part in FOLDER", "not fetched" or, if it can't be, "only from MDN_DATA"."""
    for one in DATA_SETS:
        found = [where(one.name, file) for file in one.main]
        there = [path for path in found if path is not None]
        if not there:
            yield one, "not fetched" if one.files else "only from MDN_DATA"
        else:
            yield one, ("" if len(there) == len(found) else "part in ") + str(there[0].parent)
