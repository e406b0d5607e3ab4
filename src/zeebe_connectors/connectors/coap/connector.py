"""Read and change resources of devices over CoAP (RFC 7252): in blocks if large, in clear or encrypted with a key."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
from collections.abc import AsyncIterator, Iterable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from zeebe_connectors import (
    ConnectorError,
    Context,
    Document,
    InputError,
    PermanentError,
    TransientError,
    outbound,
)
from zeebe_connectors.connectors.coap.content import NUMBERS, decoded, encoded, format_of, links, media_type
from zeebe_connectors.connectors.coap.model import GROUPS, Answer, KeyLogin, Request
from zeebe_connectors.net import custody
from zeebe_connectors.net.addresses import unbracketed
from zeebe_connectors.net.connect import checked_resolver
from zeebe_connectors.sdk.loading import load
from zeebe_connectors.sdk.text import sendable

if TYPE_CHECKING:
    import aiocoap

PORTS = {"coap": 5683, "coaps": 5684}
AT_ONCE = {True: 1, False: 4}
"""Maximum requests to one device at once, by whether they are confirmable. Of those the protocol allows one that is not
acknowledged yet; when it fails, the library fails all others, even those that it has not sent."""
_ACK_TIMEOUT = 1.0
_MAX_DATAGRAM = 65_536
"""Bytes of the largest datagram that there is."""
_MAX_DELAY = 86_400.0
"""Seconds for which a device may put off the next try."""
_ATTEMPTS = 3
"""How often an exchange in blocks may begin in one try: again if the resource changed, or blocks were too large."""
ERRORS = {
    "COAP_UNREACHABLE": "Nothing listens at the host and port, or there is no route to it. Tried again.",
    "COAP_NAME_NOT_RESOLVED": "The host's name does not exist. An incident.",
    "COAP_TIMEOUT": "No answer in time. GET, PUT and DELETE are tried again; a POST may have been carried out and is "
    "an incident. With coaps, a wrong identity or key shows as silence too.",
    "COAP_INCOMPLETE": "4.08: the server lost blocks of the content; or a resource kept changing while its blocks were "
    "read. Tried again.",
    "COAP_BAD_REQUEST": "4.00, 4.02: the server does not understand the request. An incident.",
    "COAP_FORBIDDEN": "4.01, 4.03: the server does not allow it. An incident.",
    "COAP_NOT_FOUND": "4.04: there is no such resource. An incident.",
    "COAP_METHOD_NOT_ALLOWED": "4.05: the resource does not support this method. An incident.",
    "COAP_FORMAT_REFUSED": "4.06, 4.15: the server does not support the format. An incident.",
    "COAP_CONFLICT": "4.09, 4.12: the resource is in a different state than expected. An incident.",
    "COAP_TOO_LARGE": "4.13, or the answer is larger than `maxBytes`. An incident.",
    "COAP_BUSY": "4.29, 5.03: the server is overloaded. Tried again after the time that it names.",
    "COAP_SERVER_ERROR": "5.xx: the server failed.",
    "COAP_CONTENT_INVALID": "The content is not in the expected format. An incident.",
    "COAP_DTLS_UNAVAILABLE": "The library for coaps is not installed. An incident.",
    "COAP_PROTOCOL": "The server's answer is not CoAP. An incident.",
}
_REFUSALS: dict[str, tuple[str, type[ConnectorError]]] = {
    "4.00": ("COAP_BAD_REQUEST", PermanentError), "4.02": ("COAP_BAD_REQUEST", PermanentError),
    "4.08": ("COAP_INCOMPLETE", TransientError), "4.01": ("COAP_FORBIDDEN", PermanentError),
    "4.03": ("COAP_FORBIDDEN", PermanentError), "4.04": ("COAP_NOT_FOUND", PermanentError),
    "4.05": ("COAP_METHOD_NOT_ALLOWED", PermanentError), "4.06": ("COAP_FORMAT_REFUSED", PermanentError),
    "4.15": ("COAP_FORMAT_REFUSED", PermanentError), "4.09": ("COAP_CONFLICT", PermanentError),
    "4.12": ("COAP_CONFLICT", PermanentError), "4.13": ("COAP_TOO_LARGE", PermanentError),
    "4.29": ("COAP_BUSY", TransientError), "5.03": ("COAP_BUSY", TransientError),
}  # fmt: skip


_UNFINISHED = frozenset({"2.31"})
"""Codes that only ask for the next block."""


class _Client:
    """Holds aiocoap's context of one identity, and is closed with the runtime's clients."""

    def __init__(self, context: aiocoap.Context) -> None:
        self.context = context

    async def aclose(self) -> None:
        """Cancels what is running and closes the socket."""
        await self.context.shutdown()


async def test(request: Request, context: Context) -> str:
    """Asks the device for its resources (`.well-known/core`) and changes nothing.

    Returns a line for the operator.

    Raises:
        ConnectorError: Why it cannot be used.
    """
    discovery = request.model_copy(update={"operation": "discover", "query": None, "path": ""})
    answer = await ask(discovery, context)
    return f"the device answers {answer.code} and lists {len(answer.links or [])} resources"


@outbound(
    "coap",
    title="Device (CoAP)",
    type="io.github.zeebe-connectors:coap:1",
    groups=GROUPS,
    errors=ERRORS,
    keywords=["coap", "coaps", "iot", "device", "sensor", "actuator", "dtls", "cbor", "udp"],
    protocols=("coap", "coaps"),
    test=test,
    test_inputs={"operation": "discover"},
    result_expression="={answer: response.body}",
    libraries=("aiocoap",),
)
async def ask(request: Request, context: Context) -> Answer:
    """Read, set, process and remove resources of devices over CoAP.

    A confirmable request is repeated until the device has it, and the device carries it out once, however often a
    datagram is repeated. A request without a timely answer ends with `COAP_TIMEOUT`: GET, PUT and DELETE may be
    repeated and are tried again; a POST is an incident, since the device may have carried it out. Large content is
    transferred in blocks.

    `coaps` is DTLS with identity and key (PSK); certificates and raw keys are not supported. It needs the extra `coaps`
    (the library DTLSSocket, which is built with autoconf, automake, libtool and a C compiler) and is tested against
    libcoap's server.
    """
    if isinstance(request.authentication, KeyLogin) and request.protocol != "coaps":
        raise InputError("protocol: identity and key need coaps; choose it, or no authentication")
    if request.protocol == "coaps" and not isinstance(request.authentication, KeyLogin):
        raise InputError("authentication: coaps needs identity and key; fill them in")
    await load(_library)
    message = await _message(request, context)
    port = request.port or PORTS[request.protocol]
    host = unbracketed(request.host)
    where = f"{host}:{port}"
    custody.sending(host)
    async with _failures(request, where):
        addresses = await _addresses(host, port, context)
        if ipaddress.ip_address(addresses[0]).is_multicast:
            raise InputError("host: is the address of a group of devices; give the address of one")
        client = await _client(request, context, addresses[0], port)
        _address(message, request, host, addresses[0], port)
        turn = await context.clients.get(
            ("coap-turns", addresses[0], port, request.confirmable),
            lambda: asyncio.Semaphore(AT_ONCE[request.confirmable]),
        )
        async with _turn(turn, where, context):
            try:
                async with asyncio.timeout(min(request.timeout, context.seconds_left())):
                    response = await _exchange(client.context, message, request, where)
            finally:
                if request.confirmable:
                    _end_repetition(client.context, message.remote)
    unknown = [int(option.number) for option in response.opt.option_list() if _is_foreign(option.number)]
    if unknown:
        raise PermanentError(
            "COAP_PROTOCOL", f"{where}: its answer needs options that are not understood ({unknown[0]}); ask its maker"
        )
    if response.code.dotted in _UNFINISHED or response.code.class_ not in {2, 4, 5}:
        raise PermanentError("COAP_PROTOCOL", f"{where}: answered {response.code.dotted}, which ends no request")
    if not response.code.is_successful():
        raise _refusal(request, where, response)
    if len(response.payload) > request.max_bytes:
        raise _too_large(request, where)
    return await _answer(request, response, context)


async def _exchange(context: aiocoap.Context, message: Any, request: Request, where: str) -> Any:
    """Collects the whole answer; requests no further block once there is more than the task takes."""
    import aiocoap.error  # noqa: PLC0415 - as below
    from aiocoap.protocol import BlockwiseRequest  # noqa: PLC0415

    class Bounded:
        """The context, as far as a request in blocks uses it."""

        def __getattr__(self, name: str) -> Any:
            return getattr(context, name)

        def request(self, block: Any, *, handle_blockwise: bool = False) -> Any:
            wanted = block.opt.block2
            if wanted is not None and wanted.start >= request.max_bytes:  # so much is there already, and more to come
                raise _too_large(request, where)
            made = context.request(block, handle_blockwise=handle_blockwise)
            made.response.add_done_callback(note)
            return made

    hints: list[int] = []

    def note(answered: asyncio.Future[Any]) -> None:
        """Notes the block size that a server wants, since the library's final answer no longer has it."""
        if not answered.cancelled() and answered.exception() is None and answered.result().opt.block1 is not None:
            hints.append(answered.result().opt.block1.size_exponent)

    for _ in range(_ATTEMPTS - 1):
        try:
            response = await BlockwiseRequest(Bounded(), message).response
        except aiocoap.error.ResourceChanged:
            if request.operation not in {"get", "discover"}:
                raise
            continue
        if response.code.dotted != "4.13" or not hints or hints[-1] >= message.remote.maximum_block_size_exp:
            return response
        # The server takes smaller blocks only (RFC 7959, 2.9.3), and has done nothing yet.
        message.remote.maximum_block_size_exp = hints[-1]
    return await BlockwiseRequest(Bounded(), message).response


