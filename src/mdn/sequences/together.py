"""What `keras.distribution` leaves open where several devices, of one process or of many, train one network of sequences.

Each process calls `fit` with the same sequences and settings, and deals the same batches; it hands Keras its rows of each, and
Keras makes of them one batch that lies on all devices. So what is learnt depends on neither the number of processes nor that of
devices, but for rounding.
"""

from __future__ import annotations

import platform
from pathlib import Path

import keras
import numpy as np

from mdn import backend
from mdn.files import replacing
from mdn.training import exchange

_NAME = 64  # bytes of the name of a machine


def devices() -> int:
    """How many devices share each batch."""
    distribution = keras.distribution.distribution()
    return 1 if distribution is None else int(np.prod(distribution.device_mesh.shape))


def place() -> tuple[int, int]:
    """(the number of this process, how many there are) of those that learn together."""
    if backend.NAME != "jax" or devices() == 1:
        return 0, 1
    import jax

    return jax.process_index(), jax.process_count()


def share(rows):
    """The rows of a batch that this process hands to Keras: neighbours, so that all of them together are in their order."""
    process, processes = place()
    each = len(rows) // processes
    return rows[process * each : (process + 1) * each]


def check(batch_size: int) -> None:
    """Checks that a batch can be divided.

    Args:
        batch_size: Sequences a step.

    Raises:
        ValueError: if it is no multiple of the number of devices.
    """
    if batch_size % devices():
        raise ValueError(
            f"`batch_size` must be a multiple of the {devices()} devices of keras.distribution, but is {batch_size}."
        )


def agreed(scores: np.ndarray) -> np.ndarray:
    """The scores of process 0: decisions that rest on them must be the same in all processes, to the last bit."""
    return scores if place()[1] == 1 else exchange.of_first(scores)


def check_same(data) -> None:
    """Checks that all processes learn from the same sequences, since each deals its rows from the batches of all.

    Args:
        data: What `fit` learns from: its `digest` is compared.

    Raises:
        ValueError: in all processes, if one of them has other sequences than process 0.
    """
    if place()[1] == 1:
        return
    host = platform.node().encode()[:_NAME]
    mine = np.frombuffer(bytes.fromhex(data.digest) + host.ljust(_NAME, b" "), "uint8")
    digests, hosts = np.split(exchange.of_all(mine), [-_NAME], axis=1)
    other = np.flatnonzero(np.any(digests != digests[0], axis=1))
    if len(other):
        first, its = (hosts[one].tobytes().decode(errors="replace").strip() for one in (0, other[0]))
        raise ValueError(
            f"process {other[0]} on {its} reads other sequences than process 0 on {first}: let all processes read the same files."
        )


def adapt(model, sequences, linear: bool = True) -> None:
    """`model.adapt(sequences)` with the numbers of process 0: those of other machines may differ by rounding.

    Args:
        model: An MDNRNN.
        sequences: What it learns from.
        linear: Whether to adapt its linear start, too.
    """
    if place()[1] == 1:
        _adapted(model, sequences, linear)
        return
    distribution = keras.distribution.distribution()
    keras.distribution.set_distribution(None)  # JAX refuses to copy numbers that differ to all devices
    try:
        twin = type(model).from_config(model.get_config())
        twin.set_weights(model.get_weights())
        found = _adapted(twin, sequences, linear).get_weights()
    finally:
        keras.distribution.set_distribution(distribution)
    model.set_weights([np.asarray(one) for one in exchange.of_one(found, first=None)])
    model.adapted = True


def _adapted(model, sequences, linear: bool):
    if linear:
        return model.adapt(sequences)
    model.linear.left_out = True
    try:
        return model.adapt(sequences)
    finally:
        model.linear.left_out = False


def share_newest(path: Path, done: int) -> bool:
    """Gives the newest checkpoint of all processes to those that have an older one or none. Returns whether this one got it.

    Args:
        path: The file of this process's checkpoint.
        done: How many epochs are done in that file; 0 if there is none.
    """
    if place()[1] == 1:
        return False
    ages = exchange.of_all(np.int32(done))
    if ages.min() == ages.max():
        return False
    source = int(np.argmax(ages)) == place()[0]
    found = exchange.bytes_of_one(path.read_bytes() if source else b"", source)
    behind = done < ages.max()
    if behind:
        with replacing(path) as temporary:
            temporary.write_bytes(found)
    return bool(behind)


def predictor(model):
    """A function of inputs that returns their params, with the weights that the model has now.

    Under `keras.distribution`, Keras' own prediction would divide rows of any number among the devices of all processes, and no
    process could read the result. So one device of this process computes it.
    """
    if backend.NAME != "jax" or devices() == 1:
        return model.predict_on_batch
    import jax

    here = jax.local_devices()[0]
    groups = model.trainable_variables, model.non_trainable_variables
    weights = jax.device_put([[np.asarray(one.value) for one in group] for group in groups], here)
    if "on one device" not in model._programs:
        model._programs["on one device"] = jax.jit(
            lambda weights, inputs: model.stateless_call(*weights, inputs, training=False)[0]
        )
    run = model._programs["on one device"]
    return lambda inputs: run(weights, jax.device_put(inputs, here))
