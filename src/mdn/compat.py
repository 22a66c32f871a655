"""The names of keras-mdn-layer, for code and files written for it: same arguments, same packing, same results."""

from __future__ import annotations

from typing import cast

import keras
import numpy as np
from keras import ops

from mdn.distributions import Mixture, MixtureSpec, NormalSpec, ShapeError
from mdn.layers import MDN
from mdn.losses import NegativeLogLikelihood

# keras-mdn-layer added this to its scales, so that no loss was NaN.
_EPSILON = 1e-7


def _spec(output_dim: int, num_mixes: int) -> MixtureSpec:
    return MixtureSpec(NormalSpec(output_dim), num_mixes)


def _checked(params, output_dim: int, num_mixes: int) -> np.ndarray:
    params = np.asarray(params)
    size = _spec(output_dim, num_mixes).params_size
    if params.ndim == 0 or params.shape[-1] != size:
        raise ShapeError(
            f"`params` must end in an axis of {size} for output_dim={output_dim} and num_mixes={num_mixes}, "
            f"but the shape is {params.shape}."
        )
    return params


def elu_plus_one_plus_epsilon(x):
    """ELU(x) + 1 + 1e-7: positive, and smooth.

    Example:
        >>> import mdn
        >>> round(float(mdn.elu_plus_one_plus_epsilon(2.0)), 3)
        3.0
    """
    return ops.elu(x) + 1.0 + _EPSILON


def get_mixture_loss_func(output_dim: int, num_mixes: int) -> NegativeLogLikelihood:
    """The negative log-likelihood of a mixture of diagonal normals, as a registered Loss.

    Args:
        output_dim: D, coordinates of a target.
        num_mixes: K, components.

    Example:
        >>> import mdn
        >>> mdn.get_mixture_loss_func(1, 5).name
        'mdn_loss_func'
    """
    return NegativeLogLikelihood(_spec(output_dim, num_mixes), name="mdn_loss_func")


def get_mixture_sampling_fun(output_dim: int, num_mixes: int):
    """A function that takes packed parameters `(*batch, P)` and returns one draw for each, `(*batch, output_dim)`.

    Args:
        output_dim: D, coordinates of a target.
        num_mixes: K, components.

    Example:
        >>> import mdn, numpy as np
        >>> mdn.get_mixture_sampling_fun(2, 3)(np.ones((7, 15), 'float32')).shape
        (7, 2)
    """
    spec = _spec(output_dim, num_mixes)

    def sampling_func(y_pred, seed=None):
        return spec.sample(y_pred, seed=seed)

    return sampling_func


def get_mixture_mse_accuracy(output_dim: int, num_mixes: int):
    """A metric: the squared difference between one draw and the target, averaged over coordinates, `(*batch,)`.

    Args:
        output_dim: D, coordinates of a target.
        num_mixes: K, components.

    Example:
        >>> import mdn, numpy as np
        >>> mdn.get_mixture_mse_accuracy(2, 3)(np.zeros((7, 2), 'float32'), np.ones((7, 15), 'float32')).shape
        (7,)
    """
    sample = get_mixture_sampling_fun(output_dim, num_mixes)
    draws = keras.random.SeedGenerator()

    def mse_func(y_true, y_pred):
        y_true = ops.reshape(ops.cast(y_true, y_pred.dtype), (*ops.shape(y_pred)[:-1], output_dim))
        return ops.mean(ops.square(sample(y_pred, draws.next()) - y_true), axis=-1)

    return mse_func


def split_mixture_params(params, output_dim: int, num_mixes: int):
    """(mus, sigmas, logits) of packed parameters, views along the last axis.

    Args:
        params: Shape `(*batch, P)`, where P is `(2 D + 1) K`.
        output_dim: D, coordinates of a target.
        num_mixes: K, components.

    Returns:
        Shapes `(*batch, K·D)`, `(*batch, K·D)` and `(*batch, K)`.

    Raises:
        ShapeError: if the size does not fit (a ValueError, and an AssertionError as in the original).

    Example:
        >>> import mdn, numpy as np
        >>> mus, sigmas, logits = mdn.split_mixture_params(np.ones(15), 2, 3)
        >>> len(mus), len(sigmas), len(logits)
        (6, 6, 3)
    """
    params = _checked(params, output_dim, num_mixes)
    return tuple(params[..., block] for block in _spec(output_dim, num_mixes).slices.values())


