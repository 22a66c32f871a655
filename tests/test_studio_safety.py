"""What comes from outside: names in messages, links, files that unpack to far more, connections that only hold a place."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import io
import json
import socket
import time
import zipfile
from urllib.parse import urlsplit

import numpy as np
import pytest

from browser import open_studio, wait
from mdn_studio import limits, server
from mdn_studio.folder import Folder
from mdn_studio.studio import Studio
from tabs import Room, Tab
from test_studio import ask, tab

pytestmark = [pytest.mark.jax, pytest.mark.project]
SECRET = "what must stay outside"


@pytest.fixture(scope="module", name="folder")
def _folder(tmp_path_factory):
    return tmp_path_factory.mktemp("around") / "studio"


@pytest.fixture(scope="module", name="room")
def _room(folder):
    opened = Room(folder, *server.PAGES)
    yield opened
    opened.close()


# ---- names -----------------------------------------------------------------------------------------------------------

# Each message in which a name of a file comes, with the field that holds it
NAMES = {
    "draw.about": ("network", {}),
    "draw.bring": ("file", {}),
    "draw.ghosts": ("network", {"component_temperature": 1.0, "variance_temperature": 1.0, "seed": 0}),
    "draw.join": ("sheet", {"by": "p"}),
    "draw.train": ("title", {"latent": False, "classes": False}),
    "play.begin": (
        "model",
        {"mode": "useronly", "silence": 1.0, "component_temperature": 1.0, "variance_temperature": 1.0},
    ),
    "play.replay": ("name", {}),
    "play.export": ("name", {}),
    "play.remove": ("name", {}),
    "table.look": ("file", {"roles": {}}),
    "table.discard": ("file", {}),
    "table.open": ("model", {}),
    "table.row": ("model", {"number": 0}),
    "table.fit": ("out", {"file": "t.csv", "roles": {"y": "target"}, "effort": "quick", "calibrate": False}),
    "write.about": ("network", {}),
    "write.recorded": ("session", {}),
    "write.train": ("session", {"title": "mine"}),
    "jobs.log": ("job", {}),
    "jobs.forget": ("job", {}),
    "jobs.stop": ("job", {}),
}
OUTSIDE = [
    "../secret", "../secret.txt", "..", ".", "/etc/passwd", "{secret}", ".studio/token", "a/../../secret.txt", "..\\secret.txt",
    "\x00", "secret.txt\x00.csv", "~/x", "con", "../secret.svg", "uploads/../../secret.txt", "",
]  # fmt: skip


def test_every_message_with_a_text_is_looked_at_here(tmp_path):
    """A new message with a name in it must come into `NAMES`, or into this list of texts that are no names of files."""
    words = {
        "draw.ink", "draw.more", "draw.take", "draw.keep", "draw.svg", "draw.way", "draw.forget", "table.whatif",
        "table.predict", "table.code", "table.progress", "write.text", "write.svg", "write.keep", "dream.begin", "dream.anew",
        "dream.who", "dream.keys", "lecture.stop", "play.set",
    }  # fmt: skip
    studio = Studio(Folder(tmp_path), server.PAGES)
    takes_text = set()
    for kind, method in studio.answers.items():
        for field in method.__code__.co_varnames[2 : method.__code__.co_argcount + method.__code__.co_kwonlyargcount]:
            with contextlib.suppress(ValueError):
                method.rule({field: "a"}, "")
                takes_text.add(kind)
    for page in studio.pages.values():
        page.close()
    assert takes_text <= set(NAMES) | words, takes_text - set(NAMES) - words


@pytest.mark.parametrize("kind", NAMES)
def test_no_name_in_a_message_reaches_out_of_the_folder(room, folder, kind):
    secret = folder.parent / "secret.txt"
    secret.write_text(SECRET)
    (folder / "uploads").mkdir(exist_ok=True)
    (folder / "uploads" / "t.csv").write_text("a,y\n" + "".join(f"{i},{i * i % 7}\n" for i in range(40)))
    before = sorted(str(path) for path in folder.parent.iterdir())
    field, others = NAMES[kind]
    one = Tab()
    if kind.startswith("draw.") and kind != "draw.join":
        room.ask(one, "draw.join", sheet="names", by="p")
    refused = []
    for name in OUTSIDE:
        try:
            said = json.dumps(room.ask(one, kind, **others, **{field: name.format(secret=secret)}))
        except (ValueError, OSError) as error:
            said = str(error)
            refused.append(name)
        assert SECRET not in said and len(said) > 15
    assert {one for one in OUTSIDE if "secret" in one or "/" in one} <= set(refused)
    assert sorted(str(path) for path in folder.parent.iterdir()) == before and secret.read_text() == SECRET


LINKED = {
    "table.look": ("uploads/away.csv", {"file": "away.csv", "roles": {}}),
    "table.discard": ("uploads/away.csv", {"file": "away.csv"}),
    "table.open": ("away.mdn", {"model": "away.mdn"}),
    "draw.about": ("away.keras", {"network": "away.keras"}),
    "draw.join": (".studio/sheets/away.jsonl", {"sheet": "away", "by": "p"}),
    "draw.networks": ("drawings.ndjson", {}),
    "play.replay": ("performances/away.log", {"name": "away.log"}),
    "play.remove": ("performances/away.log", {"name": "away.log"}),
    "write.recorded": ("handwriting-away.json", {"session": "away"}),
}


@pytest.mark.parametrize("kind", LINKED)
def test_no_link_is_followed_whatever_asks_for_it(room, folder, kind):
    secret = folder.parent / "secret.txt"
    secret.write_text("a,y\n1,2\n" * 20)
    place, fields = LINKED[kind]
    link = folder / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(secret)
    try:
        with pytest.raises((ValueError, OSError), match="is a link, and the studio follows none"):
            room.ask(Tab(), kind, **fields)
        assert link.is_symlink() and secret.read_text() == "a,y\n1,2\n" * 20
    finally:
        link.unlink()


def test_a_link_in_place_of_a_folder_of_the_studio_is_not_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    with open_studio(tmp_path / "studio", pages=()) as printed:
        address = urlsplit(printed)
        (tmp_path / "studio" / "uploads").symlink_to(outside)
        status, _, body = ask(address, "/upload/t.csv", method="POST", body=b"a,b\n", Origin=f"http://{address.netloc}")
        assert status == 400 and "is a link" in json.loads(body)["sentence"] and not list(outside.iterdir())


# ---- files that unpack to far more ------------------------------------------------------------------------------------


def _zip(name="t.csv", line=b"0,0\n"):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, b"a,b\n" + line * (24 << 20))
    return packed.getvalue()


def _gz():
    return gzip.compress(b"a,b\n" + b"0,0\n" * (24 << 20))


def _xlsx():
    """A workbook whose one sheet is a hundred million bytes of nothing."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", '<workbook><sheets><sheet name="s" sheetId="1"/></sheets></workbook>')
        archive.writestr("xl/worksheets/sheet1.xml", b"<worksheet>" + b" " * (100 << 20) + b"</worksheet>")
    return packed.getvalue()


