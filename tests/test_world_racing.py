"""`mdn/CarRacing-v0`: CarRacing-v3 with a fast painter, beside Gymnasium's own."""

import pickle

import numpy as np
import pytest

from mdn.applications.world import collect, environments

pytest.importorskip("Box2D", reason="needs Box2D: pip install 'gymnasium[box2d]'")
gymnasium = pytest.importorskip("gymnasium")
pytestmark = pytest.mark.project


def _made(**settings):
    return environments.make(environments.CAR_RACING, **settings)


def _driven(seed: int, count: int) -> np.ndarray:
    """Actions that hold a wheel and a pedal for a while: straight on, in curves, spinning on the grass."""
    rng = np.random.default_rng(seed)
    kept = [(rng.uniform(-1, 1), rng.uniform(-0.2, 1)) for _ in range(-(-count // 6))]
    return np.repeat(np.array(kept, "float32"), 6, axis=0)[:count]


def test_frames_are_within_a_grey_level_of_those_of_gymnasium():
    fast, slow = (_made(painter=painter, repeat=3) for painter in ("fast", "gymnasium"))
    differences = []
    for seed in range(2):
        seen = [env.reset(seed=seed)[0] for env in (fast, slow)]
        for action in _driven(seed, 45):
            assert seen[0].shape == (64, 64, 3) and seen[0].dtype == np.uint8
            differences.append(np.abs(seen[0].astype(float) - seen[1]).mean())
            seen = [env.step(action)[0] for env in (fast, slow)]
    assert np.mean(differences) <= 1.0 and np.max(differences) <= 4.0
    fast.close()
    slow.close()


@pytest.mark.parametrize("repeat", [1, 4])
def test_rewards_and_ends_are_those_of_carracing(repeat):
    ours, theirs = _made(repeat=repeat), gymnasium.make("CarRacing-v3")
    ours.reset(seed=5)
    theirs.reset(seed=5)
    assert ours.unwrapped.track == theirs.unwrapped.track
    for steer, pedal in _driven(1, 60 // repeat):
        _, reward, terminated, truncated, _ = ours.step(np.array([steer, pedal]))
        kept = np.array([steer, max(pedal, 0), max(-pedal, 0)], "float32")
        found = [theirs.step(kept)[1:4] for _ in range(repeat)]
        assert reward == sum(one[0] for one in found) and (terminated, truncated) == found[-1][1:]
    assert tuple(ours.unwrapped.car.hull.position) == tuple(theirs.unwrapped.car.hull.position)
    ours.close()
    theirs.close()


def test_an_episode_has_a_thousand_steps_of_carracing_whatever_the_repeat():
    env = _made(repeat=3, steps=100)
    env.reset(seed=0)
    steps, truncated, total = [], False, 0.0
    while not truncated:
        _, reward, terminated, truncated, info = env.step(np.zeros(2))
        steps.append(info["steps"])
        total += reward
        assert not terminated
    assert steps[-1] == 100 and len(steps) == 34
    env.reset(seed=0)
    assert env.step(np.zeros(2))[-1]["steps"] == 3
    assert _made().unwrapped._most == 1000
    env.close()


def test_who_leaves_the_field_loses_a_hundred_points_and_is_seen_where_it_ends():
    env = _made()
    env.reset(seed=0)
    car = env.unwrapped.car
    for body in (car.hull, *car.wheels):
        body.position = body.position[0] - 800.0, body.position[1]
    frame, reward, terminated, _, info = env.step(np.array([0.0, 1.0]))
    assert terminated and info["steps"] == 1 and reward == -100.0 and info["lap_finished"] is False
    assert frame.shape == (64, 64, 3)
    env.close()


def test_a_wheel_on_a_tile_changes_its_colour_in_the_frame_too():
    env = _made(repeat=1)
    env.reset(seed=0)
    for _ in range(60):
        env.step(np.array([0.0, 0.5]))
    racing = env.unwrapped
    touched = [tile for tile in racing.road if tile.road_visited]
    assert touched and all(np.array_equal(tile.color, racing.road_color) for tile in touched)
    rows = [color for (_, color), tile in zip(_tiles(racing), racing.road, strict=True) if tile.road_visited]
    assert all(np.array_equal(row, racing.road_color) for row in rows)
    env.close()


def _tiles(racing):
    return [(polygon, color) for polygon, color in racing.road_poly if isinstance(color, np.ndarray)]


def test_settings_that_have_no_meaning_are_refused():
    for settings, word in (({"painter": "slow"}, "painter"), ({"repeat": 0}, "repeat"), ({"steps": 0}, "steps")):
        with pytest.raises(ValueError, match=word):
            _made(**settings)


def test_actions_that_have_no_meaning_are_refused():
    env = _made().unwrapped
    env.reset(seed=0)
    for action in (np.zeros(3), np.array([np.nan, 0.0])):
        with pytest.raises(ValueError, match="`action` must be two finite numbers"):
            env.step(action)
    env.close()


def test_a_copy_has_the_same_settings():
    copied = pickle.loads(pickle.dumps(_made(painter="gymnasium", repeat=2, steps=10).unwrapped))
    assert (copied._painter, copied._repeat, copied._most) == (None, 2, 10)


def test_scores_are_played_with_the_painter_of_gymnasium():
    env = _made(**environments.JUDGED[environments.CAR_RACING])
    assert env.unwrapped._painter is None
    env.close()
    actions = environments.actions_of(_made())
    act = collect.drive(actions, np.random.default_rng(0))
    taken = np.array([act(None) for _ in range(200)])
    assert taken.shape == (200, 2) and taken[:, 1].min() < 0.0 < taken[:, 1].max() <= 1.0
