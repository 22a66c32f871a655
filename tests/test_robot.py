"""Robot motion: demonstrations, what counts as staying on the way, the three heads, pictures, commands."""

import importlib
from xml.etree import ElementTree

import keras
import numpy as np
import pytest
from keras import ops

import mdn
from commands import run_here
from mdn.applications.robot import data, judge, model, pictures, rollouts, train

lessons = importlib.import_module("mdn.applications.robot.train")  # the package calls a function by that name

pytestmark = pytest.mark.jax


def roads(count=10, seed=0):
    """Two roads that part at half-way: straight up, then left or right, wavering a little; 200 points as recorded."""
    rng = np.random.default_rng(seed)
    t = np.linspace(0.0, 1.0, 200)
    found = []
    for side in (-1.0, 1.0):
        for _ in range(count):
            height, width = 10.0 + rng.normal(0, 0.3), 8.0 + rng.normal(0, 0.3)
            across = side * width * np.clip(2.0 * t - 1.0, 0.0, 1.0)
            found.append(np.stack([across, height * np.clip(2.0 * t, 0.0, 1.0)], axis=-1))
    return np.array(found, "float32"), np.array(["A"] * count + ["B"] * count)


@pytest.fixture(scope="module")
def letters(tmp_path_factory):
    path = tmp_path_factory.mktemp("robot") / "letters.npz"
    position, letter = roads()
    np.savez(path, position=position + 3.0, letter=letter)
    return path


@pytest.fixture(scope="module")
def demonstrations(letters):
    return data.read_letters(letters, "AB")


def test_demonstrations_begin_at_their_start_and_moves_lead_along_them(demonstrations):
    assert [one.shape for one in demonstrations.values()] == [(10, data.STEPS + 1, 2)] * 2
    for paths in demonstrations.values():
        assert np.all(paths[:, 0] == 0.0) and np.all(np.abs(paths[:, -1, 1] - 10.0) < 1.5)
        np.testing.assert_allclose(data.paths(data.moves(paths)), paths, atol=1e-5)
    learnt, aside = data.split(demonstrations, held_out=3, seed=1)
    for name, paths in demonstrations.items():
        both = np.concatenate([learnt[name], aside[name]])
        assert len(aside[name]) == 3 and len(np.unique(both, axis=0)) == len(paths) == len(both)


def test_bad_files_of_letters_are_named(letters, tmp_path):
    with pytest.raises(ValueError, match="has no letter 'C'; it has AB"):
        data.read_letters(letters, "AC")
    with pytest.raises(ValueError, match="has letters, but none was asked for; it has AB"):
        data.read_letters(letters, "")
    np.savez(tmp_path / "x.npz", place=np.zeros(3))
    with pytest.raises(ValueError, match="must hold `position` and `letter`, but holds place"):
        data.read_letters(tmp_path / "x.npz")


def test_names_longer_than_a_letter_can_be_asked_for(tmp_path):
    """Fault 14c of issue 18: `--letters Angle,Sine` asked for the letter A."""
    position, _ = roads(2)
    np.savez(tmp_path / "x.npz", position=position, letter=np.array(["Angle", "Angle", "Sine", "Sine"]))
    for asked in ("Sine,Angle", " Sine , Angle ,", ["Sine", "Angle"], "Sine,Angle,Sine"):
        assert list(data.read_letters(tmp_path / "x.npz", asked)) == ["Sine", "Angle"]
    assert list(data.read_letters(tmp_path / "x.npz", "Angle")) == ["Angle"]
    with pytest.raises(ValueError, match="has no letter 'D'; it has Angle, Sine"):
        data.read_letters(tmp_path / "x.npz", "DHBK")
    with pytest.raises(ValueError, match="has no letter 'Line'; it has Angle, Sine"):
        data.read_letters(tmp_path / "x.npz", "Angle,Line")


FLAT = np.arange(72.0).reshape(4, 9, 2)
NAMES = np.array(["A", "A", "B", "B"])


