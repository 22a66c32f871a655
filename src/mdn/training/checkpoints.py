"""Checkpoints: a training that was stopped goes on, and ends with the same result as one that never stopped.

That needs two things. After each epoch everything that training changes (weights, the state of random layers, the
optimizer) is written, whole or not at all. And all random numbers of an epoch come from (seed, epoch), never from earlier ones.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from mdn.data.arrays import Damaged, read_arrays, write_arrays
from mdn.data.schema import anything, array, figure, listed, mapping, record, whole
from mdn.files import forget_unfinished
from mdn.wording import agreed


def epoch_rng(seed: int, epoch: int) -> np.random.Generator:
    """The generator of all random numbers of one epoch (or chunk, or generation): the same whatever ran before it."""
    return np.random.default_rng([int(seed), int(epoch)])


_ABOUT = record(
    done=whole(),
    figures=listed(mapping(figure)),
    settings=mapping(anything),
    beside=mapping(anything),
    optional=("beside",),
)


def _check(arrays: dict[str, np.ndarray], about: dict) -> None:
    if len(about["figures"]) != about["done"]:
        count = len(about["figures"])
        raise ValueError(
            f"`figures` must be {about['done']}, as `done` says, but there {agreed(count, 'is', 'are')} {count}."
        )
    for name, value in arrays.items():
        array(*value.shape, kinds="biuf")(value, name)


class OwnFolder(NamedTuple):
    """The folder of a checkpoint that no other process of a training can read, such as one on the disk of its machine.

    Of processes that share a folder the first one writes; each of them writes to a folder of its own.
    """

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)


class State(NamedTuple):
    """The content of a checkpoint; see `Checkpoints.save`."""

    done: int
    arrays: dict[str, np.ndarray]
    figures: list[dict]
    beside: dict[str, Any]


class Checkpoints:
    """The last state of work that is done in steps, such as epochs or generations.

    Args:
        folder: Where `checkpoint.npz` lies; made if it is missing.
        settings: All that a state depends on, as JSON allows it; a state of other settings is refused, not continued.
    """

    def __init__(self, folder, settings: Mapping[str, Any]):
        self.path = Path(folder) / "checkpoint.npz"
        self._settings = json.loads(json.dumps(dict(settings)))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        forget_unfinished(self.path.parent)

    def save(
        self, done: int, arrays: Mapping[str, np.ndarray], figures: list[dict], beside: Mapping[str, Any] | None = None
    ) -> None:
        """Writes the state after `done` steps over the one before, whole or not at all.

        Args:
            done: How many epochs or generations are done.
            arrays: Plain arrays by name.
            figures: One entry a step, as JSON allows it.
            beside: Other parts of the state, by name, as JSON allows it.
        """
        about = {"done": int(done), "figures": figures, "settings": self._settings}
        write_arrays(self.path, arrays, about if beside is None else {**about, "beside": dict(beside)})

    def begun_with(self, name: str) -> Any:
        """The setting `name` with which the checkpoint in the folder was made; None if there is no checkpoint."""
        read = self._read()
        return None if read is None else read[1]["settings"].get(name)

    def _read(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        if not self.path.exists():
            return None
        try:
            return read_arrays(self.path, _ABOUT, _check)
        except Damaged as error:
            raise ValueError(f"the checkpoint {error}: delete it, and the stage begins anew.") from error

    def last(self) -> State | None:
        """The state that was saved last, or None before the first.

        Raises:
            ValueError: if the file is damaged, from a newer version, or from other settings.
        """
        read = self._read()
        if read is None:
            return None
        arrays, about = read
        changed = [
            name
            for name in sorted({*self._settings, *about["settings"]})
            if self._settings.get(name) != about["settings"].get(name)
        ]
        if changed:
            name = changed[0]
            raise ValueError(
                f"the checkpoint {str(self.path)!r} was made with {name}={about['settings'].get(name)!r}, but "
                f"{name}={self._settings.get(name)!r} came: give the same, or delete the folder {self.path.parent.name!r} "
                "to begin anew."
            )
        return State(about["done"], arrays, about["figures"], about.get("beside", {}))


class Training:
    """A training of a Keras model in epochs; a kill at any moment only delays it.

    Args:
        folder: The folder of its checkpoint.
        model: A built model; training starts from its weights.
        optimizer: A Keras optimizer; it is built here.
        settings: All that the result depends on, except the number of epochs: seed, rates, sizes.
    """

    def __init__(self, folder, model, optimizer, settings: Mapping[str, Any]):
        self.model, self.optimizer = model, optimizer
        if not optimizer.built:
            optimizer.build(model.trainable_variables)
        self.checkpoints = Checkpoints(folder, settings)

    def run(
        self,
        epochs: int,
        one_epoch: Callable[[int], dict[str, float]],
        on_step: Callable[[int, dict[str, float]], None] | None = None,
    ) -> list[dict[str, float]]:
        """Trains until `epochs` are done, starting from the last checkpoint if there is one.

        Args:
            epochs: The total number, epochs of earlier runs included.
            one_epoch: Takes the number of the epoch, from 0, changes the variables of model and optimizer, draws all random
                numbers from (seed, epoch) (see `epoch_rng`), and returns figures.
            on_step: Called with the number of epochs done and the figures of the last one, after each epoch, and once at the
                start if earlier runs have done any.

        Returns:
            The figures of each epoch, those of earlier runs included.

        Raises:
            ValueError: if the checkpoint belongs to another training.
        """
        last = self.checkpoints.last()
        done = 0
        figures: list[dict] = []
        if last is not None:
            done, figures = last.done, last.figures
            self._restore(last.arrays)
            if on_step is not None and figures:
                on_step(done, figures[-1])
        for epoch in range(done, epochs):
            found = {name: float(value) for name, value in one_epoch(epoch).items()}
            figures = [*figures, found]
            self.checkpoints.save(epoch + 1, self._arrays(), figures)
            if on_step is not None:
                on_step(epoch + 1, found)
        return figures

    def _arrays(self) -> dict[str, np.ndarray]:
        return arrays_of(self.model, self.optimizer)

    def _restore(self, arrays: dict[str, np.ndarray]) -> None:
        restore(self.model, self.optimizer, arrays, self.checkpoints.path)


def _variables(model, optimizer) -> dict[str, Any]:
    groups = {
        "trainable": model.trainable_variables,
        "fixed": model.non_trainable_variables,
        "optimizer": optimizer.variables,
    }
    return {f"{group}.{i}": variable for group, found in groups.items() for i, variable in enumerate(found)}


def arrays_of(model, optimizer) -> dict[str, np.ndarray]:
    """All that a step of training changes, as arrays by name: weights, the states of random layers and of the optimizer."""
    return {name: np.array(ops.convert_to_numpy(one.value)) for name, one in _variables(model, optimizer).items()}


def restore(model, optimizer, arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Puts the arrays of `arrays_of` back into model and optimizer.

    Raises:
        ValueError: if they belong to another network; the message names `path`.
    """
    variables = _variables(model, optimizer)
    wrong = [
        name
        for name in sorted({*variables, *arrays})
        if name not in variables
        or name not in arrays
        or tuple(variables[name].shape) != arrays[name].shape
        or np.dtype(variables[name].dtype).kind != arrays[name].dtype.kind
    ]
    if wrong:
        raise ValueError(
            f"the checkpoint {str(path)!r} is of another network ({wrong[0]} differs): delete the folder "
            f"{path.parent.name!r} to begin anew."
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])


