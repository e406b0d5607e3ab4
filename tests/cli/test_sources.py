"""An operator has a source written for a process that is deployed, and learns when its target is not."""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import tomllib

import pytest
from typer.testing import CliRunner

from zeebe_connectors.cli import ledger as ledger_command
from zeebe_connectors.cli.check import report
from zeebe_connectors.cli.sources import app
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.engine.local import LocalEngine
from zeebe_connectors.runtime.inbound.elements import read_sources
from zeebe_connectors.runtime.ledger import SqliteStore, StoredMemory, store_of

BPMN = """<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="t">
  <bpmn:message id="m" name="order-mail" />
  <bpmn:process id="plain" name="A plain one" isExecutable="true"><bpmn:startEvent id="s" /></bpmn:process>
  <bpmn:process id="order" name="Order" isExecutable="true">
    <bpmn:startEvent id="s2"><bpmn:messageEventDefinition id="e" messageRef="m" /></bpmn:startEvent>
  </bpmn:process>
</bpmn:definitions>"""


@pytest.fixture(scope="module")
def engine():
    """The addresses of a local engine with two processes; the commands run event loops of their own."""
    ready: queue.Queue[tuple[str, str]] = queue.Queue()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with LocalEngine() as local:
            local.engine.deploy([("two.bpmn", BPMN.encode())])
            ready.put((local.grpc_address, local.rest_address))
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    yield ready.get(timeout=20)
    loop.call_soon_threadsafe(stop.set)
    thread.join(20)
    loop.close()


