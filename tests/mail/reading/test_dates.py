"""A date keeps its offset however it is written; what cannot be read for certain is None."""

from __future__ import annotations

import pytest

from zeebe_connectors.mail.reading.dates import date

DATES = [
    ("Tue, 3 Nov 2026 10:00:00 +0100", "2026-11-03T09:00:00"),
    ("Tue, 3 Nov 2026 10:00:00 +02:00", "2026-11-03T08:00:00"),
    ("Tue, 3 Nov 2026 10:00:00 GMT+0200", "2026-11-03T08:00:00"),
    ("Tue, 3 Nov 2026 10:00:00 UTC-05:30", "2026-11-03T15:30:00"),
    ("Tue, 3 Nov 2026 10:00:00 +2", "2026-11-03T08:00:00"),
    ("Tue, 3 Nov 2026 10:00:00 +0100 (CET)", "2026-11-03T09:00:00"),
    ("Tue, 3 Nov 2026 10:00:00 CEST", "2026-11-03T08:00:00"),
    ("Tue, 3 Nov 2026 10:00:00 GMT", "2026-11-03T10:00:00"),
    ("Tue, 3 Nov 2026 10:00:00 (CET)", "2026-11-03T09:00:00"),
    ("Tue, 3 Nov 2026 10:00:00 (Ortszeit)", None),
    ("Tue, 3 Nov 2026 10:00:60 +0100", "2026-11-03T09:00:59"),
    ("Tue, 3 Nov 2026 10:00:00.250 +0100", "2026-11-03T09:00:00"),
    ("Tue, 3 Nov 126 10:00:00 +0100", "2026-11-03T09:00:00"),
    ("Tue, 3 Nov 2026 10:00:00", "2026-11-03T10:00:00"),
    ("3 Nov 26 10:00 EST", "2026-11-03T15:00:00"),
    ("2026-11-03T10:00:00+02:00", "2026-11-03T08:00:00"),
    ("2026-11-03T10:00:00.000+0200", "2026-11-03T08:00:00"),
    ("2026-11-03T10:00:00Z", "2026-11-03T10:00:00"),
    ("2026-11-03 10:00:00", "2026-11-03T10:00:00"),
    ("Tue, 3 Nov 2026 10:00:00 XYZ", None),
    ("Tue, 3 Nov 2026 10:00:00 A", None),
    ("Tue, 3 Nov 2026 10:00 PM +0100", None),
    ("Tue, 3 Nov 2026 10:00:00 +9900", None),
    ("Tue, 3 Nov 2026 25:00:00 +0100", None),
    ("32 Nov 2026 10:00:00 +0100", None),
    ("03/11/2026 10:00", None),
    ("soon", None),
    ("", None),
]


@pytest.mark.parametrize(("header", "moment"), DATES, ids=[header for header, _ in DATES])
def test_a_date_is_right_or_nothing(header: str, moment: str | None) -> None:
    found = date(header.encode())
    assert (found and found.isoformat().removesuffix("+00:00")) == moment
