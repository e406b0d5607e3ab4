"""Draw the list of connectors, and one with its form as in the Modeler, inputs, error codes and templates."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote, urlencode

from aiohttp import web

from zeebe_connectors.admin.api.connectors import Gallery, download, gallery_of
from zeebe_connectors.admin.page.rendering import assets
from zeebe_connectors.admin.page.visit import Drawn, NotFound, Visit
from zeebe_connectors.sdk.connector import Outbound
from zeebe_connectors.templates.element_template import template_text
from zeebe_connectors.templates.preview import preview

_HERE = "connectors"
_KINDS = (("", "All"), ("task", "Tasks"), ("event", "Events"))


async def all_connectors(visit: Visit) -> Drawn:
    """Draws `/connectors`."""
    text, kind = visit.query.get("q", "")[:200], visit.query.get("kind", "")
    gallery = gallery_of(visit.runtime)
    found = await asyncio.to_thread(gallery.listed, text)
    files = sum(len(one["templates"]) for one in await asyncio.to_thread(gallery.listed) if one["state"] == "on")

    def link(kind: str) -> str:
        query = {name: value for name, value in (("q", text), ("kind", kind)) if value}
        return "/connectors" + (f"?{urlencode(query, quote_via=quote)}" if query else "")

    segments = [
        (name, word, sum(one["kind"] == name for one in found) if name else len(found), link(name))
        for name, word in _KINDS
    ]
    sections = [
        (word, [one for one in found if one["kind"] == name and kind in {"", name}])
        for name, word in (*_KINDS[1:], ("", "Not installed"))
    ]
    values = {
        "text": text,
        "kind": kind,
        "segments": segments,
        "sections": [section for section in sections if section[1]],
        "files": files,
    }
    return Drawn("connectors.html", values, _HERE)


async def form(visit: Visit) -> Drawn:
    """Draws `/connectors/NAME`: the form of its template, with the query's choices."""
    gallery, shown = await one_connector(visit)
    templates = await asyncio.to_thread(gallery.templates, shown["name"])
    file = visit.query.get("template", "")
    file = file if file in templates else next(iter(templates), "")
    chosen = {name: value for name, value in visit.query.items() if name != "template"}
    template = templates.get(file)
    values = {
        "one": shown,
        "tab": "form",
        "file": file,
        "template": template,
        "groups": preview(template, chosen) if template is not None else [],
        "states": _states(visit, shown),
    }
    return Drawn("connector.html", values | counts_of(shown), _HERE)


async def inputs(visit: Visit) -> Drawn:
    """Draws `/connectors/NAME/inputs`."""
    _, shown = await one_connector(visit)
    labels = {item["id"]: item["label"] for group in shown.get("groups", ()) for item in group["inputs"]}
    return Drawn("connector_inputs.html", {"one": shown, "tab": "inputs", "labels": labels} | counts_of(shown), _HERE)


async def errors(visit: Visit) -> Drawn:
    """Draws `/connectors/NAME/errors`."""
    _, shown = await one_connector(visit)
    return Drawn("connector_errors.html", {"one": shown, "tab": "errors"} | counts_of(shown), _HERE)


async def template_file(visit: Visit) -> web.Response:
    """Downloads a template: `/connectors/NAME/template.json`; `?template=` chooses one of several."""
    name = visit.params["name"]
    templates = await asyncio.to_thread(gallery_of(visit.runtime).templates, name)
    file = visit.query.get("template") or next(iter(templates), "")
    if file not in templates:
        raise NotFound(f"{name[:100]} has no such template.")
    return download(template_text(templates[file]).encode(), f"{file}.json", "application/json")


async def archive(visit: Visit) -> web.Response:
    """Downloads all templates, or those of `?name=`, as a zip."""
    names = visit.request.query.getall("name", [])
    body = await asyncio.to_thread(gallery_of(visit.runtime).archive, names)
    return download(body, "element-templates.zip", "application/zip")


async def icon(visit: Visit) -> web.Response:
    """Returns a connector's icon, or the default one."""
    connector = gallery_of(visit.runtime).find(visit.params["name"])
    if connector is None:
        raise NotFound("There is no such connector here.")
    body = assets()["mark.svg"][0]
    if connector.icon is not None:
        body = await asyncio.to_thread(connector.icon.read_bytes)
    headers = {"Cache-Control": "private, max-age=3600"}
    return web.Response(body=body, content_type="image/svg+xml", headers=headers)


async def one_connector(visit: Visit) -> tuple[Gallery, dict[str, Any]]:
    """Returns the connector that the address names.

    Raises:
        NotFound: There is no such connector.
    """
    gallery = gallery_of(visit.runtime)
    name = visit.params["name"]
    shown = await asyncio.to_thread(gallery.shown, name)
    if shown is None:
        raise NotFound(f"No connector is named {name[:100]}. The list of connectors has those that are installed.")
    return gallery, shown


def counts_of(shown: dict[str, Any]) -> dict[str, Any]:
    """Returns the counts in the tabs of a connector's pages."""
    return {
        "input_count": sum(len(group["inputs"]) for group in shown.get("groups", ())),
        "error_count": len(shown.get("errors", ())),
    }


def _states(visit: Visit, shown: dict[str, Any]) -> list[tuple[str, str]]:
    """Returns the connector's state, by name and in words."""
    runtime = visit.runtime
    if shown["state"] != "on":
        word = "Off here" if shown["state"] == "off" else "Not installed"
        return [("standby", f"{word}: {shown['needs']}")]
    if isinstance(runtime.registry.outbound.get(shown["name"]), Outbound):
        found = [(kind, state) for kind, state in runtime.liveness().items() if kind in {shown["type"], *shown["also"]}]
        return [
            (
                "up" if state.state == "working" else "standby",
                f"{state.state.capitalize()}, {state.in_flight} of {state.slots} slots in use ({kind})",
            )
            for kind, state in found
        ] or [("standby", "No worker takes its jobs")]
    watches = {} if runtime.sources is None else runtime.sources.watches
    count = sum(watch.source.type == shown["type"] for watch in watches.values())
    return [("up" if count else "standby", f"{count} {'source' if count == 1 else 'sources'}")]
