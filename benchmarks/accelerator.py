"""A GPU, in one run of at most four minutes: loss, training steps, rollouts, and a million rows; beside torch on the same card.

    python benchmarks/accelerator.py [--small] [--seconds 240]

`make accelerator-wheels` says what it needs. Ours and torch's rounds take turns; medians, and ratios, which are worth more than
times. A part for which no time is left is left out, and that is said. Float32, with matrix products as JAX makes them (TF32, if
the card has it), and torch set to the same. `--small` tries all of it on any machine in a few seconds.
"""

import argparse
import os
import platform
import statistics
import subprocess
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

import jax
import keras
import numpy as np

import mdn
from mdn import training

try:
    import torch
except ImportError:
    torch = None

ROUNDS = 7


class Clock:
    """How much of the run is left."""

    def __init__(self, seconds: float):
        self._end = time.perf_counter() + seconds

    def left(self) -> float:
        return self._end - time.perf_counter()

    def medians(self, share: float, programs: dict) -> dict[str, float]:
        """Seconds of each program: the median of rounds in which all take turns, until a share of what is left has passed."""
        end = time.perf_counter() + share * self.left()
        times: dict[str, list[float]] = {name: [] for name in programs}
        for name, run in programs.items():
            start = time.perf_counter()
            run()  # compiles
            print(f"  {name:8s} first call {time.perf_counter() - start:8.3f} s", flush=True)
        for done in range(ROUNDS):
            if done and time.perf_counter() > end:
                break
            for name, run in programs.items():
                start = time.perf_counter()
                run()
                times[name].append(time.perf_counter() - start)
        return {name: statistics.median(some) for name, some in times.items()}


def beside(found: dict[str, float], count: float, unit: str, what: str) -> None:
    """Prints each time for one of `count`, and by how much torch takes longer."""
    for name, seconds in found.items():
        print(f"  {name:8s} {seconds / count * unit_of(unit):10.3f} {unit} a {what}")
    if "torch" in found:
        print(f"  torch / mdn {found['torch'] / found['mdn']:7.2f} x", flush=True)


def unit_of(unit: str) -> float:
    return {"ms": 1e3, "us": 1e6}[unit]


def torch_nll(raw, y, size, count):
    """The NLL that a user of torch writes, from raw outputs `(rows, count * (2 * size + 1))`."""
    d = torch.distributions
    loc, scale, logits = torch.split(raw, [count * size, count * size, count], dim=-1)
    shape = (*raw.shape[:-1], count, size)
    scale = torch.nn.functional.softplus(scale.reshape(shape)) + 1e-6
    parts = d.Independent(d.Normal(loc.reshape(shape), scale, validate_args=False), 1, validate_args=False)
    mixing = d.Categorical(logits=logits, validate_args=False)
    return -d.MixtureSameFamily(mixing, parts, validate_args=False).log_prob(y).mean()


def torch_device():
    return "cuda" if torch.cuda.is_available() else "cpu"


def torch_waits() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


# ---- the parts -------------------------------------------------------------------------------------------------------


def loss_and_gradient(clock: Clock, small: bool) -> None:
    """NLL of a mixture and its gradient by the raw outputs of a network."""
    rows, size, count, calls = (512, 2, 3, 2) if small else (262_144, 8, 10, 20)
    print(f"\nNLL and gradient, {rows:,} rows, D={size}, K={count}")
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(rows, count * (2 * size + 1))).astype("float32")
    y = rng.normal(size=(rows, size)).astype("float32")
    spec = mdn.MixtureSpec(mdn.NormalSpec(size), count)
    loss, wide = mdn.NegativeLogLikelihood(spec), count * size

    def cost(raw, y):
        constrained = jax.numpy.concatenate(
            [raw[:, :wide], jax.nn.softplus(raw[:, wide : 2 * wide]) + 1e-6, raw[:, 2 * wide :]], axis=-1
        )
        return loss(y, constrained)

    program, ours = jax.jit(jax.value_and_grad(cost)), (jax.device_put(raw), jax.device_put(y))

    def mdn_calls():
        for _ in range(calls):
            value = program(*ours)
        jax.block_until_ready(value)

    programs = {"mdn": mdn_calls}
    if torch is not None:
        theirs = torch.tensor(raw, device=torch_device(), requires_grad=True)
        targets = torch.tensor(y, device=torch_device())

        def torch_calls():
            for _ in range(calls):
                torch.autograd.grad(torch_nll(theirs, targets, size, count), theirs)
            torch_waits()

        programs["torch"] = torch_calls
        value, slope = program(*ours)
        other = torch_nll(theirs, targets, size, count)
        slope_there = torch.autograd.grad(other, theirs)[0].cpu().numpy()
        apart = np.abs(np.asarray(slope) - slope_there).max() / np.abs(slope_there).max()
        print(f"  apart: values {abs(float(value) - float(other)):.1e}, gradients {apart:.1e} of the largest entry")
    beside(clock.medians(0.12, programs), calls, "ms", "call")


