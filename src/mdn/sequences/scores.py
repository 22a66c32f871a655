"""Log densities of many steps, with few compiled programs."""

from __future__ import annotations

import numpy as np

from mdn import backend
from mdn.few_shapes import in_blocks

_AT_ONCE = (256, 2048, 16_384)  # steps that one program scores: each size is compiled once


def log_prob_of_steps(spec, params, y) -> np.ndarray:
    """Log densities `(N,)` of events `(N, D)`, computed in blocks of a few sizes.

    The program of a mixture of correlated normals takes seconds to compile, minutes on a busy machine. Sequences have many
    lengths, and must not need a program for each.
    """
    if not len(y):
        return np.zeros(0)
    return in_blocks(lambda params, y: _log_prob_observed(params, y, spec=spec), params, y, sizes=_AT_ONCE)


@backend.compiled(static=("spec",))
def _log_prob_observed(params, y, spec):
    return spec(params).log_prob_observed(y)
