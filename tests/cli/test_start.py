"""What a start imports: libraries wait for the first use of their protocol, and what cannot run is not imported."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from zeebe_connectors.cli.run import needed
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.sdk.registry import Registry

LATER = frozenset(
    {"aiocoap", "aiohttp", "asyncssh", "click", "cryptography", "idna", "jwt", "oauthlib", "prometheus_client"}
    | {"psycopg", "requests", "spnego", "sqlalchemy", "typer", "xmlsec", "yaml", "zeep"}
)
"""Libraries that a runtime without a job, and without the operator's port, has no use for yet."""

BUDGET = 557 if sys.version_info < (3, 12) else 560
"""Modules at the start; from Python 3.12 on its own library imports three more."""


def _imported(only: list[str] | None) -> list[str]:
    return _printed(
        "import json, sys; import zeebe_connectors.cli.main, zeebe_connectors.cli.run;"
        f"from zeebe_connectors.sdk.registry import Registry; Registry.installed({only!r}, later=True);"
        "print(json.dumps(sorted(sys.modules)))"
    )


def _printed(code: str) -> list[str]:
    """The list that a process of its own prints as JSON."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return list(json.loads(done.stdout))


@pytest.mark.parametrize(("only", "modules"), [(["rest"], BUDGET), (None, BUDGET)])
def test_a_start_keeps_to_its_budget_of_modules(only: list[str] | None, modules: int) -> None:
    """Modules are counted, not seconds: each takes about a millisecond, on any machine."""
    found = set(_imported(only)) - {"_distutils_hack"}  # which an environment with setuptools adds to every start
    assert not LATER & {name.partition(".")[0] for name in found}
    assert len(found) <= modules, f"{len(found)} modules; import what only some tasks need where they need it"


def test_the_operators_port_imports_what_somebody_asks_for() -> None:
    """Probes are answered without the calls and pages, which need a token, and without Prometheus' library."""
    code = "import json, sys; import zeebe_connectors.cli.run; from zeebe_connectors.admin import server, metrics;"
    found = _printed(f"{code} print(json.dumps(sorted(sys.modules)))")
    later = ("zeebe_connectors.admin.api", "zeebe_connectors.admin.page", "zeebe_connectors.runtime.inbound.sources")
    assert [name for name in found if name.startswith((*later, "prometheus_client"))] == []
    code = "import json, sys; import zeebe_connectors.cli.run, zeebe_connectors.admin.deferred_server;"
    assert "aiohttp" not in _printed(f"{code} print(json.dumps(sorted(sys.modules)))")  # until somebody connects


def test_a_start_compiles_no_validators() -> None:
    """They take a third of a second together, and memory; each is compiled with the first job that needs it."""
    found = _printed(
        "import json; from zeebe_connectors.sdk.fields import Model;"
        "from zeebe_connectors.sdk.registry import Registry; Registry.installed();"
        "below = lambda kind: [found for one in kind.__subclasses__() for found in (one, *below(one))];"
        "print(json.dumps([one.__name__ for one in below(Model) if one.__pydantic_complete__ and one.model_fields]))"
    )
    small = {"ClientTls", "ListImap", "ListPop3", "NoAuth", "NoHeader", "NoLogin", "NoSecurity"}  # stand as defaults
    assert set(found) <= {*small, "Publish", "ReturnFormat", "SoapVersion"}


WATCHING = {"CAMUNDA_CONNECTOR_POLLING_ENABLED": "true", "CAMUNDA_CLIENT_REST_ADDRESS": "http://localhost:8080"}
ALL = ["imap", "rest", "smtp"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, ALL),
        ({"CONNECTOR_OUTBOUND_ENABLED": "REST"}, ["rest"]),  # nothing is watched
        ({"CONNECTOR_OUTBOUND_ENABLED": "rest", **WATCHING}, ALL),  # its name does not say what a connector watches
        ({"CONNECTOR_OUTBOUND_ENABLED": "rest", "CONNECTOR_INBOUND_ENABLED": "imap", **WATCHING}, ["imap", "rest"]),
        ({"CONNECTOR_OUTBOUND_ENABLED": "io.camunda:http-json:1"}, ALL),  # nor what its type is
        ({"CONNECTOR_OUTBOUND_DISABLED": "smtp", "CONNECTOR_INBOUND_DISABLED": "smtp", **WATCHING}, ["imap", "rest"]),
        ({"CONNECTOR_OUTBOUND_DISABLED": "smtp", **WATCHING}, ALL),
    ],
)
def test_what_cannot_run_by_its_name_is_not_imported(settings: dict[str, str], expected: list[str]) -> None:
    assert needed(ALL, Settings.read(Environment(("test", settings)))) == expected


def test_all_that_runs_without_settings_is_loaded() -> None:
    assert set(needed(Registry.names(), Settings.read(Environment()))) == set(Registry.names())
