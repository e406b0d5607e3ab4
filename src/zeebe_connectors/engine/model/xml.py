"""Parse a diagram's XML safely, and find parts in it for the readers."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element as Node

BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
ZEEBE = "{http://camunda.org/schema/zeebe/1.0}"


class XmlError(Exception):
    """The text is not acceptable XML; the message says where and why."""


class _WithoutDoctype(ET.TreeBuilder):
    """Refuses a document type: a diagram needs none, and entities in one can grow without bound."""

    def doctype(self, name: str, pubid: str | None, system: str | None) -> None:  # noqa: ARG002 - the parser's signature
        raise XmlError("a document type declaration is not allowed")


def parse(content: bytes) -> Node:
    """Parse a document and return its root.

    Raises:
        XmlError: It is not well-formed, or declares a document type.
    """
    try:
        return ET.fromstring(content, ET.XMLParser(target=_WithoutDoctype()))  # noqa: S314 - no doctype, so no entities
    except ET.ParseError as error:
        raise XmlError(str(error)) from None
    except (ValueError, LookupError) as error:  # an unknown encoding, an invalid byte
        raise XmlError(str(error)) from None


def bpmn_name(node: Node) -> str | None:
    """Return the local name of a BPMN element; None for an element of another namespace."""
    tag = node.tag
    return tag[len(BPMN) :] if isinstance(tag, str) and tag.startswith(BPMN) else None


def bpmn_children(node: Node) -> Iterator[tuple[str, Node]]:
    """Yield the children that are BPMN elements, with their local names."""
    for child in node:
        name = bpmn_name(child)
        if name is not None:
            yield name, child


def text_of(node: Node | None) -> str:
    """Return the text of an element without spaces around it."""
    return (node.text or "").strip() if node is not None else ""


def extension(node: Node, name: str) -> Node | None:
    """Return the first zeebe extension element of this name."""
    return node.find(f"{BPMN}extensionElements/{ZEEBE}{name}")


def extensions(node: Node, name: str) -> list[Node]:
    """Return all zeebe extension elements of this name."""
    return node.findall(f"{BPMN}extensionElements/{ZEEBE}{name}")
