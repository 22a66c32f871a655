"""Recurrent: an LSTM or GRU over a whole sequence or one step, with its state as an argument and a result."""

from __future__ import annotations

import keras
from keras import ops

from mdn import backend, kernels, numerics
from mdn.distributions.spec import serializable
from mdn.kernels.recurrent import lstm

CELLS = {"lstm": 4, "gru": 3, "layer_norm_lstm": 4}
"""Gates of each cell. LSTMs: input, forget, candidate, output. GRU: reset, update, candidate."""


@serializable
class Recurrent(keras.layers.Layer):
    r"""An LSTM (state `[h, c]`) or a GRU (state `[h]`) layer whose state is explicit.

    LSTM: :math:`c' = \sigma(f) c + \sigma(i) \tanh(g), h' = \sigma(o) \tanh(c')`. GRU: :math:`h' = (1 - z) n + z h` with
    :math:`n = \tanh(W x + b + r (U h + b_h))`. Gates lie side by side in the kernels, in the order of `CELLS`. With layer
    normalisation, the inputs of each gate, and the :math:`c'` from which :math:`h'` is computed, are scaled to mean 0 and
    variance 1, and then by a learnt gain and shift.

    Args:
        units: H, the size of the state.
        cell: "lstm", "gru" or "layer_norm_lstm".
        recurrent_dropout: Share of an LSTM's candidates g left out in training, the same ones at all steps of a sequence; the
            memory c itself is never left out.

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
        """The width of each array of its state."""
        return [self.units] * self.state_size

    @property
    def output_size(self) -> int:
        """The width of its output."""
        return self.units

    def output_of(self, state):
        """The output of the layer in a state."""
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
        if backend.NAME == "torch" and plain and keep is None and kernels.on():
            return self._on_torch(x, state)
        x = ops.swapaxes(x, 0, 1)
        if backend.NAME == "jax" and self.cell == "lstm" and kernels.on():
            weights = [ops.convert_to_tensor(part) for part in (self.kernel, self.recurrent_kernel, self.bias)]
            keep = ops.ones_like(state[0]) if keep is None else keep
            outputs, *state = lstm()(x, *weights, keep, *state)
        else:
            projected = numerics.product(x, self.kernel)
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
        """The factors of the candidates under dropout, `(B, H)`; None without dropout."""
        if self.dropout is None or not training:
            return None
        return self.dropout(ops.ones_like(like), training=True)

    def step(self, x, state):
        """The state after one step, from inputs `(B, F)` and the state before; its first array is the output."""
        projected = ops.matmul(x, self.kernel)
        # under a policy of half precision dtypes differ here, and TensorFlow does not mix them
        state = [ops.cast(part, projected.dtype) for part in state]
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
        """The shapes of the results of `call`."""
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
