"""What README.md, docs/ and chapters show is run; see pages.py."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pages

ROOT = Path(__file__).resolve().parent.parent
PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))]
PAGES += sorted(
    path.relative_to(ROOT).as_posix() for path in (ROOT / "src" / "mdn" / "applications").glob("*/README.md")
)

pytestmark = pytest.mark.project


@pytest.fixture(scope="module", name="server")
def _server():
    """Runs pages in processes that have imported neither Keras nor mdn."""
    # a newcomer has chosen no backend
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
        "MPLBACKEND": "Agg",
        "COLUMNS": "120",
    }
    command = [sys.executable, str(ROOT / "tests" / "pages.py"), "--serve"]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        yield server


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_runs(server, page, tmp_path):
    if not any(block.runs for block in pages.blocks(ROOT / page)):
        return
    said = tmp_path / "said.txt"
    asked = {"page": str(ROOT / page), "home": str(tmp_path), "said": str(said)}
    server.stdin.write(json.dumps(asked) + "\n")
    server.stdin.flush()
    code = server.stdout.readline().strip()
    assert code == "0", f"{page} does not run:\n{said.read_text()[-6000:]}"


def test_a_block_that_is_not_run_says_why():
    silent = [
        f"{page}:{block.line}"
        for page in PAGES
        for block in pages.blocks(ROOT / page)
        if block.words[:1] == ("no-run",) and len(block.words) < 3
    ]
    assert not silent


def test_the_readme_has_an_example_in_python_and_one_on_the_command_line():
    languages = {block.language for block in pages.blocks(ROOT / "README.md") if block.runs}
    assert {"python", "console"} <= languages


def test_blocks_are_found_with_their_line_and_exempted_by_a_word(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "# Title\n```python\na = 1\n```\n```python no-run\n1 / 0\n```\n```console\n$ mdn fit \\\n  'a b'\nout\n```\n"
    )
    first, second, third = pages.blocks(page)
    assert (first.text, first.line, first.runs) == ("a = 1\n", 3, True)
    assert not second.runs
    assert list(pages.commands(third.text)) == [["fit", "a b"]]
