"""Filter process instances by what is inside them: variables, elements, incidents' messages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zeebe_connectors.engine.queries import Queries
from zeebe_connectors.engine.rest import items
from zeebe_connectors.engine.rest.problems import bad, list_of, object_of
from zeebe_connectors.engine.rest.search import Item, Special, check_filter, meets

_OF_ELEMENTS = {"elementId": "elementId", "elementInstanceState": "state", "hasElementInstanceIncident": "hasIncident"}


def instance_filters(queries: Queries) -> dict[str, Special]:
    """Return the filters of process instances that are no field of theirs.

    `variables` are met by any scope of the instance. `elementId`, `elementInstanceState` and
    `hasElementInstanceIncident`, where several are given, must be met by one and the same element instance.
    """

    def has_variables(item: Item, filters: Mapping[str, Any]) -> bool:
        found = queries.variables(int(item["processInstanceKey"]))
        return all(
            any(view.name == wanted["name"] and meets(items.value_text(view), wanted["value"]) for view in found)
            for wanted in filters["variables"]
        )

    def has_element(item: Item, filters: Mapping[str, Any]) -> bool:
        wanted = {field: filters[name] for name, field in _OF_ELEMENTS.items() if name in filters}
        return any(
            all(meets(shown.get(field), value) for field, value in wanted.items())
            for shown in map(items.element, queries.element_instances(int(item["processInstanceKey"])))
        )

    def has_error(item: Item, filters: Mapping[str, Any]) -> bool:
        found = queries.incidents(int(item["processInstanceKey"]))
        return any(meets(view.message, filters["errorMessage"]) for view in found)

    return {
        "variables": Special(_check_variables, has_variables),
        "errorMessage": Special(check_filter, has_error),
        **dict.fromkeys(_OF_ELEMENTS, Special(check_filter, has_element)),
    }


def _check_variables(place: str, wanted: object) -> None:
    for number, one in enumerate(list_of(wanted, place, object_of)):
        if not isinstance(one.get("name"), str) or one.get("value") is None:
            raise bad(f"{place}[{number}] must have a name, and a value as JSON text")
        check_filter(f"{place}[{number}].value", one["value"])
