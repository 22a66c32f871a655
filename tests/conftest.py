"""Real data for the tests marked `data`; at the end of a run the matrix family × method of `test_contract_matrix.py`."""

from __future__ import annotations

import gc
import itertools
import os
import signal
import sys
from pathlib import Path

import pytest

pytest_plugins = ("spent",)
pytest.register_assert_rewrite("contract", "gradients")

# A shell that runs something in the background has Ctrl-C ignored there, and children inherit that: here it is tested.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# JAX makes millions of small objects while it traces, and few circles: looking for those took an eighth of the time.
gc.set_threshold(500_000, 20, 100)

BLOCK = 8  # columns side by side
MOST_MAPS = 30_000  # of memory; where JAX forgets what it compiled
LOOK_EVERY = 20  # tests; they make fewer maps than Linux allows beyond those


@pytest.fixture(name="table_of")
def _table_of(tmp_path):
    """Reads a table from text or bytes: `table_of(content, name="t.csv", **settings)`, in `table_of.folder`."""
    from mdn.data import read_table

    def table_of(content, name="t.csv", **settings):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_table(path, **settings)

    table_of.folder = tmp_path
    return table_of


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of real data that MDN_DATA names; the test is skipped, and says so, where there is none."""
    folder = os.environ.get("MDN_DATA", "")
    if not folder:
        pytest.skip("needs real data: set MDN_DATA to their folder")
    return Path(folder)


@pytest.fixture(scope="session")
def chromium():
    """A browser for all tests of a process; see `browser.py`."""
    from browser import browsing

    with browsing() as one:
        yield one


@pytest.fixture(scope="module", name="client")
def _client():
    """A client of a Dask cluster of two worker processes, for modules where warnings are no errors."""
    distributed = pytest.importorskip("distributed")
    from pages import patient_clusters

    patient_clusters()
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client
    gc.collect()  # sockets that the cluster leaves open are found here


@pytest.fixture(autouse=True, scope="module")
def module_begins_anew():
    """What the models of a module are made from does not depend on the modules before it."""
    _begin_anew()


@pytest.fixture(autouse=True)
def test_begins_anew(module_begins_anew):
    """What a test draws, and the names that Keras makes up for it, do not depend on the tests before it."""
    _begin_anew()


def _begin_anew():
    import keras
    from keras.src.backend.common import global_state

    keras.utils.set_random_seed(0)
    names = global_state.get_global_attribute("object_name_uids")
    if names is not None:
        names.clear()


_tests_run = itertools.count(1)


@pytest.fixture(autouse=True)
def compiled_programs_forgotten():
    """Each program that XLA compiled takes memory maps, of which Linux allows a process 65,530: then it is killed."""
    yield
    if next(_tests_run) % LOOK_EVERY:
        return
    maps = Path("/proc/self/maps")
    if "jax" in sys.modules and maps.exists() and maps.read_bytes().count(b"\n") > MOST_MAPS:
        sys.modules["jax"].clear_caches()
        gc.collect()


@pytest.fixture
def fast_epochs(monkeypatch):
    """For tests whose epochs compute for longer than they take to compile: `make test` optimises no program otherwise."""
    from mdn.training import step

    monkeypatch.setattr(step, "COMPILER_OPTIONS", {"xla_backend_optimization_level": 1})


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem):
    """A press of Ctrl-C that its test did not expect fails that test; it would end the whole run, as the reader's own does."""
    try:
        return (yield)
    except KeyboardInterrupt:
        if pyfuncitem.path.stem != "test_interrupt":
            raise
        pytest.fail("Ctrl-C was raised where the test did not expect it")


# What takes longest begins first, so that no worker waits for the other in the end.
LONGEST_FIRST = (
    "test_readme",
    "test_tabular",
    "test_sketch",
    "test_sequences",
    "test_saving",
    "test_layer",
    "test_readers",
    "test_slides",
    "test_handwriting",
    "test_resume",
    "test_contract_matrix",
    "test_training",
    "test_extremes",
    "test_losses",
    "test_robot",
    "test_world_see",
    "test_cluster",
    "test_origin",
    "test_triangular",
    "test_cli",
    "test_far_parameters",
)


@pytest.hookimpl(tryfirst=True)  # before xdist looks for the groups
def pytest_collection_modifyitems(items):
    """Tests that share what is dear to make run on one worker: all methods of one entry of the catalogue, or one module."""

    def group(item):
        name = item.path.stem
        if name == "test_readme":
            return item.nodeid
        return item.callspec.params["name"] if name == "test_contract_matrix" else name

    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    places = {name: place for place, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: places.get(item.path.stem, len(places)))


def pytest_terminal_summary(terminalreporter):
    cells = {}
    for outcome in ("passed", "failed", "error", "skipped", "xfailed", "xpassed"):
        for report in terminalreporter.stats.get(outcome, []):
            for key, value in getattr(report, "user_properties", []):
                if key == "matrix":
                    family, method, kind = value
                    cells[family, method] = kind if outcome == "passed" else outcome.upper()
    if not cells:
        return
    # The order of the definitions, whichever worker came first; imported only now, after the backend is chosen.
    import keras

    from catalogue import ENTRIES
    from contract import CHECKS

    families = [name for name in ENTRIES if any(family == name for family, _ in cells)]
    methods = [name for name in CHECKS if any(method == name for _, method in cells)]
    label = max(map(len, families))
    write = terminalreporter.write_line
    terminalreporter.section(f"family × method on {keras.backend.backend()}")
    for start in range(0, len(methods), BLOCK):
        block = methods[start : start + BLOCK]
        widths = [max(len(method), len("ValueError")) + 2 for method in block]
        write(" " * label + "".join(m.rjust(w) for m, w in zip(block, widths, strict=True)))
        for family in families:
            row = (cells.get((family, method), "not run").rjust(w) for method, w in zip(block, widths, strict=True))
            write(family.ljust(label) + "".join(row))
        write("")
    count = {kind: sum(cell == kind for cell in cells.values()) for kind in sorted(set(cells.values()))}
    write(f"{keras.backend.backend()}: " + ", ".join(f"{number} {kind}" for kind, number in count.items()))
