"""A bare worker on pyzeebe and aiohttp, set so that it neither naps at capacity nor dies after ten errors.

Settings come as `ADDRESS TYPE SLOTS`; it fetches `url`, calls it with a bearer token, and completes the job.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import aiohttp
from pyzeebe import ZeebeWorker, create_insecure_channel


async def main(address: str, kind: str, slots: int) -> None:
    channel = create_insecure_channel(grpc_address=address)
    worker = ZeebeWorker(channel, max_connection_retries=-1, poll_retry_delay=0.05)  # type: ignore[arg-type]
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=slots))

    @worker.task(
        kind,
        timeout_ms=300_000,
        max_jobs_to_activate=slots,
        max_running_jobs=slots,
        variables_to_fetch=["url"],
    )
    async def call(url: str) -> dict[str, Any]:
        async with session.get(url, headers={"authorization": "Bearer bench"}) as response:
            body = await response.json()
        return {"name": body["name"], "status": response.status}

    await worker.work()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
