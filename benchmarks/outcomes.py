"""Targets that are sets: censored, counted, bounded ones and those with atoms, beside the truth, or beside peers.

    python benchmarks/outcomes.py [--parts censored survival counts draws atoms bounded] [--seeds 3] [--out outcomes.jsonl]

Needs `pip install lifelines statsmodels ngboost` beside mdn, whose public tables it reads. Ours has its defaults, and the
`family` and `censoring` that the task names. Peers: Cox's model of lifelines (penalizer 0.01), NGBoost with a Poisson
distribution and statsmodels' Poisson and negative binomial regressions. All get the same rows and the same columns. A result
is one line of JSON; what stands in the file already is not run again. `--table FILE` prints the table of a file.
"""

import argparse
import json
import os
import time
import warnings
from collections import defaultdict
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np
from scipy import stats

import mdn

ROWS = 5000
TEST = 5000


def _fit(x, y, seed, **settings):
    start = time.perf_counter()
    return mdn.MDNRegressor(random_state=seed, **settings).fit(x, y), time.perf_counter() - start


# ---- where the truth is known: our NLL minus that of the truth, on new rows -------------------------------------------


def censored(seed: int):
    """Weibull times, 40 % of them right-censored; and normal targets of which only a cell of one standard deviation is known."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (ROWS + TEST, 2))
    shape, scale = 1.5, np.exp(x[:, 0] + 0.5 * x[:, 1])
    times, ends = scale * rng.weibull(shape, len(x)), rng.exponential(1.7, len(x))
    seen = times <= ends
    y = np.column_stack([np.minimum(times, ends), seen])
    reg, seconds = _fit(x[:ROWS], y[:ROWS], seed, family="positive", censoring="right")
    best = -np.mean(stats.weibull_min.logpdf(times, shape, scale=scale)[ROWS:])
    found = -np.mean(reg.log_prob(x[ROWS:], times[ROWS:]))
    share = 1.0 - np.mean(seen)
    yield (
        "Weibull, right-censored",
        "ours",
        {"nll": found, "above": found - best, "censored": share, "seconds": seconds},
    )
    sd = 0.5
    y = np.sin(3 * x[:, 0]) + sd * rng.normal(size=len(x))
    cell = sd * np.floor(y / sd)
    reg, seconds = _fit(x[:ROWS], np.column_stack([cell, cell + sd])[:ROWS], seed, censoring="interval")
    best = -np.mean(stats.norm.logpdf(y, np.sin(3 * x[:, 0]), sd)[ROWS:])
    found = -np.mean(reg.log_prob(x[ROWS:], y[ROWS:]))
    yield "normal, cells of 1 sd", "ours", {"nll": found, "above": found - best, "seconds": seconds}


def atoms(seed: int):
    """Log-normal amounts that are 0 with a probability that depends on the features."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (ROWS + TEST, 2))
    zero = 1.0 / (1.0 + np.exp(-2.0 * x[:, 0]))
    loc, scale = x[:, 1], 0.4 + 0.2 * x[:, 0]
    y = np.where(rng.uniform(size=len(x)) < zero, 0.0, np.exp(loc + scale * rng.normal(size=len(x))))
    density = stats.lognorm.logpdf(np.where(y == 0.0, 1.0, y), scale, scale=np.exp(loc))
    best = -np.mean(np.where(y == 0.0, np.log(zero), np.log1p(-zero) + density)[ROWS:])
    reg, seconds = _fit(x[:ROWS], y[:ROWS], seed, family="auto")
    found = -np.mean(reg.log_prob(x[ROWS:], y[ROWS:]))
    weight = np.asarray(reg.predict_distribution(x[ROWS:]).atom_probs)[:, 0]
    error = float(np.mean(np.abs(weight - zero[ROWS:])))
    yield (
        "log-normal with zeros",
        "ours",
        {"nll": found, "above": found - best, "weight_error": error, "seconds": seconds},
    )


def draws(seed: int):
    """Negative binomial counts: is the PIT of 5,000 true draws uniform, and do the probabilities sum to 1?"""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (ROWS + TEST, 2))
    rate, size = np.exp(1.0 + x[:, 0]), 2.0
    y = rng.negative_binomial(size, size / (size + rate)).astype("float64")
    best = -np.mean(stats.nbinom.logpmf(y, size, size / (size + rate))[ROWS:])
    reg, seconds = _fit(x[:ROWS], y[:ROWS], seed, family="counts")
    scores = reg.evaluate(x[ROWS:], y[ROWS:])
    every = np.sum([np.exp(reg.log_prob(x[ROWS : ROWS + 50], np.full(50, float(k)))) for k in range(500)], axis=0)
    yield (
        "negative binomial draws",
        "ours",
        {
            "nll": scores.nll,
            "above": scores.nll - best,
            "pit_p_value": stats.kstest(scores.pit[:, 0], "uniform").pvalue,
            "sum_error": float(np.max(np.abs(every - 1.0))),
            "seconds": seconds,
        },
    )


