"""The commands answer in words and exit codes, and never with a traceback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import aiocoap
import pytest
from aiohttp import web
from tests.cli.forked import Commands
from tests.servers.coapd import CoapServer
from tests.waiting import until_printed

from zeebe_connectors import __version__
from zeebe_connectors.runtime.documents import LocalDocuments
from zeebe_connectors.testing.servers import HttpServer, Reply, in_thread

COMMAND = str(Path(sys.executable).parent / "zeebe-connectors")


def clean(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    ours = ("ZEEBE", "CAMUNDA", "CONNECTOR", "SECRET_")
    return {name: text for name, text in os.environ.items() if not name.startswith(ours)} | dict(extra or {})


@pytest.fixture(scope="module", autouse=True)
def commands() -> Iterator[None]:
    yield
    FORKED.close()


FORKED = Commands()


def run_command(
    *arguments: str, folder: Path, given: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    done = FORKED.run(*arguments, folder=folder, environment=clean(environment), given=given)
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_version_and_help(tmp_path: Path) -> None:
    """The first things that one types."""
    version, shown = (
        subprocess.check_output([COMMAND, each], text=True, timeout=60) for each in ("--version", "--help")
    )
    assert version.strip() == __version__
    assert run_command("--version", folder=tmp_path).stdout == version
    for word in ("run", "dev", "demo", "list", "check", "try", "deploy", "engine", "template", "feel"):
        assert word in shown


def test_the_list_names_every_connector(tmp_path: Path) -> None:
    """For people and for programs."""
    rows = json.loads(run_command("list", "--json", folder=tmp_path).stdout)
    known = {row["name"]: row for row in rows}
    assert known["rest"]["type"] == "io.camunda:http-json:1"
    assert known["smtp"]["available"]
    assert "io.camunda:http-json:1" in run_command("list", folder=tmp_path).stdout


def test_a_connector_is_tried_without_an_engine(tmp_path: Path) -> None:
    """A refused connection is an outcome like any other, with exit code 1."""
    job = {"variables": {"url": "http://127.0.0.1:1/", "method": "GET"}, "headers": {"resultVariable": "r"}}
    done = run_command("try", "rest", "-", folder=tmp_path, given=json.dumps(job))
    outcome = json.loads(done.stdout)
    assert (done.returncode, outcome["outcome"], outcome["code"]) == (1, "fail", "408")


def test_a_connector_tests_address_and_login(tmp_path: Path) -> None:
    """Without doing what the job would do; a connector that has no test says so."""
    job = {"database": "sqlite", "name": str(tmp_path / "orders.sqlite"), "statement": "CREATE TABLE t (id INT)"}
    given = json.dumps({**job, "operation": "execute"})
    done = run_command("try", "sql", "-", "--test", folder=tmp_path, given=given, ZEEBE_CONNECTORS_FILES=str(tmp_path))
    assert (done.returncode, json.loads(done.stdout)["code"]) == (1, "SQL_UNKNOWN_OBJECT")
    assert not (tmp_path / "orders.sqlite").exists()  # a test makes no database
    (tmp_path / "orders.sqlite").touch()
    done = run_command("try", "sql", "-", "--test", folder=tmp_path, given=given, ZEEBE_CONNECTORS_FILES=str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)["variables"]["result"].startswith("sqlite 3")
    with contextlib.closing(sqlite3.connect(tmp_path / "orders.sqlite")) as database:
        assert database.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        given = json.dumps({"protocol": "ftp", "host": "127.0.0.1", "port": unused.getsockname()[1]})
        done = run_command("try", "files", "-", "--test", folder=tmp_path, given=given)
    assert (done.returncode, json.loads(done.stdout)["code"]) == (1, "FILES_UNREACHABLE")
    assert "has no test" in run_command("try", "rest", "-", "--test", folder=tmp_path, given="{}").stderr


async def test_a_device_is_tested_by_command(tmp_path: Path) -> None:
    """A GET of what it offers: nothing is posted, and a device that is silent is a failure with its code."""
    async with CoapServer() as server:
        inputs = {"host": "127.0.0.1", "port": server.port, "path": "thing", "content": "1", "contentFormat": "text"}
        given = json.dumps({**inputs, "operation": "post"})
        done = await asyncio.to_thread(run_command, "try", "coap", "-", "--test", folder=tmp_path, given=given)
        assert done.returncode == 0, done.stdout
        assert "answers" in json.loads(done.stdout)["variables"]["result"]
        assert server.thing.payload == b"20.5"
        assert not [request for request in server.thing.requests if request.code != aiocoap.GET]
    given = json.dumps({**inputs, "operation": "get", "timeout": 1})
    done = await asyncio.to_thread(run_command, "try", "coap", "-", "--test", folder=tmp_path, given=given)
    assert (done.returncode, json.loads(done.stdout)["code"]) == (1, "COAP_UNREACHABLE")


def test_wrong_use_is_reported_in_one_line(tmp_path: Path) -> None:
    """What is wrong and what there is instead."""
    unknown = run_command("try", "nosuch", "-", folder=tmp_path, given="{}")
    assert unknown.returncode == 2
    assert "known are: coap, email, files, graphql" in unknown.stderr
    assert "imap" not in unknown.stderr, "it watches, and carries out no job"
    assert "cannot be read" in run_command("try", "rest", "nosuch.json", folder=tmp_path).stderr
    assert "JSON object" in run_command("try", "rest", "-", folder=tmp_path, given="[1]").stderr
    marked = run_command("try", "rest", "-", folder=tmp_path, given="\ufeff[1]")
    assert "JSON object" in marked.stderr, "a byte order mark is no mistake, in a pipe either"
    assert "does not exist" in run_command("dev", "nosuch", folder=tmp_path).stderr
    assert "is not JSON" in run_command("try", "rest", "-", folder=tmp_path, given="{").stderr
    wrong = run_command("check", folder=tmp_path, ZEEBE_CONNECTORS_LOG_FORMAT="xml")
    assert wrong.returncode == 2
    assert "ZEEBE_CONNECTORS_LOG_FORMAT" in wrong.stderr
    assert "does not exist" in run_command("check", "-c", "none.toml", folder=tmp_path).stderr


def test_check_says_what_would_run(tmp_path: Path) -> None:
    """And fails when nothing would, or the cluster does not answer."""
    (mounted := tmp_path / "mounted").mkdir()
    secrets = {"ZEEBE_CONNECTORS_SECRETS_DIRECTORY": str(mounted)}
    fine = run_command("check", folder=tmp_path, CONNECTOR_OUTBOUND_ENABLED="rest", **secrets)
    assert fine.returncode == 0, fine.stdout
    assert "Connectors   rest\n" in fine.stdout
    assert f"Secrets      environment and .env, SECRET_*; files in {mounted}\n" in fine.stdout
    assert run_command("check", folder=tmp_path, CONNECTOR_OUTBOUND_ENABLED="nosuch").returncode == 1
    odd = run_command("check", folder=tmp_path, ZEEBE_CONNECTORS_SOAP_COMPATIBILITY="official")
    assert odd.returncode == 2
    assert "ZEEBE_CONNECTORS_SOAP_COMPATIBILITY: must be one of 'standard' or 'camunda'" in odd.stderr
    away = run_command(
        "check", "--connect", folder=tmp_path, ZEEBE_ADDRESS="127.0.0.1:1", ZEEBE_INSECURE_CONNECTION="true"
    )
    assert away.returncode == 1
    assert "Connection   failed" in away.stdout


def test_check_says_what_would_be_watched(tmp_path: Path) -> None:
    """Sources are work too: a runtime that only watches is well."""
    (tmp_path / "sources.toml").write_text(
        '[orders]\ntype = "io.camunda:connector-email-inbound:1"\nprocess = "order"\n'
        '[far]\ntype = "com.example:far:1"\nprocess = "order"\n'
    )
    watching = {"ZEEBE_CONNECTORS_SOURCES": "sources.toml", "CONNECTOR_OUTBOUND_ENABLED": "nosuch"}
    fine = run_command("check", folder=tmp_path, **watching)
    assert fine.returncode == 0, fine.stdout
    assert "Sources      order#orders\n" in fine.stdout
    assert "order#far: no connector for com.example:far:1 runs here" in fine.stdout
    assert "All is well" not in fine.stdout
    off = run_command("check", folder=tmp_path, CONNECTOR_INBOUND_DISABLED="imap", **watching)
    assert off.returncode == 1
    assert "nothing would run" in off.stdout


def test_check_says_whether_the_processes_that_sources_start_are_deployed(tmp_path: Path) -> None:
    (tmp_path / "sources.toml").write_text(
        '[orders]\ntype = "io.camunda:connector-email-inbound:1"\nprocess = "order"\nhost = "a"\n'
        '[bills]\ntype = "io.camunda:connector-email-inbound:1"\nprocess = "bill"\nhost = "b"\n'
        '[news]\ntype = "io.camunda:connector-email-inbound:1"\nmessage = "m"\nhost = "c"\n'
    )
    with in_thread(HttpServer()) as cluster:
        deployed = [{"processDefinitionId": "order", "processDefinitionKey": "1", "version": 1, "state": "ACTIVE"}]
        cluster.answer("/v2/process-definitions/search", Reply.json({"items": deployed, "page": {}}))
        settings = {
            "ZEEBE_CONNECTORS_SOURCES": "sources.toml",
            "ZEEBE_ADDRESS": "127.0.0.1:1",
            "ZEEBE_INSECURE_CONNECTION": "true",
        }
        found = run_command(
            "check", "--connect", folder=tmp_path, CAMUNDA_CLIENT_REST_ADDRESS=cluster.url(""), **settings
        )
    assert "Targets      bill is not deployed" in found.stdout
    assert "             order is deployed" in found.stdout
    assert "All is well" not in found.stdout
    unknown = run_command("check", "--connect", folder=tmp_path, **settings)
    assert "Targets      not looked up: set CAMUNDA_CLIENT_REST_ADDRESS" in unknown.stdout


def test_check_says_whether_the_cluster_lets_it_read_diagrams(tmp_path: Path) -> None:
    """Without that right each job that uses a secret would be handed back."""
    with in_thread(HttpServer()) as cluster:
        deployed = [{"processDefinitionId": "order", "processDefinitionKey": "17", "version": 1, "state": "ACTIVE"}]
        cluster.answer("/v2/process-definitions/search", Reply.json({"items": deployed, "page": {}}))
        settings = {
            "ZEEBE_ADDRESS": "127.0.0.1:1",
            "ZEEBE_INSECURE_CONNECTION": "true",
            "CAMUNDA_CLIENT_REST_ADDRESS": cluster.url(""),
        }
        cluster.answer("/v2/process-definitions/17/xml", Reply.json({"detail": "no access to order"}, status=403))
        refused = run_command("check", "--connect", folder=tmp_path, **settings)
        assert "Diagrams     cannot be read: " in refused.stdout
        assert "(no access to order)" in refused.stdout
        assert "grant it READ_PROCESS_DEFINITION" in refused.stdout
        cluster.answer("/v2/process-definitions/17/xml", Reply(body=b"<definitions/>"))
        assert (
            "Diagrams     are read from the cluster; tried with order"
            in run_command("check", "--connect", folder=tmp_path, **settings).stdout
        )


@pytest.mark.parametrize("command", ["check", "run"])
def test_a_sources_file_that_cannot_be_read_is_reported_in_one_line(tmp_path: Path, command: str) -> None:
    """It is one of the operator's settings."""
    (tmp_path / "sources.toml").write_text('[orders]\nprocess = "order"\n')
    wrong = run_command(command, folder=tmp_path, ZEEBE_CONNECTORS_SOURCES="sources.toml")
    assert wrong.returncode == 2
    assert "sources.toml: [orders] needs a type" in wrong.stderr


