"""What constructors and methods ask of their arguments: shapes that fit, values that can be."""

from __future__ import annotations

import math

import numpy as np
from keras import ops

from mdn import numerics


def as_shape(shape, name: str) -> tuple[int, ...]:
    """An int or a tuple of ints as a tuple of ints, or a ValueError."""
    shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    if any(not isinstance(n, int | np.integer) or n < 0 for n in shape):
        raise ValueError(f"`{name}` must be an int or a tuple of ints >= 0, but {shape} came.")
    return tuple(int(n) for n in shape)


def broadcast_shapes(name: str, *shapes) -> tuple:
    """The common shape, or a ValueError that shows all of them."""
    try:
        return tuple(np.broadcast_shapes(*(tuple(shape) for shape in shapes)))
    except ValueError:
        listed = ", ".join(str(tuple(shape)) for shape in shapes)
        raise ValueError(f"{name} must broadcast against one another, but their shapes are {listed}.") from None


def check_finite(family: str, **tensors) -> None:
    """Raises ValueError, naming the argument, where a concrete tensor is empty or holds NaN or inf."""
    for name, tensor in tensors.items():
        if 0 in tuple(tensor.shape):
            raise ValueError(
                f"`{name}` of {family} is empty, its shape is {tuple(tensor.shape)}: at least one value is needed."
            )
        numerics.check(
            lambda tensor=tensor: ops.isfinite(tensor),
            f"`{name}` of {family} must be finite, but NaN or inf came.",
            tensor,
        )


def check_positive(family: str, **tensors) -> None:
    """Raises ValueError, naming the argument, where a concrete tensor has entries that are not positive."""
    for name, tensor in tensors.items():
        numerics.check(
            lambda tensor=tensor: tensor > 0.0,
            f"`{name}` of {family} must be positive, but an entry is 0 or negative. Pass it through softplus or exp first.",
            tensor,
        )


def prod(shape) -> int:
    """Product of a shape."""
    return math.prod(shape)
