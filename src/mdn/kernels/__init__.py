"""Kernels: what is fast and not plain, one trick a file; each file names the plain code that it replaces.

`MDN_KERNELS=plain` in the environment, set before the process starts, turns all of them off: the results are the same but for
rounding. One file has no twin: the gradient of `NaturalGradientEM` is defined by `flat_mixture` alone. `tests/test_kernels.py`
holds each kernel to its plain code.
"""

import os


def on() -> bool:
    """Whether kernels are used.

    Raises:
        ValueError: if MDN_KERNELS says something that has no meaning.
    """
    said = os.environ.get("MDN_KERNELS", "")
    if said not in ("", "plain"):
        raise ValueError(f"MDN_KERNELS may be 'plain', which turns all kernels off, or not be set, but {said!r} came.")
    return not said
