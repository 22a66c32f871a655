"""A thousand changed files for every reader of files from outside: each is read, or refused with a sentence that names it.

More of them: `python tests/fuzz/run.py --mutations 100000`.
"""

import contextlib
import faulthandler
import shutil
import signal
from collections import defaultdict
from itertools import count

import keras
import pytest

from fuzz.cases import SECONDS, TooLong, judged
from fuzz.readers import READERS

pytestmark = [pytest.mark.jax, pytest.mark.project]
FIRST, MUTATIONS = 0, 1000  # seeds


@contextlib.contextmanager
def ended(seconds):
    """The block ends with `TooLong` after so many seconds of CPU; where it is deaf, the process ends after ten times as many."""

    def stop(*_):
        raise TooLong

    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    faulthandler.dump_traceback_later(10 * seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


@pytest.mark.parametrize("name", READERS)
def test_a_thousand_changed_files_are_read_or_refused_by_name(name, tmp_path, monkeypatch):
    """Faults 1, 3 and 14 of issue 18: seconds, memory, aborts, and exceptions that no caller expects."""
    reader, wrong = READERS[name], defaultdict(list)
    if reader.rare > 1:
        _make_rare(monkeypatch, reader.rare)
    assert reader.seeds  # made before the clock runs
    for seed in range(FIRST, FIRST + MUTATIONS):
        with ended(SECONDS):
            outcome = judged(reader, seed, tmp_path / "case")
        shutil.rmtree(tmp_path / "case", ignore_errors=True)
        if not outcome.good:
            wrong[outcome.kind, outcome.what, outcome.where].append((seed, outcome.message[:200]))
    lines = [f"{' '.join(key)}: {len(cases)} of {MUTATIONS}, such as seed {cases[0]}" for key, cases in wrong.items()]
    assert not lines, "\n".join(
        [*lines, f"Once more: python tests/fuzz/run.py --reader {name} --seed SEED --mutations 1"]
    )


def _make_rare(monkeypatch, every):
    """What comes after this package's own checks of a file, and is slow, runs for one file of `every`."""
    seen, load = count(), keras.saving.load_model

    def sometimes(*args, **kwargs):
        return keras.Model() if next(seen) % every else load(*args, **kwargs)

    monkeypatch.setattr(keras.saving, "load_model", sometimes)
