"""Turn a source's properties into the connector's input: evaluate FEEL, then resolve secrets, then validate.

All of it is the modeler's own text, so placeholders resolve in every property, unless the operator narrowed that.
Camunda 8.10's reference, `=camunda.secrets.NAME`, resolves through the cluster if possible, else like any secret.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zeebe_connectors import feel
from zeebe_connectors.config.secrets import JobSecrets, Places, SecretResolver
from zeebe_connectors.config.secrets.placeholders import (
    CLUSTER_MARK,
    cluster_names_in,
    cluster_secret_name,
    secret_name,
)
from zeebe_connectors.runtime.diagrams import ClusterApi, ClusterError
from zeebe_connectors.runtime.inbound.elements import Source
from zeebe_connectors.runtime.providers import Providers, Use, asking
from zeebe_connectors.runtime.secret_scope import EVERYWHERE, SecretScope
from zeebe_connectors.sdk.connector import Inbound
from zeebe_connectors.sdk.errors import InputError, PermanentError, TransientError
from zeebe_connectors.sdk.fields import read_input
from zeebe_connectors.sdk.leniency import readers_of
from zeebe_connectors.sdk.secret_places import SecretPlaces

RIGHT = "REVEAL on the resource SECRET"
_OPEN, _CLOSE = "\ue000", "\ue001"
"""Characters around a reference in an expression's result, which no text can contain."""
_GIVEN = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_MARKED = re.compile(r"=\s*(\{\{.*\}\}|secrets\..*)", re.DOTALL)
"""A placeholder with the mark of an expression in front, which it does not need."""
_OF_CLUSTER = re.compile(r"camunda\.(?:secrets|vars)\b")
_BATCH = 20
_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Properties:
    """Reads the properties of sources.

    Args:
        secrets: Our own secrets.
        scope: The operator's rules about placeholders.
        cluster: Resolves the cluster's own references.
        providers: The named remote systems.
    """

    secrets: SecretResolver
    scope: SecretScope = field(default_factory=SecretScope)
    cluster: ClusterApi | None = None
    providers: Providers | None = None

    async def read(self, source: Source, connector: Inbound, custody: JobSecrets) -> tuple[Any, Use | None]:
        """Returns the connector's validated input, and the provider if the element names one.

        Args:
            source: Whose settings.
            connector: Whose model.
            custody: Learns the secrets that are used.

        Raises:
            ConnectorError: A property is wrong; the message names the field.
            DiscoveryError: The property names contradict each other.
        """
        element = source.elements[0]
        data = _evaluated(source.input(), connector.secret_inputs, known=readers_of(connector.input))
        places = self._places(connector)
        if names := _references(data):
            found = await self._of_cluster(names, element.tenant, element.process)
            for name, value in found.items():
                custody.resolved(name, value)
            data = _filled(data, found)
        resolved = await self.secrets.resolve(
            data, places, mask=custody.mask, tenant=element.tenant, process=element.process, custody=custody
        )
        data = resolved.value
        use: Use | None = None
        texts = {name: value for name, value in element.properties.items() if isinstance(value, str)}

        async def version_tag() -> str | None:
            return element.version_tag or None

        who = {"process": element.process, "tenant": element.tenant, "version_tag": version_tag}
        if (wanted := asking(texts, **who)) is not None:
            if self.providers is None:
                raise PermanentError(
                    "PROVIDER_UNKNOWN",
                    "provider: this runtime has no providers; the operator describes them in providers.yaml",
                )
            data = dict(data)
            use = await self.providers.use(wanted, connector, data, custody)
        try:
            return read_input(connector.input, data, seen=custody.mask.typed), use
        except InputError as error:
            raise (error if use is None else use.named(error, connector)) from None

    def _places(self, connector: Inbound) -> Places:
        match self.scope.mode:
            case "fields":
                return connector.secret_places
            case "secrets-only":
                return connector.secret_inputs
            case _:
                return EVERYWHERE

    async def _of_cluster(self, names: Sequence[str], tenant: str, process: str) -> dict[str, str]:
        """The values of the cluster's references; if it has no such API, our own secrets of these names."""
        if self.cluster is not None:
            found: dict[str, str] = {}
            try:
                for start in range(0, len(names), _BATCH):
                    found |= await self._batch(self.cluster, names[start : start + _BATCH])
            except ClusterError as error:
                if error.status not in {404, 405, 501}:
                    raise TransientError("SECRET_PROVIDER_FAILED", f"The cluster's secrets: {error.message}") from None
            else:
                return found
        return {name: await self.secrets.value(name, tenant=tenant, process=process) for name in names}

    async def _batch(self, cluster: ClusterApi, names: Sequence[str]) -> dict[str, str]:
        body = {"references": [CLUSTER_MARK + name for name in names]}
        answer = await cluster.object("POST", "/secrets/resolve", body, seconds=_SECONDS, right=RIGHT)
        found = {
            str(item.get("reference")).removeprefix(CLUSTER_MARK): str(item.get("value"))
            for item in answer.get("resolved") or []
            if isinstance(item, Mapping)
        }
        codes = {
            str(item.get("reference")).removeprefix(CLUSTER_MARK): str(item.get("code"))
            for item in answer.get("errors") or []
            if isinstance(item, Mapping)
        }
        for name in names:
            if name not in found:
                raise _unresolved(name, codes.get(name, "NOT_FOUND"))
        return found


