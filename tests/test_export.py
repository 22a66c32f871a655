"""Exported files beside the models they came from, and what goes wrong."""

import functools
import json
import sys

import keras
import numpy as np
import pytest
from keras import ops

import mdn
from mdn import exporting
from mdn.applications.world.memory import Memory
from mdn.sequences.sampler import Noise, Sampler

FORMATS = [".onnx", ".tflite"]
OFFSETS = mdn.MixtureSpec(mdn.NormalSpec(2), 3)
PEN = mdn.JointSpec(
    offset=mdn.MixtureSpec(mdn.NormalSpec(2, "full"), 2), pen=mdn.CategoricalSpec(3), flags=mdn.BernoulliSpec(2)
)
ANGLES = mdn.MixtureSpec(mdn.VonMisesSpec(1), 2)
HEAVY = mdn.JointSpec(
    mixed=mdn.MixtureSpec([mdn.StudentTSpec(1), mdn.LaplaceSpec(1), mdn.LogisticSpec(1)], [1, 2, 1]),
    wide=mdn.MixtureSpec(mdn.NormalSpec(3, 1), 2),
    late=mdn.LogNormalSpec(1),
)


def inside(event, place):
    """Offsets that stay in a square."""
    return ops.clip(place + event, -2.0, 2.0) - place


# name: (spec, settings of the model, what is given to each call)
CASES = {
    "lstm": (OFFSETS, {}, {}),
    "gru and positions, held in a square": (OFFSETS, {"cell": "gru", "positions": (0, 1)}, {"constrain": inside}),
    "pens and flags, no skips": (PEN, {"skip": False}, {}),
    "pens under a condition that starts a gru": (
        PEN,
        {"cell": "gru", "condition_size": 2, "condition_starts": True},
        {"condition": [[0.3, -1.0], [2.0, 0.5]]},
    ),
    "layer norm": (OFFSETS, {"cell": "layer_norm_lstm"}, {}),
    "a text under a window": (OFFSETS, {"context_size": 3}, {"context": np.eye(3)[[0, 2, 1, 1, 0]]}),
    "heavy tails, low rank": (HEAVY, {}, {}),
    "angles": (ANGLES, {}, {}),
}
# Where steps have nothing new to say, fewer tell as much
STEPS = {"lstm": 1000, "gru and positions, held in a square": 1000, "pens and flags, no skips": 1000}
LITE = [*STEPS, "a text under a window", "angles"]
PAIRS = [(name, suffix) for name in CASES for suffix in FORMATS if name in LITE or suffix == ".onnx"]
PAIRS.remove(("angles", ".onnx"))  # slow, and a loop in ONNX is tested below


def events(spec):
    rng = np.random.default_rng(0)
    columns = {PEN: [0, 0, 3, 2, 2], HEAVY: [0] * 4 + [-1], ANGLES: [0], OFFSETS: [0, 0]}[spec]
    draws = [rng.integers(0, kind, 200) if kind > 0 else rng.normal(size=200) for kind in columns]
    draws = [np.exp(draw) if kind < 0 else draw for kind, draw in zip(columns, draws, strict=True)]
    return [np.stack(draws, axis=-1).astype("float32")]


@functools.cache
def model_of(name):
    spec, settings, _ = CASES[name]
    keras.utils.set_random_seed(0)
    return mdn.MDNRNN(spec, units=(8, 6), **settings).adapt(events(spec))


def written(name, path):
    given = CASES[name][2]
    settings = {"constrain": given.get("constrain")}
    if "context" in given:
        settings["context_length"] = len(given["context"])
    return mdn.export(model_of(name), path, batch_size=2, **settings)


@pytest.mark.jax
@pytest.mark.parametrize(("name", "suffix"), PAIRS)
def test_a_file_stays_within_1e_5_of_its_model(name, suffix, tmp_path):
    """Given the model's event and state at each step, and on its own; with temperatures."""
    path, steps = tmp_path / f"step{suffix}", STEPS.get(name, 100)
    written(name, path)
    temperatures = {"component_temperature": 1.5, "variance_temperature": 0.5}
    found = exporting.compare(model_of(name), path, steps, **CASES[name][2], **temperatures)
    assert found.steps == steps and len(found.flips) <= 1, found
    assert max(found.given.values()) <= 1e-5 and found.free <= 1e-5, found
    assert found.free_steps == steps or found.flips, found


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_from_any_backend_draws_what_generate_draws(suffix, tmp_path):
    model, path = model_of("pens and flags, no skips"), tmp_path / f"step{suffix}"
    mdn.export(model, path)
    play = exporting.player(path)
    uniforms, normals = Sampler(PEN).parted(Noise(3, 1, Sampler(PEN)).steps(100))
    now = {"event": np.full((1, 5), np.nan), "state": np.full((1, sum(model.state_widths)), np.nan)}
    found = []
    for t in range(100):
        outputs = play(
            **now, uniforms=uniforms[t], normals=normals[t], component_temperature=0.8, variance_temperature=1.2
        )
        now = {"event": outputs["next_event"], "state": outputs["next_state"]}
        found.append(now["event"][0])
    expected = model.generate(100, component_temperature=0.8, variance_temperature=1.2, seed=3)[0]
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)


