"""Calls with an envelope: what goes over the wire, what comes back, and every way in which it can fail."""

import asyncio
import socket

import pytest
from tests.servers.soap import SOAP11, SOAP12, envelope, fault, reply

from zeebe_connectors import Document, InputError
from zeebe_connectors.testing.servers import ForwardProxy, Reply

OK = reply('<n:PongResponse xmlns:n="urn:n"><n:Value>7 </n:Value></n:PongResponse>')


def body(**content):
    return {"type": "json", "json": content}


async def test_soap11(server, soap):
    """SOAP 1.1: text/xml, a quoted SOAPAction, and the envelope as JSON comes back."""
    server.answer("/", OK)
    result = await soap(
        server.url(),
        soapVersion={"version": "1.1", "soapAction": "urn:ping"},
        header={"type": "json", "json": {"n:Session": "s1"}},
        body=body(**{"n:Ping": {"n:Text": "a<b"}}),
        namespaces={"n": "urn:n"},
        connectionTimeoutInSeconds=20,
    )
    assert result == {"Envelope": {"Body": {"PongResponse": {"Value": "7 "}}}}
    assert server.last.header("Content-Type") == "text/xml; charset=utf-8"
    assert server.last.header("SOAPAction") == '"urn:ping"'
    assert server.envelope.tag == f"{{{SOAP11}}}Envelope"
    assert server.found("//s11:Header/n:Session/text()", n="urn:n") == ["s1"]
    assert server.found("//s11:Body/n:Ping/n:Text/text()", n="urn:n") == ["a<b"]


async def test_soap12(server, soap):
    """SOAP 1.2: application/soap+xml with the action as parameter and no SOAPAction."""
    server.answer("/", reply("<Pong/>", version="1.2"))
    result = await soap(server.url(), soapVersion={"version": "1.2", "soapAction": '"urn:ping"'})
    assert result == {"Envelope": {"Body": {"Pong": {}}}}
    assert server.last.header("Content-Type") == 'application/soap+xml; charset=utf-8; action="urn:ping"'
    assert server.last.header("SOAPAction") is None
    assert server.envelope.tag == f"{{{SOAP12}}}Envelope"


async def test_what_other_templates_send(server, soap):
    """Numbers as text, empty choices and the unknown inputs of version 1 of Camunda's template are taken."""
    server.answer("/", OK)
    await soap(
        server.url(),
        authentication={"authentication": "none", "useBinarySecurityToken": "Yes"},
        soapVersion={"version": "1.1", "soapAction": ""},
        header={"type": "none"},
        body={"type": "template", "template": "<a>{{x}}</a>", "context": {"x": "<"}},
        connectionTimeoutInSeconds="20",
    )
    assert server.found("//s11:Body/a/text()") == ["<"]
    assert server.last.header("SOAPAction") == '""'


async def test_header_template(server, soap):
    """A header from a template stands in the header."""
    server.answer("/", OK)
    await soap(server.url(), header={"type": "template", "template": "<t>{{a}}</t>", "context": {"a": 1}})
    assert server.found("//s11:Header/t/text()") == ["1"]


async def test_shape_of_the_reply(server, soap):
    """Attributes beside children, `$content`, lists for repeated names, empty objects, no namespaces."""
    xml = (
        '<r xmlns="urn:r" id="1"><i>a</i><i>b</i><i/>'
        '<m u="x">5</m><d xmlns="urn:d">t</d><n xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:nil="true"/>'
        "<t>one<b>two</b>three</t><w>  </w><c><![CDATA[<x>]]></c><!-- no --></r>"
    )
    server.answer("/", reply(xml, header="<h>1</h>"))
    assert await soap(server.url()) == {
        "Envelope": {
            "Header": {"h": "1"},
            "Body": {
                "r": {
                    "id": "1",
                    "i": ["a", "b", {}],
                    "m": {"u": "x", "$content": "5"},
                    "d": {"$content": "t"},
                    "n": {"nil": "true"},
                    "t": {"b": "two", "$content": "onethree"},
                    "w": {},
                    "c": "<x>",
                }
            },
        }
    }


