"""The independent truth: every family in float64, from the definitions, with NumPy, SciPy and mpmath only.

Nothing here knows `mdn`. Densities and tails come from textbook formulas, everything else from the definition:
a quantile by bisection of the distribution function, the CRPS as the integral of (F(x) - 1{x >= y})², the shortest
interval by a search over its lower probability, the mode by a search of the density, the energy score by Monte Carlo.

Shapes are those of the contract: `*batch` any axes, `K` components, `D` the event size.
`test_references.py` holds these functions to SciPy, mpmath and `scipy.integrate.quad`.
"""

from __future__ import annotations

import collections
import functools
import hashlib
import itertools
import os
import pickle
from pathlib import Path

import numpy as np
import scipy
from scipy import optimize, special

LOG_2PI = float(np.log(2.0 * np.pi))


def _f64(value):
    return np.asarray(value, dtype=np.float64)


# ---------------------------------------------------------------------------------------------------------------
# What takes long is kept on disk, for the next run and for the other backends
# ---------------------------------------------------------------------------------------------------------------

_HERE = Path(__file__).resolve().parent
_KEPT = _HERE.parent / ".pytest_cache" / "truths"


@functools.cache
def _code() -> bytes:
    """The code that the truths come from: when it changes, they are made anew."""
    files = ("references.py", "catalogue.py", "contract.py", "gradients.py")
    return b"".join((_HERE / name).read_bytes() for name in files) + f"{np.__version__} {scipy.__version__}".encode()


def kept(key, compute):
    """`compute()`, an array or a tuple of arrays, from the disk if it was computed before for the same `key` by the same code.

    Args:
        key: Anything that pickle writes down, all that the result depends on beside the code.
        compute: Called where nothing is on disk.
    """
    digest = hashlib.blake2b(pickle.dumps(key) + _code(), digest_size=20).hexdigest()
    path = _KEPT / digest[:2] / f"{digest}.npz"
    try:
        with np.load(path) as found:
            single = "alone" in found.files
            return found["alone"] if single else tuple(found[f"arr_{i}"] for i in range(len(found.files)))
    except (OSError, ValueError, EOFError):
        pass  # not there yet
    result = compute()
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{digest}.{os.getpid()}.npz")
    if isinstance(result, tuple):
        np.savez(unfinished, *result)
    else:
        np.savez(unfinished, alone=result)
    os.replace(unfinished, path)
    return result


def _kept_on_disk(function):
    @functools.wraps(function)
    def found(*args, **kwargs):
        return kept((function.__name__, args, kwargs), lambda: function(*args, **kwargs))

    return found


def gauss_legendre(edges, nodes=24):
    """Nodes and weights of composite Gauss-Legendre quadrature: `edges` (..., P+1) -> two arrays (..., P, nodes)."""
    points, weights = np.polynomial.legendre.leggauss(nodes)
    left, right = edges[..., :-1, None], edges[..., 1:, None]
    half = 0.5 * (right - left)
    # Written from the left edge, so that panels far from zero and narrow keep their nodes apart.
    return left + half * (1.0 + points), half * weights


# ---------------------------------------------------------------------------------------------------------------
# One coordinate of one family: functions of x and of fields that broadcast against x.
# ---------------------------------------------------------------------------------------------------------------


class Coordinate:
    """What most families share: a `loc`, and a `scale` that is its unit."""

    support = (-np.inf, np.inf)

    @classmethod
    def support_of(cls, **fields):
        return cls.support

    @staticmethod
    def spot(z, loc, scale, **others):
        """Points about `z` widths from the centre, each coordinate by a factor of its own."""
        return loc + z * scale * np.cos(np.arange(loc.shape[-1]))

    @staticmethod
    def width(scale, **others):
        """How far a search for the mode goes at first."""
        return scale

    # Families whose logarithms need a series below 1e-217 write these out: a sum of probabilities does not need it.

    @classmethod
    def cdf(cls, x, **fields):
        return np.exp(cls.log_cdf(x, **fields))

    @classmethod
    def sf(cls, x, **fields):
        return np.exp(cls.log_sf(x, **fields))


class NormalCoordinate(Coordinate):
    @staticmethod
    def log_pdf(x, loc, scale):
        z = (x - loc) / scale
        return -0.5 * z * z - np.log(scale) - 0.5 * LOG_2PI

    @staticmethod
    def log_cdf(x, loc, scale):
        return special.log_ndtr((x - loc) / scale)

    @staticmethod
    def log_sf(x, loc, scale):
        return special.log_ndtr((loc - x) / scale)

    @staticmethod
    def mean(loc, scale):
        return loc + 0.0 * scale

    @staticmethod
    def variance(loc, scale):
        return scale**2 + 0.0 * loc

    mode = mean

    @staticmethod
    def sample(rng, shape, loc, scale):
        return loc + scale * rng.standard_normal(shape)

    @staticmethod
    def edges(loc, scale):
        return loc[..., None] + scale[..., None] * _spread(2.0**7)


def _spread(furthest):
    """0, ±0.25, ±0.5, ... ±4, then doubling up to `furthest`: panels in units of the scale."""
    near = np.arange(1, 17) * 0.25
    far = 4.0 * 2.0 ** np.arange(0.5, np.log2(furthest / 4.0) + 0.5, 0.5)
    positive = np.concatenate([near, far])
    return np.concatenate([-positive[::-1], [0.0], positive])


class LaplaceCoordinate(NormalCoordinate):
    @staticmethod
    def log_pdf(x, loc, scale):
        return -np.abs(x - loc) / scale - np.log(2.0 * scale)

    @staticmethod
    def log_cdf(x, loc, scale):
        z = (x - loc) / scale
        return np.where(z < 0, np.minimum(z, 0) - np.log(2.0), np.log1p(-0.5 * np.exp(-np.maximum(z, 0))))

    @staticmethod
    def log_sf(x, loc, scale):
        return LaplaceCoordinate.log_cdf(-x, -loc, scale)

    @staticmethod
    def variance(loc, scale):
        return 2.0 * scale**2 + 0.0 * loc

    @staticmethod
    def sample(rng, shape, loc, scale):
        return loc + scale * rng.laplace(size=shape)

    @staticmethod
    def edges(loc, scale):
        return loc[..., None] + scale[..., None] * _spread(2.0**10)


class LogisticCoordinate(NormalCoordinate):
    @staticmethod
    def log_pdf(x, loc, scale):
        z = np.abs(x - loc) / scale
        return -z - 2.0 * np.log1p(np.exp(-z)) - np.log(scale)

    @staticmethod
    def log_cdf(x, loc, scale):
        return special.log_expit((x - loc) / scale)

    @staticmethod
    def log_sf(x, loc, scale):
        return special.log_expit((loc - x) / scale)

    @staticmethod
    def variance(loc, scale):
        return (np.pi * scale) ** 2 / 3.0 + 0.0 * loc

    @staticmethod
    def sample(rng, shape, loc, scale):
        return loc + scale * rng.logistic(size=shape)

    @staticmethod
    def edges(loc, scale):
        return loc[..., None] + scale[..., None] * _spread(2.0**10)


class StudentTCoordinate(Coordinate):
    @staticmethod
    def log_pdf(x, loc, scale, df):
        z = (x - loc) / scale
        constant = special.gammaln((df + 1) / 2) - special.gammaln(df / 2) - 0.5 * np.log(np.pi * df)
        return constant - 0.5 * (df + 1) * np.log1p(z * z / df) - np.log(scale)

    @staticmethod
    def _outside(z, df):
        """P(|Y| > |z|) = I(df / (df + z²); df/2, 1/2), by its complement where that ratio is rounded to 1."""
        z2 = z * z
        near = z2 < np.minimum(0.5 * df, 1.0)
        inside = special.betainc(0.5, 0.5 * df, np.where(near, z2 / (df + z2), 0.0))
        return np.where(near, 1.0 - inside, special.betainc(0.5 * df, 0.5, df / (df + z2)))

    @classmethod
    def sf(cls, x, loc, scale, df):
        z, df = np.broadcast_arrays((x - loc) / scale, df)
        half = 0.5 * cls._outside(z, df)
        return np.where(z > 0, half, 1.0 - half)

    @classmethod
    def cdf(cls, x, loc, scale, df):
        return cls.sf(-x, -loc, scale, df)

    @classmethod
    def log_sf(cls, x, loc, scale, df):
        z, df = np.broadcast_arrays((x - loc) / scale, df)
        outside = cls._outside(z, df)
        with np.errstate(divide="ignore"):
            log_upper = np.array(np.log(outside))
        deep = outside < 1e-250
        if deep.any():  # beyond float64: the logarithm of the power series of I
            b, v = 0.5 * df[deep], df[deep] / (df[deep] + z[deep] ** 2)
            log_upper[deep] = (
                b * np.log(v) - np.log(b) - special.betaln(b, 0.5) + np.log(special.hyp2f1(b, 0.5, b + 1, v))
            )
        log_upper = log_upper - np.log(2.0)
        return np.where(z > 0, log_upper, np.log1p(-np.exp(np.minimum(log_upper, -0.5))))

    @staticmethod
    def log_cdf(x, loc, scale, df):
        return StudentTCoordinate.log_sf(-x, -loc, scale, df)

    @staticmethod
    def mean(loc, scale, df):
        return np.where(df > 1, loc + 0.0 * scale, np.nan)

    @staticmethod
    def variance(loc, scale, df):
        finite = scale**2 * df / np.where(df > 2, df - 2, 1.0) + 0.0 * loc
        # About any point, even where there is no mean: E(y - c)² is infinite for all df up to 2.
        return np.where(df > 2, finite, np.inf)

    @staticmethod
    def mode(loc, scale, df):
        return loc + 0.0 * scale * df

    @staticmethod
    def sample(rng, shape, loc, scale, df):
        return loc + scale * rng.standard_t(np.broadcast_to(df, shape))

    @staticmethod
    def edges(loc, scale, df):
        # A squared tail falls as x^(-2 df): the panels double until nothing is left, even at df = 0.7.
        return loc[..., None] + scale[..., None] * _spread(2.0**100)


