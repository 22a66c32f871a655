"""Small files of every kind that mdn writes, and what each of them answers; each release leaves a folder of them.

    python tests/golden_files.py tests/golden/0.1.0

writes them with the version that is installed, once, before anything moves; a folder that exists is never written again.
`tests/test_golden.py` opens all folders with the version of today and compares.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import mdn  # isort: skip

import keras
import numpy as np

from mdn.applications.handwriting.model import Handwriter
from mdn.applications.sketch.model import SketchRNN
from mdn.applications.world import act, remember
from mdn.applications.world.controller import Controller
from mdn.applications.world.memory import Memory
from mdn.applications.world.storage import Episode, Experiment, Latents
from mdn.applications.world.vision import Standardised, Vision

GOLDEN = Path(__file__).parent / "golden"
ANSWERS = "answers.npz"
X = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")
WALKS = [np.cumsum(np.random.default_rng(i).normal(size=(5 + i, 2)), axis=0).astype("float32") for i in range(3)]
TEXTS = [np.eye(3, dtype="float32")[[0, 2, 1]], np.eye(3, dtype="float32")[[1, 1]], np.eye(3, dtype="float32")]
LINES = [np.concatenate([walk, np.eye(1, len(walk), len(walk) - 1).T * 2], axis=1).astype("float32") for walk in WALKS]
DRAWINGS = [
    np.concatenate([walk, (np.arange(len(walk)) % 3 == 2)[:, None]], axis=1).astype("float32") for walk in WALKS
]
FAMILIES = {
    "diagonal": mdn.MixtureSpec(mdn.NormalSpec(2), 3),
    "isotropic": mdn.MixtureSpec(mdn.NormalSpec(2, covariance="isotropic"), 3),
    "full": mdn.MixtureSpec(mdn.NormalSpec(2, covariance="full"), 3),
    "low_rank": mdn.MixtureSpec(mdn.NormalSpec(3, covariance=1), 2),
    "normal": mdn.NormalSpec(2),
    "laplace": mdn.MixtureSpec(mdn.LaplaceSpec(1), 2),
    "logistic": mdn.MixtureSpec(mdn.LogisticSpec(1), 2),
    "student_t": mdn.MixtureSpec(mdn.StudentTSpec(1), 2),
    "log_normal": mdn.MixtureSpec(mdn.LogNormalSpec(1), 2),
    "von_mises": mdn.MixtureSpec(mdn.VonMisesSpec(1), 2),
    "categorical": mdn.CategoricalSpec(4),
    "bernoulli": mdn.BernoulliSpec(2),
    "mixed": mdn.MixtureSpec([mdn.NormalSpec(1), mdn.LaplaceSpec(1)], num_components=[3, 2]),
    "joint": mdn.JointSpec(offset=mdn.MixtureSpec(mdn.NormalSpec(2), 3), pen=mdn.CategoricalSpec(3)),
}


def shaken(model):
    """`model` with weights that are neither zero nor alike."""
    rng = np.random.default_rng(3)
    for weight in model.trainable_weights:
        weight.assign(keras.ops.convert_to_numpy(weight) + 0.2 * rng.normal(size=weight.shape))
    return model


def numbers(tensor) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


# ---- what writes them ------------------------------------------------------------------------------------------------


def write_family(path: Path, spec) -> None:
    keras.utils.set_random_seed(1)
    layer = mdn.MDN(spec)
    fresh = numbers(mdn.MDN(spec)(np.resize(X, (32, 3))))
    targets = numbers(spec.join(spec(fresh).sample(seed=0)))
    layer.adapt(targets)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, activation="tanh"), layer])
    model.compile(optimizer="adam", loss=mdn.NegativeLogLikelihood(spec), weighted_metrics=[mdn.metrics.NLL(spec)])
    model.train_on_batch(np.resize(X, (32, 3)), targets)
    shaken(model).save(path)


def table() -> dict:
    rng = np.random.default_rng(4)
    words = np.array(["red", "green", "blue"])[rng.integers(3, size=40)]
    size = rng.normal(size=40)
    size[::7] = np.nan
    return {"size": size, "colour": words}


def write_regressor(path: Path, ensemble_size: int) -> None:
    import pandas as pd

    columns = table()
    rng = np.random.default_rng(5)
    y = np.nan_to_num(columns["size"]) * (columns["colour"] == "red") + 0.1 * rng.normal(size=40)
    y = np.stack([y, -2.0 * y], axis=1) if ensemble_size == 1 else y
    settings = {"num_components": 2, "hidden_sizes": (4,), "epochs": 3, "missing": "median", "random_state": 0}
    mdn.MDNRegressor(**settings, ensemble_size=ensemble_size).fit(pd.DataFrame(columns), y).save(path)


def write_rnn(path: Path) -> None:
    keras.utils.set_random_seed(2)
    model = mdn.MDNRNN(mdn.MixtureSpec(mdn.NormalSpec(2), 2), units=(3, 3), positions=(0, 1), skip=True)
    shaken(model.adapt(WALKS)).save(path)
    stream = model.stream(seed=0)
    stream.feed(WALKS[0])
    stream.save(path.with_name("stream.npz"))


def write_cell(path: Path) -> None:
    keras.utils.set_random_seed(2)
    model = mdn.MDNRNN(
        mdn.MixtureSpec(mdn.NormalSpec(2), 2), units=(2,), cell=path.stem, condition_size=1, condition_starts=True
    )
    shaken(model.adapt(WALKS)).save(path)


def write_window(path: Path) -> None:
    keras.utils.set_random_seed(2)
    spec = mdn.JointSpec(offset=mdn.MixtureSpec(mdn.NormalSpec(2, "full"), 2), pen=mdn.CategoricalSpec(3))
    model = mdn.MDNRNN(spec, units=(3, 2), context_size=3, window_components=2)
    shaken(model.adapt(LINES)).save(path)


def write_handwriter(path: Path) -> None:
    keras.utils.set_random_seed(2)
    model = Handwriter("abc ", hands=["ann", "bob"], units=(3, 3), components=2, default_hand="ann")
    shaken(model.adapt(LINES)).save(path)


def write_sketch(path: Path) -> None:
    keras.utils.set_random_seed(2)
    model = SketchRNN((3,), 2, latent_size=2, encoder_units=2, classes=["cat", "dog"], scale=2.0)
    shaken(model.adapt(LINES)).save(path)


def latents() -> list[Latents]:
    rng = np.random.default_rng(6)
    found = []
    for length in (4, 6, 5):
        mean = rng.normal(size=(length + 1, 2)).astype("float32")
        actions = np.eye(2, dtype="float32")[rng.integers(2, size=length)]
        found.append(Latents(mean, np.full_like(mean, -3.0), actions, np.ones(length, "float32"), True, mean))
    return found


REMEMBERED = {"epochs": 2, "batch_size": 2, "seed": 3, "units": 2, "components": 2, "environment": "CartPole-v1"}


def write_world(folder: Path) -> None:
    folder.mkdir()
    keras.utils.set_random_seed(2)
    shaken(Vision((16, 16, 1), 2, (2, 3), environment="mdn/PixelCartPole-v0")).save(folder / "vision.keras")
    Standardised([0.0, 1.0], [1.0, 2.0], environment="CartPole-v1").save(folder / "standardised.keras")
    for head in ("factorised", "joint"):
        memory = Memory(2, 2, [0.0, 1.0], head, 2, 3, environment="CartPole-v1")
        shaken(memory).save(folder / f"memory_{head}.keras")
    controller = Controller(2, 2, "discrete", 3, 2, np.arange(3.0, dtype="float32"), np.full(3, 2.0, "float32"))
    parameters = np.random.default_rng(7).normal(size=controller.size).astype("float32")
    act.save_controller(folder / "controller.npz", "CartPole-v1", controller, parameters)
    experiment = Experiment.create(folder / "experiment", "CartPole-v1", seed=3)
    rng = np.random.default_rng(8)
    episodes = [
        Episode(
            rng.normal(size=(n + 1, 4)).astype("float32"), np.ones((n, 2), "float32"), np.ones(n, "float32"),
            True, False, np.ones((n + 1, 4)),
        )
        for n in (3, 5)
    ]  # fmt: skip
    experiment.write(0, episodes, "random")
    seen = [(one.observations[:, :2], np.zeros((len(one.observations), 2))) for one in episodes]
    experiment.write_latents(0, seen, "V")
    with contextlib.suppress(KeyboardInterrupt):
        remember.train(latents(), folder / "remembered", on_step=_killed, **REMEMBERED)


def _killed(done, figures):
    raise KeyboardInterrupt


# ---- what they answer ------------------------------------------------------------------------------------------------


def read_family(path: Path) -> dict:
    model = mdn.load(path)
    spec = model.layers[-1].spec
    y = targets(path.stem, spec.target_size)
    params = model(X)
    return {
        "params": numbers(params),
        "log_prob": numbers(spec(params).log_prob(y)),
        "loss": numbers(model.loss.call(y, params)),
    }


def targets(family: str, size: int) -> np.ndarray:
    rng = np.random.default_rng(10)
    y, whole = rng.normal(size=(len(X), size)), rng.integers(2, size=(len(X), size))
    if family in ("categorical", "bernoulli"):
        y = whole
    if family == "joint":
        y[:, -1] = whole[:, -1]
    return (np.exp(y) if family == "log_normal" else y).astype("float32")


def read_regressor(path: Path) -> dict:
    import pandas as pd

    regressor, frame = mdn.load(path), pd.DataFrame(table())[:7]
    found = {"mean": regressor.predict(frame)}
    if found["mean"].ndim == 1:
        found["quantiles"] = regressor.predict_quantile(frame, [0.1, 0.5, 0.9])
    return found | {"log_prob": regressor.log_prob(frame, found["mean"] + 0.1)}


def read_rnn(path: Path) -> dict:
    model = mdn.load(path)
    stream = model.stream(seed=0)
    stream.restore(path.with_name("stream.npz"))
    return {
        "log_prob": np.concatenate(model.log_prob(WALKS)),
        "generated": model.generate(4, batch_size=2, prime=WALKS[0], seed=0),
        "state": stream.state,
        "next": stream.step(component_temperature=0.5),
    }


def read_cell(path: Path) -> dict:
    return {"log_prob": np.concatenate(mdn.load(path).log_prob(WALKS, condition=X[:3, :1]))}


def read_window(path: Path) -> dict:
    return {"log_prob": np.concatenate(mdn.load(path).log_prob(LINES, context=TEXTS))}


def read_handwriter(path: Path) -> dict:
    model = mdn.load(path)
    told = model.conditions_of(["ab", "c a", None], ["ann", None, "bob"])
    return {"log_prob": np.concatenate(model.log_prob(LINES, **told)), "points": np.array(model.points)}


def read_sketch(path: Path) -> dict:
    model = mdn.load(path)
    mean, scale = model.encode(DRAWINGS)
    return {"mean": mean, "scale": scale, "condition": model.condition_of([[0.1, 0.2]], "dog")}


def read_world(folder: Path) -> dict:
    vision = mdn.load(folder / "vision.keras")
    frames = np.random.default_rng(9).integers(256, size=(2, 16, 16, 1)).astype("uint8")
    mean, log_variance = vision.encode(frames)
    found = {"mean": mean, "log_variance": log_variance, "frames": vision.decode(mean).astype("float32")}
    found["standardised"] = mdn.load(folder / "standardised.keras").encode(X[:, :2])[0]
    z, actions = X[None, :, :2], np.eye(2, dtype="float32")[None, [0, 1, 1, 0, 1, 0]]
    for head in ("factorised", "joint"):
        found[f"memory_{head}"] = numbers(mdn.load(folder / f"memory_{head}.keras")([z, actions]))
    experiment = Experiment.open(folder / "experiment")
    for i, (episode, latent) in enumerate(zip(experiment.read(0), experiment.latents(0), strict=True)):
        found |= {f"observations_{i}": episode.observations, f"latents_{i}": latent.mean}
    return found


def read_controller(path: Path) -> dict:
    controller, parameters = act.load_controller(path, "CartPole-v1")
    return {"acted": numbers(controller.act(np.tile(parameters, (6, 1)), X[:, :2], X))}


def read_checkpoint(folder: Path) -> dict:
    """M after the epoch that was still to come."""
    with tempfile.TemporaryDirectory() as copied:
        shutil.copytree(folder, copied, dirs_exist_ok=True)
        model, figures = remember.train(latents(), copied, **REMEMBERED)
    weights = {f"weight_{i}": numbers(weight) for i, weight in enumerate(model.weights)}
    return weights | {"nll": np.array([one["nll"] for one in figures])}


WRITTEN: dict[str, Callable[[Path], None]] = {
    **{f"{name}.keras": lambda path, spec=spec: write_family(path, spec) for name, spec in FAMILIES.items()},
    "regressor.keras": lambda path: write_regressor(path, 1),
    "ensemble.keras": lambda path: write_regressor(path, 2),
    "rnn.keras": write_rnn,
    "gru.keras": write_cell,
    "layer_norm_lstm.keras": write_cell,
    "window.keras": write_window,
    "handwriter.keras": write_handwriter,
    "sketch.keras": write_sketch,
    "world": write_world,
}
READ: dict[str, Callable[[Path], dict]] = {
    **dict.fromkeys((f"{name}.keras" for name in FAMILIES), read_family),
    "regressor.keras": read_regressor,
    "ensemble.keras": read_regressor,
    "rnn.keras": read_rnn,
    "gru.keras": read_cell,
    "layer_norm_lstm.keras": read_cell,
    "window.keras": read_window,
    "handwriter.keras": read_handwriter,
    "sketch.keras": read_sketch,
    "world": read_world,
    "world/controller.npz": read_controller,
    "world/remembered": read_checkpoint,
}


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True)
    for name, write in WRITTEN.items():
        write(folder / name)
    answers = {f"{name}:{key}": value for name, read in READ.items() for key, value in read(folder / name).items()}
    np.savez_compressed(folder / ANSWERS, **answers)
    print(f"{folder}: {sum(path.stat().st_size for path in folder.rglob('*') if path.is_file()):,} bytes")


if __name__ == "__main__":
    main()
