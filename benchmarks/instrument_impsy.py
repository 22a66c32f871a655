"""IMPSY's part of instrument.py, run by the Python of its own environment: trains its model and writes its log densities.

    python instrument_impsy.py FOLDER SIZE EPOCHS

FOLDER holds learn.npz and judge.npz (`perfs`, as IMPSY reads them) and spread.npz (the events to score: log dt, spread values).
The network reads recorded events and predicts the spread ones; log densities are in nats of (log dt, values), IMPSY's factor of
10 included.
"""

import sys
from pathlib import Path

import numpy as np
from impsy import mdrnn
from impsy.train import train_mdrnn
from impsy.utils import mdrnn_config

folder, size, epochs = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])


def log_density(params, y, mixes):
    """Of normals with packed `mus | sigmas | logits of weights`, as keras_mdn_layer has them."""
    dimension = y.shape[-1]
    mus, sigmas, logits = np.split(params.astype("float64"), [mixes * dimension, 2 * mixes * dimension], axis=-1)
    mus, sigmas = (part.reshape(-1, mixes, dimension) for part in (mus, sigmas))
    logits = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    each = -0.5 * ((y[:, None] - mus) / sigmas) ** 2 - np.log(sigmas) - 0.5 * np.log(2 * np.pi)
    return np.logaddexp.reduce(logits + each.sum(axis=-1), axis=-1)


config = mdrnn_config(size)
train_mdrnn(None, str(folder / "learn.npz"), size, True, 10, epochs, 64, save_location=str(folder), save_tflite=False)
(weights,) = folder.glob("*-ckpt.keras")  # its best epoch by its own held-out tenth
scores = []
spread = np.load(folder / "spread.npz")
for recorded, name in zip(np.load(folder / "judge.npz", allow_pickle=True)["perfs"], spread.files, strict=True):
    network = mdrnn.PredictiveMusicMDRNN(
        mode=mdrnn.NET_MODE_TRAIN,
        dimension=recorded.shape[1],
        n_hidden_units=config["units"],
        n_mixtures=config["mixes"],
        sequence_length=len(recorded) - 1,
        layers=config["layers"],
    )
    network.model.load_weights(weights)
    params = network.model.predict(mdrnn.SCALE_FACTOR * recorded[None, :-1].astype("float32"), verbose=0)[0]
    target = spread[name][1:].astype("float64")
    log_dt = target[:, 0].copy()
    target[:, 0] = np.exp(log_dt)
    found = log_density(params, mdrnn.SCALE_FACTOR * target, config["mixes"])
    scores.append(found + target.shape[1] * np.log(mdrnn.SCALE_FACTOR) + log_dt)
np.savez(folder / "scores.npz", *scores)
