"""Drawings as values: stroke-3, lines, stroke-5; fewer points; other hands; how far shapes are apart."""

import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawn import REAL, WHOLE, scribble
from mdn.data import (
    Drawings,
    augmented,
    from_lines,
    from_stroke5,
    nearest,
    offset_scale,
    read_drawings,
    resample,
    shape_distances,
    shapes,
    simplify,
    to_lines,
    to_stroke5,
)
from mdn.data.strokes import as_drawing

pytestmark = pytest.mark.jax


# ---- the value -------------------------------------------------------------------------------------------------------


@given(WHOLE)
def test_lines_and_offsets_are_each_others_inverse_to_the_bit_for_integers(drawing):
    np.testing.assert_array_equal(from_lines(to_lines(drawing)), drawing)


@given(REAL)
def test_lines_and_offsets_are_each_others_inverse_up_to_rounding(drawing):
    np.testing.assert_allclose(from_lines(to_lines(drawing)), drawing, atol=1e-9)


@given(REAL, st.integers(0, 5))
def test_stroke_5_and_stroke_3_are_each_others_inverse(drawing, more):
    encoded = to_stroke5(drawing, len(drawing) + 1 + more)
    assert np.all(encoded[:, 2:].sum(axis=1) == 1)
    np.testing.assert_array_equal(encoded[len(drawing) :], [[0, 0, 0, 0, 1]] * (1 + more))
    np.testing.assert_array_equal(from_stroke5(encoded), drawing)


def test_the_pen_starts_at_the_origin_and_draws_at_once():
    two = [[3, 0, 0], [0, 4, 1], [10, 10, 0], [1, 0, 1], [5, 5, 1]]
    lines = to_lines(two)
    np.testing.assert_array_equal(lines[0], [[0, 0], [3, 0], [3, 4]])
    np.testing.assert_array_equal(lines[1], [[13, 14], [14, 14]])
    np.testing.assert_array_equal(lines[2], [[19, 19]])
    assert len(lines) == 3
    moved = from_lines([line + 7 for line in lines] + [np.empty((0, 2))])
    np.testing.assert_array_equal(moved, two)


def test_stroke_5_of_a_network_may_be_empty_and_needs_no_whole_numbers():
    assert from_stroke5([[0, 0, 0.1, 0.1, 0.8]]).shape == (0, 3)
    np.testing.assert_array_equal(from_stroke5([[1, 2, 0.4, 0.3, 0.3]]), [[1, 2, 1]])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[1, 2]], r"shape \(T, 3\)"),
        (np.zeros((0, 3)), "at least two points"),
        ([[0, 0, 1]], "at least two points"),
        ([[1, 1, 0], [np.nan, 0, 1]], "row 1 of 2 .* not finite"),
        ([[np.inf, 1, 0]], "row 0 of 1 .* not finite"),
        (["abc"], "numbers"),
    ],
)
def test_what_is_no_drawing_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        as_drawing(rows)


def test_too_short_a_stroke_5_and_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="at least 3"):
        to_stroke5([[1, 1, 0], [1, 1, 1]], 2)
    with pytest.raises(ValueError, match=r"shape \(T, 5\)"):
        from_stroke5(np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"shape \(n, 2\)"):
        from_lines([np.zeros((4, 3))])


def test_drawings_know_their_words_and_parts():
    all_ = Drawings([scribble(i) for i in range(4)], ["cat", "dog", "cat", "pig"], ["train", "test", "train", ""])
    assert all_[2] is all_.strokes[2] and len(all_) == 4
    assert [len(all_[places]) for places in (slice(1, 3), [0, 3], all_.words == "cat", [])] == [2, 2, 2, 0]
    assert all_.part("train").words.tolist() == ["cat", "cat"]
    assert all_.of("dog", "pig").parts.tolist() == ["test", ""]
    assert (all_ + all_[:1]).words.tolist() == ["cat", "dog", "cat", "pig", "cat"]
    with pytest.raises(ValueError, match="no drawing of 'cow'; there are 'cat', 'dog', 'pig'"):
        all_.of("cow")
    with pytest.raises(ValueError, match="one string for each of 4"):
        Drawings(all_.strokes, ["cat"])
    with pytest.raises(ValueError, match="one string for the only drawing, but its shape is"):
        Drawings(all_.strokes[:1], ["cat", "dog"])


