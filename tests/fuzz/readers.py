"""Every reader of a file from outside: small good files, made here, and a cheap use of what is read."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

Files = dict[str, bytes]


class Wrong(Exception):
    """A file was taken, and its content is of no use."""


@dataclass(frozen=True)
class Reader:
    """A reader of files from outside.

    Attributes:
        name: For the command line.
        make: Good files: each is read by itself or, for a reader of a folder, all together.
        read: Reads the file (the folder), and uses what it holds.
        folder: Whether it reads a folder.
        before: What is made once, for `read`, and costs seconds.
        rare: Of so many cases in a test one runs whole: what follows the checks of this package is slow.
    """

    name: str
    make: Callable[[], Files]
    read: Callable[..., object]
    folder: bool = False
    before: Callable[[], Any] | None = None
    rare: int = 1

    @cached_property
    def seeds(self) -> Files:
        """The good files."""
        return self.make()

    @cached_property
    def made(self) -> tuple:
        """What `before` made."""
        return () if self.before is None else (self.before(),)


def _written(write: Callable[[Path], object]) -> Files:
    """The files that `write` leaves in a folder, by their paths in it."""
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        files = sorted(one for one in Path(folder).rglob("*") if one.is_file())
        return {one.relative_to(folder).as_posix(): one.read_bytes() for one in files}


def _npz(**arrays) -> bytes:
    found = io.BytesIO()
    np.savez(found, **arrays)
    return found.getvalue()


def _objects(*arrays) -> np.ndarray:
    found = np.empty(len(arrays), object)
    found[:] = [np.array(one) for one in arrays]
    return found


# ---- tables ----------------------------------------------------------------------------------------------------------

_ROWS = [(1.5, -2, "north", 10.25), (2.5, "", "south", 1e3), (-0.5, 7, "north", 0.0), (4.0, 8, "west", 3.5)] * 3


def _lines(mark: str, header: str = "a,b,town,y") -> bytes:
    rows = [mark.join(map(str, row)) for row in _ROWS]
    return "\n".join([*([header.replace(",", mark)] if header else []), *rows, ""]).encode()


def _texts() -> Files:
    plain = "\n".join(f"{i} {i * i} {-i}.5" for i in range(8)).encode()
    return {
        "fuzzed.csv": _lines(","),
        "fuzzed-bare.csv": "\n".join(f"{i},{i * i},{-i}.5" for i in range(8)).encode(),
        "fuzzed-quoted.csv": b'name,"y, in m"\r\n"a ""b""",1\r\n"c\nd",2\r\n',
        "fuzzed-semicolon.csv": _lines(";"),
        "fuzzed.tsv": _lines("\t"),
        "fuzzed.txt": b"# a b c\n" + plain,
        "fuzzed-local.csv": "a;b;c\n2,6;1.234,5;5 %\n-3,25;6.381,0;12 %\n".encode("cp1252"),
        "fuzzed-unicode.txt": "sep=;\na;b\n1;−20 €\n2;30 €\n".encode("utf-16"),
    }


def _packed() -> Files:
    return {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in _texts().items()}


def _office() -> Files:
    import zipfile

    import openpyxl

    book, packed, sheet = openpyxl.Workbook(), io.BytesIO(), io.BytesIO()
    for row in (("a", "b", "town"), *((i, i / 3, "north") for i in range(5))):
        book.active.append(row)
    book.save(sheet)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("table.csv", _lines(","))
    return {"fuzzed.xlsx": sheet.getvalue(), "fuzzed.zip": packed.getvalue()}


