"""Serve the operator's page: check roles, refuse other sites' forms and set protective headers."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
import traceback
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from zeebe_connectors._version import __version__
from zeebe_connectors.admin.access import Refused, Role, log_refusal
from zeebe_connectors.admin.api.calls import Api
from zeebe_connectors.admin.cross_site import check_host, check_origin
from zeebe_connectors.admin.live import STREAM_SECONDS
from zeebe_connectors.admin.page.live import LiveRegions, visit_of
from zeebe_connectors.admin.page.rendering import assets, assets_hash, counted, draw, worst
from zeebe_connectors.admin.page.session import Sessions, end_cookie, is_secure, set_cookie, set_theme, theme_of
from zeebe_connectors.admin.page.views import ADDRESSES
from zeebe_connectors.admin.page.visit import Drawn, NotFound, View, Visit, see_other
from zeebe_connectors.runtime.ledger import LedgerError

SECONDS = 60.0
"""Seconds for drawing one page, including everything that it queries."""
LEDGER_SECONDS = 0.3
"""Seconds for the ledger to count the events in quarantine for pages that do not list them."""
MAX_FORM = 256 * 1024
MAX_SIGNING_IN = 8
"""Maximum sign-in forms that are read at once, since their senders are unknown."""
SIGN_IN_SECONDS = 5.0
"""Seconds within which such a form must arrive."""
_LOOKS = {"GET", "HEAD"}
_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Referrer-Policy": "same-origin",  # with `no-referrer`, browsers would send our own forms with `Origin: null`
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_ONLY_SENT = {address.rpartition("/")[2] for method, address, _, _ in ADDRESSES if method == "POST"} - {
    address.rpartition("/")[2] for method, address, _, _ in ADDRESSES if method == "GET"
}
"""Last words of addresses that only take forms."""
_log = logging.getLogger("zeebe_connectors.admin")


class Page:
    """The pages of one runtime.

    Args:
        api: The runtime's API, from whose functions the page is drawn.
        beyond_loopback: Whether other machines can reach the port.
    """

    def __init__(self, api: Api, *, beyond_loopback: bool) -> None:
        self._api = api
        self._access = api.access
        self._hosts = api.runtime.settings.admin_hosts
        self._beyond_loopback = beyond_loopback
        self.sessions = Sessions(api.access.tokens)
        self._signing_in = 0

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Adds the page's routes."""
        router.add_get("/assets/{hash}/{name}", self._asset)
        router.add_get("/live", self._live, allow_head=False)
        router.add_get("/signin", self._guarded(self._ask))
        router.add_post("/signin", self._guarded(self._sign_in))
        router.add_post("/signout", self._guarded(self._sign_out))
        router.add_post("/theme", self._guarded(self._signed_in(_choose_theme, Role.VIEWER)))
        for method, path, needs, view in ADDRESSES:
            handler = self._guarded(self._signed_in(view, needs))
            router.add_route(method, path, handler)
            if method == "GET":
                router.add_route("HEAD", path, handler)
        router.add_get("/{address:.*}", self._guarded(self._signed_in(_nothing_here, Role.VIEWER)))

    # Guards

    def _guarded(self, handler: Handler) -> Handler:
        """Refuses other sites' requests, turns failures into a page, and sets the headers."""

        async def handle(request: web.Request) -> web.StreamResponse:
            try:
                self._check(request)
                async with asyncio.timeout(SECONDS):
                    answer = await handler(request)
            except Refused as refused:
                log_refusal(request, refused)
                answer = await self._trouble(request, refused.status, refused.message)
            except TimeoutError:
                answer = await self._trouble(request, 504, f"It did not end within {SECONDS:.0f} s. Try again.")
            except web.HTTPException:
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, the browser gets a page
                where = traceback.extract_tb(error.__traceback__)[-1]
                # Without text and values, which may be from outside.
                _log.error("A page failed: %s at %s:%s", type(error).__name__, Path(where.filename).name, where.lineno)
                answer = await self._trouble(request, 500, "The page failed unexpectedly; the runtime's log has more.")
            if request.method not in _LOOKS:
                session = self.sessions.read(request)
                who = "nobody" if session is None else session.role.word
                _log.info("page: %s: %s %s: %d", who, request.method, request.rel_url.raw_path[:200], answer.status)
            answer.headers.update(_HEADERS)
            answer.headers.setdefault("Cache-Control", "no-store")
            return answer

        return handle

    def _check(self, request: web.Request) -> None:
        """Allows links from other sites, and refuses everything else from there."""
        followed = request.method == "GET" and request.headers.get("Sec-Fetch-Mode") == "navigate"
        if followed and request.headers.get("Sec-Fetch-Dest", "document") == "document":
            check_host(request, self._hosts)
        else:
            check_origin(request, self._hosts)

    def _signed_in(self, view: View, needs: Role) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            session = self.sessions.read(request)
            if session is None:
                to = request.rel_url.raw_path_qs if request.method in _LOOKS else _came_from(request)
                return see_other(f"/signin?to={quote(to, safe='')}")
            form: Mapping[str, list[str]] = {}
            if request.method == "POST":
                form = await _form(request)
                if not session.is_form_token(form.get("form_token", [""])[0]):
                    raise Refused(403, "FORM_OLD", "This form was made for another session. Reload the page.")
            if session.role < needs:
                raise Refused(403, "ROLE_INSUFFICIENT", f"This is for the role {needs.word}.")
            visit = Visit(request, session, self._api, form, request.query, request.match_info)
            try:
                found = await view(visit)
            except NotFound as reason:
                found = Drawn("message.html", {"title": "Nothing is here", "text": str(reason), "near": []}, status=404)
            except LedgerError as error:
                found = Drawn(
                    "message.html", {"title": "The ledger cannot be used", "text": str(error), "near": []}, status=502
                )
            if isinstance(found, Drawn):
                return await self._drawn(visit, found)
            return found

        return handle

    async def _drawn(self, visit: Visit, found: Drawn) -> web.Response:
        with contextlib.suppress(TimeoutError):  # a slow ledger must not delay pages that do not need it
            async with asyncio.timeout(LEDGER_SECONDS):
                await self._api.overview.quarantined()
        return await _html(visit.request, found.template, self._shell(visit, found.here) | found.values, found.status)

    def _shell(self, visit: Visit, here: str) -> dict[str, Any]:
        """Returns the values for every page."""
        runtime = visit.runtime
        return {
            "here": here,
            "to": _place_of(visit.request),
            "session": visit.session,
            "cluster": runtime.settings.cluster.address,
            "operate": runtime.settings.operate,
            "version": __version__,
            "counts_now": self._api.overview.counts(),
            "warn_plain": self._beyond_loopback and not is_secure(visit.request),
        }

    async def _live(self, request: web.Request) -> web.StreamResponse:
        """Streams the live regions of the page that `of` names; on 401, the browser goes to the sign-in form."""
        try:
            self._check(request)
            session = self.sessions.read(request)
            if session is None:
                return _refused(Refused(401, "SIGNED_OUT", "Sign in again"))
            visit = Visit(request, session, self._api, {}, request.query, request.match_info)
            address = request.query.get("of", "")
            looked, view = visit_of(visit, address)

            followed = LiveRegions(looked, view)

            async def make() -> dict[str, str]:
                shell = self._shell(looked, "")
                drawn = await followed.drawn(shell)
                counts = {f"count-{name}": counted(name, count) for name, count in shell["counts_now"].items()}
                counts["count-worst"] = worst(shell["counts_now"]["down"])
                return {name: json.dumps(text) for name, text in {**drawn, **counts}.items()}

            first = {"hello": json.dumps(f"{__version__} {assets_hash()}")}
            return await self._api.live.serve(
                request,
                (session.role, address),
                make,
                first,
                seconds=min(STREAM_SECONDS, self.sessions.seconds_left(session)),
                who=session.form_token,
                operator=session.role >= Role.OPERATOR,
            )
        except Refused as refused:
            log_refusal(request, refused)
            return _refused(refused)

    async def _trouble(self, request: web.Request, status: int, text: str) -> web.Response:
        back = "/" if request.method in _LOOKS else _came_from(request)
        title = "This was refused" if status < 500 else "This did not work"
        return await _html(request, "trouble.html", {"title": title, "text": text, "back": back}, status)

    # Signing in

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        to = _inside(request.query.get("to", "/"))
        if self.sessions.read(request) is not None:
            return see_other(to)
        return await self._form_of_token(request, to, wrong="", status=200)

    async def _form_of_token(self, request: web.Request, to: str, *, wrong: str, status: int) -> web.Response:
        values = {
            "to": to,
            "wrong": wrong,
            "cluster": self._api.overview.runtime.settings.cluster.address,
            "warn_plain": self._beyond_loopback and not is_secure(request),
        }
        return await _html(request, "signin.html", values, status)

    async def _sign_in(self, request: web.Request) -> web.StreamResponse:
        form = await self._sent_token(request)
        to = _inside(form.get("to", ["/"])[0])
        role = self._access.role_of_token(form.get("token", [""])[0])
        if role is None:
            try:
                await self._access.slow_down()
            except Refused as refused:
                log_refusal(request, refused)
                answer = await self._form_of_token(request, to, wrong=refused.message, status=429)
                answer.headers["Retry-After"] = "5"
                return answer
            log_refusal(request, Refused(403, "UNAUTHORIZED", ""))
            wrong = "This is not the token. It is what the named setting holds where the runtime runs."
            return await self._form_of_token(request, to, wrong=wrong, status=403)
        return self.admit(request, role, to)

    def admit(self, request: web.Request, role: Role, to: str) -> web.Response:
        """Signs somebody in whose role is proven, and redirects them; every way of signing in ends here.

        Args:
            request: Their request.
            role: Their role; a role without a token has no sessions.
            to: The address on this page that they wanted.
        """
        answer = see_other(to)
        set_cookie(request, answer, self.sessions.begin(role))
        return answer

    async def _sent_token(self, request: web.Request) -> dict[str, list[str]]:
        """Reads a sign-in form, with a short time limit and a few at a time, since its sender is unknown."""
        if self._signing_in >= MAX_SIGNING_IN:
            raise Refused(429, "TOO_MANY", "Too many are signing in at this moment. Try again in a few seconds.")
        self._signing_in += 1
        try:
            async with asyncio.timeout(SIGN_IN_SECONDS):
                return await _form(request)
        except TimeoutError:
            raise Refused(408, "TOO_SLOW", f"The form did not come within {SIGN_IN_SECONDS:.0f} s.") from None
        finally:
            self._signing_in -= 1

    async def _sign_out(self, request: web.Request) -> web.StreamResponse:
        session = self.sessions.end(request)
        if session is not None:
            self._api.live.close(session.form_token)
        answer = see_other("/signin")
        end_cookie(request, answer)
        return answer

    # Assets

    async def _asset(self, request: web.Request) -> web.Response:
        found = assets().get(request.match_info["name"])
        if found is None or request.match_info["hash"] != assets_hash():
            raise web.HTTPNotFound
        data, packed, kind = found
        headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding", **_HEADERS}
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            data, headers["Content-Encoding"] = packed, "gzip"
        return web.Response(body=data, content_type=kind, charset="utf-8", headers=headers)


