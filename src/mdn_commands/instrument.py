"""`mdn train instrument`, `mdn generate instrument`: N values over time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mdn_commands.shared import (
    NOTHING_YET,
    ComponentTemperature,
    Resume,
    Seed,
    VarianceTemperature,
    check_folder,
    learn,
    messages,
    say_parts,
    stop,
)


def add_to(app: typer.Typer, train: typer.Typer, generate: typer.Typer) -> None:
    """Adds the commands to `train` and `generate`."""
    train.command(name="instrument")(train_instrument)
    generate.command(name="instrument")(generate_instrument)


def train_instrument(
    data: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Logs of IMPSY or mdn, .npz, .csv, MIDI files, or folders of them; without any, the data set impsy.",
            show_default=False,
        ),
    ] = None,
    dimension: Annotated[str, typer.Option(help="1 + the number of values, as IMPSY counts; auto finds it.")] = "auto",
    out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("instrument.keras"),
    start: Annotated[
        Path | None, typer.Option("--from", help="A model to go on from, such as the last one.", show_default=False)
    ] = None,
    split: Annotated[
        Path | None,
        typer.Option(help="A .json that says which performances are train, valid and test.", show_default=False),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 30,
    seed: Seed = 0,
    resume: Resume = True,
) -> None:
    """Train on performances (yours, too), score the model on new ones, and write model and figures."""
    with messages(NOTHING_YET) as ending:
        check_folder(out)
        if dimension != "auto" and not (dimension.isascii() and dimension.isdigit() and int(dimension) > 1):
            stop(f"--dimension is auto, or a whole number from 2 to 17, but {dimension!r} came.")
        from rich.console import Console

        from mdn.applications.chapter import chapter
        from mdn.applications.instrument.data import FILE
        from mdn.applications.instrument.events import grid

        instrument, console = chapter("instrument"), Console()
        begun = None if start is None else instrument.load(start)
        performances = instrument.read(data, split, None if dimension == "auto" else int(dimension))
        for sentence in performances.skipped:
            console.print(sentence, soft_wrap=True)
        steps, events = grid(performances), sum(map(len, performances))
        console.print(
            f"{len(performances)} performances of {len(steps)} values, {events:,} events; from 0 to 1 the values have "
            f"{', '.join(map(str, steps))} steps",
            soft_wrap=True,
        )
        parts = instrument.split(performances, seed)
        say_parts(console, parts, "performances")
        made_of = {
            "data": [path.name for path in data or [Path(FILE)]],
            "steps": steps,
            "performances": {name: len(part) for name, part in parts.items()},
            **({} if start is None else {"from": start.name}),
        }
        then = f"mdn generate instrument --model {out} --out lanes.svg"
        learn(ending, console, instrument, parts, out, epochs, seed, resume, made_of, then, start=begun)


def generate_instrument(
    out: Annotated[
        Path, typer.Option(help="A picture: .svg or .png; .npz, as IMPSY reads it; or .mid, of one.")
    ] = Path("instrument.svg"),
    count: Annotated[int, typer.Option(min=1, help="How many performances.")] = 4,
    events: Annotated[int, typer.Option(min=1, max=100_000, help="How many events each has.")] = 500,
    beside: Annotated[
        Path | None, typer.Option(help="A recording; as many pieces of it, drawn by the seed, are shown first.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="A file of `mdn train instrument`; without it the one that comes with mdn.")
    ] = None,
    component_temperature: ComponentTemperature = 1.0,
    variance_temperature: VarianceTemperature = 1.0,
    seed: Seed = 0,
) -> None:
    """Make performances, as lanes of values over time, as MIDI or as a data set."""
    with messages():
        check_folder(out)
        import numpy as np

        from mdn.applications.instrument import load, read_performances
        from mdn.applications.instrument.events import cut
        from mdn.applications.instrument.generate import ENDINGS, generate, write

        if out.suffix not in ENDINGS:
            stop(f"--out ends in {', '.join(ENDINGS)}, but {out.name!r} came.")
        trained = load() if model is None else load(model)
        real: list = []
        if beside is not None:
            of_this = [
                each for each in read_performances(beside) if each is not None and each.shape[1] == trained.size + 1
            ]
            if not of_this:
                stop(f"--beside holds no performance of {trained.size} values, which the model plays.")
            found = cut(of_this)
            order = np.random.default_rng(seed).permutation(len(found))[:count]
            real = [found[i] for i in order] if out.suffix in (".svg", ".png") else []
        made = generate(
            trained, 1 if out.suffix == ".mid" else count, seed, events,
            component_temperature=component_temperature, variance_temperature=variance_temperature,
        )  # fmt: skip
        write(out, real + made, ["recorded"] * len(real) + ["generated" if real else ""] * len(made))
        typer.echo(f"{len(made)} performances of {events} events: {out}")
