"""The house holds: rooms import only from rooms to their left, connectors only the public package."""

from __future__ import annotations

import ast
import gc
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import zeebe_connectors

ROOT = Path(zeebe_connectors.__file__).parent
# Left to right; rooms in one group do not know one another, but for the pairs below.
ORDER = [
    {"feel", "rpc", "sdk"},
    {"net"},
    {"web"},
    {"mail"},
    {"config"},
    {"templates", "runtime"},
    {"engine", "admin"},
    {"testing"},
    {"cli"},
]
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
# A connector imports the public package, its own folder, and these rooms that were made for connectors.
FOR_CONNECTORS = {"net", "web", "mail", "sdk"}
# The one module that may import a library, so that another could take its place.
ONE_PLACE = {
    "grpc": "nowhere: gRPC is spoken by rpc/",
    "hpack": "rpc/header_blocks.py",
    "pyzeebe": "rpc/gateway_protocol.py",
    "aioimaplib": "mail/imap",
    "zeep": "connectors/soap/wsdl.py",
    "psycopg": "runtime/ledger/postgresql.py",
}
EXCEPTIONS = {
    ("connectors", "psycopg"): "the connector sql runs PostgreSQL's statements on it, in connectors/sql/postgres.py",
}


@cache
def tree_of(path: Path) -> ast.Module:
    """A module's syntax tree; parsed once for all tests."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


@cache
def modules() -> list[tuple[Path, str, list[str]]]:
    """Each module with its room and what it imports; read once, and without looking for garbage in trees that stay."""
    gc.disable()
    try:
        return list(_read())
    finally:
        gc.enable()


def _read() -> Iterator[tuple[Path, str, list[str]]]:
    for path in sorted(ROOT.rglob("*.py")):
        relative = path.relative_to(ROOT)
        imported = []
        for node in ast.walk(tree_of(relative)):
            if isinstance(node, ast.Import):
                imported += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{relative}: imports are absolute"
                imported += [node.module or ""]
                imported += [f"{node.module}.{alias.name}" for alias in node.names if node.module == "zeebe_connectors"]
        yield relative, relative.parts[0] if len(relative.parts) > 1 else "", imported


def test_rooms_import_only_from_their_left() -> None:
    """feel, rpc, sdk < net < web < mail < config < templates, runtime < admin < testing < cli."""
    wrong = []
    for path, room, imported in modules():
        if room in {"", "connectors"}:
            continue
        assert room in RANK, f"{room} is a new room: give it a place in ORDER"
        for name in imported:
            parts = name.split(".")
            if parts[0] != "zeebe_connectors" or len(parts) < 2:
                continue
            other = parts[1]
            if other in RANK and other != room and RANK[other] >= RANK[room] and (room, other) not in EXCEPTIONS:
                wrong.append(f"{path} imports {name}")
            if other == "connectors" and room != "cli":
                wrong.append(f"{path} imports {name}: the core finds connectors through the registry")
    assert not wrong, "\n".join(wrong)


def test_the_engine_knows_feel_and_rpc_only() -> None:
    """The engine is independent of the runtime that it serves, as a cluster is."""
    wrong = [
        f"{path} imports {name}"
        for path, room, imported in modules()
        for name in imported
        if room == "engine"
        and name.startswith("zeebe_connectors.")
        and name.split(".")[1] not in {"engine", "feel", "rpc"}
    ]
    assert not [one for one in wrong if not one.endswith("_version")], "\n".join(wrong)


def test_connectors_import_the_public_package_only() -> None:
    """A third party's connector can do whatever ours do."""
    wrong = []
    for path, room, imported in modules():
        if room != "connectors":
            continue
        for name in imported:
            parts = name.split(".")
            if parts[0] != "zeebe_connectors" or len(parts) < 2:
                continue
            own = parts[1] == "connectors" and len(parts) > 2 and parts[2] == path.parts[1]
            public = parts[1] in zeebe_connectors.__all__ or parts[1] in FOR_CONNECTORS
            if not (own or public):
                wrong.append(f"{path} imports {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(("library", "place"), ONE_PLACE.items())
def test_a_library_is_known_in_one_place(library: str, place: str) -> None:
    """What stands behind one room can be replaced."""
    knowing = [
        str(path)
        for path, room, imported in modules()
        if any(name.split(".")[0] == library for name in imported) and (room, library) not in EXCEPTIONS
    ]
    assert [path for path in knowing if not path.startswith(place)] == []


def test_public_names_are_what_they_say() -> None:
    """`__all__` is sorted and importable."""
    assert sorted(zeebe_connectors.__all__) == zeebe_connectors.__all__
    for name in zeebe_connectors.__all__:
        assert hasattr(zeebe_connectors, name)


NO_VERBS = {
    "A",
    "All",
    "An",
    "Documents",
    "Errors",
    "Events",
    "How",
    "It",
    "Mails",
    "Options",
    "Our",
    "The",
    "This",
    "What",
}


def test_every_module_says_what_it_does() -> None:
    """A newcomer learns from the first line of each file, which begins with a verb and follows no formula."""
    for path, _, _ in modules():
        tree = tree_of(path)
        docstring = ast.get_docstring(tree)
        assert docstring, f"{path} has no docstring"
        first = docstring.partition("\n\n")[0]
        assert not re.search(r"\bgo(es)? (in|into)\b.*\bcomes? out\b", first), f"{path}: say what the module does"
        word = re.match(r"[A-Z][a-z]+\b", first)
        assert word is not None, f"{path}: begin with a verb: what does the module do, and for whom?"
        assert word[0] not in NO_VERBS, f"{path}: begin with a verb, not with {word[0]}"


PAGE = (ROOT.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
MAX_LINES = 500


def section(title: str) -> str:
    """The text below a heading of the architecture page."""
    return PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports within functions and for types count as well: a circle is a boundary that nobody has drawn."""
    names = {
        ".".join(("zeebe_connectors", *path.with_suffix("").parts)).removesuffix(".__init__"): imported
        for path, _, imported in modules_in_full()
    }
    graph = {
        name: {other for other in imported if other in names and other != name} for name, imported in names.items()
    }
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " -> ".join((*path[path.index(name) :], name))
        if name not in done:
            for other in sorted(graph[name]):
                visit(other, (*path, name))
            done.add(name)

    for name in graph:
        visit(name, ())


def modules_in_full() -> Iterator[tuple[Path, str, list[str]]]:
    """As `modules`, with what is imported from a package named by its module; type-checking imports left out."""
    for path in sorted(ROOT.rglob("*.py")):
        tree = tree_of(path.relative_to(ROOT))
        for_types = {
            id(inner)
            for node in ast.walk(tree)
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
            for inner in ast.walk(node)
        }
        imported = []
        for node in ast.walk(tree):
            if id(node) in for_types:
                continue
            if isinstance(node, ast.Import):
                imported += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    full = ROOT.parent.joinpath(*node.module.split("."), alias.name)
                    is_module = full.with_suffix(".py").exists() or (full / "__init__.py").exists()
                    imported.append(f"{node.module}.{alias.name}" if is_module else node.module)
        yield path.relative_to(ROOT), "", imported


def test_a_long_module_has_its_reason() -> None:
    """A module that nobody can read in one sitting is split, or the architecture page says why not."""
    excused = set(re.findall(r"^\| `([\w/]+\.py)` \|", section("Modules of more than 500 lines"), re.MULTILINE))
    long = {
        path.as_posix()
        for path, _, _ in modules()
        if len((ROOT / path).read_text(encoding="utf-8").splitlines()) > MAX_LINES
    }
    assert long <= excused, f"longer than {MAX_LINES} lines: split them, or give docs/architecture.md the reason"
    assert excused <= long, "the architecture page gives a reason for a module that is not long"


@pytest.mark.parametrize("title", ["The path of a job", "The path of a mail"])
def test_the_ways_lead_through_functions_that_exist(title: str) -> None:
    """A newcomer can follow a job and a mail from the wire to the wire."""
    text = section(title)
    steps = re.findall(r"`([\w/]+\.py)`((?:[^`]*`[\w.]+`(?!\.py))*)", text)
    assert len(steps) > 10
    wrong = []
    for file, rest in steps:
        known = defined(ROOT / file)
        wrong += [
            f"{file}: {name}"
            for name in re.findall(r"`([A-Za-z_][\w.]*)`", rest)
            if not name.endswith(".py")
            and ("." in name or name.islower())
            and name not in known
            and name not in HEADERS
        ]
    assert not wrong, "\n".join(wrong)


HEADERS = {"retryBackoff", "jobTimeout", "resultVariable", "resultExpression", "errorExpression"}


def defined(file: Path) -> set[str]:
    """Functions and classes of a module, methods with their class."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{inner.name}"
                for inner in node.body
                if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)
            }
    return found


