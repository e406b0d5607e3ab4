"""Durations of diagrams and settings as seconds, within what the protocol can carry."""

from __future__ import annotations

import pytest

from zeebe_connectors.sdk.durations import MAX_WAIT, parse_duration, parse_frequency, parse_setting


@pytest.mark.parametrize(
    ("parse", "longest", "longer"),
    [
        (parse_duration, "P36500D", ["P36501D", f"PT{'9' * 400}S", "PT999999999999999H"]),
        (parse_setting, "36500d", ["36501d", "P36501D", f"{'9' * 400}s", "9" * 30]),
        (parse_frequency, "876000h", ["876001h", "P36501D", "9" * 400]),
    ],
)
def test_a_hundred_years_are_the_most(parse, longest, longer):
    """What is longer would overflow the numbers of the protocol and of the clock."""
    assert parse(longest) == MAX_WAIT
    for text in longer:
        with pytest.raises(ValueError, match="must be"):
            parse(text)
