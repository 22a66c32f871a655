"""The doctor names ten planted faults, each in a model whose weights are written by hand, and finds nothing in healthy ones."""

import copy
import json
import math

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import stats

import mdn
from commands import run_here
from mdn import numerics
from mdn.doctor import significance
from mdn.doctor.evidence import ranked
from mdn.tabular import seen

pytestmark = pytest.mark.project
ROWS = 500


def linear(slopes, shifts, scales, weights=None, spec=None):
    """A network whose locations are linear in the features, with constant scales and weights: slopes (F, K)."""
    slopes = np.asarray(slopes, "float32")
    features = len(slopes)
    spec = spec or mdn.MixtureSpec(mdn.NormalSpec(1), len(weights or [1.0]))
    model = keras.Sequential([keras.Input((features,)), mdn.MDN(spec)])
    biases = {
        "mdn_mus": np.asarray(shifts, "float32"),
        "mdn_sigmas": keras.ops.convert_to_numpy(numerics.positive_inverse(np.asarray(scales, "float32"))),
        "mdn_pi": np.log(np.asarray(weights or [1.0], "float32")),
    }
    for head in model.layers[-1].heads:
        kernel = slopes if head.name == "mdn_mus" else np.zeros((features, len(biases[head.name])), "float32")
        head.set_weights([kernel, biases[head.name]])
    return model


def table(rows=ROWS, seed=0):
    """(features, targets, the noise of these): y = 2 a - b + noise / 2."""
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(size=(rows, 2)).astype("float32"), rng.normal(size=(rows, 1))
    return x, 2.0 * x[:, :1] - x[:, 1:] + 0.5 * noise, noise


def right():
    """The model that made `table`."""
    return linear([[2.0], [-1.0]], [0.0], [0.5])


def two_peaks(x, noise, seed=1):
    return 2.0 * x[:, :1] + np.random.default_rng(seed).choice([-3.0, 3.0], (len(x), 1)) + 0.5 * noise


PLANTED, HEALTHY = {}, {}


def planted(name):
    return lambda make: PLANTED.setdefault(name, make)


def healthy(make):
    return HEALTHY.setdefault(make.__name__, make)


@planted("dead components")
def a_dead_component():
    x, _, noise = table()
    y = two_peaks(x, noise)
    return linear([[2.0, 2.0, 2.0], [0.0] * 3], [3.0, -3.0, 0.0], [0.5] * 3, [0.5, 0.5, 1e-7]), x, y


@planted("leaking features")
def a_feature_made_of_the_target():
    x, y, _ = table()
    leak = y + 0.02 * np.random.default_rng(1).normal(size=y.shape)
    return linear([[0.0], [0.0], [1.0]], [0.0], [0.02]), np.concatenate([x, leak], axis=1), y


@planted("rounded targets")
def targets_rounded_to_whole_numbers():
    x, y, _ = table()
    return right(), x, np.round(y)


@planted("outliers")
def one_target_of_a_million():
    x, y, _ = table()
    return right(), x, np.where(np.arange(len(y))[:, None] == 17, 1e6, y)


@planted("scales too narrow")
def two_peaks_with_scales_of_half_the_size():
    x, _, noise = table()
    return linear([[2.0, 2.0], [0.0, 0.0]], [3.0, -3.0], [0.25, 0.25], [0.5, 0.5]), x, two_peaks(x, noise)


@planted("too few rows")
def twenty_rows():
    x, y, _ = table(20)
    return right(), x, y


@planted("constant features")
def a_feature_of_one_value():
    x, y, _ = table()
    return linear([[2.0], [-1.0], [1.0]], [-3.0], [0.5]), np.insert(x, 2, 3.0, axis=1), y


@planted("shifted targets")
def a_shifted_test_set():
    x, y, _ = table()
    return right(), x, y + 0.5


@planted("heavy tails")
def tails_of_student_under_a_normal():
    x, y, noise = table()
    return right(), x, y + 0.5 * (np.random.default_rng(1).standard_t(2.5, noise.shape) - noise)


@planted("ignores the features")
def a_mixture_that_knows_the_targets_alone():
    x, y, _ = table()
    return linear([[0.0], [0.0]], [0.0], [2.3]), x, y


@healthy
def a_normal():
    x, y, _ = table()
    return right(), x, y


