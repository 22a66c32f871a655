"""Window: an LSTM that reads a context, such as a text, through a soft window that it moves along the context."""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

from mdn import backend, kernels
from mdn.distributions.spec import serializable
from mdn.kernels.recurrent import window_loop
from mdn.sequences.recurrent import Recurrent

_STEP = 0.05  # places that each part moves a step before training: a letter takes about twenty points
_BEGIN, _WIDEST = 1.0, 0.3  # precision of each part before training, and its least: a letter and its neighbours


@serializable
class Window(keras.layers.Layer):
    r"""An LSTM that also reads what its window showed at the step before, and moves that window forward.

    With places :math:`u = 0, 1, \dots` of the context and parts k of the window, at each step

    .. math:: \kappa_k \leftarrow \kappa_k + \delta_k, \quad
        \phi(u) = \sum_k \alpha_k \sqrt{\beta_k / \pi}\, e^{-\beta_k (\kappa_k - u)^2}, \quad
        w = \sum_u \phi(u)\, \mathrm{context}_u.

    A dense layer (`mover`) computes :math:`\alpha, \beta, \delta` from the output h of the LSTM. The output of `Window` is
    `[h, w]`, its state `[h, c, κ, w]`. Graves takes exp for all three and no root. Here δ is a softplus, which begins with small,
    even steps and never leaps; α is a softmax and β has a least value, so that a wide window shows little of each place. A
    window that is free to be wide and high shows whole words at once, and does not learn to go from letter to letter.

    Args:
        units: H, the units of the LSTM.
        context_size: S, the width of a context `(B, U, S)`; rows of zeros, as behind the end of a text, show nothing.
        components: How many parts the window has.

    Reference:
        Graves (2013), Generating sequences with recurrent neural networks, section 5.1; Battenberg et al. (2020),
        Location-relative attention mechanisms for robust long-form speech synthesis, GMMv2b.
    """

    def __init__(self, units: int, context_size: int, components: int = 10, **kwargs):
        super().__init__(**kwargs)
        self.units, self.context_size, self.components = int(units), int(context_size), int(components)
        self.cell = Recurrent(self.units, name="cell")
        self.mover = keras.layers.Dense(
            3 * self.components, name="mover", kernel_initializer=keras.initializers.RandomNormal(stddev=0.01)
        )

    @property
    def state_widths(self) -> list[int]:
        """The width of each array of its state."""
        return [self.units, self.units, self.components, self.context_size]

    @property
    def output_size(self) -> int:
        """The width of its output."""
        return self.units + self.context_size

    def build(self, input_shape):
        """Creates the weights."""
        self.cell.build((*input_shape[:-1], input_shape[-1] + self.context_size))
        self.mover.build((None, self.units))
        self.start(_STEP)
        self.built = True

    def start(self, step: float) -> None:
        """Sets how far the window moves a step before training, in places of the context."""
        starts = (0.0, math.log(math.expm1(_BEGIN - _WIDEST)), math.log(math.expm1(step)))
        self.mover.bias.assign(ops.concatenate([ops.full((self.components,), start) for start in starts]))

    def call(self, x, state, context, training=None):
        """Outputs `(B, T, H + S)` and the state after the last step."""
        states = self.states(x, state, context)
        return ops.swapaxes(self.output_of(states), 0, 1), [part[-1] for part in states]

    def states(self, x, state, context) -> list:
        """The states after all steps, `(T, B, width)` each."""
        projected = ops.matmul(ops.swapaxes(x, 0, 1), self.cell.kernel[: x.shape[-1]]) + self.cell.bias
        context = ops.cast(ops.convert_to_tensor(context), projected.dtype)
        run = window_loop(_advanced, _moves, weights_of) if backend.NAME == "jax" and kernels.on() else _unrolled
        return run(projected, self._weights(), list(state), context)

    def step(self, x, state, context):
        """The state after one step, from inputs `(B, F)` and the state before."""
        projected = ops.matmul(x, self.cell.kernel[: x.shape[-1]]) + self.cell.bias
        return _advanced(state, projected, self._weights(), ops.cast(context, projected.dtype))

    def output_of(self, state):
        """The output of the layer in a state."""
        return ops.concatenate([state[0], state[3]], axis=-1)

    def weights_in(self, state, context):
        """The weight of each place of a context `(B, U, S)` in a state, `(..., B, U)`."""
        alpha, beta, _ = _moves(state[0], self._weights())
        return weights_of(alpha, beta, state[2], context)

    def _weights(self) -> tuple:
        """(the kernel from `[h, w]` to the gates, the kernel and the bias of `mover`)."""
        recurrent = ops.concatenate([self.cell.recurrent_kernel, self.cell.kernel[-self.context_size :]], axis=0)
        return recurrent, ops.convert_to_tensor(self.mover.kernel), ops.convert_to_tensor(self.mover.bias)

    def compute_output_spec(self, x, state, context, training=None):
        """The shapes of the results of `call`."""
        outputs = keras.KerasTensor((*x.shape[:-1], self.output_size), dtype=self.compute_dtype)
        return outputs, [keras.KerasTensor(part.shape, dtype=self.compute_dtype) for part in state]

    def get_config(self):
        """What `from_config` needs."""
        own = {"units": self.units, "context_size": self.context_size, "components": self.components}
        return {**super().get_config(), **own}


def weights_of(alpha, beta, kappa, context):
    """The weight φ(u) of each place of the context, `(..., U)`, from parts `(..., K)`."""
    places = ops.arange(ops.shape(context)[1], dtype=kappa.dtype)
    squares = ops.square(kappa[..., None] - places)
    heights = alpha * ops.sqrt(beta / math.pi)
    return ops.sum(heights[..., None] * ops.exp(-beta[..., None] * squares), axis=-2)


def _moves(h, weights, nudge=0.0):
    """(alpha, beta, delta) of each part, `(..., K)` each."""
    _, mover, bias = weights
    alpha, beta, delta = ops.split(ops.matmul(h, mover) + bias + nudge, 3, axis=-1)
    alpha = ops.softmax(alpha, axis=-1) if alpha.shape[-1] > 1 else ops.ones_like(alpha)
    return alpha, _WIDEST + ops.softplus(beta), ops.softplus(delta)


def _advanced(state, projected, weights, context, nudges=()) -> list:
    """The state after a step; `nudges` are added to the output of `mover` and to what the window shows."""
    h, c, kappa, shown = state
    i, f, g, o = ops.split(projected + ops.matmul(ops.concatenate([h, shown], axis=-1), weights[0]), 4, axis=-1)
    c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
    h = ops.sigmoid(o) * ops.tanh(c)
    move, show = nudges or (0.0, 0.0)
    alpha, beta, delta = _moves(h, weights, move)
    kappa = kappa + delta
    shown = ops.matmul(weights_of(alpha, beta, kappa, context)[:, None], context)[:, 0] + show
    return [h, c, kappa, shown]


def _unrolled(projected, weights, state, context) -> list:
    """The states after all steps, `(T, B, width)` each, from `projected` `(T, B, 4 H)`."""
    edges = np.cumsum([part.shape[-1] for part in state])[:-1].tolist()

    def scanned(state, projected):
        # one array for carry and output: Keras' scan on TensorFlow confuses their shapes
        state = ops.concatenate(_advanced(ops.split(state, edges, axis=-1), projected, weights, context), axis=-1)
        return state, state

    return ops.split(ops.scan(scanned, ops.concatenate(state, axis=-1), projected)[1], edges, axis=-1)
