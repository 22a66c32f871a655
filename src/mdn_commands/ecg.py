"""`mdn train ecg`, `mdn generate ecg`: one lead of a heart."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mdn_commands.given import only_with
from mdn_commands.options import (
    ComponentTemperature,
    Count,
    ModelOut,
    Resume,
    Seed,
    TrainProcesses,
    VarianceTemperature,
    seconds_up_to,
    trained_by,
)
from mdn_commands.shared import NOTHING_YET, begin, check_out, learn, messages, stop

_Data = Annotated[
    Path | None,
    typer.Option(help="A .npz of records, integers of 120 a second; without it the one of `mdn data path ecg`."),
]


def add_to(app: typer.Typer, train: typer.Typer, generate: typer.Typer) -> None:
    """Adds the commands to `train` and `generate`."""
    train.command(name="ecg")(train_ecg)
    generate.command(name="ecg")(generate_ecg)


def train_ecg(
    data: _Data = None,
    out: ModelOut = Path("ecg.keras"),
    processes: TrainProcesses = 1,
    epochs: Annotated[int, typer.Option(min=1, help="How many epochs; the last one is kept.")] = 24,
    seed: Seed = 0,
    resume: Resume = True,
) -> None:
    """Train on records, and score the model on those of other hearts, beside a linear autoregression."""
    with messages(NOTHING_YET) as ending:
        ecg, console = begin("ecg", out, data)
        parts = ecg.split(ecg.read(data), 0)  # a fixed seed: the same hearts judge every model
        names = {part: list(records) for part, records in parts.items()}
        console.print(", ".join(f"{part}: {' '.join(each)}" for part, each in names.items()))
        then = f"mdn generate ecg --model {out} --out ecg.svg"
        learn(ending, console, ecg, parts, out, epochs, seed, resume, {"records": names}, then, processes=processes)


def generate_ecg(
    model: Annotated[Path | None, trained_by("mdn train ecg")] = None,
    data: _Data = None,
    out: Annotated[Path, typer.Option(help="A picture: .svg or .png; or .npz, for the samples.")] = Path("ecg.svg"),
    count: Count = 4,
    seconds: Annotated[float, seconds_up_to(600.0)] = 10.0,
    after: Annotated[
        str | None, typer.Option(help="A record to go on from, as RECORD:SECOND, such as r104:60.", show_default=False)
    ] = None,
    component_temperature: ComponentTemperature = 1.0,
    variance_temperature: VarianceTemperature = 0.5,
    seed: Seed = 0,
) -> None:
    """Generate records, or continue a real one, which is then drawn above them."""
    with messages():
        check_out(out, ".svg", ".png", ".npz", reads=[model, data])
        only_with(after, "--after", "--data")
        import numpy as np

        from mdn.applications import ecg
        from mdn.applications.ecg.data import RATE
        from mdn.data import replacing

        trained = ecg.load() if model is None else ecg.load(model)
        strips, begun = {}, None
        if after is not None:
            record, at = _place(ecg.data.read(data), after)
            begun = record[max(0, at - 30 * RATE) : at]
            strips = {f"{after}, real": record[at : at + round(seconds * RATE)]}
        made = ecg.generate(
            trained, seconds, count, begun, seed,
            component_temperature=component_temperature, variance_temperature=variance_temperature,
        )  # fmt: skip
        if out.suffix == ".npz":
            with replacing(out) as temporary:
                np.savez_compressed(temporary, samples=made.astype("float32"), rate=RATE)
        else:
            strips |= {f"made {i + 1}": one for i, one in enumerate(made)}
            ecg.write_strips(out, strips, seconds)
        typer.echo(f"{count} of {seconds:g} s: {out}")


def _place(records, after: str):
    """(the record, the index of the sample) of RECORD:SECOND."""
    from mdn.applications.ecg.data import RATE

    name, _, second = after.rpartition(":")
    if name not in records or not second.isdigit() or not 1 <= int(second) < len(records[name]) // RATE:
        stop(
            f"--after must be RECORD:SECOND, one of {', '.join(records)} and a whole second in it from the first on, but "
            f"{after!r} came."
        )
    return records[name], int(second) * RATE
