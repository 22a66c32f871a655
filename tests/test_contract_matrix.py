"""Every method of every family against the truth: the matrix that the test run prints at its end."""

import pytest

from catalogue import ENTRIES
from contract import CHECKS, assert_documented_error, documented_error
from programs import optimise_methods

DRAWN = ("sample", "energy_score")  # thousands of draws: their programs run for longer than they take to compile


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("method", CHECKS)
def test_method_agrees_with_the_reference(method, name, record_property, monkeypatch):
    entry = ENTRIES[name]
    message = documented_error(entry, method)
    if method in DRAWN:
        optimise_methods(monkeypatch)
    record_property("matrix", [name, method, "ok" if message is None else "ValueError"])
    if message is None:
        CHECKS[method](entry)
    else:
        assert_documented_error(entry, method, message)
