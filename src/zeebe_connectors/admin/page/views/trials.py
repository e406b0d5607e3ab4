"""Draw a connector's form to fill in and run once, and the result."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from zeebe_connectors.admin.access import Refused, Role
from zeebe_connectors.admin.api.trials import SECONDS, Try, environment_in_force, is_live
from zeebe_connectors.admin.page.views.connectors import counts_of, one_connector
from zeebe_connectors.admin.page.visit import Drawn, NotFound, Visit
from zeebe_connectors.config.providers.secured import put
from zeebe_connectors.config.secrets.placeholders import refers
from zeebe_connectors.sdk.errors import ConnectorError, InputError
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.provided import CONNECTION, ENVIRONMENT, PROVIDER
from zeebe_connectors.templates.element_template import Template
from zeebe_connectors.templates.preview import PreviewGroup, preview, shown_properties

_HERE = "connectors"
_LEFT_OUT = frozenset({"connector", "retries"})
"""Groups of a template that trials do not use."""
MAX_SHOWN = 20_000
"""Maximum characters of variables or inputs on the page; the API has all."""


async def ask(visit: Visit) -> Drawn:
    """Draws `/connectors/NAME/try`, with the query's choices."""
    as_json = visit.query.get("as") == "json"
    chosen = {name.removeprefix("v:"): value for name, value in visit.query.items() if name.startswith("v:")}
    return await _form(visit, chosen, as_json=as_json)


async def run(visit: Visit) -> Drawn:
    """Runs the connector with the form's inputs; with `do=show`, only draws the fields of its choices."""
    given = {name.removeprefix("v:"): texts[0] for name, texts in visit.form.items() if name.startswith("v:")}
    as_json = "json" in visit.form
    if visit.form.get("do", [""])[0] == "show":
        return await _form(visit, given, as_json=as_json)
    gallery, shown = await one_connector(visit)
    try:
        wanted = _whole(visit) if as_json else _wanted(visit, given, await _template(gallery, shown))
        found = await visit.api.trials.run(shown["name"], wanted, visit.session.role)
    except Refused as refused:
        return await _form(visit, given, as_json=as_json, error=refused.message, status=refused.status)
    except ConnectorError as error:
        return await _form(visit, given, as_json=as_json, error=error.message, status=400)
    wrong = found["outcome"] == "incident" and found["sent"] is None
    problem = found["error"]["message"] if wrong else ""
    return await _form(visit, given, as_json=as_json, error=problem, status=400 if wrong else 200, found=found)


async def _form(
    visit: Visit,
    given: Mapping[str, str],
    *,
    as_json: bool,
    error: str = "",
    status: int = 200,
    found: dict[str, Any] | None = None,
) -> Drawn:
    gallery, shown = await one_connector(visit)
    if shown["kind"] != "task" or shown["state"] != "on":
        raise NotFound(f"{shown['title']} cannot be tried here. {shown['needs']}")
    template = await _template(gallery, shown)
    groups: list[PreviewGroup] = []
    if template is not None and not as_json:
        groups = [group for group in preview(template, given) if group.id not in _LEFT_OUT]
    inputs = {item["id"]: item for group in shown["groups"] for item in group["inputs"]}
    values = {
        "one": shown,
        "tab": "try",
        "groups": groups,
        "values": {name: _safe(text, inputs.get(name)) for name, text in given.items()},
        "inputs": inputs,
        "as_json": as_json or template is None,
        "has_form": template is not None,
        "json_text": visit.form.get("json", [""])[0] or _SAMPLE,
        "variables": visit.form.get("variables", [""])[0],
        "confirmed": "confirmed" in visit.form,
        "providers": _providers(visit, shown),
        "environments": _environments(visit, given.get(PROVIDER, "")),
        "error": error,
        "wrong": _named(error, inputs) if error else set(),
        "found": _readable(found) if found is not None else None,
        "may": visit.session.role >= Role.MODELER,
        "may_secrets": visit.session.role >= Role.OPERATOR,
        "seconds": int(SECONDS),
    }
    return Drawn("try.html", values | counts_of(shown), _HERE, status)


_SAMPLE = '{\n  "inputs": {},\n  "variables": {},\n  "headers": {"resultVariable": "result"}\n}'


