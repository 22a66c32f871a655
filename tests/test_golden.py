"""Files of each release open today, and answer as they did then."""

import keras
import numpy as np
import pytest

from golden_files import ANSWERS, GOLDEN, READ

# Under another backend than the one that wrote a file, floats are rounded elsewhere.
CLOSE = {"rtol": 1e-6, "atol": 1e-6} if keras.backend.backend() == "jax" else {"rtol": 2e-5, "atol": 2e-5}
ON_JAX = ("world/remembered", "world/controller.npz")  # M is trained, and C acts, there alone


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.jax) if name in ON_JAX else name for name in READ]
)
@pytest.mark.parametrize("version", sorted(path.name for path in GOLDEN.iterdir()))
def test_a_file_of_an_earlier_version_answers_as_it_did(version, name):
    folder = GOLDEN / version
    with np.load(folder / ANSWERS) as said:
        expected = {key.removeprefix(f"{name}:"): said[key] for key in said.files if key.startswith(f"{name}:")}
    if not expected:
        pytest.skip(f"{version} wrote no {name}")
    found = READ[name](folder / name)
    for key, value in expected.items():  # later versions may ask for more
        np.testing.assert_allclose(found[key], value, **CLOSE, err_msg=key)
