"""Sketches: characters that never were (Ha 2015) and Sketch-RNN (Ha and Eck 2017). See README.md here."""

from mdn.applications.sketch.files import SHIPPED, load
from mdn.applications.sketch.generate import between, complete, draw, interpolate
from mdn.applications.sketch.latent import latent_map
from mdn.applications.sketch.model import SketchRNN
from mdn.models import save_plain as save

__all__ = ["SHIPPED", "SketchRNN", "between", "complete", "draw", "interpolate", "latent_map", "load", "save"]