async def _choose_theme(visit: Visit) -> web.Response:
    """Stores the chosen theme in the browser."""
    answer = see_other(_inside(visit.form.get("to", ["/"])[0]))
    set_theme(visit.request, answer, visit.form.get("theme", [""])[0])
    return answer


async def _nothing_here(visit: Visit) -> Drawn:
    """Draws the page for an unknown address, with similar ones."""
    path = visit.request.path[:200]
    known = [address for method, address, _, _ in ADDRESSES if method == "GET" and "{" not in address]
    near = get_close_matches(path, known, n=3, cutoff=0.5)
    values = {"title": "Nothing is here", "text": f"There is no page at {path}.", "near": near}
    return Drawn("message.html", values, status=404)


def _refused(refused: Refused) -> web.Response:
    body = {"code": refused.code, "message": refused.message}
    return web.json_response(body, status=refused.status, headers={"Cache-Control": "no-store"})


async def _html(request: web.Request, template: str, values: dict[str, Any], status: int) -> web.Response:
    # In a thread: the first page imports the template engine, and a table of 50 rows takes milliseconds.
    text = await asyncio.to_thread(draw, template, {"theme": theme_of(request), **values})
    answer = web.Response(text=text, content_type="text/html", charset="utf-8", status=status)
    answer.headers["Vary"] = "Accept-Encoding"
    if "gzip" in request.headers.get("Accept-Encoding", ""):
        answer.enable_compression(web.ContentCoding.gzip)
    return answer


