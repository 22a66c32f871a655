"""The linear start of a sequence model, and what `fit` decides by itself."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest

import mdn
from mdn import backend
from mdn.sequences import baselines, plan
from mdn.sequences.autoregression import Autoregression, ages, autoregression, lagged, stable, worthwhile
from mdn.sequences.linear import movable
from mdn.sequences.ragged import Windows, shifted
from mdn.sequences.training import BestWeights
from programs import program

FIRST = np.array([[0.5, 0.2], [-0.1, 0.4]])
SECOND = np.array([[-0.3, 0.0], [0.1, -0.2]])
FACTOR = np.array([[1.0, 0.0], [0.6, 0.8]])
ENTROPY = np.log(2 * np.pi * np.e) + np.log(np.linalg.det(FACTOR))
SPEC = mdn.MixtureSpec(mdn.NormalSpec(2, "full"), 2)


def numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def recording(steps, seed=0, shift=5.0, scale=1.0):
    """A vector autoregression of order 2."""
    rng = np.random.default_rng(seed)
    z = np.zeros((steps + 52, 2))
    for t in range(2, len(z)):
        z[t] = FIRST @ z[t - 1] + SECOND @ z[t - 2] + FACTOR @ rng.normal(size=2)
    return shift + scale * z[52:]


def test_the_regression_finds_the_matrices_and_leaves_out_lags_that_tell_nothing():
    found = autoregression([recording(3000, seed, shift=0.0) for seed in range(3)], 6).matrices[-1]
    np.testing.assert_allclose(found[-2:], FIRST.T, atol=0.04)
    np.testing.assert_allclose(found[-4:-2], SECOND.T, atol=0.04)
    assert np.abs(found[:-4]).max() < 0.05
    noise = np.random.default_rng(0).normal(size=(400, 2))
    assert np.abs(autoregression([noise], 6).matrices[-1]).max() < 0.15


def test_a_regression_of_many_penalties_is_least_squares_where_data_are_plenty():
    z = recording(5000, shift=0.0)
    found, exact = autoregression([z], 2).matrices[-1], np.linalg.lstsq(lagged(z, 2), z, rcond=None)[0]
    np.testing.assert_allclose(found, exact, atol=0.01)


def channels(steps, seed):
    """Fourteen channels that three factors move; beside these, each has a noise that nothing predicts."""
    rng, loading = np.random.default_rng(seed), np.random.default_rng(100).normal(size=(3, 14))
    factors = np.zeros((steps + 50, 3))
    for t in range(2, len(factors)):
        turn = np.array([1.7, 1.3, 0.6]) * factors[t - 1] - np.array([0.9, 0.7, 0.1]) * factors[t - 2]
        factors[t] = turn + rng.normal(size=3)
    return factors[50:] @ loading / 4.0 + 0.1 * rng.normal(size=(steps, 14))


def volume(found, z):
    """The logarithm of the volume that errors fill, a number of an event."""
    left = (z - found.foretold(z))[found.lags :]
    return np.linalg.slogdet(left.T @ left / len(left))[1] / 2 / z.shape[1]


def test_channels_that_hang_together_are_predicted_in_one_way_and_others_each_in_its_own(monkeypatch):
    z, test = channels(300, 0), channels(3000, 1)
    found = volume(autoregression([z], 5), test)
    squares = Autoregression((np.linalg.lstsq(lagged(z, 1), z, rcond=None)[0],))
    assert found < volume(squares, test) - 0.03, "a regression of order 1 by least squares"
    monkeypatch.setattr("mdn.sequences.autoregression._volume", lambda *_: 0.0)
    assert found < volume(autoregression([z], 5), test) - 0.03, "each channel in its own way"
    monkeypatch.undo()
    apart = np.stack([np.cumsum(z[:, 0]), np.random.default_rng(2).normal(size=300)], axis=1)
    matrix = autoregression([apart], 5).matrices[-1]
    assert np.abs(matrix[:, 1]).max() < 0.1 and matrix[-2, 0] > 0.9


def test_an_adapted_model_of_a_linear_process_is_as_good_as_independent_errors_allow_before_any_training():
    model = mdn.MDNRNN(SPEC, units=(4,)).adapt([recording(3000, 1, 100.0, 0.1)])
    independent = np.log(2 * np.pi * np.e)  # the start knows nothing of how the errors hang together; both have scale 1
    assert model.nll([recording(3000, 2, 100.0, 0.1)]) < independent + 2 * np.log(0.1) + 0.02
    plain = mdn.MDNRNN(SPEC, units=(4,), lags=0).adapt([recording(3000, 1, 100.0, 0.1)])
    assert plain.nll([recording(3000, 2, 100.0, 0.1)]) > ENTROPY + 2 * np.log(0.1) + 0.1


@pytest.mark.parametrize("steps", [1, 2, 3, 8, 100])
@pytest.mark.parametrize("axis", [0, 1])
def test_the_running_maximum_is_numpys_and_stays_one_small_loop_where_the_length_is_unknown(steps, axis):
    x = np.moveaxis(np.random.default_rng(0).normal(size=(2, steps, 3)).astype("float32"), 1, axis)
    expected = np.maximum.accumulate(x, axis=axis)
    np.testing.assert_array_equal(numpy(backend.running_max(keras.ops.convert_to_tensor(x), axis)), expected)
    if backend.NAME != "tensorflow":
        return
    import tensorflow as tf

    for compiled in (False, True):
        traced = tf.function(lambda x: backend.running_max(x, axis), jit_compile=compiled, reduce_retracing=True)
        traced = traced.get_concrete_function(tf.TensorSpec((None, None, 3)))
        assert len(traced.graph.get_operations()) < 60  # Keras' scan made 11,000
        np.testing.assert_array_equal(traced(tf.constant(x)), expected)


def test_steps_one_by_one_are_the_whole_sequence_and_a_missing_number_counts_as_the_last_one_known():
    model = mdn.MDNRNN(SPEC, units=(3,), lags=3).adapt([recording(200)])
    model.linear.change.assign(np.random.default_rng(0).normal(0, 0.1, model.linear.change.shape))
    events = np.stack([recording(9, 1), recording(9, 2)]).astype("float32")
    events[:, 0], events[0, 3:5, 1], events[1, 8, 0] = np.nan, np.nan, np.nan
    whole, after = program(model, "unroll", model.unroll)(events, model.first_state(2))
    step = program(model, "step", model.step)
    state, found = model.first_state(2), []
    for t in range(9):
        params, state = step(events[:, t], state)
        found.append(numpy(params))
    np.testing.assert_allclose(np.stack(found, axis=1), numpy(whole), atol=2e-5)
    for a, b in zip(state, after, strict=True):
        np.testing.assert_allclose(numpy(a), numpy(b), atol=2e-5)
    held = events.copy()
    held[0, 3:5, 1] = held[0, 2, 1]
    moved = numpy(model.linear.read(events, model.first_state(2)[0])[0])
    np.testing.assert_allclose(moved[0], numpy(model.linear.read(held, model.first_state(2)[0])[0])[0], atol=1e-5)


def test_the_first_events_are_predicted_by_regressions_that_read_no_more_than_there_is():
    z = recording(400, shift=0.0)
    found = autoregression([z], 12)
    assert ages(12) == (1, 2, 5, 10, 12)
    truth = np.zeros(z.shape)
    for t in range(1, len(z)):
        stage = max(place for place, age in enumerate(ages(12)) if age <= t)
        for lag in range(1, min(t, ages(12)[stage]) + 1):
            truth[t] += z[t - lag] @ found.matrices[stage][2 * (12 - lag) : 2 * (13 - lag)]
    np.testing.assert_allclose(found.foretold(z), truth, atol=1e-12)
    assert not any(matrix[: 2 * (12 - age)].any() for age, matrix in zip(ages(12), found.matrices, strict=True))
    model = mdn.MDNRNN(SPEC, units=(2,), lags=12).adapt([z])
    start = model.linear
    loaded = Autoregression((*np.split(numpy(start.early), 4, axis=1), numpy(start.start)))
    events = shifted(z[None, :40].astype("float32"))
    moved = numpy(start.read(events, model.first_state(1)[0])[0])[0, :, :2]
    scaled = (z[:40] - numpy(start.shift)) / numpy(start.spread)
    expected = numpy(start.shift) + numpy(start.spread) * loaded.foretold(scaled)
    np.testing.assert_allclose(moved, expected, atol=1e-4)
    unroll = program(model, "unroll", model.unroll)
    in_two = unroll(events[:, 17:], unroll(events[:, :17], model.first_state(1))[1])[0]
    np.testing.assert_allclose(numpy(in_two), numpy(unroll(events, model.first_state(1))[0])[:, 17:], atol=1e-4)


def test_a_recording_that_drifts_away_costs_little_at_the_start_of_another_one():
    drift = np.cumsum(0.1 + 0.1 * np.random.default_rng(0).normal(size=(800, 1)), axis=0)
    model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(1, "full"), 3), units=(2,)).adapt([drift[:600]])
    truth = np.log(0.1) + 0.5 * np.log(2 * np.pi * np.e)
    assert -np.mean(model.log_prob([drift[600:]])[0][1:60]) < truth + 0.1


def test_a_season_of_twelve_is_seen_by_the_start():
    t, rng = np.arange(400), np.random.default_rng(0)
    season = rng.normal(size=12)[t % 12, None] + 0.2 * rng.normal(size=(400, 1))
    found = autoregression([season], 60).foretold(season)
    assert (
        np.std((season - found)[300:])
        < 0.24
        < np.std(season[300:] - autoregression([season], 10).foretold(season)[300:])
    )


def test_a_start_that_an_older_version_wrote_predicts_as_it_did():
    start = mdn.MDNRNN(SPEC, units=(2,), lags=12).linear
    rng = np.random.default_rng(0)
    old = [
        0.1 * rng.normal(size=(24, 2)),
        np.ones(2),
        2.0 * np.ones(2),
        0.5 * np.ones(2),
        0.2 * rng.normal(size=(24, 2)),
    ]
    start.load_own_variables({str(place): value for place, value in enumerate(old)})
    z, whole = rng.normal(size=(30, 2)), old[4] + old[0] * old[3]
    moved = numpy(
        start.read(
            keras.ops.convert_to_tensor((1.0 + 2.0 * z[None]).astype("float32")),
            keras.ops.zeros((1, start.state_width)),
        )[0]
    )
    np.testing.assert_allclose(moved[0, :-1, :2], 1.0 + 2.0 * (lagged(z, 12) @ whole)[1:], atol=1e-4)


def test_fit_ends_with_what_training_was_worth(capsys):
    rows = [recording(40, seed) for seed in range(3)]
    model = mdn.MDNRNN(SPEC, units=(2,))
    model.fit(rows[:2], rows[2:], epochs=1, learning_rate=10.0, verbose=2)
    last = capsys.readouterr().out.splitlines()[-2:]
    assert "held-out events:" in last[0] and "before training" in last[0] and "the last 60 events" in last[0]
    assert last[1].startswith("Warning: training has not made the model better")
    model.fit(rows[:2], rows[2:], epochs=1, verbose=0)
    assert not capsys.readouterr().out


def test_only_numbers_with_a_location_are_predicted():
    pen = mdn.JointSpec(dx=mdn.MixtureSpec(mdn.NormalSpec(2), 2), lift=mdn.BernoulliSpec(1), dt=mdn.GammaSpec(1))
    assert movable(pen).tolist() == [0, 1]
    assert mdn.MDNRNN(mdn.GammaSpec(1), units=(2,)).linear is None
    model = mdn.MDNRNN(pen, units=(2,), lags=1)
    rng = np.random.default_rng(0)
    walk = np.column_stack([rng.normal(size=(50, 2)), rng.integers(0, 2, 50), rng.gamma(2.0, size=50)])
    walk[:, 0] = np.cumsum(walk[:, 0])
    model.adapt([walk])
    event = walk[None, 7].astype("float32")
    step = program(model, "step", model.step)
    params, _ = step(event, model.first_state(1))
    model.linear.start.assign(0.0 * model.linear.start)
    still, _ = step(event, model.first_state(1))
    change = numpy(params - still)[0]
    location, others = pen.part_slice("dx"), [pen.part_slice("lift"), pen.part_slice("dt")]
    assert np.abs(change[location][0]) > 0.1
    assert all(np.abs(change[each]).max() < 0.2 for each in others)  # only by what the layers read


def test_a_prediction_that_would_grow_without_end_is_drawn_to_the_unit_circle():
    growing = np.array([[0.3], [0.9]])  # x[t] = 0.9 x[t-1] + 0.3 x[t-2]
    assert np.abs(np.roots([1.0, -0.9, -0.3])).max() > 1.0
    half = np.array([[0.0], [0.5]])
    (older, newer) = stable(Autoregression((half, growing))).matrices[-1][:, 0]
    assert np.abs(np.roots([1.0, -newer, -older])).max() == pytest.approx(1.0)
    np.testing.assert_array_equal(stable(Autoregression((half, 0.5 * growing))).matrices[-1], 0.5 * growing)


def test_a_switch_is_not_predicted_by_a_line():
    rng = np.random.default_rng(0)
    on = np.arange(4000) % 10 < 4
    rows = [np.column_stack([on + 0.02 * rng.normal(size=4000), recording(4000, shift=0.0)[:, 0]])]
    before = autoregression(rows, 2)
    assert np.abs(before.matrices[-1][:, 0]).max() > 0.3
    for matrix, found in zip(before.matrices, worthwhile(before, rows).matrices, strict=True):
        assert not found[:, 0].any()
        np.testing.assert_array_equal(found[:, 1], matrix[:, 1])


def test_fit_plans_enough_steps_and_cuts_long_recordings():
    assert plan.plan_of([300] * 640, None, None, "auto") == plan.Plan(100, 32, None)
    assert plan.plan_of([20_000], None, None, "auto") == plan.Plan(200, 20, 100)
    assert plan.plan_of([1_000_000], None, None, "auto") == plan.Plan(50, 32, 100)
    assert plan.plan_of([250], None, None, "auto") == plan.Plan(2000, 1, None)
    assert plan.plan_of([5000], 3, None, "auto") == plan.Plan(3, 32, 100)
    assert plan.plan_of([5000], None, 4, None) == plan.Plan(2000, 4, None)


def test_a_few_long_recordings_fill_all_rows_and_each_step_is_a_target_once():
    long, short = np.arange(1000.0)[:, None].astype("float32"), np.arange(2000.0, 2030.0)[:, None].astype("float32")
    batches = Windows([long, short], batch_size=8, window=10, cut=True)
    assert len(batches) <= 16
    seen, after = [], []
    for index in range(len(batches)):
        before, targets = batches[index]
        known = ~np.isnan(targets[..., 0])
        assert known.any(axis=1).sum() >= 5 or index == 0
        seen += targets[known].ravel().tolist()
        both = known & ~np.isnan(before[..., 0])
        after += (targets[both] - before[both]).ravel().tolist()
    assert set(seen) == {*range(1000), *range(2000, 2030)}  # a row that has ended begins anew
    assert set(after) == {1.0}
    assert len(after) >= len(seen) - 2 * 16


@pytest.mark.parametrize("count", [12, 3])
def test_without_a_word_a_tenth_is_held_out_and_says_which_epoch_is_best(count):
    rows = [recording((60 if count == 12 else 600) + i, i) for i in range(count)]
    learnt, _, (judges, _), warm = plan.dealt(rows, (), [], 0, 0)
    if count == 12:
        assert len(judges) == 1 and len(learnt) == 11 and warm == 0
    else:
        assert [len(one) for one in learnt] == [540, 541, 542] and warm == 100
        np.testing.assert_array_equal(judges[1][-60:], rows[1][-60:])
        assert [len(one) for one in judges] == [160, 160, 160]
    tiny = [one[:3] for one in rows[:2]]
    assert plan.dealt(tiny, (), [], 0, 0)[2] is None


@pytest.mark.parametrize(
    ("lengths", "held"),
    [([80], [20]), ([240], [60]), ([400], [100]), ([990], [100]), ([5000], [500]), ([60, 61], [15, 15])],
)
def test_of_a_short_recording_a_quarter_is_held_out_or_a_hundred_events_since_fewer_judge_by_chance(lengths, held):
    learnt, _, (judges, _), warm = plan.dealt([recording(length) for length in lengths], (), [], 0, 0)
    assert [length - len(one) for length, one in zip(lengths, learnt, strict=True)] == held
    assert [len(one) - warm for one in judges] == held


def test_a_training_that_brings_nothing_ends_with_the_start():
    rows = [recording(300, seed) for seed in range(4)]
    model = mdn.MDNRNN(SPEC, units=(2,)).adapt(rows[:3])
    before = model.nll(rows[3:])
    model.fit(rows[:3], rows[3:], epochs=1, learning_rate=10.0, verbose=0)
    assert model.nll(rows[3:]) <= before + 1e-5


@pytest.mark.parametrize(("count", "kept"), [(20, False), (2000, True)])
def test_an_epoch_that_is_better_on_a_few_events_only_is_not_trusted_as_one_on_many(count, kept):
    gain = np.random.default_rng(0).normal(size=count)
    gain += 2.5 * np.std(gain) / np.sqrt(count) - np.mean(gain)  # 2.5 standard errors
    answers = iter([[np.zeros(count)], [gain]])
    model = SimpleNamespace(
        variables=[], trainable_variables=[], optimizer=SimpleNamespace(variables=[]), log_prob=lambda _: next(answers)
    )
    best = BestWeights(([], {}), 0, None, SimpleNamespace(times=0), plan.SURE)
    best.set_model(model)
    best.on_train_begin()
    best.on_epoch_end(0, {})
    np.testing.assert_array_equal(best.scores, -gain if kept else np.zeros(count))


def test_baselines_know_what_they_should_and_one_that_wins_is_named():
    rows, test = [recording(800, seed, scale=0.1) for seed in range(2)], [recording(800, 7, scale=0.1)]
    best = ENTROPY + 2 * np.log(0.1)
    model = mdn.MDNRNN(SPEC, units=(2,), lags=0).adapt(rows)
    with pytest.warns(baselines.Beaten, match="the baseline 'linear' is better"):
        found = baselines.beside(model, rows, test)
    assert [len(one) for one in baselines.linear(rows, test)] == [800]
    assert abs(found["linear"] - best) < 0.05
    assert best + 0.2 < found["mixture"] < best + 0.8  # the entropy of one event is that much more
    assert best < found["order 2"] < found["mixture"]
    with pytest.raises(ValueError, match="fill the gaps"):
        baselines.linear([np.where(np.eye(9, 2) > 0, np.nan, 0.0)], [np.zeros((9, 2))])


def test_a_stream_reads_a_state_that_was_written_before_known_events_were_counted(tmp_path):
    """The count is the last number of the linear start's state, which follows the event and the offsets."""
    model = mdn.MDNRNN(SPEC, units=(3,), lags=2, positions=(0,)).adapt([recording(200)])
    stream, again = model.stream(seed=0), model.stream(seed=0)
    for event in recording(5, seed=3):
        stream.step(event)
    place = 2 + 1 + (2 + 1) * 2  # the event, one offset, the last two events and the expected one
    assert stream.state[0, place] == 2.0
    np.savez(tmp_path / "old.npz", format=1, state=np.delete(stream.state, place, axis=1))
    again.restore(tmp_path / "old.npz")
    np.testing.assert_array_equal(again.state, stream.state)
    np.savez(tmp_path / "bad.npz", format=1, state=stream.state[:, 2:])
    with pytest.raises(ValueError, match="a state of this stream has shape"):
        again.restore(tmp_path / "bad.npz")
