"""Writing: the network, its window, its ends, its commands."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from typer.testing import CliRunner

import mdn
import mdn_cli
from mdn.applications import handwriting
from mdn.applications.handwriting import data, evaluate, generate
from mdn.applications.handwriting import train as lessons
from mdn.data import Handwriting, write_handwriting
from mdn.drawing.hershey import hershey_lines

pytestmark = pytest.mark.project
TEXTS = ["ab ba cab", "a bad cab", "a cabbage", "dab a bag", "bad egg b"]  # as long as each other: one program
TINY = {"units": (12, 10), "components": 2, "window_components": 3}


def lines_of(texts, writer="w"):
    made = hershey_lines(texts, seed=0, fonts=("futural",))
    return Handwriting(list(made), made.words, writers=np.full(len(made), writer))


@pytest.fixture(scope="module")
def lines():
    return lines_of(TEXTS * 5, "one") + lines_of(TEXTS * 5, "two") + lines_of(TEXTS[:2], "seldom")


@pytest.fixture(scope="module")
def model(lines):
    return lessons.train(lines, lines[:4], epochs=2, rehearsals=0, points=6.0, **TINY)


def test_training_learns_who_wrote_enough_and_all_letters(model, lines):
    assert model.hands == ["one", "two"] and set(model.alphabet.characters) == set("".join(TEXTS))
    np.testing.assert_array_equal(model.hands_of(["two", "seldom", None]), [[0, 1], [0, 0], [0, 0]])
    start = model.recurrent[0].mover.bias[-3:]
    fresh = handwriting.Handwriter("abc", points=8.0, **TINY).adapt(lessons.prepared(lines[:2], 8.0)[0])
    np.testing.assert_allclose(np.logaddexp(0, fresh.recurrent[0].mover.bias[-3:]), 1 / 8, rtol=1e-5)
    assert not np.array_equal(start, fresh.recurrent[0].mover.bias[-3:])


def test_a_changed_line_is_still_its_text_in_so_many_points(lines):
    rng = np.random.default_rng(0)
    plain = lessons.prepared(lines[:1], 12.0)[0][0]
    others = [lessons.varied(lines[0], TEXTS[0], 12.0, rng) for _ in range(20)]
    assert all(abs(len(one) - len(plain)) <= 8 for one in others)
    assert all(np.sum(one[:, 2] > 0) == np.sum(plain[:, 2] > 0) and one[-1, 2] == data.END for one in others)
    wide = [np.ptp(np.cumsum(one[:, 0])) / np.ptp(np.cumsum(one[:, 1])) for one in others]
    assert np.std(wide) > 0.05


def test_a_bias_is_one_of_offsets_and_leaves_the_pen_alone(model):
    params = np.random.default_rng(0).normal(size=(5, model.spec.params_size)).astype("float32")
    plain = model.spec(params)
    given = generate.temperatures(1.0)
    biased = plain.with_temperature(given["component_temperature"], given["variance_temperature"])
    np.testing.assert_array_equal(biased.parts["pen"].probs, plain.parts["pen"].probs)
    before, after = (np.asarray(one.parts["offset"].weights) for one in (plain, biased))
    np.testing.assert_allclose(after, before**2 / np.sum(before**2, axis=-1, keepdims=True), rtol=1e-4)


def test_without_a_style_it_writes_in_the_default_hand_or_in_any(model, tmp_path):
    def ink(style=None):
        return handwriting.write(model, ["ab"], style=style, seed=0).lines[0]

    np.testing.assert_array_equal(ink(), ink("any"))
    model.default_hand = "two"
    try:
        np.testing.assert_array_equal(ink(), ink("two"))
        assert not np.array_equal(ink("any"), ink("two"))
        mdn.models.save_plain(model, tmp_path / "m.keras")
        assert handwriting.load(tmp_path / "m.keras").default_hand == "two"
    finally:
        model.default_hand = None


def test_without_bias_it_is_plain_sampling_and_a_seed_gives_the_same_ink(model):
    plain = model.generate(
        150, 2, **model.conditions_of(TEXTS[:2]), stop=generate.ended, constrain=generate.with_the_text, seed=3
    )
    made = handwriting.write(model, TEXTS[:2], bias=0.0, seed=3)
    for one, other in zip(made.events, plain, strict=True):
        np.testing.assert_array_equal(one[:150], other)
    again, another = handwriting.write(model, TEXTS[:2], seed=4), handwriting.write(model, TEXTS[:2], seed=5)
    np.testing.assert_array_equal(again.lines[0], handwriting.write(model, TEXTS[:2], seed=4).lines[0])
    assert len(again.lines[0]) != len(another.lines[0]) or np.abs(again.lines[0] - another.lines[0]).max() > 0.01


def test_a_stream_writes_what_the_compiled_loop_writes(model):
    text, settings = TEXTS[1], generate.temperatures(0.5)
    made = handwriting.write(model, [text], bias=0.5, style="one", seed=2).events[0]
    told = model.conditions_of([text], ["one"])
    stream = model.stream(1, **told, guidance=0.5, constrain=generate.with_the_text, seed=2)
    np.testing.assert_allclose([stream.step(**settings) for _ in range(len(made))], made, atol=1e-5)


def test_a_line_ends_with_its_text_and_never_before_the_last_letter():
    context = np.zeros((6, 5, 2), "float32")
    context[:, :3, 0] = 1.0  # three letters
    weights = np.eye(5, dtype="float32")[[1, 2, 3, 2, 3, 3]]
    weights[4:, 2] = [0.2, 0.4]  # what is left on the last letter
    pens = [data.END, data.END, data.DOWN, data.LIFT, data.LIFT, data.LIFT]
    events = np.column_stack([np.ones(6), np.full(6, 2.0), pens]).astype("float32")
    kept = keras.ops.convert_to_numpy(generate.with_the_text(events, None, weights, context))
    assert kept[:, 2].tolist() == [data.LIFT, data.END, data.DOWN, data.LIFT, data.END, data.LIFT]
    np.testing.assert_array_equal(kept[:, :2], events[:, :2])
    ends = keras.ops.convert_to_numpy(generate.ended(kept, weights, context)).tolist()
    assert ends == [False, True, True, False, True, False]


def test_lines_of_a_paragraph_and_hands_of_each(model):
    made = handwriting.write(model, ["ab", "", "cab"], bias=1.0, style=["one", None, 1], seed=0)
    assert [len(one) > 1 for one in made.lines] == [True, False, True] and len(made.ended) == 3
    for one in (made.lines[0], made.lines[2]):
        assert one[0, :2].tolist() == [0, 0] and one[-1, 2] == 1 and set(one[:, 2]) <= {0.0, 1.0}
    alone = handwriting.write(model, ["ab"], bias=1.0, style="two", seed=0)
    assert not np.array_equal(alone.lines[0][:9], made.lines[0][:9])


def test_a_real_line_before_it_is_read_and_not_written_again(model, lines):
    made = handwriting.write(model, ["cab", "bag"], after=(lines[1], TEXTS[1]), seed=1)
    most = 1.8 * model.points * 3 + 61
    assert all(0 < len(one) <= most for one in made.lines)
    prime = generate._prime(lines[1], TEXTS[1], model.points)
    assert prime[-1, 2] == data.LIFT
    told = model.conditions_of([f"{TEXTS[1]} cab"])
    stream = model.stream(1, **told, constrain=generate.with_the_text, seed=1)
    stream.feed(prime[:-1])
    other = stream.step(prime[-1], **generate.temperatures(generate.BIAS))
    assert other.shape == (3,)


def test_a_text_that_is_not_told_shows_nothing(model, lines):
    (nothing, text) = model.conditions_of([None, "ab"])["context"]
    assert nothing.shape == (1, model.alphabet.size) and not nothing.any() and text.any()
    assert np.isfinite(evaluate.nll(model, lines[:2], texts=[None, None]))


def test_guidance_goes_with_the_bias_unless_it_is_given(model):
    def ink(**settings):
        return handwriting.write(model, ["cab"], seed=0, **settings).events[0]

    np.testing.assert_array_equal(ink(bias=1.0), ink(bias=1.0, guidance=1.0))
    np.testing.assert_array_equal(ink(bias=0.0), ink(bias=0.0, guidance=0.0))
    assert not np.array_equal(ink(bias=1.0)[:20], ink(bias=1.0, guidance=0.0)[:20])


def test_training_shows_some_lines_without_their_hand_and_some_without_their_text(model):
    keras.utils.set_random_seed(0)
    parts = np.ones((4000, 2), "float32"), np.ones((4000, 3, 2), "float32")
    for part, share in zip(parts, (0.15, 0.1), strict=True):
        hidden = keras.ops.convert_to_numpy(model._hidden(part, share))
        whole = hidden.reshape(len(hidden), -1)
        assert np.all(whole == whole[:, :1]) and set(np.unique(whole)) == {0.0, 1.0}
        np.testing.assert_allclose(1 - whole.mean(), share, atol=0.03)


BAD = {
    "nothing to write": ({"texts": ["", " "]}, "the text is empty"),
    "too long": ({"texts": ["a" * 501]}, "at most 500 characters"),
    "unknown": ({"texts": ["xyz"]}, "the alphabet has no 'x'"),
    "an emoji": ({"texts": ["a\N{GRINNING FACE}"]}, "GRINNING FACE"),
    "right to left": ({"texts": ["\u05d0"]}, "left to right only"),
    "a style": ({"texts": ["a"], "style": "three"}, r"\(0 to 1, or one, two\) or 'any', but 'three' came"),
    "a number": ({"texts": ["a"], "style": 2}, "but 2 came"),
    "styles": ({"texts": ["a"], "style": ["one", "two"]}, "must be one for the only line, but 2 came"),
    "styles of lines": ({"texts": ["a", "b"], "style": ["one"]}, "one for all or one for each of 2 lines, but 1 came"),
    "bias": ({"texts": ["a"], "bias": -1.0}, "`bias` must be a finite number, 0 or above, but -1.0 came"),
    "silence": ({"texts": ["a"], "after": (np.ones((5, 3)), " ")}, "its text is empty"),
    "no line": ({"texts": ["a"], "after": (np.zeros((5, 3)), "a")}, "in different places"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_written_is_said(model, case):
    given, message = BAD[case]
    with pytest.raises(ValueError, match=message):
        handwriting.write(model, **given)


def test_the_window_that_is_shown_is_that_of_the_network(model):
    made = handwriting.write(model, TEXTS[:3], style="one", seed=0)
    found = handwriting.windows(model, made.events, TEXTS[:3], "one")
    assert [one.shape for one in found] == [(len(a), len(b)) for a, b in zip(made.events, TEXTS[:3], strict=True)]
    told = model.conditions_of(TEXTS[:1], ["one"])
    conditions, stream = model.conditions(**told, rows=1), model.stream(1, **told)
    stream.feed(made.events[0][:9])
    state = np.split(stream.state, np.cumsum([3, *model.state_widths])[:-1], axis=-1)[1:]
    # a stream that was fed nine events has seen eight of them
    np.testing.assert_allclose(model.shown(state, conditions)[0][0, : len(TEXTS[0])], found[0][9], atol=1e-5)


def test_how_a_window_read_is_told_from_its_path():
    def path(*places):
        return evaluate.reading(np.eye(6)[list(places)], "abcdef")

    assert path(0, 0, 1, 2, 2, 3, 4, 5, 5) == pytest.approx({"reached": 1, "in order": 1, "all read": 1}, abs=0.02)
    assert path(0, 1, 4, 5)["all read"] == 0 and path(0, 1, 3, 4, 5)["all read"] == 1  # an i under a wide window
    assert path(0, 1, 2, 3, 4, 2, 3, 4, 5)["all read"] == 0
    assert path(0, 1, 2, 3)["reached"] == 0 and path(5, 4, 3, 2, 1, 0)["in order"] == pytest.approx(-1)


def test_shuffled_texts_have_the_same_letters_and_words_as_long():
    text, rng = "the (quick) brown fox", np.random.default_rng(0)
    found = evaluate.shuffled(text, rng)
    assert found != text and sorted(found) == sorted(text)
    assert [i for i, one in enumerate(found) if one == " "] == [3, 11, 17]


def test_a_file_needs_no_imports_and_writes_the_same(model, tmp_path):
    mdn.models.save_plain(model, tmp_path / "w.keras")
    loaded = handwriting.load(tmp_path / "w.keras")
    made, again = (handwriting.write(one, ["cab"], style="two", seed=0).lines[0] for one in (model, loaded))
    np.testing.assert_allclose(made, again, atol=1e-5)
    with pytest.raises(FileNotFoundError, match="mdn train handwriting"):
        handwriting.load(tmp_path / "none.keras")
    mdn.MDNRNN(mdn.NormalSpec(1), units=(2,)).save(tmp_path / "other.keras")
    with pytest.raises(ValueError, match="no network that writes"):
        handwriting.load(tmp_path / "other.keras")


def test_figures_of_lines_and_of_what_is_written(model, lines):
    found = handwriting.figures(model, lines[:6], count=3)
    assert all(np.isfinite(value) for value in found.values())
    events, frames = lessons.prepared(lines[:6], model.points)
    scores = model.log_prob(events, **model.conditions_of(lines.texts[:6].tolist(), lines.writers[:6].tolist()))
    assert found["nats a point"] == pytest.approx(lessons.nats_a_point(scores, frames))


# ---- commands --------------------------------------------------------------------------------------------------------


def command(*arguments, code=0):
    ran = CliRunner().invoke(mdn_cli.app, arguments, env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert ran.exit_code == code, ran.output
    return ran.output


def test_ones_own_lines_are_learnt_from_and_written_with(model, lines, tmp_path, monkeypatch):
    mdn.models.save_plain(model, tmp_path / "first.keras")
    rng = np.random.default_rng(0)
    texts = [" ".join("".join(rng.choice(list("abcdeg"), 3)) for _ in range(3)) for _ in range(60)]
    write_handwriting(tmp_path / "mine.npz", lines_of([*texts, "queue"], "one"))
    write_handwriting(tmp_path / "few.npz", lines)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(evaluate, "floor", lambda learnt, test, points, seed: 9.0 + len(learnt) / 1000.0)
    said = command(
        "train", "handwriting", "--data", "mine.npz", "--from", "first.keras", "--epochs", "1", "--out", "own.keras"
    )
    assert "left out: 1 line with characters that the model does not know" in said and "lines to learn from" in said
    said_of_few = command("train", "handwriting", "--data", "few.npz", "--from", "first.keras", code=2)
    assert "5 different texts" in said_of_few
    paper = json.loads(Path("own.json").read_text())
    assert paper["from"] == "first.keras" and paper["figures"]["nats a point"] == pytest.approx(
        float(said.split("nats a point ")[1].split()[0]), abs=6e-4
    )
    assert paper["figures"]["nats a point, memoryless"] == 9.0 + paper["lines"]["train"] / 1000.0
    said = command(
        "write", "a bad cab", "--model", "own.keras", "--out", "a.svg", "--animate", "2", "--after", "mine.npz:1"
    )
    assert "1 line: a.svg" in said and "<animate" in Path("a.svg").read_text()
    Path("letter.txt").write_text("cab bag\n\nbad egg " * 9, encoding="utf-8-sig")
    said = command(
        "write", "--file", "letter.txt", "--page", "a5", "--model", "own.keras", "--out", "b.png", "--style", "1"
    )
    assert "b.png" in said and Path("b.png").stat().st_size > 5000
    said = command("write", "caf\u00e9", "--model", "own.keras", "--out", "c.svg", "--transliterate", code=2)
    assert "'f'" in said
    assert "  1  two" in command("write", "--style", "list", "--model", "own.keras")
    said = command("write", "cab", "--after", "mine.npz:99", "--model", "own.keras", "--out", "d.svg", code=2)
    assert "has 61 lines" in said
    command("write", "cab", "--after", "mine.npz:-60", "--model", "own.keras", "--out", "d.svg", "--ink", "navy")
    assert 'stroke="navy"' in Path("d.svg").read_text()
    assert "ends in .svg, .png or .pdf" in command("write", "a", "--out", "a.gif", code=2)
    assert "it is empty" in command("write", " ", "--model", "own.keras", code=2)


def test_a_page_to_write_on(tmp_path):
    assert "mdn train handwriting" in command("record", "--out", str(tmp_path / "page.html"))
    assert "JSON.stringify(written)" in (tmp_path / "page.html").read_text()


@pytest.mark.data
def test_the_shipped_network_is_as_good_as_its_paper_says(data_folder):
    network = handwriting.load()
    folder = Path(handwriting.__file__).parent
    paper = json.loads((folder / "handwriting.json").read_text())["figures"]
    assert (folder / "handwriting.keras").stat().st_size <= 8_000_000
    test = mdn.data.read_handwriting(data_folder / "handwriting" / "unipen_lines.npz")
    test = test.with_split(data_folder / "handwriting" / "split.json").part("test")
    assert evaluate.nll(network, test) == pytest.approx(paper["nats a point"], abs=2e-3)
    test = test[:40]
    value = evaluate.nll(network, test)
    rng = np.random.default_rng(0)
    wrong = [evaluate.shuffled(text, rng) for text in test.texts.tolist()]
    assert evaluate.nll(network, test, texts=wrong) - value >= 0.25
    made = handwriting.write(network, test.texts[:20].tolist(), bias=0.0, seed=0)
    assert evaluate.readings(network, made)["last letter reached"] >= 0.95
