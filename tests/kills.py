"""kill -9 at random moments of trainings: `python tests/kills.py --tries 20`; too long for the suite.

Each kind of training (a table, a sequence in windows, handwriting, V and M of a world) runs once undisturbed, in a process of its
own. Then it is started again and again, and killed at a random moment, until it has been killed often enough; the last start may
end. Its weights must be those of the undisturbed run, to the bit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

END = "weights.npz"


def table(folder: Path) -> list[np.ndarray]:
    """An ensemble of small networks."""
    import mdn

    x = np.random.default_rng(0).normal(size=(300, 2))
    settings = {"ensemble_size": 4, "hidden_sizes": (8,), "epochs": 60, "random_state": 0}
    model = mdn.MDNRegressor(**settings).fit(x, np.sin(x[:, 0]), checkpoint=folder)
    return [weight for member in model.members_ for weight in member.weights]


def windows(folder: Path) -> list[np.ndarray]:
    """Long sequences in windows, the state carried on, with noise and dropout."""
    import keras

    import mdn

    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    walks = [np.cumsum(rng.normal(size=(900, 2)), axis=0) for _ in range(8)]
    model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(2), 3), units=(16,), dropout=0.1)
    settings = {"epochs": 30, "batch_size": 4, "window": 50, "verbose": 0, "checkpoint": folder}
    model.fit(walks[:6], walks[6:], encode=lambda one, rng: one + 0.01 * rng.normal(size=one.shape), **settings)
    return model.get_weights()


def handwriting(folder: Path) -> list[np.ndarray]:
    """A network that writes, small; its rehearsal is one training, the lines are another."""
    from mdn.applications.handwriting import train
    from mdn.drawing.hershey import hershey_lines

    lines = hershey_lines(["a bat", "a cat", "the end", "to be", "a test", "the bat"] * 12, 0)
    order = np.arange(len(lines))
    small = {"units": (12, 12), "components": 3, "points": 8.0}
    model = train.train(lines[order >= 8], lines[order < 8], epochs=6, rehearsals=3, checkpoint=folder, **small)
    return model.get_weights()


def _experiment(folder: Path):
    from mdn.applications.world import collect, environments
    from mdn.applications.world.storage import Experiment

    try:
        experiment = Experiment.open(folder / "world")
    except FileNotFoundError:
        experiment = Experiment.create(folder / "world", environments.PIXEL_CARTPOLE)
    collect.collect(experiment, 40, "reflex", chunk=10, steps=60)
    return experiment


def vision(folder: Path) -> list[np.ndarray]:
    """V of a world."""
    from mdn.applications.world.see import see

    return see(_experiment(folder), epochs=8, latent_size=4, filters=(4, 8))[0].get_weights()


def memory(folder: Path) -> list[np.ndarray]:
    """M of a world."""
    from mdn.applications.world import act

    vision(folder)
    return act.remember_stage(_experiment(folder), epochs=60, units=8)[0].get_weights()


KINDS = {kind.__name__: kind for kind in (table, windows, handwriting, vision, memory)}


def child(kind: str, folder: Path) -> None:
    unfinished = folder / "unfinished.npz"
    np.savez(unfinished, *KINDS[kind](folder))
    unfinished.rename(folder / END)


def started(kind: str, folder: Path) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, __file__, "--kind", kind, "--folder", str(folder)])


def tried(kind: str, tries: int, rng: np.random.Generator) -> int:
    """Kills trainings of a kind `tries` times; raises an AssertionError if one ends with other weights. Returns the kills."""
    with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as again:
        assert started(kind, Path(whole)).wait() == 0
        begun = time.perf_counter()  # of a second run, whose programs are compiled
        assert started(kind, Path(again)).wait() == 0
        seconds, kills = time.perf_counter() - begun, 0
        while kills < tries:
            with tempfile.TemporaryDirectory() as parts:
                kills += killed(kind, Path(parts), tries - kills, seconds, rng)
                with np.load(Path(whole) / END) as expected, np.load(Path(parts) / END) as found:
                    assert expected.files == found.files
                    for name in expected.files:
                        np.testing.assert_array_equal(found[name], expected[name])
        return kills


def killed(kind: str, folder: Path, most: int, seconds: float, rng: np.random.Generator) -> int:
    """Runs a training to its end, and kills it at random moments on the way, `most` times at most. Returns the kills."""
    kills = 0
    while not (folder / END).exists():
        process = started(kind, folder)
        try:
            process.wait(None if kills == most else rng.uniform(0.3, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            kills += 1
    return kills


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=20, help="kills, in all")
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--folder", type=Path, help="of a child")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    if given.folder:
        child(given.kind, given.folder)
        return
    kinds, rng = [given.kind] if given.kind else list(KINDS), np.random.default_rng(given.seed)
    for i, kind in enumerate(kinds):
        share = given.tries * (i + 1) // len(kinds) - given.tries * i // len(kinds)
        print(f"{kind}: killed {tried(kind, share, rng)} times, and the end is the same to the bit", flush=True)


if __name__ == "__main__":
    main()
