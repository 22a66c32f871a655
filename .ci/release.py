"""Checks what `make dist` built, as users will install it: `make release-check` runs this. It needs nothing but Python.

    python .ci/release.py [3.11 3.12]     on these versions; without any, on all that are supported

On every supported Python that this machine has, the wheel goes into an empty environment, and `mdn` runs there, outside the
source tree. The part of CHANGELOG.md about this version becomes build/release/notes.md, the message of the tag.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def supported(project: dict) -> list[str]:
    """The versions of Python that the classifiers of a project name, such as "3.11"."""
    named = re.compile(r"Programming Language :: Python :: (3\.\d+)")
    return [found[1] for line in project["classifiers"] if (found := named.fullmatch(line))]


def interpreter(version: str, places: list[Path]) -> Path | None:
    """A Python of a version: the first of the candidates that runs and says that it is one; None if there is none.

    Args:
        version: Such as "3.12".
        places: Folders that have a folder for each version, such as those of pyenv and uv.
    """
    named = shutil.which(f"python{version}")
    candidates = [Path(named)] if named else []
    for place in places:
        candidates += sorted(place.glob(f"*{version}.*/bin/python{version}"), reverse=True)
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    for candidate in candidates:
        ran = subprocess.run([candidate, "-c", ask], capture_output=True, text=True)
        if ran.returncode == 0 and ran.stdout.strip() == version:
            return candidate
    return None


def managed() -> list[Path]:
    """Where pyenv and uv keep the Pythons that they install."""
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv"))
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR", home / ".local" / "share" / "uv" / "python"))
    return [pyenv / "versions", uv]


def notes(changelog: str, version: str) -> tuple[str, bool]:
    """The part of a changelog about a version, and whether its heading has a date, `## 0.1.0 (2026-01-31)`.

    Args:
        changelog: The text of CHANGELOG.md.
        version: Such as "0.1.0".
    Raises:
        ValueError: If no heading names the version, or nothing stands below it.
    """
    parts = re.split(r"^## +", changelog, flags=re.MULTILINE)[1:]
    for part in parts:
        heading, _, text = part.partition("\n")
        if heading.split()[0].strip("[]") == version:
            if not text.strip():
                raise ValueError(f"CHANGELOG.md says nothing below its heading `{heading}`.")
            return text.strip() + "\n", bool(re.search(r"\d{4}-\d{2}-\d{2}", heading))
    raise ValueError(f"CHANGELOG.md has no heading `## {version} (DATE)`: write what changed below one.")


def tried(python: Path, wheel: Path, folder: Path, version: str) -> str:
    """What is wrong with a wheel on one Python; "" if nothing is.

    Args:
        python: The interpreter.
        wheel: The file.
        folder: A folder for the environment and all that is written; it is emptied first.
        version: What `mdn --version` must begin with.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    inside = folder / "env" / "bin"
    # neither the source tree nor what the user has installed may help
    clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "KERAS_BACKEND")}
    clean |= {"PYTHONNOUSERSITE": "1", "KERAS_HOME": str(folder)}
    install = [inside / "python", "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    steps = {
        "venv": [python, "-m", "venv", folder / "env"],
        "pip install": [*install, "-c", ROOT / "constraints.txt", wheel],
        "pip check": [inside / "python", "-m", "pip", "--disable-pip-version-check", "check"],
        "mdn --version": [inside / "mdn", "--version"],
        "mdn demo --quick": [inside / "mdn", "demo", "--quick", "--out", "demo.html"],
    }
    for name, step in steps.items():
        ran = subprocess.run(step, cwd=folder, env=clean, capture_output=True, text=True)
        if ran.returncode:
            return f"`{name}` ended with exit code {ran.returncode}:\n{(ran.stdout + ran.stderr)[-2000:]}"
        if name == "mdn --version" and not ran.stdout.startswith(f"mdn {version}"):
            return f"`mdn --version` printed {ran.stdout!r} in place of `mdn {version}`."
    return "" if "<img" in (folder / "demo.html").read_text(encoding="utf-8") else "demo.html has no picture."


def main() -> int:
    """Prints a line for each Python; the exit code is 1 if something is wrong."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    version, build = project["version"], ROOT / "build" / "release"
    (wheel,) = (ROOT / "dist").glob(f"mdn-{version}-*.whl")
    failed, found = 0, 0
    for name in sys.argv[1:] or supported(project):
        python = interpreter(name, managed())
        if python is None:
            print(f"Python {name}: not on this machine, so not tried", flush=True)
            continue
        found, start = found + 1, time.monotonic()
        wrong = tried(python, wheel, build / name, version)
        failed += bool(wrong)
        print(f"Python {name}: {wrong or 'installed, and the demo ran'} ({time.monotonic() - start:.0f} s)", flush=True)
        if not wrong:
            shutil.rmtree(build / name)
    if not found:
        print("No supported Python was found, so nothing was tried.")
        return 1
    text, dated = notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), version)
    (build / "notes.md").write_text(text, encoding="utf-8")
    print(f"build/release/notes.md: what CHANGELOG.md says of {version}, {len(text.splitlines())} lines")
    if not dated:
        print(f"Before the tag: give the heading of {version} in CHANGELOG.md its date.")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
