"""Exported files of regressors beside the regressors, SciPy and quadrature, and what cannot be exported."""

import copy
import dataclasses
import functools

import numpy as np
import pytest
from scipy import integrate, special, stats

import mdn
from mdn import exporting
from mdn.tabular import conformal

LEVELS = (1e-6, 0.001, 0.25, 0.5, 0.95, 0.999)
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(260, 3))
Y = X[:, 0] + np.where(RANDOM.uniform(size=260) < 0.4, -1, 1) * (1.0 + 0.3 * X[:, 1]) + 0.2 * RANDOM.normal(size=260)
BOTH = np.stack([Y, 50.0 * Y + 9.0 * X[:, 2] + 5.0 * RANDOM.normal(size=260)], axis=1)
TOWNS = np.array(["Ulm", "Bonn", "1", "True"])[RANDOM.integers(0, 4, 260)]
MOMENTS = np.datetime64("2021-03-01T00:00", "s") + (RANDOM.uniform(0, 900, 260) * 86_400).astype("timedelta64[s]")


def far_away():
    """An ensemble, far from 0 on both sides, with missing features."""
    x = X + np.array([1e9, 0.0, 0.0])
    x[::7, 1] = np.nan
    return small(ensemble_size=2, feature_bins=4).fit(x, Y + 1.7e9), x, {"X": x}


def frame():
    """Positive prices from text, a date and a number."""
    pd = pytest.importorskip("pandas")
    x = pd.DataFrame({"town": TOWNS.astype(object), "when": MOMENTS, "size": X[:, 0]})
    fitted = small(family="positive", missing="error").fit(x, np.exp(Y))
    x.loc[:4, "town"] = ["Rome", None, "1.0", "true", "NA"]
    days = (MOMENTS - np.datetime64(0, "s")) / np.timedelta64(1, "D")
    town = np.where(x["town"].isna(), "", x["town"]).astype(object)
    return fitted, x, {"town": town[:, None], "when": days[:, None], "size": X[:, :1]}


def two_targets():
    """Two correlated targets, calibrated each by itself."""
    fitted = small(covariance="full").fit(X, BOTH)
    return calibrated(fitted), X, {"X": X}


def share():
    """A share between 0 and 1, calibrated."""
    y = special.expit(2.0 * Y)
    fitted = small(family="bounded", bounds=(0, 1), activation="gelu").fit(X, y)
    return calibrated(fitted), X, {"X": X}


def small(**settings):
    return mdn.MDNRegressor(num_components=3, hidden_sizes=(8,), epochs=12, random_state=0, **settings)


def calibrated(regressor):
    """Calibrated by odds that move every level."""
    odds = RANDOM.logistic(0.2, 1.5, size=(260, len(regressor.target_names_)))
    regressor.calibration_ = conformal.Calibration.learn(odds, regressor.target_names_)
    return regressor


CASES = {each.__name__: each for each in (far_away, frame, two_targets, share)}
# Of the other backends, one case shows that the file finds the weights
NAMES = [name if name == "frame" else pytest.param(name, marks=pytest.mark.jax) for name in CASES]


@functools.cache
def made(name):
    """(regressor, X, the inputs of its file)."""
    return CASES[name]()


@functools.cache
def predicted(name):
    """(quantiles `(260, D, Q)`, means `(260, D)`) of the regressor."""
    regressor, x, _ = made(name)
    levels = levels_of(regressor)
    return regressor.predict_quantile(x, levels).reshape(260, -1, len(levels)), regressor.predict(x).reshape(260, -1)


def levels_of(regressor):
    return LEVELS[2:5] if regressor.calibration_ else LEVELS


