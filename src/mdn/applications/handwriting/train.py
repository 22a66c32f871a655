"""Training to predict handwriting, and to write; and what that is worth: nats a point in the unit of lines, beside a floor."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

import mdn
from mdn.applications.handwriting import data
from mdn.applications.handwriting.model import Handwriter, spec_of
from mdn.applications.handwriting.text import Alphabet
from mdn.data import Handwriting
from mdn.data.hershey import hershey_lines
from mdn.sequences import adam, muon
from mdn.training import ctrl_c_waits

FEWEST = 25  # lines by which a hand can be learnt
_LEAN, _STRETCH = 0.1, 0.1  # standard deviations of how lines are changed
_PIECE, _HELD = (9, 15), 64  # characters of the lines to rehearse with; how many of these choose the epoch
# a network that knows nothing learns far faster by Adam: after two epochs in fonts -1.19 nats, by Muon 0.25
_FROM_NOTHING: dict[str, Any] = {"optimizer": adam, "learning_rate": 2e-3}
_SPARE = 8  # points that a changed line may have more than the line itself


def prepared(
    lines: Handwriting, points: float | None = None, grid: float = 0.0, seed: int = 0, **frame
) -> tuple[list[np.ndarray], list[data.Frame]]:
    """(events `(T_i, 3)`, frames) of lines.

    Args:
        lines: In their own units.
        points: For each character of the text, if lines are to be resampled; then there is no grid.
        grid: The step of the grid on which offsets lie, 1 for integers; they are spread over its cells.
        seed: Of that.
        **frame: As `frame_of` takes it.
    """
    rng = np.random.default_rng(seed)
    if points is not None:
        texts = lines.texts.tolist()
        drawn: Sequence = [
            data.resampled(one, round(points * len(text))) for one, text in zip(lines, texts, strict=True)
        ]
    else:
        drawn = lines
    frames = [data.frame_of(one, **frame) for one in drawn]
    spread = grid if points is None else 0.0
    return [data.events(one, own, spread, rng) for one, own in zip(drawn, frames, strict=True)], frames


# ---- learning --------------------------------------------------------------------------------------------------------


def train(
    lines: Handwriting,
    held_out: Handwriting,
    *,
    epochs: int = 18,
    rehearsals: int = 6,
    points: float = 16.0,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
    **architecture,
) -> Handwriter:
    """A model that writes any text; the epoch that is best on `held_out` is kept.

    It begins with short lines in fonts of single strokes: their letters are so even that the window learns in minutes to go
    from letter to letter, which takes hours where every hand is another. The hands come afterwards.

    Args:
        lines: To learn from, with their texts.
        held_out: To choose the epoch by; never learned from.
        epochs: At most.
        rehearsals: Epochs before them, with lines in fonts.
        points: For each character of a text.
        seed: Of weights, order and how lines are changed anew each epoch.
        callbacks: Told of each epoch.
        checkpoint: A folder, as in `MDNRNN.fit`; both parts of the training have their own in it.
        **architecture: Of `Handwriter`.
    """
    keras.utils.set_random_seed(seed)
    texts = lines.texts.tolist() + held_out.texts.tolist()
    names, counts = np.unique(lines.writers[lines.writers != ""], return_counts=True)
    hands = names[counts >= FEWEST].tolist()
    model = Handwriter(Alphabet.of(texts).characters, hands, points=points, **architecture)
    model.adapt(prepared(lines, points)[0])
    with ctrl_c_waits():
        if rehearsals:
            kept = _within(checkpoint, "rehearsal")
            rehearse(model, lines.texts.tolist(), epochs=rehearsals, seed=seed, callbacks=callbacks, checkpoint=kept)
        # compiled: it has rehearsed, which it has not where fonts lack too many of the texts
        rehearsed = model.compiled
        beginner = {} if rehearsed else _FROM_NOTHING
        try:
            kept = _within(checkpoint, "lines")
            learn(model, lines, held_out, epochs=epochs, seed=seed, callbacks=callbacks, checkpoint=kept, **beginner)
        except KeyboardInterrupt:  # before its first step
            if not rehearsed:
                raise
    return model


def _within(checkpoint, part: str) -> Path | None:
    return None if checkpoint is None else Path(checkpoint) / part


def rehearse(
    model: Handwriter,
    texts: Sequence[str],
    *,
    epochs: int = 5,
    count: int = 2400,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
) -> Handwriter:
    """Teaches the window of a model to read, by `count` pieces of texts written in fonts; texts that fonts lack are left out."""
    rng = np.random.default_rng([seed, 1])  # the hands of the lines are drawn by the seed itself
    texts = [text for text in texts if text.isascii()]
    pieces: list[str] = []
    for _ in range(3 * count if texts else 0):
        text, size = texts[rng.integers(len(texts))], int(rng.integers(*_PIECE))
        first = rng.integers(0, max(1, len(text) - size + 1))
        pieces += [piece] if len(piece := text[first : first + size].strip()) > 2 else []
    if len(pieces) < count:
        return model
    lines = hershey_lines(pieces[: count + _HELD], seed)
    order = np.arange(len(lines))
    return learn(
        model,
        lines[order >= _HELD],
        lines[order < _HELD],
        epochs=epochs,
        seed=seed,
        callbacks=callbacks,
        checkpoint=checkpoint,
        **_FROM_NOTHING,
    )


def train_predictor(
    lines: Handwriting,
    held_out: Handwriting,
    *,
    epochs: int = 15,
    points: float = 16.0,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    **architecture,
) -> mdn.MDNRNN:
    """A model that knows no texts and goes on with any line; arguments as for `train`, of `MDNRNN`."""
    keras.utils.set_random_seed(seed)
    model = mdn.MDNRNN(spec_of(), **{"units": (256, 256), **architecture})
    return learn(model, lines, held_out, epochs=epochs, points=points, seed=seed, callbacks=callbacks, **_FROM_NOTHING)


def go_on(
    model: Handwriter,
    lines: Handwriting,
    held_out: Handwriting,
    *,
    epochs: int = 12,
    learning_rate: float = 1e-3,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
) -> Handwriter:
    """Teaches a trained model another hand, by a few hundred lines: it becomes the one in which it writes without a style."""
    keras.utils.set_random_seed(seed)
    model.default_hand = None
    return learn(
        model,
        lines,
        held_out,
        epochs=epochs,
        learning_rate=learning_rate,
        seed=seed,
        callbacks=callbacks,
        checkpoint=checkpoint,
    )


def learn(
    model: mdn.MDNRNN,
    lines: Handwriting,
    held_out: Handwriting,
    *,
    epochs: int,
    points: float = 16.0,
    batch_size: int = 32,
    learning_rate: float = 1e-3,
    optimizer=muon,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
):
    """Trains a model, new or not, on lines that are sheared, stretched and resampled anew each epoch; returns it.

    By Muon: of a model that has rehearsed, four epochs brought what took Adam more than ten.
    """
    writes = isinstance(model, Handwriter)
    points = model.points if isinstance(model, Handwriter) else points
    texts = lines.texts.tolist()
    known = prepared(lines, points)[0]
    if not model.adapted:
        model.adapt(known)
    # what changes a line needs the line: batches hand out the events that they were given
    rows = [np.concatenate([one, one[-1:].repeat(_SPARE, axis=0)]) for one in known]
    origins = {row.tobytes(): origin for row, origin in zip(rows, zip(lines, texts, strict=True), strict=True)}
    held = prepared(held_out, points)[0]
    told = model.told(texts, lines.writers.tolist()) if writes else {}
    beside = model.told(held_out.texts.tolist(), held_out.writers.tolist()).values() if writes else ()
    model.fit(
        rows,
        (held, *beside) if writes else held,
        **told,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        optimizer=optimizer,
        augment=lambda row, rng: varied(*origins[row.tobytes()], points, rng),
        callbacks=callbacks,
        checkpoint=checkpoint,
        seed=seed,
        verbose=0,
    )
    return model


def varied(line, text: str, points: float, rng: np.random.Generator) -> np.ndarray:
    """Events of the line as it might have been written as well: leaning otherwise, wider or narrower."""
    lean, wide, high = rng.normal(0.0, _LEAN), *np.exp(rng.normal(0.0, _STRETCH, 2))
    changed = data.Frame(np.array([[wide, lean], [0.0, high]])).apply(line)
    changed = data.resampled(changed, round(points * len(text)))
    return data.events(changed, data.frame_of(changed))


# ---- what it is worth ------------------------------------------------------------------------------------------------


def nats_a_point(log_prob: Sequence[np.ndarray], frames: Sequence[data.Frame]) -> float:
    """Mean negative log density of all events in the units of their lines, from log densities `(T_i,)` in their frames."""
    total = sum(float(np.sum(one)) + len(one) * own.log_jacobian for one, own in zip(log_prob, frames, strict=True))
    return -total / sum(map(len, log_prob))
