"""Latency and losses of `mdn play`, and of IMPSY in the same run: eight values, OSC and WebSocket on loopback.

    python benchmarks/play.py [--seconds 30] [--rates 100 1000 2000] [--impsy PYTHON] [--hours 8]

Both programs are started as their users start them, with the same file of configuration, and each has a model of two layers of
64 units with random weights that reads every event. The client is this process. It measures from before it sends an event until
it has read its echo: what `input_thru` sends back, or, over OSC, which IMPSY does not send through, the copy that IMPSY sends to
its web page as soon as it has the values. One message in a hundred is malformed. An event is lost if its echo has not come one
second after the last event was sent. Over OSC the mode is polyphony, and `answers` is the share of events that got one by then,
with pauses shortened to a thousandth. Over WebSocket it is callresponse: answers would move the controllers whose echoes are
counted. `cpu us` is the processor time of the program, an event. Both write a log. `--impsy` names the Python of an environment
with `pip install impsy`. `--hours` plays that long in simulated time, see play_hours.py; 0 leaves it out.
"""

import argparse
import contextlib
import os
import random
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")
N, UNITS, LAYERS = 8, 64, 2
ENTRIES = [["control_change", 1, 20 + i] for i in range(N)]
READY = {"mdn": "Ctrl-C ends it", "impsy": "RNN Thread Started"}
FILE = """
verbose = false
log_input = true
log_predictions = false
[interaction]
mode = "{mode}"
threshold = 60.0
input_thru = true
[model]
dimension = {dimension}
file = "{model}"
size = "s"
sigmatemp = 0.01
pitemp = 1
timescale = 0.001
[webui]
monitor_port = {monitor}
command_port = {command}
"""


