"""MDNRegressor and its peers for `tabular.py`: what each learns and answers, and the densities and quantiles of answers.

Everybody gets the same rows, and keeps its defaults except:

- NGBoost: 1,000 stages, learning rate 0.02, early stopping (50 rounds) on 15 % held out.
- CatBoost: `loss_function="RMSEWithUncertainty"`, early stopping (50 rounds) on 15 % held out.
- LightGBM: a quantile regression for each of 19 levels, at most 1,000 trees, early stopping (50 rounds) on 15 % held out; the
  19 answers are sorted.
- treeffuser: its own early stopping on 10 %; the quantiles of 100 draws, which raises the pinball loss by 1 %.
- RealMLP (pytabkit's tuned defaults): trained and stopped by the pinball loss of the 19 levels, 15 % held out.
- skpro's MDNRegressor: the number of epochs (100, 300, 1,000) chosen on 15 % held out, standardised data.
- keras-mdn-layer: 2×50 tanh, K = 5, standardised, at most 200 epochs of Adam, early stopping on 15 % held out.
"""

import time
from typing import NamedTuple

import numpy as np

VALID, PATIENCE, DRAWS = 0.15, 50, 100
LEVELS = np.arange(1, 20) / 20


# ---- models: (X, y, X_test, seed) -> (the answer on the test rows, the moment at which fitting was over) ----------------


class Normals(NamedTuple):
    """A mixture of normals for each row; each array is `(N, K)`. `quantiles` is there if the model has answers of its own."""

    logits: np.ndarray
    loc: np.ndarray
    scale: np.ndarray
    quantiles: "Quantiles | None" = None


class Quantiles(NamedTuple):
    """The quantiles of `LEVELS` for each row, `(N, 19)`, and the mean, `(N,)`."""

    values: np.ndarray
    mean: np.ndarray


def ours(x, y, x_test, seed, size=1):
    import mdn

    reg = mdn.MDNRegressor(ensemble_size=size, random_state=seed).fit(x, y)
    start = time.perf_counter()
    mixture = reg.predict_distribution(x_test)
    parts = mixture.logits, mixture.components.loc[..., 0], mixture.components.scale[..., 0]
    answers = Quantiles(reg.predict_quantile(x_test, LEVELS), reg.predict(x_test))  # on the grid, if targets lie on one
    return Normals(*(np.asarray(part, "float64") for part in parts), answers), start


def ours_of_five(x, y, x_test, seed):
    return ours(x, y, x_test, seed, 5)


def ngboost(x, y, x_test, seed):
    from ngboost import NGBRegressor

    rest, held = _split(len(y), seed)
    model = NGBRegressor(
        n_estimators=1000, learning_rate=0.02, verbose=False, random_state=seed, early_stopping_rounds=PATIENCE
    )
    model.fit(x[rest], y[rest], X_val=x[held], Y_val=y[held])
    start = time.perf_counter()
    found = model.pred_dist(x_test).params
    return _normal(found["loc"], found["scale"]), start


def catboost(x, y, x_test, seed):
    from catboost import CatBoostRegressor

    rest, held = _split(len(y), seed)
    model = CatBoostRegressor(
        loss_function="RMSEWithUncertainty", random_seed=seed, thread_count=1, verbose=False, allow_writing_files=False
    )
    model.fit(x[rest], y[rest], eval_set=(x[held], y[held]), early_stopping_rounds=PATIENCE)
    start = time.perf_counter()
    mean, variance = model.predict(x_test, prediction_type="RMSEWithUncertainty").T
    return _normal(mean, np.sqrt(variance)), start


def lightgbm(x, y, x_test, seed):
    from lightgbm import LGBMRegressor, early_stopping

    rest, held = _split(len(y), seed)
    models = [
        LGBMRegressor(
            objective="quantile", alpha=level, n_estimators=1000, n_jobs=1, random_state=seed, verbose=-1
        ).fit(x[rest], y[rest], eval_set=[(x[held], y[held])], callbacks=[early_stopping(PATIENCE, verbose=False)])
        for level in LEVELS
    ]
    start = time.perf_counter()
    return _quantiles(np.stack([model.predict(x_test) for model in models], axis=1)), start


def treeffuser(x, y, x_test, seed):
    from treeffuser import Treeffuser

    model = Treeffuser(seed=seed, n_jobs=1)
    model.fit(x, y)
    start = time.perf_counter()
    draws = np.asarray(model.sample(x_test, n_samples=DRAWS, seed=seed)).reshape(DRAWS, len(x_test))
    return Quantiles(np.quantile(draws, LEVELS, axis=0).T, draws.mean(axis=0)), start


def realmlp(x, y, x_test, seed):
    from pytabkit import RealMLP_TD_Regressor

    loss = f"multi_pinball({','.join(f'{level:.2f}' for level in LEVELS)})"
    model = RealMLP_TD_Regressor(
        train_metric_name=loss, val_metric_name=loss, val_fraction=VALID, random_state=seed, device="cpu", n_threads=1
    )
    model.fit(x, y)
    start = time.perf_counter()
    return _quantiles(np.asarray(model.predict(x_test), "float64")), start


