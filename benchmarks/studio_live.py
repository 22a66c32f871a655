"""Play and dream in `mdn studio`: how late answers of a jam reach a client, and what a frame of a dream costs.

    python benchmarks/studio_live.py [--seconds 20]

The studio is a process of its own, the client speaks to it over a WebSocket on loopback. An answer is late by the time between
when it was due and when the client has read it. Processor time is that of the server, all threads together.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time

import numpy as np
from websockets.sync.client import connect


def processor(pid):
    """Seconds of processor time that a process has taken."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def opened(address):
    """A WebSocket to the studio, as a page opens it."""
    base, _, token = address.partition("/?token=")
    place = base.removeprefix("http://")
    cookie = {"Cookie": f"mdn-studio-{place.rpartition(':')[2]}={token}"}
    return connect(f"ws://{place}/socket", additional_headers=cookie, origin=base)


class Tab:
    def __init__(self, socket):
        self.socket = socket

    def ask(self, kind, **fields):
        self.socket.send(json.dumps({**fields, "kind": kind, "id": 1}))
        while True:
            said = json.loads(self.socket.recv(300))
            if said.get("id") == 1:
                assert said["kind"] != "error", said
                return said

    def news(self, kind, seconds, meanwhile=lambda: None):
        """(when it came, message) of each message of a kind for some seconds."""
        found, end = [], time.time() + seconds
        while time.time() < end:
            meanwhile()
            try:
                said = json.loads(self.socket.recv(0.02))
            except TimeoutError:
                continue
            if said["kind"] == kind:
                found.append((time.time(), said))
        return found


def play(tab, pid, mode, seconds):
    begun = tab.ask(
        "play.begin",
        model="the model that comes with mdn",
        mode=mode,
        silence=0.3,
        component_temperature=1.0,
        variance_temperature=1.0,
    )["begun"]
    rng, last = np.random.default_rng(0), [0.0]

    def touch():
        wait = 0.05 if mode == "polyphony" else 4.0
        if mode != "battle" and time.time() - last[0] > wait:
            last[0] = time.time()
            x, y = rng.uniform(size=2)
            tab.socket.send(json.dumps({"kind": "play.touch", "x": x, "y": y}))

    spent = processor(pid)
    found = tab.news("play.answer", seconds, touch)
    spent = processor(pid) - spent
    late = np.array([1e3 * (when - begun) - said["at"] for when, said in found])
    p50, p95, p99 = np.quantile(late, [0.5, 0.95, 0.99])
    print(
        f"play, {mode:12s} {len(late):5d} answers, late by {p50:.1f} ms (half), {p95:.1f} (95 %), {p99:.1f} (99 %); "
        f"processor {100 * spent / seconds:.1f} %"
    )
    tab.ask("play.leave")


def dream(tab, pid, world, speed, seconds):
    about = {"world": world, "who": "c", "variance_temperature": 1.0, "speed": speed, "runs": True, "seed": 1}
    tab.ask("dream.begin", **about)
    tab.news("dream.frame", 2)
    spent = processor(pid)
    found = tab.news("dream.frame", seconds)
    spent = processor(pid) - spent
    gaps = 1e3 * np.diff([when for when, _ in found])
    print(
        f"dream, {world:9s} speed {speed:.1f}: {len(found) / seconds:.1f} frames a second, "
        f"gaps {np.quantile(gaps, 0.5):.1f} ms (half), {np.quantile(gaps, 0.95):.1f} (95 %); "
        f"processor {1e3 * spent / len(found):.2f} ms a frame"
    )
    tab.ask("dream.leave")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mdn_cli", "studio", "--port", "0", "--no-browser", "--folder", folder]
        server = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
        )
        try:
            address = next(found[0] for line in server.stdout if (found := re.search(r"http://\S+", line)))
            with opened(address) as socket:
                tab = Tab(socket)
                for world in ("racing", "cartpole"):
                    for speed in (0.7, 1.0):
                        dream(tab, server.pid, world, speed, seconds)
                for mode in ("callresponse", "battle", "polyphony"):
                    play(tab, server.pid, mode, seconds)
        finally:
            server.terminate()
            server.wait(20)


if __name__ == "__main__":
    main()
