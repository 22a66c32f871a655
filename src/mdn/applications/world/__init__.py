"""World models (Ha and Schmidhuber 2018): see an environment, predict it, dream it, act in it. See README.md here."""

from mdn.applications.world.model import WorldModel
from mdn.applications.world.storage import Experiment

__all__ = ["Experiment", "WorldModel"]
