"""Writing: texts become ink, all lines of a text side by side in one compiled loop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from keras import ops

from mdn.applications.handwriting import data
from mdn.applications.handwriting.model import Handwriter
from mdn.numerics import is_whole
from mdn.sequences.ragged import padded, reading_lengths, shifted
from mdn.wording import agreed

ANY = "any"  # style: each line in a hand of its own
# share of a window's weight on the text, below which a line ends with the next lift, and below which it ends at once
_LEFT, _GONE = 0.35, 0.05
BIAS = 0.7  # lines are easy to read, and hands still differ
_ROOM, _LEAST = 1.8, 60  # a line is broken off after so many times the points of its text, plus so many points


@dataclass(frozen=True, eq=False)
class Written:
    """Lines that a network wrote.

    Attributes:
        lines: Stroke-3 `(T, 3)` each; their unit is the median step of a pen.
        texts: The text of each.
        ended: Which of them ended by themselves, `(N,)`, and were not broken off.
        events: As the network drew them, `(T, 3)`; the prime is not among them.
    """

    lines: list[np.ndarray]
    texts: list[str]
    ended: np.ndarray
    events: list[np.ndarray]


def write(
    model: Handwriter,
    texts: Sequence[str],
    *,
    bias: float = BIAS,
    guidance: float | None = None,
    style=None,
    after: tuple[np.ndarray, str] | None = None,
    seed: int | None = None,
) -> Written:
    """Lines of ink for lines of text.

    Args:
        model: Trained.
        texts: A line each; for a paragraph: `wrapped(text, width)`. An empty line stays one.
        bias: 0 samples the network as it is; larger is neater: at b the weights of the mixture are raised to the power 1 + b
            and its scales are multiplied by exp(-b). The probabilities of the pen stay as they are.
        guidance: How much more the letters count than in training, see `MDNRNN.generate`: above 0 they are easier to read, far
            above 1 they are drawn stiffly. None: as much as `bias`.
        style: The name or number of one of `model.hands`, or one for each line; "any": each line is in a hand of its own; None:
            `model.default_hand`, or the hand of `after` if that is not None.
        after: (a line as stroke-3, its text): the network reads it first and goes on in its hand, whoever wrote it.
        seed: An int for the same ink each time.

    Raises:
        ValueError: if a text is empty, too long or has characters that the model does not know; if there is no such style.
    """
    if not 0.0 <= bias < math.inf:
        raise ValueError(f"`bias` must be a finite number, 0 or above, but {bias} came.")
    guidance = bias if guidance is None else guidance
    texts = [str(text) for text in texts]
    full = [i for i, text in enumerate(texts) if text.strip()]
    if not full:
        raise ValueError("there is nothing to write: the text is empty.")
    before, prime = "", None
    if after is not None:
        line, said = after
        before, prime = f"{said.strip()} ", _prime(line, said, model.points)
        style = ANY if style is None else style
    conditions = model.conditions_of([before + texts[i].strip() for i in full], _styles(model, style, len(texts), full))
    longest = max(len(texts[i]) for i in full)
    most = math.ceil(_ROOM * model.points * longest) + _LEAST
    drawn = model.generate(
        most,
        len(full),
        prime=prime,
        **conditions,
        **temperatures(bias),
        guidance=guidance,
        stop=ended,
        constrain=with_the_text,
        seed=seed,
    )
    lines, events = [np.empty((0, 3))] * len(texts), [np.empty((0, 3), "float32")] * len(texts)
    whole = np.ones(len(texts), bool)
    for i, one in zip(full, drawn, strict=True):
        lines[i], events[i], whole[i] = ink(one), one, len(one) < most
    return Written(lines, texts, whole, events)


def temperatures(bias: float) -> dict[str, float]:
    """The temperatures that a bias means: `component_temperature` and `variance_temperature`."""
    return {"component_temperature": 1.0 / (1.0 + bias), "variance_temperature": math.exp(-2.0 * bias)}


def ink(events) -> np.ndarray:
    """Stroke-3 of events that a network drew; the first point is the origin."""
    line = np.array(events, "float64")
    line[:1, :2] = 0.0
    line[:, 2] = line[:, 2] > data.DOWN
    line[-1:, 2] = 1.0
    return line


def ended(event, weights, context):
    """Which lines are done, `(B,)`: the pen ended them, or almost nothing of the window is left on the text."""
    return ops.logical_or(event[:, 2] == data.END, _passed(weights, context, _GONE))


def with_the_text(event, place, weights, context):
    """A line ends with its text: an end before the last letter becomes a lift, and a lift after it an end."""
    pen = event[:, 2]
    early = ops.logical_and(pen == data.END, _place(weights) < _last(context))
    late = ops.logical_and(pen == data.LIFT, _passed(weights, context, _LEFT))
    pen = ops.where(early, float(data.LIFT), ops.where(late, float(data.END), pen))
    return ops.concatenate([event[:, :2], pen[:, None]], axis=-1)


def _passed(weights, context, share: float):
    """Whether the window weighs the place behind the last letter most, and all of the text less than `share`, `(B,)`."""
    shown = ops.sum(weights * ops.sum(context, axis=-1), axis=-1)
    return ops.logical_and(_place(weights) > _last(context), shown < share)


def _place(weights):
    return ops.argmax(weights, axis=-1)


def _last(context):
    return ops.cast(ops.sum(context, axis=(1, 2)), "int32") - 1


def windows(model: Handwriter, events: Sequence[np.ndarray], texts: Sequence[str], style=None) -> list[np.ndarray]:
    """The weight of each character at each point, `(T, U)` for each line.

    Args:
        model: Trained.
        events: The events of lines `(T, 3)` each.
        texts: The texts of the lines.
        style: As in `write`.
    """
    texts = [str(text) for text in texts]
    named = model.conditions_of(texts, _styles(model, style, len(texts), range(len(texts))))
    conditions = model.conditions(named.get("condition"), named["context"], len(texts))
    shown = model.program("windows", model.windows)
    found: list = [None] * len(texts)
    lengths = reading_lengths([len(one) for one in events])
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length).tolist()
        given = shifted(padded([events[i] for i in rows], length)), tuple(part[rows] for part in conditions)
        weights = ops.convert_to_numpy(shown(*given))
        for i, one in zip(rows, weights, strict=True):
            found[i] = one[: len(events[i]), : len(texts[i])]
    return found


def _styles(model: Handwriter, style, count: int, chosen) -> list[str | None]:
    """The name of a hand, or None, for each chosen line of `count`."""
    styles = list(style) if isinstance(style, list | tuple) else [style] * count
    if len(styles) != count:
        wanted = agreed(count, "one for the only line", f"one for all or one for each of {count} lines")
        raise ValueError(f"`style` must be {wanted}, but {len(styles)} came.")
    return [_style(model, styles[i]) for i in chosen]


def _style(model: Handwriter, style) -> str | None:
    if style is None:
        return model.default_hand
    if style == ANY:
        return None
    if style in model.hands:
        return style
    if is_whole(style) and 0 <= style < len(model.hands):
        return model.hands[style]
    known = f"0 to {len(model.hands) - 1}, or {', '.join(model.hands)}" if model.hands else "none in this model"
    raise ValueError(f"a style is a number or name of a hand ({known}) or {ANY!r}, but {style!r} came.")


def _prime(line, text: str, points: float) -> np.ndarray:
    """Events of a line that the network goes on from: its last event lifts the pen and does not end the line."""
    if not str(text).strip():
        raise ValueError("what a line to go on from says must be known, but its text is empty.")
    line = data.resampled(line, max(2, round(points * len(text.strip()))))
    events = data.events(line, data.frame_of(line))
    events[-1, 2] = data.LIFT
    return events
