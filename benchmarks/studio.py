"""`mdn studio` as people use it: how soon it answers, how fast it draws and learns, and fifty tabs at once beside a training.

    python benchmarks/studio.py [--seconds 300] [--tabs 50] [--only start ghosts lecture crowd]

The studio is a process of its own, and tabs are WebSockets on loopback, as pages open them.

- start: from the command to the first page, with Keras' files in the system's cache.
- ghosts: from the message that asks, which a page sends when the pen is lifted, to the eight ghosts; 60 random drawings at once
  after the start, while the studio reads networks and compiles, and 60 when it has done so.
- lecture: from pressing "train" to a held-out NLL of 1.40 on inverse-sine data, and pictures a second meanwhile.
- crowd: every tab draws (ten inks a second, ghosts every three seconds) or plays (two touches a second in a polyphony), and a
  table is learnt beside them, again and again. Latencies of all answers, what was lost or refused, and the memory of the
  server in the first and in the last minute (in a third of the time, if that is less).
"""

import argparse
import asyncio
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

QUICKDRAW = "quickdraw"
_PATIENCE = 120.0  # seconds after which an answer is lost
_COLD = 900.0  # seconds in which a tab must have begun, while models are read and programs compiled


class Refusal(RuntimeError):
    """An answer that is a sentence about why not."""


class Tab:
    """A WebSocket to the studio, as a page opens it.

    Attributes:
        latencies: Seconds from each question to its answer.
        refused: The sentences of answers that are refusals.
        lost: Why questions have no answer: it did not come within two minutes, or the socket was closed.
    """

    def __init__(self, socket):
        self.socket, self.answers, self.news = socket, {}, {}
        self.next, self.latencies, self.refused, self.lost = 0, [], [], []
        self.reading = asyncio.create_task(self._read())

    async def _read(self):
        why = "the socket was closed"
        try:
            async for said in self.socket:
                message = json.loads(said)
                if "id" in message:
                    answer = self.answers.pop(message["id"])
                    if not answer.done():  # after `_PATIENCE` it is
                        answer.set_result(message)
                elif message["kind"] in self.news:
                    await self.news[message["kind"]].put((time.perf_counter(), message))
        except ConnectionClosed as error:
            why = str(error)
        for answer in self.answers.values():
            if not answer.done():
                answer.set_exception(ConnectionError(why))

    def hear(self, kind):
        self.news[kind] = asyncio.Queue()
        return self.news[kind]

    async def ask(self, kind, patience=_PATIENCE, **fields):
        self.next += 1
        answer = self.answers[self.next] = asyncio.get_running_loop().create_future()
        begun = time.perf_counter()
        await self.socket.send(json.dumps({**fields, "kind": kind, "id": self.next}))
        found = await asyncio.wait_for(answer, patience)
        self.latencies.append(time.perf_counter() - begun)
        if found["kind"] == "error":
            raise Refusal(found["sentence"])
        return found

    async def try_to_ask(self, kind, **fields):
        """As `ask`; a refusal, or an answer that never comes, is counted, and the tab goes on."""
        try:
            await self.ask(kind, **fields)
        except Refusal as error:
            self.refused.append(str(error))
        except (TimeoutError, ConnectionError, ConnectionClosed) as error:
            self.lost.append(f"{kind}: {error or 'no answer'}")


@contextlib.asynccontextmanager
async def tab(address):
    base, _, token = address.partition("/?token=")
    place = base.removeprefix("http://")
    cookie = {"Cookie": f"mdn-studio-{place.rpartition(':')[2]}={token}"}
    how = {
        "max_size": None,
        "open_timeout": _PATIENCE,
        "ping_interval": None,
    }  # a studio that has just begun imports Keras first
    async with connect(f"ws://{place}/socket", additional_headers=cookie, origin=base, **how) as socket:
        one = Tab(socket)
        yield one
        one.reading.cancel()


@contextlib.contextmanager
def studio(folder):
    """Yields (address, seconds until the first page, pid)."""
    begun = time.perf_counter()
    command = [sys.executable, "-m", "mdn_cli", "studio", "--port", "0", "--no-browser", "--folder", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        address = next(line.strip() for line in process.stdout if line.startswith("http://"))
        # as a browser: the first answer sets a cookie and sends it to the address without the token
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(), urllib.request.ProxyHandler({}))
        with browser.open(address) as page:
            page.read()
        yield address, time.perf_counter() - begun, process.pid
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def quantile(latencies, q):
    return 1000 * float(np.quantile(latencies, q))


