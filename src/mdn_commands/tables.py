"""`mdn fit` and `mdn report`: tables; `mdn check`, `mdn predict` and `mdn doctor` stand in modules of their own."""

from __future__ import annotations

import functools
import math
import warnings
from collections.abc import Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdn_commands import columns as table_columns
from mdn_commands import options, streams
from mdn_commands import rows as table_rows
from mdn_commands.check import check, say_atoms, say_codes, taken_options
from mdn_commands.columns import Roles
from mdn_commands.doctor import doctor
from mdn_commands.predictions import predict, regressor_of
from mdn_commands.same_in_python import fit_python
from mdn_commands.shared import NOTHING_YET, check_out, going_on, messages, started, stop
from mdn_commands.streams import Memory, Processes
from mdn_commands.unseen import rows_for

if TYPE_CHECKING:
    from mdn.tabular import Scores

_LOGGED = {"loss": "loss", "val_loss": "held-out NLL"}


def add_to(app: typer.Typer) -> None:
    """Adds the commands to `app`."""
    for command in (check, fit, predict, report, doctor):
        app.command()(command)


def fit(
    data: Annotated[
        list[Path],
        typer.Argument(
            help="A table: CSV, TSV, white-space text (also .gz or .zip), Excel or Parquet; or several files of one table, a "
            "folder of them, or a pattern in quotes, such as 'data/*.parquet'.",
            show_default=False,
        ),
    ],
    target: options.Target = None,
    out: Annotated[Path, typer.Option(help="Where the model goes; a page of pictures goes beside it.")] = Path(
        "model.mdn"
    ),
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
    components: Annotated[int, typer.Option(min=0, help="How many components the mixture has; 0 tries several.")] = 0,
    ensemble: Annotated[int, typer.Option(min=1, help="How many networks answer together; 5 are better than 1.")] = 1,
    test_share: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="The share of the rows that is set aside for the figures.")
    ] = 0.2,
    calibrate: Annotated[
        bool,
        typer.Option(
            "--calibrate", help="Set further rows aside, so that on average intervals hold what they promise."
        ),
    ] = False,
    calibrate_by: Annotated[
        str | None,
        typer.Option(help="--calibrate for each group of rows by itself: those with the same value in this feature."),
    ] = None,
    memory: Memory = None,
    processes: Processes = 1,
    epochs: options.Epochs = 400,
    seed: options.Seed = 0,
    resume: options.Resume = True,
) -> None:
    """Train on a table, and say how good the predicted distributions are on rows set aside."""
    with messages(NOTHING_YET) as ending, table_columns.saying_unknown_levels():
        page = out.with_suffix(".html")
        if page == out:
            stop(f"--out must not end in .html, since the page of pictures goes there, but {str(out)!r} does.")
        check_out(out, reads=data, beside=[page])
        console = started()
        roles = Roles.of(target, ignore, category, number, date, id_, weight, split_by, event, lower, upper)
        if not roles.target_names:
            stop("name the column to predict with --target, or its bounds with --lower and --upper.")
        calibrate = calibrate or calibrate_by is not None
        if roles.censoring and calibrate:
            stop(
                "--calibrate needs targets that are known: with --event or --lower nothing can be promised of the others."
            )
        taken = taken_options(roles, family, bounds, period)
        from mdn import MDNRegressor

        regressor = MDNRegressor(
            num_components=components or "auto",
            ensemble_size=ensemble,
            epochs=epochs,
            random_state=seed,
            **taken,
        )
        if memory is None and processes == 1 and not streams.in_parts(data):
            asked = table_columns.asked(data[0], roles, console, separator, decimal)
        else:
            notation = table_columns.reading(separator, decimal)
            looked = streams.look(console, regressor, data, roles, memory, notation, processes)
            if not looked.whole:
                regressor.calibration = "conformal" if calibrate else None
                _fit_streamed(ending, console, regressor, looked, test_share, calibrate_by, out, page, resume)
                return
            asked = looked.asked()
        known = table_rows.known_rows(asked, console)
        parts = table_rows.deal(asked, known, test_share, regressor.validation_fraction, calibrate, seed)
        defaults = MDNRegressor(random_state=seed).get_params()
        python = functools.partial(
            fit_python,
            str(data[0]),
            asked,
            {name: value for name, value in regressor.get_params().items() if value != defaults[name]},
            str(out),
            test_share=test_share,
            stop_share=regressor.validation_fraction,
            seed=seed,
            calibrate=calibrate,
            calibrate_by=calibrate_by,
            notation=table_columns.reading(separator, decimal),
        )
        _fit(
            ending,
            console,
            regressor,
            asked,
            parts,
            calibrate_by,
            out,
            page,
            resume,
            None if streams.in_parts(data) else python,
        )


