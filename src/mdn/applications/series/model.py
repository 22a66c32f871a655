"""Series: an MDNRNN that knows which channels it reads, in which units and steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

import mdn
from mdn.applications.series.clocks import ROW, same_time
from mdn.applications.series.data import Recordings, pieces, read, unlike
from mdn.distributions.spec import serializable
from mdn.masks import unmasked
from mdn.models import load_as
from mdn.sequences import MDNRNN

_FULL = 16  # channels: the covariances of more are diagonal, since a full one has D·(D+1)/2 numbers


@serializable
class Series(MDNRNN):
    """The distribution of the next step of a recording given the steps before it.

    Its events are values minus `centers`, in float32. A channel that lies far from 0, such as a pressure in Pa, would lose the
    digits that matter if it became float32 as it is.

    Args:
        channels: The names of the D channels.
        centers: What is subtracted from each, D numbers.
        time_step: How much time passes from step to step, in `unit`.
        unit: The unit of time; "row" if it is not known.
        every: How many rows of a file are averaged to one step.
        components: How many normals the mixture has.
        value_units: For each channel the unit of its values, "" if it is not known. None: the model is of an earlier
            version, which learnt sound as the integers of its file.
        **settings: Of `MDNRNN`.
    """

    def __init__(
        self,
        channels: Sequence[str],
        centers: Sequence[float],
        time_step: float = 1.0,
        unit: str = ROW,
        every: int = 1,
        components: int = 5,
        value_units: Sequence[str] | None = None,
        **settings,
    ):
        normal = mdn.NormalSpec(len(channels), "full" if len(channels) <= _FULL else "diagonal")
        super().__init__(mdn.MixtureSpec(normal, components), **{"name": "series", **settings})
        self.channels, self.centers = [str(name) for name in channels], [float(value) for value in centers]
        self.time_step, self.unit, self.every, self.components = (
            float(time_step),
            str(unit),
            int(every),
            int(components),
        )
        self.value_units = None if value_units is None else [str(name) for name in value_units]

    def events(self, recordings: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Recordings `(T, D)` as the network reads them: float32, centred, divided where a step has no value at all."""
        arrays = [np.asarray(unmasked(one), "float64") for one in recordings]
        return [(one[part] - self.centers).astype("float32") for one in arrays for part in pieces(one)]

    def values(self, events) -> np.ndarray:
        """The inverse of the centring: events `(..., D)` in the units of the recordings, float64."""
        return np.asarray(events, "float64") + self.centers

    def read(self, sources) -> Recordings:
        """The recordings of files, as those that the model learnt from: the same channels, averaged over as many rows.

        Args:
            sources: Paths, or one path.

        Raises:
            OSError: if a file cannot be read.
            ValueError: if it is no recording, lacks a channel, or has other units or steps of another length.
        """
        found = read(sources, self.channels, self.every, raw=self.value_units is None)
        if other := unlike(self.channels, found.value_units, self.value_units or ()):
            raise ValueError(
                f"the recording has {other[0]} in {other[1]}, but the model learnt it in {other[2]}: convert the recording."
            )
        if not same_time(found.step, found.unit, self.time_step, self.unit):
            raise ValueError(
                f"the recording has steps of {found.step:g} {found.unit}, but the model learnt steps of {self.time_step:g} "
                f"{self.unit}: resample the recording."
            )
        return found

    def get_config(self):
        """What `from_config` needs."""
        base = super().get_config()
        del base["spec"]
        own = {"channels": self.channels, "centers": self.centers, "time_step": self.time_step, "unit": self.unit}
        return {**base, **own, "every": self.every, "components": self.components, "value_units": self.value_units}


def network(recordings: Recordings, components: int = 5, **settings) -> Series:
    """A network for recordings, not yet trained; `settings` are those of `MDNRNN`.

    Args:
        recordings: The recordings to learn from.
        components: How many normals the mixture has.
        **settings: Of `MDNRNN`.
    """
    centers = np.nanmean(np.concatenate(recordings), axis=0)
    of_time = recordings.step, recordings.unit, recordings.every
    return Series(recordings.channels, centers.tolist(), *of_time, components, recordings.value_units, **settings)


def load(path=None) -> Series:
    """Opens a file of `mdn train series`; no such model comes with mdn.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if no path came, or the file holds another model.
    """
    if path is None:
        raise ValueError("no model of series comes with mdn: name a file of `mdn train series`.")
    return load_as(path, lambda model: isinstance(model, Series), "model of series", "mdn train series")
