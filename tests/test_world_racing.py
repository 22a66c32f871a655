"""`mdn/CarRacing-v0`: CarRacing-v3 with a fast painter, beside Gymnasium's own."""

import contextlib
import pickle

import keras
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import mdn_cli
from mdn.applications.world import collect, controller, environments, memory, model, pictures, storage
from mdn.applications.world.vision import Vision
from mdn.data import arrays

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
    assert (copied._painter, copied.repeat, copied._most) == (None, 2, 10)


def test_the_true_state_is_where_the_car_stands_to_the_road():
    env = _made()
    _, info = env.reset(seed=3)
    racing = env.unwrapped
    np.testing.assert_allclose(info["state"][[0, 4, 5]], 0.0, atol=1e-2)
    assert abs(info["state"][1]) < 0.1
    # put beside a tile, 2 m to its right, and turned by 0.3 to the right of the road's direction
    middle = np.array([(x, y) for _, _, x, y in racing.track])
    for i in (40, 120):
        along = middle[(i + 1) % len(middle)] - middle[i]
        direction = np.arctan2(along[1], along[0])
        right = np.array([np.sin(direction), -np.cos(direction)])
        racing.car.hull.position = tuple(middle[i] + 2.0 * right)
        racing.car.hull.angle = direction - np.pi / 2 - 0.3
        racing.car.hull.linearVelocity = tuple(5.0 * np.array([np.cos(direction - 0.3), np.sin(direction - 0.3)]))
        state = racing._true_state()
        np.testing.assert_allclose(state[[0, 1, 4]], [2.0, 0.3, 5.0], atol=0.05)
        ahead = middle[(i + 5) % len(middle)] - middle[(i + 4) % len(middle)]
        turn = (direction - np.arctan2(ahead[1], ahead[0]) + np.pi) % (2 * np.pi) - np.pi
        np.testing.assert_allclose(state[2], turn, atol=1e-6)
    env.close()


def test_a_tile_whose_corners_meet_is_painted_as_well():
    env = _made()
    env.reset(seed=0)
    racing = env.unwrapped
    corners, color = racing.road_poly[0]
    racing.road_poly[0] = [corners[0], corners[0], corners[2], corners[3]], color
    racing._painter._track = None  # a new track
    assert racing._painter.frame().std() > 0.0
    env.close()


@pytest.fixture(scope="module")
def world():
    """A world model with random weights that drives."""
    name = environments.CAR_RACING
    keras.utils.set_random_seed(0)
    vision = Vision((64, 64, 3), 4, (2, 2), mirrored=True, environment=name)
    m = memory.Memory(4, 2, units=3, components=2, environment=name)
    c = controller.Controller(4, 2, "box", hidden_size=4, sees="zz", mirror=(-1, 1), **_scaled(4))
    parameters = np.random.default_rng(0).normal(size=c.size).astype("float32")
    starts = np.zeros((1, 4), "float32"), np.ones((1, 4), "float32")
    return model.WorldModel(name, vision, m, c, parameters, starts)


def _scaled(size):
    return {"shift": np.zeros(size, "float32"), "scale": np.ones(size, "float32")}


def test_steps_of_a_played_episode_are_those_of_carracing(world, tmp_path):
    run = world.play(steps=22, seed=1)
    assert len(run.rewards) == 5 and len(run.frames) == 6  # 4 steps of CarRacing a decision, 22 at most
    world.save(tmp_path / "w")
    again = model.WorldModel.load(tmp_path / "w")
    assert again.controller.describe() == world.controller.describe()
    np.testing.assert_array_equal(again.play(steps=22, seed=1).actions, run.actions)
    # as CarRacing-v3 itself gives them
    env = gymnasium.make("CarRacing-v3")
    env.reset(seed=1)
    for action, reward in zip(run.actions, run.rewards, strict=True):
        steer, pedal = action
        kept = np.array([steer, max(pedal, 0), max(-pedal, 0)], "float32")
        np.testing.assert_allclose(sum(env.step(kept)[1] for _ in range(4)), reward, atol=1e-5)
    env.close()


def test_a_film_shows_the_score_and_what_is_done(world, tmp_path):
    run = world.play(steps=12, seed=1)
    plain, told = tmp_path / "plain.gif", tmp_path / "told.gif"
    pictures.write_film(plain, {"real": run.frames})
    pictures.write_film(told, {"real": run.frames}, rewards={"real": run.rewards}, actions={"real": run.actions})
    with Image.open(plain) as one, Image.open(told) as other:
        assert other.height == one.height + 36 and other.n_frames == one.n_frames == 4
        other.seek(0)
        bars = np.asarray(other.convert("RGB"))[-48:-12]
    for row, value in enumerate(run.actions[0]):
        coloured = (np.abs(bars[18 * row + 9].astype(int) - (42, 111, 151)).sum(axis=1) < 60).sum()
        orange = (np.abs(bars[18 * row + 9].astype(int) - (224, 122, 31)).sum(axis=1) < 60).sum()
        assert abs((coloured if value >= 0 else orange) - abs(value) * 96) < 4


