"""Layers of the user's own in place of the hidden ones: for images, sequences, sets, and several inputs at once.

Outside of the network a row is one flat vector, whatever its shape, so that shuffling, blocks of rows, checksums and files are
those of a table. The network takes it apart again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import ops

from mdn.masks import unmasked
from mdn.tabular.frames import is_frame
from mdn.training.checkpoints import digest

_ARRAY, _LIST, _DICT = KINDS = ("array", "list", "dict")
_EXACT = 2**24  # float32 tells whole numbers apart up to here


@dataclasses.dataclass(frozen=True)
class Trunk:
    """Layers in place of the hidden ones, and what they take.

    Attributes:
        made: The config of a Keras layer or model as JSON, or a function that makes layers and applies them.
        kind: How X comes: "array", "list" or "dict" (of arrays).
        names: A name for each array of X: its key, "x0", "x1", ... in a list, "X" alone.
        shapes: The shape of a row of each array.
        checksum: The checksum of `fixed`, so that two trunks are equal where their configs and these weights are.
        fixed: The weights of the user's layer that are not trainable; every member has these values at its start.
    """

    made: str | Callable
    kind: str
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    checksum: str = ""
    fixed: tuple[np.ndarray, ...] = dataclasses.field(default=(), compare=False, repr=False)

    @classmethod
    def of(cls, trunk, X) -> Trunk:
        """The trunk of a training.

        Args:
            trunk: A Keras layer or model, or a function from a tensor, or a list or a dict of them, to features.
            X: The features of training.

        Raises:
            ValueError: if `trunk` or `X` is something else.
        """
        if not callable(trunk):
            raise ValueError(
                "`trunk` must be a Keras model or layer, or a function from a Keras tensor to features (batch, units), but "
                f"{type(trunk).__name__} came."
            )
        kind = _DICT if isinstance(X, dict) else _LIST if isinstance(X, list | tuple) else _ARRAY
        if is_frame(X) and kind == _ARRAY:
            raise ValueError(
                f"X must be an array, or a list or a dict of arrays, with `trunk`, but {type(X).__name__} came: pass "
                "X.to_numpy()."
            )
        arrays = [np.asarray(part) for part in ([X] if kind == _ARRAY else X.values() if kind == _DICT else X)]
        names = [str(name) for name in X] if kind == _DICT else ["X"] if kind == _ARRAY else _numbered(len(arrays))
        shapes = tuple(array.shape[1:] for array in arrays)
        if not isinstance(trunk, keras.Layer):
            return cls(trunk, kind, tuple(names), shapes)
        config = keras.saving.serialize_keras_object(trunk)
        config.pop("compile_config", None)  # the regressor has an optimizer and a loss of its own
        return cls.stored(config, kind, names, shapes, [np.array(v) for v in map(_array, _fixed(trunk))])

    @classmethod
    def stored(cls, config: dict, kind: str, names, shapes, fixed) -> Trunk:
        """The trunk of a Keras layer.

        Args:
            config: As `keras.saving.serialize_keras_object` returns it.
            kind: See `Trunk`.
            names: See `Trunk`.
            shapes: See `Trunk`.
            fixed: The weights that are not trainable.
        """
        shapes = tuple(tuple(shape) for shape in shapes)
        return cls(json.dumps(config), kind, tuple(names), shapes, digest(*fixed) if fixed else "", tuple(fixed))

    @property
    def is_function(self) -> bool:
        """Whether a function makes the layers, which no file can hold."""
        return not isinstance(self.made, str)

    @property
    def description(self) -> dict[str, Any]:
        """What a file holds, apart from `fixed`."""
        config = None if self.is_function else json.loads(self.made)  # type: ignore[arg-type]
        return {"config": config, "kind": self.kind, "names": self.names, "shapes": self.shapes}

    @property
    def size(self) -> int:
        """How many numbers a row has."""
        return sum(map(math.prod, self.shapes))

    @property
    def places(self) -> dict[str, np.ndarray]:
        """Where each array of X is in a flat row, by its name."""
        ends = np.cumsum([0, *map(math.prod, self.shapes)])
        return {name: np.arange(*pair) for name, *pair in zip(self.names, ends, ends[1:], strict=False)}

    # ---- rows --------------------------------------------------------------------------------------------------------

    def rows(self, X) -> np.ndarray:
        """Flat rows `(N, size)`, float32, of features as they came in training.

        Raises:
            ValueError: if X has other arrays or shapes than in training, or holds text, NaN or infinity.
        """
        if self.kind == _DICT:
            if not isinstance(X, dict) or set(map(str, X)) != set(self.names):
                came = f"the keys {[*map(str, X)]}" if isinstance(X, dict) else type(X).__name__
                raise ValueError(f"X must be a dict of the arrays {list(self.names)}, as in training, but {came} came.")
            by_name = {str(name): part for name, part in X.items()}
            parts = [by_name[name] for name in self.names]
        else:
            listed = isinstance(X, list | tuple)
            parts = list(X) if listed else [X]
            if listed != (self.kind == _LIST) or len(parts) != len(self.names) or isinstance(X, dict):
                came = f"a list of {len(parts)}" if listed else type(X).__name__
                wanted = "one array" if self.kind == _ARRAY else f"a list of {len(self.names)} arrays"
                raise ValueError(f"X must be {wanted}, as in training, but {came} came.")
        flat = [self._flat(*each) for each in zip(parts, self.names, self.shapes, strict=True)]
        counts = [len(part) for part in flat]
        if len(set(counts)) > 1 or not counts[0]:
            raise ValueError(f"all arrays of X must have the same number of rows, at least 1, but they have {counts}.")
        return np.concatenate(flat, axis=1) if len(flat) > 1 else flat[0]

    def _flat(self, part, name: str, shape: tuple[int, ...]) -> np.ndarray:
        array, what = np.asarray(unmasked(part)), "X" if self.kind == _ARRAY else f"X: {name!r}"
        if array.ndim < 2 or array.shape[1:] != shape or 0 in shape:
            wanted = ", ".join(map(str, shape)) if shape and 0 not in shape else "..."
            alone = " A number a row keeps its last axis: x[:, None]." if array.ndim == 1 else ""
            raise ValueError(f"{what} must have the shape (N, {wanted}), but {array.shape} came.{alone}")
        if array.dtype.kind not in "biuf":
            raise ValueError(f"{what} must hold numbers, but its dtype is {array.dtype}: make numbers of it first.")
        if array.dtype.kind in "iu" and array.size and max(int(array.max()), -int(array.min())) > _EXACT:
            raise ValueError(
                f"{what} must hold whole numbers up to {_EXACT:,}, which float32 holds exactly, but {array.max()} came."
            )
        found = array.reshape(len(array), -1).astype("float32")
        if not np.isfinite(found).all():
            raise ValueError(
                f"{what} must be finite, since a trunk gets numbers as they are, but holds NaN or infinity: fill them first."
            )
        return found

    # ---- layers ------------------------------------------------------------------------------------------------------

    def network(self, seed: int) -> keras.Model:
        """A model from flat rows to features, with fresh weights that `seed` determines.

        Raises:
            ValueError: if the layers cannot be made, or do not return features of the shape (batch, units).
        """
        with _drawn_by(seed):
            flat = keras.Input((self.size,))
            apart = [
                keras.layers.Reshape(shape)(flat[:, int(place[0]) : int(place[-1]) + 1])
                for place, shape in zip(self.places.values(), self.shapes, strict=True)
            ]
            layer = self.layer()
            features = layer(
                dict(zip(self.names, apart, strict=True))
                if self.kind == _DICT
                else apart
                if self.kind == _LIST
                else apart[0]
            )
        if not isinstance(features, keras.KerasTensor) or len(features.shape) != 2 or features.shape[1] is None:
            shape = getattr(features, "shape", type(features).__name__)
            raise ValueError(
                f"`trunk` must return features of the shape (batch, units), but {shape} came: end it with Flatten, or with a "
                "pooling over all places."
            )
        if isinstance(layer, keras.Layer):
            self._fix(layer)
        return keras.Model(flat, features)

    def layer(self) -> Any:
        """A new layer, or the function; layers that are built have the weights `fixed`.

        Raises:
            ValueError: if Keras does not find a class of the config.
        """
        if self.is_function:
            return self.made
        try:
            layer = keras.saving.deserialize_keras_object(json.loads(self.made))  # type: ignore[arg-type]
        except (TypeError, ValueError) as error:
            raise ValueError(
                "`trunk` must consist of layers that Keras can make anew from their config, but one cannot be made: register its "
                "class with keras.saving.register_keras_serializable, or pass a function that makes the layers."
            ) from error
        if layer.built:
            self._fix(layer)
        return layer

    def start(self, seed: int, used) -> Iterator[tuple[Any, np.ndarray]]:
        """Yields each variable of `used`, a model of `network`, and its value at the start of a training.

        Args:
            seed: Determines the values.
            used: The model.

        Raises:
            ValueError: if the function uses layers that were made outside of it: members would share their weights.
        """
        fresh = self.network(seed)
        if {id(variable) for variable in fresh.variables} & {id(variable) for variable in used.variables}:
            raise ValueError(
                "`trunk` must make its layers each time that it is called, so that networks do not share weights, but it uses "
                "layers that were made before: make them inside of the function, or pass a Keras model."
            )
        for old, new in zip(used.variables, fresh.variables, strict=True):
            yield old, _array(new)

    def _fix(self, layer: keras.Layer) -> None:
        for variable, value in zip(_fixed(layer), self.fixed, strict=False):
            variable.assign(value)
        for each in layer._flatten_layers() if self.fixed else ():
            if hasattr(each, "finalize_state"):  # an adapted Normalization holds its statistics as constants, too
                each.finalize_state()


def _numbered(count: int) -> list[str]:
    return [f"x{place}" for place in range(count)]


def _fixed(layer: keras.Layer) -> list:
    """The variables of a layer that no training changes by gradients, without the states of its noise."""
    return [v for v in layer.non_trainable_variables if "seed_generator" not in v.path]


def _array(variable) -> np.ndarray:
    return np.array(ops.convert_to_numpy(variable))


@contextlib.contextmanager
def _drawn_by(seed: int) -> Iterator[None]:
    """Keras draws the seeds of initializers from Python's `random`: here by `seed`, and the caller's draws stay as they were."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
