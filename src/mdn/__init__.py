"""mdn: mixture density networks, which predict distributions instead of points."""

from importlib import import_module as _import_module

from mdn import backend as _backend  # noqa: F401 - first: it decides the Keras backend before Keras is imported
from mdn import metrics
from mdn.compat import (
    elu_plus_one_plus_epsilon,
    get_mixture_loss_func,
    get_mixture_mse_accuracy,
    get_mixture_sampling_fun,
    sample_from_categorical,
    sample_from_output,
    softmax,
    split_mixture_params,
)
from mdn.distributions import *  # noqa: F403
from mdn.distributions import __all__ as _families
from mdn.layers import MDN
from mdn.losses import CRPS, EnergyScore, NaturalGradientEM, NegativeLogLikelihood
from mdn.models import load, predict

__version__ = "0.1.0"
_ON_FIRST_USE = (
    "applications",
    "dask",
    "data",
    "doctor",
    "drawing",
    "exporting",
    "files",
    "plots",
    "sequences",
    "tabular",
    "training",
)
_ROOM_OF = {"MDNRegressor": "tabular", "MDNRNN": "sequences", "diagnose": "doctor", "export": "exporting"}
__all__ = [
    *_families,
    "MDN",
    "NegativeLogLikelihood",
    "NaturalGradientEM",
    "CRPS",
    "EnergyScore",
    "MDNRegressor",  # noqa: F405 - on first use
    "MDNRNN",  # noqa: F405 - on first use
    "metrics",
    "predict",
    "load",
    "diagnose",  # noqa: F405 - on first use
    "export",  # noqa: F405 - on first use
    # keras-mdn-layer's names
    "elu_plus_one_plus_epsilon",
    "get_mixture_loss_func",
    "get_mixture_mse_accuracy",
    "get_mixture_sampling_fun",
    "sample_from_categorical",
    "sample_from_output",
    "softmax",
    "split_mixture_params",
]


def __getattr__(name: str):
    if name in _ON_FIRST_USE:
        return _import_module(f"mdn.{name}")
    if name in _ROOM_OF:
        return getattr(_import_module(f"mdn.{_ROOM_OF[name]}"), name)
    raise AttributeError(f"module 'mdn' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_ON_FIRST_USE, *__all__})
