"""Value: the base class that makes a distribution an immutable value, a batch of values, and a pytree of JAX."""

from __future__ import annotations

import dataclasses
import functools
from dataclasses import dataclass
from typing import Any, TypeVar, dataclass_transform

import keras
import numpy as np
from keras import ops

from mdn import backend, numerics
from mdn.distributions.arguments import checked_index, places_of

Family = TypeVar("Family", bound=type)


def static() -> Any:
    """Declares a field that holds a plain value with a hash instead of tensors; it is the same for the whole batch."""
    return dataclasses.field(metadata={"static": True})


@dataclass_transform(frozen_default=True, eq_default=False, field_specifiers=(static,))
def value(cls: Family) -> Family:
    """Makes a class of distributions a frozen dataclass, and a pytree of JAX whose leaves are its fields."""
    dataclass(frozen=True, eq=False, repr=False)(cls)  # this changes `cls` itself
    fields = dataclasses.fields(cls)
    plain = tuple(field.name for field in fields if field.metadata.get("static"))
    backend.register_pytree(cls, tuple(field.name for field in fields), plain)
    return cls


class Value:
    """A frozen dataclass of tensors, one value for each point of a batch."""

    @classmethod
    def _new(cls, *fields):
        """Makes an instance from fields that are known to be valid, without conversion or check."""
        value = object.__new__(cls)
        for field, content in zip(dataclasses.fields(cls), fields, strict=True):  # type: ignore[arg-type]
            object.__setattr__(value, field.name, content)
        return value

    def _set(self, **fields) -> None:
        for name, content in fields.items():
            object.__setattr__(self, name, content)

    @property
    def event_size(self) -> int:
        """`D`, the number of coordinates of one draw."""
        raise NotImplementedError

    @property
    def batch_shape(self) -> tuple:
        """The leading axes; each of their points has its own distribution."""
        raise NotImplementedError

    @property
    def dtype(self) -> str:
        """The dtype of the parameters."""
        return numerics.float_dtype()

    def _tensors(self) -> list:
        """All parameters in the order of the fields."""
        return [getattr(self, field.name) for field in dataclasses.fields(self)]  # type: ignore[arg-type]

    def _map(self, function):
        """The distribution with `function` applied to each parameter."""
        return self._new(*(function(tensor) for tensor in self._tensors()))

    def _held(self):
        """This distribution with parameters that carry no gradient.

        What is computed from it and held fixed costs no derivative: JAX would trace one, and drop it in the end.
        """
        return self._map(ops.stop_gradient)

    def _run(self, method, *tensors, static: tuple = (), event_axes: int | None = None):
        """method(*tensors, *static); JAX compiles it once for all distributions of the same class and shapes.

        Args:
            method: A method of this distribution.
            *tensors: Its first arguments, tensors.
            static: Its other arguments, plain values.
            event_axes: How many axes at the end of each result are no batch. Where a parameter is NaN the result is NaN then:
                a search or a draw compares numbers, which with NaN ends somewhere and looks like an answer.
        """
        backend.use()
        return _call(self, *tensors, method=method.__func__, static=static, event_axes=event_axes)

    def _lost(self):
        """Where a parameter is NaN, booleans of shape `(*batch,)`."""
        rank, found = len(self.batch_shape), []
        for part in self._tensors():
            rest = tuple(range(rank, len(part.shape)))
            found.append(ops.any(ops.isnan(part), axis=rest) if rest else ops.isnan(part))
        return functools.reduce(ops.logical_or, found)

    def _nan_where_lost(self, answer, event_axes: int, lost=None):
        """`answer`, a tensor or a dict of tensors, with NaN where a parameter is NaN.

        Args:
            answer: The tensors.
            event_axes: As in `_run`.
            lost: What `_lost()` returns, where it is known already.
        """
        lost = self._lost() if lost is None else lost
        for _ in range(event_axes):
            lost = ops.expand_dims(lost, -1)
        return keras.tree.map_structure(lambda part: ops.where(lost, np.nan, part), answer)

    # ---- a batch of values --------------------------------------------------------------------------------------------

    def __getitem__(self, index):
        """The distributions at `index` of the batch, indexed like a NumPy array of distributions: by masks and places, too.

        Raises:
            IndexError: if the batch has fewer axes, or a mask or a place does not fit it.
        """
        places = places_of(index, self.batch_shape)
        if places is None:
            return self._index(checked_index(index, self.batch_shape))
        rank = len(self.batch_shape)

        def taken(tensor):
            event = tuple(tensor.shape)[rank:]
            flat = ops.take(ops.reshape(tensor, (-1, *event)), places.reshape(-1), axis=0)
            return ops.reshape(flat, (*places.shape, *event))

        return self._map(taken)

    def _index(self, index):
        return self._map(lambda tensor: tensor[index])

    def __iter__(self):
        if not self.batch_shape:
            raise TypeError(f"this {type(self).__name__} has no batch to iterate over; its batch_shape is ().")
        return (self[i] for i in range(self.batch_shape[0]))

    def __len__(self):
        if not self.batch_shape:
            raise TypeError(f"this {type(self).__name__} has no batch, hence no length.")
        return self.batch_shape[0]

    def __bool__(self):
        return True

    def __repr__(self):
        return f"{type(self).__name__}(batch_shape={self.batch_shape}, event_size={self.event_size})"


@backend.compiled(static=("method", "static", "event_axes"))
def _call(distribution, *tensors, method, static, event_axes):
    answer = method(distribution, *tensors, *static)
    return answer if event_axes is None else distribution._nan_where_lost(answer, event_axes)
