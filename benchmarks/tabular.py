"""MDNRegressor beside its peers on the same splits: NLL, pinball loss, RMSE, coverage and time of fitting, in one run.

    MDN_DATA=... python benchmarks/tabular.py [--sets yacht energy] [--splits 20] [--models ours ngboost] [--out results.jsonl]

Needs `pip install ngboost catboost lightgbm treeffuser pytabkit skpro keras-mdn-layer==1.0.0` beside mdn. A result is one line
of JSON; what stands in the file already is not run again, so that an interrupted run goes on. `--table FILE` prints the tables
of a file. All models and sets get their first split before any gets its second, so that a part of a run is balanced, too.

Everybody gets the same rows, one thread, and a process of its own for each set; `peers.py` names the settings of each.

The pinball loss is the mean over the levels 0.05, 0.10, ..., 0.95: half of the CRPS, up to discretisation. A model that has
quantiles only has no NLL, and its mean is that of its quantiles. The NLL of a mixture is that of its density at the target
itself, ours too where `MDNRegressor` learns the cells of a grid; there a second NLL scores all by the probability of the cell.
Wine is dequantised by ±½ for all. Slow peers get two splits of the large sets.
"""

import argparse
import json
import os
import subprocess
import sys
import time
import warnings
from collections import defaultdict
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
from peers import LEVELS, MODELS, Normals, Quantiles, log_prob, log_prob_of_cell, quantiles_of