@pytest.mark.parametrize(
    ("position", "letter", "sentence"),
    [
        (np.zeros((4, 9, 3)), NAMES, r"has 3 coordinates, but this network draws in the plane: keep two"),
        (np.zeros((4, 9)), NAMES, r"must be numbers of shape \(count, points, 2\), but float64 of shape \(4, 9\) came"),
        (np.full((4, 9, 2), "a"), NAMES, "must be numbers"),
        (FLAT[:, :8], NAMES, "needs more than 8 points, but these have 8"),
        (np.where(FLAT == 40.0, np.nan, FLAT), NAMES, "path 2 holds a number that is not finite"),
        (FLAT, NAMES[:3], r"must name each of the 4 paths, but its shape is \(3,\)"),
        (FLAT, np.array(["A", "A", "A", "B"]), "has 'B' only once"),
        (FLAT, np.array(["A", None], object)[[0, 0, 1, 1]], "is no file of arrays that can be trusted"),
    ],
)
def test_demonstrations_of_another_kind_get_a_sentence(position, letter, sentence, tmp_path):
    """Fault 14c of issue 18: demonstrations in space, and files of MATLAB's, ended in whatever NumPy says."""
    np.savez(tmp_path / "x.npz", position=position, letter=letter)
    with pytest.raises(ValueError, match=sentence) as raised:
        data.read_letters(tmp_path / "x.npz", "AB")
    assert "x.npz" in str(raised.value)


def test_paths_that_never_move_are_padded_or_have_their_axes_swapped_get_a_sentence(tmp_path):
    position, letter = roads()
    place = position + 3.0
    padded, still, back = place.copy(), place.copy(), place.copy()
    padded[1, -3:] = 0.0
    still[2] = still[2, 0]
    back[1] *= np.linspace(1.0, 0.0, position.shape[1])[
        :, None
    ]  # a hand that returns to (0, 0) and rests there is no padding
    back[1, -2:] = 0.0
    for given, message in (
        (padded, r"path 1 jumps to \(0, 0\) and ends with 3 points there, as if it were padded with zeros"),
        (still, "path 2 never moves: all its points are"),
        (place.transpose(0, 2, 1), r"swap the last two axes, position\.transpose\(0, 2, 1\)"),
    ):
        np.savez(tmp_path / "x.npz", position=given, letter=letter)
        with pytest.raises(ValueError, match=rf"x\.npz'.*{message}"):
            data.read_letters(tmp_path / "x.npz", np.unique(letter).tolist())
    np.savez(tmp_path / "x.npz", position=back, letter=letter)
    assert data.read_letters(tmp_path / "x.npz", np.unique(letter).tolist())


def test_a_file_of_matlabs_gets_a_sentence(tmp_path):
    (tmp_path / "Angle.mat").write_bytes(b"MATLAB 5.0 MAT-file")
    with pytest.raises(ValueError, match=r"Angle\.mat' is a file of MATLAB's. Read it with scipy.io.loadmat"):
        data.read_letters(tmp_path / "Angle.mat")


def test_integer_places_are_centred_without_a_wrap(tmp_path):
    position = np.arange(72, dtype="uint8").reshape(4, 9, 2)[:, ::-1]
    np.savez(tmp_path / "x.npz", position=position, letter=NAMES)
    np.testing.assert_array_equal(data.read_letters(tmp_path / "x.npz", "A")["A"][0, :, 0], -2.0 * np.arange(9))


def test_a_line_becomes_a_path_of_equal_steps_and_made_up_paths_part_above_their_stem():
    path = data.evenly([[3.0, 1.0], [3.0, 4.0], [3.0, 4.0], [8.0, 4.0]])  # 3 up, a rest, 5 to the right
    np.testing.assert_allclose(path[[0, 3, 8]], [[0.0, 0.0], [0.0, 3.0], [5.0, 3.0]], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(np.diff(path, axis=0), axis=1), 1.0)
    with pytest.raises(ValueError, match="all points of this one are the same"):
        data.evenly([[1.0, 1.0], [1.0, 1.0]])
    made = data.forks(count=40)
    for name, way in (("left", -1.0), ("right", 1.0)):
        assert made[name].shape == (40, data.STEPS + 1, 2) and np.all(made[name][:, 0] == 0.0)
        np.testing.assert_allclose(made[name].mean(axis=0)[[4, 8]], [[0.0, 6.0], [way * 4.0, 10.0]], atol=0.2)


