"""C: what to do. A linear map, or one with a small layer, from [z, h] or z alone to an action, found by CMA-ES."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from keras import ops

from mdn.applications.world.checkpoints import Checkpoints, epoch_rng


@dataclass(frozen=True, eq=False)
class Controller:
    """What the parameters of a controller mean; the parameters themselves are an array, or many of them.

    Attributes:
        latent_size: Z.
        action_size: A.
        kind: "discrete": the action with the highest score, the first having score 0; "box": tanh of each score.
        hidden_size: H, where it sees what M remembers; 0 for z alone.
        units: Of a layer of tanh between; 0 for a linear map.
        shift, scale: Of h, `(H,)` each: it is seen as (h - shift) / scale. z is about standard normal as it is.
    """

    latent_size: int
    action_size: int
    kind: str = "discrete"
    hidden_size: int = 0
    units: int = 0
    shift: np.ndarray = field(default_factory=lambda: np.zeros(0, "float32"))
    scale: np.ndarray = field(default_factory=lambda: np.ones(0, "float32"))

    def __post_init__(self):
        if self.kind not in ("discrete", "box"):
            raise ValueError(f'`kind` must be "discrete" or "box", but {self.kind!r} came.')
        for name in ("shift", "scale"):
            if np.shape(getattr(self, name)) != (self.hidden_size,):
                raise ValueError(
                    f"`{name}` must have shape ({self.hidden_size},), but {np.shape(getattr(self, name))} came."
                )

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of each layer."""
        scores = self.action_size - (self.kind == "discrete")
        sizes = [self.latent_size + self.hidden_size, *([self.units] if self.units else []), scores]
        return list(itertools.pairwise(sizes))

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return sum((inputs + 1) * outputs for inputs, outputs in self.layers)

    def act(self, parameters, z, h):
        """Actions as vectors `(R, A)`, each row by parameters of its own.

        Args:
            parameters: `(R, size)`.
            z: `(R, Z)`.
            h: `(R, H)`; not looked at by a controller that sees z alone.
        """
        x = z
        if self.hidden_size:
            x = ops.concatenate([z, (h - self.shift) / self.scale], axis=-1)
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

    def describe(self) -> dict[str, Any]:
        """All but the arrays, as JSON allows it."""
        names = ("latent_size", "action_size", "kind", "hidden_size", "units")
        return {name: getattr(self, name) for name in names}


Returns = Callable[[np.ndarray, int], np.ndarray]
"""What candidates `(N, size)` earn in a generation: `(N,)` or `(N, episodes)`; depends on nothing but these two."""


def evolve(
    controller: Controller,
    returns: Returns,
    folder,
    *,
    generations: int,
    population: int = 16,
    sigma: float = 0.1,
    seed: int = 0,
    settings: Mapping[str, Any] | None = None,
    told: Callable[[int, dict[str, float]], None] | None = None,
) -> tuple[np.ndarray, list[dict[str, float]]]:
    """The mean of CMA-ES' normal after `generations`, `(size,)`, and figures of each generation.

    A search that was killed goes on with the generation it was in: what earlier ones earned is on disk, and told again, they
    lead CMA-ES to the same place.

    Args:
        controller: What the parameters mean.
        returns: See `Returns`; higher is better.
        folder: Of the checkpoint.
        generations: In all.
        population: Candidates a generation.
        sigma: Standard deviation of the first candidates, about 0.
        seed: Of the candidates.
        settings: What else the result depends on.
        told: Told how many generations are done and the figures of the last.

    Raises:
        ImportError: if the package cma is not installed.
        ValueError: if the checkpoint is not of this search.

    Reference:
        Hansen (2016), The CMA evolution strategy: a tutorial, arXiv 1604.00772.
    """
    asked = {**controller.describe(), "population": population, "sigma": sigma, "seed": seed, **(settings or {})}
    checkpoints = Checkpoints(folder, asked)
    last = checkpoints.last()
    figures = [] if last is None else last[2]
    earned = np.zeros((0, population)) if last is None else last[1].get("returns", np.empty(0))
    if earned.shape != (0 if last is None else last[0], population):
        raise ValueError(
            f"the checkpoint {str(checkpoints.path)!r} holds no returns of {population} candidates a generation: delete the "
            f"folder {checkpoints.path.parent.name!r} to begin anew."
        )
    search = _search(controller.size, population, sigma, seed)
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
        if told is not None:
            told(generation + 1, figures[generation])
    return np.asarray(search.mean, "float32"), figures[:generations]


def _search(size: int, population: int, sigma: float, seed: int):
    try:
        import cma
    except ImportError as error:
        raise ImportError("controllers are found by the package cma: pip install 'mdn[world]'.") from error
    rng = epoch_rng(seed, 0)
    options = {
        "popsize": population,
        "randn": lambda *shape: rng.standard_normal(shape),
        "seed": float("nan"),  # its chance is ours alone
        "verbose": -9,
        "verb_log": 0,
    }
    return cma.CMAEvolutionStrategy(np.zeros(size), sigma, options)