def test_a_split_names_parts_and_takes_duplicates_out(tmp_path):
    file = tmp_path / "split.json"
    all_ = Drawings([scribble(i) for i in range(4)], parts=["train", "test", "test", "test"])
    file.write_text(json.dumps({"note": "two", "test": [1], "valid": [3]}))
    assert all_.with_split(file).parts.tolist() == ["train", "test", "train", "valid"]
    file.write_text(json.dumps({"test_deduplicated": [0, 2], "scale": 1.5}))
    assert all_.with_split(file).parts.tolist() == ["train", "test", "", "test"]
    file.write_text(json.dumps({"test": [4]}))
    with pytest.raises(ValueError, match=r"split\.json.*'test' names a place outside of 0 to 3"):
        all_.with_split(file)
    file.write_text("[")
    with pytest.raises(ValueError, match=r"split\.json.*no \.json of lists"):
        all_.with_split(file)


@pytest.mark.data
def test_the_scale_of_the_kanji_is_the_one_that_their_split_states(data_folder):
    folder = data_folder / "kanji"
    kanji = read_drawings(folder / "short_kanji.npz").with_split(folder / "split.json")
    stated = json.loads((folder / "split.json").read_text())["pooled_std_of_train_offsets"]
    assert offset_scale(kanji.part("train")) == pytest.approx(stated, rel=1e-12)
    assert [len(kanji.part(name)) for name in ("train", "valid", "test")] == [10000, 600, 378]
    with pytest.raises(ValueError, match="there is none"):
        offset_scale([])


# ---- fewer points ----------------------------------------------------------------------------------------------------


def recursive(line, epsilon):
    """Ramer-Douglas-Peucker as textbooks write it, a point at a time, with the distance to the segment."""

    def distance(p):
        along, to = line[-1] - line[0], p - line[0]
        share = min(max(to @ along / (along @ along), 0.0), 1.0) if along @ along else 0.0
        return float(np.hypot(*(to - share * along)))

    far = [distance(p) for p in line[1:-1]]
    if not far or max(far) <= epsilon:
        return [line[0], line[-1]]
    cut = far.index(max(far)) + 1
    return recursive(line[: cut + 1], epsilon)[:-1] + recursive(line[cut:], epsilon)


@given(REAL, st.floats(1e-3, 2e3))
def test_simplified_drawings_are_those_of_the_recursive_algorithm(drawing, epsilon):
    found = to_lines(simplify(drawing, epsilon))
    expected = [np.array(recursive(line, epsilon)) if len(line) > 1 else line for line in to_lines(drawing)]
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@given(REAL, st.floats(1e-3, 2e3))
def test_each_point_left_out_lies_within_epsilon_of_the_line_that_stays(drawing, epsilon):
    for line, kept in zip(to_lines(drawing), to_lines(simplify(drawing, epsilon)), strict=True):
        start, along = kept[:-1, None], np.diff(kept, axis=0)[:, None]
        if not len(start):
            continue
        squared = np.sum(along**2, axis=-1)
        share = np.clip(np.sum((line - start) * along, axis=-1) / np.where(squared > 0, squared, 1.0), 0, 1)
        distance = np.linalg.norm(line - start - share[..., None] * along, axis=-1).min(axis=0)
        assert distance.max() <= epsilon + 1e-6


def test_a_million_points_are_simplified_in_bounded_time():
    rng = np.random.default_rng(0)
    start = time.process_time()
    walk = from_lines([rng.normal(size=(10**6, 2)).cumsum(axis=0)])
    assert 2 < len(simplify(walk, 50.0)) < 10**5
    assert time.process_time() - start < 30  # 2 s on a quiet machine


def test_a_shape_that_yields_one_point_a_cut_does_not_take_a_round_for_each(monkeypatch):
    place = np.arange(30_000.0)
    zigzag = from_lines([np.column_stack([place, place * (-1) ** place])])
    monkeypatch.setattr(shapes, "_VISITS", 10**6)
    rounds = []
    measured = shapes._to_segment
    monkeypatch.setattr(shapes, "_to_segment", lambda *args: rounds.append(len(args[0])) or measured(*args))
    assert len(simplify(zigzag, 0.5)) == len(zigzag)
    assert len(rounds) < 60 and sum(rounds) < 2 * 10**6


def test_epsilon_must_be_positive():
    with pytest.raises(ValueError, match="`epsilon` must be positive"):
        simplify(scribble(), 0.0)
    assert len(simplify(np.empty((0, 3)), 1.0)) == 0


