"""What a process that trains may keep: compiled programs from run to run, and memory from step to step."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

from mdn import backend

_LARGEST = 1 << 30  # bytes: a larger array is given back to the system
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of malloc.h


def keep_compiled_programs() -> None:
    """Lets JAX keep compiled programs in the user's cache, unless the user has said otherwise; nothing on other backends.

    `fit` does so itself; call it before a model is built to have its initialization kept too.
    The folder is `mdn/jax` below XDG_CACHE_HOME (or ~/.cache); set JAX_ENABLE_COMPILATION_CACHE=0 to do without.
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
        return  # no home to write to: every run compiles anew
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def keep_memory() -> None:
    """Lets this process keep the memory that a training step frees, for the next step; does nothing but on Linux with glibc.

    A step of a large network asks for tens of megabytes and frees them. The libc hands such memory back to the system at
    once, and fetching it anew, page by page, is up to a quarter of the time. JAX takes its memory in whichever thread
    computes, and only that of the main thread can be kept: on a CPU, programs then run in the thread that calls them. Both
    hold for the whole process, which comes to hold more memory; the commands `mdn train` do so. Call it before the first
    array is made. What the environment says goes first: `MALLOC_...`, `GLIBC_TUNABLES`, `JAX_CPU_ENABLE_ASYNC_DISPATCH`.
    """
    if any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ):
        return
    libc = ctypes.CDLL(None) if os.name == "posix" else None
    if libc is None or not hasattr(libc, "gnu_get_libc_version"):
        return
    libc.mallopt(_MMAP_THRESHOLD, _LARGEST)
    libc.mallopt(_TRIM_THRESHOLD, _LARGEST)
    if backend.NAME == "jax" and "JAX_CPU_ENABLE_ASYNC_DISPATCH" not in os.environ:
        import jax

        jax.config.update("jax_cpu_enable_async_dispatch", False)
