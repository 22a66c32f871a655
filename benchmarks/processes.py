"""One network on 1, 2 and 4 processes: the same curve, how fast, and what a killed process costs.

    python benchmarks/processes.py [curve] [speed] [kill] [cluster] [sixty-four] [--small]

`curve` trains the same 200 steps with each number of processes. `speed` gives each process one thread and one share of rows, and
prints the time of the sum over processes beside that of a step. `kill` ends one of two processes at three random moments.
`cluster` fits a Dask frame on LocalClusters of 1, 2 and 4 workers, and again on 2 of which one is killed, three times.
`sixty-four` calculates what 64 machines would do. Run it on a quiet machine with as many cores as processes.
"""

import argparse
import os
import signal
import tempfile
import threading
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

import mdn
from mdn.training.processes import run_together

FEATURES, COMPONENTS = 20, 5
SPEC = mdn.MixtureSpec(mdn.NormalSpec(1), COMPONENTS)


class Rows:
    """A feed of rows of a known mixture; a step has the same rows, however many processes share them."""

    def __init__(self, batch_size: int, steps: int, process: int, processes: int):
        self.rows, self.batch_size, self._steps = batch_size * steps, batch_size, steps
        self._mine = slice(process, None, processes)

    def epoch(self, number):
        for first in range(0, self._steps, 20):
            rng = np.random.default_rng([number, first])
            shape = min(20, self._steps - first), self.batch_size
            x = rng.normal(size=(*shape, FEATURES)).astype("float32")
            side = rng.choice([-1.0, 1.0], (*shape, 1))
            y = (x[..., :1] + side + 0.3 * rng.normal(size=(*shape, 1))).astype("float32")
            yield x[:, self._mine], y[:, self._mine], np.ones((*shape, 1), "float32")[:, self._mine, 0]


class Ready(Rows):
    """The same, with the rows of this process made once, so that nothing but the training is timed."""

    def __init__(self, rows_a_process: int, steps: int, process: int, processes: int):
        super().__init__(rows_a_process, steps, 0, 1)
        self._blocks = list(super().epoch(process))
        self.rows, self.batch_size = self.rows * processes, rows_a_process * processes

    def epoch(self, number):
        return iter(self._blocks)


def network(hidden: int):
    import keras

    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(hidden, activation="silu") for _ in range(2)]
    return keras.Sequential([keras.Input((FEATURES,)), *layers, mdn.MDN(SPEC)])


def trained(hidden, batch_size, steps, epochs, process, processes, folder, *, mesh, tell):
    """(losses of the epochs, a checksum of the weights of each process)."""
    from jax.experimental import multihost_utils

    from mdn import training
    from mdn.training.checkpoints import Checkpoints

    model = network(hidden)
    checkpoints = None if folder is None or process else Checkpoints(folder, {"hidden": hidden})
    history = training.fit_feed(
        model,
        Rows(batch_size, steps, process, processes),
        mdn.NegativeLogLikelihood(SPEC),
        epochs=epochs,
        seed=1,
        learning_rate=3e-3,
        averaging=0.99,
        checkpoints=checkpoints,
        mesh=mesh,
        on_epoch=None if tell is None else lambda epoch, history: tell(epoch),
    )
    weights = np.concatenate([weight.reshape(-1) for weight in model.get_weights()])
    every = weights[None] if mesh is None else np.asarray(multihost_utils.process_allgather(weights))
    return history.loss, every


