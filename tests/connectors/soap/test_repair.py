"""A WSDL with parts that cannot be used imports the rest, and says what was left out, where and why."""

from __future__ import annotations

import pytest
from lxml import etree

from zeebe_connectors import PermanentError
from zeebe_connectors.connectors.soap.wsdl import Wsdl, load
from zeebe_connectors.connectors.soap.wsdl_documents import WsdlDocuments, gather

LOCATION = "file:///srv/orders.wsdl"
START = """<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:xsd="http://www.w3.org/2001/XMLSchema"
 xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:t="urn:t" targetNamespace="urn:t">"""
TYPES = '<xsd:element name="A" type="xsd:string"/>'
MESSAGES = '<message name="m"><part name="p" element="t:A"/></message>'
OPERATION = '<operation name="Op"><input message="t:m"/><output message="t:m"/></operation>'
BODY = '<soap:body use="literal"/>'
BOUND = f'<operation name="Op"><soap:operation soapAction=""/><input>{BODY}</input><output>{BODY}</output></operation>'
ADDRESS = '<soap:address location="http://localhost/"/>'


def wsdl(
    *,
    types: str = TYPES,
    messages: str = MESSAGES,
    operations: str = OPERATION,
    bound: str = BOUND,
    port_type: str = "t:P",
    address: str = ADDRESS,
    style: str = "document",
    more: str = "",
) -> Wsdl:
    text = (
        f'{START}<types><xsd:schema targetNamespace="urn:t">{types}</xsd:schema></types>{messages}'
        f'<portType name="P">{operations}</portType><binding name="B" type="{port_type}">'
        f'<soap:binding style="{style}" transport="http://schemas.xmlsoap.org/soap/http"/>{bound}</binding>{more}'
        f'<service name="S"><port name="p" binding="t:B">{address}</port></service></definitions>'
    ).encode()
    return load(WsdlDocuments(LOCATION, {LOCATION: text}, {LOCATION: etree.fromstring(text)}))


def names(found: Wsdl) -> list[str]:
    return [operation.name for operation in found.operations]


def other(name: str, inside: str = '<input message="t:m"/><output message="t:m"/>') -> str:
    return f'<operation name="{name}">{inside}</operation>'


def bound(name: str, header: str = "") -> str:
    return BOUND.replace('"Op"', f'"{name}"').replace(f"<input>{BODY}", f"<input>{header}{BODY}")


def test_a_whole_wsdl_is_left_as_it_is() -> None:
    found = wsdl()
    assert names(found) == ["Op"]
    assert found.skipped == ()


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"operations": OPERATION + other("Note", '<output message="t:m"/>'), "bound": BOUND + bound("Note")},
            "operation Note (orders.wsdl, line 2): it has no input",
        ),
        (
            {
                "operations": OPERATION + other("Bad"),
                "bound": BOUND + bound("Bad", '<soap:header message="t:none" part="x" use="literal"/>'),
            },
            "operation Bad (orders.wsdl, line 2): its header needs the message t:none",
        ),
        (
            {
                "operations": OPERATION + other("Bad"),
                "bound": BOUND + bound("Bad", '<soap:header message="t:m" part="x" use="literal"/>'),
            },
            "its header needs the part x of the message t:m",
        ),
        (
            {"operations": OPERATION + other("Bad", '<input message="t:gone"/>'), "bound": BOUND + bound("Bad")},
            "its input needs the message t:gone",
        ),
        ({"bound": BOUND + bound("Stranger")}, "operation Stranger (orders.wsdl, line 2): the portType P has no such"),
        (
            {"types": TYPES + '<xsd:complexType name="U"><xsd:sequence><xsd:element name="x" type="t:No"/>'
             "</xsd:sequence></xsd:complexType>"},
            "type U (orders.wsdl, line 2): refers to the type t:No ({urn:t}No), which no schema defines",
        ),
        (
            {"types": TYPES + '<xsd:element name="U"><xsd:complexType><xsd:sequence><xsd:element ref="t:No"/>'
             "</xsd:sequence></xsd:complexType></xsd:element>"},
            "element U (orders.wsdl, line 2): refers to the element t:No",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_left_out_with_its_reason(changes: dict[str, str], reason: str) -> None:
    found = wsdl(**changes)
    assert names(found) == ["Op"]
    assert any(reason in skipped for skipped in found.skipped), found.skipped


def test_what_needs_a_broken_type_goes_with_it() -> None:
    """The element of the type, the message of the element, the operation of the message."""
    broken = (
        '<xsd:complexType name="T"><xsd:sequence><xsd:element name="x" type="t:No"/></xsd:sequence></xsd:complexType>'
        '<xsd:element name="E" type="t:T"/>'
    )
    found = wsdl(
        types=TYPES + broken,
        messages=MESSAGES + '<message name="e"><part name="p" element="t:E"/></message>',
        operations=OPERATION + other("Bad", '<input message="t:e"/>'),
        bound=BOUND + bound("Bad"),
    )
    assert names(found) == ["Op"]
    assert len(found.skipped) == 3


@pytest.mark.parametrize("address", ["", "<documentation>later</documentation>"])
def test_a_port_without_address_imports(address: str) -> None:
    """The task may give its own."""
    found = wsdl(address=address)
    assert names(found) == ["Op"]
    assert found.operations[0].address == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"port_type": "t:Q"}, "orders.wsdl: binding B (orders.wsdl, line 2): its portType t:Q is not defined"),
        ({"bound": bound("Op", '<soap:header message="t:none" part="x" use="literal"/>')}, "message t:none"),
    ],
)
def test_a_wsdl_of_which_nothing_is_left_is_refused_by_file_and_place(changes: dict[str, str], reason: str) -> None:
    with pytest.raises(PermanentError) as refused:
        wsdl(**changes)
    assert reason in refused.value.message
    for word in ("Error", "NoneType", "body.wsdl", "Traceback"):
        assert word not in refused.value.message