def test_check_warns_of_credentials_that_go_unencrypted(tmp_path: Path) -> None:
    """To the cluster, to mailboxes, to providers and to the database; all of them were somebody's choice."""
    (tmp_path / "sources.toml").write_text(
        '[far]\ntype = "io.camunda:connector-email-inbound:1"\nprocess = "order"\n'
        '[far.data.imapConfig]\nimapHost = "imap.example.com"\nimapCryptographicProtocol = "NONE"\n'
        '[safe]\ntype = "io.camunda:connector-email-inbound:1"\nprocess = "order"\n'
        '[safe.data.imapConfig]\nimapHost = "imap.example.com"\n'
    )
    (tmp_path / "providers.yaml").write_text(
        "providers:\n"
        + "".join(
            f"  {name}:\n    protocol: {protocol}\n    environments:\n      live:\n        {where}\n"
            "        authentication: {type: basic, username: me, password: secrets.P}\n"
            for name, protocol, where in (
                ("plainweb", "http", "url: http://erp.example.com/"),
                ("plainmail", "pop", "host: pop.example.com\n        security: none"),
                ("near", "http", "url: http://127.0.0.1:8080/"),
                ("safemail", "pops", "host: pop.example.com"),
            )
        )
    )
    login = {"ZEEBE_CONNECTORS_SOURCES": "sources.toml", "CAMUNDA_CLIENT_AUTH_USERNAME": "demo"}
    login["CAMUNDA_CLIENT_AUTH_PASSWORD"] = "secret-of-the-cluster"
    login["ZEEBE_CONNECTORS_LEDGER"] = "postgresql://me:secret@db.example.com/ledger"
    shown = run_command("check", folder=tmp_path, ZEEBE_ADDRESS="http://zeebe.example.com:26500", **login)
    assert shown.returncode, "nobody chose what the database's password may do"
    login["ZEEBE_CONNECTORS_LEDGER"] += "?sslmode=disable"
    shown = run_command("check", folder=tmp_path, ZEEBE_ADDRESS="http://zeebe.example.com:26500", **login)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    warned = [line for line in shown.stdout.splitlines() if "WARNING" in line]
    assert [word for word in ("credentials go there", "#far", "plainweb/", "plainmail/", "db.example.com")
            if not any(word in line for line in warned)] == []  # fmt: skip
    assert len(warned) == 5, warned
    assert "see the warning" in shown.stdout
    assert "All is well" not in shown.stdout


