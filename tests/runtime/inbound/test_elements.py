"""Elements that wait for events are found in diagrams and in the sources file; a broken one stops no other."""

from __future__ import annotations

from dataclasses import replace

import pytest

from zeebe_connectors.runtime.inbound.elements import (
    DiscoveryError,
    Element,
    element,
    group,
    nested,
    read_diagram,
    read_folder,
    read_sources,
)

TYPE = '<zeebe:property name="inbound.type" value="t" />'


def diagram(inside: str, process: str = "p") -> bytes:
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
    xmlns:zeebe="http://camunda.org/schema/zeebe/1.0">
  <bpmn:process id="{process}" isExecutable="true">{inside}</bpmn:process>
  <bpmn:message id="M" name="the message" />
  <bpmn:message id="N" />
</bpmn:definitions>""".encode()


def node(tag: str, id_: str, *properties: str, message: str = "M", attributes: str = "") -> str:
    definition = f'<bpmn:messageEventDefinition messageRef="{message}" />' if message and tag != "receiveTask" else ""
    listed = "".join(properties) or TYPE
    return f"""<bpmn:{tag} id="{id_}" {attributes}><bpmn:extensionElements><zeebe:properties>{listed}
        </zeebe:properties></bpmn:extensionElements>{definition}</bpmn:{tag}>"""


def prop(name: str, value: str) -> str:
    return f'<zeebe:property name="{name}" value="{value}" />'


KEY = prop("correlationKeyExpression", "=id")


def test_every_kind_of_element_is_found_with_its_message():
    found = read_diagram(
        diagram(
            node("startEvent", "plain", message="")
            + node("startEvent", "start")
            + node("intermediateCatchEvent", "catch", TYPE, KEY)
            + node("boundaryEvent", "boundary", TYPE, KEY)
            + node("receiveTask", "receive", TYPE, KEY, attributes='messageRef="M"')
            + f'<bpmn:subProcess id="sub">{node("intermediateCatchEvent", "inner", TYPE, KEY)}</bpmn:subProcess>'
            + "<bpmn:task id='other' />"
        ),
        version=3,
    )
    assert found.problems == []
    assert [(e.id, e.kind, e.message) for e in found.elements] == [
        ("plain", "start", ""),
        ("start", "message-start", "the message"),
        ("catch", "catch", "the message"),
        ("boundary", "catch", "the message"),
        ("receive", "catch", "the message"),
        ("inner", "catch", "the message"),
    ]
    assert {(e.process, e.version, e.type) for e in found.elements} == {("p", 3, "t")}


def test_the_runtimes_properties_and_the_connectors_are_separated():
    properties = [
        TYPE,
        prop("data.a.b", "1"),
        prop("data.a.b", "ignored: the first counts"),
        prop("activationCondition", "=x"),
        prop("consumeUnmatchedEvents", "true"),
        prop("messageTtl", "PT5M"),
        prop("messageIdExpression", "=y"),
        prop("resultVariable", "r"),
        prop("resultExpression", "={}"),
        prop("correlationRequired", "notRequired"),
        KEY,
    ]
    (element,) = read_diagram(diagram(node("startEvent", "s", *properties))).elements
    assert element.properties == {"data.a.b": "1"}
    assert (element.condition, element.consume_unmatched, element.time_to_live) == ("=x", True, 300)
    assert (element.correlation_key, element.message_id) == ("=id", "=y")
    assert element.result == {"resultVariable": "r", "resultExpression": "={}"}


def test_an_event_subprocess_is_reached_by_its_key_like_a_catching_event():
    inner = f'<bpmn:subProcess id="sub" triggeredByEvent="true">{node("startEvent", "s", TYPE, KEY)}</bpmn:subProcess>'
    (element,) = read_diagram(diagram(inner)).elements
    assert element.kind == "catch"


def test_a_broken_element_is_reported_and_the_others_are_used():
    found = read_diagram(
        diagram(
            node("intermediateCatchEvent", "keyless")
            + node("startEvent", "nameless", message="N")
            + node("startEvent", "impatient", TYPE, prop("messageTtl", "soon"))
            + node("startEvent", "odd", TYPE, prop("deduplicationMode", "SOMETIMES"))
            + node("startEvent", "manual", TYPE, prop("deduplicationMode", "MANUAL"))
            + node("startEvent", "good")
        )
    )
    assert [element.id for element in found.elements] == ["good"]
    assert [problem.split(":")[0] for problem in found.problems] == [
        "p/keyless",
        "p/nameless",
        "p/impatient",
        "p/odd",
        "p/manual",
    ]


@pytest.mark.parametrize(
    "xml", [b"no xml", b"<a>", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', b"<a>" + b" " * 17_000_000 + b"</a>"]
)
def test_what_is_no_diagram_is_refused(xml):
    with pytest.raises(DiscoveryError):
        read_diagram(xml)


def test_a_page_of_html_in_a_diagrams_text_is_no_document_type():
    page = b"<bpmn:documentation><![CDATA[<!DOCTYPE html><html><!ENTITY></html>]]></bpmn:documentation>"
    xml = diagram(node("startEvent", "s", TYPE))
    at = xml.index(b"<bpmn:process")
    assert read_diagram(xml[:at] + page + xml[at:]).elements
    before = (
        b"<?xml version='1.0'?><!-- > --><?p <a>?>\n<!DOCTYPE a [<!ENTITY b 'c'>]>" + xml[xml.index(b"<bpmn:def") :]
    )
    with pytest.raises(DiscoveryError, match="document type"):
        read_diagram(before)


def with_message(name: str, reference: str = "M") -> bytes:
    """A diagram in which an element waits for a message of this name."""
    xml = diagram(node("intermediateCatchEvent", "c", TYPE, KEY, message=reference))
    return xml.replace(b'name="the message"', f'name="{name}"'.encode())


@pytest.mark.parametrize(
    ("name", "reference", "found"),
    [
        ("m", "t:M", "m"),
        ("=&quot;m&quot;", "M", "m"),
        ("=&quot;m-&quot; + &quot;x&quot;", "M", "m-x"),
        (" m ", "M", " m "),
    ],
)
def test_a_message_is_the_one_that_the_engine_knows(name, reference, found):
    assert [one.message for one in read_diagram(with_message(name, reference)).elements] == [found]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("=&quot;m-&quot; + orderId", "only a running instance knows"),
        ("=1 +", "not FEEL"),
        ("  ", "no message with a name"),
    ],
)
def test_a_message_without_a_fixed_name_is_reported(name, why):
    """Nothing published under the expression's own text would ever be received."""
    found = read_diagram(with_message(name))
    assert found.elements == []
    assert why in found.problems[0]


