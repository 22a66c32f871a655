"""`MDNRegressor.partial_fit`: one pass over a batch of rows, from where the last call ended."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.utils.validation import check_random_state

from mdn import backend, initializers, training
from mdn.few_shapes import powers_of_two
from mdn.tabular import circular, learning, seen, targets
from mdn.tabular.baselines import baseline_of
from mdn.tabular.inputs import check_rows_of_targets, weights
from mdn.tabular.member import Member
from mdn.tabular.network import shared, widened
from mdn.tabular.recorded import recorded_as
from mdn.training.checkpoints import State

_COMPONENTS = learning.CANDIDATES[1]
_FOREVER = 10**6  # epochs until the rate of learning is 0: it stays what it is
_LENGTHS = powers_of_two(256)  # steps of a block: each length is compiled once


@dataclasses.dataclass
class Kept:
    """What a training needs to go on, in memory: the part of `Checkpoints` that a loop calls.

    Attributes:
        path: What messages call it.
        calls: How many batches it has seen.
        state: The weights, their average and the state of the optimizer after the last batch.
        mean_weight: Of the rows of the first batch; the weights of all batches are divided by it.
    """

    path: Path = Path("the state of partial_fit")
    calls: int = 0
    state: State | None = None
    mean_weight: float | None = None

    def last(self) -> State | None:
        """The state, with one epoch done: the loop then runs the second."""
        return self.state

    def save(
        self, done: int, arrays: dict[str, np.ndarray], figures: list[dict], beside: dict[str, Any] | None = None
    ) -> None:
        """Keeps the state after a batch."""
        self.state = State(1, arrays, figures[-1:], beside or {})
        self.calls += 1


class ArrayFeed:
    """Rows in memory as a feed: each epoch in a random order, in blocks of few different lengths.

    Args:
        x: Features.
        y: Targets.
        weight: Weights.
        batch_size: Rows of a step; the last step is filled up with rows without a target.
        seed: Seeds the order.
    """

    def __init__(self, x, y, weight, batch_size: int, seed: int):
        self._rows, self.rows, self.batch_size, self._seed = (x, y, weight), len(x), batch_size, seed

    def epoch(self, number: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Blocks of the epoch; see `mdn.training.feed.Feed`."""
        order = np.random.default_rng([self._seed, number]).permutation(self.rows)
        while len(order):
            steps = -(-len(order) // self.batch_size)
            count = max(size for size in _LENGTHS if size <= steps)
            some, order = order[: count * self.batch_size], order[count * self.batch_size :]
            lacking = count * self.batch_size - len(some)
            yield tuple(  # type: ignore[misc]
                np.concatenate([part[some], np.full((lacking, *part.shape[1:]), fill, "float32")]).reshape(
                    count, self.batch_size, *part.shape[1:]
                )
                for part, fill in zip(self._rows, (0.0, np.nan, 0.0), strict=True)
            )


def partial_fit(regressor, X, y, sample_weight) -> None:
    """See `MDNRegressor.partial_fit`."""
    if backend.NAME != "jax":
        raise ValueError(f"`partial_fit` needs the JAX backend, but it is {backend.NAME}: set KERAS_BACKEND=jax.")
    if regressor.calibration is not None:
        raise ValueError("`calibration` must be None with `partial_fit`: call `calibrate` on other rows in the end.")
    begins = not hasattr(regressor, "members_")
    if begins:
        x, y, weight = regressor._learn_rows(X, y, sample_weight)
    else:
        x, y = np.asarray(regressor._features(X)), regressor._checked_targets(y)
        check_rows_of_targets(y, len(x))
        weight = weights(sample_weight, x)
        known = ~np.all(np.isnan(y), axis=1) & (weight > 0.0)
        x, y, weight = x[known], y[known], weight[known]
    seed = int(check_random_state(regressor.random_state).randint(0, 2**31 - 1))
    if begins:
        _begin(regressor, x, y, seed)
    if not len(x):
        return
    y = circular.wrapped(y, regressor.period)
    regressor.outcome_.check_support(y, "`y`")
    regressor.seen_ = seen.smallest(np.concatenate([np.array(regressor.seen_, "int64"), seen.checksums(x, y)]))
    regressor.n_samples_seen_ += len(y)
    learnt = learning.learnt_of(regressor, regressor.outcome_, y, seed)
    kept = {place: dataclasses.replace(each) for place, each in vars(regressor).get("kept_", {}).items()}
    regressor.members_ = [
        _go_on(regressor, member, kept.setdefault(place, Kept()), (x, learnt, weight), seed + place)
        for place, member in enumerate(regressor.members_)
    ]
    regressor.kept_ = kept
    regressor.num_components_, regressor.history_ = len(regressor.members_[0].alive), regressor.members_[0].history
    regressor.calibration_ = None  # it was that of the weights before


def _begin(regressor, x, y, seed: int) -> None:
    """Learns all but weights from the first batch."""
    size = regressor._event_size
    regressor.calibration_, regressor.seen_, regressor.n_samples_seen_ = None, [], 0
    circle, y = circular.circle_of(regressor.period, y), circular.wrapped(y, regressor.period)
    grid = regressor.target_grid_ = learning.grid_of(regressor, y)
    regressor.recorded_ = [None] if regressor.censoring else recorded_as(y, grid, regressor.period)
    points = targets.drawn(y if regressor.censoring else targets.cells(y, grid), size, seed)
    outcome = regressor.outcome_ = circle or learning.possible_outcomes(regressor, y, size, grid)[0]
    regressor.target_origin_ = np.zeros(size) if outcome.fixed else initializers.far_origin(points)
    if outcome.counted:
        regressor.recorded_ = [None]
    learnt = learning.learnt_of(regressor, outcome, y, seed)
    starts = regressor._inner.points(learnt, size, seed)
    auto = isinstance(regressor.num_components, str)
    components = _COMPONENTS if auto else int(regressor.num_components)
    bins = 0 if regressor.feature_bins == "auto" else int(regressor.feature_bins)
    architecture = learning.architecture(regressor, x.shape[1], size, components, len(outcome.atoms), bins)
    network, regressor.members_ = shared(architecture), []
    for place in range(int(regressor.ensemble_size)):
        with network.lock:
            network.start(widened(x, architecture.width), np.asarray(starts, "float32"), seed + place)
            alive = list(range(components))
            regressor.members_.append(
                Member(architecture, network.weights(), float("nan"), training.History(), 1.0, alive)
            )
    regressor.num_components_ = components
    regressor.baseline_ = baseline_of(regressor, x, points, learnt)


def _go_on(regressor, member: Member, kept: Kept, rows, seed: int) -> Member:
    """The member after one more pass over some rows."""
    network = shared(member.architecture)
    x, y, weight = (np.asarray(each, "float32") for each in rows)
    components = member.architecture.num_components
    recipe = learning.recipe(regressor, False, member.architecture)
    if kept.mean_weight is None:
        kept.mean_weight = float(weight.mean())
    feed = ArrayFeed(
        widened(x, member.architecture.width), y, weight / kept.mean_weight, recipe.batch_size, seed + kept.calls
    )
    with network.lock:
        network.lend(member.weights)
        spread = np.asarray(network.model.layers[-1].target_scale)
        history = training.fit_feed(
            network.model,
            feed,
            network.loss,
            epochs=1 if kept.state is None else 2,
            decay_epochs=_FOREVER,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            averaging=recipe.averaging,
            target_noise=recipe.target_noise * spread if recipe.target_noise else None,
            global_clipnorm=10.0,
            seed=seed + kept.calls,
            checkpoints=kept,  # type: ignore[arg-type]
        )
        curve = training.History([*member.history.loss, history.loss[-1]], best_epoch=len(member.history.loss) + 1)
        # Nothing is held out, so what held-out rows said of the weights before counts no longer
        return Member(member.architecture, network.weights(), float("nan"), curve, 1.0, list(range(components)))