def _end_repetition(context: aiocoap.Context, remote: Any) -> None:
    """Ends the repetition of a request that nobody waits for any more.

    Otherwise the library repeats it for minutes: the device may carry it out after later requests, and those wait.
    """
    for interface in context.request_interfaces:
        manager = getattr(interface, "token_interface", None)
        going = getattr(manager, "_active_exchanges", None) or {}
        for key in [key for key in going if key[0] == remote]:
            _, repetition = going.pop(key)
            repetition.cancel()
        getattr(manager, "_backlogs", {}).pop(remote, None)


def _is_foreign(number: Any) -> bool:
    """Returns whether an unknown option changes what an answer means (critical, RFC 7252, 5.4.1)."""
    return bool(number.is_critical()) and not hasattr(number, "name")


def _too_large(request: Request, where: str) -> PermanentError:
    return PermanentError("COAP_TOO_LARGE", f"{where}: the answer is larger than maxBytes ({request.max_bytes})")


@contextlib.asynccontextmanager
async def _turn(turn: asyncio.Semaphore, where: str, context: Context) -> AsyncIterator[None]:
    """Waits for a turn at the device; time in the queue does not count as the device's."""
    try:
        async with asyncio.timeout(context.seconds_left()):
            await turn.acquire()
    except TimeoutError:
        raise TransientError("COAP_BUSY", f"{where}: other tasks used it until the job's time ran out") from None
    try:
        yield
    finally:
        turn.release()


