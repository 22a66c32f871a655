"""World models, first half: trainings that can be killed, environments, collecting, seeing, commands."""

import os
import shutil
import signal
import sys
import warnings
from collections import Counter
from types import SimpleNamespace

import gymnasium
import jax
import keras
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from PIL import Image
from scipy import stats
from typer.testing import CliRunner

import mdn_cli
from mdn.applications.world import (
    cartpole,
    collect,
    environments,
    pixel_cartpole,
    see,
    see_pictures,
    storage,
)
from mdn.applications.world.convolutions import Double, Halve
from mdn.applications.world.vision import Standardised, Vision, load_vision
from mdn.training import checkpoints

pytestmark = [pytest.mark.project, pytest.mark.jax]


# ---- trainings that can be killed ------------------------------------------------------------------------------------


class Killed(Exception):
    pass


def _training(folder, **settings):
    """A small network with dropout, whose noise depends on a state, and Adam."""
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dropout(0.5, seed=1), keras.layers.Dense(1)])
    optimizer = keras.optimizers.Adam(1e-2)
    model.compile(optimizer, "mse")
    return checkpoints.Training(folder, model, optimizer, {"seed": 0} | settings)


def _epoch(training, killed_at=None):
    def one_epoch(epoch):
        rng = checkpoints.epoch_rng(0, epoch)
        losses = []
        for batch in range(2):
            if (epoch, batch) == killed_at:
                raise Killed
            losses.append(training.model.train_on_batch(rng.normal(size=(8, 3)), rng.normal(size=(8, 1))))
        return {"loss": np.mean(losses)}

    return one_epoch


def _weights(training):
    return [np.asarray(v.value) for v in (*training.model.variables, *training.optimizer.variables)]


def test_a_training_that_was_killed_ends_in_the_same_weights(tmp_path):
    whole = _training(tmp_path / "whole")
    expected = whole.run(4, _epoch(whole))
    stopped = _training(tmp_path / "killed")
    with pytest.raises(Killed):
        stopped.run(4, _epoch(stopped, (2, 1)))
    heard = []
    again = _training(tmp_path / "killed")
    assert again.run(4, _epoch(again), lambda done, figures: heard.append((done, figures["loss"]))) == expected
    assert heard == [(done, expected[done - 1]["loss"]) for done in (2, 3, 4)]
    for one, other in zip(_weights(whole), _weights(again), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["checkpoint.npz"]


def test_checkpoints_of_another_training_and_damaged_ones_are_refused(tmp_path):
    training = _training(tmp_path)
    training.run(1, lambda epoch: {})
    with pytest.raises(ValueError, match="was made with seed=0, but seed=1 came"):
        _training(tmp_path, seed=1).run(1, None)
    other = checkpoints.Training(
        tmp_path, keras.Sequential([keras.Input((3,)), keras.layers.Dense(5)]), keras.optimizers.SGD(), {"seed": 0}
    )
    with pytest.raises(ValueError, match="is of another network"):
        other.run(1, None)
    path = tmp_path / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"checkpoint.npz' is damaged \(.*\): delete it, and the stage begins anew"):
        training.run(1, None)


# ---- environments ----------------------------------------------------------------------------------------------------


def test_pixel_cartpole_moves_as_cartpole_does_and_hides_how_fast():
    true = gymnasium.make("CartPole-v1").unwrapped
    env = environments.make(environments.PIXEL_CARTPOLE)
    check_env(env.unwrapped, skip_render_check=True)
    rng = np.random.default_rng(0)
    for _ in range(5):
        frame, info = env.reset(seed=int(rng.integers(1000)))
        true.reset()
        true.state = tuple(info["state"])
        ended = False
        while not ended:
            np.testing.assert_array_equal(frame, np.round(cartpole.paint(info["state"][None] * [1, 0, 1, 0]))[0])
            action = int(rng.integers(2))
            _, _, expected_end, _, _ = true.step(action)
            frame, reward, ended, _, info = env.step(action)
            np.testing.assert_allclose(info["state"], true.state, rtol=1e-12, atol=1e-12)
            assert ended == expected_end and reward == 1.0
    env.close()


