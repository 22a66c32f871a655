"""RoboJam: call and response on a touchscreen (Martin and Torresen 2018). See README.md here."""

from mdn.applications.jam.data import read_performances
from mdn.applications.jam.model import Jam
from mdn.applications.jam.pictures import write_sheet

__all__ = ["Jam", "read_performances", "write_sheet"]
