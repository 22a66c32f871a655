"""Commands in this process, which has imported Keras already; a process of its own is for where that is the point.

And chapters of which a test replaces functions, such as the training.
"""

import dataclasses
import importlib
from contextlib import chdir

from typer.testing import CliRunner

import mdn_cli


def run_here(folder, *arguments):
    """What `mdn …` prints and how it ends, run in `folder`: `exit_code`, `stdout` and `stderr`."""
    with chdir(folder):
        return CliRunner().invoke(mdn_cli.app, [*map(str, arguments)], env={"COLUMNS": "120", "NO_COLOR": "1"})


def module(name):
    """A module of the applications, even where its package calls a function by the same name."""
    return importlib.import_module(f"mdn.applications.{name}")


def replaced(monkeypatch, name, **functions):
    """The chapter of a name with other functions."""
    place = module(f"{name}.chapter")
    monkeypatch.setattr(place, "CHAPTER", dataclasses.replace(place.CHAPTER, **functions))