def test_many_pixel_cartpoles_are_as_many_single_ones():
    many = environments.make_many(environments.PIXEL_CARTPOLE, 3, max_episode_steps=30)
    frames, info = many.reset(seed=1)
    singles = [environments.make(environments.PIXEL_CARTPOLE, max_episode_steps=30) for _ in range(3)]
    for one, state in zip(singles, info["state"], strict=True):
        one.reset(options={"state": state})
    rng, ended, cut_off = np.random.default_rng(0), np.zeros(3, bool), 0
    for _ in range(80):
        actions = (info["state"][:, 2] + 0.3 * info["state"][:, 3] > 0.0) if cut_off == 0 else rng.integers(0, 2, 3)
        frames, rewards, terminated, truncated, info = many.step(np.array(actions, int))
        for i, one in enumerate(singles):
            if ended[i]:
                one.reset(options={"state": info["state"][i]})
                assert rewards[i] == 0.0 and not terminated[i] and not truncated[i]
                continue
            frame, reward, *ends, _ = one.step(int(actions[i]))
            assert (reward, *ends) == (rewards[i], terminated[i], truncated[i])
            np.testing.assert_array_equal(frame, frames[i])
        ended = terminated | truncated
        cut_off += truncated.sum()
    assert cut_off, "some were cut off by the limit of steps"


def test_a_hundredth_of_a_pixel_shows_in_a_frame():
    states = np.zeros((200, 4))
    states[:, 0], states[:, 2] = np.linspace(-1.0, 1.0, 200), 0.1
    grey = cartpole.paint(states)[..., 0]
    middle = grey[:, 27:30].sum(axis=1) @ (np.arange(32) + 0.5) / grey[:, 27:30].sum(axis=(1, 2))
    np.testing.assert_allclose(middle, 16.0 + 5.0 * states[:, 0], atol=0.01)
    angles = np.linspace(-0.2, 0.2, 9)
    leans = cartpole.lean(np.round(cartpole.paint(np.stack([0 * angles, 0 * angles, angles, 0 * angles], axis=1))))
    np.testing.assert_allclose(leans, (26.5 - 11.0) * np.tan(angles), atol=0.1)


def test_the_same_frames_come_from_jax():
    states = cartpole.initial_states(np.random.default_rng(0), 5)
    actions = np.array([0, 1, 1, 0, 1])
    after, ended = cartpole.step(states, actions)
    found, also_ended = jax.jit(lambda *given: cartpole.step(*given, xp=jax.numpy))(states.astype("float32"), actions)
    np.testing.assert_allclose(found, after, atol=1e-6)
    np.testing.assert_array_equal(also_ended, ended)
    np.testing.assert_allclose(cartpole.paint(found, jax.numpy), cartpole.paint(after), atol=0.01)


def test_actions_become_vectors_and_come_back():
    rng = np.random.default_rng(0)
    for space in (
        gymnasium.spaces.Discrete(3, start=2),
        gymnasium.spaces.Box(np.array([[-2.0, 0.0]], "float32"), np.array([[2.0, 5.0]], "float32")),
    ):
        actions = environments.actions_of(SimpleNamespace(action_space=space))
        for _ in range(5):
            action = actions.sample(rng)
            assert space.contains(np.int64(action) if actions.kind == "discrete" else action.astype(space.dtype))
            vector = actions.vector(action)
            assert vector.shape == (actions.size,) and np.abs(vector).max() <= 1.0
            np.testing.assert_allclose(actions.action(vector), action, rtol=1e-5, atol=1e-6)
    box = environments.actions_of(SimpleNamespace(action_space=space))
    np.testing.assert_allclose(box.vector([[[-2.0, 5.0]], [[0.0, 2.5]]]), [[-1.0, 1.0], [0.0, 0.0]])


class _Odd(gymnasium.Env):
    """Observations and actions as told."""

    def __init__(self, observations, actions):
        self.observation_space, self.action_space = observations, actions


