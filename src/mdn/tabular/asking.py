"""What a fitted regressor is asked inside: distributions of rows, quantiles, and the sets that targets stand for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from keras import ops
from sklearn.utils.validation import check_is_fitted

from mdn import numerics
from mdn.distributions import Interval
from mdn.distributions.bijections import Identity
from mdn.distributions.intervals import middle
from mdn.few_shapes import in_blocks
from mdn.metrics import Baseline
from mdn.tabular import conformal, inputs, targets
from mdn.tabular.member import Member
from mdn.tabular.network import ROWS_AT_ONCE
from mdn.tabular.outcome import Outcome

_LEVELS_AT_ONCE = 8


class Asking:
    """The part of `MDNRegressor` that asks its members, in blocks of rows; `fit` sets these attributes."""

    members_: list[Member]
    target_origin_: np.ndarray
    n_targets_: int | None
    baseline_: Baseline | None
    target_grid_: np.ndarray
    seen_: list[int]
    target_names_: list[str]
    calibration_: conformal.Calibration | None = None
    outcome_: Outcome
    censoring: str | None

    def _features(self, X, reset: bool = False) -> np.ndarray:
        raise NotImplementedError

    def _checked_targets(self, y) -> np.ndarray:
        """Targets `(N, D)`, or the two columns of censored ones as bounds."""
        return inputs.targets(y, self._event_size, self.censoring)

    @property
    def _event_size(self) -> int:
        return self.n_targets_ or 1

    def _centred(self, X):
        """`predict_distribution` of targets minus `target_origin_`, which float32 represents well."""
        return self._distribution(self._features(X))

    def _distribution(self, x, members=None, origin=0.0):
        """What `members` (all by default) predict for features `(N, F)`: targets minus `target_origin_`, plus `origin`."""
        outcome = self.outcome_.moved(self.target_origin_ - origin)
        origin = origin if isinstance(outcome.bijection, Identity) else 0.0
        return outcome.distribution([member.spec(member.params(x, origin)) for member in members or self.members_])

    # ---- in blocks of rows -------------------------------------------------------------------------------------------

    def _ask(self, X, question: Callable, y=None) -> np.ndarray:
        """`question(mixture, y)` for each row, as a NumPy array; computed in blocks of few different sizes.

        `question` gets mixtures and targets minus `target_origin_`; `y` has D columns, or several times as many.
        """
        check_is_fitted(self)
        x = self._features(X)
        y = np.zeros((len(x), self._event_size)) if y is None else y
        inputs.check_rows_of_targets(y, len(x))
        return self._ask_inputs(x, question, y - np.tile(self.target_origin_, y.shape[1] // self._event_size))

    def _ask_inputs(self, x, question: Callable, y) -> np.ndarray:
        """`_ask` of inputs that `_features` returned, and of targets minus `target_origin_`."""
        found = in_blocks(lambda x, y: question(self._distribution(x), y), x, y.astype("float32"), sizes=ROWS_AT_ONCE)
        return found.astype("float64")

    def _marginals(self, mixture):
        return [mixture] if self._event_size == 1 else [mixture.marginal([d]) for d in range(self._event_size)]

    def _as_targets(self, values: np.ndarray) -> np.ndarray:
        """Drops the axis D of `(N, D, ...)` if the targets of training had shape `(N,)`."""
        return values if self.n_targets_ else values[:, 0]

    # ---- quantiles and probabilities ---------------------------------------------------------------------------------

    def _quantiles(self, X, levels, groups=None) -> np.ndarray:
        """Shape `(N, D, len(levels))`, calibrated if there is a calibration; `groups` as in `Calibration.parts`."""
        if self.calibration_ is None:
            conformal.refuse_groups(groups)
            return self._model_quantiles(X, levels)
        x = self._features(X)
        odds = np.zeros((len(x), self._event_size, len(levels) + -len(levels) % _LEVELS_AT_ONCE))
        for rows, one in self.calibration_.parts(X, groups):
            odds[rows, :, : len(levels)] = conformal.outward(one.levels(levels), levels, least=1.0)
        logs = np.stack(conformal.log_tails(odds), axis=2).astype("float32")  # (N, D, 2, levels)

        def quantiles(mixture, logs):
            each = []
            for d, marginal in enumerate(self._marginals(mixture)):
                # Logs of both tails, since a level near 1 is rounded to it
                sides = (logs[:, d, side].T[..., None] for side in (0, 1))
                each.append(ops.moveaxis(marginal._run(marginal._quantile, *sides)[..., 0], 0, -1))
            return ops.stack(each, axis=1)

        found = conformal.outward(self._ask_inputs(x, quantiles, logs)[..., : len(levels)], levels)
        return self.outcome_.snapped(found + self.target_origin_[:, None], self.target_origin_)

    def _model_quantiles(self, X, levels) -> np.ndarray:
        """Quantiles of the predicted distribution as it is, shape `(N, D, len(levels))`."""
        levels = np.asarray(levels, "float32")
        # Padded to a multiple of 8 levels, since each number of levels is compiled anew
        padded = np.pad(levels, (0, -len(levels) % _LEVELS_AT_ONCE), constant_values=0.5)

        def quantiles(mixture, _):
            each = [ops.moveaxis(m.quantile(padded)[..., 0], 0, -1) for m in self._marginals(mixture)]
            return ops.stack(each, axis=1)

        found = self._ask(X, quantiles)[..., : len(levels)] + self.target_origin_[:, None]
        return self.outcome_.snapped(found, self.target_origin_)

    def _probabilities(self, X, thresholds, upper: bool) -> np.ndarray:
        """P(target > threshold) where `upper`, else P(target < threshold); shape `(N, D, len(thresholds))`."""
        levels = np.pad(thresholds, (0, -len(thresholds) % _LEVELS_AT_ONCE))
        centred = (levels - self.target_origin_[:, None]).astype("float32")[..., None, None]  # (D, levels, 1, 1)

        def probabilities(mixture, _):
            pairs = zip(self._marginals(mixture), centred, strict=True)
            each = [ops.exp(m.log_survival(at) if upper else m.log_cdf(at)) for m, at in pairs]
            return ops.stack([ops.moveaxis(one, 0, -1) for one in each], axis=1)

        return self._ask(X, probabilities)[..., : len(thresholds)]

    def _log_odds(self, X, y, seed: int) -> np.ndarray:
        """log P(below) - log P(above) of each target, `(N, D)`, NaN where missing; rounded targets are drawn in their cells."""
        ends = self._edges(y)

        def tails(mixture, y):
            found = []
            for d, marginal in enumerate(self._marginals(mixture)):
                to = y[:, d :: self._event_size]
                each = [
                    tail(to[:, [end]])
                    for end in range(to.shape[1])
                    for tail in (marginal.log_cdf, marginal.log_survival)
                ]
                found.append(ops.stack(each * (3 - to.shape[1]), axis=-1))
            return ops.stack(found, axis=1)

        lower, upper = np.split(self._ask(X, tails, ends), 2, axis=-1)
        odds = conformal.log_odds(lower, upper, np.random.default_rng(seed).uniform(size=lower.shape[:-1]))
        return np.where(np.isnan(ends[:, : self._event_size]), np.nan, odds)

    # ---- targets as sets -------------------------------------------------------------------------------------------

    @property
    def _stand_for_sets(self) -> bool:
        """Whether targets stand for intervals or atoms."""
        return (
            bool(self.outcome_.cells and np.any(self.target_grid_)) or not self.outcome_.plain or bool(self.censoring)
        )

    def _points(self, y) -> np.ndarray:
        """Targets `(N, D)`, NaN where missing or not known exactly."""
        y = self._checked_targets(y)
        return np.where(y[:, :1] == y[:, 1:], y[:, :1], np.nan) if self.censoring and y.shape[1] == 2 else y

    def _shown(self, y) -> np.ndarray:
        """A point `(N, D)` of each target that a picture can show: of an interval its middle, or its only bound."""
        bounds = self._checked_targets(y)
        return middle(bounds) if self.censoring and bounds.shape[1] == 2 else bounds

    def _bounds(self, y) -> tuple[np.ndarray, np.ndarray]:
        """(points `(N, D)`, or the bounds `(N, 2 D)` of the sets that targets stand for; widths as `Outcome.sets` says)."""
        y = self._checked_targets(y)
        if not self._stand_for_sets:
            return y, np.ones(y.shape)
        origin = np.tile(self.target_origin_, y.shape[1] // self._event_size)
        sets, width = self._inner.sets_of(y - origin, self.target_grid_)
        return sets + np.tile(self.target_origin_, 2), width

    @property
    def _inner(self) -> Outcome:
        """The outcome of targets minus `target_origin_`."""
        return self.outcome_.moved(self.target_origin_)

    def _score(self, mixture, bounds):
        """The log probability of what `_bounds` returned."""
        size = self._event_size
        if bounds.shape[1] == size:
            return mixture.log_prob_observed(bounds)
        return mixture.log_prob(Interval(bounds[:, :size], bounds[:, size:]))

    def _edges(self, y) -> np.ndarray:
        """Points `(N, D)`, or the two points `(N, 2 D)` between which a target lies: the ends of its set or atom."""
        if not self._stand_for_sets and not np.any(self.target_grid_):
            return self._points(y)
        bounds = self._bounds(y)[0]
        if bounds.shape[1] == self._event_size:  # learnt by an older version, which spread targets over their cells
            bounds = targets.cells(bounds, self.target_grid_)
        lower, upper = np.split(numerics.as_features(bounds), 2, axis=1)
        # just below an atom, as float32 computes; the float before 0 is too small, since XLA takes it for 0
        step = np.spacing(np.abs(lower - self.target_origin_).astype("float32")).astype("float64")
        atoms = np.asarray(self._inner.atoms) + self.target_origin_[0]  # rounded as the bounds are
        atom = (lower == upper) & np.isin(upper, atoms)
        lower = np.where(atom, lower - np.maximum(step, numerics.SMALLEST_SCALE), lower)
        return np.concatenate([lower, upper], axis=1)
