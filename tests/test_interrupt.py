"""Ctrl-C waits for a safe place, everywhere that trains; here it strikes at chosen moments, and no process is started.

Fault 4 of issue 18: it lost everything in 2 of 18 sequence trainings ("Array has been deleted"), and between two networks.
"""

import dataclasses
import signal
import threading
import time
from types import SimpleNamespace

import joblib
import keras
import numpy as np
import pytest
import typer

import mdn
from mdn import training
from mdn.applications.handwriting import train as lessons
from mdn.drawing.hershey import hershey_lines
from mdn.tabular import learning, member, trainings
from mdn.training.fit import _run
from mdn.training.interrupt import NOTHING_YET
from mdn_commands import shared


def press(times=1):
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)


@pytest.fixture(autouse=True)
def default_handler():
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "it is put back"
    signal.signal(signal.SIGINT, before)


# ---- the waiting itself ----------------------------------------------------------------------------------------------


def test_it_raises_while_nothing_can_be_lost_and_waits_afterwards():
    with training.ctrl_c_waits(), pytest.raises(KeyboardInterrupt):
        press()
    with training.ctrl_c_waits() as pressed:
        pressed.begin()
        assert not pressed
        press(2)
        assert pressed.times == 2
        with pytest.raises(KeyboardInterrupt, match="is lost, since Ctrl-C was pressed again"):
            press()


def test_an_inner_one_asks_the_outer_one_and_begins_nothing_after_a_press():
    with training.ctrl_c_waits() as outer:
        with training.ctrl_c_waits() as inner:
            inner.begin()
            press()
        assert outer is inner and outer.times == 1
        with training.ctrl_c_waits() as another, pytest.raises(KeyboardInterrupt, match=NOTHING_YET):
            another.begin()


def test_a_wait_in_which_nothing_is_lost_can_be_ended_by_the_second_press():
    with training.ctrl_c_waits() as pressed:
        pressed.begin()
        with pressed.raising(2):
            press()
            with pytest.raises(KeyboardInterrupt):
                press()


def test_somebody_elses_handler_stays_in_charge_and_other_threads_install_none():
    seen = []
    signal.signal(signal.SIGINT, lambda *_: seen.append(1))
    with training.ctrl_c_waits() as pressed:
        pressed.begin()
        press()
    assert seen == [1] and not pressed
    signal.signal(signal.SIGINT, signal.default_int_handler)

    def elsewhere():
        with training.ctrl_c_waits():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen[1] is signal.default_int_handler


# ---- compiled epochs -------------------------------------------------------------------------------------------------


class Loop:
    """Three epochs a call; `at` strikes in the call of that number, "start" before the first."""

    stopped = False

    def __init__(self, at, times=1):
        self.at, self.times, self.calls, self.finished = at, times, 0, False

    def start(self):
        press(self.times if self.at == "start" else 0)
        return 9.0

    def run(self, most):
        self.calls += 1
        press(self.times if self.at == self.calls else 0)
        return [(1.0, 8.0 - self.calls)] * min(3, most)

    def finish(self):
        self.finished = True


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(("at", "calls"), [("start", 1), (1, 1), (2, 2)])
def test_epochs_end_after_the_call_that_runs_and_are_kept(at, calls, times):
    loop = Loop(at, times)
    history = _run(loop, 100, None, None)
    assert history.interrupted and loop.calls == calls and loop.finished
    assert len(history.loss) == 3 * calls and min(history.val_loss) == 8.0 - calls
    with pytest.raises(KeyboardInterrupt):
        history.check_whole()


def test_a_third_press_keeps_the_epochs_that_are_done():
    loop = Loop(2, 3)
    history = _run(loop, 100, None, None)
    assert history.interrupted and len(history.loss) == 3 and loop.finished
    with pytest.raises(KeyboardInterrupt):
        _run(Loop(1, 3), 100, None, None)


# ---- tables ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def fits(monkeypatch):
    """Stands in for `fit_member`: at once, and pressed where the list says so: ("before" | "within" | "after", place)."""
    struck, begun = [], []

    def fit_member(architecture, table, recipe, seed, **told):
        place = len(begun)
        begun.append(architecture.num_components)
        with training.ctrl_c_waits() as pressed:
            press(("before", place) in struck)
            pressed.begin()
            press(("within", place) in struck)
            history = training.History([1.0], [2.0, 1.0 + place], 1, bool(pressed))
            press(("after", place) in struck)  # while it is calibrated
        made = member.Member.constant(architecture, [0.0])
        return dataclasses.replace(made, val_loss=1.0 + place, history=history)

    monkeypatch.setattr(member, "fit_member", fit_member)
    fit_member.struck, fit_member.begun = struck, begun
    return fit_member


