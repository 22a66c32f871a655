"""A log of a jam read as two performances, and two performances as one MIDI file."""

import numpy as np
import pytest

from mdn.applications.jam import midi
from mdn.applications.jam.duet import read_duet
from mdn.applications.live.log import Log

pytestmark = pytest.mark.project


def logged(path, touches):
    log = Log(path)
    for touch in touches:
        log(*touch)
    log.close()
    return path


def test_a_log_is_read_as_the_player_and_the_model_in_their_order(tmp_path):
    touches = [
        (100.0, "interface", 0.1, 0.2),
        (100.5, "interface", 0.3, 0.4),
        (101.0, "rnn", 0.5, 0.6),
        (131.0, "interface", 1, 0),
    ]
    duet = read_duet(logged(tmp_path / "a.log", touches))
    np.testing.assert_allclose(duet.times, [0.0, 0.5, 1.0, 6.0], atol=1e-6)  # the pause of 30 s lasts 5
    assert duet.by_model.tolist() == [False, False, True, False]
    player, model = duet.parts()
    np.testing.assert_allclose(player, [[0.1, 0.2, 0.001], [0.3, 0.4, 0.5], [1.0, 0.0, 5.5]], atol=1e-6)
    np.testing.assert_allclose(model, [[0.5, 0.6, 1.0]], atol=1e-6)
    assert len(read_duet(logged(tmp_path / "b.log", touches[:2])).parts()) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2026-01-01,interface,0.5\n",
        "yesterday,interface,0.5,0.5\n",
        "2026-01-01,cat,0.5,0.5\n",
        "2026-01-01,rnn,nan,0\n",
    ],
)
def test_a_file_that_is_no_log_of_a_jam_says_so(tmp_path, text):
    (tmp_path / "a.log").write_text(text)
    with pytest.raises(ValueError, match=r"a\.log"):
        read_duet(tmp_path / "a.log")


def test_two_performances_have_a_track_and_a_channel_each_and_begin_together(tmp_path):
    mido = pytest.importorskip("mido")
    one, other = np.array([[0.1, 0.5, 0.001], [0.9, 0.5, 0.6]]), np.array([[0.5, 1.0, 1.2]])
    midi.write_midi(tmp_path / "a.mid", one, other)
    file = mido.MidiFile(tmp_path / "a.mid")
    assert file.type == 1 and len(file.tracks) == 2
    for channel, (track, count) in enumerate(zip(file.tracks, [2, 1], strict=True)):
        notes = [message for message in track if message.type == "note_on"]
        assert len(notes) == count and {message.channel for message in track if not message.is_meta} == {channel}
    now, begins = 0.0, []
    for message in file:
        now += message.time
        begins += [now] * (message.type == "note_on")
    np.testing.assert_allclose(begins, [0.001, 0.601, 1.2], atol=2e-3)
