"""Settings of a process that trains: keep compiled programs from run to run, and memory from step to step."""

from __future__ import annotations

import ctypes
import functools
import os
from pathlib import Path

from mdn import backend

_LARGEST = 1 << 30  # bytes: a larger array is given back to the system
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of malloc.h


def keep_compiled_programs() -> None:
    """Lets JAX keep compiled programs in the user's cache, unless the user has set another; does nothing on other backends.

    `fit` calls it. Call it before a model is built, to keep the programs of its initialization, too.
    The folder is `mdn/jax` below XDG_CACHE_HOME (or ~/.cache); JAX_ENABLE_COMPILATION_CACHE=0 turns it off.

    Example:
        >>> from mdn.training import keep_compiled_programs
        >>> keep_compiled_programs()
    """
    if backend.NAME != "jax":
        return
    import jax

    if jax.config.jax_compilation_cache_dir is not None or os.environ.get("JAX_ENABLE_COMPILATION_CACHE") in (
        "0",
        "false",
    ):
        return
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mdn" / "jax"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return  # the folder cannot be written: every run compiles anew
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def keep_memory() -> None:
    """Lets this process keep the memory that a training step frees, for the next step; works only on Linux with glibc.

    A step of a large network allocates tens of megabytes and frees them. glibc returns such memory to the system at once,
    and fetching it anew, page by page, takes up to a quarter of the time. JAX allocates in whichever thread computes, and
    glibc can keep memory of the main thread only, so JAX's programs on a CPU then run in the thread that calls them. Both
    settings hold for the whole process, which then holds more memory; the commands `mdn train` use them. Call it before the
    first array is made. `MALLOC_...`, `GLIBC_TUNABLES` and `JAX_CPU_ENABLE_ASYNC_DISPATCH` in the environment take precedence.

    Example:
        >>> from mdn.training import keep_memory
        >>> keep_memory()
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return
    libc = _glibc()
    if libc is None:
        return
    libc.mallopt(_MMAP_THRESHOLD, _LARGEST)
    libc.mallopt(_TRIM_THRESHOLD, _LARGEST)
    if backend.NAME == "jax" and "JAX_CPU_ENABLE_ASYNC_DISPATCH" not in os.environ:
        import jax

        jax.config.update("jax_cpu_enable_async_dispatch", False)


def give_memory_back() -> None:
    """Returns memory that this process has freed to the system; does nothing without glibc.

    glibc keeps what it frees, for each thread by itself. JAX's threads take turns with the blocks of a table, so that after some
    dozens of epochs each of them would keep blocks that nobody uses: half a gigabyte.
    """
    libc = _glibc()
    if libc is not None:
        libc.malloc_trim(0)


@functools.cache
def _glibc():
    libc = ctypes.CDLL(None) if os.name == "posix" else None
    return libc if libc is not None and hasattr(libc, "gnu_get_libc_version") else None
