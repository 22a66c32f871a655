"""The Python that does what the page of tables does, to copy; the tests run it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from mdn_commands import same_in_python

EFFORTS: Mapping[str, Sequence[str]] = {
    "quick": ("--epochs", "60", "--components", "3"),
    "usual": (),
    "best": ("--ensemble", "5"),
}
_ARGUMENTS: Mapping[str, Mapping[str, Any]] = {
    "quick": {"num_components": 3, "epochs": 60},
    "usual": {},
    "best": {"ensemble_size": 5},
}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def fit_command(file: str, options: Sequence[str], effort: str, calibrate: bool, out: str) -> list[str]:
    """The arguments of `mdn` that train a model in the folder of the studio."""
    return ["fit", file, *options, "--out", out, *EFFORTS[effort], *(["--calibrate"] if calibrate else [])]


def fit_python(file: str, asked, effort: str, calibrate: bool, out: str) -> str | None:
    """The same in Python.

    Args:
        file: The name of the table.
        asked: The table as `mdn fit` asks for it.
        effort: One of `EFFORTS`.
        calibrate: Whether rows are set aside to calibrate intervals.
        out: The name of the model.
    """
    family = {} if len(asked.roles.target) > 1 else {"family": "auto"}
    return same_in_python.fit_python(file, asked, {**_ARGUMENTS[effort], **family}, out, calibrate=calibrate)


def what_if_python(model: str) -> str:
    """The Python that asks a model about one row; the page puts the values in place of ROW and LINE."""
    return "\n".join(
        [
            "import pandas as pd",
            "import mdn",
            "",
            f"model = mdn.load({model!r})",
            "row = pd.DataFrame([ROW])",
            f"model.predict_quantile(row, {list(QUANTILES)})",
            "model.predict_probability(row, above=LINE)",
        ]
    )


def predict_command(model: str, file: str, out: str, line: float | None) -> str:
    """The command that predicts another file."""
    levels = ",".join(f"{level:g}" for level in QUANTILES)
    above = [] if line is None else ["--above", f"{line:.15g}"]
    return shlex.join(["mdn", "predict", model, file, "--quantiles", levels, *above, "--out", out])