def test_the_distance_of_paths_is_that_of_their_points():
    t = np.linspace(0.0, 8.0, 9)[:, None]
    line, beside, half = (np.concatenate(pair, axis=1) for pair in ((t, 0 * t), (t, 0 * t + 0.7), (t / 2, 0 * t)))
    slow_start = np.concatenate([8.0 * (t / 8.0) ** 2, 0 * t], axis=1)
    found = data.distances([line], [line, beside, half, slow_start])[0]
    np.testing.assert_allclose(found[:2], [0.0, 0.7], atol=1e-12)
    # of one that stops half-way: the points of its other half are 0 to 4 away from its end, on average 1 over the whole line
    np.testing.assert_allclose(found[2], 0.5 * 1.0, atol=0.05)
    assert found[3] < 0.1, "how fast a hand goes is not asked"
    np.testing.assert_allclose(data.distances([beside], [line]), data.distances([line], [beside]))


def test_the_tolerance_is_the_95th_percentile_of_nearest_others():
    rng = np.random.default_rng(0)
    gaps = rng.uniform(0.0, 1.0, 40).cumsum()
    t = np.linspace(0.0, 1.0, 9)
    lines = np.stack([np.stack([50.0 * t, np.full(9, gap)], axis=-1) for gap in gaps])
    nearest = np.abs(gaps[:, None] - gaps[None]) + np.where(np.eye(40), np.inf, 0.0)
    np.testing.assert_allclose(data.tolerance({"A": lines}), np.quantile(nearest.min(axis=1), 0.95), rtol=1e-9)


def test_who_stops_half_way_strays_or_takes_the_middle_does_not_stay(demonstrations):
    left, right = demonstrations.values()
    both = np.concatenate([left, right])
    assert judge(both, demonstrations) == {"stayed": 1.0, "share of A": 0.5, "share of B": 0.5}
    assert judge(left[:6], demonstrations)["share of A"] == 1.0
    half = both[:, np.r_[0:5, 4, 4, 4, 4]]
    middle = 0.5 * (left + right)
    strayed = both + np.linspace(0.0, 4.0, data.STEPS + 1)[:, None]
    for wrong in (half, middle, strayed):
        assert judge(wrong, demonstrations)["stayed"] == 0.0


def test_squared_error_is_squared_error_and_leaves_filling_out():
    spec = mdn.MixtureSpec(mdn.NormalSpec(2, "full"), 1)
    rng = np.random.default_rng(0)
    y, loc = rng.normal(size=(2, 3, 4, 2))
    params = spec.pack(mdn.Mixture(np.zeros((3, 4, 1)), mdn.MultivariateNormal(loc[..., None, :], np.eye(2))))
    y[1, 2:] = np.nan
    expected = np.nansum((y - loc) ** 2, axis=-1).sum() / (12 - 2)
    found = model.SquaredError(spec)(y.astype("float32"), params)
    np.testing.assert_allclose(float(ops.convert_to_numpy(found)), expected, rtol=1e-5)


def test_the_three_networks_are_of_one_size():
    sizes = {name: model.parameters(model.network(head)) for name, head in model.HEADS.items()}
    assert max(sizes.values()) < 1.02 * min(sizes.values())
    assert sizes["mixture"] == min(sizes.values()), "the mixture has no advantage"


def test_at_a_fork_the_mixture_takes_both_roads_and_least_squares_the_middle(demonstrations):
    made = {}
    for name in ("mixture", "least squares"):
        trained = train(demonstrations, name, epochs=25)
        temperature = model.HEADS[name].variance_temperature
        made[name] = rollouts(trained, 100, variance_temperature=temperature)
        assert made[name].shape == (100, data.STEPS + 1, 2) and np.isfinite(made[name]).all()
    found = judge(made["mixture"], demonstrations)
    assert found["stayed"] > 0.5 and 0.2 < found["share of A"] < 0.8
    assert np.ptp(made["least squares"], axis=0).max() < 1e-4, "one path"
    assert judge(made["least squares"], demonstrations)["stayed"] == 0.0


@pytest.mark.parametrize("unit", [1.0, 1e-3, 1e6])
def test_a_hand_strays_in_the_unit_of_the_demonstrations(unit, demonstrations, monkeypatch):
    """Fault 14c of issue 18: in metres instead of millimetres no rollout stayed, since the jitter was 0.2 in any unit."""
    scaled = {name: paths * unit for name, paths in demonstrations.items()}
    assert lessons.stray(scaled) == pytest.approx(unit * lessons.stray(demonstrations), rel=1e-12)
    asked = {}
    monkeypatch.setattr(mdn.MDNRNN, "fit", lambda self, moves, **settings: asked.update(settings, moves=moves))
    lessons.train(scaled)
    still, rng = asked["moves"][0], np.random.default_rng(0)
    strayed = np.stack([data.paths(asked["encode"](still, rng)) for _ in range(200)]) - data.paths(still)
    assert not strayed[:, 0].any()
    np.testing.assert_allclose(strayed[:, 1:].std(), unit * lessons.stray(demonstrations), rtol=0.03)