def _parquet() -> Files:
    import pyarrow as pa
    from pyarrow import parquet

    numbers = {"a": [1.5, 2.5, None], "b": [1, 2, 3], "town": ["x", None, "y"], "flag": [True, False, None]}
    others = {
        "when": pa.array([0, 1, None], pa.timestamp("us")),
        "exact": pa.array([1, 2, None], pa.decimal128(5)),
        "word": pa.array(["x", "y", "x"]).dictionary_encode(),
        "y": pa.array([1.0, 2.0, 3.0], pa.float32()),
    }
    found = {}
    for name, columns in (("fuzzed.parquet", numbers), ("fuzzed-others.parquet", others)):
        buffer = io.BytesIO()
        parquet.write_table(pa.table(columns), buffer)
        found[name] = buffer.getvalue()
    return found


def _use_table(path: Path) -> None:
    from mdn.data import read_table

    table = read_table(path)
    for name in table.columns:
        table[name]
    table.select(table.columns[:1])
    if not table.text_columns():
        table.values  # noqa: B018 - it parses what is left


def _sequences() -> Files:
    import pyarrow as pa
    from pyarrow import parquet

    points, found = np.arange(28, dtype="float32").reshape(14, 2), io.BytesIO()
    columns = {"walk": pa.array(list("aaaabbbbbccccc")), "x": points[:, 0], "y": points[:, 1].astype("int16")}
    parquet.write_table(pa.table(columns), found, row_group_size=6)
    return {
        "fuzzed.npz": _npz(arr_0=points[:4], arr_1=points[4:9].astype("float64"), arr_2=points[9:].astype("int16")),
        "fuzzed-flat.npz": _npz(points=points, offsets=np.array([0, 4, 9, 14])),
        "fuzzed.parquet": found.getvalue(),
    }


def _use_sequences(path: Path) -> None:
    from mdn.data import read_sequences
    from mdn.sequences import Shards

    for _, one in read_sequences(path, by="walk"):
        one.copy().tolist()
    for one in Shards(path, by="walk"):
        if one.ndim != 2 or not len(one) or np.isinf(one).any():
            raise Wrong("a sequence holds no events, or infinite ones")


# ---- drawings and handwriting ----------------------------------------------------------------------------------------

_ONE = [[3, 0, 0], [0, 4, 1], [-1, 0, 0], [0, -5, 1]]
_TWO = [[30, 1, 0], [2, 40, 0], [-7, 3, 1]]


def _object_arrays() -> Files:
    parts = {"train": _objects(_ONE, _TWO), "test": _objects(_ONE), "of_numbers": np.arange(6.0).reshape(2, 3)}
    return {"fuzzed.npz": _npz(**parts)}


def _sketches() -> Files:
    short = _objects(*(np.array(one, "int16") for one in (_ONE, _TWO)))
    flat: dict[str, Any] = {"points": np.array(_ONE + _TWO, "int16"), "offsets": np.array([0, 4, 7])}
    named = {"word": np.array(["cat", "dog"]), "part": np.array(["train", "test"]), "format": 1}
    return {
        "fuzzed-cat.npz": _npz(train=short, valid=short[:1], test=short[1:]),
        "fuzzed-flat.npz": _npz(**flat, **named),
        "fuzzed-foreign.npz": _npz(**flat),
    }


def _quickdraw() -> Files:
    simple = {"word": "cat", "drawing": [[[0, 10, 20], [0, 5, 9]], [[3, 4], [1, 2]]], "recognized": True}
    raw = {"word": "猫", "drawing": [[[0.5, 10, 20], [0, 5, 9], [0, 16, 33]], [[3, 4], [1, 2], [50, 60]]]}
    lines = [json.dumps(one) for one in (simple, raw, simple)]
    return {"fuzzed.ndjson": "\n".join(lines).encode(), "fuzzed-raw.ndjson": (lines[1] + "\n").encode()}


