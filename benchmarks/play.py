"""Latency and losses of `mdn play`: a client in another process, eight values, OSC and WebSocket on loopback.

    python benchmarks/play.py [--seconds 30] [--rates 100 1000 2000] [--units 64]

The model hears each event and answers it (polyphony), and `input_thru` sends each event back, after the model heard it. The
client measures from before it sends an event until it has read that echo. One message in a hundred means nothing. An event is
lost if its echo has not come one second after the last event was sent.
"""

import argparse
import json
import os
import random
import select
import socket
import struct
import subprocess
import sys
import threading
import time

os.environ.setdefault("KERAS_BACKEND", "jax")
N = 8
ENTRIES = [["control_change", 1, 20 + i] for i in range(N)]


class Osc:
    """An event is all values; the first two hold its number, so that its echo is known."""

    def __init__(self, host, port, answers):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind((host, answers))
        self.file, self._server = self.socket, (host, port)

    def send(self, number):
        values = [(number % 1000) / 1000, (number // 1000) / 1000, *(0.5 for _ in range(N - 2))]
        self.socket.sendto(b"/interface\0\0" + b",ffffffff\0\0\0" + struct.pack(">8f", *values), self._server)

    def spoil(self, rng):
        bad = rng.choice([b"\0\xff nonsense", b"/interface\0\0,s\0\0half\0\0\0\0", b"/nowhere\0\0\0\0,\0\0\0"])
        self.socket.sendto(bad, self._server)

    def echoes(self):
        packet = self.socket.recv(4096)
        values = struct.unpack(">8f", packet[-4 * N :])
        if packet.startswith(b"/impsy\0") and values[2] == values[3] == 0.5:  # an answer of the model is another
            yield round(values[0] * 1000) + 1000 * round(values[1] * 1000)


class WebSocket:
    """An event is one controller; each of them counts up, so that its n-th echo belongs to its n-th event."""

    def __init__(self, host, port, _):
        from websockets.client import ClientProtocol
        from websockets.uri import parse_uri

        self.socket = self.file = socket.create_connection((host, port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.protocol, self.came = ClientProtocol(parse_uri(f"ws://{host}:{port}")), [0] * N
        self.protocol.send_request(self.protocol.connect())
        self._write()
        while self.protocol.state.name == "CONNECTING":
            self.protocol.receive_data(self.socket.recv(4096))
            list(self.protocol.events_received())

    def _write(self):
        for data in self.protocol.data_to_send():
            self.socket.sendall(data)

    def send(self, number):
        self.protocol.send_text(f"/channel/1/cc/{20 + number % N}/{(number // N) % 128}".encode())
        self._write()

    def spoil(self, rng):
        if rng.random() < 0.5:
            self.protocol.send_binary(b"\0\xff")
        else:
            self.protocol.send_text(rng.choice([b"nonsense", b"/channel/99/cc/1/1", b"/channel/1/cc/1"]))
        self._write()

    def echoes(self):
        self.protocol.receive_data(self.socket.recv(1 << 16))
        for frame in self.protocol.events_received():
            _, _, _, kind, controller, value = frame.data.decode().split("/")
            index = int(controller) - 20
            if kind == "cc" and 0 <= index < N and int(value) == self.came[index] % 128:
                yield index + N * self.came[index]
                self.came[index] += 1


def play_as_client(kind, port, answers, rate, seconds):
    wire, rng = {"osc": Osc, "websocket": WebSocket}[kind]("127.0.0.1", port, answers), random.Random(0)
    count, sent, late, number = int(rate * seconds), {}, [], 0
    begin = time.perf_counter()
    while number < count or (sent and time.perf_counter() < begin + seconds + 1.0):
        due = begin + number / rate if number < count else begin + seconds + 1.0
        ready, _, _ = select.select([wire.file], [], [], max(0.0, due - time.perf_counter()))
        if ready:
            for echo in wire.echoes():
                if echo in sent:
                    late.append(time.perf_counter() - sent.pop(echo))
        while number < count and time.perf_counter() >= begin + number / rate:
            if number % 100 == 99:
                wire.spoil(rng)
            sent[number] = time.perf_counter()
            wire.send(number)
            number += 1
    late.sort()
    took = {f"p{q}": 1e3 * late[min(int(q / 100 * len(late)), len(late) - 1)] for q in (50, 99)} if late else {}
    print(json.dumps({"sent": count, "lost": count - len(late), **took}))


def serve(kind, voice, rate, seconds):
    from mdn.applications.instrument.live import config
    from mdn.applications.instrument.live.play import Play, channels

    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two,
    ):
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        ports = one.getsockname()[1], two.getsockname()[1]
    file = {"model": {"dimension": N + 1}, "interaction": {"mode": "polyphony", "input_thru": True}, "log_input": False}
    server = {"server_ip": "127.0.0.1", "server_port": ports[0]}
    if kind == "osc":
        file["osc"] = server | {"client_ip": "127.0.0.1", "client_port": ports[1]}
    else:
        file["websocket"] = server | {"input": ENTRIES, "output": ENTRIES}
    if kind == "websocket":  # answers of the model would change the controllers whose echoes are counted
        file["interaction"]["mode"] = "callresponse"
        file["interaction"]["threshold"] = 60
    read = config.parse(file)
    live = Play(read, say=lambda text: None)
    for channel in channels(live, read):
        live.add(channel)
    live.join(voice)
    arguments = [sys.executable, __file__, "--client", kind, *map(str, (*ports, rate, seconds))]
    player = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    threading.Thread(target=lambda: (player.wait(), live.stop()), daemon=True).start()
    live.run()
    return json.loads(player.stdout.read()) | {"left out": live.left_out, "model p99": 1e3 * live.latency(0.99)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1000, 2000])
    parser.add_argument("--units", type=int, nargs="+", default=[64, 64], help="of the network; its weights are random")
    parser.add_argument("--client", nargs=5, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.client:
        kind, port, answers, rate, seconds = options.client
        return play_as_client(kind, int(port), int(answers), float(rate), float(seconds))
    from mdn.applications.instrument.model import Instrument
    from mdn.applications.instrument.voice import Voice

    voice = Voice(Instrument(steps=[127] * N, units=tuple(options.units)), seed=0)
    print(f"{'wire':<10} {'events/s':>8} {'sent':>7} {'lost':>5} {'p50 ms':>7} {'p99 ms':>7} {'model p99 ms':>12}")
    for kind in ("osc", "websocket"):
        for rate in options.rates:
            voice.reset()
            got = serve(kind, voice, rate, options.seconds)
            print(
                f"{kind:<10} {rate:>8,} {got['sent']:>7,} {got['lost']:>5} {got.get('p50', 0):>7.2f} "
                f"{got.get('p99', 0):>7.2f} {got['model p99']:>12.2f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
