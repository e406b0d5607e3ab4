"""What the connector does with files, the same over every protocol."""

from __future__ import annotations

import asyncio
import base64
import os

import pytest

from zeebe_connectors.connectors.files.paths import numbered
from zeebe_connectors.testing import Complete, Fail


async def test_a_download_has_a_name_without_a_path(place):
    """A server of another kind takes names that are a path here, or that hide their ending."""
    for name, safe in (("a\\b.txt", "b.txt"), ("in\u202etxt.exe", "intxt.exe")):
        (place.home / name).write_bytes(b"x")
        done = await place.do("read", file=name)
        assert done["document"]["metadata"]["fileName"] == safe


async def test_write_and_read_in_every_form(place):
    data = os.urandom(300_000)
    document = await place.documents.create(data, name="x.bin")
    done = await place.do("write", directory="in", file="x.bin", content=dict(document.reference), makeFolders=True)
    assert (done["path"], done["name"], done["size"]) == ("in/x.bin", "x.bin", 300_000)
    assert (place.home / "in/x.bin").read_bytes() == data
    done = await place.do("read", directory="in/", file="/x.bin")
    assert (done["size"], done["document"]["metadata"]["fileName"]) == (300_000, "x.bin")
    assert await place.data(done["document"]) == data
    done = await place.do("read", directory="in", file="x.bin", readAs="base64")
    assert base64.b64decode(done["content"]) == data
    await place.do("write", file="t.txt", content="Zürich\r\nline\n", charset="latin-1")
    assert (place.home / "t.txt").read_bytes() == "Zürich\r\nline\n".encode("latin-1")
    assert (await place.do("read", file="t.txt", readAs="text", charset="latin-1"))["content"] == "Zürich\r\nline\n"
    await place.do("write", file="b", content=base64.b64encode(b"\0\r\n\xff").decode(), contentKind="base64")
    assert (place.home / "b").read_bytes() == b"\0\r\n\xff"
    await place.do("write", file="j.json", content={"a": [1, "ü"]})
    assert (place.home / "j.json").read_text() == '{"a": [1, "ü"]}'
    await place.do("write", file="empty", content="")
    assert (await place.do("read", file="empty", readAs="text"))["content"] == ""
    assert place.names() == ["b", "empty", "in/x.bin", "j.json", "t.txt"], "and no temporary file"


@pytest.mark.parametrize(
    "name", ["ü ß 漢.txt", "a b  c.txt", "-r", "[x]*.txt", 'it\'s "q".txt', "%41.txt", "a;b,c.txt"]
)
async def test_names_are_taken_as_they_are(place, name):
    await place.do("write", directory="d [1]", file=name, content="x", makeFolders=True)
    assert place.names() == [f"d [1]/{name}"]
    listed = await place.do("list", directory="d [1]")
    assert [one["name"] for one in listed["files"]] == [name]
    assert (await place.do("read", directory="d [1]", file=name, readAs="text"))["content"] == "x"
    await place.do("delete", directory="d [1]", file=name)
    assert place.names() == []


async def test_a_name_may_be_as_long_as_the_server_takes(place):
    """Also of letters that take several bytes each; the name that a file has on the way is no longer than its own."""
    name = "数" * 83 + ".txt"
    await place.do("write", file=name, content="1")
    assert place.names() == [name]


async def test_list(place):
    for name in ("a.csv", "b.csv", "c.txt", "sub/d.csv", "sub/deep/e.csv"):
        (place.home / name).parent.mkdir(parents=True, exist_ok=True)
        (place.home / name).write_text(name)
    os.utime(place.home / "a.csv", (1_767_323_045, 1_767_323_045))
    done = await place.do("list")
    assert [one["path"] for one in done["files"]] == ["a.csv", "b.csv", "c.txt"]
    assert not done["more"]
    first = done["files"][0]
    assert (first["size"], first["modified"], first["kind"]) == (5, "2026-01-02T03:04:05Z", "file")

    async def paths(**inputs):
        return [one["path"] for one in (await place.do("list", **inputs))["files"]]

    assert await paths(pattern="*.csv") == ["a.csv", "b.csv"]
    assert await paths(pattern=["b*", "c*"]) == ["b.csv", "c.txt"]
    assert await paths(maxDepth=2, pattern="*.csv") == ["a.csv", "b.csv", "sub/d.csv"]
    assert await paths(maxDepth=9, pattern="sub/*.csv") == ["sub/d.csv", "sub/deep/e.csv"]
    assert await paths(what="folders") == ["sub"]
    assert await paths(what="all", directory="sub") == ["sub/d.csv", "sub/deep"]
    done = await place.do("list", maxFiles=2)
    assert (len(done["files"]), done["more"]) == (2, True)
    assert (await place.do("list", directory="sub"))["path"] == "sub"
    fail = await place.fails("list", directory="nowhere")
    assert (fail.code, fail.retries) == ("FILES_NOT_FOUND", 0)


