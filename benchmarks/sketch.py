"""How fast the shipped networks draw: 1,000 kanji at once, and one completion; medians, after compilation.

python benchmarks/sketch.py [--rounds 7]
"""

import argparse
import os
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

from timing import median

import mdn  # noqa: F401 - first: it decides the backend
from mdn.applications import sketch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    model = sketch.load("kanji")
    start = time.perf_counter()
    made, _ = sketch.draw(model, 1000, seed=0)
    print(f"1,000 kanji: {time.perf_counter() - start:.2f} s with compilation", end="")
    print(f", {median(rounds, lambda seed: sketch.draw(model, 1000, seed=seed)):.2f} s after it")
    half = made[0][: len(made[0]) // 2]
    sketch.complete(model, half, seed=0)
    print(f"a completion: {1e3 * median(rounds, lambda seed: sketch.complete(model, half, seed=seed)):.1f} ms")


if __name__ == "__main__":
    main()
