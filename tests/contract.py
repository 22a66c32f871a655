"""What every distribution must satisfy: each function takes an `Entry` of the catalogue and asserts one method.

Values are held to the truth of `references.py` at the same float32 inputs: |error| <= 1e-5 (1 + |truth|). Where a
question has no sharp answer in float32 the truth says by how much it moves when its input moves by a few units in the
last place (a quantile in a gap between two modes, say), and no more than that is allowed.
"""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest
from scipy import stats

import mdn
import references as ref
from catalogue import Node, bijection_of, build, built, truth
from gradients import finite_differences, value_and_gradients

EPS = float(np.finfo(np.float32).eps)
VALUE = 1e-5
GRADIENT = 1e-3


def to_numpy(value):
    if isinstance(value, dict):
        return {name: to_numpy(part) for name, part in value.items()}
    return keras.ops.convert_to_numpy(value)


def assert_close(ours, expected, label="", tolerance=VALUE, slack=0.0):
    """|ours - expected| <= tolerance (1 + |expected|) + slack, infinities and NaN equal, and the shapes too."""
    ours, expected = np.asarray(to_numpy(ours), np.float64), np.asarray(expected, np.float64)
    assert ours.shape == expected.shape, f"{label}: shape {ours.shape}, expected {expected.shape}"
    # Beyond the largest float32 the nearest float32 is inf.
    expected = np.where(expected > np.finfo(np.float32).max, np.inf, expected)
    expected = np.where(expected < np.finfo(np.float32).min, -np.inf, expected)
    with np.errstate(invalid="ignore"):
        error = np.abs(ours - expected)
        bound = tolerance * (1.0 + np.abs(expected)) + slack
        same = (ours == expected) | (np.isnan(ours) & np.isnan(expected))
        bad = ~(same | (error <= bound))
    if bad.any():
        ratio = np.where(bad, np.nan_to_num(error / bound, nan=np.inf, posinf=1e300), 0.0)
        worst = np.unravel_index(ratio.argmax(), ratio.shape)
        raise AssertionError(
            f"{label}: {bad.sum()} of {bad.size} wrong; worst at {tuple(map(int, worst))}: ours {ours[worst]!r}, "
            f"truth {expected[worst]!r}, {ratio[worst]:.3g} times the tolerance"
        )


# ---- densities and moments -----------------------------------------------------------------------------------------


def check_log_prob(entry):
    y = entry.points()
    expected = entry.truth.log_prob(y)
    ours = built(entry.name)
    assert_close(ours.log_prob(y), expected, "log_prob")
    if entry.is_joint:
        side_by_side = np.concatenate(list(y.values()), axis=-1)
        assert_close(ours.log_prob(side_by_side), expected, "log_prob of one array")
        for name, part in entry.truth.parts.items():
            assert_close(ours.parts[name].log_prob(y[name]), part.log_prob(y[name]), f"parts[{name!r}].log_prob")
        return
    if entry.is_line and not entry.circular:
        tails = entry.tails()
        assert_close(ours.log_prob(tails), entry.truth.log_prob(tails), "log_prob in the tails")
    if entry.circular:
        turned = (y + np.float32(_period(entry))).astype(np.float32)
        assert_close(
            ours.log_prob(turned), entry.truth.log_prob(turned), "log_prob one turn further", slack=_turn_slack(entry)
        )


def _period(entry):
    return getattr(entry.truth, "period", 2 * np.pi)


def _turn_slack(entry):
    # An angle beyond π has lost a bit or two; reducing it costs a rounding of 4e-7 times the slope of the density.
    leaves = dict(entry.tree.leaves())
    return 1e-6 * max(float(a.max()) for name, a in leaves.items() if name.endswith("concentration"))


def check_prob(entry):
    y = entry.points()
    expected = np.exp(entry.truth.log_prob(y))
    assert_close(built(entry.name).prob(y), expected, "prob")


def check_mean(entry):
    _check_moment(entry, "mean")


def check_variance(entry):
    _check_moment(entry, "variance")


def check_covariance(entry):
    _check_moment(entry, "covariance")


def _check_moment(entry, method):
    ours = getattr(built(entry.name), method)()
    if entry.is_joint:
        for name, part in entry.truth.parts.items():
            assert_close(ours[name], getattr(part, method)(), f"{method} of {name}")
        return
    expected = getattr(entry.truth, method)()
    if entry.circular and method == "mean":
        ours, half = to_numpy(ours), 0.5 * _period(entry)
        middle = getattr(entry.truth, "low", -half) + half
        assert (np.abs(ours - middle) <= np.float32(half)).all(), "the mean direction lies in the range"
        apart = (ours - expected + half) % (2 * half) - half
        assert_close(apart, np.zeros_like(expected), "mean direction")
        return
    assert_close(ours, expected, method)


def check_mode(entry):
    ours = built(entry.name).mode()
    if entry.is_joint:
        for name, part in entry.truth.parts.items():
            _assert_mode(part, to_numpy(ours[name]), f"mode of {name}")
        return
    _assert_mode(entry.truth, to_numpy(ours), "mode")


