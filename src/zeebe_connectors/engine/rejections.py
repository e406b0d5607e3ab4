"""Define the ways in which a command is refused."""

from __future__ import annotations

from enum import StrEnum


class RejectionCode(StrEnum):
    """Why a command was refused, as a cluster names it."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    NOT_FOUND = "NOT_FOUND"
    INVALID_STATE = "INVALID_STATE"
    ALREADY_EXISTS = "ALREADY_EXISTS"
    UNIMPLEMENTED = "UNIMPLEMENTED"


class Rejection(Exception):  # noqa: N818 - Zeebe's word for a refused command
    """A command was refused, and has changed nothing.

    Attributes:
        code: The kind of reason.
        message: What was expected and what was found.
    """

    def __init__(self, code: RejectionCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def invalid(message: str) -> Rejection:
    """Make a rejection for an argument that is invalid in any state."""
    return Rejection(RejectionCode.INVALID_ARGUMENT, message)


def rejected(command: str, code: RejectionCode, message: str) -> Rejection:
    """Make a rejection that names its command, in the wording of a cluster."""
    return Rejection(code, f"Command '{command}' rejected with code '{code}': {message}")
