"""What all commands share: their options, bars on the screen, and how bad input ends."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

NOTHING_YET = "nothing was learnt yet."  # as in mdn.training.interrupt, which imports Keras
Seed = Annotated[int, typer.Option(help="Same seed, same numbers.")]
ComponentTemperature = Annotated[float, typer.Option(help="Above 1 bolder choices, below 1 safer ones.")]
VarianceTemperature = Annotated[float, typer.Option(help="Below 1 neater, above 1 wilder.")]


def check_folder(path: Path) -> None:
    if not path.parent.is_dir():
        stop(f"there is no folder {str(path.parent)!r} to write {path.name!r} to.")
    if path.is_dir():
        stop(f"{str(path)!r} is a folder; name a file.")


def stop(message: str) -> NoReturn:
    typer.secho(f"mdn: {message}", err=True, fg=typer.colors.RED)
    raise typer.Exit(2)


def here_to_train() -> None:
    """A command that trains has the process to itself: programs are kept on disk, and memory from step to step."""
    from mdn import training

    training.keep_compiled_programs()
    training.keep_memory()


class Ending:
    """What a command says if Ctrl-C ends it.

    Args:
        kept: Of what was done so far; "" if it is nothing that anybody could miss.
    """

    def __init__(self, kept: str = ""):
        self.kept, self.pressed = kept, False

    @contextmanager
    def learning(self, out: Path) -> Iterator[None]:
        """Training, and writing what was learnt to `out`: Ctrl-C ends the training, and waits until that is written.

        Whatever comes behind it is not waited for, and the exit code is 130 at last.
        """
        from mdn.training import ctrl_c_waits

        with ctrl_c_waits() as pressed:
            yield
            self.kept, self.pressed = f"the model is in {out}.", bool(pressed)
        if self.pressed:
            say_stopped(f"the best weights so far are in {out}; Ctrl-C again does without what measures them.")


@contextmanager
def messages(kept: str = "") -> Iterator[Ending]:
    """Bad input ends in one sentence and exit code 2, Ctrl-C in another and exit code 130; `kept` is as in `Ending`."""
    ending = Ending(kept)
    try:
        yield ending
    except (ValueError, OSError, ImportError) as error:
        stop(str(error))
    except KeyboardInterrupt as error:
        say_stopped(*error.args or [ending.kept])
        raise typer.Exit(130) from None
    if ending.pressed:
        raise typer.Exit(130)


def say_stopped(kept: str = "") -> None:
    """That Ctrl-C ended it, to standard error, and what was kept."""
    typer.secho(f"mdn: stopped: {kept}" if kept else "mdn: stopped.", err=True)


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
