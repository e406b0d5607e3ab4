"""Check a connector by the rules of this project's own connectors: its description, and how it fails."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

from zeebe_connectors.runtime.outbound.outcome import Fail
from zeebe_connectors.sdk.connector import Inbound, Outbound
from zeebe_connectors.sdk.errors import ConnectorError
from zeebe_connectors.templates.connector_rules import broken_connector_rules
from zeebe_connectors.templates.form import Field, form_of
from zeebe_connectors.templates.page import example_input
from zeebe_connectors.testing.jobs import run
from zeebe_connectors.testing.watching import watch

CANARY = "canary-5b1e77"
"""A secret's value that must not appear anywhere."""
_SECONDS = 10.0
_ADDRESSES = frozenset({"url", "host", "hostname", "port"})


async def check(connector: Outbound | Inbound, inputs: Mapping[str, Any] | None = None) -> list[str]:
    """Returns what is wrong with a connector, one line each; empty if it keeps all rules.

    Checks its names, groups, defaults, texts, icon and templates. Then runs it against a port where nothing answers,
    with a secret in every field that takes one: it must fail with a code and be retried, the secret must not appear in
    any message or log, and a missing secret must be an incident that names it.

        assert await check(weather) == []

    Args:
        connector: The result of `@outbound` or `@inbound`.
        inputs: Inputs to run it with, if those made from the hints' examples do not work. Addresses (`url`, `host`,
            `port`) and secrets in them are replaced.
    """
    found = broken_connector_rules(connector)
    if found:
        return found
    form = form_of(connector)
    given = dict(inputs) if inputs is not None else example_input(form)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound but not listening, so that it refuses connections
        has_address = _aim(given, unused.getsockname()[1])
        has_secret = _plant(given, form.fields)
        if isinstance(connector, Inbound):
            return await _watched(connector, given) if has_address else []
        if has_address:
            found += await _dead_port(connector, given)
    if has_secret:
        found += await _missing_secret(connector, given)
    return found


def _aim(values: MutableMapping[str, Any], port: int) -> bool:
    """Points every address at the port; returns whether there is one."""
    hit = False
    for name, value in list(values.items()):
        if isinstance(value, MutableMapping):
            hit |= _aim(value, port)
        elif (kind := name.casefold()) in _ADDRESSES:
            values[name] = {"url": f"http://127.0.0.1:{port}/", "port": port}.get(kind, "127.0.0.1")
            hit = True
    return hit


def _plant(values: MutableMapping[str, Any], fields: tuple[Field, ...]) -> bool:
    """Writes the canary's placeholder into every filled `Secret`; returns whether there is one."""
    hit = False
    for item in fields:
        *parents, last = item.path.split(".")
        place: Any = values
        for name in parents:
            place = place.get(name) if isinstance(place, Mapping) else None
        if item.secret and isinstance(place, MutableMapping) and last in place:
            place[last] = "{{secrets.CANARY}}"
            hit = True
    return hit


class _Heard(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text += f"{record.getMessage()} {record.exc_info} {record.__dict__}\n"


@contextmanager
def _hearing() -> Iterator[_Heard]:
    heard, root = _Heard(), logging.getLogger()
    level = root.level
    root.addHandler(heard)
    root.setLevel(logging.DEBUG)
    try:
        yield heard
    finally:
        root.setLevel(level)
        root.removeHandler(heard)


async def _dead_port(connector: Outbound, given: Mapping[str, Any]) -> list[str]:
    with _hearing() as heard:
        outcome = await run(connector, given, secrets={"CANARY": CANARY}, seconds=_SECONDS)
    if not isinstance(outcome, Fail):
        return [f"dead port: it does not fail where nothing answers; with {json.dumps(given)} it gave {outcome!r}"]
    found = []
    if outcome.retries == 0:
        found.append(
            f"dead port: it is an incident at once ({outcome.code}: {outcome.message}); raise TransientError where "
            "the next try may succeed, or pass inputs that are valid"
        )
    if not outcome.code:
        found.append(f"dead port: the error has no code ({outcome.message}); raise TransientError(code, message)")
    return found + _seen(repr(outcome), heard)


def _seen(text: str, heard: _Heard) -> list[str]:
    places = [place for place, logged in (("a message", text), ("the log", heard.text)) if CANARY in logged]
    return [f"canary: a secret's value appears in {place}" for place in places]


async def _missing_secret(connector: Outbound, given: Mapping[str, Any]) -> list[str]:
    outcome = await run(connector, given, seconds=_SECONDS)
    if isinstance(outcome, Fail) and outcome.retries == 0 and "CANARY" in outcome.message:
        return []
    return [f"secrets: one that is missing must be an incident that names it; it gave {outcome!r}"]


async def _watched(connector: Inbound, given: Mapping[str, Any]) -> list[str]:
    """Watches an unreachable source: the connector must raise, or report why."""
    found = []
    with _hearing() as heard:
        reports: list[str | None] = []
        try:
            async with asyncio.timeout(2 * _SECONDS), watch(connector, given, secrets={"CANARY": CANARY}) as watching:
                reports = watching.reports
                await watching.next(_SECONDS)
            found.append("dead port: it gave an event where nothing answers")
            text = ""
        except ConnectorError as error:
            text = f"{error!r} {error}"
            if not error.code:
                found.append("dead port: the error has no code; raise TransientError(code, message)")
        except TimeoutError:
            text = ""
            if not any(reports):
                found.append("dead port: it says nothing; raise TransientError, or call context.report with the reason")
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
            text = f"{error!r}"
            found.append(f"dead port: it ended with {error!r}; raise TransientError(code, message)")
    return found + _seen(text + repr(reports), heard)
