"""The lines of a file of text: UTF-8, UTF-16 with a byte order mark, or Windows-1252; any ends of lines; packed or not."""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mdn.data.endings import EXCEL, PACKED, PARQUET
from mdn.data.tables import TableError

_BLOCK = 1 << 16  # bytes that are decoded at once
_PACKED_FROM, _PACKED_TIMES = 1 << 26, 200
LONGEST = 1 << 24
"""Characters that a row may have."""
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_NO_TEXT = re.compile("[\0-\x08\x0e-\x1f\x7f]")  # in no text in Windows-1252
_END = "\x1a"  # Ctrl-Z, with which programs of DOS end a text
_HIDDEN = ("__MACOSX/", ".")


def check_packed(path: Path, size: int, packed: int) -> None:
    """Raises a TableError if a file unpacks to far more than a table does: a small file must not take hours to read."""
    if size > _PACKED_FROM and size > _PACKED_TIMES * packed:
        raise TableError(
            f"{path} unpacks to more than {_PACKED_TIMES} times its size and more than {_PACKED_FROM >> 20} MiB, which no "
            "table of measurements does. If it is one, unpack it first."
        )


class TextLines:
    """The lines of a file, one after another.

    Attributes:
        size: Characters so far.
        note: That the file was read as Windows-1252, if so.
    """

    def __init__(self, path: Path, raw):
        """Opens the text in a file of bytes, which is unpacked if its name ends in .gz or .zip.

        Args:
            path: The path of the file.
            raw: The file, open for reading bytes.

        Raises:
            TableError: if it is packed but damaged, or unpacks to far too much.
        """
        self._path, self._raw, self._packed = path, raw, path.suffix.lower() in (".gz", ".zip")
        self.size, self.note = 0, ""
        if path.suffix.lower() == ".gz":
            self._look_into()
            self._file = gzip.GzipFile(fileobj=raw)
        elif path.suffix.lower() == ".zip":
            self._file = self._member()
        else:
            self._file = raw

    def __iter__(self) -> Iterator[str]:
        look = _PACKED_FROM
        with _unpacking(self._path):
            for number, line in enumerate(self._split(), 1):
                self.size += len(line)
                if len(line) > LONGEST:
                    raise TableError(f"{self._path} is no table: a line of it has more than {LONGEST} characters.")
                if "\0" in line:
                    raise TableError(f"{self._path} is not a text file. Save the table as CSV first.")
                if self._packed and self.size > look:
                    check_packed(self._path, self.size, self._raw.tell())
                    look = self.size + (_PACKED_FROM >> 2)
                if self._decoder.western and not self.note and not line.isascii():
                    first = next(letter for letter in line if not letter.isascii())
                    self.note = (
                        f"{self._path}: not in UTF-8, so it is read as Windows-1252, in which line {number} has {first!r}. If "
                        "letters are wrong, save the file in UTF-8."
                    )
                yield line

    def _split(self) -> Iterator[str]:
        self._decoder = _Decoder(self._path)
        newlines, length = io.IncrementalNewlineDecoder(None, translate=True), 0
        parts: list[str] = []
        while True:
            block = self._file.read(_BLOCK)
            text = newlines.decode(self._decoder.decode(block, final=not block), final=not block)
            *whole, rest = text.split("\n")
            for line in whole:
                yield "".join([*parts, line, "\n"])
                parts, length = [], 0
            parts.append(rest)
            length += len(rest)
            if not block or length > LONGEST:
                last = "".join(parts) if block else "".join(parts).removesuffix(_END)
                if last:
                    yield last
                if not block:
                    return

    def _look_into(self) -> None:
        """Unpacks the beginning only to check its size, which is many times faster than reading rows."""
        unpacked, size = gzip.GzipFile(fileobj=self._raw), 0
        with _unpacking(self._path):
            while size <= _PACKED_FROM and (block := unpacked.read(1 << 20)):
                size += len(block)
                check_packed(self._path, size, self._raw.tell())
        self._raw.seek(0)

    def _member(self):
        """The only table in a zip archive, open for reading bytes."""
        with _unpacking(self._path):
            archive = zipfile.ZipFile(self._raw)
        there = [
            one
            for one in archive.infolist()
            if not one.is_dir() and not any(map(Path(one.filename).name.startswith, _HIDDEN))
        ]
        there = [one for one in there if not one.filename.startswith(_HIDDEN)]
        if len(there) != 1:
            names = ", ".join(repr(one.filename[:60]) for one in there[:5]) + (", ..." if len(there) > 5 else "")
            raise TableError(
                f"{self._path} must hold one table, but holds {len(there)} files{': ' + names if names else ''}. Unpack it, "
                "and name the one to read."
            )
        (one,) = there
        check_packed(self._path, one.file_size, one.compress_size)
        if one.flag_bits & 1 or one.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise TableError(
                f"{self._path}: {one.filename!r} is encrypted, or packed in a way that is not read. Unpack it."
            )
        if Path(one.filename).suffix.lower() in (*PACKED, *EXCEL, *PARQUET):
            raise TableError(
                f"{self._path} holds {one.filename!r}, which is not a text file. Unpack it, and read that file."
            )
        with _unpacking(self._path):
            return archive.open(one)


@contextmanager
def _unpacking(path: Path) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error, EOFError) as error:
        kind = "a text file packed by gzip" if path.suffix.lower() == ".gz" else "a zip archive"
        raise TableError(f"{path} is not {kind}, or it is damaged: {str(error).rstrip('.')}.") from None


class _Decoder:
    """Bytes to text: UTF-8, or UTF-16 if it begins with a byte order mark, or else Windows-1252.

    A file that has letters in UTF-8 and then a byte that is none is damaged, and no file in Windows-1252.
    """

    def __init__(self, path: Path):
        self._path = path
        self._decoder: codecs.IncrementalDecoder | None = None
        self._ascii, self._begin = True, b""
        self.western = False

    def decode(self, block: bytes, final: bool) -> str:
        if self._decoder is None:
            self._begin += block
            if len(self._begin) < 4 and not final:
                return ""
            block = self._begin
            wide = block.startswith(_UTF16) and not block.startswith(_UTF32)
            self._decoder = codecs.getincrementaldecoder("utf-16" if wide else "utf-8-sig")()
            self._ascii = not wide and not block.startswith(codecs.BOM_UTF8)
        pending = self._decoder.getstate()[0]
        try:
            text = self._decoder.decode(block, final)
        except UnicodeDecodeError as error:
            text = self._western(pending + block, error)
        if self.western and _NO_TEXT.search(text):
            raise self._refused()
        self._ascii = self._ascii and text.isascii()
        return text

    def _western(self, block: bytes, error: UnicodeDecodeError) -> str:
        if not self._ascii or self.western or not block[: error.start].isascii():
            raise self._refused() from None
        self._decoder, self.western = codecs.getincrementaldecoder("cp1252")(), True
        try:
            return self._decoder.decode(block)
        except UnicodeDecodeError:
            raise self._refused() from None

    def _refused(self) -> TableError:
        return TableError(
            f"{self._path} is not a text file in UTF-8, UTF-16 or Windows-1252, or it is damaged. Save the table as CSV "
            "first, in UTF-8."
        )
