"""Handwriter: a network that writes a text, in one of the hands it has learnt or in any."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

import mdn
from mdn.applications.handwriting import data
from mdn.applications.handwriting.text import Alphabet
from mdn.distributions import Categorical
from mdn.distributions.component import parameter
from mdn.distributions.spec import serializable
from mdn.distributions.value import value
from mdn.models import load_as
from mdn.sequences import MDNRNN

SHIPPED = Path(__file__).parent / "handwriting.keras"
_UNKNOWN = 0.15  # share of lines that training shows without their hand, so that the network also writes without one
_UNREAD = 0.1  # and without their text: what is likely whatever is said is what guidance steers away from


@value
class Pen(Categorical):
    """What the pen does; no temperature changes it.

    A lift that may come at any of three points has a probability below one half at each. Sharpened, it comes at none: letters
    run together, and dots and bars are lost. Graves' bias, too, is one of the offsets alone.
    """

    logits: Any = parameter()

    def _with_temperature(self, component, variance):
        return self


@serializable
class PenSpec(mdn.CategoricalSpec):
    """Parameters of `Pen`: `[logits n]`."""

    _family = Pen


def spec_of(components: int = 20) -> mdn.JointSpec:
    """Of events: a mixture of correlated normals for the offset, and a pen that goes on, lifts or ends the line."""
    return mdn.JointSpec(offset=mdn.MixtureSpec(mdn.NormalSpec(2, "full"), components), pen=PenSpec(data.END + 1))


@serializable
class Handwriter(MDNRNN):
    """Graves' synthesis network: the first layer moves a soft window over the text, all layers read what it shows.

    Args:
        alphabet: The characters it knows.
        hands: Names of the writers it tells apart; what it learns from others belongs to none.
        units: Of each layer.
        components: Of the mixture.
        points: For each character of a text, to which lines are resampled.
        default_hand: In which it writes when no other is asked for; None: in any.
        **settings: Of `MDNRNN`.

    Reference:
        Graves (2013), Generating sequences with recurrent neural networks, section 5.
    """

    def __init__(
        self,
        alphabet: str,
        hands: Sequence[str] = (),
        units: Sequence[int] = (256, 256),
        components: int = 20,
        points: float = 16.0,
        default_hand: str | None = None,
        **settings,
    ):
        known, hands = Alphabet(alphabet), [str(name) for name in hands]
        super().__init__(
            spec_of(components),
            units,
            condition_size=len(hands),
            context_size=known.size,
            **{"name": "handwriter", "window_components": 5, **settings},
        )
        self.alphabet, self.hands, self.components, self.points = known, hands, components, float(points)
        self.default_hand = default_hand
        self.noise = keras.random.SeedGenerator(0)

    def call(self, inputs, training=None):
        """As MDNRNN; in training some lines come without their hand, and some without their text."""
        if training:
            events, *hand, text = inputs
            hidden = zip((*hand, text), (_UNKNOWN, _UNREAD)[-len(hand) - 1 :], strict=True)
            inputs = events, *(self._hidden(part, share) for part, share in hidden)
        return super().call(inputs, training)

    def _hidden(self, part, share: float):
        """`part` of what comes with lines, zeros for about `share` of them."""
        part = ops.convert_to_tensor(part)
        shown = keras.random.uniform((ops.shape(part)[0], *[1] * (len(part.shape) - 1)), seed=self.noise) >= share
        return part * ops.cast(shown, part.dtype)

    def adapt(self, sequences) -> Handwriter:
        """As MDNRNN; and the window begins by moving as fast as a pen does on average."""
        self.recurrent[0].start(1.0 / self.points)
        return super().adapt(sequences)

    def hands_of(self, names: Sequence[str | None]) -> np.ndarray | None:
        """One-hot rows of hands, `(N, len(hands))`, zeros for one that is none of `hands`; None in a network without."""
        if not self.hands:
            return None
        rows = np.zeros((len(names), len(self.hands)), "float32")
        for row, name in zip(rows, names, strict=True):
            if name in self.hands:
                row[self.hands.index(name)] = 1.0
        return rows

    def told(self, texts: Sequence[str | None], names: Sequence[str | None] | None = None) -> dict:
        """What comes with lines of these texts in these hands, as `fit`, `log_prob` and `generate` take it; None is not told."""
        hands = self.hands_of([None] * len(texts) if names is None else names)
        # a place behind the last letter, so that the window can be seen to have passed it
        behind = np.zeros((1, self.alphabet.size), "float32")
        read = [behind if text is None else np.concatenate([self.alphabet.encode(text), behind]) for text in texts]
        return ({} if hands is None else {"condition": hands}) | {"context": read}

    def get_config(self):
        """What `from_config` needs."""
        base = super().get_config()
        kept = ("units", "dropout", "skip", "window_components", "recurrent_dropout", "adapted", "name")
        own = {"alphabet": self.alphabet.characters, "hands": self.hands}
        return (
            {name: base[name] for name in kept}
            | own
            | {
                "components": self.components,
                "points": self.points,
                "default_hand": self.default_hand,
            }
        )


def load(path=None) -> Handwriter:
    """A trained network: that of a file of `mdn train handwriting`, or the one that comes with this package.

    Raises:
        As `mdn.models.load_as`.
    """
    return load_as(
        SHIPPED if path is None else path,
        lambda model: isinstance(model, Handwriter),
        "network that writes",
        "mdn train handwriting",
    )
