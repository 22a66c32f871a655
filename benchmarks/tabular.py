"""MDNRegressor beside its peers on the same splits: NLL, CRPS, RMSE, coverage and time of fitting, in one run.

    MDN_DATA=... python benchmarks/tabular.py [--sets yacht energy] [--splits 20] [--models ours ngboost] [--out results.jsonl]

Needs `pip install ngboost skpro torch keras-mdn-layer==1.0.0` beside mdn. A result is one line of JSON; what stands in the
file already is not run again, so that an interrupted run goes on. `--table FILE` prints the table of a file.

Everybody gets the same rows. Settings: ours, the defaults; NGBoost, 1,000 stages, learning rate 0.02, early stopping on
15 % held out; skpro's MDNRegressor, its defaults, with the number of epochs (100, 300, 1,000) chosen on 15 % held out, and
standardised data; keras-mdn-layer, 2×50 tanh, K = 5, standardised, at most 200 epochs of Adam, early stopping on 15 %
held out. Wine is dequantised by ±½ for all.
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
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

SETS = ("yacht", "energy", "concrete", "wine-quality-red", "photoz-2000", "photoz")
VALID = 0.15


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


# ---- models: (X, y, X_test, seed) -> (logits, loc, scale) of mixtures of normals on the test rows ----------------------


def ours(x, y, x_test, seed, size=1):
    import mdn

    reg = mdn.MDNRegressor(ensemble_size=size, random_state=seed).fit(x, y)
    start = time.perf_counter()
    mixture = reg.predict_distribution(x_test)
    parts = mixture.logits, mixture.components.loc[..., 0], mixture.components.scale[..., 0]
    return [np.asarray(part, "float64") for part in parts], start


def ours_of_five(x, y, x_test, seed):
    return ours(x, y, x_test, seed, 5)


def ngboost(x, y, x_test, seed):
    from ngboost import NGBRegressor

    rest, held = _split(len(y), seed)
    model = NGBRegressor(
        n_estimators=1000, learning_rate=0.02, verbose=False, random_state=seed, early_stopping_rounds=50
    )
    model.fit(x[rest], y[rest], X_val=x[held], Y_val=y[held])
    start = time.perf_counter()
    found = model.pred_dist(x_test).params
    return [np.zeros((len(x_test), 1)), found["loc"][:, None], found["scale"][:, None]], start


def skpro(x, y, x_test, seed):
    import pandas as pd
    from skpro.regression.mdn import MDNRegressor

    (x, x_test), (center, spread), y = _standardise(x, x_test), (y.mean(), y.std()), y
    z = (y - center) / spread
    rest, held = _split(len(y), seed)

    def fit(rows, epochs):
        model = MDNRegressor(epochs=epochs, random_state=seed)
        return model.fit(pd.DataFrame(x[rows]), pd.DataFrame(z[rows]))

    def mixture(model, rows):
        found = model.predict_proba(pd.DataFrame(rows)).get_params()
        return [np.asarray(found[name], "float64").reshape(len(rows), -1) for name in ("pi", "mu", "sigma")]

    def nll(parts, target):
        return -np.mean(_log_prob(np.log(parts[0]), parts[1], parts[2], target))

    chosen = min((100, 300, 1000), key=lambda epochs: nll(mixture(fit(rest, epochs), x[held]), z[held]))
    model = fit(np.arange(len(y)), chosen)
    start = time.perf_counter()
    pi, loc, scale = mixture(model, x_test)
    return [np.log(pi), center + spread * loc, spread * scale], start


def keras_mdn_layer(x, y, x_test, seed):
    import keras
    import keras_mdn_layer as peer

    (x, x_test), (center, spread) = _standardise(x, x_test), (y.mean(), y.std())
    rest, held = _split(len(y), seed)
    keras.utils.set_random_seed(seed)
    hidden = [keras.layers.Dense(50, activation="tanh") for _ in range(2)]
    model = keras.Sequential([keras.Input((x.shape[1],)), *hidden, peer.MDN(1, 5)])
    model.compile(optimizer="adam", loss=peer.get_mixture_loss_func(1, 5))
    z = ((y - center) / spread)[:, None]
    stop = keras.callbacks.EarlyStopping(patience=20, restore_best_weights=True)
    model.fit(x[rest], z[rest], validation_data=(x[held], z[held]), epochs=200, verbose=0, callbacks=[stop])
    start = time.perf_counter()
    found = model.predict(x_test, verbose=0).astype("float64")
    return [found[:, 10:], center + spread * found[:, :5], spread * found[:, 5:10]], start


MODELS = {
    "ours": ours,
    "ours-5": ours_of_five,
    "ngboost": ngboost,
    "skpro": skpro,
    "keras-mdn-layer": keras_mdn_layer,
}


def _split(count, seed):
    order = np.random.default_rng(seed).permutation(count)
    held = round(VALID * count)
    return order[held:], order[:held]


def _standardise(x, x_test):
    center, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    return (x - center) / spread, (x_test - center) / spread


# ---- scores, the same for all, in NumPy and float64 ------------------------------------------------------------------


def _log_prob(logits, loc, scale, y):
    log_weights = logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)
    z = (y[:, None] - loc) / scale
    return np.logaddexp.reduce(log_weights - 0.5 * z**2 - np.log(scale) - 0.5 * np.log(2 * np.pi), axis=1)


def scores(logits, loc, scale, y) -> dict:
    """Of mixtures of normals; the CRPS is Grimit's closed form."""
    from scipy.stats import norm

    weights = np.exp(logits - np.logaddexp.reduce(logits, axis=1, keepdims=True))

    def spread(mean, deviation):  # E|N(mean, deviation²)|
        z = mean / deviation
        return 2 * deviation * norm.pdf(z) + mean * (2 * norm.cdf(z) - 1)

    pairs = spread(loc[:, :, None] - loc[:, None, :], np.hypot(scale[:, :, None], scale[:, None, :]))
    crps = np.sum(weights * spread(y[:, None] - loc, scale), axis=1) - 0.5 * np.einsum(
        "ni,nj,nij->n", weights, weights, pairs
    )
    below = np.sum(weights * norm.cdf((y[:, None] - loc) / scale), axis=1)
    mean = np.sum(weights * loc, axis=1)
    return {
        "nll": float(-np.mean(_log_prob(logits, loc, scale, y))),
        "crps": float(np.mean(crps)),
        "rmse": float(np.sqrt(np.mean((mean - y) ** 2))),
        "coverage": float(np.mean(np.abs(below - 0.5) <= 0.45)),
    }


