"""The local Zeebe: it starts, survives a crash with its data and ports, and leaves nothing behind."""

import asyncio
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import grpc
import pytest
from pyzeebe.proto import gateway_pb2, gateway_pb2_grpc

from zeebe_connectors.engine.errors import EngineError, StartError
from zeebe_connectors.engine.process import free_ports
from zeebe_connectors.engine.server import stop_detached
from zeebe_connectors.engine.zeebe import LocalZeebe, Ports, is_healthy, status

pytestmark = pytest.mark.engine

LINUX = sys.platform == "linux"


async def deploy(address):
    """Deploy the smallest process; return its key and version."""
    process = b"""<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t">
      <process id="kept" isExecutable="true"><startEvent id="s"/></process></definitions>"""
    async with grpc.aio.insecure_channel(address) as channel:
        stub = gateway_pb2_grpc.GatewayStub(channel)
        resource = gateway_pb2.Resource(name="kept.bpmn", content=process)
        answer = await stub.DeployResource(gateway_pb2.DeployResourceRequest(resources=[resource]), timeout=30)
        return answer.deployments[0].process.processDefinitionKey


def listening_addresses(pid):
    """Return the addresses, as Linux writes them, on which a process listens over TCP."""
    own = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            own.add(str(handle.readlink()))
    rows = [
        row.split() for table in ("tcp", "tcp6") for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()
    ]
    return [row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own]


def environment_names(pid):
    """Return the names of a process's environment variables."""
    return {line.partition("=")[0] for line in Path(f"/proc/{pid}/environ").read_text().split("\0") if line}


@pytest.fixture
async def zeebe_here(tmp_path):
    async with LocalZeebe(tmp_path / "engine") as engine:
        yield engine


async def test_a_crash_keeps_data_and_ports():
    """Killed without a warning and started again, the engine has the deployed process, on the same port."""
    async with LocalZeebe() as zeebe:
        address, first = zeebe.grpc_address, zeebe.pid
        key = await deploy(address)

        await zeebe.kill()
        assert not await is_healthy(address)
        assert zeebe.pid is None
        await zeebe.start()

        assert zeebe.pid != first
        assert zeebe.grpc_address == address
        # The same bytes deployed again are the same definition, if and only if the engine still knows it.
        assert await deploy(address) == key
        directory = zeebe.directory
    assert not directory.exists()
    assert not await is_healthy(address)


async def test_nothing_listens_beyond_loopback(zeebe_here):
    """Every TCP listener of the broker is bound to 127.0.0.1."""
    if not LINUX:
        pytest.skip("only Linux tells the listeners of a process")
    async with asyncio.timeout(60):
        while len(bound := listening_addresses(zeebe_here.pid)) < 5:  # noqa: ASYNC110 - the management port opens last
            await asyncio.sleep(0.1)
    assert set(bound) <= {"0100007F", "0000000000000000FFFF00000100007F"}  # 127.0.0.1, and the same in IPv6's notation


async def test_memory_is_bounded(zeebe_here):
    """A started broker takes less than 450 MB."""
    assert 100e6 < zeebe_here.memory < 450e6


async def test_one_directory_one_engine(zeebe_here):
    """A second engine in the same directory is refused by name, and the first goes on."""
    with pytest.raises(EngineError, match=r"already runs in .*engine stop"):
        await LocalZeebe(zeebe_here.directory).start()
    assert (await status(zeebe_here.directory)).healthy


async def test_detached_engine_is_found_and_stopped(tmp_path):
    """A detached engine is found by its directory, told, stopped, and found stopped."""
    zeebe = LocalZeebe(tmp_path)
    await zeebe.start(detached=True)
    try:
        found = await status(tmp_path)
        assert found.running
        assert found.healthy
        assert found.grpc_address == zeebe.grpc_address
        assert found.memory > 100e6
    finally:
        assert stop_detached(tmp_path, LocalZeebe)
    after = await status(tmp_path)
    assert (after.running, after.healthy, after.grpc_address) == (False, False, zeebe.grpc_address)
    assert not stop_detached(tmp_path, LocalZeebe)
    assert LocalZeebe(tmp_path).ports == zeebe.ports


def test_engine_ends_with_its_killed_parent(tmp_path):
    """A program that is killed leaves no broker behind."""
    program = """
import asyncio, sys
from pathlib import Path
from zeebe_connectors.engine.server import stop_detached
from zeebe_connectors.engine.zeebe import LocalZeebe
async def main():
    zeebe = await LocalZeebe(Path(sys.argv[1])).start()
    print("up", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout.readline() == "up\n"
        assert asyncio.run(status(tmp_path)).running
        parent.kill()
    deadline = time.monotonic() + 30
    while (running := asyncio.run(status(tmp_path)).running) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running


async def test_broker_that_cannot_start_says_why(tmp_path):
    """The error of a failed start carries the broker's own words."""
    zeebe = LocalZeebe(tmp_path, environment={"ZEEBE_BROKER_DATA_LOGSEGMENTSIZE": "many"})
    with pytest.raises(StartError, match=r"(?s)exit code 1 .*many"):
        await zeebe.start()
    assert zeebe.pid is None


async def test_taken_port_is_named(tmp_path):
    """A port on which something listens is refused before the start."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        with pytest.raises(EngineError, match=rf"Port {taken} \(grpc\) is taken"):
            await LocalZeebe(tmp_path, ports=Ports(taken, *free_ports(4))).start()


async def test_engine_sees_no_secret_of_this_process(zeebe_here):
    """The broker's environment holds its own settings and a few harmless names, nothing else of its parent's."""
    if not LINUX:
        pytest.skip("only Linux tells the environment of a process")
    names = environment_names(zeebe_here.pid)
    own = {name for name in names if name.startswith(("ZEEBE_BROKER_", "SERVER_", "MANAGEMENT_"))}
    assert names - own <= {"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "NLSPATH"}
