"""Predicts with whole models that end in an MDN layer, and loads and saves their files."""

from __future__ import annotations

import itertools
import json
import zipfile
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path

import keras

from mdn.data import reading, replacing
from mdn.data.archives import check_unpacked, read_member
from mdn.data.schema import record, text, whole
from mdn.distributions import Distribution, Spec
from mdn.keras_files import CONFIG, load_checked
from mdn.layers import MDN
from mdn.random import seeded

DESCRIPTION = "mdn.json"  # a member that this package adds to a .keras file, for what Keras does not save
# The newest that is read; 1 is written, 2 for regressors with an origin, 3 with columns of dates, 4 with a calibration,
# 5 with targets that stand for sets, or with a calibration by groups, 6 with indicators of missing values, a trunk or a circle
_FORMAT = 7
# Which class loads a file with a description, by its kind; named, not imported, since its room lies above this one
_READERS = {"regressor": ("mdn.tabular", "MDNRegressor")}


def predict(model: keras.Model, x, batch_size: int | None = None, output: str | int | None = None) -> Distribution:
    """The distributions that a model predicts for `x`, in data units.

    Args:
        model: Any Keras model that ends in `MDN`, also inside a TimeDistributed or a nested model.
        x: Whatever `model.predict` takes.
        batch_size: As in `model.predict`.
        output: Which MDN output, by name or number, if the model has several.

    Returns:
        One distribution for each point of the model's leading axes: batch `(N,)`, or `(N, T)` for sequences. A Mixture
        for a MixtureSpec, a Joint for a JointSpec.

    Raises:
        ValueError: if the model does not end in MDN, if several outputs do and `output` names none, or if a subclassed model
            returns a list, which does not say which array is whose.

    Example:
        >>> import keras, mdn, numpy as np
        >>> spec = mdn.MixtureSpec(mdn.NormalSpec(1), 3)
        >>> model = keras.Sequential([keras.Input((2,)), mdn.MDN(spec)])
        >>> mdn.predict(model, np.zeros((5, 2))).batch_shape
        (5,)
    """
    name, spec = _choose(specs_of(model), output)
    params = model.predict(x, batch_size=batch_size, verbose=0)
    if isinstance(params, dict):
        if name not in params:
            raise ValueError(
                f"the model returns a dict with {list(params)}, but the MDN layer is called {name!r}: name its array so."
            )
        params = params[name]
    elif isinstance(params, list | tuple):
        if len(params) > 1 and not getattr(model, "outputs", None):
            raise ValueError(
                f"the model returns {len(params)} arrays and does not say which of them is whose: let its `call` return a dict, "
                "{name of the MDN layer: its parameters}."
            )
        params = params[list(_outputs(model)).index(name)] if len(params) > 1 else params[0]
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
            tensors = dict(zip(_distinct(model.output_names), model.outputs, strict=True))
        return {name: tensor._keras_history.operation for name, tensor in tensors.items()}
    found = [layer for layer in model._flatten_layers(include_self=False) if isinstance(layer, MDN)]
    return {layer.name: layer for layer in found}  # a subclassed model names no outputs: take its MDN layers


def _distinct(names: Sequence[str]) -> list[str]:
    """The names of outputs; a layer that makes several gives all its own, so that the later ones get numbers behind theirs."""
    found: list[str] = []
    for name in names:
        taken = {*names, *found} if name in found else set()
        numbers = (f"{name}_{i}" for i in itertools.count(1))
        found.append(next(each for each in itertools.chain([name], numbers) if each not in taken))
    return found


def _spec_of(operation) -> Spec | None:
    if isinstance(operation, MDN):
        return operation.spec
    if isinstance(operation, keras.layers.Wrapper):  # TimeDistributed
        return _spec_of(operation.layer)
    if isinstance(operation, keras.Model):
        inner = [_spec_of(each) for each in _outputs(operation).values()]
        return inner[0] if len(inner) == 1 else None
    return None