def _assert_mode(exact, point, label):
    assert point.shape == (*exact.batch_shape, exact.event_size), f"{label}: shape {point.shape}"
    best = ref.best_log_density(exact)
    # The density at the float32 neighbours of the point: a component narrower than their distance has no float32 mode.
    candidates = [point, np.nextafter(point, np.float32(np.inf)), np.nextafter(point, np.float32(-np.inf))]
    reached = np.max([exact.log_prob(candidate) for candidate in candidates], axis=0)
    with np.errstate(invalid="ignore"):  # a Gamma may rise without bound
        missing = np.where(reached == best, 0.0, best - reached)
    worst = np.unravel_index(missing.argmax(), missing.shape)
    bound = VALUE * (1.0 + np.abs(best))
    assert (missing <= bound).all(), (
        f"{label}: at {worst} log density {reached[worst]!r} of {best[worst]!r}, point {point[worst]!r}"
    )


# ---- one dimension -------------------------------------------------------------------------------------------------


def points_and_tails(entry):
    """In one array: on JAX every shape is compiled anew."""
    return np.concatenate([entry.points(), entry.tails()])


def check_cdf(entry):
    y = points_and_tails(entry)
    assert_close(built(entry.name).cdf(y), entry.truth.cdf(y[..., 0].astype(np.float64)), "cdf")


def check_log_cdf(entry):
    y = points_and_tails(entry)
    assert_close(built(entry.name).log_cdf(y), entry.truth.log_cdf(y[..., 0].astype(np.float64)), "log_cdf")


def check_log_survival(entry):
    y = points_and_tails(entry)
    assert_close(built(entry.name).log_survival(y), entry.truth.log_sf(y[..., 0].astype(np.float64)), "log_survival")


PROBABILITIES = np.float32([1e-6, 1e-3, 0.05, 0.5, 0.95, 0.999, 1 - 1e-6])


def check_quantile(entry):
    # One call with the ends 0 and 1 in it: on JAX every shape is compiled anew.
    ours = to_numpy(built(entry.name).quantile(np.concatenate([PROBABILITIES, np.float32([0.0, 1.0])])))
    inner = PROBABILITIES.astype(np.float64)
    assert_quantile(entry.truth, ours[:-2], inner, 1.0 - inner, "quantile")
    for end, expected in zip(ours[-2:], entry.truth.support, strict=True):
        assert_close(end, np.broadcast_to(np.asarray(expected)[..., None], end.shape), "quantile at 0 and 1")


def assert_quantile(exact, ours, q, tail, label):
    """Between the true quantiles of probabilities a few units in the last place below and above."""
    ours = np.asarray(to_numpy(ours), np.float64)
    assert ours.shape == (*q.shape, *exact.batch_shape, 1), f"{label}: shape {ours.shape}"
    ours = ours[..., 0]
    nudge = 8 * EPS
    low = ref.quantile(exact, q * (1 - nudge), np.minimum(tail * (1 + nudge) + nudge * q * (tail > 0.5), 1.0))
    high = ref.quantile(exact, np.minimum(q * (1 + nudge), 1.0), tail * (1 - nudge))
    expected = ref.quantile(exact, q, tail)
    bound = VALUE * (1 + np.abs(expected))
    bad = ~((ours >= np.minimum(low, expected) - bound) & (ours <= np.maximum(high, expected) + bound))
    if bad.any():
        worst = np.unravel_index((np.abs(ours - expected) / bound * bad).argmax(), bad.shape)
        raise AssertionError(
            f"{label}: {bad.sum()} of {bad.size} wrong; worst at {tuple(map(int, worst))}: ours {ours[worst]!r}, truth "
            f"{expected[worst]!r} (between {low[worst]!r} and {high[worst]!r})"
        )


COVERAGES = np.float32([0.5, 0.9, 0.999, 0.999999])


def check_interval(entry):
    lower, upper = built(entry.name).interval(COVERAGES)
    tail = 0.5 * (1.0 - COVERAGES.astype(np.float64))
    assert_quantile(entry.truth, lower, tail, 1 - tail, "lower ends")
    assert_quantile(entry.truth, upper, 1 - tail, tail, "upper ends")


def check_hdi(entry):
    exact = entry.truth
    ours = [np.asarray(to_numpy(end), np.float64)[..., 0] for end in built(entry.name).hdi(np.float32([0.5, 0.9]))]
    for coverage, lower, upper in zip(np.float64(np.float32([0.5, 0.9])), *ours, strict=True):
        assert lower.shape == upper.shape == exact.batch_shape, f"hdi: shapes {lower.shape}, {upper.shape}"
        held = exact.cdf(upper) - exact.cdf_before(lower)
        # The ends are float32: they can be off by half a unit in the last place each.
        blur = sum(np.exp(exact.log_density(end)) * np.spacing(np.abs(np.float32(end))) for end in (lower, upper))
        assert (held >= coverage - VALUE - blur).all(), f"hdi({coverage}) holds only {held.min()!r}"
        width = upper - lower
        best, *best_ends = ref.hdi_width(exact, coverage)
        # A little more coverage makes the interval wider by that over the density at its ends.
        room = 8 * EPS / np.exp(np.max([exact.log_density(end) for end in best_ends], axis=0))
        ends = np.spacing(np.float32(np.maximum(np.abs(lower), np.abs(upper)))).astype(np.float64)
        bound = VALUE * (1 + best) + 2 * ends + room
        bad = width - best > bound
        assert not bad.any(), (
            f"hdi({coverage}): at {np.argwhere(bad).tolist()} width {width[bad]!r}, shortest {best[bad]!r}, "
            f"ours {lower[bad]!r} to {upper[bad]!r}"
        )


# ---- scores --------------------------------------------------------------------------------------------------------


