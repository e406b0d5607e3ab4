"""Serves the operator's API: previews sources and makes templates from a WSDL, for whoever has the token.

The calls make the runtime read addresses and sign in to mailboxes, so there are none without a token, none from other
sites' pages, and few at once. Each ends in time, obeys the operator's network rules and changes nothing.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import asdict
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from zeebe_connectors.admin.access import WRONG_TOKEN_SECONDS, Access, Refused, Role
from zeebe_connectors.admin.api import importing
from zeebe_connectors.admin.api.connectors import ConnectorsApi, gallery_of
from zeebe_connectors.admin.api.events import chosen, events_shown, forget, retry
from zeebe_connectors.admin.api.feel import Evaluation, Playground
from zeebe_connectors.admin.api.jobs import jobs_shown, tries_shown
from zeebe_connectors.admin.api.overview import Overview
from zeebe_connectors.admin.api.providers import ProvidersApi
from zeebe_connectors.admin.api.runtime import RuntimeView, packages
from zeebe_connectors.admin.api.sources import SourceTests, sources_shown
from zeebe_connectors.admin.api.trying import TryApi
from zeebe_connectors.admin.live import Live
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.config.settings import ADMIN_TOKEN_SETTING
from zeebe_connectors.runtime.inbound.elements import DiscoveryError
from zeebe_connectors.runtime.ledger import LedgerError
from zeebe_connectors.runtime.providers import Editor
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.errors import ConnectorError, InputError, PermanentError
from zeebe_connectors.sdk.fields import Model, read_input

MAX_BYTES = 12 * 1024 * 1024
"""Of a request's body: a WSDL as text fits in."""
MAX_ANSWER = 32 * 1024 * 1024
MAX_CONCURRENT = 2
SECONDS = 60.0
"""What one call may take, its body's arrival included."""

_mask: ContextVar[Mask] = ContextVar("mask")
"""The secrets of the call that is carried out."""
_log = logging.getLogger("zeebe_connectors.admin")


class Test(Model):
    """How a source is looked at."""

    __test__ = False  # no test of pytest's
    hours: float = 24.0


