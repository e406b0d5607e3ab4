"""Search criteria become IMAP's words, or a verdict on one mail; what is wrong in them is named by its place."""

import pytest

from zeebe_connectors import InputError
from zeebe_connectors.connectors.email.criteria import holds, read_criteria, search_words


def leaf(field, value="x"):
    return {"field": field, "value": value}


def every(*criteria):
    return {"operator": "AND", "criteria": list(criteria)}


def any_of(*criteria):
    return {"operator": "OR", "criteria": list(criteria)}


A, B, C = leaf("FROM", "a"), leaf("SUBJECT", "b"), leaf("BODY", "c")


def words(given):
    found = search_words(read_criteria(given, field="criteria"), lambda text: f"'{text}'")
    return " ".join(found).replace("( ", "(").replace(" )", ")")


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        (A, "FROM 'a'"),
        (leaf("subject", 42), "SUBJECT '42'"),
        (every(A, B), "(FROM 'a' SUBJECT 'b')"),
        (any_of(A, B), "OR FROM 'a' SUBJECT 'b'"),
        (any_of(A, B, C), "OR FROM 'a' OR SUBJECT 'b' BODY 'c'"),
        (any_of(every(A, B), C), "OR (FROM 'a' SUBJECT 'b') BODY 'c'"),
        (every(any_of(A, B), any_of(B, C)), "(OR FROM 'a' SUBJECT 'b' OR SUBJECT 'b' BODY 'c')"),
        (any_of(A), "FROM 'a'"),
        ({"operator": "and", "criteria": A}, "FROM 'a'"),
    ],
)
def test_imap_is_asked_for_just_this(given, spelled):
    assert words(given) == spelled


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({}, "criteria.field"),
        (leaf("TO"), "criteria.field"),
        (leaf("FROM", None), "criteria.value"),
        (leaf("FROM", "a\r\nX LOGOUT"), "criteria.value"),
        (leaf("FROM", "a" * 1001), "criteria.value"),
        (leaf("FROM", ["a"]), "criteria.value"),
        ({"operator": "XOR", "criteria": [A]}, "criteria.operator"),
        ({"operator": "AND", "criteria": []}, "criteria.criteria"),
        ({"operator": "AND"}, "criteria.criteria"),
        (every(A, any_of(B, leaf("SIZE"))), "criteria.criteria[2].criteria[2].field"),
        (every(*[A] * 201), "criteria.criteria[201]"),
        (every(A, "FROM x"), "criteria.criteria[2]"),
    ],
)
def test_what_is_wrong_is_named_by_its_place_and_not_by_its_value(given, place):
    with pytest.raises(InputError) as caught:
        read_criteria(given, field="criteria")
    assert caught.value.message.startswith(f"{place}: ")
    assert "LOGOUT" not in caught.value.message


def test_depth_has_an_end():
    deep = A
    for _ in range(1000):
        deep = every(deep)
    with pytest.raises(InputError, match="nested more than"):
        read_criteria(deep, field="criteria")


@pytest.mark.parametrize(
    ("given", "by_headers", "by_all"),
    [
        (leaf("FROM", "ANN"), True, True),
        (leaf("FROM", "bob"), False, False),
        (leaf("SUBJECT", "größe"), True, True),
        (leaf("BODY", "Rosen"), None, True),
        (leaf("BODY", "Brot"), None, False),
        (every(leaf("FROM", "bob"), leaf("BODY", "Rosen")), False, False),
        (every(leaf("FROM", "ann"), leaf("BODY", "Rosen")), None, True),
        (any_of(leaf("FROM", "ann"), leaf("BODY", "Brot")), True, True),
        (any_of(leaf("FROM", "bob"), leaf("BODY", "Brot")), None, False),
    ],
)
def test_a_mail_is_judged_by_its_headers_where_they_suffice(given, by_headers, by_all):
    criterion = read_criteria(given, field="criteria")
    headers = ("Ann <ann@example.test>", "Die GRÖSSE und die Größe")
    assert holds(criterion, *headers, None) is by_headers
    assert holds(criterion, *headers, ["zwei rosen", "<p>"]) is by_all
