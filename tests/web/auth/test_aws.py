"""AWS signatures against what Amazon publishes: the examples of its documentation and of its test suite."""

from datetime import UTC, datetime
from hashlib import sha256

import pytest
from multidict import CIMultiDict

from zeebe_connectors.web.auth.aws import Aws, canonical_query, canonical_request, version_2_text, version_4_signature
from zeebe_connectors.web.message import HttpRequest

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
HOST = "examplebucket.s3.amazonaws.com"
DAY = datetime(2013, 5, 24, tzinfo=UTC)
EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def scheme(**given):
    base = {"type": "aws", "accessKeyId": KEY, "secretAccessKey": SECRET, "region": "us-east-1", "service": "s3"}
    return Aws.model_validate(base | given)


def request(method, url, headers=(), body=None):
    return HttpRequest(method, url, CIMultiDict(headers), body)


@pytest.mark.parametrize(
    ("given", "signature", "names"),
    [
        (
            request("GET", f"https://{HOST}/test.txt", {"Range": "bytes=0-9"}),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            "host;range;x-amz-content-sha256;x-amz-date",
        ),
        (
            request(
                "PUT",
                f"https://{HOST}/test$file.text",
                {"Date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
                b"Welcome to Amazon S3.",
            ),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            "date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class",
        ),
        (
            request("GET", f"https://{HOST}/?lifecycle"),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            "host;x-amz-content-sha256;x-amz-date",
        ),
        (
            request("GET", f"https://{HOST}/?max-keys=2&prefix=J"),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            "host;x-amz-content-sha256;x-amz-date",
        ),
    ],
)
def test_version_4_in_the_header(given, signature, names):
    """The four examples of "Transferring payload in a single chunk"."""
    value = scheme().signed(given, DAY).headers["Authorization"]
    assert value == (
        f"AWS4-HMAC-SHA256 Credential={KEY}/20130524/us-east-1/s3/aws4_request, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    assert "Authorization" not in given.headers


def test_version_4_in_the_query():
    """The example of "Authenticating requests: using query parameters"."""
    signed = scheme(signature="v4-query", expires=86400).signed(request("GET", f"https://{HOST}/test.txt"), DAY)
    assert signed.url == (
        f"https://{HOST}/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={KEY}%2F20130524%2Fus-east-1%2Fs3"
        "%2Faws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
        "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404"
    )
    assert not signed.headers


IAM = "https://iam.amazonaws.com/?Action=ListUsers&Version=2010-05-08"
FORM = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}


def test_version_4_for_another_service_than_s3():
    """The example of "Signing AWS requests": no header with the body's hash, and the whole header as printed there."""
    iam = scheme(accessKeyId="AKIDEXAMPLE", secretAccessKey="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", service="iam")
    signed = iam.signed(request("GET", IAM, FORM), datetime(2015, 8, 30, 12, 36, tzinfo=UTC))
    assert signed.headers["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )
    assert "X-Amz-Content-Sha256" not in signed.headers


SUITE = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SUITE_SCOPE = "20150830/us-east-1/service/aws4_request"
SUITE_HEADERS = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}


@pytest.mark.parametrize(
    ("path", "fields", "signature"),
    [
        ("/", [], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),  # get-vanilla
        (
            "/",
            [("Param2", "value2"), ("Param1", "value1")],  # get-vanilla-query-order-key-case
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        (
            "/%E1%88%B4",  # get-utf8
            [],
            "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85",
        ),
        (
            "/",
            [("ሴ", "bar")],  # get-vanilla-utf8-query
            "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
        ),
    ],
)
def test_suite_of_version_4(path, fields, signature):
    """Cases of Amazon's test suite."""
    canonical = canonical_request("GET", path, canonical_query(fields), SUITE_HEADERS, EMPTY)
    assert version_4_signature(SUITE, "20150830T123600Z", SUITE_SCOPE, canonical) == signature


@pytest.mark.parametrize(
    ("given", "sent", "signed"),
    [
        ("/a//b/./c/../d/", "/a/b/d/", "/a/b/d/"),
        ("/..", "/", "/"),
        ("", "/", "/"),
        ("/a%20b/%2Fc+d", "/a%20b/%2Fc%2Bd", "/a%2520b/%252Fc%252Bd"),
        ("/%2e%2E/a/%2e/b", "/a/b", "/a/b"),
        ("/a%FFb", "/a%FFb", "/a%25FFb"),
    ],
)
def test_paths_of_services_but_s3(given, sent, signed):
    """Other services count the path without dots and double slashes, encoded twice; it is sent encoded once."""
    rds = scheme(service="rds")
    result = rds.signed(request("GET", f"https://rds.us-east-1.amazonaws.com{given}"), DAY)
    assert result.url == f"https://rds.us-east-1.amazonaws.com{sent}"
    canonical = canonical_request(
        "GET",
        signed,
        "",
        {"host": "rds.us-east-1.amazonaws.com", "x-amz-date": "20130524T000000Z"},
        EMPTY,
    )
    scope = "20130524/us-east-1/rds/aws4_request"
    assert result.headers["Authorization"].endswith(version_4_signature(SECRET, "20130524T000000Z", scope, canonical))


@pytest.mark.parametrize("path", ["/a//b/./c", "/..", "/%2F/a%20b", "/a%FFb", "//", "/a/"])
def test_paths_of_s3_stay(path):
    """In S3 they are the object's name."""
    assert scheme().signed(request("GET", f"https://{HOST}{path}"), DAY).url == f"https://{HOST}{path}"


@pytest.mark.parametrize("service", ["s3-outposts", "s3-object-lambda", "S3Express"])
def test_paths_of_services_like_s3_stay(service):
    result = scheme(service=service).signed(request("GET", f"https://{HOST}/a//b"), DAY)
    assert result.url == f"https://{HOST}/a//b"
    assert result.headers["X-Amz-Content-Sha256"] == EMPTY


@pytest.mark.parametrize(("query", "sent"), [("b=%FF&a", "a=&b=%FF"), ("a=1&a=0&A=+", "A=%20&a=0&a=1"), ("=", "=")])
def test_a_query_keeps_its_bytes(query, sent):
    """Also those that are not UTF-8."""
    assert scheme().signed(request("GET", f"https://{HOST}/?{query}"), DAY).url == f"https://{HOST}/?{sent}"


def test_a_hash_that_the_request_brings_is_the_one_that_is_signed():
    """A service that wants one compares it with the signature, as Amazon's own clients do."""
    own = {"X-Amz-Content-Sha256": "UNSIGNED-PAYLOAD"}
    signed = [
        scheme(service="execute-api")
        .signed(request("POST", f"https://{HOST}/", own, body), DAY)
        .headers["Authorization"]
        for body in (b"one", b"two")
    ]
    assert signed[0] == signed[1]
    given = scheme(service="aoss").signed(request("POST", f"https://{HOST}/", {}, b"one"), DAY).headers
    assert given["X-Amz-Content-Sha256"] == sha256(b"one").hexdigest()


V2_HOST = "johnsmith.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("given", "signature"),
    [
        (
            request("GET", f"https://{V2_HOST}/photos/puppy.jpg", {"Date": "Tue, 27 Mar 2007 19:36:42 +0000"}),
            "bWq2s1WEIj+Ydj0vQ697zp+IXMU=",
        ),
        (
            request(
                "PUT",
                f"https://{V2_HOST}/photos/puppy.jpg",
                {"Date": "Tue, 27 Mar 2007 21:15:45 +0000", "Content-Type": "image/jpeg"},
            ),
            "MyyxeRY7whkBe+bq8fHCL/2kKUg=",
        ),
        (
            request(
                "GET",
                f"https://{V2_HOST}/?prefix=photos&max-keys=50&marker=puppy",
                {"Date": "Tue, 27 Mar 2007 19:42:41 +0000"},
            ),
            "htDYFYduRNen8P9ZfE/s9SuKy0U=",
        ),
        (
            request("GET", f"https://{V2_HOST}/?acl", {"Date": "Tue, 27 Mar 2007 19:44:46 +0000"}),
            "c2WLPFtWHVgbEmeEG93a4cG37dM=",
        ),
        (
            request("GET", "https://s3.amazonaws.com/", {"Date": "Wed, 28 Mar 2007 01:29:59 +0000"}),
            "qGdzdERIC03wnaRNKh6OqZehG9s=",
        ),
        (
            request(
                "GET",
                "https://s3.amazonaws.com/dictionary/fran%C3%A7ais/pr%C3%A9f%C3%A8re",
                {"Date": "Wed, 28 Mar 2007 01:49:49 +0000"},
            ),
            None,
        ),
    ],
)
def test_version_2(given, signature):
    """The examples of "Signing and authenticating REST requests"; the one with accents by the text that is signed."""
    signed = scheme(signature="v2-header", region="", service="").signed(given, DAY)
    if signature:
        assert signed.headers["Authorization"] == f"AWS {KEY}:{signature}"
    else:
        text = version_2_text(
            "GET", "s3.amazonaws.com", "/dictionary/fran%C3%A7ais/pr%C3%A9f%C3%A8re", "", given.headers
        )
        assert text.splitlines()[-1] == "/dictionary/fran%C3%A7ais/pr%C3%A9f%C3%A8re"


@pytest.mark.parametrize(
    ("query", "sent", "resource"),
    [
        ("acl=", "acl", "/b?acl"),
        ("select&select-type=2", "select&select-type=2", "/b?select&select-type=2"),
        ("replication&x=1", "replication&x=1", "/b?replication"),
        ("x=", "x=", "/b"),
        ("versionId=%FF", "versionId=%FF", "/b?versionId=\udcff"),
    ],
)
def test_version_2_signs_the_parts_of_a_resource(query, sent, resource):
    """An empty one is sent without its sign, so that every service reads it as it was signed."""
    given = request("GET", f"https://s3.example.com/b?{query}", {"x-amz-meta-a": " x  y "})
    signed = scheme(signature="v2-header").signed(given, DAY)
    assert signed.url == f"https://s3.example.com/b?{sent}"
    text = version_2_text("GET", "s3.example.com", "/b", sent, signed.headers)
    assert text.splitlines()[-2:] == ["x-amz-meta-a:x  y", resource]


def test_version_2_says_when():
    """Without a date of its own, the request gets one; a session token is signed."""
    signed = scheme(signature="v2-header", sessionToken="t").signed(request("GET", "https://s3.example.com/b"), DAY)
    assert signed.headers["Date"] == "Fri, 24 May 2013 00:00:00 GMT"
    text = version_2_text("GET", "s3.example.com", "/b", "", signed.headers)
    assert text == "GET\n\n\nFri, 24 May 2013 00:00:00 GMT\nx-amz-security-token:t\n/b"


@pytest.mark.parametrize("lacking", ["region", "service"])
def test_what_version_4_needs(lacking):
    """Region and service are required for Version 4 only."""
    with pytest.raises(ValueError, match=lacking):
        scheme(**{lacking: " "})
    scheme(signature="v2-header", **{lacking: ""})
