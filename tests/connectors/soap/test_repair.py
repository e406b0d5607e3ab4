"""A WSDL with parts that cannot be used imports the rest, and says what was left out, where and why."""

from __future__ import annotations

import re
from typing import Any

import pytest
from lxml import etree
from tests.servers.soap import SoapServer

from zeebe_connectors import PermanentError, TransientError
from zeebe_connectors.connectors.soap.connector import call as connector
from zeebe_connectors.connectors.soap.operation import write_body
from zeebe_connectors.connectors.soap.operation_template import sample_input, slugs, template_of
from zeebe_connectors.connectors.soap.writer import Writer
from zeebe_connectors.connectors.soap.wsdl import Wsdl, load
from zeebe_connectors.connectors.soap.wsdl_documents import WsdlDocuments, fetcher, gather
from zeebe_connectors.templates.element_template import templates_of
from zeebe_connectors.templates.rules import broken_rules
from zeebe_connectors.testing.servers import Reply
from zeebe_connectors.web import ClientTls
from zeebe_connectors.web.auth import ApiKey, Scheme

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


def fields(operation) -> list[str]:
    return list(sample_input(operation.input))


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


def test_ports_that_do_not_speak_soap_over_http_are_reported() -> None:
    """Also one whose binding is not there; no transport at all means HTTP."""
    queue = (
        '<binding name="Q" type="t:P"><soap:binding transport="http://schemas.xmlsoap.org/soap/jms"/></binding>'
        '<service name="T"><port name="q" binding="t:Q"/><port name="n" binding="t:None"/></service>'
    )
    found = wsdl(more=queue)
    assert names(found) == ["Op"]
    assert "port q: speaks SOAP over http://schemas.xmlsoap.org/soap/jms, not over HTTP" in found.skipped
    assert "port n: its binding t:None is not defined" in found.skipped


def test_what_stays_wrong_after_the_repair_is_reported_too() -> None:
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


TWO_PARTS = '<message name="m"><part name="p" element="t:A"/><part name="file" type="xsd:base64Binary"/></message>'
MULTIPART = (
    '<mime:multipartRelated xmlns:mime="http://schemas.xmlsoap.org/wsdl/mime/"><mime:part>' + BODY + "</mime:part>"
    '<mime:part><mime:content part="file" type="*/*"/></mime:part></mime:multipartRelated>'
)


@pytest.mark.parametrize(
    ("changes", "sent", "reason"),
    [
        ({"bound": BOUND.replace(BODY, "", 1)}, ["A"], ""),
        ({"messages": TWO_PARTS, "bound": BOUND.replace(BODY, MULTIPART)}, ["A"], "attachments file are not sent"),
        ({"messages": TWO_PARTS, "bound": BOUND.replace("<soap:body", '<soap:body parts="p"')}, ["A"], ""),
        ({"bound": BOUND + BOUND}, ["A"], "another one has the same name"),
        ({"bound": BOUND + BOUND.replace('"Op"', '" "')}, ["A"], "it has no name"),
    ],
    ids=["no-body", "multipart", "parts", "overloaded", "nameless"],
)
def test_what_a_binding_leaves_out_is_not_left_out_of_the_request(changes, sent, reason) -> None:
    """Zeep would pass over it, and an empty body would be sent."""
    found = wsdl(**changes)
    assert names(found) == ["Op"]
    assert fields(found.operations[0]) == sent
    assert any(reason in skipped for skipped in found.skipped) == bool(reason)


def loaded(text: str) -> Wsdl:
    return load(WsdlDocuments(LOCATION, {LOCATION: text.encode()}, {LOCATION: etree.fromstring(text)}))


WHOLE = (
    f'{START}<types><xsd:schema targetNamespace="urn:t">{TYPES}</xsd:schema></types>{MESSAGES}'
    f'<portType name="P">{OPERATION}</portType><binding name="B" type="t:P">'
    f'<soap:binding transport="http://schemas.xmlsoap.org/soap/http"/>{BOUND}</binding>'
    f'<service name="S"><port name="p" binding="t:B">{ADDRESS}</port></service></definitions>'
)


