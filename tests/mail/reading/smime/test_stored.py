"""Mails and keys that OpenSSL and Java's keytool made once (`make.py`) are read, and damage never raises."""

from __future__ import annotations

import base64
import json
import random
import re
from pathlib import Path

import pytest

from zeebe_connectors import InputError
from zeebe_connectors.mail import parse_mail
from zeebe_connectors.mail.reading.smime.settings import Protection, open_keyring
from zeebe_connectors.sdk.client_cache import ClientCache
from zeebe_connectors.sdk.fields import Secret
from zeebe_connectors.sdk.files import AllowedFiles

STORED = Path(__file__).parent / "stored"
MAILS = {path.stem: path.read_bytes() for path in sorted(STORED.glob("*.eml"))}
AUTHORITY = (STORED / "authority.pem").read_text()


class Asking:
    """What a connector's context has for this."""

    def __init__(self, folder: Path = STORED) -> None:
        self.clients = ClientCache()
        self.files = AllowedFiles([folder])


async def opened(key: str, *, password: str = "changeit", trusted: str = AUTHORITY, asking: Asking | None = None):
    given = Protection(smime_key=Secret(key), smime_password=Secret(password), smime_trusted=trusted)
    return await open_keyring(given, asking or Asking(), max_bytes=64 * 1024 * 1024, prefix="data.")


@pytest.mark.parametrize("name", MAILS)
async def test_a_stored_mail_is_read_with_every_kind_of_keystore(name):
    kind = "rsa" if name.startswith("rsa") else "ec"
    for file in (f"{kind}.p12", f"{kind}-legacy.p12", "both.jks"):
        read = parse_mail(MAILS[name], keyring=await opened(file))
        assert read.failure is None
        assert read.plain.strip() == "a secret text"
        assert read.attachments[0].data == b"a,b"
        assert read.encrypted is not name.endswith("-signed")
        assert (read.signature and read.signature.status) == ("valid" if "signed" in name else None)


async def test_a_key_may_be_given_in_base64_with_or_without_line_breaks():
    data = (STORED / "rsa.p12").read_bytes()
    for text in (base64.b64encode(data).decode(), base64.encodebytes(data).decode()):
        assert parse_mail(MAILS["rsa-aes256"], keyring=await opened(text)).plain.strip() == "a secret text"


async def test_a_keyring_is_opened_once_and_again_when_the_file_changes(tmp_path):
    asking = Asking(tmp_path)
    (tmp_path / "key").write_bytes((STORED / "rsa.p12").read_bytes())
    first = await opened("key", asking=asking)
    assert await opened("key", asking=asking) is first
    (tmp_path / "key").write_bytes((STORED / "both.jks").read_bytes())
    assert len((await opened("key", asking=asking)).keys) == 2


async def test_without_settings_there_is_no_keyring():
    assert await open_keyring(Protection(), Asking(), max_bytes=1) is None


@pytest.mark.parametrize(
    ("changes", "code", "expected"),
    [
        ({"password": "hunter2"}, "SMIME_KEY_INVALID", "password is wrong"),
        ({"key": "both.jks", "password": "hunter2"}, "SMIME_KEY_INVALID", "password is wrong"),
        ({"key": "../test_stored.py"}, "FILE_FORBIDDEN", "outside the allowed"),
        ({"key": "missing.p12"}, "SMIME_KEY_INVALID", "No such file"),
        ({"key": "authority.pem"}, "SMIME_KEY_INVALID", "neither a PKCS#12 file nor"),
        ({"key": "A" * 401}, "SMIME_KEY_INVALID", "is truncated or is not base64"),
        ({"key": "A-" * 600}, "SMIME_KEY_INVALID", "neither a keystore in base64 nor a path"),
        ({"key": base64.b64encode(b"\0" * 300).decode()}, "SMIME_KEY_INVALID", "neither a PKCS#12 file nor"),
        ({"trusted": "nonsense"}, "SMIME_KEY_INVALID", "smimeTrusted: is not a certificate"),
    ],
)
async def test_what_is_wrong_with_the_settings_is_reported(changes, code, expected):
    with pytest.raises(InputError, match=re.escape(expected)) as caught:
        await opened(**{"key": "rsa.p12", **changes})
    assert caught.value.code == code
    assert "data.smime" in caught.value.message
    assert "hunter2" not in caught.value.message


def parts(raw: bytes) -> tuple[bytes, bytes, bytes]:
    """A mail around its last base64 block, and what that block says."""
    before, _, rest = raw.rpartition(b"\r\n\r\n")
    end = rest.find(b"--")
    text, after = (rest, b"") if end < 0 else (rest[:end], rest[end:])
    return before + b"\r\n\r\n", base64.b64decode(text), after


@pytest.mark.parametrize("name", MAILS)
async def test_damage_anywhere_never_raises_and_is_never_taken_for_valid(name):
    """Each mail 100 times, cut and changed, the same each time."""
    keyring = await opened("both.jks")
    before, message, after = parts(MAILS[name])
    good = parse_mail(MAILS[name], keyring=keyring)
    chance = random.Random(11)
    for round_ in range(100):
        broken = bytearray(message)
        if round_ % 2:
            del broken[chance.randrange(len(broken)) :]
        for _ in range(chance.randint(1, 3)):
            if broken:
                broken[chance.randrange(len(broken))] = chance.randrange(256)
        read = parse_mail(before + base64.encodebytes(bytes(broken)) + after, keyring=keyring)
        json.dumps(read.data())
        assert read.failure is None or read.failure.code in {"MAIL_NOT_DECRYPTED", "MAIL_TOO_LARGE"}
        if read.signature and read.signature.status == "valid":
            assert (read.plain, read.attachments[0].data) == (good.plain, good.attachments[0].data)


async def test_every_length_of_a_cut_message_is_noticed():
    keyring = await opened("both.jks")
    before, message, after = parts(MAILS["ec-aes256"])
    for length in range(len(message)):
        read = parse_mail(before + base64.encodebytes(message[:length]) + after, keyring=keyring)
        assert read.failure is not None or length == 0, length
        assert [part.name for part in read.attachments] == ["smime.p7m"]
