"""Bars of the stages of a world model."""

from __future__ import annotations

from contextlib import contextmanager


@contextmanager
def steps_bar(console, what: str, note=None):
    """Shows a bar; yields the function that moves it, `on_step(steps done, all steps, figures of the last step or None)`."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    from mdn_commands.bars import Bar

    columns = (TextColumn(what), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=None, note="")

        def on_step(done: int, total: int, figures: dict | None = None) -> None:
            progress.update(task, completed=done, total=total, note=note(figures) if note and figures else "")

        yield on_step
