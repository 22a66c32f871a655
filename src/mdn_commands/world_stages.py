"""The later stages of `mdn train world`, remember and act, and `mdn generate world`: dreams beside real episodes."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mdn_commands.options import ComponentTemperature, Seed, VarianceTemperature
from mdn_commands.shared import check_out, conclude, messages, stop
from mdn_commands.world_bars import steps_bar

if TYPE_CHECKING:
    from mdn.applications.world.storage import Experiment

_COLLECTED = "mean return, episodes collected"  # by the policy that collected them


class Where(StrEnum):
    """Where a controller learns."""

    real = "real"
    dream = "dream"


class Sees(StrEnum):
    """The features of a controller: z of V and h of M, z and its change, or z alone."""

    zh = "zh"
    zz = "zz"
    z = "z"


def remember(experiment: Experiment, console, options) -> None:
    """Trains M on the latents of V, and scores it."""
    import mdn
    from mdn.applications.world import act, pictures
    from mdn.applications.world.memory import memory_path

    suits = experiment.suits
    epochs = options.epochs or suits.memory_epochs
    with steps_bar(console, "remembering", lambda found: f"{found['nll']:.2f} nats a step") as on_step:
        model, _ = act.remember_stage(
            experiment, epochs=epochs, units=suits.units, learning_rate=suits.memory_rate,
            on_step=lambda done, figures: on_step(done, epochs, figures),
        )  # fmt: skip
    path = memory_path(experiment)
    picture = path.with_name("expected.png")
    console.print(
        f"remember: {path}\nwhat M expects, and what comes: {picture}\nNats a step of held-out episodes:",
        soft_wrap=True,
    )

    def measure():
        found = act.remembered(experiment, model)
        pictures.write_expected(picture, model, act.learnt(experiment)[1])
        names = {"latent": "z", "reward": "reward", "done": "end"}
        scores = {names[name]: value for name, value in found["nll"].items() if name in names}
        return scores | {f"z, persistence, {name}": value for name, value in found["persistence"].items()}

    provenance = {
        "environment": experiment.environment, "seed": experiment.seed, "epochs": epochs, "units": suits.units,
        "learning rate": suits.memory_rate, "mdn": mdn.__version__,
    }  # fmt: skip
    floors = {"z": [f"z, persistence, {name}" for name in ("normal", "factorised", "joint")]}
    conclude(console, path.with_suffix(".json"), provenance, measure, floors)


def act(experiment: Experiment, console, options) -> None:
    """Trains C, in the real environment or in dreams, and scores it in real episodes."""
    import mdn
    from mdn.applications.world import WorldModel, act, pictures
    from mdn.applications.world.memory import load_memory, memory_path
    from mdn.applications.world.vision import vision_path
    from mdn.data import reading
    from mdn.data.schema import anything, mapping

    load_memory(experiment)  # its error message, before a search
    suits = experiment.suits
    generations = options.generations or suits.generations
    awake = options.where is Where.real
    settings = {
        "where": options.where.value,
        "sees": (options.sees or suits.sees),
        "units": options.layer,
        "generations": generations,
        "population": options.population or suits.population,
        "sigma": suits.sigma,
        "episodes": suits.tries * (1 if awake else 2),
        "steps": options.steps or suits.steps,
        "first_steps": suits.first_steps,
        "growing": suits.growing,
        "patience": suits.patience,
        "variance_temperature": options.variance_temperature,
    }
    with steps_bar(console, "acting", lambda found: f"mean return {found['mean']:.1f}") as on_step:
        play, controller, parameters, figures = act.act_stage(
            experiment,
            workers=options.workers,
            on_step=lambda done, found: on_step(done, generations, found),
            **settings,
        )
    folder = act.act_folder(experiment, settings["where"], settings["sees"], options.variance_temperature)
    episodes = options.tests or suits.tests

    def measure():
        pictures.write_returns(folder / "returns.png", {folder.name: figures})
        # a search may use short episodes and a fast painter; judging uses neither
        play.steps, play.judges = max(suits.steps, settings["steps"]), True
        returns = play.returns(controller, parameters[None], episodes, [experiment.seed, act.TESTS])[0]
        collected = [one.sum(dtype="float64") for chunk in experiment.chunks() for one in experiment.rewards(chunk)]
        comparable = play.steps == settings["steps"] and not suits.collected_steps and not suits.before
        return {
            "mean return": float(returns.mean()),
            "its standard deviation": float(returns.std()),
            "worst": float(returns.min()),
            # returns of shorter episodes cannot be compared
            **({_COLLECTED: float(sum(collected) / len(collected))} if comparable else {}),
        }

    provenance = {"environment": experiment.environment, "seed": experiment.seed, **settings, "mdn": mdn.__version__}
    for part, of_part in (("V", vision_path(experiment)), ("M", memory_path(experiment))):
        beside = of_part.with_suffix(".json")
        if beside.exists():
            with reading(beside, f"the provenance of {part}"):
                provenance[part] = mapping(anything)(json.loads(beside.read_text(encoding="utf-8")), "")
    WorldModel.of(experiment, folder.name).save(folder)
    console.print(f"act: V, M and C: {folder}\nC in {episodes} real episodes:", soft_wrap=True)
    floors = {"mean return": [_COLLECTED]}
    conclude(console, folder / "world.json", provenance, measure, floors, higher_is_better=True)


def generate_world(
    model: Annotated[
        Path | None,
        typer.Option(
            help="A folder of `mdn train world`, or racing, which comes with mdn, as does the one without it."
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="A film, .gif.")] = Path("dream.gif"),
    controller: Annotated[str, typer.Option(help="Which controller of the folder acts.")] = "real-zh",
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="How many steps of the environment at most: 200 by default, 1,000 for CarRacing.",
            show_default=False,
        ),
    ] = None,
    component_temperature: ComponentTemperature = 1.0,
    variance_temperature: VarianceTemperature = 1.0,
    seed: Seed = 0,
) -> None:
    """Show a real episode beside a dream in which the same controller acts."""
    with messages():
        check_out(out, ".gif")
        from mdn import training
        from mdn.applications.world import WorldModel, environments
        from mdn.applications.world.pictures import write_film
        from mdn.wording import counted

        training.keep_compiled_programs()
        world = WorldModel.load(name=controller) if model is None else WorldModel.load(model, controller)
        if len(world.vision.shape) != 3:
            stop(f"{world.environment!r} has no frames to show.")
        steps = steps or environments.preset(world.environment).shown
        real = world.play(steps, seed)
        dream = world.dream(
            steps,
            seed,
            first=real.z[0],
            component_temperature=component_temperature,
            variance_temperature=variance_temperature,
        )
        runs = {"real": real, "dream": dream}
        box = world.controller.kind == "box"
        write_film(
            out,
            {name: run.frames for name, run in runs.items()},
            rewards={name: run.rewards for name, run in runs.items()},
            actions={name: run.actions for name, run in runs.items()} if box else None,
            labels=environments.preset(world.environment).labels,
            repeat=world.repeat,
        )
        for name, run in runs.items():
            typer.echo(f"{name}: {counted(len(run.rewards), 'step')}, score {run.rewards.sum(dtype='float64'):.0f}")
        typer.echo(str(out))
