"""What a Joint of "which values moved" and "how far" is worth: the shipped instrument beside floors, a plain MDNRNN and IMPSY.

    python benchmarks/instrument.py [--out instrument.jsonl] [--impsy PYTHON --minutes 25] [--models joint plain ...]
    python benchmarks/instrument.py --table instrument.jsonl

Needs the data set impsy. All figures are nats an event of (log dt, values) given the past of the performance, from its second
event on; dt is held to [0.0004, 60], and each value spread over its step of 1/128 anew at each event (seed 0): lower is better.
A result is one line of JSON, written as soon as it is there; what stands in the file already is not run again. Models of IMPSY
are kept in folders beside the file.

- joint: the weights that come with mdn, or those of `--file`.
- likeness: how what it plays compares with real performances, beside real ones compared with each other.
- floors: the same Joint that sees nothing (memoryless), or the last two events and the values (order 2).
- plain: an MDNRNN of one mixture of normals over (log dt, values), with our units, components, epochs and batches.
- impsy-s, impsy-m: IMPSY's own models of sizes s and m. `--impsy` names the Python of an environment with `pip install impsy`,
  where its own `train_mdrnn` learns from the same part with the defaults of `impsy train`, for `--minutes` of processor time at
  most.
"""

import argparse
import json
import os
import subprocess
import time
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import numpy as np

import mdn
from mdn.applications.chapter import chapter
from mdn.applications.instrument import evaluate, report
from mdn.applications.instrument.events import cut
from mdn.applications.instrument.model import SHIPPED
from mdn.sequences.plan import batching

MODELS = ("joint", "likeness", "floors", "plain", "impsy-s", "impsy-m")
NAMES = {
    "joint": "Joint of moved, value and time",
    "memoryless": "the same Joint, memoryless",
    "order 2": "the same Joint, order 2",
    "plain": "a plain MDNRNN",
    "impsy-s": "IMPSY, size s",
    "impsy-m": "IMPSY, size m",
}
ONCE = ", read only once"
IMPSY_EPOCHS = 100  # at most, the default of `impsy train`


def spread(performances, steps, rng):
    """(log dt, values) of each event, values spread anew over their steps."""
    found = []
    for one in performances:
        values = one[:, 1:] + rng.uniform(-0.5, 0.5, one[:, 1:].shape) / steps
        found.append(np.concatenate([np.log(one[:, :1]), values], axis=1).astype("float32"))
    return found


def plain(parts, part, model, epochs, seed=0):
    """NLL of an MDNRNN of one mixture over (log dt, values), and what is to be said about it."""
    keras.utils.set_random_seed(seed)
    steps, rng = np.array(model.steps), np.random.default_rng(seed)
    pieces = cut(parts["train"])
    spec = mdn.MixtureSpec(mdn.NormalSpec(1 + model.size), model.components)
    network = mdn.MDNRNN(spec, units=model.units, dropout=model.rate).adapt(spread(pieces, steps, rng))
    batch_size, window = batching([len(piece) for piece in pieces])
    began, busy = time.perf_counter(), time.process_time()
    network.fit(
        pieces, spread(parts["valid"], steps, rng), epochs=epochs, batch_size=batch_size, window=window, buckets=6,
        encode=lambda piece, rng: spread([piece], steps, rng)[0], seed=seed, verbose=0,
    )  # fmt: skip
    took = {"seconds": time.perf_counter() - began, "processor seconds": time.process_time() - busy}
    scores = network.log_prob(spread(parts[part], steps, np.random.default_rng(0)))
    nll = -float(np.mean(np.concatenate([one[1:] for one in scores])))
    return nll, {"epochs": epochs, **took, "parameters": network.count_params()}


def impsy(python, parts, part, model, size, minutes, folder):
    """NLL of IMPSY's own model, trained and scored in its own environment, and what is to be said about it."""
    folder.mkdir(exist_ok=True)
    for name, performances in (("learn", parts["train"]), ("judge", parts[part])):
        arrays = np.empty(len(performances), object)
        arrays[:] = [one.astype("float32") for one in performances]
        np.savez(folder / f"{name}.npz", perfs=arrays)
    np.savez(folder / "spread.npz", *spread(parts[part], np.array(model.steps), np.random.default_rng(0)))
    script = Path(__file__).with_name("instrument_impsy.py")
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "PYTHONPATH": ""}
    subprocess.run([python, script, folder, size, str(IMPSY_EPOCHS), str(minutes)], env=environment, check=True)
    with np.load(folder / "scores.npz") as file:
        scores = np.concatenate([file[name] for name in file.files])
    said = {**json.loads((folder / "training.json").read_text()), "worst event": -float(scores.min())}
    return -float(np.mean(scores)), said


