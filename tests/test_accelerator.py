"""benchmarks/accelerator.py is ready for a machine with a GPU: its small version runs on what that machine will have."""

import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.project
ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "benchmarks" / "accelerator.py"
WITH_JAX = {"jax", "jaxlib", "numpy", "scipy", "ml_dtypes", "opt_einsum"}  # and what it needs
# Runs the script where nothing else that is installed can be imported
RUN = """
import runpy, sys
from importlib.metadata import packages_distributions
allowed, *sys.argv = sys.argv[1:]
hidden = {name for name, of in packages_distributions().items() if not {one.lower() for one in of} & set(allowed.split())}

class Hidden:
    def find_spec(name, path, target=None):
        if name.partition(".")[0] in hidden:
            raise ModuleNotFoundError(f"no module {name!r} on that machine", name=name)

sys.meta_path.insert(0, Hidden)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def wheels():
    """What `make accelerator-wheels` collects."""
    makefile = (ROOT / "Makefile").read_text()
    return re.search(r"^ON_ACCELERATOR := ((?:.*\\\n)*.*)$", makefile, re.MULTILINE)[1].replace("\\\n", " ").split()


def test_the_small_version_runs_all_parts_on_what_the_wheels_hold():
    allowed = " ".join(name.lower() for name in [*wheels(), *WITH_JAX, "mdn"])
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "KERAS_BACKEND": "jax"}
    command = [sys.executable, "-c", RUN, allowed, str(SCRIPT), "--small"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "torch is missing: left out" in ran.stdout
    figures = {name: ran.stdout.count(name) for name in (" ms a call", " us a step", " ms a step of", "test NLL")}
    assert min(figures.values()) >= 1 and figures[" us a step"] >= 2, ran.stdout
    assert float(re.search(r"test NLL (\S+);", ran.stdout)[1]) < 3.0


def test_without_an_accelerator_one_sentence_says_so(monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(SCRIPT)])
    with pytest.raises(SystemExit, match="JAX finds no accelerator here, only a CPU"):
        runpy.run_path(str(SCRIPT), run_name="__main__")
