"""MDN, the layer that turns features into the packed parameters of a distribution, and layers that scale."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from mdn import backend, initializers, numerics
from mdn.distributions import MixtureSpec, NormalSpec, Spec
from mdn.distributions.arguments import check_count
from mdn.distributions.intervals import as_array, middle
from mdn.distributions.spec import serializable
from mdn.masks import unmasked

_FORMAT = 1
_STARTING_KERNEL = 0.1


@serializable
class MDN(keras.layers.Layer):
    """Turns features into the packed parameters of a distribution, with one Dense head for each block of parameters.

    The output holds *constrained* parameters (scales are positive) in float32, whatever the dtype policy:
    `spec(layer(features))` is the distribution. Scales use ELU + 1, so that no input gives NaN, and the gradient that
    flows back is bounded.

    Args:
        spec: What to predict, such as `MixtureSpec(NormalSpec(2), 5)`. `MDN(output_dimension, num_mixtures)` is short
            for `MDN(MixtureSpec(NormalSpec(output_dimension), num_mixtures))`, as in keras-mdn-layer.
        num_mixtures: K, only in the short form.
        output_dimension: D of the short form, if it is passed by name.
        **kwargs: `name`, `trainable`, as for any layer. A `dtype` is ignored: half precision is not enough for densities.

    Input shape: `(*batch, features)`, any number of leading axes. Output shape: `(*batch, spec.params_size)`.

    Example:
        >>> import keras, mdn
        >>> spec = mdn.MixtureSpec(mdn.NormalSpec(event_size=2), num_components=5)
        >>> model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(32, "relu"), mdn.MDN(spec)])
        >>> model.output_shape
        (None, 25)

    Reference:
        Bishop (1994), Mixture Density Networks, NCRG/94/004.
    """

    def __init__(self, spec=None, num_mixtures=None, *, output_dimension=None, **kwargs):
        kwargs["dtype"] = numerics.float_dtype()
        super().__init__(**kwargs)
        self.spec = _as_spec(spec, num_mixtures, output_dimension)
        self._by_numbers = num_mixtures is not None
        self.supports_masking = True
        # The attributes have the names of the heads, because a file keys weights by attribute names.
        for name, size in self.spec.heads:
            setattr(self, name, keras.layers.Dense(size, name=name, dtype=self.dtype_policy))
        self.target_scaling = TargetScaling(self.spec.scaling_size, name="target_scaling", dtype=self.dtype_policy)
        self._start: list[np.ndarray] | None = None

    @property
    def heads(self) -> list[keras.layers.Dense]:
        """The Dense layers, in the order of the packed parameters."""
        return [getattr(self, name) for name, _ in self.spec.heads]

    def build(self, input_shape):
        """Creates the heads; without `adapt`, locations start spread over a standard normal, so that no two are equal."""
        for head in self.heads:
            head.build(input_shape)
        for head, bias in zip(self.heads, self._start or self.spec.starting_biases(), strict=True):
            head.bias.assign(bias)
        if self._start is not None:
            self._soften_kernels()
        self.built = True

    def adapt(self, y, seed: int = 0) -> MDN:
        """Sets the affine target scaling and a starting mixture from targets, before training.

        As with `keras.layers.Normalization.adapt`, the scaling is saved with the model. The output stays in the units of
        the data. Call it before or after the layer is built, and compile the model afterwards.

        Args:
            y: Targets in data units, shape `(..., event_size)`, NaN where missing; for a JointSpec also a dict of its parts; of
                an `Interval`, or its array, the middle is taken, or the bound that it has.
            seed: Chooses the starting points.
        Returns:
            The layer itself.
        Raises:
            ValueError: if the shape does not fit, or nothing is observed.
        """
        y = self._targets(y)
        initializers.warn_if_blurred(y, "targets")
        shift, spread = self.spec.scaling(y)
        self._start = self.spec.starting_biases(y, seed)
        self.target_scaling.set(shift, spread)
        if self.built:
            self._begin()
        return self

    def adapt_as(self, other: MDN) -> None:
        """Starts as another layer that is adapted, and whose mixture may have fewer components.

        The components beyond its own are dead: they start with weight 0, and keep it, since nothing of them has a gradient.
        So this layer learns what `other` would, but for rounding, and several numbers of components share one compiled program.

        Args:
            other: A layer after `adapt`, whose spec differs from that of this layer by the number of components only.
        """
        fills = [numerics.NO_WEIGHT if name.endswith("mdn_pi") else 0.0 for name, _ in self.spec.heads]
        self._start = [
            np.append(start, np.full(size - len(start), fill))
            for start, (_, size), fill in zip(other._start or [], self.spec.heads, fills, strict=True)
        ]
        self.target_scaling.set(other.target_scaling.shift, other.target_scaling.spread)
        if self.built:
            self._begin()

    def _begin(self) -> None:
        for head, bias in zip(self.heads, self._start or [], strict=True):
            head.bias.assign(bias)
        self._soften_kernels()

    def _targets(self, y) -> np.ndarray:
        size = self.spec.target_size
        y = np.asarray(ops.convert_to_numpy(self.spec.join(as_array(unmasked(y)))), "float64")
        if y.ndim > 1 and y.shape[-1] == 2 * size:
            if np.any(np.isnan(y[..., :size]) != np.isnan(y[..., size:])):
                raise ValueError(
                    "one of two bounds in `y` is NaN: an open end is -inf or inf, a missing target NaN twice."
                )
            y = middle(y)
        if y.ndim == 1 and size == 1:
            y = y[:, None]
        if y.ndim < 2 or y.shape[-1] != size or y.size == 0:
            raise ValueError(f"`y` of adapt() must have shape (..., {size}) with at least one row, but {y.shape} came.")
        y = y.reshape(-1, size)
        y = y[~np.all(np.isnan(y), axis=-1)]
        if not len(y):
            raise ValueError("`y` of adapt() is NaN throughout: at least one target must be observed.")
        return y

    def _soften_kernels(self) -> None:
        # The starting mixture fits the targets without features; large kernels would blur it before the first step.
        for head in self.heads:
            head.kernel.assign(head.kernel * _STARTING_KERNEL)

    @property
    def target_scale(self):
        """The spread of the target scaling, shape `(scaling_size,)`, for `NaturalGradientEM`; None without `adapt`."""
        return ops.convert_to_numpy(self.target_scaling.spread) if self.target_scaling.built else None

    def call(self, inputs):
        """Shape `(*batch, features)` to `(*batch, params_size)`."""
        # all points become rows of one matrix: XLA copies and transposes for the gradients of any other product
        rows = ops.reshape(inputs, (-1, inputs.shape[-1])) if len(inputs.shape) > 2 else inputs
        params = _constrained([head(rows) for head in self.heads], *self.target_scaling.values(), spec=self.spec)
        return params if rows is inputs else ops.reshape(params, (*ops.shape(inputs)[:-1], self.spec.params_size))

    def compute_output_shape(self, input_shape):
        """(*batch, features) -> (*batch, params_size)."""
        return (*input_shape[:-1], self.spec.params_size)

    def get_config(self):
        """What `from_config` needs: the spec, or the two numbers that were passed to the constructor."""
        config = super().get_config()
        config.pop("dtype", None)
        if self._by_numbers:
            made = {"output_dimension": self.spec.target_size, "num_mixtures": self.spec.num_components}  # type: ignore[attr-defined]
        else:
            made = {"spec": keras.saving.serialize_keras_object(self.spec)}
        return {**config, **made, "adapted": self.target_scaling.built, "format": _FORMAT}

    @classmethod
    def from_config(cls, config):
        """The layer of a `config` that `get_config` or a file of keras-mdn-layer gives.

        Raises:
            ValueError: if the file was written by a newer version.
        """
        config = dict(config)
        if config.pop("format", _FORMAT) > _FORMAT:
            raise ValueError("this MDN layer was saved by a newer version of mdn: upgrade mdn to load it.")
        adapted = config.pop("adapted", False)
        if isinstance(config.get("spec"), dict):
            config["spec"] = keras.saving.deserialize_keras_object(config["spec"])
        layer = cls(**config)
        if adapted:
            layer.target_scaling.build()
        return layer


def _as_spec(spec, num_mixtures, output_dimension) -> Spec:
    if spec is not None and output_dimension is not None:
        raise TypeError("MDN takes a spec, or `output_dimension` and `num_mixtures`, but not both.")
    spec = output_dimension if spec is None else spec
    if isinstance(spec, Spec) and num_mixtures is None:
        return spec
    if spec is None or isinstance(spec, Spec) or num_mixtures is None:
        raise TypeError(
            "MDN takes a spec, MDN(MixtureSpec(NormalSpec(2), 5)), or two numbers, MDN(output_dimension=2, num_mixtures=5), "
            f"but {spec!r} and {num_mixtures!r} came."
        )
    return MixtureSpec(NormalSpec(spec), num_mixtures)


@backend.compiled(static=("spec",), inline=True)
def _constrained(raw, shift, spread, spec):
    """Packed parameters from the free outputs of the heads."""
    return ops.concatenate(spec.constrain([numerics.bound_gradient(block) for block in raw], shift, spread), axis=-1)


@serializable
class TargetScaling(keras.layers.Layer):
    """An affine map from scaled to data units, with no variables (and so no parameters) until it is set."""

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def build(self, input_shape=None):
        """Creates shift 0 and spread 1; no dtype policy rounds them, since targets may lie far from 0."""
        self.shift = self.add_weight((self.size,), "zeros", trainable=False, autocast=False, name="shift")
        self.spread = self.add_weight((self.size,), "ones", trainable=False, autocast=False, name="spread")
        self.built = True

    def set(self, shift, spread) -> None:
        """Sets both, from arrays of shape `(size,)`.

        Args:
            shift: Where a scaled 0 lies, in data units.
            spread: The factor from scaled to data units, before `shift` is added.
        """
        if not self.built:
            self.build()
        self.shift.assign(shift)
        self.spread.assign(spread)

    def load_own_variables(self, store):
        """Loads the scaling of a file, even if this layer or the one in the file was never set."""
        if not self.built and len(store.keys()):
            self.build()
        if self.built and not len(store.keys()):
            self.set(np.zeros(self.size), np.ones(self.size))
            return
        super().load_own_variables(store)

    def values(self):
        """(shift, spread), or (None, None) if no scaling is set."""
        return (ops.convert_to_tensor(self.shift), ops.convert_to_tensor(self.spread)) if self.built else (None, None)

    def get_config(self):
        """What `from_config` needs."""
        return {**super().get_config(), "size": self.size}


@serializable
class FeatureScaling(keras.layers.Layer):
    """Turns features into robust standard scores, by median and interquartile range; a missing value becomes the median.

    Beyond ±4, scores grow only with their logarithm, so that one outlier does not spoil the network. It computes in float32,
    whatever the dtype policy: features may lie far from 0.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})

    def build(self, input_shape):
        """Creates a shift and a spread for each feature: 0 and 1 until `adapt`."""
        size = (input_shape[-1],)
        self.shift = self.add_weight(shape=size, initializer="zeros", trainable=False, name="shift")
        self.spread = self.add_weight(shape=size, initializer="ones", trainable=False, name="spread")
        self.built = True

    def adapt(self, x) -> FeatureScaling:
        """Learns median and spread from features `(..., features)`; returns the layer itself."""
        if not self.built:
            self.build(np.shape(x))
        x = unmasked(x)
        initializers.warn_if_blurred(x, "features")
        shift, spread = initializers.robust_scaling(x)
        self.shift.assign(shift)
        self.spread.assign(spread)
        return self

    def call(self, inputs):
        """Same shape as the input."""
        return numerics.scores(inputs, self.shift, self.spread)


