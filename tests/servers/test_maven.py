"""Artefacts: obtained once, whole or not at all, from a repository that may break, lie or be away."""

import hashlib
import http.server
import io
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from rich.console import Console
from tests.servers import maven as artifacts
from tests.servers.maven import Artifact, ArtifactUnavailableError, obtain

CONTENT = bytes(range(256)) * 4096  # 1 MiB, no two blocks at the same place of a cycle
JAR = Artifact("org.example", "thing", "1.0", "jar", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT), "MIT")
HERE = Path(__file__).parents[2]  # where `tests` is found
PATH = "/org/example/thing/1.0/thing-1.0.jar"


@dataclass
class Repository:
    """A Maven repository on loopback that records what it is asked and misbehaves when told to."""

    files: dict[str, bytes] = field(default_factory=lambda: {PATH: CONTENT})
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)
    """Numbers of bytes after which the next answers break off."""
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    address: str = ""


@contextmanager
def served(repository):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            repository.seen.append((self.path, wanted))
            content = repository.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            begin = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and repository.ranges else 0
            if begin and begin >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            end = begin + repository.breaks.pop(0) if repository.breaks else len(content)
            self.wfile.write(content[begin:end])

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        repository.address = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield repository
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ZEEBE_CONNECTORS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def repository(monkeypatch):
    with served(Repository()) as running:
        monkeypatch.setenv("ZEEBE_CONNECTORS_MAVEN", running.address)
        yield running


def test_obtained_once(repository, cache):
    """The second time comes from the cache, with no request."""
    first = obtain(JAR)
    assert first.read_bytes() == CONTENT
    assert first.is_relative_to(cache)
    assert obtain(JAR) == first
    assert repository.seen == [(PATH, None)]
    assert not list(cache.rglob("*.part"))


def test_the_user_sees_what_is_downloaded(repository):
    """Coordinates, size and licence are shown before the download, and nothing when there is none."""
    output = io.StringIO()
    console = Console(file=output, width=200)
    obtain(JAR, console=console)
    assert "org.example:thing:1.0 (1 MB, once), MIT" in output.getvalue()
    before = output.getvalue()
    obtain(JAR, console=console)
    assert output.getvalue() == before


def test_broken_transfer_goes_on_where_it_stopped(repository, monkeypatch):
    """A connection that breaks twice costs two further requests, each for the missing rest only."""
    monkeypatch.setattr(artifacts.time, "sleep", lambda seconds: None)
    repository.breaks = [100_000, 200_000]
    assert obtain(JAR).read_bytes() == CONTENT
    assert repository.seen == [(PATH, None), (PATH, "bytes=100000-"), (PATH, "bytes=300000-")]


def test_killed_download_goes_on_where_it_stopped(repository, cache):
    """What an earlier process left is not asked for again."""
    (cache / "artifacts").mkdir(parents=True)
    (cache / "artifacts" / "thing-1.0.jar.part").write_bytes(CONTENT[:500_000])
    assert obtain(JAR).read_bytes() == CONTENT
    assert repository.seen == [(PATH, "bytes=500000-")]


@pytest.mark.parametrize("left", [CONTENT, CONTENT + b"more"], ids=["whole", "too long"])
def test_part_that_leaves_nothing_to_ask_for(repository, cache, left):
    """A part file as long as the artefact is checked; one that is longer is thrown away."""
    (cache / "artifacts").mkdir(parents=True)
    (cache / "artifacts" / "thing-1.0.jar.part").write_bytes(left)
    assert obtain(JAR).read_bytes() == CONTENT


def test_server_without_ranges_starts_over(repository, cache):
    """A server that answers a range with the whole file gives the whole file, not one part behind another."""
    repository.ranges = False
    (cache / "artifacts").mkdir(parents=True)
    (cache / "artifacts" / "thing-1.0.jar.part").write_bytes(CONTENT[:500_000])
    assert obtain(JAR).read_bytes() == CONTENT


def test_wrong_first_half_is_fetched_anew(repository, cache):
    """A part file of something else is found out by the checksum and replaced."""
    (cache / "artifacts").mkdir(parents=True)
    (cache / "artifacts" / "thing-1.0.jar.part").write_bytes(b"x" * 500_000)
    assert obtain(JAR).read_bytes() == CONTENT
    assert repository.seen == [(PATH, "bytes=500000-"), (PATH, None)]


def test_wrong_bytes_are_never_used(repository, cache):
    """What has another checksum is refused, by both checksums, and nothing of it stays."""
    repository.files[PATH] = b"evil" + CONTENT[4:]
    with pytest.raises(ArtifactUnavailableError, match=f"SHA-256 [0-9a-f]{{64}}, expected {JAR.sha256}"):
        obtain(JAR)
    assert [path.suffix for path in (cache / "artifacts").iterdir()] == [".lock"]


def test_offline_names_what_is_missing_and_the_ways_out(monkeypatch):
    """With nobody at the other end the error says what is missing, why, and the ways out."""
    with served(Repository()) as gone:
        pass
    monkeypatch.setenv("ZEEBE_CONNECTORS_MAVEN", gone.address)
    with pytest.raises(ArtifactUnavailableError) as caught:
        obtain(JAR)
    text = str(caught.value)
    for part in ("org.example:thing:1.0", "refused", "ZEEBE_CONNECTORS_MAVEN", "HTTPS_PROXY"):
        assert part in text


def test_a_missing_file_is_reported_by_its_status(repository):
    """An artefact that the repository does not have is told as such."""
    with pytest.raises(ArtifactUnavailableError, match="the repository answered 404"):
        obtain(replace(JAR, version="2.0"))


def test_transfer_that_always_breaks_ends(repository, monkeypatch):
    """A connection that breaks each time ends in an error, and what came is kept for the next run."""
    monkeypatch.setattr(artifacts.time, "sleep", lambda seconds: None)
    repository.breaks = [1000] * artifacts.ATTEMPTS
    with pytest.raises(ArtifactUnavailableError, match="could not be downloaded"):
        obtain(JAR)
    assert len(repository.seen) == artifacts.ATTEMPTS
    assert obtain(JAR).read_bytes() == CONTENT
    assert repository.seen[-1] == (PATH, f"bytes={1000 * artifacts.ATTEMPTS}-")


def test_cache_that_cannot_be_written_is_named(repository, monkeypatch, tmp_path):
    """A cache directory that cannot be made is told with the variable that moves it."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZEEBE_CONNECTORS_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(ArtifactUnavailableError, match="Set ZEEBE_CONNECTORS_CACHE"):
        obtain(JAR)


def test_many_processes_download_once(repository):
    """Of four processes that ask at once, one downloads."""
    program = f"from tests.servers.maven import Artifact, obtain; print(obtain({JAR!r}).stat().st_size)"
    running = [
        subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=HERE) for _ in range(4)
    ]
    assert [process.communicate(timeout=60)[0] for process in running] == [f"{len(CONTENT)}\n"] * 4
    assert repository.seen == [(PATH, None)]


def test_no_registry_host_is_named_in_the_code():
    """Where Maven Central is, is known by the library alone."""
    source = artifacts.__loader__.get_source(artifacts.__name__)
    assert "maven.org" not in source
    assert "https://" not in source
