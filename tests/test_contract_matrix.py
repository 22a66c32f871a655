"""Every method of every family against the truth: the matrix that the test run prints at its end."""

import pytest

from catalogue import ENTRIES
from contract import CHECKS, assert_documented_error, documented_error


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("method", CHECKS)
def test_method_agrees_with_the_reference(method, name, record_property):
    entry = ENTRIES[name]
    message = documented_error(entry, method)
    record_property("matrix", [name, method, "ok" if message is None else "ValueError"])
    if message is None:
        CHECKS[method](entry)
    else:
        assert_documented_error(entry, method, message)
