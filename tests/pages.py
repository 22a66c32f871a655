"""Runs what a page shows: `python tests/pages.py README.md`, in a fresh process and an empty folder, as a reader would.

Every `python` block runs in order in one namespace, and so does, between them, every line `$ mdn …` of a `console` or
`sh` block. A word after the language exempts a block: ```` ```python no-run ````.

`python tests/pages.py --serve` runs the pages whose names it reads, each in a fork of itself, for the tests.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import re
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# As the console script does it, so that nothing need be installed; for tests that want a process of its own
ENTRY = "import sys, mdn_cli; sys.argv[0] = 'mdn'; sys.exit(mdn_cli.main())"


@dataclass(frozen=True)
class Block:
    """A fenced block: the words of its fence, its text, and the line of the page on which the text starts."""

    language: str
    words: tuple[str, ...]
    text: str
    line: int

    @property
    def runs(self) -> bool:
        return self.language in ("python", "console", "sh") and "no-run" not in self.words


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page, in order."""
    fence, words, text, start = "", [""], [], 0
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        opened = re.match(r"\s*(`{3,})([^`]*)$", line)
        if not fence and opened:
            fence, words, text, start = opened[1], opened[2].split() or [""], [], number + 1
        elif fence and line.strip() == fence:
            yield Block(words[0], tuple(words[1:]), "\n".join(text) + "\n", start)
            fence = ""
        elif fence:
            text.append(line)
    if fence:
        raise ValueError(f"{page}: the block that starts on line {start} is never closed.")


def commands(text: str) -> Iterator[list[str]]:
    """The arguments of every `$ mdn …`, continued lines joined."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("$ mdn "):
            yield shlex.split(os.path.expandvars(line.removeprefix("$ mdn ")), comments=True)


def command(arguments: list[str]) -> int:
    """The exit code of `mdn …`, run in this process: another one would import Keras again, and compile what is compiled."""
    import mdn_cli

    try:
        mdn_cli.app(arguments, prog_name="mdn")
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def patient_clusters() -> None:
    """Gives workers of Dask a minute to end: on a busy machine five seconds were too few, and closing a cluster raised."""
    try:
        from distributed import Nanny
    except ImportError:
        return
    _, *others = Nanny.close.__defaults__
    Nanny.close.__defaults__ = 60, *others


def run(page: Path) -> None:
    """Runs the page in the current folder; errors name the page and its line."""
    patient_clusters()
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in filter(lambda block: block.runs, blocks(page)):
        if block.language == "python":
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)
            continue
        for arguments in commands(block.text):
            code = command(arguments)
            if code:
                sys.exit(f"{page}:{block.line}: `mdn {shlex.join(arguments)}` ended with exit code {code}.")


def run_elsewhere(page: Path) -> None:
    """Runs the page in an empty folder."""
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        run(page)
        os.chdir(page.parent)


# What Keras imports beside its backend: most of what a fresh process that imports Keras does.
BESIDE_KERAS = ("scipy.stats", "sklearn", "pandas", "matplotlib.pyplot", "h5py", "rich")
MOST = 600  # seconds a page


def serve() -> None:
    """For each line of JSON on stdin, {"page", "home", "said"}, runs the page in a fork and prints its exit code.

    The process of a page imports Keras and `mdn` itself, in the page's own order; all that it prints is in the file `said`.
    """
    for name in BESIDE_KERAS:
        importlib.import_module(name)
    patient_clusters()
    gc.freeze()  # a fork that looks for circles among these copies their memory
    for line in iter(sys.stdin.readline, ""):
        given = json.loads(line)
        process = os.fork()
        if process:
            code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)  # what a page that was stopped has started
            print(code, flush=True)
            continue
        os.setsid()
        signal.alarm(MOST)
        os.environ["KERAS_HOME"] = given["home"]
        said = os.open(given["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(said, 1)
        os.dup2(said, 2)
        assert not {"keras", "jax", "mdn"} & sys.modules.keys()
        return run_elsewhere(Path(given["page"]))


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve()
    else:
        run_elsewhere(Path(sys.argv[1]).resolve())
