"""Measures how close an exported file stays to its model."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from keras import ops

from mdn.exporting.files import describe
from mdn.exporting.player import player
from mdn.exporting.step import Call, RecurrentStep, call_of
from mdn.sequences.program import program_of
from mdn.sequences.sampler import Noise, Sampler

_NEAR = 1e-5  # numbers that deviate by less are equal but for rounding
_LEAP = 1e-4  # rounding never moves an event so far
_NUDGE = 1e-6  # rounding may decide for a number this close to the edge between two components, classes or steps
_HELD, _HELD_STEPS = 1e-4, 32  # a file is written only if it deviates by no more than this in so many steps


@dataclass(frozen=True)
class Comparison:
    """Deviations of a file from its model, over steps with the same noise: the largest |a - b| / max(1, |b|) of all numbers.

    Attributes:
        steps: The number of steps.
        given: The deviation of each output if the file gets the model's event and state at each step, except `flips`.
        flips: Steps at which a random number lay so close to the edge between two components, two classes or two steps of a grid
            that rounding alone decided: the model itself, with the numbers moved by a millionth, draws what the file drew.
        free: The deviation of events if the file goes on from its own events and states, up to its first flip; 0 without a
            sampler. A chaotic network lets any rounding grow and makes it large; `given` shows whether the file is right.
        free_steps: For how many steps the file, going on like this, stays within 1e-5 of the model.
    """

    steps: int
    given: dict[str, float]
    flips: tuple[int, ...]
    free: float
    free_steps: int


def compare(
    model,
    path,
    steps: int = 1000,
    *,
    x=None,
    condition=None,
    context=None,
    constrain=None,
    component_temperature: float = 1.0,
    variance_temperature: float = 1.0,
    seed: int | None = 0,
) -> Comparison:
    """Runs a file of `export` beside its model, and compares the outputs.

    Args:
        model: The exported model.
        path: The file.
        steps: The number of calls.
        x: Features, `(steps, batch_size, ...)`, for a model that is no MDNRNN; by default standard normal numbers.
        condition, context: Shapes `(batch_size, C)` and `(batch_size, U, S)`, for a model that has them.
        constrain: The function that was passed to `export`.
        component_temperature, variance_temperature: Temperatures of the draws.
        seed: Seed of the noise.
    """
    said, play = describe(path), player(path)
    shapes = {one["name"]: one["shape"] for one in said["inputs"]}
    rows, length = said["inputs"][0]["shape"][0], shapes["context"][1] if "context" in shapes else None
    call = call_of(model, rows, "component_temperature" in shapes, constrain, length)
    temperatures = {"component_temperature": component_temperature, "variance_temperature": variance_temperature}
    fixed = {name: np.asarray(value, "float32") for name, value in temperatures.items() if name in call.inputs}
    for name, value in (("condition", condition), ("context", context)):
        if value is not None:
            fixed[name] = np.broadcast_to(np.asarray(value, "float32"), call.inputs[name])
    return _Run(model, call, play, fixed, _noise(call, steps, seed), x, seed).over(steps)


def hold(model, path) -> None:
    """Raises a ValueError if the file at `path` answers something else than its model."""
    away = max(compare(model, path, _HELD_STEPS).given.values())
    if not away <= _HELD:
        raise ValueError(
            f"the file would not answer as the model does (they are {away:.1g} apart), so it is not written: please report it, "
            "with the settings of the model."
        )


def _noise(call: Call, steps: int, seed) -> dict[str, np.ndarray]:
    rows = [shape[0] for name, shape in call.inputs.items() if name in ("uniforms", "normals")]
    if not rows:
        return {}
    sampler = Sampler(call.spec)
    drawn = dict(zip(("uniforms", "normals"), sampler.parted(Noise(seed, rows[0], sampler).steps(steps)), strict=True))
    return {name: numbers for name, numbers in drawn.items() if name in call.inputs}


class _Run:
    def __init__(self, model, call: Call, play, fixed, noise, x, seed):
        names = list(call.inputs)

        def function(*arrays):
            found = call(dict(zip(names, arrays, strict=True)))
            return tuple(found[name] for name in call.outputs)

        program = program_of(model, function)
        self._original = lambda given: dict(
            zip(call.outputs, map(ops.convert_to_numpy, program(*(given[name] for name in names))), strict=True)
        )
        self._call, self._play, self._fixed, self._noise = call, play, fixed, noise
        self._recurrent = isinstance(call, RecurrentStep)
        self._drawn = next((name for name in ("next_event", "sample") if name in call.outputs), "")
        self._random = np.random.default_rng(seed)
        self._x = x

    def over(self, steps: int) -> Comparison:
        given = dict.fromkeys(self._call.outputs, 0.0)
        flips: list[int] = []
        free, free_steps, together = 0.0, 0, True
        before = self._nothing()
        alone = dict(before)
        for t in range(steps):
            noise = {**self._fixed, **{name: numbers[t] for name, numbers in self._noise.items()}}
            inputs = {**(before if self._recurrent else self._features(t)), **noise}
            expected, found = self._original(inputs), self._play(**inputs)
            if self._flipped(inputs, found, expected):
                flips.append(t)
            else:
                given = {name: max(given[name], _apart(found[name], expected[name])) for name in given}
            if self._recurrent and self._drawn and together:
                ran = self._play(**alone, **noise)
                together = not self._flipped(inputs, ran, expected)
                if together:
                    free = max(free, _apart(ran["next_event"], expected["next_event"]))
                    free_steps = t + 1 if free <= _NEAR else free_steps
                    alone = self._next(ran)
            if self._recurrent:
                before = self._next(expected)
        return Comparison(steps, given, tuple(flips), free, free_steps)

    def _nothing(self) -> dict[str, np.ndarray]:
        names = [name for name in ("event", "state") if name in self._call.inputs]
        return {name: np.full(self._call.inputs[name], np.nan, "float32") for name in names}

    def _features(self, t: int) -> dict[str, np.ndarray]:
        shape = self._call.inputs["x"]
        x = self._random.normal(size=shape) if self._x is None else np.broadcast_to(self._x[t], shape)
        return {"x": np.asarray(x, "float32")}

    def _next(self, outputs) -> dict[str, np.ndarray]:
        event = outputs.get("next_event")
        if event is None:  # without a sampler the file returns no event, so random ones are used
            event = self._random.normal(size=self._call.inputs["event"]).astype("float32")
        return {"event": event, "state": outputs["next_state"]}

    def _flipped(self, inputs, found, expected) -> bool:
        """Whether, in each row that deviates, the model itself draws what the file drew if its noise moves by a millionth."""
        if not self._drawn or "uniforms" not in inputs:
            return False
        rows = len(inputs["uniforms"])
        seen, wanted = (np.reshape(each[self._drawn], (rows, -1)) for each in (found, expected))
        off = [row for row in range(rows) if _apart(seen[row], wanted[row]) > _NEAR]
        if not off:
            return False
        leapt = set()
        noise = [name for name in ("uniforms", "normals") if name in inputs]
        for name, nudge in itertools.product(noise, (-_NUDGE, _NUDGE)):
            moved = self._original({**inputs, name: inputs[name] + np.float32(nudge)})
            near = np.reshape(moved[self._drawn], (rows, -1))
            leapt |= {
                row for row in off if _apart(near[row], wanted[row]) > _LEAP and _apart(seen[row], near[row]) < _LEAP
            }
        return leapt == set(off)


def _apart(found, expected) -> float:
    """The largest deviation; infinite if only one of two numbers is NaN."""
    both = np.isnan(found) & np.isnan(expected)
    away = np.abs(found - expected) / np.maximum(1.0, np.abs(expected))
    return float(np.max(np.where(both, 0.0, np.nan_to_num(away, nan=np.inf)), initial=0.0))