@pytest.fixture(scope="module")
def file_of(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")

    @functools.cache
    def written(name):
        regressor = made(name)[0]
        path = folder / f"{name}.onnx"
        return mdn.export(regressor, path, quantiles=levels_of(regressor)), path

    return written


@pytest.mark.parametrize("rows", [1, 7, 260])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_answers_as_its_regressor_for_any_number_of_rows(name, rows, file_of):
    regressor, x, given = made(name)
    found = exporting.player(file_of(name)[1])(**{key: values[:rows] for key, values in given.items()})
    expected, means = predicted(name)
    spread = 1e-4 * np.std(expected, axis=(0, 2))
    assert found["quantiles"].shape == (rows, *file_of(name)[0]["outputs"][1]["shape"][1:])
    deviation = np.abs(found["quantiles"].reshape(rows, *expected.shape[1:]) - expected[:rows])
    far_out = 1e-5 * np.abs(expected[:rows] - regressor.target_origin_[:, None])  # float32 of the regressor
    assert np.all(deviation <= spread[:, None] + far_out), np.max(deviation)
    assert found["mean"].shape == (rows, means.shape[1]) and np.all(np.abs(found["mean"] - means[:rows]) <= spread)
    if name == "two_targets":
        whole = regressor.predict_distribution(x[:rows])
        np.testing.assert_allclose(found["scale_tril"], np.asarray(whole.components.scale_tril), rtol=1e-4, atol=1e-4)


@pytest.mark.jax
@pytest.mark.parametrize("name", CASES)
def test_quantiles_and_means_of_a_file_are_those_of_the_mixture_beside_them(name, file_of):
    """The probability below each quantile by SciPy, in its smaller tail; means by quadrature over the mixture."""
    regressor, _, given = made(name)
    found = exporting.player(file_of(name)[1])(**{key: values[:20] for key, values in given.items()})
    scale = found.get("scale")
    scale = np.linalg.norm(found["scale_tril"], axis=-1) if scale is None else scale
    weights, bijection = special.softmax(found["logits"], axis=1)[..., None], regressor.outcome_.bijection
    levels = np.array(levels_of(regressor))
    quantiles = found["quantiles"].reshape(20, -1, len(levels))
    for place, level in enumerate(levels if not regressor.calibration_ else []):
        z = bijection.inverse(quantiles[:, None, :, place])
        tail = (stats.norm.cdf if level <= 0.5 else stats.norm.sf)(z, found["loc"], scale)
        slack = 1e-5 if name == "far_away" else 1e-7  # of 1.7e9, float64 keeps steps of 2e-7
        np.testing.assert_allclose((weights * tail).sum(axis=1), min(level, 1.0 - level), rtol=slack)
    if name == "share":
        for row in range(5):

            def density(z, row=row):
                return np.sum(weights[row, :, 0] * stats.norm.pdf(z, found["loc"][row, :, 0], scale[row, :, 0]))

            mean = integrate.quad(lambda z: special.expit(z) * density(z), -40, 40, limit=400)[0]
            np.testing.assert_allclose(found["mean"][row, 0], mean, rtol=1e-6)


# ---- counts, marks and atoms -------------------------------------------------------------------------------------------

RATE = np.exp(1.0 + X[:, 0])
DISCRETE = {
    "counts": (RANDOM.poisson(RATE).astype(float), {"family": "counts"}),
    "many counts": (RANDOM.poisson(300.0 * RATE).astype(float), {"family": "counts", "ensemble_size": 2}),
    "marks": (np.clip(np.round(3.0 + X[:, 0] + 1.2 * RANDOM.normal(size=260)), 1.0, 5.0), {"family": "auto"}),
    "rain": (np.where(RANDOM.uniform(size=260) < 0.4, 0.0, RATE), {"family": "auto", "ensemble_size": 2}),
    "capped": (np.where(Y > 1.0, 1.0, np.where(X[:, 2] < -0.5, -1.5, Y)), {"family": "auto"}),
}


@functools.cache
def discrete(name):
    y, settings = DISCRETE[name]
    return small(**settings).fit(X, y)


@pytest.mark.jax
@pytest.mark.parametrize("name", DISCRETE)
def test_a_file_of_a_target_with_probabilities_answers_as_its_regressor_and_scipy(name, tmp_path):
    """Quantiles by the tails of SciPy at both ends of their jumps, means by sums and quadrature."""
    regressor, levels = discrete(name), np.array([0.01, 0.3, 0.5, 0.9, 0.999])
    outcome = regressor.outcome_
    assert outcome.counted or outcome.atoms
    said = mdn.export(regressor, tmp_path / "model.onnx", quantiles=levels)
    assert said["counted"] == outcome.counted and said["atoms"] == list(outcome.atoms)
    found = exporting.player(tmp_path / "model.onnx")(X=X[:40])
    expected = regressor.predict_quantile(X[:40], levels)
    near = np.abs(found["quantiles"] - expected) <= 1e-4 * np.std(DISCRETE[name][0])
    assert np.mean(near) > 0.98 and (not outcome.counted or near[:, 1:3].all())  # roundings decide at a jump
    np.testing.assert_allclose(found["mean"][:, 0], regressor.predict(X[:40]), rtol=1e-4, atol=1e-4)
    weights, shares = special.softmax(found["logits"], axis=1), found.get("atom_probs", np.zeros((40, 0)))

    def below(values, width=0.0, strict=False):
        """P(Y <= value), or P(Y < value), for each row and level; a count has a cell of the width 2 · `width`."""
        with np.errstate(divide="ignore"):
            z = outcome.bijection.inverse(values + (-width if strict else width))[:, None]
        base = (1.0 - shares.sum(axis=1))[:, None] * np.einsum(
            "nk,nkq->nq", weights, stats.norm.cdf(z, found["loc"], found["scale"])
        )
        for atom, share in zip(outcome.atoms, shares.T, strict=True):
            base = base + share[:, None] * ((values > atom) if strict else (values >= atom))
        return base

    quantiles = found["quantiles"]
    half = 0.5 if outcome.counted else 0.0
    last = outcome.counted and np.isfinite(outcome.whole[1])
    reached = (
        below(quantiles, half) if not last else np.where(quantiles == outcome.whole[1], 1.0, below(quantiles, half))
    )
    least = outcome.whole[0] if last else 0.0
    under = np.where(outcome.counted & (quantiles == least), 0.0, below(quantiles, half, strict=True))
    assert (under <= levels + 1e-6).all() and (reached >= levels - 1e-6).all()
    if outcome.counted:
        numbers = np.arange(least, outcome.whole[1] if last else 5000.0)
        mean = least + np.sum(1.0 - below(np.tile(numbers, (40, 1)), 0.5), axis=1)
        if not last:  # the rest of a sum is an integral, which is known of log-normals
            z = (np.log(5000.0 - outcome.bijection.low) - found["loc"]) / found["scale"]
            rest = np.exp(found["loc"] + 0.5 * found["scale"] ** 2) * stats.norm.cdf(found["scale"] - z)
            mean += np.sum(weights * (rest - (5000.0 - outcome.bijection.low) * stats.norm.sf(z))[..., 0], axis=1)
        np.testing.assert_allclose(found["mean"][:, 0], mean, rtol=1e-6)


@pytest.mark.jax
def test_calibrated_counts_of_a_file_are_whole(tmp_path):
    regressor = calibrated(copy.copy(discrete("counts")))
    mdn.export(regressor, tmp_path / "model.onnx", quantiles=LEVELS[2:5])
    found = exporting.player(tmp_path / "model.onnx")(X=X[:40])["quantiles"]
    assert np.mean(found == regressor.predict_quantile(X[:40], LEVELS[2:5])) > 0.98 and (found == np.round(found)).all()


def test_a_row_that_the_regressor_would_refuse_is_answered_by_nan(file_of):
    given = {name: values[:3].copy() for name, values in made("frame")[2].items()}
    given["size"][1], given["when"][2] = np.nan, np.inf
    found = exporting.player(file_of("frame")[1])(**given)
    for values in found.values():
        known = np.isnan(values.reshape(3, -1))
        assert not known[0].any() and known[1:].all()


def test_a_file_says_what_goes_in_and_what_comes_out(file_of):
    said, path = file_of("frame")
    assert exporting.describe(path) == said and said["version"] == mdn.__version__
    assert [(one["name"], one["type"], one["shape"]) for one in said["inputs"]] == [
        ("town", "string", ["N", 1]),
        ("when", "float64", ["N", 1]),
        ("size", "float64", ["N", 1]),
    ]
    assert said["targets"] == [{"name": "y", "unit": ""}] and said["quantiles"] == list(LEVELS)
    assert said["bijection"]["kind"] in ("Exp", "Softplus")


# ---- what goes wrong ---------------------------------------------------------------------------------------------------


def changed(**attributes):
    regressor = copy.copy(made("share")[0])
    vars(regressor).update(attributes)
    return regressor


def grouped():
    whole = made("share")[0].calibration_
    return changed(calibration_=dataclasses.replace(whole, groups={"Ulm": whole}))


def of_activation(name):
    (member,) = made("share")[0].members_
    other = dataclasses.replace(member, architecture=dataclasses.replace(member.architecture, activation=name))
    return changed(members_=[other])


def same():
    return made("share")[0]


REFUSED = {
    "a level of 1": (same, {"quantiles": (0.5, 1.0)}, "`quantiles` must be levels between 0 and 1"),
    "a batch": (same, {"batch_size": 2}, "have no meaning for an MDNRegressor"),
    "too few rows of calibration": (same, {"quantiles": (0.0001,)}, "rows of calibration are needed"),
    "a trunk": (lambda: changed(trunk_=object()), {}, "has a trunk"),
    "a circle": (lambda: changed(period=360), {}, "lies on a circle"),
    "groups": (grouped, {}, r"calibrate\(X, y\) without groups"),
    "an activation": (lambda: of_activation("celu"), {}, "with activation='celu' cannot be exported"),
}


@pytest.mark.jax
@pytest.mark.parametrize("case", REFUSED)
def test_what_a_file_cannot_hold_is_refused_in_one_sentence(case, tmp_path):
    make, settings, message = REFUSED[case]
    path = tmp_path / "model.onnx"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=message):
        mdn.export(make(), path, **settings)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.jax
def test_a_file_that_would_answer_something_else_is_not_written(tmp_path, monkeypatch):
    from mdn.exporting import table_answers

    monkeypatch.setattr(table_answers, "_HALVINGS", 5)
    with pytest.raises(ValueError, match=r"would not answer as the model does \(quantiles differ by"):
        mdn.export(made("two_targets")[0], tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.jax
def test_a_clock_that_changes_with_the_season_is_refused_and_a_fixed_one_is_not():
    from mdn.exporting.table_inputs import _offset

    assert _offset("+05:30", "when") == 5.5 / 24.0 and _offset("", "when") == 0.0
    with pytest.raises(
        ValueError, match="column 'when' follow the clock of Europe/Berlin, which changes with the season"
    ):
        _offset("Europe/Berlin", "when")