def stroke(rng, points=30):
    """A wobbly line."""
    steps = np.cumsum(rng.normal(0, 12, (points, 2)) + rng.normal(0, 6, 2), axis=0)
    return [[float(x), float(y), 0.5] for x, y in steps - steps.min(axis=0) + 40]


async def ghosts_of(ask, seed):
    return await ask(
        "draw.ghosts", network=QUICKDRAW, component_temperature=0.8, variance_temperature=0.7, freedom=0.9, seed=seed
    )


async def ghosts_latencies(address, count=60):
    """Seconds of each answer with ghosts; the first 20 do not count."""
    rng, found = np.random.default_rng(0), []
    async with tab(address) as one:
        await one.ask("draw.join", sheet="bench", by="bench")
        for number in range(count + 20):
            for part in range(int(rng.integers(1, 4))):
                await one.ask("draw.ink", stroke=f"s{number}-{part}", start=0, points=stroke(rng))
            begun = time.perf_counter()
            await ghosts_of(one.ask, number)
            found.append(time.perf_counter() - begun)
            await one.ask("draw.clear")
    return found[20:]


async def lecture(address, runs=5):
    """(seconds until an NLL of 1.40, pictures a second) of each run after the first, which may compile."""
    found = []
    async with tab(address) as one:
        frames, ended = one.hear("lecture.frame"), one.hear("lecture.ended")
        for seed in range(runs + 1):
            begun, good, times = time.perf_counter(), None, []
            await one.ask(
                "lecture.train", points=None, components=5, units=15, epochs=200, rate=0.01, seed=seed, slowly=False
            )
            while ended.empty():
                with contextlib.suppress(TimeoutError):
                    when, frame = await asyncio.wait_for(frames.get(), 0.05)
                    if frame["net"] == "mixture":
                        times.append(when)
                        if good is None and frame.get("nll") is not None and frame["nll"] <= 1.40:
                            good = when - begun
            ended.get_nowait()
            found.append((good, (len(times) - 1) / (times[-1] - times[0])))
    return found[1:]


class Start:
    """All tabs of a crowd begin together, once each of them is ready; then `seconds` run."""

    def __init__(self, tabs, seconds):
        self._barrier, self._seconds = asyncio.Barrier(tabs), seconds

    async def wait(self):
        """The time at which all end."""
        await self._barrier.wait()
        return time.perf_counter() + self._seconds


async def draws(address, number, start):
    """A tab that draws until the end; returns it, closed."""
    rng = np.random.default_rng(number)
    async with tab(address) as one:
        await one.ask("draw.join", _COLD, sheet=f"sheet {number % 10}", by=f"p{number}")
        end = await start.wait()
        one.latencies.clear()
        name, next_ghosts = 0, time.perf_counter() + 3 * rng.uniform()
        while time.perf_counter() < end and not one.lost:
            name += 1
            points = stroke(rng)
            for first in range(0, len(points), 3):
                begun = time.perf_counter()
                piece = {"stroke": f"{number}-{name}", "start": first, "points": points[first : first + 3]}
                await one.try_to_ask("draw.ink", **piece)
                await asyncio.sleep(max(0.0, 0.1 - (time.perf_counter() - begun)))
            if time.perf_counter() > next_ghosts:
                await ghosts_of(one.try_to_ask, name)
                next_ghosts = time.perf_counter() + 3.0
            if name % 5 == 0:
                await one.try_to_ask("draw.clear")
        return one


async def plays(address, number, start):
    """A tab that plays until the end; returns it, closed."""
    rng = np.random.default_rng(number)
    async with tab(address) as one:
        await one.ask(
            "play.begin", _COLD, model="the model that comes with mdn", mode="polyphony", silence=0.3, component_temperature=1.0,
            variance_temperature=1.0,
        )  # fmt: skip
        end = await start.wait()
        one.latencies.clear()
        while time.perf_counter() < end and not one.lost:
            x, y = rng.uniform(size=2)
            await one.try_to_ask("play.touch", x=x, y=y)
            await asyncio.sleep(0.5)
        return one


def memory(pid):
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def span(seconds):
    """How long the first and the last minute are: shorter if there are less than three."""
    return min(60.0, seconds / 3)


async def watch(pid, seconds, start):
    """Memory of a process in its first and its last minute, as medians."""
    await start.wait()
    begun, found = time.perf_counter(), []
    while time.perf_counter() - begun < seconds:
        found.append((time.perf_counter() - begun, memory(pid)))
        await asyncio.sleep(min(1.0, seconds / 20))
    first = [each for when, each in found if when <= span(seconds)]
    last = [each for when, each in found if when >= seconds - span(seconds)] or [each for _, each in found[-1:]]
    return statistics.median(first), statistics.median(last)


