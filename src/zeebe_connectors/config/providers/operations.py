"""Find the connector that carries out a provider's operation, and what is wrong with how the operation is described."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from zeebe_connectors.config.providers.model import METHOD_INPUTS, Operation, Provider
from zeebe_connectors.sdk.annotations import leaf_types, literals
from zeebe_connectors.sdk.connector import Outbound

_BY_HTTP = "rest"


def connector_of(provider: Provider, operation: Operation, connectors: Mapping[str, Outbound]) -> Outbound | None:
    """Returns the connector of an operation; None when it is not installed, or takes no providers of this protocol.

    Args:
        provider: Whose operation.
        operation: The operation.
        connectors: Those that are installed, by name.
    """
    if operation.connector is not None:
        named = connectors.get(operation.connector)
        return named if named is not None and provider.protocol in named.protocols else None
    fitting = [one for one in connectors.values() if one.template and provider.protocol in one.protocols]
    # One that is made for the protocol knows it better than one for many.
    fitting.sort(key=lambda one: (one.name != _BY_HTTP, len(one.protocols), one.name))
    return fitting[0] if fitting else None


def problems_of(provider: Provider, connectors: Mapping[str, Outbound]) -> Iterator[str]:
    """Yields what is wrong with a provider's operations: field, reason and remedy.

    Args:
        provider: The provider.
        connectors: Those that are installed, by name.
    """
    for key, operation in provider.operations.items():
        connector = connector_of(provider, operation, connectors)
        if connector is None:
            taking = sorted(name for name, one in connectors.items() if provider.protocol in one.protocols)
            named = f"{operation.connector[:64]!r} takes no" if operation.connector else "no installed connector takes"
            yield (
                f"operations.{key}.connector: {named} providers of {provider.protocol}, so there is no template; "
                f"write one of {', '.join(taking) or 'those that will be installed'}"
            )
            continue
        known = set(connector.variables)
        for name in operation.defaults:
            if name.partition(".")[0] not in known:
                near = difflib.get_close_matches(name, known, n=1)
                help_ = f"did you mean {near[0]}?" if near else f"it has {', '.join(sorted(known))}"
                yield f"operations.{key}.defaults.{name}: the connector {connector.name} has no such input; {help_}"
        choices = _methods(connector)
        if operation.method is not None and choices and operation.method not in choices:
            yield (
                f"operations.{key}.method: {operation.method[:64]!r} is none of the connector {connector.name}; write "
                f"one of {', '.join(choices)}"
            )


def _methods(connector: Outbound) -> list[str]:
    """Returns what an operation may name as its method; empty when the connector takes anything, or is not asked."""
    found: dict[str, None] = {}
    for model in connector.models:
        for name in METHOD_INPUTS:
            found.update((str(value), None) for kind in _types_at(model, name) for value in literals(kind))
    return list(found)


def _types_at(kind: Any, path: str) -> list[Any]:
    """Returns the types of an input, by its dotted name; none if a model has no such input."""
    name, _, rest = path.partition(".")
    info = getattr(kind, "model_fields", {}).get(name)
    leaves = leaf_types(info.annotation) if info is not None else []
    return [found for leaf in leaves for found in _types_at(leaf, rest)] if rest else leaves
