"""The IMAP server's search: each criterion finds what the standard says."""

import pytest

from zeebe_connectors.testing.servers import Folder
from zeebe_connectors.testing.servers.imap import strings
from zeebe_connectors.testing.servers.search import UnknownCriterionError, search

ONE = (
    b"From: Ann <ann@x.test>\r\nTo: bob@x.test\r\nSubject: =?utf-8?q?Gr=C3=B6=C3=9Fe?=\r\n"
    b"Date: Mon, 02 Nov 2026 10:00:00 +0000\r\n\r\nroses"
)
TWO = b"From: bob@x.test\r\nCc: eve@x.test\r\nSubject: Order\r\n\tno. 2\r\nX-Kind: b\r\n\r\n" + "Straße".encode()
THREE = b"From: eve@x.test\r\nSubject: Invoice\r\n\r\n" + b"long " * 100


@pytest.fixture
def folder():
    made = Folder(next_uid=11)
    made.add(ONE, flags={"\\Seen"}, date="03-Nov-2026 10:00:00 +0000")
    made.add(TWO, date="05-Nov-2026 10:00:00 +0000")
    made.add(THREE, flags={"\\Flagged", "$Done"}, date="07-Nov-2026 10:00:00 +0000")
    return made


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ("ALL", [11, 12, 13]),
        ("CHARSET UTF-8 ALL", [11, 12, 13]),
        ("SEEN", [11]),
        ("UNSEEN", [12, 13]),
        ("UNSEEN FLAGGED", [13]),
        ("KEYWORD $Done", [13]),
        ("UNKEYWORD $Done", [11, 12]),
        ("UID 12:*", [12, 13]),
        ("2:3", [12, 13]),
        ("FROM ann", [11]),
        ("TO bob", [11]),
        ("CC eve", [12]),
        ('SUBJECT "größe"', [11]),
        ('SUBJECT "order no. 2"', [12]),
        ("HEADER X-Kind b", [12]),
        ('BODY "straße"', [12]),
        ("BODY invoice", []),
        ("TEXT invoice", [13]),
        ("NOT SEEN", [12, 13]),
        ("OR SEEN FLAGGED", [11, 13]),
        ("OR (SEEN FROM bob) (UNSEEN FROM bob)", [12]),
        ("NOT (UNSEEN FROM bob)", [11, 13]),
        ("SINCE 5-Nov-2026", [12, 13]),
        ("BEFORE 5-Nov-2026", [11]),
        ("ON 5-Nov-2026", [12]),
        ("SENTON 2-Nov-2026", [11]),
        ("LARGER 300", [13]),
        ("SMALLER 300", [11, 12]),
    ],
)
def test_each_criterion(folder, criteria, found):
    assert [message.uid for message in search(folder, strings(criteria))] == found


@pytest.mark.parametrize("criteria", ["NONSENSE", "SUBJECT", "OR SEEN"])
def test_what_is_no_criterion_is_refused(folder, criteria):
    with pytest.raises(UnknownCriterionError):
        search(folder, strings(criteria))
