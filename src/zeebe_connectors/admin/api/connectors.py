"""Show the connectors of a runtime with their inputs, error codes and templates, for the API and the page."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import Callable, Collection, Mapping
from typing import Any, Literal
from weakref import WeakKeyDictionary

from aiohttp import web

from zeebe_connectors.admin.access import Role
from zeebe_connectors.admin.api.description import Call, NotRequired, TypedDict, described
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk.connector import Inbound, Outbound
from zeebe_connectors.templates.element_template import Template, template_text, templates_of
from zeebe_connectors.templates.form import Field, form_of
from zeebe_connectors.templates.wording import plain

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The date of every file, so that the same templates make the same archive."""
NOT_FOUND = "There is no such connector; GET /api/connectors lists those that are installed"


@described
class TemplateFile(TypedDict):
    """One element template of a connector."""

    file: str
    id: str
    name: str
    version: int


@described
class Choice(TypedDict):
    """A value that an input may have."""

    value: Any
    label: str


@described
class Condition(TypedDict):
    """An input is shown while another one has one of these values."""

    input: str
    values: list[Any]


@described
class InputShown(TypedDict):
    """One input of a connector."""

    id: str
    name: str
    """Dotted path on the wire."""
    label: str
    type: str
    kind: str
    """Its label in the form."""
    required: bool
    default: Any
    text: str
    """What it means."""
    choices: list[Choice]
    secret: bool
    """Whether its value is masked wherever it is shown."""
    secrets: bool | Literal["whole"]
    """Whether placeholders of secrets resolve in it."""
    header: bool
    """Whether it is a task header."""
    lines: bool
    """Whether it takes several lines."""
    placeholder: str
    conditions: list[Condition]


@described
class InputGroup(TypedDict):
    """A group of the form."""

    id: str
    label: str
    text: str
    inputs: list[InputShown]


@described
class ErrorShown(TypedDict):
    """One error code of a connector."""

    code: str
    text: str
    """The meaning and the remedy."""


@described
class ConnectorShown(TypedDict):
    """One connector; with inputs and errors only if it is requested by name."""

    name: str
    title: str
    text: str
    """What it does."""
    kind: Literal["task", "event", ""]
    """Empty if it cannot be loaded."""
    type: str
    """The type of its jobs or sources."""
    also: list[str]
    """Other types that it takes."""
    state: Literal["on", "off", "unavailable"]
    needs: str
    """Why it does not run, and the remedy."""
    protocols: list[str]
    """Protocols of the providers that it takes."""
    keywords: list[str]
    templates: list[TemplateFile]
    details: NotRequired[str]
    groups: NotRequired[list[InputGroup]]
    accepted: NotRequired[list[InputShown]]
    """Inputs that are not in the form."""
    errors: NotRequired[list[ErrorShown]]


@described
class ConnectorsShown(TypedDict):
    """Connectors in short."""

    connectors: list[ConnectorShown]
    """Tasks first, by title; those that cannot be loaded at the end."""


class Gallery:
    """The connectors of one runtime. Results are cached, because descriptions do not change.

    Args:
        runtime: The runtime.
    """

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._templates: dict[str, dict[str, Template]] = {}
        self._details: dict[str, dict[str, Any]] = {}

    def find(self, name: str) -> Outbound | Inbound | None:
        """Returns a loaded connector by its name; None if there is none."""
        registry = self._runtime.registry
        return registry.outbound.get(name) or registry.inbound.get(name)

    def listed(self, text: str = "", kind: str = "") -> list[dict[str, Any]]:
        """Returns the connectors in short: tasks first, by title; those that cannot be loaded last, with their needs.

        Args:
            text: Words that must occur in name, title, type, summary or keywords.
            kind: `task` or `event`; both when empty.
        """
        registry = self._runtime.registry
        loaded = sorted(registry.every(), key=lambda one: (isinstance(one, Inbound), one.title.casefold()))
        shown = [self._short(one) for one in loaded]
        shown += [
            {"name": one.name, "title": one.name, "text": "", "kind": "", "type": "", "state": "unavailable",
             "also": [], "needs": one.reason, "protocols": [], "keywords": [], "templates": []}
            for one in sorted(registry.unavailable.values(), key=lambda one: one.name)
        ]  # fmt: skip
        words = text.casefold().split()
        return [one for one in shown if (not kind or one["kind"] == kind) and _has(one, words)]

    def shown(self, name: str) -> dict[str, Any] | None:
        """Returns one connector with everything on its page; None if there is none of that name."""
        connector = self.find(name)
        if connector is None:
            missing = self._runtime.registry.unavailable.get(name)
            return next((one for one in self.listed() if one["name"] == name), None) if missing else None
        return {**self._short(connector), **self._detail(connector)}

    def templates(self, name: str) -> dict[str, Template]:
        """Returns a connector's element templates by file name without suffix; empty if it has none or is unknown."""
        connector = self.find(name)
        if connector is None:
            return {}
        if name not in self._templates:
            self._templates[name] = templates_of(connector)
        return self._templates[name]

    def archive(self, names: Collection[str] = ()) -> bytes:
        """Returns a zip with the templates of the connectors that run here, or of the named ones.

        Args:
            names: Names of connectors, or of files without suffix.
        """
        files: dict[str, str] = {}
        for one in self.listed():
            wanted = one["state"] != "off" if not names else one["name"] in names
            for file, template in self.templates(one["name"]).items():
                if wanted or file in names:
                    files[f"{file}.json"] = template_text(template)
        return zipped(files)

    def _short(self, connector: Outbound | Inbound) -> dict[str, Any]:
        settings = self._runtime.settings
        task = isinstance(connector, Outbound)
        allowed = settings.outbound if task else settings.inbound
        kinds = (connector.type, *connector.also) if isinstance(connector, Outbound) else (connector.type,)
        runs = any(allowed.runs(connector.name, kind) for kind in kinds)
        setting = "OUTBOUND" if task else "INBOUND"
        needs = "" if runs else f"CONNECTOR_{setting}_ENABLED or CONNECTOR_{setting}_DISABLED keeps it from running"
        return {
            "name": connector.name,
            "title": connector.title,
            "text": plain(connector.summary),
            "kind": "task" if task else "event",
            "type": connector.type,
            "also": list(kinds[1:]),
            "state": "on" if runs else "off",
            "needs": needs,
            "protocols": list(connector.protocols),
            "keywords": list(connector.keywords),
            "templates": [
                {"file": f"{file}.json", "id": template["id"], "name": template["name"], "version": template["version"]}
                for file, template in self.templates(connector.name).items()
            ],
        }

    def _detail(self, connector: Outbound | Inbound) -> dict[str, Any]:
        if connector.name not in self._details:
            form = form_of(connector)
            self._details[connector.name] = {
                "details": connector.details,
                "groups": [
                    {
                        "id": group.id,
                        "label": group.label,
                        "text": plain(group.tooltip or ""),
                        "inputs": [_input(item) for item in form.of(group.id)],
                    }
                    for group in form.groups
                ],
                "accepted": [_input(item) for item in form.accepted if item.kind != "fixed"],
                "errors": [{"code": code, "text": plain(text)} for code, text in connector.errors.items()],
            }
        return self._details[connector.name]