@serializable
class FeatureBins(keras.layers.Layer):
    """Sets beside each feature a piecewise-linear encoding of it: how far it has come through each of a number of bins.

    With edges e₀ < e₁ < … of a feature x, the b-th number is (x - e_b) / (e_{b+1} - e_b), clipped to [0, 1], less its mean. A
    Dense layer behind makes any piecewise-linear function of a feature out of them. So a network learns bends and steps of
    single features, as trees do, in few epochs. The edges are quantiles, so that one bin holds as many rows as another. A
    feature with fewer values than edges has an edge at each of them, and one of which many rows have the same value has fewer
    bins; its other bins are empty.

    Call `adapt` before training; until then all encodings are 0. A missing value (NaN) stays NaN, so put `FeatureScaling`
    before this layer.

    Args:
        bins: How many bins a feature has.

    Raises:
        ValueError: if `bins` is not a whole number from 1.

    Example:
        >>> import numpy as np, mdn
        >>> x = np.array([[0.0], [1.0], [3.0]])
        >>> layer = mdn.layers.FeatureBins(2).adapt(x)
        >>> np.asarray(layer.edges).tolist()
        [[0.0, 1.0, 3.0]]
        >>> layer(np.array([[2.0]])).shape
        (1, 3)

    Reference:
        Gorishniy, Rubachev and Babenko (2022), On embeddings for numerical features in tabular deep learning.
    """

    def __init__(self, bins: int, **kwargs):
        super().__init__(**{"dtype": "float32", **kwargs})  # bins may be narrow
        self.bins = check_count("bins", bins)

    def build(self, input_shape):
        """Creates edges and means, 0 until `adapt`.

        Raises:
            ValueError: if the input is not (batch, features).
        """
        if len(input_shape) != 2:
            raise ValueError(f"FeatureBins takes features of shape (batch, features), but {tuple(input_shape)} came.")
        size = input_shape[-1]
        self.edges = self.add_weight(shape=(size, self.bins + 1), initializer="zeros", trainable=False, name="edges")
        self.means = self.add_weight(shape=(size, self.bins), initializer="zeros", trainable=False, name="means")
        self.built = True

    def adapt(self, x) -> FeatureBins:
        """Learns edges and means from features `(N, features)`, where NaN is missing; returns the layer itself."""
        if not self.built:
            self.build(np.shape(x))
        edges, means = initializers.quantile_bins(unmasked(x), self.bins)
        self.edges.assign(edges)
        self.means.assign(means)
        return self

    def empty(self) -> None:
        """Takes the bins away: all encodings are 0, as before `adapt`."""
        for variable in (self.edges, self.means):
            variable.assign(np.zeros(variable.shape, "float32"))

    def call(self, inputs):
        """`(N, features)` to `(N, features * (1 + bins))`: the features, and then the bins of each."""
        low, width = self.edges[:, :-1], self.edges[:, 1:] - self.edges[:, :-1]
        share = (inputs[:, :, None] - low) / ops.where(width > 0.0, width, 1.0)
        share = ops.where(width > 0.0, numerics.within(share, 0.0, 1.0), 0.0) - self.means
        return ops.concatenate([inputs, ops.reshape(share, (-1, share.shape[1] * self.bins))], axis=-1)

    def get_config(self):
        """What `from_config` needs."""
        return {**super().get_config(), "bins": self.bins}