@healthy
def a_mixture_of_two_peaks():
    x, _, noise = table()
    return linear([[2.0, 2.0], [0.0, 0.0]], [3.0, -3.0], [0.5, 0.5], [0.5, 0.5]), x, two_peaks(x, noise)


@healthy
def one_feature_that_tells_nearly_all():
    x, _, noise = table()
    return linear([[2.0]], [1.0], [0.01]), x[:, :1], 2.0 * x[:, :1] + 1.0 + 0.01 * noise


def asked(folder, model, x, y, *options):
    """What `mdn doctor` says of a model and a table, as JSON."""
    model.save(folder / "model.keras")
    frame = pd.DataFrame(np.concatenate([x, y], axis=1), columns=[*"abcdef"[: x.shape[1]], "y"])
    frame.to_csv(folder / "data.csv", index=False)
    ran = run_here(folder, "doctor", "model.keras", "data.csv", "--json", *options)
    assert ran.exit_code == 0, ran.output
    return json.loads(ran.stdout)


@pytest.mark.parametrize("name", PLANTED)
def test_the_command_names_a_planted_fault(name, tmp_path):
    found = asked(tmp_path, *PLANTED[name]())
    assert name in [each["name"] for each in found["findings"][:2]]
    assert all(each["sentence"] and each["advice"] and each["figures"] for each in found["findings"])
    assert not found["healthy"]


@pytest.mark.parametrize("name", HEALTHY)
def test_the_command_finds_nothing_in_a_healthy_model(name, tmp_path):
    found = asked(tmp_path, *HEALTHY[name]())
    assert found["findings"] == [] and found["healthy"]


def test_figures_of_findings_are_those_that_were_planted():
    model, x, y = PLANTED["scales too narrow"]()
    assert abs(mdn.diagnose(model, x, y)[0].figures["factor"] - 2.0) < 0.3
    model, x, y = PLANTED["shifted targets"]()
    assert abs(mdn.diagnose(model, x, y)[0].figures["shift"] - 1.0) < 0.2
    model, x, y = PLANTED["leaking features"]()
    assert abs(mdn.diagnose(model, x, y)[0].figures["left of the spread"] - 0.02 / np.std(y)) < 0.02
    model, x, y = PLANTED["ignores the features"]()
    (finding,) = mdn.diagnose(model, x, y, names=["width", "height"])
    assert "'width'" in finding.sentence and abs(finding.figures["explained"] - 4.0 / 5.25) < 0.1


def test_a_needle_near_which_no_target_lies_has_collapsed():
    x, y, _ = table()
    found = mdn.diagnose(linear([[2.0, 2.0], [-1.0, -1.0]], [0.0, 0.0], [0.5, 1e-3], [0.7, 0.3]), x, y)
    finding = next(each for each in found if each.name == "collapsed scales")
    assert 0.25 * ROWS < finding.figures["promised"] < 0.35 * ROWS and finding.figures["there"] < 10


def test_miscalibration_by_region_names_the_region():
    x, y, noise = table(1500)
    found = mdn.diagnose(right(), x, y + np.where(x[:, 1:] > 0.7, 0.8 * noise, 0.0))
    assert found.names[0] == "too narrow in a region" and "x1 lies between 0." in found[0].sentence
    found = mdn.diagnose(right(), x, y + np.where(x[:, :1] > 0.7, 0.5, 0.0))
    assert "shifted in a region" in found.names


def test_rows_of_training_show_overfitting_and_shifted_features():
    x, y, noise = table()
    flattered = 2.0 * x[:, :1] - x[:, 1:] + 0.1 * noise
    found = mdn.diagnose(linear([[2.0], [-1.0]], [0.0], [0.2]), x, y, training=(x, flattered))
    assert "overfitting" in found.names
    found = mdn.diagnose(right(), x + np.array([0.0, 1.5]), y - 1.5, training=(x, y))
    assert found.names == ["shifted features"] and "'x1'" in found[0].sentence


