"""Masking finds a secret in every form in which it comes back, before anything is cut, and spares all else."""

from __future__ import annotations

import base64
import html
import json
import random
import textwrap
import time
from urllib.parse import quote, quote_plus

import pytest

from zeebe_connectors.config.secrets import JobSecrets, Mask
from zeebe_connectors.config.secrets.mask import Look, pattern_of
from zeebe_connectors.net import custody

VALUES = ["canary-Q7/+~&=ü9", "a\"b\\c<d>'e", "p w\nd\t€😀", "abc123XYZ", "x" * 70 + "/+&ü", "Zm9v+/=bar"]


def lower(text: str) -> str:
    """Percent-encoding in small letters."""
    return "".join(part.lower() if number % 2 else part for number, part in enumerate(_split(text)))


def _split(text: str) -> list[str]:
    parts, rest = [], text
    while "%" in rest:
        before, _, rest = rest.partition("%")
        parts += [before, "%" + rest[:2]]
        rest = rest[2:]
    return [*parts, rest]


def folded(data: bytes, width: int, fold: str) -> str:
    """Base64 in lines."""
    return fold.join(textwrap.wrap(base64.b64encode(data).decode(), width))


FORMS = {
    "plain": lambda v: v,
    "percent": lambda v: quote(v, safe=""),
    "percent, small": lambda v: lower(quote(v, safe="")),
    "percent, plus": quote_plus,
    "json": lambda v: json.dumps(v)[1:-1],
    "json, as it is": lambda v: json.dumps(v, ensure_ascii=False)[1:-1],
    "json, slash": lambda v: json.dumps(v)[1:-1].replace("/", "\\/"),
    "json in json": lambda v: json.dumps(json.dumps(v)[1:-1])[1:-1],
    "html": html.escape,
    "html, text": lambda v: html.escape(v, quote=False),
    "python": lambda v: repr(v)[1:-1],
    "python, bytes": lambda v: repr(v.encode())[2:-1],
    "base64": lambda v: base64.b64encode(v.encode()).decode(),
    "base64 within": lambda v: base64.b64encode(b"u:" + v.encode() + b"@h").decode(),
    "base64 url": lambda v: base64.urlsafe_b64encode(b"?" + v.encode()).decode(),
    "base64 folded": lambda v: folded(b"x" * 51 + v.encode() + b"y" * 90, 76, "\r\n"),
    "base64 folded, 64": lambda v: folded(b"x" * 46 + v.encode() + b"y" * 90, 64, "\n"),
    "base64 folded, json": lambda v: folded(b"x" * 53 + v.encode() + b"y" * 90, 76, "\\r\\n"),
    "hex": lambda v: v.encode().hex(),
    "hex, capitals": lambda v: v.encode().hex().upper(),
}
BY_CHARACTER = {
    "entities": lambda v: "".join(f"&#{ord(c)};" for c in v),
    "entities, hex": lambda v: "".join(f"&#x{ord(c):X};" for c in v),
    "percent, all": lambda v: "".join(f"%{byte:02x}" for byte in v.encode()),
    "quoted-printable": lambda v: "".join(f"={byte:02X}" for byte in v.encode()),
    "json, all": lambda v: "".join(f"\\u{ord(c):04X}" if ord(c) < 65536 else json.dumps(c)[1:-1] for c in v),
}


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_every_form(form, value):
    """Also beside other text."""
    written = FORMS[form](value)
    masked = Mask([value]).text(f"before {written} after")
    assert "***" in masked
    assert written not in masked
    for piece in (written[2:14], written[-14:-2]):
        if len(set(piece)) > 6 and piece not in "before  after":
            assert piece not in masked or form.startswith("base64")


@pytest.mark.parametrize("value", [value for value in VALUES if len(value) <= 64])
@pytest.mark.parametrize("form", BY_CHARACTER)
def test_a_secret_is_found_when_each_character_is_encoded(form, value):
    """Whichever a server chooses to encode."""
    assert Mask([value]).text(f"<{BY_CHARACTER[form](value)}>") == "<***>"