def load(path, *, trunk: Callable | None = None):
    """Loads any model saved by this package, by Keras with our layers, or by keras-mdn-layer.

    Args:
        path: A `.keras` file.
        trunk: The function that was the `trunk` of an `MDNRegressor`, which no file can hold.

    Returns:
        A Keras model, or the regressor if `MDNRegressor.save` or `mdn fit` wrote the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a `.keras` file, or was saved by a newer version, or if it needs a `trunk` and none came.

    Example:
        >>> import keras, mdn
        >>> model = keras.Sequential([keras.Input((2,)), mdn.MDN(mdn.MixtureSpec(mdn.NormalSpec(1), 3))])
        >>> model.save('model.keras')
        >>> mdn.load('model.keras').output_shape
        (None, 9)
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {str(path)!r}.")
    description = read_description(path)
    if description is None and trunk is not None:
        raise ValueError(f"{str(path)!r} holds a Keras model with all its layers, but a `trunk` came: load it without.")
    with seeded(None):  # a layer that is read draws weights first, which must not come out of another thread's seed
        if description is None:
            return load_checked(path)
        module, name = _READERS[description["kind"]]
        return getattr(import_module(module), name).load(path, trunk=trunk)


def load_as(path, fits: Callable[[object], bool], what: str, command: str, shipped: Iterable[str] = ()):
    """Loads the model in a file, and checks that it is of the expected kind.

    Args:
        path: Path of the `.keras` file.
        fits: Whether a model is of that kind.
        what: The name of the kind, such as "network that writes".
        command: The command that makes such files, such as "mdn train handwriting".
        shipped: Names of models of that kind that come with this package.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it holds a model of another kind, or no model that `load` accepts.
    """
    if not Path(path).is_file():
        known = f" {_listed(shipped)} come with mdn." if shipped else ""
        raise FileNotFoundError(f"there is no file {str(path)!r}. `{command} --out {path}` makes one.{known}")
    model = load(path)
    if not fits(model):
        raise ValueError(f"{str(path)!r} holds no {what}. Files of `{command}` do.")
    return model


def names_in(path) -> tuple[str, str]:
    """The registered name of the class of the model in a `.keras` file, and the name of the model; "" for one that is missing.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such file.
    """
    path = Path(path)
    with reading(path, "a model"), zipfile.ZipFile(path) as archive:
        config = json.loads(read_member(archive, CONFIG))
    config = config if isinstance(config, dict) else {}
    inner = config.get("config")
    found = config.get("registered_name"), inner.get("name") if isinstance(inner, dict) else None
    first, second = (one if isinstance(one, str) else "" for one in found)
    return first, second


def save_plain(model: keras.Model, path) -> None:
    """Saves a model without its optimizer and loss; the old file at `path` stays until the new one is complete.

    Args:
        model: A model that can be rebuilt from its `get_config`, such as an MDNRNN.
        path: Path of the `.keras` file.
    """
    plain = type(model).from_config(model.get_config())
    plain.set_weights(model.get_weights())
    with replacing(path) as temporary:
        plain.save(temporary)


def read_description(path: Path) -> dict | None:
    """The description that this package added to a `.keras` file, or None if there is none.

    Raises:
        ValueError: if the file is not a `.keras` file, or was saved by a newer version.
    """
    with reading(path, "a .keras file"):
        if not zipfile.is_zipfile(path):
            raise ValueError(f"{str(path)!r} is not a .keras file. Models are saved by model.save('name.keras').")
        with zipfile.ZipFile(path) as archive:
            check_unpacked(archive)
            if DESCRIPTION not in archive.namelist():
                if CONFIG not in archive.namelist():
                    raise ValueError(f"{str(path)!r} is not a .keras file: it has no config.json.")
                return None
            description = json.loads(read_member(archive, DESCRIPTION))
        description = record(format=whole(), kind=text, optional=("format",), others=True)(description, "")
    if description.get("format", 0) > _FORMAT or description["kind"] not in _READERS:
        raise ValueError(f"{str(path)!r} was saved by a newer version of mdn: upgrade mdn to load it.")
    return description


def write_description(path: Path, kind: str, description: dict) -> None:
    """Adds `description` to a `.keras` file; `kind` says which class loads it, by `_READERS`."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(DESCRIPTION, json.dumps({"format": 1, "kind": kind, **description}, indent=1))


def _listed(names) -> str:
    """Names as a list in a sentence: "a, b and c"."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else str(last)
