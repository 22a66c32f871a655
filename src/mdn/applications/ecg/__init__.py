"""ECG: one lead of a heart, beat after beat. See README.md here."""

from mdn.applications.ecg.data import read_records, split
from mdn.applications.ecg.generate import generate, write_strips
from mdn.applications.ecg.model import load
from mdn.applications.ecg.train import train

__all__ = ["generate", "load", "read_records", "split", "train", "write_strips"]
