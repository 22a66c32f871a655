"""Programs of a model for tests."""

import keras


def program(model, name, function):
    """`model.program` on JAX, where each operation by itself is a program to compile; elsewhere the function itself."""
    return model.program(name, function) if keras.backend.backend() == "jax" else function
