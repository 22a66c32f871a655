"""mdn: mixture density networks, which predict distributions instead of points."""

from mdn import backend as _backend  # noqa: F401 - first: it decides the Keras backend before Keras is imported
from mdn import metrics
from mdn.distributions import *  # noqa: F403
from mdn.distributions import __all__ as _families
from mdn.layers import MDN
from mdn.losses import CRPS, EnergyScore, NaturalGradientEM, NegativeLogLikelihood

__version__ = "0.1.0"
__all__ = [
    *_families,
    "MDN",
    "NegativeLogLikelihood",
    "NaturalGradientEM",
    "CRPS",
    "EnergyScore",
    "metrics",
]
