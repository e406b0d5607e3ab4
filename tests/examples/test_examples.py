"""The examples are packages as a third party would write them; so is what `zeebe-connectors new` writes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from zeebe_connectors.cli.commands import add_parts, app

EXAMPLES = Path(__file__).parents[2] / "examples"
COPIED = shutil.ignore_patterns("__pycache__", ".mypy_cache", ".pytest_cache", "*.egg-info", ".venv")
COMMANDS = {
    "types": ("mypy",),
    "tests": ("pytest", "-q", "-p", "no:cacheprovider"),
    "rules": ("zeebe_connectors", "template", "check"),
}


@pytest.fixture(scope="module")
def analysed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Mypy's cache: what the packages import is analysed once, and not at all after `make types`."""
    cache = tmp_path_factory.mktemp("mypy")
    if (known := EXAMPLES.parent / ".mypy_cache").is_dir():
        shutil.copytree(known, cache, dirs_exist_ok=True)
    return cache


def carry_out(package: Path, where: Path, name: str, analysed: Path) -> None:
    """What the package's `make test` does, with the package installed by pip but without asking an index."""
    pip = (
        "pip",
        "install",
        "--quiet",
        "--no-compile",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--target",
        str(where),
        ".",
    )
    path = os.pathsep.join([str(where), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    for what, command in {"installation": pip, **COMMANDS}.items():
        named = (name,) if what == "rules" else ()
        done = subprocess.run(
            [sys.executable, "-m", *command, *named],
            cwd=package,
            env={**os.environ, "PYTHONPATH": path, "MYPY_CACHE_DIR": str(analysed)} if what != "installation" else None,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        assert done.returncode == 0, f"{what}: {done.stdout}{done.stderr}"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["weather", "folder-watch"])
def test_an_example_installs_and_holds(name: str, tmp_path: Path, analysed: Path) -> None:
    """Types (mypy strict), tests, and the rules of the project's own connectors."""
    package = tmp_path / name
    shutil.copytree(EXAMPLES / name, package, ignore=COPIED)
    carry_out(package, tmp_path / "installed", name, analysed)


@pytest.mark.slow
def test_the_examples_have_no_errors_in_an_authors_editor(tmp_path: Path) -> None:
    """Pyright, strict, as Visual Studio Code runs it: it sees what mypy does not."""
    folders = [str(EXAMPLES / name / part) for name in ("weather", "folder-watch") for part in ("src", "tests")]
    settings = {"include": folders, "extraPaths": folders, "typeCheckingMode": "strict"}
    (tmp_path / "settings.json").write_text(json.dumps(settings))
    done = subprocess.run(
        [sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable, "--project", "settings.json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert "0 errors, 0 warnings" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(("name", "options"), [("exchange-rates", []), ("scanner-inbox", ["--inbound"])])
def test_a_new_package_is_green_at_once(
    name: str, options: list[str], tmp_path: Path, analysed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of the example's name is left in it."""
    monkeypatch.chdir(tmp_path)
    add_parts()
    written = CliRunner().invoke(app, ["new", name, *options])
    assert written.exit_code == 0, written.output
    assert f"cd {name} && make test" in written.output
    package = tmp_path / name
    # The pip of a new virtual environment, 23 on Python 3.11, knows no dependency groups.
    assert "--group" not in (package / "Makefile").read_text()
    for file in package.rglob("*"):
        assert not any(word in str(file.relative_to(package)) for word in ("weather", "folder_watch", "folder-watch"))
        if file.is_file():
            text = file.read_text(encoding="utf-8").casefold()
            assert not any(word in text for word in ("weather", "folder_watch", "folder-watch")), file
    carry_out(package, tmp_path / "installed", name, analysed)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("Orders", "lower-case words"),
        ("json", "Python has a package 'json' already"),
        ("import", "Python has a package 'import' already"),
        ("zeebe-connectors", "Python has a package 'zeebe_connectors' already"),
        ("taken", "already exists"),
    ],
)
def test_a_name_that_cannot_be_taken(name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused before anything is written."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    add_parts()
    refused = CliRunner().invoke(app, ["new", name], env={"COLUMNS": "200", "TERM": "dumb"})
    assert refused.exit_code == 2
    assert reason in " ".join(refused.output.replace("│", " ").split())
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