def check_crps(entry):
    y = points_and_tails(entry)
    # In the unit of the data: no finer than the spacing of float32 at the target.
    slack = 2 * np.spacing(np.abs(y[..., 0])).astype(np.float64)
    assert_close(built(entry.name).crps(y), ref.crps(entry.truth, y[..., 0]), "crps", slack=slack)


def _tame(exact):
    """Where averages of draws mean something: no single draw of many makes up 1 % of their sum."""
    draws = np.abs(exact.sample(np.random.default_rng(3), 20_000)).max(-1)
    return draws.max(0) <= 0.01 * draws.sum(0)


def check_energy_score(entry):
    """Thousands of scores of three draws each, within five standard errors of the truth: a bias would not fit in."""
    exact = entry.truth
    y = entry.points()[:2]
    if exact.discrete:
        expected, error = ref.energy_score(exact, y)
    elif exact.event_size == 1:
        expected, error = ref.crps(exact, y[..., 0]), np.zeros((2, 2, 3))
    else:
        expected, error = ref.energy_score(exact, y)
    tame = np.ones(exact.batch_shape, bool) if exact.discrete else _tame(exact)
    assert tame.sum() >= 3, "at least half of the entry must be testable by simulation"
    copies, num_samples = 2048, 3
    many = build(entry.tree.tiled(copies))
    ours = np.asarray(to_numpy(many.energy_score(y[:, None], num_samples=num_samples, seed=1)), np.float64)
    assert ours.shape == (2, copies, 2, 3)
    mean, ours_error = ours.mean(1), ours.std(1, ddof=1) / np.sqrt(copies)
    distance = np.abs(mean - expected) / (5 * np.hypot(error, ours_error) + VALUE * (1 + np.abs(expected)))
    worst = np.unravel_index(np.where(tame, distance, 0).argmax(), distance.shape)
    assert (distance[:, tame] <= 1).all(), (
        f"energy_score with {num_samples} samples, at {worst}: ours {mean[worst]!r} ± {ours_error[worst]:.2g}, "
        f"truth {expected[worst]!r} ± {error[worst]:.2g}"
    )


# ---- draws ---------------------------------------------------------------------------------------------------------

DRAWS = 4096


def check_sample(entry):
    """The distribution of the draws, their seeds, their shapes."""
    ours = built(entry.name)
    draws = to_numpy(ours.sample((DRAWS,), seed=7))
    again, other = to_numpy(ours.sample((DRAWS,), seed=7)), to_numpy(ours.sample((DRAWS,), seed=8))
    if entry.is_joint:
        for name, part in entry.truth.parts.items():
            _assert_draws(part, draws[name], again[name], other[name])
        names = list(draws)
        assert not np.array_equal(draws[names[0]][..., 0], draws[names[1]][..., 0])
    else:
        _assert_draws(entry.truth, draws, again, other)
    if entry.name not in ALL_SHAPES:
        return
    generator = keras.random.SeedGenerator(3)
    one, two = (_flat(ours.sample((DRAWS,), seed=generator)) for _ in range(2))
    key = keras.random.SeedGenerator(5).next()
    three, four = (_flat(ours.sample((DRAWS,), seed=key)) for _ in range(2))
    np.testing.assert_array_equal(three, four, "the same key gives the same draws")
    if not entry.discrete:
        assert not np.array_equal(one, two), "a SeedGenerator moves on"


def _flat(draws):
    draws = to_numpy(draws)
    return np.concatenate([d.reshape(-1) for d in draws.values()]) if isinstance(draws, dict) else draws


def _assert_draws(exact, draws, again, other):
    assert draws.shape == (DRAWS, *exact.batch_shape, exact.event_size), f"shape {draws.shape}"
    np.testing.assert_array_equal(draws, again, "the same seed gives the same draws")
    assert not np.isnan(draws).any()
    if exact.discrete:
        outcomes = exact.outcomes()
        expected = exact.prob(outcomes.reshape(len(outcomes), 1, 1, -1))
        counts = (draws[None] == outcomes[:, None, None, None]).all(-1).sum(1)
        assert counts.sum() == draws[..., 0].size, "a draw that is no outcome"
        z = (counts - DRAWS * expected) / np.sqrt(DRAWS * expected * (1 - expected) + 1.0)
        assert np.abs(z).max() < 6.0, f"frequency of an outcome is {np.abs(z).max():.1f} standard errors off"
        return
    for d in range(exact.event_size):
        line = exact.marginal([d])
        x = draws[..., d].astype(np.float64)
        x = np.sort(line.about_mean(x) if isinstance(line, ref.Circular) else x, axis=0)
        cdf = line.cdf(x)
        steps = np.arange(DRAWS + 1).reshape(-1, *(1,) * (x.ndim - 1)) / DRAWS
        distance = np.sqrt(DRAWS) * np.maximum(steps[1:] - cdf, line.cdf_before(x) - steps[:-1]).max(0)
        # A component narrower than float32 at its location makes steps; elsewhere P(distance > 2.9) = 1e-7.
        blur = np.sqrt(DRAWS) * (line.cdf(x + np.spacing(np.float32(np.abs(x)))) - cdf).max(0)
        assert (distance < 2.9 + blur).all(), f"axis {d}: Kolmogorov-Smirnov distance {distance.max():.2f}"
        ranks = [stats.rankdata(a[..., d], axis=0) for a in (draws, other)]
        correlation = [
            np.corrcoef(a.ravel(), b.ravel())[0, 1]
            for a, b in zip(*(np.moveaxis(r.reshape(DRAWS, -1), -1, 0) for r in ranks), strict=True)
        ]
        assert np.abs(correlation).max() < 6 / np.sqrt(DRAWS), "two seeds give correlated draws"
        lagged = np.abs([np.corrcoef(c[1:], c[:-1])[0, 1] for c in ranks[0].reshape(DRAWS, -1).T])
        assert lagged.max() < 6 / np.sqrt(DRAWS), "consecutive draws are correlated"
    if exact.event_size > 1:
        _assert_projections(exact, draws)
    if isinstance(exact, ref.Mixture):
        shares = exact.responsibilities(draws.astype(np.float64))
        weights = exact.weights()
        z = (shares.mean(0) - weights) / (shares.std(0) / np.sqrt(DRAWS) + 1.0 / DRAWS)
        assert np.abs(z).max() < 6.0, f"frequency of a component is {np.abs(z).max():.1f} standard errors off"