# ---- other hands -----------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(WHOLE, st.integers(0, 1000))
def test_dropped_points_leave_all_others_and_all_strokes_where_they_were(drawing, seed):
    other = augmented(drawing, np.random.default_rng(seed), scale=0.0, drop=0.5)
    lines, thinner = to_lines(drawing), to_lines(other)
    assert len(lines) == len(thinner)
    for i, (line, thin) in enumerate(zip(lines, thinner, strict=True)):
        assert {tuple(place) for place in thin} <= {tuple(place) for place in line}
        np.testing.assert_array_equal(thin[-1], line[-1])
        if len(thin) > 1 or i:
            np.testing.assert_array_equal(thin[0], line[0])


def test_the_share_of_inner_points_that_are_dropped_is_the_one_asked_for():
    rng = np.random.default_rng(0)
    drawing = np.column_stack([np.ones((10, 2)), np.arange(10) % 5 == 4])  # 4 and 3 inner points
    rows = [len(augmented(drawing, rng, drop=0.1)) for _ in range(4000)]
    assert 10 - np.mean(rows) == pytest.approx(0.7, abs=0.04)


def test_stretching_and_turning_do_what_they_say():
    drawing = scribble()
    stretched = augmented(drawing, np.random.default_rng(1), scale=0.3, drop=0.0)
    factors = (stretched / np.where(drawing, drawing, 1.0))[:, :2]
    np.testing.assert_allclose(factors, factors[:1].repeat(len(drawing), 0))
    assert factors[0, 0] != factors[0, 1] and np.all(np.abs(factors - 1) <= 0.3)
    turned = augmented(drawing, np.random.default_rng(1), scale=0.0, drop=0.0, rotation=0.2)
    angle = np.angle((turned[:, 0] + 1j * turned[:, 1]) / (drawing[:, 0] + 1j * drawing[:, 1]))
    np.testing.assert_allclose(angle, angle[0])
    assert 0 < abs(angle[0]) <= 0.2
    np.testing.assert_array_equal(turned[:, 2], drawing[:, 2])


# ---- how far shapes are apart ----------------------------------------------------------------------------------------


def test_points_lie_at_equal_distances_along_the_way():
    square = from_lines([[[0, 0], [1, 0], [1, 1], [0, 1]]])
    np.testing.assert_allclose(resample(square, 7), [[0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1], [0.5, 1], [0, 1]])


def test_a_copy_has_distance_0_whatever_its_place_size_and_number_of_points():
    one, other = scribble(0), scribble(1)
    larger = one * (3.0, 3.0, 1.0)
    halves = np.repeat(one, 2, axis=0) * (0.5, 0.5, 1.0)  # each move in two steps
    halves[::2, 2] = 0.0
    distances = shape_distances([one, other], [larger, halves, other])
    assert distances[0, :2].max() < 1e-6 and distances[1, 2] < 1e-6
    assert distances[0, 2] > 0.3


def test_distances_are_those_of_the_definition():
    drawings = [scribble(i, 10 + i) for i in range(5)]
    expected = np.empty((5, 5))
    for i, a in enumerate(drawings):
        for j, b in enumerate(drawings):
            pair = []
            for one in (a, b):
                places = resample(one, 64) - resample(one, 64).mean(axis=0)
                pair.append(places / np.sqrt(np.mean(np.sum(places**2, axis=1))))
            expected[i, j] = np.sqrt(np.mean(np.sum((pair[0] - pair[1]) ** 2, axis=1)))
    np.testing.assert_allclose(shape_distances(drawings, drawings), expected, atol=1e-7)
    found, places = nearest(drawings, drawings[::-1])
    np.testing.assert_allclose(found, 0.0, atol=1e-12)
    assert places.tolist() == [4, 3, 2, 1, 0]
    with pytest.raises(ValueError, match="`others` is empty"):
        nearest(drawings, [])


def test_a_slightly_longer_stroke_changes_the_distance_as_slightly():
    strokes = [np.array([[0.0, i], [10.0, i]]) for i in range(8)]
    longer = [from_lines([strokes[0] * (1 + more, 1.0), *strokes[1:]]) for more in (0.01, 0.02, 0.04)]
    distances = shape_distances([from_lines(strokes)], longer)[0]
    np.testing.assert_allclose(distances / distances[0], [1, 2, 4], rtol=0.05)  # no jump from one stroke to the next
    assert distances[0] < 0.04


def test_five_hundred_are_compared_with_ten_thousand_in_seconds():
    drawings = [scribble(i) for i in range(500)]
    start = time.process_time()
    distances, places = nearest(drawings, drawings * 20)
    assert time.process_time() - start < 20  # 0.7 s on a quiet machine
    assert distances.max() < 1e-9 and np.array_equal(places % 500, np.arange(500))
