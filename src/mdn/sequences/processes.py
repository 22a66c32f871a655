"""`MDNRNN.fit` in processes that are started for one training: on this machine, or beside the workers of a cluster."""

from __future__ import annotations

import contextlib
import inspect
import io
import pickle
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np

from mdn.random import seeded
from mdn.sequences.model import MDNRNN
from mdn.training.callbacks import check_no_callbacks
from mdn.training.checkpoints import OwnFolder
from mdn.training.interrupt import ctrl_c_waits
from mdn.training.processes import check_processes, packed, run_together


def fit(model, sequences, validation_data=None, processes: int = 1, **how) -> keras.callbacks.History:
    """`model.fit` here, or in several processes of this machine with the same result up to rounding.

    Args:
        model: An MDNRNN.
        sequences, validation_data: As in `MDNRNN.fit`.
        processes: 1 trains here; more train as `fit_in_processes` does.
        how: Arguments of `MDNRNN.fit`; `callbacks` of several processes are as in `fit_in_processes`.
    """
    how["validation_data"] = validation_data
    return model.fit(sequences, **how) if processes == 1 else fit_in_processes(model, sequences, processes, **how)


def fit_in_processes(model, sequences, processes: int, **how) -> keras.callbacks.History:
    """`model.fit(sequences, **how)` in several processes of this machine, each with its rows of every batch.

    The model ends with the weights of that training. If a process dies, all are started anew, and go on from the last epoch.

    Args:
        model: An MDNRNN.
        sequences: As in `MDNRNN.fit`; functions must lie in a module that other processes can import.
        processes: How many; `batch_size` must be a multiple of the number of their devices.
        how: Arguments of `MDNRNN.fit`. `callbacks` are objects with `on_epoch_end(epoch, logs)`, and no Keras callbacks; with
            `verbose`, each epoch prints a line.

    Returns:
        The history, with the epochs of a checkpoint.

    Raises:
        TypeError: if `how` has a name that `MDNRNN.fit` does not know.
        ValueError: as in `MDNRNN.fit`, and if there are Keras callbacks, a function that cannot be imported, or another backend
            than JAX.
        mdn.training.processes.Died: if processes die again and again.
        KeyboardInterrupt: if Ctrl-C was pressed: the model is as before, and with `checkpoint` the training goes on later.
    """
    check_processes(processes)
    call = Call(model, sequences, how)
    with tempfile.TemporaryDirectory(prefix="mdn-sequences-") as folder:
        arguments = packed(call.travels), call.checkpoint or folder
        with ctrl_c_waits() as pressed:
            pressed.begin()
            return call.end(run_together(fit_packed, lambda process: arguments, processes, on_told=call.heard))


class Trained(NamedTuple):
    """What process 0 returns: arrays of the model and its optimizer, and the figures of all epochs."""

    variables: list[np.ndarray]
    optimizer: list[np.ndarray]
    history: dict[str, list[float]]


