"""Refuse changes to templates whose version was released.

A diagram keeps the version of the template that it was made with, and the Modeler offers an update only when the
version rises. So a released version is fixed but for its words and looks; one that is not released yet may change.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from zeebe_connectors._version import __version__

FILE = Path("docs/released-templates.json")
"""Template id -> version -> digest of what a diagram depends on."""
COMMAND = "make released"
CHANGELOG = Path("CHANGELOG.md")
_LOOKS = {"name", "label", "description", "tooltip", "placeholder", "keywords", "icon", "group", "groups", "$schema"}
"""Keys of a template, its properties and its choices that no diagram depends on; a binding's name is none of them."""


def digest(template: Mapping[str, Any]) -> str:
    """Returns a digest of a template's content, without wording and appearance."""
    text = json.dumps(_without_looks(template), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _without_looks(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: item if key == "binding" else _without_looks(item) for key, item in value.items() if key not in _LOOKS
        }
    return [_without_looks(item) for item in value] if isinstance(value, list) else value


def changed_after_release(templates: Mapping[str, Mapping[str, Any]], root: Path) -> list[str]:
    """Lists the templates that changed after their version was released, with the remedy.

    Args:
        templates: Each template by its file's name.
        root: The project's directory.
    """
    known = _read(root)
    problems = []
    for name, template in templates.items():
        versions = known.get(template["id"], {})
        last = max(map(int, versions), default=0)
        is_changed = versions.get(str(template["version"]), digest(template)) != digest(template)
        if template["version"] < last or is_changed:
            problems.append(
                f"{name}: version {last} is released and the template has changed; set template_version={last + 1} "
                "where the connector is described"
            )
    return problems


def not_recorded(templates: Iterable[Mapping[str, Any]], root: Path) -> list[str]:
    """Lists what is not recorded although the changelog says that this version is released."""
    changelog = root / CHANGELOG
    headings = changelog.read_text(encoding="utf-8").splitlines() if changelog.is_file() else []
    if not any(line.startswith("## ") and __version__ in line for line in headings):
        return []
    known = _read(root)
    missing = [one["id"] for one in templates if str(one["version"]) not in known.get(one["id"], {})]
    problem = (
        f"{CHANGELOG} names the release {__version__}; run `{COMMAND}` to record its templates: {', '.join(missing)}"
    )
    return [problem] if missing else []


def record(templates: Iterable[Mapping[str, Any]], root: Path) -> list[str]:
    """Records the templates' versions as released; returns the new ones, as `id version`."""
    known = _read(root)
    new = []
    for template in templates:
        versions = known.setdefault(template["id"], {})
        version = str(template["version"])
        if version not in versions:
            versions[version] = digest(template)
            new.append(f"{template['id']} {version}")
    (root / FILE).parent.mkdir(parents=True, exist_ok=True)
    (root / FILE).write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return new


def _read(root: Path) -> dict[str, dict[str, str]]:
    path = root / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
