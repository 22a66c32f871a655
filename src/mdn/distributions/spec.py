"""Specs: what a network must output for one distribution. Layer, losses, sampler and exporter share the one spec."""

from __future__ import annotations

import itertools

import keras
import numpy as np
from keras import ops

from mdn import backend, initializers, numerics
from mdn.distributions.arguments import as_shape
from mdn.distributions.distribution import Distribution
from mdn.kernels.flat_mixture import FlatMixture
from mdn.random import key_for

serializable = keras.saving.register_keras_serializable(package="mdn")


class ShapeError(ValueError, AssertionError):
    """Parameters of the wrong size. (Also an AssertionError: keras-mdn-layer raised that.)"""


class Spec:
    """How a flat vector of numbers becomes a distribution.

    `spec(params)` gives the distribution, `spec.pack(distribution)` the vector again, to the bit. A spec also says how a
    layer produces such a vector: which heads it needs (`heads`), what turns their free outputs into parameters
    (`constrain`), and where they start (`scaling`, `starting_biases`).
    """

    event_size: int
    kind = "number"
    """What each column of a target is: a "number", a "class" or a "bit"."""

    # ---- layout --------------------------------------------------------------------------------------------------

    @property
    def heads(self) -> tuple[tuple[str, int], ...]:
        """Name and size of each block of the packed vector, in its order."""
        raise NotImplementedError

    @property
    def params_size(self) -> int:
        """The length of the packed vector."""
        return sum(size for _, size in self.heads)

    @property
    def slices(self) -> dict[str, slice]:
        """Where each block lies in the packed vector, by its name."""
        edges = np.cumsum([0, *(size for _, size in self.heads)]).tolist()
        return {name: slice(*ends) for (name, _), ends in zip(self.heads, itertools.pairwise(edges), strict=True)}

    @property
    def target_size(self) -> int:
        """The width of a target array."""
        return self.event_size

    @property
    def named_parts(self) -> dict[str, Spec]:
        """The specs of the parts of a target, side by side; of all but a JointSpec there is one, "event"."""
        return {"event": self}

    @property
    def column_kinds(self) -> tuple[str, ...]:
        """What each column of a target is: see `kind`."""
        return tuple(part.kind for part in self.named_parts.values() for _ in range(part.target_size))

    def __call__(self, params) -> Distribution:
        """The distribution that packed parameters of shape `(*batch, params_size)` stand for.

        Raises:
            ShapeError: if the last axis is not `params_size`.
        """
        return _unpack(numerics.as_tensor(params), spec=self)

    def sample(self, params, sample_shape=(), seed=None):
        """Draws straight from packed parameters: those of `self(params).sample(...)`, in one program.

        Where one draw a row is all that is wanted, as in samplers and rollouts, this is the faster way.
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
        """A target as one array; here it is one already."""
        return y

    def flat_mixture(self) -> FlatMixture | None:
        """The fast arithmetic of `nll` for this spec; None where there is none."""
        return None

    @property
    def encoded_size(self) -> int:
        """How many numbers `encode` gives."""
        return self.target_size

    def encode(self, y, scaled):
        """A target `(*batch, target_size)` as a network reads it, `(*batch, encoded_size)`.

        Args:
            y: With NaN where a number is missing.
            scaled: For each of `named_parts` whose kind is "number", a function that brings it to a size about 1 and knows what
                to do with NaN.
        """
        return scaled["event"](y)

    # ---- likelihood ------------------------------------------------------------------------------------------------

    def nll(self, params, y, observed):
        """-log density of what is observed of a target, in nats, `(*batch,)`, at most 1e30, with a bounded gradient.

        Args:
            params: Packed, `(*batch, params_size)`.
            y: Targets `(*batch, target_size)`, free of NaN.
            observed: Booleans of the same shape.

        Raises:
            ShapeError: if the last axis of `params` is not `params_size`.
        """
        return numerics.finite_loss(-self(numerics.bound_gradient(params))._log_prob_observed(y, observed))

    def shift_matrix(self) -> np.ndarray:
        """The constant matrix M `(target_size, params_size)`: `params + y @ M` are those of the distribution moved by y.

        Raises:
            ValueError: if a distribution of this spec cannot be moved.
        """
        raise ValueError(f"distributions of {self!r} cannot be moved: they have no location that is added.")

    # ---- from a layer's free outputs -----------------------------------------------------------------------------

    @property
    def scaling_size(self) -> int:
        """How many numbers the shift (and the spread) of the affine target scaling has."""
        raise NotImplementedError

    def constrain(self, raw, shift, spread) -> list:
        """Parameters in data units from the free outputs of the heads.

        Args:
            raw: One tensor a head.
            shift, spread: Of the affine target scaling, shape `(scaling_size,)`, or None where there is none.
        """
        raise NotImplementedError

    def scaling(self, y) -> tuple[np.ndarray, np.ndarray]:
        """(shift, spread) from targets, robust to outliers, NumPy arrays of `scaling_size`."""
        raise NotImplementedError

    def starting_biases(self, y=None, seed=0) -> list[np.ndarray]:
        """Biases of the heads, for a start from targets `y` (in data units), or spread over N(0, 1) without any."""
        raise NotImplementedError

    # ---- a spec is a value ---------------------------------------------------------------------------------------

    def get_config(self) -> dict:
        """What `from_config` needs."""
        raise NotImplementedError

    @classmethod
    def from_config(cls, config: dict):
        """The spec that gave `config`."""
        return cls(**config)

    def __eq__(self, other):
        return type(self) is type(other) and self.get_config() == other.get_config()

    def __hash__(self):
        return hash((type(self), repr(self.get_config())))

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.get_config().items())})"


@backend.compiled(static=("spec",))
def _unpack(params, spec):
    return spec._from_blocks(spec._split(params))


@backend.compiled(static=("spec", "sample_shape"))
def _draw(params, key, spec, sample_shape):
    return spec(params)._sample_with(key, sample_shape)


class ComponentSpec(Spec):
    """A spec of one family: a block `loc` and a block `scale` (whatever else there is), either of any size.

    A family gives `_distribution` and `_blocks` between blocks `(..., size)` and the distribution, `_start` from
    locations and standard deviations, and overrides what differs from "loc of size D, scale of size D".

    Args:
        event_size: D, the number of coordinates.
    """

    _scales_targets = True
    _moves = True  # whether its first block is a location, to which one may add

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
        raise NotImplementedError

    def _blocks(self, distribution) -> tuple:
        raise NotImplementedError

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
        loc, scale = blocks
        return [loc, numerics.positive_inverse(scale)]

    def _start(self, loc: np.ndarray, scale: np.ndarray) -> tuple:
        """Blocks (K, size) of K components with these locations and standard deviations (K, D)."""
        raise NotImplementedError

    def _natural(self, y: np.ndarray) -> np.ndarray:
        """Targets in the space where loc and scale live."""
        return y

    def scaling(self, y):
        if not self._scales_targets:
            return np.zeros(self.scaling_size, "float32"), np.ones(self.scaling_size, "float32")
        return initializers.robust_scaling(self._natural(np.asarray(y, "float64")))

    def starting_blocks(self, y, count: int, seed) -> tuple[list[np.ndarray], np.ndarray]:
        """(free outputs (count, size) a head, log weights (count,)) for a start from targets."""
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


def check_count(name: str, value) -> int:
    """`value` as a positive int, or an error that names the argument."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"`{name}` must be an int, but {value!r} came.")
    if value < 1:
        raise ValueError(f"`{name}` must be at least 1, but {value} came.")
    return int(value)
