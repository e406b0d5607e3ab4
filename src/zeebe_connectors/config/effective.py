"""List the settings in force and where each comes from, without secrets, for operators.

Only what `config/declared.py` knows is shown with its value; of a secret, only that it is set. Names that look like
settings but are not are listed without their values, since nobody knows what those are.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from zeebe_connectors.config.cluster import NAMES
from zeebe_connectors.config.declared import SETTINGS
from zeebe_connectors.config.environment import Environment, squeezed
from zeebe_connectors.config.secrets.lookup import DEFAULT_PREFIX, PREFIX_SETTING
from zeebe_connectors.config.secrets.uses import TABLE

SET = "set"
"""What is shown in place of a secret."""
MAX_UNKNOWN = 50
_SECRET = re.compile(r"(?:SECRET|PASSWORD|TOKEN|_KEY|_KEYS|LEDGER)$")
_USER_OF_URL = re.compile(r"(?<=//)[^/@\s]*@")
_QUERY = re.compile(r"\?\S*")
_PER_CONNECTOR = re.compile(r"CONNECTOR_(?!OUTBOUND|INBOUND)\w+_(?:TYPE|TIMEOUT)")
_PROXY = re.compile(r"CONNECTOR_HTTPS?_PROXY_(?:HOST|PORT|SCHEME|USER|PASSWORD)")
_LOOKS_LIKE_OURS = ("ZEEBE_", "CAMUNDA_", "CONNECTOR_")
_OTHERS = frozenset({"SERVER_PORT"})
"""Names that are read and mentioned in another setting's row."""


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting as it is in force.

    Args:
        name: As it is written where it is set, or as it is declared.
        value: Its value, `set` for a secret, empty where it is not set.
        where: `environment`, `.env`, a file's path; empty for the default.
        default: What applies without it, in words.
    """

    name: str
    value: str
    where: str
    default: str

    @property
    def is_default(self) -> bool:
        """Whether nobody set it."""
        return not self.where


def effective_settings(environment: Environment) -> list[Effective]:
    """Returns all settings in the order of the settings' page; those that are not set with their defaults."""
    aliases = {name: names for names in NAMES.values() for name in names}
    found: list[Effective] = []
    seen: set[str] = set()
    for item in SETTINGS:
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", item.default).replace("`", "")
        each = plain.split(", ")
        for number, declared in enumerate(item.names):
            default = each[number] if len(each) == len(item.names) else plain
            for name in _names(environment, declared):
                chosen = next((alias for alias in aliases.get(name, ()) if environment.text(alias)), name)
                if squeezed(chosen) not in seen and squeezed(aliases.get(name, (name,))[0]) not in seen:
                    seen |= {squeezed(chosen), squeezed(aliases.get(name, (name,))[0])}
                    found.append(_effective(environment, chosen, default))
    return found


def unknown_settings(environment: Environment) -> list[tuple[str, str]]:
    """Returns names that look like settings and are not read, each with the one that was probably meant, or empty."""
    by_squeezed = _by_squeezed()
    prefix = environment.text(PREFIX_SETTING) or DEFAULT_PREFIX
    found = []
    for name in sorted(environment):
        plain = re.sub(r"[.-]", "_", name).upper()
        ours = plain.startswith(_LOOKS_LIKE_OURS) and not plain.startswith(prefix.upper())
        if environment.origin(name).endswith(".toml"):
            ours = not name.startswith(f"{TABLE}.")
        if not ours or squeezed(name) in by_squeezed or _PER_CONNECTOR.fullmatch(plain) or _PROXY.fullmatch(plain):
            continue
        found.append((name[:200], _meant(squeezed(name))))
        if len(found) == MAX_UNKNOWN:
            break
    return found


@cache
def _by_squeezed() -> Mapping[str, str]:
    """Returns all names of settings, by how they are compared."""
    declared = [name for item in SETTINGS for name in item.names]
    known = [*declared, *(name for names in NAMES.values() for name in names), *_OTHERS]
    return {squeezed(name): name for name in known}


@lru_cache(maxsize=MAX_UNKNOWN)
def _meant(name: str) -> str:
    """Returns the setting that was probably meant, or empty; cached, as comparing takes milliseconds."""
    near = difflib.get_close_matches(name, _by_squeezed(), n=1, cutoff=0.85)
    return _by_squeezed()[near[0]] if near else ""


def _names(environment: Environment, declared: str) -> Iterator[str]:
    """Yields a declared name or, if it stands for several, those of them that are set."""
    if "<NAME>" in declared:
        what = re.compile(declared.replace("<NAME>", r"(?!OUTBOUND|INBOUND)\w+"))
        yield from (name for name in environment if what.fullmatch(re.sub(r"[.-]", "_", name).upper()))
    else:
        yield declared
        if match := re.fullmatch(r"(CONNECTOR_HTTPS?_PROXY_)HOST", declared):
            others = (match[1] + last for last in ("PORT", "SCHEME", "USER", "PASSWORD"))
            yield from (name for name in others if environment.text(name))


def _effective(environment: Environment, name: str, default: str) -> Effective:
    value = environment.text(name)
    if not value:
        return Effective(name, "", "", default)
    if is_secret(name):
        value = _without_login(value) if value.startswith(("postgresql://", "postgres://")) else SET
    else:
        value = _USER_OF_URL.sub("•••@", value)
    return Effective(name, value, environment.origin(name), default)


def is_secret(name: str) -> bool:
    """Returns whether a setting's value is never shown."""
    return _SECRET.search(re.sub(r"[.-]", "_", name).upper()) is not None


def _without_login(url: str) -> str:
    return _QUERY.sub("", _USER_OF_URL.sub("•••@", url))
