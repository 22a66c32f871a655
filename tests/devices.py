"""Trains on one device and on several, and prints the losses; a process of its own, since JAX counts devices once.

`python tests/devices.py` makes two devices of this machine; `python tests/devices.py PROCESS PROCESSES PORT` is one process of
several, with one device each. Only the first prints.
"""

import json
import os
import sys

PLACE = [int(one) for one in sys.argv[1:]]
if not PLACE:
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
os.environ["KERAS_BACKEND"] = "jax"

import jax  # noqa: E402

if PLACE:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    process, processes, port = PLACE
    jax.distributed.initialize(f"127.0.0.1:{port}", processes, process)

import keras  # noqa: E402
import numpy as np  # noqa: E402

import mdn  # noqa: E402

EVENTS = np.random.default_rng(0).normal(size=(13, 8, 1)).cumsum(axis=1).astype("float32")


def table() -> list[float]:
    """The losses of a network that ends in MDN."""
    x = np.random.default_rng(0).normal(size=(64, 3)).astype("float32")
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 2)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "tanh"), mdn.MDN(spec).adapt(x[:, :1])])
    model.compile(keras.optimizers.Adam(0.01), loss=mdn.NegativeLogLikelihood(spec))
    found = model.fit(x, x[:, :1], batch_size=16, epochs=2, shuffle=False, verbose=0).history["loss"]
    return [*found, float(keras.ops.mean(mdn.predict(model, x[:8]).mean()))]


def windows() -> list[float]:
    """The losses and the held-out NLL of an MDNRNN that carries its state on, and the sum of its weights."""
    model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(1), 2), units=(4,), lags=0, dropout=0.2)
    settings = {"epochs": 2, "batch_size": 4, "window": 4, "verbose": 0}
    history = model.fit(EVENTS[:8], EVENTS[8:], **settings).history
    return [*history["loss"], *history["val_nll"], float(sum(np.abs(one).sum() for one in model.get_weights()))]


def main() -> None:
    trainings = {"windows": windows} if PLACE else {"windows": windows, "table": table}
    several = keras.distribution.DataParallel(devices=keras.distribution.list_devices(), auto_shard_dataset=False)
    found: dict[str, list] = {}
    for name, train in trainings.items():
        for distribution in [several] if PLACE else [None, several]:
            keras.distribution.set_distribution(distribution)
            keras.utils.set_random_seed(0)
            found.setdefault(name, []).append(train())
    if not PLACE or not process:
        print(json.dumps({"devices": len(jax.devices()), **found}))


if __name__ == "__main__":
    main()
