"""What only FTP has: modes, listings without MLSD, names in old encodings, servers that misbehave, strict TLS."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime

import pytest
from tests.connectors.files.conftest import Places

from zeebe_connectors.connectors.files.listing import listed, mlsd
from zeebe_connectors.connectors.files.session import Entry

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    ("line", "want"),
    [
        ("-rw-r--r--   1 ann  users      1234 Jan  2 03:04 a b.txt",
         Entry("a b.txt", "file", 1234, at(2026, 1, 2, 3, 4))),
        ("-rw-r--r--   1 ann  users      1234 Dec 31 23:59 last year",
         Entry("last year", "file", 1234, at(2025, 12, 31, 23, 59))),
        ("drwxr-xr-x   2 0    0          4096 Jan  2  2024 dir", Entry("dir", "folder", None, at(2024, 1, 2))),
        ("lrwxrwxrwx   1 ann  users        5 Jan  2  2024 link -> to", Entry("link", "link", None, at(2024, 1, 2))),
        ("-rw-rw-r--+  1 ann  domain users 7 Jan  2  2024 acl", Entry("acl", "file", 7, at(2024, 1, 2))),
        ("-rw-r--r-- 1 An Na Domain Users 7 Jan  2  2024 7 Jan  2  2024 x",
         Entry("7 Jan  2  2024 x", "file", 7, at(2024, 1, 2))),
        ("-rw-r--r-- root other 531 Jan  2 03:04 README", Entry("README", "file", 531, at(2026, 1, 2, 3, 4))),
        ("-rw-r--r-- 1 5 users 2024 Jan  2  2023 n", Entry("n", "file", 2024, at(2023, 1, 2))),
        ("-rw-r--r-- 1 a b 7 2026-01-02 03:04:05.000000000 +0100 full", Entry("full", "file", 7, at(2026, 1, 2, 2, 4))),
        ("-rw-r--r-- 1 a b 7 2. März 2024 de", Entry("de", "file", 7, at(2024, 3, 2))),
        ("-rw-r--r-- 1 a b 7 déc.  2  2024 fr", Entry("fr", "file", 7, at(2024, 12, 2))),
        ("-rw-r--r-- 1 a b 7  1月  2日 03:04 zh", Entry("zh", "file", 7, at(2026, 1, 2, 3, 4))),
        ("d [R----F--] supervisor      512       Jan  2 03:04    login", Entry("login", "folder", None,
                                                                               at(2026, 1, 2, 3, 4))),
        ("drwxrwxr-x               folder        2 May 10  1996 network",
         Entry("network", "folder", None, at(1996, 5, 10))),
        ("-------r--         326  1391972  1392298 Nov 22  1995 a.sit", Entry("a.sit", "file", 1392298,
                                                                              at(1995, 11, 22))),
        ("+i8388621.44468,m839956783,r,s10376,\tRFC EPLF", Entry("RFC EPLF", "file", 10376,
                                                                at(1996, 8, 13, 17, 19, 43))),
        ("+i8388621.29609,m824255902,/,\tdev", Entry("dev", "folder", None, at(1996, 2, 13, 23, 58, 22))),
        ("14.04.26  15:47                  589 de.htm", Entry("de.htm", "file", 589, at(2026, 4, 14, 15, 47))),
        ("-rw-r--r-- 1 a b 7 Feb 30  2024 no day", Entry("no day", "file", 7, None)),
        ("-rw-------   1 ann  7 Jan  2  2024 no group", Entry("no group", "file", 7, at(2024, 1, 2))),
        ("-rw-r--r-- 1 ann users 7 2024-01-02 03:04 iso", Entry("iso", "file", 7, at(2024, 1, 2, 3, 4))),
        ("-rw-r--r-- 1 ann users 7 Jan  2  2024  leading", Entry(" leading", "file", 7, at(2024, 1, 2))),
        ("crw-rw---- 1 root disk 8, 1 Jan  2  2024 device", Entry("device", "other", None, at(2024, 1, 2))),
        ("-rw-r--r-- 1 a b 7 Feb 29 03:04 leap", Entry("leap", "file", 7, at(2024, 2, 29, 3, 4))),
        ("-[RWCEAFMS] ann 512 Jan  2 03:04 log in", Entry("log in", "file", 512, at(2026, 1, 2, 3, 4))),
        ("total 12", None),
        ("drwxr-xr-x 2 0 0 4096 Jan  2  2024 ..", None),
        ("01-02-26  03:04PM       <DIR>          My Folder", Entry("My Folder", "folder", None, at(2026, 1, 2, 15, 4))),
        ("01-02-26  12:04AM              1,234 a.txt", Entry("a.txt", "file", 1234, at(2026, 1, 2, 0, 4))),
        ("2026-01-02  03:04                  5 b.txt", Entry("b.txt", "file", 5, at(2026, 1, 2, 3, 4))),
        ("", None),
    ],
)  # fmt: skip
def test_lines_of_list(line, want):
    assert listed(line, NOW) == want


def test_a_hostile_line_of_list_takes_no_time():
    """However long, and whatever of it is repeated."""
    began = time.perf_counter()
    for line in ("-rw-r--r-- " + " " * 60_000, "-rw-r--r-- " + "1 " * 30_000, "-rw-r--r-- a" + " 1 Jan 2" * 8_000):
        listed(line, NOW)
    assert time.perf_counter() - began < 0.15


def test_lines_of_mlsd():
    entry = mlsd("Type=file;Size=5;Modify=20260102030405.5;Perm=r; a; b.txt")
    assert entry == Entry("a; b.txt", "file", 5, datetime(2026, 1, 2, 3, 4, 5, 500_000, tzinfo=UTC))
    assert mlsd("type=dir;modify=x; d") == Entry("d", "folder", None, None)
    assert mlsd("type=cdir; .") is None
    assert mlsd(" no facts").name == "no facts", "all after the first blank is the name"
    assert mlsd(" type=dir; as in MLST").kind == "folder"
    assert mlsd("type=file; ") is None
    assert mlsd("type=OS.unix=slink:/x; l").kind == "link"
    assert mlsd("no facts") == Entry("facts", "file")


@pytest.mark.parametrize("protocol", ["ftp", "ftpes"])
async def test_active_mode(places, protocol):
    place = await places.ftp(protocol)
    await place.do("write", file="x", content="x" * 100_000, active=True)
    assert (await place.do("read", file="x", readAs="text", active=True))["size"] == 100_000
    assert len((await place.do("list", active=True))["files"]) == 1
    assert (await place.fails("read", file="nothing", active=True)).code == "FILES_NOT_FOUND"


@pytest.mark.parametrize("listing", ["unix", "dos"])
async def test_a_server_without_mlsd(places, listing):
    place = await places.ftp(without=["MLSD", "MLST"], listing=listing)
    await place.do("write", directory="a [b] c", file="x y.txt", content="12345", makeFolders=True)
    (only,) = (await place.do("list", directory="a [b] c"))["files"]
    assert (only["name"], only["size"], only["kind"]) == ("x y.txt", 5, "file")
    assert only["modified"][:4].isdigit()
    found = await place.do("list", maxDepth=3)
    assert [one["path"] for one in found["files"]] == ["a [b] c/x y.txt"]
    assert (await place.do("exists", directory="a [b] c"))["kind"] == "folder"
    assert not (await place.do("exists", file="none"))["exists"]
    assert (await place.do("exists", directory="a [b] c", file="x y.txt"))["size"] == 5


async def test_a_listing_that_is_not_understood_is_not_an_empty_folder(places):
    """An empty one is; but who takes files from a folder must not take one for the other."""
    place = await places.ftp(without=["MLSD", "MLST"], listing="vms")
    assert (await place.do("list"))["files"] == []
    await place.do("write", file="x.txt", content="1", ifExists="overwrite")
    failure = await place.fails("list")
    assert (failure.code, failure.retries) == ("FILES_UNSUPPORTED", 0)
    assert "MLSD" in failure.message


@pytest.mark.parametrize("encoding", ["utf-16", "cp037", "hex", "nothing-like-it"])
async def test_an_encoding_of_names_must_hold_commands(places, encoding):
    """In UTF-16 one letter would end a command and begin another."""
    place = await places.ftp()
    failure = await place.fails("read", file="\u010aDELE x", encoding=encoding)
    assert failure.code == "INVALID_INPUT"
    assert "encoding" in failure.message


async def test_a_server_without_epsv(places):
    place = await places.ftp(without=["EPSV", "FEAT", "SIZE", "MLSD", "MLST"])
    await place.do("write", file="x", content="abc")
    assert (await place.do("read", file="x", readAs="text"))["content"] == "abc"


async def test_old_encodings(places):
    place = await places.ftp(encoding="latin-1", without=["FEAT"])
    (place.home / "x").mkdir()
    for given in ({"encoding": "latin-1"}, {}):
        await place.do("write", directory="x", file="plain", content="1", **given)
    await place.do("write", directory="x", file="Zürich", content="1", encoding="latin-1")
    names = [one["name"] for one in (await place.do("list", directory="x", encoding="latin-1"))["files"]]
    assert names == ["Zürich", "plain"]
    assert [one["name"] for one in (await place.do("list", directory="x"))["files"]] == ["Zürich", "plain"]
    fail = await place.fails("write", file="漢", content="1", encoding="latin-1")
    assert (fail.code, fail.retries) == ("INVALID_INPUT", 0)


async def test_certificates_are_checked(places):
    for protocol in ("ftpes", "ftps"):
        place = await places.ftp(protocol)
        fail = await place.fails("list", trustedCertificate="")
        assert (fail.code, fail.retries) == ("FILES_TLS_FAILED", 0)


async def test_no_password_without_the_tls_that_was_asked_for(places):
    place = await places.ftp("ftp")
    fail = await place.fails("list", protocol="ftpes")
    assert (fail.code, fail.retries) == ("FILES_TLS_FAILED", 0)


async def _serve(*texts: bytes, hold: bool = True):
    """A server that says these lines, one for each line it hears, and notes what it hears."""
    commands: list[bytes] = []

    async def serve(reader, writer):
        with contextlib.suppress(OSError):
            for line in texts:
                writer.write(line)
                await writer.drain()
                commands.append(await reader.readline())
            if hold:
                await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, server.sockets[0].getsockname()[1], commands


@pytest.mark.parametrize(
    ("texts", "code", "retries", "names"),
    [
        ([b"SSH-2.0-OpenSSH_9.2\r\n"], "FILES_PROTOCOL", 0, "sftp"),
        ([b"HTTP/1.1 400 Bad Request\r\n"], "FILES_PROTOCOL", 0, "protocol"),
        ([b"x" * 200_000], "FILES_PROTOCOL", 0, "protocol"),
        ([b"220-a\r\n" * 2000], "FILES_PROTOCOL", 0, "protocol"),
        ([b""], "FILES_TIMEOUT", 2, "timeout"),
        ([b"421 Too many users\r\n"], "FILES_BUSY", 2, ""),
        ([b"220 hi\r\n", b"331 go\r\n", b"421 Closing\r\n"], "FILES_BUSY", 2, ""),
        ([b"220 hi\r\n", b"331 go\r\n", b"530 canary-3f wrong\r\n"], "FILES_AUTH_FAILED", 0, "password"),
    ],
)
async def test_servers_that_are_none(places, texts, code, retries, names):
    place = await places.ftp()
    server, port, _ = await _serve(*texts)
    fail = await place.fails("list", port=port, timeout=0.5)
    server.close()
    assert (fail.code, fail.retries) == (code, retries)
    assert names in fail.message
    assert "canary" not in fail.message


async def test_words_before_tls_are_refused(places, trusted):
    """What somebody in between slips in before the handshake must not be taken for the server's."""
    place = await places.ftp()
    server, port, _ = await _serve(b"220 hi\r\n", b"234 go\r\n331 injected\r\n")
    fail = await place.fails("list", port=port, protocol="ftpes", trustedCertificate=trusted)
    server.close()
    assert (fail.code, fail.retries) == ("FILES_TLS_FAILED", 0)


