"""A canary in every secret-bearing field of every connector, generated from the models: no new field is forgotten."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_origin
from urllib.parse import quote

import pytest
from pydantic import BaseModel
from tests.servers.cluster import bpmn

from zeebe_connectors.config.secrets import Mask, SecretResolver
from zeebe_connectors.runtime.diagrams import DeployedHere, Diagrams
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.runtime.gateway import Deployed
from zeebe_connectors.runtime.inbound.elements import Element, Source
from zeebe_connectors.runtime.inbound.preview import preview
from zeebe_connectors.runtime.outbound.jobs import JobHandler
from zeebe_connectors.runtime.outbound.outcome import Complete
from zeebe_connectors.runtime.services import Services
from zeebe_connectors.sdk.annotations import leaf_types, literals
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.context import Job
from zeebe_connectors.sdk.document import Document
from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.sdk.fields import Secret, hint_of
from zeebe_connectors.sdk.files import AllowedFiles
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing.servers import HttpServer, Reply

CANARY = "canary-Q7/+~&=ü9-and-more"
PLACEHOLDER = "{{secrets.CANARY}}"
PIECES = {CANARY, "canary-Q7", json.dumps(CANARY)[1:-1], quote(CANARY, safe=""), CANARY.encode().hex()}
PIECES |= {base64.b64encode(CANARY.encode()).decode()[:12]}
MAX_DEPTH = 6
REGISTRY = Registry.installed()
OUTBOUND = dict(REGISTRY.outbound)
INBOUND = dict(REGISTRY.inbound)


@dataclass(frozen=True)
class Step:
    """One field on the way to a secret: of which model, under which name."""

    model: type[BaseModel]
    name: str


Way = tuple[Step, ...]


def ways(kind: Any, *, inside: bool = False, depth: int = 0) -> Iterator[Way]:
    """To every field where a secret may stand."""
    for leaf in leaf_types(kind):
        if isinstance(leaf, type) and issubclass(leaf, BaseModel):
            if depth < MAX_DEPTH:
                for name, info in leaf.model_fields.items():
                    below = inside or bool(hint_of(info).secrets)
                    for way in ways(info.annotation, inside=below, depth=depth + 1):
                        yield (Step(leaf, name), *way)
        elif (
            leaf is Secret
            or (inside and leaf in {str, int})
            or (inside and (leaf is Any or (get_origin(leaf) or leaf) in {dict, list}))
        ):
            yield ()


def shown(way: Way) -> str:
    return ".".join(f"{step.model.__name__}:{step.name}" for step in way)


def plain(kind: Any, name: str, http: str) -> Any:
    """A value that such a field takes."""
    leaf = next(leaf for leaf in leaf_types(kind) if leaf is not type(None))
    if known := literals(leaf):
        return known[0]
    if isinstance(leaf, type) and issubclass(leaf, BaseModel):
        return form(leaf, (), http)
    if leaf is Document:
        return {"camunda.document.type": "inline", "content": "x", "name": "x"}
    if leaf is bool:
        return False
    if leaf in {int, float}:
        return 9
    if (get_origin(leaf) or leaf) is list:
        inner = get_args(leaf)
        return [plain(inner[0], name, http)] if inner else []
    if (get_origin(leaf) or leaf) is dict:
        return {}
    small = name.lower()
    if "url" in small or "endpoint" in small or "wsdl" in small:
        return f"{http}/x"
    if small in {"to", "from", "from_"}:
        return "a@example.com"
    return "127.0.0.1" if "host" in small else "x"


def form(model: type[BaseModel], way: Way, http: str, canary: str = PLACEHOLDER) -> dict[str, Any]:
    """The model's required fields, and the one on the way to the canary."""
    made: dict[str, Any] = {}
    for name, info in model.model_fields.items():
        wire = info.alias or name
        if way and way[0].name == name and way[0].model is model:
            rest = way[1:]
            value = canary if not rest else form(rest[0].model, rest, http, canary)
            kinds = {get_origin(leaf) or leaf for leaf in leaf_types(info.annotation)}
            if not rest and dict in kinds and not kinds & {str, Secret, Any}:
                value = {"X-Key": canary}
            if list in kinds and not kinds & {str, Secret}:
                value = [value]
            made[wire] = value
        elif info.is_required() or literals(next(iter(leaf_types(info.annotation)))):
            example = hint_of(info).example
            given = plain(info.annotation, name, http)
            is_place = isinstance(given, str) and given != "x"
            made[wire] = given if is_place or not isinstance(example, str) else example
    return made