def _svgs() -> Files:
    top = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" width="100mm">'
    paths = (
        f'{top}<g transform="translate(1 2) rotate(30)"><path d="M 1 2 L 30 40 l -2 3 h 5 V 9 z" style="fill:none"/>'
        '<path d="M0 0C 10 0 20 5 30 9S 1 2 3 4 Q 1 2 3 4 T 9 9"/></g></svg>'
    )
    shapes = (
        f'{top}<path d="m5 5a3 4 20 0 1 9 9"/><line x1="1" y1="2" x2="3" y2="4" stroke="red"/>'
        '<polyline points="1,2 3,4 5 6"/><rect x="1" y="1" width="9" height="8" stroke="#000"/></svg>'
    )
    round = (
        f'{top}<circle cx="5" cy="5" r="3" stroke="black"/><ellipse cx="5" cy="5" rx="3" ry="2" stroke="black"/>'
        '<polygon points="1,2 3,4 5,6" stroke="black"/></svg>'
    )
    kanji = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="109" height="109" '
        'viewBox="0 0 109 109">\n<g id="kvg:StrokePaths_04e00" style="fill:none;stroke:#000000;stroke-width:3">\n'
        '<g id="kvg:04e00" xmlns:kvg="http://kanjivg.tagaini.net" kvg:element="一" kvg:radical="general">\n'
        '<path id="kvg:04e00-s1" kvg:type="㇐" d="M11,54.25c3.19,0.62,6.25,0.75,9.73,0.5c20.64-1.5,50.39-5.12,68.58-5.24"/>\n'
        '</g></g>\n<g id="kvg:StrokeNumbers_04e00"><text transform="matrix(1 0 0 1 4.25 54.13)">1</text></g></svg>'
    )
    found = {"fuzzed.svg": paths, "fuzzed-shapes.svg": shapes, "fuzzed-round.svg": round, "fuzzed-kanji.svg": kanji}
    return {name: text.encode() for name, text in found.items()}


def _drawing_folder() -> Files:
    small = b'<svg viewBox="0 0 9 9"><path d="M1 1 L2 3 V4"/></svg>'
    return {
        "cat/fuzzed.npz": _sketches()["fuzzed-foreign.npz"],
        "fuzzed.ndjson": _quickdraw()["fuzzed-raw.ndjson"],
        "dog/fuzzed.svg": small,
    }


def _use_drawings(path: Path) -> None:
    from mdn.data import read_drawings, to_lines, to_stroke5

    drawings = read_drawings(path)
    for one in drawings:
        to_lines(one)
        to_stroke5(one)
    repr(drawings)


def _handwriting() -> Files:
    lines: dict[str, Any] = {"offsets": np.array([0, 4, 7]), "text": np.array(["ab", "c d"])}
    points = np.array(_ONE + _TWO, "int16")
    named = {"writer": np.array(["me", "you"]), "source": np.array(["x", "x"]), "part": np.array(["train", "test"])}
    return {
        "fuzzed.npz": _npz(points=points, **lines, **named, format=1),
        "fuzzed-unipen.npz": _npz(stroke3=points, **lines),
    }


def _session(strokes, more: str = "") -> bytes:
    points = "".join(
        '<Stroke colour="black" start_time="1" end_time="2">'
        + "".join(f'<Point x="{x}" y="{y}" time="1.5"/>' for x, y in stroke)
        + "</Stroke>"
        for stroke in strokes
    )
    return (
        f'<?xml version="1.0" encoding="ISO-8859-1"?>\n<WhiteboardCaptureSession>{more}<WhiteboardDescription>'
        f'<SensorLocation corner="top_left"/></WhiteboardDescription>\n<StrokeSet>{points}</StrokeSet>'
        "</WhiteboardCaptureSession>\n"
    ).encode("latin1")


