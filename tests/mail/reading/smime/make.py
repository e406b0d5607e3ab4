"""Writes the keys and mails of `stored/`, so that decrypting is tested where there is no OpenSSL.

`python -m tests.mail.reading.smime.make` needs openssl (3.0 here), with its legacy provider, and
keytool (17).
"""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from tests.servers.smime import INNER, OPENSSL, Person, clear_signed, encrypted, entity, mail, openssl, signed

FOLDER = Path(__file__).parent / "stored"
LONG = (-1, 36500)
LEGACY = "-provider legacy -provider default"


def main() -> None:
    """Makes everything anew; the password of all keystores is `changeit`."""
    FOLDER.mkdir(exist_ok=True)
    authority = Person("ca@example.test", ca=True, days=LONG)
    bob = Person("bob@example.test", issuer=authority, days=LONG)
    curve = Person("bob@example.test", issuer=authority, days=LONG, kind="ec")
    ann = Person("ann@example.test", issuer=authority, days=LONG)
    (FOLDER / "authority.pem").write_text(authority.pem)
    for name, person in (("rsa", bob), ("ec", curve)):
        for kind, options in ((name, []), (f"{name}-legacy", ["-legacy"])):
            with tempfile.NamedTemporaryFile("w") as both:
                both.write(person.key_pem() + person.pem)
                both.flush()
                command = [OPENSSL, "pkcs12", "-export", *options, "-name", name, "-passout", "pass:changeit"]
                subprocess.run([*command, "-in", both.name, "-out", str(FOLDER / f"{kind}.p12")], check=True)
        subprocess.run(
            [
                *("keytool", "-importkeystore", "-noprompt", "-srckeystore", str(FOLDER / f"{name}.p12")),
                *("-srcstoretype", "PKCS12", "-srcstorepass", "changeit", "-deststoretype", "JKS"),
                *("-deststorepass", "changeit", "-destkeystore", str(FOLDER / "both.jks")),
            ],
            check=True,
        )
    mails = {
        **{
            f"rsa-{name}": mail(encrypted(bob, f"-{name} {more}"))
            for name, more in (
                ("aes128", ""),
                ("aes192", ""),
                ("aes256", "-stream"),
                ("aes-256-gcm", ""),
                ("des3", "-keyid"),
                ("rc2-40", LEGACY),
                ("rc2-128", LEGACY),
            )
        },
        "rsa-oaep": mail(
            openssl(
                "-encrypt -outform DER -aes256 -recip {r} -keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256",
                INNER,
                r=bob.pem,
            )
        ),
        "ec-aes256": mail(encrypted(curve, "-aes256")),
        "ec-des3": mail(encrypted(curve, "-des3 -keyid")),
        "ec-aes-128-gcm": mail(encrypted(curve, "-aes-128-gcm")),
        "rsa-signed-inside": mail(encrypted(bob, content=entity(signed(ann), "signed-data"))),
        "clear-signed": clear_signed(ann),
        "opaque-signed": mail(signed(ann), "signed-data"),
    }
    for name, raw in mails.items():
        (FOLDER / f"{name}.eml").write_bytes(raw)


if __name__ == "__main__":
    main()
