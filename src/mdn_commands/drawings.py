"""`mdn show`: the drawings of a file, as a picture or in another format."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mdn_commands.options import Animate, Seed
from mdn_commands.shared import check_out, messages, stop

_SHOWN = 5  # so many complaints about bad drawings are printed; the others are counted


def add_to(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    app.command(name="show")(show)


def show(
    data: Annotated[
        str,
        typer.Argument(help="A .npz, .ndjson or .svg of drawings, a folder of them, or kanjivg.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="A sheet: .svg or .png; or all drawings: .npz or .ndjson.")] = Path(
        "sheet.svg"
    ),
    count: Annotated[int, typer.Option(min=1, help="How many drawings the sheet shows.")] = 48,
    word: Annotated[list[str] | None, typer.Option(help="Only drawings of this word; may be repeated.")] = None,
    part: Annotated[str | None, typer.Option(help="Only train, valid or test.")] = None,
    animate: Animate = False,
    seed: Seed = 0,
) -> None:
    """Show drawings of a file, or write them in another format; bad ones are reported and left out."""
    with messages():
        check_out(out, ".svg", ".png", ".npz", ".ndjson")
        import numpy as np

        from mdn.data import read_drawings, write_drawings
        from mdn.drawing.sheets import write_animation, write_sheet

        found = read_drawings(data, go_on=True)
        tell_of(found.skipped)
        chosen = found.of(*word) if word else found
        chosen = chosen.part(part) if part else chosen
        if not len(chosen):
            stop(f"no drawing of {data!r} is of the part {part!r}.")
        if out.suffix in (".npz", ".ndjson"):
            write_drawings(out, chosen)
        else:
            order = np.random.default_rng(seed).permutation(len(chosen))[:count]
            chosen = chosen[np.sort(order)]
            labels = chosen.words.tolist() if len(set(chosen.words.tolist())) > 1 else []
            (write_animation if animate else write_sheet)(out, chosen, labels)
        typer.echo(f"{len(chosen)} of {len(found)} drawings: {out}")


def tell_of(skipped) -> None:
    """Prints to standard error why drawings were left out."""
    for complaint in skipped[:_SHOWN]:
        typer.echo(f"mdn: left out: {complaint}", err=True)
    if len(skipped) > _SHOWN:
        typer.echo(f"mdn: left out: {len(skipped) - _SHOWN} more", err=True)