def _iam() -> Files:
    form = (
        '<General><Form id="b02-001" writerID="7"/></General><Transcription>'
        '<TextLine id="b02-001-01" text="&quot;Oh&quot; &amp; no"/></Transcription>'
    )
    return {
        "lineStrokes/a01/a01-000/a01-000u-01.xml": _session([[(10, 20), (12, 27)], [(3, 5), (4, 4)]]),
        "lineStrokes/b02/b02-001/b02-001-01.xml": _session([[(0, 0), (5, 1)]]),
        "ascii/a01/a01-000/a01-000u.txt": b"OCR:\n\nA M0VE\n\nCSR:\n\nA MOVE to stop\nMr. Gaitskell\n\n",
        "original/b02/b02-001/strokes.xml": _session([[(1, 2), (3, 4)]], form),
        "forms.txt": b"# form writer\na01-000u 10056\n",
    }


def _iam_line() -> Files:
    return {"a01-000u-01.xml": _session([[(10, 20), (12, 27)], [(3, 5), (4, 4)]]), "a01-000u.txt": b"CSR:\n\nA MOVE\n"}


def _tablet() -> Files:
    one = {"text": "Hello", "writer": "me", "strokes": [[[10, 20], [11, 22], [12, 22]], [[30, 20], [31, 25]]]}
    timed = {"text": "à", "source": "x", "part": "train", "strokes": [[[1.5, 2, 0], [3, 4, 16]]]}
    return {
        "fuzzed.json": json.dumps([one, timed]).encode(),
        "fuzzed-one.json": json.dumps(one).encode(),
        "fuzzed.jsonl": f"{json.dumps(one)}\n{json.dumps(timed)}\n".encode(),
    }


def _use_handwriting(path: Path) -> None:
    from mdn.data import read_handwriting, to_lines

    lines = read_handwriting(path)
    for one in lines:
        to_lines(one)
    repr(lines)
    lines.divided(valid=0.1)


def _use_iam_line(folder: Path) -> None:
    _use_handwriting(folder / "a01-000u-01.xml")


def _splits() -> Files:
    return {
        "fuzzed.json": b'{"train": [0, 1], "valid": [2], "test": [3]}',
        "fuzzed-few.json": b'{"test_deduplicated": [0]}',
    }


def _use_splits(path: Path) -> None:
    from mdn.data import Drawings

    Drawings([np.array(_ONE, float)] * 4, parts=np.array(["train", "test", "valid", "train"])).with_split(path)


# ---- the chapters' data ----------------------------------------------------------------------------------------------


def _performances() -> Files:
    one, two = ([[0.1 * i, 0.5, 0.02] for i in range(n)] for n in (3, 5))
    impsy = [[0.02, 0.1 * i, 0.5] for i in range(4)]
    log = [f"2026-01-31T12:00:0{i}.5,interface,0.{i},0.75" for i in range(4)] + ["2026-01-31T12:00:05,rnn,0.5,0.5"]
    return {
        "fuzzed.npz": _npz(arr_0=_objects(one, two)),
        "fuzzed-perfs.npz": _npz(perfs=_objects(impsy, impsy[:2])),
        "fuzzed.csv": b"time,x,y,z,moving\n0.0,0.1,0.2,0,0\n0.02,0.1,0.25,0,1\n0.05,0.12,0.3,0,1\n",
        "fuzzed.log": "\n".join(log).encode(),
    }


def _use_performances(path: Path) -> None:
    from mdn.applications.jam.data import events, read_performances, swipes, touches

    for one in read_performances(path):
        touches(events(one))
        swipes(one)


def _recordings() -> Files:
    import mido

    memory = io.BytesIO()
    messages = [mido.Message("note_on", note=60 + i, time=9) for i in range(3)]
    mido.MidiFile(tracks=[mido.MidiTrack([*messages, mido.Message("control_change", control=7)])]).save(file=memory)
    return {**_performances(), "fuzzed.mid": memory.getvalue(), "fuzzed-dt.csv": b"dt,a,b\n0,0.5,1\n0.1,0.5,0.25\n"}


def _use_recordings(path: Path) -> None:
    from mdn.applications.instrument.data import Performances, read_performances, split
    from mdn.applications.instrument.events import as_events, as_performance, grid

    found = [one for one in read_performances(path) if one is not None]
    for one in found:
        steps = grid([one])
        as_performance(as_events(one, steps, np.random.default_rng(0)), steps)
    try:
        split(Performances(found))
    except ValueError as error:
        if "at least 10 performances" not in str(error):
            raise


