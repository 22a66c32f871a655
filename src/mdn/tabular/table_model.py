"""TableModel: a mixture density network for one column of a table, in one file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast

import keras
import numpy as np
from keras import ops

from mdn import metrics, models, training
from mdn.data import replacing
from mdn.distributions import Mixture, MixtureSpec, NormalSpec
from mdn.layers import MDN, FeatureScaling
from mdn.losses import NegativeLogLikelihood

_CHUNK = 2048  # rows at once: one shape, so that each question is compiled once
_VALID_SHARE = 0.15
_MOST_STEPS = 20_000
FEWEST_ROWS = 10


@dataclasses.dataclass(frozen=True)
class Scores:
    """What a model is worth on rows that it has not seen; NLL in nats, in the unit of the target.

    Attributes:
        nll: Mean negative log-likelihood.
        gaussian_nll: That of one normal that knows no features.
        mixture_nll: That of one mixture that knows no features.
        crps: Mean continuous ranked probability score, in the unit of the target.
        pit: Probability below each target, shape `(N,)`: what `mdn.plots.pit` and `reliability` draw.
    """

    nll: float
    gaussian_nll: float
    mixture_nll: float
    crps: float
    pit: np.ndarray

    def coverage(self, nominal: float) -> float:
        """Share of targets inside the central interval that should hold `nominal` of them."""
        return metrics.coverage(self.pit, nominal)


class TableModel:
    """A network from named feature columns to the distribution of a target column; everything in the table's units.

    Args:
        network: A Keras model whose output is packed parameters.
        features: Names of the columns that it takes, in order.
        target: Name of the column that it predicts.
    """

    def __init__(self, network: keras.Model, features: Sequence[str], target: str):
        self.network, self.features, self.target = network, tuple(features), target

    @classmethod
    def fit(
        cls,
        x,
        y,
        features: Sequence[str] | None = None,
        target: str = "y",
        *,
        num_components: int = 10,
        hidden_sizes: Sequence[int] = (64, 64),
        epochs: int = 300,
        batch_size: int = 128,
        learning_rate: float = 3e-3,
        patience: int = 40,
        seed: int = 0,
        on_epoch: Callable[[int, training.History], None] | None = None,
    ) -> tuple[TableModel, training.History]:
        """Trains on a table, with part of it held out to stop in time.

        Args:
            x: Features, shape `(N, F)`; NaN is missing and counts as the median.
            y: Targets, shape `(N,)`; rows without one are left out.
            features: Names of the columns of `x`.
            target: Name of `y`.
            num_components: Of the mixture.
            hidden_sizes: Units of the hidden layers.
            epochs: At most; large tables get fewer.
            batch_size: Rows a step.
            learning_rate: Of Adam, at the start.
            patience: Epochs without a better held-out likelihood before it stops.
            seed: Of the split, the weights and the shuffling.
            on_epoch: Called with the epoch and the history so far.

        Returns:
            The model and the history of its training; after Ctrl-C with the best weights so far.

        Raises:
            ValueError: if there are fewer than 10 rows with a target, or the target is constant.
        """
        x, y = np.asarray(x, "float64"), np.asarray(y, "float64").reshape(-1)
        known = np.isfinite(y)
        x, y = x[known], y[known, None]
        check_rows(y, target)
        features = features if features is not None else [f"x{i}" for i in range(x.shape[1])]
        train, valid = split_rows(len(y), _VALID_SHARE, seed)
        keras.utils.set_random_seed(seed)
        spec = MixtureSpec(NormalSpec(1), num_components)
        network = keras.Sequential(
            [
                keras.Input((x.shape[1],)),
                FeatureScaling().adapt(x[train]),
                *(keras.layers.Dense(size, activation="relu") for size in hidden_sizes),
                MDN(spec).adapt(y[train], seed),
            ]
        )
        steps = -(-len(train) // batch_size)
        history = training.fit(
            network,
            x[train],
            y[train],
            NegativeLogLikelihood(spec),
            validation=(x[valid], y[valid]),
            epochs=max(1, min(epochs, _MOST_STEPS // steps)),
            batch_size=min(batch_size, len(train)),
            learning_rate=learning_rate,
            patience=patience,
            global_clipnorm=10.0,
            seed=seed,
            on_epoch=on_epoch,
        )
        return cls(network, features, target), history

    def predict_distribution(self, x) -> Mixture:
        """The mixture for each row of features `(N, F)`, in the unit of the target."""
        return cast(Mixture, models.predict(self.network, np.asarray(x, "float32"), batch_size=_CHUNK))

    def predict_quantiles(self, x, q) -> np.ndarray:
        """Quantiles of the target for each row, shape `(N, len(q))`."""
        q = np.asarray(q, "float32").reshape(-1)
        return np.concatenate(
            [ops.convert_to_numpy(mixture.quantile(q))[:, :count, 0].T for mixture, count, _ in self._chunks(x)]
        )

    def evaluate(self, x, y, y_train) -> Scores:
        """Scores on rows that training has not seen, beside baselines fitted to `y_train`."""
        y = np.asarray(y, "float64").reshape(-1, 1)
        parts = [
            [
                ops.convert_to_numpy(values)[:count]
                for values in (-mixture.log_prob(to), mixture.crps(to), mixture.cdf(to))
            ]
            for mixture, count, to in self._chunks(x, y)
        ]
        nll, crps, pit = (np.concatenate(part).astype("float64") for part in zip(*parts, strict=True))
        return Scores(
            nll=float(np.mean(nll)),
            gaussian_nll=metrics.gaussian_baseline(y_train, y),
            mixture_nll=metrics.mixture_baseline(y_train, y),
            crps=float(np.mean(crps)),
            pit=pit,
        )

    def _chunks(self, x, y=None) -> Iterator[tuple[Mixture, int, np.ndarray | None]]:
        """(mixtures, how many of them are real, targets): `_CHUNK` rows each, the last filled up, so that shapes repeat."""
        for start in range(0, len(x), _CHUNK):
            count = min(_CHUNK, len(x) - start)
            index = start + np.minimum(np.arange(_CHUNK if start else count), count - 1)
            yield self.predict_distribution(np.asarray(x)[index]), count, None if y is None else y[index]

    def save(self, path) -> None:
        """Writes one `.keras` file; what stood there before stays until the new one is complete."""
        with replacing(path) as temporary:
            self.network.save(temporary)
            models.write_description(temporary, "table", {"features": self.features, "target": self.target})

    @classmethod
    def load(cls, path) -> TableModel:
        """The model that `save` wrote.

        Raises:
            ValueError: if the file holds something else.
        """
        description = models.read_description(Path(path))
        if description is None or description["kind"] != "table":
            raise ValueError(f"{str(path)!r} holds no model of a table. Files of `mdn fit` do.")
        return cls(keras.saving.load_model(path), description["features"], description["target"])


def check_rows(y, target: str) -> None:
    """Raises ValueError where targets are too few, or all the same."""
    if len(y) < FEWEST_ROWS:
        raise ValueError(f"at least {FEWEST_ROWS} rows with a target are needed, but there are {len(y)}.")
    if np.min(y) == np.max(y):
        raise ValueError(f"the target {target!r} is {np.min(y):g} in every row: there is nothing to predict.")


def split_rows(count: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(the rest, `share` of the rows, at least one), drawn at random; indices in ascending order."""
    order = np.random.default_rng(seed).permutation(count)
    part = max(1, round(share * count))
    return np.sort(order[part:]), np.sort(order[:part])
