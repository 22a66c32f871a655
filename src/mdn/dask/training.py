"""One training on the workers of a cluster: a process beside each of them, and a worker that dies costs no more than an epoch."""

from __future__ import annotations

import queue
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import distributed

from mdn.dask import beside
from mdn.training.interrupt import ctrl_c_waits
from mdn.training.processes import TRIES, Died, free_port
from mdn.training.team import Team, versions

_POLL = 0.1  # seconds
_SECONDS = 60  # without any worker, after which a training ends
_GRACE = 5.0  # seconds in which the processes of a training end after one of them

Shares = Sequence[tuple[str, tuple]]
"""The address of the worker of each process, and the arguments that this process alone gets."""


def client_of(client) -> distributed.Client:
    """The client of a cluster that works, all of whose workers have the versions of this process.

    Args:
        client: A `distributed.Client`, or None for the one that was made last.

    Raises:
        ValueError: if there is none, its scheduler or workers are gone, or a worker has another version; the message names it.
        TypeError: if it is something else.
    """
    if client is None:
        try:
            client = distributed.default_client()
        except ValueError:
            raise ValueError(
                "`client` must be a distributed.Client, or one must have been made before, but there is none: "
                'client = distributed.Client("tcp://scheduler:8786").'
            ) from None
    if not isinstance(client, distributed.Client):
        raise TypeError(f"`client` must be a distributed.Client, but {type(client).__name__} came.")
    if client.status != "running":
        raise ValueError(
            f"the scheduler of `client` cannot be reached (its status is {client.status!r}): start it, and make a new Client."
        )
    found = addresses(client)
    if not found:
        raise ValueError("the cluster of `client` has no workers: start some.")
    here = versions()
    for address, there in client.run(versions, workers=found, on_error="return").items():
        if isinstance(there, Exception):
            raise ValueError(
                f"the worker {address} cannot import mdn ({type(there).__name__}: {there}): install {here} there."
            )
        if there != here:
            raise ValueError(
                f"the worker {address} has {there}, but this process has {here}: install the same everywhere."
            )
    return client


def addresses(client: distributed.Client) -> list[str]:
    """The addresses of all workers, in order."""
    return sorted(client.nthreads())  # `scheduler_info` has no workers at all while the client renews it


class Training:
    """A training that outlives a worker.

    Args:
        client: As `client_of` returns it.

    Attributes:
        run: By what name the workers know the training.
    """

    def __init__(self, client: distributed.Client):
        self._client, self.run = client, uuid.uuid4().hex[:12]

    def run_together(
        self, function: Callable[..., Any], shared: Any, shares: Callable[[], Shares], on_told: Callable[[Any], Any]
    ) -> Any:
        """What `function(shared, *own, folder, mesh=, tell=)` returns in process 0 of one process beside each worker.

        If a worker or a process dies, the others are stopped, and all are started anew on the workers that are there.

        Args:
            function: As in `Child`; `folder` lies on the disk of the worker, for its checkpoints.
            shared: What all processes get.
            shares: Called before each start: the workers, and `own` of each.
            on_told: Called with what process 0 tells.

        Raises:
            ValueError: if a process refuses its work.
            Died: if workers die again and again.
            KeyboardInterrupt: if Ctrl-C was pressed.
        """
        for left in reversed(range(TRIES)):
            try:
                self._client.wait_for_workers(1, timeout=_SECONDS)
            except TimeoutError:
                raise Died(f"the training on the cluster ended: it has had no workers for {_SECONDS} s.") from None
            try:
                return self._together(function, shared, shares(), on_told)
            except Died:
                if not left:
                    raise
        raise AssertionError  # TRIES is at least 1

    def _together(self, function, shared, shares: Shares, on_told: Callable[[Any], Any]) -> Any:
        client, topic = self._client, f"mdn-{self.run}"
        workers = [address for address, _ in shares]
        first = workers[0]
        port = client.run(free_port, workers=[first], on_error="return")[first]
        if isinstance(port, Exception):
            raise Died(f"the worker {first} is gone: {port}")
        told: queue.Queue[Any] = queue.Queue()

        def drain() -> None:
            while not told.empty():
                on_told(told.get())

        client.subscribe_topic(topic, lambda event: told.put(event[1]))
        [sent] = client.scatter([shared], broadcast=True, hash=False)
        futures = [
            client.submit(
                beside.take_part,
                function,
                sent,
                own,
                Team(f"{urlsplit(first).hostname}:{port}", len(shares), process),
                self.run,
                topic,
                workers=[address],
                pure=False,
                priority=1,
            )
            for process, (address, own) in enumerate(shares)
        ]
        try:
            self._wait(futures, workers, drain)
            return futures[0].result().result
        finally:
            client.run(beside.stop, self.run, workers=self._alive(workers), on_error="ignore")
            client.cancel([*futures, sent], force=True)
            client.unsubscribe_topic(topic)

    def _alive(self, workers: Sequence[str]) -> list[str]:
        return sorted({*workers} & {*addresses(self._client)})

    def _wait(self, futures, workers: Sequence[str], drain: Callable[[], None]) -> None:
        """Waits until all processes have ended well; as soon as one has not, or its worker is gone, the others are stopped."""
        with ctrl_c_waits() as pressed:
            while True:
                drain()
                if pressed:
                    raise KeyboardInterrupt("the training on the cluster was stopped.")
                gone = sorted({*workers} - {*self._alive(workers)})
                ended = [future.result() for future in futures if future.status == "finished"]
                if gone or any(each.refused or each.died for each in ended):
                    break
                if len(ended) == len(futures):
                    drain()
                    return
                time.sleep(_POLL)
        # A process that refuses its work takes the others with it: its sentence counts, whoever was noticed first
        end = time.monotonic() + _GRACE
        while time.monotonic() < end and not gone and any(future.status == "pending" for future in futures):
            time.sleep(_POLL)
        finished = [place for place, future in enumerate(futures) if future.status == "finished"]
        endings = {workers[place]: futures[place].result() for place in finished}
        refused = {address: each.refused for address, each in endings.items() if each.refused}
        for address, sentence in refused.items():
            raise ValueError(sentence if len(refused) == len(futures) else f"{sentence} (The worker {address}.)")
        why = f"the worker {gone[0]} is gone" if gone else next(each.died for each in endings.values() if each.died)
        raise Died(f"the training on the cluster ended: {why}")

    def forget(self) -> None:
        """Removes what the workers keep of the training."""
        self._client.run(beside.forget, self.run, workers=addresses(self._client), on_error="ignore")
