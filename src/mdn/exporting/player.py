"""Runs exported files in Python, with the runtime of their format."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mdn.exporting.files import describe

_DTYPES = {"tensor(float)": "float32", "tensor(double)": "float64", "tensor(string)": "object"}


def player(path) -> Callable[..., dict[str, np.ndarray]]:
    """Loads a file of `export` as a function that takes named arrays and returns a dict of arrays.

    Raises:
        ImportError: if the runtime is missing.
        ValueError: if the file was not written by `export`.
    """
    path = Path(path)
    return runner(path, [one["name"] for one in describe(path)["outputs"]])


def runner(path: Path, outputs: list[str]) -> Callable[..., dict[str, np.ndarray]]:
    """The function that `player` returns, for a file with these outputs.

    Raises:
        ImportError: if the runtime is missing.
    """
    try:
        return (_onnx if path.suffix == ".onnx" else _litert)(path, outputs)
    except ImportError as error:
        raise ImportError(f"playing {path.suffix} files needs {error.name}: pip install 'mdn[export]'.") from error


def _onnx(path: Path, outputs: list[str]):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # to wake a thread takes longer than the work
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    dtypes = {one.name: _DTYPES[one.type] for one in session.get_inputs()}

    def run(**inputs):
        given = {name: np.asarray(value, dtypes[name]) for name, value in inputs.items()}
        return dict(zip(outputs, session.run(outputs, given), strict=True))

    return run


def _litert(path: Path, outputs: list[str]):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    taken = {one["name"]: one["index"] for one in interpreter.get_input_details()}
    given = {one["name"]: one["index"] for one in interpreter.get_output_details()}

    def run(**inputs):
        for name, value in inputs.items():
            interpreter.set_tensor(taken[name], np.asarray(value, "float32"))
        interpreter.invoke()
        return {name: interpreter.get_tensor(given[name]) for name in outputs}

    return run