def softmax(w, t: float = 1.0) -> np.ndarray:
    """Weights from logits `(*batch, K)`, divided by the temperature `t` first.

    Args:
        w: Logits, shape `(*batch, K)`.
        t: The temperature, above 0: above 1 the weights are more alike, below 1 the largest wins.

    Example:
        >>> import mdn
        >>> mdn.softmax([0.0, 0.0]).tolist()
        [0.5, 0.5]
    """
    e = np.array(w, "float64") / t
    e = np.exp(e - e.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def sample_from_categorical(dist) -> int:
    """An index drawn with probabilities `dist`, from NumPy's global generator; never out of range.

    Example:
        >>> import mdn
        >>> mdn.sample_from_categorical([0.0, 1.0])
        1
    """
    return int(_draw_index(np.asarray(dist, "float64")))


def _draw_index(dist: np.ndarray) -> np.ndarray:
    """Inverts the cumulated weights at one uniform draw each; rounding cannot leave the range, as it could in the original."""
    cumulated = np.cumsum(dist, axis=-1)
    u = np.random.random_sample((*dist.shape[:-1], 1)) * cumulated[..., -1:]  # noqa: NPY002 - the original's generator
    return np.minimum(np.sum(u >= cumulated, axis=-1), np.sum(cumulated < cumulated[..., -1:], axis=-1))


def sample_from_output(
    params, output_dim: int, num_mixes: int, temp: float = 1.0, sigma_temp: float = 1.0
) -> np.ndarray:
    """Draws from packed parameters in NumPy, with temperatures; uses NumPy's global generator, as the original did.

    Args:
        params: Shape `(P,)`, or, beyond the original, `(*batch, P)`.
        output_dim: Coordinates of a draw.
        num_mixes: Components.
        temp: Divides the logits.
        sigma_temp: Multiplies the variances.

    Returns:
        Shape `(*batch, output_dim)`.

    Raises:
        ShapeError: if the size of `params` does not fit.

    Example:
        >>> import mdn, numpy as np
        >>> mdn.sample_from_output(np.ones(15), 2, 3).shape
        (2,)
    """
    mus, sigmas, logits = split_mixture_params(params, output_dim, num_mixes)
    chosen = _draw_index(softmax(logits, temp))[..., None, None]

    def pick(block):
        shaped = np.reshape(block, (*block.shape[:-1], num_mixes, output_dim))
        return np.take_along_axis(shaped, chosen, axis=-2)[..., 0, :]

    noise = np.random.standard_normal((*np.shape(params)[:-1], output_dim))  # noqa: NPY002 - the original's generator
    return pick(mus) + pick(sigmas) * np.sqrt(sigma_temp) * noise


def mixture_of(params, output_dim: int, num_mixes: int) -> Mixture:
    """The mixture of packed parameters: it gives old code exact quantiles, CRPS and conditioning."""
    return cast(Mixture, _spec(output_dim, num_mixes)(params))


def mdn_loss_func(y_true, y_pred):
    """The loss that keras-mdn-layer's files name. It reads D and K off the shapes: `(2 D + 1) K` parameters for D targets."""
    size = y_true.shape[-1] if len(y_true.shape) == len(y_pred.shape) else 1
    return get_mixture_loss_func(size, y_pred.shape[-1] // (2 * size + 1))(y_true, y_pred)


def register() -> None:
    """Lets Keras open keras-mdn-layer's files; objects that a user has registered under these names are kept."""
    objects = keras.saving.get_custom_objects()
    for name, value in {
        "MDN": MDN,
        "mdn_loss_func": mdn_loss_func,
        "elu_plus_one_plus_epsilon": elu_plus_one_plus_epsilon,
    }.items():
        objects.setdefault(name, value)


register()