async def test_what_happens_to_a_file_that_is_there(place):
    await place.do("write", file="a.tar.gz", content="1")
    fail = await place.fails("write", file="a.tar.gz", content="2", ifExists="fail")
    assert (fail.code, fail.retries) == ("FILES_EXISTS", 0)
    assert (await place.do("write", file="a.tar.gz", content="3"))["path"] == "a.tar.gz"
    assert (await place.do("write", file="a.tar.gz", content="4", ifExists="number"))["path"] == "a (2).tar.gz"
    assert (await place.do("write", file="a.tar.gz", content="5", ifExists="number"))["path"] == "a (3).tar.gz"
    texts = {name: (place.home / name).read_text() for name in place.names()}
    assert texts == {"a.tar.gz": "3", "a (2).tar.gz": "4", "a (3).tar.gz": "5"}


async def test_a_further_try_takes_the_same_number(place):
    await place.do("write", file="a.txt", content="1")
    for _ in range(3):
        assert (await place.do("write", file="a.txt", content="2", ifExists="number", key=77))["name"] == "a (2).txt"
    assert place.names() == ["a (2).txt", "a.txt"]


async def test_append_adds_once_for_each_job(place):
    await place.do("append", file="log", content="one\n", key=1)
    await place.do("append", file="log", content="two\n", key=2)
    await place.do("append", file="log", content="two\n", key=2)
    assert (place.home / "log").read_text() == "one\ntwo\n"
    (place.home / "log").write_text("one\ntw")  # as after a cut
    assert (await place.do("append", file="log", content="two\n", key=2))["size"] == 8
    assert (place.home / "log").read_text() == "one\ntwo\n"


async def test_move_rename_and_copy(place):
    await place.do("write", file="a.txt", content="1")
    done = await place.do("move", file="a.txt", targetDirectory="done/2026", makeFolders=True, key=5)
    assert (done["path"], place.names()) == ("done/2026/a.txt", ["done/2026/a.txt"])
    again = await place.do("move", file="a.txt", targetDirectory="done/2026", makeFolders=True, key=5)
    assert again["path"] == "done/2026/a.txt", "a further try finds it there"
    fail = await place.fails("move", file="a.txt", targetDirectory="done/2026")
    assert (fail.code, fail.retries) == ("FILES_NOT_FOUND", 0)
    done = await place.do("rename", directory="done/2026", file="a.txt", targetFile="b.txt")
    assert done["path"] == "done/2026/b.txt"
    done = await place.do("copy", directory="done/2026", file="b.txt", targetFile="c.txt")
    assert (done["path"], done["size"]) == ("done/2026/c.txt", 1)
    await place.do("write", file="x", content="x")
    fail = await place.fails("copy", file="x", targetDirectory="done/2026", targetFile="c.txt", ifExists="fail")
    assert fail.code == "FILES_EXISTS"
    fail = await place.fails("move", file="x", targetDirectory="done/2026", targetFile="c.txt", ifExists="fail")
    assert fail.code == "FILES_EXISTS"
    done = await place.do("move", file="x", targetDirectory="done/2026", targetFile="c.txt")
    assert (place.home / "done/2026/c.txt").read_text() == "x"
    assert place.names() == ["done/2026/b.txt", "done/2026/c.txt"]
    await place.do("move", directory="done", targetDirectory="", targetFile="old")
    assert place.names() == ["old/2026/b.txt", "old/2026/c.txt"]


async def test_folders(place):
    assert not (await place.do("makeFolder", directory="a/b/c"))["exists"]
    assert (await place.do("makeFolder", directory="a/b/c"))["exists"]
    assert (place.home / "a/b/c").is_dir()
    await place.do("write", directory="a/b", file="x", content="x")
    fail = await place.fails("removeFolder", directory="a")
    assert (fail.code, fail.retries) == ("FILES_NOT_EMPTY", 0)
    await place.do("removeFolder", directory="a/b/c")
    assert not (place.home / "a/b/c").exists()
    await place.do("removeFolder", directory="a", withContent=True)
    assert list(place.home.iterdir()) == []
    assert (await place.fails("removeFolder", directory="a")).code == "FILES_NOT_FOUND"
    assert not (await place.do("removeFolder", directory="a", ifMissing="ignore"))["exists"]
    for directory in ("", "/", "."):
        assert (await place.fails("removeFolder", directory=directory, withContent=True)).code == "INVALID_INPUT"


