"""Distributions and their specs."""

from mdn.distributions import bijections
from mdn.distributions.arguments import ShapeError
from mdn.distributions.bernoulli import Bernoulli, BernoulliSpec
from mdn.distributions.beta import Beta, BetaSpec
from mdn.distributions.categorical import Categorical, CategoricalSpec
from mdn.distributions.circular import Circular, CircularSpec
from mdn.distributions.distribution import Distribution
from mdn.distributions.factorised import Factorised, FactorisedSpec
from mdn.distributions.gamma import Gamma, GammaSpec
from mdn.distributions.intervals import Interval
from mdn.distributions.joint import Joint
from mdn.distributions.laplace import Laplace, LaplaceSpec
from mdn.distributions.log_normal import LogNormal, LogNormalSpec
from mdn.distributions.logistic import Logistic, LogisticSpec
from mdn.distributions.low_rank_normal import LowRankNormal
from mdn.distributions.mixture import Mixture, blend
from mdn.distributions.mixture_spec import JointSpec, MixtureSpec
from mdn.distributions.multivariate_normal import MultivariateNormal
from mdn.distributions.negative_binomial import NegativeBinomial, NegativeBinomialSpec
from mdn.distributions.normal import Normal
from mdn.distributions.normal_spec import NormalSpec
from mdn.distributions.poisson import Poisson, PoissonSpec
from mdn.distributions.regions import highest_density_region
from mdn.distributions.rounded import Rounded, RoundedSpec
from mdn.distributions.spec import Spec
from mdn.distributions.spiked import Spiked, SpikedSpec
from mdn.distributions.student_t import StudentT, StudentTSpec
from mdn.distributions.transformed import Transformed, TransformedSpec
from mdn.distributions.truncated_normal import TruncatedNormal, TruncatedNormalSpec
from mdn.distributions.von_mises import VonMises, VonMisesSpec
from mdn.distributions.weibull import Weibull, WeibullSpec

__all__ = [
    "Bernoulli",
    "BernoulliSpec",
    "Beta",
    "BetaSpec",
    "Categorical",
    "CategoricalSpec",
    "Circular",
    "CircularSpec",
    "Distribution",
    "Factorised",
    "FactorisedSpec",
    "Gamma",
    "GammaSpec",
    "Interval",
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
    "NegativeBinomial",
    "NegativeBinomialSpec",
    "Normal",
    "NormalSpec",
    "Poisson",
    "PoissonSpec",
    "Rounded",
    "RoundedSpec",
    "ShapeError",
    "Spec",
    "Spiked",
    "SpikedSpec",
    "StudentT",
    "StudentTSpec",
    "Transformed",
    "TransformedSpec",
    "TruncatedNormal",
    "TruncatedNormalSpec",
    "VonMises",
    "VonMisesSpec",
    "Weibull",
    "WeibullSpec",
    "bijections",
    "blend",
    "highest_density_region",
]