def _library() -> object:
    import aiocoap.numbers.constants  # noqa: PLC0415 - 0.2 s that only those pay who use it
    import aiocoap.protocol  # noqa: PLC0415
    from aiocoap.util.asyncio import recvmsg  # noqa: PLC0415

    # The library takes 4096 bytes of a datagram, and a longer one for an answer that ends there.
    recvmsg.RecvmsgSelectorDatagramTransport.max_size = _MAX_DATAGRAM
    return aiocoap


async def _message(request: Request, context: Context) -> Any:
    """Returns the request, without its destination."""
    import aiocoap  # noqa: PLC0415 - see `_library`
    from aiocoap.numbers.constants import TransportTuning  # noqa: PLC0415

    class Tuning(TransportTuning):  # type: ignore[misc]  # the library has no types
        """Repeats as long as the task's time allows, and no longer."""

        ACK_TIMEOUT = _ACK_TIMEOUT
        reliability = request.confirmable
        MAX_RETRANSMIT = max(1, min(6, int(request.timeout / 5) + 2))

    codes = {"get": aiocoap.GET, "put": aiocoap.PUT, "post": aiocoap.POST, "delete": aiocoap.DELETE}
    message = aiocoap.Message(
        code=codes.get(request.operation, aiocoap.GET),
        transport_tuning=Tuning(),
    )
    if request.operation in {"put", "post"}:
        payload, number = await _payload(request, context)
        message.payload = payload
        message.opt.content_format = number
    if request.accept != "any" and request.operation != "discover":
        message.opt.accept = NUMBERS[request.accept]
    return message


