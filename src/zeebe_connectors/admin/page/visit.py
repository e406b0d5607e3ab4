"""What a view is given, and what it gives: the contract between the site and its places."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from zeebe_connectors.admin.api.calls import Api
from zeebe_connectors.admin.page.session import Session
from zeebe_connectors.runtime.supervisor import Runtime


@dataclass(frozen=True, slots=True)
class Visit:
    """One look at one page by somebody who is signed in."""

    request: web.Request
    session: Session
    api: Api
    """Whose functions the page is drawn from."""
    form: Mapping[str, list[str]]
    """What a form brought; empty for a look."""
    query: Mapping[str, str]
    """The filter in the address."""
    params: Mapping[str, str]
    """The parts of the address that name something."""

    @property
    def runtime(self) -> Runtime:
        """Whose page it is."""
        return self.api.overview.runtime


@dataclass(frozen=True, slots=True)
class Drawn:
    """What a view shows.

    Args:
        template: Its file.
        values: What it shows.
        here: The place in the navigation.
        status: Of the HTTP answer.
        rows: Of a list whose rows stay where they are: those that changed since they were drawn, each with what it
            shows now, by the names of their regions. The macro `row` in the file beside the template draws them.
    """

    template: str
    values: dict[str, Any]
    here: str = ""
    status: int = 200
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


View = Callable[[Visit], Awaitable[Drawn | web.StreamResponse]]


class NotFound(Exception):  # noqa: N818 - an answer
    """There is nothing at this address (any more); the text says what and why."""


def see_other(to: str) -> web.Response:
    """Leads the browser to another address of the page."""
    return web.Response(status=303, headers={"Location": to})
