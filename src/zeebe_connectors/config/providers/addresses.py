"""Build addresses for providers: fill placeholders and join paths, so that no task's value leaves the base."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, Literal, Protocol
from urllib.parse import quote, unquote, urlsplit

Kind = Literal["label", "host", "segment", "path", "query", "url"]
"""What fills a placeholder: one label of a host name, a host name, one path segment, several, a query value, a URL."""

PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_LOCAL = frozenset({"localhost", "local", "internal", "test", "lan"})
"""Domains of one label that are nobody's."""
_REGISTRIES = frozenset(
    {
        "ac", "asn", "biz", "co", "com", "ed", "edu", "firm", "gen", "go", "gob", "gouv", "gov", "govt", "gub",
        "id", "idf", "ind", "inf", "info", "int", "ltd", "me", "mil", "mod", "muni", "ne", "net", "nhs", "nic",
        "nom", "or", "org", "plc", "police", "pri", "priv", "pro", "sch", "school", "sci",
    }
)  # fmt: skip
"""Labels below a country's under which anybody may register a domain, as in .co.uk."""
_NUMERIC = re.compile(r"\d+|0[xX][0-9A-Fa-f]*")
_HOST = re.compile(r"(?=.{1,253}$)(?!.*\.\.)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WHOLE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/|https?:|//", re.IGNORECASE)
"""How a whole address begins; `orders:search` is a path, as many APIs have it."""
_PLAIN = re.compile(r"[A-Za-z0-9/_~-]*")
"""A path with nothing to decode; most paths are like that."""
_OVERLONG = re.compile(r"%(?:c[01]|e0%[89])", re.IGNORECASE)
"""Encodings that are not UTF-8, and of which old servers make dots and slashes."""
_MAX_VALUE = 2048


class AddressError(ValueError):
    """An address cannot be made; the text begins with the field's name and holds no value."""


class Declared(Protocol):
    """What is known of a placeholder."""

    @property
    def kind(self) -> Kind | None:
        """What fills it; None goes by the place."""

    @property
    def default(self) -> str | None:
        """Used when the task gives none."""

    @property
    def choices(self) -> list[str]:
        """The only values that are taken; empty takes all."""


def placeholders(template: str) -> list[str]:
    """Returns the names of a template's placeholders, in order."""
    return list(dict.fromkeys(PLACEHOLDER.findall(template)))


def is_address(path: str) -> bool:
    """Returns whether a path begins like a whole address."""
    return _WHOLE.match(path.strip()) is not None


def is_whole(template: str) -> bool:
    """Returns whether the template is one placeholder for the whole address."""
    return PLACEHOLDER.fullmatch(template.strip().rstrip("/")) is not None


def check_base(url: str, protocol: str | None, variables: Mapping[str, Declared], *, dynamic: bool) -> None:
    """Finds what is wrong with a base address before any task uses it.

    Args:
        url: The template.
        protocol: The scheme that it must have; None takes any.
        variables: What is known of its placeholders.
        dynamic: Whether a whole address from a task is allowed.

    Raises:
        AddressError: The field, the reason and the remedy.
    """
    if is_whole(url):
        if not dynamic:
            raise AddressError(
                "url: a placeholder for the whole address needs dynamicHosts; list the hosts that tasks may name"
            )
        return
    _check_url(url, protocol)
    if PLACEHOLDER.search(url.partition("://")[0]):
        raise AddressError("url: the scheme cannot be filled by a task; write it out")
    authority = _authority(url)
    if PLACEHOLDER.search(authority.rpartition(":")[2]) and ":" in PLACEHOLDER.sub("", authority):
        raise AddressError("url: the port cannot be filled by a task; write it out")
    _check_owner(authority, variables, "url")
    path = url.partition("://")[2][len(authority) :]
    check_path(path, name="url")
    _check_kinds(authority, variables, {"label", "host"}, "url")
    _check_kinds(path, variables, {"segment", "path"}, "url")


def _check_owner(authority: str, variables: Mapping[str, Declared], name: str) -> None:
    """Refuses a host of which a task could choose the domain: the credentials would go to whoever has that one."""
    host = re.sub(r":\d*$", "", authority)
    pieces = PLACEHOLDER.split(host)
    found, last = pieces[1::2], pieces[-1]
    if not found or all(_choices(variables.get(one)) for one in found):
        return
    domain = last[last.find(".") :] if "." in last else ""  # what stands before it is a part of the task's label
    if not _has_owner(domain):
        raise AddressError(
            f"{name}: a task could choose the domain by ${{{found[-1]}}}; let a dot and a domain of your "
            "own such as .example.com follow it, or list its choices"
        )


