"""The network of ECG: it predicts the next frame from all earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import mdn
from mdn.applications.ecg import data
from mdn.models import load_as
from mdn.sequences import MDNRNN
from mdn.sequences.model import reads_only

SHIPPED = Path(__file__).parent / "ecg.keras"


def network(units: Sequence[int] = (208,), components: int = 8, dropout: float = 0.1) -> MDNRNN:
    """An LSTM that reads frames and the level that they have reached, and predicts a mixture of correlated normals."""
    spec = mdn.MixtureSpec(mdn.NormalSpec(data.FRAME, "full"), components)
    return MDNRNN(spec, units=units, dropout=dropout, positions=(data.FRAME - 1,), lags=0, name="ecg")


def load(path=SHIPPED) -> MDNRNN:
    """Opens a file of `mdn train ecg`; by default the network that comes with this package."""
    return load_as(path, _fits, "model of an ECG", "mdn train ecg")


def _fits(model) -> bool:
    return reads_only(model, data.FRAME, [data.FRAME - 1])
