"""Find the elements that wait for events, in diagrams and in a sources file; a broken one does not affect others."""

from __future__ import annotations

import hashlib
import json
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from zeebe_connectors import feel
from zeebe_connectors.config.environment import SettingsError
from zeebe_connectors.runtime.diagrams.reading import DiagramError, diagram_files, parsed, version_tag_of
from zeebe_connectors.sdk.durations import parse_duration
from zeebe_connectors.sdk.provided import PROVIDER

Kind = Literal["start", "message-start", "catch"]
TYPE = "inbound.type"
DEFAULT_TTL = 3600.0

_BPMN = "{http://www.omg.org/spec/BPMN/20100524/MODEL}"
_ZEEBE = "{http://camunda.org/schema/zeebe/1.0}"
_WAITING = {
    f"{_BPMN}startEvent",
    f"{_BPMN}intermediateCatchEvent",
    f"{_BPMN}boundaryEvent",
    f"{_BPMN}receiveTask",
}
_RUNTIME = {  # properties that the runtime reads; all others are the connector's
    TYPE, "activationCondition", "inbound.activationCondition", "consumeUnmatchedEvents", "correlationRequired",
    "correlationKeyExpression", "messageIdExpression", "messageTtl", "resultVariable", "resultExpression",
    "deduplicationMode", "deduplicationId", "deduplicationModeManualFlag", "synchronousResponse",
}  # fmt: skip


class DiscoveryError(ValueError):
    """A diagram or a sources file cannot be read; the message has the file, the reason and the remedy."""


class SourcesError(DiscoveryError, SettingsError):
    """The sources file cannot be used; it counts as one of the operator's settings."""


