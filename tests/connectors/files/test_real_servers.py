"""The same work on the servers that people run: ProFTPD and vsftpd with strict TLS, OpenSSH."""

from __future__ import annotations

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path

import pytest
from tests.connectors.files.conftest import Place
from tests.servers import realftp

pytestmark = pytest.mark.servers


@pytest.fixture
def outside():
    """A directory that every user may enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="files-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture(params=["proftpd-ftpes", "proftpd-ftps", "vsftpd-ftpes", "vsftpd-ftps", "sshd"])
async def real(request, outside, authority, trusted):
    name, _, protocol = request.param.partition("-")
    if reason := realftp.why_not(name):
        if os.environ.get("SERVERS"):
            pytest.fail(reason)
        pytest.skip(reason)
    home, work = outside / "root" / "home", outside / "work"
    home.mkdir(parents=True)
    work.mkdir()
    certificate = work / "server.pem"
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(certificate))
    certificate.chmod(0o600)
    common = {"host": "127.0.0.1", "timeout": 10}
    with contextlib.ExitStack() as stack:
        if name == "sshd":
            port, key, known = stack.enter_context(realftp.sshd(home, work))
            login = {"type": "key", "username": "root", "key": key}
            inputs = {**common, "protocol": "sftp", "port": port, "knownHosts": known, "authentication": login}
        else:
            started = getattr(realftp, name)(home, work, certificate, implicit=protocol == "ftps")
            login = {"type": "password", "username": realftp.USER, "password": realftp.PASSWORD}
            inputs = {
                **common,
                "protocol": protocol,
                "port": stack.enter_context(started),
                "trustedCertificate": trusted,
            }
            inputs["authentication"] = login if name == "proftpd" else {"type": "none"}
            inputs["base"] = "" if name == "proftpd" else "/home"
        place = Place(inputs, home, outside)
        yield place
        await place.clients.aclose()


async def test_all_operations(real):
    data = os.urandom(3_000_000)
    document = dict((await real.documents.create(data, name="x.bin")).reference)
    done = await real.do("write", directory="in", file="ü x.bin", content=document, makeFolders=True)
    assert done["size"] == 3_000_000
    assert (real.home / "in/ü x.bin").read_bytes() == data
    (only,) = (await real.do("list", directory="in"))["files"]
    assert (only["name"], only["size"], only["kind"]) == ("ü x.bin", 3_000_000, "file")
    assert only["modified"].startswith("20")
    done = await real.do("read", directory="in", file="ü x.bin")
    assert await real.data(done["document"]) == data
    done = await real.do("copy", directory="in", file="ü x.bin", targetDirectory="out", makeFolders=True)
    assert (real.home / "out/ü x.bin").read_bytes() == data
    await real.do("write", directory="in", file="ü x.bin", content="second")
    assert (real.home / "in/ü x.bin").read_text() == "second"
    await real.do("append", directory="in", file="ü x.bin", content=" third")
    assert (real.home / "in/ü x.bin").read_text() == "second third"
    done = await real.do("write", directory="in", file="ü x.bin", content="n", ifExists="number")
    assert done["name"] == "ü x (2).bin"
    assert (
        await real.fails("write", directory="in", file="ü x.bin", content="n", ifExists="fail")
    ).code == "FILES_EXISTS"
    await real.do("move", directory="in", file="ü x.bin", targetDirectory="out", targetFile="moved")
    assert (await real.do("exists", directory="out", file="moved"))["size"] == 12
    assert not (await real.do("exists", directory="in", file="ü x.bin"))["exists"]
    assert (await real.do("exists", directory="in"))["kind"] == "folder"
    fail = await real.fails("read", directory="in", file="nothing")
    assert (fail.code, fail.retries) == ("FILES_NOT_FOUND", 0)
    assert (await real.fails("removeFolder", directory="in")).code in {"FILES_NOT_EMPTY", "FILES_REFUSED"}
    await real.do("delete", directory="in", file="ü x (2).bin")
    await real.do("removeFolder", directory="in")
    await real.do("removeFolder", directory="out", withContent=True)
    assert list(real.home.iterdir()) == []


async def test_many_at_once(real):
    jobs = [real.do("write", file=f"f{number}", content=str(number)) for number in range(12)]
    await asyncio.gather(*jobs)
    assert len((await real.do("list"))["files"]) == 12


async def test_wrong_login(real):
    if real.inputs["authentication"]["type"] == "none":
        pytest.skip("lets everybody in")
    login = dict(real.inputs["authentication"])
    login["username"] = "nobody-here"
    fail = await real.fails("list", authentication=login)
    assert (fail.code, fail.retries) == ("FILES_AUTH_FAILED", 0)


NAMES = ["~$report.docx", " first", "-r", "a (1) [b] {c}*?.txt", 'it\'s "q"', "☂😀", "%41#;&", "ä" * 127 + "x"]


async def test_names_of_every_kind(real):
    for name in NAMES:
        await real.do("write", file=name, content="1")
        assert (await real.do("read", file=name, readAs="text"))["content"] == "1"
        await real.do("makeFolder", directory=f"in/{name}")
        await real.do("move", file=name, targetDirectory=f"in/{name}")
    listed = (await real.do("list", maxDepth=3))["files"]
    assert [one["path"].removeprefix("/home/") for one in listed] == sorted(f"in/{name}/{name}" for name in NAMES)
    await real.do("removeFolder", directory="in", withContent=True)
    assert list(real.home.iterdir()) == []


async def test_a_folder_is_no_file_and_a_missing_one_is_named(real):
    await real.do("write", directory="d", file="x", content="x", makeFolders=True)
    for given, code in (
        ({"operation": "read", "file": "d"}, "FILES_UNSUPPORTED"),
        ({"operation": "delete", "file": "d"}, "FILES_UNSUPPORTED"),
        ({"operation": "write", "file": "d", "content": "1"}, "FILES_EXISTS"),
        ({"operation": "append", "file": "d", "content": "1"}, "FILES_EXISTS"),
        ({"operation": "removeFolder", "directory": "d/x", "withContent": True}, "FILES_UNSUPPORTED"),
        ({"operation": "write", "directory": "no", "file": "y", "content": "1"}, "FILES_NOT_FOUND"),
        ({"operation": "append", "directory": "no", "file": "y", "content": "1"}, "FILES_NOT_FOUND"),
        ({"operation": "move", "file": "d/x", "targetDirectory": "no"}, "FILES_NOT_FOUND"),
        ({"operation": "copy", "file": "d/x", "targetDirectory": "no"}, "FILES_NOT_FOUND"),
        ({"operation": "list", "directory": "no"}, "FILES_NOT_FOUND"),
    ):
        fail = await real.fails(**given)
        assert (given, fail.code, fail.retries) == (given, code, 0)
    assert real.names() == ["d/x"]
