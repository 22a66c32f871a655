"""The studio's server: who is let in, names and uploads, messages, and trainings as jobs."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import http.client
import json
import os
import random
import signal
import socket
import threading
import warnings
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from browser import open_studio, wait
from mdn_studio import jobs as studio_jobs
from mdn_studio import limits, locks, server
from mdn_studio.folder import Folder
from mdn_studio.models import Loaded
from mdn_studio.page import Page
from mdn_studio.refused import Refused
from mdn_studio.session import _MISTAKE, Session
from tabs import run

pytestmark = pytest.mark.project


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory):
    return tmp_path_factory.mktemp("studio")


@pytest.fixture(scope="module", name="address")
def _address(folder):
    with open_studio(folder, pages=("lecture",)) as address:
        yield urlsplit(address)


def ask(address, path, *, token=True, method="GET", body=None, **headers):
    """Status, headers and body of one request, with the token in a cookie."""
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    kept = address.query.removeprefix("token=")
    given = {"Cookie": f"mdn-studio-{address.port}={kept}"} if token else {}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    with contextlib.closing(connection):
        connection.request(method, path, body=body, headers=given)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()


@contextlib.contextmanager
def tab(address, **headers):
    """A socket of a tab, after its greeting."""
    kept = address.query.removeprefix("token=")
    headers = {"Cookie": f"mdn-studio-{address.port}={kept}", **headers}
    with connect(f"ws://{address.netloc}/socket", additional_headers=headers, origin=f"http://{address.netloc}") as one:
        assert json.loads(one.recv(60))["kind"] == "studio.hello"
        yield one


def answer_to(one, text):
    one.send(text if isinstance(text, str | bytes) else json.dumps(text))
    return json.loads(one.recv(20))


# ---- who is let in ---------------------------------------------------------------------------------------------------


def test_an_address_with_the_token_gets_a_cookie_and_is_left_for_one_without_it(address):
    for path, after in (("/", "/"), ("/draw", "/draw"), ("//evil.example/x", "/evil.example/x")):
        status, headers, body = ask(address, f"{path}?{address.query}", token=False)
        assert (status, headers["location"], body) == (303, after, b"")
        assert "HttpOnly" in headers["set-cookie"] and "SameSite=Lax" in headers["set-cookie"]
    status, headers, body = ask(address, "/")
    assert status == 200 and b"mdn studio" in body and "set-cookie" not in headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
    assert headers["referrer-policy"] == "no-referrer" and headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("path", "changes", "said"),
    [
        ("/", {"token": False}, "token"),
        ("/?token=" + "0" * 32, {"token": False}, "token"),
        ("/static/studio.js", {"token": False}, "token"),
        ("/", {"Host": "evil.example:{port}"}, "does not answer to the name"),
        ("/", {"Host": "127.0.0.1:1"}, "does not answer to the name"),
        ("/", {"Host": "127.0.0.1.evil.example:{port}"}, "does not answer to the name"),
        ("/", {"Host": "192.0.2.7:{port}"}, "does not answer to the name"),
        ("/", {"Origin": "http://evil.example"}, "came from another one"),
        ("/", {"Origin": "null"}, "came from another one"),
        ("/upload/a.csv", {"method": "POST", "body": "a"}, "came from another one"),
        ("/upload/a.csv", {"method": "POST", "body": "a", "Origin": "http://localhost:1"}, "came from another one"),
    ],
)
def test_a_request_without_the_token_or_from_elsewhere_is_refused(address, path, changes, said):
    changes = {k: v.format(port=address.port) if k == "Host" else v for k, v in changes.items()}
    status, _, body = ask(address, path, **changes)
    assert status == 403 and said in body.decode()


@pytest.mark.parametrize("fault", ["origin", "none", "token"])
def test_a_socket_without_the_token_or_from_another_page_is_refused(address, fault):
    kept = address.query.removeprefix("token=")
    cookie = {} if fault == "token" else {"Cookie": f"mdn-studio-{address.port}={kept}"}
    origin = {"origin": "http://evil.example", "none": None}.get(fault, f"http://{address.netloc}")
    with (
        pytest.raises(InvalidStatus, match="403"),
        connect(f"ws://{address.netloc}/socket", additional_headers=cookie, origin=origin),
    ):
        pass


def test_a_browser_is_opened_by_an_address_that_works_once(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(server.webbrowser, "open", opened.append)
    with open_studio(tmp_path, pages=(), browser=True) as printed:
        wait(lambda: opened)
        assert printed.partition("token=")[2] not in opened[0]
        one = urlsplit(opened[0])
        for elsewhere in ({"Host": "evil.example:1"}, {"Origin": "http://evil.example"}):
            assert ask(one, f"/?{one.query}", token=False, **elsewhere)[0] == 403  # and the address still works
        status, headers, _ = ask(one, f"/?{one.query}", token=False)
        assert status == 303 and printed.partition("token=")[2] in headers["set-cookie"]
        assert ask(one, f"/?{one.query}", token=False)[0] == 403


def test_the_token_is_kept_for_the_next_server_and_only_for_its_owner(folder, address):
    path = Path(folder, ".studio", "token")
    assert path.read_text().strip() == address.query.removeprefix("token=")
    assert path.stat().st_mode & 0o077 == 0


def test_small_messages_leave_at_once():
    """Nagle's algorithm is off, which asyncio asks for on sockets whose protocol is named."""
    with (
        server.listen("127.0.0.1", 0) as listening,
        socket.create_connection(listening.getsockname()),
        listening.accept()[0] as accepted,
    ):
        assert accepted.proto == socket.IPPROTO_TCP


