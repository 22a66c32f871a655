"""Programs of a model for tests."""

import functools

import keras

from mdn.distributions import value


def program(model, name, function):
    """`model.program` on JAX, where each operation by itself is a program to compile; elsewhere the function itself."""
    return model.program(name, function) if keras.backend.backend() == "jax" else function


@functools.cache
def _optimised():
    import jax

    options = {"xla_backend_optimization_level": 1}
    return jax.jit(
        value._call.__wrapped__, static_argnames=("method", "static", "event_axes"), compiler_options=options
    )


def optimise_methods(monkeypatch):
    """Lets JAX run methods of distributions with XLA's optimisations, which `make test` leaves out.

    It is for methods that compute for longer than they take to compile.
    """
    if keras.backend.backend() == "jax":
        monkeypatch.setattr(value, "_call", _optimised())
