"""SFTP servers that leave out what they need not do, and links that lead elsewhere."""

from __future__ import annotations

import asyncio
import os
from typing import ClassVar

import asyncssh
import pytest
from tests.servers import sftpd

from zeebe_connectors.testing import Complete


@pytest.fixture
def filled(home):
    (home / "big").write_bytes(os.urandom(3_000_000))
    (home / "small").write_text("x")
    (home / "dir").mkdir()
    return home


def _attributes(found):
    return found if isinstance(found, asyncssh.SFTPAttrs) else asyncssh.SFTPAttrs.from_local(found)


class ShortReads:
    def read(self, file_obj, offset, size):
        return super().read(file_obj, offset, max(1, size // 3))


class NoFstat:
    def fstat(self, file_obj):
        raise asyncssh.SFTPOpUnsupported("no")


class SizeOfNothing:
    def fstat(self, file_obj):
        found = _attributes(super().fstat(file_obj))
        found.size = 0
        return found


@pytest.mark.parametrize("odd", [ShortReads, NoFstat, SizeOfNothing])
async def test_a_file_is_read_to_its_end(places, filled, odd):
    place = await places.sftp(files=odd)
    done = await place.do("read", file="big")
    assert await place.data(done["document"]) == (filled / "big").read_bytes()
    assert (await place.do("read", file="small", readAs="text"))["content"] == "x"


class OnlyLines:
    """Attributes are missing, or hold permissions alone; what people read says what an entry is."""

    kept = 0

    def stat(self, path):
        found = _attributes(super().stat(path))
        if not self.kept:
            return asyncssh.SFTPAttrs()
        found.permissions &= self.kept
        return found

    async def scandir(self, path):
        async for name in super().scandir(path):
            folder = (name.attrs.permissions or 0) & 0o40000
            name.longname = (b"drwxr-xr-x" if folder else b"-rw-r--r--") + b" 1 a b 5 Jan 1 2026 " + name.filename
            if self.kept:
                name.attrs.permissions &= self.kept
            else:
                name.attrs = asyncssh.SFTPAttrs()
            yield name


class NoType(OnlyLines):
    kept = 0o777


@pytest.mark.parametrize("odd", [OnlyLines, NoType])
async def test_what_an_entry_is_without_its_mode(places, filled, odd):
    place = await places.sftp(files=odd)
    files = (await place.do("list", what="all"))["files"]
    assert [(one["name"], one["kind"]) for one in files] == [("big", "file"), ("dir", "folder"), ("small", "file")]
    assert [one["name"] for one in (await place.do("list"))["files"]] == ["big", "small"]
    await place.do("makeFolder", directory="dir/new")
    assert (filled / "dir/new").is_dir()


class OtherLines(OnlyLines):
    """Lines in a form of their own, in which names could be taken for kinds."""

    async def scandir(self, path):
        async for name in super().scandir(path):
            folder = name.longname.startswith(b"d")
            name.longname = b"01-02-26 03:04PM <DIR> dir" if folder else name.filename
            if not folder:
                name.attrs = asyncssh.SFTPAttrs(size=5)
            yield name


async def test_names_are_not_taken_for_kinds(places, home):
    for name in ("data.csv", "list.csv", "-x.csv", "x.csv"):
        (home / name).write_text("hello")
    (home / "dir").mkdir()
    place = await places.sftp(files=OtherLines)
    files = (await place.do("list", what="all"))["files"]
    assert [one["name"] for one in files if one["kind"] == "file"] == ["-x.csv", "data.csv", "list.csv", "x.csv"]
    assert [one["name"] for one in files if one["kind"] == "folder"] == ["dir"]


class FullAtClose:
    def close(self, file_obj):
        writes = file_obj.writable()
        super().close(file_obj)
        if writes:
            raise asyncssh.SFTPFailure("quota")


async def test_a_file_that_is_refused_when_it_is_closed_gets_no_name(places, filled):
    place = await places.sftp(files=FullAtClose)
    fail = await place.fails("write", file="small", content="new")
    assert (fail.code, fail.retries) == ("FILES_REFUSED", 2)
    assert (filled / "small").read_text() == "x"


async def test_names_in_another_encoding(places, home):
    (home / "d").mkdir()
    (home / os.fsdecode(b"d/gr\xfc\xdfe.txt")).write_text("hello")
    place = await places.sftp()
    (listed,) = (await place.do("list", directory="d"))["files"]
    assert listed["name"] == "gr\uf7fc\uf7dfe.txt"
    assert (await place.do("read", file=listed["path"], readAs="text"))["content"] == "hello"
    (listed,) = (await place.do("list", directory="d", encoding="latin-1"))["files"]
    assert listed["name"] == "grüße.txt"
    await place.do("rename", file=listed["path"], targetFile="größer.txt", encoding="latin-1")
    assert [os.fsencode(path.name) for path in (home / "d").iterdir()] == [b"gr\xf6\xdfer.txt"]


@pytest.fixture
def linked(home):
    (home / "secret").write_text("secret")
    (home / "base").mkdir()
    (home / "base/in").write_text("in")
    (home / "base/file").symlink_to("../secret")
    (home / "base/up").symlink_to("..")
    (home / "base/near").symlink_to("in")
    (home / "base/new").symlink_to("../made")
    return home


@pytest.mark.parametrize(
    ("operation", "inputs"),
    [
        ("read", {"file": "file"}),
        ("read", {"file": "up/secret"}),
        ("list", {"directory": "up"}),
        ("exists", {"file": "up/nothing/there"}),
        ("write", {"file": "up/x", "content": "x"}),
        ("write", {"file": "up/a/b/x", "content": "x", "makeFolders": True}),
        ("append", {"file": "file", "content": "x"}),
        ("append", {"file": "new", "content": "x"}),
        ("copy", {"file": "file", "targetFile": "copy"}),
        ("copy", {"file": "in", "targetDirectory": "up"}),
        ("move", {"file": "in", "targetDirectory": "up"}),
        ("move", {"file": "up/secret", "targetFile": "mine", "targetDirectory": "."}),
        ("delete", {"file": "up/secret"}),
        ("makeFolder", {"directory": "up/folder"}),
        ("removeFolder", {"directory": "up/base", "withContent": True}),
    ],
)
async def test_links_do_not_lead_out_of_the_base(places, linked, operation, inputs):
    place = await places.sftp()
    fail = await place.fails(operation, base="/base", **inputs)
    assert (fail.code, fail.retries) == ("FILES_PATH_FORBIDDEN", 0)
    assert (linked / "secret").read_text() == "secret"
    assert sorted(path.name for path in linked.iterdir()) == ["base", "secret"]


async def test_links_within_the_base_and_by_permission(places, linked):
    place = await places.sftp()
    assert (await place.do("read", base="base", file="near", readAs="text"))["content"] == "in"
    allowed = {"base": "/base", "linksLeaveBase": True}
    assert (await place.do("read", **allowed, file="file", readAs="text"))["content"] == "secret"
    await place.do("write", base="/base", file="file", content="x")  # replaces the link, not what it leads to
    await place.do("delete", base="/base", file="new")
    assert (linked / "secret").read_text() == "secret"


class CountedQuestions:
    asked: ClassVar[list[bytes]] = []

    def realpath(self, path):
        self.asked.append(path)
        return super().realpath(path)


async def test_where_the_base_is_is_asked_once_per_connection_and_again_when_it_has_moved(places, linked):
    place = await places.sftp(files=CountedQuestions)
    CountedQuestions.asked.clear()
    for _ in range(3):
        assert (await place.do("read", base="/base", file="near", readAs="text"))["content"] == "in"
    assert CountedQuestions.asked.count(b"/base") == 1
    (linked / "base").rename(linked / "moved")
    (linked / "base").symlink_to("moved")
    assert (await place.do("read", base="/base", file="near", readAs="text"))["content"] == "in"
    assert (await place.fails("read", base="/base", file="file")).code == "FILES_PATH_FORBIDDEN"
    assert (await place.fails("read", base="/moved", file="file")).code == "FILES_PATH_FORBIDDEN"


async def test_a_link_to_a_folder_is_removed_without_what_is_in_it(place, linked):
    """Also where the server lists it as a folder, as FTP servers do."""
    (linked / "base/new").unlink()  # some servers do not list a link to nothing
    (linked / "other").mkdir()
    (linked / "other/keep").write_text("keep")
    (linked / "base/deep").mkdir()
    (linked / "base/deep/link").symlink_to("../../other")
    await place.do("removeFolder", directory="base/deep", withContent=True)
    await place.do("removeFolder", directory="base/up", withContent=True)
    await place.do("removeFolder", directory="base", withContent=True)
    assert place.names() == ["other/keep", "secret"]


@pytest.mark.parametrize("operation", ["write", "copy", "move"])
async def test_jobs_at_once_take_different_numbers(place, operation):
    count = 6
    for number in range(count):
        (place.home / f"from{number}").write_text(str(number))

    async def one(number):
        if operation == "write":
            return await place.job("write", file="x.txt", content=str(number), ifExists="number")
        return await place.job(operation, file=f"from{number}", targetFile="x.txt", ifExists="number")

    outcomes = await asyncio.gather(*map(one, range(count)))
    assert all(isinstance(outcome, Complete) for outcome in outcomes), outcomes
    names = {outcome.variables["done"]["name"] for outcome in outcomes}
    assert names == {"x.txt", *(f"x ({number}).txt" for number in range(2, count + 1))}
    assert sorted((place.home / name).read_text() for name in names) == [str(number) for number in range(count)]


async def test_only_one_of_several_jobs_writes_a_file_that_must_not_be_there(place):
    outcomes = await asyncio.gather(
        *(place.job("write", file="x", content=str(number), ifExists="fail") for number in range(5))
    )
    done = [number for number, outcome in enumerate(outcomes) if isinstance(outcome, Complete)]
    assert len(done) == 1
    assert {outcome.code for outcome in outcomes if not isinstance(outcome, Complete)} == {"FILES_EXISTS"}
    assert (place.home / "x").read_text() == str(done[0])
    assert place.names() == ["x"]


class AnswerLost:
    """Renames, and is gone before it says so."""

    times = 1

    def _lose(self):
        if AnswerLost.times:
            AnswerLost.times -= 1
            self.channel.get_connection().abort()

    def rename(self, oldpath, newpath, *more):
        super().rename(oldpath, newpath, *more)
        self._lose()

    def posix_rename(self, oldpath, newpath):
        super().posix_rename(oldpath, newpath)
        self._lose()


@pytest.mark.parametrize("if_exists", ["overwrite", "fail", "number"])
@pytest.mark.parametrize("operation", ["write", "copy", "move"])
async def test_a_further_try_finds_what_the_first_has_done(places, filled, operation, if_exists):
    AnswerLost.times = 1
    place = await places.sftp(files=AnswerLost)
    more = {"file": "x", "content": "x"} if operation == "write" else {"file": "small", "targetFile": "x"}
    first = await place.job(operation, key=7, ifExists=if_exists, **more)
    assert (first.code, first.retries) == ("FILES_LOST", 2)
    second = await place.job(operation, key=7, ifExists=if_exists, **more)
    assert isinstance(second, Complete), second
    assert second.variables["done"]["name"] == "x"
    assert (filled / "x").read_text() == "x"
    assert [name for name in place.names() if name.startswith((".", "x"))] == ["x"]


class TooManyFailures:
    def validate_password(self, username, password):
        raise asyncssh.ProtocolError("Too many authentication failures")


class Crowded:
    def validate_password(self, username, password):
        raise asyncssh.DisconnectError(12, "too many connections")


class Unknown:
    def begin_auth(self, username):
        raise asyncssh.DisconnectError(15, "no such user")


class Asking:
    """Asks for the password as a question in the server's language, and then perhaps for more."""

    further: tuple[str, bool] | None = None

    def password_auth_supported(self):
        return False

    def kbdint_auth_supported(self):
        return True

    def get_kbdint_challenge(self, username, lang, submethods):
        return "", "", "", [("Kennwort: ", False)]

    def validate_kbdint_response(self, username, responses):
        right = list(responses) == [sftpd.PASSWORD]
        return ("", "", "", [("Code: ", True)]) if right and self.further else right


class AskingMore(Asking):
    further = ("Code: ", True)


@pytest.mark.parametrize(
    ("odd", "code", "words"),
    [
        (TooManyFailures, "FILES_AUTH_FAILED", "refuses the login"),
        (Unknown, "FILES_AUTH_FAILED", "refuses the login"),
        (Crowded, "FILES_BUSY", "no further connection"),
        (AskingMore, "FILES_AUTH_FAILED", "more than a password"),
    ],
)
async def test_logins_that_fail(places, odd, code, words):
    place = await places.sftp(login=odd)
    fail = await place.fails("list")
    assert fail.code == code
    assert words in fail.message
    assert fail.retries == (2 if code == "FILES_BUSY" else 0)


async def test_a_password_that_is_asked_for_as_a_question(places):
    place = await places.sftp(login=Asking)
    await place.do("list")
    login = {**place.inputs["authentication"], "password": "wrong"}
    assert (await place.fails("list", authentication=login)).code == "FILES_AUTH_FAILED"


async def test_a_folder_with_a_line_break_stops_no_listing(places, home):
    (home / "a\nb").mkdir()
    (home / "a\nb" / "x").write_text("x")
    place = await places.sftp()
    listed = (await place.do("list", maxDepth=2))["files"]
    assert [(one["folder"], one["name"]) for one in listed] == [("a\nb", "x")]


async def test_a_listed_name_does_not_lead_out_of_its_folder(places, home):
    (home / "a" / "x\\..\\..").mkdir(parents=True)
    place = await places.sftp()
    fail = await place.fails("list", directory="a", maxDepth=2)
    assert fail.code == "FILES_PATH_FORBIDDEN"