@pytest.fixture
def here(tmp_path, monkeypatch, engine):
    """A directory to work in, and the settings of the engine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMUNDA_CLIENT_GRPC_ADDRESS", f"http://{engine[0]}")
    monkeypatch.setenv("CAMUNDA_CLIENT_REST_ADDRESS", engine[1])
    monkeypatch.setenv("ZEEBE_CONNECTORS_DATA", str(tmp_path / "var"))
    monkeypatch.delenv("ZEEBE_CONNECTORS_SOURCES", raising=False)
    return tmp_path


def new(*arguments, given="", code=0):
    result = CliRunner().invoke(app, ["new", *arguments], input=given)
    assert result.exit_code == code, result.output
    return result.output


def check(capsys, **settings):
    environment = Environment(("settings", {**os.environ, **settings}))
    code = asyncio.run(report(environment, Settings.read(environment), connect=True))
    return code, capsys.readouterr().out


def test_the_deployed_processes_are_listed_and_the_chosen_one_gets_the_source(here):
    every = ("--set", "data.pollingConfigDiscriminator=allPollingConfig")
    output = new("orders", *every, given="7\n1\norders@example.com\nimap.example.com\n")
    assert "1  order (Order), version 1, by the message order-mail" in output
    assert "2  plain (A plain one), version 1, by its plain start event" in output
    assert "Set the secret ORDERS_PASSWORD." in output
    assert "ZEEBE_CONNECTORS_SOURCES=sources.toml" in output
    (element,) = read_sources(here / "sources.toml")
    assert (element.message, element.process, element.type) == (
        "order-mail",
        "",
        "io.camunda:connector-email-inbound:1",
    )
    assert element.properties["authentication.password"] == "{{secrets.ORDERS_PASSWORD}}"
    assert element.properties["data.existingMails"] == "skip"
    assert element.properties["data.imapConfig.imapHost"] == "imap.example.com"


def test_a_second_source_joins_the_first_and_its_name_must_be_new(here, monkeypatch):
    (here / "mine.toml").write_text('# mine\n[first]\ntype = "x"\nprocess = "plain"\n')
    monkeypatch.setenv("ZEEBE_CONNECTORS_SOURCES", "mine.toml")
    pop3 = ("--connector", "pop3", "--set", "host=pop.example.com", "--set", "authentication.username=ann")
    output = new("second", "--process", "plain", *pop3, "--set", "port=1110")
    assert "ZEEBE_CONNECTORS_SOURCES" not in output
    text = (here / "mine.toml").read_text()
    assert text.startswith("# mine\n[first]")
    assert tomllib.loads(text)["second"]["port"] == "1110"
    assert [element.id for element in read_sources(here / "mine.toml")] == ["first", "second"]
    assert "already has a source [second]" in new("second", "--process", "plain", *pop3, code=2)
    assert (here / "mine.toml").read_text() == text
    assert [path.name for path in here.iterdir() if path.suffix == ".new"] == []


def test_an_input_is_named_by_its_last_part(here):
    new("mine", "--process", " plain ", "--set", "host=mail.example.com", "--set", "username=ann")
    (element,) = read_sources(here / "sources.toml")
    assert element.process == "plain"
    assert element.properties["data.imapConfig.imapHost"] == "mail.example.com"
    assert element.properties["authentication.username"] == "ann"


def test_a_link_stays_one_and_rights_stay_as_they_are(here):
    real = here / "real.toml"
    real.write_bytes(b'\xef\xbb\xbf[first]\ntype = "x"\nprocess = "plain"\n')
    real.chmod(0o600)
    (here / "sources.toml").symlink_to("real.toml")
    new("second", "--process", "plain", "--set", "host=h", "--set", "username=u")
    assert (here / "sources.toml").is_symlink()
    assert real.stat().st_mode & 0o777 == 0o600
    assert [element.id for element in read_sources(real)] == ["first", "second"]


@pytest.mark.parametrize(("data", "message"), [(b"[b\xf6]", "is not UTF-8"), (None, "cannot be read: Is a directory")])
def test_a_file_that_cannot_be_read_is_named(here, data, message):
    (here / "odd.toml").mkdir() if data is None else (here / "odd.toml").write_bytes(data)
    arguments = ("--process", "plain", "--set", "host=h", "--set", "username=u", "--file", "odd.toml")
    assert f"odd.toml {message}" in new("mine", *arguments, code=2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("two words", "--process", "plain"), "must be letters"),
        (("a", "--process", "plain", "--message", "m"), "either --process or --message"),
        (("a", "--process", "plain", "--connector", "fax"), "no inbound connector 'fax'; known are: imap"),
        (("a", "--process", "plain", "--set", "hots=x"), "--set hots: imap has no such input"),
        (("a", "--process", "plain", "--set", "host"), "write it as INPUT=VALUE"),
        (
            ("a", "--process", "plain", "--connector", "pop3", "--set", "host=h", "--set", "authentication.username=u",
             "--set", "port=many"),
            "port",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_a_source_is_refused_and_nothing_is_written(here, arguments, message):
    assert message in new(*arguments, code=2)
    assert not (here / "sources.toml").exists()


def test_without_the_clusters_rest_address_a_process_must_be_named(here, monkeypatch):
    monkeypatch.setenv("CAMUNDA_CLIENT_REST_ADDRESS", "")
    monkeypatch.delenv("CAMUNDA_CLIENT_REST_ADDRESS")
    assert "name one with --process or --message" in new("a", code=2)


def test_check_tells_of_targets_that_are_not_deployed(here, capsys):
    file = here / "sources.toml"
    file.write_text(
        '[one]\ntype = "io.camunda:connector-email-inbound:1"\nprocess = "plain"\n'
        '[two]\ntype = "io.camunda:connector-email-inbound:1"\nmessage = "order-mail"\n'
    )
    code, output = check(capsys, ZEEBE_CONNECTORS_SOURCES=str(file))
    assert "plain is deployed" in output
    assert "the message order-mail has a process that waits for it" in output
    assert "All is well" in output
    assert code == 0
    file.write_text(file.read_text().replace('"plain"', '"plan"').replace('"order-mail"', '"other-mail"'))
    _, output = check(capsys, ZEEBE_CONNECTORS_SOURCES=str(file))
    assert "plan is not deployed: deploy it, or correct its id" in output
    assert "no deployed process waits for the message other-mail" in output
    assert "All is well" not in output


def test_check_looks_up_the_diagrams_of_the_folder_too(here, capsys):
    folder = here / "diagrams"
    folder.mkdir()
    inbound = """<bpmn:extensionElements><zeebe:properties>
      <zeebe:property name="inbound.type" value="io.camunda:connector-email-inbound:1" />
    </zeebe:properties></bpmn:extensionElements>"""
    start = '<bpmn:startEvent id="s">'
    text = BPMN.replace('<bpmn:startEvent id="s" />', f"{start}{inbound}</bpmn:startEvent>")
    (folder / "mine.bpmn").write_text(text.replace('id="plain"', 'id="not-yet"'))
    _, output = check(capsys, ZEEBE_CONNECTORS_DIAGRAMS=str(folder))
    assert "not-yet is not deployed" in output
    assert "All is well" not in output


def test_check_tells_that_the_ledger_is_another_clusters_until_it_is_adopted(here, capsys):
    settings = Settings.read(Environment(("settings", os.environ)))
    store = store_of(settings.ledger, settings.data)
    assert isinstance(store, SqliteStore)
    here.joinpath("var").mkdir(exist_ok=True)

    async def fill() -> None:
        await StoredMemory(store).remember("cluster", "id", "another")
        await store.aclose()

    asyncio.run(fill())
    code, output = check(capsys)
    assert "belongs to the cluster another" in output
    assert "ledger adopt" in output
    assert code == 1
    result = CliRunner().invoke(ledger_command.app, ["adopt", "--yes"])
    assert result.exit_code == 0, result.output
    code, output = check(capsys)
    assert "belongs to the cluster" not in output
    assert code == 0
