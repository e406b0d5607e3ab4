"""The commands that speak to a cluster, on a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMAND = str(Path(sys.executable).parent / "zeebe-connectors")


def told(*arguments: str, folder: Path, zeebe: Any) -> subprocess.CompletedProcess[str]:
    where = {"ZEEBE_ADDRESS": zeebe.grpc_address, "ZEEBE_INSECURE_CONNECTION": "true"}
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env={**os.environ, **where},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.engine
def test_files_are_deployed_or_refused_one_by_one(tmp_path: Path, zeebe: Any) -> None:
    """One that is refused does not keep back the others."""
    good = Path(__file__).parent.parent.parent / "bpmn-examples" / "rest.bpmn"
    (tmp_path / "bad.bpmn").write_text("<no/>")
    (tmp_path / "good.bpmn").write_bytes(good.read_bytes())
    done = told("deploy", "bad.bpmn", "good.bpmn", folder=tmp_path, zeebe=zeebe)
    assert done.returncode == 1
    assert "bad.bpmn: not deployed" in done.stdout
    assert "good.bpmn: " in done.stdout
    assert "version" in done.stdout
    assert "partitions healthy" in told("check", "--connect", folder=tmp_path, zeebe=zeebe).stdout
