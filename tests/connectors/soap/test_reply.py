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
    with pytest.raises(ConnectorError):
        read(b"\r\n--b\r\n\r\n" * 5000 + b"--b--", KIND)


def test_utf16():
    """The encoding that the reply declares is used."""
    data = envelope("<a>é</a>").decode().replace("utf-8", "utf-16").encode("utf-16")
    assert json_of(read(data, "text/xml").root, {})["Envelope"]["Body"] == {"a": "é"}


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
