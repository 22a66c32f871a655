"""The network behind a table's distribution: one Keras model that many fits share, and weights as NumPy arrays."""

from __future__ import annotations

import dataclasses
import functools
import threading
from typing import NamedTuple

import keras
import numpy as np
from keras import ops

from mdn import backend, numerics
from mdn.distributions import CategoricalSpec, JointSpec, MixtureSpec, NormalSpec, Spec
from mdn.few_shapes import in_blocks
from mdn.initializers import rows_to_bin
from mdn.layers import MDN, FeatureBins, FeatureScaling
from mdn.losses import CRPS, DistributionLoss, EnergyScore, NegativeLogLikelihood
from mdn.tabular.circular import DirectionSpec
from mdn.tabular.trunk import Trunk

_WIDTHS = (8, 16, 24, 32, 48, 64, 96, 128)
MOST_BINS = 256  # of each feature
ROWS_AT_ONCE = (256, 4096)  # numbers of rows that one call predicts: each is compiled once
_LOCK = threading.RLock()  # a network is shared: one thread at a time may put its weights there


@dataclasses.dataclass(frozen=True)
class Architecture:
    """All that determines a network except its weights.

    Attributes:
        width: How many inputs; tables with fewer features are filled up with columns of zeros.
        hidden_sizes: Units of the hidden layers.
        activation: The activation of the hidden layers.
        event_size: How many targets.
        num_components: Components of the mixture.
        covariance: As in `NormalSpec`.
        feature_noise: Standard deviation of noise on scaled features, in training only.
        loss: "nll" or "crps".
        atoms: How many values of the target have a probability of their own, which needs one target.
        circular: Whether the target is an angle.
        trunk: The layers in place of the scaling of features and the hidden layers, or None.
        bins: Bins of each feature, as in `FeatureBins`, or 0.
    """

    width: int
    hidden_sizes: tuple[int, ...]
    activation: str
    event_size: int
    num_components: int
    covariance: str | int
    feature_noise: float
    loss: str
    atoms: int = 0
    circular: bool = False
    trunk: Trunk | None = None
    bins: int = 0

    @classmethod
    def of(cls, fields: dict, trunk: Trunk | None = None) -> Architecture:
        """The architecture of a file.

        Args:
            fields: Its fields as JSON holds them, all but `trunk`.
            trunk: As in `Architecture`.
        """
        return cls(**{**fields, "hidden_sizes": tuple(fields["hidden_sizes"]), "trunk": trunk})

    @property
    def spec(self) -> Spec:
        """The spec of the output: a mixture, and with atoms the classes of values beside it (see `Outcome`)."""
        family = DirectionSpec(1) if self.circular else NormalSpec(self.event_size, self.covariance)
        mixture = MixtureSpec(family, self.num_components)
        return JointSpec(value=mixture, kind=CategoricalSpec(self.atoms + 1)) if self.atoms else mixture

    def wider(self, scale, factor: float):
        """The numbers of the scales, with all standard deviations multiplied by `factor`; those of angles are concentrations."""
        return scale / factor**2 if self.circular else factor * scale


