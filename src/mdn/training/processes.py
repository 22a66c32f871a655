"""A function in many processes at once, which train one network; if one of them dies, the others are stopped at once.

Each process is a fresh one, since JAX ends all processes of a training when one of them is lost: the program that asks for the
training, or the worker of a cluster, must survive that.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any

from mdn import backend
from mdn.training.interrupt import ctrl_c_waits
from mdn.training.team import Team

TOLD = "mdn-told:"
"""What a line begins with by which a process tells the one that started it something."""
REFUSED = 3
"""The exit status of a process whose function raised an error that a user can mend."""
TRIES = 4
_START = """
import runpy, sys
hidden = [name for name in ("matplotlib", "pandas", "sklearn") if name not in sys.modules]
sys.modules.update(dict.fromkeys(hidden))
import mdn
for name in hidden:
    sys.modules.pop(name)
runpy.run_module("mdn.training.child", run_name="__main__")
"""
"""Keras imports these packages where they are installed. A training needs none: hiding them halves the time of a start."""
_POLL = 0.05  # seconds
_GRACE = 1.0  # seconds in which a process that refused its work ends, and the others with it
_SHOWN = 300  # characters of what a process wrote before it ended


def check_processes(processes: int) -> None:
    """Checks how many processes of this machine are to train one network.

    Raises:
        ValueError: if they are fewer than 1, or more than 1 under another backend than JAX.
    """
    if processes < 1:
        raise ValueError(f"`processes` must be at least 1, but {processes} came.")
    if processes > 1 and backend.NAME != "jax":
        raise ValueError(
            f"`processes` above 1 needs the JAX backend, but it is {backend.NAME}: set KERAS_BACKEND=jax, or leave it out."
        )


class Died(RuntimeError):
    """A process ended before it was done."""


class Child:
    """One process, which runs a function of this package and tells its result; it ends when the one that started it does.

    Args:
        function: A function that can be pickled, called with `arguments` and `mesh`. Process 0 also passes `tell`, a function
            that sends a JSON value to the process that started it, and its result is kept.
        arguments: Its arguments.
        team: The place of the process.
        on_told: Called by `done`, in the thread of its caller, with each value that the process has told; what it raises, `done`
            raises.
        threads: How many threads its computations take; None for all.
        environment: More variables.

    Attributes:
        result: What the function returned, once `done`; None except in process 0.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        arguments: Sequence[Any],
        team: Team,
        *,
        on_told: Callable[[Any], Any] | None = None,
        threads: int | None = None,
        environment: dict[str, str] | None = None,
    ):
        self._folder = tempfile.TemporaryDirectory(prefix="mdn-process-")
        self._result = Path(self._folder.name) / "result"
        self._team, self._on_told, self._refusal = team, on_told, ""
        self._heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.result: Any = None
        set_here = {**team.environment, **_threads(threads), **(environment or {}), "PYTHONPATH": _path()}
        self._said = open(Path(self._folder.name) / "said", "wb+")  # noqa: SIM115 - closed by `close`
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(self._result)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            env={**os.environ, **set_here},
            start_new_session=True,  # Ctrl-C reaches the process that started it, which decides
        )
        with contextlib.suppress(BrokenPipeError):  # the process has ended, and `done` says why
            self._process.stdin.write(pickle.dumps((function, tuple(arguments))))  # type: ignore[union-attr]
            self._process.stdin.flush()  # type: ignore[union-attr]
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        for line in self._process.stdout:  # type: ignore[union-attr]
            if line.startswith(TOLD.encode()):
                told = json.loads(line[len(TOLD) :])
                if "refused" in told:
                    self._refusal = told["refused"]
                else:
                    self._heard.put(told["told"])

    def _pass_on(self) -> None:
        while not self._heard.empty():
            told = self._heard.get()
            if self._on_told is not None:
                self._on_told(told)

    def done(self) -> bool:
        """Passes on what the process has told, and says whether it has ended well.

        Raises:
            ValueError: with the sentence of the function, if it raised one that a user can mend.
            Died: if the process ended in another way.
        """
        status = self._process.poll()
        if status is not None:
            self._listener.join(timeout=10)
        self._pass_on()
        if status is None:
            return False
        if status == REFUSED and self._refusal:
            raise ValueError(self._refusal)
        if status:
            self._said.seek(0)
            said = " ".join(self._said.read().decode(errors="replace").strip().splitlines()[-1:])[-_SHOWN:]
            how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
            raise Died(
                f"process {self._team.process} of {self._team.processes} {how}. It last wrote: {said or 'nothing'}"
            )
        if self._result.exists():
            self.result = pickle.loads(self._result.read_bytes())
        return True

    @property
    def pid(self) -> int:
        """The number by which the system knows the process."""
        return self._process.pid

    def end(self) -> None:
        """Ends the process if it still runs."""
        if self._process.poll() is None:
            self._process.kill()

    def close(self) -> None:
        """Ends the process if it still runs, and removes its files."""
        self.end()
        self._process.wait()
        self._listener.join(timeout=10)
        for stream in (self._process.stdin, self._process.stdout, self._said):
            with contextlib.suppress(BrokenPipeError):
                stream.close()  # type: ignore[union-attr]
        self._folder.cleanup()


