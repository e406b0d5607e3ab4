"""FTP servers that answer and list in their own ways."""

from __future__ import annotations

import pytest
from tests.servers.odd_ftpd import MLSD, PLAIN

from zeebe_connectors.testing import Complete

FILES = {"/a.txt": b"hello", "/dir/b.txt": b"bb", "/dir/sub/c.txt": b"c"}
ALL = ["a.txt", "dir", "dir/b.txt", "dir/sub", "dir/sub/c.txt"]


async def _paths(place, **inputs):
    return [one["path"] for one in (await place.do("list", what="all", **inputs))["files"]]


@pytest.mark.parametrize(
    ("features", "answers"),
    [
        (MLSD, {"MLSD": "500 what?"}),
        (MLSD, {"MLSD": "502 no", "MLST": "502 no"}),
        (MLSD, {"MLSD": "501 syntax", "MLST": "501 syntax"}),
        (MLSD.lower(), {}),
        (PLAIN, {"PWD": "550 no"}),
        (PLAIN, {"PWD": "257 / is the folder"}),
        ("502 no", {"USER": "232 signed in by certificate"}),
        (PLAIN, {"SIZE": "500 no"}),
        (PLAIN, {"EPSV": "500 no", "_PASV": "227 ok (127, 0, 0, 1, {h}, {l})"}),
        (PLAIN, {"_EPSV": "229 ok (|1|127.0.0.1|{p}|)."}),
        (PLAIN, {"EPSV": "229 ok (|||99999|)"}),
        (PLAIN, {"_END": "200 done"}),
    ],
)
async def test_files_are_listed_and_read(places, features, answers):
    place = await places.odd_ftp(FILES, features=features, answers=answers)
    assert await _paths(place, maxDepth=3) == ALL
    assert (await place.do("read", directory="dir", file="b.txt", readAs="text"))["content"] == "bb"
    assert (await place.do("exists", file="a.txt"))["kind"] == "file"
    assert (await place.do("exists", directory="dir"))["kind"] == "folder"
    assert (await place.do("exists", file="z"))["exists"] is False
    await place.do("write", file="a.txt", content="2", ifExists="number")
    assert (place.server.files["/a.txt"], place.server.files["/a (2).txt"]) == (b"hello", b"2")


@pytest.mark.parametrize(
    ("given", "code", "retries"),
    [
        ({"answers": {"PASS": "530 Sorry, the maximum number of clients (10) is reached"}}, "FILES_BUSY", 2),
        ({"greeting": "421 Too many users"}, "FILES_BUSY", 2),
        ({"answers": {"PASS": "530 Login incorrect."}}, "FILES_AUTH_FAILED", 0),
        ({"answers": {"RETR": "550 The file is being used by another process."}}, "FILES_BUSY", 2),
        ({"answers": {"EPSV": "500 no", "PASV": "227 ok (127,0,0,1,999,999)"}}, "FILES_REFUSED", 2),
        ({"answers": {"EPSV": "500 no", "PASV": "227 ok (127,0,0,1,0,0)"}}, "FILES_REFUSED", 2),
        ({"answers": {"SIZE": "213 " + "9" * 5000}}, "", 0),
    ],
)
async def test_refusals(places, given, code, retries):
    place = await places.odd_ftp(FILES, **given)
    outcome = await place.job("read", file="a.txt", readAs="text")
    if code:
        assert (outcome.code, outcome.retries) == (code, retries)
    else:
        assert isinstance(outcome, Complete)


