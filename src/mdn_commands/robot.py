"""`mdn train robot`, `mdn generate robot`: a hand that was led along letters."""

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
)

_Data = Annotated[Path | None, typer.Option(help="letters.npz; without it the one of `mdn data path letters`.")]
_Letters = Annotated[
    str, typer.Option(help="Which letters, such as DHBK; longer names with commas between, such as Angle,Sine.")
]


def add_to(app: typer.Typer, train: typer.Typer, generate: typer.Typer) -> None:
    """Makes the commands known."""
    train.command(name="robot")(train_robot)
    generate.command(name="robot")(generate_robot)


def train_robot(
    data: _Data = None,
    letters: _Letters = "DHBK",
    out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("robot.keras"),
    epochs: Annotated[int, typer.Option(min=1, help="Of ten passes each.")] = 150,
    seed: Seed = 0,
    resume: Resume = True,
) -> None:
    """Train on demonstrations of some letters, and say how many rollouts stay on a way that was shown."""
    with messages(NOTHING_YET) as ending:
        check_folder(out)
        from rich.console import Console

        import mdn
        from mdn.applications.robot import FLOORS, worth
        from mdn.applications.robot import train as learn
        from mdn.data.files import keeping
        from mdn.models import save_plain

        here_to_train()
        demonstrations, console, start = _read(data, letters), Console(), time.perf_counter()
        with ending.learning(out), going_on(out, resume, console) as kept:
            with epochs_bar(console, epochs) as told:
                trained = learn(demonstrations, epochs=epochs, seed=seed, callbacks=[told], checkpoint=kept)
            seconds = time.perf_counter() - start
            keeping(out, lambda path: save_plain(trained, path))
        provenance = {
            "letters": {letter: len(paths) for letter, paths in demonstrations.items()},
            "epochs": epochs,
            "seed": seed,
            "seconds of training": seconds,
            "mdn": mdn.__version__,
        }
        conclude(
            console,
            out.with_suffix(".json"),
            provenance,
            lambda: worth(trained, demonstrations, seed=seed),
            FLOORS,
            higher_is_better=True,
        )
        console.print(f"Model: {out}\nNext: mdn generate robot --model {out} --out robot.svg", soft_wrap=True)


def generate_robot(
    model: Annotated[Path, typer.Option(help="A file of `mdn train robot`.")] = Path("robot.keras"),
    out: Annotated[Path, typer.Option(help="A picture: .svg or .png.")] = Path("robot.svg"),
    count: Annotated[int, typer.Option(min=1, help="How many paths.")] = 200,
    component_temperature: ComponentTemperature = 1.0,
    variance_temperature: VarianceTemperature = 0.5,
    seed: Seed = 0,
) -> None:
    """Let the hand go, and draw its paths, with the mixture's ellipses along the first of them."""
    with messages():
        check_folder(out)
        from mdn.applications.robot import rollouts
        from mdn.applications.robot.model import load
        from mdn.applications.robot.pictures import write_picture

        trained = load(model)
        made = rollouts(
            trained,
            count,
            seed,
            component_temperature=component_temperature,
            variance_temperature=variance_temperature,
        )
        write_picture(
            out, rollouts={f"{count} rollouts": made}, model=trained, thought_along={"which way next?": made[0]}
        )
        typer.echo(f"{count} paths: {out}")


def _read(path: Path | None, letters: str):
    from mdn.applications.robot import read_letters
    from mdn.data import registry

    return read_letters(registry.find("letters", "letters.npz") if path is None else path, letters)
