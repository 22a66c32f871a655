"""The Python that learns the same model as `mdn fit`, to copy; the tests run it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mdn_commands.columns import Asked
    from mdn_commands.rows import By


def fit_python(
    file: str,
    asked: Asked,
    settings: Mapping[str, Any],
    out: str,
    *,
    features: Sequence[str] | None = None,
    test_share: float = 0.2,
    stop_share: float = 0.15,
    seed: int = 0,
    calibrate: bool = False,
    calibrate_by: str | None = None,
    notation: Mapping[str, Any] | None = None,
) -> str | None:
    """The code, or None for a target of which only bounds are known.

    Args:
        file: The name of the table.
        asked: The table as `mdn fit` asks for it.
        settings: The arguments of `MDNRegressor`, but for the seed.
        out: The name of the model; a page goes beside it.
        features: The columns that are learnt from; None for all that may be features.
        test_share: The share of the rows that is judged by.
        stop_share: The share of the others that stops the training, where a column deals the rows.
        seed: The seed.
        calibrate: Whether rows are set aside to calibrate intervals.
        calibrate_by: The feature whose groups are calibrated by themselves.
        notation: How the file is written, as arguments of `read_table`.
    """
    roles, table = asked.roles, asked.table
    if roles.censoring:
        return None
    codes = [name for name in asked.x.columns if name in table.text and not table.numbers_and_text(name)[1]]  # 01001
    text = list(dict.fromkeys([*roles.text, *codes]))
    kinds = {kind: list(getattr(roles, kind)) for kind in ("category", "number", "date") if getattr(roles, kind)}
    names, several = list(roles.target), len(roles.target) > 1
    how = ({"text": text} if text else {}) | dict(notation or {})
    lines = ["import numpy as np", "import mdn", "from mdn.data import read_table", *_imports(asked, kinds, calibrate)]
    lines += ["", f"table = read_table({file!r}{''.join(f', {name}={value!r}' for name, value in how.items())})"]
    if kinds:
        lines.append(f"table = declare(table, {', '.join(f'{kind}={of!r}' for kind, of in kinds.items())})")
    kept = list(asked.x.columns if features is None else features)
    gone = [name for name in table.columns if name not in (*kept, *names, *roles.weight)]
    lines += [f"x = table.select({kept!r})" + (f"  # without {', '.join(map(repr, gone))}" if gone else "")]
    if several:
        lines += [f"y = np.stack([table.column(name) for name in {names!r}], axis=-1)"]
        lines += ["known = np.flatnonzero(~np.isnan(y).all(axis=1))"]
    else:
        lines += [f"y = table.column({names[0]!r})", "known = np.flatnonzero(~np.isnan(y))"]
    weight, stopping = "", ""
    if roles.weight:
        lines += [f"weight = table.column({roles.weight[0]!r})", "known = known[weight[known] > 0]"]
        weight = ", weight[learn]"
    if asked.by is None:
        lines += [f"learn, judge = (known[rows] for rows in split_rows(len(known), {test_share:g}, {seed}))"]
        if calibrate:
            lines += [f"learn, aside = (learn[rows] for rows in conformal.split_rows(len(learn), {seed}))"]
    else:
        lines += _dealt(asked.by, test_share, stop_share, seed, calibrate)
        more = ", weight[stop]" if roles.weight else ""
        stopping = f", validation_data=(x.take(stop), y[stop]{more})"
    arguments = "".join(f"{name}={value!r}, " for name, value in settings.items())
    lines += [
        "",
        f"model = mdn.MDNRegressor({arguments}random_state={seed})",
        f"model.fit(x.take(learn), y[learn]{weight}{stopping})",
    ]
    by = "" if calibrate_by is None else f", {calibrate_by!r}"
    lines += [f"model.calibrate(x.take(aside), y[aside]{by})"] if calibrate else []
    lines += [
        f"model.report(x.take(judge), y[judge], {out.rpartition('.')[0] + '.html'!r})  # on rows that it has not seen",
        f"model.save({out!r})",
    ]
    return "\n".join(lines)


def _imports(asked: Asked, kinds: Mapping[str, Sequence[str]], calibrate: bool) -> list[str]:
    found = ["from mdn.data.declared import declare"] if kinds else []
    of_tabular = [*(["conformal"] if calibrate else []), "split_rows" if asked.by is None else "splits"]
    found.append(f"from mdn.tabular import {', '.join(of_tabular)}")
    if asked.by is not None:
        found += ["from mdn.tabular.dates import dates_of"] if asked.by.dates else []
        found.append("from mdn.tabular.frames import column")
    return found


def _dealt(by: By, test_share: float, stop_share: float, seed: int, calibrate: bool) -> list[str]:
    """The lines that set whole groups, or the latest rows, aside."""
    values = "dates_of(by).days" if by.dates else "np.unique(by.words, return_inverse=True)[1]"
    aside = "conformal.rows_aside" if calibrate else None
    shares = f"{test_share:g}, {aside}, {stop_share:g}"
    return [
        f"by = column(table, {by.name!r})",
        f"known, values = known[~by.missing[known]], {values}",
        f"dealt = splits.dealt(values[known], {by.dates}, {shares}, np.random.default_rng({seed}))",
        "learn, judge, aside, stop = (known[rows] for rows in dealt)",
    ]
