"""One kernel: a small model's step as one kernel of XLA, instead of one for every few operations."""

from __future__ import annotations

import functools


class OneKernel:
    """`jax.jit(function)` for a CPU, the whole function as one kernel where XLA can make one; plain: `jax.jit`.

    XLA makes a kernel of every few operations, and going from one to the next takes it about as long as the arithmetic of a
    small model's step. That is worth it for products of one row only: those of more are calls of a library, which no kernel
    holds, or slow.

    Args:
        function: Of arrays.
        options: For `jax.jit`.

    Attributes:
        run: The jitted function. After a first call it may be called in place of this object, to save a microsecond.
    """

    def __init__(self, function, **options):
        import jax

        inner = jax.jit(function)
        self._plain = jax.jit(function, **options)

        def whole(*arguments):
            from jax.experimental.xla_metadata import set_xla_metadata

            # the names by which XLA's own pass for small loops asks for it
            return set_xla_metadata(inner(*arguments), xla_cpu_small_call="true", inlineable="false")

        self.run = jax.jit(whole, **options)

    def __call__(self, *arguments):
        import jax

        if not _knows_metadata():
            self.run = self._plain
        try:
            return self.run(*arguments)
        except jax.errors.JaxRuntimeError:  # the function may hold what no kernel can, such as a call of Python
            self.run = self._plain
            return self._plain(*arguments)


@functools.cache
def _knows_metadata() -> bool:
    """Whether this JAX can say what XLA is asked for: it is an experiment of JAX's, whose arguments have changed before."""
    import jax

    try:
        from jax.experimental.xla_metadata import set_xla_metadata

        jax.eval_shape(lambda x: set_xla_metadata(x, xla_cpu_small_call="true"), 0.0)
    except (ImportError, TypeError):
        return False
    return True
