"""The end of every training: written before it is measured, and said to be worth nothing where it does not beat its floors."""

import json
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

import mdn
import mdn_cli
from commands import module, replaced
from mdn import training
from mdn.applications.jam import Jam
from mdn.applications.world.environments import Preset
from mdn.data import write_drawings
from mdn.training.checkpoints import Checkpoints
from mdn_commands import world, world_stages, worth
from mdn_commands.bars import epochs_bar
from mdn_commands.shared import conclude

pytestmark = pytest.mark.jax


@pytest.fixture(scope="module", name="network")
def _network():
    """What stands for any model that was trained."""
    keras.utils.set_random_seed(0)
    return mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(2), 1), units=(2,))


# ---- what all trainings end with -----------------------------------------------------------------------------------------


def told(path):
    return json.loads(Path(path).read_text())


def test_what_a_model_was_made_of_is_on_disk_before_it_is_measured(tmp_path, capsys):
    """Fault 14b of issue 18: a measurement that failed ended the command, and with it what was known of the training."""
    path, seen = tmp_path / "m.json", []

    def measure():
        seen.append(told(path))
        raise KeyError("no such class")

    conclude(Console(), path, {"seed": 3}, measure, {"test NLL": ["floor"]})
    assert seen == [{"seed": 3}]
    (sentence,) = told(path)["warnings"]
    assert told(path) == {"seed": 3, "figures": {}, "warnings": [sentence]}
    assert "it could not be measured: KeyError: 'no such class'" in sentence
    assert f"mdn: warning: {sentence}" in capsys.readouterr().err


def test_ctrl_c_while_measuring_is_no_failed_measurement(tmp_path):
    def measure():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        conclude(Console(), tmp_path / "m.json", {"seed": 3}, measure, {})
    assert told(tmp_path / "m.json") == {"seed": 3}


FLOORS = {"NLL": ("NLL, memoryless", "NLL, order 2")}


@pytest.mark.parametrize(
    ("figures", "higher", "lost"),
    [
        ({"NLL": -4.71, "NLL, memoryless": -4.2, "NLL, order 2": -5.05}, False, ["NLL, order 2"]),
        ({"NLL": -5.06, "NLL, memoryless": -4.2, "NLL, order 2": -5.05}, False, []),
        ({"NLL": -4.2, "NLL, memoryless": -4.2, "NLL, order 2": -5.05}, False, list(FLOORS["NLL"])),
        ({"NLL": float("nan"), "NLL, memoryless": 0.0}, False, ["NLL, memoryless"]),
        ({"NLL": float("inf"), "NLL, memoryless": 0.0}, False, ["NLL, memoryless"]),
        ({"NLL": 0.7, "NLL, memoryless": 0.1, "NLL, order 2": 0.8}, True, ["NLL, order 2"]),
        ({"NLL": 0.0, "NLL, memoryless": 0.0}, True, ["NLL, memoryless"]),
        ({"NLL": 9.0}, False, []),
        ({"another": 9.0, "NLL, memoryless": 0.0}, False, []),
    ],
)
def test_a_model_that_does_not_beat_a_floor_says_so(figures, higher, lost, tmp_path, capsys):
    """Fault 14d of issue 18: a model that lost to its own order-2 floor, -4.71 against -5.05, was praised without comment."""
    conclude(Console(), tmp_path / "m.json", {"seed": 3}, lambda: figures, FLOORS, higher_is_better=higher)
    found = told(tmp_path / "m.json")
    assert list(found["figures"]) == list(figures) and found["seed"] == 3
    warnings = found.get("warnings", [])
    assert len(warnings) == len(lost)
    said = capsys.readouterr().err
    for name, warning in zip(lost, warnings, strict=True):
        assert "does not beat a floor" in warning and f"{name!r} is" in warning
        assert ("higher is better" if higher else "lower is better") in warning
        assert f"mdn: warning: {warning}" in said