def test_a_wsdl_without_a_service_imports() -> None:
    """A task gives the address, as where the port has none."""
    (found,) = loaded(re.sub("<service.*</service>", "", WHOLE)).operations
    assert (found.service, found.port, found.address) == ("B", "B", "")


@pytest.mark.parametrize(
    "attribute",
    [
        'targetNamespace="urn:t"', 'element="t:A"', 'message="t:m"', 'type="t:P"', 'binding="t:B"', 'name="Op"',
        'name="m"', 'use="literal"', 'name="A"', 'transport="http://schemas.xmlsoap.org/soap/http"',
    ],
)  # fmt: skip
def test_blanks_around_names_are_none(attribute: str) -> None:
    """XML Schema collapses them in names, references and URIs."""
    assert attribute in WHOLE
    name, _, value = attribute.partition("=")
    found = loaded(WHOLE.replace(attribute, f'{name}=" {value[1:-1]}\n"'))
    assert (names(found), found.skipped) == (["Op"], ())


OVERLOADED = """<operation name="Op"><input name="First" message="t:m"/><output message="t:m"/></operation>
<operation name="Op"><input name="Second" message="t:other"/><output message="t:m"/></operation>"""
OTHER = '<message name="other"><part name="p" type="xsd:string"/></message>'


@pytest.mark.parametrize(("meant", "sent"), [("First", ["A"]), ("Second", ["p"]), ("", ["A"])])
def test_of_overloaded_operations_the_binding_names_one(meant: str, sent: list[str]) -> None:
    """Zeep would take the last one for each of them."""
    one = BOUND.replace("<input>", f'<input name="{meant}">') if meant else BOUND
    found = wsdl(operations=OVERLOADED, messages=MESSAGES + OTHER, bound=one)
    assert fields(found.operations[0]) == sent
    assert any("operation Op (port type P" in reason for reason in found.skipped)


def test_the_cause_of_a_refusal_is_not_followed_by_its_consequence() -> None:
    with pytest.raises(PermanentError) as raised:
        wsdl(types='<xsd:element name="A" type="t:No"/>')
    assert "t:No" in raised.value.message
    assert "no operation that can be called" not in raised.value.message


async def gathered(text: str, others: dict[str, str]) -> Wsdl:
    documents = {LOCATION: text, **{f"file:///srv/{name}": other for name, other in others.items()}}

    async def fetch(address: str) -> bytes:
        if address not in documents:
            status = 503 if "busy" in address else 404
            raise TransientError("SOAP_WSDL_UNREACHABLE", f"{address} is gone", variables={"status": status})
        return documents[address].encode()

    return load(await gather(LOCATION, fetch))


def with_schema(inside: str) -> str:
    return WHOLE.replace(TYPES, inside)


XSD_START = '<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:t">'


async def test_a_type_may_be_redefined() -> None:
    redefined = (
        '<xsd:redefine schemaLocation="a.xsd"><xsd:complexType name="T"><xsd:complexContent><xsd:extension base="t:T">'
        '<xsd:sequence><xsd:element name="more" type="xsd:int"/></xsd:sequence></xsd:extension></xsd:complexContent>'
        '</xsd:complexType></xsd:redefine><xsd:element name="A" type="t:T"/>'
    )
    plain = (
        f'{XSD_START}<xsd:complexType name="T"><xsd:sequence><xsd:element name="one" type="xsd:int"/></xsd:sequence>'
        "</xsd:complexType></xsd:schema>"
    )
    (operation,) = (await gathered(with_schema(redefined), {"a.xsd": plain})).operations
    assert fields(operation) == ["one", "more"]


