"""The README's code runs as it stands."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from typer.testing import CliRunner

from zeebe_connectors.cli.commands import add_parts, app
from zeebe_connectors.config.cluster import NAMES
from zeebe_connectors.config.declared import SETTINGS
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


WEATHER = ROOT / "examples" / "weather"


def test_the_readme_quotes_the_example() -> None:
    """Word for word: code, entry point and test of a package that tests/examples installs and runs."""
    files = {
        "python": (WEATHER / "src" / "weather" / "connector.py", WEATHER / "tests" / "test_weather.py"),
        "toml": (WEATHER / "pyproject.toml",),
    }
    code = re.findall(r"```(python|toml)\n(.*?)```", README, re.DOTALL)
    assert len(code) == 4
    for language, block in code:
        texts = ["\n".join(line.strip() for line in file.read_text("utf-8").splitlines()) for file in files[language]]
        assert any("\n".join(line.strip() for line in block.splitlines()) in text for text in texts), block


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
        named |= set(re.findall(r"(?:`|    |\$ )make ([a-z-]+)", (ROOT / document).read_text()))
    assert named
    assert named <= targets


def test_the_extras_of_the_readme_are_those_of_the_package() -> None:
    """All of them, and those in `all` apart from the others."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    rows = re.findall(
        r"^\| (`[a-z].+) \| (.+) \|$", README.partition("| extra | for |")[2].partition("\n\n")[0], re.MULTILINE
    )
    named = [(name, meaning) for names, meaning in rows for name in re.findall(r"`([a-z-]+)`", names)]
    assert sorted(name for name, _ in named) == sorted(set(extras) - {"all"})
    (everything,) = re.findall(r"\[(.+)\]", extras["all"][0])
    assert {name for name, meaning in named if meaning != "not in `all`"} == set(everything.split(","))


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


READ = re.compile(r'"((?:ZEEBE|CAMUNDA|CONNECTOR|SERVER)_[A-Z_]+)"')
NO_SETTINGS = {
    "ZEEBE_CONNECTORS": "a table of the settings file",
    "CAMUNDA_CONNECTOR": "as above",
    "CAMUNDA_CLIENT_WORKER": "as above",
    "SERVER_PORT": "another name of ZEEBE_CONNECTORS_PORT; its row says so",
    "ZEEBE_INSECURE_CONNECTION": "what demo and tests set for the local engine; an alias in the page's second table",
}


def test_the_settings_that_are_declared_are_those_that_are_read() -> None:
    """`docs/settings.md` is generated from the declarations, so it has them all and no others."""
    read = set()
    for file in (ROOT / "src").rglob("*.py"):
        if file.name != "declared.py":
            read |= set(READ.findall(file.read_text("utf-8")))
    assert len(read) > 50
    aliases = {name for names in NAMES.values() for name in names}
    declared = {name for item in SETTINGS for name in item.names}
    prefixes = {name for name in read if name.endswith("_")}
    unknown = {
        name
        for name in read - declared - aliases - set(NO_SETTINGS)
        if not any(known.startswith(name) for known in (declared if name in prefixes else ()))
    }
    assert unknown == set(), "declare them in config/declared.py"
    dynamic = re.compile(r"CONNECTOR_(<NAME>|OUTBOUND|INBOUND|HTTPS?_PROXY)_")
    unread = {
        name
        for name in declared - read - aliases
        if not dynamic.match(name) and not any(name.startswith(prefix) for prefix in prefixes)
    }
    assert unread == set(), "nothing reads them"


def test_declared_defaults_hold() -> None:
    """Those that are plain values, beside what an empty environment gives."""
    settings = Settings.read(Environment(("environment", {})))
    defaults = {name: item.default for item in SETTINGS for name in item.names}
    for name, value in {
        "CAMUNDA_CLIENT_WORKER_DEFAULTS_MAX_JOBS_ACTIVE": settings.worker.slots,
        "CAMUNDA_CLIENT_WORKER_DEFAULTS_STREAM_ENABLED": str(settings.worker.stream).lower(),
        "CAMUNDA_CONNECTOR_POLLING_ENABLED": str(settings.polling).lower(),
        "ZEEBE_ADDRESS": f"`{settings.cluster.address}`",
        "ZEEBE_CONNECTORS_DATA": f"`{settings.data}`",
        "ZEEBE_CONNECTORS_GRACE": f"`{settings.grace:g}s`",
        "ZEEBE_CONNECTORS_LOG_FORMAT": f"`{settings.log_format}`",
        "ZEEBE_CONNECTORS_PORT": f"`{settings.host}`, {settings.port}",
        "ZEEBE_CONNECTORS_SECRETS_SCOPE": f"`{settings.secrets_scope}`",
        "ZEEBE_CONNECTORS_SECRETS_UNRESOLVED": f"`{settings.secrets_unresolved}`",
    }.items():
        assert defaults[name] == str(value), name
