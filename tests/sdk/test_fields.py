"""Inputs are read as leniently as templates write them, and refused with a line that teaches."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from zeebe_connectors import Hint, InputError, Model, Secret
from zeebe_connectors.sdk.document import Reference
from zeebe_connectors.sdk.fields import read_input, wire_names
from zeebe_connectors.sdk.secret_places import SecretPlaces


class NoAuth(Model):
    type: Literal["noAuth"] = "noAuth"


class Basic(Model):
    type: Literal["basic"] = "basic"
    username: Annotated[str, Field(min_length=1)]
    password: Secret = Secret("")


class Order(Model):
    method: Literal["GET", "POST"] = "GET"
    url: Annotated[str, Field(min_length=1), Hint(secrets=True)]
    authentication: Annotated[NoAuth | Basic, Field(discriminator="type")] = NoAuth()
    read_timeout: float = 20
    follow: bool = False
    tags: list[str] = []
    body: Any = None


def test_a_list_of_one_value_counts_as_that_value() -> None:
    """As FEEL has it, where a filter finds one item; lists in it are mistakes, however deep."""
    given = {"url": ["x"], "method": ["post"], "readTimeout": ["30"], "follow": ["true"], "tags": ["a"]}
    order = read_input(Order, given)
    assert (order.url, order.method, order.read_timeout, order.follow, order.tags) == ("x", "POST", 30, True, ["a"])
    nested: Any = "x"
    for _ in range(900):
        nested = [nested]
    for wrong in (nested, [["x"]], [], ["x", "y"]):
        with pytest.raises(InputError, match="url: must be text"):
            read_input(Order, {"url": wrong})


def test_form_values_become_typed_values() -> None:
    """Text for numbers, `${true}`, one value for a list, any case for a choice: all as the official runtime binds."""
    given = {
        "method": "post",
        "url": "x",
        "readTimeout": "30",
        "follow": "${true}",
        "tags": "one",
        "authentication": {"type": "BASIC", "username": "ann", "password": 5},
        "unknown": 1,
    }
    order = read_input(Order, given)
    assert (order.method, order.read_timeout, order.follow, order.tags) == ("POST", 30.0, True, ["one"])
    assert isinstance(order.authentication, Basic)
    assert order.authentication.password.reveal() == "5"


@pytest.mark.parametrize("nothing", ["", "  ", None])
@pytest.mark.parametrize("name", ["method", "readTimeout", "follow", "tags", "authentication", "body"])
def test_an_empty_optional_input_counts_as_left_out(name: str, nothing: str | None) -> None:
    """Modelers leave fields empty; templates then send empty text or null."""
    assert read_input(Order, {"url": "x", name: nothing}) == read_input(Order, {"url": "x"})


def test_an_authentication_without_any_value_counts_as_left_out() -> None:
    """Older templates send the empty object."""
    empty = {"url": "x", "authentication": {"type": None, "username": ""}}
    assert read_input(Order, empty).authentication == NoAuth()


@pytest.mark.parametrize(
    ("given", "fragments"),
    [
        ({}, ["url: is required"]),
        ({"url": ""}, ["url: must not be empty"]),
        ({"url": "x", "follow": "perhaps"}, ["follow: must be true or false"]),
        ({"url": "x", "readTimeout": "soon"}, ["readTimeout: must be a number"]),
        ({"url": "x", "method": "FETCH"}, ["method: must be one of 'GET' or 'POST'"]),
        ({"url": "x", "authentication": {"type": "magic"}}, ["authentication", "'noAuth', 'basic'"]),
        ({"url": "x", "authentication": {"type": "basic"}}, ["authentication.username: is required"]),
        ({"url": "x", "authentication": 5}, ["authentication"]),
        ({"follow": "perhaps", "readTimeout": "soon"}, ["url", "follow", "readTimeout"]),
    ],
)
def test_a_wrong_input_is_reported_by_field_reason_and_remedy(given: dict[str, Any], fragments: list[str]) -> None:
    """Every wrong field has its line, under the name that the modeler knows."""
    with pytest.raises(InputError) as raised:
        read_input(Order, given)
    for text in fragments:
        assert text in str(raised.value)


def test_no_value_is_ever_part_of_a_message() -> None:
    """A wrong value may be a secret."""
    canary = "CANARY-7c1f"
    given = {"url": [canary], "follow": canary, "readTimeout": canary, "method": canary, "authentication": canary}
    with pytest.raises(InputError) as raised:
        read_input(Order, given)
    assert canary not in str(raised.value)
    assert canary not in repr(raised.value)
    assert raised.value.__cause__ is None


def test_secrets_are_never_printed() -> None:
    """Whatever is done with one but `reveal()`."""
    secret = Secret("CANARY")
    order = read_input(Order, {"url": "x", "authentication": {"type": "basic", "username": "u", "password": "CANARY"}})
    shown = [repr(secret), str(secret), f"{secret}", f"{secret:>10}", repr(order), str(order), order.model_dump_json()]
    assert all("CANARY" not in text for text in shown)


def test_secrets_compare_by_value_and_never_equal_text() -> None:
    """They may stand in the key of a kept client."""
    assert Secret("a") == Secret("a")
    assert hash(Secret("a")) == hash(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"


def test_values_of_secret_fields_reach_whoever_masks() -> None:
    """Also those that the modeler typed without a placeholder."""
    seen: list[str] = []
    given = {"url": "x", "authentication": {"type": "basic", "username": "u", "password": "typed"}}
    read_input(Order, given, seen=seen.append)
    assert seen == ["typed"]


def test_places_of_secrets_come_from_the_model() -> None:
    """Secret fields and hinted fields, through unions; content is not among them."""
    places = SecretPlaces.of(Order)
    assert places.below["url"].everywhere
    assert places.below["authentication"].below["password"].everywhere
    assert "body" not in places.below
    assert "username" not in places.below["authentication"].below


def test_variables_to_fetch_are_the_wire_names() -> None:
    """The engine sends what the model names and no more."""
    assert wire_names(Order) == ["method", "url", "authentication", "readTimeout", "follow", "tags", "body"]
    assert wire_names(Order | Basic)[-3:] == ["type", "username", "password"]


class Recipients(Model):
    to: str | list[str] | None = None
    people: list[int] = []
    anything: list[Any] = []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["b@example.com", None], ["b@example.com"]),
        (["", "b@example.com", "  ", None], ["b@example.com"]),
        ([None, ""], None),
        ([], []),
        (None, None),
        ("", None),
    ],
)
def test_nulls_and_empty_texts_in_a_list_count_as_left_out(given: Any, expected: Any) -> None:
    assert read_input(Recipients, {"to": given}).to == expected


def test_a_list_of_anything_keeps_its_nulls() -> None:
    """As parameters of a statement need them."""
    assert read_input(Recipients, {"anything": [1, None, ""]}).anything == [1, None, ""]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"to": ["a", None, {"x": 1}]}, "Invalid input: to.3: must be text"),
        ({"to": {"x": 1}}, "Invalid input: to: must be text"),
        ({"people": [1, "x"]}, "Invalid input: people.2: must be a whole number"),
        ({"people": [None, "x"]}, "Invalid input: people.2: must be a whole number"),
    ],
)
def test_a_position_is_that_of_the_given_list_counted_from_1(given: Any, message: str) -> None:
    """And a field that takes a text or a list does not fail as both."""
    with pytest.raises(InputError) as raised:
        read_input(Recipients, given)
    assert raised.value.message == message


class Letter(Model):
    to: Annotated[str, Field(min_length=1)] | Annotated[list[str], Field(min_length=1)]
    copies: Annotated[int, Field(ge=1)] | Annotated[list[int], Field(min_length=1)] = 1


@pytest.mark.parametrize(
    ("given", "fragments"),
    [
        ({"to": []}, "Invalid input: to: must not be empty; fill it in"),
        ({"to": [""]}, "Invalid input: to: must not be empty; fill it in"),
        ({"to": [None, "a"], "copies": []}, "Invalid input: copies: must not be empty; fill it in"),
        ({"to": ["a", ["b"]]}, "Invalid input: to.2: must be text"),
        ({"to": {"a": 1}}, "Invalid input: to: must be text"),
    ],
)
def test_members_of_a_union_with_bounds_are_not_named_as_the_library_names_them(given: Any, fragments: str) -> None:
    with pytest.raises(InputError) as failure:
        read_input(Letter, given)
    assert failure.value.message == fragments


def test_half_a_character_is_replaced_in_texts_with_a_minimum_length_too() -> None:
    """Others hold it; here it was an error in the validator's words."""

    class Letter(Model):
        to: Annotated[str, Field(min_length=1)]
        texts: list[Annotated[str, Field(min_length=1)]] = []
        body: Any = None

    given = {"to": "a\ud83d", "texts": ["\ud83d", "b"], "body": {"c\ud83d": Reference({"name": "x"})}}
    letter = read_input(Letter, given)
    assert (letter.to, letter.texts) == ("a\ufffd", ["\ufffd", "b"])
    assert isinstance(letter.body["c\ufffd"], Reference)
    with pytest.raises(InputError, match="to: must be text"):
        read_input(Letter, {"to": {}, "texts": ["\ud83d"]})
