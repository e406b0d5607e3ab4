"""The house holds: rooms import only from rooms to their left, connectors only the public package."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import zeebe_connectors

ROOT = Path(zeebe_connectors.__file__).parent
# Left to right; rooms in one group do not know one another, but for the pairs below.
ORDER = [
    {"feel", "sdk"},
    {"net"},
    {"web"},
    {"mail"},
    {"config"},
    {"templates", "runtime"},
    {"engine", "admin", "testing"},
    {"cli"},
]
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}
# A connector imports the public package, its own folder, and these rooms that were made for connectors.
FOR_CONNECTORS = {"net", "web", "mail", "sdk"}
# The one module that may import a library, so that another could take its place.
ONE_PLACE = {
    "grpc": "runtime/gateway/",
    "pyzeebe": "runtime/gateway/",
    "aioimaplib": "mail/imap",
    "zeep": "connectors/soap/wsdl.py",
    "psycopg": "runtime/ledger/postgresql.py",
}
EXCEPTIONS = {
    ("engine", "pyzeebe"): "the local engine serves the gateway's protocol with pyzeebe's stubs, in engine/gateway.py",
    ("engine", "grpc"): "see above",
}


@cache
def modules() -> list[tuple[Path, str, list[str]]]:
    """Each module with its room and what it imports; read once."""
    return list(_read())


def _read() -> Iterator[tuple[Path, str, list[str]]]:
    for path in sorted(ROOT.rglob("*.py")):
        relative = path.relative_to(ROOT)
        imported = []
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{relative}: imports are absolute"
                imported += [node.module or ""]
                imported += [f"{node.module}.{alias.name}" for alias in node.names if node.module == "zeebe_connectors"]
        yield relative, relative.parts[0] if len(relative.parts) > 1 else "", imported


def test_rooms_import_only_from_their_left() -> None:
    """feel, sdk < net < web < mail < config < templates, runtime < engine, admin, testing < cli."""
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


def test_every_module_says_what_goes_in_and_out() -> None:
    """A newcomer learns from the first line of each file."""
    for path, _, _ in modules():
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        assert ast.get_docstring(tree), f"{path} has no docstring"
