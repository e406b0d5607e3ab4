"""Every code block of README, CONTRIBUTING and docs is checked: code runs, commands exist with their options.

A block is fenced and names its language; `text` is what a program prints. Commands begin with `$ `. What cannot be
checked here has its reason in the line before: `<!-- not run: reason -->`.
"""

from __future__ import annotations

import configparser
import json
import re
import shlex
import sqlite3
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from zeebe_connectors import feel
from zeebe_connectors.cli.commands import add_parts, app
from zeebe_connectors.config.cluster import NAMES
from zeebe_connectors.config.declared import SETTINGS
from zeebe_connectors.config.providers.model import Provider
from zeebe_connectors.runtime.inbound.elements import read_sources
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.testing import Engine
from zeebe_connectors.testing.servers import HttpServer, MailServer, Reply

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "examples").glob("*/README.md")),
]
FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>[^\n]+) -->\n)?^```(?P<language>[^\n]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL
)
ELSEWHERE = (
    "tests/docs/test_tutorial.py",
    "tests/integration/test_compose.py",
    "tests/admin/test_api.py",
    "tests/engine/test_rest.py",
)
"""Tests that make the calls which a page makes with curl."""


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    language: str
    code: str
    reason: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks() -> Iterator[Block]:
    for page in PAGES:
        text = page.read_text("utf-8")
        for found in FENCE.finditer(text):
            line = text.count("\n", 0, found.start("code"))
            yield Block(page, line, found["language"], found["code"], found["reason"] or "")


BLOCKS = list(blocks())


def of(language: str) -> list[Any]:
    return [pytest.param(one, id=str(one)) for one in BLOCKS if one.language == language and not one.reason]


def test_every_block_says_what_it_is() -> None:
    """Fenced, with a language that is checked below; none is indented instead."""
    languages = {"console", "feel", "ini", "json", "python", "sql", "text", "toml", "yaml"}
    assert len(BLOCKS) > 100
    assert {str(one): one.language for one in BLOCKS if one.language not in languages} == {}
    for page in PAGES:
        rest = FENCE.sub("", page.read_text("utf-8"))
        assert "```" not in rest, f"{page.relative_to(ROOT)}: a fence that is not closed"
        found = re.search(r"\n\n(    \S.*)", re.sub(r"^(?:\d+\.|[-*]) .*(?:\n+ .*)*", "", rest, flags=re.MULTILINE))
        assert found is None, f"{page.relative_to(ROOT)}: fence this block and name its language: {found and found[1]}"


# --- commands


@dataclass(frozen=True)
class Call:
    """One program with its arguments."""

    words: list[str]
    page: Path


