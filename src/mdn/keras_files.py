"""Reads `.keras` files from outside: only classes that are known, no more weights than a file holds, and finite ones."""

from __future__ import annotations

import io
import json
import math
import sys
import threading
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import keras
import numpy as np
from keras import ops

from mdn.data import reading
from mdn.data.archives import check_unpacked, read_member
from mdn.data.schema import number, whole

# Classes that a file may name and that `import mdn` does not import, and their modules: a file can import no other
_ROOMS = {
    "mdn>Double": "mdn.applications.world.convolutions",
    "mdn>EventEncoding": "mdn.sequences",
    "mdn>Halve": "mdn.applications.world.convolutions",
    "mdn>Handwriter": "mdn.applications.handwriting.model",
    "mdn>Instrument": "mdn.applications.instrument.model",
    "mdn>MDNRNN": "mdn.sequences",
    "mdn>Memory": "mdn.applications.world.memory",
    "mdn>PenSpec": "mdn.applications.handwriting.model",
    "mdn>Recurrent": "mdn.sequences",
    "mdn>Series": "mdn.applications.series.model",
    "mdn>SketchRNN": "mdn.applications.sketch.model",
    "mdn>Standardised": "mdn.applications.world.vision",
    "mdn>Vision": "mdn.applications.world.vision",
    "mdn>Window": "mdn.sequences",
    "mdn_slides>LossByHand": "mdn.applications.slides.nets",
}
# Parts of Keras that a model consists of; the others could download or write files, or change settings
_PARTS_OF_KERAS = {
    "activations", "constraints", "dtype_policies", "initializers", "layers", "losses", "metrics", "models", "ops",
    "optimizers", "quantizers", "random", "regularizers", "src",
}  # fmt: skip
_PLAIN = {"__keras_tensor__", "__tensor__", "__numpy__", "__bytes__", "__ellipsis__", "__slice__", "__lambda__"}
_OPTIMIZERS_ON_TORCH = "keras.src.backend.torch.optimizers."  # the prefix of its optimizers under PyTorch
CONFIG, _WEIGHTS = "config.json", "model.weights.h5"
_SLACK = 2**20  # how many weights a model may have beyond those in its file, such as the state of its noise
_UNBOUNDED = ("seed", "steps")  # names of whole numbers that are not sizes
_LOADING = threading.RLock()


def load_checked(path: Path) -> keras.Model:
    """Loads a Keras model after checking that its parts are known and its weights are complete and finite.

    Args:
        path: Path of the `.keras` file.

    Raises:
        ValueError: if a part is not known, or the weights are too few, too many or not finite.
    """
    with reading(path, "a model"), zipfile.ZipFile(path) as archive:
        config = json.loads(read_member(archive, CONFIG))
        size = _check_weights(archive)
    check_classes(config, path)
    with reading(path, "a model"), building(config, size):
        model = keras.saving.load_model(path)
        for weight in model.weights:
            _check_finite(weight)
    return model


def check_classes(config, path: Path) -> None:
    """Imports the modules of the classes of this package that a config names.

    Args:
        config: A description of a Keras layer or model, from a file.
        path: The file, for the message.

    Raises:
        ValueError: if a class is neither ours, nor a part of Keras, nor registered by the user.
    """
    for one in _named(config):
        _find(one, path)


@contextmanager
def building(config, size: int) -> Iterator[None]:
    """A block in which the layers of a config are made.

    Args:
        config: A description of a Keras layer or model, from a file.
        size: How many weights the file holds, at most.

    Raises:
        ValueError: if the layers need more weights, or the config has a number that is not finite or too large.
    """
    for one in _named(config):
        _check_numbers(one, size + _SLACK)
    with _at_most(size + _SLACK):
        yield