async def _form(request: web.Request) -> dict[str, list[str]]:
    """Reads a form's fields as text, within a size limit."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise Refused(415, "NOT_A_FORM", "This takes what the page's forms send.")
    data = bytearray()
    async for piece in request.content.iter_any():
        data += piece
        if len(data) > MAX_FORM:
            raise Refused(413, "TOO_LARGE", f"The form is larger than {MAX_FORM:,} bytes.")
    try:
        return parse_qs(data.decode(), keep_blank_values=True, max_num_fields=2000, encoding="utf-8")
    except ValueError:
        raise Refused(400, "NOT_A_FORM", "This is not what the page's forms send.") from None


def _place_of(request: web.Request) -> str:
    """Returns the address that shows a page again."""
    return request.rel_url.raw_path_qs if request.method in _LOOKS else _looked_at(request.rel_url.raw_path)


def _looked_at(path: str) -> str:
    """Returns the page that a form's address belongs to: the same address, unless nothing is shown there."""
    page, _, last = path.rpartition("/")
    return page if last in _ONLY_SENT else path


def _came_from(request: web.Request) -> str:
    """Returns the address of the page whose form was sent; `/` if the browser does not say."""
    try:
        page = urlsplit(request.headers.get("Referer", ""))
    except ValueError:
        return "/"
    if page.netloc != request.host:
        return "/"
    path = _looked_at(page.path)
    return _inside(f"{path}?{page.query}" if page.query else path)


def _inside(to: str) -> str:
    """Returns the address if it is on this page, else `/`, so that nobody is redirected elsewhere."""
    try:
        parts = urlsplit(to)
    except ValueError:
        return "/"
    plain = to.startswith("/") and to[1:2] not in {"/", "\\"} and not parts.scheme and not parts.netloc
    return to if plain and to.isprintable() and "\\" not in to and len(to) < 2000 else "/"


def is_loopback(host: str) -> bool:
    """Returns whether only this machine can reach an address to listen on."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.casefold() == "localhost"