def _assert_projections(exact, draws):
    """Random directions in units of the spread, against draws of the truth: the dependence between the axes."""
    rng = np.random.default_rng(17)
    theirs = exact.sample(rng, DRAWS)
    if exact.circular:
        draws = np.concatenate([np.cos(draws), np.sin(draws)], -1)
        theirs = np.concatenate([np.cos(theirs), np.sin(theirs)], -1)
    centre, spread = np.median(theirs, 0), np.subtract(*np.quantile(theirs, [0.9, 0.1], axis=0)) + 1e-30
    draws, theirs = ((a - centre) / spread for a in (draws, theirs))
    for direction in rng.normal(size=(3, draws.shape[-1])):
        a, b = (np.moveaxis(v @ direction, 0, -1).reshape(-1, DRAWS) for v in (draws, theirs))
        p = min(stats.ks_2samp(u, v, method="asymp").pvalue for u, v in zip(a, b, strict=True))
        assert p > 1e-6, f"a projection of the draws differs from the truth's, p = {p:.1g}"


# ---- other distributions from this one -----------------------------------------------------------------------------


def check_responsibilities(entry):
    y = entry.points()
    ours = to_numpy(built(entry.name).responsibilities(y))
    assert_close(ours, entry.truth.responsibilities(y), "responsibilities")
    assert_close(ours.sum(-1), np.ones(ours.shape[:-1]), "their sum")


def subsets(size):
    for count in range(1, size):
        yield from itertools.combinations(range(size), count)


def check_marginal(entry):
    y = entry.points()
    ours = built(entry.name)
    orders = [*subsets(entry.event_size), tuple(range(entry.event_size))[::-1]]
    for dims in orders:
        expected = entry.truth.marginal(dims).log_prob(y[..., list(dims)])
        part = ours.marginal(dims)
        assert part.event_size == len(dims)
        assert_close(part.log_prob(y[..., list(dims)]), expected, f"marginal({dims}).log_prob")
    assert_close(ours.marginal(0).log_prob(y[..., :1]), entry.truth.marginal([0]).log_prob(y[..., :1]), "marginal(0)")
    with pytest.raises(ValueError, match=str(entry.event_size + 1)):
        ours.marginal((entry.event_size + 1,))


def check_condition(entry):
    """p(free | given) = p(all) / p(given), for every non-empty proper subset of the axes."""
    ours, exact = built(entry.name), entry.truth
    assert ours.condition({}) is ours
    with pytest.raises(ValueError, match="free"):
        ours.condition({d: 0.0 for d in range(entry.event_size)})
    if entry.event_size > 1:
        with pytest.raises(ValueError, match=str(entry.event_size)):
            ours.condition({entry.event_size: 0.0})
    points = entry.points()
    for known in subsets(entry.event_size):
        free = [d for d in range(entry.event_size) if d not in known]
        evidence = exact.marginal(known)

        def log_conditional(y, evidence=evidence, known=known):
            return exact.log_prob(y) - evidence.log_prob(y[..., list(known)])

        for row in (0, -1, None):
            y = points.copy()
            if row is None:  # one number for the whole batch
                y[..., list(known)] = points[0, 0, 0, list(known)]
                given = {d: float(points[0, 0, 0, d]) for d in known}
            else:
                y[..., list(known)] = points[row][..., list(known)]
                # Given in descending order: the free axes ascend all the same.
                given = {d: y[0][..., d] for d in reversed(known)}
            conditional = ours.condition(given)
            assert conditional.event_size == len(free) and tuple(conditional.batch_shape) == (2, 3)
            expected = log_conditional(y)
            slack = 0.0
            if not entry.discrete:
                # The conditional has a float32 location: it is as good as if the targets had moved by two spacings;
                # and the evidence, far out, is good to its own last places.
                for d in range(entry.event_size):
                    moved = y.astype(np.float64)
                    moved[..., d] += 2 * np.spacing(np.abs(y[..., d]))
                    slack = slack + np.abs(log_conditional(moved) - expected)
                slack = np.where(np.isfinite(slack), slack, 0.0) + 8 * EPS * np.abs(
                    evidence.log_prob(y[..., list(known)])
                )
            assert_close(conditional.log_prob(y[..., free]), expected, f"condition on {known}, row {row}", slack=slack)


def check_with_temperature(entry):
    y = entry.points()
    for component, variance in ((1.0, 1.0), (0.5, 2.0), (1.5, 0.3)):
        ours = built(entry.name).with_temperature(component=component, variance=variance)
        expected = truth(entry.tree.heated(component, variance)).log_prob(y)
        assert_close(ours.log_prob(y), expected, f"with_temperature({component}, {variance})")
    with pytest.raises(ValueError, match="component"):
        built(entry.name).with_temperature(component=-1.0)


