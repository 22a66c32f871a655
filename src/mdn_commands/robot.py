"""`mdn train robot`, `mdn generate robot`: a hand that people led along letters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mdn_commands.options import (
    ComponentTemperature,
    Count,
    ModelOut,
    PictureOut,
    Resume,
    Seed,
    TrainProcesses,
    VarianceTemperature,
)
from mdn_commands.shared import NOTHING_YET, begin, check_out, learn, messages

_Data = Annotated[Path | None, typer.Option(help="letters.npz; without it the one of `mdn data path letters`.")]
_Letters = Annotated[
    str, typer.Option(help="Which letters, such as DHBK; longer names with commas between, such as Angle,Sine.")
]


def add_to(app: typer.Typer, train: typer.Typer, generate: typer.Typer) -> None:
    """Adds the commands to `train` and `generate`."""
    train.command(name="robot")(train_robot)
    generate.command(name="robot")(generate_robot)


def train_robot(
    data: _Data = None,
    letters: _Letters = "DHBK",
    out: ModelOut = Path("robot.keras"),
    processes: TrainProcesses = 1,
    epochs: Annotated[int, typer.Option(min=1, help="How many epochs at most, of ten passes each.")] = 150,
    seed: Seed = 0,
    resume: Resume = True,
) -> None:
    """Train on demonstrations of some letters, and say how many rollouts stay near one of them."""
    with messages(NOTHING_YET) as ending:
        robot, console = begin("robot", out, data)
        demonstrations = robot.read(data, letters)
        made_of = {"letters": {letter: len(paths) for letter, paths in demonstrations.items()}}
        then = f"mdn generate robot --model {out} --out robot.svg"
        learn(
            ending,
            console,
            robot,
            robot.split(demonstrations, seed),
            out,
            epochs,
            seed,
            resume,
            made_of,
            then,
            processes=processes,
        )


def generate_robot(
    model: Annotated[Path, typer.Option(help="A file of `mdn train robot`.")] = Path("robot.keras"),
    out: PictureOut = Path("robot.svg"),
    count: Count = 200,
    component_temperature: ComponentTemperature = 1.0,
    variance_temperature: VarianceTemperature = 0.5,
    seed: Seed = 0,
) -> None:
    """Draw rollouts of the hand, and the mixture's ellipses along the first of them."""
    with messages():
        check_out(out, ".svg", ".png", reads=[model])
        from mdn.applications.robot import rollouts
        from mdn.applications.robot.model import load
        from mdn.applications.robot.pictures import write_picture
        from mdn.wording import counted

        trained = load(model)
        made = rollouts(
            trained,
            count,
            seed,
            component_temperature=component_temperature,
            variance_temperature=variance_temperature,
        )
        write_picture(
            out, rollouts={counted(count, "rollout"): made}, model=trained, thought_along={"which way next?": made[0]}
        )
        typer.echo(f"{counted(count, 'path')}: {out}")
