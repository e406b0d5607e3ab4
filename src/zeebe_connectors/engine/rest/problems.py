"""Report invalid requests as the Orchestration Cluster API does: as a JSON problem with a status."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, TypeVar

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from zeebe_connectors.engine.payloads import check_depth, read_json
from zeebe_connectors.engine.rejections import Rejection, RejectionCode

log = logging.getLogger(__name__)
V = TypeVar("V")

_STATUS = {
    RejectionCode.INVALID_ARGUMENT: (400, "INVALID_ARGUMENT"),
    RejectionCode.NOT_FOUND: (404, "NOT_FOUND"),
    RejectionCode.INVALID_STATE: (409, "INVALID_STATE"),
    RejectionCode.ALREADY_EXISTS: (409, "ALREADY_EXISTS"),
    RejectionCode.UNIMPLEMENTED: (501, "UNIMPLEMENTED"),
}


class Problem(Exception):  # noqa: N818 - the standard's word (RFC 9457)
    """A request cannot be answered.

    Attributes:
        status: HTTP status.
        title: The kind of problem.
        detail: What is wrong, and what is expected.
    """

    def __init__(self, status: int, title: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.title = title
        self.detail = detail


def bad(detail: str) -> Problem:
    """Make the problem for an invalid request."""
    return Problem(400, "INVALID_ARGUMENT", detail)


def missing(what: str, key: object) -> Problem:
    """Make the problem for something that does not exist."""
    return Problem(404, "NOT_FOUND", f"{what} with key '{key}' not found")


def answer(status: int, title: str, detail: str, path: str) -> web.Response:
    """Return a problem as a response."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "instance": path}
    return web.Response(status=status, text=json.dumps(body), content_type="application/problem+json")


@web.middleware
async def problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer every failure as a problem; none carries a stack trace."""
    try:
        return await handler(request)
    except Problem as problem:
        return answer(problem.status, problem.title, problem.detail, request.path)
    except Rejection as rejection:
        status, title = _STATUS[rejection.code]
        return answer(status, title, rejection.message, request.path)
    except web.HTTPNotFound:
        detail = f"The local engine does not serve {request.method} {request.path}; a cluster may."
        return answer(404, "NOT_FOUND", detail, request.path)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        return answer(405, "METHOD_NOT_ALLOWED", f"{request.path} takes {allowed}.", request.path)
    except web.HTTPRequestEntityTooLarge:
        return answer(413, "PAYLOAD_TOO_LARGE", "The request is larger than the local engine takes.", request.path)
    except web.HTTPException:
        raise
    except Exception:
        log.exception("%s %s failed", request.method, request.path)
        return answer(500, "INTERNAL_ERROR", "The engine failed; see its log.", request.path)


async def body_of(request: web.Request) -> dict[str, Any]:
    """Read a request's JSON object; an absent body counts as an empty one.

    Raises:
        Problem: It is not a JSON object.
    """
    content = await request.read()
    if not content.strip():
        return {}
    try:
        found = read_json(content.decode(json.detect_encoding(content)))
    except (ValueError, RecursionError) as error:  # a wrong encoding is a ValueError too
        raise bad(f"The request body is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise bad("The request body must be a JSON object")
    return found


async def parts_of(request: web.Request, what: str) -> AsyncIterator[tuple[BodyPartReader, bytes]]:
    """Yield the parts of a multipart request, each with its content.

    Args:
        request: The request.
        what: The parts that it must have, for the message.

    Raises:
        Problem: It is not a valid multipart request.
    """
    if not request.content_type.startswith("multipart/"):
        raise bad(f"The request must be multipart/form-data, with {what}")
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise bad("A part of the request must not be multipart itself")
            yield part, bytes(await part.read())
    except (
        ValueError,
        AssertionError,
        HttpProcessingError,
    ) as error:  # raised by aiohttp for a broken part
        raise bad(f"The multipart request cannot be read: {' '.join(str(error).split())}") from None


def key_in(request: web.Request) -> int:
    """Read the key in a request's path.

    Raises:
        Problem: It is not a number.
    """
    return number(request.match_info["key"], "key")


def number(value: object, name: str, bits: int = 64) -> int:
    """Read a key or another whole number, given as a number or as text.

    Raises:
        Problem: It is none, or has more bits.
    """
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit() and len(value) < 21:
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise bad(f"The provided {name} '{value}' is not a valid number")
    if not -(1 << bits - 1) <= value < 1 << bits - 1:
        raise bad(f"The provided {name} is not a valid number: it has more than {bits} bits")
    return value


def number_in(given: Mapping[str, Any], name: str, absent: int = 0, bits: int = 64) -> int:
    """Read a whole number of a request; null or nothing stands for `absent`.

    Raises:
        Problem: It is something else.
    """
    value = given.get(name)
    return absent if value is None else number(value, name, bits)


def text_in(given: Mapping[str, Any], name: str, absent: str = "") -> str:
    """Read a text of a request; null or nothing stands for `absent`.

    Raises:
        Problem: It is something else.
    """
    value = given.get(name)
    return absent if value is None else text(value, name)


def flag(value: object, name: str) -> bool:
    """Read a yes or no.

    Raises:
        Problem: It is something else.
    """
    if not isinstance(value, bool):
        raise bad(f"{name} must be true or false")
    return value


def flag_in(given: Mapping[str, Any], name: str) -> bool:
    """Read a yes or no of a request; null or nothing is no.

    Raises:
        Problem: It is something else.
    """
    value = given.get(name)
    return value is not None and flag(value, name)


def text(value: object, name: str) -> str:
    """Read a text.

    Raises:
        Problem: It has another type.
    """
    if not isinstance(value, str):
        raise bad(f"{name} must be a text")
    return value


def object_of(value: object, name: str) -> dict[str, Any]:
    """Read a JSON object; null counts as an empty one.

    Raises:
        Problem: It has another type.
    """
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise bad(f"{name} must be a JSON object")
    return value


def variables_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Read the variables of a request; absent ones count as empty.

    Raises:
        Problem: They are not a JSON object.
        Rejection: They are nested too deeply.
    """
    found = object_of(given.get("variables"), "variables")
    check_depth(found)
    return found


def list_of(value: object, name: str, read: Callable[[object, str], V]) -> list[V]:
    """Read a JSON list; null counts as an empty one.

    Raises:
        Problem: It is not a list, or `read` refuses an item.
    """
    if value is None:
        return []
    if not isinstance(value, list):
        raise bad(f"{name} must be a JSON list")
    return [read(item, f"{name}[{place}]") for place, item in enumerate(value)]
