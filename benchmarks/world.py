"""World models on PixelCartPole: what V, M and C are worth, beside controls that must fail, seed by seed.

    python benchmarks/world.py --out world-figures [--seeds 0 1 2 3 4] [--only-table] [--pictures FOLDER]

Each part of each seed is written to FOLDER/seed-N.json as soon as it is done; a run that was killed goes on. Times are wall
seconds and seconds of CPU; of a part that was killed only those since it went on. Test episodes start from seeds that nothing
learnt from.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import mdn  # isort: skip  (before keras)

import numpy as np
from scipy import stats

from mdn import training
from mdn.applications.world import WorldModel, act, cartpole, environments, judge, pictures, remember
from mdn.applications.world.collect import collect
from mdn.applications.world.dream import Dream, starts_of
from mdn.applications.world.memory import load_memory
from mdn.applications.world.see import see
from mdn.applications.world.storage import Experiment
from mdn.data import replacing

TEMPERATURES = (0.5, 1.0, 1.15, 1.3)
TESTS, TEST_SEED = 100, 7_000_000
PRESET = environments.preset(environments.PIXEL_CARTPOLE)
MEMORY = {"epochs": PRESET.memory_epochs, "units": PRESET.units, "learning_rate": PRESET.memory_rate}
CONTROL = {
    "generations": PRESET.generations,
    "population": PRESET.population,
    "episodes": PRESET.tries,
    "steps": PRESET.steps,
}
DREAMT = {**CONTROL, "episodes": 2 * PRESET.tries}
STATES = ("position", "velocity", "angle", "angular velocity")


class Seed:
    """All parts of one seed; what a part gives is kept."""

    def __init__(self, out: Path, seed: int):
        self.seed, self.folder, self.path = seed, out / f"seed-{seed}", out / f"seed-{seed}.json"
        self.found = json.loads(self.path.read_text()) if self.path.exists() else {}
        self.experiment = Experiment.create(self.folder, environments.PIXEL_CARTPOLE, seed)

    def phases(self) -> list[dict]:
        """What is done for all seeds before the next is begun, part by part."""
        first = {
            "collect": self.collect, "see": self.see, "remember": self.remember, "act": lambda: self.real("zh"),
            "act on z": lambda: self.real("z"), "act, random M": lambda: self.real("zh", True), "random": self.random,
            "probes": self.probes,
        }  # fmt: skip
        for value in TEMPERATURES:
            first[f"dream {value:g}"] = lambda value=value: self.dreamt(value)
        for value in TEMPERATURES:
            first[f"dream {value:g}, random M"] = lambda value=value: self.dreamt(value, True)
        first["speed"] = self.speed
        return [first, {"K=1": lambda: self.control(components=1)}, {"joint": lambda: self.control(head="joint")}]

    def run(self, phase: int) -> None:
        for name, part in self.phases()[phase].items():
            if name in self.found:
                continue
            wall, cpu = time.perf_counter(), time.process_time()
            found = part()
            found |= {"seconds": time.perf_counter() - wall, "seconds of CPU": time.process_time() - cpu}
            self.found[name] = found
            with replacing(self.path) as temporary:
                temporary.write_text(json.dumps(self.found, indent=1) + "\n")
            shown = {key: value for key, value in found.items() if isinstance(value, float)}
            print(f"seed {self.seed}: {name}: " + ", ".join(f"{k} {v:.3f}" for k, v in shown.items()), flush=True)

    # ---- the stages --------------------------------------------------------------------------------------------------

    def collect(self):
        return collect(self.experiment, PRESET.episodes, PRESET.policy, chunk=PRESET.chunk, steps=PRESET.steps)

    def see(self):
        settings = {name: getattr(PRESET, name) for name in ("epochs", "latent_size", "filters", "noise")}
        _, figures = see(self.experiment, learning_rate=PRESET.rate, **settings)
        return dict(figures[-1])

    def remember(self):
        model, _ = act.remember_stage(self.experiment, **MEMORY)
        found = act.remembered(self.experiment, model)
        return {"nll": found["nll"]["latent"], "parts": found["nll"], "persistence": found["persistence"]}

    def real(self, sees, random=False):
        memory = self.random_memory() if random else None
        name = f"real-{sees}" + "-random" * random
        return self.tested(act.act_stage(self.experiment, sees=sees, memory=memory, name=name, **CONTROL))

    def dreamt(self, temperature, random=False):
        memory = self.random_memory() if random else None
        name = f"dream-{temperature:g}" + "-random" * random
        return self.tested(
            act.act_stage(
                self.experiment, where="dream", variance_temperature=temperature, memory=memory, name=name, **DREAMT
            )
        )

    def tested(self, found):
        play, controller, parameters, figures = found
        returns = play.returns(controller, parameters[None], TESTS, TEST_SEED + self.seed)[0]
        return {"return": float(returns.mean()), "returns": returns.tolist(), "generations": figures}

    def random_memory(self):
        known, _ = act.learnt(self.experiment)
        units = PRESET.units
        return remember.fresh(known, self.seed + 1000, environment=self.experiment.environment, units=units)

    # ---- what stands beside ------------------------------------------------------------------------------------------

    def control(self, **settings):
        known, held_out = act.learnt(self.experiment)
        folder = self.folder / "controls" / "-".join(map(str, settings.values()))
        model, _ = remember.train(known, folder, seed=self.seed, **{**MEMORY, **settings})
        scores = remember.nll(model, held_out, seed=self.seed)
        return {"nll": scores["latent"], "parts": scores}

    def probes(self):
        known, held_out = act.learnt(self.experiment)
        found = {}
        for name, memory in {"M": load_memory(self.experiment), "random M": self.random_memory()}.items():
            for after in (0, 10):
                scores = judge.probes(memory, known, held_out, after)
                for what, values in scores.items():
                    found |= {
                        f"{what} of {name}, {state}, after {after}": float(value)
                        for state, value in zip(STATES, values, strict=True)
                    }
        scores = remember.nll(self.random_memory(), held_out, seed=self.seed)
        return {**found, "nll of random M": scores["latent"]}

    def random(self):
        rng = np.random.default_rng([TEST_SEED, self.seed])
        states = cartpole.initial_states(np.random.default_rng(TEST_SEED + self.seed), TESTS)
        total, alive = np.zeros(TESTS), np.ones(TESTS, bool)
        while alive.any():
            states, ended = cartpole.step(states, rng.integers(2, size=TESTS))
            total += alive
            alive &= ~ended
        return {"return": float(total.mean()), "returns": total.tolist()}

    def speed(self):
        known, _ = act.learnt(self.experiment)
        memory = load_memory(self.experiment)
        dream = Dream(memory, starts_of(known))
        controller, parameters = act.load_controller(
            self.folder / "act" / "dream-1" / "controller.npz", self.experiment.environment
        )
        times = []
        for i in range(4):
            wall, cpu = time.perf_counter(), time.process_time()
            lengths = dream.returns(controller, parameters[None], 1000, i, 200)
            times.append((time.perf_counter() - wall, time.process_time() - cpu))
        return {
            "1,000 dreams of 200 steps": min(wall for wall, _ in times[1:]),
            "1,000 dreams of 200 steps, CPU": min(cpu for _, cpu in times[1:]),
            "longest": float(lengths.max()),
        }


# ---- the table -------------------------------------------------------------------------------------------------------------


def table(out: Path, seeds) -> None:
    found = [
        json.loads((out / f"seed-{seed}.json").read_text()) for seed in seeds if (out / f"seed-{seed}.json").exists()
    ]

    def row(label, values):
        values = np.array(values, float)
        half = (
            stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
            if len(values) > 1
            else np.nan
        )
        each = " ".join(f"{value:8.3f}" for value in values)
        print(f"  {label:56s}{values.mean():9.3f} ± {half:6.3f}   [{each}]")

    def rows(title, labels):
        print(f"\n{title}, mean ± half of a 95 % interval, [each seed]")
        for label, path in labels.items():
            values = [value for value in (_at(one, path) for one in found) if value is not None]
            if values:
                row(label, values)

    print(f"PixelCartPole, {len(found)} seeds")
    rows(
        "R² of linear probes on held-out episodes",
        {
            f"{state} from {what}, {when}": ("probes", f"{what.split()[0]} of {whose}, {state}, after {after}")
            for state in STATES
            for what, whose in (("z", "M"), ("h", "M"), ("h of a random M", "random M"))
            for after, when in ((0, "all steps"), (10, "from step 10 on"))
        },
    )
    rows(
        "Nats a step of z, held out, lower is better",
        {
            "M, 5 components a number of z": ("remember", "nll"),
            "M, one component (K=1)": ("K=1", "nll"),
            "M, 5 components of the vector": ("joint", "nll"),
            "persistence, mixture a number of z": ("remember", "persistence", "factorised"),
            "persistence, mixture of the vector": ("remember", "persistence", "joint"),
            "persistence, one normal": ("remember", "persistence", "normal"),
            "random M": ("probes", "nll of random M"),
        },
    )
    rows(
        f"Mean return of {TESTS} real episodes (at most {CONTROL['steps']})",
        {
            "random actions": ("random", "return"),
            "C on [z, h]": ("act", "return"),
            "C on z alone": ("act on z", "return"),
            "C on [z, h] of a random M": ("act, random M", "return"),
            **{f"C of a dream, variance × {v:g}": (f"dream {v:g}", "return") for v in TEMPERATURES},
            **{
                f"C of a random M's dream, variance × {v:g}": (f"dream {v:g}, random M", "return") for v in TEMPERATURES
            },
        },
    )
    rows(
        "Seconds of CPU",
        {name: (name, "seconds of CPU") for name in ("collect", "see", "remember", "act", "dream 1")},
    )
    rows("Seconds", {name: (name, "seconds") for name in ("collect", "see", "remember", "act", "dream 1")})
    rows(
        "Speed, seconds",
        {name: ("speed", name) for name in ("1,000 dreams of 200 steps", "1,000 dreams of 200 steps, CPU", "longest")},
    )


def draw(out: Path, folder: Path, seeds) -> None:
    """Pictures of the first seed, and of all of them where they stand side by side."""
    found = [json.loads((out / f"seed-{seed}.json").read_text()) for seed in seeds]
    experiment = Experiment.open(out / f"seed-{seeds[0]}")
    world = WorldModel.of(experiment)
    _, held_out = act.learnt(experiment)
    pictures.write_expected(folder / "world-expected.png", world.memory, held_out)
    searches = {"C on [z, h]": "act", "C on [z, h] of a random M": "act, random M", "C on z alone": "act on z"}
    pictures.write_returns(
        folder / "world-returns.png", {name: found[0][part]["generations"] for name, part in searches.items()}
    )
    rows = {
        name: {
            value: [one[f"dream {value:g}{end}"]["return"] for one in found if f"dream {value:g}{end}" in one]
            for value in TEMPERATURES
        }
        for name, end in {"learnt in the dream of M": "", "of a random M": ", random M"}.items()
    }
    levels = {"learnt in the real environment": "act", "random actions": "random"}
    pictures.write_temperatures(
        folder / "world-temperatures.png",
        rows,
        {name: float(np.mean([one[part]["return"] for one in found])) for name, part in levels.items()},
    )
    films = {"real": world.play(120, seed=1).frames, "dream": world.dream(120, seed=1).frames}
    pictures.write_strip(folder / "world-dream.png", films, every=10)
    pictures.write_film(folder / "world-dream.gif", films)


def _at(found, path):
    for name in path:
        if name not in found:
            return None
        found = found[name]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("world-figures"))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(range(5)))
    parser.add_argument("--only-table", action="store_true", help="of what is there")
    parser.add_argument("--pictures", type=Path, help="a folder for them")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    training.keep_compiled_programs()
    if not given.only_table:
        print(f"mdn {mdn.__version__}")
        seeds = [Seed(given.out, seed) for seed in given.seeds]
        for phase in range(len(seeds[0].phases())):
            for seed in seeds:
                seed.run(phase)
    table(given.out, given.seeds)
    if given.pictures:
        draw(given.out, given.pictures, given.seeds)


if __name__ == "__main__":
    main()
