"""What `mdn` saved, changed by somebody: it is refused with a sentence that names the file, or works."""

import io
import json
import re
import sys
import warnings
import zipfile
from importlib import import_module
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import mdn
import mdn_cli
from commands import replaced
from mdn import files, keras_files
from mdn.applications.world import act, storage
from mdn.applications.world import model as world_model
from mdn.applications.world.controller import Controller, evolve
from mdn.applications.world.memory import Memory
from mdn.applications.world.vision import Standardised
from mdn.data import limits
from mdn.sequences.model import reads_only
from mdn.training.checkpoints import Checkpoints

pytestmark = pytest.mark.project

SRC = Path(mdn.__file__).parent


def changed(path, **members):
    """The zip at `path` with other members, each given the bytes that were there; None takes it out."""
    with zipfile.ZipFile(path) as archive:
        found = {name: archive.read(name) for name in archive.namelist()}
    for name, change in members.items():
        found[name] = change(found.get(name, b""))
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in found.items():
            archive.writestr(name, content)
    return path


def npz(change):
    """A change of arrays by name as one of the bytes of their .npz."""

    def of_bytes(content):
        with np.load(io.BytesIO(content)) as found:
            arrays = dict(found)
        change(arrays)
        written = io.BytesIO()
        np.savez(written, **arrays)
        return written.getvalue()

    return of_bytes


def described(change):
    """A change of a description as one of the bytes of its JSON."""

    def of_bytes(content):
        about = json.loads(content)
        change(about)
        return json.dumps(about).encode()

    return of_bytes


# ---- regressors ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="regressor")
def _regressor(tmp_path_factory):
    """The bytes of a file of a regressor that learnt a constant, so that nothing is trained."""
    table = mdn.data.Table(("a", "town"), (np.arange(12.0), ("north", "south") * 6), np.arange(12), "x")
    path = tmp_path_factory.mktemp("regressor") / "m.mdn"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mdn.MDNRegressor(hidden_sizes=(3,)).fit(table, np.full(12, 2.0)).save(path)
    return path.read_bytes()


def member(name, value):
    return lambda about: about["members"][0].update({name: value})


def architecture(name, value):
    return lambda about: about["members"][0]["architecture"].update({name: value})


DESCRIPTIONS = {
    "a layer of 2**62 units": (architecture("hidden_sizes", [2**62]), r"`members\[0\]\.architecture\.hidden_sizes\[0\]` must"),
    "a layer of a million": (architecture("hidden_sizes", [10**6]), r"must have matrices of the shapes \[\(8, 1000000\)"),
    "components beyond the weights": (architecture("num_components", 1000), "must have matrices of the shapes"),
    "another event size": (architecture("event_size", 2), r"event_size` must be a whole number from 1 to 1, but 2"),
    "an unknown activation": (architecture("activation", "get_file"), "must be the name of an activation of Keras"),
    "fewer inputs than columns": (architecture("width", 1), "width` must be a whole number from 4"),
    "an unknown field of a network": (architecture("depth", 1), "depth` is not known here"),
    "no members": (lambda about: about.update(members=[]), "`members` must be a list of 1 value or more"),
    "members of one text": (lambda about: about.update(members="ab"), "`members` must be a list"),
    "NaN as a factor": (member("widening", float("nan")), "widening` must be a finite number above 0, but nan"),
    "no component alive": (member("alive", []), "alive` must be a list of 1 value or more"),
    "a component that is none": (member("alive", [7]), "must be places from 0 to 0, ascending"),
    "no history": (lambda about: about["members"][0].pop("history"), "history` is missing"),
    "a column less": (lambda about: about["columns"].pop("a"), "`columns` must be 2, as `features` says"),
    "levels that are no text": (lambda about: about["columns"].update(town=[1]), r"`columns\.town\[0\]` must be text"),
    "other names": (lambda about: about.update(feature_names=["a", "b"]), "must be the same, but they differ"),
    "no targets": (lambda about: about.update(targets=0), "`targets` must be a whole number from 1"),
    "more targets": (lambda about: about.update(targets=2), "a list of 2 values"),
    "an unknown parameter": (lambda about: about["parameters"].update(depth=3), "unexpected keyword argument 'depth'"),
    "a parameter of another type": (lambda about: about["parameters"].update(epochs="x"), r"`parameters\.epochs` must"),
    "no parameters": (lambda about: about.pop("parameters"), "`parameters` is missing"),
    "a format that is text": (lambda about: about.update(format="1"), "`format` must be a whole number"),
}  # fmt: skip


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_a_regressor_whose_description_fits_nothing_is_refused_by_field(name, regressor, tmp_path):
    """Fault 14 of issue 18: 632 changed .mdn files loaded, and failed in predict; a size of 2**62 ended the interpreter."""
    change, message = DESCRIPTIONS[name]
    (tmp_path / "m.mdn").write_bytes(regressor)
    changed(tmp_path / "m.mdn", **{"mdn.json": described(change)})
    with pytest.raises(ValueError, match=message) as caught:
        mdn.load(tmp_path / "m.mdn")
    assert "m.mdn" in str(caught.value)