class LogNormalCoordinate(Coordinate):
    support = (0.0, np.inf)

    @staticmethod
    def spot(z, loc, scale):
        with np.errstate(over="ignore"):
            return np.clip(np.exp(np.float64(loc) + z * np.float64(scale)), 1e-30, 1e30)

    @classmethod
    def width(cls, loc, scale):
        return np.minimum(scale, 0.5) * cls.mode(loc, scale)

    @staticmethod
    def _log(x):
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), -np.inf)

    @classmethod
    def log_pdf(cls, x, loc, scale):
        log_x = cls._log(x)
        inside = np.where(x > 0, log_x, 0.0)
        return np.where(x > 0, NormalCoordinate.log_pdf(inside, loc, scale) - inside, -np.inf)

    @classmethod
    def log_cdf(cls, x, loc, scale):
        return NormalCoordinate.log_cdf(cls._log(x), loc, scale)

    @classmethod
    def log_sf(cls, x, loc, scale):
        return NormalCoordinate.log_sf(cls._log(x), loc, scale)

    @staticmethod
    def mean(loc, scale):
        return np.exp(loc + 0.5 * scale**2)

    @staticmethod
    def variance(loc, scale):
        return np.expm1(scale**2) * np.exp(2 * loc + scale**2)

    @staticmethod
    def mode(loc, scale):
        return np.exp(loc - scale**2)

    @staticmethod
    def sample(rng, shape, loc, scale):
        return np.exp(loc + scale * rng.standard_normal(shape))

    @staticmethod
    def edges(loc, scale):
        steps = np.arange(-14.0, 14.01, 0.2)
        inner = np.exp(loc[..., None] + scale[..., None] * steps)
        return np.concatenate([np.zeros_like(inner[..., :1]), inner], axis=-1)


class GammaCoordinate(Coordinate):
    support = (0.0, np.inf)

    @staticmethod
    def spot(z, concentration, rate):
        """Wilson and Hilferty: the cube root of a gamma is about normal."""
        a = np.float64(concentration)
        return a / rate * np.maximum(1 - 1 / (9 * a) + z / (3 * np.sqrt(a)), 1e-4) ** 3

    @staticmethod
    def width(concentration, rate):
        return np.sqrt(concentration) / rate

    @staticmethod
    def log_pdf(x, concentration, rate):
        a = concentration
        with np.errstate(divide="ignore"):
            return np.where(
                x < 0,
                -np.inf,
                a * np.log(rate) + special.xlogy(a - 1, np.maximum(x, 0)) - rate * x - special.gammaln(a),
            )

    @staticmethod
    def cdf(x, concentration, rate):
        return special.gammainc(concentration, np.maximum(x, 0.0) * rate)

    @staticmethod
    def sf(x, concentration, rate):
        return special.gammaincc(concentration, np.maximum(x, 0.0) * rate)

    @staticmethod
    def log_cdf(x, concentration, rate):
        a, x = np.broadcast_arrays(concentration, np.maximum(x, 0.0) * rate)
        with np.errstate(divide="ignore"):
            result = np.log(special.gammainc(a, x))
        deep = (result < -500) & (x > 0)
        if deep.any():  # beyond float64: x^a e^-x / Γ(a + 1) · Σ x^n / ((a + 1) ... (a + n))
            a, x = a[deep], x[deep]
            n = np.arange(1, 3000).reshape(-1, 1)
            with np.errstate(under="ignore"):
                series = 1 + np.cumprod(x / (a + n), axis=0).sum(0)
            result = np.array(result)
            result[deep] = special.xlogy(a, x) - x - special.gammaln(a + 1) + np.log(series)
        return result

    @staticmethod
    def log_sf(x, concentration, rate):
        a, x = np.broadcast_arrays(concentration, np.maximum(x, 0.0) * rate)
        with np.errstate(divide="ignore"):
            result = np.log(special.gammaincc(a, x))
        deep = result < -500
        if deep.any():  # beyond float64: Legendre's continued fraction, from its far end
            a, x = a[deep], x[deep]
            tail = np.zeros_like(x)
            for n in range(2000, 0, -1):
                tail = n * (a - n) / (x - a + 2 * n + 1 + tail)
            result = np.array(result)
            result[deep] = special.xlogy(a, x) - x - special.gammaln(a) - np.log(x - a + 1 + tail)
        return result

    @staticmethod
    def mean(concentration, rate):
        return concentration / rate

    @staticmethod
    def variance(concentration, rate):
        return concentration / rate**2

    @staticmethod
    def mode(concentration, rate):
        return np.maximum(concentration - 1, 0) / rate

    @staticmethod
    def sample(rng, shape, concentration, rate):
        return rng.gamma(np.broadcast_to(concentration, shape)) / rate

    @classmethod
    def edges(cls, concentration, rate):
        a, unit = concentration[..., None], (1 / rate)[..., None]
        steps = np.arange(-14.0, 40.01, 0.25)
        bulk = a * unit * np.maximum(1 - 1 / (9 * a) + steps / (3 * np.sqrt(a)), 1e-3) ** 3
        towards_0 = a * unit * 2.0 ** -np.arange(0.0, 160.0)  # where a < 1, the distribution function is steep there
        return np.sort(np.concatenate([np.zeros_like(a * unit), bulk, towards_0], axis=-1), axis=-1)


class WeibullCoordinate(Coordinate):
    support = (0.0, np.inf)

    @staticmethod
    def spot(z, concentration, scale):
        """z is about the log of the cumulative hazard."""
        with np.errstate(over="ignore"):
            return np.clip(scale * np.exp((0.2 * z if z > 0 else z) / np.float64(concentration)), 1e-30, 1e30)

    @staticmethod
    def width(concentration, scale):
        return scale / np.maximum(concentration, 1.0)

    @staticmethod
    def _hazard(x, concentration, scale):
        with np.errstate(over="ignore"):
            return (np.maximum(x, 0.0) / scale) ** concentration

    @classmethod
    def log_pdf(cls, x, concentration, scale):
        k = concentration
        with np.errstate(divide="ignore"):
            density = np.log(k / scale) + special.xlogy(k - 1, np.maximum(x, 0.0) / scale)
        return np.where(x < 0, -np.inf, density - cls._hazard(x, k, scale))

    @classmethod
    def log_cdf(cls, x, concentration, scale):
        hazard = cls._hazard(x, concentration, scale)
        with np.errstate(divide="ignore"):
            near = concentration * np.log(np.maximum(x, 0.0) / scale)
            return np.where(hazard < 1e-17, near, np.log(-np.expm1(-hazard)))

    @classmethod
    def log_sf(cls, x, concentration, scale):
        return -cls._hazard(x, concentration, scale)

    @staticmethod
    def mean(concentration, scale):
        return scale * special.gamma(1 + 1 / concentration)

    @staticmethod
    def variance(concentration, scale):
        return scale**2 * (special.gamma(1 + 2 / concentration) - special.gamma(1 + 1 / concentration) ** 2)

    @staticmethod
    def mode(concentration, scale):
        return scale * np.maximum(1 - 1 / concentration, 0.0) ** (1 / concentration)

    @staticmethod
    def sample(rng, shape, concentration, scale):
        return scale * rng.weibull(np.broadcast_to(concentration, shape))

    @staticmethod
    def edges(concentration, scale):
        inner = scale[..., None] * np.exp(np.arange(-60.0, 6.8, 0.3) / concentration[..., None])
        return np.concatenate([np.zeros_like(inner[..., :1]), inner], axis=-1)


class BetaCoordinate(Coordinate):
    support = (0.0, 1.0)

    @staticmethod
    def _log_odds(concentration1, concentration0):
        """Mean and standard deviation of log(y / (1 - y))."""
        a, b = np.float64(concentration1), np.float64(concentration0)
        return special.psi(a) - special.psi(b), np.sqrt(special.polygamma(1, a) + special.polygamma(1, b))

    @classmethod
    def spot(cls, z, concentration1, concentration0):
        middle, spread = cls._log_odds(concentration1, concentration0)
        return np.clip(special.expit(middle + z * spread), 1e-30, 1 - 6e-8)

    @staticmethod
    def width(concentration1, concentration0):
        return np.sqrt(BetaCoordinate.variance(concentration1, concentration0))

    @staticmethod
    def log_pdf(x, concentration1, concentration0):
        a, b, place = concentration1, concentration0, np.clip(x, 0.0, 1.0)
        with np.errstate(divide="ignore"):
            density = special.xlogy(a - 1, place) + special.xlog1py(b - 1, -place) - special.betaln(a, b)
        return np.where((x < 0) | (x > 1), -np.inf, density)

    @staticmethod
    def cdf(x, concentration1, concentration0):
        return special.betainc(concentration1, concentration0, np.clip(x, 0.0, 1.0))

    @staticmethod
    def sf(x, concentration1, concentration0):
        return special.betaincc(concentration1, concentration0, np.clip(x, 0.0, 1.0))

    @staticmethod
    def log_cdf(x, concentration1, concentration0):
        a, b, x = np.broadcast_arrays(concentration1, concentration0, np.clip(x, 0.0, 1.0))
        return BetaCoordinate._log_lower(a, b, x, 1.0 - x, special.betainc(a, b, x))

    @staticmethod
    def log_sf(x, concentration1, concentration0):
        a, b, x = np.broadcast_arrays(concentration1, concentration0, np.clip(x, 0.0, 1.0))
        return BetaCoordinate._log_lower(b, a, 1.0 - x, x, special.betaincc(a, b, x))

    @staticmethod
    def _log_lower(a, b, x, rest, value):
        with np.errstate(divide="ignore"):
            result = np.log(value)
        deep = (result < -500) & (x > 0)
        if deep.any():
            # beyond float64: x^a (1 - x)^b / (a B) · Σ x^n (a + b) ... (a + b + n - 1) / ((a + 1) ... (a + n))
            a, b, x, rest = a[deep], b[deep], x[deep], rest[deep]
            n = np.arange(0, 3000).reshape(-1, 1)
            with np.errstate(under="ignore"):
                series = 1 + np.cumprod(x * (a + b + n) / (a + 1 + n), axis=0).sum(0)
            result = np.array(result)
            result[deep] = a * np.log(x) + b * np.log(rest) - np.log(a) - special.betaln(a, b) + np.log(series)
        return result

    @staticmethod
    def mean(concentration1, concentration0):
        return concentration1 / (concentration1 + concentration0)

    @staticmethod
    def variance(concentration1, concentration0):
        total = concentration1 + concentration0
        return concentration1 * concentration0 / (total**2 * (total + 1))

    @staticmethod
    def mode(concentration1, concentration0):
        a, b = np.maximum(concentration1 - 1, 0), np.maximum(concentration0 - 1, 0)
        return np.where(
            a + b > 0, a / np.where(a + b > 0, a + b, 1.0), np.where(concentration1 <= concentration0, 0.0, 1.0)
        )

    @staticmethod
    def sample(rng, shape, concentration1, concentration0):
        return rng.beta(np.broadcast_to(concentration1, shape), np.broadcast_to(concentration0, shape))

    @classmethod
    def edges(cls, concentration1, concentration0):
        middle, spread = (part[..., None] for part in cls._log_odds(concentration1, concentration0))
        inner = special.expit(middle + spread * np.arange(-14.0, 14.01, 0.25))
        mean = cls.mean(concentration1, concentration0)[..., None]
        ends = mean * 2.0 ** -np.arange(0.0, 160.0), 1 - (1 - mean) * 2.0 ** -np.arange(0.0, 52.0)
        return np.sort(np.concatenate([0 * mean, inner, *ends, 0 * mean + 1], axis=-1), axis=-1)