def as_mixture(tree):
    """A single family as a mixture of one."""
    if tree.kind == "Mixture":
        return tree
    parts = tree.map(lambda array: array[:, :, None])
    return Node("Mixture", {"logits": np.zeros((2, 3, 1), np.float32)}, (parts,))


def check_blend(entry):
    y = entry.points()
    trees = [entry.tree, entry.tree.map(lambda array: array[:, ::-1].copy())]
    members, exact = [build(t) for t in trees], [truth(as_mixture(t)) for t in trees]
    for weights in (None, [0.2, 0.8], [3.0, 0.0]):
        ours = mdn.blend(members, weights=weights)
        assert isinstance(ours, mdn.Mixture)
        assert_close(ours.log_prob(y), ref.blend(exact, weights).log_prob(y), f"blend with weights {weights}")


def check_indexing(entry):
    ours = built(entry.name)
    y = entry.points()
    every = ((1, 2), (0,), (slice(None), 1), (Ellipsis, 0), (slice(None, 1),))
    for index in every if entry.name in ALL_SHAPES else every[:1]:
        resolved = (slice(None), *index[1:]) if Ellipsis in index else index
        part = ours[index if len(index) > 1 else index[0]]
        expected = truth(entry.tree.at(resolved))
        at_index = (
            {n: v[(slice(None), *resolved)] for n, v in y.items()} if entry.is_joint else y[(slice(None), *resolved)]
        )
        assert tuple(part.batch_shape) == tuple(expected.batch_shape), f"[{index}]: batch {part.batch_shape}"
        assert_close(part.log_prob(at_index), expected.log_prob(at_index), f"[{index}].log_prob")


# ---- gradients -----------------------------------------------------------------------------------------------------


def _natural_steps(tree):
    """The size in which each parameter matters: loc by the scale, positive ones by themselves, logits by 1."""
    steps = []
    for child in tree._children():
        steps += _natural_steps(child)
    f = {name: np.abs(np.asarray(a, np.float64)) for name, a in tree.fields.items()}
    own = []
    for name, array in f.items():
        if name in ("scale", "df", "concentration", "rate", "concentration1", "concentration0"):
            own.append(array)
        elif name in ("low", "high"):
            own.append(np.minimum(f["scale"], np.abs(tree.fields["high"] - tree.fields["low"])))
        elif name == "scale_tril":
            own.append(np.broadcast_to(np.diagonal(array, axis1=-2, axis2=-1)[..., :, None], array.shape))
        elif name == "factor":
            own.append(np.broadcast_to(f["scale"][..., None], array.shape))
        elif name == "loc":
            if "scale_tril" in f:
                own.append(np.diagonal(f["scale_tril"], axis1=-2, axis2=-1))
            elif "concentration" in f:
                own.append(np.broadcast_to(1 / np.sqrt(np.maximum(f["concentration"], 1.0)), array.shape))
            else:
                own.append(np.broadcast_to(f["scale"], array.shape))
        else:
            own.append(np.ones_like(array))
    return own + steps


def check_gradient(entry, method, y):
    """Gradients by every parameter, one target at a time, against differences of the float64 truth."""
    tree = entry.tree
    arrays = [array for _, array in tree.leaves()]
    names = [name for name, _ in tree.leaves()]
    count = len(y) if not isinstance(y, dict) else len(next(iter(y.values())))
    tiled = [array for _, array in tree.tiled(count).leaves()]
    tensor_y = (
        {n: keras.ops.convert_to_tensor(v) for n, v in y.items()}
        if isinstance(y, dict)
        else keras.ops.convert_to_tensor(y)
    )

    def ours(tensors):
        distribution = build(tree.with_leaves(tensors))
        if method == "quantile":
            values = distribution.quantile(y)  # (n, n, 2, 3, 1): each copy of the parameters at its own probability
            eye = keras.ops.reshape(keras.ops.eye(count), (count, count, 1, 1, 1))
            return keras.ops.sum(values * eye)
        return keras.ops.sum(getattr(distribution, method)(tensor_y))

    value, gradients = value_and_gradients(ours, tiled)
    assert np.isfinite(value)

    edges = entry.truth.edges() if method == "crps" else None  # a difference takes both sides by the same panels

    def exact(moved):
        distribution = truth(tree.with_leaves(moved))
        if method == "quantile":
            return ref.quantile.__wrapped__(distribution, np.asarray(y, np.float64))
        x = y if method == "log_prob" else np.asarray(y, np.float64)[..., 0]
        if method == "crps":
            return ref.crps.__wrapped__(distribution, x, edges)
        return getattr(distribution, {"log_survival": "log_sf"}.get(method, method))(x)

    natural = _natural_steps(tree)
    expected = ref.kept(
        ("gradient", method, tree, y),
        lambda: tuple(finite_differences(exact, arrays, [1e-5 * step for step in natural])),
    )
    units = [np.abs(e) * step for e, step in zip(expected, natural, strict=True)]
    largest = np.max([u.reshape(count, 2, 3, -1).max(-1) for u in units], axis=0)
    for name, step, got, want in zip(names, natural, gradients, expected, strict=True):
        step = np.broadcast_to(step, got.shape)
        assert got.shape == want.shape, f"gradient by {name}: shape {got.shape}"
        # In natural units; a derivative that is nothing beside the largest one need not be resolved to its last places.
        # On the circle the densities at an angle and at ±π cancel when the two are neighbours, and each is rounded; the
        # CRPS adds up hundreds of such.
        rounding = 1e-7 if not entry.circular else 4e-5 if method == "crps" else 4e-6
        # log y is rounded to half a place before a scale of 0.02 divides it.
        resolution = 2e-5 if "LogNormal" in entry.name or "Transformed" in entry.name else 1e-5
        floor = resolution * largest.reshape(*largest.shape, *(1,) * (got.ndim - 3)) + rounding
        error = np.abs(got * step - want * step)
        bound = GRADIENT * np.abs(want * step) + floor
        bad = ~(error <= bound)
        if bad.any():
            ratio = np.where(bad, np.nan_to_num(error / bound, nan=np.inf, posinf=1e300), 0.0)
            worst = np.unravel_index(ratio.argmax(), ratio.shape)
            raise AssertionError(
                f"gradient of {method} by {name}: {bad.sum()} of {bad.size} wrong; worst at {tuple(map(int, worst))}: "
                f"ours {got[worst]!r}, truth {want[worst]!r}, {ratio[worst]:.3g} times the tolerance"
            )


