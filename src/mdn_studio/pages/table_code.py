"""The Python that does what the page of tables does, to copy; the tests run it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

EFFORTS: Mapping[str, Sequence[str]] = {
    "quick": ("--epochs", "60", "--components", "3"),
    "usual": (),
    "best": ("--ensemble", "5"),
}
_ARGUMENTS = {"quick": "num_components=3, epochs=60, ", "usual": "", "best": "ensemble_size=5, "}
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def fit_command(file: str, options: Sequence[str], effort: str, calibrate: bool, out: str) -> list[str]:
    """The arguments of `mdn` that train a model in the folder of the studio."""
    return ["fit", file, *options, "--out", out, *EFFORTS[effort], *(["--calibrate"] if calibrate else [])]


def fit_python(file: str, asked, effort: str, calibrate: bool, out: str) -> str:
    """The same in Python.

    Args:
        file: The name of the table.
        asked: The table as `mdn fit` asks for it.
        effort: One of `EFFORTS`.
        calibrate: Whether rows are set aside to calibrate intervals.
        out: The name of the model.
    """
    roles, table = asked.roles, asked.table
    codes = [name for name in asked.x.columns if name in table.text and not table.numbers_and_text(name)[1]]  # 01001
    text = list(dict.fromkeys([*roles.text, *codes]))
    kinds = {kind: list(getattr(roles, kind)) for kind in ("category", "number", "date") if getattr(roles, kind)}
    names, several = list(roles.target), len(roles.target) > 1
    lines = [
        "import numpy as np",
        "import mdn",
        "from mdn.data import read_table",
        "from mdn.tabular import split_rows",
    ]
    lines += ["from mdn.data.declared import declare"] if kinds else []
    lines += ["from mdn.tabular import conformal"] if calibrate else []
    lines += ["", f"table = read_table({file!r}{f', text={text!r}' if text else ''})"]
    if kinds:
        lines.append(f"table = declare(table, {', '.join(f'{kind}={of!r}' for kind, of in kinds.items())})")
    lines += [f"x = table.select({list(asked.x.columns)!r})"]
    if several:
        lines += [f"y = np.stack([table.column(name) for name in {names!r}], axis=-1)"]
        lines += ["known = np.flatnonzero(~np.isnan(y).all(axis=1))"]
    else:
        lines += [f"y = table.column({names[0]!r})", "known = np.flatnonzero(~np.isnan(y))"]
    weight = ""
    if roles.weight:
        lines += [f"weight = table.column({roles.weight[0]!r})", "known = known[weight[known] > 0]"]
        weight = ", weight[learn]"
    lines += ["learn, judge = (known[rows] for rows in split_rows(len(known), 0.2, 0))"]
    if calibrate:
        lines += ["learn, aside = (learn[rows] for rows in conformal.split_rows(len(learn), 0))"]
    family = "" if several else 'family="auto", '
    lines += [
        "",
        f"model = mdn.MDNRegressor({_ARGUMENTS[effort]}{family}random_state=0)",
        f"model.fit(x.take(learn), y[learn]{weight})",
    ]
    lines += ["model.calibrate(x.take(aside), y[aside])"] if calibrate else []
    page = out.rpartition(".")[0] + ".html"
    lines += [
        f"model.report(x.take(judge), y[judge], {page!r})  # on rows that it has not seen",
        f"model.save({out!r})",
    ]
    return "\n".join(lines)


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
