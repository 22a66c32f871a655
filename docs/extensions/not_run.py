"""Blocks that no test runs say why: ```` ```console no-run it needs a MIDI port ```` gets its reason as a caption.

GitHub shows such a block as any other; `tests/pages.py` leaves it out, and `tests/test_readme.py` asks for the reason.
"""

import re

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,})(?P<language>\w+) no-run (?P<reason>.+)$", re.MULTILINE)


def captioned(text: str) -> str:
    """The text of a page in which each block that is not run has its reason as a caption."""
    return _FENCE.sub(
        r"\g<indent>\g<fence>{code-block} \g<language>\n\g<indent>:caption: Not run with this page: \g<reason>.", text
    )


def _read(app, docname: str, source: list[str]) -> None:
    if app.env.doc2path(docname).suffix == ".md":
        source[0] = captioned(source[0])


def setup(app):
    """Connects to Sphinx, after `elsewhere` has put in the text of the page."""
    app.connect("source-read", _read, priority=600)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
