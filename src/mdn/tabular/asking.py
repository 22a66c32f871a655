"""What a fitted regressor is asked inside: distributions of rows, quantiles, and the sets that targets stand for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
from mdn.tabular.circular import wrapped
from mdn.tabular.features import features
from mdn.tabular.member import Member
from mdn.tabular.network import ROWS_AT_ONCE
from mdn.tabular.outcome import Outcome
from mdn.tabular.recorded import Recorded
from mdn.tabular.trunk import Trunk

_LEVELS_AT_ONCE = (1, 3)  # a median; a median and an interval, also an interval alone
_ANGLES_AT_ONCE = (64, 512)  # rows: each probability of a von Mises is an integral, which takes memory


class Asking:
    """The part of `MDNRegressor` that asks its members, in blocks of rows; `fit` sets these attributes."""

    members_: list[Member]
    target_origin_: np.ndarray
    n_targets_: int | None
    baseline_: Baseline | None
    target_grid_: np.ndarray
    seen_: list[int]
    n_samples_seen_: int = 0
    target_names_: list[str]
    recorded_: Sequence[Recorded | None]
    indicators_: Sequence[int] = ()
    calibration_: conformal.Calibration | None = None
    outcome_: Outcome
    censoring: str | None
    period: float | None
    trunk_: Trunk | None = None

    def _features(self, X):
        """`X` as the inputs of networks, `(N, F)`; see `features.features`."""
        return features(self, X)

    def _checked_targets(self, y) -> np.ndarray:
        """Targets `(N, D)` in the order of training, without whole turns, or the two columns of censored ones as bounds."""
        y = y if self.censoring else inputs.in_order(y, self.target_names_)
        return wrapped(inputs.targets(y, self._event_size, self.censoring), self.period)

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

    def _ask_inputs(self, x, question: Callable, y):
        """`_ask` of inputs that `_features` returned and of targets minus `target_origin_`; a tuple if `question` returns one."""
        sizes = ROWS_AT_ONCE if self.period is None else _ANGLES_AT_ONCE
        found = in_blocks(lambda x, y: question(self._distribution(x), y), x, y.astype("float32"), sizes=sizes)
        return tuple(each.astype("float64") for each in found) if isinstance(found, tuple) else found.astype("float64")

    def _marginals(self, mixture):
        return [mixture] if self._event_size == 1 else [mixture.marginal([d]) for d in range(self._event_size)]

    def _as_targets(self, values: np.ndarray) -> np.ndarray:
        """Drops the axis D of `(N, D, ...)` if the targets of training had shape `(N,)`."""
        return values if self.n_targets_ else values[:, 0]

    # ---- quantiles and probabilities ---------------------------------------------------------------------------------

    def _quantiles(self, X, levels, groups=None) -> np.ndarray:
        """Quantiles of targets as they are recorded, `(N, D, len(levels))`, calibrated if there is a calibration.

        Args:
            X: Features.
            levels: Probabilities, `(L,)`.
            groups: As in `Calibration.parts`.
        """
        found = self._unrounded_quantiles(X, levels, groups)
        for d, recorded in enumerate(self.recorded_):
            if recorded is not None:
                found[:, d] = recorded.nearest(found[:, d], levels)
        return found

    def _unrounded_quantiles(self, X, levels, groups=None) -> np.ndarray:
        """`_quantiles` of what rounded targets were before they were rounded."""
        if self.calibration_ is None:
            conformal.refuse_groups(groups)
            return self._model_quantiles(X, levels)
        x = self._features(X)
        odds = np.zeros((len(x), self._event_size, len(levels)))
        for rows, one in self.calibration_.parts(X, groups):
            odds[rows] = conformal.outward(one.levels(levels), levels, least=1.0)
        logs = np.stack(conformal.log_tails(odds), axis=2).astype("float32")  # (N, D, 2, levels)

        def quantiles(mixture, logs):
            each = []
            for d, marginal in enumerate(self._marginals(mixture)):
                # Logs of both tails, since a level near 1 is rounded to it
                sides = np.moveaxis(logs[:, d], -1, 0)[..., None]  # (levels, N, 2, 1)
                each.append(
                    _few_at_once(lambda s, m=marginal: m._run(m._quantile, s[:, :, 0], s[:, :, 1])[..., 0], sides)
                )
            return np.stack(each, axis=1)

        found = conformal.outward(self._ask_inputs(x, quantiles, logs), levels)
        return self.outcome_.snapped(found + self.target_origin_[:, None], self.target_origin_)

    def _model_quantiles(self, X, levels) -> np.ndarray:
        """Unrounded quantiles of the predicted distribution, without calibration, shape `(N, D, len(levels))`."""
        found = self._ask(X, lambda mixture, _: self._quantiles_of(mixture, levels)) + self.target_origin_[:, None]
        return self.outcome_.snapped(found, self.target_origin_)

    def _quantiles_of(self, mixture, levels) -> np.ndarray:
        """Quantiles of a distribution of rows, minus `target_origin_`, shape `(N, D, len(levels))`."""
        levels = np.asarray(levels, "float32")
        each = [_few_at_once(lambda q, m=m: m.quantile(q)[..., 0], levels) for m in self._marginals(mixture)]
        return np.stack(each, axis=1)

    def _probabilities(self, X, thresholds, upper: bool) -> np.ndarray:
        """P(target > threshold) where `upper`, else P(target < threshold); shape `(N, D, len(thresholds))`."""
        centred = (thresholds - self.target_origin_[:, None]).astype("float32")[..., None, None]  # (D, levels, 1, 1)

        def probabilities(mixture, _):
            pairs = zip(self._marginals(mixture), centred, strict=True)
            each = [_few_at_once(lambda at, m=m: self._tail(m, at, upper), levels) for m, levels in pairs]
            return np.exp(np.stack(each, axis=1))

        return self._ask(X, probabilities)

    def _tail(self, marginal, at, upper: bool):
        """log P(target > at) where `upper`, else log P(target < at); a distribution on a circle counts from elsewhere."""
        if self.period is None:
            return marginal.log_survival(at) if upper else marginal.log_cdf(at)
        return marginal.log_prob(
            Interval(at, np.full_like(at, np.inf)) if upper else Interval(np.full_like(at, -np.inf), at)
        )

    def _log_odds(self, X, y, seed: int, place: float | None = None, beside_atoms: bool = False) -> np.ndarray:
        """log P(below) - log P(above) of each target, `(N, D)`, NaN where missing.

        A target that stands for a set is drawn in it, or is at this `place` of it: 0 is its lower end and 1 its upper one.
        `beside_atoms` asks for the odds given that the target is no atom.
        """
        ends = self._edges(y)

        def tails(mixture, y):
            found = []
            for d, marginal in enumerate(self._marginals(mixture)):
                marginal = marginal.base if beside_atoms else marginal
                to = y[:, d :: self._event_size]
                each = [
                    tail(to[:, [end]])
                    for end in range(to.shape[1])
                    for tail in (marginal.log_cdf, marginal.log_survival)
                ]
                found.append(ops.stack(each * (3 - to.shape[1]), axis=-1))
            return ops.stack(found, axis=1)

        lower, upper = np.split(self._ask(X, tails, ends), 2, axis=-1)
        shape = lower.shape[:-1]
        drawn = np.random.default_rng(seed).uniform(size=shape) if place is None else np.full(shape, place)
        odds = conformal.log_odds(*conformal.on_one_side(lower, upper, drawn), drawn)
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
        return middle(bounds) if self.censoring and bounds.shape[1] == 2 else self.outcome_.in_range(bounds)

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
        if bounds.shape[-1] == size:
            return mixture.log_prob_observed(bounds)
        return mixture.log_prob(Interval(bounds[..., :size], bounds[..., size:]))

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


def _few_at_once(function, levels: np.ndarray) -> np.ndarray:
    """`function(levels)` of shape `(N, L)`, one level or three at a time, since each number of levels is compiled anew.

    Args:
        function: Maps levels `(1, ...)` to values `(1, N)`, and three levels to three.
        levels: Shape `(L, ...)`.
    """
    return in_blocks(function, levels, sizes=_LEVELS_AT_ONCE).T
