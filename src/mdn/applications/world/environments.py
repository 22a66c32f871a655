"""Environments of Gymnasium, wrapped for this chapter: frames or vectors in, an action as a vector out."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mdn.applications.world import cartpole

PIXEL_CARTPOLE = "mdn/PixelCartPole-v0"
CAR_RACING = "mdn/CarRacing-v0"
SIDE = 64  # pixels of the side of frames that are made smaller
SEEN_ROWS = 84  # of the 96 rows of CarRacing-v3; below them is its dashboard
_HINT = "pip install 'mdn[world]'"


@dataclass(frozen=True)
class Preset:
    """The default settings of an environment.

    Attributes:
        policy: A name in `collect.POLICIES`, or "before": the controller of a round before this one.
        episodes: How many to collect.
        chunk: Episodes a file.
        steps: How many steps an episode has at most.
        latent_size: The size of z.
        filters: How many filters each convolution of V has, which halves the frame.
        noise: The standard deviation of a pixel about V's reconstruction, of the range 0 to 1.
        epochs: How many epochs V learns.
        rate: The learning rate of V at the start.
        batch_size: Frames a step of V's.
        units: How many units M has.
        memory_epochs: How many epochs M learns.
        memory_rate: The learning rate of M at the start.
        generations: How many generations of C.
        population: Controllers a generation.
        sigma: The standard deviation of the first generation's weights; see `controller.evolve`.
        tries: Episodes of each controller in a generation; twice as many dreams.
        labels: Names of an action's numbers, for people.
        mirror: If left and right are alike, the signs of an action's numbers in a mirrored world; else empty.
        first_steps, growing: See `act.act_stage`.
        patience: See `play.Play`.
        hidden_spread: C reads h scaled to this standard deviation. CMA-ES begins with weights of one size; if h has many numbers,
            most of which say little about what to do, a small spread lets the search begin with z.
        explore, held: Of a controller that collects; see `model.WorldModel.policy`.
        tests: Episodes that judge C.
        shown: Steps of a film, counted in the environment's own steps, not in decisions.
        workers: Processes that collect and try controllers; 0: one for each core, 8 at most.
        sees: What C sees; a name in `senses.SEES`.
        collected_steps: How many steps a collected episode has at most; None: `steps`.
        before: The settings of the round before this one, if there is one.
    """

    policy: str = "random"
    episodes: int = 200
    chunk: int = 10
    steps: int = 1000
    latent_size: int = 32
    filters: tuple[int, ...] = (32, 64, 128, 256)
    noise: float = 0.7071
    epochs: int = 10
    rate: float = 1e-3
    batch_size: int = 32
    units: int = 256
    memory_epochs: int = 20
    memory_rate: float = 3e-3
    generations: int = 20
    population: int = 16
    sigma: float = 0.1
    tries: int = 1
    labels: tuple[str, ...] = ()
    mirror: tuple[int, ...] = ()
    first_steps: int | None = None
    growing: int = 1
    patience: int | None = None
    hidden_spread: float = 1.0
    explore: float = 0.1
    held: float = 1.0
    tests: int = 100
    shown: int = 200
    workers: int = 1
    sees: str = "zh"
    collected_steps: int | None = None
    before: Preset | None = None


# chosen on seed 100; `hidden_spread` and `sigma` on searches of seed 0
_RACING = Preset(
    policy="before",
    episodes=640,
    chunk=4,
    steps=250,
    filters=(8, 16, 32, 64),
    noise=0.25,
    epochs=3,
    rate=2e-3,
    batch_size=64,
    units=64,
    memory_epochs=20,
    generations=60,
    population=16,
    sigma=0.025,
    tries=4,
    labels=("steering", "pedal"),
    mirror=(-1, 1),
    first_steps=100,
    growing=30,
    patience=25,
    hidden_spread=0.125,
    explore=0.1,
    held=4.0,
    shown=1000,
    workers=0,
)
_BEFORE_RACING = dataclasses.replace(
    _RACING,
    policy="drive",
    episodes=400,
    chunk=10,
    collected_steps=80,
    memory_epochs=5,
    sees="zz",
    generations=25,
    tries=2,
    growing=15,
    tests=10,
)
PRESETS = {
    PIXEL_CARTPOLE: Preset(
        "reflex",
        600,
        30,
        cartpole.MOST_STEPS,
        latent_size=16,
        filters=(8, 16, 32),
        noise=0.1,
        epochs=4,
        rate=2e-3,
        units=64,
        memory_epochs=90,
        memory_rate=1e-2,
        generations=25,
        tries=4,
    ),
    "CarRacing-v3": Preset(
        "drive", 160, 4, 1000, filters=(16, 32, 64, 128), epochs=5, units=64, memory_epochs=30, shown=1000
    ),
    CAR_RACING: dataclasses.replace(_RACING, before=_BEFORE_RACING),
    "Pendulum-v1": Preset("held", 200, 20, 200, units=64, memory_epochs=60, memory_rate=1e-2, generations=40, tries=4),
}


JUDGED: dict[str, dict[str, Any]] = {CAR_RACING: {"painter": "gymnasium"}}
"""Settings of `make` for episodes whose scores are reported, of environments that are learnt in a faster form."""


LEARNT_AS = {"CarRacing-v3": CAR_RACING}
"""The faster form in which an environment is learnt; its scores are those of the environment itself."""


def preset(name: str, before: bool = False) -> Preset:
    """The default settings of the environment `name`, or those of the round before the last."""
    found = PRESETS.get(name, Preset())
    if not before:
        return found
    if found.before is None:
        raise ValueError(f"{name!r} is learnt in one round.")
    return found.before


def make(name: str, *, judges: bool = False, **settings):
    """An environment whose observations are frames `(H, W, C)` uint8 or vectors `(D,)` float32.

    CarRacing's frames lose the 12 rows of its dashboard, as in the paper; frames that are not square with a side of 32 or 64
    pixels are made so.

    Args:
        name: As registered with Gymnasium, such as "CarRacing-v3" or "mdn/PixelCartPole-v0".
        judges: Whether to make the form whose scores are reported; see `JUDGED`.
        **settings: Of `gymnasium.make`.

    Raises:
        ImportError: if Gymnasium, or a package that the environment needs, is not installed.
        ValueError: if there is no such environment, or its observations or actions are of another kind.
    """
    gymnasium = _gymnasium()
    settings |= JUDGED.get(name, {}) if judges else {}
    env = _made(lambda: gymnasium.make(name, **settings), name)
    try:
        env = _prepared(env, name)
        actions_of(env)
    except ValueError:
        env.close()
        raise
    return env


def make_many(
    name: str, count: int, *, once: bool = False, patience: int | None = None, judges: bool = False, **settings
):
    """`count` environments in one `gymnasium.vector.VectorEnv`; PixelCartPole steps them with arrays.

    Args:
        name: As in `make`.
        count: How many.
        once: Each stands still when its episode has ended, until a reset with a seed; else it begins another episode.
        patience: See `once.Once`.
        judges: See `make`.
        **settings: Of `gymnasium.make_vec`.
    """
    gymnasium = _gymnasium()
    settings |= JUDGED.get(name, {}) if judges else {}
    if name == PIXEL_CARTPOLE:
        if once or patience is not None:
            raise ValueError(f"{PIXEL_CARTPOLE!r} is stepped with arrays: `once` and `patience` are not for it.")
        return gymnasium.make_vec(name, num_envs=count, **settings)
    make(name).close()  # for its error messages
    wrappers = [lambda env: _prepared(env, name)]
    if once:
        from mdn.applications.world.once import Once

        wrappers.append(lambda env: Once(env, patience))
    return _made(
        lambda: gymnasium.make_vec(
            name,
            num_envs=count,
            vectorization_mode="sync",
            wrappers=wrappers,
            **settings,
        ),
        name,
    )


@dataclass(frozen=True)
class Actions:
    """Actions of an environment as vectors, for networks: one-hot for choices, else each coordinate from -1 to 1.

    Attributes:
        kind: "discrete" or "box".
        size: A.
        space: The action space of Gymnasium.
    """

    kind: str
    size: int
    space: Any

    def vector(self, action) -> np.ndarray:
        """Actions of the environment, `(*batch, ...)`, as vectors `(*batch, A)` float32."""
        if self.kind == "discrete":
            return np.eye(self.size, dtype="float32")[np.asarray(action, int) - int(self.space.start)]
        low, high = self._range()
        action = np.asarray(action, "float32")
        flat = action.reshape(*action.shape[: action.ndim - len(self.space.shape)], self.size)
        return np.asarray(2.0 * (flat - low) / (high - low) - 1.0, "float32")

    def action(self, vector):
        """The inverse of `vector`: an action for `env.step` from a vector `(A,)`, or many from `(*batch, A)`."""
        vector = np.asarray(vector, "float32")
        if self.kind == "discrete":
            return np.argmax(vector, axis=-1) + int(self.space.start)
        low, high = self._range()
        found = low + 0.5 * (np.clip(vector, -1.0, 1.0) + 1.0) * (high - low)
        return found.reshape(*vector.shape[:-1], *self.space.shape).astype(self.space.dtype)

    def sample(self, rng: np.random.Generator):
        """A uniformly random action of the environment."""
        if self.kind == "discrete":
            return int(rng.integers(self.size)) + int(self.space.start)
        return self.action(rng.uniform(-1.0, 1.0, self.size))

    def _range(self):
        return self.space.low.reshape(-1), self.space.high.reshape(-1)


def actions_of(env) -> Actions:
    """The `Actions` of an environment, or of each one in a `VectorEnv`.

    Raises:
        ValueError: if they are neither Discrete nor a bounded Box.
    """
    spaces = _gymnasium().spaces
    space = getattr(env, "single_action_space", env.action_space)
    if isinstance(space, spaces.Discrete):
        return Actions("discrete", int(space.n), space)
    if isinstance(space, spaces.Box) and np.isfinite(space.low).all() and np.isfinite(space.high).all():
        return Actions("box", int(np.prod(space.shape)), space)
    raise ValueError(
        f"actions must be Discrete or a Box with finite bounds, but those of {_name(env)} are {space}: wrap the environment so "
        "that they are, and register the wrapped one."
    )


def repeat_of(env) -> int:
    """How many of its own steps an environment keeps an action."""
    return int(getattr(env.unwrapped, "repeat", 1))


def observes_frames(env) -> bool:
    """Whether observations are frames; vectors otherwise."""
    return len(getattr(env, "single_observation_space", env.observation_space).shape) == 3


def _prepared(env, name: str):
    gymnasium = _gymnasium()
    space = env.observation_space
    shape = tuple(space.shape or ())
    box = isinstance(space, gymnasium.spaces.Box)
    if box and len(shape) == 3 and space.dtype == np.uint8:
        crop = shape[0]
        if name.startswith("CarRacing"):
            from mdn.applications.world.racing_painter import paint_what_shows

            crop = SEEN_ROWS
            paint_what_shows(env.unwrapped)
        if shape[:2] in ((32, 32), (SIDE, SIDE)):
            return env
        small = gymnasium.spaces.Box(0, 255, (SIDE, SIDE, shape[2]), np.uint8)
        return gymnasium.wrappers.TransformObservation(env, lambda frame: smaller(frame[:crop]), small)
    if box and len(shape) == 1:
        if space.dtype == np.float32:
            return env
        floats = gymnasium.spaces.Box(-np.inf, np.inf, shape, np.float32)
        return gymnasium.wrappers.TransformObservation(env, lambda seen: np.asarray(seen, "float32"), floats)
    raise ValueError(
        f"observations must be frames (height, width, channels) of uint8 or vectors, but those of {name!r} are {space}: wrap the "
        "environment in gymnasium.wrappers.FlattenObservation, and register the wrapped one."
    )


def smaller(frame: np.ndarray) -> np.ndarray:
    """A frame `(H, W, C)` uint8, resized to 64 by 64 pixels."""
    from PIL import Image

    picture = Image.fromarray(frame[..., 0] if frame.shape[2] == 1 else frame)
    small = np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    return small.reshape(SIDE, SIDE, frame.shape[2])


def _made(build: Callable, name: str):
    error = _gymnasium().error
    try:
        return build()
    except error.DependencyNotInstalled as missing:
        raise ImportError(
            f"the environment {name!r} needs a package that is not installed: {_HINT} ({missing})"
        ) from missing
    except (error.UnregisteredEnv, error.Error) as unknown:
        raise ValueError(f"Gymnasium cannot make the environment {name!r}: {unknown}") from unknown
    except ModuleNotFoundError as missing:
        raise ImportError(
            f"the environment {name!r} needs the package {missing.name!r}, which is not installed."
        ) from missing


def _name(env) -> str:
    return repr(env.spec.id) if getattr(env, "spec", None) is not None else type(env).__name__


def _gymnasium():
    """Imports Gymnasium and registers the environments of this chapter."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of packages that Gymnasium imports
            import gymnasium
    except ImportError as error:
        raise ImportError(f"world models need the package gymnasium, which is not installed: {_HINT}") from error
    if PIXEL_CARTPOLE not in gymnasium.registry:
        package = "mdn.applications.world"
        gymnasium.register(
            PIXEL_CARTPOLE,
            entry_point=f"{package}.pixel_cartpole:PixelCartPole",
            vector_entry_point=f"{package}.pixel_cartpole:PixelCartPoles",
            max_episode_steps=cartpole.MOST_STEPS,
        )
        gymnasium.register(CAR_RACING, entry_point=f"{package}.racing_env:Racing")
    return gymnasium
