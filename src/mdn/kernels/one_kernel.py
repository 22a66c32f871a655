"""One kernel: compiles a step of a small model into one kernel of XLA, instead of one for every few operations."""

from __future__ import annotations

import functools


class OneKernel:
    """`jax.jit(function)` for a CPU, with the whole function as one kernel if XLA can make one; plain: `jax.jit`.

    XLA usually makes a kernel of every few operations, and to start them all takes about as long as the arithmetic of a
    small model's step. One kernel pays off only if matrix products have one row: products of more rows are calls of a
    library, which a kernel cannot hold, or slow.

    Args:
        function: Takes arrays.
        options: For `jax.jit`.

    Attributes:
        run: The jitted function. After the first call you may call it instead of this object, to save a microsecond.
    """

    def __init__(self, function, **options):
        import jax

        inner = jax.jit(function)
        self._plain = jax.jit(function, **options)

        def whole(*arguments):
            from jax.experimental.xla_metadata import set_xla_metadata

            # XLA's own pass for small loops sets the same attributes
            return set_xla_metadata(inner(*arguments), xla_cpu_small_call="true", inlineable="false")

        self.run = jax.jit(whole, **options)

    def __call__(self, *arguments):
        import jax

        if not _knows_metadata():
            self.run = self._plain
        try:
            return self.run(*arguments)
        except jax.errors.JaxRuntimeError:  # a kernel cannot hold some operations, such as a call of Python
            self.run = self._plain
            return self._plain(*arguments)


@functools.cache
def _knows_metadata() -> bool:
    """Whether this JAX can pass such attributes to XLA: `set_xla_metadata` is experimental, and its arguments have changed."""
    import jax

    try:
        from jax.experimental.xla_metadata import set_xla_metadata

        jax.eval_shape(lambda x: set_xla_metadata(x, xla_cpu_small_call="true"), 0.0)
    except (ImportError, TypeError):
        return False
    return True
