"""Open channels of our client to a scripted server."""

import asyncio
import contextlib

from zeebe_connectors.rpc.channel import Channel
from zeebe_connectors.rpc.status import RpcError, Status

PATH = "/test.Echo/Unary"


def channel_to(port, **options):
    """Returns a channel to a port of this machine."""

    async def connect(make, failures):
        return await asyncio.get_running_loop().create_connection(make, "127.0.0.1", port)

    return Channel(connect, authority="test.example", user_agent="tests", **options)


@contextlib.asynccontextmanager
async def opened(server, **options):
    """Yields a channel to a scripted server, and closes it."""
    channel = channel_to(server.port, **options)
    try:
        yield channel
    finally:
        await channel.aclose()


async def echo(peer):
    """Answers everything, for a scripted server."""
    peer.start()
    await peer.echo()


async def status_of(call):
    """Returns the status and the text with which a call fails, or OK."""
    try:
        await call
    except RpcError as error:
        return error.status, error.message
    return Status.OK, ""
