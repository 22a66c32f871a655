"""World models, second half: what M expects, dreams as environments, controllers, and the whole of it."""

import json
import os
import shutil
import signal

import keras
import numpy as np
import pytest
from scipy import stats

import mdn
from mdn.applications.world import act, cartpole, controller, environments, judge, memory, model, play, remember, senses
from mdn.applications.world.dream import Dream, starts_of
from mdn.applications.world.storage import Experiment, Latents
from mdn.applications.world.vision import Standardised, Vision
from mdn.distributions.factorised import Factorised, FactorisedSpec
from mdn.sequences.program import program_of

pytestmark = pytest.mark.project
gymnasium = pytest.importorskip("gymnasium")
pytest.importorskip("cma")

UNITS = 12


def episodes(count, seed, deviation=0.02, most=40):
    """Episodes of CartPole whose z is position and angle, seen with a little noise."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(count):
        states, actions, ended = [cartpole.initial_states(rng, 1)[0]], [], False
        while not ended and len(actions) < most:
            actions.append(int(states[-1][2] > 0.0) if rng.random() < 0.8 else int(rng.integers(2)))
            after, over = cartpole.step(states[-1][None], np.array(actions[-1:]))
            states.append(after[0])
            ended = bool(over[0])
        states = np.array(states)
        z = (states[:, [0, 2]] / (1.0, 0.1)).astype("float32")
        vectors = np.eye(2, dtype="float32")[actions]
        rewards = np.ones(len(actions), "float32")
        log_variance = np.full_like(z, 2.0 * np.log(deviation))
        found.append(Latents(z, log_variance, vectors, rewards, ended, not ended, states))
    return found


@pytest.fixture(scope="module")
def known():
    return episodes(96, 0)


@pytest.fixture(scope="module")
def held_out():
    return episodes(16, 1)


SETTINGS = {"epochs": 12, "units": UNITS, "learning_rate": 2e-2, "seed": 3, "environment": environments.PIXEL_CARTPOLE}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Of a whole training, and with what lay there when its fifth epoch was done."""
    return tmp_path_factory.mktemp("whole"), tmp_path_factory.mktemp("killed")


@pytest.fixture(scope="module")
def trained(known, folders):
    whole, killed = folders

    def told(done, figures):
        if done == 5:
            shutil.copy(whole / "checkpoint.npz", killed)

    return remember.train(known, whole, on_step=told, **SETTINGS)


# ---- what M expects ----------------------------------------------------------------------------------------------------


def test_a_factorised_density_is_that_of_scipy_number_by_number():
    rng = np.random.default_rng(0)
    spec = FactorisedSpec(3, 4)
    params = rng.normal(size=(5, spec.params_size)).astype("float32")
    params[:, 12:24] = np.exp(params[:, 12:24])
    y = rng.normal(size=(5, 3)).astype("float32")
    loc, scale, logits = (block.reshape(5, 3, 4) for block in np.split(params.astype("float64"), 3, axis=1))
    weights = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    each = np.log(np.sum(weights * stats.norm.pdf(y[..., None], loc, scale), axis=-1))
    found = spec(params)
    np.testing.assert_allclose(found.log_prob(y), each.sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.marginal([2, 0]).log_prob(y[:, [2, 0]]), each[:, [2, 0]].sum(axis=1), rtol=1e-5)
    missing = np.where([True, False, True], y, np.nan)
    np.testing.assert_allclose(found.log_prob_observed(missing), each[:, [0, 2]].sum(axis=1), rtol=1e-5)
    mean = np.sum(weights * loc, axis=-1)
    np.testing.assert_allclose(found.mean(), mean, rtol=1e-5)
    spread = np.sum(weights * (scale**2 + loc**2), axis=-1) - mean**2
    np.testing.assert_allclose(found.variance(), spread, rtol=1e-4)
    draws = np.asarray(found.sample(20_000, seed=0))
    assert np.all(np.abs(draws.mean(axis=0) - mean) < 5.0 * np.sqrt(spread / 20_000))
    np.testing.assert_array_equal(spec.pack(found), params)
    with pytest.raises(ValueError, match="a Mixture of one coordinate"):
        Factorised(mdn.Normal([0.0], [1.0]))


