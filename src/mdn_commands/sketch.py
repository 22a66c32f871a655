"""`mdn train kanji | sketch`, `mdn generate kanji | sketch`, `mdn complete`, `mdn interpolate`, `mdn latent`: drawings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdn_commands.drawings import check_room, check_sheet, placed, tell_of, write_pictures
from mdn_commands.given import only_with
from mdn_commands.options import (
    MOST,
    Animate,
    Columns,
    ComponentTemperature,
    Count,
    ModelOut,
    Paper,
    PictureOut,
    Resume,
    Seed,
    Size,
    Split,
    TrainProcesses,
    VarianceTemperature,
)
from mdn_commands.shared import NOTHING_YET, begin, check_out, learn, messages, say_parts, stop, tell, warn

if TYPE_CHECKING:
    import numpy as np

    from mdn.applications.sketch import SketchRNN
    from mdn.data import Drawings

Data = Annotated[
    str,
    typer.Option(
        help="A .npz or .ndjson, a folder of SVGs, kanji, quickdraw, quickdraw34, kanjivg, or a class of QuickDraw, such as cat."
    ),
]
Model = Annotated[
    str, typer.Option(help="A file of `mdn train`, or kanji, quickdraw or quickdraw34, which come with mdn.")
]
Class = Annotated[str | None, typer.Option("--class", help="The class to draw, for a model that learnt classes.")]
Known = Annotated[
    str | None,
    typer.Option(
        help="For --copies: the drawings that the model was learnt from, as for training. Models that come with mdn need none.",
        show_default=False,
    ),
]
Copies = Annotated[bool, typer.Option("--copies", help="Show beside each the nearest of the drawings that are known.")]
SheetOut = Annotated[Path, typer.Option(help="A sheet: .svg, .png, .pdf; .ndjson or .npz for the drawings themselves.")]


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
    out: ModelOut = Path("kanji.keras"),
    processes: TrainProcesses = 1,
    epochs: Annotated[int, typer.Option(min=1, help="How many epochs at most; 13 take ten minutes on two cores.")] = 40,
    seed: Seed = 0,
    resume: Resume = True,
) -> None:
    """Train a network that draws new characters, and score it."""
    with messages(NOTHING_YET) as ending:
        _train(
            ending, data, None, out, processes, epochs, seed, resume,
            latent=0, kl_weight=0.5, classes=False, units=256, layers=2,
        )  # fmt: skip


def train_sketch(
    data: Data = "quickdraw",
    split: Split = None,
    out: ModelOut = Path("sketch.keras"),
    latent: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Numbers of the latent vector; 0 for a network without, the default for fewer than 1,000 drawings to learn "
            "from, else 64.",
            show_default=False,
        ),
    ] = None,
    kl_weight: Annotated[
        float, typer.Option(min=0.0, help="What the latent costs; less keeps more of a drawing.")
    ] = 0.25,
    classes: Annotated[
        bool, typer.Option("--classes", help="Tell the network of which class each drawing is.")
    ] = False,
    units: Annotated[
        int | None,
        typer.Option(
            min=4,
            help="How many units each layer has; 64 for fewer than 1,000 drawings to learn from, else 256.",
            show_default=False,
        ),
    ] = None,
    layers: Annotated[int, typer.Option(min=1, max=4, help="How many layers the drawing network has.")] = 1,
    processes: TrainProcesses = 1,
    epochs: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many epochs at most; 100 for up to 320 drawings, 40 for a thousand.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    resume: Resume = True,
) -> None:
    """Train Sketch-RNN on drawings (yours, too), and score it."""
    with messages(NOTHING_YET) as ending:
        _train(
            ending, data, split, out, processes, epochs, seed, resume,
            latent=latent, kl_weight=kl_weight, classes=classes, units=units, layers=layers,
        )  # fmt: skip


def _train(
    ending, data, split, out, processes, epochs, seed, resume, *, latent, kl_weight, classes, units, layers
) -> None:
    sketch, console = begin("sketch", out, data, split, samples=True)
    from mdn.applications.sketch.settings import settings_for
    from mdn.wording import counted

    parts = sketch.split(read(data, split), seed)
    counts = say_parts(console, parts, "drawing")
    few = settings_for(len(parts["train"]))
    latent = few["latent_size"] if latent is None else latent
    units, epochs = units or few["units"][0], epochs or few["epochs"]
    only_with(latent, "a latent, --latent 64", "--kl-weight")
    console.print(
        f"{counted(layers, 'layer')} of {units} units, {'a' if latent else 'no'} latent, {counted(epochs, 'epoch')} at most.",
        soft_wrap=True,
    )
    if latent:
        console.print(f"A latent of {counted(latent, 'number')}, at {kl_weight:g} a nat.")
    made_of = {
        "data": Path(data).name,
        "drawings": counts,
        "units": [units] * layers,
        "latent": latent,
        "KL weight": kl_weight if latent else None,
    }
    then = f"mdn generate sketch --model {out} --out sheet.svg"
    if processes > 1:
        tell("with several processes no sheets of samples are drawn during the training.")
    learn(
        ending, console, sketch, parts, out, epochs, seed, resume, made_of, then, processes=processes,
        callbacks=[_samples(out, epochs)] if processes == 1 else [],  # the network learns elsewhere: nothing to draw from
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
    model: Model = "kanji",
    data: Known = None,
    out: SheetOut = Path("kanji.svg"),
    count: Count = 100,
    copies: Copies = False,
    columns: Columns = None,
    size: Size = None,
    paper: Paper = None,
    animate: Animate = False,
    component_temperature: ComponentTemperature = 0.8,
    variance_temperature: VarianceTemperature = 0.7,
    seed: Seed = 0,
) -> None:
    """Draw new characters, and say which share ended by itself."""
    generate_sketch(
        model, data, out, count, copies=copies, columns=columns, size=size, paper=paper, animate=animate,
        component_temperature=component_temperature, variance_temperature=variance_temperature, seed=seed,
    )  # fmt: skip


def generate_sketch(
    model: Model = "quickdraw",
    data: Known = None,
    out: SheetOut = Path("sketch.svg"),
    count: Count = 30,
    label: Class = None,
    copies: Copies = False,
    columns: Columns = None,
    size: Size = None,
    paper: Paper = None,
    animate: Animate = False,
    component_temperature: ComponentTemperature = 0.8,
    variance_temperature: VarianceTemperature = 0.7,
    seed: Seed = 0,
) -> None:
    """Draw, unfiltered, and say which share ended by itself."""
    with messages():
        check_sheet(out, animate, reads=[model, data])
        only_with(copies, "--copies", "--data")
        check_room(
            out,
            2 * count if copies else count,
            animate=animate,
            labelled=copies,
            columns=columns,
            side=size,
            paper=paper,
        )
        known = _learnt_from(model, data) if copies else None
        from mdn.applications.sketch import draw
        from mdn.wording import agreed, counted

        network = _load(model)
        drawings, ended = draw(
            network, count, label=label, component_temperature=component_temperature,
            variance_temperature=variance_temperature, seed=seed,
        )  # fmt: skip
        labels: list[str] = []
        if known is not None:
            drawings, labels = _beside_nearest(known, drawings)
        written = write_pictures(out, drawings, labels, animate=animate, columns=columns, side=size, paper=paper)
        themselves = agreed(count, "itself", "themselves")
        typer.echo(f"{counted(count, 'drawing')}, {ended.mean():.1%} ended by {themselves}: {written}")


def _learnt_from(model: str, data: str | None) -> list[np.ndarray]:
    """The drawings among which copies are sought: the part "train" of `data`, or all of it if it names no parts."""
    from mdn.applications.sketch import SHIPPED

    if data is None and model not in SHIPPED:
        stop(
            f"--copies looks among the drawings that {model!r} was learnt from: name them as for `mdn train sketch`, by --data "
            "MY-DRAWINGS."
        )
    drawings = read(data or model)
    return list(drawings.part("train") if "train" in drawings.parts else drawings)


def _beside_nearest(known: list[np.ndarray], drawings) -> tuple[list[np.ndarray], list[str]]:
    """(drawings, each followed by the nearest of those that are known, labels)."""
    from mdn.data import nearest

    distances, places = nearest(drawings, known)
    paired = [one for made, place in zip(drawings, places, strict=True) for one in (made, known[place])]
    return paired, [text for value in distances for text in ("made", f"nearest, {value:.2f} away")]


def complete(
    begun: Annotated[str, typer.Argument(help="A file of drawings, or kanji or quickdraw.", show_default=False)],
    which: Annotated[
        int, typer.Option(help="The number of the drawing in that file, from 0; in its test part, if it has one.")
    ] = 0,
    share: Annotated[float, typer.Option(min=0.05, max=1.0, help="How much of it is taken as begun.")] = 0.5,
    model: Model = "kanji",
    out: SheetOut = Path("completed.svg"),
    count: Count = 11,
    label: Class = None,
    freedom: Annotated[
        float,
        typer.Option(
            min=0.0, max=1.0, help="For a model with a latent: 0 keeps the latent of what is begun, 1 takes any."
        ),
    ] = 0.0,
    columns: Columns = None,
    size: Size = None,
    paper: Paper = None,
    animate: Animate = False,
    component_temperature: ComponentTemperature = 0.8,
    variance_temperature: VarianceTemperature = 0.7,
    seed: Seed = 0,
) -> None:
    """Finish a drawing that was begun, in several ways; the whole drawing comes first, and new strokes are red."""
    with messages():
        check_sheet(out, animate, reads=[begun, model])
        check_room(out, count + 1, animate=animate, columns=columns, side=size, paper=paper)
        from mdn.applications.sketch import complete as go_on
        from mdn.wording import agreed, counted

        network, whole = _load(model), _drawing(begun, which)
        first = whole[: max(1, round(share * len(whole)))]
        drawings, ended = go_on(
            network, first, count, label=label, freedom=freedom, component_temperature=component_temperature,
            variance_temperature=variance_temperature, seed=seed,
        )  # fmt: skip
        written = write_pictures(
            out, [whole, *drawings], [], [len(whole)] + [len(first)] * count,
            animate=animate, columns=columns, side=size, paper=paper,
        )  # fmt: skip
        typer.echo(
            f"{counted(count, 'way')} to go on after the first {len(first)} of {counted(len(whole), 'point')} (--share "
            f"{share:g}), {ended.mean():.1%} ended by {agreed(count, 'itself', 'themselves')}: {written}"
        )


def interpolate(
    first: Annotated[str, typer.Argument(help="FILE:PLACE of a drawing, such as quickdraw:3.", show_default=False)],
    last: Annotated[str, typer.Argument(help="FILE:PLACE of another drawing.", show_default=False)],
    model: Model = "quickdraw",
    out: SheetOut = Path("way.svg"),
    count: Annotated[int, typer.Option(min=2, max=MOST, help="Drawings on the way, both ends included.")] = 10,
    label: Class = None,
    component_temperature: ComponentTemperature = 0.3,
    variance_temperature: VarianceTemperature = 0.1,
    seed: Seed = 0,
) -> None:
    """Draw steps from one drawing to another, through the latent vectors between them."""
    with messages():
        check_sheet(out, reads=[placed(first)[0], placed(last)[0], model])
        from mdn.applications.sketch import interpolate as way
        from mdn.wording import counted

        network, start, end = _load(model), _drawing(*placed(first)), _drawing(*placed(last))
        drawings = way(
            network, start, end, count, label=label, component_temperature=component_temperature,
            variance_temperature=variance_temperature, seed=seed,
        )  # fmt: skip
        write_pictures(out, [start, *drawings, end], ["from", *[""] * count, "to"], columns=count + 2)
        typer.echo(f"{counted(count, 'drawing')} on the way: {out}")


def latent(
    data: Annotated[str, typer.Argument(help="Drawings to lay out, as for `mdn train sketch --data`.")] = "quickdraw",
    model: Model = "quickdraw",
    out: PictureOut = Path("latent.png"),
    count: Annotated[int, typer.Option(min=1, max=MOST, help="How many drawings are laid out.")] = 400,
    seed: Seed = 0,
) -> None:
    """Lay drawings out by their latent vectors: those that are alike to the network lie side by side."""
    with messages():
        check_out(out, ".svg", ".png", reads=[data, model])
        from mdn.applications.sketch import latent_map
        from mdn.wording import counted

        network, drawings = _load(model), read(data)
        drawings = drawings.part("test") if "test" in drawings.parts else drawings
        latent_map(out, network, list(drawings), count, seed)
        typer.echo(f"a map of {counted(min(count, len(drawings)), 'drawing')}: {out}")


def _drawing(name: str, which: int) -> np.ndarray:
    drawings = read(name)
    drawings = drawings.part("test") if "test" in drawings.parts else drawings
    if not -len(drawings) <= which < len(drawings):
        from mdn.wording import counted

        stop(f"{name!r} has {counted(len(drawings), 'drawing')} to choose from, counted from 0, but {which} came.")
    return drawings[which]


def _load(model: str) -> SketchRNN:
    from mdn import training
    from mdn.applications.sketch import load

    training.keep_compiled_programs()
    return load(model)
