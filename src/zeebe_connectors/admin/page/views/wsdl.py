"""Draw the import of a WSDL in steps: the WSDL, its operations, the use of their inputs, the templates.

Each step is sent as a form and reads the WSDL again: nothing is kept here, not even its password.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from zeebe_connectors.admin.access import Refused, Role
from zeebe_connectors.admin.api.connectors import download, zipped
from zeebe_connectors.admin.page.visit import Drawn, Visit
from zeebe_connectors.config.secrets import Mask
from zeebe_connectors.sdk.errors import ConnectorError, InputError
from zeebe_connectors.sdk.importer import Imported
from zeebe_connectors.sdk.text import items_of
from zeebe_connectors.templates.element_template import template_text
from zeebe_connectors.templates.preview import preview

MAX_CHOSEN = 20
_HERE = "import"
_CONNECTOR = "soap"
_CARRIED = ("wsdl", "text", "wsdl_address", "hosts", "username")
_MODES = (
    ("", "Designer fills it in"),
    ("edited", "Begins with"),
    ("fixed", "Fixed, not shown"),
    ("variable", "From a variable"),
)


async def ask(visit: Visit) -> Drawn:
    """Draws the first step, `/import/soap`; the query may hold the WSDL's address, read only once sent."""
    return _begin(visit, {"wsdl": visit.query.get("wsdl", "")[:2000]}, "")


async def step(visit: Visit) -> Drawn | web.Response:
    """Carries out one step and draws the next."""
    given = {name: visit.form.get(name, [""])[0].strip() for name in _CARRIED}
    wanted = visit.form.get("step", ["operations"])[0]
    mask = Mask()
    try:
        found = await visit.api.imports.inspect(_CONNECTOR, _request(visit, given), mask)
    except (ConnectorError, Refused) as error:
        return _begin(visit, given, mask.text(error.message), getattr(error, "status", 400))
    if wanted == "operations":
        return _operations(visit, given, found, "")
    chosen = [key for key in visit.form.get("operation", []) if any(key == _key(one) for one in found["operations"])]
    if not chosen:
        return _operations(visit, given, found, "Choose at least one operation.")
    if len(chosen) > MAX_CHOSEN:
        return _operations(visit, given, found, f"Choose {MAX_CHOSEN} at most at once.")
    operations = [one for one in found["operations"] if _key(one) in chosen]
    if wanted == "inputs":
        return _inputs(visit, given, operations, {}, [])
    made: list[Imported] = []
    warnings: list[str] = []
    errors: dict[str, str] = {}
    for one in operations:
        try:
            imports = await visit.api.imports.make(_CONNECTOR, _request(visit, given) | _settled(visit, one), mask)
        except (ConnectorError, Refused) as error:
            errors[_key(one)] = mask.text(error.message)
        else:
            made += imports.made
            warnings += [warning for warning in imports.warnings if warning not in warnings]
    if not errors and visit.form.get("do", [""])[0] == "get":
        return _file(made)
    return _inputs(visit, given, operations, errors, made, warnings)


def _file(made: list[Imported]) -> web.Response:
    """Answers with the templates as a download: a single one as JSON, several as a zip."""
    files = {item.file: template_text(item.template) for item in made}
    if len(files) == 1:
        file, text = next(iter(files.items()))
        return download(text.encode(), file, "application/json")
    return download(zipped(files), "soap-templates.zip", "application/zip")


def _request(visit: Visit, given: Mapping[str, str]) -> dict[str, Any]:
    """Returns the importer's inputs, from what the forms carry from step to step."""
    request: dict[str, Any] = {"wsdl": given["wsdl"], "text": given["text"]}
    if given["wsdl_address"]:
        request["wsdlAddress"] = given["wsdl_address"]
    if given["hosts"]:
        request["external"] = items_of(given["hosts"])
    if given["username"]:
        request |= {"username": given["username"], "password": visit.form.get("password", [""])[0]}
    return request


