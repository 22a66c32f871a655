"""Training on all devices of all processes: where the arrays lie, and a step that sums the gradients over the devices."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np

from mdn.training import exchange
from mdn.training.step import Step

_SCORED_AT_ONCE = 4096  # rows of a device in one step of validation
_AXIS = "rows"


def mesh_of_all_devices():
    """A mesh of all devices of all processes, along which the rows of a batch are divided; None if there is only one device."""
    import jax

    devices = jax.devices()
    return None if len(devices) == 1 else jax.sharding.Mesh(np.array(devices), (_AXIS,))


class Places:
    """Where arrays lie: the rows of a batch divided over the devices of a mesh, weights the same on all; or all on one device."""

    def __init__(self, mesh):
        import jax

        self._mesh = mesh
        self.alone = mesh is None or jax.process_count() == 1
        """Whether this is the only process."""
        if mesh is not None:
            self.same = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
            self._divided = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec(None, _AXIS))

    def rows(self, block):
        """A block of this process as part of the block of all, divided along its second axis."""
        import jax

        if self._mesh is None:
            return jax.device_put(block)
        return tuple(jax.make_array_from_process_local_data(self._divided, np.asarray(part)) for part in block)

    def everywhere(self, tree):
        """Arrays that are the same in all processes, on all devices."""
        import jax

        values = jax.tree.map(np.asarray, tree)
        return jax.device_put(values) if self._mesh is None else jax.device_put(values, self.same)

    def chunks(self, rows):
        """Rows that all processes have, each its part, in chunks of one size filled up with rows of missing targets."""
        import jax

        processes, process = (1, 0) if self.alone else (jax.process_count(), jax.process_index())
        devices = 1 if self._mesh is None else jax.local_device_count()
        most = math.ceil(len(rows[0]) / processes)
        size = min(_SCORED_AT_ONCE, math.ceil(most / devices)) * devices
        count = math.ceil(most / size)
        parts = []
        for part, fill in zip(rows, (0.0, np.nan, 0.0), strict=True):
            padded = np.full((count * size, *part.shape[1:]), fill, part.dtype)
            mine = part[process::processes]
            padded[: len(mine)] = mine
            parts.append(padded.reshape(count, size, *part.shape[1:]))
        return self.rows(tuple(parts))

    def newest(
        self, arrays: dict[str, np.ndarray], beside: dict[str, Any], age: int
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """The arrays and what is beside them of the process whose age is the largest; of the first of several.

        Args:
            arrays: Arrays by name, with the same shapes in all processes.
            beside: More, as JSON allows it.
            age: How old the state is.
        """
        if self.alone:
            return arrays, beside
        import jax

        source = int(np.argmax(exchange.of_all(np.int32(age)))) == jax.process_index()
        text = exchange.bytes_of_one(json.dumps(beside).encode(), source)
        found = exchange.of_one(arrays, source)
        return {name: np.asarray(each) for name, each in found.items()}, json.loads(text)


class SummedStep(Step):
    """A step over a mesh: each device takes the gradient of its rows, and one sum over the devices brings all to all.

    XLA would sum the gradient of each layer by itself. A message of a few kilobytes takes as long as one of a megabyte, so that
    many of them cost more time than the step of a small network. Where a step also changes fixed weights (noise, dropout, batch
    normalization), all devices must take part in one random draw, or one mean: there XLA divides the program by itself.
    """

    def __init__(self, model, loss, global_clipnorm, weight_decay, mesh):
        super().__init__(model, loss, global_clipnorm, weight_decay)
        self._mesh = mesh
        self._means = getattr(loss, "reduction", None) == "sum_over_batch_size"

    def gradient(self, trainable, fixed, rows):
        """As in `Step`, of the rows of all devices."""
        import jax
        from jax import numpy as jnp
        from jax.flatten_util import ravel_pytree

        if not self._means or self._changes(trainable, fixed, rows):
            return super().gradient(trainable, fixed, rows)

        def summed(trainable, fixed, rows):
            value, _, slopes = Step.gradient(self, trainable, fixed, rows)
            counted = jnp.sum(~jnp.all(jnp.isnan(rows[1]), axis=-1)).astype("float32")
            flat, unflat = ravel_pytree((value, slopes))
            total = jax.lax.psum(jnp.append(counted * flat, counted), _AXIS)
            return unflat(total[:-1] / jnp.maximum(total[-1], 1.0))

        same, divided = jax.sharding.PartitionSpec(), jax.sharding.PartitionSpec(_AXIS)
        over_devices = jax.shard_map(
            summed, mesh=self._mesh, in_specs=(same, same, divided), out_specs=same, check_vma=False
        )
        value, slopes = over_devices(trainable, fixed, rows)
        return value, fixed, slopes

    def _changes(self, trainable, fixed, rows) -> bool:
        """Whether a step changes a fixed weight; Keras returns the very array of each that it leaves alone."""
        import jax

        found = []

        def watched(trainable, fixed, rows):
            value, after = self.cost(trainable, fixed, rows)
            found.append(any(new is not old for new, old in zip(after, fixed, strict=True)))
            return value

        jax.eval_shape(watched, trainable, fixed, rows)
        return found[0]
