"""Kernels: fast code that is not plain, one trick a file; each file names the plain code that it replaces.

`MDN_KERNELS=plain` in the environment, set before the process starts, turns all of them off: the results differ only by
rounding. One kernel replaces nothing: only `flat_mixture` computes the gradient of `NaturalGradientEM`. `tests/test_kernels.py`
compares each kernel with its plain code.
"""

import os


def on() -> bool:
    """Whether kernels are used.

    Raises:
        ValueError: if MDN_KERNELS is set to anything else than 'plain'.
    """
    said = os.environ.get("MDN_KERNELS", "")
    if said not in ("", "plain"):
        raise ValueError(f"MDN_KERNELS may be 'plain', which turns all kernels off, or not be set, but {said!r} came.")
    return not said
