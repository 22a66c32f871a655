"""MDN-RNNs: ragged data, exact masks, states, rollouts, streams, and bad input."""

import threading

import keras
import numpy as np
import pytest
from keras import ops

import mdn
from mdn.sequences import as_sequences, muon, ragged
from mdn.sequences.recurrent import Recurrent
from mdn.sequences.sampler import Guided
from programs import program

RNG = np.random.default_rng(0)
OFFSETS = mdn.MixtureSpec(mdn.NormalSpec(2), 3)
PEN = mdn.JointSpec(offset=mdn.MixtureSpec(mdn.NormalSpec(2, "full"), 2), pen=mdn.CategoricalSpec(3))


def walks(count=12, low=3, high=30, spec=OFFSETS):
    rng = np.random.default_rng(1)
    found = []
    for _ in range(count):
        steps = rng.normal(size=(int(rng.integers(low, high)), 2))
        pen = rng.integers(0, 3, (len(steps), 1))
        found.append((np.concatenate([steps, pen], axis=1) if spec is PEN else steps).astype("float32"))
    return found


def numpy(tensor):
    return np.asarray(ops.convert_to_numpy(tensor), "float64")


def alone(model, sequence):
    """The log density of each step, one sequence by itself, in one call and with nothing filled up."""
    before = np.concatenate([np.full((1, sequence.shape[1]), np.nan), sequence[:-1]]).astype("float32")
    run = program(model, "alone", lambda before, events: model.spec(model(before)).log_prob(events))
    return numpy(run(before[None], sequence[None]))[0]


MODELS = {
    "lstm": dict(units=(8, 6)),
    "gru": dict(units=(8, 6), cell="gru"),
    "no skips": dict(units=(8, 6), skip=False),
    "positions": dict(units=8, positions=(0, 1)),
}


def small(name="lstm", spec=OFFSETS, **settings):
    keras.utils.set_random_seed(0)
    return mdn.MDNRNN(spec, **{**MODELS[name], **settings}).adapt(walks(spec=spec))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_recurrent_layer_agrees_with_keras_own(cell):
    """Values and gradients; Keras' GRU lies in the order update, reset, candidate."""
    keras.utils.set_random_seed(0)
    ours = Recurrent(5, cell)
    ours.build((None, None, 3))
    if cell == "gru":
        ours.recurrent_bias.assign(RNG.normal(size=5))
    theirs = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU}[cell](5, return_sequences=True)
    theirs.build((None, None, 3))
    weights = [numpy(ours.kernel), numpy(ours.recurrent_kernel), numpy(ours.bias)]
    if cell == "gru":
        swap = np.r_[5:10, 0:5, 10:15]
        extra = np.concatenate([np.zeros(10), numpy(ours.recurrent_bias)])
        weights = [weights[0][:, swap], weights[1][:, swap], np.stack([weights[2][swap], extra])]
    theirs.set_weights(weights)
    x = RNG.normal(size=(4, 7, 3)).astype("float32")
    outputs, state = ours(x, ours.zero_state(4))
    np.testing.assert_allclose(numpy(outputs), numpy(theirs(x)), atol=1e-5)
    np.testing.assert_allclose(numpy(state[0]), numpy(outputs)[:, -1], atol=1e-6)
    state = ours.zero_state(4)
    for t in range(7):
        state = ours.step(x[:, t], state)
    np.testing.assert_allclose(numpy(state[0]), numpy(outputs)[:, -1], atol=1e-5)


@pytest.mark.jax
def test_the_gradient_of_the_lstm_is_that_of_autodiff():
    import jax
    from jax import numpy as jnp

    layer = Recurrent(4)
    layer.build((None, None, 3))
    x, start = RNG.normal(size=(2, 6, 3)).astype("float32"), RNG.normal(size=(2, 2, 4)).astype("float32")
    slopes = RNG.normal(size=(2, 6, 4)).astype("float32")

    def written_out(weights, x, h, c):
        with keras.StatelessScope(state_mapping=list(zip(layer.variables, weights, strict=True))):
            outputs, (h, c) = layer(x, [h, c])
        return jnp.sum(outputs * slopes) + jnp.sum(h * c)

    def by_steps(weights, x, h, c):
        total = 0.0
        with keras.StatelessScope(state_mapping=list(zip(layer.variables, weights, strict=True))):
            for t in range(x.shape[1]):
                h, c = layer.step(x[:, t], [h, c])
                total += jnp.sum(h * slopes[:, t])
        return total + jnp.sum(h * c)

    arguments = ([v.value for v in layer.variables], x, start[0], start[1])
    found, expected = (jax.jit(jax.grad(f, argnums=(0, 1, 2, 3)))(*arguments) for f in (written_out, by_steps))
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5)


@pytest.mark.parametrize("name", MODELS)
def test_the_log_density_of_ragged_sequences_is_that_of_each_alone(name):
    model, sequences = small(name), walks(6)  # each length alone is compiled
    for found, one in zip(model.log_prob(sequences), sequences, strict=True):
        np.testing.assert_allclose(found, alone(model, one), atol=1e-5)


