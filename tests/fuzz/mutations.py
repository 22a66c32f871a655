"""Changes to the bytes of a file, blind ones and such as keep its container whole, so that they reach what lies within."""

from __future__ import annotations

import ast
import contextlib
import gzip
import io
import json
import pickletools
import re
import struct
import zipfile
from collections.abc import Sequence
from functools import lru_cache
from random import Random

MOST = 1 << 20  # bytes of a changed file

EXTREMES = (
    "2147483648",
    "4611686018427387904",
    "-1",
    "1e308",
    "-1e308",
    "1e999",
    "nan",
    "inf",
    "",
    "0",
    "1e-320",
    "9" * 400,
)
WORDS = (
    "",
    "\0",
    "#",
    '"',
    "'",
    ",",
    ";",
    "\t",
    "\n",
    "\r",
    " ",
    "é",
    "\ud7ff",
    "\u202e",
    "None",
    "1,5",
    "1.234,5",
    "x" * 5000,
)
VALUES = (
    None, True, -1, 0, 2**31, 2**62, 10**30, 10**310, 1e308, -1e308, 1e-320, float("nan"), float("inf"), "", "x", "nan",
    "x" * 5000, [], {}, [[]], [None], [1, 2, 3, 4], {"a": 1},
)  # fmt: skip
SHAPES = ("()", "(0,)", "(-1,)", "(1,)", "(3,)", "(2, 2)", "(2147483648,)", "(4611686018427387904,)", "(150000000, 3)", "(0, 3)",
          "(1, 1, 1)", "(65536, 65536, 65536)", "(True,)", "(1.5,)", "'x'", "[3]", "(0, 4611686018427387904)")  # fmt: skip
DTYPES = ("'|O'", "'<f8'", "'>f8'", "'<f2'", "'<i8'", "'|i1'", "'<U3'", "'<U100000000'", "'|S0'", "'|V8'", "'<M8[s]'", "'|b1'",
          "'<c16'", "[('a', '<f8')]", "[('a', '|O')]", "('<f8', (3,))", "'x'", "8", "None", "','")  # fmt: skip
NAMES = (
    b"numpy\ndtype\n", b"numpy\nndarray\n", b"_codecs\nencode\n", b"builtins\neval\n", b"os\nsystem\n", b"numpy\nload\n",
    b"numpy._core.multiarray\nscalar\n", b"numpy._core.multiarray\n_reconstruct\n",
    b"numpy._core.numeric\n_frombuffer\n",
)  # fmt: skip
NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


