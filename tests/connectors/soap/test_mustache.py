"""Templates: filled as Mustache says, escaped, and never with a hole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from zeebe_connectors import InputError
from zeebe_connectors.connectors.soap.mustache import render


@pytest.mark.parametrize(
    ("template", "context", "expected"),
    [
        ("<a>{{x}}</a>", {"x": "1"}, "<a>1</a>"),
        ("{{ x }}", {"x": "<&>\"'"}, "&lt;&amp;&gt;&quot;&apos;"),
        ("{{{x}}}|{{&x}}", {"x": "<b/>"}, "<b/>|<b/>"),
        ("{{a.b.c}}", {"a": {"b": {"c": 7}}}, "7"),
        ("{{x}}", {"x": True}, "true"),
        ("{{x}}", {"x": 0}, "0"),
        ("{{x}}", {"x": 2.0}, "2"),
        ("{{x}}", {"x": 1e-7}, "0.0000001"),
        ("{{#list}}<i>{{.}}</i>{{/list}}", {"list": [1, 2]}, "<i>1</i><i>2</i>"),
        ("{{#list}}{{n}}{{outer}}{{/list}}", {"list": [{"n": 1}, {"n": 2}], "outer": "-"}, "1-2-"),
        ("{{#o}}{{n}}{{/o}}", {"o": {"n": 1}}, "1"),
        ("{{#gone}}x{{/gone}}{{^gone}}y{{/gone}}", {}, "y"),
        ("{{#no}}x{{/no}}{{^no}}y{{/no}}", {"no": False}, "y"),
        ("{{#l}}{{n}}{{^-last}},{{/-last}}{{/l}}", {"l": [{"n": 1}, {"n": 2}]}, "1,2"),
        ("a{{! a remark }}b", {}, "ab"),
        ("<a>\n  {{#l}}\n  <i>{{.}}</i>\n  {{/l}}\n</a>", {"l": [1, 2]}, "<a>\n  <i>1</i>\n  <i>2</i>\n</a>"),
        ("no tag", {}, "no tag"),
    ],
)
def test_fills(template, context, expected):
    """The subset of Mustache works as its specification says."""
    assert render(template, context, where="body") == expected


@pytest.mark.parametrize(
    ("template", "context", "message"),
    [
        ("{{x}}", {}, "no value for x"),
        ("{{x}}", {"x": None}, "no value for x"),
        ("{{a.b}}", {"a": {}}, "no value for a.b"),
        ("{{a.b}}", {"a": 1}, "no value for a.b"),
        ("{{x}}", {"x": {"y": 1}}, "x is a context"),
        ("{{x}}", {"x": [1]}, "x is a list"),
        ("{{#x}}", {"x": 1}, "not closed"),
        ("\n{{/x}}", {"x": 1}, "line 2"),
        ("{{#a}}{{/b}}", {"a": 1}, "not"),
        ("{{>part}}", {}, "partials"),
        ("{{=<% %>=}}", {}, "delimiters"),
        ("{{a b}}", {"a": 1}, "one name"),
        ("{{}}", {}, "one name"),
    ],
)
def test_refuses(template, context, message):
    """A hole or a malformed tag is an error that names the tag."""
    with pytest.raises(InputError, match=message):
        render(template, context, where="body")


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"])))
def test_any_text_stays_itself(text):
    """Whatever a value holds, it is that text when the XML is read again."""
    xml = render("<a b='{{v}}'>{{v}}</a>", {"v": text}, where="body")
    element = etree.fromstring(xml.encode())
    assert (element.text or "") == text
    assert element.get("b") == text