def test_a_head_that_never_ends_is_closed_and_others_are_answered_meanwhile(address, monkeypatch):
    monkeypatch.setattr(limits, "HEAD_SECONDS", 0.5)
    slow = [socket.create_connection((address.hostname, address.port)) for _ in range(20)]
    for one in slow:
        one.sendall(b"GET / HTTP/1.1\r\nHost: x")
    assert ask(address, "/")[0] == 200
    for one in slow:
        one.settimeout(10)
        assert one.recv(100) == b""
        one.close()


# ---- names and uploads -----------------------------------------------------------------------------------------------

PATHS = [
    "../token",
    "..%2ftoken",
    "%2e%2e%2f.studio%2ftoken",
    ".studio",
    "a/../../b",
    "%00",
    "a%00.csv",
    "con",
    "a\\b",
    ".x",
    "~",
    "%2fetc%2fpasswd",
]


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("route", ["files", "view", "upload", "static"])
def test_no_name_reaches_out_of_the_folder(folder, address, name, route):
    before = sorted(str(path) for path in Path(folder).parent.rglob("*"))
    origin = {"Origin": f"http://{address.netloc}", "method": "POST", "body": "x"} if route == "upload" else {}
    status, _, body = ask(address, f"/{route}/{name.replace(chr(92), '%5c')}", **origin)
    assert status in (400, 404, 405) and address.query.removeprefix("token=") not in body.decode(errors="replace")
    assert sorted(str(path) for path in Path(folder).parent.rglob("*")) == before


def test_a_link_is_not_followed(folder, address, tmp_path):
    (tmp_path / "secret.txt").write_text("secret")
    Path(folder, "link.txt").symlink_to(tmp_path / "secret.txt")
    for route in ("files", "view"):
        status, _, body = ask(address, f"/{route}/link.txt")
        assert status == 404 and b"secret" not in body.replace(b"secret.txt", b"")
    Path(folder, "link.txt").unlink()


def test_an_upload_is_kept_under_a_fresh_name_and_comes_back_whole(folder, address):
    origin = f"http://{address.netloc}"
    content = os.urandom(300_000)
    for wanted in ("my table (1).csv", "my table (1) 2.csv"):
        status, _, body = ask(
            address, f"/upload/{quote('my table (1).csv')}", method="POST", body=content, Origin=origin
        )
        assert status == 200 and json.loads(body) == {"name": wanted}
        assert Path(folder, "uploads", wanted).read_bytes() == content