@dataclass(frozen=True, slots=True)
class Element:
    """One place that waits for events: a start event, a catching event, a boundary event or a receive task.

    Args:
        process: BPMN process id; empty when only a message is published.
        id: The element's id.
        kind: `start` creates an instance, `message-start` publishes with an optional key, `catch` with a key.
        type: Type of the inbound connector.
        properties: The connector's own properties, by dotted name.
        message: Name of the message.
        version: Version of the process to start; -1 is the latest.
        version_tag: The modeler's name for this version; empty without one.
    """

    process: str
    id: str
    kind: Kind
    type: str
    properties: Mapping[str, Any] = field(repr=False)
    message: str = ""
    version: int = -1
    version_tag: str = ""
    tenant: str = ""
    condition: str = ""
    consume_unmatched: bool = False
    correlation_key: str = ""
    message_id: str = ""
    time_to_live: float | None = None
    result: Mapping[str, str] = field(default_factory=dict)
    """`resultVariable` and `resultExpression`."""
    deduplication: str = ""
    """How the modeler wants to share a source: an id, `AUTO`, or empty for a source of its own."""

    def fingerprint(self) -> str:
        """Returns a digest of the connector's properties: elements with the same digest may share one source."""
        what: list[Any] = [self.type, sorted(self.properties.items())]
        if self.version_tag and PROVIDER in self.properties:  # the tag may choose the provider's environment
            what.append(self.version_tag)
        text = json.dumps(what, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Source:
    """One thing to watch, and the elements that want its events.

    Args:
        name: Stable over restarts and versions; identifies the source in the ledger.
    """

    name: str
    elements: Sequence[Element]

    @property
    def type(self) -> str:
        """Type of the inbound connector."""
        return self.elements[0].type

    def input(self) -> dict[str, Any]:
        """Returns the connector's raw input, with dotted names as nested objects.

        Raises:
            DiscoveryError: Two names contradict each other.
        """
        return nested(self.elements[0].properties)


@dataclass(slots=True)
class Found:
    """The elements that were found, and problems with those that cannot be used."""

    elements: list[Element] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    hints: list[str] = field(default_factory=list)
    """What the operator should know although nothing is wrong."""
    by_process: dict[str, list[str]] = field(default_factory=dict)
    """The problems that concern one process, by its id."""
    processes: set[str] = field(default_factory=set)
    """The ids of the processes that the file holds."""

    def problems_of(self, process: str) -> list[str]:
        """Returns the problems of one process of a file and those of the whole file; without an id, all."""
        others = {text for name, texts in self.by_process.items() if name != process for text in texts}
        return [text for text in self.problems if not process or text not in others]


def nested(properties: Mapping[str, Any]) -> dict[str, Any]:
    """Turns `a.b = 1` into `{"a": {"b": 1}}`; nested values stay as they are.

    Raises:
        DiscoveryError: Two names contradict each other.
    """
    result: dict[str, Any] = {}
    for name, value in properties.items():
        *path, last = name.split(".")
        target = result
        for part in path:
            target = target.setdefault(part, {})
            if not isinstance(target, dict):
                raise DiscoveryError(f"the properties {name!r} and {part!r} contradict each other; remove one of them")
        if isinstance(target.get(last), dict) and not isinstance(value, dict):
            raise DiscoveryError(f"the property {name!r} is both a value and a group; remove one of them")
        target[last] = value
    return result


def read_diagram(xml: bytes, *, version: int = -1, tenant: str = "") -> Found:
    """Finds the waiting elements of a BPMN file.

    Args:
        xml: The file.
        version: Version of the deployed process, if known.
        tenant: Tenant of the process.

    Raises:
        DiscoveryError: It is not a BPMN file.
    """
    root = _parsed(xml)
    messages = {m.get("id", ""): m.get("name", "") for m in root.iter(f"{_BPMN}message")}
    found = Found()
    for process in root.iter(f"{_BPMN}process"):
        found.processes.add(process.get("id", ""))
        if process.get("isExecutable") != "true":
            continue
        for node, parent in _waiting(process):
            properties = _properties(node)
            if not properties.get(TYPE):
                continue
            where = f"{process.get('id')}/{node.get('id')}"
            try:
                kind, message = _shape(node, parent, messages)
                found.elements.append(
                    element(
                        properties,
                        process=process.get("id", ""),
                        id=node.get("id", ""),
                        kind=kind,
                        message=message,
                        version=version,
                        version_tag=version_tag_of(process) or "",
                        tenant=tenant,
                    )
                )
            except DiscoveryError as error:
                found.problems.append(f"{where}: {error}")
                found.by_process.setdefault(process.get("id", ""), []).append(found.problems[-1])
    return found


def _waiting(process: ET.Element) -> Iterator[tuple[ET.Element, ET.Element]]:
    for parent in process.iter():
        for node in parent:
            if node.tag in _WAITING:
                yield node, parent


def _properties(node: ET.Element) -> dict[str, str]:
    """Returns the element's `zeebe:property` values; the first of a name counts, and empty ones are ignored."""
    found: dict[str, str] = {}
    for item in node.findall(f"{_BPMN}extensionElements/{_ZEEBE}properties/{_ZEEBE}property"):
        name, value = item.get("name", ""), item.get("value")
        if value is not None:
            found.setdefault(name, value)
    return found


def _shape(node: ET.Element, parent: ET.Element, messages: Mapping[str, str]) -> tuple[Kind, str]:
    definition = node.find(f"{_BPMN}messageEventDefinition")
    reference = node.get("messageRef") if node.tag == f"{_BPMN}receiveTask" else None
    if definition is not None:
        reference = definition.get("messageRef")
    inside = parent.tag != f"{_BPMN}process"
    if node.tag == f"{_BPMN}startEvent" and definition is None:
        if inside or any(child.tag.endswith("EventDefinition") for child in node):
            raise DiscoveryError("only a plain or a message start event of the process can be started from outside")
        return "start", ""
    reference = reference or ""
    # A reference is a qualified name: some tools write the prefix of the file's own namespace in front.
    name = _fixed(messages.get(reference) or messages.get(reference.rpartition(":")[2]) or "")
    if not name.strip():
        raise DiscoveryError("the element has no message with a name; choose or create one in the Modeler")
    return ("message-start" if node.tag == f"{_BPMN}startEvent" and not inside else "catch"), name


def _fixed(name: str) -> str:
    """Returns the name of a message as the engine knows it: an expression is evaluated.

    Raises:
        DiscoveryError: It depends on variables, which only a running instance has.
    """
    if not name.startswith("="):
        return name
    try:
        value = feel.compile(name[1:]).run({}, limits=feel.QUICK_LIMITS).value
    except feel.FeelError as error:
        raise DiscoveryError(f"the name of the element's message is not FEEL: {error}") from None
    if not isinstance(value, str) or not value:
        raise DiscoveryError(
            "the name of the element's message is an expression whose value only a running instance knows; give the "
            "message a fixed name in the Modeler"
        )
    return value


def reached(xml: bytes, process: str) -> tuple[list[str], set[str]]:
    """Returns what reaches a process of a BPMN file from outside, whether or not a connector is chosen there.

    Args:
        xml: The file.
        process: The process's id.

    Returns:
        The messages of its start events (an empty text for a plain one), and the names of all messages that it waits
        for. A name that is an expression is known only to a running instance. Both are empty when the file cannot be
        read.
    """
    try:
        root = _parsed(xml)
    except DiscoveryError:
        return [], set()
    messages = {m.get("id", ""): m.get("name", "") for m in root.iter(f"{_BPMN}message")}
    starts: list[str] = []
    names: set[str] = set()
    for one in root.iter(f"{_BPMN}process"):
        if one.get("id") != process:
            continue
        for node, parent in _waiting(one):
            try:
                kind, message = _shape(node, parent, messages)
            except DiscoveryError:
                continue
            if message:
                names.add(message)
            if kind in {"start", "message-start"}:
                starts.append(message)
    return starts, names


def _parsed(xml: bytes) -> ET.Element:
    """Parses a BPMN file; returns its root.

    Raises:
        DiscoveryError: It is not a BPMN file.
    """
    try:
        return parsed(xml)
    except DiagramError as error:
        raise DiscoveryError(str(error)) from None


def element(
    properties: Mapping[str, Any],
    *,
    process: str,
    id: str,  # noqa: A002 - the field's name
    kind: Kind,
    message: str = "",
    version: int = -1,
    version_tag: str = "",
    tenant: str = "",
) -> Element:
    """Sorts an element's properties into the runtime's and the connector's.

    Raises:
        DiscoveryError: One of the runtime's properties is wrong.
    """

    def text(name: str) -> str:
        value = properties.get(name)
        return ("" if value is None else str(value).lower() if isinstance(value, bool) else str(value)).strip()

    key = text("correlationKeyExpression")
    if kind == "catch" and not key:
        raise DiscoveryError("correlationKeyExpression is missing; fill in 'Correlation key (payload)'")
    ttl = None
    if text("messageTtl"):
        try:
            ttl = parse_duration(text("messageTtl"))
        except ValueError as error:
            raise DiscoveryError(f"messageTtl {error}") from None
    mode = text("deduplicationMode")
    if mode not in {"", "AUTO", "MANUAL"}:
        raise DiscoveryError("deduplicationMode must be AUTO or MANUAL")
    if mode == "MANUAL" and not text("deduplicationId"):
        raise DiscoveryError("deduplicationId is missing; fill it in or let the deduplication be automatic")
    return Element(
        process=process,
        id=id,
        kind=kind,
        type=text(TYPE),
        properties={name: value for name, value in properties.items() if name not in _RUNTIME},
        message=message,
        version=version,
        version_tag=version_tag,
        tenant=tenant,
        condition=text("activationCondition") or text("inbound.activationCondition"),
        consume_unmatched=text("consumeUnmatchedEvents").casefold() == "true",
        correlation_key=key,
        message_id=text("messageIdExpression"),
        time_to_live=ttl,
        result={name: text(name) for name in ("resultVariable", "resultExpression") if text(name)},
        deduplication=f"id:{text('deduplicationId')}" if mode == "MANUAL" else mode,
    )


def group(elements: Iterable[Element]) -> tuple[list[Source], list[str]]:
    """Groups elements that share a source; returns the sources, and problems with the other elements.

    Args:
        elements: The elements, those of the latest versions first.
    """
    groups: dict[tuple[str, ...], list[Element]] = {}
    for item in _without_copies(elements):
        share = item.deduplication
        if share == "AUTO":
            share = item.fingerprint()
        groups.setdefault((_tenant(item), item.process, share or f"element:{item.id}"), []).append(item)
    sources: dict[str, Source] = {}
    problems = []
    for (tenant, process, share), members in groups.items():
        alike: dict[str, list[Element]] = {}
        for item in members:
            alike.setdefault(item.fingerprint(), []).append(item)
        if any(item.version == members[0].version and item.fingerprint() not in list(alike)[:1] for item in members):
            ids = ", ".join(item.id for item in members)
            problems.append(
                f"{process}: the elements {ids} share the deduplication id {share[3:]!r} but have different settings; "
                "make them equal or give each its own id"
            )
            continue
        last = share[3:] if share.startswith("id:") else members[0].id
        prefix = f"{tenant}:" if tenant else ""
        for fingerprint, same in alike.items():
            name = f"{prefix}{process}#{last}" if process else f"{prefix}{last}"
            # Older versions with other settings have sources of their own beside the latest version's.
            name = f"{name}~{fingerprint[:8]}" if name in sources else name
            sources[name] = Source(name, same)
    return list(sources.values()), problems


def _tenant(item: Element) -> str:
    return "" if item.tenant == "<default>" else item.tenant


def _without_copies(elements: Iterable[Element]) -> list[Element]:
    """Leaves out duplicate start events: a diagram in the folder may be deployed as well."""
    newest: list[Element] = []
    starts: dict[tuple[str, ...], int] = {}
    for item in elements:
        key = (_tenant(item), item.process, item.id)
        if item.kind == "catch" or not item.process or key not in starts:
            starts[key] = len(newest)
            newest.append(item)
        elif item.version > newest[starts[key]].version:
            newest[starts[key]] = item
    return newest


def read_folder(folder: Path) -> Found:
    """Finds the waiting elements of all diagrams below a folder; a file that cannot be read becomes a problem."""
    found = Found()
    for path in diagram_files(folder):
        try:
            one = read_diagram(path.read_bytes())
        except (OSError, DiscoveryError) as error:
            found.problems.append(f"{path.name}: {error}")
            continue
        found.elements += one.elements
        found.problems += [f"{path.name}: {problem}" for problem in one.problems]
    return found


def read_sources(file: Path) -> list[Element]:
    """Reads sources that need no diagram from a TOML file.

    ```toml
    [orders]                                   # the source's name
    type = "io.camunda:connector-email-inbound:1"
    process = "order"                          # starts an instance of it; or: message = "order-mail"
    resultExpression = "={subject: subject}"
    [orders.data.imapConfig]                   # everything else is the connector's
    imapHost = "imap.example.com"
    ```

    Raises:
        SourcesError: Names the file, the source and what is wrong.
    """
    try:
        tables = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise SourcesError(f"{file}: {error}") from None
    elements = []
    for name, table in tables.items():
        where = f"{file}: [{name}]"
        if not isinstance(table, dict) or not table.get("type"):
            raise SourcesError(f"{where} needs a type, such as type = 'io.camunda:connector-email-inbound:1'")
        for key in ("type", "process", "message"):
            if not isinstance(table.get(key, ""), str):
                raise SourcesError(f"{where}: {key} must be text")
        process, message = table.pop("process", "").strip(), table.pop("message", "").strip()
        if bool(process) == bool(message):
            raise SourcesError(f"{where} needs either process (to start it) or message (to publish it)")
        table[TYPE] = table.pop("type")
        flat = dict(_flat(table))
        kind: Kind = "message-start" if message else "start"
        try:
            elements.append(element(flat, process=process, id=name, kind=kind, message=message))
        except DiscoveryError as error:
            raise SourcesError(f"{where}: {error}") from None
    return elements


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
