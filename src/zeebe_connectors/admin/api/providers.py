"""Serve a runtime's providers to operators: list, show, create, change, delete, copy, check and current state.

Secured values can be set but never read. Providers of `providers.yaml` are shown with their line, and changed there.
"""

# ruff: noqa: N815 - names as they are in JSON
from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from aiohttp import web
from pydantic import Field

from zeebe_connectors.admin.access import Role
from zeebe_connectors.admin.api.description import Call, NotRequired, Service, TypedDict, described
from zeebe_connectors.config.providers.model import Provider
from zeebe_connectors.runtime.providers import (
    Change,
    Editor,
    Known,
    NotAllowedError,
    ProviderConflictError,
    Providers,
    ProviderStore,
    ProviderUnknownError,
)
from zeebe_connectors.runtime.providers.checking import Finding, check
from zeebe_connectors.runtime.providers.showing import fitting, shown_entry, shown_known, shown_now
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.docstrings import described_fields
from zeebe_connectors.sdk.errors import ConnectorError, InputError, PermanentError

MAX_SHOWN = 200
_MATCH = re.compile(r'\s*(?:W/)?"?(\d{1,18})"?\s*')

_SECURED = (
    'By name. A secured value is shown as `secured`, `set` and `changed` only; it is set by `{"value": …}`, removed by '
    "null, and kept when it is left out"
)
_MEMBERS: dict[str, tuple[Any, str]] = {
    info.alias or name: (info.annotation, info.description or "")
    for name, info in described_fields(Provider).items()
    if name != "environments"
} | {"environments": (dict[str, dict[str, Any]], _SECURED)}
_KNOWN: dict[str, tuple[Any, str]] = {
    "etag": (str, "The version, of those in the database"),
    "changed": (str, "When, in UTC"),
    "by": (str, "Who changed it last"),
    "usedBy": (list[str], "Processes that used it since the start, and sources that name it"),
    "problem": (str, "Why it cannot be used"),
    "dropped": (list[str], "Secured values that the change dropped"),
}
_FROM = (dict[str, Any], "Where it stands: `kind` is `file` (with `file` and `line`) or `store`")


def _shape(name: str, needed: dict[str, tuple[Any, str]], optional: dict[str, tuple[Any, str]]) -> Any:
    """Makes a described shape whose members come from the model of providers."""
    make: Any = TypedDict
    members = {key: Annotated[kind, Field(description=text)] for key, (kind, text) in needed.items()}
    members |= {key: NotRequired[Annotated[kind, Field(description=text)]] for key, (kind, text) in optional.items()}
    return described(make(name, members))


_NAME = {"name": (str, "Of the provider")}
ProviderDocument = _shape("ProviderDocument", {}, _MEMBERS)
ProviderCreated = _shape("ProviderCreated", _NAME, _MEMBERS)
ToCopy = _shape(
    "ToCopy",
    {"from": (str, "The environment that is copied"), "to": (str, "The environment that becomes like it")},
    {"secured": (bool, "Whether to copy secured values too")},
)
if TYPE_CHECKING:
    ProviderShown = dict[str, Any]
else:
    ProviderShown = _shape("ProviderShown", _NAME | {"from": _FROM}, _MEMBERS | _KNOWN)


@described
class ProvidersShown(TypedDict):
    """Providers, 200 at most."""

    providers: list[ProviderShown]
    count: int
    """How many match."""
    environment: str
    """The environment in force; empty if none is."""
    problems: dict[str, str]
    """What cannot be used, by provider or file."""


@described
class Deleted(TypedDict):
    """A deleted provider."""

    deleted: str
    usedBy: list[str]
    """Processes that used it since the start, and sources that name it."""


@described
class HistoryShown(TypedDict):
    """The changes of a provider."""

    changes: list[Change]