@pytest.mark.parametrize("place", ["http://169.254.169.254/a.xsd", "C:\\schemas\\a.xsd", "urn:o:types"])
async def test_an_import_from_elsewhere_is_not_read_and_costs_what_needs_it(server, soap, place: str) -> None:
    """A WSDL on the web may import from its own host; some name places where only their authors have files."""
    elsewhere = f'<xsd:import namespace="urn:o" schemaLocation="{place}"/>'
    server.answer("/svc", Reply(200, with_schema(elsewhere + TYPES).encode()))
    found = load(await fetched(server, soap))
    assert names(found) == ["Op"]
    assert "an import: " in found.skipped[0]
    server.answer(
        "/svc", Reply(200, with_schema(f'{elsewhere}<xsd:element name="A" type="o:T" xmlns:o="urn:o"/>').encode())
    )
    with pytest.raises(PermanentError, match=r"which is not on the WSDL's own host|which a WSDL from there may not"):
        load(await fetched(server, soap))


async def fetched(server: SoapServer, soap: Any, path: str = "/svc", login: Scheme | None = None) -> WsdlDocuments:
    moved: dict[str, str] = {}
    fetch = fetcher(soap.context(), server.url(path), tls=ClientTls(), authentication=login, moved=moved)
    return await gather(server.url(path), fetch, moved=moved)


async def test_what_a_moved_wsdl_imports_is_beside_its_new_place(server, soap) -> None:
    """And an import may be redirected, but not to another host."""
    server.answer("/svc", Reply(302, b"", [("Location", "/real/v2/svc.wsdl")]))
    server.answer("/real/v2/svc.wsdl", Reply(200, with_schema('<xsd:include schemaLocation="../a.xsd"/>').encode()))
    server.answer("/real/a.xsd", Reply(301, b"", [("Location", "/real/b.xsd")]))
    server.answer("/real/b.xsd", Reply(200, f"{XSD_START}{TYPES}</xsd:schema>".encode()))
    assert names(load(await fetched(server, soap))) == ["Op"]
    server.answer("/real/a.xsd", Reply(301, b"", [("Location", server.url("/real/b.xsd", host="localhost"))]))
    with pytest.raises(TransientError, match=r"a\.xsd cannot be read: it redirects to http://localhost"):
        await fetched(server, soap)


async def test_a_key_in_the_query_is_no_part_of_a_wsdls_place(server, soap) -> None:
    """It is no redirect, after which a WSDL that is imported by its own address would be read twice."""
    login = ApiKey(type="apiKey", apiKeyLocation="query", name="key", value="s3cret")
    server.answer(
        "/svc", Reply(200, with_schema(f'<xsd:import namespace="urn:o" schemaLocation="/svc?wsdl"/>{TYPES}').encode())
    )
    found = await fetched(server, soap, "/svc?wsdl", login)
    assert list(found.contents) == [found.location] == [server.url("/svc?wsdl")]
    server.answer("/old", Reply(302, b"", [("Location", "/svc")]))
    found = await fetched(server, soap, "/old", login)
    assert found.location == server.url("/svc")
    assert not any("s3cret" in address for address in found.contents)


@pytest.mark.parametrize("kind", ["import namespace='urn:o'", "include"])
async def test_an_import_that_does_not_exist_costs_what_needs_it(kind: str) -> None:
    """Nothing here; where all need it, it is what the message says. One that is out of reach for now is awaited."""
    found = await gathered(with_schema(f'<xsd:{kind} schemaLocation="gone.xsd"/>{TYPES}'), {})
    assert names(found) == ["Op"]
    assert "gone.xsd is gone" in found.skipped[0]
    with pytest.raises(TransientError, match=r"gone\.xsd is gone"):
        await gathered(with_schema(f'<xsd:{kind} schemaLocation="gone.xsd"/>'), {})
    with pytest.raises(TransientError, match=r"busy\.xsd is gone"):
        await gathered(with_schema(f'<xsd:{kind} schemaLocation="busy.xsd"/>{TYPES}'), {})


@pytest.mark.parametrize("draft", ["1999", "2000/10"])
async def test_the_drafts_of_schemas_are_read_as_the_final_one(draft: str) -> None:
    assert names(await gathered(WHOLE.replace("2001/XMLSchema", f"{draft}/XMLSchema"), {})) == ["Op"]


