"""Lists every address of the operator's page, as the server has them, so that a new one cannot be forgotten."""

from __future__ import annotations

import json
import re
from typing import Any

from tests.admin.samples import SOURCE
from tests.admin.world import CANARY, TOKENS, World

ENDLESS = {"/live", "/api/live"}
"""Addresses whose answers do not end; `test_live` looks at them."""
TRIED = '{"inputs": {"fail": true, "token": "{{secrets.T}}"}}'


def pages(world: World) -> list[tuple[str, str, dict[str, Any]]]:
    """Method, address and form of every route of the page: a new one is asked too."""
    wsdl = {"wsdl": world.service.url("/orders.wsdl"), "username": "u", "password": CANARY}
    place = {"connector": "order", "process": "order-intake", "element": "order-intake", "code": "SHOP_SHUT"}
    forms: dict[str, dict[str, Any]] = {
        "/attention/seen": {"seen": json.dumps({**place, "until": 0})},
        "/signin": {"token": f"{TOKENS['operator']}x", "to": "/"},
        "/connectors/{name}/try": {"as": "json", "json": TRIED, "confirmed": "yes"},
        "/import/soap": {**wsdl, "step": "operations"},
        "/feel": {"kind": "expression", "expression": '="{{secrets.T}}" + secrets.T', "variables": "{}"},
        "/sources/{name}/test": {"hours": "24"},
        "/providers/{name}/check": {"environment": "test"},
        "/providers/{name}": {"version": "1", "s:environments.test.authentication.password": CANARY},
        "/providers/{name}/copy": {"version": "1", "from": "test", "to": "live"},
        "/providers": {"name": "another", "protocol": "http", "address": "http://h.example.com", "password": CANARY},
        "/events/retry": {"event": '["box", "id/1"]'},
        "/events/forget": {"event": '["box", "id/2"]', "confirmed": "yes"},
    }
    found = []
    router = world.server._runner.app.router
    for route in router.routes():
        canonical = route.resource.canonical if route.resource is not None else ""
        if route.method == "HEAD" or canonical.startswith("/api") or canonical in ENDLESS:
            continue
        path = re.sub(r"\{address\}", "nowhere", canonical)
        noun = path.split("/")[1]
        names = {"sources": SOURCE.split("/")[-1], "connectors": "order", "providers": "erp"}
        path = path.replace("{source}", "box").replace("{id}", "id%2F0")
        path = path.replace("{name}", names.get(noun, "page.css")).replace("{key}", "3").replace("{hash}", "x")
        if canonical == "/events/original":
            path += "?source=box&id=id/0"
        found.append((route.method, path, forms.get(canonical, {})))
    return found
