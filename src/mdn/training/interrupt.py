"""Ctrl-C waits for a safe place, so that nothing that was learnt is lost.

Python raises KeyboardInterrupt wherever a program happens to be: inside a step, when Keras has passed all weights to JAX and
holds none itself, or between two networks, before those that are done have been returned. So all training code runs within
`ctrl_c_waits`, and checks now and then whether it should end.
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
    """Counts how often Ctrl-C was pressed; true after the first press.

    Attributes:
        times: How often. 1 asks a training to end at its next safe place, 2 also to skip what would only improve the result.
    """

    def __init__(self, otherwise=signal.default_int_handler):
        self.times = 0
        self._waits = 0
        self._otherwise = otherwise  # the handler that raises where nothing waits

    def __bool__(self) -> bool:
        return self.times > 0

    def begin(self) -> None:
        """Call it before there is something to lose: from now on Ctrl-C waits.

        Raises:
            KeyboardInterrupt: if Ctrl-C was pressed before.
        """
        if self:
            raise KeyboardInterrupt(NOTHING_YET)
        self._waits = _WAITS

    @contextlib.contextmanager
    def raising(self, times: int) -> Iterator[None]:
        """In this block, press number `times` raises at once: for a wait during which nothing can be lost."""
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
    """In this block, Ctrl-C is remembered once a training has called `begin`; before that it raises, since nothing can be lost.

    A block within another shares the counter of the outer one, which thus knows, when an inner training ends, whether another
    may begin. A third press raises at once. Nothing waits outside the main thread, which alone receives Ctrl-C, nor where
    another program has installed a handler of its own.

    Example:
        >>> from mdn.training import ctrl_c_waits
        >>> with ctrl_c_waits() as pressed:
        ...     print(bool(pressed))
        False
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
    """Ends `Model.fit` after the batch in which Ctrl-C was pressed: its step has then returned, and the weights are whole.

    Args:
        pressed: The counter of `ctrl_c_waits`.
        times: After how many presses it ends.

    Attributes:
        batches: How many batches have ended.
    """

    def __init__(self, pressed: CtrlC, times: int = 1):
        super().__init__()
        self._pressed, self._times, self.batches = pressed, times, 0

    def on_train_batch_begin(self, batch, logs=None):
        """Checks for a press before the first batch; later presses are checked when a batch ends.

        Raises:
            KeyboardInterrupt: if Ctrl-C was pressed before there was anything to keep.
        """
        if self._pressed and not self.batches:
            raise KeyboardInterrupt(NOTHING_YET)

    def on_train_batch_end(self, batch, logs=None):
        """Counts the batch, and ends the training after enough presses."""
        self.batches += 1
        if self._pressed.times >= self._times:
            self.model.stop_training = True
