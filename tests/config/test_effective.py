"""Which settings are in force, where each comes from, and no secret among them."""

from __future__ import annotations

import pytest

from zeebe_connectors.config.declared import SETTINGS
from zeebe_connectors.config.effective import Effective, effective_settings, is_secret, unknown_settings
from zeebe_connectors.config.environment import Environment

CANARY = "CANARY-5eCr3t"


def settings(**layers: dict[str, str]) -> Environment:
    return Environment(*((name.replace("_", "."), values) for name, values in layers.items()))


def by_name(environment: Environment) -> dict[str, Effective]:
    return {one.name: one for one in effective_settings(environment)}


def test_each_setting_has_its_value_and_its_place() -> None:
    environment = settings(
        environment={"CAMUNDA_CLIENT_GRPC_ADDRESS": "https://a:443", "connector.rest.type": "mine:1"},
        dotenv={"ZEEBE_CONNECTORS_PORT": "9"},
    )
    found = by_name(environment)
    assert (found["CAMUNDA_CLIENT_GRPC_ADDRESS"].value, found["CAMUNDA_CLIENT_GRPC_ADDRESS"].where) == (
        "https://a:443",
        "environment",
    )
    assert "ZEEBE_ADDRESS" not in found
    assert found["connector.rest.type"].value == "mine:1"
    assert (found["ZEEBE_CONNECTORS_PORT"].where, found["ZEEBE_CONNECTORS_PORT"].is_default) == ("dotenv", False)
    assert (found["ZEEBE_CONNECTORS_HOST"].default, found["ZEEBE_CONNECTORS_HOST"].is_default) == ("127.0.0.1", True)
    assert unknown_settings(environment) == []


def test_no_secret_is_shown_whatever_its_name() -> None:
    names = [name for item in SETTINGS for name in item.names if "<NAME>" not in name]
    names += ["CONNECTOR_HTTP_PROXY_PASSWORD", "ZEEBE_CLIENT_SECRET", "camunda.client.auth.client-secret"]
    secret = [name for name in names if is_secret(name)]
    assert {"ZEEBE_CONNECTORS_ADMIN_TOKEN", "ZEEBE_CONNECTORS_PROVIDERS_KEY", "CAMUNDA_CLIENT_AUTH_PASSWORD"} < set(
        secret
    )
    environment = settings(environment=dict.fromkeys(secret, CANARY))
    shown = effective_settings(environment)
    assert CANARY not in str(shown)
    assert {one.value for one in shown if not one.is_default} == {"set"}


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("ZEEBE_CONNECTORS_LEDGER", f"postgresql://u:{CANARY}@db/x?password={CANARY}", "postgresql://•••@db/x"),
        ("ZEEBE_CONNECTORS_OPERATE_URL", f"https://u:{CANARY}@operate.example.com", "https://•••@operate.example.com"),
    ],
)
def test_logins_in_addresses_are_left_out(name: str, value: str, shown: str) -> None:
    assert by_name(settings(environment={name: value}))[name].value == shown


def test_names_that_nobody_reads_are_listed_without_their_values() -> None:
    environment = settings(
        environment={
            "ZEEBE_CONECTORS_DATA": CANARY,
            "CAMUNDA_OPTIMIZE_X": CANARY,
            "PATH": "/bin",
            "SECRET_X": CANARY,
            "SERVER_PORT": "1",
            "CONNECTOR_REST_TIMEOUT": "1000",
            "CONNECTOR_HTTPS_PROXY_PORT": "1",
        }
    )
    assert unknown_settings(environment) == [
        ("CAMUNDA_OPTIMIZE_X", ""),
        ("ZEEBE_CONECTORS_DATA", "ZEEBE_CONNECTORS_DATA"),
    ]


def test_all_names_of_the_settings_file_must_be_known() -> None:
    values = {"zeebe-connectors.dta": "x", "secret-policy.DB.hosts": "db", "zeebe-connectors.data": "y"}
    environment = Environment(("/etc/zeebe-connectors.toml", values))
    assert unknown_settings(environment) == [("zeebe-connectors.dta", "ZEEBE_CONNECTORS_DATA")]