def test_an_upload_that_is_too_large_or_stops_is_refused_and_leaves_nothing(folder, address, monkeypatch):
    monkeypatch.setattr(limits, "UPLOAD_BYTES", 1000)
    monkeypatch.setattr(limits, "UPLOAD_PAUSE", 0.3)
    origin, before = f"http://{address.netloc}", sorted(Path(folder).glob("uploads/*"))
    status, _, body = ask(address, "/upload/b.csv", method="POST", body=b"x" * 2000, Origin=origin)
    assert status == 400 and "larger than" in json.loads(body)["sentence"]
    status, _, body = ask(address, "/upload/b.csv", method="POST", body=iter([b"x" * 400] * 5), Origin=origin)
    assert status == 400 and "larger than" in json.loads(body)["sentence"]
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    connection.putrequest("POST", "/upload/b.csv")
    cookie = f"mdn-studio-{address.port}={address.query.removeprefix('token=')}"
    for name, value in {"Cookie": cookie, "Origin": origin, "Content-Length": "900"}.items():
        connection.putheader(name, value)
    connection.endheaders(b"x" * 100)
    answer = connection.getresponse()
    assert answer.status == 400 and "came to a stop" in json.loads(answer.read())["sentence"]
    connection.close()
    assert sorted(Path(folder).glob("uploads/*")) == before
    assert not list(Path(folder).glob("uploads/.*"))  # nor a hidden part of one


def test_names_that_are_no_files_are_refused(tmp_path):
    place = Folder(tmp_path / "new" / "studio")
    for name in ("", ".", "..", "a/b", "a\\b", "NUL.txt", "x" * 101, "a..b", " a", "a\n", "a ", "-a", "🎨"):
        with pytest.raises(Refused, match="is no name for a file here"):
            place.place(name)
    with pytest.raises(Refused, match="there is no file"):
        place.find("nothing.csv")
    assert place.fresh("ü é.csv").name == "ü é.csv"


