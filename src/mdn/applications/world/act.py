"""The stages `remember` and `act` of an experiment: they train M and C from its folder and write them into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mdn.applications.world import environments, remember
from mdn.applications.world.controller import Controller, evolve
from mdn.applications.world.dream import Dream, starts_of
from mdn.applications.world.memory import Memory, load_memory, memory_path
from mdn.applications.world.play import Play
from mdn.applications.world.senses import Senses, along, senses_of
from mdn.applications.world.storage import Experiment, Latents
from mdn.applications.world.vision import Standardised, Vision, load_vision
from mdn.data.arrays import Damaged, read_arrays, write_arrays
from mdn.data.schema import array, listed, one_of, record, text, whole

STARTS = ("start_mean", "start_deviation")  # arrays beside a controller: where dreams begin
WHERE = ("real", "dream")
DREAMS, PLAYS, TESTS = 1, 2, 3  # stand behind the seed, so that no two uses share random numbers

OnStep = Callable[[int, dict[str, float]], None]


def learnt(experiment: Experiment) -> tuple[list[Latents], list[Latents]]:
    """(episodes to learn from, episodes held out), as V sees them."""
    parts = experiment.split()
    found = [[one for chunk in part for one in experiment.latents(chunk)] for part in parts]
    return found[0], found[1]


def remember_stage(
    experiment: Experiment, on_step: OnStep | None = None, **settings
) -> tuple[Memory, list[dict[str, float]]]:
    """Trains M, from the last checkpoint on if there is one, and writes it.

    Args:
        experiment: With episodes that V has seen.
        on_step: See `remember.train`.
        **settings: Of `remember.train`.

    Returns:
        M, and figures of its epochs.
    """
    known, _ = learnt(experiment)
    path = memory_path(experiment)
    settings = {
        "seed": experiment.seed, "environment": experiment.environment,
        "mirror": mirror_of(experiment, load_vision(experiment)), **settings,
    }  # fmt: skip
    model, figures = remember.train(known, path.parent, on_step=on_step, **settings)
    model.save_plain(path)
    return model, figures


def mirror_of(experiment: Experiment, vision: Vision | Standardised) -> tuple[int, ...]:
    """The sign of each number of an action under a mirror image, if V is mirrored; else empty."""
    tied = isinstance(vision, Vision) and vision.mirrored
    return environments.preset(experiment.environment).mirror if tied else ()


def remembered(experiment: Experiment, model: Memory) -> dict[str, dict[str, float]]:
    """Nats a step on the episodes held out, in the units of z: of M, "nll", and of its floor, "persistence"."""
    known, held_out = learnt(experiment)
    return {
        "nll": remember.nll(model, held_out, seed=experiment.seed),
        "persistence": remember.persistence(known, held_out, seed=experiment.seed),
    }


def controller_for(
    experiment: Experiment,
    known: list[Latents],
    vision: Vision | Standardised,
    memory: Memory | None = None,
    sees: str = "zh",
    units: int = 0,
) -> tuple[Controller, Senses]:
    """(a controller for an experiment's environment, its senses); the controller is scaled by the episodes learnt from.

    Args:
        experiment: The controller acts in its environment.
        known: The episodes that were learnt from; see `learnt`.
        vision: V. If V is mirrored, a linear controller is, too.
        memory: M; only "zh" needs one.
        sees: A name in `senses.SEES`.
        units: How many units a hidden layer has; 0 for a linear map.
    """
    env = environments.make(experiment.environment)
    actions = environments.actions_of(env)
    env.close()
    mirror = () if units else mirror_of(experiment, vision)
    senses = senses_of(sees, vision.latent_size, memory, mirror)
    scaled: dict[str, Any] = {}
    if senses.size:
        seen = np.concatenate(along(senses, known))
        shift = seen.mean(axis=0)
        if mirror:
            shift[senses.size // 2 :] = 0.0  # over a world and its mirror image the later half has mean 0
        spread = np.sqrt(np.mean(np.square(seen - shift), axis=0))
        if sees == "zh":
            spread = spread / experiment.suits.hidden_spread
        scaled = {"hidden_size": senses.size, "shift": shift, "scale": np.where(spread > 0.0, spread, 1.0)}
    return Controller(
        vision.latent_size, actions.size, actions.kind, units=units, sees=sees, mirror=mirror, **scaled
    ), senses


def act_stage(
    experiment: Experiment,
    *,
    where: str = "real",
    sees: str = "zh",
    units: int = 0,
    generations: int = 30,
    population: int = 16,
    episodes: int = 4,
    steps: int = 500,
    first_steps: int | None = None,
    growing: int = 1,
    patience: int | None = None,
    sigma: float = 0.1,
    variance_temperature: float = 1.0,
    workers: int = 1,
    memory: Memory | None = None,
    name: str | None = None,
    on_step: OnStep | None = None,
) -> tuple[Play, Controller, np.ndarray, list[dict[str, float]]]:
    """Finds a controller, from the last checkpoint on if there is one, and writes it.

    Args:
        experiment: With V and M.
        where: Where the controller learns: "real" or "dream".
        sees: See `controller_for`.
        units: See `controller_for`.
        generations, population, sigma: Of CMA-ES.
        episodes: How many each candidate plays in a generation; all candidates play the same ones.
        steps: How many steps an episode or dream has at most.
        first_steps: At most, in the first generation; the limit then grows to `steps`. None: it is `steps` from the start.
        growing: Generations until the limit is `steps`.
        patience: See `Play`. This, `first_steps` and `growing` change real episodes alone.
        variance_temperature: The variance temperature of the dream.
        workers: See `Play`.
        memory: M; by default that of the experiment.
        name: The name of its folder in `act`; by default made of `where`, `sees` and the temperature of the dream.
        on_step: See `evolve`.

    Returns:
        (real episodes to try it in, the controller, its parameters, figures of each generation).
    """
    if where not in WHERE:
        raise ValueError(f"`where` must be one of {', '.join(map(repr, WHERE))}, but {where!r} came.")
    if memory is None and sees == "zh":
        memory = load_memory(experiment)
    vision, known = load_vision(experiment), learnt(experiment)[0]
    controller, senses = controller_for(experiment, known, vision, memory, sees, units)
    play = Play(experiment.environment, vision, senses, steps, workers, patience=patience)
    if where == "real":

        def returns(candidates, generation):
            play.steps = steps
            if first_steps is not None:
                play.steps = round(first_steps + (steps - first_steps) * min(1.0, generation / growing))
            return play.returns(controller, candidates, episodes, [experiment.seed, PLAYS, generation])

    else:
        dreamt = load_memory(experiment) if memory is None else memory
        dream = Dream(dreamt, starts_of(known), variance_temperature=variance_temperature)

        def returns(candidates, generation):
            seed = [experiment.seed, DREAMS, generation]
            return dream.returns(controller, candidates, episodes, seed, steps, senses)

    folder = (
        act_folder(experiment, where, sees, variance_temperature) if name is None else experiment.folder / "act" / name
    )
    settings = {"where": where, "episodes": episodes, "steps": steps, "variance_temperature": variance_temperature}
    if where == "real":
        settings |= {} if first_steps is None else {"first_steps": first_steps, "growing": growing}
        settings |= {} if patience is None else {"patience": patience}
    parameters, figures = evolve(
        controller, returns, folder, generations=generations, population=population, sigma=sigma,
        seed=experiment.seed, settings=settings, on_step=on_step,
    )  # fmt: skip
    starts = dict(zip(STARTS, starts_of(known), strict=True))
    save_controller(folder / "controller.npz", experiment.environment, controller, parameters, **starts)
    play.steps, play.patience = steps, None
    return play, controller, parameters, figures


def act_folder(
    experiment: Experiment, where: str = "real", sees: str = "zh", variance_temperature: float = 1.0
) -> Path:
    """Where a controller of an experiment lies, or will lie."""
    name = f"real-{sees}" if where == "real" else f"dream-{sees}-{variance_temperature:g}"
    return experiment.folder / "act" / name


def save_controller(path, environment: str, controller: Controller, parameters: np.ndarray, **beside) -> None:
    """Writes a controller, and the arrays of `beside`, whole or not at all."""
    arrays = {"parameters": parameters, "shift": controller.shift, "scale": controller.scale, **beside}
    write_arrays(path, arrays, {"environment": environment, **controller.describe()})


_UNITS = whole(most=2**20)
_ABOUT = record(
    environment=text, latent_size=whole(1, 2**20), action_size=whole(1, 2**20), kind=one_of("discrete", "box"),
    hidden_size=_UNITS, units=_UNITS, sees=text, mirror=listed(one_of(-1.0, 1.0)), optional=("sees", "mirror"),
)  # fmt: skip


def read_controller(path) -> tuple[Controller, np.ndarray, str, dict[str, np.ndarray]]:
    """(the controller, its parameters, the environment, the other arrays) from a file of `save_controller`.

    Raises:
        FileNotFoundError: if there is no file.
        ValueError: if it is damaged.
    """
    found: list[Controller] = []

    def check(arrays, about):
        described = {name: value for name, value in about.items() if name != "environment"}
        for name in ("shift", "scale"):
            array(about["hidden_size"])(arrays[name], name)
        if not arrays["scale"].all():
            raise ValueError("`scale` must not be 0.")
        found.append(Controller(**described, shift=arrays.pop("shift"), scale=arrays.pop("scale")))
        array(found[0].size)(arrays["parameters"], "parameters")

    try:
        arrays, about = read_arrays(path, _ABOUT, check)
    except Damaged as error:
        raise ValueError(f"{error}: delete it and run --stage act again.") from error
    return found[0], arrays.pop("parameters"), about["environment"], arrays


def load_controller(path, environment: str) -> tuple[Controller, np.ndarray]:
    """(the controller, its parameters) from a file of `save_controller`.

    Raises:
        ValueError: if there is no file, or it is damaged or of another environment.
    """
    if not Path(path).exists():
        raise ValueError(f"there is no C at {str(path)!r} yet: run --stage act first.")
    controller, parameters, found, _ = read_controller(path)
    if found != environment:
        raise ValueError(f"the controller in {str(path)!r} belongs to {found!r}, but {environment!r} was asked for.")
    return controller, parameters