def mutated(rng: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """`data` with one to four changes, the same for the same state of `rng`.

    Args:
        rng: All chance.
        data: A whole file, or a member of one.
        others: More files of its kind, to splice it with.
    """
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        within = _WITHIN.get(kind_of(data), _bytes)
        change = within if rng.random() < 0.8 else _bytes
        data = change(rng, data, others)[:MOST]
    return data


def kind_of(data: bytes) -> str:
    """What a file looks like from its first bytes."""
    for start, kind in ((b"PK", "zip"), (b"\x1f\x8b", "gzip"), (b"\x93NUMPY", "npy"), (b"\x80", "pickle")):
        if data.startswith(start):
            return kind
    if b"\0" in data[:200] or data[:4] == b"PAR1":
        return "bytes"
    first = data.lstrip()[:1]
    return {b"{": "json", b"[": "json", b"<": "xml"}.get(first, "text")


# ---- blind -----------------------------------------------------------------------------------------------------------


def _bytes(rng: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Bits, bytes and blocks, whatever they mean."""
    if not data:
        return rng.randbytes(rng.randrange(1, 40))
    at = rng.randrange(len(data))
    to = min(len(data), at + rng.choice((1, 1, 2, 4, 8, 16, 100, 1000)))
    kind = rng.randrange(10)
    if kind == 0:
        return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]
    if kind == 1:
        return data[:at] + rng.randbytes(to - at) + data[to:]
    if kind == 2:
        return data[:at] + data[to:]
    if kind == 3:
        return data[:at] + rng.randbytes(rng.choice((1, 2, 8, 64))) + data[at:]
    if kind == 4:
        return data[:at] + data[at:to] * rng.choice((2, 3, 10, 100, 1000)) + data[to:]
    if kind == 5:
        return data[:at]
    if kind == 6:
        return data[:at] + rng.choice((b"\0", b"\xff")) * (to - at) + data[to:]
    if kind == 7:
        number = rng.choice(
            (struct.pack("<q", 2**62), struct.pack("<i", -1), struct.pack("<I", 2**31), struct.pack(">q", 2**62))
        )
        return data[:at] + number + data[at + len(number) :]
    if kind == 8 and others:
        other = rng.choice(others)
        return data[:at] + other[rng.randrange(len(other) + 1) :]
    return _number(rng, data)


def _number(rng: Random, data: bytes) -> bytes:
    """One number in text becomes an extreme one."""
    found = list(NUMBER.finditer(data[:100_000]))
    if not found:
        return data + b"1e999"
    one = rng.choice(found)
    return data[: one.start()] + rng.choice(EXTREMES).encode() + data[one.end() :]


# ---- text ------------------------------------------------------------------------------------------------------------


def _text(rng: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Numbers, words, cells and lines of a table."""
    kind = rng.randrange(8)
    if kind <= 1:
        return _number(rng, data)
    if kind == 2:
        at = rng.randrange(len(data) + 1)
        return data[:at] + rng.choice(WORDS).encode() + data[at:]
    lines = data.split(b"\n")
    at = rng.randrange(len(lines))
    if kind == 3:
        lines[at : at + 1] = [lines[at]] * rng.choice((0, 2, 3, 500))
    elif kind == 4:
        other = rng.randrange(len(lines))
        lines[at], lines[other] = lines[other], lines[at]
    elif kind == 5:
        mark = rng.choice((b",", b";", b"\t", b" "))
        cells = lines[at].split(mark)
        cell = rng.randrange(len(cells))
        cells[cell : cell + 1] = rng.choice(([], [cells[cell]] * rng.choice((2, 50)), [rng.choice(WORDS).encode()]))
        lines[at] = mark.join(cells)
    elif kind == 6:
        old, new = rng.choice(
            ((b",", b";"), (b".", b","), (b"\n", b"\r"), (b",", b"\t"), (b",", b", "), (b"\n", b"\n\n"))
        )
        return data.replace(old, new)
    else:
        return data.decode("utf-8", "replace").encode(rng.choice(("utf-16", "utf-32", "utf-8-sig", "cp500")), "replace")
    return b"\n".join(lines)


# ---- JSON ------------------------------------------------------------------------------------------------------------


def _json(rng: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """One value of JSON, or of one line of it, becomes another; keys vanish, come twice and change."""
    try:
        return _of_json(rng, json.loads(data))
    except (ValueError, RecursionError):
        lines = data.split(b"\n")
        at = rng.randrange(len(lines))
        with contextlib.suppress(ValueError, RecursionError):
            lines[at] = _of_json(rng, json.loads(lines[at]))
            return b"\n".join(lines)
        return _text(rng, data)


def _of_json(rng: Random, found) -> bytes:
    holder = [found]
    spots: list[tuple] = []
    waiting: list = [holder]
    while waiting and len(spots) < 2000:
        one = waiting.pop()
        for key in list(one) if isinstance(one, dict) else range(len(one)):
            spots.append((one, key))
            if isinstance(one[key], dict | list):
                waiting.append(one[key])
    # the few values near the root are as likely as the many numbers in a long list
    one, key = rng.choice(spots if rng.random() < 0.5 else spots[:12])
    old, kind = one[key], rng.randrange(9)
    if kind <= 2:
        one[key] = rng.choice(VALUES)
    elif kind == 3 and one is not holder:
        del one[key]
    elif kind == 4 and isinstance(old, list):
        one[key] = rng.choice((old * 2, old[:1], old[1:], old[::-1], [old], old * 200))
    elif kind == 4 and isinstance(old, int | float):
        one[key] = rng.choice((old + 1, old - 1, -old, 0.5, f"{old}", old * 1000))
    elif kind == 4 and isinstance(old, str):
        one[key] = rng.choice((old + "x", old[:-1], old.upper(), [old], *WORDS))
    elif kind == 5:
        other, place = rng.choice(spots)
        one[key] = json.loads(json.dumps(other[place]))
    elif kind == 6 and isinstance(one, dict):
        one[rng.choice((*WORDS, str(key) + "x", "format", "class_name"))] = rng.choice((old, *VALUES))
    elif kind == 7:
        text = json.dumps(holder[0]).encode()
        deep = rng.choice((10, 500, 3000, 200_000))
        part = json.dumps(old).encode()
        return text.replace(part, b"[" * deep + part + b"]" * deep, 1)
    else:
        return _number(rng, json.dumps(holder[0]).encode())
    return json.dumps(holder[0]).encode("utf-8", "surrogatepass")


# ---- XML -------------------------------------------------------------------------------------------------------------

_TAG = re.compile(rb"<[^<>]{0,2000}>")
_ATTRIBUTE = re.compile(rb"([\w:.-]+)=(\"[^\"]*\"|'[^']*')")
_TRAPS = (
    b'<!DOCTYPE a [<!ENTITY b "' + b"ha" * 100 + b'">]>', b"<!DOCTYPE svg [<!ATTLIST path d CDATA 'M0 0L1 1'>]>", b"<script/>",
    b"<use href='#a'/>", b"<?xml version='1.0' encoding='x'?>", b"&#0;", b"&a;", b"<![CDATA[",
    b"<g transform='matrix(0 0 0 0 0 0)'>",
    b"<path d='M0 0a1 1 0 0 0 1 1' stroke='red'/>",
)  # fmt: skip


def _xml(rng: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """Tags and attributes: another value, none, the element many times, another name, a trap before it."""
    found = list((_ATTRIBUTE if rng.random() < 0.7 else _TAG).finditer(data[:100_000]))
    if not found:
        return _bytes(rng, data, others)
    one = rng.choice(found)
    text = one.group()
    kind = rng.randrange(7)
    if kind <= 2:
        new = _text(rng, text) if kind else _number(rng, text)
    elif kind == 3:
        new = b""
    elif kind == 4:
        new = text * rng.choice((2, 50, 3000))
    elif kind == 5:
        new = rng.choice(_TRAPS) + text
    elif b"=" in text:
        name, value = text.split(b"=", 1)
        new = name + b"=" + value[:1] + value[1:-1] * rng.choice((2, 10, 1000)) + value[-1:]
    else:
        new = text.replace(b"<", b"<x", 1)
    return data[: one.start()] + new + data[one.end() :]


# ---- arrays and pickles ----------------------------------------------------------------------------------------------


def _npy(rng: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """The header of a .npy, or what comes after it."""
    try:
        long = data[6] > 1
        size = struct.unpack("<I", data[8:12])[0] if long else struct.unpack("<H", data[8:10])[0]
        start = 12 if long else 10
        header, body = data[start : start + size], data[start + size :]
        about = ast.literal_eval(header.decode("latin1"))
        assert isinstance(about, dict) and about
    except Exception:  # changed before
        return _bytes(rng, data, others)
    kind = rng.randrange(6)
    if kind <= 1:
        body = mutated(rng, body) if body else rng.randbytes(8)
    else:
        parts = {name: repr(value) for name, value in about.items()}
        if kind == 2:
            parts["shape"] = rng.choice(SHAPES)
        elif kind == 3:
            parts["descr"] = rng.choice(DTYPES)
        elif kind == 4:
            parts["shape"] = _number(rng, parts.get("shape", "()").encode()).decode()
        else:
            name = rng.choice(list(parts))
            parts[rng.choice((name, "x"))] = (
                parts.pop(name) if rng.random() < 0.5 else rng.choice(("True", "[]", "{" * 300, "None"))
            )
        header = ("{" + ", ".join(f"{name!r}: {value}" for name, value in parts.items()) + ", }").encode(
            "latin1", "replace"
        )
    length = len(header) + 1
    return data[:6] + b"\x02\0" + struct.pack("<I", length) + header + b"\n" + body


def _pickle(rng: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """The machine code of a pickle: operations dropped, doubled and replaced, and their arguments."""
    places = []
    with contextlib.suppress(Exception):  # of a pickle changed before: up to where it still is one
        places.extend(place for _, _, place in pickletools.genops(data))
    if len(places) < 2:
        return _bytes(rng, data, others)
    i = rng.randrange(len(places))
    at, to = places[i], places[i + 1] if i + 1 < len(places) else len(data)
    op, kind = data[at:to], rng.randrange(7)
    if kind == 0:
        new = b""
    elif kind == 1:
        new = op * rng.choice((2, 3, 2000))
    elif kind == 2 and len(op) > 1:
        new = op[:1] + _bytes(rng, op[1:])
    elif kind == 3:
        new = rng.choice((b"K\x01", b"J\xff\xff\xff\xff", b"J\0\0\0\x40", b"N", b"I9223372036854775807\n", b"}", b"]", b")",
                          b"\x89",
                          b"X\x01\0\0\0O", b"L" + b"9" * 400 + b"L\n", b"G\x7f\xf8" + b"\0" * 6))  # fmt: skip
    elif kind == 4:
        new = b"c" + rng.choice(NAMES)
    elif kind == 5:
        new = op + rng.choice((b"R", b"b", b"0", b"2", b"(", b"t", b"a", b"s", b"u", b"e", b"h\x01", b"."))
    else:
        j = rng.randrange(len(places) - 1)
        new = data[places[j] : places[j + 1]]
    return data[:at] + new + data[to:]


# ---- what packs ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _members(data: bytes) -> tuple[tuple[str, int, bytes], ...]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return tuple((one.filename, one.compress_type, archive.read(one)) for one in archive.infolist())


def _zip(rng: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """A member of a zip is changed, and packed again with the right checksum; members vanish, come twice, change places."""
    try:
        members = list(_members(data))
    except Exception:  # changed before
        return _bytes(rng, data, others)
    if not members:
        return data
    at = rng.randrange(len(members))
    name, packing, content = members[at]
    kind = rng.randrange(20)
    if kind == 0:
        del members[at]
    elif kind == 1:
        members[at] = (
            rng.choice((name + "x", "x", "../" + name, "", name.upper(), "about.npy", "format.npy")),
            packing,
            content,
        )
    elif kind == 2:
        members.append((name, packing, mutated(rng, content)))
    elif kind == 3:
        members[at] = (name, packing, rng.choice(members)[2])
    elif kind == 4:
        members[at] = (name, rng.choice((zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2, zipfile.ZIP_DEFLATED)), content)
    elif kind == 5:
        members.append((rng.choice(("x.npy", "mdn.json", "x")), packing, rng.choice((b"", content, b"x"))))
    elif kind == 6 and others:
        with contextlib.suppress(Exception):
            members[at] = (name, packing, rng.choice(_members(rng.choice(others)))[2])
    else:
        members[at] = (name, packing, mutated(rng, content))
    return _packed(members)


def _packed(members) -> bytes:
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        for name, packing, content in members:
            with contextlib.suppress(UserWarning, UnicodeError):  # a name comes twice
                archive.writestr(zipfile.ZipInfo(name), content, packing)
    return found.getvalue()


def _gzip(rng: Random, data: bytes, others: Sequence[bytes] = ()) -> bytes:
    """What is packed is changed, and packed again."""
    try:
        content = gzip.decompress(data)
    except Exception:  # changed before
        return _bytes(rng, data, others)
    packed = gzip.compress(mutated(rng, content), 1, mtime=0)
    return packed + rng.choice((b"", b"", b"", packed, b"\0" * 10, b"x"))


_WITHIN = {
    "text": _text, "json": _json, "xml": _xml, "npy": _npy, "pickle": _pickle, "zip": _zip, "gzip": _gzip,
}  # fmt: skip
