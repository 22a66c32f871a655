"""What Keras users bring along works with our layer and losses: several devices, PyDataset, tf.data."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

import mdn

SPEC = mdn.MixtureSpec(mdn.NormalSpec(1), 2)
X = np.random.default_rng(0).normal(size=(48, 3)).astype("float32")
Y = X[:, :1]


def losses(*data, **settings):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, "tanh"), mdn.MDN(SPEC)])
    model.compile(keras.optimizers.Adam(0.01), loss=mdn.NegativeLogLikelihood(SPEC))
    return model.fit(*data, epochs=2, shuffle=False, verbose=0, **settings).history["loss"]


class Rows(keras.utils.PyDataset):
    def __len__(self):
        return 3

    def __getitem__(self, index):
        rows = slice(16 * index, 16 * index + 16)
        return X[rows], Y[rows]


def test_a_pydataset_gives_the_losses_of_its_arrays():
    np.testing.assert_allclose(losses(Rows()), losses(X, Y, batch_size=16), rtol=1e-6)


def test_a_dataset_of_tensorflow_gives_the_losses_of_its_arrays():
    data = pytest.importorskip("tensorflow").data.Dataset.from_tensor_slices((X, Y)).batch(16)
    np.testing.assert_allclose(losses(data), losses(X, Y, batch_size=16), rtol=1e-6)


def started(*arguments):
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": str(here.parent / "src")}
    command = [sys.executable, str(here / "devices.py"), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def ended(process):
    try:
        said, errors = process.communicate(timeout=600)
    finally:
        process.kill()
    assert process.returncode == 0, errors[-3000:]
    return said


@pytest.mark.jax
def test_two_devices_and_two_processes_learn_what_one_device_learns():
    found = json.loads(ended(started()).splitlines()[-1])
    assert found.pop("devices") == 2
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    first, second = started(0, 2, port), started(1, 2, port)
    there = json.loads(ended(first).splitlines()[-1])
    ended(second)
    assert there.pop("devices") == 2 and there.keys() == found.keys() - {"table"}
    for name, (one, two) in found.items():
        np.testing.assert_allclose(two, one, rtol=1e-5)
        for again in there.get(name, ()):
            np.testing.assert_allclose(again, one, rtol=1e-5)
