"""File names from outside become names that can be shown and saved."""

import pytest

from zeebe_connectors.sdk.names import MAX_NAME, file_name


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("invoice.pdf", "invoice.pdf"),
        ("../../../etc/passwd", "passwd"),
        ("..\\..\\evil.exe", "evil.exe"),
        ("C:\\Users\\ann\\a.txt", "a.txt"),
        ("/", ""),
        ("..", ""),
        ("...", ""),
        ("a\0b\r\nc.txt", "abc.txt"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("  Rechnung 5.pdf ", "Rechnung 5.pdf"),
        ("half\ud800.txt", "half.txt"),
    ],
)
def test_names(given: str, name: str) -> None:
    assert file_name(given) == name


def test_a_long_name_keeps_its_ending() -> None:
    assert file_name("a" * 1000 + ".pdf").endswith("a.pdf")
    assert len(file_name("a" * 1000 + ".pdf")) == MAX_NAME
    assert len(file_name("ä" * 1000 + ".pdf").encode()) <= 255
    assert file_name("😀" * 300 + ".pdf").endswith("😀.pdf")
    assert len(file_name("." * 10_000_000 + "a")) <= MAX_NAME
