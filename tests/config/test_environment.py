"""Settings are found under every spelling that Camunda's users know, and a wrong one is told with its place."""

from __future__ import annotations

import pytest

from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.settings import Settings, normalized
from zeebe_connectors.sdk.durations import parse_duration


@pytest.mark.parametrize(
    "name", ["CAMUNDA_CLIENT_GRPC_ADDRESS", "CAMUNDA_CLIENT_GRPCADDRESS", "camunda.client.grpc-address"]
)
def test_spellings_of_a_name_are_one_setting(name: str) -> None:
    """Underscores, dots, dashes and case make no difference."""
    assert Environment(("environment", {name: "x"}))["camunda.client.grpc-address"] == "x"


def test_the_environment_is_stronger_than_dotenv_and_dotenv_than_the_file(tmp_path) -> None:
    """And each value's origin is known, so that the effective cluster can be printed."""
    (tmp_path / ".env").write_text("B=dotenv\nA=dotenv\n")
    (tmp_path / "zeebe-connectors.toml").write_text(
        'a = "file"\nb = "file"\n[c]\nd-e = 5\nflag = true\nlist = [1, 2]\n'
    )
    found = Environment.load({"A": "environment"}, directory=tmp_path)
    assert (found["A"], found.origin("A")) == ("environment", "environment")
    assert (found["B"], found.origin("B")) == ("dotenv", ".env")
    assert (found["C_D_E"], found.origin("C_D_E")) == ("5", str(tmp_path / "zeebe-connectors.toml"))
    assert (found["c.flag"], found["c.list"]) == ("true", "1,2")


def test_a_dotenv_value_is_taken_as_it_stands(tmp_path) -> None:
    """A secret may hold what elsewhere names a variable."""
    (tmp_path / ".env").write_text("SECRET_X=a${HOME}b\n")
    assert Environment.load({"HOME": "x"}, directory=tmp_path)["SECRET_X"] == "a${HOME}b"


def test_a_named_file_must_exist_and_be_toml(tmp_path) -> None:
    """A typing error in a path must not mean default settings."""
    with pytest.raises(SettingsError, match="does not exist"):
        Environment.load({"ZEEBE_CONNECTORS_CONFIG": str(tmp_path / "none.toml")}, directory=tmp_path)
    broken = tmp_path / "broken.toml"
    for text in (b"a = \n", b'a = "\xf6"\n'):
        broken.write_bytes(text)
        with pytest.raises(SettingsError, match="cannot be read as TOML"):
            Environment.load({}, directory=tmp_path, file=broken)


def test_files_may_begin_with_a_byte_order_mark_and_are_utf_8(tmp_path) -> None:
    """Editors on Windows write one; it used to become part of the first name."""
    (tmp_path / ".env").write_bytes(b"\xef\xbb\xbfSECRET_X=a\n")
    (tmp_path / "zeebe-connectors.toml").write_bytes(b"\xef\xbb\xbfSECRET_Y = 'b'\n")
    found = Environment.load({}, directory=tmp_path)
    assert (found["SECRET_X"], found["SECRET_Y"]) == ("a", "b")
    (tmp_path / ".env").write_bytes(b"SECRET_X=\xf6\n")
    with pytest.raises(SettingsError, match=r"\.env: cannot be read as UTF-8"):
        Environment.load({}, directory=tmp_path)


def test_a_folder_is_no_file_and_a_file_no_folder(tmp_path) -> None:
    (tmp_path / "file").touch()
    for name, place, what in (("DIAGRAMS", tmp_path / "file", "is a file"), ("SOURCES", tmp_path, "is a folder")):
        with pytest.raises(SettingsError, match=what):
            Settings.read(Environment(("environment", {f"ZEEBE_CONNECTORS_{name}": str(place)})))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("CAMUNDA_CLIENT_WORKER_DEFAULTS_MAX_JOBS_ACTIVE", "many", "must be a number"),
        ("CAMUNDA_CLIENT_WORKER_DEFAULTS_MAX_JOBS_ACTIVE", "0", "at least 1"),
        ("CAMUNDA_CLIENT_WORKER_DEFAULTS_TIMEOUT", "soon", "ISO 8601"),
        ("CAMUNDA_CLIENT_WORKER_DEFAULTS_STREAM_ENABLED", "perhaps", "true or false"),
        ("CAMUNDA_CLIENT_WORKER_DEFAULTS_TIMEOUT", "0", "at least 1 s"),
        ("CAMUNDA_CLIENT_WORKER_DEFAULTS_TIMEOUT", "P999D", "at most a year"),
        ("CONNECTOR_REST_TIMEOUT", "1s", "milliseconds"),
        ("CONNECTOR_REST_TIMEOUT", "-5", "above zero"),
        ("ZEEBE_CONNECTORS_PORT", "65536", "at most 65535"),
        ("ZEEBE_CONNECTORS_PORT", "-2", "at least -1"),
        ("ZEEBE_CONNECTORS_DIAGRAMS", "/nowhere/at/all", "does not exist"),
        ("ZEEBE_CONNECTORS_SOURCES", "/nowhere/at/all", "does not exist"),
        ("ZEEBE_CONNECTORS_SECRETS_SCOPE", "nowhere", "one of diagram, fields, secrets-only, everywhere"),
        ("ZEEBE_CONNECTORS_LOG_FORMAT", "xml", "'text' or 'json'"),
    ],
)
def test_a_wrong_setting_is_named(name: str, value: str, message: str) -> None:
    """With the reason and what it may be."""
    with pytest.raises(SettingsError, match=message) as raised:
        Settings.read(Environment(("environment", {name: value})))
    assert name in str(raised.value)


