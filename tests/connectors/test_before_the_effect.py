"""No connector is called, and none of its inputs is looked at, when a header of the task cannot be read."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing import Fail, run

CONNECTORS = Registry.installed().outbound
HEADERS = {
    "resultExpression": "={x: }",
    "errorExpression": '=If error.code = "404" then null else null',
    "secretFields": "a; b",
    "retryBackoff": "soon",
    "jobTimeout": "PT0S",
}


@pytest.mark.parametrize("header", HEADERS)
@pytest.mark.parametrize("name", CONNECTORS)
async def test_a_header_that_cannot_be_read_comes_before_the_inputs_and_the_effect(name: str, header: str) -> None:
    """Of each connector that is installed, and so of each that is added."""
    called: list[Any] = []

    async def never(*given: Any) -> None:
        called.append(given)

    outbound = dataclasses.replace(CONNECTORS[name], call=never)
    outcome = await run(outbound, {}, headers={header: HEADERS[header]})
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert header in outcome.message
    assert called == []


def test_every_kind_of_connector_is_tried() -> None:
    assert {"coap", "email", "files", "graphql", "pop3-fetch", "process", "rest", "smtp", "soap", "sql"} <= set(
        CONNECTORS
    )
