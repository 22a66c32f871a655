"""The core beside keras-mdn-layer, in one run: loss and gradient, draws, and time to a good fit. Prints ratios.

    python benchmarks/core.py [--quick]

Timings are medians on whatever machine this is; a ratio is worth more than a time.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

GOOD_NLL = 1.40


# ---- loss and gradient -----------------------------------------------------------------------------------------------


def loss_and_gradient(calls: int) -> None:
    """NLL and its gradient by the parameters, under jit, calls of the three taking turns."""
    import jax
    import keras_mdn_layer

    import mdn

    rows, size, count = 32768, 8, 10
    rng = np.random.default_rng(0)
    wide = size * count
    params = jax.numpy.asarray(
        np.concatenate(
            [
                rng.normal(size=(rows, wide)),
                np.exp(0.3 * rng.normal(size=(rows, wide))),
                rng.normal(size=(rows, count)),
            ],
            axis=-1,
        ).astype("float32")
    )
    y = jax.numpy.asarray(rng.normal(size=(rows, size)).astype("float32"))
    peer_loss = keras_mdn_layer.get_mixture_loss_func(size, count)
    our_loss = mdn.NegativeLogLikelihood(mdn.MixtureSpec(mdn.NormalSpec(size), count))
    programs = {
        "mdn": jax.jit(jax.value_and_grad(lambda p, y: our_loss(y, p))),
        "keras-mdn-layer": jax.jit(jax.value_and_grad(lambda p, y: peer_loss(y, p))),
        "copying the parameters": jax.jit(lambda p, y: p * 1.0000001),
    }
    ours, theirs = (programs[name](params, y) for name in ("mdn", "keras-mdn-layer"))
    print(f"\nNLL + gradient, B={rows}, D={size}, K={count}, float32, jit; median of {calls} alternating calls")
    difference = abs(float(ours[0]) - float(theirs[0])), float(abs(ours[1] - theirs[1]).max() / abs(theirs[1]).max())
    print(f"  largest difference: value {difference[0]:.1e}, gradient {difference[1]:.1e} of its largest entry")
    times = {name: [] for name in programs}
    for program in programs.values():
        jax.block_until_ready(program(params, y))
    for _ in range(calls):
        for name, program in programs.items():
            start = time.perf_counter()
            jax.block_until_ready(program(params, y))
            times[name].append(time.perf_counter() - start)
    median = {name: float(np.median(values)) for name, values in times.items()}
    best = {name: min(values) for name, values in times.items()}
    for name in programs:
        print(f"  {name:24s} {1e3 * median[name]:7.2f} ms (best {1e3 * best[name]:.2f} ms)")
    print(f"  keras-mdn-layer / mdn    {median['keras-mdn-layer'] / median['mdn']:7.2f} x (target 2, hope 3)")
    print(f"  mdn / copying            {median['mdn'] / median['copying the parameters']:7.2f} x")


# ---- draws -----------------------------------------------------------------------------------------------------------


def draws(rows: int, peer_rows: int) -> None:
    """One draw for each row of parameters."""
    import jax
    import keras_mdn_layer

    import mdn

    size, count = 2, 5
    rng = np.random.default_rng(0)
    spec = mdn.MixtureSpec(mdn.NormalSpec(size), count)
    params = rng.normal(size=(rows, spec.params_size)).astype("float32")
    params[:, size * count : 2 * size * count] = np.exp(params[:, size * count : 2 * size * count])
    on_device = jax.numpy.asarray(params)

    def ours(seed):
        start = time.perf_counter()
        np.asarray(spec.sample(on_device, seed=seed))
        return time.perf_counter() - start

    first = ours(0)
    repeats = [ours(seed) for seed in range(1, 8)]

    def peer():
        start = time.perf_counter()
        for row in params[:peer_rows]:
            keras_mdn_layer.sample_from_output(row, size, count)
        return time.perf_counter() - start

    theirs = [peer() for _ in range(3)]
    each, other = float(np.median(repeats)) / rows, float(np.median(theirs)) / peer_rows
    print(f"\nDraws, D={size}, K={count}: one for each of {rows:,} rows (keras-mdn-layer: {peer_rows:,} rows)")
    print(f"  mdn                      {1e6 * each:9.4f} us a row (first call, with compilation: {first:.2f} s)")
    print(f"  keras-mdn-layer          {1e6 * other:9.4f} us a row")
    print(f"  keras-mdn-layer / mdn    {other / each:9.0f} x (target 500)")


# ---- time to a good fit ----------------------------------------------------------------------------------------------


def wave(count: int, seed: int):
    """The slides' inverse sine data: x and y of shape (count, 1)."""
    rng = np.random.default_rng(seed)
    y = rng.uniform(-10.5, 10.5, size=(count, 1))
    x = 7.0 * np.sin(0.75 * y) + 0.5 * y + rng.normal(size=y.shape)
    return x.astype("float32"), y.astype("float32")


