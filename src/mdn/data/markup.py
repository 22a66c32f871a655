"""XML from outside, element by element; nothing in it runs, and no entity is expanded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.parsers import expat


def parse_xml(
    path, start: Callable[[str, dict[str, str]], None], end: Callable[[str], object] | None = None, what: str = "XML"
) -> None:
    """Tells `start` of each element and its attributes, and `end` of its end, as they stand in the file.

    Args:
        path: Of the file.
        start, end: Told in turn. A ValueError that they raise is given the file and the line.
        what: The file should be, for messages.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no XML, or declares an entity, of which a few lines can make gigabytes.
    """
    parser = expat.ParserCreate()

    def entity(name, *_):
        raise ValueError(f"the {what} declares an entity ({name}), which may be a trap: save it as plain {what}.")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.EntityDeclHandler = entity
    try:
        # all at once: in pieces, expat reads a long attribute again with each
        parser.Parse(Path(path).read_bytes(), True)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no file {str(path)!r}.") from None
    except expat.ExpatError as error:
        raise ValueError(f"{str(path)!r}: line {error.lineno}: no {what}: {expat.ErrorString(error.code)}.") from None
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: line {parser.CurrentLineNumber}: {error}") from None
