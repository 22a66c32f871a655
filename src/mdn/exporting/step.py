"""The call that is exported, with names and shapes of all its inputs and outputs."""

from __future__ import annotations

import itertools
import math
from typing import Any, ClassVar, Protocol, runtime_checkable

import keras
import numpy as np
from keras import ops

from mdn.distributions import Spec
from mdn.distributions.arguments import check_count
from mdn.models import specs_of
from mdn.sequences import MDNRNN
from mdn.sequences.rollout import Rollout
from mdn.sequences.sampler import Sampler

_MEANINGS = {
    "event": "the event before this one; NaN where there is none",
    "state": "the `next_state` of the call before; NaN before the first event",
    "x": "features",
    "uniforms": "random numbers between 0 and 1, both excluded",
    "normals": "standard normal random numbers",
    "component_temperature": "1, or above 1 for bolder choices among components and classes, below 1 for safer ones",
    "variance_temperature": "1, or what variances are multiplied by",
    "condition": "what holds for the whole sequence",
    "context": "what the network looks at, such as a text; behind its end zeros",
}
_GIVEN_BACK = {
    "next_event": "the event that comes next",
    "next_state": "for the next call",
    "params": "the parameters of the distribution that was drawn from, in the order of `parameters`",
    "sample": "a draw from the distribution",
}


class Call:
    """A function from named arrays to named arrays, all of float32.

    Attributes:
        inputs, outputs: Shapes by name, in order.
    """

    inputs: dict[str, tuple[int, ...]]
    outputs: dict[str, tuple[int, ...]]
    meanings: ClassVar[dict[str, str]] = {**_MEANINGS, **_GIVEN_BACK}

    def __init__(self, spec: Spec, rows: int, sampler: bool):
        self.spec, self._sampler = spec, Sampler(spec) if sampler else None
        self._noise: dict[str, tuple[int, ...]] = {}
        if self._sampler is not None:
            counts = {"uniforms": self._sampler.uniforms, "normals": self._sampler.normals}
            self._noise = {name: (rows, count) for name, count in counts.items() if count}
            self._noise |= {"component_temperature": (), "variance_temperature": ()}

    def __call__(self, inputs: dict) -> dict:
        """The outputs, as tensors by name."""
        raise NotImplementedError

    def _given(self, inputs: dict, rows: int) -> tuple:
        """(uniforms, normals, component temperature, variance temperature)."""
        nothing = ops.zeros((rows, 0), "float32")
        noise = (inputs.get("uniforms", nothing), inputs.get("normals", nothing))
        return *noise, inputs["component_temperature"], inputs["variance_temperature"]

    def describe(self) -> dict[str, Any]:
        """The description that a player needs, as JSON types."""
        found: dict[str, Any] = {
            **{
                name: [{"name": n, "shape": list(s), "meaning": self.meanings[n]} for n, s in shapes.items()]
                for name, shapes in (("inputs", self.inputs), ("outputs", self.outputs))
            },
            "parameters": [{"name": name, "size": size} for name, size in self.spec.heads],
            "spec": keras.saving.serialize_keras_object(self.spec),
        }
        if self._sampler is not None:
            found["columns"], found["noise"] = self._columns(), self._layout()
        return found

    def _columns(self) -> list[dict]:
        """Part, kind and index of each column of an event."""
        return [
            {"part": name, "kind": kind, "index": index}
            for name, part in self.spec.named_parts.items()
            for index, kind in enumerate(part.column_kinds)
        ]

    def _layout(self) -> list[dict]:
        """The columns of the noise that each part uses; its first uniform chooses the component or the class."""
        samplers = [(name, Sampler(part)) for name, part in self.spec.named_parts.items()]
        ends = [np.cumsum([0, *(getattr(s, kind) for _, s in samplers)]).tolist() for kind in ("uniforms", "normals")]
        return [
            {"part": name, "uniforms": list(uniforms), "normals": list(normals)}
            for (name, _), uniforms, normals in zip(samplers, *map(itertools.pairwise, ends), strict=True)
        ]


