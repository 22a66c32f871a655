"""The site: every public name has an entry, pages of other folders keep their links, and what `make docs` built is whole.

Tests of the built site run in `make docs`, which names its folder in MDN_SITE.
"""

from __future__ import annotations

import functools
import html
import importlib
import inspect
import json
import os
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from test_docstrings import ROOMS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
WAYS_IN = ("table", "keras", "making", "lecture")
# Of these rooms, names are public at the top of `mdn`, or belong to those who write chapters
ELSEWHERE = ("mdn.layers", "mdn.losses", "mdn.distributions")
# Words that people look for, and a page that must be among the first ten found
SOUGHT = {
    "negative loss": "questions",
    "NaN": "questions",
    "temperature": "choosing",
    "conformal": "choosing",
    "MIDI": "chapters/instrument",
    "--test-share": "reference/commands",
}

pytestmark = pytest.mark.project


@pytest.fixture(name="extension")
def _extension(monkeypatch):
    """Imports a module of docs/extensions."""
    monkeypatch.syspath_prepend(str(DOCS / "extensions"))
    names = ("elsewhere", "docstrings", "not_run", "command_line")
    yield importlib.import_module
    for name in names:
        sys.modules.pop(name, None)


# ---- before it is built ----------------------------------------------------------------------------------------------


def entries() -> set[str]:
    """The full names of what docs/reference describes."""
    found = set()
    for page in (DOCS / "reference").glob("*.rst"):
        module, several = "", False
        for line in page.read_text(encoding="utf-8").splitlines():
            if directive := re.match(r"\.\. (currentmodule|auto(?!summary)\w+|data):: ([\w.]+)", line):
                several = directive[1] == "data"
                if directive[1] == "currentmodule":
                    module = directive[2]
                else:
                    found.add(f"{module}.{directive[2]}")
            elif several and (further := re.fullmatch(r" {10}(\w+)", line)):  # one directive, several names
                found.add(f"{module}.{further[1]}")
    return found


def public_names(room: str):
    """(name, value) of what a room offers; modules are rooms of their own."""
    module = importlib.import_module(room)
    written_here = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == room]
    for name in getattr(module, "__all__", written_here):
        value = getattr(module, name)
        if not name.startswith("_") and not inspect.ismodule(value):
            yield name, value


def test_every_public_name_has_an_entry_in_the_reference():
    described = entries()
    # an object that two rooms offer needs one entry
    known = {
        id(getattr(importlib.import_module(name.rpartition(".")[0]), name.rpartition(".")[2])) for name in described
    }
    missing = [
        f"{room}.{name}"
        for room in ROOMS
        if room not in ELSEWHERE
        for name, value in public_names(room)
        if f"{room}.{name}" not in described and id(value) not in known
    ]
    assert not missing


def test_links_of_a_page_that_stands_elsewhere_lead_to_the_site(extension):
    elsewhere = extension("elsewhere")
    pages = elsewhere.pages_of(DOCS)
    page, readme = DOCS / "chapters" / "jam.md", ROOT / "src" / "mdn" / "applications" / "jam" / "README.md"
    assert elsewhere.shown(page) == readme and pages[readme] == page

    def link(target):
        return elsewhere.link(target, readme, page, DOCS, pages)

    assert link("../../../../docs/export.md") == "/export.md"
    assert link("../../../../docs/pictures/robot.png") == "/pictures/robot.png"
    assert link("../sketch/README.md") == link("../sketch") == "/chapters/sketch.md"
    assert link("../../../../README.md") == "/index.md"
    assert link("model.py") == "../../src/mdn/applications/jam/model.py"  # a download
    assert link("https://example.org/README.md") == "https://example.org/README.md"


def test_signs_of_a_docstring_are_no_markup(extension):
    plain = extension("docstrings").plain
    lines = ["|x| of members_ and `a_ * b`, $z_1$:", ">>> a_ * b", "1_000", "", "*batch"]
    assert plain(lines) == [r"\|x\| of members\_ and `a_ * b`, :math:`z_1`:", ">>> a_ * b", "1_000", "", r"\*batch"]


def test_a_block_that_is_not_run_says_why_on_the_site(extension):
    captioned = extension("not_run").captioned
    page = "- a list:\n\n  ```console no-run it needs a MIDI port\n  $ mdn jam\n  ```\n\n```python\n1 + 1\n```\n"
    assert captioned(page) == page.replace(
        "```console no-run it needs a MIDI port",
        "```{code-block} console\n  :caption: Not run with this page: it needs a MIDI port.",
    )


# ---- the built site --------------------------------------------------------------------------------------------------


@pytest.fixture(name="site", scope="session")
def _site() -> Path:
    folder = os.environ.get("MDN_SITE", "")
    if not folder:
        pytest.skip("`make docs` builds the site and runs this")
    return Path(folder)


