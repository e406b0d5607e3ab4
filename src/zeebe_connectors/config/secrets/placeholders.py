"""Recognise the placeholders of secrets in a text: the one grammar for diagrams, providers, sources and jobs."""

from __future__ import annotations

import re

MARK = "secrets."
"""Without this in a text there is no placeholder in it."""
CLUSTER_MARK = "camunda.secrets."
"""Begins a reference to a secret of the cluster's own store; inbound connectors resolve them."""

# A name holds no braces, so that text full of openings is searched in linear time.
BRACES = re.compile(r"\{\{\s*secrets\.([^\s{}]+)\s*\}\}")
"""A placeholder anywhere in a text; its group is the name."""
_SLIP = re.compile(
    r"\{\{\s{0,20}(?:camunda\.)?secrets?[\s.]{1,20}[\w./ -]{1,60}\s{0,20}\}\}?"
    r"|\{\s{0,20}secrets\.[\w./-]{1,60}\s{0,20}\}{1,2}",
    re.IGNORECASE,
)
_BARE_NAME = r"secrets\.((?:[a-zA-Z0-9]+[/._-])*[a-zA-Z0-9]+)"
BARE = re.compile(rf"\s*{_BARE_NAME}\s*")
"""A placeholder that is the whole text; its group is the name."""
_ANYWHERE = re.compile(rf"{BRACES.pattern}|{_BARE_NAME}")
_CLUSTER_WHOLE = re.compile(r"\s*camunda\.secrets\.([A-Za-z0-9_-]+)\s*")
_CLUSTER_IN_FEEL = re.compile(r"camunda\.secrets\.(?:`([^`]+)`|([A-Za-z_][A-Za-z0-9_]*))")


def refers(text: str) -> bool:
    """Returns whether the text names a secret instead of holding one."""
    return bool(BRACES.search(text)) if "{{" in text else bool(BARE.fullmatch(text))


def may_hold(text: str) -> bool:
    """Returns whether there may be placeholders in a text, or `slips`; quick for one without any."""
    return MARK in text or ("{{" in text and _SLIP.search(text) is not None)


def slips(text: str) -> list[str]:
    """Returns what is meant as a placeholder but written in another way, such as `{{SECRETS.A}}` or `{secrets.A}`."""
    if "{" not in text:
        return []
    return _SLIP.findall(BRACES.sub("", text) if "{{" in text else text)


def secret_name(text: str) -> str | None:
    """Returns the secret's name when the text is nothing but a placeholder."""
    found = BRACES.fullmatch(text.strip()) or BARE.fullmatch(text)
    return found[1] if found else None


def names_in(text: str) -> frozenset[str]:
    """Returns the names of all placeholders in a diagram's text, FEEL included: each may become a whole value."""
    return frozenset(braced or bare for braced, bare in _ANYWHERE.findall(text))


def cluster_secret_name(text: str) -> str | None:
    """Returns the name of a secret of the cluster when the text is nothing but a reference to it."""
    found = _CLUSTER_WHOLE.fullmatch(text)
    return found[1] if found else None


def cluster_names_in(expression: str) -> frozenset[str]:
    """Returns the names of the cluster's secrets to which a FEEL expression refers."""
    return frozenset(quoted or plain for quoted, plain in _CLUSTER_IN_FEEL.findall(expression))