class CanarySecret:
    """Gives the canary, and counts how often it was looked up."""

    def __init__(self) -> None:
        self.times = 0

    async def get(self, name: str, *, tenant: str, process: str) -> str | None:
        del tenant, process
        self.times += name == "CANARY"
        return CANARY if name == "CANARY" else None


def echo(seen: Any) -> Reply:
    """Repeats in its refusal all that it was sent."""
    sent = "\n".join(f"{name}: {value}" for name, value in seen.headers)
    body = {"error": "x", "error_description": f"{seen.target}\n{sent}\n{seen.body.decode('utf-8', 'replace')}"}
    return Reply(418, json.dumps(body).encode(), [("Content-Type", "application/json"), ("X-Echo", seen.target)], "Pot")


def services(secret: CanarySecret, directory: Path, here: DeployedHere, log_mask: Mask) -> Services:
    clients = ClientCache()
    return Services(
        secrets=SecretResolver([secret], log_mask=log_mask),
        clients=clients,
        documents=LocalDocuments(directory / "documents", clients=clients),
        files=AllowedFiles((directory,)),
        diagrams=Diagrams(here=here),
    )


def is_clean(text: str) -> bool:
    return not any(piece in text for piece in PIECES)


@pytest.mark.parametrize("name", sorted(OUTBOUND))
def test_there_is_a_way_to_each(name):
    """A connector without any field for a secret would be news; those of other connectors' engines have none."""
    found = list(ways(OUTBOUND[name].input))
    assert found or name.startswith("process")
    assert all(shown(way) for way in found)


@pytest.mark.parametrize("name", sorted(OUTBOUND))
async def test_no_task_shows_it(tmp_path, caplog, name):
    """Neither in an outcome nor in the log, whichever field it stands in; and it was resolved in each."""
    caplog.set_level(logging.DEBUG, "zeebe_connectors")
    connector, log_mask = OUTBOUND[name], Mask()
    turns = asyncio.Semaphore(8)
    wrong: list[str] = []
    async with HttpServer() as server:
        server.answer("*", echo)
        http = server.url("").rstrip("/")

        async def carried_out(number: int, way: Way) -> None:
            secret, here = CanarySecret(), DeployedHere()
            given = form(way[0].model, way, http)
            top = way[0].model.model_fields[way[0].name].alias or way[0].name
            here.remember({"o.bpmn": bpmn({top: PLACEHOLDER})}, [Deployed("order", 1, number, "o.bpmn")])
            used = services(secret, tmp_path, here, log_mask)
            job = Job(
                number,
                connector.type,
                variables=json.dumps(given),
                process_definition_key=number,
                bpmn_process_id="order",
                element_id="task",
                deadline=asyncio.get_running_loop().time() + 6,
            )
            async with turns:
                outcome = await JobHandler(connector, used)(job)
                await used.aclose()
            if secret.times != 1:
                wrong.append(f"{shown(way)}: not resolved: {outcome}")
            if not isinstance(outcome, Complete) and not is_clean(repr(outcome)):
                wrong.append(f"{shown(way)}: {outcome}")

        await asyncio.gather(*(carried_out(number, way) for number, way in enumerate(ways(connector.input), 1)))
    assert wrong == []
    assert is_clean(log_mask.text(caplog.text))


@pytest.mark.parametrize("name", sorted(INBOUND))
async def test_no_source_shows_it(tmp_path, name):
    """Nor in what is said of it."""
    connector = INBOUND[name]
    wrong: list[str] = []
    async with HttpServer() as server:
        server.answer("*", echo)
        http = server.url("").rstrip("/")
        for way in ways(connector.input):
            secret, mask = CanarySecret(), Mask()
            given = form(way[0].model, way, http)
            source = Source("s", [Element("p", "e", "start", connector.type, given)])
            used = services(secret, tmp_path, DeployedHere(), Mask())
            error_text = ""
            try:
                async with asyncio.timeout(6):
                    await preview(source, connector, used, hours=1, mask=mask)
            except ConnectorError as error:
                error_text = mask.text(f"{error} {mask.value(error.variables or {})}")
            except TimeoutError:
                pass
            await used.aclose()
            if secret.times != 1 or not is_clean(error_text):
                wrong.append(f"{shown(way)}: {secret.times}: {error_text}")
    assert wrong == []
