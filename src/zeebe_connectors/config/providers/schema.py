"""Make the JSON schema of `providers.yaml`, with which editors complete and check it while it is written."""

from __future__ import annotations

from typing import Any

from zeebe_connectors.config.providers.model import Egress, Environment, Operation, Provider, Proxy, Rules, Variable
from zeebe_connectors.sdk.docstrings import described_fields


def schema() -> dict[str, Any]:
    """Makes the JSON schema (draft 2020-12) from the model that also reads the file."""
    for model in (Variable, Proxy, Rules, Egress, Environment, Operation, Provider):  # each after those that it holds
        described_fields(model)
        model.model_rebuild(force=True)
    provider = Provider.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
    definitions = provider.pop("$defs", {})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Providers of Zeebe Connectors",
        "type": "object",
        "properties": {
            "providers": {
                "type": "object",
                "propertyNames": {"pattern": "^[A-Za-z][A-Za-z0-9_.-]{0,63}$"},
                "additionalProperties": {"$ref": "#/$defs/Provider"},
            },
            "$schema": {"type": "string"},
        },
        "patternProperties": {"^x-": {}},
        "additionalProperties": False,
        "$defs": {**definitions, "Provider": provider},
    }
