"""OSC packets, read with bounds: any packet is read in a time bounded by its length, or refused with a ValueError.

A packet from a stranger must not stop the music. python-osc recurses into bundles, sleeps until their time tags, turns
address patterns into regular expressions and walks backwards if a part claims a negative size; this reader does not.

Reference:
    Wright (2002), The Open Sound Control 1.0 Specification.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable

MOST_MESSAGES, MOST_NESTED, LONGEST_ADDRESS = 256, 16, 64
_BUNDLE = b"#bundle\0"
_EPOCH = 2_208_988_800  # seconds from 1900, where time tags begin, to 1970
_NUMBERS = {"i": ">i", "f": ">f", "h": ">q", "d": ">d", "t": ">Q", "r": ">I", "m": ">I", "c": ">I"}
_CONSTANTS = {"T": True, "F": False, "N": None, "I": True}
_CLOSING = {"[": "]", "{": "}"}
_NO_OSC = "a packet that is no OSC"


def read(packet: bytes) -> tuple[list[tuple[str, list]], float]:
    """(the messages of a packet as (address, values), in order; the latest time tag of its bundles, in seconds since 1970).

    Raises:
        ValueError: if the packet is no OSC, holds more than 256 messages, or has bundles more than 16 deep.
    """
    packet += bytes(-len(packet) % 4)  # some senders leave out the last zeros
    found: list[tuple[str, list]] = []
    parts, latest = [(0, len(packet), 0)], 0.0
    while parts:
        start, end, depth = parts.pop()
        if packet.startswith(b"/", start, end):
            found.append(_message(packet, start, end))
        elif packet.startswith(_BUNDLE, start, end):
            if depth == MOST_NESTED:
                raise ValueError(f"a packet with bundles more than {MOST_NESTED} deep")
            latest = max(latest, _number(">Q", packet, start + len(_BUNDLE), end) / 2.0**32 - _EPOCH)
            parts += [(*place, depth + 1) for place in reversed(_elements(packet, start + 16, end))]
        else:
            raise ValueError(_NO_OSC)
        if len(found) > MOST_MESSAGES:
            raise ValueError(f"a packet of more than {MOST_MESSAGES} messages")
    return found, latest


def write(address: str, *numbers: float) -> bytes:
    """The packet of one message with float32 values."""
    head, pack = _written(address, len(numbers))
    return head + pack(*numbers)


@functools.lru_cache(maxsize=64)
def _written(address: str, count: int) -> tuple[bytes, Callable[..., bytes]]:
    """(the packet of a message with `count` values until there, what writes the values): the same for each event."""
    texts = (address, "," + "f" * count)
    head = b"".join(text.encode() + bytes(4 - len(text) % 4) for text in texts)
    return head, struct.Struct(f">{count}f").pack


def fits(pattern: str, address: str) -> bool:
    """Whether an address pattern of OSC matches `address`.

    `?` is any character, `*` any number of them, `[a-z]` one of these, `[!a-z]` one of the others, `{this,that}` either
    word; `?`, `*` and `[...]` never match a `/`. The time is at most proportional to the product of the two lengths.
    """
    places, i = {0}, 0  # lengths of the address that the pattern up to i matches
    while i < len(pattern) and places:
        sign = pattern[i]
        close = pattern.find(_CLOSING[sign], i) if sign in _CLOSING else i
        if close < 0:
            return False
        inside = pattern[i + 1 : close]
        if sign == "*":
            places = _spread(places, address)
        elif sign == "{":
            places = {p + len(word) for p in places for word in inside.split(",") if address.startswith(word, p)}
        else:
            places = {p + 1 for p in places if p < len(address) and _is(sign, inside, address[p])}
        i = close + 1
    return len(address) in places


def _is(sign: str, inside: str, letter: str) -> bool:
    if sign == "?":
        return letter != "/"
    if sign == "[":
        other, inside = inside.startswith("!"), inside.removeprefix("!")
        among = letter in inside or any(
            inside[k - 1] <= letter <= inside[k + 1] for k in range(1, len(inside) - 1) if inside[k] == "-"
        )
        return letter != "/" and among != other
    return letter == sign


def _spread(places: set[int], address: str) -> set[int]:
    reached, on = set(), False
    for p in range(len(address) + 1):
        on = p in places or (on and address[p - 1] != "/")
        if on:
            reached.add(p)
    return reached


def _elements(packet: bytes, at: int, end: int) -> list[tuple[int, int]]:
    found = []
    while at < end:
        size = _number(">i", packet, at, end)
        if size <= 0 or size % 4 or at + 4 + size > end:
            raise ValueError("a bundle whose parts do not fit into it")
        found.append((at + 4, at + 4 + size))
        at += 4 + size
    return found


def _message(packet: bytes, at: int, end: int) -> tuple[str, list]:
    address, at = _text(packet, at, end)
    if at == end:
        return address, []
    kinds, at = _text(packet, at, end)
    if not kinds.startswith(","):
        raise ValueError(_NO_OSC)
    values: list = []
    for kind in kinds[1:]:
        if kind in _NUMBERS:
            values.append(_number(_NUMBERS[kind], packet, at, end))
            at += struct.calcsize(_NUMBERS[kind])
        elif kind in ("s", "S"):
            text, at = _text(packet, at, end)
            values.append(text)
        elif kind == "b":
            size = _number(">i", packet, at, end)
            if not 0 <= size <= end - at - 4:
                raise ValueError(_NO_OSC)
            values.append(packet[at + 4 : at + 4 + size])
            at += 4 + size + -size % 4
        elif kind in _CONSTANTS:
            values.append(_CONSTANTS[kind])
        else:
            raise ValueError(f"a message with a value of a type that means nothing here, but {kind!r} came")
    return address, values


def _number(layout: str, packet: bytes, at: int, end: int):
    if at + struct.calcsize(layout) > end:
        raise ValueError(_NO_OSC)
    return struct.unpack_from(layout, packet, at)[0]


def _text(packet: bytes, at: int, end: int) -> tuple[str, int]:
    stop = packet.find(b"\0", at, end)
    if stop < 0:
        raise ValueError(_NO_OSC)
    try:
        return packet[at:stop].decode(), min(stop + 4 - (stop - at) % 4, end)
    except UnicodeDecodeError:
        raise ValueError(_NO_OSC) from None
