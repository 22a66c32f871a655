"""What a run of the tests prints about itself."""

import collections

import pytest

from spent import COMPILE, LOWER, READ, TRACE, Stopwatch

pytestmark = pytest.mark.project


def test_each_second_counts_for_one_event_and_each_program_once():
    spent = collections.Counter()
    watch = Stopwatch(spent)
    watch.span(TRACE, 1.0, 2.0)  # of a function within another
    watch.span(COMPILE, 2.5, 4.0)  # of a constant that the other needs
    watch.span(TRACE, 0.0, 5.0)
    watch.span(LOWER, 5.0, 7.0)
    watch.duration(READ, 0.25)
    watch.span(COMPILE, 7.0, 11.0)
    assert spent == {TRACE: 3.5, COMPILE: 5.5, LOWER: 2.0, READ: 0.25, "programs": 2, "read": 1}