async def test_fault11(server, soap):
    """A fault is SOAP_FAULT_RECEIVED with the whole envelope, and in words that are the same for both versions."""
    server.answer("/", fault("Server", "no stock", "<s:NoStock xmlns:s='urn:s'><s:left>3</s:left></s:NoStock>"))
    error = await soap.error(server.url())
    assert error.code == "SOAP_FAULT_RECEIVED"
    assert str(error) == "SOAP Fault received: Server: no stock"
    assert error.variables["response"]["Envelope"]["Body"]["Fault"]["faultcode"] == "soap:Server"
    assert error.variables["response"]["Envelope"]["Body"]["Fault"]["faultstring"] == "no stock"
    assert error.variables["fault"] == {
        "code": "Server",
        "reason": "no stock",
        "detail": {"NoStock": {"left": "3"}},
    }


async def test_fault12(server, soap):
    """A fault of SOAP 1.2 has subcode and the English reason."""
    server.answer("/", fault("Receiver", "no stock", "<left>3</left>", version="1.2", subcode="NoStock"))
    error = await soap.error(server.url(), soapVersion={"version": "1.2"})
    assert error.variables["fault"] == {
        "code": "Receiver",
        "subcode": "NoStock",
        "reason": "no stock",
        "detail": {"left": "3"},
    }
    assert error.variables["response"]["Envelope"]["Body"]["Fault"]["Code"]["Value"] == "soap:Receiver"


async def test_fault_with_status_200(server, soap):
    """A fault is one whatever the status."""
    server.answer("/", reply("<soap:Fault><faultcode>soap:Client</faultcode><faultstring>x</faultstring></soap:Fault>"))
    assert (await soap.error(server.url())).code == "SOAP_FAULT_RECEIVED"


async def test_an_element_called_fault_is_none(server, soap):
    """Only the envelope's own Fault is one."""
    server.answer("/", reply("<Fault xmlns='urn:geology'>San Andreas</Fault>"))
    assert (await soap(server.url()))["Envelope"]["Body"] == {"Fault": {"$content": "San Andreas"}}


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (Reply(404, b"<html>not here</html>", [("Content-Type", "text/html")], "Not Found"), "404"),
        (Reply(503, b"", [("Retry-After", "7")], "Busy"), "503"),
        (Reply(500, b"", [], "Error"), "500"),
        (Reply(401, b"who?", [], "Unauthorized"), "401"),
        (Reply(302, b"", [("Location", "/other")], "Found"), "302"),
        (Reply(500, envelope("<a/>"), [("Content-Type", "text/xml")], "Error"), "500"),
        (Reply(200, b"<html><body>hi</body></html>", [("Content-Type", "text/html")]), "SOAP_REPLY_INVALID"),
        (Reply(200, b"hello", [("Content-Type", "text/plain")]), "SOAP_REPLY_INVALID"),
        (Reply(200, b"<a>", [("Content-Type", "text/xml")]), "SOAP_REPLY_INVALID"),
        (Reply(200, b"<!DOCTYPE a><a/>", [("Content-Type", "text/xml")]), "SOAP_REPLY_INVALID"),
        (Reply(200, b"x", [("Content-Type", "multipart/related")]), "SOAP_REPLY_INVALID"),
    ],
)
async def test_answers_without_fault(server, soap, answer, code):
    """An HTTP error without a fault has its status as code; what is no envelope is told as such."""
    server.answer("/", answer)
    error = await soap.error(server.url())
    assert error.code == code
    if code == "503":
        assert error.delay == 7


async def test_empty_reply(server, soap):
    """A one-way operation is answered with nothing."""
    server.answer("/", Reply(202, b"", [], "Accepted"))
    assert await soap(server.url()) == {"Envelope": {"Body": {}}}


async def test_an_acceptance_in_words_is_one(server, soap):
    """The service has the message: a failure would send it again."""
    server.answer("/", Reply(202, b"Accepted", [("Content-Type", "text/plain")], "Accepted"))
    assert await soap(server.url()) == {"Envelope": {"Body": {}}}
    server.answer("/", Reply(200, b"Accepted", [("Content-Type", "text/plain")]))
    assert (await soap.error(server.url())).code == "SOAP_REPLY_INVALID"


