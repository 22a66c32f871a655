"""What PixelCartPole's frames hide, by who acts: how well velocities are read from the true position and angle.

    python benchmarks/world_policies.py [--episodes 600]

For each policy: steps an episode, and R² of a linear probe from the true position and angle to either velocity, learnt on nine
tenths of the episodes and judged on the rest: what there is to read, whatever V is.
"""

import argparse
import os
import tempfile

os.environ.setdefault("KERAS_BACKEND", "jax")

import mdn  # isort: skip  # noqa: F401  (before keras)

import numpy as np

from mdn.applications.world import environments
from mdn.applications.world.collect import collect
from mdn.applications.world.judge import probe
from mdn.applications.world.storage import Experiment


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--episodes", type=int, default=600)
    episodes = parser.parse_args().episodes
    print("policy  steps an episode  R² of velocity  of angular velocity")
    for policy in ("random", "reflex"):
        with tempfile.TemporaryDirectory() as folder:
            experiment = Experiment.create(folder, environments.PIXEL_CARTPOLE, 0)
            found = collect(experiment, episodes, policy, chunk=30, steps=500)
            learnt, judged = (
                np.concatenate([one.states for part in experiment.stream(chunks) for one in part])
                for chunks in experiment.split()
            )
        score = probe(learnt[:, ::2], learnt[:, 1::2], judged[:, ::2], judged[:, 1::2])
        print(f"{policy:7s} {found['mean length']:16.1f} {score[0]:15.2f} {score[1]:20.2f}")


if __name__ == "__main__":
    main()
