"""A bare worker on the raw gRPC stubs and psycopg: `ADDRESS TYPE SLOTS DATABASE CONNECTIONS STATEMENT`.

It fetches `parameters`, runs the statement on one of its open connections, and completes the job with rows (exact
decimals and dates as text) or the number of rows changed.
"""

from __future__ import annotations

import asyncio
import json
import sys

import psycopg
from stubs import Worker


class Asker(Worker):
    def __init__(self, address: str, kind: str, slots: int, statement: str) -> None:
        super().__init__(address, kind, slots, ["parameters"])
        self._statement = statement
        self._connections: asyncio.Queue[psycopg.AsyncConnection] = asyncio.Queue()

    async def open(self, url: str, count: int) -> None:
        for _ in range(count):
            self._connections.put_nowait(await psycopg.AsyncConnection.connect(url, autocommit=True))

    async def answer(self, variables: str) -> str:
        parameters = json.loads(variables)["parameters"]
        connection = await self._connections.get()
        try:
            cursor = await connection.execute(self._statement, parameters)
            if cursor.description is None:
                return json.dumps({"affected": cursor.rowcount})
            names = [column.name for column in cursor.description]
            rows = [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]
            return json.dumps({"rows": rows}, default=str)
        finally:
            self._connections.put_nowait(connection)


async def main(address: str, kind: str, slots: str, url: str, connections: str, statement: str) -> None:
    worker = Asker(address, kind, int(slots), statement)
    await worker.open(url, int(connections))
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
