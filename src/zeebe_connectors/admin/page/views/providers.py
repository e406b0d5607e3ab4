"""Draw the list of providers, and one with its environments side by side, to change, copy, check and delete it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from zeebe_connectors.admin.access import Role
from zeebe_connectors.admin.api.description import ROWS
from zeebe_connectors.admin.api.providers import provider_shown
from zeebe_connectors.admin.page import provider_form
from zeebe_connectors.admin.page.visit import Drawn, NotFound, Visit, see_other
from zeebe_connectors.config.providers.model import PROTOCOLS
from zeebe_connectors.config.providers.secured import put
from zeebe_connectors.runtime.providers import (
    Editor,
    ProviderConflictError,
    Providers,
    ProviderStore,
)
from zeebe_connectors.runtime.providers.checking import check
from zeebe_connectors.runtime.providers.exporting import as_yaml, exported
from zeebe_connectors.runtime.providers.showing import fitting, shown_now
from zeebe_connectors.sdk.errors import ConnectorError, InputError, PermanentError
from zeebe_connectors.sdk.text import items_of
from zeebe_connectors.web.auth import SCHEMES

_HERE = "providers"


async def all_providers(visit: Visit) -> Drawn:
    """Draws `/providers`."""
    providers = _providers(visit)
    top = visit.query.get("top", "")
    if not top:  # a stream shows what the runtime knows, which reads files and store again every few seconds
        await providers.directory.refresh()
    given = {name: visit.query[name][:200] for name in ("tag", "q", "protocol") if visit.query.get(name)}
    after = visit.query.get("after", "")
    everything = providers.directory.all()
    found = [
        known
        for known in fitting(everything.values(), tag=given.get("tag", ""), text=given.get("q", ""))
        if given.get("protocol", known.provider.protocol) == known.provider.protocol
    ]
    found.sort(key=lambda known: known.name)
    rest = [known for known in found if known.name > after]

    def link(**changes: str) -> str:
        query = {name: value for name, value in (given | changes).items() if value}
        return "/providers" + (f"?{urlencode(query, quote_via=quote)}" if query else "")

    tags: dict[str, int] = {}
    for known in everything.values():
        for tag in known.provider.tags:
            tags[tag] = tags.get(tag, 0) + 1
    store = providers.directory.store
    problems = dict(providers.directory.unusable())
    if providers.directory.problem is not None:
        problems[str(providers.directory.file)] = providers.directory.problem
    rows = [_in_short(providers, known.name) for known in rest[:ROWS]]
    seen = _digest(rows)
    values = {
        "providers": rows,
        "top": seen,
        "changed": bool(top) and top != seen,
        "here_again": link(after=after),
        "count": len(found),
        "total": len(everything),
        "environment": providers.environment,
        "tags": [(tag, count, link(tag="" if tag == given.get("tag") else tag)) for tag, count in sorted(tags.items())],
        "protocols": sorted({known.provider.protocol for known in everything.values()}),
        "given": {name: given.get(name, "") for name in ("tag", "q", "protocol")},
        "problems": problems,
        "more": link(after=rest[ROWS - 1].name) if len(rest) > ROWS else "",
        "may": visit.session.role >= Role.EDITOR and store is not None,
    }
    return Drawn("providers.html", values, _HERE, rows={row["region"]: row for row in rows} if top else {})


def _digest(rows: Sequence[Mapping[str, Any]]) -> str:
    """Digests all that rows show, except what is live."""
    lasting = [{name: value for name, value in row.items() if name != "state"} for row in rows]
    return hashlib.blake2b(json.dumps(lasting).encode(), digest_size=8).hexdigest()


async def one_provider(visit: Visit) -> Drawn:
    """Draws `/providers/NAME`."""
    return await _drawn(visit, await _shown(visit))


async def all_as_yaml(visit: Visit) -> web.Response:
    """Returns `/providers/+all.yaml`: all providers as `providers.yaml` describes them, without secured values."""
    directory = _providers(visit).directory
    await directory.refresh()
    return await _yaml(await exported(directory), "providers.yaml")


async def one_as_yaml(visit: Visit) -> web.Response:
    """Returns `/providers/NAME/provider.yaml`, the same for one provider."""
    name, directory = visit.params["name"], _providers(visit).directory
    await directory.refresh()
    found = await exported(directory)
    if name not in found:
        raise NotFound(f"No provider is named {name[:64]}.")
    return await _yaml({name: found[name]}, f"{name}.yaml")


async def _yaml(providers: Mapping[str, Any], file: str) -> web.Response:
    try:
        text = await asyncio.to_thread(as_yaml, providers)
    except ImportError:
        raise NotFound("YAML needs the package pyyaml: pip install 'zeebe-connectors[providers]'") from None
    answer = web.Response(text=text, content_type="application/yaml", charset="utf-8")
    answer.headers["Content-Disposition"] = f'attachment; filename="{file}"'
    return answer


async def new_provider(visit: Visit) -> Drawn:
    """Draws the form for a new provider."""
    return _new(visit, {}, "")


_OF_DATABASE = re.compile(r"(?:jdbc|rdcp|sqlite):", re.IGNORECASE).match


async def create(visit: Visit) -> Drawn | web.Response:
    """Creates a provider from its first form, and redirects to it."""
    given = {name: visit.form.get(name, [""])[0].strip() for name in ("name", "protocol", "environment", "address")}
    try:
        if not given["name"]:
            raise InputError("name: is required; fill it in")
        if given["name"] in _providers(visit).directory.all():
            raise InputError(f"name: there is a provider named {given['name'][:64]}; choose another")
        is_url = given["protocol"] in {"http", "https"} or "://" in given["address"] or _OF_DATABASE(given["address"])
        place = "url" if is_url else "host"
        kind = visit.form.get("authentication", [""])[0]
        environment: dict[str, Any] = {place: given["address"]}
        await asyncio.to_thread(provider_form.logins_of, given["protocol"])
        if kind:
            environment["authentication"] = {"type": provider_form.checked_login(given["protocol"], kind)}
        document = {"protocol": given["protocol"], "environments": {given["environment"] or "live": environment}}
        await _store(visit).create(given["name"], document, _editor(visit))
    except ConnectorError as error:
        return _new(visit, given, error.message)
    await _providers(visit).directory.refresh()
    return see_other(f"/providers/{quote(given['name'])}")


async def change(visit: Visit) -> Drawn | web.Response:
    """Saves the form; after a conflict, both versions are shown."""
    name = visit.params["name"]
    shown = await _shown(visit)
    if shown["from"]["kind"] == "file":
        return await _drawn(visit, shown, error=_locked(shown), status=409)
    entry = await _store(visit).find(name)
    if entry is None:
        raise NotFound(f"The provider {name[:64]} was deleted meanwhile.")
    active = _providers(visit).environment
    try:
        given = provider_form.sent(visit.form, entry.document)
        if active in given.environments and "sure" not in visit.form:
            raise InputError(
                f"Tick the box beside Save: this changes {active}, which is in force here: "
                f"{', '.join(given.names)[:500]}. Secured values have to be typed again"
            )
        await _store(visit).change(name, given.document, _editor(visit), version=_version(visit))
    except ProviderConflictError as error:
        return await _overtaken(visit, error)
    except ConnectorError as error:
        draft = _draft(visit, shown)
        return await _drawn(visit, draft, error=error.message, status=400)
    await _providers(visit).directory.refresh()
    return see_other(f"/providers/{quote(name)}")


def _version(visit: Visit) -> int:
    """Returns the version that the form was drawn with.

    Raises:
        InputError: The form has none.
    """
    version = visit.form.get("version", [""])[0]
    if not version.isascii() or not version.isdecimal() or len(version) > 18:
        raise InputError("version: is missing; reload the page")
    return int(version)


async def ask_copy(visit: Visit) -> Drawn:
    """Draws what a copy of one environment to another would change."""
    shown = await _shown(visit)
    environments = list(shown["environments"])
    one = visit.query.get("from") or next(iter(environments), "")
    if one not in environments:
        raise NotFound(f"{shown['name']} has no environment {one[:64]}.")
    return _copy(visit, shown, one, visit.query.get("to", "").strip(), "")


async def copy(visit: Visit) -> Drawn | web.Response:
    """Copies one environment to another."""
    shown = await _shown(visit)
    if shown["from"]["kind"] == "file":
        return await _drawn(visit, shown, error=_locked(shown), status=409)
    one, to = visit.form.get("from", [""])[0], visit.form.get("to", [""])[0].strip()
    active = _providers(visit).environment
    try:
        if not to or to == one:
            raise InputError("to: name another environment")
        if to == active and "sure" not in visit.form:
            raise InputError(f"Tick the box above the button: this changes {active}, which is in force here")
        version = _version(visit)
        secured = "secured" in visit.form
        await _store(visit).copy(shown["name"], _editor(visit), from_=one, to=to, version=version, secured=secured)
    except ProviderConflictError:
        return await _drawn(visit, await _shown(visit), error=_MEANWHILE, status=412)
    except ConnectorError as error:
        return _copy(
            visit, shown, one if one in shown["environments"] else next(iter(shown["environments"])), to, error.message
        )
    await _providers(visit).directory.refresh()
    return see_other(f"/providers/{quote(shown['name'])}")


async def ask_delete(visit: Visit) -> Drawn:
    """Draws who uses the provider, and asks for its name as confirmation."""
    shown = await _shown(visit)
    return Drawn("provider_delete.html", {"one": shown, "wrong": ""}, _HERE)


async def delete(visit: Visit) -> Drawn | web.Response:
    """Deletes a provider whose name was typed."""
    shown = await _shown(visit)
    if shown["from"]["kind"] == "file":
        return await _drawn(visit, shown, error=_locked(shown), status=409)
    if visit.form.get("typed", [""])[0].strip() != shown["name"]:
        values = {"one": shown, "wrong": f"This is not its name. Type {shown['name']}."}
        return Drawn("provider_delete.html", values, _HERE, 400)
    try:
        await _store(visit).delete(shown["name"], _editor(visit), version=_version(visit))
    except ProviderConflictError:
        return await _drawn(visit, await _shown(visit), error=_MEANWHILE, status=412)
    except InputError as error:
        return await _drawn(visit, shown, error=error.message, status=400)
    await _providers(visit).directory.refresh()
    return see_other("/providers")


async def check_environment(visit: Visit) -> Drawn:
    """Checks one environment, and draws the findings."""
    shown = await _shown(visit)
    providers = _providers(visit)
    known = providers.directory.all().get(shown["name"])
    wanted = visit.form.get("environment", [""])[0]
    if known is None or wanted not in known.provider.environments:
        return await _drawn(
            visit, shown, error=f"environment: there is no {wanted[:64]} that can be checked", status=400
        )
    found = await check(providers, known, wanted, services=visit.runtime.services, store=visit.runtime.store)
    return await _drawn(visit, shown, findings=(wanted, [asdict(finding) for finding in found]))


_MEANWHILE = "It was changed meanwhile. This is how it is now; nothing was done."


async def _shown(visit: Visit) -> dict[str, Any]:
    name = visit.params["name"]
    providers = _providers(visit)
    await providers.directory.refresh()
    shown = await provider_shown(visit.runtime, name)
    if shown is None:
        raise NotFound(f"No provider is named {name[:64]}.")
    await asyncio.to_thread(provider_form.logins_of, str(shown["protocol"]))
    return shown


async def _drawn(
    visit: Visit,
    shown: Mapping[str, Any],
    *,
    error: str = "",
    collisions: list[tuple[str, str, str]] | None = None,
    findings: tuple[str, list[dict[str, Any]]] | None = None,
    status: int = 200,
) -> Drawn:
    providers = _providers(visit)
    store = providers.directory.store
    stored = shown["from"]["kind"] == "store"
    history = await store.history(shown["name"]) if store is not None and stored else []
    active = providers.environment
    rules = shown.get("rules") or {}
    values = {
        "one": shown,
        "rows": provider_form.rows(shown),
        "rest": provider_form.rest_of(shown),
        "rules": rules,
        "ruled": bool(rules) and rules.get("enabled", True),
        "active": active,
        "now": shown_now(providers, shown["name"]),
        "may": stored and visit.session.role >= Role.EDITOR,
        "checks": visit.session.role >= Role.OPERATOR,
        "error": error,
        "collisions": collisions or [],
        "findings": findings,
        "history": [asdict(one) for one in history[:20]],
        "verdicts": {"ok": "up", "failed": "down", "warning": "warn"},
    }
    return Drawn("provider.html", values, _HERE, status)


def _draft(visit: Visit, shown: Mapping[str, Any]) -> dict[str, Any]:
    """Puts what was typed into the provider; secured values must be typed again, as they are never sent back."""
    draft = {**shown, "environments": {}}
    for name, environment in shown["environments"].items():
        inside = deepcopy(environment)
        for key, texts in visit.form.items():
            if key.startswith(f"f:{name}:"):
                put(inside, key.removeprefix(f"f:{name}:"), texts[0] or None)
        draft["environments"][name] = inside
    for name in ("description", "documentation"):
        if name in visit.form:
            draft[name] = visit.form[name][0]
    if "tags" in visit.form:
        draft["tags"] = items_of(visit.form["tags"][0])
    draft["etag"] = visit.form.get("version", [shown.get("etag", "")])[0]
    return draft


async def _overtaken(visit: Visit, error: ProviderConflictError) -> Drawn:
    """Draws both versions: the form holds what was typed, a table the differences; saving again overwrites."""
    if error.current is None:
        raise NotFound(f"The provider {visit.params['name'][:64]} was deleted meanwhile.")
    now = await _shown(visit)
    draft = {**_draft(visit, now), "etag": now["etag"]}
    found = provider_form.collisions(draft, now)
    text = f"{now['by']} changed it meanwhile. The form holds what you typed; save again to write over it."
    return await _drawn(visit, draft, error=text, collisions=found, status=412)


def _new(visit: Visit, given: Mapping[str, str], error: str) -> Drawn:
    values = {
        "given": {name: given.get(name, "") for name in ("name", "protocol", "environment", "address")},
        "error": error,
        "protocols": PROTOCOLS,
        "schemes": list(SCHEMES.items()),
        "active": _providers(visit).environment,
    }
    return Drawn("provider_new.html", values, _HERE, 400 if error else 200)


def _copy(visit: Visit, shown: Mapping[str, Any], one: str, to: str, error: str) -> Drawn:
    others = [name for name in shown["environments"] if name != one]
    to = to or (others[0] if others else "")
    values = {
        "one": shown,
        "source": one,
        "to": to,
        "others": others,
        "changes": provider_form.differences(shown, one, to) if to in shown["environments"] else [],
        "is_new": bool(to) and to not in shown["environments"],
        "active": _providers(visit).environment,
        "error": error,
    }
    return Drawn("provider_copy.html", values, _HERE, 400 if error else 200)


def _providers(visit: Visit) -> Providers:
    providers = visit.runtime.services.providers
    if providers is None:
        raise NotFound("This runtime has no providers.")
    return providers


def _store(visit: Visit) -> ProviderStore:
    store = _providers(visit).directory.store
    if store is None:
        raise PermanentError("PROVIDER_UNKNOWN", "this runtime has no database for providers")
    return store


def _editor(visit: Visit) -> Editor:
    role = visit.session.role
    return Editor(role.word, secrets=role >= Role.OPERATOR)


def _locked(shown: Mapping[str, Any]) -> str:
    return f"{shown['name']} is defined in {shown['from']['file']}, line {shown['from']['line']}; change it there"


def _in_short(providers: Providers, name: str) -> dict[str, Any]:
    """Draws one row of the list."""
    known = providers.directory.all()[name]
    provider = known.provider
    environment = providers.environment
    if environment not in provider.environments:
        environment = next(iter(provider.environments))
    there = provider.environments[environment]
    now = shown_now(providers, name)
    slowed = max((one["slowedFor"] for one in now.values()), default=0)
    waiting = sum(one["waiting"] for one in now.values())
    rate = sum(one["perSecond"] for one in now.values())
    state = ("up", f"{rate:,.1f} a second") if rate else ("standby", "idle")
    if slowed:
        state = ("warn", f"slowed for {slowed:,.0f} s")
    elif waiting:
        state = ("warn", f"{waiting:,} wait")
    if not provider.active:
        state = ("standby", "switched off")
    rules = provider.rules
    words = []
    if rules is not None and rules.enabled:
        words = [f"1 every {rules.min_delay_ms:,} ms"] if rules.min_delay_ms else []
        words.append(f"{rules.max_per_second:g} a second")
        words += [f"{rules.max_concurrent} at once"] if rules.max_concurrent else []
    return {
        "name": name,
        "tags": provider.tags,
        "environment": environment,
        "address": there.url or f"{provider.protocol}://{there.host or ''}{f':{there.port}' if there.port else ''}",
        "login": SCHEMES.get(str(there.authentication.get("type", "")), there.authentication.get("type")) or "none",
        "rule": ", ".join(words) or "none",
        "state": state,
        "region": f"now-{name}",
        "from": "this page" if known.kind == "store" else f"{providers.directory.file}, line {known.line}",
    }
