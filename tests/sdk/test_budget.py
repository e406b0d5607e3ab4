"""JSON is read in one pass where it is nothing but JSON, and as the decoder reads it in every other case."""

from __future__ import annotations

import json

import pytest

from zeebe_connectors.sdk.budget import is_small, is_small_json, one_pass


@pytest.mark.parametrize("text", ['{"a": [1, null]}', ' \n{"a": 1}\r\n', "12 ", '"x"', "NaN", '"\\ud800"'])
def test_one_pass_gives_what_the_decoder_gives(text: str) -> None:
    decoder = json.JSONDecoder()
    assert repr(one_pass(decoder)(text)) == repr(decoder.decode(text))


@pytest.mark.parametrize("text", ["", " ", "{", "[1] 2", "{} x", "\ufeff{}"])
def test_one_pass_refuses_what_the_decoder_refuses(text: str) -> None:
    decoder = json.JSONDecoder()
    with pytest.raises(json.JSONDecodeError) as expected:
        decoder.decode(text)
    with pytest.raises(json.JSONDecodeError) as raised:
        one_pass(decoder)(text)
    assert str(raised.value) == str(expected.value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": [{"b": None}, 1.5, True], "c": {}}, True),
        ("text", True),
        ({"a": {1: "x"}}, False),
        ([{"a": (1,)}], False),
        ([[]] * 5_001, False),
        ([{"a": "x" * 499_000}, "x" * 2_000], False),
        ({"a": ["x" * 600_000]}, False),
    ],
)
def test_what_is_small_json(value: object, *, expected: bool) -> None:
    """Of JSON's own types only, few values and few characters, wherever they stand."""
    assert is_small_json(value) is expected


def test_what_holds_itself_is_not_small_json() -> None:
    """The look at it ends."""
    value: list[object] = []
    value.append(value)
    assert not is_small_json(value)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": "x", "b": 1, "c": None}, True),
        ({"a": {"b": ["x"] * 100}}, True),
        ({"a": "x" * 500_001}, False),
        ({"a": {"b": "x" * 500_001}}, False),
        (dict.fromkeys(map(str, range(5_001)), 1), False),
        ({"a": [[1] * 2_500, [1] * 2_500]}, False),
        ([1] * 4_999, True),
        (None, True),
    ],
)
def test_what_is_small(value: object, *, expected: bool) -> None:
    """By values and characters, whether they stand at the top or further inside."""
    assert is_small(value) is expected
