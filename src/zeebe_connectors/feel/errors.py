"""Define the errors of an expression: its text does not parse, it has no value, or it exceeds a limit."""

from typing import NamedTuple


class FeelError(Exception):
    """Any failure of the FEEL engine; `str()` is a sentence for the person who wrote the expression."""


class FeelSyntaxError(FeelError):
    """The text is not FEEL.

    Attributes:
        line, column: where the parser stopped, both counted from 1.
        found: what is there.
        expected: what would be valid there.
        hint: how to write a common slip in FEEL, or None.
    """

    def __init__(self, text: str, position: int, found: str, expected: str, hint: str | None = None) -> None:
        before = text[:position]
        self.line = before.count("\n") + 1
        start = before.rfind("\n") + 1
        self.column = position - start + 1
        self.found, self.expected, self.hint = found, expected, hint
        end = text.find("\n", position)
        source = text[start : end if end >= 0 else len(text)]
        source, caret = _window(source, position - start)
        message = f"line {self.line}, column {self.column}: found {found}, expected {expected}"
        lines = [message, "  " + source, "  " + " " * caret + "^"]
        if hint:
            lines.append(hint)
        super().__init__("\n".join(lines))


class FeelEvaluationError(FeelError):
    """The expression has no result: a failed `assert`, `?` without input, a failing host function."""


class AssertionFailedError(FeelEvaluationError):
    """An `assert` failed; no operation turns that into null."""


class FeelLimitError(FeelError):
    """The expression exceeds a limit; `limit` is the name of the field of `Limits` that stopped it."""

    def __init__(self, limit: str, message: str) -> None:
        self.limit = limit
        super().__init__(f"limit '{limit}': {message}")


class EvaluationWarning(NamedTuple):
    """Why a part of the expression became null. The kinds are those of Camunda's engine, as `NO_VARIABLE_FOUND`."""

    kind: str
    message: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class Failure(Exception):  # noqa: N818 - internal: it becomes null where it does in Camunda's engine
    """A value could not be computed; the nearest lenient operation turns it into null and a warning."""


class NoInput(Exception):  # noqa: N818 - as above
    """`?` was read without an input value, which only a unary test tolerates."""


NO_VARIABLE = "NO_VARIABLE_FOUND"
NO_ENTRY = "NO_CONTEXT_ENTRY_FOUND"
NO_PROPERTY = "NO_PROPERTY_FOUND"
NOT_COMPARABLE = "NOT_COMPARABLE"
INVALID_TYPE = "INVALID_TYPE"
NO_FUNCTION = "NO_FUNCTION_FOUND"
INVOCATION = "FUNCTION_INVOCATION_FAILURE"
ADVICE = "ADVICE"
"""Not a kind of Camunda's engine: what the author probably meant."""

_WIDTH = 100


def _window(source: str, caret: int) -> tuple[str, int]:
    """Cuts a long line to the part around the caret."""
    source = source.replace("\t", " ")
    if len(source) <= _WIDTH:
        return source, caret
    start = max(0, min(caret - _WIDTH // 2, len(source) - _WIDTH))
    return source[start : start + _WIDTH], caret - start