def timed(hidden, rows_a_process, steps, process, processes, *, mesh, tell):
    """(rows a second of the median epoch, seconds of a step, seconds of the sum over the processes)."""
    import jax
    from jax import numpy as jnp

    from mdn import training

    model, ends = network(hidden), []
    training.fit_feed(
        model,
        Ready(rows_a_process, steps, process, processes),
        mdn.NegativeLogLikelihood(SPEC),
        epochs=8,
        mesh=mesh,
        on_epoch=lambda epoch, history: ends.append(time.perf_counter()),
    )
    step = float(np.median(np.diff(ends)[1:])) / steps
    size = sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)
    summed = 0.0
    if mesh is not None:
        same = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
        flat = jax.device_put(np.ones(size, "float32"), same)

        def sums(flat):
            return jax.lax.scan(lambda each, _: (jax.lax.pmean(jnp.tanh(each), "rows"), None), flat, length=100)[0]

        spec = jax.sharding.PartitionSpec()
        run = jax.jit(jax.shard_map(sums, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False))
        jax.block_until_ready(run(flat))
        rounds = []
        for _ in range(5):
            start = time.perf_counter()
            jax.block_until_ready(run(flat))
            rounds.append((time.perf_counter() - start) / 100)
        summed = min(rounds)
    return rows_a_process * processes / step, step, summed, size


def curve(small: bool) -> None:
    batch, steps, epochs = (256, 5, 4) if small else (1024, 20, 10)  # an epoch is one figure of the curve
    found = {}
    for processes in (1, 2) if small else (1, 2, 4):
        losses, weights = run_together(
            trained, lambda process, n=processes: (64, batch, steps, epochs, process, n, None), processes
        )
        found[processes] = np.array(losses)
        far = float(np.max(np.abs(found[processes] / found[1] - 1.0)))
        same = all(np.array_equal(weights[0], other) for other in weights)
        print(
            f"{processes} processes: {steps * epochs} steps of {batch} rows, last loss {losses[-1]:.6f}, greatest relative "
            f"difference from one process {far:.1e}, weights equal on all: {same}"
        )


def speed(small: bool) -> None:
    steps = 10 if small else 20
    found = {}
    for hidden, rows in ((64, 512), (256, 512), (256, 4096), (256, 16384)) if not small else ((64, 512), (256, 1024)):
        for processes in (1, 2):
            if processes > len(os.sched_getaffinity(0)):
                print(f"{processes} processes need {processes} cores: left out")
                continue
            rate, step, summed, size = run_together(
                timed, lambda process, n=processes, h=hidden, r=rows: (h, r, steps, process, n), processes,
                threads=1,
            )  # fmt: skip
            found[hidden, rows, processes] = rate
            times = rate / found[hidden, rows, 1]
            print(
                f"2 x {hidden}, {rows} rows a process, {processes} processes: {rate:,.0f} rows/s ({times:.2f} times one), "
                f"{1e3 * step:.2f} ms a step, of which the sum of {size:,} numbers takes {1e3 * summed:.2f} ms by itself"
            )


def kill(small: bool) -> None:
    batch, steps, epochs = (256, 10, 6) if small else (1024, 20, 30)
    arguments = lambda folder: lambda process: (64, batch, steps, epochs, process, 2, folder)  # noqa: E731
    begun = []
    with tempfile.TemporaryDirectory() as folder:
        undisturbed, weights = run_together(
            trained, arguments(folder), 2, on_told=lambda epoch: begun.append(time.monotonic())
        )
    lasts = begun[-1] - begun[0]
    for moment in np.sort(np.random.default_rng().uniform(0, lasts, 1 if small else 3)):
        pids: list[int] = []
        killed = []

        def told(epoch, moment=moment, pids=pids, killed=killed):
            if epoch == 1 and not killed:
                killed.append(threading.Timer(moment, os.kill, (pids[-1], signal.SIGKILL)))
                killed[0].start()

        with tempfile.TemporaryDirectory() as folder:
            losses, others = run_together(trained, arguments(folder), 2, on_told=told, on_start=pids.extend)
        far = np.max(np.abs(others[0] - weights[0])) / np.max(np.abs(weights[0]))
        print(
            f"process 1 killed {moment:.2f} s after the first epoch of {epochs}, started {len(pids) // 2} times: weights differ "
            f"by {far:.1e} of the largest, losses by {np.max(np.abs(np.array(losses) / np.array(undisturbed) - 1)):.1e}"
        )


