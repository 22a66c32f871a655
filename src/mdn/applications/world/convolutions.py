"""Convolutions that halve or double a picture, as matrix products: on a CPU their gradients take a third of the time of
`keras.layers.Conv2D` and `Conv2DTranspose` with strides, whose backward passes multiply by the zeros between strided places.
"""

from __future__ import annotations

import keras
from keras import ops

from mdn.distributions.spec import serializable


class _Convolution(keras.layers.Layer):
    """A kernel of 4 by 4 pixels that moves by 2, with a bias."""

    def __init__(self, filters: int, **settings):
        super().__init__(**settings)
        self.filters = filters

    def get_config(self):
        """What `from_config` needs."""
        return {**super().get_config(), "filters": self.filters}


@serializable
class Halve(_Convolution):
    """`(B, H, W, C)` to `(B, H/2, W/2, filters)`: Conv2D of a 4 by 4 kernel, strides 2 and "same" padding, to the float."""

    def build(self, shape):
        """Makes kernel and bias."""
        self.kernel = self.add_weight(
            shape=(4, 4, shape[-1], self.filters), initializer="glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, inputs):
        """The smaller picture."""
        _, height, width, channels = inputs.shape
        rows, columns = height // 2, width // 2
        padded = ops.pad(inputs, ((0, 0), (1, 1), (1, 1), (0, 0)))
        # blocks of 2 by 2 pixels; a kernel covers 2 by 2 of them
        blocks = ops.reshape(padded, (-1, rows + 1, 2, columns + 1, 2, channels))
        blocks = ops.reshape(ops.transpose(blocks, (0, 1, 3, 2, 4, 5)), (-1, rows + 1, columns + 1, 4 * channels))
        patches = ops.concatenate([blocks[:, i : i + rows, j : j + columns] for i in (0, 1) for j in (0, 1)], axis=-1)
        kernel = ops.reshape(self.kernel, (2, 2, 2, 2, channels, self.filters))
        kernel = ops.reshape(ops.transpose(kernel, (0, 2, 1, 3, 4, 5)), (16 * channels, self.filters))
        return ops.matmul(patches, kernel) + self.bias


@serializable
class Double(_Convolution):
    """`(B, H, W, C)` to `(B, 2H, 2W, filters)`: the transpose of `Halve`, Conv2DTranspose to the float."""

    def build(self, shape):
        """Makes kernel and bias."""
        self.kernel = self.add_weight(
            shape=(4, 4, self.filters, shape[-1]), initializer="glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")

    def call(self, inputs):
        """The larger picture."""
        _, rows, columns, channels = inputs.shape
        kernel = ops.reshape(self.kernel, (2, 2, 2, 2, self.filters, channels))
        kernel = ops.reshape(ops.transpose(kernel, (0, 2, 1, 3, 4, 5)), (16 * self.filters, channels))
        painted = ops.matmul(inputs, ops.transpose(kernel))  # the contribution of each place to its 4 by 4 pixels
        painted = ops.reshape(painted, (-1, rows, columns, 4, 4 * self.filters))
        blocks = sum(
            ops.pad(painted[:, :, :, 2 * i + j], ((0, 0), (i, 1 - i), (j, 1 - j), (0, 0)))
            for i in (0, 1)
            for j in (0, 1)
        )
        blocks = ops.reshape(blocks, (-1, rows + 1, columns + 1, 2, 2, self.filters))
        whole = ops.reshape(
            ops.transpose(blocks, (0, 1, 3, 2, 4, 5)), (-1, 2 * rows + 2, 2 * columns + 2, self.filters)
        )
        return whole[:, 1:-1, 1:-1] + self.bias
