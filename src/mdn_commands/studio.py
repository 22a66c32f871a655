"""`mdn studio`: the browser."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from mdn_commands.shared import messages


def add_to(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    app.command()(studio)


def studio(
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port of the page; 0 takes any that is free.")] = 8000,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")] = True,
    folder: Annotated[
        Path, typer.Option(help="The folder for your drawings, recordings, tables and models.", file_okay=False)
    ] = Path("studio"),
    host: Annotated[
        str, typer.Option(help="Listen at this address; 0.0.0.0 lets other machines in, with the token.")
    ] = "127.0.0.1",
) -> None:
    """Open the studio in the browser: the lecture, your tables, drawing, writing, playing, dreaming."""
    with messages():
        try:
            import starlette  # noqa: F401
            import uvicorn  # noqa: F401
            import websockets  # noqa: F401
        except ImportError as error:
            raise ImportError(f"the studio needs {error.name}: pip install 'mdn[studio]'.") from None
        from mdn_studio.server import serve

        try:
            serve(folder, port, host, browser, say=lambda line: typer.echo(line))
        except KeyboardInterrupt:
            typer.echo("The studio is closed. Trainings go on; the next `mdn studio` shows them again.")
            sys.stdout.flush()
            os._exit(0)  # a page may be in the middle of a long computation, which nobody waits for any more
