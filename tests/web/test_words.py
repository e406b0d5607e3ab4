"""What a service says about its refusal is found in every usual form, and is short."""

import pytest

from zeebe_connectors.web.words import challenge_words, words_of

WORDS = "the id is wrong"
BODIES = [
    {"type": "about:blank", "title": "Bad Request", "status": 400, "detail": WORDS},
    {"error": "invalid_request", "error_description": WORDS},
    {"timestamp": 1, "status": 400, "error": "Bad Request", "message": WORDS, "path": "/x"},
    {"error": {"code": 400, "message": WORDS, "status": "INVALID_ARGUMENT"}},
    {"error": {"code": "x", "message": {"lang": "en", "value": WORDS}}},
    {"errors": [{"message": WORDS}, {"message": "another"}]},
    {"errors": [WORDS]},
    {"errorMessages": [WORDS], "errors": {}},
    {"Message": WORDS},
    {"detail": [{"loc": ["body", "id"], "msg": WORDS}]},
    {"fault": {"faultstring": WORDS, "detail": {"errorcode": "x"}}},
    {"error": WORDS},
    {"title": WORDS},
    {"error": {"innererror": {"message": WORDS}, "code": "Y"}},
    {"odata.error": {"message": {"lang": "en", "value": WORDS}}},
    {"ExceptionMessage": WORDS},
    {"errmsg": WORDS, "errcode": 40001},
    {"error_summary": WORDS},
    {"code": "E1", "developerMessage": WORDS},
    {"status": "error", "data": {"reason": WORDS}},
    {"response": {"errors": [{"errorMessage": WORDS}]}},
    {"non_field_errors": [WORDS]},
    {"exception": {"message": WORDS}},
    {"meta": {"error": WORDS}},
    {"messages": [{"text": WORDS}]},
    {"errors": [{"extensions": {"exception": {"message": WORDS}}}]},
    [{"message": WORDS, "errorCode": "X"}],
    f"<html><head><title>{WORDS}</title><body>long</body></html>",
    f"<html><title></title><script>x = 1</script><body><h1>{WORDS}</h1></body></html>",
    f"<error><message>{WORDS}</message></error>",
    f"  {WORDS}\r\n",
]


@pytest.mark.parametrize("body", BODIES, ids=str)
def test_a_service_says(body):
    assert words_of(body) == WORDS


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"errors": {"email": ["is invalid"], "name": ["missing"]}}, "email: is invalid; name: missing"),
        ({"title": "Wrong", "errors": {"Email": ["is required"]}}, "Email: is required"),
        ({"violations": [{"field": "age", "message": "is negative"}]}, "age: is negative"),
        ({"errors": [{"field": "age", "message": "age is negative"}]}, "age is negative"),
        ({"email": ["Enter a valid address."]}, "email: Enter a valid address."),
        ({"ModelState": {"order.id": ["is wrong"]}}, "order.id: is wrong"),
    ],
    ids=str,
)
def test_the_errors_of_a_form_name_their_fields(body, words):
    assert words_of(body) == words


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ('Bearer error="invalid_token", error_description="The token \\"x\\" expired"', 'The token "x" expired'),
        ('Bearer realm="a", error=insufficient_scope, scope="b"', "insufficient_scope"),
        ('Basic realm="error"', ""),
        ("Negotiate", ""),
        ("", ""),
    ],
)
def test_a_challenge_says(header, words):
    assert challenge_words(header) == words


@pytest.mark.parametrize("body", [None, {}, [], "", {"id": 1}, {"error": True}, {"message": {"a": 1}}, 5], ids=str)
def test_a_service_says_nothing(body):
    assert words_of(body) == ""


def test_the_words_are_one_short_line():
    assert len(words_of({"message": "x" * 5000})) == 300
    assert words_of({"message": "a\n\u202eb\x00"}) == "a b"
    deep = {"error": WORDS}
    for _ in range(50):
        deep = {"error": deep}
    assert words_of(deep) == ""