class Page(HTMLParser):
    """What a page of the site links to and loads, and the names that its places have."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        """Called by the parser."""
        found = {name: value or "" for name, value in attrs}
        self.places |= {found[name] for name in ("id", "name") if name in found}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(found["href"])
        elif "src" in found:
            self.loaded.append(found["src"])


@pytest.fixture(name="pages", scope="session")
def _pages(site) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html")}


def test_every_link_inside_leads_to_a_place(pages):
    @functools.cache
    def there(path: Path) -> bool:
        return path.exists()

    assert len(pages) > 50
    dead = []
    for path, page in pages.items():
        for target in {*page.links, *page.loaded}:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc:
                continue
            place = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not there(place) or (
                parts.fragment and place in pages and unquote(parts.fragment) not in pages[place].places
            ):
                dead.append(f"{path.name}: {target}")
    assert not dead, "\n".join(dead[:40])


def test_a_name_has_its_source_wherever_that_stands_and_the_source_leads_back(site, pages):
    offered = (site / "reference" / "chapters.html").read_text(encoding="utf-8")
    entry = offered[offered.index('id="mdn.applications.sketch.save"') :]
    assert 'href="../_modules/mdn/models.html#save_plain"' in entry[: entry.index("</dt>")]  # it has another name there
    inherited = (site / "reference" / "numbers.html").read_text(encoding="utf-8")
    entry = inherited[inherited.index('id="mdn.Laplace"') :]
    assert 'href="../_modules/mdn/distributions/laplace.html#Laplace"' in entry[: entry.index("</dt>")]
    back = pages[site / "_modules" / "mdn" / "models.html"].links
    assert {
        "../../reference/models.html#mdn.predict",
        "../../reference/models.html#mdn.load",
        "../../reference/chapters.html#mdn.applications.sketch.save",
    } <= set(back)


def test_no_page_shows_a_moving_bar_picture_by_picture(site):
    shown = [
        page.name for page in site.rglob("*.html") if re.search(r"\x1b|\?25[lh]", page.read_text(encoding="utf-8"))
    ]
    assert not shown


def test_every_command_and_option_is_on_the_page_of_commands(site, extension):
    page = (site / "reference" / "commands.html").read_text(encoding="utf-8")
    found = list(extension("command_line").commands())
    leaves = [(context, command) for context, command in found if not getattr(command, "commands", None)]
    assert len(leaves) > 35 and {"mdn fit", "mdn train sketch"} <= {context.command_path for context, _ in leaves}
    for context, command in leaves:
        start = page.index(f'<section id="{context.command_path.replace(" ", "-")}">')
        shown = html.unescape(re.sub(r"<[^>]+>", "", page[start : page.index("</section>", start)]))
        for option in (option for parameter in command.params for option in parameter.opts):
            assert option in shown, (context.command_path, option)


def test_a_page_loads_nothing_from_elsewhere(site, pages):
    from_outside = [
        f"{path.name}: {target}"
        for path, page in pages.items()
        for target in page.loaded
        if urlsplit(target).scheme not in ("", "data") or urlsplit(target).netloc
    ]
    from_outside += [
        f"{sheet.name}: {found}"
        for sheet in site.rglob("*.css")
        for found in re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//[^)\s]+", sheet.read_text(encoding="utf-8"))
    ]
    assert not from_outside


def test_formulas_are_written_out_and_need_no_script(site):
    text = (site / "reference" / "numbers.html").read_text(encoding="utf-8")
    assert "<math" in text and "mathjax" not in text.lower()


@pytest.mark.parametrize("name", WAYS_IN)
def test_a_way_in_offers_its_executed_notebook(name, site, pages):
    (link,) = {one for one in pages[site / "start" / f"{name}.html"].links if one.endswith(".ipynb")}
    notebook = json.loads((site / "start" / link).read_text(encoding="utf-8"))
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 5 and all(cell["execution_count"] for cell in cells)
    kinds = {kind for cell in cells for output in cell["outputs"] for kind in output.get("data", {})}
    assert kinds & {"image/png", "image/svg+xml"}


def test_the_search_finds_what_people_look_for_in_a_copied_folder(site, chromium):
    page = chromium.new_page()
    for words, expected in SOUGHT.items():
        page.goto(f"{(site / 'search.html').as_uri()}?q={words.replace(' ', '+')}")
        page.wait_for_selector("#search-results .search-summary:not(:empty)")
        page.wait_for_function("!/Searching|Preparing/.test(document.querySelector('#search-results').innerText)")
        found = page.eval_on_selector_all("#search-results li a", "links => links.slice(0, 10).map(link => link.href)")
        assert any(f"/{expected}.html" in link for link in found), (words, found)
    page.close()
