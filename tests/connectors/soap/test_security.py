"""WS-Security: what is sent passes an independent check, and a reply passes ours only when it should."""

import base64
import datetime as dt
import hashlib

import pytest
import xmlsec
from lxml import etree
from tests.servers.soap import (
    DSIG,
    WSSE,
    WSU,
    envelope,
    guarded,
    reply,
    signature_problem,
    timestamp_problem,
    username_problem,
)

from zeebe_connectors.testing.servers import Reply

OK = reply("<Pong/>")


def token(**more):
    return {"authentication": "usernameToken", "username": "alice", "password": "sécret", **more}


@pytest.mark.parametrize("encoded", ["Yes", "No"])
@pytest.mark.parametrize("timestamp", [None, 300])
@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_username_token(server, soap, encoded, timestamp, version):
    """Text and digest are what the profile says, with and without a Timestamp."""
    check = username_problem("alice", "sécret", digest=encoded == "Yes", timestamp=bool(timestamp))
    server.answer("/", guarded(check, OK))
    await soap(
        server.url(), authentication=token(encoded=encoded, timestamp=timestamp), soapVersion={"version": version}
    )
    must = {"1.1": "//wsse:Security/@s11:mustUnderstand", "1.2": "//wsse:Security/@s12:mustUnderstand"}[version]
    assert server.found(must) == ["1" if version == "1.1" else "true"]
    assert bool(server.found("//wsu:Timestamp")) is bool(timestamp)


async def test_wrong_password_is_a_fault(server, soap):
    """The guard of these tests does refuse."""
    server.answer("/", guarded(username_problem("alice", "other", digest=True, timestamp=False), OK))
    assert (await soap.error(server.url(), authentication=token(encoded="Yes"))).code == "SOAP_FAULT_RECEIVED"


async def test_each_digest_has_its_own_nonce(server, soap):
    """No nonce is used twice."""
    server.answer("/", OK)
    nonces = set()
    for _ in range(5):
        await soap(server.url(), authentication=token(encoded="Yes"))
        nonces.add(server.envelope.findtext(f".//{{{WSSE}}}Nonce"))
    assert len(nonces) == 5


async def test_token_without_password(server, soap):
    """A token may name the user only."""
    server.answer("/", OK)
    await soap(server.url(), authentication={"authentication": "usernameToken", "username": "alice"})
    assert server.found("//wsse:Username/text()") == ["alice"]
    assert not server.found("//wsse:Password")


@pytest.mark.parametrize("header", [{"type": "none"}, {"type": "json", "json": {"Other": "x"}}])
async def test_markup_in_name_and_password(server, soap, header):
    """Name and password arrive as they are, whatever they hold and whatever else stands in the header."""
    server.answer("/", OK)
    odd = "<a>&amp;'\"\r\n]]>é"
    await soap(server.url(), authentication=token(username=odd, password=odd), header=header)
    assert server.found("//wsse:Username/text()") == [odd]
    assert server.found("//wsse:Password/text()") == [odd]
    assert len(server.found("//wsse:Security")) == 1
    assert len(server.found("//Other")) == (header["type"] == "json")


@pytest.mark.parametrize("more", [{}, {"header": {"type": "json", "json": {"Other": "x"}}}])
async def test_a_token_that_xml_cannot_carry(server, soap, more):
    """A control character is an incident, and the message repeats no password."""
    for name in ("username", "password"):
        error = await soap.error(server.url(), authentication=token(**{name: "s3cr3t\x01"}), **more)
        assert error.code == "SOAP_MESSAGE_INVALID"
        assert f"authentication.{name}: " in error.message
        assert "s3cr3t" not in error.message


async def test_double_hash_behind_the_switch(server, soap):
    """With the switch the password is replaced by its SHA-1 as text before it is digested."""
    odd = hashlib.sha1("sécret".encode()).digest().decode("utf-8", "replace")
    server.answer("/", guarded(username_problem("alice", odd, digest=True, timestamp=False), OK))
    await soap(server.url(), authentication=token(encoded="Yes"), soapCompatibility="camunda")


def signing(pair, **more):
    certificate = {"certificateType": "single", "certificate": pair.pem, "privateKey": pair.key_pem()}
    return {"authentication": "signature", "certificate": certificate, **more}


