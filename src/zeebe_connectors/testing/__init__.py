"""Test connectors and processes without a cluster.

`run` runs one job through the whole pipeline:

    outcome = await run(my_connector, {"url": "http://127.0.0.1:8080/orders"}, result_variable="order")
    assert outcome == Complete({"order": ...})

`Engine` runs whole processes inside a test (`docs/engine.md`); `zeebe_connectors.testing.servers` has servers for them
to talk to.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zeebe_connectors.runtime.gateway.fake import FakeGateway
    from zeebe_connectors.runtime.outbound.outcome import Complete, Fail, Outcome, Throw
    from zeebe_connectors.testing.checking import check
    from zeebe_connectors.testing.engine import Engine
    from zeebe_connectors.testing.jobs import run
    from zeebe_connectors.testing.process import EngineProcess
    from zeebe_connectors.testing.watching import Watching, watch

_ROOMS = {
    "Complete": "zeebe_connectors.runtime.outbound.outcome",
    "Fail": "zeebe_connectors.runtime.outbound.outcome",
    "FakeGateway": "zeebe_connectors.runtime.gateway.fake",
    "Outcome": "zeebe_connectors.runtime.outbound.outcome",
    "Throw": "zeebe_connectors.runtime.outbound.outcome",
    "Engine": "zeebe_connectors.testing.engine",
    "EngineProcess": "zeebe_connectors.testing.process",
    "Watching": "zeebe_connectors.testing.watching",
    "check": "zeebe_connectors.testing.checking",
    "run": "zeebe_connectors.testing.jobs",
    "watch": "zeebe_connectors.testing.watching",
}
__all__ = [
    "Complete",
    "Engine",
    "EngineProcess",
    "Fail",
    "FakeGateway",
    "Outcome",
    "Throw",
    "Watching",
    "check",
    "run",
    "watch",
]


def __getattr__(name: str) -> Any:
    """Imports a name on first use, so that the local servers start without the runtime."""
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)
