"""Whoever installs no extra gets help and one line that names the extra, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.test_commands import told

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


def test_the_help_needs_no_extra(plain: Path) -> None:
    """It is the first thing that one types, and shows every command."""
    shown = told("--help", folder=plain, PYTHONPATH=str(plain))
    assert shown.returncode == 0, shown.stderr
    assert all(word in shown.stdout for word in ("engine", "soap", "imap"))


@pytest.mark.parametrize(
    ("command", "extra"),
    [(("soap", "import", "x.wsdl"), "soap"), (("soap", "call", "x.wsdl", "y"), "soap"), (("imap", "test"), "imap")],
)
def test_a_command_names_the_extra_that_it_needs(plain: Path, command: tuple[str, ...], extra: str) -> None:
    """In one line."""
    done = told(*command, folder=plain, PYTHONPATH=str(plain))
    assert done.returncode in {1, 2}
    assert f"pip install 'zeebe-connectors[{extra}]'" in done.stderr
