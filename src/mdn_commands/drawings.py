"""`mdn show`: the drawings of a file, as a picture or in another format; and the sheets of all commands that draw."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from mdn_commands.given import not_with, only_with
from mdn_commands.options import Animate, Columns, Paper, Seed, Size
from mdn_commands.shared import check_out, messages, stop, tell

_A_SHEET = "a sheet, --out NAME.svg, .png or .pdf"
_SHOWN = 5  # so many complaints about bad drawings are printed; the others are counted


def add_to(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    app.command(name="show")(show)


def show(
    data: Annotated[
        str,
        typer.Argument(help="A .npz, .ndjson or .svg of drawings, a folder of them, or kanjivg.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="A sheet: .svg, .png or .pdf; or all drawings: .npz or .ndjson.")] = Path(
        "sheet.svg"
    ),
    count: Annotated[int, typer.Option(min=1, help="How many drawings the sheet shows.")] = 48,
    word: Annotated[list[str] | None, typer.Option(help="Only drawings of this word; may be repeated.")] = None,
    part: Annotated[str | None, typer.Option(help="Only train, valid or test.")] = None,
    columns: Columns = None,
    size: Size = None,
    paper: Paper = None,
    animate: Animate = False,
    seed: Seed = 0,
) -> None:
    """Show drawings of a file, or write them in another format; bad ones are reported and left out."""
    with messages():
        check_sheet(out, animate, reads=[data])
        import numpy as np

        from mdn.data import read_drawings
        from mdn.drawing.ink import SHEETS
        from mdn.wording import counted

        only_with(out.suffix in SHEETS, _A_SHEET, "--count", "--seed")
        found = read_drawings(data, go_on=True)
        tell_of(found.skipped)
        chosen = found.of(*word) if word else found
        chosen = chosen.part(part) if part else chosen
        if not len(chosen):
            stop(f"no drawing of {data!r} is of the part {part!r}.")
        labels: list[str] = []
        if out.suffix in SHEETS:
            order = np.random.default_rng(seed).permutation(len(chosen))[:count]
            chosen = chosen[np.sort(order)]
            labels = chosen.words.tolist() if len(set(chosen.words.tolist())) > 1 else []
        written = write_pictures(out, chosen, labels, animate=animate, columns=columns, side=size, paper=paper)
        typer.echo(f"{len(chosen)} of {counted(len(found), 'drawing')}: {written}")


def check_sheet(out: Path, animate: bool = False, reads: Iterable[str | Path | None] = ()) -> None:
    """Stops with a message if drawings must not be written to `out`, or options have no effect on it; see `check_out`."""
    from mdn.data.drawing_files import WRITTEN
    from mdn.drawing.ink import SHEETS

    check_out(out, *SHEETS, *WRITTEN, reads=reads)
    only_with(out.suffix in SHEETS, _A_SHEET, "--columns", "--size", "--paper")
    only_with(out.suffix == ".svg", "an .svg", "--animate")
    not_with(animate, "--animate, which is for a screen", "--size", "--paper")


def check_room(out: Path, count: int, *, animate: bool = False, **how: Any) -> None:
    """Refuses what `write_pictures` could not write, before drawings are made.

    Args:
        out: A name that `check_sheet` let pass.
        count: How many drawings there will be.
        animate: As in `write_pictures`.
        **how: As in `mdn.drawing.sheets.check_room`.
    """
    from mdn.drawing import sheets

    if out.suffix in sheets.SHEETS and not animate:
        sheets.check_room(out, count, **how)


def write_pictures(out: Path, drawings, labels=(), given=(), *, animate: bool = False, columns=None, **how: Any) -> str:
    """Writes drawings to `out` and returns the names of the files that it wrote, for a sentence.

    Args:
        out: A name that `check_sheet` let pass.
        drawings, labels, given, columns: As in `mdn.drawing.write_sheet`.
        animate: Whether the sheet draws itself.
        **how: `side` and `paper` of `write_sheet`.
    """
    from mdn.data import Drawings, write_drawings
    from mdn.data.drawing_files import WRITTEN
    from mdn.drawing import write_animation, write_sheet
    from mdn.wording import agreed, counted

    if out.suffix in WRITTEN:
        kept = [i for i, one in enumerate(drawings) if one[:, :2].any()]
        empty = len(drawings) - len(kept)
        if empty:
            tell(f"{counted(empty, 'drawing')} with all points in one place {agreed(empty, 'is', 'are')} left out.")
            drawings = drawings[kept] if isinstance(drawings, Drawings) else [drawings[i] for i in kept]
        write_drawings(out, drawings)
    elif animate:
        write_animation(out, drawings, labels, columns, given)
    else:
        return ", ".join(map(str, write_sheet(out, drawings, labels, columns, given, **how)))
    return str(out)


def placed(text: str) -> tuple[str, int]:
    """(the name of a file or a data set, a number in it) of FILE:PLACE; the number is 0 without one, and -1 is the last."""
    found = re.fullmatch(r"(.+):(-?[0-9]{1,18})", text, re.DOTALL)
    return (found[1], int(found[2])) if found else (text, 0)


def tell_of(skipped) -> None:
    """Prints to standard error why drawings were left out."""
    for complaint in skipped[:_SHOWN]:
        typer.echo(f"mdn: left out: {complaint}", err=True)
    if len(skipped) > _SHOWN:
        typer.echo(f"mdn: left out: {len(skipped) - _SHOWN} more", err=True)
