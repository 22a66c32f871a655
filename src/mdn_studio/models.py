"""Models in memory: as many as `limits.MODELS` of a page, and the lists from which people choose one."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mdn_studio import limits
from mdn_studio.folder import Folder


class Loaded:
    """What was made of files; the one that was not asked for for the longest time is forgotten when there are too many.

    Call it from one thread at a time, as the thread of a page does.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[Path, tuple[int, Any]] = OrderedDict()

    def of(self, path: Path, load: Callable[[Path], Any]) -> Any:
        """What `load` makes of a file; it is called again when the file has changed.

        Raises:
            OSError: if there is no such file; and what `load` raises.
        """
        time = path.stat().st_mtime_ns
        kept = self._kept.pop(path, None)
        if kept is None or kept[0] != time:
            while len(self._kept) >= limits.MODELS:
                self._kept.popitem(last=False)
            kept = time, loaded(load, path)
        self._kept[path] = kept
        return kept[1]


def loaded(load: Callable[[Any], Any], source: Any) -> Any:
    """`load(source)`, with compiled programs from earlier runs."""
    from mdn import training

    training.keep_compiled_programs()
    return load(source)


class Models:
    """Networks of one kind by their names: those that come with mdn stay in memory, those of the folder as `Loaded` keeps them.

    Args:
        folder: Of the studio.
        kind: The registered name of their class, such as "mdn>SketchRNN"; with a name of the network after a space, such as
            "mdn>MDNRNN jam", where networks of several chapters have one class.
        shipped: The titles of the networks that come with mdn, by their names.
        load: Takes the name of a shipped network or the path of a file; its result is kept.
    """

    def __init__(self, folder: Folder, kind: str, shipped: Mapping[str, str], load: Callable):
        self._folder, self._kind, self.shipped, self._load = folder, kind.split(), shipped, load
        self._shipped: dict[str, Any] = {}
        self._loaded = Loaded()
        self._kinds: dict[tuple[str, int], list[str]] = {}

    def listed(self) -> list[dict]:
        """What the page offers: the name, the title and whether it is somebody's own."""
        own = [name for name in self._folder.names(".keras") if self._kind_of(name)[: len(self._kind)] == self._kind]
        return [{"name": name, "title": title, "own": False} for name, title in self.shipped.items()] + [
            {"name": name, "title": name.removesuffix(".keras"), "own": True} for name in own
        ]

    def _kind_of(self, name: str) -> list[str]:
        """The class and the name of the network in a file; empty if it is none."""
        from mdn.models import names_in

        path = self._folder.path / name
        try:
            key = name, path.stat().st_mtime_ns
            if key not in self._kinds:
                self._kinds[key] = list(names_in(path))
            return self._kinds[key]
        except (ValueError, OSError):
            return []

    def of(self, name: str) -> Any:
        """What `load` makes of the network of a name in `listed`.

        Raises:
            ValueError, OSError: if there is no such network.
        """
        if name not in self.shipped:
            return self._loaded.of(self._folder.find(name), self._load)
        if name not in self._shipped:
            self._shipped[name] = loaded(self._load, name)
        return self._shipped[name]
