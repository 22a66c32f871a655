"""`mdn export`: a model as a file that runs without Python."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mdn_commands.instrument import midi_of
from mdn_commands.shared import check_out, messages, probabilities, stop


def add_to(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    app.command()(export)


def export(
    model: Annotated[
        Path | None,
        typer.Argument(
            help="A file of `mdn fit` or `mdn train`, or any model that ends in mdn.MDN; without it the instrument of mdn.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="Where the file goes: .onnx, or .tflite (not for tables).")] = Path(
        "model.onnx"
    ),
    quantiles: Annotated[
        str | None, typer.Option(help="The levels of a table's quantiles, such as .05,.5,.95.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="For an instrument: the TOML file of `mdn play` whose MIDI mapping is written beside.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Write a model as ONNX or LiteRT, for a Raspberry Pi, a phone or a browser; of an instrument, with a FILE.json beside it.

    The file of an instrument takes what was played last, dt and the values, and returns what to play next.
    """
    with messages():
        check_out(out, ".onnx", ".tflite", reads=[model, config])
        from rich.console import Console

        import mdn
        from mdn.applications.instrument import Instrument, load
        from mdn.exporting.files import write_beside

        loaded = load() if model is None else mdn.load(model)
        midi = {} if config is None else {"midi": _midi(config, loaded if isinstance(loaded, Instrument) else None)}
        settings = {} if quantiles is None else {"quantiles": probabilities(quantiles)}
        with Console().status("writing"):
            said = mdn.export(loaded, out, **settings)
        beside = ""
        if isinstance(loaded, Instrument):
            beside = f"; what its numbers mean: {write_beside(out, said, **midi)}"
        names = [", ".join(one["name"] for one in said[side]) for side in ("inputs", "outputs")]
        typer.echo(f"{names[0]} -> {names[1]}: {out}{beside}")


def _midi(config: Path, instrument) -> dict[str, dict[str, list]]:
    """The MIDI mappings of a configuration: of the ports that are heard, and of those that are played to."""
    if instrument is None:
        stop("--config has a meaning for an instrument only, and this model is none: leave it out.")
    midi = midi_of(config, instrument.size)
    return {
        side: {port: [list(entry.written) for entry in mapping] for port, mapping in ports.items()}
        for side, ports in (("input", midi.inputs), ("output", midi.outputs))
    }
