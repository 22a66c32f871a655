"""Sequences beside peers, in one run: training steps, streaming steps, rollouts.

    python benchmarks/sequences.py [--rounds 7] [--only training streaming rollouts] [--keep-memory]

Needs `pip install torch keras-mdn-layer==1.0.0` and `pip install 'mdn[export]'` (what is missing is left out, and that is said).
Rounds of ours and the peers take turns, so that whatever else the machine does meets all of them; medians.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

import mdn
from mdn import training as mdn_training

DIMENSIONS, COMPONENTS = 8, 5
CASES = {"2×64, length 30, batch 64": (64, 30, 64, 40), "2×256, length 30, batch 100": (256, 30, 100, 8)}


def data(length, sequences):
    rng = np.random.default_rng(0)
    return rng.normal(size=(2, sequences, length, DIMENSIONS)).astype("float32")


# ---- training: each gives a function that makes an epoch of so many steps ----------------------------------------------


def ours(units, length, batch, steps):
    x, y = data(length, batch * steps)
    spec = mdn.MixtureSpec(mdn.NormalSpec(DIMENSIONS), COMPONENTS)
    model = mdn.MDNRNN(spec, units=(units, units), skip=False, lags=0).adapt(y[:batch])
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=mdn.NegativeLogLikelihood(spec))
    return _epoch(model, x, y, batch)


def keras_mdn_layer(units, length, batch, steps):
    import keras_mdn_layer as peer

    x, y = data(length, batch * steps)
    model = keras.Sequential(
        [
            keras.Input((length, DIMENSIONS)),
            keras.layers.LSTM(units, return_sequences=True),
            keras.layers.LSTM(units, return_sequences=True),
            keras.layers.TimeDistributed(peer.MDN(DIMENSIONS, COMPONENTS)),
        ]
    )
    loss = peer.get_mixture_loss_func(DIMENSIONS, COMPONENTS)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
    return _epoch(model, x, y, batch)


def _epoch(model, x, y, batch):
    # Keras' own fit for both: MDNRNN's would make batches of its own from sequences
    return lambda: keras.Model.fit(model, x, y, batch_size=batch, epochs=1, shuffle=False, verbose=0)


def torch_lstm(units, length, batch, steps):
    import torch
    from torch import distributions as d

    x, y = map(torch.as_tensor, data(length, batch * steps))
    lstm = torch.nn.LSTM(DIMENSIONS, units, num_layers=2, batch_first=True)
    head = torch.nn.Linear(units, COMPONENTS * (2 * DIMENSIONS + 1))
    optimizer = torch.optim.Adam([*lstm.parameters(), *head.parameters()], 1e-3)

    def step(x, y):
        loc, scale, logits = torch.split(
            head(lstm(x)[0]), [COMPONENTS * DIMENSIONS, COMPONENTS * DIMENSIONS, COMPONENTS], dim=-1
        )
        shape = (*loc.shape[:-1], COMPONENTS, DIMENSIONS)
        parts = d.Independent(
            d.Normal(loc.reshape(shape), torch.nn.functional.elu(scale.reshape(shape)) + 1.0 + 1e-6), 1
        )
        loss = -d.MixtureSameFamily(d.Categorical(logits=logits), parts).log_prob(y).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return lambda: [step(*part) for part in zip(x.split(batch), y.split(batch), strict=True)]


def training(rounds: int) -> None:
    print("Training steps in epochs, milliseconds each")
    for name, (units, length, batch, steps) in CASES.items():
        runs = {"mdn": ours, "keras-mdn-layer": keras_mdn_layer, "torch.nn.LSTM": torch_lstm}
        ready = {}
        for who, make in runs.items():
            try:
                ready[who] = make(units, length, batch, steps)
            except ImportError as error:
                print(f"  {who}: left out, {error}")
        for run in ready.values():
            run()  # compiles
        times = {who: [] for who in ready}
        for _ in range(rounds):
            for who, run in ready.items():
                start = time.perf_counter()
                run()
                times[who].append((time.perf_counter() - start) / steps * 1e3)
        median = {who: statistics.median(values) for who, values in times.items()}
        print(f"  {name}")
        for who, value in median.items():
            ratio = f"  mdn is {value / median['mdn']:.2f} times as fast" if who != "mdn" else ""
            print(f"    {who:16s} {value:8.2f}   ({min(times[who]):.2f} to {max(times[who]):.2f}){ratio}")
        # forward, and twice that backward
        flops = 3 * 2 * batch * length * 4 * units * (DIMENSIONS + units + 2 * units)
        rate = _sgemm()
        shares = ", ".join(f"{who} {flops / value / 1e6 / rate:.0%}" for who, value in median.items())
        print(f"    shares of the machine's SGEMM rate ({rate:.0f} GFLOP/s), products only: {shares}")


def _sgemm() -> float:
    """GFLOP/s of a large matrix product, by the backend's own."""
    import jax

    a = jax.numpy.ones((1536, 1536), "float32")
    product = jax.jit(lambda a: a @ a)
    product(a).block_until_ready()
    times = []
    for _ in range(7):
        start = time.perf_counter()
        product(a).block_until_ready()
        times.append(time.perf_counter() - start)
    return 2 * 1536**3 / statistics.median(times) / 1e9


# ---- streaming and rollouts ----------------------------------------------------------------------------------------------


