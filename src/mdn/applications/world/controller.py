"""C, the controller: a linear map or a small network from z and other features to an action, found by CMA-ES."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops

from mdn.applications.world.senses import SEES
from mdn.training.checkpoints import Checkpoints, epoch_rng
from mdn.wording import counted

_FEW = 100  # up to so many numbers, CMA-ES learns their covariances


@dataclass(frozen=True, eq=False)
class Controller:
    """A controller without its parameters, which are an array: it says how they turn z and h into an action.

    Attributes:
        latent_size: Z.
        action_size: A.
        kind: "discrete": the action with the highest score, the first having score 0; "box": tanh of each score.
        hidden_size: H, the number of features h beside z; 0 for z alone.
        units: How many units a hidden layer of tanh has; 0 for a linear map.
        shift, scale: `(H,)` each: the controller reads (h - shift) / scale. z is about standard normal and is read as it is.
        sees: A name in `senses.SEES`; by default "zh", or "z" if H is 0.
        mirror: Signs of the action's numbers in a mirrored world; empty if left and right are not alike. A number with sign 1
            is a linear map, with a constant, of the earlier halves of z and h; a number with sign -1 is a linear map, without
            a constant, of the later halves.

    Raises:
        ValueError: if these do not fit each other.
    """

    latent_size: int
    action_size: int
    kind: str = "discrete"
    hidden_size: int = 0
    units: int = 0
    shift: np.ndarray = field(default_factory=lambda: np.zeros(0, "float32"))
    scale: np.ndarray = field(default_factory=lambda: np.ones(0, "float32"))
    sees: str = ""
    mirror: tuple[float, ...] = ()

    def __post_init__(self):
        if not self.sees:
            object.__setattr__(self, "sees", self._usual())
        if self.sees not in SEES or (self.sees == "z") != (self.hidden_size == 0):
            raise ValueError(
                f"a controller that sees {self.sees!r} cannot see {counted(self.hidden_size, 'number')} beside z."
            )
        object.__setattr__(self, "mirror", tuple(float(sign) for sign in self.mirror))
        if self.mirror and not (
            self.kind == "box"
            and not self.units
            and len(self.mirror) == self.action_size
            and set(self.mirror) <= {-1.0, 1.0}
            and not self.latent_size % 2
            and not self.hidden_size % 2
        ):
            raise ValueError(
                "left and right can be tied in a linear controller with an even number of features, whose actions are a box with "
                f"one sign of 1 or -1 each, but `mirror` {self.mirror} came with {self.describe()}."
            )
        if self.kind not in ("discrete", "box"):
            raise ValueError(f'`kind` must be "discrete" or "box", but {self.kind!r} came.')
        for name in ("shift", "scale"):
            if np.shape(getattr(self, name)) != (self.hidden_size,):
                raise ValueError(
                    f"`{name}` must have shape ({self.hidden_size},), but {np.shape(getattr(self, name))} came."
                )

    def _usual(self) -> str:
        return "zh" if self.hidden_size else "z"

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each layer."""
        scores = self.action_size - (self.kind == "discrete")
        sizes = [self.latent_size + self.hidden_size, *([self.units] if self.units else []), scores]
        return list(itertools.pairwise(sizes))

    @property
    def size(self) -> int:
        """How many parameters it has."""
        if self.mirror:
            half = (self.latent_size + self.hidden_size) // 2
            return sum(half + (sign > 0.0) for sign in self.mirror)
        return sum((inputs + 1) * outputs for inputs, outputs in self.layers)

    def act(self, parameters, z, h):
        """Actions as vectors `(R, A)`; each row has its own parameters.

        Args:
            parameters: `(R, size)`.
            z: `(R, Z)`.
            h: The features beside z, `(R, H)`; a controller that sees z alone ignores them.
        """
        if self.hidden_size:
            h = (h - self.shift) / self.scale
        if self.mirror:
            return self._act_of_halves(parameters, z, h)
        x = ops.concatenate([z, h], axis=-1) if self.hidden_size else z
        first = 0
        for i, (inputs, outputs) in enumerate(self.layers):
            kernel = ops.reshape(parameters[:, first : first + inputs * outputs], (-1, inputs, outputs))
            bias = parameters[:, first + inputs * outputs : first + (inputs + 1) * outputs]
            first += (inputs + 1) * outputs
            x = ops.sum(x[:, :, None] * kernel, axis=1) + bias
            if i + 1 < len(self.layers):
                x = ops.tanh(x)
        if self.kind == "box":
            return ops.tanh(x)
        scores = ops.concatenate([ops.zeros_like(x[:, :1]), x], axis=-1)
        return ops.one_hot(ops.argmax(scores, axis=-1), self.action_size)

    def _act_of_halves(self, parameters, z, h):
        halves = [ops.split(part, 2, axis=-1) for part in ([z, h] if self.hidden_size else [z])]
        same, turned = (ops.concatenate(part, axis=-1) for part in zip(*halves, strict=True))
        scores, first = [], 0
        for sign in self.mirror:
            x = same if sign > 0.0 else turned
            score = ops.sum(x * parameters[:, first : first + x.shape[1]], axis=1)
            first += x.shape[1]
            if sign > 0.0:
                score = score + parameters[:, first]
                first += 1
            scores.append(score)
        return ops.tanh(ops.stack(scores, axis=-1))

    def key(self) -> tuple:
        """All that its compiled programs depend on, as a key."""
        return repr(self.describe()), self.shift.tobytes(), self.scale.tobytes()

    def describe(self) -> dict[str, Any]:
        """All attributes but the arrays, for JSON; `sees` and `mirror` only if not the default, as in files of old versions."""
        names = ["latent_size", "action_size", "kind", "hidden_size", "units"]
        names += ["sees"] * (self.sees != self._usual()) + ["mirror"] * bool(self.mirror)
        return {name: getattr(self, name) for name in names}