def test_environments_that_cannot_be_learnt_are_refused_in_a_sentence(monkeypatch):
    vectors, two = gymnasium.spaces.Box(-1.0, 1.0, (2,)), gymnasium.spaces.Discrete(2)
    for observations, actions, message in (
        (two, two, r"observations must be frames .* but those of 'odd-v0' are Discrete\(2\)"),
        (
            vectors,
            gymnasium.spaces.MultiBinary(3),
            r"actions must be Discrete .* but those of 'odd-v0' are MultiBinary\(3\)",
        ),
        (
            vectors,
            gymnasium.spaces.Box(-np.inf, np.inf, (1,)),
            r"a Box with finite bounds, but those of 'odd-v0' are Box\(-inf",
        ),
    ):
        given = {"observations": observations, "actions": actions}
        with monkeypatch.context() as patch:
            patch.setitem(
                gymnasium.registry, "odd-v0", gymnasium.envs.registration.EnvSpec("odd-v0", _Odd, kwargs=given)
            )
            with pytest.raises(ValueError, match=message):
                environments.make("odd-v0", disable_env_checker=True)
    with pytest.raises(ValueError, match=r"Gymnasium cannot make the environment 'CarRacin-v3': .*doesn't exist"):
        environments.make("CarRacin-v3")
    with pytest.raises(
        ImportError, match=r"'needs-v0' needs a package that is not installed: pip install 'mdn\[world\]' \(ale\)"
    ):
        environments._made(_without_a_package, "needs-v0")
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(
        ImportError, match=r"need the package gymnasium, which is not installed: pip install 'mdn\[world\]'"
    ):
        environments.make("CartPole-v1")


def _without_a_package():
    raise gymnasium.error.DependencyNotInstalled("ale")


