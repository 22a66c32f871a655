"""A killed training ends as one that was not: after each epoch all that it changes is on disk."""

import functools
import signal

import keras
import numpy as np
import pytest

import mdn
from mdn.tabular import member
from test_sequences import PEN, walks

SEQUENCES = walks(9, spec=PEN)
HELD = SEQUENCES[-3:]


class Killed(Exception):
    pass


class Kill(keras.callbacks.Callback):
    """Ends the process, as far as a test can, in the middle of an epoch."""

    def __init__(self, epoch, batch):
        super().__init__()
        self._at, self._epoch = (epoch, batch), 0

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self._epoch, batch) >= self._at:
            raise Killed


def jittered(one, rng):
    changed = np.array(one)
    changed[:, :2] += rng.normal(0.0, 0.1, changed[:, :2].shape)
    return changed


def fitted(folder, callbacks=(), sequences=SEQUENCES, **settings):
    keras.utils.set_random_seed(4)
    model = mdn.MDNRNN(PEN, units=(4,), dropout=0.2)
    settings = {"epochs": 5, "batch_size": 2, "buckets": 2, "encode": jittered, "seed": 1, "verbose": 0, **settings}
    history = model.fit(sequences[:-3], HELD, callbacks=callbacks, checkpoint=folder, **settings)
    return [keras.ops.convert_to_numpy(weight) for weight in model.weights], history


def test_a_checkpoint_whose_encode_was_a_function_within_another_goes_on_with_a_partial(tmp_path):
    with pytest.raises(Killed):
        fitted(tmp_path, [Kill(1, 0)], epochs=2, encode=lambda one, rng: jittered(one, rng))
    parts, _ = fitted(tmp_path, epochs=2, encode=functools.partial(jittered))
    whole, _ = fitted(None, epochs=2)
    for one, again in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, again)


@pytest.mark.jax
@pytest.mark.parametrize("settings", [{}, {"window": 4, "patience": 4}], ids=["whole", "windows"])
def test_a_training_that_was_killed_again_and_again_ends_as_if_it_had_not_been(settings, tmp_path):
    whole, history = fitted(None, **settings)
    for epoch, batch in ((0, 1), (2, 0), (2, 1), (3, 1)):
        with pytest.raises(Killed):
            fitted(tmp_path, [Kill(epoch, batch)], **settings)
    for _ in range(2):  # and once more, when all is done
        parts, other = fitted(tmp_path, **settings)
        for one, again in zip(whole, parts, strict=True):
            np.testing.assert_array_equal(one, again)
        assert other.history.keys() == history.history.keys()
        np.testing.assert_allclose(other.history["val_nll"], history.history["val_nll"], rtol=1e-6)


class CtrlC(keras.callbacks.Callback):
    """Presses it in the second epoch."""

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if (self._epoch, batch) == (1, 0):
            signal.raise_signal(signal.SIGINT)


@pytest.mark.jax
def test_after_ctrl_c_a_training_goes_on_with_the_epoch_that_was_cut_short(tmp_path):
    whole, _ = fitted(None)
    _, history = fitted(tmp_path, [CtrlC()])
    assert len(history.history["loss"]) == 2
    parts, history = fitted(tmp_path)
    for one, again in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, again)
    assert len(history.history["loss"]) == 5


@pytest.mark.jax
def test_a_checkpoint_of_other_data_or_settings_is_refused_in_a_sentence(tmp_path):
    fitted(tmp_path, epochs=1)
    for changed in ({"epochs": 2}, {"seed": 2}, {"encode": None}, {"sequences": SEQUENCES[1:]}):
        with pytest.raises(
            ValueError, match=r"checkpoint\.npz' was made with .*, but .* came: give the same, or delete"
        ):
            fitted(tmp_path, **{"epochs": 1, **changed})
    (tmp_path / "checkpoint.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"checkpoint\.npz' is damaged"):
        fitted(tmp_path, epochs=1)


@pytest.mark.jax
def test_a_checkpoint_of_an_earlier_version_goes_on(tmp_path, monkeypatch):
    """It noted the weights after `adapt`, not those before."""
    whole, _ = fitted(None)
    from mdn.sequences import model as module

    kept, real = [], module.digest

    def after_adapt(*parts):
        kept.append(real(*parts))
        return kept[-1]

    class Earlier(module.Checkpoints):
        def __init__(self, folder, settings):
            super().__init__(folder, settings | {"weights at the start": kept[1]})

    with monkeypatch.context() as before:
        before.setattr(module, "digest", after_adapt)
        before.setattr(module, "Checkpoints", Earlier)
        fitted(tmp_path, [CtrlC()])
    assert kept[0] != kept[1]
    parts, history = fitted(tmp_path)
    for one, again in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, again)
    assert len(history.history["loss"]) == 5


# ---- tables ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jobs", [None, 2])
def test_a_regressor_that_was_killed_trains_only_the_networks_that_were_not_done(jobs, tmp_path, monkeypatch):
    x = np.random.default_rng(0).normal(size=(60, 2))
    settings = {"ensemble_size": 3, "num_components": 2, "hidden_sizes": (4,), "epochs": 4, "random_state": 0}
    whole = mdn.MDNRegressor(**settings).fit(x, x[:, 0]).predict_quantile(x, [0.1, 0.9])
    real, begun = member.fit_member, []

    def dies(*task, **told):
        begun.append(task[-1])
        if len(begun) == 3:
            raise Killed
        return real(*task, **told)

    monkeypatch.setattr(member, "fit_member", dies)
    with pytest.raises(Killed):
        mdn.MDNRegressor(**settings).fit(x, x[:, 0], checkpoint=tmp_path)
    monkeypatch.setattr(member, "fit_member", real)
    assert len(list(tmp_path.glob("*.npz"))) == 2
    for _ in range(2):
        again = mdn.MDNRegressor(**settings, n_jobs=jobs).fit(x, x[:, 0], checkpoint=tmp_path)
        np.testing.assert_array_equal(again.predict_quantile(x, [0.1, 0.9]), whole)
        assert again.history_.best_epoch == mdn.MDNRegressor(**settings).fit(x, x[:, 0]).history_.best_epoch
    one = next(tmp_path.glob("*.npz"))
    one.write_bytes(b"PK")
    with pytest.raises(ValueError, match=r"\.npz' is damaged .*delete it, and this network is trained again"):
        mdn.MDNRegressor(**settings).fit(x, x[:, 0], checkpoint=tmp_path)