Returns = Callable[[np.ndarray, int], np.ndarray]
"""Maps candidates `(N, size)` and a generation to returns, `(N,)` or `(N, episodes)`; it depends on these two alone."""


def evolve(
    controller: Controller,
    returns: Returns,
    folder,
    *,
    generations: int,
    population: int = 16,
    sigma: float = 0.1,
    seed: int = 0,
    separable: bool | None = None,
    settings: Mapping[str, Any] | None = None,
    on_step: Callable[[int, dict[str, float]], None] | None = None,
) -> tuple[np.ndarray, list[dict[str, float]]]:
    """Runs CMA-ES; returns the mean of its normal after `generations`, `(size,)`, and figures of each generation.

    A killed search goes on with the generation in which it was: the returns of earlier ones are on disk and lead CMA-ES to
    the same state.

    Args:
        controller: Says how parameters are read.
        returns: See `Returns`; higher is better.
        folder: The folder of the checkpoint.
        generations: How many generations in all.
        population: Candidates a generation.
        sigma: Standard deviation of the first candidates, whose mean is 0.
        seed: The seed for the candidates.
        separable: Whether CMA-ES learns only a variance for each number, as suits many numbers, and no covariances; by default
            if there are more than 100.
        settings: What else the result depends on; a checkpoint of other settings is refused.
        on_step: Called with the number of generations that are done and the figures of the last.

    Raises:
        ImportError: if the package cma is not installed.
        ValueError: if the checkpoint is not of this search.

    Reference:
        Hansen (2016), The CMA evolution strategy: a tutorial, arXiv 1604.00772.
    """
    if separable is None:
        separable = controller.size > _FEW
        there = Checkpoints(folder, {})
        if there.path.exists():  # a search goes on with the algorithm that it began with
            separable = bool(there.begun_with("separable"))
    asked = {**controller.describe(), "population": population, "sigma": sigma, "seed": seed, **(settings or {})}
    checkpoints = Checkpoints(folder, {**asked, "separable": True} if separable else asked)
    last = checkpoints.last()
    figures = [] if last is None else last.figures
    earned = np.zeros((0, population)) if last is None else last.arrays.get("returns", np.empty(0))
    if earned.shape != (0 if last is None else last.done, population):
        raise ValueError(
            f"the checkpoint {str(checkpoints.path)!r} holds no returns of {population} candidates a generation: delete the "
            f"folder {checkpoints.path.parent.name!r} to begin anew."
        )
    search = _search(controller.size, population, sigma, seed, separable)
    for generation in range(generations):
        candidates = search.ask()
        if generation < len(earned):
            costs = -earned[generation]
        else:
            found = np.asarray(returns(np.stack(candidates).astype("float32"), generation), "float64")
            mean = found.reshape(population, -1).mean(axis=1)
            costs, earned = -mean, np.concatenate([earned, mean[None]])
            figures = [*figures, {"best": float(mean.max()), "mean": float(mean.mean()), "worst": float(mean.min())}]
            checkpoints.save(generation + 1, {"returns": earned}, figures)
        search.tell(candidates, list(costs))
        if on_step is not None:
            on_step(generation + 1, figures[generation])
    return np.asarray(search.mean, "float32"), figures[:generations]


def _search(size: int, population: int, sigma: float, seed: int, separable: bool):
    try:
        import cma
    except ImportError as error:
        raise ImportError("controllers are found by the package cma: pip install 'mdn[world]'.") from error
    rng = epoch_rng(seed, 0)
    options = {
        "popsize": population,
        "randn": lambda *shape: rng.standard_normal(shape),
        "seed": float("nan"),  # CMA-ES seeds nothing: all its random numbers come from `randn`
        "verbose": -9,
        "verb_log": 0,
        "CMA_diagonal": separable,
    }
    return cma.CMAEvolutionStrategy(np.zeros(size), sigma, options)
