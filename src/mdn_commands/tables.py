"""`mdn check`, `mdn fit`, `mdn predict`, `mdn report`: tables."""

from __future__ import annotations

import shlex
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdn_commands import columns as table_columns
from mdn_commands.columns import Category, Date, Decimal, Declared, Ignore, Number, Separator
from mdn_commands.shared import (
    NOTHING_YET,
    Resume,
    Seed,
    check_folder,
    going_on,
    messages,
    share,
    stop,
)

if TYPE_CHECKING:
    from mdn.tabular import Scores

_FEWEST_ROWS = 10
_LOGGED = {"loss": "loss", "val_loss": "held-out NLL"}


def add_to(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    for command in (check, fit, predict, report):
        app.command()(command)


Data = Annotated[Path, typer.Argument(help="CSV, TSV, white-space text, Excel or Parquet.", show_default=False)]


def check(
    data: Data,
    target: Annotated[str | None, typer.Option(help="The column to predict.", show_default=False)] = None,
    ignore: Ignore = None,
    category: Category = None,
    number: Number = None,
    date: Date = None,
    separator: Separator = None,
    decimal: Decimal = None,
) -> None:
    """Say what `mdn fit` takes each column of a table for, and what the target is like; nothing is trained or written."""
    with messages():
        from rich.console import Console

        console = Console()
        declared = Declared.of(ignore, category, number, date)
        asked = table_columns.asked(data, target, declared, console, separator, decimal)
        columns = asked.columns(asked.x)
        table_columns.show(console, columns)
        console.print(f"{len(asked.x)} rows; features: {len(columns.table_names)}.")
        if target is None:
            console.print("Next: name the column to predict with --target.")
            return
        _say_target(console, asked.y, target)
        console.print(f"Next: mdn fit {shlex.quote(str(data))} --target {shlex.quote(target)}", soft_wrap=True)


def _say_target(console, y, target: str) -> None:
    """Prints the range of a target, how many rows lack it, its grid and its atoms."""
    import numpy as np

    from mdn.tabular import targets
    from mdn.tabular.wording import plain, share

    known = y[np.isfinite(y)]
    _check_target(known, target)
    lacking = (
        f"; {share(1.0 - len(known) / len(y))} of the rows have none, and are left out" if len(known) < len(y) else ""
    )
    console.print(
        f"{target}: from {plain(known.min())} to {plain(known.max())}, median {plain(np.median(known))}{lacking}."
    )
    step = targets.grid(known[:, None])[0]
    if step:
        console.print(f"It lies on a grid of {step:g}: it will be spread over its cells.")
    _say_atoms(console, known, target)


def _say_atoms(console, y, target: str) -> None:
    """Prints the values that a target has again and again, beside values that it has once."""
    from mdn.tabular import targets
    from mdn.tabular.wording import plain, share

    for value, part in targets.atoms(y):
        typer.secho(
            f"mdn: {target} is exactly {plain(value)} in {share(part)} of the rows. The density has a spike there, so that the "
            "NLL says little: judge by the CRPS and the intervals. If the value means a missing one, clear these cells.",
            err=True,
        )


def fit(
    data: Data,
    target: Annotated[str, typer.Option(help="The column to predict.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where the model goes; a page of pictures goes beside it.")] = Path(
        "model.mdn"
    ),
    ignore: Ignore = None,
    category: Category = None,
    number: Number = None,
    date: Date = None,
    components: Annotated[int, typer.Option(min=0, help="Of the mixture; 0 tries several.")] = 0,
    ensemble: Annotated[int, typer.Option(min=1, help="Networks that answer together; 5 are better than 1.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 400,
    test_share: Annotated[float, typer.Option(min=0.01, max=0.9, help="Rows set aside for the figures.")] = 0.2,
    calibrate: Annotated[
        bool,
        typer.Option("--calibrate", help="Set further rows aside, so that intervals hold at least what they promise."),
    ] = False,
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
        declared = Declared.of(ignore, category, number, date)
        asked = table_columns.asked(data, target, declared, console, separator, decimal)
        from mdn import MDNRegressor

        regressor = MDNRegressor(
            num_components=components or "auto",
            ensemble_size=ensemble,
            epochs=epochs,
            missing="median",
            random_state=seed,
        )

        _fit(ending, console, regressor, asked, target, out, page, test_share, calibrate, seed, resume)


def _fit(ending, console, regressor, asked, target, out, page, test_share, calibrate, seed, resume) -> None:
    import numpy as np

    from mdn import tabular
    from mdn.files import keeping
    from mdn.tabular import conformal, wording

    known = np.flatnonzero(np.isfinite(asked.y))
    if len(known) < len(asked.y):
        console.print(f"{len(asked.y) - len(known)} rows without a target are left out.")
    x, y = asked.x.take(known), asked.y[known]
    _check_target(y, target)
    train, test = tabular.split_rows(len(y), test_share, seed)
    aside = train[:0]
    if calibrate:  # before columns are learnt: they must not know the rows of calibration, either
        learners, judges = conformal.split_rows(len(train), seed)
        train, aside = train[learners], train[judges]
    columns = asked.columns(x.take(train))
    x = columns.kept(x)
    table_columns.show(console, columns)
    columns.check(x)  # a bad cell among the rows set aside must not end the command after training
    calibrating = f"{len(aside)} to calibrate intervals, " if calibrate else ""
    console.print(f"{len(train)} rows to learn from, {calibrating}{len(test)} set aside; features: {len(x.columns)}.")
    with ending.learning(out), going_on(out, resume, console) as kept:
        with _progress(console, regressor.epochs) as bar:
            regressor.fit(x.take(train), y[train], callbacks=[bar], checkpoint=kept)
        regressor.target_names_, regressor.columns_ = [target], columns
        if calibrate:
            regressor.calibrate(x.take(aside), y[aside])
        keeping(out, regressor.save)
    if regressor.calibration_ is not None:
        console.print(wording.calibrated([target], regressor.calibration_.rows))
    step = regressor.target_grid_[0]
    if step:
        console.print(
            f"{target} lies on a grid of {step:g}: it was spread over its cells, and the NLL is that of the spread."
        )
    _say_atoms(console, y, target)
    with console.status("scoring"):
        scores = regressor.report(x.take(test), y[test], page)
    _print_scores(console, scores, target, f"{len(test)} rows set aside")
    console.print(f"Model: {out}\nPage: {page}\nNext: mdn predict {out} NEW --quantiles .05,.5,.95", soft_wrap=True)


def _check_target(y, target: str) -> None:
    if len(y) < _FEWEST_ROWS:
        stop(f"at least {_FEWEST_ROWS} rows with a target are needed, but there are {len(y)}.")
    if y.min() == y.max():
        stop(f"the target {target!r} is {y[0]:g} in every row: there is nothing to predict.")


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


def _print_scores(console, scores: Scores, target: str, rows: str) -> None:
    from rich.table import Table

    from mdn.tabular import wording

    table = Table(title=rows)
    table.add_column("NLL in nats; lower is better, and below 0 is possible")
    table.add_column("", justify="right")
    table.add_row("this model", f"{scores.nll:.4f}")
    table.add_row("one mixture, no features", f"{scores.mixture_nll:.4f}")
    table.add_row("one Gaussian, no features", f"{scores.gaussian_nll:.4f}")
    console.print(table)
    if wording.skill(scores):
        console.print(wording.skill(scores))
    crps = wording.plain(scores.crps[0])
    console.print(f"CRPS {crps}, in the unit of {target}: a mean absolute error, for distributions.")
    held = [f"the {nominal} % interval holds {scores.coverage(nominal / 100):.1%}" for nominal in (50, 90)]
    console.print(f"Of these targets {held[0]}, {held[1]}.")


def predict(
    model: Annotated[Path, typer.Argument(help="A file of `mdn fit`.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="A table with the same feature columns.", show_default=False)],
    quantiles: Annotated[str, typer.Option(help="Probabilities, with commas between.")] = ".05,.5,.95",
    out: Annotated[Path, typer.Option(help="Where they go: .csv, .tsv or .parquet.")] = Path("predictions.csv"),
    separator: Separator = None,
    decimal: Decimal = None,
) -> None:
    """Write quantiles of the predicted distributions, one row for each row of a table of any length."""
    with messages():
        check_folder(out)
        probabilities = _probabilities(quantiles)
        from rich.console import Console

        from mdn import training
        from mdn.data import read_chunks, writing_table

        training.keep_compiled_programs()
        console = Console()
        regressor = _regressor(model)
        columns, rows, options = regressor.columns_, 0, table_columns.reading(separator, decimal)
        names = [f"{regressor.target_names_[0]}_{q:g}" for q in probabilities]
        options |= table_columns.learnt(columns, options)
        text = table_columns.text_names(columns, new)
        with (
            table_columns.saying_unknown_levels(),
            share(console, "predicting") as on_share,
            writing_table(out, names) as write,
        ):
            for x in read_chunks(new, text=text, on_share=on_share, **options):
                write(regressor.predict_quantile(x.select(columns.table_names), probabilities))
                rows += len(x)
        table_columns.say_note(x)  # the note of the last chunk covers all rows
        console.print(f"{rows} rows of quantiles of {regressor.target_names_[0]}: {out}", soft_wrap=True)


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
        regressor = _regressor(model)
        target, options = regressor.target_names_[0], table_columns.reading(separator, decimal)
        options |= table_columns.learnt(regressor.columns_, options)
        text = table_columns.text_names(regressor.columns_, data)
        table = table_columns.read(data, console, text, **options)
        with table_columns.saying_unknown_levels(), console.status("scoring"):
            y = table_columns.target_of(table, target)
            regressor.columns_.check_unit(table, target)
            known = np.flatnonzero(np.isfinite(y))
            if not len(known):
                stop(f"{str(data)!r} has no row with a {target!r}: there is nothing to judge by.")
            x = table.select(regressor.columns_.table_names).take(known)
            scores = regressor.report(x, y[known], out)
            seen = seen_of(regressor, x, y[known, None])
        console.print(wording.rows_judged(len(known), seen))
        if regressor.calibration_ is not None:
            console.print(wording.calibrated([target], regressor.calibration_.rows))
        _print_scores(console, scores, target, f"{len(known)} rows")
        console.print(f"Page: {out}", soft_wrap=True)


def _regressor(path: Path):
    import mdn

    loaded = mdn.load(path)
    if not isinstance(loaded, mdn.MDNRegressor) or not loaded.columns_.table_names:
        stop(f"{str(path)!r} holds no model of a table. Files of `mdn fit` do; use mdn.load in Python for others.")
    return loaded


def _probabilities(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        stop(f"--quantiles must be numbers with commas between, such as .05,.5,.95, but {text!r} came.")
    if not all(0.0 < value < 1.0 for value in values):
        stop(f"--quantiles must lie between 0 and 1, such as .05,.5,.95, but {text!r} came.")
    return values
