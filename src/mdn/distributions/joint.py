"""Joint: several independent named parts of one step, such as an offset and a pen."""

from __future__ import annotations

from typing import Any

from keras import ops

from mdn import numerics
from mdn.distributions.distribution import Distribution
from mdn.distributions.value import value


@value
class Joint(Distribution):
    """Independent named parts. A target is a dict, or one array with the parts side by side in order.

    `log_prob` sums the parts; `sample`, `mean`, `variance` and `mode` return dicts.

    Args:
        parts: `{name: distribution}`, all with the same batch shape.

    Example:
        >>> import mdn, numpy as np
        >>> both = mdn.Joint({'place': mdn.Normal([0.0], [1.0]), 'pen': mdn.Categorical(np.zeros(2))})
        >>> round(float(both.log_prob({'place': [0.0], 'pen': [1.0]})), 3)
        -1.612
    """

    parts: Any

    def __post_init__(self):
        parts = dict(self.parts)
        if not parts:
            raise ValueError("Joint needs at least one part, such as Joint({'offset': mixture, 'pen': categorical}).")
        for name, part in parts.items():
            if not isinstance(part, Distribution):
                raise TypeError(f"part {name!r} of Joint must be a distribution, but a {type(part).__name__} came.")
        shapes = {name: part.batch_shape for name, part in parts.items()}
        if len(set(shapes.values())) > 1:
            raise ValueError(f"parts of a Joint must have one batch shape, but {shapes} came.")
        self._set(parts=parts)

    @property
    def event_size(self):
        return sum(part.event_size for part in self.parts.values())

    @property
    def batch_shape(self):
        return next(iter(self.parts.values())).batch_shape

    def _tensors(self):
        return [tensor for part in self.parts.values() for tensor in part._tensors()]

    def split(self, y) -> dict:
        """Splits one array, parts side by side, into a dict of arrays; a dict is checked and returned."""
        return split_parts({name: part.event_size for name, part in self.parts.items()}, y)

    def _as_event(self, y):
        return {
            name: part._as_event(value)
            for (name, part), value in zip(self.parts.items(), self.split(y).values(), strict=True)
        }

    def _as_bounds(self, y):
        raise ValueError("an Interval has no meaning for a Joint. Ask a part: joint.parts[name].log_prob(interval).")

    def _log_prob(self, y):
        return sum(part._log_prob(y[name]) for name, part in self.parts.items())

    def _log_prob_of_missing(self, y):
        return sum(part._log_prob_of_missing(y[name]) for name, part in self.parts.items())

    def mean(self):
        return {name: part.mean() for name, part in self.parts.items()}

    def variance(self):
        return {name: part.variance() for name, part in self.parts.items()}

    def mode(self):
        return {name: part.mode() for name, part in self.parts.items()}

    def _sample(self, sample_shape, stream):
        return {name: part._sample(sample_shape, stream) for name, part in self.parts.items()}

    def energy_score(self, y, num_samples: int = 256, seed=None):
        """A Joint has no energy score: its parts have units of their own.

        Args:
            y, num_samples, seed: Not used.

        Raises:
            ValueError: always; ask a part: `joint.parts[name].energy_score(y)`.
        """
        raise self._meaningless("energy_score")

    def marginal(self, dims):
        """A Joint has no marginal: its parts have units of their own.

        Raises:
            ValueError: always; ask a part: `joint.parts[name].marginal(dims)`.
        """
        raise self._meaningless("marginal")

    def condition(self, given):
        """A Joint cannot be conditioned: its parts have units of their own.

        Raises:
            ValueError: always; ask a part: `joint.parts[name].condition(given)`.
        """
        raise self._meaningless("condition")

    def covariance(self):
        """A Joint has no covariance: its parts have units of their own.

        Raises:
            ValueError: always; ask a part: `joint.parts[name].covariance()`.
        """
        raise self._meaningless("covariance")

    def _require_line(self, method, instead=""):
        raise self._meaningless(method)

    def _meaningless(self, method):
        return ValueError(
            f"{method}() has no meaning for a Joint, whose parts have units of their own. "
            f"Ask a part: joint.parts[name].{method}()."
        )

    def _map(self, function):
        return self._new({name: part._map(function) for name, part in self.parts.items()})

    def _with_temperature(self, component, variance):
        return self._new({name: part._with_temperature(component, variance) for name, part in self.parts.items()})

    def __repr__(self):
        return f"Joint({self.parts!r})"


def split_parts(sizes: dict, y) -> dict:
    """Turns a target, a dict or one array, into a dict with the names of `sizes`."""
    if isinstance(y, dict):
        if set(y) != set(sizes):
            raise ValueError(f"`y` must have the parts {list(sizes)}, but {list(y)} came.")
        return {name: y[name] for name in sizes}
    y = numerics.as_tensor(y)
    total = sum(sizes.values())
    if len(y.shape) == 0 or y.shape[-1] != total:
        listed = ", ".join(f"{name} {size}" for name, size in sizes.items())
        raise ValueError(f"`y` must end in an axis of {total} ({listed}), but its shape is {tuple(y.shape)}.")
    parts, first = {}, 0
    for name, size in sizes.items():
        parts[name] = y[..., first : first + size]
        first += size
    return parts


def join_parts(sizes: dict, y):
    """The inverse of `split_parts`."""
    parts = split_parts(sizes, y)
    return ops.concatenate([numerics.as_tensor(parts[name]) for name in sizes], axis=-1)
