"""A table larger than memory: what a fit of it takes, beside the best possible NLL and the loop in memory.

    python benchmarks/scale.py make-data FOLDER --millions 50
    python benchmarks/scale.py fit FOLDER [--memory 1] [--batch-size 32] [--components 3]
    python benchmarks/scale.py agree FOLDER [--rows 200000] [--seeds 5]

`make-data` writes rows of 20 float32 features and a target into files of a million rows, and 200,000 further rows to test by.
The target is drawn from a mixture of two normals whose weights, locations and scales are known functions of five features, so
that the best possible NLL is known.

`fit` trains on the folder in a process of its own. It prints the NLL of the test rows beside the best possible one, the peak of
its resident memory above what it was after the imports (sampled 50 times a second) in each phase, and the rows a second of its
epochs. The phases are: reading the table once, choosing by a sample what is learnt, dealing the rows to lanes, and training. A
second process trains the same network in memory on the first 400,000 rows, and prints the rows a second of its epochs: both
loops score 50,000 held-out rows in each epoch, and the first epoch, which compiles, does not count.

`agree` trains on the same rows from files and in memory, and prints how far the two NLLs are apart for each seed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

FEATURES = 20
ROWS_A_FILE, ROWS_A_GROUP, TEST = 1_000_000, 100_000, 200_000
IN_MEMORY, HELD_OUT = 400_000, 50_000
_TEST = "test.parquet"
_HALF_LOG_2_PI = 0.5 * np.log(2.0 * np.pi)


# ---- the data --------------------------------------------------------------------------------------------------------


def mixture(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(weights, locations, scales) of the two normals, each `(N, 2)`, of features `(N, 20)`."""
    share = 1.0 / (1.0 + np.exp(-x[:, 3]))
    middle, apart = np.tanh(x[:, 0]) + 0.5 * x[:, 1], 1.0 + 0.5 * np.tanh(x[:, 2])
    scales = np.stack([0.3 * np.exp(0.3 * np.tanh(x[:, 4])), np.full(len(x), 0.5)], axis=1)
    return np.stack([share, 1.0 - share], axis=1), np.stack([middle - apart, middle + apart], axis=1), scales