def test_a_controller_that_collects_leaves_the_road_for_as_long_as_was_asked():
    class World(model.WorldModel):
        def __init__(self):
            self.vision, self.parameters = self, np.zeros(1)
            self.senses = self

        def encode(self, seen):
            return (seen,)

        def first_state(self, rows):
            return []

        def _act(self, *given):
            return np.zeros((1, 2))

        def _remember(self, *given):
            return []

    actions = environments.actions_of(_made())
    for explore, held in ((0.1, 1.0), (0.2, 5.0)):
        act = World().policy(explore, held)(actions, np.random.default_rng(0))
        taken = np.array([act(np.zeros(1)) for _ in range(20_000)])
        random = taken[:, 0] != 0.0
        changes = np.any(taken[1:] != taken[:-1], axis=1) & random[1:]
        assert abs(random.mean() - explore) < 0.02 and abs(random.sum() / changes.sum() - held) < 0.15 * held


TOY = environments.Preset(
    "before", 6, 2, 10, latent_size=4, filters=(2, 2), noise=0.25, epochs=1, batch_size=16, units=3, memory_epochs=1,
    generations=2, population=4, mirror=(-1, 1), first_steps=5, patience=8,
    before=environments.Preset(
        "drive", 4, 2, 10, latent_size=4, filters=(2, 2), noise=0.25, epochs=1, batch_size=16, units=3, memory_epochs=1,
        generations=2, population=4, mirror=(-1, 1), first_steps=5, patience=8, sees="zz", collected_steps=6, tests=1,
    ),
)  # fmt: skip


def _files(folder):
    """All that is written but what says how long it took."""
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.npz"))}


def test_rounds_by_command_end_alike_however_often_they_were_stopped(tmp_path, monkeypatch):
    monkeypatch.setitem(environments.PRESETS, environments.CAR_RACING, TOY)
    runner = CliRunner()

    def command(folder, *more):
        asked = ["train", "world", "--env", "CarRacing-v3", "--out", str(folder), *(more or ("--tests", "1"))]
        return runner.invoke(mdn_cli.app, asked)

    whole = command(tmp_path / "whole")
    assert whole.exit_code == 0, whole.output
    assert "CarRacing-v3 is learnt as mdn/CarRacing-v0" in whole.output and "a round before" in whole.output
    assert "4 episodes, 24 steps" in whole.output and "6 episodes" in whole.output
    experiment = storage.Experiment.open(tmp_path / "whole")
    lengths = [len(one) for chunk in experiment.chunks() for one in experiment.rewards(chunk)]
    assert lengths == [6, 6, 6, 6, 10, 10]
    assert model.WorldModel.load(tmp_path / "whole").controller.sees == "zh"
    assert model.WorldModel.load(tmp_path / "whole" / "before", "real-zz").controller.sees == "zz"
    # stopped again and again, where so many files have been written
    parts, real = tmp_path / "parts", arrays.replacing
    for most in (3, 9):
        written = 0

        @contextlib.contextmanager
        def stopping(path, most=most):
            nonlocal written
            with real(path) as temporary:
                yield temporary
            written += 1
            if written == most:
                raise KeyboardInterrupt

        monkeypatch.setattr(arrays, "replacing", stopping)
        assert command(parts).exit_code == 130
        monkeypatch.setattr(arrays, "replacing", real)
    assert command(parts).exit_code == 0
    ended, other = _files(tmp_path / "whole"), _files(parts)
    assert ended.keys() == other.keys()
    for name, written_ in ended.items():
        assert other[name] == written_, name
    again = command(tmp_path / "whole", "--stage", "collect", "--env", "Pendulum-v1")
    assert again.exit_code != 0
    (tmp_path / "whole" / "before" / "act" / "real-zz" / "world.json").write_text("{")
    damaged = command(tmp_path / "whole", "--stage", "collect")
    assert damaged.exit_code != 0 and "world.json" in damaged.output and "Traceback" not in damaged.output


def test_scores_are_played_with_the_painter_of_gymnasium():
    env = _made(judges=True)
    assert env.unwrapped._painter is None
    env.close()
    actions = environments.actions_of(_made())
    act = collect.drive(actions, np.random.default_rng(0))
    taken = np.array([act(None) for _ in range(200)])
    assert taken.shape == (200, 2) and taken[:, 1].min() < 0.0 < taken[:, 1].max() <= 1.0
