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
_UNREAD = 0.1  # share of lines shown without their text: guidance steers away from what is likely without it


@value
class Pen(Categorical):
    """What the pen does; no temperature changes it.

    A lift that may come at any of three points has a probability below one half at each. Sharpened, it would come at none:
    letters would run together, and dots and bars be lost. Graves' bias changes the offsets alone, too.
    """

    logits: Any = parameter()

    def _with_temperature(self, component, variance):
        return self


@serializable
class PenSpec(mdn.CategoricalSpec):
    """Parameters of `Pen`: `[logits n]`."""

    _family = Pen


def spec_of(components: int = 20) -> mdn.JointSpec:
    """The spec of events: a mixture of correlated normals for the offset, and a pen that goes on, lifts or ends the line."""
    return mdn.JointSpec(offset=mdn.MixtureSpec(mdn.NormalSpec(2, "full"), components), pen=PenSpec(data.END + 1))


@serializable
class Handwriter(MDNRNN):
    """Graves' synthesis network: the first layer moves a soft window over the text, all layers read what it shows.

    Args:
        alphabet: The characters it knows.
        hands: Names of the writers it tells apart; lines of other writers have no hand.
        units: How many units each layer has.
        components: How many components the mixture has.
        points: Lines are resampled to so many points for each character.
        default_hand: The hand in which it writes by default; None: any.
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
            **{"name": "handwriter", "window_components": 5, "lags": 0, **settings},
        )
        self.alphabet, self.hands, self.components, self.points = known, hands, components, float(points)
        self.default_hand = default_hand
        self.noise = keras.random.SeedGenerator(0)

    def conditioned(self, events, came, training=None):
        """The condition and the context that the network reads: in training, hands and texts of some lines are hidden.

        Args:
            events: The event before each step, `(B, T, 3)`; not used.
            came: One-hot hands `(B, len(hands))`, if there are any, and texts `(B, U, S)`.
            training: Whether the network learns.
        """
        if not training:
            return came
        shares = (_UNKNOWN, _UNREAD)[-len(came) :]
        return tuple(self._hidden(part, share) for part, share in zip(came, shares, strict=True))

    def _hidden(self, part, share: float):
        """`part`, hands or texts of lines, with zeros for about `share` of the lines."""
        part = ops.convert_to_tensor(part)
        shown = keras.random.uniform((ops.shape(part)[0], *[1] * (len(part.shape) - 1)), seed=self.noise) >= share
        return part * ops.cast(shown, part.dtype)

    def adapt(self, sequences) -> Handwriter:
        """As `MDNRNN.adapt`; also, the untrained window moves as fast over the text as a pen does on average."""
        self.recurrent[0].start(1.0 / self.points)
        return super().adapt(sequences)

    def hands_of(self, names: Sequence[str | None]) -> np.ndarray | None:
        """One-hot rows of hands, `(N, len(hands))`, zeros for a name that is not in `hands`; None if the network has no hands."""
        if not self.hands:
            return None
        rows = np.zeros((len(names), len(self.hands)), "float32")
        for row, name in zip(rows, names, strict=True):
            if name in self.hands:
                row[self.hands.index(name)] = 1.0
        return rows

    def conditions_of(self, texts: Sequence[str | None], names: Sequence[str | None] | None = None) -> dict:
        """The condition (hands) and context (texts) of lines, as keywords for `fit`, `log_prob` and `generate`.

        Args:
            texts: One for each line, in characters of the alphabet; None hides the text from the network.
            names: One writer for each line; None, or a name that is not in `hands`, stands for no hand. Without `names` no line
                has a hand.

        Raises:
            ValueError: if a text is empty, has more than 500 characters, or a character that is not in the alphabet.
        """
        hands = self.hands_of([None] * len(texts) if names is None else names)
        # a place behind the last letter, so that the window can be seen to have passed it
        behind = np.zeros((1, self.alphabet.size), "float32")
        read = [behind if text is None else np.concatenate([self.alphabet.encode(text), behind]) for text in texts]
        return ({} if hands is None else {"condition": hands}) | {"context": read}

    def get_config(self):
        """What `from_config` needs."""
        base = super().get_config()
        kept = ("units", "dropout", "skip", "window_components", "recurrent_dropout", "lags", "adapted", "name")
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
    """Opens a network from a file of `mdn train handwriting`; by default the one that comes with this package.

    Raises:
        As `mdn.models.load_as`.
    """
    return load_as(
        SHIPPED if path is None else path,
        lambda model: isinstance(model, Handwriter),
        "network that writes",
        "mdn train handwriting",
    )
