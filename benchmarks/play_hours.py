"""Hours of `mdn play` in each mode, with a musician over MIDI, in simulated time: drift, memory, notes that hang.

    python benchmarks/play_hours.py [--hours 8] [--modes callresponse polyphony battle useronly]

The clock is moved by hand, from event to event; each turn of the loop comes up to two milliseconds late, as on a stage. The
musician plays phrases of notes and controllers with silences between, and `input_thru` plays them to the synthesizer, too. The
shipped model of three values answers. Drift is the largest difference between when the session is about to play and when it
should, by sums of the model's pauses that are kept here. Memory is that of the process, after the first hour and at the end.
"""

import argparse
import heapq
import math
import os
import types
from collections import deque

os.environ.setdefault("KERAS_BACKEND", "jax")

import mido
import numpy as np

from mdn.applications.instrument.live.config import Config, Midi
from mdn.applications.instrument.live.mapping import Entry
from mdn.applications.instrument.live.midi import Midi as MidiChannel
from mdn.applications.instrument.live.play import Play
from mdn.applications.live.turns import MODES

KEYS = (Entry("note_on", 1), Entry("control_change", 1, 42), Entry("control_change", 1, 43))
SYNTH = (Entry("note_on", 2), Entry("control_change", 2, 42), Entry("control_change", 2, 43, 100, 20))
THRESHOLD, TIMESCALE, LATE = 1.0, 2.0, 0.002


class Ear:
    """An input of MIDI that hears what `waiting` holds."""

    def __init__(self, name):
        self.name, self.waiting = name, deque()

    def iter_pending(self):
        while self.waiting:
            yield self.waiting.popleft()

    def close(self):
        pass


class Mouth:
    """An output of MIDI: a synthesizer that counts notes, and knows which of them sound."""

    def __init__(self, name):
        self.name, self.begun, self.ended, self.sounding = name, 0, 0, set()

    def send(self, message):
        if message.type == "note_on":
            self.begun += 1
            self.sounding.add((message.channel, message.note))
        elif message.type == "note_off":
            self.ended += 1
            self.sounding.discard((message.channel, message.note))

    def close(self):
        pass


class Watched:
    """A voice whose pauses are kept, as long as the session should make them."""

    def __init__(self, voice):
        self._voice, self.pauses = voice, deque()

    def __getattr__(self, name):
        return getattr(self._voice, name)

    def foresee(self):
        dt, values = self._voice.foresee()
        self.pauses.append(TIMESCALE * max(dt, 0.001))
        return dt, values


def musician(rng):
    """Yields (when, messages) of a player: phrases with silences between them."""
    now, note = 0.0, 60
    while True:
        now += rng.uniform(3.0, 20.0)
        for _ in range(rng.integers(4, 40)):
            now += rng.uniform(0.03, 0.4)
            if rng.random() < 0.4:
                before, note = note, int(rng.integers(128))
                yield now, [mido.Message("note_off", note=before), mido.Message("note_on", note=note, velocity=90)]
            else:
                control, value = int(rng.integers(42, 44)), int(rng.integers(128))
                yield now, [mido.Message("control_change", control=control, value=value)]


def perform(mode, seconds, voice, seed=0, every=3600.0):
    """Plays for `seconds` of simulated time; yields the figures after each `every` seconds, and last of all at the end."""
    rng, now = np.random.default_rng(seed), [0.0]
    ear, mouth, voice = Ear("Keys"), Mouth("Synth"), Watched(voice)
    backend = types.SimpleNamespace(
        get_input_names=lambda: ["Keys"],
        get_output_names=lambda: ["Synth"],
        open_input=lambda name: ear,
        open_output=lambda name: mouth,
    )
    ports = Midi({"Keys": KEYS}, {"Synth": SYNTH})
    settings = Config(3, mode, THRESHOLD, input_thru=True, timescale=TIMESCALE, log_predictions=True, midi=ports)
    said, answers, drift, due, waiting = [], [0], 0.0, math.inf, []
    live = Play(settings, say=said.append, clock=lambda: now[0])
    live.add(MidiChannel(live, ports, backend=backend, clock=lambda: now[0]))

    def log(when, source, *values):
        answers[0] += source == "rnn"

    live.join(voice, log)
    session, player, last, measured = live.session, musician(rng), -math.inf, every
    plays, messages = next(player)

    def figures():
        return {
            "heard": live.events,
            "answers": answers[0],
            "note on": mouth.begun,
            "note off": mouth.ended,
            "sounding": len(mouth.sounding),
            "drift ms": 1e3 * drift,
            "said": said,
        }

    while now[0] < seconds:
        turn = session.next + rng.uniform(0.0, LATE)
        if plays <= turn:
            now[0] = last = plays
            ear.waiting.extend(messages)
            plays, messages = next(player)
            if mode == "callresponse":
                due = math.inf
                voice.pauses.clear()
        else:
            now[0] = max(now[0], turn)
        live._wait(0.0)
        if mode == "polyphony":
            while voice.pauses:
                heapq.heappush(waiting, now[0] + voice.pauses.popleft())
        begins = due == math.inf and (mode == "battle" or (mode == "callresponse" and now[0] - last >= THRESHOLD))
        before = answers[0]
        live._tick(now[0])
        played = answers[0] - before
        if mode == "polyphony":
            for _ in range(played):
                heapq.heappop(waiting)
            due = waiting[0] if waiting else math.inf
        elif mode != "useronly":
            if begins:
                first = voice.pauses.popleft()
                due = now[0] + (first if mode == "battle" else 0.0)
            for _ in range(played):
                due += voice.pauses.popleft()
        if due < math.inf:
            drift = max(drift, abs(session.next - due))
        if now[0] >= measured:
            measured += every
            yield figures()
    live._close()
    yield figures()


def memory():
    """Of this process now, in MiB; nan where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    except OSError:
        return math.nan


def table(hours, modes):
    from mdn.applications.instrument.model import load
    from mdn.applications.instrument.voice import Voice

    print(f"{hours:g} hours in simulated time")
    print(
        f"{'mode':<13} {'heard':>7} {'answers':>8} {'note on':>8} {'note off':>8} {'sounding':>8} {'drift ms':>9} {'MiB more':>9}"
    )
    voice = Voice(load(), seed=0)
    for mode in modes:
        voice.reset()
        seen = [(got, memory()) for got in perform(mode, 3600.0 * hours, voice)]
        got = seen[-1][0]
        print(
            f"{mode:<13} {got['heard']:>7,} {got['answers']:>8,} {got['note on']:>8,} {got['note off']:>8,} "
            f"{got['sounding']:>8} {got['drift ms']:>9.6f} {seen[-1][1] - seen[0][1]:>9.2f}",
            *got["said"],
            flush=True,
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--modes", nargs="+", choices=MODES, default=[*MODES])
    options = parser.parse_args()
    table(options.hours, options.modes)