class Call:
    """A call of `MDNRNN.fit` whose training runs in other processes.

    Args:
        model, sequences, how: As in `fit_in_processes`.

    Attributes:
        travels: What `fit_packed` needs of it, for a pickle.
        checkpoint: The folder that came, or None.
    """

    def __init__(self, model, sequences, how: dict[str, Any]):
        if not isinstance(model, MDNRNN):
            raise TypeError(f"`model` must be an mdn.MDNRNN, but {type(model).__name__} came.")
        inspect.signature(model.fit).bind(sequences, **how)
        how = dict(how)
        self._model, self._callbacks = model, how.pop("callbacks", ())
        check_no_callbacks([one for one in self._callbacks if isinstance(one, keras.callbacks.Callback)])
        self.checkpoint = how.pop("checkpoint", None)
        if self.checkpoint is not None:
            self.checkpoint = Path(self.checkpoint).absolute()
        how["verbose"] = 2 if how.get("verbose", "auto") else 0  # a line an epoch: a bar needs a terminal
        if model.compiled:  # Keras builds the optimizer of a file, and would find no state of it there
            model.optimizer.build(model.trainable_variables)
        # Its class comes first, since Keras can load the model only where its module has been imported
        self.travels = (
            type(model), pickle.dumps(model), _values(_state(model)), model._compiled_by_fit, sequences, how,
        )  # fmt: skip
        self._epochs = 0

    def heard(self, told: dict[str, Any]) -> None:
        """Prints, or passes on to the callbacks, what process 0 tells; an epoch that is repeated after a death comes once."""
        if "line" in told:
            print(told["line"])
        elif told["epoch"] >= self._epochs:
            self._epochs = told["epoch"] + 1
            for callback in self._callbacks:
                callback.on_epoch_end(told["epoch"], told["logs"])

    def end(self, trained: Trained) -> keras.callbacks.History:
        """Puts what was learnt into the model, and returns the history."""
        model = self._model
        _put(_state(model), trained.variables)
        model.adapted = True
        if model.compiled and not model._compiled_by_fit:
            model.optimizer.build(model.trainable_variables)
            _put(model.optimizer.variables, trained.optimizer)
        history = keras.callbacks.History()
        history.set_model(model)
        history.history, history.epoch = trained.history, list(range(len(trained.history.get("loss", ()))))
        model.history = history
        return history


def fit_packed(
    call: bytes, checkpoint, own=None, *, mesh=None, tell: Callable[[dict[str, Any]], Any] | None = None
) -> Trained | None:
    """`MDNRNN.fit` in one process of several.

    Args:
        call: The pickle of `Call.travels`.
        checkpoint: A folder that all processes share, or None.
        own: In its place, a folder that this process alone has.
        mesh: The devices of all processes; not needed, since Keras makes a mesh of its own.
        tell: Called with what `Call.heard` takes, in process 0.
    """
    several = keras.distribution.DataParallel(devices=keras.distribution.list_devices(), auto_shard_dataset=False)
    keras.distribution.set_distribution(several)
    _, saved, values, by_fit, sequences, how = pickle.loads(call)
    with seeded(0):  # weights that are about to be replaced must be the same in all processes
        model = pickle.loads(saved)
    _put(_state(model), values)
    model._compiled_by_fit = by_fit
    folder = OwnFolder(Path(own)) if checkpoint is None else checkpoint
    if tell is None:
        model.fit(sequences, checkpoint=folder, **{**how, "verbose": 0})
        return None
    with contextlib.redirect_stdout(_Lines(tell)):
        history = model.fit(sequences, checkpoint=folder, callbacks=[_Tells(tell)], **how)
    return Trained(_values(_state(model)), _values(model.optimizer.variables), history.history)


class _Tells(keras.callbacks.Callback):
    """Tells the figures of each epoch."""

    def __init__(self, tell: Callable[[dict[str, Any]], Any]):
        super().__init__()
        self._tell = tell

    def on_epoch_end(self, epoch, logs=None):
        """Tells them."""
        self._tell({"epoch": epoch, "logs": {name: float(value) for name, value in (logs or {}).items()}})


class _Lines(io.TextIOBase):
    """A standard output whose lines are told."""

    def __init__(self, tell: Callable[[dict[str, Any]], Any]):
        self._tell, self._begun = tell, ""

    def write(self, text: str) -> int:
        """Tells the lines that are complete now."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._tell({"line": line})
        return len(text)


def _state(model) -> list[keras.Variable]:
    """All variables that a training changes; a file of Keras leaves the state of random layers out."""
    return [*model.trainable_variables, *model.non_trainable_variables]


def _values(variables: Sequence[keras.Variable]) -> list[np.ndarray]:
    return [np.array(keras.ops.convert_to_numpy(one)) for one in variables]


def _put(variables: Sequence[keras.Variable], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
