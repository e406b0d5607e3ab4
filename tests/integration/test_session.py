"""The servers that the tests of this folder share."""

import smtplib

import pytest

from zeebe_connectors.config.cluster import ClusterSettings
from zeebe_connectors.runtime.gateway.zeebe import ZeebeGateway

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("turn", [1, 2])
async def test_shared_engine_is_healthy(zeebe, turn):
    """The session's engine answers from the loop of one test as from that of the next."""
    gateway = ZeebeGateway(ClusterSettings(address=zeebe.grpc_address))
    try:
        found = await gateway.topology()
    finally:
        await gateway.aclose()
    assert found.healthy_partitions == found.partitions > 0


@pytest.mark.parametrize("turn", [1, 2])
async def test_shared_mail_server_takes_mail(mail, turn):
    """The session's mail server answers from the loop of one test as from that of the next."""
    address = f"turn{turn}@session.test"
    with smtplib.SMTP(mail.host, mail.smtp_port, timeout=30) as client:
        client.sendmail("sender@session.test", address, b"Subject: shared\r\n\r\nbody\r\n")
    (message,) = await mail.expect(address)
    assert message["Subject"] == "shared"
