"""`mdn jam`, `mdn train jam`, `mdn generate jam`: the commands of RoboJam."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdn_commands import interrupt
from mdn_commands.given import not_with, only_with
from mdn_commands.options import (
    Beside,
    ComponentTemperature,
    Count,
    Epochs,
    LiveSeed,
    ModelOut,
    Resume,
    Seed,
    Split,
    TrainProcesses,
    VarianceTemperature,
    seconds_up_to,
    trained_by,
)
from mdn_commands.shared import NOTHING_YET, begin, check_out, learn, messages, read, say_parts, stop

if TYPE_CHECKING:
    from mdn.applications.jam.session import Live

_Model = Annotated[Path | None, trained_by("mdn train jam")]


def add_to(app: typer.Typer, train: typer.Typer, generate: typer.Typer) -> None:
    """Adds the commands to `app`, `train` and `generate`."""
    train.command(name="jam")(train_jam)
    generate.command(name="jam")(generate_jam)
    app.command(name="jam")(jam)


def train_jam(
    data: Annotated[
        list[Path] | None,
        typer.Argument(
            help="TinyPerformanceArrays.npz, MicroJam .csv or logs of `mdn jam`; without any, the data set robojam.",
            show_default=False,
        ),
    ] = None,
    split: Split = None,
    out: ModelOut = Path("jam.keras"),
    processes: TrainProcesses = 1,
    epochs: Epochs = 45,
    seed: Seed = 0,
    resume: Resume = True,
) -> None:
    """Train on performances (yours, too), score the model on new ones, and write model and figures."""
    with messages(NOTHING_YET) as ending:
        robojam, console = begin("jam", out, *data or (), split)
        from mdn.applications.jam.data import FILE

        performances = read(console, robojam, data, split)
        parts = robojam.split(performances, seed)
        made_of = {
            "data": [path.name for path in data or [Path(FILE)]],
            "performances": say_parts(console, parts, "performance"),
        }
        then = f"mdn generate jam --model {out} --out sheet.svg"
        learn(ending, console, robojam, parts, out, epochs, seed, resume, made_of, then, processes=processes)


def generate_jam(
    model: _Model = None,
    out: Annotated[Path, typer.Option(help="A sheet of pictures: .svg or .png; or .mid, of one.")] = Path("jam.svg"),
    count: Count = 12,
    call: Annotated[
        Path | None, typer.Option(help="A file with a performance to answer: MicroJam .csv, a log or a .npz.")
    ] = None,
    which: Annotated[
        int, typer.Option(help="The number of the performance in that file, from 0; -1 is the last.")
    ] = -1,
    beside: Beside = None,
    seconds: Annotated[float, seconds_up_to(60.0)] = 5.0,
    component_temperature: ComponentTemperature = 1.0,
    variance_temperature: VarianceTemperature = 1.0,
    seed: Seed = 0,
) -> None:
    """Make performances, or answers to one, as pictures or as MIDI."""
    with messages():
        check_out(out, ".svg", ".png", ".mid", reads=[model, call, beside])
        only_with(call, "--call", "--which")
        not_with(out.suffix == ".mid" and count > 1, "a .mid, which holds one performance", "--count")
        not_with(out.suffix == ".mid", "a .mid, which holds no pictures", "--beside")
        import numpy as np

        from mdn.applications.jam import Jam, midi, read_performances, write_sheet
        from mdn.applications.jam.model import SHIPPED
        from mdn.wording import counted

        player = Jam.load(model or SHIPPED)
        temperatures = {
            "component_temperature": component_temperature,
            "variance_temperature": variance_temperature,
        }
        seeds = range(seed, seed + (1 if out.suffix == ".mid" else count))
        asked = None if call is None else _one_of(read_performances(call), which)
        if asked is None:
            made = [player.play(seconds, seed=each, **temperatures) for each in seeds]
            labels = ["generated" if beside else ""] * len(made)
        else:
            made = [player.respond(asked, seconds, seed=each, **temperatures) for each in seeds]
            labels = [f"answer {i + 1}" for i in range(len(made))]
        if out.suffix == ".mid":
            midi.write_midi(out, made[0])
        else:
            first = [] if asked is None else [asked]
            names = ["the call"] * len(first)
            if beside is not None:
                real = read_performances(beside)
                chosen = np.random.default_rng(seed).permutation(len(real))[:count]
                first, names = [real[i] for i in chosen] + first, ["recorded"] * len(chosen) + names
            write_sheet(out, first + made, names + labels)
        typer.echo(f"{counted(len(seeds), 'performance')} of {seconds:g} s: {out}")


def _one_of(performances, which: int):
    if not -len(performances) <= which < len(performances):
        stop(f"--which must be from {-len(performances)} to {len(performances) - 1}, but {which} came.")
    return performances[which]


def jam(
    model: _Model = None,
    osc: Annotated[
        bool, typer.Option("--osc", help="Play over OSC: /interface comes in, /prediction goes out.")
    ] = False,
    midi: Annotated[bool, typer.Option("--midi", help="Play over MIDI: notes come in and go out.")] = False,
    host: Annotated[str, typer.Option(help="Where to hear OSC; 0.0.0.0 hears other machines, too.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Where to hear OSC.")] = 5000,
    to: Annotated[str, typer.Option(help="HOST:PORT that gets OSC.")] = "127.0.0.1:5002",
    midi_in: Annotated[
        str | None, typer.Option(help='A MIDI port to hear, or a part of its name; without one a virtual port "mdn".')
    ] = None,
    midi_out: Annotated[str | None, typer.Option(help="A MIDI port to play to, in the same way.")] = None,
    mode: Annotated[
        str, typer.Option(help="How player and model take turns: callresponse, polyphony, battle or useronly.")
    ] = "callresponse",
    silence: Annotated[float, typer.Option(min=0.05, help="Seconds after which the model answers.")] = 2.0,
    log: Annotated[Path, typer.Option(help="Every touch is added to this file, which trains the next model.")] = Path(
        "jam.log"
    ),
    component_temperature: ComponentTemperature = 1.0,
    variance_temperature: VarianceTemperature = 1.0,
    seed: LiveSeed = None,
) -> None:
    """Play with a model, live; Ctrl-C or SIGTERM ends it."""
    with messages(), interrupt.asked_to_end() as check:
        check_out(log)
        if osc == midi:
            stop("say how to play: either mdn jam --osc or mdn jam --midi.")
        only_with(osc, "--osc", "--host", "--port", "--to")
        only_with(midi, "--midi", "--midi-in", "--midi-out")
        answer = _address(to)
        from mdn.applications.jam import Jam
        from mdn.applications.jam.model import SHIPPED
        from mdn.applications.jam.session import Session
        from mdn.applications.live.log import Log
        from mdn.wording import counted

        def say(text):
            typer.echo(text, err=True)

        made: Callable[..., Live]
        with ExitStack() as opened:
            if midi:
                from mdn.applications.jam.live_midi import MidiPlayer, open_ports

                ear, mouth = (opened.enter_context(each) for each in open_ports(midi_in, midi_out))
                made, places = MidiPlayer, f"hearing {ear.name!r}, playing to {mouth.name!r}"
            else:
                from mdn.applications.jam.osc import OscServer
                from mdn.applications.live.osc import open_sockets

                ear, mouth = (opened.enter_context(each) for each in open_sockets((host, port), answer))
                made, places = OscServer, f"hearing /interface at {host}:{ear.getsockname()[1]}, answering at {to}"
            written = Log(log, say)
            opened.callback(written.close)
            session = Session(
                Jam.load(model or SHIPPED),
                mode,
                silence=silence,
                component_temperature=component_temperature,
                variance_temperature=variance_temperature,
                on_event=written,
                seed=seed,
            )
            live = made(session, ear, mouth, say)
            say(f"{places}; mode {mode}; Ctrl-C ends it")
            try:
                live.run(check)
            finally:
                lost = session.unanswered
                unanswered = f", {counted(lost, 'touch', 'touches')} not answered" if lost else ""
                typer.echo(
                    f"{counted(live.touches, 'touch', 'touches')} heard{unanswered}, "
                    f"{counted(live.left_out, 'message')} left out; "
                    "half of the answers were ready within "
                    f"{1e3 * live.latency(0.5):.2f} ms, 99 % within {1e3 * live.latency(0.99):.2f} ms; log: {log}"
                )


def _address(to: str) -> tuple[str, int]:
    host, _, port = to.rpartition(":")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        stop(f"--to must be HOST:PORT, such as 127.0.0.1:5002, but {to!r} came.")
    return host, int(port)
