"""Signatures that OpenSSL makes are checked over the very bytes, and what is not as it should be is told."""

from __future__ import annotations

import datetime as dt
import json
import sys

import pytest
from tests.servers.smime import HEADERS, INNER, Person, clear_signed, entity, mail, needs_openssl, openssl, ring, signed

from zeebe_connectors.mail import parse_mail
from zeebe_connectors.mail.reading.smime.signature import _system

pytestmark = needs_openssl
ADDRESS = "ann@example.test"


@pytest.fixture(scope="module")
def authority():
    return Person("ca@example.test", ca=True)


@pytest.fixture(scope="module")
def keys(authority):
    return ring(trusted=(authority,))


@pytest.fixture(scope="module", params=["rsa", "ec", "p384"])
def anyone(request, authority):
    return Person(ADDRESS, issuer=authority, kind=request.param)


@pytest.fixture(scope="module")
def ann(authority):
    return Person(ADDRESS, issuer=authority)


def verdict(raw: bytes, keys=None):
    return parse_mail(raw, keyring=keys).signature


@pytest.mark.parametrize("options", ["", "-keyid", "-noattr", "-md sha384", "-md sha512"])
def test_a_signature_is_valid_clear_and_opaque(anyone, keys, options):
    for raw in (clear_signed(anyone, INNER, options), mail(signed(anyone, f"-nodetach {options}"), "signed-data")):
        read = parse_mail(raw, keyring=keys)
        assert read.signature.status == "valid", read.signature
        assert (read.signature.signer, read.signature.signer_email) == ("ann", ADDRESS)
        assert read.plain.strip() == "a secret text"
        assert read.attachments[0].name == "list.csv"
        assert not read.encrypted


@pytest.mark.parametrize(
    "options",
    [
        "-keyopt rsa_padding_mode:pss",
        "-keyopt rsa_padding_mode:pss -keyopt rsa_pss_saltlen:20 -keyopt rsa_mgf1_md:sha512",
        "-stream",
        "-outform PEM",
    ],
)
def test_a_signature_is_valid_in_every_form(ann, keys, options):
    message = signed(ann, f"-nodetach {options}")
    read = parse_mail(mail(message, "signed-data"), keyring=keys)
    assert read.signature.status == "valid", read.signature
    assert read.plain.strip() == "a secret text"


def test_what_expressions_see(ann, keys, authority):
    data = parse_mail(clear_signed(ann), keyring=keys).data()
    assert (data["encrypted"], data["signature"]["signedAt"][:2]) == (False, "20")
    assert {**data["signature"], "signedAt": None} == {
        "status": "valid",
        "signer": "ann",
        "signerEmail": ADDRESS,
        "matchesSender": True,
        "issuer": "CN=ca",
        "signedAt": None,
        "reason": None,
    }
    json.dumps(data)
    plain = parse_mail(HEADERS + INNER, keyring=keys).data()
    assert (plain["encrypted"], plain["signature"]) == (False, None)


def test_line_ends_that_a_server_changed_do_not_matter(ann, keys):
    assert verdict(clear_signed(ann).replace(b"\r\n", b"\n"), keys).status == "valid"


@pytest.mark.parametrize("options", ["", "-noattr"])
def test_a_changed_mail_is_invalid(ann, keys, options):
    raw = clear_signed(ann, INNER, options)
    for old, new in ((b"secret text", b"secret tExt"), (b"a,b", b"a,c"), (b"list.csv\r\nC", b"lost.csv\r\nC")):
        assert old in raw
        found = verdict(raw.replace(old, new), keys)
        assert found.status == "invalid"
        assert "changed" in found.reason
    message = signed(ann, f"-nodetach {options}")
    changed = parse_mail(mail(message.replace(b"secret text", b"secret tExt"), "signed-data"), keyring=keys)
    assert changed.signature.status == "invalid"


def test_another_ones_signature_does_not_hold(ann, keys, authority):
    """A certificate that is ann's, and a signature that is not."""
    other = Person(ADDRESS, issuer=authority)
    other.certificate = ann.certificate
    message = signed(ann)
    forged = message[:-200] + bytes(200)
    assert verdict(mail(forged, "signed-data"), keys).status == "invalid"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"address": "mallory@example.test"}, "another address"),
        ({"days": (-30, -2)}, "not valid when"),
        ({"days": (2, 30)}, "not valid when"),
        ({"usage": "server"}, "not for mail"),
        ({"issuer": None}, "trusted authority"),
    ],
)
def test_a_signature_that_holds_but_proves_nothing_is_untrusted(authority, keys, changes, reason):
    signer = Person(**{"address": ADDRESS, "issuer": authority, **changes})
    found = verdict(clear_signed(signer), keys)
    assert (found.status, found.matches_sender) == ("untrusted", "address" not in changes)
    assert reason in found.reason


def test_a_certificate_must_be_good_when_the_mail_is_received(ann, keys):
    """When a mail was signed is the signer's own word: a stolen, expired key's owner may say anything."""
    raw = clear_signed(ann)
    now = dt.datetime.now(dt.UTC)
    assert parse_mail(raw, keyring=keys, received=now).signature.status == "valid"
    late = parse_mail(raw, keyring=keys, received=now + dt.timedelta(days=60)).signature
    assert late.status == "untrusted"
    assert "when the mail was received" in late.reason


