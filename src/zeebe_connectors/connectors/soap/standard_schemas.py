"""Provide short forms of schemas that many WSDLs import, so that no host is contacted for them."""

from __future__ import annotations

_ENCODED = ("string", "boolean", "int", "integer", "long", "short", "byte", "decimal", "float", "double", "dateTime",
            "date", "time", "base64Binary", "anyURI", "QName", "duration", "nonNegativeInteger", "positiveInteger",
            "unsignedInt", "unsignedLong", "unsignedShort", "hexBinary", "token", "Name", "NCName")  # fmt: skip

_SOAP_ENCODING = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:tns="http://schemas.xmlsoap.org/soap/encoding/" '
    'targetNamespace="http://schemas.xmlsoap.org/soap/encoding/"><xs:attribute name="arrayType" type="xs:string"/>'
    '<xs:attribute name="offset" type="xs:string"/><xs:attributeGroup name="commonAttributes">'
    '<xs:attribute name="id" type="xs:ID"/><xs:attribute name="href" type="xs:anyURI"/></xs:attributeGroup>'
    '<xs:group name="Array"><xs:sequence><xs:any namespace="##any" minOccurs="0" maxOccurs="unbounded" '
    'processContents="lax"/></xs:sequence></xs:group><xs:complexType name="Array"><xs:group ref="tns:Array" '
    'minOccurs="0"/><xs:attribute ref="tns:arrayType"/><xs:attribute ref="tns:offset"/></xs:complexType>'
    '<xs:simpleType name="base64"><xs:restriction base="xs:base64Binary"/></xs:simpleType>'
    + "".join(
        f'<xs:complexType name="{name}"><xs:simpleContent><xs:extension base="xs:{name}"/></xs:simpleContent>'
        "</xs:complexType>"
        for name in _ENCODED
    )
    + "</xs:schema>"
)
_XML = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://www.w3.org/XML/1998/namespace">'
    '<xs:attribute name="lang" type="xs:language"/><xs:attribute name="space" type="xs:NCName"/>'
    '<xs:attribute name="base" type="xs:anyURI"/><xs:attribute name="id" type="xs:ID"/>'
    '<xs:attributeGroup name="specialAttrs"><xs:attribute name="lang" type="xs:language"/></xs:attributeGroup>'
    "</xs:schema>"
)
_XMIME = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:tns="http://www.w3.org/2005/05/xmlmime" '
    'targetNamespace="http://www.w3.org/2005/05/xmlmime"><xs:attribute name="contentType" type="xs:string"/>'
    '<xs:attribute name="expectedContentTypes" type="xs:string"/><xs:complexType name="base64Binary"><xs:simpleContent>'
    '<xs:extension base="xs:base64Binary"><xs:attribute ref="tns:contentType"/></xs:extension></xs:simpleContent>'
    "</xs:complexType></xs:schema>"
)
_WSDL = (
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="http://schemas.xmlsoap.org/wsdl/">'
    '<xs:attribute name="arrayType" type="xs:string"/></xs:schema>'
)

STANDARDS = {
    "http://schemas.xmlsoap.org/soap/encoding/": _SOAP_ENCODING.encode(),
    "http://www.w3.org/2001/xml.xsd": _XML.encode(),
    "http://www.w3.org/2001/03/xml.xsd": _XML.encode(),
    "http://www.w3.org/XML/1998/namespace": _XML.encode(),
    "http://www.w3.org/2005/05/xmlmime": _XMIME.encode(),
    "http://schemas.xmlsoap.org/wsdl/": _WSDL.encode(),
}


def standard(location: str) -> bytes | None:
    """Returns the schema of a well-known address, in either scheme, with or without a slash at the end."""
    plain = location.replace("https://", "http://", 1)
    return STANDARDS.get(plain) or STANDARDS.get(plain + "/") or STANDARDS.get(plain.rstrip("/"))