def test_documents_are_erased_by_command(tmp_path: Path) -> None:
    """By the hash that references name, and by age; not without a yes, and nothing else."""
    store = LocalDocuments(tmp_path / "documents")
    made = [asyncio.run(store.create(text)) for text in (b"one", b"two", b"old")]
    hashes = [document.reference["contentHash"] for document in made]
    place = {"ZEEBE_CONNECTORS_DOCUMENTS": str(tmp_path / "documents")}

    def there() -> list[bool]:
        return [(store.directory / digest[:2] / digest).exists() for digest in hashes]

    assert there() == [True, True, True]
    os.utime(store.directory / hashes[2][:2] / hashes[2], (1, 1))
    assert run_command("documents", "erase", folder=tmp_path, **place).returncode == 2
    assert run_command("documents", "erase", hashes[0], folder=tmp_path, given="n\n", **place).returncode
    assert there() == [True, True, True]
    done = run_command("documents", "erase", hashes[0], "--yes", folder=tmp_path, **place)
    assert (done.returncode, there()) == (0, [False, True, True]), done.stderr
    aged = run_command("documents", "erase", "--older-than", "P30D", "--yes", folder=tmp_path, **place)
    assert (aged.returncode, there()) == (0, [False, True, False])
    assert "1 deleted" in aged.stdout
    again = run_command("documents", "erase", hashes[0], "--yes", folder=tmp_path, **place)
    assert again.returncode == 1
    assert hashes[0] in again.stderr
    assert run_command("documents", "erase", "--older-than", "soon", folder=tmp_path, **place).returncode == 2