def test_episodes_are_cut_into_pieces_that_end_only_where_the_episode_does(known):
    long = max(known, key=lambda one: len(one.actions))
    steps = len(long.actions)
    pieces = remember.cut([long], [1.0], window=16)
    assert pieces.lengths.sum() == steps and pieces.lengths.max() <= 16
    ended = pieces.outcome[..., 1]
    assert np.nansum(ended) == long.terminated and np.isnan(ended).sum() == ended.size - steps
    again = np.concatenate([row[:length] for row, length in zip(pieces.mean, pieces.lengths, strict=True)])
    np.testing.assert_array_equal(again, long.mean[:-1])


@pytest.mark.parametrize("head", memory.HEADS)
def test_steps_of_m_give_what_the_whole_gives_and_its_nll_is_that_of_the_distribution(known, head):
    m = remember.fresh(known, 1, head=head, components=2, units=UNITS)
    one = known[0]
    sure = Latents(one.mean, np.full_like(one.mean, -np.inf), *(getattr(one, n) for n in list(vars(one))[2:]))
    params, hidden, _ = program_of(m, m.unroll)(one.mean[None, :-1], one.actions[None], m.first_state(1))
    state, step = m.first_state(1), program_of(m, m.step)
    for t in range(5):
        stepped, state = step(one.mean[t][None], one.actions[t][None], state)
        np.testing.assert_allclose(stepped, params[:, t], atol=1e-5)
        np.testing.assert_allclose(state[0], hidden[:, t], atol=1e-5)
    latent = m.parts(params)["latent"]
    expected = -np.mean(np.asarray(latent.log_prob(one.mean[None, 1:])))
    assert remember.nll(m, [sure], draws=1)["latent"] == pytest.approx(expected, rel=1e-4)
    # what is predicted is the change: z moved elsewhere and read alike moves the locations with it
    moved = np.asarray(latent.mean())[0] - one.mean[:-1]
    assert np.abs(moved).mean() < 0.5 * np.abs(one.mean[:-1]).mean()


def test_m_beats_persistence_and_an_untrained_m_and_a_probe_reads_velocity_from_it(trained, known, held_out):
    m, figures = trained
    found = remember.nll(m, held_out)
    assert found["all"] == pytest.approx(found["latent"] + found["reward"] + found["done"])
    assert found["reward"] == 0.0  # always 1, and M knows that no other came
    floor = remember.persistence(known, held_out)
    assert found["latent"] < min(floor.values()) - 0.5
    assert remember.nll(remember.fresh(known, 3, units=UNITS), held_out)["latent"] > found["latent"] + 0.5
    assert figures[-1]["nll"] < figures[0]["nll"]
    read = judge.probes(m, known, held_out, after=10)
    assert read["z"][0] > 0.99 and read["h"][3] > 0.8 and read["z"][3] < 0.3


def test_a_training_of_m_that_was_killed_ends_in_the_same_weights(trained, known, folders):
    begun = []
    again, figures = remember.train(known, folders[1], on_step=lambda done, figures: begun.append(done), **SETTINGS)
    assert begun == list(range(5, 13))  # those before are not done again
    assert figures == trained[1]
    for one, other in zip(again.get_weights(), trained[0].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="was made with units=12, but units=13"):
        remember.train(known, folders[1], **{**SETTINGS, "units": 13})


def test_rewards_that_are_few_are_classes_and_others_numbers():
    assert remember.rewards_of([1.0, 1.0, -0.5]) == [-0.5, 1.0]
    assert remember.rewards_of(np.linspace(0.0, 1.0, 50)) == []
    few, many = memory.Memory(2, 1, [-0.5, 1.0]), memory.Memory(2, 1)
    assert isinstance(few.spec.parts["reward"], mdn.CategoricalSpec)
    assert isinstance(many.spec.parts["reward"], mdn.MixtureSpec)
    np.testing.assert_array_equal(few.reward_of(np.array([[1.0], [0.0]])), [1.0, -0.5])
    with pytest.raises(ValueError, match="`head` must be one of 'factorised', 'joint', but 'full' came"):
        memory.Memory(2, 1, head="full")