def gradient_of(method):
    def check(entry):
        if method == "quantile":
            y = np.float32([0.001, 0.01, 0.05, 0.2, 0.35, 0.6, 0.9, 0.99])
        elif method in ("log_cdf", "log_survival"):
            y = np.concatenate([entry.points()[::4], entry.tails()[::4]])
        elif entry.is_joint:
            y = {name: part[::2] for name, part in entry.points().items()}
        else:
            y = entry.points()[::2]
        check_gradient(entry, method, y)

    check.__name__ = f"check_gradient_of_{method}"
    return check


# ---- the contract beside the mathematics ---------------------------------------------------------------------------


# On JAX every shape of a compiled method costs seconds: these entries try all of them, the others the essential ones.
ALL_SHAPES = ("Normal D=1", "Mixture[Normal] D=1", "Categorical", "Joint[Mixture, Bernoulli]")


def check_shapes(entry):
    """Any batch shape, any leading axes; the event axis dropped or kept as promised; the same numbers as in the batch."""
    y = entry.points()
    whole = to_numpy(built(entry.name).log_prob(y))
    size = entry.event_size
    thorough = entry.name in ALL_SHAPES
    for batch, index in (((3,), (0,)), ((), (1, 2))) if thorough else (((), (1, 2)),):
        ours = built(entry.name, batch)
        assert tuple(ours.batch_shape) == batch and ours.event_size == size
        assert ours.dtype == "float32"
        rows = {n: v[(slice(None), *index)] for n, v in y.items()} if entry.is_joint else y[(slice(None), *index)]
        first = {n: v[0] for n, v in rows.items()} if entry.is_joint else rows[0]
        assert_close(ours.log_prob(first), whole[(0, *index)], "one target a batch element")
        for sample_shape in ((), (5,), (2, 4), 3) if thorough else ((2, 4),):
            lead = sample_shape if isinstance(sample_shape, tuple) else (sample_shape,)
            draw = to_numpy(ours.sample(sample_shape, seed=0))
            if entry.is_joint:
                assert {n: d.shape for n, d in draw.items()} == {
                    n: (*lead, *batch, p.event_size) for n, p in entry.truth.parts.items()
                }
            else:
                assert draw.shape == (*lead, *batch, size)
        if not thorough:
            continue
        assert_close(ours.log_prob(rows), whole[(slice(None), *index)], f"log_prob with batch {batch}")
        if entry.is_mixture:
            assert to_numpy(ours.responsibilities(rows)).shape == (16, *batch, 3)
            assert to_numpy(ours.weights).shape == (*batch, 3) and ours.num_components == 3
        if not entry.is_joint and not entry.is_categorical:
            assert to_numpy(ours.mean()).shape == to_numpy(ours.variance()).shape == (*batch, size)
            assert to_numpy(ours.covariance()).shape == (*batch, size, size)
        if entry.is_line:
            for method in ("prob", "cdf", "log_cdf", "log_survival", "crps"):
                assert to_numpy(getattr(ours, method)(rows)).shape == (16, *batch), method
        if entry.is_line and not batch:
            assert to_numpy(ours.mode()).shape == (*batch, size)
            for q in (0.3, np.float32([[0.1, 0.5, 0.9]] * 2)):
                assert to_numpy(ours.quantile(q)).shape == (*np.shape(q), *batch, 1)
            for ends in (ours.interval(0.8), ours.hdi(0.8)):
                assert [to_numpy(end).shape for end in ends] == [(*batch, 1)] * 2
    if not entry.is_joint:
        alone = y[0, 0, 0]
        assert_close(built(entry.name).log_prob(alone), entry.truth.log_prob(alone), "one target for a whole batch")
        with pytest.raises(ValueError, match="event_size"):
            built(entry.name).log_prob(np.zeros((2, 3, size + 1), np.float32))
    if entry.is_line:
        for bad in (-0.1, 1.1):
            with pytest.raises(ValueError, match="q"):
                built(entry.name).quantile(bad)
        for bad in (0.0, 1.5):
            with pytest.raises(ValueError, match="coverage"):
                built(entry.name).interval(bad)


