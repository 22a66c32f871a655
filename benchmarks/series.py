"""MDNRNN on recordings, with its defaults, beside a linear vector autoregression, in one run.

    MDN_DATA=... python benchmarks/series.py [--series sunspots henon ...] [--seeds 3] [--out results.jsonl]

Needs `pip install statsmodels` beside mdn. A result is one line of JSON; what stands in the file already is not run again.
`--table FILE` prints the table of a file. `--million` only times training, on one recording of a million events and on 10,000
sequences of 100 events.

Each recording is cut once: its last fifth is the test part, which is scored at the end. Everybody gets the same numbers.

- "VAR": a vector autoregression by least squares, its order p (1 to 10) chosen on the last eighth of the training part, and a
  mixture of three correlated normals fitted to its residuals (scikit-learn's GaussianMixture, the number of components by BIC).
- "levels": MDNRNN without a linear start (`lags=0`), as it was before.
- "ours": `MDNRNN(MixtureSpec(NormalSpec(D, "full"), 5)).fit([training part])`.

NLL in nats a value: lower is better; the density of each test event given all events before it.
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

LAGS = 10
COMPONENTS = 5


# ---- recordings: a list of arrays (T, D) to learn from, and one of arrays to test on -------------------------------------


def _cut(series):
    series = np.asarray(series, "float64")
    series = series[:, None] if series.ndim == 1 else series
    end = len(series) * 4 // 5
    return [series[:end]], [series[end:]]


def sunspots():
    """Yearly numbers of sunspots, 309 years."""
    from statsmodels.datasets import sunspots

    return _cut(np.sqrt(sunspots.load_pandas().data["SUNACTIVITY"]))


def macro():
    """Growth of GDP, consumption and investment of the USA, 202 quarters."""
    from statsmodels.datasets import macrodata

    data = macrodata.load_pandas().data[["realgdp", "realcons", "realinv"]]
    return _cut(100 * np.diff(np.log(data), axis=0))


def elnino():
    """Monthly temperatures of the sea, 732 months."""
    from statsmodels.datasets import elnino

    return _cut(elnino.load_pandas().data.iloc[:, 1:].to_numpy().ravel())


def co2():
    """Weekly carbon dioxide at Mauna Loa, 2,284 weeks, gaps filled."""
    from statsmodels.datasets import co2

    return _cut(co2.load_pandas().data["co2"].interpolate())


def equipment():
    """Monthly turnover of electrical equipment in the Euro area, 257 months: a trend with a season."""
    from statsmodels.datasets import elec_equip

    return _cut(elec_equip.load_pandas().data.to_numpy().ravel())


def lorenz():
    """Lorenz' flow, all three coordinates every 0.05 of its time, each with noise: 3,000 steps."""

    def speed(z):
        return np.array([10.0 * (z[1] - z[0]), z[0] * (28.0 - z[2]) - z[1], z[0] * z[1] - 8.0 / 3.0 * z[2]])

    h, z, found = 0.01, np.array([1.0, 1.0, 20.0]), []
    for t in range(3200 * 5):
        a = speed(z)
        b = speed(z + h / 2.0 * a)
        c = speed(z + h / 2.0 * b)
        z = z + h / 6.0 * (a + 2.0 * b + 2.0 * c + speed(z + h * c))
        if t % 5 == 4:
            found.append(z)
    return _cut(np.array(found[200:]) + 0.3 * np.random.default_rng(3).normal(size=(3000, 3)))


def henon():
    """Henon's map, both coordinates, with a little noise: 3,000 steps."""
    rng = np.random.default_rng(0)
    x, y, found = 0.1, 0.1, []
    for _ in range(3100):
        x, y = 1.0 - 1.4 * x * x + y, 0.3 * x
        found.append((x, y))
    return _cut(np.array(found[100:]) + 0.02 * rng.normal(size=(3000, 2)))


def switching():
    """A walk whose drift and noise switch at random between two regimes, three channels: 4,000 steps."""
    rng = np.random.default_rng(1)
    z, regime, found = np.zeros(3), 0, []
    turn = [np.array([[0.9, -0.4, 0.0], [0.4, 0.9, 0.0], [0.0, 0.2, 0.7]]), np.diag([0.5, 0.5, 0.95])]
    for _ in range(4000):
        regime = 1 - regime if rng.random() < 0.02 else regime
        z = turn[regime] @ z + rng.normal(size=3) * (0.2 if regime else 1.0)
        found.append(z)
    return _cut(found)


