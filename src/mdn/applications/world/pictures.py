"""Pictures of M and C: a real episode beside a dream, predictions of M beside what V saw, returns by generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mdn.applications.world.memory import Memory
from mdn.applications.world.remember import cut
from mdn.data import replacing
from mdn.page import figure

_COLORS = ("#2a6f97", "#e07a1f", "#5f8f3e", "#b23a6e", "#7b5ea7", "#c9a227")
_PAPER = "#fdfcf9"
_LARGE = 192  # pixels of a frame's side in a film
_BAR = 18  # pixels of the height of an action's bar
_LEVELS = 160  # points at which a density is drawn


def write_film(
    path,
    films: Mapping[str, np.ndarray],
    frames_a_second: int = 25,
    *,
    rewards: Mapping[str, np.ndarray] | None = None,
    actions: Mapping[str, np.ndarray] | None = None,
    labels: Sequence[str] = (),
    repeat: int = 1,
) -> None:
    """Writes films side by side, each under its name; a shorter one stays at its last frame, dimmed.

    Args:
        path: The path of the .gif.
        films: Frames `(T + 1, H, W, C)` uint8 by name.
        frames_a_second: As the name says.
        rewards: The rewards of each film's steps, `(T,)`: the score so far is written above its frames.
        actions: The actions of each film's steps, `(T, A)`, from -1 to 1: each is a bar below the frames, from the middle to
            the right if it is above 0.
        labels: Names of an action's numbers.
        repeat: Steps of the environment between two frames.

    Raises:
        ValueError: if the name ends otherwise.
    """
    from PIL import Image, ImageDraw

    path = Path(path)
    if path.suffix != ".gif":
        raise ValueError(f"a film ends in .gif, but {path.name!r} came.")
    rewards, actions = rewards or {}, actions or {}
    gap, label = 12, 22
    bars = max((acted.shape[1] for acted in actions.values()), default=0)
    width, height = gap + len(films) * (_LARGE + gap), label + _LARGE + gap + bars * _BAR
    pages = []
    for t in range(max(len(film) for film in films.values())):
        page = Image.new("RGB", (width, height), _PAPER)
        draw = ImageDraw.Draw(page)
        for i, (name, film) in enumerate(films.items()):
            left, over = gap + i * (_LARGE + gap), t >= len(film)
            page.paste(_large(film[min(t, len(film) - 1)], over), (left, label))
            step = min(t, len(film) - 1)
            score = f", score {rewards[name][:step].sum():.0f}" if name in rewards else ""
            draw.text((left, 5), f"{name}, step {repeat * step}{score}{', over' * over}", fill="#22303c")
            for row, value in enumerate(actions[name][min(t, len(actions[name]) - 1)] if name in actions else ()):
                named = labels[row] if row < len(labels) else ""
                _draw_bar(draw, left, label + _LARGE + row * _BAR, float(value), named)
        pages.append(page)
    with replacing(path) as temporary:
        pages[0].save(
            temporary, format="GIF", save_all=True, append_images=pages[1:], duration=1000 // frames_a_second, loop=0
        )


def _draw_bar(draw, left: int, top: int, value: float, named: str) -> None:
    middle = left + _LARGE // 2
    end = middle + round(value * _LARGE / 2)
    draw.rectangle((left, top + 4, left + _LARGE - 1, top + _BAR - 1), outline="#c8c4b8")
    draw.rectangle((min(middle, end), top + 5, max(middle, end), top + _BAR - 2), fill=_COLORS[1 if value < 0.0 else 0])
    draw.text((left + 3, top + 3), named, fill="#22303c")


def write_strip(path, films: Mapping[str, np.ndarray], every: int = 5, count: int = 12) -> None:
    """Writes `count` frames of each film, `every` frames apart, one row a film, as PNG."""
    picture = figure(0.8 * count + 1.0, 0.95 * len(films) + 0.2)
    axes = np.atleast_2d(picture.subplots(len(films), count))
    for row, (name, film) in zip(axes, films.items(), strict=True):
        for i, one in enumerate(row):
            one.axis("off")
            if i * every < len(film):
                one.imshow(_colours(film[i * every]))
            if i == 0:
                one.set_title(name, fontsize=8, loc="left")
    _write(picture, path)


def _large(frame: np.ndarray, dimmed: bool):
    from PIL import Image

    colours = _colours(frame) // (3 if dimmed else 1)
    return Image.fromarray(colours).resize((_LARGE, _LARGE), Image.Resampling.NEAREST)


def _colours(frame: np.ndarray) -> np.ndarray:
    return np.repeat(frame, 3, axis=2) if frame.shape[2] == 1 else frame


def write_expected(path, memory: Memory, latents: Sequence[Any], numbers: int = 3) -> None:
    """Draws the prediction of M beside what V saw: densities of the numbers of z that vary most, for each step of an episode.

    Args:
        path: The path of the PNG.
        memory: M, with a mixture for each number of z.
        latents: Episodes; the longest is shown.
        numbers: How many numbers of z are drawn.
    """
    from keras import ops

    one = max(latents, key=lambda each: len(each.actions))
    pieces = cut([one], memory.rewards)
    params, _, _ = memory.unroll(pieces.mean[:, :-1], pieces.actions, memory.first_state(1))
    latent = memory.parts(params)["latent"]
    came = one.mean[1:]
    chosen = np.sort(np.argsort(-np.var(np.concatenate([each.mean for each in latents]), axis=0))[:numbers])
    steps = np.arange(1, len(came) + 1)
    picture = figure(8.0, 2.0 * numbers)
    for axes, number in zip(np.atleast_1d(picture.subplots(numbers, 1, sharex=True)), chosen, strict=True):
        spread = np.ptp(came[:, number])
        levels = np.linspace(came[:, number].min() - 0.2 * spread, came[:, number].max() + 0.2 * spread, _LEVELS)
        alone = latent.marginal(int(number))
        density = np.asarray(ops.exp(alone.log_prob(levels.astype("float32")[:, None, None, None])))[:, 0]
        density = density / density.max(axis=0, keepdims=True)
        axes.pcolormesh(steps, levels, density, cmap="Blues", shading="nearest", vmin=0.0, vmax=1.3, rasterized=True)
        axes.plot(steps, came[:, number], ".", color=_COLORS[1], markersize=3, label="came")
        axes.set_ylabel(f"number {number} of z")
    axes.set_xlabel("step")
    axes.legend(loc="upper right", frameon=False)
    picture.suptitle(
        "What M expected one step before (blue, each step's highest density alike), and what V saw", fontsize=10
    )
    _write(picture, path)


def write_returns(path, searches: Mapping[str, Sequence[Mapping[str, float]]]) -> None:
    """Draws returns by generation: the mean of all candidates as a line, worst to best as a band."""
    picture = figure(8.0, 3.6)
    axes = picture.subplots()
    for (name, figures), color in zip(searches.items(), _COLORS, strict=False):
        generations = np.arange(1, len(figures) + 1)
        mean, worst, best = ([one[key] for one in figures] for key in ("mean", "worst", "best"))
        axes.fill_between(generations, worst, best, color=color, alpha=0.15, linewidth=0)
        axes.plot(generations, mean, color=color, label=name)
    axes.set_xlabel("generation")
    axes.set_ylabel("return")
    axes.legend(frameon=False, loc="upper left", fontsize=8)
    _write(picture, path)


def write_temperatures(path, rows: Mapping[str, Mapping[float, Sequence[float]]], levels: Mapping[str, float]) -> None:
    """Draws real returns of controllers that learnt in dreams, by the variance temperature of the dream.

    Args:
        path: The path of the PNG.
        rows: By name and temperature, the mean return of each seed.
        levels: Returns to compare with, by name.
    """
    picture = figure(8.0, 3.6)
    axes = picture.subplots()
    for (name, found), color in zip(rows.items(), _COLORS, strict=False):
        places = np.arange(len(found))
        values = list(found.values())
        for i, each in enumerate(values):
            axes.plot(np.full(len(each), i), each, "o", color=color, alpha=0.45, markersize=5)
        axes.plot(places, [np.mean(each) for each in values], "-", color=color, label=name)
        axes.set_xticks(places, [f"{value:g}" for value in found])
    for (name, level), style in zip(levels.items(), ("--", ":", "-."), strict=False):
        axes.axhline(level, color="#22303c", linestyle=style, linewidth=1.0, label=name)
    axes.set_xlabel("variance temperature of the dream")
    axes.set_ylabel("real return")
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    _write(picture, path)


def _write(picture, path) -> None:
    with replacing(path) as temporary:
        picture.savefig(temporary, format="png", dpi=130, facecolor=_PAPER)