LARGE = ("photoz-2000", "photoz", "kin8nm", "power", "naval", "protein")
SETS = ("yacht", "boston", "energy", "concrete", "wine-quality-red", *LARGE)
SPLITS = {"photoz-2000": 5, "photoz": 5, "protein": 5}  # of photo-z there is one test part: what varies is the seed
SLOW, SLOW_SPLITS = ("treeffuser", "realmlp"), 2
BLOCKS = (0, 1, 5, 20)  # splits that a process fits before another model has its turn
PACKAGES = (
    "mdn",
    "jax",
    "ngboost",
    "catboost",
    "lightgbm",
    "treeffuser",
    "pytabkit",
    "torch",
    "skpro",
    "keras-mdn-layer",
)
SCORES = {
    "nll": ("NLL", "{:.3f}"),
    "nll of cells": ("NLL, grids as cells", "{:.3f}"),
    "pinball": ("pinball loss", "{:.3g}"),
    "rmse": ("RMSE", "{:.3g}"),
    "coverage": ("90 % interval holds", "{:.1%}"),
    "seconds": ("median fit", "{:.1f} s"),
}
BEST_IS_LEAST = ("nll", "nll of cells", "pinball", "rmse")
ONE_THREAD = {
    **{f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")},
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
}


def load(name: str, split: int):
    """(X, y, X_test, y_test)."""
    folder = Path(os.environ["MDN_DATA"])
    if name.startswith("photoz"):
        from mdn.data import read_table

        tables = [read_table(folder / "photoz" / f"SDSS_MGS.{part}").values for part in ("train", "test")]
        # by place: the header of the training file lacks a name in its middle
        parts = [part for values in tables for part in (values[:, 1:], values[:, 0])]
        if name == "photoz-2000":
            rows = np.random.default_rng(split).choice(len(parts[1]), 2000, replace=False)
            parts[0], parts[1] = parts[0][rows], parts[1][rows]
        return parts
    data = np.load(folder / "uci" / f"{name}.npz")
    x, y, test = data["X"], data["y"].reshape(-1), data["test_mask"][split].astype(bool)
    if name.startswith("wine"):
        y = y + np.random.default_rng(0).uniform(-0.5, 0.5, y.shape)
    return x[~test], y[~test], x[test], y[test]


# ---- scores, the same for all --------------------------------------------------------------------------------------------


def scores(answer: Normals | Quantiles, y, step: float) -> dict:
    """`step` is that of the grid of the targets, or 0; what an answer has not is None."""
    dense = isinstance(answer, Normals)
    quantiles, mean = quantiles_of(answer) if dense else answer
    off = y[:, None] - quantiles
    return {
        "nll": float(-np.mean(log_prob(answer, y))) if dense else None,
        "nll of cells": float(-np.mean(log_prob_of_cell(answer, y, step))) if dense and step else None,
        "pinball": float(np.mean(np.maximum(LEVELS * off, (LEVELS - 1) * off))),
        "rmse": float(np.sqrt(np.mean((mean - y) ** 2))),
        "coverage": float(np.mean((off[:, 0] >= 0) & (off[:, -1] <= 0))),
    }


# ---- runs --------------------------------------------------------------------------------------------------------------


def run(path: Path, sets, splits: int, models) -> None:
    done = {(r["set"], r["split"], r["model"]) for r in results(path)}
    for begin, end in pairwise(BLOCKS):
        for name in sets:
            for model in models:
                most = min(splits, SPLITS.get(name, splits), SLOW_SPLITS if model in SLOW and name in LARGE else splits)
                left = [split for split in range(begin, min(end, most)) if (name, split, model) not in done]
                if left:
                    call = [sys.executable, __file__, "--out", str(path), "--fit", name, model, *map(str, left)]
                    subprocess.run(call, env={**os.environ, **ONE_THREAD}, check=False)


def fit(path: Path, name: str, model: str, splits) -> None:
    """The results of one model on splits of one set, in this process."""
    from mdn.tabular import targets

    for split in splits:
        x, y, x_test, y_test = load(name, split)
        step = float(targets.grid(y[:, None])[0])
        begin = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer, fitted = MODELS[model](x, y, x_test, split)
        seconds = {"seconds": fitted - begin, "seconds of answers": time.perf_counter() - fitted}
        line = {"set": name, "split": split, "model": model, **seconds, **scores(answer, y_test, step)}
        with open(path, "a") as file:
            file.write(json.dumps(line) + "\n")
        print(
            f"{name:17s}{split:3d} {model:16s}"
            + " ".join(f"{key} {value:.4g}" for key, value in line.items() if isinstance(value, float)),
            flush=True,
        )


def results(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# ---- tables ------------------------------------------------------------------------------------------------------------


def table(path: Path) -> None:
    found = defaultdict(dict)
    for r in results(path):
        for key in SCORES:
            if r.get(key) is not None:
                found[r["set"], r["model"], key][r["split"]] = r[key]
    print("Versions: " + ", ".join(f"{name} {_version(name)}" for name in PACKAGES))
    for key in ("nll", "pinball"):
        _nearest_peers(found, key)
    for key in SCORES:
        _means(found, key)


def _row(*cells) -> str:
    return "| " + " | ".join(cells) + " |"


def _means(found, key: str) -> None:
    """The mean over the splits, of seconds the median; in brackets the number of splits where a model has fewer."""
    title, shape = SCORES[key]
    print("\n" + _row(title, *MODELS) + "\n|---" + "|---:" * len(MODELS) + "|")
    for name in SETS:
        values = {model: list(found[name, model, key].values()) for model in MODELS}
        most = max(map(len, values.values()))
        if not most:
            continue
        means = {m: (np.median if key == "seconds" else np.mean)(v) for m, v in values.items() if v}
        full = [mean for model, mean in means.items() if len(values[model]) == most]
        cells = []
        for model, each in values.items():
            text = shape.format(means[model]) if each else ""
            bold = key in BEST_IS_LEAST and len(each) == most and means[model] == min(full)
            fewer = f" ({len(each)})" if 0 < len(each) < most else ""
            cells.append((f"**{text}**" if bold else text) + fewer)
        print(_row(f"{name} ({most})", *cells))


def _nearest_peers(found, key: str) -> None:
    """Of each set the peer that is nearest to ours, or ahead; where the difference is above 0, ours is the best of all."""
    us, title = ("ours", "ours-5"), SCORES[key][0]
    shapes = ("{:+.1f} %", " ± {:.1f}") if key == "pinball" else ("{:+.3f}", " ± {:.3f}")
    nearest = {model: {name: _nearest(found, name, model, key) for name in SETS} for model in us}
    print("\n" + _row(f"{title}: peer minus ours", *(cell for model in us for cell in (model, "best peer"))))
    print("|---" + "|---:|---" * len(us) + "|")
    for name in SETS:
        gaps = [nearest[model][name] for model in us]
        if any(gaps):
            print(_row(name, *(cell for gap in gaps for cell in _gap(gap, *shapes))))
    for model in us:
        gaps = [gap for gap in nearest[model].values() if gap]
        first = sum(gap > 0 for gap, _, _ in gaps)
        surely, behind = (sum(sign * gap > 2 * error for gap, error, _ in gaps) for sign in (1, -1))
        print(
            f"\n{model}: the best {title} on {first} of {len(gaps)} sets, by more than two standard errors on {surely}; "
            f"behind a peer by more than two on {behind}."
        )


def _gap(found, mean: str, plus_minus: str) -> tuple[str, str]:
    """What `_nearest` found, as two cells; a single split has no standard error."""
    if found is None:
        return "", ""
    gap, error, peer = found
    return mean.format(gap) + ("" if np.isnan(error) else plus_minus.format(error)), peer


def _nearest(found, name: str, us: str, key: str):
    """(mean difference, split by split, its standard error, the peer), of the pinball loss in per cent of ours; or None."""
    best = None
    for peer in MODELS:
        theirs, own = found[name, peer, key], found[name, us, key]
        both = [split for split in theirs if split in own]
        if peer.startswith("ours") or not both:
            continue
        gap = np.array([theirs[split] - own[split] for split in both])
        gap = 100 * gap / np.mean([own[split] for split in both]) if key == "pinball" else gap
        error = np.std(gap, ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else np.nan
        if best is None or np.mean(gap) < best[0]:
            best = (np.mean(gap), error, peer)
    return best


def rows(count: int) -> None:
    """Seconds of a first fit and peak memory above the imports, on `count` rows of 20 features; in this process."""
    import resource

    import mdn

    rng = np.random.default_rng(0)
    x = rng.normal(size=(count, 20))
    y = np.sin(x[:, 0]) + 0.5 * np.exp(0.5 * x[:, 1]) * rng.normal(size=count)
    mdn.MDNRegressor(num_components=1, epochs=1).fit(x[:100], y[:100])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    reg = mdn.MDNRegressor(random_state=0).fit(x, y)
    seconds = time.perf_counter() - start
    peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20
    at = rng.normal(size=(5000, 20))
    truth = np.sin(at[:, 0]) + 0.5 * np.exp(0.5 * at[:, 1]) * rng.normal(size=5000)
    best = np.mean(0.5 * np.log(2 * np.pi * np.e) + np.log(0.5) + 0.5 * at[:, 1])
    print(
        f"{count:9,} rows: {seconds:6.1f} s, {peak:5.2f} GB above the imports; NLL {reg.evaluate(at, truth).nll:.4f} "
        f"(best possible {best:.4f})",
        flush=True,
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except ImportError:
        return "-"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--out", type=Path, default=Path("tabular.jsonl"))
    parser.add_argument("--table", type=Path, help="print the tables of this file and stop")
    parser.add_argument("--rows", type=int, nargs="+", help="time and memory of fits on so many rows, and stop")
    parser.add_argument("--fit", nargs="+", help="set, model and splits of one process; used by the script itself")
    arguments = parser.parse_args()
    if arguments.fit:
        name, model, *splits = arguments.fit
        return fit(arguments.out, name, model, map(int, splits))
    for count in arguments.rows or ():
        subprocess.run(
            [sys.executable, "-c", f"import tabular; tabular.rows({count})"], cwd=Path(__file__).parent, check=True
        )
    if arguments.rows:
        return None
    if arguments.table is None:
        run(arguments.out, arguments.sets, arguments.splits, arguments.models)
    return table(arguments.table or arguments.out)


if __name__ == "__main__":
    main()
