"""Robot motion: the next move of a hand, where demonstrations part. See README.md here."""

from mdn.applications.robot.data import read_letters
from mdn.applications.robot.model import rollouts
from mdn.applications.robot.train import FLOORS, judge, train, worth

__all__ = ["FLOORS", "judge", "read_letters", "rollouts", "train", "worth"]
