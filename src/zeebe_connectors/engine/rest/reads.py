"""Serve read-only requests: definitions, instances, elements, variables, jobs, incidents, subscriptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from aiohttp import web

from zeebe_connectors.engine.host import Host
from zeebe_connectors.engine.queries import (
    ACTIVE,
    COMPLETED,
    TERMINATED,
    InstanceView,
    SubscriptionView,
    VariableView,
)
from zeebe_connectors.engine.rest import items
from zeebe_connectors.engine.rest.instance_filters import instance_filters
from zeebe_connectors.engine.rest.problems import body_of, flag, key_in, missing, object_of
from zeebe_connectors.engine.rest.search import Item, Special, search

V = TypeVar("V")
_COUNTED = {ACTIVE: "active", COMPLETED: "completed", TERMINATED: "canceled"}


class Reads:
    """The read-only routes.

    Args:
        host: Runs the engine.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self._queries = host.engine.queries

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        queries = self._queries
        found: list[web.RouteDef] = [
            web.post("/v2/process-definitions/search", self._definitions),
            web.get("/v2/process-definitions/{key}", self._definition),
            web.get("/v2/process-definitions/{key}/xml", self._xml),
            web.post("/v2/process-definitions/statistics/message-subscriptions", self._statistics),
            web.post("/v2/variables/search", self._variables),
            web.get("/v2/variables/{key}", self._variable),
            web.post("/v2/message-subscriptions/search", self._subscriptions),
        ]
        found += [
            web.post("/v2/process-instances/{key}/incidents/search", self._incidents_of_instance),
            web.post("/v2/element-instances/{key}/incidents/search", self._incidents_of_element),
            web.get("/v2/process-instances/{key}/statistics/element-instances", self._passed),
            web.get("/v2/process-instances/{key}/call-hierarchy", self._callers),
        ]
        found += _routes(
            "process-instances",
            partial(queries.instances, paths=False),
            items.instance,
            items.INSTANCE_FIELDS,
            instance_filters(queries),
        )
        found += _routes(
            "element-instances", queries.element_instances, items.element, items.ELEMENT_FIELDS, inside=True
        )
        found += _routes("jobs", queries.jobs, items.job, items.JOB_FIELDS)
        found += _routes("incidents", queries.incidents, items.incident, items.INCIDENT_FIELDS)
        return found

    async def _definitions(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        newest = {str(view.key) for view in self._queries.definitions(latest=True)}
        latest = Special(
            lambda place, wanted: flag(wanted, place),
            lambda item, wanted: (item["processDefinitionKey"] in newest) is wanted["isLatestVersion"],
        )
        shown = [items.definition(view) for view in self._queries.definitions()]
        return web.json_response(
            search(
                shown,
                body,
                key="processDefinitionKey",
                fields=items.DEFINITION_FIELDS,
                special={"isLatestVersion": latest},
            )
        )

    async def _definition(self, request: web.Request) -> web.Response:
        view = self._queries.definition(key_in(request))
        if view is None:
            raise missing("Process Definition", request.match_info["key"])
        return web.json_response(items.definition(view))

    async def _xml(self, request: web.Request) -> web.Response:
        view = self._queries.definition(key_in(request))
        if view is None:
            raise missing("Process Definition", request.match_info["key"])
        return web.Response(text=view.xml, content_type="text/xml", charset="utf-8")

    async def _statistics(self, request: web.Request) -> web.Response:
        """Return the number of subscriptions of each version; used to find old versions that still wait."""
        body = await body_of(request)
        wanted = object_of(body.get("filter"), "filter")
        whole = search(
            [items.subscription(view) for view in self._waiting()],
            {"filter": wanted, "page": {"limit": 10_000}},
            key="messageSubscriptionKey",
            fields=items.SUBSCRIPTION_FIELDS,
        )
        counted: defaultdict[str, list[Item]] = defaultdict(list)
        for item in whole["items"]:
            counted[item["processDefinitionKey"]].append(item)
        shown = [
            items.item({
                "processDefinitionKey": key,
                "processDefinitionId": found[0]["processDefinitionId"],
                "activeSubscriptions": len(found),
                "processInstancesWithActiveSubscriptions": len({one["processInstanceKey"] for one in found}),
            })
            for key, found in sorted(counted.items())
        ]  # fmt: skip
        page = {"page": body.get("page")}
        return web.json_response(search(shown, page, key="processDefinitionKey", fields=()))

    def _waiting(self) -> list[SubscriptionView]:
        """Return the subscriptions of running instances."""
        return [view for view in self._queries.message_subscriptions() if view.process_instance_key]

    async def _subscriptions(self, request: web.Request) -> web.Response:
        shown = [items.subscription(view) for view in self._waiting()]
        body = await body_of(request)
        return web.json_response(search(shown, body, key="messageSubscriptionKey", fields=items.SUBSCRIPTION_FIELDS))

    # --- of one instance

    async def _incidents_of_instance(self, request: web.Request) -> web.Response:
        return await self._incidents(request, self._instance(request).key)

    async def _incidents_of_element(self, request: web.Request) -> web.Response:
        wanted = key_in(request)
        if all(view.key != wanted for view in self._queries.element_instances()):
            raise missing("Element Instance", wanted)
        return await self._incidents(request, wanted)

    async def _incidents(self, request: web.Request, key: int) -> web.Response:
        shown = [items.incident(view) for view in self._queries.incidents_below(key)]
        body = await body_of(request)
        return web.json_response(search(shown, body, key="incidentKey", fields=items.INCIDENT_FIELDS))

    async def _passed(self, request: web.Request) -> web.Response:
        """Return how often each element was passed, is active, or was ended, in one process instance."""
        key = self._instance(request).key
        counted: dict[str, dict[str, int]] = {}
        for view in self._queries.element_instances(key):
            if view.key == key:
                continue
            counts = counted.setdefault(
                view.element_id, {"active": 0, "canceled": 0, "incidents": 0, "completed": 0}
            )  # fmt: skip
            counts["incidents" if view.incident_key else _COUNTED[view.state]] += 1
        shown = [{"elementId": element_id, **counts} for element_id, counts in sorted(counted.items())]
        return web.json_response({"items": shown})

    async def _callers(self, request: web.Request) -> web.Response:
        """Return the instances that called this one, from the outermost down to itself."""
        view: InstanceView | None = self._instance(request)
        shown: list[Item] = []
        while view is not None:
            shown.insert(0, {
                "processInstanceKey": str(view.key),
                "processDefinitionKey": str(view.process_definition_key),
                "processDefinitionName": view.process_name,
            })  # fmt: skip
            view = self._queries.instance(view.parent_instance_key)
        return web.json_response(shown)

    def _instance(self, request: web.Request) -> InstanceView:
        view = self._queries.instance(key_in(request))
        if view is None:
            raise missing("Process Instance", request.match_info["key"])
        return view

    # --- variables

    async def _variables(self, request: web.Request) -> web.Response:
        body = await body_of(request)
        whole = request.query.get("truncateValues", "true").lower() == "false"
        shown = [items.variable(view, whole=whole) for view in self._queries.variables(_wanted_instance(body))]
        return web.json_response(search(shown, body, key="variableKey", fields=items.VARIABLE_FIELDS))

    async def _variable(self, request: web.Request) -> web.Response:
        wanted = key_in(request)
        view: VariableView | None = next(
            (one for one in self._queries.variables() if items.variable_key(one) == wanted), None
        )
        if view is None:
            raise missing("Variable", wanted)
        return web.json_response(items.variable(view, whole=True))


def _wanted_instance(body: Mapping[str, object]) -> int | None:
    """Return the process instance that a search is limited to, so that nothing else has to be looked at."""
    filters = body.get("filter")
    key = filters.get("processInstanceKey") if isinstance(filters, dict) else None
    return int(key) if isinstance(key, str) and key.isascii() and key.isdecimal() and len(key) < 20 else None


def _routes(
    path: str,
    views: Callable[..., Iterable[V]],
    show: Callable[[V], Item],
    fields: Sequence[str],
    special: Mapping[str, Special] | None = None,
    *,
    inside: bool = False,
) -> list[web.RouteDef]:
    """Return the routes that search a kind of item and get one; an item's key is its first field.

    `inside`: they are inside process instances, and `views` takes the key of one.
    """
    key = fields[0]
    what = path.removesuffix("s").replace("-", " ").title()

    async def search_them(request: web.Request) -> web.Response:
        body = await body_of(request)
        found = views(_wanted_instance(body)) if inside else views()
        return web.json_response(search(map(show, found), body, key=key, fields=fields, special=special))

    async def get_one(request: web.Request) -> web.Response:
        wanted = str(key_in(request))
        item = next((found for found in map(show, views()) if found[key] == wanted), None)
        if item is None:
            raise missing(what, wanted)
        return web.json_response(item)

    return [web.post(f"/v2/{path}/search", search_them), web.get(f"/v2/{path}/{{key}}", get_one)]
