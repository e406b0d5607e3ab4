"""`zeebe-connectors deploy`: files go together, all kinds are listed, and the tenant is the configured one."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.servers.cluster import bpmn

from zeebe_connectors.cli.deploy import deploy_files, deploy_together
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings
from zeebe_connectors.runtime.diagrams import DeployedHere
from zeebe_connectors.runtime.gateway import Deployed
from zeebe_connectors.testing import FakeGateway


class Listing(FakeGateway):
    """Answers as a cluster does for a diagram, a decision and a form."""

    async def deploy(self, resources, *, tenant=""):
        await super().deploy(resources, tenant=tenant)
        return [
            Deployed("order", 3, 42, "order.bpmn"),
            Deployed("discount", 2, 43, "rules.dmn", "decision"),
            Deployed("ask", 1, 44, "ask.form", "form"),
        ]


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    (tmp_path / "order.bpmn").write_bytes(bpmn({"a": "{{secrets.X}}"}))
    (tmp_path / "rules.dmn").write_bytes(b"<definitions/>")
    (tmp_path / "ask.form").write_bytes(b"{}")
    return [tmp_path / name for name in ("order.bpmn", "rules.dmn", "ask.form")]


async def test_all_kinds_go_together_and_are_listed(files, capsys, tmp_path):
    """What binds by deployment finds the others; the diagram is remembered."""
    gateway, here = Listing(), DeployedHere(tmp_path / "diagrams")
    assert await deploy_together(gateway, files, tenant="acme", here=here)
    (command,) = [command for command in gateway.commands if command.name == "deploy"]
    assert command.data == {"resources": ["ask.form", "order.bpmn", "rules.dmn"], "tenant": "acme"}
    lines = capsys.readouterr().out.splitlines()
    assert [line.rpartition("/")[2] for line in lines] == [
        "order.bpmn: order, version 3",
        "rules.dmn: decision discount, version 2",
        "ask.form: form ask, version 1",
    ]
    assert here.own(42) == files[0].read_bytes()
    assert here.own(43) is None
    assert DeployedHere(tmp_path / "diagrams").find(42, "order", 3) == files[0].read_bytes()


async def test_several_tenants_need_a_choice(files, capsys):
    """Nothing is deployed to one by chance."""
    environment = Environment(("environment", {"CAMUNDA_CLIENT_WORKER_DEFAULTS_TENANT_IDS": "a, b"}))
    assert await deploy_files(files, Settings.read(environment)) == 1
    assert "--tenant" in capsys.readouterr().err


@pytest.fixture
def gateway(monkeypatch):
    gateway = FakeGateway()
    monkeypatch.setattr("zeebe_connectors.cli.deploy.ZeebeGateway", lambda _: gateway)
    return gateway


def resources(gateway: FakeGateway) -> list[list[str]]:
    return [command.data["resources"] for command in gateway.commands if command.name == "deploy"]


async def test_a_folder_is_what_can_be_deployed_in_it(files, gateway, tmp_path, monkeypatch):
    """At any depth, each file once, whatever its ending's case; no other file and nothing hidden."""
    (tmp_path / "deep" / ".git").mkdir(parents=True)
    for name in ("README.md", "order.BPMN", "deep/more.dmn", "deep/.git/old.bpmn"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "again.bpmn").symlink_to("order.bpmn")
    monkeypatch.chdir(tmp_path)
    settings = Settings.read(Environment(("environment", {"ZEEBE_CONNECTORS_DATA": str(tmp_path / "data")})))
    assert await deploy_files([Path("order.bpmn"), tmp_path, Path("./order.bpmn")], settings) == 0
    upper = (tmp_path / "order.bpmn").as_posix()
    assert sorted(resources(gateway)[0]) == sorted(["ask.form", "more.dmn", upper, "order.bpmn", "rules.dmn"])
    (tmp_path / "empty").mkdir()
    assert await deploy_files([Path("empty")], settings) == 1
    assert len(resources(gateway)) == 1


async def test_an_endings_capitals_are_not_the_clusters(gateway, tmp_path, capsys):
    """It knows a diagram by `.bpmn`."""
    (tmp_path / "Order.BPMN").write_bytes(b"x")
    settings = Settings.read(Environment(("environment", {"ZEEBE_CONNECTORS_DATA": str(tmp_path / "data")})))
    assert await deploy_files([tmp_path / "Order.BPMN"], settings) == 0
    assert resources(gateway) == [["Order.bpmn"]]
    assert "Order.BPMN" in capsys.readouterr().out


@pytest.mark.parametrize(("count", "message"), [(1, "no file of this size"), (3, "fewer files at once")])
async def test_what_is_too_large_says_what_to_do(files, gateway, capsys, count, message):
    gateway.refuse("deploy", "RESOURCE_EXHAUSTED", "gRPC message exceeds maximum size 4194304: 5000000")
    assert not await deploy_together(gateway, files[:count])
    assert message in capsys.readouterr().out


async def test_a_file_that_is_not_there_is_named_and_nothing_is_sent(files, gateway, capsys):
    (missing := files[0].with_name("gone.bpmn")).symlink_to("nowhere")
    assert not await deploy_together(gateway, [*files, missing])
    assert capsys.readouterr().out.endswith(f"not deployed: {missing}: No such file or directory\n")
    assert not await deploy_together(gateway, [missing])
    assert capsys.readouterr().out == f"{missing}: not deployed: No such file or directory\n"
    assert resources(gateway) == []
