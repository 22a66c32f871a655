"""IMPSY's part of instrument.py, run by the Python of its own environment: trains its model and writes its log densities.

    python instrument_impsy.py FOLDER SIZE EPOCHS MINUTES

FOLDER holds learn.npz and judge.npz (`perfs`, as IMPSY reads them) and spread.npz (the events to score: log dt, spread values).
Training is that of `impsy train` with its defaults: pieces of 50 events, batches of 64, Adam, a tenth held out, the best epoch
kept, an end once ten epochs were no better. It also ends with the first epoch that is done after MINUTES of processor time; 0
sets no limit.
The network reads recorded events and predicts the spread ones; log densities are in nats of (log dt, values), IMPSY's factor of
10 included. FOLDER/scores.npz gets them, and FOLDER/training.json how long the training was; a training that is done is not
done again.
"""

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import keras
import numpy as np
from impsy import mdrnn
from impsy.train import train_mdrnn
from impsy.utils import mdrnn_config

_BATCH, _PATIENCE = 64, 10  # the defaults of `impsy train`


class Until(keras.callbacks.Callback):
    """Ends a training with the first epoch that is done after so many minutes of processor time."""

    def __init__(self, minutes: float):
        super().__init__()
        self._minutes = minutes
        self.early = False

    def on_train_begin(self, logs=None):
        """Starts the clock."""
        self._began, self._busy, self.losses = time.perf_counter(), time.process_time(), []

    def on_epoch_end(self, epoch, logs=None):
        """Looks at the clock."""
        self.losses.append(float(logs["val_loss"]))
        self.seconds, self.busy = time.perf_counter() - self._began, time.process_time() - self._busy
        print(f"\nepoch {epoch + 1}: {self.losses[-1]:.3f}, {self.busy:.0f} s of processor time", flush=True)
        if self._minutes and self.busy > 60 * self._minutes:
            self.early = self.model.stop_training = True


def log_density(params, y, mixes):
    """Of normals with packed `mus | sigmas | logits of weights`, as keras_mdn_layer has them."""
    dimension = y.shape[-1]
    mus, sigmas, logits = np.split(params.astype("float64"), [mixes * dimension, 2 * mixes * dimension], axis=-1)
    mus, sigmas = (part.reshape(-1, mixes, dimension) for part in (mus, sigmas))
    logits = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    each = -0.5 * ((y[:, None] - mus) / sigmas) ** 2 - np.log(sigmas) - 0.5 * np.log(2 * np.pi)
    return np.logaddexp.reduce(logits + each.sum(axis=-1), axis=-1)


def trained(folder: Path, size: str, epochs: int, minutes: float) -> dict:
    """Trains IMPSY's model, and returns what is to be said about it."""
    until = Until(minutes)
    ended = train_mdrnn(
        None, str(folder / "learn.npz"), size, True, _PATIENCE, epochs, _BATCH,
        save_location=str(folder), save_tflite=False, callbacks=[until],
    )  # fmt: skip
    return {
        "epochs": len(until.losses),
        "best epoch": int(np.argmin(until.losses)) + 1,
        "ended by the clock": until.early,
        "seconds": until.seconds,
        "processor seconds": until.busy,
        "parameters": ended["history"].model.count_params(),
        "versions": {name: version(name) for name in ("impsy", "keras", "tensorflow", "keras-mdn-layer")},
    }


def main():
    folder, size, epochs, minutes = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
    config, done = mdrnn_config(size), folder / "training.json"
    if not done.exists():
        done.write_text(json.dumps(trained(folder, size, epochs, minutes)))
    judged = np.load(folder / "judge.npz", allow_pickle=True)["perfs"]
    network = mdrnn.PredictiveMusicMDRNN(
        mode=mdrnn.NET_MODE_TRAIN,
        dimension=judged[0].shape[1],
        n_hidden_units=config["units"],
        n_mixtures=config["mixes"],
        sequence_length=None,
        layers=config["layers"],
    )
    (weights,) = folder.glob("*-ckpt.keras")  # the best epoch by IMPSY's own held-out tenth
    network.model.load_weights(weights)
    scores = []
    spread = np.load(folder / "spread.npz")
    for recorded, name in zip(judged, spread.files, strict=True):
        before = mdrnn.SCALE_FACTOR * recorded[None, :-1].astype("float32")
        params = np.asarray(network.model(before, training=False))[0]
        target = spread[name][1:].astype("float64")
        log_dt = target[:, 0].copy()
        target[:, 0] = np.exp(log_dt)
        found = log_density(params, mdrnn.SCALE_FACTOR * target, config["mixes"])
        scores.append(found + target.shape[1] * np.log(mdrnn.SCALE_FACTOR) + log_dt)
    np.savez(folder / "scores.npz", *scores)


if __name__ == "__main__":
    main()
