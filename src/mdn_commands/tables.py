"""`mdn check`, `mdn fit`, `mdn report`: tables; `mdn predict` stands in `predictions`."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdn_commands import columns as table_columns
from mdn_commands import rows as table_rows
from mdn_commands.columns import (
    Category,
    Date,
    Decimal,
    Event,
    Id,
    Ignore,
    Lower,
    Number,
    Roles,
    Separator,
    SplitBy,
    Upper,
    Weight,
)
from mdn_commands.predictions import predict, regressor_of
from mdn_commands.shared import (
    NOTHING_YET,
    Resume,
    Seed,
    check_folder,
    going_on,
    messages,
    stop,
)
from mdn_commands.targets import bounds_of, targets_of

if TYPE_CHECKING:
    from mdn.tabular import Scores

_LOGGED = {"loss": "loss", "val_loss": "held-out NLL"}


def add_to(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    for command in (check, fit, predict, report):
        app.command()(command)


Data = Annotated[
    Path, typer.Argument(help="CSV, TSV, white-space text (also .gz or .zip), Excel or Parquet.", show_default=False)
]
_FAMILY = (
    'What the target can be: "normal" (any number), "positive", "bounded" (with --bounds), "counts", or "auto", which finds it '
    "out, and is the default for one target."
)
_TARGET = "A column to predict; may be repeated. A row may lack some of the targets, and is left out if it lacks all."


def check(
    data: Data,
    target: Annotated[list[str] | None, typer.Option(help=_TARGET, show_default=False)] = None,
    ignore: Ignore = None,
    category: Category = None,
    number: Number = None,
    date: Date = None,
    id_: Id = None,
    weight: Weight = None,
    split_by: SplitBy = None,
    event: Event = None,
    lower: Lower = None,
    upper: Upper = None,
    separator: Separator = None,
    decimal: Decimal = None,
) -> None:
    """Say what `mdn fit` takes each column of a table for, and what the targets are like; nothing is trained or written."""
    with messages():
        from rich.console import Console

        console = Console()
        roles = Roles.of(target, ignore, category, number, date, id_, weight, split_by, event, lower, upper)
        asked = table_columns.asked(data, roles, console, separator, decimal)
        columns = asked.columns(asked.x)
        table_columns.show(console, columns, asked.x)
        console.print(f"{len(asked.x)} rows; features: {len(columns.table_names)}.")
        if not roles.target_names:
            console.print("Next: name the column to predict with --target.")
            return
        table_rows.known_rows(asked, console)
        for name, y in zip(roles.target_names, asked.y.T, strict=True):
            _say_target(console, y, name, alone=len(roles.target_names) == 1, censored=roles.censoring is not None)
        console.print(f"Next: mdn fit {shlex.quote(str(data))} {roles.options}", soft_wrap=True)


def _say_target(console, y, target: str, alone: bool, censored: bool) -> None:
    """Prints the range of a target, how many rows lack it, and what it is taken for."""
    import numpy as np

    from mdn import MDNRegressor
    from mdn.tabular.learning import grid_of
    from mdn.tabular.outcome import candidates
    from mdn.tabular.wording import plain, rounded, share, taken_for

    known = y[np.isfinite(y)]
    table_rows.check_target(known, target)
    lacking = f"; {share(1.0 - len(known) / len(y))} of the rows have none" if len(known) < len(y) else ""
    console.print(
        f"{target}: from {plain(known.min())} to {plain(known.max())}, median {plain(np.median(known))}{lacking}."
    )
    settings = MDNRegressor(family="auto" if alone else "normal", censoring="interval" if censored else None)
    step = grid_of(settings, known[:, None])[0]
    found = candidates(known, "auto" if alone else "normal", None, step, censored)[0]
    if not found.plain:
        console.print(taken_for(target, found))
    elif step:
        console.print(rounded(target, step))
    if not alone:
        _say_atoms(known, target)


def _say_atoms(y, target: str) -> None:
    """Prints the values that a target has again and again, beside values that it has once."""
    import numpy as np

    from mdn.tabular import targets
    from mdn.tabular.wording import plain, share

    for value, part in targets.atoms(y[np.isfinite(y)]):
        typer.secho(
            f"mdn: {target} is exactly {plain(value)} in {share(part)} of the rows. The density has a spike there, so that the "
            "NLL says little: judge by the CRPS and the intervals. If the value means a missing one, clear these cells.",
            err=True,
        )


def fit(
    data: Data,
    target: Annotated[list[str] | None, typer.Option(help=_TARGET, show_default=False)] = None,
    out: Annotated[Path, typer.Option(help="Where the model goes; a page of pictures goes beside it.")] = Path(
        "model.mdn"
    ),
    ignore: Ignore = None,
    category: Category = None,
    number: Number = None,
    date: Date = None,
    id_: Id = None,
    weight: Weight = None,
    split_by: SplitBy = None,
    event: Event = None,
    lower: Lower = None,
    upper: Upper = None,
    family: Annotated[str | None, typer.Option(help=_FAMILY, show_default=False)] = None,
    bounds: Annotated[
        str | None, typer.Option(help="LOW,HIGH between which the target must lie, such as 0,100.")
    ] = None,
    period: Annotated[
        float | None,
        typer.Option(help="The target lies on a circle of this circumference: 360 for degrees, 24 for hours of a day."),
    ] = None,
    components: Annotated[int, typer.Option(min=0, help="Of the mixture; 0 tries several.")] = 0,
    ensemble: Annotated[int, typer.Option(min=1, help="Networks that answer together; 5 are better than 1.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 400,
    test_share: Annotated[float, typer.Option(min=0.01, max=0.9, help="Rows set aside for the figures.")] = 0.2,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Set further rows aside, so that intervals hold at least what they promise."),
    ] = False,
    calibrate_by: Annotated[
        str | None,
        typer.Option(help="--calibrate for each group of rows by itself: those with the same value in this feature."),
    ] = None,
    seed: Seed = 0,
    resume: Resume = True,
    separator: Separator = None,
    decimal: Decimal = None,
) -> None:
    """Train on a table, and say how good the predicted distributions are on rows set aside."""
    with messages(NOTHING_YET) as ending, table_columns.saying_unknown_levels():
        check_folder(out)
        page = out.with_suffix(".html")
        if page == out:
            stop(f"--out must not end in .html, since the page of pictures goes there, but {str(out)!r} does.")
        from rich.console import Console

        from mdn import training

        training.keep_compiled_programs()
        console = Console()
        roles = Roles.of(target, ignore, category, number, date, id_, weight, split_by, event, lower, upper)
        if not roles.target_names:
            stop("name the column to predict with --target, or its bounds with --lower and --upper.")
        calibrate = calibrate or calibrate_by is not None
        if roles.censoring and calibrate:
            stop(
                "--calibrate needs targets that are known: with --event or --lower nothing can be promised of the others."
            )
        if period is not None and len(roles.target_names) > 1:
            stop(f"--period needs one --target, but {len(roles.target_names)} came: learn each of them by itself.")
        between = _bounds(bounds)
        asked = table_columns.asked(data, roles, console, separator, decimal)
        from mdn import MDNRegressor
        from mdn.tabular import circular

        regressor = MDNRegressor(
            num_components=components or "auto",
            ensemble_size=ensemble,
            epochs=epochs,
            family=family or ("auto" if len(roles.target_names) == 1 and period is None else "normal"),
            bounds=between,
            censoring=roles.censoring,
            period=period,
            random_state=seed,
        )
        circular.check(regressor)
        known = table_rows.known_rows(asked, console)
        parts = table_rows.deal(asked, known, test_share, regressor.validation_fraction, calibrate, seed)
        _fit(ending, console, regressor, asked, parts, calibrate_by, out, page, resume)


def _fit(ending, console, regressor, asked, parts, calibrate_by, out, page, resume) -> None:
    import numpy as np

    from mdn.files import keeping
    from mdn.tabular import wording

    targets, y = asked.roles.target_names, asked.learnt
    columns = asked.columns(asked.x.take(parts.learn))  # it must not know the rows of calibration, either
    x = columns.kept(asked.x)
    if calibrate_by is not None and calibrate_by not in x.columns:  # new rows must have it, too
        stop(f"--calibrate-by {calibrate_by}: it must be a feature, one of {', '.join(map(repr, x.columns))}.")
    table_columns.show(console, columns, asked.x.take(parts.learn))
    used = np.sort(np.concatenate(parts))
    columns.check(x.take(used))  # a bad cell among the rows set aside must not end the command after training
    _say_parts(console, asked, parts, len(x.columns))

    def of(rows):
        return x.take(rows), y[rows], *([] if asked.weight is None else [asked.weight[rows]])

    with ending.learning(out), going_on(out, resume, console) as kept:
        with _progress(console, regressor.epochs) as bar:
            stopping = of(parts.stop) if len(parts.stop) else None
            regressor.fit(*of(parts.learn), validation_data=stopping, callbacks=[bar], checkpoint=kept)
        regressor.target_names_, regressor.columns_ = targets, columns
        if len(parts.calibrate):
            regressor.calibrate(x.take(parts.calibrate), y[parts.calibrate], calibrate_by)
        keeping(out, regressor.save)
    if regressor.calibration_ is not None:
        console.print(wording.calibrated(regressor.calibration_))
    for name, step, values in zip(targets, regressor.target_grid_, asked.y.T, strict=True):
        if not regressor.outcome_.plain:
            console.print(wording.taken_for(name, regressor.outcome_))
        elif step:
            console.print(wording.rounded(name, step))
        if not regressor.outcome_.atoms and not regressor.censoring:
            _say_atoms(values[used], name)
    with console.status("scoring"):
        scores = regressor.report(x.take(parts.judge), y[parts.judge], page)
    _print_scores(console, scores, targets, f"{len(parts.judge)} rows set aside")
    console.print(f"Model: {out}\nPage: {page}\nNext: mdn predict {out} NEW --quantiles .05,.5,.95", soft_wrap=True)


def _bounds(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError:
        stop(f"--bounds must be two numbers with a comma between, such as 0,100, but {text!r} came.")
    return low, high


def _say_parts(console, asked, parts, features: int) -> None:
    stopping = f"{len(parts.stop)} to stop the training by, " if len(parts.stop) else ""
    calibrating = f"{len(parts.calibrate)} to calibrate intervals, " if len(parts.calibrate) else ""
    console.print(
        f"{len(parts.learn)} rows to learn from, {stopping}{calibrating}{len(parts.judge)} set aside; features: {features}."
    )
    if asked.by is not None:
        console.print(table_rows.said_of_split(asked.by, parts))
    if asked.weight is not None:
        console.print(
            f"Weights of {asked.roles.weight[0]!r} count in training only: all rows of the figures count alike."
        )


@contextmanager
def _progress(console, epochs: int):
    """Shows a bar; yields the callback that moves it. Each network that is trained begins the bar anew."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("training", total=epochs, note="compiling")

        class Told:
            def on_epoch_end(self, epoch, logs):
                if epoch == 0:
                    progress.reset(task, total=epochs, note="")
                values = ", ".join(f"{_LOGGED[name]} {value:.4f}" for name, value in logs.items() if name in _LOGGED)
                progress.update(task, completed=epoch + 1, note=values)

        yield Told()