@pytest.mark.jax
@pytest.mark.parametrize("suffix", FORMATS)
def test_any_model_that_ends_in_mdn_gives_parameters_and_a_sample(suffix, tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4, 3)),
            keras.layers.LayerNormalization(),
            keras.layers.Dense(8, "silu"),
            keras.layers.Dense(8, "softplus"),
            keras.layers.TimeDistributed(mdn.MDN(PEN)),
        ]
    )
    path = tmp_path / f"model{suffix}"
    said = mdn.export(model, path, batch_size=2)
    assert {one["name"]: one["shape"] for one in said["outputs"]} == {"sample": [2, 4, 5], "params": [2, 4, 17]}
    assert {one["name"]: one["shape"] for one in said["inputs"]}["uniforms"] == [8, 4]
    found = exporting.compare(model, path, 200, component_temperature=0.7)
    assert max(found.given.values()) <= 1e-5 and len(found.flips) <= 1, found
    x = np.random.default_rng(0).normal(size=(2, 4, 3)).astype("float32")
    bare = tmp_path / f"bare{suffix}"
    mdn.export(model, bare, batch_size=2, sampler=False)
    np.testing.assert_allclose(exporting.player(bare)(x=x)["params"], model.predict(x, verbose=0), atol=1e-5)


@pytest.mark.jax
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_without_a_sampler_gives_the_parameters_of_each_step(suffix, tmp_path):
    model, path = model_of("lstm"), tmp_path / f"step{suffix}"
    said = mdn.export(model, path, sampler=False)
    assert [one["name"] for one in said["inputs"]] == ["event", "state"]
    play = exporting.player(path)
    sequence = events(OFFSETS)[0][:50]
    before = np.concatenate([np.full((1, 2), np.nan), sequence[:-1]]).astype("float32")
    state, found = np.full((1, sum(model.state_widths)), np.nan), []
    for event in before:
        outputs = play(event=event[None], state=state)
        state = outputs["next_state"]
        found.append(outputs["params"][0])
    np.testing.assert_allclose(found, ops.convert_to_numpy(model(before[None]))[0], atol=1e-5)


@pytest.mark.jax
def test_what_other_formats_lack_is_made_up_for_to_float_precision(tmp_path):
    """Logarithms near 1, log1p, expm1, arcsine, powers, remainders, halves, a loop: both formats, beside NumPy in double."""
    import jax
    from jax import numpy as jnp

    from mdn.exporting import litert_file, onnx_file
    from mdn.exporting.tracing import trace

    def function(x):
        small = jnp.clip(x, -1.0, 1.0)
        _, twice = jax.lax.while_loop(lambda c: c[0] < 5, lambda c: (c[0] + 1, c[1] * 0.5 + x), (jnp.int32(0), x))
        inverse = jnp.arcsin(small), jnp.log1p(jnp.abs(x)), jnp.log1p(-0.9 * jnp.abs(small)), jnp.expm1(x)
        return (
            *inverse,
            jnp.log(x * x + 1e-3),
            jnp.round(x),
            jax.lax.round(x),
            x**3,
            jax.lax.rem(x, jnp.float32(1.5)),
            1.0 / (1.0 + x * x),
            twice,
            jnp.sum(jnp.outer(x, x) * (x > 0.5), axis=1),
        )

    x = np.concatenate(
        [np.linspace(-5, 5, 60), np.geomspace(1e-9, 1e-2, 30), -np.geomspace(1e-9, 1e-2, 30), [0.5, 2.5]]
    )
    x, names = x.astype("float32"), [f"y{i}" for i in range(12)]
    wide = x.astype("float64")
    small, series = np.clip(wide, -1, 1), wide * (1 / 32 + 1 / 16 + 1 / 8 + 1 / 4 + 1 / 2 + 1)
    truth = [np.arcsin(small), np.log1p(np.abs(wide)), np.log1p(-0.9 * np.abs(small)), np.expm1(wide)]
    truth += [
        np.log((x * x + np.float32(1e-3)).astype("float64")),
        np.round(wide),
        np.sign(wide) * np.floor(np.abs(wide) + 0.5),
        wide**3,
        np.fmod(wide, 1.5),
        1 / (1 + wide**2),
        series,
        wide * wide[wide > 0.5].sum(),
    ]
    said = {"format": 1, "outputs": [{"name": name} for name in names]}
    for writer, suffix in ((onnx_file, ".onnx"), (litert_file, ".tflite")):
        path = tmp_path / f"functions{suffix}"
        path.write_bytes(writer.encode(trace(function, [x.shape], writer.EXACT_LOG), ["x"], names, said))
        found = exporting.player(path)(x=x)
        for name, expected in zip(names, truth, strict=True):
            np.testing.assert_allclose(found[name], expected, rtol=1e-6, atol=1e-30, err_msg=f"{name}{suffix}")