def test_secrets_are_in_no_report(tmp_path: Path) -> None:
    """Not those of tasks and not those of the cluster."""
    canary = "CANARY-5eCr3t"
    secrets = {"SECRET_X": canary, "ZEEBE_CLIENT_SECRET": canary, "ZEEBE_CLIENT_ID": "me"}
    secrets["ZEEBE_AUTHORIZATION_SERVER_URL"] = "http://127.0.0.1:1/token"
    done = run_command("check", "--connect", folder=tmp_path, ZEEBE_ADDRESS="127.0.0.1:1", **secrets)
    assert canary not in done.stdout + done.stderr
    secrets["ZEEBE_CONNECTORS_LEDGER"] = f"postgresql://me:{canary}@127.0.0.1:1/ledger"
    for arguments in (("check", "--connect"), ("ledger", "list")):
        done = run_command(*arguments, folder=tmp_path, ZEEBE_ADDRESS="127.0.0.1:1", **secrets)
        assert done.returncode, done.stdout
        assert "postgresql://me:***@127.0.0.1:1/ledger cannot be used" in done.stdout + done.stderr
        assert canary not in done.stdout + done.stderr
    job = {"url": "http://127.0.0.1:1/{{secrets.X}}", "authentication": {"type": "bearer", "token": "secrets.X"}}
    tried = run_command("try", "rest", "-", folder=tmp_path, given=json.dumps(job), **secrets)
    assert canary not in tried.stdout + tried.stderr


