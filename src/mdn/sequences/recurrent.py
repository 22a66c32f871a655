"""Recurrent: an LSTM or GRU over a whole sequence at once, or one step; its state goes in and comes out."""

from __future__ import annotations

import functools

import keras
from keras import ops

from mdn import backend, numerics
from mdn.distributions.spec import serializable

CELLS = {"lstm": 4, "gru": 3, "layer_norm_lstm": 4}
"""Gates of each cell. LSTMs: input, forget, candidate, output. GRU: reset, update, candidate."""


@serializable
class Recurrent(keras.layers.Layer):
    r"""An LSTM (state `[h, c]`) or a GRU (state `[h]`) layer whose state is explicit.

    LSTM: :math:`c' = \sigma(f) c + \sigma(i) \tanh(g), h' = \sigma(o) \tanh(c')`. GRU: :math:`h' = (1 - z) n + z h` with
    :math:`n = \tanh(W x + b + r (U h + b_h))`. Gates lie side by side in the kernels, in the order of `CELLS`. With layer
    normalisation, the numbers that come to each gate, and :math:`c'` on its way to :math:`h'`, have mean 0 and variance 1
    before a learnt gain and shift.

    Args:
        units: H, the size of the state.
        cell: "lstm", "gru" or "layer_norm_lstm".
        recurrent_dropout: Share of an LSTM's candidates left out in training, the same ones at all steps of a sequence; what
            the cell remembers is never left out.

    Reference:
        Hochreiter and Schmidhuber (1997), Long short-term memory; Cho et al. (2014), RNN encoder-decoder; Ba et al. (2016),
        Layer normalization; Semeniuta et al. (2016), Recurrent dropout without memory loss.
    """

    def __init__(self, units: int, cell: str = "lstm", recurrent_dropout: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        if cell not in CELLS:
            raise ValueError(f"`cell` must be one of {', '.join(map(repr, CELLS))}, but {cell!r} came.")
        if not 0.0 <= recurrent_dropout < 1.0 or (recurrent_dropout and cell == "gru"):
            raise ValueError(
                "`recurrent_dropout` must be at least 0 and below 1, and 0 for a GRU, which has no candidate beside a memory, "
                f"but {recurrent_dropout} came with cell={cell!r}."
            )
        self.units, self.cell, self.recurrent_dropout = int(units), cell, recurrent_dropout
        self.dropout = keras.layers.Dropout(recurrent_dropout, name="dropout") if recurrent_dropout else None

    @property
    def state_size(self) -> int:
        """How many arrays `(B, units)` a state has."""
        return 1 if self.cell == "gru" else 2

    @property
    def state_widths(self) -> list[int]:
        """Of each array of its state."""
        return [self.units] * self.state_size

    @property
    def output_size(self) -> int:
        """The width of what it gives."""
        return self.units

    def output_of(self, state):
        """What the layer gives in a state."""
        return state[0]

    def build(self, input_shape):
        """Creates the kernels; forget gates start open (Jozefowicz et al., 2015)."""
        size = CELLS[self.cell] * self.units
        self.kernel = self.add_weight(shape=(input_shape[-1], size), initializer="glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, size), initializer="orthogonal", name="recurrent_kernel"
        )
        self.bias = self.add_weight(shape=(size,), initializer=self._bias, name="bias")
        if self.cell == "gru":
            self.recurrent_bias = self.add_weight(shape=(self.units,), initializer="zeros", name="recurrent_bias")
        if self.cell == "layer_norm_lstm":
            self.gate_gain = self.add_weight(shape=(4, self.units), initializer="ones", name="gate_gain")
            self.memory_gain = self.add_weight(shape=(self.units,), initializer="ones", name="memory_gain")
            self.memory_shift = self.add_weight(shape=(self.units,), initializer="zeros", name="memory_shift")
        self.built = True

    def _bias(self, shape, dtype=None):
        if self.cell == "gru":
            return ops.zeros(shape, dtype)
        gates = [ops.zeros(self.units, dtype) for _ in range(4)]
        gates[1] = ops.ones(self.units, dtype)
        return ops.concatenate(gates)

    def zero_state(self, batch_size: int) -> list:
        """The state before the first step."""
        return [ops.zeros((batch_size, self.units), self.compute_dtype) for _ in range(self.state_size)]

    def call(self, x, state, training=None):
        """Outputs `(B, T, H)` and the state after the last step, from inputs `(B, T, F)` and the state before them."""
        keep = self._keep(state[0], training)
        plain = self.cell != "layer_norm_lstm"
        if backend.NAME == "torch" and plain and keep is None:
            return self._on_torch(x, state)
        x = ops.swapaxes(x, 0, 1)
        if backend.NAME == "jax" and self.cell == "lstm":
            weights = [ops.convert_to_tensor(part) for part in (self.kernel, self.recurrent_kernel, self.bias)]
            keep = ops.ones_like(state[0]) if keep is None else keep
            outputs, *state = _lstm()(x, *weights, keep, *state)
        else:
            projected = _product(x, self.kernel)
            projected = projected + self.bias if plain else projected

            def scanned(state, projected):
                state = self._update(projected, ops.split(state, self.state_size, axis=-1), keep)
                state = ops.concatenate(state, axis=-1)
                return state, state

            # one array for carry and output: Keras' scan on TensorFlow confuses their shapes
            last, outputs = ops.scan(scanned, ops.concatenate(state, axis=-1), projected)
            outputs, state = outputs[..., : self.units], ops.split(last, self.state_size, axis=-1)
        return ops.swapaxes(outputs, 0, 1), list(state)

    def _keep(self, like, training):
        """What candidates are multiplied by, `(B, H)`, or None."""
        if self.dropout is None or not training:
            return None
        return self.dropout(ops.ones_like(like), training=True)

    def step(self, x, state):
        """The state after one step, from `(B, F)` and the state before; its first array is the output."""
        projected = ops.matmul(x, self.kernel)
        return self._update(projected if self.cell == "layer_norm_lstm" else projected + self.bias, state)

    def _update(self, projected, state, keep=None) -> list:
        if self.cell == "gru":
            (h,) = state
            r, z, n = ops.split(projected, 3, axis=-1)
            hr, hz, hn = ops.split(ops.matmul(h, self.recurrent_kernel), 3, axis=-1)
            z = ops.sigmoid(z + hz)
            n = ops.tanh(n + ops.sigmoid(r + hr) * (hn + self.recurrent_bias))
            return [(1.0 - z) * n + z * h]
        h, c = state
        gates = projected + ops.matmul(h, self.recurrent_kernel)
        if self.cell == "layer_norm_lstm":
            gates = ops.reshape(gates, (-1, 4, self.units))
            gates = numerics.layer_normalized(gates) * self.gate_gain
            gates = ops.reshape(gates, (-1, 4 * self.units)) + self.bias
        i, f, g, o = ops.split(gates, 4, axis=-1)
        g = ops.tanh(g) if keep is None else ops.tanh(g) * keep
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * g
        shown = c
        if self.cell == "layer_norm_lstm":
            shown = numerics.layer_normalized(c) * self.memory_gain + self.memory_shift
        return [ops.sigmoid(o) * ops.tanh(shown), c]

    def _on_torch(self, x, state):
        import torch

        x, state = ops.convert_to_tensor(x), [ops.convert_to_tensor(part)[None].contiguous() for part in state]
        zeros = ops.zeros_like(self.bias)
        if self.cell == "gru":
            zeros = ops.concatenate([zeros[: 2 * self.units], self.recurrent_bias])
        weights = [self.kernel.value.T.contiguous(), self.recurrent_kernel.value.T.contiguous(), self.bias.value, zeros]
        settings = (True, 1, 0.0, False, False, True)
        if self.cell == "gru":
            outputs, h = torch.gru(x, state[0], weights, *settings)
            return outputs, [h[0]]
        outputs, h, c = torch.lstm(x, state, weights, *settings)
        return outputs, [h[0], c[0]]

    def compute_output_spec(self, x, state, training=None):
        """Shapes of what `call` gives."""
        outputs = keras.KerasTensor((*x.shape[:-1], self.units), dtype=self.compute_dtype)
        return outputs, [keras.KerasTensor(part.shape, dtype=self.compute_dtype) for part in state]

    def get_config(self):
        """What `from_config` needs."""
        return {
            **super().get_config(),
            "units": self.units,
            "cell": self.cell,
            "recurrent_dropout": self.recurrent_dropout,
        }


def _product(x, kernel):
    """`x @ kernel`, `(T, B, F)` by `(F, H)`, as a product of matrices: for gradients of any other XLA copies and transposes."""
    return ops.reshape(ops.matmul(ops.reshape(x, (-1, x.shape[-1])), kernel), (*ops.shape(x)[:-1], kernel.shape[-1]))


def before_each(first, states):
    """On JAX: the state before each step, from that before the first `(B, H)` and those after each `(T, B, H)`."""
    from jax import numpy as jnp

    return jnp.concatenate([first[None], states[:-1]])


def gradient_of_kernel(seen, slopes):
    """On JAX: the gradient `(F, H)` of a kernel that met `(T, B, F)` and had `(T, B, H)` come back.

    The barrier makes XLA transpose first and then multiply. Left to itself it does both at once, by another library, which has
    half the rate on one core.
    """
    import jax

    turned = jax.lax.optimization_barrier(seen.reshape(-1, seen.shape[-1]).T)
    return turned @ slopes.reshape(-1, slopes.shape[-1])


@functools.cache
def _lstm():
    """The LSTM over all steps on JAX, with its gradient written out.

    What autodiff does differently: it adds to the gradient of the kernel at each step, a (H, 4H) matrix read and written T
    times. Here the steps keep the gradients of the gates, and one product over all steps gives those of kernels and bias.
    """
    import jax
    from jax import numpy as jnp

    def sigmoid(z):
        return 0.5 * jnp.tanh(0.5 * z) + 0.5  # XLA's tanh is much faster than its exp

    def step(carry, projected, recurrent, bias, keep):
        h, c = carry
        i, f, g, o = jnp.split(projected + h @ recurrent + bias, 4, axis=-1)
        gates = sigmoid(i), sigmoid(f), jnp.tanh(g), sigmoid(o)
        i, f, g, o = gates
        c = f * c + i * g * keep
        return (o * jnp.tanh(c), c), gates

    @jax.custom_vjp
    def run(x, kernel, recurrent, bias, keep, h, c):
        units = h.shape[-1]
        halves = jnp.repeat(jnp.array([0.5, 0.5, 1.0, 0.5], h.dtype), units)

        def one(carry, projected):
            # as `step`, where nobody asks for gates: then XLA computes one tanh of all in less than half of the time
            h, c = carry
            i, f, g, o = jnp.split(jnp.tanh((projected + h @ recurrent + bias) * halves), 4, axis=-1)
            c = (0.5 * f + 0.5) * c + (0.5 * i + 0.5) * g * keep
            h = (0.5 * o + 0.5) * jnp.tanh(c)
            return (h, c), h

        (last_h, last_c), hs = jax.lax.scan(one, (h, c), _product(x, kernel))
        return hs, last_h, last_c

    def forward(x, kernel, recurrent, bias, keep, h, c):
        def one(carry, projected):
            carry, gates = step(carry, projected, recurrent, bias, keep)
            return carry, (*carry, gates)

        (last_h, last_c), (hs, cs, gates) = jax.lax.scan(one, (h, c), _product(x, kernel))
        return (hs, last_h, last_c), (x, kernel, recurrent, keep, h, c, hs, cs, gates)

    def backward(kept, slopes):
        x, kernel, recurrent, keep, h, c, hs, cs, gates = kept
        d_hs, d_last_h, d_last_c = slopes
        transposed = recurrent.T

        def one(carry, given):
            d_h, d_c = carry
            d_out, before, c, (i, f, g, o) = given
            bent = jnp.tanh(c)
            d_h = d_h + d_out
            d_c = d_c + d_h * o * (1.0 - bent * bent)
            d_z = [d_c * (keep * g * i * (1.0 - i)), d_c * (before * f * (1.0 - f)), d_c * (keep * i * (1.0 - g * g))]
            d_z = jnp.concatenate([*d_z, d_h * (bent * o * (1.0 - o))], axis=-1)
            return (d_z @ transposed, d_c * f), d_z

        (d_h, d_c), d_z = jax.lax.scan(one, (d_last_h, d_last_c), (d_hs, before_each(c, cs), cs, gates), reverse=True)
        # the bias is a kernel that meets ones
        seen = jnp.concatenate([x, before_each(h, hs), jnp.ones((*x.shape[:-1], 1), x.dtype)], axis=-1)
        d_kernel, d_recurrent, d_bias = jnp.split(gradient_of_kernel(seen, d_z), [x.shape[-1], seen.shape[-1] - 1])
        no_slope = jnp.zeros_like(keep)  # a constant of dropout
        return _product(d_z, kernel.T), d_kernel, d_recurrent, d_bias[0], no_slope, d_h, d_c

    run.defvjp(forward, backward)
    return run
