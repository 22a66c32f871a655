"""What a Joint of "which values moved" and "how far" is worth: the shipped instrument beside floors, a plain MDNRNN and IMPSY.

    python benchmarks/instrument.py [--part test] [--model FILE] [--epochs 30] [--impsy PYTHON --size s --impsy-epochs 2]

Needs the data set impsy. All figures are nats an event of (log dt, values) given the past of the performance, from its second
event on; dt is held to [0.0004, 60], and each value spread over its step of 1/128 anew at each event (seed 0): lower is better.
The plain MDNRNN predicts (log dt, values) by one mixture of normals, of our units, components, epochs and batches. `--impsy`
names the Python of an environment with `pip install impsy`, where its own `train_mdrnn` learns from the same part.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

import mdn
from mdn.applications.chapter import chapter
from mdn.applications.instrument import evaluate
from mdn.applications.instrument.events import cut
from mdn.applications.jam.train import batching


def spread(performances, steps, rng):
    """(log dt, values) of each event, values spread anew over their steps."""
    found = []
    for one in performances:
        values = one[:, 1:] + rng.uniform(-0.5, 0.5, one[:, 1:].shape) / steps
        found.append(np.concatenate([np.log(one[:, :1]), values], axis=1).astype("float32"))
    return found


def plain(parts, part, model, epochs, seed=0):
    """NLL of an MDNRNN of one mixture over (log dt, values)."""
    keras.utils.set_random_seed(seed)
    steps, rng = np.array(model.steps), np.random.default_rng(seed)
    pieces = cut(parts["train"])
    spec = mdn.MixtureSpec(mdn.NormalSpec(1 + model.size), model.components)
    network = mdn.MDNRNN(spec, units=model.units, dropout=model.rate).adapt(spread(pieces, steps, rng))
    batch_size, window = batching([len(piece) for piece in pieces])
    network.fit(
        pieces, spread(parts["valid"], steps, rng), epochs=epochs, batch_size=batch_size, window=window, buckets=6,
        encode=lambda piece, rng: spread([piece], steps, rng)[0], seed=seed, verbose=0,
    )  # fmt: skip
    scores = network.log_prob(spread(parts[part], steps, np.random.default_rng(0)))
    return -float(np.mean(np.concatenate([one[1:] for one in scores])))


def impsy(python, parts, part, model, size, epochs):
    """NLL of IMPSY's own model, trained and scored in its own environment."""
    with tempfile.TemporaryDirectory() as folder:
        for name, performances in (("learn", parts["train"]), ("judge", parts[part])):
            arrays = np.empty(len(performances), object)
            arrays[:] = [one.astype("float32") for one in performances]
            np.savez(Path(folder, f"{name}.npz"), perfs=arrays)
        judged = spread(parts[part], np.array(model.steps), np.random.default_rng(0))
        np.savez(Path(folder, "spread.npz"), *judged)
        script = Path(__file__).with_name("instrument_impsy.py")
        environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": ""}
        command = [python, script, folder, size, str(epochs)]
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        scores = np.load(Path(folder, "scores.npz"))
        return -float(np.mean(np.concatenate([scores[name] for name in scores.files])))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("valid", "test"), default="test")
    parser.add_argument("--model", type=Path)
    parser.add_argument("--epochs", type=int, default=30, help="of the plain MDNRNN; 0 leaves it out")
    parser.add_argument("--impsy", help="the Python of an environment with impsy")
    parser.add_argument("--size", default="s", help="of IMPSY's model: xs, s, m, l or xl")
    parser.add_argument("--impsy-epochs", type=int, default=2)
    options = parser.parse_args()

    instrument = chapter("instrument")
    parts = instrument.split(instrument.read(), 0)
    model = instrument.load(*([options.model] if options.model else []))
    judged = parts[options.part]

    def say(name, value, began):
        print(f"{name:40s} {value:8.3f}   {time.perf_counter() - began:6.0f} s", flush=True)

    began = time.perf_counter()
    say("Joint of moved, value and time", evaluate.nll(model, judged), began)
    for name, value in evaluate.floors(model, parts["train"], judged).items():
        say(name.removeprefix("test NLL, "), value, began)
    for name, value in evaluate.likeness_of_play(model, parts["train"]).items():
        say(name, value, began)
    if options.epochs:
        began = time.perf_counter()
        say("plain MDNRNN", plain(parts, options.part, model, options.epochs), began)
    if options.impsy:
        began = time.perf_counter()
        say(
            f"IMPSY, {options.size}",
            impsy(options.impsy, parts, options.part, model, options.size, options.impsy_epochs),
            began,
        )


if __name__ == "__main__":
    main()