def check_value_semantics(entry):
    """Immutable, and a value: fields cannot be set or deleted, methods change nothing."""
    ours = build(entry.tree)
    before = [array.copy() for _, array in entry.tree.leaves()]
    inner = {
        "Joint": "parts",
        "Mixture": "logits",
        "Factorised": "each",
        "Transformed": "base",
        "Rounded": "base",
        "Circular": "base",
    }
    name = inner.get(entry.tree.kind) or next(iter(entry.tree.fields))
    kept = getattr(ours, name)
    with pytest.raises((AttributeError, TypeError)):
        setattr(ours, name, None)
    with pytest.raises((AttributeError, TypeError)):
        ours.something_new = 1
    ours.with_temperature(2.0, 2.0)
    assert getattr(ours, name) is kept
    for old, (_, array) in zip(before, entry.tree.leaves(), strict=True):
        np.testing.assert_array_equal(old, array)


def check_traced(entry):
    """Inside the backend's compiled functions, and as an argument of one where the backend knows pytrees."""
    ours = built(entry.name)
    y = entry.points()
    expected = to_numpy(ours.log_prob(y))
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        assert_close(jax.jit(lambda d, t: d.log_prob(t))(ours, y), expected, "log_prob under jit")
        leaves, structure = jax.tree_util.tree_flatten(ours)
        assert len(leaves) == len(entry.tree.leaves())
        rebuilt = jax.tree_util.tree_unflatten(structure, leaves)
        assert type(rebuilt) is type(ours) and rebuilt.batch_shape == ours.batch_shape
        jax.tree_util.tree_unflatten(structure, [object()] * len(leaves))  # no checks on the way
        shape = jax.eval_shape(lambda d, k: d.sample((4,), seed=k), ours, jax.random.key(0))
        assert all(leaf.shape[:3] == (4, 2, 3) for leaf in jax.tree_util.tree_leaves(shape))
        mapped = jax.vmap(lambda d: d.log_prob(origin(entry)))
        assert jax.eval_shape(mapped, ours).shape == (2, 3)
        return
    arrays = [array for _, array in entry.tree.leaves()]

    def from_tensors(tensors, target):
        return build(entry.tree.with_leaves(tensors)).log_prob(target)

    if backend == "tensorflow":
        import tensorflow as tf

        tensors = [tf.constant(a) for a in arrays]
        target = {n: tf.constant(v) for n, v in y.items()} if isinstance(y, dict) else tf.constant(y)
        assert_close(tf.function(from_tensors)(tensors, target), expected, "log_prob in a tf.function")
        return
    import torch

    tensors = [torch.tensor(a) for a in arrays]
    target = {n: torch.tensor(v) for n, v in y.items()} if isinstance(y, dict) else torch.tensor(y)
    value, gradients = torch.func.vjp(lambda t: from_tensors(t, target), tensors)
    assert_close(value, expected, "log_prob under torch.func.vjp")
    del gradients


def origin(entry):
    """A target of zeros."""
    if entry.is_joint:
        return {name: np.zeros(part.event_size, np.float32) for name, part in entry.truth.parts.items()}
    return np.zeros(entry.event_size, np.float32)


# ---- specs ---------------------------------------------------------------------------------------------------------


def spec_of(tree):
    """The spec of a tree, by the names of the contract."""
    if tree.kind == "Joint":
        return mdn.JointSpec(**{name: spec_of(child) for name, child in tree.children.items()})
    if tree.kind == "Mixture":
        counts = [next(iter(child.fields.values())).shape[2] for child in tree.children]
        specs = [spec_of(child) for child in tree.children]
        return (
            mdn.MixtureSpec(specs[0], counts[0]) if len(specs) == 1 else mdn.MixtureSpec(specs, num_components=counts)
        )
    if tree.kind == "Factorised":
        return mdn.FactorisedSpec(*tree.children[0].fields["logits"].shape[2:])
    if tree.kind == "Transformed":
        return mdn.TransformedSpec(spec_of(tree.children[0]), bijection_of(tree))
    if tree.kind == "Spiked":
        return mdn.SpikedSpec(spec_of(tree.children[0]), tree.plain)
    if tree.kind == "Rounded":
        return mdn.RoundedSpec(spec_of(tree.children[0]), *tree.plain)
    if tree.kind == "Circular":
        return mdn.CircularSpec(spec_of(tree.children[0]), *tree.plain)
    if tree.kind in ("Categorical", "Bernoulli"):
        return getattr(mdn, f"{tree.kind}Spec")(tree.fields["logits"].shape[-1])
    size = next(iter(tree.fields.values())).shape[-1]
    if tree.kind == "MultivariateNormal":
        return mdn.NormalSpec(size, covariance="full")
    if tree.kind == "LowRankNormal":
        return mdn.NormalSpec(size, covariance=tree.fields["factor"].shape[-1])
    if tree.kind == "Normal" and tree.fields["scale"].shape[-1] != size:
        return mdn.NormalSpec(size, covariance="isotropic")
    ends = (float(tree.fields[name].flat[0]) for name in ("low", "high") if name in tree.fields)
    return getattr(mdn, f"{tree.kind}Spec")(size, *ends)


