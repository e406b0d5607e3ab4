"""The engine in a process of its own: it survives a crash with its state and ports, and leaves nothing behind."""

import asyncio
import os
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.gateway import GatewayError
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.testing import EngineProcess
from zeebe_connectors.testing.process import ServerError, StartError, running, stop_detached

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells this of a process")
DIAGRAM = b"""<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" targetNamespace="t">
  <process id="kept" isExecutable="true"><startEvent id="s"/></process></definitions>"""


async def deploy(address):
    """Deploy the smallest process; return its key."""
    gateway = ZeebeGateway(ClusterSettings(address=address))
    try:
        return (await gateway.deploy({"kept.bpmn": DIAGRAM}))[0].process_definition_key
    finally:
        await gateway.aclose()


def listening_addresses(pid):
    """Return the addresses, as Linux writes them, on which a process listens over TCP."""
    own = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            own.add(str(handle.readlink()))
    tables = (Path(f"/proc/{pid}/net/{name}").read_text().splitlines() for name in ("tcp", "tcp6"))
    rows = [row.split() for table in tables for row in table]
    return [row[1].split(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in own]


def environment(pid):
    """Return the environment of a process as it is stored."""
    return Path(f"/proc/{pid}/environ").read_bytes()


def names(directory):
    """Return what a directory holds."""
    return {path.name for path in directory.iterdir()}


async def test_a_crash_keeps_state_and_ports():
    """The same bytes deployed again are the same definition, if and only if the engine still knows it."""
    async with EngineProcess() as engine:
        address, first, directory = engine.grpc_address, engine.pid, engine.directory
        key = await deploy(address)
        await engine.kill()
        assert engine.pid is None
        with pytest.raises(GatewayError):
            await asyncio.wait_for(deploy(address), 20)
        await engine.start()
        assert (engine.grpc_address, engine.pid != first) == (address, True)
        assert await deploy(address) == key
    assert not directory.exists()


@LINUX
async def test_it_is_small_listens_on_loopback_only_and_sees_no_secret(monkeypatch):
    monkeypatch.setenv("SECRET_TOKEN", "t")
    async with EngineProcess() as engine:
        assert engine.memory < 80 * 2**20
        # 127.0.0.1, and the same in IPv6's notation.
        assert set(listening_addresses(engine.pid)) <= {"0100007F", "0000000000000000FFFF00000100007F"}
        assert b"SECRET_TOKEN" not in environment(engine.pid)


async def test_one_directory_one_engine(tmp_path):
    """A second engine in the same directory is refused by name, and the first goes on."""
    async with EngineProcess(tmp_path) as engine:
        with pytest.raises(ServerError, match="already runs in"):
            await EngineProcess(tmp_path).start()
        assert await deploy(engine.grpc_address)


async def test_without_state_nothing_is_kept(tmp_path):
    async with EngineProcess(tmp_path, durable=False) as engine:
        await deploy(engine.grpc_address)
        await engine.restart()
        assert names(tmp_path) == {"server.json", "server.log"}


async def test_a_detached_engine_is_found_and_stopped(tmp_path):
    engine = EngineProcess(tmp_path)
    await engine.start(detached=True)
    try:
        assert running(tmp_path).ports == engine.ports
    finally:
        assert stop_detached(tmp_path)
    assert running(tmp_path) is None
    assert EngineProcess(tmp_path).ports == engine.ports


def test_it_ends_with_its_killed_parent(tmp_path):
    """A program that is killed leaves no engine behind."""
    program = """
import asyncio, sys
from pathlib import Path
from zeebe_connectors.testing import EngineProcess
async def main():
    engine = await EngineProcess(Path(sys.argv[1])).start()
    print("up", flush=True)
    await asyncio.sleep(600)
asyncio.run(main())
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as parent:
        assert parent.stdout.readline() == "up\n"
        assert running(tmp_path)
        parent.kill()
    deadline = time.monotonic() + 30
    while running(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(tmp_path)


async def test_a_taken_port_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as server:
        taken = server.getsockname()[1]
        with pytest.raises(ServerError, match=rf"Port {taken} \(grpc\) is taken"):
            await EngineProcess(tmp_path, grpc=taken).start()


async def test_a_start_that_fails_says_why(tmp_path):
    """With the engine's own words."""
    (tmp_path / "engine.sqlite").write_text("this is no state of an engine, but a text that is long enough to be read")
    with pytest.raises(StartError, match=r"(?s)exit code 1.*engine\.sqlite"):
        await EngineProcess(tmp_path).start()
