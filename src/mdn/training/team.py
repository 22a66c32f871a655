"""The processes that train one network together: which of them this one is, and how they find each other.

Any launcher can start them. It sets three environment variables in each process:

    MDN_COORDINATOR   host:port, an address of process 0 that all processes can reach
    MDN_PROCESSES     how many processes there are
    MDN_PROCESS       the number of this one, from 0
"""

from __future__ import annotations

import atexit
import contextlib
import ipaddress
import os
import platform
import re
import sys
from typing import Any, NamedTuple

import numpy as np

from mdn.training import exchange

_VARIABLES = ("MDN_COORDINATOR", "MDN_PROCESSES", "MDN_PROCESS")
_SECONDS = 60  # that the processes wait for each other in the beginning
_NAME = 128  # bytes
_PEER = re.compile(
    "gloo|nccl|peer|coordination service|heartbeat", re.IGNORECASE
)  # what errors about other processes say
_STATUS = re.compile(r"[A-Z_]+: ")  # of XLA: "UNKNOWN: Gloo AllGather failed: ... Connection reset by peer"


class Team(NamedTuple):
    """The place of this process among those that train together.

    Attributes:
        coordinator: host:port of process 0.
        processes: How many there are.
        process: The number of this one.
    """

    coordinator: str
    processes: int
    process: int

    @classmethod
    def of_environment(cls) -> Team | None:
        """What the three variables say; None if none of them is set.

        Raises:
            ValueError: if one of them is missing, or no number.
        """
        found = [os.environ.get(name) for name in _VARIABLES]
        if not any(found):
            return None
        missing = [name for name, value in zip(_VARIABLES, found, strict=True) if not value]
        if missing:
            raise ValueError(f"{missing[0]} must be set, since {' and '.join(set(_VARIABLES) - set(missing))} is.")
        coordinator, processes, process = (str(value) for value in found)
        if not (processes.isdecimal() and process.isdecimal() and int(process) < int(processes)):
            raise ValueError(
                f"MDN_PROCESSES and MDN_PROCESS must be a number of processes and one from 0 up to it, but {processes!r} and "
                f"{process!r} came."
            )
        host, _, port = coordinator.rpartition(":")
        if not host or not port.isdecimal():
            raise ValueError(f"MDN_COORDINATOR must be host:port of process 0, but {coordinator!r} came.")
        return cls(coordinator, int(processes), int(process))

    @property
    def environment(self) -> dict[str, str]:
        """The three variables."""
        return dict(zip(_VARIABLES, map(str, self), strict=True))


class Joined(NamedTuple):
    """The processes that train together with this one.

    Attributes:
        process: The number of this one; the first, 0, is the one that writes files.
        processes: How many there are.
        mesh: All their devices, for `fit_feed`; None if there is one process.
    """

    process: int = 0
    processes: int = 1
    mesh: Any = None

    @property
    def alone(self) -> bool:
        """Whether this is the only process."""
        return self.processes == 1


def joined() -> Joined:
    """The processes that this one has joined by `join`; it alone if it has joined none."""
    from mdn import backend

    if backend.NAME != "jax":
        return Joined()
    import jax

    if not jax.distributed.is_initialized():
        return Joined()
    from mdn.training.places import mesh_of_all_devices

    return Joined(jax.process_index(), jax.process_count(), mesh_of_all_devices())


def join(team: Team | None = None) -> Joined:
    """Joins the other processes of a training.

    Call it before JAX makes its first array. Without the three variables this process trains alone.

    Args:
        team: The place of this process; by default what the environment says.

    Raises:
        ValueError: if the backend is not JAX, JAX is in use already, the processes do not find each other, or one of them has
            another version of mdn, JAX or Keras; the message says which.
    """
    from mdn import backend

    team = Team.of_environment() if team is None else team
    if backend.NAME != "jax":
        if team is None or team.processes == 1:
            return Joined()
        raise ValueError(
            f"training in many processes needs the JAX backend, but it is {backend.NAME}: set KERAS_BACKEND=jax."
        )
    import jax

    if team is not None and team.processes > 1 and not jax.distributed.is_initialized():
        _connect(jax, team)
        _end_at_once_on_error(team)
        _check_versions()
    return joined()