def test_masked_and_bucketed_losses_are_the_mean_over_all_steps():
    model, sequences = small(), walks(8)
    batches = ragged.Batches(sequences, batch_size=2, buckets=2)
    assert len({batch.shape[1] for _, batch in (batches[i] for i in range(len(batches)))}) == 2
    loss, params = mdn.NegativeLogLikelihood(OFFSETS), program(model, "params", model)
    for i in range(len(batches)):
        before, batch = batches[i]
        steps = [one[~np.isnan(one).all(axis=1)] for one in batch]
        expected = -np.mean(np.concatenate([alone(model, one) for one in steps]))
        np.testing.assert_allclose(float(ops.convert_to_numpy(loss(batch, params(before)))), expected, atol=1e-5)


def test_the_forms_of_sequences_are_one():
    sequences = walks(4)
    flat = np.concatenate(sequences), np.cumsum([0, *map(len, sequences)])
    full = ragged.padded(sequences, 40)
    for form in (flat, full):
        for found, one in zip(as_sequences(form, 2), sequences, strict=True):
            np.testing.assert_array_equal(found, one)


def test_buckets_are_few_and_long_enough():
    lengths = RNG.integers(1, 900, 300)
    found = ragged.bucket_lengths(lengths, 4, 16)
    assert np.all(found >= lengths) and len(np.unique(found)) <= 4
    assert found.sum() < 1.35 * lengths.sum()


@pytest.mark.parametrize("spec", [OFFSETS, PEN], ids=["offsets", "pen"])
@pytest.mark.parametrize("name", ["lstm", "positions"])
def test_a_stream_draws_what_generate_draws(name, spec):
    model = small(name, spec)
    sequences = model.generate(steps=70, batch_size=2, seed=5)
    stream = model.stream(batch_size=2, seed=5)
    np.testing.assert_allclose(np.stack([stream.step() for _ in range(70)], axis=1), sequences, atol=1e-6)
    np.testing.assert_array_equal(model.generate(steps=70, batch_size=2, seed=5), sequences)
    assert np.abs(model.generate(steps=70, batch_size=2, seed=6) - sequences).max() > 0.01
    if spec is PEN:
        assert set(np.unique(sequences[..., 2])) <= {0.0, 1.0, 2.0}


@pytest.mark.parametrize("name", ["lstm", "gru", "positions"])
def test_priming_is_feeding(name):
    model, sequences = small(name), walks(3)
    primed = model.generate(steps=4, batch_size=3, prime=sequences, variance_temperature=1e-12, seed=1)
    unroll = program(model, "unroll", model.unroll)
    for row, one in enumerate(sequences):
        stream = model.stream(seed=1)
        stream.feed(one[:-1])
        _, cells = unroll(ragged.shifted(one[None]), model.first_state(1))
        np.testing.assert_allclose(
            stream.state[:, 2:], np.concatenate([numpy(part) for part in cells], axis=-1), atol=1e-5
        )
        params, _ = unroll(ragged.shifted(np.concatenate([one, one[:1]])[None]), model.first_state(1))
        locs = numpy(model.spec(params[:, -1]).components.loc)[0]
        # without variance the next event is one of the means that the whole prime leads to
        assert np.min(np.abs(locs - primed[row, 0]).max(axis=-1)) < 1e-5
        after = stream.step(one[-1], variance_temperature=1e-12)
        assert np.min(np.abs(locs - after).max(axis=-1)) < 1e-5


def test_draws_follow_the_distribution():
    model = small()
    draws = model.generate(steps=1, batch_size=20_000, seed=0)[:, 0]
    first = model.spec(model(np.full((1, 1, 2), np.nan, "float32")))
    np.testing.assert_allclose(draws.mean(axis=0), numpy(first.mean())[0, 0], atol=0.05)
    np.testing.assert_allclose(draws.var(axis=0), numpy(first.variance())[0, 0], rtol=0.06)


def test_stop_and_constrain_are_asked_at_each_step():
    model = small()
    clamped = model.generate(steps=30, constrain=lambda event, place: ops.clip(event, -0.1, 0.1), seed=0)
    assert np.abs(clamped).max() <= 0.1 + 1e-6
    inside = small("positions").generate(
        steps=30, constrain=lambda event, place: ops.clip(place + event, 0.0, 1.0) - place, seed=0
    )
    assert np.cumsum(inside, axis=1).min() >= -1e-5 and np.cumsum(inside, axis=1).max() <= 1.0 + 1e-5
    ended = model.generate(steps=60, batch_size=8, stop=lambda event: event[:, 0] > 1.0, seed=0)
    assert len({len(one) for one in ended}) > 1
    for one in ended:
        assert np.all(one[:-1, 0] <= 1.0) and (one[-1, 0] > 1.0 or len(one) == 60)
    primes = [one[:length] for one, length in zip(walks(3, 9), (2, 9, 5), strict=True)]
    endless = model.generate(7, 3, prime=primes, stop=lambda event: event[:, 0] > 1e9, seed=0)
    np.testing.assert_array_equal(np.stack(endless), model.generate(7, 3, prime=primes, seed=0))


