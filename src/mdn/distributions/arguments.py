"""Checks of the arguments of constructors and methods: shapes that fit, values that are allowed."""

from __future__ import annotations

import math

import keras
import numpy as np

from mdn import backend, numerics


class ShapeError(ValueError, AssertionError):
    """Parameters have the wrong size. It is also an AssertionError, which keras-mdn-layer raised.

    Example:
        >>> import mdn, numpy as np
        >>> try:
        ...     mdn.NormalSpec(2)(np.zeros((5, 3)))
        ... except mdn.ShapeError:
        ...     print('4 numbers were expected, not 3')
        4 numbers were expected, not 3
    """


def as_shape(shape, name: str) -> tuple[int, ...]:
    """Turns an int or a tuple of ints >= 0 into a tuple of ints; raises a ValueError for anything else."""
    shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    if any(not isinstance(n, int | np.integer) or n < 0 for n in shape):
        raise ValueError(f"`{name}` must be an int or a tuple of ints >= 0, but {shape} came.")
    return tuple(int(n) for n in shape)


def as_event(y, event_size: int):
    """`y` as a tensor; raises a ValueError if its last axis is not one event."""
    y = numerics.as_tensor(y)
    if len(y.shape) == 0 or y.shape[-1] != event_size:
        hint = " A univariate target keeps its last axis: y[..., None]." if event_size == 1 else ""
        raise ValueError(
            f"`y` must end in an axis of event_size={event_size}, but its shape is {tuple(y.shape)}.{hint}"
        )
    return y


def as_probability(q):
    """`q` as a tensor; raises a ValueError if it is concrete and lies outside [0, 1]."""
    q = numerics.as_tensor(q)
    numerics.check(
        lambda q: (q >= 0.0) & (q <= 1.0),
        "`q` must lie in [0, 1]: it is a probability such as 0.05, not a percentage.",
        q,
    )
    return q


def as_coverage(coverage):
    """`coverage` as a tensor; raises a ValueError if it is concrete and lies outside (0, 1)."""
    coverage = numerics.as_tensor(coverage)
    numerics.check(
        lambda coverage: (coverage > 0.0) & (coverage < 1.0),
        "`coverage` must lie in (0, 1): 0.9 for a 90 % interval.",
        coverage,
    )
    return coverage


def check_count(name: str, value) -> int:
    """`value` as a positive int.

    Args:
        name: The name of the argument, for the message.
        value: What came.

    Raises:
        ValueError: if it is no int of at least 1, or a flag.
    """
    if not numerics.is_whole(value) or value < 1:
        raise ValueError(f"`{name}` must be an int of at least 1, but {value!r} came.")
    return int(value)


def checked_dims(dims, event_size: int) -> tuple[int, ...]:
    """Turns an int or a sequence of distinct ints into coordinates of an event; negative ones count from the end."""
    dims = (dims,) if isinstance(dims, int | np.integer) else tuple(dims)
    for dim in dims:
        if not numerics.is_whole(dim) or not -event_size <= dim < event_size:
            raise ValueError(
                f"there is no coordinate {dim!r} in an event of size {event_size}: name ints from 0 to {event_size - 1}."
            )
    dims = tuple(int(dim) % event_size for dim in dims)
    if not dims or len(set(dims)) != len(dims):
        raise ValueError(f"coordinates must be distinct and at least one, but {dims} came.")
    return dims


def places_of(index, batch_shape: tuple) -> np.ndarray | None:
    """The places in the flattened batch that an index with masks, lists or arrays names; None if it has none of them."""
    parts = [_as_array(part) for part in (index if isinstance(index, tuple) else (index,))]
    arrays = any(isinstance(part, list) or (isinstance(part, np.ndarray) and part.ndim) for part in parts)
    if (
        not arrays
        or None in batch_shape
        or not backend.is_concrete(*(part for part in parts if keras.ops.is_tensor(part)))
    ):
        return None  # the backend's own indexing has to do
    return np.arange(math.prod(batch_shape)).reshape(batch_shape)[tuple(parts)]


def _as_array(part):
    """A part of an index: tensors of any axes whose values can be read become arrays."""
    if hasattr(part, "shape") and len(part.shape) and not isinstance(part, np.ndarray) and backend.is_concrete(part):
        return np.asarray(keras.ops.convert_to_numpy(part))
    return part


def checked_index(index, batch_shape: tuple) -> tuple:
    """Turns an index of numbers, slices and None into a tuple without Ellipsis; an IndexError if it names what is not there."""
    index, rank = index if isinstance(index, tuple) else (index,), len(batch_shape)
    at = next((place for place, part in enumerate(index) if part is Ellipsis), None)
    if at is not None:
        taken = sum(part is not None for part in index) - 1
        index = index[:at] + (slice(None),) * (rank - taken) + index[at + 1 :]
    if sum(part is not None for part in index) > rank:
        raise IndexError(f"the batch has {rank} axes, {batch_shape}, but the index {index} names more.")
    for part, size in zip((part for part in index if part is not None), batch_shape, strict=False):
        if getattr(part, "shape", None) == () and backend.is_concrete(part):  # an array of no axes
            part = keras.ops.convert_to_numpy(part).item()
        # JAX would take the last one instead
        if numerics.is_whole(part) and size is not None and not -size <= part < size:
            raise IndexError(f"there is no place {part} in a batch of shape {batch_shape}.")
    return index


def broadcast_shapes(name: str, *shapes) -> tuple:
    """The shape to which all of them broadcast, or a ValueError that shows them."""
    try:
        return tuple(np.broadcast_shapes(*(tuple(shape) for shape in shapes)))
    except ValueError:
        listed = ", ".join(str(tuple(shape)) for shape in shapes)
        raise ValueError(f"{name} must broadcast against one another, but their shapes are {listed}.") from None


def check_finite(family: str, **tensors) -> None:
    """Raises a ValueError that names the argument if a tensor is empty, or is concrete and holds NaN or inf."""
    for name, tensor in tensors.items():
        if 0 in tuple(tensor.shape):
            raise ValueError(
                f"`{name}` of {family} is empty, its shape is {tuple(tensor.shape)}: at least one value is needed."
            )
        numerics.check(
            np.isfinite,
            f"`{name}` of {family} must be finite, but NaN or inf came.",
            tensor,
        )


def check_positive(family: str, **tensors) -> None:
    """Raises a ValueError that names the argument if a concrete tensor has an entry that is not positive."""
    for name, tensor in tensors.items():
        numerics.check(
            lambda tensor: tensor > 0.0,
            f"`{name}` of {family} must be positive, but an entry is 0 or negative. Pass it through softplus or exp first.",
            tensor,
        )


def prod(shape) -> int:
    """Product of a shape."""
    return math.prod(shape)
