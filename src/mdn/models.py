"""Whole models that end in an MDN layer: their distributions, and their files."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path

import keras

from mdn.data import replacing
from mdn.distributions import Distribution, Spec
from mdn.layers import MDN

DESCRIPTION = "mdn.json"  # beside Keras' own members in a .keras file: what only this package knows of a model
_FORMAT = 1
# Who reads a file with a description, by its kind; named, not imported, since those rooms stand above this one
_READERS = {"regressor": ("mdn.tabular", "MDNRegressor")}


def predict(model: keras.Model, x, batch_size: int | None = None, output: str | int | None = None) -> Distribution:
    """The distributions that a model predicts for `x`, in data units.

    Args:
        model: Any Keras model that ends in `MDN`, in a TimeDistributed or a nested model too.
        x: Whatever `model.predict` takes.
        batch_size: As in `model.predict`.
        output: Which output, by name or place, where the model has several.

    Returns:
        One distribution for each point of the model's leading axes: batch `(N,)`, or `(N, T)` for sequences. A Mixture
        for a MixtureSpec, a Joint for a JointSpec.

    Raises:
        ValueError: if the model does not end in MDN, or if several outputs do and `output` names none.
    """
    name, spec = _choose(specs_of(model), output)
    params = model.predict(x, batch_size=batch_size, verbose=0)
    if isinstance(params, dict):
        params = params[name]
    elif isinstance(params, list | tuple):
        params = params[list(_outputs(model)).index(name)]
    return spec(params)


def specs_of(model: keras.Model) -> dict[str, Spec]:
    """The spec of each output of `model` that is an MDN layer's, by the output's name."""
    return {name: spec for name, operation in _outputs(model).items() if (spec := _spec_of(operation)) is not None}


def _choose(specs: dict[str, Spec], output) -> tuple[str, Spec]:
    if not specs:
        raise ValueError("the model does not end in an MDN layer. Its last layer must be mdn.MDN(spec).")
    if output is None:
        if len(specs) > 1:
            raise ValueError(f"the model has several MDN outputs: say output= one of {list(specs)}.")
        return next(iter(specs.items()))
    name = list(specs)[output] if isinstance(output, int) and output < len(specs) else output
    if name not in specs:
        raise ValueError(f"`output` must be one of {list(specs)}, but {output!r} came.")
    return name, specs[name]


def _outputs(model) -> dict:
    """The operation behind each output of a model, by name and in order."""
    if isinstance(model, keras.Sequential):
        return {model.layers[-1].name: model.layers[-1]} if model.layers else {}
    if getattr(model, "outputs", None):  # functional
        tensors = model.output
        if not isinstance(tensors, dict):
            tensors = dict(zip(model.output_names, model.outputs, strict=True))
        return {name: tensor._keras_history.operation for name, tensor in tensors.items()}
    found = [layer for layer in model._flatten_layers(include_self=False) if isinstance(layer, MDN)]
    return {layer.name: layer for layer in found}  # written by hand: what it ends in only its MDN layers can say


def _spec_of(operation) -> Spec | None:
    if isinstance(operation, MDN):
        return operation.spec
    if isinstance(operation, keras.layers.Wrapper):  # TimeDistributed
        return _spec_of(operation.layer)
    if isinstance(operation, keras.Model):
        inner = [_spec_of(each) for each in _outputs(operation).values()]
        return inner[0] if len(inner) == 1 else None
    return None


def load(path):
    """Loads any model that this package, Keras with its layers, or keras-mdn-layer saved.

    Args:
        path: A `.keras` file.

    Returns:
        A Keras model; from a file of `MDNRegressor.save` or `mdn fit` the regressor.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such file, or one of a newer version.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}.")
    description = read_description(path)
    if description is None:
        _register_classes_of(path)
        return keras.saving.load_model(path)
    room, name = _READERS[description["kind"]]
    return getattr(import_module(room), name).load(path)


def load_as(path, fits: Callable[[object], bool], what: str, command: str, shipped: Iterable[str] = ()):
    """The model in a file, if it is of the kind that is wanted.

    Args:
        path: Of the `.keras` file.
        fits: Says whether a model is of that kind.
        what: Names the kind, as in "network that writes".
        command: Makes such files, as in "mdn train handwriting".
        shipped: Names under which some come with this package.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds something else.
    """
    if not Path(path).is_file():
        known = f" {' and '.join(shipped)} come with mdn." if shipped else ""
        raise FileNotFoundError(f"there is no file {str(path)!r}. `{command} --out {path}` makes one.{known}")
    model = load(path)
    if not fits(model):
        raise ValueError(f"{str(path)!r} holds no {what}. Files of `{command}` do.")
    return model


def save_plain(model: keras.Model, path) -> None:
    """Writes a model without what only training needs (optimizer and loss); what stood at `path` stays until it is complete.

    Args:
        model: One that its `get_config` describes, such as an MDNRNN.
        path: Of the `.keras` file.
    """
    plain = type(model).from_config(model.get_config())
    plain.set_weights(model.get_weights())
    with replacing(path) as temporary:
        plain.save(temporary)


def _register_classes_of(path: Path) -> None:
    """Imports the rooms of this package that a file's classes live in; they register themselves with Keras."""
    with zipfile.ZipFile(path) as archive:
        rooms = set(re.findall(r'"module": "(mdn(?:\.\w+)+)"', archive.read("config.json").decode()))
    for room in sorted(rooms):
        try:
            import_module(room)
        except ModuleNotFoundError as error:
            if error.name != room:
                raise
            raise ValueError(f"{str(path)!r} was saved by a newer version of mdn: upgrade mdn to load it.") from None


def read_description(path: Path) -> dict | None:
    """What this package wrote into a `.keras` file beside Keras' members; None if nothing.

    Raises:
        ValueError: if the file is no `.keras` file, or of a newer version.
    """
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{str(path)!r} is not a .keras file. Models are saved by model.save('name.keras').")
    with zipfile.ZipFile(path) as archive:
        if DESCRIPTION not in archive.namelist():
            if "config.json" not in archive.namelist():
                raise ValueError(f"{str(path)!r} is not a .keras file: it has no config.json.")
            return None
        description = json.loads(archive.read(DESCRIPTION))
    if description.get("format", 0) > _FORMAT or description.get("kind") not in _READERS:
        raise ValueError(f"{str(path)!r} was saved by a newer version of mdn: upgrade mdn to load it.")
    return description


def write_description(path: Path, kind: str, description: dict) -> None:
    """Adds `description` to a `.keras` file; `kind` says who reads it."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(DESCRIPTION, json.dumps({"format": _FORMAT, "kind": kind, **description}, indent=1))
