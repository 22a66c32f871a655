"""mdn: mixture density networks, which predict distributions instead of points."""

from mdn import backend as _backend  # first: it decides the Keras backend before Keras is imported
from mdn.distributions import *  # noqa: F403
from mdn.distributions import __all__ as _families

__version__ = "0.1.0"
__all__ = [*_families]