class Api:
    """The calls of one runtime.

    Args:
        runtime: Whose sources, connectors and settings.
        seconds: What one call may take.
        most_bytes: How large a request's body may be.
        wrong_token_seconds: What a call with a wrong token has to wait.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        seconds: float = SECONDS,
        most_bytes: int = MAX_BYTES,
        wrong_token_seconds: float = WRONG_TOKEN_SECONDS,
    ) -> None:
        self._runtime = runtime
        self._seconds = seconds
        self._most_bytes = most_bytes
        self._running = 0
        self.access = Access(runtime.settings, wrong_token_seconds=wrong_token_seconds)
        self.overview = Overview(runtime)
        self.tests = SourceTests(runtime)
        self.playground = Playground()
        self.live = Live()
        self.view = RuntimeView(runtime)
        self.app = web.Application(middlewares=[self._guarded])
        self.app.router.add_get("/overview", self._overview)
        self.app.router.add_get("/jobs", self._jobs)
        self.app.router.add_get("/jobs/{key}", self._job)
        self.app.router.add_get("/sources", self._sources)
        self.app.router.add_get("/events", self._events)
        self.app.router.add_post("/events/retry", self._retry)
        self.app.router.add_post("/events/forget", self._forget)
        self.app.router.add_get("/runtime", self._runtime_shown)
        self.app.router.add_get("/runtime/packages", self._packages)
        self.app.router.add_get("/secrets", self._secrets)
        self.app.router.add_post("/feel", self._feel)
        self.app.router.add_post("/sources/{name}/test", self._test)
        # Who has the token may do everything, secured values included.
        ProvidersApi(runtime, self._given, self._limited, lambda _: Editor("operator")).add_to(self.app.router)
        TryApi(runtime, self._given, self.access.role_of).add_to(self.app.router)
        ConnectorsApi(gallery_of(runtime)).add_to(self.app.router)
        self.app.router.add_post("/{connector}/inspect", self._inspect)
        self.app.router.add_post("/{connector}/import", self._import)

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets the operator's calls through, and turns whatever goes wrong into one answer."""
        mask = Mask()
        _mask.set(mask)
        try:
            await self._check(request)
            async with asyncio.timeout(self._seconds):
                answer = await handler(request)
        except Refused as refused:
            answer = _error(refused.status, refused.code, refused.message)
        except ConnectorError as error:
            status = 400 if isinstance(error, InputError) else 422 if isinstance(error, PermanentError) else 502
            answer = _error(status, error.code or "FAILED", mask.text(error.message))
        except DiscoveryError as error:
            answer = _error(422, "SOURCE_INVALID", mask.text(str(error)))
        except LedgerError as error:
            answer = _error(502, "LEDGER_UNUSABLE", str(error))
        except TimeoutError:
            answer = _error(504, "TIMEOUT", f"The call did not end within {self._seconds:.0f} s")
        except web.HTTPException as error:
            answer = _error(error.status, (error.reason or "ERROR").upper().replace(" ", "_"), _PLAIN.get(error.status))
        except Exception as error:  # noqa: BLE001 - whatever it is, the call gets an answer
            _log.error("A call of the API failed: %s", mask.text(repr(error)), exc_info=not mask)
            answer = _error(500, "UNEXPECTED", "The call failed unexpectedly; the runtime's log has more")
        answer.headers["Cache-Control"] = "no-store"
        answer.headers["X-Content-Type-Options"] = "nosniff"
        if answer.status != 404 or self._runtime.settings.admin_token:
            _log.info("%s %s: %d", request.method, request.rel_url.raw_path[:200], answer.status)
        return answer

    async def _check(self, request: web.Request) -> None:
        settings = self._runtime.settings
        if not settings.admin_token:
            raise Refused(
                404,
                "API_DISABLED",
                f"The operator's API is off. Set {ADMIN_TOKEN_SETTING} to a secret of at least 16 characters to use it",
            )
        self.access.check_origin(request)
        role = self.access.role_of(request)
        if role is None:
            await self.access.slow_down()
            raise Refused(401, "UNAUTHORIZED", f"Send the header Authorization: Bearer with {ADMIN_TOKEN_SETTING}")
        if role < _needed(request):
            raise Refused(403, "ROLE_INSUFFICIENT", f"This call is for the role {_needed(request).word}")
        if request.method in {"POST", "PUT"} and request.content_type != "application/json":
            raise Refused(415, "NOT_JSON", "Send JSON, with the header Content-Type: application/json")

    def is_known(self, request: web.Request) -> bool:
        """Whether a request carries a token."""
        return self.access.role_of(request) is not None

    async def _given(self, request: web.Request) -> dict[str, Any]:
        try:
            given = await asyncio.to_thread(json.loads, await self._body(request) or b"{}")
        except (ValueError, RecursionError):
            raise Refused(400, "NOT_JSON", "The body is not JSON") from None
        if not isinstance(given, dict):
            raise Refused(400, "NOT_JSON", "The body must be a JSON object")
        return given

    async def _body(self, request: web.Request) -> bytes:
        """The body, read as far as it may be long: the server's own limit is that of the main application."""
        data = bytearray()
        async for piece in request.content.iter_any():
            data += piece
            if len(data) > self._most_bytes:
                raise Refused(413, "TOO_LARGE", f"The body is larger than {self._most_bytes:,} bytes")
        return bytes(data)

    async def _limited(self, work: Callable[[], Awaitable[Any]]) -> web.Response:
        """Does the work, unless as much is going on already as may."""
        if self._running >= MAX_CONCURRENT:
            answer = _error(429, "BUSY", f"{MAX_CONCURRENT} calls are running already; try again in a few seconds")
            answer.headers["Retry-After"] = "5"
            return answer
        self._running += 1
        try:
            result = await work()
            text = await asyncio.to_thread(_json, result)
            if len(text) > MAX_ANSWER:
                raise Refused(422, "ANSWER_TOO_LARGE", "The answer would be too large; name fewer operations")
            return web.Response(text=text, content_type="application/json")
        finally:
            self._running -= 1

    # What happens

    async def _overview(self, _: web.Request) -> web.Response:
        return web.json_response(await self.overview.show())

    async def _jobs(self, request: web.Request) -> web.Response:
        return web.json_response(jobs_shown(self._runtime.record, request.query))

    async def _job(self, request: web.Request) -> web.Response:
        text = request.match_info["key"]
        found = tries_shown(self._runtime.record, int(text)) if text.isdecimal() and len(text) < 20 else None
        if found is None:
            raise Refused(404, "NOT_FOUND", "No such job is in this runtime's memory; its log and Operate know more")
        return web.json_response(found)

    # Sources

    async def _sources(self, request: web.Request) -> web.Response:
        return web.json_response(sources_shown(self._runtime, request.query))

    async def _runtime_shown(self, _: web.Request) -> web.Response:
        return web.json_response(await self.view.show())

    async def _packages(self, _: web.Request) -> web.Response:
        return web.json_response({"packages": await asyncio.to_thread(packages)})

    async def _feel(self, request: web.Request) -> web.Response:
        wanted = read_input(Evaluation, await self._given(request))
        return web.json_response(await self.playground.evaluate(wanted))

    async def _events(self, request: web.Request) -> web.Response:
        return web.json_response(await events_shown(self._runtime, request.query))

    async def _retry(self, request: web.Request) -> web.Response:
        events = chosen((await self._given(request)).get("events"))
        return web.json_response({"results": await retry(self._runtime, events)})

    async def _forget(self, request: web.Request) -> web.Response:
        events = chosen((await self._given(request)).get("events"))
        return web.json_response({"results": await forget(self._runtime, events)})

    async def _secrets(self, _: web.Request) -> web.Response:
        """Which secret went where, and how often; never a value."""
        counted = [{**asdict(use), "count": count} for use, count in self._runtime.services.secrets.uses.counts()]
        return web.json_response({"uses": counted})

    async def _test(self, request: web.Request) -> web.Response:
        given = read_input(Test, await self._given(request))
        name = request.match_info["name"]
        return await self._limited(lambda: self.tests.run(name, given.hours, _mask.get()))

    # Importers

    async def _inspect(self, request: web.Request) -> web.Response:
        given, name = await self._given(request), request.match_info["connector"]
        return await self._limited(lambda: importing.inspect(self._runtime, name, given, _mask.get()))

    async def _import(self, request: web.Request) -> web.Response:
        given, name = await self._given(request), request.match_info["connector"]

        async def work() -> Any:
            found = await importing.make(self._runtime, name, given, _mask.get())
            return {
                "templates": [asdict(item) for item in found.made],
                "skipped": found.skipped,
                "warnings": found.warnings,
            }

        return await self._limited(work)


_PLAIN = {
    404: "There is no such call; there is GET /api/overview, GET /api/jobs, GET /api/sources, "
    "POST /api/sources/NAME/test, GET /api/providers, POST /api/soap/inspect and POST /api/soap/import",
    405: "The call wants another method",
}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _error(status: int, code: str, message: str | None) -> web.Response:
    body = {"code": code, "message": message or "The call was refused"}
    answer = web.json_response(body, status=status)
    if status == 401:
        answer.headers["WWW-Authenticate"] = "Bearer"
    return answer


def _needed(request: web.Request) -> Role:
    """The role that a call is for."""
    if request.method == "GET":
        return Role.VIEWER
    path = request.path.removeprefix("/api")
    return Role.OPERATOR if path.startswith(("/providers", "/events")) else Role.MODELER
