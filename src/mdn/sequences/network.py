"""Network: from the events before each step to the parameters of the distribution at it, over a sequence or step by step."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions import Spec
from mdn.layers import MDN, FeatureScaling
from mdn.sequences.encoding import EventEncoding
from mdn.sequences.recurrent import Recurrent
from mdn.sequences.training import Turns
from mdn.sequences.window import Window


class Network(keras.Model):
    """The layers of an MDNRNN, whose docstring explains the arguments, and the two ways through them: `unroll` and `step`.

    What comes with a sequence and holds for all of its steps is `conditions`, a tuple: the condition `(B, C)`, if there is one,
    and then the context `(B, U, S)`, if there is one.
    """

    def __init__(
        self,
        spec: Spec,
        units: Sequence[int] = (128, 128),
        cell: str = "lstm",
        dropout: float = 0.0,
        skip: bool = True,
        positions: Sequence[int] = (),
        condition_size: int = 0,
        condition_starts: bool = False,
        context_size: int = 0,
        window_components: int = 10,
        recurrent_dropout: float = 0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if not isinstance(spec, Spec):
            raise TypeError(f"`spec` must be a spec such as MixtureSpec(NormalSpec(2), 10), but {spec!r} came.")
        if context_size and cell != "lstm":
            raise ValueError(f'a network with a context begins with an LSTM: cell="lstm", but {cell!r} came.')
        if condition_starts and not condition_size:
            raise ValueError("`condition_starts` needs a condition: set condition_size.")
        self.spec, self.units, self.cell, self.skip = spec, tuple(int(u) for u in np.atleast_1d(units)), cell, skip
        self.rate, self.recurrent_dropout = dropout, recurrent_dropout
        self.condition_size, self.context_size, self.window_components = condition_size, context_size, window_components
        self.positions = [int(column) for column in positions]
        self.place = FeatureScaling(name="place") if self.positions else None
        self.encoding = EventEncoding(spec, name="encoding")
        layers = [Recurrent(size, cell, recurrent_dropout, name=f"{cell}_{i}") for i, size in enumerate(self.units)]
        if context_size:
            layers[0] = Window(self.units[0], context_size, window_components, name="window")
        self.recurrent = layers  # whole: Keras does not notice a layer that is put into a list later
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.head = MDN(spec, name="head")
        self.adapted = False
        self._compiled_by_fit = False
        self._rollouts: dict = {}  # programs that a subclass compiled
        self._turns = Turns()
        self._carried: list | None = None  # the state that truncated backpropagation hands on, variables (B, H)
        self.start = (
            keras.layers.Dense(sum(self._remembered), activation="tanh", name="start") if condition_starts else None
        )
        self._build()

    def _build(self) -> None:
        self.encoding.build()
        size = self.encoding.size + self.condition_size + len(self.positions)
        if self.place is not None:
            self.place.build((None, len(self.positions)))
        read = 0
        for layer in self.recurrent:
            layer.build((None, None, size + (read if self.skip else 0) if read == 0 or self.skip else read))
            read = layer.output_size
        if self.start is not None:
            self.start.build((None, self.condition_size))
        self.head.build((None, None, sum(layer.output_size for layer in self.recurrent) if self.skip else read))
        self.head.target_scaling.build()
        self.built = True

    def build(self, input_shape=None):
        """Nothing: all sizes follow from the spec."""
        self.built = True

    def call(self, inputs, training=None):
        """Packed parameters `(B, T, spec.params_size)` from the events before each step, or `(events, *conditions)`."""
        events, *conditions = inputs if isinstance(inputs, list | tuple) else (inputs,)
        first = self.first_state(ops.shape(events)[0], conditions)
        if self._carried is None or not training:
            return self.unroll(events, first, conditions, training)[0]
        goes_on = ops.cast(
            ops.logical_not(ops.all(ops.isnan(events[:, 0]), axis=-1, keepdims=True)), self.compute_dtype
        )
        state = [goes_on * part.value + (1.0 - goes_on) * new for part, new in zip(self._carried, first, strict=True)]
        params, state = self.unroll(events, state, conditions, training)
        for variable, part in zip(self._carried, state, strict=True):
            variable.assign(ops.stop_gradient(part))
        return params

    # What only training carries is a variable, since Keras hands on nothing else from step to step, but no weight: files
    # written while training goes on are those of a model at rest.

    @property
    def weights(self):
        """All weights."""
        return self._without_carried(super().weights)

    def save_own_variables(self, store):
        """As in Keras."""
        for i, weight in enumerate(self._without_carried(self._trainable_variables + self._non_trainable_variables)):
            store[f"{i}"] = weight

    def load_weights(self, *args, **kwargs):
        """As in Keras; a model that takes up the scaling of events from a file is adapted, and `fit` keeps that scaling."""
        super().load_weights(*args, **kwargs)
        shift, spread = (ops.convert_to_numpy(part) for part in self.head.target_scaling.values())
        self.adapted = bool(np.any(shift != 0.0) or np.any(spread != 1.0))

    def _without_carried(self, variables) -> list:
        carried = {id(variable) for variable in self._carried or ()}
        return [variable for variable in variables if id(variable) not in carried]

    def compute_output_shape(self, input_shape):
        """(B, T, D) -> (B, T, params_size)."""
        events = input_shape[0] if isinstance(input_shape[0], list | tuple) else input_shape
        return (*events[:-1], self.spec.params_size)

    def first_state(self, batch_size: int, conditions=()) -> list:
        """The state before the first step: arrays `(batch_size, width)` for the widths of `state_widths`."""
        zeros = [ops.zeros((batch_size, width), self.compute_dtype) for width in self.state_widths]
        if self.start is None:
            return zeros
        start, edges = self.start(ops.convert_to_tensor(conditions[0])), np.cumsum([0, *self._remembered]).tolist()
        # not ops.split: on PyTorch and TensorFlow it cannot split into one part, as a single GRU asks for
        remembered = [start[:, first:last] for first, last in itertools.pairwise(edges)]
        return [*zeros[: len(zeros) - len(remembered)], *remembered]

    @property
    def state_widths(self) -> list[int]:
        """Of each array of a state: where the offsets have led, if anyone asks, and what each layer remembers."""
        return ([len(self.positions)] if self.positions else []) + self._remembered

    @property
    def _remembered(self) -> list[int]:
        return [width for layer in self.recurrent for width in layer.state_widths]

    def unroll(self, events, state, conditions=(), training=None):
        """Parameters `(B, T, spec.params_size)` and the state after the last step.

        Args:
            events: Those before each step, `(B, T, D)`, NaN where there is none.
            state: Before the first step, as `first_state` gives it.
            conditions: See the class.
            training: Whether to drop out.
        """

        def through(layer, x, state, *context):
            x, state = layer(x, state, *context, training=training)
            return self.dropout(x, training=training), state

        return self._through(events, state, conditions, through, lambda place: place[:, -1])

    def step(self, event, state, conditions=()):
        """Parameters `(B, spec.params_size)` of the event that comes after `event` (B, D), and the state then."""

        def through(layer, x, state, *context):
            state = layer.step(x, state, *context)
            return layer.output_of(state), state

        return self._through(event, state, conditions, through, lambda place: place)

    def shown(self, state, conditions=()) -> tuple:
        """(what each place of the context weighs in a state, `(B, U)`; the context), nothing in a network without one."""
        if not self.context_size:
            return ()
        window, first, context = self.recurrent[0], len(self.positions) > 0, ops.convert_to_tensor(conditions[-1])
        return window.weights_in(list(state)[first : first + len(window.state_widths)], context), context

    def windows(self, events, conditions):
        """What each place of the context weighs at each step, `(B, T, U)`, from the events before each step `(B, T, D)`."""
        condition, context = self._parts(conditions)
        events, context = ops.convert_to_tensor(events), ops.convert_to_tensor(context)
        first = self.first_state(ops.shape(events)[0], conditions)
        place, first = self._places(events, first)
        window = self.recurrent[0]
        states = window.states(self._encode(events, place, condition), first[: len(window.state_widths)], context)
        return ops.swapaxes(window.weights_in(states, context), 0, 1)

    def _through(self, events, state, conditions, through, last):
        """(parameters, the state after): the one way through all layers."""
        condition, *context = self._parts(conditions)
        events = ops.convert_to_tensor(events)
        place, state = self._places(events, state)
        encoded = self._encode(events, place, condition)
        x, outputs = encoded, []
        after: list = []
        for i, layer in enumerate(self.recurrent):
            size = len(layer.state_widths)
            x, new = through(layer, x, list(state[len(after) : len(after) + size]), *(context if i == 0 else ()))
            after += new
            outputs.append(x)
            if self.skip:
                x = ops.concatenate([encoded, x], axis=-1)
        features = ops.concatenate(outputs, axis=-1) if self.skip else x
        return self.head(features), [*([] if place is None else [last(place)]), *after]

    def _parts(self, conditions) -> tuple:
        """(the condition or None, the context if there is one)."""
        conditions = tuple(conditions or ())
        expected = (self.condition_size > 0) + (self.context_size > 0)
        if len(conditions) != expected:
            wanted = " and ".join(
                [f"condition_size={self.condition_size}"] * (self.condition_size > 0)
                + [f"context_size={self.context_size}"] * (self.context_size > 0)
            )
            raise ValueError(
                f"this model has {wanted or 'neither condition nor context'}, but {len(conditions)} of them came."
            )
        return conditions if self.condition_size else (None, *conditions)

    def _places(self, events, state):
        """(where offsets have led after each event, or None; the state of the layers)."""
        if not self.positions:
            return None, list(state)
        start, *state = state
        moved = numerics.no_nan(ops.take(events, self.positions, axis=-1), 0.0)
        if len(events.shape) == 2:
            return start + moved, state
        return start[:, None] + ops.cumsum(moved, axis=1), state

    def _encode(self, events, place, condition):
        encoded = self.encoding(events)
        if self.place is not None:
            encoded = ops.concatenate([encoded, self.place(place)], axis=-1)
        if condition is None:
            return encoded
        condition = ops.cast(ops.convert_to_tensor(condition), encoded.dtype)
        if len(encoded.shape) == 3:
            condition = ops.repeat(condition[:, None], ops.shape(encoded)[1], axis=1)
        return ops.concatenate([encoded, condition], axis=-1)

    # ---- files -----------------------------------------------------------------------------------------------------

    def get_config(self):
        """What `from_config` needs."""
        return {
            "spec": keras.saving.serialize_keras_object(self.spec),
            "units": list(self.units),
            "cell": self.cell,
            "dropout": self.rate,
            "skip": self.skip,
            "positions": self.positions,
            "condition_size": self.condition_size,
            "condition_starts": self.start is not None,
            "context_size": self.context_size,
            "window_components": self.window_components,
            "recurrent_dropout": self.recurrent_dropout,
            "adapted": self.adapted,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model that gave `config`."""
        config = dict(config)
        adapted = config.pop("adapted", False)
        if "spec" in config:
            config["spec"] = keras.saving.deserialize_keras_object(config["spec"])
        model = cls(**config)
        model.adapted = adapted
        return model