def take(model, optimizer) -> tuple[list, list, list]:
    """The values of (trainable variables, other variables, optimizer), for epochs that are compiled with `stateless_call`."""
    return (
        [variable.value for variable in model.trainable_variables],
        [variable.value for variable in model.non_trainable_variables],
        [variable.value for variable in optimizer.variables],
    )


def put(model, optimizer, values) -> None:
    """Puts values, as `take` returns them, back into model and optimizer."""
    groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    for variables, found in zip(groups, values, strict=True):
        for variable, value in zip(variables, found, strict=True):
            variable.assign(value)


def digest(*parts) -> str:
    """A checksum of arrays, of lists of them, and of None."""
    found = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, list | tuple):
            found.update(digest(*part).encode())
        elif part is not None:
            array = np.ascontiguousarray(part)
            found.update(f"{array.dtype}{array.shape}".encode() + array.tobytes())
    return found.hexdigest()


def digest_of_description(thing) -> str:
    """A checksum of how Keras describes a network, an optimizer or a loss, without names: Keras numbers these as it goes."""

    def unnamed(config):
        if isinstance(config, dict):
            return {name: unnamed(value) for name, value in sorted(config.items()) if name != "name"}
        return [unnamed(value) for value in config] if isinstance(config, list | tuple) else config

    described = json.dumps(unnamed(keras.saving.serialize_keras_object(thing)), default=str)
    return hashlib.blake2b(described.encode(), digest_size=8).hexdigest()
