"""What a local run takes over of the user's settings, and what not."""

from zeebe_connectors.cli.dev import local_settings
from zeebe_connectors.config.environment import Environment


def test_a_local_run_has_a_cluster_and_a_ledger_of_its_own(tmp_path):
    """Keys begin anew with each local engine: a ledger that knows others would take its mails for sent."""
    given = {
        "ZEEBE_ADDRESS": "cluster.example.com:443",
        "ZEEBE_CONNECTORS_LEDGER": "postgresql://u:p@db.example.com/production",
        "ZEEBE_CONNECTORS_DATA": "var",
        "ZEEBE_CONNECTORS_GRACE": "7s",
    }
    settings = local_settings(
        Environment(("environment", given)), tmp_path, address="127.0.0.1:1", data=tmp_path / "runtime"
    )
    assert settings.ledger is None
    assert settings.data == tmp_path / "runtime"
    assert (settings.cluster.address, settings.diagrams, settings.grace) == ("127.0.0.1:1", tmp_path, 7.0)
