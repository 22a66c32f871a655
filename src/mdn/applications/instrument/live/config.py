"""The TOML file of `mdn play`: IMPSY's, as it is. A section that is there switches its channel on."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping as Table
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from mdn.applications.instrument.live.mapping import Entry, Mapping
from mdn.applications.live.turns import MODES
from mdn.files import reading
from mdn.wording import counted

WILDCARDS = ("0.0.0.0", "::", "")  # addresses to hear at, none to send to
HERE = ("localhost", "127.0.0.1", "::1", *WILDCARDS)
_TOP = ("title", "owner", "name", "description", "verbose", "log", "log_input", "log_predictions")
_SHAPES = (
    '["note_on", channel], ["note_on", channel, velocity], ["note_velocity", channel], ["pitch_bend", channel], '
    '["control_change", channel, controller] or ["control_change", channel, controller, low, high]'
)
_NEEDED: Any = object()


@dataclass(frozen=True)
class Midi:
    """`[midi]`: from the name of a port, or a part of it, to its mapping.

    Args:
        inputs, outputs: The ports to hear and to play to.
        thru: From a port that is heard to those that play what comes there.
        feedback: For so many seconds a port that returns what it was sent is not believed; None for no protection.
    """

    inputs: Table[str, Mapping]
    outputs: Table[str, Mapping]
    thru: Table[str, tuple[str, ...]] = field(default_factory=dict)
    feedback: float | None = None


@dataclass(frozen=True)
class Osc:
    """`[osc]`: (host, port) to hear at, and to answer."""

    server: tuple[str, int]
    client: tuple[str, int]


@dataclass(frozen=True)
class WebSocket:
    """`[websocket]`: (host, port) to hear at, and what messages mean."""

    server: tuple[str, int]
    input: Mapping
    output: Mapping


@dataclass(frozen=True)
class Serial:
    """`[serial]`: lines of N numbers with commas."""

    port: str
    baudrate: int = 115_200


@dataclass(frozen=True)
class SerialMidi:
    """`[serialmidi]`: MIDI at 31,250 baud."""

    port: str
    input: Mapping
    output: Mapping


@dataclass(frozen=True)
class Config:
    """What a file says, checked.

    Args:
        size: How many values there are: `dimension` without dt.
        mode, threshold, input_thru: Of `[interaction]`.
        model: The file of the model; None if there is none.
        sigmatemp, pitemp, timescale: Of `[model]`: variance temperature, component temperature, and tempo.
        verbose, log_input, log_predictions: What is shown and logged.
        midi, osc, websocket, serial, serialmidi: The channels; None for those that are off.
        warnings: A sentence each, about what was read and means nothing here.
    """

    size: int
    mode: str = "callresponse"
    threshold: float = 0.1
    input_thru: bool = False
    model: Path | None = None
    sigmatemp: float = 1.0
    pitemp: float = 1.0
    timescale: float = 1.0
    verbose: bool = False
    log_input: bool = True
    log_predictions: bool = False
    midi: Midi | None = None
    osc: Osc | None = None
    websocket: WebSocket | None = None
    serial: Serial | None = None
    serialmidi: SerialMidi | None = None
    warnings: tuple[str, ...] = ()


def read(path) -> Config:
    """The configuration in a file.

    Args:
        path: The path of a TOML file; the path of the model in it starts where the command is called, as in IMPSY.

    Raises:
        OSError: if the file cannot be read.
        ValueError: if it is no TOML, or says something that cannot be; the message names the section and the key.
    """
    with reading(path, "a configuration"):
        return parse(tomllib.loads(Path(path).read_text("utf-8-sig")))


def parse(file: dict[str, Any]) -> Config:
    """The configuration in a parsed TOML file.

    Args:
        file: Its tables.

    Raises:
        ValueError: if something in it cannot be; the message names the section and the key.
    """
    return _Reader(file).config()


class _Section:
    """A table of the file, whose keys are taken one by one; those that are left mean nothing."""

    def __init__(self, name: str, table: Any):
        if not isinstance(table, dict):
            raise ValueError(f"[{name}] should be a section, but {table!r} came.")
        self.name, self._table = name, dict(table)

    def take(self, key: str, kind, what: str, default: Any = _NEEDED, fits=lambda value: True) -> Any:
        """The value of `key`, which must be of a `kind` and fit; `what` says so in words."""
        place = f"[{self.name}] {key}" if self.name else key
        if key not in self._table:
            if default is _NEEDED:
                raise ValueError(f"{place} is missing; it should be {what}.")
            return default
        value = self._table.pop(key)
        is_kind = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if not (is_kind and fits(value)):
            raise ValueError(f"{place} should be {what}, but {value!r} came.")
        return value

    def number(self, key: str, default: Any, most: float = float("inf")) -> float:
        """A number above 0 and at most `most`."""
        what = "a number above 0" if most == float("inf") else f"a number above 0 and at most {most:g}"
        return float(self.take(key, int | float, what, default, lambda value: 0 < value <= most))

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        return self.take(key, bool, "true or false", default)

    def text(self, key: str, default: Any = _NEEDED) -> str:
        """A text that is not empty."""
        return self.take(key, str, "a text that is not empty", default, bool)

    def address(self, who: str) -> tuple[str, int]:
        """(host, port) of the server or the client."""
        host = self.take(f"{who}_ip", str, "an address, such as 127.0.0.1")
        port = self.take(f"{who}_port", int, "a port from 1 to 65535", fits=lambda value: 0 < value < 65_536)
        return host, port

    def left(self) -> list[str]:
        """The keys that were not taken, with their section."""
        return [f"[{self.name}] {key}" if self.name else key for key in self._table]


class _Reader:
    """Reads the sections one by one, and collects warnings."""

    def __init__(self, file: dict[str, Any]):
        self._sections = {name: table for name, table in file.items() if name not in _TOP}
        self._top = _Section("", {name: file[name] for name in _TOP if name in file})
        self._unknown: list[str] = []
        self._warnings: list[str] = []

    def config(self) -> Config:
        for key in ("title", "owner", "name", "description"):
            self._top.take(key, object, "anything", None)
        log = self._top.flag("log", True)  # as files of 2024 call it
        shown: dict[str, Any] = {
            "verbose": self._top.flag("verbose", False),
            "log_input": self._top.flag("log_input", log),
            "log_predictions": self._top.flag("log_predictions", False),
        }
        model = self._section("model") or _Section("model", {})
        what = "a whole number from 2, the number of values and one for the time"
        self.size = model.take("dimension", int, what, fits=lambda value: 2 <= value <= 1025) - 1
        file = model.take("file", str, "a path", "")
        model.take("size", str, "a text", "")  # of the networks of IMPSY; a file of ours says it itself
        settings: dict[str, Any] = {
            name: model.number(name, value, 100.0) for name, value in (("sigmatemp", 1.0), ("pitemp", 1.0))
        }
        settings["timescale"] = model.number("timescale", 1.0, 100.0)
        interaction = self._section("interaction") or _Section("interaction", {})
        modes = f"one of {', '.join(MODES)}"
        mode = interaction.take("mode", str, modes, "callresponse", lambda value: value in MODES)
        threshold = float(
            interaction.take("threshold", int | float, "a number from 0", 0.1, lambda value: 0 <= value < inf)
        )
        thru = interaction.flag("input_thru", False)
        midi = self._midi(thru)
        channels = {"midi": midi, "osc": self._osc(), "websocket": self._websocket(midi)} | self._serials()
        if self._sections.pop("webui", None) is not None:
            self._warnings.append("[webui] is the page of IMPSY and is left out here.")
        for section in (self._top, model, interaction):
            self._unknown += section.left()
        self._unknown += [f"[{name}]" if isinstance(table, dict) else name for name, table in self._sections.items()]
        if self._unknown:
            self._warnings.append(f"means nothing here and is left out: {', '.join(self._unknown)}.")
        return Config(
            self.size, mode, threshold, thru, Path(file) if file else None, **settings, **shown, **channels,
            warnings=tuple(self._warnings),
        )  # fmt: skip

    def _section(self, name: str) -> _Section | None:
        return _Section(name, self._sections.pop(name)) if name in self._sections else None

    # ---- channels ----------------------------------------------------------------------------------------------------

    def _midi(self, input_thru: bool) -> Midi | None:
        section = self._section("midi")
        if section is None:
            return None
        inputs, outputs = self._ports(section, "in_device", "input"), self._ports(section, "out_device", "output")
        protected = section.flag("feedback_protection", False)
        seconds = section.number("feedback_threshold", 0.02, 10.0)
        what = "lists of ports, each under the name of an input"
        thru = section.take("thru_matrix", dict, what, {}, lambda value: all(map(_is_names, value.values())))
        for source, targets in thru.items():
            for port, known, key in [
                (source, inputs, "in_device"),
                *((each, outputs, "out_device") for each in targets),
            ]:
                if port not in known:
                    raise ValueError(f"[midi] thru_matrix names the port {port!r}, but {key} does not: add it there.")
        if thru and input_thru:
            self._warnings.append("[midi] thru_matrix is left out, since input_thru plays every input at every output.")
            thru = {}
        self._unknown += section.left()
        thru = {source: tuple(targets) for source, targets in thru.items()}
        return Midi(inputs, outputs, thru, seconds if protected else None)

    def _ports(self, section: _Section, devices: str, key: str) -> dict[str, Mapping]:
        """Maps the name of a port to its mapping; files of 2024 have one name, and one list for it."""
        what = "the name of a port, or a list of names"
        names = section.take(devices, str | list, what, fits=lambda value: isinstance(value, str) or _is_names(value))
        names = [names] if isinstance(names, str) else names
        if len(set(names)) < len(names):
            raise ValueError(f"[midi] {devices} names a port twice, but each should be there once: {', '.join(names)}.")
        maps = section.take(key, list | dict, f"a list of {self.size} entries under the name of each port")
        if isinstance(maps, list):
            return dict.fromkeys(names, self._mapping(maps, f"[midi] {key}"))
        missing = [name for name in names if name not in maps]
        if missing:
            raise ValueError(f'[midi] {key}."{missing[0]}" is missing, but {devices} names that port.')
        for name in maps:
            if name not in names:
                self._warnings.append(f'[midi] {key}."{name}" is left out, since {devices} does not name that port.')
        return {name: self._mapping(maps[name], f'[midi] {key}."{name}"') for name in names}

    def _osc(self) -> Osc | None:
        section = self._section("osc")
        if section is None:
            return None
        server, client = section.address("server"), section.address("client")
        self._unknown += section.left()
        if server[1] == client[1] and (server[0] == client[0] or {server[0], client[0]} <= {*HERE}):
            raise ValueError(
                f"[osc] server_port and client_port are both {server[1]} of this machine, but two channels need two "
                "ports: the model would hear itself."
            )
        if client[0] in WILDCARDS:
            self._warnings.append(f"[osc] client_ip {client[0]!r} is no address to send to; 127.0.0.1 is taken.")
            client = "127.0.0.1", client[1]
        return Osc(server, client)

    def _websocket(self, midi: Midi | None) -> WebSocket | None:
        section = self._section("websocket")
        if section is None:
            return None
        server = section.address("server")
        # files of 2024 have no mapping here, and mean that of [midi]
        maps = {"input": midi.inputs, "output": midi.outputs} if midi else {}
        found: dict[str, Any] = {}
        for key in ("input", "output"):
            of_midi = next(iter(maps.get(key, {}).values()), None)
            entries = section.take(key, list, f"a list of {self.size} entries", _NEEDED if of_midi is None else None)
            found[key] = of_midi if entries is None else self._mapping(entries, f"[websocket] {key}")
        self._unknown += section.left()
        return WebSocket(server, found["input"], found["output"])

    def _serials(self) -> dict[str, Any]:
        lines = midi = None
        if section := self._section("serial"):
            what = "a whole number above 0"
            lines = Serial(section.text("port"), section.take("baudrate", int, what, 115_200, lambda value: value > 0))
            self._unknown += section.left()
        if section := self._section("serialmidi"):
            port = section.text("port", _NEEDED if lines is None else lines.port)
            maps = {
                key: self._mapping(
                    section.take(key, list, f"a list of {self.size} entries"), f"[serialmidi] {key}"
                )
                for key in ("input", "output")
            }  # fmt: skip
            midi = SerialMidi(port, **maps)
            self._unknown += section.left()
            if lines and lines.port == port:
                # IMPSY opens such a port twice, and its two readers take each other's bytes
                self._warnings.append(
                    f"[serial] and [serialmidi] are two channels on one port, {port}: only [serialmidi] is opened."
                )
                lines = None
        return {"serial": lines, "serialmidi": midi}

    def _mapping(self, entries: list, place: str) -> Mapping:
        if not isinstance(entries, list) or len(entries) != self.size:
            came = f"{len(entries)} came" if isinstance(entries, list) else f"{entries!r} came"
            raise ValueError(
                f"{place} should be a list of {counted(self.size, 'entry', 'entries')}, one for each value, but {came}; "
                f"[model] dimension is {self.size + 1}, the number of values and one for the time."
            )
        return tuple(_entry(entry, f"{place} entry {i + 1}") for i, entry in enumerate(entries))


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _entry(entry: Any, place: str) -> Entry:
    items: list[Any] = entry if isinstance(entry, list) and entry else [None]
    kind, *numbers = items
    lengths = {"note_on": (1, 2), "note_velocity": (1,), "pitch_bend": (1,), "control_change": (2, 4)}
    whole = all(isinstance(number, int) and not isinstance(number, bool) for number in numbers)
    if not isinstance(kind, str) or len(numbers) not in lengths.get(kind, ()) or not whole:
        raise ValueError(f"{place} should be {_SHAPES}, but {entry!r} came.")
    if not 1 <= numbers[0] <= 16:
        raise ValueError(f"{place} should have a channel from 1 to 16, but {entry!r} came.")
    names = ("velocity",) if kind == "note_on" else ("controller", "low", "high")
    for name, number in zip(names, numbers[1:], strict=False):
        least = 1 if name == "velocity" else 0
        if not least <= number <= 127:
            raise ValueError(f"{place} should have a {name} from {least} to 127, but {entry!r} came.")
    return Entry(kind, numbers[0], **dict(zip(names, numbers[1:], strict=False)))


def summary(config: Config) -> list[str]:
    """What a file switches on, a line each.

    Args:
        config: The file.
    """
    lines = [f"{counted(config.size, 'value')}, mode {config.mode}: {MODES[config.mode]}"]
    if config.midi:
        names = [", ".join(map(repr, ports)) or "nothing" for ports in (config.midi.inputs, config.midi.outputs)]
        lines.append(f"[midi] hears {names[0]}, plays to {names[1]}")
    if config.osc:
        lines.append("[osc] hears {}:{}, answers {}:{}".format(*config.osc.server, *config.osc.client))
    if config.websocket:
        lines.append("[websocket] serves at {}:{}".format(*config.websocket.server))
    if config.serial:
        lines.append(f"[serial] is {config.serial.port} at {config.serial.baudrate:,} baud")
    if config.serialmidi:
        lines.append(f"[serialmidi] is {config.serialmidi.port}")
    return lines
