"""Fetch once, with a package manager, what tests need from elsewhere, and start Java in the way that costs least."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from zeebe_connectors.testing.process import cache_directory

SHORT_LIVED = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx256m")
"""Options of a Java that runs for seconds: what it would compile for long runs costs more than it brings."""


def fetched(name: str, file: str, content: str, command: list[str]) -> Path:
    """A folder of the user's cache into which a package manager fetched what a file names; or the test is skipped."""
    folder = cache_directory() / name
    done = folder / "complete"
    if not done.exists() or done.read_text() != content:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(content)
        try:
            ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=400, check=False)
        except subprocess.TimeoutExpired:
            pytest.skip(f"{command[0]} did not fetch the client in time")
        if ended.returncode:
            pytest.skip(f"{command[0]} cannot fetch the client: {(ended.stdout + ended.stderr).strip()[-300:]}")
        done.write_text(content)
    return folder


def jars(name: str, pom: str) -> tuple[str, Path]:
    """A Java, and the folder of the jars that a pom names, which Maven fetches; or the test is skipped."""
    java, maven = shutil.which("java"), shutil.which("mvn")
    if java is None or maven is None or shutil.which("javac") is None:
        pytest.skip("needs Maven and a JDK")
    command = [maven, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib", "-DincludeScope=runtime"]
    return java, fetched(name, "pom.xml", pom, command) / "lib"
