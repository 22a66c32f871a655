"""Trains a network that draws, and scores it: NLL beside its floor, and how its drawings compare with real ones."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence

import keras
import numpy as np
from scipy.stats import ks_2samp

import mdn
from mdn.applications.sketch import data
from mdn.applications.sketch.generate import draw
from mdn.applications.sketch.model import SketchRNN, drawn_latents
from mdn.applications.sketch.settings import NETWORK, settings_for
from mdn.data import Drawings, augmented, nearest, offset_scale
from mdn.random import seeded
from mdn.sequences.baselines import memoryless
from mdn.sequences.processes import fit
from mdn.wording import agreed

FLOORS = {"test NLL": ("test NLL, memoryless",), "bound on test NLL": ("test NLL, memoryless",)}
"""The floors that each figure of a model must beat, see `judge`."""


def train(
    drawings: Sequence[np.ndarray],
    held_out: Sequence[np.ndarray],
    *,
    labels: tuple[Sequence[str], Sequence[str]] | None = None,
    epochs: int = 14,
    batch_size: int = 64,
    learning_rate: float = 3e-3,
    stretch: float = 0.1,
    drop: float = 0.0,
    turn: float = 0.0,
    dropout: float = 0.1,
    seed: int = 0,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    checkpoint=None,
    processes: int = 1,
    **architecture,
) -> SketchRNN:
    """A model of drawings (stroke-3 `(T, 3)`); the epoch that is best on `held_out` is kept.

    Args:
        drawings: The drawings to learn from.
        held_out: Those that choose the epoch; the model never learns from them.
        labels: The classes of `drawings` and of `held_out`, if the network reads them.
        epochs: How many epochs at most.
        batch_size: Drawings a step.
        learning_rate: At the start.
        stretch, drop, turn: How drawings are changed anew each epoch; `scale`, `drop` and `rotation` of `mdn.data.augmented`.
        dropout: See `MDNRNN`.
        seed: The seed for the weights, the order, the augmentation and the noise that spreads integers over their cells.
        callbacks: Callbacks of Keras, called in each epoch.
        checkpoint: See `MDNRNN.fit`.
        processes: How many processes of this machine train together; see `mdn.sequences.processes.fit`.
        **architecture: Of `SketchRNN`.
    """
    grid, scale = data.grid_of(drawings), offset_scale(drawings)
    classes = sorted(set(labels[0])) if labels else []
    with seeded(seed):
        model = SketchRNN(dropout=dropout, scale=scale, grid=grid, classes=classes, **architecture)
        model.adapt(spread(model, drawings, seed))
    held = spread(model, held_out, seed + 1)
    numbers, held_numbers = ([[classes.index(name)] for name in part] for part in labels) if labels else (None, None)
    changes = {"stretch": stretch, "drop": drop, "turn": turn, "scale": scale, "grid": grid}
    fit(
        model,
        drawings,
        (held, held_numbers) if labels else held,
        condition=numbers,
        epochs=epochs,
        batch_size=batch_size,
        window=None,
        learning_rate=learning_rate,
        encode=functools.partial(_changed, **changes),
        callbacks=callbacks,
        checkpoint=checkpoint,
        processes=processes,
        seed=seed,
        verbose=0,
    )
    return model


def _changed(drawing, rng, *, stretch: float, drop: float, turn: float, scale: float, grid: float) -> np.ndarray:
    return data.events(augmented(drawing, rng, stretch, drop, turn), scale, grid, rng)


def train_on_parts(parts: Mapping[str, Drawings], *, classes: bool = False, **settings) -> SketchRNN:
    """`train` on the part "train"; the part "valid" chooses the epoch.

    Args:
        parts: From `data.split`.
        classes: Whether the network reads the class of each drawing.
        **settings: Of `train`; those that are left out or None are as `settings_for` says, as long as the network is the one for
            which it chose them.

    Raises:
        ValueError: if `classes`, and `check_classes` finds a fault.
    """
    learnt, held_out = parts["train"], parts["valid"]
    labels = None
    if classes:
        check_classes(parts)
        labels = learnt.words.tolist(), held_out.words.tolist()
    asked = {name: value for name, value in settings.items() if value is not None}
    chosen = settings_for(len(learnt))
    if any(asked.get(name, chosen[name]) != chosen[name] for name in NETWORK):
        chosen = {name: chosen[name] for name in (*NETWORK, "kl_weight", "epochs")}
    return train(list(learnt), list(held_out), labels=labels, **(chosen | asked))


def check_classes(parts: Mapping[str, Drawings]) -> None:
    """Checks that every drawing has a class, and that the part "train" has all of them.

    Args:
        parts: From `data.split`.

    Raises:
        ValueError: if a drawing has no class, there are fewer than two, or one is not in the part "train".
    """
    known = set(parts["train"].words.tolist())
    others = {word for name in ("valid", "test") for word in parts[name].words.tolist()}
    if "" in known | others or len(known) < 2:
        count = len((known | others) - {""})
        raise ValueError(
            f"to tell classes, each drawing needs one of at least two named classes, but there "
            f"{agreed(count, 'is', 'are')} {count} of them{', and drawings without a class.' if '' in known | others else '.'}"
        )
    if others - known:
        raise ValueError(
            f"{min(others - known)!r} is a class of the drawings set aside only: name fewer classes, or split them otherwise."
        )


def spread(model: SketchRNN, drawings, seed: int) -> list[np.ndarray]:
    """Events of drawings, integers spread over their cells."""
    return _events(drawings, model.scale, model.grid, seed)


def _events(drawings, scale: float, grid: float, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [data.events(one, scale, grid, rng) for one in drawings]


# ---- what it is worth --------------------------------------------------------------------------------------------------


def floor(drawings: Sequence, test: Sequence, scale: float, grid: float, components: int = 20, seed: int = 0) -> float:
    """Nats a step of `test` by a model that knows only the pen before: a mixture of offsets, and shares of the pens."""
    learn, judge = (_events(part, scale, grid, seed + i) for i, part in enumerate((drawings, test)))
    spec = mdn.JointSpec(offset=mdn.MixtureSpec(mdn.NormalSpec(2, "full"), components), pen=mdn.CategoricalSpec(3))
    scores = memoryless(spec, learn, judge, column=2, first=data.DOWN, seed=seed)
    return -float(np.mean(np.concatenate(scores)))


def copies(made, known, real) -> dict[str, float]:
    """How near drawings of a network lie to those that it learnt from.

    Args:
        made: Drawings of the network.
        known: Drawings that it learnt from.
        real: Drawings of the same kind that it did not learn from.

    Returns:
        "threshold": the 5th percentile of the distance from a `real` drawing to the nearest of `known`. "share": the share of
        `made` that lies nearer than that; real drawings would have 0.05.
    """
    threshold = float(np.quantile(nearest(real, known)[0], 0.05))
    return {"threshold": threshold, "share": float(np.mean(nearest(made, known)[0] < threshold))}


def likeness(made, real) -> dict[str, float]:
    """Kolmogorov-Smirnov distances between made and real drawings, of the numbers of strokes and of points."""
    counts = {"strokes": lambda one: np.sum(one[:, 2] > 0.5), "points": lambda one: len(one)}
    return {
        name: float(ks_2samp([count(one) for one in made], [count(one) for one in real]).statistic)
        for name, count in counts.items()
    }


def judge(model: SketchRNN, drawings, test, seed: int = 0) -> dict[str, float]:
    """All figures of a model: NLL with classes, else `latent_figures` with a latent, else `figures`."""
    if model.classes:
        numbers = [[model.classes.index(word)] for word in test.words]
        rows = spread(model, test, seed)
        if model.latent_size:
            own = {"bound on test NLL": sum(model.elbo(rows, condition=numbers, seed=seed))}
        else:
            own = {"test NLL": model.nll(rows, numbers)}
        return {**own, "test NLL, memoryless": floor(list(drawings), list(test), model.scale, model.grid, seed=seed)}
    return (latent_figures if model.latent_size else figures)(model, list(drawings), list(test), seed=seed)


def figures(model: SketchRNN, drawings, test, count: int = 500, seed: int = 0) -> dict[str, float]:
    """The figures of a network without a latent: NLL and floor on `test`, and its own drawings compared with `drawings`."""
    made, ended = draw(model, count, seed=seed)
    whole = [one for one, end in zip(made, ended, strict=True) if end]
    near = copies(made, drawings, test)
    return {
        "test NLL": model.nll(spread(model, test, seed)),
        "test NLL, memoryless": floor(drawings, test, model.scale, model.grid, seed=seed),
        "ends by itself": float(np.mean(ended)),
        **({f"KS distance of {name}": value for name, value in likeness(whole, drawings).items()} if whole else {}),
        "nearer to a learnt one than 5 % of real ones are": near["share"],
    }


def latent_figures(model: SketchRNN, drawings, test, count: int = 300, seed: int = 0) -> dict[str, float]:
    """The figures of a latent: NLL given z, divergence, NLL given another's z, and "found again".

    For "found again", `count` drawings are encoded, redrawn and encoded again: the share nearest to their own first latent.
    """
    rows = spread(model, test, seed)
    reconstruction, divergence = model.elbo(rows, seed=seed)
    z = drawn_latents(*model.encode_events(rows), seed)
    shuffled = np.concatenate(model.log_prob_given(rows, np.roll(z, 1, axis=0)))
    chosen = list(test)[:count]

    def encoded(drawings):  # as events, since `encode` would refuse drawings of another size, which a network may draw
        return model.encode_events([data.events(one, model.scale) for one in drawings])[0]

    z = encoded(chosen)
    again, _ = draw(model, len(chosen), z=z, component_temperature=0.1, variance_temperature=0.01, seed=seed)
    found = encoded([one if len(one) else chosen[i][:1] for i, one in enumerate(again)])
    distances = np.linalg.norm(found[:, None] - z[None], axis=-1)
    return {
        "test NLL given z": reconstruction,
        "divergence": divergence,
        "bound on test NLL": reconstruction + divergence,
        "test NLL given another's z": -float(np.mean(shuffled)),
        "test NLL, memoryless": floor(drawings, test, model.scale, model.grid, seed=seed),
        "found again": float(np.mean(np.argmin(distances, axis=1) == np.arange(len(chosen)))),
    }
