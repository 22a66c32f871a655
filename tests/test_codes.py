"""Numbers that may stand for missing values are named, and never changed."""

import numpy as np
import pandas as pd
import pytest

import mdn
from commands import run_here
from mdn.tabular.codes import MissingCodes, codes_of

pytestmark = pytest.mark.project

RANDOM = np.random.default_rng(0)
AGES = RANDOM.integers(0, 81, 300).astype("float64")


def some(value, share=0.1):
    return np.where(RANDOM.uniform(size=len(AGES)) < share, value, AGES)


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        (some(-999.0), [-999.0]),
        (some(9999.0), [9999.0]),
        (np.where(RANDOM.uniform(size=300) < 0.1, -998.0, some(-999.0)), [-999.0, -998.0]),
        (np.where(AGES < 8, -99.0, np.minimum(AGES, 20.0)), [-99.0]),
        (some(120.0), []),  # 9s only are taken for codes at such a distance
        (some(99.0), [99.0]),
        (AGES, []),
        (np.append(AGES, -999.0), []),  # one row may be true
        (np.exp(RANDOM.normal(size=300)), []),
        (RANDOM.choice([0.0, 1.0, 1000.0], 300), []),
        (np.array([]), []),
    ],
)
def test_codes_are_frequent_values_far_from_all_others(values, codes):
    assert [value for value, _ in codes_of(values)] == codes


@pytest.mark.jax
def test_a_regressor_names_codes_in_features_and_targets_and_learns_them_as_they_are():
    x = pd.DataFrame({"age": some(-999.0), "size": AGES})
    settings = mdn.MDNRegressor(1, (4,), epochs=1, random_state=0)
    with pytest.warns(MissingCodes) as caught:
        settings.fit(x, some(9999.0))
    said = [str(one.message) for one in caught if one.category is MissingCodes]
    assert len(said) == 2 and "'age' is exactly -999 in" in said[0] and "the target 'y' is exactly 9999 in" in said[1]
    assert settings.columns_.about[0].detail == "-999 to 80"


@pytest.mark.jax
@pytest.mark.project
def test_check_and_fit_name_codes_once(tmp_path):
    pd.DataFrame({"age": some(-999.0), "visits": some(-99.0)}).to_csv(tmp_path / "t.csv", index=False)
    for command in (["check"], ["fit", "--epochs", "1", "--components", "1"]):
        ran = run_here(tmp_path, command[0], "t.csv", "--target", "visits", *command[1:])
        said = " ".join((ran.stdout + ran.stderr).split())
        assert ran.exit_code == 0 and said.count("'age' is exactly -999") == 1, said
        assert said.count("the target 'visits' is exactly -99") == 1 and "clear these cells" in said
