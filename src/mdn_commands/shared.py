"""The common code of all commands: bars on the screen, training, and the messages of bad input."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import typer

from mdn_commands import interrupt, overwriting, worth

if TYPE_CHECKING:
    from mdn.applications.chapter import Chapter, Parts

NOTHING_YET = "nothing was learnt yet."  # as in mdn.training.interrupt, which imports Keras
_kept: ContextVar[list[str] | None] = ContextVar("sentences of commands", default=None)


def check_out(path: Path, *endings: str, reads: Iterable[str | Path | None] = (), beside: Sequence[Path] = ()) -> None:
    """Stops with a message if a file cannot or must not be written: before hours of training, not after them.

    Args:
        path: The path of the file.
        endings: For the value of `--out`, the endings that its name may have; none to allow any.
        reads: What the command reads, as in `overwriting.check_inputs`.
        beside: Files of other endings that it writes, too.
    """
    if endings and path.suffix not in endings:
        *others, last = endings
        stop(f"--out ends in {', '.join(others)}{' or ' if others else ''}{last}, but {path.name!r} came.")
    if not path.parent.is_dir():
        stop(f"there is no folder {str(path.parent)!r} to write {path.name!r} to.")
    if path.is_dir():
        stop(f"{str(path)!r} is a folder; name a file.")
    from mdn.files import try_to_write

    overwriting.check_inputs([path, *beside], reads)
    for each in beside:
        overwriting.check_ours(each)
    try_to_write(path)


def started():
    """The console of a command of tables, once Keras is imported: that takes seconds, in which a sentence stands there."""
    from rich.console import Console

    console = Console()
    with console.status("starting"):
        from mdn import MDNRegressor, training  # noqa: F401

        training.keep_compiled_programs()
    return console


@contextmanager
def listening() -> Iterator[list[str]]:
    """For the studio, which calls parts of commands: yields a list that gets the sentences of `tell`, and `stop` raises them."""
    sentences: list[str] = []
    token = _kept.set(sentences)
    try:
        yield sentences
    finally:
        _kept.reset(token)


def tell(message: str) -> None:
    """Prints a sentence about the input to standard error, or keeps it for the one who is `listening`."""
    kept = _kept.get()
    if kept is None:
        typer.secho(f"mdn: {message}", err=True)
    else:
        kept.append(message)


def stop(message: str) -> NoReturn:
    """Prints the sentence and ends the command with exit code 2; raises it as a ValueError for the one who is `listening`."""
    if _kept.get() is not None:
        raise ValueError(message)
    typer.secho(f"mdn: {message}", err=True, fg=typer.colors.RED)
    raise typer.Exit(2)


def probabilities(text: str) -> list[float]:
    """The probabilities of the option `--quantiles`, such as .05,.5,.95."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        stop(f"--quantiles must be numbers with commas between, such as .05,.5,.95, but {text!r} came.")
    if not all(0.0 < value < 1.0 for value in values):
        stop(f"--quantiles must lie between 0 and 1, such as .05,.5,.95, but {text!r} came.")
    return values


def here_to_train() -> None:
    """For a command that trains, alone in its process: keeps programs on disk, and memory from step to step."""
    from mdn import training

    training.keep_compiled_programs()
    training.keep_memory()


class Ending:
    """The message of a command that Ctrl-C ends.

    Args:
        kept: Says what was kept; "" if nothing is worth a word.
    """

    def __init__(self, kept: str = ""):
        self.kept, self.pressed = kept, False

    @contextmanager
    def learning(self, out: Path) -> Iterator[None]:
        """For training and writing the model to `out`: Ctrl-C ends the training, and takes effect once the model is written.

        After one Ctrl-C the rest of the command still runs, and the exit code is 130; a second one ends the command.
        """
        from mdn.training import ctrl_c_waits

        with ctrl_c_waits() as pressed:
            yield
            self.kept, self.pressed = f"the model is in {out}.", bool(pressed)
        if pressed.times > 1:
            raise KeyboardInterrupt(f"the best weights so far are in {out}.")
        if pressed:
            again = "; Ctrl-C again does without what measures them" if sys.stdin and sys.stdin.isatty() else ""
            say_stopped(f"the best weights so far are in {out}{again}.")