class TruncatedNormalCoordinate(Coordinate):
    @staticmethod
    def support_of(loc, scale, low, high):
        return float(low.min()), float(high.max())

    @staticmethod
    def spot(z, loc, scale, low, high):
        """Strictly inside, since at an end the logs of tails are infinite."""
        return low + (high - low) * np.clip(special.expit(0.8 * z), 0.003, 0.997)

    @staticmethod
    def width(loc, scale, low, high):
        return np.minimum(scale, high - low)

    @staticmethod
    def _log_mass(left, right, loc, scale):
        """log(Φ(b) - Φ(a)) by logs of Φ, on the side of 0 where they are small."""
        a, b = np.broadcast_arrays((left - loc) / scale, (right - loc) / scale)
        mirrored = a + b > 0
        a, b = np.where(mirrored, -b, a), np.where(mirrored, -a, b)
        low, high = special.log_ndtr(a), special.log_ndtr(b)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(a < b, high + np.log(-np.expm1(low - high)), -np.inf)

    @classmethod
    def log_pdf(cls, x, loc, scale, low, high):
        density = NormalCoordinate.log_pdf(x, loc, scale) - cls._log_mass(low, high, loc, scale)
        return np.where((x < low) | (x > high), -np.inf, density)

    @classmethod
    def log_cdf(cls, x, loc, scale, low, high):
        return cls._log_mass(low, np.clip(x, low, high), loc, scale) - cls._log_mass(low, high, loc, scale)

    @classmethod
    def log_sf(cls, x, loc, scale, low, high):
        return cls._log_mass(np.clip(x, low, high), high, loc, scale) - cls._log_mass(low, high, loc, scale)

    @classmethod
    def _moment(cls, power, centre, loc, scale, low, high):
        x, weight = gauss_legendre(cls.edges(loc, scale, low, high), 20)
        fields = (np.asarray(field)[..., None, None] for field in (loc, scale, low, high))
        density = np.exp(cls.log_pdf(x, *fields))
        return (weight * density * (x - centre[..., None, None]) ** power).sum((-1, -2))

    @classmethod
    def mean(cls, loc, scale, low, high):
        return cls._moment(1, 0.0 * loc, loc, scale, low, high)

    @classmethod
    def variance(cls, loc, scale, low, high):
        return cls._moment(2, cls.mean(loc, scale, low, high), loc, scale, low, high)

    @staticmethod
    def mode(loc, scale, low, high):
        return np.clip(loc, low, high)

    @classmethod
    def sample(cls, rng, shape, loc, scale, low, high):
        # by inversion on the side of 0 where tails are small
        a, b, u = (low - loc) / scale, (high - loc) / scale, rng.random(shape)
        mirrored = a + b > 0
        a, b = np.where(mirrored, -b, a), np.where(mirrored, -a, b)
        z = special.ndtri_exp(np.logaddexp(np.log1p(-u) + special.log_ndtr(a), np.log(u) + special.log_ndtr(b)))
        return np.clip(loc + scale * np.where(mirrored, -z, z), low, high)

    @classmethod
    def edges(cls, loc, scale, low, high):
        # around loc, and around the mode in the unit in which an exponential tail falls
        mode = np.clip(loc, low, high)
        unit = scale / np.maximum(np.abs(mode - loc) / scale, 1.0)
        ends = (np.maximum(low, mode - 40 * scale), np.minimum(high, mode + 40 * scale))
        inner = np.concatenate([mode[..., None] + size[..., None] * _spread(2.0**7) for size in (unit, scale)], axis=-1)
        grid = ends[0][..., None] + (ends[1] - ends[0])[..., None] * np.linspace(0, 1, 33)
        both = np.concatenate([inner, grid], axis=-1)
        return np.sort(np.clip(both, ends[0][..., None], ends[1][..., None]), axis=-1)


class VonMisesCoordinate(Coordinate):
    """On [-π, π]; the density is periodic, the distribution function counts from -π."""

    support = (-np.pi, np.pi)

    @staticmethod
    def spot(z, loc, concentration):
        return wrap(loc + z / np.sqrt(np.maximum(concentration, 0.1))) * 0.999

    @staticmethod
    def width(loc, concentration):
        return 1 / np.sqrt(concentration)

    @staticmethod
    def log_pdf(x, loc, concentration):
        # cos(t) - 1 as -2 sin²(t/2): no cancellation at large concentrations.
        return -2.0 * concentration * np.sin(0.5 * (x - loc)) ** 2 - np.log(2 * np.pi * special.i0e(concentration))

    @staticmethod
    def cdf(x, loc, concentration):
        """Fourier series, exact to 1e-14 in absolute terms."""
        loc, concentration = np.asarray(loc), np.asarray(concentration)
        turn, start = np.exp(1j * (x - loc)), np.exp(1j * (np.pi + loc))
        power, first, series = turn, start, 0.0
        for j in range(1, 20 + int(np.sqrt(80 * concentration.max()))):
            ratio = special.ive(j, concentration) / special.i0e(concentration) / (np.pi * j)
            series = series + ratio * (power.imag + first.imag)
            power, first = power * turn, first * start
        return np.clip((x + np.pi) / (2 * np.pi) + series, 0.0, 1.0)

    @classmethod
    def log_cdf(cls, x, loc, concentration):
        return cls._log_integral(np.full_like(x, -np.pi), x, loc, concentration)

    @classmethod
    def log_sf(cls, x, loc, concentration):
        return cls._log_integral(x, np.full_like(x, np.pi), loc, concentration)

    @classmethod
    def _log_integral(cls, low, high, loc, concentration):
        low, high, loc, concentration = np.broadcast_arrays(low, high, loc, concentration)
        width = 1.0 / np.sqrt(np.maximum(concentration, 1.0))
        steps = np.concatenate([np.arange(0.0, 4.0, 0.5), 4.0 * 2.0 ** np.arange(0, 6, 0.5)])
        steps = np.concatenate([-steps[::-1], steps[1:]])
        centres = loc[..., None] + 2 * np.pi * np.array([-1.0, 0.0, 1.0])
        inner = (centres[..., None] + width[..., None, None] * steps).reshape(*low.shape, -1)
        fine = (high - low)[..., None] * 2.0 ** -np.arange(0.0, 14.0)
        inner = np.concatenate([inner, low[..., None] + fine, high[..., None] - fine], axis=-1)
        inner = np.sort(np.clip(inner, low[..., None], high[..., None]), axis=-1)
        x, weight = gauss_legendre(inner, 20)
        log_terms = cls.log_pdf(x, loc[..., None, None], concentration[..., None, None])
        return special.logsumexp(log_terms, b=weight, axis=(-1, -2))

    @staticmethod
    def mean(loc, concentration):
        return wrap(loc + 0.0 * concentration)

    mode = mean

    @staticmethod
    def first_moment(loc, concentration):
        """E[exp(i y)]."""
        return special.i1e(concentration) / special.i0e(concentration) * np.exp(1j * loc)

    @classmethod
    def centred_moments(cls, centre, loc, concentration):
        """E[wrap(y - centre)] and E[wrap(y - centre)²] by quadrature over one turn around `centre`."""
        centre, loc, concentration = np.broadcast_arrays(centre, loc, concentration)
        width = 1.0 / np.sqrt(np.maximum(concentration, 1.0))
        steps = np.concatenate([np.arange(0.0, 4.0, 0.5), 4.0 * 2.0 ** np.arange(0, 6, 0.5)])
        steps = np.concatenate([-steps[::-1], steps[1:]])
        offsets = wrap(loc - centre)[..., None, None] + 2 * np.pi * np.array([-1.0, 0.0, 1.0])[:, None]
        edges = (offsets + width[..., None, None] * steps).reshape(*centre.shape, -1)
        edges = np.sort(
            np.clip(np.concatenate([edges, edges[..., :1] * 0 - np.pi, edges[..., :1] * 0 + np.pi], -1), -np.pi, np.pi),
            -1,
        )
        t, weight = gauss_legendre(edges, 20)
        mass = weight * np.exp(
            cls.log_pdf(centre[..., None, None] + t, loc[..., None, None], concentration[..., None, None])
        )
        return (mass * t).sum((-1, -2)), (mass * t * t).sum((-1, -2))

    @classmethod
    def variance(cls, loc, concentration):
        return cls.centred_moments(cls.mean(loc, concentration), loc, concentration)[1]

    @staticmethod
    def sample(rng, shape, loc, concentration):
        return rng.vonmises(np.broadcast_to(wrap(loc), shape), np.broadcast_to(concentration, shape))

    @staticmethod
    def edges(loc, concentration):
        width = 1.0 / np.sqrt(np.maximum(concentration, 1.0))
        inner = wrap(loc[..., None] + width[..., None] * _spread(8.0))
        grid = np.broadcast_to(np.linspace(-np.pi, np.pi, 33), (*loc.shape, 33))
        return np.concatenate([inner, grid], axis=-1)


