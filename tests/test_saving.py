"""Files: no custom_objects, every spec, and the same output under every backend that is installed."""

import importlib.util
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

import mdn
from test_layer import SPECS, targets_of

SRC = Path(mdn.__file__).resolve().parent.parent
BACKENDS = [name for name in ("jax", "torch", "tensorflow") if importlib.util.find_spec(name)]
X = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")


def trained(spec, adapt=True):
    keras.utils.set_random_seed(1)
    y = targets_of(spec)
    layer = mdn.MDN(spec)
    if adapt:
        layer.adapt(y)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4, activation="relu"), layer])
    model.compile(optimizer="adam", loss=mdn.NegativeLogLikelihood(spec), weighted_metrics=[mdn.metrics.NLL(spec)])
    model.train_on_batch(np.resize(X, (len(y), 3)), y)
    return model, y


@pytest.mark.parametrize("name", SPECS)
def test_a_model_comes_back_whole(name, tmp_path):
    model, y = trained(SPECS[name])
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))
    assert isinstance(again.loss, mdn.NegativeLogLikelihood)
    x = np.resize(X, (len(y), 3))
    np.testing.assert_allclose(again.evaluate(x, y, verbose=0), model.evaluate(x, y, verbose=0), rtol=1e-5)
    before, after = (mdn.predict(m, X).log_prob(y[:5]) for m in (model, again))
    np.testing.assert_array_equal(*(keras.ops.convert_to_numpy(t) for t in (before, after)))


def test_a_model_without_adapt_comes_back_whole(tmp_path):
    model, _ = trained(SPECS["diagonal"], adapt=False)
    model.save(tmp_path / "m.keras")
    again = mdn.load(tmp_path / "m.keras")
    np.testing.assert_array_equal(again.predict(X, verbose=0), model.predict(X, verbose=0))


READ = """
import json, sys
import mdn, keras, numpy as np
x, found = np.asarray(json.loads(sys.argv[1]), "float32"), []
for path in sys.argv[2:]:
    model = keras.saving.load_model(path)
    mean = keras.ops.convert_to_numpy(mdn.predict(model, x).mean())
    found.append([model.predict(x, verbose=0).tolist(), mean.tolist()])
print(json.dumps([keras.backend.backend(), found]))
"""


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_fresh_process_under_any_backend_gives_the_same_output(backend, tmp_path):
    models = {tmp_path / f"{name}.keras": trained(SPECS[name])[0] for name in ("diagonal", "full")}
    for path, model in models.items():
        model.save(path)
    environment = os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(SRC), "KERAS_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", READ, json.dumps(X.tolist()), *map(str, models)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ran.returncode == 0, ran.stderr
    used, found = json.loads(ran.stdout.splitlines()[-1])
    assert used == backend
    for model, (params, mean) in zip(models.values(), found, strict=True):
        np.testing.assert_allclose(params, model.predict(X, verbose=0), rtol=1e-5, atol=1e-6)
        expected = keras.ops.convert_to_numpy(mdn.predict(model, X).mean())
        np.testing.assert_allclose(mean, expected, rtol=1e-5, atol=1e-6)


def test_a_file_of_a_newer_version_gets_one_sentence(tmp_path):
    model, _ = trained(SPECS["diagonal"])
    model.save(tmp_path / "m.keras")
    with zipfile.ZipFile(tmp_path / "m.keras") as old, zipfile.ZipFile(tmp_path / "new.keras", "w") as new:
        for member in old.namelist():
            content = old.read(member)
            new.writestr(
                member, content.replace(b'"format": 1', b'"format": 99') if member == "config.json" else content
            )
    with pytest.raises((ValueError, TypeError), match="newer version of mdn"):
        mdn.load(tmp_path / "new.keras")


@pytest.mark.parametrize(("content", "message"), [(None, "there is no file"), (b"no model", "is not a .keras file")])
def test_what_is_no_model_says_so(tmp_path, content, message):
    path = tmp_path / "m.keras"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        mdn.load(path)


def test_a_zip_that_is_no_model_says_so(tmp_path):
    with zipfile.ZipFile(tmp_path / "m.keras", "w") as archive:
        archive.writestr("a", "b")
    with pytest.raises(ValueError, match=r"no config\.json"):
        mdn.load(tmp_path / "m.keras")