def test_enabled_and_disabled_exclude_each_other() -> None:
    """As in the official runtime."""
    both = {"CONNECTOR_OUTBOUND_ENABLED": "rest", "CONNECTOR_OUTBOUND_DISABLED": "smtp"}
    with pytest.raises(SettingsError, match="exclude each other"):
        Settings.read(Environment(("environment", both)))


def test_connectors_are_chosen_by_name_or_job_type() -> None:
    """An allow-list or a deny-list."""
    only = Settings.read(Environment(("environment", {"CONNECTOR_OUTBOUND_ENABLED": "io.camunda:HTTP-json:1"})))
    assert only.outbound.runs("rest", "io.camunda:http-json:1")
    assert not only.outbound.runs("smtp", "x")
    assert only.inbound.runs("imap", "y")
    without = Settings.read(Environment(("environment", {"CONNECTOR_OUTBOUND_DISABLED": "smtp"})))
    assert without.outbound.runs("rest", "io.camunda:http-json:1")
    assert not without.outbound.runs("smtp", "x")
    watching = Settings.read(Environment(("environment", {"CONNECTOR_INBOUND_ENABLED": "imap"})))
    assert watching.outbound.runs("rest", "x")
    assert not watching.inbound.runs("webhook", "y")


def test_a_connectors_own_settings_may_stand_in_the_file(tmp_path) -> None:
    """With dots and dashes, as TOML writes them."""
    (tmp_path / "zeebe-connectors.toml").write_text('[connector.smtp-infosys]\ntype = "mail:2"\ntimeout = 1500\n')
    settings = Settings.read(Environment.load({}, directory=tmp_path))
    assert settings.types == {"SMTP_INFOSYS": "mail:2"}
    assert settings.timeouts == {"SMTP_INFOSYS": 1.5}


def test_variables_that_are_no_settings_keep_their_names() -> None:
    """Two secrets may differ by an underscore only."""
    found = Environment(("environment", {"SECRET_AB": "1"}), (".env", {"SECRET_A_B": "2", "SECRET_AB": "3"}))
    assert found.exact("environment", ".env") == {"SECRET_AB": "1", "SECRET_A_B": "2"}
    assert found.exact(".env") == {"SECRET_A_B": "2", "SECRET_AB": "3"}


def test_worker_settings_have_camundas_names() -> None:
    """Durations as ISO 8601, with a unit, or in milliseconds."""
    given = {
        "CAMUNDA_CLIENT_WORKER_DEFAULTS_MAX_JOBS_ACTIVE": "32",
        "camunda.client.worker.defaults.timeout": "PT10M",
        "CAMUNDA_CLIENT_WORKER_DEFAULTS_STREAM_ENABLED": "false",
        "CONNECTOR_HTTP_JSON_TYPE": "other:1",
        "CONNECTOR_REST_TIMEOUT": "1500",
    }
    settings = Settings.read(Environment(("environment", given)))
    assert (settings.worker.slots, settings.worker.timeout, settings.worker.stream) == (32, 600.0, False)
    assert settings.types == {"HTTP_JSON": "other:1"}
    assert settings.timeouts == {"REST": 1.5}
    assert normalized("http-json") == "HTTP_JSON"
    for text, seconds in (("1500", 1.5), ("30s", 30.0), ("2m", 120.0), ("PT1.5S", 1.5)):
        environment = Environment(("environment", {"CAMUNDA_CLIENT_WORKER_DEFAULTS_TIMEOUT": text}))
        assert Settings.read(environment).worker.timeout == seconds


@pytest.mark.parametrize(
    ("text", "seconds"), [("PT30S", 30), ("PT5M", 300), ("P1D", 86400), ("P1DT2H", 93600), ("PT0S", 0)]
)
def test_durations_are_those_of_java(text: str, seconds: float) -> None:
    """Days and time; no months or years."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "P1D1S", "P1DT", "30", "P1M", "P1Y", "soon"])
def test_what_java_refuses_is_refused(text: str) -> None:
    """`P1D1S` among them."""
    with pytest.raises(ValueError, match="ISO 8601"):
        parse_duration(text)