def test_files_named_on_the_page_exist() -> None:
    """The glossary, the ways and the table of questions lead to files."""
    files = set(re.findall(r"`([\w/]+\.py)`", PAGE))
    assert len(files) > 40
    assert [file for file in sorted(files) if not (ROOT / file).exists() and file != "tests/test_architecture.py"] == []


def test_the_glossary_is_no_longer_than_it_needs_to_be() -> None:
    """Each word once, each with its file."""
    words = re.findall(r"^\| ([a-z -]+) \| .+ \| `[\w/]+\.py` \|$", section("The words"), re.MULTILINE)
    assert 15 <= len(words) <= 30
    assert len(set(words)) == len(words)


BESIDE_THE_ROOMS = {"docs", "examples", "integration", "modeler", "servers"}
"""Folders of tests that mirror no room: of what stands beside src/, across rooms, and of what tests share."""


def test_tests_mirror_the_rooms() -> None:
    """Who reads a room finds its tests at the same path; those across rooms are in tests/integration."""
    tests = Path(__file__).parent
    folders = {path.relative_to(tests).parts[0] for path in tests.rglob("test_*.py") if path.parent != tests}
    astray = [folder for folder in sorted(folders - BESIDE_THE_ROOMS) if not (ROOT / folder).is_dir()]
    assert not astray, f"no such room in src: {astray}"


