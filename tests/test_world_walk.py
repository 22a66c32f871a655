"""Episodes and dreams that someone watches: they are those of `WorldModel`, frame by frame."""

import sys

import numpy as np
import pytest

from mdn.applications.world import WorldModel, environments
from mdn.applications.world.dream import Dream
from mdn.applications.world.walk import CLOUD, Dreamt, Real, Walk, two_axes

pytestmark = pytest.mark.project

pytest.importorskip("Box2D", reason="needs Box2D: pip install 'gymnasium[box2d]'")
pytest.importorskip("gymnasium")


@pytest.fixture(scope="module", name="world")
def _world():
    return WorldModel.load("cartpole")


@pytest.fixture(scope="module", name="dream")
def _dream(world):
    return Dream(world.memory, world.starts)


def test_a_dream_that_is_watched_is_the_dream_of_the_world_model(world, dream):
    first = world.starts[0][3]
    expected = world.dream(steps=40, seed=5, first=first)
    walk = Dreamt(world, dream, 1)
    walk.begin(np.random.default_rng(0))
    walk.dreamer.begin(np.random.default_rng(5), first[None])
    # `first` of the world model is drawn with no deviation, which takes as many random numbers
    Dream(world.memory, (first[None], np.zeros_like(first)[None])).begin(1, walk.dreamer._rng)
    walk.z = walk.dreamer.z
    for t, action in enumerate(expected.actions):
        np.testing.assert_allclose(walk.z[0], expected.z[t], rtol=1e-4, atol=1e-4)
        walk.step(Walk.of_c)
        np.testing.assert_array_equal(walk.action[0], action)
    assert walk.score == expected.rewards.sum() and walk.ended == expected.ended


def test_an_episode_that_is_watched_is_the_episode_of_the_world_model(world, dream):
    expected = world.play(steps=30, seed=int(np.random.default_rng(3).integers(2**31)))
    walk = Real(world, dream, 1)
    walk.begin(np.random.default_rng(3))
    for t, action in enumerate(expected.actions):
        np.testing.assert_array_equal(walk.frame, expected.frames[t])
        walk.step(Walk.of_c)
        np.testing.assert_array_equal(walk.action[0], action)
    assert walk.score == expected.rewards.sum()
    for part, other in zip(walk.memory_state, walk.state, strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-5, atol=1e-6)  # C of this world sees h of M
    walk.close()


def test_a_car_that_is_watched_frame_by_frame_drives_as_one_that_keeps_its_action():
    whole, parts = environments.make(environments.CAR_RACING), environments.make(environments.CAR_RACING, repeat=1)
    whole.reset(seed=4), parts.reset(seed=4)
    for action in ([0.0, 1.0], [0.6, 0.4], [-0.3, -0.2]):
        frame, reward, *_ = whole.step(np.array(action, "float32"))
        found = [parts.step(np.array(action, "float32")) for _ in range(4)]
        np.testing.assert_array_equal(found[-1][0], frame)
        assert sum(one[1] for one in found) == pytest.approx(reward)
    whole.close(), parts.close()


def test_frames_between_two_decisions_lie_on_the_way(world, dream):
    walk = Dreamt(world, dream, 4)
    walk.begin(np.random.default_rng(1))
    start, seen = walk.z.copy(), []
    for _ in range(4):
        walk.step(Walk.of_c)
        seen.append(walk.frame)
    assert walk.score == 1.0 and (walk.z != start).any()  # one decision, one reward
    for part, frame in zip((0.25, 0.5, 0.75, 1.0), seen, strict=True):
        between = ((1.0 - part) * start + part * walk.z).astype("float32")
        assert np.abs(world.vision.decode(between)[0].astype(int) - frame).max() <= 1


def test_a_dream_from_here_begins_with_the_z_and_the_memory_of_the_real_episode(world, dream):
    real, dreamt = Real(world, dream, 1), Dreamt(world, dream, 1)
    real.begin(np.random.default_rng(2))
    for _ in range(12):
        real.step(Walk.of_c)
    dreamt.begin(np.random.default_rng(9))
    dreamt.begin_at(real, np.random.default_rng(1))
    np.testing.assert_array_equal(dreamt.z, real.z)
    for part, other in zip(dreamt.memory_state + dreamt.state, real.memory_state + real.state, strict=True):
        np.testing.assert_array_equal(part, other)
    np.testing.assert_array_equal(dreamt.of_c(), real.of_c())
    assert dreamt.score == 0.0 and not dreamt.ended
    real.close()


@pytest.mark.parametrize("heat", [1.0, 4.0])
def test_the_cloud_is_the_mixture_that_m_predicts_at_its_temperature(world, heat):
    walk = Dreamt(world, Dream(world.memory, world.starts, variance_temperature=heat), 1)
    walk.begin(np.random.default_rng(6))
    for _ in range(5):
        walk.step(Walk.of_c)
    assert walk.cloud.shape == (CLOUD, world.memory.latent_size)
    action = walk.of_c()
    drawn = walk.dreamer.expected(walk.z, action, walk.memory_state, 4000)
    params, _ = world.memory.step(walk.z, action, walk.memory_state)
    latent = world.memory.parts(params)["latent"].with_temperature(variance=heat)
    mean, variance = np.asarray(latent.mean())[0], np.asarray(latent.variance())[0]
    assert (np.abs(drawn.mean(axis=0) - mean) < 5.0 * np.sqrt(variance / 4000)).all()
    np.testing.assert_allclose(drawn.var(axis=0), variance, rtol=0.35)


def test_dreams_need_no_gymnasium_and_real_episodes_say_what_to_install(world, dream, monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    walk = Dreamt(world, dream, 1)
    walk.begin(np.random.default_rng(1))
    walk.step(Walk.of_c)
    assert walk.frame.shape == (32, 32, 1)
    with pytest.raises(ImportError, match=r"pip install 'mdn\[world\]'"):
        Real(world, dream, 1)


def test_the_plane_of_the_cloud_has_two_directions_in_which_dreams_move(world, dream):
    middle, axes, reach = two_axes(world, dream, np.random.default_rng(0))
    np.testing.assert_allclose(axes.T @ axes, np.eye(2), atol=1e-6)
    assert middle.shape == (16,) and reach > 0.1
