"""What README.md, docs/ and chapters show is run; see pages.py."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import pages

ROOT = Path(__file__).resolve().parent.parent
CHAPTERS = ("jam",)  # whose page runs in seconds, but for what it exempts
PAGES = ["README.md", *sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))]
PAGES += [f"src/mdn/applications/{chapter}/README.md" for chapter in CHAPTERS]

pytestmark = pytest.mark.project


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_runs(page, tmp_path):
    # a newcomer has chosen no backend
    environment = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    environment |= {
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
        "KERAS_HOME": str(tmp_path),
        "MPLBACKEND": "Agg",
        "COLUMNS": "120",
    }
    ran = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "pages.py"), str(ROOT / page)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=600,
    )
    assert ran.returncode == 0, f"{page} does not run:\n{ran.stdout[-6000:]}"


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
