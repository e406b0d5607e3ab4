"""A file has one media type, whichever way it comes in or goes out."""

from __future__ import annotations

import pytest

from zeebe_connectors.sdk.media_types import ANY_TYPE, made_up_name, media_type_of


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Bill.PDF", "application/pdf"),
        ("orders.csv", "text/csv"),
        ("NOTES.MD", "text/markdown"),
        ("photo.webp", "image/webp"),
        ("orders.csv.gz", ANY_TYPE),  # compressed: what is in it is not what it is
        ("all.tgz", ANY_TYPE),
        ("noname", ANY_TYPE),
        ("Re: bill #5.pdf", "application/pdf"),  # names, not URLs, which Python 3.13 makes of some
        ("//[x.pdf", "application/pdf"),
        ("data:,a.pdf", "application/pdf"),
        ("a.pdf ", ANY_TYPE),
        ("", ANY_TYPE),
        (None, ANY_TYPE),
        ({"name": "a.pdf"}, ANY_TYPE),
    ],
)
def test_the_name_tells_the_type(name: object, kind: str) -> None:
    assert media_type_of(name) == kind


def test_a_made_up_name_is_unique_and_ends_as_its_type_does() -> None:
    names = {made_up_name("application/pdf; version=2"), made_up_name("application/pdf")}
    assert len(names) == 2
    assert all(name.endswith(".pdf") for name in names)
    assert "." not in made_up_name("application/x-never-heard-of")
