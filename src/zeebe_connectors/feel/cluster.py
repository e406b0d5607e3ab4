"""Provide the functions that the cluster adds to the language, as host functions for evaluations.

They are separate from the built-in ones because in the cluster, too, the expression engine alone lacks them.
"""

from typing import Any

from zeebe_connectors.feel.values import HostFunction, HostFunctions, iso_text, to_json


def _from_ai(value: Any, *_about: Any) -> Any:
    """Returns the value unchanged: the other arguments tell an AI agent what to fill in."""
    return value


_FROM_AI_PARAMETERS = ("value", "description", "type", "schema", "options")


def _cycle(repetitions: Any, interval: Any) -> str:
    """Writes a timer's cycle in ISO 8601 form; without repetitions it never ends."""
    return f"R{'' if repetitions is None else to_json(repetitions)}/{iso_text(interval)}"


CLUSTER_FUNCTIONS = HostFunctions(
    [
        *(HostFunction("fromAi", _FROM_AI_PARAMETERS[:count], _from_ai) for count in range(1, 6)),
        HostFunction("cycle", ("repetitions", "interval"), _cycle),
        HostFunction("cycle", ("interval",), lambda interval: _cycle(None, interval)),
    ]
)
"""`fromAi(value, description, type, schema, options)`, where everything but the value is optional, and
`cycle(repetitions, interval)` or `cycle(interval)` for timers."""
