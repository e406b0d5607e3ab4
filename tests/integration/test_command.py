"""The commands that speak to a cluster, on a real one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import pytest

COMMAND = str(Path(sys.executable).parent / "zeebe-connectors")


def run_command(*arguments: str, folder: Path, zeebe: Any) -> subprocess.CompletedProcess[str]:
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
def test_files_are_deployed_together(tmp_path: Path, zeebe: Any) -> None:
    """All, or none when one is refused; and the one is named."""
    good = Path(__file__).parent.parent.parent / "bpmn-examples" / "rest.bpmn"
    text = good.read_text(encoding="utf-8").replace("example-rest", f"together-{uuid.uuid4().hex[:8]}")
    (tmp_path / "bad.bpmn").write_text("<no/>")
    (tmp_path / "good.bpmn").write_text(text, encoding="utf-8")
    done = run_command("deploy", "bad.bpmn", "good.bpmn", folder=tmp_path, zeebe=zeebe)
    assert done.returncode == 1
    assert "not deployed" in done.stdout
    assert "'bad.bpmn'" in done.stdout
    assert "version" not in done.stdout
    (tmp_path / "order.form").write_text('{"id": "order", "components": []}')
    done = run_command("deploy", "good.bpmn", "order.form", folder=tmp_path, zeebe=zeebe)
    assert done.returncode == 0
    assert re.search(r"^good\.bpmn: together-\w+, version 1$", done.stdout, re.MULTILINE)
    assert "order.form: form order, version 1" in done.stdout
    assert "partitions healthy" in run_command("check", "--connect", folder=tmp_path, zeebe=zeebe).stdout