def test_a_process_that_is_not_executable_is_passed_over():
    xml = diagram(node("startEvent", "s")).replace(b'isExecutable="true"', b'isExecutable="false"')
    assert read_diagram(xml).elements == []


def test_dotted_names_become_nested_and_contradictions_are_reported():
    assert nested({"a.b": 1, "a.c.d": 2, "e": 3}) == {"a": {"b": 1, "c": {"d": 2}}, "e": 3}
    for contradiction in ({"a": 1, "a.b": 2}, {"a.b": 2, "a": 1}):
        with pytest.raises(DiscoveryError, match="a"):
            nested(contradiction)


def waiting(id_: str, deduplication: str = "", process: str = "p", **properties: str) -> Element:
    return Element(process, id_, "start", "t", properties, deduplication=deduplication)


def test_elements_share_a_source_as_the_modeler_says():
    sources, problems = group(
        [
            waiting("own", host="a"),
            waiting("auto1", "AUTO", host="a"),
            waiting("auto2", "AUTO", host="a"),
            waiting("auto3", "AUTO", host="b"),
            waiting("named1", "id:box", host="a"),
            waiting("named2", "id:box", host="a"),
            waiting("elsewhere", "id:box", "q", host="a"),
            waiting("clash1", "id:clash", host="a"),
            waiting("clash2", "id:clash", host="b"),
        ]
    )
    assert {source.name: [e.id for e in source.elements] for source in sources} == {
        "p#own": ["own"],
        "p#auto1": ["auto1", "auto2"],
        "p#auto3": ["auto3"],
        "p#box": ["named1", "named2"],
        "q#box": ["elsewhere"],
    }
    assert len(problems) == 1
    assert "clash1, clash2" in problems[0]


def test_a_diagram_in_the_folder_that_is_deployed_as_well_is_watched_once():
    """Two sources would hand each mail over twice."""
    in_folder = Element("p", "e", "message-start", "t", {"host": "a"}, message="m")
    deployed = replace(in_folder, version=3, tenant="<default>", properties={"host": "b"})
    for elements in ([in_folder, deployed], [deployed, in_folder]):
        sources, problems = group(elements)
        assert [(source.name, list(source.elements)) for source in sources] == [("p#e", [deployed])]
        assert problems == []
    waits = [replace(element, kind="catch", properties={}) for element in (in_folder, deployed)]
    ((source,), _) = group(waits)
    assert list(source.elements) == waits  # alike, so an event reaches either through one message


