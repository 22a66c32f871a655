"""Writes an MDNRegressor as one ONNX file, which holds all that lies between the columns of a table and the answers."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops
from sklearn.utils.validation import check_is_fitted

from mdn.data import replacing
from mdn.distributions.based import Based
from mdn.distributions.bijections import Identity
from mdn.exporting import table_inputs
from mdn.exporting.files import FORMAT
from mdn.exporting.graph import Graph, Node
from mdn.exporting.player import runner
from mdn.exporting.table_answers import Mixture, mean_of, mixture_of, quantiles_of, recorded_of
from mdn.tabular import conformal
from mdn.tabular.columns import UnknownLevels

if TYPE_CHECKING:
    from mdn import MDNRegressor

_ROWS = 64  # how many rows the file and its regressor answer, to be compared
_NEAR = 1e-4  # answers may deviate by this share of their spread, or of an answer that lies far out
_ROUGH = (
    1e-2  # means of counts may deviate by this share: a regressor sums their tail up to its farthest quantiles only
)
_ROUNDING = 1e-5  # a probability in float32 may deviate by this
_MEANINGS = {
    "mean": "the mean of each target",
    "quantiles": "the quantiles of each target, in the order of the levels `quantiles`",
    "logits": "the logarithms of the weights of the components",
    "loc": "the means of the components",
    "scale": "the standard deviations of the components",
    "scale_tril": "lower triangular factors L of the covariances L L^T of the components",
    "atom_probs": "the probabilities of the values `atoms`, beside which the components are those of all other values",
    "factor": "factors F of the covariances diag(scale^2) + F F^T of the components",
}


def write(regressor: MDNRegressor, path: Path, quantiles: Sequence[float]) -> dict[str, Any]:
    """Writes the file, once its answers are those of the regressor, and returns the description in it.

    Args:
        regressor: The regressor, fitted.
        path: Ends in .onnx.
        quantiles: The levels of the quantiles.

    Raises:
        ValueError: if the file could not answer as the regressor does.
    """
    check_is_fitted(regressor)
    levels = np.asarray(quantiles, "float64")
    if levels.ndim != 1 or not levels.size or not np.all((levels > 0.0) & (levels < 1.0)):
        raise ValueError(
            f"`quantiles` must be levels between 0 and 1, such as (0.05, 0.5, 0.95), but {quantiles!r} came."
        )
    _refuse(regressor)
    content, description = encoded(regressor, levels)
    with replacing(path) as temporary:
        temporary.write_bytes(content)
        _compare(regressor, levels, temporary, [one["name"] for one in description["outputs"]])
    return description


def _refuse(regressor: MDNRegressor) -> None:
    """Raises a ValueError if a file cannot hold the model."""
    calibration = regressor.calibration_
    if regressor.trunk_ is not None:
        raise ValueError(
            "this model has a trunk, layers of your own, and an exported file of a table holds none: build a Keras model that "
            "ends in mdn.MDN, and export that."
        )
    if regressor.period is not None:
        raise ValueError(
            f"the target {regressor.target_names_[0]!r} lies on a circle, and an exported file holds densities on the line only: "
            "answer with mdn itself."
        )
    if calibration is not None and calibration.groups is not None:
        raise ValueError(
            "the quantiles of this model are calibrated in groups, of which an exported file knows nothing: call calibrate(X, y) "
            "without groups, and export it then."
        )
    clashing = {*_MEANINGS, ""}.intersection(regressor.columns_.table_names)
    if clashing:
        raise ValueError(
            f"a feature column is called {min(clashing)!r}, but no input of an exported file can have this name: rename the "
            "column, and fit again."
        )


def encoded(regressor: MDNRegressor, levels: np.ndarray) -> tuple[bytes, dict[str, Any]]:
    """The content of the file, and the description in it."""
    inputs = table_inputs.described(regressor)
    graph = Graph([*(one["name"] for one in inputs), *_MEANINGS])
    mixture = mixture_of(graph, table_inputs.features(graph, regressor), regressor)
    answers = _answers(mixture, regressor, levels)
    outputs = []
    for name, (value, shape) in answers.items():
        graph.output(name, value, shape)
        outputs.append({"name": name, "shape": ["N", *shape], "type": "float64", "meaning": _MEANINGS[name]})
    outcome = regressor.outcome_
    bijection = outcome.bijection
    units = regressor.columns_.units or {}
    description = {
        "format": FORMAT,
        "version": metadata.version("mdn"),
        "inputs": inputs,
        "outputs": outputs,
        "targets": [{"name": name, "unit": units.get(name, "")} for name in regressor.target_names_],
        "quantiles": levels.tolist(),
        "calibrated": regressor.calibration_ is not None,
        "bijection": {"kind": type(bijection).__name__, **dataclasses.asdict(bijection)},
        "counted": outcome.counted,
        "atoms": list(outcome.atoms),
    }
    return graph.file(description), description


def _answers(mixture: Mixture, regressor: MDNRegressor, levels: np.ndarray) -> dict[str, tuple[Node, tuple[int, ...]]]:
    """The outputs by their names, each with its shape behind the axis of rows."""
    size, count = len(regressor.target_names_), sum(len(member.alive) for member in regressor.members_)
    origin, inner, outcome = regressor.target_origin_, regressor._inner, regressor.outcome_
    plain = isinstance(inner.bijection, Identity)
    logs, calibration = np.stack([np.log(levels), np.log1p(-levels)]), regressor.calibration_
    logs = np.broadcast_to(logs[:, None], (2, size, len(levels)))
    if calibration is not None:
        odds = conformal.outward(calibration.levels(levels), levels, least=1.0)
        logs = np.stack(conformal.log_tails(odds))
    quantiles = quantiles_of(mixture, inner, *logs)
    if calibration is not None:
        quantiles = quantiles + (conformal.outward(np.ones(len(levels)), levels) - 1.0) * abs(quantiles)
    quantiles = quantiles + origin[:, None]
    if outcome.counted:
        low, high = outcome.whole
        quantiles = quantiles.op("Round").op("Max", low).op("Min", high)
    elif calibration is not None and not plain:
        low, high = outcome.bijection.support
        quantiles = quantiles.op("Max", low).op("Min", high)
    for atom in outcome.atoms:
        near = abs(quantiles - atom) > outcome.atom_width(atom, origin)
        quantiles = near.where(quantiles, quantiles.graph.constant(atom, "float64"))
    quantiles = recorded_of(quantiles, regressor.recorded_, levels)
    several = regressor.n_targets_ is not None
    atoms = None if mixture.shares is None else mixture.shares.part(0, len(outcome.atoms))
    shapes = {
        "scale": (size,),
        "scale_tril": (size, size),
        "factor": (size, regressor.members_[0].architecture.covariance),
    }
    return {
        "mean": (mean_of(mixture, inner) + origin, (size,)),
        "quantiles": (quantiles if several else quantiles.reshape(0, -1), (*((size,) if several else ()), len(levels))),
        "logits": (mixture.log_weights, (count,)),
        "loc": (mixture.loc + origin if plain else mixture.loc, (count, size)),
        **{name: (scale, (count, *shapes[name])) for name, scale in mixture.scales.items()},
        **({} if atoms is None else {"atom_probs": (atoms, (len(outcome.atoms),))}),
    }


def _compare(regressor: MDNRegressor, levels: np.ndarray, path: Path, outputs: list[str]) -> None:
    """Raises a ValueError if a file answers something else than the regressor, on rows like those of training and beyond."""
    table, inputs = table_inputs.examples(regressor, _ROWS)
    found = runner(path, outputs)(**inputs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnknownLevels)  # some rows have such levels on purpose
        quantiles = regressor._quantiles(table, levels)
        centred = regressor._centred(table)
        means = regressor.predict(table).reshape(_ROWS, -1)
        widths = np.ptp(regressor._model_quantiles(table, [0.05, 0.95]), axis=2)
    mixture = centred
    while isinstance(mixture, Based):
        mixture = mixture.base
    origin, unit = regressor.target_origin_, regressor.members_[0].layers.targets[1]
    loc = found["loc"] - origin if isinstance(regressor.outcome_.bijection, Identity) else found["loc"]
    ours = found["quantiles"].reshape(quantiles.shape)
    middle = np.median(quantiles, axis=(0, 2), keepdims=True)
    reach = np.median(np.abs(quantiles - middle), axis=(0, 2)) + np.median(widths, axis=0)
    gap = _no_probability_between(regressor, centred, levels, ours, quantiles)
    # name: (the answer of the file, that of the regressor, the unit in which the two are compared)
    pairs = {
        "quantiles": (np.where(gap, quantiles, ours) - middle, quantiles - middle, reach[:, None]),
        "mean": (found["mean"] - middle[..., 0], means - middle[..., 0], reach),
        "logits": (found["logits"], mixture.log_weights, 1.0),
        "loc": (loc, mixture.components.loc, unit),
    }
    if regressor.outcome_.atoms:
        pairs["atom_probs"] = found["atom_probs"], centred.atom_probs, 1.0
    for name in set(outputs).difference(pairs):
        known = getattr(mixture.components, name)
        pairs[name] = (found[name], known, unit if len(known.shape) == 3 else unit[:, None])
    for name, (seen, known, size) in pairs.items():
        away = _apart(seen, np.asarray(ops.convert_to_numpy(known), "float64"), size)
        if not away <= (_ROUGH if name == "mean" and regressor.outcome_.counted else _NEAR):
            raise ValueError(
                f"the file would not answer as the model does ({name} differ by {away:.1g} of their size), so it is not written: "
                "please report it, with the settings of the model."
            )


def _no_probability_between(
    regressor, centred, levels: np.ndarray, ours: np.ndarray, quantiles: np.ndarray
) -> np.ndarray:
    """Whether roundings alone tell both answers apart: they move a quantile far between two peaks, and by a step of a grid."""
    asked = levels
    if regressor.calibration_ is not None:
        odds = conformal.outward(regressor.calibration_.levels(levels), levels, least=1.0)
        asked = np.exp(conformal.log_tails(odds)[0])
    low, high = np.minimum(ours, quantiles), np.maximum(ours, quantiles)
    outcome, steps = regressor.outcome_, np.array([one.step if one else 0.0 for one in regressor.recorded_])[:, None]
    if outcome.counted:
        high = high - 1.0
    elif outcome.atoms:
        high = high - 2.0 * max(outcome.atom_width(atom, regressor.target_origin_) for atom in outcome.atoms)
    else:
        low, high = low + 0.5 * steps, high - 0.5 * steps
    marginals, origin = regressor._marginals(centred), regressor.target_origin_[:, None]
    below = [_below(marginals, each - origin) for each in (low, high)]
    return (np.abs(below[0] - asked) <= _ROUNDING) & (np.abs(below[1] - asked) <= _ROUNDING)


def _below(marginals: list, values: np.ndarray) -> np.ndarray:
    """The probability below `values` `(N, D, Q)` of each target, by the distributions of D targets."""
    logs = [one.log_cdf(values[:, d].T[..., None]) for d, one in enumerate(marginals)]
    return np.exp(np.stack([ops.convert_to_numpy(each).T for each in logs], axis=1))


def _apart(found: np.ndarray, expected: np.ndarray, unit) -> float:
    """The largest deviation, in units, or as a share of what is far larger than a unit."""
    with np.errstate(over="ignore", invalid="ignore"):
        found = found.astype("float32")  # in which numbers beyond its range are infinite for both
        away = np.abs(found - expected) / (unit + np.abs(expected))
    return float(np.max(np.where(found == expected, 0.0, np.nan_to_num(away, nan=np.inf))))