# ---- dreams --------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:.*Box observation space m.*:UserWarning")
@pytest.mark.filterwarnings("ignore:.*Not able to test alternative render modes.*:UserWarning")
def test_a_dream_is_an_environment_and_many_are_a_vector_of_them(trained, known):
    from gymnasium.utils.env_checker import check_env

    from mdn.applications.world.dream_env import DreamEnv, DreamEnvs

    env = environments.make(environments.PIXEL_CARTPOLE)
    actions = environments.actions_of(env)
    dream = Dream(trained[0], starts_of(known))
    check_env(DreamEnv(dream, actions, 10, hidden=True))
    many = DreamEnvs(dream, actions, 6, steps=10, hidden=True)
    seen, _ = many.reset(seed=1)
    assert seen.shape == many.observation_space.shape == (6, 2 + UNITS) and not seen[:, 2:].any()
    ends = np.zeros(6, bool)
    for _ in range(30):
        seen, reward, terminated, truncated, _ = many.step(many.action_space.sample())
        np.testing.assert_array_equal(reward, np.where(ends, 0.0, 1.0))
        assert not seen[ends][:, 2:].any() and (seen[~ends][:, 2:] != 0.0).any(axis=1).all()
        ends = terminated | truncated
    assert many._taken.max() <= 10


def test_dreams_end_as_often_and_vary_as_much_as_m_says(trained, known):
    m, count = trained[0], 4000
    rng = np.random.default_rng(0)
    z = np.tile(np.array([[0.3, 1.9]], "float32"), (count, 1))  # a pole about to fall
    action = np.tile(np.array([[1.0, 0.0]], "float32"), (count, 1))
    state = m.first_state(count)
    parts = m.parts(program_of(m, m.step)(z[:1], action[:1], m.first_state(1))[0])
    found = {}
    for temperature in (0.25, 1.0):
        dream = Dream(m, starts_of(known), variance_temperature=temperature)
        uniforms = rng.uniform(size=(count, dream.sampler.uniforms)).astype("float32")
        normals = rng.standard_normal((count, dream.sampler.normals), "float32")
        after, reward, ended, _ = dream.program("step", dream.step)(
            z, action, state, uniforms, normals, dream.temperatures
        )
        chance = float(parts["done"].probs[0, 0])
        assert 0.01 < chance < 0.99
        assert abs(np.mean(ended) - chance) < 5.0 * np.sqrt(chance * (1.0 - chance) / count)
        assert np.all(np.asarray(reward) == 1.0)
        spread = parts["latent"].with_temperature(variance=temperature).variance()
        np.testing.assert_allclose(np.var(np.asarray(after), axis=0), np.asarray(spread)[0], rtol=0.3)
        found[temperature] = np.var(np.asarray(after), axis=0)
    assert np.all(found[0.25] < found[1.0])
    with pytest.raises(ValueError, match="`variance_temperature` must be a finite number, 0 or above, but -1"):
        Dream(m, starts_of(known), variance_temperature=-1.0)


def test_dreams_side_by_side_are_the_same_for_each_controller(trained, known):
    dream = Dream(trained[0], starts_of(known))
    c = controller.Controller(2, 2)
    left, reflex = np.array([0.0, 0.0, -1.0]), np.array([0.0, 1.0, 0.0])
    found = dream.returns(c, [left, reflex, left], 24, seed=5, steps=60)
    assert found.shape == (3, 24) and found.min() >= 1.0 and found.max() <= 60.0
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found, dream.returns(c, [left, reflex, left], 24, seed=5, steps=60))
    assert found[1].mean() > 1.3 * found[0].mean()  # pushing to where the pole leans helps in dreams, too


# ---- controllers ---------------------------------------------------------------------------------------------------------


def test_controllers_are_the_maps_they_say():
    rng = np.random.default_rng(0)
    z, h = rng.normal(size=(7, 3)).astype("float32"), rng.normal(size=(7, 2)).astype("float32")
    shift, scale = np.array([0.5, -0.5], "float32"), np.array([2.0, 0.5], "float32")
    linear = controller.Controller(3, 2, "box", hidden_size=2, shift=shift, scale=scale)
    assert linear.size == 6 * 2
    parameters = rng.normal(size=(7, linear.size)).astype("float32")
    x = np.concatenate([z, (h - shift) / scale], axis=1)
    wanted = np.tanh(np.einsum("ri,rio->ro", x, parameters[:, :10].reshape(7, 5, 2)) + parameters[:, 10:])
    np.testing.assert_allclose(linear.act(parameters, z, h), wanted, atol=1e-5)
    layered = controller.Controller(3, 4, units=5)
    assert layered.size == 4 * 5 + 6 * 3
    chosen = np.asarray(layered.act(rng.normal(size=(7, layered.size)).astype("float32"), z, None))
    np.testing.assert_array_equal(chosen.sum(axis=1), 1.0)
    with pytest.raises(ValueError, match=r"`shift` must have shape \(2,\), but \(0,\) came"):
        controller.Controller(3, 2, hidden_size=2)


