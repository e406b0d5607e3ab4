"""Whoever installs no extra gets help and one line that names the extra, never a traceback."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.cli.test_commands import COMMAND, clean

HIDDEN = """
import sys

class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Hidden())
"""
EXTRAS = {"aioimaplib", "cryptography", "httpx", "lxml", "psycopg", "spnego", "sqlalchemy"}


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A folder whose `sitecustomize` hides the libraries of all extras."""
    (tmp_path / "sitecustomize.py").write_text(HIDDEN.format(names=EXTRAS | {"xmlsec", "zeep"}))
    return tmp_path


def started(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs the command in a process of its own, which cannot import what is hidden."""
    done = subprocess.run(
        [COMMAND, *arguments], cwd=folder, env=clean({"PYTHONPATH": str(folder)}), capture_output=True, text=True,
        timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_the_help_needs_no_extra(plain: Path) -> None:
    """It is the first thing that one types, and shows every command."""
    shown = started("--help", folder=plain)
    assert shown.returncode == 0, shown.stderr
    assert all(word in shown.stdout for word in ("engine", "soap", "imap"))


@pytest.mark.parametrize(
    ("command", "extra"),
    [(("soap", "import", "x.wsdl"), "soap"), (("soap", "call", "x.wsdl", "y"), "soap"), (("imap", "test"), "imap")],
)
def test_a_command_names_the_extra_that_it_needs(plain: Path, command: tuple[str, ...], extra: str) -> None:
    """In one line."""
    done = started(*command, folder=plain)
    assert done.returncode in {1, 2}
    assert f"pip install 'zeebe-connectors[{extra}]'" in done.stderr