@described
class LimitNow(TypedDict):
    """The current state of one environment's usage rules."""

    perSecond: float
    waiting: int
    """Number of waiting requests."""
    granted: int
    givenBack: int
    """Number of jobs that were handed back to come later."""
    slowed: int
    """How often the provider asked for a pause."""
    slowedFor: float
    """Seconds left of that pause."""


@described
class ToCheck(TypedDict, total=False):
    """What to check."""

    environment: str
    """Name of the environment; by default the one in force, else the first."""


@described
class Checked(TypedDict):
    """The findings of a check."""

    environment: str
    findings: list[Finding]


@described
class Collision(TypedDict):
    """Why a provider was not written, with what there is instead."""

    code: str
    """A code for programs."""
    message: str
    """The reason and the remedy, for people."""
    current: NotRequired[ProviderShown | None]
    """The provider as it is now; null if it was deleted."""
    yours: NotRequired[dict[str, Any]]
    """What was sent, without the values that it set."""
    line: NotRequired[int]
    """Where the file defines the provider, if a file does."""


class ProvidersApi:
    """The calls for providers.

    Args:
        runtime: The runtime.
        service: What all calls share.
        editor: Returns who makes a call, and what they may do.
    """

    def __init__(self, runtime: Runtime, service: Service, editor: Callable[[web.Request], Editor]) -> None:
        self._runtime = runtime
        self._given = service.given
        self._limited = service.limited
        self._editor = editor

    def calls(self) -> list[Call]:
        """Returns the calls below `/providers`."""
        query = {"tag": "One of its tags", "q": "Text in name, description or tags"}
        missing = {404: ("NOT_FOUND", "PROVIDER_UNKNOWN", "PROVIDER_UNUSABLE")}
        refused = {**missing, 403: ("PROVIDER_FORBIDDEN",), 502: ("LEDGER_UNUSABLE",)}
        locked = {**refused, 409: ("PROVIDER_LOCKED",), 412: ("PROVIDER_CHANGED",)}
        exists = {**refused, 409: ("PROVIDER_LOCKED", "PROVIDER_CHANGED")}
        collided = {409: Collision, 412: Collision}
        viewer, editor, operator, one = Role.VIEWER, Role.EDITOR, Role.OPERATOR, "/providers/{name}"
        return [
            Call("GET", "/providers", viewer, "Lists the providers", self._list, ProvidersShown, query=query),
            Call(
                "POST",
                "/providers",
                editor,
                "Creates a provider",
                self._create,
                ProviderShown,
                body=ProviderCreated,
                errors=exists,
                problems={409: Collision},
                status=201,
                etag=True,
            ),
            Call("GET", one, viewer, "Shows one provider", self._show, ProviderShown, errors=missing, etag=True),
            Call(
                "PUT",
                one,
                editor,
                "Changes a provider",
                self._change,
                ProviderShown,
                body=ProviderDocument,
                errors=locked,
                problems=collided,
                if_match=True,
                etag=True,
            ),
            Call(
                "DELETE",
                one,
                operator,
                "Deletes a provider",
                self._delete,
                Deleted,
                errors=locked,
                problems=collided,
                if_match=True,
            ),
            Call(
                "GET",
                f"{one}/history",
                viewer,
                "Lists who changed a provider",
                self._history,
                HistoryShown,
                errors=missing,
            ),
            Call(
                "GET",
                f"{one}/now",
                viewer,
                "Shows the current state of the usage rules",
                self._now,
                dict[str, LimitNow],
                errors=missing,
            ),
            Call(
                "POST",
                f"{one}/check",
                operator,
                "Checks a provider by connecting to it",
                self._check,
                Checked,
                body=ToCheck,
                errors={**missing, 429: ("BUSY",)},
            ),
            Call(
                "POST",
                f"{one}/copy",
                editor,
                "Copies an environment of a provider to another",
                self._copy,
                ProviderShown,
                body=ToCopy,
                errors={**locked, 422: ("PROVIDER_ENVIRONMENT_UNKNOWN",)},
                problems=collided,
                if_match=True,
                etag=True,
            ),
        ]

    @property
    def _providers(self) -> Providers:
        providers = self._runtime.services.providers
        if providers is None:
            raise PermanentError("PROVIDER_UNKNOWN", "this runtime has no providers")
        return providers

    @property
    def _store(self) -> ProviderStore:
        store = self._providers.directory.store
        if store is None:
            raise PermanentError("PROVIDER_UNKNOWN", "this runtime has no database for providers")
        return store

    async def _list(self, request: web.Request) -> web.Response:
        await self._providers.directory.refresh()
        directory = self._providers.directory
        query = request.query
        found = fitting(directory.all().values(), tag=query.get("tag", ""), text=query.get("q", ""))
        shown = [await self._shown(known) for known in found[:MAX_SHOWN]]
        problems = dict(directory.unusable())
        if directory.problem is not None:
            problems[str(directory.file)] = directory.problem
        answer = {"providers": shown, "count": len(found), "environment": self._providers.environment}
        return web.json_response({**answer, "problems": problems})

    async def _shown(self, known: Known) -> dict[str, Any]:
        shown = await provider_shown(self._runtime, known.name)
        if shown is None:  # deleted at this moment
            raise web.HTTPNotFound
        return shown

    async def _show(self, request: web.Request) -> web.Response:
        await self._providers.directory.refresh()
        shown = await provider_shown(self._runtime, request.match_info["name"])
        if shown is None:
            return self._unknown(request.match_info["name"])
        return _answer(shown)

    async def _create(self, request: web.Request) -> web.Response:
        given = await self._given(request)
        name = given.get("name")
        if not isinstance(name, str) or not name:
            raise InputError("name: is required; fill it in")
        return await self._written(name, lambda: self._store.create(name, given, self._editor(request)), status=201)

    async def _change(self, request: web.Request) -> web.Response:
        name, version, given = request.match_info["name"], _version(request), await self._given(request)
        return await self._written(
            name, lambda: self._store.change(name, given, self._editor(request), version=version), mine=given
        )

    async def _copy(self, request: web.Request) -> web.Response:
        name, version, given = request.match_info["name"], _version(request), await self._given(request)
        from_, to, secured = given.get("from"), given.get("to"), given.get("secured", False)
        if not isinstance(from_, str) or not isinstance(to, str) or not to or not isinstance(secured, bool):
            raise InputError("from, to: name the two environments; secured says whether to copy secured values too")
        return await self._written(
            name,
            lambda: self._store.copy(name, self._editor(request), from_=from_, to=to, version=version, secured=secured),
        )

    async def _delete(self, request: web.Request) -> web.Response:
        name, version = request.match_info["name"], _version(request)
        if (locked := self._locked(name)) is not None:
            return locked
        try:
            await self._store.delete(name, self._editor(request), version=version)
        except ProviderConflictError as error:
            return _conflict(error, None, status=412)
        except (ProviderUnknownError, NotAllowedError) as error:
            return _refused(error)
        await self._providers.directory.refresh()
        return web.json_response({"deleted": name, "usedBy": used_by(self._runtime, name)})

    async def _written(
        self,
        name: str,
        write: Callable[[], Awaitable[Any]],
        *,
        status: int = 200,
        mine: dict[str, Any] | None = None,
    ) -> web.Response:
        if (locked := self._locked(name)) is not None:
            return locked
        try:
            entry = await write()
        except ProviderConflictError as error:
            return _conflict(error, mine, status=409 if status == 201 else 412)
        except (ProviderUnknownError, NotAllowedError) as error:
            return _refused(error)
        await self._providers.directory.refresh()
        return _answer(shown_entry(entry), status=status)

    def _locked(self, name: str) -> web.Response | None:
        known = self._providers.directory.all().get(name)
        if known is None or known.kind != "file":
            return None
        message = f"{name} is defined in {self._providers.directory.file}, line {known.line}; change it there"
        return web.json_response({"code": "PROVIDER_LOCKED", "message": message, "line": known.line}, status=409)

    async def _history(self, request: web.Request) -> web.Response:
        changes = await self._store.history(request.match_info["name"])
        return web.json_response({"changes": [asdict(change) for change in changes]})

    async def _now(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in self._providers.directory.all():
            return self._unknown(name)
        return web.json_response(shown_now(self._providers, name))

    async def _check(self, request: web.Request) -> web.Response:
        given = await self._given(request)
        await self._providers.directory.refresh()
        known = self._providers.directory.all().get(request.match_info["name"])
        if known is None:
            return self._unknown(request.match_info["name"])
        wanted = given.get("environment") or self._providers.environment or next(iter(known.provider.environments))
        if not isinstance(wanted, str) or wanted not in known.provider.environments:
            raise InputError(
                f"environment: {known.name} has no environment {str(wanted)[:64]!r}; it has "
                f"{', '.join(known.provider.environments)}"
            )

        async def work() -> Any:
            found = await check(
                self._providers, known, wanted, services=self._runtime.services, store=self._runtime.store
            )
            return {"environment": wanted, "findings": [asdict(finding) for finding in found]}

        return await self._limited(work)

    def _unknown(self, name: str) -> web.Response:
        """Returns the answer for a name that no provider has, or only one that cannot be used."""
        try:
            self._providers.directory.get(name)
        except PermanentError as error:
            return web.json_response({"code": error.code, "message": error.message}, status=404)
        raise web.HTTPNotFound  # it was made or deleted at this moment


async def provider_shown(runtime: Runtime, name: str) -> dict[str, Any] | None:
    """Returns one provider, including an unusable one of the database, with `problem`; None if there is none.

    Args:
        runtime: The runtime.
        name: The provider's name.
    """
    providers = runtime.services.providers
    if providers is None:
        return None
    directory = providers.directory
    known = directory.all().get(name)
    if known is not None and known.kind == "file":
        return {**shown_known(known, directory), "usedBy": used_by(runtime, name)}
    entry = await directory.store.find(name) if directory.store is not None else None
    if directory.store is None or entry is None:
        return None
    problem = directory.store.problems.get(name)
    return {**shown_entry(entry), "usedBy": used_by(runtime, name), **({"problem": problem} if problem else {})}


def used_by(runtime: Runtime, name: str) -> list[str]:
    """Returns the processes that used a provider since the start, and the sources that name it."""
    providers = runtime.services.providers
    found = set(providers.used_by(name)) if providers is not None else set()
    if runtime.sources is not None:
        for watch in runtime.sources.watches.values():
            if any(element.properties.get("provider") == name for element in watch.source.elements):
                found.add(f"source {watch.source.name}")
    return sorted(found)


def _version(request: web.Request) -> int:
    """Returns the version that the caller read."""
    found = _MATCH.fullmatch(request.headers.get("If-Match", ""))
    if found is None:
        raise InputError("If-Match: is required; send the etag that was read, so that nobody's change is overwritten")
    return int(found[1])


def _answer(shown: dict[str, Any], *, status: int = 200) -> web.Response:
    answer = web.json_response(shown, status=status)
    if "etag" in shown:
        answer.headers["ETag"] = f'"{shown["etag"]}"'
    return answer


def _conflict(error: ProviderConflictError, mine: dict[str, Any] | None, *, status: int) -> web.Response:
    """Answers with both versions, so that a person can choose; the caller's without the values that it set."""
    from zeebe_connectors.runtime.providers.editing import taken_apart  # noqa: PLC0415 - only for those who collide

    current = None if error.current is None else shown_entry(error.current)
    answer: dict[str, Any] = {"code": error.code, "message": error.message, "current": current}
    if mine is not None:
        answer["yours"] = taken_apart(mine).document
    return web.json_response(answer, status=status)


def _refused(error: ConnectorError) -> web.Response:
    status = 404 if isinstance(error, ProviderUnknownError) else 403
    return web.json_response({"code": error.code, "message": error.message}, status=status)
