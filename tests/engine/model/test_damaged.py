"""Damaged diagrams are refused with a reason, or accepted; nothing else is raised."""

from __future__ import annotations

import random
from xml.etree import ElementTree as ET

import pytest
from tests.engine.model.judged import DIAGRAMS

from zeebe_connectors.engine import Engine, InvalidResourceError, Rejection, RejectionCode, read_processes

NAMES = sorted(DIAGRAMS)
HEAD = '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL">'


def damaged(content: bytes, chance: random.Random) -> bytes:
    """A document that lost an attribute or an element, or has another's in its place."""
    root = ET.fromstring(content)
    for _ in range(chance.randint(1, 3)):
        node = chance.choice(list(root.iter()))
        if node.attrib and chance.random() < 0.6:
            name = chance.choice(sorted(node.attrib))
            if chance.random() < 0.5:
                del node.attrib[name]
            else:
                node.attrib[name] = chance.choice(
                    ["", "=", "=1 +", "p", "start", "0", "\u00e4 \u00f6", "=null", "true"]
                )
        elif len(node):
            child = chance.choice(list(node))
            if chance.random() < 0.5:
                node.remove(child)
            else:
                node.append(child)
        else:
            node.text = chance.choice(["", "=", "R", "nonsense"])
    return ET.tostring(root)


def reasons(content: bytes):
    """Why a document is refused; None when it is not."""
    try:
        read_processes(content)
    except InvalidResourceError as refused:
        return refused.problems
    return None


@pytest.mark.parametrize("seed", range(10))
def test_damaged_diagrams(seed) -> None:
    chance = random.Random(seed)
    for name in NAMES:
        content = damaged(DIAGRAMS[name], chance)
        if reasons(content) is not None:
            assert reasons(content)
            continue
        try:  # what is accepted can be deployed and begun, or says why not
            engine = Engine()
            engine.scheduler = lambda: None  # some loop without end now
            for definition in engine.deploy([("d.bpmn", content)]).processes:
                engine.create_instance(definition.bpmn_process_id)
                engine.flow.run(0.05)
            assert not [found for found in engine.queries.incidents() if found.type == "UNKNOWN"]
        except Rejection as rejection:
            code = rejection.code
        else:
            code = None
        assert code in {None, RejectionCode.INVALID_ARGUMENT, RejectionCode.INVALID_STATE}


@pytest.mark.parametrize("levels", [100, 101, 5000])
def test_sub_processes_may_be_nested_only_so_deep(levels) -> None:
    inside = "".join(f'<subProcess id="b{level}"><startEvent id="s{level}"/>' for level in range(levels))
    begin = '<process id="p" isExecutable="true"><startEvent id="s"/>'
    content = HEAD + f"{begin}{inside}{'</subProcess>' * levels}</process></definitions>"
    found = reasons(content.encode())
    assert found is None if levels == 100 else "100 levels" in str(found)


@pytest.mark.parametrize("content", [b"", b"<", b"<a/>", b"\x00", b"text", "<\u00e4/>".encode("utf-16"), b"<a>" * 5000])
def test_what_is_no_diagram(content) -> None:
    with pytest.raises(InvalidResourceError):
        read_processes(content)
