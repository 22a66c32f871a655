"""Inline: small programs on a CPU run in the thread that calls them, without waking up another thread."""

from __future__ import annotations

import functools
from typing import Any

from mdn import backend, kernels


def inline_device():
    """A JAX CPU device that runs programs in the calling thread, or None if there is none. Plain: the usual device.

    JAX's own CPU client hands every program of 1,000 or more operations to another thread. To wake up that thread, and then
    the caller, takes several times as long as a step of a small model.
    """
    return _device() if kernels.on() and backend.on_cpu() else None


@functools.cache
def _device():
    try:
        from jaxlib import xla_client

        client: Any = xla_client.make_cpu_client(asynchronous=False)
        return client.devices()[0]
    except (ImportError, AttributeError, TypeError):  # not a public part of JAX: it may change or vanish
        return None


class Placed:
    """Calls `run(weights, ...)` on `device`; copies the weights there whenever `now()` returns new arrays."""

    def __init__(self, run, now, device):
        self._run, self._now, self._device = run, now, device
        self._seen: list = []
        self._names: list[int] = []

    def __call__(self, *arguments):
        weights = self._now()
        names = list(map(id, weights))
        if names != self._names:
            import jax

            # keep the references, so that their ids are not reused
            self._placed, self._seen, self._names = jax.device_put(weights, self._device), weights, names
        return self._run(self._placed, *arguments)