def test_several_targets_some_of_them_missing():
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(ROWS, 1)).astype("float32"), rng.normal(size=(ROWS, 2))
    noise[:, 1] = 0.8 * noise[:, 0] + 0.6 * noise[:, 1]
    y = np.where(rng.uniform(size=(ROWS, 2)) < 0.2, np.nan, x + noise)
    spec = mdn.MixtureSpec(mdn.NormalSpec(2, "full"), 1)
    model = keras.Sequential([keras.Input((1,)), mdn.MDN(spec)])
    for head in model.layers[-1].heads:
        bias, size = np.zeros(head.bias.shape[0]), head.bias.shape[0]
        if head.name == "mdn_sigmas":
            bias = np.array([0.0, 0.8, float(numerics.positive_inverse(np.float32(0.6)))])
        head.set_weights([np.full((1, size), float(head.name == "mdn_mus")), bias])
    assert mdn.diagnose(model, x, y).healthy
    found = mdn.diagnose(model, x, np.stack([y[:, 0], y[:, 1] + 0.5], axis=1))
    assert found.names[0] == "shifted targets" and "y1" in found[0].sentence
    assert found.pit.shape == (ROWS, 2) and np.array_equal(np.isnan(found.pit), np.isnan(y))


def test_a_joint_of_numbers_and_classes():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(ROWS, 1)).astype("float32")
    spec = mdn.JointSpec(size=mdn.MixtureSpec(mdn.NormalSpec(1), 1), kind=mdn.CategoricalSpec(3))
    model = keras.Sequential([keras.Input((1,)), mdn.MDN(spec)])
    model.layers[-1].set_weights([np.zeros(weight.shape) for weight in model.layers[-1].get_weights()])
    y = {"size": 5.0 * rng.normal(size=(ROWS, 1)), "kind": rng.integers(0, 3, (ROWS, 1)).astype("float32")}
    found = mdn.diagnose(model, x, y)
    assert found.names[0] == "scales too narrow" and np.isnan(found.pit[:, 1]).all()


def test_a_network_of_sequences_is_judged_step_by_step():
    model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(1), 2), units=(4,), lags=0)
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(length, 1)) for length in (40, 60, 50)]
    model.adapt(rows)
    rows[1][30] = 1e5
    found = mdn.diagnose(model, rows)
    assert found.rows == "150 steps of 3 sequences."
    assert "outliers" in found.names and "70 (100000)" in found[0].sentence


def one_that_knows_nothing():
    """A right model of a feature that tells nothing."""
    rng = np.random.default_rng(3)
    return linear([[0.0]], [0.0], [1.0]), rng.normal(size=(ROWS, 1)).astype("float32"), rng.normal(size=(ROWS, 1))


def test_rows_without_a_prediction_are_a_finding():
    x, y, _ = table(200)
    x[50:, 1] = np.nan
    found = mdn.diagnose(right(), x, y)
    assert found.names == ["no prediction"] and found[0].figures["rows"] == 150 and "from 0: 50" in found[0].sentence
    json.loads(found.as_json())
    broken = right()
    broken.set_weights([np.full_like(weight, np.nan) for weight in broken.get_weights()])
    x, y, _ = table(200)
    found = mdn.diagnose(broken, x, y)
    assert found.names == ["no prediction"] and "diverged" in found[0].advice and "200 of 200" in str(found)


def test_features_that_tell_little_are_no_fault_of_a_model():
    found = mdn.diagnose(*one_that_knows_nothing())
    assert found.healthy and [note.name for note in found.notes] == ["no gain from the features"]


def test_few_rows_do_not_show_that_a_component_is_dead():
    x, y, _ = table(100)
    model = linear([[2.0, 2.0], [-1.0, -1.0]], [0.0, 0.0], [0.5, 0.5], [0.9996, 0.0004])
    assert "dead components" not in mdn.diagnose(model, x, y).names
    model = linear([[2.0, 2.0], [-1.0, -1.0]], [0.0, 0.0], [0.5, 0.5], [1.0, 1e-8])
    assert "dead components" not in mdn.diagnose(model, x[:30], y[:30]).names


def test_a_region_that_is_right_is_not_named():
    x, y, _ = table(1500)
    found = mdn.diagnose(right(), x, y + np.where(x[:, :1] > 0.67, 0.0, 0.5))
    assert "shifted targets" in found.names and "shifted in a region" not in found.names


