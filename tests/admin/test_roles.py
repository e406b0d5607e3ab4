"""Who may do what: each address of the operator's port with each role and with none, by a table written out here."""

from __future__ import annotations

import re

import aiohttp
import yarl
from tests.admin.world import TOKENS, World

ROLES = ("viewer", "modeler", "editor", "operator")
"""Each may do what those before it may."""
OPEN = {
    *("GET /health", "GET /health/live", "GET /health/ready", "GET /health/startup", "GET /metrics"),
    *("GET /actuator/health", "GET /actuator/health/readiness", "GET /actuator/health/liveness"),
    *("GET /actuator/prometheus", "GET /assets/{hash}/{name}", "GET /signin", "POST /signin", "POST /signout"),
}
PAGE = {
    "viewer": {
        *("GET /", "GET /live", "GET /jobs", "GET /jobs/{key}", "GET /sources", "GET /sources/{name}", "GET /events"),
        *("GET /events/{source}/{id}", "GET /connectors", "GET /connectors/{name}", "GET /connectors/{name}/inputs"),
        *("GET /connectors/{name}/errors", "GET /connectors/{name}/template.json", "GET /connectors/{name}/icon.svg"),
        *("GET /connectors/templates.zip", "GET /connectors/{name}/try", "GET /import/soap", "GET /feel"),
        *("GET /providers", "GET /providers/{name}", "GET /runtime", "GET /runtime/report.json", "GET /{address}"),
        *("GET /providers/+all.yaml", "GET /providers/{name}/provider.yaml"),
        "POST /theme",
    },
    "modeler": {"POST /sources/{name}/test", "POST /connectors/{name}/try", "POST /import/soap", "POST /feel"},
    "editor": {
        *("GET /providers/+new", "POST /providers", "POST /providers/{name}"),
        *("GET /providers/{name}/copy", "POST /providers/{name}/copy"),
    },
    "operator": {
        *("POST /attention/seen", "POST /sources/{name}/wake", "GET /events/original", "POST /events/retry"),
        *("POST /events/forget", "GET /providers/{name}/delete", "POST /providers/{name}/delete"),
        "POST /providers/{name}/check",
    },
}
API = {
    "viewer": {
        *("GET /overview", "GET /jobs", "GET /jobs/hour", "GET /jobs/{key}", "GET /sources", "GET /sources/{name}"),
        *("GET /events", "GET /events/{source}/{id}", "GET /secrets", "GET /providers", "GET /providers/{name}"),
        *("GET /providers/{name}/history", "GET /providers/{name}/now", "GET /connectors", "GET /connectors/{name}"),
        *("GET /templates.zip", "GET /runtime", "GET /runtime/packages", "GET /live", "GET /openapi.json"),
    },
    "modeler": {
        *("POST /sources/{name}/test", "POST /connectors/{name}/try", "POST /soap/inspect", "POST /soap/import"),
        "POST /feel",
    },
    "editor": {"POST /providers", "PUT /providers/{name}", "POST /providers/{name}/copy"},
    "operator": {
        *("POST /attention/seen", "POST /sources/{name}/wake", "GET /events/original", "POST /events/retry"),
        *("POST /events/forget", "DELETE /providers/{name}", "POST /providers/{name}/check"),
    },
}


def address(path: str) -> yarl.URL:
    """Of something that there is not, so that whoever may changes nothing."""
    path = path.replace("{key}", "5").replace("{hash}", "x").replace("{address}", "nowhere").replace("{id}", "none")
    return yarl.URL(re.sub(r"\{\w+\}", "none", path), encoded=True)


def at_the_border(table: dict[str, set[str]], role: str) -> list[tuple[str, str, bool]]:
    """Method and path of the routes that a role is the first to have, and of those that it just fails to have."""
    rank = ROLES.index(role)
    found = [(route, True) for route in sorted(table[role])]
    if rank + 1 < len(ROLES):
        found += [(route, False) for route in sorted(table[ROLES[rank + 1]])]
    return [(*route.split(" "), may) for route, may in found]


async def test_each_address_is_for_its_roles_alone(tmp_path):
    async with World(tmp_path, sources=1, jobs=0, quarantined=0, providers=0) as world:
        routes = {
            f"{route.method} {route.resource.canonical}"
            for route in world.server._runner.app.router.routes()
            if route.method != "HEAD"
        }
        known = OPEN.union(*PAGE.values(), *({r.replace(" ", " /api", 1) for r in some} for some in API.values()))
        assert routes == known  # a new one needs a place in a table
        for role in ROLES:
            jar = aiohttp.CookieJar(unsafe=True)
            async with aiohttp.ClientSession(world.url, cookie_jar=jar) as session:
                async with session.post("/signin", data={"token": TOKENS[role], "to": "/feel"}) as answer:
                    form_token = re.search(r'name="form_token" value="([^"]+)"', await answer.text())[1]
                for method, path, may in at_the_border(PAGE, role):
                    data = {"form_token": form_token} if method == "POST" else None
                    async with session.request(method, address(path), data=data, allow_redirects=False) as answer:
                        assert (answer.status == 403) == (not may), (role, method, path, answer.status)
                        assert answer.status < 500, (role, method, path)
                        assert not answer.headers.get("Location", "").startswith("/signin"), (role, path)
                headers = {"Authorization": f"Bearer {TOKENS[role]}"}
                for method, path, may in at_the_border(API, role):
                    url = address(f"/api{path}") % ({"seconds": "0.01"} if path == "/live" else {})
                    body = None if method == "GET" else {}
                    async with session.request(method, url, json=body, headers=headers) as answer:
                        assert (answer.status == 403) == (not may), (role, method, path, await answer.text())
                        assert answer.status < 500, (role, method, path)
        async with aiohttp.ClientSession(world.url) as session:
            for method, path in (route.split(" ") for route in set().union(*PAGE.values())):
                async with session.request(method, address(path), data={}, allow_redirects=False) as answer:
                    if path == "/live":  # a script asks, and leads to the form itself
                        assert answer.status == 401
                    else:
                        assert answer.status == 303, (method, path)
                        assert answer.headers["Location"].startswith("/signin"), (method, path)
            for method, path in (route.split(" ") for route in set().union(*API.values())):
                async with session.request(method, address(f"/api{path}"), json={}) as answer:
                    assert answer.status == 401, (method, path)
