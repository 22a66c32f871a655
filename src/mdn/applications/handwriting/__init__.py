"""Handwriting: prediction, and synthesis of any text (Graves 2013). See README.md here."""

from mdn.applications.handwriting.evaluate import figures, floor, nll
from mdn.applications.handwriting.faults import faults, usable
from mdn.applications.handwriting.generate import Written, windows, write
from mdn.applications.handwriting.model import Handwriter, load
from mdn.applications.handwriting.pictures import Page, write_line, write_page
from mdn.applications.handwriting.text import Alphabet, wrapped

__all__ = [
    "Alphabet",
    "Handwriter",
    "Page",
    "Written",
    "faults",
    "figures",
    "floor",
    "load",
    "nll",
    "usable",
    "windows",
    "wrapped",
    "write",
    "write_line",
    "write_page",
]