def _jam_split() -> Files:
    return {"fuzzed.json": b'{"train": [0, 1], "valid": [2], "test": [3]}'}


def _use_jam_split(path: Path) -> None:
    from mdn.data.splits import read_split

    for rows in read_split(path, 4).values():
        np.arange(4)[rows]


def _letters() -> Files:
    places = np.cumsum(np.ones((8, 20, 2)), axis=1)
    return {"fuzzed.npz": _npz(position=places, letter=np.array(list("DDDDHHHH")))}


def _use_letters(path: Path) -> None:
    from mdn.applications.robot.data import moves, read_letters, split

    learnt, _ = split(read_letters(path, ("D", "H")), held_out=1)
    for paths in learnt.values():
        if not np.isfinite(moves(paths)).all():
            raise Wrong("a demonstration holds a number that is not finite")


def _records() -> Files:
    return {"fuzzed.npz": _npz(a=np.arange(3600, dtype="int16") % 200, b=np.arange(3700, dtype="int16") % 90)}


def _use_records(path: Path) -> None:
    from mdn.applications.ecg.data import FRAME, frames, pieces, read_records

    for one in pieces(read_records(path))[:3]:
        frames(one[: len(one) // FRAME * FRAME])


def _series() -> Files:
    from scipy.io import wavfile

    rows = np.stack([np.arange(60) % 7, np.arange(60) % 5 / 2], axis=-1)

    def write(folder):
        np.save(folder / "fuzzed.npy", rows)
        wavfile.write(folder / "fuzzed.wav", 8000, rows.astype("int16"))
        (folder / "fuzzed.npz").write_bytes(_npz(a=rows, b=rows[:9], channels=np.array(["x", "y"])))
        with contextlib.suppress(ImportError):
            import edfio

            edfio.Edf([edfio.EdfSignal(one, 10, label=name) for one, name in zip(rows.T, "xy", strict=True)]).write(
                folder / "fuzzed.edf"
            )

    return _written(write)


def _use_series(path: Path) -> None:
    from mdn.applications.series.data import pieces, read

    for one in read(path).spread(0):
        if not np.isfinite(one[~np.isnan(one)]).all() or not pieces(one):
            raise Wrong("a recording holds a number that is not finite, or none")


# ---- models ----------------------------------------------------------------------------------------------------------


def _regressors() -> Files:
    import keras

    import mdn

    x, y = np.arange(24.0).reshape(12, 2) % 7, np.ones(12)  # one value alone needs no training

    def write(folder):
        settings: dict[str, Any] = {"num_components": 1, "hidden_sizes": (3,), "epochs": 1, "random_state": 0}
        table = _with_text({"a": None, "town": ["north", "south"]}, 12)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the one value
            mdn.MDNRegressor(**settings).fit(x, y).save(folder / "fuzzed.mdn")
            mdn.MDNRegressor(**settings).fit(table, y).save(folder / "fuzzed-text.mdn")
            gone = np.where(x == 0.0, np.nan, x)
            trunk = keras.Sequential([keras.layers.Dense(2), keras.layers.Flatten()])
            mdn.MDNRegressor(**settings).fit(gone, y).save(folder / "fuzzed-missing.mdn")
            mdn.MDNRegressor(**settings, trunk=trunk).fit(x[:, None], y).save(folder / "fuzzed-trunk.mdn")

    return _written(write)


def _with_text(levels: dict[str, list[str] | None], rows: int):
    """A table for a regressor's columns."""
    from mdn.data import Table

    cells = tuple(
        np.arange(rows, dtype="float64")
        if known is None
        else tuple((known or ["x"])[i % len(known or "x")] for i in range(rows))
        for known in levels.values()
    )
    return Table(tuple(levels), cells, np.arange(rows), "x")


def _use_regressor(path: Path) -> None:
    import mdn

    regressor = mdn.load(path)
    levels = regressor.columns_.levels
    x = _with_text(levels, 2) if levels else np.zeros((2, regressor.n_features_in_))
    if regressor.trunk_ is not None:
        arrays = [np.zeros((2, *shape)) for shape in regressor.trunk_.shapes]
        x = {"array": arrays[0], "list": arrays, "dict": dict(zip(regressor.trunk_.names, arrays, strict=True))}[
            regressor.trunk_.kind
        ]
    regressor.predict(x)


def _models() -> Files:
    import keras

    import mdn

    def write(folder):
        small = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3, activation="relu"), mdn.MDN(1, 2)])
        small.save(folder / "fuzzed.keras")
        sequence = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(2), 2), units=(3,))
        sequence.build((None, None, 2))
        sequence.save(folder / "fuzzed-sequence.keras")

    return _written(write)


