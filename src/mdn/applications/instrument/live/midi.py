"""MIDI ports: any number of controllers and instruments, each with its own mapping."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from mdn.applications.instrument.live import config
from mdn.applications.instrument.live.channel import Channel, Stage
from mdn.applications.instrument.live.mapping import (
    CONTROL,
    NOTE_OFF,
    NOTE_ON,
    Mapping,
    Message,
    Playing,
    message,
    updates,
)
from mdn.applications.live import midi_ports

mido = midi_ports.mido("play")


class Output:
    """A mapping that is played to a port of mido, and what was sent there lately.

    Args:
        mapping: An entry for each value.
        clock: The time in seconds.
    """

    def __init__(self, mapping: Mapping, clock: Callable[[], float]):
        self.port: Any = None
        self.playing = Playing(mapping)
        self._clock = clock
        self._sent: dict[tuple[int, int, int], tuple[int, float]] = {}  # from a control or a note to (value, time)

    def returned(self, heard: Message, seconds: float) -> bool:
        """Whether a message is one that was sent a moment ago, and comes back.

        Args:
            heard: The message.
            seconds: How long such a moment is.
        """
        key, value = _key(heard)
        sent, when = self._sent.get(key, (None, 0.0))
        return sent == value and self._clock() - when < seconds

    def send(self, messages: list[Message]) -> None:
        """Sends messages; raises an OSError if the port is gone."""
        if self.port is None:
            return
        for one in messages:
            key, value = _key(one)
            self._sent[key] = value, self._clock()
            self.port.send(mido.Message.from_bytes(one.data))


class Midi(Channel):
    """Hears and plays MIDI ports; one that is pulled out is opened again when it is back.

    Args:
        stage: Where it brings what it hears.
        config: The ports and their mappings.
        virtual: Whether it makes ports of these names, to which other programs can connect.
        backend: The backend of mido; by default the one that mido chooses (python-rtmidi).
        clock: The time in seconds.
    """

    name = "midi"

    def __init__(
        self,
        stage: Stage,
        config: config.Midi,
        *,
        virtual: bool = False,
        backend: Any = None,
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__(stage)
        self._config, self._virtual, self._backend = config, virtual, backend or mido
        self._there_is_midi = True
        self._inputs: dict[str, Any] = dict.fromkeys(config.inputs)  # from names of the configuration to ports
        self._outputs = {name: Output(mapping, clock) for name, mapping in config.outputs.items()}

    def open(self) -> None:
        if not self._there_is_midi:
            return
        try:
            ears, mouths = midi_ports.port_names(self._backend, "play")
        except OSError as error:
            self._there_is_midi = False  # each further try would print a line of ALSA to the screen
            self.remarks.say_once("[midi] cannot be opened", f": {error}")
            return
        for name in self._inputs:
            self._inputs[name] = self._opened("in_device", name, self._inputs, ears, self._backend.open_input)
        ports = {name: output.port for name, output in self._outputs.items()}
        for name, output in self._outputs.items():
            before, output.port = (
                output.port,
                self._opened("out_device", name, ports, mouths, self._backend.open_output),
            )
            ports[name] = output.port
            if output.port is not before:
                output.playing.forget()

    def poll(self) -> None:
        for name, port in self._inputs.items():
            if port is None:
                continue
            try:
                self.each(port.iter_pending(), partial(self._hear, name))
            except OSError as error:
                self._lost("in_device", name, error)
                self._inputs[name] = None

    def send(self, values) -> None:
        for name in self._outputs:
            self._play(name, values)

    def silence(self) -> None:
        for name, output in self._outputs.items():
            self._send(name, output.playing.silence())

    def close(self) -> None:
        for name, output in self._outputs.items():
            self._send(name, output.playing.end())
        for port in [*(output.port for output in self._outputs.values()), *self._inputs.values()]:
            _close(port)
        self._inputs = dict.fromkeys(self._inputs)
        for output in self._outputs.values():
            output.port = None

    # ---- hearing and playing -----------------------------------------------------------------------------------------

    def _hear(self, name: str, heard) -> None:
        one = message(heard.bytes())
        if one is None or one.ends_a_note:  # the former is a clock, say
            return
        output = self._outputs.get(name)
        if self._config.feedback is not None and output is not None and output.returned(one, self._config.feedback):
            return
        found = updates(self._config.inputs[name], one)
        if not found:
            self.remarks.leave_out(f'[midi] input."{name}" has no value for a message', f": {one}")
            return
        values = self.stage.heard(found)
        for target in self._config.thru.get(name, ()):
            self._play(target, values)

    def _play(self, name: str, values) -> None:
        self._send(name, self._outputs[name].playing.messages(values))

    def _send(self, name: str, messages: list[Message]) -> None:
        try:
            self._outputs[name].send(messages)
        except OSError as error:
            self._lost("out_device", name, error)
            self._outputs[name].port = None

    # ---- ports that come and go --------------------------------------------------------------------------------------

    def _opened(self, device: str, name: str, ports: dict[str, Any], there: list[str], opening) -> Any:
        """The open port for `name`: the one that was open, if it is still there, or a new one; None if there is none."""
        port = ports[name]
        if port is not None and (self._virtual or port.name in there):
            return port
        if port is not None:
            self._lost(device, name, OSError("it was pulled out"))
            _close(port)
        if self._virtual:
            return midi_ports.open_virtual(opening, name, there, device)
        taken = {port.name for port in ports.values() if port is not None}
        found = midi_ports.fitting(name, there)
        free = [one for one in found if one not in taken]
        missing = f"[midi] {device} {name!r}"
        if not free:
            why = f"is the port {found[0]!r} of another name; name both more fully" if found else "is not there yet"
            self.remarks.say_once(f"{missing} {why}", f"; {midi_ports.there(there)}")
            return None
        try:
            port = opening(free[0])
        except OSError as error:
            self.remarks.say_once(f"{missing} cannot be opened", f": {error}")
            return None
        if self.remarks.forget(f"{missing} is lost") | self.remarks.forget(f"{missing} is not there yet"):
            self.remarks.forget(f"{missing} is there")
            self.remarks.say_once(f"{missing} is there", f": {port.name}")
        return port

    def _lost(self, device: str, name: str, error: OSError) -> None:
        self.remarks.say_once(f"[midi] {device} {name!r} is lost", f": {error.strerror or error}")


def _key(one: Message) -> tuple[tuple[int, int, int], int]:
    """(what a message sets, to what): an instrument may return a note with another velocity."""
    if one.kind == CONTROL:
        return (one.kind, one.channel, one.first), one.second
    if one.kind in (NOTE_ON, NOTE_OFF):
        return (one.kind, one.channel, one.first), 0
    return (one.kind, one.channel, 0), one.first + 128 * one.second


def _close(port) -> None:
    if port is not None:
        try:
            port.close()
        except OSError:  # a port that was pulled out may not close either
            return
