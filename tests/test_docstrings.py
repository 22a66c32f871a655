"""Public docstrings: every argument and every error is named, and the examples run."""

import doctest
import importlib
import importlib.util
import inspect
import pkgutil
import re

import keras
import pytest

import mdn
from mdn.applications.chapter import CHAPTERS

pytestmark = [pytest.mark.jax, pytest.mark.project]

ROOMS = [
    "mdn", "mdn.data", "mdn.doctor", "mdn.drawing", "mdn.sequences", "mdn.training", "mdn.plots", "mdn.metrics", "mdn.layers",
    "mdn.losses", "mdn.distributions", "mdn.distributions.bijections", "mdn.applications.chapter",
    *(f"mdn.applications.{name}" for name in (*CHAPTERS, "slides", "world")),
]  # fmt: skip
OF_KERAS = (keras.Model, keras.layers.Layer, keras.losses.Loss, keras.metrics.Metric)


def public_functions():
    """(name, function) of each public function and method, but for those that Keras calls and documents."""
    found = {}
    for room in map(importlib.import_module, ROOMS):
        for name in getattr(room, "__all__", None) or [name for name in vars(room) if not name.startswith("_")]:
            thing = getattr(room, name)
            members = [(name, thing)]
            if inspect.isclass(thing):
                bases = [base for base in OF_KERAS if issubclass(thing, base)]
                members = [
                    (f"{name}.{member}", getattr(value, "__func__", value))
                    for member, value in inspect.getmembers(thing)
                    if not member.startswith("_")
                    and member not in ("get_config", "from_config")
                    and (member == "fit" or not any(hasattr(base, member) for base in bases))
                ]
            for label, function in members:
                if inspect.isfunction(function) and inspect.unwrap(function).__module__.startswith("mdn"):
                    function = inspect.unwrap(function)
                    found[function.__module__, function.__qualname__] = (label, function)
    return [found[key] for key in sorted(found)]


def test_every_public_function_names_its_arguments_and_its_errors():
    functions = public_functions()
    assert len(functions) > 250
    missing = []
    for label, function in functions:
        text = inspect.getdoc(function) or ""
        arguments = [name for name in inspect.signature(function).parameters if name not in ("self", "cls")]
        if not text:
            missing.append(f"{label}: no docstring")
        if len(arguments) > 1 and "Args:" not in text:
            missing.append(f"{label}: no Args")
        code = inspect.getsource(function)
        if (
            re.search(r"^\s+raise \w", code, re.MULTILINE)
            and "NotImplementedError" not in code
            and "Raises:" not in text
        ):
            missing.append(f"{label}: no Raises")
    assert not missing, "\n".join(missing)


# What a fitted model or an open connection answers with, the parts of chapters, and what takes a minute to show: their pages
# of the site have examples.
WITHOUT_EXAMPLE = {
    "mdn.data": {
        "Handwriting",
        "read_handwriting",
        "read_object_arrays",
        "write_handwriting",
        "write_table",
        "writing_table",
    },
    "mdn.layers": {"FeatureScaling", "TargetScaling"},
    "mdn.losses": {"DistributionLoss", "align", "step_weights", "target_array"},
    "mdn.exporting": {"Comparison", "compare", "describe", "player"},
    "mdn.plots": {"importances", "partial_dependence"},
    "mdn.sequences": {"Stream"},
    "mdn.tabular": {"Dependence", "Importances", "Scores"},
}


@pytest.mark.parametrize(
    "room", [room for room in ROOMS if ".applications" not in room] + ["mdn.tabular", "mdn.exporting"]
)
def test_every_public_name_of_the_library_has_an_example(room):
    module = importlib.import_module(room)
    written_here = [name for name, value in vars(module).items() if getattr(value, "__module__", None) == room]
    public = {
        name: getattr(module, name) for name in getattr(module, "__all__", written_here) if not name.startswith("_")
    }
    lacking = {
        name
        for name, value in public.items()
        if (inspect.isclass(value) or inspect.isfunction(value)) and ">>>" not in (inspect.getdoc(value) or "")
    }
    assert lacking == WITHOUT_EXAMPLE.get(room, set())


def modules_with_examples():
    for found in pkgutil.walk_packages(mdn.__path__, "mdn."):
        spec = importlib.util.find_spec(found.name)
        if ">>>" in (spec.loader.get_source(found.name) or ""):
            yield found.name


@pytest.mark.parametrize("name", sorted(modules_with_examples()))
def test_the_examples_of_docstrings_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    options = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    result = doctest.testmod(importlib.import_module(name), optionflags=options)
    assert result.attempted and not result.failed
