"""Name gRPC's status codes, and translate into them what HTTP/2 and proxies answer instead."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum

from zeebe_connectors.rpc.frames import ErrorCode


class Status(IntEnum):
    """The status codes of gRPC (its documentation, "Status codes and their use")."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class RpcError(Exception):
    """A call failed, or is to fail.

    Args:
        status: Why.
        message: What to tell people.
    """

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(f"{status.name}: {message}")
        self.status = status
        self.message = message


class NotProcessedError(RpcError):
    """The other side did not begin with the call, so it may be sent again whatever it does."""

    def __init__(self, message: str) -> None:
        super().__init__(Status.UNAVAILABLE, message)


# What a proxy answers in place of a gRPC server: "HTTP to gRPC Status Code Mapping" of gRPC's documentation.
_BY_HTTP_STATUS: Mapping[str, Status] = {
    "400": Status.INTERNAL,
    "401": Status.UNAUTHENTICATED,
    "403": Status.PERMISSION_DENIED,
    "404": Status.UNIMPLEMENTED,
    "413": Status.RESOURCE_EXHAUSTED,
    "429": Status.UNAVAILABLE,
    "502": Status.UNAVAILABLE,
    "503": Status.UNAVAILABLE,
    "504": Status.UNAVAILABLE,
}

_BY_ERROR_CODE: Mapping[int, Status] = {
    ErrorCode.REFUSED_STREAM: Status.UNAVAILABLE,
    ErrorCode.CANCEL: Status.CANCELLED,
    ErrorCode.ENHANCE_YOUR_CALM: Status.RESOURCE_EXHAUSTED,
    ErrorCode.INADEQUATE_SECURITY: Status.PERMISSION_DENIED,
}


_BY_NUMBER: Mapping[str, Status] = {str(int(status)): status for status in Status}


def of_http_status(code: str) -> RpcError:
    """Returns the error for an HTTP status other than 200."""
    status = _BY_HTTP_STATUS.get(code, Status.UNKNOWN)
    # The words by which a caller knows that to send it again is of no use.
    reason = ": the request is larger than max, which is one of that proxy's settings" if code == "413" else ""
    return RpcError(status, f"the gateway, or a proxy before it, answered HTTP {code} instead of gRPC{reason}")


def of_reset(code: int) -> RpcError:
    """Returns the error for a stream that the other side reset."""
    name = ErrorCode.name_of(code)
    if code == ErrorCode.REFUSED_STREAM:
        return NotProcessedError(f"the call was refused ({name})")
    return RpcError(_BY_ERROR_CODE.get(code, Status.INTERNAL), f"the call was reset ({name})")


def of_number(text: str) -> Status:
    """Returns the status that a `grpc-status` names; UNKNOWN for a text that names none."""
    return _BY_NUMBER.get(text, Status.UNKNOWN)
