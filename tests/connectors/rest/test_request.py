"""What goes over the wire, for every way that templates write a request."""

import json
import re
from email import message_from_bytes
from email.policy import HTTP

import pytest

from zeebe_connectors import InputError
from zeebe_connectors.sdk import document
from zeebe_connectors.testing.servers import Reply
from zeebe_connectors.web.multipart import new_boundary

INLINE = {"camunda.document.type": "inline", "content": "héllo", "name": 'a "b".txt', "contentType": "text/plain"}


@pytest.fixture
def open_server(server):
    server.answer("*", Reply.json({"ok": True}))
    return server


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"])
async def test_methods(rest, open_server, method):
    """Every method arrives as it is."""
    result = await rest(open_server.url("/x"), method=method)
    assert open_server.last.method == method
    assert result["status"] == 200


async def test_method_in_small_letters(rest, open_server):
    """The method may be written small, as the official runtime takes it."""
    await rest(open_server.url(), method="post")
    assert open_server.last.method == "POST"


async def test_default_method_is_get(rest, open_server):
    """A missing or empty method is GET."""
    await rest(open_server.url(), method="")
    assert open_server.last.method == "GET"


@pytest.mark.parametrize(
    ("written", "target"),
    [
        ("/a%2Fb/%7Euser", "/a%2Fb/%7Euser"),
        ("/a b/ü?q=ä ö", "/a%20b/%C3%BC?q=%C3%A4%20%C3%B6"),
        ("/100%?x=50%", "/100%25?x=50%25"),
        ("/a+b?x=1+2&y=a%2Bb", "/a+b?x=1+2&y=a%2Bb"),
        ("/p?filter=name eq 'x'&$top=1", "/p?filter=name%20eq%20'x'&$top=1"),
        ('/p?j={"a":[1|2]}', "/p?j=%7B%22a%22:[1%7C2]%7D"),
        ("?only=query", "/?only=query"),
        ("/p#fragment", "/p"),
        ("/..//a/./b", "/..//a/./b"),
    ],
)
async def test_url_encoding(rest, open_server, written, target):
    """What a URL may not hold is encoded, what is encoded stays, and nothing else is touched."""
    await rest(open_server.url(written))
    assert open_server.last.target == target


async def test_skip_encoding(rest, open_server):
    """`skipEncoding` with the text true sends the URL as it stands; any other text does not."""
    await rest(open_server.url("/a%zz|b"), skipEncoding="true")
    assert open_server.last.target == "/a%zz|b"
    await rest(open_server.url("/a%zz|b"), skipEncoding="something")
    assert open_server.last.target == "/a%25zz%7Cb"


async def test_query_parameters(rest, open_server):
    """Parameters are added to the URL's own, encoded; lists repeat, null is a name alone, other values are text."""
    await rest(
        open_server.url("/q?a=1"),
        queryParameters={"b": "x&y=z ü", "c": [1, 2], "d": None, "e": True, "f": 1.5, "g": {"h": 1}},
    )
    assert open_server.last.query == [
        ("a", "1"),
        ("b", "x&y=z ü"),
        ("c", "1"),
        ("c", "2"),
        ("d", ""),
        ("e", "true"),
        ("f", "1.5"),
        ("g", '{"h": 1}'),
    ]
    assert "%20" in open_server.last.target


async def test_headers(rest, open_server):
    """Headers arrive once, with the case that was written; numbers and booleans are text, null is left out."""
    await rest(
        open_server.url(), headers={"X-Mixed-Case": "v", "X-N": 5, "X-B": True, "X-Null": None, "X-L": ["a", "b"]}
    )
    seen = open_server.last
    assert ("X-Mixed-Case", "v") in seen.headers
    assert (seen.header("X-N"), seen.header("X-B"), seen.all("X-L")) == ("5", "true", ["a", "b"])
    assert not seen.all("X-Null")
    assert seen.header("User-Agent").startswith("zeebe-connectors/")
    assert seen.header("Host") == f"127.0.0.1:{open_server.port}"


