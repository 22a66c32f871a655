"""`mdn`: parses, calls, prints. It imports the package inside its commands only, so that `mdn --help` answers at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from mdn.data import Table
    from mdn.tabular import Scores

app = typer.Typer(
    name="mdn",
    help="Mixture density networks: predict distributions instead of points.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_FEWEST_ROWS = 10
_LOGGED = {"loss": "loss", "val_loss": "held-out NLL"}

Seed = Annotated[int, typer.Option(help="Same seed, same numbers.")]


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where the page of pictures goes.")] = Path("demo.html"),
    quick: Annotated[bool, typer.Option("--quick", help="Train for a few epochs only.")] = False,
    seed: Seed = 0,
) -> None:
    """Watch a mixture density network learn what a least-squares network cannot; writes a page of pictures."""
    with _messages():
        _check_folder(out)
        from mdn import training
        from mdn.applications import slides

        training.keep_compiled_programs()
        slides.tell(out, quick=quick, seed=seed)


@app.command()
def fit(
    data: Annotated[Path, typer.Argument(help="CSV or white-space text, with a header.", show_default=False)],
    target: Annotated[str, typer.Option(help="The column to predict.", show_default=False)],
    out: Annotated[Path, typer.Option(help="Where the model goes; a page of pictures goes beside it.")] = Path(
        "model.mdn"
    ),
    ignore: Annotated[list[str] | None, typer.Option(help="A column to leave out; may be repeated.")] = None,
    components: Annotated[int, typer.Option(min=0, help="Of the mixture; 0 tries several.")] = 0,
    ensemble: Annotated[int, typer.Option(min=1, help="Networks that answer together; 5 are better than 1.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 400,
    test_share: Annotated[float, typer.Option(min=0.01, max=0.9, help="Rows set aside for the figures.")] = 0.2,
    seed: Seed = 0,
) -> None:
    """Train on a table, and say how good the predicted distributions are on rows set aside."""
    with _messages():
        _check_folder(out)
        page = out.with_suffix(".html")
        if page == out:
            _stop(f"--out must not end in .html, since the page of pictures goes there, but {str(out)!r} does.")
        from mdn import training

        training.keep_compiled_programs()
        table = _read(data)
        y = table.column(target)
        x = table.drop(target, *(ignore or []))
        if not x.columns:
            _stop(f"{str(data)!r} has no column beside {target!r} to predict it from.")
        from mdn import MDNRegressor

        regressor = MDNRegressor(
            num_components=components or "auto",
            ensemble_size=ensemble,
            epochs=epochs,
            missing="median",
            random_state=seed,
        )
        _fit(regressor, x, y, target, out, page, test_share, seed)


def _fit(regressor, x, y, target, out, page, test_share, seed) -> None:
    import numpy as np
    from rich.console import Console

    from mdn import tabular

    console = Console()
    known = np.flatnonzero(np.isfinite(y))
    if len(known) < len(y):
        console.print(f"{len(y) - len(known)} rows without a target are left out.")
    x, y = x.take(known), y[known]
    _check_target(y, target)
    train, test = tabular.split_rows(len(y), test_share, seed)
    console.print(f"{len(train)} rows to learn from, {len(test)} set aside; features: {len(x.columns)}.")
    with _progress(console, regressor.epochs) as told:
        regressor.fit(x.take(train), y[train], callbacks=[told])
    regressor.target_names_ = [target]
    if regressor.history_.interrupted:
        console.print(f"Stopped; the best weights so far, of epoch {regressor.history_.best_epoch}, are kept.")
    step = regressor.target_grid_[0]
    if step:
        console.print(
            f"{target} lies on a grid of {step:g}: it was spread over its cells, and the NLL is that of the spread."
        )
    with console.status("saving and scoring"):
        regressor.save(out)
        scores = regressor.report(x.take(test), y[test], page)
    _print_scores(console, scores, target, len(test))
    console.print(f"Model: {out}\nPage: {page}\nNext: mdn predict {out} NEW --quantiles .05,.5,.95", soft_wrap=True)


def _check_target(y, target: str) -> None:
    if len(y) < _FEWEST_ROWS:
        _stop(f"at least {_FEWEST_ROWS} rows with a target are needed, but there are {len(y)}.")
    if y.min() == y.max():
        _stop(f"the target {target!r} is {y[0]:g} in every row: there is nothing to predict.")


@contextmanager
def _progress(console, epochs: int):
    """A bar on the screen, as a Keras callback; each network that is trained begins it anew."""
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


def _print_scores(console, scores: Scores, target: str, rows: int) -> None:
    from rich.table import Table

    table = Table(title=f"{rows} rows set aside")
    table.add_column("NLL in nats; lower is better, and below 0 is possible")
    table.add_column("", justify="right")
    table.add_row("this model", f"{scores.nll:.4f}")
    table.add_row("one mixture, no features", f"{scores.mixture_nll:.4f}")
    table.add_row("one Gaussian, no features", f"{scores.gaussian_nll:.4f}")
    console.print(table)
    console.print(f"CRPS {scores.crps[0]:.4g}, in the unit of {target}: a mean absolute error, for distributions.")
    held = [f"the {nominal} % interval holds {scores.coverage(nominal / 100):.1%}" for nominal in (50, 90)]
    console.print(f"Of the targets set aside {held[0]}, {held[1]}.")


@app.command()
def predict(
    model: Annotated[Path, typer.Argument(help="A file of `mdn fit`.", show_default=False)],
    new: Annotated[Path, typer.Argument(help="A table with the same feature columns.", show_default=False)],
    quantiles: Annotated[str, typer.Option(help="Probabilities, with commas between.")] = ".05,.5,.95",
    out: Annotated[Path, typer.Option(help="Where the CSV goes.")] = Path("predictions.csv"),
) -> None:
    """Write quantiles of the predicted distributions, one row for each row of a table."""
    with _messages():
        _check_folder(out)
        probabilities = _probabilities(quantiles)
        from rich.console import Console

        from mdn import training
        from mdn.data import write_table

        training.keep_compiled_programs()
        console = Console()
        with console.status("predicting"):
            regressor = _regressor(model)
            x = _read(new).select(regressor.columns_.table_names)
            values = regressor.predict_quantile(x, probabilities)
            write_table(out, [f"{regressor.target_names_[0]}_{q:g}" for q in probabilities], values)
        console.print(f"{len(x)} rows of quantiles of {regressor.target_names_[0]}: {out}")


@app.command()
def report(
    model: Annotated[Path, typer.Argument(help="A file of `mdn fit`.", show_default=False)],
    data: Annotated[
        Path, typer.Argument(help="A table with features and target that it has not seen.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="Where the page goes.")] = Path("report.html"),
) -> None:
    """Say how good a model is on a table that it has not seen, on the screen and as a page of pictures."""
    with _messages():
        _check_folder(out)
        import numpy as np
        from rich.console import Console

        from mdn import training

        training.keep_compiled_programs()
        console = Console()
        with console.status("scoring"):
            regressor = _regressor(model)
            table, target = _read(data), regressor.target_names_[0]
            y = table.column(target)
            known = np.flatnonzero(np.isfinite(y))
            if not len(known):
                _stop(f"{str(data)!r} has no row with a {target!r}: there is nothing to judge by.")
            x = table.select(regressor.columns_.table_names).take(known)
            scores = regressor.report(x, y[known], out)
        _print_scores(console, scores, target, len(known))
        console.print(f"Page: {out}", soft_wrap=True)


def _regressor(path: Path):
    import mdn

    loaded = mdn.load(path)
    if not isinstance(loaded, mdn.MDNRegressor) or not loaded.columns_.table_names:
        _stop(f"{str(path)!r} holds no model of a table. Files of `mdn fit` do; use mdn.load in Python for others.")
    return loaded


def _read(path: Path) -> Table:
    from mdn.data import read_table

    table = read_table(path)
    if table.note:
        typer.secho(f"mdn: {table.note}", err=True)
    return table


def _probabilities(text: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        _stop(f"--quantiles must be numbers with commas between, such as .05,.5,.95, but {text!r} came.")
    if not all(0.0 < value < 1.0 for value in values):
        _stop(f"--quantiles must lie between 0 and 1, such as .05,.5,.95, but {text!r} came.")
    return values


def _check_folder(path: Path) -> None:
    if not path.parent.is_dir():
        _stop(f"there is no folder {str(path.parent)!r} to write {path.name!r} to.")
    if path.is_dir():
        _stop(f"{str(path)!r} is a folder; name a file.")


def _stop(message: str) -> NoReturn:
    typer.secho(f"mdn: {message}", err=True, fg=typer.colors.RED)
    raise typer.Exit(2)


@contextmanager
def _messages() -> Iterator[None]:
    """Bad input ends in one sentence and exit code 2, Ctrl-C in exit code 130."""
    try:
        yield
    except (ValueError, OSError) as error:
        _stop(str(error))
    except KeyboardInterrupt:
        typer.secho("mdn: stopped.", err=True)
        raise typer.Exit(130) from None


def main() -> None:
    """The command `mdn`."""
    app()


if __name__ == "__main__":
    main()