def packed(tree):
    """The packed parameters by hand, from the words of the contract: [loc (K·D) | scale block | logits (K)]."""
    if tree.kind == "Joint":
        return np.concatenate([packed(child) for child in tree.children.values()], axis=-1)
    if tree.kind == "Factorised":
        each = tree.children[0]
        arrays = (*each.children[0].fields.values(), each.fields["logits"])
        return np.concatenate([array.reshape(2, 3, -1) for array in arrays], axis=-1)
    if tree.kind in ("Transformed", "Rounded", "Circular"):
        return packed(tree.children[0])
    if tree.kind in ("Mixture", "Spiked"):
        return np.concatenate([*(packed(child) for child in tree.children), tree.fields["logits"]], axis=-1)
    fields = {name: array for name, array in tree.fields.items() if name not in ("low", "high")}
    if tree.kind in ("Categorical", "Bernoulli"):
        return fields["logits"].reshape(2, 3, -1)
    (_, first), *rest = fields.items()
    blocks = dict(rest)
    rank = 3 if first.ndim == 4 else 2  # (2, 3, K, D): scale blocks one component after another
    if "scale_tril" in blocks:
        rows, columns = np.tril_indices(first.shape[-1])
        blocks = {"scale_tril": blocks["scale_tril"][..., rows, columns]}
    if not blocks:  # one parameter only
        return first.reshape(2, 3, -1)
    block = np.concatenate([array.reshape(*array.shape[:rank], -1) for array in blocks.values()], axis=-1)
    return np.concatenate([first.reshape(2, 3, -1), block.reshape(2, 3, -1)], axis=-1)


def check_spec(entry):
    """The packed layout, to the bit, there and back; and the same spec from its configuration."""
    spec, params = spec_of(entry.tree), packed(entry.tree)
    y = entry.points()
    assert spec.params_size == params.shape[-1]
    distribution = spec(keras.ops.convert_to_tensor(params))
    assert_close(distribution.log_prob(y), entry.truth.log_prob(y), "spec(params).log_prob")
    np.testing.assert_array_equal(to_numpy(spec.pack(distribution)), params, "pack(spec(p)) == p, to the bit")
    assert_close(spec.pack(built(entry.name)), params, "pack(distribution)", tolerance=1e-7)
    again = type(spec).from_config(spec.get_config())
    np.testing.assert_array_equal(to_numpy(again(params).log_prob(y)), to_numpy(distribution.log_prob(y)))
    with pytest.raises(ValueError, match=str(spec.params_size)):
        spec(np.zeros((2, spec.params_size + 1), np.float32))
    if entry.is_joint:
        array = to_numpy(spec.join(y))
        np.testing.assert_array_equal(array, np.concatenate(list(y.values()), -1))
        for name, part in spec.split(array).items():
            np.testing.assert_array_equal(to_numpy(part), y[name])


# ---- the matrix ----------------------------------------------------------------------------------------------------

CHECKS = {
    "log_prob": check_log_prob,
    "prob": check_prob,
    "mean": check_mean,
    "variance": check_variance,
    "covariance": check_covariance,
    "mode": check_mode,
    "sample": check_sample,
    "cdf": check_cdf,
    "log_cdf": check_log_cdf,
    "log_survival": check_log_survival,
    "quantile": check_quantile,
    "interval": check_interval,
    "hdi": check_hdi,
    "crps": check_crps,
    "energy_score": check_energy_score,
    "responsibilities": check_responsibilities,
    "marginal": check_marginal,
    "condition": check_condition,
    "with_temperature": check_with_temperature,
    "blend": check_blend,
    "[index]": check_indexing,
    "∇log_prob": gradient_of("log_prob"),
    "∇cdf": gradient_of("cdf"),
    "∇log_cdf": gradient_of("log_cdf"),
    "∇log_survival": gradient_of("log_survival"),
    "∇quantile": gradient_of("quantile"),
    "∇crps": gradient_of("crps"),
    "spec": check_spec,
    "shapes": check_shapes,
    "immutable": check_value_semantics,
    "traced": check_traced,
}

ON_THE_LINE = {"cdf", "log_cdf", "log_survival", "quantile", "interval", "hdi", "crps"}


def documented_error(entry, method):
    """What the ValueError says where the method has no meaning for the family; None where it has one."""
    name = method.removeprefix("∇")
    if entry.is_joint and name in ON_THE_LINE | {
        "energy_score",
        "covariance",
        "marginal",
        "condition",
        "responsibilities",
    }:
        return name
    if entry.tree.kind in ("Joint", "Factorised", "Transformed", "Spiked", "Rounded", "Circular") and name == "blend":
        return name
    if entry.tree.kind == "Spiked" and name == "mode":
        return name
    if (
        entry.is_joint
        and name in ("mean", "variance")
        and any(isinstance(p, ref.Categorical) for p in entry.truth.parts.values())
    ):
        return name
    if entry.is_joint:
        return None
    if entry.is_categorical and name in ("mean", "variance", "covariance", "energy_score"):
        return name
    if name in ON_THE_LINE and not entry.is_line:
        return "energy_score" if name == "crps" and not entry.discrete else name
    if name == "responsibilities" and not entry.has_components:
        return name
    return None


def assert_documented_error(entry, method, message):
    """The method, called as a user would, raises a ValueError with a sentence that names it."""
    ours = built(entry.name)
    y = {n: v[0] for n, v in entry.points().items()} if entry.is_joint else entry.points()[0]
    name = method.removeprefix("∇")
    calls = {
        "quantile": lambda: ours.quantile(0.5),
        "interval": lambda: ours.interval(0.9),
        "hdi": lambda: ours.hdi(0.9),
        "mean": ours.mean,
        "variance": ours.variance,
        "covariance": ours.covariance,
        "mode": ours.mode,
        "marginal": lambda: ours.marginal([0]),
        "condition": lambda: ours.condition({0: 0.0}),
        "blend": lambda: mdn.blend([ours, ours]),
    }
    call = calls.get(name) or (lambda: getattr(ours, name)(y))
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert len(str(caught.value)) > 20, "a sentence, not a word"


__all__ = ["CHECKS", "assert_close", "documented_error", "to_numpy"]
