"""`mdn train series`, `mdn generate series`, `mdn forecast`, `mdn surprise`: recordings of anything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdn_commands.options import (
    MOST,
    MOST_NUMBERS,
    ComponentTemperature,
    Count,
    ModelOut,
    Quantiles,
    Resume,
    Seed,
    TrainProcesses,
    VarianceTemperature,
)
from mdn_commands.shared import NOTHING_YET, begin, check_out, learn, messages, probabilities, stop

if TYPE_CHECKING:
    import numpy as np

    from mdn.applications.series import Recordings

_Model = Annotated[Path, typer.Argument(help="A file of `mdn train series`.", show_default=False)]
_File = Annotated[
    Path, typer.Argument(help="A recording of the channels that the model learnt from.", show_default=False)
]
_Out = Annotated[
    Path, typer.Option(help="A table, .csv, with a picture of the same name beside it; or a picture, .svg or .png.")
]
_SHOWN = 5  # unusual steps that are printed


def add_to(app: typer.Typer, train: typer.Typer, generate: typer.Typer) -> None:
    """Adds the commands to `app`, `train` and `generate`."""
    train.command(name="series")(train_series)
    generate.command(name="series")(generate_series)
    app.command(name="forecast")(forecast)
    app.command(name="surprise")(surprise)


def train_series(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Recordings of the same channels: tables with columns over time, .npy, .npz, .wav, .edf or .bdf.",
            show_default=False,
        ),
    ],
    columns: Annotated[
        str | None,
        typer.Option(help="Channels, with commas between; without it all that are numbers.", show_default=False),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="How many rows are averaged to one step.")] = 1,
    out: ModelOut = Path("series.keras"),
    processes: TrainProcesses = 1,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many epochs at most; by default 50 or more, at least 2,000 steps.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    resume: Resume = True,
) -> None:
    """Train on recordings of anything, score the model on their last fifth, and write model and figures."""
    with messages(NOTHING_YET) as ending:
        series, console = begin("series", out, *files)
        from mdn.wording import counted

        recordings = series.read(files, columns and [name.strip() for name in columns.split(",")], every)
        parts = series.split(recordings, 0)  # a fixed seed: the same recordings judge every model
        for sentence in _sentences_of(recordings):
            console.print(sentence, soft_wrap=True, markup=False)
        steps = {name: part.total_steps for name, part in parts.items()}
        console.print(
            f"{counted(len(recordings.channels), 'channel')}; {counted(steps['train'], 'step')} to learn from, "
            f"{steps['valid']} to choose the epoch by, {steps['test']} to judge by.",
            soft_wrap=True,
        )
        made_of = {
            "data": [path.name for path in files],
            "channels": recordings.channels,
            "every": every,
            "steps": steps,
        }
        then = f"mdn generate series {out} --out series.svg"
        learn(ending, console, series, parts, out, epochs, seed, resume, made_of, then, processes=processes)


def _sentences_of(recordings: Recordings) -> list[str]:
    """What the user should know of the recordings before they are learnt from."""
    sentences = list(recordings.notes)
    rounded = [
        f"{name} ({cell:g})" for name, cell in zip(recordings.channels, recordings.cells, strict=True) if cell > 0
    ]
    if rounded:
        sentences.append(f"rounded values are spread over their cells, by seed 0: {', '.join(rounded)}.")
    if recordings.has_gaps:
        sentences.append("values are missing: the model learns from the others, but no floors, which need whole steps.")
    return sentences


def generate_series(
    model: _Model,
    out: Annotated[
        Path, typer.Option(help="A picture: .svg or .png; .npz, for the values; or .csv, for those of one recording.")
    ] = Path("series.svg"),
    count: Count = 1,
    steps: Annotated[int, typer.Option(min=1, max=MOST_NUMBERS, help="How many steps each has.")] = 500,
    component_temperature: ComponentTemperature = 1.0,
    variance_temperature: VarianceTemperature = 1.0,
    seed: Seed = 0,
) -> None:
    """Generate recordings from nothing."""
    with messages():
        check_out(out, ".svg", ".png", ".npz", ".csv", reads=[model])
        import numpy as np

        from mdn.applications import series
        from mdn.data import replacing, write_table
        from mdn.wording import counted

        if out.suffix == ".csv" and count > 1:
            stop(
                f"a .csv holds one recording, but --count {count} came: --out {out.with_suffix('.npz')} holds several."
            )
        trained = series.load(model)
        if (numbers := count * steps * len(trained.channels)) > MOST_NUMBERS:
            stop(f"--count and --steps ask for {numbers:,} numbers, but {MOST_NUMBERS:,} are the most that are made.")
        made = series.generate(
            trained, steps, count, seed,
            component_temperature=component_temperature, variance_temperature=variance_temperature,
        )  # fmt: skip
        if out.suffix == ".csv":
            write_table(out, trained.channels, made[0])
        elif out.suffix == ".npz":
            with replacing(out) as temporary:
                np.savez_compressed(temporary, recordings=made, channels=np.array(trained.channels))
        else:
            series.write_lanes(out, list(made), trained.channels)
        typer.echo(f"{count} of {counted(steps, 'step')}: {out}")


def forecast(
    model: _Model,
    file: _File,
    out: _Out = Path("forecast.csv"),
    steps: Annotated[int, typer.Option(min=1, max=MOST, help="How many steps are foretold.")] = 100,
    quantiles: Quantiles = ".05,.5,.95",
    draws: Annotated[int, typer.Option(min=1, max=MOST, help="How many ways to go on are drawn.")] = 200,
    seed: Seed = 0,
) -> None:
    """Say what may come after a recording: quantiles of each channel at each step."""
    with messages():
        picture = _picture_of(out, model, file)
        import numpy as np

        from mdn.applications import series
        from mdn.data import write_table
        from mdn.wording import counted

        levels = sorted(probabilities(quantiles))
        trained = series.load(model)
        recording = _last(trained.read(file))
        found = series.forecast(trained, recording, steps, draws, levels, seed)
        if out.suffix == ".csv":
            names = [f"{name}_{level:g}" for name in trained.channels for level in levels]
            at = np.arange(1, steps + 1)[:, None]
            write_table(out, ["step", *names], np.concatenate([at, found.reshape(steps, -1)], axis=1))
        series.write_forecast(picture, recording, found, trained.channels)
        typer.echo(f"{counted(steps, 'step')} after the last of {len(recording)}: {out}")


def surprise(model: _Model, file: _File, out: _Out = Path("surprise.csv")) -> None:
    """Say how surprising each step of a recording is, and which steps were most unusual."""
    with messages():
        picture = _picture_of(out, model, file)
        import numpy as np

        from mdn.applications import series
        from mdn.data import write_table
        from mdn.wording import counted

        trained = series.load(model)
        recording = _last(trained.read(file))
        nats = series.surprise(trained, recording)
        order = series.most_unusual(nats)
        if out.suffix == ".csv":
            ranks = np.full(len(nats), np.nan)
            ranks[order] = np.arange(1, len(order) + 1)
            write_table(out, ["step", "nats", "rank"], np.stack([np.arange(len(nats)), nats, ranks], axis=-1))
        series.write_surprise(picture, recording, nats, trained.channels)
        found = ", ".join(f"{step} ({nats[step]:.2f} nats)" for step in order[:_SHOWN])
        typer.echo(f"most unusual of {counted(len(nats), 'step')}, counted from 0: {found}: {out}")


def _picture_of(out: Path, *reads: Path) -> Path:
    """The picture that is written: `out`, or the .svg beside a .csv; stops with a message if it must not be written."""
    picture = out.with_suffix(".svg") if out.suffix == ".csv" else out
    check_out(out, ".csv", ".svg", ".png", reads=reads, beside=[] if picture == out else [picture])
    return picture


def _last(recordings: Recordings) -> np.ndarray:
    """The last recording of a file; says so if there are others, and what the reader had to guess."""
    for note in recordings.notes:
        typer.echo(f"mdn: {note}", err=True)
    if len(recordings) > 1:
        typer.echo(f"mdn: the file holds {len(recordings)} recordings, of which the last is taken.", err=True)
    return recordings[-1]
