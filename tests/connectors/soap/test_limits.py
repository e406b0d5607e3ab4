"""WsdlDocuments and values that are made to hang or to fill the memory: read or refused at once, whoever sends them."""

import time

import pytest
from lxml import etree
from tests.servers.soap import envelope

from zeebe_connectors import ConnectorError
from zeebe_connectors.connectors.soap.operation_template import described
from zeebe_connectors.connectors.soap.reader import scalar
from zeebe_connectors.connectors.soap.reply import read
from zeebe_connectors.connectors.soap.untrusted_xml import UntrustedXmlError, parse
from zeebe_connectors.connectors.soap.writer import lexical
from zeebe_connectors.connectors.soap.wsdl import load
from zeebe_connectors.connectors.soap.wsdl_documents import WsdlDocuments

ENTITIES = '<!ENTITY e0 "lol">' + "".join(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, 10))
BOMB = f'<!DOCTYPE a [{ENTITIES}]><a b="&e9;">&e9;</a>'


@pytest.fixture(autouse=True)
def at_once():
    """Nothing here takes seconds."""
    began = time.process_time()
    yield
    assert time.process_time() - began < 5


@pytest.mark.parametrize("huge", [True, False])
@pytest.mark.parametrize(
    "data",
    [
        BOMB.encode(),
        b"\xef\xbb\xbf" + BOMB.encode(),
        b"<!-- a --> <?p i?>\n" + BOMB.encode(),
        BOMB.encode("utf-16"),
        b'<?xml version="1.0" encoding="UTF-7"?>' + BOMB.replace("<", "+ADw-").replace("&", "+ACY-").encode(),
    ],
    ids=["plain", "mark", "after comments", "utf-16", "utf-7"],
)
def test_entities(data, huge):
    """Entities are not unfolded, in no encoding."""
    with pytest.raises(UntrustedXmlError):
        parse(data, huge=huge)


@pytest.mark.parametrize("before", [b"<!-- a -->", b"<?a b?>", b"<!-- a -->\n<?a b?> "])
def test_many_comments_before_the_document(before):
    """What stands before the document is passed over once, however much it is."""
    assert read(before * 20_000 + envelope("<a/>").partition(b"\n")[2], "text/xml").body is not None
    with pytest.raises(ConnectorError):
        read(before * 20_000 + b"<!--", "text/xml")


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "0e999999999", "-1E+500"])
def test_numbers_that_would_fill_the_memory(text):
    """Their exponents are not written out."""
    assert lexical("decimal", text) is None
    assert lexical("integer", text) is None


def test_numbers_that_json_cannot_carry():
    """They stay text: JSON knows no infinity."""
    assert scalar("double", "1e999") == "1e999"
    assert scalar("float", "-1e400") == "-1e400"
    assert scalar("double", "1e300") == 1e300
    assert scalar("decimal", "1e400") == "1e400"


def wsdl_of(schema):
    """A WSDL with one operation whose input is the element `r` of a schema."""
    text = (
        '<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:t" targetNamespace="urn:t" '
        'xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"><types>'
        f'<xs:schema targetNamespace="urn:t">{schema}</xs:schema></types><message name="m">'
        '<part name="p" element="t:r"/></message>'
        '<portType name="P"><operation name="o"><input message="t:m"/></operation></portType>'
        '<binding name="B" type="t:P"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/>'
        '<operation name="o"><s:operation soapAction=""/><input><s:body use="literal"/></input></operation></binding>'
        '<service name="S"><port name="p" binding="t:B"><s:address location="http://localhost/"/></port></service>'
        "</definitions>"
    ).encode()
    return load(WsdlDocuments("file:///x.wsdl", {"file:///x.wsdl": text}, {"file:///x.wsdl": etree.fromstring(text)}))


def complex_type(name, *fields):
    elements = "".join(f'<xs:element name="{field}" {rest}/>' for field, rest in fields)
    return f'<xs:complexType name="{name}"><xs:sequence>{elements}</xs:sequence></xs:complexType>'


def test_samples_of_types_that_unfold():
    """A type with two of a type with two of … is called, and its sample stays as long as a person can read."""
    types = [complex_type(f"c{n}", ("a", f'type="t:c{n + 1}"'), ("b", f'type="t:c{n + 1}"')) for n in range(30)]
    types.append(complex_type("c30", ("x", 'type="xs:int" minOccurs="1000000" maxOccurs="unbounded"')))
    (operation,) = wsdl_of("".join(types) + '<xs:element name="r" type="t:c0"/>').operations
    assert len(str(described(operation)["sample"])) < 200_000


def test_samples_of_a_type_that_needs_itself():
    """No value fits such a type; its sample ends all the same."""
    own = complex_type("c", ("a", 'type="t:c"'), ("b", 'type="t:c" maxOccurs="unbounded"'))
    (operation,) = wsdl_of(own + '<xs:element name="r" type="t:c"/>').operations
    assert described(operation)["sample"]


def test_long_chains_of_base_types():
    """A type that extends one that extends one … brings all their elements in each time, which is counted before."""
    types = [complex_type("c0", ("x0", 'type="xs:int"'))]
    types += [
        f'<xs:complexType name="c{n}"><xs:complexContent><xs:extension base="t:c{n - 1}"><xs:sequence>'
        f'<xs:element name="x{n}" type="xs:int"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>'
        for n in range(1, 3000)
    ]
    with pytest.raises(ConnectorError, match="unfold to more than"):
        wsdl_of("".join(types) + '<xs:element name="r" type="t:c0"/>')


def test_groups_within_themselves():
    """They are told as such."""
    group = '<xs:group name="g"><xs:sequence><xs:group ref="t:g"/></xs:sequence></xs:group>'
    element = '<xs:element name="r"><xs:complexType><xs:group ref="t:g"/></xs:complexType></xs:element>'
    with pytest.raises(ConnectorError, match="without end, near g"):
        wsdl_of(group + element)


@pytest.mark.parametrize(
    ("base", "text", "value"),
    [
        ("boolean", "True", True),
        ("boolean", " FALSE ", False),
        ("boolean", "0", False),
        ("boolean", "yes", "yes"),
        ("boolean", "", ""),
        ("int", "1_000", "1_000"),
        ("decimal", "1_0.5", "1_0.5"),
        ("int", " 7 ", 7),
    ],
)
def test_a_replys_value_is_what_it_says(base, text, value):
    """What is no value of the type stays text; it is not false, and no number of Python's."""
    assert scalar(base, text) == value


@pytest.mark.parametrize(
    ("base", "value"),
    [
        ("int", "1_000"),
        ("double", "1_0"),
        ("decimal", "\u0661"),
        ("hexBinary", "zz"),
        ("hexBinary", "0"),
        ("hexBinary", 5),
    ],
)
def test_what_only_python_reads_is_not_sent(base, value):
    assert lexical(base, value) is None
    assert (lexical("hexBinary", "00fF"), lexical("hexBinary", "")) == ("00fF", "")
