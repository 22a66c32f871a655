"""Trainings that the studio starts: each is a command of `mdn` in a process of its own, which outlives the server.

A job is a folder in `.studio/jobs`: `job.json` (what runs, and who asked for it), `lock` (held by its process),
`progress.jsonl` (its bar), `log.txt` (what the command printed) and, in the end, `ended.json`. A server that starts finds the
jobs of an earlier one: those that still run are watched again, and those that were killed are started again, so that they go
on from their checkpoints.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from mdn.data import schema
from mdn.files import replacing, sentence
from mdn.wording import agreed, counted
from mdn_studio import limits, locks
from mdn_studio.messages import message
from mdn_studio.refused import Refused

if TYPE_CHECKING:
    from mdn_studio.studio import Studio

log = logging.getLogger("mdn.studio")
_WATCHED = 0.25  # seconds between two looks
_STOPPED = 130
_LOG = 20_000  # bytes of a log that a page shows
_AGAIN = 3  # times that a job is started again after a kill
_PRIORITY = "10"  # of a training, for Linux' scheduler: what a person waits for comes first
_ENDED = ("done", "stopped", "failed")
FAILED = "it ended without a word; its log says more."


class Job:
    """One training.

    Args:
        folder: Of the job.

    Attributes:
        about: What is in `job.json`.
        share: Of the work that is done, from 0 to 1.
        note: The figures of the last epoch, or the sentence with which it ended.
        state: "waiting", "running", "done", "stopped" or "failed".
        process: Of the command, if this server started it.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.about = json.loads((folder / "job.json").read_text())
        self.share, self.note, self.state = 0.0, "", "waiting"
        self.process: subprocess.Popen | None = None
        self._read = 0

    @property
    def _studio(self) -> Path:
        return self.folder.parents[2]

    @property
    def id(self) -> str:
        """The name of its folder."""
        return self.folder.name

    def shown(self) -> dict:
        """What a page shows of it."""
        command = shlex.join(["mdn", *self.about["command"]])
        kept = {key: self.about[key] for key in ("title", "page", "out", "created")}
        made = self.state in _ENDED and (self._studio / self.about["out"]).is_file()
        state = {"state": self.state, "share": self.share, "note": self.note, "made": made}
        return {"job": self.id, **state, "command": command, **kept}

    def start(self) -> None:
        """Starts the command, in a session of its own, with one thread and low priority."""
        progress = self.folder / "progress.jsonl"
        progress.unlink(missing_ok=True)
        self._read = 0
        own = {"MDN_PROGRESS": str(progress), "OMP_NUM_THREADS": "1", "KERAS_BACKEND": "jax"}
        with open(self.folder / "log.txt", "wb") as said:
            # -P: a file in the folder of the studio must not stand for a module of Python
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mdn_studio.run", str(self.folder)], start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=said, stderr=said, env={**os.environ, **own}, cwd=self._studio,
            )  # fmt: skip
        with suppress(OSError):
            Path(f"/proc/{self.process.pid}/autogroup").write_text(_PRIORITY)
        self.state = "running"

    def stop(self) -> None:
        """Asks the command once to end and to keep the best weights so far, as Ctrl-C does; a second Ctrl-C would lose them."""
        if self.about.get("stop") or self.state in _ENDED:
            return
        self._remember(stop=True)
        pid = self._alive()
        if pid:
            self.note = "ends at its next safe place"
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        else:
            self._end(_STOPPED, "stopped before anything was learnt.")

    def look(self) -> bool:
        """Reads what is new of the job; returns whether anything is."""
        if self.state in _ENDED:
            return False
        before = (self.state, self.share, self.note)
        self._look_at_progress()
        ended = self.folder / "ended.json"
        if self._alive():
            self.state = "running"
        elif ended.exists():
            content = json.loads(ended.read_text())
            names = {0: "done", _STOPPED: "stopped"}
            self.state = names.get(content["code"], "failed")
            self.note = content["sentence"].removeprefix("stopped: ")  # the page says that before it
            self.share = 1.0 if self.state == "done" else self.share
        elif self.state == "running":
            if self.about.get("stop"):
                self._end(_STOPPED, "stopped before anything was learnt.")
            elif self.about.get("again", 0) >= _AGAIN:
                self._end(1, FAILED)
            else:  # killed: it goes on from its checkpoints
                self._remember(again=self.about.get("again", 0) + 1)
                self.state = "waiting"
        return (self.state, self.share, self.note) != before

    def fail(self, said: str) -> None:
        """Takes the job for failed, for this server at least."""
        self.state, self.note = "failed", said

    def _alive(self) -> int:
        """The number of the process that runs the command, or 0; it may be one that an earlier server started."""
        if self.process is not None and self.process.poll() is None:
            return self.process.pid
        return locks.holder(self.folder / "lock")

    def _look_at_progress(self) -> None:
        with suppress(FileNotFoundError), open(self.folder / "progress.jsonl", "rb") as file:
            file.seek(self._read)
            lines = file.read()
            whole = lines[: lines.rfind(b"\n") + 1]
            self._read += len(whole)
            for line in whole.splitlines()[-1:]:
                with suppress(ValueError):
                    content = json.loads(line)
                    self.share, self.note = content["share"], content["note"]

    def _remember(self, **changes) -> None:
        self.about.update(changes)
        with replacing(self.folder / "job.json") as path:
            path.write_text(json.dumps(self.about, indent=1))

    def _end(self, code: int, said: str) -> None:
        with replacing(self.folder / "ended.json") as path:
            path.write_text(json.dumps({"code": code, "sentence": said}))
        self.look()


