"""Envelopes: well-formed whatever goes in, or an error that says which part is wrong and where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from zeebe_connectors import InputError
from zeebe_connectors.connectors.soap.envelope import build, empty, to_bytes, xml_of
from zeebe_connectors.connectors.soap.namespaces import SOAP11, SOAP12, WSSE, XSI


def xml(content, nulls="omit", *, exact=False):
    return xml_of(content, nulls=nulls, exact=exact, where="body.json")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"a": "1"}, "<a>1</a>"),
        ({"p:a": {"p:b": [1, True, "x"]}}, "<p:a><p:b>1</p:b><p:b>true</p:b><p:b>x</p:b></p:a>"),
        ({"a": {"@id": 7, "@on": False, "$content": "t"}}, '<a id="7" on="false">t</a>'),
        ({"a": {"b": "x", "@late": "y"}}, '<a late="y"><b>x</b></a>'),
        ({"a": {}}, "<a></a>"),
        ({"a": []}, ""),
        ({"a": None, "b": [None, 1]}, "<b>1</b>"),
        ({"a": "<&>"}, "<a>&lt;&amp;&gt;</a>"),
        ({"a": {"@q": '"<'}}, "<a q='\"&lt;'></a>"),
        ({"größe": 1.5}, "<größe>1.5</größe>"),
        ({"a": {"@gone": None, "$content": None}}, "<a></a>"),
    ],
)
def test_json_form(content, expected):
    """Keys are elements, `@` attributes, `$content` text, lists repeat, null is left out."""
    assert xml(content) == expected


def test_null_as_nil():
    """Null is written as xsi:nil where asked for."""
    assert xml({"a": None}, "nil") == f'<a xmlns:xsi="{XSI}" xsi:nil="true"/>'


def test_exact_form_repeats_the_oddities():
    """In compatibility mode null is text and markup in values stays markup."""
    assert xml({"a": None, "b": "<c/>", "d": {"@e": "x"}}, exact=True) == '<a>null</a><b><c/></b><d e="x"></d>'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a b": 1}, "body.json.a b"),
        ({"a><b": 1}, "name of an element"),
        ({"1a": 1}, "name of an element"),
        ({"a:b:c": 1}, "name of an element"),
        ({"a": {"@x y": 1}}, "name of an attribute"),
        ({"a": {"@x": {"y": 1}}}, "must be text"),
        ({"a": {"$content": [1]}}, "must be text"),
        ({"a": [[1]]}, "list in a list"),
        ({"a": {"b": [{"@c": {}}]}}, "body.json.a.b.@c: must be text"),
        ({"a": {"b": {"$content": []}}}, r"body\.json\.a\.b\.\$content: must be text"),
        ({"a": {"b": [1, {"c d": 1}]}}, "body.json.a.b.c d: 'c d' cannot be the name"),
    ],
)
def test_json_form_refuses(content, message):
    """A name that is no XML name, or structure where text belongs, is told with its path."""
    with pytest.raises(InputError, match=message):
        xml(content)


def test_envelope():
    """Header and body stand in an envelope of the version, with the namespaces declared."""
    data, root = build("<n:h/>", "<n:a>é</n:a>", version="1.2", namespaces={"n": "urn:n&1"})
    again = etree.fromstring(data)
    assert again.tag == root.tag == f"{{{SOAP12}}}Envelope"
    assert [child.tag for child in again] == [f"{{{SOAP12}}}Header", f"{{{SOAP12}}}Body"]
    assert again.find(f".//{{{'urn:n&1'}}}a").text == "é"
    assert again.nsmap["wsse"] == WSSE
    assert b"SOAP-ENV:Envelope" in data


def test_several_elements_and_a_declaration():
    """A body may hold several elements, and a pasted XML declaration is dropped."""
    _, root = build("", '<?xml version="1.0"?><a/><b/>', version="1.1", namespaces={})
    assert [child.tag for child in root[1]] == ["a", "b"]
    _, root = build("", "<a/><b/>", version="1.1", namespaces={}, first_only=True)
    assert [child.tag for child in root[1]] == ["a"]


@pytest.mark.parametrize(
    ("header", "body", "message"),
    [
        ("", "<a>", "body: is not well-formed XML"),
        ("<a>&</a>", "<a/>", "header: is not well-formed XML"),
        ("", "<x:a/>", "Declare the prefix x in namespaces"),
        ("", "</SOAP-ENV:Body><SOAP-ENV:Body>", "closed where they were opened|not well-formed"),
        ("", f'<s:Envelope xmlns:s="{SOAP11}"><s:Body/></s:Envelope>', "whole envelope"),
        ("", '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>', "body: is not well-formed"),
        ("", "<a>\x00</a>", "body"),
        ("", "<a>\ud800</a>", "half of a character pair"),
    ],
)
def test_refuses_what_is_not_well_formed(header, body, message):
    """The error names the part at fault."""
    with pytest.raises(InputError, match=message) as caught:
        build(header, body, version="1.1", namespaces={})
    assert caught.value.code == "SOAP_MESSAGE_INVALID"


@pytest.mark.parametrize(
    ("namespaces", "message"),
    [({"SOAP-ENV": "urn:x"}, "SOAP-ENV"), ({"a b": "urn:x"}, "cannot be a prefix"), ({"a": " "}, "must not be empty")],
)
def test_refuses_namespaces(namespaces, message):
    """A prefix that cannot be declared is told."""
    with pytest.raises(InputError, match=message):
        build("", "<a/>", version="1.1", namespaces=namespaces)


names = st.from_regex(r"\A[a-zA-Z_][a-zA-Z0-9_.-]{0,8}\Z")
texts = st.text(st.characters(blacklist_categories=["Cs", "Cc"]))
values = st.recursive(
    texts | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: (
        st.dictionaries(names, inner, min_size=1, max_size=3)
        | st.lists(inner.filter(lambda v: not isinstance(v, list)), max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(names, values, min_size=1, max_size=3))
def test_any_json_makes_one_sound_envelope(content):
    """Whatever the values, the envelope has one header and one body, and the body the given elements."""
    _, root = build("", xml(content), version="1.1", namespaces={})
    assert len(root) == 2
    expected = [name for name, value in content.items() for _ in (value if isinstance(value, list) else [value])]
    assert [child.tag for child in root[1]] == expected


def test_empty_envelopes_share_nothing():
    """What one job writes into its envelope is in no other's; they are what `build` makes of nothing."""
    namespaces = {"o": "http://orders.example/"}
    expected, _ = build("", "", version="1.2", namespaces=namespaces)
    first = empty("1.2", namespaces)
    etree.SubElement(first[1], "{http://orders.example/}Order").text = "7"
    assert to_bytes(empty("1.2", namespaces)) == to_bytes(etree.fromstring(expected))
    assert b"<o:Order>7</o:Order>" in to_bytes(first)


def test_namespaces_are_checked_however_many_there_are():
    """Short namespaces, which are remembered, and long ones are refused alike, each time."""
    for uri in ("", "", " " * 5000):
        with pytest.raises(InputError, match=r"namespaces\.o: must not be empty"):
            empty("1.1", {"o": uri})


def test_many_names():
    """More names than are remembered, and a long one, are still written and still checked."""
    many = {f"n{number}": 1 for number in range(5000)} | {"x" * 500: 2}
    assert xml(many) == "".join(f"<{name}>{value}</{name}>" for name, value in many.items())
    with pytest.raises(InputError, match="cannot be the name"):
        xml(many | {"1n": 1})