def _print_scores(console, scores: Scores, targets: Sequence[str], rows: str) -> None:
    from rich.table import Table

    from mdn.tabular import wording

    table = Table(title=rows)
    table.add_column("NLL in nats; lower is better, and below 0 is possible")
    table.add_column("", justify="right")
    for name, nll in wording.nlls(scores):
        table.add_row(name, f"{nll:.4f}")
    console.print(table)
    if wording.skill(scores):
        console.print(wording.skill(scores))
    half, nine_tenths = scores.coverages(0.5), scores.coverages(0.9)
    for d, target in enumerate(targets):
        if not math.isnan(scores.crps[d]):
            crps = wording.plain(scores.crps[d])
            console.print(f"CRPS {crps}, in the unit of {target}: a mean absolute error, for distributions.")
        these = "these targets" if len(targets) == 1 else f"the values of {target}"
        console.print(
            f"Of {these} the 50 % interval holds {half[d]:.1%}, the 90 % interval holds {nine_tenths[d]:.1%}."
        )


def report(
    model: Annotated[Path, typer.Argument(help="A file of `mdn fit`.", show_default=False)],
    data: Annotated[
        Path, typer.Argument(help="A table with features and target that it has not seen.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("report.html"),
    separator: Separator = None,
    decimal: Decimal = None,
) -> None:
    """Score a model on a table that it has not seen, on the screen and as a page of pictures."""
    with messages():
        check_folder(out)
        import numpy as np
        from rich.console import Console

        from mdn import training
        from mdn.tabular import wording
        from mdn.tabular.seen import seen_of

        training.keep_compiled_programs()
        console = Console()
        regressor = regressor_of(model)
        targets, options = regressor.target_names_, table_columns.reading(separator, decimal)
        options |= table_columns.learnt(regressor.columns_, options)
        text = table_columns.text_names(regressor.columns_, data)
        table = table_columns.read(data, console, text, **options)
        with table_columns.saying_unknown_levels(), console.status("scoring"):
            censored = regressor.columns_.bounds
            y = bounds_of(table, censored, regressor.censoring) if censored else targets_of(table, targets)
            for target, column in zip(targets, y.T[: len(targets)], strict=True):
                regressor.columns_.check_unit(table, target)
                if np.isnan(column).all():
                    stop(f"{str(data)!r} has no row with a {target!r}: there is nothing to judge by.")
            known = np.flatnonzero(~np.isnan(y).all(axis=1))
            x, y = table.select(regressor.columns_.table_names).take(known), y[known]
            scores = regressor.report(x, y, out)
            seen = seen_of(regressor, x, y)
        console.print(wording.rows_judged(len(known), seen))
        if regressor.calibration_ is not None:
            console.print(wording.calibrated(regressor.calibration_))
        _print_scores(console, scores, targets, f"{len(known)} rows")
        console.print(f"Page: {out}", soft_wrap=True)
