"""The container files are valid; no container engine is needed to see it."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent


def tool(name: str, *arguments: str) -> None:
    command = [str(Path(sys.executable).parent / name), *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_compose_file_follows_the_specification() -> None:
    """By the published JSON schema."""
    tool("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")


def test_the_dockerfile_passes_its_linter() -> None:
    """Hadolint, without exceptions."""
    tool("hadolint", "Dockerfile")


def test_the_stack_publishes_on_loopback_only_and_names_what_it_builds() -> None:
    """Nobody's trial run listens to the network."""
    stack = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    for service in stack["services"].values():
        assert all(str(port).startswith("127.0.0.1:") for port in service.get("ports", []))
    (volume,) = [mount.partition(":")[2] for mount in stack["services"]["connectors"]["volumes"]]
    made = f"-o 1001 -g 1001 {volume}\n"
    assert made in (ROOT / "Dockerfile").read_text(), "the volume would belong to root, and the runtime does not"
    copied = [line.split()[1:-1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")]
    for name in (name for names in copied for name in names if not name.startswith("--") and not name.startswith("/")):
        assert (ROOT / name).exists(), f"the Dockerfile copies {name}, which is not there"


def test_the_image_has_what_every_connector_may_need() -> None:
    """All extras that need no compiler; a task that asks for NTLM or S/MIME finds it."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (installed,) = re.findall(r"'\.\[([a-z0-9,-]+)\]'", (ROOT / "Dockerfile").read_text())
    (everything,) = re.findall(r"\[([a-z0-9,-]+)\]", extras["all"][0])
    assert set(installed.split(",")) == set(everything.split(","))