@pytest.mark.jax
def test_a_uniform_at_the_edge_of_two_components_is_called_a_flip(tmp_path):
    """A file whose cumulated weights are off by rounding is right; one that draws something else is not."""
    model, path = model_of("lstm"), tmp_path / "step.onnx"
    mdn.export(model, path)
    from mdn.exporting import comparison
    from mdn.exporting.step import call_of

    call, play, names = call_of(model, 1, True, None, None), exporting.player(path), ("uniforms", "normals")
    one = {name: np.float32(1.0) for name in ("component_temperature", "variance_temperature")}
    noise = {name: np.full((2, *call.inputs[name]), 0.3, "float32") for name in names}
    weights = np.cumsum(ops.convert_to_numpy(OFFSETS(model(np.full((1, 1, 2), np.nan, "float32"))).weights)[0, 0])
    noise["uniforms"][0], noise["uniforms"][1] = weights[0] + 1e-7, 0.95

    def shifted(by):
        def other(**inputs):
            return play(**{**inputs, "uniforms": inputs["uniforms"] - np.float32(by)})

        return comparison._Run(model, call, other, one, noise, None, 0).over(2)

    assert shifted(4e-7).flips == (0,) and shifted(4e-7).given["next_event"] <= 1e-5
    wrong = shifted(0.4)
    assert wrong.flips == (0,) and wrong.given["next_event"] > 0.1


@pytest.mark.jax
@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_says_what_it_is(suffix, tmp_path):
    name = "pens under a condition that starts a gru"
    path = tmp_path / f"step{suffix}"
    said = written(name, path)
    assert exporting.describe(path) == json.loads(json.dumps(said))
    assert [(one["name"], one["shape"]) for one in said["inputs"]] == [
        ("event", [2, 5]),
        ("state", [2, 137]),
        ("uniforms", [2, 4]),
        ("normals", [2, 2]),
        ("component_temperature", []),
        ("variance_temperature", []),
        ("condition", [2, 2]),
    ]
    assert said["noise"] == [
        {"part": "offset", "uniforms": [0, 1], "normals": [0, 2]},
        {"part": "pen", "uniforms": [1, 2], "normals": [2, 2]},
        {"part": "flags", "uniforms": [2, 4], "normals": [2, 2]},
    ]
    assert [one["kind"] for one in said["columns"]] == ["number", "number", "class", "bit", "bit"]
    assert keras.saving.deserialize_keras_object(said["spec"]) == PEN
    assert sum(one["size"] for one in said["parameters"]) == PEN.params_size
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


# ---- what goes wrong ---------------------------------------------------------------------------------------------------


def convolution():
    head = [keras.layers.Flatten(), mdn.MDN(OFFSETS)]
    return keras.Sequential([keras.Input((6, 2)), keras.layers.Conv1D(3, 2), *head])


def in_half():
    with_half = keras.layers.Dense(4, dtype="float16")
    return keras.Sequential([keras.Input((2,)), with_half, mdn.MDN(OFFSETS)])


def two_inputs():
    a, b = keras.Input((2,)), keras.Input((3,))
    return keras.Model([a, b], mdn.MDN(OFFSETS)(keras.layers.Concatenate()([a, b])))