def test_a_source_keeps_its_name_when_its_settings_change():
    """The ledger knows a source by its name: a new password must not hand everything over again."""
    names = [group([waiting("e", "AUTO", password=value)])[0][0].name for value in ("old", "new")]
    assert names[0] == names[1]


def test_a_folder_gives_what_can_be_read_and_tells_the_rest(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.bpmn").write_bytes(diagram(node("startEvent", "a")))
    (tmp_path / "b.bpmn").write_bytes(b"nonsense")
    found = read_folder(tmp_path)
    assert [element.id for element in found.elements] == ["a"]
    assert len(found.problems) == 1
    assert found.problems[0].startswith("b.bpmn: ")


def test_a_folder_is_read_as_it_is_deployed(tmp_path):
    """Whatever the case of an ending, and without what is hidden: mounted files have their versions there."""
    (tmp_path / "..2026_11_27").mkdir()
    (tmp_path / "..2026_11_27" / "a.bpmn").write_bytes(diagram(node("intermediateCatchEvent", "c", TYPE, KEY)))
    (tmp_path / "a.bpmn").symlink_to(tmp_path / "..2026_11_27" / "a.bpmn")
    (tmp_path / "B.BPMN").write_bytes(diagram(node("startEvent", "s", TYPE), "q"))
    (tmp_path / "folder.bpmn").mkdir()
    found = read_folder(tmp_path)
    assert ([element.id for element in found.elements], found.problems) == (["s", "c"], [])


def test_a_link_that_leads_nowhere_harms_no_other_file(tmp_path):
    (tmp_path / "a.bpmn").write_bytes(diagram(node("startEvent", "s", TYPE)))
    (tmp_path / "gone.bpmn").symlink_to(tmp_path / "nowhere")
    (tmp_path / "loop.bpmn").symlink_to(tmp_path / "loop.bpmn")
    (tmp_path / "long.bpmn").symlink_to("x" * 300)  # which pathlib raises for, as for a folder that may not be entered
    found = read_folder(tmp_path)
    assert [element.id for element in found.elements] == ["s"]
    assert [problem.partition(":")[0] for problem in found.problems] == ["gone.bpmn", "long.bpmn", "loop.bpmn"]


def test_sources_need_no_diagram(tmp_path):
    file = tmp_path / "sources.toml"
    file.write_text(
        """
[orders]
type = "t"
process = "order"
resultExpression = "={a: 1}"
data.push = true
[orders.data.imapConfig]
imapHost = "h"
[answers]
type = "t"
message = "answer"
correlationKeyExpression = "=id"
"""
    )
    orders, answers = read_sources(file)
    assert (orders.id, orders.kind, orders.process) == ("orders", "start", "order")
    assert nested(orders.properties) == {"data": {"push": True, "imapConfig": {"imapHost": "h"}}}
    assert (answers.kind, answers.message, answers.correlation_key) == ("message-start", "answer", "=id")
    assert [source.name for source in group([orders, answers])[0]] == ["order#orders", "answers"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[a]\nprocess = 'p'", "needs a type"),
        ("[a]\ntype = 't'", "either process"),
        ("[a]\ntype = 't'\nprocess = 'p'\nmessage = 'm'", "either process"),
        ("[a]\ntype = 't'\nprocess = 'p'\nmessageTtl = 'soon'", "messageTtl"),
        ("nonsense", "sources.toml"),
    ],
)
def test_a_wrong_source_is_reported_with_its_name(tmp_path, text, expected):
    file = tmp_path / "sources.toml"
    file.write_text(text)
    with pytest.raises(DiscoveryError, match=expected):
        read_sources(file)


def test_a_time_to_live_beyond_the_protocols_numbers_is_a_problem_of_its_element() -> None:
    """Sending a message with it would fail for each event."""
    with pytest.raises(DiscoveryError, match="messageTtl must be at most a hundred years"):
        element({"inbound.type": "t", "messageTtl": "P99999999999D"}, process="p", id="e", kind="message-start")


def test_what_a_sources_file_says_is_taken_as_it_is(tmp_path) -> None:
    """A condition that is false holds for nothing; a process has a name, and it is text."""
    file = tmp_path / "sources.toml"
    file.write_text("[a]\ntype = 't'\nprocess = ' p '\nactivationCondition = false", encoding="utf-8")
    (found,) = read_sources(file)
    assert (found.process, found.condition) == ("p", "false")
    for wrong, words in (
        ("type = ['t']\nprocess = 'p'", "type must be text"),
        ("type = 't'\nprocess = 5", "process must be text"),
        ("type = 't'\nmessage = ' '", "needs either process"),
    ):
        file.write_text(f"[a]\n{wrong}", encoding="utf-8")
        with pytest.raises(DiscoveryError, match=words):
            read_sources(file)