@contextmanager
def messages(kept: str = "") -> Iterator[Ending]:
    """Bad input ends with one message and exit code 2, Ctrl-C with another and exit code 130; `kept` is as in `Ending`."""
    interrupt.within_a_command()
    ending = Ending(kept)
    try:
        yield ending
    except MemoryError:
        stop("there is not enough memory for what was asked for: ask for less.")
    except IsADirectoryError as error:
        stop(f"{error.filename!r} is a folder; name a file." if error.filename else str(error))
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
    """Prints to standard error that Ctrl-C ended the command, and what was kept."""
    typer.secho(f"mdn: stopped: {kept}" if kept else "mdn: stopped.", err=True)


def begin(name: str, out: Path, *reads: str | Path | None, page: bool = False, samples: bool = False):
    """The beginning of every `mdn train`: tries whether `out` can be written, and returns (the chapter `name`, the console).

    Args:
        name: The name of the chapter.
        out: Where the model goes.
        *reads: What the command reads, as in `check_out`.
        page: Whether a page goes beside the model.
        samples: Whether a sheet of samples goes beside it.
    """
    beside = [out.with_suffix(".json"), *([out.with_suffix(".html")] if page else [])]
    check_out(out, ".keras", reads=reads, beside=beside)
    more = [_kept_beside(out), *([out.with_suffix(".samples.svg")] if samples else [])]
    overwriting.check_inputs(more, reads)
    from rich.console import Console

    from mdn.applications.chapter import chapter

    return chapter(name), Console()


def read(console, chapter: Chapter, *sources):
    """What `chapter.read` returns; prints a sentence for each file of which something was left out."""
    found = chapter.read(*sources)
    for sentence in found.skipped:
        console.print(sentence, soft_wrap=True)
    return found


def learn(
    ending: Ending,
    console,
    chapter: Chapter,
    parts: Parts,
    out: Path,
    epochs: int | None,
    seed: int,
    resume: bool,
    made_of: Mapping[str, object],
    then: str,
    *,
    bar: int | None = None,
    processes: int = 1,
    callbacks: Sequence = (),
    **options,
) -> None:
    """The body of every `mdn train`: trains, writes the model, and beside it a .json of its provenance and figures.

    Args:
        ending: From `messages`.
        console: Shows a bar, and gets the figures.
        chapter: The chapter of the model.
        parts: From `chapter.split`.
        out: Where the model goes; the .json has its name.
        epochs: How many epochs at most; None leaves it to `chapter.train`.
        seed: The seed for the training and the figures.
        resume: Whether a training that was killed goes on.
        made_of: The provenance of the model, for the .json; seed, epochs, seconds and version are added.
        then: The command to try next.
        bar: How many epochs the bar shows, if not `epochs`.
        processes: How many processes of this machine train together.
        callbacks: Callbacks of Keras, in addition to the bar.
        **options: Of `chapter.train`.
    """
    import mdn
    from mdn.files import keeping
    from mdn_commands.bars import epochs_bar

    if processes > 1:
        from mdn.training.processes import check_processes

        check_processes(processes)
    here_to_train()
    start, busy = time.perf_counter(), _processor_seconds()
    with ending.learning(out), going_on(out, resume, console) as kept:
        with epochs_bar(console, bar or epochs, here=processes == 1) as shown:
            how = {"callbacks": [shown, *callbacks], "checkpoint": kept, "processes": processes}
            model = chapter.train(parts, epochs=epochs, seed=seed, **how, **options)
        seconds = {
            "seconds of training": time.perf_counter() - start,
            "seconds of processor time": _processor_seconds() - busy,
        }
        keeping(out, lambda path: chapter.save(model, path))
    conclude(
        console,
        out.with_suffix(".json"),
        {**made_of, "epochs": epochs, "seed": seed, "processes": processes, **seconds, "mdn": mdn.__version__},
        lambda: chapter.figures(model, parts, seed),
        chapter.floors,
        chapter.higher_is_better,
        shown.scores,
    )
    console.print(f"Model: {out}\nNext: {then}", soft_wrap=True)


