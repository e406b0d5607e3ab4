"""Write all generated files, or compare them with the existing ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from zeebe_connectors.config.declared import settings_page
from zeebe_connectors.sdk.connector import Description, Inbound, Outbound
from zeebe_connectors.sdk.outline import outlines_text
from zeebe_connectors.sdk.registry import Registry
from zeebe_connectors.templates.element_template import template_text, templates_of
from zeebe_connectors.templates.error_codes import errors_page
from zeebe_connectors.templates.page import page_of

COMMAND = "make generate"
TEMPLATES = Path("element-templates")
PAGES = Path("docs/connectors")
EXAMPLES = Path("bpmn-examples")
README = Path("README.md")
SETTINGS = Path("docs/settings.md")
ERRORS = Path("docs/errors.md")
OUTLINES = Path("src/zeebe_connectors/connectors/outlines.json")
BEGIN, END = "<!-- connectors -->", "<!-- /connectors -->"


class GenerateError(Exception):
    """The files cannot be generated; the message says why."""


def own_connectors(registry: Registry) -> list[Outbound | Inbound]:
    """Returns the connectors of this project, without those of other installed packages.

    Raises:
        GenerateError: One of ours cannot be loaded, so its files would be lost.
    """
    if registry.unavailable:
        reasons = "; ".join(f"{item.name}: {item.reason}" for item in registry.unavailable.values())
        raise GenerateError(f"not all connectors can be loaded: {reasons}")
    return sorted((item for item in registry.every() if item.is_own), key=lambda item: item.name)


def generated_files(connectors: Iterable[Outbound | Inbound], root: Path) -> dict[Path, str]:
    """Returns every generated file's path, relative to the root, with the text that it must have.

    Args:
        connectors: The connectors.
        root: The project's directory; read for which examples exist and for the readme around the table.
    """
    listed = list(connectors)
    files: dict[Path, str] = {}
    for connector in listed:
        for name, template in templates_of(connector).items():
            files[TEMPLATES / f"{name}.json"] = template_text(template)
        example = EXAMPLES / f"{connector.name}.bpmn"
        there = (root / example).is_file()
        files[PAGES / f"{connector.name}.md"] = page_of(connector, example=f"../../{example}" if there else None)
    files[SETTINGS] = settings_page()
    files[ERRORS] = errors_page(listed)
    files[OUTLINES] = outlines_text(listed)
    files[PAGES / "README.md"] = f"# Connectors\n\n{table_of(listed, pages='')}\n"
    readme = root / README
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    if BEGIN in text and END in text:
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        files[README] = f"{before}{BEGIN}\n{table_of(listed, pages=f'{PAGES}/')}\n{END}{after}"
    return files


def table_of(connectors: Iterable[Description], *, pages: str) -> str:
    """Returns the table of connectors.

    Args:
        connectors: The connectors.
        pages: What stands before a page's file name in a link.
    """
    lines = ["| Connector | What it does | Type |", "| --- | --- | --- |"]
    for connector in connectors:
        also = connector.also if isinstance(connector, Outbound) else ()
        types = "<br>".join(f"`{kind}`" for kind in (connector.type, *also))
        lines.append(f"| [{connector.title}]({pages}{connector.name}.md) | {connector.summary} | {types} |")
    return "\n".join(lines)


def stale_files(files: dict[Path, str], root: Path) -> list[str]:
    """Lists the generated files that are missing, differ, or belong to no connector any more."""
    problems = []
    for path, text in files.items():
        there = root / path
        if not there.is_file():
            problems.append(f"{path} is missing")
        elif there.read_text(encoding="utf-8") != text:
            problems.append(f"{path} is out of date")
    problems += [f"{path} belongs to no connector" for path in orphans(files, root)]
    return problems


def orphans(files: dict[Path, str], root: Path) -> list[Path]:
    """Lists files in the generated directories that belong to no connector."""
    there = [*(root / TEMPLATES).glob("*.json"), *(root / PAGES).glob("*.md")]
    return sorted(path.relative_to(root) for path in there if path.relative_to(root) not in files)


def write_files(files: dict[Path, str], root: Path) -> list[Path]:
    """Writes what differs and removes orphans; returns the paths that changed."""
    changed = []
    for path, text in files.items():
        there = root / path
        if not there.is_file() or there.read_text(encoding="utf-8") != text:
            there.parent.mkdir(parents=True, exist_ok=True)
            there.write_text(text, encoding="utf-8")
            changed.append(path)
    for path in orphans(files, root):
        (root / path).unlink()
        changed.append(path)
    return changed