BAD = {
    "no mdn": (lambda: keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]), {}, "ends in 0"),
    "no model": (lambda: OFFSETS, {}, "must be an MDNRNN, an MDNRegressor or a Keras model"),
    "batch": (lambda: model_of("lstm"), {"batch_size": 0}, "`batch_size` must be an int of at least 1, but 0 came"),
    "no context": (
        lambda: model_of("a text under a window"),
        {},
        "`context_length` goes with a model that has a context",
    ),
    "a context": (
        lambda: model_of("lstm"),
        {"context_length": 3},
        "`context_length` goes with a model that has a context",
    ),
    # fault 14f of issue 18: errors that were raw, and one that did not say what a length is
    "a text, no length": (
        lambda: model_of("a text under a window"),
        {},
        "it is the length of the longest text, which is fixed",
    ),
    "a length of nothing": (
        lambda: model_of("a text under a window"),
        {"context_length": 0},
        "`context_length` must be an int of at least 1, but 0 came",
    ),
    "half a length": (
        lambda: model_of("a text under a window"),
        {"context_length": 2.5},
        r"`context_length` must be an int of at least 1, but 2\.5 came",
    ),
    "a batch that is true": (
        lambda: model_of("lstm"),
        {"batch_size": True},
        "`batch_size` must be an int of at least 1",
    ),
    "no function": (lambda: model_of("lstm"), {"constrain": 1}, "`constrain` must be a function"),
    "a world's memory": (
        lambda: Memory(4, 1),
        {},
        r"this Memory has none: make a functional model of it, .* The memory of a world, .* cannot be exported",
    ),
    "two inputs": (
        two_inputs,
        {},
        r"one input of known shape and one output, but this one has \[\(None, 2\), \(None, 3\)\]",
    ),
    "an operation": (convolution, {}, "cannot be exported: conv_general_dilated"),
    "half precision": (in_half, {}, "only float32 networks can be exported, but this one computes in float16"),
}


@pytest.mark.jax
@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_exported_is_named_and_what_was_there_stays(case, tmp_path):
    make, settings, message = BAD[case]
    path = tmp_path / "step.onnx"
    path.write_bytes(b"old")
    with pytest.raises((ValueError, TypeError), match=message):
        mdn.export(make(), path, **settings)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.jax
def test_a_model_whose_output_comes_in_a_dictionary_is_exported(tmp_path):
    """Fault 14f of issue 18: NumPy said "entry not a 2- or 3- tuple"."""
    x = keras.Input((2,))
    model = keras.Model(x, {"y": mdn.MDN(OFFSETS)(x)})
    mdn.export(model, tmp_path / "one.onnx")
    assert max(exporting.compare(model, tmp_path / "one.onnx", 3).given.values()) < 1e-5


@pytest.mark.jax
def test_a_disk_that_is_full_leaves_what_was_there(tmp_path, monkeypatch):
    from pathlib import Path

    path = tmp_path / "step.onnx"
    path.write_bytes(b"old")

    def full(self, content):
        with open(self, "wb") as file:
            file.write(content[:100])
        raise OSError("no space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="no space left"):
        mdn.export(model_of("lstm"), path)
    assert path.read_bytes() == b"old" and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(("suffix", "package"), [(".onnx", "onnx"), (".tflite", "ai_edge_litert")])
def test_a_missing_extra_is_one_sentence(suffix, package, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    for module in ("onnx_file", "litert_file"):
        monkeypatch.delitem(sys.modules, f"mdn.exporting.{module}", raising=False)
    with pytest.raises(ImportError, match=rf"{suffix} files need the package {package}: pip install 'mdn\[export\]'"):
        mdn.export(model_of("lstm"), tmp_path / f"step{suffix}")


def test_files_that_are_something_else_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"`path` must end in .onnx or .tflite"):
        mdn.export(model_of("lstm"), tmp_path / "step.pb")
    for suffix in FORMATS:
        path = tmp_path / f"other{suffix}"
        with pytest.raises(FileNotFoundError):
            exporting.describe(path)
        path.write_bytes(b"something else")
        with pytest.raises(ValueError, match=f"is no {suffix} file"):
            exporting.describe(path)


@pytest.mark.jax
def test_files_of_others_and_of_the_future_are_named(tmp_path):
    from mdn.exporting import onnx_file
    from mdn.exporting.tracing import trace

    path = tmp_path / "x.onnx"
    program = trace(lambda x: (x + 1.0,), [(1,)])
    path.write_bytes(onnx_file.encode(program, ["x"], ["y"], {"format": 99}))
    with pytest.raises(ValueError, match="newer version of mdn"):
        exporting.describe(path)
    import onnx

    model = onnx.load(path)
    del model.metadata_props[:]
    onnx.save(model, path)
    with pytest.raises(ValueError, match=r"was not written by mdn\.export"):
        exporting.describe(path)