def _has_owner(domain: str) -> bool:
    """Returns whether somebody has this domain, with its dot in front, and so all names below it."""
    labels = domain.casefold().split(".")[1:]
    if not labels or _NUMERIC.fullmatch(labels[-1]):  # an address, of which a task would choose a part
        return False
    if len(labels) == 1:
        return labels[0] in _LOCAL
    return len(labels) > 2 or len(labels[1]) != 2 or labels[0] not in _REGISTRIES


def _check_url(url: str, protocol: str | None) -> None:
    if "${" in PLACEHOLDER.sub("", url):
        raise AddressError("url: has ${ without a name and }; write placeholders like ${region}")
    if re.search(r"\s", url.strip()):
        raise AddressError("url: holds blanks; write %20 in a path")
    if _CONTROL.search(url) or "\\" in url:
        raise AddressError("url: holds control characters or backslashes; remove them")
    sample = PLACEHOLDER.sub("x", url)
    begin = f"{protocol or 'postgresql'}://"
    try:
        parts = urlsplit(sample)
        if parts.port == 0:
            raise ValueError("no port")  # noqa: TRY301 - as what the library raises
    except ValueError:
        raise AddressError(f"url: is not a URL; write it like {begin}host:8443/path/") from None
    _check_letters(parts.hostname or "", "url")
    if not parts.scheme or not parts.hostname or not _HOST.fullmatch(_bracketed(parts.hostname)):
        raise AddressError(f"url: names no host; write it like {begin}host/path/")
    if parts.username is not None or "@" in parts.netloc:
        raise AddressError("url: holds a user; put the credentials under authentication")
    fine = ("http", "https") if protocol == "http" else (protocol,)  # TLS is always welcome
    if protocol is not None and parts.scheme.casefold() not in fine:
        begin = " or ".join(f"{scheme}://" for scheme in fine)
        raise AddressError(f"url: must begin with {begin}, as the provider's protocol says")
    if parts.query or parts.fragment:
        raise AddressError("url: must end with its path; a query belongs to the tasks")


def check_host(host: str, variables: Mapping[str, Declared]) -> None:
    """Finds what is wrong with a host.

    Raises:
        AddressError: The field, the reason and the remedy.
    """
    _check_letters(host, "host")
    if not _HOST.fullmatch(_bracketed(PLACEHOLDER.sub("x", host))):
        raise AddressError(
            "host: is not a name or address; write it like mail.example.com, with the port in its own field"
        )
    if PLACEHOLDER.fullmatch(host) and not _choices(variables.get(PLACEHOLDER.findall(host)[0])):
        raise AddressError("host: a placeholder for the whole host needs choices under variables; list them")
    _check_owner(host, variables, "host")
    _check_kinds(host, variables, {"label", "host"}, "host")


def _check_letters(host: str, name: str) -> None:
    if not host.isascii():
        raise AddressError(f"{name}: the host has letters beyond ASCII; write its ASCII form, as xn--bcher-kva.example")


def check_host_pattern(pattern: str, *, field: str = "dynamicHosts") -> None:
    """Finds what is wrong with a pattern of hosts.

    Raises:
        ValueError: The reason and the remedy.
    """
    rest = pattern.removeprefix("*.")
    if not _HOST.fullmatch(_bracketed(rest)) or ("." not in rest and rest != "localhost"):
        raise ValueError(f"{field}: each is a host name such as api.example.com, or *.example.com")
    if field == "dynamicHosts" and rest != pattern and not _has_owner(f".{rest}"):
        raise ValueError(
            f"{field}: anybody may have a host below {rest[:64]}; let a domain of your own follow the asterisk, such "
            "as *.example.com"
        )


def check_path(path: str, *, name: str = "path") -> None:
    """Finds what is wrong with a path of the operator's own.

    Raises:
        AddressError: The field, the reason and the remedy.
    """
    _checked_path(PLACEHOLDER.sub("x", path), name)


