"""Keys: PEM, PKCS#12 and JKS give the same identity, and what is wrong is told without the secret."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from tests.servers.pairs import Pair, der, jks

from zeebe_connectors import InputError
from zeebe_connectors.sdk.keys import all_from_keystore, from_keystore, from_pem
from zeebe_connectors.sdk.pkcs12 import _parts, shrouded_keys


def test_all_formats_give_the_same():
    """PEM, encrypted PEM, PKCS#12 and JKS hold the same key and certificate."""
    authority = Pair("authority", ca=True)
    pair = Pair("client", issuer=authority)
    found = [
        from_pem(pair.pem, pair.key_pem(), None, where="x", code="BAD_KEY"),
        from_pem(pair.pem + authority.pem, pair.key_pem("pw"), "pw", where="x", code="BAD_KEY"),
        from_keystore(pair.p12("changeit"), "changeit", None, None, where="x", code="BAD_KEY"),
        from_keystore(pair.p12("changeit"), "changeit", "CLIENT", None, where="x", code="BAD_KEY"),
        from_keystore(jks(pair, "changeit"), "changeit", "Client", None, where="x", code="BAD_KEY"),
        from_keystore(
            jks(pair, "changeit", key_password="other"), "changeit", None, "other", where="x", code="BAD_KEY"
        ),
        from_keystore(jks(pair, "changeit", extra=authority), "changeit", None, None, where="x", code="BAD_KEY"),
    ]
    assert len({item.key for item in found}) == 1
    assert {item.chain[0] for item in found} == {pair.certificate}
    assert found[1].chain == (pair.certificate, authority.certificate)


def test_what_is_wrong_is_reported():
    """Each mistake has its own message, and none has the password in it."""
    pair, other = Pair("client"), Pair("other")
    cases = [
        (lambda: from_pem("nonsense", pair.key_pem(), None, where="a", code="BAD_KEY"), "a.certificate: is not"),
        (lambda: from_pem(pair.pem, "nonsense", None, where="a", code="BAD_KEY"), "a.privateKey: is not"),
        (
            lambda: from_pem(pair.pem, pair.key_pem("p"), None, where="a", code="BAD_KEY"),
            "password is wrong or missing",
        ),
        (lambda: from_pem(pair.pem, other.key_pem(), None, where="a", code="BAD_KEY"), "do not belong together"),
        (
            lambda: from_keystore(pair.p12("right"), "hunter2", None, None, where="a", code="BAD_KEY"),
            "password is wrong",
        ),
        (lambda: from_keystore(pair.p12("right"), "right", "bob", None, where="a", code="BAD_KEY"), "it holds: client"),
        (
            lambda: from_keystore(jks(pair, "right"), "hunter2", None, None, where="a", code="BAD_KEY"),
            "password is wrong",
        ),
        (
            lambda: from_keystore(jks(pair, "right"), "right", "bob", None, where="a", code="BAD_KEY"),
            "it holds: client",
        ),
        (
            lambda: from_keystore(jks(pair, "right", key_password="k"), "right", None, None, where="a", code="BAD_KEY"),
            "password of the key",
        ),
        (lambda: from_keystore(b"\xce\xce\xce\xce", "x", None, None, where="a", code="BAD_KEY"), "JCEKS"),
        (lambda: from_keystore(b"", "x", None, None, where="a", code="BAD_KEY"), "neither"),
    ]
    for attempt, expected in cases:
        with pytest.raises(InputError, match=expected) as caught:
            attempt()
        assert "hunter2" not in str(caught.value)
        assert caught.value.code == "BAD_KEY"


def test_every_key_of_a_keystore_is_read():
    """As after a certificate's renewal, when mails to the old key still come."""
    pair, authority = Pair("client"), Pair("authority", ca=True)
    for data in (pair.p12("pw"), jks(pair, "pw", extra=authority)):
        assert [item.chain[0] for item in all_from_keystore(data, "pw", where="x", code="BAD_KEY")] == [
            pair.certificate
        ]
    with pytest.raises(InputError, match="wrong"):
        all_from_keystore(jks(pair, "pw", key_password="own"), "pw", where="x", code="BAD_KEY")
    with pytest.raises(InputError, match="JCEKS"):
        all_from_keystore(b"\xce\xce\xce\xce", "pw", where="x", code="BAD_KEY")


def safes(file):
    """The parts of a PKCS#12 file: certificates, encrypted as a whole, and keys, each encrypted alone."""
    _, (_, contents), *_ = _parts(next(_parts(file))[1])
    _, (_, explicit) = _parts(contents)
    octets = next(_parts(explicit))[1]
    return [der(tag, content) for tag, content in _parts(next(_parts(octets))[1])]