def joint(parts, part, model, path):
    """NLL of our model, and what is to be said about it."""
    described = json.loads(path.with_suffix(".json").read_text())
    said = {
        "epochs": described["epochs"],
        "seconds": described["seconds of training"],
        "parameters": model.count_params(),
    }
    return evaluate.nll(model, parts[part]), said


def likeness(parts, part, model):
    """The figures of `evaluate` on what the model plays."""
    halves = evaluate.likeness_of_halves(model, parts["train"])
    once = evaluate.likeness_of_going_on(model, parts[part], recall=False)
    return {
        **evaluate.likeness_of_play(model, parts["train"]),
        **{f"{name}, real halves": value for name, value in halves.items()},
        **evaluate.likeness_of_going_on(model, parts[part]),
        **{f"{name}{ONCE}": value for name, value in once.items() if not name.endswith("real")},
    }


def floors(parts, part, model):
    """NLL of the Joint that sees nothing and of the one that sees two events, and what is to be said about them."""
    began, busy = time.perf_counter(), time.process_time()
    found = evaluate.floors(model, parts["train"], parts[part])
    took = {"seconds": time.perf_counter() - began, "processor seconds": time.process_time() - busy}
    return [(name.removeprefix("test NLL, "), nll, took) for name, nll in found.items()]


def run(options) -> None:
    """Computes what `--out` does not hold yet."""
    instrument = chapter("instrument")
    parts = instrument.split(instrument.read(), 0)
    model = instrument.load(options.file)
    versions = {name: version(name) for name in ("mdn", "keras", "jax")}
    done = {(line["model"], line["part"]) for line in results(options.out)}
    for name in options.models:
        lines = ("memoryless", "order 2") if name == "floors" else (name,)
        if all((line, options.part) in done for line in lines):
            continue
        if name == "likeness":
            write(options.out, {"model": name, "part": options.part, "figures": likeness(parts, options.part, model)})
            continue
        if name == "joint":
            found = [(name, *joint(parts, options.part, model, options.file))]
        elif name == "floors":
            found = floors(parts, options.part, model)
        elif name == "plain":
            found = [(name, *plain(parts, options.part, model, options.epochs))]
        elif options.impsy:
            size = name.removeprefix("impsy-")
            folder = options.out.with_name(f"{options.out.stem}-{name}")
            found = [(name, *impsy(options.impsy, parts, options.part, model, size, options.minutes, folder))]
        else:
            continue
        for each, nll, said in found:
            write(options.out, {"model": each, "part": options.part, "nll": nll, "versions": versions, **said})
            print(f"{NAMES[each]}: {nll:.3f}", flush=True)


def write(path: Path, line: dict) -> None:
    """Adds a result to a file."""
    with open(path, "a") as file:
        file.write(json.dumps(line) + "\n")


def results(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(path: Path, part: str) -> None:
    """Prints the results of a file, each beside the Joint."""
    found = {line["model"]: line for line in results(path) if line["part"] == part}
    print(
        f"{part + ' NLL, nats an event':34s}      NLL   behind the Joint      epochs   seconds   of processor time   parameters"
    )
    for name, title in NAMES.items():
        if name in found:
            line = found[name]
            behind = f"{line['nll'] - found['joint']['nll']:+.3f}" if "joint" in found else ""
            epochs = f"{line.get('epochs', '')}{' (clock)' if line.get('ended by the clock') else ''}"
            print(
                f"{title:34s} {line['nll']:8.3f} {behind:>18s} {epochs:>11s} {line['seconds']:>9.0f} "
                f"{line.get('processor seconds', float('nan')):>19.0f} "
                f"{line.get('parameters', ''):>12}"
                + (f"   worst event {line['worst event']:.0f}" if "worst event" in line else "")
            )
    if "likeness" in found:
        figures = found.pop("likeness")["figures"]
        print(f"\n{'likeness':50s} {'played':>8s} {'real ones':>12s}")
        once = [(name, f"{value:.3f}", "") for name, value in figures.items() if name.endswith(ONCE)]
        for name, played, real in [*report.likeness(figures), *once]:
            print(f"{name:50s} {played:>8s} {real:>12s}")
    print("versions:", {name: one for line in found.values() for name, one in line["versions"].items()})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--part", choices=("valid", "test"), default="test")
    parser.add_argument("--file", type=Path, default=SHIPPED, help="of `mdn train instrument`, with its .json")
    parser.add_argument("--epochs", type=int, default=30, help="of the plain MDNRNN")
    parser.add_argument("--impsy", help="the Python of an environment with impsy; without it its models are left out")
    parser.add_argument(
        "--minutes",
        type=float,
        default=0.0,
        help="of processor time, after which a training of IMPSY ends early; 0: never",
    )
    parser.add_argument("--out", type=Path, default=Path("instrument.jsonl"))
    parser.add_argument("--table", type=Path, help="print the table of this file and stop")
    options = parser.parse_args()
    if options.table is None:
        run(options)
    table(options.table or options.out, options.part)


if __name__ == "__main__":
    main()