def _unresolved(name: str, code: str) -> PermanentError:
    """The error for a secret that the cluster does not return."""
    match code.casefold():
        case "access_denied":
            why = f"this runtime's login lacks a permission: grant it {RIGHT} in the cluster's Identity"
        case "unreadable":
            why = "the cluster has it but cannot read its value; look at the cluster's secret store"
        case "invalid_reference":
            why = "its name is not one that the cluster takes; use letters, digits, _ and -"
        case _:
            why = "the cluster's secret store does not have it; create it there, or correct the name"
    return PermanentError("SECRET_NOT_FOUND", f"{CLUSTER_MARK}{name} is not available: {why}")


def _evaluated(value: Any, secret: SecretPlaces | None, path: str = "", *, known: Container[str] | None = None) -> Any:
    """Evaluates `=…` texts. In an input for a secret, only joined texts are FEEL: a password may begin with `=`.

    Args:
        value: What the modeler wrote.
        secret: Which parts are for secrets.
        path: Where it stands.
        known: Names of the connector's inputs; others, such as a template's helpers, stay as they are. None: all are.

    Raises:
        InputError: Names the property at this path.
    """
    is_secret = secret is not None and secret.everywhere
    if isinstance(value, dict):
        return {
            name: _evaluated(item, secret.at(name) if secret else None, f"{path}.{name}" if path else name)
            if known is None or name in known
            else item
            for name, item in value.items()
        }
    if not isinstance(value, str):
        return value
    if name := cluster_secret_name(value):
        return f"{_OPEN}{name}{_CLOSE}"
    if is_secret and (marked := _MARKED.fullmatch(value)) and secret_name(marked[1]) is not None:
        return marked[1]
    if not value.startswith("=") or (is_secret and '"' not in value and not _OF_CLUSTER.search(value)):
        return value
    return _result(value, path, is_secret=is_secret)


def _result(value: str, path: str, *, is_secret: bool) -> Any:
    """The value of one `=…` text; in an input for a secret, the text itself where it is no expression.

    Raises:
        InputError: Names the property at this path.
    """
    names = cluster_names_in(value)
    context = {"camunda": {"secrets": {name: f"{_OPEN}{name}{_CLOSE}" for name in names}}} if names else {}
    refers = _OF_CLUSTER.search(value) is not None
    try:
        result = feel.to_json(feel.compile(value[1:]).run(context, limits=feel.QUICK_LIMITS).value)
    except feel.FeelError as error:
        if is_secret and not refers:
            return value
        raise InputError(f"{path} is not FEEL: {error}") from None
    is_text = isinstance(result, str)
    if not _is_whole(result, names) or ("camunda.secrets" in value and not is_text and (is_secret or result is None)):
        raise InputError(
            f"{path}: its expression does not give the cluster's secret as it is. Write =camunda.secrets.NAME, or "
            "texts joined to it with +; a name with other signs than letters, digits and _ stands between backticks: "
            "camunda.secrets.`my-name`"
        )
    if is_secret and not is_text and not refers:
        return value
    if result is None and value[1:].strip() not in {"", "null"}:
        # As if it were empty, another folder or server than the one meant would be watched.
        raise InputError(
            f"{path}: its expression gave null. What waits for events knows no variables, neither the process's nor "
            "the cluster's (camunda.vars); write the value itself, or a secret"
        )
    return result


def _is_whole(result: Any, names: Container[str]) -> bool:
    """Whether references to the cluster's secrets came out of an expression as they went in, not cut or changed."""
    if isinstance(result, dict | list):
        return all(_is_whole(item, names) for item in (result.values() if isinstance(result, dict) else result))
    if not isinstance(result, str):
        return True
    rest = _GIVEN.sub(lambda match: "" if match[1] in names else match[0], result)
    return _OPEN not in rest and _CLOSE not in rest


def _references(value: Any) -> list[str]:
    """The cluster's secrets that the properties name."""
    if isinstance(value, str):
        return list(dict.fromkeys(_GIVEN.findall(value)))
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return list(dict.fromkeys(name for item in items for name in _references(item)))
    return []


def _filled(value: Any, found: Mapping[str, str]) -> Any:
    """The properties with the values of the cluster's secrets filled in."""
    if isinstance(value, str):
        return _GIVEN.sub(lambda match: found[match[1]], value)
    if isinstance(value, dict):
        return {name: _filled(item, found) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, found) for item in value]
    return value