FALLING, BY_HEART = [3.0, 2.0, 1.5, 1.2], [3.0, 1.0, 1.4, *[1.9] * 9]
NAN = float("nan")


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        (FALLING, "Epoch 4 of 4 was the best on what chooses the epoch, with an NLL of 1.200. It was among the last"),
        (
            BY_HEART,
            "Epoch 2 of 12 was the best on what chooses the epoch, with an NLL of 1.000. After it the network learnt",
        ),
        ([3.0, 2.0, 1.0, 1.1], "Epoch 3 of 4 was the best on what chooses the epoch, with an NLL of 1.000.\n"),
        ([3.0, 1.0, *[1.001] * 10], "Epoch 2 of 12 was the best on what chooses the epoch, with an NLL of 1.000.\n"),
        (
            [3.0, 1.0, *[1.5] * 9, 1.001],
            "Epoch 2 of 12 was the best on what chooses the epoch, with an NLL of 1.000.\n",
        ),
        ([NAN, 2.0, 1.0, NAN], "Epoch 3 of 4 was the best on what chooses the epoch, with an NLL of 1.000.\n"),
        ([NAN, NAN], ""),
        ([1.0], ""),
    ],
)
def test_a_training_ends_with_its_best_epoch_and_what_to_do(scores, said, tmp_path, capsys):
    conclude(
        Console(width=400),
        tmp_path / "m.json",
        {},
        lambda: {"NLL": 0.5, "floor": 1.5},
        {"NLL": ["floor"]},
        scores=scores,
    )
    printed = capsys.readouterr().out
    assert said in printed and ("Epoch" in printed) == bool(said)
    assert (
        "The model beats its floor, a model that knows far less: 'NLL' is 0.500, 'floor' is 1.500, and lower" in printed
    )


def test_a_network_that_learnt_by_heart_and_lost_is_to_be_smaller_not_to_be_trained_longer():
    lost = {"NLL": 2.0, "floor": 1.5}
    (longer,), (smaller,) = (worth.lost(lost, {"NLL": ["floor"]}, False, scores) for scores in (FALLING, BY_HEART))
    assert longer.endswith("Train it longer, or on more data.") and smaller.endswith(
        "on more data, or a smaller network."
    )
    assert worth.beaten(lost, {"NLL": ["floor"]}, False) == []
    assert worth.beaten({"NLL": float("nan"), "floor": 1.5}, {"NLL": ["floor"]}, False) == []
    (nearest,) = worth.beaten({"return": 3.0, "a": 1.0, "b": 2.0}, {"return": ["a", "b", "c"]}, True)
    assert "'b' is 2.000, and higher is better" in nearest


def test_the_bar_knows_the_scores_of_the_last_part_of_a_training_if_it_saw_all_of_it():
    with epochs_bar(Console(quiet=True), 6, here=False) as bar:
        for epoch, nll in ((0, 5.0), (1, 4.0), (0, 3.0), (1, 2.0)):
            bar.on_epoch_end(epoch, {"val_nll": nll})
    assert bar.scores == (3.0, 2.0)
    with epochs_bar(Console(quiet=True), 6, here=False) as bar:
        bar.on_epoch_end(3, {"val_nll": 1.0})
    assert bar.scores == ()


def test_the_floors_of_each_chapter_are_figures_that_what_comes_with_mdn_beats():
    """A floor by a name that no figure has would never be compared."""
    for chapter, name, floors in (
        ("jam", "jam", module("jam.train").FLOORS),
        ("ecg", "ecg", module("ecg.evaluate").FLOORS),
        ("sketch", "kanji", {"test NLL": module("sketch.train").FLOORS["test NLL"]}),
        ("handwriting", "handwriting", module("handwriting.evaluate").FLOORS),
    ):
        figures = told(Path(module(chapter).__file__).with_name(f"{name}.json"))["figures"]
        for own, beaten in floors.items():
            assert beaten and all(figures[own] < figures[floor] for floor in beaten), chapter
    figures = told(Path(module("sketch").__file__).with_name("quickdraw.json"))["figures"]
    assert all(floor in figures for floor in module("sketch.train").FLOORS["bound on test NLL"])
    assert "bound on test NLL" in figures


# ---- each command --------------------------------------------------------------------------------------------------------

RNG = np.random.default_rng(0)


def jam_data(folder):
    arrays = np.empty(12, object)
    arrays[:] = [RNG.uniform(0.1, 0.9, (5, 3)) for _ in range(12)]
    np.savez(folder / "mine.npz", arrays)
    return (folder / "mine.npz",)


def sketch_data(folder):
    write_drawings(
        folder / "mine.npz", [np.append(RNG.normal(size=(4, 2)), [[0], [0], [0], [1]], 1) for _ in range(30)]
    )
    return "--data", folder / "mine.npz"