_GALLERIES: WeakKeyDictionary[Runtime, Gallery] = WeakKeyDictionary()


def gallery_of(runtime: Runtime) -> Gallery:
    """Returns the gallery that all callers of a runtime share."""
    found = _GALLERIES.get(runtime)
    if found is None:
        found = _GALLERIES[runtime] = Gallery(runtime)
    return found


def zipped(files: Mapping[str, str]) -> bytes:
    """Packs texts by file name into a zip; the same files always make the same bytes."""
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, text in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(file, _ZIP_TIME), text, zipfile.ZIP_DEFLATED)
    return into.getvalue()


def download(body: bytes, file: str, content_type: str) -> web.Response:
    """Returns a response that a browser saves instead of showing it."""
    headers = {"Content-Disposition": f'attachment; filename="{file}"', "X-Content-Type-Options": "nosniff"}
    return web.Response(body=body, content_type=content_type, headers=headers)


class ConnectorsApi:
    """The calls for connectors and their templates.

    Args:
        gallery: The connectors to show.
    """

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery

    def calls(self) -> list[Call]:
        """Returns the calls `/connectors`, `/connectors/NAME` and `/templates.zip`."""
        words = {"q": "Words in name, title, type, summary or keywords", "kind": "`task` or `event`"}
        names = {"name": "Of a connector, or of a file without suffix; may be given several times"}
        missing = {404: ("NOT_FOUND",)}
        return [
            Call("GET", "/connectors", Role.VIEWER, "Lists the connectors", self._list, ConnectorsShown, query=words),
            Call(
                "GET",
                "/connectors/{name}",
                Role.VIEWER,
                "Shows one connector with its inputs and errors",
                self._show,
                ConnectorShown,
                errors=missing,
            ),
            Call(
                "GET",
                "/templates.zip",
                Role.VIEWER,
                "Hands out element templates, all or those that are named",
                self._archive,
                "application/zip",
                query=names,
            ),
        ]

    async def _list(self, request: web.Request) -> web.Response:
        query = request.query
        found = await asyncio.to_thread(self._gallery.listed, query.get("q", ""), query.get("kind", ""))
        return web.json_response({"connectors": found})

    async def _show(self, request: web.Request) -> web.Response:
        shown = await asyncio.to_thread(self._gallery.shown, request.match_info["name"])
        if shown is None:
            return web.json_response({"code": "NOT_FOUND", "message": NOT_FOUND}, status=404)
        return web.json_response(shown)

    async def _archive(self, request: web.Request) -> web.Response:
        names = request.query.getall("name", [])
        body = await asyncio.to_thread(self._gallery.archive, names)
        return download(body, "element-templates.zip", "application/zip")


def _has(one: Mapping[str, Any], words: list[str]) -> bool:
    text = " ".join((one["name"], one["title"], one["type"], one["text"], *one["keywords"])).casefold()
    return all(word in text for word in words)


def _input(item: Field) -> dict[str, Any]:
    return {
        "id": item.id,
        "name": item.path,
        "label": item.label,
        "type": item.type_name.replace("`", ""),
        "kind": item.kind,
        "required": item.required,
        "default": _plain_value(item.default),
        "text": plain(item.description),
        "choices": [{"value": choice.value, "label": choice.label} for choice in item.choices],
        "secret": item.secret,
        "secrets": item.secrets,
        "header": item.header,
        "lines": item.several_lines,
        "placeholder": item.placeholder or "",
        "conditions": [{"input": one.field, "values": list(one.values)} for one in item.conditions],
    }


def _plain_value(value: Any) -> Any:
    dump: Callable[..., Any] | None = getattr(value, "model_dump", None)
    return dump(mode="json", by_alias=True) if dump is not None else value
