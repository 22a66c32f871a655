"""The app `mdn`, put together from its commands. These import the package only when they run, so `mdn --help` is fast."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from mdn_commands import (
    data,
    drawings,
    ecg,
    exports,
    handwriting,
    instrument,
    jam,
    play,
    robot,
    series,
    sketch,
    studio,
    tables,
    world,
)
from mdn_commands.given import remembered
from mdn_commands.options import PageOut, Seed
from mdn_commands.shared import check_out, messages

app = typer.Typer(
    name="mdn",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
train = typer.Typer(help="Train a model of an application.", no_args_is_help=True)
generate = typer.Typer(help="Make something with a model of an application.", no_args_is_help=True)


def _versions(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version
        from platform import python_version

        parts = [f"{name} {version(name.lower())}" for name in ("mdn", "Keras", "JAX")]
        print(", ".join([*parts, f"Python {python_version()}"]))
        raise typer.Exit()


@app.callback()
def everything(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_versions, is_eager=True, help="Print the versions of mdn, Keras, JAX and Python."
        ),
    ] = False,
) -> None:
    """Mixture density networks: predict distributions instead of points."""
    # A cell of a notebook (`!mdn fit ...`) says that it is a terminal, but shows each picture of a moving bar below the last one.
    if "JPY_PARENT_PID" in os.environ:
        os.environ["TERM"] = "dumb"


@app.command()
def demo(
    out: PageOut = Path("demo.html"),
    quick: Annotated[bool, typer.Option("--quick", help="Train for a few epochs only.")] = False,
    seed: Seed = 0,
) -> None:
    """Watch a mixture density network learn what a least-squares network cannot; writes a page of pictures."""
    with messages():
        check_out(out)
        from mdn import training
        from mdn.applications import slides

        training.keep_compiled_programs()
        slides.tell(out, quick=quick, seed=seed)


tables.add_to(app)
exports.add_to(app)
data.add_to(app, train, generate)
drawings.add_to(app)
app.add_typer(train, name="train")
app.add_typer(generate, name="generate")
instrument.add_to(app, train, generate)
jam.add_to(app, train, generate)
play.add_to(app)
studio.add_to(app)
ecg.add_to(app, train, generate)
robot.add_to(app, train, generate)
series.add_to(app, train, generate)
sketch.add_to(app, train, generate)
world.add_to(app, train, generate)
handwriting.add_to(app, train)
remembered(app, train, generate)