def test_frames_of_carracing_lose_their_dashboard():
    pytest.importorskip("Box2D", reason="needs Box2D: pip install 'gymnasium[box2d]'")
    env, whole = (make("CarRacing-v3") for make in (environments.make, gymnasium.make))
    small, frame = env.reset(seed=0)[0], whole.reset(seed=0)[0]
    env.close()
    whole.close()
    assert small.shape == (64, 64, 3) and small.dtype == np.uint8
    blocks = frame[:84].astype(float)
    for share in (slice(0, 42), slice(42, 84)):  # the mean colour stays, above and below
        part = small[share.start * 64 // 84 : share.stop * 64 // 84]
        np.testing.assert_allclose(part.mean(axis=(0, 1)), blocks[share].mean(axis=(0, 1)), atol=1.0)


def test_frames_of_carracing_are_those_of_gymnasium_without_what_is_out_of_sight():
    room = pytest.importorskip("gymnasium.envs.box2d.car_racing", reason="needs Box2D")
    from mdn.applications.world import racing_painter

    envs = [gymnasium.make("CarRacing-v3") for _ in range(2)]
    racing_painter.paint_what_shows(envs[0].unwrapped)
    painted = []
    for env in envs:
        paint, count = env.unwrapped._draw_colored_polygon, [0]
        env.unwrapped._draw_colored_polygon = lambda *given, paint=paint, count=count, **named: (
            count.__setitem__(0, count[0] + 1),
            paint(*given, **named),
        )
        painted.append(count)
    for seed in range(2):  # another track, and the zoom of its first second
        ours, theirs = (env.reset(seed=seed)[0] for env in envs)
        for step in range(70):
            np.testing.assert_array_equal(ours, theirs)
            action = np.array([0.6 if step > 50 else 0.0, 0.8, 0.0], "float32")
            ours, theirs = (env.step(action)[0] for env in envs)
    assert room.PLAYFIELD and painted[0][0] < 0.8 * painted[1][0]
    for env in envs:
        env.close()


# ---- collecting ------------------------------------------------------------------------------------------------------


def _experiment(folder, name=environments.PIXEL_CARTPOLE):
    return storage.Experiment.create(folder, name, 5)


def _files(folder, room):
    return {path.name: path.read_bytes() for path in (folder / room).iterdir()}


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """An experiment with 6 chunks of 8 episodes of PixelCartPole."""
    experiment = _experiment(tmp_path_factory.mktemp("collected"))
    collect.collect(experiment, 48, "reflex", chunk=8)
    return experiment


def test_episodes_are_what_the_environment_gave(collected):
    assert collected.split() == ([1, 2, 3, 4, 5], [0])
    episodes = [one for part in collected.stream() for one in part]
    assert len(episodes) == 48
    for one in episodes:
        frames = np.round(cartpole.paint(one.states))
        np.testing.assert_array_equal(one.observations, frames)
        after, ended = cartpole.step(one.states[:-1], np.argmax(one.actions, axis=1))
        np.testing.assert_allclose(one.states[1:], after, atol=1e-12)
        assert ended[-1] and one.terminated and not ended[:-1].any() and not one.truncated
        assert one.rewards.sum() == len(one.actions) == len(frames) - 1
    share = np.mean([np.mean((cartpole.lean(one.observations[:-1]) > 0) == one.actions[:, 1]) for one in episodes])
    np.testing.assert_allclose(share, 0.8 + 0.2 * 0.5, atol=0.03)


def test_collecting_that_was_stopped_gives_the_same_files_to_the_byte(collected, tmp_path, monkeypatch):
    experiment = _experiment(tmp_path)
    step, left = pixel_cartpole.PixelCartPole.step, [500]

    def stopping(env, action):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt
        return step(env, action)

    monkeypatch.setattr(pixel_cartpole.PixelCartPole, "step", stopping)
    with pytest.raises(KeyboardInterrupt):
        collect.collect(experiment, 48, "reflex", chunk=8)
    there = experiment.chunks()
    assert 0 < len(there) < 6
    (tmp_path / "episodes" / ".00005.77.npz").write_bytes(b"half a file of one that was killed while it wrote")
    told = []
    found = collect.collect(experiment, 48, "reflex", chunk=8, on_step=lambda *done: told.append(done))
    assert told[0] == (len(there), 6) and told[-1] == (6, 6)
    assert found["episodes"] == 48 and found["mean return"] == found["mean length"] == found["steps"] / 48
    assert _files(tmp_path, "episodes") == _files(collected.folder, "episodes")


def test_as_many_episodes_are_collected_as_were_asked_for(tmp_path):
    """Fault 16 of issue 18: `mdn train world --episodes 4` collected 30, since a file holds 30."""
    experiment = _experiment(tmp_path)

    def sizes(episodes):
        found = collect.collect(experiment, episodes, "random", chunk=3, steps=4)
        assert found["episodes"] == max(episodes, sum(kept))
        return [len(experiment.rewards(i)) for i in experiment.chunks()]

    kept = []
    for episodes, expected in ((4, [3, 1]), (9, [3, 1, 3, 2]), (2, [3, 1, 3, 2])):
        kept = sizes(episodes)
        assert kept == expected
    first = experiment.chunk_path(0).read_bytes()
    experiment.chunk_path(0).unlink()  # by a kill, say
    assert sizes(9) == kept and experiment.chunk_path(0).read_bytes() == first


def test_an_environment_that_raises_has_one_more_try_and_is_then_named(tmp_path, monkeypatch):
    step, raises = pixel_cartpole.PixelCartPole.step, [1]

    def failing(env, action):
        if raises[0]:
            raises[0] -= 1
            raise RuntimeError("no motor")
        return step(env, action)

    monkeypatch.setattr(pixel_cartpole.PixelCartPole, "step", failing)
    assert collect.collect(_experiment(tmp_path), 2, "random", chunk=1, steps=4)["steps"] == 8
    raises[0] = 2
    message = r"raised in step 0 of episode 0 of chunk 2 \(RuntimeError: no motor\), twice: .* the 2 complete ones stay"
    with pytest.raises(ValueError, match=message):
        collect.collect(_experiment(tmp_path), 3, "random", chunk=1, steps=4)
    assert _experiment(tmp_path).chunks() == [0, 1]
    with pytest.raises(ValueError, match="policy must be one of random, held, drive, reflex, but 'rash' came"):
        collect.collect(_experiment(tmp_path), 3, "rash")


def test_chunks_of_killed_processes_are_made_again(tmp_path):
    trace = tmp_path / "trace"

    def killing(actions, rng):
        if not trace.exists():
            trace.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return lambda observation: actions.sample(rng)

    alone, together = (_experiment(tmp_path / name) for name in ("alone", "together"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # loky's, of the process that died
        collect.collect(together, 2, killing, chunk=1, steps=4, workers=2)
    assert trace.exists()
    collect.collect(alone, 2, killing, chunk=1, steps=4)
    assert _files(alone.folder, "episodes") == _files(together.folder, "episodes")


def test_damaged_files_and_those_of_another_environment_are_named(collected, tmp_path):
    shutil.copytree(collected.folder, tmp_path, dirs_exist_ok=True)
    experiment = storage.Experiment.open(tmp_path)
    path = experiment.chunk_path(2)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"00002.npz' is damaged \(.*\): delete it and run --stage collect again"):
        list(experiment.stream())
    path.unlink()
    collect.collect(experiment, 48, "reflex", chunk=8)
    assert path.read_bytes() == whole
    with pytest.raises(ValueError, match=r"V has not seen the episodes of chunk 0 yet .*: run --stage see first"):
        experiment.latents(0)
    with pytest.raises(
        ValueError, match=r"has environment='mdn/PixelCartPole-v0', but 'CartPole-v1' came: give the same"
    ):
        _experiment(tmp_path, "CartPole-v1")
    about = tmp_path / "experiment.json"
    about.write_text(about.read_text().replace(environments.PIXEL_CARTPOLE, "CartPole-v1"))
    with pytest.raises(
        ValueError, match=r"episodes in .* belong to the environment 'mdn/PixelCartPole-v0', but .* 'CartPole-v1'"
    ):
        storage.Experiment.open(tmp_path).read(0)
    with pytest.raises(FileNotFoundError, match=r"there is no experiment in .*nowhere'"):
        storage.Experiment.open(tmp_path / "nowhere")


# ---- seeing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("ours", "theirs"), [(Halve, keras.layers.Conv2D), (Double, keras.layers.Conv2DTranspose)])
def test_convolutions_are_those_of_keras(ours, theirs):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 8, 6, 3)).astype("float32")
    mine, reference = ours(5), theirs(5, 4, strides=2, padding="same")
    mine.build(x.shape)
    reference.build(x.shape)
    shape = reference.compute_output_shape(x.shape)
    weights = [np.asarray(v.value) for v in reference.variables]
    weights[1] = rng.normal(size=5).astype("float32")
    given = rng.normal(size=shape).astype("float32")

    def slopes(layer):
        def cost(weights, x):
            return jax.numpy.vdot(layer.stateless_call(weights, [], x)[0], given)

        return jax.jit(jax.value_and_grad(cost, argnums=(0, 1)))(weights, x)

    for one, other in zip(jax.tree.leaves(slopes(mine)), jax.tree.leaves(slopes(reference)), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


def test_the_cost_of_v_is_a_sum_over_pixels_and_a_divergence_with_a_floor():
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (4, 4, 8, 2)).astype("uint8")
    noise = rng.normal(size=(4, 3)).astype("float32")
    keras.utils.set_random_seed(0)
    model = Vision((4, 8, 2), 3, (4,), noise=0.2, kl_floor=4.2)
    model.eye.layers[-1].kernel.assign(1.2 * rng.normal(size=model.eye.layers[-1].kernel.shape))
    mean, log_variance = model.encode(frames)
    z = mean + np.exp(0.5 * log_variance) * noise
    decoded = np.asarray(jax.jit(model.decode_mean)(z))
    error = sum(((frames[i] / 255.0 - decoded[i]) ** 2).sum() for i in range(4)) / 4
    posterior, prior = stats.norm(mean, np.exp(0.5 * log_variance)), stats.norm()
    at = posterior.ppf((np.arange(20_000)[:, None, None] + 0.5) / 20_000)
    divergence = np.mean(posterior.logpdf(at) - prior.logpdf(at), axis=0).sum(axis=1)
    assert divergence.min() < 4.2 * 3 < divergence.max(), "some are charged the floor, some more"
    found = [float(each) for each in jax.jit(model.costs)(frames, noise)]
    np.testing.assert_allclose(found[:2], [error, divergence.mean()], rtol=2e-3)
    charged = np.maximum(divergence, 4.2 * 3).mean()
    np.testing.assert_allclose(found[2], error / (2 * 0.2**2) + charged, rtol=2e-3)


