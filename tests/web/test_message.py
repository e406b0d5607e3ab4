"""URLs and headers as they go over the wire."""

import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zeebe_connectors import InputError
from zeebe_connectors.sdk.budget import SmallJson, is_small_json
from zeebe_connectors.web.message import HttpResponse, encoded_url, header_fields, origin_of, with_query
from zeebe_connectors.web.result import ReturnFormat, result_of


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        (" HTTP://Example.com ", "http://Example.com/"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("https://bücher.example:8443/", "https://xn--bcher-kva.example:8443/"),
        ("http://[::1]:80/x", "http://[::1]:80/x"),
        ("http://h/%zz%41", "http://h/%25zz%41"),
    ],
)
def test_encoded_url(written, sent):
    """Scheme and host are put in order; the rest is encoded where it must be."""
    assert encoded_url(written) == sent


@pytest.mark.parametrize("host", ["a..b", ".a", "a" * 64 + ".com", "x:0", "[::1%25lo]"])
def test_hosts_that_no_resolver_takes(host):
    with pytest.raises(InputError, match="names no host"):
        encoded_url(f"http://{host}/")


@given(st.text(max_size=80))
def test_any_tail(tail):
    """Whatever stands in a URL, it is refused or goes out as plain ASCII without blanks, and stays what it is then."""
    try:
        url = encoded_url(f"http://host/{tail}")
    except InputError:
        return
    assert url.isascii()
    assert url.isprintable()
    assert " " not in url
    assert encoded_url(url) == url


@given(st.dictionaries(st.text(max_size=20), st.text(max_size=40), max_size=4))
def test_any_header(values):
    """Whatever headers are given, they are refused or hold no line break and no other control character but tabs."""
    try:
        headers = header_fields(values)
    except InputError:
        return
    assert not any(re.search(r"[\x00-\x08\x0a-\x1f\x7f]", name + value) for name, value in headers.items())


@pytest.mark.parametrize("value", ["a\x01b", "a\x1bb", "a\x7fb", "a\nb"])
def test_control_characters_in_a_header(value):
    with pytest.raises(InputError) as raised:
        header_fields({"X-Own": value})
    assert raised.value.code == "HEADER_INVALID"
    assert header_fields({"X-Own": "a\tb"})["X-Own"] == "a\tb"


def test_with_query():
    """Parameters join whatever query there is."""
    assert with_query("http://h/", []) == "http://h/"
    assert with_query("http://h/?", [("a", "1")]) == "http://h/?a=1"
    assert with_query("http://h/?x=1&", [("a", "ü")]) == "http://h/?x=1&a=%C3%BC"


def test_origin():
    """Messages show scheme, host and port, never more."""
    assert origin_of("https://user:pw@host:443/path?key=1#f") == "https://host"
    assert origin_of("http://[::1]:8080/") == "http://[::1]:8080"


def test_import_is_light():
    """No HTTP library is imported before the first request, so that other connectors start without it."""
    code = (
        "import sys, zeebe_connectors.connectors.rest.connector, zeebe_connectors.web\n"
        "print([name for name in ('aiohttp', 'httpx', 'yarl', 'oauthlib', 'cryptography') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert out.strip() == "[]"


@pytest.mark.parametrize("choice", ["AUTO", "JSON", "TEXT"])
@pytest.mark.parametrize(
    ("body", "known"),
    [
        (b'{"a": [1, "x", null, {"b": 2.5}]}', True),
        (b"[" + b"1," * 4_900 + b"1]", True),
        (b'"' + b"x" * 100_000 + b'"', True),
        (b"", True),
        (b"[" + b"1," * 5_100 + b"1]", False),
        (b'["' + b"x" * 200_000 + b'"]', False),
    ],
)
async def test_a_result_that_is_known_to_be_small_json_is_it(choice: Any, body: bytes, *, known: bool) -> None:
    """The runtime does not walk over such a result, so that this must be true of each."""
    response = HttpResponse(200, "OK", [("X", "1"), ("x", "2")], body, "http://h/")
    result = await result_of(response, ReturnFormat(choice=choice), None)  # type: ignore[arg-type]
    assert isinstance(result, SmallJson) is known
    if known:
        assert is_small_json(dict(result))
