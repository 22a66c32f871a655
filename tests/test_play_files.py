"""`mdn play`: the TOML file, which is IMPSY's, and the command."""

import os
import re
import signal
import socket
import threading
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

import mdn_cli
from mdn.applications.instrument.live import config, play
from mdn.applications.instrument.live.example import TEXT
from mdn.applications.instrument.live.mapping import Entry
from mdn.applications.instrument.live.play import Play
from wires import ENTRIES, MAPPING, Voice

pytestmark = [pytest.mark.jax, pytest.mark.project]

# ---- configurations ---------------------------------------------------------------------------------------------------------

BASE = {"model": {"dimension": 4}}
DEVICES = {"in_device": ["A"], "out_device": ["B"], "input": {"A": ENTRIES}, "output": {"B": ENTRIES}}
OSC = {"server_ip": "0.0.0.0", "server_port": 6000, "client_ip": "localhost", "client_port": 6001}
SOCKET = {"server_ip": "0.0.0.0", "server_port": 5001}


def with_entry(entry):
    return {"websocket": SOCKET | {"input": [entry, *ENTRIES[1:]], "output": ENTRIES}}


BAD = {
    "no dimension": ({"model": {}}, "[model] dimension is missing; it should be a whole number from 2"),
    "a small one": ({"model": {"dimension": 1}}, "[model] dimension should be a whole number from 2"),
    "a true one": ({"model": {"dimension": True}}, "but True came"),
    "no section": ({"model": 4}, "[model] should be a section, but 4 came"),
    "a mode": ({"interaction": {"mode": "solo"}}, "[interaction] mode should be one of callresponse, polyphony"),
    "a threshold": (
        {"interaction": {"threshold": -1}},
        "[interaction] threshold should be a number from 0, but -1 came",
    ),
    "a silence without an end": (
        {"interaction": {"threshold": float("inf")}},
        "[interaction] threshold should be a number from 0, but inf came",
    ),
    "thru a number": ({"midi": DEVICES | {"thru_matrix": {"A": 5}}}, "[midi] thru_matrix should be lists of ports"),
    "thru a text": ({"midi": DEVICES | {"thru_matrix": {"A": "B"}}}, "[midi] thru_matrix should be lists of ports"),
    "thru a list of lists": (
        {"midi": DEVICES | {"thru_matrix": {"A": [["B"]]}}},
        "[midi] thru_matrix should be lists of ports, each under the name of an input, but",
    ),
    "a temperature": (
        {"model": {"dimension": 4, "pitemp": 1e9}},
        "[model] pitemp should be a number above 0 and at most 100",
    ),
    "a flag": ({"verbose": "yes"}, "verbose should be true or false, but 'yes' came"),
    "a short map": (
        {"midi": DEVICES | {"input": {"A": ENTRIES[:2]}}},
        '[midi] input."A" should be a list of 3 entries, one for each value, but 2 came; [model] dimension is 4',
    ),
    "no map": ({"midi": DEVICES | {"output": {}}}, '[midi] output."B" is missing, but out_device names that port'),
    "a port twice": ({"midi": DEVICES | {"in_device": ["A", "A"]}}, "[midi] in_device names a port twice"),
    "a port of thru": (
        {"midi": DEVICES | {"thru_matrix": {"A": ["C"]}}},
        "thru_matrix names the port 'C', but out_device",
    ),
    "a kind": (
        with_entry(["noteon", 1]),
        '[websocket] input entry 1 should be ["note_on", channel], ["note_on", channel,',
    ),
    "no controller": (with_entry(["control_change", 1]), "but ['control_change', 1] came"),
    "half a channel": (with_entry(["note_on", 1.5]), "but ['note_on', 1.5] came"),
    "nothing": (with_entry([]), "but [] came"),
    "a list of a list": (with_entry([["note_on", 1]]), "but [['note_on', 1]] came"),
    "a channel": (with_entry(["note_on", 17]), "entry 1 should have a channel from 1 to 16, but ['note_on', 17] came"),
    "a controller": (with_entry(["control_change", 1, 128]), "entry 1 should have a controller from 0 to 127"),
    "a velocity": (with_entry(["note_on", 1, 0]), "entry 1 should have a velocity from 1 to 127"),
    "a range": (with_entry(["control_change", 1, 7, 5, 128]), "entry 1 should have a high from 0 to 127"),
    "a map of nobody": ({"websocket": SOCKET}, "[websocket] input is missing; it should be a list of 3 entries"),
    "an address": (
        {"osc": OSC | {"server_port": 70_000}},
        "[osc] server_port should be a port from 1 to 65535, but 70000",
    ),
    "one port": (
        {"osc": OSC | {"client_port": 6000}},
        "[osc] server_port and client_port are both 6000 of this machine",
    ),
    "a baudrate": ({"serial": {"port": "x", "baudrate": 0}}, "[serial] baudrate should be a whole number above 0"),
    "no serial port": ({"serialmidi": {"input": ENTRIES, "output": ENTRIES}}, "[serialmidi] port is missing"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_configuration_that_cannot_be_is_refused_in_one_sentence(case):
    changes, sentence = BAD[case]
    with pytest.raises(ValueError, match=re.escape(sentence)) as caught:
        config.parse(BASE | changes)
    assert str(caught.value).count("\n") == 0 and len(str(caught.value)) < 400


OLD = """
title = "as IMPSY's files of 2024"
name = "somebody"
log = false
verbose = true
[interaction]
mode = "battle"
threshold = 1
input_thru = true
[model]
dimension = 4
file = "models/musicMDRNN-dim4-layers2-units64-mixtures5-scale10.h5"
size = "s"
sigmatemp = 0.01
pitemp = 1
timescale = 1
[midi]
in_device = "X-TOUCH"
out_device = "Studio 1824c"
input = [["note_on", 1], ["control_change", 11, 2], ["note_on", 1]]
output = [["note_on", 1], ["control_change", 1, 42], ["control_change", 1, 43, 0, 64]]
thru_matrix."X-TOUCH" = ["Studio 1824c"]
[websocket]
server_ip = "192.168.0.81"
server_port = 5001
[osc]
server_ip = "0.0.0.0"
server_port = 6000
client_ip = "0.0.0.0"
client_port = 6001
[serial]
port = "/dev/ttyAMA0"
baudrate = 115200
[serialmidi]
input = [["note_on", 1], ["note_velocity", 1], ["pitch_bend", 2]]
output = [["note_on", 1, 80], ["control_change", 1, 42], ["control_change", 1, 43]]
[webui]
monitor_port = 4001
[lights]
colour = "blue"
"""


def test_a_file_of_impsy_opens_as_it_is_and_what_means_nothing_is_named():
    read = config.parse(tomllib.loads(OLD))
    assert config.parse(BASE | with_entry(ENTRIES[0])).websocket.output == MAPPING
    assert (read.size, read.mode, read.threshold, read.input_thru, read.log_input) == (3, "battle", 1.0, True, False)
    assert read.model == Path("models/musicMDRNN-dim4-layers2-units64-mixtures5-scale10.h5") and read.sigmatemp == 0.01
    assert read.midi.inputs["X-TOUCH"] == (Entry("note_on", 1), Entry("control_change", 11, 2), Entry("note_on", 1))
    assert read.midi.outputs["Studio 1824c"][2] == Entry("control_change", 1, 43, 0, 64) and not read.midi.thru
    assert read.websocket.input == read.midi.inputs["X-TOUCH"]  # files of 2024 mean the mapping of [midi]
    assert read.osc == config.Osc(("0.0.0.0", 6000), ("127.0.0.1", 6001))
    assert read.serial is None and read.serialmidi.port == "/dev/ttyAMA0"
    assert read.serialmidi.output[0] == Entry("note_on", 1, velocity=80)
    said = " ".join(read.warnings)
    for part in (
        "thru_matrix is left out",
        "'0.0.0.0' is no address to send to",
        "two channels on one port, /dev/ttyAMA0",
    ):
        assert part in said
    assert "[webui] is the page of IMPSY" in said and "means nothing here and is left out: [lights]." in said
    assert len(config.summary(read)) == 5


BASE_TEXT = '[interaction]\nmode = "useronly"\n[model]\ndimension = 4\n'
HEAD = """
title = "somebody's instrument"
owner = "somebody"
description = ""
log_input = true
log_predictions = false
verbose = true
[interaction]
mode = "callresponse" # or another
threshold = 0.1
input_thru = false
[model]
dimension = 4
file = "models/musicMDRNN-dim4-layers2-units64-mixtures5-scale10.tflite"
size = "s"
sigmatemp = 0.01
pitemp = 1
timescale = 1
"""
NOTES = '[["note_on", 1], ["note_on", 2], ["control_change", 1, 0]]'
KNOBS = '[["control_change", 11, 1], ["control_change", 11, 2], ["control_change", 11, 3]]'
LIGHTS = '[["control_change", 1, 9, 0, 13], ["note_velocity", 3], ["pitch_bend", 3]]'
SHAPES = {
    "one port for both ways": f'[midi]\nin_device = "S-1"\nout_device = "S-1"\ninput = {NOTES}\noutput = {NOTES}\n',
    "two ports, one mapping each, and feedback": (
        f'[midi]\nin_device = ["S-1", "QuNeo"]\nout_device = ["S-1", "QuNeo"]\nfeedback_protection = true\n'
        f'input."QuNeo" = [ # pads\n{NOTES[1:-1]}, # the last has a comma, too\n]\noutput."QuNeo" = {LIGHTS}\n'
        f'input."S-1" = {KNOBS}\noutput."S-1" = {NOTES}\nthru_matrix."QuNeo" = ["S-1"]\nthru_matrix."S-1" = ["QuNeo"]\n'
    ),
    "a list of one port, and OSC": (
        f'[midi]\nin_device = ["S-1"]\nout_device = ["S-1"]\ninput."S-1" = {NOTES}\noutput."S-1" = {NOTES}\n'
        '[osc]\nserver_ip = "0.0.0.0"\nserver_port = 6000\nclient_ip = "host.docker.internal"\nclient_port = 6001\n'
    ),
    "MIDI of 2024 and a WebSocket without a mapping": (
        f'[midi]\nin_device = "X"\nout_device = "Y"\ninput = {KNOBS}\noutput = {NOTES}\n'
        '[websocket]\nserver_ip = "192.168.0.81"\nserver_port = 5001\n'
    ),
    "a serial port": '[serial]\nport = "/dev/tty.usbmodem1102"\nbaudrate = 115200\n',
    "MIDI on the serial port": (
        f'[serial]\nport = "/dev/ttyAMA1"\nbaudrate = 9600\n'
        f'[serialmidi]\nport = "/dev/ttyAMA0"\ninput = {NOTES}\noutput = {KNOBS}\n'
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_each_shape_of_the_files_that_come_with_impsy_opens_without_a_warning(shape):
    """Its folder configs/ has files of these shapes, tried one by one; the words here are ours."""
    read = config.parse(tomllib.loads(HEAD + SHAPES[shape]))
    assert (read.size, read.sigmatemp, read.pitemp, read.timescale, read.threshold) == (3, 0.01, 1.0, 1.0, 0.1)
    assert read.verbose and read.log_input and not read.log_predictions and not read.warnings
    sections = re.findall(r"^\[(\w+)\]", SHAPES[shape], re.MULTILINE)
    assert [name for name in ("midi", "osc", "websocket", "serial", "serialmidi") if getattr(read, name)] == sections
    if "QuNeo" in SHAPES[shape]:
        assert read.midi.feedback == 0.02 and read.midi.thru == {"QuNeo": ("S-1",), "S-1": ("QuNeo",)}
        assert read.midi.outputs["QuNeo"][0] == Entry("control_change", 1, 9, 0, 13)


def test_a_file_needs_no_more_than_the_number_of_values_and_a_log_needs_no_model():
    least = config.parse({"model": {"dimension": 17}, "interaction": {"mode": "useronly"}, "osc": OSC})
    assert (least.size, least.mode, least.model) == (16, "useronly", None) and not least.warnings
    assert config.parse({"model": {"dimension": 2, "file": ""}}).model is None


def test_the_file_that_init_writes_is_read_without_a_warning_with_any_of_its_channels():
    quiet = config.parse(tomllib.loads(TEXT))
    assert quiet.osc and not (quiet.midi or quiet.websocket or quiet.serial or quiet.serialmidi) and not quiet.warnings
    every = config.parse(tomllib.loads(re.sub(r"(?m)^#(?=[^ ])", "", TEXT)))
    assert every.midi.feedback == 0.02 and every.websocket and every.serial and every.serialmidi and not every.warnings


# ---- the command ------------------------------------------------------------------------------------------------------------


def run(*arguments):
    ran = CliRunner().invoke(mdn_cli.app, ["play", *map(str, arguments)])
    return ran.exit_code, " ".join(ran.output.split())


def test_the_command_writes_a_file_checks_it_and_refuses_what_it_cannot_do(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run() == (2, "mdn: there is no file 'config.toml'.")
    assert run("--init")[0] == 0 and Path("config.toml").read_text() == TEXT
    assert run("--init", "config.toml") == (2, "mdn: config.toml exists already; name another file.")
    assert "there is no folder 'no' to write" in run("--init", "no/my.toml")[1]
    assert "name one configuration" in run("a.toml", "--config", "b.toml")[1]
    assert "take one of them" in run("--init", "--check")[1]
    Path("bad.toml").write_text("[model]\ndimension = 'many'\n")
    assert run("--check", "bad.toml")[1].startswith(
        "mdn: bad.toml cannot be read as a configuration: [model] dimension should"
    )
    Path("none.toml").write_text("[model]\ndimension = 4\n")
    assert "add a channel" in run("none.toml")[1]
    text = TEXT.replace("callresponse", "useronly", 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as busy:
        busy.bind(("127.0.0.1", 0))
        Path("busy.toml").write_text(text.replace("6000", str(busy.getsockname()[1])))
        code, said = run("--check", "busy.toml")
        assert code == 2 and "[osc] cannot listen at 127.0.0.1:" in said and "Take another server_port" in said
        assert run("busy.toml")[0] == 2 and not Path("logs").exists()
    missing = text + '[serial]\nport = "no/tty"\n[midi]\nin_device = ["no port"]\nout_device = []\noutput = {}\n'
    Path("missing.toml").write_text(missing + f'input."no port" = {ENTRIES}\n'.replace("'", '"'))
    code, said = run("--check", "missing.toml")
    assert code == 2 and "[serial] no/tty is not there yet: " in said and "mdn: [midi] " in said
    assert "serial ports: there are" in run("--ports")[1]
    Path("model.toml").write_text(TEXT.replace('#file = "instrument', 'file = "no'))
    assert (
        "[model] file: there is no file 'no.keras'; `mdn train instrument` makes one" in run("--check", "model.toml")[1]
    )


def test_check_names_what_would_play_nothing_or_the_wrong_thing(tmp_path, monkeypatch):
    """It said that nothing is wrong with such files."""
    monkeypatch.chdir(tmp_path)
    head = '\ufeff[model]\ndimension = 3\n[interaction]\nmode = "useronly"\n'
    Path("none.toml").write_text(head, encoding="utf-8")
    assert run("--check", "none.toml")[0] == 2 and "none of [midi], [osc]" in run("--check", "none.toml")[1]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    channel = f'[websocket]\nserver_ip = "127.0.0.1"\nserver_port = {port}\ninput = [["note_on", 1], ["note_on", 2]]\n'
    for output, message in (
        ('[["control_change", 1, 7], ["control_change", 1, 7, 0, 64]]', "['control_change', 1, 7] more than once"),
        ('[["pitch_bend", 2], ["pitch_bend", 2]]', "['pitch_bend', 2] more than once"),
        ('[["note_on", 1], ["note_velocity", 2]]', "but no note_on of channel 2"),
        ('[["note_on", 1], ["note_on", 1]]', "nothing is wrong with it"),
    ):
        Path("a.toml").write_text(f"{head}{channel}output = {output}\n", encoding="utf-8")
        assert message in run("--check", "a.toml")[1]


def test_a_model_or_an_address_that_does_not_fit_is_refused_in_one_sentence_and_leaves_no_log(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        text = TEXT.replace("6000", str(free.getsockname()[1]))
    Path("my.toml").write_text(text)
    Path("theirs.toml").write_text(text.replace('#file = "instrument.keras', 'file = "theirs.tflite'))
    Path("theirs.tflite").write_bytes(b"TFL3")
    sentence = "theirs.tflite is a network without its mixture: name a .keras of `mdn train instrument`"
    Path("away.toml").write_text(
        BASE_TEXT + '[osc]\nserver_ip = "192.0.2.1"\nserver_port = 6000\nclient_ip = "127.0.0.1"\nclient_port = 6001\n'
        f'[websocket]\nserver_ip = "192.0.2.1"\nserver_port = 5001\ninput = {NOTES}\noutput = {NOTES}\n'
    )
    said = run("--check", "away.toml")[1]
    for section, port in (("osc", 6000), ("websocket", 5001)):
        assert f"[{section}] cannot listen at 192.0.2.1:{port}: " in said
    assert said.count("It is no address of this machine: 0.0.0.0 hears at all that are.") == 2
    for options in (["theirs.toml"], ["--check", "theirs.toml"]):
        code, said = run(*options)
        assert code == 2 and sentence in said
    monkeypatch.setattr(play, "voice", lambda *_: Voice(4))
    for options in (["my.toml"], ["--check", "my.toml"]):
        code, said = run(*options)
        assert (
            code == 2 and "the model is of 4 values, but [model] dimension is 4: 3 values and one for the time" in said
        )
    assert not Path("logs").exists() or not [*Path("logs").iterdir()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_a_signal_ends_the_music_with_its_figures_and_its_log(number, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    Path("my.toml").write_text(TEXT.replace("6000", str(port)).replace("callresponse", "useronly", 1))
    closed, close, really = [], Play.close, Play.run

    def played(self, check):
        self.heard({0: 0.5})
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
        really(self, check)

    monkeypatch.setattr(Play, "run", played)
    monkeypatch.setattr(Play, "close", lambda self: (closed.append(1), close(self)))
    code, said = run("--config", "my.toml")
    signal.signal(signal.SIGINT, before)
    assert code == 128 + number and closed and "Traceback" not in said
    assert "1 event heard; 0 messages left out; log: logs/" in said
    (log,) = Path("logs").iterdir()
    assert log.read_text().endswith(",interface,0.5,0.5,0.5\n")
