"""Secrets resolve where the modeler may write them, in one pass, and are masked wherever they might come out."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from time import process_time
from urllib.parse import quote
from xml.sax.saxutils import escape

import pytest

from zeebe_connectors import InputError
from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.secrets import (
    DirectorySecrets,
    EnvironmentSecrets,
    Mask,
    SecretResolver,
    installed_providers,
)
from zeebe_connectors.sdk.secret_places import SecretPlaces

ANYWHERE = SecretPlaces(everywhere=True)
VALUES = {"SECRET_TOKEN": "t0ken", "SECRET_A.B/C-D": "deep", "SECRET_NESTED": "{{secrets.TOKEN}}", "OTHER": "no"}


def resolver() -> SecretResolver:
    return SecretResolver([EnvironmentSecrets(VALUES)])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{secrets.TOKEN}}", "t0ken"),
        ("Bearer {{ secrets.TOKEN }}!", "Bearer t0ken!"),
        ("{{secrets.TOKEN}}{{secrets.TOKEN}}", "t0kent0ken"),
        ("secrets.TOKEN", "t0ken"),
        ("secrets.A.B/C-D", "deep"),
        ("https://example.com/secrets.json", "https://example.com/secrets.json"),
        ("mysecrets.TOKEN", "mysecrets.TOKEN"),
        ("secrets.TOKEN and more", "secrets.TOKEN and more"),
        ("secrets._X", "secrets._X"),
        ("secrets.", "secrets."),
    ],
)
async def test_both_syntaxes(text: str, expected: str) -> None:
    """Braces anywhere in a text; the bare form as a whole value only, so that no ordinary text is taken for one."""
    assert (await resolver().resolve(text, ANYWHERE, mask=Mask())).value == expected


async def test_a_value_brings_no_further_placeholders() -> None:
    """One pass: what a secret holds is text."""
    found = await resolver().resolve({"a": "{{secrets.NESTED}}"}, ANYWHERE, mask=Mask())
    assert found.value == {"a": "{{secrets.TOKEN}}"}


async def test_a_text_full_of_openings_is_searched_in_linear_time() -> None:
    """Text from outside may stand beside a placeholder, in an address; it must not stop all jobs for minutes."""
    began = process_time()
    text = "{{secrets." * 100_000
    assert (await resolver().resolve(text, ANYWHERE, mask=Mask())).value == text
    assert process_time() - began < 10  # quadratic, it takes some minutes


async def test_only_the_named_places_are_searched() -> None:
    """A mail's text that says `{{secrets.TOKEN}}` is passed on as it is."""
    places = SecretPlaces(below={"auth": SecretPlaces(below={"token": ANYWHERE}), "headers": ANYWHERE})
    given = {
        "auth": {"token": "{{secrets.TOKEN}}", "note": "{{secrets.TOKEN}}"},
        "headers": {"X": ["secrets.TOKEN", 1, None]},
        "body": {"text": "secrets.TOKEN"},
    }
    resolved = (await resolver().resolve(given, places, mask=Mask())).value
    assert resolved == {
        "auth": {"token": "t0ken", "note": "{{secrets.TOKEN}}"},
        "headers": {"X": ["t0ken", 1, None]},
        "body": {"text": "secrets.TOKEN"},
    }
    assert given["auth"]["token"] == "{{secrets.TOKEN}}"


async def test_a_missing_secret_is_a_clear_failure() -> None:
    """It names the secret and where to define it."""
    with pytest.raises(InputError, match=r"Secret with name 'NO.PE' is not available.*SECRET_NO_PE") as raised:
        await resolver().resolve("{{secrets.NO.PE}}", ANYWHERE, mask=Mask())
    assert raised.value.code == "SECRET_NOT_FOUND"


async def test_only_prefixed_variables_are_secrets() -> None:
    """Not every environment variable."""
    with pytest.raises(InputError):
        await resolver().resolve("{{secrets.OTHER}}", ANYWHERE, mask=Mask())
    with pytest.raises(SettingsError, match="must not be empty"):
        EnvironmentSecrets(VALUES, prefix="")


async def test_tenant_and_process_may_be_part_of_the_name() -> None:
    """The official runtime's switches."""
    provider = EnvironmentSecrets({"SECRET_t1_order_X": "1"}, tenant_aware=True, process_aware=True)
    assert await provider.get("X", tenant="t1", process="order") == "1"
    assert await provider.get("X", tenant="t2", process="order") is None


async def test_a_directory_of_files(tmp_path: Path) -> None:
    """As Docker and Kubernetes mount them; a changed file counts at once; no name leads out of it."""
    (tmp_path / "mounted").mkdir()
    (tmp_path / "mounted" / "TOKEN").write_text("one\n")
    (tmp_path / "outside").write_text("secret")
    provider = DirectorySecrets(tmp_path / "mounted")
    assert await provider.get("TOKEN", tenant="", process="") == "one"
    (tmp_path / "mounted" / "TOKEN").write_text("two")
    assert await provider.get("TOKEN", tenant="", process="") == "two"
    for name in ("../outside", str(tmp_path / "outside"), "..", "", "NONE", ".hidden"):
        assert await provider.get(name, tenant="", process="") is None


async def test_providers_are_asked_in_order(tmp_path: Path) -> None:
    """Environment before directory; the file's settings are no secrets."""
    (tmp_path / "A").write_text("file")
    (tmp_path / "B").write_text("file")
    environment = Environment(
        ("environment", {"ZEEBE_CONNECTORS_SECRETS_DIRECTORY": str(tmp_path), "SECRET_A": "environment"}),
        ("settings.toml", {"SECRET_C": "settings"}),
    )
    found = SecretResolver(installed_providers(environment))
    assert (await found.resolve(["secrets.A", "secrets.B"], ANYWHERE, mask=Mask())).value == ["environment", "file"]
    with pytest.raises(InputError):
        await found.resolve("secrets.C", ANYWHERE, mask=Mask())


@pytest.mark.parametrize("secret", ["pä$$ w/ord+\"'\\", "s3cr3t-value", "x" * 40, "ö&<two>\nlines"])
def test_a_mask_knows_a_secret_in_every_disguise(secret: str) -> None:
    """Plain, URL-encoded, escaped as JSON, Python or XML, within base64 at any alignment."""
    mask = Mask([secret])
    disguises = [secret, quote(secret, safe=""), json.dumps(secret)[1:-1], secret.encode().hex()]
    disguises += [json.dumps(secret, ensure_ascii=False), repr(secret), repr(secret.encode()), escape(secret)]
    disguises += [base64.b64encode(f"{before}{secret}:end".encode()).decode() for before in ("", "u", "us", "user:")]
    for disguise in disguises:
        masked = mask.text(f"<{disguise}>")
        assert "***" in masked
        assert secret not in masked
        assert disguise not in masked


def test_a_mask_reaches_keys_and_nested_values() -> None:
    """And leaves everything else as it is."""
    mask = Mask(["hide"])
    assert mask.value({"hide": ["a hide b", 1, None, {"x": "hide"}]}) == {"***": ["a *** b", 1, None, {"x": "***"}]}
    assert Mask().text("as it is") == "as it is"
    assert Mask([""]).text("as it is") == "as it is"
