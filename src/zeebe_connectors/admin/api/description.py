"""Describe calls of the operator's API: input, answer and role; routes and OpenAPI are derived from it."""

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
else:  # pydantic accepts no other TypedDict there
    from typing import NotRequired

    from typing_extensions import TypedDict

__all__ = ["ROWS", "Call", "NotRequired", "Service", "TypedDict", "described"]

ROWS = 50
"""Rows of a list in one answer, and on one page."""
described = with_config(ConfigDict(use_attribute_docstrings=True, extra="forbid"))
"""Marks the shape of a JSON object: its docstrings become descriptions, and further members are refused."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call.

    Args:
        method: HTTP method.
        path: Path below `/api`, with names in braces.
        role: The lowest role that may make it.
        summary: What it does, verb first.
        handle: Handles the call.
        answer: Type of the JSON answer, or the media type of a file.
        body: Type of the JSON object in the body; None for a call without a body.
        query: Meaning of each query parameter; all are optional.
        errors: Codes by status, besides those that any call may have.
        problems: By status: type of the refusal that says more than code and message.
        status: Status of a successful answer.
        if_match: Whether the caller sends the version that it read.
        etag: Whether the answer has the version in its header.
        streams: Whether the answer continues until the caller leaves.
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
    problems: Mapping[int, Any] = field(default_factory=dict)
    status: int = 200
    if_match: bool = False
    etag: bool = False
    streams: bool = False


class Service(Protocol):
    """What all calls share."""

    access: Access

    @property
    def runtime(self) -> Runtime:
        """The runtime that the API belongs to."""
        ...

    @property
    def mask(self) -> Mask:
        """The secrets of the current call, which are masked in its errors."""
        ...

    async def given(self, request: web.Request) -> dict[str, Any]:
        """Returns the JSON object in a call's body.

        Raises:
            Refused: The body is not a JSON object, or too large.
        """
        ...

    async def limited(self, work: Callable[[], Awaitable[Any]]) -> web.Response:
        """Answers with the work's result.

        Raises:
            Refused: Too many calls are running already, or the answer would be too large.
        """
        ...
