"""Hands out as many jobs as wanted, a gateway that never limits; takes completions and prints how long they took.

`python benchmarks/gateway.py JOBS TYPES VARIABLES HEADERS` prints its port, and one JSON line when all are completed.
Types are separated by commas, and have the same number of jobs each. In the variables, `"@NUMBER"` becomes a number
from 0 to 999, another one for each job of a type.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

import grpc.aio
from pyzeebe.proto import gateway_pb2 as pb

SERVICE = "gateway_protocol.Gateway"
NUMBER = '"@NUMBER"'


class Gateway:
    """Counts jobs; messages that need no look inside stay bytes."""

    def __init__(self, jobs: int, kinds: Sequence[str], variables: str, headers: str) -> None:
        self._left = dict.fromkeys(kinds, jobs // len(kinds))
        self._jobs = sum(self._left.values())
        self._done: set[int] = set()
        self._failed = 0
        self._first = 0.0
        self._template = pb.ActivatedJob(
            processInstanceKey=1,
            bpmnProcessId="bench",
            processDefinitionVersion=1,
            processDefinitionKey=2,
            elementId="call",
            elementInstanceKey=3,
            customHeaders=headers,
            retries=3,
            variables=variables,
            tenantId="<default>",
        )
        self._places = {kind: place * 1_000_000 for place, kind in enumerate(kinds)}
        self._numbered = NUMBER in variables

    async def activate(self, request: bytes, context: Any) -> AsyncIterator[bytes]:  # noqa: ARG002
        wanted = pb.ActivateJobsRequest.FromString(request)
        left = self._left.get(wanted.type, 0)
        count = min(wanted.maxJobsToActivate, left)
        if not count:
            await asyncio.sleep(max(0, wanted.requestTimeout) / 1000)
            return
        self._left[wanted.type] = left - count
        answer = pb.ActivateJobsResponse()
        deadline = int(time.time() * 1000) + wanted.timeout
        for number in range(left - count + 1, left + 1):
            job = answer.jobs.add()
            job.CopyFrom(self._template)
            job.type = wanted.type
            job.key = self._places[wanted.type] + number
            if self._numbered:
                job.variables = self._template.variables.replace(NUMBER, str(number % 1000))
            job.deadline = deadline
        yield answer.SerializeToString()

    async def stream(self, request: bytes, context: Any) -> AsyncIterator[bytes]:  # noqa: ARG002
        await asyncio.Event().wait()
        yield b""

    async def complete(self, request: bytes, context: Any) -> bytes:  # noqa: ARG002
        self._first = self._first or time.monotonic()
        self._done.add(pb.CompleteJobRequest.FromString(request).jobKey)
        if len(self._done) == self._jobs:
            times = {"completed": self._jobs, "failed": self._failed, "first": self._first, "last": time.monotonic()}
            print(json.dumps(times), flush=True)
        return b""

    async def fail(self, request: bytes, context: Any) -> bytes:  # noqa: ARG002
        self._failed += 1
        print(json.dumps({"error": pb.FailJobRequest.FromString(request).errorMessage[:500]}), flush=True)
        return b""

    async def topology(self, request: bytes, context: Any) -> bytes:  # noqa: ARG002
        partition = pb.Partition(partitionId=1, role=pb.Partition.LEADER, health=pb.Partition.HEALTHY)
        brokers = [pb.BrokerInfo(nodeId=0, partitions=[partition])]
        answer = pb.TopologyResponse(brokers=brokers, clusterSize=1, partitionsCount=1, gatewayVersion="bench")
        return bytes(answer.SerializeToString())


async def main() -> None:
    gateway = Gateway(int(sys.argv[1]), sys.argv[2].split(","), *sys.argv[3:5])
    server = grpc.aio.server()
    handlers = {
        "ActivateJobs": grpc.unary_stream_rpc_method_handler(gateway.activate),
        "StreamActivatedJobs": grpc.unary_stream_rpc_method_handler(gateway.stream),
        "CompleteJob": grpc.unary_unary_rpc_method_handler(gateway.complete),
        "FailJob": grpc.unary_unary_rpc_method_handler(gateway.fail),
        "Topology": grpc.unary_unary_rpc_method_handler(gateway.topology),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))
    print(server.add_insecure_port("127.0.0.1:0"), flush=True)
    await server.start()
    await server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main())
