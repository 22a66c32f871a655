"""Ctrl-C and SIGTERM, where a KeyboardInterrupt is not enough: during imports, and where Python would ignore it."""

from __future__ import annotations

import gc
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn


def stop_at_once(*_) -> NoReturn:
    """Says that it stops and ends the process, as there is nothing yet that could be kept."""
    os.write(2, b"mdn: stopped.\n")
    os._exit(130)


_AGAIN = 0.02  # seconds
_process_is_ours = False


def before_a_command() -> None:
    """From here on Ctrl-C ends the process at once; the process runs one command only, so it is ours to end."""
    global _process_is_ours
    _process_is_ours = True
    _replace(signal.default_int_handler, stop_at_once)


def within_a_command() -> None:
    """From here on Ctrl-C raises KeyboardInterrupt, so that a command can save its work; see `raise_interrupt`."""
    _replace(stop_at_once, raise_interrupt)


def raise_interrupt(number, frame) -> None:
    """Raises KeyboardInterrupt; within an import it ends the process, since a module in C++ would abort on the exception.

    Imports that come while work might be lost run within `mdn.training.ctrl_c_waits`, where Ctrl-C waits. Within a `__del__`
    or a callback of the garbage collector (JAX has one), Python would ignore the exception, so the signal is sent again a
    moment later.
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


# It raises, as signal.default_int_handler does, so `ctrl_c_waits` may replace it.
vars(raise_interrupt)["raises_keyboard_interrupt"] = True


def after_a_command() -> None:
    """From here on Ctrl-C is ignored: the command is done, and another press must not change its exit code."""
    if _process_is_ours:
        _replace(raise_interrupt, signal.SIG_IGN)


@contextmanager
def asked_to_end() -> Iterator[Callable[[], None]]:
    """Ctrl-C raises KeyboardInterrupt and SIGTERM SystemExit(143), so that files and ports are closed and a summary printed.

    Python ignores exceptions in a callback of the garbage collector, and JAX has one. So this yields a function that raises
    the exception again; loops call it.
    """
    asked: list[int] = []

    def check() -> None:
        if asked:
            raise KeyboardInterrupt if asked[-1] == signal.SIGINT else SystemExit(128 + signal.SIGTERM)

    def handle(number, _):
        asked.append(number)
        check()

    here = threading.current_thread() is threading.main_thread()  # other threads cannot handle signals
    both = (signal.SIGINT, signal.SIGTERM) if here else ()
    numbers = [number for number in both if signal.getsignal(number) is not signal.SIG_IGN]  # ignored under nohup
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _replace(handler, by) -> None:
    """Replaces `handler`, if it is in charge: a handler of the caller stays, and so does SIG_IGN, as under nohup."""
    if signal.getsignal(signal.SIGINT) is handler:
        signal.signal(signal.SIGINT, by)
