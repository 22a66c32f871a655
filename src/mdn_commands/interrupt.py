"""Ctrl-C and SIGTERM, where a KeyboardInterrupt is not enough: while Python imports, and where it may be lost on the way."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn


def stop_at_once(*_) -> NoReturn:
    """Says so and ends the process, in which nothing has begun that could be kept."""
    os.write(2, b"mdn: stopped.\n")
    os._exit(130)


_AGAIN = 0.02  # seconds
_process_is_ours = False


def before_a_command() -> None:
    """From here on Ctrl-C ends the process at once, which has nothing to do but run one command."""
    global _process_is_ours
    _process_is_ours = True
    _replace(signal.default_int_handler, stop_at_once)


def within_a_command() -> None:
    """From here on Ctrl-C is a KeyboardInterrupt again, so that a command can keep what it has; see `raise_interrupt`."""
    _replace(stop_at_once, raise_interrupt)


def raise_interrupt(number, frame) -> None:
    """KeyboardInterrupt; within an import the end of the process, which a module in C++ would otherwise abort at it.

    What is imported while something might be lost is imported within `mdn.training.ctrl_c_waits`, where the press waits.
    Within a callback of the garbage collector, of which JAX has one, or in a `__del__`, Python would ignore the exception: the
    press comes once more, a moment later.
    """
    ignoring = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            stop_at_once()
        if frame.f_code in ignoring or frame.f_code.co_name == "__del__":
            threading.Timer(_AGAIN, os.kill, (os.getpid(), number)).start()
            return
        frame = frame.f_back
    raise KeyboardInterrupt


# As signal.default_int_handler does: `ctrl_c_waits` may take its place.
vars(raise_interrupt)["raises_keyboard_interrupt"] = True


def after_a_command() -> None:
    """From here on Ctrl-C is ignored: all is said, and another press must not change the exit code of a process that ends."""
    if _process_is_ours:
        _replace(raise_interrupt, signal.SIG_IGN)


@contextmanager
def asked_to_end() -> Iterator[Callable[[], None]]:
    """Ctrl-C raises KeyboardInterrupt and SIGTERM SystemExit(143), so that all that is open is closed and said.

    Python ignores what is raised while a callback of the garbage collector runs, and JAX has one: the function that is given
    raises it again, for loops to call.
    """
    asked: list[int] = []

    def check() -> None:
        if asked:
            raise KeyboardInterrupt if asked[-1] == signal.SIGINT else SystemExit(128 + signal.SIGTERM)

    def handle(number, _):
        asked.append(number)
        check()

    here = threading.current_thread() is threading.main_thread()  # in another no signal can be handled
    both = (signal.SIGINT, signal.SIGTERM) if here else ()
    numbers = [number for number in both if signal.getsignal(number) is not signal.SIG_IGN]  # as under nohup
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _replace(handler, by) -> None:
    """Only if `handler` is in charge: not one of somebody who calls us, and not if Ctrl-C is ignored, as under nohup."""
    if signal.getsignal(signal.SIGINT) is handler:
        signal.signal(signal.SIGINT, by)
