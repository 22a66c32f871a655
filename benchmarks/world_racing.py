"""CarRacing-v3: what C earns with V and M, with V alone and with a random M, by one budget, in whole episodes.

    mdn train world --env CarRacing-v3 --out racing --stage collect --steps 300
    mdn train world --out racing --stage see && mdn train world --out racing --stage remember
    python benchmarks/world_racing.py --out racing [--generations 16] [--population 12] [--steps 300] [--tests 100]

Searches are cut after so many steps an episode, tests are whole (1,000). Each part is written to OUT/racing.json as soon as it is
done, searches generation by generation; a run that was killed goes on.
"""

import argparse
import json
import os
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import mdn  # isort: skip  # noqa: F401  (before keras)

import numpy as np
from scipy import stats

from mdn import training
from mdn.applications.world import act, environments, pictures, remember
from mdn.applications.world.storage import Experiment
from mdn.data import replacing

TEST_SEED, WHOLE = 7_000_000, 1000
SEARCHES = {"C on [z, h]": ("zh", False), "C on z alone": ("z", False), "C on [z, h] of a random M": ("zh", True)}


def searched(experiment, given, sees: str, random: bool) -> dict:
    known, _ = act.learnt(experiment)
    units = environments.preset(experiment.environment).units
    memory = remember.fresh(known, 1000, environment=experiment.environment, units=units) if random else None
    name = f"real-{sees}" + "-random" * random
    play, controller, parameters, figures = act.act_stage(
        experiment, sees=sees, memory=memory, name=name, generations=given.generations, population=given.population,
        episodes=1, steps=given.steps, workers=given.workers,
        told=lambda done, found: print(f"  {name}, generation {done}: mean {found['mean']:.1f}", flush=True),
    )  # fmt: skip
    play.steps, play.judges = WHOLE, True
    returns = play.returns(controller, parameters[None], given.tests, TEST_SEED)[0]
    return {"returns": returns.tolist(), "generations": figures, "parameters": controller.size}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("racing"))
    parser.add_argument("--generations", type=int, default=16)
    parser.add_argument("--population", type=int, default=12)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--tests", type=int, default=100)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--only", type=int, nargs="+", help="numbers of parts, from 0; for two processes side by side")
    parser.add_argument("--pictures", type=Path, help="a folder for them")
    given = parser.parse_args()
    training.keep_compiled_programs()
    experiment, path = Experiment.open(given.out), given.out / "racing.json"
    parts = {name: lambda asked=asked: searched(experiment, given, *asked) for name, asked in SEARCHES.items()}

    def known():
        return json.loads(path.read_text()) if path.exists() else {}

    for number, (name, part) in enumerate(parts.items()):
        found = known()
        if given.only and number not in given.only:
            continue
        if name not in found:
            wall, cpu = time.perf_counter(), time.process_time()
            figures = part()
            figures |= {"seconds": time.perf_counter() - wall, "seconds of CPU": time.process_time() - cpu}
            found = known() | {name: figures}
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(found, indent=1) + "\n")
        returns = np.array(found[name]["returns"])
        half = stats.t.ppf(0.975, len(returns) - 1) * returns.std(ddof=1) / np.sqrt(len(returns))
        print(
            f"{name:28s} {returns.mean():7.1f} ± {half:.1f} ({len(returns)} whole episodes, best {returns.max():.0f}, worst "
            f"{returns.min():.0f}); {found[name]['seconds']:.0f} s, {found[name]['seconds of CPU']:.0f} s of CPU",
            flush=True,
        )
        last = np.mean([one["mean"] for one in found[name]["generations"][-4:]])
        print(f"  {last:.1f} in {given.steps} steps, candidates of the last four generations", flush=True)
    if given.pictures:
        curves = {name: known()[name]["generations"] for name in SEARCHES}
        pictures.write_returns(given.pictures / "world-racing-returns.png", curves)


if __name__ == "__main__":
    main()