def _check_kinds(text: str, variables: Mapping[str, Declared], allowed: set[str], name: str) -> None:
    for found in placeholders(text):
        declared = variables.get(found)
        if declared is not None and declared.kind is not None and declared.kind not in allowed:
            raise AddressError(
                f"{name}: ${{{found}}} stands where only {' or '.join(sorted(allowed))} fits; correct its kind"
            )
        if declared is not None and declared.kind == "host" and not declared.choices:
            raise AddressError(f"{name}: ${{{found}}} is a whole host, which needs choices; list them")


def _choices(declared: Declared | None) -> list[str]:
    return declared.choices if declared is not None else []


def filled_url(
    template: str,
    variables: Mapping[str, Declared],
    values: Mapping[str, Any],
    *,
    hosts: Sequence[str] = (),
    protocol: str = "",
) -> str:
    """Returns the base address with its placeholders filled.

    Args:
        template: As the operator wrote it.
        variables: What is known of the placeholders.
        values: What the task gives.
        hosts: Where a whole address may lead.
        protocol: The provider's; with `https`, a whole address must have TLS too.

    Raises:
        AddressError: A value is missing or does not fit.
    """
    if not PLACEHOLDER.search(template):
        return template
    if is_whole(template):
        name = PLACEHOLDER.findall(template)[0]
        url = _value(name, variables.get(name), values)
        check_dynamic(url, hosts, name=f"providerValues.{name}")
        if protocol == "https":
            _check_encrypted(url, f"providerValues.{name}", "protocol")
        return url
    head, mark, rest = template.partition("://")
    authority = _authority(template)
    tail = rest[len(authority) :]
    return f"{head}{mark}{_filled(authority, 'label', variables, values)}{_filled(tail, 'segment', variables, values)}"


def filled_host(template: str, variables: Mapping[str, Declared], values: Mapping[str, Any]) -> str:
    """Returns the host with its placeholders filled.

    Raises:
        AddressError: A value is missing or does not fit.
    """
    return _filled(template, "label", variables, values)


def filled_path(template: str, variables: Mapping[str, Declared], values: Mapping[str, Any]) -> str:
    """Returns a task's or operation's path with its placeholders filled, those in its query too.

    Raises:
        AddressError: A value is missing or does not fit.
    """
    path, mark, query = template.partition("?")
    return f"{_filled(path, 'segment', variables, values)}{mark}{_filled(query, 'query', variables, values)}"


def filled_name(template: str, variables: Mapping[str, Declared], values: Mapping[str, Any]) -> str:
    """Fills the placeholders in the name of a database or folder, each with one segment unless declared otherwise.

    Raises:
        AddressError: A value is missing or does not fit.
    """

    def fill(match: re.Match[str]) -> str:
        name = match[1]
        declared = variables.get(name)
        text = _value(name, declared, values)
        may_be_several = declared is not None and declared.kind == "path"
        if _steps_up(text) or "\\" in text or ("/" in text and not may_be_several):
            raise AddressError(f"providerValues.{name}: must be one name, without slashes and steps such as ..")
        return text

    return PLACEHOLDER.sub(fill, template)


def _filled(text: str, kind: Kind, variables: Mapping[str, Declared], values: Mapping[str, Any]) -> str:
    def fill(match: re.Match[str]) -> str:
        name = match[1]
        declared = variables.get(name)
        value = _value(name, declared, values)
        return _fitting(value, (declared.kind if declared is not None else None) or kind, name)

    return PLACEHOLDER.sub(fill, text)


def _value(name: str, declared: Declared | None, values: Mapping[str, Any]) -> str:
    field = f"providerValues.{name}"
    value = values.get(name)
    if value is None or value == "":
        value = declared.default if declared is not None else None
    if value is None:
        raise AddressError(f"{field}: is required by the provider's address; fill it in")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise AddressError(f"{field}: must be text or a whole number")
    text = str(value)
    if len(text) > _MAX_VALUE or _CONTROL.search(text):
        raise AddressError(f"{field}: is too long or holds control characters")
    if (choices := _choices(declared)) and text not in choices:
        raise AddressError(f"{field}: must be one of {', '.join(choices)}")
    return text