async def test_a_secret_that_comes_back_is_not_shown(tmp_path: Path) -> None:
    """A service that repeats what it was sent must not bring a secret to a screen."""

    async def echo(request: web.Request) -> web.Response:
        return web.json_response({"seen": request.headers["X-Key"]})

    application = web.Application()
    application.router.add_get("/", echo)
    runner = web.AppRunner(application)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    job = {"url": f"http://127.0.0.1:{runner.addresses[0][1]}/", "method": "GET", "headers": {"X-Key": "secrets.X"}}
    tried = await asyncio.to_thread(
        run_command, "try", "rest", "-", folder=tmp_path, given=json.dumps(job), SECRET_X="CANARY-5eCr3t"
    )
    await runner.cleanup()
    assert json.loads(tried.stdout)["variables"]["result"]["body"] == {"seen": "***"}


def test_two_connectors_of_one_type_end_the_command_in_one_line(tmp_path: Path) -> None:
    """They are installed side by side; which would take the jobs would be chance."""
    (tmp_path / "rival.py").write_text(
        "from zeebe_connectors import Model, Context, outbound\n\n\n"
        "class Nothing(Model):\n    pass\n\n\n"
        '@outbound("rival", title="Rival", type="io.camunda:http-json:1")\n'
        'async def rival(given: Nothing, context: Context) -> None:\n    """Calls."""\n'
    )
    info = tmp_path / "rival-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: rival\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[zeebe_connectors]\nrival = rival:rival\n")
    done = run_command("list", folder=tmp_path, PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert "both claim the job type" in done.stderr


async def start(folder: Path, **environment: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        COMMAND, "run", cwd=folder, env=clean(environment), stderr=asyncio.subprocess.PIPE
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_runtime_although_the_cluster_is_away(tmp_path: Path, number: int) -> None:
    """It waits for the cluster for ever, but for the operator at once."""
    process = await start(
        tmp_path, ZEEBE_ADDRESS="127.0.0.1:1", ZEEBE_INSECURE_CONNECTION="true", ZEEBE_CONNECTORS_PORT="0"
    )
    seen = await until_printed(process.stderr, "Health and metrics")
    assert "127.0.0.1:1" in seen
    process.send_signal(number)
    async with asyncio.timeout(20):
        assert await process.wait() == 0


async def test_a_taken_port_is_reported_and_the_connectors_run(tmp_path: Path) -> None:
    """Health can wait, jobs cannot."""
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    process = await start(tmp_path, ZEEBE_ADDRESS="127.0.0.1:1", ZEEBE_CONNECTORS_PORT=str(port))
    assert "ZEEBE_CONNECTORS_PORT" in await until_printed(process.stderr, "not served")
    process.terminate()
    async with asyncio.timeout(20):
        await process.wait()
    server.close()