def _use_model(path: Path) -> None:
    import keras

    import mdn

    model = mdn.load(path)
    if isinstance(model, keras.Sequential):
        model(np.zeros((1, *model.input_shape[1:]), "float32"))
    else:
        model.get_config()


def _streams() -> Files:
    def write(folder):
        _stream().save(folder / "fuzzed.npz")
        stream = _stream()
        stream.step([0.5, 0.5])
        stream.save(folder / "fuzzed-begun.npz")

    return _written(write)


def _stream():
    import mdn

    model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(2), 2), units=(3,))
    model.build((None, None, 2))
    return model.stream(seed=0)


def _use_stream(path: Path, stream) -> None:
    stream.restore(path)
    if not all(np.isfinite(stream.step()).all() for _ in range(2)):
        raise Wrong("a state leads to numbers that are not finite")


# ---- worlds ----------------------------------------------------------------------------------------------------------


def _world() -> Files:
    from mdn.applications.world import Experiment
    from mdn.applications.world.storage import Episode

    def write(folder):
        experiment = Experiment.create(folder, "CartPole-v1", seed=3, size=4)
        lengths = (3, 5)
        episodes = [
            Episode(
                np.ones((n + 1, 4), "float32"),
                np.ones((n, 2), "float32"),
                np.ones(n, "float32"),
                True,
                False,
                np.ones((n + 1, 4)),
            )
            for n in lengths
        ]
        for chunk in (0, 1):
            experiment.write(chunk, episodes, "random")
            experiment.write_latents(chunk, [(np.ones((n + 1, 4)), np.zeros((n + 1, 4))) for n in lengths], "V")

    return _written(write)


def _use_world(folder: Path) -> None:
    from mdn.applications.world import Experiment

    experiment = Experiment.open(folder)
    for episodes in experiment.stream():
        for one in episodes:
            if not len(one.observations) == len(one.actions) + 1 == len(one.rewards) + 1:
                raise Wrong("the lengths of an episode disagree")
            if one.states is not None and len(one.states) != len(one.observations):
                raise Wrong("the states of an episode are too few")
    for chunk in experiment.chunks():
        experiment.rewards(chunk)
        experiment.has_latents(chunk, "V")
        for one in experiment.latents(chunk):
            if not len(one.mean) == len(one.log_variance) == len(one.actions) + 1:
                raise Wrong("the lengths of latents disagree")
    experiment.split()


def _checkpoints() -> Files:
    def write(folder):
        training = _training()
        _start(training, folder)
        training.run(2, lambda epoch: {"loss": 1.0 / (1 + epoch)})

    return _written(write)


def _training():
    """A training of a small network, without its folder."""
    import keras

    from mdn.training.checkpoints import Training

    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    with tempfile.TemporaryDirectory() as folder:
        return Training(folder, model, keras.optimizers.SGD(0.1), {"seed": 0})