class Jobs:
    """All trainings of a studio; a page of its own for `messages.handlers`."""

    name = "jobs"

    def __init__(self, studio: Studio):
        self.studio = studio
        self.folder = studio.folder.kept / "jobs"
        self.folder.mkdir(exist_ok=True)
        self.jobs: dict[str, Job] = {}
        self._watch: asyncio.Task | None = None
        self._prepared: set[str] = set()  # files that trainings will make whose data are being written

    def shown(self) -> list[dict]:
        """What pages show of all jobs, the newest first."""
        return [job.shown() for job in sorted(self.jobs.values(), key=lambda job: -job.about["created"])]

    async def add(
        self, page: str, title: str, command: list[str], out: str, prepare: Callable[[], Awaitable] | None = None
    ) -> Job:
        """A new job, which starts when its turn comes.

        Args:
            page: The name of the page that asks for it.
            title: What people call it.
            command: The arguments of `mdn`; it runs in the folder of the studio.
            out: The name of the file that it makes in that folder.
            prepare: Writes what the command reads; it is called if the job is not refused, and may refuse it by what it raises.

        Raises:
            Refused: if too many wait, or if another job makes the same file.
        """
        unfinished = [job for job in self.jobs.values() if job.state in ("waiting", "running")]
        if out in self._prepared or any(job.about["out"] == out for job in unfinished):
            raise Refused(
                f"a training is making {out!r} already, perhaps in another tab; wait for it, or choose another name."
            )
        if len(unfinished) + len(self._prepared) >= limits.JOBS_WAITING:
            most = limits.JOBS_WAITING
            raise Refused(
                f"{counted(most, 'training')} {agreed(most, 'waits', 'wait')} already; stop one of them first."
            )
        if prepare is not None:
            self._prepared.add(out)
            try:
                await prepare()
            finally:
                self._prepared.discard(out)
        created = time.time()
        folder = self.folder / f"{created:.0f}-{secrets.token_hex(3)}"
        folder.mkdir()
        about = {"page": page, "title": title, "command": command, "out": out, "created": created}
        with replacing(folder / "job.json") as path:
            path.write_text(json.dumps(about, indent=1))
        self.jobs[folder.name] = Job(folder)
        return self.jobs[folder.name]

    @message("stop", job=schema.text)
    async def stop(self, session, job: str) -> dict:
        """Stops a job; the best weights so far are kept."""
        self._job(job).stop()
        return {}

    @message("forget", job=schema.text)
    async def forget(self, session, job: str) -> dict:
        """Takes a job that has ended off the list; the file that it made stays."""
        found = self._job(job)
        if found.state in ("waiting", "running"):
            raise Refused("this training has not ended; stop it first.")
        del self.jobs[job]
        (found.folder / "job.json").unlink(missing_ok=True)  # first: without it, no later server takes it for a job
        await asyncio.to_thread(shutil.rmtree, found.folder, ignore_errors=True)
        await self.studio.tell_all("jobs.changed", jobs=self.shown())
        return {}

    @message("log", job=schema.text)
    async def log(self, session, job: str) -> dict:
        """The end of what the command printed."""
        return {"text": await asyncio.to_thread(_end_of, self._job(job).folder / "log.txt")}

    def _job(self, name: str) -> Job:
        if name not in self.jobs:
            raise Refused("there is no such training any more.")
        return self.jobs[name]

    async def begin(self) -> None:
        """Finds the jobs of an earlier server, and watches all from now on."""
        for folder in sorted(self.folder.iterdir()):
            if not (folder / "job.json").exists():  # forgotten, and then killed
                shutil.rmtree(folder, ignore_errors=True)
                continue
            with suppress(ValueError, KeyError, OSError):
                job = Job(folder)
                job.state = "running" if (folder / "log.txt").exists() else "waiting"
                job.look()
                self.jobs[job.id] = job
        self._watch = asyncio.ensure_future(self._watching())

    async def _watching(self) -> None:
        while True:
            changed = False
            jobs = sorted(self.jobs.values(), key=lambda job: job.about["created"])
            for job in jobs:
                try:
                    changed |= job.look()
                    if job.state == "waiting" and sum(one.state == "running" for one in jobs) < limits.JOBS:
                        job.start()
                        changed = True
                except Exception as error:  # one job must not end the watch over all of them
                    log.exception("job %s", job.id)
                    job.fail(sentence(error))
                    changed = True
            if changed:
                await self.studio.tell_all("jobs.changed", jobs=self.shown())
            await asyncio.sleep(_WATCHED)

    async def end(self) -> None:
        """Stops watching; what runs goes on."""
        if self._watch is not None:
            self._watch.cancel()


def _end_of(path: Path) -> str:
    """The end of a log, of any length."""
    with suppress(FileNotFoundError), open(path, "rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _LOG))
        return file.read().decode(errors="replace")
    return ""
