"""`mdn check`: says what columns and targets of a table are taken for; `mdn fit` checks targets in the same way."""

from __future__ import annotations

import shlex
import warnings
from typing import Any

from mdn_commands import columns as table_columns
from mdn_commands import options
from mdn_commands import rows as table_rows
from mdn_commands.columns import Roles
from mdn_commands.shared import messages, stop, tell


def check(
    data: options.Table,
    target: options.Target = None,
    ignore: options.Ignore = None,
    category: options.Category = None,
    number: options.Number = None,
    date: options.Date = None,
    id_: options.Id = None,
    weight: options.Weight = None,
    split_by: options.SplitBy = None,
    event: options.Event = None,
    lower: options.Lower = None,
    upper: options.Upper = None,
    family: options.Family = None,
    bounds: options.Bounds = None,
    period: options.Period = None,
    separator: options.Separator = None,
    decimal: options.Decimal = None,
) -> None:
    """Say what `mdn fit` takes each column of a table for, and what the targets are like; nothing is trained or written."""
    with messages():
        from rich.console import Console

        from mdn.wording import counted

        console = Console()
        roles = Roles.of(target, ignore, category, number, date, id_, weight, split_by, event, lower, upper)
        taken = taken_options(roles, family, bounds, period)
        asked = table_columns.asked(data, roles, console, separator, decimal)
        columns = asked.columns(asked.x)
        table_columns.show(console, columns, asked.x)
        console.print(f"{counted(len(asked.x), 'row')}; features: {len(columns.table_names)}.")
        if not roles.target_names:
            console.print("Next: name the column to predict with --target.")
            return
        say_targets(console, asked, taken)
        given = {"--family": family, "--bounds": bounds, "--period": period and f"{period:g}"}
        more = "".join(f" {option} {shlex.quote(value)}" for option, value in given.items() if value)
        console.print(f"Next: mdn fit {shlex.quote(str(data))} {roles.options}{more}", soft_wrap=True)


def taken_options(roles: Roles, family: str | None, bounds: str | None, period: float | None) -> dict[str, Any]:
    """The arguments of `MDNRegressor` that say what targets are; stops with a message if they do not fit each other."""
    from mdn import MDNRegressor

    names = roles.target_names
    if period is not None and len(names) > 1:
        stop(f"--period needs one --target, but {len(names)} came: learn each of them by itself.")
    if len(names) > 1 and (family not in (None, "normal") or bounds is not None):
        stop(f"--family and --bounds need one --target, but {len(names)} came: learn each of them by itself.")
    taken = {
        "family": family or ("auto" if len(names) == 1 and period is None else "normal"),
        "bounds": _bounds(bounds),
        "censoring": roles.censoring,
        "period": period,
    }
    MDNRegressor(**taken)._check_parameters()
    return taken


def say_targets(console, asked: table_columns.Asked, taken: dict[str, Any]) -> None:
    """Prints how many rows are left out, and what each target is like; `taken` as `taken_options` returns it."""
    table_rows.known_rows(asked, console)
    for name, y in zip(asked.roles.target_names, asked.y.T, strict=True):
        _say_target(console, y, name, taken)


def _say_target(console, y, target: str, taken: dict[str, Any]) -> None:
    """Prints the range of a target, how many rows lack it, and what it is taken for.

    Args:
        console: Where it prints.
        y: The target, `(N,)`; of a censored one a point within its bounds.
        target: Its name.
        taken: As `taken_options` returns it.
    """
    import numpy as np

    from mdn import MDNRegressor
    from mdn.tabular.circular import circle_of, wrapped
    from mdn.tabular.learning import grid_of, possible_outcomes
    from mdn.tabular.wording import plain, rounded, share, taken_for

    known = y[np.isfinite(y)]
    table_rows.check_target(known, target)
    lacking = f"; {share(1.0 - len(known) / len(y))} of the rows have none" if len(known) < len(y) else ""
    console.print(
        f"{target}: from {plain(known.min())} to {plain(known.max())}, median {plain(np.median(known))}{lacking}."
    )
    settings, column = MDNRegressor(**taken), wrapped(known[:, None], taken["period"])
    steps = grid_of(settings, column)
    circle = circle_of(taken["period"], column)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of atoms, which stand below
        found = circle or possible_outcomes(settings, column, 1, steps)[0]
    if not found.plain:
        console.print(taken_for(target, found))
    if steps[0] and not found.counted:
        console.print(rounded(target, steps[0]))
    if not taken["censoring"]:
        say_codes(known, target)
    if not found.atoms and not taken["censoring"]:
        say_atoms(known, target)


def say_codes(y, target: str) -> None:
    """Prints the values of a target that may stand for missing ones."""
    import numpy as np

    from mdn.tabular import codes

    for sentence in codes.sentences({target: codes.codes_of(y[np.isfinite(y)])}):
        tell(f"the target {sentence}")


def say_atoms(y, target: str) -> None:
    """Prints the values that a target has again and again, beside values that it has once."""
    import numpy as np

    from mdn.tabular import codes, targets
    from mdn.tabular.wording import plain, share

    y = y[np.isfinite(y)]
    said = [value for value, _ in codes.codes_of(y)]
    for value, part in targets.atoms(y):
        if value in said:
            continue
        tell(
            f"{target} is exactly {plain(value)} in {share(part)} of the rows. The density has a spike there, so that the "
            "NLL says little: judge by the CRPS and the intervals. If the value means a missing one, clear these cells."
        )


def _bounds(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        stop(f"--bounds must be two numbers with a comma between, such as 0,100, but {text!r} came.")
    return low, high
