"""Object arrays of public stroke files: NumPy pickles them, and a pickle may run code; this reader makes arrays only.

A pickle is a program for a machine with a stack. The machine here is our own and knows only what arrays of numbers need:
it imports nothing, calls only functions of this file, and checks each number, such as a shape, before NumPy sees it.
"""

from __future__ import annotations

import math
import pickletools
import re
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mdn.data.archives import array_of, check_unpacked, read_array, read_member
from mdn.data.limits import INSTRUCTIONS, unpacked_limit
from mdn.files import reading, sentence

_NUMBERS = re.compile(r"[<>|=]?(b1|[iu][1248]|f[248])")
_OBJECTS = re.compile(r"[<>|=]?O[48]?")
_PLAIN = (3, None, None, None, -1, -1)  # the state of a dtype of numbers, without its byte order and its flags


def read_object_arrays(path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file, object arrays among them, read without running anything in it.

    The elements of an object array are arrays of numbers, or numbers. The file may unpack to 64 MiB or to 100 times its size,
    whichever is more; so may the elements of each object array; a pickle may have 5 million instructions (200,000 arrays).

    Args:
        path: The path of the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no .npz file, holds anything but arrays of numbers and text, or exceeds these limits.
    """
    with reading(path, "arrays"):
        try:
            return _arrays(Path(path))
        except OSError:
            raise
        except Exception as error:
            raise ValueError(f"{str(path)!r} is no file of arrays that can be trusted: {sentence(error)}") from None


def _arrays(path: Path) -> dict[str, np.ndarray]:
    arrays, size = {}, path.stat().st_size
    objects = partial(_objects, most=unpacked_limit(size))
    with zipfile.ZipFile(path) as archive:
        check_unpacked(archive, unpacked_limit(size))
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            arrays[name] = read_array(name, read_member(archive, member), objects)
    return arrays


# ---- pickles ---------------------------------------------------------------------------------------------------------


def _objects(pickled: bytes, shape: tuple[int, ...], most: int) -> np.ndarray:
    """The object array that a pickle makes, which must fit `shape`; its elements together may have `most` bytes."""
    made = _Machine(pickled).run()
    if not isinstance(made, _Array) or made.items is None:
        raise ValueError("an object array must hold arrays")
    if math.prod(shape) != len(made.items):
        raise ValueError(f"an object array of shape {shape} came with {len(made.items)} elements")
    elements = [_element(item) for item in made.items]
    size = sum(one.nbytes for one in elements)
    if size > most:
        raise ValueError(
            f"its elements are {size:,} bytes large, but may be {most:,}: 64 MiB, or 100 times the size of the file"
        )
    found = np.empty(len(elements), object)
    for i, one in enumerate(elements):
        found[i] = one.copy()
    return found.reshape(shape)


def _element(item) -> np.ndarray | np.generic:
    if type(item) in (bool, int, float):
        return np.float64(item)
    if not isinstance(item, _Array) or item.value is None:
        raise ValueError("an object array must hold arrays of numbers, or numbers")
    return item.value if item.value.ndim else item.value[()]


class _Dtype:
    """The type of the elements of an array: numbers of a dtype, or objects."""

    def __init__(self, *said):
        name = said[0] if said and isinstance(said[0], str) else ""
        self.dtype: np.dtype | None = None  # None: objects
        if _NUMBERS.fullmatch(name):
            self.dtype = np.dtype(name)
        elif not _OBJECTS.fullmatch(name):
            raise ValueError(f"it names the type {str(said)[:60]}, but arrays are of numbers or of objects")

    def build(self, state, _) -> None:
        if not (isinstance(state, tuple) and len(state) == 8 and (state[0], *state[2:7]) == _PLAIN):
            raise ValueError("its types have names, fields or parts, but arrays of plain numbers are read alone")
        if state[1] not in ("<", ">", "|", "="):
            raise ValueError(f"it names the order of bytes {str(state[1])[:20]!r}")
        if self.dtype is not None:
            self.dtype = self.dtype.newbyteorder(state[1])


class _Array:
    """An array, empty until `build` or `fill`; then it has `value` if it is of numbers, else `items`."""

    def __init__(self):
        self.value: np.ndarray | None = None
        self.items: list | None = None

    def build(self, state, to_bytes: Callable[[Any], bytes]) -> None:
        if not (isinstance(state, tuple) and len(state) == 5 and state[0] == 1 and isinstance(state[2], _Dtype)):
            raise ValueError("the state of an array must be a version, a shape, a type, an order and its numbers")
        self.fill(*state[1:], to_bytes)

    def fill(self, shape, dtype: _Dtype, fortran, content, to_bytes: Callable[[Any], bytes]) -> None:
        if dtype.dtype is not None:
            self.value = array_of(to_bytes(content), shape, dtype.dtype, fortran is True)
        elif isinstance(content, list) and isinstance(shape, tuple):
            self.items = content
        else:
            raise ValueError("the elements of an object array must be a list")


class _Machine:
    """A stack machine that runs the pickle of an array."""

    def __init__(self, pickled: bytes):
        self.pickled = pickled
        self.bytes_left = len(pickled)  # bytes that text may still become; NumPy's own files never use a text twice
        self.stack: list = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self):
        for count, (opcode, argument, _) in enumerate(pickletools.genops(self.pickled)):
            if count >= INSTRUCTIONS:
                raise ValueError(f"it has more than {INSTRUCTIONS:,} instructions, the most that are run")
            if opcode.name in _PUSHING:
                self.stack.append(argument)
            elif opcode.name in _INSTRUCTIONS:
                _INSTRUCTIONS[opcode.name](self, argument)
            elif opcode.name == "STOP":
                return self.stack.pop()
            elif opcode.name not in _NOTHING:
                raise ValueError(f"it has the instruction {opcode.name}, which no array needs")

    def push(self, value) -> None:
        self.stack.append(value)

    def take(self, count: int) -> tuple:
        taken = tuple(self.stack[len(self.stack) - count :])
        if len(taken) < count:
            raise ValueError("it takes more than it has made")
        del self.stack[len(self.stack) - count :]
        return taken

    def since_mark(self) -> tuple:
        return self.take(len(self.stack) - self.marks.pop())

    def append(self, values: tuple) -> None:
        if not isinstance(self.stack[-1], list):
            raise ValueError("only lists grow")
        self.stack[-1].extend(values)

    def named(self, module, name) -> None:
        if (module, name) not in _KNOWN:
            raise ValueError(f"it names {module}.{name}, which is no part of an array")
        self.push(_KNOWN[module, name])

    def call(self) -> None:
        function, arguments = self.take(2)
        if not isinstance(function, _Call) or not isinstance(arguments, tuple):
            raise ValueError("it calls what is no part of an array")
        self.push(function.made(self, *arguments))

    def build(self) -> None:
        target, state = self.stack[-2], self.stack.pop()
        if not isinstance(target, _Dtype | _Array):
            raise ValueError("it changes what is no part of an array")
        target.build(state, self.to_bytes)

    def to_bytes(self, text) -> bytes:
        """Bytes as they are, or from text, one byte a character, as Python 2 and old protocols write them."""
        if not isinstance(text, str):
            if not isinstance(text, bytes | bytearray):
                raise ValueError("the numbers of an array must be bytes")
            return bytes(text) if isinstance(text, bytearray) else text
        self.bytes_left -= len(text)
        if self.bytes_left < 0:
            raise ValueError("it makes more bytes than it has")
        return text.encode("latin1")

    def encoded(self, text, codec) -> bytes:
        if not isinstance(text, str) or codec not in ("latin1", "latin-1"):
            raise ValueError(f"it encodes by {str(codec)[:40]!r}, but the bytes of arrays are written in latin1")
        return self.to_bytes(text)

    def scalar(self, dtype, content) -> _Array:
        return self.filled((), dtype, "C", content)

    def from_buffer(self, content, dtype, shape, order) -> _Array:
        return self.filled(shape, dtype, order, content)

    def filled(self, shape, dtype, order, content) -> _Array:
        made = _Array()
        if not isinstance(dtype, _Dtype) or dtype.dtype is None:
            raise ValueError("the type of numbers must be one of numbers")
        made.fill(shape, dtype, order == "F", content, self.to_bytes)
        return made


class _Call:
    """A function that a pickle may call; `made` returns its result."""

    def __init__(self, made: Callable[..., Any]):
        self.made = made


def _empty(value: Callable[[], Any]) -> Callable[..., Any]:
    return lambda machine, *_: value()


_CALLS = {
    "ndarray": None,  # only named, as an argument of _reconstruct; never called
    "dtype": _Call(lambda machine, *said: _Dtype(*said)),
    "_reconstruct": _Call(_empty(_Array)),
    "scalar": _Call(_Machine.scalar),
    "_frombuffer": _Call(_Machine.from_buffer),
}
_MODULES = ("numpy", *(f"numpy.{core}.{part}" for core in ("core", "_core") for part in ("multiarray", "numeric")))
_BYTES = _Call(_empty(bytes))  # makes b"": so protocol 2 writes the bytes of an empty array
_KNOWN = {(module, name): call for module in _MODULES for name, call in _CALLS.items()} | {
    ("_codecs", "encode"): _Call(_Machine.encoded),
    ("__builtin__", "bytes"): _BYTES,
    ("builtins", "bytes"): _BYTES,
}
_NOTHING = {"PROTO", "FRAME"}
_PUSHING = {
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE",
    "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8",
}  # fmt: skip
_INSTRUCTIONS: dict[str, Callable[[_Machine, Any], None]] = {
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE1": lambda machine, _: machine.push(machine.take(1)),
    "TUPLE2": lambda machine, _: machine.push(machine.take(2)),
    "TUPLE3": lambda machine, _: machine.push(machine.take(3)),
    "TUPLE": lambda machine, _: machine.push(machine.since_mark()),
    "MARK": lambda machine, _: machine.marks.append(len(machine.stack)),
    "APPEND": lambda machine, _: machine.append(machine.take(1)),
    "APPENDS": lambda machine, _: machine.append(machine.since_mark()),
    "GLOBAL": lambda machine, names: machine.named(*names.split(" ", 1)),
    "STACK_GLOBAL": lambda machine, _: machine.named(*machine.take(2)),
    "REDUCE": lambda machine, _: machine.call(),
    "BUILD": lambda machine, _: machine.build(),
    "BINPUT": lambda machine, place: machine.memo.__setitem__(place, machine.stack[-1]),
    "LONG_BINPUT": lambda machine, place: machine.memo.__setitem__(place, machine.stack[-1]),
    "MEMOIZE": lambda machine, _: machine.memo.__setitem__(len(machine.memo), machine.stack[-1]),
    "BINGET": lambda machine, place: machine.push(machine.memo[place]),
    "LONG_BINGET": lambda machine, place: machine.push(machine.memo[place]),
}