def test_models_in_memory_are_few_and_the_one_that_nobody_asked_for_goes_first(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MODELS", 2)
    read, kept = [], Loaded()

    def of(name):
        return kept.of(tmp_path / name, lambda path: read.append(path.name) or len(read))

    for name in "abc":
        (tmp_path / name).write_text(name)
    assert [of("a"), of("b"), of("a"), of("c"), of("a")] == [1, 2, 1, 3, 1]
    assert of("b") == 4 and read == ["a", "b", "c", "b"]
    os.utime(tmp_path / "b", ns=(1, 1))
    assert of("b") == 5 and of("a") == 1
    (tmp_path / "a").unlink()
    with pytest.raises(FileNotFoundError):
        of("a")


# ---- messages --------------------------------------------------------------------------------------------------------

MALFORMED = [
    "", "x", "{", "[]", "null", "3", '"text"', "{}", '{"kind": 3}', '{"kind": null}', '{"kind": "nothing"}',
    '{"kind": "jobs.nothing"}', '{"kind": "jobs.stop"}', '{"kind": "jobs.stop", "job": 3}',
    '{"kind": "jobs.stop", "job": "../x"}',
    '{"kind": "jobs.stop", "job": "x", "y": 1}', '{"kind": "jobs.log", "id": -1, "job": "x"}',
    '{"kind": "jobs.log", "id": 1e400, "job": "x"}', '{"kind": "jobs.log", "id": "a", "job": "x"}',
    '{"kind": "jobs.log", "job": NaN}', '{"kind": "jobs.log", "job": Infinity}', '{"kind": "jobs.log", "job": [[[[]]]]}',
    "[" * 20_000, '{"kind": "jobs.log", "job": "\\ud800"}', '{"kind": "jobs.log", "job": {"a": 1}}', '{"kind": "__class__"}',
    '{"kind": "studio.hello"}', '{"kind": "jobs.begin"}', '{"kind": "' + "x" * 10_000 + '"}', b"\x00\xff",
]  # fmt: skip


def test_a_thousand_malformed_messages_of_thirty_kinds_get_a_sentence_each_and_disturb_nobody(
    address, capfd, monkeypatch
):
    monkeypatch.setattr(limits, "MESSAGES", 100_000)
    assert len(MALFORMED) == 30
    with tab(address) as calm, tab(address) as wild:
        for one in random.Random(0).choices(MALFORMED, k=1000):
            got = answer_to(wild, one)
            assert got["kind"] == "error" and got["sentence"].endswith((".", "`", "?"))
        assert "no such training" in answer_to(calm, {"kind": "jobs.log", "id": 3, "job": "x"})["sentence"]
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("megabytes", [2, 50])
def test_a_message_beyond_the_limit_closes_its_own_socket_only(address, megabytes):
    with tab(address) as calm, tab(address) as wild:
        with contextlib.suppress(ConnectionClosed):
            wild.send(json.dumps({"kind": "jobs.log", "job": "x" * megabytes * 2**20}))
        with pytest.raises(ConnectionClosed):
            wild.recv(20)
        assert wild.close_code in (1009, 1006)  # the second if the server hung up while we were still sending
        assert answer_to(calm, {"kind": "jobs.log", "id": 3, "job": "x"})["id"] == 3


def test_too_many_messages_are_left_out_with_a_sentence(address, monkeypatch):
    monkeypatch.setattr(limits, "MESSAGES", 20)
    with tab(address) as one:
        for number in range(100):
            one.send(json.dumps({"kind": "jobs.log", "id": number, "job": "x"}))
        said = [json.loads(one.recv(20))["sentence"] for _ in range(100)]
    assert (
        sum("messages a second" in one for one in said) >= 70 and sum("no such training" in one for one in said) >= 20
    )


def test_more_tabs_than_the_limit_are_refused_with_a_sentence(address, monkeypatch):
    monkeypatch.setattr(limits, "SOCKETS", 1)
    with tab(address), pytest.raises(ConnectionClosed) as closed, tab(address):
        pass
    assert closed.value.rcvd.code == 4429 and "tabs are open already" in closed.value.rcvd.reason


def test_a_tab_that_does_not_read_is_closed_and_holds_up_nobody(address, monkeypatch):
    """What was sent to it waited in the socket, and with it the watch over all trainings."""
    monkeypatch.setattr(limits, "UNSENT", 200_000)
    monkeypatch.setattr(limits, "MESSAGES", 100_000)
    monkeypatch.setattr(limits, "WAITING", 100_000)
    with tab(address) as calm:
        kept = address.query.removeprefix("token=")
        cookie = {"Cookie": f"mdn-studio-{address.port}={kept}"}
        origin = f"http://{address.netloc}"
        with connect(
            f"ws://{address.netloc}/socket", additional_headers=cookie, origin=origin, max_queue=1, close_timeout=0.1
        ) as deaf:
            with contextlib.suppress(ConnectionClosed, OSError):
                for _ in range(20_000):
                    deaf.send(json.dumps({"kind": "jobs.log", "id": 1, "job": "x" * 100}))
            assert answer_to(calm, {"kind": "jobs.log", "id": 3, "job": "x"})["id"] == 3


_TYPED = {"network": "handwriting", "text": "a", "paper": "", "style": "", "bias": 0.7, "seed": 0, "plain": False}
_WARMTH = {"component_temperature": 1.0, "variance_temperature": 1.0}
_LINE = {"text": "a", "writer": "me", "strokes": [[[0, 0, 0], [9, 9, 20]]]}
SLOW = {
    "draw": (
        ("draw.ghosts", {"network": "quickdraw", "seed": 0, **_WARMTH}),
        [
            ("draw.clear", {}), ("draw.undo", {}), ("draw.keep", {"word": "line"}), ("draw.networks", {}),
            ("draw.svg", {"what": "sheet"}),
        ],
    ),
    "write": (
        ("write.text", _TYPED),
        [
            ("write.keep", {"session": "s", "place": 0, "line": _LINE}), ("write.recorded", {"session": "s"}),
            ("write.networks", {}),
        ],
    ),
    "play": (("play.begin", {"model": "m", "mode": "useronly", "silence": 1.0, **_WARMTH}), [("play.kept", {})]),
}  # fmt: skip


def test_work_whose_tab_is_gone_before_it_began_leaves_nothing_behind_and_errors_are_said_and_logged(caplog):
    async def fails(error):
        raise error

    async def beside():
        session = Session(None, {})
        for work in (asyncio.sleep(9), fails(ValueError("three is too many."))):
            session.start(work).cancel()  # as when a message and the end of its socket are read in one go
        session.start(fails(ValueError("two is too few.")))
        session.start(fails(KeyError("x")))
        await asyncio.sleep(0.01)
        return [json.loads(said) for said in session._outbox], session._tasks

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        said, tasks = asyncio.run(beside())
        gc.collect()  # "coroutine ... was never awaited" came here
    assert [one["sentence"] for one in said] == ["two is too few.", _MISTAKE] and not tasks
    assert "KeyError: 'x'" in caplog.text and "ValueError" not in caplog.text


@pytest.mark.parametrize("page", SLOW)
def test_what_a_person_keeps_does_not_wait_for_a_network_that_is_read(tmp_path, monkeypatch, page):
    """After a cold start "Clear" and "Keep" did nothing for half a minute, and then all at once."""
    read, (slow, quick) = threading.Event(), SLOW[page]

    async def compute(self, function, *args, **options):
        await asyncio.to_thread(read.wait, 60)
        raise Refused("the network is read now.")

    monkeypatch.setattr(Page, "compute", compute)
    with open_studio(tmp_path, pages=(page,)) as printed, tab(urlsplit(printed)) as one:
        try:
            if page == "draw":
                answer_to(one, {"kind": "draw.join", "id": 1, "sheet": "s", "by": "p"})  # tells who is there first
                ink = {"stroke": "a", "start": 0, "points": [[1, 1, 0.5], [90, 90, 0.5]]}
                one.send(json.dumps({"kind": "draw.ink", "id": 2, **ink}))
                while json.loads(one.recv(20)).get("id") != 2:
                    pass
            one.send(json.dumps({"kind": slow[0], "id": 9, **slow[1]}))
            for number, (kind, fields) in enumerate(quick, 10):
                found = answer_to(one, {"kind": kind, "id": number, **fields})
                while "id" not in found:
                    found = json.loads(one.recv(20))
                assert (found["kind"], found["id"]) == (kind, number), found
        finally:
            read.set()
        assert json.loads(one.recv(20)) == {"kind": "error", "id": 9, "sentence": "the network is read now."}


# ---- jobs ------------------------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _ordinary_priority(monkeypatch):
    """A busy machine would let trainings of low priority starve."""
    monkeypatch.setattr(studio_jobs, "_PRIORITY", "0")


class _Alone:
    """A studio for its jobs only."""

    def __init__(self, folder):
        self.folder, self.told = Folder(folder), []

    async def tell_all(self, kind, **fields):
        self.told.append((kind, fields))


def until(job, *states, seconds=180):
    """Waits until a job is in one of some states, or has a note where none is named."""
    wait(lambda: (job.look(), job.state in states)[1], seconds)


def table(folder, rows=400):
    rng = random.Random(0)
    lines = [f"{(x := rng.random()):.4f},{x * 3 + rng.gauss(0, 0.1):.4f}" for _ in range(rows)]
    Path(folder).mkdir(exist_ok=True)
    Path(folder, "t.csv").write_text("\n".join(["a,y", *lines]))


FIT = ["fit", "t.csv", "--target", "y", "--out", "t.mdn", "--components", "1"]


def test_a_killed_training_is_started_again_and_ends_in_a_file_of_the_command_line(tmp_path):
    table(tmp_path)
    first = run(studio_jobs.Jobs(_Alone(tmp_path)).add("table", "My table", FIT, "t.mdn"))
    first.start()
    until(first, "running")
    progress = Path(first.folder, "progress.jsonl")
    wait(lambda: progress.exists() and '"figure"' in progress.read_text(), 180)  # in the middle of it
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.wait()
    again = studio_jobs.Job(first.folder)  # as a new server finds it
    again.state = "running"
    until(again, "waiting")
    assert again.about["again"] == 1
    again.start()
    until(again, "done")
    again.process.wait()
    assert Path(tmp_path, "t.mdn").exists() and again.share == 1.0
    shown = again.shown()
    assert shown["command"].startswith("mdn fit t.csv") and shown["title"] == "My table"
    lines = [json.loads(line) for line in Path(again.folder, "progress.jsonl").read_text().splitlines()]
    assert all(0.0 <= line["share"] <= 1.0 for line in lines)
    assert lines[0] == {
        "share": 0.0,
        "note": "reading",
    }  # the bar stood at 100 % while the network had not learnt anything
    assert sum("figure" in line for line in lines) >= 5  # the curve of held-out losses, which the page draws


def test_a_training_that_fails_says_the_sentence_of_its_command(tmp_path):
    jobs = studio_jobs.Jobs(_Alone(tmp_path))
    missing = ["fit", "nothing.csv", "--target", "y"]
    job = run(jobs.add("table", "Nothing", missing, "n.mdn"))
    with pytest.raises(Refused, match=r"making 'n.mdn' already"):
        run(jobs.add("table", "Nothing", missing, "n.mdn"))
    job.start()
    until(job, "failed")
    job.process.wait()
    assert "there is no file 'nothing.csv'" in job.note
    other = run(jobs.add("table", "Later", FIT, "t.mdn"))
    other.stop()
    assert other.state == "stopped" and other.note == "stopped before anything was learnt."
    assert [one["job"] for one in jobs.shown()] == [other.id, job.id]


def test_a_training_is_stopped_once_whoever_presses_again_and_is_not_started_anew(tmp_path):
    """A second Ctrl-C would lose what was learnt; a stop during the first imports left no word, and the job began again."""
    job = run(studio_jobs.Jobs(_Alone(tmp_path)).add("table", "Mine", FIT, "t.mdn"))
    table(tmp_path)
    job.start()
    signals = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(studio_jobs.os, "kill", lambda pid, number: signals.append(number))
        for _ in range(3):
            job.stop()
    assert signals == [signal.SIGINT]
    job.process.kill()
    job.process.wait()
    until(job, "stopped")
    assert job.note == "stopped before anything was learnt." and not job.shown()["made"]
    again = studio_jobs.Job(job.folder)
    again.state = "running"
    again.look()
    assert again.state == "stopped"


def test_a_training_whose_data_cannot_be_written_is_none_and_its_name_is_free_again(tmp_path):
    jobs = studio_jobs.Jobs(_Alone(tmp_path))

    async def full():
        with pytest.raises(Refused, match=r"making 't.mdn' already"):
            await jobs.add("table", "Twice", FIT, "t.mdn")
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space"):
        run(jobs.add("table", "Mine", FIT, "t.mdn", full))
    assert not jobs.jobs and not list(jobs.folder.iterdir())
    job = run(jobs.add("table", "Mine", FIT, "t.mdn"))
    (job.folder / "log.txt").write_bytes(b"\xff" * 100 + b"x" * 50_000 + b"the end")
    said = run(jobs.log(None, job.id))["text"]
    assert said.endswith("xthe end") and len(said) == 20_000


def test_a_job_runs_once_although_two_servers_start_it(tmp_path):
    folder = tmp_path / ".studio" / "jobs" / "1-a"
    folder.mkdir(parents=True)
    lock = locks.take(folder / "lock")
    assert locks.holder(folder / "lock") == os.getpid() and locks.take(folder / "lock") is None
    (folder / "job.json").write_text(
        json.dumps({"page": "p", "title": "t", "command": ["--help"], "out": "o", "created": 1.0})
    )
    job = studio_jobs.Job(folder)
    job.start()
    assert job.process.wait(60) == 0 and not (folder / "ended.json").exists()
    job.look()
    assert job.state == "running"
    lock.close()
    assert locks.holder(folder / "lock") == 0


def test_a_second_studio_on_one_folder_is_refused(folder, address):
    with pytest.raises(OSError, match="another studio has the folder"):
        server.serve(folder, 0, browser=False)


def test_an_address_with_too_many_fields_is_refused_without_a_traceback(address, capfd):
    assert ask(address, "/?" + "&".join("a=1" for _ in range(50)), token=False)[0] == 403
    assert "Traceback" not in capfd.readouterr().err