ARRAYS = {
    "a weight that is NaN": (lambda found: found["0/2"].fill(np.nan), "holds NaN or infinity"),
    "a weight of another shape": (lambda found: found.update({"0/3": np.zeros(4, "float32")}), r"shape \(3\)"),
    "a weight of text": (lambda found: found.update({"0/3": np.array(["a"] * 3)}), "of kind 'f'"),
    "a weight less": (lambda found: found.pop("0/1"), "'0/[0-9]+' is missing"),
    "a spread of 0": (lambda found: found["0/1"].fill(0.0), "spread` must be above 0"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_a_regressor_whose_weights_do_not_fit_it_is_refused(name, regressor, tmp_path):
    """Fault 14 of issue 18."""
    change, message = ARRAYS[name]
    (tmp_path / "m.mdn").write_bytes(regressor)
    changed(tmp_path / "m.mdn", **{"weights.npz": npz(change)})
    with pytest.raises(ValueError, match=rf"m\.mdn' is damaged: .*{message}.* Save it again"):
        mdn.load(tmp_path / "m.mdn")


def test_a_bomb_in_a_model_is_refused(regressor, tmp_path, monkeypatch):
    """Fault 14 of issue 18: sizes within .mdn and .keras files are bounded by a stated limit."""
    monkeypatch.setattr(limits, "ARCHIVE", 1_000_000)
    for name in ("m.mdn", "m.keras"):
        (tmp_path / name).write_bytes(regressor)
        with zipfile.ZipFile(tmp_path / name, "a", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("more", bytes(10**7))
        with pytest.raises(ValueError, match=rf"{name} cannot be read .* would unpack to 10,0\d\d,\d+ bytes"):
            mdn.load(tmp_path / name)


# ---- Keras' files ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="network")
def _network(tmp_path_factory):
    path = tmp_path_factory.mktemp("network") / "m.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(3), mdn.MDN(mdn.MixtureSpec(mdn.NormalSpec(1), 2))]).save(
        path
    )
    return path.read_bytes()


def parts(about, name):
    return [one for one in keras_files._named(about) if one["class_name"] == name]


def rename(name, **said):
    return lambda about: parts(about, name)[0].update(said)


CONFIGS = {
    "a class of a newer version": (
        rename("MDN", class_name="New", module="mdn.applications.new.model", registered_name="mdn>New"),
        r"was written by a newer version of mdn, or names a class that mdn does not know: 'mdn>New'",
    ),
    "a module of ours that runs": (
        rename("MDN", class_name="x", module="mdn.exporting.__main__", registered_name="mdn.exporting>x"),
        "names a class that mdn does not know",
    ),
    "a module of anybody": (rename("Dense", class_name="Cookie", module="http.cookies", registered_name=None),
                            "names a class that mdn does not know: 'Cookie'"),
    "a part of Keras that fetches": (rename("Dense", class_name="function", config="get_file", module="keras.utils"),
                                     "names a class that mdn does not know: 'get_file'"),
    "a package of Keras' friends": (rename("Dense", class_name="Backbone", module="keras_hub.models"), "does not know"),
    "a part of Keras not imported": (rename("Dense", class_name="x", module="keras.src.backend.torch.export"), "not know"),
    "a name that is none": (rename("Dense", class_name=["Dense"]), r"m\.keras' is damaged: it names a class by"),
    "a layer of 2**62 units": (lambda about: parts(about, "Dense")[0]["config"].update(units=2**62), "asks for more weights"),
    "a mixture of 2**62": (lambda about: parts(about, "MixtureSpec")[0]["config"].update(num_components=2**62),
                           r"m\.keras cannot be read as a model: `num_components` must be a whole number"),
    "a million units": (lambda about: parts(about, "Dense")[0]["config"].update(units=10**6), "asks for more weights"),
    "other units": (lambda about: parts(about, "Dense")[0]["config"].update(units=4), r"m\.keras cannot be read as a model"),
    "no parts": (lambda about: about.clear(), r"m\.keras cannot be read as a model"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_only_registered_names_are_resolved_and_sizes_are_those_of_the_weights(name, network, tmp_path):
    """Faults 14 and 15 of issue 18: a file could import any module, and a size of 2**62 ended the interpreter."""
    change, message = CONFIGS[name]
    (tmp_path / "m.keras").write_bytes(network)
    changed(tmp_path / "m.keras", **{"config.json": described(change)})
    before = set(sys.modules)
    with pytest.raises(ValueError, match=message) as caught:
        mdn.load(tmp_path / "m.keras")
    assert "m.keras" in str(caught.value)
    assert not {one for one in set(sys.modules) - before if "main" in one or "http" in one or "torch" in one}


def test_weights_that_are_nan_are_refused(network, tmp_path):
    """Fault 14 of issue 18."""

    def spoil(content):
        held = io.BytesIO(content)
        with h5py.File(held, "r+") as file:
            found = []
            file.visititems(lambda _, one: found.append(one) if isinstance(one, h5py.Dataset) else None)
            found[0][...] = np.nan
        return held.getvalue()

    (tmp_path / "m.keras").write_bytes(network)
    changed(tmp_path / "m.keras", **{"model.weights.h5": spoil})
    with pytest.raises(ValueError, match=r"m\.keras cannot be read as a model: its weight '.+' holds NaN"):
        mdn.load(tmp_path / "m.keras")


def test_weights_that_say_they_are_more_than_the_file_are_refused(network, tmp_path):
    """Fault 14 of issue 18: a file of some kilobytes asked for gigabytes."""

    def stretch(content):
        held = io.BytesIO(content)
        with h5py.File(held, "r+") as file:
            file.create_dataset("more", shape=(10**9,), dtype="f4", chunks=(1000,))
        return held.getvalue()

    (tmp_path / "m.keras").write_bytes(network)
    changed(tmp_path / "m.keras", **{"model.weights.h5": stretch})
    with pytest.raises(ValueError, match=r"its weights say that they are 4,000,000,\d+ bytes, but there are"):
        mdn.load(tmp_path / "m.keras")


def test_a_class_that_the_user_registered_is_loaded(tmp_path):
    @keras.saving.register_keras_serializable(package="users")
    class Doubled(keras.layers.Layer):
        def call(self, x):
            return 2.0 * x

    keras.Sequential([keras.Input((2,)), Doubled(), mdn.MDN(1, 1)]).save(tmp_path / "m.keras")
    assert isinstance(mdn.load(tmp_path / "m.keras").layers[0], Doubled)


def test_every_class_that_a_file_may_name_has_a_room():
    """Fault 15 of issue 18: the registry of names is complete, and names nothing that is not there."""
    for name, room in keras_files._ROOMS.items():
        import_module(room)
        assert keras.saving.get_registered_object(name) is not None, name
    registers = re.compile(r"^@serializable\nclass (\w+)", re.MULTILINE)
    written = {f"mdn>{name}" for path in SRC.rglob("*.py") for name in registers.findall(path.read_text("utf-8"))}
    assert len(written) > 25
    alone = {f"mdn>{name}" for name in dir(mdn)} | {
        "mdn>NLL",
        "mdn>FeatureScaling",
        "mdn>FeatureBins",
        "mdn>TargetScaling",
    }
    assert written <= {*keras_files._ROOMS, *alone}


@pytest.mark.parametrize("path", sorted(SRC.rglob("*.keras")), ids=lambda path: path.stem)
def test_every_name_in_the_weights_that_come_with_mdn_is_known(path):
    with zipfile.ZipFile(path) as archive:
        for one in keras_files._named(json.loads(archive.read("config.json"))):
            keras_files._find(one, path)
            keras_files._check_numbers(one, keras_files._check_weights(archive) + keras_files._SLACK)


def test_a_network_of_another_chapter_is_not_taken():
    """Fault 14 of issue 18: files of the wrong kind were taken, since events of drawings are as wide as touches."""
    from mdn.applications.sketch import SketchRNN

    assert not reads_only(SketchRNN(units=(2,), components=1), 3, [0, 1])
    spec = mdn.MixtureSpec(mdn.NormalSpec(3), 1)
    assert reads_only(mdn.MDNRNN(spec, units=(2,), positions=(0, 1)), 3, [0, 1])
    assert not reads_only(mdn.MDNRNN(spec, units=(2,), positions=(0, 1), condition_size=2), 3, [0, 1])


# ---- states of streams -----------------------------------------------------------------------------------------------


def test_a_state_of_a_stream_is_whole_finite_and_of_this_version(tmp_path):
    """Fault 14 of issue 18: states with NaN were taken."""
    model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(2), 1), units=(2,))
    stream = model.stream(seed=0)
    path = tmp_path / "s.npz"
    stream.save(path)
    stream.restore(path)  # before the first event there is none: NaN
    state = np.zeros_like(stream.state)
    for at in (0, -1):
        wrong = state.copy()
        wrong[0, at] = np.nan
        with pytest.raises(ValueError, match="must be finite"):
            stream.state = wrong
        np.savez(path, format=1, state=wrong)
        with pytest.raises(ValueError, match=r"s\.npz' holds no state of a stream: .*must be finite"):
            stream.restore(path)
    for said, message in (
        ({"format": 3, "state": state}, "written by a newer version"),
        ({"format": 1}, "'state' is missing"),
        ({"format": 2, "state": state[:, :-1]}, "has shape"),
        ({"format": 1, "state": np.array("x")}, "could not convert"),
    ):
        np.savez(path, **said)
        with pytest.raises(ValueError, match=rf"s\.npz' holds no state of a stream: .*{message}"):
            stream.restore(path)


# ---- worlds ----------------------------------------------------------------------------------------------------------


@pytest.fixture(name="experiment")
def _experiment(tmp_path):
    experiment = storage.Experiment.create(tmp_path / "e", "CartPole-v1", seed=3)
    episodes = [
        storage.Episode(
            np.ones((n + 1, 4), "float32"), np.ones((n, 2), "float32"), np.ones(n, "float32"), True, False, np.ones((n + 1, 4))
        )
        for n in (3, 5)
    ]  # fmt: skip
    experiment.write(0, episodes, "random")
    experiment.write_latents(0, [(np.ones((n + 1, 4)), np.zeros((n + 1, 4))) for n in (3, 5)], "V")
    return experiment


def rewritten(path, change):
    """The file of arrays at `path` with a change of its arrays."""
    with np.load(path) as found:
        arrays = dict(found)
    change(arrays)
    np.savez(path, **arrays)


EPISODES = {
    "lengths that disagree": (
        lambda a: a.update(lengths=np.array([3, 6])),
        r"`rewards` must be an array of shape \(9\)",
    ),
    "negative lengths": (lambda a: a.update(lengths=np.array([-1, 9])), "`lengths` must be whole numbers from 1"),
    "observations too few": (
        lambda a: a.update(observations=a["observations"][1:]),
        r"`observations` .* shape \(10, 4\)",
    ),
    "states with NaN": (lambda a: a["states"].fill(np.nan), "`states` holds NaN"),
    "rewards with infinity": (lambda a: a["rewards"].fill(np.inf), "`rewards` holds NaN or infinity"),
    "ends of another type": (lambda a: a.update(terminated=np.ones(2)), "`terminated` must be an array"),
    "no actions": (lambda a: a.pop("actions"), "'actions' is missing"),
    "no description": (lambda a: a.pop("about"), "'about' is missing"),
}


@pytest.mark.parametrize("name", EPISODES)
def test_episodes_that_do_not_fit_each_other_are_refused(name, experiment):
    """Fault 14 of issue 18: episodes whose lengths disagree, and states with NaN, were taken."""
    change, message = EPISODES[name]
    rewritten(experiment.chunk_path(0), change)
    with pytest.raises(ValueError, match=rf"00000\.npz' is damaged \(.*{message}.*--stage collect again"):
        experiment.read(0)


def test_latents_that_do_not_fit_their_episodes_are_refused(experiment):
    """Fault 14 of issue 18."""
    path = experiment.latents_path(0)
    rewritten(path, lambda found: found.update({name: found[name][1:] for name in ("mean", "log_variance")}))
    with pytest.raises(ValueError, match="has 9 latents, but chunk 0 has 10 observations"):
        experiment.latents(0)
    rewritten(path, lambda found: found["mean"].fill(np.nan))
    with pytest.raises(ValueError, match=r"`mean` holds NaN"):
        experiment.latents(0)
    assert not experiment.has_latents(0, "V")


def test_an_experiment_says_which_environment_it_is_of(experiment):
    """Fault 14 of issue 18."""
    path = experiment.folder / "experiment.json"
    for said in ("[]", '{"format": 1}', '{"format": 1, "environment": 3, "seed": 0, "settings": {}}', "[" * 10**5):
        path.write_text(said)
        with pytest.raises(ValueError, match=r"experiment\.json' is damaged: delete the folder and begin anew"):
            storage.Experiment.open(experiment.folder)
    path.write_text('{"format": 9}')
    with pytest.raises(ValueError, match="written by a newer version of mdn"):
        storage.Experiment.open(experiment.folder)


def test_a_checkpoint_of_another_kind_is_refused(tmp_path):
    """Fault 14 of issue 18: checkpoints of the wrong kind were taken."""
    controller = Controller(1, 2)
    settings = {**controller.describe(), "population": 4, "sigma": 0.1, "seed": 0}
    checkpoints = Checkpoints(tmp_path, settings)
    checkpoints.save(1, {"trainable.0": np.zeros(3)}, [{"loss": 1.0}])
    with pytest.raises(ValueError, match="holds no returns of 4 candidates a generation"):
        evolve(controller, None, tmp_path, generations=1, population=4)
    checkpoints.save(2, {}, [{"loss": 1.0}])
    with pytest.raises(ValueError, match=r"`figures` must be 2, as `done` says, but there is 1"):
        checkpoints.last()
    checkpoints.save(1, {"returns": np.full((1, 4), np.nan)}, [{"loss": 1.0}])
    with pytest.raises(ValueError, match=r"`returns` holds NaN or infinity"):
        checkpoints.last()


def test_an_unfinished_checkpoint_of_a_living_process_stays(tmp_path):
    """Fault 6 of issue 18: whoever began a stage deleted what another process was writing."""
    with files.replacing(tmp_path / "checkpoint.npz") as temporary:
        temporary.write_text("half")
        Checkpoints(tmp_path, {})
        storage.Experiment.create(tmp_path, "CartPole-v1").write_latents(0, [(np.ones((2, 1)), np.ones((2, 1)))], "V")
        assert temporary.read_text() == "half"


def about(old, new):
    return lambda arrays: arrays.update(about=np.array(str(arrays["about"]).replace(old, new)))


CONTROLLERS = {
    "parameters too few": (lambda a: a.update(parameters=a["parameters"][1:]), r"`parameters` must be an array of shape \(3\)"),
    "parameters with NaN": (lambda a: a["parameters"].fill(np.nan), "`parameters` holds NaN"),
    "a scale of 0": (lambda a: a["scale"].fill(0.0), "`scale` must not be 0"),
    "another kind": (about("discrete", "x"), "`kind` must be one of"),
    "2**62 units": (about('"units": 0', f'"units": {2**62}'), "`units` must be a whole number"),
}  # fmt: skip


@pytest.mark.parametrize("name", CONTROLLERS)
def test_a_controller_whose_parts_do_not_fit_is_refused(name, tmp_path):
    """Fault 14 of issue 18."""
    change, message = CONTROLLERS[name]
    controller = Controller(1, 2, "discrete", 1, 0, np.zeros(1, "float32"), np.ones(1, "float32"))
    act.save_controller(tmp_path / "c.npz", "CartPole-v1", controller, np.ones(3, "float32"))
    rewritten(tmp_path / "c.npz", change)
    with pytest.raises(ValueError, match=rf"c\.npz' is damaged \(.*{message}"):
        act.load_controller(tmp_path / "c.npz", "CartPole-v1")


def test_a_world_of_parts_that_do_not_fit_each_other_is_refused(tmp_path, monkeypatch):
    """Fault 14 of issue 18: V and M of another world were taken."""
    v, m = Standardised([0.0], [1.0], environment="a"), Memory(1, 2, units=2, components=1, environment="a")
    found = {"vision": v, "memory": m}
    monkeypatch.setattr(mdn, "load", lambda path: found[path.stem])

    def write(controller, **starts):
        beside = {"start_mean": np.zeros((2, 1), "float32"), "start_deviation": np.ones((2, 1), "float32"), **starts}
        parameters = np.ones(controller.size, "float32")
        act.save_controller(tmp_path / "controller.npz", "a", controller, parameters, **beside)

    write(Controller(1, 2))
    assert world_model.WorldModel.load(tmp_path).vision is v
    for wrong, message in (
        ({"vision": m}, "holds no V of a world model"),
        ({"memory": v}, "holds no M of a world model"),
        ({"vision": Standardised([0.0], [1.0], environment="b")}, "is of 'b', but controller.npz of 'a'"),
        ({"vision": Standardised([0.0] * 2, [1.0] * 2, environment="a")}, "must have one size of z"),
    ):
        found.update(wrong)
        with pytest.raises(ValueError, match=rf"the world model in .* is damaged: .*{message}"):
            world_model.WorldModel.load(tmp_path)
        found.update(vision=v, memory=m)
    for controller, starts, message in (
        (Controller(1, 3), {}, "one size of z and of actions"),
        (Controller(1, 2, hidden_size=3, shift=np.zeros(3, "float32"), scale=np.ones(3, "float32")), {}, "sees 3 numbers"),
        (Controller(1, 2), {"start_mean": np.zeros((2, 2), "float32")}, "`start_mean` must be an array of shape"),
        (Controller(1, 2), {"start_deviation": np.full((2, 1), -1.0, "float32")}, "deviations be 0 at least"),
    ):  # fmt: skip
        write(controller, **starts)
        with pytest.raises(ValueError, match=message):
            world_model.WorldModel.load(tmp_path)


# ---- commands --------------------------------------------------------------------------------------------------------


def test_a_command_that_cannot_write_what_it_learnt_says_where_it_is(tmp_path, monkeypatch):
    """Fault 5 of issue 18: what was learnt was lost."""
    import errno
    import os
    import tempfile

    kept = tmp_path / "kept"
    kept.mkdir()
    np.savez(
        tmp_path / "letters.npz",
        position=np.random.default_rng(0).normal(size=(6, 20, 2)),
        letter=np.array(list("DDDHHH")),
    )
    trained = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(2), 1), units=(2,), positions=(0, 1))
    replaced(monkeypatch, "robot", train=lambda *_, **__: trained)
    monkeypatch.setattr(tempfile, "tempdir", str(kept))
    replace = os.replace

    def full(source, target):
        if Path(target).name == "m.keras" and kept not in Path(target).parents:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(source, target)

    monkeypatch.setattr(files.os, "replace", full)
    told = [
        "train",
        "robot",
        "--data",
        str(tmp_path / "letters.npz"),
        "--letters",
        "DH",
        "--out",
        str(tmp_path / "m.keras"),
    ]
    ran = CliRunner().invoke(mdn_cli.app, told)
    assert ran.exit_code == 2 and "No space left on device. The result was kept: " in ran.output, ran.output
    (found,) = kept.rglob("m.keras")
    assert isinstance(mdn.load(found), mdn.MDNRNN) and not (tmp_path / "m.keras").exists()
