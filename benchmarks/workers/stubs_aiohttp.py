"""A bare worker on the raw gRPC stubs and aiohttp: the least that a Python worker can do, with no care for errors.

Settings come as `ADDRESS TYPE SLOTS`; it fetches `url`, calls it with a bearer token, and completes the job.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import aiohttp
import grpc.aio
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub


class Worker:
    """Polls when a quarter of the slots is free."""

    def __init__(self, address: str, kind: str, slots: int) -> None:
        self._stub: Any = GatewayStub(grpc.aio.insecure_channel(address))
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=slots))
        self._kind = kind
        self._slots = self._free = slots
        self._freed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        while True:
            while self._free < max(1, self._slots // 4):
                self._freed.clear()
                await self._freed.wait()
            try:
                await self._poll()
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.05)

    async def _poll(self) -> None:
        request = pb.ActivateJobsRequest(
            type=self._kind,
            worker="bare",
            timeout=300_000,
            maxJobsToActivate=self._free,
            fetchVariable=["url"],
            requestTimeout=10_000,
        )
        async for answer in self._stub.ActivateJobs(request):
            for job in answer.jobs:
                self._free -= 1
                task = asyncio.create_task(self._work(job))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _work(self, job: Any) -> None:
        try:
            url = json.loads(job.variables)["url"]
            async with self._session.get(url, headers={"authorization": "Bearer bench"}) as response:
                body = await response.json()
            variables = json.dumps({"name": body["name"], "status": response.status})
            await self._complete(pb.CompleteJobRequest(jobKey=job.key, variables=variables))
        finally:
            self._free += 1
            self._freed.set()

    async def _complete(self, request: pb.CompleteJobRequest) -> None:
        while True:
            try:
                await self._stub.CompleteJob(request)
            except grpc.aio.AioRpcError:
                await asyncio.sleep(0.05)
            else:
                return


async def main(address: str, kind: str, slots: int) -> None:
    await Worker(address, kind, slots).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
