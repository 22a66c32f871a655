"""Robot motion: which way next, where demonstrations part? See README.md here."""

from mdn.applications.robot.data import read_letters
from mdn.applications.robot.model import rollouts
from mdn.applications.robot.train import judge, train

__all__ = ["judge", "read_letters", "rollouts", "train"]
