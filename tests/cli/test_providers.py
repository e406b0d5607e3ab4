"""`zeebe-connectors providers`, from the schema to a rotated key; no secured value is ever printed."""

import base64
import json
import os
import re

import pytest
import yaml
from typer.testing import CliRunner

from zeebe_connectors.cli.commands import add_parts, app
from zeebe_connectors.config.providers.file import read_text
from zeebe_connectors.runtime.providers import Entry, ProviderStore

CANARY = "canary-4711"
FILE = """\
providers:
  fixed:
    protocol: https
    tags: [orders]
    environments:
      test: {url: "https://fixed.example.com/", authentication: {type: bearer, token: canary-4711-file}}
"""


@pytest.fixture
def command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "providers.yaml").write_text(FILE)
    monkeypatch.setenv("ZEEBE_CONNECTORS_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("ZEEBE_CONNECTORS_PROVIDERS_KEY", base64.b64encode(os.urandom(32)).decode())
    monkeypatch.setenv("ZEEBE_CONNECTORS_ENVIRONMENT", "test")
    add_parts(["providers", "template"])

    def run(*words, code=0, given=None):
        result = CliRunner().invoke(app, ["providers", *words], input=given)
        assert result.exit_code == code, result.output
        assert CANARY not in result.output
        return result.output

    return run


def test_from_adding_to_removing(command, tmp_path, monkeypatch):
    document = {"protocol": "http", "environments": {"test": {"url": "http://127.0.0.1:9/", "authentication": {
        "type": "basic", "username": "u"}}}}  # fmt: skip
    (tmp_path / "erp.json").write_text(json.dumps(document))
    secret = "environments.test.authentication.password"
    command("add", "erp", "--file", "erp.json", "--secret", secret, given=f"{CANARY}\n")
    listed = command("list")
    assert "erp " in listed
    assert "line 2" in listed
    shown = json.loads(command("show", "erp"))
    assert shown["environments"]["test"]["authentication"]["password"]["set"] is True
    command("copy", "erp", "--from", "test", "--to", "live", "--secured")
    changed = command("edit", "erp", "--set", "environments.live.url=http://other.example.com/", "--set", 'tags=["a"]')
    assert "live.authentication.password was dropped" in changed
    assert "created" in command("show", "erp", "--history")
    exported = read_text(command("export"))
    assert exported.providers["erp"].environments["test"].authentication["password"] == "{{secrets.ERP_TEST_PASSWORD}}"
    assert "failed   connection" in command("check", "erp", code=1)  # nothing listens on port 9
    assert "is described well" in command("check", "erp", "--offline")  # on loopback nobody listens
    command("edit", "erp", "--set", "environments.live.authentication.username=u")
    assert "unencrypted" in command("check", "erp", "--environment", "live", "--offline")
    new = base64.b64encode(os.urandom(32)).decode()
    monkeypatch.setenv("ZEEBE_CONNECTORS_PROVIDERS_KEY", f"{new},{os.environ['ZEEBE_CONNECTORS_PROVIDERS_KEY']}")
    assert "1 value is sealed again" in command("rotate")
    command("remove", "erp", "--yes")
    assert "erp" not in command("list")


def test_what_the_file_holds_is_changed_there(command):
    assert "line 2" in command("edit", "fixed", "--set", "description=x", code=1)
    assert "line 2" in command("remove", "fixed", "--yes", code=1)
    assert "did you mean fixed?" in command("check", "fixd", code=1)


def test_the_schema_is_the_readers(command):
    assert json.loads(command("schema"))["$defs"]["Rules"]["properties"]["minDelayMs"]["maximum"] == 5000
    assert yaml.safe_load(command("export"))["providers"]["fixed"]["protocol"] == "https"


def test_the_check_of_everything_counts_them_and_tells_a_wrong_line(command, tmp_path):
    result = CliRunner().invoke(app, ["check"])
    assert "Providers    1 in" in result.output
    assert "environment: test" in result.output
    (tmp_path / "providers.yaml").write_text(FILE.replace("protocol", "protokol"))
    result = CliRunner().invoke(app, ["check"])
    assert "providers.yaml:3: fixed.protokol: is unknown; did you mean protocol?" in str(result.exception)


def test_what_cannot_be_opened_is_named_and_exported_all_the_same(command, monkeypatch):
    """Its values are lost without their key, not its description."""
    for name in ("crm.x", "crm-x"):
        command("add", name, "--set", "protocol=http", "--set", "environments.test.url=http://crm.example.com/",
                "--set", "environments.test.authentication.type=bearer",
                "--secret", "environments.test.authentication.token", given=f"{CANARY}\n")  # fmt: skip
    monkeypatch.delenv("ZEEBE_CONNECTORS_PROVIDERS_KEY")
    listed = command("list")
    assert "crm.x cannot be used: a secured value cannot be opened" in listed
    assert "ZEEBE_CONNECTORS_PROVIDERS_KEY" in json.loads(command("show", "crm.x"))["problem"]
    exported = read_text(command("export")).providers
    names = [exported[name].environments["test"].authentication["token"] for name in ("crm.x", "crm-x")]
    assert sorted(names) == ["{{secrets.CRM_X_TEST_TOKEN_2}}", "{{secrets.CRM_X_TEST_TOKEN}}"], (
        "each a secret of its own"
    )
    assert "sealed with is not among those" in command("rotate", code=1)
    monkeypatch.setenv("ZEEBE_CONNECTORS_PROVIDERS_KEY", base64.b64encode(os.urandom(32)).decode())
    assert "sealed with is not among those" in command("rotate", code=1)
    assert "cannot be used" in command("list")


def test_an_environment_that_a_provider_lacks_is_reported(command, monkeypatch):
    """A check that found nothing would look like one that found nothing wrong."""
    assert "fixed has no environment prod; it has test" in command("check", "fixed", "--environment", "prod", code=1)
    monkeypatch.setenv("ZEEBE_CONNECTORS_ENVIRONMENT", "live")
    found = command("check", "fixed", "--offline")
    assert "warning  environment: has no environment live, only test" in found
    command("add", "two", "--set", "protocol=http", "--set", "environments.a.url=http://a.example.com/",
            "--set", "environments.b.url=http://b.example.com/")  # fmt: skip
    monkeypatch.delenv("ZEEBE_CONNECTORS_ENVIRONMENT")
    assert "has a, b, and none is in force" in command("check", "two", "--offline")
    assert "fixed/test" in command("check", "fixed", "--offline")


def test_the_history_says_when(command):
    command("add", "two", "--set", "protocol=http", "--set", "environments.a.url=http://a.example.com/")
    assert re.match(
        r"1  20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ  \S+ \(command\)  created", command("show", "two", "--history")
    )


def test_what_makes_no_template_is_said(command, tmp_path):
    (tmp_path / "providers.yaml").write_text(FILE + "    operations: {send: {connector: resst}}\n")
    result = CliRunner().invoke(app, ["template", "write", "templates", "--providers"])
    assert result.exit_code == 0, result.output
    assert "fixed: operations.send.connector: 'resst' takes no providers of https" in result.output
    assert (tmp_path / "templates" / "imap-start.json").is_file()


@pytest.mark.parametrize("written", ["0123", "12:30:45", "2026-99-99", "2026-01-02", "yes", "0x_"])
def test_a_password_in_a_document_is_what_is_written(command, tmp_path, monkeypatch, written):
    """As in providers.yaml; YAML 1.1 makes other values of these, or fails."""
    document = f"""protocol: http
environments:
  test: {{url: "http://127.0.0.1:9/", authentication: {{type: basic, username: {written}, password: {written}}}}}
"""
    (tmp_path / "erp.yaml").write_text(document)
    command("add", "erp", "--file", "erp.yaml")
    assert json.loads(command("show", "erp"))["environments"]["test"]["authentication"]["username"] == written
    kept = []
    monkeypatch.setattr(ProviderStore, "change", lambda *given, **_: kept.append(given[2]) or _unchanged())
    command("edit", "erp", "--file", "-", given=document)
    assert kept[0]["environments"]["test"]["authentication"]["password"] == written


async def _unchanged():
    return Entry("erp", {}, 2, 0.0, "me")


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"protocol: \xff", "is not text in UTF-8"),
        (b"a: [", "erp.yaml:1: is not YAML"),
        (b"a: !python/name:x.y z", "is not YAML: could not determine"),
        (b"- a", "must hold one provider's document"),
        (None, "erp.yaml: cannot be read: No such file or directory"),
    ],
)
def test_a_document_that_cannot_be_read(command, tmp_path, data, says):
    if data is not None:
        (tmp_path / "erp.yaml").write_bytes(data)
    assert says in command("add", "erp", "--file", "erp.yaml", code=1)