X, Y = np.random.default_rng(0).normal(size=(2, 60, 1))


@pytest.mark.parametrize(
    ("components", "moment", "begun", "kept", "chosen"),
    [
        (1, ("within", 0), 1, 1, 1),
        (1, ("after", 1), 3, 2, 1),  # between two networks: the next finds out before its first epoch
        (1, ("after", 2), 3, 3, 1),  # all are done
        ("auto", ("within", 1), 2, 1, 3),
        ("auto", ("after", 2), 4, 1, 3),  # between the candidates and the networks: the best candidate is the model
        ("auto", ("within", 3), 4, 1, 3),
        ("auto", ("after", 4), 6, 2, 3),
    ],
)
def test_the_networks_that_are_done_are_the_model(fits, components, moment, begun, kept, chosen):
    fits.struck.append(moment)
    reg = mdn.MDNRegressor(num_components=components, ensemble_size=3).fit(X, Y[:, 0])
    assert len(fits.begun) == begun and len(reg.members_) == kept and reg.history_.interrupted
    assert {one.architecture.num_components for one in reg.members_} == {chosen}
    assert np.isfinite(reg.predict(X)).all()


def test_a_table_of_which_nothing_was_learnt_says_so(fits):
    fits.struck.append(("before", 0))
    with pytest.raises(KeyboardInterrupt, match=NOTHING_YET):
        mdn.MDNRegressor(num_components=1, ensemble_size=3).fit(X, Y[:, 0])
    assert len(fits.begun) == 1


def test_networks_that_train_side_by_side_are_kept_too(monkeypatch):
    architecture = learning.architecture(mdn.MDNRegressor(num_components=1), 1, 1, 1)
    made = [member.Member.constant(architecture, [float(place)]) for place in range(9)]

    def fit_member(place, presses):
        with training.ctrl_c_waits() as pressed:
            while pressed.times < presses:  # until the main thread has heard of it
                press()
                time.sleep(0.01)
            time.sleep(0.03)
        return made[place]

    monkeypatch.setattr(member, "fit_member", fit_member)
    with joblib.parallel_config(backend="threading"):
        done = list(trainings.side_by_side([(place, int(place == 2)) for place in range(9)], 2).values())
        assert done == made[: len(done)] and 3 <= len(done) <= 6, "those that ran, and none that had not begun"
        assert trainings.side_by_side([(place, 0) for place in range(9)], 2) == dict(enumerate(made))

    def failing(place):
        raise RuntimeError("a fault of its own")

    monkeypatch.setattr(member, "fit_member", failing)
    with joblib.parallel_config(backend="threading"), pytest.raises(RuntimeError, match="a fault of its own"):
        trainings.side_by_side([(0,)], 2)


# ---- sequences -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def network():
    """A model whose train function is compiled once, for all; and what strikes in it."""
    keras.utils.set_random_seed(0)
    model = mdn.MDNRNN(mdn.NormalSpec(1), units=(3,), skip=False)
    model.adapt(WALKS)
    model.compile(optimizer=keras.optimizers.Adam(1e-2), loss=mdn.NegativeLogLikelihood(model.spec))
    model.fit(WALKS, epochs=1, batch_size=2, buckets=1, verbose=0)
    step, strikes = model.train_function, {}

    def struck(*args):
        result = step(*args)
        strikes["steps"] = strikes.get("steps", 0) + 1
        press(
            strikes.get(strikes["steps"], 0)
        )  # the step has taken the weights, and Keras has not got the new ones yet
        return result

    model.train_function = struck
    return model, strikes


WALKS = list(np.random.default_rng(0).normal(size=(6, 8, 1)).astype("float32"))


def fitted(network, strikes, **options):
    """(steps that ran, epochs that were told of)."""
    network[1].clear()
    network[1].update(strikes)
    told = []
    told_of = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: told.append(epoch))
    network[0].fit(WALKS, epochs=4, batch_size=2, buckets=1, verbose=0, callbacks=[told_of], **options)
    return network[1]["steps"], len(told)


@pytest.mark.jax
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize(("at", "epochs"), [(1, 1), (2, 1), (5, 2)])
def test_a_step_ends_before_a_sequence_training_does(network, at, epochs, times):
    before = network[0].get_weights()
    assert fitted(network, {at: times}) == (at, epochs)
    after = network[0].get_weights()
    assert all(np.isfinite(one).all() for one in after)
    assert any(not np.array_equal(*pair) for pair in zip(before, after, strict=True))