async def test_exists_and_delete(place):
    await place.do("write", directory="d", file="x", content="abc", makeFolders=True)
    there = await place.do("exists", directory="d", file="x")
    assert (there["exists"], there["kind"], there["size"]) == (True, "file", 3)
    assert there["modified"].startswith("20")
    assert (await place.do("exists", directory="d"))["kind"] == "folder"
    assert not (await place.do("exists", file="nothing"))["exists"]
    assert (await place.do("delete", directory="d", file="x"))["exists"]
    fail = await place.fails("delete", directory="d", file="x")
    assert (fail.code, fail.retries) == ("FILES_NOT_FOUND", 0)
    assert not (await place.do("delete", directory="d", file="x", ifMissing="ignore"))["exists"]
    fail = await place.fails("read", file="nothing")
    assert (fail.code, fail.retries) == ("FILES_NOT_FOUND", 0)


@pytest.mark.parametrize(
    ("directory", "file"),
    [("..", "x"), ("a/../..", "x"), ("", "../x"), ("a", "b/../../x"), ("..\\..", "x"), ("a", "x\r\nDELE y"),
     ("a\0", "x"), ("", ".."), ("a/ .. ", "x"), ("a", "x\nb")],
)  # fmt: skip
@pytest.mark.parametrize("operation", ["read", "write", "delete", "exists", "copy"])
async def test_no_path_leaves_the_base(place, operation, directory, file):
    fail = await place.fails(operation, base="/", directory=directory, file=file, content="x", targetFile="y")
    assert (fail.code, fail.retries) == ("FILES_PATH_FORBIDDEN", 0)
    fail = await place.fails("move", file="x", targetDirectory=directory, targetFile=file)
    assert fail.code == "FILES_PATH_FORBIDDEN"


async def test_paths_are_well_formed_whatever_the_slashes(place):
    for base, directory, file in (("/b/", "/d/", "/f"), ("/b", "d", "f"), ("/b//", "//d//", "//f")):
        done = await place.do("write", base=base, directory=directory, file=file, content="x", makeFolders=True)
        assert done["path"] == "/b/d/f"
    assert (await place.do("write", base="", directory="", file="f", content="x"))["path"] == "f"
    assert (await place.do("write", base="", directory="/b", file="g", content="x"))["path"] == "/b/g"


async def test_too_large_and_no_text(place):
    await place.do("write", file="x", content="a" * 2000)
    fail = await place.fails("read", file="x", readAs="text", maxBytes=1000)
    assert (fail.code, fail.retries) == ("FILES_TOO_LARGE", 0)
    assert (await place.do("read", file="x", readAs="text"))["size"] == 2000, "and the session is replaced"
    (place.home / "x").write_bytes(b"\xff\xfe")
    assert (await place.fails("read", file="x", readAs="text")).code == "FILES_CONTENT_INVALID"
    fail = await place.fails("write", file="x", content="no base64", contentKind="base64")
    assert (fail.code, fail.retries) == ("FILES_CONTENT_INVALID", 0)


async def test_wrong_password(place):
    fail = await place.fails("list", authentication={"type": "password", "username": "ann", "password": "canary-5e"})
    assert (fail.code, fail.retries) == ("FILES_AUTH_FAILED", 0)
    assert "canary" not in fail.message


async def test_many_jobs_share_few_sessions(place):
    for number in range(20):
        (place.home / f"f{number}").write_text(str(number))
    jobs = [place.job("read", file=f"f{number}", readAs="text", maxSessions=2) for number in range(20)]
    outcomes = await asyncio.gather(*jobs)
    assert [outcome.variables["done"]["content"] for outcome in outcomes] == [str(number) for number in range(20)]


async def test_a_refusal_costs_no_session(sftp):
    await sftp.do("list")
    for _ in range(5):
        await sftp.fails("read", file="nothing")
    await sftp.do("list")
    assert sftp.server.signed_in == 1