_SMALL = {"epochs": 3, "latent_size": 6, "filters": (4, 8), "noise": 0.1, "batch_size": 16, "learning_rate": 4e-3}


@pytest.fixture(scope="module")
def seen(collected):
    """(V of the collected episodes, figures of its epochs)."""
    return see.see(collected, **_SMALL)


def test_v_learns_frames_and_says_what_it_sees_in_each(collected, seen):
    model, figures = seen
    assert figures[-1]["held-out squared error"] < 0.7 * see.error_of_mean_frame(collected)
    assert len(figures) == 3
    again = load_vision(collected)
    for chunk in collected.chunks():
        for latents, episode in zip(collected.latents(chunk), collected.read(chunk), strict=True):
            for name in ("actions", "rewards", "terminated", "truncated", "states"):
                np.testing.assert_array_equal(getattr(latents, name), getattr(episode, name))
    mean, log_variance = again.encode(episode.observations)
    np.testing.assert_allclose(latents.mean, mean, atol=1e-4)
    np.testing.assert_allclose(latents.log_variance, log_variance, atol=1e-4)
    frames = episode.observations[:4]
    decoded = again.decode(again.encode(frames)[0])
    assert decoded.dtype == np.uint8 and decoded.shape == frames.shape
    in_program = jax.jit(lambda frames: 255.0 * model.decode_mean(model.encode_mean(frames)))(frames)
    np.testing.assert_allclose(in_program, decoded, atol=0.51)
    with pytest.raises(ValueError, match=r"must have the shape \('N', 32, 32, 1\), but \(2, 8, 8, 1\) came"):
        model.encode(np.zeros((2, 8, 8, 1)))