def normalised(columns):
    """A network without slopes behind Keras' Normalization, which has learnt these columns."""
    layer = keras.layers.Normalization()
    layer.adapt(columns)
    inner = linear(np.zeros((columns.shape[1], 1)), [0.0], [1.0])
    return keras.Sequential([keras.Input((columns.shape[1],)), layer, *inner.layers])


def test_a_mean_of_training_is_not_taken_for_a_median():
    rng = np.random.default_rng(0)

    def drawn():
        pairs = rng.uniform(size=ROWS) < 0.2, np.full(ROWS, 7.7), rng.lognormal(0.0, 1.5, ROWS), rng.normal(size=ROWS)
        return np.stack(pairs, axis=1).astype("float32")

    model, x, y = normalised(drawn()), drawn(), rng.normal(size=(ROWS, 1))
    found = mdn.diagnose(model, x, y)
    assert found.names == ["constant features"] and "'x1'" in found[0].sentence.lower()
    found = mdn.diagnose(model, x + np.array([0.0, 0.0, 0.0, 2.0], "float32"), y)
    assert "shifted features" in found.names
    said = next(each.sentence for each in found if each.name == "shifted features")
    assert said.startswith("'x3'") and "its mean" in said and "same holds" not in said


def test_a_frame_is_read_by_the_names_of_its_columns():
    x, y, _ = table()
    frame, then = pd.DataFrame(x, columns=["a", "b"]), pd.DataFrame(x[:, ::-1] + [0.0, 9.0], columns=["b", "a"])
    found = mdn.diagnose(right(), frame, y, training=(then, y))
    assert "'a'" in next(each.sentence for each in found if each.name == "shifted features")
    with pytest.raises(ValueError, match="column 'b' of `x` must hold numbers, but holds text: 'low' in row 0"):
        mdn.diagnose(right(), frame.assign(b="low"), y)
    with pytest.raises(ValueError, match=r"`training\[0\]` must have the columns of x, but lacks \['a'\]"):
        mdn.diagnose(right(), frame, y, training=(then[["b"]], y))


def test_the_command_reads_the_table_of_training_by_names(tmp_path):
    x, y, _ = table(100)
    pd.DataFrame({"b": x[:, 1], "y": y[:, 0], "a": x[:, 0]}).to_csv(tmp_path / "then.csv", index=False)
    assert asked(tmp_path, right(), x, y, "--training", "then.csv")["findings"] == []
    pd.DataFrame({"y": y[:, 0], "a": x[:, 0]}).to_csv(tmp_path / "less.csv", index=False)
    ran = run_here(tmp_path, "doctor", "model.keras", "data.csv", "--training", "less.csv")
    assert ran.exit_code == 2 and "'less.csv' has no column 'b'" in ran.stderr


def test_wide_tables_are_not_looked_at_column_by_column_and_a_note_says_so():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(ROWS, 101)).astype("float32"), rng.normal(size=(ROWS, 1))
    found = mdn.diagnose(linear(np.zeros((101, 1)), [0.0], [1.0]), x, y, training=(x, y))
    assert [note.name for note in found.notes][-1] == "columns were not looked at"
    assert found.notes[-1].figures["columns"] == 101 and "with 101 columns" in found[0].sentence


def test_atoms_of_one_target_are_not_known_for_another():
    rng = np.random.default_rng(0)
    spec = mdn.JointSpec(
        a=mdn.SpikedSpec(mdn.MixtureSpec(mdn.NormalSpec(1), 1), [0.0]), b=mdn.MixtureSpec(mdn.NormalSpec(1), 1)
    )
    model = keras.Sequential([keras.Input((1,)), mdn.MDN(spec)])
    model.layers[-1].set_weights([np.zeros(weight.shape) for weight in model.layers[-1].get_weights()])
    y = np.where(rng.uniform(size=(ROWS, 2)) < 0.3, 0.0, rng.normal(size=(ROWS, 2)))
    found = mdn.diagnose(model, rng.normal(size=(ROWS, 1)).astype("float32"), y)
    said = [each.sentence for each in found if each.name == "spikes on repeated values"]
    assert len(said) == 1 and said[0].startswith("b ")


# ---- a regressor -----------------------------------------------------------------------------------------------------


