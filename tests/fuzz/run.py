"""Changed files for every reader of files from outside, in a process of its own: `python tests/fuzz/run.py --help`."""

from __future__ import annotations

import argparse
import faulthandler
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve()
sys.path[:0] = [str(HERE.parents[1]), str(HERE.parents[2] / "src")]
os.environ.setdefault("KERAS_BACKEND", "jax")

ROUND = 100  # cases of one reader, before the next one's turn
DEAF = 20  # seconds after which a case is ended from outside
MOST_ENDED = 20  # processes that a reader may end; then it is left out
SPACE = 8 << 30  # bytes of addresses that a process may add: what asks for more fails in it alone


# ---- the process that reads ------------------------------------------------------------------------------------------


def work(folder: Path) -> None:
    """Reads jobs, "reader first count", from stdin, and writes a line for each of their cases."""
    from fuzz.cases import judged
    from fuzz.readers import READERS

    log = open(folder / "trace", "w")  # noqa: SIM115 - open as long as the process
    faulthandler.enable(log)
    told = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what readers print
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + SPACE, size + SPACE))
    for line in sys.stdin:
        name, first, count = line.split()
        reader = READERS[name]
        reader.seeds, reader.made  # noqa: B018 - made before the clock runs
        for seed in range(int(first), int(first) + int(count)):
            log.seek(0)
            log.truncate()
            faulthandler.dump_traceback_later(DEAF, exit=True, file=log)
            place = folder / f"{name}-{seed}"
            outcome = judged(reader, seed, place)
            faulthandler.cancel_dump_traceback_later()
            if outcome.good:
                shutil.rmtree(place, ignore_errors=True)
            told.write(json.dumps([outcome.kind, outcome.what, outcome.where, outcome.message[:300]]) + "\n")


class Worker:
    """A process that reads; a new one once a case has ended it."""

    def __init__(self, folder: Path):
        self._folder, self._process = folder, None

    def outcomes(self, name: str, first: int, count: int) -> Iterator[list[str]]:
        """(kind, class, place, message) of each case, those that end the process among them."""
        while count:
            process = self._running()
            process.stdin.write(f"{name} {first} {count}\n")
            process.stdin.flush()
            while count and (line := process.stdout.readline()):
                yield json.loads(line)
                first, count = first + 1, count - 1
            if count:
                yield self._ended(name)
                first, count = first + 1, count - 1

    def end(self) -> None:
        """Ends the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _running(self) -> subprocess.Popen:
        if self._process is None:
            command = [sys.executable, str(HERE), "--worker", str(self._folder)]
            with open(self._folder / "stderr", "w") as errors:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
                )
        return self._process

    def _ended(self, name: str) -> list[str]:
        process, self._process = self._process, None
        code = process.wait()
        trace = (self._folder / "trace").read_text()
        if not trace and code > 0:  # neither a signal nor the watch: the fuzzer's own fault
            raise SystemExit(f"{name}: {(self._folder / 'stderr').read_text()[-2000:]}")
        places = re.findall(r'File ".*?/src/mdn/(.+?)", line (\d+) in (\S+)', trace)
        where = "{}:{} {}".format(*places[0]) if places else ""
        kind = "slow" if trace.startswith("Timeout") else "abort"
        return [kind, f"exit code {code}", where, trace[:300]]


# ---- the process that asks -------------------------------------------------------------------------------------------


def main() -> None:
    """Asks for cases, counts what became of them, and lists what failed."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from fuzz.readers import READERS

    asked = _arguments(list(READERS))
    names = asked.reader or list(READERS)
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    worker, counts, failed, ended = Worker(folder), defaultdict(Counter), defaultdict(list), Counter()
    mutations = asked.mutations or (10**9 if asked.seconds else 1000)
    total = None if asked.seconds else mutations * len(names)
    print(f"seeds from {asked.seed} on; files that fail are kept in {folder}")
    end, first = time.monotonic() + (asked.seconds or float("inf")), 0
    columns = [TextColumn("{task.description:>22}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()]
    with Progress(*columns, refresh_per_second=2) as progress:
        bar = progress.add_task("", total=total)
        while names and first < mutations and time.monotonic() < end:
            for name in list(names):
                progress.update(bar, description=name)
                begin = asked.seed + first
                for seed, outcome in enumerate(worker.outcomes(name, begin, min(ROUND, mutations - first)), begin):
                    kind, what, where, message = outcome
                    counts[name][kind] += 1
                    progress.advance(bar)
                    if kind not in ("read", "refused"):
                        failed[name, kind, what, where].append((seed, message))
                    ended[name] += what.startswith("exit code")
                    if ended[name] >= MOST_ENDED or time.monotonic() > end:
                        break
                if ended[name] >= MOST_ENDED:
                    names.remove(name)
                    print(f"{name}: left out, since it ended {MOST_ENDED} processes")
                    worker.end()
            first += ROUND
    worker.end()
    for name, found in counts.items():
        print(
            f"{name:>22}: {sum(found.values())} files, " + ", ".join(f"{found[kind]} {kind}" for kind in sorted(found))
        )
    for (name, kind, what, where), cases in sorted(failed.items()):
        print(f"\n{name}: {kind} {what} at {where or '?'}, {len(cases)} times")
        for seed, message in cases[:3]:
            print(f"    --reader {name} --seed {seed} --mutations 1: {' '.join(message.split())[:200]}")
    print(f"\n{sum(map(len, failed.values()))} of {sum(sum(found.values()) for found in counts.values())} files failed")
    sys.exit(bool(failed))


def _arguments(known: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Changed files for every reader of files from outside.")
    parser.add_argument("--seconds", type=float, help="how long")
    parser.add_argument("--mutations", type=int, help="how many of each reader; 1000 unless --seconds says how long")
    parser.add_argument("--reader", action="append", choices=known, help="only this one; may come twice")
    parser.add_argument("--seed", type=int, default=0, help="of the first file; each next file has the next seed")
    return parser.parse_args()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(Path(sys.argv[2]))
    else:
        main()
