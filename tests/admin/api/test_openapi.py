"""The API's description: every call is in it, and what is really answered is what it says."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import jsonschema
import pytest
import yarl
from tests.admin.samples import samples
from tests.admin.world import World

from zeebe_connectors.admin.access import Role


@pytest.fixture
async def world(tmp_path):
    async with World(tmp_path) as found:
        yield found


async def answered(world: World, session: aiohttp.ClientSession, sample: Any, role: str = "operator") -> Any:
    """Status, media type and content."""
    headers = world.headers(role)
    if sample.version:
        async with session.get(f"/api/providers/{sample.version}", headers=headers) as read:
            headers["If-Match"] = read.headers["ETag"]
    url = yarl.URL(f"{world.url}/api{sample.path}", encoded=True)
    async with session.request(sample.method, url, json=sample.body, headers=headers) as answer:
        return answer.status, answer.content_type, await answer.read()


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with what it refers to."""
    return {**schema, "components": document["components"]}


async def check_refusals(world: World, document: dict[str, Any]) -> None:
    """Without a token, with too small a role, for nothing that there is, with no JSON."""
    async with aiohttp.ClientSession(world.url) as session:
        problem = resolved(document, document["components"]["schemas"]["Problem"])
        for call in world.api.calls:
            operation = document["paths"][f"/api{call.path}"][call.method.lower()]
            path = call.path.replace("{key}", "0").replace("{name}", "nothing")
            wanted: list[tuple[int | None, dict[str, Any]]] = [
                (401, {}),
                (403, {"headers": {"Origin": "https://evil.example", **world.headers()}}),
                (None, {"json": {}, "headers": {"If-Match": '"1"', **world.headers()}}),
            ]
            if call.role > Role.VIEWER:
                wanted.append((403, {"json": {}, "headers": world.headers("viewer")}))
            if call.body is not None:
                wanted.append((415, {"data": b"x", "headers": world.headers()}))
            for expected, options in wanted:
                async with session.request(call.method, f"/api{path}", **options) as answer:
                    assert expected is None or answer.status == expected, (call.method, path)
                    assert str(answer.status) in operation["responses"], (call.method, path, await answer.text())
                    if answer.status >= 400:
                        jsonschema.validate(await answer.json(), problem)


WRONG = (None, 10**40, "\ud800", [[]])
NO_OBJECTS = (b"null", b"{", b"[" * 5000, b"\xff", b'{"\\ud800": 1}')


def _raw(body: dict[str, Any]) -> bytes:
    """A body with half a character that is not written as an escape."""
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "surrogatepass")


async def check_wrong_input(world: World, document: dict[str, Any]) -> None:
    """Whatever a body holds, the answer is one that is described, and none is a failure of ours."""
    async with aiohttp.ClientSession(world.url) as session:
        for sample in samples(world):
            if not sample.body:
                continue
            bodies = [*NO_OBJECTS, json.dumps({**sample.body, "unheard": 1}).encode()]
            bodies += [json.dumps({**sample.body, name: value}).encode() for name in sample.body for value in WRONG]
            bodies += [_raw({**sample.body, name: "\ud800"}) for name in sample.body]
            headers = {**world.headers(), "Content-Type": "application/json", "If-Match": '"999"'}
            method, _, path = sample.route.partition(" ")
            responses = document["paths"][f"/api{path}"][method.lower()]["responses"]
            url = yarl.URL(f"{world.url}/api{sample.path}", encoded=True)
            for body in bodies:
                async with session.request(method, url, data=body, headers=headers) as answer:
                    found = await answer.read()
                    assert str(answer.status) in responses, (sample.route, body[:200], found)
                    assert answer.status not in {500, 504}, (sample.route, body[:200], found)
                    described = responses[str(answer.status)]["content"]
                    if answer.status >= 400:
                        schema = described["application/json"]["schema"]
                        jsonschema.validate(json.loads(found), resolved(document, schema))


async def test_wrong_input_is_refused_as_it_is_described(world):
    async with (
        aiohttp.ClientSession(world.url) as session,
        session.get("/api/openapi.json", headers=world.headers("viewer")) as answer,
    ):
        document = await answer.json()
    await check_wrong_input(world, document)


def check_is_whole(document: dict[str, Any]) -> None:
    text = json.dumps(document)
    jsonschema.Draft202012Validator.check_schema({"$defs": document["components"]["schemas"]})
    names = {name.split('"')[0] for name in text.split("#/components/schemas/")[1:]}
    assert names <= set(document["components"]["schemas"])
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert operation["x-role"] in {role.word for role in Role}
        assert {"401", "403", "500"} <= set(operation["responses"])
        assert all(one["in"] == "path" or one["description"] for one in operation.get("parameters", ()))


async def test_every_call_answers_and_refuses_as_it_is_described(world):
    documented: set[str] = set()
    async with aiohttp.ClientSession(world.url) as session:
        async with session.get("/api/openapi.json", headers=world.headers("viewer")) as answer:
            document = await answer.json()
        for sample in samples(world):
            method, _, path = sample.route.partition(" ")
            operation = document["paths"][f"/api{path}"][method.lower()]
            documented.add(sample.route)
            status, kind, body = await answered(world, session, sample)
            assert str(status) in operation["responses"], (sample.route, status, body)
            assert status in {200, 201, 202}, (sample.route, body)
            content = operation["responses"][str(status)]["content"]
            assert kind in content, sample.route
            if kind == "application/json":
                schema = resolved(document, content[kind]["schema"])
                jsonschema.validate(json.loads(body), schema)
            if sample.body is not None:
                taken = operation["requestBody"]["content"]["application/json"]["schema"]
                jsonschema.validate(sample.body, resolved(document, taken))
    routes = {
        f"{route.method} {route.resource.canonical.removeprefix('/api')}"
        for route in world.api.app.router.routes()
        if route.method != "HEAD"
    }
    assert documented == routes  # a new call needs a sample in samples.py
    check_is_whole(document)
    await check_refusals(world, document)
