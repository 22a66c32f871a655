"""Files of exported models: writing them, and what they say of themselves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from mdn import backend
from mdn.data import reading, replacing
from mdn.data.schema import record, whole
from mdn.exporting.step import Call, call_of

_FORMAT = 1
_NEEDED = {".onnx": ("onnx_file", "onnx"), ".tflite": ("litert_file", "ai_edge_litert")}


def export(
    model,
    path,
    *,
    batch_size: int = 1,
    sampler: bool = True,
    constrain: Callable | None = None,
    context_length: int | None = None,
) -> dict[str, Any]:
    """Writes one step of an MDNRNN, its sampler included, to a file that runs without Python: ONNX or LiteRT.

    Noise is an input, so that a file gives what the model gives. Inputs are `event` (B, D), NaN where there is none
    yet; `state` (B, W), NaN at first and then the `next_state` that came out; `uniforms` and `normals`, as many as a draw
    takes; `component_temperature` and `variance_temperature`, scalars; `condition` (B, C) and `context` (B, U, S), if the
    model has them. Outputs are `next_event`, `next_state`, and `params`, the distribution that the event was drawn from.
    Any other Keras model that ends in MDN gives `sample` and `params` from `x`, the noise and the temperatures.

    Args:
        model: An MDNRNN, or a Keras model that ends in MDN.
        path: Ends in .onnx or .tflite, which decides.
        batch_size: B; fixed in the file.
        sampler: Whether the file draws; without, it gives parameters and state.
        constrain: See `MDNRNN.generate`; becomes a part of the file.
        context_length: U, for a model with a context; shorter ones end in zeros.

    Returns:
        What the file says of itself: names and shapes of inputs and outputs, the order of the parameters, which columns of
        the noise each part of an event uses, and the spec. `mdn.exporting.describe` reads it from the file.

    Raises:
        ImportError: if the packages of `pip install 'mdn[export]'` are missing.
        ValueError: if the suffix is another, or the model holds what cannot be exported.

    Example:
        >>> import mdn
        >>> model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(2), 3), units=(8,))
        >>> said = mdn.export(model, "step.onnx")
        >>> [(one["name"], one["shape"]) for one in said["outputs"]]
        [('next_event', [1, 2]), ('next_state', [1, 16]), ('params', [1, 15])]
    """
    path = Path(path)
    writer_of(path)
    call = call_of(model, batch_size, sampler, constrain, context_length)
    if backend.NAME != "jax" and constrain is not None:
        raise ValueError(
            "`constrain` can be exported from JAX only: load the model under KERAS_BACKEND=jax, and export it."
        )
    if backend.NAME == "jax":
        content, description = encoded(call, path)
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    else:
        with replacing(path) as temporary:
            settings = {"batch_size": batch_size, "sampler": sampler, "context_length": context_length}
            _elsewhere(model, temporary, settings)
            description = describe(temporary)
    return description


def writer_of(path: Path):
    """The module that writes files with the suffix of `path`."""
    if path.suffix not in _NEEDED:
        raise ValueError(f"`path` must end in .onnx or .tflite, but {str(path)!r} came.")
    module, package = _NEEDED[path.suffix]
    try:
        return import_module(f"mdn.exporting.{module}")
    except ImportError as error:
        raise ImportError(f"{path.suffix} files need the package {package}: pip install 'mdn[export]'.") from error


def encoded(call: Call, path: Path) -> tuple[bytes, dict[str, Any]]:
    """The content of a file with the suffix of `path`, and what it says of itself; under JAX."""
    from mdn.exporting.tracing import trace

    def function(*arrays):
        found = call(dict(zip(call.inputs, arrays, strict=True)))
        return tuple(found[name] for name in call.outputs)

    writer = writer_of(path)
    program = trace(function, list(call.inputs.values()), writer.EXACT_LOG)
    description = {"format": _FORMAT, **call.describe()}
    return writer.encode(program, list(call.inputs), list(call.outputs), description), description


def _elsewhere(model, path: Path, settings: dict[str, Any]) -> None:
    """The same from another backend: JAX, in a process of its own, loads the saved model."""
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "model.keras"
        model.save(saved)
        source = str(Path(__file__).resolve().parents[2])
        environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
        environment["PYTHONPATH"] = os.pathsep.join([source, *filter(None, [os.environ.get("PYTHONPATH")])])
        request = json.dumps({"model": str(saved), "path": str(path.resolve()), **settings})
        ran = subprocess.run(
            [sys.executable, "-m", "mdn.exporting", request], env=environment, capture_output=True, text=True
        )
    if ran.returncode:
        last = (ran.stderr.strip() or "it said nothing").splitlines()[-1]
        raise ValueError(f"the model could not be exported from a process under JAX: {last}")


def describe(path) -> dict[str, Any]:
    """What a file of `export` says of itself.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no such file, or one of a newer version.
    """
    path = Path(path)
    writer = writer_of(path)
    with reading(path, "a file of mdn.export"):
        content = path.read_bytes()
        try:
            found = writer.description_in(content)
        except Exception as error:  # whatever a parser says of bytes that are something else
            raise ValueError(f"{str(path)!r} is no {path.suffix} file.") from error
        if found is None:
            raise ValueError(f"{str(path)!r} was not written by mdn.export.")
        description = record(format=whole(), others=True)(json.loads(found), "")
    if description["format"] > _FORMAT:
        raise ValueError(f"{str(path)!r} was exported by a newer version of mdn: upgrade mdn to read it.")
    return description