@pytest.mark.jax
def test_a_third_press_within_a_step_leaves_the_weights_of_the_last_epoch(network):
    start = network[0].get_weights()
    with pytest.raises(KeyboardInterrupt, match="is lost"):
        fitted(network, {2: 3})
    for one, other in zip(network[0].get_weights(), start, strict=True):
        np.testing.assert_array_equal(one, other)
    assert fitted(network, {4: 3}) == (4, 1)
    assert any(not np.array_equal(*pair) for pair in zip(network[0].get_weights(), start, strict=True))
    assert fitted(network, {}) == (12, 4)


@pytest.mark.jax
def test_a_sequence_training_that_has_not_begun_says_that_nothing_was_learnt(network, monkeypatch):
    pressing = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: press())
    model, strikes = network
    strikes.clear()
    with pytest.raises(KeyboardInterrupt, match=NOTHING_YET):
        model.fit(WALKS, epochs=4, batch_size=2, buckets=1, verbose=0, callbacks=[pressing])
    assert not strikes
    assert fitted(network, {}) == (12, 4)


@pytest.mark.jax
def test_held_out_sequences_are_scored_after_the_first_press_and_not_after_the_second(network, monkeypatch):
    scores = []

    def log_prob(self, sequences):
        scores.append(1)
        return [np.zeros(len(one)) for one in sequences]

    monkeypatch.setattr(type(network[0]), "log_prob", log_prob)
    for times, count in ((1, 3), (2, 2)):  # the first score is that of the start
        scores.clear()
        fitted(network, {5: times}, validation_data=WALKS)
        assert len(scores) == count


def test_a_hand_that_has_only_rehearsed_is_kept(monkeypatch):
    class Model:
        history = None  # a model that has learnt has one

        def adapt(self, rows):
            pass

    def learn(model, lines, held_out, **_):
        with training.ctrl_c_waits() as pressed:
            pressed.begin()
            model.history = mdn.training.History()
            press()
        return model

    lines = hershey_lines(["one line", "two lines"])
    monkeypatch.setattr(lessons, "Handwriter", lambda *_, **__: Model())
    monkeypatch.setattr(lessons, "prepared", lambda *_: ([], []))
    monkeypatch.setattr(lessons, "learn", learn)
    monkeypatch.setattr(lessons, "rehearse", lambda model, texts, **_: learn(model, None, None))
    assert lessons.train(lines, lines).history is not None
    with training.ctrl_c_waits() as pressed:
        pressed.begin()
        press()
        with pytest.raises(KeyboardInterrupt, match=NOTHING_YET):
            lessons.train(lines, lines, rehearsals=0)


# ---- commands --------------------------------------------------------------------------------------------------------


def command(tmp_path, at=None):
    """A command that trains, and its exit code; Ctrl-C strikes at "reading", "training", "saving" or "measuring"."""
    out, measured = tmp_path / "m.keras", []
    try:
        with shared.messages(shared.NOTHING_YET) as ending:
            press(at == "reading")
            with ending.learning(out):
                with training.ctrl_c_waits() as pressed:
                    pressed.begin()
                    press({"training": 1, "training, twice": 2}.get(at, 0))
                press(at == "saving")
                out.write_text("weights")
            press(at == "measuring")
            measured.append(1)
    except typer.Exit as end:
        return end.exit_code, out.exists(), bool(measured)
    return 0, out.exists(), bool(measured)


@pytest.mark.parametrize(
    ("at", "expected", "said"),
    [
        (None, (0, True, True), ""),
        ("reading", (130, False, False), "mdn: stopped: nothing was learnt yet."),
        ("training", (130, True, True), "m.keras; Ctrl-C again does without what measures them."),
        ("training, in a process without a keyboard", (130, True, True), "m.keras.\n"),
        ("training, twice", (130, True, False), "mdn: stopped: the best weights so far are in"),
        ("saving", (130, True, True), "mdn: stopped: the best weights so far are in"),
        ("measuring", (130, True, False), "mdn: stopped: the model is in"),
    ],
)
def test_a_command_writes_what_was_learnt_or_says_that_nothing_was(tmp_path, capsys, monkeypatch, at, expected, said):
    at, _, where = (at or "").partition(", in a ")
    keyboard = None if where else SimpleNamespace(isatty=lambda: True)
    monkeypatch.setattr("sys.stdin", keyboard)  # only who has one can press again
    assert command(tmp_path, at) == expected
    assert said in capsys.readouterr().err


def test_both_sentences_about_nothing_are_the_same():
    assert shared.NOTHING_YET == NOTHING_YET
