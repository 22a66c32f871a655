"""Instrument: N values in [0, 1] over time, learnt from recordings and played live, as IMPSY does. See README.md here."""

from mdn.applications.instrument.data import read_performances
from mdn.applications.instrument.model import Instrument, load
from mdn.applications.instrument.pictures import write_lanes
from mdn.applications.instrument.voice import Voice

__all__ = ["Instrument", "Voice", "load", "read_performances", "write_lanes"]