@pytest.mark.parametrize("hook", ["zeros", "place"])
def test_one_sequence_may_be_constrained_without_its_draw(hook):
    """XLA's program of one row ended the process where the event did not depend on its noise."""
    given = {"zeros": lambda event, place: ops.zeros_like(event), "place": lambda event, place: place + 1.0}[hook]
    model = small("positions")
    one, two = (model.generate(4, count, constrain=given, seed=0) for count in (1, 2))
    np.testing.assert_array_equal(one[0], two[0])
    assert np.isfinite(one).all()


def test_places_are_exact_where_layers_compute_in_half_precision():
    """bfloat16 cannot count beyond 256, so that rollouts were somewhere else than streams."""
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        model = mdn.MDNRNN(mdn.NormalSpec(1), units=(3,), lags=0, positions=(0,))
        prime = np.ones((1, 400, 1), "float32")
        found = model.generate(1, prime=prime, constrain=lambda event, place: place, seed=0)
        far = [1000.0 + one[:, :1] for one in walks(4)]
        lagged = mdn.MDNRNN(mdn.NormalSpec(1), units=(3,), lags=2).adapt(far)
        scores = lagged.log_prob(far)[0]  # events are not rounded before the layers read them
        state, stepped = lagged.first_state(1), []
        for event in np.concatenate([[[np.nan]], far[0][:-1]]).astype("float32"):
            params, state = lagged.step(ops.convert_to_tensor(event[None]), state)
            stepped.append(numpy(lagged.spec(params).log_prob(far[0][len(stepped)][None]))[0])
        for window in (None, 5):
            assert np.isfinite(lagged.fit(far, epochs=1, window=window, verbose=0).history["loss"]).all()
    finally:
        keras.config.set_dtype_policy(before)
    assert float(np.ravel(found)[-1]) == 400.0
    np.testing.assert_allclose(scores, stepped, atol=0.05)


def test_a_clone_adapts_and_loaded_weights_are_kept(tmp_path):
    far = [1000.0 + 5.0 * one for one in walks(8)]
    model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(2), 2), units=(4,), lags=0)
    model.fit(far, epochs=1, verbose=0)
    clone = keras.models.clone_model(model)
    clone.fit(far, epochs=1, verbose=0)
    assert clone.nll(far) < model.nll(far) + 5.0  # it was 186,807: nothing had told it where events lie

    classes = [np.arange(12)[:, None] % 3 for _ in range(4)]
    first = mdn.MDNRNN(mdn.CategoricalSpec(3), units=(4,), lags=0)
    first.fit(classes, epochs=2, verbose=0)
    first.save_weights(tmp_path / "w.weights.h5")
    second = mdn.MDNRNN(mdn.CategoricalSpec(3), units=(4,), lags=0)
    second.load_weights(tmp_path / "w.weights.h5")
    third = mdn.MDNRNN(mdn.CategoricalSpec(3), units=(4,), lags=0)
    third.set_weights(first.get_weights())
    assert second.adapted and third.adapted
    second.fit(classes, epochs=1, learning_rate=1e-9, verbose=0)
    for found, expected in zip(second.head.heads, first.head.heads, strict=True):
        np.testing.assert_allclose(numpy(found.kernel), numpy(expected.kernel), atol=1e-5)


def test_what_adapt_was_told_stays_where_it_looks_like_a_new_head():
    model = mdn.MDNRNN(mdn.BernoulliSpec(1), units=(4,), lags=0).adapt([np.arange(8)[:, None] % 2.0])
    kernel = numpy(model.head.heads[0].kernel)
    model.fit([np.ones((8, 1))], epochs=1, learning_rate=1e-9, verbose=0)
    np.testing.assert_allclose(numpy(model.head.heads[0].kernel), kernel, atol=1e-5)


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="JAX has float64 only if it is asked for before it starts")
def test_a_new_head_is_known_in_float64_too():
    before = keras.config.floatx()
    try:
        keras.config.set_floatx("float64")
        assert not mdn.MDNRNN(OFFSETS, units=(2,), lags=0)._has_begun()
    finally:
        keras.config.set_floatx(before)


def test_a_stream_may_be_opened_while_training_in_windows_goes_on():
    class Stream(keras.callbacks.Callback):
        steps = ()

        def on_epoch_end(self, epoch, logs=None):
            stream = self.model.stream(seed=0)
            self.steps = (*self.steps, stream.step())

    model, heard = small(), Stream()
    model.fit(walks(4, 40, 60), epochs=2, window=10, callbacks=[heard], verbose=0)
    assert len(heard.steps) == 2 and np.isfinite(heard.steps).all()