def skpro(x, y, x_test, seed):
    import pandas as pd
    from skpro.regression.mdn import MDNRegressor

    (x, x_test), (center, spread) = _standardise(x, x_test), (y.mean(), y.std())
    z = (y - center) / spread
    rest, held = _split(len(y), seed)

    def fit(rows, epochs):
        model = MDNRegressor(epochs=epochs, random_state=seed)
        return model.fit(pd.DataFrame(x[rows]), pd.DataFrame(z[rows]))

    def mixture(model, rows):
        found = model.predict_proba(pd.DataFrame(rows)).get_params()
        pi, loc, scale = (np.asarray(found[name], "float64").reshape(len(rows), -1) for name in ("pi", "mu", "sigma"))
        return Normals(np.log(pi), loc, scale)

    def held_out_nll(epochs):
        return -np.mean(log_prob(mixture(fit(rest, epochs), x[held]), z[held]))

    model = fit(np.arange(len(y)), min((100, 300, 1000), key=held_out_nll))
    start = time.perf_counter()
    logits, loc, scale = mixture(model, x_test)
    return Normals(logits, center + spread * loc, spread * scale), start


def keras_mdn_layer(x, y, x_test, seed):
    import keras
    import keras_mdn_layer as peer

    (x, x_test), (center, spread) = _standardise(x, x_test), (y.mean(), y.std())
    rest, held = _split(len(y), seed)
    keras.utils.set_random_seed(seed)
    hidden = [keras.layers.Dense(50, activation="tanh") for _ in range(2)]
    model = keras.Sequential([keras.Input((x.shape[1],)), *hidden, peer.MDN(1, 5)])
    model.compile(optimizer="adam", loss=peer.get_mixture_loss_func(1, 5))
    z = ((y - center) / spread)[:, None]
    stop = keras.callbacks.EarlyStopping(patience=20, restore_best_weights=True)
    model.fit(x[rest], z[rest], validation_data=(x[held], z[held]), epochs=200, verbose=0, callbacks=[stop])
    start = time.perf_counter()
    found = model.predict(x_test, verbose=0).astype("float64")
    return Normals(found[:, 10:], center + spread * found[:, :5], spread * found[:, 5:10]), start


MODELS = {
    "ours": ours,
    "ours-5": ours_of_five,
    "ngboost": ngboost,
    "catboost": catboost,
    "lightgbm": lightgbm,
    "treeffuser": treeffuser,
    "realmlp": realmlp,
    "skpro": skpro,
    "keras-mdn-layer": keras_mdn_layer,
}


def _split(count, seed):
    order = np.random.default_rng(seed).permutation(count)
    held = round(VALID * count)
    return order[held:], order[:held]


def _standardise(x, x_test):
    center, spread = x.mean(axis=0), x.std(axis=0)
    spread = np.where(spread > 0, spread, 1.0)
    return (x - center) / spread, (x_test - center) / spread


def _normal(loc, scale):
    return Normals(np.zeros((len(loc), 1)), loc[:, None], scale[:, None])


def _quantiles(values):
    return Quantiles(np.sort(values, axis=1), values.mean(axis=1))


# ---- what an answer says, in NumPy and float64 -------------------------------------------------------------------------


def _log_weights(logits):
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def log_prob(mixture: Normals, y):
    logits, loc, scale, _ = mixture
    z = (y[:, None] - loc) / scale
    each = _log_weights(logits) - 0.5 * z**2 - np.log(scale) - 0.5 * np.log(2 * np.pi)
    return np.logaddexp.reduce(each, axis=1)


def log_prob_of_cell(mixture: Normals, y, step):
    """The log of the mean density in the cell of the grid about y."""
    from scipy.special import log_ndtr

    logits, loc, scale, _ = mixture
    low, high = ((y[:, None] + side * step / 2 - loc) / scale for side in (-1, 1))
    low, high = -np.abs(0.5 * (low + high)) + 0.5 * np.stack([low - high, high - low])  # on the left, where digits are
    each = log_ndtr(high) + np.log1p(-np.exp(log_ndtr(low) - log_ndtr(high)))
    return np.logaddexp.reduce(_log_weights(logits) + each, axis=1) - np.log(step)


def quantiles_of(mixture: Normals) -> Quantiles:
    from scipy.special import ndtr, ndtri

    if mixture.quantiles is not None:
        return mixture.quantiles
    weights, loc, scale = np.exp(_log_weights(mixture.logits)), mixture.loc[:, None], mixture.scale[:, None]
    each = loc + scale * ndtri(LEVELS)[:, None]
    low, high = each.min(axis=2), each.max(axis=2)  # a mixture's quantile lies between those of its components
    for _ in range(50):
        middle = 0.5 * (low + high)
        below = np.einsum("nk,nlk->nl", weights, ndtr((middle[..., None] - loc) / scale)) < LEVELS
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return Quantiles(0.5 * (low + high), np.sum(weights * mixture.loc, axis=1))
