"""The registry of data sets, against a server on loopback: checksums, broken downloads, folders, and the commands."""

import gc
import hashlib
import http.server
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from typer.testing import CliRunner

import mdn_cli
from mdn import files
from mdn.data import find, registry, where
from mdn.data.registry import DATA_SETS, DataSet, Origin

pytestmark = pytest.mark.project

CONTENT = np.random.default_rng(0).bytes(100_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


ASKED = []


class Publisher(http.server.BaseHTTPRequestHandler):
    """Sends CONTENT for most names."""

    def do_GET(self):
        ASKED.append(self.path)
        if "missing" in self.path:
            return self.send_error(404)
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        sent = {"/wrong": CONTENT[::-1], "/cut": CONTENT[:60_000]}.get(self.path, CONTENT)
        self.wfile.write(sent)
        return None

    def log_message(self, *_):
        pass


@pytest.fixture(name="origin")
def _origin(tmp_path, monkeypatch):
    """The address of a publisher, and a registry of one set whose origin it is."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    files = {name: Origin(f"{address}/{name}", SHA256) for name in ("good", "wrong", "cut", "missing")}
    files["nobody"] = Origin("http://127.0.0.1:9/nobody", SHA256)  # the port of "discard": nothing listens there
    one = DataSet("toys", "toys", "CC0", "the publisher", files, ("split.json",), {".toy": f"{address}/words/{{}}"})
    monkeypatch.setattr(registry, "DATA_SETS", (one,))
    monkeypatch.setenv("MDN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MDN_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "*")
    ASKED.clear()
    yield address
    server.shutdown()
    server.server_close()
    gc.collect()  # sockets that are left to it are found here, where a test says that this is no fault of its own


def left(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_file_is_fetched_once_and_held_to_its_checksum(origin, tmp_path):
    shares = []
    assert where("toys", "good") is None
    path = find("toys", "good", shares.append)
    assert path == tmp_path / "cache" / "toys" / "good" == where("toys", "good")
    assert path.read_bytes() == CONTENT
    assert shares[-1] == 1.0 and shares == sorted(shares)
    assert find("toys", "good") == path and ASKED == ["/good"]
    path.write_bytes(CONTENT[:500])  # a cache that was cut or changed is fetched anew
    assert find("toys", "good").read_bytes() == CONTENT and len(ASKED) == 2


def test_a_download_that_was_killed_is_swept_by_the_next(origin, tmp_path):
    """Fault 6 of issue 18: what a kill -9 left of a download stayed for ever."""
    folder = tmp_path / "cache" / "toys"
    folder.mkdir(parents=True)
    (folder / f".good.{files._host()}-{os.getpid()}-1-0").write_bytes(CONTENT[:60_000])
    assert left(find("toys", "good").parent) == [folder / "good"]


BROKEN = {
    "wrong": (ValueError, r"what http://.*/wrong sent is not wrong: its SHA-256 does not begin with"),
    "cut": (OSError, r"cannot fetch http://.*/cut: the download broke off\. A copy of yours"),
    "missing": (OSError, r"cannot fetch http://.*/missing: the origin answers 404 Not Found\."),
    "nobody": (OSError, r"cannot fetch http://127.*: the origin can't be reached from here\."),
}


# a connection that was refused leaves urllib3's socket to the garbage collector
refused = pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")


@refused
@pytest.mark.parametrize("file", BROKEN)
def test_what_goes_wrong_is_said_in_a_sentence_and_leaves_nothing(file, origin, tmp_path):
    error, message = BROKEN[file]
    with pytest.raises(error, match=message) as raised:
        find("toys", file)
    assert "\n" not in str(raised.value)
    assert not left(tmp_path / "cache") and where("toys", file) is None


@refused
def test_without_a_published_checksum_the_first_download_is_the_measure(origin, tmp_path):
    path = find("toys", "ice cream.toy")
    assert ASKED == ["/words/ice%20cream.toy"]
    assert path.with_name("ice cream.toy.sha256").read_text().strip() == SHA256
    path.write_bytes(b"changed")
    assert find("toys", "ice cream.toy").read_bytes() == CONTENT
    path.unlink()
    path.with_name("ice cream.toy.sha256").write_text("0" * 64)  # as if the publisher had sent another file at first
    with pytest.raises(ValueError, match="the origin has changed"):
        find("toys", "ice cream.toy")
    with pytest.raises(OSError, match="404"):
        find("toys", "missing.toy")


def test_a_folder_of_ones_own_comes_first_and_is_taken_as_it_is(origin, tmp_path, monkeypatch):
    own = tmp_path / "own" / "toys"
    own.mkdir(parents=True)
    (own / "good").write_bytes(b"mine")
    monkeypatch.setenv("MDN_DATA", str(tmp_path / "own"))
    assert find("toys", "good") == own / "good" and not ASKED
    with pytest.raises(
        FileNotFoundError, match=r"toys/split\.json is not published as it is \(source: the publisher\)"
    ):
        find("toys", "split.json")
    (own / "split.json").write_text("{}")
    assert find("toys", "split.json") == own / "split.json"
    monkeypatch.setenv("MDN_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=r"MDN_DATA names .*nowhere', but there is no such folder"):
        find("toys", "good")


def test_a_split_beside_a_file_is_taken_unless_the_user_names_another(tmp_path, monkeypatch):
    monkeypatch.setenv("MDN_DATA", str(tmp_path))
    (tmp_path / "robojam").mkdir()
    path = tmp_path / "robojam" / "TinyPerformanceArrays.npz"
    path.write_bytes(b"")
    asked = "robojam", path.name
    assert registry.find_with_split(*asked) == (path, None)
    (beside := path.with_name("split.json")).write_text("{}")
    assert registry.find_with_split(*asked) == (path, beside)
    assert registry.find_with_split(*asked, "mine.json") == (path, "mine.json")


@pytest.mark.parametrize("file", ["bad", "../../etc.toy", "a/b.toy", ".toy", "good.exe"])
def test_names_that_are_none_are_refused(file, origin):
    with pytest.raises(
        ValueError, match=r"the data set 'toys' has no file .*; it has good, .*, split\.json, WORD\.toy"
    ):
        find("toys", file)
    with pytest.raises(ValueError, match="there is no data set 'toy'; there are toys"):
        find("toy", file)


def test_the_commands_list_fetch_and_say_where(origin, tmp_path, monkeypatch):
    def run(*arguments):
        return CliRunner().invoke(mdn_cli.app, ["data", *arguments], env={"COLUMNS": "200", "NO_COLOR": "1"})

    ran = run("list")
    assert ran.exit_code == 0 and "toys" in ran.stdout and "not fetched" in ran.stdout
    ran = run("path", "toys", "good")
    assert ran.exit_code == 2 and "mdn data fetch toys fetches it." in ran.output
    ran = run("fetch", "toys", "good", "cat.toy")
    assert ran.exit_code == 0, ran.output
    assert "cat.toy has no published checksum" in ran.stderr
    expected = [str(tmp_path / "cache" / "toys" / name) for name in ("good", "cat.toy")]
    assert [line for line in ran.stdout.split("\n") if line.strip()] == expected
    assert run("path", "toys", "good").stdout.split() == expected[:1]
    assert "part in " in run("list").stdout
    ran = run("fetch", "toys")  # all of it: the second file is wrong
    assert ran.exit_code == 2 and "sent is not wrong" in ran.output and "Traceback" not in ran.output


def test_the_registry_needs_no_keras():
    code = (
        "import importlib.util, sys, types, pathlib\n"
        "package = types.ModuleType('mdn'); package.__path__ = [str(pathlib.Path(sys.argv[1]) / 'mdn')]\n"
        "sys.modules['mdn'] = package\n"
        "import mdn.data\n"
        "heavy = {'keras', 'jax', 'torch', 'tensorflow', 'pooch', 'requests'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    src = os.path.dirname(os.path.abspath(mdn_cli.__file__))
    ran = subprocess.run([sys.executable, "-c", code, src], env=os.environ | {"PYTHONPATH": src}, capture_output=True)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.data
def test_the_checksums_are_those_of_the_files(data_folder, monkeypatch):
    monkeypatch.setenv("MDN_DATA", str(data_folder))
    for one in DATA_SETS:
        for file, origin in one.files.items():
            assert hashlib.sha256(find(one.name, file).read_bytes()).hexdigest() == origin.sha256, file
        for file in one.local:
            assert find(one.name, file).is_file()


def test_every_data_set_says_what_it_is():
    assert len({one.name for one in DATA_SETS}) == len(DATA_SETS)
    for one in DATA_SETS:
        assert one.what and one.licence and one.source and (one.files or one.local)
        assert all(origin.url.startswith("https://") and len(origin.sha256) == 64 for origin in one.files.values())