@pytest.mark.parametrize(("namespace", "wrapper"), [("", "{urn:t}Op"), ('namespace=""', "{urn:t}Op"),
                                                    ('namespace="urn:x"', "{urn:x}Op")])  # fmt: skip
def test_the_element_of_an_rpc_operation_has_a_namespace(namespace: str, wrapper: str) -> None:
    """The WSDL's own where none is given, as other tools do."""
    messages = '<message name="m"><part name="p" type="xsd:string"/></message>'
    found = wsdl(messages=messages, style="rpc", bound=BOUND.replace("use=", f"{namespace} use="))
    assert found.operations[0].input.wrapper == wrapper


def test_html_stays_out_of_descriptions() -> None:
    text = "&lt;p&gt;Places an &lt;b class='x'&gt;order&lt;/b&gt;.&lt;br/&gt;5 &lt; 6&lt;/p&gt;"
    found = wsdl(operations=OPERATION.replace("<input", f"<documentation>{text}</documentation><input"))
    assert found.operations[0].documentation == "Places an order . 5 < 6"


TWO = {"operations": OPERATION + other("Bad", '<input message="t:n"/>'), "bound": BOUND + bound("Bad")}
UNUSED = '<xsd:complexType name="U"><xsd:sequence>{}</xsd:sequence></xsd:complexType>'


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {**TWO, "messages": MESSAGES + '<message name="n"><part name="p" element="zz:X"/></message>'},
            "operation Bad (orders.wsdl, line 2): its input needs the element zz:X",
        ),
        (
            {**TWO, "messages": MESSAGES + '<message name="n"><part name="p"/></message>'},
            "operation Bad (orders.wsdl, line 2): its input needs the part p of the message t:n, which has no element",
        ),
        (
            {"operations": OPERATION + other("Bad", "<input/>"), "bound": BOUND + bound("Bad")},
            "operation Bad (orders.wsdl, line 2): its input needs the message (none)",
        ),
        (
            {"operations": OPERATION.replace("</operation>", '<fault name="f" message="t:z"/></operation>')},
            "fault f of operation Op (orders.wsdl, line 2): it needs the message t:z",
        ),
        (
            {"more": '<service name="S2"><port name="q"/></service>'},
            "port q (orders.wsdl, line 2): it names no binding",
        ),
        (
            {"types": TYPES + UNUSED.format('<xsd:element type="xsd:string"/>')},
            "type U (orders.wsdl, line 2): holds an element with neither name nor ref",
        ),
        (
            {"types": TYPES + UNUSED.format('<xsd:element name="a" type="xsd:string" maxOccurs="many"/>')},
            "type U (orders.wsdl, line 2): has maxOccurs='many', which is not a number",
        ),
        (
            {"types": TYPES + UNUSED.format('<xsd:element name="a" type="xsd:strin"/>')},
            "type U (orders.wsdl, line 2): refers to the type xsd:strin",
        ),
    ],
)
def test_what_no_tool_reads_costs_itself_alone(changes, reason) -> None:
    found = wsdl(**changes)
    assert names(found) == ["Op"]
    assert [text for text in found.skipped if text.startswith(reason)] != [], found.skipped


def test_the_attributes_of_xml_itself_need_no_import() -> None:
    found = wsdl(
        types='<xsd:element name="A"><xsd:complexType><xsd:attribute ref="xml:lang"/></xsd:complexType></xsd:element>'
    )
    assert names(found) == ["Op"]
    assert found.skipped == ()


