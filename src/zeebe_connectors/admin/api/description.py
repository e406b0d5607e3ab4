"""Describes calls of the operator's API: what each takes and answers, who may make it; routes and OpenAPI follow."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from aiohttp import web
from pydantic import ConfigDict, with_config

from zeebe_connectors.admin.access import Access, Role
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.runtime.supervisor import Runtime

if sys.version_info >= (3, 12):
    from typing import NotRequired, TypedDict
else:  # pydantic describes no other one there
    from typing import NotRequired

    from typing_extensions import TypedDict

__all__ = ["Call", "NotRequired", "Service", "TypedDict", "described"]

described = with_config(ConfigDict(use_attribute_docstrings=True, extra="forbid"))
"""Marks the shape of a JSON object: its docstrings are its descriptions, and it has no other members."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Args:
        method: Of HTTP.
        path: Below `/api`, with names in braces.
        role: Who may make it; every role may what the ones below may.
        summary: What it does, verb first.
        handle: Does it.
        answer: Type of the JSON that it answers, or the media type of a file.
        body: Type of the JSON object that it takes; None for a call without a body.
        query: What each parameter of the query means; all may be left out.
        errors: Codes by status, besides those that any call may have.
        status: Of the answer when all is well.
        if_match: Whether the caller sends the version that was read.
        etag: Whether the answer has the version in its header.
        streams: Whether the answer goes on until the caller goes.
    """

    method: Literal["GET", "POST", "PUT", "DELETE"]
    path: str
    role: Role
    summary: str
    handle: Callable[[web.Request], Awaitable[web.StreamResponse]]
    answer: Any
    body: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    errors: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    status: int = 200
    if_match: bool = False
    etag: bool = False
    streams: bool = False


class Service(Protocol):
    """What the API gives to all its calls."""

    access: Access

    @property
    def runtime(self) -> Runtime:
        """Whose API it is."""
        ...

    @property
    def mask(self) -> Mask:
        """The secrets of the call that is carried out, which are masked in its errors."""
        ...

    async def given(self, request: web.Request) -> dict[str, Any]:
        """The JSON object of a call.

        Raises:
            Refused: The body is none, or too large.
        """
        ...

    async def limited(self, work: Callable[[], Awaitable[Any]]) -> web.Response:
        """Answers what the work gives, unless as much is going on already as may."""
        ...
