"""`mdn train world`: an environment is collected, seen, remembered and acted in, a stage at a time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mdn_commands import world_stages
from mdn_commands.shared import Seed, VarianceTemperature, check_folder, here_to_train, messages, stop
from mdn_commands.world_bars import steps_bar
from mdn_commands.world_stages import Sees, Where

if TYPE_CHECKING:
    from mdn.applications.world.storage import Experiment


class Stage(StrEnum):
    """What to do; each goes on where it was stopped."""

    collect = "collect"
    see = "see"
    remember = "remember"
    act = "act"
    all = "all"


@dataclass(frozen=True)
class Options:
    """What was asked for; None where what suits the environment is meant."""

    episodes: int | None
    policy: str | None
    steps: int | None
    workers: int
    latent: int | None
    epochs: int | None
    where: Where
    sees: Sees
    variance_temperature: float
    generations: int | None
    population: int | None
    tests: int | None
    layer: int


def add_to(app: typer.Typer, train: typer.Typer, generate: typer.Typer) -> None:
    """Makes the commands known."""
    train.command(name="world")(train_world)
    generate.command(name="world")(world_stages.generate_world)


def train_world(
    env: Annotated[
        str | None,
        typer.Option(
            help="Of Gymnasium, such as CarRacing-v3, or mdn/PixelCartPole-v0; once told, the folder knows.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder with all that belongs to it.")] = Path("world"),
    stage: Annotated[
        Stage, typer.Option(help="One stage, or all of them; each goes on where it was stopped.")
    ] = Stage.all,
    episodes: Annotated[int | None, typer.Option(min=1, help="To collect, in all.", show_default=False)] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="Who acts while collecting: random, held, drive, reflex, or current: the controller that was found.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(min=1, help="At most, an episode that is collected or searched in.", show_default=False),
    ] = None,
    workers: Annotated[
        int, typer.Option(min=1, help="Above 1, episodes are collected, and controllers tried, in parallel processes.")
    ] = 1,
    latent: Annotated[
        int | None, typer.Option(min=1, help="Numbers that V keeps of a frame.", show_default=False)
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Of the stage, see or remember.", show_default=False)
    ] = None,
    where: Annotated[Where, typer.Option(help="Where the controller learns.")] = Where.real,
    sees: Annotated[Sees, typer.Option(help="What it sees: z and what M remembers, or z alone.")] = Sees.zh,
    variance_temperature: VarianceTemperature = 1.0,
    generations: Annotated[int | None, typer.Option(min=1, help="Of controllers.", show_default=False)] = None,
    population: Annotated[int | None, typer.Option(min=4, help="Controllers a generation.", show_default=False)] = None,
    tests: Annotated[
        int | None, typer.Option(min=1, help="Episodes that judge the last one; 100.", show_default=False)
    ] = None,
    layer: Annotated[int, typer.Option(min=0, help="Units of a layer within the controller; 0: a linear map.")] = 0,
    seed: Seed = 0,
) -> None:
    """Learn a world: collect episodes of an environment, see them (V), remember what follows what (M), and act in it (C)."""
    with messages():
        from rich.console import Console

        from mdn.applications.world import environments
        from mdn.applications.world.storage import Experiment

        here_to_train()
        console = Console()
        there = (out / "experiment.json").exists()
        if env is None:
            if not there:
                stop(
                    f"there is no experiment in {str(out)!r} yet: say --env, such as --env {environments.PIXEL_CARTPOLE}."
                )
            experiment = Experiment.open(out)
        elif there:
            experiment = Experiment.open(out)
            experiment.check(env, "--env and what it makes")
        else:
            if stage not in (Stage.collect, Stage.all):
                stop(f"there is no experiment in {str(out)!r} yet: run --stage collect first.")
            environments.make(env).close()  # its sentences, before there is a folder
            experiment = Experiment.create(out, env, seed)
        check_folder(out / "experiment.json")
        options = Options(
            episodes, policy, steps, workers, latent, epochs, where, sees, variance_temperature, generations, population,
            tests, layer,
        )  # fmt: skip
        # in order; each is told (experiment, console, options)
        stages: dict[Stage, Any] = {
            Stage.collect: _collect,
            Stage.see: _see,
            Stage.remember: world_stages.remember,
            Stage.act: world_stages.act,
        }
        for each, run in stages.items():
            if stage in (each, Stage.all):
                run(experiment, console, options)


def _collect(experiment: Experiment, console, options: Options) -> None:
    from mdn.applications.world import act, collect, environments

    suits = environments.preset(experiment.environment)
    chosen = options.policy or suits.policy
    policy: Any = chosen
    if chosen == "current":
        from mdn.applications.world import WorldModel

        if options.workers > 1:
            stop("the current controller collects in one process: leave out --workers.")
        folder = act.act_folder(experiment, options.where.value, options.sees.value, options.variance_temperature)
        policy = WorldModel.of(experiment, folder.name).policy()
    with steps_bar(console, "collecting") as told:
        found = collect.collect(
            experiment, options.episodes or suits.episodes, policy, chunk=suits.chunk, steps=options.steps or suits.steps,
            workers=options.workers, told=told,
        )  # fmt: skip
    console.print(
        f"collect: {found['episodes']} episodes, {found['steps']} steps, mean return {found['mean return']:.1f}; new ones "
        f"by the policy {chosen}",
        soft_wrap=True,
    )


def _see(experiment: Experiment, console, options: Options) -> None:
    from mdn.applications.world import environments, see
    from mdn.applications.world.see_pictures import some_frames, write_reconstructions
    from mdn.applications.world.vision import Vision, vision_path

    suits = environments.preset(experiment.environment)
    epochs = options.epochs or suits.epochs
    with steps_bar(
        console, "seeing", lambda found: f"held-out squared error {found['held-out squared error']:.2f}"
    ) as told:
        model, figures = see.see(
            experiment, epochs=epochs, latent_size=options.latent or suits.latent_size, filters=suits.filters,
            noise=suits.noise, learning_rate=suits.rate, batch_size=suits.batch_size,
            told=lambda done, found: told(done, epochs, found),
        )  # fmt: skip
    path = vision_path(experiment)
    if not isinstance(model, Vision):
        console.print(f"see: vectors of {model.latent_size} numbers, standardised: {path}", soft_wrap=True)
        return
    picture = path.with_name("frames.png")
    write_reconstructions(picture, model, some_frames(experiment))
    last = figures[-1]
    of_mean = see.error_of_mean_frame(experiment)
    console.print(
        f"see: held-out squared error {last['held-out squared error']:.2f} a frame (the mean frame: "
        f"{of_mean:.2f}), {last['divergence']:.1f} nats a frame in {model.latent_size} numbers: {path}\n"
        f"frames above, what V makes of them below: {picture}",
        soft_wrap=True,
    )
