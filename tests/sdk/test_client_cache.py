"""Kept clients are opened once per key, shared, bounded and closed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from zeebe_connectors import InputError
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.files import AllowedFiles


class Client:
    opened = 0

    def __init__(self) -> None:
        Client.opened += 1
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def _count() -> None:
    Client.opened = 0


async def slowly() -> Client:
    await asyncio.sleep(0.01)
    return Client()


async def test_callers_that_come_together_share_one_client() -> None:
    """The second waits for what the first opens."""
    cache = ClientCache()
    first, second = await asyncio.gather(cache.get("a", slowly), cache.get("a", slowly))
    assert first is second
    assert (await cache.get("a", slowly)) is first
    assert (await cache.get("b", Client)) is not first
    assert Client.opened == 2


async def test_what_is_open_already_is_there_at_once() -> None:
    """Neither a client that still opens nor one that failed to; a preset, in every view."""
    cache = ClientCache(preset={"rules": 1})
    assert cache.opened("a") is None
    opening = asyncio.ensure_future(cache.get("a", slowly))
    await asyncio.sleep(0)
    assert cache.opened("a") is None
    assert cache.opened("rules") == cache.scoped("x").opened("rules") == 1
    assert await opening is cache.opened("a")
    view = cache.scoped("x", preset={"rules": 2})
    assert (view.opened("a"), view.opened("rules")) == (None, 2)
    assert await view.get("a", Client) is view.opened("a")
    assert view.opened("a") is not cache.opened("a")


async def test_a_failure_to_open_reaches_all_and_is_not_kept() -> None:
    """The next call tries anew."""
    cache = ClientCache()

    async def broken() -> Client:
        await asyncio.sleep(0.01)
        raise OSError("away")

    results = await asyncio.gather(*(cache.get("a", broken) for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, OSError) for result in results)
    assert isinstance(await cache.get("a", slowly), Client)


async def test_a_cancelled_opener_takes_the_client_from_nobody() -> None:
    """Whoever waits beside it gets the one that it began to open."""
    cache = ClientCache()
    opener = asyncio.ensure_future(cache.get("a", slowly))
    waiter = asyncio.ensure_future(cache.get("a", slowly))
    await asyncio.sleep(0)
    opener.cancel()
    results = await asyncio.gather(opener, waiter, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert isinstance(results[1], Client)
    assert Client.opened == 1


async def test_the_longest_unused_is_closed_beyond_the_bound() -> None:
    """And all at the end."""
    cache = ClientCache(max_clients=2)
    clients = [await cache.get(name, Client) for name in ("a", "b")]
    await cache.get("a", Client)
    newest = await cache.get("c", Client)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [client.closed for client in clients] == [False, True]
    await cache.aclose()
    assert clients[0].closed
    assert newest.closed


async def test_a_client_that_never_opens_does_not_hold_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for it is told."""
    monkeypatch.setattr("zeebe_connectors.sdk.client_cache.CLOSING", 0.05)
    cache = ClientCache()
    waiter = asyncio.ensure_future(cache.get("a", lambda: asyncio.sleep(3600)))
    await asyncio.sleep(0)
    async with asyncio.timeout(30):
        await cache.aclose()
        with pytest.raises(asyncio.CancelledError):
            await waiter


async def test_a_discarded_client_is_closed_and_opened_anew() -> None:
    """For connections that turned out to be broken."""
    cache = ClientCache()
    first = await cache.get("a", Client)
    cache.discard("a")
    cache.discard("never there")
    assert (await cache.get("a", Client)) is not first
    await cache.aclose()
    assert first.closed


def test_files_are_found_below_allowed_directories_only(tmp_path: Path) -> None:
    """Links and dots are followed before the answer."""
    allowed = tmp_path / "allowed"
    allowed.mkdir()
    (allowed / "letter.txt").write_text("x")
    (tmp_path / "other.txt").write_text("x")
    (allowed / "link.txt").symlink_to(tmp_path / "other.txt")
    files = AllowedFiles([allowed])
    assert files.resolve("letter.txt", field="body") == allowed / "letter.txt"
    assert files.resolve(str(allowed / "letter.txt"), field="body") == allowed / "letter.txt"
    for path in ("../other.txt", str(tmp_path / "other.txt"), "link.txt", "/etc/passwd", "a\0b"):
        with pytest.raises(InputError, match=r"body: the file may not be used.*ZEEBE_CONNECTORS_FILES") as raised:
            files.resolve(path, field="body")
        assert raised.value.code == "FILE_FORBIDDEN"
    with pytest.raises(InputError, match="no directory is allowed"):
        AllowedFiles().resolve("letter.txt", field="body")