def _fitting(text: str, kind: Kind, name: str) -> str:
    field = f"providerValues.{name}"
    match kind:
        case "label":
            if not LABEL.fullmatch(text):
                raise AddressError(f"{field}: must be one label of a host name: letters, digits and dashes")
            return text
        case "host":
            if not _HOST.fullmatch(_bracketed(text)):
                raise AddressError(f"{field}: must be a host name")
            return text
        case "segment":
            if _steps_up(text):  # encoded it is one segment, until a server decodes it before it looks for steps
                raise AddressError(f"{field}: must be one segment of a path, with no step such as . or .. in it")
            return quote(text, safe="")
        case "path":
            return "/".join(_fitting(part, "segment", name) for part in text.split("/") if part)
        case "query":
            return quote(text, safe="")
        case "url":
            raise AddressError(f"{field}: a whole address can only stand alone")


def joined(base: str, path: str, *, hosts: Sequence[str] = (), name: str = "url") -> str:
    """Returns the address of a path below a base, whatever the slashes; a whole address only where it is allowed.

    Args:
        base: Filled, absolute.
        path: As the task gives it, with a query if it has one.
        hosts: Hosts that a whole address may name.
        name: Of the input field, for messages.

    Raises:
        AddressError: The path leaves the base, or is a whole address that is not allowed.
    """
    path = path.strip()
    if _WHOLE.match(path):
        root = base.rstrip("/")
        if path.startswith(root) and path[len(root) :][:1] in {"", "/", "?"}:
            path = path[len(root) :]
        else:
            check_dynamic(path, hosts, name=name)
            if urlsplit(base).scheme == "https":
                _check_encrypted(path, name, "address")
            return path
    if not path:
        return base
    location, mark, query = path.partition("#")[0].partition("?")
    _checked_path(location, name)
    if _CONTROL.search(query):
        raise AddressError(f"{name}: holds control characters; remove them, or encode them in a value's place")
    if not location:
        return f"{base}{mark}{query}"
    return f"{base.rstrip('/')}/{location.lstrip('/')}{mark}{query}"


def check_dynamic(url: str, hosts: Sequence[str], *, name: str) -> None:
    """Refuses a whole address that the provider does not allow.

    Raises:
        AddressError: The field, the reason and the remedy.
    """
    if not hosts:
        raise AddressError(
            f"{name}: is a whole address, and this provider takes only a path below its own; write the path, or let "
            "the operator list the host under dynamicHosts"
        )
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").casefold()
        usable = parts.scheme in {"http", "https"} and _HOST.fullmatch(_bracketed(host)) and "@" not in parts.netloc
        _ = parts.port
    except ValueError:
        usable = None
        host = ""
    if not usable or _CONTROL.search(url) or "\\" in url:
        raise AddressError(f"{name}: is not an http(s) address; write it like https://host/path")
    if not any(fnmatchcase(host, pattern.casefold()) for pattern in hosts):
        raise AddressError(
            f"{name}: this host is not among the provider's dynamicHosts ({', '.join(hosts)}); use one of them, or let "
            "the operator add it"
        )


def _check_encrypted(url: str, name: str, like: str) -> None:
    """Refuses a whole address by which credentials would go unencrypted."""
    if urlsplit(url).scheme != "https":
        raise AddressError(f"{name}: must begin with https://, as the provider's {like} does")


def _checked_path(path: str, name: str) -> None:
    """Refuses what a server could read as a way out of the base, however it is written."""
    if _PLAIN.fullmatch(path):
        return
    if _CONTROL.search(path) or "\\" in path:
        raise AddressError(f"{name}: holds control characters or backslashes; remove them")
    decoded = list(_decodings(path))
    if any(map(_has_step, decoded)):
        raise AddressError(f"{name}: leaves the provider's address with '.' or '..'; write the path itself")
    if _CONTROL.search(decoded[-1]):
        raise AddressError(f"{name}: holds control characters; remove them")


def _decodings(text: str) -> Iterator[str]:
    """Yields a path as it is and as servers, and proxies before them, read it, which may each decode once."""
    for _ in range(4):
        yield text
        decoded = unquote(text)
        if decoded == text:
            return
        text = decoded
    yield text


def _has_step(path: str) -> bool:
    if _OVERLONG.search(path):
        return True
    if not path.isascii():
        path = unicodedata.normalize("NFKC", path)  # of full width, some servers make ordinary dots
    return any(segment.partition(";")[0].strip() in {".", ".."} for segment in re.split(r"[/\\]", path))


def _steps_up(text: str) -> bool:
    return any(map(_has_step, _decodings(text)))


def _authority(url: str) -> str:
    return re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host
