"""A step's draw from noise that is given: the same noise, the same event, in a stream, a rollout or an exported file."""

from __future__ import annotations

import math

import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions import JointSpec, Spec
from mdn.random import Stream


class Sampler:
    """Draws from packed parameters with noise as an input.

    Args:
        spec: Of the parameters.

    Attributes:
        uniforms, normals: How many numbers of each kind a row's draw needs.
    """

    def __init__(self, spec: Spec):
        self.spec = spec
        counted = _Counted()
        spec(np.zeros((1, spec.params_size), "float32"))._sample((), counted)
        self.uniforms, self.normals = counted.uniforms, counted.normals

    def __call__(self, params, uniforms, normals, component_temperature=1.0, variance_temperature=1.0):
        """One event a row.

        Args:
            params: Packed, shape `(B, params_size)`.
            uniforms: In (0, 1), shape `(B, self.uniforms)`.
            normals: Standard normal, shape `(B, self.normals)`.
            component_temperature: Above 1 the weights are more alike, below less.
            variance_temperature: What variances are multiplied by.
        Returns:
            Shape `(B, spec.target_size)`.
        """
        distribution = self.spec(params)._with_temperature(component_temperature, variance_temperature)
        return self.draw(distribution, uniforms, normals)

    def draw(self, distribution, uniforms, normals):
        """One event a row, `(B, spec.target_size)`, of a distribution of this spec whose temperatures are as they should be."""
        drawn = distribution._sample((), _Given(uniforms, normals))
        return self.spec.join(drawn) if isinstance(self.spec, JointSpec) else drawn


def check_temperatures(component, variance) -> None:
    """Raises a ValueError if one of the temperatures is negative or not finite."""
    if not (0.0 <= component < math.inf and 0.0 <= variance < math.inf):
        name, value = ("variance", variance) if 0.0 <= component < math.inf else ("component", component)
        raise ValueError(f"`{name}_temperature` must be a finite number, 0 or above, but {value} came.")


class Noise:
    """Uniform and standard normal numbers for step after step, drawn by NumPy, so that a seed means the same on each backend.

    Asking for 3 steps and then 5 gives the same numbers as asking for 8.

    Args:
        seed: An int, or None for fresh noise.
        rows: B.
        sampler: Whose needs are met.
    """

    def __init__(self, seed, rows: int, sampler: Sampler):
        first, second = np.random.SeedSequence(seed).spawn(2)
        self._uniform, self._normal = np.random.default_rng(first), np.random.default_rng(second)
        self._shapes = (rows, sampler.uniforms), (rows, sampler.normals)

    def steps(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Uniforms `(count, B, U)` and normals `(count, B, N)` for the next steps, float32."""
        tiny = float(numerics.epsilon()) * 2.0**-8
        uniforms = np.clip(self._uniform.random((count, *self._shapes[0])).astype("float32"), tiny, 1.0 - 2.0**-24)
        return uniforms, self._normal.standard_normal((count, *self._shapes[1])).astype("float32")


class _Given(Stream):
    """What a distribution takes for a stream of random numbers: rows of them, from left to right."""

    def __init__(self, uniforms, normals):
        self._uniforms, self._normals = uniforms, normals
        self._used = [0, 0]

    def uniform(self, shape):
        """The next uniforms, of shape `(B, ...)`."""
        return self._take(0, self._uniforms, shape)

    def normal(self, shape):
        """The next normals, of shape `(B, ...)`."""
        return self._take(1, self._normals, shape)

    def _take(self, kind, numbers, shape):
        count, first = int(np.prod(shape[1:])), self._used[kind]
        self._used[kind] += count
        return ops.reshape(numbers[:, first : first + count], (-1, *shape[1:]))


class _Counted(Stream):
    """Counts how many numbers a row's draw takes."""

    def __init__(self):
        self.uniforms = self.normals = 0

    def uniform(self, shape):
        """Something in (0, 1)."""
        self.uniforms += int(np.prod(shape[1:]))
        return ops.full(shape, 0.5)

    def normal(self, shape):
        """Zeros."""
        self.normals += int(np.prod(shape[1:]))
        return ops.zeros(shape)
