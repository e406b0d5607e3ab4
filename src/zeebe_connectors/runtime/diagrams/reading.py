"""Read one BPMN file: its processes, their version tags, and what each element's own texts hold literally.

Only marks are kept of a text (the secrets that it names, whether it holds a document or a function), so that a thousand
diagrams need little memory.
"""

from __future__ import annotations

import os.path
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from zeebe_connectors.config.secrets.placeholders import names_in
from zeebe_connectors.sdk.document import TYPE_KEY

BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
ZEEBE = "{http://camunda.org/schema/zeebe/1.0}"
MAX_DIAGRAM = 16 * 1024 * 1024
"""Maximum bytes of one BPMN file."""
FUNCTION_KEY = "camunda.function.type"


_HAS_DOCTYPE = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?(?:\s+|<\?.*?\?>|<!--.*?-->)*+<!DOCTYPE", re.DOTALL)
"""A document type definition stands before the first element; further on it is text, such as an HTML page in CDATA."""


class DiagramError(ValueError):
    """A BPMN file cannot be read; the message gives the reason and the remedy."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What the source text of one input mapping holds literally.

    Args:
        secrets: Names of the secrets for which it holds a placeholder.
        documents: Whether it holds a document reference.
        functions: Whether it holds a function object.
    """

    secrets: frozenset[str] = frozenset()
    documents: bool = False
    functions: bool = False


_NONE = Marks()


@dataclass(slots=True)
class Place:
    """What the modeler wrote for one input target or a part of it: a tree by the names in the target.

    Args:
        marks: What the mapping to this target itself holds.
        below: Parts with mappings of their own, which override the mapping above.
    """

    marks: Marks = _NONE
    below: dict[str, Place] = field(default_factory=dict)
    whole = False

    def at(self, name: str) -> Place:
        """Returns the place of a part: its own, or this one's if the part has no mapping of its own."""
        return self.below.get(name) or (Place(self.marks) if self.below else self)

    def item(self) -> Place:
        """Returns the place of a list's items."""
        return Place(self.marks) if self.below else self

    def allows(self, name: str) -> bool:
        """Returns whether the modeler wrote the placeholder of this secret here."""
        return name in self.marks.secrets


@dataclass(frozen=True, slots=True)
class Element:
    """One element of a process.

    Args:
        place: The root of its inputs.
    """

    place: Place


@dataclass(frozen=True, slots=True)
class ProcessText:
    """One process of a diagram.

    Args:
        id: BPMN process id.
        version_tag: The modeler's name for this version; None without one.
        elements: Elements by id; an element without inputs grants nothing.
    """

    id: str
    version_tag: str | None
    elements: Mapping[str, Element]


@dataclass(frozen=True, slots=True)
class Diagram:
    """One BPMN file, its processes by id."""

    processes: Mapping[str, ProcessText]


def diagram_files(folder: Path) -> list[Path]:
    """Returns the BPMN files below a folder, by name.

    Hidden files and folders are passed over: Kubernetes, for example, keeps the versions of mounted files in them. A
    link that leads nowhere is among the files, so that whoever reads it reports it.
    """
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() == ".bpmn"
        and (os.path.isfile(path) or not os.path.exists(path))  # noqa: PTH110, PTH113 - pathlib's raise for some links
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    ]


def parsed(xml: bytes) -> ET.Element:
    """Parses a BPMN file; returns its root.

    Raises:
        DiagramError: It is too large, has a document type definition, or is not XML.
    """
    if len(xml) > MAX_DIAGRAM:
        raise DiagramError(f"the diagram is larger than {MAX_DIAGRAM:,} bytes")
    plain = xml.replace(b"\0", b"") if b"\0" in xml[:4] else xml  # UTF-16
    if b"<!DOCTYPE" in plain and _HAS_DOCTYPE.match(plain):
        raise DiagramError("the diagram has a document type definition, which BPMN does not need; remove it")
    if not xml.strip():
        raise DiagramError("it is empty, so it is not XML")
    try:
        return ET.fromstring(xml)  # noqa: S314 - entities were refused above
    except (ET.ParseError, LookupError, ValueError) as error:  # the last two: an encoding that nobody knows
        raise DiagramError(f"it is not XML: {error}") from None


def read(xml: bytes) -> Diagram:
    """Reads a BPMN file.

    Raises:
        DiagramError: It is not a BPMN file.
    """
    root = parsed(xml)
    processes = {}
    for process in root.iter(f"{BPMN}process"):
        name = process.get("id", "")
        elements = {id_: Element(_place(node)) for node in process.iter() if (id_ := node.get("id"))}
        processes[name] = ProcessText(name, version_tag_of(process), elements)
    if not processes:
        raise DiagramError("it holds no process; is it a BPMN file?")
    return Diagram(processes)


def version_tag_of(process: ET.Element) -> str | None:
    """Returns the process's version tag, as the Modeler writes it; None without one."""
    tag = process.find(f"{BPMN}extensionElements/{ZEEBE}versionTag")
    return (tag.get("value") or None) if tag is not None else None


_NOTHING = Place()


def _place(node: ET.Element) -> Place:
    """Returns the inputs of one element; later mappings override earlier ones, as in the engine."""
    inputs = node.findall(f"{BPMN}extensionElements/{ZEEBE}ioMapping/{ZEEBE}input")
    if not inputs:
        return _NOTHING
    top = Place()
    for mapping in inputs:
        *path, last = mapping.get("target", "").split(".")
        where = top
        for part in path:
            where = where.below.setdefault(part, Place(where.marks))
        where.below[last] = Place(marks_of(mapping.get("source", "")))
    return top


def marks_of(text: str) -> Marks:
    """Returns what a text holds literally."""
    if "secrets." not in text and "camunda." not in text:
        return _NONE
    return Marks(names_in(text), TYPE_KEY in text, FUNCTION_KEY in text)