def _named(config) -> Iterator[dict]:
    """Yields each part of a config that names a class or a function."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        config = list(config.values())
    if isinstance(config, list):
        for one in config:
            yield from _named(one)


def _find(one: dict, path: Path) -> None:
    """Imports the module of a class of this package, which registers the class with Keras.

    Raises:
        ValueError: if the class is neither ours, nor a part of Keras, nor registered by the user.
    """
    named = one.get("config") if one["class_name"] == "function" else one["class_name"]
    registered = one.get("registered_name") or named
    if not isinstance(named, str) or not isinstance(registered, str):
        raise ValueError(f"{str(path)!r} is damaged: it names a class by {registered!r}.")
    if registered in _ROOMS:
        import_module(_ROOMS[registered])
    found = [keras.saving.get_registered_object(name) for name in (registered, named)]
    if found == [None, None] and named not in _PLAIN and not _is_keras(one.get("module")):
        raise ValueError(
            f"{str(path)!r} was written by a newer version of mdn, or names a class that mdn does not know: {registered!r}. "
            "Upgrade mdn, or register the class with Keras first."
        )


def _is_keras(module) -> bool:
    """Whether a module belongs to the parts of Keras that models consist of, and is imported already."""
    if module in ("keras", "builtins"):
        return True
    name = str(module)
    if name.startswith(_OPTIMIZERS_ON_TORCH):
        return True  # Keras imports these when it first needs one
    parts = name.split(".")
    return parts[0] == "keras" and parts[1] in _PARTS_OF_KERAS and name in sys.modules


def _check_weights(archive: zipfile.ZipFile) -> int:
    """The bytes of the weights, a bound on their number; raises a ValueError if their file claims to hold more."""
    check_unpacked(archive)
    if _WEIGHTS not in archive.namelist():
        raise ValueError(f"it has no {_WEIGHTS}.")
    import h5py  # type: ignore[import-untyped]

    content, said = read_member(archive, _WEIGHTS), 0

    def count(_, found):
        nonlocal said
        if isinstance(found, h5py.Dataset):
            said += found.nbytes

    with h5py.File(io.BytesIO(content), "r") as file:
        file.visititems(count)
    if said > len(content):
        raise ValueError(f"its weights say that they are {said:,} bytes, but there are {len(content):,}.")
    return len(content)


def _check_numbers(one: dict, most: int) -> None:
    """Raises a ValueError if the config of a class of ours holds a number that is not finite, or a size above `most`."""
    if not str(one.get("registered_name")).startswith("mdn"):
        return
    waiting = [("", one.get("config"))]
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, dict):
            waiting += [] if "class_name" in value else value.items()  # `_named` yields named parts by themselves
        elif isinstance(value, list):
            waiting += [(name, each) for each in value]
        elif isinstance(value, float):
            number()(value, name)
        elif isinstance(value, int) and not any(each in name for each in _UNBOUNDED):
            whole(-most, most)(int(value), name)


@contextmanager
def _at_most(count: int) -> Iterator[None]:
    """Raises a ValueError, before memory is allocated, if the layers built in this thread need more than `count` weights."""
    thread, left = threading.get_ident(), count
    with _LOADING:
        add_weight = keras.layers.Layer.add_weight

        def counted(layer, shape=None, *args, **kwargs):
            nonlocal left
            if threading.get_ident() == thread:
                sizes = shape if isinstance(shape, tuple | list) else () if shape is None else (shape,)
                left -= math.prod(sizes)
                if left < 0:
                    raise ValueError("its description asks for more weights than it holds.")
            return add_weight(layer, shape, *args, **kwargs)

        keras.layers.Layer.add_weight = counted
        try:
            yield
        finally:
            keras.layers.Layer.add_weight = add_weight


def _check_finite(weight) -> None:
    if not keras.backend.is_float_dtype(weight.dtype):
        return
    value = np.asarray(ops.convert_to_numpy(weight), "float32")
    if np.isnan(value).any() or (weight.trainable and np.isinf(value).any()):
        raise ValueError(f"its weight {weight.path!r} holds NaN{' or infinity' if weight.trainable else ''}.")
