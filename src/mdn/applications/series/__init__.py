"""Series: recordings of anything that is measured step by step. See README.md here."""

from mdn.applications.series.data import Recordings, read, split
from mdn.applications.series.generate import forecast, generate, most_unusual, surprise
from mdn.applications.series.model import Series, load
from mdn.applications.series.pictures import write_forecast, write_lanes, write_surprise
from mdn.applications.series.train import train

__all__ = [
    "Recordings",
    "Series",
    "forecast",
    "generate",
    "load",
    "most_unusual",
    "read",
    "split",
    "surprise",
    "train",
    "write_forecast",
    "write_lanes",
    "write_surprise",
]
