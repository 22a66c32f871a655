"""Sequences: MDN-RNNs that learn from ragged data, generate in compiled loops and stream live."""

from mdn.sequences.model import MDNRNN
from mdn.sequences.ragged import as_sequences
from mdn.sequences.stream import Stream

__all__ = ["MDNRNN", "Stream", "as_sequences"]
