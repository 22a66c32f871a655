"""Serial ports: lines of N numbers with commas, or the bytes of MIDI at 31,250 baud."""

from __future__ import annotations

import reprlib
import sys
from collections import deque
from collections.abc import Iterable
from typing import Any

from mdn.applications.instrument.live import config
from mdn.applications.instrument.live.channel import Channel, Stage, drained
from mdn.applications.instrument.live.mapping import Bytes, Message, Playing, updates
from mdn.wording import counted

try:
    import serial
    from serial.tools import list_ports
except ImportError:
    raise ImportError("serial ports need pyserial: pip install 'mdn[play]'.") from None

_BAUD_OF_MIDI = 31_250
_AT_ONCE = 4096  # bytes
_LONGEST = 4096  # bytes of a line
_PATIENCE = 0.005  # seconds that a device has for what is sent to it


class _Port(Channel):
    """A serial port that is opened again when it is back; a subclass knows what its bytes mean."""

    def __init__(self, stage: Stage, port: str, baudrate: int):
        super().__init__(stage)
        self._path, self._baudrate = port, baudrate
        self._port: Any = None
        self._waiting: deque = deque()
        self._full = False  # whether the device does not read; it gets another chance every second

    def open(self) -> None:
        self._full = False
        if self._port is not None:
            return
        try:
            self._port = serial.Serial(self._path, self._baudrate, timeout=0, write_timeout=_PATIENCE)
        except (OSError, ValueError) as error:  # pyserial's own errors are OSErrors
            self.remarks.say_once(f"[{self.name}] {self._path} is not there yet", f": {_why(error)}; {there()}")
            return
        if self.remarks.forget(f"[{self.name}] {self._path} is lost"):
            self.remarks.forget(f"[{self.name}] {self._path} is there")
            self.remarks.say_once(f"[{self.name}] {self._path} is there")
        self._begin()

    def files(self) -> list:
        return [] if self._port is None or sys.platform == "win32" else [self._port]

    def poll(self) -> None:
        if self._port is not None and not self._waiting:
            try:
                self._waiting.extend(self._messages(self._port.read(_AT_ONCE)))
            except OSError as error:
                self._lost(error)
        self.each(drained(self._waiting), self._hear)

    def close(self) -> None:
        if self._port is not None:
            self._port.close()
        self._port = None

    def _begin(self) -> None:
        """Forgets what the device had begun to send, or knows: it was opened now."""
        raise NotImplementedError

    def _messages(self, data: bytes) -> Iterable:
        """The messages that `data` completes."""
        raise NotImplementedError

    def _hear(self, message) -> None:
        """Brings one message to the stage."""
        raise NotImplementedError

    def _write(self, data: bytes) -> None:
        if self._port is None or self._full or not data:
            return
        try:
            self._port.write(data)
        except serial.SerialTimeoutException:
            self._full = True
            self.remarks.say_once(f"[{self.name}] {self._path} does not read what is sent to it")
        except OSError as error:
            self._lost(error)

    def _lost(self, error: OSError) -> None:
        self.remarks.say_once(f"[{self.name}] {self._path} is lost", f": {_why(error)}")
        self._port.close()
        self._port = None


class Lines(_Port):
    """Hears and sends lines of N numbers with commas.

    Args:
        stage: Where it brings what it hears.
        config: The port.
        size: How many values there are.
    """

    name = "serial"

    def __init__(self, stage: Stage, config: config.Serial, size: int):
        super().__init__(stage, config.port, config.baudrate)
        self._size = size

    def send(self, values) -> None:
        self._write(",".join(f"{value:.4f}" for value in values).encode() + b"\n")

    def _begin(self) -> None:
        self._rest, self._skipping = b"", False

    def _messages(self, data: bytes) -> list[bytes]:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if lines and self._skipping:  # the end of a line that was too long
            del lines[0]
            self._skipping = False
        if len(self._rest) > _LONGEST:
            if not self._skipping:
                self.remarks.leave_out(f"[serial] a line of more than {_LONGEST:,} bytes")
            self._rest, self._skipping = b"", True
        return lines

    def _hear(self, message: bytes) -> None:
        if not message.strip():
            return
        try:
            numbers = [float(part) for part in message.split(b",")]
        except ValueError:
            numbers = []
        if len(numbers) != self._size:
            what = f"{counted(self._size, 'number')} with commas"
            raise ValueError(f"[serial] takes lines of {what}, but {reprlib.repr(message)} came")
        self.stage.heard(dict(enumerate(numbers)))


class SerialMidi(_Port):
    """Hears and sends MIDI as bytes.

    Args:
        stage: Where it brings what it hears.
        config: The port and the mappings.
    """

    name = "serialmidi"

    def __init__(self, stage: Stage, config: config.SerialMidi):
        super().__init__(stage, config.port, _BAUD_OF_MIDI)
        self._mapping, self._playing, self._bytes = config.input, Playing(config.output), Bytes()

    def send(self, values) -> None:
        self._play(self._playing.messages(values))

    def silence(self) -> None:
        self._play(self._playing.silence())

    def close(self) -> None:
        self._play(self._playing.end())
        super().close()

    def _begin(self) -> None:
        self._bytes = Bytes()
        self._playing.forget()

    def _messages(self, data: bytes) -> Iterable[Message]:
        return self._bytes.messages(data)

    def _hear(self, message: Message) -> None:
        found = updates(self._mapping, message)
        if found:
            self.stage.heard(found)
        elif not message.ends_a_note:
            self.remarks.leave_out("[serialmidi] input has no value for a message", f": {message}")

    def _play(self, messages: list[Message]) -> None:
        self._write(b"".join(message.data for message in messages))


def there() -> str:
    """Says which serial ports there are, as the end of a sentence."""
    names = sorted(port.device for port in list_ports.comports())
    return f"there are {', '.join(names)}" if names else "there are no serial ports"


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
