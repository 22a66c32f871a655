"""Writes files of exported models, and reads their descriptions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from mdn import backend
from mdn.data import reading, replacing
from mdn.data.schema import record, whole
from mdn.exporting.step import Call, PlayedStep, call_of
from mdn.tabular.asking import Asking

FORMAT = 1
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_NEEDED = {".onnx": ("onnx_file", "onnx"), ".tflite": ("litert_file", "ai_edge_litert")}


def export(
    model,
    path,
    *,
    batch_size: int = 1,
    sampler: bool = True,
    constrain: Callable | None = None,
    context_length: int | None = None,
    quantiles: Sequence[float] = QUANTILES,
) -> dict[str, Any]:
    """Writes an MDNRegressor, or one step of an MDNRNN with its sampler, to a file that runs without Python: ONNX or LiteRT.

    The file of an MDNRegressor (ONNX only) takes any number of rows N, and scales, encodes and calibrates inside. Its inputs are
    the columns of training under their own names, each `(N, 1)`: numbers and days since 1970 as float64, categories as strings;
    or `X`, float64 `(N, F)`, if training had an array. Its outputs, float64 in data units, are `mean` (N, D), `quantiles` (N, Q),
    or (N, D, Q) if targets had a second axis, and the mixture of all members: `logits` (N, K), `loc` (N, K, D) and `scale`. A row
    that `predict` would refuse, such as one with NaN where nothing may be missing, is answered by NaN.

    The file of an MDNRNN computes one step. Noise is an input, so that the file computes the same as the model. Inputs are
    `event` (B, D), the last event, NaN at first; `state` (B, W), NaN at first, then the `next_state` of the call before;
    `uniforms` and `normals`, as many as a draw needs; `component_temperature` and `variance_temperature`, scalars; `condition`
    (B, C) and `context` (B, U, S), if the model has them. Outputs are `next_event`, `next_state`, and `params`, the parameters
    of the distribution of the event. For any other Keras model that ends in MDN, inputs are `x`, noise and temperatures, and
    outputs `sample` and `params`.

    The file of an instrument (`mdn train instrument`) is such a step, but its `event` and `next_event` are what is played, dt in
    seconds and the N values `(B, 1 + N)`: bounds, steps and all that makes events of them are inside. Under JAX its answers are
    compared with those of the model before it is written. Beside it a file that ends in .json says what each number means.

    Args:
        model: An MDNRegressor, an MDNRNN, or a Keras model that ends in MDN.
        path: Ends in .onnx or .tflite, which decides the format.
        batch_size: B; fixed in the file. This and the next three have no meaning for an MDNRegressor.
        sampler: Whether the file draws events; if not, it returns only params and state.
        constrain: See `MDNRNN.generate`; the file includes it. An instrument brings its own.
        context_length: U, for a model with a context; pad shorter contexts with zeros.
        quantiles: The levels of the quantiles, for an MDNRegressor only.

    Returns:
        The description in the file: names and shapes of inputs and outputs, the order of the parameters, the columns of the
        noise that each part of an event uses, and the spec. `mdn.exporting.describe` reads it from the file.

    Raises:
        ImportError: if the packages of `pip install 'mdn[export]'` are missing.
        ValueError: if the suffix is another; if the model needs an operation that cannot be exported; if an option has no
            meaning for this model; or if the target of a regressor is a count or has atoms, or its calibration groups.

    Example:
        >>> import mdn
        >>> model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(2), 3), units=(8,))
        >>> said = mdn.export(model, "step.onnx")
        >>> [(one["name"], one["shape"]) for one in said["outputs"]]
        [('next_event', [1, 2]), ('next_state', [1, 139]), ('params', [1, 15])]
    """
    path = Path(path)
    writer_of(path)
    if isinstance(model, Asking):
        if path.suffix != ".onnx":
            raise ValueError(f"`path` must end in .onnx for an MDNRegressor, but {str(path)!r} came.")
        if (batch_size, sampler, constrain, context_length) != (1, True, None, None):
            raise ValueError(
                "`batch_size`, `sampler`, `constrain` and `context_length` have no meaning for an MDNRegressor, whose file takes "
                "any number of rows and draws nothing: leave them out."
            )
        from mdn.exporting import table_file

        return table_file.write(model, path, quantiles)
    if quantiles is not QUANTILES:
        raise ValueError(
            f"`quantiles` has a meaning for an MDNRegressor only, but {type(model).__name__} came: leave it out."
        )
    call = call_of(model, batch_size, sampler, constrain, context_length)
    if backend.NAME != "jax" and constrain is not None:
        raise ValueError(
            "`constrain` can be exported from JAX only: load the model under KERAS_BACKEND=jax, and export it."
        )
    if backend.NAME == "jax":
        content, description = encoded(call, path)
        with replacing(path) as temporary:
            temporary.write_bytes(content)
            if isinstance(call, PlayedStep):
                import_module("mdn.exporting.comparison").hold(model, temporary)  # which imports this module
    else:
        with replacing(path) as temporary:
            settings = {"batch_size": batch_size, "sampler": sampler, "context_length": context_length}
            _elsewhere(model, temporary, settings)
            description = describe(temporary)
    if isinstance(call, PlayedStep):
        write_beside(path, description)
    return description


def write_beside(path, description: dict[str, Any], **more) -> Path:
    """Writes what a player of an instrument must know as JSON beside the file at `path`, and returns its path.

    Args:
        path: The path of the exported file.
        description: From `export`.
        **more: Further entries, such as `midi`.
    """
    path = Path(path)
    beside = path.with_name(path.name + ".json")  # a .json of the same stem holds the figures of a training
    said = {name: value for name, value in description.items() if name != "spec"}
    with replacing(beside) as temporary:
        temporary.write_text(json.dumps({"file": path.name, **said, **more}, indent=1) + "\n", encoding="utf-8")
    return beside


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
    """The content of a file with the suffix of `path`, and its description; only under JAX."""
    from mdn.exporting.tracing import trace

    def function(*arrays):
        found = call(dict(zip(call.inputs, arrays, strict=True)))
        return tuple(found[name] for name in call.outputs)

    writer = writer_of(path)
    program = trace(function, list(call.inputs.values()), writer.EXACT_LOG)
    description = {"format": FORMAT, **call.describe()}
    return writer.encode(program, list(call.inputs), list(call.outputs), description), description


def _elsewhere(model, path: Path, settings: dict[str, Any]) -> None:
    """Exports from another backend: saves the model, and a new process under JAX loads and exports it."""
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
    """The description in a file of `export`.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if `export` did not write the file, or a newer version did.
    """
    path = Path(path)
    writer = writer_of(path)
    with reading(path, "a file of mdn.export"):
        content = path.read_bytes()
        try:
            found = writer.description_in(content)
        except Exception as error:  # a parser may raise any error for bytes of another format
            raise ValueError(f"{str(path)!r} is no {path.suffix} file.") from error
        if found is None:
            raise ValueError(f"{str(path)!r} was not written by mdn.export.")
        description = record(format=whole(), others=True)(json.loads(found), "")
    if description["format"] > FORMAT:
        raise ValueError(f"{str(path)!r} was exported by a newer version of mdn: upgrade mdn to read it.")
    return description
