"""The functions that the cluster adds to the language: give them to an evaluation as functions of the host.

They are apart from the built-in ones because the engine alone does not know them, in the cluster neither.
"""

from typing import Any

from zeebe_connectors.feel.values import HostFunction, HostFunctions, iso_text, to_json


def _from_ai(value: Any, *_about: Any) -> Any:
    """The value as it is: the rest tells an AI agent what to fill in."""
    return value


_FROM_AI_PARAMETERS = ("value", "description", "type", "schema", "options")


def _cycle(repetitions: Any, interval: Any) -> str:
    """A timer's cycle in the form of ISO 8601; without repetitions it has no end."""
    return f"R{'' if repetitions is None else to_json(repetitions)}/{iso_text(interval)}"


CLUSTER_FUNCTIONS = HostFunctions(
    [
        *(HostFunction("fromAi", _FROM_AI_PARAMETERS[:count], _from_ai) for count in range(1, 6)),
        HostFunction("cycle", ("repetitions", "interval"), _cycle),
        HostFunction("cycle", ("interval",), lambda interval: _cycle(None, interval)),
    ]
)
"""`fromAi(value, description, type, schema, options)`, of which all but the value may be left out, and
`cycle(repetitions, interval)` or `cycle(interval)` for timers."""