def people(rows, seed):
    rng = np.random.default_rng(seed)
    kind = rng.choice(["low", "high"], rows)
    age = np.where(rng.uniform(size=rows) < 0.1, np.nan, rng.normal(40.0, 10.0, rows))
    mean = 0.2 * (np.nan_to_num(age, nan=40.0) - 40.0) + np.where(kind == "high", 3.0, 0.0)
    frame = pd.DataFrame({"kind": kind, "age": age, "other": rng.normal(size=rows)})
    return frame, pd.Series(mean + rng.normal(size=rows), name="income")


@pytest.fixture(scope="module")
def regressor():
    return mdn.MDNRegressor(num_components=2, hidden_sizes=(16,), epochs=60, random_state=0).fit(*people(500, 0))


def test_a_healthy_regressor_and_what_matters_to_it(regressor):
    found = mdn.diagnose(regressor, *people(ROWS, 1))
    assert found.healthy and not found and found.rows == f"{ROWS} rows that training has not seen."
    assert [note.name for note in found.notes] == ["features that matter"]
    assert list(found.notes[0].figures) == ["age", "kind"]


def test_rows_of_training_are_known_and_left_out(regressor):
    (x, y), (new, then) = people(500, 0), people(100, 1)
    found = mdn.diagnose(regressor, pd.concat([x, new]), pd.concat([y, then + 2.0]))
    assert "judged by the 100 rows" in found.rows and "shifted targets" in found.names
    assert "all of them are equal to rows of training" in mdn.diagnose(regressor, x, y).rows


def test_the_file_of_a_regressor_shows_shifted_features_in_the_command(regressor, tmp_path):
    x, y = people(ROWS, 1)
    x["age"] += 15.0
    regressor.save(tmp_path / "model.mdn")
    assert mdn.load(tmp_path / "model.mdn").n_samples_seen_ == 500
    x.assign(income=y + 3.0).to_csv(tmp_path / "new.csv", index=False)
    ran = run_here(tmp_path, "doctor", "model.mdn", "new.csv", "--out", "page.html")
    assert ran.exit_code == 0 and "shifted features" in ran.stdout and "column 'age'" not in ran.stdout
    assert "'age' is not as it was in training: its median is 5" in " ".join(ran.stdout.split())
    page = (tmp_path / "page.html").read_text()
    assert "Shifted features" in page and "PIT of income" in page
    refused = run_here(tmp_path, "doctor", "model.mdn", "new.csv", "--target", "income")
    assert refused.exit_code == 2 and "knows its target" in refused.stderr


def test_equal_rows_of_a_discrete_table_are_not_taken_for_rows_of_training(regressor):
    assert regressor.n_samples_seen_ == 500
    x, y = people(500, 0)
    repeated = np.arange(200) % 20
    found = mdn.diagnose(regressor, x.iloc[repeated], y.iloc[repeated])
    assert found.rows == "200 rows handed to the report." and "too few rows" not in found.names


def test_a_regressor_whose_weights_are_lost_predicts_nothing(regressor):
    model = copy.deepcopy(regressor)
    for kernel, bias in model.members_[0].layers.heads:
        kernel[:], bias[:] = np.nan, np.nan
    found = mdn.diagnose(model, *people(100, 1))
    assert found.names == ["no prediction"] and found[0].figures["rows"] == 100


def test_a_calibration_is_left_out_and_an_ensemble_is_advised_without_a_number(regressor):
    model = copy.deepcopy(regressor).calibrate(*people(100, 2))
    model.members_ = [copy.deepcopy(model.members_[0]) for _ in range(2)]
    for member in model.members_:
        member.alive = [0]
    found = mdn.diagnose(model, *people(100, 1))
    assert "without their calibration" in found.rows
    dead = next(each for each in found if each.name == "dead components")
    assert dead.figures["components"] == 4 and "Use fewer components in each network" in dead.advice


@pytest.mark.parametrize("how", ["weight", "left out"])
def test_a_dead_component_of_a_regressor_is_found(regressor, how):
    model = copy.deepcopy(regressor)
    (member,) = model.members_
    kernel, bias = member.layers.heads[-1]  # of the logits
    kernel[:, 1], bias[1] = 0.0, -50.0
    if how == "left out":
        member.alive = [0]
    found = mdn.diagnose(model, *people(100, 1))
    finding = next(each for each in found if each.name == "dead components")
    assert finding.figures["dead"] == 1 and finding.figures["components"] == 2
    assert "num_components=1" in finding.advice


