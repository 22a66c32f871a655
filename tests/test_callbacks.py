"""Keras callbacks of MDNRegressor.fit: the whole protocol, and a sentence about what cannot be kept."""

import csv

import keras
import numpy as np
import pytest

import mdn
from mdn.training.callbacks import check_callbacks

RNG = np.random.default_rng(0)
X = RNG.normal(size=(200, 1))
Y = X[:, 0] + 0.3 * RNG.normal(size=200)


def quick(**settings):
    few = {"num_components": 2, "feature_bins": 0, "epochs": 6, "hidden_sizes": (8,), "random_state": 0}
    return mdn.MDNRegressor(**{**few, **settings})


class Diary(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.told, self.weights, self.logs = [], [], []

    def on_train_begin(self, logs=None):
        self.told.append("train begin")

    def on_epoch_begin(self, epoch, logs=None):
        self.told.append(f"epoch {epoch} begin")

    def on_test_end(self, logs=None):
        self.told.append("test end")

    def on_epoch_end(self, epoch, logs=None):
        self.told.append(f"epoch {epoch} end")
        self.logs.append(dict(logs))
        self.weights.append(np.concatenate([np.ravel(value) for value in self.model.get_weights()]))
        if epoch == 2:
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        self.told.append("train end")
        self.logs.append(dict(logs))


def test_every_callback_of_keras_hears_the_whole_training(tmp_path):
    """Fault 13 of issue 18: a Keras callback without `set_params` and `set_model` crashed, and could not stop training."""
    diary, heard = Diary(), []
    callbacks = [
        diary,
        keras.callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: heard.append(epoch)),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
        keras.callbacks.ModelCheckpoint(tmp_path / "{epoch}.weights.h5", save_weights_only=True),
    ]
    regressor = quick().fit(X, Y, callbacks=callbacks)
    epochs = [(f"epoch {i} begin", "test end", f"epoch {i} end") for i in range(3)]
    assert diary.told == ["train begin", *sum(epochs, ()), "train end"]
    assert diary.params["epochs"] == 6 and diary.params["steps"] == 6 and isinstance(diary.model, keras.Model)
    history = regressor.history_
    assert not history.interrupted and heard == [0, 1, 2] and len(history.loss) == 3
    np.testing.assert_array_equal([log["loss"] for log in diary.logs[:3]], history.loss)
    np.testing.assert_array_equal([log["val_loss"] for log in diary.logs[:3]], history.val_loss[1:])
    assert diary.logs[3] == diary.logs[2]
    assert all(np.any(one != two) for one, two in zip(diary.weights, diary.weights[1:], strict=False))
    with open(tmp_path / "log.csv") as file:
        rows = list(csv.DictReader(file))
    np.testing.assert_allclose([float(row["val_loss"]) for row in rows], history.val_loss[1:])
    assert sorted(path.name for path in tmp_path.glob("*.h5")) == ["1.weights.h5", "2.weights.h5", "3.weights.h5"]


def test_callbacks_change_nothing_else_and_early_stopping_stops():
    """Fault 13 of issue 18."""
    plain = quick(refit=False).fit(X, Y)
    stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=50, restore_best_weights=True)
    again = quick(refit=False).fit(X, Y, callbacks=stopping)  # one, not in a list, as Keras takes it
    np.testing.assert_allclose(again.history_.val_loss, plain.history_.val_loss, rtol=1e-5)
    np.testing.assert_allclose(again.predict(X[:9]), plain.predict(X[:9]), rtol=1e-4, atol=1e-5)
    never = keras.callbacks.EarlyStopping(monitor="loss", min_delta=1e9, patience=1)
    stopped = quick(ensemble_size=2).fit(X, Y, callbacks=[never])
    assert [len(member.history.loss) for member in stopped.members_] == [2, 2]  # each begins anew
    assert not stopped.history_.interrupted


class OfBatches(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


@pytest.mark.parametrize(
    ("callback", "message"),
    [
        (OfBatches(), "holds a OfBatches with on_train_batch_end, but all batches of an epoch run in one"),
        (keras.callbacks.LambdaCallback(on_train_batch_begin=print), "LambdaCallback with on_train_batch_begin"),
        (keras.callbacks.TerminateOnNaN(), "TerminateOnNaN with on_batch_end"),
        (keras.callbacks.ModelCheckpoint("m.keras", save_freq=3), "ModelCheckpoint with save_freq"),
        (keras.callbacks.ReduceLROnPlateau(), "ReduceLROnPlateau, which sets the learning rate"),
    ],
)
def test_a_callback_that_would_hear_nothing_is_refused(callback, message):
    """Fault 13 of issue 18."""
    with pytest.raises(ValueError, match=message):
        quick().fit(X, Y, callbacks=[callback])


def test_what_hears_of_epochs_alone_is_welcome():
    check_callbacks(
        [Diary(), keras.callbacks.ProgbarLogger(), keras.callbacks.EarlyStopping(), keras.callbacks.History()]
    )
