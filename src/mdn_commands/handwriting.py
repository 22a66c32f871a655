"""`mdn train handwriting`, `mdn record` and `mdn write`: any text, in many hands or in one's own."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdn_commands.drawings import tell_of
from mdn_commands.shared import (
    NOTHING_YET,
    Resume,
    check_folder,
    conclude,
    epochs_bar,
    going_on,
    here_to_train,
    messages,
    stop,
)

if TYPE_CHECKING:
    from mdn.data import Handwriting

_FEWEST = 30  # lines
_SOURCE = "lex"  # of UNIPEN: whose lines are whole and finely recorded, by 13 writers
_GO_ON_EPOCHS, _EPOCHS, _REHEARSALS = 12, 18, 6

Model = Annotated[str, typer.Option(help="A file of `mdn train handwriting`; without it the one that comes with mdn.")]
Seed = Annotated[int, typer.Option(help="Same seed, same ink.")]


def add_to(app: typer.Typer, train: typer.Typer) -> None:
    """Makes the commands known."""
    train.command(name="handwriting")(train_handwriting)
    app.command(name="write")(write)
    app.command(name="record")(record)


def train_handwriting(
    data: Annotated[
        str,
        typer.Option(
            help="A .json or .npz of lines, a folder of IAM-OnDB, unipen (`mdn data path handwriting`), or hershey: text in "
            "fonts of single strokes, which any machine has."
        ),
    ] = "unipen",
    out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("handwriting.keras"),
    go_on: Annotated[
        str,
        typer.Option(
            "--from", help="Go on from a model: handwriting, which comes with mdn, or a file.", show_default=False
        ),
    ] = "",
    epochs: Annotated[int, typer.Option(min=0, help="At most; 0: 18, or 12 with --from.", show_default=False)] = 0,
    lines: Annotated[int, typer.Option(min=_FEWEST, help="How many lines of hershey are made.")] = 3000,
    seed: Seed = 0,
    resume: Resume = True,
) -> None:
    """Train a network that writes, and say what it is worth; 200 lines of your own are enough with --from handwriting."""
    with messages(NOTHING_YET) as ending:
        check_folder(out)
        from rich.console import Console

        import mdn
        from mdn.applications import handwriting
        from mdn.applications.handwriting import evaluate
        from mdn.applications.handwriting import train as lessons
        from mdn.data.files import keeping
        from mdn.models import save_plain

        here_to_train()
        console = Console()
        model = handwriting.load(go_on if go_on != "handwriting" else None) if go_on else None
        parts = _parted(_read(data, lines, seed, model), seed)
        learn, held_out, test = (parts.part(name) for name in ("train", "valid", "test"))
        console.print(
            f"{len(learn)} lines to learn from, {len(held_out)} to choose the epoch by, {len(test)} to judge by."
        )
        start = time.perf_counter()
        epochs = epochs or (_GO_ON_EPOCHS if model else _EPOCHS)
        rehearsals = 0 if model or data == "hershey" else _REHEARSALS
        with ending.learning(out), going_on(out, resume, console) as kept:
            with epochs_bar(console, rehearsals + epochs) as bar:
                if model is None:
                    model = lessons.train(
                        learn,
                        held_out,
                        epochs=epochs,
                        rehearsals=rehearsals,
                        seed=seed,
                        callbacks=[bar],
                        checkpoint=kept,
                    )
                else:
                    lessons.go_on(model, learn, held_out, epochs=epochs, seed=seed, callbacks=[bar], checkpoint=kept)
            seconds = time.perf_counter() - start
            keeping(out, lambda path: save_plain(model, path))
        provenance = {
            "data": Path(data).name,
            "from": Path(go_on).name,
            "lines": {name: len(parts.part(name)) for name in ("train", "valid", "test")},
            "epochs in fonts": rehearsals,
            "epochs": epochs,
            "seed": seed,
            "seconds of training": seconds,
            "mdn": mdn.__version__,
        }
        conclude(
            console,
            out.with_suffix(".json"),
            provenance,
            lambda: handwriting.figures(model, test, seed=seed, learnt=learn),
            evaluate.FLOORS,
        )
        console.print(f'Model: {out}\nNext: mdn write "Hello" --model {out} --out hello.svg', soft_wrap=True)


def _read(data: str, count: int, seed: int, model) -> Handwriting:
    """Lines that can be learnt from, with their parts."""
    import numpy as np

    from mdn.applications.handwriting import usable
    from mdn.data import find, read_handwriting

    if data == "hershey":
        from mdn.data.hershey import hershey_lines, random_texts

        letters = "".join(map(chr, range(32, 127)))
        texts = random_texts(count, letters, np.random.default_rng([seed, 1]))  # hands are drawn by the seed itself
        return hershey_lines(texts, seed, hands=20)
    if data == "unipen" and not Path(data).exists():
        path = find("handwriting", "unipen_lines.npz")
        lines = read_handwriting(path).with_split(path.with_name("split.json"))
        lines = lines[lines.sources == _SOURCE]
        judged = lines[lines.parts == "test"]  # all of it, whatever speaks against a line
        return usable(lines[lines.parts != "test"]) + judged
    lines = usable(read_handwriting(data))
    tell_of(lines.skipped)
    if model is not None:
        known = np.array([not model.alphabet.unknown(text) for text in lines.texts.tolist()], bool)
        if not known.all():
            typer.echo(f"mdn: left out: {np.sum(~known)} lines with characters that the model does not know.", err=True)
        lines = lines[known]
    if len(lines) < _FEWEST:
        stop(f"at least {_FEWEST} lines that can be learnt from are needed, but there are {len(lines)}.")
    return lines


def _parted(lines: Handwriting, seed: int) -> Handwriting:
    """With a train, a valid and a test part; no text is in two of them."""
    shares = {name: share for name, share in (("valid", 0.05), ("test", 0.1)) if name not in set(lines.parts.tolist())}
    found = lines.divided(seed, **shares) if shares else lines
    if not all(len(found.part(name)) for name in ("train", "valid", "test")):
        stop(
            "lines are dealt to what is learnt from and what is judged by so that no text is in both, but there are only "
            f"{len(set(lines.texts.tolist()))} different texts: write more of them."
        )
    return found


def write(
    text: Annotated[str, typer.Argument(help="What to write; or --file.", show_default=False)] = "",
    file: Annotated[Path | None, typer.Option(help="A text file to write.", show_default=False)] = None,
    out: Annotated[Path, typer.Option(help="A picture: .svg or .png.")] = Path("note.svg"),
    style: Annotated[
        str,
        typer.Option(
            help="Number or name of a hand, `list` to see them, `any`: another in each line; without it the model's own.",
            show_default=False,
        ),
    ] = "",
    after: Annotated[
        str, typer.Option(help="FILE:PLACE of a real line, in whose hand it goes on.", show_default=False)
    ] = "",
    bias: Annotated[float, typer.Option(min=0.0, help="0: as people write; 1: neat.")] = 0.7,
    page: Annotated[str, typer.Option(help="a3, a4, a5 or letter, as many sheets as needed.", show_default=False)] = "",
    width: Annotated[int, typer.Option(min=1, help="Characters a line, where there is no --page.")] = 40,
    line_height: Annotated[float, typer.Option(min=1.0, help="mm.")] = 11.0,
    ink: Annotated[str, typer.Option(help="A colour as SVG has it.", show_default=False)] = "",
    seconds: Annotated[
        float, typer.Option("--animate", min=0.0, help="An .svg written in so many seconds.", show_default=False)
    ] = 0.0,
    transliterate: Annotated[
        bool, typer.Option("--transliterate", help="Write what it does not know in letters it does: e for é.")
    ] = False,
    model: Model = "",
    seed: Seed = 0,
) -> None:
    """Write a text by hand."""
    with messages():
        check_folder(out)
        if out.suffix not in (".svg", ".png"):
            stop(f"--out ends in .svg or .png, but {out.name!r} came.")
        from mdn import training
        from mdn.applications import handwriting
        from mdn.applications.handwriting.pictures import Page, write_line, write_page
        from mdn.data import reading

        training.keep_compiled_programs()
        network = handwriting.load(model or None)
        if style == "list":
            own = {network.default_hand: "  without --style"}
            typer.echo("\n".join(f"{i:3d}  {name}{own.get(name, '')}" for i, name in enumerate(network.hands)))
            return
        if file is not None:
            with reading(file, "text"):
                text = file.read_text(encoding="utf-8")
        if transliterate:
            text = "\n".join(network.alphabet.transliterate(line) for line in text.splitlines())
        paper = replace(Page.of(page) if page else Page(height=None), line_height=line_height)
        paper = replace(paper, ink=ink) if ink else paper
        lines = handwriting.wrapped(text, paper.characters if page else width)
        made = handwriting.write(
            network,
            lines,
            bias=bias,
            style=int(style) if style.isdigit() else style or None,
            after=_line(after) if after else None,
            seed=seed,
        )
        if page or len(lines) > 1:
            written = write_page(out, made.lines, paper, seconds or None)
        else:
            write_line(out, made.lines[0], paper, seconds or None)
            written = [out]
        typer.echo(f"{len(lines)} line{'s' if len(lines) > 1 else ''}: {', '.join(map(str, written))}")


def _line(name: str):
    """(a line, its text) by FILE:PLACE."""
    from mdn.data import read_handwriting

    path, _, place = name.rpartition(":")
    if not path or not place.isdigit():
        path, place = name, "0"
    lines = read_handwriting(path)
    if int(place) >= len(lines):
        stop(f"{path!r} has {len(lines)} lines, counted from 0, but {place} came.")
    return lines[int(place)], str(lines.texts[int(place)])


def record(
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("record.html"),
) -> None:
    """Make a page to write lines on with a pen or a finger; what it saves is for `mdn train handwriting`."""
    with messages():
        check_folder(out)
        from mdn.applications import handwriting
        from mdn.data import replacing

        page = Path(handwriting.__file__).with_name("record.html").read_text(encoding="utf-8")
        with replacing(out) as temporary:
            temporary.write_text(page, encoding="utf-8")
        typer.echo(
            f"Open {out} in a browser, write, save, and then: mdn train handwriting --data FOLDER --from handwriting"
        )