class Osc:
    """An event is all values; the first two hold its number, so that its echo is known."""

    def __init__(self, port, answers, monitor):
        self._server, self.answers, self.files = ("127.0.0.1", port), 0, []
        for place in (answers, monitor):
            one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            one.bind(("127.0.0.1", place))
            one.setblocking(False)
            self.files.append(one)

    def send(self, number):
        values = [(number % 1000) / 1000, (number // 1000) / 1000, *(0.5 for _ in range(N - 2))]
        self.files[0].sendto(b"/interface\0\0" + b",ffffffff\0\0\0" + struct.pack(">8f", *values), self._server)

    def spoil(self, rng):
        bad = rng.choice([b"\0\xff nonsense", b"/interface\0\0,s\0\0half\0\0\0\0", b"/nowhere\0\0\0\0,\0\0\0"])
        self.files[0].sendto(bad, self._server)

    def echoes(self):
        for file in self.files:
            with contextlib.suppress(BlockingIOError):
                while packet := file.recv(4096):
                    if not packet.startswith((b"/impsy\0", b"/monitor/in\0")) or b",ffffffff\0" not in packet:
                        continue
                    values = struct.unpack(">8f", packet[-4 * N :])
                    is_echo = values[2:] == (0.5,) * (N - 2)
                    yield round(values[0] * 1000) + 1000 * round(values[1] * 1000) if is_echo else None

    def warm_up(self):
        for number in range(-100, 0):
            self.send(999_000 + number)
            time.sleep(0.01)
        quiet(self)

    def close(self):
        for one in self.files:
            one.close()


class WebSocket:
    """An event is one controller; each of them counts up, so that its n-th echo belongs to its n-th event."""

    def __init__(self, port, *_):
        from websockets.client import ClientProtocol
        from websockets.uri import parse_uri

        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.files, self.answers = [self.socket], 0
        self.protocol, self.came = ClientProtocol(parse_uri(f"ws://127.0.0.1:{port}")), [0] * N
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
            if frame.opcode.name != "TEXT":
                continue
            _, _, _, kind, controller, value = frame.data.decode().split("/")
            index = int(controller) - 20
            if kind == "cc" and 0 <= index < N and int(value) == self.came[index] % 128:
                yield index + N * self.came[index]
                self.came[index] += 1

    def warm_up(self):
        for value in (100, 127):  # then the first event moves each controller to 0
            for i in range(N):
                self.send(i + N * value)
                time.sleep(0.05)
        quiet(self)
        self.came = [0] * N

    def close(self):
        self.socket.close()


def quiet(wire, seconds=1.0):
    """Reads what comes until nothing has come for a while."""
    while select.select(wire.files, [], [], seconds)[0]:
        list(wire.echoes())
    wire.answers = 0


def measured(wire, rate, seconds):
    """(events sent, latencies of their echoes in seconds, in ascending order)"""
    rng = random.Random(0)
    count, sent, late, number = int(rate * seconds), {}, [], 0
    begin = time.perf_counter()
    with contextlib.suppress(ConnectionError):  # a program that let us go loses what is left
        while number < count or time.perf_counter() < begin + seconds + 1.0:
            due = begin + number / rate if number < count else begin + seconds + 1.0
            ready, _, _ = select.select(wire.files, [], [], max(0.0, due - time.perf_counter()))
            if ready:
                for echo in wire.echoes():
                    if echo in sent:
                        late.append(time.perf_counter() - sent.pop(echo))
                    else:  # after an echo the same values again are an answer: one of a model that moved nothing
                        wire.answers += 1
            while number < count and time.perf_counter() >= begin + number / rate:
                if number % 100 == 99:
                    wire.spoil(rng)
                sent[number] = time.perf_counter()
                wire.send(number)
                number += 1
    return count, sorted(late)


def processor_time(process):
    """Seconds that a process has used so far; nan where the system does not say."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except OSError:
        return float("nan")


def environment(program):
    """IMPSY has a Python and a backend of Keras of its own."""
    ours = ("KERAS_BACKEND", "PYTHONPATH") if program == "impsy" else ()
    return {name: value for name, value in os.environ.items() if name not in ours} | {"PYTHONUNBUFFERED": "1"}


def free_ports(count):
    """Ports that nobody listens at."""
    with contextlib.ExitStack() as opened:
        made = []
        for _ in range(count):
            tcp = opened.enter_context(socket.socket())
            tcp.bind(("127.0.0.1", 0))
            udp = opened.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            udp.bind(tcp.getsockname())
            made.append(tcp.getsockname()[1])
        return made


def run(program, python, model, kind, rate, seconds, folder):
    """A row of the table: one program, one wire, one rate."""
    port, answers, monitor, command = free_ports(4)
    text = FILE.format(
        mode="polyphony" if kind == "osc" else "callresponse",
        dimension=N + 1, model=model, monitor=monitor, command=command,
    )  # fmt: skip
    text += f'[{kind}]\nserver_ip = "127.0.0.1"\nserver_port = {port}\n'
    mapping = str(ENTRIES).replace("'", '"')
    text += (
        f'client_ip = "127.0.0.1"\nclient_port = {answers}\n'
        if kind == "osc"
        else f"input = {mapping}\noutput = {mapping}\n"
    )
    file, said = folder / "config.toml", folder / "said.txt"
    file.write_text(text)
    start = {"mdn": ["-m", "mdn_cli", "play"], "impsy": ["-m", "impsy", "run"]}[program]
    start += ["--config", str(file), {"mdn": "--logs", "impsy": "--logdir"}[program], str(folder / "logs")]
    with open(said, "w") as out:
        process = subprocess.Popen([python, *start], stdout=out, stderr=out, env=environment(program), cwd=folder)
    wire = None
    try:
        while READY[program] not in said.read_text():
            if process.poll() is not None:
                raise SystemExit(f"{program} ended: {said.read_text()}")
            time.sleep(0.1)
        wire = {"osc": Osc, "websocket": WebSocket}[kind](port, answers, monitor)
        wire.warm_up()
        before = processor_time(process)
        count, late = measured(wire, rate, seconds)
        used = processor_time(process) - before
        ended = process.poll() is not None
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if wire is not None:
            wire.close()
    p50, p99 = (1e3 * late[min(int(q * len(late)), len(late) - 1)] if late else float("nan") for q in (0.5, 0.99))
    share = f"{100 * wire.answers / count:>7.0f}%" if kind == "osc" else f"{'':>8}"
    print(
        f"{kind:<10} {program:<6} {rate:>8,} {count:>7,} {count - len(late):>7,} {p50:>8.2f} {p99:>9.2f} {share} "
        f"{1e6 * used / count:>8.0f}{'  (it ended)' if ended else ''}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=30.0, help="at each rate; 0 measures no latencies")
    parser.add_argument("--rates", type=int, nargs="+", default=[100, 1000, 2000], help="events a second")
    parser.add_argument("--wires", nargs="+", choices=["osc", "websocket"], default=["osc", "websocket"])
    parser.add_argument("--impsy", metavar="PYTHON", help="of an environment with impsy")
    parser.add_argument("--hours", type=float, default=8.0, help="in simulated time, in each mode; 0 for none")
    options = parser.parse_args()
    if options.seconds:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            programs = {"mdn": (sys.executable, folder / "random.keras")}
            if options.impsy:
                programs["impsy"] = options.impsy, folder / "random.tflite"
                script = Path(__file__).with_name("play_impsy.py")
                made = map(str, (options.impsy, script, programs["impsy"][1], N + 1, UNITS, LAYERS))
                subprocess.run([*made], check=True, capture_output=True, env=environment("impsy"))
            from mdn.applications.instrument.model import Instrument, save

            model = Instrument(steps=[127] * N, units=(UNITS,) * LAYERS)
            model.stream()  # builds it
            save(model, programs["mdn"][1])
            print(
                f"{'wire':<10} {'':<6} {'events/s':>8} {'sent':>7} {'lost':>7} {'p50 ms':>8} {'p99 ms':>9} {'answers':>8} "
                f"{'cpu us':>8}"
            )
            for kind in options.wires:
                for rate in options.rates:
                    for program, (python, model) in programs.items():
                        run(program, python, model, kind, rate, options.seconds, folder)
    if options.hours:
        import play_hours

        play_hours.table(options.hours, play_hours.MODES)


if __name__ == "__main__":
    main()