def wrap(angle):
    """To [-π, π)."""
    return np.mod(np.asarray(angle) + np.pi, 2 * np.pi) - np.pi


class CountCoordinate(Coordinate):
    """Counts from 0 on: a family gives the log of P(Y = k), and both tails and their logs, at whole k >= 0."""

    support = (0.0, np.inf)
    grid = (1.0, 0.0)

    @classmethod
    def spot(cls, z, **fields):
        fields = {name: np.float64(field) for name, field in fields.items()}
        return np.round(np.maximum(cls.mean(**fields) + z * np.sqrt(cls.variance(**fields)), 0.0))

    @classmethod
    def log_pdf(cls, x, **fields):
        inside = (x >= 0) & (x == np.round(x))
        return np.where(inside, cls.log_mass(np.where(inside, x, 0.0), **fields), -np.inf)

    @classmethod
    def cdf(cls, x, **fields):
        return np.where(x >= 0, cls.tails(np.floor(np.maximum(x, 0.0)), **fields)[0], 0.0)

    @classmethod
    def sf(cls, x, **fields):
        return np.where(x >= 0, cls.tails(np.floor(np.maximum(x, 0.0)), **fields)[1], 1.0)

    @classmethod
    def log_cdf(cls, x, **fields):
        return np.where(x >= 0, cls.log_tails(np.floor(np.maximum(x, 0.0)), **fields)[0], -np.inf)

    @classmethod
    def log_sf(cls, x, **fields):
        return np.where(x >= 0, cls.log_tails(np.floor(np.maximum(x, 0.0)), **fields)[1], 0.0)

    @classmethod
    def edges(cls, **fields):
        """Beyond the outermost, less than e^-100 is left, by the bounds of Bernstein."""
        mean, variance = (part(**fields)[..., None] for part in (cls.mean, cls.variance))
        far = np.sqrt(2 * variance * 100.0)
        return np.concatenate([np.maximum(mean - far, 0.0), mean + far + variance / mean * 100.0], axis=-1)


class PoissonCoordinate(CountCoordinate):
    @staticmethod
    def log_mass(k, rate):
        return special.xlogy(k, rate) - rate - special.gammaln(k + 1)

    @staticmethod
    def tails(k, rate):
        return GammaCoordinate.sf(rate, k + 1, 1.0), GammaCoordinate.cdf(rate, k + 1, 1.0)

    @staticmethod
    def log_tails(k, rate):
        return GammaCoordinate.log_sf(rate, k + 1, 1.0), GammaCoordinate.log_cdf(rate, k + 1, 1.0)

    @staticmethod
    def mean(rate):
        return rate

    variance = mean

    @staticmethod
    def mode(rate):
        return np.floor(rate)

    @staticmethod
    def sample(rng, shape, rate):
        return rng.poisson(np.broadcast_to(rate, shape)).astype(float)


class NegativeBinomialCoordinate(CountCoordinate):
    @staticmethod
    def log_mass(k, rate, concentration):
        r, total = concentration, rate + concentration
        choose = special.gammaln(k + r) - special.gammaln(k + 1) - special.gammaln(r)
        return choose + r * np.log(r / total) + k * np.log(rate / total)

    @staticmethod
    def tails(k, rate, concentration):
        total = rate + concentration
        return (
            special.betainc(concentration, k + 1, concentration / total),
            special.betainc(k + 1, concentration, rate / total),
        )

    @classmethod
    def log_tails(cls, k, rate, concentration):
        k, m, r = np.broadcast_arrays(k, rate, concentration)
        with np.errstate(divide="ignore"):
            lower, upper = (np.log(tail) for tail in cls.tails(k, m, r))
        n = np.arange(1, 3000).reshape(-1, 1)
        for tail, up in ((lower, False), (upper, True)):
            deep = tail < -500
            if deep.any():  # beyond float64: sums of ratios of neighbouring probabilities
                at, mean, shape = (k[deep] + 1 if up else k[deep]), m[deep], r[deep]
                odds = mean / (mean + shape)
                below = np.maximum(at - n + 1, 0.0)
                ratios = (
                    (at + n - 1 + shape) / (at + n) * odds if up else below / np.maximum(below - 1 + shape, 1e-9) / odds
                )
                with np.errstate(under="ignore"):
                    total = 1 + np.cumprod(ratios, axis=0).sum(0)
                tail[deep] = cls.log_mass(at, mean, shape) + np.log(total)
        return lower, upper

    @staticmethod
    def mean(rate, concentration):
        return rate + 0.0 * concentration

    @staticmethod
    def variance(rate, concentration):
        return rate + rate**2 / concentration

    @staticmethod
    def mode(rate, concentration):
        return np.floor(np.maximum(rate - rate / concentration, 0.0))

    @staticmethod
    def sample(rng, shape, rate, concentration):
        return rng.poisson(rate / concentration * rng.gamma(np.broadcast_to(concentration, shape))).astype(float)


COORDINATES = {
    "Normal": NormalCoordinate,
    "Laplace": LaplaceCoordinate,
    "Logistic": LogisticCoordinate,
    "StudentT": StudentTCoordinate,
    "LogNormal": LogNormalCoordinate,
    "Gamma": GammaCoordinate,
    "Weibull": WeibullCoordinate,
    "Beta": BetaCoordinate,
    "TruncatedNormal": TruncatedNormalCoordinate,
    "VonMises": VonMisesCoordinate,
    "Poisson": PoissonCoordinate,
    "NegativeBinomial": NegativeBinomialCoordinate,
}


# ---------------------------------------------------------------------------------------------------------------
# Distributions
# ---------------------------------------------------------------------------------------------------------------


class Truth:
    """What every truth has; subclasses give `log_prob`, moments, `marginal` and `sample`."""

    discrete = False
    circular = False
    grid: tuple | None = None  # (step, least outcome) of counts

    def prob(self, y):
        return np.exp(self.log_prob(y))

    def variance(self):
        return np.diagonal(self.covariance(), axis1=-2, axis2=-1)

    # The univariate functions take x without its event axis: (*lead, *batch).

    def cdf(self, x):
        return np.exp(self.log_cdf(x))

    def sf(self, x):
        return np.exp(self.log_sf(x))

    def cdf_before(self, x):
        """P(Y < x)."""
        return self.cdf(x if self.grid is None else x - 0.5 * self.grid[0])

    def log_density(self, x):
        return self.log_prob(x[..., None])

    def component_modes(self):
        raise NotImplementedError


class Independent(Truth):
    """Independent coordinates of one family: fields broadcast to (*batch, D)."""

    def __init__(self, kind, **fields):
        self.kind, self.coordinate = kind, COORDINATES[kind]
        names, values = fields.keys(), np.broadcast_arrays(*(_f64(v) for v in fields.values()))
        self.fields = dict(zip(names, values, strict=True))
        *batch, self.event_size = values[0].shape
        self.batch_shape = tuple(batch)
        self.circular = kind == "VonMises"
        self.support = self.coordinate.support_of(**self.fields)
        self.grid = getattr(self.coordinate, "grid", None)

    def log_prob(self, y):
        return self.coordinate.log_pdf(_f64(y), **self.fields).sum(-1)

    def _flat(self):
        return {name: value[..., 0] for name, value in self.fields.items()}

    def log_cdf(self, x):
        return self.coordinate.log_cdf(_f64(x), **self._flat())

    def log_sf(self, x):
        return self.coordinate.log_sf(_f64(x), **self._flat())

    def cdf(self, x):
        return self.coordinate.cdf(_f64(x), **self._flat())

    def sf(self, x):
        return 1.0 - self.cdf(x) if self.circular else self.coordinate.sf(_f64(x), **self._flat())

    def edges(self):
        return self.coordinate.edges(**self._flat())

    def mean(self):
        return self.coordinate.mean(**self.fields)

    def variance(self):
        return self.coordinate.variance(**self.fields)

    def covariance(self):
        # `where`, because an infinite variance, or mean, times the zero off the diagonal is NaN.
        zero = np.where(np.isnan(self.mean()), np.nan, 0.0)
        return np.where(np.eye(self.event_size) > 0, self.variance()[..., None], zero[..., None] + zero[..., None, :])

    def component_modes(self):
        return self.coordinate.mode(**self.fields)[..., None, :]

    def component_widths(self):
        return self.coordinate.width(**self.fields)[..., None, :]

    def marginal(self, dims):
        return Independent(self.kind, **{name: value[..., list(dims)] for name, value in self.fields.items()})

    def component(self, k):
        """One place of the last axis of the batch."""
        return Independent(self.kind, **{name: value[..., k, :] for name, value in self.fields.items()})

    def sample(self, rng, count):
        return self.coordinate.sample(rng, (count, *self.batch_shape, self.event_size), **self.fields)