# ---- parts -----------------------------------------------------------------------------------------------------------


def test_tests_have_the_level_that_they_state():
    rng = np.random.default_rng(0)
    ratios = [significance.explained(rng.normal(size=60), rng.integers(0, 9, 60), seed)[1] for seed in range(300)]
    assert stats.kstest(ratios, "uniform").pvalue > 0.01
    inside = np.arange(80) < 20
    ranks = [significance.apart_p(rng.permutation(80) + 1.0, inside) for _ in range(300)]
    assert stats.kstest(ranks, "uniform").pvalue > 0.01
    assert math.isclose(float(significance.share_p(9, 10, 0.5)), 22 / 1024)
    assert significance.holm([5e-5, 2e-5, 0.9]).tolist() == [True, True, False]
    assert significance.holm([6e-5, 9e-5, 0.9]).tolist() == [False, False, False]


@pytest.mark.parametrize("rows", [36, 80, 200])
def test_heavy_tails_keep_their_level_though_the_scale_is_estimated(rows):
    z = np.random.default_rng(0).standard_normal((20_000, rows))
    aside = np.abs(z - np.median(z, axis=1, keepdims=True))
    beyond = np.sum(aside > 3.0 * np.median(aside, axis=1, keepdims=True) / significance.BODY, axis=1)
    for level in (0.05, 0.01, 0.001):
        critical = next(count for count in range(1, 20) if significance.tails_p(count, rows, 3.0) <= level)
        errors = int(np.sum(beyond >= critical))
        assert stats.binom.sf(errors - 1, len(z), level) > 1e-4 and errors > 0.1 * level * len(z)


def test_an_outcome_without_density_is_the_greatest_surprise():
    there = np.stack([np.zeros(39), np.where(np.arange(39) < 20, -np.inf, 0.0)], axis=1)
    found = ranked(np.full(2, -np.inf), there, np.full(2, 0.5))
    np.testing.assert_allclose(found, [39.5 / 40.0, (19.0 + 0.5 * 21.0) / 40.0])


def test_rows_that_are_equal_to_each_other_do_not_tell_what_training_saw():
    rows = np.random.default_rng(0).integers(0, 8, (3000, 2)).astype("float64")
    found = seen.checksums(rows)
    assert seen.share_seen(seen.smallest(found), found) is None
    assert seen.share_seen(seen.smallest(found), np.unique(found)) == 1.0


def test_the_smallest_checksums_tell_how_many_rows_training_had():
    rng = np.random.default_rng(0)
    kept = seen.smallest(rng.integers(0, 2**32, 50_000))
    assert abs(seen.count_of(kept) / 50_000 - 1.0) < 0.1 and seen.count_of(kept[:10]) == 10


def test_a_single_row_is_counted_in_the_singular():
    x, y, _ = table(50)
    found = mdn.diagnose(right(), x[:1], y[:1])
    assert found.rows == "1 row."
    (few,) = (each for each in found.findings if each.name == "too few rows")
    assert few.sentence.startswith("1 row is too few to judge a model")


def test_what_cannot_be_judged_is_refused():
    x, y, _ = table(50)
    with pytest.raises(TypeError, match="`model` must be an MDNRegressor"):
        mdn.diagnose("model", x, y)
    with pytest.raises(ValueError, match="`y` must hold the targets"):
        mdn.diagnose(right(), x)
    with pytest.raises(ValueError, match=r"`y` must have shape \(50, 1\)"):
        mdn.diagnose(right(), x, y[:40])
    with pytest.raises(ValueError, match="all are missing"):
        mdn.diagnose(right(), x, np.full_like(y, np.nan))
    with pytest.raises(ValueError, match=r"`y` must hold finite numbers, or NaN .* but inf stands in row 3"):
        mdn.diagnose(right(), x, np.where(np.arange(50)[:, None] == 3, np.inf, y))
    impossible = np.where(np.arange(50)[:, None] == 3, 1e30, np.nan)  # the only target
    assert "outliers" not in mdn.diagnose(right(), x, impossible).names
    with pytest.raises(ValueError, match="`names` must name the 2 columns of x, but 1 name came"):
        mdn.diagnose(right(), x, y, names=["a"])
