"""Network: turns the events before each step into the params of that step, over a whole sequence or step by step."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions import Spec
from mdn.layers import MDN, FeatureScaling
from mdn.sequences.autoregression import lags_for
from mdn.sequences.encoding import EventEncoding
from mdn.sequences.linear import LinearStart, movable
from mdn.sequences.recurrent import Recurrent
from mdn.sequences.training import Turns
from mdn.sequences.window import Window
from mdn.wording import counted


class Network(keras.Model):
    """The layers of an MDNRNN, whose docstring explains the arguments, and the two ways through them: `unroll` and `step`.

    `conditions` is a tuple of the arrays that come with the sequences: the condition `(B, C)` and then the context `(B, U, S)`,
    each only if the network has one.
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
        lags: int | None = None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.autocast = False  # events keep their digits where layers compute in fewer; each layer casts what it reads
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
        moved = len(movable(spec))
        lags = (lags_for(moved) if moved else 0) if lags is None else int(lags)
        self.linear = LinearStart(spec, lags, name="linear") if lags else None
        layers = [Recurrent(size, cell, recurrent_dropout, name=f"{cell}_{i}") for i, size in enumerate(self.units)]
        if context_size:
            layers[0] = Window(self.units[0], context_size, window_components, name="window")
        self.recurrent = layers  # assigned last: Keras does not track a layer that is put into a list later
        self.dropout = keras.layers.Dropout(dropout, name="dropout")
        self.head = MDN(spec, name="head")
        self.adapted = self._told = False  # whether it is adapted, and whether a config says so, which knows no weights
        self._compiled_by_fit = False
        self._programs: dict = {}
        self._rollouts: dict = {}
        self._turns = Turns()
        self._carried: list | None = None  # the state that truncated backpropagation carries on, variables (B, H)
        self.start = (
            keras.layers.Dense(sum(self._remembered), activation="tanh", name="start") if condition_starts else None
        )
        self._build()

    def _build(self) -> None:
        self.encoding.build()
        if self.place is not None:
            self.place.build((None, len(self.positions)))
        if self.linear is not None:
            self.linear.build()
        size, read = self.read_size + self.condition_size, 0
        for layer in self.recurrent:
            layer.build((None, None, size + (read if self.skip else 0) if read == 0 or self.skip else read))
            read = layer.output_size
        if self.start is not None:
            self.start.build((None, self.condition_size))
        self.head.build((None, None, sum(layer.output_size for layer in self.recurrent) if self.skip else read))
        self.head.target_scaling.build()
        self.built = True

    def build(self, input_shape=None):
        """Does nothing: `__init__` has built the layers, since all sizes follow from its arguments."""
        self.built = True

    def call(self, inputs, training=None):
        """Packed params `(B, T, spec.params_size)`, from the events before each step or from `(events, *conditions)`."""
        events, *came = inputs if isinstance(inputs, list | tuple) else (inputs,)
        events = ops.cast(events, numerics.float_dtype())
        conditions = self.conditioned(events, tuple(came), training)
        first = self.first_state(ops.shape(events)[0], conditions)
        if self._carried is None or not training:
            return self.unroll(events, first, conditions, training)[0]
        begins = ops.all(ops.isnan(events[:, 0]), axis=-1, keepdims=True)
        state = [
            ops.where(begins, new, ops.cast(part.value, new.dtype))
            for part, new in zip(self._carried, first, strict=True)
        ]
        params, state = self.unroll(events, state, conditions, training)
        for variable, part in zip(self._carried, state, strict=True):
            variable.assign(ops.stop_gradient(part))
        return params

    @property
    def starts_as(self) -> str:
        """What the model is once it is adapted, before the first step of training."""
        if self.linear is None or not self.linear.predicts:
            return "a distribution that remembers nothing"
        lags = counted(self.linear.lags, "event") if self.linear.lags > 1 else "event"
        return f"a linear autoregression of the last {lags} with a mixture of its errors"

    @property
    def label_size(self) -> int:
        """The width of the vector that `fit` and `log_prob` take with each sequence; `conditioned` makes the condition of it."""
        return self.condition_size

    def conditioned(self, events, came: tuple, training=None) -> tuple:
        """Makes the `conditions` that the layers read (see the class) of the arrays that came with the sequences: here the same.

        A network that learns part of its condition overrides this, such as vectors of classes, or a latent that it reads off
        the sequence.

        Args:
            events: The events before each step, `(B, T, D)`.
            came: A tuple of `(B, label_size)` and the context `(B, U, S)`, each only if the network has one.
            training: Whether the network learns.
        """
        return came

    # The carried state is made of variables, since Keras passes nothing else from step to step. It is no weight, so that a
    # file written during training has the same arrays as one written after it.

    @property
    def weights(self):
        """All weights."""
        return self.without_carried(super().weights)

    def save_own_variables(self, store):
        """As in Keras."""
        for i, weight in enumerate(self.without_carried(self._trainable_variables + self._non_trainable_variables)):
            store[f"{i}"] = weight

    def load_weights(self, *args, **kwargs):
        """As in Keras. If the file holds what a head has learnt, the model counts as adapted, and `fit` keeps it."""
        super().load_weights(*args, **kwargs)
        self.adapted = self._has_begun()

    def set_weights(self, weights):
        """As in Keras. Weights of a head that has learnt make the model count as adapted."""
        super().set_weights(weights)
        self.adapted = self.adapted or self._has_begun()

    def _has_begun(self) -> bool:
        """Whether the head has a scaling or other biases than a new one. A clone has neither, whatever its model has learnt."""
        shift, spread = (ops.convert_to_numpy(part) for part in self.head.target_scaling.values())
        biases = zip(self.head.heads, self.spec.starting_biases(), strict=True)
        found = [(ops.convert_to_numpy(head.bias), bias) for head, bias in biases]
        moved = any(np.any(there != np.asarray(bias, there.dtype)) for there, bias in found)
        return bool(np.any(shift != 0.0) or np.any(spread != 1.0) or moved)

    def without_carried(self, variables) -> list:
        """`variables` without the state that a training in windows carries from one to the next."""
        carried = {id(variable) for variable in self._carried or ()}
        return [variable for variable in variables if id(variable) not in carried]

    def compute_output_shape(self, input_shape):
        """(B, T, D) -> (B, T, params_size)."""
        events = input_shape[0] if isinstance(input_shape[0], list | tuple) else input_shape
        return (*events[:-1], self.spec.params_size)

    def first_state(self, batch_size: int, conditions=()) -> list:
        """The state before the first step: an array `(batch_size, width)` for each width of `state_widths`.

        Args:
            batch_size: B.
            conditions: See the class; only a network with `condition_starts` reads them.
        """
        # sums of offsets and last events stay exact where layers compute in fewer digits
        kinds = [numerics.float_dtype()] * len(self._leading) + [self.compute_dtype] * len(self._remembered)
        zeros = [ops.zeros((batch_size, width), kind) for width, kind in zip(self.state_widths, kinds, strict=True)]
        if self.start is None:
            return zeros
        start, edges = self.start(ops.convert_to_tensor(conditions[0])), np.cumsum([0, *self._remembered]).tolist()
        # not ops.split: on PyTorch and TensorFlow it cannot split into one part, which a single GRU needs
        remembered = [start[:, first:last] for first, last in itertools.pairwise(edges)]
        return [*zeros[: len(zeros) - len(remembered)], *remembered]

    @property
    def state_widths(self) -> list[int]:
        """The width of each array of a state: sums of offsets (with `positions`), last events (with `lags`), states of layers."""
        return self._leading + self._remembered

    @property
    def _leading(self) -> list[int]:
        return [len(self.positions)] * bool(self.positions) + ([self.linear.state_width] if self.linear else [])

    @property
    def _remembered(self) -> list[int]:
        return [width for layer in self.recurrent for width in layer.state_widths]

    def unroll(self, events, state, conditions=(), training=None):
        """Params `(B, T, spec.params_size)` and the state after the last step.

        Args:
            events: The events before each step, `(B, T, D)`, NaN where there is none.
            state: The state before the first step, as `first_state` returns it.
            conditions: See the class.
            training: Whether to apply dropout.
        """

        def through(layer, x, state, *context):
            x, state = layer(x, state, *context, training=training)
            return self.dropout(x, training=training), state

        return self._through(events, state, conditions, through, lambda place: place[:, -1])

    def step(self, event, state, conditions=()):
        """Params `(B, spec.params_size)` of the event that comes after `event` (B, D), and the state after `event`.

        Args:
            event: Shape `(B, D)`, NaN where there is none.
            state: The state before `event`, as `first_state` or `step` returns it.
            conditions: See the class.
        """

        def through(layer, x, state, *context):
            state = layer.step(x, state, *context)
            return layer.output_of(state), state

        return self._through(event, state, conditions, through, lambda place: place)

    def shown(self, state, conditions=()) -> tuple:
        """(the weight of each place of the context in a state, `(B, U)`; the context); () in a network without a context.

        Args:
            state: As `first_state` or `step` returns it.
            conditions: See the class.
        """
        if not self.context_size:
            return ()
        window, first, context = self.recurrent[0], len(self._leading), ops.convert_to_tensor(conditions[-1])
        return window.weights_in(list(state)[first : first + len(window.state_widths)], context), context

    def windows(self, events, conditions):
        """The weight of each place of the context at each step, `(B, T, U)`.

        Args:
            events: The events before each step, `(B, T, D)`, NaN where there is none.
            conditions: See the class; the context `(B, U, S)` must be among them.
        """
        condition, context = self._parts(conditions)
        events, context = ops.convert_to_tensor(events), ops.convert_to_tensor(context)
        first = self.first_state(ops.shape(events)[0], conditions)
        read, _, _, first = self._taken_in(events, first, condition, lambda place: place)
        window = self.recurrent[0]
        states = window.states(read, first[: len(window.state_widths)], context)
        return ops.swapaxes(window.weights_in(states, context), 0, 1)

    def _through(self, events, state, conditions, through, last):
        """(params, the next state): the code that `unroll` and `step` share."""
        condition, *context = self._parts(conditions)
        events = ops.convert_to_tensor(events)
        encoded, move, leading, state = self._taken_in(events, state, condition, last)
        x, outputs = encoded, []
        after: list = []
        for i, layer in enumerate(self.recurrent):
            size = len(layer.state_widths)
            x, new = through(layer, x, list(state[len(after) : len(after) + size]), *(context if i == 0 else ()))
            after += new
            outputs.append(x)
            if self.skip:
                x = ops.concatenate([encoded, x], axis=-1)
        params = self.head(ops.concatenate(outputs, axis=-1) if self.skip else x)
        return params if move is None else params + move, [*leading, *after]

    def _parts(self, conditions) -> tuple:
        """(the condition or None, and the context only if there is one)."""
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

    @property
    def read_size(self) -> int:
        """How many numbers the layers read of an event."""
        return self.encoding.size + len(self.positions) + (self.linear.size if self.linear else 0)

    def layer_inputs(self, events):
        """What the layers read of whole sequences `(B, T, D)`, without a condition: `(B, T, read_size)`."""
        first = [ops.zeros((ops.shape(events)[0], width), numerics.float_dtype()) for width in self._leading]
        return self._taken_in(events, first, None, lambda last: last)[0]

    def _taken_in(self, events, state, condition, last):
        """(what the layers read; by how much params move, or None; the first arrays of the next state; the states of the layers).

        `last` takes the last step of an array `(B, T, any)`, or returns an array of one step.
        """
        parts, leading, move, state = [self.encoding(events)], [], None, list(state)
        if self.place is not None:
            start = state.pop(0)
            moved = numerics.no_nan(ops.take(events, self.positions, axis=-1), 0.0)
            place = start + moved if len(events.shape) == 2 else start[:, None] + ops.cumsum(moved, axis=1)
            parts.append(self.place(place))
            leading.append(last(place))
        if self.linear is not None:
            move, error, after = self.linear.read(events, state.pop(0))
            parts.append(error)
            leading.append(after)
        if condition is not None:
            condition = ops.cast(ops.convert_to_tensor(condition), parts[0].dtype)
            steps = ops.shape(events)[1] if len(events.shape) == 3 else None
            parts.append(condition if steps is None else ops.repeat(condition[:, None], steps, axis=1))
        return ops.concatenate(parts, axis=-1) if len(parts) > 1 else parts[0], move, leading, state

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
            "lags": 0 if self.linear is None else self.linear.lags,
            "adapted": self.adapted,
            "name": self.name,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """The model whose `get_config` returned `config`."""
        config = {"lags": 0, **config}  # files of models without a linear start do not name it
        adapted = config.pop("adapted", False)
        if "spec" in config:
            config["spec"] = keras.saving.deserialize_keras_object(config["spec"])
        model = cls(**config)
        model.adapted = model._told = adapted
        return model