def ecg_data(folder):
    np.savez(folder / "mine.npz", **{f"r{i}": RNG.integers(-50, 50, module("ecg.data").PIECE) for i in range(3)})
    return "--data", folder / "mine.npz"


def robot_data(folder):
    position = RNG.normal(size=(6, 20, 2)).cumsum(axis=1)
    np.savez(folder / "mine.npz", position=position, letter=np.array(["D"] * 3 + ["sine"] * 3))
    return "--data", folder / "mine.npz", "--letters", "D,sine"


def handwriting_data(folder):
    return "--data", "hershey", "--lines", 30


# by command: its chapter, its data, a figure and its floor
COMMANDS = {
    "jam": ("jam", jam_data, ("test NLL", "test NLL, order 2")),
    "kanji": ("sketch", sketch_data, ("test NLL", "test NLL, memoryless")),
    "sketch": ("sketch", sketch_data, ("bound on test NLL", "test NLL, memoryless")),
    "ecg": ("ecg", ecg_data, ("test NLL a sample", "of a mixture of the step")),
    "robot": ("robot", robot_data, ("stayed", "stayed, memoryless")),
    "handwriting": ("handwriting", handwriting_data, ("nats a point", "nats a point, memoryless")),
}


def refuse(*_, **__):
    raise ValueError("offsets of the drawing are 9 long, those the network learnt from 1: it is in another unit.")


@pytest.mark.parametrize("command", COMMANDS)
def test_whatever_was_trained_stays_whatever_measuring_says(command, network, tmp_path, monkeypatch):
    """Faults 14b and 14d of issue 18, in every command: twelve minutes of training were lost to a check of the figures."""
    chapter, make, (own, floor) = COMMANDS[command]
    monkeypatch.setattr(training, "keep_compiled_programs", lambda: None)
    monkeypatch.setattr(training, "keep_memory", lambda: None)
    trained = Jam(network) if chapter == "jam" else network
    replaced(monkeypatch, chapter, train=lambda *_, **__: trained)
    out, arguments = tmp_path / "m.keras", [str(each) for each in make(tmp_path)]

    def run():
        said = CliRunner().invoke(mdn_cli.app, ["train", command, *arguments, "--out", str(out)])
        assert said.exit_code == 0, said.output
        assert "Model: " in said.stdout
        return said.stderr, told(out.with_suffix(".json"))

    replaced(monkeypatch, chapter, figures=refuse)
    said, found = run()
    assert isinstance(keras.saving.load_model(out), mdn.MDNRNN)
    assert found["seed"] == 0 and found["figures"] == {} and found["mdn"] == mdn.__version__
    (sentence,) = found["warnings"]
    assert "could not be measured: offsets of the drawing are 9 long" in sentence and sentence in said.replace("\n", "")
    replaced(monkeypatch, chapter, figures=lambda *_: {own: 0.5, floor: 0.5})
    said, found = run()
    assert found["figures"] == {own: 0.5, floor: 0.5}
    assert "does not beat a floor" in said and f"{floor!r} is 0.500" in found["warnings"][0]
    better = 0.6 if chapter == "robot" else 0.4
    replaced(monkeypatch, chapter, figures=lambda *_: {own: better, floor: 0.5})
    said, found = run()
    assert "warnings" not in found and "warning" not in said


@pytest.fixture(name="experiment")
def _experiment(tmp_path, network, monkeypatch):
    """An experiment whose stages have just been run, by stubs."""
    act, see = module("world.act"), module("world.see")
    vision = module("world.vision").Vision((8, 8, 1), 2, (4, 4))
    figures = [{"held-out squared error": 3.0, "divergence": 1.0}]
    played = SimpleNamespace(returns=lambda *_: np.array([[1.0, 3.0]]))
    monkeypatch.setattr(see, "see", lambda *_, **__: (vision, figures))
    monkeypatch.setattr(act, "remember_stage", lambda *_, **__: (network, []))
    monkeypatch.setattr(act, "learnt", lambda _: ([], []))
    monkeypatch.setattr(module("world.memory"), "load_memory", lambda _: network)
    monkeypatch.setattr(act, "act_stage", lambda *_, **__: (played, None, np.zeros(3), []))
    monkeypatch.setattr(module("world.model").WorldModel, "of", lambda *_: SimpleNamespace(save=lambda _: None))
    for name, draws in (("pictures", "write_expected"), ("pictures", "write_returns")):
        monkeypatch.setattr(module(f"world.{name}"), draws, lambda *_: None)
    monkeypatch.setattr(module("world.see_pictures"), "write_reconstructions", lambda *_: None)
    monkeypatch.setattr(module("world.see_pictures"), "some_frames", lambda *_: None)
    return SimpleNamespace(
        folder=tmp_path,
        environment="CartPole-v1",
        seed=0,
        chunks=lambda: [0],
        rewards=lambda _: [np.array([4.0])] * 2,
        suits=Preset(),
    )


