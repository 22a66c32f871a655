"""Commands in this process, which has imported Keras already; a process of its own is for where that is the point."""

from contextlib import chdir

from typer.testing import CliRunner

import mdn_cli


def run_here(folder, *arguments):
    """What `mdn …` prints and how it ends, run in `folder`: `exit_code`, `stdout` and `stderr`."""
    with chdir(folder):
        return CliRunner().invoke(mdn_cli.app, [*map(str, arguments)], env={"COLUMNS": "120", "NO_COLOR": "1"})
