"""The name of a download, as senders write it; nothing that they write is an error."""

import pytest

from zeebe_connectors.sdk.names import name_of_disposition

NAMES = [
    ("attachment; filename*=idna''a.txt", "a.txt"),
    ("attachment; filename*=undefined''a.txt", "a.txt"),
    ("attachment; filename*=klingon''%e4.txt; filename=a.txt", "a.txt"),
    ('attachment; filename="=?utf-8?B?a?="', "=?utf-8?B?a?="),
    ('attachment; filename="=?klingon?Q?a?="', "=?klingon?Q?a?="),
    ('attachment; filename="=?utf-8?Q?=E2=82=AC.pdf?="', "€.pdf"),
    ('attachment; filename="a.pdf', "a.pdf"),
    ('attachment; name="filename=b"; filename="a.pdf"', "a.pdf"),
    ("attachment; filename=", None),
]


@pytest.mark.parametrize(("header", "name"), NAMES, ids=[header for header, _ in NAMES])
def test_a_name(header, name):
    assert name_of_disposition(header) == name
