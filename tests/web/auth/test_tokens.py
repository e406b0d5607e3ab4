"""The token cache: one call for all who wait, a bound, and no harm by those who leave."""

import asyncio

import pytest

from zeebe_connectors import ConnectorError
from zeebe_connectors.web.auth.tokens import Token, TokenCache


class Issuer:
    """Issues numbered tokens after a moment."""

    def __init__(self, life=100.0, refresh=None):
        self.count, self.life, self.refresh, self.last = 0, life, refresh, []

    async def __call__(self, last):
        self.count += 1
        self.last.append(last)
        number = self.count
        await asyncio.sleep(0.01)
        return Token(f"t{number}", self.life, self.refresh and f"{self.refresh}{number}")


async def test_single_flight():
    """Everybody who comes while a token is fetched gets that one."""
    cache, issuer = TokenCache(), Issuer()
    assert set(await asyncio.gather(*(cache.get("k", issuer) for _ in range(50)))) == {"t1"}
    assert await cache.get("k", issuer) == "t1"
    assert issuer.count == 1


async def test_one_who_leaves():
    """The first who asked may be cancelled; the others still get their token."""
    cache, issuer = TokenCache(), Issuer()
    first = asyncio.create_task(cache.get("k", issuer))
    await asyncio.sleep(0)
    others = [asyncio.create_task(cache.get("k", issuer)) for _ in range(3)]
    await asyncio.sleep(0)
    first.cancel()
    assert await asyncio.gather(*others) == ["t1", "t1", "t1"]
    assert issuer.count == 1


async def test_a_failure_is_for_those_who_wait_only():
    """A failed call is told to everybody who waits, and the next one tries anew."""
    cache, calls = TokenCache(), 0

    async def fail_once(last):
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.01)
        if calls == 1:
            raise ConnectorError("503", "away")
        return Token("fine", 10)

    results = await asyncio.gather(*(cache.get("k", fail_once) for _ in range(3)), return_exceptions=True)
    assert [str(result) for result in results] == ["away"] * 3
    assert await cache.get("k", fail_once) == "fine"


async def test_a_job_whose_time_runs_out_fails_alone():
    """The others have more time, and one of them fetches for all."""
    cache, calls = TokenCache(), 0

    async def fetch(last):
        nonlocal calls
        calls += 1
        await asyncio.sleep(0.01)
        if calls == 1:
            raise ConnectorError("408", "too late", variables={"reason": "deadline"})
        return Token("fine", 10)

    results = await asyncio.gather(*(cache.get("k", fetch) for _ in range(4)), return_exceptions=True)
    assert [str(result) for result in results] == ["too late", "fine", "fine", "fine"]
    assert calls == 2


async def test_refused_token():
    """A refused token is fetched anew once; whoever was refused the older one gets what is there."""
    cache, issuer = TokenCache(), Issuer()
    await cache.get("k", issuer)
    assert await cache.get("k", issuer, refused="t1") == "t2"
    assert await cache.get("k", issuer, refused="t1") == "t2"
    assert issuer.count == 2


async def test_rotated_refresh_token():
    """The next fetch is handed the refresh token that the last one brought, although the access token has ended."""
    cache, issuer = TokenCache(), Issuer(life=None, refresh="r")
    for _ in range(3):
        await cache.get("k", issuer)
    assert issuer.last == [None, "r1", "r2"]


async def test_bound():
    """The cache forgets the token unused for longest."""
    cache, issuer = TokenCache(max_tokens=2), Issuer()
    for key in ("a", "b", "a", "c"):
        await cache.get(key, issuer)
    assert issuer.count == 3
    await cache.get("a", issuer)
    assert issuer.count == 3
    await cache.get("b", issuer)
    assert issuer.count == 4


async def test_close():
    """Closing ends what is still being fetched."""
    cache = TokenCache()

    async def never(last):
        await asyncio.Event().wait()

    waiting = asyncio.create_task(cache.get("k", never))
    await asyncio.sleep(0)
    cache.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting


def test_repr_shows_no_token():
    """A token is never printed."""
    assert "s3cret" not in repr(Token("s3cret", 1, "s3cret"))