@pytest.mark.parametrize(
    ("types", "reason"),
    [
        ('<xsd:element name="" type="xsd:string"/>', "element (orders.wsdl"),
        ('<xsd:element name="http://x" type="xsd:string"/>', "has no name that can be referred to"),
        ("<xsd:complexType><xsd:sequence/></xsd:complexType>", "has no name that can be referred to"),
        ('<xsd:element name="B" type=""/>', "which no schema defines"),
        ('<xsd:element name="B" type="Unprefixed"/>', "which no schema defines"),
        ('<xsd:simpleType name="B"/>', "says neither restriction nor list nor union"),
        ('<xsd:complexType name="B"><xsd:complexContent/></xsd:complexType>', "neither extension nor restriction"),
        (
            '<xsd:complexType name="B"><xsd:complexContent><xsd:extension/></xsd:complexContent></xsd:complexType>',
            "names no base",
        ),
        ('<xsd:complexType name="B"><xsd:sequence/><xsd:choice/></xsd:complexType>', "two contents"),
        (
            '<xsd:group name="B"><xsd:sequence><xsd:element name="t:x" type="xsd:int"/></xsd:sequence></xsd:group>',
            "has no name that can be referred to",
        ),
    ],
)
def test_a_type_that_nobody_needs_may_be_wrong(types: str, reason: str) -> None:
    """It is left out with its reason, and the operation imports."""
    found = wsdl(types=TYPES + types)
    assert names(found) == ["Op"]
    assert any(reason in each and "orders.wsdl" in each for each in found.skipped), found.skipped


@pytest.mark.parametrize("name", ["", " ", "x y", "t:m2"])
def test_parts_of_a_wsdl_without_a_usable_name(name: str) -> None:
    found = wsdl(messages=MESSAGES + f'<message name="{name}"><part name="p" element="t:A"/></message>')
    assert names(found) == ["Op"]
    found = wsdl(operations=OPERATION + other(name), bound=BOUND + bound(name))
    assert "Op" in names(found)


def test_a_header_without_a_use_and_a_binding_without_its_input() -> None:
    header = '<soap:header message="t:m" part="p"/>'
    found = wsdl(operations=OPERATION + other("Other"), bound=BOUND + bound("Other", header))
    assert names(found) == ["Op", "Other"]
    found = wsdl(
        operations=OPERATION + other("Other"), bound=BOUND + '<operation name="Other"><soap:operation/></operation>'
    )
    assert names(found) == ["Op"]
    assert any("how its input is written" in each for each in found.skipped)


def test_ports_that_do_not_speak_soap_over_http_are_told() -> None:
    """Also one whose binding is not there; no transport at all means HTTP."""
    queue = (
        '<binding name="Q" type="t:P"><soap:binding transport="http://schemas.xmlsoap.org/soap/jms"/></binding>'
        '<service name="T"><port name="q" binding="t:Q"/><port name="n" binding="t:None"/></service>'
    )
    found = wsdl(more=queue)
    assert names(found) == ["Op"]
    assert "port q: speaks SOAP over http://schemas.xmlsoap.org/soap/jms, not over HTTP" in found.skipped
    assert "port n: its binding t:None is not defined" in found.skipped


def test_what_stays_wrong_after_the_repair_is_told_too() -> None:
    with pytest.raises(PermanentError) as raised:
        wsdl(messages="")
    assert "orders.wsdl" in raised.value.message
    assert "t:m" in raised.value.message


@pytest.mark.parametrize(
    "types",
    [
        TYPES + "<xsd:frobnicate/>",
        TYPES + '<x:note xmlns:x="urn:x"/>',
        '<xsd:element name="A"><xsd:complexType><xsd:sequence/><xsd:assert test="1"/></xsd:complexType></xsd:element>',
    ],
)
def test_what_schemas_of_1_0_do_not_have_is_passed_over(types: str) -> None:
    assert names(wsdl(types=types)) == ["Op"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b'<description xmlns="http://www.w3.org/ns/wsdl"/>', "WSDL 2.0"),
        (b"<html><body>Sign in</body></html>", "is a page, not a WSDL"),
        (b'<schema xmlns="http://www.w3.org/2001/XMLSchema"/>', "is a schema, not a WSDL"),
        (b"<feed/>", "is neither WSDL nor schema: its outermost element is feed"),
    ],
)
async def test_what_is_no_wsdl_is_called_what_it_is(text: bytes, words: str) -> None:
    async def fetch(address: str) -> bytes:
        return text

    with pytest.raises(PermanentError) as raised:
        load(await gather(LOCATION, fetch))
    assert words in raised.value.message