def test_what_was_typed_is_masked_as_a_word():
    """And not at all where it is too short to be a secret; no key is harmed."""
    mask = Mask()
    for value in ("r", "ab", "resp", "response", "pa-ss"):
        mask.typed(value)
    assert mask.value({"response": {"r": "r ab response responses pa-ss xpa-ss"}}) == {
        "response": {"r": "r ab *** responses *** xpa-ss"}
    }


def test_a_short_secret_is_masked_as_a_word():
    """It is a secret all the same."""
    assert Mask(["p1"]).text("p1 is not p12 nor xp1: p1") == "*** is not p12 nor xp1: ***"


def test_a_key_that_holds_a_secret_is_masked():
    """A service may repeat what it got as a name."""
    assert Mask(["Val-1/ue"]).value({"x Val-1/ue": [{"Val-1%2fue": 1}]}) == {"x ***": [{"***": 1}]}


def test_what_was_obtained_is_masked():
    """Tokens, as they are and as URLs have them; the number of them has a bound."""
    mask = Mask()
    mask.learn("ey.to/ken+1==")
    assert mask.text("got ey.to/ken+1== and ey.to%2Fken%2B1%3D%3D and ey.to\\/ken+1==") == "got *** and *** and ***"
    for number in range(1000):
        mask.learn(f"token-{number}")
    assert mask.text("token-999 ey.to/ken+1==") == "*** ey.to/ken+1=="


@pytest.mark.parametrize("limit", range(1, 60, 7))
def test_a_text_is_masked_before_it_is_cut(limit):
    """Nothing of a secret stands at the cut."""
    value = "canary-5eCr3t-of-32-characters-x"
    with custody.holding(JobSecrets(Mask([value]))):
        shown = custody.clipped("x" * 20 + value + " " + quote(value) + "y" * 20, limit)
    assert shown == ("x" * 20 + "*** ***" + "y" * 20)[:limit]


def test_two_jobs_do_not_see_each_others():
    """Custody travels with its task."""
    with custody.holding(JobSecrets(Mask(["first-secret"]))):
        assert custody.clipped("first-secret", 50) == "***"
    assert custody.clipped("first-secret", 50) == "first-secret"


def test_masking_a_large_text_is_quick():
    """A megabyte with ten secrets, on the loop."""
    mask = Mask([f"s3cret-{number}/+ü" * 2 for number in range(10)])
    mask.text("warm")
    text = json.dumps([{"a": "lorem & ipsum % dolor = \\ sit "}] * 20_000)
    began = time.process_time()
    assert mask.text(text) == text
    assert time.process_time() - began < 3


ALPHABET = "aZ9 é-_+/=%&\\\n\r\t'\"€."


def _encodings(value: str) -> list[str]:
    raw = value.encode()
    folded = base64.b64encode(b"12" + raw + b"345").decode()
    return [
        value,
        value.strip(),
        value.replace("\n", "\r\n"),
        quote(value),
        quote_plus(value),
        json.dumps(value),
        json.dumps(json.dumps(value)),
        html.escape(value),
        repr(value),
        repr(raw),
        raw.hex(),
        raw.hex().upper(),
        base64.b64encode(raw).decode(),
        base64.urlsafe_b64encode(b"x" + raw).decode(),
        " ".join(folded),
        "".join(f"&#{ord(character)};" for character in value),
        "".join(f"={byte:02X}" for byte in raw),
    ]


def test_the_quick_look_never_overlooks_what_the_pattern_finds() -> None:
    """A text is searched by the pattern only when the look says so; of random values in every encoding."""
    chance = random.Random(7)
    found = spared = 0
    for number in range(40):
        size = chance.choice((1, 3, 5, 6, 12, 60, 80))
        value = "".join(chance.choice(ALPHABET) for _ in range(size))
        for encoded in _encodings(value):
            for text in (encoded, f"job {number} io.example: {encoded}, 3 ms", f"job {number} io.example: completed"):
                hit = pattern_of(value).search(text) is not None
                may = Look(text).may_hold(value)
                assert may or not hit, (value, text)
                found += hit
                spared += not may
    assert found > 100
    assert spared > 100
