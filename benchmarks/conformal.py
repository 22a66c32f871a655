"""Do calibrated intervals hold what they promise on real tables, and how much wider are they?

    MDN_DATA=... python benchmarks/conformal.py [--sets yacht energy] [--splits 200]

One `MDNRegressor()` a set learns from half of the rows. The other half is split at random, 200 times, into rows of calibration
and rows of test, half and half, but so that the number of calibration rows is one less than a multiple of 40. Of 79 rows, the
2nd and the 78th rank are the ends of a 95 % interval; of 77 rows only the first and the last promise as much, and they hold
97.4 %.

Beside each mean coverage stands its standard error over the splits. All splits share one model and one half of the table; the
promise is about such splits, so that this error fits the calibrated intervals. The coverage of the model's own intervals depends
on the one model, too.

The width is the mean width of calibrated intervals over that of the model's own.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
from rich.console import Console
from rich.progress import track

import mdn
from mdn.tabular import conformal, split_rows

SETS = ("yacht", "energy", "concrete", "wine-quality-red")
COVERAGES = (0.8, 0.95)
WHOLE_RANKS = 40  # with one calibration row less than a multiple of it, both coverages are whole ranks
LEVELS = np.array([end for coverage in COVERAGES for end in (0.5 - 0.5 * coverage, 0.5 + 0.5 * coverage)])


def load(name: str):
    """(X, y) of a set; marks of wine are spread over their cells, so that a value is held or not."""
    data = np.load(Path(os.environ["MDN_DATA"]) / "uci" / f"{name}.npz")
    y = data["y"].reshape(-1).astype("float64")
    if name.startswith("wine"):
        y = y + np.random.default_rng(0).uniform(-0.5, 0.5, y.shape)
    return data["X"], y


def run(name: str, splits: int, console: Console) -> dict[float, np.ndarray]:
    """For each coverage `(splits, 3)`: the coverage of the model's intervals, that of calibrated ones, the ratio of widths."""
    x, y = load(name)
    train, rest = split_rows(len(y), 0.5, 0)
    with console.status(f"{name}: training on {len(train)} rows"):
        reg = mdn.MDNRegressor(random_state=0).fit(x[train], y[train])
        odds = reg._log_odds(x[rest], y[rest], seed=1)
        plain = reg.predict_quantile(x[rest], LEVELS)
    found = {coverage: [] for coverage in COVERAGES}
    calibrating = WHOLE_RANKS * round(0.5 * len(rest) / WHOLE_RANKS) - 1
    for seed in track(range(splits), name, console=console, transient=True):
        order = np.random.default_rng(seed).permutation(len(rest))
        known, new = order[:calibrating], order[calibrating:]
        reg.calibration_ = conformal.Calibration.learn(odds[known], reg.target_names_)
        ends, truth = reg.predict_quantile(x[rest[new]], LEVELS), y[rest[new]]
        for place, coverage in enumerate(COVERAGES):
            pairs = [each[:, 2 * place : 2 * place + 2].T for each in (plain[new], ends)]
            held = [np.mean((low <= truth) & (truth <= high)) for low, high in pairs]
            before, after = (np.mean(high - low) for low, high in pairs)
            found[coverage].append((*held, after / before))
    return {coverage: np.array(each) for coverage, each in found.items()} | {
        0.0: np.array([len(train), len(known), len(new)])
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--splits", type=int, default=200)
    arguments = parser.parse_args()
    console = Console()
    print(f"{'':18s}{'rows':>16s}{'promised':>10s}{'model':>17s}{'calibrated':>17s}{'width':>8s}")
    for name in arguments.sets:
        found = run(name, arguments.splits, console)
        rows = "/".join(map(str, found.pop(0.0)))
        for coverage, values in found.items():
            mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(len(values))
            shares = "".join(f"{mean[i]:9.2%} ± {100 * error[i]:4.2f}" for i in range(2))
            print(f"{name:18s}{rows:>16s}{coverage:10.0%} {shares} {mean[2]:8.3f}", flush=True)
    print(
        f"rows: to learn from / of calibration / of test; ± the standard error over {arguments.splits} splits of one model"
    )


if __name__ == "__main__":
    main()