def steps(clock: Clock, small: bool, units: int) -> None:
    """Training steps of two hidden layers, as `mdn.training.fit` makes them and as a loop of torch does."""
    rows, features, count, batch, epochs = (512, 4, 3, 128, 1) if small else (131_072, 32, 10, 1024, 4)
    print(f"\nTraining steps, 2 × {units}, {features} features, K={count}, batches of {batch:,} rows, Adam")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows, features)).astype("float32")
    y = (x[:, :1] + rng.normal(size=(rows, 1))).astype("float32")
    spec = mdn.MixtureSpec(mdn.NormalSpec(1), count)
    hidden = [keras.layers.Dense(units, activation="silu") for _ in range(2)]
    model, loss = keras.Sequential([keras.Input((features,)), *hidden, mdn.MDN(spec)]), mdn.NegativeLogLikelihood(spec)
    made = epochs * rows // batch

    def mdn_epochs():
        training.fit(model, x, y, loss, epochs=epochs, batch_size=batch, learning_rate=1e-3)

    programs = {"mdn": mdn_epochs}
    if torch is not None:
        nn, device = torch.nn, torch_device()
        net = nn.Sequential(
            nn.Linear(features, units), nn.SiLU(), nn.Linear(units, units), nn.SiLU(), nn.Linear(units, 3 * count)
        ).to(device)
        there, targets = torch.tensor(x, device=device), torch.tensor(y, device=device)
        # one kernel for all weights, where torch has it
        optimizer = torch.optim.Adam(net.parameters(), 1e-3, fused=device == "cuda")

        def torch_epochs():
            for _ in range(epochs):
                for part in torch.randperm(rows, device=device).split(batch):
                    optimizer.zero_grad(set_to_none=True)
                    torch_nll(net(there[part]), targets[part], 1, count).backward()
                    optimizer.step()
            torch_waits()

        programs["torch"] = torch_epochs
    beside(clock.medians(0.25, programs), made, "us", "step")


def rollouts(clock: Clock, small: bool) -> None:
    """New sequences of a network of two LSTM layers, in one compiled loop."""
    sequences, length, units = (16, 5, 4) if small else (4096, 100, 256)
    print(f"\nRollouts, {sequences:,} sequences of {length} events at once, two LSTMs of {units} units, D=2, K=5")
    model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(2), 5), units=(units, units), lags=0)
    found = clock.medians(0.4, {"mdn": lambda: model.generate(length, batch_size=sequences, seed=0)})
    beside(found, length, "ms", f"step of {sequences:,} events")


def a_million_rows(clock: Clock, small: bool) -> None:
    """MDNRegressor on a table whose best possible NLL is known."""
    rows, epochs = (600, 2) if small else (1_000_000, 5)
    print(f"\nMDNRegressor, {rows:,} rows of 20 numbers, {epochs} epochs")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(rows + 10_000, 20)).astype("float32")
    scale = 0.2 + 0.3 / (1.0 + np.exp(-x[:, 1]))
    y = np.sin(x[:, 0]) + scale * rng.normal(size=len(x))
    model = mdn.MDNRegressor(
        num_components=3,
        hidden_sizes=(8,) if small else (256, 256),
        batch_size=64 if small else 4096,
        epochs=epochs,
        random_state=0,
    )
    start = time.perf_counter()
    model.fit(x[:rows], y[:rows])
    seconds = time.perf_counter() - start
    best = float(np.mean(np.log(scale[rows:]))) + 0.5 * (1.0 + np.log(2.0 * np.pi))
    nll = -float(np.mean(model.log_prob(x[rows:], y[rows:])))
    print(f"  mdn      {seconds:8.2f} s for all of fit, {rows * epochs / seconds:,.0f} rows a second with compilation")
    print(f"  test NLL {nll:.4f}; best possible {best:.4f}", flush=True)


# ---- the run ---------------------------------------------------------------------------------------------------------


def card() -> str:
    """The accelerator's name, and its driver if nvidia-smi says it."""
    name = jax.devices()[0].device_kind
    try:
        asked = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
        said = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout.split("\n")[0]
    except (OSError, subprocess.SubprocessError):
        return name
    return f"{name} ({said})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", action="store_true", help="tiny sizes, on any machine")
    parser.add_argument("--seconds", type=float, default=240.0, help="how long the run takes at most")
    arguments = parser.parse_args()
    clock, small = Clock(arguments.seconds), arguments.small
    if jax.default_backend() == "cpu" and not small:
        raise SystemExit("JAX finds no accelerator here, only a CPU: install jax[cuda], or try --small.")
    versions = (
        f"Python {platform.python_version()}, JAX {jax.__version__}, Keras {keras.__version__}, mdn {mdn.__version__}"
    )
    print(f"{card()}; {versions}, torch {'is missing: left out' if torch is None else torch.__version__}")
    if torch is not None:
        torch.set_float32_matmul_precision("high")
    parts = {
        "NLL and gradient": (15, lambda: loss_and_gradient(clock, small)),
        "steps of 2 × 256": (30, lambda: steps(clock, small, 8 if small else 256)),
        "steps of 2 × 1024": (30, lambda: steps(clock, small, 16 if small else 1024)),
        "rollouts": (30, lambda: rollouts(clock, small)),
        "a million rows": (60, lambda: a_million_rows(clock, small)),
    }
    for name, (needed, run) in parts.items():
        if not small and clock.left() < needed:
            print(f"\n{name}: left out, since {clock.left():.0f} s are left and it may take {needed} s")
            continue
        run()
    print(f"\n{arguments.seconds - clock.left():.0f} s of {arguments.seconds:.0f} s")


if __name__ == "__main__":
    main()