class Beside:
    """Trainings of a table, one after the other, each as a job of the studio runs it, so that one runs all the time."""

    def __init__(self, folder):
        self.folder, self.count, self.failed = folder, 0, ""
        self.process = None

    async def go_on(self):
        """Begins a training whenever there is none; ends when it is cancelled, or with `failed` when one fails."""
        try:
            while not self.failed:
                self.process = train_beside(self.folder)
                self.count += 1
                while self.process.poll() is None:
                    await asyncio.sleep(0.2)
                if self.process.returncode:
                    self.failed = f"training {self.count} ended with {self.process.returncode}: see beside.log"
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait()


def train_beside(folder):
    """A training of a table, as a job of the studio runs it."""
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(20_000, 4))
    y = x @ [1.0, 2.0, 3.0, 4.0] + rng.normal(size=len(x)) * (0.2 + x[:, 0])
    np.savetxt(folder / "beside.csv", np.column_stack([x, y]), delimiter=",", header="a,b,c,d,y", comments="")
    command = [
        sys.executable,
        "-m",
        "mdn_cli",
        "fit",
        "beside.csv",
        "--target",
        "y",
        "--out",
        "beside.mdn",
        "--no-resume",
    ]
    with open(folder / "beside.log", "wb") as said:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdout=said,
            stderr=said,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    with contextlib.suppress(OSError):
        Path(f"/proc/{process.pid}/autogroup").write_text("10")  # as in mdn_studio.jobs
    return process


async def crowd(address, pid, folder, tabs, seconds):
    """The tabs of a crowd, which are closed; memory in the first and in the last minute; and the trainings beside."""
    beside = Beside(folder)
    training = asyncio.create_task(beside.go_on())
    try:
        warm = Start(5, 20.0)
        # programs are compiled after this
        await asyncio.gather(*((draws if n else plays)(address, n, warm) for n in range(5)))
        start = Start(tabs + 1, seconds)
        *crowded, (first, last) = await asyncio.gather(
            *((draws if n % 2 else plays)(address, n, start) for n in range(tabs)), watch(pid, seconds, start)
        )
        return crowded, first, last, beside
    finally:
        training.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await training


def say_crowd(tabs, seconds, first, last, beside):
    """Prints what a crowd met with."""
    late = [each for one in tabs for each in one.latencies]
    lost, refused = ([each for one in tabs for each in getattr(one, name)] for name in ("lost", "refused"))
    trained = beside.failed or f"a training ran beside all the time, {beside.count} in all"
    print(
        f"{len(tabs)} tabs for {seconds:.0f} s: {len(late)} answers, p50 {quantile(late, 0.5):.0f} ms, "
        f"p99 {quantile(late, 0.99):.0f} ms, {len(lost)} lost, {len(refused)} refused; memory {first:.0f} MB in the first "
        f"{span(seconds):.0f} s, {last:.0f} MB in the last ({100 * (last / first - 1):+.1f} %); {trained}",
        *sorted({*lost, *refused}), sep="\n", flush=True,
    )  # fmt: skip


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--tabs", type=int, default=50)
    parser.add_argument("--only", nargs="*", default=["start", "ghosts", "lecture", "crowd"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        if "start" in args.only:
            starts = []
            for _ in range(3):
                with studio(folder) as (_, seconds, _pid):
                    starts.append(seconds)
            print(f"first page: {statistics.median(starts):.2f} s after the command (median of 3)", flush=True)
        with studio(folder) as (address, _, pid):
            if "ghosts" in args.only:
                for when in ("just after the start", "later"):
                    late = asyncio.run(ghosts_latencies(address))
                    half, most = quantile(late, 0.5), quantile(late, 0.95)
                    print(f"eight ghosts, {when}: p50 {half:.0f} ms, p95 {most:.0f} ms", flush=True)
            if "lecture" in args.only:
                for good, pictures in asyncio.run(lecture(address)):
                    shown = "never" if good is None else f"{good:.2f} s"
                    print(f"lecture: NLL 1.40 after {shown}, {pictures:.1f} pictures a second", flush=True)
            if "crowd" in args.only:
                crowded = asyncio.run(crowd(address, pid, folder, args.tabs, args.seconds))
                say_crowd(crowded[0], args.seconds, *crowded[1:])


if __name__ == "__main__":
    main()
