"""Computes a starting mixture from the targets by EM: NumPy in, NumPy out, no training.

A component that starts far from all data has no gradient and never lives; one that starts on a single outlier never
leaves it. So locations start at quantiles (k-means++ beyond one dimension). If tails are heavy, a ladder of wide
components takes the outliers; the widest scale is three times the distance of the furthest one.
"""

import functools
import warnings

import numpy as np

from mdn import numerics

_NORMAL_IQR = 1.3489795003921634  # the interquartile range of the standard normal
_MOST_ROWS = 10_000  # EM reads no more rows; of larger tables it reads a random part
_EM_STEPS = 30
_LLOYD_STEPS = 5
_LIGHT_TAIL = 6.0  # robust standard scores; of a million normal draws the furthest lies at 5
_LADDER_START = 3.0  # wide components for heavy tails begin at this many spreads ...
_BEYOND = 3.0  # ... and the widest has this many times the distance of the furthest target
_NARROWEST = 0.02  # a start narrower than this sits on ties (integers, say), and overfits before the first step
_LOWEST_SHARE = 1e-3  # the least weight of a component
_FEWEST_FITTED, _MOST_DRAWN = 20, 3000  # for tables of so many rows, held-out folds choose the way of fitting
_BLOCKS, _FOLDS = 20, 5  # rows are cut into blocks, and every fifth block belongs to one fold, which is held out once
_DRAWN = 5.0  # the prior counts as so many rows at the common centre for each normal
_PULLS = (1.0, 10.0)  # times so many: with many numbers, normals of their own fit chance in a few hundred rows
_ROWS_BINNED = 50_000  # quantiles of so many rows are near enough
_FAR = 256.0  # a centre is far from 0 beyond this many spreads
_BLURRED = 1e-6  # a spread below this share of the centre is blurred: it is 8 to 17 spacings of float32


def robust_scaling(y) -> tuple[np.ndarray, np.ndarray]:
    """(shift, spread) that outliers do not change: the median, and the interquartile range as a standard deviation.

    Args:
        y: Shape (..., D); NaN is missing.
    Returns:
        Two float32 arrays of shape (D,); a constant column has spread 1.
    """
    columns = np.asarray(y, "float64").reshape(-1, np.shape(y)[-1]).T
    pairs = [_center_and_spread(column[np.isfinite(column)]) for column in columns]
    shift, spread = (np.array(side, "float64") for side in zip(*pairs, strict=True))
    return shift.astype("float32"), np.clip(spread, 1e-30, 1e30).astype("float32")


