"""The runtime runs on uvloop's event loop where that is installed, and on Python's own where the operator says so."""

from __future__ import annotations

import asyncio

import pytest

from zeebe_connectors.cli.loop import SETTING, run

uvloop = pytest.importorskip("uvloop")


async def _kind() -> type:
    return type(asyncio.get_running_loop())


def test_uvloop_is_used_where_it_is_installed() -> None:
    assert issubclass(run(_kind(), {}), uvloop.Loop)


@pytest.mark.parametrize("written", ["asyncio", " AsyncIO "])
def test_the_operator_may_keep_to_pythons_own(written: str) -> None:
    assert not issubclass(run(_kind(), {SETTING: written}), uvloop.Loop)


def test_without_it_pythons_own_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uvloop", None)
    assert not issubclass(run(_kind(), {}), uvloop.Loop)
