"""Templates that an import made, with inputs settled in every way, pass the Modeler's own validator."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.modeler import tool
from typer.testing import CliRunner

from zeebe_connectors.cli.soap import app

pytestmark = [pytest.mark.modeler, pytest.mark.timeout(900)]
WSDLS = Path(__file__).parent.parent / "connectors" / "soap" / "wsdl"
ORDER = json.dumps({"Quantity": 1, "Price": 1.5, "Due": None, "Status": "New"})


@pytest.mark.parametrize(
    ("wsdl", "presets"),
    [
        ("dotnet-asmx.wsdl", ["--fixed", "express=true", "--start", f"order={ORDER}"]),
        ("dotnet-asmx.wsdl", ["--start", "express=false", "--fixed", f"order={ORDER}"]),
        ("dotnet-asmx.wsdl", ["--variable", "express=isExpress", "--variable", "order=order"]),
        ("java-headers.wsdl", ["--fixed", "headers.Priority=high", "--start", "Name==name"]),
        ("java-headers.wsdl", ["--start", "headers.Priority=low", "--variable", "headers.Session=session"]),
        ("java-headers.wsdl", ["--variable", "headers.Priority=urgency"]),
    ],
)
def test_presets(tmp_path, wsdl, presets):
    made = CliRunner().invoke(app, ["import", str(WSDLS / wsdl), "--out", str(tmp_path), *presets])
    assert made.exit_code == 0, made.output
    valid = tool.run("validate-templates.mjs", tmp_path)
    assert valid.returncode == 0, valid.stdout
