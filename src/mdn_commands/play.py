"""`mdn play`: a model and a musician over MIDI, OSC, WebSocket and serial ports."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdn_commands import interrupt
from mdn_commands.options import LiveSeed
from mdn_commands.shared import check_out, messages, stop

if TYPE_CHECKING:
    from mdn.applications.instrument.live.config import Config

_NAME = Path("config.toml")


def add_to(app: typer.Typer) -> None:
    """Adds the command to `app`."""
    app.command(name="play")(play)


def play(
    file: Annotated[
        Path | None, typer.Argument(help="A configuration of IMPSY (TOML).", show_default=str(_NAME))
    ] = None,
    config: Annotated[Path | None, typer.Option(help="The configuration, as an option.", show_default=False)] = None,
    model: Annotated[
        Path | None, typer.Option(help="A file of `mdn train instrument`, instead of the configuration's.")
    ] = None,
    init: Annotated[bool, typer.Option("--init", help="Write a commented configuration, and end.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Say what is wrong with the configuration, and end.")] = False,
    ports: Annotated[bool, typer.Option("--ports", help="List MIDI and serial ports, and end.")] = False,
    virtual: Annotated[
        bool, typer.Option("--virtual", help="Make the MIDI ports of the configuration, for other programs.")
    ] = False,
    demo: Annotated[bool, typer.Option("--demo", help="Let the model play to the screen, without any device.")] = False,
    logs: Annotated[Path, typer.Option(help="A new file for each session goes to this folder.")] = Path("logs"),
    seed: LiveSeed = None,
) -> None:
    """Play with a model of N values, live, over all channels of a configuration; Ctrl-C or SIGTERM ends it."""
    with messages(), interrupt.asked_to_end() as asked:
        if file is not None and config is not None:
            stop(f"name one configuration: either {file} or --config {config}.")
        path = file or config or _NAME
        if sum((init, check, ports, demo)) > 1:
            stop("--init, --check, --ports and --demo are commands of their own: take one of them.")
        if init:
            _init(path)
        elif ports:
            _ports()
        elif demo:
            _demo(model, seed, asked)
        else:
            from mdn.applications.instrument.live import config as configuration

            read = configuration.read(path)
            for line in (*read.warnings, *configuration.summary(read)):
                typer.echo(line, err=True)
            if check:
                _check(read, model)
            else:
                _play(read, virtual, model, logs, seed, asked)


def _play(read: Config, virtual: bool, model: Path | None, logs: Path, seed: int | None, asked) -> None:
    from mdn.applications.instrument.live.doubts import SILENT
    from mdn.applications.instrument.live.play import Play, channels, voice
    from mdn.applications.live.log import Log

    live = Play(read, say=_say, show=typer.echo)
    found = channels(live, read, virtual=virtual)
    if not found:
        stop(SILENT)
    with ExitStack() as opened:
        opened.callback(live.close)
        for channel in found:  # before a model is loaded: what is wrong with them is said at once
            live.add(channel)
        player = voice(read, model, seed)
        log = Log.new(logs, read.size, _say)
        opened.callback(log.close)
        live.join(player, log)
        _run(live, asked, f"; log: {log.path}")


def _run(live, asked, log: str = "") -> None:
    from mdn.wording import counted

    _say("Ctrl-C ends it")
    try:
        live.run(asked)
    finally:
        lost = live.session.unanswered + live.session.skipped
        half, most = (1e3 * live.latency(quantile) for quantile in (0.5, 0.99))
        took = (
            "" if math.isnan(half) else f"; the model took half of them within {half:.2f} ms, 99 % within {most:.2f} ms"
        )
        typer.echo(
            f"{counted(live.events, 'event')} heard{f', {lost} not answered' if lost else ''}{took}; "
            f"{counted(live.left_out, 'message')} left out{log}"
        )


def _demo(model: Path | None, seed: int | None, asked) -> None:
    from mdn.applications.instrument.live.config import Config
    from mdn.applications.instrument.live.play import Play, voice

    player = voice(Config(size=1), model, seed)
    live = Play(Config(player.size, mode="battle", verbose=True), say=_say, show=typer.echo)
    live.join(player)
    _run(live, asked)


def _init(path: Path) -> None:
    from mdn.applications.instrument.live.example import TEXT

    if not path.exists():
        check_out(path)
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(TEXT)
    except FileExistsError:
        stop(f"{path} exists already; name another file.")
    typer.echo(f"{path}: change it, then mdn play --check {path}, then mdn play {path}")


def _check(read: Config, model: Path | None) -> None:
    """Opens all that there is once; whatever is said meanwhile is what is wrong."""
    from mdn.applications.instrument.live.doubts import doubts
    from mdn.applications.instrument.live.play import Play, channels, voice

    wrong = doubts(read)
    live = Play(replace(read, verbose=False), say=wrong.append)
    try:
        for channel in channels(live, read):
            try:
                live.add(channel)
            except OSError as error:
                wrong.append(str(error))
    finally:
        live.close()
    try:
        live.join(voice(read, model))
    except (OSError, ValueError) as error:
        wrong.append(str(error))
    for sentence in wrong:
        typer.secho(f"mdn: {sentence.removesuffix(' (said once)')}", err=True, fg=typer.colors.RED)
    if wrong:
        raise typer.Exit(2)
    typer.echo("nothing is wrong with it")


def _ports() -> None:
    from mdn.applications.live import midi_ports

    try:
        heard, played = midi_ports.port_names(midi_ports.mido("play"), "play")
        typer.echo(f"MIDI inputs: {midi_ports.there(heard)}")
        typer.echo(f"MIDI outputs: {midi_ports.there(played)}")
    except OSError as error:
        typer.echo(f"MIDI: {error}")
    from mdn.applications.instrument.live import serial

    typer.echo(f"serial ports: {serial.there()}")


def _say(text: str) -> None:
    typer.echo(text, err=True)
