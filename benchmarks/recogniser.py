"""A judge of handwriting that is no generator: a small recogniser (convolutions, two bidirectional LSTMs, CTC).

It learns from real lines only, and sees their ink alone: lines are resampled by their height, not by their text.

python benchmarks/recogniser.py --out recogniser.keras [--epochs 40] [--seed 0] [--start recogniser.keras --rate 1.5e-3]
"""

import argparse
import os
import time

os.environ.setdefault("KERAS_BACKEND", "jax")

import mdn  # isort: skip # noqa: F401 - first: it decides the backend
import keras
import numpy as np
from keras import layers, ops

from mdn import training
from mdn.applications.handwriting import data, usable
from mdn.applications.handwriting.text import Alphabet
from mdn.data import find, read_handwriting
from mdn.data.strokes import places_of
from mdn.sequences.ragged import bucket_lengths

STEP = 0.12  # of the height that most of a line's points lie within
SHRINK = 4  # points that become one step of the LSTMs
RATE = 3e-3  # of learning, at first


def features(line) -> np.ndarray:
    """`(T, 4)`: offsets in steps, whether the pen is lifted after them, height above the middle of the line."""
    line = np.asarray(line, "float64")
    low, high = np.quantile(places_of(line)[:, 1], (0.1, 0.9))
    step = STEP * max(high - low, 1e-9)
    drawn = np.concatenate([[True], line[:-1, 2] <= 0.5])
    length = float(np.sum(np.hypot(line[drawn, 0], line[drawn, 1])))
    fine = data.resampled(line, max(SHRINK, min(3000, round(length / step))))
    places = places_of(fine)[-len(fine) :]
    height = (places[:, 1] - np.median(places[:, 1])) / (high - low)
    return np.column_stack([np.clip(fine[:, :2] / step, -20, 20), fine[:, 2], np.clip(height, -3, 3)]).astype("float32")


def varied(line, rng) -> np.ndarray:
    lean, wide, high, turn = rng.normal(0, 0.15), *np.exp(rng.normal(0, 0.12, 2)), rng.normal(0, 0.03)
    return data.Frame(np.array([[wide, lean], [turn, high]])).apply(line)


class Lines(keras.utils.PyDataset):
    """Batches of lines of about one length, their texts as rows of numbers from 1, 0 behind the end."""

    def __init__(self, lines, texts, alphabet, size=32, seed=0, changed=True):
        super().__init__()
        self.lines, self.changed, self.size, self.rng = list(lines), changed, size, np.random.default_rng(seed)
        longest = max(map(len, texts))
        self.labels = np.zeros((len(texts), longest), "int32")
        for row, text in zip(self.labels, texts, strict=True):
            row[: len(text)] = [alphabet.characters.index(one) + 1 for one in text]
        # a changed line may be longer
        self.lengths = bucket_lengths([round(1.25 * len(features(line))) + 8 for line in self.lines], 5, size)
        self.on_epoch_end()

    def __len__(self):
        return len(self.plan)

    def __getitem__(self, index):
        length, rows = self.plan[index]
        batch = np.zeros((len(rows), length, 4), "float32")
        for one, row in zip(batch, rows, strict=True):
            line = varied(self.lines[row], self.rng) if self.changed else self.lines[row]
            found = features(line)[:length]
            one[: len(found)] = found
        return batch, self.labels[rows]

    def on_epoch_end(self):
        self.plan = []
        for length in np.unique(self.lengths):
            rows = self.rng.permutation(np.flatnonzero(self.lengths == length))
            rows = np.resize(rows, -(-len(rows) // self.size) * self.size)
            self.plan += [(int(length), part) for part in rows.reshape(-1, self.size)]
        self.rng.shuffle(self.plan)


def ctc(labels, logits):
    steps = ops.full((ops.shape(logits)[0],), ops.shape(logits)[1], dtype="int32")
    return ops.ctc_loss(labels, logits, ops.sum(ops.cast(labels > 0, "int32"), axis=1), steps, mask_index=0)


def network(size: int) -> keras.Model:
    x = inputs = keras.Input((None, 4))
    for filters in (64, 128):
        x = layers.Conv1D(filters, 5, strides=2, padding="same", activation="silu")(x)
    for _ in range(2):
        x = layers.Bidirectional(layers.LSTM(128, return_sequences=True))(layers.Dropout(0.2)(x))
    return keras.Model(inputs, layers.Dense(size + 1)(layers.Dropout(0.2)(x)))


def read(model, lines, alphabet) -> list[str]:
    """The likeliest label of each step, repetitions and blanks left out."""
    rows = [features(line) for line in lines]
    lengths = bucket_lengths([len(row) + SHRINK for row in rows], 4)
    found = [""] * len(rows)
    for length in np.unique(lengths):
        chosen = np.flatnonzero(lengths == length)
        batch = np.zeros((len(chosen), length, 4), "float32")
        for one, i in zip(batch, chosen, strict=True):
            one[: len(rows[i])] = rows[i]
        for i, best in zip(chosen, model.predict(batch, verbose=0, batch_size=64).argmax(-1), strict=True):
            kept = best[np.flatnonzero(np.diff(best, prepend=0))]
            found[i] = "".join(alphabet.characters[k - 1] for k in kept if k)
    return found


def distance(one: str, other: str) -> int:
    """Levenshtein's."""
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def error(read_texts, texts) -> float:
    """Mistakes a character."""
    return sum(map(distance, read_texts, texts)) / sum(map(len, texts))


def lines_of_unipen():
    path = find("handwriting", "unipen_lines.npz")
    return read_handwriting(path).with_split(path.with_name("split.json"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", default="recogniser.keras")
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", help="a recogniser to go on from")
    parser.add_argument("--rate", type=float, default=RATE, help="of learning, at first")
    settings = parser.parse_args()
    training.keep_compiled_programs()
    keras.utils.set_random_seed(settings.seed)
    lines = lines_of_unipen()
    known = usable(lines[lines.parts == "train"])
    known = known.divided(seed=0, valid=0.04)
    train, valid = known.part("train"), known.part("valid")
    alphabet = Alphabet.of(known.texts.tolist())
    batches = Lines(train, train.texts.tolist(), alphabet, seed=settings.seed)
    print(f"{len(train)} lines to learn from, {len(valid)} to choose the epoch by", flush=True)
    model = keras.saving.load_model(settings.start, compile=False) if settings.start else network(alphabet.size)
    rate = keras.optimizers.schedules.CosineDecay(settings.rate, len(batches) * settings.epochs, alpha=0.01)
    model.compile(keras.optimizers.Adam(rate, global_clipnorm=5.0), loss=ctc)
    best, start = 1.0, time.perf_counter()
    for epoch in range(settings.epochs):
        loss = model.fit(batches, epochs=1, verbose=0).history["loss"][0]
        value = error(read(model, valid, alphabet), valid.texts.tolist())
        print(f"{epoch} loss {loss:.2f} error {value:.3f}  {time.perf_counter() - start:.0f} s", flush=True)
        if value < best:
            best = value
            model.save(settings.out, include_optimizer=False)


if __name__ == "__main__":
    main()