def test_a_search_finds_the_top_of_a_hill_and_goes_on_where_it_was_killed(tmp_path):
    c = controller.Controller(3, 2)
    top = np.arange(c.size)

    def returns(candidates, generation):
        return -np.sum((candidates - top) ** 2, axis=1)

    class Killed(Exception):
        pass

    def told(generation, figures):
        if generation == 40:
            raise Killed

    settings = {"generations": 120, "sigma": 0.5}
    whole, figures = controller.evolve(c, returns, tmp_path / "whole", **settings)
    np.testing.assert_allclose(whole, top, atol=1e-2)
    with pytest.raises(Killed):
        controller.evolve(c, returns, tmp_path / "parts", on_step=told, **settings)
    again, others = controller.evolve(c, returns, tmp_path / "parts", **settings)
    np.testing.assert_array_equal(again, whole)
    assert others == figures
    only_each = controller.evolve(c, returns, tmp_path / "each", separable=True, **settings)[0]
    np.testing.assert_allclose(only_each, top, atol=0.1)
    assert not np.array_equal(only_each, whole)
    # left to itself, a search that was begun in one way goes on in that way
    np.testing.assert_array_equal(controller.evolve(c, returns, tmp_path / "each", **settings)[0], only_each)
    with pytest.raises(ValueError, match="was made with seed=0, but seed=1"):
        controller.evolve(c, returns, tmp_path / "parts", seed=1, **settings)


# ---- the whole -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def world():
    """V and M with random weights, and a controller."""
    frame = (cartpole.SIDE, cartpole.SIDE, 1)
    vision = Vision(frame, 3, (2, 4, 4), environment=environments.PIXEL_CARTPOLE)
    m = memory.Memory(3, 2, [1.0], units=4, components=2, environment=environments.PIXEL_CARTPOLE)
    c = controller.Controller(3, 2, hidden_size=4, shift=np.zeros(4, "float32"), scale=np.ones(4, "float32"))
    parameters = np.random.default_rng(3).normal(size=c.size).astype("float32")
    starts = np.zeros((2, 3), "float32"), np.ones((2, 3), "float32")
    return model.WorldModel(environments.PIXEL_CARTPOLE, vision, m, c, parameters, starts)


def test_episodes_in_one_program_earn_what_they_earn_step_by_step(world):
    candidates = np.stack([world.parameters, np.random.default_rng(4).normal(size=world.controller.size)])
    awake = play.Play(world.environment, world.vision, world.senses)
    found = awake.returns(world.controller, candidates, 3, seed=9)
    starts = cartpole.initial_states(np.random.default_rng(9), 3)
    env = environments.make(world.environment)
    for row, start in enumerate(starts):
        seen, _ = env.reset(options={"state": start})
        state, total, ended = world.memory.first_state(1), 0.0, False
        while not ended:
            z = world.vision.encode(seen[None])[0]
            vector = np.asarray(world._act(candidates[:1].astype("float32"), z, state))
            state = world._remember(z, vector, state)
            seen, reward, ended, _, _ = env.step(int(np.argmax(vector)))
            total += reward
        assert found[0, row] == total
    env.close()


class _Seesaw(gymnasium.Env):
    """Its number moves as one acts; an episode ends where it leaves ±1, and at 20 steps; `lost` counts steps after the end."""

    observation_space, action_space = gymnasium.spaces.Box(-9, 9, (2,)), gymnasium.spaces.Box(-1, 1, (1,))
    steps = 0

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place, self.steps = self.np_random.uniform(-0.5, 0.5), 0
        return self._seen(), {}

    def step(self, action):
        self.place += 0.2 * float(action[0])
        self.steps += 1
        if self.place > 0.9:
            raise RuntimeError("fell off")
        return self._seen(), 1.0 - abs(self.place), self.place < -0.9, self.steps >= 20, {}

    def _seen(self):
        return np.array([self.place, 1.0], "float32")


class _AsItIs(keras.layers.Layer):
    """A V for vectors that changes nothing."""

    def encode_mean(self, seen):
        return seen


@pytest.fixture
def seesaw(monkeypatch):
    spec = gymnasium.envs.registration.EnvSpec("seesaw-v0", _Seesaw)
    monkeypatch.setitem(gymnasium.registry, "seesaw-v0", spec)
    return "seesaw-v0", controller.Controller(2, 1, "box")