def width_for(features: int) -> int:
    """How many inputs a network for `features` features has."""
    return next((width for width in _WIDTHS if width >= features), -(-features // 64) * 64)


def widened(x, width: int) -> np.ndarray:
    """`x` (N, F) with columns of zeros up to `width`, float32."""
    x = np.asarray(x, "float32")
    return x if x.shape[1] == width else np.pad(x, ((0, 0), (0, width - x.shape[1])))


@functools.lru_cache(maxsize=64)
def shared(architecture: Architecture) -> Shared:
    """The network of an architecture; a process makes it once, so that its compiled programs are used again."""
    return Shared(architecture)


class Layers(NamedTuple):
    """The weights of a network, as arrays.

    Attributes:
        features: Shift and spread of the features; empty with a trunk, which scales them itself.
        bins: Edges and means of the bins of each feature, as in `FeatureBins`; None without them.
        hidden: Kernel and bias of each hidden layer.
        heads: Kernel and bias of each head of the spec.
        targets: Shift and spread of the targets.
    """

    features: tuple[np.ndarray, np.ndarray]
    bins: tuple[np.ndarray, np.ndarray] | None
    hidden: list[tuple[np.ndarray, np.ndarray]]
    heads: list[tuple[np.ndarray, np.ndarray]]
    targets: tuple[np.ndarray, np.ndarray]


class Shared:
    """A Keras model that many members share: each puts its weights into it while it uses it.

    Attributes:
        model: Features `(N, width)` to packed params.
        loss: The training loss.
        lock: Hold it while your weights are in `model`.
    """

    def __init__(self, architecture: Architecture):
        self.architecture, self.lock = architecture, _LOCK
        spec = architecture.spec
        with self.lock:
            self._scaling, self._head = FeatureScaling(), MDN(spec)
            self._bins = FeatureBins(architecture.bins) if architecture.bins else None
            # `start` draws the kernels with NumPy: Keras would compile a program of random numbers for each shape
            self._hidden = [
                keras.layers.Dense(size, activation=architecture.activation, kernel_initializer="zeros")
                for size in architecture.hidden_sizes
            ]
            # the layers that get the features and their bins
            self._after_features = [] if architecture.trunk is not None else self._hidden[:1] or list(self._head.heads)
            for head in self._head.heads:
                head.kernel_initializer = keras.initializers.Zeros()
            self.model = self._made()
            self._head.target_scaling.build()
        kinds: dict[str, type[DistributionLoss]] = {
            "nll": NegativeLogLikelihood,
            "crps": CRPS if architecture.event_size == 1 else EnergyScore,
        }
        self.loss = kinds[architecture.loss](spec)
        self._apply = self._compiled()
        self._scored = backend.compiled(lambda *arrays: numerics.scores(*map(numerics.as_tensor, arrays)))
        likelihood = NegativeLogLikelihood(spec)
        self._judge = backend.compiled(lambda *pair: likelihood.call(*map(numerics.as_tensor, pair)))

    def _made(self) -> keras.Model:
        """The model of the layers, with zeros for kernels; a trunk has its weights at once."""
        architecture = self.architecture
        if architecture.trunk is not None:
            self._trunk = architecture.trunk.network(0)
            return keras.Model(self._trunk.input, self._head(self._trunk.output))
        noise = [keras.layers.GaussianNoise(architecture.feature_noise)] if architecture.feature_noise else []
        bins = [] if self._bins is None else [self._bins]
        return keras.Sequential(
            [keras.Input((architecture.width,)), self._scaling, *noise, *bins, *self._hidden, self._head]
        )

    def start(self, x, y, seed: int, own: Architecture | None = None) -> None:
        """Puts fresh weights into `model`: scaling from features and targets, a starting mixture, small random kernels.

        Args:
            x: Features, `(N, width)`.
            y: Targets, from which the starting mixture is found.
            seed: Seeds the kernels and the starting mixture.
            own: The part of the network that learns, if not all does: it may have fewer components and no bins. The weights are
                those of this part alone, and the rest of the network is dead.
        """
        rng = np.random.default_rng(seed)
        own = own or self.architecture
        sizes = [*own.hidden_sizes, *(size for _, size in own.spec.heads)]
        for layer, alive in zip([*self._hidden, *self._head.heads], sizes, strict=True):
            size_in, size_out = layer.kernel.shape
            plain = own.width if layer in self._after_features else size_in  # the bins begin without an effect
            limit = np.sqrt(6.0 / (plain + alive))
            drawn = rng.uniform(-limit, limit, (plain, alive)).astype("float32")
            layer.kernel.assign(np.pad(drawn, ((0, size_in - plain), (0, size_out - alive))))
            layer.bias.assign(np.zeros(size_out, "float32"))
        if self.architecture.trunk is not None:
            for variable, value in self.architecture.trunk.start(seed, self._trunk):
                variable.assign(value)
        else:
            for variable in self.model.non_trainable_variables:
                if variable.dtype == "uint32":  # the state of the noise
                    variable.assign(np.array([seed % 2**32, 0], "uint32"))
            self._scaling.adapt(x)
            if self._bins is not None and own.bins:
                self._bins.adapt(self._scores(rows_to_bin(x)))
            elif self._bins is not None:
                self._bins.empty()
        self._head.adapt_as(MDN(own.spec).adapt(y, seed))

    def _scores(self, x) -> np.ndarray:
        """Scaled features; programs of a layer hold its weights as constants, and this one gets them as arguments."""
        scaling = self._scaling.get_weights()
        return in_blocks(lambda rows: self._scored(rows, *scaling), np.asarray(x, "float32"), sizes=ROWS_AT_ONCE)

    def start_constant(self, loc, scale) -> None:
        """Puts weights into `model`, of one component, that predict the same normal for all features."""
        for layer in [*self._hidden, *self._head.heads]:
            layer.kernel.assign(np.zeros(layer.kernel.shape, "float32"))
            layer.bias.assign(np.zeros(layer.bias.shape, "float32"))
        # a free output of 0 means loc = shift and scale = spread
        self._head.target_scaling.set(loc, scale)

    def weights(self) -> list[np.ndarray]:
        """A copy of the weights that are in `model` now."""
        return [np.array(ops.convert_to_numpy(variable)) for variable in self.model.variables]

    def narrowed(self, weights, own: Architecture) -> list[np.ndarray]:
        """`weights` as those of the network `own`, the part that learnt; see `start`."""
        cuts: dict[int, tuple[slice, ...]] = {}
        for layer, (_, size) in zip(self._head.heads, own.spec.heads, strict=True):
            cuts |= {id(layer.kernel): (slice(None), slice(size)), id(layer.bias): (slice(size),)}
        without: set[int] = set()
        if self._bins is not None and not own.bins:
            without = {id(variable) for variable in self._bins.variables}
            for kernel in (layer.kernel for layer in self._after_features):
                cuts[id(kernel)] = (slice(own.width), *cuts.get(id(kernel), (slice(None), slice(None)))[1:])
        return [
            np.array(weight[cuts[id(variable)]]) if id(variable) in cuts else weight
            for variable, weight in zip(self.model.variables, weights, strict=True)
            if id(variable) not in without
        ]

    def lend(self, weights) -> None:
        """Puts `weights` into `model`."""
        for variable, value in zip(self.model.variables, weights, strict=True):
            variable.assign(value)

    def layers(self, weights) -> Layers:
        """`weights` by the layers to which they belong."""
        of = {id(variable): weight for variable, weight in zip(self.model.variables, weights, strict=True)}

        def dense(layers):
            return [(of[id(layer.kernel)], of[id(layer.bias)]) for layer in layers]

        def scaling(layer):
            return (of[id(layer.shift)], of[id(layer.spread)]) if layer.built else (np.empty(0), np.empty(0))

        bins = None if self._bins is None else (of[id(self._bins.edges)], of[id(self._bins.means)])
        return Layers(
            scaling(self._scaling),
            bins,
            dense(self._hidden),
            dense(self._head.heads),
            scaling(self._head.target_scaling),
        )

    def predict(self, weights, x) -> np.ndarray:
        """Packed params `(N, params_size)` for features `(N, features)`."""
        width, trunk = self.architecture.width, self.architecture.trunk
        sizes = ROWS_AT_ONCE if trunk is None else ROWS_AT_ONCE[:1]  # the layers of a trunk may need much memory
        x = widened(x, width) if isinstance(x, np.ndarray) else x  # sparse rows become dense block by block
        return in_blocks(lambda rows: self._apply(weights, widened(rows, width)), x, sizes=sizes)

    def blocks(self, params) -> list[np.ndarray]:
        """loc `(N, K, D)`, the numbers of the scales `(N, K, any)` and logits `(N, K)` of packed params, then logits of atoms."""
        loc, scale, logits, *atoms = (params[:, block] for block in self.architecture.spec.slices.values())
        return [*(block.reshape(*logits.shape, -1) for block in (loc, scale)), logits, *atoms]

    def widen(self, params, factor: float) -> np.ndarray:
        """Packed params with all scales multiplied by `factor`."""
        loc, scale, *logits = self.blocks(params)
        return packed(loc, self.architecture.wider(scale, factor), *logits)

    def nll(self, params, y) -> np.ndarray:
        """-log density of the observed targets, of any form that `Rows.y` has, shape `(N,)`; NaN is missing."""
        return in_blocks(self._judge, y, params, sizes=ROWS_AT_ONCE)

    def _compiled(self):
        trainable, fixed = self.model.trainable_variables, self.model.non_trainable_variables
        place = {id(variable): i for i, variable in enumerate(self.model.variables)}
        if backend.NAME != "jax":

            def apply(weights, x):
                with self.lock:
                    self.lend(weights)
                    return self.model.predict_on_batch(x)

            return apply

        import jax

        @jax.jit
        def run(weights, x):
            sides = ([weights[place[id(variable)]] for variable in side] for side in (trainable, fixed))
            return self.model.stateless_call(*sides, x, training=False)[0]

        return run


def packed(*blocks) -> np.ndarray:
    """Packed params from blocks, the inverse of `Shared.blocks`."""
    return np.concatenate([block.reshape(len(block), -1) for block in blocks], axis=1)
