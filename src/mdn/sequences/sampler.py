"""Draws an event from noise that is an input: the same noise gives the same event in a stream, a rollout and a file."""

from __future__ import annotations

import math

import numpy as np
from keras import ops

from mdn import numerics
from mdn.distributions import Spec
from mdn.distributions.discrete import draw_index
from mdn.random import Draws


class Sampler:
    """Draws from packed parameters with noise as an input.

    Args:
        spec: The spec of an event.

    Attributes:
        uniforms, normals: How many numbers of each kind the draw of one row needs.
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
            component_temperature: Above 1 the weights become more alike, below 1 less.
            variance_temperature: Multiplies all variances.
        Returns:
            Shape `(B, spec.target_size)`.
        """
        distribution = self.spec(params)._with_temperature(component_temperature, variance_temperature)
        return self.draw(distribution, uniforms, normals)

    def parted(self, noise):
        """Splits noise of `Noise.steps` into uniforms `(..., B, U)` and normals `(..., B, N)`."""
        return noise[..., : self.uniforms], noise[..., self.uniforms :]

    def draw(self, distribution, uniforms, normals, sample_shape=()):
        """Events `(*sample_shape, B, spec.target_size)` from a distribution of this spec; temperatures are applied already.

        An event is NaN where a parameter of its row is NaN.
        """
        drawn = distribution._sample(sample_shape, _Prepared(uniforms, normals))
        return self.spec.join(distribution._nan_where_lost(drawn, event_axes=1))


class Guided(Sampler):
    r"""Draws events that the context makes more likely than they are without it.

    Draws several events :math:`y_i` from :math:`p(y \mid \mathrm{context})`, with the temperatures, and keeps one of them, with
    probability proportional to :math:`(p(y_i \mid \mathrm{context}) / p(y_i))^g`, without temperatures. That is about a draw
    from :math:`p(y \mid \mathrm{context})^{1+g} / p(y)^g`, which is no mixture and can't be drawn from directly.

    Args:
        spec: The spec of an event.
        candidates: How many events are drawn to choose from.

    Reference:
        Ho & Salimans (2022), Classifier-free diffusion guidance; the choice is importance resampling, Rubin (1988).
    """

    def __init__(self, spec: Spec, candidates: int = 8):
        super().__init__(spec)
        self.candidates, self._each = candidates, (self.uniforms, self.normals)
        self.uniforms, self.normals = candidates * self.uniforms + 1, candidates * self.normals

    def __call__(self, params, uniforms, normals, component_temperature=1.0, variance_temperature=1.0, guidance=1.0):
        """One event a row, as `Sampler`.

        Args:
            params: Packed, shape `(2 B, params_size)`: B rows with the context, then the same rows without it.
            uniforms, normals: Noise for all candidates, and one more uniform that chooses among them.
            component_temperature, variance_temperature: As for `Sampler`.
            guidance: g.
        """
        with_context, without = (self.spec(part) for part in ops.split(params, 2, axis=0))
        each_uniforms, each_normals = (
            ops.transpose(ops.reshape(part, (ops.shape(part)[0], self.candidates, count)), (1, 0, 2))
            for part, count in zip((uniforms[:, :-1], normals), self._each, strict=True)
        )
        tempered = with_context._with_temperature(component_temperature, variance_temperature)
        events = self.draw(tempered, each_uniforms, each_normals, (self.candidates,))
        odds = guidance * numerics.log_odds(with_context.log_prob(events), without.log_prob(events))
        chosen = draw_index(ops.softmax(ops.transpose(odds)), (), _Prepared(uniforms[:, -1:], normals))
        return without._nan_where_lost(ops.take_along_axis(events, chosen[None, :, None], axis=0)[0], event_axes=1)


def check_temperatures(component, variance, guidance=0.0) -> None:
    """Raises a ValueError if one of the arguments is negative or not finite."""
    named = {"component_temperature": component, "variance_temperature": variance, "guidance": guidance}
    for name, value in named.items():
        if not 0.0 <= value < math.inf:
            raise ValueError(f"`{name}` must be a finite number, 0 or above, but {value} came.")


class Noise:
    """Uniform and standard normal numbers, step by step; NumPy draws them, so that a seed means the same on each backend.

    Asking for 3 steps and then 5 gives the same numbers as asking for 8.

    Args:
        seed: An int, or None for fresh noise.
        rows: B.
        sampler: Says how many numbers of each kind a row needs.
    """

    def __init__(self, seed, rows: int, sampler: Sampler):
        entropy = np.random.SeedSequence().entropy if seed is None else seed
        # The same generators as from SeedSequence.spawn and default_rng, in a third of the time
        self._uniform, self._normal = (
            np.random.Generator(np.random.PCG64(np.random.SeedSequence(entropy, spawn_key=(i,)))) for i in range(2)
        )
        self._rows, self._uniforms, self._normals = rows, sampler.uniforms, sampler.normals

    def steps(self, count: int, size: int = 0) -> np.ndarray:
        """Noise `(count, B, U + N)` for the next steps, float32, uniforms first.

        Steps beyond `count`, up to `size`, are padded with 0.5.
        """
        noise = np.full((max(count, size), self._rows, self._uniforms + self._normals), 0.5, "float32")
        uniforms = self._uniform.random((count, self._rows, self._uniforms)).astype("float32")
        tiny = float(numerics.epsilon()) * 2.0**-8
        noise[:count, :, : self._uniforms] = np.minimum(np.maximum(uniforms, tiny), 1.0 - 2.0**-24)
        noise[:count, :, self._uniforms :] = self._normal.standard_normal((count, self._rows, self._normals))
        return noise


class _Prepared(Draws):
    """A stream of random numbers that reads them from arrays `(..., count)`, from left to right."""

    def __init__(self, uniforms, normals):
        self._uniforms, self._normals = uniforms, normals
        self._used = [0, 0]

    def uniform(self, shape):
        """The next uniforms, of shape `(..., k)`."""
        return self._take(0, self._uniforms, shape)

    def normal(self, shape):
        """The next normals, of shape `(..., k)`."""
        return self._take(1, self._normals, shape)

    def _take(self, kind, numbers, shape):
        rows = len(numbers.shape) - 1
        count, first = int(np.prod(shape[rows:])), self._used[kind]
        self._used[kind] += count
        return ops.reshape(numbers[..., first : first + count], (*ops.shape(numbers)[:-1], *shape[rows:]))


class _Counted(Draws):
    """A stream of random numbers that counts how many the draw of one row takes."""

    def __init__(self):
        self.uniforms = self.normals = 0

    def uniform(self, shape):
        """Counts; returns numbers in (0, 1)."""
        self.uniforms += int(np.prod(shape[1:]))
        return ops.full(shape, 0.5)

    def normal(self, shape):
        """Counts; returns zeros."""
        self.normals += int(np.prod(shape[1:]))
        return ops.zeros(shape)
