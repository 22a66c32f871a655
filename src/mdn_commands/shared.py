"""What all commands share: their options, bars on the screen, and how bad input ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

Seed = Annotated[int, typer.Option(help="Same seed, same numbers.")]
ComponentTemperature = Annotated[float, typer.Option(help="Above 1 bolder choices, below 1 safer ones.")]
VarianceTemperature = Annotated[float, typer.Option(help="Below 1 neater, above 1 wilder.")]


def check_folder(path: Path) -> None:
    """Ends with a sentence if `path` cannot be written: before hours of training, not after them."""
    if not path.parent.is_dir():
        stop(f"there is no folder {str(path.parent)!r} to write {path.name!r} to.")
    if path.is_dir():
        stop(f"{str(path)!r} is a folder; name a file.")
    from mdn.data.files import try_to_write

    try_to_write(path)


def stop(message: str) -> NoReturn:
    typer.secho(f"mdn: {message}", err=True, fg=typer.colors.RED)
    raise typer.Exit(2)


def here_to_train() -> None:
    """A command that trains has the process to itself: programs are kept on disk, and memory from step to step."""
    from mdn import training

    training.keep_compiled_programs()
    training.keep_memory()


@contextmanager
def messages() -> Iterator[None]:
    """Bad input ends in one sentence and exit code 2, Ctrl-C in exit code 130."""
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        stop(str(error))
    except KeyboardInterrupt:
        typer.secho("mdn: stopped.", err=True)
        raise typer.Exit(130) from None


@contextmanager
def share(console, what: str):
    """A bar on the screen, and the function that moves it: told a share from 0 to 1."""
    from rich.progress import Progress

    with Progress(console=console, transient=True) as progress:
        task = progress.add_task(what, total=1.0)
        yield lambda share: progress.update(task, completed=share)


@contextmanager
def epochs_bar(console, epochs: int):
    """A bar on the screen that is a Keras callback, with the NLL of held-out sequences."""
    import keras
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=epochs, note="compiling")

        class Told(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                note = f"held-out NLL {logs['val_nll']:.3f}" if logs and "val_nll" in logs else ""
                progress.update(task, advance=1, note=note)

        yield Told()


def write_provenance(console, path: Path, provenance: dict, figures: dict) -> None:
    """Writes what a model was made of and what it is worth beside it, and prints the figures."""
    import json

    from mdn.data import replacing

    with replacing(path) as temporary:
        temporary.write_text(json.dumps({**provenance, "figures": figures}, indent=1) + "\n")
    width = max(map(len, figures))
    for name, value in figures.items():
        console.print(f"{name:{width}s} {value:9.3f}")