@pytest.mark.parametrize(
    ("line", "name", "size"),
    [
        ("-rw-r--r-- 1 u g 12 янв 10 10:18 ru", "ru", 12),
        ("-rw-r--r-- 1 u g 12 Ağu 10 2026 tr", "tr", 12),
        ("-rw-r--r-- 1 u g 12 xyz 10 2026 unknown month", "unknown month", 12),
        ("-rw-r--r-- 1 u g 1.2K Jan 10 10:18 human", "human", None),
        ("-rw-r--r-- 1 u g 12M Jan 10 10:18 whole and human", "whole and human", None),
        ("-rw-r--r-- 1 u g 12 3월 27 2025 ko", "ko", 12),
        ("-rw-r--r-- 1 u g 12 Jan 10 10:18:33 2025 whole date", "whole date", 12),
        ("-rw-r--r-- 1 u g 12 Jan 10 10:18:33 2025.txt", "2025.txt", 12),
        ("01-02-26  03:04PM    <SYMLINK>     link [C:\\there]", "link", None),
        ("-rw-r--r--1000 u g 12 Jan 10 10:18 no blank", "no blank", 12),
        ("-rw-r--r-- 1 u g " + "9" * 5000 + " Jan 01 2026 huge", "huge", None),
        ("01-02-26  03:04p                12 half", "half", 12),
        ("01-02-26  03:04PM       1\xa0234 grouped", "grouped", 1234),
        ("-rw-r--r-- 1 u g 12 Jan 10 2026 ./named", "named", 12),
        ("-rw-r--r-- 1 u g 12 Jan 10 2026 /whole", "whole", 12),
    ],
)
async def test_lines_of_list(places, line, name, size):
    place = await places.odd_ftp(FILES, features=PLAIN, lines=["total 1", line])
    files = (await place.do("list"))["files"]
    assert [(one["name"], one["size"]) for one in files] == [(name, size)]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("type=dir;size=4096; sub", ("sub", "folder", None)),
        ("type=file;size=" + "9" * 30 + "; huge", ("huge", "file", None)),
        ("Type=FILE;Size=7; a;b=c.txt", ("a;b=c.txt", "file", 7)),
        ("type=file;size=7; /whole", ("whole", "file", 7)),
    ],
)
async def test_lines_of_mlsd(places, line, found):
    place = await places.odd_ftp(FILES, lines=[line])
    files = (await place.do("list", what="all"))["files"]
    assert [(one["name"], one["kind"], one["size"]) for one in files] == [found]


async def test_facts_in_the_first_line_of_an_answer(places):
    answers = {"MLST": "250-type=file;size=7;modify=20260102030405Z; a.txt\r\n250 End"}
    place = await places.odd_ftp(FILES, answers=answers)
    done = await place.do("exists", file="a.txt")
    assert (done["kind"], done["size"], done["modified"]) == ("file", 7, "2026-01-02T03:04:05Z")


async def test_a_name_outside_the_encoding_can_be_given_back(places):
    """It is listed with private characters, which JSON and every program can carry, and read by them."""
    place = await places.odd_ftp({}, features=MLSD, lines=["type=file;size=1; gr\udcfc\udcdfe.txt"])
    (listed,) = (await place.do("list"))["files"]
    assert listed["name"] == "gr\uf7fc\uf7dfe.txt"
    assert listed["name"].encode()


async def test_a_line_of_a_greeting_may_begin_with_digits(places):
    place = await places.odd_ftp(FILES, greeting="220-Welcome\r\n2200 users are here\r\n220 ready")
    assert (await place.do("read", file="a.txt", readAs="text"))["content"] == "hello"


async def test_a_folder_that_is_not_there_is_not_just_refused(places):
    """A server such as vsftpd says only that it failed."""
    place = await places.odd_ftp(FILES, features=PLAIN)
    fail = await place.fails("list", directory="nothing")
    assert (fail.code, fail.retries) == ("FILES_NOT_FOUND", 0)


@pytest.mark.parametrize("name", ["~$a.docx", " a.txt", "-a.txt"])
async def test_a_name_that_a_server_would_take_for_something_else(places, name):
    """ProFTPD takes a tilde for a home and skips blanks; others take a dash for an option."""
    place = await places.odd_ftp({f"/{name}": b"1"})
    assert (await place.do("read", file=name, readAs="text"))["content"] == "1"
    assert f"RETR ./{name}" in place.server.received
