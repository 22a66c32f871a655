"""Files from outside: whatever goes wrong in their readers is a ValueError or an OSError that names the file."""

import csv
import errno
import math
import os
import struct
import subprocess
import sys
import tempfile
import threading
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import mdn_cli
from mdn import files
from mdn.data import archives, limits, schema
from mdn.files import reading

pytestmark = pytest.mark.project


@pytest.mark.parametrize(
    "error",
    [
        zipfile.BadZipFile("bad"), zlib.error("bad"), csv.Error("bad"), OverflowError("bad"), LookupError("bad"),
        KeyError("x"), RecursionError("bad"), SystemError("bad"), MemoryError(), IndexError("bad"),
        UnicodeDecodeError("utf-8", b"x", 0, 1, "bad"),
        ValueError("bad"), AttributeError("bad"), TypeError("bad"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_any_exception_of_a_reader_becomes_a_value_error_with_the_name_of_the_file(error):
    """Fault 14 of issue 18: thousands of mutated files ended in exceptions that no caller expects."""
    with (
        pytest.raises(ValueError, match=r"^in/file\.csv cannot be read as a table: .+\.$"),
        reading("in/file.csv", "a table"),
    ):
        raise error


def test_errors_of_the_system_keep_their_class_and_name_the_file(tmp_path):
    missing = tmp_path / "no.csv"
    with pytest.raises(FileNotFoundError, match=r"there is no file '.*no\.csv'"), reading(missing, "a table"):
        missing.read_text()
    with pytest.raises(IsADirectoryError, match=tmp_path.name), reading(tmp_path, "a table"):
        tmp_path.read_text()
    with pytest.raises(OSError, match=r"no\.csv cannot be read: bad"), reading(missing, "a table"):
        raise OSError("bad")


def test_a_sentence_that_names_the_file_passes_as_it_is():
    with pytest.raises(ValueError, match=r"^a\.csv: line 3 has 2 cells\.$"), reading("a.csv", "a table"):
        raise ValueError("a.csv: line 3 has 2 cells.")


# ---- never half-written ----------------------------------------------------------------------------------------------

KILLED = """
import importlib.util, os, signal, sys
spec = importlib.util.spec_from_file_location("files", sys.argv[1])
files = importlib.util.module_from_spec(spec)
spec.loader.exec_module(files)
with files.replacing(sys.argv[2]) as temporary:
    temporary.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_swept_when_the_same_path_is_written_again(tmp_path):
    """Fault 6 of issue 18: unfinished files stayed for ever after a kill -9."""
    path = tmp_path / "m.mdn"
    path.write_text("old")
    subprocess.run([sys.executable, "-S", "-c", KILLED, files.__file__, str(path)], check=False, timeout=60)
    assert path.read_text() == "old" and len(list(tmp_path.iterdir())) == 2
    with files.replacing(tmp_path / "other.mdn") as temporary:
        temporary.write_text("another path")
    assert len(list(tmp_path.iterdir())) == 3
    with files.replacing(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new" and {one.name for one in tmp_path.iterdir()} == {"m.mdn", "other.mdn"}


def test_only_unfinished_files_of_dead_processes_of_this_machine_are_swept(tmp_path):
    """Fault 6 of issue 18: one process's unfinished file was another's to delete."""
    gone, before = subprocess.Popen(["true"]), subprocess.Popen(["true"])
    assert gone.wait() == before.wait() == 0
    host, here, parent = files._host(), os.getpid(), os.getppid()
    stays = [
        f".m.{host}-{here}-{files._started(here)}-0.mdn",
        f".m.{host}-{parent}-{files._started(parent)}-0.mdn",
        f".m.00000000-{gone.pid}-1-0.mdn",  # of another machine, on a disk that is shared
        f".m.{gone.pid}.mdn",  # of an earlier version, which may run on another machine: not before a day has passed
        ".m.notes.mdn",
    ]
    swept = [f".m.{host}-{gone.pid}-1-0.mdn", f".m.{host}-{here}-1-0.mdn", f".m.{before.pid}.mdn"]
    for name in (*stays, *swept):
        (tmp_path / name).touch()
    os.utime(tmp_path / f".m.{before.pid}.mdn", (0, 0))
    files.forget_unfinished(tmp_path, "m")
    assert {one.name for one in tmp_path.iterdir()} == set(stays)


def test_a_process_that_was_killed_and_not_yet_waited_for_is_dead():
    """Fault 6 of issue 18."""
    with subprocess.Popen(["sleep", "60"]) as one:
        assert files._started(one.pid) > 0
        one.kill()
        os.waitid(os.P_PID, one.pid, os.WEXITED | os.WNOWAIT)
        assert files._started(one.pid) == files._DEAD


def test_threads_and_calls_write_to_names_of_their_own(tmp_path):
    """Fault 6 of issue 18: two threads of one process wrote to one unfinished file."""
    names, path = [], tmp_path / "m.mdn"
    together = threading.Barrier(4)

    def write(content):
        with files.replacing(path) as temporary, files.replacing(path) as second:
            names.extend((temporary, second))
            together.wait(10)
            temporary.write_text(content)
            second.write_text(content)

    threads = [threading.Thread(target=write, args=(str(i),)) for i in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(set(names)) == 8 and all(one.suffix == ".mdn" for one in names)
    assert [one.name for one in tmp_path.iterdir()] == ["m.mdn"] and path.read_text() in "0123"


def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path):
    path = tmp_path / ("ü" * 125 + ".mdn")
    with files.replacing(path) as temporary:
        temporary.write_text("x")
    assert path.read_text() == "x"


# ---- where results go ------------------------------------------------------------------------------------------------


def full(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("command", ["fit t.csv --target y", *(f"train {one}" for one in
                                     ("robot", "jam", "sketch", "ecg", "handwriting"))])  # fmt: skip
def test_a_full_disk_is_noticed_before_training(command, tmp_path, monkeypatch):
    """Fault 5 of issue 18: it was noticed after hours of training. Nothing is read before it is."""
    monkeypatch.setattr(files.os, "fsync", full)
    ran = CliRunner().invoke(mdn_cli.app, [*command.split(), "--out", str(tmp_path / "m.keras")])
    assert ran.exit_code == 2 and "m.keras' cannot be written: No space left on device." in ran.output
    assert not list(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_named():
    """Fault 5 of issue 18."""
    with pytest.raises(OSError, match=r"^'/proc/m\.mdn' cannot be written: .+\. Name another place\.$"):
        files.try_to_write("/proc/m.mdn")


def test_trying_leaves_nothing_and_touches_nothing(tmp_path):
    path = tmp_path / "m.mdn"
    path.write_text("old")
    files.try_to_write(path)
    assert [one.name for one in tmp_path.iterdir()] == ["m.mdn"] and path.read_text() == "old"


def test_what_cannot_be_written_in_the_end_goes_to_a_folder_that_is_named(tmp_path, monkeypatch):
    """Fault 5 of issue 18: what was learnt was lost."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "full").mkdir()
    replace = os.replace
    monkeypatch.setattr(files.os, "replace", lambda a, b: full() if "full" in str(b) else replace(a, b))

    def save(path):
        with files.replacing(path) as temporary:
            temporary.write_text("learnt")

    with pytest.raises(OSError, match=r"No space left on device\. The result was kept: ") as caught:
        files.keeping(tmp_path / "full" / "m.mdn", save)
    kept = Path(str(caught.value).rpartition(": ")[2])
    assert kept.name == "m.mdn" and kept.read_text() == "learnt" and not list((tmp_path / "full").iterdir())
    with pytest.raises(OSError, match=r"nor can a temporary folder: No space left on device\. The result is lost"):
        files.keeping(tmp_path / "full" / "m.mdn", full)


# ---- archives --------------------------------------------------------------------------------------------------------


def test_an_archive_may_not_unpack_to_more_than_is_stated(tmp_path, monkeypatch):
    """Fault 14 of issue 18: a small file filled the memory."""
    np.savez_compressed(tmp_path / "a.npz", a=np.zeros(400_000))
    assert archives.plain_arrays(tmp_path / "a.npz")["a"].shape == (400_000,)
    monkeypatch.setattr(limits, "ARCHIVE", 1_000_000)
    with pytest.raises(ValueError, match=r"would unpack to 3,200,\d+ bytes, but 1,000,000 are the most"):
        archives.plain_arrays(tmp_path / "a.npz")
    np.savez(tmp_path / "b.npz", a=np.zeros(400_000))  # as large on disk as in memory
    archives.plain_arrays(tmp_path / "b.npz")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,)}", "but has 24 bytes"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-3,)}", "but has 24 bytes"),
        ("{'descr': '|O', 'fortran_order': False, 'shape': (3,)}", "numbers or text, but holds object"),
        ("{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': (3,)}", "numbers or text, but holds"),
    ],
)
def test_the_shape_of_an_array_is_held_against_its_bytes(header, message, tmp_path):
    """Fault 14 of issue 18: a size of 2**62 in a header aborted the interpreter."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode() + bytes(24))
    with pytest.raises(ValueError, match=message):
        archives.plain_arrays(tmp_path / "a.npz")


def test_a_member_that_is_longer_than_its_archive_says_is_refused(tmp_path):
    """Fault 14 of issue 18: the sizes in the list of an archive are a claim."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", bytes(10**6))
    whole = path.read_bytes()
    path.write_bytes(whole.replace(struct.pack("<I", 10**6), struct.pack("<I", 10)))
    with (
        zipfile.ZipFile(path) as archive,
        pytest.raises((ValueError, zipfile.BadZipFile), match=r"is not 10 bytes long, as the archive says|CRC"),
    ):
        archives.read_member(archive, "a")
    path.write_bytes(whole)
    with zipfile.ZipFile(path) as archive:
        assert archives.read_member(archive, "a") == bytes(10**6)
    path.write_bytes(whole.replace(zlib.crc32(bytes(10**6)).to_bytes(4, "little"), bytes(4)))
    with zipfile.ZipFile(path) as archive, pytest.raises(zipfile.BadZipFile, match="CRC"):
        archives.read_member(archive, "a")


