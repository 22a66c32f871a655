"""Training of models that predict handwriting, and of models that write; and their score in nats a point."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

import mdn
from mdn.applications.handwriting import data
from mdn.applications.handwriting.model import Handwriter, spec_of
from mdn.applications.handwriting.text import Alphabet
from mdn.data import Handwriting
from mdn.drawing.hershey import hershey_lines
from mdn.random import seeded
from mdn.sequences import adam, muon
from mdn.sequences.processes import fit
from mdn.training import ctrl_c_waits

FEWEST = 25  # lines of a writer that becomes a hand
EPOCHS, REHEARSALS, GO_ON_EPOCHS = 18, 6, 12
_LEAN, _STRETCH = 0.1, 0.1  # standard deviations of the shear and of the log stretch of lines
_PIECE, _HELD = (9, 15), 64  # characters of a line to rehearse with; how many such lines choose the epoch
# an untrained network learns far faster by Adam: after two epochs in fonts its NLL is -1.19 nats, by Muon 0.25
_FROM_NOTHING: dict[str, Any] = {"optimizer": adam, "learning_rate": 2e-3}


def prepared(
    lines: Handwriting, points: float | None = None, grid: float = 0.0, seed: int = 0, **frame
) -> tuple[list[np.ndarray], list[data.Frame]]:
    """(events `(T_i, 3)`, frames) of lines.

    Args:
        lines: In their own units.
        points: How many points for each character of the text, if lines are to be resampled; then there is no grid.
        grid: The step of the grid on which offsets lie, 1 for integers; they are spread over its cells.
        seed: The seed for the spreading.
        **frame: For `frame_of`.
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
    epochs: int = EPOCHS,
    rehearsals: int = REHEARSALS,
    points: float = 16.0,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
    processes: int = 1,
    **architecture,
) -> Handwriter:
    """A model that writes any text; the epoch that is best on `held_out` is kept.

    Training begins with short lines in fonts of single strokes: their letters are so even that the window learns in minutes
    to go from letter to letter, which takes hours on lines of many hands. These come afterwards.

    Args:
        lines: The lines to learn from, with their texts.
        held_out: Those that choose the epoch; the model never learns from them.
        epochs: How many epochs at most.
        rehearsals: Epochs before them, with lines in fonts.
        points: How many points for each character of a text.
        seed: The seed for the weights, the order, and the changes of lines, new in each epoch.
        callbacks: Callbacks of Keras, called in each epoch.
        checkpoint: A folder, as in `MDNRNN.fit`; both parts of the training have their own in it.
        processes: How many processes of this machine train together; see `mdn.sequences.processes.fit`.
        **architecture: Of `Handwriter`.
    """
    texts = lines.texts.tolist() + held_out.texts.tolist()
    names, counts = np.unique(lines.writers[lines.writers != ""], return_counts=True)
    hands = names[counts >= FEWEST].tolist()
    with seeded(seed):
        model = Handwriter(Alphabet.of(texts).characters, hands, points=points, **architecture)
        model.adapt(prepared(lines, points)[0])
    how: dict[str, Any] = {"seed": seed, "callbacks": callbacks, "processes": processes}
    with ctrl_c_waits():
        if rehearsals:
            kept = _within(checkpoint, "rehearsal")
            rehearse(model, lines.texts.tolist(), epochs=rehearsals, checkpoint=kept, **how)
        # only a model that has rehearsed has a history; it has none if fonts lack too many of the texts
        rehearsed = getattr(model, "history", None) is not None
        beginner = {} if rehearsed else _FROM_NOTHING
        try:
            kept = _within(checkpoint, "lines")
            learn(model, lines, held_out, epochs=epochs, checkpoint=kept, **how, **beginner)
        except KeyboardInterrupt:  # in one process: before the first step of `learn`
            if not rehearsed or processes > 1:
                raise
    return model


