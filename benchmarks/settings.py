"""Where the defaults of MDNRegressor come from: settings beside each other on training parts alone, never on a test part.

    MDN_DATA=... python benchmarks/settings.py [--sets yacht energy] [--splits 5] [--settings "no bins" "8 bins"]

A tenth of the training rows of each split is set aside and scored: NLL in nats, in the target's unit. Between a setting and
the defaults stands the mean difference, split by split, and its standard error.
"""

import argparse
import os
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import numpy as np

import mdn
from mdn.tabular.learning import architecture
from mdn.tabular.network import shared

SETS = ("yacht", "boston", "energy", "concrete", "wine-quality-red", "power", "kin8nm", "protein")
SMALL = ("yacht", "energy", "concrete", "wine-quality-red")
K = 6
DEFAULTS = "defaults, K = 6"
SETTINGS = {
    DEFAULTS: {},
    "no bins": {"feature_bins": 0},
    "8 bins": {"feature_bins": 8},
    "16 bins": {"feature_bins": 16},
    "rate 3e-3": {"learning_rate": 3e-3},
    "without averaged weights": {"averaging": 0.0},
    "without training anew": {"refit": False},
    "noise on features 0.03": {"feature_noise": 0.03},
    "noise on targets 0.05": {"target_noise": 0.05},
    "weight decay 0.01": {"weight_decay": 0.01},
    "weight decay 0.1": {"weight_decay": 0.1},
    "tanh": {"activation": "tanh"},
    "three starts": {"restarts": 3},
    "nGEM, rate 1e-2": {"natural": True, "feature_bins": 0},
    "nGEM, rate 5e-3": {"natural": True, "feature_bins": 0, "learning_rate": 5e-3},
    "nGEM, rate 2e-3": {"natural": True, "feature_bins": 0, "learning_rate": 2e-3},
}


def load(name: str, split: int):
    """(X, y, X_held, y_held) of the training part of a split, targets standardised, and the log of their unit."""
    data = np.load(Path(os.environ["MDN_DATA"]) / "uci" / f"{name}.npz")
    rest = ~data["test_mask"][split].astype(bool)
    x, y = data["X"][rest], data["y"].reshape(-1)[rest].astype("float64")
    if name.startswith("wine"):
        y = y + np.random.default_rng(0).uniform(-0.5, 0.5, y.shape)
    order = np.random.default_rng(1000 + split).permutation(len(y))
    held, train = order[: len(y) // 10], order[len(y) // 10 :]
    center, spread = y[train].mean(), y[train].std()
    z = (y - center) / spread
    return x[train], z[train], x[held], z[held], np.log(spread)


def score(name: str, split: int, natural: bool = False, **settings) -> float:
    x, z, x_held, z_held, log_unit = load(name, split)
    regressor = mdn.MDNRegressor(num_components=K, random_state=split, **settings)
    if natural:  # no option of the regressor: of the same network only the loss is another
        regressor.trunk_ = None
        network = shared(architecture(regressor, x.shape[1], 1, K, bins=regressor.feature_bins))
        loss, network.loss = network.loss, mdn.NaturalGradientEM(network.architecture.spec, target_scale=[1.0])
        try:
            regressor.fit(x, z)
        finally:
            network.loss = loss
    else:
        regressor.fit(x, z)
    return float(-np.mean(regressor.log_prob(x_held, z_held)) + log_unit)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SMALL)
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS), help="beside the defaults")
    arguments = parser.parse_args()
    for name in arguments.sets:
        print(f"\n{name}, training rows of splits 0 to {arguments.splits - 1}", flush=True)
        defaults = None
        for label in dict.fromkeys([DEFAULTS, *arguments.settings]):
            settings = SETTINGS[label]
            found = np.array([score(name, split, **settings) for split in range(arguments.splits)])
            defaults = found if defaults is None else defaults
            gap = found - defaults
            error = np.std(gap, ddof=1) / np.sqrt(len(gap)) if len(gap) > 1 else np.nan
            print(f"  {label:26s}{found.mean():8.3f}   {gap.mean():+7.3f} ± {error:.3f}", flush=True)


if __name__ == "__main__":
    main()
