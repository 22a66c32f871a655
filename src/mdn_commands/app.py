"""The app `mdn`, put together from its commands. These import the package only when they run, so `mdn --help` is fast."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mdn_commands import data, drawings, ecg, handwriting, instrument, jam, play, robot, series, sketch, tables, world
from mdn_commands.shared import Seed, check_folder, messages

app = typer.Typer(
    name="mdn",
    help="Mixture density networks: predict distributions instead of points.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
train = typer.Typer(help="Train a model of an application.", no_args_is_help=True)
generate = typer.Typer(help="Make something with a model of an application.", no_args_is_help=True)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where the page of pictures goes.")] = Path("demo.html"),
    quick: Annotated[bool, typer.Option("--quick", help="Train for a few epochs only.")] = False,
    seed: Seed = 0,
) -> None:
    """Watch a mixture density network learn what a least-squares network cannot; writes a page of pictures."""
    with messages():
        check_folder(out)
        from mdn import training
        from mdn.applications import slides

        training.keep_compiled_programs()
        slides.tell(out, quick=quick, seed=seed)


tables.add_to(app)
data.add_to(app, train, generate)
drawings.add_to(app)
app.add_typer(train, name="train")
app.add_typer(generate, name="generate")
instrument.add_to(app, train, generate)
jam.add_to(app, train, generate)
play.add_to(app)
ecg.add_to(app, train, generate)
robot.add_to(app, train, generate)
series.add_to(app, train, generate)
sketch.add_to(app, train, generate)
world.add_to(app, train, generate)
handwriting.add_to(app, train)
