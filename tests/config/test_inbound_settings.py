"""What the operator says about inbound elements."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.ledger import SqliteStore, factory, store_of
from zeebe_connectors.sdk.fields import Secret


def read(**values: str) -> Settings:
    return Settings.read(Environment(("test", values)))


def test_deployed_processes_are_looked_for_only_when_the_operator_says_so():
    assert read().polling is False
    address = {"CAMUNDA_CLIENT_REST_ADDRESS": "http://localhost:8080"}
    assert read(CAMUNDA_CONNECTOR_POLLING_ENABLED="true", **address).polling is True


def test_looking_without_an_address_is_reported_with_its_remedy():
    with pytest.raises(SettingsError, match="CAMUNDA_CLIENT_REST_ADDRESS"):
        read(CAMUNDA_CONNECTOR_POLLING_ENABLED="true")


def test_a_messages_time_to_live_has_the_official_default_and_name():
    assert read().message_ttl == 3600
    assert read(CAMUNDA_CONNECTOR_INBOUND_MESSAGE_TTL="PT5M").message_ttl == 300


@pytest.mark.parametrize(
    "url",
    ["s3cret", "mysql://u:s3cret@h/d", "postgresql://u:s3cret@h", "postgresql://u:s3cret@/d", "postgresql://u:s3cret@h:x/d",
     "postgresql://u:s3/cret@h/d"],
)  # fmt: skip
def test_a_ledger_that_is_no_database_is_reported_without_the_password(url):
    with pytest.raises(SettingsError, match=r"ZEEBE_CONNECTORS_LEDGER \(test\): must be like postgresql://") as error:
        read(ZEEBE_CONNECTORS_LEDGER=url)
    assert "s3" not in str(error.value)


def test_the_ledgers_password_is_not_printed_with_the_settings():
    assert "s3cret" not in repr(read(ZEEBE_CONNECTORS_LEDGER="postgresql://u:s3cret@h/d"))


def test_without_a_database_the_ledger_is_a_file():
    store = store_of(None, Path("data"))
    assert isinstance(store, SqliteStore)
    assert store.file == Path("data/ledger.sqlite")


def test_what_a_database_needs_beside_is_reported(monkeypatch):
    monkeypatch.setattr(factory, "find_spec", lambda name: None if name == "psycopg" else object())
    with pytest.raises(SettingsError, match=r"zeebe-connectors\[postgresql\]"):
        store_of(Secret("postgresql://u:p@h/d"), Path("data"))


def test_whoever_has_no_database_pays_nothing_for_it():
    """SQLAlchemy and psycopg cost half a second and 28 MiB: docs/adr/0008-exactly-once.md."""
    code = "import sys, zeebe_connectors.runtime.supervisor; print({'sqlalchemy', 'psycopg'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