async def _payload(request: Request, context: Context) -> tuple[bytes, int]:
    if isinstance(request.content, Document):
        content = await context.documents.read(request.content, seconds=context.seconds_left())
        return content.data, format_of(content.content_type)
    if request.content is None:
        return b"", NUMBERS[request.content_format]
    return encoded(request.content, request.content_format), NUMBERS[request.content_format]


def _address(message: Any, request: Request, host: str, address: str, port: int) -> None:
    """Directs the request to the address that was checked, and names the host as it was written."""
    literal = f"[{address}]" if ":" in address else address
    message.set_request_uri(f"{request.protocol}://{literal}:{port}", set_uri_host=False)
    with contextlib.suppress(ValueError):
        ipaddress.ip_address(host)
        literal = ""
    if literal:
        message.opt.uri_host = host.lower()  # RFC 7252, 6.4: one host has one name
    path = ".well-known/core" if request.operation == "discover" else request.path
    if "?" in path or "://" in path:
        raise InputError("path: holds a query or a whole address; give them in query, host and port")
    segments = tuple(segment for segment in path.strip("/").split("/") if segment)
    if any(segment in {".", ".."} for segment in segments):
        raise InputError("path: must not go up with '..'; give the resource's own path")
    _check_parts(segments, field="path")
    message.opt.uri_path = segments
    query = []
    for name, value in (request.query or {}).items():
        for item in value if isinstance(value, list) else [value]:
            text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False, separators=(",", ":"))
            query.append(f"{name}={text}" if item is not None else name)
    _check_parts(query, field="query")
    message.opt.uri_query = tuple(query)


def _check_parts(parts: Iterable[str], *, field: str) -> None:
    for part in parts:
        if len(sendable(part).encode()) > 255:
            raise InputError(f"{field}: a part of it is longer than 255 bytes, which CoAP cannot carry")


async def _addresses(host: str, port: int, context: Context) -> list[str]:
    resolver = await checked_resolver(port, context.clients)
    if resolver is not None:
        return list(await resolver(host))
    found = await asyncio.get_running_loop().getaddrinfo(host, port)
    return [str(item[4][0]) for item in found]


async def _client(request: Request, context: Context, address: str, port: int) -> _Client:
    """Returns the context of this identity: aiocoap keeps credentials in it."""
    import aiocoap  # noqa: PLC0415 - as above

    login = request.authentication
    if not isinstance(login, KeyLogin):

        async def plain() -> _Client:
            return _Client(await aiocoap.Context.create_client_context(transports=["udp6"]))

        return await context.clients.get(("coap",), plain)
    if find_spec("DTLSSocket") is None:
        raise PermanentError(
            "COAP_DTLS_UNAVAILABLE",
            "protocol: coaps needs the extra coaps (pip install 'zeebe-connectors[coaps]'), which is built with "
            "autoconf, automake, libtool and a C compiler",
        )
    credentials = dtls_credentials(login)
    literal = f"[{address}]" if ":" in address else address

    async def signed() -> _Client:
        client = await aiocoap.Context.create_client_context(transports=["tinydtls"])
        client.client_credentials.load_from_dict({f"coaps://{literal}:{port}/*": credentials})
        return _Client(client)

    return await context.clients.get(("coap", address, port, login.identity, login.key), signed)


def dtls_credentials(login: KeyLogin) -> dict[str, Any]:
    """Returns identity and key in aiocoap's form; both are bytes on the wire, text as UTF-8 (RFC 4279, 5.1).

    Raises:
        InputError: The key is not hexadecimal digits, or half of a character is in one of them.
    """
    secret = login.key.reveal()
    try:
        key = bytes.fromhex(secret[4:].strip()) if secret.startswith("hex:") else secret.encode()
        identity = login.identity.encode()
    except UnicodeEncodeError:
        raise InputError("authentication: holds half of a character, which cannot be sent; correct it") from None
    except ValueError:
        raise InputError("authentication.key: is not hexadecimal digits after hex:; correct it") from None
    return {"dtls": {"psk": {"hex": key.hex()}, "client-identity": {"hex": identity.hex()}}}