class Gaussian(Truth):
    """A joint normal by its covariance; the tests of densities use sub-matrices of it."""

    def __init__(self, loc, covariance):
        loc, covariance = _f64(loc), _f64(covariance)
        batch = np.broadcast_shapes(loc.shape[:-1], covariance.shape[:-2])
        self.event_size = loc.shape[-1]
        self.batch_shape = batch
        self.loc = np.broadcast_to(loc, (*batch, self.event_size))
        self._covariance = np.broadcast_to(covariance, (*batch, self.event_size, self.event_size))

    @classmethod
    def from_tril(cls, loc, scale_tril):
        scale_tril = np.tril(_f64(scale_tril))
        return cls(loc, scale_tril @ np.swapaxes(scale_tril, -1, -2))

    @classmethod
    def low_rank(cls, loc, scale, factor):
        scale, factor = _f64(scale), _f64(factor)
        diagonal = scale[..., None] ** 2 * np.eye(scale.shape[-1])
        return cls(loc, diagonal + factor @ np.swapaxes(factor, -1, -2))

    def log_prob(self, y):
        difference = _f64(y) - self.loc
        white = np.linalg.solve(np.linalg.cholesky(self._covariance), difference[..., None])[..., 0]
        log_det = np.linalg.slogdet(self._covariance)[1]
        return -0.5 * (white * white).sum(-1) - 0.5 * log_det - 0.5 * self.event_size * LOG_2PI

    def _as_normal(self):
        return Independent("Normal", loc=self.loc, scale=np.sqrt(self._covariance[..., 0]))

    def log_cdf(self, x):
        return self._as_normal().log_cdf(x)

    def log_sf(self, x):
        return self._as_normal().log_sf(x)

    def edges(self):
        return self._as_normal().edges()

    support = (-np.inf, np.inf)

    def mean(self):
        return self.loc

    def covariance(self):
        return self._covariance

    def component_modes(self):
        return self.loc[..., None, :]

    def component_widths(self):
        return np.sqrt(np.diagonal(self._covariance, axis1=-2, axis2=-1))[..., None, :]

    def component(self, k):
        """One place of the last axis of the batch."""
        return Gaussian(self.loc[..., k, :], self._covariance[..., k, :, :])

    def marginal(self, dims):
        dims = list(dims)
        return Gaussian(self.loc[..., dims], self._covariance[..., dims, :][..., :, dims])

    def sample(self, rng, count):
        white = rng.standard_normal((count, *self.batch_shape, self.event_size))
        return self.loc + (np.linalg.cholesky(self._covariance) @ white[..., None])[..., 0]


class Categorical(Truth):
    discrete = True
    event_size = 1

    def __init__(self, logits):
        self.logits = special.log_softmax(_f64(logits), axis=-1)
        self.batch_shape = self.logits.shape[:-1]

    def outcomes(self):
        return np.arange(self.logits.shape[-1], dtype=np.float64)[:, None]

    def log_prob(self, y):
        index = np.asarray(y)[..., 0].astype(int)
        index = np.broadcast_to(index, np.broadcast_shapes(index.shape, self.batch_shape))
        logits = np.broadcast_to(self.logits, (*index.shape, self.logits.shape[-1]))
        return np.take_along_axis(logits, index[..., None], -1)[..., 0]

    def marginal(self, dims):
        return self

    def sample(self, rng, count):
        uniform = rng.random((count, *self.batch_shape, 1))
        return (uniform > np.cumsum(np.exp(self.logits), -1)[..., :-1]).sum(-1, keepdims=True).astype(float)


class Bernoulli(Truth):
    discrete = True

    def __init__(self, logits):
        self.logits = _f64(logits)
        *batch, self.event_size = self.logits.shape
        self.batch_shape = tuple(batch)

    def outcomes(self):
        return np.array(list(itertools.product([0.0, 1.0], repeat=self.event_size)))

    def log_prob(self, y):
        y = _f64(y)
        return np.where(y > 0.5, special.log_expit(self.logits), special.log_expit(-self.logits)).sum(-1)

    def mean(self):
        return special.expit(self.logits)

    def covariance(self):
        return (self.mean() * special.expit(-self.logits))[..., None] * np.eye(self.event_size)

    def marginal(self, dims):
        return Bernoulli(self.logits[..., list(dims)])

    def sample(self, rng, count):
        return (rng.random((count, *self.logits.shape)) < self.mean()).astype(float)


_MEMORY: collections.OrderedDict = collections.OrderedDict()
_MOST_REMEMBERED = 40


def _remembered(single, method, x, digest):
    """`single.method(x)`, kept for the next that asks the same; `digest` is that of `x`."""
    if method == "sf" and single.circular:
        return 1.0 - _remembered(single, "cdf", x, digest)
    fields = (
        single.fields if isinstance(single, Independent) else {"loc": single.loc, "covariance": single.covariance()}
    )
    key = (type(single), getattr(single, "kind", ""), method, x.shape, digest, *(v.tobytes() for v in fields.values()))
    if key in _MEMORY:
        _MEMORY.move_to_end(key)
    else:
        _MEMORY[key] = getattr(single, method)(x)
        if len(_MEMORY) > _MOST_REMEMBERED:
            _MEMORY.popitem(last=False)
    return _MEMORY[key]


class Mixture(Truth):
    """`components`: a list of truths with batch (*batch, K_i); `logits` (*batch, K) in the same order."""

    def __init__(self, logits, components):
        self.log_weights = special.log_softmax(_f64(logits), axis=-1)
        self.components = list(components)
        self.batch_shape = self.log_weights.shape[:-1]
        self.event_size = self.components[0].event_size
        self.discrete = self.components[0].discrete
        self.circular = self.components[0].circular
        self.grid = self.components[0].grid
        if not self.discrete:
            supports = [c.support for c in self.components]
            self.support = (min(s[0] for s in supports), max(s[1] for s in supports))

    def weights(self):
        return np.exp(self.log_weights)

    def _each(self, function):
        return np.concatenate([function(c) for c in self.components], axis=-1)

    def outcomes(self):
        return self.components[0].outcomes()

    def log_joint(self, y):
        """log π_k + log p_k(y): (*lead, *batch, K)."""
        y = _f64(y)[..., None, :]
        lead = np.broadcast_shapes(y.shape[:-2], self.batch_shape)
        parts = [np.broadcast_to(v, (*lead, v.shape[-1])) for v in (c.log_prob(y) for c in self.components)]
        return self.log_weights + np.concatenate(parts, axis=-1)

    def log_prob(self, y):
        with np.errstate(divide="ignore"):
            return special.logsumexp(self.log_joint(y), axis=-1)

    def responsibilities(self, y):
        return special.softmax(self.log_joint(y), axis=-1)

    def _mix_log(self, method, x):
        values = self._each(lambda c: getattr(c, method)(_f64(x)[..., None] + np.zeros(c.batch_shape)))
        with np.errstate(divide="ignore"):
            return special.logsumexp(self.log_weights + values, axis=-1)

    def log_cdf(self, x):
        return self._mix_log("log_cdf", x)

    def log_sf(self, x):
        return self._mix_log("log_sf", x)

    def _mix(self, method, x):
        """Σ_k π_k f_k(x), one component at a time: differences by one parameter change one component, and reuse the others."""
        x = _f64(x)
        digest = hashlib.blake2b(x.tobytes()).digest()
        singles = [c.component(k) for c in self.components for k in range(c.batch_shape[-1])]
        values = np.stack([_remembered(single, method, x, digest) for single in singles], axis=-1)
        return (self.weights() * values).sum(-1)

    def cdf(self, x):
        return self._mix("cdf", x)

    def sf(self, x):
        return self._mix("sf", x)

    def edges(self):
        return np.concatenate([c.edges().reshape(*self.batch_shape, -1) for c in self.components], axis=-1)

    def _component_means(self):
        return np.concatenate([c.mean() for c in self.components], axis=-2)

    def mean(self):
        if self.circular:
            moments = np.concatenate([VonMisesCoordinate.first_moment(**c.fields) for c in self.components], axis=-2)
            return np.angle((self.weights()[..., None] * moments).sum(-2))
        return (self.weights()[..., None] * self._component_means()).sum(-2)

    def covariance(self):
        weights = self.weights()[..., None, None]
        if self.circular:
            centre = self.mean()[..., None, :]
            pairs = [VonMisesCoordinate.centred_moments(centre, **c.fields) for c in self.components]
            first = np.concatenate([p[0] for p in pairs], axis=-2)
            second = np.concatenate([p[1] for p in pairs], axis=-2)
            eye = np.eye(self.event_size)
            outer = first[..., :, None] * first[..., None, :]
            return (weights * (outer * (1 - eye) + second[..., None] * eye)).sum(-3)
        within = np.concatenate([c.covariance() for c in self.components], axis=-3)
        with np.errstate(invalid="ignore"):
            offset = self._component_means() - self.mean()[..., None, :]
            result = (weights * (within + offset[..., :, None] * offset[..., None, :])).sum(-3)
        endless = np.isinf(within).any(-3) & (np.eye(self.event_size) > 0)
        return np.where(endless, np.inf, result)

    def component_modes(self):
        return np.concatenate([c.component_modes()[..., 0, :] for c in self.components], axis=-2)

    def component_widths(self):
        return np.concatenate([c.component_widths()[..., 0, :] for c in self.components], axis=-2)

    def marginal(self, dims):
        return Mixture(self.log_weights, [c.marginal(dims) for c in self.components])

    def sample(self, rng, count):
        uniform = rng.random((count, *self.batch_shape, 1))
        index = (uniform > np.cumsum(self.weights(), -1)[..., :-1]).sum(-1)
        draws = np.concatenate([c.sample(rng, count) for c in self.components], axis=-2)
        return np.take_along_axis(draws, index[..., None, None], axis=-2)[..., 0, :]


class Factorised(Truth):
    """`each`: a truth of one coordinate with batch (*batch, D)."""

    def __init__(self, each):
        self.each = each
        *batch, self.event_size = each.batch_shape
        self.batch_shape = tuple(batch)
        self.support = each.support

    def log_prob(self, y):
        return self.each.log_prob(_f64(y)[..., None]).sum(-1)

    def _line(self):
        return self._coordinates(0)

    def _coordinates(self, dims):
        return at(self.each, (*(slice(None),) * len(self.batch_shape), dims))

    def log_cdf(self, x):
        return self._line().log_cdf(x)

    def log_sf(self, x):
        return self._line().log_sf(x)

    def edges(self):
        return self._line().edges()

    def mean(self):
        return self.each.mean()[..., 0]

    def covariance(self):
        return self.each.covariance()[..., 0] * np.eye(self.event_size)

    def marginal(self, dims):
        return Factorised(self._coordinates(list(dims)))

    def sample(self, rng, count):
        return self.each.sample(rng, count)[..., 0]