async def test_signature(server, soap, pair):
    """Body and Timestamp are signed with SHA-256, and the certificate goes with them."""
    check = signature_problem(pair.der, "Body", "Timestamp")
    server.answer("/", guarded(lambda root: check(root) or timestamp_problem(root), OK))
    await soap(server.url(), authentication=signing(pair, timestamp=300), body={"type": "json", "json": {"a": "ü\n&"}})
    assert server.found("//ds:SignatureMethod/@Algorithm")[0].endswith("#rsa-sha256")
    assert server.found("//ds:DigestMethod/@Algorithm")[0].endswith("#sha256")
    assert server.found("name(//wsse:Security/*[1])") == "wsu:Timestamp"


async def test_signature_with_ec_key(server, soap, make_pair):
    """An EC key signs with ECDSA."""
    pair = make_pair("ec", kind="ec")
    server.answer("/", guarded(signature_problem(pair.der, "Body"), OK))
    await soap(server.url(), authentication=signing(pair))
    assert server.found("//ds:SignatureMethod/@Algorithm")[0].endswith("#ecdsa-sha256")


async def test_signature_of_named_parts(server, soap, pair):
    """Named parts are signed, and only those."""
    server.answer("/", guarded(signature_problem(pair.der, "Session", "Order"), OK))
    await soap(
        server.url(),
        header={"type": "json", "json": {"n:Session": "s"}},
        body={"type": "json", "json": {"n:Order": {"n:Id": 1}}},
        namespaces={"n": "urn:n"},
        authentication=signing(
            pair,
            encryptionParts=[
                {"namespace": "urn:n", "localName": "Session", "encryptionModifier": "Element"},
                {"namespace": "urn:n", "localName": "Order"},
            ],
        ),
    )
    assert len(server.found("//ds:Reference")) == 2
    missing = await soap.error(server.url(), authentication=signing(pair, encryptionParts=[{"localName": "Gone"}]))
    assert "no element Gone" in str(missing)


async def test_chosen_algorithms(server, soap, pair):
    """Algorithms can be chosen; an unknown one is told with those that are known."""
    more = "http://www.w3.org/2001/04/xmldsig-more#"
    server.answer("/", guarded(signature_problem(pair.der, "Body"), OK))
    chosen = {"signatureAlgorithm": more + "rsa-sha512", "digestAlgorithm": "http://www.w3.org/2001/04/xmlenc#sha512"}
    await soap(server.url(), authentication=signing(pair, **chosen))
    assert server.found("//ds:SignatureMethod/@Algorithm") == [more + "rsa-sha512"]
    error = await soap.error(server.url(), authentication=signing(pair, signatureAlgorithm="urn:none"))
    assert "signatureAlgorithm" in str(error)
    assert "rsa-sha256" in str(error)


@pytest.mark.parametrize("given", ["file", "document"])
async def test_keystore(server, soap, pair, given):
    """A PKCS#12 keystore signs, as an allowed file or as a document."""
    data = pair.p12("changeit")
    (soap.files / "client.p12").write_bytes(data)
    document = await soap.documents.create(data, name="client.p12")
    location = "file:client.p12" if given == "file" else dict(document.reference)
    keystore = {
        "certificateType": "keystore",
        "keystoreLocation": location,
        "keystorePassword": "changeit",
        "alias": "client",
    }
    server.answer("/", guarded(signature_problem(pair.der, "Body"), OK))
    await soap(server.url(), authentication={"authentication": "signature", "certificate": keystore})


async def test_keystore_elsewhere(soap):
    """A keystore outside the allowed directories is not opened."""
    keystore = {
        "certificateType": "keystore",
        "keystoreLocation": "/etc/passwd",
        "keystorePassword": "x",
        "alias": "a",
    }
    error = await soap.error(
        "http://127.0.0.1:9", authentication={"authentication": "signature", "certificate": keystore}
    )
    assert error.code == "FILE_FORBIDDEN"


