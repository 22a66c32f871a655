"""Object arrays of public stroke files: NumPy pickles them, and a pickle may run code; here only arrays come out."""

from __future__ import annotations

import pickle
import zipfile
import zlib
from pathlib import Path

import numpy as np

# What NumPy's own pickles of arrays name, in its versions 1 and 2
_ALLOWED = {
    (module, name)
    for module in (
        "numpy",
        "numpy.core.multiarray",
        "numpy._core.multiarray",
        "numpy.core.numeric",
        "numpy._core.numeric",
    )
    for name in ("ndarray", "dtype", "_reconstruct", "scalar", "_frombuffer")
} | {("_codecs", "encode")}


class _OnlyArrays(pickle.Unpickler):
    def find_class(self, module, name):
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it names {module}.{name}, which is no part of an array")
        return super().find_class(module, name)


def read_object_arrays(path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file, object arrays among them, read without running anything that stands in it.

    Args:
        path: Of the file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no .npz file, or holds anything but arrays.
    """
    path = Path(path)
    arrays = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                with archive.open(member) as file:
                    arrays[member.removesuffix(".npy")] = _read(file)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {str(path)!r}.") from None
    except (
        zipfile.BadZipFile,
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        KeyError,
        AttributeError,
        TypeError,
        IndexError,
        OverflowError,
        RuntimeError,  # a password, or a kind of compression that is not known
        zlib.error,
    ) as error:
        raise ValueError(f"{str(path)!r} is no file of arrays that can be trusted: {error}.") from None
    return arrays


def _read(file) -> np.ndarray:
    version = np.lib.format.read_magic(file)
    read_header = {1: np.lib.format.read_array_header_1_0, 2: np.lib.format.read_array_header_2_0}
    if version[0] not in read_header:
        raise ValueError(f"its arrays are of version {version}")
    shape, fortran, dtype = read_header[version[0]](file)
    if not dtype.hasobject:
        flat = np.frombuffer(file.read(), dtype, count=int(np.prod(shape)))
        return flat.reshape(shape, order="F" if fortran else "C").copy()
    found = _OnlyArrays(file, encoding="latin1").load()
    if not isinstance(found, np.ndarray) or not all(isinstance(one, np.ndarray | np.generic) for one in found.flat):
        raise ValueError("an object array must hold arrays")
    return found.reshape(shape)
