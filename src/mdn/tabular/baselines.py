"""What a regressor is compared with: one normal and one mixture without features, and least squares on its inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from mdn.data.schema import Rule, listed, number, record
from mdn.distributions import Mixture, Normal
from mdn.few_shapes import in_blocks
from mdn.metrics import Baseline
from mdn.tabular import circular, targets
from mdn.tabular.network import ROWS_AT_ONCE

_LINE = ("medians", "slopes", "intercepts", "residual_tril")


def baseline_of(regressor, x, points, learnt) -> Baseline | None:
    """Fitted to targets, or to what the network learns of them; censored ones have no such baseline.

    Least squares takes the inputs `x` of the network, unless a trunk reads them in its own way.
    """
    if regressor.censoring:
        return None
    x = None if regressor.trunk_ is not None else x
    if regressor.outcome_.plain:
        return Baseline(points, x=x)
    if regressor.period is not None:
        return circular.baseline_of(targets.drawn(learnt, 1, 0))
    return Baseline(regressor.outcome_.points(learnt, 1, 0)[:, :1], x=x)


def nlls_of(regressor, X, y) -> list[np.ndarray]:
    """The NLL of each row under the normal and the mixture that know no features, and under least squares; NaN without one."""
    baseline, (bounds, width) = regressor.baseline_, regressor._bounds(y)
    unknown = np.full(len(bounds), np.nan)
    if baseline is None:
        return [unknown] * 3
    x = regressor._features(X) if baseline.has_line else None
    if regressor._event_size > 1 or not regressor._stand_for_sets:
        truth = regressor._points(y)
        line = unknown if x is None else baseline.line_nlls(x, truth)
        return [baseline.gaussian_nlls(truth), baseline.mixture_nlls(truth), line]
    plain = regressor.outcome_.plain
    origin = baseline.center if plain else regressor.target_origin_
    centred = (bounds - origin).astype("float32")

    def nlls(logits, loc, scale, *of_row) -> np.ndarray:
        """Of one mixture, moved in each row by `of_row`, `(N, 1, 1)`, if that is there."""

        def log_prob(y, *moved):
            batch = np.zeros((len(y), *np.shape(logits))) if moved else logits
            components = Normal(*np.broadcast_arrays(sum(moved, loc), scale))
            return regressor._score(regressor._inner.without_features(Mixture(batch, components)), y)

        found = in_blocks(log_prob, centred, *of_row, sizes=ROWS_AT_ONCE)
        return np.where(np.isnan(bounds[:, 0]), np.nan, np.log(width[:, 0]) - found)

    found = [nlls(logits, loc - origin if plain else loc, scale) for logits, loc, scale in baseline.mixtures()]
    if x is None:
        return [*found, unknown]
    line = baseline.line(x) - (origin if plain else 0.0)
    return [*found, nlls(np.zeros(1), np.zeros((1, 1)), np.abs(baseline.residual_tril), line[:, None])]


# ---- in files ----------------------------------------------------------------------------------------------------------


def described(baseline: Baseline | None) -> dict[str, Any]:
    """What a file keeps, by name; least squares stands by itself, since older versions know only the rest."""
    if baseline is None:
        return {"baseline": None}
    fields = vars(baseline)
    line = {name: fields[name] for name in _LINE if name in fields}
    return {"baseline": {name: fields[name] for name in fields if name not in line}} | ({"line": line} if line else {})


def of(description: dict[str, Any]) -> Baseline | None:
    """The baseline from what `described` returned, as lists."""
    fields = description["baseline"]
    return None if fields is None else Baseline.of({**fields, **description.get("line", {})})


def rule(targets: int) -> Rule:
    """The rule for "baseline" in a file."""

    def checked(value, name):
        count = len(value["weights"]) if isinstance(value, dict) and isinstance(value.get("weights"), list) else 0
        row = listed(number(), count=targets)
        return record(
            center=row,
            scale_tril=listed(row, count=targets),
            weights=listed(number(0.0), least=1),
            loc=listed(row, count=count),
            scale=listed(listed(number(above=0.0), count=targets), count=count),
        )(value, name)

    return checked


def rule_of_line(inputs: int, targets: int) -> Rule:
    """The rule for "line" in a file."""
    row = listed(number(), count=targets)
    return record(
        medians=listed(number(), count=inputs),
        slopes=listed(row, count=inputs),
        intercepts=row,
        residual_tril=listed(row, count=targets),
    )
