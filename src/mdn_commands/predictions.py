"""`mdn predict`: what it writes of each row, under which names."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from mdn_commands import columns as table_columns
from mdn_commands import options
from mdn_commands.shared import check_out, messages, probabilities, share, started, stop, tell
from mdn_commands.streams import in_parts

if TYPE_CHECKING:
    import numpy as np

    from mdn import MDNRegressor
    from mdn.tabular.features import ReadOnce

_FAR_DIGITS = 15  # what float64 holds for sure: such answers are a number of float32 and an origin


class Answer(NamedTuple):
    """What is written of each target.

    Attributes:
        names: What stands behind the name of the target and "_", for each column.
        method: The method of `MDNRegressor` that answers.
        options: Its arguments beside the features.
    """

    names: list[str]
    method: str
    options: dict[str, Any]

    def values(self, regressor: MDNRegressor, x: ReadOnce) -> np.ndarray:
        """The values of these columns for each row and each target, `(N, D, len(names))`."""
        found = getattr(regressor, self.method)(x, **self.options)
        return found.reshape(len(x), len(regressor.target_names_), len(self.names))

    def digits(self, origin: float) -> list[int]:
        """The significant digits of these columns, of a target with this `target_origin_`: more where it lies far from 0."""
        from mdn.data.table_writing import DIGITS

        far = origin and self.method != "predict_probability"
        return [_FAR_DIGITS if far else DIGITS] * len(self.names)


def predict(
    model: options.TableModel,
    new: Annotated[
        list[Path],
        typer.Argument(
            help="A table with the same feature columns; or several files of one, a folder of them, or a pattern in quotes.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            help="Where the predictions go: .csv, with the separator and the decimal mark of NEW, .tsv or .parquet."
        ),
    ] = Path("predictions.csv"),
    quantiles: Annotated[str, typer.Option(help=f"{options.QUANTILES}; '' for none.")] = ".05,.5,.95",
    mean: Annotated[bool, typer.Option("--mean", help="The mean, in a column NAME_mean.")] = False,
    interval: Annotated[
        list[float] | None,
        typer.Option(help="A central interval, such as .9, in columns NAME_low_90 and NAME_high_90; may be repeated."),
    ] = None,
    above: Annotated[
        list[float] | None,
        typer.Option(help="A threshold T: the probability of more, in a column NAME_above_T; may be repeated."),
    ] = None,
    below: Annotated[
        list[float] | None,
        typer.Option(help="A threshold T: the probability of less, in a column NAME_below_T; may be repeated."),
    ] = None,
    id_: Annotated[
        list[str] | None,
        typer.Option(
            "--id",
            help="A column to carry into the predictions as it is, in place of those of `mdn fit --id`; may be repeated.",
        ),
    ] = None,
    separator: options.Separator = None,
    decimal: options.Decimal = None,
) -> None:
    """Write what a model predicts, one row for each row of a table of any length; NAME is that of the target."""
    with messages():
        from mdn.data.table_writing import written_as

        check_out(out, reads=[model, *new])
        written_as(out)  # it refuses the name of another format
        answers = answers_of(quantiles, mean, interval or [], above or [], below or [])
        from mdn.wording import counted

        console = started()
        regressor = regressor_of(model)
        targets = regressor.target_names_
        rows = write(console, regressor, new, answers, id_, out, table_columns.reading(separator, decimal))
        if above or below:
            _say_grid(console, regressor)
            if regressor.calibration_ is not None:
                console.print(
                    "The probabilities of --above and --below are those of the network: the calibration holds for quantiles and "
                    "intervals."
                )
        console.print(f"{counted(rows, 'row')} of predictions of {', '.join(targets)}: {out}", soft_wrap=True)


def regressor_of(path: Path) -> MDNRegressor:
    """The model in a file of `mdn fit`; stops with a message if it is another one."""
    import mdn

    loaded = mdn.load(path)
    if not isinstance(loaded, mdn.MDNRegressor) or not loaded.columns_.table_names:
        stop(f"{str(path)!r} holds no model of a table. Files of `mdn fit` do; use mdn.load in Python for others.")
    return loaded


def answers_of(quantiles="", mean=False, intervals=(), above=(), below=()) -> list[Answer]:
    """What is written of each target, by the options of `mdn predict`; stops with a message if they cannot be answered."""
    answers = []
    if quantiles.strip():
        levels = probabilities(quantiles)
        answers.append(Answer([f"{q:g}" for q in levels], "predict_quantile", {"q": levels}))
    if mean:
        answers.append(Answer(["mean"], "predict", {}))
    for coverage in intervals:
        if not 0.0 < coverage < 1.0:
            stop(f"--interval must lie between 0 and 1, such as .9, but {coverage:g} came.")
        ends = [f"{end}_{_written(100.0 * coverage)}" for end in ("low", "high")]
        answers.append(Answer(ends, "predict_interval", {"coverage": coverage}))
    for side, thresholds in (("above", above), ("below", below)):
        for threshold in thresholds:
            if not math.isfinite(threshold):
                stop(f"--{side} must be a finite number in the unit of the target, but {threshold:g} came.")
        if thresholds:
            named = [f"{side}_{_written(threshold)}" for threshold in thresholds]
            answers.append(Answer(named, "predict_probability", {side: thresholds}))
    if not answers:
        stop("there is nothing to write: name quantiles, or say --mean, --interval, --above or --below.")
    return answers


def _written(value: float) -> str:
    """A number in the name of a column, without the digits of rounding errors: 100 · 0.57 is "57"."""
    return f"{value:.15g}"


def write(console, regressor, new: Path | Sequence[Path], answers: Sequence[Answer], ids, out: Path, notation) -> int:
    """Writes the predictions, some rows at a time, and returns how many rows there are.

    Args:
        console: Shows a bar.
        regressor: The model.
        new: The table to predict, in one file or in several.
        answers: From `answers_of`.
        ids: The columns to carry into the predictions; None for those of `mdn fit --id`.
        out: Where the predictions go.
        notation: From `columns.reading`.
    """
    import numpy as np

    from mdn.data import read_chunks, source_of, writing_table
    from mdn.data.table_writing import Marks, written_as
    from mdn.tabular.features import ReadOnce
    from mdn.tabular.outside import Outside

    names = [f"{target}_{name}" for target in regressor.target_names_ for answer in answers for name in answer.names]
    columns, rows, outside = regressor.columns_, 0, Outside(regressor.columns_)
    notes: dict[str, str] = {}
    wanted = list(dict.fromkeys(columns.ids if ids is None else ids))
    notation = notation | table_columns.learnt(columns, notation)
    features = set(columns.table_names)
    several = [new] if isinstance(new, Path) else list(new)
    carry = [name for name in wanted if name not in features]
    with table_columns.saying_unknown_levels() as said, share(console, "predicting") as on_share:
        if in_parts(several):
            text = [*columns.text_names, *carry]
            chunks = source_of(several, text=text, keep=wanted, **notation).blocks(on_share=on_share)
        else:
            text = [*table_columns.text_names(columns, several[0]), *carry]
            chunks = read_chunks(several[0], text=text, keep=wanted, on_share=on_share, **notation)
        first = next(chunks)
        carried = _carried(first, wanted, asked_for=ids is not None)
        _check_names([*carried, *names])
        marks = Marks.of(first, columns.decimals, notation.get("decimal")) if written_as(out) == "csv" else Marks()
        digits = [each for origin in regressor.target_origin_ for answer in answers for each in answer.digits(origin)]
        with writing_table(out, names, carried, **marks._asdict(), digits=digits) as write:
            for table in itertools.chain([first], chunks):
                columns.check_names(table)
                x = ReadOnce(regressor, table.select(columns.table_names))
                outside.look(x.numbers)
                values = np.concatenate([answer.values(regressor, x) for answer in answers], axis=-1)
                write(values.reshape(len(x), -1), table.words(carried))
                rows += len(table)
                if table.note:
                    notes[table.source] = table.note  # that of the last chunk covers all rows of a file
    table_columns.say_notes(notes)
    table_columns.say_outside(outside, said)
    if (said_of_marks := marks.said(out.name, first)) is not None:
        tell(said_of_marks)
    return rows


def _carried(table, wanted: Sequence[str], asked_for: bool) -> list[str]:
    """The columns to carry into the predictions; those that only the model remembers may be missing."""
    if asked_for:
        table.select(wanted)  # raises the sentence about a column that is not there
    gone = [name for name in wanted if name not in table.columns]
    for name in gone:
        tell(f"{table.source} has no column {name!r}, so it is not among the predictions.")
    return [name for name in wanted if name not in gone]


def _check_names(names: Sequence[str]) -> None:
    for name in names:
        if list(names).count(name) > 1:
            stop(f"two columns of the predictions would be called {name!r}: ask for each value once.")


def _say_grid(console, regressor) -> None:
    """Prints where to put thresholds of a target that lies on a grid."""
    for name, step in zip(regressor.target_names_, regressor.target_grid_, strict=True):
        if step and not regressor.outcome_.counted:
            console.print(
                f"{name} lies on a grid of {step:g}: a probability is that of the unrounded value, so put a threshold between "
                "two values of the grid, such as 2.5 for whole numbers."
            )
