"""What schemas can say besides plain sequences: substitution groups, text between elements, fixed values."""

from pathlib import Path

import pytest
from tests.servers.soap import reply

from zeebe_connectors import InputError
from zeebe_connectors.testing.servers import Reply

WSDL = (Path(__file__).parent / "schema-features.wsdl").read_bytes()
NAMES = (
    'xmlns="urn:t" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:xs="http://www.w3.org/2001/XMLSchema"'
)
REX, TOM = {"name": "Rex", "legs": 4}, {"name": "Tom"}


@pytest.fixture
def call(server, soap):
    """Calls an operation of the WSDL, which answers with the given content of its response."""
    server.answer("/zoo.wsdl", Reply(200, WSDL, [("Content-Type", "text/xml")]))

    async def called(operation, values, answer="", *, error=False):
        server.answer("/service", reply(f"<{operation}Response {NAMES}>{answer}</{operation}Response>", version="1.2"))
        body = {"type": "operation", "wsdl": server.url("/zoo.wsdl"), "operation": operation, "input": values}
        return await (soap.error if error else soap)(server.url("/service"), body=body)

    return called


def sent(server):
    """The content of the body that was sent."""
    return server.last.body.decode().partition("Body>")[2].rpartition("</SOAP-ENV:Body")[0]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"dog": [REX], "cat": TOM}, ["dog", "cat"]),
        ({"dog": [REX, REX]}, ["dog", "dog"]),
        ({"kitten": TOM}, ["kitten"]),
        ({"$items": [{"dog": REX}, {"cat": TOM}, {"dog": REX}]}, ["dog", "cat", "dog"]),
    ],
)
async def test_members_of_a_substitution_group_are_sent_by_their_names(call, server, values, expected):
    """One without a type has that of its head; members of members count; `$items` keeps the order."""
    await call("Zoo", {**values, "size": 2})
    body = sent(server)
    order = sorted((body.index(f"<ns0:{name}>", start), name) for name in set(expected) for start in places(body, name))
    assert [name for _, name in order] == expected
    assert ("<ns0:legs>4</ns0:legs>" in body) is ("dog" in expected)


def places(body, name):
    """Where elements of a name begin."""
    return [at for at in range(len(body)) if body.startswith(f"<ns0:{name}>", at)]


async def test_an_abstract_head_is_not_sent_itself(call):
    error = await call("Zoo", {"animal": {"name": "x"}, "size": 1}, error=True)
    assert (error.code, "needs one of dog, cat, kitten" in error.message) == ("SOAP_INPUT_INVALID", True)


async def test_members_of_a_substitution_group_are_read_by_their_types(call):
    answer = "<dog><name>Rex</name><legs>4</legs></dog><kitten><name>Tom</name></kitten>"
    output = (await call("Zoo", {"cat": TOM, "size": 1}, answer))["output"]
    assert (output["dog"], output["kitten"], output["cat"]) == ([REX], [TOM], [])


async def test_a_member_where_elements_stand_in_any_order(call):
    """`all` holds no choice: each member may be there."""
    answer = "<dog><name>Rex</name><legs>4</legs></dog><p>3</p>"
    assert (await call("Grp", {"a": "1"}, answer))["output"] == {"dog": REX, "p": 3}


async def test_text_between_elements_is_content(call, server):
    """Both ways, as in replies without a schema."""
    answer = '<note lang="de">Hello <b>big</b> world</note>'
    output = (await call("Zoo", {"cat": TOM, "size": 1}, answer))["output"]
    assert output["note"] == {"@lang": "de", "b": ["big"], "$content": "Hello  world"}
    await call("Note", {"note": {"$content": "Hi ", "b": ["x"], "lang": "de"}})
    assert '<ns0:note lang="de">Hi <ns0:b>x</ns0:b></ns0:note>' in sent(server)
    assert (await call("Note", {"note": "Hi"}, "just text"))["output"] == {"$content": "just text"}
    assert "<ns0:note>Hi</ns0:note>" in sent(server)


async def test_what_is_fixed_need_not_be_given(call, server):
    await call("Money", {"amount": {"cur": "EUR", "$content": 1.5}, "when": None}, "2024-01-01T00:00:00Z")
    assert "<ns0:fixed>A</ns0:fixed>" in sent(server)


async def test_elements_that_the_schema_leaves_open(call, server):
    """`xs:any` takes and gives what is not named."""
    answer = '<z:foo xmlns:z="urn:z" a="1">b</z:foo>'
    output = (await call("Up", {"file": "aGk=", "extra": {"q": 1}}, answer))["output"]
    assert output == {"foo": {"a": "1", "$content": "b"}}
    assert "<extra><q>1</q></extra>" in sent(server)


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"q": "a\ud800b"}, "holds a character that XML cannot carry; remove it"),
        ({"q": "a\x0bb"}, "invalid Char value 11; .* remove control characters"),
        ({"p:q": "a"}, "prefix p on q is not defined; declare a prefix with '@xmlns:prefix'"),
    ],
)
async def test_what_stands_there_and_cannot_be_written_is_named(call, extra, says):
    with pytest.raises(InputError, match=says):
        await call("Up", {"file": "aGk=", "extra": extra})
