"""CarRacing-v3: what C earns by what it sees, all by one search and one budget, and what it earns when it learnt in dreams alone.

    python benchmarks/world_racing.py --out FOLDER [--seeds 0 1 2] [--workers 2] [--tests 100] [--pictures docs/pictures]

For each seed, `mdn train world --env CarRacing-v3 --seed SEED --out FOLDER/SEED` makes V and M in two rounds, and C
on [z, h]. Then C is searched for anew on z alone, on z and its change, on [z, h] of a random M, and in dreams of M. Each plays
the same 100 tracks of CarRacing-v3, Gymnasium's own painter, 1,000 steps, which no search has seen. What is done is kept, stage
by stage and generation by generation; a run that was killed goes on.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import mdn  # isort: skip  # noqa: F401  (before keras)

import numpy as np
from scipy import stats

from mdn import training
from mdn.applications.world import act, judge, pictures, remember, senses
from mdn.applications.world.memory import load_memory
from mdn.applications.world.racing_env import STATES
from mdn.applications.world.storage import Experiment
from mdn.data import replacing

TEST_SEED = 7_000_000
HALF_A_ROAD = 40 / 6  # metres
AWAKE = {
    "C on [z, h]": ("zh", False),
    "C on z alone": ("z", False),
    "C on z and its change": ("zz", False),
    "C on [z, h] of a random M": ("zh", True),
}
DREAMS = (0.5, 1.0, 1.15, 1.3)
QUESTIONS = {
    "what h adds to z": ("C on [z, h]", "C on z alone"),
    "what a change adds to z": ("C on z and its change", "C on z alone"),
    "what h of a random M adds to z": ("C on [z, h] of a random M", "C on z alone"),
    "what training M adds": ("C on [z, h]", "C on [z, h] of a random M"),
}


def random_memory(experiment):
    known, _ = act.learnt(experiment)
    suits = experiment.suits
    return remember.fresh(known, 1000 + experiment.seed, environment=experiment.environment, units=suits.units)


def searched(experiment, given, where: str, sees: str, random: bool, temperature: float = 1.0) -> dict:
    suits = experiment.suits
    memory = random_memory(experiment) if random else load_memory(experiment)
    name = act.act_folder(experiment, where, sees, temperature).name + "-random" * random  # [z, h] is there already
    generations = given.generations or suits.generations
    play, controller, parameters, figures = act.act_stage(
        experiment, where=where, sees=sees, memory=memory, name=name, generations=generations,
        population=suits.population, sigma=suits.sigma, episodes=suits.tries * (1 if where == "real" else 2), steps=suits.steps,
        variance_temperature=temperature, workers=given.workers,
        first_steps=suits.first_steps, growing=suits.growing, patience=suits.patience,
        on_step=lambda done, found: print(f"  {experiment.folder.name} {name}, {done}: mean {found['mean']:.1f}", flush=True),
    )  # fmt: skip
    play.judges = True
    returns = play.returns(controller, parameters[None], given.tests, TEST_SEED)[0]
    return {"returns": returns.tolist(), "generations": figures, "numbers": controller.size}


def probed(experiment) -> dict:
    """R² of linear probes of the true state on the road, on held-out episodes, by what they read."""
    memory = load_memory(experiment)
    read = {
        "z": None,
        "z and its change": senses.Change(memory.latent_size),
        "z and h": senses.Remembered(memory),
        "z and h of a random M": senses.Remembered(random_memory(experiment)),
    }

    def rows(latents, what):
        z = [one.mean[:-1] for one in latents]
        if what is not None:
            z = [np.concatenate(both, axis=1) for both in zip(z, senses.along(what, latents), strict=True)]
        states = np.concatenate([one.states[:-1] for one in latents])
        on_road = np.abs(states[:, 0]) < HALF_A_ROAD
        return np.concatenate(z)[on_road], states[on_road]

    parts = act.learnt(experiment)
    return {
        name: judge.probe(*(array for part in parts for array in rows(part, what))).tolist()
        for name, what in read.items()
    }


def parts(experiment, given) -> dict:
    found = {name: lambda asked=asked: searched(experiment, given, "real", *asked) for name, asked in AWAKE.items()}
    for temperature in DREAMS:
        found[f"C learnt in dreams, variance × {temperature:g}"] = lambda temperature=temperature: searched(
            experiment, given, "dream", "zh", False, temperature
        )
    return found


def one_seed(seed: int, given) -> dict:
    folder = given.out / str(seed)
    more = ["--generations", given.generations] if given.generations else []
    command = "import sys; from mdn_cli import main; sys.exit(main())"
    asked = [
        "train",
        "world",
        "--env",
        "CarRacing-v3",
        "--out",
        folder,
        "--seed",
        seed,
        "--workers",
        given.workers,
        *more,
    ]
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", command, *map(str, asked)], check=True)
    print(f"  {folder}: {time.perf_counter() - begun:.0f} s for what was still to do of all stages", flush=True)
    experiment, path = Experiment.open(folder), folder / "racing.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    for name, part in {"probes": lambda: {"r2": probed(experiment)}, **parts(experiment, given)}.items():
        if name not in known:
            wall = time.perf_counter()
            known[name] = part() | {"seconds": time.perf_counter() - wall}
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(known, indent=1) + "\n")
    return known


def interval(values) -> str:
    """Mean ± half of a 95 % interval."""
    values = np.asarray(values, "float64")
    if len(values) < 2:
        return f"{values.mean():7.1f}"
    half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():7.1f} ± {half:5.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("racing"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--generations", type=int, help="of each search; as `mdn train world` by default")
    parser.add_argument("--tests", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--pictures", type=Path, help="a folder for them")
    given = parser.parse_args()
    training.keep_compiled_programs()
    found = {seed: one_seed(seed, given) for seed in given.seeds}
    print(
        "\nshare of the true state that a linear probe reads on the road, R², held-out episodes: " + ", ".join(STATES)
    )
    probes = {seed: one.pop("probes")["r2"] for seed, one in found.items()}
    for name in next(iter(probes.values())):
        each = np.array([one[name] for one in probes.values()])
        print(f"  {name:24s}", *(f"{value:6.3f}" for value in each.mean(axis=0)), " by seed", each.round(2).tolist())
    print(f"\nmean return of {given.tests} unseen tracks of CarRacing-v3; seeds {given.seeds}")
    for name in next(iter(found.values())):
        means = [np.mean(one[name]["returns"]) for one in found.values()]
        print(f"  {name:38s} {interval(means)}  by seed {np.round(means).astype(int).tolist()}")
        for seed, one in found.items():
            values = np.array(one[name]["returns"])
            print(
                f"      seed {seed}: {interval(values)} over tracks, median {np.median(values):.0f}, worst {values.min():.0f}; "
                f"{one[name]['numbers']} numbers, {one[name]['seconds']:.0f} s"
            )
    print("\ndifferences, track by track: over seeds, then each seed over its tracks")
    for name, (more, less) in QUESTIONS.items():
        each = [np.subtract(one[more]["returns"], one[less]["returns"]) for one in found.values()]
        print(f"  {name:34s} {interval([one.mean() for one in each])};", "; ".join(map(interval, each)))
    if given.pictures:
        seed = given.seeds[0]
        curves = {name: found[seed][name]["generations"] for name in AWAKE}
        pictures.write_returns(given.pictures / "world-racing-returns.png", curves)


if __name__ == "__main__":
    main()