def run(path: Path, sets, splits: int, models) -> None:
    done = {(r["set"], r["split"], r["model"]) for r in results(path)}
    for split in range(splits):
        for name in sets:
            if (name == "photoz" and split >= 5) or (name == "photoz-2000" and split >= 5):
                continue  # one test part: what varies is the seed
            for model in models:
                if (name, split, model) in done:
                    continue
                x, y, x_test, y_test = load(name, split)
                begin = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    parts, fitted = MODELS[model](x, y, x_test, split)
                line = {
                    "set": name,
                    "split": split,
                    "model": model,
                    "seconds": fitted - begin,
                    **scores(*parts, y_test),
                }
                with open(path, "a") as file:
                    file.write(json.dumps(line) + "\n")
                print(
                    f"{name:18s} split {split:2d} {model:16s} NLL {line['nll']:8.4f}  {line['seconds']:6.1f} s",
                    flush=True,
                )


def results(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(path: Path) -> None:
    found = defaultdict(dict)
    for r in results(path):
        found[r["set"], r["model"]][r["split"]] = r
    print(
        "Versions: "
        + ", ".join(
            f"{name} {_version(name)}"
            for name in ("mdn", "jax", "keras", "ngboost", "skpro", "torch", "keras-mdn-layer")
        )
    )
    for name in dict.fromkeys(name for name, _ in found):
        print(
            f"\n{name}\n{'':18s}{'NLL':>17s}{'CRPS':>9s}{'RMSE':>9s}{'90 %':>8s}{'fit':>9s}   against ours-5, by split"
        )
        for model in MODELS:
            rows = found.get((name, model))
            if not rows:
                continue
            mean = {key: np.mean([r[key] for r in rows.values()]) for key in ("nll", "crps", "rmse", "coverage")}
            error = np.std([r["nll"] for r in rows.values()], ddof=1) / np.sqrt(len(rows)) if len(rows) > 1 else np.nan
            best = found.get((name, "ours-5"), {})
            both = [rows[s]["nll"] - best[s]["nll"] for s in rows if s in best]
            paired = f"{np.mean(both):+.3f} ± {np.std(both, ddof=1) / np.sqrt(len(both)):.3f}" if len(both) > 1 else ""
            print(
                f"  {model:16s}{mean['nll']:9.3f} ±{error:6.3f}{mean['crps']:9.4g}{mean['rmse']:9.4g}{mean['coverage']:8.1%}"
                f"{np.median([r['seconds'] for r in rows.values()]):8.1f}s   {paired} ({len(rows)} splits)"
            )


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
    parser.add_argument("--table", type=Path, help="print the table of this file and stop")
    parser.add_argument("--rows", type=int, nargs="+", help="time and memory of fits on so many rows, and stop")
    arguments = parser.parse_args()
    for count in arguments.rows or ():
        subprocess.run(
            [sys.executable, "-c", f"import tabular; tabular.rows({count})"], cwd=Path(__file__).parent, check=True
        )
    if arguments.rows:
        return
    if arguments.table is None:
        run(arguments.out, arguments.sets, arguments.splits, arguments.models)
    table(arguments.table or arguments.out)


if __name__ == "__main__":
    main()