def test_seeing_that_was_stopped_ends_in_the_same_weights(collected, seen, tmp_path, monkeypatch):
    shutil.copytree(collected.folder / "episodes", tmp_path / "episodes")
    experiment = _experiment(tmp_path)
    with pytest.raises(ValueError, match=r"there is no V .*: run --stage see first"):
        load_vision(experiment)
    shuffled, calls = see.shuffled, []

    def killed(*given):
        calls.append(given)
        for place, batch in enumerate(shuffled(*given)):
            if len(calls) == 3 and place == 5:
                raise Killed
            yield batch

    monkeypatch.setattr(see, "shuffled", killed)
    with pytest.raises(Killed):
        see.see(experiment, **_SMALL)
    monkeypatch.undo()
    told = []
    model, figures = see.see(experiment, **_SMALL, on_step=lambda done, found: told.append(done))
    assert told == [2, 3] and figures == seen[1]
    for one, other in zip(model.get_weights(), seen[0].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert _files(tmp_path, "latents") == _files(collected.folder, "latents")
    collect.collect(experiment, 56, "random", chunk=8)  # V stays, and sees the new ones
    again, figures = see.see(experiment, **_SMALL)
    np.testing.assert_array_equal(again.get_weights()[0], model.get_weights()[0])
    assert len(experiment.latents(6)) == 8 and figures == seen[1]
    about = tmp_path / "experiment.json"
    about.write_text(about.read_text().replace(environments.PIXEL_CARTPOLE, "CartPole-v1"))
    with pytest.raises(
        ValueError, match=r"weights in .*vision.keras' belong to the environment 'mdn/PixelCartPole-v0'"
    ):
        load_vision(storage.Experiment.open(tmp_path))


def test_frames_are_shuffled_a_few_files_at_a_time_and_none_is_lost(collected, monkeypatch):
    frames = np.concatenate([one.observations for part in collected.stream() for one in part])
    monkeypatch.setattr(see, "_ROOM", frames.nbytes // 3)
    batches = [list(see.shuffled(collected, collected.chunks(), 64, checkpoints.epoch_rng(0, 0))) for _ in range(2)]
    np.testing.assert_array_equal(batches[0], batches[1])
    assert len(batches[0]) == len(frames) // 64

    def counted(rows):
        return Counter(row.tobytes() for row in rows)

    assert not counted(np.concatenate(batches[0])) - counted(frames), "each comes once"


def test_vectors_are_standardised(tmp_path):
    experiment = storage.Experiment.create(tmp_path, "Pendulum-v1", 0)
    collect.collect(experiment, 4, "held", chunk=2, steps=20)
    model, figures = see.see(experiment)
    assert figures == [] and isinstance(model, Standardised)
    learnt = np.concatenate([one.observations for one in experiment.read(1)])
    latents = experiment.latents(1)
    z = np.concatenate([one.mean for one in latents])
    np.testing.assert_allclose(z, (learnt - learnt.mean(axis=0)) / learnt.std(axis=0), rtol=1e-3, atol=1e-4)
    many = environments.make_many("Pendulum-v1", 2)
    seen, _ = many.reset(seed=0)
    assert seen.shape == (2, 3) and environments.actions_of(many).vector(many.action_space.sample()).shape == (2, 1)
    many.close()
    np.testing.assert_allclose(load_vision(experiment).decode(z), learnt, rtol=1e-4, atol=1e-5)
    assert np.isneginf(latents[0].log_variance).all() and latents[0].actions.shape == (20, 1)
    assert latents[0].truncated and not latents[0].terminated


# ---- commands --------------------------------------------------------------------------------------------------------


def test_stages_by_command(tmp_path):
    def run(*arguments):
        return CliRunner().invoke(mdn_cli.app, ["train", "world", "--out", str(tmp_path / "w"), *arguments])

    ran = run("--stage", "see", "--env", "mdn/PixelCartPole-v0")
    assert ran.exit_code == 2 and "yet: run --stage collect first." in ran.output.replace("\n", " ")
    assert not (tmp_path / "w").exists()
    ran = run("--stage", "collect")
    assert ran.exit_code == 2 and "say --env" in ran.output
    ran = run("--stage", "collect", "--env", "Nowhere-v0")
    assert ran.exit_code == 2 and "Gymnasium cannot make the environment 'Nowhere-v0'" in ran.output
    ran = run("--stage", "collect", "--env", "Pendulum-v1", "--episodes", "40", "--steps", "10")
    assert ran.exit_code == 0 and "40 episodes, 400 steps" in ran.output, ran.output
    ran = run("--stage", "see")
    assert ran.exit_code == 0 and "see: vectors of 3 numbers" in ran.output, ran.output
    ran = run("--stage", "see", "--env", "CartPole-v1")
    assert ran.exit_code == 2 and "belong to the environment 'CartPole-v1'" in ran.output.replace("\n", " ")


def test_the_command_collects_as_many_as_were_asked_for_in_two_files_at_least(tmp_path):
    """Fault 16 of issue 18: `--episodes 4` collected 30."""
    arguments = ["--stage", "collect", "--env", "Pendulum-v1", "--episodes", "5", "--steps", "4"]
    ran = CliRunner().invoke(mdn_cli.app, ["train", "world", "--out", str(tmp_path / "w"), *arguments])
    assert ran.exit_code == 0 and "collect: 5 episodes, 20 steps" in ran.output, ran.output
    assert len(storage.Experiment.open(tmp_path / "w").split()[0]) == 1, "a file to learn from beside one to judge by"


def test_reconstructions_are_painted_below_frames(collected, seen, tmp_path):
    frames = see_pictures.some_frames(collected, 4)
    see_pictures.write_reconstructions(tmp_path / "f.png", seen[0], frames)
    page = np.asarray(Image.open(tmp_path / "f.png"))
    assert page.shape == (204, 404, 3)
    np.testing.assert_array_equal(page[4:100:3, 104:200:3], np.repeat(frames[1], 3, axis=2))
    np.testing.assert_array_equal(page[104:200:3, 4:100:3, 0], seen[0].decode(seen[0].encode(frames[:1])[0])[0, ..., 0])
    with pytest.raises(ValueError, match=r"end in \.png, but 'f.svg' came"):
        see_pictures.write_reconstructions(tmp_path / "f.svg", seen[0], frames)
