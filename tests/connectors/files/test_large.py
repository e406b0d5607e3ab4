"""A large document up and down in little memory; `make nightly` moves a gigabyte."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_sixty_megabytes_take_less_than_a_hundred(tmp_path):
    """Each transfer runs in a process of its own, whose largest memory counts. The speed is `make nightly`'s matter."""
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/files.py", "--mb", "60", "--rounds", "1", "--alone"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    rows = re.findall(r"^(sftp|ftpes) +(up|down) .* at most +(\d+) MiB$", done.stdout, re.MULTILINE)
    assert len(rows) == 4, done.stderr
    assert all(int(memory) < 100 for *_, memory in rows), done.stdout