def calls(block: Block) -> Iterator[Call]:
    """The programs of a console block; what they print is passed over."""
    text = re.sub(r"\\\n", " ", block.code)
    for command in re.findall(r"^\$ ((?:[^\n']|'[^']*')*)$", text, re.MULTILINE):
        lexer = shlex.shlex(command, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        lexer.commenters = "#"
        words: list[str] = []
        skip = False
        for word in [*lexer, ";"]:
            if skip:
                skip = False
            elif word in {">", "<"}:
                skip = True
            elif word in {"|", ";", "&&", "&"}:
                if words:
                    yield Call(words, block.page)
                words = []
            elif words or not re.match(r"[A-Z_]+=", word):
                words.append(word)
            else:
                check_setting(word.partition("=")[0])


def check_setting(name: str) -> None:
    """That the runtime, or a test, reads it."""
    known = {one for setting in SETTINGS for one in setting.names} | {one for names in NAMES.values() for one in names}
    assert name in known or name.startswith("SECRET_") or name == "OFFICIAL_TEMPLATES", f"nothing reads {name}"


@cache
def ours() -> Any:
    """The command `zeebe-connectors`; typer brings its own click, so its classes are not named here."""
    add_parts()
    return typer.main.get_command(app)


def check_ours(call: Call, folder: Path) -> None:
    """Parses the arguments as the command does; files that they name are there, and empty."""
    words = call.words[1:]
    for word in words:
        if re.fullmatch(r"[\w./-]+\.(?:bpmn|json|yaml|toml|eml)", word):
            (folder / word).parent.mkdir(parents=True, exist_ok=True)
            (folder / word).touch()
        elif re.fullmatch(r"[\w-]+", word) and not (folder / word).exists():
            (folder / word).mkdir()
    command = ours()
    while hasattr(command, "commands"):
        assert words[0] in command.commands, call.words
        command = command.commands[words.pop(0)]
    command.make_context("zeebe-connectors", words)


def check_make(call: Call, _: Path) -> None:
    """A target of the Makefile beside the page, or of the project's."""
    own = call.page.parent / "Makefile"
    files = [own] if own.is_file() else [ROOT / "Makefile", ROOT / "examples" / "weather" / "Makefile"]
    targets = {found for file in files for found in re.findall(r"^([a-z-]+):", file.read_text("utf-8"), re.MULTILINE)}
    assert set(call.words[1:]) <= targets, call.words


def check_pip(call: Call, _: Path) -> None:
    """Extras that exist, of this package."""
    assert call.words[1] == "install"
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    for word in call.words[2:]:
        name, _, rest = word.partition("[")
        assert name in {"zeebe-connectors", "pytest"}, f"{word}: what is installed from elsewhere?"
        assert set(filter(None, rest.strip("]").split(","))) <= set(extras), word


def check_export(call: Call, _: Path) -> None:
    check_setting(call.words[1].partition("=")[0])


def check_curl(call: Call, _: Path) -> None:
    """A call that a test makes too."""
    (url,) = [word for word in call.words if word.startswith("http://")]
    path = re.sub(r"\d{16}", "{", url.partition("://")[2].partition("/")[2])
    start = "/" + path.partition("{")[0].partition("@")[0]
    start = (start.rpartition("/")[0] if "@" in path else start).rstrip("/")
    tests = "".join((ROOT / file).read_text("utf-8") for file in ELSEWHERE)
    noun = start.removeprefix("/v2/").removesuffix("/search")
    assert f'"{noun}' in tests or f"{noun}/" in tests or start in tests, f"no test calls {start}"


def check_compose(call: Call, _: Path) -> None:
    """Services of the file."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    assert call.words[1] == "compose"
    named = [word for word in call.words[2:] if not word.startswith("-")]
    assert named[0] in {"up", "down", "logs", "run"}
    assert set(named[1:2]) <= set(services)


def check_python(call: Call, _: Path) -> None:
    """A script or module of the repository; or the making of a virtual environment."""
    if call.words[1:3] in (["-m", "venv"], ["-m", "pytest"]):
        assert all((ROOT / word).exists() for word in call.words[3:] if word.startswith("tests/"))
        return
    file = ROOT / (call.words[2].replace(".", "/") + ".py" if call.words[1] == "-m" else call.words[1])
    text = file.read_text("utf-8")
    assert all(f'"{word}"' in text for word in call.words if word.startswith("--")), call.words


def nothing(_call: Call, _folder: Path) -> None:
    """A shell's own command, or a tool of the system."""


PROGRAMS: dict[str, Callable[[Call, Path], None]] = {
    "zeebe-connectors": check_ours,
    "make": check_make,
    "pip": check_pip,
    "export": check_export,
    "curl": check_curl,
    "docker": check_compose,
    "python": check_python,
    "python3": check_python,
    ".venv/bin/python": check_python,
    "cd": nothing,
    "mkdir": nothing,
    "cp": nothing,
    ".": nothing,
}


@pytest.mark.parametrize("block", of("console"))
def test_commands_exist_as_they_are_written(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs, options, targets, extras, settings, services and addresses."""
    monkeypatch.chdir(tmp_path)
    found = list(calls(block))
    assert found, "a console block has a command, after `$ `"
    for call in found:
        assert call.words[0] in PROGRAMS, f"give a check for {call.words[0]}, or the block a reason"
        PROGRAMS[call.words[0]](call, tmp_path)


def test_commands_within_sentences_exist_too() -> None:
    """With every option that is named."""
    found = 0
    for page in PAGES:
        text = FENCE.sub("", page.read_text("utf-8"))
        for code in re.findall(r"`zeebe-connectors ([^`]+)`", text):
            here = ours()
            words = code.replace("\n", " ").split()
            while words and hasattr(here, "commands"):
                name = words.pop(0)
                assert name in here.commands, f"{page.name}: zeebe-connectors {code}"
                here = here.commands[name]
            options = {option for parameter in here.params for option in parameter.opts}
            wrong = {word for word in words if re.match(r"--[a-z]", word)} - options
            assert wrong == set(), f"{page.name}: zeebe-connectors {code}"
            found += 1
    assert found > 40


# --- code


def test_expressions_are_read() -> None:
    """The whole block, or one on each line."""
    for block in BLOCKS:
        if block.language == "feel" and not block.reason:
            code = re.sub(r"\s+// .*$", "", block.code.strip(), flags=re.MULTILINE)
            try:
                feel.compile(code.removeprefix("="))
            except feel.FeelSyntaxError:
                for line in code.splitlines():
                    feel.compile(line.removeprefix("="))


@pytest.mark.parametrize("block", of("json"))
def test_a_sample_fits_its_connector(block: Block) -> None:
    """What the page says to try is by the names of the connector's inputs."""
    connector = installed().outbound[block.page.stem]
    given = json.loads(block.code)
    assert given
    assert set(given) <= set(connector.variables), "the connector has no such inputs"


@pytest.mark.parametrize("block", of("toml"))
def test_toml_means_something(block: Block, tmp_path: Path) -> None:
    """Sources are read as such; the README's entry point is held by tests/test_readme.py."""
    values = tomllib.loads(block.code)
    if block.page.name == "inbound.md":
        (tmp_path / "sources.toml").write_text(block.code)
        (element,) = read_sources(tmp_path / "sources.toml")
        assert element.properties
    elif block.page.name == "secrets.md":
        assert all(set(policy) <= {"hosts", "processes"} for policy in values["secret-policy"].values())
    else:
        assert set(values) == {"project"}


@pytest.mark.parametrize("block", of("yaml"))
def test_providers_are_valid(block: Block) -> None:
    """A whole file, or a part of a provider."""
    values = yaml.safe_load(textwrap.dedent(block.code))
    if "providers" in values:
        for provider in values["providers"].values():
            Provider.model_validate(provider)
    else:
        Provider.model_validate(
            {"protocol": "https", "environments": {"test": {"url": "https://a.example.com/"}}, **values}
        )


@pytest.mark.parametrize("block", of("ini"))
def test_settings_exist(block: Block) -> None:
    """Lines of an environment; or a unit of systemd, whose command is ours."""
    if block.code.startswith("["):
        unit = configparser.ConfigParser()
        unit.read_string(block.code)
        assert unit["Service"]["ExecStart"].endswith("/zeebe-connectors run")
        return
    lines = [line for line in block.code.splitlines() if not line.startswith("#")]
    assert lines
    for line in lines:
        check_setting(line.partition("=")[0])


@pytest.mark.parametrize("block", of("sql"))
def test_statements_are_taken(block: Block) -> None:
    with sqlite3.connect(":memory:") as database:
        database.execute(block.code)
    database.close()


@cache
def installed() -> Registry:
    """Loaded once."""
    return Registry.installed()


def namespace(block: Block) -> dict[str, Any]:
    names: dict[str, Any] = {"Reply": Reply}
    exec(compile(block.code, str(block), "exec"), names)
    return names


PYTHON = {
    one.code.partition("(")[0].removeprefix("def "): one
    for one in BLOCKS
    if one.page.name == "engine.md" and one.language == "python"
}
HEAD = (
    '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" id="d" targetNamespace="t" '
    'xmlns:zeebe="http://camunda.org/schema/zeebe/1.0">'
)


def test_python_stands_in_pages_that_run_it() -> None:
    """The README quotes the example (tests/test_readme.py); the rest runs below."""
    assert {one.page.name for one in BLOCKS if one.language == "python"} == {"README.md", "engine.md"}
    assert set(PYTHON) == {"test_an_order_is_paid", "test_the_customer_gets_a_mail"}


def test_the_first_test_of_the_local_engine_s_page(
    zeebe_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it stands, with the diagram that it speaks of."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "order.bpmn").write_text(
        f"""{HEAD}<message id="m" name="shipped"><extensionElements>
        <zeebe:subscription correlationKey="=orderId"/></extensionElements></message>
        <process id="order" isExecutable="true"><startEvent id="ordered"/>
        <sequenceFlow id="a" sourceRef="ordered" targetRef="pay"/>
        <serviceTask id="pay"><extensionElements><zeebe:taskDefinition type="payment"/><zeebe:ioMapping>
        <zeebe:input source="=total * 100" target="cents"/></zeebe:ioMapping></extensionElements></serviceTask>
        <sequenceFlow id="b" sourceRef="pay" targetRef="shipped"/>
        <intermediateCatchEvent id="shipped"><messageEventDefinition id="e" messageRef="m"/></intermediateCatchEvent>
        <sequenceFlow id="c" sourceRef="shipped" targetRef="done"/><endEvent id="done"/></process></definitions>"""
    )
    namespace(PYTHON["test_an_order_is_paid"])["test_an_order_is_paid"](zeebe_engine)


def test_the_second_test_of_the_local_engine_s_page(
    zeebe_engine: Engine,
    zeebe_mail: MailServer,
    zeebe_web: HttpServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the connectors that it names."""
    monkeypatch.chdir(tmp_path)
    rest, smtp = "io.camunda:http-json:1", "io.github.zeebe-connectors:smtp:1"
    (tmp_path / "order.bpmn").write_text(
        f"""{HEAD}<process id="order" isExecutable="true"><startEvent id="s"/>
        <sequenceFlow id="a" sourceRef="s" targetRef="get"/>
        <serviceTask id="get"><extensionElements><zeebe:taskDefinition type="{rest}"/><zeebe:ioMapping>
        <zeebe:input source="GET" target="method"/></zeebe:ioMapping><zeebe:taskHeaders>
        <zeebe:header key="resultExpression" value="={{customer: response.body.customer}}"/></zeebe:taskHeaders>
        </extensionElements></serviceTask>
        <sequenceFlow id="b" sourceRef="get" targetRef="mail"/>
        <serviceTask id="mail"><extensionElements><zeebe:taskDefinition type="{smtp}"/><zeebe:ioMapping>
        <zeebe:input source="127.0.0.1" target="host"/><zeebe:input source="=smtpPort" target="port"/>
        <zeebe:input source="none" target="security"/><zeebe:input source="shop@example.test" target="from"/>
        <zeebe:input source="=customer" target="to"/><zeebe:input source="x" target="text"/>
        </zeebe:ioMapping></extensionElements></serviceTask>
        <sequenceFlow id="c" sourceRef="mail" targetRef="e"/><endEvent id="e"/></process></definitions>"""
    )
    function = namespace(PYTHON["test_the_customer_gets_a_mail"])["test_the_customer_gets_a_mail"]
    zeebe_mail.clear()  # it serves the whole session
    function(zeebe_engine, zeebe_mail, zeebe_web)