def test_plain_arrays_are_those_of_numpy(tmp_path):
    given = {
        "f": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "text": np.array("é{}"), "none": np.zeros((0, 3), "int8"),
        "flags": np.array([True, False]), "big": np.arange(3, dtype=">i4"), "left": np.zeros(3),
    }  # fmt: skip
    np.savez_compressed(tmp_path / "a.npz", **given)
    found = archives.plain_arrays(tmp_path / "a.npz", without=("left",))
    assert list(found) == ["f", "text", "none", "flags", "big"]
    for name, value in found.items():
        np.testing.assert_array_equal(value, given[name])
        assert value.dtype == given[name].dtype and value.flags.writeable


# ---- what files say of themselves ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "value", "message"),
    [
        (schema.whole(1, 9), 10, "`x` must be a whole number from 1 to 9, but 10 stands there."),
        (schema.whole(), True, "a whole number"),
        (schema.whole(), 1.0, "a whole number"),
        (schema.number(), math.nan, "a finite number, but nan"),
        (schema.number(), 10**400, "a finite number, but 1000"),
        (schema.number(above=0.0), 0.0, "a finite number above 0, but 0.0"),
        (schema.text, 3, "text, but 3"),
        (schema.one_of("a", 1), True, "one of 'a', 1, but True"),
        (schema.listed(schema.text, count=2), ["a"], "a list of 2 values"),
        (schema.listed(schema.text), ["a", 2], r"`x\[1\]` must be text"),
        (schema.record(a=schema.text), {}, r"`x\.a` is missing"),
        (schema.record(a=schema.text), {"a": "", "b": 1}, r"`x\.b` is not known here"),
        (schema.record(a=schema.text), [], "values by name"),
        (schema.mapping(schema.text), {"a": 1}, r"`x\.a` must be text"),
        (schema.array(2), np.zeros(3), r"an array of shape \(2\) of kind 'f', but it is float64 of shape \(3,\)"),
        (schema.array(None), np.array([math.inf]), "`x` holds NaN or infinity"),
        (schema.array(None, infinite=True), np.array([math.nan]), "`x` holds NaN"),
    ],
)
def test_what_does_not_fit_its_rule_is_named(rule, value, message):
    """Fault 14 of issue 18: one check for everything that describes itself."""
    with pytest.raises(ValueError, match=message):
        rule(value, "x")


def test_what_fits_its_rule_passes():
    rule = schema.record(
        optional=("c",), others=True, a=schema.maybe(schema.number()), b=schema.either(schema.whole(), schema.text),
        c=schema.flag, d=schema.array(None, 2),
    )  # fmt: skip
    said = {"a": None, "b": "auto", "d": np.ones((3, 2)), "more": [1]}
    assert rule(said, "") == said