class RecurrentStep(Call):
    """One step of an MDNRNN: draws the event after `event`, and computes the next state.

    Args:
        model: An MDNRNN.
        batch_size: The number of sequences that run side by side.
        sampler: Whether an event is drawn; if not, outputs are only params and state.
        constrain: See `MDNRNN.generate`.
        context_length: U, for a model with a context.
    """

    def __init__(
        self,
        model: MDNRNN,
        batch_size: int = 1,
        sampler: bool = True,
        constrain=None,
        context_length: int | None = None,
    ):
        super().__init__(model.spec, batch_size, sampler)
        self._model, self._rows, self._rollout = model, batch_size, Rollout(model, None, constrain)
        self._widths = list(model.state_widths)
        size, width = model.spec.target_size, sum(self._widths)
        conditions: dict[str, tuple[int, ...]] = (
            {"condition": (batch_size, model.condition_size)} if model.condition_size else {}
        )
        if (context_length is not None) != (model.context_size > 0):
            raise ValueError(
                f"`context_length` goes with a model that has a context, but {context_length} came and the model has "
                f"context_size={model.context_size}. For a model that reads a text it is the length of the longest text, which "
                "is fixed in the file."
            )
        if context_length is not None:
            length = check_count("context_length", context_length)
            conditions["context"] = (batch_size, length, model.context_size)
        self._conditions = list(conditions)
        event, state = (batch_size, size), (batch_size, width)
        self.inputs = {"event": event, "state": state, **self._noise, **conditions}
        drawn = {"next_event": event} if sampler else {}
        self.outputs = {**drawn, "next_state": state, "params": (batch_size, model.spec.params_size)}

    def __call__(self, inputs: dict) -> dict:
        conditions = tuple(inputs[name] for name in self._conditions)
        edges = np.cumsum(self._widths)[:-1].tolist()
        first = self._model.first_state(self._rows, conditions)
        state = [
            ops.where(ops.isnan(part), start, part)
            for part, start in zip(ops.split(inputs["state"], edges, axis=-1), first, strict=True)
        ]
        if self._sampler is None:
            params, state = self._model.step(inputs["event"], state, conditions)
            return {"next_state": ops.concatenate(state, axis=-1), "params": params}
        params, after = self._model.step(inputs["event"], state, conditions)
        uniforms, normals, *temperatures = self._given(inputs, self._rows)
        event = ops.cast(self._rollout.drawn(params, after, uniforms, normals, temperatures), "float32")
        return {"next_event": event, "next_state": ops.concatenate(after, axis=-1), "params": params}

    def describe(self) -> dict[str, Any]:
        """As in `Call`, with the widths of the parts of a state."""
        return {"kind": "step", **super().describe(), "state_widths": self._widths}


@runtime_checkable
class Played(Protocol):
    """An MDNRNN that others play with: what happens, such as dt and the values of knobs, is not yet an event of the network."""

    def played_columns(self) -> list[dict[str, Any]]:
        """What each number of what is played means, as JSON types."""

    def heard(self, played, place, first):
        """The event `(B, D)` that `played` `(B, P)` is; `place` is the sum of offsets before, `first` `(B, 1)` if none came."""

    def sounded(self, event, place, values):
        """What is played `(B, P)` for a drawn event; `values` `(B, P - 1)` stay, to the bit, where the event moves nothing."""

    def playable(self, event, place):
        """A drawn event, as it can be played: the `constrain` of `MDNRNN.generate`."""


class PlayedStep(RecurrentStep):
    """One step of a model that is `Played`: `event` and `next_event` are what is played.

    Args:
        model: An MDNRNN with the methods of `Played`.
        batch_size: The number of players side by side.
        sampler: Whether an event is drawn; if not, outputs are only params and state.
    """

    meanings: ClassVar[dict[str, str]] = {
        **RecurrentStep.meanings,
        "event": "what was played last, as `columns` says; NaN in the first call, whose answer may be left out",
        "next_event": "what to play next, as `columns` says",
    }

    def __init__(self, model, batch_size: int = 1, sampler: bool = True):
        super().__init__(model, batch_size, sampler, model.playable)
        self._played = len(model.played_columns())
        self.inputs["event"] = (batch_size, self._played)
        self.inputs["state"] = self.outputs["next_state"] = (batch_size, sum(self._widths) + 1)
        if sampler:
            self.outputs["next_event"] = (batch_size, self._played)

    def __call__(self, inputs: dict) -> dict:
        """As in `Call`."""
        played, state = (ops.convert_to_tensor(inputs[name]) for name in ("event", "state"))
        state, begun = state[:, :-1], ops.nan_to_num(state[:, -1:])
        nothing = ops.isnan(played[:, :1])
        before = ops.nan_to_num(state[:, : self._widths[0]])
        event = ops.where(nothing, np.float32(np.nan), self._model.heard(played, before, begun == 0.0))
        found = super().__call__({**inputs, "event": event, "state": state})
        after = found["next_state"]
        found["next_state"] = ops.concatenate([after, ops.where(nothing, begun, 1.0)], axis=-1)
        if "next_event" in found:
            place = after[:, : self._widths[0]]
            found["next_event"] = self._model.sounded(
                found["next_event"], place, ops.where(nothing, place, played[:, 1:])
            )
        return found

    def describe(self) -> dict[str, Any]:
        """As in `RecurrentStep`; `columns` are those of what is played; the last number of a state is 1 once it has begun."""
        return {**super().describe(), "columns": self._model.played_columns(), "state_widths": [*self._widths, 1]}


