"""What a training on few drawings is worth: subsets of one word of QuickDraw, as if they were a user's, judged by 300 others.

All drawings are of the part "train" of `quickdraw34`; no figure looks at its test part. Each row prints nats a pen step of the
300 drawings: with the settings for few drawings, with those for many, and of the floor that knows only the pen before.

The settings for few drawings were chosen by cats and faces, many of these among them; the pigs chose nothing.

python benchmarks/few_drawings.py [--rows cat:50 face:50 cat:150 pig:50]
"""

import argparse
import os
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

from mdn import training
from mdn.applications.sketch import data
from mdn.applications.sketch import train as sketch
from mdn.applications.sketch.settings import FEW, settings_for

JUDGES = 300


def worth(model, judges) -> float:
    """Nats a pen step of drawings; for a model with a latent, the bound."""
    rows = sketch.spread(model, judges, 1)
    return sum(model.elbo(rows)) if model.latent_size else model.nll(rows)


def row(drawings, word: str, count: int) -> str:
    one = drawings.of(word)
    order = np.random.default_rng(0).permutation(len(one))
    judges, parts = one[order[:JUDGES]], data.split(one[order[JUDGES : JUDGES + count]])
    found, seconds = [], []
    for settings in (settings_for(count), settings_for(FEW)):
        start = time.perf_counter()
        model = sketch.train_on_parts(parts, **settings)
        seconds.append(time.perf_counter() - start)
        found.append(worth(model, judges))
    floor = sketch.floor(list(parts["train"]), list(judges), model.scale, model.grid)
    figures = " | ".join(f"{value:.3f}" for value in (*found, floor))
    return f"| {count} of {word!r} | {figures} | {seconds[0]:.0f} s, {seconds[1]:.0f} s |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", nargs="+", default=["cat:50", "face:50", "cat:150", "pig:50"])
    rows = parser.parse_args().rows
    training.keep_compiled_programs()
    training.keep_memory()
    drawings = data.read("quickdraw34").part("train")
    print("| drawings | few | many | floor | seconds of training |\n|---|---:|---:|---:|---:|")
    for word, count in (one.split(":") for one in rows):
        print(row(drawings, word, int(count)), flush=True)


if __name__ == "__main__":
    main()
