"""IMPSY's part of play.py, run by the Python of its own environment: writes a model of random weights, as IMPSY plays it.

python play_impsy.py FILE.tflite DIMENSION UNITS LAYERS
"""

import sys
from pathlib import Path

from impsy.mdrnn import build_mdrnn_model
from impsy.tflite_converter import model_to_tflite

path, dimension, units, layers = Path(sys.argv[1]), *map(int, sys.argv[2:])
model_to_tflite(build_mdrnn_model(dimension, units, 5, layers, inference=True), path)
