"""The functions that the cluster adds to the language: give them to an evaluation as functions of the host.

They are apart from the built-in ones because the engine alone does not know them, in the cluster neither.
"""

from typing import Any

from zeebe_connectors.feel.values import HostFunction, HostFunctions


def _from_ai(value: Any, *_about: Any) -> Any:
    """The value as it is: the rest tells an AI agent what to fill in."""
    return value


_FROM_AI_PARAMETERS = ("value", "description", "type", "schema", "options")

CLUSTER_FUNCTIONS = HostFunctions(
    HostFunction("fromAi", _FROM_AI_PARAMETERS[:count], _from_ai) for count in range(1, len(_FROM_AI_PARAMETERS) + 1)
)
"""`fromAi(value, description, type, schema, options)`, of which all but the value may be left out."""