def _start(training, folder: Path) -> None:
    from mdn.training.checkpoints import Checkpoints

    training.checkpoints = Checkpoints(folder, {"seed": 0, "rate": 0.1})


def _use_checkpoint(folder: Path, training) -> None:
    _start(training, folder)
    training.checkpoints.begun_with("seed")
    figures = training.run(
        2, lambda epoch: {"loss": 0.0}, lambda done, figures: (f"{done:d}", f"{figures['loss']:.3f}")
    )
    if len(figures) != 2:
        raise Wrong("there are not as many figures as epochs")


def _controller():
    from mdn.applications.world.controller import Controller

    return Controller(2, 2, "discrete", 1, 0, np.zeros(1, "float32"), np.ones(1, "float32"))


def _searches() -> Files:
    return _written(_use_search)


def _use_search(folder: Path) -> None:
    from mdn.applications.world.controller import evolve

    returns = lambda candidates, generation: -np.sum(candidates**2, axis=1)  # noqa: E731
    found, figures = evolve(_controller(), returns, folder, generations=2, population=4)
    if not np.isfinite(found).all() or len(figures) != 2:
        raise Wrong("a search goes on to numbers that are not finite")


def _controllers() -> Files:
    from mdn.applications.world.act import save_controller

    controller = _controller()
    parameters = np.arange(controller.size, dtype="float32")
    return _written(lambda folder: save_controller(folder / "fuzzed.npz", "CartPole-v1", controller, parameters))


def _use_controller(path: Path) -> None:
    from mdn.applications.world.act import load_controller

    controller, parameters = load_controller(path, "CartPole-v1")
    z, h = np.zeros((1, controller.latent_size), "float32"), np.zeros((1, controller.hidden_size), "float32")
    if not np.isfinite(np.asarray(controller.act(np.asarray(parameters)[None], z, h))).all():
        raise Wrong("an action is not finite")


def _use_object_arrays(path: Path) -> None:
    from mdn.data import read_object_arrays

    for array in read_object_arrays(path).values():
        for one in array.flat if array.dtype == object else [array]:
            np.asarray(one).copy().tolist()


READERS = {
    one.name: one
    for one in (
        Reader("table", _texts, _use_table),
        Reader("table-gz", _packed, _use_table),
        Reader("table-parquet", _parquet, _use_table),
        Reader("table-office", _office, _use_table),
        Reader("sequences", _sequences, _use_sequences),
        Reader("object-arrays", _object_arrays, _use_object_arrays),
        Reader("sketch-npz", _sketches, _use_drawings),
        Reader("quickdraw", _quickdraw, _use_drawings),
        Reader("svg", _svgs, _use_drawings),
        Reader("drawing-folder", _drawing_folder, _use_drawings, folder=True),
        Reader("drawing-split", _splits, _use_splits),
        Reader("handwriting-npz", _handwriting, _use_handwriting),
        Reader("handwriting-iam", _iam, _use_handwriting, folder=True),
        Reader("handwriting-iam-line", _iam_line, _use_iam_line, folder=True),
        Reader("handwriting-json", _tablet, _use_handwriting),
        Reader("instrument", _recordings, _use_recordings),
        Reader("jam", _performances, _use_performances),
        Reader("jam-split", _jam_split, _use_jam_split),
        Reader("robot", _letters, _use_letters),
        Reader("ecg", _records, _use_records),
        Reader("series", _series, _use_series),
        Reader("regressor", _regressors, _use_regressor),
        Reader("model", _models, _use_model, rare=20),
        Reader("stream", _streams, _use_stream, before=_stream),
        Reader("world", _world, _use_world, folder=True),
        Reader("world-checkpoint", _checkpoints, _use_checkpoint, folder=True, before=_training),
        Reader("world-search", _searches, _use_search, folder=True, rare=5),
        Reader("world-controller", _controllers, _use_controller),
    )
}