def linear():
    """A true vector autoregression of order 2, three channels: 4,000 steps. Nobody can be better than VAR here."""
    rng = np.random.default_rng(2)
    a, b = 0.5 * np.eye(3) + 0.1 * rng.normal(size=(3, 3)), -0.3 * np.eye(3)
    factor = np.linalg.cholesky(np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.3], [0.0, 0.3, 1.0]]))
    z = np.zeros((4100, 3))
    for t in range(2, 4100):
        z[t] = a @ z[t - 1] + b @ z[t - 2] + factor @ rng.normal(size=3)
    return _cut(z[100:])


def ecg():
    """The first five minutes of an ECG of ../shared/data, 120 Hz, in mV; spread over the cells of its integers."""
    from numpy.random import default_rng

    record = np.load(Path(os.environ["MDN_DATA"]) / "ecg" / "mitbih12_120hz_int16.npz")["r100"][: 5 * 60 * 120]
    return _cut((record + default_rng(0).uniform(-0.5, 0.5, record.shape)) / 200.0)


def impsy():
    """Performances on an instrument of three values (IMPSY's training set): log dt and the values, spread over their cells."""
    from mdn.data.objects import read_object_arrays

    folder = Path(os.environ["MDN_DATA"]) / "impsy"
    performances = read_object_arrays(folder / "training-dataset-4d.npz")["perfs"]
    parts = json.loads((folder / "split.json").read_text())
    rng = np.random.default_rng(0)

    def events(one):
        one = np.asarray(one, "float64")
        dt = np.log(np.clip(one[:, :1], 0.0004, 60.0))
        return np.concatenate([dt, one[:, 1:] + rng.uniform(-1 / 256, 1 / 256, one[:, 1:].shape)], axis=1)[1:]

    learn, test = ([events(performances[i]) for i in parts[part]] for part in ("train", "test"))
    return learn, test


SERIES = {
    function.__name__: function
    for function in (sunspots, macro, elnino, co2, equipment, henon, lorenz, switching, linear, ecg, impsy)
}


# ---- models: (sequences to learn from, sequences to test on, seed) -> nats a value -----------------------------------------


def _lagged(z, order):
    return np.concatenate(
        [np.ones((len(z) - order, 1)), *(z[order - lag : len(z) - lag] for lag in range(1, order + 1))], 1
    )


def var(learn, test, seed):
    from scipy.stats import multivariate_normal
    from sklearn.mixture import GaussianMixture

    def fitted(rows, order):
        x = np.concatenate([_lagged(one, order) for one in rows])
        y = np.concatenate([one[order:] for one in rows])
        return np.linalg.lstsq(x, y, rcond=None)[0]

    def residuals(rows, order, matrix):
        return [one[order:] - _lagged(one, order) @ matrix for one in rows]

    def held_out(order):
        cuts = [len(one) * 7 // 8 for one in learn]
        matrix = fitted([one[:cut] for one, cut in zip(learn, cuts, strict=True)], order)
        before = np.concatenate(residuals([one[:cut] for one, cut in zip(learn, cuts, strict=True)], order, matrix))
        after = np.concatenate(
            residuals([one[cut - order :] for one, cut in zip(learn, cuts, strict=True)], order, matrix)
        )
        return -np.mean(
            multivariate_normal(np.zeros(before.shape[1]), np.cov(before.T), allow_singular=True).logpdf(after)
        )

    order = min(range(1, LAGS + 1), key=held_out)
    matrix = fitted(learn, order)
    left = np.concatenate(residuals(learn, order, matrix))
    mixtures = [GaussianMixture(k, random_state=seed, n_init=3).fit(left) for k in (1, 2, 3)]
    mixture = min(mixtures, key=lambda one: one.bic(left))
    # the first events of a test part have no `order` events before them: they are scored by nobody
    return [mixture.score_samples(one) for one in residuals(test, order, matrix)], {"p": order}


def _rnn(learn, test, seed, **settings):
    import keras

    import mdn

    keras.utils.set_random_seed(seed)
    size = learn[0].shape[1]
    model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(size, "full"), COMPONENTS), **settings)
    model.fit(learn, seed=seed, verbose=0)
    return model.log_prob(test), {}


def ours(learn, test, seed):
    return _rnn(learn, test, seed)


def levels(learn, test, seed):
    return _rnn(learn, test, seed, lags=0)


MODELS = {"VAR": var, "levels": levels, "ours": ours}