class ExpBijection:
    def __init__(self, low=0.0):
        self.low, self.support = low, (low, np.inf)

    def forward(self, z):
        return self.low + np.exp(z)

    def inverse(self, y):
        return np.log(y - self.low)

    def log_slope_at(self, y):
        """log dy/dz as a function of y."""
        return np.log(y - self.low)


class SigmoidBijection:
    def __init__(self, low=0.0, high=1.0):
        self.low, self.high, self.support = low, high, (low, high)

    def forward(self, z):
        return self.low + (self.high - self.low) * special.expit(z)

    def inverse(self, y):
        return special.logit((y - self.low) / (self.high - self.low))

    def log_slope_at(self, y):
        return np.log(y - self.low) + np.log(self.high - y) - np.log(self.high - self.low)


BIJECTIONS = {"Exp": ExpBijection, "Sigmoid": SigmoidBijection}


class Transformed(Truth):
    """`base`: a truth of one coordinate; the density, and moments by quadrature over z, by the change of variables."""

    event_size = 1

    def __init__(self, base, bijection, numbers):
        self.base, self.bijection = base, BIJECTIONS[bijection](*numbers)
        self.batch_shape, self.support = base.batch_shape, self.bijection.support

    def _within(self, x):
        """(x, or a point of the support in place of one outside; whether x lies below the support, or above)."""
        x, (low, high) = _f64(x), self.support
        inside = self.bijection.forward(0.0)
        return np.where((x <= low) | (x >= high), inside, x), x <= low, x >= high

    def log_prob(self, y):
        x, below, above = self._within(np.asarray(y)[..., 0])
        density = self.base.log_density(self.bijection.inverse(x)) - self.bijection.log_slope_at(x)
        return np.where(below | above, -np.inf, density)

    def responsibilities(self, y):
        return self.base.responsibilities(self.bijection.inverse(_f64(y)))

    def _tail(self, method, x, at_low, at_high):
        x, below, above = self._within(x)
        inner = getattr(self.base, method)(self.bijection.inverse(x))
        return np.where(below, at_low, np.where(above, at_high, inner))

    def log_cdf(self, x):
        return self._tail("log_cdf", x, -np.inf, 0.0)

    def log_sf(self, x):
        return self._tail("log_sf", x, 0.0, -np.inf)

    def cdf(self, x):
        return self._tail("cdf", x, 0.0, 1.0)

    def sf(self, x):
        return self._tail("sf", x, 1.0, 0.0)

    def _z_edges(self):
        """Those of the base, with two more in each panel, since y grows exponentially with z."""
        edges = np.sort(np.clip(self.base.edges(), -600.0, 600.0), axis=-1)
        left, right = edges[..., :-1], edges[..., 1:]
        parts = [left + share * (right - left) for share in (0.0, 1 / 3, 2 / 3)]
        return np.sort(np.concatenate([*parts, edges[..., -1:]], axis=-1), axis=-1)

    def edges(self):
        ends = [np.full((*self.batch_shape, 1), end) for end in self.support if np.isfinite(end)]
        return np.concatenate([self.bijection.forward(self._z_edges()), *ends], axis=-1)

    def _expected(self, function):
        z, weight = gauss_legendre(self._z_edges(), 20)
        on_nodes = np.moveaxis(z, (-2, -1), (0, 1))
        mass = np.moveaxis(weight, (-2, -1), (0, 1)) * np.exp(self.base.log_density(on_nodes))
        return (mass * function(self.bijection.forward(on_nodes))).sum((0, 1))

    def mean(self):
        return self._expected(lambda y: y)[..., None]

    def covariance(self):
        mean = self.mean()[..., 0]
        return self._expected(lambda y: (y - mean) ** 2)[..., None, None]

    def component_modes(self):
        return self.bijection.forward(self.base.component_modes())

    def marginal(self, dims):
        return self

    def sample(self, rng, count):
        return self.bijection.forward(self.base.sample(rng, count))


class Spiked(Truth):
    """A weight for each of the `atoms`, and the last of the weights for `base`, a truth of one coordinate."""

    event_size = 1

    def __init__(self, logits, atoms, base):
        self.log_weights = special.log_softmax(_f64(logits), axis=-1)
        self.atoms, self.base, self.batch_shape = _f64(atoms), base, base.batch_shape
        self.support = min(base.support[0], self.atoms[0]), max(base.support[1], self.atoms[-1])

    def _sum(self, held, of_base):
        """Weights of the atoms that are `held` (..., A), plus the last weight times `of_base`."""
        weights = np.exp(self.log_weights)
        return (held * weights[..., :-1]).sum(-1) + weights[..., -1] * of_base

    def log_prob(self, y):
        hit = _f64(y) == self.atoms
        with np.errstate(divide="ignore"):
            of_atoms = np.log((hit * np.exp(self.log_weights[..., :-1])).sum(-1))
        return np.where(hit.any(-1), of_atoms, self.log_weights[..., -1] + self.base.log_prob(y))

    def cdf(self, x):
        return self._sum(self.atoms <= _f64(x)[..., None], self.base.cdf(x))

    def cdf_before(self, x):
        return self._sum(self.atoms < _f64(x)[..., None], self.base.cdf(x))

    def sf(self, x):
        return self._sum(self.atoms > _f64(x)[..., None], self.base.sf(x))

    def _log_sum(self, held, log_base):
        with np.errstate(divide="ignore"):
            atoms = np.log((held * np.exp(self.log_weights[..., :-1])).sum(-1))
        return np.logaddexp(atoms, self.log_weights[..., -1] + log_base)

    def log_cdf(self, x):
        return self._log_sum(self.atoms <= _f64(x)[..., None], self.base.log_cdf(x))

    def log_sf(self, x):
        return self._log_sum(self.atoms > _f64(x)[..., None], self.base.log_sf(x))

    def edges(self):
        atoms = np.broadcast_to(self.atoms, (*self.batch_shape, len(self.atoms)))
        return np.concatenate([self.base.edges(), atoms], axis=-1)

    def mean(self):
        return self._sum(self.atoms, self.base.mean()[..., 0])[..., None]

    def covariance(self):
        mean = self.mean()
        of_base = self.base.covariance()[..., 0, 0] + (self.base.mean() - mean)[..., 0] ** 2
        return self._sum((self.atoms - mean) ** 2, of_base)[..., None, None]

    def marginal(self, dims):
        return self

    def sample(self, rng, count):
        uniform = rng.random((count, *self.batch_shape, 1))
        index = (uniform > np.cumsum(np.exp(self.log_weights), -1)[..., :-1]).sum(-1)
        atoms = np.concatenate([self.atoms, [np.nan]])[index][..., None]
        return np.where(np.isnan(atoms), self.base.sample(rng, count), atoms)


class Rounded(Truth):
    """`base`, a truth of one coordinate, rounded to multiples of `step`, the least of which is `lowest` (or None)."""

    event_size = 1

    def __init__(self, base, step, lowest):
        self.base, self.step, self.batch_shape = base, step, base.batch_shape
        self.lowest = -np.inf if lowest is None else lowest
        self.grid, self.support = (step, self.lowest), (self.lowest, np.inf)

    def nearest(self, x):
        return np.maximum(np.round(x / self.step) * self.step, self.lowest)

    def log_prob(self, y):
        y = np.asarray(y)[..., 0]
        high, low = y + 0.5 * self.step, np.where(y <= self.lowest, -1e9, y - 0.5 * self.step)
        if not isinstance(self.base, Mixture):
            return self._log_mass(self.base, low, high)
        # component by component: between modes both tails of a mixture are large, and their difference has no digits
        low, high = low[..., None], high[..., None]
        masses = self.base._each(
            lambda c: self._log_mass(c, low + np.zeros(c.batch_shape), high + np.zeros(c.batch_shape))
        )
        with np.errstate(divide="ignore"):
            return special.logsumexp(self.base.log_weights + masses, axis=-1)

    @staticmethod
    def _log_mass(base, low, high):
        with np.errstate(invalid="ignore", divide="ignore"):
            lower = base.log_cdf(high) + np.log(-np.expm1(base.log_cdf(low) - base.log_cdf(high)))
            upper = base.log_sf(low) + np.log(-np.expm1(base.log_sf(high) - base.log_sf(low)))
            mass = np.where(base.cdf(high) < 0.5, lower, upper)
        return np.where(np.isnan(mass), -np.inf, mass)

    def _edge(self, x):
        return (np.floor(_f64(x) / self.step) + 0.5) * self.step

    def log_cdf(self, x):
        return np.where(_f64(x) < self.lowest, -np.inf, self.base.log_cdf(self._edge(x)))

    def log_sf(self, x):
        return np.where(_f64(x) < self.lowest, 0.0, self.base.log_sf(self._edge(x)))

    def edges(self):
        return np.maximum(self.base.edges(), self.lowest)

    def _moment(self, function):
        y, below, _ = outcomes_of(self)
        mass = np.diff(below, axis=0, prepend=0.0)
        return (function(y.reshape(-1, *(1,) * len(self.batch_shape))) * mass).sum(0)

    def mean(self):
        return self._moment(lambda y: y)[..., None]

    def covariance(self):
        mean = self.mean()[..., 0]
        return self._moment(lambda y: (y - mean) ** 2)[..., None, None]

    def marginal(self, dims):
        return self

    def sample(self, rng, count):
        return self.nearest(self.base.sample(rng, count))


