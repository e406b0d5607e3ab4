"""A worker in a process of its own, for tests that stop or kill it: ADDRESS TYPE FILE; the file gets its effects."""

import asyncio
import os
import signal
import sys

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.gateway import Activation
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway
from zeebe_connectors.runtime.outbound.outcome import Complete
from zeebe_connectors.runtime.outbound.worker import Worker


async def main(address, kind, path):
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def handle(job, extend):
        os.write(file, f"begin {job.key}\n".encode())
        await asyncio.sleep(0.05)
        os.write(file, f"end {job.key}\n".encode())
        return Complete()

    gateway = ZeebeGateway(ClusterSettings(address=address))
    worker = Worker(gateway, Activation(kind, "faulty", 8.0), handle, slots=16)
    worker.start()
    await stop.wait()
    left = await worker.drain(20.0)
    await gateway.aclose()
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
