"""Serve the operator's API to callers with a token, each call for the role in its description.

The calls make the runtime fetch URLs and sign in to mailboxes, so they need a token, are refused from other sites'
pages, and run a few at a time. Each has a time limit and obeys the operator's network rules.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from zeebe_connectors.admin.access import WRONG_TOKEN_SECONDS, Access, Refused, Role, log_refusal
from zeebe_connectors.admin.api import events, feel, importing, jobs, live, overview, secrets, sources, trials
from zeebe_connectors.admin.api import runtime as runtime_view
from zeebe_connectors.admin.api.connectors import ConnectorsApi, gallery_of
from zeebe_connectors.admin.api.description import Call
from zeebe_connectors.admin.api.feel import Playground
from zeebe_connectors.admin.api.importing import TemplateImports
from zeebe_connectors.admin.api.last_events import LastEvents
from zeebe_connectors.admin.api.openapi import openapi
from zeebe_connectors.admin.api.overview import Overview
from zeebe_connectors.admin.api.providers import ProvidersApi
from zeebe_connectors.admin.api.runtime import RuntimeView
from zeebe_connectors.admin.api.sources import SourceTests
from zeebe_connectors.admin.api.trials import Trials
from zeebe_connectors.admin.busy import AtOnce
from zeebe_connectors.admin.cross_site import check_origin
from zeebe_connectors.admin.live import Live
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.config.settings import ADMIN_TOKEN_SETTING
from zeebe_connectors.runtime.inbound.elements import DiscoveryError
from zeebe_connectors.runtime.ledger import LedgerError
from zeebe_connectors.runtime.providers import Editor
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.errors import ConnectorError, InputError, PermanentError

MAX_BYTES = 12 * 1024 * 1024
"""Maximum bytes of a request's body; a WSDL as text fits in."""
MAX_ANSWER = 32 * 1024 * 1024
MAX_CONCURRENT = 2
SECONDS = 60.0
"""Seconds that one call may take, including the arrival of its body."""

_mask: ContextVar[Mask] = ContextVar("mask")
"""The secrets of the current call."""
_log = logging.getLogger("zeebe_connectors.admin")


