"""The bar of every command that takes long: on the screen and, if MDN_PROGRESS names a file, as lines of JSON in it.

The studio runs commands as jobs, and shows in the browser what it reads in that file.
"""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager, suppress

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

_EVERY = 0.2  # seconds between two lines


class Bar(Progress):
    """rich's bar; it also writes `{"share": 0.25, "note": "held-out NLL 1.2"}` of its last task to the file of MDN_PROGRESS.

    Lines come a few times a second. An update with a `figure`, such as the loss of an epoch, has a line of its own in any case,
    with `"figure": 1.2` in it, so that the file holds a whole curve.

    Args:
        *columns: As rich's.
        before: Whether this bar is of what comes before the work, such as reading: in the file its share is 0.
        **options: As rich's.
    """

    def __init__(self, *columns, before: bool = False, **options):
        super().__init__(*columns, **options)
        self._before = before
        self._path, self._due = os.environ.get("MDN_PROGRESS"), 0.0

    def update(self, task_id, **changes) -> None:
        """As rich's, and a line in the file."""
        super().update(task_id, **changes)
        now, figure = time.monotonic(), changes.get("figure")
        if self._path and (now >= self._due or figure is not None):
            self._due = now + _EVERY
            task = self.tasks[-1]
            share = min(1.0, task.completed / task.total) if task.total and not self._before else 0.0
            line = {"share": share, "note": task.fields.get("note") or task.description}
            with suppress(OSError), open(self._path, "a") as file:  # a bar must not end a training
                file.write(json.dumps(line if figure is None else {**line, "figure": figure}) + "\n")


@contextmanager
def epochs_bar(console, epochs: int | None, here: bool = True):
    """Shows a bar with the NLL of held-out sequences, and yields the callback that moves it.

    Args:
        console: Where it is shown.
        epochs: Its length; None asks Keras.
        here: Whether this process trains: the callback is one of Keras. Else it has `on_epoch_end` alone.
    """
    import keras

    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=epochs, note="compiling")

        class MovesBar:
            seen = 0
            scores: tuple[float, ...] = ()  # held-out NLLs, from the first epoch of a part of the training on

            def on_epoch_end(self, epoch, logs=None):
                note = f"held-out NLL {logs['val_nll']:.3f}" if logs and "val_nll" in logs else ""
                if epoch < self.seen:  # another part of the training
                    self.seen = 0
                if note and len(self.scores[:epoch]) == epoch:  # not so if an earlier run had the first epochs
                    self.scores = (*self.scores[:epoch], logs["val_nll"])
                # epochs of an earlier run count as well
                progress.update(task, advance=epoch + 1 - self.seen, note=note)
                self.seen = epoch + 1

        class Heard(MovesBar, keras.callbacks.Callback):
            def on_train_begin(self, logs=None):
                self.seen = 0
                progress.update(task, total=epochs or self.params.get("epochs"))

        yield Heard() if here else MovesBar()
