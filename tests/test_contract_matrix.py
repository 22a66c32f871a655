"""Every method of every family against the truth: the matrix that the test run prints at its end."""

import functools

import keras
import pytest

from catalogue import ENTRIES
from contract import CHECKS, assert_documented_error, documented_error
from mdn.distributions import value

DRAWN = ("sample", "energy_score")  # thousands of draws: their programs run for longer than they take to compile


@functools.cache
def optimised():
    """What runs the methods of distributions on JAX, with XLA's optimisations, which `make test` leaves out."""
    import jax

    options = {"xla_backend_optimization_level": 1}
    return jax.jit(
        value._call.__wrapped__, static_argnames=("method", "static", "event_axes"), compiler_options=options
    )


@pytest.mark.parametrize("name", ENTRIES)
@pytest.mark.parametrize("method", CHECKS)
def test_method_agrees_with_the_reference(method, name, record_property, monkeypatch):
    entry = ENTRIES[name]
    message = documented_error(entry, method)
    if method in DRAWN and keras.backend.backend() == "jax":
        monkeypatch.setattr(value, "_call", optimised())
    record_property("matrix", [name, method, "ok" if message is None else "ValueError"])
    if message is None:
        CHECKS[method](entry)
    else:
        assert_documented_error(entry, method, message)