class Api:
    """The calls of one runtime.

    Args:
        runtime: The runtime.
        seconds: Seconds that one call may take.
        max_bytes: Maximum bytes of a request's body.
        wrong_token_seconds: What a call with a wrong token has to wait.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        seconds: float = SECONDS,
        max_bytes: int = MAX_BYTES,
        wrong_token_seconds: float = WRONG_TOKEN_SECONDS,
    ) -> None:
        self._runtime = runtime
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._at_once = AtOnce(MAX_CONCURRENT, f"{MAX_CONCURRENT} calls are running already")
        self.access = Access(runtime.settings, wrong_token_seconds=wrong_token_seconds)
        self.overview = Overview(runtime)
        self.tests = SourceTests(runtime)
        self.last_events = LastEvents(runtime)
        self.playground = Playground()
        self.trials = Trials(runtime)
        self.imports = TemplateImports(runtime)
        self.live = Live()
        self.view = RuntimeView(runtime)
        self.app = web.Application(middlewares=[self._guarded])
        self.calls: tuple[Call, ...] = (
            *overview.calls(self.overview, self),
            *jobs.calls(runtime, self),
            *sources.calls(runtime, self.tests, self.last_events, self),
            *events.calls(runtime, self),
            *secrets.calls(runtime),
            *ProvidersApi(runtime, self, self._editor).calls(),
            *ConnectorsApi(gallery_of(runtime)).calls(),
            *trials.calls(self.trials, self),
            *importing.calls(self.imports, self),
            *feel.calls(self.playground, self),
            *runtime_view.calls(self.view),
            *live.calls(self.overview, self.live, self),
            Call("GET", "/openapi.json", Role.VIEWER, "Describes all calls", self._describe, dict[str, Any]),
        )
        self._description = ""
        self._streams = {f"/api{call.path}" for call in self.calls if call.streams}
        self._roles: dict[tuple[str, str], Role] = {}
        for call in self.calls:
            route = self.app.router.add_route(call.method, call.path, call.handle)
            assert route.resource is not None  # noqa: S101 - it was just added
            self._roles[call.method, f"/api{route.resource.canonical}"] = call.role

    def _editor(self, request: web.Request) -> Editor:
        """Returns who changes a provider; only operators may set secured values."""
        role = self.access.role_of(request) or Role.VIEWER
        return Editor(role.word, secrets=role >= Role.OPERATOR)

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets permitted calls through, and turns any failure into an answer."""
        mask = Mask()
        _mask.set(mask)
        quiet = False
        try:
            await self._check(request)
            async with asyncio.timeout(None if request.path in self._streams else self._seconds):
                answer = await handler(request)
        except Refused as refused:
            quiet = True
            log_refusal(request, refused)
            answer = _error(refused.status, refused.code, refused.message)
        except ConnectorError as error:
            status = 400 if isinstance(error, InputError) else 422 if isinstance(error, PermanentError) else 502
            answer = _error(
                status,
                error.code or ("INPUT_INVALID" if isinstance(error, InputError) else "FAILED"),
                mask.text(error.message),
            )
        except DiscoveryError as error:
            answer = _error(422, "SOURCE_INVALID", mask.text(str(error)))
        except LedgerError as error:
            answer = _error(502, "LEDGER_UNUSABLE", str(error))
        except TimeoutError:
            answer = _error(504, "TIMEOUT", f"The call did not end within {self._seconds:.0f} s")
        except web.HTTPException as error:
            answer = _error(error.status, (error.reason or "ERROR").upper().replace(" ", "_"), _PLAIN.get(error.status))
        except Exception as error:  # noqa: BLE001 - every call gets an answer
            _log.error("A call of the API failed: %s", mask.text(repr(error)), exc_info=not mask)
            answer = _error(500, "UNEXPECTED", "The call failed unexpectedly; the runtime's log has more")
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        if not quiet:
            role = self.access.role_of(request)
            who = "nobody" if role is None else role.word
            _log.info("api: %s: %s %s: %d", who, request.method, request.rel_url.raw_path[:200], answer.status)
        return answer

    async def _check(self, request: web.Request) -> None:
        check_origin(request, self._runtime.settings.admin_hosts)
        role = self.access.role_of(request)
        if role is None:
            await self.access.slow_down()
            raise Refused(401, "UNAUTHORIZED", f"Send the header Authorization: Bearer with {ADMIN_TOKEN_SETTING}")
        needed = self._needed(request)
        if role < needed:
            raise Refused(403, "ROLE_INSUFFICIENT", f"This call is for the role {needed.word}")
        if request.method in {"POST", "PUT"} and request.content_type != "application/json":
            raise Refused(415, "NOT_JSON", "Send JSON, with the header Content-Type: application/json")

    def _needed(self, request: web.Request) -> Role:
        """Returns the role that a call needs: the lowest for a call that does not exist, so any token learns that."""
        resource = request.match_info.route.resource
        return self._roles.get((request.method, resource.canonical if resource is not None else ""), Role.VIEWER)

    @property
    def runtime(self) -> Runtime:
        """The runtime that the API belongs to."""
        return self._runtime

    @property
    def mask(self) -> Mask:
        """The secrets of the current call, which are masked in its errors."""
        return _mask.get()

    async def given(self, request: web.Request) -> dict[str, Any]:
        """Returns the JSON object in a call's body.

        Raises:
            Refused: The body is not a JSON object, or too large.
        """
        try:
            given = await asyncio.to_thread(_read, await self._body(request) or b"{}")
        except UnicodeEncodeError:
            raise Refused(400, "NOT_JSON", "The body has half a character (a lone surrogate); remove it") from None
        except (ValueError, RecursionError):
            raise Refused(400, "NOT_JSON", "The body is not JSON") from None
        if not isinstance(given, dict):
            raise Refused(400, "NOT_JSON", "The body must be a JSON object")
        return given

    async def _body(self, request: web.Request) -> bytes:
        """Reads the body within our own limit, as the server's limit is that of the main application."""
        data = bytearray()
        async for piece in request.content.iter_any():
            data += piece
            if len(data) > self._max_bytes:
                raise Refused(413, "TOO_LARGE", f"The body is larger than {self._max_bytes:,} bytes")
        return bytes(data)

    async def limited(self, work: Callable[[], Awaitable[Any]]) -> web.Response:
        """Answers with the work's result.

        Raises:
            Refused: 429 `BUSY`: too many calls are running already; 422 `ANSWER_TOO_LARGE`.
        """
        with self._at_once.one():
            result = await work()
            text = await asyncio.to_thread(_json, result)
            if len(text) > MAX_ANSWER:
                raise Refused(422, "ANSWER_TOO_LARGE", "The answer would be too large; name fewer operations")
            return web.Response(text=text, content_type="application/json")

    async def _describe(self, _: web.Request) -> web.Response:
        if not self._description:  # takes half a second, and few callers ask
            self._description = await asyncio.to_thread(lambda: _json(openapi(self.calls)))
        return web.Response(text=self._description, content_type="application/json")


_PLAIN = {
    404: "There is no such call; GET /api/openapi.json describes all",
    405: "The call needs another method",
}


def _read(data: bytes) -> Any:
    """Reads a body; text that no file, database or answer can hold is refused here, for all calls."""
    given = json.loads(data)
    _json(given).encode()
    return given


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _error(status: int, code: str, message: str | None) -> web.Response:
    body = {"code": code, "message": message or "The call was refused"}
    answer = web.json_response(body, status=status)
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    if status == 429:
        answer.headers["Retry-After"] = "5"
    return answer
