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
# Where services put a sentence for people, the fullest first: RFC 9457, OAuth, and common frameworks.
_KEYS = (
    *("detail", "error_description", "message", "errorMessage", "error_message", "errorMessages", "msg"),
    *(
        "errorSummary",
        "userMessage",
        "statusMessage",
        "description",
        "faultstring",
        "reason",
        "value",
        "error",
        "errors",
        "fault",
        "title",
    ),
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


def _text_in(value: Any, depth: int) -> str:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list) and value and depth:
        return _text_in(value[0], depth - 1)
    if not isinstance(value, dict) or not depth:
        return ""
    known = {name.lower(): item for name, item in value.items() if isinstance(name, str)}
    found = (_text_in(known[key.lower()], depth - 1) for key in _KEYS if key.lower() in known)
    return next((words for words in found if words), "")
