"""Sequences: MDN-RNNs that learn from ragged data, generate in compiled loops and stream live."""

from mdn.sequences import baselines
from mdn.sequences.inputs import as_sequences
from mdn.sequences.model import MDNRNN
from mdn.sequences.shards import Shards
from mdn.sequences.stream import Stream
from mdn.sequences.training import adam, muon

__all__ = ["MDNRNN", "Shards", "Stream", "adam", "as_sequences", "baselines", "muon"]
