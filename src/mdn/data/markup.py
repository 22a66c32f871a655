"""XML from outside, element by element; nothing in it is run, and no entity is expanded."""

from __future__ import annotations

from collections.abc import Callable
from xml.parsers import expat

from mdn.data.limits import read_whole
from mdn.files import reading, sentence

_NAMESPACES = 10  # how many a DTD may declare for elements; KanjiVG's declares one


def parse_xml(
    path,
    start: Callable[[str, dict[str, str]], None],
    end: Callable[[str], object] | None = None,
    what: str = "XML",
    text: Callable[[str], object] | None = None,
) -> None:
    """Calls `start(tag, attributes)` where an element begins and `end(tag)` where it ends, in the order of the file.

    Args:
        path: The path of the file, which may have 128 MiB at most.
        start, end: The functions to call. The file and the line are added to the message of an error that they raise.
        what: What the file should be, for messages.
        text: Called with the text between tags, in pieces.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no XML, is larger, or declares an entity or a default of an attribute, other than a few
            namespaces: a few lines of such declarations can expand to gigabytes.
    """
    parser = expat.ParserCreate()
    namespaces = 0

    def entity(name, *_):
        raise ValueError(f"the {what} declares an entity ({name}), which may be a trap: save it as plain {what}.")

    def attribute(element, name, kind, default, required):
        nonlocal namespaces
        if default is None:
            return
        namespaces += 1
        if namespaces > _NAMESPACES or not (name == "xmlns" or name.startswith("xmlns:")):
            raise ValueError(
                f"the {what} declares a default for the attribute {name} of each <{element}>, which may be a trap: "
                f"save it as plain {what}."
            )

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text
    parser.EntityDeclHandler = entity
    parser.AttlistDeclHandler = attribute
    parser.specified_attributes = True
    with reading(path, what):
        content = read_whole(path)
        try:
            parser.Parse(content, True)  # all at once: fed in pieces, expat would read a long attribute again with each
        except expat.ExpatError as error:
            raise ValueError(
                f"{str(path)!r}: line {error.lineno}: no {what}: {expat.ErrorString(error.code)}."
            ) from None
        except (ImportError, MemoryError):
            raise
        except Exception as error:
            raise ValueError(f"{str(path)!r}: line {parser.CurrentLineNumber}: {sentence(error)}") from None