def _parquet():
    """Fifty million equal rows in a few kilobytes."""
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    packed = io.BytesIO()
    zeros = arrow.table({"a": np.zeros(10_000_000), "b": np.zeros(10_000_000)})
    with parquet.ParquetWriter(packed, zeros.schema, compression="zstd") as writer:
        for _ in range(5):
            writer.write_table(zeros, row_group_size=10_000_000)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("name", "made"), [("b.zip", _zip), ("b.csv.gz", _gz), ("b.xlsx", _xlsx), ("b.parquet", _parquet)]
)
def test_a_small_file_that_unpacks_to_far_more_gets_a_sentence(room, folder, name, made):
    content = made()
    assert len(content) < 2**20
    (folder / "uploads").mkdir(exist_ok=True)
    (folder / "uploads" / name).write_bytes(content)
    with pytest.raises(ValueError, match=r"times its size|more than [\d,]+ rows|no table|unpack") as refused:
        room.ask(Tab(), "table.look", file=name, roles={})
    assert str(folder) not in str(refused.value)
    (folder / "uploads" / name).unlink()


# ---- connections that only hold a place -------------------------------------------------------------------------------


@pytest.fixture(scope="module", name="address")
def _address(tmp_path_factory):
    with open_studio(tmp_path_factory.mktemp("slow"), pages=()) as address:
        yield urlsplit(address)


def _closed(one, seconds=20.0) -> bool:
    """Whether the server ends a connection."""
    one.settimeout(seconds)
    with contextlib.suppress(ConnectionResetError):
        while one.recv(65536):
            pass
    return True


def _cookie(address):
    return f"mdn-studio-{address.port}={address.query.removeprefix('token=')}"


@pytest.mark.parametrize(
    "first", ["", "GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n"], ids=["at once", "after a request"]
)
def test_a_head_that_comes_letter_by_letter_is_closed(address, monkeypatch, first):
    """Letters that keep coming do not put the end off."""
    monkeypatch.setattr(limits, "HEAD_SECONDS", 0.6)
    with socket.create_connection((address.hostname, address.port)) as one:
        one.sendall(first.format(port=address.port).encode())
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            for letter in "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: " + "x" * 1000:
                one.sendall(letter.encode())
                time.sleep(0.05)
                if time.monotonic() - begun > 20:
                    pytest.fail("the connection is still open")
        assert _closed(one)
    assert ask(address, "/")[0] == 200


def test_an_upload_that_drips_has_an_end(address, monkeypatch):
    monkeypatch.setattr(limits, "UPLOAD_SECONDS", 0.8)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=20)
    with contextlib.closing(connection):
        connection.putrequest("POST", "/upload/slow.csv")
        headers = {"Cookie": _cookie(address), "Origin": f"http://{address.netloc}", "Content-Length": "100000"}
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        begun = time.monotonic()
        with contextlib.suppress(OSError):
            while time.monotonic() - begun < 3:
                connection.send(b"x")
                time.sleep(0.05)
        answer = connection.getresponse()
        assert answer.status == 400 and "came to a stop" in json.loads(answer.read())["sentence"]


def test_four_hundred_idle_connections_leave_room_for_a_page(address, monkeypatch):
    """They are closed in time; a tab that is open already does not notice them."""
    monkeypatch.setattr(limits, "HEAD_SECONDS", 1.0)
    with tab(address) as calm, contextlib.ExitStack() as stack:
        idle = [
            stack.enter_context(socket.create_connection((address.hostname, address.port), timeout=20))
            for _ in range(400)
        ]
        calm.send(json.dumps({"kind": "jobs.log", "id": 3, "job": "x"}))
        assert json.loads(calm.recv(20))["id"] == 3
        assert all(_closed(one) for one in idle)
        wait(lambda: ask(address, "/")[0] == 200)