def streaming(rounds: int) -> None:
    print(f"\nOne streaming step, 2×64, D = {DIMENSIONS}, K = {COMPONENTS}, batch 1, microseconds")
    spec = mdn.MixtureSpec(mdn.NormalSpec(DIMENSIONS), COMPONENTS)
    model = mdn.MDNRNN(spec, units=(64, 64), skip=False, lags=0).adapt(data(30, 64)[1])
    stream = model.stream(seed=0)
    event = np.zeros(DIMENSIONS, "float32")
    runs = {"mdn, with sampling": (lambda: stream.step(event), 40)}
    made = {
        "LiteRT, without sampling": (_litert_step, False),
        "LiteRT, with sampling": (_litert_step, True),
        "ONNX Runtime, with sampling": (_onnx_step, True),
    }
    with tempfile.TemporaryDirectory() as folder:
        for who, (make, sampler) in made.items():
            try:
                runs[who] = (make(model, Path(folder), sampler), 40)
            except ImportError as error:
                print(f"  {who}: left out, {error}")
    try:
        runs["keras-mdn-layer, predict and sample"] = (_peer_step(), 2)
    except ImportError as error:
        print(f"  keras-mdn-layer: left out, {error}")
    times = {who: [] for who in runs}
    # short bursts, many of them: the median is then of a time in which nobody else had the core
    for _ in range(30 * rounds):
        for who, (run, steps) in runs.items():
            run()
            start = time.perf_counter()
            for _ in range(steps):
                run()
            times[who].append((time.perf_counter() - start) / steps * 1e6)
    median = {who: statistics.median(values) for who, values in times.items()}
    first = median["mdn, with sampling"]
    for who, value in median.items():
        ratio = f"  mdn takes {first / value:.3f} of its time" if value != first else ""
        print(f"  {who:36s} {value:10.1f}   (best tenth {np.percentile(times[who], 10):.1f}){ratio}")


def rollouts(rounds: int) -> None:
    spec = mdn.MixtureSpec(mdn.NormalSpec(DIMENSIONS), COMPONENTS)
    model = mdn.MDNRNN(spec, units=(64, 64), skip=False, lags=0).adapt(data(30, 64)[1])
    print("\nRollouts, microseconds a step, batch 1")
    found = {100: [], 1000: [], 10_000: []}
    for steps in found:
        model.generate(steps, seed=0)
    # in turns, the short ones more often: what else the machine does meets all of them
    for _ in range(3 * rounds):
        for steps, times in found.items():
            for _ in range(max(1, 1000 // steps)):
                start = time.perf_counter()
                model.generate(steps, seed=0)
                times.append(time.perf_counter() - start)
    median = {steps: statistics.median(times) for steps, times in found.items()}
    for steps, value in median.items():
        print(
            f"  {steps:6d} steps {value / steps * 1e6:8.2f}   (best tenth {np.percentile(found[steps], 10) / steps * 1e6:.2f})"
        )
    slope = np.polyfit(*np.log(list(median.items())).T, 1)[0]
    print(f"  slope of log time over log steps: {slope:.2f}")


def _peer_step():
    import keras_mdn_layer as peer

    model = keras.Sequential(
        [
            keras.Input((1, DIMENSIONS), batch_size=1),
            keras.layers.LSTM(64, return_sequences=True, stateful=True),
            keras.layers.LSTM(64, stateful=True),
            peer.MDN(DIMENSIONS, COMPONENTS),
        ]
    )
    event = np.zeros((1, 1, DIMENSIONS), "float32")

    return lambda: peer.sample_from_output(model.predict(event, verbose=0)[0], DIMENSIONS, COMPONENTS)


def _litert_step(model, folder, sampler):
    """A step as a user of LiteRT makes it: arrays in, invoke, arrays out."""
    from ai_edge_litert.interpreter import Interpreter

    path = folder / f"step{sampler}.tflite"
    given = _given(mdn.export(model, path, sampler=sampler))
    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    places = {one["name"]: one["index"] for one in interpreter.get_input_details()}
    found = {one["name"]: one["index"] for one in interpreter.get_output_details()}
    wanted = found["next_event" if sampler else "params"]
    given = {places[name]: value for name, value in given.items()}

    def run():
        for place, value in given.items():
            interpreter.set_tensor(place, value)
        interpreter.invoke()
        given[places["state"]] = interpreter.get_tensor(found["next_state"])
        return interpreter.get_tensor(wanted)

    return run


def _onnx_step(model, folder, sampler):
    import onnxruntime

    path = folder / "step.onnx"
    given = _given(mdn.export(model, path, sampler=sampler))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options)

    def run():
        event, given["state"], _ = session.run(None, given)
        return event

    return run


def _given(said):
    """Noise, temperatures of 1, an event of zeros, and a state in which nothing happened."""
    rng = np.random.default_rng(0)
    found = {one["name"]: np.zeros(one["shape"], "float32") for one in said["inputs"]}
    for name in found:
        if name == "uniforms":
            found[name] = rng.random(found[name].shape).astype("float32")
        elif name.endswith("temperature"):
            found[name] = np.ones((), "float32")
    return found


def main() -> None:
    parts = {"training": training, "streaming": streaming, "rollouts": rollouts}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=parts, default=list(parts), help="some parts only")
    parser.add_argument("--keep-memory", action="store_true", help="as `mdn train` does, for all in this process")
    given = parser.parse_args()
    if given.keep_memory:
        mdn_training.keep_memory()
    for name in given.only:
        parts[name](given.rounds)


if __name__ == "__main__":
    main()
