"""Connectors that use every feature a form can have; none is registered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from zeebe_connectors import Context, Document, Event, Group, Hint, Model, Secret, When, inbound, outbound


class NoAuth(Model):
    """None."""

    type: Literal["none"] = "none"


class Basic(Model):
    """User name and password."""

    type: Literal["basic"] = "basic"
    username: Annotated[str, Hint(secrets=True, example="ann")]
    password: Secret


class Digest(Model):
    type: Literal["digest"] = "digest"
    username: Annotated[str, Hint(secrets=True, example="ann")]
    password: Secret
    realm: str | None = None


class InHeader(Model):
    where: Literal["header"] = "header"
    header_name: str = "X-Key"


class InQuery(Model):
    where: Literal["query"] = "query"
    parameter: str


class Key(Model):
    """API key."""

    type: Literal["key"] = "key"
    value: Secret
    place: Annotated[InHeader | InQuery, Field(discriminator="where")] = InHeader()


class Tls(Model):
    certificate: Annotated[str, Hint(text=True)]
    """PEM chain."""


class Order(Model):
    host: Annotated[str, Hint(group="server", example="127.0.0.1")]
    """Name or address of the server. An IPv6 address stands in brackets, e.g. `[::1]`."""
    port: Annotated[int, Hint(group="server")] = 443
    authentication: Annotated[
        NoAuth | Basic | Digest | Key, Field(discriminator="type"), Hint(group="authentication", label="Scheme")
    ] = NoAuth()
    tls: Annotated[Tls | None, Hint(group="server")] = None
    importance: Annotated[
        Literal["high", "normal", "low"], Hint(group="payload", choices={"high": "Very high", "low": "Low"})
    ] = "normal"
    dry_run: Annotated[bool, Hint(group="payload")] = False
    strict: Annotated[bool, Hint(group="payload")] = True
    reason: Annotated[str | None, Hint(group="payload", when=When("strict", ("true",)))] = None
    items: Annotated[list[str], Hint(group="payload", example=["a"])]
    labels: Annotated[dict[str, str], Hint(group="payload")] = Field(default_factory=dict)
    attachment: Annotated[Document | None, Hint(group="payload")] = None
    body: Annotated[Any, Hint(group="payload")] = None
    legacy: Annotated[str | None, Hint(hidden=True)] = None
    """Sent by an older template."""
    seconds: Annotated[float, Hint(group="payload", form_default="2.5")] = 20


class Done(Model):
    order_id: str
    """The order's number."""
    lines: list[Any] = Field(default_factory=list)


@outbound(
    "sample-order",
    title="Sample: one order",
    type="test:order:1",
    also=["test:older:1"],
    keywords=["order"],
    groups=[
        Group("server", "Server"),
        Group("authentication", "Authentication", tooltip="Who asks."),
        Group("payload", "Order", open=True),
    ],
    errors={"ORDER_REFUSED": "The server said no | never. Ask it why."},
    result_expression="{orderId: response.orderId}",
)
async def order(given: Order, context: Context) -> Done:
    """Sends one order to the server.

    Waits for the answer.
    """
    return Done(order_id=given.host)


class Get(Model):
    operation: Literal["get"] = "get"
    path: str
    folder: str | None = None


class Put(Model):
    """Put a file."""

    operation: Literal["put"] = "put"
    path: str
    content: str


class Quit(Model):
    operation: Literal["quit"] = "quit"
    folder: str | None = None


class Noted(Get):
    """Hidden member, accepted only."""

    operation: Annotated[Literal["noted"], Hint(hidden=True)] = "noted"  # type: ignore[assignment]


Operation = Annotated[Get | Put | Quit | Noted, Field(discriminator="operation")]


@outbound("sample-files", title="Sample: files", type="test:files:1")
async def files(given: Operation, context: Context) -> None:
    """Works on files."""


class Watch(Model):
    folder: str
    every: float = 5.0
    kinds: list[str] = Field(default_factory=list)
    deep: bool = False
    order: Literal["name", "date"] = "name"


@inbound("sample-watch", title="Sample: watch", type="test:watch:1")
async def watch(given: Watch, context: Any) -> AsyncIterator[Event]:
    """Waits for files."""
    yield Event(id=given.folder, data={})


@pytest.fixture(name="order")
def _order():
    return order


@pytest.fixture(name="files")
def _files():
    return files


@pytest.fixture(name="watch")
def _watch():
    return watch
