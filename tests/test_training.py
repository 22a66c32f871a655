"""mdn.training.fit: it learns, it keeps the best, it stops, and the same seed gives the same weights."""

import os
import platform
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest

import mdn
from mdn import training
from mdn.training.compiled_loop import _Program

SPEC = mdn.MixtureSpec(mdn.NormalSpec(1), 2)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 1)).astype("float32")
Y = (2 * X + 0.5 * RNG.normal(size=X.shape)).astype("float32")


def network(seed=0):
    keras.utils.set_random_seed(seed)
    return keras.Sequential([keras.Input((1,)), keras.layers.Dense(8, activation="tanh"), mdn.MDN(SPEC).adapt(Y)])


def run(**options):
    model = network()
    options = {"epochs": 20, "batch_size": 64, "seed": 3, **options}
    return model, training.fit(model, X, Y, mdn.NegativeLogLikelihood(SPEC), **options)


def score(model, x=X, y=Y):
    return float(keras.ops.convert_to_numpy(mdn.NegativeLogLikelihood(SPEC)(y, model.predict(x, verbose=0))))


def test_it_learns():
    model, history = run(epochs=40)
    assert len(history.loss) == 40
    assert score(model) < score(network()) - 0.4
    assert abs(score(model) - (0.5 * np.log(2 * np.pi * np.e) + np.log(0.5))) < 0.1


@pytest.mark.jax
def test_trainings_of_a_small_table_with_held_out_rows_and_without_share_one_program(monkeypatch):
    """Fault: a regressor of 400 rows compiled three programs, which took longer than all its epochs.

    A model that never had held-out rows has a smaller program, which compiles sooner.
    """
    model, traced = network(), []
    epoch = _Program._epoch
    monkeypatch.setattr(_Program, "_epoch", lambda *arguments: [traced.append(1), epoch(*arguments)][1])
    loss = mdn.NegativeLogLikelihood(SPEC)
    judged = {"validation": (X[:9], Y[:9])}
    for rows, options, programs in ((300, {}, 1), (257, judged, 2), (280, {"patience": 1}, 2), (300, judged, 2)):
        history = training.fit(model, X[:rows], Y[:rows], loss, epochs=4, **options)
        assert len(history.loss) == 4 and len(history.val_loss) == (5 if options is judged else 0)
        assert len(traced) == programs


def test_any_keras_loss_will_do_and_the_last_batch_counts_as_the_others():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    training.fit(
        model, X[:130], Y[:130], keras.losses.MeanSquaredError(), epochs=200, batch_size=64, learning_rate=0.05
    )
    slope, bias = np.polyfit(X[:130, 0], Y[:130, 0], 1)
    np.testing.assert_allclose([w.item() for w in model.get_weights()], [slope, bias], atol=0.02)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others():
    one, two, three = (run(seed=seed, epochs=3)[0].get_weights() for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, three, strict=True))


def test_a_trained_model_is_saved_whole_and_trained_again_with_layers_frozen(tmp_path):
    """On PyTorch and TensorFlow the schedule had no config, and the optimizer knew other variables."""
    model, _ = run(epochs=2)
    model.save(tmp_path / "m.keras")
    again = mdn.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(X[:5], verbose=0), model.predict(X[:5], verbose=0))
    before = model.layers[0].get_weights()
    for frozen in (True, False):
        model.layers[0].trainable = not frozen
        training.fit(model, X, Y, mdn.NegativeLogLikelihood(SPEC), epochs=2, batch_size=64)
        same = all(np.array_equal(a, b) for a, b in zip(before, model.layers[0].get_weights(), strict=True))
        assert same == frozen


def test_the_best_weights_are_kept_and_patience_stops():
    x, y = X[:40], Y[:40] + 3.0 * RNG.normal(size=(40, 1))
    held_out = (X[40:80], Y[40:80])
    model = network()
    history = training.fit(
        model,
        x,
        y,
        mdn.NegativeLogLikelihood(SPEC),
        validation=held_out,
        epochs=400,
        patience=10,
        learning_rate=0.05,
        batch_size=40,
    )
    assert len(history.loss) < 400
    assert len(history.loss) - history.best_epoch == 10
    np.testing.assert_allclose(score(model, *held_out), min(history.val_loss), rtol=1e-5)
    assert set(history.history) == {"loss", "val_loss"}
    assert len(history.history["val_loss"]) == len(history.loss)


