"""Run BPMN processes locally, in this process or over gRPC, for development and tests.

    engine = Engine()
    engine.deploy([("order.bpmn", Path("order.bpmn").read_bytes())])
    engine.create_instance("order", variables={"id": 1})
    (job,) = engine.activate_jobs("pay")
    engine.complete_job(job.key, {"paid": True})

It executes commands at once; `Host` runs it inside asyncio and saves the state before each answer, and
`zeebe_connectors.engine.gateway` serves it to any client of a cluster.
"""

from zeebe_connectors.engine.clock import Clock
from zeebe_connectors.engine.core import Engine
from zeebe_connectors.engine.happenings import Happening, HappeningKind
from zeebe_connectors.engine.host import Host
from zeebe_connectors.engine.jobs import ActivatedJob
from zeebe_connectors.engine.model import InvalidResourceError, read_processes
from zeebe_connectors.engine.payloads import parse_variables
from zeebe_connectors.engine.rejections import Rejection, RejectionCode
from zeebe_connectors.engine.store import MemoryStore, SqliteStore, StoreError

__all__ = [
    "ActivatedJob",
    "Clock",
    "Engine",
    "Happening",
    "HappeningKind",
    "Host",
    "InvalidResourceError",
    "MemoryStore",
    "Rejection",
    "RejectionCode",
    "SqliteStore",
    "StoreError",
    "parse_variables",
    "read_processes",
]
