"""The page of error codes has every code that the source raises, and none that nothing raises."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.templates.error_codes import API, ATTENTION, RUNTIME, errors_page
from zeebe_connectors.templates.generate import own_connectors

SOURCE = Path(__file__).parents[2] / "src" / "zeebe_connectors"
CODE = re.compile(r"[A-Z][A-Z0-9]+(?:_[A-Z0-9]+)*")
NOT_OURS = {"GatewayError": "statuses of gRPC"}
OTHER_ROOMS = ("engine", "testing")
"""The local engine answers with a cluster's codes, the test servers with their protocols'."""


@cache
def sources() -> list[tuple[Path, ast.Module]]:
    """Each module with its syntax tree; parsed once for all tests."""
    return [
        (file, ast.parse(file.read_text("utf-8")))
        for file in sorted(SOURCE.rglob("*.py"))
        if file.relative_to(SOURCE).parts[0] not in OTHER_ROOMS and file.name != "error_codes.py"
    ]


def raised() -> dict[str, Path]:
    """Codes that stand as literals where errors and refusals are made."""
    found = {}
    for file, tree in sources():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call):
                continue
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in NOT_OURS or not (name.endswith("Error") or name in {"Refused", "_error", "_item"}):
                continue
            given = [*node.args[:2], *(keyword.value for keyword in node.keywords if keyword.arg == "code")]
            literals = (argument.value for argument in given if isinstance(argument, ast.Constant))
            for code in literals:
                if isinstance(code, str) and CODE.fullmatch(code):
                    found.setdefault(code, file)
    return found


def test_every_code_that_is_raised_is_on_the_page() -> None:
    """Those of connectors are declared with them, the others in the module that writes the page."""
    connectors = own_connectors(Registry.installed())
    page = errors_page(connectors)
    found = raised()
    assert len(found) > 100
    missing = {code: str(file.relative_to(SOURCE)) for code, file in found.items() if f"`{code}`" not in page}
    assert missing == {}, "declare them: a connector's in its `errors`, others in templates/error_codes.py"
    for connector in connectors:
        for code in connector.errors:
            assert f"| `{code}` |" in page


def test_every_code_of_the_runtime_and_the_api_exists() -> None:
    """As a literal in the source, or what an f-string can become; a code that is no longer raised leaves the page."""
    literals, patterns = set(), set()
    for _, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                literals.add(node.value)
            elif isinstance(node, ast.JoinedStr):
                parts = [part.value if isinstance(part, ast.Constant) else "*" for part in node.values]
                if re.fullmatch(r"[A-Z]+_[A-Z_*]*", whole := "".join(map(str, parts))):
                    patterns.add(re.escape(whole).replace(r"\*", "[A-Z_]+"))
    unraised = {*RUNTIME, *API, *ATTENTION} - literals
    assert {code for code in unraised if not any(re.fullmatch(one, code) for one in patterns)} == set()