async def _template(gallery: Any, shown: Mapping[str, Any]) -> Template | None:
    templates: Mapping[str, Template] = await asyncio.to_thread(gallery.templates, shown["name"])
    return next(iter(templates.values()), None)


def _wanted(visit: Visit, given: Mapping[str, str], template: Template | None) -> Try:
    """Reads the trial that the form describes, without fields whose conditions do not hold."""
    inputs: dict[str, Any] = {}
    headers: dict[str, str] = {}
    for item in shown_properties(template, given) if template is not None else ():
        binding, text = item["binding"], given.get(item.get("id", ""), "")
        if item.get("group") in _LEFT_OUT:
            continue
        if item["type"] == "Hidden":
            text = str(item.get("value") or "")
        if not text.strip():
            continue
        if binding["type"] == "zeebe:input":
            put(inputs, binding["name"], _typed(item, text))
        elif binding["type"] == "zeebe:taskHeader":
            headers[binding["key"]] = text
    provider, environment = headers.pop(PROVIDER, ""), headers.pop(ENVIRONMENT, "")
    if headers.pop(CONNECTION, "") != PROVIDER:
        provider = environment = ""
    return Try(
        inputs=inputs,
        variables=_json(visit.form.get("variables", [""])[0], "Process variables"),
        headers=headers,
        provider=provider,
        environment=environment,
        confirmed="confirmed" in visit.form,
    )


def _whole(visit: Visit) -> Try:
    """Reads the trial that was sent as JSON."""
    given = _json(visit.form["json"][0], "JSON")
    found: Try = read_input(Try, {**given, "confirmed": "confirmed" in visit.form})
    return found


def _json(text: str, what: str) -> dict[str, Any]:
    if not text.strip():
        return {}
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what}: is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise InputError(f"{what}: must be a JSON object")
    return given


def _typed(item: Mapping[str, Any], text: str) -> Any:
    """Reads a value as the Modeler would write it; text that begins with `=` stays an expression."""
    if item["type"] == "Boolean":
        return text == "true"
    if item["type"] == "Number" and not text.startswith("="):
        try:
            number = float(text)
        except ValueError:
            raise InputError(f"{item['binding']['name']}: must be a number") from None
        return int(number) if number.is_integer() else number
    return text


def _safe(text: str, item: Mapping[str, Any] | None) -> str:
    """Returns the text that a field shows again: of a secret only its name."""
    secret = item is not None and item["secret"]
    return text if not secret or refers(text) or text.startswith("=") else ""


def _named(error: str, inputs: Mapping[str, Mapping[str, Any]]) -> set[str]:
    """Returns the fields that a message mentions."""
    return {name for name, item in inputs.items() if f"{item['name']}: " in error or f"{item['name']} " in error[:200]}


def _providers(visit: Visit, shown: Mapping[str, Any]) -> list[str]:
    """Returns the names of the providers that the connector takes."""
    providers = visit.runtime.services.providers
    if providers is None:
        return []
    known = providers.directory.all().values()
    return sorted(one.name for one in known if one.provider.active and one.provider.protocol in shown["protocols"])


def _environments(visit: Visit, name: str) -> list[tuple[str, str]]:
    """Returns value and label of a provider's environments, or of all if none is chosen yet."""
    providers = visit.runtime.services.providers
    if providers is None:
        return []
    active = environment_in_force(visit.runtime)
    everything = providers.directory.all()
    chosen = [everything[name]] if name in everything else list(everything.values())
    names = sorted({environment for known in chosen for environment in known.provider.environments})
    open_ = visit.runtime.settings.try_live and visit.session.role >= Role.OPERATOR
    found = []
    for one in names:
        here = ", in force here" if one == active else ""
        closed = ", closed for trying" if is_live(one) and not open_ else ""
        found.append((one, f"{one}{here}{closed}"))
    return found


def _readable(found: Mapping[str, Any]) -> dict[str, Any]:
    """Writes the result as text."""
    return {
        **found,
        "variables_text": _text(found.get("variables")),
        "sent_text": _text(found.get("sent")),
        "sent": found.get("sent") is not None,
    }


def _text(value: Any) -> str:
    if not value:
        return ""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}\n… {len(text) - MAX_SHOWN:,} characters more"