async def test_own_headers_replace_the_defaults(rest, open_server):
    """User-Agent and Accept are the modeler's when written."""
    await rest(open_server.url(), headers={"user-agent": "me", "ACCEPT": "text/csv", "Accept-Encoding": "identity"})
    seen = open_server.last
    assert (seen.header("User-Agent"), seen.header("Accept"), seen.header("Accept-Encoding")) == (
        "me",
        "text/csv",
        "identity",
    )


async def test_framing_headers_are_the_clients(rest, open_server):
    """A Content-Length or Transfer-Encoding from the diagram cannot cut a request in two."""
    await rest(
        open_server.url(), method="POST", body="four", headers={"Content-Length": "1", "Transfer-Encoding": "chunked"}
    )
    assert open_server.last.body == b"four"
    assert open_server.last.header("Content-Length") == "4"
    assert not open_server.last.all("Transfer-Encoding")


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_no_body_without_a_method_for_it(rest, open_server, method):
    """A body that leaks in from a parent scope is not sent with methods that have none."""
    await rest(open_server.url(), method=method, body={"leaked": True})
    assert open_server.last.body == b""
    assert not open_server.last.all("Content-Type")
    assert not open_server.last.all("Transfer-Encoding")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("body", [None, "", "  "])
async def test_empty_body(rest, open_server, method, body):
    """Nothing to send is an empty entity with its length."""
    await rest(open_server.url(), method=method, body=body)
    assert (open_server.last.body, open_server.last.header("Content-Length")) == (b"", "0")


@pytest.mark.parametrize(
    "body", [{"a": {"b": [1, None, "ü"]}, "n": None}, [1, {"x": None}], 12, 1.5, True, False, 0, [], {}]
)
async def test_json_body(rest, open_server, body):
    """Anything but text is JSON, nulls and all."""
    await rest(open_server.url(), method="POST", body=body)
    assert open_server.last.json == body
    assert open_server.last.header("Content-Type") == "application/json"


async def test_ignore_null_values(rest, open_server):
    """Null entries of contexts are left out, nested ones too; nulls in lists stay."""
    body = {"a": None, "b": {"c": None, "d": 1}, "e": [None, {"f": None}]}
    await rest(open_server.url(), method="POST", body=body, ignoreNullValues="true")
    assert open_server.last.json == {"b": {"d": 1}, "e": [None, {}]}


async def test_text_body(rest, open_server):
    """Text is sent as it is, as JSON if no type is given; the type's charset decides about its bytes."""
    await rest(open_server.url(), method="POST", body='{"a": "ü"}')
    assert open_server.last.body == '{"a": "ü"}'.encode()
    assert open_server.last.header("Content-Type") == "application/json"
    await rest(open_server.url(), method="POST", body="ü", headers={"content-type": "text/plain; charset=ISO-8859-1"})
    assert open_server.last.body == b"\xfc"
    assert open_server.last.header("Content-Type") == "text/plain; charset=ISO-8859-1"


async def test_null_content_type(rest, open_server):
    """A null Content-Type counts as not given."""
    await rest(open_server.url(), method="POST", body={"a": 1}, headers={"Content-Type": None})
    assert open_server.last.header("Content-Type") == "application/json"


async def test_own_json_type(rest, open_server):
    """A context under any other type is JSON of that type."""
    await rest(
        open_server.url(), method="PATCH", body={"a": 1}, headers={"Content-Type": "application/merge-patch+json"}
    )
    assert open_server.last.json == {"a": 1}
    assert open_server.last.header("Content-Type") == "application/merge-patch+json"


async def test_form(rest, open_server):
    """A context as a URL-encoded form: null is a name alone, a list repeats its name."""
    await rest(
        open_server.url(),
        method="POST",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body={"a": "x y&z=ü", "n": None, "l": [1, 2], "t": True},
    )
    assert open_server.last.body == b"a=x+y%26z%3D%C3%BC&n&l=1&l=2&t=true"