def test_whom_to_trust(authority, ann, keys):
    """An authority in between must be in the mail; a signer may be trusted by itself; else the system's count."""
    between = Person("sub@example.test", issuer=authority, ca=True)
    below = Person(ADDRESS, issuer=between)
    assert verdict(clear_signed(below), keys).status == "untrusted"
    assert verdict(clear_signed(below, more=between.pem), keys).status == "valid"
    loner = Person(ADDRESS)
    assert verdict(clear_signed(loner), ring(trusted=(loner,))).status == "valid"
    assert verdict(clear_signed(loner, INNER, "-nocerts"), ring(trusted=(loner,))).status == "valid"
    assert verdict(clear_signed(ann)).status == "untrusted"
    assert verdict(clear_signed(ann), ring(trusted=(Person("ca@example.test", ca=True),))).status == "untrusted"


def test_the_system_trusts_somebody():
    """Without smimeTrusted the authorities of the machine count, wherever it keeps them."""
    assert _system() is not None


def test_what_cannot_be_checked_is_unsupported(ann, keys):
    for options, reason in (("-md sha1", "SHA-1"), ("-md md5", "1.2.840.113549.2.5"), ("-nocerts", "neither in")):
        found = verdict(clear_signed(ann, INNER, options), keys)
        assert found.status == "unsupported"
        assert reason in found.reason


def test_a_signature_over_a_part_is_not_one_over_the_mail(ann, keys):
    """As a mailing list makes it that adds a footer, and as somebody makes it who adds a text of his own."""
    inside = clear_signed(ann, headers=b"")
    raw = (
        HEADERS + b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\nContent-Type: text/plain\r\n\r\npay me\r\n"
        b"--o\r\n" + inside + b"\r\n--o--\r\n"
    )
    found = verdict(raw, keys)
    assert (found.status, found.signer_email) == ("partial", ADDRESS)
    changed = verdict(raw.replace(b"a secret", b"a public"), keys)
    assert changed.status == "invalid"
    third = clear_signed(ann).replace(b"--s--\r\n", b"--s\r\nContent-Type: text/plain\r\n\r\npay me\r\n--s--\r\n")
    assert verdict(third, keys).status == "invalid"
    opaque = (
        HEADERS + b"Content-Type: multipart/mixed; boundary=o\r\n\r\n--o\r\n" + entity(signed(ann), "signed-data")
        + b"--o\r\nContent-Type: text/plain\r\n\r\nfooter\r\n--o--\r\n"
    )  # fmt: skip
    read = parse_mail(opaque, keyring=keys)
    assert read.signature.status == "partial"
    assert "a secret text" in read.plain
    assert "footer" in read.plain


def test_of_several_signers_the_best_counts(ann, keys, authority):
    loner = Person("loner@example.test")
    both = openssl(
        "-sign -binary -nodetach -outform DER -signer {a} -inkey {ak} -signer {b} -inkey {bk}",
        INNER, a=loner.pem, ak=loner.key_pem(), b=ann.pem, bk=ann.key_pem(),
    )  # fmt: skip
    found = verdict(mail(both, "signed-data"), keys)
    assert (found.status, found.signer_email) == ("valid", ADDRESS)


def test_signed_attributes_cannot_be_passed_off_as_a_content(ann, keys):
    """Without attributes the signature is over the content itself, which somebody could choose to be attributes."""
    message = signed(ann, "-nodetach", b"1 line that begins as a SET does")
    assert verdict(mail(message, "signed-data"), keys).status == "valid"
    bare = signed(ann, "-nodetach -noattr", b"1 line that begins as a SET does")
    assert verdict(mail(bare, "signed-data"), keys).status == "invalid"


def test_without_the_library_mails_are_read_and_say_what_to_install(ann, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for name in [name for name in sys.modules if name.startswith("zeebe_connectors.mail.reading.smime.")]:
        monkeypatch.delitem(sys.modules, name)
    read = parse_mail(clear_signed(ann))
    assert read.plain.strip() == "a secret text"
    assert read.signature.status == "unsupported"
    assert "smime" in read.signature.reason
    opaque = parse_mail(mail(signed(ann), "signed-data"))
    assert [part.name for part in opaque.attachments] == ["smime.p7m"]
    assert "install" in opaque.defects[0]


@pytest.mark.parametrize("kind", [b"text/plain", b"text/html", b"message/rfc822"])
def test_text_behind_the_signature_does_not_pass_for_signed(ann, keys, kind):
    raw = clear_signed(ann, INNER, "")
    head, mark, rest = raw.rpartition(b"Content-Type: application/pkcs7-signature")
    _, blank, sent = rest.partition(b"\r\n\r\n")
    code, end, _ = sent.partition(b"\r\n--s--")
    pem = b"-----BEGIN PKCS7-----\r\n" + code + b"\r\n-----END PKCS7-----\r\n<p>pay to somebody else</p>"
    assert mark
    assert end

    forged = head + b"Content-Type: " + kind + blank + pem + end + b"\r\n"

    assert verdict(forged, keys).status == "invalid"


def test_the_signatures_own_part_does_not_pass_for_a_document(ann, keys):
    raw = clear_signed(ann, INNER, "")
    renamed = raw.replace(b"name=smime.p7s", b"name=invoice.docx")
    assert renamed != raw

    read = parse_mail(renamed, keyring=keys)

    assert read.signature.status == "valid"
    assert [part.name for part in read.attachments] == ["list.csv", "smime.p7s"]