def drawn(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Features `(N, 20)` and targets `(N,)`, float32."""
    rng = np.random.default_rng([7, seed])
    x = rng.standard_normal((rows, FEATURES), "float32")
    weights, locations, scales = mixture(x)
    which = (rng.uniform(size=rows) > weights[:, 0]).astype(int)
    place = np.arange(rows), which
    return x, (locations[place] + scales[place] * rng.standard_normal(rows)).astype("float32")


def best_nll(x: np.ndarray, y: np.ndarray) -> float:
    """The NLL of the mixture that drew the targets."""
    weights, locations, scales = mixture(x)
    logs = np.log(weights) - 0.5 * ((y[:, None] - locations) / scales) ** 2 - np.log(scales) - _HALF_LOG_2_PI
    return float(-np.mean(np.logaddexp(*logs.T)))


def make_data(folder: Path, millions: float) -> None:
    """Writes the files of training and the test rows beside their folder."""
    import pyarrow
    import pyarrow.parquet

    (folder / "train").mkdir(parents=True, exist_ok=True)
    names = [*(f"x{place}" for place in range(FEATURES)), "y"]

    def write(path: Path, rows: int, seed: int) -> None:
        x, y = drawn(rows, seed)
        table = pyarrow.table(dict(zip(names, [*np.ascontiguousarray(x.T), y], strict=True)))
        pyarrow.parquet.write_table(table, path, row_group_size=ROWS_A_GROUP, compression="none")

    rows = round(1e6 * millions)
    for number, first in enumerate(range(0, rows, ROWS_A_FILE)):
        write(folder / "train" / f"{number:04d}.parquet", min(ROWS_A_FILE, rows - first), number + 1)
    write(folder / _TEST, TEST, 0)
    best = best_nll(*drawn(TEST, 0))
    print(f"{rows} rows of training in {folder / 'train'}; the best possible NLL of {TEST} test rows: {best:.4f}")


# ---- measured in processes of their own --------------------------------------------------------------------------------


class Memory:
    """The peak of the resident memory of this process in each phase, above what it is now.

    Attributes:
        phase: What is being done.
    """

    def __init__(self, phase: str):
        self._start, self.phase, self._peaks = self._now(), phase, {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    @staticmethod
    def _now() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def _watch(self) -> None:
        while not self._done.wait(0.02):
            self._peaks[self.phase] = max(self._peaks.get(self.phase, 0), self._now())

    def above(self) -> dict[str, float]:
        """GB by phase, and the end of the watch."""
        self._done.set()
        self._thread.join()
        return {phase: (peak - self._start) / 1e9 for phase, peak in self._peaks.items()}

    def tell(self, what: str, share: float) -> None:
        """Hears what a fit does, as `streamed.How.tell`."""
        self.phase = what if share < 1.0 else {"reading": "choosing", "dealing": "training"}[what]


class Clock:
    """Notes when each epoch ends."""

    def __init__(self):
        self.ends: list[float] = []

    def on_epoch_end(self, epoch, logs):
        self.ends.append(time.perf_counter())

    def rows_a_second(self, rows: int) -> float:
        """The median over the epochs after the first; NaN if there is only one."""
        times = np.diff(self.ends)
        return rows / statistics.median(times) if len(times) else float("nan")


def regressor(arguments, seed: int = 0):
    """The regressor of all measurements."""
    import mdn

    components = "auto" if arguments.components == 0 else arguments.components
    return mdn.MDNRegressor(num_components=components, batch_size=arguments.batch_size, random_state=seed)


def streamed(arguments) -> dict:
    """The fit of the folder."""
    import jax.numpy as jnp
    import pyarrow.parquet  # noqa: F401

    import mdn.tabular  # noqa: F401 - the imports are not part of the measurement
    from mdn.data import source_of
    from mdn.tabular.member import listeners
    from mdn.tabular.streamed import How, fit
    from mdn.training import keep_compiled_programs

    keep_compiled_programs()
    jnp.zeros(1).block_until_ready()

    source = source_of(arguments.folder / "train")
    memory, clock, begin = Memory("reading"), Clock(), time.perf_counter()
    how = How("y", memory=arguments.memory, heard_by=listeners([clock], 0), tell=memory.tell)
    model = fit(regressor(arguments), source, None, how)  # as `MDNRegressor.fit`, which tells no phases
    seconds, above = time.perf_counter() - begin, memory.above()
    epochs = max(1, round(source.rows / 2**20)) if source.rows > 2**20 else 1
    ends = clock.ends[-len(model.history_.loss) :]  # candidates were trained before
    clock.ends = ends
    found = {
        "rows": source.rows,
        "components": model.num_components_,
        "epochs": len(ends),
        "seconds": seconds,
        "memory": above,
    }
    found["rows_a_second"] = clock.rows_a_second(-(-source.rows // epochs))
    found["nll"] = float(-np.mean(model.log_prob(str(arguments.folder / _TEST))))
    return found


def in_memory(arguments) -> dict:
    """The same network in memory, on rows that fit."""
    from mdn.data import read_table

    table = read_table(arguments.folder / "train" / "0000.parquet")
    x, y = table.drop("y").values[: IN_MEMORY + HELD_OUT], table.column("y")[: IN_MEMORY + HELD_OUT]
    clock, few = Clock(), slice(0, len(y) - HELD_OUT)
    arguments.components = arguments.components or 3
    held_out = x[few.stop :], y[few.stop :]
    regressor(arguments).fit(x[few], y[few], validation_data=held_out, callbacks=[clock])
    return {"rows": few.stop, "epochs": len(clock.ends), "rows_a_second": clock.rows_a_second(few.stop)}


def measured(arguments, what: str) -> dict:
    """What a process of its own measured."""
    command = [sys.executable, __file__, what, str(arguments.folder)]
    for name in ("memory", "batch_size", "components"):
        command += [f"--{name.replace('_', '-')}", str(getattr(arguments, name))]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        raise SystemExit(ran.stderr)
    return json.loads(ran.stdout.splitlines()[-1])


def fit(arguments) -> None:
    """Prints both measurements."""
    best = best_nll(*drawn(TEST, 0))
    found = measured(arguments, "streamed")
    print(
        f"{found['rows']} rows, {found['components']} components, {found['epochs']} epochs, {found['seconds']:.0f} s in all\n"
        f"NLL of the test rows {found['nll']:.4f}, best possible {best:.4f}: {found['nll'] - best:+.4f}\n"
        f"peak of memory above the imports: {max(found['memory'].values()):.2f} GB ("
        + ", ".join(f"{phase} {peak:.2f}" for phase, peak in found["memory"].items())
        + ")",
        flush=True,
    )
    beside = measured(arguments, "in-memory")
    share = found["rows_a_second"] / beside["rows_a_second"]
    print(
        f"rows a second of the epochs: {found['rows_a_second']:.0f} from files, {beside['rows_a_second']:.0f} in memory "
        f"({beside['rows']} rows): {share:.0%}"
    )


def agree(arguments) -> None:
    """Prints the NLLs of both ways, seed by seed."""
    import tempfile

    import pyarrow.parquet

    import mdn

    begun = pyarrow.parquet.read_table(arguments.folder / "train" / "0000.parquet").slice(0, arguments.rows)
    test_x, test_y = drawn(TEST, 0)
    best, away = best_nll(test_x, test_y), []
    with tempfile.TemporaryDirectory() as folder:
        pyarrow.parquet.write_table(begun, f"{folder}/rows.parquet", row_group_size=ROWS_A_GROUP)
        memory = 30e-9 * arguments.rows * (FEATURES + 1)  # half of what the rows take
        for seed in range(arguments.seeds):
            ways = [regressor(arguments, seed).fit(folder, target="y", memory=size) for size in (memory, 10 * memory)]
            names = {f"x{place}": test_x[:, place].astype("float64") for place in range(FEATURES)}
            table = mdn.data.Table(tuple(names), tuple(names.values()), np.arange(TEST), "test rows")
            nlls = [float(-np.mean(way.log_prob(table, test_y))) for way in ways]
            away.append(abs(nlls[0] - nlls[1]))
            print(
                f"seed {seed}: from files {nlls[0]:.4f}, in memory {nlls[1]:.4f}, best possible {best:.4f}", flush=True
            )
    print(f"farthest apart: {max(away):.4f}")


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", choices=["make-data", "fit", "agree", "streamed", "in-memory"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--millions", type=float, default=50.0)
    parser.add_argument("--memory", type=float, default=1.0, help="GB, as in MDNRegressor.fit")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--components", type=int, default=3, help="0: the number is chosen")
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.what == "make-data":
        make_data(arguments.folder, arguments.millions)
    elif arguments.what in ("streamed", "in-memory"):
        print(json.dumps(streamed(arguments) if arguments.what == "streamed" else in_memory(arguments)))
    else:
        {"fit": fit, "agree": agree}[arguments.what](arguments)


if __name__ == "__main__":
    main()