OPTIONS = SimpleNamespace(
    epochs=1, latent=2, generations=1, population=4, steps=None, tests=2, layer=0, workers=1, variance_temperature=1.0,
    where=world_stages.Where.real, sees=world_stages.Sees.zh,
)  # fmt: skip


def test_the_stages_of_a_world_go_on_after_a_failed_measurement_and_say_where_they_lose(
    experiment, monkeypatch, capsys
):
    """Faults 14b and 14d of issue 18: a stage that could not be measured ended the stages after it."""
    act, see = module("world.act"), module("world.see")
    stages = {"see": world._see, "remember": world_stages.remember, "act": world_stages.act}
    files = {
        "see": module("world.vision").vision_path(experiment),
        "remember": module("world.memory").memory_path(experiment),
        "act": act.act_folder(experiment) / "world.keras",
    }
    measures = {"see": (see, "error_of_mean_frame"), "remember": (act, "remembered"), "act": (experiment, "rewards")}
    lost = {
        "see": (3.0, "'held-out squared error, the mean frame' is 3.000"),
        "remember": ({"nll": {"latent": 1.0}, "persistence": {"joint": 0.5}}, "'z, persistence, joint' is 0.500"),
        "act": ([np.array([2.0, 2.0])], "'mean return, episodes collected' is 4.000, and higher is better"),
    }
    for name, stage in stages.items():
        place, measure = measures[name]
        path = files[name].with_suffix(".json")
        path.parent.mkdir(parents=True, exist_ok=True)
        monkeypatch.setattr(place, measure, refuse)
        stage(experiment, Console(), OPTIONS)
        assert "could not be measured: offsets" in told(path)["warnings"][0]
        assert "could not be measured: offsets" in capsys.readouterr().err
        answer, sentence = lost[name]
        monkeypatch.setattr(place, measure, lambda *_, answer=answer: answer)
        stage(experiment, Console(), OPTIONS)
        assert sentence in told(path)["warnings"][0]
        assert "does not beat a floor" in capsys.readouterr().err


class _Killed(BaseException):
    pass


def test_a_command_that_was_killed_goes_on_and_ends_as_if_it_had_not_been(tmp_path, monkeypatch):
    """`mdn train handwriting` takes hours, and had no way to go on."""
    arguments = ["train", "robot", *map(str, robot_data(tmp_path)), "--epochs", "3", "--out"]
    replaced(monkeypatch, "robot", figures=lambda *_: {"stayed": 1.0})

    def weights(name, *more):
        said = CliRunner().invoke(mdn_cli.app, [*arguments, str(tmp_path / name), *more])
        assert said.exit_code == 0, said.output
        assert not (tmp_path / f"{name}.training").exists()
        return said.output, mdn.load(tmp_path / name).get_weights()

    def killed_after(epochs):
        written = Checkpoints.save

        def save(self, done, *rest):
            written(self, done, *rest)
            if done == epochs:
                raise _Killed

        with monkeypatch.context() as patch:
            patch.setattr(Checkpoints, "save", save)
            with pytest.raises(_Killed):
                CliRunner().invoke(mdn_cli.app, [*arguments, str(tmp_path / "parts.keras")], catch_exceptions=False)

    _, whole = weights("whole.keras")
    for epochs in (1, 2):
        killed_after(epochs)
    other = CliRunner().invoke(mdn_cli.app, [*arguments, str(tmp_path / "parts.keras"), "--seed", "5"])
    assert other.exit_code == 2 and "was made with" in other.output and "--no-resume" in other.output
    said, parts = weights("parts.keras")
    assert "going on with the training" in said
    for one, again in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, again)
    killed_after(1)
    said, anew = weights("parts.keras", "--no-resume")
    assert "going on" not in said
    for one, again in zip(whole, anew, strict=True):
        np.testing.assert_array_equal(one, again)