async def _listing(answers, data=b""):
    """A server with one folder, which answers LIST or MLSD with these lines and sends this on the data connection."""

    async def sends(_, writer):
        writer.write(data)
        writer.close()

    async def serve(reader, writer):
        writer.write(b"220 hi\r\n")
        while line := await reader.readline():
            verb = line.split()[0]
            replies = {
                b"USER": b"230 in",
                b"FEAT": b"500 no",
                b"PWD": b'257 "/"',
                b"EPSV": b"229 (|||%d|)" % inner,
                b"TYPE": b"200 ok",
                b"OPTS": b"200 ok",
            }
            known = answers if verb in {b"LIST", b"MLSD"} else [replies.get(verb, b"250 well")]
            for one in known:
                writer.write(one + b"\r\n")
                await writer.drain()
        writer.close()

    channel = await asyncio.start_server(sends, "127.0.0.1", 0)
    inner = channel.sockets[0].getsockname()[1]
    control = await asyncio.start_server(serve, "127.0.0.1", 0)
    return control, channel


LINE = b"-rw-r--r-- 1 a b 7 Jan 2 2024 "


@pytest.mark.parametrize(
    ("answers", "data", "want"),
    [
        ([b"226 Nothing here"], b"", []),
        ([b"550 No files found"], b"", []),
        ([b"450 No files found or invalid directory"], b"", []),
        ([b"550 No members found."], b"", []),
        ([b"150 go", b"226 done"], b"", []),
        ([b"150 go", b"226 said before the data came"], LINE + b"x\r\n", ["x"]),
        ([b"125-go\r\n on\r\n125 go", b"250-done\r\n226 no end\r\n250 done"], LINE + b"x", ["x"]),
        ([b"150 go", b"226 done"], LINE + b'a"b\\c\r\n' + LINE + b"\xe9\n", ['a"b\\c', "\u00e9"]),
        ([b"150 go", b"421 Shutting down"], LINE + b"x\r\n", "FILES_BUSY"),
        ([b"150 go", b"426 Aborted"], LINE + b"x\r\n", "FILES_LOST"),
        ([b"150 go", b"226 done"], LINE + b"../up\r\n", "FILES_PATH_FORBIDDEN"),
        ([b"150 go", b"226 done"], b"x" * 300_000, "FILES_PROTOCOL"),
        ([b"550 Permission denied"], b"", "FILES_FORBIDDEN"),
        ([b"450 Try later"], b"", "FILES_BUSY"),
    ],
)
async def test_answers_to_a_listing(places, answers, data, want):
    place = await places.ftp()
    control, channel = await _listing(answers, data)
    given = {"port": control.sockets[0].getsockname()[1], "timeout": 2}
    if isinstance(want, str):
        assert (await place.fails("list", **given)).code.startswith(want)
    else:
        assert sorted(one["name"] for one in (await place.do("list", **given))["files"]) == sorted(want)
    control.close()
    channel.close()


