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
    out: Annotated[Path, typer.Option(help="Where the model goes; a picture goes beside it.")] = Path("model.keras"),
    ignore: Annotated[list[str] | None, typer.Option(help="A column to leave out; may be repeated.")] = None,
    components: Annotated[int, typer.Option(min=1, help="Of the mixture.")] = 10,
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 300,
    test_share: Annotated[float, typer.Option(min=0.01, max=0.9, help="Rows set aside for the figures.")] = 0.2,
    seed: Seed = 0,
) -> None:
    """Train on a table, and say how good the predicted distributions are on rows set aside."""
    with _messages():
        _check_folder(out)
        if out.suffix != ".keras":
            _stop(f"--out must end in .keras, but {str(out)!r} does not.")
        from mdn import training

        training.keep_compiled_programs()
        table = _read(data)
        y = table.column(target)
        inputs = table.drop(target, *(ignore or []))
        if not inputs.columns:
            _stop(f"{str(data)!r} has no column beside {target!r} to predict it from.")
        x = inputs.values
        _fit(x, y, inputs.columns, target, out, components, epochs, test_share, seed)


def _fit(x, y, features, target, out, components, epochs, test_share, seed) -> None:
    import numpy as np
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from mdn import tabular

    console = Console()
    known = np.isfinite(y)
    if not known.all():
        console.print(f"{int((~known).sum())} rows without a target are left out.")
    x, y = x[known], y[known]
    tabular.check_rows(y, target)
    train, test = tabular.split_rows(len(y), test_share, seed)
    console.print(f"{len(train)} rows to learn from, {len(test)} set aside; features: {len(features)}.")
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("training", total=epochs, note="compiling")

        def on_epoch(epoch, history) -> None:
            progress.update(task, completed=epoch, note=f"held-out NLL {min(history.val_loss):.4f}")

        model, history = tabular.TableModel.fit(
            x[train], y[train], features, target, num_components=components, epochs=epochs, seed=seed, on_epoch=on_epoch
        )
    if history.interrupted:
        console.print(f"Stopped; the best weights so far, of epoch {history.best_epoch}, are kept.")
    with console.status("saving and scoring"):
        model.save(out)
        scores = model.evaluate(x[test], y[test], y[train])
        picture = out.with_suffix(".png")
        tabular.draw_report(model, x[test], y[test], scores, history, picture)
    _print_scores(console, scores, target, len(test))
    console.print(
        f"Model: {out}\nPicture: {picture}\nNext: mdn predict {out} NEW --quantiles .05,.5,.95", soft_wrap=True
    )


def _print_scores(console, scores: Scores, target: str, rows: int) -> None:
    from rich.table import Table

    table = Table(title=f"{rows} rows set aside")
    table.add_column("NLL in nats; lower is better, and below 0 is possible")
    table.add_column("", justify="right")
    table.add_row("this model", f"{scores.nll:.4f}")
    table.add_row("one mixture, no features", f"{scores.mixture_nll:.4f}")
    table.add_row("one Gaussian, no features", f"{scores.gaussian_nll:.4f}")
    console.print(table)
    console.print(f"CRPS {scores.crps:.4g}, in the unit of {target}: a mean absolute error, for distributions.")
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
        import numpy as np
        from rich.console import Console

        import mdn
        from mdn import tabular, training
        from mdn.data import tables

        training.keep_compiled_programs()

        console = Console()
        with console.status("predicting"):
            trained = mdn.load(model)
            if not isinstance(trained, tabular.TableModel):
                _stop(
                    f"{str(model)!r} holds no model of a table. Files of `mdn fit` do; use mdn.predict in Python for others."
                )
            table = _read(new)
            x = np.stack([table.column(name) for name in trained.features], axis=-1)
            values = trained.predict_quantiles(x, probabilities)
            tables.write_table(out, [f"{trained.target}_{q:g}" for q in probabilities], values)
        console.print(f"{len(x)} rows of quantiles of {trained.target}: {out}")


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