def is_of_a_peer(error: BaseException) -> bool:
    """Whether an error is that of XLA about another process that has ended, and not one of this process."""
    return is_of_xla(error) and bool(_PEER.search(str(error)))


def is_of_xla(error: BaseException) -> bool:
    """Whether XLA has raised an error, and not the code that a user can mend.

    XLA raises a ValueError, too, where NumPy reads an array that the other processes have not completed. Its messages begin with
    the name of a status.
    """
    return isinstance(error, ValueError | RuntimeError) and bool(_STATUS.match(str(error)))


def _end_at_once_on_error(team: Team) -> None:
    """Lets this process end after an error that nobody catches.

    JAX ends a process only when all the others end, too. But these wait in a sum for the one that had the error, until it has
    ended: all would stand still.
    """
    shown, status = sys.excepthook, [0]

    def hook(kind, error, trace) -> None:
        shown(kind, error, trace)
        if is_of_a_peer(error):
            print(
                f"mdn: process {team.process} of {team.processes} ends, since another one has ended: what that one wrote says "
                "why. Start all of them again; with `checkpoint` they go on from the last epoch.",
                file=sys.stderr,
            )
        status[0] = 130 if issubclass(kind, KeyboardInterrupt) else 1

    def end() -> None:
        if status[0]:
            try:
                for stream in (sys.stdout, sys.stderr):
                    with contextlib.suppress(Exception):  # a closed pipe, or no stream at all
                        stream.flush()
            finally:
                os._exit(status[0])

    sys.excepthook = hook
    atexit.register(end)  # runs before what JAX has registered, which waits


def _bound_to(coordinator: str) -> str | None:
    """The address at which process 0 listens, so that one machine's processes are open to no other; None for all addresses."""
    host = coordinator.rpartition(":")[0].strip("[]")
    try:
        here = ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        here = host == "localhost"
    return coordinator if here else None


def _connect(jax, team: Team) -> None:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(
            team.coordinator,
            team.processes,
            team.process,
            initialization_timeout=_SECONDS,
            heartbeat_timeout_seconds=30,
            coordinator_bind_address=_bound_to(team.coordinator),
        )
    except RuntimeError as error:
        if "before" in str(error):  # JAX's words for an array that was made too early
            raise ValueError(
                "`join` must be called before JAX makes its first array: call it at the top of the program."
            ) from None
        raise ValueError(
            f"process {team.process} of {team.processes} found no others at {team.coordinator} within {_SECONDS} s: start all "
            "processes, and give an address of process 0 that each of them can reach."
        ) from error


def agreed(values) -> np.ndarray:
    """Whole numbers of process 0, in all processes that have joined; all of them must call it.

    A seed, or a choice by figures that the hardware rounds, may differ from process to process, and different networks cannot
    train together.

    Args:
        values: Numbers from 0 to 2³¹ - 1 of this process, of the same shape in all.

    Returns:
        `values` themselves where this process is alone.
    """
    return np.asarray(values) if joined().alone else exchange.of_first(values)


def versions() -> str:
    """The versions that must be the same in all processes."""
    import jax
    import keras

    mdn = sys.modules["mdn"]  # which knows this room, and not the other way round
    return f"mdn {mdn.__version__}, JAX {jax.__version__}, Keras {keras.__version__}"


def _check_versions() -> None:
    """Refuses processes of different versions; all of them come to the same answer."""
    mine = [versions(), platform.node()]
    padded = np.zeros((2, _NAME), "uint8")
    for row, text in zip(padded, mine, strict=True):
        found = text.encode()[:_NAME]
        row[: len(found)] = np.frombuffer(found, "uint8")
    told = [[bytes(row[row > 0]).decode() for row in rows] for rows in exchange.of_all(padded)]
    for process, (version, host) in enumerate(told):
        if version != told[0][0]:
            raise ValueError(
                f"all processes need the same versions, but process {process} on {host} has {version}, and process 0 on "
                f"{told[0][1]} has {told[0][0]}: install the same everywhere."
            )