@pytest.mark.data
def test_a_hand_strays_as_ever_along_the_letters_of_the_registry(data_folder):
    """What README and benchmarks say was found with 0.2: of all demonstrations, and without those set aside."""
    for letters in ("DHBK", "JL"):
        found = data.read_letters(data_folder / "letters" / "letters.npz", letters)
        assert lessons.stray(found) == 0.2
        assert all(lessons.stray(data.split(found, seed=seed)[0]) == 0.2 for seed in range(5))


def test_what_a_model_is_worth_stands_beside_a_hand_that_remembers_nothing(demonstrations, monkeypatch):
    both = np.concatenate(list(demonstrations.values()))
    monkeypatch.setattr(lessons, "rollouts", lambda *_, **__: both)
    found = lessons.worth(None, demonstrations)
    assert {name: found[name] for name in ("stayed", "share of A", "share of B")} == judge(both, demonstrations)
    # at the fork it goes left or right at each step anew: all four steps of one side are one path in eight
    assert 0.0 < found["stayed, memoryless"] < 0.3
    assert lessons.FLOORS == {"stayed": ("stayed, memoryless",)}


def test_pictures_show_demonstrations_of_any_unit(demonstrations, tmp_path, monkeypatch):
    """Fault 14c of issue 18: a margin of 1.5 made demonstrations in metres a dot."""
    seen = []
    monkeypatch.setattr(pictures, "draw_paths", lambda paths, ax, *_, **__: seen.append(ax))
    for unit in (1.0, 1e-3):
        pictures.write_picture(tmp_path / "r.svg", {name: paths * unit for name, paths in demonstrations.items()})
    np.testing.assert_allclose(np.ptp(seen[-1].get_xlim()), 1e-3 * np.ptp(seen[0].get_xlim()), rtol=1e-6)


def test_heads_are_named(demonstrations):
    with pytest.raises(ValueError, match="`head` must be one of 'mixture', 'one normal', 'least squares', but 'two'"):
        train(demonstrations, "two")


def test_ellipses_lie_where_the_network_expects_the_next_place(demonstrations, tmp_path):
    keras.utils.set_random_seed(0)
    paths = demonstrations["A"]
    network = model.network(model.HEADS["mixture"]).adapt(list(data.moves(paths)))
    thought = model.next_moves(network, paths[0])
    assert thought.batch_shape == (data.STEPS,)
    moves = data.moves(paths[0])
    expected = network.log_prob([moves])[0]
    np.testing.assert_allclose(ops.convert_to_numpy(thought.log_prob(moves)), expected, atol=1e-4)
    pictures.write_picture(
        tmp_path / "r.svg", demonstrations, {"rollouts": paths}, network, {"which way next?": paths[0]}
    )
    ElementTree.parse(tmp_path / "r.svg")
    pictures.write_picture(tmp_path / "r.png", demonstrations)
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match=r"ends in \.svg or \.png"):
        pictures.write_picture(tmp_path / "r.gif", demonstrations)


def test_training_and_generating_by_command(letters, tmp_path):
    ran = run_here(tmp_path, "train", "robot", "--data", str(letters), "--letters", "AB", "--epochs", "1")
    assert ran.exit_code == 0, ran.stderr
    assert "stayed" in ran.stdout and (tmp_path / "robot.json").is_file()
    assert isinstance(model.load(tmp_path / "robot.keras"), mdn.MDNRNN)
    ran = run_here(tmp_path, "generate", "robot", "--count", "5")
    assert ran.exit_code == 0, ran.stderr
    assert "<svg" in (tmp_path / "robot.svg").read_text()
    ran = run_here(tmp_path, "generate", "robot", "--model", "none.keras")
    assert ran.exit_code == 2 and "there is no file 'none.keras'. `mdn train robot" in ran.stderr


def test_models_of_something_else_are_refused(tmp_path):
    other = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(1), 2), units=(3,))
    other.save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="holds no model of a hand's moves"):
        model.load(tmp_path / "other.keras")
