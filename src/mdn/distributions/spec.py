"""Specs: a spec says what a network must output for one distribution; layer, losses, sampler and exporter share it."""

from __future__ import annotations

import functools
import itertools

import keras
import numpy as np
from keras import ops

from mdn import backend, initializers, numerics
from mdn.distributions.arguments import ShapeError, as_shape, check_count
from mdn.distributions.distribution import Distribution
from mdn.kernels.flat_mixture import FlatMixture
from mdn.random import key_for

serializable = keras.saving.register_keras_serializable(package="mdn")


class Spec:
    """Turns packed parameters, a flat vector, into a distribution.

    `spec(params)` returns the distribution, and `spec.pack(distribution)` the same vector again, to the bit. A spec also
    says how a layer computes such a vector: which heads it needs (`heads`), what turns their free outputs into parameters
    (`constrain`), and where training starts (`scaling`, `starting_biases`).

    Example:
        >>> import mdn, numpy as np
        >>> spec = mdn.MixtureSpec(mdn.NormalSpec(1), num_components=2)
        >>> spec.params_size
        6
        >>> spec(np.ones((5, spec.params_size), 'float32')).batch_shape
        (5,)
    """

    event_size: int
    kind = "number"
    """The kind of each column of a target: "number", "class" or "bit"."""

    # ---- layout --------------------------------------------------------------------------------------------------

    @property
    def heads(self) -> tuple[tuple[str, int], ...]:
        """Name and size of each block of the packed parameters, in order."""
        raise NotImplementedError

    @property
    def params_size(self) -> int:
        """P, the length of the packed parameters."""
        return sum(size for _, size in self.heads)

    @property
    def slices(self) -> dict[str, slice]:
        """The slice of the packed parameters that each block occupies, by its name."""
        edges = np.cumsum([0, *(size for _, size in self.heads)]).tolist()
        return {name: slice(*ends) for (name, _), ends in zip(self.heads, itertools.pairwise(edges), strict=True)}

    @property
    def target_size(self) -> int:
        """The number of columns of a target array."""
        return self.event_size

    @property
    def named_parts(self) -> dict[str, Spec]:
        """The specs of the parts of a target, in order; a spec that is no JointSpec has one part, "event"."""
        return {"event": self}

    def part_slice(self, name: str) -> slice:
        """The slice of the packed parameters that belongs to a part of `named_parts`."""
        return slice(0, self.params_size)

    @property
    def column_kinds(self) -> tuple[str, ...]:
        """The `kind` of each column of a target."""
        return tuple(part.kind for part in self.named_parts.values() for _ in range(part.target_size))

    def __call__(self, params) -> Distribution:
        """The distribution with the packed parameters `params`, of shape `(*batch, params_size)`.

        Raises:
            ShapeError: if the last axis is not `params_size`.
        """
        return _unpack(numerics.as_tensor(params), spec=self)

    def sample(self, params, sample_shape=(), seed=None):
        """The same draws as `self(params).sample(...)`, straight from packed parameters, in one program.

        It is faster if you need only draws, as in samplers and rollouts.

        Args:
            params: Packed parameters, `(*batch, params_size)`.
            sample_shape: An int or a tuple of ints.
            seed: As in `Distribution.sample`.

        Returns:
            Shape `(*sample_shape, *batch, event_size)`, NaN where a parameter is; for a JointSpec a dict of one for each part.

        Raises:
            ShapeError: if the last axis of `params` is not `params_size`.
            ValueError: if `seed` is None or an int while JAX is tracing.
        """
        params = numerics.as_tensor(params)
        return _draw(params, key_for(seed, params), spec=self, sample_shape=as_shape(sample_shape, "sample_shape"))

    def pack(self, distribution: Distribution):
        """The packed parameters of a distribution of this spec, shape `(*batch, params_size)`."""
        return ops.concatenate(self._to_blocks(distribution), axis=-1)

    def _check_size(self, params) -> None:
        if len(params.shape) == 0 or params.shape[-1] != self.params_size:
            parts = " + ".join(f"{size} ({name})" for name, size in self.heads)
            raise ShapeError(
                f"`params` must end in an axis of params_size={self.params_size} = {parts} for {self!r}, "
                f"but the shape is {tuple(params.shape)}. Is it the output of an MDN layer with the same spec?"
            )

    def _split(self, params):
        self._check_size(params)
        return [params[..., block] for block in self.slices.values()]

    def _from_blocks(self, blocks) -> Distribution:
        raise NotImplementedError

    def _to_blocks(self, distribution) -> list:
        raise NotImplementedError

    # ---- targets -------------------------------------------------------------------------------------------------

    def join(self, y):
        """A target as one array: `y` itself, except for a JointSpec."""
        return y

    def flat_mixture(self) -> FlatMixture | None:
        """The fast kernel of `nll` for this spec, or None if there is none."""
        return None

    @property
    def encoded_size(self) -> int:
        """The number of columns of an encoded target."""
        return self.target_size

    def encode(self, y, scaled):
        """Encodes a target `(*batch, target_size)` as input of a network, `(*batch, encoded_size)`.

        Args:
            y: With NaN where a number is missing.
            scaled: For each of `named_parts` whose kind is "number", a function that scales it to a size about 1 and handles
                NaN.
        """
        return scaled["event"](y)

    # ---- likelihood ------------------------------------------------------------------------------------------------

    def nll(self, params, y, observed):
        """-log density of the observed coordinates of a target, in nats, `(*batch,)`, at most 1e30, with a bounded gradient.

        Args:
            params: Packed parameters, `(*batch, params_size)`.
            y: Targets `(*batch, target_size)`, free of NaN; or all lower and then all upper bounds, `(*batch, 2 target_size)`, of
                which the NLL is -log of the probability between them (see `Interval`).
            observed: Booleans of the same shape.

        Raises:
            ShapeError: if the last axis of `params` is not `params_size`.
            ValueError: if `y` holds bounds, and coordinates are correlated within a component.
        """
        distribution = self(numerics.bound_gradient(params))
        if y.shape[-1] == self.target_size:
            return numerics.finite_loss(-distribution._log_prob_observed(y, observed))
        lower, upper = y[..., : self.target_size], y[..., self.target_size :]
        return numerics.finite_loss(
            -distribution._log_prob_set_observed(lower, upper, observed[..., : self.target_size])
        )

    def shift_matrix(self) -> np.ndarray:
        """The constant matrix M `(target_size, params_size)`: `params + y @ M` are the parameters of the distribution moved by y.

        Raises:
            ValueError: if a distribution of this spec cannot be moved.
        """
        raise ValueError(f"distributions of {self!r} cannot be moved: they have no location that is added.")

    # ---- from a layer's free outputs -----------------------------------------------------------------------------

    @property
    def scaling_size(self) -> int:
        """The length of the shift and of the spread of the affine target scaling."""
        raise NotImplementedError

    def constrain(self, raw, shift, spread) -> list:
        """Parameters in data units from the free outputs of the heads.

        Args:
            raw: One tensor for each head.
            shift, spread: Of the affine target scaling, shape `(scaling_size,)`, or None if there is no scaling.
        """
        raise NotImplementedError

    def scaling(self, y) -> tuple[np.ndarray, np.ndarray]:
        """(shift, spread) of targets, robust to outliers, as NumPy arrays of shape `(scaling_size,)`."""
        raise NotImplementedError

    def starting_biases(self, y=None, seed=0) -> list[np.ndarray]:
        """Biases of the heads at the start of training: fitted to targets `y` in data units, or spread over N(0, 1).

        Args:
            y: Targets `(N, target_size)`, NaN where missing, for a JointSpec also a dict of its parts; None for N(0, 1).
            seed: Chooses the starting points.

        Returns:
            One array for each of `heads`, of the size of the head.

        Raises:
            ValueError: if a target is impossible for the family, such as 0 for a Gamma.
        """
        raise NotImplementedError

    # ---- a spec is a value ---------------------------------------------------------------------------------------

    def get_config(self) -> dict:
        """What `from_config` needs."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict):
        """The spec whose `get_config` returned `config`."""
        return cls(**config)

    def __eq__(self, other):
        return self is other or (type(self) is type(other) and self.get_config() == other.get_config())

    def __hash__(self):
        return self._hash

    @functools.cached_property
    def _hash(self) -> int:  # computed once, since every call of a compiled function asks for it
        return hash((type(self), repr(self.get_config())))

    def __getstate__(self):  # another process has other hashes
        return {name: value for name, value in vars(self).items() if name != "_hash"}

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_config().items())})"


@backend.compiled(static=("spec",))
def _unpack(params, spec):
    return spec._from_blocks(spec._split(params))


@backend.compiled(static=("spec", "sample_shape"))
def _draw(params, key, spec, sample_shape):
    distribution = spec(params)
    # A maximum of all parameters would be faster, but XLA's loses a NaN among many numbers
    lost = ops.any(ops.isnan(params), axis=-1)
    return distribution._nan_where_lost(distribution._sample_with(key, sample_shape), 1, lost)


class ComponentSpec(Spec):
    """A spec of one family, with a block `loc` and a block `scale` (which holds any other parameters too).

    A family names its class, `_family`, whose fields are the blocks `(..., size)`; if they are not, it writes `_distribution`
    and `_blocks`, which turn blocks into the distribution and back. It writes `_start`, from locations and standard deviations,
    and overrides the methods that assume a loc of size D and a scale of size D.

    Args:
        event_size: D, the number of coordinates.
    """

    _family: type[Distribution]
    _scales_targets = True
    _moves = True  # whether its first block is a loc, so that adding to it moves the distribution
    _first_is_free = True  # whether its first block may hold any number; the later ones are positive

    def __init__(self, event_size: int):
        self.event_size = check_count("event_size", event_size)

    @property
    def block_sizes(self) -> tuple[int, int]:
        """Sizes of the loc block and of the scale block, for one component."""
        return self.event_size, self.event_size

    @property
    def heads(self):
        names = ("mdn_mus", "mdn_sigmas")
        return tuple((name, size) for name, size in zip(names, self.block_sizes, strict=True) if size)

    def _distribution(self, *blocks) -> Distribution:
        return self._family._new(*blocks)

    def _blocks(self, distribution) -> tuple:
        return tuple(distribution._tensors())

    def _from_blocks(self, blocks):
        return self._distribution(*blocks)

    def _to_blocks(self, distribution):
        return list(self._blocks(distribution))

    @property
    def scaling_size(self):
        return self.event_size

    def constrain(self, raw, shift, spread):
        loc, scale = raw
        scale = numerics.positive(scale)
        if shift is None:
            return [loc, scale]
        return [shift + spread * loc, numerics.safe_scale(spread * scale)]

    def shift_matrix(self):
        if not self._moves:
            return super().shift_matrix()
        return np.eye(self.event_size, self.params_size, dtype="float32")

    def _release(self, *blocks) -> list[np.ndarray]:
        """The free outputs that `constrain`, without scaling, turns into `blocks`; NumPy."""
        first, *later = blocks
        first = first if self._first_is_free else numerics.positive_inverse(first)
        return [first, *map(numerics.positive_inverse, later)]

    def _start(self, loc: np.ndarray, scale: np.ndarray) -> tuple:
        """Blocks (K, size) of K components with these locations and standard deviations (K, D)."""
        raise NotImplementedError

    def _natural(self, y: np.ndarray) -> np.ndarray:
        """Targets in the space of loc and scale, such as log y."""
        return y

    def _logs(self, y) -> np.ndarray:
        """The logs of targets that must be positive."""
        y = np.asarray(y, "float64")
        if np.any(y <= 0):
            family = type(self).__name__.removesuffix("Spec")
            raise ValueError(
                f"targets of a {family} must be positive, but 0 or less came: shift them or use NormalSpec."
            )
        return np.log(y)

    def scaling(self, y):
        if not self._scales_targets:
            return np.zeros(self.scaling_size, "float32"), np.ones(self.scaling_size, "float32")
        return initializers.robust_scaling(self._natural(np.asarray(y, "float64")))

    def starting_blocks(self, y, count: int, seed) -> tuple[list[np.ndarray], np.ndarray]:
        """(free outputs (count, size) for each head, log weights (count,)) at the start of training.

        Args:
            y: Targets `(N, target_size)` in data units, NaN where missing; None to spread over N(0, 1).
            count: K, the number of components.
            seed: Chooses the starting points.

        Raises:
            ValueError: if a target is impossible for the family, such as 0 for a Gamma.
        """
        if y is None:
            loc, scale, weights = initializers.spread_mixture(self.event_size, count)
        else:
            natural = self._natural(np.asarray(y, "float64"))
            shift, spread = self.scaling(y)
            loc, scale, weights = initializers.starting_mixture((natural - shift) / spread, count, seed)
        return self._release(*self._start(loc, scale)), np.log(weights)

    def starting_biases(self, y=None, seed=0):
        blocks, _ = self.starting_blocks(y, 1, seed)
        return [block[0] for block in blocks]

    def get_config(self):
        return {"event_size": self.event_size}


class PositiveSpec(ComponentSpec):
    """A spec of a family of positive numbers that cannot be shifted; it starts from the logs of the targets."""

    _moves = False
    _first_is_free = False

    def scaling(self, y):
        """(0, about the geometric mean)."""
        middle, _ = initializers.robust_scaling(self._logs(y))
        return np.zeros_like(middle), np.exp(middle)

    def starting_blocks(self, y, count, seed):
        if y is None:
            return super().starting_blocks(y, count, seed)
        logs = self._logs(y)
        middle, spread = initializers.robust_scaling(logs)
        loc, scale, weights = initializers.starting_mixture((logs - middle) / spread, count, seed)
        return self._release(*self._start(loc * spread, scale * spread)), np.log(weights)
