"""Whose certificate a signature's is: addresses compare by their IDNA form, ASCII only."""

import pytest

pytest.importorskip("cryptography")

from zeebe_connectors.mail.reading.smime.signature import same_address


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        ("Ann@Example.test", "ann@example.TEST", True),
        ("ceo@mass.de", "ceo@ma\u00df.de", False),
        ("ceo@ma\u00df.de", "ceo@xn--ma-hia.de", True),
        ("ceo@MA\u00dc.de", "ceo@ma\u00fc.de", True),
        ("\u212aim@example.test", "kim@example.test", False),  # the Kelvin sign
        ("stra\u00dfe@example.test", "strasse@example.test", False),
        ("", "", False),
        ("a@b@example.test", "a@example.test", False),
    ],
)
def test_the_same_address(left: str, right: str, same: bool) -> None:
    assert same_address(left, right) is same