def _settled(visit: Visit, one: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the form's settings for one operation."""
    key = _key(one)

    def text(name: str) -> str:
        return visit.form.get(f"{name}:{key}", [""])[0].strip()

    presets: dict[str, Any] = {}
    for name in _names(one):
        mode = text(f"mode:{name}")
        if not mode:
            continue
        value = text(f"value:{name}")
        if not value:
            raise InputError(f"presets.{name}: a value is missing; give one, or let the designer fill it in")
        presets[name] = {"mode": mode, "value": value if mode == "variable" else _value(value)}
    settled: dict[str, Any] = {"operations": [one["operation"]], "service": one["service"], "presets": presets}
    for name, field in (("name", "name"), ("description", "description"), ("file", "file")):
        if text(name):
            settled[field] = text(name)
    return settled


def _value(text: str) -> Any:
    """Returns a value of an input: JSON if it is a list or context, else text."""
    if text[:1] in {"[", "{"}:
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _names(one: Mapping[str, Any]) -> list[str]:
    return [*one["input"], *(f"headers.{name}" for name in one["headers"])]


def _key(one: Mapping[str, Any]) -> str:
    return f"{one['service']}/{one['operation']}"


def _begin(visit: Visit, given: Mapping[str, str], error: str, status: int = 400) -> Drawn:
    values = {
        "step": 1,
        "given": {name: given.get(name, "") for name in _CARRIED},
        "error": error,
        "may": visit.session.role >= Role.MODELER,
    }
    return Drawn("import.html", values, _HERE, status if error else 200)


def _operations(visit: Visit, given: Mapping[str, str], found: Mapping[str, Any], error: str) -> Drawn:
    shown: dict[str, dict[str, Any]] = {}
    for one in found["operations"]:
        required = sum(not kind.endswith("(optional)") for kind in one["input"].values())
        shown.setdefault(_key(one), {**one, "key": _key(one), "required": required})
    values = {
        "step": 2,
        "given": given,
        "error": error,
        "operations": list(shown.values()),
        "skipped": found["skipped"],
        "may": visit.session.role >= Role.MODELER,
        "chosen": visit.form.get("operation", []),
    }
    return Drawn("import.html", values, _HERE, 400 if error else 200)


def _inputs(
    visit: Visit,
    given: Mapping[str, str],
    operations: list[dict[str, Any]],
    errors: Mapping[str, str],
    made: list[Imported],
    warnings: list[str] | None = None,
) -> Drawn:
    sections = []
    seen: set[str] = set()
    for one in operations:
        key = _key(one)
        if key in seen:  # the same operation on another port: the first one counts, as in the import
            continue
        seen.add(key)
        kinds = {**one["input"], **{f"headers.{name}": f"{kind}, SOAP header" for name, kind in one["headers"].items()}}

        def text(name: str, key: str = key) -> str:
            return visit.form.get(f"{name}:{key}", [""])[0]

        sections.append(
            {
                "key": key,
                "one": one,
                "name": text("name"),
                "description": text("description"),
                "file": text("file"),
                "error": errors.get(key, ""),
                "rows": [
                    {
                        "name": name,
                        "kind": kind.removesuffix(" (optional)"),
                        "required": not kind.endswith("(optional)") and not name.startswith("headers."),
                        "mode": text(f"mode:{name}"),
                        "value": text(f"value:{name}"),
                        "wrong": f"presets.{name}" in errors.get(key, ""),
                    }
                    for name, kind in kinds.items()
                ],
            }
        )
    values = {
        "step": 4 if made and not errors else 3,
        "given": given,
        "error": "",
        "sections": sections,
        "modes": _MODES,
        "made": [{"file": item.file, "name": item.template["name"], "groups": preview(item.template)} for item in made],
        "warnings": warnings or [],
        "may": visit.session.role >= Role.MODELER,
    }
    return Drawn("import.html", values, _HERE, 400 if errors else 200)