class Forward(Call):
    """One call of a Keras model that ends in MDN, and a draw from the predicted distribution.

    Args:
        model: A Keras model with one input.
        batch_size: Rows of `x`.
        sampler: Whether a sample is drawn.

    Raises:
        ValueError: if the model does not end in one MDN layer, has several inputs or outputs, or an input of unknown shape.
    """

    def __init__(self, model: keras.Model, batch_size: int = 1, sampler: bool = True):
        specs = list(specs_of(model).values())
        if len(specs) != 1:
            raise ValueError(f"a model can be exported if it ends in one MDN layer, but this one ends in {len(specs)}.")
        shape, output_shape = (getattr(model, name, None) for name in ("input_shape", "output_shape"))
        if shape is None:
            raise ValueError(
                f"a model can be exported if Keras knows the shape of its input, but this {type(model).__name__} has none: make "
                "a functional model of it, keras.Model(x, model(x)) with x = keras.Input(...). The memory of a world, which "
                "takes several inputs, cannot be exported."
            )
        if not isinstance(shape, tuple) or None in shape[1:] or not isinstance(output_shape, tuple):
            raise ValueError(
                f"a model can be exported if it has one input of known shape and one output, but this one has {shape} and "
                f"{output_shape}."
            )
        self._model = model
        output = (batch_size, *output_shape[1:])
        self._rows = math.prod(output[:-1])
        super().__init__(specs[0], self._rows, sampler)
        self.inputs = {"x": (batch_size, *shape[1:]), **self._noise}
        sample = {"sample": (*output[:-1], specs[0].target_size)} if sampler else {}
        self.outputs = {**sample, "params": output}

    def __call__(self, inputs: dict) -> dict:
        (params,) = keras.tree.flatten(self._model(inputs["x"], training=False))  # the output may be in a dict
        if self._sampler is None:
            return {"params": params}
        flat = ops.reshape(params, (self._rows, self.spec.params_size))
        drawn = self._sampler(flat, *self._given(inputs, self._rows))
        return {"sample": ops.reshape(ops.cast(drawn, "float32"), self.outputs["sample"]), "params": params}

    def describe(self) -> dict[str, Any]:
        """As in `Call`."""
        return {"kind": "model", **super().describe()}


def call_of(model, batch_size: int, sampler: bool, constrain, context_length: int | None) -> Call:
    """The call of `model` that is exported.

    Raises:
        TypeError: if `model` is not a Keras model, or `constrain` not a function.
        ValueError: if the model has no MDN layer, or is no MDNRNN and comes with `constrain` or `context_length`.
    """
    batch_size = check_count("batch_size", batch_size)
    if constrain is not None and not callable(constrain):
        raise TypeError(f"`constrain` must be a function, as in `MDNRNN.generate`, but {constrain!r} came.")
    if isinstance(model, MDNRNN) and isinstance(model, Played):
        if constrain is not None:
            raise ValueError(
                "`constrain` must be left out here: the file holds the bounds and steps of the instrument already."
            )
        return PlayedStep(model, batch_size, sampler)
    if isinstance(model, MDNRNN):
        return RecurrentStep(model, batch_size, sampler, constrain, context_length)
    if not isinstance(model, keras.Model):
        raise TypeError(
            f"`model` must be an MDNRNN, an MDNRegressor or a Keras model that ends in MDN, but {model!r} came."
        )
    if constrain is not None or context_length is not None:
        raise ValueError("`constrain` and `context_length` have a meaning for an MDNRNN only.")
    return Forward(model, batch_size, sampler)
