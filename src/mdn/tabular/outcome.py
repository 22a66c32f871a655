"""What a target is: any number, a positive or bounded one, a count, one with atoms, or one of which bounds are known.

A network always learns mixtures of normals. An outcome maps the targets of a table to the numbers that the network learns,
and the network's mixtures to distributions of the target, which have no probability where a target cannot be.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from keras import ops

from mdn import initializers, numerics
from mdn.data.schema import flag, listed, number, one_of, record
from mdn.distributions import Mixture, Rounded, Spiked, Transformed, blend
from mdn.distributions.bijections import Bijection, Exp, Identity, Sigmoid, Softplus
from mdn.tabular import targets
from mdn.tabular.line import Line

FAMILIES = ("normal", "auto", "positive", "bounded", "counts")
_PLAIN = Identity()
_LOW_COUNT = -0.5  # the lower edge of the cell of the count 0
_SOFT = 0.1  # the share of the targets that lies below the bend of `Softplus`
_ROUNDED = 1e-6  # float32 rounds an atom by this share at most
_SPACINGS = 4  # a target this many spacings of float32 from an end cannot be told from the end
_SHARES = ((0.0, 1.0), (0.0, 100.0))  # the bounds that are found by themselves
_FAR = 3.0  # targets lie far from 0 if their least one is this many of their ranges above it
_NEAR_END = 0.01  # bounds are found if targets come to within this share of their distance of both ends
_OFTEN, _MOST_MARKS = (
    0.05,
    100,
)  # a scale of marks has its last mark in this share of the rows, and so many marks at most


@dataclasses.dataclass(frozen=True)
class Outcome(Line):
    """The kind of the targets of a table; where it is not the plain one, there is one target.

    Attributes:
        bijection: From the real line, where the network's mixtures live, to the support of the target.
        counted: Whether targets are whole numbers from 0, each the cell of width 1 about it.
        atoms: Values that have a probability of their own, ascending.
        shares: The share of the training rows that have each atom.
        cells: Whether rounded targets were learnt as cells of their grid; older versions spread them over these cells.
        nearest: Half of the least distance of a training target from an end of the support. A target on the end itself, where a
            density may have no value, stands for the interval of this width.
    """

    bijection: Bijection = _PLAIN
    counted: bool = False
    atoms: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    cells: bool = True
    nearest: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether targets are any real numbers."""
        return isinstance(self.bijection, Identity) and not self.counted and not self.atoms

    def moved(self, by: np.ndarray) -> Outcome:
        """The outcome of targets minus `by`, `(D,)`, with which float32 computes where targets lie far from 0."""
        if self.plain or not by[0]:
            return self
        origin = float(by[0])
        ends = {name: value - origin for name, value in dataclasses.asdict(self.bijection).items() if name != "scale"}
        atoms = tuple(atom - origin for atom in self.atoms)
        return dataclasses.replace(self, bijection=dataclasses.replace(self.bijection, **ends), atoms=atoms)

    def check_support(self, bounds: np.ndarray, what: str = "targets of `validation_data`") -> None:
        """Raises a ValueError if a target, `(N, any)`, or a finite bound of one, lies outside of the support; `what` they are."""
        low, high = self.bijection.support
        bad = bounds[np.isfinite(bounds) & ((bounds < low) | (bounds > high))]
        if bad.size:
            raise ValueError(
                f"{what} must lie between {low:g} and {high:g}, as those of training do, but {bad[0]:g} came."
            )

    @property
    def fixed(self) -> bool:
        """Whether targets must not be moved towards 0: counts, and numbers on a circle."""
        return self.counted

    # ---- from targets to what a network learns -------------------------------------------------------------------------

    def sets(self, y: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The sets that targets stand for.

        Args:
            y: Targets `(N, D)`, NaN where missing.
            steps: The steps of their grids, `(D,)`, 0 without one.

        Returns:
            Lower and then upper bounds `(N, 2 D)`, equal for a point; and what the probability of the set is divided by,
            `(N, D)`: the width of the cell of a rounded number, else 1.
        """
        low, high = self.bijection.support
        lower, upper = y - 0.5 * steps, y + 0.5 * steps
        if np.any(steps) and not self.counted:
            inside = (y >= low) & (y <= high)
            lower, upper = (
                np.where(inside, np.maximum(lower, low), lower),
                np.where(inside, np.minimum(upper, high), upper),
            )
        cell = (steps > 0.0) & (not self.counted) & ~np.isnan(y)
        return self._at_ends(lower, upper, np.where(cell, upper - lower, 1.0))

    def sets_of(self, y: np.ndarray, steps: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`sets` of targets, or of the bounds of a censored one, `(N, 2)`.

        Args:
            y: Points `(N, D)`, or bounds `(N, 2)`.
            steps: As in `sets`.
        """
        if y.shape[1] == len(steps):
            return self.sets(y, steps)
        return self._at_ends(y[:, :1], y[:, 1:], np.ones((len(y), 1)))

    def _at_ends(self, lower, upper, width) -> tuple[np.ndarray, np.ndarray]:
        """A point on an end of the support, where a density may have no value, becomes the interval of width `nearest`."""
        low, high = self.bijection.support
        if self.nearest:
            touching = _resolution(low, high)
            point = (lower == upper) & ~np.isin(lower, self.atoms)
            at_low = point & (lower >= low) & (lower <= low + touching)
            at_high = point & (upper <= high) & (upper >= high - touching)
            lower = np.where(at_low, low, np.where(at_high, high - self.nearest, lower))
            upper = np.where(at_high, high, np.where(at_low, low + self.nearest, upper))
            width = np.where(at_low | at_high, self.nearest, width)
        return np.concatenate([lower, upper], axis=1), width

    def points(self, learnt: np.ndarray, size: int, seed: int) -> np.ndarray:
        """One number for each target that a network learns, for the start of a training and for models without features.

        Args:
            learnt: As `learnable` returns it.
            size: D.
            seed: The seed for the draws within intervals; beyond the last bound of one they follow the bijection.

        Returns:
            Shape `(N, D)`; with atoms `learnt` as it is.
        """
        if self.atoms or learnt.shape[1] == size:
            return learnt
        lower, upper = learnt[:, :size], learnt[:, size:]
        u = np.random.default_rng(seed).uniform(size=lower.shape)
        below, above = self._beyond(u)
        point = np.where(np.isinf(upper), lower + above, upper - below)
        open_end = np.isinf(lower) | np.isinf(upper)
        ends = [np.where(open_end, point, end) for end in (lower, upper)]
        return targets.within(np.concatenate(ends, axis=1), size, u)

    def _beyond(self, u):
        """How far below its upper bound, and above its lower one, a set without the other is met; `u` is uniform.

        Towards an end of the support, z falls as the log of the distance from that end.
        """
        if isinstance(self.bijection, Identity):
            return u if self.counted else 0.0, 0.0
        fall = -np.log(u) * (self.bijection.scale if isinstance(self.bijection, Softplus) else 1.0)
        return fall, fall if isinstance(self.bijection, Sigmoid) else 0.0

    def learnable(self, bounds: np.ndarray) -> np.ndarray:
        """What the network learns from targets.

        Args:
            bounds: Points `(N, D)`, or lower and then upper bounds `(N, 2 D)`; NaN where missing.

        Returns:
            Points or bounds on the real line; with atoms `(N, 2)`: the point, NaN at an atom, and the place of the atom,
            which is the number of atoms where there is none.
        """
        if self.plain:
            return bounds
        lower, upper = bounds[:, :1], bounds[:, -1:]
        low, high = self.bijection.support
        low = _LOW_COUNT if self.counted and np.isinf(low) else low
        if self.atoms:
            kind = self.kinds(lower[:, 0])[:, None]
            inside = np.clip(lower, low + self.nearest, high - self.nearest)
            value = np.where(kind < len(self.atoms), np.nan, self.bijection.inverse(inside))
            return np.concatenate([value, np.where(np.isnan(upper), np.nan, kind)], axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            ends = [np.where(lower <= low, -np.inf, self.bijection.inverse(lower)), self.bijection.inverse(upper)]
        ends[1] = np.where(upper >= high, np.inf, ends[1])
        both = np.concatenate(ends, axis=1)
        return both[:, :1] if bounds.shape[1] == 1 and np.array_equal(ends[0], ends[1], equal_nan=True) else both

    def kinds(self, y: np.ndarray) -> np.ndarray:
        """The place of the atom that each target `(N,)` is; the number of atoms where it is none; `(N,)`."""
        return np.argmax(np.column_stack([*(y == atom for atom in self.atoms), np.ones(len(y), bool)]), axis=1)

    def log_slope(self, learnt: np.ndarray) -> np.ndarray:
        """The log of the slope of the bijection at points that a network learnt `(N, 1 or 2)`; 0 at a set; `(N,)`."""
        if isinstance(self.bijection, Identity):
            return np.zeros(len(learnt))
        point = np.isfinite(learnt[:, 0]) & ((learnt[:, 0] == learnt[:, -1]) | bool(self.atoms))
        return np.where(point, self.bijection.log_slope(np.where(point, learnt[:, 0], 0.0)), 0.0)

    # ---- from a network's answers to distributions of the target -------------------------------------------------------

    def distribution(self, members: list):
        """The distribution of the targets, from what each member of an ensemble predicts.

        Args:
            members: Mixtures of normals; with atoms Joints of "value" and "kind".
        """
        if not self.atoms:
            mixture = members[0] if len(members) == 1 else blend(members)
            return self._of_support(mixture)
        kinds = ops.stack([numerics.log_softmax(member.parts["kind"].logits) for member in members])
        shares = [kind[..., -1:] for kind in kinds]
        mixtures = [member.parts["value"] for member in members]
        logits = ops.concatenate([s + m.log_weights for s, m in zip(shares, mixtures, strict=True)], axis=-1)
        together = blend(mixtures)
        mixture = Mixture._new(logits, together.components)
        highest = ops.logsumexp(kinds, axis=0)
        return Spiked(highest, np.asarray(self.atoms), self._of_support(mixture))

    def without_features(self, mixture: Mixture):
        """The distribution of the targets from one mixture of what networks learn, with atoms as frequent as in training."""
        if not self.atoms:
            return self._of_support(mixture)
        return Spiked(np.log([*self.shares, 1.0 - sum(self.shares)]), np.asarray(self.atoms), self._of_support(mixture))

    def snapped(self, values: np.ndarray, origin: np.ndarray) -> np.ndarray:
        """Quantiles that roundings of float32 have moved, back on the support, the counts or the atoms.

        Args:
            values: Shape `(N, D, any)`.
            origin: What was subtracted from targets in float32, `(D,)`.
        """
        if self.plain:
            return values
        if self.counted:
            return np.clip(np.round(values), *self.whole)
        values = np.clip(values, *self.bijection.support)
        for atom in self.atoms:
            values = np.where(np.abs(values - atom) <= self.atom_width(atom, origin), atom, values)
        return values

    def atom_width(self, atom: float, origin: np.ndarray) -> float:
        """How far from an atom a value is taken for it; `origin` as in `snapped`."""
        return float(numerics.SMALLEST_SCALE + _ROUNDED * abs(atom - origin[0]))

    def _of_support(self, mixture):
        if not isinstance(self.bijection, Identity):
            mixture = Transformed(mixture, self.bijection)
        return Rounded(mixture, 1.0, lowest=max(0.0, self.whole[0])) if self.counted else mixture

    @property
    def whole(self) -> tuple[float, float]:
        """The least and the greatest whole number of the support."""
        low, high = self.bijection.support
        return float(np.floor(low)) + 1.0, float(np.ceil(high)) - 1.0


_KINDS = {kind.__name__: kind for kind in (Identity, Exp, Softplus, Sigmoid)}
_IN_FILES = record(
    bijection=record(
        kind=one_of(*_KINDS), optional=("low", "high", "scale"), low=number(), high=number(), scale=number()
    ),
    counted=flag,
    atoms=listed(number()),
    shares=listed(number(0.0, 1.0)),
    cells=flag,
    nearest=number(0.0),
    optional=("bijection", "counted", "atoms", "shares", "cells", "nearest"),
)


def description(outcome: Outcome) -> dict:
    """What `of` needs, as JSON holds it."""
    kind = {"kind": type(outcome.bijection).__name__, **dataclasses.asdict(outcome.bijection)}
    return {
        **dataclasses.asdict(outcome),
        "bijection": kind,
        "atoms": list(outcome.atoms),
        "shares": list(outcome.shares),
    }


def of(description: dict) -> Outcome:
    """The outcome with a description.

    Raises:
        ValueError: if it is not one.
    """
    fields = _IN_FILES(description, "outcome")
    kind = fields.pop("bijection", {"kind": "Identity"}).copy()
    bijection = _KINDS[kind.pop("kind")](**kind)
    tuples = {name: tuple(fields.get(name, ())) for name in ("atoms", "shares")}
    if len(tuples["atoms"]) != len(tuples["shares"]):
        raise ValueError("`outcome.shares` must be one for each of `outcome.atoms`.")
    return Outcome(bijection=bijection, **{**fields, **tuples})


def candidates(y: np.ndarray, family: str, bounds, step: float, censored: bool = False) -> list[Outcome]:
    """The outcomes that `family` and `bounds` leave open; held-out rows choose among them.

    Args:
        y: One target, `(N,)`, without NaN; of an interval a point within it.
        family: One of `FAMILIES`.
        bounds: None, "auto", or (low, high), of which one may be infinite.
        step: The step of the grid on which targets lie, or 0.
        censored: Whether targets are intervals; then there are no atoms and no counts.

    Raises:
        ValueError: if a target lies outside of the bounds or of what the family allows.
    """
    near = y.min() <= _FAR * np.ptp(y)
    whole = not censored and step == 1.0 and np.all(y >= 0.0) and near and np.array_equal(np.round(y), y)
    if family == "counts" or (family == "auto" and whole and bounds in (None, "auto")):
        if not (np.all(y >= 0.0) and np.array_equal(np.round(y), y)):
            bad = y[(y < 0.0) | (np.round(y) != y)][0]
            raise ValueError(f'family="counts" needs whole targets from 0, but {bad:g} came: use family="auto".')
        if bounds not in (None, "auto"):
            raise ValueError(f'`bounds` must be None with family="counts", but {bounds!r} came: use family="bounded".')
        if family == "auto" and _reaches_its_end(y):
            return [Outcome(Sigmoid(float(y.min()) - 0.5, float(y.max()) + 0.5), counted=True)]
        return [Outcome(Exp(_LOW_COUNT), counted=True), Outcome(counted=True)]
    low, high = _bounds(y, family, bounds)
    if family == "auto" and bounds in (None, "auto") and not near:
        low, high = -np.inf, np.inf  # so far from 0, an end there says nothing
    spikes = sorted(targets.atoms(y)) if family != "normal" and not (step or censored) else []
    atoms, shares = (tuple(each[place] for each in spikes) for place in (0, 1))
    rest = y[~np.isin(y, atoms)] if atoms else y
    if np.isinf(low) and np.isinf(high):
        return [Outcome(atoms=atoms, shares=shares)]
    inside = rest[(rest > low) & (rest < high)]
    nearest = 0.5 * float(min((inside - low).min(), (high - inside).min())) if len(inside) else 0.0
    origin = float(initializers.far_origin(y[:, None])[0])
    nearest = max(nearest, _resolution(low - origin, high - origin))
    if np.isfinite(high) and np.isfinite(low):
        return [Outcome(Sigmoid(low, high), atoms=atoms, shares=shares, nearest=nearest)]
    if np.isinf(low):
        raise ValueError(
            f"`bounds` must have a lower end where they have an upper one, but {(low, high)} came: predict -y."
        )
    bend = np.quantile(inside - low, _SOFT) if len(inside) else 1.0
    bend = float(f"{bend:.1g}")  # a round number, since JAX compiles each value anew
    return [Outcome(kind, atoms=atoms, shares=shares, nearest=nearest) for kind in (Softplus(low, bend), Exp(low))]


def _resolution(low: float, high: float) -> float:
    """How near to an end of the support float32 can tell a number from it."""
    return _SPACINGS * float(np.spacing(np.float32(max(abs(end) for end in (low, high) if np.isfinite(end)))))


def _reaches_its_end(y: np.ndarray) -> bool:
    """Whether whole numbers have an upper end that many reach, as marks from 1 to 5, per cents, and 0 and 1 do."""
    values, counts = np.unique(y, return_counts=True)
    if len(values) == 2 and values[0] == 0.0 and values[1] == 1.0:
        return True
    return (
        len(values) > 2 and counts[-1] > _OFTEN * len(y) and counts[-1] > 0.5 * counts[-2] and np.ptp(y) <= _MOST_MARKS
    )


def _bounds(y, family: str, bounds) -> tuple[float, float]:
    """(low, high) of the support."""
    if bounds is not None and not isinstance(bounds, str):
        low, high = (float(end) for end in bounds)
        if family == "positive" and low < 0.0:
            raise ValueError(f'`bounds` must begin at 0 or above with family="positive", but {bounds!r} came.')
        if np.any((y < low) | (y > high)):
            bad = y[(y < low) | (y > high)][0]
            raise ValueError(f"targets must lie within `bounds` = ({low:g}, {high:g}), but {bad:g} came.")
        return low, high
    if family == "normal":
        return -np.inf, np.inf
    least, most = float(y.min()), float(y.max())
    shares = [
        (low, high)
        for low, high in _SHARES
        if low <= least <= low + _NEAR_END * (high - low) and high - _NEAR_END * (high - low) <= most <= high
    ]
    if shares and family in ("auto", "bounded"):
        return shares[0]
    if family == "bounded":
        raise ValueError('family="bounded" needs to know between which bounds: bounds=(low, high), such as (0, 1).')
    if family == "positive" and least < 0.0:
        raise ValueError(f'family="positive" needs targets from 0, but {least:g} came: use family="auto".')
    return (0.0 if least >= 0.0 else -np.inf), np.inf