@contextlib.asynccontextmanager
async def _failures(request: Request, where: str) -> AsyncIterator[None]:
    """Translates a failure on the way."""
    import aiocoap.error  # noqa: PLC0415 - as above

    try:
        yield
    except (TimeoutError, aiocoap.error.TimeoutError):
        hint = ", and identity and key: a wrong one shows as silence" if request.protocol == "coaps" else ""
        if request.operation == "post":
            raise PermanentError(
                "COAP_TIMEOUT",
                f"{where}: no answer within {request.timeout:g} s; the device may have carried it out. Check its state "
                f"before repeating it, and check host and port{hint}",
            ) from None
        raise TransientError(
            "COAP_TIMEOUT", f"{where}: no answer within {request.timeout:g} s; check host and port{hint}"
        ) from None
    except ConnectorError:
        raise
    except (aiocoap.error.ResolutionError, UnicodeError):
        raise _unresolved(where) from None
    except aiocoap.error.ResourceChanged:
        raise TransientError("COAP_INCOMPLETE", f"{where}: the resource changed while its blocks were read") from None
    except (
        aiocoap.error.UnparsableMessage,
        aiocoap.error.UnexpectedBlock1Option,
        aiocoap.error.UnexpectedBlock2,
        aiocoap.error.NotImplemented,  # blocks out of their order
        AssertionError,  # blocks shorter than they say
    ):
        raise PermanentError("COAP_PROTOCOL", f"{where}: answered with something other than CoAP") from None
    except (aiocoap.error.NetworkError, OSError) as error:
        if type(error).__name__ == "gaierror":
            raise _unresolved(where) from None
        raise TransientError(
            "COAP_UNREACHABLE", f"{where}: cannot be reached; check host and port, and that the device is running"
        ) from None
    except aiocoap.error.Error as error:
        raise ConnectorError("COAP_PROTOCOL", f"{where}: the exchange failed ({type(error).__name__})") from None


def _unresolved(where: str) -> PermanentError:
    return PermanentError("COAP_NAME_NOT_RESOLVED", f"host: the name of {where} cannot be resolved; check its spelling")


def _refusal(request: Request, where: str, response: Any) -> ConnectorError:
    code = response.code.dotted
    name, kind = _REFUSALS.get(
        code, ("COAP_SERVER_ERROR", ConnectorError) if code.startswith("5") else ("COAP_BAD_REQUEST", PermanentError)
    )
    words = custody.clipped(response.payload[:1000].decode("utf-8", "replace"), 200)
    variables = {"code": code, "diagnostic": words}
    message = f"{where}: answered {code} to {request.operation.upper()} {request.path}".rstrip()
    if kind is TransientError:
        return TransientError(
            name, message, variables=variables, delay=min(float(response.opt.max_age or 0), _MAX_DELAY) or None
        )
    return kind(name, message, variables=variables)


def _location(response: Any) -> str | None:
    if not response.opt.location_path and not response.opt.location_query:
        return None
    query = "&".join(response.opt.location_query)
    return "/" + "/".join(response.opt.location_path) + (f"?{query}" if query else "")


async def _answer(request: Request, response: Any, context: Context) -> Answer:
    data, number = bytes(response.payload), response.opt.content_format
    number = None if number is None else int(number)
    common: dict[str, Any] = {
        "code": response.code.dotted,
        "content_format": number,
        "size": len(data),
        "etag": response.opt.etag.hex() if response.opt.etag else None,
        "max_age": response.opt.max_age,
        "location": _location(response),
    }
    if request.operation == "discover":
        return Answer(links=links(data.decode("utf-8", "replace")), **common)
    # A resource that is empty has empty text, and an empty document; no other method answers with a resource.
    if not data and not (request.operation == "get" and request.read_as in {"text", "document"}):
        return Answer(**common)
    body, for_document = decoded(data, number, request.read_as)
    if not for_document:
        # Past the model's leniency, for which empty text is none.
        return Answer(**common).model_copy(update={"body": body})
    name = request.path.strip("/").rpartition("/")[2] or "resource"
    document = await context.documents.create(data, name=name, content_type=media_type(number))
    return Answer(document=document, **common)
