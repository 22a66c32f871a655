"""Rows in blocks of few sizes: each row is answered once, whatever their number."""

import numpy as np
import pytest

from mdn.few_shapes import blocks, fitting, in_blocks, powers_of_two


def test_powers_of_two_end_with_the_most():
    assert [powers_of_two(most) for most in (1, 2, 5, 8)] == [(1,), (1, 2), (1, 2, 4, 5), (1, 2, 4, 8)]


def test_the_size_that_fits_is_the_smallest_that_holds_all_or_the_largest():
    assert [fitting(count, (4, 32)) for count in (1, 4, 5, 32, 33)] == [4, 4, 32, 32, 32]


@pytest.mark.parametrize("count", [1, 3, 4, 5, 31, 70])
def test_each_row_comes_once_and_blocks_have_few_sizes(count):
    sizes, seen = set(), []

    def doubled(rows, beside):
        sizes.add(len(rows))
        np.testing.assert_array_equal(rows[:, 0], beside)
        seen.append(rows)
        return 2.0 * rows, beside

    rows = np.arange(count, dtype="float32")
    found, beside = in_blocks(doubled, rows[:, None], rows, sizes=(4, 32))
    np.testing.assert_array_equal(found[:, 0], 2.0 * rows)
    np.testing.assert_array_equal(beside, rows)
    assert sizes <= {4, 32}
    indices = [index for block, new in blocks(np.arange(10, 10 + count), (4, 32)) for index in block[:new]]
    assert indices == list(range(10, 10 + count))


def test_a_large_block_is_at_least_half_full():
    assert [[len(block) for block, _ in blocks(count, (4, 32))] for count in (3, 15, 16, 33, 50)] == [
        [4],
        [4, 4, 4, 4],
        [32],
        [32, 4],
        [32, 32],
    ]


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="at least one row"):
        in_blocks(lambda rows: rows, np.zeros((0, 2)), sizes=(4,))