def fit_ours(seed: int, epochs: int) -> dict:
    """Seconds, and the test NLL reached."""
    import keras

    import mdn

    x, y = wave(3000, seed)
    start = time.perf_counter()
    mdn.training.keep_compiled_programs()  # as `mdn demo` and `mdn fit` do first
    keras.utils.set_random_seed(seed)
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), 5)
    loss = mdn.NegativeLogLikelihood(spec)
    hidden = [keras.layers.Dense(15, activation="relu") for _ in range(2)]
    scaling = keras.layers.Normalization()
    scaling.adapt(x)
    model = keras.Sequential([keras.Input((1,)), scaling, *hidden, mdn.MDN(spec).adapt(y)])
    mdn.training.fit(model, x, y, loss, epochs=epochs, seed=seed)
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "epochs": epochs, "nll": _test_nll(model, loss)}


def fit_peer(seed: int, epochs: int) -> dict:
    """Seconds of training until the test NLL is good, looked at every ten epochs (the looking is not counted)."""
    import keras
    import keras_mdn_layer

    x, y = wave(3000, seed)
    keras.utils.set_random_seed(seed)
    start = time.perf_counter()
    hidden = [keras.layers.Dense(15, activation="relu") for _ in range(2)]
    model = keras.Sequential([keras.Input((1,)), *hidden, keras_mdn_layer.MDN(1, 10)])
    loss = keras_mdn_layer.get_mixture_loss_func(1, 10)
    model.compile(optimizer=keras.optimizers.Adam(), loss=loss)
    seconds, nll, done = time.perf_counter() - start, float("inf"), 0
    while done < epochs and nll > GOOD_NLL:
        start = time.perf_counter()
        model.fit(x, y, batch_size=128, epochs=10, verbose=0)
        seconds += time.perf_counter() - start
        done, nll = done + 10, _test_nll(model, loss)
    return {"seconds": seconds, "epochs": done, "nll": nll}


def _test_nll(model, loss) -> float:
    x, y = wave(20_000, 1000)
    return float(loss(y, model.predict(x, batch_size=20_000, verbose=0)))


def time_to_a_good_fit(seeds: int, epochs: int, peer_epochs: int) -> None:
    """Each in a process of its own: the first run with an empty cache of compiled programs, then a warm one."""
    print(
        f"\nThe slides' data to a test NLL of {GOOD_NLL} (best possible 1.2880); seconds after the imports, whole process"
    )
    rows = []
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as cache:
            row = {
                "first": _in_process("ours", seed, epochs, cache),
                "warm": _in_process("ours", seed, epochs, cache),
                "peer": _in_process("peer", seed, peer_epochs, cache),
            }
        rows.append(row)
        for name, label in (
            ("first", "mdn, first run"),
            ("warm", "mdn, warm"),
            ("peer", "keras-mdn-layer, K=10, Adam"),
        ):
            one = row[name]
            reached = "" if one["nll"] <= GOOD_NLL else "  (not reached)"
            print(
                f"  seed {seed}  {label:28s} {one['seconds']:6.2f} s, {one['process']:6.2f} s"
                f"   NLL {one['nll']:.4f} after {one['epochs']} epochs{reached}",
                flush=True,
            )
    for clock in ("seconds", "process"):
        median = {name: float(np.median([row[name][clock] for row in rows])) for name in rows[0]}
        what = "after the imports" if clock == "seconds" else "whole process"
        print(
            f"  median of {seeds} seeds, {what}: first {median['first'] / median['peer']:.2f} of keras-mdn-layer's time "
            f"(target 1), warm {median['warm'] / median['peer']:.3f} (target 0.2)"
        )


def _in_process(which: str, seed: int, epochs: int, cache: str) -> dict:
    command = [sys.executable, __file__, "--worker", which, str(seed), str(epochs)]
    start = time.perf_counter()
    ran = subprocess.run(
        command, env={**os.environ, "XDG_CACHE_HOME": cache}, capture_output=True, text=True, check=True
    )
    return {**json.loads(ran.stdout.splitlines()[-1]), "process": time.perf_counter() - start}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one seed and few calls")
    parser.add_argument("--worker", nargs=3, metavar=("WHICH", "SEED", "EPOCHS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        which, seed, epochs = arguments.worker
        print(json.dumps((fit_ours if which == "ours" else fit_peer)(int(seed), int(epochs))))
        return
    import jax
    import keras

    print(
        f"Python {platform.python_version()}, Keras {keras.__version__}, JAX {jax.__version__}, {os.cpu_count()} cores"
    )
    loss_and_gradient(10 if arguments.quick else 30)
    draws(100_000 if arguments.quick else 1_000_000, 500 if arguments.quick else 5000)
    time_to_a_good_fit(1 if arguments.quick else 5, 50, 200 if arguments.quick else 1000)


if __name__ == "__main__":
    main()
