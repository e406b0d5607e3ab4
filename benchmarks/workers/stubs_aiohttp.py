"""A bare worker on the raw gRPC stubs and aiohttp: `ADDRESS TYPE SLOTS`.

It fetches `url`, calls it with a bearer token, and completes the job.
"""

from __future__ import annotations

import asyncio
import json
import sys

import aiohttp
from stubs import Worker


class Caller(Worker):
    def __init__(self, address: str, kind: str, slots: int) -> None:
        super().__init__(address, kind, slots, ["url"])
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=slots))

    async def answer(self, variables: str) -> str:
        url = json.loads(variables)["url"]
        async with self._session.get(url, headers={"authorization": "Bearer bench"}) as response:
            body = await response.json()
        return json.dumps({"name": body["name"], "status": response.status})


async def main(address: str, kind: str, slots: int) -> None:
    await Caller(address, kind, slots).run()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
