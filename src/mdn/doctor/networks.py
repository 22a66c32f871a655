"""The evidence about a Keras model that ends in `MDN`, and about an `MDNRNN`, whose features are the events before."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from mdn import models
from mdn.distributions import Spec, Spiked
from mdn.distributions.intervals import as_array
from mdn.doctor.evidence import (
    MOST_COLUMNS,
    Column,
    Components,
    Evidence,
    Reference,
    Training,
    are_normal,
    check_known,
    drawn_from,
    drawn_rows,
    few_of,
    moments,
    of_no_answers,
    parts_of,
    pit_scores,
    scores_beside_atoms,
    scores_of_odds,
    surprises,
    too_many,
    unwrapped,
)
from mdn.few_shapes import in_blocks
from mdn.layers import FeatureScaling
from mdn.masks import unmasked
from mdn.random import Draws
from mdn.sequences.inputs import as_sequences
from mdn.sequences.scores import log_prob_of_steps, params_of_steps
from mdn.tabular.frames import as_numbers, column, is_frame
from mdn.tabular.wording import plain
from mdn.wording import counted

_ROWS_AT_ONCE = (256, 2048)  # each is compiled once
_ROUNDED = 3e-5  # of the mean: no more deviation is left by float32 to a column that is constant


def of_network(model, x, y, training: tuple | None, names, output) -> Evidence:
    """The evidence about a Keras model.

    Args:
        model: Any Keras model that ends in `MDN`.
        x: Whatever `model.predict` takes; columns are looked at if it is a table `(N, F)` or `(N, T, F)`.
        y: Targets `(*batch, target_size)`, NaN where missing; of a JointSpec also a dict.
        training: (x, y) of the rows of training, if they are at hand.
        names: The names of the columns of x; None for those of a frame, or x0, x1, ...
        output: As in `mdn.predict`.

    Raises:
        ValueError: if `y` has another shape or is infinite, or if a column of a frame holds no numbers.
    """
    spec = models._choose(models.specs_of(model), output)[1]
    x, y = unmasked(x), unmasked(y)
    training = None if training is None else tuple(map(unmasked, training))
    if training is not None and is_frame(training[0]):
        chosen = list(x.columns if is_frame(x) else training[0].columns)
        training = _numbers(training[0], chosen, "`training[0]`"), training[1]
    if is_frame(x):
        names = [str(name) for name in x.columns] if names is None else names
        x = _numbers(x, list(x.columns), "`x`")

    if isinstance(x, list) and x and not hasattr(x[0], "shape"):
        x = np.asarray(x)

    def asked(x, y, called="`y`"):
        _check_width(model, x)
        params = np.asarray(keras.ops.convert_to_numpy(spec.pack(models.predict(model, x, output=output))))
        return params.reshape(-1, spec.params_size), _targets(spec, y, params.shape[:-1], called)

    every_y = y if isinstance(y, dict) else np.asarray(keras.ops.convert_to_numpy(as_array(y)))
    if not len(keras.tree.flatten(every_y)[0]):
        raise ValueError("`y` must hold at least one target, but there are no rows.")
    x, y, taken = _some_rows(x, every_y)
    params, y = asked(x, y)
    check_known(y)
    everywhere, numbers, sentence = None, np.arange(len(y)), f"{counted(len(y), 'row')}."
    if taken is not None:
        steps = len(y) // len(taken)
        total = len(keras.tree.flatten(every_y)[0])
        everywhere = _targets(spec, every_y, (total * steps,) if steps == 1 else (total, steps), "`y`")
        numbers = (taken[:, None] * steps + np.arange(steps)).reshape(-1)
        sentence += drawn_from(len(everywhere))
    then = None
    if training is not None:
        pair = asked(training[0], training[1], "`training[1]`")
        then = Training(len(pair[1]), _known(_nll(spec, *pair)))
    is_table = isinstance(x, np.ndarray) and x.ndim >= 2 and len(params) == np.prod(x.shape[:-1])
    columns = []
    table = np.asarray(x, "float32").reshape(-1, x.shape[-1]) if is_table else np.empty((len(params), 0), "float32")
    count = table.shape[1]
    why = "" if 0 < count <= MOST_COLUMNS else too_many(count) if is_table else "x is no table of numbers"
    if not why:
        references = _references(model, count, None if training is None else training[0])
        names = names or [f"x{place}" for place in range(count)]
        if len(names) != count:
            raise ValueError(
                f"`names` must name the {counted(count, 'column')} of x, but {counted(len(names), 'name')} came: {list(names)}."
            )
        columns = [_column(name, table[:, place], references[place]) for place, name in enumerate(names)]

    def with_column(rows, donors, column):
        changed = table[rows].copy()
        changed[:, column] = table[rows][donors, column]
        return asked(changed, y[rows])[0]

    alone = with_column if is_table and x.ndim == 2 else None  # a step of a sequence is not asked by itself
    found = _evidence(spec, params, y, columns, sentence, then, alone, numbers)
    return dataclasses.replace(found, width=count, not_looked_at=why, all_targets=everywhere)


def _check_width(model, x) -> None:
    """Raises a ValueError if a table has more or fewer columns than the model takes; Keras says it in five lines."""
    shape = getattr(model, "input_shape", None)
    if (
        not isinstance(x, np.ndarray)
        or not isinstance(shape, tuple)
        or len(shape) < 2
        or not isinstance(shape[-1], int)
    ):
        return
    if x.ndim < 2:
        raise ValueError(
            f"`x` must have rows of {counted(shape[-1], 'column')}, as the model takes, but an array of shape {x.shape} came."
        )
    if x.ndim == len(shape) and x.shape[-1] != shape[-1]:
        raise ValueError(f"`x` must have {counted(shape[-1], 'column')}, as the model takes, but {x.shape[-1]} came.")


def _some_rows(x, y) -> tuple:
    """(x, y, the rows that were drawn from a long table); None for the last where all rows are kept."""
    several = isinstance(x, dict | tuple) or (isinstance(x, list) and hasattr(x[0], "shape"))
    targets, features = keras.tree.flatten(y), keras.tree.flatten(x) if several else [x]
    rows = len(targets[0])
    shape = np.shape(targets[0])
    taken = drawn_rows(rows, int(np.prod(shape[:-1])) if len(shape) > 1 else rows)
    if taken is None or any(len(np.shape(each)) == 0 or len(each) != rows for each in (*targets, *features)):
        return x, y, None  # other lengths are refused later

    def some(parts):
        return keras.tree.map_structure(lambda part: np.asarray(keras.ops.convert_to_numpy(part))[taken], parts)

    return some(x), some(y), taken


def of_sequences(model, sequences, condition, context) -> Evidence:
    """The evidence about an `MDNRNN`.

    Args:
        model: The network.
        sequences, condition, context: As in `MDNRNN.log_prob`.
    """
    rows = as_sequences(sequences, model.spec.target_size)
    conditions = model.conditions(condition, context, len(rows))
    every_y = np.concatenate(rows)
    starts = np.cumsum([0, *map(len, rows)])[:-1]
    taken = drawn_rows(len(rows), len(every_y))
    drawn = "" if taken is None else drawn_from(len(rows), "sequences")
    if taken is not None:
        conditions = tuple(each[taken] for each in conditions)
        rows, starts = [rows[place] for place in taken], starts[taken]
    params: list = [None] * len(rows)
    for places, some in params_of_steps(rows, conditions, model._predictor()):
        for place, one in zip(places, some, strict=True):
            params[place] = one
    y = np.concatenate(rows)
    before = np.concatenate([np.concatenate([np.full_like(one[:1], np.nan), one[:-1]]) for one in rows])
    columns = [
        _column(f"the event before, number {d}", before[:, d], None, past=True)
        for d, kind in enumerate(model.spec.column_kinds)
        if kind == "number"
    ]
    sentence = f"{counted(len(y), 'step')} of {counted(len(rows), 'sequence')}." + drawn
    numbers = np.concatenate([start + np.arange(len(one)) for start, one in zip(starts, rows, strict=True)])
    found = _evidence(model.spec, np.concatenate(params), y, columns, sentence, None, None, numbers)
    return found if taken is None else dataclasses.replace(found, all_targets=every_y.astype("float64"))


def _numbers(frame, names: list, called: str) -> np.ndarray:
    """These columns of a frame as float32 `(N, F)`; `called` names the frame in messages."""
    there = list(frame.columns)
    if lacking := [str(name) for name in names if name not in there]:
        raise ValueError(f"{called} must have the columns of x, but lacks {lacking}: add them.")
    found = [as_numbers(f"column {str(name)!r} of {called}", column(frame, name).values) for name in names]
    return np.stack(found, axis=-1).astype("float32")


def _targets(spec: Spec, y, batch: tuple, called: str) -> np.ndarray:
    y = np.asarray(keras.ops.convert_to_numpy(spec.join(as_array(y))), "float64")
    y = y[..., None] if spec.target_size == 1 and y.ndim == len(batch) else y
    if y.shape != (*batch, spec.target_size):
        raise ValueError(
            f"{called} must have shape {(*batch, spec.target_size)}, a target for each distribution that the model predicts, but "
            f"{y.shape} came."
        )
    if np.isinf(y).any():
        row, *rest = (int(place) for place in np.argwhere(np.isinf(y))[0])
        raise ValueError(
            f"{called} must hold finite numbers, or NaN where a target is missing, but {y[(row, *rest)]} stands in row {row}. "
            "Correct it, or make it NaN."
        )
    return y.reshape(-1, spec.target_size)


def _nll(spec: Spec, params, y) -> np.ndarray:
    found = -log_prob_of_steps(spec, params, y.astype("float32")).astype("float64")
    return np.where(np.isnan(y).all(axis=1), np.nan, found)


def _known(nll: np.ndarray) -> np.ndarray:
    return nll[np.isfinite(nll)]


def _column(name: str, values: np.ndarray, reference, past: bool = False) -> Column:
    values = np.asarray(values, "float64")
    return Column(name, values, lambda row: plain(float(values[row])), reference, past=past)


def _references(model, count: int, features) -> list[Reference | None]:
    """Where each feature lay in training: of rows at hand, or what a layer that scales them has learnt."""

    def of(centers, spreads, is_mean=False):
        pairs = (np.ravel(keras.ops.convert_to_numpy(each)).astype("float64") for each in (centers, spreads))
        return [Reference(float(center), float(spread), is_mean) for center, spread in zip(*pairs, strict=True)]

    if features is not None:
        scaling = FeatureScaling()
        scaling.adapt(np.asarray(features, "float64").reshape(-1, count))
        return of(scaling.shift, scaling.spread)
    for layer in getattr(model, "layers", []):
        if isinstance(layer, FeatureScaling) and layer.built and layer.shift.shape == (count,):
            return of(layer.shift, layer.spread)
        if isinstance(layer, keras.layers.Normalization) and layer.built and np.size(layer.mean) == count:
            mean, variance = (keras.ops.convert_to_numpy(each) for each in (layer.mean, layer.variance))
            spread = np.sqrt(variance)
            return of(mean, np.where(spread > _ROUNDED * np.abs(mean), spread, 1.0), is_mean=True)
    return [None] * count


def _evidence(spec: Spec, params, y, columns, sentence, training, with_column, numbers) -> Evidence:
    rng, stream = np.random.default_rng(0), Draws(0)
    names, row_names = _names(spec), ("row, from 0", list(map(str, numbers)))
    nll = _nll(spec, params, y)
    # A logit of -inf is a component without weight
    lost = np.isnan(params).any(axis=1) | np.isposinf(params).any(axis=1) | np.isnan(nll)
    lost &= ~np.isnan(y).all(axis=1)
    if np.isnan(y[~lost]).all():
        return of_no_answers(sentence, y, names, row_names, columns, len(columns))
    y, nll = np.where(lost[:, None], np.nan, y), np.where(lost, np.nan, nll)
    few = few_of(~np.isnan(nll))
    some, of_some = params[few], y[few].astype("float32")
    odds, beside, grids, atoms, center, spread, components = [], [], [], [], [], [], []
    first = 0
    for name, part in spec.named_parts.items():
        mine = slice(first, first + part.target_size)
        own, params_of = y[:, mine].astype("float32"), spec.part_slice(name)
        first += part.target_size
        drawn = rng.uniform(size=own.shape)
        odds.append(
            in_blocks(
                lambda params, y, u, part=part: pit_scores(part(params), y, u),
                params[:, params_of], own, drawn, sizes=_ROWS_AT_ONCE,
            )
        )  # fmt: skip
        one = part(params[:1, params_of])
        beside.append(
            in_blocks(
                lambda params, y, part=part: scores_beside_atoms(part(params), y),
                params[:, params_of], own, sizes=_ROWS_AT_ONCE,
            )
            if isinstance(one, Spiked) else odds[-1]
        )  # fmt: skip
        grids += [one._grid is not None or one._discrete] * part.target_size
        atoms += [tuple(getattr(one, "atoms", ()))] * part.target_size
        both = in_blocks(lambda p, part=part: moments(part(p)), some[:, params_of], sizes=_ROWS_AT_ONCE)
        center.append(both[0])
        spread.append(both[1])
        components += _components(name if len(spec.named_parts) > 1 else "", part, some[:, params_of], y[few][:, mine])

    def exchanged(donors, column):
        return _nll(spec, some[donors] if column is None else with_column(few, donors, column), y[few])

    return Evidence(
        sentence=sentence,
        targets=y,
        names=names,
        row_names=row_names,
        knows_grid=np.array(grids),
        knows_atoms=atoms,
        unanswered=np.flatnonzero(lost),
        nll=nll,
        nll_at=lambda moved: _nll(spec, some, moved),
        z=scores_of_odds(np.concatenate(odds, axis=1)),
        surprise=in_blocks(
            lambda params, y, u: surprises(spec(params), y, u, stream),
            some, of_some, rng.uniform(size=len(few)), sizes=_ROWS_AT_ONCE,
        ),
        center=np.concatenate(center, axis=1),
        spread=np.concatenate(spread, axis=1),
        few=few,
        columns=columns,
        width=len(columns),
        not_looked_at="",
        exchanged=exchanged,
        by_column=with_column is not None,
        components=components,
        training=training,
        body=scores_of_odds(np.concatenate(beside, axis=1)) if any(map(len, atoms)) else None,
    )  # fmt: skip


def _names(spec: Spec) -> tuple[str, ...]:
    """The names of targets: of parts, numbered where a part has several; y, or y0, y1, ... without parts."""
    if len(spec.named_parts) == 1:
        return ("y",) if spec.target_size == 1 else tuple(f"y{d}" for d in range(spec.target_size))
    return tuple(
        name if part.target_size == 1 else f"{name}{d}"
        for name, part in spec.named_parts.items()
        for d in range(part.target_size)
    )


def _components(name: str, spec: Spec, params, y) -> list[Components]:
    one = spec(params[:1])
    mixture, _ = unwrapped(one, y[:1])
    if mixture is None:
        return []

    def asked(params, y):
        return parts_of(*unwrapped(spec(params), y))

    weights, loc, scale, inner = in_blocks(asked, params, y.astype("float32"), sizes=_ROWS_AT_ONCE)
    step = one._grid[0] if one._grid is not None else 0.0
    return [Components(name, weights, loc, scale, inner, np.full(y.shape[1], 0.5 * step), are_normal(mixture))]
