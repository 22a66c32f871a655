"""`mdn train ecg`, `mdn generate ecg`: one lead of a heart."""

from __future__ import annotations

import time
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
    conclude,
    epochs_bar,
    going_on,
    here_to_train,
    messages,
    stop,
)

_Data = Annotated[
    Path | None,
    typer.Option(help="A .npz of records, integers of 120 a second; without it the one of `mdn data path ecg`."),
]


def add_to(app: typer.Typer, train: typer.Typer, generate: typer.Typer) -> None:
    """Makes the commands known."""
    train.command(name="ecg")(train_ecg)
    generate.command(name="ecg")(generate_ecg)


def train_ecg(
    data: _Data = None,
    out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("ecg.keras"),
    epochs: Annotated[int, typer.Option(min=1, help="All of them: the last network is kept.")] = 24,
    seed: Seed = 0,
    resume: Resume = True,
) -> None:
    """Train on records, and say how likely those of other hearts are, beside a linear autoregression."""
    with messages(NOTHING_YET) as ending:
        check_folder(out)
        from rich.console import Console

        import mdn
        from mdn.applications import ecg
        from mdn.applications.ecg import evaluate
        from mdn.data.files import keeping
        from mdn.models import save_plain

        here_to_train()
        parts, console = ecg.split(_read(data)), Console()
        told_of = {part: list(records) for part, records in parts.items()}
        console.print(", ".join(f"{part}: {' '.join(names)}" for part, names in told_of.items()))
        start, busy = time.perf_counter(), time.process_time()
        with ending.learning(out), going_on(out, resume, console) as kept:
            with epochs_bar(console, epochs) as told:
                trained = ecg.train(parts["train"], epochs=epochs, seed=seed, callbacks=[told], checkpoint=kept)
            seconds = {
                "seconds of training": time.perf_counter() - start,
                "seconds of processor time": time.process_time() - busy,
            }
            keeping(out, lambda path: save_plain(trained, path))
        provenance = {"records": told_of, "epochs": epochs, "seed": seed, **seconds, "mdn": mdn.__version__}
        conclude(
            console,
            out.with_suffix(".json"),
            provenance,
            lambda: evaluate.figures(trained, parts, seed),
            evaluate.FLOORS,
        )
        console.print(f"Model: {out}\nNext: mdn generate ecg --model {out} --out ecg.svg", soft_wrap=True)


def generate_ecg(
    model: Annotated[
        Path | None, typer.Option(help="A file of `mdn train ecg`; without it the one that comes with mdn.")
    ] = None,
    out: Annotated[Path, typer.Option(help="A picture: .svg or .png; or .npz, for the samples.")] = Path("ecg.svg"),
    count: Annotated[int, typer.Option(min=1, help="How many.")] = 4,
    seconds: Annotated[float, typer.Option(min=0.1, max=600.0, help="How long each.")] = 10.0,
    after: Annotated[
        str | None, typer.Option(help="A record to go on from, as RECORD:SECOND, such as r104:60.", show_default=False)
    ] = None,
    data: _Data = None,
    component_temperature: ComponentTemperature = 1.0,
    variance_temperature: VarianceTemperature = 0.5,
    seed: Seed = 0,
) -> None:
    """Make records of hearts that never beat, or go on where a real record stops, with the real one above."""
    with messages():
        check_folder(out)
        import numpy as np

        from mdn.applications import ecg
        from mdn.applications.ecg.data import RATE
        from mdn.data import replacing

        if out.suffix not in (".svg", ".png", ".npz"):
            stop(f"--out ends in .svg, .png or .npz, but {out.name!r} came.")
        trained = ecg.load() if model is None else ecg.load(model)
        strips, begun = {}, None
        if after is not None:
            record, at = _place(_read(data), after)
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


def _read(path: Path | None):
    from mdn.applications.ecg import read_records
    from mdn.data import registry

    return read_records(registry.find("ecg", "mitbih12_120hz_int16.npz") if path is None else path)


def _place(records, after: str):
    """(the record, the sample) of RECORD:SECOND."""
    from mdn.applications.ecg.data import RATE

    name, _, second = after.rpartition(":")
    if name not in records or not second.isdigit() or not 1 <= int(second) < len(records[name]) // RATE:
        stop(
            f"--after must be RECORD:SECOND, one of {', '.join(records)} and a whole second in it from the first on, but "
            f"{after!r} came."
        )
    return records[name], int(second) * RATE