def test_an_interruption_ends_it_with_weights_that_were_trained():
    def stop(epoch, history):
        if epoch == 2:
            raise KeyboardInterrupt

    model, history = run(on_epoch=stop)
    assert history.interrupted and len(history.loss) == 2
    assert score(model) < score(network())


def test_ctrl_c_lets_the_epoch_end_and_so_does_a_second_one():
    def press(times):
        return lambda epoch, _: [os.kill(os.getpid(), signal.SIGINT) for _ in range(times)] if epoch == 2 else None

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        for times in (1, 2):
            model, history = run(on_epoch=press(times))
            assert history.interrupted and len(history.loss) == 2
            assert score(model) < score(network())
            assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)


def test_averaged_weights_are_what_is_judged_and_kept():
    held_out = X[:100], Y[:100]
    noisy = dict(epochs=16, batch_size=16, learning_rate=0.05, decay_epochs=1000)
    model, history = run(validation=held_out, averaging=0.95, **noisy)
    np.testing.assert_allclose(score(model, *held_out), min(history.val_loss), rtol=1e-5)
    _, plain = run(validation=held_out, **noisy)
    rough = [np.std(h.val_loss[-10:]) for h in (history, plain)]
    assert rough[0] < rough[1]


def test_noise_on_targets_widens_what_is_predicted():
    widths = []
    for noise in (None, np.array([2.0])):
        model, _ = run(epochs=20, target_noise=noise)
        widths.append(np.mean(keras.ops.convert_to_numpy(mdn.predict(model, X).variance())))
    assert widths[1] > 2 * widths[0]


def test_weights_of_zero_leave_rows_out():
    y = Y.copy()
    y[::2] += 100.0
    weight = np.tile([0.0, 1.0], 150)
    model = network()
    training.fit(model, X, y, mdn.NegativeLogLikelihood(SPEC), sample_weight=weight, epochs=40, batch_size=64)
    assert score(model, X[1::2], Y[1::2]) < 1.0


def test_rows_that_do_not_match_say_so():
    with pytest.raises(ValueError, match="same number of rows"):
        training.fit(network(), X, Y[:5], mdn.NegativeLogLikelihood(SPEC))
    with pytest.raises(ValueError, match="at least one"):
        training.fit(network(), X[:0], Y[:0], mdn.NegativeLogLikelihood(SPEC))


def in_a_fresh_process(code, *arguments, **environment):
    """What `code` prints where `process` holds the functions of training/process.py, loaded alone: Keras would take seconds."""
    start = (
        "import runpy, sys, types\n"
        "sys.modules['mdn'] = types.SimpleNamespace(backend=types.SimpleNamespace(NAME='jax'))\n"
        "process = types.SimpleNamespace(**runpy.run_path(sys.argv[1]))\n"
    )
    # dask's clusters, of other tests, leave settings of malloc in the environment of this process, and `make test` those of JAX
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "GLIBC_", "JAX_"))}
    ran = subprocess.run(
        [sys.executable, "-c", start + code, training.process.__file__, *arguments],
        env=ours | environment, capture_output=True, text=True,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


@pytest.mark.project
def test_memory_is_kept_unless_the_environment_says_otherwise():
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another libc")
    code = """if True:
        import resource

        if "keep" in sys.argv:
            process.keep_memory()
        for _ in range(3):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            bytearray(100_000_000)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    """
    assert int(in_a_fresh_process(code, "keep")) < 100
    assert int(in_a_fresh_process(code)) > 10_000
    assert int(in_a_fresh_process(code, "keep", MALLOC_ARENA_MAX="2")) > 10_000


@pytest.mark.jax
def test_compiled_programs_are_kept_unless_the_user_says_otherwise(tmp_path):
    code = "process.keep_compiled_programs(); import jax; print(jax.config.jax_compilation_cache_dir)"
    home = {"XDG_CACHE_HOME": str(tmp_path)}
    assert in_a_fresh_process(code, **home) == str(tmp_path / "mdn" / "jax")
    assert in_a_fresh_process(code, JAX_COMPILATION_CACHE_DIR=str(tmp_path)) == str(tmp_path)
    assert in_a_fresh_process(code, **home, JAX_ENABLE_COMPILATION_CACHE="0") == "None"
