"""`diagnose`: gathers the evidence about a model, and asks every rule."""

from __future__ import annotations

import keras
from scipy import special

from mdn.doctor import calibration, columns, learning, mixtures, networks, regions, regressors
from mdn.doctor.diagnosis import Diagnosis, Finding
from mdn.doctor.evidence import Evidence
from mdn.sequences import MDNRNN
from mdn.tabular import MDNRegressor


def diagnose(
    model, x, y=None, *, training: tuple | None = None, names=None, output=None, condition=None, context=None
) -> Diagnosis:
    r"""Looks at a model and rows, and says what is wrong, by how much, and what to do.

    A finding is large enough to matter, and most have passed a statistical test: such a rule errs in about one of ten thousand
    models that are right (`LEVEL`, Holm's correction within a rule). Rules without a test state what is in the rows:

    | finding | test | least effect |
    |---|---|---|
    | no prediction | none | one row whose output is NaN or infinite |
    | dead components | the sum of weights over the rows: 5 % that it made even one row | a mean weight below 1/10,000 |
    | collapsed scales | targets within two scales, Poisson | half of those promised; a scale below 1/100 of the spread |
    | rounded targets, spikes on repeated values | ties, which a density has none of | half of the values; 3 % of the rows |
    | outliers | tail probability under the model, Bonferroni | 0.1 nats a row, from at most 1 % of the rows |
    | scales too narrow, too wide | sign test of the ranks of densities | a factor of 1.25 |
    | heavy tails | beyond 3 standard deviations of the middle: binomial, given its median | three times as many |
    | shifted targets | sign test of the PIT | 1/4 of a standard deviation |
    | wrong shape | chi-square of the PIT | a tenth of the rows |
    | shifted, too narrow or too wide in a region | Mann-Whitney, Fisher | 1/2 of a standard deviation; a factor of 1.5 |
    | ignores the features | von Neumann's ratio of the PIT by a column | a gain in NLL below 1/10 of what the column tells |
    | misled by the features | standard error of the gain in NLL | 0.05 nats a row |
    | leaking features | von Neumann's ratio | 99 % of the variance |
    | shifted features | sign test against the median of training | 70 % of the rows; 1/2 of a spread |
    | constant features | none | one value |
    | outliers, of a target or a feature | none: a gap | 100 ranges of the other values |
    | overfitting | Welch's test of the NLL | 0.2 nats a row |
    | too few rows | none: the standard error that so few rows have | 5 points; 0.1 nats a row |
    | bounded gradients | none: the exact gradient | 1e12 |

    Of a table of more than 50,000 rows so many are drawn at random, and `rows` says so; a single target far from all others is
    seen all the same. Scales and tails are judged by targets that are no atoms; a censored target is drawn between its bounds.

    The PIT of a target that is right is uniform; so is, for densities of any shape and dimension, the rank of the density of
    the outcome among those of draws, :math:`P(p(Y) > p(y))`.

    Args:
        model: A fitted `MDNRegressor`, an `MDNRNN`, or any Keras model that ends in `MDN`.
        x: Features that the model has not seen; of an `MDNRNN` the sequences. If most rows are equal to rows from which an
            `MDNRegressor` learnt, it is judged by the others.
        y: Targets, NaN where missing; None for an `MDNRNN`.
        training: (x, y) of the rows of training, so that overfitting and shifted features are seen, of a Keras model too.
        names: The names of the columns of x, of a Keras model.
        output: Which MDN output, as in `mdn.predict`.
        condition, context: As in `MDNRNN.log_prob`.

    Raises:
        TypeError: if `model` is of another kind.
        ValueError: if no row has a target, if one is infinite, or if x and y do not fit the model.

    Example:
        >>> import keras, mdn, numpy as np
        >>> rng = np.random.default_rng(0)
        >>> x = rng.normal(size=(500, 1)); y = 3.0 * rng.normal(size=(500, 1)) + x
        >>> model = keras.Sequential([keras.Input((1,)), mdn.MDN(1, 1)])
        >>> model.set_weights([np.eye(1), np.zeros(1), np.zeros((1, 1)), np.zeros(1), np.zeros((1, 1)), np.zeros(1)])
        >>> found = mdn.diagnose(model, x, y)  # its scale is 1, where it should be 3
        >>> found[0].name, round(found[0].figures["factor"])
        ('scales too narrow', 3)

    Reference:
        Dawid (1984), Statistical theory: the prequential approach; Hyndman (1996), Computing and graphing highest density
        regions; Holm (1979), A simple sequentially rejective multiple test procedure.
    """
    if training is not None and not (isinstance(training, tuple | list) and len(training) == 2):
        raise ValueError(
            f"`training` must be a pair (x, y) of the rows of training, but a {type(training).__name__} came."
        )
    if isinstance(model, MDNRNN):
        found = whole = networks.of_sequences(model, x, condition, context)
    elif y is None:
        raise ValueError(
            "`y` must hold the targets of x, but None came; only an MDNRNN has its targets in its sequences."
        )
    elif isinstance(model, MDNRegressor):
        found, whole = regressors.evidence(model, x, y, training)
    elif isinstance(model, keras.Model):
        found = whole = networks.of_network(model, x, y, training, names, output)
    else:
        raise TypeError(
            f"`model` must be an MDNRegressor, an MDNRNN, or a Keras model that ends in MDN, but a {type(model).__name__} came."
        )
    findings, notes = _asked(found, whole)
    pit = special.ndtr(found.z)
    return Diagnosis(tuple(findings), tuple(notes), found.sentence, pit, found.names)


def _asked(evidence: Evidence, whole: Evidence) -> tuple[list[Finding], list[Finding]]:
    """(findings, the most costly first, and notes) of all rules. Some know what others found, so that one fault has one name.

    Args:
        evidence: Of rows that training has not seen, as far as it is known.
        whole: Of all rows, for what is about the table, or shows in rows of training too.
    """
    shapes, beside_atoms = calibration.shapes(evidence), evidence.without_atoms()
    inner = calibration.shapes(beside_atoms)
    _, left_out = calibration.outliers(beside_atoms, inner)
    tails = list(calibration.heavy_tails(beside_atoms, inner, left_out))
    shifted = list(calibration.shifted_targets(evidence, shapes))
    scales = list(calibration.wrong_scales(beside_atoms, inner, heavy=bool(tails), shifted=bool(shifted)))
    ignored, no_gain = learning.ignored_features(
        evidence, left_out, any(finding.name == "scales too narrow" for finding in scales)
    )
    moved = list(columns.shifted_features(evidence))
    repeated, notes = learning.repeated_values(whole)
    all_beside = whole.without_atoms()
    outliers, _ = calibration.outliers(all_beside, calibration.shapes(all_beside))
    findings = [
        *learning.no_prediction(whole),
        *outliers,
        *shifted,
        *scales,
        *tails,
        *calibration.wrong_shape(evidence, shapes, said=bool(shifted or scales or tails or repeated)),
        *([] if shifted or moved else learning.overfitting(evidence, left_out)),
        *ignored,
        *([] if ignored else regions.by_region(evidence)),
        *repeated,
        *mixtures.dead_components(whole),
        *mixtures.collapsed_scales(whole),
        *mixtures.bounded_gradients(whole),
        *columns.constant_features(whole),
        *columns.leaking_features(whole),
        *moved,
        *columns.far_values(whole, said=bool(outliers)),
        *learning.too_few_rows(evidence),
    ]
    findings.sort(key=lambda finding: -finding.weight)
    notes += [*no_gain, *columns.features_that_matter(evidence), *columns.columns_left_alone(whole)]
    return findings, notes
