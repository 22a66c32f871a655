"""What `fit` tries on a short recording before it trains: a start from a line or from nothing, a short schedule, mean weights."""

import threading
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import mdn
from mdn.sequences import trial
from mdn.sequences.material import material
from mdn.sequences.plan import Plan
from mdn.sequences.training import BestWeights, adam

SPEC = mdn.MixtureSpec(mdn.NormalSpec(2, "full"), 2)
SETTINGS = {"given": 0, "window": "auto", "buckets": 4, "seed": 0}


def line(steps, seed):
    """Two channels that turn, with noise of scale 1: nothing but a line can be learnt."""
    rng = np.random.default_rng(seed)
    z = np.zeros((steps, 2))
    for t in range(1, steps):
        z[t] = np.array([[0.8, -0.3], [0.3, 0.8]]) @ z[t - 1] + rng.normal(size=2)
    return z.astype("float32")


def material_of(model, rows):
    return material(model, [], rows, None, None, None, given=0, encode=None, open_end=True, seed=0)


def fresh(lags=5):
    keras.utils.set_random_seed(0)
    return mdn.MDNRNN(SPEC, units=(4,), lags=lags)


def numpy(weights):
    return [np.asarray(keras.ops.convert_to_numpy(one)) for one in weights]


def test_a_recording_that_a_line_explains_keeps_it_and_the_weights_of_no_trial():
    model, rows = fresh(), [line(1500, 11)]
    data = material_of(model, rows)
    before, how = trial.adapt(model, data, adam), Plan(120, 8, 100)
    settings = {"batch_size": 8, "learning_rate": 0.01, "optimizer": adam, **SETTINGS}
    plan, ended = trial.chosen(model, data, how, before, **settings)
    assert ended is None and model.linear.predicts and plan in (Plan(30, 8, 100), how)
    for a, b in zip(numpy(model.weights), numpy(fresh().adapt(rows).weights), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    truth = np.log(2 * np.pi * np.e)  # the entropy of the noise
    assert truth - 0.05 < model.nll([line(3000, 12)]) < truth + 0.05


@pytest.mark.parametrize(
    ("errors", "over", "events"),
    [(3.0, True, 100), (3.0, False, 100), (2.0, True, 100), (-2.0, True, 100), (4.0, True, 8), (5.0, True, 8)],
)
def test_nothing_is_preferred_to_a_line_if_held_out_events_are_sure_of_it(errors, over, events, monkeypatch):
    gain = np.random.default_rng(0).normal(size=events)
    gain += errors * np.std(gain) / np.sqrt(events) - np.mean(gain)
    sure = errors > 2.0 * (1.0 + 10.0 / events)
    tried = []

    def made_up(model, *_):
        tried.append(model.linear.predicts)
        model.head.heads[0].bias.assign(np.full(4, 9.0))  # as a training leaves other weights
        return trial.Trial(gain if model.linear.predicts else np.zeros(events), over, False, None)

    monkeypatch.setattr(trial, "_trial", made_up)
    model, rows = fresh(), [line(300, 0)]
    data = material_of(model, rows)
    before, how = trial.adapt(model, data, adam), Plan(400, 8, 100)
    plan, _ = trial.chosen(model, data, how, before)
    assert tried == [True, False]
    assert plan.epochs == (100 if over else 400)
    assert model.linear.predicts is not sure
    assert ("remembers nothing" in model.starts_as) is sure
    if not sure:
        for a, b in zip(numpy(model.weights), numpy(fresh().adapt(rows).weights), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)
    else:  # before the first step it predicts what a model without lags does: the mixture of all events
        test = [line(300, 1)]
        assert model.nll(test) == pytest.approx(fresh(lags=0).adapt(rows).nll(test), abs=0.1)


def test_no_trial_is_made_where_the_user_has_decided_or_the_recording_is_long():
    rows = [line(200, 0)]
    model = mdn.MDNRNN(SPEC, units=(2,), lags=2)
    assert trial.adapt(model, material_of(model, rows), adam) is not None
    assert trial.adapt(model, material_of(model, [line(7000, 0)]), adam) is None
    given = material(model, [], rows, rows, None, None, given=0, encode=None, open_end=True, seed=0)
    assert trial.adapt(model, given, adam) is None
    plain = mdn.MDNRNN(SPEC, units=(2,), lags=0)
    assert trial.adapt(plain, material_of(plain, rows), adam) is None
    assert trial.adapt(model, material_of(model, rows), lambda rate: keras.optimizers.SGD(rate)) is None
    model.compile(optimizer="sgd", loss=mdn.NegativeLogLikelihood(SPEC))
    assert trial.adapt(model, material_of(model, rows), adam) is None


def test_the_weights_that_are_scored_are_a_mean_of_the_last_ninth_of_all_epochs_and_training_keeps_its_own():
    path = np.random.default_rng(0).normal(size=(200, 3)).astype("float32")
    weight, scored = keras.Variable(np.zeros(3, "float32")), []

    def log_prob(_):
        scored.append(np.array(keras.ops.convert_to_numpy(weight)))
        return [np.zeros(5)]

    model = SimpleNamespace(
        variables=[weight], trainable_variables=[weight], optimizer=SimpleNamespace(variables=[]), log_prob=log_prob
    )
    best = BestWeights(([], {}), 0, None, SimpleNamespace(times=0), averages=True)
    best.set_model(model)
    best.on_train_begin()
    for epoch, value in enumerate(path):
        weight.assign(value)
        best.on_epoch_end(epoch, {})
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(weight), value)
    # the share of each epoch in closed form: a polynomial of degree 8 of its number
    t = np.arange(1.0, 201.0)
    shares = np.prod([t + k for k in range(8)], axis=0)
    shares /= shares.sum()
    np.testing.assert_allclose(scored[-1], shares @ path, atol=1e-5)
    assert np.sum(shares[-200 // 9 :]) > 0.6


class Dies(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 6:
            raise InterruptedError


def test_a_training_that_is_killed_after_its_trials_goes_on_to_the_same_bits_without_new_ones(tmp_path, monkeypatch):
    monkeypatch.setattr("mdn.sequences.plan._STEPS", 48)
    monkeypatch.setattr("mdn.sequences.plan._EPOCHS", 12)
    rows = [line(150, seed) for seed in range(3)]

    def trained(folder, callbacks=()):
        keras.utils.set_random_seed(1)
        model = mdn.MDNRNN(SPEC, units=(3,), lags=2)
        history = model.fit(rows, checkpoint=folder, callbacks=callbacks, verbose=0)
        return model, history.history["val_nll"]

    model, scores = trained(tmp_path / "whole")
    with pytest.raises(InterruptedError):
        trained(tmp_path / "killed", [Dies()])
    monkeypatch.setattr(trial, "_trial", None)
    again, others = trained(tmp_path / "killed")
    assert others == scores
    for a, b in zip(numpy(model.weights), numpy(again.weights), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("second", [KeyboardInterrupt, 0.5, 2.0], ids=["nothing yet", "better", "worse"])
def test_a_press_in_the_second_trial_keeps_the_better_one(second, monkeypatch):
    def made_up(model, *_):
        line_first = model.linear.predicts
        if not line_first and second is KeyboardInterrupt:
            raise KeyboardInterrupt
        model.head.heads[0].bias.assign(np.full(4, 7.0 if line_first else 9.0))
        return trial.Trial(np.full(50, 1.0 if line_first else second), False, not line_first, keras.callbacks.History())

    monkeypatch.setattr(trial, "_trial", made_up)
    model = fresh()
    model.fit([line(300, 0)], verbose=0)
    assert keras.ops.convert_to_numpy(model.head.heads[0].bias)[0] == (9.0 if second == 0.5 else 7.0)
    assert model.linear.predicts is (second != 0.5) and model.adapted


def test_a_press_before_anything_was_learnt_leaves_the_model_as_it_came(monkeypatch):
    def pressed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(trial, "_trial", pressed)
    model = fresh()
    before = numpy(model.weights)
    with pytest.raises(KeyboardInterrupt):
        model.fit([line(300, 0)], verbose=0)
    assert not model.adapted
    for a, b in zip(numpy(model.weights), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_model_that_adapts_in_its_own_way_does_so_in_every_trial(monkeypatch):
    class Own(mdn.MDNRNN):
        def adapt(self, sequences):
            lengths.append((len(sequences[0]), not self.linear.left_out))
            return super().adapt(sequences)

    lengths = []
    monkeypatch.setattr(trial, "_trial", lambda *_: trial.Trial(np.zeros(20), True, False, None))
    model = Own(SPEC, units=(4,), lags=5)
    data = material_of(model, [line(300, 0)])
    trial.chosen(model, data, Plan(400, 8, 100), trial.adapt(model, data, adam))
    assert lengths == [(300, True), (225, True), (225, False)], "trials do not know the events that judge them"


def test_a_thread_that_generates_waits_for_the_end_of_both_trials(monkeypatch):
    seen, threads = [], []

    def made_up(model, *_):
        thread = threading.Thread(target=lambda: seen.append(float(model.nll([line(20, 1)]))))
        threads.append(thread)
        thread.start()
        thread.join(0.2)
        seen.append("trial")
        return trial.Trial(np.zeros(30), True, False, None)

    monkeypatch.setattr(trial, "_trial", made_up)
    model = fresh()
    data = material_of(model, [line(300, 0)])
    trial.chosen(model, data, Plan(400, 8, 100), trial.adapt(model, data, adam))
    for thread in threads:
        thread.join(60)
    assert seen[:2] == ["trial", "trial"] and len(seen) == 4 and seen[2] == seen[3]


def test_processes_of_which_one_has_a_checkpoint_make_no_trials(tmp_path, monkeypatch):
    """A new worker has none, and another number of workers may find other epochs by rounding."""
    monkeypatch.setattr(trial.together, "place", lambda: (1, 2))
    monkeypatch.setattr(trial.exchange, "of_all", lambda mine: np.array([30, int(mine)]))
    assert trial._begun(tmp_path, Plan(120, 8, 100)) == 30 and trial._begun(None, Plan(120, 8, 100)) == 0
