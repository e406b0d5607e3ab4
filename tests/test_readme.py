"""The README's code runs as it stands."""

from __future__ import annotations

import re
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from typer.testing import CliRunner

from zeebe_connectors.cli.main import add_parts, app
from zeebe_connectors.testing import Complete, Fail, run

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def weather(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The connector of the README, as a module."""
    code = re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0]
    module = types.ModuleType("weather")
    monkeypatch.setitem(sys.modules, "weather", module)
    exec(compile(code, "weather.py", "exec"), module.__dict__)
    return module.look_up


@pytest.fixture
async def weather_server():
    async def answer(request: web.Request) -> web.Response:
        assert request.headers["X-Token"] == "k"
        if request.query["city"] != "Oslo":
            return web.Response(status=404)
        return web.json_response({"temperature": 3.5})

    app = web.Application()
    app.router.add_get("/", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    await runner.cleanup()


async def test_the_example_connector_works(weather: Any, weather_server: str) -> None:
    """With the README's own test."""
    given = {"url": weather_server, "city": "Oslo", "token": "secrets.KEY"}
    outcome = await run(weather, given, result_variable="weather", secrets={"KEY": "k"})
    assert outcome == Complete({"weather": {"temperature": 3.5}}, '{"weather":{"temperature":3.5}}')
    unknown = await run(weather, {**given, "city": "Atlantis"}, secrets={"KEY": "k"})
    assert isinstance(unknown, Fail)
    assert (unknown.code, unknown.retries) == ("WEATHER_UNKNOWN_CITY", 0)


def test_the_commands_of_the_readme_exist() -> None:
    """Each with the first word that the table names."""
    add_parts()
    words = set(re.findall(r"`zeebe-connectors ([a-z]+)", README))
    assert len(words) > 8
    for word in sorted(words):
        shown = CliRunner().invoke(app, [word, "--help"])
        assert shown.exit_code == 0, f"zeebe-connectors {word}: {shown.output}"


def test_the_make_targets_of_the_documents_exist() -> None:
    """README and CONTRIBUTING name no command that is not there."""
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set()
    for document in ("README.md", "CONTRIBUTING.md"):
        named |= set(re.findall(r"(?:`|    )make ([a-z-]+)", (ROOT / document).read_text()))
    assert named
    assert named <= targets


def test_links_lead_to_files() -> None:
    """In README, CONTRIBUTING and docs."""
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
    for document in documents:
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
            if not target.startswith(("http://", "https://", "mailto:")):
                assert (document.parent / target).exists(), f"{document.relative_to(ROOT)} links to {target}"


def test_every_decision_is_listed() -> None:
    """With its title."""
    listed = (ROOT / "docs" / "adr" / "README.md").read_text(encoding="utf-8")
    for page in sorted((ROOT / "docs" / "adr").glob("0*.md")):
        title = page.read_text(encoding="utf-8").partition("\n")[0].partition(". ")[2]
        assert f"[{title}]({page.name})" in listed


def test_every_setting_of_ours_is_documented() -> None:
    """Where an operator or a developer reads."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    told = "".join(page.read_text(encoding="utf-8") for page in pages)
    sources = (ROOT / "src").rglob("*.py")
    names = {name for file in sources for name in re.findall(r'"(ZEEBE_CONNECTORS_[A-Z_]+)"', file.read_text("utf-8"))}
    assert len(names) > 15
    assert not {name for name in names if f"`{name}" not in told}
