"""`mdn data list`, `mdn data fetch`, `mdn data path`: the registry of data sets."""

from __future__ import annotations

from typing import Annotated

import typer

from mdn_commands.shared import messages, share, stop

_Name = Annotated[
    str, typer.Argument(help="The name of the data set, as `mdn data list` shows it.", show_default=False)
]
_Files = Annotated[
    list[str] | None,
    typer.Argument(
        help="Files of the set, such as cat.ndjson of quickdraw; without any, all that make it up.", show_default=False
    ),
]


def add_to(app: typer.Typer, train: typer.Typer, generate: typer.Typer) -> None:
    """Adds the group `data` to `app`."""
    data = typer.Typer(help="Data sets: what there is, where it lies, and fetching it.", no_args_is_help=True)
    data.command(name="list")(list_)
    data.command()(fetch)
    data.command()(path)
    app.add_typer(data, name="data")


def list_() -> None:
    """List the data sets with their licences and sources, and say where each lies now."""
    with messages():
        from rich.console import Console
        from rich.table import Table

        from mdn.data import registry

        table = Table("name", "what", "licence", "source", "now")
        for one, now in registry.rows():
            table.add_row(one.name, one.what, one.licence, one.source, now)
        console = Console()
        console.print(table)
        for one in registry.DATA_SETS:
            if one.note:
                console.print(f"{one.name}: {one.note}")
        console.print(
            "mdn data fetch NAME fetches a set into the cache; MDN_DATA names a folder of yours that comes first."
        )


def fetch(name: _Name, files: _Files = None) -> None:
    """Fetch a data set into the cache and check its checksum, unless it is here already; print where it lies."""
    with messages():
        from rich.console import Console

        from mdn.data import registry

        chosen = registry.data_set(name)
        console = Console()
        for file in files or chosen.main:
            before = registry.where(name, file)
            with share(console, f"fetching {file}") as on_share:
                found = registry.find(name, file, on_share)
            origin = chosen.origin(file)
            if before is None and origin is not None and origin.sha256 is None:
                typer.echo(
                    f"mdn: {file} has no published checksum; that of this download is kept for the next time.", err=True
                )
            typer.echo(found)


def path(name: _Name, files: _Files = None) -> None:
    """Print where the files of a data set lie, one a line; nothing is fetched."""
    with messages():
        from mdn.data import registry

        for file in files or registry.data_set(name).main:
            found = registry.where(name, file)
            if found is None:
                fetched = registry.data_set(name).origin(file) is not None
                stop(
                    f"{name}/{file} lies neither in MDN_DATA nor in the cache. "
                    + (f"mdn data fetch {name} fetches it." if fetched else "It can't be fetched; see mdn data list.")
                )
            typer.echo(found)
