"""The page of the runtime: health of its parts, replicas, settings, packages."""

from __future__ import annotations

import asyncio
import json

import pytest

from zeebe_connectors.admin.api import runtime as shown_runtime
from zeebe_connectors.runtime.gateway import GatewayError
from zeebe_connectors.runtime.ledger import LedgerError

CANARY = "CANARY-5eCr3t-0815"


async def test_health_settings_and_packages(start, tmp_path):
    running = await start(
        ZEEBE_CONNECTORS_DIAGRAMS=str(tmp_path), ZEEBE_CONECTORS_DATA="x", CAMUNDA_CLIENT_AUTH_CLIENT_SECRET=CANARY
    )
    own = running.runtime.sources.owner
    await running.runtime.ledger.hold("box", own, 30)
    await running.runtime.ledger.hold("other", "far-away|space|7|x", 30)
    await running.runtime.ledger.hold("late", "gone|space|8|x", -1)
    shown = await running.viewer.call("GET", "/runtime")
    assert {name: part["state"] for name, part in shown["health"].items() if name != "loop"} == {
        "engine": "up",
        "jobs": "up",
        "sources": "standby",
        "ledger": "up",
        "documents": "up",
        "providers": "standby",
        "memory": "up",
    }
    assert [(one["name"], one["this"], one["sources"]) for one in shown["replicas"]][1:] == [("far-away", False, 1)]
    assert shown["replicas"][0]["this"] is True
    settings = {one["name"]: one for one in shown["settings"]}
    assert settings["CAMUNDA_CLIENT_AUTH_CLIENT_SECRET"]["value"] == "set"
    assert settings["ZEEBE_CONNECTORS_ADMIN_TOKEN"]["where"] == "environment"
    assert {"name": "ZEEBE_CONECTORS_DATA", "meant": "ZEEBE_CONNECTORS_DATA"} in shown["unknown"]
    installed = {one["name"]: one for one in (await running.viewer.call("GET", "/runtime/packages"))["packages"]}
    assert installed["aiohttp"]["licence"].startswith("Apache-2.0")
    text = await running.viewer.get("/runtime")
    for words in ("Answers in", "this one", "set, never shown", "Did you mean", "far-away", "aiohttp"):
        assert words in text
    assert "CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE" not in text
    assert "CONNECTOR_HTTP_CLIENT_MAX_BODY_SIZE" in await running.viewer.get("/runtime?settings=all")
    report = json.loads(await running.viewer.get("/runtime/report.json"))
    assert report["packages"]
    assert "A setting has an unknown name" in await running.viewer.get("/")


@pytest.mark.parametrize("how", ["error", "silence"])
async def test_an_engine_and_a_ledger_that_do_not_answer_are_named(start, monkeypatch, how):
    running = await start()
    monkeypatch.setattr(shown_runtime, "ASK_SECONDS", 0.05)

    async def away(*_: object) -> None:
        if how == "silence":
            await asyncio.sleep(60)
        raise GatewayError("UNAVAILABLE", "nobody there")

    async def broken(*_: object) -> None:
        if how == "silence":
            await asyncio.sleep(60)
        raise LedgerError("the ledger's file is read-only")

    monkeypatch.setattr(running.runtime.gateway, "topology", away)
    monkeypatch.setattr(running.runtime.ledger, "leases", broken)
    health = (await running.viewer.call("GET", "/runtime"))["health"]
    assert (health["engine"]["state"], health["ledger"]["state"]) == ("down", "down")
    assert ("nobody there" in health["engine"]["more"]) == (how == "error")
    assert "Does not answer" in await running.viewer.get("/runtime")


async def test_the_engine_is_asked_seldom_however_often_the_page_is_loaded(start):
    running = await start()
    await asyncio.gather(*(running.viewer.call("GET", "/runtime") for _ in range(5)))
    assert sum(one.name == "topology" for one in running.runtime.gateway.commands) == 1