def test_controllers_side_by_side_earn_what_each_earns_alone(seesaw, monkeypatch):
    name, c = seesaw
    monkeypatch.setattr(play, "_AT_ONCE", 4)
    candidates = np.array([[-1.0, 0.0, 0.0], [-2.0, -0.3, -0.2], [0.5, -1.5, 0.0]], "float32")
    found = play.Play(name, _AsItIs()).returns(c, candidates, 3, seed=4)
    starts = np.random.default_rng(4).integers(2**31, size=3)
    env = environments.make(name)
    for candidate, earned in zip(candidates, found, strict=True):
        for start, value in zip(starts, earned, strict=True):
            (seen, _), total, ended = env.reset(seed=int(start)), 0.0, False
            while not ended:
                action = np.tanh(seen @ candidate[:2] + candidate[2])
                seen, reward, gone, late, _ = env.step(np.array([action], "float32"))
                total, ended = total + reward, gone or late
            np.testing.assert_allclose(value, total, rtol=1e-4)
    assert len({round(float(value), 3) for value in found.ravel()}) > 6, "episodes end at different times"


def test_an_environment_that_raises_while_controllers_are_tried_is_named(seesaw):
    name, c = seesaw
    message = r"'seesaw-v0' raised at step \d+ \(RuntimeError: fell off\). Generations that were complete are kept"
    with pytest.raises(ValueError, match=message):
        play.Play(name, _AsItIs()).returns(c, np.array([[0.0, 5.0, 5.0]]), 2, seed=0)


def test_processes_share_the_episodes_and_one_that_is_killed_is_told_of(monkeypatch):
    m = memory.Memory(3, 1, units=4, components=2, environment="Pendulum-v1")
    vision = Standardised(np.zeros(3, "float32"), np.ones(3, "float32"), environment="Pendulum-v1")
    c = controller.Controller(3, 1, "box", hidden_size=4, shift=np.zeros(4, "float32"), scale=np.ones(4, "float32"))
    candidates = np.random.default_rng(0).normal(size=(4, c.size))
    alone, two = (play.Play("Pendulum-v1", vision, senses.Remembered(m), 30, workers=workers) for workers in (1, 2))
    expected = alone.returns(c, candidates, 2, seed=1)
    for _ in range(2):
        np.testing.assert_allclose(two.returns(c, candidates, 2, seed=1), expected, rtol=1e-4)
    alone.steps = two.steps = 40
    longer = alone.returns(c, candidates, 2, seed=1)
    np.testing.assert_allclose(two.returns(c, candidates, 2, seed=1), longer, rtol=1e-4)
    assert np.all(longer < expected)
    monkeypatch.setattr(play, "_share", lambda *given: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(ValueError, match=r"a process in which 'Pendulum-v1' ran was killed\. Generations that"):
        two.returns(c, candidates, 2, seed=1)


def test_an_episode_that_has_ended_stands_still_until_it_is_reset_with_a_seed():
    from mdn.applications.world.once import Once

    env = Once(_Seesaw())
    env.reset(seed=0)
    ended = False
    while not ended:
        last, _, gone, late, _ = env.step(np.array([-1.0]))
        ended = gone or late
    steps = env.unwrapped.steps
    again, reward, *over = env.step(np.array([1.0]))
    np.testing.assert_array_equal(again, last)
    np.testing.assert_array_equal(env.reset()[0], last)
    assert reward == 0.0 and over[:2] == [False, False] and env.unwrapped.steps == steps
    env.reset(seed=1)
    assert env.unwrapped.steps == 0 and env.step(np.array([0.0]))[1] > 0.0


class _Idle(gymnasium.Env):
    """Gives the reward that the action says."""

    observation_space, action_space = gymnasium.spaces.Box(-9, 9, (2,)), gymnasium.spaces.Box(-1, 1, (1,))

    def reset(self, *, seed=None, options=None):
        return np.zeros(2, "float32"), {}

    def step(self, action):
        return np.zeros(2, "float32"), float(action[0]), False, False, {}


def test_an_episode_without_rewards_is_cut_off_after_so_many_steps_in_a_row():
    from mdn.applications.world.once import Once

    rewards = [0.0, -1.0, 0.5, 0.0, 0.0, -0.1, 1.0]
    for patience, cut in ((3, 5), (2, 1), (None, None)):
        env = Once(_Idle(), patience)
        env.reset(seed=0)
        ends = [env.step(np.array([reward]))[3] for reward in rewards]
        assert ends == [i == cut for i in range(len(rewards))]
        env.reset(seed=1)
        assert env.step(np.array([0.0]))[3] is False


def test_a_world_model_is_written_read_and_refused_elsewhere(world, tmp_path):
    world.save(tmp_path / "w")
    again = model.WorldModel.load(tmp_path / "w")
    np.testing.assert_array_equal(again.parameters, world.parameters)
    one, other = (each.dream(steps=4, seed=2, variance_temperature=0.5) for each in (world, again))
    np.testing.assert_array_equal(one.frames, other.frames)
    assert one.frames.shape[1:] == world.vision.shape and one.frames.dtype == np.uint8
    with pytest.raises(ValueError, match="belongs to 'mdn/PixelCartPole-v0', but 'Pendulum-v1' was asked for"):
        act.load_controller(tmp_path / "w" / "controller.npz", "Pendulum-v1")
    (tmp_path / "w" / "controller.npz").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="is damaged"):
        model.WorldModel.load(tmp_path / "w")
    with pytest.raises(FileNotFoundError, match="there is no world model in"):
        model.WorldModel.load(tmp_path)
    experiment = Experiment.create(tmp_path / "e", "Pendulum-v1")
    with pytest.raises(ValueError, match=r"there is no M in .* yet .*run --stage remember first"):
        memory.load_memory(experiment)
    memory.memory_path(experiment).parent.mkdir()
    world.memory.save_plain(memory.memory_path(experiment))
    with pytest.raises(ValueError, match="belong to the environment 'mdn/PixelCartPole-v0'"):
        memory.load_memory(experiment)


