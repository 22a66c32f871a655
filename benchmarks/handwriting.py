"""What the network that writes is worth, all on lines and texts that were not learnt from.

python benchmarks/recogniser.py --out recogniser.keras
python benchmarks/handwriting.py --recogniser recogniser.keras [--model handwriting.keras] [--predictor-epochs 12]

Without a predictor's file one is trained first, and kept there.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import mdn  # isort: skip - first: it decides the backend
import keras
import numpy as np
import recogniser as judge
from timing import median

from mdn import training
from mdn.applications import handwriting
from mdn.applications.handwriting import Alphabet, evaluate, usable
from mdn.applications.handwriting import train as lessons

BIASES = (0.0, 0.5, 0.7, 1.0)


def held_out_texts(lines, count: int, seed: int) -> list[str]:
    """Texts that are in the test part only, and, if these are too few, others of their words."""
    rng = np.random.default_rng(seed)
    found = sorted(set(lines.texts.tolist()))
    found = [found[i] for i in rng.permutation(len(found))][:count]
    words = [word for text in found for word in text.split()]
    while len(found) < count:
        text = " ".join(rng.choice(words, 6))
        found.append(text[: max(text.rfind(" ", 0, 34), 12)].strip())
    return found


def predictor_of(path: Path, lines, epochs: int, points: float) -> mdn.MDNRNN:
    if not path.exists():
        learn, held = (lines.part(name) for name in ("train", "valid"))
        start, used = time.perf_counter(), time.process_time()
        told = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs: print(f"predictor: epoch {epoch}, {logs['val_nll']:.3f}", flush=True)
        )
        model = lessons.train_predictor(learn, held, epochs=epochs, points=points, callbacks=[told])
        mdn.models.save_plain(model, path)
        print(f"predictor: {time.perf_counter() - start:.0f} s, {time.process_time() - used:.0f} s of processors")
    return mdn.load(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--recogniser", default="recogniser.keras")
    parser.add_argument("--predictor", type=Path, default=Path("predictor.keras"))
    parser.add_argument("--predictor-epochs", type=int, default=12)
    parser.add_argument("--only-predictor", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()
    training.keep_compiled_programs()
    lines = judge.lines_of_unipen()
    test = lines[lines.parts == "test"]
    known = usable(lines[(lines.parts == "train") & (lines.sources == "lex")])
    known = known.divided(seed=0, valid=0.05)
    points = 16.0
    predictor = predictor_of(settings.predictor, known, settings.predictor_epochs, points)
    if settings.only_predictor:
        return
    model = handwriting.load(settings.model)
    assert model.points == points
    rng = np.random.default_rng(settings.seed)

    print(f"nats a point of {len(test)} test lines, resampled to {points:g} points a character, in their own unit")
    print(f"  memoryless, given the pen   {evaluate.floor(known.part('train'), test, points):8.3f}")
    print(f"  predictor                   {evaluate.nll(predictor, test, points):8.3f}")
    wrong = [evaluate.shuffled(text, rng) for text in test.texts.tolist()]
    none = mdn.data.Handwriting(tuple(test), test.words)
    print(f"  given the text              {evaluate.nll(model, test):8.3f}")
    print(f"  given the text, not whose   {evaluate.nll(model, none):8.3f}")
    print(f"  given its letters shuffled  {evaluate.nll(model, test, texts=wrong):8.3f}")

    texts = held_out_texts(test, 200, settings.seed)
    written = {bias: handwriting.write(model, texts, bias=bias, seed=settings.seed) for bias in BIASES}
    print("the window over 200 held-out texts, shares of lines")
    for bias, made in written.items():
        shares = ", ".join(f"{name} {share:.3f}" for name, share in evaluate.readings(model, made).items())
        print(f"  bias {bias:g}: {shares}")

    reader = keras.saving.load_model(settings.recogniser, compile=False)
    learnt = usable(lines[lines.parts == "train"])
    alphabet = Alphabet.of(learnt.texts.tolist())
    print("a recogniser's mistakes a character")
    print(f"  real test lines             {judge.error(judge.read(reader, test, alphabet), test.texts.tolist()):.3f}")
    for bias, made in written.items():
        found = judge.read(reader, made.lines, alphabet)
        other = [evaluate.shuffled(text, rng) for text in texts]
        print(
            f"  samples, bias {bias:g}: {judge.error(found, texts):.3f}, against shuffled {judge.error(found, other):.3f}"
        )

    line = "Forty characters of text, on just a line"
    assert len(line) == 40
    handwriting.write(model, [line], seed=0)
    print(
        f"a line of 40 characters: {1e3 * median(7, lambda seed: handwriting.write(model, [line], seed=seed)):.0f} ms"
    )
    hundred = [line] * 100
    handwriting.write(model, hundred, seed=0)
    print(f"100 such lines: {median(5, lambda seed: handwriting.write(model, hundred, seed=seed)):.2f} s")


if __name__ == "__main__":
    main()
