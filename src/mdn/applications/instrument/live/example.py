"""The file that `mdn play --init` writes."""

TEXT = """\
# A configuration of `mdn play`; IMPSY reads it, too. `mdn play --check FILE` says what is wrong with one.

title = "Three values over OSC"
verbose = true           # shows on the screen what comes and goes
log_input = true         # writes what you play to logs/, from which `mdn train instrument logs` makes the next model
log_predictions = false  # writes what the model plays, too

[interaction]
mode = "callresponse"    # or "polyphony", "battle", "useronly"
threshold = 2.0          # seconds of silence after which the model answers
input_thru = false       # plays to every output what comes in

[model]
dimension = 4            # the number of values, and one for the time between events
# Without a file, the model of three values that comes with mdn plays.
#file = "instrument.keras"
pitemp = 1.0             # component temperature: above 1 bolder choices, below 1 safer ones
sigmatemp = 1.0          # variance temperature: below 1 neater, above 1 wilder; models of IMPSY need 0.01
timescale = 1.0          # 2 plays half as fast

# A section that is there switches its channel on; all of them play at once.

# OSC: /interface 0.1 0.2 0.3 comes in; /impsy, /prediction and /mdn go out. Commands: /mdn/mode polyphony, /mdn/reset,
# /mdn/pause 1, /mdn/sigmatemp 0.5, /mdn/pitemp 1.5, /mdn/timescale 2; and the same under /impsy.
[osc]
server_ip = "127.0.0.1"  # 0.0.0.0 hears other machines, too
server_port = 6000
client_ip = "127.0.0.1"
client_port = 6001

# MIDI: a part of a port's name is enough; `mdn play --ports` lists them. Each port has an entry for each value:
# ["note_on", channel], ["note_on", channel, velocity], ["note_velocity", channel], ["pitch_bend", channel],
# ["control_change", channel, controller], ["control_change", channel, controller, low, high]
#[midi]
#in_device = ["X-TOUCH"]
#out_device = ["Volca"]
#input."X-TOUCH" = [["control_change", 11, 1], ["control_change", 11, 2], ["control_change", 11, 3]]
#output."Volca" = [["note_on", 1], ["control_change", 1, 42], ["control_change", 1, 43, 20, 100]]
#feedback_protection = true  # an instrument that returns what it was sent is not believed
#feedback_threshold = 0.02   # seconds
#thru_matrix."X-TOUCH" = ["Volca"]

# WebSocket, for browsers: /channel/1/noteon/60/100, /channel/1/noteoff/60/0, /channel/1/cc/42/64, /channel/1/pitchbend/8192
#[websocket]
#server_ip = "127.0.0.1"
#server_port = 5001
#input = [["note_on", 1], ["control_change", 1, 42], ["control_change", 1, 43]]
#output = [["note_on", 1], ["control_change", 1, 42], ["control_change", 1, 43]]

# A serial port: lines of numbers with commas.
#[serial]
#port = "/dev/ttyACM0"
#baudrate = 115200

# A serial port that speaks MIDI, at 31,250 baud.
#[serialmidi]
#port = "/dev/ttyAMA0"
#input = [["note_on", 1], ["control_change", 1, 42], ["control_change", 1, 43]]
#output = [["note_on", 1], ["control_change", 1, 42], ["control_change", 1, 43]]
"""
