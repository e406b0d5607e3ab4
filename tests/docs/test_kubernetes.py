"""The Kubernetes manifests follow the API's schemas, and set only what the runtime reads."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from zeebe_connectors.config.cluster import NAMES
from zeebe_connectors.config.declared import SETTINGS
from zeebe_connectors.config.environment import Environment
from zeebe_connectors.config.settings import Settings

ROOT = Path(__file__).parents[2]
VERSION = "1.30"
MANIFESTS: list[dict[str, Any]] = list(
    yaml.safe_load_all((ROOT / "examples" / "kubernetes" / "connectors.yaml").read_text("utf-8"))
)


def of(kind: str, name: str = "zeebe-connectors") -> dict[str, Any]:
    (found,) = [one for one in MANIFESTS if one["kind"] == kind and one["metadata"]["name"] == name]
    return found


@pytest.mark.parametrize("manifest", MANIFESTS, ids=lambda one: f"{one['kind']} {one['metadata']['name']}")
def test_a_manifest_follows_the_schema(manifest: dict[str, Any]) -> None:
    """Strictly: a field that Kubernetes does not know is refused."""
    kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_a_field_that_does_not_exist_would_be_refused() -> None:
    manifest = {**of("Service"), "spec": {**of("Service")["spec"], "replicas": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, VERSION, strict=True)


def test_the_settings_exist_and_are_understood(tmp_path: Path) -> None:
    """All of them are declared, and the runtime reads them without complaint."""
    given = {**of("ConfigMap")["data"], **of("Secret")["stringData"]}
    known = {name for setting in SETTINGS for name in setting.names} | {
        name for names in NAMES.values() for name in names
    }
    assert set(given) - known == set()
    folder = given["ZEEBE_CONNECTORS_SECRETS_DIRECTORY"]
    settings = Settings.read(Environment(("manifests", {**given, "ZEEBE_CONNECTORS_SECRETS_DIRECTORY": str(tmp_path)})))
    assert settings.ledger is not None
    assert settings.polling
    container = of("Deployment")["spec"]["template"]["spec"]["containers"][0]
    assert folder in {mount["mountPath"] for mount in container["volumeMounts"]}
    assert of("Deployment")["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > settings.grace


def test_the_pod_is_the_image_s() -> None:
    """User, folder, port and probes are those of the Dockerfile and the server."""
    dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
    pod = of("Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert f"USER {pod['securityContext']['runAsUser']}\n" in dockerfile
    assert f"EXPOSE {container['ports'][0]['containerPort']}\n" in dockerfile
    (data,) = [mount["mountPath"] for mount in container["volumeMounts"] if mount["name"] == "data"]
    assert re.search(rf"ZEEBE_CONNECTORS_DATA={re.escape(data)}$", dockerfile, re.MULTILINE)
    server = (ROOT / "src" / "zeebe_connectors" / "admin" / "server.py").read_text("utf-8")
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert f'"{container[probe]["httpGet"]["path"]}"' in server
