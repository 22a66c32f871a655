"""`mdn train world`: collects episodes of an environment and trains V, M and C, a stage at a time."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mdn_commands import world_stages
from mdn_commands.given import only_with
from mdn_commands.options import Seed, VarianceTemperature
from mdn_commands.shared import check_out, conclude, here_to_train, messages, stop
from mdn_commands.world_bars import steps_bar
from mdn_commands.world_stages import Sees, Where

if TYPE_CHECKING:
    from mdn.applications.world.storage import Experiment


class Stage(StrEnum):
    """The stages; each goes on where it was stopped."""

    collect = "collect"
    see = "see"
    remember = "remember"
    act = "act"
    all = "all"


_MOST_WORKERS = 8
# The stages in which options have an effect
_STAGES = {
    (Stage.collect,): ("--episodes", "--policy"),
    (Stage.collect, Stage.act): ("--steps", "--workers"),
    (Stage.see,): ("--latent",),
    (Stage.see, Stage.remember): ("--epochs",),
    (Stage.act,): (
        "--where", "--sees", "--generations", "--population", "--tests", "--layer", "--variance-temperature",
    ),
}  # fmt: skip
# What else has an effect in collect: a policy that was found is named by these, and a round before has all stages
_COLLECTING = {
    "current": ("--where", "--sees", "--variance-temperature"),
    "before": ("--latent", "--epochs", "--generations", "--population"),
}


@dataclass(frozen=True)
class Options:
    """The options of the command; None means the default of the environment."""

    episodes: int | None = None
    policy: str | None = None
    steps: int | None = None
    workers: int = 1
    latent: int | None = None
    epochs: int | None = None
    where: Where = Where.real
    sees: Sees | None = None
    variance_temperature: float = 1.0
    generations: int | None = None
    population: int | None = None
    tests: int | None = None
    layer: int = 0


def add_to(app: typer.Typer, train: typer.Typer, generate: typer.Typer) -> None:
    """Adds the commands to `train` and `generate`."""
    train.command(name="world")(train_world)
    generate.command(name="world")(world_stages.generate_world)


def train_world(
    env: Annotated[
        str | None,
        typer.Option(
            help="An environment of Gymnasium, such as CarRacing-v3, or mdn/PixelCartPole-v0; the folder remembers it.",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="The folder with all that belongs to it.")] = Path("world"),
    stage: Annotated[
        Stage, typer.Option(help="One stage, or all of them; each goes on where it was stopped.")
    ] = Stage.all,
    episodes: Annotated[
        int | None, typer.Option(min=1, help="How many episodes to collect in all.", show_default=False)
    ] = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="Who acts while collecting: random, held, drive, reflex, current (the controller that was found) or before "
            "(that of a round before, which is made first).",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            min=1, help="How many steps an episode has at most, when collecting and when searching.", show_default=False
        ),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Above 1, episodes are collected, and controllers tried, in parallel processes. By default 1, for CarRacing-v3 "
            "one for each core, 8 at most.",
            show_default=False,
        ),
    ] = None,
    latent: Annotated[
        int | None, typer.Option(min=1, help="How many numbers V keeps of a frame.", show_default=False)
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="How many epochs the stages see and remember take.", show_default=False)
    ] = None,
    where: Annotated[Where, typer.Option(help="Where the controller learns.")] = Where.real,
    sees: Annotated[
        Sees | None,
        typer.Option(
            help="What the controller sees: z and the memory of M (zh), z and its change since the step before (zz), or z alone.",
            show_default=False,
        ),
    ] = None,
    generations: Annotated[
        int | None, typer.Option(min=1, help="How many generations of controllers.", show_default=False)
    ] = None,
    population: Annotated[
        int | None, typer.Option(min=4, help="How many controllers a generation has.", show_default=False)
    ] = None,
    tests: Annotated[
        int | None,
        typer.Option(min=1, help="How many episodes judge the last controller; 100 by default.", show_default=False),
    ] = None,
    layer: Annotated[
        int, typer.Option(min=0, help="How many units the controller's inner layer has; 0: a linear map.")
    ] = 0,
    variance_temperature: VarianceTemperature = 1.0,
    seed: Seed = 0,
) -> None:
    """Learn a world: collect episodes of an environment, see them (V), remember what follows what (M), and act in it (C)."""
    with messages("what is done is kept, and the same command goes on from there."):
        only_with(where is Where.dream, "--where dream", "--variance-temperature")
        if stage is not Stage.collect:
            _refuse_options_of_others(stage)
        import joblib
        from rich.console import Console

        from mdn.applications.world import environments
        from mdn.applications.world.storage import Experiment

        here_to_train()
        console = Console()
        if out.is_file():
            stop(f"--out names the folder of an experiment, but {str(out)!r} is a file.")
        there = (out / "experiment.json").exists()
        if stage is Stage.collect and (there or env is not None):
            suits = (
                Experiment.open(out).suits if env is None else environments.preset(environments.LEARNT_AS.get(env, env))
            )
            _refuse_options_of_others(stage, policy or suits.policy)
        if env is None:
            if not there:
                stop(
                    f"there is no experiment in {str(out)!r} yet: say --env, such as --env {environments.PIXEL_CARTPOLE}."
                )
            experiment = Experiment.open(out)
        elif there:
            experiment = Experiment.open(out)
            if environments.LEARNT_AS.get(env) != experiment.environment:
                experiment.check(env, "--env and what it makes")
        else:
            if stage not in (Stage.collect, Stage.all):
                stop(f"there is no experiment in {str(out)!r} yet: run --stage collect first.")
            environments.make(env).close()  # its error messages, before there is a folder
            faster = environments.LEARNT_AS.get(env)
            if faster is not None:
                console.print(
                    f"{env} is learnt as {faster}: painted fast, one pedal, an action kept for four steps. Scores are of {env}.",
                    soft_wrap=True,
                )
            experiment = Experiment.create(out, faster or env, seed)
        check_out(out / "experiment.json")
        # few by default: each process has its own Keras and JAX in memory
        workers = workers or experiment.suits.workers or min(joblib.cpu_count(), _MOST_WORKERS)
        options = Options(
            episodes, policy, steps, workers, latent, epochs, where, sees, variance_temperature, generations, population,
            tests, layer,
        )  # fmt: skip
        _run(experiment, stage, console, options)


def _refuse_options_of_others(stage: Stage, policy: str | None = None) -> None:
    """Stops with a message if options came that have no effect in this stage.

    Args:
        stage: The stage, or all of them.
        policy: Who acts while collecting.
    """
    for stages, options in _STAGES.items():
        found = [one for one in options if one not in _COLLECTING.get(policy or "", ())]
        named = " or ".join(f"--stage {one}" for one in stages)
        only_with(stage in (*stages, Stage.all), named, *found)


def _run(experiment: Experiment, stage: Stage, console, options: Options) -> None:
    """Runs one stage, or all of them in order."""
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
    from mdn.applications.world import act, collect
    from mdn.wording import counted

    suits = experiment.suits
    chosen = options.policy or suits.policy
    policy: Any = chosen
    if chosen == "current":
        from mdn.applications.world.model import Acting

        sees = options.sees or suits.sees
        folder = act.act_folder(experiment, options.where.value, sees, options.variance_temperature)
        if not (folder / "vision.keras").exists():  # V, M and C lie in one folder once a search has ended
            stop(f"there is no C in {str(folder)!r} yet: run --stage act first.")
        policy = Acting(folder, explore=suits.explore, held=suits.held)
    elif chosen == "before":
        policy = _round_before(experiment, console, options)
    episodes = options.episodes or suits.episodes
    chunk = min(
        suits.chunk, -(-episodes // 2)
    )  # at least two files: later stages learn from one and judge by the other
    steps = options.steps or suits.collected_steps or suits.steps
    with steps_bar(console, "collecting") as on_step:
        found = collect.collect(
            experiment, episodes, policy, chunk=chunk, steps=steps, workers=options.workers, on_step=on_step,
        )  # fmt: skip
    console.print(
        f"collect: {counted(int(found['episodes']), 'episode')}, {counted(int(found['steps']), 'step')}, mean return "
        f"{found['mean return']:.1f}; new ones by the policy {chosen}",
        soft_wrap=True,
    )


def _round_before(experiment: Experiment, console, options: Options):
    """Trains a world model on a smaller budget, takes over its episodes, and returns its controller as the policy."""
    from mdn.applications.world import act, storage
    from mdn.applications.world.model import Acting

    if experiment.suits.before is None:
        stop(f"{experiment.environment!r} is learnt in one round: choose another --policy.")
    first = storage.Experiment.create(
        experiment.folder / storage.BEFORE, experiment.environment, experiment.seed, before=True
    )
    suits, found = experiment.suits, act.act_folder(first, sees=first.suits.sees)
    if not _is_judged(found / "world.json"):
        # half of `--episodes` is for the round itself
        most = None if options.episodes is None else min(first.suits.episodes, -(-options.episodes // 2))
        asked = dataclasses.replace(
            options, episodes=most, policy=None, sees=None, where=Where.real, tests=first.suits.tests, layer=0
        )
        console.print(f"a round before, in {first.folder}:", soft_wrap=True)
        _run(first, Stage.all, console, asked)
        console.print(f"the round itself, in {experiment.folder}:", soft_wrap=True)
    experiment.take_over(first)
    return Acting(found, explore=suits.explore, held=suits.held)


def _is_judged(path: Path) -> bool:
    """Whether a world model is complete: its figures are written last."""
    from mdn.data import reading

    if not path.exists():
        return False
    with reading(path, "the scores of a world model"):
        return "figures" in json.loads(path.read_text(encoding="utf-8"))


def _see(experiment: Experiment, console, options: Options) -> None:
    import mdn
    from mdn.applications.world import see
    from mdn.applications.world.see_pictures import some_frames, write_reconstructions
    from mdn.applications.world.vision import Vision, vision_path

    suits = experiment.suits
    epochs = options.epochs or suits.epochs
    with steps_bar(
        console, "seeing", lambda found: f"held-out squared error {found['held-out squared error']:.2f}"
    ) as on_step:
        model, figures = see.see(
            experiment, epochs=epochs, latent_size=options.latent or suits.latent_size, filters=suits.filters,
            noise=suits.noise, learning_rate=suits.rate, batch_size=suits.batch_size, mirrored=bool(suits.mirror),
            on_step=lambda done, found: on_step(done, epochs, found),
        )  # fmt: skip
    path = vision_path(experiment)
    if not isinstance(model, Vision):
        console.print(f"see: vectors of {model.latent_size} numbers, standardised: {path}", soft_wrap=True)
        return
    picture = path.with_name("frames.png")
    console.print(
        f"see: a frame in {model.latent_size} numbers: {path}\nframes above, what V makes of them below: {picture}\n"
        "Of a frame:",
        soft_wrap=True,
    )
    error, of_mean = "held-out squared error", "held-out squared error, the mean frame"

    def measure():
        write_reconstructions(picture, model, some_frames(experiment))
        last = {name: figures[-1][name] for name in (error, "divergence")}
        return {**last, of_mean: see.error_of_mean_frame(experiment)}

    provenance = {
        "environment": experiment.environment, "seed": experiment.seed, "epochs": epochs,
        "latent": model.latent_size, "mdn": mdn.__version__,
    }  # fmt: skip
    conclude(console, path.with_suffix(".json"), provenance, measure, {error: [of_mean]})
