"""Turns any seed of a user, once, into one stream of independent draws."""

import contextlib
import random as python_random
import threading

import numpy as np
from keras import ops, random, utils

from mdn import backend, numerics

_BUILDING = threading.RLock()


@contextlib.contextmanager
def seeded(seed: int | None):
    """Within it Keras draws the weights of new layers from `seed`, undisturbed by other threads that build within `seeded`.

    Keras draws them from a generator that all threads share. So two threads that seed it and build would share one seed, and
    neither would get the weights of its own: build in here, and train after it. Loading a model waits for it, too.

    Args:
        seed: An int; None to build in turn with other threads, from wherever the generator is.
    """
    with _BUILDING:
        if seed is not None:
            utils.set_random_seed(seed)
        yield


class _KeyStream(random.SeedGenerator):
    """A stateless key with the interface of a SeedGenerator; it has no variable, so it works inside jit and scan."""

    def __init__(self, key):
        self._key = key
        self._count = 0

    def next(self, ordered=True):
        self._count += 1
        if backend.NAME == "jax":
            import jax

            return jax.random.fold_in(self._key, self._count)
        key = ops.cast(ops.reshape(self._key, (-1,)), "int64")
        # PyTorch adds both halves of a seed, so an odd multiplier spreads the counter over all bits of the word
        return ops.cast(
            ops.mod(key + ops.convert_to_tensor([0, self._count * 0x9E3779B1], "int64"), 2**31 - 1), "int32"
        )


def _key(first, second):
    if backend.NAME == "jax":
        import jax

        return jax.random.fold_in(jax.random.key(first), second)
    return ops.stack([ops.cast(first, "int32"), ops.cast(second, "int32")])


class Draws:
    """Independent draws: each call uses a new sub-seed, and no two calls share one.

    Args:
        seed: None, an int, a `keras.random.SeedGenerator`, a `Draws`, or a stateless key (`jax.random.key(0)`, or an
            integer tensor of shape (2,)). Inside jit or scan only a key works.
    """

    def __init__(self, seed=None):
        self.generator = as_generator(seed)

    def key(self):
        """A stateless key, for a compiled function."""
        return self.generator.next()

    def uniform(self, shape):
        """Uniform draws from the open interval (0, 1)."""
        dtype = numerics.float_dtype()
        draw = random.uniform(shape, dtype=dtype, seed=self.generator)
        return numerics.within(draw, numerics.epsilon() * 2.0**-8, 1.0 - numerics.epsilon())

    def normal(self, shape):
        """Standard normal draws."""
        return random.normal(shape, dtype=numerics.float_dtype(), seed=self.generator)


def as_generator(seed) -> random.SeedGenerator:
    """`seed` (see `Draws`) as a SeedGenerator.

    Raises:
        TypeError: if `seed` is none of the kinds that `Draws` names.
    """
    if isinstance(seed, Draws):
        return seed.generator
    if isinstance(seed, random.SeedGenerator):
        return seed
    if seed is None:
        seed = python_random.getrandbits(63)  # reproducible after keras.utils.set_random_seed
    if numerics.is_whole(seed):
        # Ints are hashed, because PyTorch adds a seed and a counter: seeds 1 and 2 would share draws.
        first, second = (
            int(word) % (2**31 - 1) for word in np.random.SeedSequence(int(seed) % 2**64).generate_state(2)
        )
        return _KeyStream(_key(first, second))
    if hasattr(seed, "shape"):
        return _KeyStream(seed)
    raise TypeError(
        f"`seed` must be None, an int, a keras.random.SeedGenerator or a stateless key, but {seed!r} came. Try seed=0."
    )


def key_for(seed, *tensors):
    """A stateless key from `seed` (see `Draws`) for draws that depend on `tensors`.

    Raises:
        ValueError: if `seed` is an int or None while JAX traces the tensors, since each call would give the same draws.
    """
    if backend.NAME == "jax" and (seed is None or numerics.is_whole(seed)) and not backend.is_concrete(*tensors):
        raise ValueError(
            f"`seed` must be a key inside jit or scan, but {seed!r} came, which would give the same draws at each "
            "call. Pass the key in: sample(seed=key), with key = jax.random.key(0), split at each step."
        )
    return Draws(seed).key()


def split(key, count: int = 2) -> list:
    """A list of `count` independent stateless keys, made from one key."""
    stream = _KeyStream(key)
    return [stream.next() for _ in range(count)]


def key_from(tensor):
    """A stateless key that changes whenever `tensor` does, for noise inside compiled losses.

    A SeedGenerator's state is frozen inside a compiled training step, which would give each step the same noise.
    """
    # a mean: a sum grows with the batch until float32 keeps none of the digits that change
    mean = ops.mean(ops.abs(ops.sin(ops.stop_gradient(tensor) * 12.9898)))
    return _key(ops.cast(mean * 2.0**24, "int32"), 1)