def test_a_condition_matters_and_is_asked_for():
    model = small(condition_size=2)
    condition = np.eye(2, dtype="float32")
    first, second = model.log_prob([walks(1)[0]] * 2, condition)
    assert np.abs(first - second).max() > 1e-4
    assert model.generate(steps=3, batch_size=2, condition=condition, seed=0).shape == (2, 3, 2)
    with pytest.raises(ValueError, match=r"`condition` must have shape \(1, 2\), but none came"):
        model.log_prob(walks(1))


@pytest.mark.parametrize("window", [None, 10])
def test_training_learns_and_keeps_the_best_weights(window):
    rng = np.random.default_rng(0)
    turns = [np.stack([np.sin(t := np.arange(40) * 0.5 + rng.uniform(0, 6)), np.cos(t)], -1) for _ in range(24)]
    model = mdn.MDNRNN(OFFSETS, units=(16,), lags=0).adapt(turns[:16])
    before = model.nll(turns[16:])
    history = model.fit(turns[:16], turns[16:], epochs=6, batch_size=8, window=window, learning_rate=0.02, verbose=0)
    scores = history.history["val_nll"]
    np.testing.assert_allclose(model.nll(turns[16:]), min(scores), rtol=1e-5)
    assert min(scores) < before - 0.5


def test_windows_carry_the_state_from_batch_to_batch():
    """In windows, with the state handed on, the loss of the last window is that of the whole."""
    model, one = small(), np.random.default_rng(3).normal(size=(20, 2)).astype("float32")
    whole = alone(model, one)
    windows = ragged.Windows([one], batch_size=1, window=10)
    model._carry(1)
    for i in range(2):
        before, batch = windows[i]
        params = model(before, training=True)
        np.testing.assert_allclose(numpy(model.spec(params).log_prob(batch))[0], whole[10 * i : 10 * i + 10], atol=1e-5)
    model._carry(None)


def test_windows_are_encoded_anew_each_epoch():
    sequences = [np.full((7, 1), 3.0, "float32"), np.full((12, 1), 5.0, "float32")]
    windows = ragged.Windows(
        sequences, batch_size=2, window=4, seed=0, encode=lambda row, rng: sequences[row] + rng.uniform(0.0, 1.0)
    )
    seen = set()
    for _ in range(3):
        shown = [np.concatenate([windows[i][1][row] for i in range(len(windows))]) for row in range(2)]
        values = {float(value) for one in shown for value in np.unique(one[~np.isnan(one)])}
        assert sorted(int(value) for value in values) == [3, 5], "a whole sequence is changed at once"
        assert not values & seen
        seen |= values
        windows.on_epoch_end()


def growing(length, rng):
    return rng.normal(size=(length + 6 * rng.integers(4), 2))


def test_items_of_any_kind_become_events_anew_each_epoch_and_none_is_cut():
    """Two equal items keep their own conditions, and a sequence that grew is learnt to its end."""
    items, asked = ["one", "one", "three"], []

    def encode(item, rng):
        asked.append(item)
        return rng.normal(size=(5 + 20 * (len(asked) > 6), 2))

    model = small(condition_size=1)
    model.fit(items, condition=[[0.0], [1.0], [2.0]], encode=encode, epochs=2, batch_size=1, verbose=0)
    assert asked.count("three") >= 3 and asked.count("one") >= 6, "once to begin with, and in each epoch"
    rows = [np.zeros((length, 1), "float32") for length in (5, 7, 5, 7)]
    numbers = [np.arange(4.0)[:, None]]
    batches = ragged.Batches(rows, numbers, batch_size=2, buckets=1, encode=lambda row, rng: np.full((30, 1), row))
    (before, labels), batch = batches[0]
    assert before.shape == batch.shape == (2, 32, 1)
    np.testing.assert_array_equal(batch[:, 29, 0], labels[:, 0])
    assert np.isnan(batch[:, 30:]).all()
    # on TensorFlow, Keras fixes the length that the first two batches share; by this seed they shared one
    for size in (1, 8) if keras.backend.backend() == "tensorflow" else (8,):
        small().fit([14] * 8, encode=growing, epochs=2, batch_size=size, seed=1, verbose=0)
    same = (np.zeros((12, 2), "float32"), np.array([0, 5, 12]))
    assert (
        small().fit(same, encode=lambda one, rng: one + rng.normal(size=one.shape), epochs=1, verbose=0).history["loss"]
    )
    with pytest.raises(ValueError, match="`sequences` must hold at least one item"):
        model.fit([], encode=encode, verbose=0)
    with pytest.raises(ValueError, match="`encode"):
        model.fit(items, condition=[[0.0], [1.0], [2.0]], encode=lambda item, rng: np.zeros((4, 3)), verbose=0)


def test_windows_come_in_any_order_of_length():
    sequences = [np.zeros((length, 1), "float32") for length in range(4, 404, 4)]
    windows = ragged.Windows(sequences, batch_size=4, window=8, seed=0)
    half = len(windows) // 2
    lengths = [
        [len(sequences[row]) for i in part for row, first, _ in windows._plan[i] if first == 0]
        for part in (range(half), range(half, len(windows)))
    ]
    assert set(lengths[0] + lengths[1]) == set(range(4, 404, 4))
    assert abs(np.mean(lengths[0]) - np.mean(lengths[1])) < 60, "else the end of an epoch undoes its beginning"


