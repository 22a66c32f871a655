"""Files from outside: whatever goes wrong in their readers is a ValueError or an OSError that names the file."""

import csv
import zipfile
import zlib

import pytest

from mdn.data.files import reading

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
