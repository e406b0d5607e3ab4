"""Numbers as the cluster computes them: zeros have no sign, and more than 34 written digits are all kept.

The expected values are answers of feel-engine 1.21.0.
"""

from decimal import Decimal

import pytest

from zeebe_connectors import feel

LONG = "12345678901234567890123456789012345678"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("decimal(10.001 - 10.004, 2)", "0.00"),
        ("round half up(-0.004, 2)", "0.00"),
        ("round down(-0.004, 2)", "0.00"),
        ("modulo(12.50, -2.5)", "0.00"),
        ('number("-0.00")', "0.00"),
        ("-0.0", "0.0"),
        ("0.0 * -1", "0.0"),
        ("[-0.00]", "[0.00]"),
        ("{a: ceiling(-0.004, 2)}", "{a:0.00}"),
    ],
)
def test_a_zero_has_no_sign_in_text(text: str, expected: str) -> None:
    assert feel.evaluate(f"string({text})") == expected


@pytest.mark.parametrize("value", [-0.0, Decimal("-0.00"), Decimal("-0")])
def test_a_zero_has_no_sign_in_json(value: object) -> None:
    assert str(feel.to_json(value)) in {"0", "0.0"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{LONG} + 1", "12345678901234567890123456789012345679"),
        (f"1 + {LONG}", "1.234567890123456789012345678901235E+37"),
        (f"{LONG} - 0.1", LONG),
        (f"{LONG} / 3", "4115226300411522630041152263004115226"),
        (f"{LONG} * 2", "24691357802469135780246913578024691356"),
        (f"{LONG} ** 2", "1.5241578753238836750495351562566681943E+74"),
        (f"-{LONG} - 1", "-12345678901234567890123456789012345679"),
        (f"modulo({LONG}, 0.5)", "0.0"),
        (f"modulo({LONG}, 7)", "2"),
        (f"modulo(7, {LONG})", "4322"),
        (f"({LONG} - {LONG} + 1) / 3", "0.33333333333333333333333333333333333333"),
        (f"floor({LONG} + 0.5)", LONG),
        (f"abs({LONG}) + 1", "12345678901234567890123456789012345679"),
        (f"sum([{LONG}, 1])", "12345678901234567890123456789012345679"),
        (f"sum([1, {LONG}])", "1.234567890123456789012345678901235E+37"),
        (f"product([{LONG}, 3])", "37037036703703703670370370367037037034"),
        (f"mean([{LONG}, {LONG}])", LONG),
        (f'number("{LONG}") + 1', "12345678901234567890123456789012345679"),
        (f"{LONG}.25 + 1", "12345678901234567890123456789012345679.25"),
        ("10000000000000000000000000000000000000000 + 1", "10000000000000000000000000000000000000001"),
        ("9999999999999999999999999999999999 + 1", "1.000000000000000000000000000000000E+34"),
    ],
)
def test_all_written_digits_are_kept(text: str, expected: str) -> None:
    assert feel.evaluate(f"string({text})") == expected


def test_a_literal_of_thousands_of_digits_is_a_feel_error() -> None:
    """Not Python's ValueError about the conversion of long integers."""
    with pytest.raises(feel.FeelLimitError, match="5000 digits"):
        feel.compile("1" * 5_000)
    with pytest.raises(feel.FeelLimitError, match="digits"):
        feel.compile("0." + "1" * 5_000)


def test_a_long_number_leaves_as_json_has_it() -> None:
    assert feel.to_json(feel.evaluate(f"{{a: {LONG} + 1}}")) == {"a": 1.2345678901234568e37}
