"""The demo does on the engine what it says."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest


@pytest.mark.engine
async def test_the_demo_ends_well_and_tells_what_happened() -> None:
    """Exit code 0, and each claim is checked against what the servers received."""
    command = Path(sys.executable).parent / "zeebe-connectors"
    process = await asyncio.create_subprocess_exec(
        command, "demo", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(110):
        output, _ = await process.communicate()
    text = output.decode()
    assert process.returncode == 0, text
    for line in (
        "GET /orders/4711 -> 200",
        "GET /orders/4712 -> 404",
        "Importance",
        "ORDER_NOT_FOUND",
        "'Re: Two loaves' with order.csv",
    ):
        assert line in text
    assert "NO " not in text
    assert "demo-token" not in text
    assert "demo-password" not in text