WORDS = {
    "told": "what it is: reported, message, detail",
    "said": "what it is: message, detail, reported",
    "asked": "what it is: request, body, checked_at",
    "kept": "what it is: cached, stored, recorded",
    "begun": "started",
    "mend": "the change or the remedy",
    "mended": "changed",
    "most": "max_…, maximum, or what it is the greatest of",
    "longest": "max_…",
    "largest": "max_…",
    "let_go": "discard",
    "done_with": "discard_on_success",
    "set_aside": "quarantine",
    "put_aside": "quarantine",
    "worth_a_line": "should_log",
    "inbounds": "inbound_services",
}
"""Words that are no names here, each with what is used instead."""


def names_of(tree: ast.AST) -> Iterator[str]:
    """Every name that a module gives: functions, classes, parameters, variables and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


def test_a_name_is_a_word_of_the_field() -> None:
    """One meaning each, and the one that others use for it; a connector calls its input what it is, not `given`."""
    wrong = set()
    for path, room, _ in modules():
        tree = tree_of(path)
        for name in names_of(tree):
            word = name.strip("_").lower()
            if word in WORDS or word.startswith(("most_", "longest_", "largest_")):
                wrong.add(f"{path}: {name}: call it {WORDS.get(word, 'max_…')}")
        if room == "connectors":
            for node in ast.walk(tree):
                if isinstance(node, ast.AsyncFunctionDef) and node.decorator_list:
                    wrong |= {f"{path}: {node.name}(given)" for argument in node.args.args if argument.arg == "given"}
    assert not wrong, "\n".join(sorted(wrong))
