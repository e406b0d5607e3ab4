"""The engine could be published alone: of this project it knows FEEL and gRPC, and nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import zeebe_connectors.engine

ROOM = Path(zeebe_connectors.engine.__file__).parent
OWN = ("zeebe_connectors.engine", "zeebe_connectors.feel", "zeebe_connectors.rpc")


def imported(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return found


def test_the_engine_knows_feel_and_rpc_only() -> None:
    for path in ROOM.rglob("*.py"):
        for name in imported(path):
            if name.startswith("zeebe_connectors"):
                assert name.startswith(OWN), f"{path.name} imports {name}"


def test_the_messages_are_loaded_without_pyzeebe_which_comes_whole_later() -> None:
    program = (
        "import sys, zeebe_connectors.engine.gateway as gateway; assert 'pyzeebe' not in sys.modules;"
        "assert 'pydantic' not in sys.modules;"
        "from pyzeebe import ZeebeClient; from pyzeebe.proto import gateway_pb2; assert gateway_pb2 is gateway.pb"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_only_the_gateway_speaks_grpc() -> None:
    speaking = {
        path.name for path in ROOM.rglob("*.py") for name in imported(path) if name.startswith("zeebe_connectors.rpc")
    }
    assert speaking == {"gateway.py"}