def quantile_bins(x, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """(edges, means) of bins between quantiles, for `FeatureBins`.

    Args:
        x: Features `(N, F)`; NaN is missing.
        bins: How many bins a feature has at most; the rest are empty, with equal edges.
    Returns:
        Ascending edges `(F, bins + 1)`, and how far the rows have come through each bin on average, `(F, bins)`, 0 where it is
        empty; float32.
    """
    x = rows_to_bin(np.asarray(x, "float32"))
    edges, means = np.zeros((x.shape[1], bins + 1), "float32"), np.zeros((x.shape[1], bins), "float32")
    for column, own, mean in zip(x.T, edges, means, strict=True):
        column = column[np.isfinite(column)]
        if not len(column):
            continue
        found = _edges(column, bins)
        own[:] = found[-1]
        own[: len(found)] = found
        width = np.diff(own)
        filled = width > 0.0
        share = (column[:, None] - own[:-1][filled]) / width[filled]
        mean[filled] = np.clip(share, 0.0, 1.0).mean(axis=0)
    return edges, means


def rows_to_bin(x: np.ndarray) -> np.ndarray:
    """The rows of `x` if they are not too many, else some of them, drawn at random: every k-th row may be of one kind."""
    if len(x) <= _ROWS_BINNED:
        return x
    return x[np.random.default_rng(0).choice(len(x), _ROWS_BINNED, replace=False)]


def _edges(column: np.ndarray, bins: int) -> np.ndarray:
    """At most `bins + 1` ascending edges: all values if they are so few, else quantiles, of which several may be one value."""
    values = np.unique(column)
    if len(values) <= bins + 1:
        return values
    return np.unique(np.quantile(column, np.linspace(0.0, 1.0, bins + 1), method="closest_observation"))


def far_origin(y) -> np.ndarray:
    """The number to subtract from each column in float64, before it becomes float32: its median if far from 0, else 0.

    Far is more than 256 spreads, where float32 has lost 8 of its 24 binary digits.

    Args:
        y: Shape (N, D); NaN is missing.
    Returns:
        Shape (D,), float64; 0 for a constant column.
    """
    origin = np.zeros(np.shape(y)[-1])
    for d, column in enumerate(np.asarray(y, "float64").T):
        column = column[np.isfinite(column)]
        if len(column) and column.min() < column.max():
            center, spread = _median_and_spread(column)
            origin[d] = center if abs(center) > _FAR * spread else 0.0
    return origin


def warn_if_blurred(y, what: str) -> None:
    """Warns of columns so far from 0 that float32, in which networks compute, loses the differences between their values.

    Args:
        y: Shape (..., D), in float64; NaN is missing.
        what: What the columns are, such as "targets".
    """
    for d, column in enumerate(np.asarray(y, "float64").reshape(-1, np.shape(y)[-1]).T):
        column = column[np.isfinite(column)]
        center, spread = _median_and_spread(column) if len(column) and column.min() < column.max() else (0.0, 1.0)
        if spread < abs(center) * _BLURRED:
            warnings.warn(
                f"column {d} of the {what} lies around {center:.6g} with a spread of {spread:.3g}, but float32, in which "
                f"networks compute, tells values there apart by {np.spacing(np.float32(abs(center))):.3g} only: subtract "
                f"{center:.6g} in float64 before anything else. MDNRegressor does so by itself.",
                UserWarning,
                stacklevel=3,
            )


def _center_and_spread(column: np.ndarray) -> tuple[float, float]:
    if not len(column):
        return 0.0, 1.0
    center, spread = _median_and_spread(column)
    # float32 cannot tell the values apart below its spacing at the centre
    return center, max(spread, abs(center) * _BLURRED)


def _median_and_spread(column: np.ndarray) -> tuple[float, float]:
    low, center, high = np.quantile(column, [0.25, 0.5, 0.75])
    spread = (high - low) / _NORMAL_IQR
    if not spread > 0.0:  # at least half of the values are ties: take the typical distance of the others
        away = np.abs(column - center)
        away = away[away > 0.0]
        spread = float(np.median(away)) if len(away) else 1.0
    return float(center), float(spread)


def spread_mixture(event_size: int, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(loc (K, D), scale (K, D), weights (K,)) spread over the standard normal, for targets not seen yet."""
    rng = np.random.default_rng(count)
    grid = _normal_quantiles((np.arange(count) + 0.5) / count)
    loc = np.stack([grid, *(rng.permutation(grid) for _ in range(event_size - 1))], axis=-1)
    return loc, np.ones((count, event_size)), np.full(count, 1.0 / count)


def _normal_quantiles(q: np.ndarray) -> np.ndarray:
    """Quantiles of the normal by the closest Tukey lambda distribution: good to 0.02 up to 100 components, enough for a start."""
    return (q**0.135 - (1.0 - q) ** 0.135) / 0.1975


def starting_mixture(y, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(loc (K, D), scale (K, D), weights (K,)) of a mixture of diagonal normals fitted to targets by EM.

    Args:
        y: Targets in robust standard scores (`robust_scaling`), shape (..., D); rows with NaN are left out.
        count: K.
        seed: Chooses 10,000 rows if there are more, and the first centres.
    """
    rng = np.random.default_rng(seed)
    y = np.asarray(y, "float64").reshape(-1, np.shape(y)[-1])
    y = y[np.all(np.isfinite(y), axis=-1)]
    if len(y) < 2:
        return spread_mixture(y.shape[-1], count)
    if len(y) > _MOST_ROWS:
        y = y[rng.choice(len(y), _MOST_ROWS, replace=False)]
    loc, scale, floor = _first_guess(y, count, rng)
    weights = np.full(count, 1.0 / count)
    for _ in range(_EM_STEPS):
        shares = _responsibilities(y, loc, scale, weights)
        mass = shares.sum(axis=0)
        # a component that lost its data stays where it was
        alive = (mass > 1e-3)[:, None]
        safe = np.maximum(mass, 1e-3)[:, None]
        loc = np.where(alive, shares.T @ y / safe, loc)
        variance = np.stack(
            [np.sum(shares * (y[:, d : d + 1] - loc[:, d]) ** 2, axis=0) for d in range(y.shape[1])], -1
        )
        scale = np.where(alive, np.maximum(np.sqrt(variance / safe), floor), scale)
        weights = np.maximum(mass / len(y), min(_LOWEST_SHARE, 1.0 / len(y)))
        weights /= weights.sum()
    return loc, scale, weights


def correlation_factor(y) -> np.ndarray:
    """The Cholesky factor `(D, D)` of the correlation of scaled targets `(N, D)`, of which rows with NaN are left out.

    Targets count as at most ±6, so that no outlier decides; where few rows are complete, the factor is near the identity.
    """
    size = y.shape[-1]
    whole = np.clip(y[np.all(np.isfinite(y), axis=-1)], -_LIGHT_TAIL, _LIGHT_TAIL)
    covariance = (whole - whole.mean(axis=0)).T @ (whole - whole.mean(axis=0)) if len(whole) else np.zeros((size, size))
    deviation = np.sqrt(np.maximum(np.diagonal(covariance), _NARROWEST))
    correlation = covariance / np.outer(deviation, deviation)
    share = len(whole) / (len(whole) + size + 1.0)  # as if D + 1 rows without correlation had been seen
    np.fill_diagonal(correlation, 1.0)
    return np.linalg.cholesky(share * correlation + (1.0 - share) * np.eye(size))


def correlated_mixture(y, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(loc (K, D), scale_tril (K, D, D), weights (K,)) of a mixture of correlated normals fitted to scaled targets.

    `starting_mixture` in coordinates that are not correlated finds the peaks of the targets. A few hundred rows are too few for
    it: its narrow normals fit chance. Up to 3,000 rows, mixtures whose normals are drawn together, a little and much, are
    therefore fitted, too (the modes of posteriors). Held-out blocks of rows choose one of the two, and it is taken unless they
    show that it is worse than `starting_mixture`, by more than chance.

    Args:
        y: Targets in robust standard scores (`robust_scaling`), shape (N, D); rows with NaN are left out.
        count: K.
        seed: As in `starting_mixture`.

    Reference:
        Fraley and Raftery (2007), Bayesian regularization for normal mixture estimation and model-based clustering.
    """
    factor = correlation_factor(y)
    whole = y[np.all(np.isfinite(y), axis=-1)] @ np.linalg.inv(factor).T

    def apart(rows):
        loc, scale, weights = starting_mixture(rows, count, seed)
        return loc, scale[:, :, None] * np.eye(y.shape[-1]), weights

    def together(pull, rows):
        return _mixture_drawn_together(rows, count, seed, pull)

    found = apart
    if _FEWEST_FITTED <= len(whole) <= _MOST_DRAWN:
        fold = np.arange(len(whole)) * _BLOCKS // len(whole) % _FOLDS

        def judged(way):
            return np.concatenate([_log_density(whole[fold == i], *way(whole[fold != i])) for i in range(_FOLDS)])

        scores = {way: judged(way) for way in (functools.partial(together, pull) for pull in _PULLS)}
        found = max(scores, key=lambda way: np.mean(scores[way]))
        if numerics.surely_positive(judged(apart) - scores[found]):
            found = apart
    loc, scale_tril, weights = found(whole)
    return loc @ factor.T, factor @ scale_tril, weights


def _mixture_drawn_together(y, count: int, seed: int, pull: float):
    """Fits a mixture by EM as if each normal had seen a few rows more, spread as targets are, and each weight one.

    Args:
        y, count, seed: As in `correlated_mixture`, without missing numbers.
        pull: Multiplies how many rows more.
    """
    rows, size = y.shape
    drawn, wide = pull * _DRAWN, pull * (size + 2.0)
    center = np.mean(y, axis=0)
    inside = np.clip(y - center, -_LIGHT_TAIL, _LIGHT_TAIL)
    prior = inside.T @ inside / rows + _NARROWEST**2 * np.eye(size)
    spreads = np.geomspace(0.4, 2.0, count)[:, None, None] if count > 1 else np.ones((1, 1, 1))
    loc = center + 0.3 * np.random.default_rng(seed).normal(size=(count, size)) * np.sqrt(np.diagonal(prior))
    scale_tril, weights = spreads * np.linalg.cholesky(prior), np.full(count, 1.0 / count)
    for _ in range(2 * _EM_STEPS):
        log_joint = _log_joint(y, loc, scale_tril, weights)
        shares = np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=1)[:, None])
        mass = shares.sum(axis=0)
        weights = (mass + 1.0) / (rows + count)
        loc = (shares.T @ y + drawn * center) / (mass + drawn)[:, None]
        left, drift = y[None] - loc[:, None], (loc - center)[:, :, None]
        seen = np.swapaxes(left * shares.T[:, :, None], 1, 2) @ left
        seen = seen + drawn * drift @ np.swapaxes(drift, 1, 2) + wide * prior
        scale_tril = np.linalg.cholesky(seen / (mass + wide)[:, None, None])
    return loc, scale_tril, weights


def _log_joint(y, loc, scale_tril, weights):
    z = np.linalg.solve(scale_tril, np.swapaxes(y[None] - loc[:, None], 1, 2))  # (K, D, N)
    widths = np.sum(np.log(np.diagonal(scale_tril, axis1=1, axis2=2)), axis=-1)
    constant = np.log(weights) - widths - 0.5 * y.shape[1] * np.log(2.0 * np.pi)
    return (constant[:, None] - 0.5 * np.sum(z**2, axis=1)).T


def _log_density(y, loc, scale_tril, weights):
    return np.logaddexp.reduce(_log_joint(y, loc, scale_tril, weights), axis=1)


def starting_directions(angles, count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(loc (K, 1), scale (K, 1), weights (K,)) of a mixture of von Mises fitted to angles by EM; scale is κ^(-1/2).

    Args:
        angles: In radians, shape (N, 1), best turned so that few lie about ±π; NaN is left out.
        count: K.
        seed: Chooses 10,000 rows if there are more.

    Reference:
        Banerjee et al. (2005), Clustering on the unit hypersphere using von Mises-Fisher distributions.
    """
    from scipy.special import i0e

    angles = np.asarray(angles, "float64").reshape(-1, 1)
    angles = angles[np.isfinite(angles[:, 0])]
    if len(angles) > _MOST_ROWS:
        angles = angles[np.random.default_rng(seed).choice(len(angles), _MOST_ROWS, replace=False)]
    floor = _NARROWEST * min(1.0, _center_and_spread(angles[:, 0])[1])
    loc, scale = (each[:, 0] for each in _by_quantiles(angles, count))
    scale, weights = np.maximum(scale, floor), np.full(count, 1.0 / count)
    for _ in range(_EM_STEPS):
        kappa = scale**-2.0
        joint = np.log(weights / i0e(kappa)) + kappa * (np.cos(angles - loc) - 1.0)
        shares = np.exp(joint - joint.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        mass = np.maximum(shares.sum(axis=0), 1e-3)
        pull = (shares * np.exp(1j * angles)).sum(axis=0) / mass
        loc, scale = np.angle(pull), np.maximum(_scale_of_angles(np.minimum(np.abs(pull), 1.0)), floor)
        weights = np.maximum(mass / len(angles), min(_LOWEST_SHARE, 1.0 / len(angles)))
        weights /= weights.sum()
    return loc[:, None], scale[:, None], weights


def short_way(difference, period: float = 2.0 * np.pi):
    """Differences of numbers on a circle the short way round, in [-period / 2, period / 2]; NumPy."""
    return difference - period * np.round(difference / period)


def _scale_of_angles(resultant: np.ndarray) -> np.ndarray:
    """κ^(-1/2) for the length of the mean of unit vectors, I₁(κ) / I₀(κ), from 0 to 1."""
    from scipy.special import i0e, i1e

    square = np.minimum(resultant**2, 1.0 - 1e-12)
    kappa = np.maximum(resultant * (2.0 - square) / (1.0 - square), 1e-6)
    for _ in range(2):  # Newton's method, which reaches float precision from there
        ratio = i1e(kappa) / i0e(kappa)
        kappa = np.maximum(kappa - (ratio - resultant) / np.maximum(1.0 - ratio / kappa - ratio**2, 1e-12), 1e-6)
    return kappa**-0.5


def _first_guess(y, count, rng):
    """(loc, scale, floor of the scales), each (K, D)."""
    size = y.shape[-1]
    reach = np.max(np.abs(y), axis=0)
    furthest = float(reach.max())
    rungs = 0
    if furthest > _LIGHT_TAIL and count > 1:
        rungs = int(np.clip(np.ceil(np.log10(furthest / _LADDER_START)) + 1, 1, max(1, count // 2)))
    bulk = count - rungs
    inside = y[np.all(np.abs(y) <= _LIGHT_TAIL, axis=-1)] if rungs else y
    if len(inside) < 2:
        inside = y
    loc, scale = _by_quantiles(inside, bulk) if size == 1 else _by_clusters(inside, bulk, rng)
    floor = np.full((count, size), _NARROWEST)
    if rungs:
        widest = _BEYOND * np.maximum(reach, _LADDER_START)
        steps = np.linspace(0.0, 1.0, rungs)[::-1, None]
        ladder = _LADDER_START ** (1.0 - steps) * widest**steps
        loc, scale = np.concatenate([loc, np.zeros((rungs, size))]), np.concatenate([scale, ladder])
        floor[bulk] = widest / _BEYOND  # the widest component stays wide, for outliers not seen yet
    return loc, np.maximum(scale, floor), floor


def _by_quantiles(y, count):
    parts = np.array_split(np.sort(y[:, 0]), count)
    spare = (float(np.mean(y)), float(np.std(y)))
    pairs = [(float(part.mean()), float(part.std())) if len(part) else spare for part in parts]
    loc, scale = np.array(pairs).T[..., None]
    # components narrower than the gaps to their neighbours would leave holes
    gaps = np.abs(np.gradient(loc[:, 0]))[:, None] if count > 1 else 0.0
    return loc, np.maximum(scale, 0.5 * gaps)


def _by_clusters(y, count, rng):
    """k-means++ and a few of Lloyd's steps."""
    centres = y[rng.integers(len(y))][None]
    nearest = np.sum((y - centres[0]) ** 2, axis=-1)
    for _ in range(count - 1):
        total = nearest.sum()
        chosen = rng.choice(len(y), p=nearest / total) if total > 0.0 else rng.integers(len(y))
        centres = np.concatenate([centres, y[chosen][None]])
        nearest = np.minimum(nearest, np.sum((y - y[chosen]) ** 2, axis=-1))
    for _ in range(_LLOYD_STEPS):
        label = np.argmin(np.sum(centres**2, -1) - 2.0 * y @ centres.T, axis=-1)
        members = np.bincount(label, minlength=count)
        sums = np.stack([np.bincount(label, y[:, d], minlength=count) for d in range(y.shape[1])], axis=-1)
        centres = np.where(members[:, None] > 0, sums / np.maximum(members, 1)[:, None], centres)
    deviation = (y - centres[label]) ** 2
    squares = np.stack([np.bincount(label, deviation[:, d], minlength=count) for d in range(y.shape[1])], axis=-1)
    overall = np.std(y, axis=0) / count ** (1.0 / y.shape[1])
    few = members[:, None] < 3
    return centres, np.where(few, overall, np.sqrt(squares / np.maximum(members, 1)[:, None]))


def _responsibilities(y, loc, scale, weights):
    with np.errstate(over="ignore"):
        log_joint = np.log(weights) - np.sum(np.log(scale), axis=-1)
        for d in range(y.shape[1]):
            log_joint = log_joint - 0.5 * ((y[:, d : d + 1] - loc[:, d]) / scale[:, d]) ** 2
        log_joint -= log_joint.max(axis=-1, keepdims=True)
        shares = np.exp(log_joint)
    return shares / shares.sum(axis=-1, keepdims=True)
