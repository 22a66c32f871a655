"""What a release consists of. Tests of built archives run in `make dist`, which names their folder in MDN_DIST."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VERSION = PROJECT["version"]
PACKAGES = ("mdn", "mdn_commands", "mdn_studio")

pytestmark = pytest.mark.project


@pytest.fixture(name="release", scope="module")
def _release():
    """The script .ci/release.py."""
    spec = importlib.util.spec_from_file_location("release", ROOT / ".ci" / "release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# ---- the script ------------------------------------------------------------------------------------------------------


def test_the_supported_pythons_are_those_of_the_classifiers_and_begin_with_the_oldest_that_installs(release):
    versions = release.supported(PROJECT)
    assert PROJECT["requires-python"] == f">={versions[0]}"
    assert versions == [f"3.{minor}" for minor in range(11, 11 + len(versions))]


def test_a_python_is_found_where_it_runs_and_says_that_it_is_of_that_version(release, tmp_path, monkeypatch):
    version = "{}.{}".format(*sys.version_info)
    shim = tmp_path / "shims" / f"python{version}"  # as pyenv has them for versions that are not switched on
    shim.parent.mkdir()
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(shim.parent), prepend=os.pathsep)
    other = tmp_path / "versions" / f"cpython-{version}.0-linux" / "bin" / f"python{version}"
    other.parent.mkdir(parents=True)
    assert release.interpreter(version, [tmp_path / "versions"]) is None
    other.symlink_to(sys.executable)
    assert release.interpreter(version, [tmp_path / "versions"]) == other
    assert release.interpreter("3.99", [tmp_path / "versions"]) is None


def test_the_notes_of_a_release_are_its_part_of_the_changelog(release):
    changelog = "# Changelog\n\n## 0.2.0 (unreleased)\n\n### Added\n\n- two\n\n## 0.1.0 (2026-01-31)\n\n- one\n"
    assert release.notes(changelog, "0.2.0") == ("### Added\n\n- two\n", False)
    assert release.notes(changelog, "0.1.0") == ("- one\n", True)
    with pytest.raises(ValueError, match=r"## 0\.3\.0 \(DATE\)"):
        release.notes(changelog, "0.3.0")
    text, _ = release.notes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), VERSION)
    assert "### Added" in text and "### Numbers changed" in text


# ---- the archives ----------------------------------------------------------------------------------------------------


@pytest.fixture(name="dist", scope="module")
def _dist() -> Path:
    folder = os.environ.get("MDN_DIST", "")
    if not folder:
        pytest.skip("`make dist` builds the archives and runs this")
    return Path(folder)


@pytest.fixture(name="committed", scope="module")
def _committed() -> set[str]:
    """The files that git has, or would have after `git add .`."""
    command = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git, to know which files belong to the project")
    return {name for name in listed.split("\0") if name and (ROOT / name).is_file()}


def test_there_is_one_archive_of_the_source_and_one_wheel_for_every_python_and_platform(dist):
    assert sorted(path.name for path in dist.iterdir()) == [f"mdn-{VERSION}-py3-none-any.whl", f"mdn-{VERSION}.tar.gz"]


def test_the_archive_of_the_source_has_what_git_has_and_nothing_else(dist, committed):
    with tarfile.open(dist / f"mdn-{VERSION}.tar.gz") as archive:
        members = archive.getmembers()
    assert all(member.isfile() or member.isdir() for member in members)  # no link leads out of it
    top = f"mdn-{VERSION}/"
    files = {member.name.removeprefix(top) for member in members if member.isfile()}
    made = {"PKG-INFO", "setup.cfg"}
    made |= {name for name in files if name.startswith("src/mdn.egg-info/")}
    assert files - made == committed
    assert not any(
        re.search(r"(^|/)(shared|\.venv|__pycache__|\.pytest_cache|build|dist|site)(/|$)", name) for name in files
    )


def test_the_wheel_has_the_files_of_the_packages_and_nothing_else(dist, committed):
    with zipfile.ZipFile(dist / f"mdn-{VERSION}-py3-none-any.whl") as archive:
        files = set(archive.namelist())
        metadata = archive.read(f"mdn-{VERSION}.dist-info/METADATA").decode()
        entries = archive.read(f"mdn-{VERSION}.dist-info/entry_points.txt").decode()
    info = {name for name in files if name.startswith(f"mdn-{VERSION}.dist-info/")}
    source = {name.removeprefix("src/") for name in committed if name.startswith("src/")}
    # the chapters' READMEs are pages of the site
    needed = {name for name in source if not name.endswith("README.md")}
    assert files - info == needed
    assert {name.partition("/")[0] for name in needed} == {*PACKAGES, "mdn_cli.py"}
    assert f"mdn-{VERSION}.dist-info/licenses/LICENSE" in info
    assert "mdn = mdn_cli:main" in entries
    assert f"Requires-Python: {PROJECT['requires-python']}" in metadata and "License-Expression: MIT" in metadata