def joined(*parts):
    """One PKCS#12 file of many, as Java keeps all keys in one; without the checksum, which may be left out."""
    safe = der(6, bytes.fromhex("2a864886f70d010701")) + der(0xA0, der(4, der(0x30, b"".join(parts))))
    return der(0x30, der(2, b"\x03") + der(0x30, safe))


def bag(key, name=None):
    """A part of a PKCS#12 file with one key that is not encrypted."""
    text = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    called = der(6, bytes.fromhex("2a864886f70d010914")) + der(0x31, der(0x1E, (name or "").encode("utf-16-be")))
    names = der(0x31, der(0x30, called)) if name else b""
    entry = der(0x30, der(6, bytes.fromhex("2a864886f70d010c0a0101")) + der(0xA0, text) + names)
    return der(0x30, der(6, bytes.fromhex("2a864886f70d010701")) + der(0xA0, der(4, der(0x30, entry))))


def test_a_pkcs12_file_of_several_keys():
    """As Java has written its keystores since version 9: each key by its alias, with its own certificate alone."""
    pair, second = Pair("client"), Pair("second")
    data = joined(*safes(pair.p12("pw")), *safes(second.p12("pw", b"second")))
    for alias, wanted in (("client", pair), ("SECOND", second)):
        found = from_keystore(data, "pw", alias, None, where="x", code="BAD_KEY")
        assert found.chain == (wanted.certificate,)
        assert load_pem_private_key(found.key, None).public_key() == wanted.certificate.public_key()
    for alias, says in (
        (None, "several keys, so give the alias of one; it holds: client, second"),
        ("bob", "it holds"),
    ):
        with pytest.raises(InputError, match=says):
            from_keystore(data, "pw", alias, None, where="x", code="BAD_KEY")
    every = all_from_keystore(data, "pw", where="x", code="BAD_KEY")
    assert [item.chain for item in every] == [(pair.certificate,), (second.certificate,)]
    certificate, _ = safes(second.p12("pw", b"second"))
    _, key = safes(second.p12("own", b"second"))
    mixed = joined(*safes(pair.p12("pw")), certificate, key)
    with pytest.raises(InputError, match="own password is another than the file's"):
        from_keystore(mixed, "pw", "second", None, where="x", code="BAD_KEY")
    assert from_keystore(mixed, "pw", "client", None, where="x", code="BAD_KEY").chain == (pair.certificate,)


def test_a_key_of_another_kind_spoils_no_other_key_of_a_pkcs12_file():
    """An Ed25519 key beside the one that is wanted, and one without its certificate."""
    pair, second = Pair("client"), Pair("second")
    other = bag(ed25519.Ed25519PrivateKey.generate(), "other")
    data = joined(*safes(pair.p12("pw")), other)
    assert from_keystore(data, "pw", "client", None, where="x", code="BAD_KEY").chain == (pair.certificate,)
    with pytest.raises(InputError, match="must be RSA or EC"):
        from_keystore(data, "pw", "other", None, where="x", code="BAD_KEY")
    data = joined(*safes(pair.p12("pw")), bag(second.key, "lone"))
    assert from_keystore(data, "pw", "client", None, where="x", code="BAD_KEY").chain == (pair.certificate,)
    with pytest.raises(InputError, match="do not belong together"):
        from_keystore(data, "pw", "lone", None, where="x", code="BAD_KEY")


def test_keys_of_a_pkcs12_file_may_be_in_clear_and_without_names():
    pair, second = Pair("client"), Pair("second")
    certificates = [safes(one.p12("pw"))[0] for one in (pair, second)]
    data = joined(*certificates, bag(pair.key, "one"), bag(second.key, "two"))
    for alias, wanted in (("one", pair), ("two", second)):
        found = from_keystore(data, "pw", alias, None, where="x", code="BAD_KEY")
        assert found.chain == (wanted.certificate,)
    nameless = joined(*certificates, bag(pair.key), bag(second.key))
    every = all_from_keystore(nameless, "pw", where="x", code="BAD_KEY")
    assert [item.chain for item in every] == [(pair.certificate,), (second.certificate,)]
    with pytest.raises(InputError, match="several keys, so give the alias of one; it holds: none with a name"):
        from_keystore(nameless, "pw", None, None, where="x", code="BAD_KEY")


def test_whatever_a_pkcs12_file_holds_looking_for_its_keys_ends():
    data = joined(*safes(Pair("client").p12("pw")))
    assert [name for name, _ in shrouded_keys(data)] == ["client"]
    plain = joined(bag(Pair("client").key, "client"))
    for at in range(len(plain)):
        shrouded_keys(plain[:at] + b"\x00" + plain[at + 1 :])  # such as a value of no length
    for at in range(0, len(data), 11):
        shrouded_keys(data[:at])
        shrouded_keys(data[:at] + b"\x80" + data[at + 1 :])
        shrouded_keys(data[at:])