def run_together(
    function: Callable[..., Any],
    arguments: Callable[[int], Sequence[Any]],
    processes: int,
    *,
    on_told: Callable[[Any], Any] | None = None,
    on_start: Callable[[list[int]], Any] | None = None,
    tries: int = TRIES,
    threads: int | None = None,
) -> Any:
    """What `function` returns in process 0 of `processes` on this machine.

    If a process dies, the others are stopped and all are started anew; a function that keeps checkpoints goes on from the last.

    Args:
        function: As in `Child`.
        arguments: From the number of a process to its arguments.
        processes: How many.
        on_told: Called in this thread with each value that process 0 tells; what it raises ends all processes.
        on_start: Called with the numbers by which the system knows the processes, each time they are started.
        tries: How often they are started at most.
        threads: How many threads each computes with; by default the cores are divided among them.

    Raises:
        ValueError: with the sentence of the function, if it raised one.
        Died: if a process died each time.
        KeyboardInterrupt: if Ctrl-C was pressed; what checkpoints hold is kept.
    """
    _check_imported(function)
    threads = threads or max(1, len(_cores()) // processes)
    for left in reversed(range(tries)):
        coordinator = f"127.0.0.1:{free_port()}"
        with contextlib.ExitStack() as open_ones:
            children = []
            for process in range(processes):
                team = Team(coordinator, processes, process)
                heard = on_told if process == 0 else None
                child = Child(function, arguments(process), team, on_told=heard, threads=threads)
                open_ones.callback(child.close)
                children.append(child)
            if on_start is not None:
                on_start([child.pid for child in children])
            try:
                return _waited(children)
            except Died:
                if not left:
                    raise


def _check_imported(thing: Any) -> None:
    if isinstance(thing, FunctionType | type) and thing.__module__ == "__main__":
        raise ValueError(
            f"a function must lie in a module that other processes can import, but {thing.__name__} lies in the program that "
            "runs: put it into a file of its own."
        )


class _Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        """None for anything: it refuses what another process could not import."""
        _check_imported(thing)


def packed(thing: Any) -> bytes:
    """The pickle of what other processes of this machine get.

    Raises:
        ValueError: if they could not import a function in it.
    """
    file = io.BytesIO()
    try:
        _Pickler(file, protocol=pickle.HIGHEST_PROTOCOL).dump(thing)
    except (pickle.PicklingError, AttributeError, TypeError) as error:  # a lambda, an open file
        raise ValueError(
            f"arguments must be of a kind that other processes can get, but one is not ({error}): put functions into a file of "
            "their own."
        ) from None
    return file.getvalue()


def _waited(children: Sequence[Child]) -> Any:
    """The result of process 0, when all have ended well; the process that died first is the one that is named."""
    with ctrl_c_waits() as pressed:
        waiting = list(children)
        while waiting:
            if pressed:
                raise KeyboardInterrupt(
                    "the training was stopped; started again, it goes on from the last epoch that its checkpoint holds."
                )
            try:
                waiting = [child for child in waiting if not child.done()]
            except Died:
                refused(waiting)
                raise
            time.sleep(_POLL if waiting else 0.0)
    return children[0].result


def refused(children: Sequence[Child]) -> None:
    """Waits a moment whether one of several processes has refused its work, of which the others have died.

    Raises:
        ValueError: with its sentence.
    """
    time.sleep(_GRACE)
    for child in children:
        with contextlib.suppress(Died):
            child.done()


def free_port() -> int:
    """A port of this machine that nothing uses."""
    with socket.socket() as one:
        one.bind(("", 0))
        return one.getsockname()[1]


def _cores() -> Sequence[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)


def _threads(count: int | None) -> dict[str, str]:
    """Variables that hold the computations of a process to some threads; NPROC is read by XLA."""
    if count is None:
        return {}
    names = ("NPROC", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {name: str(count) for name in names}


def _path() -> str:
    """The search path of this process, in which another finds the same packages."""
    return os.pathsep.join(dict.fromkeys(each for each in sys.path if each))


@contextlib.contextmanager
def ends_with_its_parent() -> Iterator[tuple[Callable[..., Any], tuple]]:
    """The function and the arguments that the process which started this one has sent; this one ends when that one does."""
    job = pickle.load(sys.stdin.buffer)

    def watch() -> None:
        os.read(sys.stdin.fileno(), 1)  # a thread that waits in Python's own buffer could not end with the process
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    yield job