class Circular(Truth):
    """`base`: a truth of one angle in radians; an outcome is `period` / 2π times it, in [low, low + period).

    Probabilities below a number are counted from the point opposite the mean direction, on the turn about the mean.
    """

    event_size, circular = 1, True

    def __init__(self, base, period, low):
        self.base, self.period, self.low = base, period, low
        self.batch_shape, self.unit = base.batch_shape, 2.0 * np.pi / period
        self.centre = base.mean()[..., 0]  # in radians
        self.support = tuple((self.centre + end) / self.unit for end in (-np.pi, np.pi))

    def in_range(self, y):
        return self.low + np.mod(y - self.low, self.period)

    def about_mean(self, x):
        """Numbers on the turn about the mean; those on it, with its ends as float32 rounds them, are not changed."""
        apart = _f64(x) * self.unit - self.centre
        return (self.centre + np.where(np.abs(apart) <= np.pi + 1e-6, apart, wrap(apart))) / self.unit

    def log_prob(self, y):
        return self.base.log_prob(wrap(_f64(y) * self.unit)) + np.log(self.unit)

    def responsibilities(self, y):
        return self.base.responsibilities(wrap(_f64(y) * self.unit))

    def _turned(self):
        """The angles about the mean as a mixture, so that its probabilities begin opposite the mean."""
        parts = [
            Independent(c.kind, **{**c.fields, "loc": wrap(c.fields["loc"] - self.centre[..., None, None])})
            for c in self.base.components
        ]
        return Mixture(self.base.log_weights, parts)

    def _tail(self, method, x):
        apart = self.about_mean(x) * self.unit - self.centre
        return getattr(self._turned(), method)(np.clip(apart, -np.pi, np.pi))

    def log_cdf(self, x):
        return self._tail("log_cdf", x)

    def log_sf(self, x):
        return self._tail("log_sf", x)

    def cdf(self, x):
        return self._tail("cdf", x)

    def sf(self, x):
        return self._tail("sf", x)

    def edges(self):
        return (self.centre[..., None] + self._turned().edges()) / self.unit

    def mean(self):
        return self.in_range(self.base.mean() / self.unit)

    def covariance(self):
        return self.base.covariance() / self.unit**2

    def component_modes(self):
        return self.base.component_modes() / self.unit

    def marginal(self, dims):
        return self

    def sample(self, rng, count):
        return self.in_range(self.base.sample(rng, count) / self.unit)

    def crps(self, y):
        """E d(Y, y) - E d(Y, Y') / 2, the short way round, by the Fourier series π/2 - 4/π Σ cos(mθ)/m² over odd m of d."""
        m = np.arange(1, 402, 2)
        fields = [
            np.concatenate([c.fields[n] for c in self.base.components], axis=-2) for n in ("loc", "concentration")
        ]
        moments = special.ive(m, fields[1]) / special.i0e(fields[1]) * np.exp(1j * m * fields[0])  # (*batch, K, M)
        moments = (self.base.weights()[..., None] * moments).sum(-2)
        turned = np.exp(-1j * m * _f64(y)[..., None] * self.unit)
        near = np.pi / 2 - 4 / np.pi * ((moments * turned).real / m**2).sum(-1)
        pairs = np.pi / 2 - 4 / np.pi * (np.abs(moments) ** 2 / m**2).sum(-1)
        return (near - 0.5 * pairs) / self.unit


class Joint:
    """Independent parts by name."""

    def __init__(self, parts):
        self.parts = dict(parts)
        self.batch_shape = next(iter(self.parts.values())).batch_shape
        self.event_size = sum(p.event_size for p in self.parts.values())

    def log_prob(self, y):
        return sum(part.log_prob(y[name]) for name, part in self.parts.items())

    def sample(self, rng, count):
        return {name: part.sample(rng, count) for name, part in self.parts.items()}


# ---------------------------------------------------------------------------------------------------------------
# From the definition: functions of any univariate truth
# ---------------------------------------------------------------------------------------------------------------


def outcomes_of(truth):
    """All outcomes on the grid of a truth, as far as its edges reach: (y (N,), P(Y <= y) (N, *batch), P(Y > y))."""
    step, lowest = truth.grid
    edges = truth.edges()
    y = step * np.arange(np.floor(max(edges.min(), lowest) / step) - 1, np.ceil(edges.max() / step) + 2)
    y = y[y >= lowest]
    column = y.reshape(-1, *(1,) * len(truth.batch_shape)) + np.zeros(truth.batch_shape)
    return y, truth.cdf(column), truth.sf(column)


@_kept_on_disk
def quantile(truth, q, tail=None):
    """Bisection of the distribution function (of the survival function above one half): (*q.shape, *batch).

    `tail` is 1 - q where that is known more exactly than by subtraction.
    """
    q = _f64(q)
    shape = (*q.shape, *(1,) * len(truth.batch_shape))
    q, tail = (np.reshape(a, shape) for a in (q, 1.0 - q if tail is None else _f64(tail)))
    full = (*q.shape[: q.ndim - len(truth.batch_shape)], *truth.batch_shape)
    flat_q, flat_tail = (np.broadcast_to(a, full).reshape(-1, *truth.batch_shape) for a in (q, tail))
    return _quantile_each(truth, flat_q, flat_tail).reshape(full)


def _quantile_each(truth, q, tail=None):
    """Quantiles where every batch element has its own probabilities: (n, *batch) -> (n, *batch)."""
    tail = 1.0 - q if tail is None else tail
    if truth.grid is not None:
        return _outcome_each(truth, q, tail)
    edges = np.sort(truth.edges(), axis=-1)
    on_edges = np.moveaxis(edges, -1, 0)
    cdf, sf = truth.cdf(on_edges), truth.sf(on_edges)
    count = np.stack([np.where(a <= 0.5, cdf < a, sf > b).sum(0) for a, b in zip(q, tail, strict=True)])
    top = edges.shape[-1] - 1
    edges = np.broadcast_to(edges, (*q.shape, top + 1))
    low = np.take_along_axis(edges, np.clip(count - 1, 0, top)[..., None], -1)[..., 0]
    high = np.take_along_axis(edges, np.clip(count, 0, top)[..., None], -1)[..., 0]
    from_below = q <= 0.5

    def excess(x, rows):
        below = from_below[rows]
        return np.where(below, truth.cdf(x) - q[rows], tail[rows] - truth.sf(x))

    found = _root(excess, low, high)
    return np.where(q <= 0, truth.support[0], np.where(tail <= 0, truth.support[1], found))


def _outcome_each(truth, q, tail):
    """The least outcomes on a grid that reach the probabilities, by bisection of whole numbers."""
    step, lowest = truth.grid
    ends = truth.edges()
    low = np.maximum(np.floor(ends.min(-1) / step), lowest / step) - 1.0 + np.zeros(q.shape)
    high = np.ceil(ends.max(-1) / step) + 1.0 + np.zeros(q.shape)
    while (high - low > 1.0).any():
        middle = np.floor(0.5 * (low + high))
        reached = np.where(q <= 0.5, truth.cdf(step * middle) >= q, truth.sf(step * middle) <= tail)
        inside = high - low > 1.0
        low, high = np.where(inside & ~reached, middle, low), np.where(inside & reached, middle, high)
    return np.where(q <= 0, truth.support[0], np.where(tail <= 0, truth.support[1], step * high))


def _root(excess, low, high):
    """Roots of increasing functions between `low` and `high`, elementwise, to the last places of float64.

    Bisection, quickened by inverse quadratic interpolation wherever that is safe.

    Args:
        excess: `excess(x, rows)` are the values at `x` (m, *batch), for the first axis' rows `rows` (m,).
        low, high: Brackets, shape (n, *batch).
    Reference:
        Chandrupatla (1997), A new hybrid quadratic/bisection algorithm for finding the zero of a nonlinear function.
    """
    result, rows = np.empty_like(low), np.arange(len(low))
    old, new = high.astype(float), low.astype(float)
    finest = 1e-15 * np.abs(old - new)
    with np.errstate(all="ignore"):  # a bracket without inner points divides 0 by 0, and is bisected
        at_old, at_new = excess(old, rows), excess(new, rows)
        share = np.full_like(old, 0.5)
        while rows.size:
            x = new + share * (old - new)
            at = excess(x, rows)
            same = np.sign(at) == np.sign(at_new)
            last, at_last = np.where(same, new, old), np.where(same, at_new, at_old)
            old, at_old = np.where(same, old, new), np.where(same, at_old, at_new)
            new, at_new = x, at
            best = np.where(np.abs(at_new) < np.abs(at_old), new, old)
            result[rows] = best
            limit = (finest + 5e-16 * np.abs(best)) / np.abs(old - new)
            done = (limit > 0.5) | (at_new == 0) | (at_old == 0) | ~np.isfinite(limit)
            xi, phi = (new - old) / (last - old), (at_new - at_old) / (at_last - at_old)
            safe = (phi**2 < xi) & ((1 - phi) ** 2 < 1 - xi)
            quick = at_new / (at_old - at_new) * at_last / (at_old - at_last) + (last - new) / (old - new) * at_new / (
                at_last - at_new
            ) * at_old / (at_last - at_old)
            share = np.clip(np.where(safe & np.isfinite(quick), quick, 0.5), limit, 1 - limit)
            go_on = ~done.reshape(len(rows), -1).all(-1)
            rows, old, new, at_old, at_new, share, finest = (
                part[go_on] for part in (rows, old, new, at_old, at_new, share, finest)
            )
    return result


@_kept_on_disk
def hdi_width(truth, coverage):
    """The width of the shortest interval that holds `coverage`, and its ends: three arrays (*batch,).

    The interval is [Q(p), Q(p + coverage)]; `p` is searched on a grid that is dense at both ends, then refined.
    """
    if truth.grid is not None:
        return _shortest_of_outcomes(truth, coverage)
    room = 1.0 - coverage
    ends = np.geomspace(1e-9, 0.02, 25)
    grid = room * np.unique(np.concatenate([[0.0], ends, np.linspace(0.02, 0.98, 81), 1 - ends, [1.0]]))
    p = np.broadcast_to(grid.reshape(-1, *(1,) * len(truth.batch_shape)), (grid.size, *truth.batch_shape))
    for _ in range(5):
        low, high = _quantile_each(truth, p), _quantile_each(truth, p + coverage)
        with np.errstate(invalid="ignore"):
            width = np.nan_to_num(high - low, nan=np.inf)
        best = width.argmin(0)
        before = np.take_along_axis(p, np.maximum(best - 1, 0)[None], 0)[0]
        after = np.take_along_axis(p, np.minimum(best + 1, len(p) - 1)[None], 0)[0]
        result = tuple(np.take_along_axis(a, best[None], 0)[0] for a in (width, low, high))
        steps = np.linspace(0.0, 1.0, 21).reshape(-1, *(1,) * best.ndim)
        p = before + steps * (after - before)
    return result


