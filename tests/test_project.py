"""The project keeps its own promises: versions, pins, pages, and what an import costs."""

import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mdn

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

pytestmark = pytest.mark.project


def fresh(code: str, home: Path, **environment: str) -> object:
    """What `code` prints as JSON, in a new process with no Keras backend chosen and an empty home of Keras."""
    inherited = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    inherited |= {"KERAS_HOME": str(home), "PYTHONPATH": str(ROOT / "src"), **environment}
    ran = subprocess.run([sys.executable, "-c", code], env=inherited, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout.splitlines()[-1])


def project_files() -> list[Path]:
    """Every file that is, or would be, committed; where git is missing, every file of the folders that are ours."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        paths = [ROOT / name for name in listed.split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        ours = (ROOT / name for name in ("src", "tests", "docs", "benchmarks", ".ci"))
        paths = [*ROOT.glob("*"), *(path for folder in ours for path in folder.rglob("*"))]
        paths = [path for path in paths if path.suffix != ".pyc" and ".egg-info" not in str(path)]
    return [path for path in paths if path.is_file()]


# ---- versions and pins -----------------------------------------------------------------------------------------------


def test_one_version_everywhere():
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert cited is not None
    assert mdn.__version__ == PROJECT["version"] == cited[1].strip("\"'")


def test_the_changelog_speaks_of_this_version_and_of_numbers_that_changed():
    headings = [
        line for line in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8").splitlines() if line.startswith("##")
    ]
    assert any(PROJECT["version"] in heading for heading in headings)
    assert "### Numbers changed" in headings


def test_every_requirement_is_pinned_to_a_version_that_it_allows():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins: dict[str, str] = {}
    for pin in (Requirement(line) for line in lines if line and not line.startswith("#")):
        assert [clause.operator for clause in pin.specifier] == ["=="], (
            f"constraints.txt: {pin} is not an exact version"
        )
        if pin.marker is None or pin.marker.evaluate():
            assert canonicalize_name(pin.name) not in pins, f"constraints.txt pins {pin.name} twice"
            pins[canonicalize_name(pin.name)] = next(iter(pin.specifier)).version
    extras = PROJECT["optional-dependencies"].values()
    for requirement in map(Requirement, [*PROJECT["dependencies"], *(line for extra in extras for line in extra)]):
        version = pins.get(canonicalize_name(requirement.name))
        assert version is not None, f"constraints.txt does not pin {requirement.name}"
        assert version in requirement.specifier, f"constraints.txt: {requirement.name}=={version} is not {requirement}"


# ---- what a stranger finds -------------------------------------------------------------------------------------------

STRAY = {
    "an absolute path of one machine": re.compile(r"(?<![\w.:/~$})-])/(?:root|home|work|Users|opt)/\w"),
    "a host of a package registry": re.compile(r"pypi\.org|python[h]osted\.org|download\.py[t]orch\.org|[-]-index-url"),
}


def test_no_file_names_a_path_of_one_machine_or_a_host_of_a_registry():
    found = [
        f"{path.relative_to(ROOT)}:{number}: {what}: {line.strip()[:100]}"
        for path in project_files()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="ignore").splitlines(), start=1)
        for what, pattern in STRAY.items()
        if pattern.search(line)
    ]
    assert not found, "\n".join(found)


LONGEST = 400  # lines of a module: a longer one has several jobs


def test_no_module_is_longer_than_400_lines():
    lines = {
        path.relative_to(ROOT / "src").as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in (ROOT / "src").rglob("*.py")
    }
    long = {name: count for name, count in lines.items() if count > LONGEST}
    assert len(lines) > 300 and not long, f"these modules are longer than {LONGEST} lines: {long}"


def test_endings_of_parquet_stand_in_one_module():
    modules = (ROOT / "src").rglob("*.py")
    assert [path.name for path in modules if '".pq"' in path.read_text(encoding="utf-8")] == ["endings.py"]


def test_the_walk_names_files_that_there_are_and_counts_them():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8").split("## A walk")[1].split("## Laws")[0]
    paths = [f"/{path.relative_to(ROOT / 'src').as_posix()}" for path in (ROOT / "src" / "mdn").rglob("*.py")]
    walks = re.findall(r"- \*\*(.*?)\*\*.*?, (\d+): (.*?)\.$", text, re.MULTILINE | re.DOTALL)
    assert len(walks) == 4
    for what, count, names in walks:
        named = re.findall(r"`([\w/]+)`", names)
        assert len(set(named)) == len(named) == int(count), what
        assert not [name for name in named if not any(path.endswith(f"/{name}.py") for path in paths)], what


def test_every_public_name_has_a_docstring_of_its_own():
    public = {name: getattr(mdn, name) for name in mdn.__all__ if name != "__version__"}
    bare = [
        name
        for name, value in public.items()
        if (inspect.isclass(value) or inspect.isroutine(value) or inspect.ismodule(value)) and not value.__doc__
    ]
    # a dataclass without a docstring is given its signature
    bare += [
        name
        for name, value in public.items()
        if inspect.isclass(value) and (value.__doc__ or "").startswith(name + "(")
    ]
    assert not bare


def test_links_between_pages_lead_somewhere():
    pages = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("*.md")]
    dead = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages
        for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
        if not target.startswith(("http:", "https:", "mailto:")) and not (page.parent / target).exists()
    ]
    assert not dead


# ---- what an import costs --------------------------------------------------------------------------------------------


def test_a_fresh_home_gets_jax_and_a_users_own_choice_stays(tmp_path):
    code = "import json, mdn, keras; print(json.dumps(keras.backend.backend()))"
    assert fresh(code, tmp_path / "first") == "jax"
    # the second time, Keras has written its keras.json, which says tensorflow
    assert fresh(code, tmp_path / "first") == "jax"
    assert fresh(code, tmp_path / "second", KERAS_BACKEND="numpy") == "numpy"


def test_importing_mdn_adds_no_heavy_package_to_importing_keras(tmp_path):
    code = "import json, keras, sys; old = set(sys.modules); import mdn; print(json.dumps([*set(sys.modules) - old]))"
    added = fresh(code, tmp_path, KERAS_BACKEND="jax")
    packages = {name.partition(".")[0] for name in added}
    assert not packages & {"matplotlib", "scipy", "typer", "click", "rich", "sklearn", "pandas", "torch", "tensorflow"}
    rooms = {".".join(name.split(".")[:2]) for name in added if name.startswith("mdn.")}
    assert not rooms & {"mdn.tabular", "mdn.sequences", "mdn.applications", "mdn.plots", "mdn.exporting"}


def test_importing_mdn_needs_neither_matplotlib_nor_typer(tmp_path):
    code = "import sys; sys.modules |= dict.fromkeys(['matplotlib', 'typer', 'click']); import mdn; print(0)"
    assert fresh(code, tmp_path) == 0


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_the_help_and_the_versions_of_the_command_line_import_no_keras(option, tmp_path):
    code = (
        "import json, sys, mdn_cli\n"
        f"sys.argv = ['mdn', {option!r}]\n"
        "try:\n    mdn_cli.main()\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code\n"
        "print(json.dumps([*sys.modules]))"
    )
    loaded = set(fresh(code, tmp_path))
    assert not loaded & {"mdn", "keras", "jax", "torch", "tensorflow", "numpy", "scipy", "matplotlib"}