def parts(seen):
    """The parts of a multipart form, read by Python's own parser."""
    head = f"Content-Type: {seen.header('Content-Type')}\r\n\r\n".encode()
    return list(message_from_bytes(head + seen.body, policy=HTTP).iter_parts())


async def test_multipart(rest, open_server):
    """A context as a multipart form: documents are files, lists are several parts, null is left out."""
    plain = {"camunda.document.type": "inline", "content": "%PDF", "name": "x.pdf"}
    await rest(
        open_server.url(),
        method="POST",
        headers={"Content-Type": "multipart/form-data"},
        body={"text": "ü", "n": 5, "none": None, "file": INLINE, "files": [plain, plain, "note"]},
    )
    text, number, file, first, second, note = parts(open_server.last)
    assert text.get_payload(decode=True) == "ü".encode()
    assert text.get_param("name", header="Content-Disposition") == "text"
    assert "Content-Type" not in text
    assert number.get_payload(decode=True) == b"5"
    assert file.get_payload(decode=True) == "héllo".encode()
    assert file["Content-Type"] == "text/plain"
    assert b'filename="a %22b%22.txt"' in open_server.last.body
    assert [p.get_filename() for p in (first, second)] == ["x.pdf", "x.pdf"]
    assert first["Content-Type"] == "application/pdf"
    assert note.get_filename() is None


async def test_names_in_multipart_with_half_a_character(rest, open_server):
    """A JSON escape can bring it, and UTF-8 cannot carry it."""
    body = {"a\ud800b": {**INLINE, "name": "a\ud800b.txt"}}
    await rest(open_server.url(), method="POST", headers={"Content-Type": "multipart/form-data"}, body=body)
    assert 'name="a\ufffdb"; filename="ab.txt"' in open_server.last.body.decode()


async def test_multipart_boundary(rest, open_server):
    """A boundary that the modeler wrote is used."""
    await rest(
        open_server.url(), method="POST", headers={"Content-Type": "multipart/form-data; boundary=abc"}, body={"a": "b"}
    )
    assert open_server.last.body == b'--abc\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--abc--\r\n'


async def test_multipart_boundary_that_needs_quotes(rest, open_server):
    """It is quoted in the header, and bare in the body."""
    kind = 'multipart/form-data; boundary="a b:c"'
    await rest(open_server.url(), method="POST", headers={"Content-Type": kind}, body={"a": "b"})
    assert open_server.last.header("Content-Type") == kind
    assert open_server.last.body.startswith(b"--a b:c\r\n")


@pytest.mark.parametrize(
    "boundary",
    [r'"a\"b"', r'"a\\b"', '"é"', "*=utf-8''a%0D%0Ab", "b" * 201],
    ids=["quote", "backslash", "é", "line", "long"],
)
async def test_multipart_boundary_that_cannot_be_written(rest, open_server, boundary):
    """The header would promise another than the body has."""
    kind = f"multipart/form-data; boundary={boundary}".replace("=*", "*")
    with pytest.raises(InputError, match=r"headers\.Content-Type: the boundary .*; leave it out"):
        await rest(open_server.url(), method="POST", headers={"Content-Type": kind}, body={"a": "b"})
    assert not open_server.seen


async def test_a_list_of_one_is_that_one(rest, open_server):
    """As the official runtime reads it where the input is no list."""
    await rest([open_server.url()], method=["post"], body={"a": "b"}, readTimeoutInSeconds=["5"])
    assert open_server.last.method == "POST"


async def test_documents_in_json(rest, open_server):
    """Documents inside JSON become base64 of their bytes, wherever they stand."""
    await rest(open_server.url(), method="POST", body={"d": INLINE, "l": [{"e": INLINE}]})
    assert open_server.last.json == {"d": "aMOpbGxv", "l": [{"e": "aMOpbGxv"}]}
    await rest(open_server.url(), method="POST", body=[INLINE])
    assert open_server.last.json == ["aMOpbGxv"]


