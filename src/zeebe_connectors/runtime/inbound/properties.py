"""Turn a source's properties into the connector's input: evaluate FEEL, then resolve secrets, then validate.

All of it is the modeler's own text, so placeholders resolve in every property, unless the operator narrowed that.
Camunda 8.10's reference, `=camunda.secrets.NAME`, resolves through the cluster if possible, else like any secret.
An expression on the cluster's variables, `=camunda.vars.env.NAME`, is evaluated by the cluster (8.9 and later).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zeebe_connectors import feel
from zeebe_connectors.config.secrets import JobSecrets, Places, SecretResolver
from zeebe_connectors.config.secrets.placeholders import (
    CLUSTER_MARK,
    cluster_names_in,
    cluster_secret_name,
    refers,
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
RIGHT_TO_EVALUATE = "EVALUATE on the resource EXPRESSION, and READ on CLUSTER_VARIABLE,"
_OPEN, _CLOSE = "\ue000", "\ue001"
"""Characters around a reference in an expression's result, which no text can contain."""
_GIVEN = re.compile(f"{_OPEN}([^{_CLOSE}]*){_CLOSE}")
_MARKED = re.compile(r"=\s*(\{\{.*\}\}|secrets\..*)", re.DOTALL)
"""A placeholder with the mark of an expression in front, which it does not need."""
_VARIABLES = re.compile(r"=.*\bcamunda\.vars\b", re.DOTALL)
_VALUE, _END = "\ue002", "\ue003"
"""Characters around the number of a value that the cluster gave: it is filled in last, since it is no text of ours."""
_FROM_CLUSTER = re.compile(f"{_VALUE}([0-9]+){_END}")
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
        known = readers_of(connector.input)
        data, values = await self._with_variables(source.input(), element.tenant, known)
        data = _evaluated(data, connector.secret_inputs, known=known)
        places = self._places(connector)
        if names := _references(data):
            found = await self._of_cluster(names, element.tenant, element.process)
            for name, value in found.items():
                custody.resolved(name, value)
            data = _filled(data, found)
        resolved = await self.secrets.resolve(
            data, places, mask=custody.mask, tenant=element.tenant, process=element.process, custody=custody
        )
        self.scope.report_at(element.process, element.id, resolved.unresolved, self._remedy)
        data = _with_values(resolved.value, values) if values else resolved.value
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

    async def _with_variables(
        self, data: dict[str, Any], tenant: str, known: Container[str]
    ) -> tuple[dict[str, Any], list[Any]]:
        """Returns the properties with a mark for each expression on the cluster's variables, and the values of these.

        Raises:
            InputError: The cluster cannot evaluate one; names the property.
            TransientError: It does not answer.
        """
        found = [one for name, value in data.items() if name in known for one in _on_variables(value, name)]
        if self.cluster is None or not found:
            return data, []
        values: list[Any] = []
        marks: dict[str, str] = {}
        for path, expression in found:
            if expression in marks:  # several properties may read the same variable
                continue
            try:
                value = await self._variable(self.cluster, expression, path, tenant)
            except ClusterError as error:
                if error.status in {404, 405, 501}:  # before 8.9
                    return data, []
                if error.status == 400:
                    raise InputError(f"{path}: the cluster cannot evaluate it: {error.message}") from None
                raise TransientError("EXPRESSION_FAILED", f"{path}: {error.message}") from None
            marks[expression] = f"{_VALUE}{len(values)}{_END}"
            values.append(value)
        return {name: _marked(value, marks) if name in known else value for name, value in data.items()}, values

    async def _variable(self, cluster: ClusterApi, expression: str, path: str, tenant: str) -> Any:
        """Lets the cluster evaluate one expression, in which no secret may be: what it gives is filled in as it is."""
        if refers(expression):
            raise InputError(
                f"{path}: an expression on the cluster's variables cannot hold a secret's placeholder, which would "
                "stay as text; write the whole value as a secret, or the text around the placeholder itself"
            )
        body = {"expression": expression} | ({"tenantId": tenant} if tenant else {})
        answer = await cluster.object("POST", "/expression/evaluation", body, seconds=_SECONDS, right=RIGHT_TO_EVALUATE)
        if answer.get("result") is None:
            raise InputError(
                f"{path}: the cluster's variables give null for its expression; check their names, and that they are "
                "visible to this tenant"
            )
        return answer["result"]

    def _remedy(self) -> str:
        return f"The operator's ZEEBE_CONNECTORS_SECRETS_SCOPE ({self.scope.mode}) does not let them resolve there"

    def _places(self, connector: Inbound) -> Places:
        match self.scope.mode:
            case "fields":
                return connector.secret_places
            case "secrets-only":
                return connector.secret_inputs
            case _:
                return EVERYWHERE

    async def _of_cluster(self, names: Sequence[str], tenant: str, process: str) -> dict[str, str]:
        """Returns the values of the cluster's references; if it has no such API, our own secrets of these names."""
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
    """Returns the error for a secret that the cluster does not return."""
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
    """Returns the value of one `=…` text; in an input for a secret, the text itself where it is no expression.

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
            f"{path}: its expression gave null. What waits for events knows no variables of the process, and the "
            "cluster's (camunda.vars) only from a cluster of 8.9 or later whose REST address is set; write the value "
            "itself, or a secret"
        )
    return result


def _is_whole(result: Any, names: Container[str]) -> bool:
    """Returns whether an expression left references to the cluster's secrets whole, not cut or changed."""
    if isinstance(result, dict | list):
        return all(_is_whole(item, names) for item in (result.values() if isinstance(result, dict) else result))
    if not isinstance(result, str):
        return True
    rest = _GIVEN.sub(lambda match: "" if match[1] in names else match[0], result)
    return _OPEN not in rest and _CLOSE not in rest


def _on_variables(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Yields the expressions on the cluster's variables among the properties, each with its path."""
    if isinstance(value, str) and _VARIABLES.match(value) and CLUSTER_MARK not in value:
        yield path, value
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _on_variables(item, f"{path}.{name}")


def _marked(value: Any, marks: Mapping[str, str]) -> Any:
    """Puts marks into the properties in place of expressions."""
    if isinstance(value, dict):
        return {name: _marked(item, marks) for name, item in value.items()}
    return marks.get(value, value) if isinstance(value, str) else value


def _with_values(value: Any, values: Sequence[Any]) -> Any:
    """Puts values into the properties in place of their marks."""
    if isinstance(value, dict):
        return {name: _with_values(item, values) for name, item in value.items()}
    match = _FROM_CLUSTER.fullmatch(value) if isinstance(value, str) else None
    return values[int(match[1])] if match and int(match[1]) < len(values) else value


def _references(value: Any) -> list[str]:
    """Returns the cluster's secrets that the properties name."""
    if isinstance(value, str):
        return list(dict.fromkeys(_GIVEN.findall(value)))
    if isinstance(value, dict | list):
        items = value.values() if isinstance(value, dict) else value
        return list(dict.fromkeys(name for item in items for name in _references(item)))
    return []


def _filled(value: Any, found: Mapping[str, str]) -> Any:
    """Fills the values of the cluster's secrets into the properties."""
    if isinstance(value, str):
        return _GIVEN.sub(lambda match: found[match[1]], value)
    if isinstance(value, dict):
        return {name: _filled(item, found) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, found) for item in value]
    return value