def train_on_parts(
    parts: Mapping[str, Handwriting],
    *,
    model: Handwriter | None = None,
    epochs: int = 0,
    rehearsals: int | None = None,
    **settings,
) -> Handwriter:
    """`train` on the parts "train" and "valid", or `go_on` with a model.

    Args:
        parts: The parts of `lines.split`.
        model: A trained model to go on with, or None.
        epochs: How many epochs at most; 0: the default of `train` or `go_on`.
        rehearsals: As in `train`.
        **settings: Of `train` or `go_on`.
    """
    if model is not None:
        return go_on(model, parts["train"], parts["valid"], epochs=epochs or GO_ON_EPOCHS, **settings)
    rehearsals = REHEARSALS if rehearsals is None else rehearsals
    return train(parts["train"], parts["valid"], epochs=epochs or EPOCHS, rehearsals=rehearsals, **settings)


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
    processes: int = 1,
) -> Handwriter:
    """Teaches the window of a model to read, by `count` pieces of those `texts` that are ASCII, written in fonts."""
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
        processes=processes,
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
    """A model that reads no text and continues any line; arguments as for `train`, `**architecture` for `MDNRNN`."""
    with seeded(seed):
        model = mdn.MDNRNN(spec_of(), **{"units": (256, 256), **architecture})
    return learn(model, lines, held_out, epochs=epochs, points=points, seed=seed, callbacks=callbacks, **_FROM_NOTHING)


def go_on(
    model: Handwriter,
    lines: Handwriting,
    held_out: Handwriting,
    *,
    epochs: int = GO_ON_EPOCHS,
    learning_rate: float = 1e-3,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
    processes: int = 1,
) -> Handwriter:
    """Teaches a trained model another hand, by a few hundred lines: afterwards it writes in this hand if no style is chosen."""
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
        processes=processes,
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
    processes: int = 1,
):
    """Trains a model, new or not, on lines that are sheared, stretched and resampled anew each epoch; returns it.

    By default with Muon: for a model that has rehearsed, four epochs of it were worth more than ten of Adam.
    """
    writes = isinstance(model, Handwriter)
    points = model.points if isinstance(model, Handwriter) else points
    texts = lines.texts.tolist()
    if not model.adapted:
        model.adapt(prepared(lines, points)[0])
    held = prepared(held_out, points)[0]
    conditions = model.conditions_of(texts, lines.writers.tolist()) if writes else {}
    beside = model.conditions_of(held_out.texts.tolist(), held_out.writers.tolist()).values() if writes else ()
    fit(
        model,
        list(zip(lines, texts, strict=True)),
        (held, *beside) if writes else held,
        **conditions,
        epochs=epochs,
        batch_size=batch_size,
        window=None,
        learning_rate=learning_rate,
        optimizer=optimizer,
        encode=functools.partial(_varied, points=points),
        callbacks=callbacks,
        checkpoint=checkpoint,
        processes=processes,
        seed=seed,
        verbose=0,
    )
    return model


def _varied(written: tuple[np.ndarray, str], rng: np.random.Generator, points: float) -> np.ndarray:
    return varied(*written, points, rng)


def varied(line, text: str, points: float, rng: np.random.Generator) -> np.ndarray:
    """Events of a random variant of the line: sheared, and stretched in width and height."""
    lean, wide, high = rng.normal(0.0, _LEAN), *np.exp(rng.normal(0.0, _STRETCH, 2))
    changed = data.Frame(np.array([[wide, lean], [0.0, high]])).apply(line)
    changed = data.resampled(changed, round(points * len(text)))
    return data.events(changed, data.frame_of(changed))


# ---- what it is worth ------------------------------------------------------------------------------------------------


def nats_a_point(log_prob: Sequence[np.ndarray], frames: Sequence[data.Frame]) -> float:
    """Mean negative log density of an event in the unit of its line, from log densities `(T_i,)` in the frames."""
    total = sum(float(np.sum(one)) + len(one) * own.log_jacobian for one, own in zip(log_prob, frames, strict=True))
    return -total / sum(map(len, log_prob))