def _shortest_of_outcomes(truth, coverage):
    """As `hdi_width`, over all first outcomes."""
    y, below, _ = outcomes_of(truth)
    found = np.zeros((3, *truth.batch_shape))
    for index in np.ndindex(*truth.batch_shape):
        held = np.concatenate([[0.0], below[(slice(None), *index)]])  # P(Y < y)
        last = np.searchsorted(held[1:], held[:-1] + coverage)
        width = np.where(last < len(y), y[np.minimum(last, len(y) - 1)] - y, np.inf)
        first = width.argmin()
        found[(slice(None), *index)] = width[first], y[first], y[last[first]]
    return tuple(found)


@_kept_on_disk
def crps(truth, y, edges=None):
    """∫ (F(x) - 1{x >= y})² dx by composite Gauss-Legendre quadrature: y (*lead, *batch) -> (*lead, *batch).

    `edges` are those of the truth, unless others are asked for: those of a neighbour, for a difference of two.
    """
    y = _f64(y)
    if isinstance(truth, Circular):
        return truth.crps(y)
    batch = truth.batch_shape
    lead = y.shape[: y.ndim - len(batch)]
    points = np.moveaxis(np.broadcast_to(y, (*lead, *batch)).reshape(-1, *batch), 0, -1)
    if truth.grid is not None:
        found = _crps_of_outcomes(truth, np.moveaxis(points, -1, 0))
        return found.reshape((*lead, *batch))
    edges = truth.edges() if edges is None else edges
    edges = np.sort(np.concatenate([edges, np.clip(points, *truth.support)], axis=-1), axis=-1)
    x, weight = gauss_legendre(edges, 20)
    x = np.moveaxis(x, (-2, -1), (0, 1))
    weight = np.moveaxis(weight, (-2, -1), (0, 1))
    below = (weight * truth.cdf(x) ** 2).sum(1)
    above = (weight * truth.sf(x) ** 2).sum(1)
    left, right = np.moveaxis(edges[..., :-1], -1, 0), np.moveaxis(edges[..., 1:], -1, 0)
    point = np.moveaxis(points, -1, 0)[:, None]
    total = (below * (right <= point)).sum(1) + (above * (left >= point)).sum(1)
    # A target outside the support (LogNormal, y < 0) pays its distance to it.
    outside = np.maximum(truth.support[0] - point[:, 0], 0.0) + np.maximum(point[:, 0] - truth.support[1], 0.0)
    return (total + np.nan_to_num(outside)).reshape((*lead, *batch))


def _crps_of_outcomes(truth, points):
    """∫ (F - 1{x >= y})² dx of a step function: a sum of F² below the y `points` (n, *batch), of (1 - F)² above."""
    step, _ = truth.grid
    y, below, above = outcomes_of(truth)
    result = np.zeros(points.shape)
    for index in np.ndindex(*truth.batch_shape):
        lower, upper = below[(slice(None), *index)] ** 2, above[(slice(None), *index)] ** 2
        starts = np.append(y, y[-1] + step)
        at = points[(slice(None), *index)][:, None]
        share = np.clip((at - starts[:-1]) / step, 0.0, 1.0)  # of each step that lies below the point
        outside = np.maximum(starts[0] - at[:, 0], 0.0) + np.maximum(at[:, 0] - starts[-1], 0.0)
        result[(slice(None), *index)] = step * (share * lower + (1 - share) * upper).sum(1) + outside
    return result


@_kept_on_disk
def best_log_density(truth):
    """The highest log density found by a dense (D = 1) or many-start (D > 1) search: (*batch,)."""
    if truth.discrete:
        outcomes = truth.outcomes()
        expanded = outcomes.reshape(len(outcomes), *(1,) * len(truth.batch_shape), -1)
        return truth.log_prob(expanded).max(0)
    if truth.grid is not None:
        y, *_ = outcomes_of(truth)
        return truth.log_density(y.reshape(-1, *(1,) * len(truth.batch_shape)) + np.zeros(truth.batch_shape)).max(0)
    if isinstance(truth, Factorised):
        return _best_log_density_1d(truth.each).sum(-1)
    if truth.event_size == 1:
        return _best_log_density_1d(truth)
    return _best_log_density_nd(truth)


def _best_log_density_1d(truth):
    modes = np.moveaxis(truth.component_modes()[..., 0], -1, 0)
    edges = np.sort(truth.edges(), axis=-1)
    nodes = np.moveaxis(gauss_legendre(edges, 6)[0].reshape(*edges.shape[:-1], -1), -1, 0)
    x = np.sort(np.concatenate([nodes, modes]), axis=0)
    best = None
    for _ in range(12):
        value = truth.log_density(x)
        value = np.where(np.isnan(value), -np.inf, value)
        index = value.argmax(0)
        top = np.take_along_axis(value, index[None], 0)[0]
        best = top if best is None else np.maximum(best, top)
        before = np.take_along_axis(x, np.maximum(index - 1, 0)[None], 0)[0]
        after = np.take_along_axis(x, np.minimum(index + 1, len(x) - 1)[None], 0)[0]
        steps = np.linspace(0.0, 1.0, 33).reshape(-1, *(1,) * index.ndim)
        x = before + steps * (after - before)
    return best


def _best_log_density_nd(truth):
    starts, widths = truth.component_modes(), truth.component_widths()
    count, size = starts.shape[-2:]
    flat_starts = starts.reshape(-1, count, size)
    flat_widths = np.broadcast_to(widths, starts.shape).reshape(-1, count, size)
    best = np.full(len(flat_starts), -np.inf)
    for row, index in enumerate(np.ndindex(*truth.batch_shape)):
        element = at(truth, index)
        for start, width in zip(flat_starts[row], flat_widths[row], strict=True):
            if element.log_prob(start) == np.inf:
                best[row] = np.inf
                continue
            simplex = start + np.concatenate([np.zeros((1, size)), np.diag(0.3 * width)])
            options = {"initial_simplex": simplex, "xatol": 1e-9, "fatol": 1e-10, "maxiter": 600}
            found = optimize.minimize(lambda v, e=element: -e.log_prob(v), start, method="Nelder-Mead", options=options)
            best[row] = max(best[row], -found.fun, float(element.log_prob(start)))
    return best.reshape(truth.batch_shape)


def at(truth, index):
    """The truth of one batch element."""
    if isinstance(truth, Mixture):
        return Mixture(truth.log_weights[index], [at(c, index) for c in truth.components])
    if isinstance(truth, Independent):
        return Independent(truth.kind, **{name: value[index] for name, value in truth.fields.items()})
    if isinstance(truth, Gaussian):
        return Gaussian(truth.loc[index], truth._covariance[index])
    if isinstance(truth, Factorised):
        return Factorised(at(truth.each, index))
    if isinstance(truth, Rounded):
        lowest = None if truth.lowest == -np.inf else truth.lowest
        return Rounded(at(truth.base, index), truth.step, lowest)
    if isinstance(truth, Joint):
        return Joint({name: at(part, index) for name, part in truth.parts.items()})
    return type(truth)(truth.logits[index])


def blend(truths, weights=None):
    """The exact mixture of mixtures."""
    weights = np.ones(len(truths)) / len(truths) if weights is None else _f64(weights) / np.sum(weights)
    with np.errstate(divide="ignore"):
        logits = np.concatenate([t.log_weights + np.log(w) for t, w in zip(truths, weights, strict=True)], axis=-1)
    return Mixture(logits, [c for t in truths for c in t.components])


@_kept_on_disk
def energy_score(truth, y, count=50_000, seed=0):
    """E|X - y| - E|X - X'| / 2 by Monte Carlo, and its standard error; exact for discrete truths.

    `y` (*lead, *batch, D) -> two arrays (*lead, *batch).
    """
    y = _f64(y)
    if truth.discrete:
        outcomes = truth.outcomes()
        expanded = outcomes.reshape(len(outcomes), *(1,) * len(truth.batch_shape), -1)
        p = truth.prob(expanded)
        lead = y.ndim - 1 - len(truth.batch_shape)
        grown = expanded.reshape(len(outcomes), *(1,) * lead, *expanded.shape[1:])
        near = (p.reshape(len(p), *(1,) * lead, *p.shape[1:]) * np.linalg.norm(grown - y, axis=-1)).sum(0)
        distances = np.linalg.norm(outcomes[:, None] - outcomes[None], axis=-1)
        return near - 0.5 * np.einsum("i...,ij,j...->...", p, distances, p), np.zeros(near.shape)
    rng = np.random.default_rng(seed)
    x, other = truth.sample(rng, count), truth.sample(rng, count)
    spread = 0.5 * np.linalg.norm(x - other, axis=-1)
    y = np.broadcast_to(y, np.broadcast_shapes(y.shape, (*truth.batch_shape, truth.event_size)))
    lead = y.shape[: y.ndim - 1 - len(truth.batch_shape)]
    rows = y.reshape(-1, *truth.batch_shape, truth.event_size)
    # x serves both terms: its two roles are correlated, and the difference of the pairs carries the right error.
    terms = [np.linalg.norm(x - row, axis=-1) - spread for row in rows]
    score = np.stack([t.mean(0) for t in terms]).reshape(*lead, *truth.batch_shape)
    error = np.stack([t.std(0) / np.sqrt(count) for t in terms]).reshape(*lead, *truth.batch_shape)
    return score, error
