"""A runtime knows its connectors by their outlines, and imports each with its first job."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.gateway.fake import FakeGateway
from zeebe_connectors.runtime.supervisor import Runtime
from zeebe_connectors.sdk import outline
from zeebe_connectors.sdk.connector import DefinitionError
from zeebe_connectors.sdk.outline import Outline
from zeebe_connectors.sdk.registry import Registry


def _printed(code: str) -> object:
    command = [sys.executable, "-c", f"import json, sys; from zeebe_connectors.sdk.registry import Registry; {code}"]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout)


def test_a_connector_is_imported_when_it_is_first_looked_at() -> None:
    code = (
        "loaded = lambda: sorted({name.split('.')[2] for name in sys.modules "
        "if name.startswith('zeebe_connectors.connectors.')});"
        "registry = Registry.installed(later=True); before = loaded(); registry.outbound['graphql'];"
        "print(json.dumps([before, loaded(), len(registry.outbound), len(registry.inbound)]))"
    )
    assert _printed(code) == [[], ["graphql"], 12, 2]


def test_a_missing_library_shows_at_the_start() -> None:
    code = (
        "sys.modules.update(aiocoap=None, zeep=None, sqlalchemy=None, aioimaplib=None);"
        "registry = Registry.installed(later=True);"
        "print(json.dumps({name: one.reason for name, one in registry.unavailable.items()}))"
    )
    reasons = _printed(code)
    assert isinstance(reasons, dict)
    for name, library in {"coap": "aiocoap", "imap": "aioimaplib", "soap": "zeep", "sql": "sqlalchemy"}.items():
        assert f"the library {library} is not installed; add it with: pip install" in reasons.pop(name)
    assert not reasons


def test_outlines_are_those_of_the_connectors() -> None:
    """Else a runtime would fetch too few variables, or take jobs of another type."""
    eager, later = Registry.installed(), Registry.installed(later=True)
    assert eager.outlines == later.outlines
    assert eager.outlines["soap"].settings == ("ZEEBE_CONNECTORS_SOAP_COMPATIBILITY",)


def test_an_outline_that_is_out_of_date_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "outlines.json"
    file.write_text(outline.FILE.read_text().replace('"url",', ""))
    monkeypatch.setattr(outline, "FILE", file)
    outline._outlines.cache_clear()
    try:
        with pytest.raises(DefinitionError, match="outline of the connector rest is out of date: run `make generate`"):
            Registry.installed(later=True).outbound["rest"]
    finally:
        outline._outlines.cache_clear()


def test_settings_that_fill_inputs_are_checked_at_the_start(tmp_path: Path) -> None:
    """Not with the first job, which might come at night."""
    given = {"ZEEBE_CONNECTORS_SOAP_COMPATIBILITY": "official", "ZEEBE_CONNECTORS_DATA": str(tmp_path)}
    environment = Environment(("environment", given))
    with pytest.raises(SettingsError, match="SOAP_COMPATIBILITY: must be one of 'standard' or 'camunda'"):
        Runtime(Settings.read(environment), Registry.installed(later=True), FakeGateway(), environment=environment)


def test_an_outline_has_what_a_worker_asks_for() -> None:
    rest = Registry.installed(["rest"]).outbound["rest"]
    found = Outline.of(rest)
    assert (found.type, found.direction, list(found.variables)) == (rest.type, "outbound", rest.variables)
