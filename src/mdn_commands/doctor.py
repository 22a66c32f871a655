"""`mdn doctor`: what is wrong with a model, by the rows of a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mdn_commands import columns as table_columns
from mdn_commands import options
from mdn_commands.predictions import regressor_of
from mdn_commands.shared import check_out, messages, stop
from mdn_commands.targets import targets_of
from mdn_commands.unseen import rows_for

if TYPE_CHECKING:
    import keras
    import numpy as np

    from mdn.data import Table


def doctor(
    model: Annotated[
        Path, typer.Argument(help="A file of `mdn fit`, or any Keras model that ends in mdn.MDN.", show_default=False)
    ],
    data: Annotated[
        Path, typer.Argument(help="A table with features and target that it has not seen.", show_default=False)
    ],
    training: Annotated[
        Path | None,
        typer.Option(
            help="The table that it learnt from, so that overfitting and shifts are seen.", show_default=False
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            help="Of a Keras model: a column that it predicts, may be repeated; by default the last ones. All others are "
            "its features, in their order.",
            show_default=False,
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write a page, too: a .html file.", show_default=False)] = None,
    separator: options.Separator = None,
    decimal: options.Decimal = None,
) -> None:
    """Say what is wrong with a model, by how much, and what to do: dead components, leaks, outliers, calibration and more."""
    with messages():
        if out is not None:
            check_out(out, ".html", reads=[model, data, training])
        from rich.console import Console

        import mdn
        from mdn import training as trainings

        trainings.keep_compiled_programs()
        console, how = Console(stderr=json), table_columns.reading(separator, decimal)
        diagnose: dict[str, Any]
        with table_columns.saying_unknown_levels():
            if mdn.models.read_description(model) is None:
                network = _network(model)
                table = table_columns.read(data, console, **how)
                names, target = _roles(network, table, data, target)
                x, y = _arrays(table, data, names, target)
                then = None
                if training is not None:
                    then = _arrays(table_columns.read(training, console, **how), training, names, target)
                diagnose = {"model": network, "x": x, "y": y, "training": then, "names": names}
            else:
                if target:
                    stop("--target is for Keras models: a file of `mdn fit` knows its target.")
                regressor = regressor_of(model)
                rows = rows_for(regressor, data, console, how)
                learnt = None if training is None else rows_for(regressor, training, console, how)
                diagnose = {"model": regressor, "x": rows[0], "y": rows[1], "training": learnt}
            with console.status("looking"):
                found = mdn.diagnose(**diagnose)
        if out is not None:
            found.to_html(out)
        typer.echo(found.as_json() if json else str(found))
        if out is not None and not json:
            typer.echo(f"Page: {out}")


def _network(path: Path) -> keras.Model:
    import mdn

    loaded = mdn.load(path)
    if isinstance(loaded, mdn.MDNRNN):
        stop(f"{str(path)!r} holds a network of sequences: ask mdn.diagnose(mdn.load(...), sequences) in Python.")
    return loaded


def _roles(network, table: Table, data: Path, targets: list[str] | None) -> tuple[list[str], list[str]]:
    """(the names of the features, the names of the targets) of a Keras model, among the columns of a table."""
    from mdn.models import specs_of
    from mdn.wording import counted

    specs = list(specs_of(network).values())
    if len(specs) != 1:
        stop(f"the model has {len(specs)} MDN outputs: `mdn doctor` knows models with one; use mdn.diagnose in Python.")
    targets = targets or list(table.columns[-specs[0].target_size :])
    if len(targets) != specs[0].target_size:
        stop(f"the model predicts {counted(specs[0].target_size, 'column')}, but --target names {len(targets)}.")
    names = [name for name in table.columns if name not in targets]
    shape = network.input_shape
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[1] not in (None, len(names)):
        stop(
            f"the model takes an input of shape {shape}, but {str(data)!r} has {counted(len(names), 'column')} beside {targets}."
        )
    return names, targets


def _arrays(table: Table, data: Path, names: list[str], targets: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """(features `(N, F)`, targets `(N, D)`): these columns of the table in the file `data`, wherever they stand in it."""
    import numpy as np

    if lacking := [name for name in (*names, *targets) if name not in table.columns]:
        stop(f"{str(data)!r} has no column {lacking[0]!r}: it must have the columns {[*names, *targets]}.")
    x = np.stack([table.column(name) for name in names], axis=-1)
    return x.astype("float32"), targets_of(table, targets)
