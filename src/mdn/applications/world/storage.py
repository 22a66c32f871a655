"""An experiment on disk: its settings, episodes in compressed chunks, and their latents; read chunk by chunk."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdn.applications.world.environments import Preset, preset
from mdn.data import reading, replacing
from mdn.data.arrays import FORMAT, Damaged, read_arrays, write_arrays
from mdn.data.schema import Rule, anything, array, mapping, record, text, whole
from mdn.files import forget_unfinished

BEFORE = "before"  # the folder of the round before, within an experiment's
_EVERY = 10  # one of so many chunks is held out
_AGAIN = "run --stage collect again"


@dataclass(frozen=True)
class Episode:
    """One episode of T steps.

    Attributes:
        observations: Frames `(T + 1, H, W, C)` uint8 or vectors `(T + 1, D)` float32, the last after the last step.
        actions: As vectors (see `environments.Actions`), `(T, A)` float32.
        rewards: `(T,)` float32.
        terminated: Whether the environment ended it.
        truncated: Whether it was cut off, by a limit of steps.
        states: True states of the environment, `(T + 1, S)` float64, if its info has a "state"; else None.
    """

    observations: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: bool
    truncated: bool
    states: np.ndarray | None = None


@dataclass(frozen=True)
class Latents:
    """An episode as V sees it: a normal over z for each observation; the rest as in `Episode`.

    Attributes:
        mean: `(T + 1, Z)` float32.
        log_variance: `(T + 1, Z)` float32; minus infinity if z is the observation itself.
    """

    mean: np.ndarray
    log_variance: np.ndarray
    actions: np.ndarray
    rewards: np.ndarray
    terminated: bool
    truncated: bool
    states: np.ndarray | None = None


class Experiment:
    """A folder with all that belongs to one world model.

    Attributes:
        folder: Where it lies.
        environment: Its name, as in `environments.make`.
        seed: The seed for all random numbers.
        settings: What else was asked for when it was made.
    """

    def __init__(self, folder: Path, environment: str, seed: int, settings: dict[str, Any]):
        self.folder, self.environment, self.seed, self.settings = Path(folder), environment, seed, settings

    @classmethod
    def create(cls, folder, environment: str, seed: int = 0, **settings) -> Experiment:
        """Makes an experiment, or opens the one in `folder`, if it is the same.

        Args:
            folder: Where it lies; made if it is missing.
            environment: Its name, as in `environments.make`.
            seed: The seed for all random numbers.
            **settings: What else is asked for, as JSON allows it; an experiment in `folder` must have the same values.

        Raises:
            ValueError: if the experiment in `folder` is another one, damaged, or of a newer version.
        """
        folder = Path(folder)
        asked = json.loads(json.dumps({"environment": environment, "seed": seed, "settings": settings}))
        if (folder / "experiment.json").exists():
            found = cls.open(folder)
            there = {"environment": found.environment, "seed": found.seed, **found.settings}
            for name, value in {"environment": environment, "seed": seed, **asked["settings"]}.items():
                if there.get(name) != value:
                    raise ValueError(
                        f"the experiment in {str(folder)!r} has {name}={there.get(name)!r}, but {value!r} came: give the "
                        "same, or name another folder."
                    )
            return found
        folder.mkdir(parents=True, exist_ok=True)
        with replacing(folder / "experiment.json") as temporary:
            temporary.write_text(json.dumps({"format": FORMAT, **asked}, indent=1) + "\n")
        return cls.open(folder)

    @classmethod
    def open(cls, folder) -> Experiment:
        """Opens the experiment in a folder.

        Raises:
            FileNotFoundError: if there is no experiment.
            ValueError: if it is damaged or of a newer version.
        """
        folder = Path(folder)
        path = folder / "experiment.json"
        if not path.is_file():
            raise FileNotFoundError(
                f"there is no experiment in {str(folder)!r}: mdn train world --env NAME --out {folder} --stage collect makes one."
            )
        try:
            with reading(path, "an experiment"):
                about = record(format=whole(), others=True)(json.loads(path.read_text(encoding="utf-8")), "")
                if about["format"] <= FORMAT:
                    about = _EXPERIMENT(about, "")
        except ValueError as error:
            raise ValueError(f"{error} {str(path)!r} is damaged: delete the folder and begin anew.") from error
        if about["format"] > FORMAT:
            raise ValueError(f"{str(path)!r} was written by a newer version of mdn: upgrade mdn to read it.")
        return cls(folder, about["environment"], about["seed"], about["settings"])

    @property
    def suits(self) -> Preset:
        """The default settings of its environment, for this round."""
        return preset(self.environment, bool(self.settings.get("before")))

    def check(self, environment: str, what: str = "these weights") -> None:
        """Raises a ValueError if `what`, which belongs to `environment`, is of another one.

        Args:
            environment: The name of the environment that `what` belongs to.
            what: What is checked, in the plural, for the message.

        Raises:
            ValueError: if `environment` is not that of the experiment.
        """
        if environment != self.environment:
            raise ValueError(
                f"{what} belong to the environment {environment!r}, but the experiment in {str(self.folder)!r} is of "
                f"{self.environment!r}."
            )

    def load_part(self, path: Path, part: str, stage: str, kinds):
        """The network that a stage has trained.

        Args:
            path: The file of its weights.
            part: Its name, "V" or "M".
            stage: The stage that trains it.
            kinds: Its class, or a union of classes.

        Raises:
            ValueError: if it has not been trained yet, is another kind of model, or is of another environment.
        """
        import mdn

        if not path.exists():
            raise ValueError(
                f"there is no {part} in {str(self.folder)!r} yet ({path.name!r} is missing): run --stage {stage} first."
            )
        model: Any = mdn.load(path)
        if not isinstance(model, kinds):
            raise ValueError(f"{str(path)!r} holds no {part} of a world model.")
        self.check(model.environment, f"the weights in {str(path)!r}")
        return model

    # ---- episodes ----------------------------------------------------------------------------------------------------

    def chunk_path(self, chunk: int) -> Path:
        """Where a chunk of episodes lies, or will lie."""
        return self.folder / "episodes" / f"{chunk:05d}.npz"

    def chunks(self) -> list[int]:
        """The numbers of the chunks on disk, in ascending order."""
        return sorted(int(path.stem) for path in (self.folder / "episodes").glob("[0-9]*.npz"))

    def split(self, chunks: list[int] | None = None) -> tuple[list[int], list[int]]:
        """(chunks to learn from, chunks held out): of ten chunks the first is held out, and at least one.

        Args:
            chunks: The chunks to split; by default all on disk.

        Raises:
            ValueError: if there are fewer than two chunks.
        """
        chunks = self.chunks() if chunks is None else chunks
        if len(chunks) < 2:
            raise ValueError(
                f"the stage needs episodes in at least two files, to learn from one and judge by the other, but "
                f"{str(self.folder / 'episodes')!r} has {len(chunks)}: run --stage collect, with more --episodes."
            )
        held_out = chunks[::_EVERY]
        return [chunk for chunk in chunks if chunk not in held_out], held_out

    def write(self, chunk: int, episodes: list[Episode], policy: str) -> None:
        """Writes a chunk, whole or not at all.

        Args:
            chunk: Its number, from which the file takes its name.
            episodes: All of the chunk, at least one; `states` are kept if all of them have some.
            policy: The name of the policy that acted, for the file.

        Raises:
            ValueError: if there are no episodes, or if their arrays do not fit each other or hold numbers that are not finite.
        """
        path = self.chunk_path(chunk)
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {name: [getattr(one, name) for one in episodes] for name in ("observations", "actions", "rewards")}
        arrays = {name: np.concatenate(column) for name, column in columns.items()}
        arrays |= {name: np.array([getattr(one, name) for one in episodes]) for name in ("terminated", "truncated")}
        arrays["lengths"] = np.array([len(one.rewards) for one in episodes])
        states = [one.states for one in episodes if one.states is not None]
        if len(states) == len(episodes):
            arrays["states"] = np.concatenate(states)
        _check_episodes(arrays)
        about = {"environment": self.environment, "seed": self.seed, "chunk": chunk, "policy": policy}
        write_arrays(path, arrays, about, compressed=True)

    def take_over(self, other: Experiment) -> None:
        """Copies the episodes of another experiment of this environment; its own chunks stay."""
        self.check(other.environment, f"the episodes in {str(other.folder)!r}")
        for chunk in other.chunks():
            path = self.chunk_path(chunk)
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                with replacing(path) as temporary:
                    shutil.copyfile(other.chunk_path(chunk), temporary)

    def read(self, chunk: int) -> list[Episode]:
        """The episodes of a chunk.

        Raises:
            ValueError: if it is damaged, or of another environment.
        """
        arrays, about = self._episodes(chunk)
        self.check(about["environment"], f"the episodes in {str(self.chunk_path(chunk))!r}")
        return [
            Episode(
                arrays["observations"][after],
                arrays["actions"][steps],
                arrays["rewards"][steps],
                bool(arrays["terminated"][i]),
                bool(arrays["truncated"][i]),
                arrays["states"][after] if "states" in arrays else None,
            )
            for i, steps, after in _places(arrays["lengths"])
        ]

    def rewards(self, chunk: int) -> list[np.ndarray]:
        """The rewards of each episode of a chunk, without reading its observations."""
        arrays, _ = self._episodes(chunk, without=("observations", "actions", "states"))
        return np.split(arrays["rewards"], np.cumsum(arrays["lengths"])[:-1])

    def stream(self, chunks: Iterable[int] | None = None) -> Iterator[list[Episode]]:
        """Yields the episodes chunk by chunk, so that only one chunk is in memory; by default of all chunks."""
        for chunk in self.chunks() if chunks is None else chunks:
            yield self.read(chunk)

    # ---- latents, by V -----------------------------------------------------------------------------------------------

    def latents_path(self, chunk: int) -> Path:
        """Where a chunk of latents lies, or will lie."""
        return self.folder / "latents" / f"{chunk:05d}.npz"

    def write_latents(self, chunk: int, found: list[tuple[np.ndarray, np.ndarray]], seen_by: str) -> None:
        """Writes (mean, log variance) of each episode of a chunk; `seen_by` says which V, by a checksum of its weights.

        Args:
            chunk: Its number.
            found: Mean and log variance of each episode in order, `(T + 1, Z)` each; written as float32.
            seen_by: The checksum.
        """
        path = self.latents_path(chunk)
        path.parent.mkdir(parents=True, exist_ok=True)
        forget_unfinished(path.parent)
        arrays = {
            name: np.concatenate([one[i] for one in found]).astype("float32")
            for i, name in enumerate(("mean", "log_variance"))
        }
        write_arrays(path, arrays, {"environment": self.environment, "chunk": chunk, "seen_by": seen_by})

    def has_latents(self, chunk: int, seen_by: str) -> bool:
        """Whether the latents of a chunk are there, whole, and by this V.

        Args:
            chunk: Its number.
            seen_by: The checksum of this V's weights, as in `write_latents`.
        """
        try:
            _, about = read_arrays(self.latents_path(chunk), _LATENTS, _check_latents)
        except (FileNotFoundError, Damaged):
            return False
        return about["seen_by"] == seen_by

    def latents(self, chunk: int) -> list[Latents]:
        """The episodes of a chunk as V sees them.

        Raises:
            ValueError: if V has not seen them yet, or a file is damaged.
        """
        path = self.latents_path(chunk)
        if not path.exists():
            raise ValueError(
                f"V has not seen the episodes of chunk {chunk} yet ({str(path)!r} is missing): run --stage see first."
            )
        arrays, about = self._checked(path, _LATENTS, _check_latents, "run --stage see again")
        self.check(about["environment"], f"the latents in {str(path)!r}")
        kept = self._episodes(chunk, without=("observations",))[0]
        seen = kept["lengths"].sum() + len(kept["lengths"])
        if len(arrays["mean"]) != seen:
            raise ValueError(
                f"the file {str(path)!r} has {len(arrays['mean'])} latents, but chunk {chunk} has {seen} observations: delete "
                "it and run --stage see again."
            )
        return [
            Latents(
                arrays["mean"][after],
                arrays["log_variance"][after],
                kept["actions"][steps],
                kept["rewards"][steps],
                bool(kept["terminated"][i]),
                bool(kept["truncated"][i]),
                kept["states"][after] if "states" in kept else None,
            )
            for i, steps, after in _places(kept["lengths"])
        ]

    def _episodes(self, chunk: int, without: tuple[str, ...] = ()) -> tuple[dict[str, np.ndarray], dict]:
        check = lambda arrays, _: _check_episodes(arrays, without)  # noqa: E731
        return self._checked(self.chunk_path(chunk), _EPISODES, check, _AGAIN, without)

    @staticmethod
    def _checked(
        path: Path, about: Rule, check, remedy: str, without: tuple[str, ...] = ()
    ) -> tuple[dict[str, np.ndarray], dict]:
        try:
            return read_arrays(path, about, check, without)
        except Damaged as error:
            raise ValueError(f"the file {error}: delete it and {remedy}; only this file is made anew.") from error


# ---- what files may say ----------------------------------------------------------------------------------------------

_EXPERIMENT = record(format=whole(), environment=text, seed=whole(most=2**63), settings=mapping(anything))
_EPISODES = record(environment=text, others=True)
_LATENTS = record(environment=text, seen_by=text, others=True)


def _check_episodes(arrays: dict[str, np.ndarray], without: tuple[str, ...] = ()) -> None:
    """Raises a ValueError if arrays are not episodes whose lengths agree, or hold numbers that are not finite."""
    count = len(array(None, kinds="iu")(arrays["lengths"], "lengths"))
    lengths = arrays["lengths"]
    if not count or lengths.min() < 1 or lengths.max() > len(arrays["rewards"]):
        raise ValueError(f"`lengths` must be whole numbers from 1 to {len(arrays['rewards'])}, at least one.")
    steps = int(lengths.sum())
    rules: dict[str, Rule] = {
        "rewards": array(steps),
        "actions": array(steps, None),
        "terminated": array(count, kinds="b"),
        "truncated": array(count, kinds="b"),
        "observations": lambda value, name: array(steps + count, *value.shape[1:], kinds="biuf")(value, name),
        "states": array(steps + count, None, kinds="fiu"),
    }
    for name, rule in rules.items():
        if name not in without and (name in arrays or name != "states"):
            rule(arrays[name], name)


def _check_latents(arrays: dict[str, np.ndarray], about: dict) -> None:
    mean = array(None, None)(arrays["mean"], "mean")
    log_variance = array(*mean.shape, infinite=True)(arrays["log_variance"], "log_variance")
    if np.isposinf(log_variance).any():
        raise ValueError("`log_variance` holds infinity.")


def _places(lengths: np.ndarray) -> Iterator[tuple[int, slice, slice]]:
    """(number, place of its steps, place of its observations) of each episode, which has one observation more than steps."""
    ends = np.cumsum(lengths)
    for i, (length, end) in enumerate(zip(lengths.tolist(), ends.tolist(), strict=True)):
        yield i, slice(end - length, end), slice(end - length + i, end + i + 1)
