"""Replies: whatever comes is read, or refused as a reply that cannot be used; nothing else happens."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from lxml import etree
from tests.servers.soap import envelope

from zeebe_connectors import ConnectorError
from zeebe_connectors.connectors.soap.reply import json_of, read
from zeebe_connectors.connectors.soap.wsdl import load
from zeebe_connectors.connectors.soap.wsdl_documents import WsdlDocuments

KIND = 'multipart/related; boundary="b"; start="<r>"'
ROOT = b"\r\n--b\r\nContent-ID: <r>\r\n\r\n" + envelope("<a/>")


@given(
    st.binary(max_size=200),
    st.sampled_from(["text/xml", KIND, "multipart/related; boundary=", "", "multipart/related"]),
)
@example(ROOT + b"\r\n--b--", KIND)
@example(ROOT + b"\r\n--b\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!\r\n--b--", KIND)
@example(envelope("<a/>")[:-10], "text/xml")
@example(b"\xff\xfe<\x00a\x00", "text/xml")
def test_any_bytes(data, kind):
    """Only the connector's own error comes out of what cannot be read."""
    try:
        reply = read(data, kind)
    except ConnectorError as error:
        assert error.code == "SOAP_REPLY_INVALID"  # noqa: PT017 - anything else is a failure
    else:
        json_of(reply.root, {})
        reply.fault()


@given(st.binary(max_size=300))
def test_any_part(data):
    """Parts with any bytes come back exactly."""
    if b"\r\n--b" not in b"\r\n" + data:
        whole = (
            ROOT + b"\r\n--b\r\nContent-ID: <x>\r\nContent-Transfer-Encoding: binary\r\n\r\n" + data + b"\r\n--b--\r\n"
        )
        assert read(whole, KIND).attachments["x"].data == data


def test_many_parts_are_bounded():
    """A reply of endless parts is refused, not taken apart for ever."""
    with pytest.raises(ConnectorError, match="more than 1,000 parts"):
        read(b"\r\n--b\r\n\r\n" * 5000 + b"--b--", KIND)


def test_headers_of_a_part_are_bounded():
    """Parsing parameters takes time that grows with the square of their length: seconds for so many."""
    part = b'\r\n--b\r\nContent-Disposition: attachment; filename="%b"\r\n\r\nx\r\n--b--'
    assert read(ROOT + part % (b";" * 100), KIND).attachments["part-1"].name == ";" * 100
    with pytest.raises(ConnectorError, match=r"headers of its part 2 are longer than 4,000 bytes"):
        read(ROOT + part % (b";" * 50_000), KIND)


def test_utf16():
    """The encoding that the reply declares is used."""
    data = envelope("<a>é</a>").decode().replace("utf-8", "utf-16").encode("utf-16")
    assert json_of(read(data, "text/xml").root, {})["Envelope"]["Body"] == {"a": "é"}


DECLARED = '<?xml version="1.0" encoding="%s"?>'


@pytest.mark.parametrize(
    ("declared", "content_type", "charset"),
    [
        (None, "text/xml; charset=ISO-8859-1", "latin-1"),
        ("utf-8", "text/xml; charset=ISO-8859-1", "latin-1"),
        ("iso-8859-1", "application/soap+xml; charset=utf-8", "utf-8"),
        ("iso-8859-1", "text/xml; charset=utf-8", "latin-1"),
        ("win-1251", "text/xml", "cp1251"),
        (None, "text/xml; charset=utf-16", "utf-16-le"),
        ("utf-8", "text/xml", "utf-8-sig"),
    ],
)
def test_a_reply_is_in_the_character_set_of_its_header(declared, content_type, charset):
    """What that set cannot read is in the one that the reply declares."""
    sign = "ж" if charset == "cp1251" else "é"
    text = envelope(f"<a>{sign}</a>").decode().rpartition("?>")[2]
    data = ((DECLARED % declared if declared else "") + text).encode(charset)
    assert json_of(read(data, content_type).root, {})["Envelope"]["Body"] == {"a": sign}


def parted(root_type: str, root: bytes, identity: str, href: str, line_end: bytes = b"\r\n") -> bytes:
    """A reply with one part."""
    include = f'<a><x:Include xmlns:x="http://www.w3.org/2004/08/xop/include" href="{href}"/></a>'
    lines = [b"--b", f"Content-Type: {root_type}".encode(), b"Content-ID: <r>", b"", root or envelope(include)]
    lines += [b"--b", f"Content-ID: <{identity}>".encode(), b"", b"one\x00two", b"--b--", b""]
    return line_end.join(lines)


