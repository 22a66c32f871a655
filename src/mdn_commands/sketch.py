"""`mdn train kanji | sketch`, `mdn generate kanji | sketch`, `mdn complete`, `mdn interpolate`, `mdn latent`: drawings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdn_commands.drawings import tell_of
from mdn_commands.shared import (
    NOTHING_YET,
    ComponentTemperature,
    Resume,
    VarianceTemperature,
    check_folder,
    learn,
    messages,
    say_parts,
    stop,
    warn,
)

if TYPE_CHECKING:
    import numpy as np

    from mdn.applications.sketch import SketchRNN
    from mdn.data import Drawings

Data = Annotated[
    str,
    typer.Option(
        help="A .npz or .ndjson, a folder of SVGs, kanji, quickdraw, kanjivg, or a class of QuickDraw's, such as cat."
    ),
]
Model = Annotated[str, typer.Option(help="A file of `mdn train`, or kanji or quickdraw: the ones that come with mdn.")]
Seed = Annotated[int, typer.Option(help="Same seed, same drawings.")]
Count = Annotated[int, typer.Option(min=1, help="How many.")]
Class = Annotated[str | None, typer.Option("--class", help="Of which class, with a model that was told classes.")]
Out = Annotated[Path, typer.Option(help="A sheet: .svg, .png; .ndjson or .npz for the drawings themselves.")]


def add_to(app: typer.Typer, train: typer.Typer, generate: typer.Typer) -> None:
    """Adds the commands to `app`, `train` and `generate`."""
    train.command(name="kanji")(train_kanji)
    train.command(name="sketch")(train_sketch)
    generate.command(name="kanji")(generate_kanji)
    generate.command(name="sketch")(generate_sketch)
    for command in (complete, interpolate, latent):
        app.command()(command)


def train_kanji(
    data: Data = "kanji",
    out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("kanji.keras"),
    epochs: Annotated[int, typer.Option(min=1, help="At most; 13 take ten minutes on two cores.")] = 40,
    seed: Seed = 0,
    resume: Resume = True,
) -> None:
    """Train a network that draws new characters, and score it."""
    with messages(NOTHING_YET) as ending:
        _train(ending, data, out, None, 0, 0.5, False, 256, 2, epochs, seed, resume)


def train_sketch(
    data: Data = "quickdraw",
    out: Annotated[Path, typer.Option(help="Where the model goes.")] = Path("sketch.keras"),
    split: Annotated[
        Path | None,
        typer.Option(help="A .json that says which drawings are train, valid and test.", show_default=False),
    ] = None,
    latent: Annotated[int, typer.Option(min=0, help="Numbers of the latent vector; 0 for a network without.")] = 64,
    kl_weight: Annotated[
        float, typer.Option(min=0.0, help="What the latent costs; less keeps more of a drawing.")
    ] = 0.25,
    classes: Annotated[
        bool, typer.Option("--classes", help="Tell the network of which class each drawing is.")
    ] = False,
    units: Annotated[int, typer.Option(min=4, help="Of each layer.")] = 256,
    layers: Annotated[int, typer.Option(min=1, max=4, help="Of the drawing network.")] = 1,
    epochs: Annotated[int, typer.Option(min=1, help="At most.")] = 40,
    seed: Seed = 0,
    resume: Resume = True,
) -> None:
    """Train Sketch-RNN on drawings (yours, too), and score it."""
    with messages(NOTHING_YET) as ending:
        _train(ending, data, out, split, latent, kl_weight, classes, units, layers, epochs, seed, resume)


def _train(ending, data, out, split, latent, kl_weight, classes, units, layers, epochs, seed, resume) -> None:
    check_folder(out)
    from rich.console import Console

    from mdn.applications.chapter import chapter
    from mdn.applications.sketch.train import check_classes

    sketch, console = chapter("sketch"), Console()
    parts = sketch.split(read(data, split), seed)
    say_parts(console, parts, "drawings")
    if latent:
        console.print(f"A latent of {latent} numbers, at {kl_weight:g} a nat.")
    if classes:
        check_classes(parts)
    made_of = {
        "data": Path(data).name,
        "drawings": {name: len(part) for name, part in parts.items()},
        "latent": latent,
        "KL weight": kl_weight if latent else None,
    }
    then = f"mdn generate sketch --model {out} --out sheet.svg"
    learn(
        ending, console, sketch, parts, out, epochs, seed, resume, made_of, then, callbacks=[_samples(out, epochs)],
        classes=classes, units=(units,) * layers, latent_size=latent, kl_weight=kl_weight,
    )  # fmt: skip


def _samples(out: Path, epochs: int):
    """A callback that draws a sheet of samples beside the model now and then; if it fails, training goes on without it."""
    import keras

    from mdn.applications.sketch import draw
    from mdn.drawing.sheets import write_sheet

    class Samples(keras.callbacks.Callback):
        failed = False

        def on_epoch_end(self, epoch, logs=None):
            if self.failed or (epoch + 1) % max(1, epochs // 8) or self.model.classes:
                return
            try:
                write_sheet(out.with_suffix(".samples.svg"), draw(self.model, 30, seed=0)[0])
            except Exception as error:
                self.failed = True
                warn(f"training goes on, but without sheets of samples: {error}")

    return Samples()


def read(data: str, split: Path | None = None) -> Drawings:
    """Reads drawings by `mdn.applications.sketch.data.read`, and prints why some are left out."""
    from mdn.applications.sketch.data import read

    drawings = read(data, split)
    tell_of(drawings.skipped)
    return drawings


# ---- drawing ---------------------------------------------------------------------------------------------------------------


def generate_kanji(
    count: Count = 100,
    out: Out = Path("kanji.svg"),
    model: Model = "kanji",
    component_temperature: ComponentTemperature = 0.8,
    variance_temperature: VarianceTemperature = 0.7,
    copies: Annotated[
        bool, typer.Option("--copies", help="Show beside each the nearest character learnt from.")
    ] = False,
    animate: Annotated[bool, typer.Option("--animate", help="Draw before one's eyes; .svg.")] = False,
    seed: Seed = 0,
) -> None:
    """Draw new characters, and say which share ended by itself."""
    generate_sketch(count, out, model, None, component_temperature, variance_temperature, copies, animate, seed)


def generate_sketch(
    count: Count = 30,
    out: Out = Path("sketch.svg"),
    model: Model = "quickdraw",
    label: Class = None,
    component_temperature: ComponentTemperature = 0.8,
    variance_temperature: VarianceTemperature = 0.7,
    copies: Annotated[bool, typer.Option("--copies", help="Show beside each the nearest drawing learnt from.")] = False,
    animate: Annotated[bool, typer.Option("--animate", help="Draw before one's eyes; .svg.")] = False,
    seed: Seed = 0,
) -> None:
    """Draw, unfiltered, and say which share ended by itself."""
    with messages():
        _check_sheet(out)
        from mdn.applications.sketch import draw

        network = _load(model)
        drawings, ended = draw(
            network, count, label=label, component_temperature=component_temperature,
            variance_temperature=variance_temperature, seed=seed,
        )  # fmt: skip
        labels: list[str] = []
        if copies:
            drawings, labels = _beside_nearest(model, drawings)
        _write(out, drawings, labels, animate=animate)
        typer.echo(f"{count} drawings, {ended.mean():.1%} ended by themselves: {out}")


def _beside_nearest(model: str, drawings):
    """(drawings, each followed by the nearest drawing of the training set, labels)."""
    from mdn.applications.sketch import SHIPPED
    from mdn.data import nearest

    if model not in SHIPPED:
        stop("--copies looks among the drawings that kanji and quickdraw, which come with mdn, were learnt from.")

    known = list(read(model).part("train"))
    distances, places = nearest(drawings, known)
    paired = [one for made, place in zip(drawings, places, strict=True) for one in (made, known[place])]
    return paired, [text for value in distances for text in ("made", f"nearest, {value:.2f} away")]


def complete(
    begun: Annotated[str, typer.Argument(help="A file of drawings, or kanji or quickdraw.", show_default=False)],
    which: Annotated[int, typer.Option(help="Of the drawings in it (of the test part, if it has one), from 0.")] = 0,
    share: Annotated[float, typer.Option(min=0.05, max=1.0, help="How much of it is taken as begun.")] = 0.5,
    count: Count = 11,
    out: Out = Path("completed.svg"),
    model: Model = "kanji",
    label: Class = None,
    component_temperature: ComponentTemperature = 0.8,
    variance_temperature: VarianceTemperature = 0.7,
    animate: Annotated[bool, typer.Option("--animate", help="Draw before one's eyes; .svg.")] = False,
    seed: Seed = 0,
) -> None:
    """Finish a drawing that was begun, in several ways; the whole drawing comes first, and new strokes are red."""
    with messages():
        _check_sheet(out)
        from mdn.applications.sketch import complete as go_on

        network, whole = _load(model), _drawing(begun, which)
        first = whole[: max(1, round(share * len(whole)))]
        drawings, ended = go_on(
            network, first, count, label=label, component_temperature=component_temperature,
            variance_temperature=variance_temperature, seed=seed,
        )  # fmt: skip
        _write(out, [whole, *drawings], [], given=[len(whole)] + [len(first)] * count, animate=animate)
        typer.echo(f"{count} ways to go on after {len(first)} points, {ended.mean():.1%} ended by themselves: {out}")


def interpolate(
    first: Annotated[str, typer.Argument(help="FILE:PLACE of a drawing, such as quickdraw:3.", show_default=False)],
    last: Annotated[str, typer.Argument(help="Another.", show_default=False)],
    count: Annotated[int, typer.Option(min=2, help="Drawings on the way, both ends included.")] = 10,
    out: Out = Path("way.svg"),
    model: Model = "quickdraw",
    label: Class = None,
    component_temperature: ComponentTemperature = 0.3,
    variance_temperature: VarianceTemperature = 0.1,
    seed: Seed = 0,
) -> None:
    """Draw steps from one drawing to another, through the latent vectors between them."""
    with messages():
        _check_sheet(out)
        from mdn.applications.sketch import interpolate as way

        network, start, end = _load(model), _drawing(*_placed(first)), _drawing(*_placed(last))
        drawings = way(
            network, start, end, count, label=label, component_temperature=component_temperature,
            variance_temperature=variance_temperature, seed=seed,
        )  # fmt: skip
        _write(out, [start, *drawings, end], ["from", *[""] * count, "to"], columns=count + 2)
        typer.echo(f"{count} drawings on the way: {out}")


def latent(
    data: Annotated[str, typer.Argument(help="Drawings to lay out, as for `mdn train sketch --data`.")] = "quickdraw",
    count: Count = 400,
    out: Annotated[Path, typer.Option(help="A picture: .png or .svg.")] = Path("latent.png"),
    model: Model = "quickdraw",
    seed: Seed = 0,
) -> None:
    """Lay drawings out by their latent vectors: those that are alike to the network lie side by side."""
    with messages():
        _check_sheet(out)
        from mdn.applications.sketch import latent_map

        network, drawings = _load(model), read(data)
        drawings = drawings.part("test") if "test" in drawings.parts else drawings
        latent_map(out, network, list(drawings), count, seed)
        typer.echo(f"a map of {min(count, len(drawings))} drawings: {out}")


def _placed(text: str) -> tuple[str, int]:
    name, _, place = text.rpartition(":")
    if name and place.isdigit():
        return name, int(place)
    return text, 0


def _drawing(name: str, which: int) -> np.ndarray:
    drawings = read(name)
    drawings = drawings.part("test") if "test" in drawings.parts else drawings
    if not -len(drawings) <= which < len(drawings):
        stop(f"{name!r} has {len(drawings)} drawings to choose from, counted from 0, but {which} came.")
    return drawings[which]


def _load(model: str) -> SketchRNN:
    from mdn import training
    from mdn.applications.sketch import load

    training.keep_compiled_programs()
    return load(model)


def _check_sheet(out: Path) -> None:
    check_folder(out)
    if out.suffix not in (".svg", ".png", ".ndjson", ".npz"):
        stop(f"--out ends in .svg, .png, .ndjson or .npz, but {out.name!r} came.")


def _write(out: Path, drawings, labels, *, given=(), columns=None, animate=False) -> None:
    from mdn.data import write_drawings
    from mdn.drawing.sheets import write_animation, write_sheet

    if out.suffix in (".ndjson", ".npz"):
        whole = [one for one in drawings if len(one) > 1]
        if len(whole) < len(drawings):
            typer.secho(f"mdn: {len(drawings) - len(whole)} drawings of fewer than two points are left out.", err=True)
        write_drawings(out, whole)
        return
    (write_animation if animate else write_sheet)(out, drawings, labels, columns, given)
