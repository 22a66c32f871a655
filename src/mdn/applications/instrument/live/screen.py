"""The screen: what is played, as a line of bars. It is the one channel of `mdn play --demo`, and the `verbose` of a file."""

from __future__ import annotations

import time
from collections.abc import Callable

from mdn.applications.instrument.live.channel import Channel, Stage

_BARS = " ▁▂▃▄▅▆▇█"
_EVERY = 0.05  # seconds between two lines: nobody reads more


def bars(values) -> str:
    """Values in [0, 1] as bars, one letter each."""
    return "".join(_BARS[round(float(value) * (len(_BARS) - 1))] for value in values)


class Screen(Channel):
    """Shows what is played; it hears nothing.

    Args:
        stage: Its remarks are not needed.
        show: Called with each line.
        clock: The time in seconds.
    """

    name = "screen"

    def __init__(self, stage: Stage, show: Callable[[str], None], clock: Callable[[], float] = time.monotonic):
        super().__init__(stage)
        self._show, self._clock = show, clock
        self._shown: dict[str, float] = {}

    def open(self) -> None:
        return

    def poll(self) -> None:
        return

    def send(self, values) -> None:
        self.show("out", values)

    def show(self, way: str, values) -> None:
        """Shows values that came ("in") or went ("out"), twenty times a second at most.

        Args:
            way: "in" or "out".
            values: `(N,)` in [0, 1].
        """
        now = self._clock()
        if now - self._shown.get(way, -_EVERY) >= _EVERY:
            self._shown[way] = now
            self._show(f"{way:>3} {bars(values)} {' '.join(f'{value:.2f}' for value in values)}")

    def close(self) -> None:
        return
