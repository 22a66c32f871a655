"""Params and log densities of many steps, with few compiled programs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from keras import ops

from mdn import backend
from mdn.few_shapes import blocks, fitting, in_blocks, powers_of_two
from mdn.sequences.ragged import bucket_lengths, padded, shifted

_STEPS_AT_ONCE = 32_768  # that one call of a prediction takes at most
_AT_ONCE = (256, 2048, 16_384)  # steps that one program scores: each size is compiled once


def params_of_steps(rows: Sequence[np.ndarray], conditions, predict) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """Yields (the places of some sequences, the params `(T_i, params_size)` of each of their events given those before it).

    Args:
        rows: Sequences as `as_sequences` returns them.
        conditions: What comes with each, as `MDNRNN.conditions` returns it.
        predict: Maps the events before each step, `(N, T, D)`, or a list of them and the conditions, to params `(N, T, any)`.
    """
    lengths = bucket_lengths([len(one) for one in rows], 8)
    for length in np.unique(lengths):
        group = np.flatnonzero(lengths == length)
        most = 2 ** max(0, int(math.log2(max(1, _STEPS_AT_ONCE // length))))
        for filled, new in blocks(group, (fitting(len(group), powers_of_two(most)),)):
            before = shifted(padded([rows[place] for place in filled], length))
            inputs = [before, *(part[filled] for part in conditions)] if conditions else before
            params = np.asarray(ops.convert_to_numpy(predict(inputs)))
            yield filled[:new], [one[: len(rows[place])] for place, one in zip(filled[:new], params, strict=False)]


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
