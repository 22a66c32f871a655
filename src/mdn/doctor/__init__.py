"""A doctor for mixtures: `diagnose` looks at a model and rows, and says what is wrong, by how much, and what to do."""

from mdn.doctor.diagnosis import Diagnosis, Finding
from mdn.doctor.examination import diagnose

__all__ = ["Diagnosis", "Finding", "diagnose"]