def signed_reply(pair, *, wrap=False, change=None, stamp="now", covered=True, digest=xmlsec.Transform.SHA256):
    """A reply that is signed with code of the test's own."""
    root = etree.fromstring(
        envelope(f'<Pong xmlns:wsu="{WSU}">7</Pong>', header=f'<wsse:Security xmlns:wsse="{WSSE}"/>')
    )
    body = root[1]
    body.set(f"{{{WSU}}}Id", "the-body")
    security = root[0][0]
    binary = etree.SubElement(security, f"{{{WSSE}}}BinarySecurityToken")
    binary.set(f"{{{WSU}}}Id", "the-token")
    binary.text = base64.b64encode(pair.der).decode()
    signature = xmlsec.template.create(root, xmlsec.Transform.EXCL_C14N, xmlsec.Transform.RSA_SHA256, ns="ds")
    if stamp:
        made = etree.SubElement(security, f"{{{WSU}}}Timestamp")
        made.set(f"{{{WSU}}}Id", "the-time")
        now = dt.datetime.now(dt.UTC) if stamp == "now" else dt.datetime.fromisoformat(stamp)
        etree.SubElement(made, f"{{{WSU}}}Created").text = now.isoformat()
        etree.SubElement(made, f"{{{WSU}}}Expires").text = (now + dt.timedelta(minutes=5)).isoformat()
    for uri in ["#the-body", *(["#the-time"] if stamp and covered else [])]:
        reference = xmlsec.template.add_reference(signature, digest, uri=uri)
        xmlsec.template.add_transform(reference, xmlsec.Transform.EXCL_C14N)
    info = xmlsec.template.ensure_key_info(signature)
    message = etree.SubElement(info, f"{{{WSSE}}}SecurityTokenReference")
    etree.SubElement(message, f"{{{WSSE}}}Reference", URI="#the-token")
    security.append(signature)
    context = xmlsec.SignatureContext()
    context.register_id(body, "Id", WSU)
    if stamp:
        context.register_id(made, "Id", WSU)
    context.key = xmlsec.Key.from_memory(pair.key_pem().encode(), xmlsec.constants.KeyDataFormatPem, None)
    context.sign(signature)
    if wrap:  # the signed body moves aside, another takes its place
        evil = etree.fromstring(etree.tostring(body))
        evil[0].text = "8"
        holder = etree.SubElement(root[0], "Wrapper")
        holder.append(body)
        root.append(evil)
        if wrap == "other id":
            evil.set(f"{{{WSU}}}Id", "other")
    if change:
        change(root)
    return Reply(200, etree.tostring(root), [("Content-Type", "text/xml")])


async def test_verified_reply(server, soap, pair, authority):
    """A reply signed by a trusted certificate, or by one that a trusted authority issued, is accepted."""
    server.answer("/", signed_reply(pair))
    for trusted in (pair.pem, authority.pem, pair.pem + authority.pem):
        how = signing(pair, verifyReply=True, trustedCertificates=trusted)
        result = await soap(server.url(), authentication=how)
        assert result["Envelope"]["Body"]["Pong"] is not None


def _tamper(root):
    root[1][0].text = "8"


def _unsigned(root):
    root.find(f".//{{{DSIG}}}Signature").getparent().remove(root.find(f".//{{{DSIG}}}Signature"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"change": _unsigned}, "not signed"),
        ({"change": _tamper}, "does not fit"),
        ({"stamp": "2001-01-01T00:00:00+00:00"}, "expired"),
        ({"stamp": "2101-01-01T00:00:00+00:00"}, "a future one"),
        ({"stamp": ""}, "no Timestamp"),
        ({"covered": False}, "Timestamp is not covered"),
        ({"digest": xmlsec.Transform.SHA1}, "digest algorithm"),
        ({"wrap": "same id"}, "same Id"),
        ({"wrap": "other id"}, "not covered"),
    ],
)
async def test_refused_replies(server, soap, pair, options, message):
    """Unsigned, changed, expired and wrapped replies are refused."""
    server.answer("/", signed_reply(pair, **options))
    how = signing(pair, verifyReply=True, trustedCertificates=pair.pem)
    error = await soap.error(server.url(), authentication=how)
    assert error.code == "SOAP_SIGNATURE_INVALID"
    assert message in str(error)


async def test_stranger(server, soap, pair, make_pair):
    """A good signature of somebody unknown is refused, also when the names are the same."""
    server.answer("/", signed_reply(make_pair("client", issuer=make_pair("authority", ca=True))))
    how = signing(pair, verifyReply=True, trustedCertificates=pair.pem)
    assert "not among the trusted" in str(await soap.error(server.url(), authentication=how))


async def test_not_verified_unless_asked(server, soap, pair):
    """An unsigned reply is fine by default."""
    server.answer("/", OK)
    await soap(server.url(), authentication=signing(pair))


async def test_verification_needs_somebody_to_trust(soap, pair):
    """Verification without a trusted certificate is a wrong input."""
    error = await soap.error("http://127.0.0.1:9", authentication=signing(pair, verifyReply=True))
    assert "trustedCertificates: is required" in str(error)
