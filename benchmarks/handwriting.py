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
from mdn.applications.handwriting.generate import ANY

# bias and guidance, which is as much unless it is said
NEAT = ((0.0, 0.0), (0.5, 0.5), (0.7, 0.7), (1.0, 1.0), (1.0, 0.0))


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


def draw(model, folder: Path, seed: int) -> None:
    """Four hands at three biases, and what the window looked at."""
    text, hands = "The answer is a mixture", ("robie1", "rounc1", "phamd1", "rounp1")
    lines = [
        line
        for bias in (0.0, 0.5, 1.0)
        for line in handwriting.write(model, [text] * len(hands), bias=bias, style=list(hands), seed=seed).lines
    ]
    handwriting.write_page(folder / "handwriting.png", lines, handwriting.Page(width=150, height=None, margin=8))
    said = "Where is it reading?"
    made = handwriting.write(model, [said], bias=0.7, seed=seed)
    (weights,) = handwriting.windows(model, made.events, [said])
    figure = handwriting.pictures.window(weights, said).figure
    figure.savefig(folder / "handwriting-window.png", dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--recogniser", default="recogniser.keras")
    parser.add_argument("--predictor", type=Path, default=Path("predictor.keras"))
    parser.add_argument("--predictor-epochs", type=int, default=12, help="0: leave it out")
    parser.add_argument("--only-predictor", action="store_true")
    parser.add_argument("--hands", type=float, help="only this: mistakes of each hand, at this bias")
    parser.add_argument("--pictures", type=Path, help="only this: pictures of what it writes, into this folder")
    parser.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()
    training.keep_compiled_programs()
    if settings.pictures:
        draw(handwriting.load(settings.model), settings.pictures, settings.seed)
        return
    lines = judge.lines_of_unipen()
    test = lines[lines.parts == "test"]
    known = usable(lines[(lines.parts == "train") & (lines.sources == "lex")])
    known = known.divided(seed=0, valid=0.05)
    points = 16.0
    predictor = None
    if settings.predictor_epochs:
        predictor = predictor_of(settings.predictor, known, settings.predictor_epochs, points)
    if settings.only_predictor:
        return
    model = handwriting.load(settings.model)
    assert model.points == points
    rng = np.random.default_rng(settings.seed)
    reader = keras.saving.load_model(settings.recogniser, compile=False)
    learnt = usable(lines[lines.parts == "train"])
    alphabet = Alphabet.of(learnt.texts.tolist())
    if settings.hands:  # to choose the hand in which it writes by default; test lines are not looked at
        held = known.part("valid").texts.tolist()[:40]
        for hand in (*model.hands, ANY):
            made = handwriting.write(model, held, bias=settings.hands, style=hand, seed=settings.seed)
            wrong = judge.error(judge.read(reader, made.lines, alphabet), held)
            print(f"  hand {hand}, texts of the valid part, bias {settings.hands:g}: {wrong:.3f} mistakes a character")
        return

    print(f"nats a point of {len(test)} test lines, resampled to {points:g} points a character, in their own unit")
    print(f"  memoryless, given the pen   {evaluate.floor(known.part('train'), test, points):8.3f}")
    if predictor is not None:
        print(f"  predictor                   {evaluate.nll(predictor, test, points):8.3f}")
    wrong = [evaluate.shuffled(text, rng) for text in test.texts.tolist()]
    none = mdn.data.Handwriting(tuple(test), test.words)
    print(f"  given the text              {evaluate.nll(model, test):8.3f}")
    print(f"  given the text, not whose   {evaluate.nll(model, none):8.3f}")
    print(f"  given its letters shuffled  {evaluate.nll(model, test, texts=wrong):8.3f}")
    print(f"  given no text               {evaluate.nll(model, test, texts=[None] * len(test)):8.3f}")

    texts = held_out_texts(test, 200, settings.seed)
    print("a recogniser's mistakes a character")
    print(f"  real test lines             {judge.error(judge.read(reader, test, alphabet), test.texts.tolist()):.3f}")
    print("200 held-out texts: the recogniser's mistakes, and the window, shares of lines")
    for style in (None, ANY) if model.default_hand else (ANY,):
        for bias, guidance in NEAT:
            made = handwriting.write(model, texts, bias=bias, guidance=guidance, style=style, seed=settings.seed)
            found = judge.read(reader, made.lines, alphabet)
            other = [evaluate.shuffled(text, rng) for text in texts]
            shares = ", ".join(f"{name} {share:.3f}" for name, share in evaluate.readings(model, made, style).items())
            print(
                f"  hand {style or model.default_hand}, bias {bias:g}, guidance {guidance:g}: {judge.error(found, texts):.3f}, "
                f"against shuffled {judge.error(found, other):.3f}; {shares}",
                flush=True,
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
