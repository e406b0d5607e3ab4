"""Polls, works and completes on the raw gRPC stubs: the least that a Python worker can do, with no care for errors."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import grpc.aio
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub


class Worker(ABC):
    """Polls when a quarter of the slots is free.

    Args:
        address: Of the gateway.
        kind: Type of the jobs.
        slots: Jobs in flight.
        variables: What is fetched of each job.
    """

    def __init__(self, address: str, kind: str, slots: int, variables: Sequence[str]) -> None:
        self._stub: Any = GatewayStub(grpc.aio.insecure_channel(address))
        self._kind = kind
        self._variables = list(variables)
        self._slots = self._free = slots
        self._freed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @abstractmethod
    async def answer(self, variables: str) -> str:
        """The result's JSON for a job's JSON."""

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
            fetchVariable=self._variables,
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
            variables = await self.answer(job.variables)
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