def test_the_world_that_comes_with_mdn_balances_and_ends_its_dreams():
    shipped = model.WorldModel.load()
    assert shipped.returns(episodes=16, seed=1, steps=160).mean() > 100.0  # random actions: 20
    assert shipped.dream(steps=30, seed=1).frames.shape[1:] == (cartpole.SIDE, cartpole.SIDE, 1)
    told = json.loads((model.SHIPPED["cartpole"] / "world.json").read_text())
    assert told["environment"] == shipped.environment and told["figures"]["mean return"] > 400.0


def test_the_world_of_carracing_that_comes_with_mdn_sees_dreams_and_drives():
    pytest.importorskip("Box2D", reason="needs Box2D: pip install 'gymnasium[box2d]'")
    shipped = model.WorldModel.load("racing")
    assert shipped.environment == environments.CAR_RACING
    awake = shipped.play(steps=400, seed=1)  # in CarRacing-v3 itself, four steps a decision
    assert awake.frames.shape == (101, 64, 64, 3) and awake.actions.shape == (100, 2)
    assert awake.rewards.sum() > 100.0  # who stands still has lost 40
    error = np.sum((shipped.vision.decode(awake.z[20:]) / 255.0 - awake.frames[20:] / 255.0) ** 2, axis=(1, 2, 3))
    assert error.mean() < 20.0  # the mean frame: 122
    assert shipped.dream(steps=40, seed=1).frames.shape[1:] == (64, 64, 3)


def test_a_vector_task_goes_through_all_stages_by_command(tmp_path):
    from typer.testing import CliRunner

    import mdn_cli

    def run(*arguments):
        return CliRunner().invoke(mdn_cli.app, ["train", "world", "--out", str(tmp_path / "w"), *arguments])

    assert "run --stage" in run("--stage", "act", "--env", "Pendulum-v1").output
    found = run("--env", "Pendulum-v1", "--episodes", "40", "--steps", "12", "--stage", "collect")
    assert found.exit_code == 0, found.output
    assert "see first" in run("--stage", "remember").output
    search = ["--steps", "12", "--generations", "2", "--population", "4", "--tests", "3"]
    for stage, given in (("see", ["--epochs", "1"]), ("remember", ["--epochs", "1"]), ("act", search)):
        found = run("--stage", stage, *given)
        assert found.exit_code == 0, found.output
    told = json.loads((tmp_path / "w" / "act" / "real-zh" / "world.json").read_text())
    assert told["generations"] == 2 and -200 * 17.0 < told["figures"]["mean return"] < 0.0
    more = run("--stage", "collect", "--episodes", "60", "--steps", "12", "--policy", "current")
    assert "60 episodes" in more.output and "current" in more.output