async def test_forbidden_host(place, monkeypatch):
    monkeypatch.setenv("CAMUNDA_CONNECTOR_VALIDATION_HOSTS_ENABLED", "true")
    fail = await place.fails("list")
    assert (fail.code, fail.retries) == ("HOST_FORBIDDEN", 0)


async def test_a_broken_document_leaves_no_file(place):
    document = await place.documents.create(os.urandom(3_000_000), name="x.bin")
    key = document.reference["contentHash"]
    path = place.documents.directory / key[:2] / key
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    outcome = await place.job("write", file="x.bin", content=dict(document.reference))
    assert isinstance(outcome, Fail)
    assert outcome.code == "DOCUMENT_NOT_FOUND"
    assert "x.bin" not in place.names()
    assert isinstance(await place.job("list"), Complete)


async def test_a_missing_folder_is_named(place):
    """And not the temporary name, which nobody has given."""
    await place.do("write", file="x", content="x")
    for given in (
        {"operation": "write", "directory": "no", "file": "y", "content": "1"},
        {"operation": "append", "directory": "no", "file": "y", "content": "1"},
        {"operation": "copy", "file": "x", "targetDirectory": "no"},
        {"operation": "move", "file": "x", "targetDirectory": "no"},
    ):
        fail = await place.fails(**given)
        assert (fail.code, fail.retries) == ("FILES_NOT_FOUND", 0)
        assert "there is no folder no;" in fail.message
    assert place.names() == ["x"]


async def test_a_folder_is_no_file_and_a_file_no_folder(place):
    await place.do("write", directory="d", file="x", content="x", makeFolders=True)
    for given, code in (
        ({"operation": "read", "file": "d", "readAs": "text"}, "FILES_UNSUPPORTED"),
        ({"operation": "read", "file": "d"}, "FILES_UNSUPPORTED"),
        ({"operation": "delete", "file": "d"}, "FILES_UNSUPPORTED"),
        ({"operation": "delete", "file": "d", "ifMissing": "ignore"}, "FILES_UNSUPPORTED"),
        ({"operation": "write", "file": "d", "content": "1"}, "FILES_EXISTS"),
        ({"operation": "append", "file": "d", "content": "1"}, "FILES_EXISTS"),
        ({"operation": "removeFolder", "directory": "d/x"}, "FILES_UNSUPPORTED"),
        ({"operation": "removeFolder", "directory": "d/x", "withContent": True}, "FILES_UNSUPPORTED"),
    ):
        fail = await place.fails(**given)
        assert (given, fail.code, fail.retries) == (given, code, 0)
    assert place.names() == ["d/x"]


@pytest.mark.parametrize(
    "name",
    [
        "~$report.docx",
        "~ann",
        " first blank",
        "-r",
        "a (1) [b] {c}*?.txt",
        'it\'s "q"',
        "ü☂😀",
        "%41#;&",
        "\u00e4" * 127 + "x",
    ],
)
async def test_names_of_every_kind(place, name):
    await place.do("write", file=name, content="1")
    assert (await place.do("read", file=name, readAs="text"))["content"] == "1"
    assert (await place.do("append", file=name, content="2"))["size"] == 2
    assert (await place.do("exists", file=name))["size"] == 2
    await place.do("rename", file=name, targetFile="plain")
    await place.do("rename", file="plain", targetFile=name)
    assert [one["name"] for one in (await place.do("list"))["files"]] == [name]
    assert place.names() == [name]
    await place.do("makeFolder", directory=f"in/{name}")
    await place.do("copy", file=name, targetDirectory=f"in/{name}")
    listed = (await place.do("list", maxDepth=3))["files"]
    assert [one["path"] for one in listed] == [name, f"in/{name}/{name}"]
    await place.do("removeFolder", directory="in", withContent=True)
    await place.do("delete", file=name)
    assert place.names() == []


@pytest.mark.parametrize(
    ("path", "want"),
    [
        ("a/report.csv", "a/report (2).csv"),
        ("2026.11.27 Dr. Smith.pdf", "2026.11.27 Dr. Smith (2).pdf"),
        ("Dr. Smith", "Dr. Smith (2)"),
        ("x.TAR.GZ", "x (2).TAR.GZ"),
        (".profile", ".profile (2)"),
        (".profile.bak", ".profile (2).bak"),
        ("a.", "a. (2)"),
        ("..x", "..x (2)"),
    ],
)
def test_a_number_stands_before_the_ending(path, want):
    assert numbered(path, 2) == want