def test_windows_are_as_many_in_each_epoch_whatever_changes_their_sequences(recwarn):
    longer = [0]

    def changed(one, rng):
        longer[0] += 1
        return np.resize(one, (len(one) + 5 * (longer[0] % 7), one.shape[1]))

    model, counts = small(), []
    told = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: counts.append(batch))
    model.fit(walks(), epochs=4, batch_size=2, window=4, encode=changed, callbacks=[told], verbose=0)
    assert len(counts) == 4 * (max(counts) + 1)
    assert not [one for one in recwarn if "ran out of data" in str(one.message)]


def test_what_windows_carry_is_gone_after_training(tmp_path):
    model, data = small(), walks()
    before = [v.path for v in model.variables]
    for size in (4, 3):
        model.fit(data, epochs=1, batch_size=size, window=8, verbose=0)
    assert [v.path for v in model.variables] == before
    model.save(tmp_path / "m.keras")
    np.testing.assert_allclose(mdn.load(tmp_path / "m.keras").nll(data), model.nll(data), atol=1e-5)


@pytest.mark.parametrize("window", [None, 8])
def test_files_written_during_training_hold_the_model(tmp_path, window):
    model, data, seen = small(), walks(), []
    held = walks()[:2]

    class Save(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.save(tmp_path / "m.keras")
            mdn.models.save_plain(self.model, tmp_path / "plain.keras")
            seen.append(self.model.nll(held))

    model.fit(data, epochs=1, batch_size=4, window=window, callbacks=[Save()], verbose=0)
    for name in ("m.keras", "plain.keras"):
        np.testing.assert_allclose(mdn.load(tmp_path / name).nll(held), seen[0], rtol=1e-5)


def test_ctrl_c_ends_training_with_the_best_weights():
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 1:
                raise KeyboardInterrupt

    model, data = small(), walks()
    model.fit(data, data, epochs=50, verbose=0, callbacks=[Stop()])
    assert np.isfinite(model.nll(data))


@pytest.mark.parametrize("name", MODELS)
def test_a_file_gives_the_same_model(name, tmp_path):
    model = small(name, PEN if name == "lstm" else OFFSETS)
    model.save(tmp_path / "m.keras")
    loaded = mdn.load(tmp_path / "m.keras")
    assert loaded.adapted  # a further fit keeps its scaling
    data = walks(2, spec=model.spec)
    for one, other in zip(model.log_prob(data), loaded.log_prob(data), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_streams_state_can_be_saved_and_put_back(tmp_path):
    model = small()
    stream = model.stream(seed=0)
    stream.feed(walks(1)[0])
    stream.save(tmp_path / "s.npz")
    state = stream.state
    stream.step()
    other = model.stream(seed=0)
    other.restore(tmp_path / "s.npz")
    np.testing.assert_array_equal(other.state, state)
    with pytest.raises(ValueError, match="a state of this stream has shape"):
        small(units=3).stream().restore(tmp_path / "s.npz")
    (tmp_path / "bad.npz").write_bytes(b"no state")
    with pytest.raises(ValueError, match="holds no state of a stream"):
        stream.restore(tmp_path / "bad.npz")


def test_a_stream_keeps_its_weights_and_may_be_used_from_threads():
    model = small()
    expected = [model.stream(seed=0).step()]
    stream = model.stream(seed=0)
    model.head.heads[0].bias.assign(model.head.heads[0].bias + 100.0)
    np.testing.assert_array_equal(stream.step(), expected[0])
    events = []
    threads = [threading.Thread(target=lambda: events.extend(stream.step() for _ in range(20))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.isfinite(events).all() and len(np.unique([event[0] for event in events])) == 80


BAD = {
    "none": ([], "must hold at least one sequence"),
    "empty": ([np.empty((0, 2))], "sequence 0 has"),
    "width": ([np.zeros((3, 2)), np.zeros((3, 5))], r"each must have shape \(steps, 2\).*sequence 1 has \(3, 5\)"),
    "infinite": ([np.array([[0.0, 1.0], [np.inf, 1.0]])], "step 1 of sequence 0 is"),
    "nothing": ([np.array([[0.0, 1.0], [np.nan, np.nan], [1.0, 1.0]])], "step 1 of sequence 0 is"),
    "one array": (np.zeros((5, 2)), r"For one sequence: \[array\]"),
    "offsets": ((np.zeros((5, 2)), np.array([0, 3, 4])), "offsets must rise from 0 to the number of points, 5"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_sequences_are_named(case):
    sequences, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        small().fit(sequences, epochs=1, verbose=0)


def test_bad_events_of_a_stream_are_refused_and_leave_it_as_it_was():
    stream = small().stream(seed=0)
    state = stream.state
    for bad in ([1.0], [np.nan, 0.0], [1.0, 2.0, 3.0]):
        with pytest.raises(ValueError, match="`event` must be 2 finite numbers"):
            stream.step(bad)
    np.testing.assert_array_equal(stream.state, state)


# ---- contexts, first states, other cells -------------------------------------------------------------------------------------

TEXTS = [np.eye(5, dtype="float32")[np.random.default_rng(i).integers(0, 5, 4 + i)] for i in range(6)]


def attending(**settings):
    keras.utils.set_random_seed(0)
    return mdn.MDNRNN(OFFSETS, units=(8, 6), context_size=5, window_components=3, **settings).adapt(walks(6))


def window_by_hand(layer, x, text):
    """The equations for one sequence, in NumPy."""
    kernel, recurrent, bias = (numpy(w) for w in (layer.cell.kernel, layer.cell.recurrent_kernel, layer.cell.bias))
    mover, mover_bias = numpy(layer.mover.kernel), numpy(layer.mover.bias)
    sigmoid, softplus = (lambda z: 1 / (1 + np.exp(-z))), (lambda z: np.log1p(np.exp(z)))
    h, c, kappa, shown, found = np.zeros(8), np.zeros(8), np.zeros(3), np.zeros(5), []
    for row in x:
        i, f, g, o = np.split(np.r_[row, shown] @ kernel + h @ recurrent + bias, 4)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        alpha, beta, delta = np.split(h @ mover + mover_bias, 3)
        alpha, beta = np.exp(alpha) / np.exp(alpha).sum(), 0.3 + softplus(beta)
        kappa = kappa + softplus(delta)
        phi = [sum(alpha * np.sqrt(beta / np.pi) * np.exp(-beta * (kappa - u) ** 2)) for u in range(len(text))]
        shown = np.array(phi) @ text
        found.append(np.r_[h, shown])
    return np.array(found), [h, c, kappa, shown]


def test_a_window_moves_over_a_text_as_its_equations_say():
    layer = attending().recurrent[0]
    layer.mover.kernel.assign(RNG.normal(size=layer.mover.kernel.shape))
    x = RNG.normal(size=(2, 9, layer.cell.kernel.shape[0] - 5)).astype("float32")
    texts = np.stack([np.concatenate([text, np.zeros((8 - len(text), 5), "float32")]) for text in TEXTS[:2]])
    state = [np.zeros((2, width), "float32") for width in layer.state_widths]
    outputs, last = layer(x, state, texts)
    for row in range(2):
        expected, end = window_by_hand(layer, x[row], TEXTS[row])
        np.testing.assert_allclose(numpy(outputs)[row], expected, atol=1e-5)
        np.testing.assert_allclose(np.concatenate([numpy(part)[row] for part in last]), np.concatenate(end), atol=1e-5)


@pytest.mark.jax
def test_the_gradient_of_a_window_is_that_of_autodiff():
    import jax
    from jax import numpy as jnp

    from mdn.kernels.recurrent import window_loop
    from mdn.sequences import window

    widths = 4, 4, 3, 5
    projected, context = (jnp.asarray(RNG.normal(size=shape), "float32") for shape in ((7, 2, 16), (2, 6, 5)))
    weights = tuple(jnp.asarray(RNG.normal(size=shape), "float32") for shape in ((9, 16), (4, 9), (9,)))
    state = [jnp.asarray(RNG.normal(size=(2, width)), "float32") for width in widths]
    slopes = [jnp.asarray(RNG.normal(size=(7, 2, width)), "float32") for width in widths]

    def loss(run):
        return lambda *given: sum(jnp.sum(a * b) for a, b in zip(run(*given), slopes, strict=True))

    found, expected = (
        jax.jit(jax.grad(loss(run), argnums=(0, 1, 2, 3)))(projected, weights, state, context)
        for run in (window_loop(window._advanced, window._moves, window.weights_of), window._unrolled)
    )
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=2e-4, rtol=2e-4)


def test_a_second_training_has_its_own_rate_unless_the_user_compiled():
    model, sequences = small(), walks(4)
    model.fit(sequences, epochs=1, learning_rate=0.01, verbose=0)
    first = model.optimizer
    model.fit(sequences, epochs=1, learning_rate=0.02, verbose=0)
    assert model.optimizer is not first and int(numpy(model.optimizer.iterations)) == 1
    model = small()
    model.compile("sgd", mdn.NegativeLogLikelihood(model.spec))
    own = model.optimizer
    model.fit(sequences, epochs=1, verbose=0)
    assert model.optimizer is own


def test_all_weights_are_the_models_own_and_go_into_its_file(tmp_path):
    model, sequences = attending(), walks(6)
    own = {id(variable) for variable in model.trainable_variables}
    assert {id(v) for layer in (*model.recurrent, model.head) for v in layer.trainable_variables} <= own
    model.save(tmp_path / "a.keras")
    again = keras.saving.load_model(tmp_path / "a.keras")
    for one, other in zip(
        model.log_prob(sequences, context=TEXTS), again.log_prob(sequences, context=TEXTS), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_text_decides_what_is_likely_and_each_keeps_its_own():
    model, sequences = attending(), walks(6)
    model.recurrent[0].mover.bias.assign(model.recurrent[0].mover.bias + 1.0)
    together = model.log_prob(sequences, context=TEXTS)
    for one, sequence, text in zip(together, sequences, TEXTS, strict=True):
        np.testing.assert_allclose(one, model.log_prob([sequence], context=[text])[0], atol=1e-5)
    other = model.log_prob(sequences, context=TEXTS[::-1])
    assert np.abs(np.concatenate(together) - np.concatenate(other)).max() > 1e-4
    with pytest.raises(ValueError, match=r"`context` must be a list of 6 arrays \(U, 5\), U at least 1, but none came"):
        model.log_prob(sequences)
    with pytest.raises(ValueError, match=r"one has shape \(0, 5\)"):
        model.log_prob(sequences[:1], context=[np.empty((0, 5))])
    with pytest.raises(ValueError, match="made with context_size=0"):
        small().log_prob(sequences, context=TEXTS)


def test_with_a_text_a_stream_draws_what_a_rollout_draws_and_training_learns():
    model, sequences = attending(), walks(6)
    history = model.fit(sequences, (sequences, TEXTS), context=TEXTS, epochs=3, learning_rate=0.02, verbose=0)
    assert history.history["val_nll"][-1] < history.history["val_nll"][0]
    made = model.generate(6, 2, context=TEXTS[:2], seed=3)
    stream = model.stream(2, context=TEXTS[:2], seed=3)
    np.testing.assert_allclose(np.stack([stream.step() for _ in range(6)], axis=1), made, atol=1e-5)


def test_guidance_draws_from_a_power_of_the_odds():
    """Against p^(1+g) / q^g in closed form: of three classes, and of two normals, where it is a normal."""
    rng, rows, guidance = np.random.default_rng(0), 6000, 0.7

    def drawn(spec, told, untold, temperature=1.0):
        sampler = Guided(spec, candidates=300)
        params = np.concatenate([np.tile(one, (rows, 1)) for one in (told, untold)]).astype("float32")
        noise = rng.random((rows, sampler.uniforms)), rng.standard_normal((rows, sampler.normals))
        uniforms, normals = (part.astype("float32") for part in noise)
        return numpy(sampler(params, uniforms, normals, 1.0, temperature, guidance))

    told, untold = np.array([1.0, 0.0, -1.0]), np.array([1.0, -1.0, 0.5])
    wanted = np.exp((1 + guidance) * told - guidance * untold)
    counts = np.bincount(drawn(mdn.CategoricalSpec(3), told, untold)[:, 0].astype(int), minlength=3)
    np.testing.assert_allclose(counts / rows, wanted / wanted.sum(), atol=0.02)

    spec, told, untold = mdn.NormalSpec(1), np.array([0.6, 0.2]), np.array([0.0, 0.9])
    (m, s), (n, t) = (
        [float(numpy(part).squeeze()) for part in (one.mean(), one.variance() ** 0.5)]
        for one in (spec(told), spec(untold))
    )
    precision = (1 + guidance) / s**2 - guidance / t**2
    found = drawn(spec, told, untold)
    np.testing.assert_allclose(found.std(), precision**-0.5, rtol=0.03)
    np.testing.assert_allclose(
        found.mean(), ((1 + guidance) * m / s**2 - guidance * n / t**2) / precision, atol=4 * s / rows**0.5
    )
    # a temperature is one of what is drawn, not of the odds
    np.testing.assert_allclose(drawn(spec, told, untold, 0.01).std(), (precision + 99 / s**2) ** -0.5, rtol=0.03)


def test_guided_streams_draw_what_guided_rollouts_draw_and_go_on_from_a_state(tmp_path):
    model = attending()
    told = {"context": TEXTS[:2], "guidance": 1.5}
    made = model.generate(8, 2, **told, seed=3)
    assert not np.allclose(made, model.generate(8, 2, context=TEXTS[:2], seed=3))
    stream = model.stream(2, **told, seed=3)
    np.testing.assert_allclose(np.stack([stream.step() for _ in range(8)], axis=1), made, atol=1e-5)
    stream.save(tmp_path / "state.npz")
    after = stream.step()
    other = model.stream(2, **told, seed=3)
    other.feed(made[:, :1])  # so that its noise is where that of the first was after as many steps
    for _ in range(7):
        other.step()
    other.restore(tmp_path / "state.npz")
    assert other.state.shape == (2, 2 + 2 * sum(model.state_widths)) and after.shape == other.step().shape
    # what was read before counts for both of its networks: a prime is what was fed
    primed = model.generate(1, 1, walks(1)[0], context=TEXTS[0], guidance=1.5, seed=5)[0]
    fed = model.stream(1, context=TEXTS[0], guidance=1.5, seed=5)
    fed.feed(walks(1)[0][:-1])
    np.testing.assert_allclose(fed.step(walks(1)[0][-1]), primed[0], atol=1e-5)


def test_without_guidance_nothing_changes_and_it_needs_a_context():
    model = attending()
    plain = model.generate(5, 2, context=TEXTS[:2], seed=1)
    np.testing.assert_array_equal(model.generate(5, 2, context=TEXTS[:2], guidance=0.0, seed=1), plain)
    with pytest.raises(ValueError, match="`guidance` is by a context, but this model was made with context_size=0"):
        small().generate(5, guidance=1.0)
    for bad in (-1.0, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="`guidance` must be a finite number, 0 or above"):
            model.stream(context=TEXTS[0], guidance=bad)


def test_muon_learns_and_leaves_what_is_read_off_to_adam():
    model, sequences = attending(), walks(6)
    history = model.fit(
        sequences, (sequences, TEXTS), context=TEXTS, epochs=4, learning_rate=0.02, optimizer=muon, verbose=0
    )
    assert history.history["val_nll"][-1] < history.history["val_nll"][0]
    kept = [bool(model.optimizer._should_use_adamw(v)) for v in model.trainable_variables]
    by_hand = [len(v.shape) != 2 or "head" in v.path or "mover" in v.path for v in model.trainable_variables]
    assert kept == by_hand and not all(kept)


def test_layer_normalisation_is_that_of_keras_and_steps_are_those_of_the_whole():
    keras.utils.set_random_seed(0)
    layer = Recurrent(6, "layer_norm_lstm")
    layer.build((None, None, 3))
    layer.bias.assign(RNG.normal(size=24))
    x = RNG.normal(size=(2, 5, 3)).astype("float32")
    outputs, _ = layer(x, layer.zero_state(2))
    state = layer.zero_state(2)
    for t in range(5):
        state = layer.step(x[:, t], state)
    np.testing.assert_allclose(numpy(outputs)[:, -1], numpy(state[0]), atol=1e-5)
    normal = keras.layers.LayerNormalization(epsilon=1e-6, center=False, scale=False)
    gates = [numpy(normal(part)) for part in np.split(x[:, 0] @ numpy(layer.kernel), 4, axis=-1)]
    i, _, g, o = (gate + shift for gate, shift in zip(gates, np.split(numpy(layer.bias), 4), strict=True))
    c = np.tanh(g) / (1 + np.exp(-i))
    h = np.tanh(numpy(normal(c.astype("float32")))) / (1 + np.exp(-o))
    np.testing.assert_allclose(numpy(outputs)[:, 0], h, atol=1e-4)


@pytest.mark.jax
@pytest.mark.parametrize("cell", ["lstm", "layer_norm_lstm"])
def test_recurrent_dropout_leaves_out_the_same_candidates_at_all_steps(cell):
    """With a candidate left out from the start, its unit remembers nothing and shows nothing."""
    keras.utils.set_random_seed(0)
    layer = Recurrent(40, cell, recurrent_dropout=0.5)
    layer.build((None, None, 3))
    x = RNG.normal(size=(1, 4, 3)).astype("float32")
    outputs, (_, c) = layer(x, layer.zero_state(1), training=True)
    silent = np.flatnonzero(numpy(c)[0] == 0.0)
    assert 8 < len(silent) < 32
    if cell == "lstm":
        assert not numpy(outputs)[0][:, silent].any()
    assert numpy(layer(x, layer.zero_state(1))[1][1]).all()
    with pytest.raises(ValueError, match="0 for a GRU"):
        Recurrent(4, "gru", recurrent_dropout=0.1)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_a_condition_can_decide_the_first_state(cell):
    keras.utils.set_random_seed(0)
    model = mdn.MDNRNN(OFFSETS, units=5, cell=cell, condition_size=2, condition_starts=True).adapt(walks())
    condition = RNG.normal(size=(3, 2)).astype("float32")
    last_events, *remembered = model.first_state(3, [condition])
    assert not numpy(last_events).any()
    first = np.concatenate([numpy(part) for part in remembered], axis=1)
    np.testing.assert_allclose(first, np.tanh(condition @ numpy(model.start.kernel)), atol=1e-5)
    made = model.generate(4, 3, condition=condition, seed=1)
    stream = model.stream(3, condition=condition, seed=1)
    np.testing.assert_allclose(np.stack([stream.step() for _ in range(4)], axis=1), made, atol=1e-5)


def test_going_on_with_those_that_have_not_ended_changes_nothing(monkeypatch):
    model = small(spec=PEN)

    def stop(event):
        return event[:, 2] == 2

    settings = dict(prime=walks(1, spec=PEN)[0][:4], stop=stop, seed=5, component_temperature=0.8)
    thinned = model.generate(60, 140, **settings)
    model._rollouts.clear()
    monkeypatch.setattr("mdn.sequences.rollout._THINNED_FROM", 1000)
    whole = model.generate(60, 140, **settings)
    assert len({len(one) for one in whole}) > 3
    for one, other in zip(thinned, whole, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