def cluster(small: bool) -> None:
    import dask.dataframe
    import distributed
    import pandas as pd

    import mdn.dask

    rows, batch, epochs = (
        (3_000, 256, 4) if small else (22_600, 1024, 10)
    )  # a tenth is held out: 20 steps an epoch, or 11
    rng = np.random.default_rng(0)
    table = pd.DataFrame(rng.normal(size=(rows, FEATURES)), columns=[f"x{i}" for i in range(FEATURES)])
    table["y"] = table.x0 + rng.choice([-1.0, 1.0], rows) + 0.3 * rng.normal(size=rows)
    settings = {"num_components": 3, "batch_size": batch, "epochs": epochs, "patience": epochs, "random_state": 0}

    class Killer:
        """Kills a worker so many seconds after the first epoch."""

        def __init__(self, client, moment):
            self._client, self._moment, self.ends, self.killed = client, moment, [], False

        def on_epoch_end(self, epoch, logs):
            self.ends.append(time.monotonic())
            if self._moment is None or self.killed:
                return
            self.killed, pids = True, self._client.run(os.getpid)
            threading.Timer(self._moment, os.kill, (pids[sorted(pids)[-1]], signal.SIGKILL)).start()

    def fitted(workers, moment=None):
        with (
            distributed.LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None) as local,
            distributed.Client(local) as client,
        ):
            killer = Killer(client, moment)
            frame = dask.dataframe.from_pandas(table, npartitions=4)
            regressor = mdn.dask.MDNRegressor(client, **settings).fit(frame, "y", callbacks=[killer])
            losses = np.concatenate([regressor.history_.loss, regressor.history_.val_loss])
            return losses, regressor.predict_quantile(frame, 0.9).compute(), killer.ends

    one, answers, _ = fitted(1)

    def say(what, losses, others):
        far, apart = np.max(np.abs(losses / one - 1)), np.max(np.abs(others - answers))
        print(f"{what}: losses differ by {far:.1e}, quantiles by {apart:.1e} from those of one worker", flush=True)

    lasts = 0.0
    for workers in (2,) if small else (2, 4):
        losses, others, ends = fitted(workers)
        lasts = lasts or ends[-1] - ends[0]
        say(f"{workers} workers, {epochs} epochs of {batch} rows a step", losses, others)
    for moment in np.sort(rng.uniform(0, lasts, 1 if small else 3)):
        losses, others, _ = fitted(2, moment)
        say(f"one of 2 workers killed {moment:.2f} s after the first epoch", losses, others)


def sixty_four(machines: int = 64) -> None:
    """A ring sums G bytes over P machines by sending 2 (P - 1) / P G bytes from each, in 2 (P - 1) messages one after another."""
    flops, delay = 5e11, 50e-6  # of a machine with 16 cores in float32, and of a message in a data centre
    print(f"{machines} machines of {flops:.0e} operations a second, {1e6 * delay:.0f} us a message")
    for gigabits in (1, 10, 100):
        for hidden, rows in ((64, 512), (256, 2048), (1024, 4096)):
            size = FEATURES * hidden + hidden * hidden + hidden * 3 * COMPONENTS + 2 * hidden + 3 * COMPONENTS
            compute = 6.0 * size * rows / flops
            moved = 2 * (machines - 1) / machines * 4 * (size + 2)
            summed = 8 * moved / (gigabits * 1e9) + 2 * (machines - 1) * delay
            share = compute / (compute + summed)
            needed = rows * summed / compute * 4
            print(
                f"{gigabits:>3} Gbit/s, 2 x {hidden}, {rows} rows a machine: {moved / 1e6:.2f} MB sent a step, compute "
                f"{1e3 * compute:.2f} ms, sum {1e3 * summed:.2f} ms, {share:.0%} of {machines} times one machine; 80 % need "
                f"{needed:,.0f} rows a machine a step"
            )


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("parts", nargs="*", help="curve, speed, kill, cluster or sixty-four; all by default")
    asked.add_argument("--small", action="store_true")
    given = asked.parse_args()
    parts = {"curve": curve, "speed": speed, "kill": kill, "cluster": cluster}
    for name in given.parts or [*parts, "sixty-four"]:
        sixty_four() if name == "sixty-four" else parts[name](given.small)


if __name__ == "__main__":
    import processes  # the other processes import this file by its name

    processes.main()
