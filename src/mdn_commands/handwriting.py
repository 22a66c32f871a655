"""`mdn train handwriting`, `mdn record` and `mdn write`: any text, in many hands or in your own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from mdn_commands.drawings import placed, tell_of
from mdn_commands.given import not_with, only_with
from mdn_commands.options import ModelOut, PageOut, Resume, Seed, TrainProcesses, trained_by
from mdn_commands.shared import NOTHING_YET, begin, check_out, here_to_train, learn, messages, say_parts, stop


def add_to(app: typer.Typer, train: typer.Typer) -> None:
    """Adds the commands to `app` and `train`."""
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
    lines: Annotated[int, typer.Option(min=30, help="How many lines of hershey are made.")] = 3000,
    start: Annotated[
        str,
        typer.Option(
            "--from", help="A model to go on from: handwriting, which comes with mdn, or a file.", show_default=False
        ),
    ] = "",
    out: ModelOut = Path("handwriting.keras"),
    processes: TrainProcesses = 1,
    epochs: Annotated[
        int, typer.Option(min=0, help="How many epochs at most; 0: 18, or 12 with --from.", show_default=False)
    ] = 0,
    seed: Seed = 0,
    resume: Resume = True,
) -> None:
    """Train a network that writes, and score it; 200 lines of your own are enough with --from handwriting."""
    with messages(NOTHING_YET) as ending:
        handwriting, console = begin("handwriting", out, data, start)
        only_with(data == "hershey", "--data hershey", "--lines")
        from mdn.applications.handwriting.train import EPOCHS, GO_ON_EPOCHS, REHEARSALS

        here_to_train()  # before a model's arrays are made
        model = handwriting.load(start if start != "handwriting" else None) if start else None
        read = handwriting.read(data, count=lines, seed=seed, alphabet=model and model.alphabet)
        tell_of(read.skipped)
        parts = handwriting.split(read, seed)
        epochs = epochs or (GO_ON_EPOCHS if model else EPOCHS)
        rehearsals = 0 if model or data == "hershey" else REHEARSALS
        made_of = {
            "data": Path(data).name,
            "from": Path(start).name,
            "lines": say_parts(console, parts, "line"),
            "epochs in fonts": rehearsals,
        }
        then = f'mdn write "Hello" --model {out} --out hello.svg'
        learn(
            ending, console, handwriting, parts, out, epochs, seed, resume, made_of, then,
            bar=rehearsals + epochs, processes=processes, model=model, rehearsals=rehearsals,
        )  # fmt: skip


def write(
    text: Annotated[str, typer.Argument(help="The text to write; or name a file by --file.", show_default=False)] = "",
    file: Annotated[Path | None, typer.Option(help="A text file to write.", show_default=False)] = None,
    model: Annotated[str, trained_by("mdn train handwriting")] = "",
    out: Annotated[Path, typer.Option(help="A picture: .svg, .png or .pdf.")] = Path("note.svg"),
    style: Annotated[
        str,
        typer.Option(
            help="The number or name of a hand, `list` to see them, `any`: another in each line; without it the model's own.",
            show_default=False,
        ),
    ] = "",
    after: Annotated[
        str, typer.Option(help="FILE:PLACE of a real line, in whose hand it goes on.", show_default=False)
    ] = "",
    bias: Annotated[float, typer.Option(min=0.0, help="How neat the writing is: 0 as people write, 1 neat.")] = 0.7,
    page: Annotated[
        str, typer.Option(help="Write on paper: a3, a4, a5 or letter, as many sheets as needed.", show_default=False)
    ] = "",
    width: Annotated[int, typer.Option(min=1, help="Characters a line, where there is no --page.")] = 40,
    line_height: Annotated[float, typer.Option(min=1.0, help="The height of a line, in mm.")] = 11.0,
    ink: Annotated[str, typer.Option(help="A colour, such as navy or #22303c.", show_default=False)] = "",
    seconds: Annotated[
        float, typer.Option("--animate", min=0.0, help="An .svg written in so many seconds.", show_default=False)
    ] = 0.0,
    transliterate: Annotated[
        bool,
        typer.Option(
            "--transliterate", help="Write characters that the model does not know in letters that it knows: e for é."
        ),
    ] = False,
    seed: Seed = 0,
) -> None:
    """Write a text by hand."""
    with messages():
        from mdn.drawing.ink import SHEETS

        check_out(out, *SHEETS, reads=[file, model, placed(after)[0]])
        only_with(out.suffix == ".svg", "an .svg", "--animate")
        not_with(page, "--page, whose width says how long a line is", "--width")
        not_with(file is not None, "--file, whose text is written", "TEXT")
        from mdn import training
        from mdn.applications import handwriting
        from mdn.applications.handwriting.pictures import Page, write_line, write_page
        from mdn.data import reading
        from mdn.drawing.pages import check_pages
        from mdn.wording import counted

        training.keep_compiled_programs()
        network = handwriting.load(model or None)
        if style == "list":
            own = {network.default_hand: "  without --style"}
            typer.echo("\n".join(f"{i:3d}  {name}{own.get(name, '')}" for i, name in enumerate(network.hands)))
            return
        if file is not None:
            with reading(file, "text"):
                text = file.read_text(encoding="utf-8-sig")
        if transliterate:
            text = "\n".join(network.alphabet.transliterate(line) for line in text.splitlines())
        paper = replace(Page.of(page) if page else Page(height=None), line_height=line_height)
        paper = replace(paper, ink=ink) if ink else paper
        lines = handwriting.wrapped(text, paper.characters if page else width)
        if out.suffix != ".pdf":
            check_pages(out, paper.sheets(len(lines)))
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
        typer.echo(f"{counted(len(lines), 'line')}: {', '.join(map(str, written))}")


def _line(name: str):
    """(a line, its text) by FILE:PLACE."""
    from mdn.data import read_handwriting

    path, place = placed(name)
    lines = read_handwriting(path)
    if not -len(lines) <= place < len(lines):
        from mdn.wording import counted

        stop(f"{path!r} has {counted(len(lines), 'line')}, counted from 0, but {place} came.")
    return lines[place], str(lines.texts[place])


def record(
    out: PageOut = Path("record.html"),
) -> None:
    """Make a page to write lines on with a pen or a finger; its files are data for `mdn train handwriting`."""
    with messages():
        check_out(out)
        from mdn.applications import handwriting
        from mdn.data import replacing

        page = Path(handwriting.__file__).with_name("record.html").read_text(encoding="utf-8")
        with replacing(out) as temporary:
            temporary.write_text(page, encoding="utf-8")
        typer.echo(
            f"Open {out} in a browser, write, save, and then: mdn train handwriting --data FOLDER --from handwriting"
        )
