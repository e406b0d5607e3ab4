"""Define the contract between the site and its views: what a view gets and returns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from zeebe_connectors.admin.api.calls import Api
from zeebe_connectors.admin.page.session import Session
from zeebe_connectors.runtime.supervisor import Runtime


@dataclass(frozen=True, slots=True)
class Visit:
    """One request for a page by somebody who is signed in."""

    request: web.Request
    session: Session
    api: Api
    """The API, from whose functions the page is drawn."""
    form: Mapping[str, list[str]]
    """The fields of a sent form; empty without one."""
    query: Mapping[str, str]
    """The query of the address."""
    params: Mapping[str, str]
    """The named parts of the address."""

    @property
    def runtime(self) -> Runtime:
        """The runtime that the page belongs to."""
        return self.api.overview.runtime


@dataclass(frozen=True, slots=True)
class Drawn:
    """A page to draw.

    Args:
        template: The template's file.
        values: The values for the template.
        here: The place in the navigation.
        status: Of the HTTP answer.
        rows: Of a list whose rows stay where they are: those that changed since they were drawn, each with what it
            shows now, by the names of their regions. The macro `row` in the file beside the template draws them.
        lists: The names of the regions of all rows that are in a list still, by the list's name.
    """

    template: str
    values: dict[str, Any]
    here: str = ""
    status: int = 200
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)


View = Callable[[Visit], Awaitable[Drawn | web.StreamResponse]]


class NotFound(Exception):  # noqa: N818 - an answer
    """There is nothing at this address (any more); the message says what and why."""


def see_other(to: str) -> web.Response:
    """Redirects the browser to another address of the page."""
    return web.Response(status=303, headers={"Location": to})
