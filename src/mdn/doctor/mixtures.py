"""Rules about the components of a mixture: those without weight, those that are needles, and gradients without bound."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from scipy import special, stats

from mdn.doctor.diagnosis import Finding
from mdn.doctor.evidence import Components, Evidence
from mdn.doctor.significance import ENOUGH_ROWS, holm
from mdn.initializers import robust_scaling
from mdn.numerics import GRADIENT_BOUND, LOSS_CEILING
from mdn.tabular.member import DEAD as LEFT_OUT
from mdn.tabular.wording import plain
from mdn.wording import agreed, counted

_DEAD = 0.05  # a component with so small a probability to have made even one of the rows
_SMALL = 1e-4  # the mean weight of a dead component at most: few rows show no sign of components that are alive
_NEEDLE = 0.01  # of the spread of the targets
_NEAR = 2.0  # scales about a component
_MISSED = 0.5  # of the targets that it promises


def dead_components(evidence: Evidence) -> Iterator[Finding]:
    """Components that made none of these rows: the sum of their weights over all rows is below 0.05, their mean below 1e-4.

    Where held-out rows chose the number of components, only those count that training would have left out.
    """
    if len(evidence.few) < ENOUGH_ROWS:
        return
    left_out = sum(unused for unused, _ in evidence.unused)
    for one in evidence.components:
        count, mean, most = one.weights.shape[1], np.mean(one.weights, axis=0), np.max(one.weights, axis=0)
        small = mean < min(_SMALL, _DEAD / evidence.rows)
        dead = np.flatnonzero(most <= LEFT_OUT if evidence.chosen else small)
        gone = 0 if evidence.chosen else left_out
        if len(dead) + gone and count + gone > 1:
            weight = float(np.max(most[dead], initial=0.0))
            yield _dead(len(dead) + gone, count + gone, _of(one), weight, dead.tolist(), len(evidence.unused) < 2)


def _dead(dead: int, count: int, of: str, weight: float, which: list[int], is_one_network: bool) -> Finding:
    fewer = f"Use num_components={count - dead}" if is_one_network else "Use fewer components in each network"
    named = f" ({agreed(len(which), 'number', 'numbers')} {', '.join(map(str, which[:10]))}, from 0)" if which else ""
    return Finding(
        "dead components",
        f"{dead} of {count} components{of} {agreed(dead, 'has', 'have')} no weight in any row{named}: the mixture has "
        f"{counted(count - dead, 'component')}.",
        {"dead": dead, "components": count, "greatest weight": weight},
        f"Nothing is wrong with the predictions. {fewer}, which is faster; or, if more components are "
        "meant to be used, start from the targets: MDN(spec).adapt(y), or let held-out rows choose "
        '(MDNRegressor(num_components="auto")).',
    )


def collapsed_scales(evidence: Evidence) -> Iterator[Finding]:
    """Components narrower than a hundredth of the targets' spread, near which far fewer targets lie than the mixture promises.

    The number of targets within two scales of a component is compared with the sum of its probabilities over the rows (Poisson,
    Holm over the components), and must be less than half of it.
    """
    for one in evidence.components:
        known = ~np.isnan(one.y).any(axis=1)
        if np.sum(known) < 2:
            continue
        weights, loc, scale, y = one.weights[known], one.loc[known], one.scale[known], one.y[known]
        spread = robust_scaling(y)[1]
        with np.errstate(divide="ignore", invalid="ignore"):
            typical = np.exp(np.sum(weights[..., None] * np.log(scale), axis=0) / np.sum(weights, axis=0)[:, None])
        needles = [tuple(each) for each in np.argwhere(typical < _NEEDLE * spread)]
        counts = [_near(weights, loc[..., d], scale[..., d], y[:, d], one.slack[d], k) for k, d in needles]
        found = holm([stats.poisson.cdf(hits, promised) for hits, promised in counts])
        bad = [
            (place, hits, promised)
            for place, (hits, promised), sure in zip(needles, counts, found, strict=True)
            if sure and hits < _MISSED * promised
        ]
        if bad:
            (k, d), hits, promised = max(bad, key=lambda each: each[2] - each[1])
            rows = int(np.sum(known))
            yield Finding(
                "collapsed scales",
                f"{counted(len(bad), 'component')} {agreed(len(bad), 'has', 'have')} collapsed{_of(one)}: the scale of component "
                f"{k} is typically {plain(typical[k, d] / spread[d])} of the spread of the targets, and within two scales of "
                f"it should lie {promised:.0f} of {rows} targets, but {hits} {agreed(hits, 'does', 'do')}.",
                {
                    "collapsed": len(bad),
                    "scale / spread": float(typical[k, d] / spread[d]),
                    "promised": promised,
                    "there": hits,
                },
                "A needle buys likelihood on single rows of training. Use fewer components, noise on the targets (target_noise), "
                "more rows, or the CRPS as loss; look for values that repeat.",
                weight=(promised - hits) / rows,
            )


def _near(weights, loc, scale, y, slack: float, k: int) -> tuple[int, float]:
    """(how many targets lie within two scales of component k, how many should, by the mixture with normals)."""
    reach = _NEAR * scale[:, k] + slack
    hits = int(np.sum(np.abs(y - loc[:, k]) <= reach))
    z = (loc[:, [k]] + np.array([[-1.0], [1.0]])[:, None] * reach[:, None] - loc) / scale
    inside = special.ndtr(z[1]) - special.ndtr(z[0])
    return hits, float(np.sum(np.where(weights > 0.0, weights * inside, 0.0)))


def bounded_gradients(evidence: Evidence) -> Iterator[Finding]:
    """Rows whose gradient by a location or a scale of a normal exceeds 1e12, or whose NLL exceeds 1e30: both are bounded."""
    rows, largest, total = 0, 0.0, 0
    for one in evidence.components:
        if not one.normal:
            continue
        size = _gradients(one)
        rows, total = rows + int(np.sum(size >= GRADIENT_BOUND)), len(size)
        largest = max(largest, float(np.max(size, initial=0.0)))
    capped = int(np.sum(evidence.nll >= LOSS_CEILING))
    if rows or capped:
        yield Finding(
            "bounded gradients",
            f"In {rows} of {counted(total, 'row')} the gradient of the loss is as large as {largest:.2g}, and training bounds "
            f"it to {GRADIENT_BOUND:.0g}; in {counted(capped, 'row')} the loss itself is bounded to {LOSS_CEILING:.0g}.",
            {"rows": rows, "largest gradient": largest, "rows of bounded loss": capped},
            "Training on such rows goes on, but each of them outweighs all others in its step. Look at these rows and at the "
            "smallest scales; scale the targets with MDN(spec).adapt(y); clip the global norm of the gradient.",
        )


def _gradients(one: Components) -> np.ndarray:
    """The largest gradient of the NLL by a location or a scale in each row, `(n,)`; 0 where a target is missing."""
    with np.errstate(all="ignore"):
        error = one.y[:, None] - one.loc
        z = error / one.scale
        log_density = np.sum(np.nan_to_num(-0.5 * z**2 - np.log(one.scale)), axis=-1)
        log_joint = np.log(one.weights) + log_density
        share = np.exp(log_joint - np.logaddexp.reduce(log_joint, axis=1, keepdims=True))[..., None]
        by_loc, by_scale = np.abs(z) / one.scale, np.abs(z**2 - 1.0) / one.scale
        return np.nan_to_num(np.max(share * np.maximum(by_loc, by_scale), axis=(1, 2)), posinf=math.inf)


def _of(one: Components) -> str:
    return f" of {one.of!r}" if one.of else ""
