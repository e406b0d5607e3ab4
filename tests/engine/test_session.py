"""The engine that the tests of this folder share."""

import pytest

from zeebe_connectors.engine.zeebe import is_healthy

pytestmark = pytest.mark.engine


async def test_shared_engine_is_healthy(zeebe):
    """The session's engine answers from the loop of a test."""
    assert await is_healthy(zeebe.grpc_address)


async def test_shared_engine_serves_the_next_test(zeebe):
    """It is the same one in the next test, whose loop is another."""
    assert await is_healthy(zeebe.grpc_address)
