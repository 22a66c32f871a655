"""MIDI ports of this system, found by their names."""

from __future__ import annotations

import sys


def mido(extra: str):
    """The package mido.

    Args:
        extra: The extra of mdn, which brings it.

    Raises:
        ImportError: if it is not installed; the message says how to install it.
    """
    try:
        import mido
    except ImportError:
        raise ImportError(f"MIDI needs mido: pip install 'mdn[{extra}]'.") from None
    return mido


def port_names(backend, extra: str) -> tuple[list[str], list[str]]:
    """(the names of the inputs, of the outputs) that this system has.

    Args:
        backend: The backend of mido, or mido itself.
        extra: The extra of mdn, which brings python-rtmidi.

    Raises:
        ImportError: if python-rtmidi is not installed.
        OSError: if this system has no MIDI.
    """
    try:
        return backend.get_input_names(), backend.get_output_names()
    except ImportError:
        raise ImportError(f"live MIDI needs python-rtmidi: pip install 'mdn[{extra}]'.") from None
    except OSError as error:
        raise OSError(f"this system has no MIDI that can be used: {str(error).rstrip('.')}.") from None


def fitting(name: str, names: list[str]) -> list[str]:
    """The ports that a name means: the one with this very name, else those whose names contain it in any case.

    Args:
        name: What the player wrote.
        names: The names of all ports.
    """
    return [one for one in names if one == name] or [one for one in names if name.lower() in one.lower()]


def there(names: list[str]) -> str:
    """Says which ports there are, as the end of a sentence."""
    return f"there are {', '.join(map(repr, names))}" if names else "there are none"


def open_virtual(opening, name: str, names: list[str], option: str):
    """A new port, to which other programs can connect.

    Args:
        opening: `open_input` or `open_output` of a backend of mido.
        name: The name of the port.
        names: The names of the ports that there are, for the error.
        option: Which option names a port instead.

    Raises:
        OSError: if this system has no virtual ports.
    """
    if sys.platform == "win32":
        raise OSError(f"Windows has no virtual MIDI ports: name one with {option}; {there(names)}.")
    try:
        return opening(name, virtual=True)
    except (OSError, NotImplementedError) as error:
        raise OSError(
            f"no virtual MIDI port can be made ({error}): name a port with {option}; {there(names)}."
        ) from None
