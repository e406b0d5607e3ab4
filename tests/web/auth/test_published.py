"""Digest and Azure's Shared Key against what their specifications publish."""

import pytest
from multidict import CIMultiDict

from zeebe_connectors.web.auth import AzureSharedKey
from zeebe_connectors.web.auth.digest import _answer
from zeebe_connectors.web.message import HttpRequest


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_digest_of_the_rfc(algorithm, response):
    """RFC 7616, 3.9.1."""
    challenge = {
        "realm": "http-auth@example.org",
        "qop": "auth, auth-int",
        "algorithm": algorithm,
        "nonce": "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
        "opaque": "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS",
    }
    value = _answer(
        challenge,
        HttpRequest("GET", "http://www.example.org/dir/index.html"),
        username="Mufasa",
        password="Circle of Life",
        count=1,
        client_nonce="f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ",
    )
    assert f'response="{response}"' in value
    assert 'uri="/dir/index.html"' in value


def test_digest_with_a_hashed_name_of_the_rfc():
    """RFC 7616, 3.9.2, with the values of its erratum 4897 (the text's own were made with another hash)."""
    challenge = {
        "realm": "api@example.org",
        "qop": "auth",
        "algorithm": "SHA-512-256",
        "nonce": "5TsQWLVdgBdmrQ0XsxbDODV+57QdFR34I9HAbC/RVvkK",
        "userhash": "true",
    }
    value = _answer(
        challenge,
        HttpRequest("GET", "http://api.example.org/doe.json"),
        username="Jäsøn Doe",
        password="Secret, or not?",
        count=1,
        client_nonce="NTg6RKcb9boFIAS3KrFK9BGeh+iDa/sm6jUMp2wds69v",
    )
    assert 'username="793263caabb707a56211940d90411ea4a575adeccb7e360aeb624ed06ece9b0b"' in value
    assert 'response="3798d4131c277846293534c3edc11bd8a5e4cdcbff78b05db9d95eeb1cec68a5"' in value


def azure(method, url, headers, body=None):
    scheme = AzureSharedKey.model_validate({"type": "azure-shared-key", "account": "myaccount", "accountKey": "a2V5"})
    return scheme.text_to_sign(HttpRequest(method, url, CIMultiDict(headers), body))


def test_shared_key_of_a_container():
    """The text to sign of "Get Container Metadata", as the documentation prints it."""
    url = "https://myaccount.blob.core.windows.net/mycontainer?restype=container&comp=metadata&timeout=20"
    headers = {"x-ms-version": "2015-02-21", "x-ms-date": "Fri, 26 Jun 2015 23:39:12 GMT"}
    assert azure("GET", url, headers) == (
        "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
        "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20"
    )


def test_shared_key_of_a_blob():
    """The text to sign of "Put Blob", as the documentation prints it."""
    headers = {
        "Content-Type": "text/plain; charset=UTF-8",
        "x-ms-date": "Sun, 20 Sep 2009 20:36:40 GMT",
        "x-ms-meta-m2": "v2",
        "x-ms-meta-m1": "v1",
    }
    text = azure("PUT", "https://myaccount.blob.core.windows.net/mycontainer/hello.txt", headers, b"x" * 11)
    assert text == (
        "PUT\n\n\n11\n\ntext/plain; charset=UTF-8\n\n\n\n\n\n\nx-ms-date:Sun, 20 Sep 2009 20:36:40 GMT\n"
        "x-ms-meta-m1:v1\nx-ms-meta-m2:v2\n/myaccount/mycontainer/hello.txt"
    )


def test_shared_key_of_a_table():
    """Tables count less: method, MD5, type, date and the resource with `comp` only."""
    url = "https://myaccount.table.core.windows.net/Tables?comp=list&timeout=5"
    headers = {"Content-Type": "application/json", "x-ms-date": "Mon, 30 Mar 2009 16:15:13 GMT"}
    assert azure("GET", url, headers) == (
        "GET\n\napplication/json\nMon, 30 Mar 2009 16:15:13 GMT\n/myaccount/Tables?comp=list"
    )


def test_shared_key_of_an_emulated_table():
    """The emulator's services are told apart by their ports; the account stands in the path too."""
    headers = {"x-ms-date": "Mon, 30 Mar 2009 16:15:13 GMT"}
    assert azure("GET", "http://127.0.0.1:10002/myaccount/Tables?timeout=5", headers) == (
        "GET\n\n\nMon, 30 Mar 2009 16:15:13 GMT\n/myaccount/myaccount/Tables"
    )


@pytest.mark.parametrize(
    ("version", "method", "length"),
    [("2014-02-14", "PUT", "0"), ("2014-02-14", "GET", ""), ("2015-02-21", "PUT", ""), ("2021-12-02", "POST", "")],
)
def test_shared_key_of_an_empty_body(version, method, length):
    """Versions before 2015-02-21 sign the length zero."""
    text = azure(method, "https://a.blob.core.windows.net/c", {"x-ms-version": version, "x-ms-date": "d"}, b"")
    assert text.split("\n")[3] == length


def test_shared_key_of_headers_with_blanks():
    """Blanks become one, but not in quotes; several headers of a name are one."""
    headers = CIMultiDict({"x-ms-date": "d", "x-ms-meta-a": ' x \t y "z  z" '})
    headers.add("X-MS-Meta-A", "2")
    text = azure("GET", "https://a.blob.core.windows.net/c", headers)
    assert text.split("\n")[12:] == ["x-ms-date:d", 'x-ms-meta-a:x y "z  z",2', "/myaccount/c"]