def _fit(ending, console, regressor, asked, parts, calibrate_by, out, page, resume, python) -> None:
    import numpy as np

    from mdn.files import keeping
    from mdn.tabular import wording
    from mdn.tabular.codes import MissingCodes
    from mdn.tabular.lookalikes import LookAlike
    from mdn.tabular.report import write_report

    targets, y = asked.roles.target_names, asked.learnt
    columns = asked.columns(asked.x.take(parts.learn))  # it must not know the rows of calibration, either
    x = columns.kept(asked.x)
    if calibrate_by is not None:
        table_rows.check_calibrated(calibrate_by, x.columns)
    table_columns.show(console, columns, asked.x.take(parts.learn))
    used = np.sort(np.concatenate(parts))
    columns.check(x.take(used))  # a bad cell among the rows set aside must not end the command after training
    _say_parts(console, asked, parts, len(x.columns))
    copies = table_rows.said_of_copies(x, asked.y, parts)
    if copies is not None:
        console.print(copies)

    def of(rows):
        return x.take(rows), y[rows], *([] if asked.weight is None else [asked.weight[rows]])

    with ending.learning(out), going_on(out, resume, console) as kept:
        with _progress(console, regressor.epochs) as bar, warnings.catch_warnings():
            for printed in (MissingCodes, LookAlike):
                warnings.simplefilter("ignore", printed)
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
        if step and not regressor.outcome_.counted:
            console.print(wording.rounded(name, step))
        if not regressor.censoring:
            say_codes(values[used], name)
        if not regressor.outcome_.atoms and not regressor.censoring:
            say_atoms(values[used], name)
    with console.status("scoring"):
        code = None if python is None else python(features=x.columns)
        scores = write_report(regressor, x.take(parts.judge), y[parts.judge], page, code)
    _print_scores(console, scores, regressor.calibration_, targets, len(parts.judge), " set aside")
    _say_next(console, out, page)


def _fit_streamed(ending, console, regressor, looked, test_share, calibrate_by, out, page, resume) -> None:
    from mdn.files import keeping
    from mdn.tabular import wording

    with ending.learning(out), going_on(out, resume, console) as kept:
        with _progress(console, regressor.epochs) as bar:
            judged = streams.learn(console, regressor, looked, test_share, calibrate_by, bar, kept)
        keeping(out, regressor.save)
    if regressor.calibration_ is not None:
        console.print(wording.calibrated(regressor.calibration_))
    targets = regressor.target_names_
    y = judged.y if judged.y.shape[1] > 1 else judged.y[:, 0]
    for name, step in zip(targets, regressor.target_grid_, strict=True):
        if not regressor.outcome_.plain:
            console.print(wording.taken_for(name, regressor.outcome_))
        if step and not regressor.outcome_.counted:
            console.print(wording.rounded(name, step))
    with console.status("scoring"):
        scores = regressor.report(judged.table.select(regressor.columns_.table_names), y, page)
    _print_scores(console, scores, regressor.calibration_, targets, len(judged.hashes), " set aside")
    _say_next(console, out, page)


def _say_next(console, out, page) -> None:
    console.print(f"Model: {out}\nPage: {page}\nNext: mdn predict {out} NEW --quantiles .05,.5,.95", soft_wrap=True)


def _say_parts(console, asked, parts, features: int) -> None:
    from mdn.wording import counted

    stopping = f"{len(parts.stop)} to stop the training by, " if len(parts.stop) else ""
    calibrating = f"{len(parts.calibrate)} to calibrate intervals, " if len(parts.calibrate) else ""
    console.print(
        f"{counted(len(parts.learn), 'row')} to learn from, {stopping}{calibrating}{len(parts.judge)} set aside; features: "
        f"{features}."
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
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

    from mdn_commands.bars import Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as progress:
        task = progress.add_task("training", total=epochs, note="compiling")

        class MovesBar:
            def on_epoch_end(self, epoch, logs):
                if epoch == 0:
                    progress.reset(task, total=epochs, note="")
                values = ", ".join(f"{_LOGGED[name]} {value:.4f}" for name, value in logs.items() if name in _LOGGED)
                progress.update(task, completed=epoch + 1, note=values, figure=logs.get("val_loss"))

        yield MovesBar()


def _print_scores(console, scores: Scores, calibration, targets: Sequence[str], rows: int, which: str = "") -> None:
    from rich.table import Table

    from mdn.tabular import wording
    from mdn.tabular.promised import said_of_held
    from mdn.wording import counted

    table = Table(title=f"{counted(rows, 'row')}{which}")
    table.add_column("NLL in nats; lower is better, and below 0 is possible")
    table.add_column("", justify="right")
    for name, nll in wording.nlls(scores):
        table.add_row(name, f"{nll:.4f}")
    console.print(table)
    for sentence in filter(None, (wording.skill(scores), wording.beyond_line(scores))):
        console.print(sentence)
    for d, target in enumerate(targets):
        if not math.isnan(scores.crps[d]):
            crps = wording.plain(scores.crps[d])
            console.print(f"CRPS {crps}, in the unit of {target}: a mean absolute error, for distributions.")
    for sentence in said_of_held(scores, calibration, list(targets)):
        console.print(sentence)


def report(
    model: options.TableModel,
    data: Annotated[
        Path, typer.Argument(help="A table with features and target that it has not seen.", show_default=False)
    ],
    out: options.PageOut = Path("report.html"),
    separator: options.Separator = None,
    decimal: options.Decimal = None,
) -> None:
    """Score a model on a table that it has not seen, on the screen and as a page of pictures."""
    with messages():
        check_out(out, reads=[model, data])
        console = started()
        from mdn.tabular import wording
        from mdn.tabular.outside import Outside
        from mdn.tabular.seen import seen_of

        regressor = regressor_of(model)
        with table_columns.saying_unknown_levels() as said:
            x, y = rows_for(regressor, data, console, table_columns.reading(separator, decimal))
            with console.status("scoring"):
                scores = regressor.report(x, y, out)
                seen = seen_of(regressor, x, y)
                outside = Outside(regressor.columns_)
                outside.look(regressor.columns_.numbers(x))
        table_columns.say_outside(outside, said)
        console.print(wording.rows_judged(len(y), seen))
        if regressor.calibration_ is not None:
            console.print(wording.calibrated(regressor.calibration_))
        _print_scores(console, scores, regressor.calibration_, regressor.target_names_, len(y))
        console.print(f"Page: {out}", soft_wrap=True)
