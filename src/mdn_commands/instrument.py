"""`mdn train instrument`, `mdn generate instrument`: N values over time."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from mdn_commands.given import not_with, only_with
from mdn_commands.options import (
    Beside,
    ComponentTemperature,
    Count,
    Epochs,
    ModelOut,
    Resume,
    Seed,
    Split,
    TrainProcesses,
    VarianceTemperature,
    trained_by,
)
from mdn_commands.shared import NOTHING_YET, begin, check_out, learn, messages, read, say_parts, stop, warn


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
    split: Split = None,
    dimension: Annotated[str, typer.Option(help="1 + the number of values, as IMPSY counts; auto finds it.")] = "auto",
    start: Annotated[
        Path | None, typer.Option("--from", help="A model to go on from, such as the last one.", show_default=False)
    ] = None,
    out: ModelOut = Path("instrument.keras"),
    page: Annotated[
        bool, typer.Option("--page/--no-page", help="Write a page of what was learnt beside the model, as .html.")
    ] = True,
    processes: TrainProcesses = 1,
    epochs: Epochs = 30,
    seed: Seed = 0,
    resume: Resume = True,
) -> None:
    """Train on performances (yours, too), score the model on new ones, and write model and figures."""
    with messages(NOTHING_YET) as ending:
        if dimension != "auto" and not (dimension.isascii() and dimension.isdigit() and int(dimension) > 1):
            stop(f"--dimension is auto, or a whole number from 2 to 17, but {dimension!r} came.")
        instrument, console = begin("instrument", out, *data or (), split, start, page=page)
        from mdn.applications.instrument.data import FILE
        from mdn.applications.instrument.events import grid
        from mdn.wording import counted

        begun = None if start is None else instrument.load(start)
        performances = read(console, instrument, data, split, None if dimension == "auto" else int(dimension))
        steps, events = grid(performances), sum(map(len, performances))
        console.print(
            f"{counted(len(performances), 'performance')} of {counted(len(steps), 'value')}, "
            f"{counted(events, 'event', form=',')}; from 0 to 1 the values have {', '.join(map(str, steps))} steps",
            soft_wrap=True,
        )
        parts = instrument.split(performances, seed)
        made_of = {
            "data": [path.name for path in data or [Path(FILE)]],
            "steps": steps,
            "performances": say_parts(console, parts, "performance"),
            **({} if start is None else {"from": start.name}),
        }
        then = f"mdn generate instrument --model {out} --out lanes.svg"
        if page:
            then = f"open {out.with_suffix('.html')}, or {then}"
            instrument = dataclasses.replace(
                instrument, figures=_with_page(instrument.figures, out.with_suffix(".html"))
            )
        learn(
            ending,
            console,
            instrument,
            parts,
            out,
            epochs,
            seed,
            resume,
            made_of,
            then,
            processes=processes,
            start=begun,
        )


def midi_of(config: Path, size: int):
    """The section [midi] of a file of `mdn play`; stops with a message if it does not map the `size` values of a model."""
    from mdn.applications.instrument.live import config as configuration
    from mdn.wording import counted

    said = configuration.read(config)
    if said.midi is None:
        stop(f"{str(config)!r} has no section [midi], so it maps no value: leave --config out, or add one.")
    if said.size != size:
        stop(f"{str(config)!r} maps {counted(said.size, 'value')}, but the model plays {size}: name the other file.")
    return said.midi


def _with_page(figures, path: Path):
    """`Chapter.figures` that also writes the page of what was learnt."""

    def measured(model, parts, seed):
        from mdn.applications.instrument.report import write_report

        found = figures(model, parts, seed)
        try:
            write_report(path, model, parts, found, seed)
        except (OSError, ValueError) as error:  # the figures are worth more than the page
            warn(f"the page {path} could not be written: {error}")
        return found

    return measured


def generate_instrument(
    model: Annotated[Path | None, trained_by("mdn train instrument")] = None,
    out: Annotated[
        Path, typer.Option(help="A picture: .svg or .png; .npz, as IMPSY reads it; or .mid, of one.")
    ] = Path("instrument.svg"),
    count: Count = 4,
    events: Annotated[int, typer.Option(min=1, max=100_000, help="How many events each has.")] = 500,
    beside: Beside = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="For a .mid: the TOML file of `mdn play`, whose [midi] output says which notes and controllers the values are.",
            show_default=False,
        ),
    ] = None,
    component_temperature: ComponentTemperature = 1.0,
    variance_temperature: VarianceTemperature = 1.0,
    seed: Seed = 0,
) -> None:
    """Make performances, as lanes of values over time, as MIDI or as a data set."""
    with messages():
        import numpy as np

        from mdn.applications.instrument import load, read_performances
        from mdn.applications.instrument.events import cut
        from mdn.applications.instrument.generate import ENDINGS, generate, write
        from mdn.wording import counted

        check_out(out, *ENDINGS, reads=[model, beside, config])
        not_with(out.suffix == ".mid" and count > 1, "a .mid, which holds one performance", "--count")
        only_with(out.suffix in (".svg", ".png"), "a picture, --out NAME.svg or .png", "--beside")
        only_with(out.suffix == ".mid", "a .mid, --out NAME.mid", "--config")
        trained = load() if model is None else load(model)
        mapping = None
        if config is not None:
            outputs = [one for one in midi_of(config, trained.size).outputs.values() if one]
            if not outputs:
                stop(f"{str(config)!r} has no [midi] output, so no value sounds: add one, or leave --config out.")
            mapping = outputs[0]
        real: list = []
        if beside is not None:
            of_this = [
                each for each in read_performances(beside) if each is not None and each.shape[1] == trained.size + 1
            ]
            if not of_this:
                stop(f"--beside holds no performance of {counted(trained.size, 'value')}, which the model plays.")
            found = cut(of_this)
            order = np.random.default_rng(seed).permutation(len(found))[:count]
            real = [found[i] for i in order]
        made = generate(
            trained, 1 if out.suffix == ".mid" else count, seed, events,
            component_temperature=component_temperature, variance_temperature=variance_temperature,
        )  # fmt: skip
        write(out, real + made, ["recorded"] * len(real) + ["generated" if real else ""] * len(made), mapping)
        typer.echo(f"{counted(len(made), 'performance')} of {counted(events, 'event')}: {out}")
