"""Play: all channels, one session and its log in one loop."""

from __future__ import annotations

import math
import select
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mdn.applications.instrument.live.channel import Channel, Stage
from mdn.applications.instrument.live.config import Config
from mdn.applications.instrument.live.screen import Screen
from mdn.applications.instrument.live.session import Player, Session
from mdn.applications.live import turns
from mdn.applications.live.loop import TICK, Loop, Remarks
from mdn.wording import counted

_AGAIN = 1.0  # seconds between two looks at ports that may have come or gone


class Mute:
    """A model that is silent, for a player who only wants a log.

    Args:
        size: How many values there are.
    """

    def __init__(self, size: int):
        self.size, self.component_temperature, self.variance_temperature = size, 1.0, 1.0

    def hear(self, dt: float, values) -> None:
        """Forgets the event.

        Args:
            dt, values: As in `Player.hear`.
        """

    def foresee(self) -> tuple[float, np.ndarray]:
        """Never comes."""
        return math.inf, np.zeros(self.size)

    def take(self) -> None:
        """Never happens."""

    def reset(self) -> None:
        """Has nothing to forget."""


class Play(Loop):
    """A musician and a model over any number of channels, until `stop`; no model plays before `join`.

    Args:
        config: What the file of the player says.
        say: Called with each sentence for the player.
        show: Called with each line of what is played, if the file says `verbose`.
        clock: The time in seconds; it never goes back.

    Attributes:
        session: Who plays when.
        channels: Those that `add` added, and the screen.
        events: How many events came.
    """

    def __init__(
        self,
        config: Config,
        *,
        say: Callable[[str], None] = print,
        show: Callable[[str], None] = print,
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__(say, clock)
        self._config = config
        self._joined = False
        self._log: Callable[..., None] | None = None
        self._begun = time.time() - clock()  # logs keep the pauses even if the computer's clock is set meanwhile
        self._looked, self.events = clock(), 0
        self._screen = Screen(self, show, clock) if config.verbose else None
        self.channels: list[Channel] = [self._screen] if self._screen else []
        self.session = self._session(Mute(config.size))

    @property
    def remarks(self) -> Remarks:
        """Counts and says what is left out."""
        return self

    def add(self, channel: Channel) -> None:
        """Opens a channel and lets it play.

        Raises:
            OSError: if its address is wrong or taken.
        """
        channel.open()
        self.channels.append(channel)

    def join(self, voice: Player, log: Callable[..., None] | None = None) -> None:
        """Lets a model play; what came until now, while it was loaded, is not heard.

        Args:
            voice: The model.
            log: Called with each event as `(time, source, *values)`, the time in seconds since 1970.

        Raises:
            ValueError: if the model is of another number of values than the file.
        """
        if voice.size != self._config.size:
            raise ValueError(
                f"the model is of {counted(voice.size, 'value')}, but [model] dimension is {self._config.size + 1}: "
                f"{counted(self._config.size, 'value')} and one for the time; take another model, or change the dimension "
                "and the mappings."
            )
        for channel in self.channels:
            channel.poll()
        self._log, self.session, self._joined = log, self._session(voice), True

    # ---- a stage for the channels ------------------------------------------------------------------------------------

    def heard(self, updates: Mapping[int, float]) -> np.ndarray:
        """The player moved some values; returns all of them.

        Args:
            updates: From the index of a value to what it is now.
        """
        if not self._joined:
            return self.session.values
        values = self.session.heard(updates, self._clock())
        self.events += 1
        if self._screen:
            self._screen.show("in", values)
        if self._config.input_thru:
            self._send(values)
        return values

    def command(self, name: str, value: Any = None) -> None:
        """The player changed a setting, as in `Session.command`.

        Args:
            name, value: As there.
        """
        self.session.command(name, value)

    def _session(self, voice: Player) -> Session:
        session = Session(
            voice,
            self._config.mode,
            threshold=self._config.threshold,
            timescale=self._config.timescale,
            on_event=self._write,
            on_turn=self._silence,
        )
        session.command("sigmatemp", self._config.sigmatemp)
        session.command("pitemp", self._config.pitemp)
        return session

    # ---- the loop ----------------------------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        """Waits until something comes or is due, hears all channels, and lets the model take what it heard.

        Where events queue, the model takes one after the other, for `TICK` at most: each turn asks the system about every
        channel, which costs as much as an event.
        """
        until_due = max(0.0, min(seconds, self.session.next - self._clock()))
        files = [file for channel in self.channels for file in channel.files()]
        try:
            if files:
                select.select(files, [], [], until_due)
            else:
                self._stopped.wait(until_due)
        except (OSError, ValueError):  # a device was pulled out just now: its channel finds out below
            pass
        for channel in self.channels:
            channel.poll()
        end = self._clock() + TICK
        while (came := self.session.think()) is not None:
            now = self._clock()
            self.measured(now - came)
            if now > end:
                break

    def _tick(self, now: float) -> None:
        for values in self.session.due(now):
            self._send(values)
        if self.session.unanswered:
            self.say_once(f"some events get no answer, since {turns.MOST_WAITING:,} answers are waiting already")
        if self.session.skipped:
            self.say_once(
                "events come faster than the model can take them: it skips some, the log and the outputs do not"
            )
        if now - self._looked >= _AGAIN:
            self._looked = now
            for channel in self.channels:
                self._open_again(channel)

    def _open_again(self, channel: Channel) -> None:
        try:
            channel.open()
        except (OSError, ImportError) as error:  # it was open before, so it ends nothing now
            self.say_once(f"[{channel.name}] cannot be opened again", f": {error}")

    def _send(self, values) -> None:
        for channel in self.channels:
            channel.send(values)

    def _silence(self) -> None:
        for channel in self.channels:
            channel.silence()

    def _write(self, now: float, source: str, *values: float) -> None:
        wanted = self._config.log_input if source == "interface" else self._config.log_predictions
        if self._log is not None and wanted:
            self._log(self._begun + now, source, *values)

    def _close(self) -> None:
        self.close()

    def close(self) -> None:
        """Ends all notes and closes all channels; `run` does so at its end."""
        for channel in self.channels:
            channel.close()


def channels(stage: Stage, config: Config, *, virtual: bool = False) -> list[Channel]:
    """The channels that the sections of a file switch on, not open yet.

    Args:
        stage: Where they bring what they hear.
        config: The file.
        virtual: Whether MIDI ports are made instead of found.

    Raises:
        ImportError: if a channel needs a package that is missing.
    """
    found: list[Channel] = []
    if config.midi:
        from mdn.applications.instrument.live.midi import Midi

        found.append(Midi(stage, config.midi, virtual=virtual))
    if config.osc:
        from mdn.applications.instrument.live.osc import Osc

        found.append(Osc(stage, config.osc, config.size))
    if config.websocket:
        from mdn.applications.instrument.live.websocket import WebSocket

        found.append(WebSocket(stage, config.websocket))
    if config.serial:
        from mdn.applications.instrument.live.serial import Lines

        found.append(Lines(stage, config.serial, config.size))
    if config.serialmidi:
        from mdn.applications.instrument.live.serial import SerialMidi

        found.append(SerialMidi(stage, config.serialmidi))
    return found


def voice(config: Config, model: Path | None = None, seed: int | None = None) -> Player:
    """The model that a file names; in the mode "useronly" without one, a model that is silent.

    Args:
        config: The file.
        model: A file of a model, instead of the one that `config` names.
        seed: Same seed, same answers.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is none that can be played.
    """
    path = model or config.model
    if config.mode == "useronly" and (path is None or not path.is_file()):
        return Mute(config.size)
    if path is not None and not path.is_file():
        raise FileNotFoundError(
            f"[model] file: there is no file {str(path)!r}; `mdn train instrument` makes one, and --model names it."
        )
    if path is not None and path.suffix == ".tflite":
        raise ValueError(
            f"[model] file: {path} is a network without its mixture: name a .keras of `mdn train instrument`, which learns "
            "from the logs of IMPSY, too."
        )
    from mdn.applications.instrument.model import SHIPPED, load
    from mdn.applications.instrument.voice import Voice

    return Voice(load(path or SHIPPED), seed=seed)