def _processor_seconds() -> float:
    """Of this process and of those that it has started and that have ended."""
    return sum(os.times()[:4])


def say_parts(console, parts: Parts, what: str) -> dict[str, int]:
    """Prints how many of `what`, a noun in the singular, are in each part, and returns these numbers."""
    from mdn.wording import counted

    console.print(
        f"{counted(len(parts['train']), what)} to learn from, {len(parts['valid'])} to choose the epoch by, "
        f"{len(parts['test'])} to judge by."
    )
    return {name: len(part) for name, part in parts.items()}


@contextmanager
def share(console, what: str):
    """Shows a bar of what is no training; yields the function that moves it to a share from 0 to 1."""
    from mdn_commands.bars import Bar

    with Bar(console=console, transient=True, before=True) as progress:
        task = progress.add_task(what, total=1.0)
        yield lambda share: progress.update(task, completed=share)


@contextmanager
def going_on(out: Path, resume: bool, console) -> Iterator[Path]:
    """Yields the folder beside `out` for checkpoints, so that a killed training can go on; it is removed at a regular end.

    Args:
        out: Where the model goes.
        resume: Whether a training in that folder goes on; else it begins anew.
        console: Shows that a training goes on.
    """
    import shutil

    from mdn.training import ctrl_c_waits

    folder = _kept_beside(out)
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


def _kept_beside(out: Path) -> Path:
    return out.with_name(out.name + ".training")


def warn(message: str) -> None:
    """Prints a warning to standard error; the command goes on."""
    typer.secho(f"mdn: warning: {message}", err=True, fg=typer.colors.YELLOW, bold=True)


def conclude(
    console,
    path: Path,
    provenance: Mapping[str, object],
    measure: Callable[[], Mapping[str, float]],
    floors: Mapping[str, Sequence[str]],
    higher_is_better: bool = False,
    scores: Sequence[float] = (),
) -> None:
    """The end of every training: measures a model that is on disk already, prints its figures and writes them beside it.

    The provenance is written first. If measuring fails, there is a warning, the model stays, and the exit code is 0. There is a
    warning, too, if a figure does not beat its floor, and else a sentence that says by how much it does. Warnings go to standard
    error and into the file.

    Args:
        console: Gets the figures.
        path: The path of the .json file beside the model.
        provenance: What the model was made of.
        measure: Returns the figures by name. All that takes time or may fail belongs in it, pictures of the model, too.
        floors: For each figure, the names of the figures that it must beat, which are those of models that know far less; names
            without a figure are left out.
        higher_is_better: Whether a higher figure beats a lower one, as with returns, and unlike NLLs and errors.
        scores: The NLL of what chooses the epoch, after each epoch, if all are known.
    """
    _write_json(path, provenance)
    figures: Mapping[str, float] = {}
    warnings = []
    try:
        with console.status("measuring"):
            figures = measure()
    except Exception as error:  # whatever it is, it must not spoil hours of training
        kind = "" if isinstance(error, (ValueError, OSError)) else f"{type(error).__name__}: "
        warnings.append(f"the model is written and can be used, but it could not be measured: {kind}{error}")
    warnings += worth.lost(figures, floors, higher_is_better, scores)
    _write_json(path, {**provenance, "figures": figures, **({"warnings": warnings} if warnings else {})})
    width = max(map(len, figures), default=0)
    for name, value in figures.items():
        console.print(f"{name:{width}s} {value:9.3f}")
    for sentence in (*worth.of_epochs(scores), *worth.beaten(figures, floors, higher_is_better)):
        console.print(sentence, soft_wrap=True, markup=False)
    for warning in warnings:
        warn(warning)


def _write_json(path: Path, content: Mapping[str, object]) -> None:
    import json

    from mdn.data import replacing

    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")
