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
    mounts = [mount.split(":") for mount in stack["services"]["connectors"]["volumes"]]
    (volume,) = [mount[1] for mount in mounts if mount[-1] != "ro"]
    made = f"-o 1001 -g 1001 {volume}\n"
    assert made in (ROOT / "Dockerfile").read_text(), "the volume would belong to root, and the runtime does not"
    copied = [line.split()[1:-1] for line in (ROOT / "Dockerfile").read_text().splitlines() if line.startswith("COPY ")]
    for name in (name for names in copied for name in names if not name.startswith("--") and not name.startswith("/")):
        assert (ROOT / name).exists(), f"the Dockerfile copies {name}, which is not there"
        assert f"!{name}" in (ROOT / ".dockerignore").read_text().split(), f"{name} would not be sent to the build"


def test_what_runs_from_our_image_may_do_no_more_than_it_needs() -> None:
    """And each service's health is its own: the image's check asks for the runtime's."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    ours = {name: service for name, service in services.items() if "build" in service}
    assert set(services) - set(ours) == {"zeebe"}
    for name, service in ours.items():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["image"] == "zeebe-connectors:local"
        assert "healthcheck" in service or name == "connectors", f"{name} would be asked for the runtime's health"
    waits = ours["connectors"]["depends_on"]
    assert waits["mail"]["condition"] == "service_healthy"


def test_the_image_has_what_every_connector_may_need() -> None:
    """All extras that need no compiler; a task that asks for NTLM or S/MIME finds it."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (installed,) = re.findall(r"'\.\[([a-z0-9,-]+)\]'", (ROOT / "Dockerfile").read_text())
    (everything,) = re.findall(r"\[([a-z0-9,-]+)\]", extras["all"][0])
    assert set(installed.split(",")) == set(everything.split(","))