@pytest.mark.parametrize("kind", ["related", "mixed"])
@pytest.mark.parametrize(
    ("identity", "href"),
    [("1@x", "cid:1@x"), ("a+b@x", "cid:a%2Bb@x"), ("1@urn%3Ax", "cid:1@urn%3Ax"), ("1@x", "CID:1@x")],
)
@pytest.mark.parametrize("line_end", [b"\r\n", b"\n"])
def test_a_part_is_found_however_its_id_and_the_lines_are_written(kind, identity, href, line_end):
    content_type = f'Multipart/{kind}; boundary="b"'
    reply = read(parted("application/xop+xml", b"", identity, href, line_end), content_type)
    (part,) = reply.attachments.values()
    assert part.data == b"one\x00two"
    assert json_of(reply.root, {part.id: "found"})["Envelope"]["Body"]["a"] == "found"


def test_a_part_may_hold_what_only_begins_like_a_delimiter():
    data = parted("text/xml", b"", "1", "cid:1").replace(b"one\x00two", b"one\r\n--bc\r\ntwo")
    assert read(data, KIND).attachments["1"].data == b"one\r\n--bc\r\ntwo"


def test_a_root_part_has_a_character_set_of_its_own():
    root = envelope("<a>é</a>").decode().rpartition("?>")[2].encode("latin-1")
    data = parted("application/xop+xml; charset=ISO-8859-1", root, "1", "")
    assert json_of(read(data, KIND).root, {})["Envelope"]["Body"] == {"a": "é"}


def test_a_large_wsdl(tmp_path):
    """A WSDL with a thousand operations is read."""
    names = [f"Op{number}" for number in range(1000)]
    schema = "".join(
        f'<xs:element name="{name}"><xs:complexType><xs:sequence><xs:element name="v" type="xs:int"/></xs:sequence>'
        "</xs:complexType></xs:element>"
        for name in names
    )
    messages = "".join(f'<message name="{name}"><part name="p" element="t:{name}"/></message>' for name in names)
    port = "".join(f'<operation name="{name}"><input message="t:{name}"/></operation>' for name in names)
    binding = "".join(
        f'<operation name="{name}"><s:operation soapAction=""/><input><s:body use="literal"/></input></operation>'
        for name in names
    )
    types = f'<types><xs:schema targetNamespace="urn:t">{schema}</xs:schema></types>'
    bound = f'<s:binding transport="http://schemas.xmlsoap.org/soap/http"/>{binding}'
    text = (
        '<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:t="urn:t" targetNamespace="urn:t" '
        'xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/">'
        f'{types}{messages}<portType name="P">{port}</portType><binding name="B" type="t:P">{bound}</binding>'
        '<service name="S"><port name="p" binding="t:B"><s:address location="http://localhost/"/></port></service>'
        "</definitions>"
    )
    root = etree.fromstring(text)
    found = load(WsdlDocuments("file:///x.wsdl", {"file:///x.wsdl": text.encode()}, {"file:///x.wsdl": root}))
    assert len(found.operations) == 1000


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('<a xmlns="urn:a"><b>1</b></a>', {"b": "1"}),
        ('<a><b xmlns="urn:b">1</b><c>2</c></a>', {"b": {"$content": "1"}, "c": "2"}),
        ('<a xmlns="urn:a"><b xmlns="urn:a">1</b><c xmlns="">2</c></a>', {"b": "1", "c": {"$content": "2"}}),
        (
            '<a xmlns:p="urn:p"><b xmlns:q="urn:p" q:d="3"/><c xmlns:p="urn:o">x</c></a>',
            {"b": {"d": "3"}, "c": {"$content": "x"}},
        ),
        ("<a><b>xmlns</b><!-- xmlns --><c>xmlns=</c></a>", {"b": "xmlns", "c": "xmlns="}),
        (
            '<a><b p:c="1" xmlns:p="urn:p">t</b>\n <d/>u</a>',
            {"b": {"c": "1", "$content": "t"}, "d": {}, "$content": "u"},
        ),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_namespaces_in_scope(body, expected, encoding):
    """An element that declares a namespace of its own is an object; where none is left to come, none is looked for."""
    text = f'<?xml version="1.0" encoding="{encoding}"?>' + envelope(body).decode().partition("?>")[2].lstrip()
    reply = read(text.encode(encoding), "text/xml")
    counted = json_of(reply.root, {}, reply.declarations)
    assert counted == json_of(reply.root, {})
    assert counted["Envelope"]["Body"]["a"] == expected
