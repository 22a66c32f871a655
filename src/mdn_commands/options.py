"""The options that several commands share: each has one type, one help text and, where commands agree on it, one name."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

# ---- of any command --------------------------------------------------------------------------------------------------

LARGEST_SEED = 2**32 - 1  # of NumPy's and Keras' generators
MOST = 100_000  # things that are made, or steps of each
MOST_NUMBERS = 10_000_000  # that are made
HOTTEST = 100.0
_SAME_SEED = "The same seed gives the same output."
Seed = Annotated[int, typer.Option(min=0, max=LARGEST_SEED, help=_SAME_SEED)]
LiveSeed = Annotated[
    int | None, typer.Option(min=0, max=LARGEST_SEED, help=f"{_SAME_SEED} Without it, each session differs.")
]
PageOut = Annotated[Path, typer.Option(help="Where the page goes.")]
PictureOut = Annotated[Path, typer.Option(help="A picture: .svg or .png.")]


def trained_by(command: str) -> typer.models.OptionInfo:
    """The option for a model of `command`, for commands that have a model of their own."""
    return typer.Option(help=f"A file of `{command}`; without it the one that comes with mdn.")


# ---- of training -----------------------------------------------------------------------------------------------------

ModelOut = Annotated[Path, typer.Option(help="Where the model goes.")]
Epochs = Annotated[int, typer.Option(min=1, help="How many epochs at most.")]
Resume = Annotated[
    bool, typer.Option("--resume/--no-resume", help="Go on with a training of the same settings that was stopped.")
]
TrainProcesses = Annotated[
    int,
    typer.Option(
        min=1,
        help="How many processes of this machine train the network together, each on its part of every batch; needs JAX. If one "
        "dies, all go on from the last epoch.",
    ),
]
Split = Annotated[
    Path | None,
    typer.Option(help="A .json that says which of the data are train, valid and test.", show_default=False),
]

# ---- of generating ---------------------------------------------------------------------------------------------------

Count = Annotated[int, typer.Option(min=1, max=MOST, help="How many to make.")]
ComponentTemperature = Annotated[
    float, typer.Option(min=0.0, max=HOTTEST, help="Above 1 bolder choices, below 1 safer ones.")
]
VarianceTemperature = Annotated[float, typer.Option(min=0.0, max=HOTTEST, help="Below 1 neater, above 1 wilder.")]
Animate = Annotated[bool, typer.Option("--animate", help="Write an .svg that draws itself.")]
Columns = Annotated[int | None, typer.Option(min=1, help="How many are in a row.", show_default=False)]
Size = Annotated[
    float | None,
    typer.Option(min=1.0, help="The side of each, in mm; by default as large as the sheet allows.", show_default=False),
]
Paper = Annotated[
    str | None,
    typer.Option(help="Print on a3, a4, a5 or letter, on as many pages as needed.", show_default=False),
]
Beside = Annotated[
    Path | None,
    typer.Option(
        help="A file of performances; as many of them, drawn by the seed, are shown first.", show_default=False
    ),
]


def seconds_up_to(most: float) -> typer.models.OptionInfo:
    """The option for the length of each thing that is made."""
    return typer.Option(min=0.1, max=most, help="How many seconds each lasts.")


# ---- of tables -------------------------------------------------------------------------------------------------------

TableModel = Annotated[Path, typer.Argument(help="A file of `mdn fit`.", show_default=False)]
Table = Annotated[
    Path, typer.Argument(help="CSV, TSV, white-space text (also .gz or .zip), Excel or Parquet.", show_default=False)
]
Target = Annotated[
    list[str] | None,
    typer.Option(
        help="A column to predict; may be repeated. A row may lack some of the targets, and is left out if it lacks all.",
        show_default=False,
    ),
]
Ignore = Annotated[list[str] | None, typer.Option(help="A column to leave out; may be repeated.")]
Category = Annotated[
    list[str] | None, typer.Option(help="A column of categories, whatever it looks like; may be repeated.")
]
Number = Annotated[list[str] | None, typer.Option(help="A column of numbers; may be repeated.")]
Date = Annotated[list[str] | None, typer.Option(help="A column of dates, such as 20240305; may be repeated.")]
Id = Annotated[
    list[str] | None,
    typer.Option("--id", help="A column that names the rows: no feature, carried into predictions; may be repeated."),
]
Weight = Annotated[
    str | None,
    typer.Option(
        help="A column of weights of at least 0: no feature. They count in training only; all rows of the figures count alike."
    ),
]
SplitBy = Annotated[
    str | None,
    typer.Option(
        help="What is set aside: of a column of dates the latest rows, of another column whole groups. The rows that stop the "
        "training in time and those of --calibrate are split in this way, too. A column of groups is no feature, unless "
        "--category or --number names it."
    ),
]
Event = Annotated[
    str | None,
    typer.Option(help="A column that is 1 where the target was observed, and 0 where it lies above what is written."),
]
Lower = Annotated[
    str | None, typer.Option(help="With --upper in place of --target: a lower bound of it; empty if none.")
]
Upper = Annotated[str | None, typer.Option(help="An upper bound of the target, equal to --lower where it is known.")]
Separator = Annotated[
    str | None, typer.Option(help="What stands between cells, such as ';' or tab; found out by default.")
]
Decimal = Annotated[str | None, typer.Option(help="The decimal mark of numbers: '.' or ','.")]
Family = Annotated[
    str | None,
    typer.Option(
        help='What the target can be: "normal" (any number), "positive", "bounded" (with --bounds), "counts", or "auto", which '
        "finds it out, and is the default for one target.",
        show_default=False,
    ),
]
Bounds = Annotated[str | None, typer.Option(help="LOW,HIGH between which the target must lie, such as 0,100.")]
Period = Annotated[
    float | None,
    typer.Option(help="The target lies on a circle of this circumference: 360 for degrees, 24 for hours of a day."),
]
QUANTILES = "Probabilities, with commas between, in columns NAME_0.05"
Quantiles = Annotated[str, typer.Option(help=f"{QUANTILES}.")]
