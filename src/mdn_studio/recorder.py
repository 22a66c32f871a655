"""The logic of the page of `mdn record` as a module for the page "write", so that both record in the same way."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path


def module() -> str:
    """The source of an ES module with `Recording` and `line`, taken from the page `record.html` of the chapter."""
    spec = find_spec("mdn")  # does not import it, and so not Keras
    folder = Path(spec.origin if spec and spec.origin else "").parent
    page = (folder / "applications/handwriting/record.html").read_text(encoding="utf-8")
    return page.split('<script id="recording">')[1].split("</script>")[0] + "\nexport { Recording, line };\n"
