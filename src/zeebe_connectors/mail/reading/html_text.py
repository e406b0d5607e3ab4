"""Turn HTML into plain text with line breaks, for mails that have no plain text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape

MAX_BODY = 512 * 1024
"""Characters of a body that become a variable; a command carries 1.5 MiB at most, all variables together."""

_LINES = {
    "p",
    "div",
    "br",
    "tr",
    "li",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "table",
    "ul",
    "ol",
    "blockquote",
    "pre",
    "hr",
}
_HIDDEN = {"script", "style", "head", "title"}
_TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
_STOP = re.compile(r"[>\"']")
_ENDS = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in ("script", "style")}


def html_text(html: str) -> str:
    """Returns the text that a reader of the HTML sees: without tags, and with blocks on lines of their own.

    Written here because the standard library's parser takes minutes for half a megabyte of unclosed tags.
    """
    pieces: list[str] = []
    hidden = 0
    for tag, closes, text in _markup(html[:MAX_BODY]):
        if not tag:
            if not hidden:
                pieces.append(re.sub(r"\s+", " ", _with_characters(text)))
        elif tag in _HIDDEN:
            hidden = max(0, hidden - 1) if closes else hidden + 1
        elif tag == "body":
            hidden = 0  # the head's end tag is optional
        elif tag in _LINES:
            pieces.append("\n")
        elif tag in {"td", "th"} and not closes:
            pieces.append(" ")
    lines = (line.strip() for line in "".join(pieces).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def _markup(html: str) -> Iterator[tuple[str, bool, str]]:
    """Yields tags by name, and whether they close; text between them has no name. Reads each character about once."""
    at = 0
    while (start := html.find("<", at)) >= 0:
        if start > at:
            yield "", False, html[at:start]
        tag = _TAG.match(html, start)
        if tag is not None:
            end = _end_of_tag(html, tag.end())
            if end < 0:
                break
            name, closes = tag[2].lower(), bool(tag[1])
            yield name, closes, ""
            if not closes and html[end - 2] == "/":
                yield name, True, ""
            elif not closes and name in _ENDS:
                closing = _ENDS[name].search(html, end)
                end = closing.start() if closing else len(html)
        elif html.startswith(("<!", "<?", "</"), start):
            end = _end_of_other(html, start)
            if end < 0:
                return
        else:
            yield "", False, "<"
            end = start + 1
        at = end
    yield "", False, html[max(at, start) :]


def _end_of_tag(html: str, at: int) -> int:
    """Returns where a tag ends, ignoring quoted parts; negative when it does not."""
    while (stop := _STOP.search(html, at)) is not None:
        if stop[0] == ">":
            return stop.end()
        close = html.find(stop[0], stop.end())
        if close < 0:
            return html.find(">", stop.end()) + 1 or -1
        at = close + 1
    return -1


def _end_of_other(html: str, start: int) -> int:
    """Returns where a comment or declaration ends; negative when it does not."""
    close, at = ("-->", start + 2) if html.startswith("<!--", start) else (">", start)
    end = html.find(close, at)
    return end if end < 0 else end + len(close)


def _with_characters(text: str) -> str:
    try:
        return unescape(text)
    except ValueError:  # a number of thousands of digits
        return text
