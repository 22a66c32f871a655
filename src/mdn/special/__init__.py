"""Special functions that keras.ops lacks, each by one formula for all backends, differentiable by every argument.

The backends differ in the functions that they offer (PyTorch has no incomplete beta, and no backend has its gradient by
the parameters) and in their accuracy in tails. Elementary operations agree everywhere; the tests compare with mpmath.
"""

from mdn.special.bessel import log_i0e
from mdn.special.beta import log_beta_kernel, log_beta_norm, log_beta_tails
from mdn.special.elementary import gauss_legendre, log_cosh, log_ratio, minus_abs, softplus
from mdn.special.gamma import (
    log_gamma_doubling,
    log_gamma_half_step,
    log_gamma_half_step_up,
    log_gamma_kernel,
    log_gamma_of_one_more,
    log_gamma_tails,
    log_negative_binomial,
    log_poisson,
)
from mdn.special.normal import erfcx, log_ndtr, log_normal_density, ndtr, ndtri, near_ndtri

__all__ = [
    "erfcx",
    "gauss_legendre",
    "log_beta_kernel",
    "log_beta_norm",
    "log_beta_tails",
    "log_cosh",
    "log_gamma_doubling",
    "log_gamma_half_step",
    "log_gamma_half_step_up",
    "log_gamma_kernel",
    "log_gamma_of_one_more",
    "log_gamma_tails",
    "log_i0e",
    "log_ndtr",
    "log_negative_binomial",
    "log_normal_density",
    "log_poisson",
    "log_ratio",
    "minus_abs",
    "ndtr",
    "ndtri",
    "near_ndtri",
    "softplus",
]