def test_names_that_a_diagram_cannot_tell_apart_have_inputs_of_their_own() -> None:
    """Of elements, and of an element and an attribute."""
    element = (
        '<xsd:element name="A"><xsd:complexType><xsd:sequence>'
        + "".join(f'<xsd:element name="{name}" type="xsd:string"/>' for name in ("a.b", "a-b", "a_b"))
        + '</xsd:sequence><xsd:attribute name="a_b" type="xsd:int"/></xsd:complexType></xsd:element>'
    )
    (operation,) = wsdl(types=element).operations
    template = template_of(operation, "http://localhost/", templates_of(connector)["soap"]).template
    targets = [item["binding"]["name"] for item in template["properties"] if item["binding"]["type"] == "zeebe:input"]
    inputs = [name for name in targets if name.startswith("body.input.")]
    assert len(inputs) == len(set(inputs)) == 4
    body = etree.Element("Body")
    values = {name.removeprefix("body.input."): "7" if "__" not in name else "8" for name in inputs}
    write_body(operation.input, values, body, Writer())
    assert {etree.QName(each).localname for each in body[0]} == {"a.b", "a-b", "a_b"}
    assert body[0].get("a_b") in {"7", "8"}


def test_a_value_that_is_listed_twice_is_one_choice() -> None:
    listed = "".join(f'<xsd:enumeration value="{value}"/>' for value in ("x", "y", "x"))
    kind = f'<xsd:simpleType><xsd:restriction base="xsd:string">{listed}</xsd:restriction></xsd:simpleType>'
    element = f'<xsd:element name="A"><xsd:complexType><xsd:sequence><xsd:element name="e">{kind}</xsd:element>'
    (operation,) = wsdl(types=f"{element}</xsd:sequence></xsd:complexType></xsd:element>").operations
    assert operation.input.element.type.fields["e"].type.choices == ("x", "y")


BASE = templates_of(connector)["soap"]


def test_each_operation_has_a_template_of_its_own() -> None:
    """Names that differ in capitals or signs, or have no letter that a file name takes, used to share one file."""
    spelled = ("Op", "op", "get-it", "get_it", "\u691c\u7d22", "\u6ce8\u6587")
    found = wsdl(operations="".join(map(other, spelled)), bound="".join(map(bound, spelled)))
    named = slugs(found.operations)
    made = [template_of(one, "http://x/", BASE, slug=named[one.service, one.name]) for one in found.operations]
    files = [one.file for one in made]
    assert files == [
        *("soap-s-op.json", "soap-s-op-2.json", "soap-s-get-it.json", "soap-s-get-it-2.json"),
        *("soap-s.json", "soap-s-2.json"),
    ]
    assert len({one.template["id"] for one in made}) == len({one.template["name"] for one in made}) == 6


def test_an_empty_choice_stands_once_and_infinity_is_no_number_of_a_form() -> None:
    """Either would make a template that the Modeler refuses."""
    choices = (
        '<xsd:restriction base="xsd:string"><xsd:enumeration value=""/><xsd:enumeration value="a"/></xsd:restriction>'
    )
    inside = f'<xsd:element name="e" minOccurs="0"><xsd:simpleType>{choices}</xsd:simpleType></xsd:element>' + "".join(
        f'<xsd:element name="{name}" type="xsd:{kind}" default="{default}"/>'
        for name, kind, default in (("i", "double", "INF"), ("w", "int", "many"), ("n", "int", "5"))
    )
    types = (
        f'<xsd:element name="A"><xsd:complexType><xsd:sequence>{inside}</xsd:sequence></xsd:complexType></xsd:element>'
    )
    template = template_of(wsdl(types=types).operations[0], "http://x/", BASE).template
    assert broken_rules(template) == []
    inputs = {item["binding"].get("name"): item for item in template["properties"]}
    assert [one["value"] for one in inputs["body.input.e"]["choices"]] == ["", "a"]
    assert [inputs[f"body.input.{name}"].get("value") for name in "iwn"] == [None, None, 5]
