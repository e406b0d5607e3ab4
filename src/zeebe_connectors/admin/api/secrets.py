"""Show where secrets were sent, by name and never by value, for the API."""

from __future__ import annotations

from aiohttp import web

from zeebe_connectors.admin.access import Role
from zeebe_connectors.admin.api.description import Call, TypedDict, described
from zeebe_connectors.runtime.supervisor import Runtime


@described
class UseShown(TypedDict):
    """How often a secret was sent from one element to one host."""

    secret: str
    """The secret's name."""
    process: str
    element: str
    host: str
    count: int


@described
class UsesShown(TypedDict):
    """Which secrets were sent where, since the start."""

    uses: list[UseShown]


def calls(runtime: Runtime) -> list[Call]:
    """Returns the call `/secrets`."""

    async def show(_: web.Request) -> web.Response:
        uses = [{**use._asdict(), "count": count} for use, count in runtime.services.secrets.uses.counts()]
        return web.json_response({"uses": uses})

    return [Call("GET", "/secrets", Role.VIEWER, "Counts which secret went where; no values", show, UsesShown)]