async def test_an_envelope_that_is_filled_up(server, soap):
    server.answer("/", Reply(200, OK.body + b"\0\0\r\n", [("Content-Type", "text/xml")]))
    assert await soap(server.url()) == {"Envelope": {"Body": {"PongResponse": {"Value": "7 "}}}}


async def test_entities_of_a_reply_are_not_read(server, soap, tmp_path):
    """Neither a file nor an expanding entity in a reply is looked at."""
    (tmp_path / "secret").write_text("the secret")
    for declared in (f'<!ENTITY x SYSTEM "file://{tmp_path}/secret">', '<!ENTITY a "aaaa"><!ENTITY x "&a;&a;&a;">'):
        data = envelope("<a>&x;</a>").replace(b"?>\n", f"?>\n<!DOCTYPE a [{declared}]>\n".encode())
        server.answer("/", Reply(200, data, [("Content-Type", "text/xml")]))
        error = await soap.error(server.url())
        assert error.code == "SOAP_REPLY_INVALID"
        assert "secret" not in str(error)


async def test_deep_reply(server, soap):
    """A reply nested without end is refused."""
    server.answer("/", reply("<a>" * 5000 + "</a>" * 5000))
    assert (await soap.error(server.url())).code == "SOAP_REPLY_INVALID"


async def test_nothing_listens(soap):
    """A refused connection has a code and a reason."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        error = await soap.error(f"http://127.0.0.1:{port}/")
    assert error.code == "408"
    assert error.variables["reason"] == "refused"


async def test_timeouts_end(server, soap):
    """The timeout ends a silent call; without one, the job's time does."""

    async def silent(seen, reader, writer):
        await asyncio.sleep(30)

    server.script("/", silent)
    error = await soap.error(server.url(), connectionTimeoutInSeconds=0.2)
    assert error.variables["reason"] == "read-timeout"
    for none in (None, 0, -1):
        error = await soap.error(server.url(), connectionTimeoutInSeconds=none, seconds=0.3)
        assert error.variables["reason"] == "deadline"


async def test_large_replies(server, soap):
    """100 kB and 10 MB come back whole."""
    for size in (100_000, 10_000_000):
        server.answer("/", reply(f"<r><d>{'x' * size}</d></r>"))
        assert len((await soap(server.url()))["Envelope"]["Body"]["r"]["d"]) == size


async def test_http_authentication_and_headers(server, soap):
    """HTTP credentials and headers go with the request."""
    server.answer("/", OK)
    await soap(
        server.url(),
        httpAuthentication={"type": "basic", "username": "alice", "password": "s"},
        httpHeaders={"X-Key": "k", "Content-Type": "text/xml; charset=UTF-8"},
    )
    assert server.last.header("Authorization") == "Basic YWxpY2U6cw=="
    assert server.last.header("X-Key") == "k"
    assert server.last.header("Content-Type") == "text/xml; charset=UTF-8"


async def test_addressing(server, soap):
    """WS-Addressing headers name the address, the action and a message id; given ones stay."""
    server.answer("/", OK)
    wsa = "http://www.w3.org/2005/08/addressing"
    await soap(
        server.url("/"),
        addressing=True,
        soapVersion={"soapAction": "urn:ping"},
        header={"type": "json", "json": {"a:MessageID": "urn:mine"}},
        namespaces={"a": wsa},
    )
    assert server.found("//s11:Header/a:To/text()", a=wsa) == [server.url("/")]
    assert server.found("//s11:Header/a:Action/text()", a=wsa) == ["urn:ping"]
    assert server.found("//s11:Header/a:MessageID/text()", a=wsa) == ["urn:mine"]
    assert server.found("//s11:Header/a:ReplyTo/a:Address/text()", a=wsa) == [wsa + "/anonymous"]


async def test_proxy(server, soap, monkeypatch):
    """The operator's proxy is used."""
    server.answer("/", OK)
    async with ForwardProxy() as proxy:
        monkeypatch.setenv("CONNECTOR_HTTP_PROXY_HOST", "127.0.0.1")
        monkeypatch.setenv("CONNECTOR_HTTP_PROXY_PORT", str(proxy.port))
        await soap(server.url())
    assert len(proxy.requests) == 1


