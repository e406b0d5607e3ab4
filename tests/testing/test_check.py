"""`testing.check` finds what is wrong with a connector, and `testing.watch` runs one that watches."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any

import aiohttp
import pytest
from typer.testing import CliRunner

from zeebe_connectors import (
    Context,
    Event,
    Group,
    Hint,
    Inbound,
    InboundContext,
    Model,
    Outbound,
    Secret,
    TransientError,
    inbound,
    outbound,
)
from zeebe_connectors.cli.template import app
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing import check, watch
from zeebe_connectors.web import Exchange, HttpRequest

REST_ICON = Path(__file__).parents[2] / "src" / "zeebe_connectors" / "connectors" / "rest" / "icon.svg"
ERRORS = {"ORDERS_AWAY": "The service cannot be reached; try again."}
REGISTRY = Registry.installed()


class Order(Model):
    url: Annotated[str, Hint(secrets="whole", example="https://orders.example.com/")]
    """Address of the service."""
    token: Secret
    """Key of the service."""


class Placed(Model):
    number: int
    """Number of the order."""


def made(call: Any, **options: Any) -> Outbound:
    """A connector with everything right but what the options and the function say."""
    options_given = {
        "title": "Orders",
        "type": "com.example:orders:1",
        "errors": ERRORS,
        "icon": str(REST_ICON),
        **options,
    }
    return outbound("orders", **options_given)(call)


async def good(order: Order, context: Context) -> Placed:
    """Place an order."""
    request = HttpRequest("GET", order.url)
    request.headers["Authorization"] = order.token.reveal()
    await Exchange(context).call(request)
    return Placed(number=1)


async def test_a_connector_that_keeps_the_rules():
    assert await check(made(good)) == []


async def leaks_in_log(order: Order, context: Context) -> Placed:
    """Place an order."""
    logging.getLogger("orders").info("calling", extra={"token": order.token.reveal()})
    return await good(order, context)


async def pretends(order: Order, context: Context) -> Placed:
    """Place an order."""
    return Placed(number=len(order.url))


async def raises_anything(order: Order, context: Context) -> Placed:
    """Place an order."""
    async with aiohttp.ClientSession() as session, session.get(order.url) as response:
        return Placed(number=response.status)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (leaks_in_log, "canary: a secret's value appears in the log"),
        (pretends, "dead port: it does not fail where nothing answers"),
        (raises_anything, "dead port: the error has no code"),
    ],
)
async def test_how_a_connector_fails_is_looked_at(call, message):
    found = await check(made(call))
    assert any(line.startswith(message) for line in found), found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "orders"}, "type: 'orders' has no name space"),
        ({"type": "io.camunda:orders:1"}, "type: 'io.camunda:orders:1' is in the name space of another project"),
        ({"template_id": "io.github.zeebe-connectors.x"}, "template_id: "),
        ({"errors": {}}, "errors: name the codes"),
        (
            {"errors": {"away": "The service cannot be reached."}},
            "errors: 'away' is not an error code; write it like ORDERS_NOT_FOUND",
        ),
        ({"errors": {"ORDERS_AWAY": "Away"}}, "errors: ORDERS_AWAY needs a sentence"),
        ({"icon": "none.svg"}, "icon: is missing"),
        (
            {"groups": [Group("input", "Input"), Group("more", "More")]},
            "the form of 'orders': no field is in the group 'more'",
        ),
    ],
)
async def test_how_a_connector_is_described_is_looked_at(options, message):
    found = await check(made(good, **options))
    assert any(line.startswith(message) for line in found), found


class Wrong(Model):
    host: Annotated[str, Hint(example="orders.example.com")]
    """Where."""
    password: str
    """Of the user."""
    silent: str = ""
    limit: Annotated[int, Hint(example="many")] = "none"  # type: ignore[assignment]
    """Orders at most."""


async def test_every_input_is_looked_at():
    async def call(given: Wrong, context: Context) -> Placed:
        """Place an order."""
        return Placed(number=1)

    call.__annotations__ = {"given": Wrong, "context": Context, "return": Placed}
    found = await check(made(call))
    for message in (
        'host: says where something is sent; give it Hint(secrets="whole")',
        "password: holds a credential; make it a Secret",
        "silent: has no description",
        "limit: its example is not valid",
        "limit: its default is not valid",
    ):
        assert any(line.startswith(message) for line in found), found


@pytest.mark.parametrize("connector", [*REGISTRY.outbound.values(), *REGISTRY.inbound.values()], ids=lambda c: c.name)
async def test_our_own_connectors_keep_the_rules(connector):
    assert await check(connector) == []


def test_the_command_says_what_is_wrong_and_fails(monkeypatch):
    assert CliRunner().invoke(app, ["check", "process"]).output == "process: ok\n"
    registry = Registry([made(pretends)])
    monkeypatch.setattr(Registry, "installed", lambda *_: registry)
    shown = CliRunner().invoke(app, ["check", "orders"])
    assert shown.exit_code == 1
    assert "dead port" in shown.output


def ticking(*, fail: Exception | None = None) -> Inbound:
    async def tick(order: Order, context: InboundContext) -> AsyncIterator[Event]:
        """Give two events, the first of them twice."""
        context.report("as it began")
        for number in (1, 1, 2):
            yield Event(f"event/{number}", {"number": number, "key": order.token.reveal()})
        if fail:
            raise fail

    tick.__annotations__ = {"order": Order, "context": InboundContext, "return": AsyncIterator[Event]}
    described = inbound("tick", title="Tick", type="com.example:tick:1", errors=ERRORS, icon=str(REST_ICON))
    return described(tick)


SETTINGS = {"url": "http://127.0.0.1:1/", "token": "{{secrets.KEY}}"}


async def test_events_come_once_and_are_acknowledged():
    async with watch(ticking(), SETTINGS, secrets={"KEY": "k"}) as watching:
        assert (await watching.next()).data == {"number": 1, "key": "k"}
        assert (await watching.next()).id == "event/2"
        with pytest.raises(RuntimeError, match="stopped watching"):
            await watching.next()
        assert watching.acknowledged == ["event/1", "event/2"]
        assert watching.reports == ["as it began"]


async def test_what_ends_the_connector_is_raised():
    async with watch(ticking(fail=TransientError("ORDERS_AWAY", "away")), SETTINGS, secrets={"KEY": "k"}) as watching:
        await watching.next()
        await watching.next()
        with pytest.raises(TransientError, match="away"):
            await watching.next()


async def test_an_event_that_should_not_come_fails_the_test():
    async with watch(ticking(), SETTINGS, secrets={"KEY": "k"}) as watching:
        with pytest.raises(AssertionError, match="event/1"):
            await watching.none()


async def test_a_source_that_gives_events_where_nothing_answers_is_found():
    found = await check(ticking())
    assert found == ["dead port: it gave an event where nothing answers"]


async def test_a_template_has_the_name_space_of_its_author():
    assert made(good).template_id == "com.example.orders.v1"
    assert ticking().template_id == "com.example.tick.v1"
    assert made(good, type="plain").template_id.endswith(".orders.v1")
    assert "zeebe-connectors" not in made(good, type="plain").template_id
