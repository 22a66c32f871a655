"""What all commands share: their options, bars on the screen, and how bad input ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from mdn_commands import interrupt

NOTHING_YET = "nothing was learnt yet."  # as in mdn.training.interrupt, which imports Keras
Seed = Annotated[int, typer.Option(help="Same seed, same numbers.")]
Resume = Annotated[
    bool, typer.Option("--resume/--no-resume", help="Go on with a training of the same settings that was stopped.")
]
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

        What comes behind it still runs, if Ctrl-C is not pressed again, and the exit code is 130 at last.
        """
        from mdn.training import ctrl_c_waits

        with ctrl_c_waits() as pressed:
            yield
            self.kept, self.pressed = f"the model is in {out}.", bool(pressed)
        if pressed.times > 1:
            raise KeyboardInterrupt(f"the best weights so far are in {out}.")
        if pressed:
            say_stopped(f"the best weights so far are in {out}; Ctrl-C again does without what measures them.")


@contextmanager
def messages(kept: str = "") -> Iterator[Ending]:
    """Bad input ends in one sentence and exit code 2, Ctrl-C in another and exit code 130; `kept` is as in `Ending`."""
    interrupt.within_a_command()
    ending = Ending(kept)
    try:
        yield ending
    except (ValueError, OSError, ImportError) as error:
        stop(str(error))
    except KeyboardInterrupt as error:
        interrupt.after_a_command()
        say_stopped(*error.args or [ending.kept])
        raise typer.Exit(130) from None
    finally:
        interrupt.after_a_command()
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
def going_on(out: Path, resume: bool, console) -> Iterator[Path]:
    """The folder beside `out` in which a training is kept, so that a kill only delays it; without Ctrl-C it is gone in the end.

    Args:
        out: Where the model goes.
        resume: Whether a training that is kept there goes on, or another begins.
        console: Is told that one goes on.
    """
    import shutil

    from mdn.training import ctrl_c_waits

    folder = out.with_name(out.name + ".training")
    if not resume:
        shutil.rmtree(folder, ignore_errors=True)
    if folder.exists():
        console.print(f"going on with the training that is kept in {folder}; --no-resume begins anew.", soft_wrap=True)
    with ctrl_c_waits() as pressed:
        try:
            yield folder
        except ValueError as error:
            raise ValueError(f"{error} --no-resume does so." if str(folder) in str(error) else str(error)) from error
        if not pressed:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def epochs_bar(console, epochs: int):
    """A bar on the screen that is a Keras callback, with the NLL of held-out sequences."""
    import keras
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=epochs, note="compiling")

        class Told(keras.callbacks.Callback):
            def on_train_begin(self, logs=None):
                self.seen = 0

            def on_epoch_end(self, epoch, logs=None):
                note = f"held-out NLL {logs['val_nll']:.3f}" if logs and "val_nll" in logs else ""
                # epochs of an earlier run count as well
                progress.update(task, advance=epoch + 1 - self.seen, note=note)
                self.seen = epoch + 1

        yield Told()


def warn(message: str) -> None:
    """A sentence that must not be overlooked, to standard error; the command goes on."""
    typer.secho(f"mdn: warning: {message}", err=True, fg=typer.colors.YELLOW, bold=True)


def conclude(
    console,
    path: Path,
    provenance: Mapping[str, object],
    measure: Callable[[], Mapping[str, float]],
    floors: Mapping[str, Sequence[str]],
    higher_is_better: bool = False,
) -> None:
    """The end of every training: says what a model is worth that is on disk already, and writes it beside the model.

    What the model was made of is written first. A measurement that fails is a warning: the model stays, and the exit code is 0.
    A model that does not beat one of its floors is a warning, too. Warnings go to standard error and into the file.

    Args:
        console: Gets the figures.
        path: Of the .json file beside the model.
        provenance: What the model was made of.
        measure: Gives the figures by name. Whatever takes time or may fail belongs in it, pictures of the model, too.
        floors: For a figure of the model the names of those it must beat, of models that know far less; names without a figure
            are left out.
        higher_is_better: Whether a higher figure beats a lower one, as with returns; NLLs and errors beat higher ones.
    """
    _write_json(path, provenance)
    figures: Mapping[str, float] = {}
    warnings = []
    try:
        with console.status("measuring"):
            figures = measure()
    except Exception as error:  # whatever it is, hours of training lie behind it
        kind = "" if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: "
        warnings.append(f"the model is written and can be used, but it could not be measured: {kind}{error}")
    warnings += _lost(figures, floors, higher_is_better)
    _write_json(path, {**provenance, "figures": figures, **({"warnings": warnings} if warnings else {})})
    width = max(map(len, figures), default=0)
    for name, value in figures.items():
        console.print(f"{name:{width}s} {value:9.3f}")
    for warning in warnings:
        warn(warning)


def _lost(figures, floors, higher_is_better: bool) -> list[str]:
    """A sentence for each floor that was not beaten; what is not a number beats nothing."""
    side = "higher" if higher_is_better else "lower"
    return [
        f"this model does not beat a floor, so it has learnt too little to be of use: {name!r} is {figures[name]:.3f}, "
        f"{floor!r} is {figures[floor]:.3f}, and {side} is better. Train it longer, or on more data."
        for name, beaten in floors.items()
        for floor in beaten
        if name in figures and floor in figures
        if not (figures[name] > figures[floor] if higher_is_better else figures[name] < figures[floor])
    ]


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    import json

    from mdn.data import replacing

    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")
