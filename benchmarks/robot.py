"""Robot motion: who stays on a way that was shown, where letters begin alike.

    MDN_DATA=... python benchmarks/robot.py [--letters DHBK JL] [--seeds 5] [--picture docs/pictures/robot.png]

For each group of letters and each seed three networks of one size are trained on all but three demonstrations a letter, and
200 rollouts of each are judged: `stayed` within the 95th percentile of the distance between a demonstration and the nearest
other of its letter, from any demonstration; the share of each letter among these; the median distance from a demonstration
that was set aside to the nearest rollout. The letters D, H, B and K were chosen by seed 100, which is not here, the
other settings with the letters P, T, D, N, F and R.
"""

import argparse
import os
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

from mdn.applications.robot import data, pictures, rollouts
from mdn.applications.robot.model import HEADS, network, parameters
from mdn.applications.robot.train import figures, train
from mdn.data import registry

GROUPS = ("DHBK", "JL")


def table(letters: str, seeds: int) -> None:
    demonstrations = data.read_letters(registry.find("letters", "letters.npz"), letters)
    total = sum(map(len, demonstrations.values()))
    shown = ", ".join(f"{name} {len(paths)} ({len(paths) / total:.2f})" for name, paths in demonstrations.items())
    print(f"\n{letters}: {shown}; tolerance {data.tolerance(demonstrations):.2f}", flush=True)
    for head in HEADS:
        start = time.perf_counter()
        found = [figures(demonstrations, head, seed=seed) for seed in range(seeds)]
        seconds = (time.perf_counter() - start) / seeds
        rows = {name: np.array([one[name] for one in found]) for name in found[0]}
        stayed = rows.pop("stayed")
        rest = "  ".join(f"{name} " + " ".join(f"{value:.2f}" for value in values) for name, values in rows.items())
        each = " ".join(f"{value:.3f}" for value in stayed)
        print(f"  {head:14s} stayed {stayed.mean():6.1%} ({each})  {rest}  {seconds:.0f} s a seed", flush=True)


def picture(files, letters: str) -> None:
    demonstrations = data.read_letters(registry.find("letters", "letters.npz"), letters)
    made, models = {}, {}
    for name, head in HEADS.items():
        models[name] = train(demonstrations, name)
        made[name] = rollouts(models[name], variance_temperature=head.variance_temperature)
    nearest = np.stack([data.distances(made["mixture"], part).min(axis=1) for part in demonstrations.values()])
    along = {
        f"which way next? ({name})": made["mixture"][np.argmin(row)]
        for name, row in zip(demonstrations, nearest, strict=True)
    }
    for path in files:
        pictures.write_picture(path, demonstrations, made, models["mixture"], along)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--letters", nargs="+", default=GROUPS)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--picture", nargs="+", help="Only draws the first group, to these files.")
    arguments = parser.parse_args()
    if arguments.picture:
        picture(arguments.picture, arguments.letters[0])
        return
    print("parameters: " + ", ".join(f"{name} {parameters(network(head)):,}" for name, head in HEADS.items()))
    for letters in arguments.letters:
        table(letters, arguments.seeds)


if __name__ == "__main__":
    main()
