"""Distributions and their specs."""

from mdn.distributions.discrete import Bernoulli, BernoulliSpec, Categorical, CategoricalSpec
from mdn.distributions.distribution import Distribution
from mdn.distributions.joint import Joint
from mdn.distributions.laplace import Laplace, LaplaceSpec
from mdn.distributions.log_normal import LogNormal, LogNormalSpec
from mdn.distributions.logistic import Logistic, LogisticSpec
from mdn.distributions.mixture import Mixture, blend
from mdn.distributions.mixture_spec import JointSpec, MixtureSpec
from mdn.distributions.multivariate_normal import LowRankNormal, MultivariateNormal
from mdn.distributions.normal import Normal, NormalSpec
from mdn.distributions.spec import ShapeError, Spec
from mdn.distributions.student_t import StudentT, StudentTSpec
from mdn.distributions.von_mises import VonMises, VonMisesSpec

__all__ = [
    "Bernoulli",
    "BernoulliSpec",
    "Categorical",
    "CategoricalSpec",
    "Distribution",
    "Joint",
    "JointSpec",
    "Laplace",
    "LaplaceSpec",
    "LogNormal",
    "LogNormalSpec",
    "Logistic",
    "LogisticSpec",
    "LowRankNormal",
    "Mixture",
    "MixtureSpec",
    "MultivariateNormal",
    "Normal",
    "NormalSpec",
    "ShapeError",
    "Spec",
    "StudentT",
    "StudentTSpec",
    "VonMises",
    "VonMisesSpec",
    "blend",
]