async def test_a_silent_server_costs_no_more_than_its_time(places):
    place = await places.ftp()
    replies = [b"220 hi\r\n", b"230 in\r\n", b"500 no\r\n", b"200 ok\r\n", b'257 "/"\r\n', b""]
    server, port, _ = await _serve(*replies)
    fail = await place.fails("list", port=port, timeout=0.5)
    server.close()
    assert (fail.code, fail.retries) == ("FILES_TIMEOUT", 2)


async def test_the_data_connection_goes_to_the_server_itself(places):
    """A server that names somebody else's address (or a NAT's inner one) is not believed."""
    place = await places.ftp()
    server, port, commands = await _serve(
        b"220 hi\r\n", b"230 in\r\n", b"500 no\r\n", b"200 ok\r\n", b'257 "/"\r\n', b"500 no\r\n",
        b"227 Entering (10,1,2,3,0,9)\r\n",
    )  # fmt: skip
    fail = await place.fails("list", port=port, timeout=1)
    server.close()
    assert fail.code == "FILES_LOST", "port 9 of this machine refuses"
    assert b"PASV\r\n" in commands


async def test_a_link_that_is_listed_as_a_folder_leads_nowhere_twice(places):
    """The server follows links and lists them as folders; MLSD's `unique` says what they are."""
    place = await places.ftp()
    (place.home / "sub/deep").mkdir(parents=True)
    (place.home / "sub/a").write_text("x")
    (place.home / "top").write_text("x")
    (place.home / "sub/deep/b").write_text("x")
    (place.home / "sub/up").symlink_to("..")
    (place.home / "sub/deep/here").symlink_to(".")
    done = await place.do("list", maxDepth=50)
    assert [one["path"] for one in done["files"]] == ["top", "sub/a", "sub/deep/b"]
    assert done["more"] is False


@pytest.mark.parametrize("protocol", ["ftp", "ftpes"])
def test_uvloop_receives_files_too(home, tmp_path, certificate, trusted, protocol):
    uvloop = pytest.importorskip("uvloop")
    content = bytes(range(256)) * 12_000  # more than a download may be ahead
    (home / "x").write_bytes(content)

    async def read(*, active: bool) -> bytes:
        places = Places(home, tmp_path, certificate, trusted)
        try:
            place = await places.ftp(protocol)
            done = await place.do("read", file="x", readAs="document", active=active)
            return await place.data(done["document"])
        finally:
            await places.aclose()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(read(active=False)) == content
        assert runner.run(read(active=True)) == content