async def test_documents_elsewhere(rest, open_server):
    """Headers, query parameters and form fields are text, so a document is its base64 there too."""
    await rest(
        open_server.url(),
        method="POST",
        headers={"X-File": INLINE, "X-Two": [INLINE, "b"], "Content-Type": "application/x-www-form-urlencoded"},
        queryParameters={"q": INLINE},
        body={"f": INLINE},
    )
    seen = open_server.last
    assert (seen.header("X-File"), seen.all("X-Two")) == ("aMOpbGxv", ["aMOpbGxv", "b"])
    assert (dict(seen.query), seen.form) == ({"q": "aMOpbGxv"}, {"f": "aMOpbGxv"})


async def test_documents_that_become_text_are_bounded_together(rest, open_server, monkeypatch):
    """References are small: a list of them could fill the memory."""
    monkeypatch.setattr(document, "MAX_AS_TEXT", 10)
    error = await rest.error(open_server.url(), method="POST", body={"a": INLINE, "files": [INLINE]})
    assert (error.code, type(error).__name__) == ("DOCUMENT_TOO_LARGE", "PermanentError")
    assert error.message.startswith("body.files[1]: ")
    assert open_server.seen == []


async def test_document_as_body(rest, open_server):
    """A document as the body is sent as its bytes, with its own type unless another is given."""
    await rest(open_server.url(), method="PUT", body=INLINE)
    assert (open_server.last.body, open_server.last.header("Content-Type")) == ("héllo".encode(), "text/plain")
    await rest(open_server.url(), method="PUT", body=INLINE, headers={"Content-Type": "image/png"})
    assert open_server.last.header("Content-Type") == "image/png"


async def test_stored_document_as_part(rest, open_server):
    """A document that was stored before is read from the store."""
    stored = await rest.documents.create(b"\0\1\2", name="b.bin")
    await rest(
        open_server.url(),
        method="POST",
        headers={"Content-Type": "multipart/form-data"},
        body={"f": json.loads(json.dumps(stored.reference))},
    )
    (part,) = parts(open_server.last)
    assert (part.get_payload(decode=True), part.get_filename()) == (b"\0\1\2", "b.bin")


async def test_helper_variables_are_ignored(rest, open_server):
    """Templates built on this job type leave variables of their own; they are ignored."""
    await rest(
        open_server.url(), groupSetCookieHeaders=True, operationType="x", internal={"a": 1}, documentReturnFormat={}
    )
    assert open_server.last.method == "GET"


async def test_connections_are_shared_and_cookies_are_not(rest, open_server):
    """Jobs one after the other use one connection; a cookie of one does not go out with the next."""
    open_server.answer("/login", Reply(200, b"", [("Set-Cookie", "sid=1; Path=/")]))
    await rest(open_server.url("/login"))
    await rest(open_server.url("/next"))
    assert open_server.connections == 1
    assert not open_server.last.all("Cookie")


async def test_user_in_url(rest, open_server):
    """A user name and password in the URL become Basic credentials and do not go out otherwise."""
    await rest(f"http://al%40ice:s%20c@127.0.0.1:{open_server.port}/x")
    assert open_server.last.header("Authorization") == "Basic YWxAaWNlOnMgYw=="
    assert open_server.last.header("Host") == f"127.0.0.1:{open_server.port}"
    await rest(f"http://u:p@127.0.0.1:{open_server.port}/x", authentication={"type": "bearer", "token": "t"})
    assert open_server.last.header("Authorization") == "Bearer t"


def test_boundaries_differ():
    """Two forms do not share a boundary."""
    assert new_boundary() != new_boundary()
    assert re.fullmatch(r"[A-Za-z0-9-]{20,70}", new_boundary())
