"""Find a service's own explanation of a refusal: in JSON of many conventions, in a page, or in plain text."""

from __future__ import annotations

import html
import re
from typing import Any

from zeebe_connectors.net import custody

_MAX_WORDS = 300
_MAX_PAGE = 20_000
_MAX_DEPTH = 5
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.IGNORECASE | re.DOTALL)
_NOT_TEXT = re.compile(r"<(?:script|style)\b.*?</(?:script|style)>|<[^>]*>", re.IGNORECASE | re.DOTALL)
# Where services put a sentence for people, the fullest first: RFC 9457, OAuth, and common frameworks. Capitals and
# separators do not matter: `error_message` is `ErrorMessage`.
_SENTENCES = (
    *("detail", "errordescription", "message", "errormessage", "errormessages", "msg", "errmsg", "messages"),
    *("errorsummary", "usermessage", "statusmessage", "exceptionmessage", "developermessage", "description"),
    *("faultstring", "faultmessage", "reason", "value", "text", "hint", "errordetails", "errordetail", "details"),
    *("info", "cause"),
)
_ERRORS = (
    *("error", "errors", "odataerror", "violations", "validationerrors", "fielderrors", "validationmessages"),
    *("nonfielderrors", "modelstate", "invalidparams", "innererror", "err", "exception", "fault", "faultinfo"),
)
_AROUND = ("response", "result", "meta", "status", "data", "extensions")
"""What an error may be wrapped in; a text of such a name is none."""
_LAST = ("title", "errorcode", "code")
_PLACES = ("field", "property", "propertypath", "propertyname", "param", "name")
"""Entries of an error that name what it is about."""
_SEPARATORS = str.maketrans("", "", "_-. ")
_MAX_ERRORS = 3
_WWW_AUTHENTICATE = re.compile(
    r"\b(error_description|error)\s*=\s*(?:\"((?:\\.|[^\"\\]){1,1000}+)\"|([^\s,\"]{1,200}+))"
)


def words_of(body: Any) -> str:
    """Returns what a refusal says, short and masked; empty if it says nothing to people.

    Args:
        body: A JSON value, or text.
    """
    if isinstance(body, str):
        return page_words(body) if "<" in body[:1000] else short(body)
    return short(_text_in(body, _MAX_DEPTH))


def page_words(text: str) -> str:
    """Returns the title of a page, or its text if it has none."""
    text = text[:_MAX_PAGE]
    title = _TITLE.search(text)
    return short(html.unescape(title[1] if title and title[1].strip() else _NOT_TEXT.sub(" ", text)))


def short(text: str) -> str:
    """Returns the text as one line of bounded length, with secrets masked."""
    text = custody.masked(text[: 20 * _MAX_WORDS])
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return text if len(text) <= _MAX_WORDS else text[: _MAX_WORDS - 1] + "…"


def challenge_words(header: str) -> str:
    """Returns what a `WWW-Authenticate` header says of the refusal (RFC 6750), empty if it says nothing."""
    found = {name: re.sub(r"\\(.)", r"\1", quoted) or bare for name, quoted, bare in _WWW_AUTHENTICATE.findall(header)}
    return short(found.get("error_description") or found.get("error") or "")


def _text_in(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list) and value and depth:
        return _with_place(value[0], _text_in(value[0], depth - 1))
    if not isinstance(value, dict) or not depth:
        return ""
    known = _by_plain_name(value)
    return (
        _own_text(known, _SENTENCES)
        or _first_text(known, _SENTENCES, depth)
        or next((words for name in _ERRORS if (words := _errors_in(known.get(name), depth))), "")
        or next((words for name in _AROUND if (words := _wrapped(known.get(name), depth))), "")
        or _first_text(known, _LAST, depth)
        or (_by_field(value, strict=True) if depth == _MAX_DEPTH else "")
    )


def _by_plain_name(value: dict[Any, Any]) -> dict[str, Any]:
    return {name.lower().translate(_SEPARATORS): item for name, item in value.items() if isinstance(name, str)}


def _own_text(known: dict[str, Any], names: tuple[str, ...]) -> str:
    """Returns the first entry of these names that is a text itself."""
    texts = (known[name].strip() for name in names if isinstance(known.get(name), str))
    return next(filter(None, texts), "")


def _first_text(known: dict[str, Any], names: tuple[str, ...], depth: int) -> str:
    return next((words for name in names if (words := _text_in(known.get(name), depth - 1))), "")


def _errors_in(value: Any, depth: int) -> str:
    return _text_in(value, depth - 1) or (_by_field(value, strict=False) if isinstance(value, dict) else "")


def _wrapped(value: Any, depth: int) -> str:
    return _text_in(value, depth - 1) if isinstance(value, (dict, list)) else ""


def _by_field(errors: dict[Any, Any], *, strict: bool) -> str:
    """Writes out the errors of a form by field: `{"email": ["is missing"]}`; if `strict`, only if of several words."""
    found = []
    for name, value in errors.items():
        texts = value if isinstance(value, list) else [value]
        if not texts or not all(isinstance(text, str) and (" " in text.strip() or not strict) for text in texts):
            return ""
        found.append(f"{name}: {texts[0].strip()}")
    return "; ".join(found[:_MAX_ERRORS])


def _with_place(value: Any, words: str) -> str:
    """Returns an error's text after the name of the field that it is about."""
    if not words or not isinstance(value, dict):
        return words
    place = _own_text(_by_plain_name(value), _PLACES)
    return f"{place}: {words}" if place and place not in words else words
