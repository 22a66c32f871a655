"""Ctrl-C waits for a safe place, so that nothing that was learnt is lost to it.

Python raises KeyboardInterrupt wherever a program happens to be: inside a step, when Keras has handed all weights to JAX and
holds none itself, or between two networks, when those that are done are in nobody's hands. Whatever trains therefore does so
within `ctrl_c_waits`, and asks now and then whether it should end.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

import keras

NOTHING_YET = "nothing was learnt yet."
_WAITS = 2  # presses that wait for a safe place; one more raises at once
_held: CtrlC | None = None


class CtrlC:
    """How often Ctrl-C was pressed since the waiting began; true once it was.

    Attributes:
        times: 1 asks whatever trains to end at the next safe place. 2 asks it to leave out what only makes the result better.
    """

    def __init__(self, otherwise=signal.default_int_handler):
        self.times = 0
        self._waits = 0
        self._otherwise = otherwise  # what raises where nothing waits

    def __bool__(self) -> bool:
        return self.times > 0

    def begin(self) -> None:
        """From now on something may be lost: Ctrl-C waits.

        Raises:
            KeyboardInterrupt: if Ctrl-C was pressed before.
        """
        if self:
            raise KeyboardInterrupt(NOTHING_YET)
        self._waits = _WAITS

    @contextlib.contextmanager
    def raising(self, times: int) -> Iterator[None]:
        """Within it, press number `times` raises at once: for waiting, in which nothing can be lost."""
        before, self._waits = self._waits, min(self._waits, times - 1)
        try:
            yield
        finally:
            self._waits = before

    def _press(self, number, frame) -> None:
        self.times += 1
        if not self._waits:
            self._otherwise(number, frame)
        if self.times > self._waits:
            raise KeyboardInterrupt("what was learnt is lost, since Ctrl-C was pressed again.")


@contextlib.contextmanager
def ctrl_c_waits() -> Iterator[CtrlC]:
    """Within it, Ctrl-C is remembered once a training has called `begin`; before that it raises, since nothing could be lost.

    One within another asks the outer one, which therefore knows, when an inner one ends, whether another may begin. A third
    press raises at once. Only the main thread hears Ctrl-C, and a handler of somebody else's program stays in charge: then
    nothing waits.
    """
    global _held
    if _held is not None:
        yield _held
        return
    before = signal.getsignal(signal.SIGINT)
    pressed = CtrlC(before)
    here = threading.current_thread() is threading.main_thread()
    raises = before is signal.default_int_handler or getattr(before, "raises_keyboard_interrupt", False)
    if not here or not raises:
        yield pressed
        return
    signal.signal(signal.SIGINT, pressed._press)
    _held = pressed
    try:
        yield pressed
    finally:
        _held = None
        signal.signal(signal.SIGINT, before)


class StopsAtBatchEnd(keras.callbacks.Callback):
    """Ends `Model.fit` after the batch in which Ctrl-C was pressed: a step has then returned, and its weights are there.

    Args:
        pressed: Of `ctrl_c_waits`.
        times: How many presses it takes.

    Attributes:
        batches: How many there were.
    """

    def __init__(self, pressed: CtrlC, times: int = 1):
        super().__init__()
        self._pressed, self._times, self.batches = pressed, times, 0

    def on_train_batch_begin(self, batch, logs=None):
        """Ends it before the first batch; later ones begin only where no press came.

        Raises:
            KeyboardInterrupt: if Ctrl-C was pressed before there was anything to keep.
        """
        if self._pressed and not self.batches:
            raise KeyboardInterrupt(NOTHING_YET)

    def on_train_batch_end(self, batch, logs=None):
        """Counts, and ends it."""
        self.batches += 1
        if self._pressed.times >= self._times:
            self.model.stop_training = True