def run(path: Path, names, seeds: int, models, dev: bool) -> None:
    done = {(r["series"], r["model"], r["seed"]) for r in results(path)}
    for seed in range(seeds):
        for name in names:
            learn, test = SERIES[name]()
            if dev:
                learn, test = ([part for one in learn for part in _cut(one)[side]] for side in (0, 1))
            for model in models:
                if (name, model, seed) in done:
                    continue
                start = time.perf_counter()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    scores, about = MODELS[model](learn, test, seed)
                # the same events for all: those with LAGS events before them
                values = np.concatenate(
                    [one[len(one) - (len(t) - LAGS) :] for one, t in zip(scores, test, strict=True)]
                )
                line = {"series": name, "model": model, "seed": seed, "nll": float(-np.mean(values)) / test[0].shape[1]}
                line |= {"seconds": time.perf_counter() - start, **about}
                with open(path, "a") as file:
                    file.write(json.dumps(line) + "\n")
                print(
                    f"{name:10s} seed {seed} {model:8s} {line['nll']:8.4f} nats a value {line['seconds']:7.1f} s {about}",
                    flush=True,
                )


# ---- one recording of a million events ---------------------------------------------------------------------------------


def million(total: int) -> None:
    """Prints events a second of training, and memory, for one recording beside as many events in sequences of 100."""
    import resource

    import keras

    import mdn

    class Clock(keras.callbacks.Callback):
        """When each step ended, by the clock on the wall and by that of the processor, and the most memory until then."""

        def __init__(self):
            super().__init__()
            self.ends = []

        def on_train_batch_end(self, batch, logs=None):
            memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            self.ends.append((time.perf_counter(), time.process_time(), memory))

    rng = np.random.default_rng(0)
    recording = np.zeros((total, 2))
    for t in range(2, total):
        recording[t] = 1.6 * recording[t - 1] - 0.8 * recording[t - 2] + rng.normal(size=2)
    for name, sequences in {
        "one recording": [recording],
        "sequences of 100": np.split(recording, range(100, total, 100)),
    }.items():
        model, clock = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(2, "full"), COMPONENTS)), Clock()
        start = time.perf_counter()
        model.adapt(sequences)
        adapted = time.perf_counter() - start
        model.fit(sequences, epochs=1, callbacks=[clock], verbose=0)
        wall, cpu, memory = (np.array(side) for side in zip(*clock.ends[2:], strict=True))  # the first steps compile
        rates = [3200 * (len(side) - 1) / (side[-1] - side[0]) for side in (wall, cpu)]
        print(
            f"{name:17s} {len(clock.ends)} steps of 32 x 100 events, {np.median(np.diff(wall)) * 1e3:.0f} ms each (median); "
            f"{rates[0]:,.0f} events a second, {rates[1]:,.0f} a second of processor time; adapted in {adapted:.1f} s; "
            f"memory grew by {memory[-1] - memory[len(memory) // 10]:.0f} MB after the first tenth",
            flush=True,
        )


def results(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(path: Path) -> None:
    found = defaultdict(list)
    for r in results(path):
        found[r["series"], r["model"]].append(r)
    names = list(dict.fromkeys(name for name, _ in found))
    print(f"{'nats a value':12s}" + "".join(f"{model:>20s}" for model in MODELS) + "     ours against VAR")
    for name in names:
        cells, mean = [], {}
        for model in MODELS:
            rows = found.get((name, model))
            if not rows:
                cells.append("-")
                continue
            mean[model] = np.mean([r["nll"] for r in rows])
            cells.append(f"{mean[model]:.4f} ({np.median([r['seconds'] for r in rows]):.0f} s)")
        gain = f"{mean['ours'] - mean['VAR']:+.4f}" if {"ours", "VAR"} <= mean.keys() else ""
        print(f"{name:12s}" + "".join(f"{cell:>20s}" for cell in cells) + f"     {gain}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", nargs="+", choices=SERIES, default=list(SERIES))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--out", type=Path, default=Path("series.jsonl"))
    parser.add_argument(
        "--dev", action="store_true", help="score the last fifth of the training part, and leave the test part alone"
    )
    parser.add_argument(
        "--million", type=int, nargs="?", const=1_000_000, help="time training on so many events, and stop"
    )
    parser.add_argument("--table", type=Path, help="print the table of this file and stop")
    arguments = parser.parse_args()
    if arguments.million:
        million(arguments.million)
        return
    if arguments.table is None:
        run(arguments.out, arguments.series, arguments.seeds, arguments.models, arguments.dev)
    table(arguments.table or arguments.out)


if __name__ == "__main__":
    main()