def bounded(seed: int):
    """Beta targets in the shape of a U."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, (ROWS + TEST, 2))
    a, b = 0.5 + 0.25 * x[:, 0], 0.5 + 0.25 * x[:, 1]
    y = rng.beta(a, b)
    inside = (y > 1e-12) & (y < 1 - 1e-12)  # beyond, float64 has no density to compare
    best = -np.mean(stats.beta.logpdf(y, a, b)[ROWS:][inside[ROWS:]])
    reg, seconds = _fit(x[:ROWS], y[:ROWS], seed, bounds=(0.0, 1.0), family="bounded")
    at = x[ROWS:]
    found = -np.mean(reg.log_prob(at, y[ROWS:])[inside[ROWS:]])
    answers = [reg.sample(at, 4, seed=0), reg.predict_interval(at, 0.999), reg.predict_quantile(at, [1e-6, 1 - 1e-6])]
    outside = sum(int(np.sum((answer < 0.0) | (answer > 1.0))) for answer in answers)
    yield "Beta, U shape", "ours", {"nll": found, "above": found - best, "outside": outside, "seconds": seconds}


# ---- survival: integrated Brier score by inverse probability of censoring, and concordance ----------------------------


def _survival_tables():
    from lifelines import datasets

    gbsg = datasets.load_gbsg2()
    kidney = datasets.load_kidney_transplant()
    yield "gbsg2", _numeric(gbsg.drop(columns=["time", "cens"])), gbsg["time"], gbsg["cens"]
    yield "kidney transplants", _numeric(kidney.drop(columns=["time", "death"])), kidney["time"], kidney["death"]


def _numeric(frame):
    import pandas as pd

    return pd.get_dummies(frame, drop_first=True, dtype="float64").astype("float64")


def survival(seed: int):
    """Public tables of lifelines, a third of the rows set aside."""
    import pandas as pd
    from lifelines import CoxPHFitter, KaplanMeierFitter
    from lifelines.utils import concordance_index

    for name, x, spent, event in _survival_tables():
        x, spent, event = x.to_numpy(), spent.to_numpy("float64"), event.to_numpy("float64")
        spent = np.maximum(spent, 0.5)
        order = np.random.default_rng(seed).permutation(len(x))
        test, train = order[: len(x) // 3], order[len(x) // 3 :]
        grid = np.quantile(spent[train][event[train] == 1], np.linspace(0.1, 0.9, 30))
        km = KaplanMeierFitter().fit(spent[train], 1.0 - event[train])

        def scores(alive, risk, km=km, grid=grid, test=test, spent=spent, event=event):
            """`alive` is P(T > t), `(N, times)`; Graf et al. (1999)."""
            t, e = spent[test][:, None], event[test][:, None]
            at_own = np.maximum(km.predict(spent[test] - 1e-9).to_numpy(), 1e-3)[:, None]
            at_grid = np.maximum(km.predict(grid).to_numpy(), 1e-3)[None]
            brier = np.where(t <= grid, e * alive**2 / at_own, (1.0 - alive) ** 2 / at_grid)
            return {
                "brier": float(np.mean(np.trapezoid(brier, grid, axis=1)) / (grid[-1] - grid[0])),
                "concordance": float(concordance_index(spent[test], -risk, event[test])),
            }

        reg, seconds = _fit(
            x[train], np.column_stack([spent, event])[train], seed, family="positive", censoring="right"
        )
        alive = reg.predict_probability(x[test], above=grid)
        yield name, "ours", {**scores(alive, -np.mean(alive, axis=1)), "seconds": seconds}
        start = time.perf_counter()
        frame = pd.DataFrame(x).rename(columns=str).assign(spent=spent, event=event)
        cox = CoxPHFitter(penalizer=0.01).fit(frame.iloc[train], "spent", "event")
        seconds = time.perf_counter() - start
        alive = cox.predict_survival_function(frame.iloc[test], times=grid).to_numpy().T
        risk = cox.predict_partial_hazard(frame.iloc[test]).to_numpy()
        yield name, "Cox", {**scores(alive, risk), "seconds": seconds}


# ---- counts: NLL in nats a count ---------------------------------------------------------------------------------------


def _count_tables():
    import statsmodels.api as sm
    from lifelines import datasets

    doctor = sm.datasets.randhie.load_pandas().data.sample(4000, random_state=0)
    yield "randhie: visits", _numeric(doctor.drop(columns="mdvis")), doctor["mdvis"]
    gbsg = datasets.load_gbsg2()
    yield "gbsg2: nodes", _numeric(gbsg.drop(columns=["pnodes", "time", "cens"])), gbsg["pnodes"]
    rossi = datasets.load_rossi()
    yield "rossi: arrests", _numeric(rossi.drop(columns=["prio", "week", "arrest"])), rossi["prio"]


def counts(seed: int):
    """Public tables of statsmodels and lifelines, a fifth of the rows set aside."""
    import statsmodels.api as sm
    from ngboost import NGBRegressor
    from ngboost.distns import Poisson

    for name, x, y in _count_tables():
        x, y = x.to_numpy(), y.to_numpy("float64")
        order = np.random.default_rng(seed).permutation(len(x))
        test, train = order[: len(x) // 5], order[len(x) // 5 :]
        reg, seconds = _fit(x[train], y[train], seed, family="counts")
        yield name, "ours", {"nll": -np.mean(reg.log_prob(x[test], y[test])), "seconds": seconds}
        start = time.perf_counter()
        held = round(0.15 * len(train))
        model = NGBRegressor(
            Dist=Poisson,
            n_estimators=1000,
            learning_rate=0.02,
            verbose=False,
            random_state=seed,
            early_stopping_rounds=50,
        )
        model.fit(
            x[train][held:], y[train][held:].astype(int), X_val=x[train][:held], Y_val=y[train][:held].astype(int)
        )
        rate = np.asarray(model.pred_dist(x[test]).params["mu"])
        yield (
            name,
            "NGBoost Poisson",
            {"nll": -np.mean(stats.poisson.logpmf(y[test], rate)), "seconds": time.perf_counter() - start},
        )
        center, spread = x[train].mean(axis=0), np.maximum(x[train].std(axis=0), 1e-12)
        wide = sm.add_constant((x - center) / spread, has_constant="add")
        start = time.perf_counter()
        rate = sm.Poisson(y[train], wide[train]).fit(disp=0, maxiter=200).predict(wide[test])
        yield (
            name,
            "Poisson regression",
            {"nll": -np.mean(stats.poisson.logpmf(y[test], rate)), "seconds": time.perf_counter() - start},
        )
        start = time.perf_counter()
        fitted = sm.NegativeBinomial(y[train], wide[train]).fit(disp=0, maxiter=500)
        rate, alpha = fitted.predict(wide[test]), fitted.params[-1]
        nll = -np.mean(stats.nbinom.logpmf(y[test], 1 / alpha, 1 / (1 + alpha * rate)))
        yield name, "negative binomial regression", {"nll": nll, "seconds": time.perf_counter() - start}


PARTS = {
    "censored": censored,
    "survival": survival,
    "counts": counts,
    "draws": draws,
    "atoms": atoms,
    "bounded": bounded,
}


def run(path: Path, parts, seeds: int) -> None:
    done = {(r["part"], r["seed"]) for r in results(path)}
    for seed in range(seeds):
        for part in parts:
            if (part, seed) in done:
                continue
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                lines = [{"part": part, "seed": seed, "task": t, "model": m, **s} for t, m, s in PARTS[part](seed)]
            with open(path, "a") as file:
                file.writelines(
                    json.dumps({k: v if isinstance(v, str) else float(v) for k, v in r.items()}) + "\n" for r in lines
                )
            for line in lines:
                print(line, flush=True)


def results(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(path: Path) -> None:
    found = defaultdict(list)
    for line in results(path):
        found[line["task"], line["model"]].append(line)
    for (task, model), lines in sorted(found.items()):
        figures = []
        for key in [key for key in lines[0] if key not in ("part", "seed", "task", "model")]:
            values = [line[key] for line in lines]
            error = f" ± {np.std(values, ddof=1) / np.sqrt(len(values)):.4f}" if len(values) > 1 else ""
            middle = np.median(values) if key == "seconds" else np.mean(values)
            figures.append(f"{key} {middle:.1f}" if key == "seconds" else f"{key} {middle:.4f}{error}")
        print(f"{task:30s} {model:30s} {', '.join(figures)} ({len(lines)} seeds)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=Path("outcomes.jsonl"))
    parser.add_argument("--table", type=Path, help="print the table of this file and stop")
    arguments = parser.parse_args()
    if arguments.table is None:
        run(arguments.out, arguments.parts, arguments.seeds)
    table(arguments.table or arguments.out)


if __name__ == "__main__":
    main()
