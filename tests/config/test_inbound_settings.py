"""What the operator says about inbound elements."""

from __future__ import annotations

import pytest

from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.settings import Settings


def read(**values: str) -> Settings:
    return Settings.read(Environment(("test", values)))


def test_deployed_processes_are_looked_for_only_when_the_operator_says_so():
    assert read().polling is False
    address = {"CAMUNDA_CLIENT_REST_ADDRESS": "http://localhost:8080"}
    assert read(CAMUNDA_CONNECTOR_POLLING_ENABLED="true", **address).polling is True


def test_looking_without_an_address_is_told_with_its_remedy():
    with pytest.raises(SettingsError, match="CAMUNDA_CLIENT_REST_ADDRESS"):
        read(CAMUNDA_CONNECTOR_POLLING_ENABLED="true")


def test_a_messages_time_to_live_has_the_official_default_and_name():
    assert read().message_ttl == 3600
    assert read(CAMUNDA_CONNECTOR_INBOUND_MESSAGE_TTL="PT5M").message_ttl == 300