def mtom(*, encoding="binary", root_last=False, name="p.png"):
    xop = "http://www.w3.org/2004/08/xop/include"
    root = envelope(f'<r><file><x:Include xmlns:x="{xop}" href="cid:a%40b"/></file><n>1</n></r>')
    data = b"\x00\x01\r\n--not" if encoding == "binary" else b"AAE="
    parts = [
        b'Content-Type: application/xop+xml; type="text/xml"\r\nContent-ID: <root>\r\n\r\n' + root,
        b"Content-Type: image/png\r\nContent-ID: <a@b>\r\nContent-Transfer-Encoding: "
        + encoding.encode()
        + f'\r\nContent-Disposition: attachment; filename="{name}"\r\n\r\n'.encode()
        + data,
        b"Content-Type: text/plain\r\nContent-ID: <more>\r\n\r\nmore",
    ]
    if root_last:
        parts.reverse()
    whole = b"".join(b"\r\n--B=1\r\n" + part for part in parts) + b"\r\n--B=1--\r\n"
    kind = 'multipart/related; boundary="B=1"; type="application/xop+xml"; start="<root>"; start-info="text/xml"'
    return Reply(200, whole, [("Content-Type", kind)])


@pytest.mark.parametrize(("encoding", "expected"), [("binary", b"\x00\x01\r\n--not"), ("base64", b"\x00\x01")])
@pytest.mark.parametrize("root_last", [False, True])
async def test_mtom(server, soap, encoding, expected, root_last):
    """A part that the envelope refers to becomes a document in its place, the others are listed."""
    server.answer("/", mtom(encoding=encoding, root_last=root_last))
    result = await soap(server.url())
    file = result["Envelope"]["Body"]["r"]["file"]
    assert result["Envelope"]["Body"]["r"]["n"] == "1"
    assert file["metadata"]["fileName"] == "p.png"
    content = await soap.documents.read(Document(file), seconds=5)
    assert content.data == expected
    assert content.content_type == "image/png"
    (other,) = result["attachments"]
    assert (await soap.documents.read(Document(other), seconds=5)).data == b"more"


@pytest.mark.parametrize(
    ("name", "safe"),
    [("../../etc/cron.d/x", "x"), ("C:/a/p.png", "p.png"), ("a\u202egnp.exe", "agnp.exe"), ("..", None)],
)
async def test_a_part_is_no_path(server, soap, name, safe):
    """The service names its parts; whoever saves them must not be led elsewhere."""
    server.answer("/", mtom(name=name))
    file = (await soap(server.url()))["Envelope"]["Body"]["r"]["file"]
    assert file["metadata"].get("fileName") == safe


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "serviceUrl: is required"),
        ({"serviceUrl": "ftp://x"}, "must begin with http"),
        ({"serviceUrl": "http://x", "body": {"type": "yaml"}}, "body"),
        ({"serviceUrl": "http://x", "body": {"type": "json"}}, r"body\.(json\.)*json: is required"),
        ({"serviceUrl": "http://x", "soapVersion": {"version": "1.3"}}, "soapVersion.version: must be one of"),
        (
            {"serviceUrl": "http://x", "authentication": {"authentication": "usernameToken"}},
            r"authentication\..*username: is required",
        ),
    ],
)
async def test_inputs_are_checked(soap, inputs, message):
    """A wrong input is named as the modeler knows it."""
    with pytest.raises(InputError, match=message):
        await soap(**inputs)


async def test_action_with_a_quote(soap):
    """A SOAPAction cannot smuggle a header."""
    error = await soap.error("http://127.0.0.1:9", soapVersion={"soapAction": 'a"\r\nX: y'})
    assert error.code == "INVALID_INPUT"


async def test_compatibility(server, soap):
    """With the switch, values are markup, null is text and only the first element is sent."""
    server.answer("/", OK)
    content = {"a": {"b": "<c/>", "n": None}, "second": "x"}
    await soap(server.url(), body={"type": "json", "json": content}, soapCompatibility="camunda")
    assert server.found("count(//s11:Body/*)") == 1
    assert server.found("//a/b/c")
    assert server.found("//a/n/text()") == ["null"]
