"""Inline: small programs on a CPU compute in the thread that calls them, instead of waking up another one."""

from __future__ import annotations

import functools
from typing import Any

from mdn import backend, kernels


def inline_device():
    """A JAX CPU device that computes in the thread that calls; None where there is none. Plain: the usual device.

    JAX's own CPU client hands every program of 1,000 or more operations to another thread. That thread's waking up, and
    the caller's after it, take several times as long as a step of a small model.
    """
    return _device() if kernels.on() and backend.on_cpu() else None


@functools.cache
def _device():
    try:
        from jaxlib import xla_client

        client: Any = xla_client.make_cpu_client(asynchronous=False)
        return client.devices()[0]
    except (ImportError, AttributeError, TypeError):  # not a part of JAX that is promised to stay
        return None


class Placed:
    """`run(weights, ...)` on a device of its own; weights are brought there when there are new ones."""

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
