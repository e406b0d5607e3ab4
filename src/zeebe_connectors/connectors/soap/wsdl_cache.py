"""Read the WSDL that an operation names, once for all jobs, and cache it within a bound of memory."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from zeebe_connectors import Context, TransientError
from zeebe_connectors.connectors.soap.inputs import BodyOperation, Request
from zeebe_connectors.connectors.soap.wsdl import Wsdl, load
from zeebe_connectors.connectors.soap.wsdl_documents import WsdlDocuments, fetcher, gather, location_of
from zeebe_connectors.web import ClientTls
from zeebe_connectors.web.keystore import tls_of
from zeebe_connectors.web.message import origin_of

_MAX_WSDLS = 32
_MAX_MEMORY = 64 * 1024 * 1024
_BYTES_PER_BYTE = 7
"""Memory of a WSDL that was read, by the bytes of its documents: 3.5 measured for large ones, 7 for the smallest."""
_reading = ThreadPoolExecutor(1, thread_name_prefix="wsdl")


class WsdlCache:
    """Caches WSDLs with their age; the least recently used go when there are too many, or when they are too large.

    Args:
        max_count: How many are kept.
        memory: Bytes that they may take together, by estimate; the newest is kept however large it is.
    """

    def __init__(self, max_count: int = _MAX_WSDLS, memory: int = _MAX_MEMORY) -> None:
        self._max_count = max_count
        self._memory = memory
        self._known: OrderedDict[object, tuple[float, asyncio.Future[Wsdl]]] = OrderedDict()

    def get(self, key: object, age: float) -> asyncio.Future[Wsdl] | None:
        """Returns the WSDL of a key, read or being read, unless it is older than this many seconds."""
        known = self._known.get(key)
        if known is None or time.monotonic() - known[0] > age:
            return None
        self._known.move_to_end(key)
        return known[1]

    def put(self, key: object, reading: asyncio.Future[Wsdl]) -> None:
        """Keeps what is being read."""
        self._known[key] = time.monotonic(), reading
        self._known.move_to_end(key)
        self.shrink()

    def shrink(self) -> None:
        """Evicts the least recently used until the others fit."""
        while len(self._known) > 1 and (len(self._known) > self._max_count or self.memory() > self._memory):
            self._known.popitem(last=False)

    def memory(self) -> int:
        """Estimates the bytes that the cached ones take."""
        read = (reading for _, reading in self._known.values() if reading.done())
        good = (item.result() for item in read if not (item.cancelled() or item.exception()))
        return sum(self.estimate(item.size) for item in good)

    @staticmethod
    def estimate(size: int) -> int:
        """Returns the memory that a WSDL takes whose documents have this many bytes."""
        return size * _BYTES_PER_BYTE

    def drop(self, key: object, reading: asyncio.Future[Wsdl]) -> None:
        """Forgets what could not be read."""
        if key in self._known and self._known[key][1] is reading:
            del self._known[key]


async def wsdl_of(request: Request, wanted: BodyOperation, context: Context) -> Wsdl:
    """Returns the WSDL that the input names, cached; several callers at once read it once.

    Raises:
        ConnectorError: `SOAP_WSDL_INVALID`, `SOAP_WSDL_UNREACHABLE`, or as for any call.
    """
    cache = await context.clients.get("soap.wsdl", WsdlCache)
    own = _is_the_services(wanted.wsdl, request.service_url)
    access = (request.http_authentication, request.client_tls, request.client_keystore) if own else None
    key = (wanted.wsdl, tuple(wanted.external), access)
    while (known := cache.get(key, wanted.wsdl_age)) is not None:
        if known.done() and not known.cancelled():
            return known.result()
        try:
            return await asyncio.shield(known)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not known.cancelled() or (task is not None and task.cancelling()):
                raise  # this job was stopped, not the one that reads; otherwise the next waiting job reads
    reading: asyncio.Future[Wsdl] = asyncio.get_running_loop().create_future()
    cache.put(key, reading)
    try:
        found = await _read_wsdl(request, wanted, context)
    except BaseException as error:
        cache.drop(key, reading)
        if isinstance(error, Exception):
            reading.set_exception(error)
            reading.exception()  # seen: nobody may be waiting
        else:
            reading.cancel()
        raise
    reading.set_result(found)
    cache.shrink()
    return found


async def _read_wsdl(request: Request, wanted: BodyOperation, context: Context) -> Wsdl:
    location = location_of(wanted.wsdl, context)
    moved: dict[str, str] = {}
    if _is_the_services(wanted.wsdl, request.service_url):
        tls = await tls_of(request.client_tls, request.client_keystore, context, code="SOAP_CERTIFICATE_INVALID")
        fetch = fetcher(context, location, tls=tls, authentication=request.http_authentication, moved=moved)
    else:
        fetch = fetcher(context, location, tls=ClientTls(), authentication=None, moved=moved)
    documents = await gather(location, fetch, hosts=wanted.external, moved=moved)
    return await read_beside(documents, context.seconds_left())


def _is_the_services(wsdl: str, service: str | None) -> bool:
    """Returns whether the WSDL is on the service's host: credentials of the service go to no other."""
    if service is None or not wsdl.strip().casefold().startswith(("http://", "https://")):
        return True
    return origin_of(wsdl.strip()) == origin_of(service.strip())


async def read_beside(documents: WsdlDocuments, seconds: float) -> Wsdl:
    """Reads gathered documents beside the loop, one WSDL after the other: it takes much memory for a moment.

    Raises:
        TransientError: `SOAP_WSDL_UNREACHABLE` when it takes longer than it may.
    """
    try:
        async with asyncio.timeout(seconds):
            return await asyncio.get_running_loop().run_in_executor(_reading, load, documents)
    except TimeoutError:
        raise TransientError(
            "SOAP_WSDL_UNREACHABLE",
            f"The WSDL could not be read within {seconds:.0f} s; give the task a longer timeout",
        ) from None
