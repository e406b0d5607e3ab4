"""Hold each secret to the hosts and processes that the operator bound it to, and count where each one goes."""

from __future__ import annotations

import fnmatch
import logging
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from zeebe_connectors.config.environment import Environment, SettingsError
from zeebe_connectors.config.secrets.mask import Look, Mask, pattern_of
from zeebe_connectors.net.addresses import plain_host
from zeebe_connectors.net.custody import Material
from zeebe_connectors.sdk.errors import InputError
from zeebe_connectors.sdk.text import items_of

TABLE = "secret-policy"
"""Table of the settings file that binds secrets."""
MAX_COUNTED = 10_000
_SEARCHED = 256 * 1024
"""Bytes up to which every encoding is looked for; in what is larger, the value as it is."""
_DERIVED = ("Digest ", "OAuth ", "NTLM ", "Negotiate ", "Hawk ")
"""Schemes whose credentials are made of a secret without showing it."""
_log = logging.getLogger("zeebe_connectors.secrets")


@dataclass(frozen=True, slots=True)
class Rule:
    """Where one secret may go; an empty list allows all.

    Args:
        hosts: Names, or patterns such as `*.example.com`, in small letters.
        processes: BPMN process ids, or patterns.
    """

    hosts: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()


class Use(NamedTuple):
    """One secret on its way: which task of which process sent it to which host."""

    secret: str
    process: str
    element: str
    host: str


class SecretUses:
    """The operator's rules for secrets, and a bounded count of where they went.

    Args:
        rules: By the secret's name.
    """

    def __init__(self, rules: Mapping[str, Rule] | None = None) -> None:
        self.rules = dict(rules or {})
        self._counts: OrderedDict[Use, int] = OrderedDict()

    def count(self, use: Use) -> None:
        """Counts one use; beyond ten thousand kinds, those not seen for the longest time are forgotten."""
        self._counts[use] = self._counts.pop(use, 0) + 1
        if len(self._counts) > MAX_COUNTED:
            self._counts.popitem(last=False)
        if _log.isEnabledFor(logging.DEBUG):
            _log.debug("secret %s: sent to %s by %s/%s", use.secret, use.host, use.process, use.element)

    def counts(self) -> Iterator[tuple[Use, int]]:
        """Iterates over the kinds of use, each with how often it was seen, the latest first."""
        return iter(reversed(self._counts.items()))

    def check_process(self, secret: str, process: str) -> None:
        """Refuses a secret to a process that the operator did not name.

        Raises:
            InputError: `SECRET_PROCESS_FORBIDDEN`.
        """
        rule = self.rules.get(secret)
        if rule and not _fits(process, rule.processes):
            raise _forbidden(secret, f"other processes than {process or 'this one'!r}", "process")

    def check_host(self, secret: str, host: str) -> None:
        """Refuses to send a secret to a host that the operator did not name.

        Raises:
            InputError: `SECRET_HOST_FORBIDDEN`.
        """
        rule = self.rules.get(secret)
        if rule and not _fits(host, rule.hosts):
            raise _forbidden(secret, f"other hosts than {host}, so it was not sent there", "host")


def _fits(name: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _forbidden(secret: str, bound_to: str, what: str) -> InputError:
    return InputError(
        f"The secret '{secret}' is bound to {bound_to}; use another secret, or let the operator add the {what} to "
        f"[{TABLE}.{secret}] in the settings file",
        code=f"SECRET_{what.upper()}_FORBIDDEN",
    )


def read_rules(environment: Environment) -> dict[str, Rule]:
    """Returns the rules in the settings file.

    ```toml
    [secret-policy.DB_PASSWORD]
    hosts = ["db.example.com", "*.db.example.com"]
    processes = ["order"]
    ```

    Raises:
        SettingsError: A rule has another key, or no value.
    """
    rules: dict[str, dict[str, tuple[str, ...]]] = {}
    for name, value in environment.table(TABLE).items():
        secret, _, key = name.rpartition(".")
        if not secret or key not in {"hosts", "processes"}:
            raise SettingsError(f"[{TABLE}] {name}: write [{TABLE}.NAME] with hosts, processes or both")
        patterns = items_of(value)
        if not patterns:
            raise SettingsError(f"[{TABLE}.{secret}] {key}: is empty; name at least one, or leave it out to allow all")
        rules.setdefault(secret, {})[key] = tuple(map(plain_host, patterns)) if key == "hosts" else tuple(patterns)
    return {secret: Rule(**found) for secret, found in rules.items()}


class JobSecrets:
    """The custody of one job's or source's secrets; see `zeebe_connectors.net.custody`.

    Args:
        mask: Learns what is to be masked in what the job says.
        uses: Rules and counts.
        process: BPMN process id.
        element: Id of the element, or name of the source.
        log_mask: Learns what is to be masked in the log.
    """

    def __init__(
        self,
        mask: Mask,
        uses: SecretUses | None = None,
        *,
        process: str = "",
        element: str = "",
        log_mask: Mask | None = None,
    ) -> None:
        self.mask = mask
        self._uses = uses or SecretUses()
        self._process = process
        self._element = element
        self._log_mask = log_mask
        self._resolved: dict[str, str] = {}

    def resolved(self, name: str, value: str) -> None:
        """Takes note of a secret's value that is now among the inputs.

        Raises:
            InputError: `SECRET_PROCESS_FORBIDDEN`.
        """
        if self._uses.rules:
            self._uses.check_process(name, self._process)
        if value:
            self._resolved[name] = value
            self.mask.add(value)
            if self._log_mask is not None:
                self._log_mask.add(value)

    def held(self, value: str) -> None:
        """Masks a value that a provider of the operator's holds itself."""
        if value:
            self.mask.add(value)
            if self._log_mask is not None:
                self._log_mask.add(value)

    def masked(self, text: str) -> str:
        """See `Custody.masked`."""
        return self.mask.text(text)

    def learn(self, value: str) -> None:
        """See `Custody.learn`."""
        self.mask.learn(value)
        if self._log_mask is not None:
            self._log_mask.learn(value)

    def carries(self, material: Sequence[Material]) -> bool:
        """See `Custody.carries`."""
        return any(_stands_in(value, material) for value in self._resolved.values())

    def sending(self, host: str, material: Sequence[Material] | None) -> None:
        """See `Custody.sending`."""
        if not self._resolved:
            return
        host = plain_host(host)
        for name, value in self._resolved.items():
            if material is None or _goes(value, material):
                if self._uses.rules:
                    self._uses.check_host(name, host)
                self._uses.count(Use(name, self._process, self._element, host))


def _goes(value: str, material: Sequence[Material]) -> bool:
    """Returns whether a value is part of what is sent: as it is, in a signature made of it, or encoded."""
    for item in material:
        if isinstance(item, str) and (value in item or item.startswith(_DERIVED)):
            return True
    return _stands_in(value, material)


def _stands_in(value: str, material: Sequence[Material]) -> bool:
    for item in material:
        if len(item) > _SEARCHED:
            if (value in item) if isinstance(item, str) else (value.encode("utf-8", "surrogatepass") in item):
                return True
        else:
            text = item if isinstance(item, str) else item.decode("utf-8", "replace")
            if value in text or (Look(text).may_hold(value) and pattern_of(value).search(text)):
                return True
    return False
