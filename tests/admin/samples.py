"""A call of each kind of the operator's API that must succeed in the world of `world.py`, in an order that works."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.admin.world import CANARY, World

SOURCE = "/sources/box%200000%23%2Fx"


@dataclass(frozen=True)
class Sample:
    """One call.

    Args:
        route: Method and path as the API describes it.
        path: The address that is called.
        body: The JSON that is sent.
        version: Of which provider `If-Match` tells the version.
    """

    route: str
    path: str
    body: Any = None
    version: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def method(self) -> str:
        """Of HTTP."""
        return self.route.partition(" ")[0]


def samples(world: World) -> list[Sample]:
    """All of them; every call of the API must be among them."""
    wsdl = {"wsdl": world.service.url("/orders.wsdl"), "username": "u", "password": CANARY}
    stock = {"url": world.service.url("/stock"), "method": "GET", "headers": {"X-Key": "{{secrets.T}}"}}
    changed = {key: value for key, value in world.sample("new", description="changed").items() if key != "name"}
    return [
        Sample("GET /overview", "/overview"),
        Sample(
            "POST /attention/seen",
            "/attention/seen",
            {"connector": "order", "process": "order-intake", "element": "x", "code": "E", "until": 1.5},
        ),
        Sample("GET /jobs", "/jobs?outcome=incident&q=o"),
        Sample("GET /jobs", "/jobs"),
        Sample("GET /jobs/hour", "/jobs/hour"),
        Sample("GET /jobs/{key}", "/jobs/3"),
        Sample("GET /sources", "/sources?q=box"),
        Sample("GET /sources/{name}", SOURCE),
        Sample("POST /sources/{name}/wake", f"{SOURCE}/wake", {}),
        Sample("POST /sources/{name}/test", f"{SOURCE}/test", {"hours": 1}),
        Sample("GET /events", "/events?state=quarantined"),
        Sample("GET /events/{source}/{id}", "/events/box/id%2F0"),
        Sample("GET /events/original", "/events/original?source=box&id=id/0"),
        Sample("POST /events/retry", "/events/retry", {"events": [["box", "id/1"], ["box", "none"]]}),
        Sample("POST /events/forget", "/events/forget", {"events": [["box", "id/2"]]}),
        Sample("GET /secrets", "/secrets"),
        Sample("GET /live", "/live?of=jobs&seconds=0.1"),
        Sample("GET /connectors", "/connectors"),
        Sample("GET /connectors/{name}", "/connectors/rest"),
        Sample("GET /connectors/{name}", "/connectors/imap"),
        Sample("GET /templates.zip", "/templates.zip"),
        Sample("POST /connectors/{name}/try", "/connectors/rest/try", {"inputs": stock}),
        Sample(
            "POST /connectors/{name}/try",
            "/connectors/order/try",
            {"inputs": {"fail": True, "token": "{{secrets.T}}"}, "confirmed": True},
        ),
        Sample("POST /soap/inspect", "/soap/inspect", wsdl),
        Sample("POST /soap/import", "/soap/import", wsdl),
        Sample("POST /providers", "/providers", world.sample("new")),
        Sample("GET /providers", "/providers"),
        Sample("GET /providers/{name}", "/providers/erp"),
        Sample("GET /providers/{name}", "/providers/fixed"),
        Sample("GET /providers/{name}/now", "/providers/erp/now"),
        Sample("POST /providers/{name}/check", "/providers/erp/check", {"environment": "test"}),
        Sample(
            "POST /providers/{name}/copy", "/providers/erp/copy", {"from": "test", "to": "live", "secured": True}, "erp"
        ),
        Sample("PUT /providers/{name}", "/providers/new", changed, "new"),
        Sample("GET /providers/{name}/history", "/providers/new/history"),
        Sample("DELETE /providers/{name}", "/providers/new", version="new"),
        Sample("POST /feel", "/feel", {"expression": "=a.b + 1", "variables": {"a": {}}}),
        Sample("POST /feel", "/feel", {"expression": "=1 +"}),
        Sample("POST /feel", "/feel", {"expression": '=bpmnError("A", "b")', "kind": "error", "error": {"code": "X"}}),
        Sample("GET /runtime", "/runtime"),
        Sample("GET /runtime/packages", "/runtime/packages"),
        Sample("GET /openapi.json", "/openapi.json"),
    ]
