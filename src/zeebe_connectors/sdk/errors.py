"""Define the errors that a connector raises; the type says what the runtime does with the job.

    ConnectorError            one try is used up; the header's back-off applies
    ├── TransientError        the same, and the error may say after how many seconds to try again
    └── PermanentError        trying again cannot help: an incident at once (no retries left)
        └── InputError        what the modeler or the process gave is wrong: which field, why, what to do

An error expression in the diagram is asked first, whatever the type.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class ConnectorError(Exception):
    """Something went wrong outside; carries what an error expression needs.

    Args:
        code: Stable name of the kind of failure, as `error.code` in an error expression; part of the connector's API.
        message: For people: names what failed, why, and what to do. Never a secret; the runtime masks as a second line.
        variables: Detail for an error expression, as `error.variables`.
        phrase: What error expressions see as `error.message`, where a contract that diagrams rely on has fewer words;
            then `message` is theirs as `error.variables.message`.
    """

    def __init__(
        self,
        code: str | None,
        message: str,
        *,
        variables: Mapping[str, Any] | None = None,
        phrase: str | None = None,
    ) -> None:
        super().__init__(message)
        self.phrase = phrase
        # An author who gives a number gets what error expressions compare: text.
        self.code = None if code is None else str(code)
        self.message = str(message)
        self.variables = variables

    def __str__(self) -> str:
        return self.message


class TransientError(ConnectorError):
    """Trying again may help: the other side is away, busy or limits the rate.

    Args:
        code: As for `ConnectorError`.
        message: As for `ConnectorError`.
        variables: As for `ConnectorError`.
        delay: Seconds to wait before the next try, when the other side said so; None leaves it to the task.
        phrase: As for `ConnectorError`.
    """

    def __init__(
        self,
        code: str | None,
        message: str,
        *,
        variables: Mapping[str, Any] | None = None,
        delay: float | None = None,
        phrase: str | None = None,
    ) -> None:
        super().__init__(code, message, variables=variables, phrase=phrase)
        self.delay = delay


class PermanentError(ConnectorError):
    """Trying again cannot help: somebody has to change something first."""


class InputError(PermanentError):
    """An input is wrong.

    Args:
        message: Names the field, the reason and the remedy; never the value.
        code: `INVALID_INPUT` unless the connector's page documents a finer one.
        variables: As for `ConnectorError`.
    """

    CODE: ClassVar = "INVALID_INPUT"
    """The code of those that have no finer one. Error expressions see it in `error.variables` only."""

    def __init__(self, message: str, *, code: str = CODE, variables: Mapping[str, Any] | None = None) -> None:
        super().__init__(code, message, variables=variables)
